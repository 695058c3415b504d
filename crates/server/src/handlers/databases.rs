//! Databases of an application: what there is, whether it is backed up, settings, address, figures.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use pluvio_api::applications::Page;
use pluvio_api::databases::*;
use pluvio_control::{Inside, PatchAsk};
use pluvio_model::database::{Backup, DatabaseFigures};
use pluvio_model::operation::{Operation, OperationKind};
use pluvio_model::permission::Permission;
use pluvio_model::problem::{self, Problem};
use pluvio_model::spec::{BackupSpec, ComponentSpec, EnvValue, Kind, ScheduleIn, ScheduleSpec};
use pluvio_plan::patch::Patch;
use pluvio_store::{Application, NewAudit, Scope};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::asker;
use super::changes::{accepted, new_name};
use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Refusal};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(databases))
        .routes(routes!(add))
        .routes(routes!(database))
        .routes(routes!(address))
        .routes(routes!(figures))
        .routes(routes!(set_parameters))
        .routes(routes!(set_schedule))
        .routes(routes!(remove_schedule))
}

/// What every path here begins with.
pub(super) type Names = (String, String, String, String);

/// The application and its database, for whoever may.
pub(super) async fn enter(
    app: &App,
    caller: &Caller,
    (team, environment, name, component): &Names,
    may: Permission,
) -> Result<(Scope, Application, Inside), Refusal> {
    let (scope, application) = caller
        .application(app, team, environment, name, may)
        .await?;
    let inside = app.control.inside(&application, component).await?;
    Ok((scope, application, inside))
}

pub(super) async fn record(
    app: &App,
    caller: &Caller,
    application: &Application,
    action: &str,
    object: String,
    result: &str,
) -> Result<(), Refusal> {
    let row = NewAudit {
        team: Some(application.team),
        actor: caller.actor(),
        action: action.to_owned(),
        object: format!("{object} of application {}", application.name),
        result: result.to_owned(),
    };
    Ok(app.control.store().audit(row).await?)
}

fn summary(
    app: &App,
    inside: &Inside,
    spec: Option<&ComponentSpec>,
    all: &[Backup],
) -> DatabaseSummary {
    let engine = inside.database.engine;
    let (user, database) = inside.identity();
    let backed = app.control.backed_up(inside, all);
    let parameters = spec.map(pluvio_control::databases::parameters_of);
    let parameters = parameters.unwrap_or_default().into_iter();
    DatabaseSummary {
        component: inside.name.to_string(),
        engine: engine.as_str().to_owned(),
        version: inside.database.version().to_owned(),
        ready: inside.instance.is_some(),
        instance: inside.instance.clone(),
        host: inside.name.to_string(),
        port: engine.port(),
        user,
        database,
        parameters: parameters
            .map(|(name, value, asked)| DatabaseParameter { name, value, asked })
            .collect(),
        known_parameters: engine
            .parameters()
            .iter()
            .map(|parameter| parameter.name.to_owned())
            .collect(),
        backups: inside.component.backups.clone(),
        protection: backed.protection,
        last_good: backed.last_good,
        last_failed: backed.last_failed,
        next_backup_at: backed.next_at,
    }
}

/// The databases of an application.
#[utoipa::path(get, path = "/applications/{application}/databases", tag = "databases", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path)),
    responses((status = 200, body = Page<DatabaseSummary>), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem), (status = 507, body = Problem)), extensions(("x-permission" = json!("database:read"))))]
async fn databases(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name)): Path<(String, String, String)>,
) -> Result<Json<Page<DatabaseSummary>>, Refusal> {
    let may = Permission::DatabaseRead;
    let (_, application) = caller
        .application(&app, &team, &environment, &name, may)
        .await?;
    let databases = app.control.databases(&application).await?;
    let mut rows = Vec::new();
    if !databases.is_empty() {
        let spec = app.control.target_revision(&application).await?.spec;
        let all = app.control.store().backups(application.id, None).await?;
        for inside in &databases {
            let spec = spec.components.get(&inside.name);
            rows.push(summary(&app, inside, spec, &all));
        }
    }
    Ok(super::applications::single(rows))
}

/// One database.
#[utoipa::path(get, path = "/applications/{application}/databases/{component}", tag = "databases", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), ("component" = String, Path)),
    responses((status = 200, body = DatabaseSummary), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem), (status = 507, body = Problem)), extensions(("x-permission" = json!("database:read"))))]
