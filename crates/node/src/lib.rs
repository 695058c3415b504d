//! What must go on without control: the applications of one machine.
//!
//! A node keeps the last [`Stage`](pluvio_model::stage::Stage) of each application on disk and makes the engine agree with it:
//! containers, networks, volumes, hot files, probes, restarts with back-off, the gateway's endpoints, logs and usage. Control
//! hands stages over and observes; it may be killed, upgraded or absent meanwhile.
//!
//! May depend on `model`, `plan`, `runtime`, `engine`, `proxy`, `telemetry`; never on the database. What to do next is decided
//! by `plan::rollout` and nowhere here: this crate looks, acts and looks again.
//!
//! Start with [`Node`], then follow a stage: `stages` (kept on disk, fenced) → `application` (one loop for each) → `actions`
//! (what the loop does to the engine) → `endpoints` (what the gateway is told). `probes`, `restarts`, `collect` and `usage`
//! watch what runs. `server` and [`Client`] are the two ends of the socket between control and node.

mod client;
mod config;
pub mod wire;

pub use client::Client;
pub use config::{Config, InvalidPool, LogLimits, Pool, socket_in};
