//! From a request to an image: fetch, plan, bases, steps or Dockerfile, record.

use std::collections::BTreeSet;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use pluvio_engine::Engine;
use pluvio_model::facts::ImageFacts;
use pluvio_model::id::TeamId;
use pluvio_model::image::{ContentHash, ImageReference};
use pluvio_model::name::Name;
use pluvio_model::operation::{StepName, StepState};
use pluvio_model::problem::{self, Problem};
use pluvio_model::release::BuildRecord;
use pluvio_model::spec::SourceSpec;
use tokio::io::AsyncRead;
use tokio_util::task::TaskTracker;

use crate::base::BaseImage;
use crate::builder::{BuildRequest, BuildSettings, Builder, BuiltImage, Log, Recipe};
use crate::contexts;
use crate::detect::{Limits, SourceTree, WRITTEN_DOCKERFILE};
use crate::dockerfile::{self, DockerfileSite};
use crate::fetch::{self, Fetched};
use crate::job::{EndOnDrop, Job, cancelled, engine, timed_out};
use crate::plan::{Base, BuildPlan, StepsPlan};
use crate::presence::Presence;
use crate::references::with_contexts;
use crate::sbom;
use crate::source::{self, Manifest};
use crate::steps::{self, BUILD_KEY, BUILT_FOR, FOR_LABEL, Site, TEAM_LABEL};

impl Builder {
    pub fn new(engine: Engine, settings: BuildSettings) -> Builder {
        let clearing = TaskTracker::new();
        clearing.close();
        Builder {
            engine,
            presence: Arc::new(Presence::announce(&settings.work)),
            settings: Arc::new(settings),
            clearing,
            looked: Arc::default(),
        }
    }

    /// An image of the engine's store as an archive, as it comes.
    pub async fn export(&self, image: &str) -> Result<Pin<Box<dyn AsyncRead + Send>>, Problem> {
        self.engine.export(image).await.map_err(engine)
    }

    /// Waits until nothing is left on the engine of builds that have ended.
    pub async fn settled(&self) {
        self.clearing.wait().await;
    }

    /// Removes what this process's builds share on the engine, when none of them runs any more.
    pub async fn leave(&self) {
        self.settled().await;
        if let Err(error) = self.end(&self.team_networks()).await {
            tracing::warn!(%error, "the network of builds stays until the next start");
        }
    }

    /// Source to image. What it started is gone when it returns without one, cancelled within five seconds; with one, the
    /// empty containers go while the image is already used ([`Builder::settled`]).
    ///
    /// Says `Fetch`, `Base`, `Build` and `Keep` as they begin and end. With nothing changed since an image was made it runs
    /// no step and gives that image.
    pub async fn build(&self, request: BuildRequest, log: Log) -> Result<BuiltImage, Problem> {
        let cancel = request.cancel.clone();
        let limit = self.settings.limits.timeout;
        let job = Job::new(self, request, log);
        // A caller that drops this future must not leave a container behind either.
        let mut end = EndOnDrop {
            builder: self.clone(),
            prefix: job.prefix.clone(),
            armed: true,
        };
        let outcome = tokio::select! {
            outcome = Box::pin(self.follow(&job)) => outcome,
            () = cancel.cancelled() => Err(cancelled()),
            () = tokio::time::sleep(limit) => Err(timed_out(limit)),
        };
        if outcome.is_err()
            && let Err(error) = self.end(&job.prefix).await
        {
            tracing::warn!(%error, prefix = job.prefix, "a build's containers could not be removed");
            return outcome;
        }
        end.armed = false;
        outcome
    }

