//! Who asks, and may they.
//!
//! Three proofs: the session cookie of a browser (with a CSRF header on everything that changes), a bearer token, and on the
//! control socket the caller's uid. A stranger to a team is told that it does not exist.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::{FromRef, FromRequestParts};
use axum::http::{HeaderMap, Method, header, request::Parts};
use pluvio_model::permission::{Permission, Role};
use pluvio_model::problem;
use pluvio_store::{Application, Scope, Session, User};
use subtle::ConstantTimeEq;

use crate::App;
use crate::listen::Peer;
use crate::refusal::{Refusal, not_found};

/// The session cookie's name.
pub const COOKIE: &str = "pluvio_session";
/// The header that repeats the session's CSRF value.
pub const CSRF: &str = "x-pluvio-csrf";

/// Whoever made the request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) user: User,
    /// What they may do at most (a token's role); `None`: as their membership says.
    limit: Option<Role>,
    pub(crate) session: Option<Session>,
    /// Of the machine itself.
    pub(crate) local: bool,
}

impl Caller {
    /// As shown to people and written to the audit log.
    pub(crate) fn actor(&self) -> String {
        self.user.name.to_string()
    }

    fn role_in(&self, team: pluvio_model::id::TeamId) -> Option<Role> {
        let role = self.user.role_in(team)?;
        Some(match self.limit {
            Some(Role::Reader) => Role::Reader,
            _ => role,
        })
    }

    pub(crate) fn permissions(&self, team: pluvio_model::id::TeamId) -> Vec<Permission> {
        let Some(role) = self.role_in(team) else {
            return Vec::new();
        };
        Permission::ALL
            .iter()
            .copied()
            .filter(|p| role.allows(*p))
            .collect()
    }

    /// 404 for strangers, 403 for members who may not.
    pub(crate) fn may_in(
        &self,
        team: pluvio_model::id::TeamId,
        permission: Permission,
    ) -> Result<(), Refusal> {
        let role = self.role_in(team).ok_or_else(|| not_found("team"))?;
        if role.allows(permission) {
            return Ok(());
        }
        Err(Refusal(problem::PERMISSION_DENIED.problem(
            format!("It needs {}.", permission.as_str()),
            "Ask an owner of the team.",
        )))
    }

    /// Enters an environment by its names.
    pub(crate) async fn enter(
        &self,
        app: &App,
        team: &str,
        environment: &str,
        permission: Permission,
    ) -> Result<Scope, Refusal> {
        let scope = app
            .control
            .store()
            .scope(team, environment)
            .await
            .map_err(|_| not_found("environment"))?;
        self.may_in(scope.team, permission).map_err(|refusal| {
            if refusal.0.status == 404 {
                not_found("environment")
            } else {
                refusal
            }
        })?;
        Ok(scope)
    }

    /// Finds an application by its names.
    pub(crate) async fn application(
        &self,
        app: &App,
        team: &str,
        environment: &str,
        name: &str,
        permission: Permission,
    ) -> Result<(Scope, Application), Refusal> {
        let scope = self.enter(app, team, environment, permission).await?;
        let application = app
            .control
            .find(&scope, name)
            .await?
            .ok_or_else(|| not_found("application"))?;
        Ok((scope, application))
    }

    /// For what belongs to the installation: its owners are the owners of its first team.
    pub(crate) fn may(&self, app: &App, permission: Permission) -> Result<(), Refusal> {
        let home = app.control.store().home().team;
        self.may_in(home, permission)
    }
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let values = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok());
    values
        .flat_map(|v| v.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value.to_owned())
}

