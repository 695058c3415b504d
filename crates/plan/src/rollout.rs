//! What a node does next with one component's instances: the engine-side rollout, as a pure step that is asked again and
//! again.
//!
//! The step sees everything afresh each time and keeps no state of its own, so a node that was killed goes on where it was.
//! Two promises hold in every history (the property tests below are their definition): ready instances never fall below
//! `wanted − unavailable` while the old ones are ready, and no more than `wanted + surge` run at once. With an exclusive
//! volume, two never run.

use jiff::Timestamp;
use pluvio_model::image::ContentHash;
use pluvio_model::observed::RolloutStep;
use pluvio_model::quantity::Span;
use pluvio_model::release::DecidedRollout;
use pluvio_model::spec::RestartPolicy;

/// Everything the step looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutInput {
    pub wish: ComponentWish,
    pub rollout: DecidedRollout,
    pub restart: RestartPolicy,
    pub instances: Vec<InstanceSeen>,
    /// What was last set as the component's endpoints; `None` when the node does not know (its first look after a start).
    pub endpoints: Option<EndpointsWish>,
}

/// What the component shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComponentWish {
    Run {
        hash: ContentHash,
        instances: u32,
    },
    /// Stopped by a person: no instances, and 503 that says so.
    Stopped,
    /// No longer part of the release.
    Gone,
}

/// One instance as the node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceSeen {
    /// The container's name.
    pub name: String,
    /// Which of the component's slots it has; the end of its name.
    pub slot: u32,
    pub hash: ContentHash,
    pub state: SeenState,
    pub health: Health,
    pub place: Place,
    /// When it was told to drain ([`Action::BeginDrain`]); forgotten by [`Action::CancelDrain`].
    pub draining_since: Option<Timestamp>,
    /// Requests in flight to it, through every way in.
    pub in_flight: u64,
    /// A stop that was ordered and is under way, or has ended it.
    pub stop: Option<StopReason>,
    /// Ends in a row, as [`count_exit`] counts them; 0 for one that never ended by itself.
    pub exits: u32,
    pub last_exit: Option<LastExit>,
    /// The liveness probe failed as often as it may.
    pub live_failed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenState {
    /// Made, never started.
    Created,
    Running,
    Exited,
}

/// What the readiness probe (and before it, the startup probe) says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Not asked yet since the node started: nothing is concluded from it, it keeps what it has.
    Unknown,
    /// Never was ready.
    Starting,
    Ready,
    /// Was ready, is not now.
    NotReady,
}

/// Whether requests can come to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// No gateway will choose it.
    Out,
    /// The endpoints were changed, and not every gateway with a live lease has acknowledged it.
    Changing,
    /// Every gateway may choose it. (A component without ports counts as acknowledged at once.)
    In,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// [`Action::Stop`]
    Leaving,
    /// [`Action::KillUnhealthy`]: it is started again after its back-off.
    Unhealthy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastExit {
    pub at: Timestamp,
    pub code: i64,
}

/// What requests for the component meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointsWish {
    /// These instances, by name, sorted. None: 503 at once.
    Serving(Vec<String>),
    /// New requests wait for the next instance (exclusive volume).
    Holding,
    Stopped,
    Absent,
}

/// What to do now. Each may be done again without harm; whatever fails is asked for again by the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make an instance of the wanted content in this slot.
    Create {
        slot: u32,
    },
    Start {
        name: String,
    },
    SetEndpoints(EndpointsWish),
    /// Left the endpoints: note the time, wait for its requests.
    BeginDrain {
        name: String,
    },
    /// It is wanted again.
    CancelDrain {
        name: String,
    },
    /// Stop signal, then kill after `grace`.
    Stop {
        name: String,
        grace: Span,
    },
    Remove {
        name: String,
    },
    /// Start an ended one again; its back-off is over.
    StartAgain {
        name: String,
    },
    /// Stop one whose liveness probe fails; it is started again afterwards.
    KillUnhealthy {
        name: String,
        grace: Span,
    },
}

/// What to do, and when to look again even if nothing happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub actions: Vec<Action>,
    /// A back-off or drain ends then.
    pub again_at: Option<Timestamp>,
    pub phase: RolloutStep,
    /// Exactly the wanted instances run, are ready and in the endpoints, and no others are there.
    pub settled: bool,
}

/// The next actions. They are for this moment only: do them, look again, ask again.
pub fn step(input: &RolloutInput, now: Timestamp) -> Step {
    todo!("{input:?} {now}")
}

/// How long an instance that ended `exits` times in a row rests: 1 s, doubling to 5 min.
pub fn back_off(exits: u32) -> Span {
    todo!("{exits}")
}

/// The number of ends in a row after one more: counting begins anew once it had run for ten minutes.
pub fn count_exit(before: u32, started_at: Option<Timestamp>, exited_at: Timestamp) -> u32 {
    todo!("{before} {started_at:?} {exited_at}")
}

/// When an ended instance may be started again; `None` if its policy says never.
pub fn start_again_at(restart: RestartPolicy, exits: u32, last: LastExit) -> Option<Timestamp> {
    todo!("{restart:?} {exits} {last:?}")
}
