//! The engine that this node belongs to, found when it is there.
//!
//! The first engine that answers is the node's from then on: its socket and identity are written down in `engine.json`.
//! Another one is another cluster and is refused, never taken for a fresh start. The node lives without an engine: each verb
//! looks for it anew until it answers.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use pluvio_engine::{DockerDriver, Engine, find_engine};
use pluvio_model::facts::{Facts, ImageFacts};
use pluvio_model::id::ClusterId;
use pluvio_plan::lower::engine::{ContainerCreate, NetworkPlan, VolumePlan};
use pluvio_runtime::driver::{
    Driver, DriverError, DriverLogLine, ExecAs, FileToWrite, SeenContainer, SeenNetwork, SeenVolume,
};
use pluvio_runtime::{BoxStream, ExecRequest, ExecSession};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::disk::{self, Durability};

#[derive(Debug)]
pub(crate) struct BoundEngine {
    configured: Option<PathBuf>,
    /// `node/engine.json`
    path: PathBuf,
    /// Stays with the data folder: two installations on one engine are two clusters.
    installation: String,
    driver: Mutex<Option<DockerDriver>>,
}

/// Which engine it is, once one answered.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Bond {
    installation: String,
    #[serde(default)]
    engine: Option<BondEngine>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct BondEngine {
    cluster: ClusterId,
    socket: PathBuf,
}

/// The cluster that the node of a data folder belongs to, if it ever saw an engine.
pub(crate) fn bound_cluster(data: &Path) -> Option<ClusterId> {
    let bond: Option<Bond> = disk::read_json(&data.join("node/engine.json")).ok()?;
    bond?.engine.map(|engine| engine.cluster)
}

impl BoundEngine {
    /// `folder`: the node's own.
    pub(crate) fn open(folder: &Path, configured: Option<PathBuf>) -> std::io::Result<BoundEngine> {
        let path = folder.join("engine.json");
        let mut bond: Bond = disk::read_json(&path)?.unwrap_or_default();
        if bond.installation.is_empty() {
            bond.installation = uuid::Uuid::now_v7().to_string();
            disk::write_json(&path, &bond, Durability::Synced)?;
        }
        Ok(BoundEngine {
            configured,
            path,
            installation: bond.installation,
            driver: Mutex::default(),
        })
    }

    /// The engine, if it answers and is the one.
    async fn driver(&self) -> Result<DockerDriver, DriverError> {
        let mut held = self.driver.lock().await;
        if let Some(driver) = &*held {
            return Ok(driver.clone());
        }
        let unreadable = |error: std::io::Error| {
            DriverError::Unreachable(format!("{} cannot be used: {error}", self.path.display()))
        };
        let bond: Bond = disk::read_json(&self.path)
            .map_err(unreadable)?
            .unwrap_or_default();
        let socket = match (&self.configured, &bond.engine) {
            (Some(configured), _) => Some(configured.clone()),
            (None, Some(engine)) => Some(engine.socket.clone()),
            (None, None) => None,
        };
        let engine = match &socket {
            Some(socket) => Engine::connect(socket).await?,
            None => find_engine(None).await.map_err(|problem| {
                let tried = problem.evidence.join("; ");
                DriverError::Unreachable(format!("{} {tried}", problem.cause))
            })?,
        };
        let cluster = engine.cluster(&self.installation).await?;
        match &bond.engine {
            Some(known) if known.cluster != cluster => {
                return Err(DriverError::Foreign(format!(
                    "{:?} {} at {} (cluster {cluster}, not {})",
                    engine.kind(),
                    engine.version(),
                    engine.socket().display(),
                    known.cluster
                )));
            }
            Some(_) => {}
            None => {
                let bond = Bond {
                    installation: self.installation.clone(),
                    engine: Some(BondEngine {
                        cluster,
                        socket: engine.socket().to_owned(),
                    }),
                };
                disk::write_json(&self.path, &bond, Durability::Synced).map_err(unreadable)?;
            }
        }
        let files = self.path.with_file_name("files");
        let driver = DockerDriver::new(engine, cluster).with_files(files);
        *held = Some(driver.clone());
        Ok(driver)
    }

