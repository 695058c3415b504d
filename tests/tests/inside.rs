//! Between the components of an application: names that lead to whoever is ready, and to nobody else's.

use std::time::Duration;

use pluvio_tests::{Engine, Pluvio, both_engines, image::IMAGE, load};

both_engines!(
    d1_no_inner_request_is_lost_while_a_component_is_replaced,
    an_inner_name_leads_to_the_instances_that_are_ready,
    another_application_cannot_reach_a_component,
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
    pluvio.end();
}
