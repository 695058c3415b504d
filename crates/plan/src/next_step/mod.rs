//! What control does next with an application: hand over a stage, wait, or say how it ended.

mod failure;
mod notes;

use std::collections::BTreeMap;

use jiff::Timestamp;
use pluvio_model::id::Generation;
use pluvio_model::image::ContentHash;
use pluvio_model::name::Name;
use pluvio_model::observed::{
    InstanceState, ObservedApplication, ObservedComponent, ObservedInstance,
};
use pluvio_model::operation::{StepName, StepState};
use pluvio_model::problem::Problem;
use pluvio_model::quantity::Span;
use pluvio_model::release::{DecidedComponent, Release};
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
    pub last_lines: &'a BTreeMap<String, Vec<String>>,
    pub now: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskOutcome {
    Running,
    Succeeded,
    Failed(Box<Problem>),
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

/// While a rollout goes on; hints come sooner.
const LOOK_AGAIN: Span = Span::seconds(1);
/// While nothing is asked, but something is not as it shall be: the runtime heals it by itself.
const LOOK_LATER: Span = Span::seconds(5);

/// What to do next. Asked again after each hint and after each wait; keeps nothing.
pub fn next_step(input: &Input) -> Next {
    let due = match due(input) {
        Ok(due) => due,
        Err(next) => return *next,
    };
    if due.now.is_empty() && !due.is_all {
        // Before anything of the release is handed over: a task that fails leaves no trace.
        return if cancelled(input) {
            Next::Cancelled
        } else if due.tasks.is_empty() {
            Next::Wait(Wait {
                steps: vec![notes::task()],
                again_in: LOOK_AGAIN,
            })
        } else {
            Next::RunTasks {
                components: due.tasks,
            }
        };
    }
    let Some(observed) = input.observed else {
        return Next::ApplyStage {
            components: due.now,
        };
    };
    if observed.generation > input.generation {
        // What was read of the target is older than what the runtime has: it is read again.
        return wait(input, observed, LOOK_AGAIN);
    }
    let handed_over = observed.generation == input.generation
        && due.now.iter().all(|name| observed.stage.contains(name));
    if !handed_over {
        return if cancelled(input) {
            Next::Cancelled
        } else {
            Next::ApplyStage {
                components: due.now,
            }
        };
    }
    if due.is_all && is_settled(input, observed) {
        return Next::Live;
    }
    if cancelled(input) {
        return Next::Cancelled;
    }
    if let Some(problem) = failure::find(input, observed, &due.now) {
        return Next::Failed(Box::new(problem));
    }
    if !due.tasks.is_empty() {
        return Next::RunTasks {
            components: due.tasks,
        };
    }
    let again_in = match input.since {
        Some(_) => LOOK_AGAIN,
        None => LOOK_LATER,
    };
    wait(input, observed, again_in)
}

fn cancelled(input: &Input) -> bool {
    input.cancel_requested && input.since.is_some() && input.live != Some(input.target.number)
}

/// Which components' turn it is.
struct Due {
    /// In the release's order. Those of earlier turns too: a stage says all that shall be.
    now: Vec<Name>,
    is_all: bool,
    /// Whose turn it would be, had their release tasks been run.
    tasks: Vec<Name>,
}

fn due(input: &Input) -> Result<Due, Box<Next>> {
    let mut due = Due {
        now: Vec::new(),
        is_all: true,
        tasks: Vec::new(),
    };
    for component in input.target.components.values() {
        if input.power == Power::Off {
            due.now.push(component.name.clone());
            continue;
        }
        let waits = component.after.iter().any(|before| !is_up(input, before));
        if waits {
            due.is_all = false;
            continue;
        }
        match task(input, component) {
            None | Some(Some(TaskOutcome::Succeeded)) => due.now.push(component.name.clone()),
            Some(Some(TaskOutcome::Running)) => due.is_all = false,
            Some(Some(TaskOutcome::Failed(problem))) => {
                return Err(Box::new(Next::Failed(problem.clone())));
            }
            Some(None) => {
                due.is_all = false;
                due.tasks.push(component.name.clone());
            }
        }
    }
    Ok(due)
}

/// The component's release task, if it has one, and what became of it.
fn task<'a>(input: &Input<'a>, component: &DecidedComponent) -> Option<Option<&'a TaskOutcome>> {
    let task = component.content.release_task.as_ref()?;
    Some(input.tasks.get(&task.hash))
}

/// Whether a component runs as the target wants it, so that others may follow.
fn is_up(input: &Input, name: &Name) -> bool {
    let Some(component) = input.target.components.get(name) else {
        return true;
    };
    let seen = input
        .observed
        .and_then(|observed| observed.components.get(name));
    let Some(seen) = seen else {
        return component.instances == 0;
    };
    seen.wanted == component.hash
        && (seen.settled || ready(seen, component) >= component.instances as usize)
}

fn is_settled(input: &Input, observed: &ObservedApplication) -> bool {
    observed.settled
        && input.target.components.values().all(|component| {
            match observed.components.get(&component.name) {
                Some(seen) if input.power == Power::Off => seen.settled,
                // The runtime may have taken the stage and not yet turned to the component.
                Some(seen) => {
                    seen.settled
                        && seen.wanted == component.hash
                        && seen.wanted_instances == component.instances
                }
                None => input.power == Power::Off || component.instances == 0,
            }
        })
}

/// Instances of the target's content.
fn of_target<'a>(
    seen: &'a ObservedComponent,
    component: &'a DecidedComponent,
) -> impl Iterator<Item = &'a ObservedInstance> {
    let wanted = &component.hash;
    seen.instances
        .iter()
        .filter(move |instance| instance.hash == *wanted)
}

fn ready(seen: &ObservedComponent, component: &DecidedComponent) -> usize {
    of_target(seen, component)
        .filter(|instance| instance.state == InstanceState::Ready)
        .count()
}

fn wait(input: &Input, observed: &ObservedApplication, again_in: Span) -> Next {
    Next::Wait(Wait {
        steps: notes::steps(input, observed),
        again_in,
    })
}

#[cfg(test)]
mod tests;
