//! Finite work: leased with heartbeats, taken over when its worker falls silent, never lost.
//!
//! A [`Lease`] names the worker *and* the attempt, so that a worker whose lease went to another, even to itself, cannot
//! complete what it began.

use std::time::Duration;

use jiff::Timestamp;
use pluvio_model::id::{ApplicationId, JobId, OperationId};
use pluvio_model::problem::Problem;
use serde::{Deserialize, Serialize};

use crate::{Result, Store};

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
        todo!()
    }
    /// Takes the oldest job of these kinds that nobody works on, for `lease`. A job taken five times without an end fails.
    pub async fn lease_job(
        &self,
        owner: &str,
        kinds: &[&str],
        lease: Duration,
    ) -> Result<Option<LeasedJob>> {
        todo!()
    }
    /// Keeps the lease for `lease` from now. [`crate::StoreError::Stale`] when it went to another: stop at once.
    pub async fn heartbeat(&self, lease: &Lease, lasting: Duration) -> Result<Pulse> {
        todo!()
    }
    /// Ends a job that changes nothing else; builds end with [`Store::complete_build`].
    pub async fn complete_job(&self, lease: &Lease) -> Result<()> {
        todo!()
    }
    /// Ends a job, and its operation with the problem.
    pub async fn fail_job(&self, lease: &Lease, problem: &Problem) -> Result<()> {
        todo!()
    }
    /// Gives a job back, to be taken by anyone from `run_after` (now when absent): a worker that shuts down in good order.
    pub async fn release_job(&self, lease: &Lease, run_after: Option<Timestamp>) -> Result<()> {
        todo!()
    }
    pub async fn job(&self, id: JobId) -> Result<Job> {
        todo!()
    }
}
