//! The page about app.yaml: it names every key, and its examples are right.

use std::collections::BTreeSet;

use pluvio_formats::{app, schema};
use serde_json::Value as Json;

const PAGE: &str = include_str!("../../../docs/user-guide/app-yaml.md");

/// The keys of every object in the schema; maps with names of the user's choosing have none.
fn keys(schema: &Json, found: &mut BTreeSet<String>) {
    match schema {
        Json::Object(map) => {
            if let Some(properties) = map.get("properties").and_then(Json::as_object) {
                found.extend(properties.keys().cloned());
            }
            map.values().for_each(|inner| keys(inner, found));
        }
        Json::Array(items) => items.iter().for_each(|inner| keys(inner, found)),
        _ => {}
    }
}

#[test]
fn every_key_is_described() {
    let mut all = BTreeSet::new();
    keys(&schema::app(), &mut all);
    assert!(all.len() > 80, "{all:?}");
    let missing: Vec<&String> = all
        .iter()
        .filter(|key| {
            !PAGE.contains(&format!("`{key}`"))
                && !PAGE.contains(&format!("`{key}: "))
                && !PAGE.contains(&format!("{{ {key}: "))
                && !PAGE.contains(&format!(", {key}: "))
        })
        .collect();
    assert!(
        missing.is_empty(),
        "not in docs/user-guide/app-yaml.md: {missing:?}"
    );
}

#[test]
fn its_examples_are_right() {
    let mut examples = 0;
    for block in PAGE.split("```yaml\n").skip(1) {
        let text = block.split("```").next().unwrap();
        let (_, problems) = app::check(text, "app-yaml.md");
        assert_eq!(problems, [], "{text}");
        examples += 1;
    }
    assert_eq!(examples, 3);
}
