//! What is seen. Never stored in the database; cached with its age.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{ApplicationId, Generation};
use crate::image::ContentHash;
use crate::name::Name;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    pub at: Option<jiff::Timestamp>,
    pub applications: BTreeMap<ApplicationId, ObservedApplication>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedApplication {
    /// Of the stage the runtime works by.
    pub generation: Generation,
    /// The components that the stage names: those whose wish is the release's. In no particular order.
    #[serde(default)]
    pub stage: Vec<Name>,
    /// The components that the stage keeps without instances.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stopped: Vec<Name>,
    pub components: BTreeMap<Name, ObservedComponent>,
    /// Of components outside each address, as if it were an instance.
    #[serde(default)]
    pub externals: BTreeMap<Name, Vec<ObservedInstance>>,
    /// True when what runs is what the stage wants, old instances gone, gateway acknowledged.
    pub settled: bool,
    /// Why the runtime cannot go on (network, volume, image), if so. Retried all the while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<crate::problem::Problem>,
    /// Programs that run to their end: every task that the stage names, and of each schedule the newest run and those at work.
    #[serde(default)]
    pub runs: Vec<ObservedRun>,
    /// When each schedule fires next.
    #[serde(default)]
    pub schedules: BTreeMap<Name, jiff::Timestamp>,
    /// Volumes there, by name in the application.
    #[serde(default)]
    pub volumes: BTreeMap<Name, ObservedVolume>,
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedVolume {
    /// The runtime's own name of it.
    pub handle: String,
    pub bytes: Option<u64>,
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedComponent {
    /// The content that the stage wants.
    pub wanted: ContentHash,
    pub wanted_instances: u32,
    /// When the runtime began to work towards `wanted`.
    pub since: jiff::Timestamp,
    pub instances: Vec<ObservedInstance>,
    /// True when exactly the wanted instances run and are ready, and no others.
    pub settled: bool,
    /// Where the rollout is.
    pub step: RolloutStep,
    /// What changes the number of its instances by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<ObservedScaling>,
}

/// How many instances there may be now, and what the number goes by.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedScaling {
    pub min: u32,
    pub max: u32,
    pub by: Vec<ObservedMetric>,
    /// When the clock sets other bounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<jiff::Timestamp>,
    /// Why the number cannot follow what is measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<crate::problem::Problem>,
}

/// A figure that the number of instances goes by, as people read it.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedMetric {
    /// `cpu`, `memory`, or a metric's own name.
    pub metric: String,
    /// `64 %`, `120`; absent while nothing is known.
    pub now: Option<String>,
    pub target: String,
}

/// One run of a program that comes to an end.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedRun {
    /// Names it in its application.
    pub key: String,
    pub component: Name,
    pub kind: RunKind,
    /// What was run; for tasks, what the stage named it by.
    pub hash: ContentHash,
    /// The release it was run for.
    pub release: u64,
    /// Whose output to read in the logs.
    pub instance: String,
    pub state: RunState,
    /// The time that the schedule named.
    #[serde(default)]
    pub scheduled_at: Option<jiff::Timestamp>,
    pub started_at: Option<jiff::Timestamp>,
    pub ended_at: Option<jiff::Timestamp>,
    /// How its program ended, if it did.
    pub exit: Option<ExitRecord>,
    /// Why it failed before or beside its program.
    #[serde(default)]
    pub problem: Option<crate::problem::Problem>,
}

impl ObservedRun {
    /// One that was not begun yet.
    pub fn waiting(
        key: &str,
        kind: RunKind,
        release: u64,
        instance: String,
        component: &Name,
        hash: ContentHash,
    ) -> ObservedRun {
        ObservedRun {
            key: key.to_owned(),
            component: component.clone(),
            kind,
            hash,
            release,
            instance,
            state: RunState::Waiting,
            scheduled_at: None,
            started_at: None,
            ended_at: None,
            exit: None,
            problem: None,
        }
    }

