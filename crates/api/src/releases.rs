//! Releases: history, differences, previews.

use pluvio_model::id::OperationId;
use pluvio_model::revision::Origin;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::applications::BuiltFrom;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReleaseStatus {
    /// Decided, on its way.
    Deploying,
    /// Serves.
    Live,
    /// Served once; another took its place.
    Retired,
    /// Never became ready.
    Failed,
    Superseded,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ReleaseSummary {
    pub number: u64,
    pub status: ReleaseStatus,
    pub origin: Origin,
    /// What it is, in a sentence: the commit's first line, `Scale to 3`, `Roll back to r4`.
    pub title: String,
    pub actor: String,
    pub at: jiff::Timestamp,
    /// From asked to live, in milliseconds.
    pub duration_ms: Option<u64>,
    pub operation: Option<OperationId>,
    pub built_from: Option<BuiltFrom>,
    /// The main image's id, by component.
    pub images: Vec<(String, String)>,
    /// Images are at hand and it can be rolled back to.
    pub restorable: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ReleaseDetail {
    #[serde(flatten)]
    pub summary: ReleaseSummary,
    /// The revision's AppSpec.
    #[schema(value_type = Object)]
    pub spec: serde_json::Value,
    pub yaml: String,
    pub urls: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ReleaseDiff {
    pub from: u64,
    pub to: u64,
    pub components: Vec<ComponentDiff>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ComponentDiff {
    pub component: String,
    pub change: Change,
    pub rows: Vec<DiffRow>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    Added,
    Changed,
    Removed,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DiffRow {
    /// `image`, `env PORT`, `limits.memory`
    pub what: String,
    pub change: Change,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// What a change would do, before it is done.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ChangePreview {
    /// The number the new release will have.
    pub number: u64,
    pub diff: Vec<ComponentDiff>,
    pub effects: Vec<ComponentEffect>,
    /// Sentences by code, each with what it is about.
    pub notes: Vec<PreviewNote>,
    /// How long the like took before, in milliseconds.
    pub usual_ms: Option<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ComponentEffect {
    pub component: String,
    /// `unchanged`, `replaced`, `scaled`, `added`, `removed`, `routes`
    pub effect: String,
    pub instances_before: u32,
    pub instances_after: u32,
    /// Requests are held while it stops and starts (an exclusive volume).
    pub held: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PreviewNote {
    /// `no-request-lost`, `held`, `one-by-one`, `no-probe`, `volume-kept`, `images-at-hand`
    pub code: String,
    pub about: String,
    pub text: String,
}
