//! The application as one: stopped, started and restarted in the order in which components use each other, whole or in
//! part; a release that fails half-way goes back whole.

use std::time::Duration;

use pluvio_tests::{Engine, Pluvio, engines, image::IMAGE, wait};
use serde_json::Value;

engines!(
    both: [rb50_an_application_stops_and_starts_in_the_order_of_its_dependencies],
    docker: [ac45_a_release_that_fails_half_way_goes_back_whole],
    podman: [ac44_components_are_stopped_started_and_restarted_by_themselves, rb30_some_components_are_deployed_again],
);

const SOON: Duration = Duration::from_secs(20);

/// `web` uses `api`, which uses `db`; each notes in a file when it starts and when it is told to end.
fn chain(name: &str, greeting: &str) -> String {
    let component = |own: &str, uses: &str, routes: &str| {
        format!(
            "  {own}:
    image: {IMAGE}
    command: [sh, -c, \"echo {own} up >> /shared/log; trap 'echo {own} down >> /shared/log; exit 0' TERM; /serve & wait\"]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 200ms }} }}
    rollout: {{ drain: 1s, grace: 5s }}
    env: {{ GREETING: {greeting} }}
    volumes: {{ /shared: {{ name: shared, access: shared }} }}
    uses: [{uses}]
    routes: {routes}
"
        )
    };
    format!(
        "apiVersion: pluvio/v1\nname: {name}\ncomponents:\n{}{}{}",
        component("web", "api", "[{ path: / }]"),
        component("api", "db", "[]"),
        component("db", "", "[]")
    )
}

fn component<'a>(status: &'a Value, name: &str) -> &'a Value {
    let components = status["components"].as_array().unwrap();
    components.iter().find(|c| c["name"] == name).unwrap()
}

