//! What is seen of a cluster itself: how it was found when it was looked at step by step, and what it looks like while it is used.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{ApplicationId, ClusterId};

/// What a look at a cluster found, step by step.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    pub at: Timestamp,
    /// The API server's URL, as the kubeconfig says; absent if it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// What tells the cluster from every other; absent until it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<ClusterId>,
    /// `1.34.4`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// In the order in which they are read: a later one often needs an earlier one.
    pub steps: Vec<CheckStep>,
    pub findings: ClusterFindings,
}

/// One thing that was looked at.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckStep {
    pub name: CheckName,
    pub state: CheckState,
    /// What was found, a sentence.
    pub found: String,
    /// More of it, a line each: the permissions that are missing, the classes that are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// How to come by what is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// In the order in which they are done.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckName {
    /// The kubeconfig can be read and used.
    Kubeconfig,
    /// The API server answers.
    Reach,
    /// It knows who asks.
    Identity,
    /// Pluvio is tested with its version.
    Version,
    /// What the runtime does is allowed.
    Permissions,
    /// What the making of a lesser account takes is allowed.
    Account,
    StorageClasses,
    /// Where requests from outside arrive.
    Ingress,
    /// Whether somebody enforces NetworkPolicies.
    NetworkPolicies,
    /// Whether the cluster measures what nodes and pods use.
    Metrics,
    /// Nodes that work, and of which architectures.
    Nodes,
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckState {
    Passed,
    /// Pluvio works without it, some features do not.
    Warning,
    /// Pluvio does not work like this.
    Failed,
    /// Not looked at, since an earlier step failed.
    Skipped,
}

impl CheckReport {
    /// Whether applications can run there.
    pub fn is_usable(&self) -> bool {
        self.steps
            .iter()
            .all(|step| matches!(step.state, CheckState::Passed | CheckState::Warning))
    }

    pub fn step(&self, name: CheckName) -> Option<&CheckStep> {
        self.steps.iter().find(|step| step.name == name)
    }

    pub fn failed(&self) -> impl Iterator<Item = &CheckStep> {
        self.steps
            .iter()
            .filter(|step| step.state == CheckState::Failed)
    }
}

impl CheckName {
    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            CheckName::Kubeconfig => "Kubeconfig",
            CheckName::Reach => "API server",
            CheckName::Identity => "Identity",
            CheckName::Version => "Version",
            CheckName::Permissions => "Permissions",
            CheckName::Account => "Account",
            CheckName::StorageClasses => "Storage classes",
            CheckName::Ingress => "Ingress address",
            CheckName::NetworkPolicies => "Network policies",
            CheckName::Metrics => "Metrics",
            CheckName::Nodes => "Nodes",
        }
    }
}

/// What the steps found, for programs.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterFindings {
    /// Who the cluster says is asking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What is not allowed and the runtime needs, `create deployments.apps`.
    pub missing_permissions: Vec<String>,
    /// Whether a lesser account can be made.
    pub can_make_account: bool,
    pub storage_classes: Vec<StorageClassFound>,
    /// Whether the kinds of the Gateway API are there.
    pub gateway_api: bool,
    /// Gateways of the cluster's own Gateway API implementation, `NAMESPACE/NAME`.
    pub gateways: Vec<String>,
    pub load_balancer: LoadBalancerGuess,
    /// External addresses of nodes, internal ones of those that have none.
    pub node_addresses: Vec<String>,
    pub network_policies: PolicyEnforcement,
    /// Whether the cluster answers what nodes and pods use.
    pub metrics: bool,
    /// `amd64`, `arm64`
    pub architectures: Vec<String>,
    pub nodes: u32,
    pub ready_nodes: u32,
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageClassFound {
    pub name: String,
    pub provisioner: String,
    pub is_default: bool,
    /// Volumes can grow.
    pub can_expand: bool,
    /// A volume is kept when its claim is deleted.
    pub keeps: bool,
    /// Several nodes can write to one volume. By the provisioner's name; absent where that tells nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<bool>,
    /// A volume is made only where its first pod is placed.
    pub waits_for_pod: bool,
}