/// The cookie of the request, for signing out.
pub(crate) fn session_token(headers: &HeaderMap) -> Option<String> {
    cookie(headers)
}

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    App: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let app = App::from_ref(state);
        let store = app.control.store();
        if let Some(bearer) = parts.headers.get(header::AUTHORIZATION) {
            let text = bearer
                .to_str()
                .ok()
                .and_then(|v| v.strip_prefix("Bearer "))
                .unwrap_or_default();
            let invalid = || {
                Refusal(problem::AUTH_INVALID.problem(
                    "The token is unknown, revoked or expired.",
                    "Make another with `pluvio token create NAME`.",
                ))
            };
            let (token, user) = store.bearer(text).await?.ok_or_else(invalid)?;
            return Ok(Caller {
                user,
                limit: Some(token.role),
                session: None,
                local: false,
            });
        }
        if let Some(token) = cookie(&parts.headers) {
            let invalid = || {
                Refusal(problem::AUTH_REQUIRED.problem("The session has ended.", "Sign in again."))
            };
            let session = store.session(&token).await?.ok_or_else(invalid)?;
            let upgrade = parts.headers.contains_key(header::UPGRADE);
            if !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) {
                let sent = parts
                    .headers
                    .get(CSRF)
                    .map(|v| v.as_bytes())
                    .unwrap_or_default();
                if !bool::from(sent.ct_eq(session.csrf.as_bytes())) {
                    return Err(Refusal(problem::PERMISSION_DENIED.problem(
                        "The request does not repeat the session's CSRF value.",
                        "Send it as X-Pluvio-Csrf; GET /api/v1/session tells it.",
                    )));
                }
            } else if upgrade && !same_origin(&parts.headers) {
                return Err(Refusal(problem::PERMISSION_DENIED.problem(
                    "The request comes from another site.",
                    "Open the console itself.",
                )));
            }
            return Ok(Caller {
                user: session.user.clone(),
                limit: None,
                session: Some(session),
                local: false,
            });
        }
        if let Some(axum::extract::ConnectInfo(Peer::Socket { uid })) =
            parts.extensions.get::<axum::extract::ConnectInfo<Peer>>()
            && (*uid == rustix::process::geteuid().as_raw() || *uid == 0)
        {
            let user = store.user(store.home().owner).await?;
            return Ok(Caller {
                user,
                limit: None,
                session: None,
                local: true,
            });
        }
        Err(Refusal(problem::AUTH_REQUIRED.problem("Nobody is signed in.", "Sign in, or send a token as `Authorization: Bearer …`. On the machine itself `pluvio signin-link` makes a link.")))
    }
}

/// A WebSocket's handshake carries no CSRF header, but always the page's origin.
fn same_origin(headers: &HeaderMap) -> bool {
    let text = |name| {
        headers
            .get(name)
            .and_then(|v: &axum::http::HeaderValue| v.to_str().ok())
    };
    match (text(header::ORIGIN), text(header::HOST)) {
        (Some(origin), Some(host)) => origin
            .split_once("://")
            .is_some_and(|(_, rest)| rest == host),
        (None, _) => true,
        _ => false,
    }
}

/// Slows down guessing: after five failures for a name or link, one attempt in fifteen seconds.
#[derive(Debug, Clone, Default)]
pub struct Attempts {
    failures: Arc<Mutex<HashMap<String, (u32, Instant)>>>,
}

impl Attempts {
    const FREE: u32 = 5;
    const PAUSE: Duration = Duration::from_secs(15);

    pub(crate) fn check(&self, name: &str) -> Result<(), Refusal> {
        let failures = self.failures.lock().expect("not poisoned");
        match failures.get(name) {
            Some((count, at)) if *count >= Self::FREE && at.elapsed() < Self::PAUSE => {
                Err(Refusal(problem::RATE_LIMITED.problem(
                    "Too many wrong attempts.",
                    "Wait fifteen seconds, or sign in by a link: `pluvio signin-link`.",
                )))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn failed(&self, name: &str) {
        let mut failures = self.failures.lock().expect("not poisoned");
        if failures.len() > 10_000 {
            failures.retain(|_, (_, at)| at.elapsed() < Self::PAUSE);
        }
        let entry = failures
            .entry(name.to_owned())
            .or_insert((0, Instant::now()));
        *entry = (entry.0 + 1, Instant::now());
    }

    pub(crate) fn succeeded(&self, name: &str) {
        self.failures.lock().expect("not poisoned").remove(name);
    }
}
