//! Deleting an application: first everything it has on its clusters, then what is left of it here.

use pluvio_model::event::EventBody;
use pluvio_model::id::ApplicationId;
use pluvio_model::operation::{Operation, OperationKind, Outcome};
use pluvio_model::problem;
use pluvio_model::stage::Power;

use super::{Ask, Asked, Start, Whose, refused, start};
use crate::application::{self, ApplicationState};
use crate::audit::record;
use crate::operation::{self, Place};
use crate::target::{self, Move};
use crate::transaction::{Tx, transaction};
use crate::{Result, Store, StoreError, volume};

impl Store {
    /// Marks the application as going: every target gets a new generation at which nothing is wished, queued jobs are
    /// cancelled, running operations are superseded. Asked again, it answers with the operation that is at it.
    pub async fn begin_delete(&self, ask: Ask) -> Result<Asked> {
        transaction!(self, tx => {
            if let Some(asked) = at_it_already(&mut tx, &ask).await? {
                return Ok(asked);
            }
            let mut begun = match start(&mut tx, &ask).await? {
                Start::Again(asked) => return Ok(*asked),
                Start::New(begun) => *begun,
            };
            let (id, team) = (begun.application.id, begun.application.team);
            for mut earlier in operation::running(&mut tx, id).await? {
                let by = Some(begun.operation.id);
                earlier.end(Outcome::Superseded { by }, tx.now);
                let (_, at) = operation::load(&mut tx, earlier.id).await?;
                operation::save(&mut tx, &at, &earlier).await?;
            }
            let cancel = sqlx::query(
                "UPDATE jobs SET state = 'cancelled', ended_at = $2 WHERE application = $1 AND state = 'queued'",
            )
            .bind(id.to_string())
            .bind(tx.now_ms());
            tx.run(cancel).await?;
            let mut targets: Vec<_> = target::load_all(&mut tx, id).await?.into_iter().map(Some).collect();
            if targets.is_empty() {
                // Nothing was ever released. A target brings it before the reconciler, which alone ends deletions.
                targets.push(None);
            }
            for target in targets {
                let to = Move {
                    application: id,
                    cluster: target.as_ref().map_or(ask.cluster, |t| t.cluster),
                    release: target.as_ref().map_or(0, |t| t.release),
                    power: target.as_ref().map_or(Power::Off, |t| t.power),
                    stopped: Vec::new(),
                    gone: true,
                    operation: Some(begun.operation.id),
                };
                let next = target::advance(&mut tx, team, target.as_ref(), to).await?;
                if next.cluster == ask.cluster {
                    begun.target = Some(next);
                }
            }
            operation::insert(&mut tx, &begun.place, &begun.operation).await?;
            begun.application.state = ApplicationState::Deleting;
            application::save(&mut tx, &mut begun.application).await?;
            Ok(begun.asked(None))
        })
    }

    /// Removes what is left of the application once its clusters hold nothing of it: rows, secrets, hosts. Volumes stay,
    /// listed as released; operations and audit rows stay as history. An application that is not there is removed already.
    pub async fn finish_delete(
        &self,
        application: ApplicationId,
        mut edit: impl FnMut(&mut Operation) + Send,
    ) -> Result<()> {
        let edit = &mut edit;
        transaction!(self, tx => {
            let application = match application::load(&mut tx, application).await {
                Err(StoreError::NotFound { .. }) => return Ok(()),
                other => other?,
            };
            if application.state != ApplicationState::Deleting {
                return Err(refused(problem::REFUSED.problem(
                    format!("Nobody asked to delete {}.", application.name),
                    "Ask for it first: `pluvio delete`.",
                )));
            }
            let id = application.id.to_string();
            volume::release(&mut tx, application.id).await?;
            tx.run(sqlx::query("DELETE FROM jobs WHERE application = $1").bind(id.clone())).await?;
            // Revisions, releases, targets, hosts, secrets and settings go with it.
            tx.run(sqlx::query("DELETE FROM applications WHERE id = $1").bind(id)).await?;
            let mut actor = String::new();
            for mut operation in operation::running(&mut tx, application.id).await? {
                let (_, at) = operation::load(&mut tx, operation.id).await?;
                edit(&mut operation);
                actor.clone_from(&operation.actor);
                operation.end(Outcome::Succeeded, tx.now);
                operation::save(&mut tx, &at, &operation).await?;
            }
            let name = application.name.to_string();
            let object = format!("application {name}");
            record(&mut tx, Some(application.team), &actor, "application:delete", &object, "done").await?;
            let body = EventBody::ApplicationDeleted { name };
            tx.tell(application.team, Some(application.id), None, &body).await
        })
    }
}

async fn at_it_already(tx: &mut Tx, ask: &Ask) -> Result<Option<Asked>> {
    let Whose::Existing(id) = ask.application else {
        return Ok(None);
    };
    let application = application::load(tx, id).await?;
    if application.state != ApplicationState::Deleting {
        return Ok(None);
    }
    let running = operation::running(tx, id).await?;
    let deleting = running
        .into_iter()
        .find(|o| o.kind == OperationKind::Delete);
    let Some(operation) = deleting else {
        return Ok(None);
    };
    let place = Place::of(&application, ask.cluster);
    Ok(Some(Asked {
        target: target::load(tx, id, place.cluster).await?,
        application,
        revision: None,
        operation,
        replayed: true,
    }))
}
