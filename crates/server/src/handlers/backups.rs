//! Backups of a database: list, make, bring, download, restore, delete.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt;
use pluvio_api::applications::Page;
use pluvio_api::databases::RestoreRequest;
use pluvio_control::RestoreAsk;
use pluvio_model::database::{Backup, BackupState};
use pluvio_model::id::BackupId;
use pluvio_model::operation::Operation;
use pluvio_model::permission::Permission;
use pluvio_model::problem::{self, Problem};
use tokio_util::io::ReaderStream;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::asker;
use super::changes::{accepted, component_name, new_name};
use super::databases::{Names, enter, record};
use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Refusal, not_found};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(backups))
        .routes(routes!(back_up))
        .routes(routes!(bring))
        .routes(routes!(download))
        .routes(routes!(forget))
        .routes(routes!(restore))
}

type Named = (String, String, String, String, String);

fn id(text: &str) -> Result<BackupId, Refusal> {
    text.parse().map_err(|_| not_found("backup"))
}

/// The backups of a database, the newest first: kept, at work and failed. Those of a database that is gone are listed, too.
#[utoipa::path(get, path = "/applications/{application}/databases/{component}/backups", tag = "databases", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), ("component" = String, Path)),
    responses((status = 200, body = Page<Backup>), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem), (status = 507, body = Problem)), extensions(("x-permission" = json!("database:read"))))]
async fn backups(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name, component)): Path<Names>,
) -> Result<Json<Page<Backup>>, Refusal> {
    let may = Permission::DatabaseRead;
    let (_, application) = caller
        .application(&app, &team, &environment, &name, may)
        .await?;
    let component = component_name(&component)?;
    let rows = app
        .control
        .store()
        .backups(application.id, Some(&component))
        .await?;
    Ok(super::applications::single(rows))
}

/// Makes a backup that is kept until it is deleted.
#[utoipa::path(post, path = "/applications/{application}/databases/{component}/backups", tag = "databases", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), ("component" = String, Path)),
    responses((status = 202, body = Operation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem), (status = 507, body = Problem)), extensions(("x-permission" = json!("database:manage"))))]
async fn back_up(
    State(app): State<App>,
    caller: Caller,
    Path(names): Path<Names>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (_, application, inside) = enter(&app, &caller, &names, Permission::DatabaseManage).await?;
    let by = asker(
        &app,
        &caller,
        &headers,
        &["back up", &names.0, &names.1, &names.2, &names.3],
    )?;
    let asked = app.control.back_up(by, &application, &inside).await?;
    Ok(accepted(asked))
}

/// Keeps a dump that is sent, plain or compressed with gzip, after it was read and found whole.
#[utoipa::path(post, path = "/applications/{application}/databases/{component}/backups/upload", tag = "databases", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), ("component" = String, Path)), request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = Backup), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem), (status = 507, body = Problem)), extensions(("x-permission" = json!("database:manage"))))]
async fn bring(
    State(app): State<App>,
    caller: Caller,
    Path(names): Path<Names>,
    body: Body,
) -> Result<(StatusCode, Json<Backup>), Refusal> {
    let (_, application, inside) = enter(&app, &caller, &names, Permission::DatabaseManage).await?;
    let data = body.into_data_stream().map_err(std::io::Error::other);
    let limit = app.config.upload_limit;
    let backup = app
        .control
        .bring_backup(&application, &inside, data, limit, &caller.actor())
        .await?;
    Ok((StatusCode::CREATED, Json(backup)))
}

/// A backup as it is kept: compressed with gzip.
#[utoipa::path(get, path = "/applications/{application}/databases/{component}/backups/{backup}/file", tag = "databases", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), ("component" = String, Path), ("backup" = String, Path)),
    responses((status = 200, content_type = "application/gzip", body = Vec<u8>), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem), (status = 507, body = Problem)), extensions(("x-permission" = json!("database:manage"))))]
