//! Base images: from the configured registry where it answers, else made from the distribution's packages by the script
//! this program carries (`scripts/bases/make`, whose head says what is in each).

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use pluvio_engine::RegistryCredential;
use pluvio_model::facts::ImageFacts;
use pluvio_model::image::ImageReference;
use pluvio_model::problem::{self, Problem};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::builder::{Builder, Log, LogEntry};
use crate::fetch::cannot_write;
use crate::plan::{Base, BaseName};

/// The whole recipe.
const RECIPE: &str = include_str!("../../../scripts/bases/make");

/// A base image at hand.
#[derive(Debug, Clone)]
pub struct BaseImage {
    pub reference: String,
    pub facts: ImageFacts,
    pub origin: BaseOrigin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BaseOrigin {
    AtHand,
    Pulled,
    /// From Debian's packages.
    Made,
}

impl BaseImage {
    /// For people: `node:22`, `registry.example/node:22-trixie-slim, pulled`.
    pub(crate) fn note(&self) -> String {
        let name = &self.reference;
        let short = name.strip_prefix("localhost/pluvio/base-").unwrap_or(name);
        match self.origin {
            BaseOrigin::AtHand => short.to_owned(),
            BaseOrigin::Pulled => format!("{short}, pulled"),
            BaseOrigin::Made => format!("{short}, made from Debian's packages"),
        }
    }
}

impl Builder {
    /// The base as an image of the engine. Making one takes half a minute and says each step; two builds that want the
    /// same wait for one. Where a registry is configured, its image comes first; one that was made here serves when the
    /// registry does not. Problems: `build.version`, `build.base`, `image.unauthorized`.
    pub async fn base(
        &self,
        base: &Base,
        credentials: &[(String, RegistryCredential)],
        log: &Log,
    ) -> Result<BaseImage, Problem> {
        let version = match &base.version {
            Some(version) => version.clone(),
            None => self.default_version(base.name).await?,
        };
        let made = format!("localhost/pluvio/base-{}:{version}", base.name);
        let pulled = self
            .settings
            .registry
            .as_deref()
            .and_then(|registry| upstream(registry, base.name, &version));
        let first = pulled.as_ref().unwrap_or(&made);
        if let Some(there) = self.at_hand_as(first).await? {
            return Ok(there);
        }
        // Held until the image is there: whoever waited looks again first.
        let _lock = Lock::take(
            &self.settings.work.join("bases"),
            &format!("{}-{version}", base.name),
        )
        .await?;
        if let Some(there) = self.at_hand_as(first).await? {
            return Ok(there);
        }
        if let Some(reference) = pulled
            && let Ok(image) = reference.parse::<ImageReference>()
        {
            log(LogEntry::line(format!("pulling {image}")));
            let credential = credentials
                .iter()
                .find(|(host, _)| host == image.registry())
                .map(|(_, credential)| credential);
            let progress = |line: String| log(LogEntry::line(line));
            match self.engine.pull(&image, credential, progress).await {
                Ok(facts) => {
                    return Ok(BaseImage {
                        reference,
                        facts,
                        origin: BaseOrigin::Pulled,
                    });
                }
                Err(problem)
                    if problem.is(problem::IMAGE_UNAUTHORIZED)
                        || problem.is(problem::DISK_FULL) =>
                {
                    return Err(problem);
                }
                Err(problem) => {
                    let there = self.at_hand_as(&made).await?;
                    let instead = match &there {
                        Some(_) => "the one made here before is used",
                        None => "it is made from Debian's packages",
                    };
                    log(LogEntry::line(format!("{}; {instead}", problem.cause)));
                    if let Some(there) = there {
                        return Ok(there);
                    }
                }
            }
        }
        if let Some(there) = self.at_hand_as(&made).await? {
            return Ok(there);
        }
        self.make(base.name, &version, &made, log).await?;
        match self.at_hand(&made).await? {
            Some(facts) => Ok(BaseImage {
                reference: made,
                facts,
                origin: BaseOrigin::Made,
            }),
            None => Err(failed(
                base.name,
                "the engine imported it, and does not have it",
                &[],
            )),
        }
    }

    /// Where the base would be pulled from first: `None` where no registry is set, or it has none.
    pub fn base_in_registry(&self, base: &Base) -> Option<ImageReference> {
        let registry = self.settings.registry.as_deref()?;
        upstream(registry, base.name, base.version.as_deref()?)?
            .parse()
            .ok()
    }

    async fn at_hand_as(&self, reference: &str) -> Result<Option<BaseImage>, Problem> {
        let facts = self.at_hand(reference).await?;
        Ok(facts.map(|facts| BaseImage {
            reference: reference.to_owned(),
            facts,
            origin: BaseOrigin::AtHand,
        }))
    }

    async fn at_hand(&self, reference: &str) -> Result<Option<ImageFacts>, Problem> {
        let facts = self.engine.image_facts(reference).await;
        facts.map_err(|e| e.to_problem())
    }

