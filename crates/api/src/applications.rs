//! Applications: lists, details, what may be asked of them.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use pluvio_model::id::{ApplicationId, OperationId};
use pluvio_model::observed::{ObservedInstance, ObservedScaling};
use pluvio_model::operation::Operation;
use pluvio_model::problem::{Location, Problem};
use pluvio_model::spec::ScaleSpec;
use pluvio_model::stage::Power;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::plans::{NeededPermission, TextFile};
use crate::volumes::VolumeSummary;

/// One page of a list. `next` is given back as `?after=`; absent on the last page.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The one word for how something is, as the console's table of status words has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Running,
    Deploying,
    Building,
    Degraded,
    Failed,
    Waiting,
    /// Its next run is known.
    Scheduled,
    /// It ran to its end.
    Succeeded,
    Stopped,
    Unknown,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ApplicationSummary {
    pub id: ApplicationId,
    pub name: String,
    pub display_name: Option<String>,
    pub status: Status,
    /// `1 of 2 ready`; empty when there is nothing to say.
    pub status_note: String,
    pub urls: Vec<String>,
    /// The release that serves.
    pub live_release: Option<u64>,
    pub target_release: Option<u64>,
    pub instances_ready: u32,
    pub instances_wanted: u32,
    /// Thousandths of a core, all instances.
    pub cpu_millis: Option<u64>,
    pub memory_bytes: Option<u64>,
    /// Requests per second over the last minute.
    pub requests_per_second: Option<f64>,
    pub updated_at: jiff::Timestamp,
    /// What is at work now.
    pub operation: Option<OperationId>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ApplicationDetail {
    #[serde(flatten)]
    pub summary: ApplicationSummary,
    pub power: Power,
    pub created_at: jiff::Timestamp,
    pub components: Vec<ComponentDetail>,
    pub volumes: Vec<VolumeSummary>,
    /// The newest operations, running ones first.
    pub operations: Vec<Operation>,
    /// How old what is seen is, in milliseconds; `None` when the node does not answer.
    pub seen_ms_ago: Option<u64>,
    /// Why the runtime cannot go on, if so.
    pub problem: Option<Problem>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ComponentDetail {
    pub name: String,
    pub kind: String,
    pub status: Status,
    pub status_note: String,
    /// A person stopped it, by itself or with the application.
    #[serde(default)]
    pub stopped: bool,
    pub image: String,
    pub image_id: String,
    pub instances_wanted: u32,
    /// How it scales itself, as it is written: the `scale` part of the AppSpec.
    #[serde(default)]
    pub scale: Option<ScaleSpec>,
    /// Between how many instances it is now, and what the number goes by.
    #[serde(default)]
    pub scaling: Option<ObservedScaling>,
    /// Of a component outside, each of its addresses.
    pub instances: Vec<InstanceDetail>,
    /// Of a component outside, as they are written.
    #[serde(default)]
    pub addresses: Vec<String>,
    pub ports: Vec<PortDetail>,
    pub routes: Vec<RouteDetail>,
    pub env: Vec<EnvRow>,
    pub files: Vec<FileRow>,
    pub mounts: Vec<MountRow>,
    pub resources: ResourcesRow,
    pub probes: Vec<ProbeRow>,
    /// `surge`, `stop-then-start` or `ordered`.
    pub strategy: String,
    pub drain_ms: u64,
    pub built_from: Option<BuiltFrom>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct InstanceDetail {
    #[serde(flatten)]
    pub instance: ObservedInstance,
    /// True for instances of the content that the target wants.
    pub current: bool,
    /// Thousandths of a core, the last minutes, oldest first.
    pub cpu_millis: Vec<u32>,
    pub memory_bytes: Vec<u64>,
    pub memory_limit: Option<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PortDetail {
    pub name: String,
    pub port: u16,
    pub protocol: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RouteDetail {
    pub id: String,
    pub application: String,
    pub component: String,
    pub host: String,
    pub path: String,
    pub exact: bool,
    pub port: String,
    pub url: String,
    pub traffic: Option<Traffic>,
}

/// Over the last minute.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Traffic {
    pub requests_per_second: f64,
    pub p95_ms: f64,
    /// Share of answers with status 5xx, 0 to 1.
    pub errors: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EnvRow {
    pub name: String,
    /// With secrets as `${secrets.NAME}`.
    pub value: String,
    pub secret: bool,
    /// `yours`, `group NAME`, `from db`, `pluvio` (PORT).
    pub origin: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FileRow {
    pub path: String,
    pub content: String,
    pub hot: bool,
    pub secret: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MountRow {
    pub path: String,
    pub kind: String,
    pub volume: Option<String>,
    pub access: Option<String>,
    pub size: Option<u64>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ResourcesRow {
    pub cpu_limit_millis: Option<u32>,
    pub memory_limit_bytes: Option<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ProbeRow {
    /// `startup`, `ready`, `live`
    pub kind: String,
    /// `GET /healthz on 8080, every 5s`
    pub text: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BuiltFrom {
    pub builder: String,
    pub commit: Option<String>,
    pub message: Option<String>,
    pub author: Option<String>,
    pub branch: Option<String>,
    pub duration_ms: u64,
}

/// Asks for a plan; nothing is kept and nothing runs.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PlanRequest {
    pub source: SourceRequest,
    /// The application's name; suggested from the source when absent.
    #[serde(default)]
    pub name: Option<String>,
    /// Values of variables that the source requires; they win over its `.env`.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Of an upload: the folder in it that says what the application is, from its root. All of the upload may be built from.
    #[serde(default)]
    pub path: Option<String>,
}

/// Where the application comes from. Exactly one.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SourceRequest {
    /// An archive sent to `/uploads` before, by its SHA-256.
    Upload(String),
    Git(GitRequest),
    /// An image reference.
    Image(String),
    /// A text of any kind that is understood: an app.yaml, a compose file, a template, a `docker run` line.
    Text(String),
    /// Text files that belong together: compose files in the order in which they are laid over each other, their `.env`.
    Files(Vec<TextFile>),
    /// A sample that Pluvio carries: `node`, `python`, `go`, `static`, `dockerfile`.
    Sample(String),
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct GitRequest {
    pub url: String,
    #[serde(default, rename = "ref")]
    pub reference: Option<String>,
    #[serde(default)]
    pub path: Option<String>,
    #[serde(default)]
    pub credential: Option<String>,
}

#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct PlanReport {
    pub detected: Detected,
    /// The AppSpec (see `pluvio schema app`).
    #[schema(value_type = Object)]
    pub spec: serde_json::Value,
    /// The same as app.yaml text.
    #[serde(default)]
    pub yaml: String,
    pub report: Vec<ReportRow>,
    pub errors: Vec<Problem>,
    /// Where it will be reachable.
    #[serde(default)]
    pub urls: Vec<String>,
    /// The texts that lines of the report are of; a row that names no file is of the first.
    #[serde(default)]
    pub texts: Vec<TextFile>,
    /// What reaches beyond the containers, and the permission that each needs.
    #[serde(default)]
    pub permissions: Vec<NeededPermission>,
    /// Values of secrets that the source holds, to be sent back with the deploy.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
    /// Variables of the source that have no value and are not required: nothing is put where they are named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<String>,
}

masked!(PlanReport {
    detected,
    report,
    errors,
    urls
});

#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct Detected {
    pub kind: String,
    /// Evidence, one sentence each.
    pub why: Vec<String>,
    pub alternatives: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ReportRow {
    /// `kept`, `adapted`, `refused`, `ignored`
    pub outcome: String,
    pub at: String,
    #[serde(default)]
    pub line: Option<u32>,
    /// Where it is another file than the first.
    #[serde(default)]
    pub file: Option<String>,
    pub message: String,
    #[serde(default)]
    pub remedy: Option<String>,
}

/// Deploys; makes the application if it is not there.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct DeployRequest {
    /// The specification. Absent: the target's, built again from its source.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub spec: Option<serde_json::Value>,
    /// The archive that `source: {path: …}` components are built from, by its SHA-256.
    #[serde(default)]
    pub upload: Option<String>,
    /// Commit, author, message of an uploaded working copy, for the history.
    #[serde(default)]
    pub source_note: Option<SourceNote>,
    /// Resolve image names again instead of keeping the parent's digests.
    #[serde(default)]
    pub pull: bool,
    /// Values of secrets to set with the deploy.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// Refuse to change an application that exists.
    #[serde(default)]
    pub create_only: bool,
    /// Without a `spec`: only these components are built or pulled anew; all when none is named.
    #[serde(default)]
    pub components: Vec<String>,
    /// Of an apply: undo what was changed elsewhere since the last one.
    #[serde(default)]
    pub take_over: bool,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct SourceNote {
    #[serde(default)]
    pub commit: Option<String>,
    #[serde(default)]
    pub message: Option<String>,
    #[serde(default)]
    pub author: Option<String>,
    #[serde(default)]
    pub branch: Option<String>,
}

/// A change to one component; absent fields stay. Becomes a new revision and release.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ComponentPatch {
    #[serde(default)]
    pub instances: Option<u32>,
    /// Set (text) or remove (null).
    #[serde(default)]
    pub env: IndexMap<String, Option<String>>,
    /// Set or remove (null), by path.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, FilePatch>)]
    pub files: IndexMap<String, Option<FilePatch>>,
    #[serde(default)]
    pub resources: Option<ResourcesPatch>,
    /// The `probes` part of the AppSpec.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub probes: Option<serde_json::Value>,
    /// The `routes` part of the AppSpec.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    pub routes: Option<serde_json::Value>,
    /// The `volumes` part of the AppSpec.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub volumes: Option<serde_json::Value>,
    #[serde(default)]
    pub image: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FilePatch {
    pub content: String,
    #[serde(default)]
    pub hot: bool,
    #[serde(default)]
    pub mode: Option<String>,
}

/// `0.5`, `512Mi`; null removes the limit.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ResourcesPatch {
    #[serde(default)]
    pub cpu_limit: Option<String>,
    #[serde(default)]
    pub memory_limit: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ScaleRequest {
    /// The only component when absent.
    #[serde(default)]
    pub component: Option<String>,
    /// So many. Refused for a component that scales itself, unless `fixed`.
    #[serde(default)]
    pub instances: Option<u32>,
    /// From now on it does not scale itself.
    #[serde(default)]
    pub fixed: bool,
    /// From now on it scales itself: the `scale` part of the AppSpec.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub scale: Option<serde_json::Value>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct RollbackRequest {
    /// The release before the live one when absent.
    #[serde(default)]
    pub to: Option<u64>,
}

/// The specification of the target, as it is edited.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SpecDocument {
    pub revision: u64,
    #[schema(value_type = Object)]
    pub spec: serde_json::Value,
    pub yaml: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SecretRow {
    pub name: String,
    pub version: u32,
    pub generated: bool,
    pub set_at: jiff::Timestamp,
}

#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct SecretValueRequest {
    pub value: String,
    /// Roll the application so that it takes the value at once; true when absent.
    #[serde(default = "yes")]
    pub deploy: bool,
}

fn yes() -> bool {
    true
}

/// A run that was asked for and begins now.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RunStarted {
    /// Names it among the application's runs.
    pub key: String,
}

/// A log line on the wire (NDJSON, or the data of a server-sent event).
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LogEntry {
    pub at: jiff::Timestamp,
    pub component: String,
    pub instance: String,
    /// The sidecar or init step that says it; absent for a main container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// `out`, `err`, `pluvio`
    pub stream: String,
    pub text: String,
}

/// A line of an operation's log.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OperationLogEntry {
    pub seq: u64,
    pub at: jiff::Timestamp,
    pub step: pluvio_model::operation::StepName,
    /// `info`, `command`, `warning`, `error`
    pub level: String,
    pub text: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UploadReceipt {
    /// SHA-256 of the archive, which names it.
    pub upload: String,
    pub bytes: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UsageReport {
    /// By instance, oldest first.
    pub instances: BTreeMap<String, Vec<UsagePoint>>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct UsagePoint {
    pub at: jiff::Timestamp,
    pub cpu_millis: u32,
    pub memory_bytes: u64,
}

/// An overview's first paint.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Overview {
    pub applications: Page<ApplicationSummary>,
    pub applications_total: u64,
    pub running: Vec<Operation>,
    pub lately: Vec<Operation>,
    pub needs_you: Vec<NeedsYou>,
    pub samples: Vec<SampleSummary>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NeedsYou {
    pub application: String,
    pub problem: Problem,
    pub operation: Option<OperationId>,
    pub since: jiff::Timestamp,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SampleSummary {
    pub name: String,
    pub title: String,
    pub language: String,
}

/// Where in a text a problem is; re-exported so that clients need one crate.
pub type At = Location;

masked!(DeployRequest {
    upload,
    pull,
    create_only,
    take_over
});
masked!(SecretValueRequest { deploy });
