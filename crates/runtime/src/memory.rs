//! An engine and a runtime in memory, for tests: quick, and broken on demand.
//!
//! [`MemoryDriver`] is an engine: a node over it does everything it does over Docker, but that nothing runs. Its containers
//! are crashed, silenced and removed by calls; [`FaultyDriver`] around it (or around any other driver) fails, delays or never
//! returns from a chosen step. [`MemoryRuntime`] is a whole runtime whose components come up, or do not, as they are told.

mod commands;
mod container;
mod driver;
mod fault;
mod runtime;

pub use driver::MemoryDriver;
pub use fault::{Fault, FaultyDriver, Moment};
pub use runtime::{Behaviour, MemoryRuntime};
