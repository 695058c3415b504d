//! Environments: a team's places to run. Each has applications, and with them secrets, hosts and volumes, of its own.

use jiff::Timestamp;
use pluvio_model::id::{ClusterId, EnvironmentId, TeamId};
use pluvio_model::name::Name;
use pluvio_model::problem;

use crate::account::Scope;
use crate::audit::record;
use crate::row::{Columns, fresh};
use crate::transaction::transaction;
use crate::{Result, Store, StoreError};

/// A row of the list of environments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    pub id: EnvironmentId,
    pub name: Name,
    /// The one that the team began with: it stays.
    pub first: bool,
    pub applications: u64,
    /// Where its applications run; the engine when absent.
    pub cluster: Option<ClusterId>,
    pub created_at: Timestamp,
}

impl Store {
    /// A team's environments in the order in which they were made.
    pub async fn environment_list(&self, team: TeamId) -> Result<Vec<Environment>> {
        let query = sqlx::query(
            "SELECT e.id, e.name, e.created_at, e.cluster, \
             (SELECT count(*) FROM applications a WHERE a.environment = e.id) AS applications \
             FROM environments e WHERE e.team = $1 ORDER BY e.created_at, e.id",
        )
        .bind(team.to_string());
        let rows = self.read_all(query).await?;
        rows.iter()
            .enumerate()
            .map(|(index, row)| {
                Ok(Environment {
                    id: row.parsed("id")?,
                    name: row.parsed("name")?,
                    first: index == 0,
                    applications: row.count("applications")?,
                    cluster: row.maybe_parsed("cluster")?,
                    created_at: row.time("created_at")?,
                })
            })
            .collect()
    }

    /// Makes an environment, on the engine or on a cluster. [`StoreError::NameTaken`] when the team has one of that name; refused
    /// on a cluster that is being taken out.
    pub async fn create_environment(
        &self,
        team: TeamId,
        name: &Name,
        cluster: Option<ClusterId>,
        actor: &str,
    ) -> Result<Environment> {
        transaction!(self, tx => {
            let taken = sqlx::query("SELECT id FROM environments WHERE team = $1 AND name = $2")
                .bind(team.to_string())
                .bind(name.to_string());
            if tx.maybe(taken).await?.is_some() {
                return Err(StoreError::NameTaken { what: "environment", name: name.to_string() });
            }
            if let Some(cluster) = cluster {
                crate::cluster::stays(&mut tx, cluster).await?;
            }
            let id = EnvironmentId(fresh());
            let insert = sqlx::query(
                "INSERT INTO environments (id, team, name, created_at, cluster) VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(id.to_string())
            .bind(team.to_string())
            .bind(name.to_string())
            .bind(tx.now_ms())
            .bind(cluster.map(|cluster| cluster.to_string()));
            tx.run(insert).await?;
            let object = format!("environment {name}");
            record(&mut tx, Some(team), actor, "team:manage", &object, "created").await?;
            Ok(Environment { id, name: name.clone(), first: false, applications: 0, cluster, created_at: tx.now })
        })
    }

    /// Deletes an empty environment; its history stays. One with applications in it, and the team's first, are refused.
    pub async fn delete_environment(&self, scope: &Scope, actor: &str) -> Result<()> {
        transaction!(self, tx => {
            let first = sqlx::query(
                "SELECT id FROM environments WHERE team = $1 ORDER BY created_at, id LIMIT 1",
            )
            .bind(scope.team.to_string());
            if tx.one("environment", first).await?.parsed::<EnvironmentId>("id")? == scope.environment {
                return Err(StoreError::Refused(Box::new(problem::REFUSED.problem(
                    format!("{} is the team's first environment.", scope.environment_name),
                    "It stays: a team has at least one.",
                ))));
            }
            let inside = sqlx::query("SELECT name FROM applications WHERE environment = $1 ORDER BY name LIMIT 6")
                .bind(scope.environment.to_string());
            let names = tx.all(inside).await?;
            if !names.is_empty() {
                let mut told = names
                    .iter()
                    .take(5)
                    .map(|row| row.text("name"))
                    .collect::<Result<Vec<_>>>()?;
                if names.len() > 5 {
                    told.push("…".to_owned());
                }
                return Err(StoreError::Refused(Box::new(problem::REFUSED.problem(
                    format!("Applications are in {}: {}.", scope.environment_name, told.join(", ")),
                    format!("Delete them first: `pluvio delete -e {} -a APP`.", scope.environment_name),
                ))));
            }
            // Volumes that were kept there are listed wherever somebody looks from now on.
            let volumes = sqlx::query("UPDATE volumes SET environment = NULL WHERE environment = $1")
                .bind(scope.environment.to_string());
            tx.run(volumes).await?;
            let delete = sqlx::query("DELETE FROM environments WHERE id = $1")
                .bind(scope.environment.to_string());
            tx.run(delete).await?;
            let object = format!("environment {}", scope.environment_name);
            record(&mut tx, Some(scope.team), actor, "team:manage", &object, "deleted").await
        })
    }
}
