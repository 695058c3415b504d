//! What the loop tells of its application.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use pluvio_model::image::ContentHash;
use pluvio_model::name::Name;
use pluvio_model::observed::{
    InstanceState, ObservedApplication, ObservedComponent, ObservedInstance, ObservedVolume,
    ProbeAnswer,
};
use pluvio_model::release::Strategy;
use pluvio_model::route::InstanceKey;
use pluvio_model::stage::RunWish;
use pluvio_plan::lower::engine::label;
use pluvio_plan::rollout::{ComponentWish, Health, StopReason, start_again_at};
use pluvio_runtime::driver::ContainerState;

use super::actions::Doing;
use super::desired::Desired;
use super::hooks::PostStart;
use super::instances::Instance;
use super::memo::InstanceMemo;
use super::{Application, Component};
use crate::probes::Verdict;
use pluvio_runtime::Masks;

/// What is told, with what is looked up when somebody asks: the newest answers and requests in flight.
#[derive(Debug, Clone, Default)]
pub(crate) struct Published {
    observed: ObservedApplication,
    verdicts: HashMap<String, Arc<Mutex<Verdict>>>,
    masks: Masks,
}

impl Published {
    pub(crate) fn now(&self, in_flight: &HashMap<InstanceKey, u64>) -> ObservedApplication {
        let mut observed = self.observed.clone();
        for instance in observed
            .components
            .values_mut()
            .flat_map(|c| &mut c.instances)
            .chain(observed.externals.values_mut().flatten())
        {
            let key = || instance.name.parse().ok();
            let key: Option<InstanceKey> = (!in_flight.is_empty()).then(key).flatten();
            instance.in_flight = key
                .and_then(|key| in_flight.get(&key).copied())
                .unwrap_or_default();
            if let Some(answer) = self.answer(&instance.name) {
                instance.probe = Some(answer);
            }
            for sidecar in &mut instance.sidecars {
                sidecar.probe = self.answer(&format!("{}/{}", instance.name, sidecar.name));
            }
        }
        observed
    }

    /// The newest answer of a probe.
    fn answer(&self, of: &str) -> Option<ProbeAnswer> {
        let verdict = self.verdicts.get(of)?;
        let verdict = verdict.lock().unwrap_or_else(PoisonError::into_inner);
        let mut answer = verdict.answer.clone()?;
        answer.message = self.masks.mask(answer.message);
        Some(answer)
    }
}

/// The components that a wish keeps without instances.
fn off(wish: &RunWish) -> Vec<Name> {
    let names = wish.release.components.keys();
    names.filter(|name| !wish.is_on(name)).cloned().collect()
}

impl Application {
    pub(crate) fn publish(&mut self) {
        let observed = self.observed();
        let verdicts = self
            .instances
            .iter()
            .filter_map(|(name, instance)| Some((name.clone(), instance.prober.as_ref()?.shared())))
            .chain(self.sidecar_verdicts())
            .chain(self.external_verdicts())
            .collect();
        let mut published = self.shared.published();
        let changed = published
            .get(&self.id)
            .is_none_or(|before| before.observed != observed);
        let masks = self.masks.clone();
        let now = Published {
            observed,
            verdicts,
            masks,
        };
        published.insert(self.id, now);
        drop(published);
        if changed {
            self.shared.hint();
        }
    }

    fn observed(&self) -> ObservedApplication {
        // Of the stage that was worked by in this look, which may not be the newest; before the engine has answered, of the
        // one that is kept.
        let kept = match &self.desired {
            Some(desired) => desired.kept.clone(),
            None => match self.shared.stages().get(self.id) {
                Some(kept) => kept.clone(),
                None => return ObservedApplication::default(),
            },
        };
        let mut observed = ObservedApplication {
            generation: kept.stage.generation,
            stage: kept
                .wish()
                .map(|wish| wish.components.clone())
                .unwrap_or_default(),
            stopped: kept.wish().map(off).unwrap_or_default(),
            ..ObservedApplication::default()
        };
        observed.problem = self.problem();
        for volume in self.part.volumes.iter() {
            let name = volume
                .labels
                .get(label::VOLUME)
                .and_then(|name| name.parse().ok());
            if let Some(name) = name {
                let handle = volume.name.clone();
                observed.volumes.insert(
                    name,
                    ObservedVolume {
                        handle,
                        bytes: None,
                    },
                );
            }
        }
        let Some(desired) = &self.desired else {
            return observed;
        };
        let view = self.shared.engine.view();
        for volume in &desired.volumes {
            // One that was made for another application carries its name there.
            if view.volumes().any(|(_, there)| there.name == volume.name) {
                let there = ObservedVolume {
                    handle: volume.name.clone(),
                    bytes: None,
                };
                observed.volumes.insert(volume.volume.clone(), there);
            }
        }
        for (name, component) in &self.components {
            if let Some(seen) = self.component(desired, name, component) {
                observed.components.insert(name.clone(), seen);
            }
        }
        observed.externals = self.observed_externals();
        observed.runs = self.observed_runs(desired);
        observed.schedules = self.next_firings(desired);
        observed.settled = self.part.known
            && observed.problem.is_none()
            && self.busy.is_empty()
            && self.knows_externals(desired)
            && self.components.values().all(|component| component.settled)
            && if desired.is_gone() {
                self.is_gone()
            } else {
                desired
                    .components
                    .keys()
                    .all(|name| self.components.contains_key(name))
            };
        observed
    }

