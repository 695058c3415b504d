//! Source to image: detect, plan, fetch, build.
//!
//! Start with [`detect`], which reads a [`detect::SourceTree`] and says what it is, and [`plan`], the value it ends in:
//! both are pure. Fetching and executing follow the plan and choose nothing. Only this crate and `engine` talk to an
//! engine's API.

mod authorities;
mod base;
mod build;
mod builder;
mod contexts;
pub mod detect;
mod dockerfile;
pub mod fetch;
pub mod glob;
mod host;
mod inside;
mod job;
pub mod plan;
pub mod plan_beside;
pub mod plan_compose;
pub mod plan_fetched;
pub mod plan_files;
mod plan_foreign;
mod plan_heroku;
pub mod plan_source;
mod presence;
mod references;
mod sbom;
mod source;
mod ssh_agent;
mod steps;

pub use base::{BaseImage, BaseOrigin};
pub use builder::*;
