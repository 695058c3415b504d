//! Templates of Coolify, Dokploy and CapRover and folders of Heroku's run as they are (BX-19): what they generate is the same wherever they name it, is kept by
//! the next deploy, and the application answers where its template says.

use pluvio_tests::{Engine, Pluvio, engines, http, image::IMAGE};

engines!(
    both: [a_template_of_coolify_runs],
    docker: [a_template_of_dokploy_runs, a_folder_with_a_heroku_yml_runs],
    podman: [a_template_of_caprover_runs],
);

/// A variable of an instance, asked of itself.
#[track_caller]
fn variable(env: &str, name: &str) -> String {
    let start = format!("{name}=");
    let found = env.lines().find_map(|line| line.strip_prefix(&start));
    found
        .unwrap_or_else(|| panic!("no {name} in\n{env}"))
        .to_owned()
}

/// What a server behind the application's own answers to its question.
fn behind(pluvio: &Pluvio, app: &str, path: &str) -> String {
    pluvio.body(app, &format!("/ask?{path}"))
}

#[track_caller]
fn is_secret(text: &str, length: usize) {
    assert_eq!(text.len(), length, "{text}");
    assert!(text.chars().all(|c| c.is_ascii_alphanumeric()), "{text}");
}

fn a_template_of_coolify_runs(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("coolify");
    let text = |greeting: &str| {
        format!(
            "# documentation: https://example.org/docs
# slogan: A page that greets.
# category: test
# logo: svgs/greeter.svg
# port: 8080

services:
  greeter:
    image: {IMAGE}
    command: /serve
    environment:
      - SERVICE_URL_GREETER_8080
      - GREETING=${{GREETING:-{greeting}}}
      - STORE_URL=http://${{SERVICE_USER_STORE}}:${{SERVICE_PASSWORD_STORE}}@store:8080
      - SESSION_KEY=${{SERVICE_PASSWORD_64_SESSION}}
    volumes:
      - greeter-data:/data
      - type: bind
        source: ./greeter.toml
        target: /etc/greeter/greeter.toml
        content: |
          [greeter]
          loud = true
    depends_on:
      store:
        condition: service_healthy
  store:
    image: {IMAGE}
    command: /serve
    environment:
      STORE_USER: $SERVICE_USER_STORE
      STORE_PASSWORD: $SERVICE_PASSWORD_STORE
    healthcheck:
      test: [CMD-SHELL, 'wget -qO /dev/null http://127.0.0.1:8080/healthz']
      interval: 2s
"
        )
    };
    let file = pluvio.write("coolify/greeter.yaml", &text("hello"));
    let words = ["deploy", &file, "--name", &name, "--json"];
    pluvio.cli(&words).ok();
    assert_eq!(pluvio.body(&name, "/").trim(), "hello");
    let env = pluvio.body(&name, "/env");
    let url = variable(&env, "SERVICE_URL_GREETER_8080");
    assert!(url.contains(&format!("{name}.localhost")), "{url}");
    let settings = pluvio.body(&name, "/file?/etc/greeter/greeter.toml");
    assert_eq!(settings, "[greeter]\nloud = true\n");
    let theirs = behind(&pluvio, &name, "store:8080/env");
    let (user, password) = (
        variable(&theirs, "STORE_USER"),
        variable(&theirs, "STORE_PASSWORD"),
    );
    is_secret(&variable(&env, "SESSION_KEY"), 64);
    let whole = format!("http://{user}:{password}@store:8080");
    assert_eq!(variable(&env, "STORE_URL"), whole);

    pluvio.write("coolify/greeter.yaml", &text("good day"));
    pluvio.cli(&words).ok();
    assert_eq!(pluvio.body(&name, "/").trim(), "good day");
    let env = pluvio.body(&name, "/env");
    assert_eq!(variable(&env, "STORE_URL"), whole, "made once");
    pluvio.end();
}

