//! Which nodes take a pod, and which it would rather run on.
//!
//! Wishes are preferences: a pod that waits for ever because two components were to be apart on a cluster of one node helps nobody.

use pluvio_model::{
    name::Name,
    release::{DecidedComponent, DecidedPlacement},
    spec::Kind,
};
use serde_json::{Value, json};

use super::{Lowering, api::PodSpec};

const NODE: &str = "kubernetes.io/hostname";

impl Lowering<'_> {
    pub(super) fn place(&self, component: &DecidedComponent, pod: &mut PodSpec) {
        let content = &component.content;
        pod.node_selector.clone_from(&content.node_labels);
        let DecidedPlacement {
            spread,
            near,
            apart,
            reserved,
        } = &content.placement;
        // A daemon is on every node once.
        if *spread && component.kind != Kind::Daemon {
            let mut constraint = json!({
                "maxSkew": 1,
                "topologyKey": NODE,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": { "matchLabels": self.selector(Some(&component.name)) },
            });
            // Else the instances that are replaced would count, and leave the new ones together.
            if component.kind == Kind::Service {
                constraint["matchLabelKeys"] = json!(["pod-template-hash"]);
            }
            pod.topology_spread_constraints.push(constraint);
        }
        let beside = |others: &[Name]| -> Option<Value> {
            let term = |other: &Name| {
                json!({
                    "weight": 100,
                    "podAffinityTerm": {
                        "topologyKey": NODE,
                        "labelSelector": { "matchLabels": self.selector(Some(other)) },
                    },
                })
            };
            let terms: Vec<Value> = others.iter().map(term).collect();
            (!terms.is_empty())
                .then(|| json!({ "preferredDuringSchedulingIgnoredDuringExecution": terms }))
        };
        let wishes = [
            ("podAffinity", beside(near)),
            ("podAntiAffinity", beside(apart)),
        ];
        let affinity: serde_json::Map<String, Value> = wishes
            .into_iter()
            .filter_map(|(key, terms)| Some((key.to_owned(), terms?)))
            .collect();
        pod.affinity = (!affinity.is_empty()).then_some(Value::Object(affinity));
        for (key, value) in reserved {
            pod.tolerations.push(match value.as_str() {
                "" => json!({ "key": key, "operator": "Exists" }),
                value => json!({ "key": key, "operator": "Equal", "value": value }),
            });
        }
    }
}
