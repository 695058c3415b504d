//! Which images a decision needs before it can be made.

use std::collections::BTreeMap;

use pluvio_model::image::ImageReference;
use pluvio_model::name::Name;
use pluvio_model::release::Release;
use pluvio_model::revision::Origin;
use pluvio_model::spec::AppSpec;

/// Where a component's image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageNeed {
    /// Source that must be built.
    Build,
    /// A reference to resolve: look at hand, else pull.
    Pull(ImageReference),
    /// Unchanged since the parent: its image stays, nothing is fetched. `decide` takes it from the parent when
    /// `facts.images` does not name the component.
    Inherit { image_id: String },
}

/// What must be at hand before [`crate::decide`]: for each component that runs a container here.
///
/// A deploy builds its sources and resolves its references anew; any other origin inherits what its spec did not change.
/// `parent` is the target's spec and release.
pub fn images_needed(
    spec: &AppSpec,
    origin: &Origin,
    parent: Option<(&AppSpec, &Release)>,
) -> BTreeMap<Name, ImageNeed> {
    todo!("{spec:?} {origin:?} {parent:?}")
}
