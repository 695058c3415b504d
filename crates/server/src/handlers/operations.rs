//! Operations: list, one, cancel.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use pluvio_api::applications::Page;
use pluvio_model::operation::Operation;
use pluvio_model::permission::Permission;
use pluvio_model::problem::Problem;
use pluvio_store::{OperationFilter, Scope};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Query, Refusal, not_found};

pub(super) fn environment_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(detail))
        .routes(routes!(cancel))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Rows of one page, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
    /// Only of this application.
    application: Option<String>,
    /// Only those that have not ended.
    #[serde(default)]
    running: bool,
}

/// What was asked, the newest first.
#[utoipa::path(get, path = "/operations", tag = "operations", params(("team" = String, Path), ("environment" = String, Path), Which),
    responses((status = 200, body = Page<Operation>), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("operation:read"))))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment)): Path<(String, String)>,
    Query(which): Query<Which>,
) -> Result<Json<Page<Operation>>, Refusal> {
    let scope = caller
        .enter(&app, &team, &environment, Permission::OperationRead)
        .await?;
    let application = match &which.application {
        Some(name) => Some(
            app.control
                .find(&scope, name)
                .await?
                .ok_or_else(|| not_found("application"))?
                .id,
        ),
        None => None,
    };
    let filter = OperationFilter {
        team: scope.team,
        environment: Some(scope.environment),
        application,
        running: which.running,
    };
    let paging = super::Paging {
        limit: which.limit,
        after: which.after,
    };
    Ok(Json(super::paged(
        app.control
            .store()
            .operations(&filter, &paging.request()?)
            .await?,
    )))
}

/// An operation that the caller may see.
pub(super) async fn find(
    app: &App,
    caller: &Caller,
    id: &str,
    permission: Permission,
) -> Result<(Operation, Scope), Refusal> {
    let id = id.parse().map_err(|_| not_found("operation"))?;
    let (operation, scope) = app.control.store().operation(id).await.map_err(|e| {
        if matches!(e, pluvio_store::StoreError::NotFound { .. }) {
            not_found("operation")
        } else {
            e.into()
        }
    })?;
    caller.may_in(scope.team, permission).map_err(|refusal| {
        if refusal.0.status == 404 {
            not_found("operation")
        } else {
            refusal
        }
    })?;
    Ok((operation, scope))
}

/// One operation.
#[utoipa::path(get, path = "/operations/{operation}", tag = "operations", params(("operation" = String, Path)),
    responses((status = 200, body = Operation), (status = 401, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("operation:read"))))]
async fn detail(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Operation>, Refusal> {
    let (operation, _) = find(&app, &caller, &id, Permission::OperationRead).await?;
    Ok(Json(operation))
}

/// Asks for the operation's end. What served before serves on.
#[utoipa::path(post, path = "/operations/{operation}/cancel", tag = "operations", params(("operation" = String, Path)),
    responses((status = 202, body = Operation), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("operation:cancel"))))]
async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let (operation, _) = find(&app, &caller, &id, Permission::OperationCancel).await?;
    let operation = app.control.cancel(operation.id, &caller.actor()).await?;
    Ok((StatusCode::ACCEPTED, Json(operation)).into_response())
}
