//! Components that are not run here: found by name like any other, asked whether they are well, and no way into the machine.

use std::time::Duration;

use pluvio_tests::hosts::{OutsideNetwork, free_port};
use pluvio_tests::{Engine, Pluvio, engines, image::IMAGE, load, wait};
use serde_json::Value;

engines!(
    both: [a_component_outside_is_reached_by_name_and_at_a_host, an_address_outside_is_no_way_into_the_machine],
    docker: [another_address_replaces_nothing_and_loses_no_request, what_is_outside_cannot_be_run],
    podman: [an_address_that_does_not_answer_leaves_and_comes_back],
);

fn network(pluvio: &Pluvio) -> OutsideNetwork {
    OutsideNetwork::new((pluvio.port() - 19000) / 10)
}

/// `web`, and `bank` outside.
fn shop(name: &str, external: &str, more: &str) -> String {
    format!(
        "apiVersion: pluvio/v1
name: {name}
components:
  web:
    image: {IMAGE}
    command: [/serve]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 200ms }} }}
    rollout: {{ drain: 2s }}
    env: {{ GREETING: shop, BANK: \"${{bank.url}}\" }}
    uses: [bank]
  bank:
    kind: external
    external: {{ {external}, check: {{ http: {{ path: /index.html }}, period: 200ms, failures: 2 }} }}
    ports: {{ api: {{ port: 80, protocol: http }} }}
    exports: {{ BANK_HOST: \"${{bank.host}}\", BANK_PORT: \"${{bank.port}}\" }}
{more}"
    )
}

fn bank(status: &Value) -> Value {
    let all = status["components"].as_array().into_iter().flatten();
    let mut found = all.filter(|component| component["name"] == "bank");
    found.next().cloned().unwrap_or_default()
}

/// The state of one of bank's addresses.
fn state(status: &Value, address: &str) -> String {
    let bank = bank(status);
    let all = bank["instances"].as_array().into_iter().flatten();
    let mut found = all.filter(|one| one["address"] == address);
    found
        .next()
        .and_then(|one| one["state"]["state"].as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn main_container(pluvio: &Pluvio) -> Vec<String> {
    let all = pluvio.engine.containers(pluvio.installation());
    let ids = all
        .iter()
        .map(|one| one["Id"].as_str().unwrap_or_default().to_owned());
    ids.collect()
}

fn a_component_outside_is_reached_by_name_and_at_a_host(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let mut outside = network(&pluvio);
    outside.serve(80, "one");
    let name = pluvio.name("bank");
    let addresses = format!("addresses: [{}]", outside.address());
    pluvio.deploy(&shop(&name, &addresses, "")).ok();
    assert_eq!(pluvio.body(&name, "/ask?bank:80/index.html"), "one");
    let env = pluvio.body(&name, "/env");
    for line in ["BANK=http://bank:80", "BANK_HOST=bank", "BANK_PORT=80"] {
        assert!(env.lines().any(|of| of == line), "{line}: {env}");
    }
    let status = pluvio.status(&name);
    assert_eq!(state(&status, &outside.address()), "ready", "{status:#}");
    let shown = pluvio.cli(&["status", "-a", &name]).stdout;
    assert!(
        shown.contains(&outside.address()) && shown.contains("200 OK"),
        "{shown}"
    );
    // Visitors see it where a route says so, and nowhere else.
    assert_eq!(pluvio.body(&name, "/").trim(), "shop");
    let before = main_container(&pluvio);
    let routes = "    routes: [{ path: /index.html }]\n";
    pluvio.deploy(&shop(&name, &addresses, routes)).ok();
    pluvio.until_serves(
        &format!("bank--{name}"),
        "/index.html",
        "one",
        Duration::from_secs(10),
    );
    assert_eq!(main_container(&pluvio), before, "nothing was replaced");
    // Stopped as a whole, started as a whole.
    pluvio.cli(&["stop", "-a", &name, "--json"]).ok();
    let stopped = pluvio
        .get(&format!("bank--{name}"), "/index.html")
        .expect("an answer");
    assert_eq!(stopped.status, 503, "{stopped:?}");
    pluvio.cli(&["start", "-a", &name, "--json"]).ok();
    pluvio.until_serves(
        &name,
        "/ask?bank:80/index.html",
        "one",
        Duration::from_secs(20),
    );
    // A node that is killed goes on.
    pluvio.kill("node");
    let _node = pluvio.serve("node", &[]);
    pluvio.until_serves(
        &name,
        "/ask?bank:80/index.html",
        "one",
        Duration::from_secs(30),
    );
    pluvio.cli(&["delete", "-a", &name, "--yes", "--json"]).ok();
    pluvio.end();
}

fn an_address_that_does_not_answer_leaves_and_comes_back(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let mut outside = network(&pluvio);
    outside.serve(8001, "one");
    outside.serve(8002, "two");
    let name = pluvio.name("leave");
    let (one, two) = (
        format!("{}:8001", outside.address()),
        format!("{}:8002", outside.address()),
    );
    let addresses = format!("addresses: [\"{one}\", \"{two}\"]");
    pluvio.deploy(&shop(&name, &addresses, "")).ok();
    outside.fail(8002);
    pluvio.until_status(&name, "the second address left", |status| {
        state(status, &two) == "not-ready" && state(status, &one) == "ready"
    });
    let shown = bank(&pluvio.status(&name));
    assert_eq!(shown["status"], "degraded", "{shown:#}");
    // What it had begun to answer is lost with it; from here on nothing is.
    let host = format!("{name}.localhost");
    let closed = load::closed(pluvio.gateway_port(), &host, "/ask?bank:80/index.html", 4);
    outside.serve(8002, "two");
    pluvio.until_status(&name, "the second address came back", |status| {
        state(status, &two) == "ready"
    });
    wait::until_true("both are asked", Duration::from_secs(10), || {
        pluvio.body(&name, "/ask?bank:80/index.html") == "two"
    });
    let counted = closed.end();
    assert_eq!(counted.failed, 0, "{counted:#?}");
    let logs = pluvio
        .cli(&["logs", "-a", &name, "--component", "bank"])
        .stdout;
    assert!(
        logs.contains("not well") && logs.contains("well again"),
        "{logs}"
    );
    // Nobody answers: an error at once, not a wait; and the page says so.
    outside.fail(8001);
    outside.fail(8002);
    pluvio.until_status(&name, "nobody answers", |status| {
        bank(status)["status"] == "failed"
    });
    let reply = pluvio
        .get(&name, "/ask?bank:80/index.html")
        .expect("an answer");
    assert_eq!(reply.status, 502, "{reply:?}");
    assert!(reply.body.contains("503"), "{reply:?}");
    pluvio.end();
}

fn another_address_replaces_nothing_and_loses_no_request(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let mut outside = network(&pluvio);
    outside.serve(8001, "one");
    outside.serve(8002, "two");
    let name = pluvio.name("move");
    let at = |port: u16| format!("addresses: [\"{}:{port}\"]", outside.address());
    pluvio.deploy(&shop(&name, &at(8001), "")).ok();
    let before = main_container(&pluvio);
    let host = format!("{name}.localhost");
    let closed = load::closed(pluvio.gateway_port(), &host, "/ask?bank:80/index.html", 4);
    for port in [8002, 8001, 8002] {
        pluvio.deploy(&shop(&name, &at(port), "")).ok();
    }
    wait::until_true("the new address is asked", Duration::from_secs(10), || {
        pluvio.body(&name, "/ask?bank:80/index.html") == "two"
    });
    let compared = pluvio
        .cli(&["releases", "diff", "1", "2", "-a", &name])
        .stdout;
    assert!(
        compared.contains("8001") && compared.contains("8002"),
        "{compared}"
    );
    pluvio.cli(&["rollback", "1", "-a", &name, "--json"]).ok();
    wait::until_true("the old address is asked", Duration::from_secs(10), || {
        pluvio.body(&name, "/ask?bank:80/index.html") == "one"
    });
    let counted = closed.end();
    assert_eq!(counted.failed, 0, "{counted:#?}");
    assert_eq!(main_container(&pluvio), before, "nothing was replaced");
    pluvio.end();
}

fn an_address_outside_is_no_way_into_the_machine(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let outside = network(&pluvio);
    let name = pluvio.name("guard");
    // What is written plainly is refused before anything starts, but for who says that it is meant.
    let port = free_port();
    let loopback = format!("addresses: [\"127.0.0.1:{port}\"]");
    let problem = pluvio
        .deploy(&shop(&name, &loopback, ""))
        .problem(1, "spec.invalid");
    assert!(
        problem["remedy"]
            .as_str()
            .unwrap_or_default()
            .contains("local: true"),
        "{problem}"
    );
    // What can be known on the machine only is refused there: its own addresses, and those of other applications.
    let other = pluvio.name("other");
    let plain = shop(&other, "addresses: [192.0.2.9]", "");
    pluvio.deploy(&plain).ok();
    let instances = pluvio.status(&other)["components"][0]["instances"].clone();
    let inner = instances[0]["address"]
        .as_str()
        .expect("an address")
        .to_owned();
    let gateway = format!("{}:{}", outside.machine(), pluvio.gateway_port());
    let both = format!("addresses: [\"{gateway}\", \"{inner}:8080\"]");
    pluvio.deploy(&shop(&name, &both, "")).ok();
    let bank = bank(&pluvio.status(&name));
    let told = bank["instances"].to_string();
    assert!(told.contains("this machine itself"), "{bank:#}");
    assert!(told.contains("network of applications"), "{bank:#}");
    let reply = pluvio
        .get(&name, "/ask?bank:80/index.html")
        .expect("an answer");
    assert_eq!(reply.status, 502, "{reply:?}");
    // Meant: the permission is the owner's.
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).expect("a port");
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let page = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nhere";
            let _ = stream.write_all(page.as_bytes());
        }
    });
    let meant = format!("{loopback}, local: true");
    pluvio.deploy(&shop(&name, &meant, "")).ok();
    pluvio.until_serves(&name, "/ask?bank:80/", "here", Duration::from_secs(20));
    pluvio.end();
}

fn what_is_outside_cannot_be_run(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("norun");
    pluvio
        .deploy(&shop(&name, "addresses: [192.0.2.9]", ""))
        .ok();
    let scale = pluvio.cli(&["scale", "bank=2", "-a", &name, "--json"]);
    let problem = scale.problem(1, "spec.conflict");
    assert!(
        problem["cause"]
            .as_str()
            .unwrap_or_default()
            .contains("does not run here"),
        "{problem}"
    );
    let exec = pluvio.cli(&[
        "exec",
        "-a",
        &name,
        "--component",
        "bank",
        "--json",
        "--",
        "true",
    ]);
    exec.problem(3, "not-found");
    let bad = shop(&name, "addresses: [192.0.2.9]", "    image: bank\n");
    let problem = pluvio.deploy(&bad).problem(1, "spec.conflict");
    assert!(problem["at"]["line"].is_number(), "{problem}");
    pluvio.end();
}
