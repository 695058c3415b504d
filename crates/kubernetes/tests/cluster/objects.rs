//! What is in a cluster, whoever made it: lists by pages, and one object whole.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use pluvio_kubernetes::{Config, KubernetesRuntime};
use pluvio_model::objects::{ObjectKind, ObjectPage, ObjectRow, ObjectState, ObjectsAsk, Whose};
use pluvio_runtime::Overview;
use serde_json::{Value, json};

use crate::scene::{self, Steps};

const PASSWORD: &str = "correct-horse-battery-staple";

async fn make(client: &Client, space: &str, api: (&str, &str, &str), body: Value) {
    let (group, version) = api.0.rsplit_once('/').unwrap_or(("", api.0));
    let kind = GroupVersionKind::gvk(group, version, api.1);
    let resource = ApiResource::from_gvk_with_plural(&kind, api.2);
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), space, &resource);
    let object: DynamicObject = serde_json::from_value(body).expect("an object");
    let made = api.create(&PostParams::default(), &object).await;
    made.expect("it is made");
}

fn ask(kind: ObjectKind, space: &str) -> ObjectsAsk {
    ObjectsAsk {
        kind,
        namespace: Some(space.to_owned()),
        find: None,
        whose: None,
        limit: 200,
        after: None,
    }
}

/// All pages, and how long each was.
async fn all(runtime: &KubernetesRuntime, mut ask: ObjectsAsk) -> (Vec<ObjectRow>, Vec<usize>) {
    let (mut rows, mut lengths) = (Vec::new(), Vec::new());
    loop {
        let page: ObjectPage = runtime.objects(&ask).await.expect("a page");
        lengths.push(page.items.len());
        rows.extend(page.items);
        ask.after = page.next;
        if ask.after.is_none() {
            return (rows, lengths);
        }
    }
}

