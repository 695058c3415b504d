//! Finite work: leased with heartbeats, taken over when its worker falls silent, never lost.
//!
//! A [`Lease`] names the worker *and* the attempt, so that a worker whose lease went to another, even to itself, cannot
//! complete what it began.

use std::time::Duration;

use jiff::Timestamp;
use pluvio_model::id::{ApplicationId, JobId, OperationId};
use pluvio_model::operation::Outcome;
use pluvio_model::problem::{self, Problem};
use serde::{Deserialize, Serialize};

use sqlx::any::AnyRow;

use crate::dialect::{Dialect, Trouble};
use crate::operation;
use crate::row::{Columns, fresh, json, word};
use crate::transaction::{Tx, transaction};
use crate::{Result, Store, StoreError};

/// A job that was taken this often without an end takes its workers down: it is failed instead of taken again.
const ATTEMPTS: i64 = 5;
/// No lease lasts longer. One that ends later than this from now was written by a clock that has been turned back.
const LEASE_MAX_MS: i64 = 10 * 60 * 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    Queued,
    Leased,
    Done,
    Failed,
    Cancelled,
}

#[derive(Debug, Clone)]
pub struct NewJob {
    /// `build`, `task` …: what kind of worker takes it.
    pub kind: String,
    pub payload: serde_json::Value,
    /// Not before this time.
    pub run_after: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    pub id: JobId,
    pub kind: String,
    pub application: Option<ApplicationId>,
    pub operation: Option<OperationId>,
    /// Of a build: the revision that is to become a release.
    pub revision: Option<u64>,
    pub payload: serde_json::Value,
    pub state: JobState,
    /// How often it was taken; 1 the first time.
    pub attempts: u32,
    pub created_at: Timestamp,
}

/// The right to work on a job until it expires or is given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub job: JobId,
    pub owner: String,
    pub attempt: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct LeasedJob {
    pub job: Job,
    pub lease: Lease,
}

/// What a heartbeat answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulse {
    Go,
    /// Somebody asked to cancel the operation: stop, clean up, then [`Store::fail_build`] or [`Store::fail_job`].
    Cancel,
}

impl Store {
    /// Queues a job that belongs to no operation.
    pub async fn queue_job(&self, new: NewJob) -> Result<Job> {
        let job = transaction!(self, tx => { insert(&mut tx, &new, None).await })?;
        // No event tells of it.
        self.inner.wake.send_modify(|count| *count += 1);
        Ok(job)
    }

    /// Takes the oldest job of these kinds that nobody works on, for `lasting` (at most ten minutes). A job taken five times
    /// without an end fails, and its operation with it.
    pub async fn lease_job(
        &self,
        owner: &str,
        kinds: &[&str],
        lasting: Duration,
    ) -> Result<Option<LeasedJob>> {
        let kinds = format!(",{},", kinds.join(","));
        loop {
            let now = pluvio_model::clock::now().as_millisecond();
            // Looking first costs readers nothing, where taking would hold up the writer.
            let open = sqlx::query(
                "SELECT id, attempts FROM jobs WHERE ended_at IS NULL AND $1 LIKE '%,' || kind || ',%' AND \
                 ((state = 'queued' AND run_after <= $2) OR \
                 (state = 'leased' AND (lease_until < $2 OR lease_until > $3))) ORDER BY id LIMIT 1",
            )
            .bind(kinds.clone())
            .bind(now)
            .bind(now + LEASE_MAX_MS);
            let Some(open) = self.read_maybe(open).await? else {
                return Ok(None);
            };
            if open.number("attempts")? >= ATTEMPTS {
                self.give_up(open.parsed("id")?).await?;
                continue;
            }
            let take = sqlx::query(self.inner.dialect.lease_job())
                .bind(kinds.clone())
                .bind(owner.to_owned())
                .bind(now + lease_ms(lasting))
                .bind(now)
                .bind(now + LEASE_MAX_MS)
                .bind(ATTEMPTS);
            let taken = match take.fetch_optional(&self.inner.writer).await {
                // The writer is busy for longer than patience: the next look comes soon.
                Err(error) if Dialect::trouble(&error) == Trouble::Busy => return Ok(None),
                other => other?,
            };
            // Another worker was quicker: perhaps there is a further job, else the next look finds none.
            let Some(row) = taken else { return Ok(None) };
            let job = read(&row)?;
            let lease = Lease {
                job: job.id,
                owner: owner.to_owned(),
                attempt: job.attempts,
            };
            return Ok(Some(LeasedJob { job, lease }));
        }
    }

