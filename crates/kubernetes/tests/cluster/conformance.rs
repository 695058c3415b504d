//! The suite that every runtime passes, over a cluster.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{
    ConfigMap, Namespace, PersistentVolumeClaim, Pod, Secret, Service,
};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt};
use pluvio_kubernetes::account::{self, Account};
use pluvio_kubernetes::{Config, Connection, Credential, KubernetesRuntime};
use pluvio_model::facts::ImageFacts;
use pluvio_model::id::{ApplicationId, ClusterId};
use pluvio_plan::lower::kubernetes::key;
use pluvio_runtime::conformance::{self, Subject};
use pluvio_runtime::memory::Moment;
use pluvio_runtime::{Exec, ExecOutput, ExecRequest, Runtime};
use serde::de::DeserializeOwned;

use crate::scene::{self, Steps};

/// Where the example's objects are: its team and environment.
const NAMESPACE: &str = "team--production";

struct OverCluster {
    /// Not counted: the tests' own hands.
    client: Client,
    steps: Steps,
    cluster: ClusterId,
    config: Config,
    /// Whom the runtime is to the cluster.
    kubeconfig: String,
    runtime: Option<Arc<KubernetesRuntime>>,
    strangers: Vec<String>,
}

impl OverCluster {
    async fn start(&mut self) {
        let connection = Connection::over(scene::client_of(&self.kubeconfig, &self.steps).await)
            .await
            .expect("the cluster answers");
        let runtime = KubernetesRuntime::start(connection, self.config.clone())
            .await
            .expect("the runtime starts");
        self.runtime = Some(Arc::new(runtime));
    }

    async fn names<K>(&self, application: ApplicationId) -> Vec<String>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let selector = format!("{}={application}", key::APPLICATION);
        let all = Api::<K>::all(self.client.clone())
            .list(&ListParams::default().labels(&selector))
            .await
            .expect("a list");
        all.items
            .iter()
            .map(|object| format!("{} {}", K::kind(&()), object.name_any()))
            .collect()
    }
}

#[async_trait]
impl Subject for OverCluster {
    fn runtime(&self) -> Arc<dyn Runtime> {
        self.runtime.clone().expect("the runtime runs")
    }
    fn cluster(&self) -> ClusterId {
        self.cluster
    }
    fn image(&self) -> (String, ImageFacts) {
        let image = "pluvio.invalid/busybox:1".to_owned();
        let facts = ImageFacts {
            id: image.clone(),
            ..ImageFacts::default()
        };
        (image, facts)
    }
    async fn restart(&mut self) {
        let runtime = self
            .runtime
            .take()
            .and_then(Arc::into_inner)
            .expect("nobody else holds the runtime");
        runtime.stop().await;
        self.start().await;
    }
    fn hold_at(&mut self, step: u64, moment: Moment) -> bool {
        self.steps.hold_at(step, moment);
        true
    }
    fn stride(&self) -> u64 {
        12
    }
    async fn held(&self) {
        self.steps.held().await;
    }
    fn let_go(&mut self) {
        self.steps.let_go();
    }
    async fn objects(&self, application: ApplicationId) -> Vec<String> {
        let mut all = self.names::<Pod>(application).await;
        all.extend(self.names::<Deployment>(application).await);
        all.extend(self.names::<Service>(application).await);
        all.extend(self.names::<Secret>(application).await);
        all.extend(self.names::<ConfigMap>(application).await);
        all
    }
    async fn volumes(&self, application: ApplicationId) -> Vec<String> {
        self.names::<PersistentVolumeClaim>(application).await
    }
    async fn add_stranger(&mut self) -> String {
        let name = format!("stranger-{}", &uuid::Uuid::now_v7().to_string()[24..]);
        let body = serde_json::json!({
            "metadata": { "name": name, "namespace": "default" },
            "spec": { "terminationGracePeriodSeconds": 1, "containers": [{ "name": "main", "image": "pluvio.invalid/busybox:1" }] },
        });
        let pods = Api::<Pod>::namespaced(self.client.clone(), "default");
        let pod = serde_json::from_value(body).expect("a pod");
        pods.create(&PostParams::default(), &pod)
            .await
            .expect("the stranger is made");
        self.strangers.push(name.clone());
        name
    }
    async fn is_well(&self, stranger: &str) -> bool {
        let pods = Api::<Pod>::namespaced(self.client.clone(), "default");
        let pod = pods.get(stranger).await.expect("the stranger");
        pod.metadata.deletion_timestamp.is_none()
            && pod
                .status
                .is_some_and(|status| status.phase.as_deref() == Some("Running"))
    }
    async fn remove_by_hand(&mut self, _: ApplicationId, instance: &str) {
        let pods = Api::<Pod>::namespaced(self.client.clone(), NAMESPACE);
        pods.delete(instance, &DeleteParams::default().grace_period(0))
            .await
            .expect("the pod is removed");
    }
    async fn end_by_hand(&mut self, application: ApplicationId, instance: &str) {
        let runtime = self.runtime.clone().expect("the runtime runs");
        let request = ExecRequest {
            application,
            instance: instance.to_owned(),
            container: None,
            command: ["kill", "-TERM", "1"].map(str::to_owned).to_vec(),
            tty: false,
            size: None,
        };
        let session = runtime.exec(request).await.expect("a command runs");
        session.output.collect::<Vec<_>>().await;
    }
    async fn file(&self, application: ApplicationId, instance: &str, path: &str) -> Option<String> {
        let request = ExecRequest {
            application,
            instance: instance.to_owned(),
            container: None,
            command: vec!["cat".to_owned(), path.to_owned()],
            tty: false,
            size: None,
        };
        let session = self.runtime.as_ref()?.exec(request).await.ok()?;
        let items: Vec<ExecOutput> = session.output.collect().await;
        let text = items.iter().filter_map(|item| match item {
            ExecOutput::Out(bytes) => Some(bytes.as_ref()),
            _ => None,
        });
        Some(String::from_utf8_lossy(&text.collect::<Vec<_>>().concat()).into_owned())
    }
}

