//! Operations: what was asked, how it goes, how it ended.

use pluvio_model::id::{ApplicationId, EnvironmentId, OperationId, TeamId};
use pluvio_model::operation::Operation;

use crate::account::Scope;
use crate::{Page, PageRequest, Result, Store};

/// Which operations a list shows. The team is not optional: nothing is listed across tenants.
#[derive(Debug, Clone)]
pub struct OperationFilter {
    pub team: TeamId,
    pub environment: Option<EnvironmentId>,
    pub application: Option<ApplicationId>,
    /// Only those that have not ended.
    pub running: bool,
}

impl Store {
    /// An operation and where it belongs (for the permission check: it outlives its application).
    pub async fn operation(&self, id: OperationId) -> Result<(Operation, Scope)> {
        todo!()
    }
    /// The newest first.
    pub async fn operations(
        &self,
        filter: &OperationFilter,
        page: &PageRequest,
    ) -> Result<Page<Operation>> {
        todo!()
    }
    /// Changes an operation and tells of it. An operation that is over stays as it is, and an edit that changes nothing
    /// writes nothing.
    pub async fn update_operation(
        &self,
        id: OperationId,
        edit: impl FnMut(&mut Operation) + Send,
    ) -> Result<Operation> {
        todo!()
    }
    /// Marks an operation to be cancelled. A job of it that nobody has taken yet is cancelled at once, and the operation
    /// with it; else whoever works on it sees the mark.
    pub async fn request_cancel(&self, id: OperationId, actor: &str) -> Result<Operation> {
        todo!()
    }
    /// Operations of an application that have not ended, the oldest first.
    pub async fn running_operations(&self, application: ApplicationId) -> Result<Vec<Operation>> {
        todo!()
    }
}
