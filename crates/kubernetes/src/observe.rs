//! What is seen of an application: from its kept stage and the caches, without a request.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::runtime::reflector::ObjectRef;
use pluvio_model::name::Name;
use pluvio_model::observed::*;
use pluvio_model::problem::Problem;
use pluvio_model::release::DecidedComponent;
use pluvio_model::spec::Kind;
use pluvio_model::stage::{RunWish, Stage, Wish};
use pluvio_plan::lower::kubernetes::{component_object, key};
use pluvio_plan::schedule::Schedule;

use crate::book::Notes;
use crate::cache::{Cache, Held};
use crate::{instances, runs, scaling};

/// What the application's loop knows besides the cluster.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) stage: Stage,
    pub(crate) notes: Notes,
    /// The last pass over this stage wrote all its objects.
    pub(crate) is_applied: bool,
    /// Nothing is left to be pruned.
    pub(crate) is_pruned: bool,
    /// Generations of workloads as they were written: status that is older says nothing.
    pub(crate) written: BTreeMap<Name, i64>,
    pub(crate) problem: Option<Problem>,
}

pub(crate) fn application(
    cache: &Cache,
    view: &View,
    held: &Held,
    now: Timestamp,
) -> ObservedApplication {
    let mut out = ObservedApplication {
        generation: view.stage.generation,
        problem: view.problem.clone(),
        volumes: volumes(held),
        ..ObservedApplication::default()
    };
    let Wish::Run(wish) = &view.stage.wish else {
        out.settled = view.notes.is_gone;
        return out;
    };
    out.stage.clone_from(&wish.components);
    let names = wish.release.components.keys();
    out.stopped = names.filter(|name| !wish.is_on(name)).cloned().collect();
    out.runs = runs::runs(held, &view.notes);
    let mut seen = Seen {
        cache,
        view,
        wish,
        held,
        now,
        obstacle: None,
    };
    for component in wish.release.components.values() {
        if let Some(observed) = seen.component(component) {
            out.components.insert(component.name.clone(), observed);
        }
        if let Some(next) = next_time(component, wish.is_on(&component.name), now) {
            out.schedules.insert(component.name.clone(), next);
        }
    }
    out.problem = out.problem.or(seen.obstacle);
    out.settled = view.is_applied
        && view.is_pruned
        && view.problem.is_none()
        && out.components.values().all(|component| component.settled)
        && no_others(held, wish);
    out
}

/// Whether no instance is left of components that the release does not have.
fn no_others(held: &Held, wish: &RunWish) -> bool {
    held.pods
        .iter()
        .filter_map(|pod| instances::component(pod))
        .all(|name| wish.release.components.contains_key(&name))
}

fn next_time(component: &DecidedComponent, on: bool, now: Timestamp) -> Option<Timestamp> {
    let schedule = component.schedule.as_ref().filter(|_| on)?;
    Schedule::new(schedule).ok()?.next(now)
}

/// A controller's own word on how far it is, the same for every kind of workload.
struct Rolled {
    generation: Option<i64>,
    observed: Option<i64>,
    /// How many it wants; told by a DaemonSet only.
    wanted: i32,
    all: i32,
    ready: i32,
    updated: i32,
    is_new: bool,
}

struct Seen<'a> {
    cache: &'a Cache,
    view: &'a View,
    wish: &'a RunWish,
    held: &'a Held,
    now: Timestamp,
    obstacle: Option<Problem>,
}

