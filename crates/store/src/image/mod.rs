//! Images in the registry: which repository of which team holds which content, under which tags.
//!
//! Contents themselves (layers, configurations, manifests) are files below [`crate::Blobs`], by digest, shared by all
//! repositories; the registry moves a file into place before its row is written here, so a row always has its file.

mod collect;
mod list;
mod published;
mod pull;

pub use collect::{CollectRule, Collected};
pub use list::{RepositoryRow, TagRow};
pub use pull::PullCredential;

use std::collections::BTreeMap;

use jiff::Timestamp;
use pluvio_model::id::TeamId;
use pluvio_model::problem;
use sqlx::any::AnyRow;

use crate::audit::record;
use crate::row::{Columns, fresh, json};
use crate::transaction::{Tx, transaction};
use crate::{Result, Store, StoreError};

/// How old the last sight of a content may be before another is noted: far below every grace.
const SIGHT_MS: i64 = 10 * 60 * 1000;

/// A manifest that is pushed.
#[derive(Debug, Clone)]
pub struct NewManifest {
    pub digest: String,
    pub media_type: String,
    pub bytes: u64,
    pub subject: Option<String>,
    pub artifact_type: Option<String>,
    pub annotations: BTreeMap<String, String>,
    /// What must be there, else nothing is kept.
    pub needs: Vec<String>,
    /// What it names and may lack: the manifests of other platforms.
    pub may_need: Vec<String>,
    pub tag: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestRow {
    pub digest: String,
    pub media_type: String,
    pub bytes: u64,
    pub artifact_type: Option<String>,
    pub annotations: BTreeMap<String, String>,
    pub pushed_at: Timestamp,
}

/// How a manifest's push ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestPut {
    Kept,
    /// The repository lacks what the manifest names.
    Lacks(Vec<String>),
}

impl Store {
    /// Notes that a repository holds a content, which lies in its place already. The repository is made with its first one.
    /// Refused (`images.quota`) beyond the team's quota, or `quota` where it has none of its own.
    pub async fn put_image_content(
        &self,
        team: TeamId,
        repository: &str,
        digest: &str,
        bytes: u64,
        quota: Option<u64>,
    ) -> Result<()> {
        transaction!(self, tx => {
            let id = repository_for(&mut tx, team, repository).await?;
            hold(&mut tx, team, &id, digest, bytes, quota).await
        })
    }

    /// The size of a content that a repository holds. `wanted`: it was seen by somebody who may rely on it, and is not
    /// collected for a while.
    pub async fn image_content(
        &self,
        repository: &str,
        digest: &str,
        wanted: bool,
    ) -> Result<Option<u64>> {
        let query = sqlx::query(
            "SELECT c.* FROM image_contents c JOIN image_repositories r ON r.id = c.repository \
             WHERE r.name = $1 AND c.digest = $2",
        )
        .bind(repository.to_owned())
        .bind(digest.to_owned());
        let Some(row) = self.read_maybe(query).await? else {
            return Ok(None);
        };
        let seen = row.number("seen_at")?;
        if wanted && Timestamp::now().as_millisecond() - seen > SIGHT_MS {
            let id = row.text("repository")?;
            let seen = transaction!(self, tx => {
                let update = sqlx::query(
                    "UPDATE image_contents SET seen_at = $3 WHERE repository = $1 AND digest = $2",
                )
                .bind(id.clone())
                .bind(digest.to_owned())
                .bind(tx.now_ms());
                tx.run(update).await
            })?;
            if seen == 0 {
                return Ok(None);
            }
        }
        row.count("bytes").map(Some)
    }

    /// A content's size, where one of the team's repositories holds it.
    pub async fn image_content_in_team(&self, team: TeamId, digest: &str) -> Result<Option<u64>> {
        let query = sqlx::query(
            "SELECT c.bytes FROM image_contents c JOIN image_repositories r ON r.id = c.repository \
             WHERE r.team = $1 AND c.digest = $2 LIMIT 1",
        )
        .bind(team.to_string())
        .bind(digest.to_owned());
        let row = self.read_maybe(query).await?;
        row.map(|row| row.count("bytes")).transpose()
    }

