//! The time of day, asked for in one place: what keeps times (the database, the reconciler, a node) asks here, so that a
//! test may let hours pass in a moment. Decisions do not ask at all; they are told.

use std::sync::OnceLock;

use jiff::Timestamp;

static INSTEAD: OnceLock<fn() -> Timestamp> = OnceLock::new();

pub fn now() -> Timestamp {
    INSTEAD
        .get()
        .map_or_else(Timestamp::now, |instead| instead())
}

/// For tests: from now on, and for the whole process, it is as late as `clock` says. The first one stays.
pub fn set(clock: fn() -> Timestamp) {
    let _ = INSTEAD.set(clock);
}

/// Whether the time zone database, which is part of the program, has a zone of this name.
pub fn is_time_zone(name: &str) -> bool {
    jiff::tz::TimeZone::get(name).is_ok()
}
