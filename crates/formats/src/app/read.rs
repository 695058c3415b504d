//! Text to [`AppSpec`].

use std::collections::{BTreeMap, HashSet};

use pluvio_model::name::Name;
use pluvio_model::problem::{Location, Problem};
use pluvio_model::spec::{AppSpec, ComponentSpec, Kind};

use super::explain::explain;
use crate::report::{Outcome, Row};
use crate::yaml::de::{Wrong, from_node, keys_of};
use crate::yaml::{self, Entry, Limits, Node, Position, Resolved, Step, Value, show_path};

/// The most problems that one reading reports.
const PROBLEMS_MAX: usize = 20;

/// A specification and where its parts were written.
#[derive(Debug, Clone)]
pub struct Reading {
    pub spec: AppSpec,
    /// What the text says without effect, or in the short form.
    pub report: Vec<Row>,
    /// The component whose fields stand at the top of the file.
    pub lone: Option<Name>,
    file: String,
    /// By path in the specification.
    places: BTreeMap<String, Position>,
}

impl Reading {
    /// Where a path of the specification was written. What was not written is where its nearest parent was.
    pub fn locate(&self, path: &str) -> Location {
        let mut known = path;
        let at = loop {
            if let Some(at) = self.places.get(known) {
                break Some(*at);
            }
            match known.rfind(['.', '[']) {
                Some(end) => known = &known[..end],
                None => break self.places.get("").copied(),
            }
        };
        Location {
            file: Some(self.file.clone()),
            line: at.map(|at| at.line),
            column: at.map(|at| at.column),
            path: self.written(path).to_owned(),
        }
    }

    /// Puts lines and columns on problems that have only a path.
    pub fn place(&self, problems: Vec<Problem>) -> Vec<Problem> {
        problems
            .into_iter()
            .map(|problem| match &problem.at {
                Some(at) if at.line.is_none() => {
                    let at = self.locate(&at.path.clone());
                    problem.at(at)
                }
                _ => problem,
            })
            .collect()
    }

    /// The path as the file has it: without the component's name where its fields stand at the top.
    fn written<'p>(&self, path: &'p str) -> &'p str {
        match &self.lone {
            Some(name) => shorten(path, name.as_str()),
            None => path,
        }
    }
}

fn shorten<'p>(path: &'p str, lone: &str) -> &'p str {
    path.strip_prefix("components.")
        .and_then(|rest| rest.strip_prefix(lone))
        .map_or(path, |rest| rest.trim_start_matches('.'))
}

/// The name of the component whose fields stand at the top of a file: `web` for a service, else its kind.
pub fn component_name(kind: Kind) -> Name {
    super::lone_name(kind)
        .parse()
        .expect("these words are names")
}

/// Reads `app.yaml`. `file` is what problems call it.
pub fn read(text: &str, file: &str) -> Result<Reading, Vec<Problem>> {
    let in_file = |mut problem: Problem| {
        let at = problem.at.get_or_insert_default();
        at.file = Some(file.to_owned());
        problem
    };
    let mut root = yaml::read(text, &Limits::default()).map_err(|problems| {
        let lines: Vec<&str> = text.lines().collect();
        problems
            .into_iter()
            .map(|problem| in_file(with_line(problem, &lines)))
            .collect::<Vec<_>>()
    })?;
    let mut report = Vec::new();
    take_extensions(&mut root, &mut report);
    let lone = lift_lone_component(&mut root);
    if let Some((name, at)) = &lone {
        report.push(
            Row::new(
                Outcome::Adapted,
                "",
                format!("The component's fields stand at the top of the file; the component is called `{name}`."),
            )
            .line(Some(at.line)),
        );
    }
    let lone = lone.map(|(name, _)| name);
    let also: &[&'static str] = if root.get("components").is_none() || lone.is_some() {
        keys_of::<ComponentSpec>()
    } else {
        &[]
    };
    match collect(&mut root, also) {
        (Some(spec), problems) if problems.is_empty() => Ok(Reading {
            places: places(&root),
            spec,
            report,
            lone,
            file: file.to_owned(),
        }),
        (_, problems) => Err(problems
            .into_iter()
            .map(|mut problem| {
                if let (Some(name), Some(at)) = (&lone, &mut problem.at) {
                    let long = format!("components.{name}");
                    problem.cause = problem
                        .cause
                        .replace(&format!("in `{long}`"), "at the top of the file")
                        .replace(&format!("{long}."), "");
                    problem.remedy = problem
                        .remedy
                        .replace(&format!("in `{long}`"), "at the top of the file");
                    at.path = shorten(&at.path, name.as_str()).to_owned();
                }
                in_file(problem)
            })
            .collect()),
    }
}

