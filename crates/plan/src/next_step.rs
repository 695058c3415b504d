//! What control does next with an application: hand over a stage, wait, or say how it ended.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pluvio_model::id::Generation;
use pluvio_model::image::ContentHash;
use pluvio_model::name::Name;
use pluvio_model::observed::ObservedApplication;
use pluvio_model::operation::{StepName, StepState};
use pluvio_model::problem::Problem;
use pluvio_model::quantity::Span;
use pluvio_model::release::Release;
use pluvio_model::stage::Power;

/// Everything that is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    pub target: &'a Release,
    pub generation: Generation,
    pub power: Power,
    /// The release that was last live.
    pub live: Option<u64>,
    /// `None` when the runtime knows nothing of the application.
    pub observed: Option<&'a ObservedApplication>,
    /// When the operation at work moved the target or the power. `None` when no operation waits: then nothing fails, the
    /// application is only kept as it shall be.
    pub since: Option<Timestamp>,
    pub cancel_requested: bool,
    /// What became of release tasks, by their hash.
    pub tasks: &'a BTreeMap<ContentHash, TaskOutcome>,
    /// The last lines of instances that run, by instance name, if known: shown as evidence.
    pub tails: &'a BTreeMap<String, Vec<String>>,
    pub now: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskOutcome {
    Running,
    Succeeded,
    Failed(Problem),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Hand the runtime a stage that names these components (of the target, with `generation` and `power`).
    ApplyStage {
        components: Vec<Name>,
    },
    /// Run these components' release tasks (`content.release_task`), then ask again.
    RunTasks {
        components: Vec<Name>,
    },
    Wait(Wait),
    /// Everything is as it shall be.
    Live,
    /// The release does not come up. Moving the target back is the caller's.
    Failed(Box<Problem>),
    /// Cancelling was asked for and the release is not live: the caller moves the target back.
    Cancelled,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// For the operation: the steps from `Apply` on.
    pub steps: Vec<StepNote>,
    /// Look again after this, if nothing hints before.
    pub again_in: Span,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepNote {
    pub name: StepName,
    pub state: StepState,
    /// `1 of 2 instances ready`
    pub note: String,
}

pub fn next_step(input: &Input) -> Next {
    todo!("{input:?}")
}
