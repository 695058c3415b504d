//! When a release is given up, and what its user is told: the probe's answer, the exit code, the last lines.

use jiff::Timestamp;
use pluvio_model::name::Name;
use pluvio_model::observed::{
    ExitRecord, InstanceState, ObservedApplication, ObservedComponent, ObservedInstance,
    ObservedSidecar,
};
use pluvio_model::problem::{self, Problem};
use pluvio_model::quantity::Span;
use pluvio_model::release::DecidedComponent;
use pluvio_model::spec::PortProtocol;
use pluvio_model::stage::Power;

use super::{Input, is_off, needed, of_target, ready};

/// Ends without ever having been ready after which a new instance is not hoped for any more.
const EXITS: u32 = 3;

/// What shells and engines say of a program that cannot be run or is not there (POSIX, "Exit Status for Commands").
const NOT_STARTED: [i64; 2] = [126, 127];

/// What the runtime may say that no waiting heals.
const FINAL: [problem::Code; 15] = [
    problem::SPEC_UNSUPPORTED,
    problem::SPEC_INVALID,
    problem::SPEC_CONFLICT,
    problem::SPEC_UNKNOWN_REFERENCE,
    problem::SECRET_MISSING,
    problem::IMAGE_NOT_FOUND,
    problem::IMAGE_UNAUTHORIZED,
    problem::CLUSTER_POLICY,
    problem::NETWORK_FULL,
    problem::PORT_TAKEN,
    problem::NAME_TAKEN,
    problem::ENGINE_UNREACHABLE,
    problem::ENGINE_FOREIGN,
    problem::ENGINE_TOO_OLD,
    problem::RELEASE_EXITED,
];

/// Why the operation at work has failed, if it has.
pub(super) fn find(input: &Input, observed: &ObservedApplication, due: &[Name]) -> Option<Problem> {
    // A component whose turn comes late has its whole deadline from then on.
    let since = last_progress(input.since?, observed);
    if let Some(problem) = &observed.problem
        && FINAL.iter().any(|code| problem.is(*code))
    {
        return Some(problem.clone());
    }
    if input.power == Power::Off {
        return None;
    }
    let on = due.iter().filter(|name| !is_off(input, name));
    on.into_iter().find_map(|name| {
        let component = input.target.components.get(name)?;
        match observed.components.get(name) {
            Some(seen) => of_component(input, observed, since, component, seen),
            None => {
                let late = is_past(since, component.rollout.deadline, input.now);
                (late && component.instances > 0)
                    .then(|| not_ready(input, component, 0, None, observed))
            }
        }
    })
}

/// What is in the way and may pass: the runtime's own word, or a program that ended and is started again.
pub(super) fn hindrance(
    input: &Input,
    observed: &ObservedApplication,
    due: &[Name],
) -> Option<Problem> {
    let asked = input.since?;
    let ended = || {
        let on = due.iter().filter(|name| !is_off(input, name));
        on.into_iter().find_map(|name| {
            let component = input.target.components.get(name)?;
            let seen = observed.components.get(name)?;
            let fell = |one: &&ObservedInstance| {
                one.ready_at.is_none() && has_ended_since(one.last_exit.as_ref(), asked)
            };
            let instance = of_target(seen, component).find(fell)?;
            Some(exited(component, instance))
        })
    };
    observed.problem.clone().or_else(ended)
}

fn of_component(
    input: &Input,
    observed: &ObservedApplication,
    since: Timestamp,
    component: &DecidedComponent,
    seen: &ObservedComponent,
) -> Option<Problem> {
    let up = ready(seen, component);
    if seen.settled || up >= needed(seen, component) {
        return None;
    }
    let asked = input.since.unwrap_or(since);
    let begun = begun(asked, since, component, seen);
    let retried = is_past(begun, component.rollout.retry, input.now);
    let given_up = of_target(seen, component).find(|instance| {
        instance.ready_at.is_none() && has_ended_for_good(instance, asked, retried)
    });
    if let Some(instance) = given_up {
        return Some(exited(component, instance));
    }
    let spoilt = of_target(seen, component).find(|instance| {
        let gave_up = |sidecar: &ObservedSidecar| {
            has_ended_since(sidecar.last_exit.as_ref(), asked) && sidecar.restarts + 1 >= EXITS
        };
        instance.ready_at.is_none() && instance.sidecars.iter().any(gave_up)
    });
    if let Some(problem) = spoilt.and_then(|instance| sidecar(component, instance)) {
        return Some(problem);
    }
    if !is_past(begun, patience(component, seen), input.now) {
        return None;
    }
    if let Some(problem) = of_target(seen, component).find_map(|one| sidecar(component, one)) {
        return Some(problem);
    }
    let culprit = of_target(seen, component)
        .filter(|instance| instance.state != InstanceState::Ready)
        .max_by_key(|instance| (instance.last_exit.is_some(), instance.probe.is_some()));
    Some(match culprit {
        Some(instance) if instance.last_exit.is_some() && instance.ready_at.is_none() => {
            exited(component, instance)
        }
        Some(instance) if refuses(instance) => port_closed(input, component, instance),
        culprit => not_ready(input, component, up, culprit, observed),
    })
}

