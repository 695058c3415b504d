//! Between the components of an application: names that lead to whoever is ready, and to nobody else's.

use std::process::Command;
use std::time::Duration;

use pluvio_tests::{Engine, Pluvio, both_engines, image::IMAGE, load, wait};
use serde_json::{Value, json};

both_engines!(
    d1_no_inner_request_is_lost_while_a_component_is_replaced,
    an_inner_name_leads_to_the_instances_that_are_ready,
    another_application_cannot_reach_a_component,
    rb52_what_passes_between_components_is_told,
    a_component_is_added_and_connected_as_the_console_does_it,
);

/// `web` asks `api`.
fn two(name: &str, greeting: &str, more: &str) -> String {
    format!(
        "apiVersion: pluvio/v1
name: {name}
components:
  web:
    image: {IMAGE}
    command: [/serve]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 200ms }} }}
    env: {{ GREETING: front }}
    uses: [api]
  api:
    image: {IMAGE}
    command: [/serve]
    instances: 2
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 200ms }} }}
    rollout: {{ drain: 5s, deadline: 5s }}
    env: {{ GREETING: {greeting} }}
{more}"
    )
}

fn d1_no_inner_request_is_lost_while_a_component_is_replaced(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("inside");
    pluvio.deploy(&two(&name, "one", "")).ok();
    let host = format!("{name}.localhost");
    let closed = load::closed(pluvio.gateway_port(), &host, "/ask?api:8080/", 8);
    for greeting in ["two", "three", "four"] {
        pluvio.deploy(&two(&name, greeting, "")).ok();
    }
    pluvio.cli(&["scale", "api=3", "-a", &name, "--json"]).ok();
    pluvio.cli(&["scale", "api=1", "-a", &name, "--json"]).ok();
    pluvio.cli(&["rollback", "1", "-a", &name, "--json"]).ok();
    let counted = closed.end();
    assert_eq!(counted.failed, 0, "{counted:#?}");
    for greeting in ["one", "two", "three", "four"] {
        assert!(counted.bodies.contains_key(greeting), "{counted:#?}");
    }
    pluvio.end();
}

fn an_inner_name_leads_to_the_instances_that_are_ready(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("ready");
    pluvio.deploy(&two(&name, "good", "")).ok();
    let host = format!("{name}.localhost");
    let closed = load::closed(pluvio.gateway_port(), &host, "/ask?api:8080/", 2);
    let broken = two(&name, "bad", "").replace("GREETING: bad", "GREETING: bad, FAIL: probe");
    pluvio.deploy(&broken).problem(1, "release.not-ready");
    let counted = closed.end();
    assert_eq!(counted.failed, 0, "{counted:#?}");
    assert_eq!(counted.bodies.keys().collect::<Vec<_>>(), ["good"]);
    // Stopped as a whole and started again, it is found under the same name.
    pluvio.cli(&["stop", "-a", &name, "--json"]).ok();
    pluvio.cli(&["start", "-a", &name, "--json"]).ok();
    pluvio.until_serves(&name, "/ask?api:8080/", "good", Duration::from_secs(20));
    pluvio.end();
}

fn another_application_cannot_reach_a_component(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let (name, stranger) = (pluvio.name("own"), pluvio.name("stranger"));
    pluvio.deploy(&two(&name, "secret", "")).ok();
    pluvio.deploy(&two(&stranger, "curious", "")).ok();
    assert_eq!(pluvio.body(&name, "/ask?api:8080/").trim(), "secret");
    let hosts = pluvio.body(&name, "/file?/etc/hosts");
    let address = hosts
        .lines()
        .find_map(|line| line.strip_suffix("api").or(line.strip_suffix("api ")))
        .expect("api has an address")
        .trim()
        .to_owned();
    let reply = pluvio
        .get(&stranger, &format!("/ask?{address}:8080/"))
        .expect("an answer");
    assert_eq!(reply.status, 502, "{reply:?}");
    let names = pluvio.get(&stranger, "/ask?api:8080/").expect("an answer");
    assert_eq!(names.body.trim(), "curious");
    // Nor at an instance's own address; a network that goes is when an engine may forget its rules.
    let passing = pluvio.name("passing");
    pluvio.deploy(&two(&passing, "gone", "")).ok();
    pluvio
        .cli(&["delete", "-a", &passing, "--yes", "--json"])
        .ok();
    let containers = pluvio.engine.containers(pluvio.installation());
    let prefix = format!("/{name}--api--");
    let is_api = |container: &&Value| {
        let names = container["Names"].as_array().into_iter().flatten();
        let mut names = names.filter_map(Value::as_str);
        names.any(|one| format!("/{}", one.trim_start_matches('/')).starts_with(&prefix))
    };
    let of_api = containers.iter().filter(is_api);
    let mut asked = 0;
    for container in of_api {
        for network in container["NetworkSettings"]["Networks"]
            .as_object()
            .into_iter()
            .flat_map(serde_json::Map::values)
        {
            let own = network["IPAddress"].as_str().unwrap_or_default();
            let from = |app: &str| {
                pluvio
                    .get(app, &format!("/ask?{own}:8080/"))
                    .expect("an answer")
            };
            assert_eq!(from(&name).body.trim(), "secret", "{own}");
            assert_eq!(from(&stranger).status, 502, "{own}");
            asked += 1;
        }
    }
    assert!(asked > 0, "{containers:#?}");
    pluvio.end();
}

