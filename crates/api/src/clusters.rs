//! Clusters: where applications run beside the engine of the machine.

use pluvio_model::cluster::ClusterEvent;
pub use pluvio_model::cluster::{CheckReport, ClusterOverview};
use pluvio_model::facts::{Facts, RuntimeKind};
pub use pluvio_model::objects::{
    ContainerSeen, KeySize, ObjectKind, ObjectRow, ObjectState, Whose,
};
use pluvio_model::place::PlaceSettings;
use pluvio_model::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A cluster that is added, or whose credential or settings change: the same name again.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct ClusterRequest {
    pub name: String,
    /// A kubeconfig's text. It is used to make an account of Pluvio's own, and is kept only if that cannot be made.
    pub kubeconfig: String,
    /// The context in it; its current one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    #[serde(default)]
    pub settings: PlaceSettings,
}

/// A cluster that was added, and how it was found.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ClusterAdded {
    #[serde(flatten)]
    pub cluster: ClusterSummary,
    pub report: CheckReport,
}
masked!(ClusterRequest {
    name,
    context,
    settings
});

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ClusterSummary {
    /// `local` is the engine of this machine.
    pub name: String,
    pub kind: RuntimeKind,
    /// How it is reached.
    pub address: String,
    pub state: ClusterState,
    /// Since when it does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<jiff::Timestamp>,
    /// Why it does not answer; of one that does, what does not go as its settings ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// As they were when it last answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Facts>,
    pub settings: PlaceSettings,
    /// The environments that are on it, as TEAM/NAME.
    pub environments: Vec<String>,
    pub created_at: jiff::Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterState {
    /// It answers.
    Connected,
    /// It is only just being connected to.
    Connecting,
    /// It does not answer.
    Away,
    /// It is being taken out.
    Leaving,
}

/// What stays on a cluster that was taken out.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ClusterRemoved {
    pub volumes: Vec<VolumeLeft>,
}

/// A data volume that Pluvio made, and leaves.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct VolumeLeft {
    pub namespace: String,
    pub name: String,
    /// `10Gi`
    pub size: String,
}

/// One object of a cluster whole, with what belongs to it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ObjectDetail {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub name: String,
    /// Pluvio made it, or it belongs to one of its applications.
    pub is_ours: bool,
    /// As it is in the cluster. Of Secrets and ConfigMaps sizes stand where values are.
    pub yaml: String,
    /// Of a pod.
    pub containers: Vec<ContainerSeen>,
    /// Of a Secret or ConfigMap.
    pub keys: Vec<KeySize>,
    /// What the cluster told of it lately, the newest first.
    pub events: Vec<ClusterEvent>,
}
