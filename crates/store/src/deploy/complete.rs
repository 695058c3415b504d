//! Builds hand in what they made: here it becomes a release, or only a record.

use pluvio_model::name::Name;
use pluvio_model::operation::{Operation, Outcome};
use pluvio_model::problem::{self, Problem};
use pluvio_model::revision::Revision;

use super::{Begun, Completed, Deciding, Decision, Scale, deciding};
use crate::application::{self, ApplicationState};
use crate::edits::Edits;
use crate::job::{self, Belongs, JobState, Lease, NewJob};
use crate::release::{self, Later, NewRelease, ReleaseState};
use crate::target;
use crate::transaction::{Tx, transaction};
use crate::{Result, Store, StoreError, operation};

impl Store {
    /// Completes a build's job: decides, keeps the release and moves the target, unless a later deploy was asked. Patches
    /// made since the deploy was asked are applied on top first, as a revision of their own.
    ///
    /// `edit` may finish steps of the operation in the same transaction. Fails with [`crate::StoreError::Stale`] when the
    /// lease is lost: then nothing was written.
    pub async fn complete_build(
        &self,
        lease: &Lease,
        decide: impl FnMut(&Deciding) -> Decision + Send,
        edit: impl FnMut(&mut Operation) + Send,
    ) -> Result<Completed> {
        self.complete_first(lease, &[], None, decide, edit).await
    }

    /// Like [`Store::complete_build`], of a copy whose databases are to be filled: where any is named, only the `first` run
    /// until [`Store::start_rest`], and the operation goes on with the job `then`.
    pub async fn complete_first(
        &self,
        lease: &Lease,
        first: &[Name],
        then: Option<NewJob>,
        mut decide: impl FnMut(&Deciding) -> Decision + Send,
        mut edit: impl FnMut(&mut Operation) + Send,
    ) -> Result<Completed> {
        let (decide, edit, then) = (&mut decide, &mut edit, &then);
        transaction!(self, tx => {
            let job = job::held(&mut tx, lease).await?;
            let (Some(operation), Some(number)) = (job.operation, job.revision) else {
                return Err(StoreError::Invalid {
                    what: "the job",
                    why: "it builds no revision".to_owned(),
                });
            };
            let (mut operation, place) = operation::load(&mut tx, operation).await?;
            if let Some(outcome) = &operation.outcome {
                job::end(&mut tx, job.id, JobState::Cancelled).await?;
                return Ok(match outcome {
                    Outcome::Superseded { by } => Completed::Superseded { by: *by },
                    _ => Completed::Cancelled,
                });
            }
            if operation.cancel_requested {
                job::end(&mut tx, job.id, JobState::Cancelled).await?;
                job::end_operation(&mut tx, &job, Outcome::Cancelled).await?;
                return Ok(Completed::Cancelled);
            }
            job::end(&mut tx, job.id, JobState::Done).await?;
            edit(&mut operation);
            let application = application::load(&mut tx, operation.application).await?;
            let mut begun = Begun {
                target: target::load(&mut tx, application.id, place.cluster).await?,
                application,
                operation,
                place,
                first: first.to_vec(),
            };
            let asked = release::load_revision(&mut tx, begun.application.id, number).await?;
            match release::later(&mut tx, begun.application.id, number).await? {
                Later::Whole(by) => {
                    begun.record(&mut tx, &asked, decide).await?;
                    begun.end(&mut tx, Outcome::Superseded { by: Some(by) }).await?;
                    Ok(Completed::Superseded { by: Some(by) })
                }
                Later::Patches(patches) => {
                    let made = begun.complete(&mut tx, asked, &patches, decide).await;
                    match made {
                        Ok(completed) => {
                            if let Some(new) = then {
                                let belongs = Belongs {
                                    application: begun.application.id,
                                    operation: &begun.operation.id,
                                    revision: number,
                                };
                                job::insert(&mut tx, new, Some(belongs)).await?;
                            }
                            Ok(completed)
                        }
                        // A refusal ends the operation with its reason; what was claimed or kept before is not there yet.
                        Err(StoreError::Refused(problem)) => begun.refuse(&mut tx, *problem).await,
                        Err(error @ StoreError::HostTaken { .. }) => {
                            begun.refuse(&mut tx, error.into()).await
                        }
                        Err(error) => Err(error),
                    }
                }
            }
        })
    }

