//! Data volumes: listed while they exist, deleted only by name.

use axum::extract::State;
use axum::http::StatusCode;
use pluvio_api::applications::*;
use pluvio_model::permission::Permission;
use pluvio_model::problem::Problem;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Confirm, Paging};
use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Query, Refusal};
use crate::view;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(volumes))
        .routes(routes!(delete_volume))
}

/// Data volumes of the team, those of deleted applications included.
#[utoipa::path(get, path = "/volumes", tag = "volumes", params(("team" = String, Path), ("environment" = String, Path), Paging),
    responses((status = 200, body = Page<VolumeSummary>), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("volume:read"))))]
async fn volumes(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment)): Path<(String, String)>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<VolumeSummary>>, Refusal> {
    let scope = caller
        .enter(&app, &team, &environment, Permission::VolumeRead)
        .await?;
    let rows = app
        .control
        .store()
        .volumes(scope.team, &paging.request()?)
        .await?;
    Ok(Json(super::paged(rows.map(|row| view::volume(&row)))))
}

/// Deletes the data of a volume whose application is gone, for good.
#[utoipa::path(delete, path = "/volumes/{volume}", tag = "volumes", params(("team" = String, Path), ("environment" = String, Path), ("volume" = String, Path), Confirm),
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("volume:delete"))))]
async fn delete_volume(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, volume)): Path<(String, String, String)>,
    Query(query): Query<Confirm>,
) -> Result<StatusCode, Refusal> {
    let scope = caller
        .enter(&app, &team, &environment, Permission::VolumeDelete)
        .await?;
    let id = volume
        .parse()
        .map_err(|_| crate::refusal::not_found("volume"))?;
    let row = app.control.store().volume(scope.team, id).await?;
    query.is(row.name.as_str())?;
    app.control.delete_volume(&row, &caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}
