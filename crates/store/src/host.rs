//! Which application answers where. A host belongs to one application's team; who has it is never told to others.

use pluvio_model::id::{ApplicationId, ClusterId};

use crate::{Result, Store};

impl Store {
    /// Whether another application claims a path of this host.
    pub async fn host_taken(
        &self,
        cluster: ClusterId,
        host: &str,
        application: Option<ApplicationId>,
    ) -> Result<bool> {
        todo!()
    }
    /// Hosts and paths that an application claims.
    pub async fn hosts(&self, application: ApplicationId) -> Result<Vec<(String, String)>> {
        todo!()
    }
}
