//! What a volume begins with: a claim is laid over what the image has at its place, where engines copy that in.
//!
//! A step before all others copies it with the image's own `sh` and `cp`, into volumes that have nothing. A folder of its own marks
//! a copy that is under way: one that was interrupted is begun again, none is begun over somebody's data, and of pods that share a
//! volume one copies while the others wait.

use pluvio_model::release::{Content, DecidedContainer, Release};
use pluvio_model::spec::VolumeAccess;

use super::api::{Container, VolumeMount};
use super::pod::{escaped, image, resources};
use super::security;

/// Where a step sees the volume that it fills: nowhere that an image has something.
const VOLUME: &str = "/.pluvio-seed";

/// How many times two seconds a pod waits for another's copy into a volume that they share, before it takes that for lost.
const PATIENCE: &str = "150";

/// Arguments: what the image has, the volume, and how long another pod's copy is waited for. An ordinary user cannot keep owners,
/// and copies what it may read; whoever may not look into the volume leaves it alone.
const SCRIPT: &str = r#"[ -r "$2" ] && [ -w "$2" ] && [ -x "$2" ] || exit 0
mark="$2/.pluvio-seeding"
filled() {
  for one in "$2"/* "$2"/.[!.]* "$2"/..?*; do
    [ -e "$one" ] || [ -L "$one" ] || continue
    case "$one" in "$mark" | "$2/lost+found") ;; *) return 0 ;; esac
  done
  return 1
}
if [ ! -d "$mark" ]; then
  filled "$@" && exit 0
fi
if ! mkdir "$mark" 2>/dev/null && [ ! -e "$mark/$HOSTNAME" ]; then
  left=$3
  while [ -d "$mark" ] && [ "$left" -gt 0 ]; do
    sleep 2
    left=$((left - 1))
  done
  [ -d "$mark" ] || exit 0
fi
: > "$mark/$HOSTNAME"
if ! cp -a "$1/." "$2/" 2>/dev/null && ! cp -R "$1/." "$2/"; then
  echo "not all of $1 could be copied" >&2
  [ "$(id -u 2>/dev/null)" != 0 ] || exit 1
fi
rm -rf "$mark""#;

/// A step for each such volume, in the order of containers. `mounts` of a container: as they stand in its pod.
pub(super) fn steps<'m>(
    release: &Release,
    content: &Content,
    mounts: impl Fn(&str) -> Option<&'m [VolumeMount]>,
    main: &str,
) -> Vec<Container> {
    let beside = content.sidecars.iter().chain(&content.init);
    let beside = beside.map(|(name, container)| (name.as_str(), container));
    let all = std::iter::once((main, &content.main)).chain(beside);
    let mut steps: Vec<Container> = Vec::new();
    for (name, container) in all {
        let seeded = container.mounts.iter().filter(|(_, mount)| mount.seed);
        for (target, mount) in seeded {
            let volume = mount.volume.as_ref();
            let volume = volume.and_then(|name| release.volumes.get(name));
            let is_shared = volume.is_some_and(|volume| volume.access == VolumeAccess::Shared);
            let mut mounted = mounts(name).into_iter().flatten();
            let Some(mount) = mounted.find(|mount| mount.mount_path == target.as_str()) else {
                continue;
            };
            let is_done = |step: &Container| step.volume_mounts[0].name == mount.name;
            if !steps.iter().any(is_done) {
                let name = format!("pluvio-seed-{}", steps.len());
                let patience = if is_shared { PATIENCE } else { "0" };
                let words = ["sh", "-c", SCRIPT, "sh", target.as_str(), VOLUME, patience];
                steps.push(step(name, container, &words, mount));
            }
        }
    }
    steps
}

fn step(
    name: String,
    container: &DecidedContainer,
    words: &[&str],
    mount: &VolumeMount,
) -> Container {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    Container {
        name,
        image: image(container),
        command: escaped(Some(&words)),
        resources: resources(container),
        security_context: security::of_container(container),
        volume_mounts: vec![VolumeMount {
            name: mount.name.clone(),
            mount_path: VOLUME.to_owned(),
            sub_path: None,
            read_only: false,
        }],
        ..Container::default()
    }
}
