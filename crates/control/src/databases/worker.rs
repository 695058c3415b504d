//! Makes backups and puts them back. Killed anywhere, the job's lease runs out and it is begun anew: a dump from its beginning,
//! a restore as its engine left it, which is all or nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use pluvio_model::database::BackupState;
use pluvio_model::id::BackupId;
use pluvio_model::operation::{Outcome, StepName};
use pluvio_model::problem::{self, Problem};
use pluvio_model::spec::Database;
use pluvio_plan::database::{NO_DUMP, NOT_EMPTY, Restore, SHORT, dump, restore};
use pluvio_runtime::{ExecInput, ExecSession};
use pluvio_store::{Application, KeptFile, LeasedJob, StoreError};
use tokio::time::Instant;

use super::asks::{BACKUP, BackupJob, RESTORE, RestoreJob};
use super::inside::listen;
use super::{Inside, keep};
use crate::leases::{self, Ended, Told};
use crate::{Control, OperationLog, crash};
use pluvio_model::quantity::size;

/// Two at once: a large one does not hold all others up.
pub(crate) const AT_ONCE: usize = 2;
/// A database that is being replaced, or recovers, is waited for.
const PATIENCE: Duration = Duration::from_secs(120);
/// A new one is waited for as long as a deploy may take.
const PATIENCE_NEW: Duration = Duration::from_secs(1800);
/// No kept file is larger; what disks there are decide long before.
const LARGEST: u64 = 16 << 40;

pub(crate) async fn run(control: Control, number: usize) {
    Box::pin(leases::run(
        &control,
        1000 + number,
        &[BACKUP, RESTORE],
        work,
    ))
    .await;
}

/// Works on one job with its heart beating; ends it in every case but that of a lost lease.
async fn work(control: &Control, job: LeasedJob) {
    let (store, lease) = (&control.inner.store, &job.lease);
    // Dropping the work ends the program in the container.
    let (done, asked) = match leases::beating(control, lease, Box::pin(one(control, &job))).await {
        Ended::Done(done) => (done, false),
        Ended::Cancelled => {
            let problem =
                problem::CANCELLED.problem("It was cancelled.", "Ask again when it is wanted.");
            (Err(problem), true)
        }
        Ended::NotOurs => return,
    };
    if let Err(problem) = done {
        let backup = match job.job.kind.as_str() {
            BACKUP => serde_json::from_value(job.job.payload.clone())
                .ok()
                .map(|payload: BackupJob| payload.backup),
            _ => None,
        };
        if let Some(operation) = job.job.operation {
            let mut log = OperationLog::open(&control.inner.blobs, operation).await;
            let step = match job.job.kind.as_str() {
                BACKUP => StepName::Dump,
                _ => StepName::Restore,
            };
            log.write(step, "error", &problem.cause).await;
            for line in &problem.evidence {
                log.write(step, "error", line).await;
            }
            log.finish().await;
        }
        if let Some(backup) = backup {
            let _ = control.inner.blobs.delete(&keep::key(backup)).await;
        }
        if let Err(error) = store.fail_aside(lease, backup, &problem, asked).await {
            tracing::warn!(%error, "a failed backup or restore was not recorded; its lease runs out");
        }
    }
}

async fn one(control: &Control, job: &LeasedJob) -> Result<(), Problem> {
    let unreadable = |error: serde_json::Error| {
        problem::INTERNAL.problem(format!("A job cannot be read: {error}."), "Ask again.")
    };
    let (Some(application), Some(operation)) = (job.job.application, job.job.operation) else {
        return Err(problem::INTERNAL.problem("A job belongs to nothing.", "Please report it."));
    };
    let application = control.inner.store.application(application).await?;
    let mut told = Told::open(control, job, operation).await;
    let first = job.lease.attempt == 1;
    let result = match job.job.kind.as_str() {
        BACKUP => {
            let payload: BackupJob =
                serde_json::from_value(job.job.payload.clone()).map_err(unreadable)?;
            if !first {
                let text = "It was cut off, and is begun anew.";
                told.line(StepName::Dump, "warning", text).await;
            }
            make(&mut told, &application, payload).await
        }
        _ => {
            let payload: RestoreJob =
                serde_json::from_value(job.job.payload.clone()).map_err(unreadable)?;
            if !first {
                let text = "It was cut off, and is begun anew.";
                told.line(StepName::Verify, "warning", text).await;
            }
            put_back(&mut told, &application, payload).await
        }
    };
    told.log.finish().await;
    result
}

