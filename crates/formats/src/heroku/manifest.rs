//! `heroku.yml`: which images are built, what each process runs, and what is made with the application.

use indexmap::IndexMap;
use pluvio_model::name::EnvName;
use pluvio_model::problem::Location;
use pluvio_model::spec::{BuildSpec, BuilderChoice, SourceSpec};

use super::procfile::Process;
use super::{MANIFEST, Reader, place};
use crate::compose::item::Place;
use crate::compose::rebase::{join, parent};
use crate::yaml::{self, Entry, Limits, Node, Value};

/// Where it stands among the files that are told of.
const FILE: u16 = 2;

/// What images are built from, and which process runs which.
#[derive(Debug, Default)]
pub(super) struct Images {
    /// By the name under `build.docker`.
    built: IndexMap<String, Built>,
    /// What a process names instead of its own.
    of: IndexMap<String, String>,
    args: IndexMap<String, String>,
    /// The image of the release's task.
    release: Option<String>,
}

#[derive(Debug, Clone)]
struct Built {
    at: Place,
    /// The folder of its Dockerfile, which is the context.
    folder: String,
    dockerfile: String,
    target: Option<String>,
}

fn at(position: yaml::Position) -> Place {
    Place {
        file: FILE,
        ..place(position)
    }
}

/// The words of a command: one text, or several that run one after the other.
struct Said {
    command: String,
    several: bool,
}

impl Images {
    /// What the image of a process is built from.
    pub(super) fn source(&self, process: &str) -> Option<(SourceSpec, BuildSpec)> {
        let name = self.of.get(process).map_or(process, String::as_str);
        let built = self.built.get(name).or_else(|| self.built.get("web"));
        let built = built.or_else(|| self.built.values().next())?;
        let build = BuildSpec {
            builder: BuilderChoice::Dockerfile,
            dockerfile: (built.dockerfile != "Dockerfile").then(|| built.dockerfile.clone()),
            target: built.target.clone(),
            args: self.args.clone(),
            ..BuildSpec::default()
        };
        Some((SourceSpec::Path(built.folder.clone()), build))
    }

    /// Of the processes the one whose image the task before a release runs in.
    pub(super) fn of_release<'p>(
        &self,
        mut processes: impl Iterator<Item = &'p String>,
    ) -> Option<&'p String> {
        let image = self.release.as_ref()?;
        processes.find(|process| self.of.get(*process).unwrap_or(process) == image)
    }
}

