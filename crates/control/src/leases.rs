//! What everybody does who works on leased jobs: takes one after another, keeps the lease while at work, tells how far it is.

use std::time::Duration;

use jiff::Timestamp;
use pluvio_model::id::OperationId;
use pluvio_model::operation::{Operation, StepName};
use pluvio_store::{Lease, LeasedJob, Pulse, StoreError};
use tokio_util::sync::CancellationToken;

use crate::{Control, OperationLog};

/// How long a silent worker keeps its job.
pub(crate) const LEASE: Duration = Duration::from_secs(15);
const HEARTBEAT: Duration = Duration::from_secs(2);
/// Without a hint, look for jobs this often: leases run out without one.
const LOOK: Duration = Duration::from_secs(5);

/// Takes one job of these kinds after another until control stops.
pub(crate) async fn run(
    control: &Control,
    number: usize,
    kinds: &[&str],
    work: impl AsyncFn(&Control, LeasedJob),
) {
    let owner = format!("{}-{number}", control.inner.config.owner);
    let stop = control.inner.stop.clone();
    let mut hint = control.inner.store.hint();
    while !stop.is_cancelled() {
        let bound = control.inner.cluster.borrow().is_some();
        let job = match bound {
            true => control.inner.store.lease_job(&owner, kinds, LEASE).await,
            false => Ok(None),
        };
        let pause = match job {
            Ok(Some(job)) => {
                work(control, job).await;
                continue;
            }
            Ok(None) if bound => LOOK,
            Ok(None) => Duration::from_millis(300),
            Err(error) => {
                tracing::warn!(%error, "no job could be taken");
                Duration::from_secs(1)
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = hint.changed() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Keeps a lease until it is lost; `cancelled` is called off when somebody asks for the operation's end.
pub(crate) async fn beat(control: &Control, lease: &Lease, cancelled: &CancellationToken) {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        match control.inner.store.heartbeat(lease, LEASE).await {
            Ok(Pulse::Go) => {}
            Ok(Pulse::Cancel) => cancelled.cancel(),
            Err(StoreError::Stale { .. }) => {
                tracing::warn!(job = %lease.job, "the lease was lost");
                return;
            }
            Err(error) => tracing::warn!(%error, "a heartbeat was missed"),
        }
    }
}

/// How work with a beating heart ended.
pub(crate) enum Ended<T> {
    Done(T),
    /// Somebody asked for the end: the work was dropped.
    Cancelled,
    /// It is another's now, or was given back because control stops.
    NotOurs,
}

/// Works on a job with its heart beating. What the work does must bear to be dropped at any moment.
pub(crate) async fn beating<T>(
    control: &Control,
    lease: &Lease,
    work: impl Future<Output = T>,
) -> Ended<T> {
    let cancelled = CancellationToken::new();
    tokio::select! {
        done = work => Ended::Done(done),
        () = beat(control, lease, &cancelled) => Ended::NotOurs,
        () = cancelled.cancelled() => Ended::Cancelled,
        () = control.inner.stop.cancelled() => {
            let _ = control.inner.store.release_job(lease, None).await;
            Ended::NotOurs
        }
    }
}

/// Where an operation's steps and lines go.
pub(crate) struct Told<'a> {
    pub(crate) control: &'a Control,
    pub(crate) job: &'a LeasedJob,
    pub(crate) operation: OperationId,
    pub(crate) log: OperationLog,
}

impl<'a> Told<'a> {
    pub(crate) async fn open(
        control: &'a Control,
        job: &'a LeasedJob,
        operation: OperationId,
    ) -> Told<'a> {
        let log = OperationLog::open(&control.inner.blobs, operation).await;
        Told {
            control,
            job,
            operation,
            log,
        }
    }

    pub(crate) async fn line(&mut self, step: StepName, level: &str, text: &str) {
        self.log.write(step, level, text).await;
    }

    pub(crate) async fn step(&self, edit: impl Fn(&mut Operation, Timestamp) + Send + Sync) {
        let now = pluvio_model::clock::now();
        let store = &self.control.inner.store;
        let edited = store.update_operation(self.operation, |operation| edit(operation, now));
        if let Err(error) = edited.await {
            tracing::warn!(%error, "a step was not recorded");
        }
    }

    pub(crate) async fn begin(&self, name: StepName, note: &str) {
        self.step(|operation, now| {
            operation.begin(name, now);
            note.clone_into(&mut operation.step_mut(name).note);
        })
        .await;
    }

    pub(crate) async fn done(&self, name: StepName, note: &str) {
        self.step(|operation, now| operation.finish(name, note, now))
            .await;
    }
}
