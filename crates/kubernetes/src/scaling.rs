//! What an autoscaler tells: between which bounds it works, what it goes by, and why it cannot.

use jiff::Timestamp;
use k8s_openapi::api::autoscaling::v2::{
    HorizontalPodAutoscaler, MetricSpec, MetricStatus, MetricTarget, MetricValueStatus,
};
use kube::runtime::reflector::ObjectRef;
use pluvio_model::observed::{ObservedMetric, ObservedScaling};
use pluvio_model::problem::{Problem, SCALE_UNMEASURED};
use pluvio_model::release::DecidedComponent;
use pluvio_model::stage::RunWish;
use pluvio_plan::lower::kubernetes::component_object;
use pluvio_plan::scale::bounds;

use crate::cache::Cache;
use crate::observe::View;

/// Of a component that scales itself and is on.
pub(crate) fn observed(
    cache: &Cache,
    view: &View,
    wish: &RunWish,
    component: &DecidedComponent,
    now: Timestamp,
) -> Option<ObservedScaling> {
    let scale = component.scale.as_ref()?;
    if !wish.is_on(&component.name) {
        return None;
    }
    let bounds = bounds(scale, now);
    let mut out = ObservedScaling {
        min: bounds.min,
        max: bounds.max,
        next: bounds.next,
        ..ObservedScaling::default()
    };
    if scale.is_measured() {
        let name = component_object(&wish.release, &component.name);
        let reference = ObjectRef::new(&name).within(&view.notes.namespace);
        if let Some(autoscaler) = cache.autoscalers.get(&reference) {
            out.by = figures(&autoscaler);
            out.problem = problem(component, &autoscaler);
        }
    }
    Some(out)
}

/// How many are wanted of a component that is on.
pub(crate) fn wanted(
    component: &DecidedComponent,
    scaling: Option<&ObservedScaling>,
    replicas: impl FnOnce() -> Option<u32>,
) -> u32 {
    match (&component.scale, scaling) {
        (Some(scale), Some(now)) if scale.is_measured() => replicas().unwrap_or(now.min),
        (_, Some(now)) => now.min,
        (_, None) => component.instances,
    }
}

fn figures(autoscaler: &HorizontalPodAutoscaler) -> Vec<ObservedMetric> {
    let specs = autoscaler
        .spec
        .as_ref()
        .and_then(|spec| spec.metrics.as_ref());
    let status = autoscaler.status.as_ref();
    let seen = status.and_then(|status| status.current_metrics.as_ref());
    let specs = specs.into_iter().flatten();
    let all = specs.filter_map(|spec| {
        let (metric, target) = asked(spec)?;
        let mut told = seen.into_iter().flatten();
        let now = told.find_map(|one| current(one, spec));
        Some(ObservedMetric {
            metric,
            now: now.and_then(|now| value(now.average_utilization, now.average_value.as_ref())),
            target: value(target.average_utilization, target.average_value.as_ref())?,
        })
    });
    all.collect()
}

fn value(
    percent: Option<i32>,
    average: Option<&k8s_openapi::apimachinery::pkg::api::resource::Quantity>,
) -> Option<String> {
    match percent {
        Some(percent) => Some(format!("{percent} %")),
        None => average.map(|value| value.0.clone()),
    }
}

fn asked(spec: &MetricSpec) -> Option<(String, &MetricTarget)> {
    if let Some(one) = &spec.resource {
        return Some((one.name.clone(), &one.target));
    }
    if let Some(one) = &spec.container_resource {
        return Some((one.name.clone(), &one.target));
    }
    if let Some(one) = &spec.pods {
        return Some((one.metric.name.clone(), &one.target));
    }
    let one = spec.external.as_ref()?;
    Some((one.metric.name.clone(), &one.target))
}

/// The value of a metric's status, if it is that of the metric asked for.
fn current<'s>(status: &'s MetricStatus, spec: &MetricSpec) -> Option<&'s MetricValueStatus> {
    match (&status.resource, &spec.resource) {
        (Some(told), Some(asked)) if told.name == asked.name => return Some(&told.current),
        _ => {}
    }
    match (&status.container_resource, &spec.container_resource) {
        (Some(told), Some(asked)) if told.name == asked.name => return Some(&told.current),
        _ => {}
    }
    match (&status.pods, &spec.pods) {
        (Some(told), Some(asked)) if told.metric == asked.metric => return Some(&told.current),
        _ => {}
    }
    match (&status.external, &spec.external) {
        (Some(told), Some(asked)) if told.metric == asked.metric => Some(&told.current),
        _ => None,
    }
}

/// Why it does not scale: a condition that says so.
fn problem(component: &DecidedComponent, autoscaler: &HorizontalPodAutoscaler) -> Option<Problem> {
    let conditions = autoscaler.status.as_ref()?.conditions.as_ref()?;
    let bad = conditions.iter().find(|one| {
        one.status == "False" && matches!(one.type_.as_str(), "ScalingActive" | "AbleToScale")
    })?;
    let reason = bad.reason.as_deref().unwrap_or_default();
    // Nothing is wrong with what has no instances, nor with one whose pods have only just started.
    if reason == "ScalingDisabled" {
        return None;
    }
    let remedy = match reason {
        "FailedGetResourceMetric" | "FailedGetContainerResourceMetric" => {
            "Install metrics-server on the cluster (its page says whether there is one), and give every container of the component `resources`."
        }
        "FailedGetPodsMetric" | "FailedGetExternalMetric" => {
            "Install what serves this metric on the cluster (such as a Prometheus adapter or KEDA), and compare its name and labels."
        }
        _ => "The cluster's own words say what it lacks; until then the number of instances stays.",
    };
    let cause = format!(
        "The number of instances of {} does not follow what it goes by: {}",
        component.name,
        bad.message.as_deref().unwrap_or(reason)
    );
    let path = format!("components.{}.scale", component.name);
    Some(SCALE_UNMEASURED.problem(cause, remedy).path(path))
}
