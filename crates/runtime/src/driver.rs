//! The few verbs of a container engine. A driver makes no choices: names, addresses and bodies come from `plan`.

use std::net::IpAddr;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use indexmap::IndexMap;
use pluvio_model::facts::{Facts, ImageFacts};
use pluvio_model::problem::{self, Problem};
use pluvio_plan::lower::engine::{ContainerCreate, NetworkPlan, VolumePlan};

use crate::{BoxStream, ExecRequest, ExecSession, LogStream};

/// A container engine. Every verb is idempotent where the name says `ensure`, and says [`DriverError::NotFound`] otherwise.
#[async_trait]
pub trait Driver: Send + Sync + 'static {
    async fn facts(&self) -> Result<Facts, DriverError>;

    /// Every container of this installation (by label), running or not.
    async fn containers(&self) -> Result<Vec<SeenContainer>, DriverError>;
    async fn networks(&self) -> Result<Vec<SeenNetwork>, DriverError>;
    async fn volumes(&self) -> Result<Vec<SeenVolume>, DriverError>;
    /// Subnets that the machine routes or another network uses, as `10.88.0.0/16`: not to be chosen.
    async fn taken_subnets(&self) -> Result<Vec<String>, DriverError>;

    async fn ensure_network(&self, network: &NetworkPlan, subnet: &str) -> Result<(), DriverError>;
    async fn remove_network(&self, name: &str) -> Result<(), DriverError>;
    /// Puts a container, running or not, on one more network, under the names that it has on its own. There already: left so.
    async fn join_network(
        &self,
        container: &str,
        network: &str,
        address: Option<IpAddr>,
    ) -> Result<(), DriverError>;
    /// [`DriverError::OtherOptions`] where it is there and leads elsewhere.
    async fn ensure_volume(&self, volume: &VolumePlan) -> Result<(), DriverError>;
    /// Whether it has a volume of that name, whoever made it. By default: one of this installation's.
    async fn has_volume(&self, name: &str) -> Result<bool, DriverError> {
        let volumes = self.volumes().await?;
        Ok(volumes.iter().any(|volume| volume.name == name))
    }
    async fn remove_volume(&self, name: &str) -> Result<(), DriverError>;

    /// Creates, does not start. `AlreadyExists` when the name is taken by one of ours; look before creating.
    async fn create(
        &self,
        container: &ContainerCreate,
        address: Option<IpAddr>,
    ) -> Result<(), DriverError>;
    /// Puts files into a created or running container.
    async fn write_files(&self, container: &str, files: &[FileToWrite]) -> Result<(), DriverError>;
    async fn start(&self, container: &str) -> Result<(), DriverError>;
    /// Stop signal, then kill after `grace_seconds`. Returns when it has ended.
    async fn stop(&self, container: &str, grace_seconds: u64) -> Result<(), DriverError>;
    async fn signal(&self, container: &str, signal: &str) -> Result<(), DriverError>;
    /// With its anonymous volumes; kills it if it runs.
    async fn remove(&self, container: &str) -> Result<(), DriverError>;

    /// Output since a time (or from the start), going on while the container runs if `follow`.
    async fn logs(
        &self,
        container: &str,
        since: Option<jiff::Timestamp>,
        follow: bool,
    ) -> Result<BoxStream<DriverLogLine>, DriverError>;
    /// Runs a command in a running container. `request.instance` is the container's name.
    async fn exec(&self, request: &ExecRequest) -> Result<ExecSession, DriverError> {
        self.exec_as(request, &ExecAs::default()).await
    }
    /// The same with something of its own.
    async fn exec_as(
        &self,
        request: &ExecRequest,
        own: &ExecAs,
    ) -> Result<ExecSession, DriverError>;

    async fn image(&self, reference: &str) -> Result<Option<ImageFacts>, DriverError>;
    /// Makes an image of a root file system, a tar archive in a file. `label` marks it; images that were made with the same
    /// label before go, if nothing uses them.
    async fn import_image(
        &self,
        tar: &std::path::Path,
        reference: &str,
        label: &str,
    ) -> Result<(), DriverError> {
        let _ = (tar, label);
        Err(DriverError::Refused {
            attempt: format!("import {reference}"),
            message: "it keeps no images".to_owned(),
        })
    }

    /// Takes the engine that answers now for its own, where another one was before. Nothing to do for a driver of one engine.
    async fn rebind(&self) -> Result<(), DriverError> {
        Ok(())
    }

    /// Wakes when something may have happened in the engine (start, die, oom, destroy). Ends when the engine goes away; ask again.
    async fn events(&self) -> Result<BoxStream<()>, DriverError>;
}

