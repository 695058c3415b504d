//! Operations: what was asked, how it goes, how it ended.

use pluvio_model::event::EventBody;
use pluvio_model::id::{ApplicationId, ClusterId, EnvironmentId, OperationId, TeamId};
use pluvio_model::operation::{Operation, Outcome, Step, StepName};
use pluvio_model::problem::{self, Problem};

use crate::account::{Scope, read_scope};
use sqlx::any::AnyRow;

use crate::application::{self, Application};
use crate::audit::record;
use crate::row::{Columns, json, word};
use crate::target;
use crate::transaction::{Tx, transaction};
use crate::{Page, PageRequest, Result, Store};

/// Which operations a list shows. The team is not optional: nothing is listed across tenants.
#[derive(Debug, Clone)]
pub struct OperationFilter {
    pub team: TeamId,
    pub environment: Option<EnvironmentId>,
    pub application: Option<ApplicationId>,
    /// Only those that have not ended.
    pub running: bool,
}

impl Store {
    /// An operation and where it belongs (for the permission check: it outlives its application).
    pub async fn operation(&self, id: OperationId) -> Result<(Operation, Scope)> {
        let query = sqlx::query(
            "SELECT o.body, o.team, t.name AS team_name, o.environment, COALESCE(e.name, 'gone') AS environment_name, e.cluster \
             FROM operations o JOIN teams t ON t.id = o.team LEFT JOIN environments e ON e.id = o.environment \
             WHERE o.id = $1",
        )
        .bind(id.to_string());
        let row = self.read_one("operation", query).await?;
        Ok((row.json("body")?, read_scope(&row)?))
    }

    /// The newest first.
    pub async fn operations(
        &self,
        filter: &OperationFilter,
        page: &PageRequest,
    ) -> Result<Page<Operation>> {
        // `~` is behind every id.
        let before: String = page.key()?.unwrap_or_else(|| "~".to_owned());
        let query = match filter.application {
            // Two statements, so that each finds its index.
            Some(application) => sqlx::query(
                "SELECT body FROM operations WHERE application = $1 AND team = $2 AND id < $3 \
                 AND ($4 IS NULL OR environment = $4) AND ($5 = 0 OR ended_at IS NULL) ORDER BY id DESC LIMIT $6",
            )
            .bind(application.to_string()),
            None => sqlx::query(
                "SELECT body FROM operations WHERE $1 = '' AND team = $2 AND id < $3 \
                 AND ($4 IS NULL OR environment = $4) AND ($5 = 0 OR ended_at IS NULL) ORDER BY id DESC LIMIT $6",
            )
            .bind(""),
        }
        .bind(filter.team.to_string())
        .bind(before)
        .bind(filter.environment.map(|id| id.to_string()))
        .bind(i64::from(filter.running))
        .bind(page.rows());
        let rows = self.read_all(query).await?;
        let rows = rows.iter().map(read).collect::<Result<_>>()?;
        Ok(page.page(rows, |operation: &Operation| operation.id.to_string()))
    }

    /// Changes an operation and tells of it. An operation that is over stays as it is, and an edit that changes nothing
    /// writes nothing.
    pub async fn update_operation(
        &self,
        id: OperationId,
        mut edit: impl FnMut(&mut Operation) + Send,
    ) -> Result<Operation> {
        transaction!(self, tx => {
            let (before, at) = load(&mut tx, id).await?;
            let mut operation = before.clone();
            edit(&mut operation);
            if before.is_over() || operation == before {
                return Ok(before);
            }
            save(&mut tx, &at, &operation).await?;
            if operation.is_over() {
                settle_application(&mut tx, &at, &operation).await?;
            }
            Ok(operation)
        })
    }

    /// Marks an operation to be cancelled. A job of it that nobody has taken yet is cancelled at once, and the operation
    /// with it; else whoever works on it sees the mark.
    pub async fn request_cancel(&self, id: OperationId, actor: &str) -> Result<Operation> {
        transaction!(self, tx => {
            let (mut operation, at) = load(&mut tx, id).await?;
            if operation.is_over() || operation.cancel_requested {
                return Ok(operation);
            }
            operation.cancel_requested = true;
            let cancel = sqlx::query(
                "UPDATE jobs SET state = 'cancelled', ended_at = $2 WHERE operation = $1 AND state = 'queued'",
            )
            .bind(id.to_string())
            .bind(tx.now_ms());
            let cancelled = tx.run(cancel).await? > 0;
            if cancelled {
                operation.end(Outcome::Cancelled, tx.now);
            }
            save(&mut tx, &at, &operation).await?;
            if cancelled {
                settle_application(&mut tx, &at, &operation).await?;
            }
            let object = format!("operation {id} of {}", operation.application_name);
            record(&mut tx, Some(at.team), actor, "operation:cancel", &object, "asked").await?;
            Ok(operation)
        })
    }

    /// Operations of an application that have not ended, the oldest first.
    pub async fn running_operations(&self, application: ApplicationId) -> Result<Vec<Operation>> {
        let query = sqlx::query(
            "SELECT body FROM operations WHERE application = $1 AND ended_at IS NULL ORDER BY id",
        )
        .bind(application.to_string());
        self.read_all(query).await?.iter().map(read).collect()
    }
}

