//! What control does next with an application: hand over a stage, wait, or say how it ended.

mod failure;
mod notes;

use std::collections::BTreeMap;

use jiff::Timestamp;
use pluvio_model::id::Generation;
use pluvio_model::image::ContentHash;
use pluvio_model::name::Name;
use pluvio_model::observed::{ObservedApplication, ObservedComponent, ObservedInstance};
use pluvio_model::operation::{ComponentProgress, StepName, StepState};
use pluvio_model::problem::Problem;
use pluvio_model::quantity::Span;
use pluvio_model::release::{DecidedComponent, Release};
use pluvio_model::spec::Kind;
use pluvio_model::stage::{Power, TaskWish};

/// Everything that is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    pub target: &'a Release,
    pub generation: Generation,
    pub power: Power,
    /// Components that a person stopped while the others run.
    pub stopped: &'a [Name],
    /// The release that was last live.
    pub live: Option<u64>,
    /// `None` when the runtime knows nothing of the application.
    pub observed: Option<&'a ObservedApplication>,
    /// When the operation at work moved the target or the power. `None` when no operation waits: then nothing fails, the
    /// application is only kept as it shall be.
    pub since: Option<Timestamp>,
    pub cancel_requested: bool,
    /// What became of tasks, by their hash: success in any release, the rest in this one.
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
    /// Hand the runtime a stage that names these components, and these tasks (of the target, with `generation`), and keeps
    /// these without instances. `power` is off once all are to stop: those that others use stop after them.
    ApplyStage {
        components: Vec<Name>,
        tasks: Vec<TaskWish>,
        stopped: Vec<Name>,
        power: Power,
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
    /// How far each component is.
    pub components: Vec<ComponentProgress>,
    /// What hinders it at present: it is tried again, and no failure yet.
    pub hindrance: Option<Box<Problem>>,
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
    let hand_over = || Next::ApplyStage {
        components: due.now.clone(),
        tasks: due.tasks.clone(),
        stopped: match due.all_off {
            true => Vec::new(),
            false => due.stopped.clone(),
        },
        power: match due.all_off {
            true => Power::Off,
            false => Power::On,
        },
    };
    let Some(observed) = input.observed else {
        return match cancelled(input) && due.now.is_empty() {
            true => Next::Cancelled,
            false => hand_over(),
        };
    };
    if observed.generation > input.generation {
        // What was read of the target is older than what the runtime has: it is read again.
        return wait(input, observed, &due, LOOK_AGAIN);
    }
    let handed_over = observed.generation == input.generation
        && due.now.iter().all(|name| observed.stage.contains(name))
        && same_names(&due.stopped, &observed.stopped)
        && due
            .tasks
            .iter()
            .all(|task| is_told(observed, task, input.target.number));
    if !handed_over {
        return if cancelled(input) {
            Next::Cancelled
        } else {
            hand_over()
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
    let again_in = match input.since {
        Some(_) => LOOK_AGAIN,
        None => LOOK_LATER,
    };
    wait(input, observed, &due, again_in)
}

fn cancelled(input: &Input) -> bool {
    input.cancel_requested && input.since.is_some() && input.live != Some(input.target.number)
}

/// Which components' turn it is.
struct Due {
    /// In the release's order. Those of earlier turns too: a stage says all that shall be.
    now: Vec<Name>,
    is_all: bool,
    /// Which must run to their end before it is their components' turn.
    tasks: Vec<TaskWish>,
    /// Which have no instances in this stage: those whose turn to stop it is, and those whose turn to start it is not.
    stopped: Vec<Name>,
    /// The whole application is to be off, and no component waits for another to stop.
    all_off: bool,
}

/// Whether a component shall have no instances.
fn is_off(input: &Input, name: &Name) -> bool {
    input.power == Power::Off || input.stopped.contains(name)
}

/// Whether nothing of a component is left at work.
fn is_down(input: &Input, name: &Name) -> bool {
    let Some(observed) = input.observed else {
        return true;
    };
    let at_work = observed
        .components
        .get(name)
        .is_some_and(|seen| !seen.instances.is_empty());
    !at_work && observed.stopped.contains(name)
}

/// Whether those that use a component, and are to stop with it, have stopped.
fn users_are_down(input: &Input, name: &Name) -> bool {
    input.target.components.values().all(|user| {
        !user.after.contains(name) || !is_off(input, &user.name) || is_down(input, &user.name)
    })
}

fn same_names(some: &[Name], others: &[Name]) -> bool {
    some.len() == others.len() && some.iter().all(|name| others.contains(name))
}

fn due(input: &Input) -> Result<Due, Box<Next>> {
    let mut due = Due {
        now: Vec::new(),
        is_all: true,
        tasks: Vec::new(),
        stopped: Vec::new(),
        all_off: false,
    };
    // What was stopped rests until its turn to start: the stages of before would have it run at once.
    let rests = |name: &Name| {
        input
            .observed
            .is_some_and(|observed| observed.stopped.contains(name))
    };
    for component in input.target.components.values() {
        let name = &component.name;
        if is_off(input, name) {
            if rests(name) || users_are_down(input, name) {
                due.now.push(name.clone());
                due.stopped.push(name.clone());
            } else {
                due.is_all = false;
            }
            continue;
        }
        let waits = component.after.iter().any(|before| !is_up(input, before));
        if waits {
            if rests(name) {
                due.stopped.push(name.clone());
            }
            due.is_all = false;
            continue;
        }
        let Some(hash) = component.task() else {
            due.now.push(component.name.clone());
            continue;
        };
        match input.tasks.get(hash) {
            Some(TaskOutcome::Succeeded) => due.now.push(component.name.clone()),
            Some(TaskOutcome::Failed(problem)) => {
                return Err(Box::new(Next::Failed(problem.clone())));
            }
            // One at work stays named, or the runtime would end it.
            Some(TaskOutcome::Running) | None => {
                if rests(name) {
                    due.stopped.push(name.clone());
                }
                due.is_all = false;
                due.tasks.push(TaskWish {
                    component: component.name.clone(),
                    hash: hash.clone(),
                });
            }
        }
    }
    due.all_off = input.power == Power::Off && due.is_all;
    Ok(due)
}

/// Whether the runtime has taken the task up in this release. A run that was ended because a stage between did not name
/// it says nothing: it is asked for again.
fn is_told(observed: &ObservedApplication, task: &TaskWish, release: u64) -> bool {
    observed.runs.iter().any(|run| {
        run.component == task.component
            && run.hash == task.hash
            && run.release == release
            && !run.was_cancelled()
    })
}

/// Whether a component runs as the target wants it, so that others may follow.
fn is_up(input: &Input, name: &Name) -> bool {
    let Some(component) = input.target.components.get(name) else {
        return true;
    };
    if is_off(input, name) {
        // Who stopped it does not want others to wait for it.
        return true;
    }
    if component.kind == Kind::Job {
        let outcome = component.task().and_then(|hash| input.tasks.get(hash));
        return outcome == Some(&TaskOutcome::Succeeded);
    }
    let seen = input
        .observed
        .and_then(|observed| observed.components.get(name));
    let Some(seen) = seen else {
        return component.instances == 0;
    };
    if input
        .observed
        .is_some_and(|observed| observed.stopped.contains(name))
    {
        // As it shall be until it is told to start.
        return false;
    }
    seen.wanted == component.hash
        && (seen.settled || ready(seen, component) >= needed(seen, component))
}

/// How many do: of what scales itself those that are wanted now, yet not more than where it begins.
fn needed(seen: &ObservedComponent, component: &DecidedComponent) -> usize {
    let count = match component.scale {
        Some(_) => seen.wanted_instances.clamp(1, component.instances.max(1)),
        None => component.instances,
    };
    count as usize
}

fn is_settled(input: &Input, observed: &ObservedApplication) -> bool {
    observed.settled
        && input.target.components.values().all(|component| {
            match observed.components.get(&component.name) {
                Some(seen) if is_off(input, &component.name) => {
                    seen.settled && seen.instances.is_empty()
                }
                // The runtime may have taken the stage and not yet turned to the component.
                Some(seen) => {
                    seen.settled
                        && seen.wanted == component.hash
                        && match component.scale {
                            // However many there are is right.
                            Some(_) => seen.wanted_instances > 0,
                            None => seen.wanted_instances == component.instances,
                        }
                }
                None => is_off(input, &component.name) || component.instances == 0,
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
        .filter(|instance| instance.is_up())
        .count()
}

fn wait(input: &Input, observed: &ObservedApplication, due: &Due, again_in: Span) -> Next {
    Next::Wait(Wait {
        steps: notes::steps(input, observed, due),
        components: notes::components(input, observed, due),
        hindrance: failure::hindrance(input, observed, &due.now).map(Box::new),
        again_in,
    })
}

#[cfg(test)]
mod tests;
