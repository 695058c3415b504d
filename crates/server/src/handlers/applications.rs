//! Reading applications: overview, list, detail, specification, volumes, routes.

use std::collections::HashMap;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use pluvio_api::applications::*;
use pluvio_model::id::{ApplicationId, EnvironmentId, TeamId};
use pluvio_model::operation::{Operation, Outcome};
use pluvio_model::permission::Permission;
use pluvio_model::problem::Problem;
use pluvio_node::wire::RouteMetrics;
use pluvio_runtime::Scope as RuntimeScope;
use pluvio_store::{Application, ApplicationFilter, OperationFilter, PageRequest, Scope, Target};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::now::Now;
use super::{Paging, page};
use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Query, Refusal};
use crate::view::{self, Seen};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(overview))
        .routes(routes!(list))
        .routes(routes!(detail))
        .routes(routes!(specification))
        .routes(routes!(gateway_routes))
        .routes(routes!(usage))
}

/// Summaries of a page of applications.
pub(crate) async fn summaries(
    app: &App,
    scope: &Scope,
    applications: &[Application],
) -> Result<Vec<ApplicationSummary>, Refusal> {
    let now = Now::all(app, scope.cluster).await;
    let running = running(app, scope.team, Some(scope.environment)).await?;
    let deployed = applications.iter().filter(|a| a.release.is_some());
    let deployed: Vec<ApplicationId> = deployed.map(|a| a.id).collect();
    let targets = match app.control.cluster_id(scope.cluster) {
        Some(cluster) => app.control.store().targets_of(cluster, &deployed).await?,
        None => Vec::new(),
    };
    let targets: HashMap<ApplicationId, &Target> =
        targets.iter().map(|t| (t.application, t)).collect();
    let of = |application: &Application| {
        let observed = now.observed.as_ref();
        let seen = Seen {
            observed: observed.and_then(|o| o.applications.get(&application.id)),
            silence: now.silence.clone(),
            usage: now.usage.get(&application.id).cloned().unwrap_or_default(),
            routes: now.metrics_of(application.id),
            running: running
                .iter()
                .find(|o| o.application == application.id && view::moves(o)),
            target: targets.get(&application.id).copied(),
        };
        view::summary(application, None, &seen)
    };
    Ok(applications.iter().map(of).collect())
}

/// What is at work in an environment, or in all of a team.
pub(super) async fn running(
    app: &App,
    team: TeamId,
    environment: Option<EnvironmentId>,
) -> Result<Vec<Operation>, Refusal> {
    let filter = OperationFilter {
        team,
        environment,
        application: None,
        running: true,
    };
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = PageRequest { limit: 200, after };
        let page = app.control.store().operations(&filter, &page).await?;
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            return Ok(all);
        }
    }
}

/// What a first look needs: what runs, what is at work, what needs somebody.
#[utoipa::path(get, path = "/overview", tag = "applications", params(("team" = String, Path), ("environment" = String, Path)),
    responses((status = 200, body = Overview), (status = 401, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("application:read"))))]
async fn overview(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment)): Path<(String, String)>,
) -> Result<Json<Overview>, Refusal> {
    let scope = caller
        .enter(&app, &team, &environment, Permission::ApplicationRead)
        .await?;
    let store = app.control.store();
    let filter = ApplicationFilter {
        team: scope.team,
        environment: Some(scope.environment),
        state: None,
        contains: None,
    };
    let applications = store
        .applications(
            &filter,
            &PageRequest {
                limit: 50,
                after: None,
            },
        )
        .await?;
    let items = summaries(&app, &scope, &applications.items).await?;
    let environments = store.environment_list(scope.team).await?;
    let total = environments
        .iter()
        .find(|one| one.id == scope.environment)
        .map_or(0, |one| one.applications);
    let lately = OperationFilter {
        team: scope.team,
        environment: Some(scope.environment),
        application: None,
        running: false,
    };
    let lately = store
        .operations(
            &lately,
            &PageRequest {
                limit: 20,
                after: None,
            },
        )
        .await?
        .items;
    let mut needs_you: Vec<NeedsYou> = Vec::new();
    for summary in items
        .iter()
        .filter(|s| matches!(s.status, Status::Failed | Status::Degraded) || s.operation.is_none())
    {
        let last = lately.iter().find(|o| o.application == summary.id);
        if let Some(Operation {
            outcome: Some(Outcome::Failed { problem }),
            id,
            ended_at,
            asked_at,
            ..
        }) = last
        {
            needs_you.push(NeedsYou {
                application: summary.name.clone(),
                problem: (**problem).clone(),
                operation: Some(*id),
                since: ended_at.unwrap_or(*asked_at),
            });
        }
    }
    let (running, lately): (Vec<_>, Vec<_>) = lately.into_iter().partition(|o| !o.is_over());
    Ok(Json(Overview {
        applications: Page {
            items,
            next: applications.next,
        },
        applications_total: total,
        running,
        lately,
        needs_you,
        samples: crate::samples::list(),
    }))
}

