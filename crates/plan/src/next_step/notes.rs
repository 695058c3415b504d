//! What an operation tells while it waits.

use pluvio_model::name::Name;
use pluvio_model::observed::{InstanceState, ObservedApplication};
use pluvio_model::operation::{ComponentProgress, StepName, StepState};
use pluvio_model::release::DecidedComponent;
use pluvio_model::stage::Power;

use super::{Due, Input, StepNote, is_off, is_up, needed, of_target, ready};

/// The steps from `Apply` on, those that have begun.
pub(super) fn steps(input: &Input, observed: &ObservedApplication, due: &Due) -> Vec<StepNote> {
    let mut steps = Vec::new();
    let mut tell = |name, state, note: String| steps.push(StepNote { name, state, note });
    if observed.generation < input.generation {
        tell(StepName::Apply, StepState::Running, String::new());
        return steps;
    }
    if !due.tasks.is_empty() {
        let names: Vec<&str> = due
            .tasks
            .iter()
            .map(|task| task.component.as_str())
            .collect();
        tell(
            StepName::Task,
            StepState::Running,
            format!("of {}", names.join(", ")),
        );
    } else if input
        .target
        .components
        .values()
        .any(|component| component.task().is_some())
    {
        tell(StepName::Task, StepState::Done, String::new());
    }
    if due.now.is_empty() && !due.is_all {
        return steps;
    }
    tell(StepName::Apply, StepState::Done, String::new());

    let counts = Counts::of(input, observed);
    let started = counts.ready >= counts.wanted;
    if input.power == Power::On && counts.wanted > 0 {
        let state = match (started, counts.new, counts.leaving()) {
            (true, ..) => StepState::Done,
            // An exclusive volume: the old instance goes first.
            (false, 0, 1..) => StepState::Waiting,
            (false, ..) => StepState::Running,
        };
        tell(StepName::Start, state, counts.start_note());
    }
    if started {
        let state = if counts.old_serving > 0 {
            StepState::Running
        } else {
            StepState::Done
        };
        tell(StepName::Shift, state, String::new());
    }
    if counts.draining > 0 {
        let note = match (counts.draining, counts.in_flight) {
            (1, 0) => "1 old instance finishes its requests".to_owned(),
            (1, n) => format!("1 old instance finishes its requests, {n} in flight"),
            (many, 0) => format!("{many} old instances finish their requests"),
            (many, n) => format!("{many} old instances finish their requests, {n} in flight"),
        };
        tell(StepName::Drain, StepState::Running, note);
    }
    if counts.stopping > 0 {
        tell(
            StepName::Stop,
            StepState::Running,
            format!("{} ending", counts.stopping),
        );
    }
    if let Some(problem) = &observed.problem {
        // What the runtime tries again all the while is worth knowing before it is a failure.
        if let Some(last) = steps
            .iter_mut()
            .rfind(|step| step.state == StepState::Running)
        {
            last.note = format!("{}; trying again", problem.cause.trim_end_matches('.'));
        }
    }
    steps
}

/// How far each component is, in the order of the release; those that leave come last.
pub(super) fn components(
    input: &Input,
    observed: &ObservedApplication,
    due: &Due,
) -> Vec<ComponentProgress> {
    let mut all: Vec<ComponentProgress> = input
        .target
        .components
        .values()
        .map(|component| {
            let (state, note) = component_state(input, observed, due, component);
            ComponentProgress {
                component: component.name.clone(),
                state,
                note,
            }
        })
        .collect();
    for (name, seen) in &observed.components {
        if !input.target.components.contains_key(name) && !seen.instances.is_empty() {
            all.push(ComponentProgress {
                component: name.clone(),
                state: StepState::Running,
                note: format!("leaving, {} left", seen.instances.len()),
            });
        }
    }
    all
}

