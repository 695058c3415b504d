//! Processes that die (D5), and a node that goes on alone (G4, BX-21): nothing accepted is lost, nothing is orphaned.

use std::time::Duration;

use pluvio_tests::engine::name_of;
use pluvio_tests::{Engine, Pluvio, app, both_engines, load, wait};

both_engines!(
    d5_control_killed_at_each_step_of_a_deploy,
    d5_control_killed_at_each_step_of_a_build,
    d5_control_killed_while_deleting,
    d5_node_killed_in_the_middle_of_a_rollout,
    d5_node_killed_while_idle,
    g4_applications_go_on_without_control,
    g4_a_rebooted_machine_serves_with_the_node_alone,
);

const SOON: Duration = Duration::from_secs(20);

/// Names of the containers of an application that run now.
fn running(pluvio: &Pluvio) -> Vec<String> {
    let containers = pluvio.engine.containers(pluvio.installation());
    let mut names: Vec<String> = containers
        .iter()
        .filter(|container| container["State"] == "running")
        .map(name_of)
        .collect();
    names.sort();
    names
}

/// Asserts that exactly `instances` containers and one network are there, and no operation or release is under way.
#[track_caller]
fn nothing_orphaned(pluvio: &Pluvio, app: &str, instances: usize) {
    let what = format!("settled with {instances} instances");
    let status = pluvio.until_status(app, &what, |status| {
        status["status"] == "running"
            && status["operation"].is_null()
            && status["components"][0]["instances"]
                .as_array()
                .is_some_and(|all| all.len() == instances)
    });
    assert_eq!(
        status["live_release"], status["target_release"],
        "{status:#}"
    );
    wait::until_true("no containers but the instances", SOON, || {
        let made = pluvio.made();
        let containers = made
            .iter()
            .filter(|thing| thing.starts_with("container "))
            .count();
        let networks = made
            .iter()
            .filter(|thing| thing.starts_with("network "))
            .count();
        (containers, networks) == (instances, 1)
    });
    for operation in pluvio.operations(app).as_array().unwrap() {
        assert!(!operation["outcome"].is_null(), "still open: {operation:#}");
    }
}

fn d5_control_killed_at_each_step_of_a_deploy(engine: Engine) {
    let mut pluvio = Pluvio::start(engine);
    let name = pluvio.name("d5");
    // Its program takes a second to end, so that each step lasts long enough to die in.
    let spec = |greeting: &str| {
        app::yaml(&name, greeting, 1, "")
            .replace(
                "command: [/serve]",
                "command: [sh, -c, \"trap '' TERM; exec /serve\"]",
            )
            .replace("drain: 5s", "drain: 5s, grace: 1s")
    };
    pluvio.deploy(&spec("first")).ok();
    for step in ["decide", "apply", "start", "swap", "drain", "stop", "live"] {
        pluvio.cli(&["down", "--json"]).ok();
        pluvio.up(&[("PLUVIO_CRASH_AT", step)]).ok();
        let file = pluvio.write("next.yaml", &spec(step));
        // One request keeps the old instance draining for a while.
        let port = pluvio.gateway_port();
        let host = format!("{name}.localhost");
        let slow = std::thread::spawn(move || pluvio_tests::http::get(port, &host, "/slow?3000"));
        let accepted = pluvio.cli(&["deploy", &file, "--no-wait", "--json"]).ok();
        pluvio.until_dead("control");
        // What served goes on, or what is new does.
        assert_eq!(
            pluvio.get(&name, "/").unwrap().status,
            200,
            "after a crash at {step}"
        );
        pluvio.up(&[]).ok();
        let id = accepted["id"].as_str().unwrap().to_owned();
        let ended = pluvio.cli(&["operation", "follow", &id, "--json"]).ok();
        assert_eq!(
            ended["outcome"]["outcome"], "succeeded",
            "after a crash at {step}: {ended:#}"
        );
        pluvio.until_serves(&name, "/", step, SOON);
        assert_eq!(
            slow.join().unwrap().map(|reply| reply.body),
            Ok("slept\n".to_owned()),
            "the request under way"
        );
        nothing_orphaned(&pluvio, &name, 1);
    }
    pluvio.end();
}

fn d5_control_killed_at_each_step_of_a_build(engine: Engine) {
    let mut pluvio = Pluvio::start(engine);
    let name = pluvio.name("d5b");
    let folder = pluvio.scratch().join("source");
    std::fs::create_dir_all(&folder).unwrap();
    let spec = app::yaml(&name, "built", 1, "").replace(
        &format!("image: {}\n", pluvio_tests::image::IMAGE),
        "source: { path: . }\n",
    );
    std::fs::write(folder.join("app.yaml"), spec).unwrap();
    for step in ["fetch", "build", "keep"] {
        let dockerfile = format!(
            "FROM {}\nRUN echo {step} >/step\n",
            pluvio_tests::image::IMAGE
        );
        std::fs::write(folder.join("Dockerfile"), dockerfile).unwrap();
        pluvio.cli(&["down", "--json"]).ok();
        pluvio.up(&[("PLUVIO_CRASH_AT", step)]).ok();
        let source = folder.display().to_string();
        let accepted = pluvio.cli(&["deploy", &source, "--no-wait", "--json"]).ok();
        pluvio.until_dead("control");
        pluvio.up(&[]).ok();
        let id = accepted["id"].as_str().unwrap().to_owned();
        let answer = pluvio.cli(&["operation", "follow", &id, "--json"]);
        let ended = pluvio.cli(&["operation", "show", &id, "--json"]).ok();
        assert_eq!(
            ended["outcome"]["outcome"], "succeeded",
            "after a crash at {step}: {ended:#} {answer:?}"
        );
        pluvio.until_serves(&name, "/file?step", step, SOON);
        nothing_orphaned(&pluvio, &name, 1);
    }
    pluvio.end();
}