    /// What the recipe calls `default`. Asking it takes a second; the answer is kept for a day.
    async fn default_version(&self, name: BaseName) -> Result<String, Problem> {
        const KEPT: Duration = Duration::from_secs(24 * 3600);
        let kept = self
            .settings
            .work
            .join("bases")
            .join(format!("default-{name}"));
        let age = std::fs::metadata(&kept)
            .and_then(|data| data.modified())
            .ok()
            .and_then(|at| at.elapsed().ok());
        if age.is_some_and(|age| age < KEPT)
            && let Ok(version) = std::fs::read_to_string(&kept)
            && !version.is_empty()
        {
            return Ok(version);
        }
        let recipe = self.recipe().await?;
        let (ended, said) = recipe.run(&["--default", name.as_str()], &|_| {}).await?;
        match said.last() {
            Some(version) if ended == Some(0) => {
                // Not kept: asked again next time, no more.
                let _ = std::fs::write(&kept, version);
                Ok(version.clone())
            }
            _ => Err(failed(name, "no version is known", &said)),
        }
    }

    async fn recipe(&self) -> Result<Recipe, Problem> {
        let folder = self.settings.work.join("bases");
        let written = async {
            tokio::fs::create_dir_all(&folder).await?;
            let script = folder.join(format!("make-{}", std::process::id()));
            if tokio::fs::read(&script).await.ok().as_deref() != Some(RECIPE.as_bytes()) {
                tokio::fs::write(&script, RECIPE).await?;
            }
            Ok(script)
        };
        let script = written.await.map_err(|e| cannot_write(&folder, &e))?;
        Ok(Recipe { script, folder })
    }

    async fn make(
        &self,
        name: BaseName,
        version: &str,
        reference: &str,
        log: &Log,
    ) -> Result<(), Problem> {
        let recipe = self.recipe().await?;
        let scratch = tempfile::Builder::new()
            .prefix("making-")
            .tempdir_in(&recipe.folder)
            .map_err(|e| cannot_write(&recipe.folder, &e))?;
        let tar = scratch.path().join("root.tar");
        log(LogEntry::line(format!(
            "making base image {name}:{version} from Debian's packages"
        )));
        let out = tar.display().to_string();
        let words = [name.as_str(), version, &out];
        let (ended, said) = recipe
            .run(&words, &|line| log(LogEntry::line(line)))
            .await?;
        match ended {
            Some(0) => {}
            Some(3) => {
                let (_, versions) = recipe.run(&["--versions", name.as_str()], &|_| {}).await?;
                let most: Vec<_> = versions.iter().take(12).cloned().collect();
                return Err(problem::BUILD_VERSION.problem(
                    format!(
                        "{name} {version} cannot be had: {}",
                        said.last().map_or("", |s| s)
                    ),
                    match is_database(name) {
                        true => format!(
                            "Write one of {}, or set `build.registry` to a registry that has the official images.",
                            most.iter()
                                .map(|version| format!("`database: {name}@{version}`"))
                                .collect::<Vec<_>>()
                                .join(", ")
                        ),
                        false => format!("Set `build.version` to one of {}.", most.join(", ")),
                    },
                ));
            }
            _ => {
                let why = said.last().cloned().unwrap_or_default();
                return Err(failed(name, &why, &said));
            }
        }
        // Another Pluvio on this engine may have made it meanwhile: in its place, it would replace what runs on that one.
        if self.at_hand(reference).await?.is_some() {
            return Ok(());
        }
        let exact = said.last().cloned().unwrap_or_default();
        let mut changes = vec![
            "ENV LANG=C.UTF-8".to_owned(),
            format!(
                "LABEL io.pluvio.base=\"{}\"",
                exact.trim_start_matches("made ")
            ),
        ];
        changes.extend(program(name).iter().map(|change| (*change).to_owned()));
        self.engine
            .import(&tar, reference, &changes)
            .await
            .map_err(|e| e.to_problem())?;
        Ok(())
    }
}

fn failed(name: BaseName, why: &str, said: &[String]) -> Problem {
    let last = said.len().saturating_sub(15);
    problem::BUILD_BASE
        .problem(
            format!("The base image {name} could not be made: {why}"),
            "Check that this machine reaches its Debian mirror (`apt-get update`) and has mmdebstrap, curl and tar, or set \
             `build.registry` to a registry that has base images.",
        )
        .evidence(said[last..].iter().cloned())
}

fn is_database(name: BaseName) -> bool {
    !program(name).is_empty()
}

/// What an image of a database says of its program, as the official image does. Its user is the recipe's.
fn program(name: BaseName) -> &'static [&'static str] {
    match name {
        BaseName::Postgres => &[
            "ENV PGDATA=/var/lib/postgresql/data/pgdata",
            "ENTRYPOINT [\"docker-entrypoint.sh\"]",
            "CMD [\"postgres\"]",
            "EXPOSE 5432",
            "USER 999:999",
            "VOLUME /var/lib/postgresql/data",
        ],
        BaseName::Redis => &[
            "ENTRYPOINT [\"docker-entrypoint.sh\"]",
            "CMD [\"redis-server\"]",
            "EXPOSE 6379",
            "USER 999:999",
            "VOLUME /data",
            "WORKDIR /data",
        ],
        BaseName::Mariadb => &[
            "ENTRYPOINT [\"docker-entrypoint.sh\"]",
            "CMD [\"mariadbd\"]",
            "EXPOSE 3306",
            "USER 999:999",
            "VOLUME /var/lib/mysql",
        ],
        _ => &[],
    }
}