/// Applications by name.
#[utoipa::path(get, path = "/applications", tag = "applications", params(("team" = String, Path), ("environment" = String, Path), Paging),
    responses((status = 200, body = Page<ApplicationSummary>), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("application:read"))))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment)): Path<(String, String)>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<ApplicationSummary>>, Refusal> {
    let scope = caller
        .enter(&app, &team, &environment, Permission::ApplicationRead)
        .await?;
    let filter = ApplicationFilter {
        team: scope.team,
        environment: Some(scope.environment),
        state: None,
        contains: None,
    };
    let applications = app
        .control
        .store()
        .applications(&filter, &paging.request()?)
        .await?;
    let items = summaries(&app, &scope, &applications.items).await?;
    Ok(Json(Page {
        items,
        next: applications.next,
    }))
}

/// One application, with everything its page shows.
#[utoipa::path(get, path = "/applications/{application}", tag = "applications", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path)),
    responses((status = 200, body = ApplicationDetail), (status = 401, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("application:read"))))]
async fn detail(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name)): Path<(String, String, String)>,
) -> Result<Response, Refusal> {
    let (_, application) = caller
        .application(
            &app,
            &team,
            &environment,
            &name,
            Permission::ApplicationRead,
        )
        .await?;
    let detail = build_detail(&app, &application).await?;
    Ok(with_tag(&application, Json(detail).into_response()))
}

pub(crate) async fn build_detail(
    app: &App,
    application: &Application,
) -> Result<ApplicationDetail, Refusal> {
    let store = app.control.store();
    let now = Now::look(
        app,
        application.cluster,
        RuntimeScope::Application(application.id),
    )
    .await;
    let release = match application.release {
        Some(number) => Some(store.release(application.id, number).await?.release),
        None => None,
    };
    let spec = match application.release {
        Some(number) => Some(store.revision(application.id, number).await?.spec),
        None => None,
    };
    let filter = OperationFilter {
        team: application.team,
        environment: None,
        application: Some(application.id),
        running: false,
    };
    let mut operations = store
        .operations(
            &filter,
            &PageRequest {
                limit: 10,
                after: None,
            },
        )
        .await?
        .items;
    operations.sort_by_key(Operation::is_over);
    // After its operations: one that ends meanwhile is shown at work beside what it made live, never as over before that.
    let target = match app.control.cluster_id(application.cluster) {
        Some(cluster) => store.target(application.id, cluster).await?,
        None => None,
    };
    let observed = now
        .observed
        .as_ref()
        .and_then(|o| o.applications.get(&application.id));
    let usage = now.usage.get(&application.id).cloned().unwrap_or_default();
    let seen = Seen {
        observed,
        silence: now.silence.clone(),
        usage,
        routes: now.metrics_of(application.id),
        running: operations.iter().find(|o| !o.is_over() && view::moves(o)),
        target: target.as_ref(),
    };
    let components = release
        .iter()
        .flat_map(|release| {
            let run = release.components.values().map(|c| {
                view::component(
                    application,
                    release,
                    spec.as_ref().and_then(|s| s.components.get(&c.name)),
                    c,
                    &seen,
                )
            });
            let outside = release.externals.values();
            let outside = outside.map(|one| view::external(application, release, one, &seen));
            run.chain(outside).collect::<Vec<_>>()
        })
        .collect();
    let age = now.observed.as_ref().and_then(|o| o.at).map(|at| {
        u64::try_from(jiff::Timestamp::now().duration_since(at).as_millis()).unwrap_or(0)
    });
    let summary = view::summary(application, release.as_ref(), &seen);
    let problem = observed.and_then(|o| o.problem.clone());
    Ok(ApplicationDetail {
        summary,
        power: target
            .as_ref()
            .map_or(pluvio_model::stage::Power::On, |t| t.power),
        created_at: application.created_at,
        components,
        volumes: super::volumes::summaries(
            store,
            &store.application_volumes(application.id).await?,
        )
        .await?,
        operations,
        seen_ms_ago: age.or(now.observed.is_some().then_some(0)),
        problem,
    })
}

