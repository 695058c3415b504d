//! What runs in one environment, brought to another: the same images, with the hosts, instance counts, machine ports,
//! secrets and data of the place where they come.

use indexmap::IndexMap;
use pluvio_model::name::Name;
use pluvio_model::problem::Problem;
use pluvio_model::release::Release;
use pluvio_model::spec::AppSpec;

use crate::diff::{Change, ComponentDiff};
use crate::rollback::{PinnedImage, keep_todays, pin};

/// A specification and the release that it became.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    pub spec: &'a AppSpec,
    pub release: &'a Release,
}

/// What is decided anew at the place where it comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    pub spec: AppSpec,
    pub images: IndexMap<Name, PinnedImage>,
    /// Those of sidecars and init steps, by reference.
    pub other_images: IndexMap<String, PinnedImage>,
}

/// `images_only`: everything but the images of components that both have stays as it is there.
pub fn promote(from: &Side, to: &Side, images_only: bool) -> Result<Promotion, Problem> {
    let mut spec = match images_only {
        true => to.spec.clone(),
        false => from.spec.clone(),
    };
    spec.name = to.spec.name.clone();
    spec.display_name = to.spec.display_name.clone();
    for (name, component) in &mut spec.components {
        let (theirs, ours) = (from.spec.components.get(name), to.spec.components.get(name));
        match (theirs, ours) {
            (Some(theirs), Some(_)) if images_only => {
                component.image = theirs.image.clone();
                component.source = theirs.source.clone();
                component.build = theirs.build.clone();
            }
            (_, Some(ours)) => {
                component.routes.clone_from(&ours.routes);
                component.publish.clone_from(&ours.publish);
                component.instances = ours.instances;
                component.scale.clone_from(&ours.scale);
            }
            // New here: hosts and ports of the machine are the other's.
            (_, None) => {
                component.publish.clear();
                for route in component.routes.iter_mut().flatten() {
                    route.host = None;
                }
            }
        }
    }
    keep_todays(&mut spec, to.release);
    let mut pins = match images_only {
        true => pin(&spec, to.release)?,
        false => pin(&spec, from.release)?,
    };
    if images_only {
        let mut both = from.spec.clone();
        both.components
            .retain(|name, _| spec.components.contains_key(name));
        let theirs = pin(&both, from.release)?;
        pins.images.extend(theirs.images);
        pins.other_images.extend(theirs.other_images);
    }
    Ok(Promotion {
        spec,
        images: pins.images,
        other_images: pins.other_images,
    })
}

/// The lines of a difference that are more than other images: what must be confirmed.
pub fn beyond_images(diffs: &[ComponentDiff]) -> Vec<String> {
    let mut lines = Vec::new();
    for diff in diffs {
        match diff.change {
            Change::Added => lines.push(format!("{} is added", diff.component)),
            Change::Removed => lines.push(format!("{} is removed", diff.component)),
            Change::Changed => {
                // What reads the same, as a release task of another image, follows from the image.
                let more = diff
                    .rows
                    .iter()
                    .filter(|row| !is_image(&row.what) && row.before != row.after);
                for row in more {
                    let shown = |value: &Option<String>| value.clone().unwrap_or_default();
                    lines.push(format!(
                        "{}: {}: {} → {}",
                        diff.component,
                        row.what,
                        shown(&row.before),
                        shown(&row.after)
                    ));
                }
            }
        }
    }
    lines
}

fn is_image(what: &str) -> bool {
    matches!(what, "image" | "commit" | "builder") || what.ends_with(" image")
}
