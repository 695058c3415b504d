//! Compose files as sources: which of a folder are read, and the folders that their services are built from.

use std::path::Path;

use pluvio_formats::compose::{self, Entry, Import, Project, Surroundings};
use pluvio_formats::report::{Outcome, Row};
use pluvio_formats::yaml;
use pluvio_formats::{caprover, docker_run, dokploy};
use pluvio_model::name::Name;
use pluvio_model::problem::Problem;
use pluvio_model::spec::SourceSpec;

use crate::detect::{self, SourceTree};
use crate::plan_beside::{Beside, Reach};
use crate::plan_source::{About, Planned};

/// How a compose file is meant, besides what it says.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Wins over what the file says.
    pub name: Option<Name>,
    /// Where the file does not say it.
    pub fallback: Option<Name>,
    /// Laid over each other, relative to the folder; as compose finds them when empty.
    pub files: Vec<String>,
    pub env_files: Vec<String>,
    pub variables: Vec<(String, String)>,
    pub profiles: Vec<String>,
    pub reach: Reach,
}

/// Whether a text is a compose file by what it holds.
pub fn is_compose(text: &str) -> bool {
    let limits = yaml::Limits {
        compose: true,
        ..yaml::Limits::default()
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root = match yaml::read(text, &limits) {
        Ok(root) => root,
        // What is wrong in it is told by whoever reads it as what it looks like.
        Err(_) => {
            let top = |key: &str| text.lines().any(|line| line.trim_end() == key);
            return top("services:") && !top("components:");
        }
    };
    let map = |key: &str| root.get(key).is_some_and(|node| !node.entries().is_empty());
    root.get("components").is_none()
        && root.get("captainVersion").is_none()
        && !root
            .get("apiVersion")
            .and_then(yaml::Node::as_text)
            .is_some_and(|version| version.contains('/'))
        && (map("services") || root.get("include").is_some())
}

/// The name of the first compose file in a folder.
pub fn found(tree: &SourceTree) -> Option<&'static str> {
    compose::FILES.into_iter().find(|file| tree.has(file))
}

/// Whether a folder has compose files: one of a usual name, or those that `COMPOSE_FILE` lists.
pub(crate) fn is_in(folder: &Path, tree: &SourceTree, asked: &Asked) -> bool {
    found(tree).is_some()
        || compose::lists_files(&project(asked), &Beside::new(folder, &asked.reach))
}

/// Reads the compose files of a folder and plans them.
///
/// Where they build from folders above theirs, as `docker/compose.yaml` with `context: ..` does, the source is the folder above
/// ([`Planned::root`]), as far as [`Asked::reach`] goes.
pub fn of_folder(folder: &Path, asked: &Asked) -> Planned {
    of_project(folder, &project(asked), asked)
}

fn of_project(folder: &Path, project: &Project, asked: &Asked) -> Planned {
    let mut around = Beside::new(folder, &asked.reach);
    let mut import = compose::read(project, &around);
    if import.above > 0 {
        match around.above(import.above) {
            Ok(root) => {
                let mut planned = of_project(&root, &seen_from(&root, &around, project), asked);
                planned.detected.why.push(around.told(&root));
                planned.root = Some(root);
                return planned;
            }
            Err(remedy) => {
                around.remedy = remedy;
                import = compose::read(project, &around);
            }
        }
    }
    let mut planned = planned("compose", import);
    let tree = planned
        .spec
        .components
        .values()
        .any(|component| matches!(component.source, Some(SourceSpec::Path(_))))
        .then(|| SourceTree::read(folder, &detect::Limits::default()));
    match tree {
        Some(Ok(tree)) => look_at_sources(&tree, &mut planned),
        Some(Err(problem)) => planned.errors.push(problem),
        None => {}
    }
    planned
}

