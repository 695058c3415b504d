//! A release in a runtime's own words: pure, in small structs of our own.

pub mod engine;
pub mod kubernetes;
mod merge;

/// Tells an instance that has a name of its own which one it is.
const ORDINAL: &str = "PLUVIO_ORDINAL";