/// Marks an answer with the application's newest revision, which `If-Match` compares.
fn with_tag(application: &Application, mut response: Response) -> Response {
    let tag = format!("\"{}\"", application.revision.unwrap_or(0));
    if let Ok(value) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

/// The target's specification, as JSON and as app.yaml.
#[utoipa::path(get, path = "/applications/{application}/spec", tag = "applications", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path)),
    responses((status = 200, body = SpecDocument), (status = 401, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("application:read"))))]
async fn specification(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name)): Path<(String, String, String)>,
) -> Result<Response, Refusal> {
    let (_, application) = caller
        .application(
            &app,
            &team,
            &environment,
            &name,
            Permission::ApplicationRead,
        )
        .await?;
    let revision = app.control.target_revision(&application).await?;
    let yaml = pluvio_formats::app::write(&revision.spec);
    let document = SpecDocument {
        revision: revision.number,
        spec: serde_json::to_value(&revision.spec).expect("a spec serialises"),
        yaml,
    };
    Ok(with_tag(&application, Json(document).into_response()))
}

/// Routes of the environment at the gateway, with their traffic over the last minute.
#[utoipa::path(get, path = "/gateway/routes", tag = "gateway", params(("team" = String, Path), ("environment" = String, Path), Paging),
    responses((status = 200, body = Page<RouteDetail>), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("application:read"))))]
async fn gateway_routes(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment)): Path<(String, String)>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<RouteDetail>>, Refusal> {
    let scope = caller
        .enter(&app, &team, &environment, Permission::ApplicationRead)
        .await?;
    let filter = ApplicationFilter {
        team: scope.team,
        environment: Some(scope.environment),
        state: None,
        contains: None,
    };
    let applications = app
        .control
        .store()
        .applications(&filter, &paging.request()?)
        .await?;
    let metrics = app
        .control
        .node()
        .metrics()
        .await
        .map(|m| m.routes)
        .unwrap_or_default();
    let mut items = Vec::new();
    for application in &applications.items {
        if let Some(number) = application.release {
            let release = app
                .control
                .store()
                .release(application.id, number)
                .await?
                .release;
            let own: Vec<RouteMetrics> = metrics
                .iter()
                .filter(|m| m.application == application.id)
                .cloned()
                .collect();
            items.extend(view::routes(application, &release, &own));
        }
    }
    Ok(Json(Page {
        items,
        next: applications.next,
    }))
}

#[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct UsageQuery {
    /// The last hour, one sample each ten seconds; only the last sample otherwise.
    #[serde(default)]
    history: bool,
}

/// CPU and memory of the application's instances.
#[utoipa::path(get, path = "/applications/{application}/usage", tag = "applications", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), UsageQuery),
    responses((status = 200, body = UsageReport), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:read"))))]
async fn usage(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name)): Path<(String, String, String)>,
    Query(query): Query<UsageQuery>,
) -> Result<Json<UsageReport>, Refusal> {
    let (_, application) = caller
        .application(
            &app,
            &team,
            &environment,
            &name,
            Permission::ApplicationRead,
        )
        .await?;
    let usage = app
        .control
        .place(application.cluster)?
        .usage(application.id, query.history)
        .await?;
    let points = |samples: Vec<pluvio_runtime::UsageSample>| {
        samples
            .into_iter()
            .map(|s| UsagePoint {
                at: s.at,
                cpu_millis: s.cpu_millis,
                memory_bytes: s.memory_bytes,
            })
            .collect()
    };
    Ok(Json(UsageReport {
        instances: usage
            .into_iter()
            .map(|(instance, samples)| (instance, points(samples)))
            .collect(),
    }))
}

/// For lists of one page.
pub(crate) fn single<T>(items: Vec<T>) -> Json<Page<T>> {
    Json(page(items))
}
