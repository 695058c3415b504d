//! What happens when people change things: two at once (D4), back again (D3), hot files (D8), delete (D10), volumes that
//! only one instance may hold (D6 and the rule of exclusive volumes).

use std::time::{Duration, Instant};

use pluvio_tests::{Engine, Pluvio, app, engines, load, wait};

engines!(
    both: [d8_a_hot_file_arrives_without_a_restart, d10_delete_leaves_nothing_but_listed_volumes, d1_an_exclusive_volume_is_never_held_by_two],
    docker: [d3_rollback_restores_all_but_instances_and_data, what_is_not_built_waits_for_no_build, an_apply_shows_what_it_would_undo],
    podman: [d4_of_two_deploys_at_once_the_later_wins, d6_a_missing_secret_fails_before_anything_starts],
);

const SOON: Duration = Duration::from_secs(20);

fn d3_rollback_restores_all_but_instances_and_data(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("d3");
    let first = format!(
        "files: {{ /tmp/settings: {{ content: \"colour: blue\" }} }}\nvolumes: {{ /data: {{ name: data, access: shared }} }}\nroutes: [{{ host: {name}.localhost, path: / }}, {{ host: old-{name}.localhost, path: / }}]\n"
    );
    pluvio.deploy(&app::yaml(&name, "one", 1, &first)).ok();
    http_put(&pluvio, &name, "/file?/data/note", "kept");
    let second = first
        .replace("blue", "red")
        .replace(&format!("old-{name}"), &format!("new-{name}"));
    pluvio
        .deploy(&app::yaml(
            &name,
            "two",
            1,
            &format!("  ADDED: later\n{second}"),
        ))
        .ok();
    assert_eq!(pluvio.body(&name, "/file?/tmp/settings"), "colour: red");
    assert_eq!(pluvio.body(&format!("new-{name}"), "/").trim(), "two");
    assert_eq!(pluvio.get(&format!("old-{name}"), "/").unwrap().status, 404);
    pluvio.cli(&["scale", "2", "-a", &name, "--json"]).ok();

    pluvio.cli(&["rollback", "1", "-a", &name, "--json"]).ok();
    let env = pluvio.body(&name, "/env");
    assert!(
        env.contains("GREETING=one\n") && !env.contains("ADDED"),
        "{env}"
    );
    assert_eq!(pluvio.body(&name, "/file?/tmp/settings"), "colour: blue");
    assert_eq!(pluvio.body(&format!("old-{name}"), "/").trim(), "one");
    assert_eq!(pluvio.get(&format!("new-{name}"), "/").unwrap().status, 404);
    assert_eq!(
        pluvio.body(&name, "/file?/data/note"),
        "kept",
        "data is not rolled back"
    );
    assert_eq!(
        pluvio.status(&name)["instances_wanted"],
        2,
        "instances stay as today"
    );
    pluvio.end();
}

fn an_apply_shows_what_it_would_undo(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("to");
    let file = |greeting: &str| pluvio.write("to.yaml", &app::yaml(&name, greeting, 1, ""));
    let apply = |words: &[&str]| {
        let words: Vec<&str> = ["apply", "--json", "-f"]
            .iter()
            .chain(words)
            .copied()
            .collect();
        pluvio.cli(&words)
    };
    apply(&[&file("one")]).ok();
    apply(&[&file("two")]).ok();
    pluvio.cli(&["scale", "2", "-a", &name, "--json"]).ok();

    let problem = apply(&[&file("three")]).problem(5, "conflict");
    let shown = problem["evidence"].to_string();
    assert!(shown.contains(".instances: 1 → 2"), "{problem:#}");
    assert!(!shown.contains("GREETING"), "the file's own: {problem:#}");
    assert_eq!(pluvio.body(&name, "/").trim(), "two", "nothing was done");

    // The file takes it up.
    let taken = pluvio.write("taken.yaml", &app::yaml(&name, "three", 2, ""));
    apply(&[&taken]).ok();
    assert_eq!(pluvio.body(&name, "/").trim(), "three");
    // Or it is wanted so.
    pluvio
        .cli(&["config", "set", "GREETING=by hand", "-a", &name, "--json"])
        .ok();
    apply(&[&taken]).problem(5, "conflict");
    apply(&[&taken, "--take-over"]).ok();
    assert_eq!(pluvio.body(&name, "/").trim(), "three");
    apply(&[&taken]).ok();
    pluvio.end();
}

