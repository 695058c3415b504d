//! A backend: what can be done with a request for it now, and which endpoint a request is given.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use pluvio_model::route::{BackendId, BackendState};
use tokio::{sync::Notify, time::Instant};

use crate::{
    metrics::Series,
    refusal::Refusal,
    upstream::{Lease, Upstream},
};

/// Requests held at once for one backend; memory and the client's patience are both finite.
const MOST_HELD: usize = 1024;

/// A backend's place in the data plane. It outlives routes and endpoints, which come and go.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) id: BackendId,
    view: ArcSwap<View>,
    changed: Notify,
    held: AtomicUsize,
    turn: AtomicUsize,
    pub(crate) series: Series,
}

/// [`BackendState`] with endpoints that hold connections.
#[derive(Debug, Default)]
enum View {
    Serving(Box<[Arc<Upstream>]>),
    Holding {
        at_most: Duration,
    },
    Stopped,
    #[default]
    Absent,
}

impl Backend {
    pub(crate) fn new(id: BackendId) -> Self {
        Backend {
            id,
            view: ArcSwap::default(),
            changed: Notify::new(),
            held: AtomicUsize::new(0),
            turn: AtomicUsize::new(0),
            series: Series::default(),
        }
    }

    /// Takes a new state and returns the endpoints that are no longer part of it, retired.
    ///
    /// The new view is stored first and the old endpoints are shut after it: whoever is turned away by a shut endpoint finds
    /// the new view. Calls for one backend must not overlap.
    pub(crate) fn update(&self, state: &BackendState, workers: usize) -> Vec<Arc<Upstream>> {
        let before = self.view.load_full();
        let old: &[Arc<Upstream>] = match &*before {
            View::Serving(upstreams) => upstreams,
            _ => &[],
        };
        let view = match state {
            BackendState::Serving { endpoints } => View::Serving(
                endpoints
                    .iter()
                    .map(
                        |endpoint| match old.iter().find(|u| u.endpoint() == endpoint) {
                            Some(same) => same.clone(),
                            None => Arc::new(Upstream::new(endpoint.clone(), workers)),
                        },
                    )
                    .collect(),
            ),
            BackendState::Holding { at_most } => View::Holding {
                at_most: at_most.duration(),
            },
            BackendState::Stopped => View::Stopped,
            BackendState::Absent => View::Absent,
        };
        let kept = state.endpoints();
        self.view.store(Arc::new(view));
        let gone: Vec<_> = old
            .iter()
            .filter(|upstream| !kept.contains(upstream.endpoint()))
            .cloned()
            .collect();
        for upstream in &gone {
            upstream.retire();
        }
        self.changed.notify_waiters();
        gone
    }

    pub(crate) fn upstreams(&self) -> Vec<Arc<Upstream>> {
        match &**self.view.load() {
            View::Serving(upstreams) => upstreams.to_vec(),
            _ => Vec::new(),
        }
    }

    pub(crate) fn is_absent(&self) -> bool {
        matches!(&**self.view.load(), View::Absent)
    }

    /// Chooses an endpoint that is not among `tried` and counts the request in. Waits where the backend holds requests.
    pub(crate) async fn acquire(&self, tried: &[Arc<Upstream>]) -> Result<Lease, Refusal> {
        if let Some(answer) = self.try_acquire(tried) {
            return answer;
        }
        self.wait(tried).await
    }

    /// None where the request is to be held.
    fn try_acquire(&self, tried: &[Arc<Upstream>]) -> Option<Result<Lease, Refusal>> {
        loop {
            let view = self.view.load();
            match &**view {
                View::Serving(upstreams) => {
                    let Some(chosen) = self.choose(upstreams, tried) else {
                        return Some(Err(if tried.is_empty() {
                            Refusal::NoEndpoint
                        } else {
                            Refusal::Unreachable
                        }));
                    };
                    // Retired since the view was read: its successor is stored already, so this does not spin.
                    if let Some(lease) = Lease::take(chosen) {
                        return Some(Ok(lease));
                    }
                }
                View::Holding { .. } => return None,
                View::Stopped => return Some(Err(Refusal::Stopped)),
                View::Absent => return Some(Err(Refusal::NoEndpoint)),
            }
        }
    }

