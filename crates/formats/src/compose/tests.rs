//! What becomes of compose files.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};

use super::*;
use crate::report::Outcome;

mod builds;
mod engines;
mod networks;
mod protocols;
mod services;
mod shell;
mod volumes;

/// Files by their paths.
#[derive(Default)]
struct Around(BTreeMap<&'static str, &'static str>);

impl Surroundings for Around {
    fn entry(&self, path: &str) -> Entry {
        match self.0.get(path) {
            Some(text) => Entry::Text((*text).to_owned()),
            None if self
                .0
                .keys()
                .any(|known| known.starts_with(&format!("{path}/"))) =>
            {
                Entry::Folder
            }
            None => Entry::Missing,
        }
    }
    fn below(&self, path: &str) -> Option<Vec<String>> {
        let inside = format!("{path}/");
        Some(
            self.0
                .keys()
                .filter_map(|known| known.strip_prefix(&inside))
                .map(str::to_owned)
                .collect(),
        )
    }
    fn absolute(&self, path: &str) -> Option<String> {
        Some(format!("/here/{path}"))
    }
}

fn read_files(files: &[(&'static str, &'static str)]) -> Import {
    read(
        &Project::default(),
        &Around(files.iter().copied().collect()),
    )
}

fn read_text(text: &str) -> Import {
    read(
        &Project {
            files: vec!["compose.yaml".into()],
            text: Some(text.to_owned()),
            ..Project::default()
        },
        &Nothing,
    )
}

fn shown(import: &Import) -> String {
    let mut out = String::new();
    if import.errors.is_empty() {
        out.push_str(&crate::app::write(&import.spec));
    }
    for row in &import.report {
        let place = match (&row.file, row.line) {
            (Some(file), Some(line)) => format!(" {file}:{line}"),
            (None, Some(line)) => format!(":{line}"),
            _ => String::new(),
        };
        out.push_str(&format!("{} {}{place}\n", row.outcome.as_str(), row.at));
    }
    for problem in &import.errors {
        let at = problem.at.clone().unwrap_or_default();
        out.push_str(&format!(
            "{} {}:{} {}\n  {}\n",
            problem.code,
            at.file.unwrap_or_default(),
            at.line.unwrap_or_default(),
            problem.cause,
            problem.remedy
        ));
    }
    out
}

fn check(files: &[(&'static str, &'static str)], want: Expect) {
    want.assert_eq(&shown(&read_files(files)));
}

