//! What is seen of an application: from its kept stage and the caches, without a request.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use pluvio_model::name::Name;
use pluvio_model::observed::*;
use pluvio_model::problem::{CLUSTER_NO_ROOM, CLUSTER_STORAGE, Problem, SPEC_UNKNOWN_REFERENCE};
use pluvio_model::release::{DecidedComponent, DecidedVolume};
use pluvio_model::spec::Kind;
use pluvio_model::stage::{RunWish, Stage, Wish};
use pluvio_plan::lower::kubernetes::{component_object, key};
use pluvio_plan::schedule::Schedule;
use pluvio_runtime::Masks;

use crate::apply::Wrote;
use crate::book::{Notes, RunOf};
use crate::cache::{Cache, Held};
use crate::{instances, obstacle, runs, scaling, volumes};

/// What the application's loop knows besides the cluster.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) stage: Stage,
    pub(crate) notes: Notes,
    /// The last pass over this stage wrote all its objects.
    pub(crate) is_applied: bool,
    /// Nothing is left to be pruned.
    pub(crate) is_pruned: bool,
    /// Workloads as they were written: what is older says nothing.
    pub(crate) written: BTreeMap<Name, Wrote>,
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
        volumes: observed_volumes(held),
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
    seen.tasks();
    // Pods that wait for their volume say only that.
    let of_volume = || {
        let claims = held.claims.iter().filter(|_| view.is_applied);
        let mut claims = claims.filter_map(|claim| Some((claim, wanted(wish, claim)?)));
        claims.find_map(|(claim, volume)| {
            let problem = obstacle::of_claim(cache, claim)?;
            // The cluster's choice can be mended without another release.
            let is_ours = volume.class.is_none() && problem.is(SPEC_UNKNOWN_REFERENCE);
            Some(if is_ours {
                CLUSTER_STORAGE.problem(problem.cause, problem.remedy)
            } else {
                problem
            })
        })
    };
    let waits = |problem: &Problem| problem.is(CLUSTER_NO_ROOM);
    if seen.obstacle.as_ref().is_none_or(waits) {
        seen.obstacle = of_volume().or(seen.obstacle);
    }
    out.problem = out.problem.or(seen.obstacle);
    out.settled = view.is_applied
        && view.is_pruned
        && view.problem.is_none()
        && out.components.values().all(|component| component.settled)
        && no_others(held, wish);
    out
}

/// Puts secrets out of sight in what programs said.
pub(crate) fn mask(seen: &mut ObservedApplication, masks: &Masks) {
    let exit = |exit: Option<&mut ExitRecord>| {
        exit.into_iter()
            .for_each(|exit| hide(&mut exit.last_lines, masks));
    };
    let probe = |answer: Option<&mut ProbeAnswer>| {
        answer
            .into_iter()
            .for_each(|answer| answer.message = masks.mask(std::mem::take(&mut answer.message)));
    };
    let components = seen.components.values_mut();
    for instance in components.flat_map(|component| &mut component.instances) {
        exit(instance.last_exit.as_mut());
        probe(instance.probe.as_mut());
        for sidecar in &mut instance.sidecars {
            exit(sidecar.last_exit.as_mut());
            probe(sidecar.probe.as_mut());
        }
    }
    mask_runs(&mut seen.runs, masks);
    if let Some(problem) = &mut seen.problem {
        hide(&mut problem.evidence, masks);
    }
}

pub(crate) fn mask_runs(runs: &mut [ObservedRun], masks: &Masks) {
    for exit in runs.iter_mut().filter_map(|run| run.exit.as_mut()) {
        hide(&mut exit.last_lines, masks);
    }
}

