//! A user's own Dockerfile, by the engine's builder: BuildKit in Docker, Buildah in Podman.
//!
//! For trusted teams: BuildKit keeps to no limits but those of its own cgroup. Secrets of `RUN --mount=type=secret` reach
//! BuildKit when a step asks for them, and Buildah as files that it takes out of the context before it builds. Keys of
//! `RUN --mount=type=ssh` stay in an agent beside the build; Buildah's API has no way to it.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::pin::pin;
use std::time::Instant;

use futures::StreamExt;
use indexmap::IndexMap;
use pluvio_engine::{BuildEvent, BuildSecret, EngineBuild, body_of_reader, pull_problem};
use pluvio_model::facts::ImageFacts;
use pluvio_model::image::{ContentHash, ImageReference};
use pluvio_model::name::EnvName;
use pluvio_model::problem::{self, Location, Problem};

use crate::authorities;
use crate::builder::Builder;
use crate::contexts::NamedContext;
use crate::host::HostAccess;
use crate::job::{Job, cgroup_of, engine};
use crate::plan::{Base, BaseName, DockerfilePlan};
use crate::references::from_names;
use crate::source::{self, Manifest};
use crate::ssh_agent::Agent;
use crate::steps::{BUILD_KEY, BUILT_FOR};

const EVIDENCE: usize = 30;
/// The largest Dockerfile.
const DOCKERFILE_MAX: u64 = 4 << 20;

/// A plan with what it is followed with.
pub(crate) struct DockerfileSite<'a> {
    pub(crate) job: &'a Job,
    pub(crate) plan: &'a DockerfilePlan,
    /// The context.
    pub(crate) folder: &'a Path,
    pub(crate) manifest: &'a Manifest,
    /// The Dockerfile, with its contexts' images in place of their names.
    pub(crate) text: String,
    pub(crate) contexts: Vec<NamedContext>,
    /// The images of its `FROM` lines.
    pub(crate) from: Vec<FromImage>,
}

/// An image that the Dockerfile is made from.
#[derive(Debug, Clone)]
pub(crate) struct FromImage {
    pub(crate) name: String,
    /// `None` when it could not be had: the engine's builder may not need it, or find it by ways of its own.
    pub(crate) id: Option<String>,
    /// Why it could not.
    missing: Option<Problem>,
}

impl FromImage {
    pub(crate) fn there(name: String, id: String) -> FromImage {
        FromImage {
            name,
            id: Some(id),
            missing: None,
        }
    }
}

/// Keys that the engine's builder has no way to are refused before anything is pulled for it.
pub(crate) fn refuse_ssh(job: &Job, plan: &DockerfilePlan) -> Result<(), Problem> {
    if plan.ssh.is_empty() || !job.engine.is_podman() {
        return Ok(());
    }
    Err(problem::SPEC_UNSUPPORTED
        .problem(
            "Podman's API has no way to an SSH agent for a build's steps.",
            "Build on Docker, or mount the key as a file: name its secret in `build.secrets`, and write `RUN --mount=type=secret,id=NAME`.",
        )
        .path(format!("components.{}.build.ssh", job.request.component)))
}

/// The Dockerfile's text.
pub(crate) fn text_of(plan: &DockerfilePlan, folder: &Path) -> Result<String, Problem> {
    source::text_inside(folder, &plan.dockerfile, DOCKERFILE_MAX).map_err(|_| {
        problem::BUILD_DOCKERFILE_MISSING
            .problem(
                format!("There is no file {} in the source.", plan.dockerfile),
                "Name it in `build.dockerfile` (a path in the source), or remove `builder: dockerfile` to have the source detected.",
            )
            .at(Location {
                file: Some(plan.dockerfile.clone()),
                ..Location::default()
            })
    })
}

/// The images of the Dockerfile's `FROM` lines; makes those of our bases that are missing.
pub(crate) async fn from_images(
    builder: &Builder,
    job: &Job,
    plan: &DockerfilePlan,
    text: &str,
) -> Result<Vec<FromImage>, Problem> {
    let mut images = Vec::new();
    for name in from_names(text, &plan.args) {
        images.push(at_hand(builder, job, name).await?);
    }
    Ok(images)
}

