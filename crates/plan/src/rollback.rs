//! Going back: a new revision equal to an old one, with the old one's images and today's sizes.

use indexmap::IndexMap;
use pluvio_model::image::ImageReference;
use pluvio_model::name::Name;
use pluvio_model::problem::{Problem, RELEASE_GONE};
use pluvio_model::release::{BuildRecord, DecidedContainer, Release};
use pluvio_model::revision::Revision;
use pluvio_model::spec::{AppSpec, MountSpec};

/// What is decided anew to go back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollback {
    /// The old specification; instance counts, larger volumes and storage classes as today.
    pub spec: AppSpec,
    /// The images of the old release, to be given to `decide` in `facts.images`.
    pub images: IndexMap<Name, PinnedImage>,
    /// Those of sidecars and init steps, by reference: for `facts.other_images`.
    pub other_images: IndexMap<String, PinnedImage>,
}

/// An image by what it really is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedImage {
    pub image: ImageReference,
    pub image_id: String,
    pub built: Option<BuildRecord>,
}

/// `target` and `release` are what is gone back to; `current` is the release that is the target now. Secret values are
/// today's, for `decide` takes the newest.
pub fn rollback(
    target: &Revision,
    release: &Release,
    current: &Release,
) -> Result<Rollback, Problem> {
    let mut spec = target.spec.clone();
    let mut images = IndexMap::new();
    let mut other_images = IndexMap::new();
    for (name, component) in &mut spec.components {
        let Some(decided) = release.components.get(name) else {
            return Err(RELEASE_GONE.problem(
                format!(
                    "Release r{} does not say which image {name} had.",
                    release.number
                ),
                "Deploy that version's source or image again.",
            ));
        };
        if let Some(today) = current.components.get(name) {
            component.instances = Some(today.instances);
        }
        for mount in component.volumes.values_mut() {
            keep_size_and_class(mount, current);
        }
        let content = &decided.content;
        images.insert(
            name.clone(),
            PinnedImage {
                built: decided.build.clone(),
                ..pinned(&content.main)
            },
        );
        for container in content.sidecars.values().chain(content.init.values()) {
            other_images.insert(container.image.to_string(), pinned(container));
        }
    }
    Ok(Rollback {
        spec,
        images,
        other_images,
    })
}

fn pinned(container: &DecidedContainer) -> PinnedImage {
    PinnedImage {
        image: container.image.clone(),
        image_id: container.image_id.clone(),
        built: None,
    }
}

/// A volume never shrinks and never changes its class: its data is today's.
fn keep_size_and_class(mount: &mut MountSpec, current: &Release) {
    let today = mount
        .name
        .as_ref()
        .and_then(|name| current.volumes.get(name));
    if let Some(today) = today {
        mount.size = mount.size.max(today.size);
        mount.class.clone_from(&today.class);
    }
}
