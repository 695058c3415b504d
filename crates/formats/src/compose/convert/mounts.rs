//! What is mounted: volumes, folders and files of the machine, memory, configs, secrets.

use pluvio_model::name::Name;
use pluvio_model::spec::{AbsolutePath, MountSpec, VolumeKind};

use super::super::item::{Fields, Item, Map, Place, Taken, Value};
use super::Convert;
use super::beside::Propagation;
use super::making::Making;

pub(super) fn mount(kind: VolumeKind, read_only: bool) -> MountSpec {
    MountSpec {
        kind,
        read_only,
        ..MountSpec::default()
    }
}

/// What a volume is there for: `./data` and a volume `data` are two, though they would be called alike.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) enum VolumeOf {
    /// By the name that the file has for it.
    Named(String),
    /// A folder beside the file.
    Folder(String),
    /// The service and the place in it, where no name is given.
    Nameless(String),
}

impl VolumeOf {
    fn text(&self) -> &str {
        let (VolumeOf::Named(text) | VolumeOf::Folder(text) | VolumeOf::Nameless(text)) = self;
        text
    }
}

impl Convert<'_> {
    /// Our name of each volume of the file.
    pub(super) fn name_volumes(&mut self, volumes: &Map) {
        for name in volumes.keys() {
            self.volume_name(VolumeOf::Named(name.clone()));
        }
    }

    /// Data are found again by this name: of those that would be called alike the first has it plain.
    pub(super) fn volume_name(&mut self, volume: VolumeOf) -> Name {
        if let Some(known) = self.volume_names.get(&volume) {
            return known.clone();
        }
        let plain =
            Name::suggest(volume.text()).unwrap_or_else(|| "volume".parse().expect("a name"));
        let mut name = plain.clone();
        let mut count = 2;
        while self.volume_names.values().any(|taken| *taken == name) {
            name = Name::suggest(&format!("{}-{count}", super::cut(plain.as_str(), 50)))
                .expect("letters and a number");
            count += 1;
        }
        self.volume_names.insert(volume, name.clone());
        name
    }

    pub(super) fn mounts(&mut self, fields: &mut Fields, making: &mut Making, services: &Map) {
        if let Some(volumes) = fields.take("volumes") {
            if volumes.item.as_map().is_some() {
                self.texts(&volumes);
            }
            for item in volumes.item.items() {
                match &item.value {
                    Value::Scalar(scalar) => {
                        self.short_volume(&scalar.text.clone(), item.at, &volumes, making);
                    }
                    Value::Map(_) => self.long_volume(item, &volumes, making),
                    _ => self
                        .told
                        .ignored(item.at, &volumes.path, "An item of the list is empty."),
                }
            }
        }
        if let Some(tmpfs) = fields.take("tmpfs") {
            for (at, text) in self.texts(&tmpfs) {
                let (target, options) = text.split_once(':').unwrap_or((&text, ""));
                self.memory(target, options, at, &tmpfs.path, making);
            }
        }
        for section in ["configs", "secrets"] {
            if let Some(taken) = fields.take(section) {
                for item in taken.item.items() {
                    self.config(section, item, &taken, making);
                }
            }
        }
        if let Some(from) = fields.take("volumes_from") {
            for (at, text) in self.texts(&from) {
                self.volumes_from(&text, at, &from, making, services);
            }
        }
    }

    pub(super) fn target(&mut self, text: &str, at: Place, path: &str) -> Option<AbsolutePath> {
        match text.trim().parse() {
            Ok(target) => Some(target),
            Err(_) => {
                self.told.invalid(
                    at,
                    path,
                    format!("`{text}` is not an absolute path inside the container."),
                    "Write one such as /data.",
                );
                None
            }
        }
    }

    /// `[source:]target[:options]`
    pub(super) fn short_volume(
        &mut self,
        text: &str,
        at: Place,
        volumes: &Taken,
        making: &mut Making,
    ) {
        let path = volumes.path.as_str();
        let bytes = text.as_bytes();
        let drive = bytes.len() > 2
            && bytes[0].is_ascii_alphabetic()
            && bytes[1] == b':'
            && matches!(bytes[2], b'\\' | b'/')
            && text[2..].contains(':');
        if drive {
            self.told.refused(
                at,
                path,
                format!("`{text}` names a folder of Windows."),
                "Write a path relative to the compose file.",
            );
            return;
        }
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, options) = match parts.as_slice() {
            [target] => (None, *target, ""),
            [source, target] => (Some(*source), *target, ""),
            [source, target, options] => (Some(*source), *target, *options),
            _ => {
                self.told.invalid(
                    at,
                    path,
                    format!("`{text}` has too many colons."),
                    "Write SOURCE:TARGET, with :ro behind it for read only.",
                );
                return;
            }
        };
        if source.is_some_and(|source| source.trim().is_empty()) {
            self.told.invalid(
                at,
                path,
                format!(
                    "`{text}` does not say what is mounted; a variable in it is probably not set."
                ),
                "Write the volume or the path before the colon, or set the variable in `.env`.",
            );
            return;
        }
        let mut read_only = false;
        let mut propagations = Vec::new();
        let mut no_copy = false;
        for option in options.split(',').filter(|option| !option.is_empty()) {
            match option {
                "ro" => read_only = true,
                "rw" => self.told.ignored(at, path, "`rw` is so anyway."),
                "z" | "Z" | "cached" | "delegated" | "consistent" | "U" | "copy" => self
                    .told
                    .ignored(at, path, format!("`{option}` has no effect here.")),
                "private" | "rprivate" | "slave" | "rslave" | "shared" | "rshared" => {
                    propagations.push(Propagation {
                        word: option.to_owned(),
                        at,
                        path: path.to_owned(),
                    });
                }
                "nocopy" | "volume-nocopy" => no_copy = true,
                other => self.told.refused(
                    at,
                    path,
                    format!("The option `{other}` of a mount is not given."),
                    "Take it out.",
                ),
            }
        }
        let Some(target) = self.target(target, at, path) else {
            return;
        };
        let place = target.clone();
        match source {
            None => self.anonymous(target, at, path, making),
            Some(source) if is_path(source) => {
                self.bind(source.trim(), target, read_only, at, path, making);
            }
            Some(source) => self.named(source.trim(), target, read_only, at, path, making),
        }
        if no_copy {
            self.no_copy(&place, at, path, making);
        }
        for asked in propagations {
            self.propagation(asked, &place, making);
        }
    }

    pub(super) fn long_volume(&mut self, item: &Item, volumes: &Taken, making: &mut Making) {
        let mut inner = Fields::new(volumes.path.clone(), item);
        let path = volumes.path.as_str();
        let kind = inner.take("type").and_then(|taken| self.text(&taken));
        let source = inner.take("source").and_then(|taken| self.text(&taken));
        let target = inner.take("target").and_then(|taken| self.text(&taken));
        let read_only = inner
            .take("read_only")
            .and_then(|taken| self.flag(&taken))
            .unwrap_or(false);
        if let Some(taken) = inner.take("consistency") {
            self.told
                .ignored(taken.at, &taken.path, "It has no effect on Linux.");
        }
        let (mut size, mut mode, mut propagation) = (None, None, None);
        let mut no_copy = false;
        for (key, refused) in [
            ("volume", ["subpath"].as_slice()),
            ("bind", ["recursive"].as_slice()),
            ("image", ["subpath"].as_slice()),
            ("tmpfs", [].as_slice()),
        ] {
            let Some(taken) = inner.take(key) else {
                continue;
            };
            let mut more = Fields::new(taken.path.clone(), taken.item);
            for option in refused {
                if let Some(option) = more.take(option) {
                    self.told.refused(
                        option.at,
                        &option.path,
                        "This option of a mount is not given.",
                        "Take it out.",
                    );
                }
            }
            for option in ["labels", "create_host_path", "selinux"] {
                if let Some(option) = more.take(option) {
                    let inside: Vec<&str> = match option.item.as_map() {
                        Some(map) => map.keys().map(String::as_str).collect(),
                        None => option
                            .item
                            .items()
                            .iter()
                            .filter_map(Item::as_text)
                            .collect(),
                    };
                    self.told.ignored(
                        option.at,
                        &option.path,
                        format!("It has no effect here ({}).", inside.join(", ")),
                    );
                }
            }
            if key == "volume"
                && let Some(taken) = more.take("nocopy")
            {
                no_copy = self.flag(&taken) == Some(true);
            }
            if key == "bind"
                && let Some(taken) = more.take("propagation")
            {
                propagation = self.text(&taken).map(|word| Propagation {
                    word,
                    at: taken.at,
                    path: taken.path.clone(),
                });
            }
            if key == "tmpfs" {
                if let Some(taken) = more.take("size") {
                    size = self.size(&taken);
                }
                mode = more.take("mode").and_then(|taken| self.memory_mode(&taken));
            }
            more.finish(&mut self.told, &[]);
        }
        let content = inner.take("content");
        let own_mode = inner.take("mode").and_then(|taken| self.text(&taken));
        let folder = ["is_directory", "isDirectory"]
            .into_iter()
            .filter_map(|key| inner.take(key))
            .fold(false, |before, taken| {
                self.told
                    .adapted(taken.at, &taken.path, "It says whether a folder is meant.");
                before | (self.flag(&taken) == Some(true))
            });
        inner.finish(
            &mut self.told,
            &[
                "type",
                "source",
                "target",
                "read_only",
                "bind",
                "volume",
                "tmpfs",
                "image",
                "consistency",
            ],
        );
        let Some(target) = target.and_then(|target| self.target(&target, item.at, path)) else {
            if item.get("target").is_none() {
                self.told.invalid(
                    item.at,
                    path,
                    "It does not say where it is mounted.",
                    "Write `target: /…`.",
                );
            }
            return;
        };
        if let Some(content) = content {
            let text = content.item.as_text().unwrap_or_default().to_owned();
            let place = target.clone();
            self.file(target, text, own_mode.as_deref(), content.at, path, making);
            if let Some(asked) = propagation {
                self.propagation(asked, &place, making);
            }
            return;
        }
        if let Some(mode) = own_mode {
            self.told.ignored(
                item.at,
                path,
                format!("The mode {mode} is that of a file with `content`."),
            );
        }
        let kind = match kind {
            Some(kind) => kind,
            None => {
                let kind = match &source {
                    Some(source) if is_path(source) => "bind",
                    _ => "volume",
                };
                self.told.adapted(
                    item.at,
                    path,
                    format!("It does not say its type: it is read as {kind}."),
                );
                kind.to_owned()
            }
        };
        let place = target.clone();
        match (kind.as_str(), source) {
            ("bind", Some(source)) if folder && source.starts_with('.') => {
                self.folder_volume(&source, target, read_only, item.at, path, making);
            }
            ("bind", Some(source)) => self.bind(&source, target, read_only, item.at, path, making),
            ("volume", Some(source)) => {
                self.named(&source, target, read_only, item.at, path, making)
            }
            ("volume", None) => self.anonymous(target, item.at, path, making),
            ("tmpfs", _) => {
                let mut spec = mount(VolumeKind::Memory, false);
                (spec.size, spec.mode) = (size, mode);
                making.component.volumes.insert(target, spec);
            }
            (other, source) => self.told.refused(
                item.at,
                path,
                format!(
                    "A mount of type `{other}` cannot be made of {}.",
                    source.as_deref().unwrap_or("nothing")
                ),
                "Write type volume, bind with a source, or tmpfs.",
            ),
        }
        if no_copy {
            self.no_copy(&place, item.at, path, making);
        }
        if let Some(asked) = propagation {
            self.propagation(asked, &place, making);
        }
    }

    /// Of a volume; what else is mounted never begins with what the image has.
    fn no_copy(&mut self, target: &AbsolutePath, at: Place, path: &str, making: &mut Making) {
        match making.component.volumes.get_mut(target) {
            Some(mount) if mount.kind == VolumeKind::Disk => mount.no_copy = true,
            _ => self.told.ignored(at, path, "`nocopy` is so anyway."),
        }
    }

    pub(super) fn anonymous(
        &mut self,
        target: AbsolutePath,
        at: Place,
        path: &str,
        making: &mut Making,
    ) {
        let place = format!("{}{target}", making.service);
        let name = self.volume_name(VolumeOf::Nameless(place));
        self.told.adapted(
            at,
            path,
            format!("The volume without a name is called `{name}`, so that its data outlives a redeploy."),
        );
        let mut spec = mount(VolumeKind::Disk, false);
        spec.name = Some(name);
        making.component.volumes.insert(target, spec);
    }

    pub(super) fn volumes_from(
        &mut self,
        text: &str,
        at: Place,
        from: &Taken,
        making: &mut Making,
        services: &Map,
    ) {
        let (name, mode) = text.split_once(':').unwrap_or((text, "rw"));
        let read_only = mode == "ro";
        let other = services
            .get(name)
            .and_then(|field| field.item.get("volumes"));
        if name == "container" || !services.contains_key(name) {
            self.told.refused(
                at,
                &from.path,
                format!("`{text}` names a container that is no service of the file."),
                "Mount the same volumes by their names.",
            );
            return;
        }
        self.told.adapted(
            at,
            &from.path,
            format!("The mounts of {name} are written out, and it starts once {name} is ready."),
        );
        self.uses(name, at, &from.path, false, making, services);
        let own = making.take_mounts();
        if let Some(other) = other {
            let taken = Taken {
                path: from.path.clone(),
                at,
                item: other,
            };
            let service = std::mem::replace(&mut making.service, name.to_owned());
            for item in other.items() {
                match &item.value {
                    Value::Scalar(scalar) => {
                        self.short_volume(&scalar.text.clone(), item.at, &taken, making);
                    }
                    Value::Map(_) => self.long_volume(item, &taken, making),
                    _ => {}
                }
            }
            making.service = service;
        }
        let theirs = making.take_mounts();
        making.put_mounts(own, false);
        making.put_mounts(theirs, read_only);
    }
}

fn is_path(source: &str) -> bool {
    source.starts_with(['.', '/', '~'])
}
