//! What gateways in the cluster are told of an application: one ConfigMap in Pluvio's own namespace, without a secret in it.
//!
//! It is one of the application's objects, so it is in its inventory, and pruned when the application has no routes, or is gone.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ConfigMap;
use pluvio_model::id::{ApplicationId, Generation};
use pluvio_model::name::Name;
use pluvio_model::release::{DecidedPort, Strategy};
use pluvio_model::route::{BackendPart, RouteFragment};
use pluvio_model::spec::{OutsideHost, PortProtocol};
use pluvio_model::stage::{Power, RunWish, Stage};
use pluvio_plan::lower::kubernetes::{Object, Options, component_object, key};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Config, MANAGER};

/// Marks these ConfigMaps.
pub(crate) const LABEL: &str = "pluvio.io/routes";
const ENTRY: &str = "routes.json";

/// The routes, and what else decides how a request for one of their backends is treated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) fragment: RouteFragment,
    /// Where the components' Services are. EndpointSlices elsewhere are not the application's, whatever their labels say.
    pub(crate) namespace: String,
    pub(crate) components: BTreeMap<BackendPart, ToldComponent>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ToldComponent {
    pub(crate) service: String,
    /// Those that can take requests.
    pub(crate) ports: Vec<BackendPart>,
    /// By a person, or not started yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_stopped: bool,
    /// Its instance stops before the next one starts: requests wait meanwhile.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_held: bool,
    /// Outside of the cluster, where only its name is known, with its ports' numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) outside: Option<Outside>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outside {
    pub(crate) host: String,
    pub(crate) ports: BTreeMap<BackendPart, u16>,
}

/// What an application's stage tells Pluvio's own gateway, if there is one and it has routes.
pub(crate) fn object(
    config: &Config,
    wish: &RunWish,
    stage: &Stage,
    options: &Options,
) -> Option<Object> {
    let (application, namespace) = (stage.application, &options.namespace);
    let told = Told::new(wish, application, stage.generation, namespace);
    let told = told.filter(|_| config.own_gateway)?;
    Some(told.object(&config.namespace))
}

impl Told {
    /// `None`: it has no routes.
    fn new(
        wish: &RunWish,
        application: ApplicationId,
        generation: Generation,
        namespace: &str,
    ) -> Option<Told> {
        let release = &wish.release;
        if release.routes.is_empty() {
            return None;
        }
        let routed: BTreeSet<&BackendPart> = release
            .routes
            .iter()
            .flat_map(|route| &route.backends)
            .map(|backend| backend.backend.component())
            .collect();
        let is_routed = |name: &Name| routed.contains(&BackendPart::from(name));
        let mut components = BTreeMap::new();
        for component in release.components.values() {
            if !is_routed(&component.name) {
                continue;
            }
            let told = ToldComponent {
                service: component_object(release, &component.name),
                ports: ports(&component.content.ports).keys().cloned().collect(),
                is_stopped: !wish.is_on(&component.name),
                is_held: match component.rollout.strategy {
                    Strategy::Surge { .. } => false,
                    Strategy::StopThenStart | Strategy::Ordered => true,
                },
                outside: None,
            };
            components.insert(BackendPart::from(&component.name), told);
        }
        for external in release.externals.values() {
            if !is_routed(&external.name) {
                continue;
            }
            let ports = ports(&external.ports);
            let host = external.addresses.iter().find_map(|one| match &one.host {
                OutsideHost::Name(name) => Some(name.to_string()),
                OutsideHost::Address(_) => None,
            });
            let told = ToldComponent {
                service: component_object(release, &external.name),
                ports: ports.keys().cloned().collect(),
                is_stopped: wish.power == Power::Off,
                is_held: false,
                outside: host.map(|host| Outside { host, ports }),
            };
            components.insert(BackendPart::from(&external.name), told);
        }
        Some(Told {
            fragment: RouteFragment {
                application: application.into(),
                generation,
                routes: release.routes.clone(),
            },
            namespace: namespace.to_owned(),
            components,
        })
    }

    /// The ConfigMap, in Pluvio's namespace `home`.
    fn object(&self, home: &str) -> Object {
        let application = &self.fragment.application;
        let name = format!("routes-{application}");
        let text = serde_json::to_string(self).expect("routes serialise");
        let body = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": name,
                "namespace": home,
                "labels": {
                    (LABEL): "true",
                    (key::APPLICATION): application,
                    "app.kubernetes.io/managed-by": MANAGER,
                },
            },
            "data": { (ENTRY): text },
        });
        Object {
            api_version: "v1".to_owned(),
            kind: "ConfigMap".to_owned(),
            namespace: Some(home.to_owned()),
            name,
            body,
        }
    }

    /// `None`: somebody else wrote it, or a newer Pluvio.
    pub(crate) fn read(from: &ConfigMap) -> Option<Told> {
        let text = from.data.as_ref()?.get(ENTRY)?;
        serde_json::from_str(text).ok()
    }
}

/// Ports that requests can be sent to, with their numbers.
fn ports(all: &indexmap::IndexMap<Name, DecidedPort>) -> BTreeMap<BackendPart, u16> {
    all.iter()
        .filter(|(_, port)| port.protocol != PortProtocol::Udp)
        .map(|(name, port)| (BackendPart::from(name), port.port))
        .collect()
}
