//! Revisions (asked) and releases (decided): immutable, numbered, kept.

use std::collections::HashMap;

use jiff::Timestamp;
use pluvio_model::id::{ApplicationId, OperationId};
use pluvio_model::release::Release;
use pluvio_model::revision::{Origin, Revision};
use serde::{Deserialize, Serialize};

use sqlx::any::AnyRow;

use crate::edits::Edits;
use crate::row::{Columns, json, word};
use crate::transaction::Tx;
use crate::{Page, PageRequest, Result, Store};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseState {
    /// The target, or on its way to be.
    Decided,
    Live,
    Failed,
    /// Never ran: a later deploy took its place.
    Superseded,
    /// Was live once.
    Retired,
}

/// A line of the release timeline, without the release's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReleaseRow {
    pub number: u64,
    pub parent: Option<u64>,
    pub state: ReleaseState,
    pub origin: Origin,
    pub actor: String,
    pub operation: OperationId,
    pub created_at: Timestamp,
    /// From the asking until it was live, in milliseconds.
    pub duration_ms: Option<u64>,
    /// Of the first component that was built here.
    pub commit: Option<String>,
    pub commit_message: Option<String>,
    pub author: Option<String>,
    /// Of the first component: as asked, and what runs.
    pub image: Option<String>,
    pub image_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRelease {
    pub row: ReleaseRow,
    pub release: Release,
}

impl Store {
    pub async fn revision(&self, application: ApplicationId, number: u64) -> Result<Revision> {
        let query = sqlx::query("SELECT * FROM revisions WHERE application = $1 AND number = $2")
            .bind(application.to_string())
            .bind(number as i64);
        read_revision(&self.read_one("revision", query).await?)
    }

    /// The newest revision asked for, whatever became of it.
    pub async fn last_revision(&self, application: ApplicationId) -> Result<Option<Revision>> {
        let query = sqlx::query(
            "SELECT * FROM revisions WHERE application = $1 ORDER BY number DESC LIMIT 1",
        )
        .bind(application.to_string());
        let row = self.read_maybe(query).await?;
        row.as_ref().map(read_revision).transpose()
    }

    pub async fn release(&self, application: ApplicationId, number: u64) -> Result<StoredRelease> {
        let query = sqlx::query("SELECT * FROM releases WHERE application = $1 AND number = $2")
            .bind(application.to_string())
            .bind(number as i64);
        let row = self.read_one("release", query).await?;
        Ok(StoredRelease {
            row: read_row(&row)?,
            release: row.json("body")?,
        })
    }

    /// One release each of several applications, in one question: all that is decided, without where it came from.
    pub async fn releases_of(
        &self,
        wanted: &[(ApplicationId, u64)],
    ) -> Result<HashMap<ApplicationId, Release>> {
        if wanted.is_empty() {
            return Ok(HashMap::new());
        }
        let each = |n: usize| format!("(application = ${} AND number = ${})", 2 * n + 1, 2 * n + 2);
        let places: Vec<String> = (0..wanted.len()).map(each).collect();
        // Only numbers of places are written into the statement.
        let statement = sqlx::AssertSqlSafe(format!(
            "SELECT application, body FROM releases WHERE {}",
            places.join(" OR ")
        ));
        let mut query = sqlx::query(statement);
        for (application, number) in wanted {
            query = query.bind(application.to_string()).bind(*number as i64);
        }
        let rows = self.read_all(query).await?;
        rows.iter()
            .map(|row| Ok((row.parsed("application")?, row.json("body")?)))
            .collect()
    }

    /// The newest first.
    pub async fn releases(
        &self,
        application: ApplicationId,
        page: &PageRequest,
    ) -> Result<Page<ReleaseRow>> {
        let before: i64 = page.key()?.unwrap_or(i64::MAX);
        // Everything but the body: a page costs what it shows.
        let query = sqlx::query(
            "SELECT number, parent, state, origin, actor, operation, created_at, duration_ms, commit_id, \
             commit_message, author, image, image_id \
             FROM releases WHERE application = $1 AND number < $2 ORDER BY number DESC LIMIT $3",
        )
        .bind(application.to_string())
        .bind(before)
        .bind(page.rows());
        let rows = self.read_all(query).await?;
        let rows = rows.iter().map(read_row).collect::<Result<_>>()?;
        Ok(page.page(rows, |row: &ReleaseRow| row.number))
    }
}

/// A revision as it is kept: with the operation that asked for it, and, for a patch, what it changed.
pub(crate) struct NewRevision<'a> {
    pub(crate) revision: &'a Revision,
    pub(crate) operation: OperationId,
    /// `None`: a whole specification.
    pub(crate) edits: Option<&'a Edits>,
}

