//! What compose does without being asked, and people rely on: nobody has to listen, names lead to oneself, data of an image
//! outlive its container, folders are laid over, and what fails is started again until what it needs is there.

use std::time::Duration;

use pluvio_tests::{Engine, Pluvio, both_engines, image::IMAGE};
use serde_json::Value;

both_engines!(
    who_works_beside_a_server_of_one_image_needs_no_port_and_once_is_once,
    what_an_image_declares_as_data_outlives_its_instances,
    files_are_there_in_a_root_that_is_only_read_and_below_memory,
    a_program_reaches_itself_by_its_name_before_it_is_ready,
    who_comes_too_early_is_started_again_and_a_folder_that_is_missing_is_made,
);

/// Builds take their time on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);

fn deploy(pluvio: &Pluvio, text: &str) -> Value {
    let file = pluvio.write("compose.yaml", text);
    pluvio
        .cli_within(&["deploy", &file, "--json", "--timeout", "4m"], PATIENCE)
        .ok()
}

/// Its instances' containers, by name.
fn instances(pluvio: &Pluvio, app: &str, component: &str) -> Vec<String> {
    let status = pluvio.status(app);
    let all = status["components"].as_array().unwrap().iter();
    let component = all.filter(|one| one["name"] == component);
    component
        .flat_map(|one| one["instances"].as_array().unwrap())
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect()
}

fn who_works_beside_a_server_of_one_image_needs_no_port_and_once_is_once(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("habits");
    pluvio.write("Dockerfile", &format!("FROM {IMAGE}\nEXPOSE 8080\n"));
    let text = format!(
        "name: {name}
services:
  web:
    build: .
    image: {name}-of-ours
    command: /serve
    ports: ['8080']
    volumes: ['log:/log']
  worker:
    image: {name}-of-ours
    command: [sh, -c, 'trap exit TERM; while true; do sleep 1; done']
  once:
    image: {name}-of-ours:latest
    command: [sh, -c, 'echo done >> /log/done']
    volumes: ['log:/log']
volumes: {{ log: }}
"
    );
    deploy(&pluvio, &text);
    // It would be started again after one second, then after two.
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(pluvio.body(&name, "/file?/log/done"), "done\n");
    let status = pluvio.status(&name);
    assert_eq!(status["status"], "running", "{status:#}");
    let mut all = status["components"].as_array().unwrap().iter();
    let once = all.find(|one| one["name"] == "once").unwrap();
    assert_eq!(once["status"], "succeeded", "{once:#}");
    assert_eq!(instances(&pluvio, &name, "worker").len(), 1);
    pluvio.end();
}

fn what_an_image_declares_as_data_outlives_its_instances(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("declared");
    let docker =
        format!("FROM {IMAGE}\nRUN mkdir /kept && echo of the image > /kept/first\nVOLUME /kept\n");
    pluvio.write("Dockerfile", &docker);
    let text = |greeting: &str| {
        format!(
            "name: {name}
services:
  db:
    build: .
    command: [sh, -c, 'test -e /kept/made || echo $$GREETING > /kept/made; exec /serve']
    environment: {{ GREETING: {greeting} }}
    ports: ['8080']
"
        )
    };
    deploy(&pluvio, &text("one"));
    let first = instances(&pluvio, &name, "db");
    assert_eq!(pluvio.body(&name, "/file?/kept/made"), "one\n");
    // Empty, it begins with what the image has there.
    assert_eq!(pluvio.body(&name, "/file?/kept/first"), "of the image\n");
    deploy(&pluvio, &text("two"));
    assert_ne!(instances(&pluvio, &name, "db"), first);
    assert_eq!(pluvio.body(&name, "/"), "two\n");
    assert_eq!(pluvio.body(&name, "/file?/kept/made"), "one\n");
    for words in [&["stop"][..], &["start"], &["restart"]] {
        let all = [words, &["-a", &name, "--json"]].concat();
        pluvio.cli(&all).ok();
    }
    assert_eq!(pluvio.body(&name, "/file?/kept/made"), "one\n");
    let problem = pluvio
        .cli(&["scale", "db=2", "-a", &name, "--json"])
        .problem(1, "spec.conflict");
    assert!(
        problem["cause"].as_str().unwrap().contains("/kept"),
        "{problem:#}"
    );
    pluvio.end();
}

