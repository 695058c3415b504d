//! Volumes that the file declares: the application's own, the engine's, and those that stand for something else.

use pluvio_model::spec::{AbsolutePath, EngineVolume, VolumeKind, VolumeOptions};

use super::super::item::{Fields, Item, Place, Taken};
use super::Convert;
use super::making::Making;
use super::mounts::{VolumeOf, mount};

/// The engine's name of a declared volume, where it is not the file's own.
pub(super) fn external_name(plain: &str, declared: &Item) -> Option<String> {
    let external = declared.get("external")?;
    let is_text = external.as_text().is_some_and(|text| text != "false");
    if !is_text && external.as_map().is_none() {
        return None;
    }
    let named = external.get("name").or_else(|| declared.get("name"));
    Some(named.and_then(Item::as_text).unwrap_or(plain).to_owned())
}

/// What the engine's local driver is asked to mount, where that is neither a folder of the machine nor its memory.
fn share(declared: &Item) -> Option<VolumeOptions> {
    let driver = declared.get("driver").and_then(Item::as_text);
    let options = declared.get("driver_opts")?;
    let known = |key: &String| matches!(key.as_str(), "type" | "device" | "o");
    if !matches!(driver, None | Some("" | "local")) || !options.as_map()?.keys().all(known) {
        return None;
    }
    let text = |key: &str| {
        let text = options.get(key).and_then(Item::as_text)?.trim();
        (!text.is_empty() && !text.contains("${")).then(|| text.to_owned())
    };
    let share = VolumeOptions {
        kind: text("type")?,
        device: text("device")?,
        o: match options.get("o") {
            Some(o) if !o.is_null() && o.as_text() != Some("") => Some(text("o")?),
            _ => None,
        },
    };
    share.is_elsewhere().then_some(share)
}