fn http_put(pluvio: &Pluvio, app: &str, path: &str, text: &str) {
    let mut connection = pluvio_tests::http::Connection::open(pluvio.gateway_port(), SOON).unwrap();
    let request = format!(
        "PUT {path} HTTP/1.1\r\nHost: {app}.localhost\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    );
    let reply = connection.send(&request).unwrap();
    assert_eq!(reply.status, 200, "{reply:?}");
}

fn d4_of_two_deploys_at_once_the_later_wins(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("d4");
    pluvio.deploy(&app::yaml(&name, "zero", 1, "")).ok();
    let (one, two) = (
        pluvio.write("one.yaml", &app::yaml(&name, "one", 1, "")),
        pluvio.write("two.yaml", &app::yaml(&name, "two", 1, "")),
    );
    let accepted: Vec<String> = [one, two]
        .iter()
        .map(|file| {
            let answer = pluvio.cli(&["deploy", file, "--no-wait", "--json"]).ok();
            answer["id"].as_str().unwrap().to_owned()
        })
        .collect();
    let follow = |id: &str| pluvio.cli(&["operation", "follow", id, "--json"]);
    let (first, second) = (follow(&accepted[0]), follow(&accepted[1]));
    assert_eq!(second.ok()["outcome"]["outcome"], "succeeded");
    // The earlier one was done before the later came, or gave way to it.
    let shown = pluvio
        .cli(&["operation", "show", &accepted[0], "--json"])
        .ok();
    match shown["outcome"]["outcome"].as_str() {
        Some("succeeded") => assert_eq!(first.exit, 0),
        Some("superseded") => assert_eq!(first.exit, 5, "{first:?}"),
        other => panic!("{other:?}: {shown:#}"),
    }
    assert_eq!(pluvio.body(&name, "/").trim(), "two");
    let status = pluvio.until_status(&name, "settled", |status| {
        status["status"] == "running"
            && status["operation"].is_null()
            && status["components"][0]["instances"]
                .as_array()
                .is_some_and(|all| all.len() == 1)
    });
    assert_eq!(status["live_release"], status["target_release"]);
    assert_eq!(
        pluvio.operations(&name).as_array().unwrap().len(),
        3,
        "both are recorded"
    );
    pluvio.end();
}

fn what_is_not_built_waits_for_no_build(engine: Engine) {
    let mut pluvio = Pluvio::prepare(engine).with("PLUVIO_BUILDS", "1");
    pluvio.up(&[]).ok();
    let (slow, quick) = (pluvio.name("slow"), pluvio.name("quick"));
    let image = pluvio_tests::image::IMAGE;
    let dockerfile = format!("FROM {image}\nRUN sleep 300\n");
    pluvio.write("slow/Dockerfile", &dockerfile);
    let from = format!("image: {image}\n");
    let spec = app::yaml(&slow, "built", 1, "").replace(&from, "source: { path: . }\n");
    pluvio.write("slow/app.yaml", &spec);
    let folder = pluvio.scratch().join("slow").display().to_string();
    let build = pluvio.cli(&["deploy", &folder, "--no-wait", "--json"]).ok();
    let step = |name: &str| {
        let steps = pluvio.operation(&slow)["steps"].clone();
        let steps = steps.as_array().cloned().unwrap_or_default();
        steps
            .iter()
            .any(|step| step["name"] == name && step["state"] == "running")
    };
    wait::until_true("it is being built", SOON, || step("build"));
    pluvio.deploy(&app::yaml(&quick, "at once", 1, "")).ok();
    assert!(step("build"), "{:#}", pluvio.operation(&slow));
    let id = build["id"].as_str().expect("an operation");
    pluvio.cli(&["operation", "cancel", id, "--json"]).ok();
    pluvio.until_status(&slow, "given up", |status| status["operation"].is_null());
    pluvio.end();
}

fn d6_a_missing_secret_fails_before_anything_starts(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("d6");
    let more = "secrets: { KEY: { generate: false } }\n";
    let answer = pluvio.deploy(&app::yaml(
        &name,
        "one",
        1,
        &format!("  KEY: \"${{secrets.KEY}}\"\n{more}"),
    ));
    answer.problem(1, "secret.missing");
    assert_eq!(pluvio.made(), Vec::<String>::new(), "nothing was started");
    pluvio.end();
}

fn d8_a_hot_file_arrives_without_a_restart(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("d8");
    let with = |text: &str| {
        let files = format!("files: {{ /tmp/hot: {{ content: \"{text}\", hot: true }} }}\n");
        app::yaml(&name, "same", 1, &files)
    };
    pluvio.deploy(&with("before")).ok();
    assert_eq!(pluvio.body(&name, "/file?/tmp/hot"), "before");
    let instance = |pluvio: &Pluvio| {
        let status = pluvio.status(&name);
        let instance = &status["components"][0]["instances"][0];
        (instance["name"].clone(), instance["started_at"].clone())
    };
    let was = instance(&pluvio);
    let asked = Instant::now();
    let file = pluvio.write("next.yaml", &with("after"));
    pluvio.cli(&["deploy", &file, "--no-wait", "--json"]).ok();
    pluvio.until_serves(&name, "/file?/tmp/hot", "after", SOON);
    let took = asked.elapsed();
    assert!(
        took < Duration::from_secs(6),
        "{took:?}: three times two seconds is the limit"
    );
    pluvio.until_status(&name, "settled", |status| status["operation"].is_null());
    assert_eq!(instance(&pluvio), was, "the same instance, not restarted");
    pluvio.end();
}

fn d10_delete_leaves_nothing_but_listed_volumes(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("d10");
    let more = "volumes: { /data: { name: data, access: shared } }\n";
    pluvio.deploy(&app::yaml(&name, "one", 2, more)).ok();
    http_put(&pluvio, &name, "/file?/data/note", "precious");
    pluvio.cli(&["delete", "-a", &name, "--yes", "--json"]).ok();

    let made = pluvio.made();
    assert!(
        made.len() == 1 && made[0].starts_with("volume "),
        "{made:?}"
    );
    assert_eq!(pluvio.get(&name, "/").unwrap().status, 404);
    pluvio
        .cli(&["status", "-a", &name, "--json"])
        .problem(3, "not-found");
    let volumes = pluvio.cli(&["volume", "list", "--json"]).ok();
    let volume = &volumes[0];
    assert!(!volume["released_at"].is_null(), "{volumes:#}");

    // The same name again does not take what another application left without being told to.
    let (id, called) = (
        volume["id"].as_str().unwrap(),
        volume["name"].as_str().unwrap(),
    );
    let wrong = pluvio.cli(&["volume", "delete", id, "--confirm", "other", "--json"]);
    assert_ne!(wrong.exit, 0, "{wrong:?}");
    pluvio
        .cli(&[
            "volume",
            "delete",
            id,
            "--confirm",
            called,
            "--now",
            "--json",
        ])
        .ok();
    wait::until_true("the volume is gone", SOON, || pluvio.made().is_empty());
    pluvio.end();
}

fn d1_an_exclusive_volume_is_never_held_by_two(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("d1x");
    let with = |greeting: &str| {
        let more = "  OWNS: /data/owner\nvolumes: { /data: { name: data } }\n";
        app::yaml(&name, greeting, 1, more)
    };
    pluvio.deploy(&with("one")).ok();
    let load = load::closed(pluvio.gateway_port(), &format!("{name}.localhost"), "/", 4);
    pluvio.deploy(&with("two")).ok();
    pluvio.cli(&["restart", "-a", &name, "--json"]).ok();
    let counted = load.end();
    println!(
        "{} served, the longest was held {:?}",
        counted.served, counted.slowest
    );
    assert_eq!(
        counted.failed, 0,
        "requests are held, not failed: {counted:#?}"
    );
    assert_eq!(pluvio.body(&name, "/").trim(), "two");
    let conflict = pluvio.get(&name, "/file?/data/owner.conflict").unwrap();
    assert_eq!(
        conflict.status, 404,
        "two instances held the volume: {conflict:?}"
    );
    let plan = pluvio.status(&name);
    assert_eq!(plan["components"][0]["strategy"], "stop-then-start");
    pluvio.end();
}
