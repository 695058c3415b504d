//! The engine as a node sees it: what one installation made, and the verbs on it.

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use http::Method;
use http_body_util::BodyStream;
use indexmap::IndexMap;
use pluvio_model::facts::{Facts, ImageFacts, Reach};
use pluvio_model::id::ClusterId;
use pluvio_model::image::ContentHash;
use pluvio_plan::lower::engine::{ContainerCreate, NetworkJoin, NetworkPlan, VolumePlan, label};
use pluvio_runtime::driver::{
    Driver, DriverError, DriverLogLine, ExecAs, FileToWrite, SeenContainer, SeenNetwork, SeenVolume,
};
use pluvio_runtime::{BoxStream, ExecRequest, ExecSession};
use serde::Deserialize;
use serde_json::Value;

use crate::connection::{Engine, empty};
use crate::container::ExecCommand;
use crate::placed::{self, Placed};
use crate::seen::Remembered;
use crate::stream::Documents;

/// An engine and the installation whose things are seen and touched.
#[derive(Debug, Clone)]
pub struct DockerDriver {
    engine: Engine,
    cluster: ClusterId,
    remembered: Arc<Remembered>,
    /// Where files lie that the engine cannot put into a container itself.
    placed: Option<Placed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    #[serde(default, rename = "ID")]
    id: String,
    #[serde(default)]
    docker_root_dir: String,
    #[serde(default)]
    security_options: Option<Vec<String>>,
    /// Podman only.
    #[serde(default)]
    rootless: Option<bool>,
    #[serde(default, rename = "NCPU")]
    cpus: u64,
    #[serde(default)]
    mem_total: u64,
    #[serde(default)]
    architecture: String,
}

/// The volume whose label holds the identity of an engine that has none of its own.
const IDENTITY_VOLUME: &str = "pluvio-identity";
const IDENTITY_LABEL: &str = "io.pluvio.identity";

impl Engine {
    async fn info(&self) -> Result<Info, DriverError> {
        self.get("/info")
            .await
            .map_err(|f| f.attempting("tell about itself", "the engine"))
    }

    /// The engine's identity and the installation's together: another engine is another cluster, and two installations on
    /// one engine never touch each other's containers. `installation` is any text that stays with the data folder.
    ///
    /// Docker has an id, which a second daemon on the machine shares, so its data folder is part of the identity. Podman
    /// makes up another id for each answer: a volume keeps one.
    pub async fn cluster(&self, installation: &str) -> Result<ClusterId, DriverError> {
        let engine = if self.is_podman() {
            self.kept_identity().await?
        } else {
            let info = self.info().await?;
            format!("{} {}", info.id, info.docker_root_dir)
        };
        let hash = ContentHash::of(&(engine, installation));
        let id = &hash.as_str()[..32];
        Ok(id.parse().expect("32 hex digits are a UUID"))
    }

    async fn kept_identity(&self) -> Result<String, DriverError> {
        let fresh = uuid::Uuid::now_v7().to_string();
        let labels = IndexMap::from([(IDENTITY_LABEL.to_owned(), fresh)]);
        self.ensure_volume(IDENTITY_VOLUME, &labels).await?;
        // Read back: someone else may have made it first.
        let volume = self.volume(IDENTITY_VOLUME).await?;
        volume
            .and_then(|volume| volume.labels.get(IDENTITY_LABEL).cloned())
            .ok_or_else(|| DriverError::Refused {
                attempt: "keep its identity".to_owned(),
                message: format!("the volume {IDENTITY_VOLUME} lacks the label {IDENTITY_LABEL}"),
            })
    }

    /// What the engine can do and holds.
    pub async fn facts(&self, cluster: ClusterId) -> Result<Facts, DriverError> {
        let info = self.info().await?;
        let options = info.security_options.unwrap_or_default();
        let rootless = info.rootless.unwrap_or(false)
            || options.iter().any(|option| option.contains("rootless"));
        Ok(Facts {
            cluster,
            runtime: self.kind(),
            version: self.version().to_owned(),
            architecture: match info.architecture.as_str() {
                "x86_64" => "amd64".to_owned(),
                "aarch64" => "arm64".to_owned(),
                other => other.to_owned(),
            },
            reach: if rootless {
                Reach::PublishedLoopback
            } else {
                Reach::Bridge
            },
            rootless,
            cpu_millis: info.cpus * 1000,
            memory_bytes: info.mem_total,
        })
    }
}

impl DockerDriver {
    pub fn new(engine: Engine, cluster: ClusterId) -> DockerDriver {
        DockerDriver {
            engine,
            cluster,
            remembered: Arc::default(),
            placed: None,
        }
    }