    /// An engine that went away may come back as another version, or be another one: it is looked at anew.
    async fn look_again<T>(&self, answer: Result<T, DriverError>) -> Result<T, DriverError> {
        if matches!(answer, Err(DriverError::Unreachable(_))) {
            *self.driver.lock().await = None;
        }
        answer
    }
}

macro_rules! pass_on {
    ($self:ident.$verb:ident($($argument:expr),*)) => {{
        let driver = $self.driver().await?;
        let answer = driver.$verb($($argument),*).await;
        $self.look_again(answer).await
    }};
}

#[async_trait]
impl Driver for BoundEngine {
    async fn facts(&self) -> Result<Facts, DriverError> {
        pass_on!(self.facts())
    }
    async fn containers(&self) -> Result<Vec<SeenContainer>, DriverError> {
        pass_on!(self.containers())
    }
    async fn networks(&self) -> Result<Vec<SeenNetwork>, DriverError> {
        pass_on!(self.networks())
    }
    async fn volumes(&self) -> Result<Vec<SeenVolume>, DriverError> {
        pass_on!(self.volumes())
    }
    async fn taken_subnets(&self) -> Result<Vec<String>, DriverError> {
        pass_on!(self.taken_subnets())
    }
    async fn ensure_network(&self, network: &NetworkPlan, subnet: &str) -> Result<(), DriverError> {
        pass_on!(self.ensure_network(network, subnet))
    }
    async fn remove_network(&self, name: &str) -> Result<(), DriverError> {
        pass_on!(self.remove_network(name))
    }
    async fn join_network(
        &self,
        container: &str,
        network: &str,
        address: Option<IpAddr>,
    ) -> Result<(), DriverError> {
        pass_on!(self.join_network(container, network, address))
    }
    async fn ensure_volume(&self, volume: &VolumePlan) -> Result<(), DriverError> {
        pass_on!(self.ensure_volume(volume))
    }
    async fn has_volume(&self, name: &str) -> Result<bool, DriverError> {
        pass_on!(self.has_volume(name))
    }
    async fn remove_volume(&self, name: &str) -> Result<(), DriverError> {
        pass_on!(self.remove_volume(name))
    }
    async fn create(
        &self,
        container: &ContainerCreate,
        address: Option<IpAddr>,
    ) -> Result<(), DriverError> {
        pass_on!(self.create(container, address))
    }
    async fn write_files(&self, container: &str, files: &[FileToWrite]) -> Result<(), DriverError> {
        pass_on!(self.write_files(container, files))
    }
    async fn start(&self, container: &str) -> Result<(), DriverError> {
        pass_on!(self.start(container))
    }
    async fn stop(&self, container: &str, grace_seconds: u64) -> Result<(), DriverError> {
        pass_on!(self.stop(container, grace_seconds))
    }
    async fn signal(&self, container: &str, signal: &str) -> Result<(), DriverError> {
        pass_on!(self.signal(container, signal))
    }
    async fn remove(&self, container: &str) -> Result<(), DriverError> {
        pass_on!(self.remove(container))
    }
    async fn logs(
        &self,
        container: &str,
        since: Option<jiff::Timestamp>,
        follow: bool,
    ) -> Result<BoxStream<DriverLogLine>, DriverError> {
        pass_on!(self.logs(container, since, follow))
    }
    async fn exec_as(
        &self,
        request: &ExecRequest,
        own: &ExecAs,
    ) -> Result<ExecSession, DriverError> {
        pass_on!(self.exec_as(request, own))
    }
    async fn image(&self, reference: &str) -> Result<Option<ImageFacts>, DriverError> {
        pass_on!(self.image(reference))
    }
    async fn events(&self) -> Result<BoxStream<()>, DriverError> {
        pass_on!(self.events())
    }
    async fn import_image(
        &self,
        tar: &std::path::Path,
        reference: &str,
        label: &str,
    ) -> Result<(), DriverError> {
        pass_on!(self.import_image(tar, reference, label))
    }
    async fn rebind(&self) -> Result<(), DriverError> {
        let bond = Bond {
            installation: self.installation.clone(),
            engine: None,
        };
        disk::write_json(&self.path, &bond, Durability::Synced).map_err(|error| {
            DriverError::Unreachable(format!(
                "{} cannot be written: {error}",
                self.path.display()
            ))
        })?;
        *self.driver.lock().await = None;
        self.driver().await.map(drop)
    }
}