/// Whether Services of type LoadBalancer get an address. Kubernetes does not say; what runs there does.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "guess", rename_all = "kebab-case")]
pub enum LoadBalancerGuess {
    /// One has an address, or who gives them is known.
    Likely { by: String },
    /// Nothing tells of anybody who would give addresses.
    #[default]
    Unlikely,
}

/// Whether NetworkPolicies do anything. Kubernetes does not say; what runs there does.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum PolicyEnforcement {
    /// By a network that is known to do it.
    Enforced { by: String },
    /// By a network that is known not to.
    NotEnforced { network: String },
    /// No network that is known runs there.
    #[default]
    Unknown,
}

/// A cluster as it is now.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterOverview {
    /// `1.34.4`
    pub version: String,
    /// What could not be seen, and why: the rest is what is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<Unseen>,
    /// Of all nodes together.
    pub resources: NodeResources,
    pub ready_nodes: u32,
    /// Pods that have not ended, of everybody.
    pub pods: u32,
    /// By name.
    pub nodes: Vec<NodeOverview>,
    /// What of ours runs there, by namespace and name.
    pub workloads: Vec<WorkloadOverview>,
    /// Warnings first, then the newest first.
    pub events: Vec<ClusterEvent>,
    /// By name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub storage_classes: Vec<StorageClassFound>,
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unseen {
    /// `nodes`, `pods`, `events`, `metrics`
    pub what: String,
    pub why: String,
    /// Since when it has not been seen; what is shown of it is from before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeOverview {
    pub name: String,
    pub is_ready: bool,
    /// New pods are not placed there: it was cordoned.
    pub is_cordoned: bool,
    /// `control-plane`
    pub roles: Vec<String>,
    pub addresses: Vec<NodeAddress>,
    /// `1.34.4`
    pub kubelet: String,
    /// `containerd://1.6.20`
    pub container_runtime: String,
    /// `Debian GNU/Linux 12 (bookworm)`
    pub system: String,
    /// `amd64`
    pub architecture: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    pub resources: NodeResources,
    /// Pods on it that have not ended, and how many it takes.
    pub pods: u32,
    pub most_pods: u32,
    /// Instances of Pluvio's applications among them.
    pub instances: u32,
    pub conditions: Vec<NodeCondition>,
    pub taints: Vec<NodeTaint>,
    /// Those that whoever runs the cluster gave it, and its zone: none that Kubernetes gives every node.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// Cores in thousandths and bytes.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeResources {
    pub cpu: Amounts,
    pub memory: Amounts,
    /// On the nodes' own disks, for images and what containers write.
    pub disk: Amounts,
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amounts {
    pub capacity: u64,
    /// What pods may have of it.
    pub allocatable: u64,
    /// What pods have asked for.
    pub allocated: u64,
    /// As the metrics API says; absent where there is none, and for what it does not measure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<u64>,
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeAddress {
    /// `InternalIP`, `ExternalIP`, `Hostname`
    pub kind: String,
    pub address: String,
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCondition {
    /// `Ready`, `MemoryPressure`
    pub kind: String,
    /// `True`, `False`, `Unknown`
    pub status: String,
    /// Whether that is as it should be.
    pub is_good: bool,
    pub reason: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeTaint {
    pub key: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// `NoSchedule`
    pub effect: String,
}

/// A workload of one of Pluvio's applications.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkloadOverview {
    pub namespace: String,
    /// `Deployment`, `StatefulSet`, `DaemonSet`, `CronJob`, `Job`
    pub kind: String,
    pub name: String,
    pub application: ApplicationId,
    /// As people call it.
    pub application_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    pub wanted: u32,
    pub ready: u32,
    /// Nodes that its pods are on, with how many.
    pub nodes: BTreeMap<String, u32>,
}

/// What the cluster told of an object.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterEvent {
    pub is_warning: bool,
    /// `FailedScheduling`
    pub reason: String,
    pub message: String,
    /// What it is about.
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub name: String,
    pub count: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// `kubelet, node-1`
    pub source: String,
}
