//! Operations beside the application: they move no release. An operation, its job and what it keeps begin in one transaction.

use jiff::Timestamp;

use super::{Ask, Asked, Start, start};
use crate::backup::{self, Firing, NewBackup};
use crate::job::{self, Belongs, NewJob};
use crate::operation;
use crate::transaction::transaction;
use crate::{Result, Store};

impl Store {
    /// Begins an operation with a job. With a backup, its row is there from the first moment.
    pub async fn ask_aside(
        &self,
        ask: Ask,
        new: NewJob,
        backup: Option<NewBackup>,
    ) -> Result<Asked> {
        let (asked, _) = self.aside(ask, new, backup, None).await?;
        Ok(asked)
    }

    /// As [`Store::ask_aside`], by a schedule's firing: `None` when that was fired before, by whomever.
    pub async fn fire_aside(
        &self,
        ask: Ask,
        new: NewJob,
        backup: NewBackup,
        firing: Firing,
    ) -> Result<Option<Asked>> {
        let (asked, fired) = self.aside(ask, new, Some(backup), Some(firing)).await?;
        Ok(fired.then_some(asked))
    }

    async fn aside(
        &self,
        ask: Ask,
        new: NewJob,
        backup: Option<NewBackup>,
        firing: Option<Firing>,
    ) -> Result<(Asked, bool)> {
        transaction!(self, tx => {
            let begun = match start(&mut tx, &ask).await? {
                Start::Again(asked) => return Ok((*asked, false)),
                Start::New(begun) => *begun,
            };
            if let Some(firing) = &firing
                && !backup::advance(&mut tx, begun.application.id, firing).await?
            {
                return Err(crate::StoreError::Stale { what: "the schedule" });
            }
            operation::insert(&mut tx, &begun.place, &begun.operation).await?;
            let belongs = Belongs {
                application: begun.application.id,
                operation: &begun.operation.id,
                revision: begun.application.release.unwrap_or(0),
            };
            job::insert(&mut tx, &new, Some(belongs)).await?;
            if let Some(backup) = &backup {
                let at: Option<Timestamp> = firing.as_ref().map(|firing| firing.at);
                backup::insert(&mut tx, begun.application.id, backup, &begun.operation, at).await?;
            }
            Ok((begun.asked(None), true))
        })
    }
}
