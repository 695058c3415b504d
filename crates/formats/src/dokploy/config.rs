//! What a `template.toml` says: environment, domains, files.

use std::collections::{BTreeMap, HashMap};

use indexmap::IndexMap;
use pluvio_model::problem;

use super::expand::{Helpers, Piece, Pieces, Secrets};
use super::{around, place};
use crate::compose::item::{Place, Told};
use crate::yaml::{Entry, Node, Position, Value};

/// Domains of a template: each is looked for in every service.
const DOMAINS_MAX: usize = 200;

pub(super) struct Domain {
    pub(super) service: String,
    pub(super) port: u16,
    pub(super) host: String,
    pub(super) path: Option<String>,
    pub(super) at: Position,
}

/// What the TOML says.
pub(super) struct Config {
    pub(super) env: IndexMap<String, (Pieces, Place)>,
    pub(super) files: BTreeMap<String, (Pieces, Place)>,
    pub(super) domains: Vec<Domain>,
    pub(super) hosts: usize,
    pub(super) secrets: Secrets,
}

pub(super) fn config(
    root: &Node,
    app: &str,
    given: &[(String, String)],
    told: &mut Told,
) -> Option<Config> {
    let mut helpers = Helpers::new(root.get("variables"), app, given, told);
    let mut config = Config {
        env: IndexMap::new(),
        files: BTreeMap::new(),
        domains: Vec::new(),
        hosts: 0,
        secrets: Secrets::new(),
    };
    for entry in root.entries() {
        match entry.key.as_str() {
            "variables" | "config" => {}
            other => unknown(other, entry, &["variables", "config"], told),
        }
    }
    let known = ["env", "domains", "mounts", "isolated", "version"];
    for entry in root.get("config").map(Node::entries).unwrap_or_default() {
        let path = format!("config.{}", entry.key);
        match entry.key.as_str() {
            "env" => env(&entry.value, &path, &mut config, &mut helpers, told),
            "domains" => domains(&entry.value, &path, &mut config, &mut helpers, told),
            "mounts" => mounts(&entry.value, &path, &mut config, &mut helpers, told),
            "isolated" => told.ignored(
                place(entry.key_at),
                &path,
                "Every application has a network of its own.",
            ),
            "version" => told.ignored(
                place(entry.key_at),
                &path,
                "It says how Dokploy is to read the file.",
            ),
            _ => unknown(&path, entry, &known, told),
        }
    }
    if helpers.too_large {
        told.error(
            problem::SPEC_TOO_LARGE,
            place(root.at),
            "variables",
            "The template makes too much: megabytes of text, or hundreds of secrets, hosts or domains.",
            "Put less into variables that others name.",
        );
        return None;
    }
    helpers.tell_unused(told);
    config.hosts = helpers.hosts.len();
    config.secrets = helpers.secrets;
    Some(config)
}

fn unknown(path: &str, entry: &Entry, known: &[&str], told: &mut Told) {
    let remedy = match crate::suggest::nearest(&entry.key, known.iter().copied()) {
        Some(near) => format!(" Did you mean `{near}`?"),
        None => String::new(),
    };
    told.ignored(
        place(entry.key_at),
        path,
        format!(
            "A template has no `{}` here; Dokploy does not read it either.{remedy}",
            entry.key
        ),
    );
}

fn env(node: &Node, path: &str, config: &mut Config, helpers: &mut Helpers, told: &mut Told) {
    let mut put = |key: &str, value: &Node, helpers: &mut Helpers, told: &mut Told| {
        let key = key.trim();
        let (at, path) = (place(value.at), format!("{path}.{key}"));
        let Some(text) = value.as_text() else {
            told.refused(
                at,
                &path,
                "A variable's value is a text.",
                "Write it in quotes.",
            );
            return;
        };
        let pieces = match helpers.given(key) {
            Some(given) => Pieces(vec![Piece::Text(given.to_owned())]),
            None => helpers.expand(text.trim(), key, at, &path, told).unquoted(),
        };
        config.env.insert(key.to_owned(), (pieces, at));
    };
    match &node.value {
        Value::Map(entries) => {
            for entry in entries {
                put(&entry.key, &entry.value, helpers, told);
            }
        }
        Value::List(items) => {
            for item in items {
                match &item.value {
                    Value::Scalar { text, .. } => {
                        let line = text.trim();
                        if line.is_empty() || line.starts_with('#') {
                            continue;
                        }
                        match line.split_once('=') {
                            Some((key, value)) => {
                                put(key, &Node::text(item.at, value), helpers, told);
                            }
                            None => told.refused(
                                place(item.at),
                                path,
                                format!("`{line}` gives no value."),
                                "Write KEY=value.",
                            ),
                        }
                    }
                    Value::Map(entries) => {
                        let text = |key: &str| item.get(key).and_then(Node::as_text);
                        match (text("name").or(text("key")), item.get("value")) {
                            (Some(key), Some(value)) => put(key, value, helpers, told),
                            _ => entries
                                .iter()
                                .for_each(|entry| put(&entry.key, &entry.value, helpers, told)),
                        }
                    }
                    _ => {}
                }
            }
        }
        _ => told.refused(
            place(node.at),
            path,
            "It is neither a table nor a list.",
            "Write [config.env] with KEY = \"value\" below it.",
        ),
    }
    // Values may name other variables of the environment, as in any `.env`.
    let plain: HashMap<String, String> = config
        .env
        .iter()
        .filter_map(|(key, (pieces, _))| Some((key.clone(), pieces.plain()?)))
        .filter(|(_, text)| text.len() <= 4096 && !text.contains("${"))
        .collect();
    let app = helpers.app.clone();
    for (key, (pieces, _)) in &mut config.env {
        for piece in &mut pieces.0 {
            if let Piece::Text(text) = piece
                && text.contains("${")
            {
                *text = with_known(text, |name| {
                    let (name, default) = match name.split_once(":-") {
                        Some((name, default)) => (name, Some(default.to_owned())),
                        None => (name, None),
                    };
                    let known = match name {
                        "APP_NAME" | "COMPOSE_PROJECT_NAME" => Some(app.clone()),
                        _ if name == key => None,
                        _ => plain.get(name).cloned(),
                    };
                    known
                        .or(default)
                        .filter(|text| helpers.has_room(text.len()))
                });
            }
        }
    }
}

