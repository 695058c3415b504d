//! Operating what is there: scale, restart, stop, start, roll back, delete. Each answers 202 with the operation that was made.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use pluvio_api::applications::*;
use pluvio_control::PatchAsk;
use pluvio_model::name::Name;
use pluvio_model::operation::{Operation, OperationKind};
use pluvio_model::permission::Permission;
use pluvio_model::problem::{self, Problem};
use pluvio_model::spec::{AppSpec, ScaleSpec};
use pluvio_model::stage::Power;
use pluvio_plan::patch::Patch;
use pluvio_store::Application;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::changes::{accepted, check_reach, chosen, component_name};
use super::{Confirm, asker};
use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Query, Refusal};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(scale))
        .routes(routes!(restart))
        .routes(routes!(stop))
        .routes(routes!(start))
        .routes(routes!(rollback))
        .routes(routes!(delete))
}

/// `?components=web,worker`
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Chosen {
    /// Names of components, separated by commas; the whole application when absent.
    components: Option<String>,
}

impl Chosen {
    fn names(&self) -> Result<Vec<Name>, Refusal> {
        let names = self.components.iter().flat_map(|names| names.split(','));
        let names: Vec<String> = names.map(|name| name.trim().to_owned()).collect();
        chosen(&names)
    }
}

/// Changes the number of instances.
#[utoipa::path(post, path = "/applications/{application}/scale", tag = "changes", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path)), request_body = ScaleRequest,
    responses((status = 202, body = Operation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:operate"))))]
async fn scale(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name)): Path<(String, String, String)>,
    headers: HeaderMap,
    Json(request): Json<ScaleRequest>,
) -> Result<Response, Refusal> {
    let (_, application) = caller
        .application(
            &app,
            &team,
            &environment,
            &name,
            Permission::ApplicationOperate,
        )
        .await?;
    let by = asker(
        &app,
        &caller,
        &headers,
        &["scale", &team, &environment, &name, &format!("{request:?}")],
    )?;
    let component = match &request.component {
        Some(component) => component_name(component)?,
        None => only_component(&app, &application).await?,
    };
    let (patch, title) = scaling(component, &request)?;
    let patches = vec![patch];
    Ok(accepted(
        app.control
            .patch(
                by,
                &application,
                PatchAsk {
                    kind: OperationKind::Scale,
                    title,
                    patches,
                    components: Vec::new(),
                    secrets: Vec::new(),
                },
            )
            .await?,
    ))
}

/// What was asked for, and in a sentence.
fn scaling(component: Name, request: &ScaleRequest) -> Result<(Patch, String), Refusal> {
    let refused = |cause: String, remedy: &str| {
        let path = format!("components.{component}.scale");
        Err(Refusal(
            problem::SPEC_INVALID.problem(cause, remedy).path(path),
        ))
    };
    match (request.instances, &request.scale) {
        (Some(instances), _) if instances > 1000 => refused(
            format!("{instances} instances are more than one machine runs."),
            "Ask for at most 1,000.",
        ),
        (Some(instances), None) => {
            let title = format!("Scale {component} to {instances}");
            let patch = match request.fixed {
                true => Patch::SetScale {
                    component,
                    scale: None,
                    instances: Some(instances),
                },
                false => Patch::Scale {
                    component,
                    instances,
                },
            };
            Ok((patch, title))
        }
        (None, Some(scale)) => {
            let scale: ScaleSpec = match serde_json::from_value(scale.clone()) {
                Ok(scale) => scale,
                Err(why) => {
                    return refused(
                        format!("scale: {why}"),
                        "Compare it with `pluvio schema app`.",
                    );
                }
            };
            let title = match scale.max {
                Some(max) => format!("Scale {component} between {} and {max}", scale.min),
                None => format!("Scale {component} by the clock"),
            };
            let patch = Patch::SetScale {
                component,
                scale: Some(scale),
                instances: None,
            };
            Ok((patch, title))
        }
        (Some(_), Some(_)) | (None, None) => refused(
            "It says not exactly one of `instances` and `scale`.".to_owned(),
            "Send the number of instances, or how it shall scale itself.",
        ),
    }
}

async fn only_component(app: &App, application: &Application) -> Result<Name, Refusal> {
    let revision = app.control.target_revision(application).await?;
    let mut names = revision.spec.components.keys();
    match (names.next(), names.next()) {
        (Some(only), None) => Ok(only.clone()),
        _ => Err(Refusal(problem::REQUEST_INVALID.problem(
            "The application has several components.",
            "Say which with `component`.",
        ))),
    }
}