/// The same project, seen from a folder above it.
fn seen_from(root: &Path, around: &Beside, project: &Project) -> Project {
    let inside = around.inside(root);
    let seen = |path: &String| match path.starts_with('/') {
        true => path.clone(),
        false => format!("{inside}/{path}"),
    };
    let files = match &project.text {
        // It lies nowhere, and is called as it was.
        Some(_) => project.files.clone(),
        None => project.files.iter().map(seen).collect(),
    };
    Project {
        files,
        env_files: project.env_files.iter().map(seen).collect(),
        folder: inside,
        ..project.clone()
    }
}

/// The file of a template of Dokploy's beside a compose file of a folder, and that compose file.
pub fn dokploy_in(folder: &Path, tree: &SourceTree, reach: &Reach) -> Option<&'static str> {
    let file = found(tree).filter(|_| tree.has(dokploy::FILE))?;
    match Beside::new(folder, reach).entry(dokploy::FILE) {
        Entry::Text(text) if dokploy::is_template(&text) => Some(file),
        _ => None,
    }
}

/// Reads a template of Dokploy's: the compose file of a folder with what its `template.toml` says.
pub fn of_dokploy(folder: &Path, compose_file: &str, asked: &Asked) -> Planned {
    let around = Beside::new(folder, &asked.reach);
    let text = |file: &str| match around.entry(file) {
        Entry::Text(text) => text,
        _ => String::new(),
    };
    let (compose, config) = (text(compose_file), text(dokploy::FILE));
    dokploy_planned(&compose, compose_file, &config, asked, &around)
}

/// The same of a template that was pasted as one text.
pub fn of_dokploy_pasted(compose: &str, config: &str, asked: &Asked) -> Planned {
    let around = &compose::Nothing;
    dokploy_planned(compose, "docker-compose.yml", config, asked, around)
}

fn dokploy_planned(
    compose: &str,
    compose_file: &str,
    config: &str,
    asked: &Asked,
    around: &dyn compose::Surroundings,
) -> Planned {
    let template = dokploy::Template {
        compose,
        compose_file,
        config,
        config_file: dokploy::FILE,
    };
    let (name, fallback) = (asked.name.as_ref(), asked.fallback.as_ref());
    let import = dokploy::read(template, name, fallback, &asked.variables, around);
    planned("dokploy", import)
}

/// Plans a text without anything around it.
pub fn of_text(text: &str, file: &str, asked: &Asked) -> Planned {
    let project = Project {
        files: vec![file.to_owned()],
        text: Some(text.to_owned()),
        ..project(asked)
    };
    planned("compose", compose::read(&project, &compose::Nothing))
}

/// Plans a template of CapRover's.
pub fn of_caprover(text: &str, file: &str, folder: Option<&Path>, asked: &Asked) -> Planned {
    let around: Box<dyn Surroundings> = match folder {
        Some(folder) => Box::new(Beside::new(folder, &asked.reach)),
        None => Box::new(compose::Nothing),
    };
    let (name, fallback) = (asked.name.as_ref(), None);
    let import = caprover::read(text, file, name, fallback, &asked.variables, &*around);
    planned("caprover", import)
}

/// Plans a compose file's text as if it lay in a folder: paths and files of variables begin there.
pub fn of_text_in(folder: &Path, text: &str, asked: &Asked) -> Planned {
    let project = Project {
        files: vec!["The input".to_owned()],
        text: Some(text.to_owned()),
        ..project(asked)
    };
    of_project(folder, &project, asked)
}

/// Plans a `docker run` line; paths in it begin at a folder.
pub fn of_run(text: &str, folder: &Path, asked: &Asked) -> Planned {
    let around = Beside::new(folder, &Reach::Machine);
    let import = docker_run::read(text, asked.name.as_ref(), &asked.variables, &around);
    planned("docker run", import)
}

fn project(asked: &Asked) -> Project {
    Project {
        folder: String::new(),
        files: asked.files.clone(),
        text: None,
        env_files: asked.env_files.clone(),
        variables: asked.variables.iter().cloned().collect(),
        profiles: asked.profiles.clone(),
        name: asked.name.clone(),
        fallback: asked.fallback.clone(),
    }
}