/// Where an operation belongs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) team: TeamId,
    pub(crate) environment: EnvironmentId,
    pub(crate) cluster: ClusterId,
}

impl Place {
    pub(crate) fn of(application: &Application, cluster: ClusterId) -> Place {
        Place {
            team: application.team,
            environment: application.environment,
            cluster,
        }
    }
}

pub(crate) async fn insert(tx: &mut Tx, at: &Place, operation: &Operation) -> Result<()> {
    let insert = sqlx::query(
        "INSERT INTO operations (id, team, environment, application, cluster, kind, asked_at, ended_at, release, body) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(operation.id.to_string())
    .bind(at.team.to_string())
    .bind(at.environment.to_string())
    .bind(operation.application.to_string())
    .bind(at.cluster.to_string())
    .bind(word(operation.kind))
    .bind(operation.asked_at.as_millisecond())
    .bind(operation.ended_at.map(|time| time.as_millisecond()))
    .bind(operation.release.map(|number| number as i64))
    .bind(json(operation));
    tx.run(insert).await?;
    tell(tx, at, operation).await
}

pub(crate) async fn save(tx: &mut Tx, at: &Place, operation: &Operation) -> Result<()> {
    let update =
        sqlx::query("UPDATE operations SET ended_at = $2, release = $3, body = $4 WHERE id = $1")
            .bind(operation.id.to_string())
            .bind(operation.ended_at.map(|time| time.as_millisecond()))
            .bind(operation.release.map(|number| number as i64))
            .bind(json(operation));
    tx.run(update).await?;
    tell(tx, at, operation).await
}

async fn tell(tx: &mut Tx, at: &Place, operation: &Operation) -> Result<()> {
    let body = EventBody::OperationChanged {
        operation: Box::new(operation.clone()),
    };
    tx.tell(
        at.team,
        Some(operation.application),
        Some(operation.id),
        &body,
    )
    .await
}

pub(crate) async fn load(tx: &mut Tx, id: OperationId) -> Result<(Operation, Place)> {
    let query =
        sqlx::query("SELECT body, team, environment, cluster FROM operations WHERE id = $1")
            .bind(id.to_string());
    let row = tx.one("operation", query).await?;
    let place = Place {
        team: row.parsed("team")?,
        environment: row.parsed("environment")?,
        cluster: row.parsed("cluster")?,
    };
    Ok((read(&row)?, place))
}

/// Those of an application that have not ended, the oldest first.
pub(crate) async fn running(tx: &mut Tx, application: ApplicationId) -> Result<Vec<Operation>> {
    let query = sqlx::query(
        "SELECT body FROM operations WHERE application = $1 AND ended_at IS NULL ORDER BY id",
    )
    .bind(application.to_string());
    tx.all(query).await?.iter().map(read).collect()
}

/// Those whose release is on its way on this cluster, the oldest first.
pub(crate) async fn rolling_out(
    tx: &mut Tx,
    application: ApplicationId,
    cluster: ClusterId,
) -> Result<Vec<Operation>> {
    let query = sqlx::query(
        "SELECT body FROM operations WHERE application = $1 AND cluster = $2 AND ended_at IS NULL \
         AND release IS NOT NULL ORDER BY id",
    )
    .bind(application.to_string())
    .bind(cluster.to_string());
    tx.all(query).await?.iter().map(read).collect()
}

/// The copy that made the application, while its data are on their way.
pub(crate) async fn carrying_data(
    tx: &mut Tx,
    application: ApplicationId,
) -> Result<Option<Operation>> {
    let query = sqlx::query(
        "SELECT body FROM operations WHERE application = $1 AND kind = 'copy' AND ended_at IS NULL AND release IS NULL",
    )
    .bind(application.to_string());
    let Some(row) = tx.maybe(query).await? else {
        return Ok(None);
    };
    let copy = read(&row)?;
    let carries = |step: &Step| matches!(step.name, StepName::Copy | StepName::Restore);
    Ok(copy.steps.iter().any(carries).then_some(copy))
}

/// What whoever wants to change it meanwhile is told.
pub(crate) fn not_whole(copy: &Operation) -> Problem {
    problem::REFUSED.problem(
        format!(
            "{} is a copy that has no more than a part of its data yet.",
            copy.application_name
        ),
        format!(
            "Wait until they are there (`pluvio operation follow {id}`), or give the copy up: `pluvio operation cancel {id}`.",
            id = copy.id
        ),
    )
}

/// Shows in the application's row that an operation ended. The application may be gone already.
pub(crate) async fn settle_application(
    tx: &mut Tx,
    at: &Place,
    operation: &Operation,
) -> Result<()> {
    if operation.kind.is_aside() {
        return Ok(());
    }
    let mut application = match application::load(tx, operation.application).await {
        Err(crate::StoreError::NotFound { .. }) => return Ok(()),
        other => other?,
    };
    let target = target::load(tx, application.id, at.cluster).await?;
    let failed = matches!(operation.outcome, Some(Outcome::Failed { .. }));
    application.state =
        application::settled_state(tx, &application, target.as_ref(), failed).await?;
    application::save(tx, &mut application).await
}

fn read(row: &AnyRow) -> Result<Operation> {
    row.json("body")
}
