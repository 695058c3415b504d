//! Volumes: what a mount needs, and who may share what.

use indexmap::IndexMap;
use pluvio_model::name::Name;
use pluvio_model::spec::{
    AbsolutePath, AppSpec, ComponentSpec, EngineVolume, Kind, MountSpec, ScheduleSpec,
    VolumeAccess, VolumeKind, VolumeOptions,
};

use super::Found;

pub(super) fn of_container(
    path: &str,
    volumes: &IndexMap<AbsolutePath, MountSpec>,
    found: &mut Found,
) {
    for (target, mount) in volumes {
        let path = format!("{path}.volumes.{target}");
        match mount.kind {
            VolumeKind::Disk if mount.name.is_none() => found.invalid(
                &path,
                "The volume has no name, so a later release could not find its data.",
                "Add `name: …`.",
            ),
            VolumeKind::Memory | VolumeKind::Host if mount.name.is_some() => found.conflict(
                format!("{path}.name"),
                "Only volumes of `type: disk` have names.",
                "Remove `name`.",
            ),
            VolumeKind::Host if mount.host_path.is_none() && mount.host_volume.is_none() => found
                .invalid(
                    &path,
                    "It does not say which folder of the machine.",
                    "Add `hostPath: /…`, or `hostVolume` for a volume that the engine has.",
                ),
            _ => {}
        }
        if mount.kind != VolumeKind::Memory {
            for (key, asked) in [
                ("mode", mount.mode.is_some()),
                ("uid", mount.uid.is_some()),
                ("gid", mount.gid.is_some()),
                ("exec", mount.exec.is_some()),
            ] {
                if asked {
                    found.conflict(
                        format!("{path}.{key}"),
                        format!("`{key}` is for `type: memory`."),
                        format!("Add `type: memory`, or remove `{key}`."),
                    );
                }
            }
        }
        if mount.kind != VolumeKind::Disk && mount.no_copy {
            found.conflict(
                format!("{path}.noCopy"),
                "`noCopy` is for `type: disk`.",
                "Remove it: nothing else begins with what the image has.",
            );
        }
        if mount.kind != VolumeKind::Host && mount.host_path.is_some() {
            found.conflict(
                format!("{path}.hostPath"),
                "`hostPath` is for `type: host`.",
                "Add `type: host`, or remove `hostPath`.",
            );
        }
        if let Some(options) = &mount.options {
            share(&format!("{path}.options"), mount.kind, options, found);
        }
        if mount.host_volume.is_some() {
            if mount.kind != VolumeKind::Host {
                found.conflict(
                    format!("{path}.hostVolume"),
                    "`hostVolume` is for `type: host`.",
                    "Add `type: host`, or remove `hostVolume`.",
                );
            } else if mount.host_path.is_some() {
                found.conflict(
                    format!("{path}.hostVolume"),
                    "It names a folder of the machine and a volume of the engine.",
                    "Keep one of `hostPath` and `hostVolume`.",
                );
            }
        }
    }
}

fn share(path: &str, kind: VolumeKind, options: &VolumeOptions, found: &mut Found) {
    let texts = [&options.kind, &options.device];
    let mut all = texts.into_iter().chain(&options.o);
    if kind != VolumeKind::Disk {
        found.conflict(
            path,
            "Only volumes of `type: disk` have options.",
            "Remove `options`.",
        );
    } else if texts.into_iter().any(|text| text.trim().is_empty()) {
        found.invalid(
            path,
            "It does not say what is mounted.",
            "Write `type` and `device`: `{ type: nfs, device: ':/export', o: 'addr=10.0.0.2' }`.",
        );
    } else if !options.is_elsewhere() {
        found.invalid(
            path,
            "It is a folder or the memory of the machine.",
            "Write `type: host` with `hostPath`, or `type: memory`.",
        );
    } else if all.any(|text| text.contains("${")) {
        found.invalid(
            path,
            "References are not read here.",
            "Write the value itself.",
        );
    }
}

/// Whether a volume is the engine's own, and what it is called: two of one name may be there.
type Volume<'s> = (bool, &'s str);

fn volume_of(mount: &MountSpec) -> Option<Volume<'_>> {
    let name = match mount.kind {
        VolumeKind::Disk => mount.name.as_ref().map(Name::as_str),
        // Who reads what somebody else keeps spoils nothing.
        VolumeKind::Host if mount.read_only => None,
        VolumeKind::Host => mount.host_volume.as_ref().map(EngineVolume::as_str),
        VolumeKind::Memory => None,
    };
    Some((mount.kind == VolumeKind::Host, name?))
}

/// Every mount of a volume in a component, with the path of its keys.
fn mounts<'s>(
    name: &'s Name,
    component: &'s ComponentSpec,
) -> impl Iterator<Item = (String, Volume<'s>, &'s MountSpec)> {
    let main = component
        .volumes
        .iter()
        .map(move |(target, mount)| (format!("components.{name}.volumes.{target}"), mount));
    let others = [("sidecars", &component.sidecars), ("init", &component.init)]
        .into_iter()
        .flat_map(move |(list, containers)| {
            containers.iter().flat_map(move |(inner, container)| {
                container.volumes.iter().map(move |(target, mount)| {
                    (
                        format!("components.{name}.{list}.{inner}.volumes.{target}"),
                        mount,
                    )
                })
            })
        });
    main.chain(others)
        .filter_map(|(path, mount)| Some((path, volume_of(mount)?, mount)))
}

