//! Data of applications on a cluster: seen, reached into, copied, deleted.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Pod};
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use pluvio_kubernetes::{Config, KubernetesRuntime, gateway};
use pluvio_model::id::VolumeId;
use pluvio_runtime::{
    Copied, CopyState, CopyVolume, ExecInput, ExecOutput, HandRequest, HandVerb, KeptVolume,
    RuntimeError, Scope, Volumes,
};
use serde_json::{Value, json};

use crate::own::until;
use crate::scene::{self, Steps};
use crate::shop::Shop;

pub(crate) const PROGRAM: &str = "pluvio.invalid/program:1";

/// What `pluvio hand` said, and its exit.
pub(crate) async fn said(
    runtime: &KubernetesRuntime,
    handle: &str,
    verb: HandVerb,
    input: &[u8],
) -> (Vec<u8>, Vec<u8>, i64) {
    let request = HandRequest {
        handle: handle.to_owned(),
        verb,
    };
    let mut session = runtime.reach(request).await.expect("a hand");
    if !input.is_empty() {
        let bytes = ExecInput::Bytes(Bytes::copy_from_slice(input));
        session.input.send(bytes).await.expect("it listens");
    }
    let (mut out, mut err, mut exit) = (Vec::new(), Vec::new(), -1);
    while let Some(item) = session.output.next().await {
        match item {
            ExecOutput::Out(bytes) => out.extend_from_slice(&bytes),
            ExecOutput::Err(bytes) => err.extend_from_slice(&bytes),
            ExecOutput::Exit(code) => exit = code,
        }
    }
    (out, err, exit)
}

pub(crate) async fn read(runtime: &KubernetesRuntime, handle: &str, path: &str) -> Option<Vec<u8>> {
    let verb = HandVerb::Read {
        path: path.to_owned(),
        most: None,
    };
    let (out, _, exit) = said(runtime, handle, verb, b"").await;
    let line = out.iter().position(|byte| *byte == b'\n')?;
    (exit == 0).then(|| out[line + 1..].to_vec())
}

pub(crate) async fn volumes(runtime: &KubernetesRuntime, shop: &Shop) -> Vec<KeptVolume> {
    let scope = Scope::Application(shop.application);
    runtime.volumes(scope).await.expect("volumes")
}