    /// The endpoint with the fewest requests in flight; among equals the next in turn.
    fn choose<'a>(
        &self,
        upstreams: &'a [Arc<Upstream>],
        tried: &[Arc<Upstream>],
    ) -> Option<&'a Arc<Upstream>> {
        if let ([only], []) = (upstreams, tried) {
            return Some(only);
        }
        if upstreams.is_empty() {
            return None;
        }
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % upstreams.len();
        let (before, after) = upstreams.split_at(first);
        after
            .iter()
            .chain(before)
            .filter(|u| !tried.iter().any(|t| Arc::ptr_eq(t, u)))
            .min_by_key(|u| u.in_flight())
    }

    #[cold]
    async fn wait(&self, tried: &[Arc<Upstream>]) -> Result<Lease, Refusal> {
        let _held = Held::count(&self.held).ok_or(Refusal::HeldTooLong)?;
        let since = Instant::now();
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before looking, so that a change in between is not missed.
            changed.as_mut().enable();
            if let Some(answer) = self.try_acquire(tried) {
                return answer;
            }
            let at_most = match &**self.view.load() {
                View::Holding { at_most } => *at_most,
                _ => continue,
            };
            if tokio::time::timeout_at(since + at_most, changed)
                .await
                .is_err()
            {
                return Err(Refusal::HeldTooLong);
            }
        }
    }
}

struct Held<'a>(&'a AtomicUsize);

impl<'a> Held<'a> {
    fn count(held: &'a AtomicUsize) -> Option<Self> {
        let counted = Held(held);
        (held.fetch_add(1, Ordering::Relaxed) < MOST_HELD).then_some(counted)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use pluvio_model::route::{Endpoint, Milliseconds};

    use super::*;

    fn serving(ports: &[u16]) -> BackendState {
        BackendState::Serving {
            endpoints: ports
                .iter()
                .map(|port| Endpoint {
                    address: ([127, 0, 0, 1], *port).into(),
                    instance: format!("web-{port}").parse().unwrap(),
                })
                .collect(),
        }
    }

    fn backend(state: &BackendState) -> Backend {
        let backend = Backend::new("shop/web/http".parse().unwrap());
        assert!(backend.update(state, 1).is_empty());
        backend
    }

    fn port(lease: &Lease) -> u16 {
        lease.upstream().address().port()
    }

    #[tokio::test]
    async fn requests_spread_over_endpoints_by_what_they_have_in_flight() {
        let backend = backend(&serving(&[1, 2, 3]));
        let leases = [
            backend.acquire(&[]).await.unwrap(),
            backend.acquire(&[]).await.unwrap(),
            backend.acquire(&[]).await.unwrap(),
        ];
        let mut ports: Vec<u16> = leases.iter().map(port).collect();
        ports.sort_unstable();
        assert_eq!(ports, [1, 2, 3]);
        let [one, _two, _three] = leases;
        let free = port(&one);
        drop(one);
        assert_eq!(port(&backend.acquire(&[]).await.unwrap()), free);
    }

    #[tokio::test]
    async fn an_endpoint_taken_out_gets_nothing_more_and_drains_when_its_requests_end() {
        let backend = backend(&serving(&[1]));
        let lease = backend.acquire(&[]).await.unwrap();
        let gone = backend.update(&serving(&[2]), 1);
        assert_eq!(gone.len(), 1);
        assert!(!gone[0].is_drained());
        assert_eq!(port(&backend.acquire(&[]).await.unwrap()), 2);
        let drained = tokio::spawn({
            let upstream = gone[0].clone();
            async move { upstream.drained().await }
        });
        drop(lease);
        drained.await.unwrap();
    }

    #[tokio::test]
    async fn an_endpoint_that_stays_keeps_its_requests_and_connections() {
        let backend = backend(&serving(&[1, 2]));
        let before = backend.upstreams();
        backend.update(&serving(&[2, 3]), 1);
        assert!(Arc::ptr_eq(&before[1], &backend.upstreams()[0]));
    }

    #[tokio::test]
    async fn held_requests_go_on_when_the_new_instance_serves_or_end_after_their_time() {
        let backend = Arc::new(backend(&BackendState::holding()));
        let waiting = tokio::spawn({
            let backend = backend.clone();
            async move { backend.acquire(&[]).await.map(|lease| port(&lease)) }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        backend.update(&serving(&[7]), 1);
        assert_eq!(waiting.await.unwrap().unwrap(), 7);

        let brief = BackendState::Holding {
            at_most: Milliseconds(200),
        };
        backend.update(&brief, 1);
        let began = Instant::now();
        assert_eq!(
            backend.acquire(&[]).await.unwrap_err(),
            Refusal::HeldTooLong
        );
        assert!(began.elapsed() >= Duration::from_millis(200));
    }

    #[tokio::test]
    async fn what_cannot_serve_says_why() {
        let check = async |state: BackendState, why: Refusal| {
            assert_eq!(backend(&state).acquire(&[]).await.unwrap_err(), why);
        };
        check(BackendState::Stopped, Refusal::Stopped).await;
        check(BackendState::Absent, Refusal::NoEndpoint).await;
        check(serving(&[]), Refusal::NoEndpoint).await;
    }
}
