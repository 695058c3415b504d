//! `healthchecks` of `app.json`, as Dokku has them: probes.

use indexmap::IndexMap;
use pluvio_model::name::Name;
use pluvio_model::quantity::Span;
use pluvio_model::spec::{Command, HttpProbe, PortRef, Probe, Probes, TcpProbe};

use super::{Reader, place};
use crate::yaml::{Node, Value};

impl Reader<'_> {
    pub(super) fn health(&mut self, node: Option<&Node>, names: &IndexMap<String, Name>) {
        for entry in node.map(Node::entries).unwrap_or_default() {
            let (at, path) = (place(entry.key_at), format!("healthchecks.{}", entry.key));
            let Some(name) = self.process(at, &path, &entry.key, names) else {
                continue;
            };
            let Value::List(items) = &entry.value.value else {
                self.told.invalid(
                    at,
                    &path,
                    "It is not a list.",
                    "Write [{ \"type\": \"startup\", … }].",
                );
                continue;
            };
            let mut probes = Probes::default();
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                let kind = item
                    .get("type")
                    .and_then(Node::as_text)
                    .unwrap_or("startup");
                let Some(probe) = self.probe(item, &path) else {
                    continue;
                };
                let slot = match kind {
                    "startup" => &mut probes.startup,
                    "readiness" => &mut probes.ready,
                    "liveness" => &mut probes.live,
                    _ => {
                        self.told.refused(
                            place(item.at),
                            &path,
                            format!("There is no kind of check `{kind}`."),
                            "Write startup, readiness or liveness.",
                        );
                        continue;
                    }
                };
                if slot.is_some() {
                    self.told.refused(
                        place(item.at),
                        &path,
                        format!("A second check of the kind `{kind}` is not asked."),
                        "Let one command ask both.",
                    );
                    continue;
                }
                *slot = Some(probe);
            }
            // Who must start is ready by the same question.
            if probes.ready.is_none()
                && let Some(startup) = &probes.startup
            {
                probes.ready = Some(Probe {
                    failures: None,
                    ..startup.clone()
                });
            }
            if probes != Probes::default() {
                self.import.spec.components[name].probes = Some(probes);
            }
        }
    }

    fn probe(&mut self, item: &Node, path: &str) -> Option<Probe> {
        let text = |key: &str| item.get(key).and_then(Node::as_text);
        let number = |key: &str| text(key).and_then(|text| text.parse::<u32>().ok());
        let port = number("port")
            .and_then(|port| u16::try_from(port).ok())
            .map(PortRef::Number);
        let seconds = |key: &str| {
            number(key)
                .filter(|count| *count > 0)
                .map(|count| Span::seconds(u64::from(count)))
        };
        let words: Option<Vec<String>> = match item.get("command").map(|node| &node.value) {
            Some(Value::List(words)) => Some(
                words
                    .iter()
                    .filter_map(Node::as_text)
                    .map(str::to_owned)
                    .collect(),
            ),
            Some(Value::Scalar { text, .. }) => {
                Some(vec!["sh".to_owned(), "-c".to_owned(), text.clone()])
            }
            _ => None,
        };
        let mut probe = Probe {
            http: None,
            tcp: None,
            command: None,
            period: seconds("wait"),
            timeout: seconds("timeout"),
            delay: seconds("initialDelay"),
            failures: number("attempts").filter(|count| *count > 0),
            successes: None,
        };
        let mut headers = IndexMap::new();
        for entry in item.entries() {
            let (at, inner) = (place(entry.key_at), format!("{path}.{}", entry.key));
            match entry.key.as_str() {
                "type" | "path" | "command" | "attempts" | "timeout" | "wait" | "initialDelay"
                | "port" => {}
                "name" => self.told.ignored(at, &inner, "It is a note."),
                "listening" => {
                    self.told
                        .adapted(at, &inner, "A connection to the port is the check.")
                }
                "scheme"
                    if text("scheme").is_some_and(|scheme| scheme.eq_ignore_ascii_case("http")) => {
                }
                "httpHeaders" => {
                    let Value::List(all) = &entry.value.value else {
                        continue;
                    };
                    for header in all {
                        let part = |key: &str| header.get(key).and_then(Node::as_text);
                        if let (Some(name), Some(value)) = (part("name"), part("value")) {
                            headers.insert(name.to_owned(), value.to_owned());
                        }
                    }
                }
                other => self.told.refused(
                    at,
                    &inner,
                    format!("`{other}` of a check is not given."),
                    "Ask by a command instead: \"command\": [\"…\"].",
                ),
            }
        }
        if let Some(words) = words {
            probe.command = Some(Command::Words(words));
        } else if let Some(path) = text("path") {
            probe.http = Some(HttpProbe {
                path: path.to_owned(),
                port,
                headers,
                host: None,
                status: None,
            });
        } else if text("listening") == Some("true") || port.is_some() {
            probe.tcp = Some(TcpProbe { port });
        } else {
            self.told.refused(
                place(item.at),
                path,
                "It does not say what is asked.",
                "Write \"path\", \"command\" or \"listening\": true.",
            );
            return None;
        }
        Some(probe)
    }
}
