//! Pluvio's own gateway in a cluster of its own.

use std::net::SocketAddr;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client, Resource, ResourceExt};
use pluvio_kubernetes::gateway::{Exposure, Installation, install, remove, state};
use pluvio_kubernetes::{Config, Connection, KubernetesRuntime};
use pluvio_model::stage::Power;
use serde_json::json;

use crate::own::{Cluster, GATEWAY, WEB, until};
use crate::shop::Shop;
use crate::traffic::{Connection as Line, Load, get};

const HOME: &str = "pluvio-system";
const OURS: &str = "app.kubernetes.io/name=pluvio-gateway";
const HOST: &str = "shop.localhost";

fn installation() -> Installation {
    Installation {
        namespace: HOME.to_owned(),
        image: GATEWAY.to_owned(),
        pull_secret: None,
        exposure: Exposure::NodePort {
            port: 80,
            node_port: Some(30080),
        },
        replicas: Installation::REPLICAS,
    }
}

/// A shop with `instances` of a page that says `greeting`.
fn dress(shop: &mut Shop, greeting: &str, instances: u32) {
    shop.components = json!({ "web": {
        "image": WEB,
        "instances": instances,
        "env": { "GREETING": greeting },
        "ports": { "http": { "port": 8080 } },
        "probes": { "ready": { "http": { "path": "/healthz" }, "period": "1s" } },
    } });
}

/// So many pods of the gateway are there, and no other.
async fn are_ready(client: &Client, wanted: u32) -> bool {
    let pods = Api::<Pod>::namespaced(client.clone(), HOME);
    let pods = pods.list(&ListParams::default().labels(OURS)).await;
    let is_whole = state(client, HOME)
        .await
        .is_ok_and(|state| state.is_some_and(|state| state.is_whole() && state.wanted == wanted));
    is_whole && pods.is_ok_and(|pods| pods.items.len() == wanted as usize)
}

