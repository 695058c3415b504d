use std::fmt::Write;

use super::*;
use crate::compose::Nothing;

const COMPOSE: &str = r#"
services:
  web:
    image: example/web:1
    command: ["serve", "--key=${API_KEY}"]
    environment:
      URL: https://${HOST}
      DATABASE_URL: ${DATABASE_URL}
      - API_KEY
    volumes:
      - ../files/app.conf:/etc/app.conf
      - ../files/conf.d:/etc/conf.d
      - ../files/data:/data
    networks: [dokploy-network]
  db:
    image: postgres:17
    env_file: .env
networks:
  dokploy-network:
    external: true
"#;

const CONFIG: &str = r#"
[variables]
main_domain = "${domain}"
db_password = "${password:24}"
key = "${base64:32}"
unused = "x"

[config]
env = [
  "HOST=${main_domain}",
  "DATABASE_URL=postgres://u:${db_password}@db/u",
  "POSTGRES_PASSWORD=${db_password}",
  "API_KEY=${key}",
  "LIMIT='5'",
]

[[config.domains]]
serviceName = "web"
port = 3_000
host = "${main_domain}"

[[config.domains]]
serviceName = "web"
port = 3000
host = "api.example.com"
path = "/api"

[[config.mounts]]
filePath = "/app.conf"
content = """
password = ${db_password} costs $1
at = ${main_domain}
"""

[[config.mounts]]
filePath = "conf.d/a.conf"
content = "a"
mountPath = "/x"
"#;

fn read_both(compose: &str, config: &str, given: &[(String, String)]) -> Import {
    let template = Template {
        compose,
        compose_file: "docker-compose.yml",
        config,
        config_file: "template.toml",
    };
    let name: Name = "shop".parse().unwrap();
    read(template, Some(&name), None, given, &Nothing)
}

fn shown(import: &Import) -> String {
    let mut out = crate::app::write(&import.spec);
    for row in &import.report {
        let _ = writeln!(
            out,
            "{} {}:{} {}: {}",
            row.outcome.as_str(),
            row.file.as_deref().unwrap_or("-"),
            row.line.unwrap_or_default(),
            row.at,
            row.message
        );
    }
    for problem in &import.errors {
        let at = problem.at.clone().unwrap_or_default();
        let _ = writeln!(
            out,
            "{} {}:{}:{} {}",
            problem.code,
            at.file.unwrap_or_default(),
            at.line.unwrap_or_default(),
            at.column.unwrap_or_default(),
            problem.cause
        );
    }
    out
}