    async fn follow(&self, job: &Job) -> Result<BuiltImage, Problem> {
        let since = Instant::now();
        job.step(StepName::Fetch, StepState::Running, "");
        let fetched =
            fetch::fetch(&job.request.source, &self.presence.folder(), &job.log()).await?;
        let (tree, plan) = self.plan(job, &fetched).await?;
        job.step(StepName::Fetch, StepState::Done, fetched.note.clone());
        let root = match &plan {
            BuildPlan::Steps(plan) => plan.root.clone(),
            BuildPlan::Dockerfile(plan) => plan.root.clone(),
        };
        let (folder, tree) = below(&fetched.folder, tree, &root)?;
        let manifest = hashed(&folder, &tree).await?;
        let tree_hash = source::tree_hash(&manifest);
        let mut record = BuildRecord {
            source: fetched.record.clone(),
            builder: plan.title(),
            ..BuildRecord::default()
        };
        record.source.tree = Some(tree_hash.clone());

        let mut run_base = None;
        let mut from_ids = Vec::new();
        let made = match &plan {
            BuildPlan::Dockerfile(plan) => {
                job.step(StepName::Base, StepState::Running, "");
                dockerfile::refuse_ssh(job, plan)?;
                let text = dockerfile::text_of(plan, &folder)?;
                let contexts = Box::pin(contexts::at_hand(self, job, plan, &fetched)).await?;
                let images = contexts
                    .iter()
                    .map(|context| (context.name.clone(), context.image.name.clone()));
                let images: Vec<_> = images.collect();
                let text = with_contexts(&text, &plan.args, &images);
                let from = dockerfile::from_images(self, job, plan, &text).await?;
                let names: Vec<&str> = from.iter().map(|image| image.name.as_str()).collect();
                job.step(StepName::Base, StepState::Done, names.join(", "));
                from_ids.extend(from.iter().filter_map(|image| image.id.clone()));
                let site = DockerfileSite {
                    job,
                    plan,
                    folder: &folder,
                    manifest: &manifest,
                    text,
                    contexts,
                    from,
                };
                let key = site.key(&tree_hash);
                self.kept_or(job, &key, Box::pin(site.follow(&key))).await?
            }
            BuildPlan::Steps(plan) => {
                let bases = self.bases(job, plan).await?;
                run_base = Some(bases.0.facts.id.clone());
                Box::pin(self.steps(job, plan, bases, &folder, &manifest, &tree_hash)).await?
            }
        };
        job.step(StepName::Keep, StepState::Running, "");
        let Made {
            reference,
            facts,
            unchanged,
        } = made;
        let mut parts: BTreeSet<_> = sbom::of_source(&folder);
        let packages = match &run_base {
            Some(base) => self.packages_of_base(job, base).await,
            None => self.packages_of(job, &facts.id, &from_ids).await,
        };
        // A list that cannot be read must not fail a build that succeeded.
        parts.extend(packages.unwrap_or_default());
        let sbom = sbom::document(&reference, &parts);
        record.duration_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let reference: ImageReference = reference.parse().map_err(|e| {
            problem::INTERNAL.problem(format!("{e}"), "Report this with the application's names.")
        })?;
        job.step(
            StepName::Keep,
            StepState::Done,
            format!("{:.0} MB", facts.size as f64 / 1e6),
        );
        Ok(BuiltImage {
            reference,
            facts,
            record,
            sbom,
            unchanged,
            steps: job.steps_ran(),
        })
    }

    async fn plan(&self, job: &Job, fetched: &Fetched) -> Result<(SourceTree, BuildPlan), Problem> {
        let folder = fetched.folder.clone();
        write_dockerfile(&job.request.recipe, &folder)?;
        // A Dockerfile's context leaves out what `.dockerignore` names, wherever the source comes from.
        let ignore_files = fetched.ignore_files || folder.join(".dockerignore").exists();
        let read = |manifests: bool| {
            let folder = folder.clone();
            let limits = Limits {
                ignore_files,
                manifests,
                ..Limits::default()
            };
            blocking(move || SourceTree::read(&folder, &limits))
        };
        let tree = read(false).await??;
        let plan = match &job.request.recipe {
            Recipe::Plan(plan) => (**plan).clone(),
            Recipe::Detect(asked) => {
                // As it was planned: by files, too, that stay out of the image.
                let seen = read(true).await??;
                let detected = crate::detect::in_source(&seen, asked)?;
                for sentence in &detected.why {
                    job.say(sentence.clone());
                }
                detected.build
            }
        };
        Ok((tree, plan))
    }

    /// What the image starts from and what the steps run in.
    async fn bases(
        &self,
        job: &Job,
        plan: &StepsPlan,
    ) -> Result<(BaseImage, Option<BaseImage>), Problem> {
        job.step(StepName::Base, StepState::Running, "");
        let run_base = self.base_for(job, &plan.run_base).await?;
        let build_base = match &plan.build_base {
            Some(base) if *base == plan.run_base => Some(run_base.clone()),
            Some(base) => Some(self.base_for(job, base).await?),
            None => None,
        };
        let notes = build_base.iter().chain([&run_base]).map(BaseImage::note);
        let mut notes: Vec<String> = notes.collect();
        notes.dedup();
        job.step(StepName::Base, StepState::Done, notes.join(", "));
        Ok((run_base, build_base))
    }

