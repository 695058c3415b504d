//! By what clusters pull: one credential for each team and cluster, made when it is first wanted.

use std::time::Duration;

use jiff::Timestamp;
use pluvio_model::id::{ClusterId, TeamId};
use sha2::{Digest, Sha256};

use crate::audit::record;
use crate::row::Columns;
use crate::seal::random;
use crate::transaction::transaction;
use crate::{Result, Store, StoreError};

/// What a cluster sends.
#[derive(Clone, PartialEq, Eq)]
pub struct PullCredential {
    pub username: String,
    pub password: String,
    pub rotated_at: Timestamp,
}

impl std::fmt::Debug for PullCredential {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "PullCredential({})", self.username)
    }
}

/// Names the user of every pull credential: which one it is tells the password.
const USERNAME: &str = "cluster";

impl Store {
    /// The credential by which a cluster pulls a team's images, made when there is none.
    pub async fn pull_credential(
        &self,
        team: TeamId,
        cluster: ClusterId,
    ) -> Result<PullCredential> {
        let known = sqlx::query("SELECT * FROM pull_credentials WHERE team = $1 AND cluster = $2")
            .bind(team.to_string())
            .bind(cluster.to_string());
        if let Some(row) = self.read_maybe(known).await? {
            let plain = self
                .inner
                .seal
                .open(&place(team, cluster), &row.bytes("sealed")?)?;
            let password = String::from_utf8(plain).map_err(|error| StoreError::Corrupt {
                what: "a pull credential",
                why: error.to_string(),
            })?;
            return Ok(PullCredential {
                username: USERNAME.to_owned(),
                password,
                rotated_at: row.time("rotated_at")?,
            });
        }
        self.rotate_pull_credential(team, cluster, Duration::ZERO, "pluvio")
            .await
    }

    /// Makes another credential; the one before goes on for `overlap`.
    pub async fn rotate_pull_credential(
        &self,
        team: TeamId,
        cluster: ClusterId,
        overlap: Duration,
        actor: &str,
    ) -> Result<PullCredential> {
        let password = format!("pull_{}", hex::encode(random::<32>()?));
        transaction!(self, tx => {
            let sealed = tx.seal.seal(&place(team, cluster), password.as_bytes())?;
            let until = tx.now_ms().saturating_add(overlap.as_millis() as i64);
            let put = sqlx::query(
                "INSERT INTO pull_credentials (team, cluster, sealed, hash, rotated_at) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (team, cluster) DO UPDATE SET previous_hash = pull_credentials.hash, \
                 previous_until = $6, sealed = $3, hash = $4, rotated_at = $5",
            )
            .bind(team.to_string())
            .bind(cluster.to_string())
            .bind(sealed)
            .bind(digest(&password))
            .bind(tx.now_ms())
            .bind(until);
            tx.run(put).await?;
            let object = format!("pull credential of cluster {cluster}");
            record(&mut tx, Some(team), actor, "credential:write", &object, "made").await?;
            Ok(PullCredential {
                username: USERNAME.to_owned(),
                password: password.clone(),
                rotated_at: tx.now,
            })
        })
    }

    /// The team whose images this password lets a cluster pull, and the cluster.
    pub async fn pulls(&self, password: &str) -> Result<Option<(TeamId, ClusterId)>> {
        let query = sqlx::query(
            "SELECT * FROM pull_credentials WHERE hash = $1 OR (previous_hash = $1 AND previous_until > $2)",
        )
        .bind(digest(password))
        .bind(Timestamp::now().as_millisecond());
        let row = self.read_maybe(query).await?;
        row.map(|row| Ok((row.parsed("team")?, row.parsed("cluster")?)))
            .transpose()
    }
}

fn digest(password: &str) -> String {
    hex::encode(Sha256::digest(password.as_bytes()))
}

fn place(team: TeamId, cluster: ClusterId) -> String {
    format!("pull_credentials/{team}/{cluster}")
}
