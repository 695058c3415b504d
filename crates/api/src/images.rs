//! Images in Pluvio's registry.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a team has in the registry.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ImageList {
    /// By which clusters and people name the registry; absent where none is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Bytes that the team's images take; what several repositories share counts once.
    pub used: u64,
    /// Bytes that they may take; absent where there is no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<u64>,
    pub items: Vec<ImageRepository>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ImageRepository {
    /// `TEAM/APP/COMPONENT`, or whatever was pushed below the team's name.
    pub name: String,
    pub tags: u64,
    pub manifests: u64,
    pub bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed_at: Option<jiff::Timestamp>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ImageTag {
    pub name: String,
    pub digest: String,
    pub media_type: String,
    /// What it names, together; of an index its own size only.
    pub bytes: u64,
    pub updated_at: jiff::Timestamp,
}

/// What a team's images may take.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ImageQuota {
    /// Bytes; absent: as the configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// What a collection removed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ImagesCollected {
    pub tags: u64,
    pub manifests: u64,
    /// Layers and configurations that no manifest of their repository named.
    pub contents: u64,
    /// Files that no repository held, and their bytes.
    pub files: u64,
    pub bytes: u64,
    /// Pushes that nobody went on with.
    pub uploads: u64,
}

/// That a cluster's pull credential was changed. Pluvio lays the new one down in the cluster.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PullCredentialRotated {
    pub rotated_at: jiff::Timestamp,
    /// Until when the one of before is still taken.
    pub previous_until: jiff::Timestamp,
}
