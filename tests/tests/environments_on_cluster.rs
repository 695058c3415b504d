//! Environments on a real Kubernetes: a deleted one takes its namespace with it once nothing is in that, whatever becomes of control
//! and of the way to the cluster meanwhile.

use pluvio_tests::cluster::{Cluster, Door};
use pluvio_tests::image::IMAGE;
use pluvio_tests::place::{Place, SOON};
use pluvio_tests::wait;
use serde_json::Value;

const APP: &str = "leaves";

fn spec(more: &str) -> String {
    format!(
        "apiVersion: pluvio/v1
name: {APP}
components:
  web:
    image: {IMAGE}
    command: [sh, -c, \"trap 'exit 0' TERM; /serve & wait\"]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 1s }} }}
    rollout: {{ drain: 1s, grace: 1s, deadline: 60s }}
    routes: []
{more}"
    )
}

/// The application comes to an environment, and leaves it.
#[track_caller]
fn come_and_go(place: &Place, environment: &str, more: &str) {
    let file = place.pluvio.write("app.yaml", &spec(more));
    let words = ["deploy", &file, "-e", environment, "--json"];
    place.pluvio.cli(&words).ok();
    let words = ["delete", "-a", APP, "-e", environment, "--yes", "--json"];
    place.pluvio.cli(&words).ok();
}

/// Deletes an environment; what stays of it.
#[track_caller]
fn left(place: &Place, environment: &str) -> Value {
    let words = ["environment", "delete", environment, "--json"];
    let deleted = place.pluvio.cli(&words).ok();
    assert_eq!(deleted["deleted"], environment, "{deleted}");
    deleted["left"].clone()
}

fn is_there(place: &Place, namespace: &str) -> bool {
    let words = ["get", "namespace", namespace, "-o", "name"];
    place.cluster.try_kubectl(&words).is_ok()
}

#[track_caller]
fn until_gone(place: &Place, namespace: &str) {
    wait::until_true("the namespace goes", SOON, || !is_there(place, namespace));
}

#[test]
fn a_deleted_environment_takes_its_namespace_with_it_once_nothing_is_in_that() {
    let mut place = Place::start(APP);
    let (bare, bare_space) = place.another("bare");
    let (shared, shared_space) = place.another("shared");
    let (killed, killed_space) = place.another("killed");

    come_and_go(&place, &bare, "");
    assert!(is_there(&place, &bare_space));
    left(&place, &bare);
    until_gone(&place, &bare_space);

    // Data are kept until they are deleted by name.
    let own = place.environment.clone();
    come_and_go(&place, &own, "    volumes: { /data: { name: data } }\n");
    let stays = left(&place, &own);
    assert_eq!(stays["name"], place.namespace, "{stays}");
    let holds = stays["holds"][0].as_str().unwrap_or_default();
    assert!(holds.starts_with("PersistentVolumeClaim "), "{stays}");
    assert!(is_there(&place, &place.namespace));
    let delete = ["volume", "delete", "data", "--confirm", "data", "--now"];
    place.pluvio.cli(&[&delete[..], &["--json"]].concat()).ok();
    until_gone(&place, &place.namespace);

    // What is somebody else's stays theirs.
    come_and_go(&place, &shared, "");
    let mine = ["configmap", "mine", "-n", &shared_space];
    place.cluster.kubectl(&[&["create"][..], &mine].concat());
    let stays = left(&place, &shared);
    assert_eq!(stays["holds"], serde_json::json!(["ConfigMap mine"]));
    assert!(is_there(&place, &shared_space));
    place.cluster.kubectl(&[&["delete"][..], &mine].concat());
    until_gone(&place, &shared_space);

    // Control is killed once the environment is deleted.
    come_and_go(&place, &killed, "");
    place.pluvio.cli(&["down", "--json"]).ok();
    let at = [("PLUVIO_CRASH_AT", "environment-deleted")];
    place.pluvio.up(&at).ok();
    let words = ["environment", "delete", &killed, "--json"];
    assert_ne!(place.pluvio.cli(&words).exit, 0);
    place.pluvio.until_dead("control");
    assert!(is_there(&place, &killed_space));
    place.pluvio.up(&[]).ok();
    until_gone(&place, &killed_space);
}

#[test]
fn one_that_is_deleted_while_its_cluster_is_away_goes_when_that_is_back() {
    let cluster = Cluster::shared();
    let door = Door::to(cluster.server());
    let kubeconfig = cluster.behind(&door);
    let place = Place::reached_by(cluster, &kubeconfig, "leaves-away", APP);
    let own = place.environment.clone();
    come_and_go(&place, &own, "");
    door.shut();
    wait::until_true("it is told of", SOON, || {
        let listed = place.pluvio.cli(&["cluster", "list", "--json"]).ok();
        listed[1]["state"] == "away"
    });
    let stays = left(&place, &own);
    assert!(stays["problem"]["cause"].is_string(), "{stays}");
    assert!(is_there(&place, &place.namespace));
    door.open();
    until_gone(&place, &place.namespace);
}