/// Puts in what is known of `${NAME}`; the rest stays.
fn with_known(text: &str, mut known: impl FnMut(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(dollar) = rest.find("${") {
        let Some(end) = rest[dollar..].find('}').map(|end| dollar + end) else {
            break;
        };
        out.push_str(&rest[..dollar]);
        match known(&rest[dollar + 2..end]) {
            Some(value) => out.push_str(&value),
            None => out.push_str(&rest[dollar..=end]),
        }
        rest = &rest[end + 1..];
    }
    out + rest
}

/// Tables of a list; an empty one stands for nothing.
fn tables<'n>(node: &'n Node, path: &str, told: &mut Told) -> Vec<&'n Node> {
    let items = match &node.value {
        Value::List(items) => items.iter().collect(),
        Value::Map(_) => vec![node],
        _ => Vec::new(),
    };
    items
        .into_iter()
        .filter(|item| match &item.value {
            Value::Map(entries) if entries.is_empty() => {
                told.ignored(place(item.at), path, "It is empty.");
                false
            }
            Value::Map(_) => true,
            _ => {
                told.refused(
                    place(item.at),
                    path,
                    "It is no table.",
                    "Write it as a table.",
                );
                false
            }
        })
        .collect()
}

fn domains(node: &Node, path: &str, config: &mut Config, helpers: &mut Helpers, told: &mut Told) {
    for (index, item) in tables(node, path, told).into_iter().enumerate() {
        if index == DOMAINS_MAX {
            helpers.too_large = true;
            return;
        }
        let path = format!("{path}[{index}]");
        let text = |key: &str| item.get(key).and_then(Node::as_text).map(str::trim);
        for entry in item.entries() {
            let inner = format!("{path}.{}", entry.key);
            match entry.key.as_str() {
                "serviceName" | "port" | "host" | "path" => {}
                "env" => {
                    told.adapted(
                        place(entry.key_at),
                        &inner,
                        "It stands below the domain, and counts as [config.env].",
                    );
                    env(&entry.value, "config.env", config, helpers, told);
                }
                "tls" | "https" | "certResolver" | "certificateType" => told.ignored(
                    place(entry.key_at),
                    &inner,
                    "The gateway speaks TLS wherever it has a certificate.",
                ),
                "name" | "description" => {
                    told.ignored(place(entry.key_at), &inner, "It is a note.");
                }
                _ => unknown(
                    &inner,
                    entry,
                    &["serviceName", "port", "host", "path"],
                    told,
                ),
            }
        }
        let Some(service) = text("serviceName").filter(|name| !name.is_empty()) else {
            told.refused(
                place(item.at),
                &path,
                "The domain names no service.",
                "Write serviceName = \"…\".",
            );
            continue;
        };
        let Some(port) = text("port")
            .and_then(|port| port.parse().ok())
            .filter(|port| *port > 0)
        else {
            told.refused(
                place(item.at),
                &format!("{path}.port"),
                "It names no port from 1 to 65535.",
                "Write port = 80.",
            );
            continue;
        };
        let asked = text("host").unwrap_or_default();
        let inner = format!("{path}.host");
        let made = helpers.expand(asked, "domain", place(item.at), &inner, told);
        let mut host = made.plain().unwrap_or_default();
        if host.is_empty() || !host.contains('.') {
            host = helpers
                .expand("${domain}", "domain", place(item.at), &inner, told)
                .plain()
                .unwrap_or_default();
        }
        config.domains.push(Domain {
            service: service.to_owned(),
            port,
            host,
            path: text("path")
                .filter(|path| !matches!(*path, "" | "/"))
                .map(str::to_owned),
            at: item.at,
        });
    }
}

fn mounts(node: &Node, path: &str, config: &mut Config, helpers: &mut Helpers, told: &mut Told) {
    for (index, item) in tables(node, path, told).into_iter().enumerate() {
        let path = format!("{path}[{index}]");
        let text = |key: &str| item.get(key).and_then(Node::as_text);
        let (Some(file), Some(content)) = (text("filePath"), text("content")) else {
            told.ignored(
                place(item.at),
                &path,
                "It gives no file with content: what is mounted is said by the compose file.",
            );
            continue;
        };
        for entry in item.entries() {
            if !matches!(entry.key.as_str(), "filePath" | "content") {
                told.ignored(
                    place(entry.key_at),
                    &format!("{path}.{}", entry.key),
                    "Dokploy does not read it either: the compose file says where it is mounted.",
                );
            }
        }
        let stem: String = file.rsplit('/').next().unwrap_or(file).to_owned();
        let at = place(item.at);
        let made = helpers.expand(content, &stem, at, &format!("{path}.content"), told);
        config.files.insert(around::inside(file), (made, at));
    }
}
