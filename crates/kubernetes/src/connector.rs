//! Comes by clusters for control.

use std::sync::Arc;

use async_trait::async_trait;
use pluvio_model::place::{GatewayChoice, PlaceSettings};
use pluvio_model::problem::Problem;
use pluvio_plan::lower::kubernetes::GatewayRef;
use pluvio_runtime::{Admitted, Connector, Given, LeftVolume, Link, Linked, RuntimeError};

use crate::connect::{Connection, Credential, minified};
use crate::{Config, KubernetesRuntime};

/// Connects to Kubernetes clusters.
#[derive(Debug, Clone, Default)]
pub struct Clusters;

impl Clusters {
    fn config(settings: &PlaceSettings) -> Config {
        let gateway = match &settings.gateway {
            GatewayChoice::Cluster { namespace, name } => Some(GatewayRef {
                name: name.clone(),
                namespace: namespace.clone(),
            }),
            GatewayChoice::Own | GatewayChoice::None => None,
        };
        Config {
            gateway,
            own_gateway: settings.gateway == GatewayChoice::Own,
            ..Config::default()
        }
    }
}

#[async_trait]
impl Connector for Clusters {
    async fn admit(&self, given: &Given) -> Result<Admitted, Problem> {
        let given = Credential {
            kubeconfig: given.kubeconfig.clone(),
            context: given.context.clone(),
        };
        let connection = Connection::open(&given).await?;
        let (kubeconfig, address) = minified(&given)?;
        Ok(Admitted {
            identity: connection.identity,
            address,
            kubeconfig,
        })
    }

    async fn connect(&self, link: &Link) -> Result<Linked, Problem> {
        let credential = Credential {
            kubeconfig: link.kubeconfig.clone(),
            context: None,
        };
        let connection = Connection::open(&credential).await?;
        let identity = connection.identity;
        let runtime = KubernetesRuntime::start(connection, Clusters::config(&link.settings)).await;
        Ok(Linked {
            identity,
            place: Arc::new(runtime.map_err(RuntimeError::into_problem)?),
        })
    }

    async fn leave(&self, link: &Link) -> Result<Vec<LeftVolume>, Problem> {
        let credential = Credential {
            kubeconfig: link.kubeconfig.clone(),
            context: None,
        };
        Connection::open(&credential).await?;
        Ok(Vec::new())
    }
}
