//! Environments of a team: list, make, delete.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use pluvio_api::applications::Page;
use pluvio_api::environments::{
    EnvironmentDeleted, EnvironmentRequest, EnvironmentSummary, NamespaceLeft, PlaceChoices,
};
use pluvio_model::cluster::ClusterOverview;
use pluvio_model::id::ClusterId;
use pluvio_model::permission::Permission;
use pluvio_model::problem::{self, Problem};
use pluvio_plan::is_out_of_use;
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
        .routes(routes!(list_choices))
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

/// Deletes an environment that no application is in; answers what stays of it on its cluster.
#[utoipa::path(delete, path = "/teams/{team}/environments/{environment}", tag = "environments", params(("team" = String, Path), ("environment" = String, Path), Confirm),
    responses((status = 200, body = EnvironmentDeleted), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)), extensions(("x-permission" = json!("team:manage"))))]
async fn delete_environment(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment)): Path<(String, String)>,
    Query(query): Query<Confirm>,
) -> Result<Json<EnvironmentDeleted>, Refusal> {
    let scope = caller
        .enter(&app, &team, &environment, Permission::TeamManage)
        .await?;
    query.is(&environment)?;
    let actor = caller.actor();
    let stays = app.control.delete_environment(&scope, &actor).await?;
    let left = stays.map(|stays| NamespaceLeft {
        cluster: stays.cluster.to_string(),
        name: stays.name,
        holds: stays.holds,
        problem: stays.problem,
    });
    Ok(Json(EnvironmentDeleted {
        deleted: environment,
        left,
    }))
}

/// What its cluster has for choice: storage classes, labels of nodes, machines that are kept for some use.
#[utoipa::path(get, path = "/teams/{team}/environments/{environment}/choices", tag = "environments", params(("team" = String, Path), ("environment" = String, Path)),
    responses((status = 200, body = PlaceChoices), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:deploy"))))]
async fn list_choices(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment)): Path<(String, String)>,
) -> Result<Json<PlaceChoices>, Refusal> {
    let scope = caller
        .enter(&app, &team, &environment, Permission::ApplicationDeploy)
        .await?;
    let Some(cluster) = scope.cluster else {
        return Ok(Json(PlaceChoices::default()));
    };
    let cluster = app.control.store().cluster(cluster).await?;
    Ok(Json(choices(app.control.cluster_overview(&cluster).await?)))
}

fn choices(mut seen: ClusterOverview) -> PlaceChoices {
    let mut choices = PlaceChoices::default();
    seen.storage_classes.sort_by_key(|class| !class.is_default);
    let classes = seen.storage_classes.into_iter().map(|class| class.name);
    choices.storage_classes = classes.collect();
    let add = |to: &mut BTreeMap<String, Vec<String>>, key: String, value: String| {
        let values = to.entry(key).or_default();
        if let Err(at) = values.binary_search(&value) {
            values.insert(at, value);
        }
    };
    for node in seen.nodes {
        for (key, value) in node.labels {
            add(&mut choices.node_labels, key, value);
        }
        for taint in node.taints {
            // A machine that is out of use is not kept for anything.
            if taint.effect != "PreferNoSchedule" && !is_out_of_use(&taint.key) {
                add(&mut choices.reserved, taint.key, taint.value);
            }
        }
    }
    choices
}

#[cfg(test)]
mod tests {
    use pluvio_model::cluster::ClusterOverview;
    use serde_json::json;

    use super::choices;

    #[test]
    fn what_nodes_have_is_offered_once_and_the_default_class_first() {
        let class = |name: &str, default: bool| {
            json!({
                "name": name, "provisioner": "test", "is_default": default,
                "can_expand": false, "keeps": false, "waits_for_pod": false,
            })
        };
        let node = |name: &str, labels: serde_json::Value, taints: serde_json::Value| {
            json!({
                "name": name, "is_ready": true, "is_cordoned": false, "roles": [], "addresses": [], "kubelet": "", "container_runtime": "",
                "system": "", "architecture": "", "resources": pluvio_model::cluster::NodeResources::default(), "pods": 0, "most_pods": 0,
                "instances": 0, "conditions": [], "taints": taints, "labels": labels,
            })
        };
        let seen: ClusterOverview = serde_json::from_value(json!({
            "version": "1.34.4",
            "resources": pluvio_model::cluster::NodeResources::default(),
            "ready_nodes": 2,
            "pods": 0,
            "workloads": [],
            "events": [],
            "storage_classes": [class("archive", false), class("fast", true), class("slow", false)],
            "nodes": [
                node("a", json!({ "disk": "ssd" }), json!([{ "key": "gpu", "value": "a100", "effect": "NoSchedule" }])),
                node("b", json!({ "disk": "hdd" }), json!([
                    { "key": "gpu", "value": "a100", "effect": "NoExecute" },
                    { "key": "node.kubernetes.io/not-ready", "value": "", "effect": "NoSchedule" },
                    { "key": "rather", "value": "", "effect": "PreferNoSchedule" },
                ])),
                node("c", json!({ "disk": "ssd" }), json!([])),
            ],
        }))
        .unwrap();
        let choices = serde_json::to_value(choices(seen)).unwrap();
        assert_eq!(
            choices,
            json!({
                "storage_classes": ["fast", "archive", "slow"],
                "node_labels": { "disk": ["hdd", "ssd"] },
                "reserved": { "gpu": ["a100"] },
            })
        );
    }
}
