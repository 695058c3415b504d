//! Who asks, and may they.
//!
//! Three proofs: the session cookie of a browser (with a CSRF header on everything that changes), a bearer token, and on the
//! control socket the caller's uid. A stranger to a team is told that it does not exist. What stays open (terminals, log and
//! event streams) ends soon after its proof does: see [`Caller::watch`].

use std::time::Duration;

use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use axum::http::{HeaderMap, Method, header, request::Parts};
use pluvio_model::id::TeamId;
use pluvio_model::permission::{Permission, Role};
use pluvio_model::problem;
use pluvio_store::{Application, Scope, Session, Store, StoreError, User};
use subtle::ConstantTimeEq;

use crate::App;
use crate::listen::Peer;
use crate::refusal::{Refusal, not_found};

/// The session cookie's name.
pub const COOKIE: &str = "pluvio_session";
/// The header that repeats the session's CSRF value.
pub const CSRF: &str = "x-pluvio-csrf";
/// How often an open stream asks whether its caller still may. Ten seconds are promised; a question takes milliseconds.
const STILL: Duration = Duration::from_secs(4);

/// By what a caller is known. Holds the proof itself, so that it can be tried again; never printed.
#[derive(Clone)]
enum Proof {
    Cookie(String),
    Bearer(String),
    /// The control socket, by uid.
    Machine,
}

/// What a proof stands for.
struct Known {
    user: User,
    /// What they may do at most (a token's role); `None`: as their membership says.
    limit: Option<Role>,
    session: Option<Session>,
}

impl Proof {
    /// Whom it proves; `None` when it is unknown, revoked or too old.
    async fn try_on(&self, store: &Store) -> Result<Option<Known>, StoreError> {
        Ok(match self {
            Proof::Cookie(token) => store.session(token).await?.map(|session| Known {
                user: session.user.clone(),
                limit: None,
                session: Some(session),
            }),
            Proof::Bearer(text) => store.bearer(text).await?.map(|(token, user)| Known {
                user,
                limit: Some(token.role),
                session: None,
            }),
            Proof::Machine => Some(Known {
                user: store.user(store.home().owner).await?,
                limit: None,
                session: None,
            }),
        })
    }
}

fn role_of(user: &User, limit: Option<Role>, team: TeamId) -> Option<Role> {
    let role = user.role_in(team)?;
    Some(match limit {
        Some(Role::Reader) => Role::Reader,
        _ => role,
    })
}

/// Whoever made the request.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) user: User,
    limit: Option<Role>,
    pub(crate) session: Option<Session>,
    proof: Proof,
}

impl Caller {
    /// As shown to people and written to the audit log.
    pub(crate) fn actor(&self) -> String {
        self.user.name.to_string()
    }