    /// `folder`, of the same machine as the engine, takes the files that are mounted rather than put into a container: those of
    /// a read-only root, and those below memory.
    pub fn with_files(mut self, folder: PathBuf) -> DockerDriver {
        self.placed = Some(Placed::new(folder));
        self
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    fn labels(&self) -> [String; 1] {
        [format!("{}={}", label::INSTALLATION, self.cluster)]
    }

    /// What is not there, or not ours, is not found.
    async fn ours(&self, container: &str) -> Result<(), DriverError> {
        let inspected = self.engine.inspect(container).await?;
        if inspected.label(label::INSTALLATION) == Some(self.cluster.to_string().as_str()) {
            return Ok(());
        }
        Err(DriverError::NotFound {
            what: format!("a container {container} of this installation"),
        })
    }

    async fn complete(
        &self,
        container: &ContainerCreate,
        id: &str,
        files: &[FileToWrite],
        placed: &[FileToWrite],
    ) -> Result<(), DriverError> {
        for network in &container.further_networks {
            let NetworkJoin {
                name,
                address,
                aliases,
            } = network;
            self.engine
                .join_network(id, name, *address, aliases)
                .await?;
        }
        self.engine.write_files(id, files).await?;
        if let Some(folder) = self.placed.as_ref().filter(|_| !placed.is_empty()) {
            let owner = self.engine.owner_of(id).await?;
            folder
                .give(&container.name, placed, owner)
                .map_err(|error| not_placed(&container.name, &error))?;
        }
        Ok(())
    }

    /// What is put into the container, and what is mounted; the latter is there when this returns.
    async fn place(
        &self,
        container: &ContainerCreate,
        body: &mut Value,
    ) -> Result<(Vec<FileToWrite>, Vec<FileToWrite>), DriverError> {
        let files = container.files.iter().map(|file| FileToWrite {
            path: file.path.to_string(),
            mode: file.mode,
            content: file.content.clone().into(),
        });
        let Some(folder) = &self.placed else {
            return Ok((files.collect(), Vec::new()));
        };
        let (hidden, open): (Vec<FileToWrite>, Vec<FileToWrite>) =
            files.partition(|file| placed::is_hidden(body, &file.path));
        if !hidden.is_empty() {
            let there = self.containers().await?;
            let names: HashSet<&str> = there.iter().map(|one| one.name.as_str()).collect();
            folder.sweep(|name| names.contains(name));
            folder
                .write(&container.name, &hidden, body)
                .map_err(|error| not_placed(&container.name, &error))?;
        }
        Ok((open, hidden))
    }
}

fn not_placed(container: &str, error: &std::io::Error) -> DriverError {
    DriverError::Refused {
        attempt: format!("put files beside the container {container}"),
        message: error.to_string(),
    }
}

#[async_trait]
impl Driver for DockerDriver {
    async fn facts(&self) -> Result<Facts, DriverError> {
        self.engine.facts(self.cluster).await
    }

    async fn containers(&self) -> Result<Vec<SeenContainer>, DriverError> {
        let labels = self.labels();
        self.remembered.containers(&self.engine, &labels).await
    }

    async fn networks(&self) -> Result<Vec<SeenNetwork>, DriverError> {
        self.engine.list_networks(&self.labels()).await
    }

    async fn volumes(&self) -> Result<Vec<SeenVolume>, DriverError> {
        self.engine.list_volumes(&self.labels()).await
    }

    async fn taken_subnets(&self) -> Result<Vec<String>, DriverError> {
        self.engine.taken_subnets().await
    }

    async fn ensure_network(&self, network: &NetworkPlan, subnet: &str) -> Result<(), DriverError> {
        self.engine
            .ensure_network(
                &network.name,
                &network.labels,
                network.internal,
                Some(subnet),
            )
            .await
    }

    async fn remove_network(&self, name: &str) -> Result<(), DriverError> {
        self.engine.remove_network(name).await
    }

    async fn join_network(
        &self,
        container: &str,
        network: &str,
        address: Option<IpAddr>,
    ) -> Result<(), DriverError> {
        self.ours(container).await?;
        let inspected = self.engine.inspect(container).await?;
        if inspected.is_on(network) {
            return Ok(());
        }
        let names = inspected.names_beside(network);
        let joined = self
            .engine
            .join_network(container, network, address, &names)
            .await;
        self.remembered.forget(container);
        joined
    }

    async fn ensure_volume(&self, volume: &VolumePlan) -> Result<(), DriverError> {
        self.engine
            .ensure_volume_with(&volume.name, &volume.labels, &volume.options)
            .await
    }

    async fn has_volume(&self, name: &str) -> Result<bool, DriverError> {
        Ok(self.engine.volume(name).await?.is_some())
    }

    async fn remove_volume(&self, name: &str) -> Result<(), DriverError> {
        self.engine.remove_volume(name).await
    }

