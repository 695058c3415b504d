//! A copy's data: volumes are cloned before anything of the copy is decided, databases dumped and restored before any other
//! component of it starts. Each is a leased job of the copy's operation, the build between them:
//!
//! [`COPY`] clones volume after volume, and queues the build (of a copy, images that are there already). What that decides runs
//! its databases alone at first, and [`FILL`] pours a dump of each original into them; then the rest starts. Killed anywhere,
//! the job is begun again: a clone is found as far as it came, a database is filled anew. What fails or is cancelled before the
//! rest starts leaves nothing: [`clear`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use pluvio_model::clock;
use pluvio_model::id::{ApplicationId, OperationId, VolumeId};
use pluvio_model::image::ContentHash;
use pluvio_model::name::Name;
use pluvio_model::operation::{Outcome, StepName};
use pluvio_model::problem::{self, Problem};
use pluvio_plan::database::{Restore, dump, restore};
use pluvio_runtime::{ExecInput, ExecOutput, ExecSession};
use pluvio_store::{Application, LeasedJob, NewJob, StoreError, TaskRecord, TaskRecordOutcome};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::asks::{Asker, BUILD, BuildJob};
use crate::databases::Inside;
use crate::databases::inside::{Said, broke_off, keep_end, listen};
use crate::databases::worker::reach;
use crate::leases::{self, Ended, Told};
use crate::{Control, crash};
use pluvio_model::quantity::size;

