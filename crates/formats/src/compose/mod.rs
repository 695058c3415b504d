//! Compose files, as the compose specification has them, to an [`AppSpec`].
//!
//! [`read`] takes a [`Project`] and what is around it ([`Surroundings`]: the caller does the I/O), and gives the
//! specification, a row for every key that is not plainly kept, and what is wrong. The way there: `load` reads the files
//! (YAML, `interpolate`, `extends`, `include`), `merge` makes them one, `convert` takes each key to what Pluvio has for it.
//!
//! Nothing is dropped in silence: a map's keys are taken one by one, and what nobody took is told
//! ([`item::Fields::finish`]).

pub(crate) mod convert;
pub(crate) mod coolify;
pub mod export;
pub(crate) mod interpolate;
pub(crate) mod item;
pub(crate) mod load;
pub(crate) mod merge;
mod others;
pub(crate) mod rebase;
mod shell;
pub(crate) mod values;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use pluvio_model::name::Name;
use pluvio_model::problem::{self, Problem};
use pluvio_model::spec::{ApiVersion, AppSpec};

use crate::report::Row;
use item::{Item, Value};
use load::{Loader, Variables};

/// The names under which a compose file is looked for, the first one found counts; an override is laid over it.
pub const FILES: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
];

/// The key of a service for what `docker run` has a word for, and compose none.
pub(crate) const CPUSET_MEMS: &str = "x-cpuset-mems";

/// The same for `-P`: whatever ports the image exposes are published.
pub(crate) const PUBLISH_ALL: &str = "x-publish-all";

/// What a path beside the compose file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    Missing,
    Folder,
    Text(String),
    /// Binary, too large, unreadable.
    Other,
}

/// What is around a compose file. Paths are relative to the project's folder, or absolute as the file writes them.
pub trait Surroundings {
    fn entry(&self, path: &str) -> Entry;
    /// The files below a folder, relative to it; `None` where there are too many to take along.
    fn below(&self, path: &str) -> Option<Vec<String>>;
    /// Where a path is on the machine that the application runs on, if that is known and it is there.
    fn absolute(&self, path: &str) -> Option<String>;
    fn is_program(&self, _path: &str) -> bool {
        false
    }
    /// Whether what is there is only known from a text, so that it is taken along wherever it is mounted.
    fn takes_along(&self, _path: &str) -> bool {
        false
    }
    /// What a file says that is no UTF-8, with U+FFFD for each byte that is no text.
    fn forgiven(&self, _path: &str) -> Option<String> {
        None
    }
    /// Where a file holds bytes that are no text, if that is what is wrong with it.
    fn broken_at(&self, _path: &str) -> Option<crate::yaml::Position> {
        None
    }
    /// What to do where something is built from outside of what is at hand.
    fn outside(&self) -> String {
        "Name the file on the command line, where the folders above it are at hand, or give the whole folder or repository with it; or move the context below.".to_owned()
    }
}

/// A text alone.
#[derive(Debug, Clone, Copy)]
pub struct Nothing;

impl Surroundings for Nothing {
    fn entry(&self, _: &str) -> Entry {
        Entry::Missing
    }
    fn below(&self, _: &str) -> Option<Vec<String>> {
        None
    }
    fn absolute(&self, _: &str) -> Option<String> {
        None
    }
}

/// What is read, and how it was asked for.
#[derive(Debug, Clone, Default)]
pub struct Project {
    /// Where the project lies in its surroundings: what the files name is relative to it. Empty where it is their folder itself.
    pub folder: String,
    /// In the order in which they are laid over each other. Empty: as [`FILES`] and `COMPOSE_FILE` say. Relative to the
    /// surroundings, as `env_files` are.
    pub files: Vec<String>,
    /// The text of the only file, where it was not read from a place; `files` then names it.
    pub text: Option<String>,
    /// Instead of `.env`; later ones win.
    pub env_files: Vec<String>,
    /// Win over those of files.
    pub variables: IndexMap<String, String>,
    pub profiles: Vec<String>,
    /// The application's name; else the file's `name`, else `fallback`.
    pub name: Option<Name>,
    pub fallback: Option<Name>,
}

/// What a foreign format became.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    pub spec: AppSpec,
    pub report: Vec<Row>,
    pub errors: Vec<Problem>,
    /// One sentence for each thing that was gone by.
    pub why: Vec<String>,
    /// Values of secrets that the source holds; they are never part of a specification.
    pub secrets: BTreeMap<String, String>,
    /// Variables that have no value and are not required: nothing is put where they are named.
    pub unset: Vec<String>,
    /// How many folders above the project's it builds from; such a build is an error unless the surroundings begin there.
    pub above: usize,
}

