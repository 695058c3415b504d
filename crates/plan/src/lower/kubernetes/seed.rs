//! What a volume begins with: a claim is laid over what the image has at its place, where engines copy that in.
//!
//! A step before all others copies it with the image's own `sh` and `cp`, into volumes that have nothing. A file of its own marks
//! a copy that is not complete, so that one which was interrupted is begun again, and none is begun over somebody's data.

use pluvio_model::release::{Content, DecidedContainer};

use super::api::{Container, VolumeMount};
use super::pod::{escaped, image, resources};
use super::security;

/// Where a step sees the volume that it fills.
const VOLUME: &str = "/run/pluvio-seed";

/// Arguments: what the image has, and the volume. An ordinary user cannot keep owners, and copies without them.
const SCRIPT: &str = r#"set -e
mark="$2/.pluvio-seeding"
if [ ! -e "$mark" ]; then
  for one in "$2"/* "$2"/.[!.]* "$2"/..?*; do
    [ -e "$one" ] || [ -L "$one" ] || continue
    [ "$one" = "$2/lost+found" ] || exit 0
  done
fi
: > "$mark"
cp -a "$1/." "$2/" 2>/dev/null || cp -R "$1/." "$2/"
rm "$mark""#;

/// A step for each such volume, in the order of containers. `mounts` of a container: as they stand in its pod.
pub(super) fn steps<'m>(
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
        for (target, _) in seeded {
            let mut mounted = mounts(name).into_iter().flatten();
            let Some(mount) = mounted.find(|mount| mount.mount_path == target.as_str()) else {
                continue;
            };
            let is_done = |step: &Container| step.volume_mounts[0].name == mount.name;
            if !steps.iter().any(is_done) {
                let name = format!("pluvio-seed-{}", steps.len());
                steps.push(step(name, container, target.as_str(), mount));
            }
        }
    }
    steps
}

fn step(name: String, container: &DecidedContainer, from: &str, mount: &VolumeMount) -> Container {
    let words = ["sh", "-c", SCRIPT, "sh", from, VOLUME].map(str::to_owned);
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