async fn download(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name, component, backup)): Path<Named>,
) -> Result<Response, Refusal> {
    let may = Permission::DatabaseManage;
    let (_, application) = caller
        .application(&app, &team, &environment, &name, may)
        .await?;
    let id = id(&backup)?;
    let backup = app.control.store().backup(application.id, id).await?;
    if backup.component != component || backup.state != BackupState::Kept {
        return Err(Refusal(problem::NOT_FOUND.problem(
            format!("{component} has no kept backup {id}."),
            "A list of its backups says which there are.",
        )));
    }
    let object = format!("backup {id} of {component}");
    record(
        &app,
        &caller,
        &application,
        "database:manage",
        object,
        "downloaded",
    )
    .await?;
    let reader = app
        .control
        .blobs()
        .get(&app.control.backup_key(id), 0)
        .await?;
    let kind = if backup.database.starts_with("redis") {
        "rdb"
    } else {
        "sql"
    };
    let at = backup.begun_at.strftime("%Y%m%d-%H%M%S");
    let file = format!("{}-{component}-{at}.{kind}.gz", application.name);
    let headers = [
        (header::CONTENT_TYPE, "application/gzip".to_owned()),
        (header::CONTENT_LENGTH, reader.bytes.to_string()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{file}\""),
        ),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    let body = Body::from_stream(ReaderStream::with_capacity(reader.file, 64 * 1024));
    Ok((headers, body).into_response())
}

/// Deletes a backup for good.
#[utoipa::path(delete, path = "/applications/{application}/databases/{component}/backups/{backup}", tag = "databases", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), ("component" = String, Path), ("backup" = String, Path)),
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem), (status = 507, body = Problem)), extensions(("x-permission" = json!("database:manage"))))]
async fn forget(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name, component, backup)): Path<Named>,
) -> Result<StatusCode, Refusal> {
    let may = Permission::DatabaseManage;
    let (_, application) = caller
        .application(&app, &team, &environment, &name, may)
        .await?;
    let id = id(&backup)?;
    let backup = app.control.store().backup(application.id, id).await?;
    if backup.component != component {
        return Err(not_found("backup"));
    }
    app.control
        .forget_backup(&application, id, &caller.actor())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Puts a backup into its database, another of the same engine, or a new one. What is there is replaced only when its name is repeated.
#[utoipa::path(post, path = "/applications/{application}/databases/{component}/backups/{backup}/restore", tag = "databases", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), ("component" = String, Path), ("backup" = String, Path)), request_body = RestoreRequest,
    responses((status = 202, body = Operation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem), (status = 507, body = Problem)), extensions(("x-permission" = json!("database:manage"))))]
async fn restore(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name, component, backup)): Path<Named>,
    headers: HeaderMap,
    Json(request): Json<RestoreRequest>,
) -> Result<Response, Refusal> {
    let may = Permission::DatabaseManage;
    let (scope, application) = caller
        .application(&app, &team, &environment, &name, may)
        .await?;
    let text = serde_json::to_string(&request).unwrap_or_default();
    let by = asker(
        &app,
        &caller,
        &headers,
        &[
            "restore",
            &team,
            &environment,
            &name,
            &component,
            &backup,
            &text,
        ],
    )?;
    let into = request.into.as_deref().filter(|into| !into.is_empty());
    let into = into.map(|into| new_name(into, "into")).transpose()?;
    // A database that is not there, or not any more, is made by a deploy.
    let is_there = async || -> Result<bool, Refusal> {
        let there = app.control.databases(&application).await?;
        Ok(there.iter().any(|one| one.name.as_str() == component))
    };
    if into.is_some() || !is_there().await? {
        caller.may_in(scope.team, Permission::ApplicationDeploy)?;
    }
    let ask = RestoreAsk {
        backup: id(&backup)?,
        into,
        confirm: request.confirm,
    };
    let asked = app
        .control
        .restore(by, &scope, &application, &component, ask)
        .await?;
    Ok(accepted(asked))
}
