//! The platform itself: the machine's checks, the cluster, versions.

use pluvio_model::facts::Facts;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DoctorReport {
    pub checks: Vec<DoctorCheck>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DoctorCheck {
    /// `engine`, `kernel`, `ports`, `disk`, `names`, `clock`, `git`
    pub name: String,
    /// `ok`, `warning`, `failed`
    pub verdict: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ClusterDetail {
    pub name: String,
    /// `None` while the node does not answer.
    pub facts: Option<Facts>,
    pub reachable: bool,
    pub message: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct VersionInfo {
    pub version: String,
    pub api: String,
}
