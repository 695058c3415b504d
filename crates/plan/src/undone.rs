//! What a file would undo: changes that others made since it was applied last, and that it does not have.

use pluvio_model::problem::{self, Problem};
use pluvio_model::spec::AppSpec;
use serde_json::Value;

/// As much of a value as a line shows.
const SHOWN: usize = 80;

/// One key that others changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undone {
    /// `components.web.instances`
    pub path: String,
    /// As the file left it.
    pub applied: Value,
    /// As it is now.
    pub current: Value,
}

/// What is now otherwise than `applied` said, and than `next` says.
pub fn undone(applied: &AppSpec, current: &AppSpec, next: &AppSpec) -> Vec<Undone> {
    let value = |spec| serde_json::to_value(spec).unwrap_or_default();
    let mut out = Vec::new();
    compare("", &value(applied), &value(current), &value(next), &mut out);
    out
}

/// Refuses a file that would undo something.
pub fn refuse(applied: &AppSpec, current: &AppSpec, next: &AppSpec) -> Result<(), Problem> {
    let changes = undone(applied, current, next);
    if changes.is_empty() {
        return Ok(());
    }
    let lines = changes.iter().map(|change| {
        format!(
            "{}: {} → {}",
            change.path,
            show(&change.applied),
            show(&change.current)
        )
    });
    Err(problem::CONFLICT
        .problem(
            "The file would undo changes that were made elsewhere since it was applied last.",
            "Take them into the file (`pluvio export` prints what is there), or apply it as it is with `--take-over`.",
        )
        .path(changes[0].path.clone())
        .evidence(lines))
}

fn compare(at: &str, applied: &Value, current: &Value, next: &Value, out: &mut Vec<Undone>) {
    if applied == current || next == current {
        return;
    }
    let (Value::Object(before), Value::Object(now)) = (applied, current) else {
        out.push(Undone {
            path: at.to_owned(),
            applied: applied.clone(),
            current: current.clone(),
        });
        return;
    };
    let added = now.keys().filter(|key| !before.contains_key(*key));
    for key in before.keys().chain(added) {
        let path = match at {
            "" => key.clone(),
            at => format!("{at}.{key}"),
        };
        let of = |map: Option<&Value>| map.cloned().unwrap_or_default();
        compare(
            &path,
            &of(before.get(key)),
            &of(now.get(key)),
            &of(next.get(key)),
            out,
        );
    }
}

fn show(value: &Value) -> String {
    let text = match value {
        Value::Null => return "nothing".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let line = text.lines().next().unwrap_or_default();
    let short: String = line.chars().take(SHOWN).collect();
    if short == text {
        text
    } else {
        format!("{short}…")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sample;

    fn web(instances: u32, log: &str) -> AppSpec {
        sample::shop(json!({ "web": {
            "image": "localhost/shop:1", "instances": instances, "env": { "LOG": log },
        } }))
    }

    #[test]
    fn only_what_others_changed_and_the_file_does_not_have() {
        let applied = web(1, "info");
        // Nobody changed anything: the file may.
        assert_eq!(undone(&applied, &applied, &web(2, "debug")), []);
        // Others did, elsewhere than the file does.
        let problem = refuse(&applied, &web(3, "info"), &web(1, "debug")).unwrap_err();
        assert!(problem.is(problem::CONFLICT), "{problem}");
        assert_eq!(problem.evidence, ["components.web.instances: 1 → 3"]);
        // The file says the same by now.
        assert_eq!(undone(&applied, &web(3, "info"), &web(3, "debug")), []);

        let mut two = applied.clone();
        let more = sample::shop(json!({ "jobs": { "image": "localhost/jobs:1" } }));
        two.components.extend(more.components);
        let added = undone(&applied, &two, &applied);
        assert_eq!(added[0].path, "components.jobs");
        assert_eq!((&added[0].applied, added.len()), (&Value::Null, 1));
        let removed = refuse(&two, &applied, &two).unwrap_err();
        assert!(removed.evidence[0].ends_with("→ nothing"), "{removed:?}");
    }
}
