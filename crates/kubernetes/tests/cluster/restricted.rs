//! A team whose namespaces take only what Kubernetes' standard `restricted` allows.

use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use pluvio_kubernetes::{Config, KubernetesRuntime};
use pluvio_model::id::VolumeId;
use pluvio_runtime::{CopyVolume, HandVerb, Runtime, Scope, Volumes};
use serde_json::json;

use crate::own::until;
use crate::scene::{self, Steps};
use crate::shop::Shop;
use crate::volumes::{PROGRAM, copied, load_program, read, said, volumes};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_only_restricted_pods_are_taken_applications_run_and_volumes_are_reached() {
    scene::image().await;
    load_program().await;
    let client = scene::client(&Steps::new()).await;
    let connection = scene::connection().await;
    let mut shop = Shop::new(connection.identity, json!({}));
    let config = Config {
        namespace: format!("pluvio-{}", &uuid::Uuid::now_v7().to_string()[24..]),
        program: Some(PROGRAM.to_owned()),
        restricted: vec![shop.team.clone()],
        ..Config::default()
    };
    let web = json!({
        "image": scene::IMAGE,
        "volumes": { "/data": { "name": "data" } },
        "probes": { "ready": { "command": ["true"] } },
    });
    let runtime = KubernetesRuntime::start(connection, config.clone()).await;
    let runtime = runtime.expect("the runtime starts");

    // What the cluster would refuse is told before anything is asked of it.
    shop.components = json!({ "web": web });
    let refused = shop.stage();
    runtime.apply(&refused).await.expect("the stage is taken");
    let mut told = None;
    until("the reason", 60, async || {
        let seen = runtime.observe(Scope::Application(shop.application)).await;
        let seen = seen
            .ok()
            .and_then(|mut seen| seen.applications.remove(&shop.application));
        told = seen.and_then(|seen| seen.problem);
        told.is_some()
    })
    .await;
    let told = told.expect("a problem");
    assert_eq!(told.code, "cluster.policy", "{told:?}");
    assert!(told.cause.contains("`restricted`"), "{told:?}");
    assert!(told.remedy.contains("user: \"1000\""), "{told:?}");
    let pods = Api::<Pod>::namespaced(client.clone(), &shop.namespace());
    let all = ListParams::default();
    assert!(pods.list(&all).await.expect("pods").items.is_empty());

    shop.components["web"]["user"] = json!("1000");
    shop.bring(&runtime).await;
    let spaces = Api::<Namespace>::all(client.clone());
    let space = spaces.get(&shop.namespace()).await.expect("a namespace");
    assert_eq!(
        space.labels()["pod-security.kubernetes.io/enforce"],
        "restricted"
    );

    until("the claim is seen", 60, async || {
        !volumes(&runtime, &shop).await.is_empty()
    })
    .await;
    let handle = volumes(&runtime, &shop).await.remove(0).handle;
    let text = b"hello, volume\n".repeat(1000);
    let write = HandVerb::Write {
        path: "greeting".to_owned(),
        length: text.len() as u64,
        replace: false,
    };
    let (_, err, exit) = said(&runtime, &handle, write, &text).await;
    assert_eq!(exit, 0, "{}", String::from_utf8_lossy(&err));
    assert_eq!(
        read(&runtime, &handle, "greeting").await,
        Some(text.clone())
    );

    let id = VolumeId(uuid::Uuid::now_v7());
    let copy = CopyVolume {
        source: handle,
        target: format!("pluvio--shop--again--{}", &id.0.simple().to_string()[24..]),
        application: shop.application,
        application_name: "shop".parse().expect("a name"),
        name: "again".parse().expect("a name"),
        id,
    };
    let done = copied(&runtime, &copy).await;
    assert_eq!((done.files, done.bytes), (1, text.len() as u64));
    runtime.end_copy(&copy.target, true).await.expect("ended");
    assert_eq!(read(&runtime, &copy.target, "greeting").await, Some(text));
    // Whoever looked into them ran as the volume's own user.
    let hands = ListParams::default().labels("pluvio.io/hand");
    let hands = pods.list(&hands).await.expect("pods").items;
    let user = |pod: &Pod| pod.spec.as_ref()?.security_context.as_ref()?.run_as_user;
    assert!(!hands.is_empty());
    assert!(
        hands.iter().all(|pod| user(pod) == Some(1000)),
        "{hands:#?}"
    );

    shop.end(&runtime).await;
    runtime.stop().await;
    for name in [config.namespace, shop.namespace()] {
        let _ = spaces.delete(&name, &DeleteParams::default()).await;
    }
}
