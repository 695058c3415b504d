//! Counters of this process.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
pub(crate) struct Metrics {
    requests: AtomicU64,
    failures: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
}

/// What was counted since the process began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    pub requests: u64,
    /// Answers with status 5xx.
    pub failures: u64,
    /// Bytes of contents that arrived whole.
    pub received: u64,
    /// Bytes of contents that were asked for.
    pub sent: u64,
}

impl Metrics {
    pub(crate) fn answered(&self, failed: bool) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if failed {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
    }
    pub(crate) fn received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }
    pub(crate) fn sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }
    pub(crate) fn figures(&self) -> Figures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Figures {
            requests: read(&self.requests),
            failures: read(&self.failures),
            received: read(&self.received),
            sent: read(&self.sent),
        }
    }
}
