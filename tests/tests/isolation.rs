//! Networks of a compose file separate (BX-02): who shares none is reached neither by name nor by address, on no way.

use std::time::Duration;

use pluvio_tests::{Engine, Pluvio, both_engines, engine, image::IMAGE, load};
use serde_json::Value;

both_engines!(
    bx02_services_that_share_no_network_do_not_reach_each_other,
    a_service_moves_to_another_network,
);

/// `door` is on `front` and `middle`, `other` on `front`, `api` on `middle` and `back`, `db` on `back` alone, which has no way
/// out; `alone` is where the file says nothing.
fn separated(name: &str, db_on: &str) -> String {
    let service = |service: &str, rest: &str| {
        format!(
            "  {service}:
    image: {IMAGE}
    command: /serve
    environment: [GREETING={service}]
    expose: ['8080']
    stop_grace_period: 1s
    healthcheck: {{ test: [CMD, wget, -q, -O, /dev/null, 'http://127.0.0.1:8080/healthz'], interval: 1s }}
{rest}"
        )
    };
    [
        format!("name: {name}\nservices:\n"),
        service(
            "door",
            "    ports: ['18080:8080']\n    networks: [front, middle]\n",
        ),
        service("other", "    networks: { front: { aliases: [shared] } }\n"),
        service(
            "api",
            "    networks: { middle: { aliases: [in-the-middle] }, back: { aliases: [behind] } }\n",
        ),
        service("db", &format!("    networks: [{db_on}]\n")),
        service("alone", ""),
        "networks: { front: {}, middle: {}, back: { internal: true } }\n".to_owned(),
    ]
    .concat()
}

/// What `service` answers when `path` is asked of it by way of those that it shares a network with.
fn through(services: &[&str], last: &str) -> String {
    let way = services
        .iter()
        .map(|service| format!("/ask?{service}:8080"));
    format!("{}{last}", way.collect::<String>())
}

/// Component → its container.
fn container(pluvio: &Pluvio, engine: &Engine, component: &str) -> Value {
    let all = engine.containers(pluvio.installation());
    let of = |one: &&Value| one["Labels"]["io.pluvio.component"] == component;
    let found = all.iter().find(of).expect("a container");
    engine.inspect(&engine::name_of(found))
}

/// Its addresses on all its networks.
fn addresses(container: &Value) -> Vec<String> {
    let networks = &container["NetworkSettings"]["Networks"];
    let networks = networks.as_object().expect("networks").values();
    let address = |network: &Value| network["IPAddress"].as_str().map(str::to_owned);
    networks.filter_map(address).collect()
}

fn bx02_services_that_share_no_network_do_not_reach_each_other(engine: Engine) {
    let pluvio = Pluvio::start(engine.clone());
    let name = pluvio.name("separated");
    let file = pluvio.write("compose.yaml", &separated(&name, "back"));
    pluvio.cli(&["deploy", &file, "--json"]).ok();

    let reaches = |path: &str, answer: &str| {
        assert_eq!(pluvio.body(&name, path).trim(), answer, "{path}");
    };
    let fails = |path: &str| {
        let reply = pluvio.get(&name, path).expect("an answer");
        assert_eq!(reply.status, 502, "{path}: {reply:?}");
    };
    // Who shares a network is found by name and by the names of that network.
    reaches(&through(&["other"], "/"), "other");
    reaches(&through(&["shared"], "/"), "other");
    reaches(&through(&["in-the-middle"], "/"), "api");
    reaches(&through(&["api", "db"], "/"), "db");
    // The others are not, and a name of another network is not one here.
    for stranger in ["db", "alone", "behind"] {
        fails(&format!("/ask?{stranger}:8080/"));
    }
    fails(&through(&["other"], "/ask?api:8080/"));

    // Neither are they by address: the instances', and those that names lead to.
    let db = container(&pluvio, &engine, "db");
    let [address] = &addresses(&db)[..] else {
        panic!("one network: {db}")
    };
    let hosts = pluvio.body(&name, &through(&["api"], "/file?/etc/hosts"));
    let line = hosts.lines().find(|line| {
        let mut words = line.split_whitespace();
        words.any(|word| word == "db")
    });
    let line = line.unwrap_or_else(|| panic!("{hosts}"));
    let inner = line.split_whitespace().next().expect("an address");
    assert_ne!(inner, address, "the node serves it");
    reaches(&through(&["api"], &format!("/ask?{inner}:8080/")), "db");
    // Last: each takes the five seconds after which a service closes a connection that is kept for the next question.
    fails(&format!("/ask?{address}:8080/"));
    fails(&format!("/ask?{inner}:8080/"));

    // Two networks are two: with the middle's address too.
    assert_eq!(addresses(&container(&pluvio, &engine, "api")).len(), 2);
    // No way out of `back`: the engine cuts it off.
    let is_internal = |container: &Value| {
        let networks = container["NetworkSettings"]["Networks"].as_object();
        let name = networks.expect("networks").keys().next().expect("one");
        let (_, network) = engine.request("GET", &format!("/networks/{name}"), None);
        network["Internal"] == true
    };
    assert!(is_internal(&db));
    assert!(!is_internal(&container(&pluvio, &engine, "other")));
    pluvio.end();
}

fn a_service_moves_to_another_network(engine: Engine) {
    let pluvio = Pluvio::start(engine.clone());
    let name = pluvio.name("moves");
    let file = pluvio.write("compose.yaml", &separated(&name, "back"));
    pluvio.cli(&["deploy", &file, "--json"]).ok();
    let kept = ["door", "other", "api", "alone"];
    let ids = || kept.map(|component| container(&pluvio, &engine, component)["Id"].clone());
    let before = ids();
    let host = format!("{name}.localhost");
    let closed = load::closed(pluvio.gateway_port(), &host, "/ask?other:8080/", 4);
    pluvio.write("compose.yaml", &separated(&name, "middle"));
    pluvio.cli(&["deploy", &file, "--json"]).ok();
    let counted = closed.end();
    assert_eq!(counted.failed, 0, "{counted:#?}");
    assert_eq!(ids(), before, "only what moves is made anew");
    pluvio.until_serves(&name, "/ask?db:8080/", "db", Duration::from_secs(10));
    pluvio.end();
}
