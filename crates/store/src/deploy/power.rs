//! Stopping and starting: the whole application, or some of its components.

use pluvio_model::name::Name;
use pluvio_model::operation::Outcome;
use pluvio_model::problem::Problem;
use pluvio_model::release::Release;
use pluvio_model::stage::Power;

use super::{Ask, Asked, Start, nothing_deployed, refused, start};
use crate::application::{self, ApplicationState};
use crate::target::{self, Move, Target};
use crate::transaction::transaction;
use crate::{Result, Store, operation, release};

impl Store {
    /// Stops or starts: the same release at a new generation. Where that is so already, the operation ends at once; a
    /// release that failed is tried again by a start.
    pub async fn set_power(&self, ask: Ask, power: Power) -> Result<Asked> {
        self.switch(ask, |_, _| Ok((power, Vec::new()))).await
    }

    /// Like [`Store::set_power`], of some components: `decide` says from the target and its release whether the application
    /// is on, and which components are stopped while it is.
    pub async fn switch(
        &self,
        ask: Ask,
        mut decide: impl FnMut(&Release, &Target) -> std::result::Result<(Power, Vec<Name>), Problem>
        + Send,
    ) -> Result<Asked> {
        let decide = &mut decide;
        transaction!(self, tx => {
            let mut begun = match start(&mut tx, &ask).await? {
                Start::Again(asked) => return Ok(*asked),
                Start::New(begun) => *begun,
            };
            let Some(target) = begun.target.clone() else {
                return Err(nothing_deployed(&begun.application));
            };
            begun.operation.release = Some(target.release);
            let release = release::load(&mut tx, begun.application.id, target.release).await?;
            let (power, stopped) = decide(&release, &target).map_err(refused)?;
            if target.power == power && target.stopped == stopped && !target.failed {
                begun.operation.end(Outcome::Succeeded, tx.now);
                operation::insert(&mut tx, &begun.place, &begun.operation).await?;
                return Ok(begun.asked(None));
            }
            operation::insert(&mut tx, &begun.place, &begun.operation).await?;
            let to = Move {
                application: target.application,
                cluster: target.cluster,
                release: target.release,
                power,
                stopped,
                gone: false,
                operation: Some(begun.operation.id),
            };
            let team = begun.application.team;
            begun.target = Some(target::advance(&mut tx, team, Some(&target), to).await?);
            begun.application.state = match power {
                Power::On => ApplicationState::Deploying,
                Power::Off => ApplicationState::Stopped,
            };
            application::save(&mut tx, &mut begun.application).await?;
            Ok(begun.asked(None))
        })
    }
}
