//! Images in the registry: listed, deleted, collected; quotas; the credentials by which clusters pull.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use pluvio_api::applications::Page;
use pluvio_api::images::*;
use pluvio_model::id::TeamId;
use pluvio_model::permission::Permission;
use pluvio_model::problem::{self, Problem};
use pluvio_store::NewAudit;
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::page;
use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Query, Refusal, not_found};

/// How long a pull credential goes on after the next one was made.
const OVERLAP: Duration = Duration::from_secs(24 * 3600);

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_images, delete_image))
        .routes(routes!(list_image_tags))
        .routes(routes!(set_image_quota))
        .routes(routes!(collect_images))
        .routes(routes!(rotate_pull_credential))
}

async fn summary(app: &App, team: TeamId) -> Result<ImageList, Refusal> {
    let store = app.control.store();
    let (used, own) = store.image_usage(team).await?;
    let configured = app
        .control
        .registry()
        .and_then(|registry| registry.settings().quota);
    let items = store
        .image_repositories(team)
        .await?
        .into_iter()
        .map(|row| ImageRepository {
            name: row.name,
            tags: row.tags,
            manifests: row.manifests,
            bytes: row.bytes,
            pushed_at: row.pushed_at,
        });
    Ok(ImageList {
        host: app.control.images_host().map(str::to_owned),
        used,
        quota: own.or(configured),
        items: items.collect(),
    })
}

/// A repository of the team: others are not told of.
fn own(team: &str, repository: &str) -> Result<(), Refusal> {
    match repository.split_once('/') {
        Some((first, _)) if first == team => Ok(()),
        _ => Err(not_found("repository of images")),
    }
}

/// The team's repositories, and what they take of its quota.
#[utoipa::path(get, path = "/teams/{team}/images", tag = "images", params(("team" = String, Path)),
    responses((status = 200, body = ImageList), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("image:read"))))]
async fn list_images(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<ImageList>, Refusal> {
    let team = caller.team(&name, Permission::ImageRead)?;
    Ok(Json(summary(&app, team).await?))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct InRepository {
    /// `TEAM/NAME`
    repository: String,
}

/// The tags of one of the team's repositories.
#[utoipa::path(get, path = "/teams/{team}/images/tags", tag = "images", params(("team" = String, Path), InRepository),
    responses((status = 200, body = Page<ImageTag>), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("image:read"))))]
async fn list_image_tags(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<InRepository>,
) -> Result<Json<Page<ImageTag>>, Refusal> {
    caller.team(&name, Permission::ImageRead)?;
    own(&name, &query.repository)?;
    let tags = app.control.store().image_tags(&query.repository).await?;
    let tags = tags.ok_or_else(|| not_found("repository of images"))?;
    let tags = tags.into_iter().map(|tag| ImageTag {
        name: tag.name,
        digest: tag.digest,
        media_type: tag.media_type,
        bytes: tag.bytes,
        updated_at: tag.updated_at,
    });
    Ok(Json(page(tags.collect())))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct OneImage {
    /// `TEAM/NAME`
    repository: String,
    /// A tag, or a digest: then every tag that names it goes too.
    reference: String,
}

/// Deletes a tag, or a manifest by its digest. Space is free after the next collection.
#[utoipa::path(delete, path = "/teams/{team}/images", tag = "images", params(("team" = String, Path), OneImage),
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("image:write"))))]
async fn delete_image(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<OneImage>,
) -> Result<StatusCode, Refusal> {
    caller.team(&name, Permission::ImageWrite)?;
    own(&name, &query.repository)?;
    let store = app.control.store();
    let actor = caller.actor();
    match store
        .delete_image(&query.repository, &query.reference, &actor)
        .await?
    {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(not_found("image")),
    }
}

/// Gives a team a quota of its own, or the configuration's again. For owners of the installation.
#[utoipa::path(put, path = "/teams/{team}/images/quota", tag = "images", params(("team" = String, Path)), request_body = ImageQuota,
    responses((status = 200, body = ImageList), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem)), extensions(("x-permission" = json!("image:manage"))))]
async fn set_image_quota(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Json(request): Json<ImageQuota>,
) -> Result<Json<ImageList>, Refusal> {
    caller.may(&app, Permission::ImageManage)?;
    let store = app.control.store();
    let team = store
        .team_named(&name)
        .await?
        .ok_or_else(|| not_found("team"))?;
    if request.bytes.is_some_and(|bytes| bytes > i64::MAX as u64) {
        return Err(Refusal(problem::REQUEST_INVALID.problem(
            "The quota is larger than any disk.",
            "Send it in bytes, or leave it out for the configuration's.",
        )));
    }
    store
        .set_image_quota(team, request.bytes, &caller.actor())
        .await?;
    Ok(Json(summary(&app, team).await?))
}

/// Removes what nobody needs, by the rules of the configuration, now rather than within the hour. What releases refer to stays.
#[utoipa::path(post, path = "/images/collect", tag = "images",
    responses((status = 200, body = ImagesCollected), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)), extensions(("x-permission" = json!("image:manage"))))]
async fn collect_images(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<ImagesCollected>, Refusal> {
    caller.may(&app, Permission::ImageManage)?;
    let swept = app.control.collect_images().await?;
    let asked = NewAudit {
        team: None,
        actor: caller.actor(),
        action: Permission::ImageManage.as_str().to_owned(),
        object: "images that nobody needs".to_owned(),
        result: format!(
            "collected: {} manifests, {} bytes",
            swept.rows.manifests, swept.bytes
        ),
    };
    app.control.store().audit(asked).await?;
    Ok(Json(ImagesCollected {
        tags: swept.rows.tags,
        manifests: swept.rows.manifests,
        contents: swept.rows.contents,
        files: swept.files,
        bytes: swept.bytes,
        uploads: swept.uploads,
    }))
}

/// Makes another credential by which a cluster pulls the team's images; the one of before goes on for a day.
#[utoipa::path(post, path = "/teams/{team}/clusters/{cluster}/pull-credential", tag = "images", params(("team" = String, Path), ("cluster" = String, Path)),
    responses((status = 200, body = PullCredentialRotated), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("credential:write"))))]
async fn rotate_pull_credential(
    State(app): State<App>,
    caller: Caller,
    Path((team, cluster)): Path<(String, String)>,
) -> Result<Json<PullCredentialRotated>, Refusal> {
    let team = caller.team(&team, Permission::CredentialWrite)?;
    let store = app.control.store();
    let cluster = store.cluster_named(&cluster).await?.id;
    let made = store
        .rotate_pull_credential(team, cluster, OVERLAP, &caller.actor())
        .await?;
    Ok(Json(PullCredentialRotated {
        rotated_at: made.rotated_at,
        previous_until: made.rotated_at + OVERLAP,
    }))
}