/// New instances of the same release; of the chosen components alone, if some are named.
#[utoipa::path(post, path = "/applications/{application}/restart", tag = "changes", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), Chosen),
    responses((status = 400, body = Problem), (status = 202, body = Operation), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:operate"))))]
async fn restart(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name)): Path<(String, String, String)>,
    Query(chosen): Query<Chosen>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (_, application) = caller
        .application(
            &app,
            &team,
            &environment,
            &name,
            Permission::ApplicationOperate,
        )
        .await?;
    let components = chosen.names()?;
    let by = asker(
        &app,
        &caller,
        &headers,
        &[
            "restart",
            &team,
            &environment,
            &name,
            &format!("{components:?}"),
        ],
    )?;
    let ask = PatchAsk {
        kind: OperationKind::Restart,
        title: pluvio_control::title("Restart", &application, &components),
        patches: vec![Patch::Restart],
        components,
        secrets: Vec::new(),
    };
    Ok(accepted(app.control.patch(by, &application, ask).await?))
}

async fn power(
    app: &App,
    caller: &Caller,
    names: (String, String, String),
    chosen: &Chosen,
    headers: &HeaderMap,
    power: Power,
) -> Result<Response, Refusal> {
    let (team, environment, name) = names;
    let (_, application) = caller
        .application(
            app,
            &team,
            &environment,
            &name,
            Permission::ApplicationOperate,
        )
        .await?;
    let components = chosen.names()?;
    let by = asker(
        app,
        caller,
        headers,
        &[
            "power",
            &team,
            &environment,
            &name,
            &format!("{power:?} {components:?}"),
        ],
    )?;
    let asked = app
        .control
        .set_power(by, &application, power, &components)
        .await?;
    Ok(accepted(asked))
}

/// Stops the application, or chosen components; data and history stay. What others use stops after them.
#[utoipa::path(post, path = "/applications/{application}/stop", tag = "changes", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), Chosen),
    responses((status = 400, body = Problem), (status = 202, body = Operation), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:operate"))))]
async fn stop(
    State(app): State<App>,
    caller: Caller,
    Path(names): Path<(String, String, String)>,
    Query(chosen): Query<Chosen>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    power(&app, &caller, names, &chosen, &headers, Power::Off).await
}

/// Starts a stopped application, or chosen components. What others use starts before them.
#[utoipa::path(post, path = "/applications/{application}/start", tag = "changes", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), Chosen),
    responses((status = 400, body = Problem), (status = 202, body = Operation), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:operate"))))]
async fn start(
    State(app): State<App>,
    caller: Caller,
    Path(names): Path<(String, String, String)>,
    Query(chosen): Query<Chosen>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    power(&app, &caller, names, &chosen, &headers, Power::On).await
}

/// Goes back to an earlier release: its code and settings, today's instance counts.
#[utoipa::path(post, path = "/applications/{application}/rollback", tag = "changes", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path)), request_body = RollbackRequest,
    responses((status = 202, body = Operation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:deploy"))))]
async fn rollback(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name)): Path<(String, String, String)>,
    headers: HeaderMap,
    Json(request): Json<RollbackRequest>,
) -> Result<Response, Refusal> {
    let (_, application) = caller
        .application(
            &app,
            &team,
            &environment,
            &name,
            Permission::ApplicationDeploy,
        )
        .await?;
    let by = asker(
        &app,
        &caller,
        &headers,
        &[
            "rollback",
            &team,
            &environment,
            &name,
            &format!("{request:?}"),
        ],
    )?;
    let may = |today: &AppSpec, back: &AppSpec| {
        check_reach(&caller, application.team, Some(today), back).map_err(|refusal| refusal.0)
    };
    let asked = app
        .control
        .rollback(by, &application, request.to, may)
        .await?;
    Ok(accepted(asked))
}

/// Deletes the application. Data volumes are kept and listed.
#[utoipa::path(delete, path = "/applications/{application}", tag = "changes", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), Confirm),
    responses((status = 202, body = Operation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:delete"))))]
async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name)): Path<(String, String, String)>,
    Query(query): Query<Confirm>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (_, application) = caller
        .application(
            &app,
            &team,
            &environment,
            &name,
            Permission::ApplicationDelete,
        )
        .await?;
    query.is(&name)?;
    let by = asker(
        &app,
        &caller,
        &headers,
        &["delete", &team, &environment, &name],
    )?;
    Ok(accepted(app.control.delete(by, &application).await?))
}
