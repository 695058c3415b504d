//! Changes of what serves on a real Kubernetes, through Pluvio's own gateway there: nobody may notice (D1).

use pluvio_tests::image::IMAGE;
use pluvio_tests::load::{self, Counted};
use pluvio_tests::place::Place;
use pluvio_tests::wait;

const APP: &str = "seamless";

/// `web` is one instance without data, `pair` two with data of their own, `disk` one with data that nobody shares.
fn spec(greeting: &str) -> String {
    let component = |own: &str, path: &str, more: &str| {
        format!(
            "  {own}:
    image: {IMAGE}
    command: [/serve]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 1s }} }}
    rollout: {{ drain: 1s, grace: 1s, deadline: 60s }}
    routes: [{{ path: {path} }}]
{more}"
        )
    };
    let env = |more: &str| format!("    env: {{ GREETING: {greeting}{more} }}\n");
    let data = "    volumes: { /data: { name: NAME } }\n";
    let pair = "    kind: stateful\n    instances: 2\n".to_owned() + &data.replace("NAME", "own");
    let all = [
        component("web", "/", &env("")),
        component("pair", "/pair", &(pair + &env(""))),
        component(
            "disk",
            "/disk",
            &(data.replace("NAME", "one") + &env(", OWNS: /data/owner")),
        ),
    ];
    format!(
        "apiVersion: pluvio/v1\nname: {APP}\ncomponents:\n{}",
        all.concat()
    )
}

#[test]
fn d1_no_request_is_lost_by_any_change_of_one_instance_or_of_data_on_a_cluster() {
    let (place, front) = Place::behind_a_gateway(APP);
    place.deploy(&spec("one")).ok();
    let paths = ["/", "/pair", "/disk"];
    let says = |path: &str, greeting: &str| {
        let reply = pluvio_tests::http::get(front.port, &front.host, path);
        reply.is_ok_and(|reply| reply.status == 200 && reply.body.trim() == greeting)
    };
    for path in paths {
        place.until("the gateway leads there", || says(path, "one"));
    }
    let loads = paths.map(|path| load::closed(front.port, &front.host, path, 3));
    let fresh = paths.map(|path| load::open(front.port, &front.host, path, 20));
    place.deploy(&spec("two")).ok();
    place.ok(&["restart"]);
    place.ok(&["config", "set", "--component", "web", "GREETING=three"]);
    place.ok(&["scale", "pair=1"]);
    place.ok(&["scale", "pair=2"]);
    place.ok(&["rollback", "1"]);
    for path in paths {
        wait::until_true("it is as it was", pluvio_tests::place::SOON, || {
            says(path, "one")
        });
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
    for (path, counted) in &counted {
        assert_eq!(counted.failed, 0, "{path}: {counted:#?}");
        for greeting in ["one", "two"] {
            assert!(
                counted.bodies.contains_key(greeting),
                "{path}: {counted:#?}"
            );
        }
    }
    assert!(counted[0].1.bodies.contains_key("three"), "{counted:#?}");
    // What serves without data is replaced beside the old one; so nobody waits for it.
    assert_eq!(place.component("web")["strategy"], "surge");
    assert_eq!(place.component("disk")["strategy"], "stop-then-start");
    // Two never held the one volume.
    let words = ["exec", "--component", "disk", "--", "ls", "/data"];
    assert_eq!(place.cli(&words).stdout.trim(), "owner");
    place.end();
}