    /// It was ended because nobody wanted it any more, which says nothing of what it would have come to.
    pub fn was_cancelled(&self) -> bool {
        let cancelled = |problem: &crate::problem::Problem| problem.is(crate::problem::CANCELLED);
        self.problem.as_ref().is_some_and(cancelled)
    }
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunKind {
    /// Before the instances of a release.
    Release,
    Job,
    /// By its schedule.
    Schedule,
    /// A person asked for it.
    Asked,
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    Waiting,
    Running,
    Succeeded,
    Failed,
    /// It was begun, and nobody knows how it ended: it is not run again by itself.
    Unknown,
    /// Its time came while the run before was at work.
    Skipped,
}

impl RunState {
    pub fn is_over(self) -> bool {
        !matches!(self, RunState::Waiting | RunState::Running)
    }
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RolloutStep {
    /// Starting new instances and waiting for them.
    Start,
    /// New instances serve; old ones leave the endpoints.
    Shift,
    Drain,
    Stop,
    Done,
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedInstance {
    /// Unique and stable: `shop--web--3f9c1d2e-k2x7`.
    pub name: String,
    /// Which of its component's it is, where instances have names of their own: 2 is `db-2`, the third.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordinal: Option<u32>,
    pub hash: ContentHash,
    /// The release it was made for.
    pub release: u64,
    pub state: InstanceState,
    /// Where it is dialled, `10.201.0.5`.
    pub address: Option<String>,
    /// When its program last started.
    pub started_at: Option<jiff::Timestamp>,
    /// When it first was ready; `None` while it never was.
    #[serde(default)]
    pub ready_at: Option<jiff::Timestamp>,
    /// Starts after the first, by Pluvio.
    pub restarts: u32,
    pub last_exit: Option<ExitRecord>,
    /// The last answer of the probe that counts now.
    pub probe: Option<ProbeAnswer>,
    /// Requests in flight through the gateway.
    pub in_flight: u64,
    /// Its sidecars, in the order of the specification.
    #[serde(default)]
    pub sidecars: Vec<ObservedSidecar>,
}

impl ObservedInstance {
    /// Its program came to its end, well, and its policy lets it be: there is nothing more to wait for.
    pub fn is_done(&self) -> bool {
        let ended_well = self.last_exit.as_ref().is_some_and(|exit| exit.code == 0);
        self.state == InstanceState::Exited && ended_well
    }

    /// As it is wanted: it serves, or is done.
    pub fn is_up(&self) -> bool {
        self.state == InstanceState::Ready || self.is_done()
    }
}

/// A container beside an instance's main one.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedSidecar {
    /// As the specification calls it.
    pub name: Name,
    pub state: InstanceState,
    /// When its program last started.
    pub started_at: Option<jiff::Timestamp>,
    /// Starts after the first that it caused itself.
    pub restarts: u32,
    pub last_exit: Option<ExitRecord>,
    pub probe: Option<ProbeAnswer>,
}

/// What happened to an instance; the same thing again is counted, not told twice.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceEvent {
    pub component: Name,
    /// As [`ObservedInstance::name`]; it may be gone.
    pub instance: String,
    /// The sidecar or init step that it happened to; absent for the instance and its main container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    pub is_warning: bool,
    /// In one word, as Kubernetes writes it: `Started`, `Unhealthy`, `OOMKilled`.
    pub reason: String,
    pub message: String,
    pub count: u32,
    pub first: jiff::Timestamp,
    pub last: jiff::Timestamp,
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum InstanceState {
    Creating,
    /// Runs; startup or readiness has not passed yet.
    Starting,
    Ready,
    /// Was ready, now is not.
    NotReady,
    /// Leaving: no new requests.
    Draining,
    Stopping,
    /// Ended; is started again at `until`.
    BackOff {
        until: jiff::Timestamp,
    },
    /// Ended and not started again.
    Exited,
    /// The engine does not tell.
    Unknown,
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    pub code: i64,
    /// Killed for memory, as far as can be told.
    pub oom: bool,
    pub at: jiff::Timestamp,
    /// The last lines of its log, at most 20; of the hook's output where that is why it was stopped.
    pub last_lines: Vec<String>,
    /// The hook after its start that failed, for which it was stopped: `the hook … ended with exit code 3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<String>,
}

impl ExitRecord {
    /// `ended with exit code 3`
    pub fn in_words(&self) -> String {
        match (&self.hook, self.oom) {
            (Some(hook), _) => format!("stopped: {hook}"),
            (None, true) => "killed: it took more memory than its limit".to_owned(),
            (None, false) => format!("ended with exit code {}", self.code),
        }
    }
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeAnswer {
    pub kind: ProbeKind,
    pub ok: bool,
    /// `GET /healthz on 8080: connection refused`
    pub message: String,
    pub at: jiff::Timestamp,
    /// Failures or successes in a row.
    pub in_a_row: u32,
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProbeKind {
    Startup,
    Ready,
    Live,
}
