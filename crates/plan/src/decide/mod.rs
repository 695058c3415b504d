//! Revision → release: every choice made.

mod images;

pub use images::{ImageNeed, images_needed};

use pluvio_model::facts::DecideFacts;
use pluvio_model::id::VolumeId;
use pluvio_model::problem::Problem;
use pluvio_model::release::Release;
use pluvio_model::revision::Revision;

/// Decides a revision: images, ports, environment, probes, rollout, volumes, routes, order. `parent` is the release that is the
/// target now. `volume_ids` yields fresh ids for volumes that are new.
///
/// All problems are told at once, each with the path of keys where it is.
pub fn decide(
    revision: &Revision,
    parent: Option<&Release>,
    facts: &DecideFacts,
    volume_ids: &mut dyn Iterator<Item = VolumeId>,
) -> Result<Release, Vec<Problem>> {
    todo!("{revision:?} {parent:?} {facts:?} {:?}", volume_ids.next())
}