fn instances(status: &Value, name: &str) -> Vec<String> {
    let instances = component(status, name)["instances"].as_array().unwrap();
    let names = instances.iter().map(|i| i["name"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

fn progress(operation: &Value) -> Vec<(String, String)> {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let all = operation["components"].as_array().into_iter().flatten();
    all.map(|row| (text(row, "component"), text(row, "state")))
        .collect()
}

fn ac44_components_are_stopped_started_and_restarted_by_themselves(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("ac44");
    pluvio.deploy(&chain(&name, "one")).ok();
    let before = pluvio.status(&name);

    let operation = pluvio.cli(&["stop", "api", "-a", &name, "--json"]).ok();
    assert_eq!(operation["title"], format!("Stop api of {name}"));
    let stopped = pluvio.status(&name);
    assert_eq!(instances(&stopped, "api"), Vec::<String>::new());
    assert_eq!(component(&stopped, "api")["status"], "stopped");
    assert_eq!(instances(&stopped, "web"), instances(&before, "web"));
    assert_eq!(
        (&stopped["power"], &stopped["status"]),
        (&"on".into(), &"running".into())
    );
    assert_eq!(pluvio.body(&name, "/").trim(), "one");
    // It stays so through whatever else happens, also when everything is restarted beneath it.
    pluvio.deploy(&chain(&name, "two")).ok();
    assert_eq!(pluvio.body(&name, "/").trim(), "two");
    assert_eq!(
        instances(&pluvio.status(&name), "api"),
        Vec::<String>::new()
    );
    pluvio.kill("control");
    pluvio.kill("node");
    let mut pluvio = pluvio;
    pluvio.up(&[]).ok();
    pluvio.until_serves(&name, "/", "two", SOON);
    assert_eq!(
        instances(&pluvio.status(&name), "api"),
        Vec::<String>::new()
    );

    pluvio.cli(&["start", "api", "-a", &name, "--json"]).ok();
    assert_eq!(pluvio.body(&name, "/ask?api:8080/").trim(), "two");
    let before = pluvio.status(&name);
    let operation = pluvio
        .cli(&["restart", "web", "db", "-a", &name, "--json"])
        .ok();
    let after = pluvio.status(&name);
    assert_ne!(instances(&after, "web"), instances(&before, "web"));
    assert_ne!(instances(&after, "db"), instances(&before, "db"));
    assert_eq!(instances(&after, "api"), instances(&before, "api"));
    let mut told = progress(&operation);
    told.sort();
    assert_eq!(
        told,
        [
            ("db".to_owned(), "done".to_owned()),
            ("web".to_owned(), "done".to_owned())
        ]
    );
    let wrong = pluvio.cli(&["restart", "wev", "-a", &name, "--json"]);
    let problem = wrong.problem(3, "not-found");
    assert!(
        problem["remedy"].as_str().unwrap().contains("web, api, db"),
        "{problem:#}"
    );
    pluvio
        .cli(&["stop", "wev", "-a", &name, "--json"])
        .problem(3, "not-found");

    // The last one that is stopped makes it an application that is off.
    for one in ["web", "api", "db"] {
        pluvio.cli(&["stop", one, "-a", &name, "--json"]).ok();
    }
    assert_eq!(pluvio.status(&name)["power"], "off");
    pluvio.cli(&["start", "-a", &name, "--json"]).ok();
    pluvio.until_serves(&name, "/ask?api:8080/", "two", SOON);
    pluvio.end();
}

fn rb50_an_application_stops_and_starts_in_the_order_of_its_dependencies(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("rb50");
    let aside = chain(&name, "one")
        + &format!(
            "  keep:
    image: {IMAGE}
    command: [/serve]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    volumes: {{ /shared: {{ name: shared, access: shared }} }}
    routes: [{{ host: keep-{name}.localhost, path: / }}]
"
        );
    pluvio.deploy(&aside).ok();
    let log = || pluvio.body(&format!("keep-{name}"), "/file?/shared/log");
    assert_eq!(log(), "db up\napi up\nweb up\n");
    let operation = pluvio
        .cli(&["stop", "db", "web", "api", "-a", &name, "--json"])
        .ok();
    assert_eq!(progress(&operation).len(), 3, "{operation:#}");
    let down = "web down\napi down\ndb down\n";
    assert_eq!(log(), format!("db up\napi up\nweb up\n{down}"));
    pluvio
        .cli(&["start", "web", "api", "db", "-a", &name, "--json"])
        .ok();
    assert_eq!(
        log(),
        format!("db up\napi up\nweb up\n{down}db up\napi up\nweb up\n")
    );
    // Whole, with control killed in the middle of it: what is left goes on in the same order.
    let stop = pluvio
        .cli(&["stop", "-a", &name, "--no-wait", "--json"])
        .ok();
    pluvio.kill("control");
    let mut pluvio = pluvio;
    pluvio.up(&[]).ok();
    let id = stop["id"].as_str().unwrap().to_owned();
    pluvio.cli(&["operation", "follow", &id, "--json"]).ok();
    assert_eq!(pluvio.status(&name)["status"], "stopped");
    pluvio.cli(&["start", "-a", &name, "--json"]).ok();
    let all = pluvio.body(&format!("keep-{name}"), "/file?/shared/log");
    let last: Vec<&str> = all.lines().rev().take(6).collect();
    assert_eq!(
        last,
        [
            "web up", "api up", "db up", "db down", "api down", "web down"
        ]
    );
    pluvio.end();
}

fn ac45_a_release_that_fails_half_way_goes_back_whole(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("ac45");
    let yaml = |greeting: &str, third: &str| {
        let mut text = format!("apiVersion: pluvio/v1\nname: {name}\ncomponents:\n");
        for (own, uses) in [("a", ""), ("b", "a"), ("c", "b"), ("d", "c"), ("e", "d")] {
            let fail = if own == "c" { third } else { "" };
            let routes = if own == "a" { "[{ path: / }]" } else { "[]" };
            let task = match own {
                "a" => format!(
                    "    release: {{ command: [sh, -c, \"echo {greeting} > /tmp/ran\"] }}\n"
                ),
                _ => String::new(),
            };
            text += &format!(
                "  {own}:
    image: {IMAGE}
    command: [/serve]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 200ms }} }}
    rollout: {{ drain: 1s, deadline: 4s }}
    env: {{ GREETING: {greeting}{fail} }}
    uses: [{uses}]
    routes: {routes}
{task}"
            );
        }
        text
    };
    pluvio.deploy(&yaml("one", "")).ok();
    let before = pluvio.status(&name);
    let answer = pluvio.deploy(&yaml("two", ", FAIL: probe"));
    let problem = answer.problem(1, "release.not-ready");
    assert!(
        problem["cause"].as_str().unwrap().contains('c'),
        "{problem:#}"
    );
    // What ran once is named: going back does not undo it.
    let lines = problem["evidence"].to_string();
    assert!(
        lines.contains("Not undone: the release task of a ran to its end"),
        "{problem:#}"
    );
    let operation = pluvio.operation(&name);
    let told = progress(&operation);
    let of = |name: &str| {
        told.iter()
            .find(|(c, _)| c == name)
            .map(|(_, state)| state.clone())
    };
    assert_eq!(of("a").as_deref(), Some("done"), "{operation:#}");
    assert_eq!(of("c").as_deref(), Some("failed"), "{operation:#}");
    assert_eq!(of("e").as_deref(), Some("skipped"), "{operation:#}");
    let notes = operation["components"].to_string();
    assert!(notes.contains("goes back to r1"), "{operation:#}");

    // All five are at what they were: the same content in new instances where the new ones were ready already.
    let hashes = |status: &Value| -> Vec<(String, String)> {
        let components = status["components"].as_array().unwrap();
        components
            .iter()
            .flat_map(|c| {
                let instances = c["instances"].as_array().unwrap();
                instances.iter().map(|i| {
                    (
                        c["name"].as_str().unwrap().to_owned(),
                        i["hash"].as_str().unwrap().to_owned(),
                    )
                })
            })
            .collect()
    };
    wait::until_true("everything is back at r1", SOON, || {
        let status = pluvio.status(&name);
        status["live_release"] == 1 && hashes(&status) == hashes(&before)
    });
    assert_eq!(pluvio.body(&name, "/").trim(), "one");
    for inner in ["b", "c", "d", "e"] {
        let path = format!("/ask?{inner}:8080/");
        pluvio.until_serves(&name, &path, "one", SOON);
    }
    pluvio.end();
}

fn rb30_some_components_are_deployed_again(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("rb30");
    pluvio.deploy(&chain(&name, "one")).ok();
    let before = pluvio.status(&name);
    let operation = pluvio.cli(&["redeploy", "api", "-a", &name, "--json"]).ok();
    assert_eq!(operation["kind"], "deploy");
    // The image is what it was: nothing is replaced, and a release tells of it.
    let after = pluvio.status(&name);
    for one in ["web", "api", "db"] {
        assert_eq!(instances(&after, one), instances(&before, one));
    }
    assert_eq!(after["live_release"], 2);
    pluvio
        .cli(&["redeploy", "wev", "-a", &name, "--json"])
        .problem(3, "not-found");
    pluvio.end();
}
