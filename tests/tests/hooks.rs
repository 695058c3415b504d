//! Commands beside a program: after each of its starts, before it is told to end, and what follows when one fails.

use std::time::Duration;

use pluvio_tests::{Answer, Engine, Pluvio, both_engines, image::IMAGE, wait};
use serde_json::Value;

both_engines!(
    hooks_are_run_after_each_start_and_before_a_stop,
    a_hook_that_fails_fails_the_release_and_the_old_one_serves_on,
);

/// Builds take their time on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);

fn deploy(pluvio: &Pluvio, text: &str) -> Answer {
    let file = pluvio.write("compose.yaml", text);
    pluvio.cli_within(&["deploy", &file, "--json", "--timeout", "4m"], PATIENCE)
}

fn instance(pluvio: &Pluvio, app: &str) -> String {
    let status = pluvio.status(app);
    let name = &status["components"][0]["instances"][0]["name"];
    name.as_str().expect("an instance").to_owned()
}

fn hooks_are_run_after_each_start_and_before_a_stop(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("hooks");
    let text = |greeting: &str| {
        format!(
            "name: {name}
services:
  web:
    image: {IMAGE}
    command: /serve
    user: '1000:1000'
    ports: ['8080']
    environment: {{ GREETING: {greeting} }}
    stop_grace_period: 5s
    volumes: ['notes:/notes']
    post_start:
      - command: [sh, -c, 'sleep 1; echo \"$$GREETING $$WORD $$(id -u) $$PWD\" > /notes/started; echo made-$$GREETING']
        user: root
        working_dir: /etc
        environment: [WORD=given]
      - command: [sh, -c, 'cat /notes/started']
    pre_stop:
      - command: [sh, -c, 'echo told to fail; exit 4']
      - command: [sh, -c, 'echo \"$$GREETING stops\" >> /notes/all']
        user: root
      - command: [sh, -c, 'cat /notes/started >> /notes/all']
        user: root
volumes: {{ notes: }}
"
        )
    };
    deploy(&pluvio, &text("one")).ok();
    // It serves once they are done, not before.
    assert_eq!(
        pluvio.body(&name, "/file?/notes/started"),
        "one given 0 /etc\n"
    );
    let logs = pluvio.cli(&["logs", "-a", &name, "--container", "post-start"]);
    for line in ["made-one", "one given 0 /etc"] {
        assert!(logs.stdout.contains(line), "{line}: {logs:?}");
    }
    // Its volume is one instance's at a time: the old one has stopped before the new one starts.
    deploy(&pluvio, &text("two")).ok();
    assert_eq!(
        pluvio.body(&name, "/file?/notes/started"),
        "two given 0 /etc\n"
    );
    assert_eq!(
        pluvio.body(&name, "/file?/notes/all"),
        "one stops\none given 0 /etc\n"
    );
    let logs = pluvio.cli(&["logs", "-a", &name, "--container", "pre-stop"]);
    assert!(logs.stdout.contains("ended with exit code 4"), "{logs:?}");
    // A program that ends by itself has none before its stop, and those after its start again.
    let web = instance(&pluvio, &name);
    pluvio.engine.kill(&web);
    wait::until_true("it was made again", Duration::from_secs(60), || {
        let logs = pluvio.cli(&["logs", "-a", &name, "--container", "post-start"]);
        logs.stdout.matches("made-two").count() == 2
    });
    pluvio.until_serves(
        &name,
        "/file?/notes/started",
        "two given",
        Duration::from_secs(30),
    );
    assert_eq!(
        pluvio.body(&name, "/file?/notes/all"),
        "one stops\none given 0 /etc\n"
    );
    pluvio.end();
}

fn a_hook_that_fails_fails_the_release_and_the_old_one_serves_on(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("hookf");
    let text = |greeting: &str, line: &str| {
        format!(
            "name: {name}
services:
  web:
    image: {IMAGE}
    command: /serve
    ports: ['8080']
    environment: {{ GREETING: {greeting} }}
    stop_grace_period: 1s
    post_start: [{{ command: [sh, -c, '{line}'] }}]
"
        )
    };
    deploy(&pluvio, &text("one", "true")).ok();
    assert_eq!(pluvio.body(&name, "/").trim(), "one");
    let answer = deploy(&pluvio, &text("two", "echo no cache to warm; exit 3"));
    let problem: Value = answer.problem(1, "release.exited");
    let cause = problem["cause"].as_str().unwrap();
    for part in ["no cache to warm", "exit code 3", "after its start"] {
        assert!(cause.contains(part), "{part}: {problem:#}");
    }
    let evidence = problem["evidence"].to_string();
    assert!(evidence.contains("\"no cache to warm\""), "{problem:#}");
    assert_eq!(pluvio.body(&name, "/").trim(), "one");
    // One that is not there is told of as well.
    let answer = deploy(&pluvio, &text("three", "exec no-such-program"));
    let problem = answer.problem(1, "release.exited");
    assert!(
        problem.to_string().contains("no-such-program"),
        "{problem:#}"
    );
    deploy(&pluvio, &text("four", "true")).ok();
    assert_eq!(pluvio.body(&name, "/").trim(), "four");
    pluvio.end();
}
