use std::collections::BTreeMap;
use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;
use pluvio_model::facts::{Facts, ImageFacts};
use pluvio_model::id::{ApplicationId, Generation, VolumeId};
use pluvio_model::name::Name;
use pluvio_model::observed::{InstanceEvent, Observed, ObservedRun};
use pluvio_model::problem::{self, Problem};
use pluvio_model::stage::Stage;

/// A place where applications run.
#[async_trait]
pub trait Runtime: Send + Sync {
    /// What it can do and holds. Cheap enough to ask before each decision.
    async fn facts(&self) -> Result<Facts, RuntimeError>;
    /// Takes the stage as the wish for its application, durably, and works towards it from now on without being asked again.
    /// Idempotent. Refuses a generation older than the one it has with [`RuntimeError::Stale`].
    async fn apply(&self, stage: &Stage) -> Result<(), RuntimeError>;
    /// One application or all, in one call.
    async fn observe(&self, scope: Scope) -> Result<Observed, RuntimeError>;
    /// Wakes when something may have changed: hints only, never data.
    fn changes(&self) -> Changes;
}

/// What to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    All,
    Application(ApplicationId),
}

/// A receiver of hints: a counter that grows. `changed().await` returns when something may have changed since.
pub type Changes = tokio::sync::watch::Receiver<u64>;

pub type BoxStream<T> = Pin<Box<dyn Stream<Item = T> + Send>>;

#[derive(Debug, thiserror::Error)]
#[expect(
    clippy::large_enum_variant,
    reason = "errors are few, and each is told to somebody"
)]
pub enum RuntimeError {
    #[error("the runtime has generation {held}, which is newer than {offered}")]
    Stale {
        held: Generation,
        offered: Generation,
    },
    #[error("the runtime cannot be reached: {0}")]
    Unreachable(String),
    #[error("{0}")]
    Refused(Problem),
    #[error("{what} is not there")]
    NotFound { what: String },
}

impl RuntimeError {
    pub fn into_problem(self) -> Problem {
        match self {
            RuntimeError::Stale { .. } => problem::STALE_GENERATION.problem(self.to_string(), "Nothing needs to be done: the newer decision goes on."),
            RuntimeError::Unreachable(why) => problem::NODE_UNREACHABLE.problem(why, "Applications go on running. Start the node with `pluvio up`; `pluvio doctor` tells more."),
            RuntimeError::Refused(problem) => problem,
            RuntimeError::NotFound { what } => problem::NOT_FOUND.problem(format!("{what} is not there."), "`pluvio status` shows what runs."),
        }
    }
}

/// Live and kept logs of instances.
#[async_trait]
pub trait Logs: Send + Sync {
    /// Lines in the order of their time; with `follow` the stream goes on until dropped.
    async fn logs(&self, query: LogQuery) -> Result<BoxStream<LogLine>, RuntimeError>;
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LogQuery {
    pub application: ApplicationId,
    #[serde(default)]
    pub component: Option<Name>,
    #[serde(default)]
    /// With its sidecars and init steps.
    pub instance: Option<String>,
    /// Only lines of sidecars and init steps of this name; of main containers for `main`.
    #[serde(default)]
    pub container: Option<String>,
    /// Only lines at or after.
    #[serde(default)]
    pub since: Option<jiff::Timestamp>,
    #[serde(default)]
    pub until: Option<jiff::Timestamp>,
    /// Only lines that contain it.
    #[serde(default)]
    pub contains: Option<String>,
    /// Only the last so many of what is kept.
    #[serde(default)]
    pub tail: Option<usize>,
    #[serde(default)]
    pub follow: bool,
}

impl LogQuery {
    /// Whether lines of this container are meant, told by [`LogLine::instance`].
    pub fn is_about(&self, component: &Name, instance: &str) -> bool {
        let (of, container) = match instance.split_once('/') {
            Some((of, container)) => (of, container),
            None => (instance, "main"),
        };
        self.component.as_ref().is_none_or(|one| one == component)
            && self
                .instance
                .as_deref()
                .is_none_or(|one| one == instance || one == of)
            && self.container.as_deref().is_none_or(|one| one == container)
    }