async fn names(runtime: &KubernetesRuntime, ask: ObjectsAsk) -> Vec<String> {
    let (rows, _) = all(runtime, ask).await;
    rows.into_iter().map(|row| row.name).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_are_listed_by_pages_and_shown_without_what_secrets_hold() {
    let client = scene::client(&Steps::new()).await;
    let suffix = uuid::Uuid::now_v7().to_string()[24..].to_owned();
    let (home, space) = (format!("pluvio-{suffix}"), format!("objects-{suffix}"));
    let config = Config {
        namespace: home.clone(),
        ..Config::default()
    };
    let runtime = KubernetesRuntime::start(scene::connection().await, config);
    let runtime = runtime.await.expect("it starts");
    let spaces = Api::<Namespace>::all(client.clone());
    let body = serde_json::from_value(json!({ "metadata": { "name": space } }));
    let body: Namespace = body.expect("a namespace");
    let made = spaces.create(&PostParams::default(), &body).await;
    made.expect("it is made");

    let maps = ("v1", "ConfigMap", "configmaps");
    for number in 0..7 {
        let labels = match number {
            5 => json!({ "app.kubernetes.io/managed-by": "pluvio" }),
            6 => json!({ "pluvio.io/application": "x", "app.kubernetes.io/part-of": "shop" }),
            _ => json!({}),
        };
        let body = json!({ "metadata": { "name": format!("map-{number}"), "labels": labels }, "data": { "a": "12345" } });
        make(&client, &space, maps, body).await;
    }
    // In the order of names, page by page, and each once.
    let (rows, lengths) = all(
        &runtime,
        ObjectsAsk {
            limit: 3,
            ..ask(ObjectKind::ConfigMaps, &space)
        },
    )
    .await;
    let found: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(
        found[found.len() - 7..],
        [
            "map-0", "map-1", "map-2", "map-3", "map-4", "map-5", "map-6"
        ]
    );
    assert!(
        lengths.len() >= 3 && lengths.iter().all(|length| *length <= 3),
        "{lengths:?}"
    );
    let own = rows
        .iter()
        .find(|row| row.name == "map-6")
        .expect("it is there");
    assert_eq!(
        (own.is_ours, own.application.as_deref()),
        (true, Some("shop"))
    );
    assert_eq!(
        (own.cells[0].name.as_str(), own.cells[0].value.as_str()),
        ("Data", "1")
    );
    assert!(own.created.is_some() && own.namespace.as_ref() == Some(&space));
    // Narrowed, also by pages that end in the middle of the API server's.
    let ours = ObjectsAsk {
        whose: Some(Whose::Ours),
        limit: 1,
        ..ask(ObjectKind::ConfigMaps, &space)
    };
    assert_eq!(names(&runtime, ours).await, ["map-5", "map-6"]);
    let foreign = ObjectsAsk {
        whose: Some(Whose::Foreign),
        find: Some("MAP-4".to_owned()),
        ..ask(ObjectKind::ConfigMaps, &space)
    };
    assert_eq!(names(&runtime, foreign).await, ["map-4"]);
    let everywhere = ObjectsAsk {
        namespace: None,
        find: Some(format!("map-3 {space}")),
        limit: 2,
        ..ask(ObjectKind::ConfigMaps, &space)
    };
    assert_eq!(names(&runtime, everywhere).await, ["map-3"]);
    let broken = ObjectsAsk {
        after: Some("none".to_owned()),
        ..ask(ObjectKind::ConfigMaps, &space)
    };
    assert_eq!(
        runtime.objects(&broken).await.expect_err("no cursor").code,
        "request.invalid"
    );

    // What a Secret holds is nowhere, also not where `kubectl apply` noted it.
    let secret = json!({
        "metadata": { "name": "door", "annotations": { "kubectl.kubernetes.io/last-applied-configuration": format!("{{\"stringData\":\"{PASSWORD}\"}}") } },
        "stringData": { "password": PASSWORD },
    });
    make(&client, &space, ("v1", "Secret", "secrets"), secret).await;
    let (rows, _) = all(&runtime, ask(ObjectKind::Secrets, &space)).await;
    assert_eq!(
        rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(),
        ["door"]
    );
    assert!(!format!("{rows:?}").contains(PASSWORD), "{rows:?}");
    let seen = runtime
        .object(ObjectKind::Secrets, Some(&space), "door")
        .await;
    let seen = seen.expect("it is there");
    assert_eq!(
        (seen.keys[0].key.as_str(), seen.keys[0].bytes),
        ("password", 28)
    );
    assert!(
        !format!("{seen:?}").contains(PASSWORD) && !format!("{seen:?}").contains("Y29ycmVjd"),
        "{seen:?}"
    );
    assert_eq!(seen.body["data"]["password"], "(28 bytes)");
    let map = runtime
        .object(ObjectKind::ConfigMaps, Some(&space), "map-1")
        .await;
    assert_eq!(map.expect("it is there").body["data"]["a"], "(5 bytes)");

    // A pod that no node has room for, and what the cluster told of it.
    let pod = json!({
        "metadata": { "name": "large" },
        "spec": { "automountServiceAccountToken": false, "containers": [{
            "name": "main", "image": "pluvio.invalid/busybox:1", "resources": { "requests": { "memory": "900Ti" } },
        }] },
    });
    make(&client, &space, ("v1", "Pod", "pods"), pod).await;
    let (rows, _) = all(&runtime, ask(ObjectKind::Pods, &space)).await;
    assert_eq!(
        (rows[0].state, rows[0].note.as_str()),
        (ObjectState::Waiting, "waits for a node")
    );
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        let seen = runtime
            .object(ObjectKind::Pods, Some(&space), "large")
            .await;
        let seen = seen.expect("it is there");
        assert_eq!(
            (
                seen.containers[0].name.as_str(),
                seen.containers[0].is_ready
            ),
            ("main", false)
        );
        let told = ObjectsAsk {
            find: Some("insufficient memory".to_owned()),
            ..ask(ObjectKind::Events, &space)
        };
        let told = runtime.objects(&told).await.expect("events").items;
        if !seen.events.is_empty() && !told.is_empty() {
            assert_eq!(seen.events[0].reason, "FailedScheduling");
            assert_eq!(
                (told[0].name.as_str(), told[0].state),
                ("Pod large", ObjectState::Degraded)
            );
            break;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "never told: {seen:?}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let ingress = json!({
        "metadata": { "name": "front" },
        "spec": { "rules": [{ "host": "a.test", "http": { "paths": [{ "path": "/", "pathType": "Prefix", "backend": { "service": { "name": "a", "port": { "number": 80 } } } }] } }] },
    });
    make(
        &client,
        &space,
        ("networking.k8s.io/v1", "Ingress", "ingresses"),
        ingress,
    )
    .await;
    let (rows, _) = all(&runtime, ask(ObjectKind::Ingresses, &space)).await;
    assert_eq!(rows[0].state, ObjectState::Waiting);
    assert!(
        rows[0].cells.iter().any(|cell| cell.value == "a.test"),
        "{rows:?}"
    );

    // Every kind answers; one that is not installed says so.
    for kind in ObjectKind::ALL {
        let asked = ObjectsAsk {
            namespace: None,
            limit: 5,
            ..ask(kind, &space)
        };
        match runtime.objects(&asked).await {
            Ok(page) => assert!(page.items.len() <= 5, "{kind:?}"),
            Err(problem) => assert_eq!(
                (kind, problem.code.as_str()),
                (ObjectKind::HttpRoutes, "not-found")
            ),
        }
    }
    let node = all(
        &runtime,
        ObjectsAsk {
            find: Some("node-1".to_owned()),
            ..ask(ObjectKind::Nodes, &space)
        },
    )
    .await
    .0;
    assert_eq!(node[0].state, ObjectState::Running);
    let gone = runtime.object(ObjectKind::Pods, Some(&space), "gone").await;
    assert_eq!(gone.expect_err("none").code, "not-found");
    let nowhere = runtime.object(ObjectKind::Pods, None, "large").await;
    assert_eq!(nowhere.expect_err("no namespace").code, "request.invalid");

    drop(runtime);
    for name in [space, home] {
        let _ = spaces.delete(&name, &DeleteParams::default()).await;
    }
}
