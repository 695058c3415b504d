//! One endpoint as the data plane holds it: its address, who is using it, and the connections kept open to it.
//!
//! Connections are pooled inside the endpoint they lead to, so that none is ever used for another instance that was given the
//! same address later; and by worker, so that no connection is woken from a foreign thread.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use pluvio_model::route::{Endpoint, InstanceKey};
use tokio::sync::Notify;

use crate::{
    gate::{Entry, Gate},
    h1::Connection,
    h2::Session,
};

/// Idle connections kept for each endpoint and worker. More than this many at once are opened and closed as needed.
const MOST_IDLE: usize = 256;

/// How long an unused connection is kept. Shorter than the idle time of common servers (Node.js: 5 s), so that the gateway,
/// not the server, ends it, and no request is sent into a connection that is just being closed.
pub(crate) const IDLE: Duration = Duration::from_secs(4);

pub(crate) struct Upstream {
    endpoint: Endpoint,
    gate: Gate,
    /// Told when the gate is shut and when it empties.
    changed: Notify,
    workers: Box<[Shard]>,
}

#[derive(Default)]
struct Shard {
    #[expect(
        clippy::vec_box,
        reason = "connections go back and forth between pool and requests: only pointers move"
    )]
    idle: Mutex<Vec<Box<Connection>>>,
    session: Mutex<Option<Session>>,
}

impl Upstream {
    pub(crate) fn new(endpoint: Endpoint, workers: usize) -> Self {
        Upstream {
            endpoint,
            gate: Gate::default(),
            changed: Notify::new(),
            workers: (0..workers).map(|_| Shard::default()).collect(),
        }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.endpoint.address
    }

    pub(crate) fn instance(&self) -> &InstanceKey {
        &self.endpoint.instance
    }

    /// Requests in flight.
    pub(crate) fn in_flight(&self) -> u64 {
        self.gate.inside()
    }

    pub(crate) fn is_drained(&self) -> bool {
        self.gate.is_drained()
    }

    /// Lets no further request in and closes what is idle. Those in flight go on.
    pub(crate) fn retire(&self) {
        self.gate.shut();
        for shard in &self.workers {
            lock(&shard.idle).clear();
            lock(&shard.session).take();
        }
        self.changed.notify_waiters();
    }

    /// Waits until it is retired and the last request has left.
    pub(crate) async fn drained(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before looking, so that a change in between is not missed.
            changed.as_mut().enable();
            if self.gate.is_drained() {
                return;
            }
            changed.await;
        }
    }

    /// The connection used last, if it is still usable.
    pub(crate) fn take_idle(&self, worker: usize, now: u64) -> Option<Box<Connection>> {
        loop {
            let connection = lock(&self.workers[worker].idle).pop()?;
            if now.saturating_sub(connection.idle_since) < IDLE.as_millis() as u64
                && connection.is_quiet()
            {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection for the next request. True if it is the endpoint's first idle one on this worker, which is then
    /// told to look for it later.
    pub(crate) fn keep_idle(
        &self,
        worker: usize,
        mut connection: Box<Connection>,
        now: u64,
    ) -> bool {
        connection.idle_since = now;
        let mut idle = lock(&self.workers[worker].idle);
        // Looked at under the lock that `retire` takes after shutting: what is put in before is cleared by it.
        if self.gate.is_shut() || idle.len() >= MOST_IDLE {
            return false;
        }
        idle.push(connection);
        idle.len() == 1
    }

    /// Closes connections that were idle too long; true if some are left.
    pub(crate) fn sweep_idle(&self, worker: usize, now: u64) -> bool {
        let mut idle = lock(&self.workers[worker].idle);
        // Taken from the end and put back there, so the oldest are in front.
        let old = idle
            .iter()
            .take_while(|c| now.saturating_sub(c.idle_since) >= IDLE.as_millis() as u64)
            .count();
        idle.drain(..old);
        !idle.is_empty()
    }

    /// The HTTP/2 session of this worker, if one is open.
    pub(crate) fn session(&self, worker: usize) -> Option<Session> {
        let mut held = lock(&self.workers[worker].session);
        if held.as_ref().is_some_and(Session::is_closed) {
            held.take();
        }
        held.clone()
    }

    pub(crate) fn keep_session(&self, worker: usize, session: &Session) {
        let mut held = lock(&self.workers[worker].session);
        if !self.gate.is_shut() {
            *held = Some(session.clone());
        }
    }
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream")
            .field("endpoint", &self.endpoint)
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request's right to use an endpoint. While it is held the endpoint is not drained.
#[derive(Debug)]
pub(crate) struct Lease(Arc<Upstream>);

impl Lease {
    /// None if the endpoint was retired.
    pub(crate) fn take(upstream: &Arc<Upstream>) -> Option<Lease> {
        match upstream.gate.enter() {
            Entry::Admitted => Some(Lease(upstream.clone())),
            Entry::Refused { emptied } => {
                if emptied {
                    upstream.changed.notify_waiters();
                }
                None
            }
        }
    }

    pub(crate) fn upstream(&self) -> &Arc<Upstream> {
        &self.0
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.0.gate.leave() {
            self.0.changed.notify_waiters();
        }
    }
}
