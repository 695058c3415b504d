//! Folders with Heroku's files: a Procfile of several processes, an app.json, a heroku.yml.

use pluvio_formats::heroku;
use pluvio_formats::report::{Outcome, Row};
use pluvio_model::name::Name;
use pluvio_model::problem::Problem;
use pluvio_model::spec::{BuilderChoice, ComponentSpec, PortProtocol, PortSpec, SourceSpec};

use crate::detect::{self, Detected, SourceTree};
use crate::plan_compose;
use crate::plan_source::{Planned, fill};

/// Heroku's files in a folder. A Procfile with a web process alone is that component's command, but for an image whose
/// Dockerfile does not say where it listens.
pub(crate) fn files(tree: &SourceTree) -> Option<heroku::Files<'_>> {
    let procfile = tree.text(heroku::PROCFILE);
    let app_json = tree
        .text(heroku::APP_JSON)
        .filter(|text| heroku::is_app_json(text));
    let processes = procfile.map(heroku::procfile::names).unwrap_or_default();
    let several = processes.iter().any(|name| name != "web");
    let manifest = tree.text(heroku::MANIFEST);
    let is_ours = app_json.is_some()
        || manifest.is_some()
        || several
        || (!processes.is_empty() && exposes_nothing(tree));
    is_ours.then_some(heroku::Files {
        procfile,
        app_json,
        manifest,
    })
}

/// Whether they say no more than what one image runs.
pub(crate) fn is_one_command(files: &heroku::Files) -> bool {
    let processes = files.procfile.map(heroku::procfile::names);
    let mut processes = processes.unwrap_or_default().into_iter();
    files.app_json.is_none() && files.manifest.is_none() && processes.all(|name| name == "web")
}

/// Whether the folder is built by a Dockerfile that names no port.
fn exposes_nothing(tree: &SourceTree) -> bool {
    detect::component(tree, ".", &ComponentSpec::default()).is_ok_and(|found| {
        found.kind == BuilderChoice::Dockerfile && found.component.ports.is_empty()
    })
}

/// A Procfile that comes to nothing beside a Dockerfile that says what runs and where it listens.
pub(crate) fn left_out(tree: &SourceTree, found: &Detected) -> Option<Row> {
    let text = tree.text(heroku::PROCFILE)?;
    let is_left = found.kind == BuilderChoice::Dockerfile
        && heroku::procfile::names(text)
            .iter()
            .any(|name| name == "web");
    is_left.then(|| {
        Row::new(
            Outcome::Ignored,
            "Procfile.web",
            "The Dockerfile says what runs and where it listens, and counts.",
        )
        .remedy("Write the line as `command` into app.yaml to have it run instead.")
    })
}

/// Plans a folder with Heroku's files: what they leave open is filled in by what the source is.
pub(crate) fn of_tree(
    tree: &SourceTree,
    files: heroku::Files,
    name: &Name,
    given: &[(String, String)],
) -> Planned {
    let mut planned = plan_compose::planned("heroku", heroku::read(files, None, Some(name), given));
    if !planned.errors.is_empty() {
        return planned;
    }
    let web: Name = "web".parse().expect("a name");
    let first = planned
        .spec
        .components
        .iter()
        .position(|(_, component)| matches!(component.source, Some(SourceSpec::Path(_))));
    let at = planned.spec.components.get_index_of(&web).or(first);
    let Some((leading, component)) = at.and_then(|at| planned.spec.components.get_index(at)) else {
        return planned;
    };
    let leading = leading.clone();
    match detect::in_source(tree, component) {
        Ok(found) => {
            planned.detected.why.extend(found.why.iter().cloned());
            // What detection says of a Procfile is said above.
            let rows = found.report.iter();
            planned
                .report
                .extend(rows.filter(|row| !row.at.starts_with("Procfile")).cloned());
            let source = component.source.clone();
            let build = component.build.clone();
            for (name, component) in &mut planned.spec.components {
                if !matches!(component.source, Some(SourceSpec::Path(_))) {
                    continue;
                }
                let path = format!("components.{name}");
                let mut guess = found.clone();
                if component.source != source || component.build != build {
                    match detect::in_source(tree, component) {
                        Ok(own) => guess = own,
                        Err(problem) => {
                            planned.errors.push(of_image(problem, name));
                            continue;
                        }
                    }
                }
                if *name != leading || leading != web {
                    // Only the web process listens.
                    guess.component.ports.clear();
                    guess.component.probes = None;
                    guess.component.command = None;
                }
                // What is built without a Dockerfile listens where its source says, or is told where.
                let is_image = guess.kind == BuilderChoice::Dockerfile;
                if *name == web && is_image && guess.component.ports.is_empty() {
                    planned.report.push(listens(&path));
                    component
                        .ports
                        .insert("http".parse().expect("a name"), PORT);
                }
                let rows = fill(&path, component, &guess, None);
                planned.report.extend(rows);
            }
        }
        Err(problem) if component.build.is_some() => {
            planned.errors.push(of_image(problem, &leading));
        }
        Err(problem) => planned.errors.push(problem),
    }
    planned
}

/// What a web process is told in `PORT` where its Dockerfile exposes nothing, which on Heroku has no meaning.
const PORT: PortSpec = PortSpec {
    port: detect::DEFAULT_PORT,
    protocol: PortProtocol::Http,
};

fn listens(path: &str) -> Row {
    Row::new(
        Outcome::Adapted,
        format!("{path}.ports"),
        format!(
            "As on Heroku it is to listen on the port that `PORT` says: {}.",
            PORT.port
        ),
    )
    .remedy("Write `EXPOSE` into its Dockerfile if it listens on another.")
}

/// A Dockerfile that heroku.yml names.
fn of_image(mut problem: Problem, process: &Name) -> Problem {
    let at = problem.at.get_or_insert_default();
    if at.file.is_none() {
        at.file = Some(heroku::MANIFEST.to_owned());
        at.path = format!("build.docker.{process}");
    }
    problem
}
