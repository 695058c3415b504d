//! Memory that is mounted: `tmpfs`, mounts of that type, and volumes that are declared so.

use pluvio_model::quantity::Bytes;
use pluvio_model::spec::{AbsolutePath, FileMode, VolumeKind};
use serde_json::json;

use super::super::item::{Place, Taken};
use super::super::values;
use super::Convert;
use super::making::Making;
use super::mounts::mount;

const ON_KUBERNETES: &str = "On Kubernetes memory is open to every user of the pod, and programs in it may be started, whatever this says";

impl Convert<'_> {
    pub(super) fn memory(
        &mut self,
        target: &str,
        options: &str,
        at: Place,
        path: &str,
        making: &mut Making,
    ) {
        if let Some(target) = self.target(target, at, path) {
            self.memory_at(target, options, at, path, making);
        }
    }

    pub(super) fn memory_at(
        &mut self,
        target: AbsolutePath,
        options: &str,
        at: Place,
        path: &str,
        making: &mut Making,
    ) {
        let mut spec = mount(VolumeKind::Memory, false);
        let (mut kept, mut anyway, mut left) = (Vec::new(), Vec::new(), Vec::new());
        for option in options.split(',').filter(|option| !option.is_empty()) {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            let number = || value.parse::<u32>().ok();
            let is_kept = match key {
                "size" => match values::size(value) {
                    Some(size) => {
                        spec.size = Some(Bytes(size.0));
                        continue;
                    }
                    None => false,
                },
                "mode" => {
                    spec.mode = octal(value);
                    spec.mode.is_some()
                }
                "uid" => {
                    spec.uid = number();
                    spec.uid.is_some()
                }
                "gid" => {
                    spec.gid = number();
                    spec.gid.is_some()
                }
                "exec" | "noexec" if value.is_empty() => {
                    spec.exec = Some(key == "exec");
                    true
                }
                "rw" if value.is_empty() => continue,
                "nosuid" | "nodev" | "noatime" | "relatime" | "norelatime" | "strictatime"
                | "nodiratime" | "diratime" | "defaults"
                    if value.is_empty() =>
                {
                    anyway.push(option);
                    continue;
                }
                _ => false,
            };
            if is_kept {
                kept.push(option);
            } else {
                left.push(option);
            }
        }
        if !anyway.is_empty() {
            self.told.ignored(
                at,
                path,
                format!(
                    "{}: engines mount memory so anyway, and when a file in it was last read is nothing that is kept.",
                    anyway.join(", ")
                ),
            );
        }
        if !left.is_empty() && left.iter().all(|option| values::is_of_tmpfs(option)) {
            self.told.adapted(
                at,
                path,
                format!(
                    "{}: given by `patch.engine`, which needs the permission for host access and has no effect on Kubernetes.",
                    left.join(", ")
                ),
            );
            let all = making
                .host_config
                .entry("Tmpfs")
                .or_insert_with(|| json!({}));
            all[target.as_str()] = options.into();
        } else if !left.is_empty() {
            self.told.refused(
                at,
                path,
                format!("{}: no option of memory that is given.", left.join(", ")),
                "Write size, mode, uid, gid, exec or noexec.",
            );
        }
        if !kept.is_empty() {
            let owner = match spec.uid.or(spec.gid) {
                Some(_) => "; Podman has no owner for it",
                None => "",
            };
            let message = format!("{}: as it says. {ON_KUBERNETES}{owner}.", kept.join(", "));
            self.told.adapted(at, path, message);
        }
        making.component.volumes.insert(target, spec);
    }

    /// `mode` of the long form.
    pub(super) fn memory_mode(&mut self, taken: &Taken) -> Option<FileMode> {
        let text = self.text(taken)?;
        let mode = taken.item.as_scalar().and_then(values::mode);
        match mode {
            Some(mode) => self.told.adapted(
                taken.at,
                &taken.path,
                format!("Permission bits {mode}, as an octal number. {ON_KUBERNETES}."),
            ),
            None => self.told.invalid(
                taken.at,
                &taken.path,
                format!("`{text}` are no permission bits."),
                "Write an octal number such as 01777.",
            ),
        }
        mode
    }
}

/// `1777`, `0755`, `0o755`
fn octal(text: &str) -> Option<FileMode> {
    text.strip_prefix("0o").unwrap_or(text).parse().ok()
}
