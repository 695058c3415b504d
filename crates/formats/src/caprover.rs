//! CapRover's one-click templates (`captainVersion: 4`): a compose subset with variables of its own.
//!
//! `$$cap_…` becomes a variable of compose, so that the rest goes the way of every compose file: one with a default is a
//! setting of the application, one whose default is made at random a generated secret.

use std::collections::HashMap;

use pluvio_model::name::Name;
use pluvio_model::problem::{self, Fix};
use pluvio_model::spec::SecretSpec;

use crate::compose::interpolate::Made;
use crate::compose::item::Place;
use crate::compose::load::{Loader, Variables};
use crate::compose::{Import, Surroundings, of_template};
use crate::yaml::{self, Entry, Limits, Node, Position, Resolved, Value};

/// Whether a text is such a template.
pub fn is_template(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("captainVersion:"))
}

/// Reads a template. `given` are values for its variables, by their names without `$$`.
pub fn read(
    text: &str,
    file: &str,
    name: Option<&Name>,
    fallback: Option<&Name>,
    given: &[(String, String)],
    around: &dyn Surroundings,
) -> Import {
    let stem = file.rsplit('/').next().unwrap_or(file);
    let stem = stem.split('.').next().unwrap_or(stem);
    let app = name
        .or(fallback)
        .cloned()
        .or_else(|| Name::suggest(stem))
        .unwrap_or_else(|| "app".parse().expect("a name"));
    let mut import = Import::empty(app.clone());
    let limits = Limits {
        compose: true,
        ..Limits::default()
    };
    let mut root = match yaml::read(text, &limits) {
        Ok(root) => root,
        Err(problems) => {
            import.errors = problems
                .into_iter()
                .map(|mut problem| {
                    problem.at.get_or_insert_default().file = Some(file.to_owned());
                    problem
                })
                .collect();
            return import;
        }
    };
    let mut loader = Loader::new(around);
    loader.told.files.push(file.to_owned());
    loader.lenient = true;
    loader.unordered = true;
    let declared = declared(&root, given, app.as_str(), &mut loader);
    let secrets = declared.secrets.clone();
    let about = root.get("caproverOneClickApp").cloned();
    if let Value::Map(entries) = &mut root.value {
        for entry in entries.iter() {
            let at = loader_place(entry.key_at);
            match entry.key.as_str() {
                "captainVersion" => loader.told.ignored(at, "captainVersion", "It tells CapRover how to read the file."),
                "caproverOneClickApp" => loader.told.ignored(
                    at,
                    "caproverOneClickApp",
                    "What it says to people is not part of the application; its variables are settings and secrets.",
                ),
                _ => {}
            }
        }
        entries.retain(|entry| {
            !matches!(entry.key.as_str(), "captainVersion" | "caproverOneClickApp")
        });
    }
    substitute(&mut root, &declared, app.as_str());
    services(&mut root, &declared, &mut loader);
    let made = |asked: &str| -> Option<Made> {
        secrets.contains_key(asked).then(|| Made {
            text: format!("${{{asked}}}"),
            template: format!("${{secrets.{asked}}}"),
            plain: false,
            setting: false,
        })
    };
    loader.dialect = Some(&made);
    let rule = |asked: &str| SecretSpec {
        generate: true,
        length: secrets.get(asked).map(|length| (*length).clamp(8, 256)),
        message: None,
    };
    loader.secret_rule = Some(&rule);
    let variables = Variables(
        declared
            .values
            .iter()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
    );
    let mut import = match of_template(root, file, app, &variables, loader) {
        Ok(import) => import,
        Err(errors) => return Import { errors, ..import },
    };
    import.why = vec![format!("{file} is a template of CapRover.")];
    if let Some(text) = about
        .as_ref()
        .and_then(|about| about.get("description"))
        .and_then(Node::as_text)
    {
        import.why.push(text.to_owned());
    }
    import
}

fn loader_place(at: Position) -> Place {
    Place {
        file: 0,
        line: at.line,
        column: at.column,
    }
}

/// The most variables of a template.
const VARIABLES_MAX: usize = 500;
/// The longest value that variables make of one, in bytes.
const VALUE_MAX: usize = 4096;
/// What values may make of keys altogether, in bytes.
const KEYS_GROWN_MAX: usize = 1 << 20;

struct Declared {
    /// What keys have grown by.
    grown: std::cell::Cell<usize>,
    /// `$$cap_db_pass` → `cap_db_pass`, the longest first.
    ids: Vec<(String, String)>,
    values: HashMap<String, String>,
    /// Generated, with their lengths.
    secrets: HashMap<String, u16>,
}