impl Import {
    pub(crate) fn empty(name: Name) -> Import {
        Import {
            spec: AppSpec {
                api_version: ApiVersion::V1,
                name,
                display_name: None,
                components: IndexMap::new(),
                secrets: IndexMap::new(),
                settings: IndexMap::new(),
                groups: IndexMap::new(),
                networks: IndexMap::new(),
                objects: Vec::new(),
            },
            report: Vec::new(),
            errors: Vec::new(),
            why: Vec::new(),
            secrets: BTreeMap::new(),
            unset: Vec::new(),
            above: 0,
        }
    }
}

/// What the document of a template becomes, whose own words are out of it and in the loader; or what is wrong with it.
pub(crate) fn of_template(
    node: crate::yaml::Node,
    file: &str,
    app: Name,
    variables: &Variables,
    mut loader: Loader,
) -> Result<Import, Vec<Problem>> {
    let item = loader.node(node, file, variables);
    let Some(mut document) = loader.document(item, file, "", variables, 0) else {
        return Err(loader.told.errors);
    };
    merge::settle(&mut document);
    Ok(convert::convert(
        convert::Input {
            document: &document,
            asked: Some(app.clone()),
            start: app,
            profiles: Vec::new(),
            variables,
            folder: "",
        },
        loader,
    ))
}

/// Reads a project.
pub fn read(project: &Project, around: &dyn Surroundings) -> Import {
    let mut loader = Loader::new(around);
    let mut variables = Variables::default();
    let env_files = env_files(project);
    let (mut why, mut files) = (Vec::new(), project.files.clone());
    // The first file that was named is number 0, whatever else is read before it.
    if let Some(first) = files.first() {
        loader.told.files.push(first.clone());
    } else {
        let all = usual_files(&project.folder);
        let found = all
            .iter()
            .find(|name| matches!(around.entry(name), Entry::Text(_)));
        loader.told.files.push(found.unwrap_or(&all[0]).clone());
    }
    for path in &env_files {
        match around.entry(path) {
            Entry::Text(text) => {
                loader.env_file(&text, path, &mut variables);
                why.push(format!("{path} gives {} variables.", variables.0.len()));
            }
            Entry::Other => {
                let read = around.forgiven(path);
                if let Some(text) = &read {
                    loader.told.not_utf8(item::Place::default(), path, path);
                    loader.env_file(text, path, &mut variables);
                    why.push(format!("{path} gives {} variables.", variables.0.len()));
                } else {
                    // It tells why it cannot be read.
                    loader.read(path, item::Place::default(), "");
                }
            }
            _ if project.env_files.is_empty() => {}
            _ => loader.told.error(
                problem::SOURCE_MISSING,
                item::Place::default(),
                "",
                format!("There is no file {path}."),
                "Correct the path of the file of variables.",
            ),
        }
    }
    variables.0.extend(
        project
            .variables
            .iter()
            .map(|(k, v)| (k.clone(), v.clone())),
    );
    if files.is_empty() {
        files = found_files(&project.folder, &variables, around);
        if let (Some(first), Some(known)) = (files.first(), loader.told.files.first_mut()) {
            known.clone_from(first);
        }
    }
    let mut profiles = project.profiles.clone();
    if profiles.is_empty()
        && let Some(listed) = variables.0.get("COMPOSE_PROFILES")
    {
        profiles.extend(listed.split(',').map(|p| p.trim().to_owned()));
    }
    let fallback = || -> Name { "app".parse().expect("a name") };
    let asked = project.name.clone().or_else(|| {
        variables
            .0
            .get("COMPOSE_PROJECT_NAME")
            .and_then(|name| Name::suggest(name))
    });
    let start = asked
        .clone()
        .or_else(|| project.fallback.clone())
        .unwrap_or_else(fallback);
    variables
        .0
        .entry("COMPOSE_PROJECT_NAME".to_owned())
        .or_insert_with(|| start.to_string());
    let template = files
        .first()
        .and_then(|path| match (&project.text, around.entry(path)) {
            (Some(text), _) => Some(text.clone()),
            (None, Entry::Text(text)) => Some(text),
            _ => None,
        });
    if let (1, Some(text)) = (files.len(), &template)
        && text.contains(export::OWN)
        && let Some(spec) = exported(text, project.name.as_ref())
    {
        let mut import = Import::empty(spec.name.clone());
        import.why = vec![format!("{} was exported by Pluvio.", files[0])];
        import.spec = spec;
        return import;
    }
    let template = template.filter(|text| coolify::is_template(text));
    if let Some(text) = &template {
        loader.lenient = true;
        loader.dialect = Some(&coolify::made);
        loader.secret_rule = Some(&coolify::secret);
        loader.header_port = coolify::header_port(text);
    }
    let mut whole: Option<Item> = None;
    for path in &files {
        let read = match &project.text {
            Some(text) => loader
                .text(text, path, &variables)
                .and_then(|item| loader.document(item, path, &project.folder, &variables, 0)),
            None => loader.file(path, &project.folder, &variables, 0),
        };
        let Some(read) = read else { continue };
        match &mut whole {
            None => whole = Some(read),
            Some(whole) => merge::merge(whole, read, ""),
        }
    }
    why.insert(
        0,
        match files.as_slice() {
            [] => "There is no compose file.".to_owned(),
            [only] => format!("{only} is a compose file."),
            several => format!(
                "{} are compose files, laid over each other.",
                several.join(", ")
            ),
        },
    );
    let mut whole = whole.unwrap_or_else(|| Item::null(item::Place::default()));
    merge::settle(&mut whole);
    if whole.is_null() {
        whole.value = Value::Map(item::Map::new());
    }
    let mut import = convert::convert(
        convert::Input {
            document: &whole,
            asked,
            start,
            profiles,
            variables: &variables,
            folder: &project.folder,
        },
        loader,
    );
    if template.is_some() {
        why.push("It has the variables of Coolify's templates.".to_owned());
        coolify::finish(&mut import.spec);
    }
    import.why = why;
    import
}