    /// Keeps the lease for `lasting` from now. [`crate::StoreError::Stale`] when it went to another: stop at once.
    pub async fn heartbeat(&self, lease: &Lease, lasting: Duration) -> Result<Pulse> {
        let now = pluvio_model::clock::now().as_millisecond();
        let keep = sqlx::query(
            "UPDATE jobs SET lease_until = $4 WHERE id = $1 AND owner = $2 AND attempts = $3 AND state = 'leased' \
             RETURNING operation",
        )
        .bind(lease.job.to_string())
        .bind(lease.owner.clone())
        .bind(i64::from(lease.attempt))
        .bind(now + lease_ms(lasting));
        let row = keep.fetch_optional(&self.inner.writer).await?;
        let row = row.ok_or(StoreError::Stale { what: "the lease" })?;
        let Some(operation) = row.maybe_parsed("operation")? else {
            return Ok(Pulse::Go);
        };
        let (operation, _) = self.operation(operation).await?;
        Ok(if operation.cancel_requested || operation.is_over() {
            Pulse::Cancel
        } else {
            Pulse::Go
        })
    }

    /// Ends a job that changes nothing else; builds end with [`Store::complete_build`].
    pub async fn complete_job(&self, lease: &Lease) -> Result<()> {
        transaction!(self, tx => {
            held(&mut tx, lease).await?;
            end(&mut tx, lease.job, JobState::Done).await
        })
    }

    /// Ends a job, and its operation with the problem.
    pub async fn fail_job(&self, lease: &Lease, problem: &Problem) -> Result<()> {
        transaction!(self, tx => {
            let job = held(&mut tx, lease).await?;
            end(&mut tx, job.id, JobState::Failed).await?;
            let outcome = Outcome::Failed { problem: Box::new(problem.clone()) };
            end_operation(&mut tx, &job, outcome).await
        })
    }

    /// Gives a job back, to be taken by anyone from `run_after` (now when absent): a worker that shuts down in good order.
    /// The attempt does not count.
    pub async fn release_job(&self, lease: &Lease, run_after: Option<Timestamp>) -> Result<()> {
        transaction!(self, tx => {
            let job = held(&mut tx, lease).await?;
            let back = sqlx::query(
                "UPDATE jobs SET state = 'queued', owner = NULL, lease_until = NULL, attempts = attempts - 1, \
                 run_after = $2 WHERE id = $1",
            )
            .bind(job.id.to_string())
            .bind(run_after.unwrap_or(tx.now).as_millisecond());
            tx.run(back).await?;
            Ok(())
        })?;
        self.inner.wake.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Ends the leases of workers that are known to be dead: their jobs may be taken at once, not when the leases run out.
    /// A worker that was taken for dead and is not loses its lease as it would to any other.
    pub async fn forfeit_leases(&self, dead: impl Fn(&str) -> bool) -> Result<()> {
        let query =
            sqlx::query("SELECT id, owner FROM jobs WHERE state = 'leased' AND ended_at IS NULL");
        for row in self.read_all(query).await? {
            let owner: String = row.text("owner")?;
            if !dead(&owner) {
                continue;
            }
            let id: JobId = row.parsed("id")?;
            transaction!(self, tx => {
                let query = sqlx::query("UPDATE jobs SET lease_until = 0 WHERE id = $1 AND owner = $2 AND state = 'leased'")
                    .bind(id.to_string())
                    .bind(owner.clone());
                tx.run(query).await?;
                Ok(())
            })?;
        }
        self.inner.wake.send_modify(|count| *count += 1);
        Ok(())
    }

    pub async fn job(&self, id: JobId) -> Result<Job> {
        let query = sqlx::query("SELECT * FROM jobs WHERE id = $1").bind(id.to_string());
        read(&self.read_one("job", query).await?)
    }

    async fn give_up(&self, id: JobId) -> Result<()> {
        transaction!(self, tx => {
            let query = sqlx::query("SELECT * FROM jobs WHERE id = $1 AND ended_at IS NULL AND attempts >= $2")
                .bind(id.to_string())
                .bind(ATTEMPTS);
            let Some(row) = tx.maybe(query).await? else {
                return Ok(());
            };
            let job = read(&row)?;
            end(&mut tx, id, JobState::Failed).await?;
            let problem = problem::INTERNAL.problem(
                format!("The {} was begun {ATTEMPTS} times, and each time its worker ended before it did.", job.kind),
                "See the server's log for why the worker ends; then deploy again.",
            );
            end_operation(&mut tx, &job, Outcome::Failed { problem: Box::new(problem) }).await
        })
    }
}

/// A job's operation, and the revision it builds.
pub(crate) struct Belongs<'a> {
    pub(crate) application: ApplicationId,
    pub(crate) operation: &'a OperationId,
    pub(crate) revision: u64,
}

