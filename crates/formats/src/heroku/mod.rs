//! Heroku's files: a `Procfile`, an `app.json` (with what Dokku adds to it) and a `heroku.yml`, together.
//!
//! Each process of the Procfile becomes a component of the same source; `release` a task before each release; add-ons for
//! databases become databases; variables settings or generated secrets. Where there is a `heroku.yml`, it says which Dockerfiles
//! are built and what each process runs instead of the Procfile. What has no counterpart is named.

mod addons;
mod formation;
mod health;
mod manifest;
pub mod procfile;
mod scripts;
mod variables;

use indexmap::IndexMap;
use pluvio_model::name::{EnvName, Name};
use pluvio_model::problem;
use pluvio_model::spec::{ComponentSpec, EnvValue, ReleaseTask, SourceSpec, Use};

use crate::compose::Import;
use crate::compose::item::{Place, Told};
use crate::yaml::{self, Entry, Limits, Node, Value};
use manifest::Images;
use procfile::{Process, command_of};

pub const PROCFILE: &str = "Procfile";
pub const APP_JSON: &str = "app.json";
pub const MANIFEST: &str = "heroku.yml";
/// All of them.
pub const FILES: [&str; 3] = [PROCFILE, APP_JSON, MANIFEST];

/// The files, as far as they are there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Files<'f> {
    pub procfile: Option<&'f str>,
    pub app_json: Option<&'f str>,
    /// `heroku.yml`.
    pub manifest: Option<&'f str>,
}

const KEYS: [&str; 20] = [
    "name",
    "description",
    "keywords",
    "website",
    "repository",
    "logo",
    "success_url",
    "stack",
    "image",
    "env",
    "formation",
    "addons",
    "buildpacks",
    "scripts",
    "environments",
    "cron",
    "healthchecks",
    "features",
    "generator",
    "$schema",
];

/// Whether a text is an `app.json` of Heroku's, by keys that only it has; Expo has a file of that name, too.
pub fn is_app_json(text: &str) -> bool {
    const TELLING: [&str; 9] = [
        "env",
        "formation",
        "addons",
        "buildpacks",
        "scripts",
        "cron",
        "healthchecks",
        "stack",
        "environments",
    ];
    const OTHERS: [&str; 6] = [
        "expo",
        "dependencies",
        "devDependencies",
        "displayName",
        "main",
        "version",
    ];
    let text = text.trim_start_matches('\u{feff}');
    if !text.trim_start().starts_with('{') {
        return false;
    }
    match json(text) {
        Ok(root) => {
            TELLING.iter().any(|key| root.get(key).is_some())
                && !OTHERS.iter().any(|key| root.get(key).is_some())
        }
        // What is wrong in it is told by whoever reads it as what it looks like.
        Err(_) => {
            TELLING
                .iter()
                .filter(|key| text.contains(&format!("\"{key}\"")))
                .count()
                > 1
        }
    }
}

/// JSON with positions, which YAML's reader gives; what JSON alone can say is read without them.
fn json(text: &str) -> Result<Node, String> {
    let plain: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let spaced = text.replace('\t', " ");
    match yaml::read(&spaced, &Limits::default()) {
        Ok(root) => Ok(root),
        Err(_) => Ok(without_places(&plain)),
    }
}

fn without_places(value: &serde_json::Value) -> Node {
    use serde_json::Value as Json;
    let at = yaml::Position::default();
    let value = match value {
        Json::Null => {
            return Node {
                at,
                value: Value::Scalar {
                    text: String::new(),
                    is: yaml::Resolved::Null,
                },
            };
        }
        Json::Bool(value) => Value::Scalar {
            text: value.to_string(),
            is: yaml::Resolved::Bool(*value),
        },
        Json::Number(number) => {
            let text = number.to_string();
            let is = yaml::scalar::resolve(&text);
            Value::Scalar { text, is }
        }
        Json::String(text) => return Node::text(at, text.as_str()),
        Json::Array(items) => Value::List(items.iter().map(without_places).collect()),
        Json::Object(map) => Value::Map(
            map.iter()
                .map(|(key, value)| Entry {
                    key: key.clone(),
                    key_at: at,
                    value: without_places(value),
                })
                .collect(),
        ),
    };
    Node { at, value }
}

fn place(at: yaml::Position) -> Place {
    Place {
        file: 0,
        line: at.line,
        column: at.column,
    }
}

struct Reader<'r> {
    told: Told,
    given: &'r [(String, String)],
    /// Of which file add-ons are read.
    file: u16,
    images: Images,
    /// Not where `heroku.yml` says what runs.
    procfile_counts: bool,
    import: Import,
    processes: IndexMap<String, Process>,
    /// `scripts.postdeploy`.
    postdeploy: Option<Process>,
    env: IndexMap<EnvName, EnvValue>,
    uses: Vec<Use>,
}

