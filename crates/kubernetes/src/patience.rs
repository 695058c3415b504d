//! Between two tries of a watch that was broken off. The client's own pauses go up to half a minute, for which an API server that is
//! back would seem away.

use std::time::Duration;

use kube::runtime::utils::Backoff;

/// For what is shown or brought forward.
pub(crate) const LONGEST: Duration = Duration::from_secs(5);
const FIRST: Duration = Duration::from_millis(200);

/// Twice as long each time, up to a longest.
#[derive(Debug)]
pub(crate) struct Patience {
    next: Duration,
    longest: Duration,
    /// Not all processes in the same moment.
    spread: Duration,
}

impl Patience {
    pub(crate) fn new(longest: Duration) -> Patience {
        Patience {
            next: FIRST,
            longest,
            spread: Duration::from_millis(u64::from(std::process::id() % 100)),
        }
    }
}

impl Iterator for Patience {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        Some(pause + self.spread)
    }
}

impl Backoff for Patience {
    fn reset(&mut self) {
        self.next = FIRST;
    }
}