impl Reader<'_> {
    /// Reads the file, or tells what is wrong with it. `app_json` says what counts instead of it.
    pub(super) fn manifest(&mut self, text: &str, app_json: &Node) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let root = match yaml::read(text, &Limits::default()) {
            Ok(root) => root,
            Err(problems) => {
                for mut problem in problems {
                    let at = problem.at.take().unwrap_or_default();
                    let file = Some(MANIFEST.to_owned());
                    problem.at = Some(Location { file, ..at });
                    self.told.errors.push(problem);
                }
                return;
            }
        };
        let is_map = |node: &Node| matches!(node.value, Value::Map(_));
        let docker = root.get("build").and_then(|build| build.get("docker"));
        let says_processes = [docker, root.get("run")].into_iter().flatten().any(is_map);
        let procfile = match says_processes {
            true => std::mem::take(&mut self.processes),
            false => IndexMap::new(),
        };
        self.procfile_counts = !says_processes;
        for (process, said) in procfile {
            self.told.ignored(
                said.at,
                &process,
                "heroku.yml says what runs, and counts instead of the Procfile.",
            );
        }
        if !matches!(root.value, Value::Map(_)) && !root.is_null() {
            let remedy = "Write `build:`, `run:`, `release:` and `setup:`.";
            self.told
                .invalid(at(root.at), "", "heroku.yml is not a map.", remedy);
            return;
        }
        for entry in root.entries() {
            let known = ["setup", "build", "release", "run"];
            match entry.key.as_str() {
                key if known.contains(&key) && !self.is_map(&entry.value, entry, key) => {}
                "setup" => self.setup(&entry.value, app_json),
                "build" => self.build(&entry.value),
                // Once images are known, below.
                "run" | "release" => {}
                key => self.unknown_at(entry, key, &known, at(entry.key_at)),
            }
        }
        self.run(root.get("run"));
        self.release(root.entry("release"));
    }

    /// What is empty counts as absent, and is told.
    fn is_map(&mut self, node: &Node, entry: &Entry, path: &str) -> bool {
        if node.is_null() {
            self.told
                .ignored(at(entry.key_at), path, "It is empty and counts as absent.");
        } else if !matches!(node.value, Value::Map(_)) {
            self.told.invalid(
                at(entry.key_at),
                path,
                format!("`{path}` is not a map."),
                "Write each part with its name and a colon.",
            );
        }
        matches!(node.value, Value::Map(_))
    }

    fn setup(&mut self, node: &Node, app_json: &Node) {
        for entry in node.entries() {
            let path = format!("setup.{}", entry.key);
            match entry.key.as_str() {
                "addons" if entry.value.is_null() => {
                    self.is_map(&entry.value, entry, &path);
                }
                "addons" => {
                    self.file = FILE;
                    self.addons(&entry.value, at(entry.key_at), &path);
                    self.file = 0;
                }
                "config" => {
                    if self.is_map(&entry.value, entry, &path) {
                        self.config(&entry.value, &path, app_json);
                    }
                }
                _ => self.unknown_at(entry, &path, &["addons", "config"], at(entry.key_at)),
            }
        }
    }

    fn config(&mut self, node: &Node, path: &str, app_json: &Node) {
        for entry in node.entries() {
            let (at, path) = (at(entry.key_at), format!("{path}.{}", entry.key));
            let Ok(name) = entry.key.parse::<EnvName>() else {
                self.told.refused(
                    at,
                    &path,
                    format!("`{}` is not a name of a variable.", entry.key),
                    "Write letters, digits and _.",
                );
                continue;
            };
            let Some(value) = self.scalar(&entry.value, at, &path) else {
                continue;
            };
            let theirs = app_json.get("env").and_then(|env| env.get(&entry.key));
            let gives = |node: &Node| {
                let own = node.as_text().is_some() && !node.is_null();
                own || node.get("value").is_some() || node.get("generator").is_some()
            };
            if theirs.is_some_and(gives) {
                self.told
                    .ignored(at, &path, "app.json gives it too, and counts.");
                continue;
            }
            let given = self.given.iter().rev().find(|(key, _)| *key == entry.key);
            let value = given.map_or(value, |(_, value)| value.clone());
            self.setting(name, value, None);
        }
    }

    /// A text or number; what is none is told.
    fn scalar(&mut self, node: &Node, at: Place, path: &str) -> Option<String> {
        match node.as_text() {
            Some(_) if node.is_null() => {
                self.told
                    .ignored(at, path, "It has no value and is left out.");
                None
            }
            Some(text) => Some(text.to_owned()),
            None => {
                self.told
                    .invalid(at, path, "It is not a text.", "Write one value.");
                None
            }
        }
    }

    fn build(&mut self, node: &Node) {
        for entry in node.entries() {
            let path = format!("build.{}", entry.key);
            match entry.key.as_str() {
                "docker" | "config" if !self.is_map(&entry.value, entry, &path) => {}
                "docker" => {
                    for image in entry.value.entries() {
                        self.image(image, &format!("{path}.{}", image.key));
                    }
                }
                "config" => {
                    for one in entry.value.entries() {
                        let (at, path) = (at(one.key_at), format!("{path}.{}", one.key));
                        if let Some(value) = self.scalar(&one.value, at, &path) {
                            self.images.args.insert(one.key.clone(), value);
                        }
                    }
                }
                "languages" => self.told.adapted(
                    at(entry.key_at),
                    &path,
                    "What the source is, is detected, and built by Pluvio.",
                ),
                _ => {
                    let known = ["docker", "config", "languages"];
                    self.unknown_at(entry, &path, &known, at(entry.key_at));
                }
            }
        }
        if self.images.built.is_empty()
            && let Some(entry) = node.entry("config")
        {
            self.told.refused(
                at(entry.key_at),
                "build.config",
                "Values for a build are those of a Dockerfile, and the file names none.",
                "Write `build: { docker: { web: Dockerfile } }`, or take it out.",
            );
        }
    }

    fn image(&mut self, image: &Entry, path: &str) {
        let place = at(image.key_at);
        let (file, target) = match &image.value.value {
            Value::Map(parts) => {
                let said = self.image_parts(parts, path);
                if said.0.is_none() && parts.iter().all(|part| part.key != "dockerfile") {
                    self.told.invalid(
                        place,
                        path,
                        "It names no Dockerfile.",
                        "Write `dockerfile: Dockerfile` into it.",
                    );
                }
                said
            }
            _ => (self.scalar(&image.value, place, path), None),
        };
        let Some(file) = file else { return };
        let file = join("", file.trim());
        if file.starts_with(['/', '~']) || file.split('/').any(|part| part == "..") || file == "." {
            self.told.invalid(
                place,
                path,
                format!("`{file}` is no file in the source."),
                "Write the path of a Dockerfile from the source's root.",
            );
            return;
        }
        let folder = match parent(&file) {
            folder if folder.is_empty() => ".".to_owned(),
            folder => folder,
        };
        let dockerfile = file.rsplit('/').next().unwrap_or(&file).to_owned();
        let built = Built {
            at: place,
            folder,
            dockerfile,
            target,
        };
        self.images.built.insert(image.key.clone(), built);
    }

    /// `{ dockerfile: Dockerfile, target: production }`
    fn image_parts(&mut self, parts: &[Entry], path: &str) -> (Option<String>, Option<String>) {
        let (mut file, mut target) = (None, None);
        for part in parts {
            let (place, path) = (at(part.key_at), format!("{path}.{}", part.key));
            match part.key.as_str() {
                "dockerfile" => file = self.scalar(&part.value, place, &path),
                "target" => target = self.scalar(&part.value, place, &path),
                _ => self.unknown_at(part, &path, &["dockerfile", "target"], place),
            }
        }
        (file, target)
    }

    /// The processes: those that the file says, and each image that is nobody else's by itself.
    fn run(&mut self, node: Option<&Node>) {
        let mut named: Vec<String> = Vec::new();
        for entry in node.map(Node::entries).unwrap_or_default() {
            let (process, path) = (entry.key.as_str(), format!("run.{}", entry.key));
            let place = at(entry.key_at);
            if process == "release" {
                self.told.refused(
                    place,
                    &path,
                    "What runs before each release is no process.",
                    "Write it as `release: { command: … }` at the top of the file.",
                );
                continue;
            }
            let mut command = None;
            match &entry.value.value {
                Value::Map(inner) => {
                    for part in inner {
                        let path = format!("{path}.{}", part.key);
                        match part.key.as_str() {
                            "command" => {
                                command = self.command(&part.value, at(part.key_at), &path)
                            }
                            "image" => {
                                if let Some(image) = self.image_name(part, &path) {
                                    named.push(image.clone());
                                    self.images.of.insert(process.to_owned(), image);
                                }
                            }
                            _ => {
                                let known = ["command", "image"];
                                self.unknown_at(part, &path, &known, at(part.key_at));
                            }
                        }
                    }
                }
                _ => command = self.command(&entry.value, place, &path),
            }
            let own = self.images.of.get(process).map_or(process, String::as_str);
            if !self.images.built.is_empty() && !self.images.built.contains_key(own) {
                let of = self.images.built.keys().next().cloned().unwrap_or_default();
                self.told.invalid(
                    place,
                    &path,
                    format!("No image is built for the process `{process}`."),
                    format!("Add it to `build.docker`, or say whose image it runs: `image: {of}`."),
                );
            }
            let process = Process {
                command: command.unwrap_or_default(),
                at: place,
            };
            self.processes.insert(entry.key.clone(), process);
        }
        for (image, built) in &self.images.built {
            let is_others = named.contains(image) || image == "release";
            if !is_others && !self.processes.contains_key(image) {
                // It runs what its Dockerfile says.
                let process = Process {
                    command: String::new(),
                    at: built.at,
                };
                self.processes.insert(image.clone(), process);
            }
        }
    }

    fn release(&mut self, entry: Option<&Entry>) {
        let Some(release) = entry else { return };
        let mut command = None;
        for part in release.value.entries() {
            let (place, path) = (at(part.key_at), format!("release.{}", part.key));
            match part.key.as_str() {
                "command" => command = self.command(&part.value, place, &path),
                "image" => {
                    let Some(image) = self.image_name(part, &path) else {
                        continue;
                    };
                    self.images.release = Some(image.clone());
                    if self.images.of_release(self.processes.keys()).is_none() {
                        self.told.refused(
                            place,
                            &path,
                            format!("No process runs the image `{image}`, and a task before each release runs in the image of one."),
                            "Name the image of a process, with what the task needs in it.",
                        );
                    }
                }
                _ => self.unknown_at(part, &path, &["command", "image"], place),
            }
        }
        match command {
            Some(command) => {
                let process = Process {
                    command,
                    at: at(release.key_at),
                };
                self.processes.insert("release".to_owned(), process);
            }
            None if matches!(release.value.value, Value::Map(_)) => self.told.ignored(
                at(release.key_at),
                "release",
                "It names no command, so nothing runs before a release.",
            ),
            None => {}
        }
    }

    /// The name of an image that is built.
    fn image_name(&mut self, part: &Entry, path: &str) -> Option<String> {
        let place = at(part.key_at);
        let image = self.scalar(&part.value, place, path)?;
        if self.images.built.contains_key(&image) {
            return Some(image);
        }
        let known = self.images.built.keys().map(String::as_str);
        let remedy = match crate::suggest::nearest(&image, known) {
            Some(near) => format!("Did you mean `{near}`?"),
            None => "Name one of `build.docker`.".to_owned(),
        };
        self.told.invalid(
            place,
            path,
            format!("There is no image `{image}` under `build.docker`."),
            remedy,
        );
        None
    }

    fn command(&mut self, node: &Node, place: Place, path: &str) -> Option<String> {
        let said = match &node.value {
            Value::List(items) => {
                let texts: Option<Vec<&str>> = items.iter().map(Node::as_text).collect();
                texts.map(|texts| Said {
                    command: texts.join(" && "),
                    several: texts.len() > 1,
                })
            }
            _ => node.as_text().map(|text| Said {
                command: text.to_owned(),
                several: false,
            }),
        };
        let Some(said) = said else {
            let remedy = "Write one line, or a list of lines.";
            self.told.invalid(place, path, "It is no command.", remedy);
            return None;
        };
        if said.command.trim().is_empty() {
            self.told
                .ignored(place, path, "It names no command and counts as absent.");
            return None;
        }
        if said.several {
            self.told.adapted(
                place,
                path,
                "Its lines run one after the other; where one fails, those after it do not run.",
            );
        }
        Some(said.command.trim().to_owned())
    }
}
