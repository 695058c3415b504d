//! Networks of an application: pods of one namespace are on one network, so policies keep those apart that share none. They hold
//! where the cluster's network enforces them, which its check says.

use pluvio_model::name::Name;
use pluvio_model::release::DecidedComponent;
use serde_json::{Value, json};

use super::{Lowering, key};

impl Lowering<'_> {
    /// None where all components reach each other anyway, and out.
    pub(super) fn policy(&mut self, component: &DecidedComponent) {
        let all = self.release.components.values();
        let joined = component.content.joined();
        let peers: Vec<&Name> = all
            .filter(|other| {
                other
                    .content
                    .joined()
                    .iter()
                    .any(|name| joined.contains(name))
            })
            .map(|other| &other.name)
            .collect();
        // Its networks have no way out, none of them.
        let kept_in = component.content.internal_networks.len() == joined.len();
        if peers.len() == self.release.components.len() && !kept_in {
            return;
        }
        let application = self.application.to_string();
        let peers = json!({ "podSelector": {
            "matchLabels": { (key::APPLICATION): application },
            "matchExpressions": [{ "key": key::COMPONENT, "operator": "In", "values": peers }],
        } });
        let mut spec = json!({
            "podSelector": { "matchLabels": self.selector(Some(&component.name)) },
            "policyTypes": ["Ingress"],
            // Who is not of the application comes in as before: gateways, and neighbours by its Services.
            "ingress": [{ "from": [
                peers.clone(),
                { "podSelector": { "matchExpressions": [
                    { "key": key::APPLICATION, "operator": "NotIn", "values": [application] },
                ] } },
                { "namespaceSelector": { "matchExpressions": [{
                    "key": "kubernetes.io/metadata.name",
                    "operator": "NotIn",
                    "values": [self.options.namespace],
                }] } },
            ] }],
        });
        if kept_in {
            spec["policyTypes"] = json!(["Ingress", "Egress"]);
            let names: Vec<Value> = ["UDP", "TCP"]
                .iter()
                .map(|protocol| json!({ "protocol": protocol, "port": 53 }))
                .collect();
            spec["egress"] =
                json!([{ "to": [peers] }, { "to": [{ "namespaceSelector": {} }], "ports": names }]);
        }
        let metadata = self.metadata(&self.name(&component.name), Some(component));
        let api = "networking.k8s.io/v1";
        self.add(
            api,
            "NetworkPolicy",
            metadata,
            &json!({ "spec": spec }),
            None,
        );
    }
}
