//! What became of tasks: programs that run once for each content. Kept, so that no engine's loss of memory runs one twice.

use pluvio_model::id::{ApplicationId, ClusterId};
use pluvio_model::image::ContentHash;
use pluvio_model::name::Name;
use pluvio_model::problem::Problem;

use sqlx::any::AnyRow;

use crate::row::{Columns, json};
use crate::transaction::transaction;
use crate::{Result, Store};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRecord {
    pub component: Name,
    pub hash: ContentHash,
    pub release: u64,
    pub outcome: TaskRecordOutcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskRecordOutcome {
    Succeeded,
    Failed(Box<Problem>),
    /// A rollback runs no task.
    Skipped,
}

impl Store {
    /// Everything that is known of an application's tasks on a cluster.
    pub async fn tasks(
        &self,
        application: ApplicationId,
        cluster: ClusterId,
    ) -> Result<Vec<TaskRecord>> {
        let query = sqlx::query(
            "SELECT * FROM task_outcomes WHERE application = $1 AND cluster = $2 ORDER BY release, hash",
        )
        .bind(application.to_string())
        .bind(cluster.to_string());
        self.read_all(query).await?.iter().map(read).collect()
    }

    /// Keeps how a task ended; the first word counts.
    pub async fn keep_task(
        &self,
        application: ApplicationId,
        cluster: ClusterId,
        task: TaskRecord,
    ) -> Result<()> {
        transaction!(self, tx => {
            let (outcome, problem) = match &task.outcome {
                TaskRecordOutcome::Succeeded => ("succeeded", None),
                TaskRecordOutcome::Skipped => ("skipped", None),
                TaskRecordOutcome::Failed(problem) => ("failed", Some(json(problem))),
            };
            let insert = sqlx::query(
                "INSERT INTO task_outcomes (application, cluster, hash, release, component, outcome, problem, ended_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (application, cluster, hash, release) DO NOTHING",
            )
            .bind(application.to_string())
            .bind(cluster.to_string())
            .bind(task.hash.to_string())
            .bind(task.release as i64)
            .bind(task.component.to_string())
            .bind(outcome.to_owned())
            .bind(problem)
            .bind(tx.now_ms());
            tx.run(insert).await?;
            Ok(())
        })
    }
}

fn read(row: &AnyRow) -> Result<TaskRecord> {
    let outcome = match row.text("outcome")?.as_str() {
        "succeeded" => TaskRecordOutcome::Succeeded,
        "skipped" => TaskRecordOutcome::Skipped,
        _ => TaskRecordOutcome::Failed(Box::new(row.json("problem")?)),
    };
    Ok(TaskRecord {
        component: row.parsed("component")?,
        hash: row.word("hash")?,
        release: row.count("release")?,
        outcome,
    })
}