pub(crate) fn planned(kind: &str, import: Import) -> Planned {
    Planned {
        detected: About {
            kind: kind.into(),
            why: import.why,
            alternatives: Vec::new(),
        },
        spec: import.spec,
        report: import.report,
        errors: import.errors,
        secrets: import.secrets,
        unset: import.unset,
        root: None,
    }
}

/// What is built, as far as its folder tells.
fn look_at_sources(tree: &SourceTree, planned: &mut Planned) {
    let mut rows: Vec<Row> = Vec::new();
    for (name, component) in &planned.spec.components {
        let Some(SourceSpec::Path(folder)) = &component.source else {
            continue;
        };
        match detect::in_source(tree, component) {
            Ok(found) => planned
                .detected
                .why
                .extend(found.why.iter().map(|why| format!("{name}: {why}"))),
            Err(problem) => planned.errors.push(of_service(problem, name, folder)),
        }
        if component.ports.is_empty() && component.kind == pluvio_model::spec::Kind::Service {
            rows.push(Row::new(
                Outcome::Adapted,
                format!("components.{name}.ports"),
                "Unknown until built: the ports that the image exposes are taken, inside the application.",
            ));
        }
    }
    planned.report.append(&mut rows);
}

fn of_service(mut problem: Problem, name: &Name, folder: &str) -> Problem {
    let at = problem.at.get_or_insert_default();
    if let Some(file) = &mut at.file
        && folder != "."
    {
        *file = format!("{folder}/{file}");
    }
    at.path = format!("services.{name}.build");
    problem
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// `docker/compose.yaml` of a project, as its users run it there.
    #[test]
    fn what_is_built_from_above_its_file_is_planned_from_there() {
        let home = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let place = home.path().join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, text).unwrap();
        };
        write("shop/docker/web.Dockerfile", "FROM scratch\n");
        write("shop/docker/.env", "GREETING=hello\n");
        write("shop/docker/site.conf", "a\n");
        write("shop/docker/proxy/Dockerfile", "FROM scratch\n");
        write("shop/docker/Dockerfile", "FROM scratch\n");
        write("shop/main.go", "package main\n");
        write(
            "shop/docker/compose.yaml",
            "
services:
  web:
    build: { context: .., dockerfile: docker/web.Dockerfile }
    environment: { GREETING: $GREETING }
    volumes: ['./site.conf:/etc/site.conf:ro', './data:/data', 'kept:/kept']
  proxy: { build: ./proxy }
  here: { build: { args: { A: b } } }
volumes: { kept: {} }
",
        );
        let folder = home.path().join("shop/docker");
        let asked = Asked {
            fallback: Name::suggest("docker"),
            ..Asked::default()
        };
        let planned = of_folder(&folder, &asked);
        assert_eq!(planned.errors, []);
        let root = home.path().join("shop").canonicalize().unwrap();
        assert_eq!(planned.root.as_ref(), Some(&root));
        let source = |name: &str| planned.spec.components[name].source.clone().unwrap();
        assert_eq!(source("web"), SourceSpec::Path(".".to_owned()));
        assert_eq!(source("proxy"), SourceSpec::Path("docker/proxy".to_owned()));
        assert_eq!(source("here"), SourceSpec::Path("docker".to_owned()));
        let web = &planned.spec.components["web"];
        let build = web.build.as_ref().unwrap();
        assert_eq!(build.dockerfile.as_deref(), Some("docker/web.Dockerfile"));
        assert_eq!(web.files.values().next().unwrap().content, "a\n");
        let greeting = &planned.spec.settings["GREETING"];
        assert_eq!(greeting.default.as_deref(), Some("hello"));
        // Named from elsewhere, it is the same.
        let named = Asked {
            files: vec!["compose.yaml".to_owned()],
            ..asked.clone()
        };
        assert_eq!(of_folder(&folder, &named).spec, planned.spec);
        // Of somebody else's folder nothing outside is read, and the whole disk is no source.
        let confined = Asked {
            reach: Reach::Folder,
            ..asked
        };
        let refused = of_folder(&folder, &confined);
        assert!(refused.root.is_none());
        assert!(refused.errors[0].cause.contains("outside of the folder"));
    }
}
