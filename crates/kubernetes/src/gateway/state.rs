//! How far the gateway in a cluster is, and where it answers.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::{Api, Client};
use pluvio_model::problem::Problem;

use super::install::NAME;
use crate::failure::of_object;

/// What is seen of an installed gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// What its pods shall run.
    pub image: String,
    pub wanted: u32,
    /// Pods of that image that take requests.
    pub ready: u32,
    /// Where the cluster's provider says that it answers; none for another exposure, or not yet.
    pub addresses: Vec<String>,
    pub node_port: Option<u16>,
}

impl State {
    /// All pods are there, and of the wanted image.
    pub fn is_whole(&self) -> bool {
        self.wanted > 0 && self.ready >= self.wanted
    }
}

/// Looks at the gateway in Pluvio's `namespace`; `None`: it is not installed.
///
/// # Errors
/// The cluster does not answer, or does not let Pluvio look.
pub async fn state(client: &Client, namespace: &str) -> Result<Option<State>, Problem> {
    let refused = |error: kube::Error| of_object("the gateway", &error);
    let deployments = Api::<Deployment>::namespaced(client.clone(), namespace);
    let Some(deployment) = deployments.get_opt(NAME).await.map_err(refused)? else {
        return Ok(None);
    };
    let services = Api::<Service>::namespaced(client.clone(), namespace);
    let service = services.get_opt(NAME).await.map_err(refused)?;
    let count = |number: Option<i32>| u32::try_from(number.unwrap_or_default()).unwrap_or_default();
    let mut state = State::default();
    if let Some(spec) = deployment.spec {
        state.wanted = count(spec.replicas);
        let container = spec
            .template
            .spec
            .and_then(|pod| pod.containers.into_iter().next());
        state.image = container.and_then(|one| one.image).unwrap_or_default();
    }
    let status = deployment.status.unwrap_or_default();
    // What is said of an older version says nothing of this one.
    if status.observed_generation >= deployment.metadata.generation {
        state.ready = count(status.updated_replicas).min(count(status.available_replicas));
    }
    let Some(service) = service else {
        return Ok(Some(state));
    };
    let ports = service.spec.and_then(|spec| spec.ports).unwrap_or_default();
    let node_port = ports.first().and_then(|port| port.node_port);
    state.node_port = node_port.and_then(|port| u16::try_from(port).ok());
    let balancer = service.status.and_then(|status| status.load_balancer);
    let given = balancer
        .and_then(|balancer| balancer.ingress)
        .unwrap_or_default();
    state.addresses = given
        .into_iter()
        .filter_map(|one| one.ip.or(one.hostname))
        .collect();
    Ok(Some(state))
}
