//! The suite that every runtime passes, over a node: with an engine in memory, Docker, Podman.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use pluvio_model::facts::ImageFacts;
use pluvio_model::id::{ApplicationId, ClusterId};
use pluvio_node::{Config, Node};
use pluvio_plan::lower::engine::label;
use pluvio_runtime::conformance::{self, Subject};
use pluvio_runtime::driver::Driver;
use pluvio_runtime::memory::{Fault, FaultyDriver, MemoryDriver, Moment};
use pluvio_runtime::{ExecOutput, ExecRequest, Runtime};

use crate::scene::{Scene, docker, image};

/// Hands that reach into the engine behind the node's back.
enum Hands {
    Memory(MemoryDriver),
    Engine(std::path::PathBuf),
}

struct OverNode {
    config: Config,
    cluster: ClusterId,
    driver: Arc<FaultyDriver>,
    node: Option<Arc<Node>>,
    hands: Hands,
    image: (String, ImageFacts),
    strangers: Vec<String>,
}

impl OverNode {
    fn start(&mut self) {
        self.node = Some(Arc::new(
            Node::start(&self.config, self.driver.clone()).unwrap(),
        ));
    }

    async fn kill(&mut self) {
        let node = self.node.take().and_then(Arc::into_inner);
        node.expect("nobody else holds the node").kill().await;
    }
}

#[async_trait]
impl Subject for OverNode {
    fn runtime(&self) -> Arc<dyn Runtime> {
        self.node.clone().expect("the node runs")
    }
    fn cluster(&self) -> ClusterId {
        self.cluster
    }
    fn image(&self) -> (String, ImageFacts) {
        self.image.clone()
    }
    async fn restart(&mut self) {
        self.kill().await;
        self.start();
    }
    fn hold_at(&mut self, step: u64, at: Moment) -> bool {
        self.driver.set(Some(Fault::Hang { step, at }));
        true
    }
    fn stride(&self) -> u64 {
        match self.hands {
            Hands::Memory(_) => 1,
            Hands::Engine(_) => 5,
        }
    }
    async fn held(&self) {
        let _ = self.driver.reached().wait_for(|reached| *reached).await;
    }
    fn let_go(&mut self) {
        self.driver.set(None);
    }
    async fn objects(&self, application: ApplicationId) -> Vec<String> {
        let of = |labels: &indexmap::IndexMap<String, String>| {
            labels.get(label::APPLICATION) == Some(&application.to_string())
        };
        let containers = self.driver.containers().await.unwrap();
        let networks = self.driver.networks().await.unwrap();
        let containers = containers
            .into_iter()
            .filter(|c| of(&c.labels))
            .map(|c| c.name);
        containers
            .chain(
                networks
                    .into_iter()
                    .filter(|n| of(&n.labels))
                    .map(|n| n.name),
            )
            .collect()
    }
    async fn volumes(&self, application: ApplicationId) -> Vec<String> {
        let volumes = self.driver.volumes().await.unwrap().into_iter();
        volumes
            .filter(|v| v.labels.get(label::APPLICATION) == Some(&application.to_string()))
            .map(|v| v.name)
            .collect()
    }
    async fn add_stranger(&mut self) -> String {
        let name = format!("stranger-{}", &uuid::Uuid::now_v7().to_string()[24..]);
        match &self.hands {
            Hands::Memory(engine) => engine.add_stranger(&name),
            Hands::Engine(socket) => {
                docker(socket, &["run", "-d", "--name", &name, &image()]);
            }
        }
        self.strangers.push(name.clone());
        name
    }
    async fn is_well(&self, stranger: &str) -> bool {
        match &self.hands {
            Hands::Memory(engine) => engine.all().get(stranger) == Some(&true),
            Hands::Engine(socket) => {
                docker(socket, &["inspect", "-f", "{{.State.Running}}", stranger]) == "true"
            }
        }
    }
    async fn remove_by_hand(&mut self, _: ApplicationId, instance: &str) {
        match &self.hands {
            Hands::Memory(engine) => engine.remove_by_hand(instance),
            Hands::Engine(socket) => {
                docker(socket, &["rm", "-f", instance]);
            }
        }
    }
    async fn end_by_hand(&mut self, _: ApplicationId, instance: &str) {
        match &self.hands {
            Hands::Memory(engine) => engine.end(instance, 137, false),
            Hands::Engine(socket) => {
                docker(socket, &["kill", instance]);
            }
        }
    }
    async fn file(&self, application: ApplicationId, instance: &str, path: &str) -> Option<String> {
        if let Hands::Memory(engine) = &self.hands {
            return engine.file(instance, path);
        }
        let request = ExecRequest {
            application,
            instance: instance.to_owned(),
            container: None,
            command: vec!["cat".to_owned(), path.to_owned()],
            tty: false,
            size: None,
        };
        let session = self.driver.exec(&request).await.ok()?;
        let text = session
            .output
            .fold(Vec::new(), |mut text, item| async move {
                if let ExecOutput::Out(bytes) = item {
                    text.extend_from_slice(&bytes);
                }
                text
            });
        Some(String::from_utf8_lossy(&text.await).into_owned())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_over_an_engine_in_memory_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = ClusterId(uuid::Uuid::now_v7());
    let engine = MemoryDriver::new(cluster);
    let facts = ImageFacts {
        id: "sha256:example".to_owned(),
        ..ImageFacts::default()
    };
    engine.add_image("localhost/example:1", facts.clone());
    let mut config = Config::new(folder.path());
    config.listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    let mut subject = OverNode {
        config,
        cluster,
        driver: Arc::new(FaultyDriver::new(Arc::new(engine.clone()))),
        node: None,
        hands: Hands::Memory(engine),
        image: ("localhost/example:1".to_owned(), facts),
        strangers: Vec::new(),
    };
    subject.start();
    conformance::run(&mut subject).await;
    subject.kill().await;
}

pub(crate) async fn a_node_conforms(mut scene: Scene) {
    scene.kill_node().await;
    let socket = scene.driver.engine().socket().to_owned();
    let facts = scene.driver.image(&image()).await.unwrap().unwrap();
    let mut subject = OverNode {
        config: scene.config.clone(),
        cluster: scene.driver.cluster(),
        driver: Arc::new(FaultyDriver::new(scene.driver.clone())),
        node: None,
        hands: Hands::Engine(socket.clone()),
        image: (image(), facts),
        strangers: Vec::new(),
    };
    subject.start();
    conformance::run(&mut subject).await;
    subject.kill().await;
    for stranger in &subject.strangers {
        docker(&socket, &["rm", "-f", stranger]);
    }
    scene.close().await;
}
