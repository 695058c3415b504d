//! Autoscalers.

use pluvio_model::release::DecidedComponent;
use pluvio_model::spec::{CustomMetric, Kind, MetricOf, ScaleSpec};
use serde_json::{Value, json};

use super::Lowering;
use super::api::Spec;

impl Lowering<'_> {
    /// What Kubernetes shall scale by itself: then it has the number of replicas, and nobody else.
    pub(super) fn scale_of<'c>(&self, component: &'c DecidedComponent) -> Option<&'c ScaleSpec> {
        let may = matches!(component.kind, Kind::Service | Kind::Stateful);
        let scale = component.scale.as_ref().filter(|scale| scale.is_measured());
        scale.filter(|_| may && self.wish.is_on(&component.name))
    }

    pub(super) fn autoscaler(&mut self, component: &DecidedComponent) {
        let Some(scale) = self.scale_of(component) else {
            return;
        };
        let kind = match component.kind {
            Kind::Stateful => "StatefulSet",
            _ => "Deployment",
        };
        let name = self.name(&component.name);
        let resources = [("cpu", scale.cpu), ("memory", scale.memory)];
        let mut metrics: Vec<Value> = resources
            .into_iter()
            .filter_map(|(what, percent)| Some(resource(component, what, percent?)))
            .collect();
        metrics.extend(scale.custom.iter().map(custom));
        let spec = json!({
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": kind, "name": name },
            "minReplicas": scale.min,
            "maxReplicas": scale.max.unwrap_or(scale.min),
            "metrics": metrics,
        });
        let metadata = self.metadata(&name, Some(component));
        self.add(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            metadata,
            &Spec { spec },
            Some(component),
        );
    }
}

/// Per cent of what is asked for. Where there are sidecars, which may ask for nothing, of the component's own program.
fn resource(component: &DecidedComponent, what: &str, percent: u32) -> Value {
    let target = json!({ "type": "Utilization", "averageUtilization": percent });
    if component.content.sidecars.is_empty() {
        return json!({ "type": "Resource", "resource": { "name": what, "target": target } });
    }
    json!({
        "type": "ContainerResource",
        "containerResource": { "name": what, "container": component.name, "target": target },
    })
}

fn custom(custom: &CustomMetric) -> Value {
    let mut metric = json!({ "name": custom.metric });
    if !custom.labels.is_empty() {
        metric["selector"] = json!({ "matchLabels": custom.labels });
    }
    let target = json!({ "type": "AverageValue", "averageValue": custom.per_instance });
    let told = json!({ "metric": metric, "target": target });
    match custom.of {
        MetricOf::Instances => json!({ "type": "Pods", "pods": told }),
        MetricOf::External => json!({ "type": "External", "external": told }),
    }
}
