//! `scripts` of `app.json`: what runs at certain times in an application's life.

use indexmap::IndexMap;
use pluvio_model::name::Name;
use pluvio_model::spec::{ComponentSpec, Kind, Use};

use super::procfile::{Process, command_of};
use super::{Reader, place};
use crate::yaml::Node;

impl Reader<'_> {
    pub(super) fn scripts(&mut self, node: &Node, path: &str) {
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
                // Dokku's own runs after each deploy.
                "postdeploy" if path != "scripts" => self.told.refused(
                    at,
                    &inner,
                    "Nothing is run after each deploy.",
                    "Make it the Procfile's `release`, which runs before the instances of each release start, or run it by hand: `pluvio run`.",
                ),
                "postdeploy" if text.trim().is_empty() => {
                    self.told.ignored(at, &inner, "It names no command.");
                }
                "postdeploy" => {
                    let process = Process { command: text, at };
                    self.postdeploy = Some(process);
                }
                "predeploy" if path == "scripts" => self.told.refused(
                    at,
                    &inner,
                    "It is one of Dokku's, which has its place in `scripts.dokku`.",
                    "Write it there, or as the Procfile's `release`.",
                ),
                "predeploy" => self.told.refused(
                    at,
                    &inner,
                    "A task before each release is there already.",
                    "Put both commands into one script, and name it as the Procfile's `release`.",
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

    /// Heroku runs it once, after the first deploy of what the file makes: a job that follows the web process, or the first
    /// there is, and runs once in the application's life.
    pub(super) fn postdeploy(&mut self, script: &Process, names: &IndexMap<String, Name>) {
        let taken = |name: &Name| self.import.spec.components.contains_key(name);
        let others = (2..).map(|number| format!("postdeploy-{number}"));
        let name = std::iter::once("postdeploy".to_owned())
            .chain(others)
            .map(|name| name.parse().expect("a name"))
            .find(|name| !taken(name))
            .expect("some number is free");
        let mut uses = self.uses.clone();
        let first = names.get("web").or(names.values().next());
        uses.extend(first.cloned().map(Use::Component));
        let after = first.map_or_else(String::new, |first| format!(" after `{first}` is ready,"));
        self.told.adapted(
            script.at,
            "scripts.postdeploy",
            format!(
                "It becomes the job `{name}`:{after} once in the application's life. Where it fails the release does, and the next one runs it again."
            ),
        );
        let component = ComponentSpec {
            kind: Kind::Job,
            once: true,
            command: Some(command_of(&script.command)),
            uses,
            ..self.component("web")
        };
        self.import.spec.components.insert(name, component);
    }
}
