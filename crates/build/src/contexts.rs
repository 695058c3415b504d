//! What a Dockerfile names beside its own context: `build.contexts`.
//!
//! Each becomes an image in the engine's store, and the Dockerfile that is sent names that one
//! ([`crate::references::with_contexts`]): every engine takes images in `FROM`, `COPY --from` and `RUN --mount`, and none
//! takes a second folder by its API. Files become an image of one layer, named by what is in them, so that whoever builds
//! from the same files finds what was built before.

use std::path::Path;
use std::pin::pin;

use futures::StreamExt;
use indexmap::IndexMap;
use pluvio_engine::{BuildEvent, EngineBuild, body_of_reader};
use pluvio_model::problem::{self, Problem};
use pluvio_model::spec::BuildContext;

use crate::build::{blocking, hashed};
use crate::builder::{Builder, ContextAtHand};
use crate::detect::{Limits, SourceTree};
use crate::dockerfile::{self, FromImage};
use crate::fetch::{self, Fetched};
use crate::job::{Job, engine};
use crate::plan::DockerfilePlan;
use crate::source;
use crate::steps::BUILT_FOR;

/// Begins the tags of images that are contexts.
const TAG: &str = "context-";
/// Where the files are while their image is made; beside them is the Dockerfile that copies them.
const FILES: &str = "files";
const COPY_ALL: &str = "FROM scratch\nCOPY files/ /\n";

/// A context as the engine has it.
pub(crate) struct NamedContext {
    /// As the Dockerfile names it.
    pub(crate) name: String,
    pub(crate) image: FromImage,
    /// Its image has a name that tells nobody anything.
    made: bool,
}

impl NamedContext {
    /// A builder's words with the context's own name in them.
    pub(crate) fn named(&self, said: &str) -> String {
        match self.made {
            true => said.replace(&self.image.name, &self.name),
            false => said.to_owned(),
        }
    }
}

/// Makes, pulls or finds the images of all contexts. Images of earlier files of the same component go.
pub(crate) async fn at_hand(
    builder: &Builder,
    job: &Job,
    plan: &DockerfilePlan,
    fetched: &Fetched,
) -> Result<Vec<NamedContext>, Problem> {
    let mut contexts = Vec::new();
    for (name, context) in &plan.contexts {
        let found = job.request.contexts.get(name);
        let (image, made) = match (context, found) {
            (BuildContext::Image(reference), _) => {
                let image = dockerfile::at_hand(builder, job, reference.to_string()).await?;
                (image, false)
            }
            (BuildContext::Folder(path), _) => {
                let folder = fetch::sub_folder(&fetched.whole, path).ok_or_else(|| {
                    problem::SOURCE_MISSING
                        .problem(
                            format!("The source has no folder {path} for the context {name}."),
                            "Write a folder's path from the source's root; links that lead out of the source are not followed.",
                        )
                        .path(format!("components.{}.build.contexts.{name}", job.request.component))
                })?;
                (of_files(job, &folder, fetched.ignore_files).await?, true)
            }
            (BuildContext::Git(git), Some(ContextAtHand::Source(from))) => {
                job.say(format!("the context {name} is {}", git.short_name()));
                let there = fetch::fetch(from, &builder.presence.folder(), &job.log()).await?;
                (
                    of_files(job, &there.folder, there.ignore_files).await?,
                    true,
                )
            }
            (BuildContext::Component(_), Some(ContextAtHand::Image { reference, id })) => {
                of_component(job, reference, id).await?
            }
            (BuildContext::Git(_) | BuildContext::Component(_), _) => {
                return Err(problem::INTERNAL.problem(
                    format!("The context {name} was not looked for."),
                    "Report this with the application's names.",
                ));
            }
        };
        contexts.push(NamedContext {
            name: name.clone(),
            image,
            made,
        });
    }
    if !contexts.is_empty() {
        forget_others(job, &contexts).await;
    }
    Ok(contexts)
}