    pub fn takes(&self, line: &LogLine) -> bool {
        self.is_about(&line.component, &line.instance)
            && self.since.is_none_or(|since| line.at >= since)
            && self.until.is_none_or(|until| line.at <= until)
            && self
                .contains
                .as_deref()
                .is_none_or(|part| line.text.contains(part))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LogLine {
    pub at: jiff::Timestamp,
    pub component: Name,
    /// The instance's name; for what a sidecar or an init step says, `INSTANCE/CONTAINER`.
    pub instance: String,
    pub stream: LogStream,
    pub text: String,
}

impl LogLine {
    /// The sidecar or init step that says it; `None` for a main container.
    pub fn container(&self) -> Option<&str> {
        Some(self.instance.split_once('/')?.1)
    }

    /// The instance of a sidecar or init step.
    pub fn of(&self) -> Option<&str> {
        Some(self.instance.split_once('/')?.0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogStream {
    Out,
    Err,
    /// What Pluvio itself says about the instance: started, killed, probe failed.
    Pluvio,
}

/// Commands and connections into instances.
#[async_trait]
pub trait Exec: Send + Sync {
    async fn exec(&self, request: ExecRequest) -> Result<ExecSession, RuntimeError>;
    /// A TCP connection to a port of an instance.
    async fn connect(
        &self,
        application: ApplicationId,
        instance: &str,
        port: u16,
    ) -> Result<Box<dyn Duplex>, RuntimeError>;
}

pub trait Duplex: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Duplex for T {}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ExecRequest {
    pub application: ApplicationId,
    pub instance: String,
    /// One of its sidecars, as the specification calls it; the main container when absent.
    #[serde(default)]
    pub container: Option<Name>,
    pub command: Vec<String>,
    #[serde(default)]
    pub tty: bool,
    /// Columns and rows of the terminal.
    #[serde(default)]
    pub size: Option<(u16, u16)>,
}

/// A running command. Dropping it ends the command's terminal.
pub struct ExecSession {
    pub output: BoxStream<ExecOutput>,
    pub input: tokio::sync::mpsc::Sender<ExecInput>,
}

impl std::fmt::Debug for ExecSession {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.write_str("ExecSession")
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecOutput {
    Out(Bytes),
    Err(Bytes),
    /// The last item: the exit code.
    Exit(i64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecInput {
    Bytes(Bytes),
    Resize(u16, u16),
    End,
}

/// Resource use of instances.
#[async_trait]
pub trait UsageSource: Send + Sync {
    /// The last sample and, with `history`, those of the last hour (one each ten seconds), by instance.
    async fn usage(
        &self,
        application: ApplicationId,
        history: bool,
    ) -> Result<BTreeMap<String, Vec<UsageSample>>, RuntimeError>;
    /// The last sample of every application's instances.
    async fn usage_of_all(&self) -> Result<Usages, RuntimeError>;
}

/// Samples of instances, by application and instance.
pub type Usages = BTreeMap<ApplicationId, BTreeMap<String, Vec<UsageSample>>>;

#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct UsageSample {
    pub at: jiff::Timestamp,
    /// Thousandths of a core over the time since the sample before.
    pub cpu_millis: u32,
    /// Resident memory without page cache.
    pub memory_bytes: u64,
}

/// What happened to instances.
#[async_trait]
pub trait Events: Send + Sync {
    /// Of all instances of the application or of one, the newest first. A runtime keeps them for a while only.
    async fn events(
        &self,
        application: ApplicationId,
        instance: Option<&str>,
    ) -> Result<Vec<InstanceEvent>, RuntimeError>;
}

/// Images that a runtime holds.
#[async_trait]
pub trait Images: Send + Sync {
    /// `None` when it is not at hand.
    async fn image(&self, reference: &str) -> Result<Option<ImageFacts>, RuntimeError>;
}

/// Programs that come to an end.
#[async_trait]
pub trait Runs: Send + Sync {
    /// The newest first, those that are kept.
    async fn runs(
        &self,
        application: ApplicationId,
        component: Option<&Name>,
    ) -> Result<Vec<ObservedRun>, RuntimeError>;
    /// Runs the program of a component with a schedule now, beside it. Answers the run's key.
    async fn run_now(
        &self,
        application: ApplicationId,
        component: &Name,
    ) -> Result<String, RuntimeError>;
}

/// Data that outlives the applications it was made for.
#[async_trait]
pub trait Volumes: Send + Sync {
    /// Every volume of the scope, also those whose application is gone.
    async fn volumes(&self, scope: Scope) -> Result<Vec<KeptVolume>, RuntimeError>;
    /// Deletes one, by [`KeptVolume::handle`]. Refused while a container uses it.
    async fn delete_volume(
        &self,
        application: ApplicationId,
        handle: &str,
    ) -> Result<(), RuntimeError>;
    /// Does one thing with the files of a volume, whether an instance runs on it or not. What is said on the session's output
    /// is described at [`HandVerb`].
    async fn reach(&self, request: HandRequest) -> Result<ExecSession, RuntimeError>;
    /// Copies a volume's data into a new one. Asked again, it tells how far that is: a copy goes on whatever becomes of who
    /// asked for it, and one that was cut off begins anew.
    async fn copy_volume(&self, copy: &CopyVolume) -> Result<CopyState, RuntimeError>;
    /// Clears away what a copy needed; `keep` says whether its data stay. Idempotent.
    async fn end_copy(&self, target: &str, keep: bool) -> Result<(), RuntimeError>;
}

/// A volume as a runtime holds it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct KeptVolume {
    /// The application it was made for.
    pub application: ApplicationId,
    /// Its name in the application.
    pub name: Name,
    /// The runtime's own name of it.
    pub handle: String,
    /// True while the stage of an application names it.
    pub wanted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HandRequest {
    /// The runtime's own name of the volume.
    pub handle: String,
    pub verb: HandVerb,
}

/// What is done with the files of a volume. Paths are from the volume's root; no link is ever followed.
///
/// A line of JSON comes first on the output, or a [`Problem`] on the error output and an exit code that is not 0.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case")]
pub enum HandVerb {
    /// A [`pluvio_model::files::Folder`].
    List { path: String, limit: usize },
    /// A [`pluvio_model::files::FileEntry`], then the file's content, or the folder as a tar archive. `most`: no more than so
    /// many bytes of a file.
    Read { path: String, most: Option<u64> },
    /// Takes the content from the input, all of it or nothing; then the [`pluvio_model::files::FileEntry`] that is there now.
    /// `length` is what is to come: anything else was cut off.
    Write {
        path: String,
        length: u64,
        replace: bool,
    },
    /// The [`pluvio_model::files::FileEntry`] of the new folder.
    MakeFolder { path: String },
    /// What was removed. `recursive`: with all that is in a folder.
    Remove { path: String, recursive: bool },
    /// A [`pluvio_model::files::Measured`].
    Measure,
}

/// From which volume into which new one.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CopyVolume {
    /// The runtime's own name of the volume that is read.
    pub source: String,
    /// That of the new one.
    pub target: String,
    /// The application that the new one is for.
    pub application: ApplicationId,
    pub application_name: Name,
    /// Its name in the application.
    pub name: Name,
    pub id: VolumeId,
}

/// How far a copy is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum CopyState {
    Running(Copied),
    Done(Copied),
    Failed { problem: Problem },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Copied {
    pub bytes: u64,
    pub files: u64,
    /// What the source held when the copy began.
    pub of_bytes: u64,
    pub of_files: u64,
    /// Sockets and devices, which are no data, and files that went away while they were read.
    pub left_out: u64,
}

/// What a hand finds and may, whoever starts it: a node on an engine, a Job on a cluster.
pub mod hand {
    /// Where it has the volume; for a copy, the one that is read and the one that is written.
    pub const VOLUME: &str = "/volume";
    pub const FROM: &str = "/from";
    pub const TO: &str = "/to";
    /// Capabilities: to be any owner of files, and nothing outside of them.
    pub const RIGHTS: [&str; 6] = [
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "SETFCAP",
        "MKNOD",
    ];
    /// A copy that was cut off so often is given up.
    pub const BEGINNINGS: u32 = 5;
}

/// A line of a copy's log.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CopyLine {
    Begun(pluvio_model::files::Measured),
    Copied(Copied),
    Done(Copied),
    Failed(Problem),
}
