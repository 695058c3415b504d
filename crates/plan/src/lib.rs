//! Every decision of the product, pure: values in, values out. No I/O, no async, no clock, no randomness; whatever the time
//! is or a fresh id shall be is passed in.
//!
//! Where to start: [`decide`] turns a revision into a release in which nothing is left to choose; [`lower`] turns a release
//! into what an engine or Kubernetes is told; [`rollout`] says what a node does next with one component's instances;
//! [`next_step`] says what control does next with an application; [`schedule`] says when a program is due; [`scale`] says how many instances there shall be. [`patch`], [`rollback`], [`diff`] and [`preview`] are
//! operations on those values.
//!
//! May depend on `model` and serialisation only. Deliberately absent: anything that fetches. Facts are fetched first
//! ([`pluvio_model::facts::DecideFacts`], [`pluvio_model::observed::Observed`]), then decided upon.

pub mod backups;
pub mod copy;
pub mod database;
mod decide;
pub mod diff;
pub mod lower;
pub mod next_step;
pub mod openings;
pub mod patch;
pub mod permissions;
pub mod power;
pub mod preview;
pub mod promote;
pub mod rollback;
pub mod rollout;
#[cfg(test)]
mod sample;
pub mod scale;
pub mod schedule;
pub mod undone;

pub use decide::{
    ImageNeed, LookedFor, asked_inside, decide, images_in_order, images_inherited, images_needed,
    is_out_of_use, named_users, other_images_needed, refuse_other_data, volume_of, wrong_schedules,
};

/// What a specification tells by itself, before anything is built or fetched, and what its shape does not: schedules that
/// never come, ports that are dialled and not open.
pub fn foreseen(spec: &pluvio_model::spec::AppSpec) -> Vec<pluvio_model::problem::Problem> {
    let mut problems = wrong_schedules(spec);
    problems.extend(openings::of_spec(spec));
    problems
}