    async fn steps(
        &self,
        job: &Job,
        plan: &StepsPlan,
        (run_base, build_base): (BaseImage, Option<BaseImage>),
        folder: &Path,
        manifest: &Manifest,
        tree: &str,
    ) -> Result<Made, Problem> {
        let build_id = build_base
            .as_ref()
            .map_or("", |base| base.facts.id.as_str());
        let files: Vec<&str> = manifest.keys().map(String::as_str).collect();
        let keys = plan.keys(build_id, &files, |path| {
            let mark = &manifest[path];
            format!("{:?} {}", mark.kind, mark.hash)
        });
        let key = ContentHash::of(&("steps 1", plan, build_id, &run_base.facts.id, tree));
        let site = Site {
            job,
            plan,
            folder,
            manifest,
            run_base: &run_base,
            build_base: build_base.as_ref(),
            key: &key,
            keys,
        };
        self.kept_or(job, &key, Box::pin(steps::follow(&site)))
            .await
    }

    async fn base_for(&self, job: &Job, base: &Base) -> Result<BaseImage, Problem> {
        let log = job.log();
        self.base(base, &job.request.registries, &log).await
    }

    /// The image of this key, if it was kept; else what `build` makes.
    async fn kept_or(
        &self,
        job: &Job,
        key: &ContentHash,
        build: impl Future<Output = Result<String, Problem>>,
    ) -> Result<Made, Problem> {
        let name = job.image(&key.as_str()[..12]);
        let labels = self.engine.image_labels(&name).await.map_err(engine)?;
        let kept = labels
            .is_some_and(|labels| labels.get(BUILD_KEY).map(String::as_str) == Some(key.as_str()));
        let reference = if kept {
            job.step(StepName::Build, StepState::Done, "unchanged");
            job.say("unchanged since it was last built");
            name
        } else {
            job.step(StepName::Build, StepState::Running, "");
            let reference = build.await?;
            let ran = job.steps_ran();
            let cached = ran.iter().filter(|step| step.cached).count();
            let note = match (ran.len(), cached) {
                (0, _) => String::new(),
                (all, 0) => format!("{all} {}", if all == 1 { "step" } else { "steps" }),
                (all, cached) => format!("{cached} of {all} steps unchanged"),
            };
            job.step(StepName::Build, StepState::Done, note);
            reference
        };
        match self.engine.image_facts(&reference).await.map_err(engine)? {
            Some(facts) => Ok(Made {
                reference,
                facts,
                unchanged: kept,
            }),
            None => Err(problem::BUILD_FAILED.problem(
                format!("The engine says that it made {reference}, and does not have it."),
                "Deploy again; `pluvio doctor` checks the engine.",
            )),
        }
    }

    /// Removes what builds keep of an application's component, or of the whole application: workspaces, layers, images.
    /// Images that a container uses stay until it is gone. Caches that a team shares stay. Answers what was removed.
    pub async fn forget(
        &self,
        team: TeamId,
        application: &Name,
        component: Option<&Name>,
    ) -> Result<Vec<String>, Problem> {
        // A container that is just going holds its workspace.
        self.settled().await;
        let belongs = |whose: &str| match component {
            Some(component) => whose == format!("{application}/{component}"),
            None => whose.starts_with(&format!("{application}/")),
        };
        let mut removed = Vec::new();
        let volumes = self
            .engine
            .list_volumes(&[format!("{TEAM_LABEL}={team}")])
            .await;
        for volume in volumes.map_err(engine)? {
            let theirs = volume
                .labels
                .get(FOR_LABEL)
                .is_some_and(|whose| belongs(whose));
            if theirs
                && volume.name.starts_with("pluvio-work-")
                && self.engine.remove_volume(&volume.name).await.is_ok()
            {
                removed.push(volume.name);
            }
        }
        let images = self.engine.list_images(&[BUILT_FOR.to_owned()]).await;
        for image in images.map_err(engine)? {
            let theirs = image
                .labels
                .get(BUILT_FOR)
                .is_some_and(|whose| whose.strip_prefix(&format!("{team}/")).is_some_and(belongs));
            // An image that a user built on top of ours carries our label, and another name.
            for tag in image
                .tags
                .iter()
                .filter(|tag| theirs && tag.starts_with("localhost/pluvio/"))
            {
                if self.engine.remove_image(tag).await.is_ok() {
                    removed.push(tag.clone());
                }
            }
        }
        Ok(removed)
    }
}

