//! Dumps of databases that are kept: what there is, how it ended, and up to when each schedule was heard. The files are blobs.

use jiff::Timestamp;
use pluvio_model::database::{Backup, BackupReason, BackupState};
use pluvio_model::id::{ApplicationId, BackupId};
use pluvio_model::name::Name;
use pluvio_model::operation::{Operation, Outcome};
use pluvio_model::problem::{self, Problem};

use sqlx::any::AnyRow;

use crate::audit::record;
use crate::job::{self, JobState, Lease};
use crate::operation;
use crate::row::{Columns, fresh, json, word};
use crate::transaction::{Tx, transaction};
use crate::{Result, Store, StoreError, application};

/// One that is about to be made.
#[derive(Debug, Clone)]
pub struct NewBackup {
    pub id: BackupId,
    pub component: Name,
    /// Engine and version: `postgres@17`.
    pub database: String,
    pub reason: BackupReason,
}

impl NewBackup {
    pub fn new(component: Name, database: String, reason: BackupReason) -> NewBackup {
        NewBackup {
            id: BackupId(fresh()),
            component,
            database,
            reason,
        }
    }
}

/// A schedule's time that has come.
#[derive(Debug, Clone)]
pub struct Firing {
    pub component: Name,
    /// Up to when it was heard, as read: whoever moves it from there fires.
    pub since: Timestamp,
    pub at: Timestamp,
}

/// What is known of a file that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFile {
    pub bytes: u64,
    pub plain_bytes: u64,
    pub sha256: String,
}

const SELECT: &str = "SELECT b.*, o.ended_at AS operation_ended FROM backups b LEFT JOIN operations o ON o.id = b.operation ";

impl Store {
    /// An application's, of one component or all, the newest first.
    pub async fn backups(
        &self,
        application: ApplicationId,
        component: Option<&Name>,
    ) -> Result<Vec<Backup>> {
        let statement = sqlx::AssertSqlSafe(format!(
            "{SELECT} WHERE b.application = $1 AND ($2 IS NULL OR b.component = $2) ORDER BY b.id DESC"
        ));
        let query = sqlx::query(statement)
            .bind(application.to_string())
            .bind(component.map(ToString::to_string));
        self.read_all(query).await?.iter().map(read).collect()
    }

    pub async fn backup(&self, application: ApplicationId, id: BackupId) -> Result<Backup> {
        let statement =
            sqlx::AssertSqlSafe(format!("{SELECT} WHERE b.application = $1 AND b.id = $2"));
        let query = sqlx::query(statement)
            .bind(application.to_string())
            .bind(id.to_string());
        read(&self.read_one("backup", query).await?)
    }

    /// Whether any row, of whichever application, speaks of this file.
    pub async fn knows_backup(&self, id: BackupId) -> Result<bool> {
        let query = sqlx::query("SELECT id FROM backups WHERE id = $1").bind(id.to_string());
        Ok(self.read_maybe(query).await?.is_some())
    }

    /// Ends the job, its operation and, if it made one, its backup, as a success.
    pub async fn complete_aside(
        &self,
        lease: &Lease,
        backup: Option<(BackupId, &KeptFile)>,
        mut edit: impl FnMut(&mut Operation) + Send,
    ) -> Result<()> {
        let edit = &mut edit;
        transaction!(self, tx => {
            let job = job::held(&mut tx, lease).await?;
            job::end(&mut tx, job.id, JobState::Done).await?;
            if let Some((id, file)) = &backup {
                keep(&mut tx, *id, file).await?;
            }
            if let Some(id) = job.operation {
                let (mut operation, at) = operation::load(&mut tx, id).await?;
                if !operation.is_over() {
                    edit(&mut operation);
                    operation.end(Outcome::Succeeded, tx.now);
                    operation::save(&mut tx, &at, &operation).await?;
                }
            }
            Ok(())
        })
    }

    /// Ends the job, its operation and its backup with the problem; `cancelled` when somebody asked for the end.
    pub async fn fail_aside(
        &self,
        lease: &Lease,
        backup: Option<BackupId>,
        problem: &Problem,
        cancelled: bool,
    ) -> Result<()> {
        transaction!(self, tx => {
            let job = job::held(&mut tx, lease).await?;
            let (state, outcome) = if cancelled {
                (JobState::Cancelled, Outcome::Cancelled)
            } else {
                let problem = Box::new(problem.clone());
                (JobState::Failed, Outcome::Failed { problem })
            };
            job::end(&mut tx, job.id, state).await?;
            if let Some(id) = backup {
                let update = sqlx::query(
                    "UPDATE backups SET state = 'failed', ended_at = $2, problem = $3 WHERE id = $1 AND state = 'running'",
                )
                .bind(id.to_string())
                .bind(tx.now_ms())
                .bind(json(problem));
                tx.run(update).await?;
            }
            job::end_operation(&mut tx, &job, outcome).await
        })
    }

    /// Keeps one that somebody brought: its file is there already, and was read.
    pub async fn add_backup(
        &self,
        application: ApplicationId,
        new: &NewBackup,
        file: &KeptFile,
        actor: &str,
    ) -> Result<Backup> {
        let id = new.id;
        transaction!(self, tx => {
            let of = application::load(&mut tx, application).await?;
            insert_row(&mut tx, application, new, actor, None, None).await?;
            keep(&mut tx, id, file).await?;
            let object = format!("backup {id} of {} of application {}", new.component, of.name);
            record(&mut tx, Some(of.team), actor, "database:manage", &object, "uploaded").await
        })?;
        self.backup(application, id).await
    }

