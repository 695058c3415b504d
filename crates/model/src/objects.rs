//! What is in a Kubernetes cluster, whoever made it: objects as lists show them, and one of them whole.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cluster::ClusterEvent;

/// The kinds that can be listed.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectKind {
    Pods,
    Deployments,
    StatefulSets,
    DaemonSets,
    Jobs,
    CronJobs,
    Services,
    Ingresses,
    HttpRoutes,
    ConfigMaps,
    Secrets,
    /// HorizontalPodAutoscalers.
    Hpas,
    Namespaces,
    Nodes,
    Events,
}

impl ObjectKind {
    pub const ALL: [ObjectKind; 15] = [
        ObjectKind::Pods,
        ObjectKind::Deployments,
        ObjectKind::StatefulSets,
        ObjectKind::DaemonSets,
        ObjectKind::Jobs,
        ObjectKind::CronJobs,
        ObjectKind::Services,
        ObjectKind::Ingresses,
        ObjectKind::HttpRoutes,
        ObjectKind::ConfigMaps,
        ObjectKind::Secrets,
        ObjectKind::Hpas,
        ObjectKind::Namespaces,
        ObjectKind::Nodes,
        ObjectKind::Events,
    ];

    /// `pods`, as in paths and on the command line.
    pub fn word(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// `Pod`
    pub fn singular(self) -> &'static str {
        match self {
            ObjectKind::Pods => "Pod",
            ObjectKind::Deployments => "Deployment",
            ObjectKind::StatefulSets => "StatefulSet",
            ObjectKind::DaemonSets => "DaemonSet",
            ObjectKind::Jobs => "Job",
            ObjectKind::CronJobs => "CronJob",
            ObjectKind::Services => "Service",
            ObjectKind::Ingresses => "Ingress",
            ObjectKind::HttpRoutes => "HTTPRoute",
            ObjectKind::ConfigMaps => "ConfigMap",
            ObjectKind::Secrets => "Secret",
            ObjectKind::Hpas => "HorizontalPodAutoscaler",
            ObjectKind::Namespaces => "Namespace",
            ObjectKind::Nodes => "Node",
            ObjectKind::Events => "Event",
        }
    }
}

impl std::str::FromStr for ObjectKind {
    type Err = ();

    /// The plural as paths have it, or the kind's own name, as `kubectl` takes them.
    fn from_str(text: &str) -> Result<ObjectKind, ()> {
        let wanted = text.to_lowercase();
        let all = ObjectKind::ALL.into_iter();
        let mut found = all.filter(|kind| {
            let plural = kind.word();
            let singular = kind.singular().to_lowercase();
            wanted == plural || wanted == singular || format!("{singular}s") == wanted
        });
        found.next().ok_or(())
    }
}

/// Whose objects.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Whose {
    /// Pluvio made them, or they belong to one of its applications.
    Ours,
    Foreign,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectsAsk {
    pub kind: ObjectKind,
    pub namespace: Option<String>,
    /// Words that the namespace, the name or what is told of it hold.
    pub find: Option<String>,
    pub whose: Option<Whose>,
    pub limit: u32,
    /// [`ObjectPage::next`] of the page before.
    pub after: Option<String>,
}

/// A part of a list. It may be empty and still go on: what is looked for comes later, or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectPage {
    pub items: Vec<ObjectRow>,
    pub next: Option<String>,
}

/// How an object is, in one word.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectState {
    Running,
    Waiting,
    Degraded,
    Failed,
    Succeeded,
    Stopped,
    /// It is there, and that is all there is to say.
    #[default]
    There,
}

/// An object as a list shows it, as the cluster itself tells of it: never what a Secret holds.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRow {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// Pluvio made it, or it belongs to one of its applications.
    pub is_ours: bool,
    /// The application's name, where it belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    pub state: ObjectState,
    /// `its image cannot be pulled`; empty when there is nothing to say.
    pub note: String,
    /// What the cluster shows of this kind, in its order.
    pub cells: Vec<ObjectCell>,
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectCell {
    /// `Ready`
    pub name: String,
    /// `1/2`
    pub value: String,
}

/// One object whole, with what belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectSeen {
    pub namespace: Option<String>,
    pub name: String,
    pub is_ours: bool,
    /// Without what servers note for themselves; of Secrets and ConfigMaps without values.
    pub body: serde_json::Value,
    pub containers: Vec<ContainerSeen>,
    pub keys: Vec<KeySize>,
    /// The newest first.
    pub events: Vec<ClusterEvent>,
}

/// A container of a pod.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSeen {
    pub name: String,
    pub image: String,
    /// It runs before the others.
    pub is_init: bool,
    pub is_ready: bool,
    pub restarts: u32,
    pub state: ObjectState,
    /// `CrashLoopBackOff: back-off 5m0s restarting failed container`
    pub note: String,
}

/// What a Secret or ConfigMap has, without the value.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySize {
    pub key: String,
    pub bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::ObjectKind;

    #[test]
    fn kinds_are_named_as_kubectl_takes_them() {
        for kind in ObjectKind::ALL {
            assert_eq!(kind.word().parse(), Ok(kind));
            assert_eq!(kind.singular().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.word());
        }
        assert_eq!("deployment".parse(), Ok(ObjectKind::Deployments));
        assert_eq!("thing".parse::<ObjectKind>(), Err(()));
    }
}
