//! How applications are reached and stored on a cluster: what its operator chose when it was added.

use serde::{Deserialize, Serialize};

/// Choices of a cluster. What is absent is Pluvio's own choice.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlaceSettings {
    /// Where Pluvio keeps what it must not forget there; `pluvio-system` when absent. Of several Pluvios on one cluster each has its
    /// own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Applications answer at `APP.DOMAIN` there; that of the installation when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The gateway's port as people type it: 80 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_port: Option<u16>,
    pub gateway: GatewayChoice,
    /// How requests reach Pluvio's own gateway from outside the cluster.
    pub exposure: Exposure,
    /// For volumes that name no class; the cluster's default when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// Teams whose namespaces take only pods that Kubernetes' standard `restricted` allows; `*` is every team.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub restricted: Vec<String>,
}

/// Who serves an application's routes on a cluster.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum GatewayChoice {
    /// Pluvio's own, running in the cluster.
    #[default]
    Own,
    /// A Gateway of the cluster's own Gateway API implementation: routes become HTTPRoutes that attach to it.
    Cluster { namespace: String, name: String },
    /// Nobody: components are reached inside the cluster only.
    None,
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exposure {
    /// At an address that the cluster's provider gives.
    #[default]
    LoadBalancer,
    /// At every node, at the gateway's port if the cluster's range has it, else at one of the cluster's choice.
    NodePort,
    /// At the nodes that the gateway runs on.
    HostPort,
}

impl PlaceSettings {
    pub const GATEWAY_PORT: u16 = 80;
    pub const NAMESPACE: &str = "pluvio-system";

    pub fn home(&self) -> &str {
        self.namespace.as_deref().unwrap_or(Self::NAMESPACE)
    }

    pub fn port(&self) -> u16 {
        self.gateway_port.unwrap_or(Self::GATEWAY_PORT)
    }
}
