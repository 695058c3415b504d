//! Routes by a cluster's own Gateway API implementation: what is made is held against the API's own published definitions, on a
//! real API server.

use std::process::Command;

use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::{Api, Client};
use pluvio_kubernetes::{Config, KubernetesRuntime};
use pluvio_plan::lower::kubernetes::GatewayRef;
use serde_json::{Value, json};

use crate::own::until;
use crate::scene::{self, Steps};
use crate::shop::Shop;

const GATEWAY_API: &str = "sigs.k8s.io/gateway-api@v1.3.0";

/// Puts the definitions into the cluster, as they are published. Answers with what takes them away again, if they were not there.
async fn define(client: &Client) -> Option<String> {
    let routes = routes(client, "default");
    let is_there = async || routes.list(&ListParams::default()).await.is_ok();
    if is_there().await {
        return None;
    }
    let told = Command::new("go")
        .args(["mod", "download", "-json", GATEWAY_API])
        .current_dir(std::env::temp_dir())
        .output()
        .expect("the Go tool chain is needed for the published definitions");
    let told: Value = serde_json::from_slice(&told.stdout).expect("where the module is");
    let folder = format!(
        "{}/config/crd/standard",
        told["Dir"].as_str().expect("a folder")
    );
    let files = ["gatewayclasses", "gateways", "httproutes"]
        .map(|kind| format!("{folder}/gateway.networking.k8s.io_{kind}.yaml"))
        .join(",");
    scene::kubectl(&[&["apply", "--server-side", "-f"][..], &[&files]].concat());
    until("the API of routes", 30, is_there).await;
    Some(files)
}

fn routes(client: &Client, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "HTTPRoute");
    Api::namespaced_with(client.clone(), namespace, &ApiResource::from_gvk(&kind))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_routes_attach_to_the_clusters_own_gateway_and_are_pruned() {
    scene::image().await;
    let client = scene::client(&Steps::new()).await;
    let defined = define(&client).await;
    let connection = scene::connection().await;
    let home = format!("pluvio-{}", &uuid::Uuid::now_v7().to_string()[24..]);
    let config = Config {
        namespace: home.clone(),
        gateway: Some(GatewayRef {
            name: "edge".to_owned(),
            namespace: "infra".to_owned(),
        }),
        own_gateway: false,
        ..Config::default()
    };
    let routed = |web: Value| {
        let image = scene::IMAGE;
        json!({
            "web": { "image": image, "ports": { "http": { "port": 8080 } }, "routes": web,
                     "probes": { "ready": { "command": ["true"] } } },
            "rpc": { "image": image, "ports": { "grpc": { "port": 9000, "protocol": "http2" } },
                     "routes": [{ "host": "*.rpc.test", "port": "grpc" }],
                     "probes": { "ready": { "command": ["true"] } } },
        })
    };
    let both = json!([
        { "host": "shop.test" },
        { "host": "shop.test", "path": "/only", "exact": true },
    ]);
    let mut shop = Shop::new(connection.identity, routed(both));
    let runtime = KubernetesRuntime::start(connection, config)
        .await
        .expect("the runtime starts");
    shop.bring(&runtime).await;

    let routes = routes(&client, &shop.namespace());
    let specs = async || {
        let list = routes.list(&ListParams::default()).await.expect("a list");
        let mut specs: Vec<Value> = list
            .items
            .iter()
            .map(|one| one.data["spec"].clone())
            .collect();
        specs.sort_by_key(|spec| spec["hostnames"].to_string() + &spec["rules"].to_string());
        specs
    };
    let parent = json!({
        "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge", "namespace": "infra",
    });
    // As the API server completes them.
    let route = |host: &str, kind: &str, path: &str, service: &str, port: u16| {
        json!({
            "hostnames": [host],
            "parentRefs": [parent],
            "rules": [{
                "matches": [{ "path": { "type": kind, "value": path } }],
                "backendRefs": [{
                    "group": "", "kind": "Service", "name": service, "port": port, "weight": 1,
                }],
            }],
        })
    };
    let root = route("shop.test", "PathPrefix", "/", "shop--web", 8080);
    let rpc = route("*.rpc.test", "PathPrefix", "/", "shop--rpc", 9000);
    let only = route("shop.test", "Exact", "/only", "shop--web", 8080);
    assert_eq!(json!(specs().await), json!([rpc, only, root]));

    shop.components = routed(json!([{ "host": "shop.test" }]));
    shop.bring(&runtime).await;
    assert_eq!(json!(specs().await), json!([rpc, root]));

    // Nobody reads what Pluvio's own gateway would be told.
    let maps = Api::<k8s_openapi::api::core::v1::ConfigMap>::namespaced(client.clone(), &home);
    let told = ListParams::default().labels("pluvio.io/routes");
    assert!(maps.list(&told).await.expect("a list").items.is_empty());

    shop.end(&runtime).await;
    assert!(specs().await.is_empty());
    runtime.stop().await;
    let names = [home, shop.namespace()].join(" ");
    let names: Vec<&str> = names.split(' ').collect();
    scene::kubectl(&[&["delete", "namespace", "--wait=false"][..], &names].concat());
    if let Some(files) = defined {
        scene::kubectl(&["delete", "--wait=false", "-f", &files]);
    }
}
