//! The specification that goes along, so that a file which nobody changed comes back as it was.

use pluvio_model::spec::AppSpec;
use serde_json::{Value, json};

use super::{document, escaped};
use crate::report::Row;
use crate::yaml::{self, Limits, Node};

/// The key under which the specification goes along.
pub(crate) const OWN: &str = "x-pluvio";

/// Beside the specification: its dollars are escaped. Files without it are of before.
const ESCAPED: &str = "escaped";

/// `before`: as files were written once, which docker compose stops at or takes otherwise: dollars here are not escaped,
/// memory hides the files below it, and modes with four digits are decimal numbers.
pub(super) fn written(spec: &AppSpec, before: bool) -> (String, Vec<Row>) {
    let (mut document, rows) = document(spec, before);
    let mut own = json!({ "spec": spec });
    if !before {
        escape_all(&mut own);
        own[ESCAPED] = true.into();
    }
    document.insert(OWN.to_owned(), own);
    // Compose takes a text for a decimal number, so that a mode's octal one has no quotes.
    let bare = |path: &[&str]| matches!(path, ["services", _, "configs", "mode"]);
    let text = yaml::write::write_with(&Value::Object(document), &|_| false, &bare);
    (text, rows)
}

/// The specification of a file that was exported and not changed since.
pub(crate) fn read_back(root: &Node) -> Option<AppSpec> {
    let own = root.get(OWN)?;
    let before = own.get(ESCAPED).is_none();
    let limits = Limits {
        compose: true,
        ..Limits::default()
    };
    let mut own = own.get("spec")?.clone();
    if !before {
        unescape_all(&mut own);
    }
    let spec: AppSpec = yaml::de::from_node(&own).ok()?;
    let (text, _) = written(&spec, before);
    let again = yaml::read(&text, &limits).ok()?;
    same(&again, root).then_some(spec)
}

/// The same keys and values, wherever they stand.
fn same(a: &Node, b: &Node) -> bool {
    use yaml::Value as Yaml;
    match (&a.value, &b.value) {
        (Yaml::Map(a), Yaml::Map(b)) => {
            a.len() == b.len()
                && a.iter().all(|entry| {
                    b.iter()
                        .any(|other| other.key == entry.key && same(&entry.value, &other.value))
                })
        }
        (Yaml::List(a), Yaml::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Yaml::Scalar { text: a, .. }, Yaml::Scalar { text: b, .. }) => a == b,
        (a, b) => a == b,
    }
}

/// Compose reads no variables in keys.
fn escape_all(value: &mut Value) {
    match value {
        Value::String(text) => *text = escaped(text),
        Value::Array(items) => items.iter_mut().for_each(escape_all),
        Value::Object(map) => map.values_mut().for_each(escape_all),
        _ => {}
    }
}

fn unescape_all(node: &mut Node) {
    use yaml::Value as Yaml;
    match &mut node.value {
        Yaml::Scalar { text, .. } => *text = text.replace("$$", "$"),
        Yaml::List(items) => items.iter_mut().for_each(unescape_all),
        Yaml::Map(entries) => entries
            .iter_mut()
            .for_each(|entry| unescape_all(&mut entry.value)),
        Yaml::Gone => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_and_modes_come_back_from_files_of_now_and_of_before() {
        let share = json!({ "type": "cifs", "device": "//nas/a$b", "o": "password=x$$y" });
        let spec: AppSpec = serde_json::from_value(json!({
            "name": "shop",
            // The services do not show it.
            "displayName": "5$$",
            "components": { "web": {
                "image": "localhost/web:1",
                "files": { "/etc/a": { "content": "a", "mode": "1755" } },
                "volumes": { "/media": { "name": "media", "options": share } },
            } },
        }))
        .unwrap();
        let limits = Limits {
            compose: true,
            ..Limits::default()
        };
        for before in [false, true] {
            let (text, _) = written(&spec, before);
            let root = yaml::read(&text, &limits).unwrap();
            assert_eq!(read_back(&root).as_ref(), Some(&spec), "{text}");
            let (services, _) = text.split_once(OWN).unwrap();
            assert!(
                services.contains("//nas/a$$b") && services.contains("x$$$$y"),
                "{text}"
            );
            assert_eq!(services.contains("01755"), !before, "{text}");
        }
    }
}
