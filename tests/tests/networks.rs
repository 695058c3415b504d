//! Large applications: as many addresses as they need, at once and as they grow.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use pluvio_tests::{Engine, Pluvio, both_engines, image::IMAGE, load};
use serde_json::Value;

both_engines!(
    fifty_services_of_two_instances_run,
    an_application_grows_from_five_components_to_sixty,
    a_range_without_room_is_told_of,
);

/// `web` asks any of `s1` to `s{others}`, which answer with their names.
fn many(name: &str, others: usize, instances: usize) -> String {
    let mut text = format!(
        "apiVersion: pluvio/v1
name: {name}
components:
  web:
    image: {IMAGE}
    command: [/serve]
    instances: 2
    ports: {{ http: {{ port: 8080, protocol: http }} }}
"
    );
    for number in 1..=others {
        write!(
            text,
            "  s{number}:
    image: {IMAGE}
    command: [/serve]
    instances: {instances}
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    env: {{ GREETING: s{number} }}
"
        )
        .expect("a text");
    }
    text
}

fn deploy(pluvio: &Pluvio, text: &str) -> pluvio_tests::Answer {
    let file = pluvio.write("app.yaml", text);
    let words = ["deploy", &file, "--json"];
    pluvio.cli_within(&words, Duration::from_secs(300))
}

fn answers(pluvio: &Pluvio, name: &str, service: &str) {
    let path = format!("/ask?{service}:8080/");
    assert_eq!(pluvio.body(name, &path).trim(), service);
}

/// Container → its component, of those whose component's name passes.
fn containers(pluvio: &Pluvio, engine: &Engine, of: fn(&str) -> bool) -> BTreeMap<String, String> {
    let all = engine.containers(pluvio.installation());
    let named = |container: &Value| {
        let component = container["Labels"]["io.pluvio.component"].as_str()?;
        let id = container["Id"].as_str()?;
        of(component).then(|| (id.to_owned(), component.to_owned()))
    };
    all.iter().filter_map(named).collect()
}

fn fifty_services_of_two_instances_run(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("fifty");
    deploy(&pluvio, &many(&name, 49, 2)).ok();
    let status = pluvio.status(&name);
    let components = status["components"].as_array().expect("components");
    assert_eq!(components.len(), 50);
    for service in ["s1", "s25", "s49"] {
        answers(&pluvio, &name, service);
    }
    pluvio.end();
}

fn an_application_grows_from_five_components_to_sixty(engine: Engine) {
    let pluvio = Pluvio::start(engine.clone());
    let name = pluvio.name("grows");
    deploy(&pluvio, &many(&name, 4, 1)).ok();
    let before = containers(&pluvio, &engine, |_| true);
    let host = format!("{name}.localhost");
    let closed = load::closed(pluvio.gateway_port(), &host, "/ask?s2:8080/", 4);
    deploy(&pluvio, &many(&name, 59, 1)).ok();
    let counted = closed.end();
    assert_eq!(counted.failed, 0, "{counted:#?}");
    let few = |component: &str| ["web", "s1", "s2", "s3", "s4"].contains(&component);
    assert_eq!(
        containers(&pluvio, &engine, few),
        before,
        "nothing was replaced"
    );
    for service in ["s4", "s5", "s59"] {
        answers(&pluvio, &name, service);
    }
    // What ran before is replaced where the others are.
    let closed = load::closed(pluvio.gateway_port(), &host, "/ask?s2:8080/", 4);
    pluvio
        .cli(&["restart", "web", "s2", "-a", &name, "--json"])
        .ok();
    let counted = closed.end();
    assert_eq!(counted.failed, 0, "{counted:#?}");
    answers(&pluvio, &name, "s59");
    pluvio.end();
}

fn a_range_without_room_is_told_of(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("full");
    // The range of a test has a thousand addresses.
    let large = many(&name, 1, 1100);
    let problem = deploy(&pluvio, &large).problem(1, "network.full");
    assert!(problem.to_string().contains("network.pool"), "{problem:#}");
    let small = many(&name, 1, 1);
    deploy(&pluvio, &small).ok();
    answers(&pluvio, &name, "s1");
    pluvio.end();
}