fn a_template_of_dokploy_runs(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("dokploy");
    let compose = format!(
        "version: \"3.8\"
services:
  greeter:
    image: {IMAGE}
    command: /serve
    restart: unless-stopped
    environment:
      GREETING: ${{GREETING}}
      STORE_PASSWORD: ${{STORE_PASSWORD}}
      PUBLIC_HOST: ${{PUBLIC_HOST}}
    volumes:
      - ../files/greeter.toml:/etc/greeter/greeter.toml
      - data:/data
    depends_on: [store]
    networks: [dokploy-network, default]
  store:
    image: {IMAGE}
    command: /serve
    environment:
      - STORE_PASSWORD
volumes:
  data: {{}}
networks:
  dokploy-network:
    external: true
"
    );
    let template = |greeting: &str| {
        format!(
            "[variables]
main_domain = \"${{domain}}\"
store_password = \"${{password:24}}\"

[config]
mounts = []

[config.env]
GREETING = \"{greeting}\"
STORE_PASSWORD = \"${{store_password}}\"
PUBLIC_HOST = \"${{main_domain}}\"

[[config.domains]]
serviceName = \"greeter\"
port = 8080
host = \"${{main_domain}}\"

[[config.mounts]]
filePath = \"greeter.toml\"
content = \"\"\"
[greeter]
loud = true
\"\"\"
"
        )
    };
    pluvio.write("dokploy/greeter/docker-compose.yml", &compose);
    pluvio.write("dokploy/greeter/template.toml", &template("hello"));
    let folder = pluvio.scratch().join("dokploy/greeter");
    let folder = folder.display().to_string();
    let domain = format!("main_domain=dok-{name}.localhost");
    let words = [
        "deploy", &folder, "--name", &name, "--env", &domain, "--json",
    ];
    pluvio.cli(&words).ok();
    let host = format!("dok-{name}.localhost");
    let get = |path: &str| {
        let reply = http::get(pluvio.gateway_port(), &host, path).expect("an answer");
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        reply.body
    };
    assert_eq!(get("/").trim(), "hello");
    let settings = get("/file?/etc/greeter/greeter.toml");
    assert!(settings.contains("loud = true"), "{settings}");
    let env = get("/env");
    assert_eq!(variable(&env, "PUBLIC_HOST"), host);
    let password = variable(&env, "STORE_PASSWORD");
    is_secret(&password, 24);
    let theirs = get("/ask?store:8080/env");
    assert_eq!(variable(&theirs, "STORE_PASSWORD"), password);

    pluvio.write("dokploy/greeter/template.toml", &template("good day"));
    pluvio.cli(&words).ok();
    assert_eq!(get("/").trim(), "good day");
    assert_eq!(
        variable(&get("/env"), "STORE_PASSWORD"),
        password,
        "made once"
    );
    pluvio.end();
}