/// The same thing in a registry that has Docker's official images. `static` has no equal there: its configuration is ours.
fn upstream(registry: &str, name: BaseName, version: &str) -> Option<String> {
    let (repository, tag) = match name {
        BaseName::Run => ("debian", format!("{version}-slim")),
        BaseName::Build => (
            "buildpack-deps",
            match version {
                "12" => "bookworm".to_owned(),
                _ => "trixie".to_owned(),
            },
        ),
        BaseName::Node => ("node", format!("{version}-trixie-slim")),
        BaseName::NodeBuild => ("node", format!("{version}-trixie")),
        BaseName::Python => ("python", format!("{version}-slim-trixie")),
        BaseName::PythonBuild => ("python", format!("{version}-trixie")),
        BaseName::Go => ("golang", format!("{version}-trixie")),
        BaseName::Postgres | BaseName::Redis | BaseName::Mariadb => {
            (name.as_str(), version.to_owned())
        }
        BaseName::Static => return None,
    };
    let registry = registry.trim_end_matches('/');
    let library = if registry == "docker.io" {
        "/library"
    } else {
        ""
    };
    Some(format!("{registry}{library}/{repository}:{tag}"))
}

/// The script on disk.
struct Recipe {
    script: PathBuf,
    folder: PathBuf,
}

impl Recipe {
    /// Runs it to its end: exit status and lines. Dropping the future ends it with all its children.
    async fn run(
        &self,
        words: &[&str],
        line: &(dyn Fn(String) + Sync),
    ) -> Result<(Option<i32>, Vec<String>), Problem> {
        let child = Command::new("bash")
            .arg(&self.script)
            .args(words)
            .env("TMPDIR", &self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|e| {
                problem::BUILD_BASE.problem(format!("bash cannot be started: {e}"), "Install bash.")
            })?;
        let mut group = Group(child);
        let out = BufReader::new(group.0.stdout.take().expect("piped"));
        let err = BufReader::new(group.0.stderr.take().expect("piped"));
        let (mut out, mut err) = (out.lines(), err.lines());
        let (mut said, mut complained) = (Vec::new(), Vec::new());
        let (mut out_open, mut err_open) = (true, true);
        while out_open || err_open {
            tokio::select! {
                next = out.next_line(), if out_open => match next {
                    Ok(Some(text)) => {
                        line(text.clone());
                        said.push(text);
                    }
                    _ => out_open = false,
                },
                next = err.next_line(), if err_open => match next {
                    Ok(Some(text)) => {
                        line(text.clone());
                        complained.push(text);
                    }
                    _ => err_open = false,
                },
            }
        }
        let status = group.0.wait().await.ok().and_then(|status| status.code());
        if status != Some(0) && status != Some(3) {
            complained.append(&mut said);
            said = complained;
        }
        Ok((status, said))
    }
}

/// A program and its children, ended together.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // `id` is `None` once it was waited for.
        let group = self
            .0
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(rustix::process::Pid::from_raw);
        if let Some(group) = group {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::TERM);
        }
    }
}

/// A lock between tasks and processes of this machine, held while the value lives.
struct Lock {
    _file: std::fs::File,
}

impl Lock {
    async fn take(folder: &Path, name: &str) -> Result<Lock, Problem> {
        let path = folder.join(format!("{name}.lock"));
        std::fs::create_dir_all(folder).map_err(|e| cannot_write(folder, &e))?;
        let file = std::fs::File::create(&path).map_err(|e| cannot_write(&path, &e))?;
        // Tried again rather than waited for: a waiting thread could not be cancelled.
        loop {
            match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(e) => return Err(cannot_write(&path, &e.into())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstream_names_follow_the_registry() {
        assert_eq!(
            upstream("docker.io", BaseName::Node, "22").unwrap(),
            "docker.io/library/node:22-trixie-slim"
        );
        assert_eq!(
            upstream("mirror.example/library/", BaseName::Go, "1.27").unwrap(),
            "mirror.example/library/golang:1.27-trixie"
        );
        assert_eq!(
            upstream("docker.io", BaseName::Postgres, "15").unwrap(),
            "docker.io/library/postgres:15"
        );
        assert_eq!(upstream("docker.io", BaseName::Static, "13"), None);
    }
}
