//! Passkeys: adding, naming and removing one's own, and signing in with one.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pluvio_api::applications::Page;
use pluvio_api::identity::*;
use pluvio_model::problem::{self, Problem};
use pluvio_store::{NewAudit, NewPasskey, Passkey, Session as OpenSession, StoreError};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::sessions::{opened, secure};
use crate::App;
use crate::access::{self, Caller};
use crate::attempts::Origin;
use crate::passkeys::{PATIENCE, Wrong, not_accepted};
use crate::refusal::{Json, Path, Refusal, not_found};

/// Ties a sign-in that was begun to the browser that began it.
const BROWSER: &str = "pluvio_passkey";
const HERE: &str = "/api/v1/session/passkey";
/// How passkeys are named where attempts are counted: no user is called so.
const PASSKEYS: &str = "(passkey)";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(passkeys, add_passkey))
        .routes(routes!(add_passkey_options))
        .routes(routes!(rename_passkey, remove_passkey))
        .routes(routes!(passkey_options))
        .routes(routes!(by_passkey))
}

fn row(passkey: &Passkey) -> PasskeySummary {
    PasskeySummary {
        id: passkey.id.to_string(),
        name: passkey.name.clone(),
        created_at: passkey.created_at,
        used_at: passkey.last_used_at,
    }
}

fn name(text: &str) -> Result<String, Refusal> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > 60 || name.contains(char::is_control) {
        return Err(Refusal(problem::REQUEST_INVALID.problem(
            "A passkey's name has 1 to 60 characters.",
            "Name it after the device that keeps it.",
        )));
    }
    Ok(name.to_owned())
}

/// A passkey opens more than a token does: only a person in the console adds or removes one.
fn in_session(caller: &Caller) -> Result<&OpenSession, Refusal> {
    caller.session.as_ref().ok_or_else(|| {
        Refusal(problem::PERMISSION_DENIED.problem(
            "A token may not change its owner's passkeys.",
            "Sign in to the console.",
        ))
    })
}

/// The caller's passkeys.
#[utoipa::path(get, path = "/passkeys", tag = "identity", responses((status = 200, body = Page<PasskeySummary>), (status = 401, body = Problem)), extensions(("x-permission" = json!("self"))))]
async fn passkeys(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<Page<PasskeySummary>>, Refusal> {
    let rows = app.control.store().passkeys(caller.user.id).await?;
    Ok(super::applications::single(rows.iter().map(row).collect()))
}

/// Begins to add a passkey: what to ask the browser with.
#[utoipa::path(post, path = "/passkeys/options", tag = "identity", responses((status = 200, body = PasskeyOptions), (status = 401, body = Problem), (status = 403, body = Problem), (status = 409, body = Problem), (status = 429, body = Problem)), extensions(("x-permission" = json!("self"))))]
async fn add_passkey_options(
    State(app): State<App>,
    caller: Caller,
    origin: Origin,
) -> Result<Json<PasskeyOptions>, Refusal> {
    let session = in_session(&caller)?;
    let held = app.control.store().passkeys(caller.user.id).await?;
    Ok(Json(PasskeyOptions {
        origin: app.passkeys.origin()?,
        options: app
            .passkeys
            .begin_adding(&session.csrf, &origin, &caller.user, &held)?,
    }))
}

/// Adds the passkey that the browser made.
#[utoipa::path(post, path = "/passkeys", tag = "identity", request_body = PasskeyRegistration,
    responses((status = 201, body = PasskeySummary), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 409, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem)), extensions(("x-permission" = json!("self"))))]
async fn add_passkey(
    State(app): State<App>,
    caller: Caller,
    Json(request): Json<PasskeyRegistration>,
) -> Result<Response, Refusal> {
    let session = in_session(&caller)?;
    let name = name(&request.name)?;
    let added = app
        .passkeys
        .finish_adding(&session.csrf, &request.credential)?;
    let new = NewPasskey {
        user: caller.user.id,
        name,
        credential: added.credential,
        public_key: added.public_key,
        state: added.state,
    };
    let passkey = app
        .control
        .store()
        .add_passkey(new, &caller.actor())
        .await?;
    Ok((StatusCode::CREATED, Json(row(&passkey))).into_response())
}

/// Names a passkey anew.
#[utoipa::path(patch, path = "/passkeys/{passkey}", tag = "identity", params(("passkey" = String, Path)), request_body = PasskeyName,
    responses((status = 200, body = PasskeySummary), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem)), extensions(("x-permission" = json!("self"))))]