fn declared(root: &Node, given: &[(String, String)], app: &str, loader: &mut Loader) -> Declared {
    let mut declared = Declared {
        grown: std::cell::Cell::new(0),
        ids: Vec::new(),
        values: HashMap::new(),
        secrets: HashMap::new(),
    };
    let Some(Value::List(all)) = root
        .get("caproverOneClickApp")
        .and_then(|about| about.get("variables"))
        .map(|node| &node.value)
    else {
        return declared;
    };
    if all.len() > VARIABLES_MAX {
        loader.told.error(
            problem::SPEC_TOO_LARGE,
            Place::default(),
            "caproverOneClickApp.variables",
            format!(
                "The template has {} variables; at most {VARIABLES_MAX} are read.",
                all.len()
            ),
            "Leave out those that nothing names.",
        );
        return declared;
    }
    for variable in all {
        let text = |key: &str| variable.get(key).and_then(Node::as_text);
        let Some(id) = text("id") else { continue };
        let plain = id.trim_start_matches('$');
        let name: String = format!("cap_{}", plain.strip_prefix("cap_").unwrap_or(plain))
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        // Of two of one name the first counts.
        if declared
            .ids
            .iter()
            .any(|(known, other)| known == id || *other == name)
        {
            continue;
        }
        declared.ids.push((id.to_owned(), name.clone()));
        let default = text("defaultValue").unwrap_or_default();
        let asked = given
            .iter()
            .rev()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.clone());
        match asked {
            Some(value) => {
                declared.values.insert(name, value);
            }
            None if default.contains("$$cap_gen_random_hex(") => {
                let length = default
                    .split("$$cap_gen_random_hex(")
                    .nth(1)
                    .and_then(|rest| rest.split(')').next())
                    .and_then(|digits| digits.trim().parse().ok())
                    .unwrap_or(32);
                declared.secrets.insert(name, length);
            }
            None => {
                let optional = text("validRegex")
                    .is_none_or(|regex| matches!(regex, "/.*/" | "/^.*$/" | "/^(.*)$/"));
                let label = text("label").unwrap_or(id);
                let words = format!("{name} {label}").to_ascii_lowercase();
                let is_hidden = ["pass", "secret"].iter().any(|word| words.contains(word));
                let optional = optional || words.contains("optional");
                if default.is_empty() && !optional && is_hidden {
                    // Whoever installs it would make one up.
                    declared.secrets.insert(name, 32);
                    continue;
                }
                if default.is_empty() && !optional {
                    loader.told.error(
                        problem::SETTING_MISSING,
                        loader_place(variable.at),
                        &format!("caproverOneClickApp.variables.{name}"),
                        format!("The template asks for {label}, and nothing is given."),
                        format!("Give it: `--env {name}=…`."),
                    );
                    loader.told.offer(Fix::SetVariable {
                        name: name.clone(),
                        message: Some(label.to_owned()),
                    });
                }
                let default = default
                    .replace("$$cap_appname", app)
                    .replace("$$cap_root_domain", "localhost");
                declared.values.insert(name, default);
            }
        }
    }
    declared
        .ids
        .sort_by_key(|(id, _)| std::cmp::Reverse(id.len()));
    // Defaults may name other variables.
    for _ in 0..2 {
        let before = declared.values.clone();
        for value in declared.values.values_mut() {
            for (id, name) in &declared.ids {
                if value.contains(id.as_str())
                    && let Some(other) = before.get(name)
                    // Nothing useful grows so; what names itself would for ever.
                    && value.len() + other.len() * value.matches(id.as_str()).count() <= VALUE_MAX
                {
                    *value = value.replace(id.as_str(), other);
                }
            }
        }
    }
    declared
}

/// CapRover replaces text wherever it stands, keys too; its dollars are plain ones otherwise.
fn substitute(node: &mut Node, declared: &Declared, app: &str) {
    let replaced = |text: &str, is_key: bool| -> String {
        let mut text = text
            .replace("srv-captain--", "")
            .replace("$$cap_appname", app)
            .replace("$$cap_root_domain", "localhost");
        if is_key {
            for (id, name) in &declared.ids {
                if let Some(value) = declared.values.get(name)
                    && text.contains(id.as_str())
                    && declared.grown.get() < KEYS_GROWN_MAX
                {
                    let grown = value.len() * text.matches(id.as_str()).count();
                    declared.grown.set(declared.grown.get() + grown);
                    text = text.replace(id.as_str(), value);
                }
            }
            return text;
        }
        // First out of the way, then back as variables of compose.
        for (index, (id, _)) in declared.ids.iter().enumerate() {
            text = text.replace(id.as_str(), &format!("\u{1}{index}\u{2}"));
        }
        text = text.replace('$', "$$");
        for (index, (_, name)) in declared.ids.iter().enumerate() {
            text = text.replace(&format!("\u{1}{index}\u{2}"), &format!("${{{name}}}"));
        }
        text
    };
    match &mut node.value {
        Value::Scalar { text, is } => {
            let new = replaced(text, false);
            if new != *text {
                *text = new;
                if !matches!(is, Resolved::Text) {
                    *is = Resolved::Text;
                }
            }
        }
        Value::List(items) => items
            .iter_mut()
            .for_each(|item| substitute(item, declared, app)),
        Value::Map(entries) => {
            for entry in entries {
                entry.key = replaced(&entry.key, true);
                substitute(&mut entry.value, declared, app);
            }
        }
        Value::Gone => {}
    }
}

