//! `--json` is one document, and exit codes tell what happened (U5).

use std::time::Duration;

use pluvio_tests::{Engine, Pluvio, app, both_engines};

both_engines!(u5_every_command_answers_with_one_document);

fn u5_every_command_answers_with_one_document(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("u5");
    let file = pluvio.write("app.yaml", &app::yaml(&name, "one", 1, ""));
    pluvio.cli(&["deploy", &file, "--json"]).ok();
    pluvio
        .cli(&["config", "set", "MORE=1", "-a", &name, "--json"])
        .ok();

    let operation = pluvio.operation(&name)["id"].as_str().unwrap().to_owned();
    // Exit 0: each of these is one JSON document on stdout and nothing else.
    for words in [
        &["up"][..],
        &["doctor"],
        &["plan", &file],
        &["plan", &file, "--for", "engine", "-o", "manifests"],
        &["plan", &file, "--for", "kubernetes", "-o", "manifests"],
        &["diff", "-f", &file],
        &["export", "-a", &name],
        &["apps"],
        &["status", "-a", &name],
        &["open", "-a", &name],
        &["scale", "2", "-a", &name],
        &["restart", "-a", &name],
        &["stop", "-a", &name],
        &["start", "-a", &name],
        &["config", "-a", &name],
        &["config", "set", "A=1", "-a", &name],
        &["config:set", "B=2", "-a", &name],
        &["config:get", "B", "-a", &name],
        &["ps", "-a", &name],
        &["ps:scale", "-a", &name],
        &["config", "unset", "A", "-a", &name],
        &["secret", "list", "-a", &name],
        &["secret", "set", "TOKEN", "secret-value", "-a", &name],
        &["secret", "remove", "TOKEN", "-a", &name],
        &["volume", "list"],
        &["route"],
        &["releases", "-a", &name],
        &["releases", "diff", "1", "2", "-a", &name],
        &["releases", "show", "1", "-a", &name],
        &["rollback", "-a", &name],
        &["events", "-a", &name],
        &["operations", "-a", &name],
        &["operation", "show", &operation],
        &["operation", "follow", &operation],
        &["credential", "list"],
        &["token", "create", "robot"],
        &["token", "list"],
        &["audit"],
        &["audit", "list", "--action", "application", "-n", "2"],
        &["audit", "--all", "--since", "1h"],
        &["audit", "verify"],
        &["whoami"],
        &["signin-link"],
        &["cluster"],
        &["explain", "release.exited"],
        &["explain", "components.probes"],
        &["explain"],
        &["schema", "app"],
        &["version"],
    ] {
        let words: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
        let answer = pluvio.cli(&words);
        assert_eq!(answer.exit, 0, "{words:?}: {answer:?}");
        answer.json();
    }
    // A stream is one document a line.
    let logs = pluvio.cli(&["logs", "-a", &name, "--json"]);
    assert_eq!(logs.exit, 0, "{logs:?}");
    assert!(!logs.stdout.is_empty());
    for line in logs.stdout.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }

    // 1: it failed.
    pluvio
        .deploy(&app::yaml(&name, "bad", 1, "  FAIL: exit\n"))
        .problem(1, "release.exited");
    // 2: the command was not understood.
    assert_eq!(pluvio.cli(&["scale", "--least", "2", "-a", &name]).exit, 2);
    pluvio
        .cli(&["scale", "many", "-a", &name, "--json"])
        .problem(2, "request.invalid");
    // 3: there is no such thing.
    pluvio
        .cli(&["status", "-a", "nobody", "--json"])
        .problem(3, "not-found");
    pluvio
        .cli(&["releases", "show", "999", "-a", &name, "--json"])
        .problem(3, "not-found");
    // 4: refused.
    pluvio
        .cli(&["init", &pluvio.scratch().display().to_string(), "--json"])
        .problem(4, "refused");
    // 5: in the way of something else.
    let taken = app::yaml(
        &pluvio.name("u5b"),
        "two",
        1,
        &format!("routes: [{{ host: {name}.localhost, path: / }}]\n"),
    );
    pluvio.deploy(&taken).problem(5, "host.taken");
    // 124: not over in time; it goes on.
    let slow = pluvio.write(
        "slow.yaml",
        &app::yaml(&name, "slow", 1, "  FAIL: probe\n")
            .replace("drain: 5s", "drain: 5s, deadline: 6s"),
    );
    pluvio
        .cli(&["deploy", &slow, "--timeout", "1s", "--json"])
        .problem(124, "timed-out");

    // `exec` gives the program's own exit code and output.
    pluvio.until_status(&name, "settled", |status| status["operation"].is_null());
    let exec = pluvio.cli(&["exec", "-a", &name, "--", "sh", "-c", "echo inside; exit 7"]);
    assert_eq!((exec.exit, exec.stdout.trim()), (7, "inside"), "{exec:?}");
    pluvio
        .cli_within(
            &["delete", "-a", &name, "--yes", "--json"],
            Duration::from_secs(60),
        )
        .ok();
    pluvio.cli(&["down", "--json"]).ok();
    pluvio
        .cli(&["apps", "--json"])
        .problem(1, "server.unreachable");
    let mut pluvio = pluvio;
    pluvio.up(&[]).ok();
    pluvio.end();
}
