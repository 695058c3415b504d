//! Data volumes: listed while they exist, taken up and let go by applications, copied, deleted only by name.

use std::collections::HashMap;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use pluvio_api::applications::Page;
use pluvio_api::volumes::*;
use pluvio_control::volumes::Attach;
use pluvio_model::id::ApplicationId;
use pluvio_model::name::Name;
use pluvio_model::operation::Operation;
use pluvio_model::permission::Permission;
use pluvio_model::problem::{self, Problem};
use pluvio_model::release::{DecidedComponent, DecidedMount, Release, Strategy};
use pluvio_model::spec::{AbsolutePath, AppSpec};
use pluvio_store::{Application, Scope, Store, StoreError, VolumeBinding, VolumeRow};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::changes::{accepted, check_reach, component_name};
use super::{Paging, asker};
use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Query, Refusal, not_found};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(volumes))
        .routes(routes!(volume, delete_volume))
        .routes(routes!(restore))
        .routes(routes!(clone))
        .routes(routes!(attach))
        .routes(routes!(detach))
}

/// `?measure=`
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Measure {
    /// Have sizes measured again that are older than five minutes; a later answer has them.
    #[serde(default)]
    measure: bool,
}

/// `?confirm=&now=`
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Deletion {
    /// The name of what is deleted, to be sure.
    confirm: String,
    /// Without the grace period: the data are gone with the answer.
    #[serde(default)]
    now: bool,
}

/// Data volumes of the environment, those of deleted applications included.
#[utoipa::path(get, path = "/volumes", tag = "volumes", params(("team" = String, Path), ("environment" = String, Path), Paging, Measure),
    responses((status = 200, body = Page<VolumeSummary>), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("volume:read"))))]
async fn volumes(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment)): Path<(String, String)>,
    Query(paging): Query<Paging>,
    Query(asked): Query<Measure>,
) -> Result<Json<Page<VolumeSummary>>, Refusal> {
    let scope = caller
        .enter(&app, &team, &environment, Permission::VolumeRead)
        .await?;
    let store = app.control.store();
    let page = store
        .volumes(scope.team, scope.environment, &paging.request()?)
        .await?;
    if asked.measure {
        app.control.measure_volumes(&page.items);
    }
    Ok(Json(Page {
        items: summaries(store, &page.items).await?,
        next: page.next,
    }))
}

/// One volume: its state, where it is mounted, what it takes.
#[utoipa::path(get, path = "/volumes/{volume}", tag = "volumes", params(("team" = String, Path), ("environment" = String, Path), ("volume" = String, Path), Measure),
    responses((status = 200, body = VolumeSummary), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("volume:read"))))]
async fn volume(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<(String, String, String)>,
    Query(asked): Query<Measure>,
) -> Result<Json<VolumeSummary>, Refusal> {
    let (_, row) = find(&app, &caller, &path, Permission::VolumeRead).await?;
    let rows = [row];
    if asked.measure {
        app.control.measure_volumes(&rows);
    }
    one(&app, &rows).await.map(Json)
}

/// Deletes a volume that nothing mounts. Its data stay for a grace period, in which it can be had back.
#[utoipa::path(delete, path = "/volumes/{volume}", tag = "volumes", params(("team" = String, Path), ("environment" = String, Path), ("volume" = String, Path), Deletion),
    responses((status = 200, body = VolumeSummary, description = "Deleted: until `ends_at` it can be had back"), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("volume:delete"))))]
async fn delete_volume(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<(String, String, String)>,
    Query(query): Query<Deletion>,
) -> Result<Json<VolumeSummary>, Refusal> {
    let (_, row) = find(&app, &caller, &path, Permission::VolumeDelete).await?;
    let confirm = super::Confirm {
        confirm: query.confirm,
    };
    confirm.is(row.name.as_str())?;
    let row = app
        .control
        .delete_volume(&row, query.now, &caller.actor())
        .await?;
    one(&app, &[row]).await.map(Json)
}

/// Takes a deletion back, while its data are there.
#[utoipa::path(post, path = "/volumes/{volume}/restore", tag = "volumes", params(("team" = String, Path), ("environment" = String, Path), ("volume" = String, Path)),
    responses((status = 200, body = VolumeSummary), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)), extensions(("x-permission" = json!("volume:delete"))))]
async fn restore(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<(String, String, String)>,
) -> Result<Json<VolumeSummary>, Refusal> {
    let (_, row) = find(&app, &caller, &path, Permission::VolumeDelete).await?;
    let store = app.control.store();
    let row = store
        .restore_volume(row.team, row.id, &caller.actor())
        .await?;
    one(&app, &[row]).await.map(Json)
}

