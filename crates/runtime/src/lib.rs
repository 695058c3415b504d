//! What Pluvio asks of a place where applications run.
//!
//! Two levels, on purpose:
//! - [`Runtime`] is what control talks to: hand over a [`Stage`](pluvio_model::stage::Stage), observe what became of it. A
//!   node (one machine with an engine) and a Kubernetes cluster are runtimes. The conformance suite ([`conformance`]) runs
//!   over each of them unchanged.
//! - [`driver::Driver`] is what a node talks to: the few verbs of a container engine. Docker and Podman are drivers, and so
//!   is [`memory::MemoryDriver`], which can be told to fail at any step.
//!
//! May depend on `model` and `plan`; never on an engine, a database or HTTP.

pub mod conformance;
pub mod driver;
mod masks;
pub mod memory;
mod place;
mod program;
mod runtime;

pub use masks::Masks;
pub use place::*;
pub use program::Program;
pub use runtime::*;
