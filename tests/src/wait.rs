//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// Looks every 50 ms until something is there; panics with `what` when it is not within the time.
#[track_caller]
pub fn until<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// As [`until`], for a condition without a value.
#[track_caller]
pub fn until_true(what: &str, within: Duration, mut look: impl FnMut() -> bool) {
    until(what, within, || look().then_some(()));
}
