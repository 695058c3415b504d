//! Which nodes pods are put on, by the cluster's own scheduler. The nodes run nothing: where a pod is to go is all that is looked at.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Client;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use pluvio_kubernetes::{Config, Connection, KubernetesRuntime};
use pluvio_runtime::{Runtime, Scope};
use serde_json::{Value, json};

use crate::scene::{self, Steps};
use crate::shop::Shop;

/// Two nodes that are kept for this test, ready as long as it lasts.
struct Pool {
    label: String,
    names: [String; 2],
    namespaces: Vec<String>,
    alive: tokio::task::JoinHandle<()>,
}

impl Pool {
    async fn make(client: &Client, namespaces: Vec<String>) -> Pool {
        let label = uuid::Uuid::now_v7().simple().to_string()[20..].to_owned();
        let names = ["a", "b"].map(|one| format!("pool-{label}-{one}"));
        let nodes = Api::<Node>::all(client.clone());
        for name in &names {
            let node: Node = serde_json::from_value(json!({
                "metadata": {
                    "name": name,
                    "labels": { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "pluvio.invalid/pool": label },
                },
                // Nobody else's pods come here.
                "spec": { "taints": [{ "key": format!("pluvio.invalid/{label}"), "value": "batch", "effect": "NoSchedule" }] },
            }))
            .expect("a node");
            nodes
                .create(&PostParams::default(), &node)
                .await
                .expect("it is made");
        }
        let alive = tokio::spawn({
            let names = names.clone();
            async move {
                loop {
                    for name in &names {
                        let now = jiff::Timestamp::now().strftime("%FT%TZ").to_string();
                        let status = json!({ "status": {
                            "capacity": { "cpu": "8", "memory": "16Gi", "pods": "50" },
                            "allocatable": { "cpu": "8", "memory": "16Gi", "pods": "50" },
                            "conditions": [{ "type": "Ready", "status": "True", "reason": "Test", "lastHeartbeatTime": now, "lastTransitionTime": now }],
                        } });
                        let _ = nodes
                            .patch_status(name, &PatchParams::default(), &Patch::Merge(status))
                            .await;
                    }
                    tokio::time::sleep(Duration::from_secs(5)).await;
                }
            }
        });
        Pool {
            label,
            names,
            namespaces,
            alive,
        }
    }

    /// A component for these nodes.
    fn component(&self, more: Value) -> Value {
        let mut placement = json!({
            "nodeLabels": { "pluvio.invalid/pool": self.label },
            "reserved": { format!("pluvio.invalid/{}", self.label): "batch" },
        });
        for (key, value) in more.as_object().expect("keys") {
            placement[key] = value.clone();
        }
        json!({ "image": scene::IMAGE, "routes": [], "placement": placement })
    }
}

/// All goes, however the test ends.
impl Drop for Pool {
    fn drop(&mut self) {
        self.alive.abort();
        let words = ["delete", "node", "--ignore-not-found", "--wait=false"];
        let all = words
            .into_iter()
            .chain(self.names.iter().map(String::as_str));
        scene::kubectl(&all.collect::<Vec<_>>());
        for namespace in &self.namespaces {
            scene::kubectl(&[
                "delete",
                "namespace",
                namespace,
                "--ignore-not-found",
                "--wait=false",
            ]);
            // No kubelet ever says that they have ended.
            scene::kubectl(&["delete", "pods", "--all", "--force", "-n", namespace]);
        }
    }
}

/// Where the pods of a component are, once so many are somewhere.
async fn places(client: &Client, namespace: &str, component: &str, count: usize) -> Vec<String> {
    let pods = Api::<Pod>::namespaced(client.clone(), namespace);
    let of = ListParams::default().labels(&format!("pluvio.io/component={component}"));
    for _ in 0..300 {
        let all = pods.list(&of).await.expect("pods");
        let node = |pod: &Pod| pod.spec.as_ref()?.node_name.clone();
        let mut on: Vec<String> = all.iter().filter_map(node).collect();
        if on.len() == count {
            on.sort();
            return on;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{component} is not placed {count} times");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_go_to_the_machines_that_placement_names() {
    let client = scene::client(&Steps::new()).await;
    let connection = Connection::over(client.clone()).await.expect("a cluster");
    let config = Config {
        namespace: format!("pluvio-{}", &uuid::Uuid::now_v7().to_string()[24..]),
        ..Config::default()
    };
    let runtime = KubernetesRuntime::start(connection, config.clone()).await;
    let runtime = runtime.expect("the runtime starts");
    let connection = Connection::over(client.clone()).await.expect("a cluster");
    let mut shop = Shop::new(connection.identity, json!({}));
    let namespace = shop.namespace();
    let pool = Pool::make(&client, vec![namespace.clone(), config.namespace]).await;
    shop.components["db"] = pool.component(json!({}));
    runtime
        .apply(&shop.stage())
        .await
        .expect("the stage is taken");
    let db = places(&client, &namespace, "db", 1).await.remove(0);
    let other = pool.names.iter().find(|name| **name != db).expect("two");

    shop.components["web"] = pool.component(json!({ "spread": true }));
    shop.components["web"]["instances"] = json!(2);
    shop.components["cache"] = pool.component(json!({ "near": ["db"] }));
    shop.components["batch"] = pool.component(json!({ "apart": ["db"] }));
    shop.components["stray"] = pool.component(json!({ "reserved": {} }));
    runtime
        .apply(&shop.stage())
        .await
        .expect("the stage is taken");
    assert_eq!(places(&client, &namespace, "web", 2).await, pool.names);
    assert_eq!(places(&client, &namespace, "cache", 1).await[0], db);
    assert_eq!(places(&client, &namespace, "batch", 1).await[0], *other);
    assert!(places(&client, &namespace, "stray", 0).await.is_empty());
    // What was not reserved for it is told.
    let mut told = None;
    for _ in 0..300 {
        let seen = runtime.observe(Scope::Application(shop.application)).await;
        let seen = seen.expect("it is seen").applications;
        told = seen
            .get(&shop.application)
            .and_then(|seen| seen.problem.clone());
        if told.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let told = told.expect("a problem");
    assert_eq!(told.code, "cluster.no-room", "{told:?}");
    assert!(
        told.cause.contains("kept for others by a taint"),
        "{told:?}"
    );
    assert!(told.remedy.contains("placement.reserved"), "{told:?}");

    // Both are offered where one chooses.
    let seen = runtime.overview().await;
    let node = seen.nodes.iter().find(|node| node.name == db);
    let node = node.expect("a node of the pool");
    assert_eq!(node.labels["pluvio.invalid/pool"], pool.label);
    assert!(!node.labels.contains_key("kubernetes.io/os"), "{node:?}");
    assert_eq!(node.taints[0].key, format!("pluvio.invalid/{}", pool.label));
    let classes = seen.storage_classes.iter();
    assert!(
        classes
            .map(|class| class.name.as_str())
            .any(|name| name == "local"),
        "{seen:?}"
    );

    runtime.stop().await;
}