pub(crate) const COPY: &str = "copy";
pub(crate) const FILL: &str = "fill";
/// Two at once: a large one does not hold all others up.
const AT_ONCE: usize = 2;
/// Between two looks at what is under way.
const LOOK: Duration = Duration::from_millis(500);
/// Without a hint, look for what a failed copy left this often.
const CLEAR: Duration = Duration::from_secs(5);
/// A new database is waited for so long.
const PATIENCE: Duration = Duration::from_secs(600);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CopyJob {
    pub(crate) from: ApplicationId,
    /// What the copy calls them, and the originals.
    pub(crate) volumes: Vec<(Name, VolumeId)>,
    /// Databases that were stopped when their volumes were chosen: only so are these of one moment.
    pub(crate) at_rest: Vec<Name>,
    /// Jobs that run once in an application's life, and did in the original's: with all of its data comes what they made.
    #[serde(default)]
    pub(crate) ran: Vec<(Name, ContentHash)>,
    pub(crate) build: BuildJob,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FillJob {
    pub(crate) from: ApplicationId,
    pub(crate) databases: Vec<Name>,
}

pub(crate) fn job(kind: &str, payload: &impl Serialize) -> NewJob {
    NewJob {
        kind: kind.to_owned(),
        payload: serde_json::to_value(payload).expect("a job serialises"),
        run_after: None,
    }
}

/// What runs first of what was built, alone, and the job that follows the build.
pub(crate) fn after_build(build: &BuildJob) -> (Vec<Name>, Option<NewJob>) {
    match &build.fill {
        Some(fill) => (fill.databases.clone(), Some(job(FILL, fill))),
        None => (Vec::new(), None),
    }
}

pub(crate) async fn run(control: Control) {
    let numbers = (2000..).take(AT_ONCE);
    let all = numbers.map(|number| leases::run(&control, number, &[COPY, FILL], work));
    futures::future::join_all(all).await;
}

/// Takes the next job of a copy and works on it until it ends; whether there was one.
pub async fn take_one(control: &Control, owner: &str) -> Result<bool, StoreError> {
    let store = &control.inner.store;
    let job = store.lease_job(owner, &[COPY, FILL], leases::LEASE).await?;
    match job {
        Some(job) => work(control, job).await,
        None => return Ok(false),
    }
    Ok(true)
}

/// Looks for what failed copies left, as long as control runs.
pub(crate) async fn clear_up(control: Control) {
    let mut hint = control.inner.store.hint();
    loop {
        if let Err(problem) = clear(&control).await {
            tracing::warn!(
                code = problem.code,
                cause = problem.cause,
                "what is left of a copy that failed was not removed"
            );
        }
        tokio::time::sleep(LOOK).await;
        let _ = tokio::time::timeout(CLEAR, hint.changed()).await;
    }
}

/// A copy that could not be made leaves neither an application nor data of it.
pub async fn clear(control: &Control) -> Result<(), Problem> {
    let store = &control.inner.store;
    for id in store.undone_copies().await? {
        let application = match store.application(id).await {
            Err(StoreError::NotFound { .. }) => continue,
            other => other?,
        };
        let mut filling = false;
        for row in store.application_volumes(id).await? {
            if let Some(operation) = row.filling {
                filling = true;
                store.request_cancel(operation, "pluvio").await?;
            }
        }
        // What is being cloned ends first; the next look finds it ended.
        if filling {
            continue;
        }
        store.end_volumes(id, "pluvio").await?;
        let by = Asker {
            actor: "pluvio".to_owned(),
            idempotency: None,
            if_revision: None,
        };
        control.delete(by, &application).await?;
    }
    Ok(())
}

async fn work(control: &Control, job: LeasedJob) {
    let (store, lease) = (&control.inner.store, &job.lease);
    let (done, cancelled) =
        match Box::pin(leases::beating(control, lease, one(control, &job))).await {
            Ended::Done(done) => (done, false),
            Ended::Cancelled => {
                let problem = problem::CANCELLED
                    .problem("It was cancelled.", "Copy again when it is wanted.");
                (Err(problem), true)
            }
            Ended::NotOurs => return,
        };
    let Err(problem) = done else { return };
    if let Some(operation) = job.job.operation {
        let mut told = Told::open(control, &job, operation).await;
        let step = match job.job.kind.as_str() {
            COPY => StepName::Copy,
            _ => StepName::Restore,
        };
        told.line(step, "error", &problem.cause).await;
        for line in &problem.evidence {
            told.line(step, "error", line).await;
        }
        told.log.finish().await;
    }
    if let Err(error) = store.fail_build(lease, &problem, cancelled).await {
        tracing::warn!(%error, "a failed copy was not recorded; its lease runs out");
    }
}

async fn one(control: &Control, job: &LeasedJob) -> Result<(), Problem> {
    let unreadable = |error: serde_json::Error| {
        problem::INTERNAL.problem(format!("A job cannot be read: {error}."), "Copy again.")
    };
    let (Some(application), Some(operation)) = (job.job.application, job.job.operation) else {
        return Err(problem::INTERNAL.problem("A job belongs to nothing.", "Please report it."));
    };
    let application = control.inner.store.application(application).await?;
    let mut told = Told::open(control, job, operation).await;
    let payload = job.job.payload.clone();
    let result = match job.job.kind.as_str() {
        COPY => {
            let payload: CopyJob = serde_json::from_value(payload).map_err(unreadable)?;
            clone_volumes(&mut told, &application, payload).await
        }
        _ => {
            let payload: FillJob = serde_json::from_value(payload).map_err(unreadable)?;
            fill(&mut told, &application, payload).await
        }
    };
    told.log.finish().await;
    result
}

async fn clone_volumes(
    told: &mut Told<'_>,
    application: &Application,
    payload: CopyJob,
) -> Result<(), Problem> {
    let control = told.control;
    let store = &control.inner.store;
    let cluster = control.cluster_id_at(application.cluster).await?;
    for (component, hash) in &payload.ran {
        let record = TaskRecord {
            component: component.clone(),
            hash: hash.clone(),
            release: 1,
            outcome: TaskRecordOutcome::Skipped,
        };
        store.keep_task(application.id, cluster, record).await?;
    }
    let count = payload.volumes.len();
    for (number, (name, source)) in payload.volumes.iter().enumerate() {
        let of = format!("{name}, {} of {count}", number + 1);
        told.begin(StepName::Copy, &of).await;
        still(control, &payload).await?;
        clone_volume(told, application, name, *source, &of).await?;
        still(control, &payload).await?;
        told.line(StepName::Copy, "info", &format!("{name} is cloned"))
            .await;
        crash::point("copy-volume");
    }
    let noun = if count == 1 { "volume" } else { "volumes" };
    let note = format!("{count} {noun} cloned");
    let now = clock::now();
    let followed = store.follow_job(&told.job.lease, job(BUILD, &payload.build), |operation| {
        if count > 0 {
            operation.finish(StepName::Copy, note.clone(), now);
        }
    });
    match followed.await {
        Ok(()) | Err(StoreError::Stale { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Refused when a database was started whose files are being copied.
async fn still(control: &Control, payload: &CopyJob) -> Result<(), Problem> {
    if payload.at_rest.is_empty() {
        return Ok(());
    }
    let from = control.inner.store.application(payload.from).await?;
    let at_rest = control.at_rest(&from).await?;
    match payload.at_rest.iter().find(|name| !at_rest.contains(*name)) {
        None => Ok(()),
        Some(name) => Err(problem::REFUSED.problem(
            format!(
                "{name} of {} was started while its files were copied: they are of no one moment.",
                from.name
            ),
            "Copy again: while it runs it is dumped instead.",
        )),
    }
}

async fn clone_volume(
    told: &Told<'_>,
    application: &Application,
    name: &Name,
    source: VolumeId,
    of: &str,
) -> Result<(), Problem> {
    let control = told.control;
    let store = &control.inner.store;
    let actor = store.operation(told.operation).await?.0.actor;
    let mut begun: Option<OperationId> = None;
    loop {
        let rows = store.application_volumes(application.id).await?;
        let row = rows.into_iter().find(|row| row.name == *name);
        if row.as_ref().is_some_and(|row| row.copy_of != Some(source)) {
            return Err(problem::REFUSED.problem(
                format!(
                    "{name} of {} holds other data than the original's.",
                    application.name
                ),
                "Copy again.",
            ));
        }
        match (row.map(|row| row.filling), begun) {
            (Some(None), _) => return Ok(()),
            (Some(Some(filling)), _) => {
                begun = Some(filling);
                let under_way = store.operation(filling).await?.0;
                let so_far = under_way
                    .steps
                    .into_iter()
                    .find(|step| step.name == StepName::Copy);
                let note = match so_far.map(|step| step.note) {
                    Some(note) if !note.is_empty() => format!("{of}: {note}"),
                    _ => of.to_owned(),
                };
                told.step(|operation, _| {
                    note.clone_into(&mut operation.step_mut(StepName::Copy).note);
                })
                .await;
            }
            (None, None) => {
                let source = store.volume(application.team, source).await?;
                let within = Some(told.operation);
                let clone =
                    control.clone_volume(&actor, &source, application, name.clone(), within);
                begun = Some(clone.await?.0.id);
            }
            (None, Some(ended)) => {
                return Err(match store.operation(ended).await?.0.outcome {
                    Some(Outcome::Failed { problem }) => *problem,
                    _ => problem::CANCELLED.problem(
                        format!("The clone of {name} was cancelled."),
                        "Copy again when it is wanted.",
                    ),
                });
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn fill(
    told: &mut Told<'_>,
    application: &Application,
    payload: FillJob,
) -> Result<(), Problem> {
    let control = told.control;
    let store = &control.inner.store;
    let from = store.application(payload.from).await?;
    for name in &payload.databases {
        told.begin(StepName::Restore, &format!("{name} is being started"))
            .await;
        let target = started(control, application, name).await?;
        let source = reach(control, &from, name.as_str()).await?;
        told.line(
            StepName::Restore,
            "info",
            &format!(
                "a dump of {name} of {} goes into {name} of {}",
                from.environment_name, application.environment_name
            ),
        )
        .await;
        crash::point("copy-fill");
        let bytes = pour(told, (&from, &source), (application, &target)).await?;
        told.line(
            StepName::Restore,
            "info",
            &format!("{name} holds it: {}", size(bytes)),
        )
        .await;
        crash::point("copy-filled");
    }
    let note = match payload.databases.as_slice() {
        [one] => format!("{one} holds the original's data"),
        many => format!("{} databases hold the originals' data", many.len()),
    };
    let now = clock::now();
    let started = store.start_rest(&told.job.lease, |operation| {
        operation.finish(StepName::Restore, note.clone(), now);
    });
    match started.await {
        Ok(()) | Err(StoreError::Stale { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The copy's database, once it answers.
async fn started(
    control: &Control,
    application: &Application,
    name: &Name,
) -> Result<Inside, Problem> {
    let since = Instant::now();
    loop {
        let now = control.inner.store.application(application.id).await?;
        let inside = control.inside(&now, name.as_str()).await?;
        if inside.instance.is_some() {
            return Ok(inside);
        }
        let targets = control
            .inner
            .store
            .application_targets(application.id)
            .await?;
        if targets.iter().any(|target| target.failed) || since.elapsed() > PATIENCE {
            return Err(problem::RELEASE_NOT_READY.problem(
                format!("{name} of the copy did not become ready, so that nothing could be restored into it."),
                format!("See whether the machine has room for a second {name}, then copy again, or without data."),
            ));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A dump of one database straight into another, which holds nothing that anybody would miss. How many bytes it was.
async fn pour(
    told: &Told<'_>,
    (from, source): (&Application, &Inside),
    (to, target): (&Application, &Inside),
) -> Result<u64, Problem> {
    let control = told.control;
    let engine = source.database.engine;
    let how = Restore {
        replace: true,
        bytes: None,
    };
    let reading = control.open(from, source, dump(engine)).await?;
    let writing = control.open(to, target, &restore(engine, how)).await?;
    let bytes = Arc::new(AtomicU64::new(0));
    let input = writing.input.clone();
    let both = async { futures::join!(send(reading, input, &bytes), listen(writing, 64 * 1024)) };
    let mut both = std::pin::pin!(both);
    let (dumped, restored) = loop {
        tokio::select! {
            both = &mut both => break both,
            () = tokio::time::sleep(LOOK * 2) => {
                let note = format!("{}: {}", target.name, size(bytes.load(Ordering::Relaxed)));
                told.step(|operation, _| note.clone_into(&mut operation.step_mut(StepName::Restore).note)).await;
            }
        }
    };
    let dumped = dumped?;
    if dumped.code != 0 {
        return Err(source.failed("The dump failed", &dumped));
    }
    let restored = restored?;
    if restored.code != 0 {
        return Err(target.failed("The dump was not restored", &restored));
    }
    Ok(bytes.load(Ordering::Relaxed))
}

/// Hands on what a program writes. One that fails ends the input early: a dump without its end is not restored.
async fn send(
    mut session: ExecSession,
    input: tokio::sync::mpsc::Sender<ExecInput>,
    bytes: &AtomicU64,
) -> Result<Said, Problem> {
    let mut err = Vec::new();
    let mut open = true;
    let said = loop {
        match session.output.next().await {
            Some(ExecOutput::Out(piece)) => {
                bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
                // Who does not take any more has said why.
                open = open && input.send(ExecInput::Bytes(piece)).await.is_ok();
            }
            Some(ExecOutput::Err(piece)) => keep_end(&mut err, &piece, 4096),
            Some(ExecOutput::Exit(code)) => {
                break Ok(Said::apart_from_data(code, &err));
            }
            None => break Err(broke_off()),
        }
    };
    let _ = input.send(ExecInput::End).await;
    said
}
