//! Instances with names, and volumes, of their own: whose turn it is.
//!
//! A slot is an ordinal. New ones come from the first on, each once those before it are ready. A new content takes their places
//! one at a time: where none serves first (there is nothing to lose, and it may be what a failed update left), then from the
//! last down to the first, each only while all others serve. Those too many go from the last on.

use std::collections::BTreeMap;

use pluvio_model::image::ContentHash;

use super::choice::{Choice, Starts, is_up, rank};
use super::{Health, InstanceSeen, RolloutInput, SeenState, StopReason};

/// The instances of one name.
#[derive(Default)]
struct Ordinal<'a> {
    /// Of the wanted content.
    new: Option<&'a InstanceSeen>,
    /// The best of another content.
    old: Option<&'a InstanceSeen>,
    /// On their way out, whatever else is decided.
    leave: Vec<&'a InstanceSeen>,
}

impl<'a> Ordinal<'a> {
    fn add(&mut self, instance: &'a InstanceSeen, hash: &ContentHash) {
        let is_new = instance.hash == *hash;
        // What never ran is worth keeping only of the wanted content.
        let is_lost = instance.stop == Some(StopReason::Leaving)
            || (!is_new && instance.state == SeenState::Created);
        let place = if is_new { &mut self.new } else { &mut self.old };
        if is_lost || place.is_some() {
            self.leave.push(instance);
        } else {
            *place = Some(instance);
        }
    }

    fn all(&self) -> impl Iterator<Item = &'a InstanceSeen> {
        self.new
            .into_iter()
            .chain(self.old)
            .chain(self.leave.iter().copied())
    }

    /// Whether an instance of the wanted content can be made beside what is there.
    fn has_room(&self, input: &RolloutInput, hash: &ContentHash) -> bool {
        self.all()
            .all(|instance| !input.made_alone && instance.hash != *hash)
    }
}

pub(super) fn choose<'a>(input: &'a RolloutInput, hash: &ContentHash, wanted: u32) -> Choice<'a> {
    let mut instances: Vec<&InstanceSeen> = input.instances.iter().collect();
    instances.sort_by_key(|instance| rank(instance));
    let mut ordinals: BTreeMap<u32, Ordinal> =
        (0..wanted).map(|slot| (slot, Ordinal::default())).collect();
    for instance in instances {
        ordinals
            .entry(instance.slot)
            .or_default()
            .add(instance, hash);
    }
    let superfluous = ordinals.split_off(&wanted);
    let serves = |instance: &InstanceSeen| is_up(input.restart, instance);
    let turn = turn(&ordinals, superfluous.is_empty(), serves);
    let missing = missing(&ordinals, serves);

    let mut choice = Choice {
        keep_new: Vec::new(),
        keep_old: Vec::new(),
        leave: Vec::new(),
        create: Vec::new(),
        start: Starts::Only(alone(&input.instances)),
        wanted,
    };
    for (slot, ordinal) in &ordinals {
        choice.leave.extend(&ordinal.leave);
        choice.keep_new.extend(ordinal.new);
        let its_turn = turn == Some(*slot);
        // It is made before the old one stops: what cannot be made must not cost what runs.
        let is_made = ordinal.new.is_some() || input.made_alone;
        if its_turn && is_made {
            choice.leave.extend(ordinal.old);
        } else {
            choice.keep_old.extend(ordinal.old);
        }
        if (its_turn || missing == Some(*slot))
            && ordinal.new.is_none()
            && ordinal.has_room(input, hash)
        {
            choice.create.push(*slot);
        }
    }
    let runs = |ordinal: &Ordinal| ordinal.all().any(|i| i.state == SeenState::Running);
    let last = superfluous
        .iter()
        .rev()
        .find(|(_, ordinal)| runs(ordinal))
        .map(|(slot, _)| *slot);
    for (slot, ordinal) in &superfluous {
        for instance in ordinal.all() {
            let is_lost = ordinal.leave.iter().any(|lost| lost.name == instance.name);
            let goes = is_lost || instance.state != SeenState::Running || last == Some(*slot);
            let list = if goes {
                &mut choice.leave
            } else {
                &mut choice.keep_old
            };
            list.push(instance);
        }
    }
    choice
}

/// Which ordinal's instance gives way to one of the wanted content now.
fn turn(
    ordinals: &BTreeMap<u32, Ordinal>,
    none_superfluous: bool,
    serves: impl Fn(&InstanceSeen) -> bool,
) -> Option<u32> {
    let is_at_work = |ordinal: &Ordinal| match (ordinal.new, ordinal.old) {
        (Some(new), None) => !serves(new),
        (None, None) => true,
        (_, Some(_)) => false,
    };
    let olds = || {
        ordinals
            .iter()
            .filter_map(|(slot, ordinal)| Some((*slot, ordinal.old?)))
    };
    // The node was restarted and has not asked yet: nothing is concluded.
    let unknown =
        olds().any(|(_, old)| old.state == SeenState::Running && old.health == Health::Unknown);
    if !none_superfluous || unknown || ordinals.values().any(is_at_work) {
        return None;
    }
    let idle = olds().filter(|(_, old)| !serves(old)).last();
    idle.or_else(|| olds().next_back()).map(|(slot, _)| slot)
}

/// The first ordinal that has no instance, once those before it have theirs.
fn missing(
    ordinals: &BTreeMap<u32, Ordinal>,
    serves: impl Fn(&InstanceSeen) -> bool,
) -> Option<u32> {
    for (slot, ordinal) in ordinals {
        match (ordinal.new, ordinal.old) {
            (None, None) => return Some(*slot),
            (Some(new), None) if !serves(new) => return None,
            // One of another content is as ready as it gets.
            _ => {}
        }
    }
    None
}

/// What may start: an instance beside which there is none of its name, not even an ended one. For what a node asked the
/// engine for before it was killed may still come about.
fn alone(instances: &[InstanceSeen]) -> Vec<&str> {
    let others = |one: &InstanceSeen| {
        instances
            .iter()
            .filter(|other| other.slot == one.slot)
            .count()
    };
    instances
        .iter()
        .filter(|one| others(one) == 1)
        .map(|one| one.name.as_str())
        .collect()
}
