//! The event log: what happened, in the order in which it was committed.

use pluvio_model::event::Event;
use pluvio_model::id::{ApplicationId, OperationId, TeamId};

use crate::{Result, Store};

/// Which events are wanted; all of it must hold.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    pub team: Option<TeamId>,
    pub application: Option<ApplicationId>,
    pub operation: Option<OperationId>,
}

/// Wakes whoever waits for something new, in this process at once, from another within 200 ms. It carries no data: look.
#[derive(Debug, Clone)]
pub struct Hint {
    seen: tokio::sync::watch::Receiver<u64>,
}

impl Hint {
    /// Returns when something was committed since the last call (or since the hint was made). Wakes too early at times.
    pub async fn changed(&mut self) {
        todo!()
    }
}

impl Store {
    /// Events after `seq` in order, at most `limit` (up to 1,000).
    pub async fn events_after(
        &self,
        seq: u64,
        filter: &EventFilter,
        limit: u32,
    ) -> Result<Vec<Event>> {
        todo!()
    }
    /// The newest event's number; 0 when there is none.
    pub async fn last_event(&self) -> Result<u64> {
        todo!()
    }
    /// The oldest number that is still kept: a reader that is behind it must begin anew.
    pub async fn first_event(&self) -> Result<u64> {
        todo!()
    }
    pub fn hint(&self) -> Hint {
        todo!()
    }
}
