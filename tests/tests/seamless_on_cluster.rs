//! Changes of what serves on a real Kubernetes, through Pluvio's own gateway there: nobody may notice (D1).

use pluvio_tests::image::IMAGE;
use pluvio_tests::load::{self, Counted};
use pluvio_tests::place::Place;

const APP: &str = "seamless";

/// `web` is one instance without data, `pair` two with data of their own, `disk` one with data that nobody shares.
fn spec(host: &str, web: &str, greeting: &str, pair: u32) -> String {
    let component = |own: &str, path: &str, more: &str| {
        format!(
            "  {own}:
    image: {IMAGE}
    command: [/serve]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 1s }} }}
    rollout: {{ drain: 1s, grace: 1s, deadline: 60s }}
    routes: [{{ host: {host}, path: {path} }}]
{more}"
        )
    };
    let env = |own: &str, greeting: &str, more: &str| {
        format!("    env: {{ GREETING: {own}-{greeting}{more} }}\n")
    };
    let data = "    volumes: { /data: { name: NAME } }\n";
    let pair =
        format!("    kind: stateful\n    instances: {pair}\n") + &data.replace("NAME", "own");
    let all = [
        component("web", "/", &env("web", web, "")),
        component("pair", "/pair", &(pair + &env("pair", greeting, ""))),
        component(
            "disk",
            "/disk",
            &(data.replace("NAME", "one") + &env("disk", greeting, ", OWNS: /data/owner")),
        ),
    ];
    format!(
        "apiVersion: pluvio/v1\nname: {APP}\ncomponents:\n{}",
        all.concat()
    )
}

#[test]
fn d1_no_request_is_lost_by_any_change_of_one_instance_or_of_data_on_a_cluster() {
    let (place, front) = Place::behind_a_gateway(APP, &[]);
    let deploy = |web: &str, others: &str, pair: u32| {
        place.deploy(&spec(&front.host, web, others, pair)).ok();
    };
    deploy("one", "one", 2);
    // By their own words, so that none is taken for another.
    let names = ["web", "pair", "disk"];
    let paths = ["/", "/pair", "/disk"];
    let says = |path: &str, greeting: &str| {
        let reply = pluvio_tests::http::get(front.port, &front.host, path);
        reply.is_ok_and(|reply| reply.status == 200 && reply.body.trim() == greeting)
    };
    for (name, path) in names.into_iter().zip(paths) {
        let first = format!("{name}-one");
        place.until("the gateway leads there", || says(path, &first));
    }
    let loads = paths.map(|path| load::closed(front.port, &front.host, path, 3));
    let fresh = paths.map(|path| load::open(front.port, &front.host, path, 20));
    deploy("two", "two", 2);
    place.ok(&["restart"]);
    place.ok(&["config", "set", "--component", "web", "GREETING=web-three"]);
    place.ok(&["scale", "pair=1"]);
    place.ok(&["scale", "pair=2"]);
    place.ok(&["rollback", "1"]);
    for (name, path) in names.into_iter().zip(paths) {
        let first = format!("{name}-one");
        place.until("it is as it was", || says(path, &first));
    }
    let loads = loads.into_iter().zip(fresh).zip(paths);
    let counted = loads.map(|((kept, fresh), path)| (path, kept.end().plus(fresh.end())));
    let counted: Vec<(&str, Counted)> = counted.collect();
    for (path, counted) in &counted {
        eprintln!(
            "{path}: {} served, slowest {:?}",
            counted.served, counted.slowest
        );
    }
    for (name, (path, counted)) in names.into_iter().zip(&counted) {
        assert_eq!(counted.failed, 0, "{path}: {counted:#?}");
        let said: Vec<&str> = counted.bodies.keys().map(String::as_str).collect();
        let greetings: &[&str] = match name {
            "web" => &["one", "three", "two"],
            _ => &["one", "two"],
        };
        let told: Vec<String> = greetings
            .iter()
            .map(|one| format!("{name}-{one}"))
            .collect();
        assert_eq!(said, told, "{path}: {counted:#?}");
    }
    // What serves without data is replaced beside the old one; so nobody waits for it.
    assert_eq!(place.component("web")["strategy"], "surge");
    assert_eq!(place.component("disk")["strategy"], "stop-then-start");
    // Two never held the one volume.
    let words = ["exec", "--component", "disk", "--", "ls", "/data"];
    assert_eq!(place.cli(&words).stdout.trim(), "owner");
    place.end();
}
