//! Jobs as runs of programs that come to an end.

use async_trait::async_trait;
use k8s_openapi::api::batch::v1::{Job, JobCondition};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use pluvio_model::id::ApplicationId;
use pluvio_model::name::{Name, derived};
use pluvio_model::observed::{ExitRecord, ObservedRun, RunKind, RunState};
use pluvio_model::problem::{self, Problem};
use pluvio_model::stage::{RunWish, Stage, Wish};
use pluvio_plan::lower::kubernetes::{Object, key};
use pluvio_runtime::{Runs, RuntimeError};
use serde_json::json;
use uuid::Uuid;

use crate::apply::name_of;
use crate::book::{Notes, RunOf};
use crate::cache::Held;
use crate::failure::runtime_error;
use crate::instances::{exit_record, main_status};
use crate::runtime::Shared;
use crate::{KubernetesRuntime, MANAGER, hosts, observe};

#[async_trait]
impl Runs for KubernetesRuntime {
    async fn runs(
        &self,
        application: ApplicationId,
        component: Option<&Name>,
    ) -> Result<Vec<ObservedRun>, RuntimeError> {
        let Some(known) = self.application(application) else {
            return Ok(Vec::new());
        };
        let mut held = self.shared().cache.held(|one| one == application);
        let held = held.remove(&application).unwrap_or_default();
        let mut all = runs(&held, &known.view().notes);
        all.retain(|run| component.is_none_or(|wanted| *wanted == run.component));
        let shared = self.shared();
        let said = &shared.last_words;
        said.fill(&shared.client, &held.pods, &mut all).await;
        observe::mask_runs(&mut all, &shared.masks(application));
        Ok(all)
    }

    /// The Job is written down before it is made: a process that is killed in between leaves none that nobody knows.
    async fn run_now(
        &self,
        application: ApplicationId,
        component: &Name,
    ) -> Result<String, RuntimeError> {
        let shared = self.shared();
        let missing = || RuntimeError::NotFound {
            what: format!("the component {component} that is not stopped"),
        };
        let known = self.application(application).ok_or_else(missing)?;
        let suffix = Uuid::now_v7().simple().to_string();
        loop {
            let held = shared.shelf.get(application).await.map_err(runtime_error)?;
            let mut book = held.ok_or_else(missing)?;
            let Wish::Run(wish) = &book.stage.wish else {
                return Err(missing());
            };
            let mut job = asked_job(shared, &book.stage, wish, component, &suffix)?;
            let led = hosts::lead(&shared.client, &mut job, |_| None).await;
            led.map_err(runtime_error)?;
            let name = name_of(&job);
            let run = RunOf {
                component: component.clone(),
                hash: wish.release.components[component].hash.clone(),
                kind: RunKind::Asked,
                release: wish.release.number,
            };
            book.notes.add(name.clone(), Some(component));
            book.notes.runs.insert(name.name.clone(), run);
            if !shared.shelf.put(&mut book).await.map_err(runtime_error)? {
                // Somebody wrote in between: what they wrote is what is run.
                continue;
            }
            known.offer(book);
            let api = shared
                .resources
                .api(
                    &shared.client,
                    &name.api_version,
                    &name.kind,
                    name.namespace.as_deref(),
                )
                .await
                .map_err(runtime_error)?;
            let params = PatchParams::apply(MANAGER).force();
            api.patch(&name.name, &params, &Patch::Apply(&job.body))
                .await
                .map_err(runtime_error)?;
            shared.hint();
            return Ok(name.name);
        }
    }
}

/// A Job beside the schedule, of the same template.
fn asked_job(
    shared: &Shared,
    stage: &Stage,
    wish: &RunWish,
    component: &Name,
    suffix: &str,
) -> Result<Object, RuntimeError> {
    let is_on = wish.is_on(component);
    let decided = wish.release.components.get(component).filter(|_| is_on);
    let decided = decided.ok_or_else(|| RuntimeError::NotFound {
        what: format!("the component {component} that is not stopped"),
    })?;
    if decided.schedule.is_none() {
        return Err(RuntimeError::Refused(problem::REFUSED.problem(
            format!("{component} has no schedule: it is no program that is run now and then."),
            "A job runs with each release that changes it; `pluvio exec` runs a command in a service.",
        )));
    }
    let only = RunWish {
        components: vec![component.clone()],
        ..wish.clone()
    };
    let options = shared.options(wish);
    let objects = pluvio_plan::lower::kubernetes::kubernetes(
        &only,
        stage.application,
        stage.generation,
        &options,
    );
    let objects =
        objects.map_err(|problems| RuntimeError::Refused(*crate::worker::first(problems)))?;
    let schedule = objects.into_iter().find(|object| object.kind == "CronJob");
    let mut job = schedule.ok_or_else(|| RuntimeError::NotFound {
        what: format!("the schedule of {component}"),
    })?;
    job.api_version = "batch/v1".to_owned();
    job.kind = "Job".to_owned();
    job.name = derived(&[&job.name, &suffix[suffix.len() - 8..]]);
    let template = job.body.pointer("/spec/jobTemplate/spec").cloned();
    let mut metadata = job.body["metadata"].take();
    metadata["name"] = json!(job.name);
    job.body = json!({
        "apiVersion": job.api_version,
        "kind": job.kind,
        "metadata": metadata,
        "spec": template,
    });
    Ok(job)
}

