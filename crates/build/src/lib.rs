//! Source to image: detect, plan, fetch, build.
//!
//! Start with [`detect`], which reads a [`detect::SourceTree`] and says what it is, and [`plan`], the value it ends in:
//! both are pure. Fetching and executing follow the plan and choose nothing. Only this crate and `engine` talk to an
//! engine's API.

mod builder;
pub mod detect;
pub mod glob;
pub mod plan;

pub use builder::*;
