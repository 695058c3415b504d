//! Deploys, changes and rollbacks of what serves: nobody may notice (D1), and what is broken may not take over (D2).

use std::time::Duration;

use pluvio_tests::{Engine, Pluvio, app, both_engines, http, load};

both_engines!(
    d1_no_request_is_lost_by_any_change,
    d1_no_request_is_lost_while_control_is_killed,
    d1_a_slow_request_is_finished_by_the_instance_that_began_it,
    d2_a_release_that_never_becomes_ready_leaves_the_old_one_serving,
    d2_a_release_that_exits_leaves_the_old_one_serving,
    d2_a_release_that_does_not_listen_leaves_the_old_one_serving,
    d2_a_first_release_that_fails_says_so,
);

#[track_caller]
fn nothing_failed(counted: &load::Counted) {
    assert_eq!(
        counted.failed,
        0,
        "{} of {} failed: {counted:#?}",
        counted.failed,
        counted.failed + counted.served
    );
}

fn d1_no_request_is_lost_by_any_change(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("d1");
    let host = format!("{name}.localhost");
    pluvio.deploy(&app::yaml(&name, "one", 2, "")).ok();

    let closed = load::closed(pluvio.gateway_port(), &host, "/", 8);
    let open = load::open(pluvio.gateway_port(), &host, "/", 200);
    pluvio.deploy(&app::yaml(&name, "two", 2, "")).ok();
    pluvio
        .cli(&["config", "set", "GREETING=three", "-a", &name, "--json"])
        .ok();
    pluvio.cli(&["scale", "4", "-a", &name, "--json"]).ok();
    pluvio.cli(&["scale", "1", "-a", &name, "--json"]).ok();
    pluvio.cli(&["scale", "2", "-a", &name, "--json"]).ok();
    pluvio.cli(&["restart", "-a", &name, "--json"]).ok();
    pluvio.cli(&["rollback", "1", "-a", &name, "--json"]).ok();
    let mut deploys = 0;
    // Goes on until the load is what the statement asks for: ten thousand requests.
    let counting = std::time::Instant::now();
    while deploys < 3 || counting.elapsed() < Duration::from_secs(8) {
        deploys += 1;
        pluvio
            .deploy(&app::yaml(&name, &format!("again-{deploys}"), 2, ""))
            .ok();
    }
    let counted = closed.end().plus(open.end());
    println!(
        "{} served, slowest {:?}, {deploys} more deploys",
        counted.served, counted.slowest
    );
    nothing_failed(&counted);
    assert!(counted.served >= 10_000, "only {} requests", counted.served);
    for greeting in ["one", "two", "three", &format!("again-{deploys}")] {
        assert!(
            counted.bodies.contains_key(greeting),
            "{greeting} never served: {:?}",
            counted.bodies
        );
    }
    pluvio.end();
}

fn d1_no_request_is_lost_while_control_is_killed(engine: Engine) {
    let mut pluvio = Pluvio::start(engine);
    let name = pluvio.name("d1k");
    let host = format!("{name}.localhost");
    pluvio.deploy(&app::yaml(&name, "one", 2, "")).ok();

    let closed = load::closed(pluvio.gateway_port(), &host, "/", 6);
    let open = load::open(pluvio.gateway_port(), &host, "/", 100);
    for round in ["two", "three"] {
        let file = pluvio.write("next.yaml", &app::yaml(&name, round, 2, ""));
        pluvio.cli(&["deploy", &file, "--no-wait", "--json"]).ok();
        pluvio.kill("control");
        pluvio.up(&[]).ok();
        let ended = pluvio.until_status(&name, "running what was asked", |status| {
            status["status"] == "running" && status["operation"].is_null()
        });
        assert_eq!(ended["live_release"], ended["target_release"], "{ended:#}");
        assert_eq!(pluvio.operation(&name)["outcome"]["outcome"], "succeeded");
        pluvio.until_serves(&name, "/", round, Duration::from_secs(10));
    }
    let counted = closed.end().plus(open.end());
    println!("{} served, slowest {:?}", counted.served, counted.slowest);
    nothing_failed(&counted);
    pluvio.end();
}