pub(crate) async fn insert(tx: &mut Tx, new: &NewJob, belongs: Option<Belongs<'_>>) -> Result<Job> {
    let job = Job {
        id: JobId(fresh()),
        kind: new.kind.clone(),
        application: belongs.as_ref().map(|b| b.application),
        operation: belongs.as_ref().map(|b| *b.operation),
        revision: belongs.as_ref().map(|b| b.revision),
        payload: new.payload.clone(),
        state: JobState::Queued,
        attempts: 0,
        created_at: tx.now,
    };
    let insert = sqlx::query(
        "INSERT INTO jobs (id, kind, application, operation, revision, payload, state, attempts, run_after, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9)",
    )
    .bind(job.id.to_string())
    .bind(job.kind.clone())
    .bind(job.application.map(|id| id.to_string()))
    .bind(job.operation.map(|id| id.to_string()))
    .bind(job.revision.map(|number| number as i64))
    .bind(json(&job.payload))
    .bind(word(job.state))
    .bind(new.run_after.unwrap_or(tx.now).as_millisecond())
    .bind(tx.now_ms());
    tx.run(insert).await?;
    Ok(job)
}

/// The job of a lease that is still held; [`StoreError::Stale`] when it is not. A lease that has expired but was taken by
/// nobody is still held: the work is done, so it may be handed in.
pub(crate) async fn held(tx: &mut Tx, lease: &Lease) -> Result<Job> {
    let query = sqlx::query(
        "SELECT * FROM jobs WHERE id = $1 AND owner = $2 AND attempts = $3 AND state = 'leased'",
    )
    .bind(lease.job.to_string())
    .bind(lease.owner.clone())
    .bind(i64::from(lease.attempt));
    let row = tx.maybe(query).await?;
    read(&row.ok_or(StoreError::Stale { what: "the lease" })?)
}

pub(crate) async fn end(tx: &mut Tx, id: JobId, state: JobState) -> Result<()> {
    let update = sqlx::query("UPDATE jobs SET state = $2, ended_at = $3 WHERE id = $1")
        .bind(id.to_string())
        .bind(word(state))
        .bind(tx.now_ms());
    tx.run(update).await?;
    Ok(())
}

/// Ends the operation of a job, if it has one that is not over yet.
pub(crate) async fn end_operation(tx: &mut Tx, job: &Job, outcome: Outcome) -> Result<()> {
    let Some(id) = job.operation else {
        return Ok(());
    };
    let (mut operation, at) = operation::load(tx, id).await?;
    if operation.is_over() {
        return Ok(());
    }
    operation.end(outcome, tx.now);
    operation::save(tx, &at, &operation).await?;
    operation::settle_application(tx, &at, &operation).await
}

fn lease_ms(lasting: Duration) -> i64 {
    i64::try_from(lasting.as_millis()).map_or(LEASE_MAX_MS, |ms| ms.min(LEASE_MAX_MS))
}

fn read(row: &AnyRow) -> Result<Job> {
    Ok(Job {
        id: row.parsed("id")?,
        kind: row.text("kind")?,
        application: row.maybe_parsed("application")?,
        operation: row.maybe_parsed("operation")?,
        revision: row.maybe_count("revision")?,
        payload: row.json("payload")?,
        state: row.word("state")?,
        attempts: row.count("attempts")? as u32,
        created_at: row.time("created_at")?,
    })
}
