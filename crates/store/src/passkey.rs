//! Passkeys: who may sign in with which. Signatures are checked by the caller; here is what must be true of the rows.

use jiff::Timestamp;
use pluvio_model::id::{PasskeyId, UserId};
use pluvio_model::name::Name;
use sqlx::any::AnyRow;

use crate::account::digest;
use crate::audit::record;
use crate::row::{Columns, fresh};
use crate::transaction::transaction;
use crate::{Result, Store, StoreError};

/// More than anybody has devices; a bound on what the browser is told to leave out.
const PASSKEYS_MAX: i64 = 30;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    pub id: PasskeyId,
    pub user: UserId,
    pub user_name: Name,
    /// As its owner calls it.
    pub name: String,
    /// The authenticator's name for it.
    pub credential: Vec<u8>,
    /// What signatures are checked with, as the caller wrote it.
    pub public_key: Vec<u8>,
    /// What changes with each use, as the caller wrote it.
    pub state: Vec<u8>,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
}

#[derive(Debug, Clone)]
pub struct NewPasskey {
    pub user: UserId,
    pub name: String,
    pub credential: Vec<u8>,
    pub public_key: Vec<u8>,
    pub state: Vec<u8>,
}

impl Store {
    /// A user's passkeys, the oldest first.
    pub async fn passkeys(&self, user: UserId) -> Result<Vec<Passkey>> {
        let query = sqlx::query(
            "SELECT p.*, u.name AS user_name FROM passkeys p JOIN users u ON u.id = p.user_id \
             WHERE p.user_id = $1 ORDER BY p.id",
        )
        .bind(user.to_string());
        let rows = self.read_all(query).await?;
        rows.iter().map(read_passkey).collect()
    }

    /// The passkey that an authenticator calls so.
    pub async fn passkey_by_credential(&self, credential: &[u8]) -> Result<Option<Passkey>> {
        let query = sqlx::query(
            "SELECT p.*, u.name AS user_name FROM passkeys p JOIN users u ON u.id = p.user_id \
             WHERE p.credential = $1",
        )
        .bind(hex::encode(credential));
        let row = self.read_maybe(query).await?;
        row.as_ref().map(read_passkey).transpose()
    }

    /// Keeps a passkey whose first signature was right.
    pub async fn add_passkey(&self, new: NewPasskey, actor: &str) -> Result<Passkey> {
        let credential = hex::encode(&new.credential);
        let id = PasskeyId(fresh());
        transaction!(self, tx => {
            let held = sqlx::query("SELECT COUNT(*) AS held FROM passkeys WHERE user_id = $1")
                .bind(new.user.to_string());
            if tx.one("user", held).await?.number("held")? >= PASSKEYS_MAX {
                return Err(StoreError::Invalid {
                    what: "another passkey",
                    why: format!("a person has {PASSKEYS_MAX} at most; remove one that is no longer used"),
                });
            }
            let taken = sqlx::query("SELECT id FROM passkeys WHERE credential = $1")
                .bind(credential.clone());
            if tx.maybe(taken).await?.is_some() {
                return Err(StoreError::Stale { what: "this passkey, which is known already," });
            }
            let insert = sqlx::query(
                "INSERT INTO passkeys (id, user_id, name, credential, public_key, state, created_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(id.to_string())
            .bind(new.user.to_string())
            .bind(new.name.clone())
            .bind(credential.clone())
            .bind(hex::encode(&new.public_key))
            .bind(hex::encode(&new.state))
            .bind(tx.now_ms());
            tx.run(insert).await?;
            record(&mut tx, None, actor, "passkey", &format!("passkey {}", new.name), "added").await
        })?;
        self.passkey(new.user, id).await
    }

    async fn passkey(&self, user: UserId, id: PasskeyId) -> Result<Passkey> {
        let query = sqlx::query(
            "SELECT p.*, u.name AS user_name FROM passkeys p JOIN users u ON u.id = p.user_id \
             WHERE p.id = $1 AND p.user_id = $2",
        )
        .bind(id.to_string())
        .bind(user.to_string());
        read_passkey(&self.read_one("passkey", query).await?)
    }

    pub async fn rename_passkey(
        &self,
        user: UserId,
        id: PasskeyId,
        name: &str,
        actor: &str,
    ) -> Result<Passkey> {
        transaction!(self, tx => {
            let update = sqlx::query("UPDATE passkeys SET name = $3 WHERE id = $1 AND user_id = $2")
                .bind(id.to_string())
                .bind(user.to_string())
                .bind(name.to_owned());
            if tx.run(update).await? == 0 {
                return Err(StoreError::NotFound { what: "passkey" });
            }
            record(&mut tx, None, actor, "passkey", &format!("passkey {name}"), "renamed").await
        })?;
        self.passkey(user, id).await
    }

    /// Removes a passkey. Whoever has the device may have signed in with it: every session of the user but the one of the
    /// cookie `keep` ends, as with a new password.
    pub async fn remove_passkey(
        &self,
        user: UserId,
        id: PasskeyId,
        keep: Option<&str>,
        actor: &str,
    ) -> Result<()> {
        let keep = keep.map(digest).unwrap_or_default();
        transaction!(self, tx => {
            let delete = sqlx::query("DELETE FROM passkeys WHERE id = $1 AND user_id = $2 RETURNING name")
                .bind(id.to_string())
                .bind(user.to_string());
            let Some(row) = tx.maybe(delete).await? else {
                return Err(StoreError::NotFound { what: "passkey" });
            };
            let end = sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND hash <> $2")
                .bind(user.to_string())
                .bind(keep.clone());
            tx.run(end).await?;
            let object = format!("passkey {}", row.text("name")?);
            record(&mut tx, None, actor, "passkey", &object, "removed").await
        })
    }

    /// Counts a use whose signature was right. [`StoreError::Stale`] when the passkey is gone or was used since it was read:
    /// of two that show the same counter, one is a copy.
    pub async fn use_passkey(&self, passkey: &Passkey, state: &[u8]) -> Result<()> {
        transaction!(self, tx => {
            let update = sqlx::query(
                "UPDATE passkeys SET state = $3, last_used_at = $4 WHERE id = $1 AND state = $2",
            )
            .bind(passkey.id.to_string())
            .bind(hex::encode(&passkey.state))
            .bind(hex::encode(state))
            .bind(tx.now_ms());
            if tx.run(update).await? == 0 {
                return Err(StoreError::Stale { what: "the passkey" });
            }
            let object = format!("passkey {}", passkey.name);
            record(&mut tx, None, passkey.user_name.as_str(), "sign-in", &object, "used").await
        })
    }
}

fn read_passkey(row: &AnyRow) -> Result<Passkey> {
    let bytes = |column: &'static str| {
        hex::decode(row.text(column)?).map_err(|error| StoreError::Corrupt {
            what: column,
            why: error.to_string(),
        })
    };
    Ok(Passkey {
        id: row.parsed("id")?,
        user: row.parsed("user_id")?,
        user_name: row.parsed("user_name")?,
        name: row.text("name")?,
        credential: bytes("credential")?,
        public_key: bytes("public_key")?,
        state: bytes("state")?,
        created_at: row.time("created_at")?,
        last_used_at: row.maybe_time("last_used_at")?,
    })
}