/// An image in the engine's store, as far as it can be had.
pub(crate) async fn at_hand(
    builder: &Builder,
    job: &Job,
    name: String,
) -> Result<FromImage, Problem> {
    let mut facts = job.engine.image_facts(&name).await.map_err(engine)?;
    if facts.is_none()
        && let Some(base) = our_base(&name)
    {
        let made = builder
            .base(&base, &job.request.registries, &job.log())
            .await?;
        if made.reference != name {
            job.engine
                .tag_image(&made.facts.id, &name)
                .await
                .map_err(engine)?;
        }
        facts = Some(made.facts);
    }
    let mut missing = None;
    if facts.is_none() {
        match pull(job, &name).await {
            Ok(pulled) => facts = Some(pulled),
            Err(problem) => {
                job.say(problem.cause.clone());
                missing = Some(problem);
            }
        }
    }
    let id = facts.map(|facts| facts.id);
    Ok(FromImage { name, id, missing })
}

/// Pulls ahead of the engine's builder, which neither tells how far it is nor why it failed in words to rely on; Podman's
/// does not speak to a registry on loopback.
async fn pull(job: &Job, name: &str) -> Result<ImageFacts, Problem> {
    let reference: ImageReference = name
        .parse()
        .map_err(|e| problem::IMAGE_NOT_FOUND.problem(format!("{name}: {e}"), "Check `FROM`."))?;
    if reference.is_local() {
        return Err(pull_problem(&reference, false, "not found"));
    }
    job.say(format!("pulling {reference}"));
    let registries = job.request.registries.iter();
    let mut credentials = registries.filter(|(host, _)| host == reference.registry());
    let credential = credentials.next().map(|(_, credential)| credential);
    let progress = |line: String| job.say(line);
    let facts = job.engine.pull(&reference, credential, progress).await?;
    // Podman does not find docker.io/library/node:22 by the name node:22.
    let found = job.engine.image_facts(name).await.map_err(engine)?;
    if found.is_none() {
        let tagged = job.engine.tag_image(&facts.id, name).await;
        tagged.map_err(engine)?;
    }
    Ok(facts)
}

/// `localhost/pluvio/base-node:22` as the base it names.
fn our_base(name: &str) -> Option<Base> {
    let (name, version) = name
        .strip_prefix("localhost/pluvio/base-")?
        .split_once(':')?;
    let all = [
        BaseName::Run,
        BaseName::Build,
        BaseName::Static,
        BaseName::Node,
        BaseName::NodeBuild,
        BaseName::Python,
        BaseName::PythonBuild,
        BaseName::Go,
        BaseName::Postgres,
        BaseName::Redis,
        BaseName::Mariadb,
    ];
    let base = all.into_iter().find(|base| base.as_str() == name)?;
    Some(Base::new(base, Some(version)))
}

