//! What happened, in order: written in the transaction of the change it tells of.

use serde::{Deserialize, Serialize};

use crate::id::{ApplicationId, OperationId};

/// A row of the event log. `seq` grows over the whole installation and is what `Last-Event-ID` holds.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub seq: u64,
    pub at: jiff::Timestamp,
    pub application: Option<ApplicationId>,
    pub operation: Option<OperationId>,
    pub body: EventBody,
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum EventBody {
    ApplicationCreated {
        name: String,
    },
    ApplicationDeleted {
        name: String,
    },
    /// The operation as it is now.
    OperationChanged {
        operation: Box<crate::operation::Operation>,
    },
    ReleaseDecided {
        number: u64,
    },
    TargetMoved {
        number: u64,
        generation: u64,
    },
    ReleaseLive {
        number: u64,
    },
}
