//! The conformance suite over the runtime in memory.

use std::sync::Arc;

use async_trait::async_trait;
use pluvio_model::facts::ImageFacts;
use pluvio_model::id::{ApplicationId, ClusterId};
use pluvio_model::stage::Wish;
use pluvio_runtime::conformance::{self, Subject};
use pluvio_runtime::memory::{Behaviour, MemoryRuntime, Moment};
use pluvio_runtime::{Runtime, Scope};

struct InMemory {
    runtime: MemoryRuntime,
    cluster: ClusterId,
}

#[async_trait]
impl Subject for InMemory {
    fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(self.runtime.clone())
    }
    fn cluster(&self) -> ClusterId {
        self.cluster
    }
    fn image(&self) -> (String, ImageFacts) {
        ("localhost/example:1".to_owned(), ImageFacts::default())
    }
    async fn restart(&mut self) {
        self.runtime = self.runtime.restarted();
    }
    fn hold_at(&mut self, _step: u64, _moment: Moment) -> bool {
        false
    }
    async fn held(&self) {
        std::future::pending().await
    }
    fn let_go(&mut self) {}
    async fn objects(&self, application: ApplicationId) -> Vec<String> {
        let mut seen = self
            .runtime
            .observe(Scope::Application(application))
            .await
            .unwrap();
        let seen = seen.applications.remove(&application).unwrap_or_default();
        seen.components
            .into_values()
            .flat_map(|c| c.instances)
            .map(|one| one.name)
            .collect()
    }
    async fn volumes(&self, application: ApplicationId) -> Vec<String> {
        let mut seen = self
            .runtime
            .observe(Scope::Application(application))
            .await
            .unwrap();
        let seen = seen.applications.remove(&application).unwrap_or_default();
        seen.volumes
            .into_values()
            .map(|volume| volume.handle)
            .collect()
    }
    async fn add_stranger(&mut self) -> String {
        "stranger".to_owned()
    }
    async fn is_well(&self, _stranger: &str) -> bool {
        true
    }
    async fn remove_by_hand(&mut self, application: ApplicationId, instance: &str) {
        self.runtime.lose(application, instance);
    }
    async fn end_by_hand(&mut self, application: ApplicationId, instance: &str) {
        self.runtime.lose(application, instance);
    }
    async fn file(&self, _: ApplicationId, _: &str, _: &str) -> Option<String> {
        None
    }
    fn has_files(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn the_runtime_in_memory_conforms() {
    let cluster = ClusterId(uuid::Uuid::now_v7());
    let runtime = MemoryRuntime::new(cluster);
    conformance::run(&mut InMemory { runtime, cluster }).await;
}

#[tokio::test]
async fn components_turn_out_as_they_are_told() {
    let cluster = ClusterId(uuid::Uuid::now_v7());
    let runtime = MemoryRuntime::new(cluster);
    let image = ("localhost/example:1".to_owned(), String::new());
    let mut example = conformance::Example {
        hot: String::new(),
        ..conformance::Example::new(cluster, image)
    };
    let web = async |runtime: &MemoryRuntime| {
        let mut seen = runtime.observe(Scope::All).await.unwrap();
        let mut seen = seen.applications.remove(&example.application).unwrap();
        seen.components.remove("web").unwrap()
    };
    runtime.apply(&example.clone().stage()).await.unwrap();
    example.generation = 1;
    let old = web(&runtime).await;
    assert!(old.settled);
    runtime.behave(
        |decided| match decided.content.main.env["VERSION"].masked().as_str() {
            "two" => Behaviour::NeverReady("GET / on 8080: connection refused".to_owned()),
            _ => Behaviour::Ready,
        },
    );
    let mut next = example.clone();
    next.version = "two".to_owned();
    let stage = next.stage();
    let Wish::Run(_) = &stage.wish else {
        unreachable!()
    };
    runtime.apply(&stage).await.unwrap();
    let seen = web(&runtime).await;
    assert!(
        !seen.settled
            && seen.instances.len() == 2
            && seen.instances[1].name == old.instances[0].name
    );
}
