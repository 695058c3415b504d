//! What differs between two releases, as rows a person reads. Secrets are shown as references only.

mod facts;

use indexmap::IndexMap;
use pluvio_model::name::Name;
use pluvio_model::release::Release;
use serde::{Deserialize, Serialize};

pub(crate) use facts::check_text;

/// One component's differences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentDiff {
    pub component: Name,
    pub change: Change,
    pub rows: Vec<Row>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    Added,
    Changed,
    Removed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// `image`, `env PORT`, `limits.memory`, `file /etc/shop.toml`, `route shop.localhost/`
    pub what: String,
    pub change: Change,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// What `b` has otherwise than `a`: only components that differ, in `b`'s order, then those that `a` alone has.
pub fn diff(a: &Release, b: &Release) -> Vec<ComponentDiff> {
    let mut diffs = Vec::new();
    let (before_all, after_all) = (all(a), all(b));
    for (name, after) in &after_all {
        let Some(before) = before_all.get(name) else {
            diffs.push(whole(name, Change::Added, after));
            continue;
        };
        let rows: Vec<Row> = before
            .keys()
            .chain(after.keys().filter(|what| !before.contains_key(*what)))
            .filter_map(|what| row(what, before.get(what), after.get(what)))
            .collect();
        if !rows.is_empty() {
            diffs.push(ComponentDiff {
                component: (*name).clone(),
                change: Change::Changed,
                rows,
            });
        }
    }
    for (name, before) in &before_all {
        if !after_all.contains_key(name) {
            diffs.push(whole(name, Change::Removed, before));
        }
    }
    diffs
}

/// Of every component, those outside last.
fn all(release: &Release) -> IndexMap<&Name, IndexMap<String, facts::Fact>> {
    let run = release.components.iter();
    let run = run.map(|(name, component)| (name, facts::of(release, component)));
    let outside = release.externals.iter();
    run.chain(outside.map(|(name, external)| (name, facts::of_external(release, external))))
        .collect()
}

/// A component that one side has only: what it was asked to be, without the defaults.
fn whole(name: &Name, change: Change, facts: &IndexMap<String, facts::Fact>) -> ComponentDiff {
    let told = facts.iter().filter(|(_, fact)| !fact.is_default);
    let rows = told
        .map(|(what, fact)| {
            let text = Some(fact.text.clone());
            let (before, after) = if change == Change::Added {
                (None, text)
            } else {
                (text, None)
            };
            Row {
                what: what.clone(),
                change,
                before,
                after,
            }
        })
        .collect();
    ComponentDiff {
        component: name.clone(),
        change,
        rows,
    }
}

fn row(what: &str, before: Option<&facts::Fact>, after: Option<&facts::Fact>) -> Option<Row> {
    let change = match (before, after) {
        (Some(before), Some(after)) if before.exact == after.exact => return None,
        (Some(_), Some(_)) => Change::Changed,
        (None, Some(_)) => Change::Added,
        (Some(_), None) => Change::Removed,
        (None, None) => return None,
    };
    // Two texts that look alike differ in what is not shown: say what that is.
    let alike = matches!((before, after), (Some(b), Some(a)) if b.text == a.text);
    let text = |fact: &facts::Fact| match &fact.detail {
        Some(detail) if alike => format!("{} ({detail})", fact.text),
        _ => fact.text.clone(),
    };
    Some(Row {
        what: what.to_owned(),
        change,
        before: before.map(text),
        after: after.map(text),
    })
}

#[cfg(test)]
mod tests;