async fn delete_one(client: &Client, namespace: &str, selector: &str) {
    let pods = Api::<Pod>::namespaced(client.clone(), namespace);
    let all = pods.list(&ListParams::default().labels(selector)).await;
    let name = all.expect("a list").items[0].name_any();
    let deleted = pods.delete(&name, &DeleteParams::default()).await;
    deleted.expect("the pod is deleted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_no_request_is_lost_through_the_gateway_in_the_cluster() {
    let cluster = Cluster::start();
    cluster.load_images().await;
    let client = cluster.client().await;
    let connection = Connection::over(client.clone()).await.expect("it answers");
    let identity = connection.identity;
    let runtime = KubernetesRuntime::start(connection, Config::default())
        .await
        .expect("the runtime starts");

    install(&client, &installation())
        .await
        .expect("it installs");
    let both = || async { are_ready(&client, 2).await };
    until("the gateway", 90, both).await;
    let address = SocketAddr::new(cluster.address(), 30080);
    let seen = state(&client, HOME).await.expect("an answer");
    assert_eq!(seen.and_then(|state| state.node_port), Some(30080));
    let unknown = || async { is(address, 404, "gateway.no-route") };
    until("an answer for nobody's host", 20, unknown).await;

    let mut shop = Shop::new(identity, json!({}));
    dress(&mut shop, "one", 2);
    shop.bring(&runtime).await;
    let page = || async { get(address, HOST, "/").is_ok_and(|answer| answer.status == 200) };
    until("the page", 10, page).await;
    let mut tunnel = Line::open(address).expect("a connection");
    assert_eq!(tunnel.upgrade(HOST), Ok(101));
    assert_eq!(
        tunnel.echo("there and back").as_deref(),
        Ok("there and back")
    );
    drop(tunnel);

    let load = Load::begin(address, (HOST, "/"), 6, 2);
    // Whose answers are under way when their instance, or their gateway, is told to stop.
    let slow = Load::begin(address, (HOST, "/slow?1500"), 4, 2);
    for greeting in ["two", "three"] {
        dress(&mut shop, greeting, 2);
        shop.bring(&runtime).await;
    }
    dress(&mut shop, "three", 4);
    shop.bring(&runtime).await;
    dress(&mut shop, "three", 2);
    shop.bring(&runtime).await;
    delete_one(&client, &shop.namespace(), "pluvio.io/component=web").await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    shop.settled(&runtime).await;
    delete_one(&client, HOME, OURS).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    until("the gateway after a pod of it went", 90, both).await;
    cluster.kill_api_server();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    dress(&mut shop, "four", 2);
    shop.bring(&runtime).await;
    // A change of the gateway itself replaces its pods.
    let mut changed = installation();
    changed.replicas = 3;
    install(&client, &changed).await.expect("it is changed");
    let three = || async { are_ready(&client, 3).await };
    until("a third gateway", 90, three).await;
    install(&client, &installation())
        .await
        .expect("it is changed back");
    until("two gateways", 90, both).await;
    let counted = load.end();
    let slow = slow.end();
    assert!(slow.failures.is_empty() && slow.served > 50, "{slow:#?}");
    assert!(counted.failures.is_empty(), "{counted:#?}");
    assert!(counted.served > 1000, "{counted:#?}");
    let seen: Vec<&str> = counted.bodies.keys().map(|body| body.trim()).collect();
    assert_eq!(seen, ["four", "one", "three", "two"]);

    shop.power = Power::Off;
    shop.bring(&runtime).await;
    let stopped = || async { is(address, 503, "gateway.stopped") };
    until("the answer of what is stopped", 10, stopped).await;
    shop.end(&runtime).await;
    let gone = || async { is(address, 404, "gateway.no-route") };
    until("the answer of what is gone", 10, gone).await;
    let told = Api::<ConfigMap>::namespaced(client.clone(), HOME);
    let params = ListParams::default().labels("pluvio.io/routes");
    let told = told.list(&params).await.expect("a list");
    assert!(told.items.is_empty());

    let before = versions(&client).await;
    assert_eq!(before.len(), 8, "{before:?}");
    install(&client, &installation()).await.expect("again");
    assert_eq!(versions(&client).await, before, "again changes nothing");
    remove(&client, HOME).await.expect("it is removed");
    remove(&client, HOME).await.expect("again");
    let nothing = || async { versions(&client).await.is_empty() };
    until("an end without trace", 120, nothing).await;
    assert_eq!(state(&client, HOME).await.expect("an answer"), None);
    runtime.stop().await;
}

fn is(address: SocketAddr, status: u16, code: &str) -> bool {
    get(address, HOST, "/")
        .is_ok_and(|answer| answer.status == status && answer.body.contains(code))
}

/// Each object of the gateway's with its generation or version: what changes when somebody writes it.
async fn versions(client: &Client) -> Vec<String> {
    let mut all = Vec::new();
    async fn add<K>(client: &Client, all: &mut Vec<String>)
    where
        K: Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
    {
        let list = Api::<K>::all(client.clone())
            .list(&ListParams::default().labels(OURS))
            .await
            .expect("a list");
        for object in list.items {
            let meta = object.meta();
            let version = meta
                .generation
                .map_or(meta.resource_version.clone(), |generation| {
                    Some(generation.to_string())
                });
            all.push(format!(
                "{} {} {version:?}",
                K::kind(&()),
                object.name_any()
            ));
        }
    }
    add::<ServiceAccount>(client, &mut all).await;
    add::<Role>(client, &mut all).await;
    add::<RoleBinding>(client, &mut all).await;
    add::<ClusterRole>(client, &mut all).await;
    add::<ClusterRoleBinding>(client, &mut all).await;
    add::<PodDisruptionBudget>(client, &mut all).await;
    add::<Deployment>(client, &mut all).await;
    add::<Service>(client, &mut all).await;
    all
}