fn a_template_of_caprover_runs(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("caprover");
    let text = format!(
        "captainVersion: 4
services:
  $$cap_appname-store:
    image: {IMAGE}
    restart: always
    command: /serve
    volumes:
      - $$cap_appname-store-data:/data
    environment:
      STORE_PASSWORD: $$cap_store_pass
    caproverExtra:
      notExposeAsWebApp: 'true'
  $$cap_appname:
    depends_on:
      - $$cap_appname-store
    restart: always
    environment:
      GREETING: $$cap_greeting
      STORE_URL: http://store:$$cap_store_pass@srv-captain--$$cap_appname-store:8080
    caproverExtra:
      containerHttpPort: '8080'
      dockerfileLines:
        - FROM {IMAGE}
        - RUN echo built >/built
        - CMD [\"/serve\"]
caproverOneClickApp:
  variables:
    - id: $$cap_store_pass
      label: Password of the store
      defaultValue: $$cap_gen_random_hex(20)
      validRegex: /.{{1,}}/
    - id: $$cap_greeting
      label: What it says
      defaultValue: hello
  instructions:
    start: A page that greets.
    end: It is at $$cap_appname.$$cap_root_domain.
  displayName: Greeter
  description: A page that greets.
"
    );
    let file = pluvio.write("caprover/greeter.yml", &text);
    let deploy = |more: &[&str]| {
        let words = ["deploy", &file, "--name", &name, "--json"];
        pluvio.cli(&[&words[..], more].concat()).ok();
    };
    deploy(&[]);
    assert_eq!(pluvio.body(&name, "/").trim(), "hello");
    assert_eq!(pluvio.body(&name, "/file?/built").trim(), "built");
    let env = pluvio.body(&name, "/env");
    let url = variable(&env, "STORE_URL");
    let (_, rest) = url.split_once("store:").expect("a password");
    let (password, server) = rest.split_once('@').expect("a server");
    is_secret(password, 20);
    let theirs = behind(&pluvio, &name, &format!("{server}/env"));
    assert_eq!(variable(&theirs, "STORE_PASSWORD"), password);

    deploy(&["--env", "cap_greeting=good day"]);
    assert_eq!(pluvio.body(&name, "/").trim(), "good day");
    let env = pluvio.body(&name, "/env");
    assert_eq!(variable(&env, "STORE_URL"), url, "made once");
    pluvio.end();
}

/// Two images, a process on the image of another, a task before each release, and no port but the one that `PORT` says.
fn a_folder_with_a_heroku_yml_runs(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("heroku");
    let dockerfile = |kind: &str| {
        format!("FROM {IMAGE}\nARG FOO=none\nRUN echo {kind} $FOO >/built\nCMD [\"/serve\"]\n")
    };
    pluvio.write("heroku/Dockerfile", &dockerfile("web"));
    pluvio.write("heroku/worker/Dockerfile.worker", &dockerfile("worker"));
    let manifest = "setup:
  config: { GREETING: hello, LEVEL: 2 }
build:
  docker:
    web: Dockerfile
    worker: worker/Dockerfile.worker
  config: { FOO: bar }
release:
  image: worker
  command: [ \"echo migrated by $(cat /built)\", \"test $LEVEL = 2\" ]
run:
  web: /serve
  worker: GREETING=working /serve
  other: { command: /serve, image: worker }
";
    pluvio.write("heroku/heroku.yml", manifest);
    let app_json = r#"{ "name": "shop", "formation": { "worker": { "quantity": 1 } } }"#;
    pluvio.write("heroku/app.json", app_json);
    let folder = pluvio.scratch().join("heroku").display().to_string();
    let plan = pluvio.cli(&["plan", &folder, "--json"]).ok();
    assert_eq!(plan["detected"]["kind"], "heroku", "{plan:#}");
    pluvio
        .cli(&["deploy", &folder, "--name", &name, "--json"])
        .ok();
    assert_eq!(pluvio.body(&name, "/"), "hello\n");
    assert_eq!(variable(&pluvio.body(&name, "/env"), "PORT"), "8080");
    assert_eq!(pluvio.body(&name, "/file?/built"), "web bar\n");
    // What the task says is kept with the component's.
    let logs = pluvio.cli(&["logs", "-a", &name]);
    assert!(logs.stdout.contains("migrated by worker bar"), "{logs:?}");
    let components = pluvio.status(&name)["components"].clone();
    let instances = |component: &str| {
        let all = components.as_array().into_iter().flatten();
        let found = all.into_iter().find(|one| one["name"] == component);
        found.map(|one| one["instances"].as_array().map_or(0, Vec::len))
    };
    let counts = (instances("web"), instances("worker"), instances("other"));
    assert_eq!(counts, (Some(1), Some(1), Some(0)), "{components:#}");
    // Named as a file, it is the same; a value given counts instead of the file's.
    let file = format!("{folder}/heroku.yml");
    let again = [
        "deploy",
        &file,
        "--name",
        &name,
        "--env",
        "GREETING=given",
        "--json",
    ];
    pluvio.cli(&again).ok();
    assert_eq!(pluvio.body(&name, "/"), "given\n");
    pluvio.end();
}