/// `retried`: for as long as its component allows.
fn has_ended_for_good(instance: &ObservedInstance, asked: Timestamp, retried: bool) -> bool {
    // Starting it again finds no program where there is none, and no more memory; a hook that fails would fail the whole start
    // with those who know no second one.
    let last = instance.last_exit.as_ref();
    let hopeless = last
        .is_some_and(|exit| exit.oom || exit.hook.is_some() || NOT_STARTED.contains(&exit.code));
    if !retried && !hopeless && instance.state != InstanceState::Exited {
        return false;
    }
    match &instance.state {
        InstanceState::Exited => {
            instance
                .last_exit
                .as_ref()
                .is_some_and(|exit| exit.code != 0)
                || exits(instance) >= EXITS
        }
        _ => exits(instance) >= EXITS && has_ended_since(last, asked),
    }
}

/// Whether it ended after it was asked for: what it lacked before may be there now, and it is tried again.
fn has_ended_since(exit: Option<&ExitRecord>, asked: Timestamp) -> bool {
    // A cluster tells whole seconds, begun ones as if they had just begun.
    exit.is_some_and(|exit| exit.at.as_second() >= asked.as_second())
}

fn exits(instance: &ObservedInstance) -> u32 {
    let ended = matches!(
        instance.state,
        InstanceState::BackOff { .. } | InstanceState::Exited
    );
    instance.restarts + u32::from(ended)
}

/// From when the deadline counts: each instance that starts or becomes ready is progress, an instance that starts again is not.
fn begun(
    asked: Timestamp,
    progress: Timestamp,
    component: &DecidedComponent,
    seen: &ObservedComponent,
) -> Timestamp {
    if seen.wanted != component.hash {
        // The runtime has not turned to it yet.
        return progress;
    }
    of_target(seen, component)
        .flat_map(|instance| {
            let first_start = instance.started_at.filter(|_| instance.restarts == 0);
            [instance.ready_at, first_start]
        })
        .flatten()
        .fold(seen.since.max(asked), Timestamp::max)
}

/// When an instance of any component last became ready, if after `since`.
fn last_progress(since: Timestamp, observed: &ObservedApplication) -> Timestamp {
    let instances = observed
        .components
        .values()
        .flat_map(|seen| &seen.instances);
    instances
        .filter_map(|instance| instance.ready_at)
        .fold(since, Timestamp::max)
}

/// The deadline; while old instances are on their way out, new ones may have to wait for them.
fn patience(component: &DecidedComponent, seen: &ObservedComponent) -> Span {
    let rollout = &component.rollout;
    let leaving = seen.instances.iter().any(|instance| {
        instance.hash != component.hash
            && matches!(
                instance.state,
                InstanceState::Draining | InstanceState::Stopping
            )
    });
    let extra = if leaving {
        rollout.drain.millis() + rollout.grace.millis()
    } else {
        0
    };
    Span(rollout.deadline.millis() + extra)
}

fn is_past(since: Timestamp, span: Span, now: Timestamp) -> bool {
    now.duration_since(since).as_millis() >= i128::from(span.millis())
}

fn refuses(instance: &ObservedInstance) -> bool {
    instance
        .probe
        .as_ref()
        .is_some_and(|probe| !probe.ok && probe.message.contains("refused"))
}

fn exited(component: &DecidedComponent, instance: &ObservedInstance) -> Problem {
    let name = &component.name;
    let unknown = ExitRecord {
        code: -1,
        oom: false,
        at: Timestamp::UNIX_EPOCH,
        last_lines: Vec::new(),
        hook: None,
    };
    let exit = instance.last_exit.as_ref().unwrap_or(&unknown);
    let times = match exits(instance) {
        0 | 1 => "once".to_owned(),
        many => format!("{many} times"),
    };
    if let Some(hook) = &exit.hook {
        return problem::RELEASE_EXITED
            .problem(
                format!("{name} was stopped {times} before it was ready: {hook}."),
                "Its last lines say why. Correct it under `hooks`, then deploy again.",
            )
            .path(format!("components.{name}.hooks.postStart"))
            .evidence(exit.last_lines.iter().cloned());
    }
    let (how, remedy) = match (exit.oom, exit.code) {
        (true, _) => {
            let limit = component.content.main.memory_limit;
            let limit = limit.map_or_else(
                || "the machine's".to_owned(),
                |limit| format!("its {limit}"),
            );
            (
                format!("killed for memory: it wanted more than {limit}"),
                "Raise `resources.memory.limit`, or find out what takes the memory.",
            )
        }
        (_, 127) => (
            "with exit code 127: a program it needs is not in the image".to_owned(),
            "Check `command` and `entrypoint` against what the image holds.",
        ),
        (_, 126) => (
            "with exit code 126: a file it was told to run cannot be executed".to_owned(),
            "Check the file's mode and its first line.",
        ),
        (_, 0) => (
            "with exit code 0, as if its work were done".to_owned(),
            "A service runs until it is stopped: start the program in the foreground.",
        ),
        (_, code) => (
            format!("with exit code {code}"),
            "Its last lines say why. Correct it, then deploy again.",
        ),
    };
    let cause = format!("The program of {name} ended {times} before it was ready, {how}.");
    problem::RELEASE_EXITED
        .problem(cause, remedy)
        .path(format!("components.{name}"))
        .evidence(exit.last_lines.iter().cloned())
}

