//! What is mounted: volumes, folders of the machine, memory.

use pluvio_model::spec::{ComponentSpec, VolumeKind};
use serde_json::{Map, Value, json};

use super::Writer;

impl Writer<'_> {
    pub(super) fn mounts(&mut self, component: &ComponentSpec, out: &mut Map<String, Value>) {
        let (mut mounts, mut memory) = (Vec::new(), Vec::new());
        for (target, mount) in &component.volumes {
            let mut options = mount.memory_options();
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
                VolumeKind::Host => ("bind", mount.host_path.as_ref().map(ToString::to_string)),
            };
            one.insert("type".into(), kind.into());
            if let Some(source) = source {
                if kind == "volume" {
                    self.volumes.insert(source.clone(), json!({}));
                }
                one.insert("source".into(), source.into());
            }
            one.insert("target".into(), target.to_string().into());
            if mount.read_only {
                one.insert("read_only".into(), true.into());
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
}
