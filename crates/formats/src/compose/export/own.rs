//! The specification that goes along, so that a file which nobody changed comes back as it was.

use pluvio_model::spec::AppSpec;
use serde_json::{Value, json};

use super::{document, escaped};
use crate::report::Row;
use crate::yaml::{self, Limits, Node};

/// The key under which the specification goes along.
pub(crate) const OWN: &str = "x-pluvio";

/// `before`: as files were written once, which docker compose stops at or takes otherwise: dollars here are not escaped,
/// and memory hides the files below it.
pub(super) fn written(spec: &AppSpec, before: bool) -> (String, Vec<Row>) {
    let (mut document, rows) = document(spec, before);
    let mut own = json!(spec);
    if !before {
        escape_all(&mut own);
    }
    document.insert(OWN.to_owned(), json!({ "spec": own }));
    // Compose takes a text for a decimal number, so that a mode's octal one has no quotes.
    let bare = |path: &[&str]| matches!(path, ["services", _, "configs", "mode"]);
    let text = yaml::write::write_with(&Value::Object(document), &|_| false, &bare);
    (text, rows)
}

/// The specification of a file that was exported and not changed since.
pub(crate) fn read_back(root: &Node) -> Option<AppSpec> {
    let own = root.get(OWN)?.get("spec")?;
    let limits = Limits {
        compose: true,
        ..Limits::default()
    };
    [false, true].into_iter().find_map(|before| {
        let mut own = own.clone();
        if !before {
            unescape_all(&mut own);
        }
        let spec: AppSpec = yaml::de::from_node(&own).ok()?;
        let (text, _) = written(&spec, before);
        let again = yaml::read(&text, &limits).ok()?;
        same(&again, root).then_some(spec)
    })
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
