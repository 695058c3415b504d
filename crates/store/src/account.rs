//! Who there is: organization, teams, environments, users, and the proofs by which they come in.
//!
//! Tokens of every kind are random, shown once, and kept as SHA-256 only; passwords are kept as Argon2id.

use std::time::Duration;

use jiff::Timestamp;
use pluvio_model::id::{EnvironmentId, OrganizationId, TeamId, TokenId, UserId};
use pluvio_model::name::Name;
use pluvio_model::permission::Role;

use crate::{Result, Store};

/// What first start makes.
#[derive(Debug, Clone)]
pub struct Home {
    pub organization: OrganizationId,
    pub team: TeamId,
    pub environment: EnvironmentId,
    pub owner: UserId,
}

/// An environment of a team, by ids and names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    pub team: TeamId,
    pub team_name: Name,
    pub environment: EnvironmentId,
    pub environment_name: Name,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    pub team: TeamId,
    pub team_name: Name,
    pub role: Role,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub name: Name,
    pub display_name: Option<String>,
    pub has_password: bool,
    pub memberships: Vec<Membership>,
    pub created_at: Timestamp,
}

impl User {
    /// The user's role in a team; `None` for strangers.
    pub fn role_in(&self, team: TeamId) -> Option<Role> {
        let membership = self.memberships.iter().find(|m| m.team == team);
        membership.map(|m| m.role)
    }
}

/// A browser's session.
#[derive(Debug, Clone)]
pub struct Session {
    pub user: User,
    /// What a writing request must repeat in its header.
    pub csrf: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// A session just opened: `token` goes into the cookie and is kept nowhere.
#[derive(Debug, Clone)]
pub struct Opened {
    pub token: String,
    pub session: Session,
}

/// An API token's row, without the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub id: TokenId,
    pub name: String,
    pub user: UserId,
    /// What it may do at most, in every team of its user.
    pub role: Role,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
}

#[derive(Debug, Clone)]
pub struct NewToken {
    pub name: String,
    pub user: UserId,
    pub role: Role,
    pub expires_at: Option<Timestamp>,
}

impl Store {
    /// An environment by its names.
    pub async fn scope(&self, team: &str, environment: &str) -> Result<Scope> {
        todo!()
    }
    /// Every environment of a team.
    pub async fn environments(&self, team: TeamId) -> Result<Vec<Scope>> {
        todo!()
    }

    pub async fn create_user(
        &self,
        name: &Name,
        display_name: Option<&str>,
        memberships: &[(TeamId, Role)],
        actor: &str,
    ) -> Result<User> {
        todo!()
    }
    pub async fn user(&self, id: UserId) -> Result<User> {
        todo!()
    }
    pub async fn user_by_name(&self, name: &str) -> Result<User> {
        todo!()
    }
    /// Sets (or with `None` removes) the password; every session of the user but `keep` ends.
    pub async fn set_password(
        &self,
        user: UserId,
        password: Option<&str>,
        keep: Option<&str>,
        actor: &str,
    ) -> Result<()> {
        todo!()
    }
    /// The user when the password is right. Takes as long when there is no such user.
    pub async fn check_password(&self, name: &str, password: &str) -> Result<Option<User>> {
        todo!()
    }

    /// Opens a session that ends after `lifetime`, or after `idle` without a request.
    pub async fn open_session(
        &self,
        user: UserId,
        lifetime: Duration,
        idle: Duration,
    ) -> Result<Opened> {
        todo!()
    }
    /// The session of a cookie; `None` when it is unknown or has ended. Moves its idle time on (at most once a minute).
    pub async fn session(&self, token: &str) -> Result<Option<Session>> {
        todo!()
    }
    pub async fn close_session(&self, token: &str) -> Result<()> {
        todo!()
    }

    /// Makes an API token. The text is shown once.
    pub async fn create_token(&self, new: NewToken, actor: &str) -> Result<(Token, String)> {
        todo!()
    }
    pub async fn tokens(&self, user: UserId) -> Result<Vec<Token>> {
        todo!()
    }
    pub async fn revoke_token(&self, user: UserId, id: TokenId, actor: &str) -> Result<()> {
        todo!()
    }
    /// The token and its user, for a bearer's text; `None` when unknown, revoked or expired.
    pub async fn bearer(&self, text: &str) -> Result<Option<(Token, User)>> {
        todo!()
    }

    /// Makes a sign-in link's token: works once, for `lifetime` (fifteen minutes is usual).
    pub async fn make_signin_link(&self, user: UserId, lifetime: Duration) -> Result<String> {
        todo!()
    }
    /// Uses a sign-in link up. [`crate::StoreError::Link`] when it is unknown, used or too old.
    pub async fn consume_signin_link(&self, token: &str) -> Result<User> {
        todo!()
    }
}
