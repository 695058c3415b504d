//! From one environment to another: copies and promotions, each with what it would do beforehand.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use pluvio_api::environments::*;
use pluvio_control::{CopyAsk, CopyPlan, PromotePlan};
use pluvio_model::name::Name;
use pluvio_model::operation::Operation;
use pluvio_model::permission::Permission;
use pluvio_model::problem::{self, Problem};
use pluvio_plan::copy::{Data, SecretFrom, Wishes};
use pluvio_store::{Application, Scope};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::asker;
use super::changes::{accepted, check_reach, secret_pairs};
use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Refusal, not_found};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(preview_copy))
        .routes(routes!(copy))
        .routes(routes!(preview_promotion))
        .routes(routes!(promote))
}

fn invalid(error: impl std::fmt::Display, remedy: &str) -> Refusal {
    Refusal(problem::REQUEST_INVALID.problem(error.to_string(), remedy))
}

/// Reads `{component: value}`.
fn by_component<T: std::str::FromStr<Err: std::fmt::Display>>(
    map: &BTreeMap<String, String>,
    remedy: &str,
) -> Result<BTreeMap<Name, T>, Refusal> {
    map.iter()
        .map(|(name, value)| {
            let value = value.parse().map_err(|error| invalid(error, remedy))?;
            Ok((component(name)?, value))
        })
        .collect()
}

fn component(name: &str) -> Result<Name, Refusal> {
    let named = |error| invalid(error, "Name a component of the application.");
    name.parse().map_err(named)
}

fn copy_ask(to: Scope, request: &CopyRequest) -> Result<CopyAsk, Refusal> {
    let name = request.name.as_deref().map(str::parse).transpose();
    let name = name.map_err(|error: pluvio_model::name::InvalidName| {
        invalid(error, "Choose a name of a-z, 0-9 and single dashes.")
    })?;
    let counts = request.instances.iter();
    let instances: BTreeMap<Name, u32> = counts
        .map(|(name, count)| match count {
            0..=1000 => Ok((component(name)?, *count)),
            _ => Err(invalid(
                format!("{count} instances are more than one machine runs."),
                "Ask for at most 1,000.",
            )),
        })
        .collect::<Result<_, _>>()?;
    let hosts = request
        .hosts
        .iter()
        .map(|(old, new)| {
            let new = new
                .parse()
                .map_err(|error| invalid(error, "Write a host such as shop.example.org."))?;
            Ok((old.clone(), new))
        })
        .collect::<Result<_, Refusal>>()?;
    Ok(CopyAsk {
        to,
        name,
        wishes: Wishes {
            instances,
            hosts,
            images: by_component(&request.images, "Write an image such as registry/name:tag.")?,
            references: by_component(&request.references, "Write a branch, tag or commit.")?,
            given: BTreeSet::new(),
            copy_secrets: request.copy_secrets,
            data: data(request)?,
        },
        secrets: secret_pairs(&request.secrets)?,
    })
}

fn data(request: &CopyRequest) -> Result<Data, Refusal> {
    Ok(match (request.data, request.data_of.as_slice()) {
        (CopyData::None, []) => Data::Empty,
        (CopyData::Volumes, []) => Data::Volumes,
        (CopyData::All, []) => Data::All,
        (CopyData::None, names) => Data::Of(
            names
                .iter()
                .map(|name| name.parse())
                .collect::<Result<_, _>>()
                .map_err(|error: pluvio_model::name::InvalidName| {
                    invalid(error, "Name a volume or a database of the application.")
                })?,
        ),
        _ => {
            return Err(invalid(
                "Volumes and databases are named, and others are wanted too.",
                "Say `data` or `data_of`.",
            ));
        }
    })
}

/// The original, and where the copy goes. Whoever takes values of secrets or data along needs to be allowed to set them, to copy volumes
/// and to dump databases.
async fn enter_copy(
    app: &App,
    caller: &Caller,
    names: &(String, String, String),
    request: &CopyRequest,
) -> Result<(Application, CopyAsk), Refusal> {
    let (team, environment, name) = names;
    let (scope, application) = caller
        .application(app, team, environment, name, Permission::ApplicationCreate)
        .await?;
    if request.copy_secrets || !request.secrets.is_empty() {
        caller.may_in(scope.team, Permission::SecretWrite)?;
    }
    if request.data != CopyData::None || !request.data_of.is_empty() {
        caller.may_in(scope.team, Permission::VolumeCopy)?;
        caller.may_in(scope.team, Permission::DatabaseManage)?;
    }
    let to = caller
        .enter(app, team, &request.to, Permission::ApplicationCreate)
        .await?;
    let ask = copy_ask(to, request)?;
    let revision = app.control.target_revision(&application).await?;
    check_reach(caller, scope.team, None, &revision.spec)?;
    Ok((application, ask))
}