async fn database(
    State(app): State<App>,
    caller: Caller,
    Path(names): Path<Names>,
) -> Result<Json<DatabaseSummary>, Refusal> {
    let (_, application, inside) = enter(&app, &caller, &names, Permission::DatabaseRead).await?;
    let spec = app.control.target_revision(&application).await?.spec;
    let name = Some(&inside.name);
    let all = app.control.store().backups(application.id, name).await?;
    let spec = spec.components.get(&inside.name);
    Ok(Json(summary(&app, &inside, spec, &all)))
}

/// Adds a database to an application: deploys it with one component more.
#[utoipa::path(post, path = "/applications/{application}/databases", tag = "databases", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path)), request_body = DatabaseRequest,
    responses((status = 202, body = Operation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem), (status = 507, body = Problem)), extensions(("x-permission" = json!("application:deploy"))))]
async fn add(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name)): Path<(String, String, String)>,
    headers: HeaderMap,
    Json(request): Json<DatabaseRequest>,
) -> Result<Response, Refusal> {
    let may = Permission::ApplicationDeploy;
    let (scope, application) = caller
        .application(&app, &team, &environment, &name, may)
        .await?;
    let text = serde_json::to_string(&request).unwrap_or_default();
    let by = asker(
        &app,
        &caller,
        &headers,
        &["add database", &team, &environment, &name, &text],
    )?;
    let component = new_name(&request.component, "component")?;
    let parameters = request.parameters.into_iter();
    let spec = ComponentSpec {
        kind: Kind::Database,
        database: Some(request.database),
        parameters: parameters
            .map(|(name, value)| (name, EnvValue(value)))
            .collect(),
        backups: request.backups.map(schedule).transpose()?,
        ..ComponentSpec::default()
    };
    let adding = app
        .control
        .add_database(by, &scope, &application, &component, spec);
    let asked = Box::pin(adding).await?;
    Ok(accepted(asked))
}

/// The address with its password, as the application's components get it. That it was read is recorded.
#[utoipa::path(post, path = "/applications/{application}/databases/{component}/address", tag = "databases", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), ("component" = String, Path)),
    responses((status = 200, body = DatabaseAddress), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem), (status = 507, body = Problem)), extensions(("x-permission" = json!("instance:exec"))))]
async fn address(
    State(app): State<App>,
    caller: Caller,
    Path(names): Path<Names>,
) -> Result<Json<DatabaseAddress>, Refusal> {
    let (_, application, inside) = enter(&app, &caller, &names, Permission::InstanceExec).await?;
    let object = format!(
        "the address with its password of the database {}",
        inside.name
    );
    record(&app, &caller, &application, "secret:read", object, "read").await?;
    let url = app.control.database_address(&application, &inside).await?;
    let component = inside.name.to_string();
    Ok(Json(DatabaseAddress { component, url }))
}

/// How a database is now: asked of it, at most every five seconds. Statements are told to those only who may read what is in it.
#[utoipa::path(get, path = "/applications/{application}/databases/{component}/figures", tag = "databases", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), ("component" = String, Path)),
    responses((status = 200, body = DatabaseFigures), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem), (status = 507, body = Problem)), extensions(("x-permission" = json!("database:read"))))]
async fn figures(
    State(app): State<App>,
    caller: Caller,
    Path(names): Path<Names>,
) -> Result<Json<DatabaseFigures>, Refusal> {
    let (_, application, inside) = enter(&app, &caller, &names, Permission::DatabaseRead).await?;
    let mut figures = app.control.database_figures(&application, &inside).await?;
    if caller
        .may_in(application.team, Permission::InstanceExec)
        .is_err()
    {
        for one in &mut figures.slowest {
            one.text.clear();
        }
    }
    Ok(Json(figures))
}

/// Sets or removes parameters of the server: a new release, in which the database is restarted.
#[utoipa::path(patch, path = "/applications/{application}/databases/{component}/parameters", tag = "databases", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), ("component" = String, Path)), request_body = ParametersRequest,
    responses((status = 202, body = Operation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem), (status = 507, body = Problem)), extensions(("x-permission" = json!("application:configure"))))]
