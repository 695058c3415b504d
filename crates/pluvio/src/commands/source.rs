//! What a word on the command line names, and what it is, as far as this machine can tell.

use std::path::{Path, PathBuf};

use pluvio_api::client::{Address, Client};
use pluvio_api::environments::EnvironmentSummary;
use pluvio_build::plan_beside::Reach;
use pluvio_build::plan_compose::{self, Asked};
use pluvio_build::plan_fetched;
use pluvio_build::plan_source::{self, Planned};
use pluvio_formats::heroku;
use pluvio_formats::report::{Outcome, Row};
use pluvio_model::name::Name;
use pluvio_model::problem::{self, Location, Problem};
use pluvio_model::spec::GitSource;

use super::{Done, pair};
use crate::cli::ComposeArgs;
use crate::context::{Context, escape};

/// The engine's name among clusters.
const LOCAL: &str = "local";

/// What a word on the command line names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    Folder(PathBuf),
    File(PathBuf),
    /// Source packed by somebody else.
    Archive(PathBuf),
    Stdin,
    Git(String),
    Image(String),
}

/// Paths that exist win; then Git addresses; what is left is an image.
pub(crate) fn name_source(text: &str) -> Result<Named, Problem> {
    let path = Path::new(text);
    if text == "-" {
        return Ok(Named::Stdin);
    }
    if path.is_dir() {
        return Ok(Named::Folder(path.to_owned()));
    }
    if path.is_file() && pluvio_build::fetch::is_archive(path) {
        return Ok(Named::Archive(path.to_owned()));
    }
    if path.is_file() {
        return Ok(Named::File(path.to_owned()));
    }
    if pluvio_formats::docker_run::is_run(text) {
        return Ok(Named::Image(text.to_owned()));
    }
    let git = ["http://", "https://", "ssh://", "git://", "file://", "git+"]
        .iter()
        .any(|p| text.starts_with(p))
        || text
            .split('#')
            .next()
            .is_some_and(|url| url.ends_with(".git"))
        || (text.contains('@') && text.contains(':') && !text.contains("@sha256:"));
    if git {
        return Ok(Named::Git(text.trim_start_matches("git+").to_owned()));
    }
    if text.starts_with(['.', '/', '~']) || is_named_like_a_file(path) {
        return Err(problem::SOURCE_MISSING.problem(
            format!("There is no folder or file {text}."),
            "Name a folder with source, an app.yaml, a Git URL or an image.",
        ));
    }
    Ok(Named::Image(text.to_owned()))
}

/// What is deployed from. An image that is called so is told from it by its tag.
fn is_named_like_a_file(path: &Path) -> bool {
    let ends = path.extension().and_then(|end| end.to_str());
    let name = path.file_name().and_then(|name| name.to_str());
    ends.is_some_and(|end| {
        let end = end.to_ascii_lowercase();
        let known = ["yaml", "yml", "json", "toml", "zip", "tar", "gz", "tgz"];
        known.contains(&end.as_str())
    }) || name.is_some_and(|name| ["Dockerfile", "Containerfile", "Procfile"].contains(&name))
}

/// A repository by its address, which may end in `#REF:FOLDER`; flags win.
pub(crate) fn repository(
    address: &str,
    reference: Option<&String>,
    path: Option<&String>,
) -> GitSource {
    let of = GitSource::of(address);
    GitSource {
        reference: reference.cloned().or(of.reference),
        path: path.cloned().or(of.path),
        ..of
    }
}

/// The application's name where the source does not say it.
fn folder_name(folder: &Path) -> Option<Name> {
    let whole = folder.canonicalize().ok()?;
    Name::suggest(&whole.file_name()?.to_string_lossy())
}

pub(crate) fn parse_name(text: &str) -> Result<Name, Problem> {
    text.parse().map_err(|e: pluvio_model::name::InvalidName| {
        problem::SPEC_INVALID
            .problem(
                e.to_string(),
                e.suggestion.map_or(
                    "Choose a name of a-z, 0-9 and single dashes.".to_owned(),
                    |s| format!("Use {s}."),
                ),
            )
            .path("name")
    })
}