    fn problem(&self) -> Option<pluvio_model::problem::Problem> {
        let of_stage = self
            .desired
            .as_ref()
            .and_then(|desired| desired.problem.clone());
        of_stage.or_else(|| self.part.problem.clone()).or_else(|| {
            self.troubles
                .values()
                .next()
                .map(|trouble| trouble.problem.clone())
        })
    }

    fn component(
        &self,
        desired: &Desired,
        name: &Name,
        component: &Component,
    ) -> Option<ObservedComponent> {
        let asked = self.asked(desired, name);
        let memo = self.memo.components.get(name);
        let mut instances: Vec<ObservedInstance> = self
            .instances
            .values()
            .filter(|instance| instance.component == *name)
            .map(|instance| self.instance(desired, instance))
            .collect();
        let planned = desired.components.get(name);
        let making = self
            .busy
            .iter()
            .filter(|(_, doing)| **doing == Doing::Create);
        for (slot_name, _) in making {
            let Some(plan) = planned.map(|wanted| &wanted.plan) else {
                continue;
            };
            let slot = (0..64).find(|slot| plan.instance.name(*slot) == *slot_name);
            if let Some(slot) = slot.filter(|_| !self.instances.contains_key(slot_name)) {
                let ordinal = ordinal(desired, name, slot);
                instances.push(creating(slot_name, ordinal, &plan.hash, desired));
            }
        }
        let (hash, count) = match &asked.wish {
            ComponentWish::Run { hash, instances } => (hash.clone(), *instances),
            ComponentWish::Stopped | ComponentWish::Paused => (planned?.plan.hash.clone(), 0),
            ComponentWish::Gone => (instances.first().map(|instance| instance.hash.clone())?, 0),
        };
        Some(ObservedComponent {
            wanted: hash,
            wanted_instances: count,
            since: memo.map_or_else(|| self.shared.clock.now(), |memo| memo.since),
            instances,
            settled: component.settled,
            step: component.phase,
            scaling: self.observed_scaling(name),
        })
    }

    fn instance(&self, desired: &Desired, instance: &Instance) -> ObservedInstance {
        let name = &instance.seen.name;
        let memo = self.memo.instances.get(name);
        let none = InstanceMemo::default();
        let told = memo.unwrap_or(&none);
        ObservedInstance {
            name: name.clone(),
            ordinal: ordinal(desired, &instance.component, instance.slot),
            hash: instance.hash.clone(),
            release: instance.release,
            state: self.state(desired, instance, told),
            address: instance.seen.address.map(|address| address.to_string()),
            started_at: match &instance.seen.state {
                ContainerState::Running { started_at } => Some(*started_at),
                _ => told.started_at,
            },
            ready_at: told.ready_at,
            restarts: told.restarts,
            // Told with what it said at last, not before.
            last_exit: told
                .last_exit
                .clone()
                .filter(|_| !self.speaking.contains(name)),
            // A probe's is looked up when asked for.
            probe: instance.post_start.as_ref().and_then(PostStart::answer),
            in_flight: 0,
            sidecars: self.observed_sidecars(instance),
        }
    }

    fn state(&self, desired: &Desired, instance: &Instance, memo: &InstanceMemo) -> InstanceState {
        let stopping = instance.stop.is_some();
        match &instance.seen.state {
            ContainerState::Created => InstanceState::Creating,
            ContainerState::Running { .. } if stopping => InstanceState::Stopping,
            ContainerState::Running { .. } if instance.draining_since.is_some() => {
                InstanceState::Draining
            }
            ContainerState::Running { .. } => match self.whole_health(instance, Some(memo)) {
                Health::Ready => InstanceState::Ready,
                Health::NotReady => InstanceState::NotReady,
                Health::Starting => InstanceState::Starting,
                Health::Unknown => InstanceState::Unknown,
            },
            // It is about to be removed; that it ended says nothing of its work.
            ContainerState::Exited { .. } if instance.stop == Some(StopReason::Leaving) => {
                InstanceState::Stopping
            }
            // Its last lines are being read; then it is told how it ended.
            ContainerState::Exited { .. } if self.speaking.contains(&instance.seen.name) => {
                InstanceState::Stopping
            }
            ContainerState::Exited { .. } => {
                let restart = desired.component(&instance.component).restart;
                let again = memo
                    .last(self.shared.clock.now())
                    .map(|last| last.counted(instance.stop))
                    .and_then(|last| start_again_at(restart, memo.exits, last));
                match again {
                    Some(until) => InstanceState::BackOff { until },
                    None => InstanceState::Exited,
                }
            }
            ContainerState::Other(_) => InstanceState::Unknown,
        }
    }
}

fn ordinal(desired: &Desired, component: &Name, slot: u32) -> Option<u32> {
    let strategy = desired.component(component).rollout.strategy;
    (strategy == Strategy::Ordered).then_some(slot)
}

fn creating(
    name: &str,
    ordinal: Option<u32>,
    hash: &ContentHash,
    desired: &Desired,
) -> ObservedInstance {
    ObservedInstance {
        name: name.to_owned(),
        ordinal,
        hash: hash.clone(),
        release: desired.kept.wish().map_or(0, |wish| wish.release.number),
        state: InstanceState::Creating,
        address: None,
        started_at: None,
        ready_at: None,
        restarts: 0,
        last_exit: None,
        probe: None,
        in_flight: 0,
        sidecars: Vec::new(),
    }
}

/// All applications' latest.
pub(crate) type AllPublished = BTreeMap<pluvio_model::id::ApplicationId, Published>;