    /// A repository takes a content over from another one of the same team; its size, `None` when the other has it not.
    pub async fn mount_image_content(
        &self,
        team: TeamId,
        from: &str,
        repository: &str,
        digest: &str,
    ) -> Result<Option<u64>> {
        transaction!(self, tx => {
            let query = sqlx::query(
                "SELECT c.bytes FROM image_contents c JOIN image_repositories r ON r.id = c.repository \
                 WHERE r.team = $1 AND r.name = $2 AND c.digest = $3",
            )
            .bind(team.to_string())
            .bind(from.to_owned())
            .bind(digest.to_owned());
            let Some(row) = tx.maybe(query).await? else { return Ok(None) };
            let bytes = row.count("bytes")?;
            let id = repository_for(&mut tx, team, repository).await?;
            hold(&mut tx, team, &id, digest, bytes, None).await?;
            Ok(Some(bytes))
        })
    }

    /// Takes a layer or configuration out of a repository. Refused while a manifest there names it; false when it was not there.
    pub async fn delete_image_content(&self, repository: &str, digest: &str) -> Result<bool> {
        transaction!(self, tx => {
            let Some(id) = repository_id(&mut tx, repository).await? else { return Ok(false) };
            let named = sqlx::query(
                "SELECT manifest FROM image_names WHERE repository = $1 AND digest = $2 LIMIT 1",
            )
            .bind(id.clone())
            .bind(digest.to_owned());
            if let Some(row) = tx.maybe(named).await? {
                return Err(StoreError::Refused(Box::new(problem::REFUSED.problem(
                    format!("The manifest {} names it.", row.text("manifest")?),
                    "Delete the manifest first.",
                ))));
            }
            let delete = sqlx::query(
                "DELETE FROM image_contents WHERE repository = $1 AND digest = $2 AND NOT EXISTS \
                 (SELECT 1 FROM image_manifests m WHERE m.repository = $1 AND m.digest = $2)",
            )
            .bind(id)
            .bind(digest.to_owned());
            Ok(tx.run(delete).await? > 0)
        })
    }

    /// Keeps a manifest, whose bytes lie in their place already, and its tag.
    pub async fn put_image_manifest(
        &self,
        team: TeamId,
        repository: &str,
        new: &NewManifest,
        quota: Option<u64>,
        actor: &str,
    ) -> Result<ManifestPut> {
        transaction!(self, tx => {
            let id = repository_for(&mut tx, team, repository).await?;
            let mut lacks = Vec::new();
            for digest in &new.needs {
                let there = sqlx::query(
                    "UPDATE image_contents SET seen_at = $3 WHERE repository = $1 AND digest = $2",
                )
                .bind(id.clone())
                .bind(digest.clone())
                .bind(tx.now_ms());
                if tx.run(there).await? == 0 {
                    lacks.push(digest.clone());
                }
            }
            if !lacks.is_empty() {
                return Ok(ManifestPut::Lacks(lacks));
            }
            hold(&mut tx, team, &id, &new.digest, new.bytes, quota).await?;
            let put = sqlx::query(
                "INSERT INTO image_manifests \
                 (repository, digest, media_type, bytes, subject, artifact_type, annotations, pushed_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
                 ON CONFLICT (repository, digest) DO UPDATE SET media_type = $3, pushed_at = $8",
            )
            .bind(id.clone())
            .bind(new.digest.clone())
            .bind(new.media_type.clone())
            .bind(new.bytes as i64)
            .bind(new.subject.clone())
            .bind(new.artifact_type.clone())
            .bind(json(&new.annotations))
            .bind(tx.now_ms());
            tx.run(put).await?;
            for digest in new.needs.iter().chain(&new.may_need) {
                let name = sqlx::query(
                    "INSERT INTO image_names (repository, manifest, digest) VALUES ($1, $2, $3) \
                     ON CONFLICT (repository, manifest, digest) DO NOTHING",
                )
                .bind(id.clone())
                .bind(new.digest.clone())
                .bind(digest.clone());
                tx.run(name).await?;
            }
            if let Some(tag) = &new.tag {
                let put = sqlx::query(
                    "INSERT INTO image_tags (repository, name, digest, updated_at) VALUES ($1, $2, $3, $4) \
                     ON CONFLICT (repository, name) DO UPDATE SET digest = $3, updated_at = $4",
                )
                .bind(id.clone())
                .bind(tag.clone())
                .bind(new.digest.clone())
                .bind(tx.now_ms());
                tx.run(put).await?;
            }
            let object = match &new.tag {
                Some(tag) => format!("image {repository}:{tag}"),
                None => format!("image {repository}@{}", new.digest),
            };
            record(&mut tx, Some(team), actor, "image:write", &object, "pushed").await?;
            Ok(ManifestPut::Kept)
        })
    }

