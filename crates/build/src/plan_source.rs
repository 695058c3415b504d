//! What `pluvio plan` prints: what a source is, the specification that follows, and a report of everything filled in or left
//! out. Where `app.yaml` and detection meet, `app.yaml` wins and detection fills what it leaves open.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use pluvio_formats::app;
use pluvio_formats::report::{Outcome, Row};
use pluvio_formats::{caprover, docker_run, dokploy};
use pluvio_model::image::ImageReference;
use pluvio_model::name::Name;
use pluvio_model::problem::{self, Location, Problem};
use pluvio_model::spec::{ApiVersion, AppSpec, BuilderChoice, ComponentSpec, Kind, SourceSpec};
use serde::{Deserialize, Serialize};

use crate::detect::{self, Detected, Limits, SourceTree, kind_name};
use crate::plan_beside::Reach;
use crate::plan_compose::{self, Asked};
use crate::plan_foreign::{foreign_folder, foreign_text};
use crate::plan_heroku;

/// The names under which a specification is found in a folder.
pub const APP_FILES: [&str; 2] = ["app.yaml", "app.yml"];

/// What a source is and what follows from it. With `errors` the specification is as far as it could be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    pub detected: About,
    pub spec: AppSpec,
    pub report: Vec<Row>,
    pub errors: Vec<Problem>,
    /// Values of secrets that the source holds: sealed with the deploy, never shown.
    #[serde(skip)]
    pub secrets: BTreeMap<String, String>,
    /// Variables that have no value and are not required: nothing is put where they are named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<String>,
    /// Where its source lies, if that is above the folder that was asked for.
    #[serde(skip)]
    pub root: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// `node`, `python`, `go`, `static`, `dockerfile`, `image`, `app.yaml`, `compose`, `dokploy`, `caprover`, `docker run`, `unknown`.
    pub kind: String,
    /// One sentence for each thing that was gone by.
    pub why: Vec<String>,
    pub alternatives: Vec<String>,
}

/// Reads a folder and plans it. `name`, where given, wins over what `app.yaml` says.
pub fn of_folder(folder: &Path, name: Option<&Name>) -> Result<Planned, Problem> {
    let tree = SourceTree::read(folder, &Limits::default())?;
    let asked = Asked {
        name: name.cloned(),
        reach: Reach::Folder,
        ..Asked::default()
    };
    if let Some(planned) = compose_in(folder, &tree, &asked) {
        return Ok(planned);
    }
    let mut planned = of_tree(&tree, name);
    if let Some(name) = name {
        planned.spec.name = name.clone();
    }
    Ok(planned)
}

/// Reads a folder and plans it. `fallback` is the application's name where no `app.yaml` says it.
pub fn of_folder_or(folder: &Path, fallback: Option<&Name>) -> Result<Planned, Problem> {
    of_folder_as(
        folder,
        &Asked {
            fallback: fallback.cloned(),
            reach: Reach::Folder,
            ..Asked::default()
        },
    )
}

/// The same, with what was asked of a compose file that may be in it.
pub fn of_folder_as(folder: &Path, asked: &Asked) -> Result<Planned, Problem> {
    let tree = SourceTree::read(folder, &Limits::default())?;
    if let Some(planned) = compose_in(folder, &tree, asked) {
        return Ok(planned);
    }
    let fallback = asked.name.as_ref().or(asked.fallback.as_ref());
    let mut planned = of_tree_given(&tree, fallback, &asked.variables);
    if let Some(name) = &asked.name {
        planned.spec.name = name.clone();
    }
    Ok(planned)
}

/// A compose file says what the whole application is; one source of the folder would be a part of it.
fn compose_in(folder: &Path, tree: &SourceTree, asked: &Asked) -> Option<Planned> {
    if asked.files.is_empty()
        && (tree.first(&APP_FILES).is_some() || !plan_compose::is_in(folder, tree, asked))
    {
        return None;
    }
    let template = match asked.files.as_slice() {
        [] => plan_compose::dokploy_in(folder, tree, &asked.reach),
        _ => None,
    };
    let mut planned = match template {
        Some(file) => plan_compose::of_dokploy(folder, file, asked),
        None => plan_compose::of_folder(folder, asked),
    };
    if let Ok(found) = detect::component(tree, ".", &ComponentSpec::default()) {
        planned.detected.alternatives.push(format!(
            "{}: the folder as one component, by an app.yaml with `source: {{ path: . }}`.",
            kind_name(found.kind)
        ));
    }
    Some(planned)
}

