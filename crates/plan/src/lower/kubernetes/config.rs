//! What pods read: Secrets, ConfigMaps, and the claims of volumes.

use indexmap::IndexMap;
use pluvio_model::image::ContentHash;
use pluvio_model::name::Name;
use pluvio_model::quantity::Bytes;
use pluvio_model::release::{DecidedComponent, DecidedContainer, DecidedFile, DecidedVolume};
use pluvio_model::spec::{AbsolutePath, Kind, VolumeAccess, VolumeKind};
use serde_json::{Value, json};

use super::{Lowering, Options, key};
use crate::lower::engine::volume_name;

/// Kubernetes wants a size; an engine does not.
const SIZE: Bytes = Bytes(10 << 30);

/// The longest key of a Secret (DNS1123SubdomainMaxLength of Kubernetes' validation).
const KEY_MAX: usize = 253;

/// The key of a container's variable or file in the component's Secret or ConfigMap. Container and kind keep them apart.
pub(super) fn env_key(container: &str, name: &str) -> String {
    let key = format!("{container}.env.{name}");
    if key.len() <= KEY_MAX {
        return key;
    }
    format!("{container}.env.{}", ContentHash::of(&name))
}

/// Paths hold slashes, keys cannot: files are numbered in their order.
pub(super) fn file_key(container: &str, index: usize) -> String {
    format!("{container}.file.{index}")
}

pub(super) fn hot_key(index: usize) -> String {
    format!("hot.{index}")
}

/// The component's containers, by the names they have in the pod.
pub(super) fn containers(
    component: &DecidedComponent,
) -> impl Iterator<Item = (String, &DecidedContainer)> {
    let content = &component.content;
    let further = content.init.iter().chain(&content.sidecars);
    std::iter::once((component.name.to_string(), &content.main))
        .chain(further.map(|(name, container)| (name.to_string(), container)))
}

impl Lowering<'_> {
    pub(super) fn config(&mut self, component: &DecidedComponent) {
        let (mut secret, mut plain) = (IndexMap::new(), IndexMap::new());
        for (name, container) in containers(component) {
            for (variable, value) in container.env.iter().filter(|(_, value)| value.is_secret()) {
                let value = self.resolve(value);
                secret.insert(env_key(&name, variable.as_str()), value);
            }
            for (index, file) in container.files.values().enumerate() {
                let content = self.resolve(&file.content);
                let to = if file.content.is_secret() {
                    &mut secret
                } else {
                    &mut plain
                };
                to.insert(file_key(&name, index), content);
            }
        }
        self.data(
            component,
            self.secret_name(component),
            "Secret",
            secret,
            true,
        );
        self.data(
            component,
            self.files_name(component),
            "ConfigMap",
            plain,
            true,
        );
        self.hot(component);
        self.claims(component);
    }

    fn hot(&mut self, component: &DecidedComponent) {
        let mut data = IndexMap::new();
        for (index, file) in component.hot_files.values().enumerate() {
            let content = self.resolve(&file.content);
            data.insert(hot_key(index), content);
        }
        let kind = if hot_is_secret(&component.hot_files) {
            "Secret"
        } else {
            "ConfigMap"
        };
        let name = self.name_of(&component.name, "hot");
        self.data(component, name, kind, data, false);
    }

    /// By content: pods of the old release go on reading theirs.
    pub(super) fn secret_name(&self, component: &DecidedComponent) -> String {
        self.name_by_content(component, "secret")
    }

    pub(super) fn files_name(&self, component: &DecidedComponent) -> String {
        self.name_by_content(component, "files")
    }

    fn data(
        &mut self,
        component: &DecidedComponent,
        name: String,
        kind: &str,
        data: IndexMap<String, String>,
        immutable: bool,
    ) {
        if data.is_empty() {
            return;
        }
        let metadata = self.metadata(&name, Some(component));
        let mut body = match kind {
            "Secret" => json!({ "type": "Opaque", "stringData": data }),
            _ => json!({ "data": data }),
        };
        if immutable {
            body["immutable"] = json!(true);
        }
        self.add("v1", kind, metadata, &body, Some(component));
    }

    /// Claims for the component's disk volumes; those that several mount are made once.
    fn claims(&mut self, component: &DecidedComponent) {
        for name in disks(component) {
            let Some(volume) = self.release.volumes.get(&name) else {
                continue;
            };
            if is_each_instances_own(component, volume) {
                continue;
            }
            let claim = self.claim_name(&name, volume);
            if self.objects.iter().any(|object| object.name == claim) {
                continue;
            }
            let mut metadata = self.metadata(&claim, None);
            metadata
                .annotations
                .insert(key::VOLUME_ID.to_owned(), volume.id.to_string());
            metadata
                .annotations
                .insert(key::VOLUME_NAME.to_owned(), name.to_string());
            let body = json!({ "spec": claim_spec(volume, self.options) });
            self.add(
                "v1",
                "PersistentVolumeClaim",
                metadata,
                &body,
                Some(component),
            );
        }
    }

    /// By the volume's own id: data outlives releases. One that was made for another application keeps its name.
    pub(super) fn claim_name(&self, name: &Name, volume: &DecidedVolume) -> String {
        let made = || volume_name(&self.release.application_name, name, volume.id);
        volume.handle.clone().unwrap_or_else(made)
    }
}

/// Names of the disk volumes that a component's containers mount, each once.
pub(super) fn disks(component: &DecidedComponent) -> Vec<Name> {
    let mut names: Vec<Name> = Vec::new();
    for (_, container) in containers(component) {
        for mount in container
            .mounts
            .values()
            .filter(|mount| mount.kind == VolumeKind::Disk)
        {
            names.extend(mount.volume.clone().filter(|name| !names.contains(name)));
        }
    }
    names
}

/// Instances of a stateful component have an exclusive volume each.
pub(super) fn is_each_instances_own(component: &DecidedComponent, volume: &DecidedVolume) -> bool {
    component.kind == Kind::Stateful && volume.access == VolumeAccess::Exclusive
}

pub(super) fn claim_spec(volume: &DecidedVolume, options: &Options) -> Value {
    let mode = match volume.access {
        VolumeAccess::Exclusive => "ReadWriteOnce",
        VolumeAccess::Shared => "ReadWriteMany",
    };
    let mut spec = json!({
        "accessModes": [mode],
        "resources": { "requests": { "storage": volume.size.unwrap_or(SIZE).to_string() } },
    });
    if let Some(class) = volume.class.as_ref().or(options.storage_class.as_ref()) {
        spec["storageClassName"] = json!(class);
    }
    spec
}

pub(super) fn hot_is_secret(files: &IndexMap<AbsolutePath, DecidedFile>) -> bool {
    files.values().any(|file| file.content.is_secret())
}