/// Copies a volume's data into a new volume of the same or another application of the environment. While instances write, it is
/// a copy of each file as it was when it was read, not of one moment.
#[utoipa::path(post, path = "/volumes/{volume}/clone", tag = "volumes", params(("team" = String, Path), ("environment" = String, Path), ("volume" = String, Path)), request_body = CloneVolume,
    responses((status = 202, body = Operation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("volume:copy"))))]
async fn clone(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<(String, String, String)>,
    Json(request): Json<CloneVolume>,
) -> Result<Response, Refusal> {
    let (scope, row) = find(&app, &caller, &path, Permission::VolumeCopy).await?;
    let application = match (&request.application, row.application) {
        (Some(name), _) => application(&app, &scope, name).await?,
        (None, Some(id)) => app.control.store().application(id).await?,
        (None, None) => {
            return Err(Refusal(problem::REQUEST_INVALID.problem(
                format!("The application of {} is deleted.", row.name),
                "Say which application the copy is for: `application`.",
            )));
        }
    };
    may_give(&caller, &row, &application, Permission::VolumeCopy)?;
    let name = volume_name(&request.name)?;
    let begun = app
        .control
        .clone_volume(&caller.actor(), &row, &application, name, None)
        .await?;
    Ok((StatusCode::ACCEPTED, Json(begun.0)).into_response())
}

/// Mounts a volume in a component, as a new revision of its application.
#[utoipa::path(post, path = "/volumes/{volume}/attach", tag = "volumes", params(("team" = String, Path), ("environment" = String, Path), ("volume" = String, Path)), request_body = AttachVolume,
    responses((status = 202, body = Operation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:configure"))))]
async fn attach(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<(String, String, String)>,
    headers: HeaderMap,
    Json(request): Json<AttachVolume>,
) -> Result<Response, Refusal> {
    let (scope, row) = find(&app, &caller, &path, Permission::ApplicationConfigure).await?;
    let application = application(&app, &scope, &request.application).await?;
    let with_data = match request.read_only {
        true => Permission::VolumeFilesView,
        false => Permission::VolumeFilesWrite,
    };
    may_give(&caller, &row, &application, with_data)?;
    let by = asker(
        &app,
        &caller,
        &headers,
        &["attach", &row.id.to_string(), &format!("{request:?}")],
    )?;
    let attach = Attach {
        component: component_name(&request.component)?,
        path: mount_path(&request.path)?,
        name: request.name.as_deref().map(volume_name).transpose()?,
        access: request.access.as_deref().map(access).transpose()?,
        read_only: request.read_only,
    };
    let may = |today: &AppSpec, next: &AppSpec| {
        check_reach(&caller, application.team, Some(today), next).map_err(|refusal| refusal.0)
    };
    let asked = app
        .control
        .attach_volume(by, &application, &row, attach, may)
        .await?;
    Ok(accepted(asked))
}

/// Takes a volume's mounts out of an application, as a new revision of it. The data stay.
#[utoipa::path(post, path = "/volumes/{volume}/detach", tag = "volumes", params(("team" = String, Path), ("environment" = String, Path), ("volume" = String, Path)), request_body = DetachVolume,
    responses((status = 202, body = Operation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("application:configure"))))]
async fn detach(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<(String, String, String)>,
    headers: HeaderMap,
    Json(request): Json<DetachVolume>,
) -> Result<Response, Refusal> {
    let (scope, row) = find(&app, &caller, &path, Permission::ApplicationConfigure).await?;
    let application = application(&app, &scope, &request.application).await?;
    let by = asker(
        &app,
        &caller,
        &headers,
        &["detach", &row.id.to_string(), &format!("{request:?}")],
    )?;
    let component = request
        .component
        .as_deref()
        .map(component_name)
        .transpose()?;
    let path = request.path.as_deref().map(mount_path).transpose()?;
    let asked = app
        .control
        .detach_volume(by, &application, &row, component.as_ref(), path.as_ref())
        .await?;
    Ok(accepted(asked))
}

/// Whoever gives a volume to an application may change that one, and may do this with the data: with those of another
/// application what the mount itself could do, file by file.
fn may_give(
    caller: &Caller,
    row: &VolumeRow,
    application: &Application,
    with_data: Permission,
) -> Result<(), Refusal> {
    caller.may_in(application.team, Permission::ApplicationConfigure)?;
    match row.application == Some(application.id) {
        true => Ok(()),
        false => caller.may_in(row.team, with_data),
    }
}

/// The volume of the path, for whoever may do this in its environment.
pub(super) async fn find(
    app: &App,
    caller: &Caller,
    (team, environment, volume): &(String, String, String),
    permission: Permission,
) -> Result<(Scope, VolumeRow), Refusal> {
    let scope = caller.enter(app, team, environment, permission).await?;
    let id = volume.parse().map_err(|_| not_found("volume"))?;
    let row = app.control.store().volume(scope.team, id).await?;
    if row.environment.is_some_and(|of| of != scope.environment) {
        return Err(not_found("volume"));
    }
    Ok((scope, row))
}

