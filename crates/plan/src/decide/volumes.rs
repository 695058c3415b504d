//! Named volumes of the application, and where containers mount them.

use indexmap::IndexMap;
use pluvio_model::facts::DecideFacts;
use pluvio_model::id::VolumeId;
use pluvio_model::name::{Name, numbered};
use pluvio_model::problem::{Problem, SPEC_CONFLICT, SPEC_INVALID};
use pluvio_model::release::{DecidedMount, DecidedVolume, Release};
use pluvio_model::spec::{AbsolutePath, ComponentSpec, MountSpec, VolumeAccess, VolumeKind};

/// The volumes of the release as they are met.
pub(super) struct Volumes<'a> {
    pub(super) parent: Option<&'a Release>,
    pub(super) facts: &'a DecideFacts,
    pub(super) fresh: &'a mut dyn Iterator<Item = VolumeId>,
    pub(super) decided: IndexMap<Name, DecidedVolume>,
    /// Who has an exclusive volume: the component that mounts it.
    owners: IndexMap<Name, Name>,
    /// Volumes of single instances, by their names, and which instance has each: `db-1`.
    numbered: IndexMap<Name, Name>,
}

impl<'a> Volumes<'a> {
    pub(super) fn new(
        parent: Option<&'a Release>,
        facts: &'a DecideFacts,
        fresh: &'a mut dyn Iterator<Item = VolumeId>,
    ) -> Self {
        Volumes {
            parent,
            facts,
            fresh,
            decided: IndexMap::new(),
            owners: IndexMap::new(),
            numbered: IndexMap::new(),
        }
    }

    /// The mounts of one container. `path` is the container's, `components.web`.
    pub(super) fn mounts(
        &mut self,
        component: &Name,
        path: &str,
        mounts: &IndexMap<AbsolutePath, MountSpec>,
        problems: &mut Vec<Problem>,
    ) -> IndexMap<AbsolutePath, DecidedMount> {
        mounts
            .iter()
            .map(|(target, mount)| {
                let path = format!("{path}.volumes.{target}");
                let volume = match mount.kind {
                    VolumeKind::Disk => self.disk(component, target, mount, &path, problems),
                    VolumeKind::Memory => None,
                    VolumeKind::Host => {
                        if mount.host_path.is_none() && mount.host_volume.is_none() {
                            problems.push(
                                SPEC_INVALID
                                    .problem(
                                        "A volume of type `host` names no `hostPath`.",
                                        "Write which folder of the machine is meant, or the engine's volume as `hostVolume`.",
                                    )
                                    .path(&path),
                            );
                        }
                        None
                    }
                };
                let decided = DecidedMount {
                    kind: mount.kind,
                    volume,
                    read_only: mount.read_only,
                    size: mount.size.filter(|_| mount.kind == VolumeKind::Memory),
                    host_path: mount.host_path.clone(),
                    host_volume: mount.host_volume.clone(),
                    mode: mount.mode,
                    uid: mount.uid,
                    gid: mount.gid,
                    exec: mount.exec,
                    no_copy: mount.no_copy,
                    seed: false,
                };
                (target.clone(), decided)
            })
            .collect()
    }

    fn disk(
        &mut self,
        component: &Name,
        target: &AbsolutePath,
        mount: &MountSpec,
        path: &str,
        problems: &mut Vec<Problem>,
    ) -> Option<Name> {
        let name = volume_of(component, target, mount)?;
        let before = self.parent.and_then(|parent| parent.volumes.get(&name));
        if let (Some(before), Some(asked)) = (before.and_then(|before| before.size), mount.size)
            && asked < before
        {
            problems.push(
                SPEC_INVALID
                    .problem(
                        format!("The volume {name} has {before}; it cannot shrink to {asked}."),
                        format!("Write `size: {before}` or more."),
                    )
                    .path(format!("{path}.size")),
            );
        }
        if let Some(owner) = self.owners.get(&name).filter(|owner| *owner != component) {
            problems.push(
                SPEC_CONFLICT
                    .problem(
                        format!("{owner} and {component} both mount the exclusive volume {name}."),
                        "Write `access: shared` in both, or give each its own volume.",
                    )
                    .path(path),
            );
        }
        if let Some(instance) = self.numbered.get(&name) {
            problems.push(taken(&name, instance).path(path));
            return Some(name);
        }
        match self.decided.get_mut(&name) {
            Some(met) if met.access != mount.access => problems.push(
                SPEC_CONFLICT
                    .problem(
                        format!("The volume {name} is both exclusive and shared."),
                        "Write the same `access` wherever it is mounted.",
                    )
                    .path(path),
            ),
            Some(met) => {
                met.size = met.size.max(mount.size);
                if met.options.is_none() {
                    met.options.clone_from(&mount.options);
                }
            }
            None => {
                let id = self.id_of(&name, problems)?;
                let decided = DecidedVolume {
                    id,
                    access: mount.access,
                    size: mount.size.or(before.and_then(|before| before.size)),
                    class: mount
                        .class
                        .clone()
                        .or_else(|| before.and_then(|b| b.class.clone())),
                    options: mount.options.clone(),
                    handle: before.and_then(|before| before.handle.clone()),
                };
                self.decided.insert(name.clone(), decided);
            }
        }
        if mount.access == VolumeAccess::Exclusive {
            self.owners.insert(name.clone(), component.clone());
        }
        Some(name)
    }