impl DockerfileSite<'_> {
    /// Covers plan, context and the images it starts from.
    pub(crate) fn key(&self, tree: &str) -> ContentHash {
        let from: Vec<_> = self
            .images()
            .map(|image| (&image.name, &image.id))
            .collect();
        ContentHash::of(&("dockerfile 1", self.plan, tree, from))
    }

    /// Every image that it is made from.
    fn images(&self) -> impl Iterator<Item = &FromImage> {
        let contexts = self.contexts.iter().map(|context| &context.image);
        self.from.iter().chain(contexts)
    }

    /// Builds the image under a name. Podman loses one whose layers are those of another that is removed meanwhile, and
    /// says that it made it; then it is made again.
    pub(crate) async fn follow(&self, key: &ContentHash) -> Result<String, Problem> {
        let reference = self.attempt(key).await?;
        let there = self.job.engine.image_facts(&reference).await;
        if there.map_err(engine)?.is_some() {
            return Ok(reference);
        }
        self.job.say("the engine has lost the image; once more");
        self.attempt(key).await
    }

    async fn attempt(&self, key: &ContentHash) -> Result<String, Problem> {
        let job = self.job;
        let since = Instant::now();
        let reference = job.image(&key.as_str()[..12]);
        let request = &job.request;
        let mut args = self.plan.args.clone();
        for (name, value) in HostAccess::proxies() {
            args.entry(name).or_insert(value);
        }
        let secrets = self.secrets()?;
        // They end with this build, however it ends.
        let agents = self.agents().await?;
        let build = EngineBuild {
            dockerfile: self.plan.dockerfile.clone(),
            reference: reference.clone(),
            target: self.plan.target.clone(),
            args,
            labels: IndexMap::from([
                (BUILD_KEY.to_owned(), key.to_string()),
                (
                    BUILT_FOR.to_owned(),
                    format!(
                        "{}/{}/{}",
                        request.team, request.application, request.component
                    ),
                ),
            ]),
            credentials: request.registries.clone(),
            secrets: secrets.clone(),
            ssh: agents
                .iter()
                .map(|(id, agent)| (id.clone(), agent.socket()))
                .collect(),
            memory: Some(job.settings.limits.memory_bytes),
            cpu_quota: (job.settings.limits.cpu_millis > 0)
                .then_some(job.settings.limits.cpu_millis * 100),
            cgroup_parent: Some(cgroup_of(&job.prefix)),
            no_cache: false,
        };
        // Only Podman reads them from the context; Docker's builder would keep them there.
        let packed: Vec<BuildSecret> = match job.engine.is_podman() {
            true => secrets.into_values().collect(),
            false => Vec::new(),
        };
        let (writer, reader) = tokio::io::duplex(1 << 20);
        let writer = tokio_util::io::SyncIoBridge::new(writer);
        let folder = self.folder.to_owned();
        let mut paths: Vec<String> = self.manifest.keys().cloned().collect();
        let dockerfile = self.plan.dockerfile.clone();
        let replaced = authorities::replaced(&job.engine, &self.text).await?;
        let mut sent = (!self.contexts.is_empty()).then(|| self.text.clone());
        if let Some(replaced) = &replaced {
            job.say("this machine's certificate authorities are mounted in each RUN");
            sent = Some(replaced.text.clone());
        }
        if sent.is_some() {
            paths.retain(|path| *path != dockerfile);
        }
        let packing = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
            let mut tar = tar::Builder::new(writer);
            source::append(&mut tar, &folder, paths.iter().map(String::as_str), "", 0)?;
            let mut file = |path: &str, mode, text: &str| {
                let mut header = source::header(tar::EntryType::Regular, mode, 0);
                header.set_size(text.len() as u64);
                tar.append_data(&mut header, path, text.as_bytes())
            };
            if let Some(text) = sent {
                file(&dockerfile, 0o644, &text)?;
            }
            for secret in &packed {
                file(&secret.file, 0o600, &secret.value)?;
            }
            tar.into_inner()?.shutdown()
        });
        let events = job
            .engine
            .build(&build, body_of_reader(reader))
            .await
            .map_err(engine)?;
        let mut events = pin!(events);
        let mut last: VecDeque<String> = VecDeque::new();
        let mut instruction = None;
        let own = |text: String| {
            let text = match &replaced {
                Some(replaced) => replaced.unmounted(&text),
                None => text,
            };
            let contexts = self.contexts.iter();
            contexts.fold(text, |text, context| context.named(&text))
        };
        while let Some(event) = events.next().await {
            match event {
                BuildEvent::Line(text) => {
                    if last.len() == EVIDENCE {
                        last.pop_front();
                    }
                    last.push_back(job.masked(&text));
                    job.say(text);
                }
                BuildEvent::Instruction(text) => {
                    let text = own(text);
                    job.say(text.clone());
                    instruction = Some(text);
                }
                BuildEvent::Cached(text) => job.say(format!("{} (cached)", own(text))),
                BuildEvent::Failed {
                    message,
                    instruction: failed,
                } => {
                    return Err(self.failed(
                        &own(message),
                        failed.map(own).or(instruction).as_deref(),
                        last,
                    ));
                }
            }
        }
        if let Ok(Err(error)) = packing.await {
            return Err(problem::SOURCE_MISSING.problem(
                format!("{} cannot be read: {error}", self.folder.display()),
                "Deploy again.",
            ));
        }
        job.ran("Dockerfile", false, since);
        Ok(reference)
    }

    /// The values that the Dockerfile may mount, each with a file name that nobody can guess and no `COPY` names.
    fn secrets(&self) -> Result<BTreeMap<String, BuildSecret>, Problem> {
        let names = self.plan.secrets.iter();
        names
            .map(|name| {
                let secret = BuildSecret {
                    value: self.value_of(name)?.to_owned(),
                    file: format!(".pluvio-secret-{}", uuid::Uuid::now_v7().simple()),
                };
                Ok((name.to_string(), secret))
            })
            .collect()
    }

    /// An agent for each key that the Dockerfile's steps may sign in with, by the id of their mounts.
    async fn agents(&self) -> Result<BTreeMap<String, Agent>, Problem> {
        let mut agents = BTreeMap::new();
        for (id, secret) in &self.plan.ssh {
            let life = self.job.settings.limits.timeout;
            let agent = Agent::start(secret, self.value_of(secret)?, life).await;
            let component = &self.job.request.component;
            let path = format!("components.{component}.build.ssh.{id}");
            agents.insert(id.clone(), agent.map_err(|problem| problem.path(path))?);
        }
        Ok(agents)
    }

    fn value_of(&self, secret: &EnvName) -> Result<&str, Problem> {
        let value = self.job.request.secrets.get(secret).ok_or_else(|| {
            problem::SECRET_MISSING.problem(
                format!("The build secret {secret} has no value."),
                format!("Set it with `pluvio secret set {secret}`."),
            )
        })?;
        Ok(&value.0)
    }

    fn failed(&self, message: &str, instruction: Option<&str>, last: VecDeque<String>) -> Problem {
        let lower = message.to_ascii_lowercase();
        let says = |part: &str| lower.contains(part);
        if says("no space left on device") {
            return problem::DISK_FULL.problem(
                format!("The build found no space: {message}"),
                "Free space on the engine's disk, then deploy again.",
            );
        }
        let pulling = says("pull access denied")
            || says("failed to resolve")
            || says("failed to do request")
            || says("pulling from host")
            || says("load metadata")
            || says("manifest unknown")
            || says("initializing source docker://")
            || says("pinging container registry")
            || says("creating build container")
            || says("short-name");
        let missing = self.images().find(|image| image.id.is_none());
        if let (true, Some(image)) = (pulling, missing)
            && let Ok(reference) = image.name.parse::<ImageReference>()
        {
            let registries = &self.job.request.registries;
            let with_credential = registries
                .iter()
                .any(|(host, _)| host == reference.registry());
            let told = || pull_problem(&reference, with_credential, message);
            let mut problem = image.missing.clone().unwrap_or_else(told);
            if problem.is(problem::IMAGE_REGISTRY) {
                problem.remedy.push_str(
                    " Where no registry can be reached, start FROM localhost/pluvio/base-NAME:VERSION (`run`, `node`, `python`, `go` …), made from Debian's packages.",
                );
            }
            return problem;
        }
        if says("target stage") || says("failed to reach build target") || says("no such stage") {
            return problem::BUILD_FAILED.problem(
                format!(
                    "The Dockerfile has no stage {}.",
                    self.plan.target.as_deref().unwrap_or("")
                ),
                "Check `build.target`.",
            );
        }
        let cause = match instruction {
            Some(instruction) => format!("{instruction}: {message}"),
            None => message.to_owned(),
        };
        problem::BUILD_FAILED
            .problem(
                cause,
                format!(
                    "Read the lines below; `docker build -f {} .` in the source must succeed.",
                    self.plan.dockerfile
                ),
            )
            .evidence(last)
            .at(Location {
                file: Some(self.plan.dockerfile.clone()),
                ..Location::default()
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_bases_are_known_by_name() {
        let base = our_base("localhost/pluvio/base-node-build:22").unwrap();
        assert_eq!(base, Base::new(BaseName::NodeBuild, Some("22")));
        let base = our_base("localhost/pluvio/base-mariadb:11.8").unwrap();
        assert_eq!(base.name, BaseName::Mariadb);
        assert!(our_base("localhost/other:1").is_none());
    }
}
