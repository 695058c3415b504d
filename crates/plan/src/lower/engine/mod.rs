//! A stage in the words of the Docker Engine API (1.41, which Docker and Podman speak).
//!
//! [`engine`] gives templates: everything of a container but what belongs to one instance of it. [`InstanceTemplate::create`]
//! puts that in (name, slot, address) and resolves secrets, and gives the body to post as it is.

mod api;

pub use api::*;

use std::net::IpAddr;

use indexmap::IndexMap;
use pluvio_model::facts::Facts;
use pluvio_model::id::{ApplicationId, ClusterId, Generation, VolumeId};
use pluvio_model::image::ContentHash;
use pluvio_model::name::{EnvName, Name};
use pluvio_model::problem::Problem;
use pluvio_model::release::{DecidedFile, DecidedPort, DecidedProbes, DecidedRollout};
use pluvio_model::spec::{AbsolutePath, RestartPolicy};
use pluvio_model::stage::RunWish;
use pluvio_model::template::{Rendered, SecretRef};

/// What is whose: labels on every object that Pluvio makes on an engine.
pub mod label {
    /// The cluster's id: which installation made it. What lacks it is never touched.
    pub const INSTALLATION: &str = "io.pluvio.installation";
    /// The application's id.
    pub const APPLICATION: &str = "io.pluvio.application";
    /// The application's name, for people.
    pub const APPLICATION_NAME: &str = "io.pluvio.application-name";
    pub const COMPONENT: &str = "io.pluvio.component";
    /// The component's content hash, whole.
    pub const HASH: &str = "io.pluvio.hash";
    /// The number of the release it was made for. Later releases with the same content keep the container.
    pub const RELEASE: &str = "io.pluvio.release";
    /// The generation it was made in.
    pub const GENERATION: &str = "io.pluvio.generation";
    pub const SLOT: &str = "io.pluvio.slot";
    /// `main`, `init` or `sidecar`.
    pub const ROLE: &str = "io.pluvio.role";
    /// On a network: its name in the application; `default` for the application's own.
    pub const NETWORK: &str = "io.pluvio.network";
    /// On a volume: its name in the application.
    pub const VOLUME: &str = "io.pluvio.volume";
    pub const VOLUME_ID: &str = "io.pluvio.volume-id";
}

/// Everything of a stage, in the engine's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnginePlan {
    /// The application's own network first.
    pub networks: Vec<NetworkPlan>,
    pub volumes: Vec<VolumePlan>,
    /// The components that the stage names.
    pub components: Vec<ComponentPlan>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkPlan {
    /// The engine's name of it.
    pub name: String,
    pub labels: IndexMap<String, String>,
    /// No way out.
    pub internal: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumePlan {
    /// The engine's name of it.
    pub name: String,
    /// Its name in the application.
    pub volume: Name,
    pub id: VolumeId,
    pub labels: IndexMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentPlan {
    pub name: Name,
    pub hash: ContentHash,
    pub instances: u32,
    pub rollout: DecidedRollout,
    pub restart: RestartPolicy,
    pub probes: DecidedProbes,
    pub ports: IndexMap<Name, DecidedPort>,
    pub instance: InstanceTemplate,
    /// Files that are written into running instances when they change.
    pub hot_files: IndexMap<AbsolutePath, DecidedFile>,
}

/// The containers of one instance, in the order they are made: each init step runs to its end before the next; then main.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceTemplate {
    application_name: Name,
    component: Name,
    application: ApplicationId,
    installation: ClusterId,
    release: u64,
    generation: Generation,
    hash: ContentHash,
    pub init: Vec<ContainerTemplate>,
    pub main: ContainerTemplate,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerTemplate {
    /// `None` for the main container.
    pub name: Option<Name>,
    pub body: CreateBody,
    pub env: IndexMap<EnvName, Rendered>,
    /// Written into the created container before it starts, hot ones included.
    pub files: IndexMap<AbsolutePath, DecidedFile>,
    /// The engine's names of the networks it joins; the first at creation, the rest before it starts.
    pub networks: Vec<String>,
    patch: Option<serde_json::Value>,
}

/// What belongs to one instance only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstancePlace {
    pub slot: u32,
    /// Its address on the application's network.
    pub address: Option<IpAddr>,
    /// Inner names and where they lead, besides the release's own `extra_hosts`.
    pub hosts: IndexMap<String, IpAddr>,
}

/// A container to make, nothing left open. Holds secret values: never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct ContainerCreate {
    pub name: String,
    /// The body of `POST /containers/create?name=…`, the user's `patch.engine` merged in.
    pub body: serde_json::Value,
    /// Absolute path, octal permission bits, content: written before it starts.
    pub files: Vec<FileCreate>,
    /// Networks to join besides the one in the body, before it starts.
    pub further_networks: Vec<String>,
}

#[derive(Clone, PartialEq, Eq)]
pub struct FileCreate {
    pub path: AbsolutePath,
    pub mode: u16,
    pub content: String,
}

impl std::fmt::Debug for ContainerCreate {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "ContainerCreate({})", self.name)
    }
}
impl std::fmt::Debug for FileCreate {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "FileCreate({} {:04o})", self.path, self.mode)
    }
}

/// Lowers a stage. What an engine cannot do is refused by name, with its path in the specification.
pub fn engine(
    wish: &RunWish,
    application: ApplicationId,
    generation: Generation,
    facts: &Facts,
) -> Result<EnginePlan, Vec<Problem>> {
    todo!("{application} {generation} {facts:?} {:?}", wish.power)
}

/// The name of the application's own network.
pub fn network_name(application_name: &Name, application: ApplicationId) -> String {
    todo!("{application_name} {application}")
}

impl InstanceTemplate {
    /// The instance's name, which is its main container's: `shop--web--3f9c1d-0`. The hex digits are of the application's id and
    /// the content, so that two applications of one name never meet.
    pub fn name(&self, slot: u32) -> String {
        todo!("{slot}")
    }

    /// The containers of one instance, in the order they are made: init steps, then main. `Err` names a secret without a value.
    pub fn create(
        &self,
        place: &InstancePlace,
        secret: &dyn Fn(&SecretRef) -> Option<String>,
    ) -> Result<Vec<ContainerCreate>, SecretRef> {
        todo!("{place:?} {:?}", secret(todo!()))
    }
}

/// Files with their secrets put in: for hot files that changed.
pub fn resolve_files(
    files: &IndexMap<AbsolutePath, DecidedFile>,
    secret: &dyn Fn(&SecretRef) -> Option<String>,
) -> Result<Vec<FileCreate>, SecretRef> {
    todo!("{files:?} {:?}", secret(todo!()))
}