/// Why an instance whose own program is well is not ready: one of its sidecars ended, or its probe fails.
fn sidecar(component: &DecidedComponent, instance: &ObservedInstance) -> Option<Problem> {
    if instance.probe.as_ref().is_some_and(|probe| !probe.ok) {
        return None;
    }
    let name = &component.name;
    let at_fault = |sidecar: &&ObservedSidecar| sidecar.state != InstanceState::Ready;
    let sidecar = instance.sidecars.iter().find(at_fault)?;
    let path = format!("components.{name}.sidecars.{}", sidecar.name);
    if let Some(exit) = &sidecar.last_exit {
        let how = match exit.oom {
            true => "killed for memory".to_owned(),
            false => format!("with exit code {}", exit.code),
        };
        let times = sidecar.restarts + u32::from(sidecar.state != InstanceState::Starting);
        return Some(
            problem::RELEASE_EXITED
                .problem(
                    format!(
                        "The sidecar {} of {name} ended {times} times before the instance was ready, {how}.",
                        sidecar.name
                    ),
                    "Its last lines say why; a sidecar runs as long as its instance. What ends by itself is an `init` step.",
                )
                .path(path)
                .evidence(exit.last_lines.iter().cloned()),
        );
    }
    let probe = sidecar.probe.as_ref().filter(|probe| !probe.ok)?;
    Some(
        problem::RELEASE_NOT_READY
            .problem(
                format!(
                    "The sidecar {} of {name} was not ready within {}. The probe: {}.",
                    sidecar.name, component.rollout.deadline, probe.message
                ),
                "Correct what the probe's answer shows; if it only needs longer, raise `rollout.deadline`.",
            )
            .path(format!("{path}.probes")),
    )
}

fn port_closed(
    input: &Input,
    component: &DecidedComponent,
    instance: &ObservedInstance,
) -> Problem {
    let name = &component.name;
    let ports: Vec<String> = component
        .content
        .ports
        .values()
        .filter(|port| port.protocol != PortProtocol::Udp)
        .map(|port| port.port.to_string())
        .collect();
    let ports = match &ports[..] {
        [one] => format!("port {one}"),
        many => format!("ports {}", many.join(", ")),
    };
    let waited = component.rollout.deadline;
    problem::RELEASE_PORT_CLOSED
        .problem(
            format!("The program of {name} runs, but nobody listened on {ports} within {waited}."),
            "Let it listen on 0.0.0.0 and that port (the variable PORT holds the first HTTP port; 127.0.0.1 is the container's own), or declare under `ports` the one it does listen on.",
        )
        .path(format!("components.{name}.ports"))
        .evidence(shown(input, instance))
}

fn not_ready(
    input: &Input,
    component: &DecidedComponent,
    up: usize,
    culprit: Option<&ObservedInstance>,
    observed: &ObservedApplication,
) -> Problem {
    // The runtime's own reason is the better one.
    if let Some(problem) = &observed.problem {
        return problem.clone();
    }
    let (name, wanted, deadline) = (
        &component.name,
        component.instances,
        component.rollout.deadline,
    );
    let answer = culprit
        .and_then(|instance| instance.probe.as_ref())
        .filter(|probe| !probe.ok);
    let answer = answer
        .map(|probe| format!(" The probe: {}.", probe.message))
        .unwrap_or_default();
    let mut problem = problem::RELEASE_NOT_READY
        .problem(
            format!("{up} of {wanted} instances of {name} were ready within {deadline}.{answer}"),
            "Correct what the probe's answer and the last lines show; if it only needs longer, raise `rollout.deadline`.",
        )
        .path(format!("components.{name}.probes"));
    if let Some(instance) = culprit {
        problem = problem.evidence(shown(input, instance));
    }
    problem
}

/// The probe's answer, then the last lines of the log.
fn shown(input: &Input, instance: &ObservedInstance) -> Vec<String> {
    let probe = instance.probe.iter().map(|probe| probe.message.clone());
    let lines = match input.last_lines.get(&instance.name) {
        Some(lines) => lines.as_slice(),
        None => instance
            .last_exit
            .as_ref()
            .map_or(&[][..], |exit| &exit.last_lines),
    };
    probe.chain(lines.iter().cloned()).collect()
}