fn component_state(
    input: &Input,
    observed: &ObservedApplication,
    due: &Due,
    component: &DecidedComponent,
) -> (StepState, String) {
    let name = &component.name;
    let seen = observed.components.get(name);
    let left = seen.map_or(0, |seen| seen.instances.len());
    let told = observed.generation >= input.generation;
    if is_off(input, name) {
        return match (left, due.stopped.contains(name)) {
            (0, true) if told => (StepState::Done, "stopped".to_owned()),
            (_, true) => (StepState::Running, format!("stopping, {left} left")),
            (_, false) => (
                StepState::Waiting,
                format!("stops after {}", users(input, name).join(", ")),
            ),
        };
    }
    let wanted = seen.map_or(component.instances as usize, |seen| needed(seen, component));
    let rests = observed.stopped.contains(name);
    let (up, current, settled) = seen.map_or((0, false, wanted == 0), |seen| {
        let current = seen.wanted == component.hash;
        (ready(seen, component).min(wanted), current, seen.settled)
    });
    if current && settled && !rests && up >= wanted {
        // As it shall be, whoever else is under way.
        return (StepState::Done, format!("{up} of {wanted} ready"));
    }
    if due.tasks.iter().any(|task| task.component == *name) {
        return (StepState::Running, "its task runs".to_owned());
    }
    let before: Vec<&str> = component
        .after
        .iter()
        .filter(|before| !is_up(input, before))
        .map(Name::as_str)
        .collect();
    if !before.is_empty() {
        return (
            StepState::Waiting,
            format!("waits for {}", before.join(", ")),
        );
    }
    match wanted {
        _ if !told => (StepState::Waiting, String::new()),
        0 if settled => (StepState::Done, String::new()),
        _ if current && up >= wanted => {
            let old = left.saturating_sub(wanted);
            (
                StepState::Running,
                format!("{up} of {wanted} ready, {old} old to leave"),
            )
        }
        _ => (StepState::Running, format!("{up} of {wanted} ready")),
    }
}

/// Those that use a component and have not stopped yet.
fn users<'a>(input: &'a Input, name: &Name) -> Vec<&'a str> {
    let all = input.target.components.values();
    all.filter(|user| {
        user.after.contains(name) && is_off(input, &user.name) && !super::is_down(input, &user.name)
    })
    .map(|user| user.name.as_str())
    .collect()
}

#[derive(Default)]
struct Counts {
    wanted: usize,
    ready: usize,
    /// Instances of the target's content that run or are about to.
    new: usize,
    resting: usize,
    old_serving: usize,
    draining: usize,
    stopping: usize,
    in_flight: u64,
}

impl Counts {
    fn of(input: &Input, observed: &ObservedApplication) -> Counts {
        let mut counts = Counts::default();
        for component in input.target.components.values() {
            let wanted = if is_off(input, &component.name) {
                0
            } else {
                component.instances as usize
            };
            counts.wanted += wanted;
            if let Some(seen) = observed.components.get(&component.name) {
                counts.ready += ready(seen, component).min(wanted);
                for instance in of_target(seen, component) {
                    match instance.state {
                        InstanceState::Creating => {}
                        InstanceState::BackOff { .. } => counts.resting += 1,
                        _ => counts.new += 1,
                    }
                }
            }
        }
        for (name, seen) in &observed.components {
            let hash = input
                .target
                .components
                .get(name)
                .map(|component| &component.hash);
            for instance in &seen.instances {
                match instance.state {
                    InstanceState::Draining => {
                        counts.draining += 1;
                        counts.in_flight += instance.in_flight;
                    }
                    InstanceState::Stopping => counts.stopping += 1,
                    InstanceState::Ready | InstanceState::NotReady
                        if Some(&instance.hash) != hash || is_off(input, name) =>
                    {
                        counts.old_serving += 1;
                    }
                    _ => {}
                }
            }
        }
        counts
    }

    fn leaving(&self) -> usize {
        self.draining + self.stopping
    }

    fn start_note(&self) -> String {
        let plural = if self.wanted == 1 {
            "instance"
        } else {
            "instances"
        };
        let ready = format!("{} of {} {plural} ready", self.ready, self.wanted);
        match self.resting {
            0 => ready,
            1 => format!("{ready}, 1 ended and will be started again"),
            many => format!("{ready}, {many} ended and will be started again"),
        }
    }
}
