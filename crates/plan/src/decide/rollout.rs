//! How a component's instances are replaced, and how many there are.

use pluvio_model::name::Name;
use pluvio_model::problem::{Problem, SPEC_CONFLICT};
use pluvio_model::quantity::Span;
use pluvio_model::release::{DecidedRollout, Strategy};
use pluvio_model::spec::{ComponentSpec, Kind};

use super::volumes;

const DRAIN: Span = Span::seconds(30);
const GRACE: Span = Span::seconds(10);
const DEADLINE: Span = Span::seconds(120);

pub(super) fn instances(component: &ComponentSpec) -> u32 {
    match component.kind {
        // They run to their end, each run a container of its own.
        Kind::Job | Kind::Cron => 0,
        Kind::Daemon => 1,
        _ => component.instances.unwrap_or(1),
    }
}

pub(super) fn decide(
    name: &Name,
    component: &ComponentSpec,
    problems: &mut Vec<Problem>,
) -> DecidedRollout {
    let asked = component.rollout.clone().unwrap_or_default();
    let strategy = match alone(component) {
        None => {
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
        }
        Some(why) => {
            let count = instances(component);
            if count > 1 && !volumes::has_one_each(component.kind) {
                problems.push(
                    SPEC_CONFLICT
                        .problem(
                            format!("{name} shall have {count} instances, but {why}."),
                            "Set `instances: 1`, or write `access: shared` for the volume and take `publish` out.",
                        )
                        .path(format!("components.{name}.instances")),
                );
            }
            Strategy::StopThenStart
        }
    };
    DecidedRollout {
        strategy,
        drain: asked.drain.unwrap_or(DRAIN),
        grace: asked.grace.unwrap_or(GRACE),
        deadline: asked.deadline.unwrap_or(DEADLINE),
    }
}

/// Why two instances cannot run side by side, if so.
fn alone(component: &ComponentSpec) -> Option<String> {
    if let Some(target) = volumes::exclusive(&component.volumes) {
        return Some(format!(
            "its volume at {target} is exclusive: one instance at a time"
        ));
    }
    if let Some(publish) = component.publish.first() {
        return Some(format!(
            "it takes the machine's port {}: one instance at a time",
            publish.host
        ));
    }
    let on_host = component.host.as_ref().is_some_and(|host| host.network);
    on_host.then(|| "it is on the machine's own network: one instance at a time".to_owned())
}
