//! What the reconciler found out: a target runs as decided, or will not.

use pluvio_model::event::EventBody;
use pluvio_model::id::{ApplicationId, ClusterId, Generation};
use pluvio_model::operation::{Operation, Outcome};
use pluvio_model::problem::Problem;
use pluvio_model::stage::Power;

use super::Reverted;
use crate::application::{self, ApplicationState};
use crate::audit::record;
use crate::operation::{self, Place};
use crate::release::{self, ReleaseState};
use crate::target::{self, Move, Target};
use crate::transaction::{Tx, transaction};
use crate::{Result, Store, StoreError, host, secret};

impl Store {
    /// The target of this generation runs as decided: its release is live, the operations that led to it succeed. Told
    /// again, nothing happens. [`crate::StoreError::Stale`] when the target has moved on.
    pub async fn mark_live(
        &self,
        application: ApplicationId,
        cluster: ClusterId,
        generation: Generation,
        mut edit: impl FnMut(&mut Operation) + Send,
    ) -> Result<Target> {
        let edit = &mut edit;
        transaction!(self, tx => {
            let mut target = wished(&mut tx, application, cluster, generation).await?;
            if target.live_generation == Some(generation) && !target.failed {
                return Ok(target);
            }
            let mut application = application::load(&mut tx, application).await?;
            let before = target.clone();
            target.live_generation = Some(generation);
            // What is switched off has reached its wish, but its release has not been seen to run.
            if target.power == Power::On {
                target.failed = false;
                target.live_release = Some(target.release);
            }
            target::save(&mut tx, generation, &target).await?;
            if target.live_release != before.live_release || before.failed {
                settle_release(&mut tx, &before, &target, application.team).await?;
            }
            let place = Place::of(&application, cluster);
            end_all(&mut tx, &place, application.id, &Outcome::Succeeded, edit).await?;
            // A generation without an operation is a revert: what failed before it stays to be seen.
            let failed = target.operation.is_none() && application.state == ApplicationState::Failed;
            application.state =
                application::settled_state(&mut tx, &application, Some(&target), failed).await?;
            application::save(&mut tx, &mut application).await?;
            Ok(target)
        })
    }

    /// The target of this generation will not run: its release is failed, its operations fail with `problem`, and the
    /// target moves to a new generation of the last live release.
    pub async fn mark_failed_and_revert(
        &self,
        application: ApplicationId,
        cluster: ClusterId,
        generation: Generation,
        problem: &Problem,
        edit: impl FnMut(&mut Operation) + Send,
    ) -> Result<Reverted> {
        let outcome = Outcome::Failed {
            problem: Box::new(problem.clone()),
        };
        self.revert(application, cluster, generation, outcome, edit)
            .await
    }

    /// Like [`Store::mark_failed_and_revert`], for a rollout that somebody cancelled: the operations end as cancelled.
    pub async fn cancel_and_revert(
        &self,
        application: ApplicationId,
        cluster: ClusterId,
        generation: Generation,
        edit: impl FnMut(&mut Operation) + Send,
    ) -> Result<Reverted> {
        self.revert(application, cluster, generation, Outcome::Cancelled, edit)
            .await
    }

    async fn revert(
        &self,
        application: ApplicationId,
        cluster: ClusterId,
        generation: Generation,
        outcome: Outcome,
        mut edit: impl FnMut(&mut Operation) + Send,
    ) -> Result<Reverted> {
        let edit = &mut edit;
        let failed = matches!(outcome, Outcome::Failed { .. });
        transaction!(self, tx => {
            let target = wished(&mut tx, application, cluster, generation).await?;
            if target.failed {
                return Ok(Reverted::Nowhere(target));
            }
            let mut application = application::load(&mut tx, application).await?;
            if target.live_release != Some(target.release) {
                release::set_state(&mut tx, application.id, target.release, ReleaseState::Failed).await?;
            }
            let place = Place::of(&application, cluster);
            end_all(&mut tx, &place, application.id, &outcome, edit).await?;
            let to = |release, power| Move {
                application: target.application,
                cluster,
                release,
                power,
                stopped: target.stopped.clone(),
                gone: false,
                operation: None,
            };
            let reverted = match target.live_release {
                Some(live) if live != target.release => {
                    let to = to(live, target.power);
                    let next = target::advance(&mut tx, application.team, Some(&target), to).await?;
                    let live = release::load(&mut tx, application.id, live).await?;
                    host::keep_only(&mut tx, application.id, cluster, &live).await?;
                    application.release = Some(live.number);
                    application.url = live.urls.first().cloned();
                    Reverted::To(next)
                }
                _ if failed => {
                    let mut next = target.clone();
                    next.failed = true;
                    target::save(&mut tx, generation, &next).await?;
                    Reverted::Nowhere(next)
                }
                // Who cancels a first release wants nothing of it to run.
                _ => {
                    let to = to(target.release, Power::Off);
                    Reverted::Nowhere(target::advance(&mut tx, application.team, Some(&target), to).await?)
                }
            };
            let (Reverted::To(next) | Reverted::Nowhere(next)) = &reverted;
            application.state =
                application::settled_state(&mut tx, &application, Some(next), failed).await?;
            application::save(&mut tx, &mut application).await?;
            let result = match &reverted {
                Reverted::To(next) => format!("r{} reverted to r{}", target.release, next.release),
                Reverted::Nowhere(_) if failed => format!("r{} failed", target.release),
                Reverted::Nowhere(_) => format!("r{} switched off", target.release),
            };
            let object = format!("application {}", application.name);
            // Nobody asked for it: what a person asked has its row already.
            record(&mut tx, Some(application.team), "pluvio", "application:deploy", &object, &result).await?;
            Ok(reverted)
        })
    }
}

/// The target of this generation, while something is wished of it.
async fn wished(
    tx: &mut Tx,
    application: ApplicationId,
    cluster: ClusterId,
    generation: Generation,
) -> Result<Target> {
    let target = target::load_at(tx, application, cluster, generation).await?;
    match target.gone {
        true => Err(StoreError::Stale {
            what: "the generation",
        }),
        false => Ok(target),
    }
}

/// A release runs for the first time, or again after another: its state, its predecessor's, its hosts.
async fn settle_release(
    tx: &mut Tx,
    before: &Target,
    target: &Target,
    team: pluvio_model::id::TeamId,
) -> Result<()> {
    let application = target.application;
    if let Some(old) = before.live_release.filter(|old| *old != target.release) {
        release::set_state(tx, application, old, ReleaseState::Retired).await?;
    }
    release::set_state(tx, application, target.release, ReleaseState::Live).await?;
    let live = release::load(tx, application, target.release).await?;
    host::keep_only(tx, application, target.cluster, &live).await?;
    secret::forget_removed(tx, application).await?;
    let body = EventBody::ReleaseLive {
        number: target.release,
    };
    tx.tell(team, Some(application), target.operation, &body)
        .await
}

/// Ends every operation whose release is on its way.
async fn end_all(
    tx: &mut Tx,
    place: &Place,
    application: ApplicationId,
    outcome: &Outcome,
    edit: &mut (dyn FnMut(&mut Operation) + Send),
) -> Result<()> {
    for mut operation in operation::rolling_out(tx, application, place.cluster).await? {
        edit(&mut operation);
        operation.end(outcome.clone(), tx.now);
        operation::save(tx, place, &operation).await?;
    }
    Ok(())
}
