//! How a component's instances are replaced, and how many there are.

use pluvio_model::name::{Name, numbered};
use pluvio_model::problem::{Problem, SPEC_CONFLICT};
use pluvio_model::quantity::Span;
use pluvio_model::release::{DecidedRollout, Strategy};
use pluvio_model::spec::{AppSpec, ComponentSpec, Kind};

use super::volumes;

const DRAIN: Span = Span::seconds(30);
const GRACE: Span = Span::seconds(10);
const DEADLINE: Span = Span::seconds(120);
/// Programs that others described start under compose however long they take: many make a schema at their first start.
const DEADLINE_OF_OTHERS: Span = Span::seconds(300);
/// Under compose they end and are started again until what they need is there.
const RETRY_OF_OTHERS: Span = Span::seconds(90);

pub(super) fn instances(component: &ComponentSpec) -> u32 {
    match component.kind {
        // They run to their end, each run a container of its own.
        Kind::Job | Kind::Cron => 0,
        Kind::Daemon => 1,
        _ => match &component.scale {
            Some(scale) => scale.min,
            None => component.instances.unwrap_or(1),
        },
    }
}

/// The most that there ever are.
pub(super) fn most(component: &ComponentSpec) -> u32 {
    match &component.scale {
        Some(scale) => scale.most(),
        None => instances(component),
    }
}

pub(super) fn decide(
    name: &Name,
    component: &ComponentSpec,
    problems: &mut Vec<Problem>,
) -> DecidedRollout {
    let asked = component.rollout.clone().unwrap_or_default();
    let exclusive = volumes::exclusive(component);
    let machine = on_the_machine(component);
    let count = most(component);
    let why = match (exclusive, &machine) {
        // Each of its instances has a volume of its own, but there is one machine.
        (Some(target), None) if component.kind != Kind::Stateful => Some(format!(
            "its volume at {target} is exclusive: one instance at a time"
        )),
        _ => machine.clone(),
    };
    if let Some(why) = &why
        && count > 1
    {
        problems.push(
            SPEC_CONFLICT
                .problem(
                    format!("{name} shall have {count} instances, but {why}."),
                    match machine {
                        Some(_) => "Set `instances: 1`, or take `publish` and `host.network` out.",
                        None => "Set `instances: 1`, write `access: shared` for the volume, or `kind: stateful` for a volume for each instance.",
                    },
                )
                .path(format!("components.{name}.instances")),
        );
    }
    let strategy = if component.kind == Kind::Stateful {
        Strategy::Ordered
    } else if exclusive.is_some() || machine.is_some() {
        Strategy::StopThenStart
    } else {
        let (surge, unavailable) = (asked.surge.unwrap_or(1), asked.unavailable.unwrap_or(0));
        if surge == 0 && unavailable == 0 {
            problems.push(
                SPEC_CONFLICT
                    .problem(
                        format!("{name} may have neither an instance more nor one less while it is replaced."),
                        "Set `rollout.surge` or `rollout.unavailable` to 1 or more.",
                    )
                    .path(format!("components.{name}.rollout")),
            );
        }
        Strategy::Surge { surge, unavailable }
    };
    DecidedRollout {
        strategy,
        drain: asked.drain.unwrap_or(DRAIN),
        grace: asked.grace.unwrap_or(GRACE),
        deadline: asked.deadline.unwrap_or(match component.image_ports {
            true => DEADLINE_OF_OTHERS,
            false => DEADLINE,
        }),
        retry: match component.image_ports {
            true => RETRY_OF_OTHERS,
            false => Span::default(),
        },
    }
}

/// What of the machine only one instance can have, if it asks for that.
fn on_the_machine(component: &ComponentSpec) -> Option<String> {
    if let Some(publish) = component.publish.first() {
        return Some(format!(
            "it takes the machine's port {}: one instance at a time",
            publish.host
        ));
    }
    let on_host = component.host.as_ref().is_some_and(|host| host.network);
    on_host.then(|| "it is on the machine's own network: one instance at a time".to_owned())
}

/// Names of single instances, `db-0`, lead to them: nothing else of the application may have one.
pub(super) fn refuse_taken_names(spec: &AppSpec, problems: &mut Vec<Problem>) {
    let several = |component: &&ComponentSpec| component.kind == Kind::Stateful;
    for (name, component) in spec.components.iter().filter(|(_, c)| several(c)) {
        for ordinal in 0..most(component) {
            let instance = numbered(name, ordinal);
            let taken = spec.components.iter().find_map(|(other, component)| {
                if *other == instance {
                    return Some(format!("components.{other}"));
                }
                let at = component
                    .aliases
                    .iter()
                    .position(|alias| *alias == instance.as_str())?;
                Some(format!("components.{other}.aliases.{at}"))
            });
            if let Some(path) = taken {
                problems.push(
                    SPEC_CONFLICT
                        .problem(
                            format!("{instance} is the name of an instance of {name}, which is stateful, and of something else."),
                            "Give the other one another name.",
                        )
                        .path(path),
                );
            }
        }
    }
}
