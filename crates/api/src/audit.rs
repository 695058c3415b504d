//! Who did what.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One thing that was done, asked or refused.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AuditRow {
    /// Grows; the chain goes by it.
    pub number: u64,
    pub at: Timestamp,
    /// Absent for what belongs to the installation: sign-ins, users, tokens, the cluster.
    pub team: Option<String>,
    /// `pluvio` for what it did by itself.
    pub actor: String,
    /// `application:deploy`
    pub action: String,
    /// `application shop`
    pub object: String,
    /// `done`, `asked`, `refused` …
    pub result: String,
    /// False for the last moment's, until they are chained.
    pub sealed: bool,
}

/// What a check of the chain found. A broken one is answered with the problem `audit.broken`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AuditReport {
    /// Records that are as they were written.
    pub sealed: u64,
    /// Newer ones that were written while it was checked.
    pub open: u64,
}