async fn set_parameters(
    State(app): State<App>,
    caller: Caller,
    Path(names): Path<Names>,
    headers: HeaderMap,
    Json(request): Json<ParametersRequest>,
) -> Result<Response, Refusal> {
    let may = Permission::ApplicationConfigure;
    let (_, application, inside) = enter(&app, &caller, &names, may).await?;
    if request.parameters.is_empty() {
        return Err(Refusal(problem::REQUEST_INVALID.problem(
            "Nothing is to be changed.",
            "Name at least one parameter.",
        )));
    }
    let what: Vec<&str> = request.parameters.keys().map(String::as_str).collect();
    let title = format!("Set {} of {}", what.join(", "), names.3);
    let text = serde_json::to_string(&request).unwrap_or_default();
    let parameters = request.parameters.into_iter();
    let patch = Patch::SetParameters {
        component: inside.name.clone(),
        parameters: parameters
            .map(|(name, value)| (name, value.map(EnvValue)))
            .collect(),
    };
    change(
        &app,
        &caller,
        (&names, &application),
        &headers,
        (patch, title, &text),
    )
    .await
}

/// Has a database backed up by the clock.
#[utoipa::path(put, path = "/applications/{application}/databases/{component}/schedule", tag = "databases", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), ("component" = String, Path)), request_body = BackupSchedule,
    responses((status = 202, body = Operation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem), (status = 507, body = Problem)), extensions(("x-permission" = json!("application:configure"))))]
async fn set_schedule(
    State(app): State<App>,
    caller: Caller,
    Path(names): Path<Names>,
    headers: HeaderMap,
    Json(request): Json<BackupSchedule>,
) -> Result<Response, Refusal> {
    let may = Permission::ApplicationConfigure;
    let (_, application, inside) = enter(&app, &caller, &names, may).await?;
    let text = serde_json::to_string(&request).unwrap_or_default();
    let title = format!("Back up {} by the clock", names.3);
    let patch = Patch::SetBackups {
        component: inside.name.clone(),
        backups: Some(schedule(request)?),
    };
    change(
        &app,
        &caller,
        (&names, &application),
        &headers,
        (patch, title, &text),
    )
    .await
}

/// Ends the backups of a database by the clock; those that are kept stay.
#[utoipa::path(delete, path = "/applications/{application}/databases/{component}/schedule", tag = "databases", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), ("component" = String, Path)),
    responses((status = 202, body = Operation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem), (status = 507, body = Problem)), extensions(("x-permission" = json!("application:configure"))))]
async fn remove_schedule(
    State(app): State<App>,
    caller: Caller,
    Path(names): Path<Names>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let may = Permission::ApplicationConfigure;
    let (_, application, inside) = enter(&app, &caller, &names, may).await?;
    let title = format!("Back up {} no more by the clock", names.3);
    let patch = Patch::SetBackups {
        component: inside.name.clone(),
        backups: None,
    };
    change(
        &app,
        &caller,
        (&names, &application),
        &headers,
        (patch, title, ""),
    )
    .await
}

async fn change(
    app: &App,
    caller: &Caller,
    (names, application): (&Names, &Application),
    headers: &HeaderMap,
    (patch, title, text): (Patch, String, &str),
) -> Result<Response, Refusal> {
    let by = asker(
        app,
        caller,
        headers,
        &[&title, &names.0, &names.1, &names.2, &names.3, text],
    )?;
    let ask = PatchAsk {
        components: Vec::new(),
        kind: OperationKind::Configure,
        title,
        patches: vec![patch],
        secrets: Vec::new(),
    };
    Ok(accepted(app.control.patch(by, application, ask).await?))
}

fn schedule(request: BackupSchedule) -> Result<BackupSpec, Refusal> {
    let keep_for = request.keep_for.as_deref().filter(|text| !text.is_empty());
    let keep_for = keep_for.map(str::parse).transpose().map_err(
        |error: pluvio_model::quantity::InvalidQuantity| {
            Refusal(
                problem::SPEC_INVALID
                    .problem(error.to_string(), "Write how long, such as 30d.")
                    .path("keep_for"),
            )
        },
    )?;
    let zone = request.time_zone.filter(|zone| !zone.is_empty());
    Ok(BackupSpec {
        schedule: match zone {
            None => ScheduleSpec::Cron(request.cron),
            Some(zone) => ScheduleSpec::In(ScheduleIn {
                cron: request.cron,
                time_zone: Some(zone),
                overlap: false,
            }),
        },
        keep: request.keep,
        keep_for,
    })
}
