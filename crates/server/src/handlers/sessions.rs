//! Signing in and out, tokens, links.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pluvio_api::applications::Page;
use pluvio_api::identity::*;
use pluvio_model::permission::{Permission, Role};
use pluvio_model::problem::{self, Problem};
use pluvio_store::{NewAudit, NewToken, User};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::App;
use crate::access::{COOKIE, Caller};
use crate::attempts::Origin;
use crate::refusal::{Json, Path, Refusal, not_found};

/// A session ends after so long, whatever happens.
const LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// And after so long without a request.
const IDLE: Duration = Duration::from_secs(7 * 24 * 3600);
/// How links are named where attempts are counted: no user is called so.
const LINKS: &str = "(link)";
const LINK: Duration = Duration::from_secs(15 * 60);

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(session, sign_in, sign_out))
        .routes(routes!(by_link))
        .routes(routes!(set_password))
        .routes(routes!(make_link))
        .routes(routes!(tokens, create_token))
        .routes(routes!(revoke_token))
}

async fn describe(
    app: &App,
    user: &User,
    csrf: &str,
    permissions: Vec<Permission>,
) -> Result<Session, Refusal> {
    let membership = user.memberships.first().ok_or_else(|| not_found("team"))?;
    let environments = app.control.store().environments(membership.team).await?;
    // The one that the team began with: ids grow.
    let environment = environments
        .iter()
        .min_by_key(|scope| scope.environment.to_string())
        .ok_or_else(|| not_found("environment"))?;
    let passkeys = app.control.store().passkeys(user.id).await?;
    Ok(Session {
        user: UserSummary {
            name: user.name.to_string(),
            display_name: user.display_name.clone(),
        },
        team: membership.team_name.to_string(),
        environment: environment.environment_name.to_string(),
        permissions: permissions.iter().map(|p| p.as_str().to_owned()).collect(),
        csrf: csrf.to_owned(),
        password_unset: !user.has_password,
        passkeys: u32::try_from(passkeys.len()).unwrap_or(u32::MAX),
        version: env!("CARGO_PKG_VERSION").into(),
        gateway: app.config.gateway.clone(),
    })
}

/// Who is signed in.
#[utoipa::path(get, path = "/session", tag = "identity", responses((status = 200, body = Session), (status = 401, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("self"))))]
async fn session(State(app): State<App>, caller: Caller) -> Result<Json<Session>, Refusal> {
    let csrf = caller
        .session
        .as_ref()
        .map(|s| s.csrf.clone())
        .unwrap_or_default();
    let permissions = caller
        .user
        .memberships
        .first()
        .map(|m| caller.permissions(m.team))
        .unwrap_or_default();
    Ok(Json(
        describe(&app, &caller.user, &csrf, permissions).await?,
    ))
}

pub(super) async fn opened(
    app: &App,
    user: &User,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let store = app.control.store();
    let opened = store.open_session(user.id, LIFETIME, IDLE).await?;
    let user = &opened.session.user;
    let role = user.memberships.first().map(|m| m.role);
    let permissions = Permission::ALL
        .iter()
        .copied()
        .filter(|p| role.is_some_and(|r| r.allows(*p)))
        .collect();
    let body = describe(app, user, &opened.session.csrf, permissions).await?;
    let cookie = format!(
        "{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{}",
        opened.token,
        LIFETIME.as_secs(),
        secure(app, headers)
    );
    let mut response = Json(body).into_response();
    response.headers_mut().insert(
        header::SET_COOKIE,
        HeaderValue::from_str(&cookie).expect("a token is ASCII"),
    );
    Ok(response)
}

/// Over HTTPS the cookie never goes out in plain. That a proxy speaks HTTPS for us, its browser says itself: no page can
/// make it name another origin than its own.
pub(super) fn secure(app: &App, headers: &HeaderMap) -> &'static str {
    let origin = headers.get(header::ORIGIN).map(HeaderValue::as_bytes);
    if app.config.public_url.starts_with("https://")
        || origin.is_some_and(|origin| origin.starts_with(b"https://"))
    {
        "; Secure"
    } else {
        ""
    }
}