fn d1_a_slow_request_is_finished_by_the_instance_that_began_it(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("d1s");
    let host = format!("{name}.localhost");
    pluvio.deploy(&app::yaml(&name, "one", 1, "")).ok();
    for greeting in ["two", "three"] {
        let (port, host) = (pluvio.gateway_port(), host.clone());
        let slow = std::thread::spawn(move || http::get(port, &host, "/slow?4000"));
        pluvio.until_status(&name, "at work on the request", |status| {
            status["components"][0]["instances"][0]["in_flight"] == 1
        });
        pluvio.deploy(&app::yaml(&name, greeting, 1, "")).ok();
        assert_eq!(pluvio.body(&name, "/").trim(), greeting);
        let reply = slow.join().expect("a thread").expect("an answer");
        assert_eq!(reply.body, "slept\n", "{reply:?}");
    }
    pluvio.end();
}

/// Deploys a release that is broken in some way under light load, and checks all that D2 says.
#[track_caller]
fn broken(engine: Engine, id: &str, how: &str, code: &str, evidence: &[&str]) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name(id);
    pluvio.deploy(&app::yaml(&name, "good", 2, "")).ok();

    let closed = load::closed(pluvio.gateway_port(), &format!("{name}.localhost"), "/", 2);
    let wait = "rollout: { drain: 5s, deadline: 5s }\n";
    let spec = app::yaml(&name, "bad", 2, &format!("  FAIL: {how}\n"))
        .replace("rollout: { drain: 5s }\n", wait);
    let answer = pluvio.deploy(&spec);
    let problem = answer.problem(1, code);
    let shown = problem.to_string();
    for text in evidence {
        assert!(shown.contains(text), "{text:?} is not shown: {problem:#}");
    }
    let operation = pluvio.operation(&name);
    assert_eq!(operation["outcome"]["outcome"], "failed");
    assert_eq!(operation["outcome"]["problem"]["code"], code);

    let status = pluvio.until_status(&name, "back on the old release", |status| {
        status["status"] == "running"
            && status["instances_ready"] == 2
            && status["components"][0]["instances"]
                .as_array()
                .is_some_and(|all| all.len() == 2)
    });
    assert_eq!(status["live_release"], 1);
    // The failed release stays failed: a later change is made to what serves.
    pluvio.cli(&["scale", "3", "-a", &name, "--json"]).ok();
    assert_eq!(pluvio.body(&name, "/").trim(), "good");
    let counted = closed.end();
    nothing_failed(&counted);
    assert_eq!(counted.bodies.keys().collect::<Vec<_>>(), ["good"]);
    pluvio.end();
}

fn d2_a_release_that_never_becomes_ready_leaves_the_old_one_serving(engine: Engine) {
    broken(
        engine,
        "d2p",
        "probe",
        "release.not-ready",
        &["/healthz", "404", "schema is not migrated"],
    );
}

fn d2_a_release_that_exits_leaves_the_old_one_serving(engine: Engine) {
    broken(
        engine,
        "d2e",
        "exit",
        "release.exited",
        &["no database at db:5432", "3"],
    );
}

fn d2_a_release_that_does_not_listen_leaves_the_old_one_serving(engine: Engine) {
    broken(
        engine,
        "d2c",
        "port",
        "release.port-closed",
        &["8080", "waiting for nothing"],
    );
}

fn d2_a_first_release_that_fails_says_so(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("d2f");
    let answer = pluvio.deploy(&app::with_env(&name, "bad", "FAIL: exit", ""));
    answer.problem(1, "release.exited");
    let status = pluvio.status(&name);
    assert!(status["live_release"].is_null(), "{status:#}");
    let reply = pluvio.get(&name, "/").unwrap();
    assert!(
        (500..600).contains(&reply.status) || reply.status == 404,
        "{reply:?}"
    );
    // Corrected, it comes up under the same name.
    pluvio.deploy(&app::yaml(&name, "good", 1, "")).ok();
    assert_eq!(pluvio.body(&name, "/").trim(), "good");
    pluvio.end();
}