    /// Fails a build's job and with it the operation; `cancelled` when somebody asked for the end.
    pub async fn fail_build(
        &self,
        lease: &Lease,
        problem: &Problem,
        cancelled: bool,
    ) -> Result<()> {
        transaction!(self, tx => {
            let job = job::held(&mut tx, lease).await?;
            let (state, outcome) = if cancelled {
                (JobState::Cancelled, Outcome::Cancelled)
            } else {
                let problem = Box::new(problem.clone());
                (JobState::Failed, Outcome::Failed { problem })
            };
            job::end(&mut tx, job.id, state).await?;
            job::end_operation(&mut tx, &job, outcome).await
        })
    }
}

impl Begun {
    async fn complete(
        &mut self,
        tx: &mut Tx,
        asked: Revision,
        patches: &[Edits],
        decide: &mut (dyn FnMut(&Deciding) -> Decision + Send),
    ) -> Result<Completed> {
        let revision = self.with_patches(tx, asked, patches).await?;
        let deciding = deciding(
            tx,
            &self.application,
            &self.place,
            &revision,
            self.target.as_ref(),
        )
        .await?;
        let release = decide(&deciding).map_err(super::refused)?;
        self.promote(tx, &revision, &release, Scale::Whole).await?;
        if self.first.is_empty() {
            self.operation.release = Some(release.number);
        }
        operation::save(tx, &self.place, &self.operation).await?;
        Ok(Completed::Promoted {
            release: Box::new(release),
            target: self
                .target
                .clone()
                .ok_or(StoreError::NotFound { what: "target" })?,
        })
    }

    /// What was asked with the patches made since on top: a revision of its own when there are any.
    async fn with_patches(
        &mut self,
        tx: &mut Tx,
        asked: Revision,
        patches: &[Edits],
    ) -> Result<Revision> {
        if patches.is_empty() {
            return Ok(asked);
        }
        let mut spec = asked.spec;
        for patch in patches {
            spec = patch.make(&spec).map_err(|error| {
                super::refused(problem::CONFLICT.problem(
                    format!("A change made while this was built does not fit it: {error}."),
                    "Deploy again: the change is then left out.",
                ))
            })?;
        }
        self.revise(tx, spec, asked.origin, None).await
    }

    /// Keeps the release of a build that came too late, if there is one to keep.
    async fn record(
        &mut self,
        tx: &mut Tx,
        revision: &Revision,
        decide: &mut (dyn FnMut(&Deciding) -> Decision + Send),
    ) -> Result<()> {
        let deciding = deciding(
            tx,
            &self.application,
            &self.place,
            revision,
            self.target.as_ref(),
        )
        .await?;
        if let Ok(release) = decide(&deciding) {
            let new = NewRelease {
                release: &release,
                revision,
                state: ReleaseState::Superseded,
                operation: self.operation.id,
                asked_at: self.operation.asked_at,
            };
            release::insert(tx, new).await?;
        }
        Ok(())
    }

    async fn refuse(&mut self, tx: &mut Tx, problem: Problem) -> Result<Completed> {
        let outcome = Outcome::Failed {
            problem: Box::new(problem.clone()),
        };
        self.end(tx, outcome).await?;
        Ok(Completed::Refused(problem))
    }

    async fn end(&mut self, tx: &mut Tx, outcome: Outcome) -> Result<()> {
        let failed = matches!(outcome, Outcome::Failed { .. });
        self.operation.end(outcome, tx.now);
        operation::save(tx, &self.place, &self.operation).await?;
        if self.application.state != ApplicationState::Deleting {
            self.application.state =
                application::settled_state(tx, &self.application, self.target.as_ref(), failed)
                    .await?;
        }
        application::save(tx, &mut self.application).await
    }
}
