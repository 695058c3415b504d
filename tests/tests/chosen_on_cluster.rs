//! Some components of an application on a real Kubernetes, in the order in which they use each other; what several of them
//! are configured with. As on the engine (tests/whole.rs, tests/changes.rs).

use pluvio_tests::image::IMAGE;
use pluvio_tests::place::Place;
use serde_json::Value;

/// `web` uses `api`, which uses `db`; each notes in a file when it starts and when it is told to end.
fn chain(name: &str, greeting: &str) -> String {
    let component = |own: &str, uses: &str| {
        format!(
            "  {own}:
    image: {IMAGE}
    command: [sh, -c, \"echo {own} up >> /shared/log; trap 'echo {own} down >> /shared/log; exit 0' TERM; /serve & wait\"]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 1s }} }}
    rollout: {{ drain: 1s, grace: 5s }}
    env: {{ GREETING: {greeting} }}
    volumes: {{ /shared: {{ name: shared, access: shared }} }}
    uses: [{uses}]
    routes: []
"
        )
    };
    let keep = format!(
        "  keep:
    image: {IMAGE}
    command: [/serve]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    rollout: {{ drain: 1s, grace: 1s }}
    volumes: {{ /shared: {{ name: shared, access: shared }} }}
    routes: []
"
    );
    let all = [
        component("web", "api"),
        component("api", "db"),
        component("db", ""),
        keep,
    ];
    format!(
        "apiVersion: pluvio/v1\nname: {name}\ncomponents:\n{}",
        all.concat()
    )
}

fn instances(place: &Place, name: &str) -> Vec<String> {
    let component = place.component(name);
    let all = component["instances"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let names = all.iter().filter_map(|one| one["name"].as_str());
    names.map(str::to_owned).collect()
}

/// Whether all that it tells of came to their end, these among them. (On a cluster it names those beside them as well.)
fn are_done(operation: &Value, named: &[&str]) -> bool {
    let all = operation["components"].as_array();
    let all = || all.into_iter().flatten();
    let is_told = |name: &&str| all().any(|row| row["component"] == *name);
    named.iter().all(is_told) && all().all(|row| row["state"] == "done")
}

#[test]
fn rb50_components_stop_start_and_restart_in_their_order_on_a_cluster() {
    const APP: &str = "rb50";
    let mut place = Place::start(APP);
    place.deploy(&chain(APP, "one")).ok();
    let log = |place: &Place| {
        let words = ["exec", "--component", "keep", "--", "cat", "/shared/log"];
        place.cli(&words).stdout
    };
    let up = "db up\napi up\nweb up\n";
    let down = "web down\napi down\ndb down\n";
    assert_eq!(log(&place), up);

    // One by itself.
    let (web, db) = (instances(&place, "web"), instances(&place, "db"));
    let operation = place.ok(&["stop", "api"]);
    assert_eq!(operation["title"], format!("Stop api of {APP}"));
    assert_eq!(instances(&place, "api"), Vec::<String>::new());
    assert_eq!(place.component("api")["status"], "stopped");
    assert_eq!(
        (instances(&place, "web"), instances(&place, "db")),
        (web, db)
    );
    let status = place.ok(&["status"]);
    assert_eq!(
        (&status["power"], &status["status"]),
        (&"on".into(), &"running".into())
    );
    // It stays so through whatever else happens.
    place.deploy(&chain(APP, "two")).ok();
    place.pluvio.kill("control");
    place.pluvio.up(&[]).ok();
    place.until("the others say two", || {
        place.get("web", "/").is_ok_and(|page| page.trim() == "two")
    });
    assert_eq!(instances(&place, "api"), Vec::<String>::new());
    place.ok(&["start", "api"]);
    place.until("it is reached again", || {
        let page = place.get("web", "/ask?api:8080/");
        page.is_ok_and(|page| page.trim() == "two")
    });

    // Some of them, with how far each came.
    let before = ["web", "api", "db"].map(|one| instances(&place, one));
    let operation = place.ok(&["restart", "web", "db"]);
    let after = ["web", "api", "db"].map(|one| instances(&place, one));
    assert_ne!(after[0], before[0]);
    assert_eq!(after[1], before[1]);
    assert_ne!(after[2], before[2]);
    assert!(are_done(&operation, &["web", "db"]), "{operation:#}");
    let operation = place.ok(&["redeploy", "api"]);
    assert_eq!(operation["kind"], "deploy");
    // The image is what it was.
    assert_eq!(
        ["web", "api", "db"].map(|one| instances(&place, one)),
        after
    );
    for verb in ["restart", "stop", "redeploy"] {
        let wrong = place.cli(&[verb, "--json", "wev"]);
        let problem = wrong.problem(3, "not-found").to_string();
        assert!(problem.contains("web, api, db"), "{problem}");
    }

    // In the order of their dependencies, whatever order they are named in.
    let before = log(&place);
    let operation = place.ok(&["stop", "db", "web", "api"]);
    let all = ["web", "api", "db"];
    assert!(are_done(&operation, &all), "{operation:#}");
    assert_eq!(log(&place).strip_prefix(&before), Some(down));
    place.ok(&["start", "web", "api", "db"]);
    let whole = format!("{down}{up}");
    assert_eq!(log(&place).strip_prefix(&before), Some(whole.as_str()));

    // Whole, with control killed in the middle of it: what is left goes on in the same order.
    let before = log(&place);
    let stop = place.ok(&["stop", "--no-wait"]);
    place.pluvio.kill("control");
    place.pluvio.up(&[]).ok();
    let id = stop["id"].as_str().unwrap().to_owned();
    place
        .pluvio
        .cli(&["operation", "follow", &id, "--json"])
        .ok();
    assert_eq!(place.ok(&["status"])["status"], "stopped");
    place.has_no_pods();
    place.ok(&["start"]);
    assert_eq!(log(&place).strip_prefix(&before), Some(whole.as_str()));
    place.end();
}

/// What `shared` is on `web` and `api`, and not on `alone`.
fn grouped(name: &str, shared: &str, hot: &str) -> String {
    let component = |own: &str, groups: &str| {
        format!(
            "  {own}:
    image: {IMAGE}
    command: [sh, -c, \"trap 'exit 0' TERM; /serve & wait\"]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 1s }} }}
    rollout: {{ drain: 1s, grace: 1s, deadline: 60s }}
    groups: [{groups}]
    env: {{ GREETING: \"${{SHARED:-none}}\" }}
    routes: []
"
        )
    };
    let all = [
        component("web", "all"),
        component("api", "all"),
        component("alone", ""),
    ];
    format!(
        "apiVersion: pluvio/v1
name: {name}
secrets: {{ KEY: {{ generate: false }} }}
groups:
  all:
    env: {{ SHARED: {shared} }}
    files:
      /tmp/cold: {{ content: \"cold ${{SHARED}}\" }}
      /tmp/hot/plain: {{ content: \"hot {hot}\", hot: true, reload: {{ command: [sh, -c, \"cat /tmp/hot/plain > /tmp/reloaded\"] }} }}
      /tmp/key/word: {{ content: \"key ${{secrets.KEY}}\", hot: true }}
components:
{}",
        all.concat()
    )
}

#[test]
fn rb57_what_a_group_says_reaches_those_that_take_it_on_a_cluster() {
    const APP: &str = "rb57";
    let place = Place::start(APP);
    let secret = |value: &str| {
        let words = ["secret", "set", "KEY", "-a", APP, "-e", &place.environment];
        let set = place.pluvio.cli_with_input(&words, value);
        assert_eq!(set.exit, 0, "{set:?}");
    };
    place
        .deploy(&grouped(APP, "one", "one"))
        .problem(1, "secret.missing");
    secret("first-word");
    place.deploy(&grouped(APP, "one", "one")).ok();
    let file = |component: &str, path: &str| {
        let words = ["exec", "--component", component, "--", "cat", path];
        place.cli(&words).stdout
    };
    for one in ["web", "api"] {
        assert_eq!(place.get(one, "/").unwrap().trim(), "one");
        assert_eq!(file(one, "/tmp/cold"), "cold one");
        assert_eq!(file(one, "/tmp/hot/plain"), "hot one");
        assert_eq!(file(one, "/tmp/key/word"), "key first-word");
    }
    assert_eq!(place.get("alone", "/").unwrap().trim(), "none");
    for path in ["/tmp/cold", "/tmp/hot/plain", "/tmp/key/word"] {
        let said = file("alone", path);
        assert!(said.contains("No such file"), "{path}: {said}");
    }

    // What is hot arrives in the instances that are there, also what is secret.
    let before = ["web", "api", "alone"].map(|one| instances(&place, one));
    place.deploy(&grouped(APP, "one", "two")).ok();
    secret("second-word");
    for one in ["web", "api"] {
        place.until("the hot files are there", || {
            file(one, "/tmp/hot/plain") == "hot two"
                && file(one, "/tmp/reloaded") == "hot two"
                && file(one, "/tmp/key/word") == "key second-word"
        });
    }
    assert_eq!(
        ["web", "api", "alone"].map(|one| instances(&place, one)),
        before
    );

    // What is not replaces those that take it, and nobody else.
    place.deploy(&grouped(APP, "three", "two")).ok();
    for one in ["web", "api"] {
        assert_eq!(place.get(one, "/").unwrap().trim(), "three");
        assert_eq!(file(one, "/tmp/cold"), "cold three");
    }
    let after = ["web", "api", "alone"].map(|one| instances(&place, one));
    assert_ne!(after[0], before[0]);
    assert_ne!(after[1], before[1]);
    assert_eq!(after[2], before[2]);
    place.end();
}