struct Made {
    reference: String,
    facts: ImageFacts,
    unchanged: bool,
}

/// Puts a Dockerfile that the specification holds into its context, so that it is built, hashed and told of like any other.
fn write_dockerfile(recipe: &Recipe, folder: &Path) -> Result<(), Problem> {
    let Recipe::Detect(asked) = recipe else {
        return Ok(());
    };
    let Some(text) = asked
        .build
        .as_ref()
        .and_then(|build| build.dockerfile_text.as_ref())
    else {
        return Ok(());
    };
    let root = match &asked.source {
        Some(SourceSpec::Path(path)) => path.trim_start_matches("./"),
        _ => "",
    };
    let place = fetch::sub_folder(folder, root).ok_or_else(|| "it is no folder".to_owned());
    let written = place.and_then(|place| written_anew(&place.join(WRITTEN_DOCKERFILE), text));
    written.map_err(|why| {
        problem::SOURCE_MISSING.problem(
            format!("The Dockerfile of the specification cannot be put into `{root}`: {why}."),
            "Correct the context: a folder of the source.",
        )
    })
}

/// What was there is gone: written through a link of the source, the text could land anywhere on this machine.
fn written_anew(file: &Path, text: &str) -> Result<(), String> {
    let _ = std::fs::remove_file(file);
    std::fs::File::create_new(file)
        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .map_err(|error| error.to_string())
}

/// The folder and files that a plan's root names.
fn below(
    folder: &Path,
    tree: SourceTree,
    root: &str,
) -> Result<(std::path::PathBuf, SourceTree), Problem> {
    if matches!(root, "." | "") {
        return Ok((folder.to_owned(), tree));
    }
    let inside = tree.sub(root).ok_or_else(|| {
        problem::SOURCE_MISSING.problem(
            format!("The source has no folder {root}."),
            "Check the path of the component's source.",
        )
    })?;
    Ok((folder.join(root), inside))
}

pub(crate) async fn hashed(folder: &Path, tree: &SourceTree) -> Result<Manifest, Problem> {
    let folder = folder.to_owned();
    let paths: Vec<String> = tree.paths().map(str::to_owned).collect();
    // Names with line ends cannot be told from two names in the lists that a workspace is cleaned by.
    if let Some(path) = paths.iter().find(|path| path.contains('\n')) {
        return Err(problem::SOURCE_ARCHIVE.problem(
            format!("The name {path:?} holds a line end."),
            "Rename the file, or leave it out with .pluvioignore.",
        ));
    }
    let shown = folder.display().to_string();
    blocking(move || source::manifest(&folder, paths.iter().map(String::as_str)))
        .await?
        .map_err(|e| {
            problem::SOURCE_MISSING.problem(format!("{shown} cannot be read: {e}"), "Deploy again.")
        })
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| problem::INTERNAL.problem(e.to_string(), "Try again."))
}

impl Builder {
    /// Removes what builds keep for a whole team, its shared caches included: for the end of an installation. Answers
    /// what was removed.
    pub async fn forget_team(&self, team: TeamId) -> Result<Vec<String>, Problem> {
        self.settled().await;
        let mut removed = self.sweep().await?;
        let networks = self.end(&self.team_networks()).await;
        removed.extend(networks.map_err(engine)?);
        let volumes = self
            .engine
            .list_volumes(&[format!("{TEAM_LABEL}={team}")])
            .await;
        for volume in volumes.map_err(engine)? {
            if self.engine.remove_volume(&volume.name).await.is_ok() {
                removed.push(volume.name);
            }
        }
        Ok(removed)
    }

    /// Removes the base images, which all installations on the engine share; what a container still uses stays. Answers
    /// what was removed.
    pub async fn forget_bases(&self) -> Result<Vec<String>, Problem> {
        let mut removed = Vec::new();
        for image in self.engine.list_images(&[]).await.map_err(engine)? {
            for tag in image.tags {
                if tag.starts_with("localhost/pluvio/base-")
                    && self.engine.remove_image(&tag).await.is_ok()
                {
                    removed.push(tag);
                }
            }
        }
        Ok(removed)
    }

    /// The engine that builds: for images that are pulled, not built.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
}