    /// A manifest by tag or by digest.
    pub async fn image_manifest(
        &self,
        repository: &str,
        reference: &str,
    ) -> Result<Option<ManifestRow>> {
        let select = if reference.contains(':') {
            "SELECT m.* FROM image_manifests m JOIN image_repositories r ON r.id = m.repository \
             WHERE r.name = $1 AND m.digest = $2"
        } else {
            "SELECT m.* FROM image_tags t JOIN image_repositories r ON r.id = t.repository \
             JOIN image_manifests m ON m.repository = t.repository AND m.digest = t.digest \
             WHERE r.name = $1 AND t.name = $2"
        };
        let query = sqlx::query(select)
            .bind(repository.to_owned())
            .bind(reference.to_owned());
        let row = self.read_maybe(query).await?;
        row.as_ref().map(read_manifest).transpose()
    }

    /// The manifests of a repository that have `subject` as theirs, by digest.
    pub async fn image_referrers(
        &self,
        repository: &str,
        subject: &str,
    ) -> Result<Vec<ManifestRow>> {
        let query = sqlx::query(
            "SELECT m.* FROM image_manifests m JOIN image_repositories r ON r.id = m.repository \
             WHERE r.name = $1 AND m.subject = $2 ORDER BY m.digest",
        )
        .bind(repository.to_owned())
        .bind(subject.to_owned());
        let rows = self.read_all(query).await?;
        rows.iter().map(read_manifest).collect()
    }

    /// Deletes a tag, or a manifest (by digest) with every tag that names it. False when it was not there.
    pub async fn delete_image(
        &self,
        repository: &str,
        reference: &str,
        actor: &str,
    ) -> Result<bool> {
        transaction!(self, tx => {
            let row = sqlx::query("SELECT id, team FROM image_repositories WHERE name = $1")
                .bind(repository.to_owned());
            let Some(row) = tx.maybe(row).await? else { return Ok(false) };
            let (id, team) = (row.text("id")?, row.parsed("team")?);
            let is_digest = reference.contains(':');
            let (sign, delete) = match is_digest {
                true => ("@", "DELETE FROM image_manifests WHERE repository = $1 AND digest = $2"),
                false => (":", "DELETE FROM image_tags WHERE repository = $1 AND name = $2"),
            };
            let delete = sqlx::query(delete).bind(id.clone()).bind(reference.to_owned());
            if tx.run(delete).await? == 0 {
                return Ok(false);
            }
            if is_digest {
                // Another manifest may name it (an index its parts): then it stays a content, else it is nobody's.
                forget(&mut tx, &id, reference).await?;
            }
            let object = format!("image {repository}{sign}{reference}");
            record(&mut tx, Some(team), actor, "image:write", &object, "deleted").await?;
            Ok(true)
        })
    }
}