    /// With its files and further networks: when this returns, it may start. A failure half-way leaves nothing.
    async fn create(
        &self,
        container: &ContainerCreate,
        address: Option<IpAddr>,
    ) -> Result<(), DriverError> {
        // Podman answers 500 to a name that is taken, so look first. A foreign container is not "already there".
        match self.engine.inspect(&container.name).await {
            Ok(inspected) => {
                let ours =
                    inspected.label(label::INSTALLATION) == Some(self.cluster.to_string().as_str());
                let what = format!("container {}", container.name);
                return Err(if ours {
                    DriverError::AlreadyExists { what }
                } else {
                    DriverError::Refused {
                        attempt: format!("create {what}"),
                        message: "the name belongs to a container of someone else".to_owned(),
                    }
                });
            }
            Err(DriverError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        let mut body = container.body.clone();
        if let Some(address) = address {
            let network = body["HostConfig"]["NetworkMode"]
                .as_str()
                .map(str::to_owned);
            if let Some(network) = network {
                body["NetworkingConfig"]["EndpointsConfig"][network.as_str()]["IPAMConfig"]["IPv4Address"] =
                    address.to_string().into();
            }
        }
        let (files, placed) = self.place(container, &mut body).await?;
        let made = async {
            let id = self.engine.create_container(&container.name, &body).await?;
            let completed = self.complete(container, &id, &files, &placed).await;
            if completed.is_err() {
                let _ = self.engine.remove_container(&id).await;
            }
            completed
        };
        let made = made.await;
        if let Some(folder) = self.placed.as_ref().filter(|_| made.is_err()) {
            let _ = folder.remove(&container.name);
        }
        made
    }

    async fn write_files(&self, container: &str, files: &[FileToWrite]) -> Result<(), DriverError> {
        let mut open = Vec::new();
        for file in files {
            let rewritten = match &self.placed {
                Some(folder) => folder
                    .rewrite(container, file)
                    .map_err(|error| not_placed(container, &error))?,
                None => false,
            };
            if !rewritten {
                open.push(file.clone());
            }
        }
        self.engine.write_files(container, &open).await
    }

    async fn start(&self, container: &str) -> Result<(), DriverError> {
        let started = self.engine.start_container(container).await;
        self.remembered.forget(container);
        started
    }

    async fn stop(&self, container: &str, grace_seconds: u64) -> Result<(), DriverError> {
        let stopped = self
            .engine
            .stop_container(container, Duration::from_secs(grace_seconds))
            .await;
        self.remembered.forget(container);
        stopped
    }

    async fn signal(&self, container: &str, signal: &str) -> Result<(), DriverError> {
        let signalled = self.engine.signal_container(container, signal).await;
        self.remembered.forget(container);
        signalled
    }

    async fn remove(&self, container: &str) -> Result<(), DriverError> {
        self.ours(container).await?;
        self.engine.remove_container(container).await?;
        if let Some(folder) = &self.placed {
            // What stays is swept later.
            let _ = folder.remove(container);
        }
        Ok(())
    }

    async fn logs(
        &self,
        container: &str,
        since: Option<jiff::Timestamp>,
        follow: bool,
    ) -> Result<BoxStream<DriverLogLine>, DriverError> {
        self.engine.logs(container, since, follow).await
    }

    async fn exec_as(
        &self,
        request: &ExecRequest,
        own: &ExecAs,
    ) -> Result<ExecSession, DriverError> {
        let mut env = own.env.clone();
        if request.tty {
            // What a terminal's programs draw by.
            env.push("TERM=xterm-256color".to_owned());
        }
        let command = ExecCommand {
            command: request.command.clone(),
            env,
            user: own.user.clone(),
            working_dir: own.working_dir.clone(),
            privileged: own.privileged,
            tty: request.tty,
            size: request.size,
        };
        let session = self
            .engine
            .exec_session(&request.instance, &command, !own.no_input);
        session.await
    }

    async fn image(&self, reference: &str) -> Result<Option<ImageFacts>, DriverError> {
        self.engine.image_facts(reference).await
    }

    async fn import_image(
        &self,
        tar: &std::path::Path,
        reference: &str,
        label: &str,
    ) -> Result<(), DriverError> {
        self.engine.import_only(tar, reference, label).await
    }

    /// Filtered here: Podman's filters leave out what they should not.
    async fn events(&self) -> Result<BoxStream<()>, DriverError> {
        let response = self
            .engine
            .send(Method::GET, "/events", &[], empty())
            .await
            .map_err(|f| f.attempting("tell its events", "events"))?;
        // What happened before anybody listened.
        self.remembered.forget_all();
        let mut documents = Documents::default();
        let ours = self.cluster.to_string();
        let remembered = self.remembered.clone();
        let hints = BodyStream::new(response.into_body())
            .take_while(|frame| futures::future::ready(frame.is_ok()))
            .filter_map(move |frame| {
                let frame = frame.ok();
                let bytes = frame.as_ref().and_then(|frame| frame.data_ref());
                let mut concerns_us = false;
                for event in documents.push(bytes.map_or(&[][..], |data| data)) {
                    let actor = &event["Actor"];
                    // Probes that run a command change nothing: `exec_start` and the like, Podman's `exec`.
                    let is_exec = event["Action"]
                        .as_str()
                        .is_some_and(|a| a.starts_with("exec"));
                    let ours = actor["Attributes"][label::INSTALLATION] == *ours;
                    if event["Type"] == "container" && ours && !is_exec {
                        concerns_us = true;
                        actor["ID"].as_str().inspect(|id| remembered.forget(id));
                    }
                }
                futures::future::ready(concerns_us.then_some(()))
            });
        Ok(hints.boxed())
    }
}