pub(crate) async fn insert_revision(tx: &mut Tx, new: NewRevision<'_>) -> Result<()> {
    let insert = sqlx::query(
        "INSERT INTO revisions (application, number, spec, origin, whole, edits, actor, operation, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(new.revision.application.to_string())
    .bind(new.revision.number as i64)
    .bind(json(&new.revision.spec))
    .bind(json(&new.revision.origin))
    .bind(i64::from(new.edits.is_none()))
    .bind(new.edits.map(json))
    .bind(new.revision.actor.clone())
    .bind(new.operation.to_string())
    .bind(new.revision.at.as_millisecond());
    tx.run(insert).await?;
    Ok(())
}

pub(crate) async fn load_revision(
    tx: &mut Tx,
    application: ApplicationId,
    number: u64,
) -> Result<Revision> {
    let query = sqlx::query("SELECT * FROM revisions WHERE application = $1 AND number = $2")
        .bind(application.to_string())
        .bind(number as i64);
    read_revision(&tx.one("revision", query).await?)
}

/// The newest revision that was applied and came into effect: one whose release failed changed nothing.
pub(crate) async fn last_applied(
    tx: &mut Tx,
    application: ApplicationId,
) -> Result<Option<Revision>> {
    let query = sqlx::query(
        "SELECT v.* FROM revisions v JOIN releases r ON r.application = v.application AND r.number = v.number \
         WHERE v.application = $1 AND v.origin = $2 AND r.state <> $3 ORDER BY v.number DESC LIMIT 1",
    )
    .bind(application.to_string())
    .bind(json(&Origin::Apply))
    .bind(word(ReleaseState::Failed));
    tx.maybe(query)
        .await?
        .as_ref()
        .map(read_revision)
        .transpose()
}

/// What was asked after a revision.
pub(crate) enum Later {
    /// A whole specification, by this operation: the revision is out of date.
    Whole(OperationId),
    /// Patches only, in their order; perhaps none.
    Patches(Vec<Edits>),
}

pub(crate) async fn later(tx: &mut Tx, application: ApplicationId, than: u64) -> Result<Later> {
    let query = sqlx::query(
        "SELECT whole, edits, operation FROM revisions WHERE application = $1 AND number > $2 ORDER BY number",
    )
    .bind(application.to_string())
    .bind(than as i64);
    let mut patches = Vec::new();
    let mut whole = None;
    for row in tx.all(query).await? {
        if row.flag("whole")? {
            whole = Some(row.parsed("operation")?);
        } else {
            patches.push(row.json("edits")?);
        }
    }
    Ok(whole.map_or(Later::Patches(patches), Later::Whole))
}

pub(crate) async fn load(tx: &mut Tx, application: ApplicationId, number: u64) -> Result<Release> {
    let query = sqlx::query("SELECT body FROM releases WHERE application = $1 AND number = $2")
        .bind(application.to_string())
        .bind(number as i64);
    tx.one("release", query).await?.json("body")
}

/// A release as it is kept: with where it came from.
pub(crate) struct NewRelease<'a> {
    pub(crate) release: &'a Release,
    pub(crate) revision: &'a Revision,
    pub(crate) state: ReleaseState,
    pub(crate) operation: OperationId,
    /// When the operation was asked.
    pub(crate) asked_at: Timestamp,
}

pub(crate) async fn insert(tx: &mut Tx, new: NewRelease<'_>) -> Result<()> {
    let release = new.release;
    let first = release.components.values().next();
    let source = release
        .components
        .values()
        .find_map(|component| component.build.as_ref())
        .map(|build| build.source.clone())
        .unwrap_or_default();
    let insert = sqlx::query(
        "INSERT INTO releases (application, number, parent, state, body, origin, actor, operation, asked_at, \
         created_at, commit_id, commit_message, author, image, image_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(release.application.to_string())
    .bind(release.number as i64)
    .bind(release.parent.map(|number| number as i64))
    .bind(word(new.state))
    .bind(json(release))
    .bind(json(&new.revision.origin))
    .bind(new.revision.actor.clone())
    .bind(new.operation.to_string())
    .bind(new.asked_at.as_millisecond())
    .bind(tx.now_ms())
    .bind(source.commit)
    .bind(source.message)
    .bind(source.author)
    .bind(first.map(|component| component.content.main.image.to_string()))
    .bind(first.map(|component| component.content.main.image_id.clone()));
    tx.run(insert).await?;
    Ok(())
}

/// Moves a release to another state. Live for the first time, it learns how long it took since the asking.
pub(crate) async fn set_state(
    tx: &mut Tx,
    application: ApplicationId,
    number: u64,
    state: ReleaseState,
) -> Result<()> {
    let update =
        sqlx::query("UPDATE releases SET state = $3 WHERE application = $1 AND number = $2")
            .bind(application.to_string())
            .bind(number as i64)
            .bind(word(state));
    tx.run(update).await?;
    if state == ReleaseState::Live {
        let took = sqlx::query(
            "UPDATE releases SET duration_ms = $3 - asked_at \
             WHERE application = $1 AND number = $2 AND duration_ms IS NULL",
        )
        .bind(application.to_string())
        .bind(number as i64)
        .bind(tx.now_ms());
        tx.run(took).await?;
    }
    Ok(())
}

fn read_revision(row: &AnyRow) -> Result<Revision> {
    Ok(Revision {
        application: row.parsed("application")?,
        number: row.count("number")?,
        spec: row.json("spec")?,
        origin: row.json("origin")?,
        actor: row.text("actor")?,
        at: row.time("created_at")?,
    })
}

fn read_row(row: &AnyRow) -> Result<ReleaseRow> {
    Ok(ReleaseRow {
        number: row.count("number")?,
        parent: row.maybe_count("parent")?,
        state: row.word("state")?,
        origin: row.json("origin")?,
        actor: row.text("actor")?,
        operation: row.parsed("operation")?,
        created_at: row.time("created_at")?,
        duration_ms: row.maybe_count("duration_ms")?,
        commit: row.maybe_text("commit_id")?,
        commit_message: row.maybe_text("commit_message")?,
        author: row.maybe_text("author")?,
        image: row.maybe_text("image")?,
        image_id: row.maybe_text("image_id")?,
    })
}
