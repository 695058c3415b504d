//! Heroku's files: a `Procfile` and an `app.json` (with what Dokku adds to it), together.
//!
//! Each process of the Procfile becomes a component of the same source; `release` a task before each release; add-ons for
//! databases become databases; variables settings or generated secrets. What has no counterpart is named.

mod addons;
mod health;
pub mod procfile;
mod variables;

use indexmap::IndexMap;
use pluvio_model::name::{EnvName, Name};
use pluvio_model::problem;
use pluvio_model::quantity::Bytes;
use pluvio_model::spec::{
    ComponentSpec, EnvValue, Kind, MemoryRange, ReleaseTask, Resources, ScheduleIn, ScheduleSpec,
    SourceSpec, Use,
};

use crate::compose::Import;
use crate::compose::item::{Place, Told};
use crate::yaml::{self, Entry, Limits, Node, Value};
use procfile::{Process, command_of};

pub const PROCFILE: &str = "Procfile";
pub const APP_JSON: &str = "app.json";

/// The files, as far as they are there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Files<'f> {
    pub procfile: Option<&'f str>,
    pub app_json: Option<&'f str>,
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
    import: Import,
    processes: IndexMap<String, Process>,
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
        files: vec![APP_JSON.to_owned(), PROCFILE.to_owned()],
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
        import: Import::empty(app),
        processes,
        env: IndexMap::new(),
        uses: Vec::new(),
    };
    reader.top(&root);
    reader.components(&root, files);
    let mut import = reader.import;
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
    ]
    .into_iter()
    .flatten()
    .map(|file| match file {
        PROCFILE => "Procfile says which processes run.".to_owned(),
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
                "addons" => self.addons(&entry.value, at),
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
        let remedy = match crate::suggest::nearest(&entry.key, known.iter().copied()) {
            Some(near) => format!("Did you mean `{near}`? Otherwise remove it."),
            None => "Remove it.".to_owned(),
        };
        let message = format!("There is no key `{}` here.", entry.key);
        self.told
            .refused(place(entry.key_at), path, message, remedy);
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

    fn scripts(&mut self, node: &Node, path: &str) {
        for entry in node.entries() {
            let (at, inner) = (place(entry.key_at), format!("{path}.{}", entry.key));
            let text = entry.value.as_text().unwrap_or_default().to_owned();
            match entry.key.as_str() {
                "dokku" if path == "scripts" => self.scripts(&entry.value, &inner),
                "predeploy" if path != "scripts" && !self.processes.contains_key("release") => {
                    self.told
                        .adapted(at, &inner, "It becomes the task before each release.");
                    let process = Process { command: text, at };
                    self.processes.insert("release".to_owned(), process);
                }
                "postdeploy" | "predeploy" => self.told.refused(
                    at,
                    &inner,
                    "Nothing is run once, after an application was made.",
                    format!("Run it then: `pluvio run -- {text}`."),
                ),
                "pr-predestroy" | "test" | "test-setup" => self.told.ignored(
                    at,
                    &inner,
                    "It is for reviews and tests in Heroku's pipelines.",
                ),
                _ => {
                    let known = [
                        "postdeploy",
                        "pr-predestroy",
                        "test",
                        "test-setup",
                        "dokku",
                        "predeploy",
                    ];
                    self.unknown(entry, &inner, &known);
                }
            }
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
                source: Some(SourceSpec::Path(".".into())),
                command: (!said.command.is_empty()).then(|| command_of(&said.command)),
                env: self.env.clone(),
                uses: self.uses.clone(),
                routes: (!is_web).then(Vec::new),
                ..ComponentSpec::default()
            };
            self.import.spec.components.insert(name.clone(), component);
            names.insert(process, name);
        }
        if let Some(release) = release {
            // It runs with what the web process has, or the first there is.
            let first = names.get("web").or(names.values().next()).cloned();
            match first.and_then(|name| self.import.spec.components.get_mut(&name)) {
                Some(component) => {
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
                None => {}
            }
        }
        self.formation(root.get("formation"), &names, files);
        self.health(root.get("healthchecks"), &names);
        self.cron(root.get("cron"));
    }

    fn formation(&mut self, node: Option<&Node>, names: &IndexMap<String, Name>, files: Files) {
        let mut scaled: Vec<&str> = Vec::new();
        for entry in node.map(Node::entries).unwrap_or_default() {
            let (at, path) = (place(entry.key_at), format!("formation.{}", entry.key));
            let Some(name) = names.get(&entry.key) else {
                self.told.refused(
                    at,
                    &path,
                    format!("There is no process `{}`.", entry.key),
                    "Add it to the Procfile, or remove it here.",
                );
                continue;
            };
            scaled.push(&entry.key);
            let component = &mut self.import.spec.components[name];
            for inner in entry.value.entries() {
                let (at, path) = (place(inner.key_at), format!("{path}.{}", inner.key));
                let text = inner.value.as_text().unwrap_or_default();
                match inner.key.as_str() {
                    "quantity" => match text.parse::<u32>() {
                        Ok(quantity) if quantity <= 10_000 => component.instances = Some(quantity),
                        _ => self.told.invalid(
                            at,
                            &path,
                            format!("`{text}` is not a number of instances."),
                            "Write a number.",
                        ),
                    },
                    "size" => match memory_of(text) {
                        Some(mebibytes) => {
                            self.told.adapted(
                                at,
                                &path,
                                format!("`{text}` is at most {mebibytes} MiB of memory."),
                            );
                            component.resources = Some(Resources {
                                memory: Some(MemoryRange {
                                    request: None,
                                    limit: Some(Bytes(mebibytes << 20)),
                                }),
                                ..Resources::default()
                            });
                        }
                        None => self.told.refused(
                            at,
                            &path,
                            format!("There is no size `{text}`."),
                            "Set the memory after the deploy, or in app.yaml: `resources: { memory: { limit: … } }`.",
                        ),
                    },
                    "command" => {
                        component.command = Some(command_of(text));
                        self.told.adapted(at, &path, "It stands in place of the Procfile's command.");
                    }
                    other => self.told.refused(
                        at,
                        &path,
                        format!("`{other}` of a process is not given."),
                        "Take it out; `pluvio scale` sets the number of instances.",
                    ),
                }
            }
        }
        for (process, name) in names {
            if process == "web" || scaled.contains(&process.as_str()) || files.procfile.is_none() {
                continue;
            }
            self.import.spec.components[name].instances = Some(0);
            let at = self.processes[process].at;
            self.told.advised(
                at,
                process,
                "As on Heroku it does not run until it is scaled.",
                format!("`pluvio ps:scale {name}=1`, or in app.json `\"formation\": {{ \"{process}\": {{ \"quantity\": 1 }} }}`."),
            );
        }
    }

    fn cron(&mut self, node: Option<&Node>) {
        let Some(Value::List(items)) = node.map(|node| &node.value) else {
            return;
        };
        for (index, item) in items.iter().enumerate() {
            let (at, path) = (place(item.at), format!("cron[{index}]"));
            let text = |key: &str| item.get(key).and_then(Node::as_text);
            let (Some(command), Some(schedule)) = (text("command"), text("schedule")) else {
                let remedy = "Write \"command\" and \"schedule\".";
                self.told
                    .invalid(at, &path, "It has no command or no schedule.", remedy);
                continue;
            };
            let schedule = match schedule {
                "@hourly" => "0 * * * *",
                "@daily" | "@midnight" => "0 0 * * *",
                "@weekly" => "0 0 * * 0",
                "@monthly" => "0 0 1 * *",
                "@yearly" | "@annually" => "0 0 1 1 *",
                other => other,
            };
            let mut overlap = true;
            for entry in item.entries() {
                let (at, inner) = (place(entry.key_at), format!("{path}.{}", entry.key));
                match (
                    entry.key.as_str(),
                    entry.value.as_text().unwrap_or_default(),
                ) {
                    ("command" | "schedule", _) => {}
                    ("concurrency_policy", "forbid") => overlap = false,
                    ("concurrency_policy", "allow") => {}
                    ("maintenance", "false") => {}
                    _ => self.told.refused(
                        at,
                        &inner,
                        "This of a schedule is not given.",
                        "Take it out.",
                    ),
                }
            }
            let schedule = if overlap {
                ScheduleSpec::In(ScheduleIn {
                    cron: schedule.to_owned(),
                    time_zone: None,
                    overlap,
                })
            } else {
                ScheduleSpec::Cron(schedule.to_owned())
            };
            let name: Name = format!("cron-{}", index + 1).parse().expect("a name");
            self.told
                .adapted(at, &path, format!("It becomes the component `{name}`."));
            let component = ComponentSpec {
                kind: Kind::Cron,
                source: Some(SourceSpec::Path(".".into())),
                command: Some(command_of(command)),
                schedule: Some(schedule),
                env: self.env.clone(),
                uses: self.uses.clone(),
                ..ComponentSpec::default()
            };
            self.import.spec.components.insert(name, component);
        }
    }
}

/// Memory of Heroku's kinds of dynos, in MiB (devcenter.heroku.com/articles/dyno-sizes).
fn memory_of(size: &str) -> Option<u64> {
    Some(match size.to_ascii_lowercase().as_str() {
        "free" | "hobby" | "eco" | "basic" | "standard-1x" | "private-s" | "1x" => 512,
        "standard-2x" | "2x" => 1024,
        "private-m" | "performance-m" | "shield-m" => 2560,
        "performance-l" | "private-l" | "shield-l" | "performance" | "px" => 14 << 10,
        "performance-l-ram" | "private-l-ram" => 30 << 10,
        "performance-xl" | "private-xl" => 62 << 10,
        "performance-2xl" | "private-2xl" => 126 << 10,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
