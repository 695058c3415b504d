//! How pods are reached: Services and HTTPRoutes.

use pluvio_model::name::{Name, derived};
use pluvio_model::release::{DecidedComponent, DecidedPort};
use pluvio_model::route::{HostPattern, PathMatch, Route};
use pluvio_model::spec::{Kind, PortProtocol};
use serde_json::{Value, json};

use super::Lowering;
use super::pod::protocol;

impl Lowering<'_> {
    pub(super) fn services(&mut self, component: &DecidedComponent) {
        let ports: Vec<Value> = component
            .content
            .ports
            .iter()
            .map(|(name, port)| service_port(name, port))
            .collect();
        let selector = self.selector(Some(&component.name));
        if component.kind == Kind::Stateful {
            // Names of single instances.
            let name = self.name_of(&component.name, "each");
            let metadata = self.metadata(&name, Some(component));
            let spec = json!({
                "clusterIP": "None",
                "publishNotReadyAddresses": true,
                "selector": selector,
                "ports": ports,
            });
            self.add(
                "v1",
                "Service",
                metadata,
                &json!({ "spec": spec }),
                Some(component),
            );
        }
        // Bare names lead to Services, whose addresses stay while pods come and go.
        for ordinal in 0..super::named_instances(component) {
            let name = super::instance_object(self.release, &component.name, ordinal);
            let metadata = self.metadata(&name, Some(component));
            let mut selector = selector.clone();
            let pod = format!("{}-{ordinal}", self.name(&component.name));
            selector.insert("statefulset.kubernetes.io/pod-name".to_owned(), pod);
            let spec = json!({
                "publishNotReadyAddresses": true,
                "selector": selector,
                "ports": ports,
            });
            let spec = json!({ "spec": spec });
            self.add("v1", "Service", metadata, &spec, Some(component));
        }
        if !ports.is_empty() {
            let metadata = self.metadata(&self.name(&component.name), Some(component));
            let spec = json!({ "selector": selector, "ports": ports });
            self.add(
                "v1",
                "Service",
                metadata,
                &json!({ "spec": spec }),
                Some(component),
            );
        }
    }

    /// The Service whose EndpointSlice gives components their bare names.
    pub(super) fn inner_names(&mut self) {
        let metadata = self.metadata(&self.inner_name(), None);
        let spec = json!({ "clusterIP": "None", "publishNotReadyAddresses": true });
        self.add("v1", "Service", metadata, &json!({ "spec": spec }), None);
    }

    fn inner_name(&self) -> String {
        // Components' Services are called `APP--COMPONENT`, so this name is free.
        super::application_object(self.release)
    }

    /// Where pods look bare names up.
    pub(super) fn inner_domain(&self) -> String {
        let options = self.options;
        format!(
            "{}.{}.svc.{}",
            self.inner_name(),
            options.namespace,
            options.cluster_domain
        )
    }

    pub(super) fn routes(&mut self) {
        let Some(gateway) = self.options.gateway.clone() else {
            return;
        };
        for route in &self.release.routes {
            if route.disabled {
                continue;
            }
            let name = derived(&[self.release.application_name.as_str(), route.id.as_str()]);
            let metadata = self.metadata(&name, None);
            let mut spec = json!({ "parentRefs": [gateway] });
            // A route that names no host is one for all.
            if !route.hosts.contains(&HostPattern::Any) {
                let hosts: Vec<String> = route.hosts.iter().map(ToString::to_string).collect();
                spec["hostnames"] = json!(hosts);
            }
            spec["rules"] = json!([self.rule(route)]);
            let api = "gateway.networking.k8s.io/v1";
            self.add(api, "HTTPRoute", metadata, &json!({ "spec": spec }), None);
        }
    }

    fn rule(&self, route: &Route) -> Value {
        let matches: Vec<Value> = route
            .matches
            .iter()
            .map(|one| {
                let (kind, path) = match &one.path {
                    PathMatch::Exact(path) => ("Exact", path),
                    PathMatch::Prefix(path) => ("PathPrefix", path),
                };
                json!({ "path": { "type": kind, "value": path } })
            })
            .collect();
        let backends: Vec<Value> = route
            .backends
            .iter()
            .filter_map(|backend| {
                let component: Name = backend.backend.component().as_str().parse().ok()?;
                let port: Name = backend.backend.port().as_str().parse().ok()?;
                let release = self.release;
                let run = release.components.get(&component);
                let outside = || Some(&release.externals.get(&component)?.ports);
                let ports = run.map(|run| &run.content.ports).or_else(outside)?;
                let port = ports.get(&port)?;
                Some(json!({
                    "name": self.name(&component),
                    "port": port.port,
                    "weight": backend.weight,
                }))
            })
            .collect();
        // No timeouts: those of the Gateway API end with the whole answer, which would cut streams and tunnels; a route's own
        // limit ends with the answer's head.
        let mut rule = json!({ "backendRefs": backends });
        if !matches.is_empty() {
            rule["matches"] = json!(matches);
        }
        rule
    }
}

pub(super) fn service_port(name: &Name, port: &DecidedPort) -> Value {
    let mut out = json!({
        "name": name,
        "port": port.port,
        "targetPort": port.port,
        "protocol": protocol(port.protocol),
    });
    match port.protocol {
        PortProtocol::Http => out["appProtocol"] = json!("http"),
        PortProtocol::Http2 => out["appProtocol"] = json!("kubernetes.io/h2c"),
        PortProtocol::Tcp | PortProtocol::Udp => {}
    }
    out
}
