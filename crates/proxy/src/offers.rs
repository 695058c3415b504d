//! Whom a request or a connection is offered to, while nobody takes it.

use std::{io, sync::Arc, time::Duration};

use crate::{
    backend::Backend,
    refusal::Refusal,
    upstream::{Lease, Upstream},
};

/// Endpoints that are asked one after the other.
const MOST_TRIED: usize = 3;

/// Where nobody listens at an instance that is said to be ready, that is about to change: it is just being taken away, or is too
/// busy to accept. All are asked again after each of these; nothing was sent, so nothing happens twice.
/// (Source: HAProxy's `retries`, three, with a pause before a server is tried again.)
const PAUSES: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(150),
    Duration::from_millis(400),
];

#[derive(Default)]
pub(crate) struct Offers {
    tried: Vec<Arc<Upstream>>,
    rounds: usize,
    timed_out: bool,
}

impl Offers {
    /// The next endpoint to ask. Waits where the backend holds what comes.
    pub(crate) async fn next(&mut self, backend: &Backend) -> Result<Lease, Refusal> {
        loop {
            if self.tried.len() < MOST_TRIED {
                match backend.acquire(&self.tried).await {
                    Err(Refusal::Unreachable) => {}
                    lease_or_refusal => return lease_or_refusal,
                }
            }
            if self.timed_out {
                return Err(Refusal::ConnectTimeout);
            }
            let pause = PAUSES.get(self.rounds).ok_or(Refusal::Unreachable)?;
            self.rounds += 1;
            self.tried.clear();
            tokio::time::sleep(*pause).await;
        }
    }

    /// This one could not be connected to. No error: the time was over.
    pub(crate) fn failed(&mut self, lease: &Lease, error: Option<io::Error>) {
        self.timed_out = error.is_none();
        tracing::debug!(
            address = %lease.upstream().address(),
            error = error.as_ref().map(tracing::field::display),
            "cannot connect to an instance"
        );
        self.tried.push(lease.upstream().clone());
    }
}

#[cfg(test)]
mod tests {
    use pluvio_model::route::{BackendState, Endpoint};

    use super::*;

    fn serving(port: u16) -> BackendState {
        BackendState::Serving {
            endpoints: vec![Endpoint {
                address: ([127, 0, 0, 1], port).into(),
                instance: format!("web-{port}").parse().unwrap(),
            }],
        }
    }

    fn nobody() -> Option<io::Error> {
        Some(io::ErrorKind::ConnectionRefused.into())
    }

    #[tokio::test]
    async fn the_only_one_is_asked_again_a_few_times() {
        let backend = Backend::new("shop/web/http".parse().unwrap());
        backend.update(&serving(1), 1);
        let mut offers = Offers::default();
        let mut asked = 0;
        let refusal = loop {
            match offers.next(&backend).await {
                Ok(lease) => offers.failed(&lease, nobody()),
                Err(refusal) => break refusal,
            }
            asked += 1;
        };
        assert_eq!(asked, 1 + PAUSES.len());
        assert!(matches!(refusal, Refusal::Unreachable));
        // Whoever waited as long as it may is not kept waiting any longer.
        let mut offers = Offers::default();
        let lease = offers.next(&backend).await.unwrap();
        offers.failed(&lease, None);
        let refusal = offers.next(&backend).await.err();
        assert!(matches!(refusal, Some(Refusal::ConnectTimeout)));
    }

    #[tokio::test]
    async fn what_is_replaced_meanwhile_is_found() {
        let backend = Arc::new(Backend::new("shop/web/http".parse().unwrap()));
        backend.update(&serving(1), 1);
        let mut offers = Offers::default();
        let lease = offers.next(&backend).await.unwrap();
        offers.failed(&lease, nobody());
        drop(lease);
        backend.update(&BackendState::holding(), 1);
        let there = backend.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            there.update(&serving(2), 1);
        });
        let lease = offers.next(&backend).await.unwrap();
        assert_eq!(lease.upstream().address().port(), 2);
    }
}
