//! What environments leave on a cluster: their namespaces go once nothing is in them, and not while somebody uses them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, PersistentVolumeClaim};
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use pluvio_kubernetes::{Config, Connection, KubernetesRuntime, remove};
use pluvio_runtime::{LeftNamespace, Namespaces};
use serde_json::json;

use crate::accounts::{Place, end, make, run, suffix};

/// A Pluvio with an account of its own on the cluster, and a team whose environment it is about.
struct Scene {
    place: Place,
    own: Connection,
    runtime: KubernetesRuntime,
    team: String,
    namespace: String,
}

impl Scene {
    async fn new() -> Scene {
        let place = Place::new().await;
        let kept = place.account().await;
        let own = Connection::open(&kept.credential).await.expect("it works");
        let config = Config {
            namespace: place.home.clone(),
            ..Config::default()
        };
        let runtime = KubernetesRuntime::start(own.clone(), config).await;
        let team = format!("swept{}", suffix());
        Scene {
            namespace: format!("{team}--production"),
            runtime: runtime.expect("it starts"),
            place,
            own,
            team,
        }
    }

    fn spaces(&self) -> Api<Namespace> {
        Api::all(self.place.client())
    }

    /// What is in it, as a sweep tells that knows of no environment. The API server may fail now and then.
    async fn holds(&self) -> Option<Vec<String>> {
        for _ in 0..20 {
            match self.runtime.sweep(&BTreeSet::new()).await {
                Ok(left) => {
                    let mut left = left.into_iter();
                    return left.find(|one| one.name == self.namespace).map(holds);
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(500)).await,
            }
        }
        panic!("it is never looked at");
    }

    /// Until a sweep tells of just that.
    async fn until(&self, expected: Option<&str>) {
        let mut last = None;
        for _ in 0..120 {
            last = self.holds().await;
            match (&last, expected) {
                (None, None) => return,
                (Some(holds), Some(part)) if holds.len() == 1 && holds[0].starts_with(part) => {
                    return;
                }
                _ => tokio::time::sleep(Duration::from_millis(500)).await,
            }
        }
        panic!("{last:?}, not {expected:?}");
    }

    async fn let_data_go(&self) {
        let claims = Api::<PersistentVolumeClaim>::namespaced(self.place.client(), &self.namespace);
        let all = claims.list(&ListParams::default()).await.expect("a list");
        for claim in all.items {
            let name = claim.name_any();
            let gone = claims.delete(&name, &DeleteParams::default()).await;
            gone.expect("it goes");
        }
    }

    async fn until_gone(&self) {
        for _ in 0..240 {
            let there = self.spaces().get_opt(&self.namespace).await;
            if there.expect("an answer").is_none() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        panic!("the namespace stays");
    }

    async fn leave(self) {
        self.runtime.stop().await;
        remove(&self.own, &self.place.home)
            .await
            .expect("it leaves");
    }
}

fn holds(left: LeftNamespace) -> Vec<String> {
    left.holds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_environments_namespace_goes_once_nothing_is_in_it() {
    let scene = Scene::new().await;
    let application = run(&scene.place, &scene.runtime, &scene.team).await;
    scene.until(Some("the application example")).await;
    end(&scene.place, &scene.runtime, application).await;

    // Data are kept; then there is what somebody else put there.
    scene.until(Some("PersistentVolumeClaim ")).await;
    let foreign = Api::<ConfigMap>::namespaced(scene.place.client(), &scene.namespace);
    make(foreign.clone(), json!({ "metadata": { "name": "mine" } })).await;
    let both = scene.holds().await.expect("it stays");
    assert_eq!(both.len(), 2, "{both:?}");
    scene.let_data_go().await;
    scene.until(Some("ConfigMap mine")).await;
    let mine = foreign.delete("mine", &DeleteParams::default()).await;
    mine.expect("it goes");

    // Of an environment that there is nothing goes.
    let kept = BTreeSet::from([scene.namespace.clone()]);
    while scene.runtime.sweep(&kept).await.is_err() {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let there = scene.spaces().get(&scene.namespace).await;
    assert!(
        there
            .expect("it is there")
            .metadata
            .deletion_timestamp
            .is_none()
    );
    scene.until(None).await;
    scene.until_gone().await;
    scene.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_comes_while_its_namespace_is_swept_stands_and_stays() {
    let scene = Scene::new().await;
    let first = run(&scene.place, &scene.runtime, &scene.team).await;
    end(&scene.place, &scene.runtime, first).await;
    scene.let_data_go().await;

    // As fast as it can be asked, before the stage comes, while it is brought up, and after.
    let stands = AtomicBool::new(false);
    let sweeping = async {
        while !stands.load(Ordering::SeqCst) {
            let _ = scene.runtime.sweep(&BTreeSet::new()).await;
        }
    };
    let comes = async {
        let second = run(&scene.place, &scene.runtime, &scene.team).await;
        stands.store(true, Ordering::SeqCst);
        second
    };
    let ((), second) = tokio::join!(sweeping, comes);
    let uid = async || {
        scene
            .spaces()
            .get(&scene.namespace)
            .await
            .expect("it is there")
            .uid()
    };
    let before = uid().await;
    for _ in 0..3 {
        scene.until(Some("the application example")).await;
    }
    assert_eq!(uid().await, before);
    end(&scene.place, &scene.runtime, second).await;
    scene.let_data_go().await;
    scene.until(None).await;
    scene.until_gone().await;
    scene.leave().await;
}
