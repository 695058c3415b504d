//! An instance, as its component's page shows it.

use pluvio_api::applications::InstanceDetail;
use pluvio_model::observed::{InstanceState, ObservedInstance};
use pluvio_model::release::DecidedComponent;

use super::Seen;

/// Nothing of it runs: what was measured last is none of its use now.
pub(crate) fn rests(instance: &ObservedInstance) -> bool {
    match instance.state {
        InstanceState::Creating | InstanceState::BackOff { .. } | InstanceState::Exited => true,
        InstanceState::Starting
        | InstanceState::Ready
        | InstanceState::NotReady
        | InstanceState::Draining
        | InstanceState::Stopping
        | InstanceState::Unknown => false,
    }
}

pub(super) fn instance(
    instance: &ObservedInstance,
    decided: &DecidedComponent,
    seen: &Seen,
) -> InstanceDetail {
    let samples = seen.usage.get(&instance.name).filter(|_| !rests(instance));
    let samples = samples.map(Vec::as_slice).unwrap_or_default();
    // Thirty points are as many as a spark shows.
    let recent = &samples[samples.len().saturating_sub(30)..];
    InstanceDetail {
        instance: instance.clone(),
        current: instance.hash == decided.hash,
        cpu_millis: recent.iter().map(|s| s.cpu_millis).collect(),
        memory_bytes: recent.iter().map(|s| s.memory_bytes).collect(),
        memory_limit: decided.content.main.memory_limit.map(|m| m.0),
    }
}