fn files_are_there_in_a_root_that_is_only_read_and_below_memory(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("read");
    let docker =
        format!("FROM {IMAGE}\nRUN mkdir -p /site/below && echo old > /site/default.conf\n");
    pluvio.write("Dockerfile", &docker);
    pluvio.write("app.conf", "colour = green\n");
    pluvio.write("token.txt", "s3cr3t-of-a-read-only-root");
    pluvio.write("conf.d/one.conf", "one\n");
    pluvio.write("conf.d/below/two.conf", "two\n");
    let text = |more: &str| {
        format!(
            "name: {name}
services:
  web:
    build: .
    command: /serve
    ports: ['8080']
    user: '1000:1000'
    {more}
    tmpfs: [/run, /tmp]
    volumes: ['./app.conf:/etc/app.conf:ro', './conf.d:/site:ro']
    secrets: [token]
secrets: {{ token: {{ file: ./token.txt }} }}
"
        )
    };
    for more in ["read_only: true", "environment: { GREETING: again }"] {
        deploy(&pluvio, &text(more));
        for (path, content) in [
            ("/etc/app.conf", "colour = green\n"),
            ("/run/secrets/token", "s3cr3t-of-a-read-only-root"),
            ("/site/one.conf", "one\n"),
            ("/site/below/two.conf", "two\n"),
        ] {
            assert_eq!(
                pluvio.body(&name, &format!("/file?{path}")),
                content,
                "{more}"
            );
        }
        // The folder is laid over what the image has there.
        let hidden = pluvio.get(&name, "/file?/site/default.conf").unwrap();
        assert_ne!(hidden.status, 200, "{more}: {hidden:?}");
    }
    // Nobody else on the machine reads them, and they go with their container.
    let files = pluvio.data().join("node/files");
    let mode = std::os::unix::fs::PermissionsExt::mode(&files.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700);
    let left = || std::fs::read_dir(&files).unwrap().count();
    assert_eq!(left(), 1, "of the instance that is there");
    pluvio.cli(&["delete", "-a", &name, "--yes", "--json"]).ok();
    assert_eq!(left(), 0);
    pluvio.end();
}

fn a_program_reaches_itself_by_its_name_before_it_is_ready(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("itself");
    // It is well when it answers by its own names, as brokers that advertise themselves do; at a port that nobody else knows, too.
    let text = format!(
        "name: {name}
services:
  broker:
    image: {IMAGE}
    container_name: the-broker
    command: /serve
    expose: ['8080']
    networks: {{ default: {{ aliases: [queue] }} }}
    healthcheck:
      test: [CMD-SHELL, 'for one in broker the-broker queue; do wget -q -O /dev/null http://$$one:8080/healthz || exit 1; done']
      interval: 1s
  web:
    image: {IMAGE}
    command: /serve
    ports: ['8080']
    environment: {{ GREETING: front }}
    depends_on: {{ broker: {{ condition: service_healthy }} }}
"
    );
    deploy(&pluvio, &text);
    assert_eq!(pluvio.body(&name, "/"), "front\n");
    assert_eq!(
        pluvio.get(&name, "/ask?queue:8080/healthz").unwrap().status,
        200
    );
    pluvio.end();
}

fn who_comes_too_early_is_started_again_and_a_folder_that_is_missing_is_made(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("early");
    let missing = pluvio.scratch().join("made/for/it");
    let text = format!(
        "name: {name}
services:
  early:
    image: {IMAGE}
    command: [sh, -c, 'test -e /shared/ready || exit 1; exec /serve']
    restart: unless-stopped
    ports: ['8080']
    volumes: ['shared:/shared', '{}:/data']
  slow:
    image: {IMAGE}
    command: [sh, -c, 'sleep 14; touch /shared/ready; exec sleep 1000']
    stop_grace_period: 1s
    volumes: ['shared:/shared']
volumes: {{ shared: }}
",
        missing.display()
    );
    deploy(&pluvio, &text);
    assert_eq!(pluvio.get(&name, "/").unwrap().status, 200);
    assert!(missing.is_dir());
    let status = pluvio.status(&name);
    assert!(status.to_string().contains("\"restarts\":"), "{status:#}");
    pluvio.end();
}