/// Plans a tree that was read already. `fallback` is the application's name where no `app.yaml` says it.
pub fn of_tree(tree: &SourceTree, fallback: Option<&Name>) -> Planned {
    of_tree_given(tree, fallback, &[])
}

/// The same, with values that files of others ask for.
fn of_tree_given(
    tree: &SourceTree,
    fallback: Option<&Name>,
    given: &[(String, String)],
) -> Planned {
    let name = fallback.cloned().unwrap_or_else(nameless);
    if let Some(file) = tree.first(&APP_FILES) {
        return match tree.text(file) {
            Some(text) => of_app_file(text, file, Some(tree), &name),
            None => failed(
                name,
                "app.yaml",
                problem::SPEC_SYNTAX.problem(
                    format!("{file} is too large or holds bytes that are no text."),
                    "Write it as UTF-8 text of at most 256 KiB.",
                ),
            ),
        };
    }
    if let Some(problem) = foreign_folder(tree) {
        return failed(name, "unknown", problem);
    }
    if let Some(files) = plan_heroku::files(tree) {
        let is_one = plan_heroku::is_one_command(&files);
        let mut planned = plan_heroku::of_tree(tree, files, &name, given);
        if is_one {
            // Flags are about the component: there are no variables of the files that they could be meant for.
            planned.detected.kind = kind_name(BuilderChoice::Dockerfile).into();
        }
        return planned;
    }
    let asked = ComponentSpec::default();
    match detect::component(tree, ".", &asked) {
        Ok(found) => {
            let mut component = found.component.clone();
            component.source = Some(SourceSpec::Path(".".into()));
            let at = lone_name(&component);
            let mut report = found.report.clone();
            report.extend(plan_heroku::left_out(tree, &found));
            report.extend(ports_unknown(
                &format!("components.{at}"),
                &found,
                &component,
            ));
            Planned {
                detected: about(&found),
                spec: AppSpec {
                    components: IndexMap::from([(at, component)]),
                    ..empty(name)
                },
                report,
                errors: Vec::new(),
                secrets: BTreeMap::new(),
                unset: Vec::new(),
                root: None,
            }
        }
        Err(problem) => failed(name, "unknown", problem),
    }
}

/// Plans a text: `app.yaml`, a format of others, or one that is named and refused.
pub fn of_text(text: &str, file: &str, asked: &Asked) -> Planned {
    let name = asked.name.as_ref();
    let fallback = name.cloned().unwrap_or_else(nameless);
    // What a command line calls its standard input.
    let file = if file == "-" { "The input" } else { file };
    if docker_run::is_run(text) {
        let import = docker_run::read_alone(text, name, &asked.variables);
        return plan_compose::planned("docker run", import);
    }
    if let Some((compose, config)) = dokploy::pasted(text) {
        return plan_compose::of_dokploy_pasted(&compose, &config, asked);
    }
    if caprover::is_template(text) {
        return plan_compose::of_caprover(text, file, None, asked);
    }
    if plan_compose::is_compose(text) {
        return plan_compose::of_text(text, file, asked);
    }
    if let Some(problem) = foreign_text(text, file) {
        return failed(fallback, "unknown", problem);
    }
    let mut planned = of_app_file(text, file, None, &fallback);
    if let Some(name) = name {
        planned.spec.name = name.clone();
    }
    planned
}

/// Plans an image reference. What the image runs and listens on is known once it is pulled.
pub fn of_image(text: &str, asked: &Asked) -> Planned {
    let name = asked.name.as_ref();
    if docker_run::is_run(text) {
        let import = docker_run::read_alone(text, name, &asked.variables);
        return plan_compose::planned("docker run", import);
    }
    let fallback = || name.cloned().unwrap_or_else(nameless);
    let image: ImageReference = match text.trim().parse() {
        Ok(image) => image,
        Err(error) => {
            let problem = foreign_text(text, "The text").unwrap_or_else(|| {
                problem::SOURCE_UNKNOWN.problem(
                    format!("`{}` is no folder or file here, and no image: {error}.", short(text)),
                    "Name a folder, an app.yaml, a Git URL, or an image such as nginx:1.29 or registry.example/team/app:1.",
                )
            });
            return failed(fallback(), "unknown", problem);
        }
    };
    let name = name
        .cloned()
        .or_else(|| Name::suggest(image.short_name()))
        .unwrap_or_else(nameless);
    let component = ComponentSpec {
        image: Some(image.clone()),
        ..ComponentSpec::default()
    };
    let at = lone_name(&component);
    let unknown = format!("components.{at}");
    Planned {
        detected: About {
            kind: "image".into(),
            why: vec![format!("`{}` names the image {image}.", short(text))],
            alternatives: Vec::new(),
        },
        spec: AppSpec {
            components: IndexMap::from([(at, component)]),
            ..empty(name)
        },
        report: vec![image_unknown(&unknown)],
        errors: Vec::new(),
        secrets: BTreeMap::new(),
        unset: Vec::new(),
        root: None,
    }
}