/// `caproverExtra` as what compose has for it.
fn services(root: &mut Node, declared: &Declared, loader: &mut Loader) {
    let Value::Map(entries) = &mut root.value else {
        return;
    };
    let Some(Value::Map(services)) = entries
        .iter_mut()
        .find(|entry| entry.key == "services")
        .map(|entry| &mut entry.value.value)
    else {
        return;
    };
    for service in services {
        let name = service.key.clone();
        let Value::Map(fields) = &mut service.value.value else {
            continue;
        };
        let extra = fields
            .iter()
            .position(|field| field.key == "caproverExtra")
            .map(|at| fields.remove(at));
        let path = format!("services.{name}.caproverExtra");
        let (mut port, mut web) = (80_u16, true);
        let at = extra.as_ref().map_or(service.key_at, |extra| extra.key_at);
        let mut lines = Vec::new();
        for field in extra.iter().flat_map(|extra| extra.value.entries()) {
            let here = loader_place(field.key_at);
            let inner = format!("{path}.{}", field.key);
            match (field.key.as_str(), &field.value.value) {
                ("containerHttpPort", Value::Scalar { text, .. }) => {
                    match resolved(text, declared).parse() {
                        Ok(number) => {
                            port = number;
                            loader.told.adapted(
                                here,
                                &inner,
                                format!("Port {number} is reached through the gateway."),
                            );
                        }
                        Err(_) => loader.told.invalid(
                            here,
                            &inner,
                            format!("`{text}` is not a port."),
                            "Write a number.",
                        ),
                    }
                }
                ("notExposeAsWebApp", Value::Scalar { text, .. }) => {
                    web = text.is_empty();
                    loader
                        .told
                        .adapted(here, &inner, "It is reached inside the application only.");
                }
                ("dockerfileLines", Value::List(items)) => {
                    lines.extend(
                        items
                            .iter()
                            .filter_map(|item| item.as_text().map(str::to_owned)),
                    );
                    loader
                        .told
                        .adapted(here, &inner, "Its image is built from these lines.");
                }
                ("websocketSupport", _) => {
                    loader
                        .told
                        .ignored(here, &inner, "The gateway speaks WebSocket always.")
                }
                (other, _) => loader.told.refused(
                    here,
                    &inner,
                    format!("There is no key `{other}` here."),
                    "Take it out.",
                ),
            }
        }
        fields.retain(|field| {
            let note = matches!(field.key.as_str(), "documentation" | "volume");
            if note {
                loader.told.ignored(
                    loader_place(field.key_at),
                    &format!("services.{name}.{}", field.key),
                    "CapRover does not read it either.",
                );
            }
            !note
        });
        let entry = |key: &str, value: Node| Entry {
            key: key.to_owned(),
            key_at: at,
            value,
        };
        if !lines.is_empty() {
            fields.retain(|field| field.key != "image");
            let inline = lines.join("\n").replace('$', "$$");
            // What was a variable of the template stays one.
            let inline = inline.replace("$${", "${").replace("$$$", "$$");
            let inner = vec![
                entry("context", Node::text(at, ".")),
                entry("dockerfile_inline", Node::text(at, inline)),
            ];
            fields.push(entry("build", Node::map(at, inner)));
        }
        if web {
            let long = vec![
                entry("target", Node::text(at, port.to_string())),
                entry("app_protocol", Node::text(at, "http")),
            ];
            let long = Node::map(at, long);
            match fields.iter_mut().find(|field| field.key == "ports") {
                Some(Entry {
                    value:
                        Node {
                            value: Value::List(items),
                            ..
                        },
                    ..
                }) => items.insert(0, long),
                _ => fields.push(entry(
                    "ports",
                    Node {
                        at,
                        value: Value::List(vec![long]),
                    },
                )),
            }
        }
    }
}

/// A text that is one of the template's variables.
fn resolved<'t>(text: &'t str, declared: &'t Declared) -> &'t str {
    let text = text.trim();
    let name = text
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'));
    name.and_then(|name| declared.values.get(name))
        .map_or(text, |value| value.trim())
}
