//! Taking away what is not wanted any more.

use std::collections::{BTreeMap, BTreeSet};

use pluvio_model::name::Name;
use pluvio_model::observed::RunKind;
use pluvio_model::problem::Problem;
use pluvio_model::spec::Kind;
use pluvio_model::stage::RunWish;
use pluvio_plan::lower::kubernetes::Object;

use super::{Worker, component_of, slice_name};
use crate::apply::name_of;
use crate::book::ObjectName;
use crate::cache::Held;
use crate::failure::of_object;
use crate::instances;

/// Runs of a component that are kept when they are over.
const KEPT_RUNS: usize = 10;

impl Worker {
    /// Removes what was made and is not wanted any more. Of components whose turn has not come everything stays, and what old
    /// pods read stays while they are there.
    pub(super) async fn prune(
        &mut self,
        wish: &RunWish,
        wanted: &[Object],
        held: &Held,
    ) -> Result<bool, Box<Problem>> {
        let mut keep: BTreeSet<ObjectName> = wanted.iter().map(name_of).collect();
        keep.insert(slice_name(wish, &self.shared.options(wish)));
        let running: BTreeSet<Name> = self.unsettled(wish, held);
        let finished = self.finished_runs(held);
        let mut gone = Vec::new();
        for made in self.book().notes.beyond(&keep) {
            let waits = made.component.as_ref().is_some_and(|name| {
                wish.release.components.contains_key(name) && !wish.components.contains(name)
            });
            let is_read = matches!(made.object.kind.as_str(), "Secret" | "ConfigMap")
                && made
                    .component
                    .as_ref()
                    .is_some_and(|name| running.contains(name));
            // One that somebody asked for belongs to no stage.
            let is_asked_run =
                made.object.kind == "Job" && self.is_asked_and_runs(&made.object.name, held);
            let is_kept_run = made.object.kind == "Job"
                && finished.contains(&made.object.name)
                && made
                    .component
                    .as_ref()
                    .is_none_or(|name| wish.release.components.contains_key(name));
            if waits || is_read || is_asked_run || is_kept_run {
                continue;
            }
            gone.push(made.object);
        }
        let any = !gone.is_empty();
        self.is_kept &= !any;
        let id = self.application.id;
        for object in gone {
            self.writer
                .remove(&self.shared.client, &self.shared.resources, &object, id)
                .await
                .map_err(|error| of_object(&object.to_string(), &error))?;
            let notes = &mut self.book().notes;
            notes.remove(&object);
            if object.kind == "Job" {
                notes.runs.remove(&object.name);
            }
        }
        if !self.is_kept {
            self.keep().await?;
            let notes = self.book().notes.clone();
            self.application.publish(|view| view.notes = notes);
        }
        Ok(running.is_empty() || !any)
    }

    /// Components that have pods of an older content.
    fn unsettled(&self, wish: &RunWish, held: &Held) -> BTreeSet<Name> {
        let mut out = BTreeSet::new();
        for pod in &held.pods {
            let Some(name) = instances::component(pod) else {
                continue;
            };
            let wanted = wish
                .release
                .components
                .get(&name)
                .map(|component| &component.hash);
            if instances::hash(pod).as_ref() != wanted {
                out.insert(name);
            }
        }
        for component in wish.release.components.values() {
            // Nor have those all that they shall have whose new pods are not there yet.
            let view = self.application.view();
            let ready = view.written.contains_key(&component.name);
            let seen = held
                .pods
                .iter()
                .any(|pod| instances::component(pod).as_ref() == Some(&component.name));
            if ready && !seen && component.instances > 0 {
                out.insert(component.name.clone());
            }
        }
        out
    }

    /// Whether a Job was asked for by a person and is not over, or is not seen yet.
    fn is_asked_and_runs(&mut self, job: &str, held: &Held) -> bool {
        let notes = &self.book().notes;
        let asked = notes
            .runs
            .get(job)
            .is_some_and(|run| run.kind == RunKind::Asked);
        let over = || {
            let all = crate::runs::runs(held, notes);
            all.iter().any(|run| run.key == job && run.state.is_over())
        };
        asked && !over()
    }

    /// The newest runs that are over, which are kept to be looked at.
    fn finished_runs(&mut self, held: &Held) -> BTreeSet<String> {
        let mut counts: BTreeMap<Name, usize> = BTreeMap::new();
        let notes = &self.book().notes;
        crate::runs::runs(held, notes)
            .into_iter()
            .filter(|run| run.state.is_over())
            .filter(|run| {
                let count = counts.entry(run.component.clone()).or_default();
                *count += 1;
                *count <= KEPT_RUNS
            })
            .map(|run| run.key)
            .collect()
    }
}

/// A job has a Job while the stage names it as a task, and as the record of its run afterwards. Whether it has run is not for the
/// record to say, which somebody may have taken away.
pub(super) fn is_of_a_job(wish: &RunWish, object: &Object) -> bool {
    let component = || wish.release.components.get(&component_of(object)?);
    object.kind == "Job" && component().is_some_and(|component| component.kind == Kind::Job)
}