/// An image whose ports are not declared.
fn image_unknown(path: &str) -> Row {
    Row::new(
        Outcome::Adapted,
        path,
        "Ports, command, user and volumes: unknown until pulled; the image's own are taken.",
    )
    .remedy("Declare `ports` in app.yaml to fix them.")
}

fn nameless() -> Name {
    "app".parse().expect("a name")
}

fn lone_name(component: &ComponentSpec) -> Name {
    app::component_name(component.kind)
}

fn empty(name: Name) -> AppSpec {
    AppSpec {
        api_version: ApiVersion::V1,
        name,
        display_name: None,
        components: IndexMap::new(),
        secrets: IndexMap::new(),
        settings: IndexMap::new(),
        groups: IndexMap::new(),
        networks: IndexMap::new(),
        objects: Vec::new(),
    }
}

fn failed(name: Name, kind: &str, problem: Problem) -> Planned {
    refused(name, kind, vec![problem])
}

fn refused(name: Name, kind: &str, errors: Vec<Problem>) -> Planned {
    Planned {
        detected: About {
            kind: kind.into(),
            ..About::default()
        },
        spec: empty(name),
        report: Vec::new(),
        errors,
        secrets: BTreeMap::new(),
        unset: Vec::new(),
        root: None,
    }
}

fn about(found: &Detected) -> About {
    About {
        kind: kind_name(found.kind).into(),
        why: found.why.clone(),
        alternatives: found.alternatives.clone(),
    }
}

fn short(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    match line.char_indices().nth(80) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line.to_owned(),
    }
}

fn of_app_file(text: &str, file: &str, tree: Option<&SourceTree>, fallback: &Name) -> Planned {
    // A name is the one thing that a folder may say instead of the file.
    let reading = match app::read(text, file) {
        Ok(reading) => reading,
        Err(problems) => {
            let nameless = matches!(problems.as_slice(), [only] if only.cause.ends_with("has no `name`.") && only.at.as_ref().is_some_and(|at| at.path.is_empty()));
            let named = nameless
                .then(|| app::read(&format!("{text}\nname: {fallback}\n"), file).ok())
                .flatten();
            match named {
                Some(mut reading) => {
                    reading.report.push(Row::new(
                        Outcome::Adapted,
                        "name",
                        format!("The file gives no name: the application is called `{fallback}`."),
                    ));
                    reading
                }
                None => {
                    return refused(fallback.clone(), "app.yaml", problems);
                }
            }
        }
    };
    let mut planned = Planned {
        detected: About {
            kind: "app.yaml".into(),
            why: vec![format!("{file} says what the application is.")],
            alternatives: Vec::new(),
        },
        spec: reading.spec.clone(),
        report: reading.report.clone(),
        errors: Vec::new(),
        secrets: BTreeMap::new(),
        unset: Vec::new(),
        root: None,
    };
    if planned.spec.components.is_empty() && tree.is_some() {
        let component = ComponentSpec {
            source: Some(SourceSpec::Path(".".into())),
            ..ComponentSpec::default()
        };
        let at = lone_name(&component);
        planned.report.push(Row::new(
            Outcome::Adapted,
            format!("components.{at}"),
            format!("The file names no component: the folder itself is one, called `{at}`."),
        ));
        planned.spec.components.insert(at, component);
    }
    let several = planned.spec.components.len() > 1;
    for (name, component) in &mut planned.spec.components {
        let path = format!("components.{name}");
        if component.image.is_some()
            && component.ports.is_empty()
            && component.kind == Kind::Service
        {
            let line = reading.locate(&format!("{path}.image")).line;
            planned.report.push(image_unknown(&path).line(line));
        }
        let (Some(SourceSpec::Path(folder)), Some(tree)) = (&component.source, tree) else {
            continue;
        };
        let place = |mut problem: Problem| {
            // A place in a file of the source stays; its path then begins where app.yaml is.
            if let Some(file) = problem.at.as_mut().and_then(|at| at.file.as_mut()) {
                let folder = folder.trim_start_matches("./").trim_end_matches('/');
                if !matches!(folder, "" | ".") {
                    *file = format!("{folder}/{file}");
                }
                return problem;
            }
            let at = reading.locate(&format!("{path}.source"));
            problem.at(at)
        };
        match detect::in_source(tree, component) {
            Ok(found) => {
                let prefix = if several {
                    format!("{name}: ")
                } else {
                    String::new()
                };
                planned
                    .detected
                    .why
                    .extend(found.why.iter().map(|why| format!("{prefix}{why}")));
                planned.detected.alternatives.extend(
                    found
                        .alternatives
                        .iter()
                        .map(|other| format!("{prefix}{other}")),
                );
                if !several {
                    planned.detected.kind = kind_name(found.kind).into();
                }
                planned.report.extend(found.report.iter().cloned());
                planned
                    .report
                    .extend(fill(&path, component, &found, reading.locate(&path).line));
            }
            Err(problem) => planned.errors.push(place(problem)),
        }
    }
    let problems = reading.place(pluvio_formats::validate(&planned.spec));
    planned.errors.extend(problems);
    planned.errors.sort_by_key(|problem| {
        let at: Option<&Location> = problem.at.as_ref();
        (at.is_none(), at.map(|at| (at.line, at.column)))
    });
    planned
}

