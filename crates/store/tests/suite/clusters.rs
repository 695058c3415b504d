//! Clusters beside the engine.

use pluvio_model::place::PlaceSettings;
use pluvio_store::*;

use crate::world::{World, name};

pub(crate) async fn a_cluster_has_one_name_and_a_name_is_one_clusters(world: World) {
    let store = &world.store;
    let (prod, other) = (name("prod"), name("other"));
    let settings = PlaceSettings::default();
    let new = |name, identity| NewCluster {
        name,
        identity,
        address: "https://127.0.0.1:1",
        settings: &settings,
        kubeconfig: "none",
    };
    store.may_put_cluster(&prod, "one").await.unwrap();
    store.put_cluster(&new(&prod, "one"), "test").await.unwrap();
    // The same again is the same.
    store.may_put_cluster(&prod, "one").await.unwrap();
    store.put_cluster(&new(&prod, "one"), "test").await.unwrap();
    // What is told before is what would be told then.
    let before = store.may_put_cluster(&other, "one").await.unwrap_err();
    let then = store.put_cluster(&new(&other, "one"), "test").await;
    assert_eq!(before.to_string(), then.unwrap_err().to_string());
    assert!(matches!(before, StoreError::Refused(_)), "{before:?}");
    let before = store.may_put_cluster(&prod, "two").await.unwrap_err();
    let then = store.put_cluster(&new(&prod, "two"), "test").await;
    assert_eq!(before.to_string(), then.unwrap_err().to_string());
    assert!(matches!(before, StoreError::NameTaken { .. }), "{before:?}");
    store.may_put_cluster(&other, "two").await.unwrap();
}
