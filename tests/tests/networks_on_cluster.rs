//! Networks that applications share, on a real Kubernetes: as on the engine (tests/shared_networks.rs).

use std::time::{Duration, Instant};

use pluvio_tests::image::IMAGE;
use pluvio_tests::place::Place;
use pluvio_tests::wait;

const APP: &str = "ours";
const SOON: Duration = Duration::from_secs(30);

fn spec(app: &str, called: &str, network: &str) -> String {
    format!(
        "apiVersion: pluvio/v1
name: {app}
components:
  {called}:
    image: {IMAGE}
    command: [/serve]
    env: {{ GREETING: {app}, DATAGRAMS: \"8081\" }}
    ports: {{ http: {{ port: 8080, protocol: http }}, words: {{ port: 8081, protocol: udp }} }}
    aliases: [{called}-too]
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 1s }} }}
    rollout: {{ drain: 1s, grace: 1s }}
    routes: []
networks: {{ default: {{ {network} }} }}
"
    )
}

#[test]
fn applications_that_share_a_network_find_each_other_on_a_cluster() {
    let place = Place::start(APP);
    let asks = |service: &str, whom: &str| {
        let service = format!("{service}:8080");
        let path = format!("/ask?{whom}:8080/");
        place.cluster.get(&place.namespace, &service, &path)
    };
    let finds = |service: &str, whom: &str, answer: &str| {
        let end = Instant::now() + SOON;
        loop {
            let said = asks(service, whom);
            if matches!(&said, Ok(text) if text.trim() == answer) {
                return;
            }
            assert!(Instant::now() < end, "{service} asks {whom}: {said:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    let pods = || {
        let all = place.cluster.objects("pods", &place.namespace).into_iter();
        let ours = all.filter(|pod| pod["metadata"]["labels"]["app.kubernetes.io/part-of"] == APP);
        ours.map(|pod| pod["metadata"]["uid"].to_string())
            .collect::<Vec<_>>()
    };
    place.deploy(&spec(APP, "web", "shared: corporate")).ok();
    place.deploy(&spec("far", "web", "")).ok();
    let before = pods();
    assert_eq!(before.len(), 1);
    assert!(asks("ours--web", "bank").is_err());
    // An alias of one's own leads on a cluster too.
    finds("far--web", "web-too", "far");
    place
        .deploy(&spec("theirs", "bank", "shared: corporate"))
        .ok();
    for whom in ["bank", "bank-too"] {
        finds("ours--web", whom, "theirs");
    }
    finds("theirs--bank", "web", "ours");
    finds("far--web", "web", "far");
    assert!(asks("far--web", "bank").is_err());
    // A control that begins anew takes nothing away.
    place.pluvio.kill("control");
    let _control = place.pluvio.serve("control", &[]);
    let until = Instant::now() + Duration::from_secs(15);
    while Instant::now() < until {
        let answer = asks("ours--web", "bank").expect("an answer");
        assert_eq!(answer.trim(), "theirs");
        std::thread::sleep(Duration::from_millis(300));
    }
    let delete = |app: &str| {
        let words = [
            "delete",
            "-a",
            app,
            "-e",
            &place.environment,
            "--yes",
            "--json",
        ];
        place.pluvio.cli(&words).ok();
    };
    delete("theirs");
    wait::until_true("no name any more", SOON * 3, || {
        asks("ours--web", "bank").is_err_and(|why| why.contains("lookup"))
    });
    assert_eq!(pods(), before);
    delete("far");
    place.end();
}

#[test]
fn what_compose_would_call_anothers_network_leads_there_on_a_cluster_and_datagrams_go_that_way() {
    let place = Place::start("ours");
    let asks = |service: &str, path: &str| {
        let service = format!("{service}:8080");
        place.cluster.get(&place.namespace, &service, path)
    };
    let answers = |service: &str, path: &str, expected: &str| {
        let end = Instant::now() + SOON;
        loop {
            let said = asks(service, path);
            if matches!(&said, Ok(text) if text.trim() == expected) {
                return;
            }
            assert!(Instant::now() < end, "{service} {path}: {said:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    // It shares nothing, and comes last.
    place
        .deploy(&spec("ours", "web", "shared: bank_default"))
        .ok();
    place.deploy(&spec("far", "web", "")).ok();
    place.deploy(&spec("bank", "vault", "")).ok();
    answers("ours--web", "/ask?vault:8080/", "bank");
    answers("ours--web", "/tell?vault:8081/money", "bank money");
    // Inside an application as well.
    answers("bank--vault", "/tell?vault-too:8081/self", "bank self");
    // Who was not asked for asks nobody back, and nobody else asks him.
    assert!(asks("bank--vault", "/ask?web:8080/").is_err());
    assert!(asks("far--web", "/ask?vault:8080/").is_err());
    // Once it is deleted its name is.
    let delete = |app: &str| {
        let words = ["delete", "-a", app, "-e", &place.environment, "--yes"];
        place.pluvio.cli(&[&words[..], &["--json"]].concat()).ok();
    };
    delete("bank");
    wait::until_true("no name any more", SOON * 3, || {
        asks("ours--web", "/ask?vault:8080/").is_err_and(|why| why.contains("lookup"))
    });
    delete("far");
    place.end();
}

#[test]
fn a_name_with_dots_leads_to_its_component_on_a_cluster() {
    let place = Place::start("dotted");
    let name = "orderer0.example.com";
    let server = format!(
        "    image: {IMAGE}
    command: [/serve]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 1s }} }}
    rollout: {{ drain: 1s, grace: 1s }}
    routes: []
"
    );
    let ask = format!("wget -qO- http://{name}:8080/ | grep orders");
    let spec = format!(
        "apiVersion: pluvio/v1
name: dotted
components:
  orderer:
{server}    env: {{ GREETING: orders }}
    aliases: [{name}]
  web:
{server}    env: {{ ORDERER: \"{name}:8080\" }}
  check:
    kind: job
    image: {IMAGE}
    uses: [orderer]
    command: [sh, -c, \"{ask}\"]
"
    );
    // The job has asked by then, or it would have failed.
    place.deploy(&spec).ok();
    let asks = || {
        let path = format!("/ask?{name}:8080/");
        place
            .cluster
            .get(&place.namespace, "dotted--web:8080", &path)
            .is_ok_and(|said| said.trim() == "orders")
    };
    wait::until_true("it is found by its name", SOON, asks);
    // A Service that is made anew has another address, which pods are told.
    let delete = ["delete", "service", "dotted--orderer", "--wait=false"];
    let words = [&delete[..], &["-n", &place.namespace]].concat();
    place.cluster.kubectl(&words);
    wait::until_true("it is found again", SOON * 3, || {
        let of = ["get", "service", "dotted--orderer", "-n", &place.namespace];
        place.cluster.try_kubectl(&of).is_ok() && asks()
    });
    place.end();
}
