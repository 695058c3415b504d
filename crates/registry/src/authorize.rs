//! Who may pull and push what.

use async_trait::async_trait;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use pluvio_model::id::TeamId;
use pluvio_model::permission::{Permission, Role};
use pluvio_store::{Store, StoreError};

use crate::name::Repository;

/// What a request carries as proof. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    Basic { username: String, password: String },
    Bearer(String),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.write_str("‹credential›")
    }
}

impl Credential {
    /// The one in the `Authorization` header; one that cannot be read is a wrong one, not none.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Credential> {
        let value = headers
            .get(header::AUTHORIZATION)?
            .to_str()
            .unwrap_or_default();
        let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            let plain = base64::engine::general_purpose::STANDARD.decode(rest.trim());
            let plain = plain.ok().and_then(|plain| String::from_utf8(plain).ok());
            let plain = plain.unwrap_or_default();
            let (username, password) = plain.split_once(':').unwrap_or_default();
            return Some(Credential::Basic {
                username: username.to_owned(),
                password: password.to_owned(),
            });
        }
        Some(Credential::Bearer(rest.trim().to_owned()))
    }

    fn secret(&self) -> &str {
        match self {
            Credential::Basic { password, .. } => password,
            Credential::Bearer(text) => text,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Pull,
    Push,
    Delete,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Allowed {
        team: TeamId,
        actor: String,
    },
    /// No credential, or a wrong one.
    Unauthorized,
    /// A good credential that does not reach so far; whether the repository exists is not told.
    Denied,
}

#[async_trait]
pub trait Authorizer: Send + Sync {
    /// Whether the credential is anybody's: what `docker login` asks.
    async fn recognises(&self, credential: Option<&Credential>) -> Result<bool, StoreError>;

    async fn authorize(
        &self,
        credential: Option<&Credential>,
        action: Action,
        repository: &Repository,
    ) -> Result<Verdict, StoreError>;
}

/// Pluvio's own: API tokens of people and pipelines, and the pull credentials of clusters, each as a password or bearer token.
#[derive(Debug, Clone)]
pub struct StoreAuthorizer {
    store: Store,
}

impl StoreAuthorizer {
    pub fn new(store: Store) -> StoreAuthorizer {
        StoreAuthorizer { store }
    }
}

#[async_trait]
impl Authorizer for StoreAuthorizer {
    async fn recognises(&self, credential: Option<&Credential>) -> Result<bool, StoreError> {
        let Some(credential) = credential else {
            return Ok(false);
        };
        Ok(self.store.bearer(credential.secret()).await?.is_some()
            || self.store.pulls(credential.secret()).await?.is_some())
    }

    async fn authorize(
        &self,
        credential: Option<&Credential>,
        action: Action,
        repository: &Repository,
    ) -> Result<Verdict, StoreError> {
        let Some(credential) = credential else {
            return Ok(Verdict::Unauthorized);
        };
        if let Some((team, cluster)) = self.store.pulls(credential.secret()).await? {
            let named = self.store.team_named(repository.team()).await?;
            return Ok(match action == Action::Pull && named == Some(team) {
                true => Verdict::Allowed {
                    team,
                    actor: format!("cluster {cluster}"),
                },
                false => Verdict::Denied,
            });
        }
        let Some((token, user)) = self.store.bearer(credential.secret()).await? else {
            return Ok(Verdict::Unauthorized);
        };
        let needed = match action {
            Action::Pull => Permission::ImageRead,
            Action::Push | Action::Delete => Permission::ImageWrite,
        };
        let mut memberships = user.memberships.iter();
        let member = memberships.find(|member| member.team_name.as_str() == repository.team());
        Ok(match member {
            // A token's role is the most that it may do.
            Some(member)
                if member.role.allows(needed)
                    && (token.role == Role::Owner || token.role.allows(needed)) =>
            {
                Verdict::Allowed {
                    team: member.team,
                    actor: user.name.to_string(),
                }
            }
            _ => Verdict::Denied,
        })
    }
}
