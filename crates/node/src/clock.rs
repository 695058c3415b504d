//! Time for intervals: back-offs, drains, quarantine.
//!
//! A wall clock that was right when the node started and runs on by the machine's monotonic clock since. Somebody who sets the
//! machine's clock changes neither how long an instance rests nor how long it drains.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    wall: Timestamp,
    started: Instant,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock {
            wall: pluvio_model::clock::now(),
            started: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        let run = SignedDuration::try_from(self.started.elapsed()).unwrap_or(SignedDuration::MAX);
        self.wall.checked_add(run).unwrap_or(Timestamp::MAX)
    }

    /// How long until then; nothing if it is past.
    pub(crate) fn until(&self, then: Timestamp) -> Duration {
        Duration::try_from(then.duration_since(self.now())).unwrap_or_default()
    }
}
