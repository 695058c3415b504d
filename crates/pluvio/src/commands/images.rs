//! `images`: what the registry holds, and what it keeps.

use clap::Subcommand;
use http::Method;
use pluvio_api::applications::Page;
use pluvio_api::images::*;
use pluvio_model::problem;
use pluvio_model::quantity::Bytes;

use super::Done;
use crate::context::{Context, escape};
use crate::output::{ago, bytes};

pub(crate) const EXAMPLES: &str = "Examples:\n  pluvio images list\n  pluvio images list main/shop/web\n  pluvio images delete main/shop/web:image-0f3c9a51d2e4\n  pluvio images quota 20Gi\n  pluvio images gc";

#[derive(Debug, Subcommand)]
pub(crate) enum ImagesCommand {
    /// The team's repositories, or the tags of one
    List {
        /// TEAM/NAME
        repository: Option<String>,
    },
    /// Delete a tag, or a manifest with its tags
    Delete {
        /// TEAM/NAME:TAG or TEAM/NAME@sha256:…
        image: String,
    },
    /// Remove what nobody needs, by the rules of the configuration, now
    Gc,
    /// Show the team's quota, or set it: a size such as 20Gi, or `default` for the configuration's
    Quota { size: Option<String> },
    /// Make another credential by which a cluster pulls the team's images
    Rotate { cluster: String },
}

pub(crate) async fn run(context: &Context, command: ImagesCommand) -> Done {
    match command {
        ImagesCommand::List { repository: None } => list(context).await,
        ImagesCommand::List {
            repository: Some(one),
        } => tags(context, &one).await,
        ImagesCommand::Delete { image } => delete(context, &image).await,
        ImagesCommand::Gc => collect(context).await,
        ImagesCommand::Quota { size } => quota(context, size.as_deref()).await,
        ImagesCommand::Rotate { cluster } => rotate(context, &cluster).await,
    }
}

fn base(context: &Context) -> String {
    format!("/api/v1/teams/{}/images", escape(&context.global.team))
}

async fn list(context: &Context) -> Done {
    let all: ImageList = context.client()?.get(&base(context)).await?;
    if context.out.json {
        context.out.document(&all);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = all
        .items
        .iter()
        .map(|one| {
            vec![
                one.name.clone(),
                one.tags.to_string(),
                bytes(one.bytes),
                one.pushed_at.map(ago).unwrap_or_default(),
            ]
        })
        .collect();
    context
        .out
        .table(&["REPOSITORY", "TAGS", "SIZE", "PUSHED"], &rows);
    tell_quota(context, &all);
    Ok(())
}

fn tell_quota(context: &Context, all: &ImageList) {
    let quota = all.quota.map_or("no limit".to_owned(), bytes);
    context.out.say(format!("{} of {quota}", bytes(all.used)));
    match &all.host {
        Some(host) => context.out.say(format!("The registry is {host}.")),
        None => context
            .out
            .say("No registry is served: `images.listen` in pluvio.toml."),
    }
}

async fn tags(context: &Context, repository: &str) -> Done {
    let path = format!("{}/tags?repository={}", base(context), escape(repository));
    let tags: Page<ImageTag> = context.client()?.get(&path).await?;
    if context.out.json {
        context.out.document(&tags.items);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = tags
        .items
        .iter()
        .map(|tag| {
            vec![
                tag.name.clone(),
                tag.digest.clone(),
                bytes(tag.bytes),
                ago(tag.updated_at),
            ]
        })
        .collect();
    context
        .out
        .table(&["TAG", "DIGEST", "SIZE", "PUSHED"], &rows);
    Ok(())
}

async fn delete(context: &Context, image: &str) -> Done {
    let parts = image.split_once('@').or_else(|| image.rsplit_once(':'));
    let (repository, reference) = parts.ok_or_else(|| {
        problem::REQUEST_INVALID.problem(
            format!("{image:?} names neither a tag nor a digest."),
            "Write it as TEAM/NAME:TAG or TEAM/NAME@sha256:…; `pluvio images list TEAM/NAME` shows them.",
        )
    })?;
    let (repository, reference) = (escape(repository), escape(reference));
    let path = format!(
        "{}?repository={repository}&reference={reference}",
        base(context)
    );
    let () = context.client()?.delete(&path).await?;
    context.out.say(format!(
        "{image} is deleted; `pluvio images gc` frees the space now."
    ));
    Ok(())
}

async fn collect(context: &Context) -> Done {
    let gone: ImagesCollected = context
        .client()?
        .post("/api/v1/images/collect", &())
        .await?;
    if context.out.json {
        context.out.document(&gone);
        return Ok(());
    }
    context.out.line(format!(
        "{} freed: {} tags, {} manifests, {} unfinished pushes.",
        bytes(gone.bytes),
        gone.tags,
        gone.manifests,
        gone.uploads
    ));
    Ok(())
}

async fn quota(context: &Context, size: Option<&str>) -> Done {
    let path = base(context);
    let client = context.client()?;
    let all: ImageList = match size {
        None => client.get(&path).await?,
        Some(text) => {
            let size = match text {
                "default" => None,
                text => Some(text.parse::<Bytes>().map_err(|error| {
                    problem::REQUEST_INVALID.problem(
                        error.to_string(),
                        "Write it as 20Gi or 500Mi, or `default`.",
                    )
                })?),
            };
            let quota = ImageQuota {
                bytes: size.map(|size| size.0),
            };
            client
                .call(Method::PUT, &format!("{path}/quota"), Some(&quota))
                .await?
        }
    };
    if context.out.json {
        context.out.document(&all);
        return Ok(());
    }
    tell_quota(context, &all);
    Ok(())
}

async fn rotate(context: &Context, cluster: &str) -> Done {
    let team = escape(&context.global.team);
    let path = format!(
        "/api/v1/teams/{team}/clusters/{}/pull-credential",
        escape(cluster)
    );
    let made: PullCredentialRotated = context.client()?.post(&path, &()).await?;
    if context.out.json {
        context.out.document(&made);
        return Ok(());
    }
    context.out.line(format!(
        "{cluster} has another pull credential; the one of before is taken until {}.",
        made.previous_until
    ));
    Ok(())
}
