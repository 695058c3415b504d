//! What is seen of the cluster itself.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Namespace, Node, Pod};
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client};
use pluvio_kubernetes::{Config, KubernetesRuntime};
use pluvio_model::cluster::ClusterOverview;
use serde_json::json;

use crate::scene::{self, Steps};

async fn until(
    runtime: &KubernetesRuntime,
    what: &str,
    holds: impl Fn(&ClusterOverview) -> bool,
) -> ClusterOverview {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        let seen = runtime.overview().await;
        if holds(&seen) {
            return seen;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "never {what}: {seen:#?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn make<K>(client: &Client, namespace: &str, body: serde_json::Value)
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + serde::de::DeserializeOwned
        + serde::Serialize
        + std::fmt::Debug,
{
    let object: K = serde_json::from_value(body).expect("an object");
    Api::<K>::namespaced(client.clone(), namespace)
        .create(&PostParams::default(), &object)
        .await
        .expect("it is made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_pods_and_events_are_seen_as_they_come_and_go() {
    scene::image().await;
    let client = scene::client(&Steps::new()).await;
    let suffix = uuid::Uuid::now_v7().to_string()[24..].to_owned();
    let home = format!("pluvio-{suffix}");
    let space = format!("seen-{suffix}");
    let connection = scene::connection().await;
    let config = Config {
        namespace: home.clone(),
        ..Config::default()
    };
    let runtime = KubernetesRuntime::start(connection, config)
        .await
        .expect("it starts");
    let seen = until(&runtime, "nodes", |seen| !seen.nodes.is_empty()).await;
    let node = seen.nodes.iter().find(|node| node.name == "node-1");
    let node = node.expect("the real node");
    assert!(node.is_ready && seen.ready_nodes >= 1);
    let version = scene::version();
    assert_eq!(node.kubelet, version);
    assert_eq!(seen.version, version);
    assert!(node.container_runtime.starts_with("containerd://"));
    assert_eq!(node.architecture, "amd64");
    assert!(node.addresses.iter().any(|one| one.kind == "InternalIP"));
    assert!(node.most_pods > 0 && node.resources.memory.allocatable > 1 << 30);
    // No metrics API here: told, not guessed.
    assert_eq!(node.resources.cpu.used, None);
    assert!(seen.unseen.iter().any(|one| one.what == "metrics"));

    let spaces = Api::<Namespace>::all(client.clone());
    let body = serde_json::from_value(json!({ "metadata": { "name": space } }));
    let body: Namespace = body.expect("a namespace");
    spaces
        .create(&PostParams::default(), &body)
        .await
        .expect("it is made");
    let pod = |name: &str, memory: &str, node: serde_json::Value| {
        json!({
            "metadata": { "name": name },
            "spec": {
                "nodeName": node, "terminationGracePeriodSeconds": 1, "automountServiceAccountToken": false,
                "containers": [{
                    "name": "main", "image": "pluvio.invalid/busybox:1",
                    "resources": { "requests": { "cpu": "10m", "memory": memory } },
                }],
            },
        })
    };
    // A node of its own, which no machine is behind: no other test's pods are counted there.
    let own = format!("seen-{suffix}");
    let nodes = Api::<Node>::all(client.clone());
    let body = serde_json::from_value(json!({
        "metadata": { "name": own },
        "spec": { "unschedulable": true, "taints": [{ "key": "pluvio.test/none", "effect": "NoSchedule" }] },
    }));
    let body: Node = body.expect("a node");
    nodes
        .create(&PostParams::default(), &body)
        .await
        .expect("it is made");
    make::<Pod>(&client, &space, pod("here", "12345677", json!(own))).await;
    let asked = |seen: &ClusterOverview| {
        let node = seen.nodes.iter().find(|node| node.name == own);
        node.map_or((0, 0), |node| (node.pods, node.resources.memory.allocated))
    };
    let seen = until(&runtime, "the pod's memory", |seen| {
        asked(seen) == (1, 12_345_677)
    })
    .await;
    let node = seen.nodes.iter().find(|node| node.name == own);
    let node = node.expect("it is there");
    assert!(node.is_cordoned && !node.is_ready && !node.taints.is_empty());
    make::<Pod>(&client, &space, pod("nowhere", "900Ti", json!(null))).await;
    // The newest of all, whatever else happens on this cluster.
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let event = json!({
        "metadata": { "name": "told" }, "involvedObject": { "kind": "Pod", "name": "here", "namespace": space },
        "type": "Warning", "reason": "Told", "message": "m".repeat(5_000), "count": 3,
        "lastTimestamp": soon, "source": { "component": "test", "host": "there" },
    });
    make::<Event>(&client, &space, event).await;
    let mine = |seen: &ClusterOverview| -> Vec<pluvio_model::cluster::ClusterEvent> {
        let mine = seen.events.iter();
        mine.filter(|event| event.namespace.as_ref() == Some(&space))
            .cloned()
            .collect()
    };
    let has =
        |seen: &ClusterOverview, reason: &str| mine(seen).iter().any(|one| one.reason == reason);
    let seen = until(&runtime, "both events", |seen| {
        has(seen, "Told") && has(seen, "FailedScheduling")
    })
    .await;
    let events = mine(&seen);
    assert!(
        seen.events.is_sorted_by_key(|one| !one.is_warning),
        "warnings come first"
    );
    let told = events.iter().find(|one| one.reason == "Told");
    let told = told.expect("it is there");
    assert!(told.message.len() < 1_100 && told.count == 3);
    assert_eq!(told.source, "test, there");

    let pods = Api::<Pod>::namespaced(client.clone(), &space);
    let now = DeleteParams::default().grace_period(0);
    pods.delete("here", &now).await.expect("it goes");
    until(&runtime, "the pod gone", |seen| asked(seen) == (0, 0)).await;
    nodes
        .delete(&own, &DeleteParams::default())
        .await
        .expect("it goes");
    until(&runtime, "the node gone", |seen| {
        seen.nodes.iter().all(|node| node.name != own)
    })
    .await;
    runtime.stop().await;
    for name in [&space, &home] {
        let _ = spaces.delete(name, &DeleteParams::default()).await;
    }
}