/// A volume is one thing wherever it is mounted, and an exclusive one belongs to one component.
pub(super) fn across_components(spec: &AppSpec, found: &mut Found) {
    let mut first: IndexMap<Volume, (&Name, &MountSpec)> = IndexMap::new();
    for (component_name, component) in &spec.components {
        for (path, key, mount) in mounts(component_name, component) {
            let Some((owner, earlier)) = first.get(&key) else {
                first.insert(key, (component_name, mount));
                continue;
            };
            let (is_engines, volume) = key;
            if earlier.access != mount.access {
                found.conflict(
                    &path,
                    format!("The volume `{volume}` is exclusive in one place and shared in another (component `{owner}`)."),
                    "Write the same `access` wherever it is mounted.",
                );
            } else if *owner != component_name && mount.access == VolumeAccess::Exclusive {
                found.conflict(
                    &path,
                    format!("The volume `{volume}` is exclusive, and component `{owner}` has it already."),
                    match is_engines {
                        true => "Write `access: shared` in both, or `readOnly: true` where it is read only.",
                        false => "Write `access: shared` in both, or give this one a volume of its own.",
                    },
                );
            }
            for (key, differ) in [
                ("size", differ(&earlier.size, &mount.size)),
                ("class", differ(&earlier.class, &mount.class)),
                ("options", differ(&earlier.options, &mount.options)),
            ] {
                if differ {
                    found.conflict(
                        format!("{path}.{key}"),
                        format!(
                            "The volume `{volume}` has another `{key}` in component `{owner}`."
                        ),
                        format!("Write the same `{key}` in both, or write it once."),
                    );
                }
            }
        }
    }
}

fn differ<T: PartialEq>(a: &Option<T>, b: &Option<T>) -> bool {
    a.is_some() && b.is_some() && a != b
}

/// Several instances cannot share what is exclusive, nor can runs at the same time. Stateful components have a volume for
/// each instance.
pub(super) fn instances(path: &str, component: &ComponentSpec, found: &mut Found) {
    let scaled = component.scale.as_ref();
    let count = scaled.map(|scale| scale.most()).or(component.instances);
    let several = count.is_some_and(|count| count > 1);
    let overlap =
        matches!(&component.schedule, Some(ScheduleSpec::In(schedule)) if schedule.overlap);
    // What is there already, or elsewhere, is the same for each instance of whatever kind.
    let alone = component
        .volumes
        .values()
        .filter(|mount| mount.access == VolumeAccess::Exclusive && !mount.read_only);
    let mut one_for_all = alone.filter_map(|mount| {
        let engines = mount.host_volume.as_ref().map(ToString::to_string);
        let leads_away = mount.options.is_some() && component.kind == Kind::Stateful;
        let share = mount.name.as_ref().filter(|_| leads_away);
        engines.or_else(|| share.map(ToString::to_string))
    });
    if let Some(volume) = one_for_all.next()
        && ((several && matches!(component.kind, Kind::Service | Kind::Stateful))
            || (overlap && component.kind == Kind::Cron))
    {
        found.conflict(
            path,
            format!(
                "Several instances cannot share the volume `{volume}`, which is exclusive and one for all of them."
            ),
            "Write `access: shared` if the program can share it, or let one instance of it run.",
        );
    }
    let exclusive = component.volumes.values().find(|mount| {
        mount.kind == VolumeKind::Disk
            && mount.access == VolumeAccess::Exclusive
            && !mount.read_only
    });
    let Some(name) = exclusive.and_then(|mount| mount.name.as_ref()) else {
        return;
    };
    if overlap && component.kind == Kind::Cron {
        found.conflict(
            format!("{path}.schedule.overlap"),
            format!("Runs that overlap cannot share the volume `{name}`, which is exclusive."),
            "Write `access: shared` if the program can share it, or take `overlap` out.",
        );
    }
    if several && component.kind == Kind::Service {
        found.conflict(
            format!("{path}.{}", if scaled.is_some() { "scale" } else { "instances" }),
            format!("Several instances cannot share the volume `{name}`, which is exclusive."),
            "Write `access: shared` if the program can share it, `kind: stateful` for a volume for each instance, or `instances: 1`.",
        );
    }
}

#[cfg(test)]
mod tests {

    #[test]
    fn an_exclusive_volume_of_the_engine_belongs_to_one_component() {
        let conflicts = |a: &str, b: &str| {
            let text = format!(
                "
name: shop
components:
  a: {{ image: a, volumes: {{ /d: {a} }} }}
  b: {{ image: b, sidecars: {{ c: {{ image: c, volumes: {{ /d: {b} }} }} }} }}
"
            );
            let (_, problems) = crate::app::check(&text, "app.yaml");
            let paths = problems
                .into_iter()
                .map(|one| one.at.unwrap_or_default().path);
            paths.collect::<Vec<_>>()
        };
        let engines = "{ type: host, hostVolume: data }";
        let shared = "{ type: host, hostVolume: data, access: shared }";
        let read = "{ type: host, hostVolume: data, readOnly: true }";
        for (a, b, is_conflict) in [
            (engines, engines, true),
            (engines, shared, true),
            (shared, shared, false),
            (engines, read, false),
            (engines, "{ name: data }", false),
            (engines, "{ type: host, hostVolume: other }", false),
        ] {
            let want: &[&str] = match is_conflict {
                true => &["components.b.sidecars.c.volumes./d"],
                false => &[],
            };
            assert_eq!(conflicts(a, b), want, "{a} {b}");
        }
    }
}
