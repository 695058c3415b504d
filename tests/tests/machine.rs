//! A machine whose parts break (O4): engine restarted or another one, disk full, clock turned, a database that two control
//! processes share.

use std::time::Duration;

use pluvio_tests::machine::{Database, PrivateEngine, SmallDisk, clock};
use pluvio_tests::{Engine, Pluvio, app, both_engines, load, wait};

both_engines!(
    o4_a_full_disk_is_named_and_survived,
    o4_a_clock_that_jumps_loses_nothing,
    d5_two_controls_on_postgres_share_the_work,
);

const SOON: Duration = Duration::from_secs(30);

#[test]
fn o4_docker_restarted_under_traffic() {
    restarted("docker");
}

#[test]
fn o4_podman_restarted_under_traffic() {
    restarted("podman");
}

fn restarted(name: &'static str) {
    let private = PrivateEngine::start(name);
    let pluvio = Pluvio::start(private.engine.clone());
    let name = pluvio.name("o4e");
    pluvio.deploy(&app::yaml(&name, "one", 2, "")).ok();
    let load = load::closed(pluvio.gateway_port(), &format!("{name}.localhost"), "/", 4);
    private.down();
    // What runs runs on; what needs the engine says so or waits for it.
    assert_eq!(pluvio.body(&name, "/").trim(), "one");
    private.up();
    pluvio.deploy(&app::yaml(&name, "two", 2, "")).ok();
    let counted = load.end();
    assert_eq!(counted.failed, 0, "{counted:#?}");
    assert_eq!(pluvio.body(&name, "/").trim(), "two");

    pluvio.end();
}

#[test]
fn u3_another_engine_than_before_is_refused() {
    let mut pluvio = Pluvio::start(Engine::docker());
    let name = pluvio.name("u3e");
    pluvio.deploy(&app::yaml(&name, "one", 1, "")).ok();
    let made = pluvio.made();
    pluvio.cli(&["down", "--node", "--json"]).ok();
    let other = Engine::podman().address();
    let installation = pluvio.installation().to_owned();
    let answer = pluvio.up(&[("PLUVIO_ENGINE", &other)]);
    let told = match answer.exit {
        0 => pluvio.cli(&[
            "deploy",
            &pluvio.write("next.yaml", &app::yaml(&name, "two", 1, "")),
            "--json",
        ]),
        _ => answer,
    };
    told.problem(4, "engine.foreign");
    assert_eq!(
        Engine::docker().made_by(&installation),
        made,
        "the first engine's things are left alone"
    );
    pluvio.cli(&["down", "--node", "--json"]).ok();
    pluvio.up(&[]).ok();
    pluvio.until_serves(&name, "/", "one", SOON);
    pluvio.end();
}

fn o4_a_full_disk_is_named_and_survived(engine: Engine) {
    let disk = SmallDisk::new(64);
    let mut pluvio = Pluvio::prepare(engine).with_data(&disk.path().join("data"));
    pluvio.up(&[]).ok();
    let name = pluvio.name("o4d");
    pluvio.deploy(&app::yaml(&name, "one", 2, "")).ok();
    disk.fill();

    assert_eq!(pluvio.body(&name, "/").trim(), "one", "what serves goes on");
    let refused = pluvio.deploy(&app::yaml(&name, "two", 2, ""));
    assert_eq!(refused.exit, 1, "{refused:?}");
    let problem = refused.json();
    assert_eq!(problem["code"], "disk.full", "{problem:#}");
    assert_eq!(pluvio.body(&name, "/").trim(), "one");
    // A crash in the middle of it makes nothing worse.
    pluvio.kill("control");

    disk.free();
    pluvio.up(&[]).ok();
    pluvio.deploy(&app::yaml(&name, "three", 2, "")).ok();
    assert_eq!(pluvio.body(&name, "/").trim(), "three");
    pluvio.end();
}

fn o4_a_clock_that_jumps_loses_nothing(engine: Engine) {
    let mut pluvio = Pluvio::start(engine);
    let name = pluvio.name("o4c");
    pluvio.deploy(&app::yaml(&name, "now", 1, "")).ok();
    let load = load::closed(pluvio.gateway_port(), &format!("{name}.localhost"), "/", 2);
    let mut releases = 1;
    for offset in ["+3d", "-2d", "+0"] {
        let Some(variables) = clock(offset) else {
            panic!("libfaketime is missing: install the package faketime");
        };
        let variables: Vec<(&str, &str)> = variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        pluvio.cli(&["down", "--json"]).ok();
        pluvio.up(&variables).ok();
        let greeting = format!("clock-{offset}");
        pluvio.deploy(&app::yaml(&name, &greeting, 1, "")).ok();
        releases += 1;
        assert_eq!(pluvio.body(&name, "/").trim(), greeting);
        assert_eq!(
            pluvio.status(&name)["live_release"],
            releases,
            "releases only move forward"
        );
    }
    let counted = load.end();
    assert_eq!(counted.failed, 0, "{counted:#?}");
    // The node's own clock, while it restarts what ended.
    for offset in ["+3d", "-2d"] {
        let variables = clock(offset).expect("looked for above");
        let variables: Vec<(&str, &str)> = variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        pluvio.cli(&["down", "--node", "--json"]).ok();
        pluvio.up(&variables).ok();
        pluvio.until_serves(&name, "/", "clock-+0", SOON);
        pluvio.cli(&["restart", "-a", &name, "--json"]).ok();
        assert_eq!(pluvio.body(&name, "/").trim(), "clock-+0");
    }
    pluvio.end();
}

fn d5_two_controls_on_postgres_share_the_work(engine: Engine) {
    let database = Database::new();
    let mut pluvio = Pluvio::prepare(engine).with("PLUVIO_DATABASE_URL", &database.url());
    pluvio.up(&[]).ok();
    // A second control of the same installation, with listeners of its own.
    let second = {
        let other = pluvio.scratch().join("second");
        std::fs::create_dir_all(other.join("logs")).unwrap();
        std::os::unix::fs::symlink(pluvio.data().join("node"), other.join("node")).unwrap();
        std::os::unix::fs::symlink(pluvio.data().join("blobs"), other.join("blobs")).unwrap();
        for file in ["seal.key", "installation"] {
            std::fs::copy(pluvio.data().join(file), other.join(file)).unwrap();
        }
        pluvio.serve_beside(&other, 5)
    };
    let socket = pluvio.scratch().join("second/control.sock");
    wait::until_true("the second control serves", SOON, || socket.exists());

    let names: Vec<String> = (0..4)
        .map(|number| pluvio.name(&format!("pg{number}")))
        .collect();
    let mut accepted = Vec::new();
    for name in &names {
        let file = pluvio.write(&format!("{name}.yaml"), &app::yaml(name, "one", 1, ""));
        let answer = pluvio.cli(&["deploy", &file, "--no-wait", "--json"]).ok();
        accepted.push(answer["id"].as_str().unwrap().to_owned());
    }
    // The one that accepted them dies; the other carries on.
    pluvio.kill("control");
    for name in &names {
        pluvio.until_serves(name, "/", "one", Duration::from_secs(60));
    }
    second.kill();
    pluvio.up(&[]).ok();
    for id in accepted {
        let ended = pluvio.cli(&["operation", "follow", &id, "--json"]).ok();
        assert_eq!(ended["outcome"]["outcome"], "succeeded", "{ended:#}");
    }
    pluvio.end();
}
