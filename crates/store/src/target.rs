//! Targets: what each application shall be on each cluster now.

use jiff::Timestamp;
use pluvio_model::id::{ApplicationId, ClusterId, Generation, OperationId};
use pluvio_model::stage::Power;

use crate::{Result, Store};

/// Moved by compare-and-swap only; its generation only grows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub application: ApplicationId,
    pub cluster: ClusterId,
    /// The release that shall run.
    pub release: u64,
    pub generation: Generation,
    pub power: Power,
    /// The last release that ran as decided.
    pub live_release: Option<u64>,
    /// The last generation that was reached, whatever it wished.
    pub live_generation: Option<Generation>,
    /// The release was given up on; it is not tried against the clock again.
    pub failed: bool,
    /// Nothing is wished any more: the application is being deleted.
    pub gone: bool,
    /// The operation that last moved it.
    pub operation: Option<OperationId>,
    pub moved_at: Timestamp,
}

impl Target {
    /// Whether what is wished has been reached (or given up) and told.
    pub fn is_settled(&self) -> bool {
        !self.gone && (self.failed || self.live_generation == Some(self.generation))
    }
}

impl Store {
    /// Every target of a cluster: what a reconciler walks.
    pub async fn targets(&self, cluster: ClusterId) -> Result<Vec<Target>> {
        todo!()
    }
    /// An application's target on a cluster; `None` while nothing was decided.
    pub async fn target(
        &self,
        application: ApplicationId,
        cluster: ClusterId,
    ) -> Result<Option<Target>> {
        todo!()
    }
}
