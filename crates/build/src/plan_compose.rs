//! Compose files as sources: what lies around them on disk, and the folders that their services are built from.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use pluvio_formats::compose::{self, Entry, Import, Project, Surroundings};
use pluvio_formats::report::{Outcome, Row};
use pluvio_formats::yaml;
use pluvio_formats::{caprover, docker_run, dokploy};
use pluvio_model::name::Name;
use pluvio_model::problem::Problem;
use pluvio_model::spec::SourceSpec;

use crate::detect::{self, SourceTree};
use crate::plan_source::{About, Planned};

/// The largest file that is taken along as text.
const TEXT_MAX: u64 = 1 << 20;
/// The most files of one folder.
const FILES_MAX: usize = 200;

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
    /// Somebody else's folder: nothing outside of it is read or named.
    pub confined: bool,
}

/// The folder of a compose file.
#[derive(Debug)]
pub struct Beside {
    folder: PathBuf,
    confined: bool,
}

impl Beside {
    pub fn new(folder: &Path, confined: bool) -> Beside {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        Beside { folder, confined }
    }

    /// `None` for what is outside of a folder that is not to be left, links followed.
    fn place(&self, path: &str) -> Option<PathBuf> {
        let path = match path.strip_prefix('~') {
            Some(rest) if !self.confined => {
                PathBuf::from(std::env::var_os("HOME")?).join(rest.trim_start_matches('/'))
            }
            Some(_) => return None,
            None => self.folder.join(path),
        };
        if self.confined {
            let whole = path.canonicalize().ok()?;
            return whole.starts_with(&self.folder).then_some(whole);
        }
        Some(path)
    }
}

impl Surroundings for Beside {
    fn entry(&self, path: &str) -> Entry {
        let Some(place) = self.place(path) else {
            return Entry::Missing;
        };
        match fs::metadata(&place) {
            Err(_) => Entry::Missing,
            Ok(data) if data.is_dir() => Entry::Folder,
            Ok(data) if data.is_file() && data.len() <= TEXT_MAX => match fs::read(&place) {
                Ok(bytes) => String::from_utf8(bytes)
                    .ok()
                    .filter(|text| !text.contains('\0'))
                    .map_or(Entry::Other, Entry::Text),
                Err(_) => Entry::Other,
            },
            Ok(_) => Entry::Other,
        }
    }

    fn below(&self, path: &str) -> Option<Vec<String>> {
        let root = self.place(path)?;
        let mut files = Vec::new();
        let mut waiting = vec![String::new()];
        while let Some(inside) = waiting.pop() {
            let mut entries: Vec<_> = fs::read_dir(root.join(&inside))
                .ok()?
                .collect::<Result<_, _>>()
                .ok()?;
            entries.sort_by_key(fs::DirEntry::file_name);
            for entry in entries {
                let name = entry.file_name().into_string().ok()?;
                let name = if inside.is_empty() {
                    name
                } else {
                    format!("{inside}/{name}")
                };
                if entry.file_type().ok()?.is_dir() {
                    waiting.push(name);
                } else {
                    files.push(name);
                }
                if files.len() + waiting.len() > FILES_MAX {
                    return None;
                }
            }
        }
        files.sort();
        Some(files)
    }

    fn absolute(&self, path: &str) -> Option<String> {
        if self.confined {
            return None;
        }
        let place = self.place(path)?;
        let whole = place.canonicalize().unwrap_or(place);
        whole.into_os_string().into_string().ok()
    }

    fn is_program(&self, path: &str) -> bool {
        self.place(path)
            .and_then(|place| fs::metadata(place).ok())
            .is_some_and(|data| data.permissions().mode() & 0o111 != 0)
    }
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

/// Reads the compose files of a folder and plans them.
///
/// Where they build from folders above theirs, as `docker/compose.yaml` with `context: ..` does, the source is the folder above
/// ([`Planned::root`]); not of somebody else's folder.
pub fn of_folder(folder: &Path, asked: &Asked) -> Planned {
    of_project(folder, &project(asked), asked)
}

fn of_project(folder: &Path, project: &Project, asked: &Asked) -> Planned {
    let around = Beside::new(folder, asked.confined);
    let import = compose::read(project, &around);
    if import.above > 0
        && !asked.confined
        && project.text.is_none()
        && let Some((root, project)) = from_above(&around.folder, project, import.above)
    {
        let mut planned = of_project(&root, &project, asked);
        let why = format!(
            "It builds from above its folder: the source is {}.",
            root.display()
        );
        planned.detected.why.push(why);
        planned.root = Some(root);
        return planned;
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

/// The same project, seen from so many folders above it.
fn from_above(folder: &Path, project: &Project, above: usize) -> Option<(PathBuf, Project)> {
    let root = folder.ancestors().nth(above)?;
    // Neither the whole disk nor somebody's home is an application's source.
    root.parent()?;
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let home = home.map(|home| home.canonicalize().unwrap_or(home));
    if home.is_some_and(|home| home.starts_with(root)) {
        return None;
    }
    let inside = folder.strip_prefix(root).ok()?.to_str()?;
    let seen = |path: &String| match path.starts_with('/') {
        true => path.clone(),
        false => format!("{inside}/{path}"),
    };
    let project = Project {
        folder: inside.to_owned(),
        files: project.files.iter().map(seen).collect(),
        env_files: project.env_files.iter().map(seen).collect(),
        ..project.clone()
    };
    Some((root.to_owned(), project))
}

/// The file of a template of Dokploy's beside a compose file of a folder, and that compose file.
pub fn dokploy_in(folder: &Path, tree: &SourceTree, confined: bool) -> Option<&'static str> {
    let file = found(tree).filter(|_| tree.has(dokploy::FILE))?;
    match Beside::new(folder, confined).entry(dokploy::FILE) {
        Entry::Text(text) if dokploy::is_template(&text) => Some(file),
        _ => None,
    }
}

/// Reads a template of Dokploy's: the compose file of a folder with what its `template.toml` says.
pub fn of_dokploy(folder: &Path, compose_file: &str, asked: &Asked) -> Planned {
    let around = Beside::new(folder, asked.confined);
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
        Some(folder) => Box::new(Beside::new(folder, asked.confined)),
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
    let around = Beside::new(folder, false);
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
            confined: true,
            ..asked
        };
        let refused = of_folder(&folder, &confined);
        assert!(refused.root.is_none());
        assert!(refused.errors[0].cause.contains("outside of the folder"));
    }
}