impl Convert<'_> {
    pub(super) fn named(
        &mut self,
        volume: &str,
        target: AbsolutePath,
        read_only: bool,
        at: Place,
        path: &str,
        making: &mut Making,
    ) {
        self.used.insert(("volumes", volume.to_owned()));
        let declared = self.volumes.get(volume).map(|field| field.item.clone());
        let Some(declared) = declared else {
            let name = self.volume_name(VolumeOf::Named(volume.to_owned()));
            self.told.adapted(
                at,
                path,
                format!("The volume {volume} is not declared at the end of the file; it is one of the application, `{name}`."),
            );
            let mut spec = mount(VolumeKind::Disk, read_only);
            spec.name = Some(name);
            making.component.volumes.insert(target, spec);
            return;
        };
        if let Some(theirs) = external_name(volume, &declared)
            && Self::engines_volume(&theirs, &target, read_only, making)
        {
            return;
        }
        let option = |key: &str| {
            declared
                .get("driver_opts")
                .and_then(|options| options.get(key))
                .and_then(Item::as_text)
        };
        let kind = option("type").unwrap_or_default();
        let bind =
            option("o").is_some_and(|o| o.split(',').any(|word| word == "bind" || word == "rbind"));
        if let (true, Some(device)) = (bind || kind == "none", option("device")) {
            let device = device.to_owned();
            self.bind(&device, target, read_only, at, path, making);
            return;
        }
        if kind == "tmpfs" {
            let options = option("o").unwrap_or_default().to_owned();
            self.memory_at(target, &options, at, path, making);
            return;
        }
        let options = share(&declared);
        let name = self.volume_name(VolumeOf::Named(volume.to_owned()));
        if name.as_str() != volume {
            self.told
                .adapted(at, path, format!("The volume {volume} is called `{name}`."));
        }
        let mut spec = mount(VolumeKind::Disk, read_only);
        spec.name = Some(name);
        spec.options = options;
        making.component.volumes.insert(target, spec);
    }

    /// The keys of a declared volume.
    pub(super) fn volume_section(&mut self, path: &str, item: &Item) {
        let mut fields = Fields::new(path, item);
        if let Some(external) = fields.take("external")
            && self.volume_of_others(path, item, &external)
        {
            fields.take("name");
            for key in ["driver", "driver_opts", "labels"] {
                if let Some(taken) = fields.take(key) {
                    self.told.ignored(
                        taken.at,
                        &taken.path,
                        "The volume is there already, with its own.",
                    );
                }
            }
            fields.finish(&mut self.told, &[]);
            return;
        }
        if let Some(driver) = fields.take("driver") {
            match driver.item.as_text() {
                Some("local" | "") => {
                    self.told
                        .ignored(driver.at, &driver.path, "It is the usual driver.")
                }
                other => self.told.refused(
                    driver.at,
                    &driver.path,
                    format!(
                        "The driver {} is not used; the volume is a local one.",
                        other.unwrap_or("?")
                    ),
                    "Mount that storage on the machine, and name its folder.",
                ),
            }
        }
        if let Some(options) = fields.take("driver_opts") {
            let text = |key: &str| options.item.get(key).and_then(Item::as_text);
            let all = options.item.as_map();
            if all.is_some_and(|all| all.values().all(|field| field.item.as_text() == Some(""))) {
                self.told
                    .ignored(options.at, &options.path, "They are empty.");
                fields.take("name");
                fields.take("labels");
                fields.finish(&mut self.told, &[]);
                return;
            }
            let bind =
                text("o").is_some_and(|o| o.contains("bind")) || text("type") == Some("none");
            if text("type") == Some("tmpfs") {
                self.told
                    .adapted(options.at, &options.path, "It lies in memory.");
            } else if let Some(share) = share(item) {
                self.told.advised(
                    options.at,
                    &options.path,
                    format!("{} is mounted by the engine, and by engines alone: deploying it needs the permission for host access.", share.shown()),
                    "For a Kubernetes cluster name the class of a PersistentVolume for it in place of `options`.",
                );
            } else if bind && text("device").is_some() {
                self.told.adapted(
                    options.at,
                    &options.path,
                    "It is a folder of the machine, which needs the permission for host access.",
                );
            } else {
                self.told.refused(
                    options.at,
                    &options.path,
                    "Such options of a volume's driver are not given; the volume is a local one.",
                    "Mount that storage on the machine, and name its folder.",
                );
            }
        }
        for key in ["name", "labels"] {
            if let Some(taken) = fields.take(key) {
                self.told.ignored(
                    taken.at,
                    &taken.path,
                    "Pluvio names and labels volumes itself.",
                );
            }
        }
        fields.finish(
            &mut self.told,
            &["driver", "driver_opts", "external", "name", "labels"],
        );
    }

    /// Says what became of a volume that the file does not make. False where `external` says that it does.
    pub(super) fn volume_of_others(
        &mut self,
        path: &str,
        declared: &Item,
        external: &Taken,
    ) -> bool {
        let plain = path.strip_prefix("volumes.").unwrap_or(path);
        let Some(theirs) = external_name(plain, declared) else {
            self.told
                .ignored(external.at, &external.path, "It is so anyway.");
            return false;
        };
        if theirs.parse::<EngineVolume>().is_ok() {
            self.told.advised(
                external.at,
                &external.path,
                format!("The engine's own volume {theirs} is mounted, with its data and on engines alone: it must be there, and deploying it needs the permission for host access."),
                "Take `external` out for a volume of the application's own, which begins empty.",
            );
        } else {
            self.told.refused(
                external.at,
                &external.path,
                format!("`{theirs}` is no name that an engine's volume can have: in its place is one of the application's own, which begins empty."),
                "Write the name that `docker volume ls` shows.",
            );
        }
        true
    }

    /// Mounts a volume of the engine, where the file says that it is there already.
    pub(super) fn engines_volume(
        theirs: &str,
        target: &AbsolutePath,
        read_only: bool,
        making: &mut Making,
    ) -> bool {
        let Ok(volume) = theirs.parse::<EngineVolume>() else {
            return false;
        };
        let mut spec = mount(VolumeKind::Host, read_only);
        spec.host_volume = Some(volume);
        making.component.volumes.insert(target.clone(), spec);
        true
    }
}