pub(crate) async fn copied(runtime: &KubernetesRuntime, copy: &CopyVolume) -> Copied {
    for _ in 0..600 {
        match runtime.copy_volume(copy).await.expect("a copy") {
            CopyState::Done(copied) => return copied,
            CopyState::Running(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            CopyState::Failed { problem } => panic!("{problem:?}"),
        }
    }
    panic!("the copy did not end");
}

fn refused(result: Result<(), RuntimeError>) -> bool {
    matches!(result, Err(RuntimeError::Refused(_)))
}

pub(crate) async fn load_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = std::env::var_os("PLUVIO_BIN").map(PathBuf::from);
    let program = program.expect("PLUVIO_BIN names the program, as scripts/test builds it");
    let archive = folder.path().join("program.tar");
    let made = gateway::archive(Some(&program), PROGRAM, &archive).await;
    let made = made.expect("an image");
    scene::script(&["load", made.path.to_str().expect("a path")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn volumes_are_reached_into_copied_and_deleted() {
    scene::image().await;
    load_program().await;
    let client = scene::client(&Steps::new()).await;
    let connection = scene::connection().await;
    let config = Config {
        namespace: format!("pluvio-{}", &uuid::Uuid::now_v7().to_string()[24..]),
        program: Some(PROGRAM.to_owned()),
        ..Config::default()
    };
    let mut shop = Shop::new(
        connection.identity,
        json!({ "web": {
            "image": "pluvio.invalid/busybox:1",
            "volumes": { "/data": { "name": "data" } },
            "probes": { "ready": { "command": ["true"] } },
        } }),
    );
    let runtime = KubernetesRuntime::start(connection, config.clone()).await;
    let runtime = runtime.expect("the runtime starts");
    shop.bring(&runtime).await;

    // While its application runs. A watch that the server cut off tells of a claim a moment later.
    let seen = async || volumes(&runtime, &shop).await;
    until("the claim is seen", 60, async || !seen().await.is_empty()).await;
    let kept = volumes(&runtime, &shop).await;
    let [volume] = &kept[..] else {
        panic!("{kept:?}")
    };
    assert!(volume.wanted && volume.name.as_str() == "data", "{kept:?}");
    let handle = volume.handle.clone();
    let text = b"hello, volume\n".repeat(20_000);
    let write = HandVerb::Write {
        path: "greeting".to_owned(),
        length: text.len() as u64,
        replace: false,
    };
    let (out, err, exit) = said(&runtime, &handle, write, &text).await;
    assert_eq!(exit, 0, "{}", String::from_utf8_lossy(&err));
    let entry: Value = serde_json::from_slice(&out).expect("an entry");
    assert_eq!(entry["size"], text.len());
    assert_eq!(
        read(&runtime, &handle, "greeting").await,
        Some(text.clone())
    );
    let (_, err, exit) = said(
        &runtime,
        &handle,
        HandVerb::Read {
            path: "nothing".to_owned(),
            most: None,
        },
        b"",
    )
    .await;
    let problem: Value = serde_json::from_slice(&err).expect("a problem");
    assert!(exit != 0 && problem["code"].is_string(), "{problem}");
    assert!(refused(
        runtime.delete_volume(shop.application, &handle).await
    ));

    // The copy is begun anew when its pod is killed, and taken up by whoever asks.
    let id = VolumeId(uuid::Uuid::now_v7());
    let copy = CopyVolume {
        source: handle.clone(),
        target: format!("pluvio--shop--again--{}", &id.0.simple().to_string()[24..]),
        application: shop.application,
        application_name: "shop".parse().expect("a name"),
        name: "again".parse().expect("a name"),
        id,
    };
    runtime.copy_volume(&copy).await.expect("a copy begins");
    let pods = Api::<Pod>::namespaced(client.clone(), &shop.namespace());
    let copiers = ListParams::default().labels("pluvio.io/hand=copy");
    for pod in pods.list(&copiers).await.expect("pods") {
        let now = DeleteParams::default().grace_period(0);
        pods.delete(&pod.name_any(), &now).await.expect("killed");
    }
    runtime.stop().await;
    let connection = scene::connection().await;
    let runtime = KubernetesRuntime::start(connection, config.clone()).await;
    let runtime = runtime.expect("the runtime starts again");
    let done = copied(&runtime, &copy).await;
    assert_eq!((done.files, done.bytes), (1, text.len() as u64));
    runtime.end_copy(&copy.target, true).await.expect("ended");
    runtime.end_copy(&copy.target, true).await.expect("again");
    let there = read(&runtime, &copy.target, "greeting").await;
    assert_eq!(there, Some(text));
    let seen = async || volumes(&runtime, &shop).await;
    let is_again = |volume: &KeptVolume| volume.handle == copy.target;
    until("the copy is seen", 60, async || {
        seen().await.iter().any(is_again)
    })
    .await;
    let kept = volumes(&runtime, &shop).await;
    let again = kept.iter().find(|volume| volume.handle == copy.target);
    assert!(again.is_some_and(|again| !again.wanted), "{kept:?}");

    // A copy that is given up leaves nothing.
    let given_up = CopyVolume {
        target: format!("{}-2", copy.target),
        ..copy.clone()
    };
    runtime.copy_volume(&given_up).await.expect("a copy begins");
    runtime
        .end_copy(&given_up.target, false)
        .await
        .expect("ended");
    let nowhere = HandRequest {
        handle: given_up.target.clone(),
        verb: HandVerb::Measure,
    };
    let nowhere = runtime.reach(nowhere).await;
    assert!(matches!(nowhere, Err(RuntimeError::NotFound { .. })));

    // Data outlive the application; what nobody wants goes, with what waits there.
    shop.end(&runtime).await;
    assert!(volumes(&runtime, &shop).await.iter().all(|one| !one.wanted));
    assert!(read(&runtime, &handle, "greeting").await.is_some());
    for gone in [&handle, &copy.target] {
        let deleted = runtime.delete_volume(shop.application, gone).await;
        deleted.expect("the volume is deleted");
    }
    let claims = Api::<PersistentVolumeClaim>::namespaced(client.clone(), &shop.namespace());
    let jobs = Api::<Job>::namespaced(client.clone(), &shop.namespace());
    for _ in 0..300 {
        let all = ListParams::default();
        let claims = claims.list(&all).await.expect("claims").items.len();
        if claims + jobs.list(&all).await.expect("jobs").items.len() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    until("nothing is seen any more", 60, async || {
        volumes(&runtime, &shop).await.is_empty()
    })
    .await;
    assert!(
        claims
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );

    runtime.stop().await;
    let spaces = Api::<Namespace>::all(client);
    for name in [config.namespace, shop.namespace()] {
        let _ = spaces.delete(&name, &DeleteParams::default()).await;
    }
}