impl Seen<'_> {
    fn component(&mut self, component: &DecidedComponent) -> Option<ObservedComponent> {
        if matches!(
            component.kind,
            Kind::Job | Kind::Cron | Kind::External | Kind::Vm
        ) {
            return None;
        }
        let named = self.wish.components.contains(&component.name);
        let began = self.view.notes.began.get(&component.name);
        // Until its turn comes, a component is wanted as it was.
        let wanted = match (named, began) {
            (true, _) | (false, None) => component.hash.clone(),
            (false, Some(began)) => began.hash.clone(),
        };
        let mut all = Vec::new();
        for pod in &self.held.pods {
            if instances::component(pod).as_ref() != Some(&component.name)
                || instances::is_over(pod)
            {
                continue;
            }
            let Some(hash) = instances::hash(pod) else {
                continue;
            };
            let release = self.view.notes.releases.get(hash.as_str()).copied();
            let release = release.unwrap_or(self.wish.release.number);
            // What hinders a pod of an older content is no fault of this one's.
            let is_wanted = hash == wanted;
            all.push(instances::instance(
                self.cache, pod, hash, release, self.now,
            ));
            if is_wanted && self.obstacle.is_none() && pod.metadata.deletion_timestamp.is_none() {
                self.obstacle = instances::obstacle(self.cache, &component.name, pod);
            }
        }
        if !named && all.is_empty() && began.is_none() {
            return None;
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        let scaling = scaling::observed(self.cache, self.view, self.wish, component, self.now);
        let wanted_instances = match self.wish.is_on(&component.name) {
            true => scaling::wanted(component, scaling.as_ref(), || self.replicas(component)),
            false => 0,
        };
        let settled = self.is_settled(component, &all, wanted_instances);
        let leaving = all.iter().any(|one| one.state == InstanceState::Stopping);
        let step = match (settled, leaving) {
            (true, _) => RolloutStep::Done,
            (false, true)
                if all
                    .iter()
                    .filter(|one| one.hash == wanted && one.state == InstanceState::Ready)
                    .count()
                    >= wanted_instances as usize =>
            {
                RolloutStep::Stop
            }
            _ => RolloutStep::Start,
        };
        Some(ObservedComponent {
            wanted,
            wanted_instances,
            since: began.map_or(self.now, |began| began.at),
            instances: all,
            settled: settled && named,
            step,
            scaling,
        })
    }

    /// How many the workload shall have, as the scale subresource says.
    fn replicas(&self, component: &DecidedComponent) -> Option<u32> {
        let name = component_object(&self.wish.release, &component.name);
        let namespace = self.view.notes.namespace.as_str();
        let replicas = match component.kind {
            Kind::Stateful => {
                let reference = ObjectRef::new(&name).within(namespace);
                self.cache
                    .stateful_sets
                    .get(&reference)?
                    .spec
                    .as_ref()?
                    .replicas
            }
            _ => {
                let reference = ObjectRef::new(&name).within(namespace);
                self.cache
                    .deployments
                    .get(&reference)?
                    .spec
                    .as_ref()?
                    .replicas
            }
        };
        u32::try_from(replicas?).ok()
    }

    /// Exactly the wanted pods, of the wanted content, ready; and the controller has seen what was written last.
    fn is_settled(
        &self,
        component: &DecidedComponent,
        all: &[ObservedInstance],
        wanted: u32,
    ) -> bool {
        let good = all
            .iter()
            .all(|one| one.hash == component.hash && one.state == InstanceState::Ready);
        let written = self.view.written.get(&component.name).copied();
        let (Some(written), true) = (written, good && self.view.is_applied) else {
            return false;
        };
        let Some(rolled) = self.rolled(component) else {
            return false;
        };
        let count = i32::try_from(all.len()).unwrap_or(i32::MAX);
        let wanted = match component.kind {
            // As many as the cluster has nodes for.
            Kind::Daemon => rolled.wanted,
            _ => i32::try_from(wanted).unwrap_or(i32::MAX),
        };
        rolled.generation >= Some(written)
            && rolled.observed >= rolled.generation
            && count == wanted
            && rolled.ready == count
            && (count == 0 || rolled.is_new || rolled.updated == count)
            && rolled.all == count
    }

    /// What the component's controller says of its pods.
    fn rolled(&self, component: &DecidedComponent) -> Option<Rolled> {
        let name = component_object(&self.wish.release, &component.name);
        let namespace = self.view.notes.namespace.as_str();
        Some(match component.kind {
            Kind::Stateful => {
                let reference = ObjectRef::new(&name).within(namespace);
                let set = self.cache.stateful_sets.get(&reference)?;
                let status = set.status.clone().unwrap_or_default();
                Rolled {
                    generation: set.metadata.generation,
                    observed: status.observed_generation,
                    wanted: 0,
                    all: status.replicas,
                    ready: status.ready_replicas.unwrap_or_default(),
                    updated: status.updated_replicas.unwrap_or_default(),
                    // The count of updated pods is left out once all are.
                    is_new: status.update_revision == status.current_revision,
                }
            }
            Kind::Daemon => {
                let reference = ObjectRef::new(&name).within(namespace);
                let set = self.cache.daemon_sets.get(&reference)?;
                let status = set.status.clone().unwrap_or_default();
                Rolled {
                    generation: set.metadata.generation,
                    observed: status.observed_generation,
                    wanted: status.desired_number_scheduled,
                    all: status.desired_number_scheduled,
                    ready: status.number_ready,
                    updated: status.updated_number_scheduled.unwrap_or_default(),
                    is_new: false,
                }
            }
            _ => {
                let reference = ObjectRef::new(&name).within(namespace);
                let deployment = self.cache.deployments.get(&reference)?;
                let status = deployment.status.clone().unwrap_or_default();
                Rolled {
                    generation: deployment.metadata.generation,
                    observed: status.observed_generation,
                    wanted: 0,
                    all: status.replicas.unwrap_or_default(),
                    ready: status.ready_replicas.unwrap_or_default(),
                    updated: status.updated_replicas.unwrap_or_default(),
                    is_new: false,
                }
            }
        })
    }
}

fn volumes(held: &Held) -> BTreeMap<Name, ObservedVolume> {
    let mut out = BTreeMap::new();
    for claim in &held.claims {
        let Some((name, handle)) = volume(claim) else {
            continue;
        };
        let bytes = None;
        out.insert(name, ObservedVolume { handle, bytes });
    }
    out
}

/// A claim's name in the application, and in the cluster.
pub(crate) fn volume(claim: &PersistentVolumeClaim) -> Option<(Name, String)> {
    let handle = claim.metadata.name.clone()?;
    let named = claim
        .metadata
        .annotations
        .as_ref()
        .and_then(|all| all.get(key::VOLUME_NAME));
    let name = match named {
        Some(name) => name.parse().ok()?,
        // Made from a StatefulSet's template: `data-shop--db-0`.
        None => handle.clone().parse().ok()?,
    };
    Some((name, handle))
}