    /// Of the machine itself, over the control socket.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self.proof, Proof::Machine)
    }

    /// The cookie that proved this caller.
    pub(crate) fn cookie(&self) -> Option<&str> {
        match &self.proof {
            Proof::Cookie(token) => Some(token),
            _ => None,
        }
    }

    /// Ends when the caller may no longer do this in the team: the session was closed, the token revoked, the role taken
    /// away. A stream that stays open runs beside it. A database that does not answer twice in a row ends it too.
    ///
    /// An open stream counts as use of the session: a tab that is looked at does not sign itself out.
    pub(crate) fn watch(
        &self,
        app: &App,
        team: TeamId,
        permission: Permission,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (proof, store) = (self.proof.clone(), app.control.store().clone());
        async move {
            let mut unanswered = 0;
            while unanswered < 2 {
                tokio::time::sleep(STILL).await;
                match proof.try_on(&store).await {
                    Ok(Some(known)) => {
                        unanswered = 0;
                        let role = role_of(&known.user, known.limit, team);
                        if !role.is_some_and(|role| role.allows(permission)) {
                            return;
                        }
                    }
                    Ok(None) | Err(StoreError::NotFound { .. }) => return,
                    Err(_) => unanswered += 1,
                }
            }
        }
    }

    fn role_in(&self, team: TeamId) -> Option<Role> {
        role_of(&self.user, self.limit, team)
    }

    pub(crate) fn permissions(&self, team: TeamId) -> Vec<Permission> {
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
    pub(crate) fn may_in(&self, team: TeamId, permission: Permission) -> Result<(), Refusal> {
        let role = self.role_in(team).ok_or_else(|| not_found("team"))?;
        if role.allows(permission) {
            return Ok(());
        }
        Err(Refusal(problem::PERMISSION_DENIED.problem(
            format!("It needs {}.", permission.as_str()),
            "Ask an owner of the team.",
        )))
    }

    /// Enters a team by its name.
    pub(crate) fn team(&self, name: &str, permission: Permission) -> Result<TeamId, Refusal> {
        let team = self
            .user
            .memberships
            .iter()
            .find(|m| m.team_name.as_str() == name)
            .map(|m| m.team)
            .ok_or_else(|| not_found("team"))?;
        self.may_in(team, permission)?;
        Ok(team)
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

/// A cookie of ours. Two of them are none: a page of a neighbouring host may have planted one, and which of the two
/// comes first is up to whoever planted it.
pub(crate) fn cookie(headers: &HeaderMap, wanted: &str) -> Option<String> {
    let values = headers.get_all(header::COOKIE).iter();
    let mut found = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == wanted)
        .map(|(_, value)| value);
    let first = found.next()?;
    found.all(|other| other == first).then(|| first.to_owned())
}

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    App: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let app = App::from_ref(state);
        let (proof, invalid) = proof(parts)?;
        let known = proof.try_on(app.control.store()).await?.ok_or(invalid)?;
        if let Some(session) = &known.session
            && !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS)
        {
            let sent = parts.headers.get(CSRF).map(|v| v.as_bytes());
            let sent = sent.unwrap_or_default();
            if !bool::from(sent.ct_eq(session.csrf.as_bytes())) {
                return Err(Refusal(problem::PERMISSION_DENIED.problem(
                    "The request does not repeat the session's CSRF value.",
                    "Send it as X-Pluvio-Csrf; GET /api/v1/session tells it.",
                )));
            }
        }
        Ok(Caller {
            user: known.user,
            limit: known.limit,
            session: known.session,
            proof,
        })
    }
}

/// The proof that a request carries, and what to answer when it does not hold. One that was sent is never passed over for a
/// weaker one: a wrong token on the control socket is a wrong token.
fn proof(parts: &Parts) -> Result<(Proof, Refusal), Refusal> {
    if let Some(bearer) = parts.headers.get(header::AUTHORIZATION) {
        let text = bearer
            .to_str()
            .ok()
            .and_then(|v| v.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map_or("", |(_, text)| text.trim());
        let invalid = problem::AUTH_INVALID.problem(
            "The token is unknown, revoked or expired.",
            "Make another with `pluvio token create NAME`.",
        );
        return Ok((Proof::Bearer(text.to_owned()), Refusal(invalid)));
    }
    if let Some(token) = cookie(&parts.headers, COOKIE) {
        let invalid = problem::AUTH_REQUIRED.problem("The session has ended.", "Sign in again.");
        return Ok((Proof::Cookie(token), Refusal(invalid)));
    }
    let nobody = Refusal(problem::AUTH_REQUIRED.problem("Nobody is signed in.", "Sign in, or send a token as `Authorization: Bearer …`. On the machine itself `pluvio signin-link` makes a link."));
    match parts.extensions.get::<ConnectInfo<Peer>>() {
        Some(ConnectInfo(Peer::Socket { uid }))
            if *uid == rustix::process::geteuid().as_raw() || *uid == 0 =>
        {
            Ok((Proof::Machine, nobody))
        }
        _ => Err(nobody),
    }
}
