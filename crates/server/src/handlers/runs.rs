//! Programs that come to an end: what ran, how it ended, and running one now.

use axum::extract::State;
use axum::http::StatusCode;
use pluvio_api::applications::{Page, RunStarted};
use pluvio_model::name::Name;
use pluvio_model::observed::ObservedRun;
use pluvio_model::permission::Permission;
use pluvio_model::problem::{self, Problem};
use pluvio_store::NewAudit;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Query, Refusal};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(runs))
        .routes(routes!(run_now))
}

#[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// A component's name; all of them when absent.
    component: Option<String>,
}

pub(super) fn component(name: &str) -> Result<Name, Refusal> {
    name.parse().map_err(|_| {
        Refusal(problem::REQUEST_INVALID.problem(
            format!("{name:?} is not a component's name."),
            "`pluvio status` shows the components.",
        ))
    })
}

/// Runs of release tasks, jobs and schedules, the newest first: of each component the last twenty that are over, and those at work.
#[utoipa::path(get, path = "/applications/{application}/runs", tag = "runs", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), Which),
    responses((status = 200, body = Page<ObservedRun>), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:read"))))]
async fn runs(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name)): Path<(String, String, String)>,
    Query(which): Query<Which>,
) -> Result<Json<Page<ObservedRun>>, Refusal> {
    let (_, application) = caller
        .application(
            &app,
            &team,
            &environment,
            &name,
            Permission::ApplicationRead,
        )
        .await?;
    let component = which.component.as_deref().map(component).transpose()?;
    let runs = app
        .control
        .place(application.cluster)?
        .runs(application.id, component.as_ref())
        .await?;
    Ok(super::applications::single(runs))
}

/// Runs the program of a component with a schedule now, beside it.
#[utoipa::path(post, path = "/applications/{application}/components/{component}/runs", tag = "runs", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), ("component" = String, Path)),
    responses((status = 202, body = RunStarted), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem), (status = 507, body = Problem)), extensions(("x-permission" = json!("application:operate"))))]
async fn run_now(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name, of)): Path<(String, String, String, String)>,
) -> Result<(StatusCode, Json<RunStarted>), Refusal> {
    let (scope, application) = caller
        .application(
            &app,
            &team,
            &environment,
            &name,
            Permission::ApplicationOperate,
        )
        .await?;
    let of = component(&of)?;
    let place = app.control.place(application.cluster)?;
    let started = place.run_now(application.id, &of).await;
    let row = NewAudit {
        team: Some(scope.team),
        actor: caller.actor(),
        action: "application:operate".to_owned(),
        object: format!("run of {of} of application {name}"),
        result: if started.is_ok() { "done" } else { "refused" }.to_owned(),
    };
    app.control.store().audit(row).await?;
    Ok((StatusCode::ACCEPTED, Json(RunStarted { key: started? })))
}
