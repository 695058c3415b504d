//! Links that sign in once, for whoever has no password yet.

use std::time::Duration;

use pluvio_model::id::UserId;

use crate::account::{User, digest, milliseconds};
use crate::audit::record;
use crate::row::Columns;
use crate::seal::random;
use crate::transaction::transaction;
use crate::{Result, Store, StoreError};

impl Store {
    /// Makes a sign-in link's token: works once, for `lifetime` (fifteen minutes is usual).
    pub async fn make_signin_link(&self, user: UserId, lifetime: Duration) -> Result<String> {
        let token = hex::encode(random::<32>()?);
        transaction!(self, tx => {
            let insert = sqlx::query(
                "INSERT INTO signin_links (hash, user_id, expires_at) VALUES ($1, $2, $3) \
                 RETURNING (SELECT name FROM users WHERE id = user_id) AS name",
            )
            .bind(digest(&token))
            .bind(user.to_string())
            .bind(tx.now_ms() + milliseconds(lifetime));
            let name = tx.one("user", insert).await?.text("name")?;
            let object = format!("sign-in link for {name}");
            record(&mut tx, None, &name, "token:manage", &object, "created").await
        })?;
        Ok(token)
    }

    /// Uses a sign-in link up. [`crate::StoreError::Link`] when it is unknown, used or too old.
    pub async fn consume_signin_link(&self, token: &str) -> Result<User> {
        let hash = digest(token);
        let user: UserId = transaction!(self, tx => {
            let consume = sqlx::query(
                "UPDATE signin_links SET used_at = $2 WHERE hash = $1 AND used_at IS NULL \
                 AND expires_at > $2 RETURNING user_id",
            )
            .bind(hash.clone())
            .bind(tx.now_ms());
            match tx.maybe(consume).await? {
                Some(row) => row.parsed("user_id"),
                None => Err(StoreError::Link),
            }
        })?;
        self.user(user).await
    }
}
