//! Who there is: organization, teams, environments, users, and the proofs by which they come in.
//!
//! Tokens of every kind are random, shown once, and kept as SHA-256 only; passwords are kept as Argon2id.

use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use jiff::Timestamp;
use pluvio_model::id::{ClusterId, EnvironmentId, OrganizationId, TeamId, TokenId, UserId};
use pluvio_model::name::Name;
use pluvio_model::permission::Role;

use sha2::{Digest, Sha256};
use sqlx::any::AnyRow;

use crate::audit::record;
use crate::row::{Columns, fresh, json, word};
use crate::seal::random;
use crate::transaction::{Tx, transaction};
use crate::{Result, Store, StoreError};

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
    /// Where its applications run; the engine when absent.
    pub cluster: Option<ClusterId>,
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
        let query = sqlx::query(
            "SELECT t.id AS team, t.name AS team_name, e.id AS environment, e.name AS environment_name, e.cluster \
             FROM environments e JOIN teams t ON t.id = e.team WHERE t.name = $1 AND e.name = $2",
        )
        .bind(team.to_owned())
        .bind(environment.to_owned());
        read_scope(&self.read_one("environment", query).await?)
    }

    /// Every environment of a team, by name.
    pub async fn environments(&self, team: TeamId) -> Result<Vec<Scope>> {
        let query = sqlx::query(
            "SELECT t.id AS team, t.name AS team_name, e.id AS environment, e.name AS environment_name, e.cluster \
             FROM environments e JOIN teams t ON t.id = e.team WHERE t.id = $1 ORDER BY e.name",
        )
        .bind(team.to_string());
        self.read_all(query).await?.iter().map(read_scope).collect()
    }

    /// Makes a user without a password.
    pub async fn create_user(
        &self,
        name: &Name,
        display_name: Option<&str>,
        memberships: &[(TeamId, Role)],
        actor: &str,
    ) -> Result<User> {
        let organization = self.home().organization;
        let id = transaction!(self, tx => {
            let id = insert_user(&mut tx, organization, name, display_name).await?;
            for (team, role) in memberships {
                let insert = sqlx::query(
                    "INSERT INTO memberships (user_id, team, role) VALUES ($1, $2, $3)",
                )
                .bind(id.to_string())
                .bind(team.to_string())
                .bind(word(role));
                tx.run(insert).await?;
            }
            record(&mut tx, None, actor, "team:manage", &format!("user {name}"), "created").await?;
            Ok(id)
        })?;
        self.user(id).await
    }

    pub async fn user(&self, id: UserId) -> Result<User> {
        let query = sqlx::query("SELECT * FROM users WHERE id = $1").bind(id.to_string());
        let row = self.read_one("user", query).await?;
        self.read_user(&row).await
    }

    pub async fn user_by_name(&self, name: &str) -> Result<User> {
        let query = sqlx::query("SELECT * FROM users WHERE name = $1").bind(name.to_owned());
        let row = self.read_one("user", query).await?;
        self.read_user(&row).await
    }

    /// Everyone, by name.
    pub async fn users(&self) -> Result<Vec<User>> {
        let rows = self
            .read_all(sqlx::query("SELECT * FROM users ORDER BY name"))
            .await?;
        let mut users = Vec::with_capacity(rows.len());
        for row in &rows {
            users.push(self.read_user(row).await?);
        }
        Ok(users)
    }

    async fn read_user(&self, row: &AnyRow) -> Result<User> {
        let id: UserId = row.parsed("id")?;
        let memberships = sqlx::query(
            "SELECT m.team, m.role, t.name AS team_name FROM memberships m JOIN teams t ON t.id = m.team \
             WHERE m.user_id = $1 ORDER BY t.name",
        )
        .bind(id.to_string());
        let memberships = self.read_all(memberships).await?;
        Ok(User {
            id,
            name: row.parsed("name")?,
            display_name: row.maybe_text("display_name")?,
            has_password: row.maybe_text("password_hash")?.is_some(),
            memberships: memberships
                .iter()
                .map(|row| {
                    Ok(Membership {
                        team: row.parsed("team")?,
                        team_name: row.parsed("team_name")?,
                        role: row.word("role")?,
                    })
                })
                .collect::<Result<_>>()?,
            created_at: row.time("created_at")?,
        })
    }

    /// Sets (or with `None` removes) the password; every session of the user but the one of the cookie `keep` ends.
    pub async fn set_password(
        &self,
        user: UserId,
        password: Option<&str>,
        keep: Option<&str>,
        actor: &str,
    ) -> Result<()> {
        let hash = match password {
            Some(password) => Some(hash_password(password.to_owned()).await?),
            None => None,
        };
        let keep = keep.map(digest).unwrap_or_default();
        transaction!(self, tx => {
            let update = sqlx::query("UPDATE users SET password_hash = $2 WHERE id = $1")
                .bind(user.to_string())
                .bind(hash.clone());
            if tx.run(update).await? == 0 {
                return Err(StoreError::NotFound { what: "user" });
            }
            let end = sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND hash <> $2")
                .bind(user.to_string())
                .bind(keep.clone());
            tx.run(end).await?;
            let result = if hash.is_some() { "set" } else { "removed" };
            record(&mut tx, None, actor, "password", &format!("user {user}"), result).await
        })
    }

    /// The user when the password is right. Takes as long when there is no such user.
    pub async fn check_password(&self, name: &str, password: &str) -> Result<Option<User>> {
        let query = sqlx::query("SELECT * FROM users WHERE name = $1").bind(name.to_owned());
        let row = self.read_maybe(query).await?;
        let stored = match &row {
            Some(row) => row.maybe_text("password_hash")?,
            None => None,
        };
        let Some(stored) = stored else {
            hash_password(password.to_owned()).await?;
            return Ok(None);
        };
        let password = password.to_owned();
        let right = tokio::task::spawn_blocking(move || {
            let stored = PasswordHash::new(&stored).map_err(|error| StoreError::Corrupt {
                what: "a password's hash",
                why: error.to_string(),
            })?;
            Ok::<_, StoreError>(
                Argon2::default()
                    .verify_password(password.as_bytes(), &stored)
                    .is_ok(),
            )
        })
        .await
        .map_err(broken)??;
        match row {
            Some(row) if right => self.read_user(&row).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Opens a session that ends after `lifetime`, or after `idle` without a request.
    pub async fn open_session(
        &self,
        user: UserId,
        lifetime: Duration,
        idle: Duration,
    ) -> Result<Opened> {
        let user = self.user(user).await?;
        let token = hex::encode(random::<32>()?);
        let (created_at, expires_at) = transaction!(self, tx => {
            let expires = tx.now_ms() + milliseconds(lifetime);
            let insert = sqlx::query(
                "INSERT INTO sessions (hash, user_id, created_at, expires_at, idle_ms, seen_at) \
                 VALUES ($1, $2, $3, $4, $5, $3)",
            )
            .bind(digest(&token))
            .bind(user.id.to_string())
            .bind(tx.now_ms())
            .bind(expires)
            .bind(milliseconds(idle));
            tx.run(insert).await?;
            record(&mut tx, None, user.name.as_str(), "sign-in", &format!("user {}", user.name), "done")
                .await?;
            Ok((tx.now, Timestamp::from_millisecond(expires).unwrap_or(Timestamp::MAX)))
        })?;
        let session = Session {
            user,
            csrf: csrf(&token),
            created_at,
            expires_at,
        };
        Ok(Opened { token, session })
    }

    /// The session of a cookie; `None` when it is unknown or has ended. Moves its idle time on (at most once a minute).
    pub async fn session(&self, token: &str) -> Result<Option<Session>> {
        let hash = digest(token);
        let query = sqlx::query("SELECT * FROM sessions WHERE hash = $1").bind(hash.clone());
        let Some(row) = self.read_maybe(query).await? else {
            return Ok(None);
        };
        let now = Timestamp::now().as_millisecond();
        let seen = row.number("seen_at")?;
        if now > row.number("expires_at")? || now > seen.saturating_add(row.number("idle_ms")?) {
            return Ok(None);
        }
        if now - seen > 60_000 {
            transaction!(self, tx => {
                let update = sqlx::query("UPDATE sessions SET seen_at = $2 WHERE hash = $1")
                    .bind(hash.clone())
                    .bind(tx.now_ms());
                tx.run(update).await
            })?;
        }
        Ok(Some(Session {
            user: self.user(row.parsed("user_id")?).await?,
            csrf: csrf(token),
            created_at: row.time("created_at")?,
            expires_at: row.time("expires_at")?,
        }))
    }

    pub async fn close_session(&self, token: &str) -> Result<()> {
        let hash = digest(token);
        transaction!(self, tx => {
            let delete = sqlx::query(
                "DELETE FROM sessions WHERE hash = $1 \
                 RETURNING (SELECT name FROM users WHERE id = user_id) AS name",
            )
            .bind(hash.clone());
            if let Some(row) = tx.maybe(delete).await? {
                let name = row.text("name")?;
                record(&mut tx, None, &name, "sign-out", &format!("user {name}"), "done").await?;
            }
            Ok(())
        })
    }

    /// Makes an API token. The text is shown once.
    pub async fn create_token(&self, new: NewToken, actor: &str) -> Result<(Token, String)> {
        if new.name.is_empty() || new.name.len() > 100 {
            return Err(StoreError::Invalid {
                what: "the token's name",
                why: "it has 1 to 100 characters".to_owned(),
            });
        }
        let text = format!("pluvio_{}", hex::encode(random::<32>()?));
        let token = transaction!(self, tx => {
            let id = TokenId(fresh());
            let insert = sqlx::query(
                "INSERT INTO tokens (id, user_id, name, hash, role, created_at, expires_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(id.to_string())
            .bind(new.user.to_string())
            .bind(new.name.clone())
            .bind(digest(&text))
            .bind(word(new.role))
            .bind(tx.now_ms())
            .bind(new.expires_at.map(|time| time.as_millisecond()));
            tx.run(insert).await?;
            let object = format!("token {}", new.name);
            record(&mut tx, None, actor, "token:manage", &object, "created").await?;
            Ok(Token {
                id,
                name: new.name.clone(),
                user: new.user,
                role: new.role,
                created_at: tx.now,
                expires_at: new.expires_at,
                last_used_at: None,
            })
        })?;
        Ok((token, text))
    }

    /// A user's tokens, the oldest first.
    pub async fn tokens(&self, user: UserId) -> Result<Vec<Token>> {
        let query = sqlx::query("SELECT * FROM tokens WHERE user_id = $1 ORDER BY id")
            .bind(user.to_string());
        self.read_all(query).await?.iter().map(read_token).collect()
    }

    pub async fn revoke_token(&self, user: UserId, id: TokenId, actor: &str) -> Result<()> {
        transaction!(self, tx => {
            let delete = sqlx::query("DELETE FROM tokens WHERE id = $1 AND user_id = $2")
                .bind(id.to_string())
                .bind(user.to_string());
            if tx.run(delete).await? == 0 {
                return Err(StoreError::NotFound { what: "token" });
            }
            record(&mut tx, None, actor, "token:manage", &format!("token {id}"), "revoked").await
        })
    }

    /// The token and its user, for a bearer's text; `None` when unknown, revoked or expired.
    pub async fn bearer(&self, text: &str) -> Result<Option<(Token, User)>> {
        let query = sqlx::query("SELECT * FROM tokens WHERE hash = $1").bind(digest(text));
        let Some(row) = self.read_maybe(query).await? else {
            return Ok(None);
        };
        let token = read_token(&row)?;
        let now = Timestamp::now();
        if token.expires_at.is_some_and(|end| end <= now) {
            return Ok(None);
        }
        let used = token.last_used_at.map_or(0, |time| time.as_millisecond());
        if now.as_millisecond() - used > 60_000 {
            transaction!(self, tx => {
                let update = sqlx::query("UPDATE tokens SET last_used_at = $2 WHERE id = $1")
                    .bind(token.id.to_string())
                    .bind(tx.now_ms());
                tx.run(update).await
            })?;
        }
        let user = self.user(token.user).await?;
        Ok(Some((token, user)))
    }
}

/// Makes the organization, team, environment and owner where there are none; checks the seal key where there are.
pub(crate) async fn first_start(store: &Store) -> Result<Home> {
    const CHECK: &str = "meta/seal";
    transaction!(store, tx => {
        let known = tx.maybe(sqlx::query("SELECT value FROM meta WHERE key = 'home'")).await?;
        if let Some(row) = known {
            let check = tx.one("seal", sqlx::query("SELECT value FROM meta WHERE key = 'seal'")).await?;
            let check = hex::decode(check.text("value")?).unwrap_or_default();
            tx.seal.open(CHECK, &check).map_err(|_| StoreError::Corrupt {
                what: "the seal key",
                why: "it is not the one under which this data was sealed".to_owned(),
            })?;
            let [organization, team, environment, owner]: [uuid::Uuid; 4] = row.json("value")?;
            return Ok(Home {
                organization: OrganizationId(organization),
                team: TeamId(team),
                environment: EnvironmentId(environment),
                owner: UserId(owner),
            });
        }
        let now = tx.now_ms();
        let (organization, team, environment) = (fresh(), fresh(), fresh());
        let insert = "INSERT INTO organizations (id, name, created_at) VALUES ($1, $2, $3)";
        tx.run(sqlx::query(insert).bind(organization.to_string()).bind("default").bind(now)).await?;
        for (insert, id, belongs_to, name) in [
            (
                "INSERT INTO teams (id, organization, name, created_at) VALUES ($1, $2, $3, $4)",
                team,
                organization,
                "main",
            ),
            (
                "INSERT INTO environments (id, team, name, created_at) VALUES ($1, $2, $3, $4)",
                environment,
                team,
                "production",
            ),
        ] {
            let insert = sqlx::query(insert)
                .bind(id.to_string())
                .bind(belongs_to.to_string())
                .bind(name)
                .bind(now);
            tx.run(insert).await?;
        }
        let owner = "owner".parse().expect("is a name");
        let owner = insert_user(&mut tx, OrganizationId(organization), &owner, None).await?;
        let member = sqlx::query("INSERT INTO memberships (user_id, team, role) VALUES ($1, $2, $3)")
            .bind(owner.to_string())
            .bind(team.to_string())
            .bind(word(Role::Owner));
        tx.run(member).await?;
        let sealed = hex::encode(tx.seal.seal(CHECK, b"pluvio")?);
        let home = json(&[organization, team, environment, owner.0]);
        for (key, value) in [("seal", sealed), ("home", home)] {
            let insert = sqlx::query("INSERT INTO meta (key, value) VALUES ($1, $2)").bind(key).bind(value);
            tx.run(insert).await?;
        }
        Ok(Home {
            organization: OrganizationId(organization),
            team: TeamId(team),
            environment: EnvironmentId(environment),
            owner,
        })
    })
}

async fn insert_user(
    tx: &mut Tx,
    organization: OrganizationId,
    name: &Name,
    display_name: Option<&str>,
) -> Result<UserId> {
    let taken = sqlx::query("SELECT id FROM users WHERE organization = $1 AND name = $2")
        .bind(organization.to_string())
        .bind(name.to_string());
    if tx.maybe(taken).await?.is_some() {
        return Err(StoreError::NameTaken {
            what: "user",
            name: name.to_string(),
        });
    }
    let id = UserId(fresh());
    let insert = sqlx::query(
        "INSERT INTO users (id, organization, name, display_name, created_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(id.to_string())
    .bind(organization.to_string())
    .bind(name.to_string())
    .bind(display_name.map(str::to_owned))
    .bind(tx.now_ms());
    tx.run(insert).await?;
    Ok(id)
}

pub(crate) fn read_scope(row: &AnyRow) -> Result<Scope> {
    Ok(Scope {
        team: row.parsed("team")?,
        team_name: row.parsed("team_name")?,
        environment: row.parsed("environment")?,
        environment_name: row.parsed("environment_name")?,
        cluster: row.maybe_parsed("cluster")?,
    })
}

fn read_token(row: &AnyRow) -> Result<Token> {
    Ok(Token {
        id: row.parsed("id")?,
        name: row.text("name")?,
        user: row.parsed("user_id")?,
        role: row.word("role")?,
        created_at: row.time("created_at")?,
        expires_at: row.maybe_time("expires_at")?,
        last_used_at: row.maybe_time("last_used_at")?,
    })
}

pub(crate) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

/// What is kept of a random token. It has 256 bits of chance, so one round of a fast hash is enough.
pub(crate) fn digest(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

/// Derived from the session's token, so that it need not be kept; it tells nothing about the token.
fn csrf(token: &str) -> String {
    let hash = Sha256::new_with_prefix(b"csrf/").chain_update(token.as_bytes());
    hex::encode(hash.finalize())
}

/// Argon2id with the crate's parameters (19 MiB, two passes: OWASP's first choice), off the runtime's threads.
async fn hash_password(password: String) -> Result<String> {
    tokio::task::spawn_blocking(move || {
        Argon2::default()
            .hash_password(password.as_bytes())
            .map(|hash| hash.to_string())
            .map_err(broken)
    })
    .await
    .map_err(broken)?
}

fn broken(error: impl std::fmt::Display) -> StoreError {
    StoreError::Invalid {
        what: "the password",
        why: error.to_string(),
    }
}
