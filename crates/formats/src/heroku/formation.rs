//! `formation` and `cron` of `app.json`: how many of each process, how large, and what runs by the clock.

use indexmap::IndexMap;
use pluvio_model::name::Name;
use pluvio_model::quantity::Bytes;
use pluvio_model::spec::{ComponentSpec, Kind, MemoryRange, Resources, ScheduleIn, ScheduleSpec};

use super::procfile::command_of;
use super::{Files, Reader, place};
use crate::yaml::{Node, Value};

impl Reader<'_> {
    pub(super) fn formation(
        &mut self,
        node: Option<&Node>,
        names: &IndexMap<String, Name>,
        files: Files,
    ) {
        let mut scaled: Vec<&str> = Vec::new();
        for entry in node.map(Node::entries).unwrap_or_default() {
            let (at, path) = (place(entry.key_at), format!("formation.{}", entry.key));
            let Some(name) = self.process(at, &path, &entry.key, names) else {
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
                        self.told.adapted(at, &path, "It stands in place of the process's own command.");
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
        let says_processes = files.procfile.is_some() || files.manifest.is_some();
        for (process, name) in names {
            if process == "web" || scaled.contains(&process.as_str()) || !says_processes {
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

    pub(super) fn cron(&mut self, node: Option<&Node>) {
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
                command: Some(command_of(command)),
                schedule: Some(schedule),
                ..self.component("web")
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
