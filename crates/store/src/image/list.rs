//! What there is: repositories, tags, what a team's images take of its quota.

use jiff::Timestamp;
use pluvio_model::id::TeamId;
use pluvio_model::name::Name;

use super::over_quota;
use crate::audit::record;
use crate::row::Columns;
use crate::transaction::transaction;
use crate::{Result, Store, StoreError};

/// Bytes of a team's images; a content that several repositories hold counts once.
pub(super) const USED: &str = "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) AS bytes FROM \
     (SELECT DISTINCT c.digest, c.bytes FROM image_contents c \
      JOIN image_repositories r ON r.id = c.repository WHERE r.team = $1) held";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryRow {
    /// `TEAM/…`
    pub name: String,
    pub tags: u64,
    pub manifests: u64,
    pub bytes: u64,
    pub pushed_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagRow {
    pub name: String,
    pub digest: String,
    pub media_type: String,
    /// What the manifest and what it names take together; of an index, its parts are not counted.
    pub bytes: u64,
    pub updated_at: Timestamp,
}

impl Store {
    /// A team's repositories, by name.
    pub async fn image_repositories(&self, team: TeamId) -> Result<Vec<RepositoryRow>> {
        let query = sqlx::query(
            "SELECT r.name, \
             (SELECT COUNT(*) FROM image_tags t WHERE t.repository = r.id) AS tags, \
             (SELECT COUNT(*) FROM image_manifests m WHERE m.repository = r.id) AS manifests, \
             (SELECT CAST(COALESCE(SUM(c.bytes), 0) AS BIGINT) FROM image_contents c WHERE c.repository = r.id) AS bytes, \
             (SELECT MAX(m.pushed_at) FROM image_manifests m WHERE m.repository = r.id) AS pushed_at \
             FROM image_repositories r WHERE r.team = $1 ORDER BY r.name",
        )
        .bind(team.to_string());
        let rows = self.read_all(query).await?;
        let read = |row: &sqlx::any::AnyRow| {
            Ok(RepositoryRow {
                name: row.text("name")?,
                tags: row.count("tags")?,
                manifests: row.count("manifests")?,
                bytes: row.count("bytes")?,
                pushed_at: row.maybe_time("pushed_at")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// The tags of a repository in the order of their bytes; `None` when there is no such repository.
    pub async fn image_tags(&self, repository: &str) -> Result<Option<Vec<TagRow>>> {
        let there = sqlx::query("SELECT id FROM image_repositories WHERE name = $1")
            .bind(repository.to_owned());
        let Some(row) = self.read_maybe(there).await? else {
            return Ok(None);
        };
        let query = sqlx::query(
            "SELECT t.name, t.digest, t.updated_at, m.media_type, \
             m.bytes + (SELECT CAST(COALESCE(SUM(c.bytes), 0) AS BIGINT) FROM image_names n \
               JOIN image_contents c ON c.repository = n.repository AND c.digest = n.digest \
               WHERE n.repository = m.repository AND n.manifest = m.digest) AS bytes \
             FROM image_tags t JOIN image_manifests m ON m.repository = t.repository AND m.digest = t.digest \
             WHERE t.repository = $1 ORDER BY t.name",
        )
        .bind(row.text("id")?);
        let rows = self.read_all(query).await?;
        let read = |row: &sqlx::any::AnyRow| {
            Ok(TagRow {
                name: row.text("name")?,
                digest: row.text("digest")?,
                media_type: row.text("media_type")?,
                bytes: row.count("bytes")?,
                updated_at: row.time("updated_at")?,
            })
        };
        rows.iter().map(read).collect::<Result<_>>().map(Some)
    }

    /// The team that a repository's name begins with.
    pub async fn team_named(&self, name: &str) -> Result<Option<TeamId>> {
        let query = sqlx::query("SELECT id FROM teams WHERE name = $1").bind(name.to_owned());
        let row = self.read_maybe(query).await?;
        row.map(|row| row.parsed("id")).transpose()
    }

    pub async fn team_name(&self, team: TeamId) -> Result<Name> {
        let query = sqlx::query("SELECT name FROM teams WHERE id = $1").bind(team.to_string());
        self.read_one("team", query).await?.parsed("name")
    }

    /// What a team's images take, and what they may take where the team has a quota of its own.
    pub async fn image_usage(&self, team: TeamId) -> Result<(u64, Option<u64>)> {
        let used = self
            .read_one("team", sqlx::query(USED).bind(team.to_string()))
            .await?
            .count("bytes")?;
        let own =
            sqlx::query("SELECT bytes FROM image_quotas WHERE team = $1").bind(team.to_string());
        let own = self.read_maybe(own).await?;
        let own = own.map(|row| row.count("bytes")).transpose()?;
        Ok((used, own))
    }

    /// Refused where `bytes` more would not fit in the team's quota, or `quota` where it has none of its own. Told before
    /// much is received; what holds is said once it is there.
    pub async fn check_image_quota(
        &self,
        team: TeamId,
        bytes: u64,
        quota: Option<u64>,
    ) -> Result<Option<u64>> {
        let (used, own) = self.image_usage(team).await?;
        let Some(quota) = own.or(quota) else {
            return Ok(None);
        };
        match used.saturating_add(bytes) > quota {
            true => Err(StoreError::Refused(Box::new(over_quota(
                used, bytes, quota,
            )))),
            false => Ok(Some(quota - used)),
        }
    }

    /// Gives a team a quota of its own, or with `None` the configuration's.
    pub async fn set_image_quota(
        &self,
        team: TeamId,
        bytes: Option<u64>,
        actor: &str,
    ) -> Result<()> {
        transaction!(self, tx => {
            let delete = sqlx::query("DELETE FROM image_quotas WHERE team = $1").bind(team.to_string());
            tx.run(delete).await?;
            if let Some(bytes) = bytes {
                let insert = sqlx::query("INSERT INTO image_quotas (team, bytes) VALUES ($1, $2)")
                    .bind(team.to_string())
                    .bind(bytes as i64);
                tx.run(insert).await?;
            }
            let result = bytes.map_or("the configuration's".to_owned(), |bytes| format!("{bytes} bytes"));
            record(&mut tx, Some(team), actor, "image:manage", "quota of images", &result).await
        })
    }
}