async fn rename_passkey(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Json(request): Json<PasskeyName>,
) -> Result<Json<PasskeySummary>, Refusal> {
    in_session(&caller)?;
    let name = name(&request.name)?;
    let id = id.parse().map_err(|_| not_found("passkey"))?;
    let (user, actor) = (caller.user.id, caller.actor());
    let store = app.control.store();
    let passkey = store.rename_passkey(user, id, &name, &actor).await?;
    Ok(Json(row(&passkey)))
}

/// Removes a passkey at once; the person's other sessions end.
#[utoipa::path(delete, path = "/passkeys/{passkey}", tag = "identity", params(("passkey" = String, Path)), responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("self"))))]
async fn remove_passkey(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    in_session(&caller)?;
    let id = id.parse().map_err(|_| not_found("passkey"))?;
    let (user, actor) = (caller.user.id, caller.actor());
    let store = app.control.store();
    store
        .remove_passkey(user, id, caller.cookie(), &actor)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Begins a sign-in by passkey. The same for everybody: who it is, the device says.
#[utoipa::path(post, path = "/session/passkey/options", tag = "identity", security(()),
    responses((status = 200, body = PasskeyOptions), (status = 409, body = Problem), (status = 429, body = Problem)), extensions(("x-permission" = json!("nobody"))))]
async fn passkey_options(
    State(app): State<App>,
    origin: Origin,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let mut browser = [0; 32];
    getrandom::fill(&mut browser).map_err(|error| {
        Refusal(problem::INTERNAL.problem(
            format!("The machine gives no random numbers: {error}."),
            "See the server's log.",
        ))
    })?;
    let browser = hex::encode(browser);
    let body = PasskeyOptions {
        origin: app.passkeys.origin()?,
        options: app.passkeys.begin_entering(&browser, &origin)?,
    };
    let mut response = Json(body).into_response();
    set_cookie(&app, &headers, &mut response, &browser, PATIENCE.as_secs());
    Ok(response)
}

/// Signs in by a passkey.
#[utoipa::path(post, path = "/session/passkey", tag = "identity", request_body = PasskeySignIn, security(()),
    responses((status = 200, body = Session), (status = 400, body = Problem), (status = 401, body = Problem), (status = 409, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)), extensions(("x-permission" = json!("nobody"))))]
async fn by_passkey(
    State(app): State<App>,
    origin: Origin,
    headers: HeaderMap,
    Json(request): Json<PasskeySignIn>,
) -> Result<Response, Refusal> {
    app.attempts.begin(&origin, PASSKEYS)?;
    let store = app.control.store();
    let browser = access::cookie(&headers, BROWSER).unwrap_or_default();
    let entering = app.passkeys.entering(&browser, &request.credential)?;
    // One answer for a passkey that is unknown, removed, another's, or whose signature is wrong.
    let wrong = || not_accepted("This passkey is not known here, or its signature is not right.");
    let Some(passkey) = store.passkey_by_credential(entering.credential()).await? else {
        return Err(wrong());
    };
    let state = match entering.check(&passkey) {
        Ok(state) => state,
        Err(Wrong::Copied) => {
            tracing::warn!(user = %passkey.user_name, passkey = passkey.name, "a passkey's counter went back: it may have been copied");
            let row = NewAudit {
                team: None,
                actor: passkey.user_name.to_string(),
                action: "sign-in".to_owned(),
                object: format!("passkey {}", passkey.name),
                result: "refused".to_owned(),
            };
            store.audit(row).await?;
            return Err(wrong());
        }
        Err(Wrong::Other(error)) => {
            tracing::warn!(?origin, error, "a passkey was not accepted");
            return Err(wrong());
        }
    };
    match store.use_passkey(&passkey, &state).await {
        Err(StoreError::Stale { .. }) => return Err(wrong()),
        used => used?,
    }
    app.attempts.succeeded(&origin, PASSKEYS);
    let user = store.user(passkey.user).await?;
    let mut response = opened(&app, &user, &headers).await?;
    set_cookie(&app, &headers, &mut response, "", 0);
    Ok(response)
}

fn set_cookie(
    app: &App,
    headers: &HeaderMap,
    response: &mut Response,
    browser: &str,
    seconds: u64,
) {
    let cookie = format!(
        "{BROWSER}={browser}; Path={HERE}; HttpOnly; SameSite=Strict; Max-Age={seconds}{}",
        secure(app, headers)
    );
    response.headers_mut().append(
        header::SET_COOKIE,
        HeaderValue::from_str(&cookie).expect("hex is ASCII"),
    );
}