/// An archive as a folder that is gone with the value; the application's name where the source does not say it.
pub(crate) struct UnpackedHere {
    pub(crate) folder: tempfile::TempDir,
    name: Option<Name>,
}

impl UnpackedHere {
    pub(crate) fn new(archive: &Path) -> Result<UnpackedHere, Problem> {
        let folder = tempfile::tempdir().map_err(|e| {
            problem::DISK_FULL.problem(
                format!("A temporary folder cannot be made: {e}."),
                "Free space in /tmp, or set TMPDIR.",
            )
        })?;
        pluvio_build::fetch::unpack(
            archive,
            &folder.path().join("source"),
            &pluvio_build::fetch::ArchiveLimits::default(),
        )?;
        let name = archive.file_name().unwrap_or_default().to_string_lossy();
        let name = [".zip", ".tar.gz", ".tgz", ".tar"]
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .unwrap_or(&name)
            .to_owned();
        Ok(UnpackedHere {
            folder,
            name: Name::suggest(&name),
        })
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    /// What a folder in it is, of all of it: what is built lies in the folder that comes with it.
    pub(crate) fn plan(
        &self,
        path: Option<&str>,
        name: Option<&Name>,
        asked: &Asked,
    ) -> Result<(Planned, PathBuf), Problem> {
        let whole = self.source();
        let folder = plan_fetched::folder_of(&whole, path)?;
        let asked = Asked {
            name: name.cloned(),
            fallback: self.name.clone(),
            ..asked.clone()
        };
        let planned = plan_fetched::of_part(&whole, &folder, &asked)?;
        let root = planned.root.clone().unwrap_or(folder);
        Ok((planned, root))
    }
}

/// A source looked at on this machine; `None` for what only the server can fetch.
pub(crate) fn plan_here(
    context: &Context,
    named: &Named,
    name: Option<&Name>,
) -> Result<Option<Planned>, Problem> {
    plan_here_as(context, named, name, &Asked::default())
}

/// The same, with what was asked of a compose file.
pub(crate) fn plan_here_as(
    context: &Context,
    named: &Named,
    name: Option<&Name>,
    asked: &Asked,
) -> Result<Option<Planned>, Problem> {
    Ok(match named {
        Named::Folder(folder) => {
            let asked = Asked {
                name: name.cloned(),
                fallback: folder_name(folder),
                ..asked.clone()
            };
            Some(plan_source::of_folder_as(folder, &asked)?)
        }
        Named::Archive(file) => Some(UnpackedHere::new(file)?.plan(None, name, asked)?.0),
        Named::File(file) => {
            let bytes = std::fs::read(file).map_err(|e| {
                problem::SOURCE_MISSING.problem(
                    format!("{} cannot be read: {e}.", file.display()),
                    "Name a readable text file.",
                )
            })?;
            let text = pluvio_formats::yaml::text_of(bytes).map_err(|at| {
                let shown = file.display().to_string();
                let cause = format!(
                    "{shown} holds bytes on line {} that are no UTF-8 text.",
                    at.line
                );
                let place = Location {
                    file: Some(shown),
                    line: Some(at.line),
                    column: Some(at.column),
                    path: String::new(),
                };
                problem::SPEC_SYNTAX
                    .problem(cause, "Save it as UTF-8.")
                    .at(place)
            })?;
            if pluvio_formats::caprover::is_template(&text) {
                let asked = Asked {
                    name: name.cloned(),
                    ..asked.clone()
                };
                let shown = file.display().to_string();
                let folder = Some(folder_of(file));
                return Ok(Some(plan_compose::of_caprover(
                    &text, &shown, folder, &asked,
                )));
            }
            let own = file.file_name().and_then(|name| name.to_str());
            let of_heroku = match own {
                Some(heroku::PROCFILE | heroku::MANIFEST) => true,
                Some(heroku::APP_JSON) => heroku::is_app_json(&text),
                _ => false,
            };
            if of_heroku {
                let folder = Named::Folder(folder_of(file).to_owned());
                return plan_here_as(context, &folder, name, asked);
            }
            if let Some(planned) = dokploy_beside(file, &text, name, asked) {
                return Ok(Some(planned));
            }
            if plan_compose::is_compose(&text) {
                let folder = folder_of(file);
                let mut asked = Asked {
                    name: name.cloned(),
                    fallback: folder_name(folder),
                    ..asked.clone()
                };
                let own = file.file_name().unwrap_or_default().to_string_lossy();
                asked.files.insert(0, own.into_owned());
                return Ok(Some(plan_compose::of_folder(folder, &asked)));
            }
            let shown = file.display().to_string();
            Some(plan_source::of_text(&text, &shown, &named_as(name, asked)))
        }
        Named::Stdin => {
            let text = super::change::read_stdin()?;
            let here = Path::new(".");
            let asked = Asked {
                fallback: folder_name(here),
                ..named_as(name, asked)
            };
            // As with `docker compose -f -`: what the text names is looked for where one is.
            Some(if pluvio_formats::docker_run::is_run(&text) {
                plan_compose::of_run(&text, here, &asked)
            } else if plan_compose::is_compose(&text)
                && pluvio_formats::dokploy::pasted(&text).is_none()
            {
                plan_compose::of_text_in(here, &text, &asked)
            } else {
                plan_source::of_text(&text, "-", &asked)
            })
        }
        Named::Image(text) if pluvio_formats::docker_run::is_run(text) => {
            let asked = named_as(name, asked);
            Some(plan_compose::of_run(text, Path::new("."), &asked))
        }
        Named::Image(image) => Some(plan_source::of_image(image, &named_as(name, asked))),
        Named::Git(_) => {
            let _ = context;
            None
        }
    })
}

fn named_as(name: Option<&Name>, asked: &Asked) -> Asked {
    Asked {
        name: name.cloned(),
        ..asked.clone()
    }
}

/// Either file of a template of Dokploy's means both.
fn dokploy_beside(file: &Path, text: &str, name: Option<&Name>, asked: &Asked) -> Option<Planned> {
    use pluvio_formats::{compose, dokploy};
    let folder = folder_of(file);
    let own = file.file_name()?.to_str()?;
    let compose_file = if own == dokploy::FILE && dokploy::is_template(text) {
        compose::FILES
            .into_iter()
            .find(|name| folder.join(name).is_file())?
            .to_owned()
    } else {
        let template = std::fs::read_to_string(folder.join(dokploy::FILE)).ok()?;
        (plan_compose::is_compose(text) && dokploy::is_template(&template))
            .then(|| own.to_owned())?
    };
    let asked = Asked {
        name: name.cloned(),
        fallback: folder_name(folder),
        ..asked.clone()
    };
    Some(plan_compose::of_dokploy(folder, &compose_file, &asked))
}

/// The folder that a file lies in.
fn folder_of(file: &Path) -> &Path {
    file.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// The folder that what a plan builds lies in; `None` where it lies in none of this machine.
pub(crate) fn source_folder<'p>(named: &'p Named, planned: &'p Planned) -> Option<&'p Path> {
    let named = match named {
        Named::Folder(folder) => folder,
        Named::File(file) => folder_of(file),
        Named::Stdin => Path::new("."),
        Named::Archive(_) | Named::Git(_) | Named::Image(_) => return None,
    };
    Some(planned.root.as_deref().unwrap_or(named))
}

/// The source and what is asked of compose files in it. Files named by `-f` begin in the first one's folder.
pub(crate) fn asked_of(
    source: Option<&str>,
    compose: &ComposeArgs,
    env: &[String],
    env_files: &[PathBuf],
) -> Result<(Named, Asked), Problem> {
    let named = match (source, compose.files.first()) {
        (None | Some("."), Some(first)) => Named::Folder(folder_of(first).to_owned()),
        (source, _) => name_source(source.unwrap_or("."))?,
    };
    let folder = match &named {
        Named::Folder(folder) => folder.clone(),
        Named::File(file) => folder_of(file).to_owned(),
        _ => PathBuf::from("."),
    };
    // Relative to that folder, where they can be.
    let inside = |file: &PathBuf| -> String {
        let (whole, base) = (file.canonicalize(), folder.canonicalize());
        match (whole, base) {
            (Ok(whole), Ok(base)) => whole
                .strip_prefix(&base)
                .unwrap_or(&whole)
                .to_string_lossy()
                .into_owned(),
            _ => file.to_string_lossy().into_owned(),
        }
    };
    let asked = Asked {
        files: compose.files.iter().map(inside).collect(),
        env_files: env_files.iter().map(inside).collect(),
        variables: env
            .iter()
            .map(|text| pair(text))
            .collect::<Result<_, _>>()?,
        profiles: compose.profiles.clone(),
        ..Asked::default()
    };
    Ok((named, asked))
}

/// How far what is named here reaches: whether the environment's applications run on this very machine.
pub(crate) async fn reach_of(context: &Context, client: &Client) -> Reach {
    let is_here = match client.address() {
        Address::Socket(_) => true,
        Address::Tcp(address) | Address::Tls(address) => {
            let host = address
                .rsplit_once(':')
                .map_or(&**address, |(host, _)| host);
            let host = host.trim_matches(['[', ']']);
            let address = host.parse::<std::net::IpAddr>();
            host == "localhost" || address.is_ok_and(|address| address.is_loopback())
        }
    };
    if !is_here {
        return Reach::Elsewhere;
    }
    let path = format!(
        "/api/v1/teams/{}/environments",
        escape(&context.global.team)
    );
    // Who may not look is told so by what comes next.
    let all: Vec<EnvironmentSummary> = super::apps::all(context, &path).await.unwrap_or_default();
    let own = all
        .iter()
        .find(|one| one.name == context.global.environment);
    match own {
        Some(own) if own.cluster != LOCAL => Reach::Elsewhere,
        _ => Reach::Machine,
    }
}

/// What the plan refuses is not left out unless that is said.
pub(crate) fn refuse_refused(report: &[Row], accepted: bool) -> Done {
    let refused: Vec<&Row> = report
        .iter()
        .filter(|row| row.outcome == Outcome::Refused)
        .collect();
    let (Some(first), false) = (refused.first(), accepted) else {
        return Ok(());
    };
    let cause = match refused.len() {
        1 => format!("`{}` cannot be kept: {}", first.at, first.message),
        count => format!("{count} parts of the source cannot be kept."),
    };
    Err(problem::REFUSED
        .problem(
            cause,
            "Change the source as the plan says (`pluvio plan`), or deploy without these parts: --accept-refused.",
        )
        .evidence(refused.iter().map(|row| {
            let line = row.line.map(|line| format!("line {line}: ")).unwrap_or_default();
            format!("{line}{}: {}", row.at, row.message)
        })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_no_image() {
        for file in [
            "missing.yaml",
            "deploy/missing.yml",
            "missing.JSON",
            "missing.tar.gz",
            "Procfile",
            "deploy/Dockerfile",
            "./missing",
        ] {
            let refused = name_source(file).unwrap_err();
            assert!(refused.is(problem::SOURCE_MISSING), "{file}: {refused:?}");
            assert!(refused.cause.contains(file), "{refused:?}");
        }
        for image in ["nginx", "nginx:1.27", "ghcr.io/me/app.json:latest"] {
            assert_eq!(name_source(image), Ok(Named::Image(image.to_owned())));
        }
    }
}