/// The image of a folder's files, made if it is not at hand. What the folder's own ignore files leave out is not in it.
async fn of_files(job: &Job, folder: &Path, ignore_files: bool) -> Result<FromImage, Problem> {
    let limits = Limits {
        ignore_files: ignore_files || folder.join(".dockerignore").exists(),
        manifests: false,
        ..Limits::default()
    };
    let place = folder.to_owned();
    let tree = blocking(move || SourceTree::read(&place, &limits)).await??;
    let manifest = hashed(folder, &tree).await?;
    let reference = job.image(&format!("{TAG}{}", &source::tree_hash(&manifest)[..12]));
    let facts = job.engine.image_facts(&reference).await.map_err(engine)?;
    if let Some(facts) = facts {
        return Ok(FromImage::there(reference, facts.id));
    }
    let request = &job.request;
    let build = EngineBuild {
        dockerfile: "Dockerfile".to_owned(),
        reference: reference.clone(),
        labels: IndexMap::from([(BUILT_FOR.to_owned(), whose(job))]),
        credentials: request.registries.clone(),
        ..EngineBuild::default()
    };
    let (writer, reader) = tokio::io::duplex(1 << 20);
    let writer = tokio_util::io::SyncIoBridge::new(writer);
    let place = folder.to_owned();
    let packing = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
        let mut tar = tar::Builder::new(writer);
        let mut header = source::header(tar::EntryType::Regular, 0o644, 0);
        header.set_size(COPY_ALL.len() as u64);
        tar.append_data(&mut header, "Dockerfile", COPY_ALL.as_bytes())?;
        let mut header = source::header(tar::EntryType::Directory, 0o755, 0);
        tar.append_data(&mut header, FILES, std::io::empty())?;
        let paths = manifest.keys().map(String::as_str);
        source::append(&mut tar, &place, paths, &format!("{FILES}/"), 0)?;
        tar.into_inner()?.shutdown()
    });
    let events = job.engine.build(&build, body_of_reader(reader)).await;
    let mut events = pin!(events.map_err(engine)?);
    while let Some(event) = events.next().await {
        if let BuildEvent::Failed { message, .. } = event {
            return Err(problem::BUILD_FAILED.problem(
                format!("The engine made no image of a context's files: {message}"),
                "Deploy again; `pluvio doctor` checks the engine.",
            ));
        }
    }
    if let Ok(Err(error)) = packing.await {
        return Err(problem::SOURCE_MISSING.problem(
            format!("{} cannot be read: {error}", folder.display()),
            "Deploy again.",
        ));
    }
    let facts = job.engine.image_facts(&reference).await.map_err(engine)?;
    let facts = facts.ok_or_else(|| {
        problem::BUILD_FAILED.problem(
            format!("The engine says that it made {reference}, and does not have it."),
            "Deploy again; `pluvio doctor` checks the engine.",
        )
    })?;
    Ok(FromImage::there(reference, facts.id))
}

/// What another component runs, by a name that the engine has for it; whether that is a new one.
async fn of_component(job: &Job, reference: &str, id: &str) -> Result<(FromImage, bool), Problem> {
    let known = job.engine.image_facts(reference).await.map_err(engine)?;
    if known.is_some_and(|facts| facts.id == id) {
        let image = FromImage::there(reference.to_owned(), id.to_owned());
        return Ok((image, false));
    }
    // A release on a cluster names the image as it was published.
    let short = id.trim_start_matches("sha256:");
    let name = job.image(&format!("{TAG}{}", &short[..short.len().min(12)]));
    let tagged = job.engine.tag_image(id, &name).await;
    tagged.map_err(engine)?;
    Ok((FromImage::there(name, id.to_owned()), true))
}

fn whose(job: &Job) -> String {
    let request = &job.request;
    format!(
        "{}/{}/{}",
        request.team, request.application, request.component
    )
}

/// Removes the names of images of earlier files. What cannot be removed goes with the application.
async fn forget_others(job: &Job, keep: &[NamedContext]) {
    let label = format!("{BUILT_FOR}={}", whose(job));
    let begins = job.image(TAG);
    let images = job.engine.list_images(&[label]).await.unwrap_or_default();
    for tag in images.into_iter().flat_map(|image| image.tags) {
        let needed = keep.iter().any(|context| context.image.name == tag);
        if tag.starts_with(&begins) && !needed {
            let _ = job.engine.remove_image(&tag).await;
        }
    }
}
