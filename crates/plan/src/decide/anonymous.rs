//! Data that an image declares (`VOLUME`), where somebody else's file describes the application.
//!
//! Compose keeps what a container wrote there when it makes the container anew. Such a component has a volume of its own at each
//! of these paths that its file mounts nothing at, named as one without a name is; `app.yaml` says itself what is kept.
//!
//! Not on a cluster, where a volume would begin empty and be root's. Nor where an instance of the same image runs without one:
//! what it wrote lies in its container, and would be gone with it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use indexmap::{IndexMap, IndexSet};
use pluvio_model::facts::{DecideFacts, RuntimeKind};
use pluvio_model::name::Name;
use pluvio_model::release::{DecidedComponent, Release};
use pluvio_model::spec::{AbsolutePath, AppSpec, ComponentSpec, Kind, MountSpec};

use super::images::Image;
use super::rollout;
use super::volumes::volume_of;

/// Where images put what is no data: gone with every start of a machine.
const PASSING: [&str; 7] = [
    "/tmp", "/run", "/var/run", "/var/tmp", "/proc", "/sys", "/dev",
];

/// The specification with these volumes.
pub(super) fn expand<'s>(
    spec: &'s AppSpec,
    images: &IndexMap<&Name, Image>,
    parent: Option<&Release>,
    facts: &DecideFacts,
) -> Cow<'s, AppSpec> {
    let mut taken = names_of(spec);
    let on_cluster = facts.runtime.runtime == RuntimeKind::Kubernetes;
    let mut expanded = Cow::Borrowed(spec);
    for (name, component) in &spec.components {
        let Some(image) = images.get(name) else {
            continue;
        };
        let before = parent.and_then(|parent| parent.components.get(name));
        for target in of_component(name, component, image, before, on_cluster) {
            let volume = kept(name, before, &target).cloned();
            let mut names = volume.into_iter().chain(names_at(name, &target));
            let mount = MountSpec {
                name: names.find(|one| !taken.contains(one)),
                ..MountSpec::default()
            };
            taken.extend(mount.name.clone());
            if let Some(component) = expanded.to_mut().components.get_mut(name) {
                component.volumes.insert(target, mount);
            }
        }
    }
    expanded
}

/// What such a volume may be called: as one without a name, or otherwise where the file has a volume of that name.
fn names_at(component: &Name, target: &AbsolutePath) -> impl Iterator<Item = Name> + use<> {
    let beside = Name::suggest(&format!("image-{component}{target}"));
    let nameless = volume_of(component, target, &MountSpec::default());
    nameless.into_iter().chain(beside)
}

/// The volume of the kind that what runs has there.
fn kept<'b>(
    component: &Name,
    before: Option<&'b DecidedComponent>,
    target: &AbsolutePath,
) -> Option<&'b Name> {
    let mount = before?.content.main.mounts.get(target)?;
    let volume = mount.volume.as_ref()?;
    names_at(component, target)
        .any(|name| name == *volume)
        .then_some(volume)
}

fn names_of(spec: &AppSpec) -> BTreeSet<Name> {
    let mut names = BTreeSet::new();
    for (name, component) in &spec.components {
        let further = component.sidecars.values().chain(component.init.values());
        let all = further.flat_map(|container| &container.volumes);
        let all = component.volumes.iter().chain(all);
        names.extend(all.filter_map(|(target, mount)| volume_of(name, target, mount)));
    }
    names
}

fn of_component(
    name: &Name,
    component: &ComponentSpec,
    image: &Image,
    before: Option<&DecidedComponent>,
    on_cluster: bool,
) -> IndexSet<AbsolutePath> {
    let keeps_data = matches!(component.kind, Kind::Service | Kind::Stateful);
    if !component.image_ports || !keeps_data {
        return IndexSet::new();
    }
    let is_kept = |target: &AbsolutePath| kept(name, before, target).is_some();
    let declared: Vec<AbsolutePath> = match &image.volumes {
        Some(paths) => {
            let paths = paths.iter().map(|path| path.trim_end_matches('/'));
            paths.filter_map(|path| path.parse().ok()).collect()
        }
        None => {
            let mounts = before
                .into_iter()
                .flat_map(|before| &before.content.main.mounts);
            mounts.map(|(target, _)| target.clone()).collect()
        }
    };
    // Several instances cannot share what each thinks its own; those that are there keep theirs, or are refused.
    let alone = component.kind == Kind::Stateful || rollout::most(component) <= 1;
    let runs_without = before.is_some_and(|before| before.content.main.image_id == image.id);
    let may_begin = alone && !on_cluster && !runs_without;
    // A set: an image may declare `/data` and `/data/`.
    declared
        .into_iter()
        .filter(|target| !component.volumes.contains_key(target) && !is_passing(target))
        .filter(|target| may_begin || is_kept(target))
        .collect()
}

fn is_passing(target: &AbsolutePath) -> bool {
    let below = |folder: &str| {
        let rest = target.as_str().strip_prefix(folder);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    PASSING.iter().any(|folder| below(folder))
}