/// The database, once it answers.
pub(crate) async fn reach(
    control: &Control,
    application: &Application,
    component: &str,
) -> Result<Inside, Problem> {
    let since = Instant::now();
    loop {
        // The target may move meanwhile.
        let now = control.inner.store.application(application.id).await?;
        let inside = control.inside(&now, component).await?;
        if inside.instance.is_some() || since.elapsed() > PATIENCE {
            inside.running()?;
            return Ok(inside);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn make(
    told: &mut Told<'_>,
    application: &Application,
    payload: BackupJob,
) -> Result<(), Problem> {
    let control = told.control;
    let component = payload.component.as_str();
    told.begin(StepName::Dump, "").await;
    let inside = reach(control, application, component).await?;
    let engine = inside.database.engine;
    told.line(
        StepName::Dump,
        "info",
        &format!("dumping {} of {component}", engine.title()),
    )
    .await;
    let file = write(told, application, &inside, payload.backup).await?;
    told.done(StepName::Dump, &size(file.plain_bytes)).await;

    told.begin(StepName::Verify, "").await;
    crash::point("backup-verify");
    let key = keep::key(payload.backup);
    let checked = keep::check(control.inner.blobs.path(&key), engine)
        .await
        .map_err(|why| not_good(&why))?;
    if !checked.whole {
        return Err(not_good("its end is not there"));
    }
    if checked.file != file {
        return Err(not_good("what is kept is not what was written"));
    }
    let kept = format!("{} kept, SHA-256 {}", size(file.bytes), file.sha256);
    told.line(StepName::Verify, "info", &kept).await;
    told.done(StepName::Verify, &format!("{} kept", size(file.bytes)))
        .await;

    let note = prune(told, application, &inside, payload.backup).await;
    let now = Timestamp::now();
    let store = &control.inner.store;
    let ended = store.complete_aside(
        &told.job.lease,
        Some((payload.backup, &file)),
        |operation| {
            operation.finish(StepName::Prune, note.clone(), now);
        },
    );
    match ended.await {
        Ok(()) | Err(StoreError::Stale { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn not_good(why: &str) -> Problem {
    problem::REFUSED.problem(
        format!("The backup is not good: {why}. It was not kept."),
        "Back up again; if it stays so, look at the disk of Pluvio's data folder.",
    )
}

/// The dump into its file: compressed as it comes.
async fn write(
    told: &mut Told<'_>,
    application: &Application,
    inside: &Inside,
    id: BackupId,
) -> Result<KeptFile, Problem> {
    let control = told.control;
    let session = control
        .open(application, inside, dump(inside.database.engine))
        .await?;
    let plain = Arc::new(AtomicU64::new(0));
    let begun = Arc::new(AtomicBool::new(false));
    let (count, seen) = (plain.clone(), begun.clone());
    let progress = move |bytes: u64| {
        count.store(bytes, Ordering::Relaxed);
        if !seen.swap(true, Ordering::Relaxed) {
            crash::point("backup-dump");
        }
    };
    let (pieces, said) = keep::compressed(session, progress);
    let key = keep::key(id);
    let put = control.inner.blobs.put(&key, pieces, LARGEST);
    let mut put = std::pin::pin!(put);
    let kept = loop {
        tokio::select! {
            kept = &mut put => break kept,
            () = tokio::time::sleep(Duration::from_secs(2)) => {
                let so_far = size(plain.load(Ordering::Relaxed));
                told.step(|operation, _| so_far.clone_into(&mut operation.step_mut(StepName::Dump).note)).await;
            }
        }
    };
    match (kept, said.await) {
        (Ok(info), Ok(Ok(said))) if said.code == 0 => Ok(KeptFile {
            bytes: info.bytes,
            plain_bytes: plain.load(Ordering::Relaxed),
            sha256: info.sha256.unwrap_or_default(),
        }),
        (_, Ok(Ok(said))) if said.code != 0 => Err(inside.failed("The dump failed", &said)),
        (_, Ok(Err(problem))) => Err(problem),
        (Err(error), _) => Err(error.into()),
        (Ok(_), _) => Err(super::inside::broke_off()),
    }
}

/// Lets go of old ones; what it did, in words. A backup that was made does not fail because an old one stays.
async fn prune(
    told: &mut Told<'_>,
    application: &Application,
    inside: &Inside,
    made: BackupId,
) -> String {
    let control = told.control;
    let store = &control.inner.store;
    let Ok(mut all) = store.backups(application.id, Some(&inside.name)).await else {
        return String::new();
    };
    for backup in &mut all {
        // It will be, in a moment.
        if backup.id == made {
            backup.state = BackupState::Kept;
        }
    }
    let kept = inside.component.backups.as_ref();
    let gone = pluvio_plan::backups::to_prune(&all, kept, Timestamp::now());
    let mut removed = 0;
    for id in gone.into_iter().filter(|id| *id != made) {
        if control
            .forget_backup(application, id, "pluvio")
            .await
            .is_ok()
        {
            removed += 1;
        }
    }
    match removed {
        0 => String::new(),
        1 => "1 old one let go".to_owned(),
        many => format!("{many} old ones let go"),
    }
}

async fn put_back(
    told: &mut Told<'_>,
    application: &Application,
    payload: RestoreJob,
) -> Result<(), Problem> {
    let control = told.control;
    let store = &control.inner.store;
    told.begin(StepName::Verify, "").await;
    let backup = store.backup(application.id, payload.backup).await?;
    let from: Database = backup.database.parse().map_err(|_| {
        problem::INTERNAL.problem("A backup names no database.", "Please report it.")
    })?;
    let path = control.inner.blobs.path(&keep::key(backup.id));
    let checked = keep::check(path.clone(), from.engine)
        .await
        .map_err(|why| keep::damaged(&why))?;
    if backup.sha256.as_deref() != Some(checked.file.sha256.as_str()) {
        return Err(keep::damaged(
            "its checksum is another than when it was kept",
        ));
    }
    if !checked.whole {
        return Err(keep::damaged("its end is not there"));
    }
    told.done(StepName::Verify, &size(checked.file.bytes)).await;

    told.begin(StepName::Restore, "").await;
    if let Some(after) = payload.after {
        made_first(told, after, payload.into.as_str()).await?;
    }
    let inside = reach(control, application, payload.into.as_str()).await?;
    let how = Restore {
        replace: payload.replace,
        bytes: Some(checked.file.plain_bytes),
    };
    told.line(
        StepName::Restore,
        "info",
        &format!("{} into {}", size(checked.file.plain_bytes), payload.into),
    )
    .await;
    let program = restore(inside.database.engine, how);
    let session = control.open(application, &inside, &program).await?;
    crash::point("restore");
    let said = feed(session, path).await?;
    match said.code {
        0 => {}
        NOT_EMPTY if told.job.lease.attempt > 1 => {
            return Err(problem::REFUSED.problem(
                format!("The restore into {} was cut off, and the database holds data now: its own, when the restore had succeeded before.", payload.into),
                format!("Look at what it holds; restore again with its name repeated (`--confirm {}`) to be sure.", payload.into),
            ));
        }
        NOT_EMPTY => {
            return Err(problem::REFUSED.problem(
                format!(
                    "{} is not empty any more. Nothing was changed.",
                    payload.into
                ),
                format!(
                    "Restore again, with its name repeated (`--confirm {}`).",
                    payload.into
                ),
            ));
        }
        NO_DUMP => {
            return Err(keep::damaged(
                "the database takes it for no dump of its own",
            ));
        }
        SHORT => {
            return Err(problem::REFUSED.problem(
                "Not all of the backup arrived in the database's container. Nothing was changed.",
                "See whether the container's disk has room for it, then try again.",
            ));
        }
        _ => {
            let mut problem = inside.failed("The backup was not restored", &said);
            problem.cause.push_str(" The data are what they were.");
            return Err(problem);
        }
    }
    let note = format!("{} holds the backup", payload.into);
    let now = Timestamp::now();
    let ended = store.complete_aside(&told.job.lease, None, |operation| {
        operation.finish(StepName::Restore, note.clone(), now);
    });
    match ended.await {
        Ok(()) | Err(StoreError::Stale { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Waits for the deploy that makes the database.
async fn made_first(
    told: &mut Told<'_>,
    after: pluvio_model::id::OperationId,
    into: &str,
) -> Result<(), Problem> {
    let store = &told.control.inner.store;
    told.line(StepName::Restore, "info", &format!("{into} is being made"))
        .await;
    let since = Instant::now();
    loop {
        match store.operation(after).await?.0.outcome {
            None if since.elapsed() < PATIENCE_NEW => {}
            // A later deploy has the new database, too.
            Some(Outcome::Succeeded | Outcome::Superseded { .. }) => return Ok(()),
            Some(Outcome::Failed { problem }) => {
                return Err(problem::REFUSED
                    .problem(
                        format!(
                            "{into} was not made, so that nothing was restored: {}",
                            problem.cause
                        ),
                        problem.remedy.clone(),
                    )
                    .evidence(problem.evidence.iter().cloned()));
            }
            None | Some(Outcome::Cancelled) => {
                return Err(problem::REFUSED.problem(
                    format!("{into} was not made, so that nothing was restored."),
                    "Restore again.",
                ));
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Sends a kept file as it was before it was compressed, and hears what is said meanwhile.
async fn feed(
    session: ExecSession,
    path: std::path::PathBuf,
) -> Result<super::inside::Said, Problem> {
    let input = session.input.clone();
    let sending = async move {
        let mut pieces = keep::plain(path);
        while let Some(piece) = pieces.recv().await {
            // One that cannot be read ends the input early: fewer bytes than were promised are refused.
            let Ok(piece) = piece else { break };
            if input.send(ExecInput::Bytes(piece)).await.is_err() {
                return;
            }
        }
        let _ = input.send(ExecInput::End).await;
    };
    let (_, said) = futures::join!(sending, listen(session, 64 * 1024));
    said
}