/// Reads the graph until an edge has what is asked of it.
fn until_passes(pluvio: &Pluvio, name: &str, ends: (&str, &str), holds: fn(&Value) -> bool) {
    let what = format!("{} → {}", ends.0, ends.1);
    wait::until_true(&what, Duration::from_secs(30), || {
        let graph = pluvio.cli(&["topology", "-a", name, "--json"]).ok();
        let edges = graph["edges"].as_array().expect("edges");
        let edge = edges
            .iter()
            .find(|edge| edge["from"] == ends.0 && edge["to"] == ends.1);
        edge.is_some_and(|edge| edge["declared"] == true && holds(&edge["traffic"][0]))
    });
}

fn rb52_what_passes_between_components_is_told(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("graph");
    let raw = format!(
        "  raw:
    image: {IMAGE}
    command: [/serve]
    ports: {{ bytes: {{ port: 8080, protocol: tcp }} }}
"
    );
    let spec = two(&name, "one", &raw).replace("uses: [api]", "uses: [api, raw]");
    pluvio.deploy(&spec).ok();
    let graph = pluvio.cli(&["topology", "-a", &name, "--json"]).ok();
    let nodes = graph["nodes"].as_array().expect("nodes");
    let api = nodes.iter().find(|node| node["id"] == "api").expect("api");
    assert_eq!(
        (&api["status"], &api["instances_ready"]),
        (&json!("running"), &json!(2))
    );
    let host = format!("{name}.localhost");
    let http = load::closed(pluvio.gateway_port(), &host, "/ask?api:8080/", 2);
    let bytes = load::closed(pluvio.gateway_port(), &host, "/ask?raw:8080/", 1);
    let answered = |traffic: &Value| {
        let number = |key: &str| traffic[key].as_f64().unwrap_or_default();
        number("requests_per_second") > 1.0 && number("p95_ms") > 0.0
    };
    until_passes(&pluvio, &name, ("@gateway", "web"), answered);
    until_passes(&pluvio, &name, ("web", "api"), answered);
    until_passes(&pluvio, &name, ("web", "raw"), |traffic| {
        let number = |key: &str| traffic[key].as_f64().unwrap_or_default();
        traffic["protocol"] == "tcp"
            && traffic["p95_ms"].is_null()
            && number("received_per_second") > 1.0
            && number("sent_per_second") > 1.0
    });
    assert_eq!((http.end().failed, bytes.end().failed), (0, 0));
    let text = pluvio.cli(&["topology", "-a", &name]).stdout;
    assert!(text.contains("gateway") && text.contains("/s"), "{text}");
    let all = pluvio.cli(&["topology", "--all", "--json"]).ok();
    let edges = all["edges"].as_array().expect("edges");
    assert!(
        edges
            .iter()
            .any(|edge| edge["to"] == name.as_str() && !edge["traffic"][0].is_null()),
        "{all:#}"
    );
    let refused = ["topology", "-a", &name, "--window", "5s", "--json"];
    pluvio.cli(&refused).problem(2, "request.invalid");
    pluvio.end();
}

fn a_component_is_added_and_connected_as_the_console_does_it(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("edit");
    pluvio.deploy(&two(&name, "one", "")).ok();
    let ask = |method: &str, path: &str, body: &Value| -> Value {
        let output = Command::new("curl")
            .args(["-sS", "-X", method, "--unix-socket"])
            .arg(pluvio.data().join("control.sock"))
            .args(["-H", "Content-Type: application/json", "--data-binary"])
            .arg(body.to_string())
            .arg(format!(
                "http://localhost/api/v1/teams/main/environments/production{path}"
            ))
            .output()
            .expect("curl");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{path}: {error}: {said}"))
    };
    let text = pluvio.cli(&["export", "-a", &name]).stdout;
    let read = ask("POST", "/spec/read", &json!({ "yaml": text }));
    assert_eq!(read["problems"], json!([]), "{read:#}");
    let mut spec = read["spec"].clone();
    let path = format!("/applications/{name}/spec");
    let edit = |spec: &Value| {
        let seen = ask("POST", &format!("{path}/preview"), &json!({ "spec": spec }));
        let operation = ask("PATCH", &path, &json!({ "spec": spec }));
        let id = operation["id"].as_str().unwrap_or_default();
        pluvio.cli(&["operation", "follow", id, "--json"]).ok();
        (seen, operation)
    };
    // A component of an image that the application did not have before: pulled or at hand, then started.
    spec["components"]["extra"] = json!({
        "image": IMAGE, "command": ["/serve"], "env": { "GREETING": "extra" },
        "ports": { "http": { "port": 8080, "protocol": "http" } }, "routes": []
    });
    let (seen, _) = edit(&spec);
    assert!(
        seen["effects"].to_string().contains("\"added\""),
        "{seen:#}"
    );
    assert_eq!(pluvio.body(&name, "/ask?extra:8080/").trim(), "extra");
    // Connected: one change, nothing built, nothing that was there replaced without need.
    spec["components"]["web"]["uses"] = json!(["api", "extra"]);
    let (seen, operation) = edit(&spec);
    assert_eq!(seen["diff"][0]["rows"][0]["what"], "uses", "{seen:#}");
    assert_eq!(operation["title"], "web uses extra");
    let graph = pluvio.cli(&["topology", "-a", &name, "--json"]).ok();
    assert!(
        graph["edges"].as_array().is_some_and(|edges| edges
            .iter()
            .any(|edge| edge["to"] == "extra" && edge["declared"] == true)),
        "{graph:#}"
    );
    let circle = json!({ "spec": { "name": name, "components": {
        "web": { "image": IMAGE, "uses": ["api"] }, "api": { "image": IMAGE, "uses": ["web"] }
    } } });
    assert_eq!(ask("PATCH", &path, &circle)["status"], 422);
    pluvio.end();
}
