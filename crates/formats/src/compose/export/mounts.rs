//! What is mounted: volumes, folders of the machine, memory.

use indexmap::IndexMap;
use pluvio_model::spec::{AbsolutePath, ComponentSpec, EngineVolume, VolumeKind, VolumeOptions};
use serde_json::{Map, Value, json};

use super::{Writer, escaped};
use crate::report::{Outcome, Row};

impl Writer<'_> {
    pub(super) fn mounts(
        &mut self,
        path: &str,
        component: &ComponentSpec,
        out: &mut Map<String, Value>,
    ) {
        let (mut mounts, mut memory) = (Vec::new(), Vec::new());
        for (target, mount) in &component.volumes {
            let mut options = mount.memory_options();
            // Compose puts a config's text into the container, where memory would hide it.
            let hides = mount.kind == VolumeKind::Memory && has_files_below(component, target);
            if hides && !self.before {
                let at = format!("{path}.volumes.{target}");
                if options.is_empty() && mount.size.is_none() {
                    self.rows.push(Row::new(
                        Outcome::Adapted,
                        at,
                        "It is no memory, which would hide the files below it from the program: they lie beside what the image has there.",
                    ));
                    continue;
                }
                self.cannot(at, "This memory hides the files below it from the program.");
            }
            if !options.is_empty() {
                // The long form has no owner, and compose's readers differ in how they read its mode.
                options.extend(mount.size.map(|size| format!("size={}", size.0)));
                memory.push(format!("{target}:{}", options.join(",")));
                continue;
            }
            let mut one = Map::new();
            let (kind, source) = match mount.kind {
                VolumeKind::Disk => ("volume", mount.name.as_ref().map(ToString::to_string)),
                VolumeKind::Memory => ("tmpfs", None),
                VolumeKind::Host => match &mount.host_volume {
                    Some(volume) => ("volume", Some(self.external(volume))),
                    None => ("bind", mount.host_path.as_ref().map(ToString::to_string)),
                },
            };
            one.insert("type".into(), kind.into());
            if let Some(source) = source {
                if mount.kind == VolumeKind::Disk {
                    let options = mount.options.as_ref().map(VolumeOptions::driver_options);
                    let options = options.map(|options| {
                        let each = options.into_iter();
                        each.map(|(key, text)| (key, escaped(&text)))
                            .collect::<IndexMap<_, _>>()
                    });
                    let declared = self.volumes.entry(source.clone());
                    let declared = declared.or_insert_with(|| json!({}));
                    if let Some(options) = options {
                        *declared = json!({ "driver": "local", "driver_opts": options });
                    }
                }
                one.insert("source".into(), source.into());
            }
            one.insert("target".into(), target.to_string().into());
            if mount.read_only {
                one.insert("read_only".into(), true.into());
            }
            if mount.no_copy {
                one.insert("volume".into(), json!({ "nocopy": true }));
            }
            if let (VolumeKind::Memory, Some(size)) = (mount.kind, mount.size) {
                one.insert("tmpfs".into(), json!({ "size": size.0 }));
            }
            mounts.push(Value::Object(one));
        }
        if !mounts.is_empty() {
            out.insert("volumes".into(), mounts.into());
        }
        if !memory.is_empty() {
            out.insert("tmpfs".into(), memory.into());
        }
    }

    /// What the file calls a volume of the engine: its own name, unless a volume of the application's has that.
    fn external(&mut self, volume: &EngineVolume) -> String {
        let declared = json!({ "external": true, "name": volume });
        let mut key = volume.to_string();
        while self.is_own(&key) || self.volumes.get(&key).is_some_and(|met| *met != declared) {
            key.push_str("-external");
        }
        self.volumes.insert(key.clone(), declared);
        key
    }

    fn is_own(&self, key: &str) -> bool {
        let components = self.spec.components.values();
        let mut mounts = components.flat_map(|component| {
            let beside = component.sidecars.values();
            let beside = beside.flat_map(|sidecar| sidecar.volumes.values());
            component.volumes.values().chain(beside)
        });
        mounts.any(|mount| mount.name.as_ref().is_some_and(|name| name.as_str() == key))
    }
}

fn has_files_below(component: &ComponentSpec, folder: &AbsolutePath) -> bool {
    let below = |file: &AbsolutePath| {
        let rest = file.as_str().strip_prefix(folder.as_str());
        rest.is_some_and(|rest| rest.starts_with('/'))
    };
    component.files.keys().any(below)
}