/// Takes a content out of a repository unless a manifest there names it.
async fn forget(tx: &mut Tx, repository: &str, digest: &str) -> Result<()> {
    let delete = sqlx::query(
        "DELETE FROM image_contents WHERE repository = $1 AND digest = $2 AND NOT EXISTS \
         (SELECT 1 FROM image_names n WHERE n.repository = $1 AND n.digest = $2)",
    )
    .bind(repository.to_owned())
    .bind(digest.to_owned());
    tx.run(delete).await?;
    Ok(())
}

async fn repository_id(tx: &mut Tx, name: &str) -> Result<Option<String>> {
    let query =
        sqlx::query("SELECT id FROM image_repositories WHERE name = $1").bind(name.to_owned());
    let row = tx.maybe(query).await?;
    row.map(|row| row.text("id")).transpose()
}

async fn repository_for(tx: &mut Tx, team: TeamId, name: &str) -> Result<String> {
    if let Some(id) = repository_id(tx, name).await? {
        return Ok(id);
    }
    let id = fresh().to_string();
    let insert = sqlx::query(
        "INSERT INTO image_repositories (id, team, name, created_at) VALUES ($1, $2, $3, $4)",
    )
    .bind(id.clone())
    .bind(team.to_string())
    .bind(name.to_owned())
    .bind(tx.now_ms());
    tx.run(insert).await?;
    Ok(id)
}

/// Writes that a repository holds a content, within the quota. What the team holds elsewhere costs it nothing more.
async fn hold(
    tx: &mut Tx,
    team: TeamId,
    repository: &str,
    digest: &str,
    bytes: u64,
    quota: Option<u64>,
) -> Result<()> {
    let own = sqlx::query("SELECT bytes FROM image_quotas WHERE team = $1").bind(team.to_string());
    let quota = match tx.maybe(own).await? {
        Some(row) => Some(row.count("bytes")?),
        None => quota,
    };
    if let Some(quota) = quota {
        let there = sqlx::query(
            "SELECT 1 AS one FROM image_contents c JOIN image_repositories r ON r.id = c.repository \
             WHERE r.team = $1 AND c.digest = $2 LIMIT 1",
        )
        .bind(team.to_string())
        .bind(digest.to_owned());
        if tx.maybe(there).await?.is_none() {
            let used = sqlx::query(list::USED).bind(team.to_string());
            let used = tx.one("team", used).await?.count("bytes")?;
            if used.saturating_add(bytes) > quota {
                return Err(StoreError::Refused(Box::new(over_quota(
                    used, bytes, quota,
                ))));
            }
        }
    }
    let put = sqlx::query(
        "INSERT INTO image_contents (repository, digest, bytes, seen_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (repository, digest) DO UPDATE SET seen_at = $4",
    )
    .bind(repository.to_owned())
    .bind(digest.to_owned())
    .bind(bytes as i64)
    .bind(tx.now_ms());
    tx.run(put).await?;
    Ok(())
}

pub(crate) fn over_quota(used: u64, bytes: u64, quota: u64) -> problem::Problem {
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / 1048576.0);
    problem::IMAGES_QUOTA.problem(
        format!(
            "The team's images take {} of its quota of {}; {} more do not fit.",
            mib(used),
            mib(quota),
            mib(bytes)
        ),
        "Delete images that are not needed (`pluvio images list`, `pluvio images delete`), then `pluvio images gc`; \
         or let an owner of the installation raise the quota: `pluvio images quota SIZE`.",
    )
}

fn read_manifest(row: &AnyRow) -> Result<ManifestRow> {
    Ok(ManifestRow {
        digest: row.text("digest")?,
        media_type: row.text("media_type")?,
        bytes: row.count("bytes")?,
        artifact_type: row.maybe_text("artifact_type")?,
        annotations: row.json("annotations")?,
        pushed_at: row.time("pushed_at")?,
    })
}
