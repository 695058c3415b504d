//! A component's own labels. Elsewhere they are free texts, some of them whole rules (``Host(`shop.test`)``); Kubernetes refuses a
//! pod with such a label.

use indexmap::IndexMap;
use serde_json::json;

use super::api::PodMetadata;
use super::key;
use super::refuse::is_label;

/// What is no label on Kubernetes becomes an annotation, whose value is free. Not so where the key has a prefix: programs of the
/// cluster act on such annotations (of networks, of security profiles), and labels need no permission. Those, and what would stand
/// in for a label of Pluvio's, are told together in one.
pub(super) fn add(own: &IndexMap<String, String>, to: &mut PodMetadata) {
    let mut others = IndexMap::new();
    for (name, value) in own {
        let is_taken = is_pluvios(name) || to.labels.contains_key(name);
        let into = if !is_taken && is_key(name) && is_value(value) {
            &mut to.labels
        } else if !is_taken && is_word(name) {
            &mut to.annotations
        } else {
            &mut others
        };
        into.insert(name.clone(), value.clone());
    }
    if !others.is_empty() {
        let told = json!(others).to_string();
        to.annotations.insert(key::LABELS.to_owned(), told);
    }
}

fn is_pluvios(name: &str) -> bool {
    let prefix = name.split_once('/').map(|(prefix, _)| prefix);
    prefix.is_some_and(|prefix| prefix == "pluvio.io" || prefix.ends_with(".pluvio.io"))
}

/// A qualified name (IsQualifiedName of Kubernetes' validation).
fn is_key(name: &str) -> bool {
    match name.split_once('/') {
        Some((prefix, name)) => {
            prefix.len() <= 253 && prefix.split('.').all(is_label) && is_word(name)
        }
        None => is_word(name),
    }
}

fn is_value(value: &str) -> bool {
    value.is_empty() || is_word(value)
}

fn is_word(word: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    word.len() <= 63
        && edge(word.chars().next())
        && edge(word.chars().next_back())
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}