/// What a command has otherwise than the program of its container. Holds secret values: never logged.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ExecAs {
    pub user: Option<String>,
    pub working_dir: Option<String>,
    /// `NAME=value`, besides the program's own.
    pub env: Vec<String>,
    /// All rights of the machine's root.
    pub privileged: bool,
    /// Nobody writes to it: it finds the end of its input at once.
    pub no_input: bool,
}

impl std::fmt::Debug for ExecAs {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "ExecAs({:?})", self.user)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileToWrite {
    pub path: String,
    pub mode: u16,
    pub content: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverLogLine {
    pub at: jiff::Timestamp,
    pub stream: LogStream,
    pub text: String,
}

/// A container as the engine tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenContainer {
    pub name: String,
    pub id: String,
    pub labels: IndexMap<String, String>,
    pub state: ContainerState,
    /// Its address on the application's network (or loopback for published ports).
    pub address: Option<IpAddr>,
    /// Every network that it is on, with its address there while it runs.
    pub networks: IndexMap<String, Option<IpAddr>>,
    /// Ports published on loopback, container port → machine port.
    pub published: IndexMap<u16, u16>,
    /// Process 1 on the machine, while it runs: leads to its cgroup.
    pub pid: Option<u32>,
    /// The file on the engine's machine that it has as `/etc/hosts`; none where the engine keeps none for it.
    pub hosts_file: Option<PathBuf>,
    pub created_at: jiff::Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerState {
    Created,
    Running {
        started_at: jiff::Timestamp,
    },
    Exited {
        code: i64,
        oom: bool,
        finished_at: jiff::Timestamp,
    },
    /// Being removed, dead, paused: not to be used.
    Other(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenNetwork {
    pub name: String,
    pub labels: IndexMap<String, String>,
    pub subnet: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenVolume {
    pub name: String,
    pub labels: IndexMap<String, String>,
    /// Those of its driver that say what is mounted: `type`, `device`, `o`.
    pub options: IndexMap<String, String>,
}

#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    #[error("{what} is not there")]
    NotFound { what: String },
    #[error("{what} is there already")]
    AlreadyExists { what: String },
    #[error("the engine does not answer: {0}")]
    Unreachable(String),
    #[error("this is another engine than the one that has the applications: {0}")]
    Foreign(String),
    #[error("no space is left on the engine's disk: {0}")]
    NoSpace(String),
    #[error("the port {0} of the machine is in use")]
    PortTaken(String),
    /// `plain`: it is there without any, and holds its data itself.
    #[error("the volume {volume} is there with other options")]
    OtherOptions { volume: String, plain: bool },
    #[error("the engine refused to {attempt}: {message}")]
    Refused { attempt: String, message: String },
}

impl DriverError {
    /// What a user may read. The engine's own words are shown: they name the user's image, command or path.
    pub fn to_problem(&self) -> Problem {
        match self {
            DriverError::NoSpace(_) => problem::DISK_FULL.problem(self.to_string(), "Free space on the engine's disk (`docker system df` shows what takes it), then Pluvio goes on by itself."),
            DriverError::PortTaken(port) => problem::PORT_TAKEN.problem(self.to_string(), format!("Choose another port under `publish`, or end what listens on {port}.")),
            DriverError::OtherOptions { plain: true, .. } => problem::SPEC_CONFLICT.problem(self.to_string(), "It has data of its own: give the one that leads to a share another name, and carry over what is needed."),
            DriverError::OtherOptions { volume, .. } => problem::SPEC_CONFLICT.problem(self.to_string(), format!("Delete it (`docker volume rm {volume}`; what a share has stays), write the options that it has, or give the volume another name.")),
            DriverError::Unreachable(_) => problem::ENGINE_MISSING.problem(self.to_string(), "Start the engine; running applications go on. `pluvio doctor` shows which socket is tried."),
            DriverError::Foreign(_) => problem::ENGINE_FOREIGN.problem(self.to_string(), "Start the engine that was used before, or move to this one with `pluvio cluster rebind`: its applications are made anew there."),
            _ => problem::ENGINE_FAILED.problem(self.to_string(), "Read the engine's words above; `pluvio doctor` checks the engine."),
        }
    }
    /// Whether trying the same again later can help.
    pub fn is_transient(&self) -> bool {
        matches!(self, DriverError::Unreachable(_) | DriverError::NoSpace(_))
    }
}
