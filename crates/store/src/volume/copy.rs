//! Copies of volumes: a row that is not whole yet, and the operation that fills it.
//!
//! The row is what the work is known by: whoever looks finds it, asks the runtime how far the copy is, and ends it. There is no
//! job, so nothing is lost with the process that began it.

use pluvio_model::id::{ApplicationId, ClusterId, OperationId, VolumeId};
use pluvio_model::name::Name;
use pluvio_model::operation::{Operation, OperationKind, Outcome, Step, StepName};

use super::{VolumeRow, name_it, read, refused};
use crate::application::ApplicationState;
use crate::audit::record;
use crate::operation::{self, Place};
use crate::row::{fresh, word};
use crate::transaction::transaction;
use crate::{Result, Store, StoreError, application};

/// A new volume for an application, with the data of another.
#[derive(Debug, Clone)]
pub struct NewCopy {
    pub source: VolumeRow,
    pub application: ApplicationId,
    pub cluster: ClusterId,
    /// What the application calls the new volume.
    pub name: Name,
    pub id: VolumeId,
    /// What the runtime shall call it.
    pub handle: String,
    /// The copy of an application that it is a part of.
    pub within: Option<OperationId>,
    pub actor: String,
    pub title: String,
}

impl Store {
    /// Lists the new volume as one that is being filled, and the operation that fills it.
    pub async fn begin_copy(&self, new: NewCopy) -> Result<Operation> {
        let new = &new;
        transaction!(self, tx => {
            let application = application::load(&mut tx, new.application).await?;
            if application.state == ApplicationState::Deleting {
                return Err(refused(pluvio_model::problem::REFUSED.problem(
                    format!("{} is being deleted.", application.name),
                    "Copy for another application.",
                )));
            }
            if let Some(copy) = operation::carrying_data(&mut tx, application.id).await?
                && new.within != Some(copy.id)
            {
                return Err(refused(operation::not_whole(&copy)));
            }
            // Whoever may change the one need not even see the other.
            if new.source.team != application.team {
                return Err(StoreError::NotFound { what: "volume" });
            }
            if let Some(problem) = new.source.unusable() {
                return Err(refused(problem));
            }
            let operation = Operation {
                id: OperationId(fresh()),
                application: application.id,
                application_name: application.name.to_string(),
                kind: OperationKind::CopyVolume,
                actor: new.actor.clone(),
                asked_at: tx.now,
                ended_at: None,
                release: None,
                steps: vec![Step::waiting(StepName::Copy)],
                components: Vec::new(),
                hindrance: None,
                outcome: None,
                cancel_requested: false,
                title: new.title.clone(),
            };
            let insert = sqlx::query(
                "INSERT INTO volumes (id, team, environment, cluster, application, application_name, name, handle, access, \
                 size, created_at, copy_of, filling) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            )
            .bind(new.id.to_string())
            .bind(application.team.to_string())
            .bind(application.environment.to_string())
            .bind(new.cluster.to_string())
            .bind(application.id.to_string())
            .bind(application.name.to_string())
            .bind(new.name.to_string())
            .bind(new.handle.clone())
            .bind(new.source.access.map(word))
            .bind(new.source.size.map(|size| size as i64))
            .bind(tx.now_ms())
            .bind(new.source.id.to_string())
            .bind(operation.id.to_string());
            tx.run(insert).await?;
            name_it(&mut tx, application.id, &new.name, new.id).await?;
            let place = Place::of(&application, new.cluster);
            operation::insert(&mut tx, &place, &operation).await?;
            let object = format!("volume {} of {}", new.source.name, new.source.application_name);
            let result = format!("copied as {} of {}", new.name, application.name);
            record(&mut tx, Some(application.team), &new.actor, "volume:copy", &object, &result).await?;
            Ok(operation)
        })
    }

    /// Volumes that are being filled.
    pub async fn filling_volumes(&self) -> Result<Vec<VolumeRow>> {
        let query = sqlx::query("SELECT * FROM volumes WHERE filling IS NOT NULL ORDER BY id");
        self.read_all(query).await?.iter().map(read).collect()
    }

    /// The copy is whole: the volume is one like any other, and its operation succeeded.
    pub async fn finish_copy(
        &self,
        id: VolumeId,
        bytes: u64,
        mut edit: impl FnMut(&mut Operation) + Send,
    ) -> Result<()> {
        let edit = &mut edit;
        transaction!(self, tx => {
            let query = sqlx::query("SELECT * FROM volumes WHERE id = $1").bind(id.to_string());
            let row = read(&tx.one("volume", query).await?)?;
            let Some(filling) = row.filling else { return Ok(()) };
            let update = sqlx::query(
                "UPDATE volumes SET filling = NULL, bytes = $2, measured_at = $3 WHERE id = $1",
            )
            .bind(id.to_string())
            .bind(bytes as i64)
            .bind(tx.now_ms());
            tx.run(update).await?;
            let (mut operation, at) = operation::load(&mut tx, filling).await?;
            if !operation.is_over() {
                edit(&mut operation);
                operation.end(Outcome::Succeeded, tx.now);
                operation::save(&mut tx, &at, &operation).await?;
            }
            Ok(())
        })
    }

    /// The copy will not be whole, and nothing of it is left on the runtime: its row goes, its operation ends so. The source,
    /// and what the application's other volumes hold, is as it was.
    pub async fn abandon_copy(&self, id: VolumeId, outcome: &Outcome) -> Result<()> {
        transaction!(self, tx => {
            let query = sqlx::query("SELECT * FROM volumes WHERE id = $1").bind(id.to_string());
            let row = match tx.maybe(query).await? {
                Some(row) => read(&row)?,
                None => return Ok(()),
            };
            let Some(filling) = row.filling else { return Ok(()) };
            let delete = sqlx::query("DELETE FROM volumes WHERE id = $1 AND filling IS NOT NULL")
                .bind(id.to_string());
            tx.run(delete).await?;
            let (mut operation, at) = operation::load(&mut tx, filling).await?;
            if !operation.is_over() {
                operation.end(outcome.clone(), tx.now);
                operation::save(&mut tx, &at, &operation).await?;
            }
            Ok(())
        })
    }
}
