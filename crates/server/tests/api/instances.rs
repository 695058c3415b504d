//! What is told of instances: what they use, what happened to them.

use std::collections::BTreeMap;

use http::Method;
use pluvio_model::observed::InstanceState;
use pluvio_runtime::UsageSample;
use serde_json::{Value, json};

use crate::scene::{HOME, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn what_rests_uses_nothing_whatever_was_measured_last() {
    let scene = Scene::new().await;
    let sample = UsageSample {
        at: jiff::Timestamp::now(),
        cpu_millis: 250,
        memory_bytes: 64 << 20,
    };
    let measured = BTreeMap::from([("shop--web--1".to_owned(), vec![sample])]);
    *scene.node.usage.lock().unwrap() = measured;
    let page = async || -> (Value, Value) {
        let path = format!("{HOME}/applications/shop");
        let answer = scene.ask(Method::GET, &path, &scene.owner, None).await;
        let page: Value = serde_json::from_str(&answer.text).unwrap();
        let instance = &page["components"][0]["instances"][0]["memory_bytes"];
        (instance.clone(), page["memory_bytes"].clone())
    };
    assert_eq!(page().await, (json!([64 << 20]), json!(64 << 20)));
    {
        let mut observed = scene.node.observed.lock().unwrap();
        let shop = observed.applications.get_mut(&scene.shop).unwrap();
        let web = shop.components.values_mut().next().unwrap();
        web.instances[0].state = InstanceState::BackOff {
            until: jiff::Timestamp::UNIX_EPOCH,
        };
    }
    assert_eq!(page().await, (json!([]), json!(null)));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_told_of_one_component_or_warnings_alone() {
    let scene = Scene::new().await;
    let ask = async |query: &str| {
        let path = format!("{HOME}/applications/shop/events{query}");
        scene.ask(Method::GET, &path, &scene.reader, None).await
    };
    for (query, wanted) in [
        ("", &["Started", "Error"][..]),
        ("?component=web", &["Started"]),
        ("?warnings=true", &["Error"]),
        ("?component=web&warnings=true", &[]),
    ] {
        let answer = ask(query).await;
        let page: Value = serde_json::from_str(&answer.text).unwrap();
        let told = page["items"].as_array().unwrap().iter();
        let told: Vec<&str> = told.map(|one| one["reason"].as_str().unwrap()).collect();
        assert_eq!(told, wanted, "{query}");
    }
    let answer = ask("?component=Not%20a%20name").await;
    assert_eq!(answer.status, 400, "{answer:?}");
}
