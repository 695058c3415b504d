//! Credentials for registries and Git hosts: by team, sealed.

use jiff::Timestamp;
use pluvio_model::id::TeamId;
use pluvio_model::name::Name;
use serde::{Deserialize, Serialize};

use sqlx::any::AnyRow;

use crate::audit::{NewAudit, record};
use crate::row::{Columns, word};
use crate::transaction::transaction;
use crate::{Result, Store, StoreError};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialKind {
    Registry,
    GitHttps,
    GitSsh,
}

/// Without the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    pub name: Name,
    pub kind: CredentialKind,
    /// `ghcr.io`, `git.example.com`
    pub host: String,
    pub username: Option<String>,
    pub updated_at: Timestamp,
}

/// A password, a token or a private key.
#[derive(Clone, PartialEq, Eq)]
pub struct CredentialSecret(pub String);

impl std::fmt::Debug for CredentialSecret {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.write_str("‹secret›")
    }
}

#[derive(Debug, Clone)]
pub struct NewCredential {
    pub team: TeamId,
    pub name: Name,
    pub kind: CredentialKind,
    pub host: String,
    pub username: Option<String>,
    pub secret: CredentialSecret,
}

impl Store {
    /// Stores a credential, in place of the one of that name.
    pub async fn put_credential(&self, new: NewCredential, actor: &str) -> Result<Credential> {
        transaction!(self, tx => {
            let place = place(new.team, new.name.as_str());
            let sealed = tx.seal.seal(&place, new.secret.0.as_bytes())?;
            let put = sqlx::query(
                "INSERT INTO credentials (team, name, kind, host, username, sealed, updated_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (team, name) DO UPDATE \
                 SET kind = $3, host = $4, username = $5, sealed = $6, updated_at = $7",
            )
            .bind(new.team.to_string())
            .bind(new.name.to_string())
            .bind(word(new.kind))
            .bind(new.host.clone())
            .bind(new.username.clone())
            .bind(sealed)
            .bind(tx.now_ms());
            tx.run(put).await?;
            let object = format!("credential {}", new.name);
            record(&mut tx, Some(new.team), actor, "credential:write", &object, "set").await?;
            Ok(Credential {
                name: new.name.clone(),
                kind: new.kind,
                host: new.host.clone(),
                username: new.username.clone(),
                updated_at: tx.now,
            })
        })
    }

    /// By name.
    pub async fn credentials(&self, team: TeamId) -> Result<Vec<Credential>> {
        let query = sqlx::query("SELECT * FROM credentials WHERE team = $1 ORDER BY name")
            .bind(team.to_string());
        self.read_all(query).await?.iter().map(read).collect()
    }

    pub async fn credential(
        &self,
        team: TeamId,
        name: &str,
    ) -> Result<(Credential, CredentialSecret)> {
        let query = sqlx::query("SELECT * FROM credentials WHERE team = $1 AND name = $2")
            .bind(team.to_string())
            .bind(name.to_owned());
        let row = self.read_one("credential", query).await?;
        self.open_credential(team, &row).await
    }

    /// The team's credential for a host, if it has one: what a pull or fetch without a named one uses.
    pub async fn credential_for(
        &self,
        team: TeamId,
        kind: CredentialKind,
        host: &str,
    ) -> Result<Option<(Credential, CredentialSecret)>> {
        let query = sqlx::query(
            "SELECT * FROM credentials WHERE team = $1 AND kind = $2 AND host = $3 ORDER BY name LIMIT 1",
        )
        .bind(team.to_string())
        .bind(word(kind))
        .bind(host.to_owned());
        let row = self.read_maybe(query).await?;
        match row {
            Some(row) => self.open_credential(team, &row).await.map(Some),
            None => Ok(None),
        }
    }

    pub async fn delete_credential(&self, team: TeamId, name: &str, actor: &str) -> Result<()> {
        transaction!(self, tx => {
            let delete = sqlx::query("DELETE FROM credentials WHERE team = $1 AND name = $2")
                .bind(team.to_string())
                .bind(name.to_owned());
            if tx.run(delete).await? == 0 {
                return Err(StoreError::NotFound { what: "credential" });
            }
            let object = format!("credential {name}");
            record(&mut tx, Some(team), actor, "credential:write", &object, "deleted").await
        })
    }

    /// That it is read is in the audit log before it is.
    async fn open_credential(
        &self,
        team: TeamId,
        row: &AnyRow,
    ) -> Result<(Credential, CredentialSecret)> {
        let credential = read(row)?;
        let reading = NewAudit {
            team: Some(team),
            actor: "pluvio".to_owned(),
            action: "credential:read".to_owned(),
            object: format!("credential {} for {}", credential.name, credential.host),
            result: "read".to_owned(),
        };
        self.audit(reading).await?;
        let place = place(team, credential.name.as_str());
        let plain = self.inner.seal.open(&place, &row.bytes("sealed")?)?;
        let plain = String::from_utf8(plain).map_err(|error| StoreError::Corrupt {
            what: "a credential",
            why: error.to_string(),
        })?;
        Ok((credential, CredentialSecret(plain)))
    }
}

fn place(team: TeamId, name: &str) -> String {
    format!("credentials/{team}/{name}")
}

fn read(row: &AnyRow) -> Result<Credential> {
    Ok(Credential {
        name: row.parsed("name")?,
        kind: row.word("kind")?,
        host: row.text("host")?,
        username: row.maybe_text("username")?,
        updated_at: row.time("updated_at")?,
    })
}
