//! What must go on without control: the applications of one machine.
//!
//! A node keeps the last [`Stage`](pluvio_model::stage::Stage) of each application on disk and makes the engine agree with it:
//! containers, networks, volumes, hot files, probes, restarts with back-off, the gateway's endpoints, logs and usage. Control
//! hands stages over and observes; it may be killed, upgraded or absent meanwhile.
//!
//! May depend on `model`, `plan`, `runtime`, `engine`, `proxy`, `telemetry`; never on the database. What to do next is decided
//! by `plan::rollout` and nowhere here: this crate looks, acts and looks again.
//!
//! Start with [`Node`], then follow a stage: `stages` (kept on disk, fenced) → `application` (one loop for each, its
//! actions beside it) → `traffic` (what the gateway is told) and `inner` (how components reach each other). `engine` lists for all of them; `probes`, `collect` and `usage`
//! watch what runs; `runs` is the book of what comes to an end; `hands` reach into volumes, with `hand` inside a container; `addresses` says who is where, and `apart` that applications do not meet there. `server` and [`Client`] are the two ends of the socket between control and node.

mod addresses;
mod apart;
mod application;
mod asked;
mod binding;
mod client;
mod clock;
mod collect;
mod config;
mod disk;
mod engine;
pub mod hand;
mod hands;
mod happened;
mod inner;
mod node;
mod outside;
mod probes;
mod runs;
mod server;
mod stages;
mod traffic;
mod usage;
pub mod wire;

pub use apart::forget_pool;
pub use client::Client;
pub use config::{Config, InvalidPool, LogLimits, Pool, socket_in};
pub use hands::{IMAGE_LABEL as HAND_IMAGES, forget_hands};
pub use node::{Node, NodeError, run, run_over};
