//! Paths of the machine: what lies beside the compose file is taken along where it can be.

use pluvio_model::spec::{AbsolutePath, FileSpec, VolumeKind};

use super::super::Entry;
use super::super::item::Place;
use super::super::rebase::join;
use super::Convert;
use super::making::{Making, WholeDisk};
use super::mounts::{VolumeOf, mount};

/// Text that files beside the compose file may bring in altogether.
const FILES_BYTES: usize = 1 << 20;
/// Files of one folder.
const FILES_MAX: usize = 100;

/// Whether mounts that are made below a mounted path later are seen on the other side, as it was asked for.
pub(super) struct Propagation {
    pub(super) word: String,
    pub(super) at: Place,
    pub(super) path: String,
}

impl Convert<'_> {
    /// A path of the machine: what lies beside the compose file is taken along where it can be.
    pub(super) fn bind(
        &mut self,
        source: &str,
        target: AbsolutePath,
        read_only: bool,
        at: Place,
        path: &str,
        making: &mut Making,
    ) {
        if source.starts_with('/') {
            self.host(source, target, read_only, at, path, making);
            return;
        }
        if source.starts_with('~') {
            match self.around.absolute(source) {
                Some(whole) => self.host(&whole, target, read_only, at, path, making),
                None => self.told.refused(
                    at,
                    path,
                    format!("Whose home `{source}` means is not known here."),
                    "Write the whole path.",
                ),
            }
            return;
        }
        let inside = join("", source);
        match self.around.entry(&inside) {
            Entry::Text(text) if self.taken_along + text.len() <= FILES_BYTES => {
                let mode = self.around.is_program(&inside).then_some("0755");
                let writes = if read_only {
                    ""
                } else {
                    " What the program writes into it is lost with the instance."
                };
                self.told.adapted(
                    at,
                    path,
                    format!(
                        "The text of {inside} is taken into the specification as a file.{writes}"
                    ),
                );
                self.file_of(target, text, mode, making);
            }
            Entry::Folder => self.folder(&inside, target, read_only, at, path, making),
            Entry::Text(_) | Entry::Other => match self.around.absolute(&inside) {
                Some(whole) => self.host(&whole, target, read_only, at, path, making),
                None => self.told.refused(
                    at,
                    path,
                    format!("{inside} is too large, or no text, to be taken along."),
                    "Put it into the image, or into a volume.",
                ),
            },
            Entry::Missing if looks_like_a_file(source) => self.told.refused(
                at,
                path,
                format!("There is no file {inside} that could be read, so nothing is at {target}."),
                "Put it beside the compose file, and name the folder or the file.",
            ),
            Entry::Missing => self.folder_volume(&inside, target, read_only, at, path, making),
        }
    }

    pub(super) fn folder(
        &mut self,
        inside: &str,
        target: AbsolutePath,
        read_only: bool,
        at: Place,
        path: &str,
        making: &mut Making,
    ) {
        let names = self.around.below(inside);
        if names.as_ref().is_some_and(Vec::is_empty) {
            self.folder_volume(inside, target, read_only, at, path, making);
            return;
        }
        // What the program may write must not be lost with an instance.
        let is_there = self.around.absolute(inside).is_some();
        if (read_only || !is_there || self.around.takes_along(inside))
            && let Some(names) = names.filter(|names| names.len() <= FILES_MAX)
            && let Some(files) = self.all_texts(inside, &names)
        {
            // What the image has there is hidden, as by the folder itself.
            let hiding = if read_only || is_there || self.around.takes_along(inside) {
                self.told.adapted(
                    at,
                    path,
                    format!(
                        "The texts of the {} files in {inside} are taken into the specification; nothing else is at {target}.",
                        files.len()
                    ),
                );
                mount(VolumeKind::Memory, false)
            } else {
                let name = self.volume_name(VolumeOf::Folder(inside.to_owned()));
                self.told.adapted(
                    at,
                    path,
                    format!(
                        "The folder {inside} is not where the application runs: it becomes the volume `{name}`, with the texts of its {} files: what the program changes in these is undone with each start, and on a cluster it cannot change them. What else it writes there stays.",
                        files.len()
                    ),
                );
                let mut spec = mount(VolumeKind::Disk, false);
                spec.name = Some(name);
                // What the image has there is hidden by a folder.
                spec.no_copy = true;
                spec
            };
            making
                .component
                .volumes
                .entry(target.clone())
                .or_insert(hiding);
            for (name, text, mode) in files {
                if let Ok(target) = format!("{target}/{name}").parse() {
                    self.file_of(target, text, mode, making);
                }
            }
            return;
        }
        match self.around.absolute(inside) {
            Some(whole) => self.host(&whole, target, read_only, at, path, making),
            None => self.told.refused(
                at,
                path,
                format!("The folder {inside} cannot be taken along."),
                "Copy it into the image with a Dockerfile, or into a volume.",
            ),
        }
    }

    pub(super) fn all_texts(
        &self,
        inside: &str,
        names: &[String],
    ) -> Option<Vec<(String, String, Option<&'static str>)>> {
        let mut left = FILES_BYTES.saturating_sub(self.taken_along);
        let mut files = Vec::new();
        for name in names {
            let path = format!("{inside}/{name}");
            let Entry::Text(text) = self.around.entry(&path) else {
                return None;
            };
            left = left.checked_sub(text.len())?;
            let mode = self.around.is_program(&path).then_some("0755");
            files.push((name.clone(), text, mode));
        }
        Some(files)
    }

    /// A folder that does not exist, or is empty: compose would make it.
    pub(super) fn folder_volume(
        &mut self,
        inside: &str,
        target: AbsolutePath,
        read_only: bool,
        at: Place,
        path: &str,
        making: &mut Making,
    ) {
        let folder = inside.trim_start_matches("./").to_owned();
        let name = self.volume_name(VolumeOf::Folder(folder));
        self.told.adapted(
            at,
            path,
            format!("The folder {inside} is not there or empty: it becomes the volume `{name}`."),
        );
        let mut spec = mount(VolumeKind::Disk, read_only);
        spec.name = Some(name);
        making.component.volumes.insert(target, spec);
    }

    pub(super) fn host(
        &mut self,
        source: &str,
        target: AbsolutePath,
        read_only: bool,
        at: Place,
        path: &str,
        making: &mut Making,
    ) {
        let source = source.trim_end_matches("/.");
        if source.is_empty() || source == "/" {
            self.told.advised(
                at,
                path,
                "The whole disk of the machine is mounted, by `patch.engine` and on engines alone: deploying it needs the permission for host access.",
                "Name the folders that the program needs.",
            );
            let whole = WholeDisk {
                read_only,
                ..WholeDisk::default()
            };
            making.whole_disk.insert(target, whole);
            return;
        }
        let Ok(host_path) = source.parse::<AbsolutePath>() else {
            self.told.refused(
                at,
                path,
                format!("`{source}` cannot be mounted."),
                "Name a folder below /.",
            );
            return;
        };
        let what = if source.ends_with("docker.sock") || source.ends_with("podman.sock") {
            "whoever has the engine's socket has the machine"
        } else {
            "it is of the machine itself"
        };
        self.told.advised(
            at,
            path,
            format!("{source} is mounted as it is: {what}, so deploying it needs the permission for host access."),
            "Use a volume, where the program does not need this very path.",
        );
        let mut spec = mount(VolumeKind::Host, read_only);
        spec.host_path = Some(host_path);
        making.component.volumes.insert(target, spec);
    }

    /// Says what became of a [`Propagation`], once the rest is mounted.
    pub(super) fn propagation(
        &mut self,
        asked: Propagation,
        target: &AbsolutePath,
        making: &mut Making,
    ) {
        let Propagation { word, at, path } = asked;
        let mount = making.component.volumes.get(target);
        let reads = mount.is_some_and(|mount| mount.kind == VolumeKind::Host && mount.read_only);
        match (word.as_str(), making.whole_disk.get_mut(target)) {
            ("private" | "rprivate", _) => {
                self.told
                    .ignored(at, &path, format!("`{word}` is so anyway."));
            }
            // What engines alone mount has their own words.
            ("slave" | "rslave" | "shared" | "rshared", Some(whole))
                if whole.propagation.is_none() =>
            {
                whole.propagation = Some(word.clone());
            }
            ("slave" | "rslave", None) if reads => self.told.adapted(
                at,
                &path,
                format!("`{word}` is left out: what the machine mounts below it later is seen when the program is started next."),
            ),
            _ => self.told.refused(
                at,
                &path,
                format!("The option `{word}` of a mount is not given."),
                "Take it out.",
            ),
        }
    }

    pub(super) fn file_of(
        &mut self,
        target: AbsolutePath,
        text: String,
        mode: Option<&str>,
        making: &mut Making,
    ) {
        self.taken_along += text.len();
        making.component.files.insert(
            target,
            FileSpec {
                content: text,
                hot: false,
                mode: mode.and_then(|mode| mode.parse().ok()),
                raw: true,
                reload: None,
            },
        );
    }

    /// A template's inline file.
    pub(super) fn file(
        &mut self,
        target: AbsolutePath,
        text: String,
        mode: Option<&str>,
        at: Place,
        path: &str,
        making: &mut Making,
    ) {
        self.told.adapted(
            at,
            path,
            format!("Its text becomes the file {target} of the component."),
        );
        self.file_of(target, text, mode, making);
    }
}

fn looks_like_a_file(source: &str) -> bool {
    let name = source.rsplit('/').next().unwrap_or(source);
    name.rsplit_once('.').is_some_and(|(stem, end)| {
        !stem.is_empty()
            && matches!(
                end,
                "conf"
                    | "cfg"
                    | "cnf"
                    | "ini"
                    | "toml"
                    | "yaml"
                    | "yml"
                    | "json"
                    | "xml"
                    | "env"
                    | "sh"
                    | "sql"
                    | "js"
                    | "ts"
                    | "py"
                    | "rb"
                    | "php"
                    | "lua"
                    | "html"
                    | "css"
                    | "txt"
                    | "md"
                    | "pem"
                    | "crt"
                    | "cert"
                    | "key"
                    | "properties"
                    | "template"
                    | "tmpl"
                    | "jar"
                    | "war"
                    | "rules"
                    | "acl"
                    | "htpasswd"
                    | "hcl"
                    | "cron"
                    | "log"
                    | "db"
                    | "sqlite"
            )
    }) || matches!(
        name,
        "Caddyfile" | "Corefile" | "Dockerfile" | "crontab" | ".env" | ".htpasswd"
    )
}
