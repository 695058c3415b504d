//! What a patch changed, kept so that it can be made again on top of another specification.
//!
//! A build takes minutes; who scales the application meanwhile patches the release that runs. When the build completes, the
//! patch is made on top of what was built, so that neither is lost. The difference of two specifications is a list of
//! places with their new values. Lists are values: a patch of one element replaces the list.

use pluvio_model::spec::AppSpec;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Edits(Vec<Edit>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Edit {
    /// Keys from the top.
    at: Vec<String>,
    #[serde(flatten)]
    to: To,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum To {
    Set(Value),
    Remove(bool),
}

impl Edits {
    pub(crate) fn between(old: &AppSpec, new: &AppSpec) -> Edits {
        let mut edits = Vec::new();
        let (old, new) = (object(old), object(new));
        compare(&mut Vec::new(), &old, &new, &mut edits);
        Edits(edits)
    }

    /// Makes the edits on another specification. One inside a component that it does not have means nothing there.
    /// Fails when what comes out is not a specification.
    pub(crate) fn make(&self, spec: &AppSpec) -> Result<AppSpec, serde_json::Error> {
        let mut whole = object(spec);
        for edit in &self.0 {
            if !edit.is_moot(&whole) {
                edit.make(&mut whole);
            }
        }
        serde_json::from_value(Value::Object(whole))
    }
}

impl Edit {
    fn is_moot(&self, whole: &Map<String, Value>) -> bool {
        match self.at.as_slice() {
            [top, name, _, ..] if top == "components" => {
                whole.get(top).is_none_or(|all| all.get(name).is_none())
            }
            _ => false,
        }
    }

    fn make(&self, whole: &mut Map<String, Value>) {
        let Some((last, way)) = self.at.split_last() else {
            return;
        };
        let mut here = whole;
        for key in way {
            let next = here.entry(key).or_insert_with(|| Value::Object(Map::new()));
            if !next.is_object() {
                *next = Value::Object(Map::new());
            }
            let Value::Object(next) = next else { return };
            here = next;
        }
        match &self.to {
            To::Set(value) => {
                here.insert(last.clone(), value.clone());
            }
            To::Remove(_) => {
                // Not `remove`, which would put the last key in its place.
                here.shift_remove(last);
            }
        }
    }
}

fn object(spec: &AppSpec) -> Map<String, Value> {
    match serde_json::to_value(spec) {
        Ok(Value::Object(map)) => map,
        other => unreachable!("a specification is an object: {other:?}"),
    }
}

/// Whether this place holds things by name, so that its absence means the same as nothing in it.
fn is_collection(at: &[String]) -> bool {
    const TOP: [&str; 5] = ["components", "secrets", "settings", "groups", "networks"];
    const INSIDE: [&str; 9] = [
        "env",
        "files",
        "volumes",
        "ports",
        "labels",
        "exports",
        "sidecars",
        "init",
        "extraHosts",
    ];
    match at {
        [top] => TOP.contains(&top.as_str()),
        [top, _, field] if top == "components" || top == "groups" => {
            INSIDE.contains(&field.as_str())
        }
        [top, _, group, _, field] if top == "components" => {
            matches!(group.as_str(), "sidecars" | "init") && INSIDE.contains(&field.as_str())
        }
        _ => false,
    }
}

fn compare(
    at: &mut Vec<String>,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    edits: &mut Vec<Edit>,
) {
    let nothing = Map::new();
    for (key, new) in new {
        at.push(key.clone());
        match (old.get(key), new) {
            (Some(old), new) if old == new => {}
            (Some(Value::Object(old)), Value::Object(new)) => compare(at, old, new, edits),
            (None, Value::Object(new)) if is_collection(at) => compare(at, &nothing, new, edits),
            _ => edits.push(Edit {
                at: at.clone(),
                to: To::Set(new.clone()),
            }),
        }
        at.pop();
    }
    for (key, old) in old.iter().filter(|(key, _)| !new.contains_key(*key)) {
        at.push(key.clone());
        match old {
            Value::Object(old) if is_collection(at) => compare(at, old, &nothing, edits),
            _ => edits.push(Edit {
                at: at.clone(),
                to: To::Remove(true),
            }),
        }
        at.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(json: Value) -> AppSpec {
        serde_json::from_value(json).unwrap()
    }

    /// What `old → new` becomes on top of `other`.
    fn check(old: Value, new: Value, other: Value, expected: Value) {
        let edits = Edits::between(&spec(old), &spec(new));
        let kept: Edits = serde_json::from_str(&serde_json::to_string(&edits).unwrap()).unwrap();
        assert_eq!(kept, edits);
        assert_eq!(kept.make(&spec(other)).unwrap(), spec(expected));
    }

    #[test]
    fn a_patch_is_made_on_top_of_another_specification() {
        use serde_json::json;
        check(
            json!({"name": "shop", "components": {"web": {"image": "a:1"}}}),
            json!({"name": "shop", "components": {"web": {"image": "a:1", "instances": 3, "env": {"A": "1"}}}}),
            json!({"name": "shop", "components": {"web": {"image": "a:2", "env": {"B": "2"}}}}),
            json!({"name": "shop", "components": {"web": {"image": "a:2", "env": {"B": "2", "A": "1"}, "instances": 3}}}),
        );
        // What is set or taken away in one place leaves its neighbours.
        check(
            json!({"name": "shop", "components": {"web": {"image": "a:1", "env": {"A": "1"}}}}),
            json!({"name": "shop", "components": {"web": {"image": "a:1"}}}),
            json!({"name": "shop", "components": {"web": {"image": "a:2", "env": {"A": "1", "B": "2"}}}}),
            json!({"name": "shop", "components": {"web": {"image": "a:2", "env": {"B": "2"}}}}),
        );
        // Scaling a component that the other specification no longer has means nothing there.
        check(
            json!({"name": "shop", "components": {"web": {"image": "a:1"}, "old": {"image": "o:1"}}}),
            json!({"name": "shop", "components": {"web": {"image": "a:1"}, "old": {"image": "o:1", "instances": 2}}}),
            json!({"name": "shop", "components": {"web": {"image": "a:2"}}}),
            json!({"name": "shop", "components": {"web": {"image": "a:2"}}}),
        );
        // A component that the patch added or removed is added or removed.
        check(
            json!({"name": "shop", "components": {"web": {"image": "a:1"}, "old": {"image": "o:1"}}}),
            json!({"name": "shop", "components": {"web": {"image": "a:1"}, "new": {"image": "n:1"}}}),
            json!({"name": "shop", "components": {"web": {"image": "a:2"}, "old": {"image": "o:1"}}}),
            json!({"name": "shop", "components": {"web": {"image": "a:2"}, "new": {"image": "n:1"}}}),
        );
    }
}
