//! Crash points for the fault scenarios: `PLUVIO_CRASH_AT=decide` kills the process, as `kill -9` would, the first time it
//! comes to that step. Read once; without the variable a check of an empty list.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static POINTS: OnceLock<Vec<(String, AtomicBool)>> = OnceLock::new();

/// Ends the process here and now if this step was named.
pub fn point(step: &str) {
    let points = POINTS.get_or_init(|| {
        let text = std::env::var("PLUVIO_CRASH_AT").unwrap_or_default();
        text.split(',')
            .filter(|s| !s.is_empty())
            .map(|s| (s.to_owned(), AtomicBool::new(false)))
            .collect()
    });
    for (name, done) in points {
        if name == step && !done.swap(true, Ordering::SeqCst) {
            tracing::error!(step, "crash point");
            let _ = rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::KILL,
            );
        }
    }
}