/// Reads what is there. `given` are values for the variables of `app.json`.
pub fn read(
    files: Files,
    name: Option<&Name>,
    fallback: Option<&Name>,
    given: &[(String, String)],
) -> Import {
    let mut told = Told {
        files: vec![APP_JSON, PROCFILE, MANIFEST]
            .into_iter()
            .map(str::to_owned)
            .collect(),
        ..Told::default()
    };
    let root = match files.app_json.map(json) {
        None => Node::map(yaml::Position::default(), Vec::new()),
        Some(Ok(root)) => root,
        Some(Err(error)) => {
            let (line, column) = placed(&error);
            told.error(
                problem::SPEC_SYNTAX,
                Place { file: 0, line, column },
                "",
                format!("app.json is no JSON: {error}."),
                "Look at this line and the one above: a comma, a quote or a bracket that is missing or too much.",
            );
            Node::map(yaml::Position::default(), Vec::new())
        }
    };
    let own = root
        .get("name")
        .and_then(Node::as_text)
        .and_then(Name::suggest);
    let app = name
        .cloned()
        .or(own)
        .or_else(|| fallback.cloned())
        .unwrap_or_else(|| "app".parse().expect("a name"));
    let processes = procfile::read(files.procfile.unwrap_or_default(), &mut told);
    let mut reader = Reader {
        told,
        given,
        file: 0,
        images: Images::default(),
        procfile_counts: true,
        import: Import::empty(app),
        processes,
        postdeploy: None,
        env: IndexMap::new(),
        uses: Vec::new(),
    };
    if let Some(text) = files.manifest {
        reader.manifest(text, &root);
    }
    reader.top(&root);
    reader.components(&root, files);
    let (procfile_counts, mut import) = (reader.procfile_counts, reader.import);
    import.report = reader.told.rows;
    for row in &mut import.report {
        // Rows of the first file name it where there are two.
        if row.file.is_none() && row.line.is_some() && files.app_json.is_some() {
            row.file = Some(APP_JSON.to_owned());
        }
    }
    import.errors = reader.told.errors;
    if import.errors.is_empty() {
        import.errors = crate::validate(&import.spec);
    }
    import.why = [
        files.procfile.map(|_| PROCFILE),
        files.app_json.map(|_| APP_JSON),
        files.manifest.map(|_| MANIFEST),
    ]
    .into_iter()
    .flatten()
    .map(|file| match file {
        PROCFILE if !procfile_counts => "Procfile does not count beside heroku.yml.".to_owned(),
        PROCFILE => "Procfile says which processes run.".to_owned(),
        MANIFEST => "heroku.yml says what is built and which processes run.".to_owned(),
        _ => "app.json says what they need.".to_owned(),
    })
    .collect();
    import
}

/// `… at line 3 column 5`, as serde_json says it.
fn placed(error: &str) -> (u32, u32) {
    let mut words = error.rsplit(' ');
    let column = words.next().and_then(|word| word.parse().ok());
    let line = words.nth(1).and_then(|word| word.parse().ok());
    (line.unwrap_or(0), column.unwrap_or(0))
}

