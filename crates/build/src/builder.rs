//! The one entry: a request in, an image out, everything said on the way.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use pluvio_engine::{Engine, RegistryCredential};
use pluvio_model::facts::ImageFacts;
use pluvio_model::id::TeamId;
use pluvio_model::image::ImageReference;
use pluvio_model::name::{EnvName, Name};
use pluvio_model::operation::{StepName, StepState};
use pluvio_model::release::BuildRecord;
use pluvio_model::spec::{ComponentSpec, GitSource};
use pluvio_model::stage::SecretValue;
use tokio_util::sync::CancellationToken;

use crate::plan::BuildPlan;

/// What builds are made with. One value for the life of a process.
#[derive(Debug, Clone)]
pub struct BuildSettings {
    /// Whose build containers these are: stays with the installation.
    /// [`Builder::sweep`] removes what processes that crashed left.
    pub owner: String,
    /// A folder for sources while they are built; made if missing.
    pub work: PathBuf,
    /// `build.registry`: where base images are pulled from before they are made here, `docker.io` or a mirror with
    /// the same repositories (`mirror.example/library`). `None`: base images are made from Debian's packages.
    pub registry: Option<String>,
    pub limits: BuildLimits,
}

/// What one build may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildLimits {
    /// Thousandths of a core; 0: all cores, with a quarter of an application's weight.
    pub cpu_millis: u64,
    pub memory_bytes: u64,
    pub pids: u64,
    pub timeout: Duration,
}

impl BuildLimits {
    /// For a machine: every core at low weight, half the memory (1 to 8 GiB), 4,096 processes, an hour.
    pub fn of_machine(memory_bytes: u64) -> BuildLimits {
        BuildLimits {
            cpu_millis: 0,
            memory_bytes: (memory_bytes / 2).clamp(1 << 30, 8 << 30),
            pids: 4096,
            timeout: Duration::from_secs(3600),
        }
    }
}

/// Where the code is.
#[derive(Debug, Clone)]
pub enum BuildSource {
    /// A folder of this machine. Read, never written.
    Folder(PathBuf),
    /// An uploaded archive: zip, tar, or tar compressed with gzip.
    Archive(PathBuf),
    Git {
        git: GitSource,
        credential: Option<GitCredential>,
        hosts: SshHosts,
    },
}

/// Which SSH hosts are believed to be who they say.
#[derive(Debug, Clone)]
pub enum SshHosts {
    /// As whoever runs this has set up `ssh`: their configuration, keys and known hosts.
    Mine,
    /// By this file of `known_hosts` lines beside the system's own. A host that is in neither is believed the first time
    /// and written down; from then on its key must not change. Keys and configuration of whoever runs this are not used.
    Pinned(PathBuf),
}

/// How a private repository is opened.
#[derive(Clone, PartialEq, Eq)]
pub enum GitCredential {
    /// User and password or token, for HTTPS.
    Password { user: String, password: String },
    /// A private key in OpenSSH's form, for SSH, and as whom to sign in where the address does not say it.
    SshKey { user: Option<String>, key: String },
}

impl std::fmt::Debug for GitCredential {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            GitCredential::Password { user, .. } => write!(out, "Password({user})"),
            GitCredential::SshKey { .. } => out.write_str("SshKey"),
        }
    }
}

/// How the source becomes an image.
#[derive(Debug, Clone)]
pub enum Recipe {
    /// As [`crate::detect`] finds it, with what is known of the component: its `build`, command and ports win.
    Detect(Box<ComponentSpec>),
    /// As this plan says.
    Plan(Box<BuildPlan>),
}

/// Where the files of a Dockerfile's context beside its own are.
#[derive(Debug, Clone)]
pub enum ContextAtHand {
    Source(BuildSource),
    /// An image in the engine's store, which may go by this name there.
    Image {
        reference: String,
        id: String,
    },
}

/// One component to build.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    pub team: TeamId,
    pub team_name: Name,
    pub application: Name,
    pub component: Name,
    pub source: BuildSource,
    pub recipe: Recipe,
    /// Values of the secrets that the recipe names.
    pub secrets: BTreeMap<EnvName, SecretValue>,
    /// What of the recipe's contexts the source does not hold, by their names: repositories and images of other components.
    pub contexts: BTreeMap<String, ContextAtHand>,
    /// For base images and `FROM` images of private registries: their hosts and who pulls.
    pub registries: Vec<(String, RegistryCredential)>,
    pub cancel: CancellationToken,
}

/// What a build says while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogEntry {
    /// A step of the operation: `Fetch`, `Base`, `Build` or `Keep`, and how far it is. The note is for people:
    /// `main @ 4f1c9ae`, `node:22, made 3 days ago`, `unchanged`.
    Step {
        name: StepName,
        state: StepState,
        note: String,
    },
    /// A line of the log. Secrets are masked.
    Line { text: String, error: bool },
}

impl LogEntry {
    pub fn line(text: impl Into<String>) -> LogEntry {
        LogEntry::Line {
            text: text.into(),
            error: false,
        }
    }
}

/// Takes what a build says. Called from several tasks; must not block.
pub type Log = std::sync::Arc<dyn Fn(LogEntry) + Send + Sync>;

/// An image in the engine's store.
#[derive(Debug, Clone)]
pub struct BuiltImage {
    /// `localhost/pluvio/TEAM/APP/COMPONENT:KEY12`
    pub reference: ImageReference,
    pub facts: ImageFacts,
    /// `log` and `sbom` are the caller's to fill in.
    pub record: BuildRecord,
    /// CycloneDX 1.5, JSON.
    pub sbom: serde_json::Value,
    /// The same source with the same settings had been built: nothing ran.
    pub unchanged: bool,
    /// What was run and what was kept from before.
    pub steps: Vec<RanStep>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RanStep {
    pub name: String,
    pub cached: bool,
    pub duration: Duration,
}

/// Makes images. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Builder {
    pub(crate) engine: Engine,
    pub(crate) settings: std::sync::Arc<BuildSettings>,
    pub(crate) presence: std::sync::Arc<crate::presence::Presence>,
    /// Removing what finished builds need no more: nobody waits for it but [`Builder::settled`].
    pub(crate) clearing: tokio_util::task::TaskTracker,
    pub(crate) looked: std::sync::Arc<crate::inside::Looked>,
}