async fn application(app: &App, scope: &Scope, name: &str) -> Result<Application, Refusal> {
    let found = app.control.find(scope, name).await?;
    found.ok_or_else(|| not_found("application"))
}

fn volume_name(text: &str) -> Result<Name, Refusal> {
    text.parse().map_err(|error| {
        Refusal(problem::REQUEST_INVALID.problem(
            format!("{text:?} is no name of a volume: {error}."),
            "Use lower case letters, digits and hyphens.",
        ))
    })
}

fn mount_path(text: &str) -> Result<AbsolutePath, Refusal> {
    text.parse().map_err(|error| {
        Refusal(problem::REQUEST_INVALID.problem(
            format!("{text:?} is no path in a container: {error}."),
            "Begin it with a slash: `/data`.",
        ))
    })
}

fn access(text: &str) -> Result<pluvio_model::spec::VolumeAccess, Refusal> {
    serde_json::from_value(text.into()).map_err(|_| {
        Refusal(problem::REQUEST_INVALID.problem(
            format!("{text:?} is no access of a volume."),
            "It is `exclusive` or `shared`.",
        ))
    })
}

async fn one(app: &App, rows: &[VolumeRow]) -> Result<VolumeSummary, Refusal> {
    let mut summaries = summaries(app.control.store(), rows).await?;
    summaries.pop().ok_or_else(|| not_found("volume"))
}

/// Volumes with where they are mounted: what their applications' targets say.
pub(super) async fn summaries(
    store: &Store,
    rows: &[VolumeRow],
) -> Result<Vec<VolumeSummary>, Refusal> {
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let bindings = store.volume_bindings(&ids).await?;
    let mut releases: HashMap<ApplicationId, Option<Release>> = HashMap::new();
    for binding in &bindings {
        if releases.contains_key(&binding.application) {
            continue;
        }
        let release = match binding.release {
            Some(number) => match store.release(binding.application, number).await {
                Ok(row) => Some(row.release),
                // Deleted or forgotten in between.
                Err(StoreError::NotFound { .. }) => None,
                Err(error) => return Err(error.into()),
            },
            None => None,
        };
        releases.insert(binding.application, release);
    }
    let used = |row: &VolumeRow| -> Vec<VolumeUse> {
        let bindings = bindings.iter().filter(|binding| binding.volume == row.id);
        bindings
            .filter_map(|binding| Some((binding, releases.get(&binding.application)?.as_ref()?)))
            .flat_map(|(binding, release)| uses(row, binding, release))
            .collect()
    };
    Ok(rows.iter().map(|row| summary(row, used(row))).collect())
}

fn uses(row: &VolumeRow, binding: &VolumeBinding, release: &Release) -> Vec<VolumeUse> {
    let found = release.components.values().flat_map(|component| {
        component
            .content
            .mounts()
            .filter(|(_, mount)| has(release, component, mount, row))
            .map(|(path, mount)| VolumeUse {
                application: binding.application_name.to_string(),
                component: component.name.to_string(),
                path: path.to_string(),
                read_only: mount.read_only,
            })
    });
    let mut uses: Vec<VolumeUse> = Vec::new();
    for one in found {
        if !uses.contains(&one) {
            uses.push(one);
        }
    }
    uses
}

/// Whether a mount is of this volume, in one of the component's instances: those of a stateful one have a volume each.
fn has(
    release: &Release,
    component: &DecidedComponent,
    mount: &DecidedMount,
    row: &VolumeRow,
) -> bool {
    let Some(name) = &mount.volume else {
        return false;
    };
    let count = match component.rollout.strategy {
        Strategy::Ordered => component.instances.max(1),
        Strategy::Surge { .. } | Strategy::StopThenStart => 1,
    };
    let mut volumes = (0..count).filter_map(|ordinal| release.volume_of(component, name, ordinal));
    volumes.any(|(_, volume)| volume.id == row.id)
}

fn summary(row: &VolumeRow, used_by: Vec<VolumeUse>) -> VolumeSummary {
    VolumeSummary {
        id: row.id,
        name: row.name.to_string(),
        application: Some(row.application_name.to_string()),
        state: match (row.filling, row.ends_at) {
            (Some(_), _) => VolumeState::Copying,
            (None, Some(_)) => VolumeState::Leaving,
            (None, None) if used_by.is_empty() => VolumeState::Kept,
            (None, None) => VolumeState::Bound,
        },
        used_by,
        access: row
            .access
            .map(|access| format!("{access:?}").to_lowercase()),
        size: row.size,
        bytes: row.bytes,
        measured_at: row.measured_at,
        created_at: row.created_at,
        released_at: row.released_at,
        ends_at: row.ends_at,
        copy_of: row.copy_of,
        copying: row.filling,
    }
}
