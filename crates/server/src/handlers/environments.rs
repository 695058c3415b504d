//! Environments of a team: list, make, delete.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use pluvio_api::applications::Page;
use pluvio_api::environments::{EnvironmentRequest, EnvironmentSummary};
use pluvio_model::id::ClusterId;
use pluvio_model::permission::Permission;
use pluvio_model::problem::{self, Problem};
use pluvio_store::Environment;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::changes::new_name;
use super::{Confirm, page};
use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Query, Refusal};

/// The engine of this machine.
const LOCAL: &str = "local";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_environments, create_environment))
        .routes(routes!(delete_environment))
}

/// The clusters' names, by id.
type Clusters = BTreeMap<ClusterId, String>;

async fn clusters(app: &App) -> Result<Clusters, Refusal> {
    let all = app.control.store().clusters().await?;
    let named = all.into_iter().map(|one| (one.id, one.name.to_string()));
    Ok(named.collect())
}

fn summary(environment: Environment, clusters: &Clusters) -> EnvironmentSummary {
    let cluster = environment
        .cluster
        .and_then(|id| clusters.get(&id).cloned());
    EnvironmentSummary {
        cluster: cluster.unwrap_or_else(|| LOCAL.to_owned()),
        name: environment.name.to_string(),
        first: environment.first,
        applications: environment.applications,
        created_at: environment.created_at,
    }
}

/// The team's environments, in the order in which they were made.
#[utoipa::path(get, path = "/teams/{team}/environments", tag = "environments", params(("team" = String, Path)),
    responses((status = 200, body = Page<EnvironmentSummary>), (status = 401, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("team:read"))))]
async fn list_environments(
    State(app): State<App>,
    caller: Caller,
    Path(team): Path<String>,
) -> Result<Json<Page<EnvironmentSummary>>, Refusal> {
    let team = caller.team(&team, Permission::TeamRead)?;
    let rows = app.control.store().environment_list(team).await?;
    let clusters = clusters(&app).await?;
    let rows = rows.into_iter().map(|row| summary(row, &clusters));
    Ok(Json(page(rows.collect())))
}

/// Makes an environment, on the engine or on a cluster.
#[utoipa::path(post, path = "/teams/{team}/environments", tag = "environments", params(("team" = String, Path)), request_body = EnvironmentRequest,
    responses((status = 201, body = EnvironmentSummary), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem)), extensions(("x-permission" = json!("team:manage"))))]
async fn create_environment(
    State(app): State<App>,
    caller: Caller,
    Path(team): Path<String>,
    Json(request): Json<EnvironmentRequest>,
) -> Result<Response, Refusal> {
    let team = caller.team(&team, Permission::TeamManage)?;
    let name = new_name(&request.name, "name")?;
    let store = app.control.store();
    let cluster = match request.cluster.as_deref() {
        None | Some(LOCAL) => None,
        Some(named) => Some(
            store
                .cluster_named(named)
                .await
                .map_err(|_| no_cluster(named))?
                .id,
        ),
    };
    let made = store
        .create_environment(team, &name, cluster, &caller.actor())
        .await?;
    let made = summary(made, &clusters(&app).await?);
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

fn no_cluster(named: &str) -> Refusal {
    let named: String = named.chars().take(64).collect();
    Refusal(problem::NOT_FOUND.problem(
        format!("There is no cluster called {named:?}."),
        "`pluvio cluster list` shows those there are; `local` is the engine of this machine.",
    ))
}

/// Deletes an environment that no application is in.
#[utoipa::path(delete, path = "/teams/{team}/environments/{environment}", tag = "environments", params(("team" = String, Path), ("environment" = String, Path), Confirm),
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)), extensions(("x-permission" = json!("team:manage"))))]
async fn delete_environment(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment)): Path<(String, String)>,
    Query(query): Query<Confirm>,
) -> Result<StatusCode, Refusal> {
    let scope = caller
        .enter(&app, &team, &environment, Permission::TeamManage)
        .await?;
    query.is(&environment)?;
    let store = app.control.store();
    store.delete_environment(&scope, &caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}
