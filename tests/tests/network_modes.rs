//! `network_mode`: on another service's network, on the machine's own, on none.

use std::time::Duration;

use pluvio_tests::engine::name_of;
use pluvio_tests::{Engine, Pluvio, both_engines, http, image::IMAGE, wait};

both_engines!(
    a_service_on_anothers_network_reaches_it_at_loopback_and_follows_it,
    a_component_on_the_machines_network_is_reached_and_replaced,
    a_service_without_a_network_reaches_nothing,
);

fn tunnel(name: &str, greeting: &str) -> String {
    format!(
        "name: {name}
services:
  web:
    image: {IMAGE}
    command: /serve
    ports: ['18083:8080']
    environment: [GREETING={greeting}]
    stop_grace_period: 1s
  page:
    image: {IMAGE}
    command: [httpd, -f, -p, '9000', -h, /www]
    network_mode: service:web
    stop_grace_period: 1s
    configs: [{{ source: page, target: /www/index.html }}]
    healthcheck: {{ test: [CMD, wget, -qO-, 'http://127.0.0.1:8080/'], interval: 1s }}
configs: {{ page: {{ content: beside }} }}
"
    )
}

fn a_service_on_anothers_network_reaches_it_at_loopback_and_follows_it(engine: Engine) {
    let pluvio = Pluvio::start(engine.clone());
    let name = pluvio.name("tunnel");
    let deploy = |greeting: &str| {
        let file = pluvio.write("compose.yaml", &tunnel(&name, greeting));
        pluvio.cli(&["deploy", &file, "--json"]).ok();
    };
    let beside = || {
        let all = engine.containers(pluvio.installation());
        let one = all
            .iter()
            .find(|container| container["Labels"]["io.pluvio.role"] == "sidecar");
        let one = one.expect("a container beside");
        let main = one["Labels"]["io.pluvio.instance"]
            .as_str()
            .expect("its instance");
        let main = all
            .iter()
            .find(|container| name_of(container) == main)
            .expect("its main");
        (
            one["Id"].clone(),
            main["Id"].clone(),
            engine.inspect(one["Id"].as_str().expect("an id"))["HostConfig"]["NetworkMode"].clone(),
        )
    };
    deploy("one");
    // Each reaches the other at its own loopback.
    assert_eq!(pluvio.body(&name, "/ask?127.0.0.1:9000/"), "beside");
    let asked = [
        "exec",
        "-a",
        &name,
        "--container",
        "page",
        "--",
        "wget",
        "-qO-",
        "http://127.0.0.1:8080/",
    ];
    assert_eq!(pluvio.cli(&asked).stdout.trim(), "one");
    let (page, web, _) = beside();
    // A change of one brings the other along.
    deploy("two");
    let (page_now, web_now, mode) = beside();
    assert_ne!((&page, &web), (&page_now, &web_now));
    assert!(page != page_now && web != web_now);
    assert_eq!(
        mode.as_str().map(|mode| mode.starts_with("container:")),
        Some(true),
        "{mode}"
    );
    assert_eq!(pluvio.cli(&asked).stdout.trim(), "two");
    pluvio.cli(&["restart", "web", "-a", &name, "--json"]).ok();
    assert_eq!(pluvio.body(&name, "/ask?127.0.0.1:9000/"), "beside");
    pluvio.end();
}

fn a_component_on_the_machines_network_is_reached_and_replaced(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("machine");
    let port = pluvio.free_port(0);
    let deploy = |page: &str| {
        let text = format!(
            "apiVersion: pluvio/v1
name: {name}
components:
  web:
    image: {IMAGE}
    command: [/serve]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
  meter:
    image: {IMAGE}
    command: [httpd, -f, -p, \"127.0.0.1:{port}\", -h, /www]
    host: {{ network: true }}
    ports: {{ http: {{ port: {port}, protocol: http }} }}
    routes: [{{ path: / }}]
    rollout: {{ drain: 0s, grace: 1s }}
    files: {{ /www/meter: {{ content: {page} }} }}
"
        );
        let file = pluvio.write("app.yaml", &text);
        pluvio.cli(&["deploy", &file, "--json"])
    };
    for page in ["first", "second"] {
        deploy(page).ok();
        // By the machine, by the gateway, and by its name within the application.
        let own = http::get(port, &format!("127.0.0.1:{port}"), "/meter").expect("an answer");
        assert_eq!(own.body, page);
        assert_eq!(pluvio.body(&format!("meter--{name}"), "/meter"), page);
        assert_eq!(
            pluvio.body(&name, &format!("/ask?meter:{port}/meter")),
            page
        );
    }
    pluvio.end();
}

fn a_service_without_a_network_reaches_nothing(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("quiet");
    let text = format!(
        "name: {name}
services:
  quiet:
    image: {IMAGE}
    command: [sh, -c, 'echo has $$(ls /sys/class/net) end; exec sleep 600']
    init: true
    stop_grace_period: 0s
    network_mode: none
"
    );
    let file = pluvio.write("compose.yaml", &text);
    pluvio.cli(&["deploy", &file, "--json"]).ok();
    let said = || pluvio.cli(&["logs", "-a", &name, "--json"]).stdout;
    wait::until_true("it says what it has", Duration::from_secs(20), || {
        said().contains("has lo end")
    });
    pluvio.end();
}
