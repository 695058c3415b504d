//! What is recognised but not built from source, and what is not recognised at all.

use std::collections::BTreeSet;

use pluvio_model::problem::{self, Problem};

use super::{COMPOSE_FILES, DOCKERFILES, SourceTree, go, node, python};

/// A language that needs a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Other {
    language: &'static str,
    file: String,
    /// Place in the order of detection.
    order: usize,
}

/// The order in which kinds are looked for; those that are built stand in it for their place.
const ORDER: [&str; 10] = [
    "PHP",
    "go",
    "Java",
    "Rust",
    "Ruby",
    "Elixir",
    "python",
    "Deno",
    ".NET",
    "site generator",
];

/// Manifests in the root.
const MANIFESTS: [(&str, &[&str]); 8] = [
    ("PHP", &["composer.json", "index.php"]),
    ("Java", &["pom.xml", "build.gradle", "build.gradle.kts"]),
    ("Rust", &["Cargo.toml"]),
    ("Ruby", &["Gemfile"]),
    ("Elixir", &["mix.exs"]),
    ("Deno", &["deno.json", "deno.jsonc"]),
    (".NET", &["global.json"]),
    (
        "site generator",
        &["hugo.toml", "hugo.yaml", "_config.yml", "mkdocs.yml"],
    ),
];
const DOTNET_ENDINGS: [&str; 4] = [".csproj", ".fsproj", ".vbproj", ".sln"];

pub(super) fn find(tree: &SourceTree) -> Option<Other> {
    for (language, files) in MANIFESTS {
        let order = ORDER.iter().position(|word| *word == language)?;
        let project = || {
            let mut root = tree.root();
            (language == ".NET")
                .then(|| root.find(|path| DOTNET_ENDINGS.iter().any(|end| path.ends_with(end))))
                .flatten()
        };
        if let Some(file) = tree.first(files).or_else(project) {
            // A generator's configuration beside a package.json belongs to that.
            if language == "site generator" && node::matches(tree) {
                continue;
            }
            return Some(Other {
                language,
                file: file.to_owned(),
                order,
            });
        }
    }
    None
}

/// Whether something was found that is looked for before `kind`.
pub(super) fn is_before(other: Option<&Other>, kind: &str) -> bool {
    let place = ORDER.iter().position(|word| *word == kind);
    other.is_some_and(|other| place.is_some_and(|place| other.order < place))
}

impl Other {
    pub(super) fn problem(&self) -> Problem {
        let what = match self.language {
            "site generator" => "a static site generator's source".to_owned(),
            language => format!("{language} source"),
        };
        problem::SOURCE_UNKNOWN.problem(
            format!("{} tells that this is {what}, which is not built without a Dockerfile yet.", self.file),
            "Add a Dockerfile to the folder and deploy again; it is found by its name. Built without one are Node.js, Python, Go and static sites.",
        )
    }
}

/// Nothing matches: name what was seen, and folders that would.
pub(super) fn unknown(tree: &SourceTree) -> Problem {
    let inside = projects_inside(tree);
    if let Some(file) = tree.first(&COMPOSE_FILES) {
        let remedy = match inside.first() {
            Some((folder, _)) => format!(
                "Whole applications from compose files come later. Until then, deploy one folder: `pluvio deploy {folder}`, or name each in app.yaml with `source: {{ path: FOLDER }}`."
            ),
            None => "Whole applications from compose files come later. Until then, write app.yaml: each service is a component, with `image` or `source`.".to_owned(),
        };
        return problem::SOURCE_UNKNOWN.problem(
            format!("{file} is a compose file, and nothing else in the folder can be built."),
            remedy,
        );
    }
    if !inside.is_empty() {
        let list: Vec<String> = inside
            .iter()
            .take(8)
            .map(|(folder, what)| format!("{folder} ({what})"))
            .collect();
        let buildable =
            |what: &str| matches!(what, "Dockerfile" | "Go" | "Python" | "Node.js" | "static");
        let first = inside
            .iter()
            .find(|(_, what)| buildable(what))
            .map_or(&inside[0].0, |(folder, _)| folder);
        return problem::SOURCE_UNKNOWN.problem(
            format!(
                "The folder itself holds no application, but folders in it do: {}.",
                list.join(", ")
            ),
            format!("Name one: `pluvio deploy {first}`, or a component for each in app.yaml with `source: {{ path: {first} }}`."),
        );
    }
    let mut seen: Vec<&str> = tree.root().take(6).collect();
    seen.extend(tree.folders().into_iter().take(3));
    problem::SOURCE_UNKNOWN.problem(
        format!("Nothing tells how to build this folder. It holds {}.", seen.join(", ")),
        "Add a Dockerfile, or one of package.json (Node.js), requirements.txt or pyproject.toml (Python), go.mod (Go), index.html (static).",
    )
}

/// Folders, at most three deep, that are an application each, and what they are.
fn projects_inside(tree: &SourceTree) -> Vec<(String, &'static str)> {
    let mut folders: BTreeSet<(usize, &str)> = BTreeSet::new();
    for path in tree.paths() {
        if let Some((folder, _)) = path.rsplit_once('/') {
            let depth = folder.matches('/').count();
            if depth < 3 {
                folders.insert((depth, folder));
            }
        }
    }
    let mut found: Vec<(String, &'static str)> = Vec::new();
    for (_, folder) in folders {
        // A package inside an application is a part of it.
        let within = found
            .iter()
            .any(|(other, _)| folder.starts_with(&format!("{other}/")));
        if within {
            continue;
        }
        let Some(sub) = tree.sub(folder) else {
            continue;
        };
        let what = if sub.first(&DOCKERFILES).is_some() {
            "Dockerfile"
        } else if go::matches(&sub) {
            "Go"
        } else if python::manifest(&sub).is_some() {
            "Python"
        } else if node::matches(&sub) {
            "Node.js"
        } else if let Some(other) = find(&sub).filter(|other| other.language != "site generator") {
            other.language
        } else if sub.has("index.html") {
            "static"
        } else {
            continue;
        };
        found.push((folder.to_owned(), what));
    }
    found
}