async fn subject() -> OverCluster {
    let mut subject = unstarted().await;
    subject.start().await;
    subject
}

async fn unstarted() -> OverCluster {
    scene::image().await;
    let client = scene::client(&Steps::new()).await;
    let connection = Connection::over(client.clone())
        .await
        .expect("the cluster answers");
    OverCluster {
        client,
        steps: Steps::new(),
        cluster: connection.identity,
        config: Config {
            namespace: format!("pluvio-{}", &uuid::Uuid::now_v7().to_string()[24..]),
            ..Config::default()
        },
        kubeconfig: scene::given(),
        runtime: None,
        strangers: Vec::new(),
    }
}

impl OverCluster {
    async fn close(self) {
        let pods = Api::<Pod>::namespaced(self.client.clone(), "default");
        for stranger in &self.strangers {
            let _ = pods
                .delete(stranger, &DeleteParams::default().grace_period(0))
                .await;
        }
        let spaces = Api::<Namespace>::all(self.client.clone());
        let _ = spaces
            .delete(&self.config.namespace, &DeleteParams::default())
            .await;
    }
}

/// Each a test of its own: a cluster takes its time.
macro_rules! scenarios {
    ($($name:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let mut subject = subject().await;
            conformance::$name(&mut subject).await;
            subject.close().await;
        }
    )*};
}

scenarios! {
    applying_again_changes_nothing
    an_older_generation_is_refused
    instances_follow_scale_and_power
    hot_files_reach_running_instances
    drift_heals_and_strangers_are_left_alone
    a_kill_at_any_step_is_survived
}

/// The account that Pluvio makes for itself may do what the runtime does: apply, watch, prune, look into pods.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_accounts_rights_are_enough() {
    let mut subject = unstarted().await;
    let given = Credential {
        kubeconfig: subject.kubeconfig.clone(),
        context: None,
    };
    let connection = Connection::open(&given).await.expect("it answers");
    let kept = account::make(&connection, &given, &subject.config.namespace)
        .await
        .expect("an account");
    assert!(matches!(kept.account, Account::Own { .. }), "{kept:?}");
    subject.kubeconfig = kept.credential.kubeconfig;
    subject.start().await;
    conformance::applying_again_changes_nothing(&mut subject).await;
    conformance::hot_files_reach_running_instances(&mut subject).await;
    subject.close().await;
}
