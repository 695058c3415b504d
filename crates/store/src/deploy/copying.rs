//! Copies that take data along: one job after another of the same operation, and the end of those that did not come to their
//! own. Until its data are whole a copy's operation has no release: nothing of the rollout ends it.

use pluvio_model::id::ApplicationId;
use pluvio_model::operation::{Operation, Outcome};
use pluvio_model::stage::Power;

use crate::application::{self, ApplicationState};
use crate::audit::record;
use crate::job::{self, Belongs, JobState, Lease, NewJob};
use crate::release::{self, ReleaseState};
use crate::row::Columns;
use crate::target::{self, Move};
use crate::transaction::transaction;
use crate::{Result, Store, StoreError, operation};

impl Store {
    /// Ends a job and queues the one that follows it; where somebody asked for the end meanwhile, the operation ends.
    pub async fn follow_job(
        &self,
        lease: &Lease,
        new: NewJob,
        mut edit: impl FnMut(&mut Operation) + Send,
    ) -> Result<()> {
        let (new, edit) = (&new, &mut edit);
        transaction!(self, tx => {
            let job = job::held(&mut tx, lease).await?;
            let (Some(of), Some(id), Some(revision)) = (job.application, job.operation, job.revision) else {
                return Err(StoreError::Invalid { what: "the job", why: "it belongs to no revision".to_owned() });
            };
            let (mut operation, at) = operation::load(&mut tx, id).await?;
            if operation.is_over() || operation.cancel_requested {
                job::end(&mut tx, job.id, JobState::Cancelled).await?;
                return job::end_operation(&mut tx, &job, Outcome::Cancelled).await;
            }
            job::end(&mut tx, job.id, JobState::Done).await?;
            edit(&mut operation);
            operation::save(&mut tx, &at, &operation).await?;
            let belongs = Belongs { application: of, operation: &id, revision };
            job::insert(&mut tx, new, Some(belongs)).await?;
            Ok(())
        })
    }

    /// The copy's databases hold what they shall: ends the job, and starts the components that waited. From here the
    /// operation is a rollout like any other.
    pub async fn start_rest(
        &self,
        lease: &Lease,
        mut edit: impl FnMut(&mut Operation) + Send,
    ) -> Result<()> {
        let edit = &mut edit;
        transaction!(self, tx => {
            let job = job::held(&mut tx, lease).await?;
            let (Some(of), Some(id)) = (job.application, job.operation) else {
                return Err(StoreError::Invalid { what: "the job", why: "it belongs to nothing".to_owned() });
            };
            let (mut operation, at) = operation::load(&mut tx, id).await?;
            if operation.is_over() || operation.cancel_requested {
                job::end(&mut tx, job.id, JobState::Cancelled).await?;
                return job::end_operation(&mut tx, &job, Outcome::Cancelled).await;
            }
            job::end(&mut tx, job.id, JobState::Done).await?;
            let mut application = application::load(&mut tx, of).await?;
            let target = target::load(&mut tx, of, at.cluster).await?;
            let target = target.ok_or(StoreError::NotFound { what: "target" })?;
            edit(&mut operation);
            operation.release = Some(target.release);
            operation::save(&mut tx, &at, &operation).await?;
            let to = Move {
                application: of,
                cluster: target.cluster,
                release: target.release,
                power: target.power,
                stopped: Vec::new(),
                gone: false,
                operation: Some(id),
            };
            let mut next = target::advance(&mut tx, application.team, Some(&target), to).await?;
            // The databases ran alone: the release has not.
            next.live_release = None;
            target::save(&mut tx, next.generation, &next).await?;
            release::set_state(&mut tx, of, target.release, ReleaseState::Decided).await?;
            application.state = match target.power {
                Power::On => ApplicationState::Deploying,
                Power::Off => ApplicationState::Stopped,
            };
            application::save(&mut tx, &mut application).await
        })
    }

    /// Applications that a copy made whose operation ended before its rollout, and that nobody changed since.
    pub async fn undone_copies(&self) -> Result<Vec<ApplicationId>> {
        let query = sqlx::query(
            "SELECT a.id FROM applications a JOIN operations o ON o.application = a.id WHERE o.kind = 'copy' \
             AND o.ended_at IS NOT NULL AND o.release IS NULL AND a.revision = 1 AND a.state <> 'deleting'",
        );
        let rows = self.read_all(query).await?;
        rows.iter().map(|row| row.parsed("id")).collect()
    }

    /// Has the volumes that came with an application end with it, at once.
    pub async fn end_volumes(&self, application: ApplicationId, actor: &str) -> Result<()> {
        transaction!(self, tx => {
            let of = application::load(&mut tx, application).await?;
            // One that it took up from elsewhere is older than it.
            let update = sqlx::query(
                "UPDATE volumes SET ends_at = $2 WHERE application = $1 AND created_at >= $3 AND filling IS NULL",
            )
            .bind(application.to_string())
            .bind(tx.now_ms())
            .bind(of.created_at.as_millisecond());
            if tx.run(update).await? > 0 {
                let object = format!("the volumes of {}", of.name);
                record(&mut tx, Some(of.team), actor, "volume:delete", &object, "end with the copy that failed").await?;
            }
            Ok(())
        })
    }
}
