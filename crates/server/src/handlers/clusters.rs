//! Clusters beside the engine: list, add, look at, take out.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use pluvio_api::applications::Page;
use pluvio_api::clusters::*;
use pluvio_control::Reached;
use pluvio_model::facts::RuntimeKind;
use pluvio_model::permission::Permission;
use pluvio_model::problem::{self, Problem};
use pluvio_runtime::Given;
use pluvio_store::Cluster;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::changes::new_name;
use super::{Confirm, page};
use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Query, Refusal};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_clusters, add_cluster))
        .routes(routes!(check_cluster))
        .routes(routes!(show_cluster, remove_cluster))
        .routes(routes!(cluster_overview))
        .routes(routes!(rotate_cluster))
}

async fn summary(app: &App, cluster: Cluster) -> Result<ClusterSummary, Refusal> {
    let control = &app.control;
    let facts = control.cluster_facts(&cluster).await;
    let (state, since, problem) = match cluster.kind {
        _ if cluster.leaving => (ClusterState::Leaving, None, None),
        RuntimeKind::Kubernetes => match control.reached(cluster.id) {
            Reached::Yes => {
                let trouble = control.cluster_trouble(cluster.id);
                (ClusterState::Connected, None, trouble)
            }
            Reached::NotYet => (ClusterState::Connecting, None, None),
            Reached::No { since, problem } => (ClusterState::Away, Some(since), Some(*problem)),
        },
        _ if facts.is_some() => (ClusterState::Connected, None, None),
        _ => (ClusterState::Away, None, None),
    };
    let environments = control.store().cluster_environments(cluster.id).await?;
    let environments = environments.into_iter();
    let environments = environments.map(|(team, name)| format!("{team}/{name}"));
    Ok(ClusterSummary {
        environments: environments.collect(),
        name: cluster.name.to_string(),
        kind: cluster.kind,
        address: cluster.address,
        state,
        since,
        problem,
        facts,
        settings: cluster.settings,
        created_at: cluster.created_at,
    })
}

/// The engine of this machine, and the clusters that were added.
#[utoipa::path(get, path = "/clusters", tag = "platform",
    responses((status = 200, body = Page<ClusterSummary>), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("cluster:read"))))]
async fn list_clusters(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<Page<ClusterSummary>>, Refusal> {
    caller.may(&app, Permission::ClusterRead)?;
    let mut items = Vec::new();
    for cluster in app.control.store().clusters().await? {
        items.push(summary(&app, cluster).await?);
    }
    Ok(Json(page(items)))
}

/// Adds a Kubernetes cluster: it is looked at, an account of Pluvio's own is made there, and only that account's credential is
/// kept. The same name again changes credential and settings.
#[utoipa::path(post, path = "/clusters", tag = "platform", request_body = ClusterRequest,
    responses((status = 201, body = ClusterAdded), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("cluster:manage"))))]
async fn add_cluster(
    State(app): State<App>,
    caller: Caller,
    Json(request): Json<ClusterRequest>,
) -> Result<Response, Refusal> {
    caller.may(&app, Permission::ClusterManage)?;
    let name = new_name(&request.name, "name")?;
    let actor = caller.actor();
    let given = given(&app, request);
    let (cluster, report) = app.control.add_cluster(&name, &given, &actor).await?;
    let cluster = summary(&app, cluster).await?;
    let added = ClusterAdded { cluster, report };
    Ok((StatusCode::CREATED, Json(added)).into_response())
}

fn given(app: &App, request: ClusterRequest) -> Given {
    Given {
        kubeconfig: request.kubeconfig,
        context: request.context,
        settings: request.settings,
        installation: app.control.store().home().organization.to_string(),
    }
}

/// Looks at a cluster step by step, before it is added: nothing is made there, nothing is kept.
#[utoipa::path(post, path = "/clusters/check", tag = "platform", request_body = ClusterRequest,
    responses((status = 200, body = CheckReport), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("cluster:manage"))))]
async fn check_cluster(
    State(app): State<App>,
    caller: Caller,
    Json(request): Json<ClusterRequest>,
) -> Result<Json<CheckReport>, Refusal> {
    caller.may(&app, Permission::ClusterManage)?;
    Ok(Json(
        app.control.check_cluster(&given(&app, request)).await?,
    ))
}

/// Makes a new credential of Pluvio's account on a cluster, and ends the one before.
#[utoipa::path(post, path = "/clusters/{cluster}/rotate", tag = "platform", params(("cluster" = String, Path)),
    responses((status = 200, body = ClusterSummary), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("cluster:manage"))))]
async fn rotate_cluster(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<ClusterSummary>, Refusal> {
    caller.may(&app, Permission::ClusterManage)?;
    let rotated = app.control.rotate_cluster(&name, &caller.actor()).await?;
    Ok(Json(summary(&app, rotated).await?))
}

/// What a cluster looks like now: its nodes, its events, what of ours runs there.
#[utoipa::path(get, path = "/clusters/{cluster}/overview", tag = "platform", params(("cluster" = String, Path)),
    responses((status = 200, body = ClusterOverview), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("cluster:read"))))]
async fn cluster_overview(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<ClusterOverview>, Refusal> {
    caller.may(&app, Permission::ClusterRead)?;
    let cluster = app.control.store().cluster_named(&name).await?;
    Ok(Json(app.control.cluster_overview(&cluster).await?))
}

/// One cluster.
#[utoipa::path(get, path = "/clusters/{cluster}", tag = "platform", params(("cluster" = String, Path)),
    responses((status = 200, body = ClusterSummary), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("cluster:read"))))]
async fn show_cluster(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<ClusterSummary>, Refusal> {
    caller.may(&app, Permission::ClusterRead)?;
    let cluster = app.control.store().cluster_named(&name).await?;
    Ok(Json(summary(&app, cluster).await?))
}

#[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Removal {
    /// The cluster's name once more.
    confirm: String,
    /// The cluster is gone for good: nothing is asked of it.
    #[serde(default)]
    abandon: bool,
}

/// Takes a cluster out that no environment is on: all that Pluvio made there but data volumes, which are answered.
#[utoipa::path(delete, path = "/clusters/{cluster}", tag = "platform", params(("cluster" = String, Path), Removal),
    responses((status = 200, body = ClusterRemoved), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("cluster:manage"))))]
async fn remove_cluster(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<Removal>,
) -> Result<Json<ClusterRemoved>, Refusal> {
    caller.may(&app, Permission::ClusterManage)?;
    let confirm = Confirm {
        confirm: query.confirm,
    };
    confirm.is(&name)?;
    let actor = caller.actor();
    // Whoever asked may go; what was begun goes on to its end.
    let control = app.control.clone();
    let removed =
        tokio::spawn(async move { control.remove_cluster(&name, query.abandon, &actor).await });
    let removed = removed.await.map_err(|error| {
        problem::INTERNAL.problem(format!("The removal ended: {error}."), "Ask for it again.")
    })?;
    let volumes = removed?.into_iter().map(|left| VolumeLeft {
        namespace: left.namespace,
        name: left.name,
        size: left.size,
    });
    Ok(Json(ClusterRemoved {
        volumes: volumes.collect(),
    }))
}
