//! Which instances stay, which leave, how many are missing.

use pluvio_model::release::Strategy;
use pluvio_model::spec::RestartPolicy;

use super::restart::{self, Due};
use super::{ComponentWish, Health, InstanceSeen, RolloutInput, SeenState, StopReason, ordered};

pub(super) struct Choice<'a> {
    /// Of the wanted content, the best first.
    pub(super) keep_new: Vec<&'a InstanceSeen>,
    /// Of another content, kept until the new ones serve.
    pub(super) keep_old: Vec<&'a InstanceSeen>,
    pub(super) leave: Vec<&'a InstanceSeen>,
    /// The slots to make instances in now.
    pub(super) create: Vec<u32>,
    pub(super) start: Starts<'a>,
    pub(super) wanted: u32,
}

/// Which programs may be started now.
#[derive(Debug, Clone)]
pub(super) enum Starts<'a> {
    AtMost(u32),
    /// These, by name.
    Only(Vec<&'a str>),
}

impl Starts<'_> {
    /// Whether this one may be; then it has been.
    pub(super) fn take(&mut self, name: &str) -> bool {
        match self {
            Starts::AtMost(0) => false,
            Starts::AtMost(left) => {
                *left -= 1;
                true
            }
            Starts::Only(names) => names.contains(&name),
        }
    }
}

impl<'a> Choice<'a> {
    pub(super) fn keep(&self) -> impl Iterator<Item = &'a InstanceSeen> {
        self.keep_new.iter().chain(&self.keep_old).copied()
    }

    /// Whether all wanted instances serve (or ended as their policy allows).
    pub(super) fn new_is_up(&self, restart: RestartPolicy) -> bool {
        self.keep_new.len() == self.wanted as usize
            && self
                .keep_new
                .iter()
                .all(|instance| is_up(restart, instance))
    }
}

/// Serves, or ended as its policy allows.
pub(super) fn is_up(restart: RestartPolicy, instance: &InstanceSeen) -> bool {
    instance.is_serving() || is_done(restart, instance)
}

/// Ended, and not started again by its policy.
fn is_over(restart: RestartPolicy, instance: &InstanceSeen) -> bool {
    instance.state == SeenState::Exited
        // The time plays no part in whether, only in when.
        && matches!(restart::due(restart, instance, jiff::Timestamp::MAX), Due::Never)
}

/// Ended well, and is not started again by its policy: there is nothing more to wait for.
fn is_done(restart: RestartPolicy, instance: &InstanceSeen) -> bool {
    is_over(restart, instance) && instance.last_exit.is_some_and(|last| last.code == 0)
}

pub(super) fn choose(input: &RolloutInput) -> Choice<'_> {
    let ComponentWish::Run {
        hash,
        instances: wanted,
    } = &input.wish
    else {
        return Choice {
            keep_new: Vec::new(),
            keep_old: Vec::new(),
            leave: input.instances.iter().collect(),
            create: Vec::new(),
            start: Starts::AtMost(0),
            wanted: 0,
        };
    };
    let wanted = *wanted;
    if input.rollout.strategy == Strategy::Ordered {
        return ordered::choose(input, hash, wanted);
    }
    // A stop signal cannot be taken back: such an instance leaves even if it is wanted again.
    let (mut leave, mut rest): (Vec<_>, Vec<_>) = input
        .instances
        .iter()
        .partition(|instance| instance.stop == Some(StopReason::Leaving));
    rest.sort_by_key(|instance| rank(instance));
    let (mut new, old): (Vec<_>, Vec<_>) = rest
        .into_iter()
        .partition(|instance| instance.hash == *hash);
    if new.len() > wanted as usize {
        leave.extend(new.split_off(wanted as usize));
    }
    // Of another content, only what may have served is worth keeping.
    let (mut old, useless): (Vec<_>, Vec<_>) = old.into_iter().partition(|instance| {
        instance.health != Health::Starting
            && instance.state != SeenState::Created
            && !is_over(input.restart, instance)
    });
    leave.extend(useless);

    let missing = wanted - new.len() as u32;
    let (keep_old, create, start) = match input.rollout.strategy {
        Strategy::Surge { surge, unavailable } => {
            let serving = new
                .iter()
                .filter(|instance| is_up(input.restart, instance))
                .count();
            let needed = wanted.saturating_sub(unavailable) as usize;
            let keep = needed.saturating_sub(serving).min(old.len());
            leave.extend(old.split_off(keep));
            // Neither above nor below would be no way to replace anything.
            let surge = if unavailable == 0 {
                surge.max(1)
            } else {
                surge
            };
            let alive = new
                .iter()
                .chain(&old)
                .filter(|i| !is_over(input.restart, i))
                .count()
                + leave
                    .iter()
                    .filter(|i| i.state == SeenState::Running)
                    .count();
            let most = wanted + surge;
            let room = most.saturating_sub(alive as u32);
            let start = Starts::AtMost(most.saturating_sub(running(input)));
            (old, missing.min(room), start)
        }
        Strategy::StopThenStart | Strategy::Ordered => {
            // The new instances are made before the old ones stop: what cannot be made must not cost what runs.
            if missing == 0 || input.made_alone {
                leave.append(&mut old);
            }
            let create = match input.instances.is_empty() || !input.made_alone {
                true => missing,
                false => 0,
            };
            (old, create, Starts::Only(alone(&input.instances)))
        }
    };
    let create = free_slots(input).take(create as usize).collect();
    Choice {
        keep_new: new,
        keep_old,
        leave,
        create,
        start,
        wanted,
    }
}

/// What may start where only one may run: an instance beside which there is no other, not even an ended one. For what a node
/// asked the engine for before it was killed may still come about.
fn alone(instances: &[InstanceSeen]) -> Vec<&str> {
    match instances {
        [one] => vec![&one.name],
        _ => Vec::new(),
    }
}

/// The smallest numbers that no instance has.
fn free_slots(input: &RolloutInput) -> impl Iterator<Item = u32> {
    (0..).filter(|slot| input.instances.iter().all(|i| i.slot != *slot))
}

fn running(input: &RolloutInput) -> u32 {
    let running = input
        .instances
        .iter()
        .filter(|i| i.state == SeenState::Running);
    running.count() as u32
}

/// The smaller, the more worth keeping.
pub(super) fn rank(instance: &InstanceSeen) -> (u8, u32) {
    let class = match (instance.state, instance.health) {
        _ if instance.stop.is_some() => 8,
        (SeenState::Running, _) if instance.live_failed => 6,
        (SeenState::Running, Health::Ready) if instance.is_serving() => 0,
        (SeenState::Running, Health::Ready) if instance.draining_since.is_none() => 1,
        (SeenState::Running, Health::Ready) => 2,
        (SeenState::Running, Health::Unknown) => 3,
        (SeenState::Running, Health::NotReady) => 4,
        (SeenState::Running, Health::Starting) => 5,
        (SeenState::Created, _) => 7,
        (SeenState::Exited, _) => 8,
    };
    (class, instance.slot)
}