/// Signs in by a one-time link.
#[utoipa::path(post, path = "/session/link", tag = "identity", request_body = LinkSignIn, security(()),
    responses((status = 200, body = Session), (status = 400, body = Problem), (status = 401, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)), extensions(("x-permission" = json!("nobody"))))]
async fn by_link(
    State(app): State<App>,
    origin: Origin,
    headers: HeaderMap,
    Json(request): Json<LinkSignIn>,
) -> Result<Response, Refusal> {
    app.attempts.begin(&origin, LINKS)?;
    let user = app
        .control
        .store()
        .consume_signin_link(&request.token)
        .await?;
    app.attempts.succeeded(&origin, LINKS);
    opened(&app, &user, &headers).await
}

/// Signs in by name and password.
#[utoipa::path(post, path = "/session", tag = "identity", request_body = PasswordSignIn, security(()),
    responses((status = 200, body = Session), (status = 400, body = Problem), (status = 401, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)), extensions(("x-permission" = json!("nobody"))))]
async fn sign_in(
    State(app): State<App>,
    origin: Origin,
    headers: HeaderMap,
    Json(request): Json<PasswordSignIn>,
) -> Result<Response, Refusal> {
    match check(&app, &origin, &request.name, &request.password).await? {
        Some(user) => opened(&app, &user, &headers).await,
        None => Err(Refusal(problem::AUTH_INVALID.problem(
            "Name or password is wrong, or no password was set yet.",
            "Try again, or sign in by a link: `pluvio signin-link` on the machine.",
        ))),
    }
}

/// The user when name and password are right. The attempt is counted before it is made.
async fn check(
    app: &App,
    origin: &Origin,
    name: &str,
    password: &str,
) -> Result<Option<User>, Refusal> {
    app.attempts.begin(origin, name)?;
    let _turn = app.attempts.turn().await?;
    let user = app.control.store().check_password(name, password).await?;
    if user.is_some() {
        app.attempts.succeeded(origin, name);
    } else {
        tracing::warn!(?origin, "a wrong name or password");
        // Only a name that is one: people type passwords into the wrong field.
        let known = app.control.store().user_by_name(name).await.is_ok();
        let name = if known { name } else { "nobody" };
        let row = NewAudit {
            team: None,
            actor: name.to_owned(),
            action: "sign-in".to_owned(),
            object: format!("user {name}"),
            result: "refused".to_owned(),
        };
        app.control.store().audit(row).await?;
    }
    Ok(user)
}