/// The specification of a file that Pluvio wrote and nobody changed.
fn exported(text: &str, name: Option<&Name>) -> Option<AppSpec> {
    let limits = crate::yaml::Limits {
        compose: true,
        ..crate::yaml::Limits::default()
    };
    let root = crate::yaml::read(text, &limits).ok()?;
    let mut spec = export::read_back(&root)?;
    if let Some(name) = name {
        spec.name = name.clone();
    }
    Some(spec)
}

fn usual_files(folder: &str) -> [String; 4] {
    FILES.map(|name| rebase::join_folder(folder, name))
}

fn env_files(project: &Project) -> Vec<String> {
    match project.env_files.is_empty() {
        true => vec![rebase::join_folder(&project.folder, ".env")],
        false => project.env_files.clone(),
    }
}

/// What `COMPOSE_FILE` lists; an empty one lists nothing.
fn listed(variables: &Variables) -> Option<&str> {
    let listed = variables.0.get("COMPOSE_FILE")?;
    (!listed.is_empty()).then_some(listed.as_str())
}

/// Whether `COMPOSE_FILE` says which files a project has, in its `.env` or as it was given: none needs a usual name then.
pub fn lists_files(project: &Project, around: &dyn Surroundings) -> bool {
    let mut loader = Loader::new(around);
    let mut variables = Variables::default();
    for path in env_files(project) {
        let text = match around.entry(&path) {
            Entry::Text(text) => Some(text),
            _ => around.forgiven(&path),
        };
        if let Some(text) = text {
            loader.env_file(&text, &path, &mut variables);
        }
    }
    let given = project.variables.iter();
    let given = given.map(|(name, value)| (name.clone(), value.clone()));
    variables.0.extend(given);
    listed(&variables).is_some()
}

/// As `COMPOSE_FILE` says, else the usual names, each with its override.
fn found_files(folder: &str, variables: &Variables, around: &dyn Surroundings) -> Vec<String> {
    if let Some(listed) = listed(variables) {
        let separator = variables
            .0
            .get("COMPOSE_PATH_SEPARATOR")
            .map_or(":", String::as_str);
        return listed
            .split(separator)
            .filter(|path| !path.is_empty())
            .map(|path| rebase::join(folder, path))
            .collect();
    }
    let is_there = |path: &str| matches!(around.entry(path), Entry::Text(_) | Entry::Other);
    let Some(first) = usual_files(folder).into_iter().find(|path| is_there(path)) else {
        return Vec::new();
    };
    let stem = first.rsplit_once('.').map_or(&*first, |(stem, _)| stem);
    let second = ["yml", "yaml"]
        .map(|end| format!("{stem}.override.{end}"))
        .into_iter()
        .find(|path| is_there(path));
    std::iter::once(first.clone()).chain(second).collect()
}

#[cfg(test)]
mod tests;
