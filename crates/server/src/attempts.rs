//! Slows down guessing, and keeps it from costing much memory.
//!
//! Counted by address and name, so that a stranger who guesses cannot lock the owner out from elsewhere. An attempt counts
//! before it is tried: a thousand at once are no way around.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use pluvio_model::problem;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::listen::Peer;
use crate::refusal::Refusal;

/// So many failures are free.
const FREE: u32 = 5;
/// After them, one attempt in so long.
const PAUSE: Duration = Duration::from_secs(15);
/// Failures are forgotten after so long without one.
const FORGET: Duration = Duration::from_secs(15 * 60);
/// Passwords checked at once: each takes 19 MiB for a moment.
const CHECKS: usize = 2;
/// How long a password may wait for its turn.
const TURN: Duration = Duration::from_secs(5);
/// Remembered at most; beyond, the oldest are forgotten.
const REMEMBERED: usize = 10_000;

/// Where a request comes from, as far as counting goes: the address, or its /64 for IPv6.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Origin(Option<IpAddr>);

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let address = match parts.extensions.get::<ConnectInfo<Peer>>() {
            Some(ConnectInfo(Peer::Tcp { address })) => Some(network(address.ip().to_canonical())),
            _ => None,
        };
        Ok(Origin(address))
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Attempts {
    seen: Arc<Mutex<HashMap<(Origin, String), Failures>>>,
    checks: Arc<Semaphore>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Default for Attempts {
    fn default() -> Self {
        Attempts {
            seen: Arc::default(),
            checks: Arc::new(Semaphore::new(CHECKS)),
        }
    }
}

fn too_many() -> Refusal {
    Refusal(problem::RATE_LIMITED.problem(
        "Too many wrong attempts.",
        "Wait fifteen seconds, or sign in by a link: `pluvio signin-link`.",
    ))
}

impl Attempts {
    /// Counts an attempt; refused while too many have failed. [`Attempts::succeeded`] takes the count back.
    pub(crate) fn begin(&self, origin: &Origin, name: &str) -> Result<(), Refusal> {
        self.begin_at(origin, name, Instant::now())
    }

    fn begin_at(&self, origin: &Origin, name: &str, now: Instant) -> Result<(), Refusal> {
        let mut seen = self.seen.lock().expect("not poisoned");
        if seen.len() >= REMEMBERED {
            let age = |failures: &Failures| now.duration_since(failures.last);
            seen.retain(|_, failures| age(failures) < PAUSE);
            if seen.len() >= REMEMBERED {
                return Err(too_many());
            }
        }
        let failures = seen.entry(key(origin, name)).or_insert(Failures {
            count: 0,
            last: now,
        });
        let age = now.duration_since(failures.last);
        if age >= FORGET {
            failures.count = 0;
        }
        if failures.count >= FREE && age < PAUSE {
            return Err(too_many());
        }
        *failures = Failures {
            count: failures.count + 1,
            last: now,
        };
        Ok(())
    }

    pub(crate) fn succeeded(&self, origin: &Origin, name: &str) {
        self.seen
            .lock()
            .expect("not poisoned")
            .remove(&key(origin, name));
    }

    /// The turn to check a password.
    pub(crate) async fn turn(&self) -> Result<SemaphorePermit<'_>, Refusal> {
        match tokio::time::timeout(TURN, self.checks.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(too_many()),
        }
    }
}

/// What is typed as a name may be as long as a request; what is remembered of it is short.
fn key(origin: &Origin, name: &str) -> (Origin, String) {
    (origin.clone(), name.chars().take(64).collect())
}

#[cfg(test)]
impl From<[u8; 4]> for Origin {
    fn from(address: [u8; 4]) -> Self {
        Origin(Some(address.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_slows_down_for_the_guesser_alone() {
        let attempts = Attempts::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let (guesser, owner) = (
            Origin(Some([10, 0, 0, 1].into())),
            Origin(Some([10, 0, 0, 2].into())),
        );
        for _ in 0..FREE {
            assert!(attempts.begin_at(&guesser, "owner", at(0)).is_ok());
        }
        assert!(attempts.begin_at(&guesser, "owner", at(1)).is_err());
        assert!(attempts.begin_at(&owner, "owner", at(1)).is_ok());
        assert!(
            attempts.begin_at(&guesser, "owner", at(15)).is_ok(),
            "one in fifteen seconds"
        );
        assert!(attempts.begin_at(&guesser, "owner", at(16)).is_err());
        assert!(
            attempts
                .begin_at(&guesser, "owner", at(15 + 15 * 60))
                .is_ok(),
            "forgotten"
        );
        assert!(
            attempts
                .begin_at(&guesser, "owner", at(16 + 15 * 60))
                .is_ok()
        );
        attempts.succeeded(&guesser, "owner");
        for _ in 0..FREE {
            assert!(attempts.begin_at(&guesser, "owner", at(2000)).is_ok());
        }
    }

    #[test]
    fn neighbours_of_one_network_count_as_one() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }
}
