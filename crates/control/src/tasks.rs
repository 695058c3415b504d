//! What became of tasks: kept in the store as soon as the runtime tells, so that none is run twice, whatever a runtime forgets.

use std::collections::BTreeMap;

use pluvio_model::image::ContentHash;
use pluvio_model::observed::{ObservedApplication, ObservedRun, RunKind, RunState};
use pluvio_model::problem::{self, Problem};
use pluvio_model::release::Release;
use pluvio_model::revision::Origin;
use pluvio_model::spec::Kind;
use pluvio_plan::next_step::TaskOutcome;
use pluvio_store::{Target, TaskRecord, TaskRecordOutcome};

use crate::Control;

/// The outcomes of a release's tasks, by their hash. What the runtime knows and the store does not is kept first.
pub(crate) async fn known(
    control: &Control,
    target: &Target,
    release: &Release,
    seen: Option<&ObservedApplication>,
) -> Result<BTreeMap<ContentHash, TaskOutcome>, Problem> {
    let mut known = BTreeMap::new();
    let store = &control.inner.store;
    let named = || {
        let components = release.components.values();
        components.filter_map(|component| Some((component, component.task()?)))
    };
    if named().next().is_none() {
        return Ok(known);
    }
    let records = store.tasks(target.application, target.cluster).await?;
    for (component, hash) in named() {
        if let Some(outcome) = recorded(&records, hash, release.number) {
            known.insert(hash.clone(), outcome);
            continue;
        }
        let run = seen.into_iter().flat_map(|seen| &seen.runs).find(|run| {
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