impl Reader<'_> {
    /// The component of a process that a part of `app.json` speaks of.
    fn process<'n>(
        &mut self,
        at: Place,
        path: &str,
        process: &str,
        names: &'n IndexMap<String, Name>,
    ) -> Option<&'n Name> {
        let name = names.get(process);
        if name.is_none() {
            self.told.refused(
                at,
                path,
                format!("There is no process `{process}`."),
                "Add it to the Procfile, or remove it here.",
            );
        }
        name
    }

    fn top(&mut self, root: &Node) {
        for entry in root.entries() {
            let (key, at) = (entry.key.as_str(), place(entry.key_at));
            match key {
                "name" => {
                    let text = entry.value.as_text().unwrap_or_default();
                    if text != self.import.spec.name.as_str() {
                        self.import.spec.display_name = Some(text.to_owned())
                            .filter(|text| (1..=100).contains(&text.chars().count()));
                        let message =
                            format!("The application is called `{}`.", self.import.spec.name);
                        self.told.adapted(at, key, message);
                    }
                }
                "env" => self.variables(&entry.value, at),
                "addons" => self.addons(&entry.value, at, key),
                "buildpacks" => self.buildpacks(&entry.value),
                "scripts" => self.scripts(&entry.value, "scripts"),
                // With the components, below.
                "formation" | "healthchecks" | "cron" => {}
                "description" | "keywords" | "website" | "repository" | "logo" | "success_url"
                | "generator" | "$schema" => {
                    self.told
                        .ignored(at, key, "It is for people who look for the application.");
                }
                "stack" => self.told.ignored(
                    at,
                    key,
                    "The image is built upon Debian, whatever stack Heroku would take.",
                ),
                "features" => self.told.ignored(at, key, "Features of Heroku's platform."),
                "image" => self.told.refused(
                    at,
                    key,
                    "An image of Heroku's own to build in is not taken.",
                    "Add a Dockerfile to the source if what is detected does not fit.",
                ),
                "environments" => {
                    for inner in entry.value.entries() {
                        self.told.ignored(
                            place(inner.key_at),
                            &format!("environments.{}", inner.key),
                            "It changes what Heroku's pipelines make for tests and reviews only; `pluvio copy` makes a place beside this one.",
                        );
                    }
                }
                _ => self.unknown(entry, key, &KEYS),
            }
        }
    }

    fn unknown(&mut self, entry: &Entry, path: &str, known: &[&str]) {
        self.unknown_at(entry, path, known, place(entry.key_at));
    }

    fn unknown_at(&mut self, entry: &Entry, path: &str, known: &[&str], at: Place) {
        let remedy = match crate::suggest::nearest(&entry.key, known.iter().copied()) {
            Some(near) => format!("Did you mean `{near}`? Otherwise remove it."),
            None => "Remove it.".to_owned(),
        };
        let message = format!("There is no key `{}` here.", entry.key);
        self.told.refused(at, path, message, remedy);
    }

    fn buildpacks(&mut self, node: &Node) {
        const DETECTED: [&str; 7] = ["nodejs", "python", "go", "static", "nginx", "php", "node"];
        let Value::List(items) = &node.value else {
            return;
        };
        for (index, item) in items.iter().enumerate() {
            let url = item
                .get("url")
                .and_then(Node::as_text)
                .or(item.as_text())
                .unwrap_or_default();
            let (at, path) = (place(item.at), format!("buildpacks[{index}]"));
            let known = DETECTED
                .iter()
                .take(4)
                .any(|known| url.trim_end_matches(".git").ends_with(known));
            if known {
                let message = format!(
                    "`{url}` is not run: what the source is, is detected, and built by Pluvio."
                );
                self.told.adapted(at, &path, message);
            } else {
                self.told.refused(
                    at,
                    &path,
                    format!("The buildpack `{url}` is not run."),
                    "What it does can be a step of a Dockerfile in the source.",
                );
            }
        }
    }

    /// What every component of a process's image has.
    fn component(&self, process: &str) -> ComponentSpec {
        let (source, build) = match self.images.source(process) {
            Some((source, build)) => (source, Some(build)),
            None => (SourceSpec::Path(".".into()), None),
        };
        ComponentSpec {
            source: Some(source),
            build,
            env: self.env.clone(),
            uses: self.uses.clone(),
            ..ComponentSpec::default()
        }
    }

    fn components(&mut self, root: &Node, files: Files) {
        let release = self.processes.shift_remove("release");
        if self.processes.is_empty() {
            // Without a Procfile what is detected is the web process.
            let process = Process {
                command: String::new(),
                at: Place::default(),
            };
            self.processes.insert("web".to_owned(), process);
        }
        let mut names: IndexMap<String, Name> = IndexMap::new();
        for (process, said) in self.processes.clone() {
            let Some(name) = Name::suggest(&process) else {
                let remedy = "Write letters, digits and dashes.";
                self.told.invalid(
                    said.at,
                    &process,
                    format!("`{process}` is no name."),
                    remedy,
                );
                continue;
            };
            if self.import.spec.components.contains_key(&name) {
                self.told.invalid(
                    said.at,
                    &process,
                    format!("Two parts of the application would be called `{name}`."),
                    "Give the process another name.",
                );
                continue;
            }
            if name.as_str() != process {
                self.told.adapted(
                    said.at,
                    &process,
                    format!("The component is called `{name}`."),
                );
            }
            let is_web = process == "web";
            let component = ComponentSpec {
                command: (!said.command.is_empty()).then(|| command_of(&said.command)),
                routes: (!is_web).then(Vec::new),
                ..self.component(&process)
            };
            self.import.spec.components.insert(name.clone(), component);
            names.insert(process, name);
        }
        if let Some(release) = release {
            // It runs with what the web process has, or the first there is.
            let own = self.images.of_release(names.keys());
            let own = own.and_then(|process| names.get(process));
            let first = own.or(names.get("web")).or(names.values().next()).cloned();
            if let Some(component) =
                first.and_then(|name| self.import.spec.components.get_mut(&name))
            {
                component.release = Some(ReleaseTask {
                    command: command_of(&release.command),
                    timeout: None,
                });
                self.told.adapted(
                    release.at,
                    "release",
                    "It runs before the instances of each release start; where it fails, the release does.",
                );
            }
        }
        if let Some(script) = self.postdeploy.take() {
            self.postdeploy(&script, &names);
        }
        self.formation(root.get("formation"), &names, files);
        self.health(root.get("healthchecks"), &names);
        self.cron(root.get("cron"));
    }
}

#[cfg(test)]
mod tests;