/// Signs out.
#[utoipa::path(delete, path = "/session", tag = "identity", responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem)), extensions(("x-permission" = json!("self"))))]
async fn sign_out(State(app): State<App>, caller: Caller) -> Result<Response, Refusal> {
    if let Some(token) = caller.cookie() {
        app.control.store().close_session(token).await?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().insert(
        header::SET_COOKIE,
        HeaderValue::from_str(&format!(
            "{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"
        ))
        .expect("ASCII"),
    );
    Ok(response)
}

/// Sets the password of whoever is signed in; their other sessions end.
#[utoipa::path(put, path = "/session/password", tag = "identity", request_body = PasswordChange,
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)), extensions(("x-permission" = json!("self"))))]
async fn set_password(
    State(app): State<App>,
    caller: Caller,
    origin: Origin,
    Json(request): Json<PasswordChange>,
) -> Result<StatusCode, Refusal> {
    if caller.session.is_none() && !caller.is_local() {
        return Err(Refusal(problem::PERMISSION_DENIED.problem(
            "A token may not change its owner's password.",
            "Sign in to the console.",
        )));
    }
    let length = request.password.chars().count();
    if !(10..=256).contains(&length) {
        return Err(Refusal(problem::REQUEST_INVALID.problem(
            format!("The password has {length} characters."),
            "Choose 10 to 256 characters; four random words are good.",
        )));
    }
    if caller.user.has_password && !caller.is_local() {
        let current = request.current.as_deref().unwrap_or_default();
        let right = check(&app, &origin, caller.user.name.as_str(), current).await?;
        if right.is_none() {
            return Err(Refusal(problem::PERMISSION_DENIED.problem(
                "The current password is wrong.",
                "Type it again, or sign in by a link.",
            )));
        }
    }
    let user = caller.user.id;
    let (password, actor) = (Some(request.password.as_str()), caller.actor());
    let _turn = app.attempts.turn().await?;
    app.control
        .store()
        .set_password(user, password, caller.cookie(), &actor)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a one-time sign-in link for whoever asks.
#[utoipa::path(post, path = "/signin-links", tag = "identity", responses((status = 201, body = SigninLink), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("token:manage"))))]
async fn make_link(State(app): State<App>, caller: Caller) -> Result<Response, Refusal> {
    caller.may(&app, Permission::TokenManage)?;
    let token = app
        .control
        .store()
        .make_signin_link(caller.user.id, LINK)
        .await?;
    let link = SigninLink {
        url: format!("{}/signin?token={token}", app.config.public_url),
        expires_at: jiff::Timestamp::now() + jiff::SignedDuration::from_secs(15 * 60),
    };
    Ok((StatusCode::CREATED, Json(link)).into_response())
}

fn token_row(token: &pluvio_store::Token) -> TokenSummary {
    TokenSummary {
        id: token.id.to_string(),
        name: token.name.clone(),
        role: format!("{:?}", token.role).to_lowercase(),
        created_at: token.created_at,
        used_at: token.last_used_at,
    }
}

/// The caller's API tokens.
#[utoipa::path(get, path = "/tokens", tag = "identity", responses((status = 200, body = Page<TokenSummary>), (status = 401, body = Problem)), extensions(("x-permission" = json!("self"))))]
async fn tokens(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<Page<TokenSummary>>, Refusal> {
    let rows = app.control.store().tokens(caller.user.id).await?;
    Ok(super::applications::single(
        rows.iter().map(token_row).collect(),
    ))
}

/// Makes an API token; its text is shown once.
#[utoipa::path(post, path = "/tokens", tag = "identity", request_body = TokenRequest,
    responses((status = 201, body = TokenCreated), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem)), extensions(("x-permission" = json!("token:manage"))))]
async fn create_token(
    State(app): State<App>,
    caller: Caller,
    Json(request): Json<TokenRequest>,
) -> Result<Response, Refusal> {
    caller.may(&app, Permission::TokenManage)?;
    let role = match request.role.as_deref() {
        None | Some("owner") => Role::Owner,
        Some("reader") => Role::Reader,
        Some(other) => {
            return Err(Refusal(problem::REQUEST_INVALID.problem(
                format!("There is no role {other:?}."),
                "Choose owner or reader.",
            )));
        }
    };
    let name = request.name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.contains(char::is_control) {
        return Err(Refusal(problem::REQUEST_INVALID.problem(
            "A token's name has 1 to 100 characters.",
            "Name it after what will use it.",
        )));
    }
    let new = NewToken {
        name: name.to_owned(),
        user: caller.user.id,
        role,
        expires_at: None,
    };
    let (token, value) = app
        .control
        .store()
        .create_token(new, &caller.actor())
        .await?;
    Ok((
        StatusCode::CREATED,
        Json(TokenCreated {
            token: token_row(&token),
            value,
        }),
    )
        .into_response())
}

/// Revokes a token at once.
#[utoipa::path(delete, path = "/tokens/{token}", tag = "identity", params(("token" = String, Path)), responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("token:manage"))))]
async fn revoke_token(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    caller.may(&app, Permission::TokenManage)?;
    let id = id.parse().map_err(|_| not_found("token"))?;
    app.control
        .store()
        .revoke_token(caller.user.id, id, &caller.actor())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
