//! Targets: what each application shall be on each cluster now.

use jiff::Timestamp;
use pluvio_model::event::EventBody;
use pluvio_model::id::{ApplicationId, ClusterId, Generation, OperationId, TeamId};
use pluvio_model::name::Name;
use pluvio_model::stage::Power;

use sqlx::any::AnyRow;

use crate::row::{Columns, json, word};
use crate::transaction::Tx;
use crate::{Result, Store, StoreError};

/// Moved by compare-and-swap only; its generation only grows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub application: ApplicationId,
    pub cluster: ClusterId,
    /// The release that shall run.
    pub release: u64,
    pub generation: Generation,
    pub power: Power,
    /// Components that are stopped while it is on.
    pub stopped: Vec<Name>,
    /// The last release that ran as decided.
    pub live_release: Option<u64>,
    /// The last generation that was reached, whatever it wished.
    pub live_generation: Option<Generation>,
    /// The release was given up on; it is not tried against the clock again.
    pub failed: bool,
    /// Nothing is wished any more: the application is being deleted.
    pub gone: bool,
    /// The operation that last moved it.
    pub operation: Option<OperationId>,
    pub moved_at: Timestamp,
}

impl Target {
    /// Whether what is wished has been reached (or given up) and told.
    pub fn is_settled(&self) -> bool {
        !self.gone && (self.failed || self.live_generation == Some(self.generation))
    }
}

impl Store {
    /// Every target of a cluster: what a reconciler walks.
    pub async fn targets(&self, cluster: ClusterId) -> Result<Vec<Target>> {
        let query = sqlx::query("SELECT * FROM targets WHERE cluster = $1 ORDER BY application")
            .bind(cluster.to_string());
        self.read_all(query).await?.iter().map(read).collect()
    }

    /// The targets of these applications on a cluster, in one question.
    pub async fn targets_of(
        &self,
        cluster: ClusterId,
        applications: &[ApplicationId],
    ) -> Result<Vec<Target>> {
        if applications.is_empty() {
            return Ok(Vec::new());
        }
        let places: Vec<String> = (2..applications.len() + 2)
            .map(|n| format!("${n}"))
            .collect();
        // Only numbers of places are written into the statement.
        let statement = sqlx::AssertSqlSafe(format!(
            "SELECT * FROM targets WHERE cluster = $1 AND application IN ({})",
            places.join(", ")
        ));
        let mut query = sqlx::query(statement).bind(cluster.to_string());
        for application in applications {
            query = query.bind(application.to_string());
        }
        self.read_all(query).await?.iter().map(read).collect()
    }

    /// An application's target on a cluster; `None` while nothing was decided.
    pub async fn target(
        &self,
        application: ApplicationId,
        cluster: ClusterId,
    ) -> Result<Option<Target>> {
        let query = sqlx::query("SELECT * FROM targets WHERE application = $1 AND cluster = $2")
            .bind(application.to_string())
            .bind(cluster.to_string());
        self.read_maybe(query).await?.as_ref().map(read).transpose()
    }

    /// An application's targets on all clusters.
    pub async fn application_targets(&self, application: ApplicationId) -> Result<Vec<Target>> {
        let query = sqlx::query("SELECT * FROM targets WHERE application = $1 ORDER BY cluster")
            .bind(application.to_string());
        self.read_all(query).await?.iter().map(read).collect()
    }
}

/// The target on a cluster, for a change of it.
pub(crate) async fn load(
    tx: &mut Tx,
    application: ApplicationId,
    cluster: ClusterId,
) -> Result<Option<Target>> {
    let query = sqlx::query("SELECT * FROM targets WHERE application = $1 AND cluster = $2")
        .bind(application.to_string())
        .bind(cluster.to_string());
    tx.maybe(query).await?.as_ref().map(read).transpose()
}

pub(crate) async fn load_all(tx: &mut Tx, application: ApplicationId) -> Result<Vec<Target>> {
    let query = sqlx::query("SELECT * FROM targets WHERE application = $1 ORDER BY cluster")
        .bind(application.to_string());
    tx.all(query).await?.iter().map(read).collect()
}

