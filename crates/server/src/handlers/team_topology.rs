//! The graph of a team: the applications of all its environments, and what passes between them.

use std::collections::HashMap;

use axum::extract::State;
use pluvio_api::topology::Topology;
use pluvio_model::id::ApplicationId;
use pluvio_model::permission::Permission;
use pluvio_model::problem::Problem;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::topology::{Graph, Window, all, metrics};
use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Query, Refusal};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(team_topology))
}

/// The graph of a team: the applications of its environments, the gateway, and which of them asks which, also across environments.
#[utoipa::path(get, path = "/teams/{team}/topology", tag = "applications", params(("team" = String, Path), Window),
    responses((status = 200, body = Topology), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("application:read"))))]
async fn team_topology(
    State(app): State<App>,
    caller: Caller,
    Path(team): Path<String>,
    Query(window): Query<Window>,
) -> Result<Json<Topology>, Refusal> {
    let team = caller.team(&team, Permission::ApplicationRead)?;
    let seconds = window.seconds()?;
    let mut graph = Graph::new(seconds);
    let (mut applications, mut summaries) = (Vec::new(), Vec::new());
    for scope in app.control.store().environments(team).await? {
        let own = all(&app, &scope).await?;
        for mut summary in super::applications::summaries(&app, &scope, &own).await? {
            // Names are an environment's: two of them may have an application of one name.
            summary.name = id(scope.environment_name.as_str(), &summary.name);
            graph.application(&summary);
            let node = graph.nodes.get_mut(&summary.name).expect("just put there");
            node.environment = Some(scope.environment_name.to_string());
            if let Some((_, name)) = summary.name.split_once('/') {
                name.clone_into(&mut node.name);
            }
            summaries.push(summary);
        }
        let named = own.into_iter();
        applications.extend(named.map(|one| (scope.environment_name.to_string(), one)));
    }
    // What passes is counted on this machine; that of clusters is not known here.
    let counted = metrics(&app, None, seconds).await;
    graph.seen(None, counted.is_ok());
    let ids: HashMap<ApplicationId, String> = summaries
        .iter()
        .map(|one| (one.id, one.name.clone()))
        .collect();
    graph.between(&ids, counted.unwrap_or_default());
    for (environment, application) in &applications {
        if application.release.is_some() {
            let spec = app.control.target_revision(application).await?.spec;
            let from = id(environment, application.name.as_str());
            graph.addresses(&from, &spec, &summaries);
        }
    }
    Ok(Json(graph.done()))
}

fn id(environment: &str, application: &str) -> String {
    format!("{environment}/{application}")
}