#[test]
fn a_template_gives_secrets_routes_files_and_environment() {
    let compose = COMPOSE.replace("      - API_KEY\n", "      API_KEY:\n");
    let import = read_both(&compose, CONFIG, &[]);
    expect_test::expect![[r#"
        apiVersion: pluvio/v1
        name: shop
        components:
          web:
            image: docker.io/example/web:1
            command: [sh, "-c", "exec 'serve' \"--key=${API_KEY}\""]
            ports:
              http: { port: 3000 }
            imagePorts: true
            env:
              API_KEY: "${secrets.key}A="
              URL: "https://${settings.HOST}"
              DATABASE_URL: "postgres://u:${secrets.db_password}@db/u"
            files:
              /etc/app.conf:
                content: |
                  password = ${secrets.db_password} costs $$1
                  at = shop.localhost
              /etc/conf.d/a.conf: { content: a, raw: true }
            volumes:
              /etc/conf.d: { type: memory }
              /data: { name: files-data }
            routes:
              - {}
              - { host: api.example.com, path: /api }
          db:
            kind: stateful
            image: docker.io/library/postgres:17
            imagePorts: true
            env:
              HOST: "${settings.HOST}"
              DATABASE_URL: "postgres://u:${secrets.db_password}@db/u"
              POSTGRES_PASSWORD: "${secrets.db_password}"
              API_KEY: "${secrets.key}A="
              LIMIT: "${settings.LIMIT}"
            routes: []
        secrets:
          key: { generate: true, length: 42 }
          db_password: { generate: true, length: 24 }
        settings:
          HOST: { default: shop.localhost }
          LIMIT: { default: "5" }
        ignored template.toml:38 config.mounts[1].mountPath: Dokploy does not read it either: the compose file says where it is mounted.
        ignored template.toml:6 variables.unused: Nothing names it.
        ignored -:14 services.web.networks: The network of Dokploy's proxy: here the gateway reaches the components that have routes.
        ignored -:19 networks.dokploy-network: The network of Dokploy's proxy: here the gateway reaches the components that have routes.
        adapted template.toml:17 config.domains: Port 3000 of web is reached through the gateway.
        adapted template.toml:22 config.domains: Port 3000 of web is reached through the gateway, at /api.
        adapted -:9 services.web.environment.API_KEY: Its value is made for the application.
        adapted -:11 services.web.volumes: The text of ../files/app.conf is taken into the specification as a file. What the program writes into it is lost with the instance.
        adapted -:12 services.web.volumes: The texts of the 1 files in ../files/conf.d are taken into the specification; nothing else is at /etc/conf.d.
        adapted -:13 services.web.volumes: The folder ../files/data is not there or empty: it becomes the volume `files-data`.
        adapted -:17 services.db.env_file: The variables of .env become the component's own.
        adapted -:0 services.web.ports: 3000 looks like HTTP: it is reached through the gateway, at the application's address, and redeploys lose no request.
        adapted -:0 secrets.key: It is made once, at the first deploy, and kept.
        adapted -:0 secrets.db_password: It is made once, at the first deploy, and kept.
    "#]].assert_eq(&shown(&import));
}

#[test]
fn what_is_given_wins() {
    let compose = COMPOSE.replace("      - API_KEY\n", "");
    let given = [
        ("main_domain".to_owned(), "shop.example.com".to_owned()),
        ("db_password".to_owned(), "mine".to_owned()),
    ];
    let import = read_both(&compose, CONFIG, &given);
    assert_eq!(import.errors, []);
    let web = &import.spec.components["web"];
    assert_eq!(web.env["URL"].0, "https://${settings.HOST}");
    let host = import.spec.settings["HOST"].default.as_deref();
    assert_eq!(host, Some("shop.example.com"));
    let routes = web.routes.as_ref().unwrap();
    assert_eq!(
        routes[0].host.as_ref().unwrap().to_string(),
        "shop.example.com"
    );
    assert!(!import.spec.secrets.contains_key("db_password"));
}

#[test]
fn slips_are_mended_and_told() {
    let config = "[config]\nmounts = []\n\n[[config.domains]]\nserviceName = \"web\"\nport = 80\n\n[[config.mounts]]\nfilePath = \"a\"\ncontent = \"x \\. y\"\n";
    let import = read_both(
        "services: { web: { image: a, volumes: [../files/a:/a] } }",
        config,
        &[],
    );
    assert_eq!(import.errors, []);
    let file = &import.spec.components["web"].files[0];
    assert_eq!(file.content, "x \\. y");
    let mut lines: Vec<Option<u32>> = import
        .report
        .iter()
        .filter(|row| row.message.contains("counts as absent") || row.message.contains("backslash"))
        .map(|row| row.line)
        .collect();
    lines.sort();
    assert_eq!(lines, [Some(8), Some(10)]);
    let import = read_both("services: {}", "[config\n", &[]);
    let at = import.errors[0].at.clone().unwrap();
    assert_eq!(
        (at.file.as_deref(), at.line),
        (Some("template.toml"), Some(1))
    );
}

#[test]
fn variables_that_multiply_are_refused() {
    let mut config = "[variables]\nv0 = \"0123456789\"\n".to_owned();
    for level in 1..15 {
        let _ = writeln!(
            config,
            "v{level} = \"{}\"",
            format!("${{v{}}}", level - 1).repeat(10)
        );
    }
    config += "[config.env]\nA = \"${v14}\"\n";
    let import = read_both("services: { a: { image: a } }", &config, &[]);
    assert_eq!(import.errors[0].code.as_str(), "spec.too-large");
}

#[test]
fn one_text_holds_both() {
    // { "compose": "services: {}", "config": "[config]" }
    let text = "eyJjb21wb3NlIjoic2VydmljZXM6IHt9IiwiY29uZmlnIjoiW2NvbmZpZ10ifQ==";
    let (compose, config) = pasted(text).unwrap();
    assert_eq!(
        (compose.as_str(), config.as_str()),
        ("services: {}", "[config]")
    );
    assert_eq!(pasted("nginx:1.29"), None);
}