/// The target of exactly this generation; [`StoreError::Stale`] when it has moved on.
pub(crate) async fn load_at(
    tx: &mut Tx,
    application: ApplicationId,
    cluster: ClusterId,
    generation: Generation,
) -> Result<Target> {
    match load(tx, application, cluster).await? {
        Some(target) if target.generation == generation => Ok(target),
        Some(_) => Err(StoreError::Stale {
            what: "the generation",
        }),
        None => Err(StoreError::NotFound { what: "target" }),
    }
}

/// What a target shall be next; the rest of it stays.
pub(crate) struct Move {
    pub(crate) application: ApplicationId,
    pub(crate) cluster: ClusterId,
    pub(crate) release: u64,
    pub(crate) power: Power,
    pub(crate) stopped: Vec<Name>,
    pub(crate) gone: bool,
    pub(crate) operation: Option<OperationId>,
}

/// Moves a target from what was read, `from`, to a new generation, and tells of it.
pub(crate) async fn advance(
    tx: &mut Tx,
    team: TeamId,
    from: Option<&Target>,
    to: Move,
) -> Result<Target> {
    let target = Target {
        application: to.application,
        cluster: to.cluster,
        release: to.release,
        generation: from.map(|t| t.generation).unwrap_or_default().next(),
        power: to.power,
        stopped: to.stopped,
        live_release: from.and_then(|t| t.live_release),
        live_generation: from.and_then(|t| t.live_generation),
        failed: false,
        gone: to.gone,
        operation: to.operation,
        moved_at: tx.now,
    };
    match from {
        Some(from) => save(tx, from.generation, &target).await?,
        None => insert(tx, &target).await?,
    }
    let body = EventBody::TargetMoved {
        number: target.release,
        generation: target.generation.0,
    };
    tx.tell(team, Some(target.application), target.operation, &body)
        .await?;
    Ok(target)
}

/// Writes a target back if it is still at this generation: the compare-and-swap that every change of a target goes through.
pub(crate) async fn save(tx: &mut Tx, expected: Generation, target: &Target) -> Result<()> {
    let update = sqlx::query(
        "UPDATE targets SET release = $4, generation = $5, power = $6, live_release = $7, live_generation = $8, \
         failed = $9, gone = $10, operation = $11, moved_at = $12, stopped = $13 \
         WHERE application = $1 AND cluster = $2 AND generation = $3",
    )
    .bind(target.application.to_string())
    .bind(target.cluster.to_string())
    .bind(expected.0 as i64)
    .bind(target.release as i64)
    .bind(target.generation.0 as i64)
    .bind(word(target.power))
    .bind(target.live_release.map(|number| number as i64))
    .bind(target.live_generation.map(|generation| generation.0 as i64))
    .bind(i64::from(target.failed))
    .bind(i64::from(target.gone))
    .bind(target.operation.map(|id| id.to_string()))
    .bind(target.moved_at.as_millisecond())
    .bind(json(&target.stopped));
    match tx.run(update).await? {
        0 => Err(StoreError::Stale { what: "the target" }),
        _ => Ok(()),
    }
}

async fn insert(tx: &mut Tx, target: &Target) -> Result<()> {
    let insert = sqlx::query(
        "INSERT INTO targets (application, cluster, release, generation, power, failed, gone, operation, moved_at, stopped) \
         VALUES ($1, $2, $3, $4, $5, 0, $8, $6, $7, $9)",
    )
    .bind(target.application.to_string())
    .bind(target.cluster.to_string())
    .bind(target.release as i64)
    .bind(target.generation.0 as i64)
    .bind(word(target.power))
    .bind(target.operation.map(|id| id.to_string()))
    .bind(target.moved_at.as_millisecond())
    .bind(i64::from(target.gone))
    .bind(json(&target.stopped));
    tx.run(insert).await?;
    Ok(())
}

fn read(row: &AnyRow) -> Result<Target> {
    Ok(Target {
        application: row.parsed("application")?,
        cluster: row.parsed("cluster")?,
        release: row.count("release")?,
        generation: Generation(row.count("generation")?),
        power: row.word("power")?,
        stopped: row.json("stopped")?,
        live_release: row.maybe_count("live_release")?,
        live_generation: row.maybe_count("live_generation")?.map(Generation),
        failed: row.flag("failed")?,
        gone: row.flag("gone")?,
        operation: row.maybe_parsed("operation")?,
        moved_at: row.time("moved_at")?,
    })
}
