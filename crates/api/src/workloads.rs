//! What runs, over all environments of a team and all clusters: one row a component.

use std::collections::BTreeMap;

use pluvio_model::facts::RuntimeKind;
use pluvio_model::id::{ApplicationId, OperationId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::applications::Status;

/// A component of an application that was deployed, where it runs and how it is.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WorkloadSummary {
    pub environment: String,
    /// Where the environment is; `local` is the engine of this machine.
    pub cluster: String,
    pub runtime: RuntimeKind,
    /// The namespace on a cluster; an engine has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub application_id: ApplicationId,
    pub application: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    pub component: String,
    /// `service`, `stateful`, `job`, `cron`, `daemon`, `database`
    pub kind: String,
    pub status: Status,
    /// `1 of 2 ready`; empty when there is nothing to say.
    pub status_note: String,
    /// A person stopped it, by itself or with the application.
    pub stopped: bool,
    pub instances_ready: u32,
    pub instances_wanted: u32,
    /// The number of its instances can be set: it runs on, and does not scale itself.
    pub can_scale: bool,
    /// Nodes that its instances are on, with how many; only for whoever may see clusters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub nodes: BTreeMap<String, u32>,
    /// What is at work on its application now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationId>,
}