fn hide(lines: &mut [String], masks: &Masks) {
    for line in lines {
        *line = masks.mask(std::mem::take(line));
    }
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
                self.obstacle = obstacle::of_pod(self.cache, &component.name, pod);
            }
        }
        self.obstacle = self.obstacle.take().or_else(|| self.refused(component));
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

    /// Pods that the cluster does not take, since the workload was written last.
    fn refused(&self, component: &DecidedComponent) -> Option<Problem> {
        // What was written before this stage was refused then.
        if !self.view.is_applied {
            return None;
        }
        let since = self.view.written.get(&component.name)?.at?;
        let name = component_object(&self.wish.release, &component.name);
        let namespace = self.view.notes.namespace.as_str();
        let uid = match component.kind {
            Kind::Stateful => {
                let reference = ObjectRef::new(&name).within(namespace);
                self.cache
                    .stateful_sets
                    .get(&reference)?
                    .metadata
                    .uid
                    .clone()
            }
            Kind::Daemon => {
                let reference = ObjectRef::new(&name).within(namespace);
                self.cache.daemon_sets.get(&reference)?.metadata.uid.clone()
            }
            _ => obstacle::failing_replicas(self.cache, (namespace, &name), &component.hash),
        };
        obstacle::of_controller(self.cache, &component.name, &uid?, since)
    }

    /// What hinders the tasks that the stage names.
    fn tasks(&mut self) {
        for job in &self.held.jobs {
            let is_wanted = |run: &&RunOf| {
                run.kind != RunKind::Schedule
                    && run.release == self.wish.release.number
                    && !runs::is_over(job)
            };
            let known = job.metadata.name.as_ref();
            let Some(run) = known
                .and_then(|name| self.view.notes.runs.get(name))
                .filter(is_wanted)
            else {
                continue;
            };
            let pod = runs::newest_pod(&job.name_any(), &self.held.pods);
            let of_job = || {
                let made = job.metadata.creation_timestamp.as_ref()?.0;
                let uid = job.metadata.uid.as_deref()?;
                obstacle::of_controller(self.cache, &run.component, uid, made)
            };
            let found = match pod {
                Some(pod) => obstacle::of_pod(self.cache, &run.component, pod),
                None => of_job(),
            };
            self.obstacle = self.obstacle.take().or(found);
        }
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
        let written = self.view.written.get(&component.name);
        let written = written.map(|wrote| wrote.generation);
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

fn observed_volumes(held: &Held) -> BTreeMap<Name, ObservedVolume> {
    let mut out = BTreeMap::new();
    for claim in &held.claims {
        let Some(name) = volumes::name(claim) else {
            continue;
        };
        let (handle, bytes) = (volumes::handle(claim), None);
        out.insert(name, ObservedVolume { handle, bytes });
    }
    out
}

/// The volume that a claim is for. None of one that is left behind, or about to be made anew with the class that is wanted now.
fn wanted<'a>(wish: &'a RunWish, claim: &PersistentVolumeClaim) -> Option<&'a DecidedVolume> {
    if claim.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let release = &wish.release;
    let named = claim.metadata.annotations.as_ref();
    let named = named.and_then(|all| all.get(key::VOLUME_NAME));
    // Those of a StatefulSet's template say it by their own names: `data-shop--db-0`. What is beyond its number was left behind.
    let object = claim.metadata.name.as_deref()?;
    let is_of = |own: &Name, component: &DecidedComponent| {
        let prefix = format!("{own}-{}-", component_object(release, &component.name));
        let ordinal = object.strip_prefix(&prefix).map(str::parse::<u32>);
        let ordinal = ordinal.and_then(Result::ok);
        component.kind == Kind::Stateful && ordinal.is_some_and(|n| n < component.most())
    };
    let mut each = release.volumes.iter();
    let (_, wanted) = each.find(|(own, _)| match named {
        Some(named) => own.as_str() == named,
        None => release
            .components
            .values()
            .any(|component| is_of(own, component)),
    })?;
    let class = claim.spec.as_ref()?.storage_class_name.as_deref();
    let fits = wanted.class.is_none() || wanted.class.as_deref() == class;
    fits.then_some(wanted)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pluvio_model::id::ClusterId;
    use pluvio_runtime::conformance::Example;
    use serde_json::json;

    use super::*;

    fn claim(name: &str) -> PersistentVolumeClaim {
        let claim = json!({
            "metadata": { "name": name, "namespace": "team" },
            "spec": {},
            "status": { "phase": "Pending" },
        });
        serde_json::from_value(claim).expect("a claim")
    }

    #[test]
    fn what_scaling_down_left_behind_is_not_waited_for() {
        let image = ("shop".to_owned(), "shop".to_owned());
        let mut example = Example {
            instances: 2,
            ..Example::new(ClusterId(uuid::Uuid::nil()), image)
        };
        let Wish::Run(mut wish) = example.stage().wish else {
            panic!("{example:?}");
        };
        wish.release.components[0].kind = Kind::Stateful;
        let is_wanted = |wish: &RunWish, name: &str| wanted(wish, &claim(name)).is_some();
        assert!(is_wanted(&wish, "data-example--web-0"));
        assert!(is_wanted(&wish, "data-example--web-1"));
        assert!(!is_wanted(&wish, "data-example--web-2"));
        // Not of a template at all.
        wish.release.components[0].kind = Kind::Service;
        assert!(!is_wanted(&wish, "data-example--web-0"));
    }

    #[test]
    fn volumes_of_instances_are_seen_by_the_names_they_are_managed_by() {
        let mut own = claim("v-1");
        own.metadata.annotations = Some(
            [(key::VOLUME_NAME, "data"), (key::VOLUME_ID, "1")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        );
        let held = Held {
            claims: vec![Arc::new(own), Arc::new(claim("data-shop--db-0"))],
            ..Held::default()
        };
        let seen = observed_volumes(&held).into_iter();
        let seen: Vec<(String, String)> = seen
            .map(|(name, volume)| (name.to_string(), volume.handle))
            .collect();
        let pair = |name: &str, handle: &str| (name.to_owned(), handle.to_owned());
        let want = [
            pair("data", "v-1"),
            pair("data-shop-db-0", "team/data-shop--db-0"),
        ];
        assert_eq!(seen, want);
    }
}
