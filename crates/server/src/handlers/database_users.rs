//! Users of a database.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use pluvio_api::applications::Page;
use pluvio_api::databases::{RightsRequest, UserMade, UserRequest};
use pluvio_model::database::{DatabaseUser, UserRights};
use pluvio_model::permission::Permission;
use pluvio_model::problem::{self, Problem};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Confirm;
use super::databases::{Names, enter, record};
use crate::App;
use crate::access::Caller;
use crate::refusal::{Json, Path, Query, Refusal};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(users))
        .routes(routes!(create))
        .routes(routes!(set_rights))
        .routes(routes!(remove))
}

type Named = (String, String, String, String, String);

/// The users of a database.
#[utoipa::path(get, path = "/applications/{application}/databases/{component}/users", tag = "databases", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), ("component" = String, Path)),
    responses((status = 200, body = Page<DatabaseUser>), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem), (status = 507, body = Problem)), extensions(("x-permission" = json!("database:read"))))]
async fn users(
    State(app): State<App>,
    caller: Caller,
    Path(names): Path<Names>,
) -> Result<Json<Page<DatabaseUser>>, Refusal> {
    let (_, application, inside) = enter(&app, &caller, &names, Permission::DatabaseRead).await?;
    let users = app.control.database_users(&application, &inside).await?;
    Ok(super::applications::single(users))
}

/// Makes a user with a password of its own, which is told this once.
#[utoipa::path(post, path = "/applications/{application}/databases/{component}/users", tag = "databases", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), ("component" = String, Path)), request_body = UserRequest,
    responses((status = 201, body = UserMade), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem), (status = 507, body = Problem)), extensions(("x-permission" = json!("database:manage"))))]
async fn create(
    State(app): State<App>,
    caller: Caller,
    Path(names): Path<Names>,
    Json(request): Json<UserRequest>,
) -> Result<Response, Refusal> {
    let (_, application, inside) = enter(&app, &caller, &names, Permission::DatabaseManage).await?;
    grantable(request.rights)?;
    let made = app
        .control
        .create_database_user(&application, &inside, &request.name, request.rights)
        .await;
    // Before the answer, so that no password is told of that nobody knows of.
    let name: String = request.name.chars().take(64).collect();
    let object = format!(
        "user {name} ({}) of the database {}",
        request.rights.as_str(),
        inside.name
    );
    let result = if made.is_ok() { "created" } else { "refused" };
    record(
        &app,
        &caller,
        &application,
        "database:manage",
        object,
        result,
    )
    .await?;
    let password = made?;
    let engine = inside.database.engine;
    let (_, database) = inside.identity();
    let made = UserMade {
        url: engine.url(&name, &password, inside.name.as_str(), &database),
        name,
        rights: request.rights,
        password,
    };
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, no_store, Json(made)).into_response())
}

fn grantable(rights: UserRights) -> Result<(), Refusal> {
    if rights == UserRights::Other {
        return Err(Refusal(problem::REQUEST_INVALID.problem(
            "`other` is what is listed for rights that were given by other means.",
            "Give read-only, read-write or owner.",
        )));
    }
    Ok(())
}

/// Gives a user other rights.
#[utoipa::path(put, path = "/applications/{application}/databases/{component}/users/{user}", tag = "databases", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), ("component" = String, Path), ("user" = String, Path)), request_body = RightsRequest,
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem), (status = 507, body = Problem)), extensions(("x-permission" = json!("database:manage"))))]
async fn set_rights(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name, component, user)): Path<Named>,
    Json(request): Json<RightsRequest>,
) -> Result<StatusCode, Refusal> {
    let names = (team, environment, name, component);
    let (_, application, inside) = enter(&app, &caller, &names, Permission::DatabaseManage).await?;
    grantable(request.rights)?;
    let changed = app
        .control
        .change_database_user(&application, &inside, &user, request.rights)
        .await;
    let user: String = user.chars().take(64).collect();
    let object = format!(
        "user {user} ({}) of the database {}",
        request.rights.as_str(),
        inside.name
    );
    let result = if changed.is_ok() {
        "changed"
    } else {
        "refused"
    };
    record(
        &app,
        &caller,
        &application,
        "database:manage",
        object,
        result,
    )
    .await?;
    changed?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a user and ends its connections; what it made stays, as the application's own user's.
#[utoipa::path(delete, path = "/applications/{application}/databases/{component}/users/{user}", tag = "databases", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), ("component" = String, Path), ("user" = String, Path), Confirm),
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem), (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem), (status = 507, body = Problem)), extensions(("x-permission" = json!("database:manage"))))]
async fn remove(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name, component, user)): Path<Named>,
    Query(confirm): Query<Confirm>,
) -> Result<StatusCode, Refusal> {
    let names = (team, environment, name, component);
    let (_, application, inside) = enter(&app, &caller, &names, Permission::DatabaseManage).await?;
    confirm.is(&user)?;
    let removed = app
        .control
        .remove_database_user(&application, &inside, &user)
        .await;
    let user: String = user.chars().take(64).collect();
    let object = format!("user {user} of the database {}", inside.name);
    let result = if removed.is_ok() {
        "removed"
    } else {
        "refused"
    };
    record(
        &app,
        &caller,
        &application,
        "database:manage",
        object,
        result,
    )
    .await?;
    removed?;
    Ok(StatusCode::NO_CONTENT)
}
