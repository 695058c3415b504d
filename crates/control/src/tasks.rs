//! What became of tasks: kept in the store as soon as the runtime tells, so that none is run twice, whatever a runtime forgets.

use std::collections::BTreeMap;

use pluvio_model::image::ContentHash;
use pluvio_model::name::Name;
use pluvio_model::observed::{ObservedApplication, ObservedRun, RunKind, RunState};
use pluvio_model::problem::{self, Problem};
use pluvio_model::release::Release;
use pluvio_model::revision::Origin;
use pluvio_model::spec::Kind;
use pluvio_plan::next_step::TaskOutcome;
use pluvio_store::{Application, Target, TaskRecord, TaskRecordOutcome};

use crate::Control;

/// The outcomes of a release's tasks, by their hash. What the runtime knows and the store does not is kept first.
pub(crate) async fn known(
    control: &Control,
    target: &Target,
    release: &Release,
    seen: Option<&ObservedApplication>,
) -> Result<BTreeMap<ContentHash, TaskOutcome>, Problem> {
    let mut known = BTreeMap::new();
    let has_task = release.components.values().any(|one| one.task().is_some());
    if !has_task && seen.is_none_or(|seen| seen.runs.is_empty()) {
        return Ok(known);
    }
    let store = &control.inner.store;
    let mut records = store.tasks(target.application, target.cluster).await?;
    for record in ended_well(&records, seen) {
        store
            .keep_task(target.application, target.cluster, record.clone())
            .await?;
        records.push(record);
    }
    for component in release.components.values() {
        let Some(hash) = component.task() else {
            continue;
        };
        if let Some(outcome) = recorded(&records, hash, release.number) {
            known.insert(hash.clone(), outcome);
            continue;
        }
        let mut runs = seen.into_iter().flat_map(|seen| &seen.runs);
        let run = runs.find(|run| {
            run.component == component.name
                && run.hash == *hash
                && run.release == release.number
                && !run.was_cancelled()
        });
        let outcome = match run {
            Some(run) if run.state == RunState::Succeeded => TaskRecordOutcome::Succeeded,
            Some(run) if run.state.is_over() => TaskRecordOutcome::Failed(Box::new(failure(run))),
            Some(_) => {
                known.insert(hash.clone(), TaskOutcome::Running);
                continue;
            }
            // What the older release did once is not done again because somebody goes back to it.
            None if component.content.release_task.is_some()
                && is_rollback(control, target).await? =>
            {
                TaskRecordOutcome::Skipped
            }
            None => continue,
        };
        let record = TaskRecord {
            component: component.name.clone(),
            hash: hash.clone(),
            release: release.number,
            outcome,
        };
        known.insert(hash.clone(), told(&record.outcome));
        store
            .keep_task(target.application, target.cluster, record)
            .await?;
    }
    Ok(known)
}

/// What ended well and is not written down yet, whatever the release now: the runtime may forget it before somebody goes back.
fn ended_well(records: &[TaskRecord], seen: Option<&ObservedApplication>) -> Vec<TaskRecord> {
    let runs = seen.into_iter().flat_map(|seen| &seen.runs);
    let new = runs.filter(|run| {
        run.state == RunState::Succeeded
            && matches!(run.kind, RunKind::Release | RunKind::Job)
            && recorded(records, &run.hash, run.release).is_none()
    });
    new.map(|run| TaskRecord {
        component: run.component.clone(),
        hash: run.hash.clone(),
        release: run.release,
        outcome: TaskRecordOutcome::Succeeded,
    })
    .collect()
}

/// Success counts for every release after it, failure for its own only.
fn recorded(records: &[TaskRecord], hash: &ContentHash, release: u64) -> Option<TaskOutcome> {
    let of = || records.iter().filter(|record| record.hash == *hash);
    let done = of().find(|record| !matches!(record.outcome, TaskRecordOutcome::Failed(_)));
    let here = || of().find(|record| record.release == release);
    done.or_else(here).map(|record| told(&record.outcome))
}

fn told(outcome: &TaskRecordOutcome) -> TaskOutcome {
    match outcome {
        TaskRecordOutcome::Failed(problem) => TaskOutcome::Failed(problem.clone()),
        TaskRecordOutcome::Succeeded | TaskRecordOutcome::Skipped => TaskOutcome::Succeeded,
    }
}

