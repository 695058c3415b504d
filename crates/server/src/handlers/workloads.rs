//! What runs, over all clusters: the components of all applications of a team, on the engine and on clusters alike.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::extract::State;
use pluvio_api::applications::Page;
use pluvio_api::workloads::WorkloadSummary;
use pluvio_model::facts::RuntimeKind;
use pluvio_model::id::{ApplicationId, ClusterId};
use pluvio_model::name::derived;
use pluvio_model::permission::Permission;
use pluvio_model::problem::Problem;
use pluvio_model::release::{DecidedComponent, Release, Strategy};
use pluvio_model::spec::Kind;
use pluvio_store::{Application, ApplicationFilter, Cluster, Target};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Paging;
use super::applications::running;
use super::now::Now;
use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Query, Refusal, not_found};
use crate::view::{self, Seen};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_workloads))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Narrowed {
    /// Only those of this environment.
    environment: Option<String>,
    /// Applications of one page, 1 to 200; 50 when absent. All components of an application are on one page.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next` of the page before.
    after: Option<String>,
}

/// What runs of a team, on the engine of this machine and on all clusters: one row a component, by application.
#[utoipa::path(get, path = "/teams/{team}/workloads", tag = "applications", params(("team" = String, Path), Narrowed),
    responses((status = 200, body = Page<WorkloadSummary>), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("application:read"))))]
async fn list_workloads(
    State(app): State<App>,
    caller: Caller,
    Path(team): Path<String>,
    Query(asked): Query<Narrowed>,
) -> Result<Json<Page<WorkloadSummary>>, Refusal> {
    let team = caller.team(&team, Permission::ApplicationRead)?;
    let store = app.control.store();
    let environment = match &asked.environment {
        None => None,
        Some(name) => {
            let all = store.environments(team).await?;
            let found = all
                .into_iter()
                .find(|one| one.environment_name.as_str() == name);
            Some(found.ok_or_else(|| not_found("environment"))?.environment)
        }
    };
    let filter = ApplicationFilter {
        team,
        environment,
        state: None,
        contains: None,
    };
    let page = Paging {
        limit: asked.limit,
        after: asked.after,
    };
    let applications = store.applications(&filter, &page.request()?).await?;
    let deployed = applications.items.iter();
    let deployed: Vec<(ApplicationId, u64)> = deployed
        .filter_map(|one| Some((one.id, one.release?)))
        .collect();
    let releases = store.releases_of(&deployed).await?;
    let operations = running(&app, team, environment).await?;
    // Where nodes are is the installation's business.
    let sees_nodes = caller.may(&app, Permission::ClusterRead).is_ok();
    let mut places = Places::default();
    let mut items = Vec::new();
    for application in &applications.items {
        let Some(release) = releases.get(&application.id) else {
            continue;
        };
        let place = places.at(&app, application.cluster, &deployed).await?;
        let seen = Seen {
            observed: place
                .now
                .observed
                .as_ref()
                .and_then(|seen| seen.applications.get(&application.id)),
            silence: place.now.silence.clone(),
            running: operations
                .iter()
                .find(|one| one.application == application.id && view::moves(one)),
            target: place.targets.get(&application.id),
            ..Seen::default()
        };
        for component in release.components.values() {
            let mut row = row(application, release, component, &seen, place);
            if sees_nodes {
                let on = (application.id, row.component.clone());
                row.nodes = place.nodes.get(&on).cloned().unwrap_or_default();
            }
            items.push(row);
        }
    }
    Ok(Json(Page {
        items,
        next: applications.next,
    }))
}

/// The places that applications of a page are at, each looked at once.
#[derive(Default)]
struct Places {
    clusters: Option<Vec<Cluster>>,
    looked: BTreeMap<Option<ClusterId>, At>,
}

struct At {
    name: String,
    runtime: RuntimeKind,
    now: Arc<Now>,
    targets: HashMap<ApplicationId, Target>,
    nodes: HashMap<(ApplicationId, String), BTreeMap<String, u32>>,
}

impl Places {
    async fn at(
        &mut self,
        app: &App,
        at: Option<ClusterId>,
        deployed: &[(ApplicationId, u64)],
    ) -> Result<&At, Refusal> {
        if !self.looked.contains_key(&at) {
            let looked = self.look(app, at, deployed).await?;
            self.looked.insert(at, looked);
        }
        Ok(&self.looked[&at])
    }

    async fn look(
        &mut self,
        app: &App,
        at: Option<ClusterId>,
        deployed: &[(ApplicationId, u64)],
    ) -> Result<At, Refusal> {
        let store = app.control.store();
        if self.clusters.is_none() {
            self.clusters = Some(store.clusters().await?);
        }
        let id = app.control.cluster_id(at);
        let known = self.clusters.iter().flatten();
        let cluster = known.into_iter().find(|one| Some(one.id) == id);
        let ids: Vec<ApplicationId> = deployed.iter().map(|(id, _)| *id).collect();
        let targets = match id {
            Some(id) => store.targets_of(id, &ids).await?,
            None => Vec::new(),
        };
        let mut nodes: HashMap<_, BTreeMap<String, u32>> = HashMap::new();
        for one in at
            .map(|id| app.control.cluster_workloads(id))
            .into_iter()
            .flatten()
        {
            let Some(component) = one.component else {
                continue;
            };
            let on = nodes.entry((one.application, component)).or_default();
            for (node, count) in one.nodes {
                *on.entry(node).or_default() += count;
            }
        }
        Ok(At {
            name: cluster.map_or_else(|| "local".to_owned(), |one| one.name.to_string()),
            runtime: cluster.map_or(RuntimeKind::Podman, |one| one.kind),
            now: Now::all(app, at).await,
            targets: targets
                .into_iter()
                .map(|one| (one.application, one))
                .collect(),
            nodes,
        })
    }
}

fn row(
    application: &Application,
    release: &Release,
    component: &DecidedComponent,
    seen: &Seen,
    place: &At,
) -> WorkloadSummary {
    let observed = seen
        .observed
        .and_then(|seen| seen.components.get(&component.name));
    let (status, status_note) = view::component_status(application, component, seen);
    let on_cluster = application.cluster.is_some();
    let names = [release.team.as_str(), release.environment.as_str()];
    WorkloadSummary {
        environment: application.environment_name.to_string(),
        cluster: place.name.clone(),
        runtime: place.runtime,
        namespace: on_cluster.then(|| derived(&names).to_string()),
        application_id: application.id,
        application: application.name.to_string(),
        display_name: application.display_name.clone(),
        component: component.name.to_string(),
        kind: format!("{:?}", component.kind).to_lowercase(),
        status,
        status_note,
        stopped: view::is_stopped(component, seen),
        instances_ready: observed.map_or(0, view::ready),
        instances_wanted: observed.map_or(component.instances, |seen| seen.wanted_instances),
        can_scale: matches!(component.kind, Kind::Service | Kind::Stateful)
            && component.scale.is_none()
            && component.rollout.strategy != Strategy::StopThenStart,
        nodes: BTreeMap::new(),
        operation: seen.running.map(|one| one.id),
    }
}
