//! Every decision of the product, pure: values in, values out. No I/O, no async, no clock, no randomness; whatever the time
//! is or a fresh id shall be is passed in.
//!
//! Where to start: [`decide`] turns a revision into a release in which nothing is left to choose; [`lower`] turns a release
//! into what an engine or Kubernetes is told; [`rollout`] says what a node does next with one component's instances;
//! [`next_step`] says what control does next with an application; [`schedule`] says when a program is due. [`patch`], [`rollback`], [`diff`] and [`preview`] are
//! operations on those values.
//!
//! May depend on `model` and serialisation only. Deliberately absent: anything that fetches. Facts are fetched first
//! ([`pluvio_model::facts::DecideFacts`], [`pluvio_model::observed::Observed`]), then decided upon.

mod decide;
pub mod diff;
pub mod lower;
pub mod next_step;
pub mod patch;
pub mod permissions;
pub mod preview;
pub mod rollback;
pub mod rollout;
#[cfg(test)]
mod sample;
pub mod schedule;
pub mod undone;

pub use decide::{
    ImageNeed, decide, images_needed, other_images_needed, refuse_other_data, volume_of,
};