    /// Forgets one; its file goes after it. One that is being made is refused.
    pub async fn forget_backup(
        &self,
        application: ApplicationId,
        id: BackupId,
        actor: &str,
    ) -> Result<()> {
        transaction!(self, tx => {
            let of = application::load(&mut tx, application).await?;
            let statement = sqlx::AssertSqlSafe(format!("{SELECT} WHERE b.application = $1 AND b.id = $2"));
            let query = sqlx::query(statement).bind(application.to_string()).bind(id.to_string());
            let backup = read(&tx.one("backup", query).await?)?;
            if backup.state == BackupState::Running {
                return Err(StoreError::Refused(Box::new(problem::REFUSED.problem(
                    "This backup is being made.",
                    "Wait for its end, or cancel its operation.",
                ))));
            }
            tx.run(sqlx::query("DELETE FROM backups WHERE id = $1").bind(id.to_string())).await?;
            let object = format!("backup {id} of {} of application {}", backup.component, of.name);
            record(&mut tx, Some(of.team), actor, "database:manage", &object, "deleted").await
        })
    }

    /// Up to when a schedule has been heard; a new one, or one that was changed, from now on.
    pub async fn backup_clock(
        &self,
        application: ApplicationId,
        component: &Name,
        schedule: &str,
    ) -> Result<Timestamp> {
        let known = sqlx::query(
            "SELECT schedule, since FROM backup_clocks WHERE application = $1 AND component = $2",
        )
        .bind(application.to_string())
        .bind(component.to_string());
        if let Some(row) = self.read_maybe(known).await?
            && row.text("schedule")? == schedule
        {
            return row.time("since");
        }
        transaction!(self, tx => {
            let set = sqlx::query(
                "INSERT INTO backup_clocks (application, component, schedule, since) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (application, component) DO UPDATE SET schedule = excluded.schedule, since = excluded.since",
            )
            .bind(application.to_string())
            .bind(component.to_string())
            .bind(schedule.to_owned())
            .bind(tx.now_ms());
            tx.run(set).await?;
            Ok(tx.now)
        })
    }
}

/// Moves a schedule's clock from what was read; false when somebody else did.
pub(crate) async fn advance(
    tx: &mut Tx,
    application: ApplicationId,
    firing: &Firing,
) -> Result<bool> {
    let update = sqlx::query(
        "UPDATE backup_clocks SET since = $4 WHERE application = $1 AND component = $2 AND since = $3",
    )
    .bind(application.to_string())
    .bind(firing.component.to_string())
    .bind(firing.since.as_millisecond())
    .bind(firing.at.as_millisecond());
    Ok(tx.run(update).await? > 0)
}

pub(crate) async fn insert(
    tx: &mut Tx,
    application: ApplicationId,
    new: &NewBackup,
    operation: &Operation,
    firing: Option<Timestamp>,
) -> Result<()> {
    let id = operation.id.to_string();
    insert_row(tx, application, new, &operation.actor, Some(id), firing).await
}

async fn insert_row(
    tx: &mut Tx,
    application: ApplicationId,
    new: &NewBackup,
    actor: &str,
    operation: Option<String>,
    firing: Option<Timestamp>,
) -> Result<()> {
    let insert = sqlx::query(
        "INSERT INTO backups (id, application, component, engine, reason, state, actor, operation, firing, begun_at) \
         VALUES ($1, $2, $3, $4, $5, 'running', $6, $7, $8, $9)",
    )
    .bind(new.id.to_string())
    .bind(application.to_string())
    .bind(new.component.to_string())
    .bind(new.database.clone())
    .bind(word(new.reason))
    .bind(actor.to_owned())
    .bind(operation)
    .bind(firing.map(|at| at.as_millisecond()))
    .bind(tx.now_ms());
    tx.run(insert).await?;
    Ok(())
}

async fn keep(tx: &mut Tx, id: BackupId, file: &KeptFile) -> Result<()> {
    let update = sqlx::query(
        "UPDATE backups SET state = 'kept', ended_at = $2, bytes = $3, plain_bytes = $4, sha256 = $5, verified_at = $2 \
         WHERE id = $1 AND state = 'running'",
    )
    .bind(id.to_string())
    .bind(tx.now_ms())
    .bind(file.bytes as i64)
    .bind(file.plain_bytes as i64)
    .bind(file.sha256.clone());
    match tx.run(update).await? {
        0 => Err(StoreError::NotFound { what: "backup" }),
        _ => Ok(()),
    }
}

fn read(row: &AnyRow) -> Result<Backup> {
    let mut state: BackupState = row.word("state")?;
    let mut problem: Option<Problem> = match row.maybe_text("problem")? {
        Some(_) => Some(row.json("problem")?),
        None => None,
    };
    let mut ended_at = row.maybe_time("ended_at")?;
    // Its operation ended without a word of it: cancelled before it was begun, or given up.
    let operation_ended = row.maybe_time("operation_ended")?;
    if state == BackupState::Running && operation_ended.is_some() {
        state = BackupState::Failed;
        ended_at = operation_ended;
        problem = problem.or_else(|| {
            Some(problem::CANCELLED.problem(
                "It was not made: its operation ended before.",
                "Its operation says why. Make another.",
            ))
        });
    }
    Ok(Backup {
        id: row.parsed("id")?,
        component: row.text("component")?,
        database: row.text("engine")?,
        reason: row.word("reason")?,
        state,
        actor: row.text("actor")?,
        operation: row.maybe_parsed("operation")?,
        scheduled_at: row.maybe_time("firing")?,
        begun_at: row.time("begun_at")?,
        ended_at,
        bytes: row.maybe_count("bytes")?,
        plain_bytes: row.maybe_count("plain_bytes")?,
        sha256: row.maybe_text("sha256")?,
        verified_at: row.maybe_time("verified_at")?,
        problem,
    })
}