/// Puts what was detected where the specification leaves it open, with a row for each.
pub(crate) fn fill(
    path: &str,
    asked: &mut ComponentSpec,
    found: &Detected,
    line: Option<u32>,
) -> Vec<Row> {
    let mut rows = Vec::new();
    let guess = &found.component;
    let mut row = |key: &str, message: String| {
        rows.push(Row::new(Outcome::Adapted, format!("{path}.{key}"), message).line(line));
    };
    let runs = matches!(asked.kind, Kind::Service | Kind::Stateful | Kind::Daemon);
    if runs && asked.ports.is_empty() && !guess.ports.is_empty() {
        let shown: Vec<String> = guess
            .ports
            .iter()
            .map(|(name, port)| format!("{name} {}", port.port))
            .collect();
        row(
            "ports",
            format!("Filled in from the source: {}.", shown.join(", ")),
        );
        asked.ports = guess.ports.clone();
    }
    if asked.command.is_none()
        && asked.entrypoint.is_none()
        && let Some(command) = &guess.command
    {
        row(
            "command",
            format!("Filled in from the source: `{}`.", shown_command(command)),
        );
        asked.command = Some(command.clone());
    }
    if runs
        && asked.probes.is_none()
        && let Some(probes) = &guess.probes
    {
        let path = probes
            .ready
            .as_ref()
            .and_then(|probe| probe.http.as_ref())
            .map_or("/", |http| http.path.as_str());
        row(
            "probes",
            format!("Filled in from the source: ready when {path} answers."),
        );
        asked.probes = Some(probes.clone());
    }
    if asked.resources.is_none()
        && let Some(resources) = &guess.resources
        && let Some(limit) = resources.memory.as_ref().and_then(|memory| memory.limit)
    {
        row(
            "resources",
            format!("Filled in by kind of program: at most {limit} of memory."),
        );
        asked.resources = Some(resources.clone());
    }
    rows.extend(ports_unknown(path, found, asked));
    rows
}

/// A Dockerfile that exposes nothing.
fn ports_unknown(path: &str, found: &Detected, component: &ComponentSpec) -> Option<Row> {
    let unknown = found.kind == pluvio_model::spec::BuilderChoice::Dockerfile
        && component.ports.is_empty()
        && component.kind == Kind::Service;
    unknown.then(|| {
        Row::new(
            Outcome::Adapted,
            format!("{path}.ports"),
            "Unknown until built: the ports that the image exposes are taken.",
        )
        .remedy("Add `EXPOSE` to the Dockerfile, or `ports: { http: { port: … } }` to app.yaml.")
    })
}

fn shown_command(command: &pluvio_model::spec::Command) -> String {
    match command {
        pluvio_model::spec::Command::Shell(line) => line.clone(),
        pluvio_model::spec::Command::Words(words) => words.join(" "),
    }
}