fn d5_control_killed_while_deleting(engine: Engine) {
    let mut pluvio = Pluvio::start(engine);
    let name = pluvio.name("d5d");
    pluvio.deploy(&app::yaml(&name, "first", 2, "")).ok();
    pluvio.cli(&["down", "--json"]).ok();
    pluvio.up(&[("PLUVIO_CRASH_AT", "remove")]).ok();
    pluvio
        .cli(&["delete", "-a", &name, "--yes", "--no-wait", "--json"])
        .ok();
    pluvio.until_dead("control");
    pluvio.up(&[]).ok();
    wait::until_true("the application is gone", SOON, || {
        pluvio.cli(&["status", "-a", &name, "--json"]).exit == 3
    });
    wait::until_true("nothing is left of it", SOON, || pluvio.made().is_empty());
    pluvio.end();
}

fn d5_node_killed_in_the_middle_of_a_rollout(engine: Engine) {
    let mut pluvio = Pluvio::start(engine);
    let name = pluvio.name("d5n");
    pluvio.deploy(&app::yaml(&name, "first", 2, "")).ok();
    let file = pluvio.write("next.yaml", &app::yaml(&name, "second", 2, ""));
    let accepted = pluvio.cli(&["deploy", &file, "--no-wait", "--json"]).ok();
    wait::until_true("a new instance is made", SOON, || {
        running(&pluvio).len() > 2
    });
    pluvio.kill("node");
    pluvio.up(&[]).ok();
    let id = accepted["id"].as_str().unwrap().to_owned();
    let ended = pluvio.cli(&["operation", "follow", &id, "--json"]).ok();
    assert_eq!(ended["outcome"]["outcome"], "succeeded", "{ended:#}");
    pluvio.until_serves(&name, "/", "second", SOON);
    nothing_orphaned(&pluvio, &name, 2);
    pluvio.end();
}

fn d5_node_killed_while_idle(engine: Engine) {
    let mut pluvio = Pluvio::start(engine);
    let name = pluvio.name("d5i");
    pluvio.deploy(&app::yaml(&name, "first", 2, "")).ok();
    let before = running(&pluvio);
    pluvio.kill("node");
    assert_eq!(
        running(&pluvio),
        before,
        "containers go on without the node"
    );
    pluvio.up(&[]).ok();
    pluvio.until_serves(&name, "/", "first", SOON);
    nothing_orphaned(&pluvio, &name, 2);
    assert_eq!(running(&pluvio), before, "the same containers as before");
    pluvio.end();
}

fn g4_applications_go_on_without_control(engine: Engine) {
    let mut pluvio = Pluvio::start(engine);
    let name = pluvio.name("g4");
    pluvio.deploy(&app::yaml(&name, "first", 2, "")).ok();
    pluvio.kill("control");

    pluvio
        .cli(&["apps", "--json"])
        .problem(1, "server.unreachable");
    let load = load::closed(pluvio.gateway_port(), &format!("{name}.localhost"), "/", 4);
    // One of the two dies: the other serves, and the node alone starts it again.
    let victim = running(&pluvio)[0].clone();
    let started = |pluvio: &Pluvio| pluvio.engine.inspect(&victim)["State"]["StartedAt"].clone();
    let before = started(&pluvio);
    pluvio.engine.kill(&victim);
    wait::until_true("the node starts it again", SOON, || {
        running(&pluvio).len() == 2 && (running(&pluvio)[0] != victim || started(&pluvio) != before)
    });
    let counted = load.end();
    assert!(counted.served > 100, "{counted:#?}");
    // A request that was in the dying instance is lost with it; nothing else is.
    assert!(counted.failed <= 8, "{counted:#?}");

    // The node comes back alone as well.
    pluvio.kill("node");
    let node = pluvio.serve("node", &[]);
    pluvio.until_serves(&name, "/", "first", SOON);
    node.kill();
    pluvio.up(&[]).ok();
    nothing_orphaned(&pluvio, &name, 2);
    pluvio.end();
}

fn g4_a_rebooted_machine_serves_with_the_node_alone(engine: Engine) {
    let mut pluvio = Pluvio::start(engine);
    let name = pluvio.name("g4r");
    pluvio.deploy(&app::yaml(&name, "first", 2, "")).ok();
    // All at once, as when the power goes.
    pluvio.kill("control");
    pluvio.kill("node");
    for container in running(&pluvio) {
        pluvio.engine.kill(&container);
    }
    wait::until_true("nothing runs", SOON, || running(&pluvio).is_empty());

    let node = pluvio.serve("node", &[]);
    pluvio.until_serves(&name, "/", "first", SOON);
    wait::until_true("both run", SOON, || running(&pluvio).len() == 2);
    node.kill();
    pluvio.up(&[]).ok();
    nothing_orphaned(&pluvio, &name, 2);
    pluvio.deploy(&app::yaml(&name, "second", 2, "")).ok();
    assert_eq!(pluvio.body(&name, "/").trim(), "second");
    pluvio.end();
}