/// What a copy would be: a table of everything in which it differs. Nothing is kept.
#[utoipa::path(post, path = "/applications/{application}/copy/preview", tag = "environments", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path)), request_body = CopyRequest,
    responses((status = 200, body = CopyPreview), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:create"))))]
async fn preview_copy(
    State(app): State<App>,
    caller: Caller,
    Path(names): Path<(String, String, String)>,
    Json(request): Json<CopyRequest>,
) -> Result<Json<CopyPreview>, Refusal> {
    let (application, ask) = enter_copy(&app, &caller, &names, &request).await?;
    let plan = app.control.plan_copy(&application, &ask).await?;
    // The next look shows how much there is.
    let volumes = app.control.store().application_volumes(application.id);
    app.control.measure_volumes(&volumes.await?);
    Ok(Json(shown(plan)))
}

fn shown(plan: CopyPlan) -> CopyPreview {
    let missing = plan.copy.secrets.iter();
    let missing = missing.filter(|(_, origin)| **origin == SecretFrom::Missing);
    CopyPreview {
        environment: plan.place.environment.to_string(),
        name: plan.place.name.to_string(),
        release: plan.release,
        missing: missing.map(|(name, _)| name.to_string()).collect(),
        rows: plan
            .rows
            .into_iter()
            .map(|row| CopyRow {
                what: super::releases::word(&row.what),
                about: row.about,
                path: row.path,
                before: row.before,
                after: row.after,
            })
            .collect(),
        notes: plan.notes,
    }
}

/// Makes a copy of the application in another environment (or under another name): the same images, nothing is built again.
#[utoipa::path(post, path = "/applications/{application}/copy", tag = "environments", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path)), request_body = CopyRequest,
    responses((status = 202, body = Operation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:create"))))]
async fn copy(
    State(app): State<App>,
    caller: Caller,
    Path(names): Path<(String, String, String)>,
    headers: HeaderMap,
    Json(request): Json<CopyRequest>,
) -> Result<Response, Refusal> {
    let (application, ask) = enter_copy(&app, &caller, &names, &request).await?;
    let (team, environment, name) = &names;
    let text = serde_json::to_string(&request).unwrap_or_default();
    let by = asker(
        &app,
        &caller,
        &headers,
        &["copy", team, environment, name, &text],
    )?;
    Ok(accepted(app.control.copy(by, &application, ask).await?))
}

/// The application here and its counterpart.
async fn enter_promotion(
    app: &App,
    caller: &Caller,
    names: &(String, String, String),
    request: &PromoteRequest,
) -> Result<(Application, Application), Refusal> {
    let (team, environment, name) = names;
    let (_, from) = caller
        .application(app, team, environment, name, Permission::ApplicationDeploy)
        .await?;
    let scope = caller
        .enter(app, team, &request.to, Permission::ApplicationDeploy)
        .await?;
    let counterpart = request.name.as_deref().unwrap_or(name);
    let to = app.control.find(&scope, counterpart).await?;
    let to = to.ok_or_else(|| {
        let mut refusal = not_found("application");
        refusal.0.cause = format!("There is no application {counterpart} in {}.", request.to);
        refusal.0.remedy = format!(
            "Make it first: `pluvio copy -a {name} --to {}`.",
            request.to
        );
        refusal
    })?;
    Ok((from, to))
}

/// The promotion, for whoever may give what it asks of the machine: its programs are others, so what the counterpart had before
/// is asked for anew, as by a deploy.
async fn plan_promotion(
    app: &App,
    caller: &Caller,
    from: &Application,
    to: &Application,
    images_only: bool,
) -> Result<PromotePlan, Refusal> {
    let plan = app.control.plan_promote(from, to, images_only).await?;
    check_reach(caller, to.team, None, plan.spec())?;
    Ok(plan)
}

/// What bringing this application's release to its counterpart would change. Nothing is kept.
#[utoipa::path(post, path = "/applications/{application}/promote/preview", tag = "environments", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path)), request_body = PromoteRequest,
    responses((status = 200, body = PromotePreview), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:deploy"))))]
async fn preview_promotion(
    State(app): State<App>,
    caller: Caller,
    Path(names): Path<(String, String, String)>,
    Json(request): Json<PromoteRequest>,
) -> Result<Json<PromotePreview>, Refusal> {
    let (from, to) = enter_promotion(&app, &caller, &names, &request).await?;
    let plan = plan_promotion(&app, &caller, &from, &to, request.images_only).await?;
    let diff = pluvio_plan::diff::diff(&plan.current, &plan.next);
    Ok(Json(PromotePreview {
        environment: to.environment_name.to_string(),
        name: to.name.to_string(),
        from_release: plan.from_release,
        change: super::releases::preview_of(Some(&plan.current), &plan.next, plan.number),
        beyond_images: pluvio_plan::promote::beyond_images(&diff),
    }))
}

/// Brings the release that runs here to the application's counterpart in another environment: the same images, with the
/// hosts, instance counts, secrets and data of there. What changes more than images is refused (409, `conflict`, the lines as
/// its evidence) unless `confirm` is set.
#[utoipa::path(post, path = "/applications/{application}/promote", tag = "environments", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path)), request_body = PromoteRequest,
    responses((status = 202, body = Operation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:deploy"))))]
async fn promote(
    State(app): State<App>,
    caller: Caller,
    Path(names): Path<(String, String, String)>,
    headers: HeaderMap,
    Json(request): Json<PromoteRequest>,
) -> Result<Response, Refusal> {
    let (from, to) = enter_promotion(&app, &caller, &names, &request).await?;
    plan_promotion(&app, &caller, &from, &to, request.images_only).await?;
    let (team, environment, name) = &names;
    let by = asker(
        &app,
        &caller,
        &headers,
        &["promote", team, environment, name, &format!("{request:?}")],
    )?;
    let asked = app
        .control
        .promote(by, &from, &to, request.images_only, request.confirm)
        .await?;
    Ok(accepted(asked))
}
