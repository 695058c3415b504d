//! What is outside: a Service without a selector, and the EndpointSlices that say where it leads; one name alone is an
//! ExternalName. Kubernetes asks nobody outside whether he is well.

use std::collections::BTreeMap;
use std::net::IpAddr;

use pluvio_model::name::Name;
use pluvio_model::problem::{Problem, SPEC_UNSUPPORTED};
use pluvio_model::release::{DecidedExternal, DecidedPort};
use pluvio_model::spec::{OutsideHost, PortProtocol};
use serde_json::{Value, json};

use super::network::service_port;
use super::pod::protocol;
use super::refuse::is_label;
use super::{Lowering, key};

/// What Kubernetes cannot lead to.
pub(super) fn unsupported(external: &DecidedExternal) -> Vec<Problem> {
    let mut found = Vec::new();
    let path = format!("components.{}.external", external.name);
    let mut refuse = |path: String, cause: String, remedy: &str| {
        found.push(SPEC_UNSUPPORTED.problem(cause, remedy).path(path));
    };
    let names = external
        .addresses
        .iter()
        .filter(|address| matches!(address.host, OutsideHost::Name(_)))
        .count();
    if names > 0 && external.addresses.len() > 1 {
        refuse(
            format!("{path}.addresses"),
            "On Kubernetes a component outside is either one name or IP addresses.".to_owned(),
            "Write the IP addresses alone, or one name alone.",
        );
    }
    for (index, address) in external.addresses.iter().enumerate() {
        let path = format!("{path}.addresses.{index}");
        match &address.host {
            OutsideHost::Name(_) if other_port(external, address.port).is_some() => refuse(
                path,
                format!("Kubernetes leads to {address} by its name, and cannot change the port."),
                "Write the port under `ports`, and the address without it.",
            ),
            OutsideHost::Name(name) if !name.split('.').all(is_label) => refuse(
                path,
                format!(
                    "Kubernetes leads to names of letters, digits and hyphens between dots, and `{name}` is none."
                ),
                "Write its IP address, or another name.",
            ),
            OutsideHost::Address(ip) if !is_taken(*ip) => refuse(
                path,
                format!("Kubernetes takes no loopback or link-local address, and {ip} is one."),
                "Write an address that every machine of the cluster reaches.",
            ),
            _ => {}
        }
    }
    found
}

fn is_taken(ip: IpAddr) -> bool {
    !ip.is_loopback()
        && !ip.is_unspecified()
        && !ip.is_multicast()
        && match ip {
            IpAddr::V4(ip) => !ip.is_link_local(),
            IpAddr::V6(ip) => !ip.is_unicast_link_local(),
        }
}

/// The address's own port, where it is another than the component's.
fn other_port(external: &DecidedExternal, own: Option<u16>) -> Option<u16> {
    own.filter(|own| external.ports.values().any(|port| port.port != *own))
}

impl Lowering<'_> {
    pub(super) fn external(&mut self, external: &DecidedExternal) {
        let service = self.name(&external.name);
        let ports: Vec<Value> = external
            .ports
            .iter()
            .map(|(name, port)| service_port(name, port))
            .collect();
        let name = external
            .addresses
            .iter()
            .find_map(|address| match &address.host {
                OutsideHost::Name(name) => Some(name.clone()),
                OutsideHost::Address(_) => None,
            });
        let spec = match &name {
            Some(name) => json!({ "type": "ExternalName", "externalName": name, "ports": ports }),
            None => json!({ "ports": ports }),
        };
        let metadata = self.metadata_of_external(&service, &external.name);
        self.add("v1", "Service", metadata, &json!({ "spec": spec }), None);
        if name.is_some() {
            return;
        }
        // A slice has addresses of one family, and one set of ports.
        let mut slices: BTreeMap<(bool, Option<u16>), Vec<IpAddr>> = BTreeMap::new();
        for address in &external.addresses {
            if let OutsideHost::Address(ip) = address.host {
                let own = other_port(external, address.port);
                slices.entry((ip.is_ipv6(), own)).or_default().push(ip);
            }
        }
        for (index, ((is_v6, own), addresses)) in slices.into_iter().enumerate() {
            let name = self.name_of(&external.name, &format!("outside-{index}"));
            let mut metadata = self.metadata_of_external(&name, &external.name);
            let of = "kubernetes.io/service-name".to_owned();
            metadata.labels.insert(of, service.clone());
            let by = "endpointslice.kubernetes.io/managed-by".to_owned();
            metadata.labels.insert(by, "pluvio".to_owned());
            let ports: Vec<Value> = external
                .ports
                .iter()
                .map(|(name, port)| slice_port(name, port, own))
                .collect();
            let endpoints: Vec<Value> = addresses
                .iter()
                .map(|ip| json!({ "addresses": [ip], "conditions": { "ready": true } }))
                .collect();
            let body = json!({
                "addressType": if is_v6 { "IPv6" } else { "IPv4" },
                "endpoints": endpoints,
                "ports": ports,
            });
            self.add(
                "discovery.k8s.io/v1",
                "EndpointSlice",
                metadata,
                &body,
                None,
            );
        }
    }

    fn metadata_of_external(&self, name: &str, component: &Name) -> super::Metadata {
        let mut metadata = self.metadata(name, None);
        for key in [key::COMPONENT, "app.kubernetes.io/name"] {
            let value = component.to_string();
            metadata.labels.insert(key.to_owned(), value);
        }
        metadata
    }
}

fn slice_port(name: &Name, port: &DecidedPort, own: Option<u16>) -> Value {
    let mut out = json!({
        "name": name,
        "port": own.unwrap_or(port.port),
        "protocol": protocol(port.protocol),
    });
    match port.protocol {
        PortProtocol::Http => out["appProtocol"] = json!("http"),
        PortProtocol::Http2 => out["appProtocol"] = json!("kubernetes.io/h2c"),
        PortProtocol::Tcp | PortProtocol::Udp => {}
    }
    out
}