/// The jobs of an application that run once in its life, and did.
pub(crate) async fn ran_once(
    control: &Control,
    application: &Application,
    release: &Release,
) -> Result<Vec<(Name, ContentHash)>, Problem> {
    let cluster = control.cluster_id_at(application.cluster).await?;
    let records = control.inner.store.tasks(application.id, cluster).await?;
    let once = release
        .components
        .values()
        .filter_map(|component| Some((&component.name, component.once.as_ref()?)));
    let ran = once
        .filter(|(_, hash)| recorded(&records, hash, 0) == Some(TaskOutcome::Succeeded))
        .map(|(name, hash)| (name.clone(), hash.clone()));
    Ok(ran.collect())
}

async fn is_rollback(control: &Control, target: &Target) -> Result<bool, Problem> {
    let revision = control
        .inner
        .store
        .revision(target.application, target.release)
        .await?;
    Ok(matches!(revision.origin, Origin::Rollback { .. }))
}

/// What its user is told of a task that did not succeed.
fn failure(run: &ObservedRun) -> Problem {
    let what = match run.kind {
        RunKind::Job => "The job",
        _ => "The release task of",
    };
    let name = &run.component;
    let lines = run
        .exit
        .iter()
        .flat_map(|exit| exit.last_lines.iter().cloned());
    let problem = match (&run.problem, &run.exit) {
        (Some(problem), _) => problem.clone(),
        (None, Some(exit)) if exit.oom => problem::RELEASE_TASK.problem(
            format!("{what} {name} was killed: it took more memory than its limit."),
            "Raise `resources.memory.limit`, then deploy again.",
        ),
        (None, exit) => problem::RELEASE_TASK.problem(
            format!(
                "{what} {name} ended with exit code {}.",
                exit.as_ref().map_or(-1, |exit| exit.code)
            ),
            "Its last lines say why. Correct it, then deploy again: what did not succeed runs again with the next release.",
        ),
    };
    problem.path(format!("components.{name}")).evidence(lines)
}

/// Names the release tasks and jobs of a failed release that ran to their end: going back does not undo them.
pub(crate) async fn with_what_stays(
    control: &Control,
    target: &Target,
    release: &Release,
    problem: Problem,
) -> Result<Problem, Problem> {
    let store = &control.inner.store;
    let records = store.tasks(target.application, target.cluster).await?;
    let ran = records.into_iter().filter(|record| {
        record.release == release.number && record.outcome == TaskRecordOutcome::Succeeded
    });
    let lines = ran.map(|record| {
        let job = release
            .components
            .get(&record.component)
            .is_some_and(|component| component.kind == Kind::Job);
        let what = if job {
            "the job"
        } else {
            "the release task of"
        };
        format!(
            "Not undone: {what} {} ran to its end before the release failed.",
            record.component
        )
    });
    Ok(problem.evidence(lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(kind: RunKind, hash: &ContentHash, release: u64, state: RunState) -> ObservedRun {
        let key = format!("{kind:?}-r{release}");
        let (instance, web) = ("web-run".to_owned(), "web".parse().unwrap());
        ObservedRun {
            state,
            ..ObservedRun::waiting(&key, kind, release, instance, &web, hash.clone())
        }
    }

    #[test]
    fn what_ended_well_is_kept_once_whatever_the_release_now() {
        let [one, two, three, four] =
            ["one", "two", "three", "four"].map(|text| ContentHash::of(&text));
        let seen = ObservedApplication {
            runs: vec![
                run(RunKind::Release, &one, 5, RunState::Succeeded),
                run(RunKind::Job, &two, 4, RunState::Succeeded),
                run(RunKind::Schedule, &three, 5, RunState::Succeeded),
                run(RunKind::Asked, &three, 5, RunState::Succeeded),
                run(RunKind::Release, &three, 5, RunState::Failed),
                run(RunKind::Release, &four, 5, RunState::Running),
            ],
            ..ObservedApplication::default()
        };
        let kept = ended_well(&[], Some(&seen));
        let told: Vec<_> = kept.iter().map(|one| (&one.hash, one.release)).collect();
        assert_eq!(told, [(&one, 5), (&two, 4)]);
        assert_eq!(recorded(&kept, &one, 7), Some(TaskOutcome::Succeeded));
        assert_eq!(ended_well(&kept, Some(&seen)).len(), 0);
    }
}
