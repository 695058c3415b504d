//! Exclusive volumes: while a container is there that has one, nothing else that has it is started.
//!
//! The rollout keeps a component's instances apart. This keeps apart what it does not see: a component that was renamed and its
//! former self, a volume that moved from one component to another, init steps, runs, and whatever a killed node left. A container
//! counts as long as it exists, also when it has ended or never ran: a start that a killed node asked for may still come about,
//! and only what is gone cannot be started.

use std::collections::BTreeSet;

use pluvio_model::spec::{VolumeAccess, VolumeKind};
use pluvio_plan::lower::engine::{ContainerCreate, label};
use pluvio_runtime::driver::SeenContainer;

use super::Application;
use super::desired::Desired;
use crate::happened::What;

/// Exclusive volumes, and whose they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Claim {
    /// Component and run, or component, content and slot: containers of one instance have its volumes together.
    of: [String; 4],
    volumes: BTreeSet<String>,
}

impl Claim {
    fn new<'a>(label: impl Fn(&str) -> Option<&'a str>) -> Claim {
        let text = |key: &str| label(key).unwrap_or_default().to_owned();
        let run = text(label::RUN);
        let (hash, slot) = match run.is_empty() {
            true => (text(label::HASH), text(label::SLOT)),
            false => Default::default(),
        };
        Claim {
            of: [text(label::COMPONENT), run, hash, slot],
            volumes: label(label::EXCLUSIVE)
                .into_iter()
                .flat_map(names)
                .collect(),
        }
    }

    fn is_against(&self, other: &Claim) -> bool {
        self.of != other.of && !self.volumes.is_disjoint(&other.volumes)
    }
}

fn names(joined: &str) -> impl Iterator<Item = String> {
    joined.split(',').map(str::to_owned)
}

impl Application {
    /// Whether nothing else has the volumes that an instance needs for itself.
    pub(super) fn has_its_volumes(&mut self, desired: &Desired, name: &str) -> bool {
        let Some(instance) = self.instances.get(name) else {
            return true;
        };
        let claim = claim_of(desired, &instance.seen);
        self.is_first(desired, name, &claim)
    }

    /// The same of a container beside an instance's main one.
    pub(super) fn may_have_volumes(&mut self, desired: &Desired, seen: &SeenContainer) -> bool {
        let claim = claim_of(desired, seen);
        self.is_first(desired, &seen.name, &claim)
    }

    /// Takes the volumes for what is about to be made and run, unless something else has them.
    pub(super) fn claim<'a>(
        &mut self,
        desired: &Desired,
        name: &str,
        containers: impl Iterator<Item = &'a ContainerCreate>,
    ) -> bool {
        let mut claim = Claim::default();
        for container in containers {
            let labels = &container.body["Labels"];
            let one = Claim::new(|key| labels[key].as_str());
            claim.of = one.of;
            claim.volumes.extend(one.volumes);
        }
        let is_first = self.is_first(desired, name, &claim);
        if is_first && !claim.volumes.is_empty() {
            self.making.insert(name.to_owned(), claim);
        }
        is_first
    }

    fn is_first(&mut self, desired: &Desired, name: &str, claim: &Claim) -> bool {
        let holder = if claim.volumes.is_empty() {
            None
        } else {
            let there = self
                .part
                .containers
                .iter()
                .find(|other| claim_of(desired, other).is_against(claim))
                .map(|other| &other.name);
            let made = self
                .making
                .iter()
                .find(|(_, other)| other.is_against(claim));
            let there = there.or(made.map(|(name, _)| name)).cloned();
            there.or_else(|| self.another_with(claim))
        };
        let Some(holder) = holder else {
            return true;
        };
        // Whatever becomes of the holder wakes the loop.
        let before = self.waiting.insert(name.to_owned(), holder.clone());
        let before = before.as_ref().or(self.waited.get(name));
        let news = before != Some(&holder);
        if news {
            tracing::info!(application = %self.id, name, holder, "it waits for its volume");
            let text = format!("waits for its volume, which {holder} still has");
            self.say(name, What::Waiting, text);
        }
        false
    }
}

impl Application {
    /// A container of another application that has one of the volumes: it was its before.
    fn another_with(&self, claim: &Claim) -> Option<String> {
        let view = self.shared.engine.view();
        let own = self.id.to_string();
        let has = |container: &&SeenContainer| {
            let label = |key: &str| container.labels.get(key).map(String::as_str);
            label(label::APPLICATION) != Some(own.as_str())
                && !Claim::new(label).volumes.is_disjoint(&claim.volumes)
        };
        let found = view.containers().find(has);
        found.map(|container| container.name.clone())
    }
}

/// What a container has for itself. One of a former version does not say: its content does, which had one instance.
fn claim_of(desired: &Desired, container: &SeenContainer) -> Claim {
    let label = |key: &str| container.labels.get(key).map(String::as_str);
    let mut claim = Claim::new(label);
    let is_new = label(label::EXCLUSIVE).is_some();
    if let (false, Some(wish)) = (is_new, desired.kept.wish()) {
        let decided = desired.kept.contents.iter().find(|decided| {
            decided.name.as_str() == claim.of[0] && decided.hash.as_str() == claim.of[2]
        });
        let mounts = decided
            .into_iter()
            .flat_map(|decided| decided.content.main.mounts.values());
        for mount in mounts.filter(|mount| mount.kind == VolumeKind::Disk) {
            let Some(name) = &mount.volume else { continue };
            let exclusive = wish
                .release
                .volumes
                .get(name)
                .is_some_and(|volume| volume.access == VolumeAccess::Exclusive);
            let plan = desired.volumes.iter().find(|plan| plan.volume == *name);
            claim
                .volumes
                .extend(plan.filter(|_| exclusive).map(|plan| plan.name.clone()));
        }
    }
    claim
}