#[test]
fn services_become_components_and_nothing_is_silent() {
    check(
        &[(
            "compose.yaml",
            r#"version: "3"
name: Shop_1
services:
  web_app:
    image: nginx:1.29
    ports: ["8080:80", "127.0.0.1:9000:9000/udp", 22222:22]
    environment:
      - DEBUG=no
      - URL=http://api:3000/$$x
    depends_on:
      api: { condition: service_healthy }
      migrate: { condition: service_completed_successfully }
    ulimits: { nofile: 1024 }
    privileged: true
    unknwon: 1
  api:
    image: localhost/api:1
    command: serve --port 3000
    expose: [4000]
    healthcheck:
      test: curl -f localhost:3000
      interval: 10s
  migrate:
    image: localhost/api:1
    restart: "no"
    entrypoint: [./migrate]
"#,
        )],
        expect![[r#"
            apiVersion: pluvio/v1
            name: shop-1
            components:
              web-app:
                image: docker.io/library/nginx:1.29
                ports:
                  http: { port: 80 }
                  udp-9000: { port: 9000, protocol: udp }
                  tcp-22: { port: 22, protocol: tcp }
                imagePorts: true
                env:
                  DEBUG: "no"
                  URL: http://api:3000/$$x
                uses: [api, migrate]
                publish:
                  - { host: 9000, port: 9000, address: "127.0.0.1", protocol: udp }
                  - { host: 22222, port: 22, protocol: tcp }
                aliases: [web_app]
                host: { privileged: true }
                options:
                  ulimits:
                    nofile: { soft: 1024, hard: 1024 }
              api:
                image: localhost/api:1
                command: [serve, "--port", "3000"]
                ports:
                  tcp-4000: { port: 4000, protocol: tcp }
                  tcp-3000: { port: 3000, protocol: tcp }
                imagePorts: true
                probes:
                  startup:
                    command: curl -f localhost:3000
                    period: 5s
                    timeout: 30s
                    failures: 1000000
                  ready:
                    command: curl -f localhost:3000
                    period: 10s
                    timeout: 30s
                    failures: 3
                routes: []
              migrate:
                kind: job
                image: localhost/api:1
                entrypoint: [./migrate]
            ignored version:1
            adapted name:2
            adapted services.web_app:4
            adapted services.web_app.privileged:14
            refused services.web_app.unknwon:15
            adapted services.api.healthcheck:20
            adapted services.migrate.restart:25
            adapted services.web_app.ports:6
            adapted services.web_app.ports:6
        "#]],
    );
}

#[test]
fn files_are_laid_over_each_other_by_composes_rules() {
    check(
        &[
            (
                "compose.yaml",
                "include: [other/compose.yaml]\nservices:\n  web:\n    extends: { file: base.yaml, service: base }\n    image: web:${TAG:-1}\n    command: [a, b]\n    environment: { A: \"1\", B: \"2\" }\n    ports: [\"80:80\"]\n    dns: 1.1.1.1\n",
            ),
            (
                "compose.override.yaml",
                "services:\n  web:\n    command: [c]\n    environment: [B=3, C]\n    ports: !override [\"81:80\"]\n    dns: !reset null\n",
            ),
            (
                "base.yaml",
                "services:\n  base:\n    image: base\n    environment: [A=0, Z=z]\n    volumes: [./conf:/etc/conf:ro]\n",
            ),
            ("conf/a.conf", "a = 1\n"),
            (
                "other/compose.yaml",
                "services:\n  db:\n    image: postgres:17\n    env_file: db.env\n    volumes: [data:/var/lib/postgresql/data]\nvolumes: { data: }\n",
            ),
            (
                "other/db.env",
                "POSTGRES_PASSWORD=$SECRET_X\nLITERAL='$A'\n",
            ),
            (".env", "TAG=2\nSECRET_X=\"a b\" # c\nC=see\n"),
        ],
        expect![[r#"
            apiVersion: pluvio/v1
            name: app
            components:
              web:
                image: docker.io/library/web:2
                command: [c]
                ports:
                  http: { port: 80 }
                imagePorts: true
                env:
                  A: "1"
                  Z: z
                  B: "3"
                  C: see
                files:
                  /etc/conf/a.conf:
                    content: |
                      a = 1
                    raw: true
                volumes:
                  /etc/conf: { type: memory }
              db:
                kind: stateful
                image: docker.io/library/postgres:17
                imagePorts: true
                env:
                  POSTGRES_PASSWORD: "${settings.SECRET_X}"
                  LITERAL: "$$A"
                volumes:
                  /var/lib/postgresql/data: { name: data }
                routes: []
            settings:
              SECRET_X: { default: a b }
            adapted services.web.environment.C compose.override.yaml:4
            adapted services.web.volumes base.yaml:5
            adapted services.db.env_file other/compose.yaml:4
            adapted services.web.ports compose.override.yaml:5
        "#]],
    );
}

#[test]
fn what_is_wrong_has_its_place_and_a_remedy() {
    check(
        &[(
            "compose.yaml",
            "services:\n  web:\n    image: \"web:${TAG:?which}\"\n    ports: [abc]\n    depends_on: [wbe2]\n    restart: sometimes\n    mem_limit: lots\n    volumes: [\":/data\"]\n  web2:\n    build: ../other\n",
        )],
        expect![[r#"
            adapted services.web.depends_on.wbe2:5
            setting.missing compose.yaml:3 The file requires the variable TAG, and it is not set: which.
              Write `TAG=…` into the `.env` beside the file, or give it: `--env TAG=…`, `--env-file FILE`.
            spec.invalid compose.yaml:3 "web:" is not an image reference: the tag may hold letters, digits, _ . and -, at most 128.
              Write an image such as nginx:1.29 or registry.example/team/app:1.
            spec.invalid compose.yaml:6 `sometimes` is no restart policy.
              Write no, always, on-failure or unless-stopped.
            spec.unknown-reference compose.yaml:5 There is no service `wbe2`.
              Did you mean `web2`?
            spec.invalid compose.yaml:8 `:/data` does not say what is mounted; a variable in it is probably not set.
              Write the volume or the path before the colon, or set the variable in `.env`.
            spec.invalid compose.yaml:7 `lots` is not a size such as 64m or 1g.
              Write a size such as 64m or 1g.
            spec.invalid compose.yaml:4 `abc` is not a published port.
              Write HOST:CONTAINER, such as "8080:80", with an address before it or /udp behind it where needed.
            spec.unsupported compose.yaml:10 The context ../other is outside of the folder that is deployed.
              Name the file on the command line, where the folders above it are at hand, or give the whole folder or repository with it; or move the context below.
        "#]],
    );
    check(
        &[("compose.yaml", "services: [a]\n")],
        expect![[r#"
            spec.invalid compose.yaml:1 `services` is not a map.
              Write each service with its name and a colon.
        "#]],
    );
    check(
        &[],
        expect![[r#"
            source.missing compose.yaml:0 The file has no services, so there is nothing to run.
              Add `services:` with at least one.
        "#]],
    );
}

/// A file that has every key of the specification's schema; `profiles` are asked for.
const EVERYTHING: &str = include_str!("everything.yaml");

/// The paths of all keys and list items of a document.
fn paths(value: &serde_json::Value, at: &mut Vec<String>, all: &mut Vec<Vec<String>>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                at.push(key.clone());
                all.push(at.clone());
                paths(value, at, all);
                at.pop();
            }
        }
        serde_json::Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                at.push(index.to_string());
                all.push(at.clone());
                paths(value, at, all);
                at.pop();
            }
        }
        _ => {}
    }
}

fn to_json(node: &crate::yaml::Node) -> serde_json::Value {
    use crate::yaml::{Resolved, Value as Yaml};
    match &node.value {
        Yaml::Map(entries) => entries
            .iter()
            .map(|entry| (entry.key.clone(), to_json(&entry.value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Yaml::List(items) => items.iter().map(to_json).collect(),
        Yaml::Scalar { text, is } => match is {
            Resolved::Null => serde_json::Value::Null,
            Resolved::Bool(value) => (*value).into(),
            Resolved::Unsigned(value) => (*value).into(),
            _ => text.clone().into(),
        },
        Yaml::Gone => serde_json::Value::Null,
    }
}

fn without(value: &serde_json::Value, path: &[String]) -> serde_json::Value {
    let mut value = value.clone();
    let mut here = &mut value;
    for step in &path[..path.len() - 1] {
        here = match here {
            serde_json::Value::Object(map) => map.get_mut(step).unwrap(),
            serde_json::Value::Array(items) => &mut items[step.parse::<usize>().unwrap()],
            _ => unreachable!(),
        };
    }
    let last = path.last().unwrap();
    match here {
        serde_json::Value::Object(map) => {
            map.shift_remove(last);
        }
        serde_json::Value::Array(items) => {
            items.remove(last.parse().unwrap());
        }
        _ => unreachable!(),
    }
    value
}

/// Without lines: JSON is one.
fn outcome(document: &serde_json::Value) -> String {
    let project = Project {
        files: vec!["compose.yaml".into()],
        text: Some(document.to_string()),
        profiles: vec!["*".into()],
        ..Project::default()
    };
    let around = Around(
        [
            ("web/Dockerfile", "FROM a\n"),
            ("a.env", "A=1\n"),
            ("b.env", "B=1\n"),
            ("labels.env", "l=1\n"),
            ("conf", "x"),
            ("key", "y"),
        ]
        .into_iter()
        .collect(),
    );
    let import = read(&project, &around);
    let rows: Vec<String> = import
        .report
        .iter()
        .map(|row| format!("{} {} {}", row.outcome.as_str(), row.at, row.message))
        .collect();
    let errors: Vec<&str> = import.errors.iter().map(|e| e.cause.as_str()).collect();
    format!(
        "{}\n{rows:#?}\n{errors:#?}\n{:?}",
        serde_json::to_string_pretty(&import.spec).unwrap(),
        import.secrets
    )
}

#[test]
fn c1_removing_any_one_key_changes_the_specification_or_the_report() {
    let node = crate::yaml::read(EVERYTHING, &crate::yaml::Limits::default()).unwrap();
    let whole = to_json(&node);
    let before = outcome(&whole);
    let mut all = Vec::new();
    paths(&whole, &mut Vec::new(), &mut all);
    let silent: Vec<String> = all
        .iter()
        .filter(|path| outcome(&without(&whole, path)) == before)
        .map(|path| path.join("."))
        .collect();
    assert!(silent.is_empty(), "silent: {silent:#?}");
    assert!(all.len() > 400, "{}", all.len());
}

/// Every key that the specification's JSON schema has for a service stands in that file.
#[test]
fn c1_the_file_has_every_key_that_the_converter_knows() {
    let node = crate::yaml::read(EVERYTHING, &crate::yaml::Limits::default()).unwrap();
    let services = node.get("services").unwrap().entries();
    for key in convert::SERVICE_KEYS {
        assert!(
            services
                .iter()
                .any(|service| service.value.get(key).is_some()),
            "{key} is tried nowhere"
        );
    }
}

#[test]
fn a_file_of_aliases_is_bounded() {
    let mut text = String::from("x-a: &a [1,1,1,1,1,1,1,1,1,1]\n");
    for level in 0..8 {
        let (from, to) = (b'a' + level, b'b' + level);
        let from = from as char;
        text.push_str(&format!(
            "x-{0}: &{0} [*{from},*{from},*{from},*{from},*{from},*{from},*{from},*{from},*{from},*{from}]\n",
            to as char
        ));
    }
    let import = read_text(&text);
    assert_eq!(import.errors[0].code, "spec.too-large");
}

#[test]
fn refused_rows_have_remedies() {
    let import = read_text(EVERYTHING);
    for row in &import.report {
        assert!(
            row.outcome != Outcome::Refused || row.remedy.is_some(),
            "{row:?}"
        );
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,200}") {
        let _ = read_text(&text);
    }

    #[test]
    fn files_that_look_like_compose_are_read_or_refused(
        key in proptest::sample::select(convert::SERVICE_KEYS.to_vec()),
        value in "[-a-z0-9:/.$\\{\\}\\[\\], \"'&*!|>\n]{0,60}",
    ) {
        let _ = read_text(&format!("services:\n  web:\n    image: a\n    {key}: {value}\n"));
        let _ = read_text(&format!("services:\n  web:\n    image: a\n    {key}:\n      - {value}\n"));
        let _ = read_text(&format!("services:\n  web:\n    image: a\n    {key}:\n      a: {value}\n"));
    }
}

/// A `.env` of a megabyte may name a long value in each of its lines.
#[test]
fn variables_cannot_make_a_small_text_large() {
    let mut env = format!("A={}\n", "x".repeat(500_000));
    for number in 0..60_000 {
        env.push_str(&format!("B{number}=$A\n"));
    }
    let env: &'static str = env.leak();
    let import = read_files(&[
        (
            "compose.yaml",
            "services: { web: { image: localhost/web:1 } }\n",
        ),
        (".env", env),
    ]);
    let codes: Vec<&str> = import.errors.iter().map(|one| one.code.as_str()).collect();
    assert_eq!(codes, ["spec.too-large"]);
}

#[test]
fn ports_of_other_protocols_are_no_routes() {
    for (port, http) in [
        (10_051, false),
        (4822, false),
        (1883, false),
        (3000, true),
        (9000, true),
    ] {
        let text =
            format!("services:\n  a: {{ image: 'localhost/a:1', ports: ['{port}:{port}'] }}\n");
        let app = shown(&read_text(&text));
        assert_eq!(app.contains("tcp-"), !http, "{app}");
    }
    let fpm = "services:\n  a: { image: 'localhost/php:8-fpm', ports: ['9000:9000'] }\n";
    let app = shown(&read_text(fpm));
    assert!(app.contains("tcp-9000"), "{app}");
    let untold = "services:\n  a: { image: 'localhost/php:8-fpm' }\n";
    assert!(read_text(untold).spec.components[0].image_ports);
}

#[test]
fn a_service_whose_base_is_not_there_is_told_of_once() {
    let text =
        "services:\n  web:\n    extends: { file: base.yaml, service: web }\n    ports: [80]\n";
    let project = Project {
        files: vec!["compose.yaml".to_owned()],
        text: Some(text.to_owned()),
        ..Project::default()
    };
    let import = read(&project, &Nothing);
    let causes: Vec<_> = import.errors.iter().map(|e| e.cause.as_str()).collect();
    assert_eq!(causes, ["There is no file base.yaml."]);
}

#[test]
fn paths_may_begin_with_what_every_shell_sets() {
    let source = |volume: &str| {
        let text = format!("services:\n  web:\n    image: web:1\n    volumes: [\"{volume}:/x\"]\n");
        let project = Project {
            files: vec!["compose.yaml".to_owned()],
            text: Some(text),
            ..Project::default()
        };
        let import = read(&project, &Nothing);
        assert_eq!(
            (import.errors, import.unset),
            (Vec::new(), Vec::new()),
            "{volume}"
        );
        import.spec.components[0].volumes.clone()
    };
    assert_eq!(source("$PWD/data"), source("./data"));
    assert_eq!(source("${PWD}"), source("."));
    assert_eq!(source("${HOME}/data"), source("~/data"));
}