/// Every Job of the application that is known to be a run, the newest first.
pub(crate) fn runs(held: &Held, notes: &Notes) -> Vec<ObservedRun> {
    let mut all: Vec<ObservedRun> = held
        .jobs
        .iter()
        .filter_map(|job| Some(run(job, &of(job, notes)?, &held.pods)))
        .collect();
    all.sort_by_key(|run| std::cmp::Reverse((run.started_at, run.key.clone())));
    all
}

/// What was run: noted when it was asked for, or told by the CronJob whose time came.
fn of(job: &Job, notes: &Notes) -> Option<RunOf> {
    let name = job.metadata.name.as_deref()?;
    if let Some(noted) = notes.runs.get(name) {
        return Some(noted.clone());
    }
    let owners = job.metadata.owner_references.as_ref()?;
    owners.iter().find(|owner| owner.kind == "CronJob")?;
    let component = job
        .metadata
        .labels
        .as_ref()?
        .get(key::COMPONENT)?
        .parse()
        .ok()?;
    let template = job.spec.as_ref()?.template.metadata.as_ref()?;
    let text = template.annotations.as_ref()?.get(key::HASH)?;
    let hash = serde_json::from_value(text.as_str().into()).ok()?;
    let release = notes.releases.get(text).copied().unwrap_or_default();
    Some(RunOf {
        component,
        hash,
        kind: RunKind::Schedule,
        release,
    })
}

fn run(job: &Job, of: &RunOf, pods: &[std::sync::Arc<Pod>]) -> ObservedRun {
    let name = job.metadata.name.clone().unwrap_or_default();
    let pod = newest_pod(&name, pods);
    let status = job.status.clone().unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let is = |kind: &str| {
        conditions
            .iter()
            .find(|one| one.type_ == kind && one.status == "True")
    };
    let exit = pod.and_then(exit);
    let (state, ended_at) = match (is("Complete"), is("Failed")) {
        (Some(done), _) => (RunState::Succeeded, done.last_transition_time.as_ref()),
        (_, Some(failed)) => (RunState::Failed, failed.last_transition_time.as_ref()),
        _ if status.active.unwrap_or_default() > 0 => (RunState::Running, None),
        _ => (RunState::Waiting, None),
    };
    let problem = is("Failed").and_then(|failed| {
        failure(
            of,
            failed.reason.as_deref(),
            failed.message.as_deref(),
            exit.as_ref(),
        )
    });
    let scheduled = job
        .metadata
        .annotations
        .as_ref()
        .and_then(|all| all.get("batch.kubernetes.io/cronjob-scheduled-timestamp"));
    ObservedRun {
        key: name,
        component: of.component.clone(),
        kind: of.kind,
        hash: of.hash.clone(),
        release: of.release,
        instance: pod
            .and_then(|pod| pod.metadata.name.clone())
            .unwrap_or_default(),
        state,
        scheduled_at: scheduled.and_then(|time| time.parse().ok()),
        started_at: status.start_time.map(|time| time.0),
        ended_at: ended_at.map(|time| time.0),
        exit,
        problem,
    }
}

/// Whether it has ended, well or not.
pub(crate) fn is_over(job: &Job) -> bool {
    let conditions = job
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let ended = |one: &JobCondition| {
        matches!(one.type_.as_str(), "Complete" | "Failed") && one.status == "True"
    };
    conditions.into_iter().flatten().any(ended)
}

pub(crate) fn newest_pod<'a>(job: &str, pods: &'a [std::sync::Arc<Pod>]) -> Option<&'a Pod> {
    let of_job = |pod: &&std::sync::Arc<Pod>| {
        let labels = pod.metadata.labels.as_ref();
        labels
            .and_then(|labels| labels.get("batch.kubernetes.io/job-name"))
            .is_some_and(|of| of == job)
    };
    let all = pods.iter().filter(of_job);
    all.max_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0))
        .map(AsRef::as_ref)
}

fn exit(pod: &Pod) -> Option<ExitRecord> {
    let state = main_status(pod)?.state.as_ref()?;
    state.terminated.as_ref().map(exit_record)
}

/// Why it failed, where its exit does not tell: whoever asks for the run words an exit.
fn failure(
    of: &RunOf,
    reason: Option<&str>,
    message: Option<&str>,
    exit: Option<&ExitRecord>,
) -> Option<Problem> {
    let component = &of.component;
    let (how, remedy) = match (reason, exit) {
        (Some("DeadlineExceeded"), _) => (
            "took longer than it may".to_owned(),
            "Raise its `timeout`, or find out what takes the time.",
        ),
        (_, Some(_)) => return None,
        (_, None) => (
            format!(
                "could not be run: {}",
                message.unwrap_or("the cluster does not say why")
            ),
            "Correct it, then deploy again.",
        ),
    };
    Some(problem::RELEASE_TASK.problem(format!("The task of {component} {how}."), remedy))
}