    /// The same data as before under the same name, whichever release had it.
    fn id_of(&mut self, name: &Name, problems: &mut Vec<Problem>) -> Option<VolumeId> {
        let before = self.parent.and_then(|parent| parent.volumes.get(name));
        let known = before
            .map(|before| before.id)
            .or_else(|| self.facts.kept_volumes.get(name).copied());
        let id = known.or_else(|| self.fresh.next());
        if id.is_none() {
            problems.push(pluvio_model::problem::INTERNAL.problem(
                format!("No id was left for the volume {name}."),
                "Please report it.",
            ));
        }
        id
    }

    /// Of each exclusive volume of a stateful component, one for each further instance. The first keeps the plain one: what
    /// had one instance keeps its data when it gets several.
    pub(super) fn one_for_each(
        &mut self,
        component: &Name,
        instances: u32,
        problems: &mut Vec<Problem>,
    ) {
        let own: Vec<Name> = self
            .owners
            .iter()
            .filter(|(_, owner)| *owner == component)
            .map(|(volume, _)| volume.clone())
            .collect();
        for base in own {
            let Some(first) = self.decided.get(&base).cloned() else {
                continue;
            };
            for ordinal in 1..instances {
                let name = numbered(&base, ordinal);
                let instance = numbered(component, ordinal);
                if self.decided.contains_key(&name) {
                    problems.push(
                        taken(&name, &instance).path(format!("components.{component}.instances")),
                    );
                    continue;
                }
                let Some(id) = self.id_of(&name, problems) else {
                    return;
                };
                let before = self.parent.and_then(|parent| parent.volumes.get(&name));
                let volume = DecidedVolume {
                    id,
                    handle: before.and_then(|before| before.handle.clone()),
                    ..first.clone()
                };
                self.decided.insert(name.clone(), volume);
                self.numbered.insert(name, instance);
            }
        }
    }
}

/// The volume that a component mounts at a path, by its name in the application; `None` for what is none of its own. Without a
/// name its place is its name: the same in every release, so the data stays.
pub fn volume_of(component: &Name, target: &AbsolutePath, mount: &MountSpec) -> Option<Name> {
    match (mount.kind, &mount.name) {
        (VolumeKind::Disk, Some(name)) => Some(name.clone()),
        (VolumeKind::Disk, None) => Name::suggest(&format!("{component}{target}")),
        (VolumeKind::Memory | VolumeKind::Host, _) => None,
    }
}

fn taken(volume: &Name, instance: &Name) -> Problem {
    SPEC_CONFLICT.problem(
        format!("The volume {volume} is what the instance {instance} keeps its data in, and another mount names it too."),
        "Give the other volume another name.",
    )
}

/// Where a component has an exclusive volume, if it has one: its own, a sidecar's or an init step's.
pub(super) fn exclusive(component: &ComponentSpec) -> Option<&AbsolutePath> {
    let further = component.sidecars.values().chain(component.init.values());
    let mut found = component
        .volumes
        .iter()
        .chain(further.flat_map(|container| &container.volumes))
        .filter(|(_, mount)| {
            // The engine's own has data as well, which two programs at once may spoil.
            let has_data =
                mount.kind == VolumeKind::Disk || (mount.host_volume.is_some() && !mount.read_only);
            has_data && mount.access == VolumeAccess::Exclusive
        });
    found.next().map(|(target, _)| target)
}
