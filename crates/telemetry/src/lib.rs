//! What is kept of running applications: their logs, what happened to their instances, and what they used.
//!
//! - [`logs::LogStore`]: lines by component, in segments that are compressed when full, kept after the instance is gone, read
//!   by time and text, followed live.
//! - [`events::EventStore`]: what happened to instances, counted.
//! - [`usage::UsageStore`]: CPU and memory of each instance over the last hour.
//!
//! A running application never waits for any of it: what cannot be written is counted and told of later. May depend on
//! `model` and `runtime` (the shapes of a line and a sample); knows no engine and no HTTP.

pub mod events;
pub mod logs;
mod segment;
pub mod usage;
