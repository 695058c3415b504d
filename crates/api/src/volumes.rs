//! Volumes on the wire.

use pluvio_model::id::{OperationId, VolumeId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct VolumeSummary {
    pub id: VolumeId,
    pub name: String,
    /// The application it belongs to, or belonged to when that was deleted.
    pub application: Option<String>,
    pub state: VolumeState,
    /// Where it is mounted now.
    #[serde(default)]
    pub used_by: Vec<VolumeUse>,
    /// `exclusive` or `shared`, as the last release that named it asked.
    pub access: Option<String>,
    /// Bytes asked for; on a container engine a note, not a limit.
    pub size: Option<u64>,
    /// What it really takes, when it was measured last.
    pub bytes: Option<u64>,
    pub measured_at: Option<jiff::Timestamp>,
    pub created_at: jiff::Timestamp,
    /// When its application was deleted: it is kept until named.
    pub released_at: Option<jiff::Timestamp>,
    /// It was deleted by name: until then it can be had back.
    pub ends_at: Option<jiff::Timestamp>,
    /// The volume that its data are a copy of.
    pub copy_of: Option<VolumeId>,
    /// The operation that copies into it.
    pub copying: Option<OperationId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum VolumeState {
    /// A component mounts it.
    Bound,
    /// Nothing mounts it: detached, or its application is deleted. Its data stay until it is deleted by name.
    Kept,
    /// Deleted by name; until `ends_at` it can be had back.
    Leaving,
    /// Another volume's data are being copied into it.
    Copying,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VolumeUse {
    pub application: String,
    pub component: String,
    pub path: String,
    pub read_only: bool,
}

/// Mounts a volume in a component.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AttachVolume {
    pub application: String,
    pub component: String,
    /// Where, in the container.
    pub path: String,
    /// What the application calls it; as it is called now when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `exclusive` or `shared`; as it was mounted last when absent. `shared` makes those of the application that mount it
    /// already share it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<String>,
    #[serde(default)]
    pub read_only: bool,
}

/// Takes a volume's mounts out of an application.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DetachVolume {
    pub application: String,
    /// Only of this component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Only the one at this path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// Copies a volume's data into a new one.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloneVolume {
    /// Of the new volume.
    pub name: String,
    /// The application that the new one is for; the volume's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
}