/// Reads the tree, and goes on after an error without the part that is wrong.
fn collect(root: &mut Node, also: &[&'static str]) -> (Option<AppSpec>, Vec<Problem>) {
    let mut problems = Vec::new();
    // The maps and lists that lost a part.
    let mut taken: HashSet<String> = HashSet::new();
    loop {
        let error = match from_node::<AppSpec>(root) {
            Ok(spec) => return (Some(spec), problems),
            Err(error) => error,
        };
        let path = show_path(&error.path);
        // What was taken out of a map is missing from it; that is no further mistake.
        let follows = matches!(error.wrong, Wrong::MissingKey(_) | Wrong::Mismatch { .. })
            && taken.contains(&path);
        if !follows {
            let at_top = error.path.len() == 1;
            problems.push(explain(&error, if at_top { also } else { &[] }));
        }
        let steps: Vec<Step> = error.path.clone();
        if steps.is_empty() || problems.len() >= PROBLEMS_MAX {
            return (None, problems);
        }
        match root.part_mut(&steps) {
            Some(node) if node.value != Value::Gone => node.value = Value::Gone,
            _ => return (None, problems),
        }
        taken.insert(show_path(&steps[..steps.len() - 1]));
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// `x-…` at the top holds anchors and notes; it has no effect of its own.
fn take_extensions(root: &mut Node, report: &mut Vec<Row>) {
    if let Value::Map(entries) = &mut root.value {
        entries.retain(|entry| {
            let extension = entry.key.starts_with("x-");
            if extension {
                report.push(
                    Row::new(
                        Outcome::Ignored,
                        &entry.key,
                        "Keys that begin with `x-` hold anchors and notes.",
                    )
                    .line(Some(entry.key_at.line)),
                );
            }
            !extension
        });
    }
}

/// Moves a component's fields from the top of the file to `components`. `groups` and `networks` belong to the
/// application as maps and to the component as lists.
fn lift_lone_component(root: &mut Node) -> Option<(Name, Position)> {
    let root_at = root.at;
    let Value::Map(entries) = &mut root.value else {
        return None;
    };
    if entries.iter().any(|entry| entry.key == "components") {
        return None;
    }
    let of_app = keys_of::<AppSpec>();
    let of_component = keys_of::<ComponentSpec>();
    let belongs = |entry: &Entry| {
        let key = entry.key.as_str();
        of_component.contains(&key)
            && (!of_app.contains(&key) || matches!(entry.value.value, Value::List(_)))
    };
    let (fields, rest): (Vec<Entry>, Vec<Entry>) = entries.drain(..).partition(belongs);
    *entries = rest;
    let first = fields.first()?.key_at;
    let kind = fields
        .iter()
        .find(|entry| entry.key == "kind")
        .and_then(|entry| from_node::<Kind>(&entry.value).ok())
        .unwrap_or_default();
    let name = component_name(kind);
    let component = Entry {
        key: name.to_string(),
        key_at: first,
        value: Node::map(root_at, fields),
    };
    entries.push(Entry {
        key: "components".to_owned(),
        key_at: first,
        value: Node::map(first, vec![component]),
    });
    Some((name, first))
}

/// A scalar is where its value begins, a list or map where its key is.
fn places(root: &Node) -> BTreeMap<String, Position> {
    fn walk(node: &Node, path: &str, out: &mut BTreeMap<String, Position>) {
        match &node.value {
            Value::Map(entries) => {
                for entry in entries {
                    let path = join(path, &entry.key);
                    let at = match entry.value.value {
                        Value::Scalar { is, .. } if is != Resolved::Null => entry.value.at,
                        _ => entry.key_at,
                    };
                    out.insert(path.clone(), at);
                    walk(&entry.value, &path, out);
                }
            }
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    out.insert(path.clone(), item.at);
                    walk(item, &path, out);
                }
            }
            Value::Scalar { .. } | Value::Gone => {}
        }
    }
    let mut out = BTreeMap::from([(String::new(), root.at)]);
    walk(root, "", &mut out);
    out
}

/// Shows the line that cannot be read.
fn with_line(problem: Problem, lines: &[&str]) -> Problem {
    const LONGEST: usize = 120;
    let Some((line, column)) = problem
        .at
        .as_ref()
        .and_then(|at| Some((at.line?, at.column?)))
    else {
        return problem;
    };
    let Some(text) = lines.get(line as usize - 1) else {
        return problem;
    };
    if text.chars().count() > LONGEST || column as usize > LONGEST {
        return problem;
    }
    let number = line.to_string();
    problem.evidence([
        format!("{number} | {text}"),
        format!(
            "{} | {}^",
            " ".repeat(number.len()),
            " ".repeat(column as usize - 1)
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_given_twice_has_its_line() {
        let text = "name: shop\nimage: web:1\nvolumes:\n  /d: { name: v }\n  /d/: { name: w }\n";
        let problems = read(text, "app.yaml").expect_err("one path twice");
        let [problem] = &problems[..] else {
            panic!("{problems:?}");
        };
        let at = problem.at.clone().unwrap_or_default();
        assert_eq!((at.line, &*at.path), (Some(5), "volumes./d/"));
        assert!(problem.cause.contains("given twice"), "{}", problem.cause);
    }
}
