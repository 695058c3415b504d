//! Pods as instances.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod};
use pluvio_model::image::ContentHash;
use pluvio_model::name::Name;
use pluvio_model::observed::{
    ExitRecord, InstanceState, ObservedInstance, ObservedSidecar, ProbeAnswer, ProbeKind,
};
use pluvio_plan::lower::kubernetes::key;

use crate::cache::Cache;
use crate::parts::{Role, parts};

/// Kubernetes waits at most this long between two starts.
/// (Source: `MaxContainerBackOff` in k8s.io/kubernetes/pkg/kubelet/kubelet.go.)
const LONGEST_BACK_OFF_SECONDS: i64 = 300;
/// And this long after the first.
const FIRST_BACK_OFF_SECONDS: i64 = 10;
pub(crate) const LAST_LINES: usize = 20;

/// Whose pod it is: the component, if it is an instance and not a run of a task.
pub(crate) fn component(pod: &Pod) -> Option<Name> {
    let labels = pod.metadata.labels.as_ref()?;
    if labels.contains_key("batch.kubernetes.io/job-name") {
        return None;
    }
    labels.get(key::COMPONENT)?.parse().ok()
}

pub(crate) fn hash(pod: &Pod) -> Option<ContentHash> {
    let text = pod.metadata.annotations.as_ref()?.get(key::HASH)?;
    serde_json::from_value(text.as_str().into()).ok()
}

/// Over for good: what Kubernetes keeps of it is only a record.
pub(crate) fn is_over(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed")) && pod.metadata.deletion_timestamp.is_none()
}

pub(crate) fn instance(
    cache: &Cache,
    pod: &Pod,
    hash: ContentHash,
    release: u64,
    now: Timestamp,
) -> ObservedInstance {
    let status = main_status(pod);
    let state = state(pod, status, now);
    let running = status.and_then(|status| status.state.as_ref()?.running.as_ref());
    let started_at = running
        .and_then(|running| running.started_at.as_ref())
        .map(|time| time.0);
    ObservedInstance {
        name: pod.metadata.name.clone().unwrap_or_default(),
        ordinal: ordinal(pod),
        hash,
        release,
        address: pod.status.as_ref().and_then(|status| status.pod_ip.clone()),
        started_at: started_at.or_else(|| last_exit(status).and_then(|(_, started)| started)),
        ready_at: ready_at(pod),
        restarts: restarts(status),
        last_exit: last_exit(status).map(|(exit, began)| ExitRecord {
            hook: failed_hook(cache, pod, began),
            ..exit
        }),
        probe: main(pod).and_then(|main| probe(cache, pod, main, &state, now)),
        in_flight: 0,
        sidecars: sidecars(cache, pod, now),
        state,
    }
}

fn sidecars(cache: &Cache, pod: &Pod, now: Timestamp) -> Vec<ObservedSidecar> {
    let all = parts(pod).into_iter();
    let sidecars = all.filter(|part| part.role == Role::Sidecar);
    sidecars
        .filter_map(|part| {
            let state = match pod.metadata.deletion_timestamp {
                Some(_) => InstanceState::Stopping,
                None => of_container(part.status, now),
            };
            let running = part
                .status
                .and_then(|one| one.state.as_ref()?.running.as_ref());
            Some(ObservedSidecar {
                name: part.name.parse().ok()?,
                started_at: running.and_then(|one| Some(one.started_at.as_ref()?.0)),
                restarts: restarts(part.status),
                last_exit: last_exit(part.status).map(|(exit, _)| exit),
                probe: probe(cache, pod, part.name, &state, now),
                state,
            })
        })
        .collect()
}

fn restarts(status: Option<&ContainerStatus>) -> u32 {
    status.map_or(0, |status| u32::try_from(status.restart_count).unwrap_or(0))
}

/// Since when it does not serve; `None` while it does.
pub(crate) fn unready_since(pod: &Pod, now: Timestamp) -> Option<Timestamp> {
    match condition(pod, "Ready") {
        Some((true, _)) => None,
        Some((false, at)) => at.or(Some(now)),
        None => pod.metadata.creation_timestamp.as_ref().map(|time| time.0),
    }
}

/// Pods of a StatefulSet are numbered.
pub(crate) fn ordinal(pod: &Pod) -> Option<u32> {
    let labels = pod.metadata.labels.as_ref()?;
    labels.get("apps.kubernetes.io/pod-index")?.parse().ok()
}

/// Of the component's own program: it is the first container.
pub(crate) fn main_status(pod: &Pod) -> Option<&ContainerStatus> {
    let name = main(pod)?;
    let all = pod.status.as_ref()?.container_statuses.as_ref()?;
    all.iter().find(|status| status.name == name)
}

fn main(pod: &Pod) -> Option<&str> {
    Some(&pod.spec.as_ref()?.containers.first()?.name)
}

fn condition(pod: &Pod, kind: &str) -> Option<(bool, Option<Timestamp>)> {
    let all = pod.status.as_ref()?.conditions.as_ref()?;
    let found = all.iter().find(|condition| condition.type_ == kind)?;
    let at = found.last_transition_time.as_ref().map(|time| time.0);
    Some((found.status == "True", at))
}

pub(crate) fn ready_at(pod: &Pod) -> Option<Timestamp> {
    match condition(pod, "Ready") {
        Some((true, at)) => at,
        _ => None,
    }
}

fn state(pod: &Pod, status: Option<&ContainerStatus>, now: Timestamp) -> InstanceState {
    if pod.metadata.deletion_timestamp.is_some() {
        return InstanceState::Stopping;
    }
    if is_over(pod) {
        return InstanceState::Exited;
    }
    // A sidecar that is not ready keeps requests from its instance.
    let serves = condition(pod, "Ready").is_none_or(|(ready, _)| ready);
    match of_container(status, now) {
        InstanceState::Ready if serves => InstanceState::Ready,
        // It has been started up, and yet it is not ready: not yet, or not any more.
        InstanceState::Ready | InstanceState::NotReady if was_ready(pod) => InstanceState::NotReady,
        InstanceState::Ready | InstanceState::NotReady => InstanceState::Starting,
        other => other,
    }
}

/// Of one container, whatever its pod is.
fn of_container(status: Option<&ContainerStatus>, now: Timestamp) -> InstanceState {
    let Some(status) = status else {
        return InstanceState::Creating;
    };
    if status.ready {
        return InstanceState::Ready;
    }
    match status.state.as_ref() {
        Some(ContainerState {
            running: Some(_), ..
        }) => match status.started {
            Some(true) => InstanceState::NotReady,
            _ => InstanceState::Starting,
        },
        Some(ContainerState {
            terminated: Some(ended),
            ..
        }) => InstanceState::BackOff {
            until: ended.finished_at.as_ref().map_or(now, |time| time.0),
        },
        Some(ContainerState {
            waiting: Some(waiting),
            ..
        }) => match waiting.reason.as_deref() {
            Some("CrashLoopBackOff") => InstanceState::BackOff {
                until: next_start(status).unwrap_or(now),
            },
            _ => InstanceState::Creating,
        },
        _ => InstanceState::Creating,
    }
}

/// Kubernetes does not keep whether a pod was ever ready: the change of its condition after the start tells.
pub(crate) fn was_ready(pod: &Pod) -> bool {
    let ready = condition(pod, "Ready").and_then(|(_, at)| at);
    let initialized = condition(pod, "Initialized").and_then(|(_, at)| at);
    matches!((ready, initialized), (Some(ready), Some(initialized)) if ready.duration_since(initialized).as_secs() > 1)
}

fn next_start(status: &ContainerStatus) -> Option<Timestamp> {
    let ended = status
        .last_state
        .as_ref()?
        .terminated
        .as_ref()?
        .finished_at
        .as_ref()?
        .0;
    let doubled = u32::try_from(status.restart_count.max(1) - 1)
        .unwrap_or(0)
        .min(10);
    let wait = (FIRST_BACK_OFF_SECONDS << doubled).min(LONGEST_BACK_OFF_SECONDS);
    ended
        .checked_add(jiff::SignedDuration::from_secs(wait))
        .ok()
}

/// How a program ended, with its last lines.
pub(crate) fn exit_record(ended: &ContainerStateTerminated) -> ExitRecord {
    let lines: Vec<&str> = ended
        .message
        .as_deref()
        .unwrap_or_default()
        .lines()
        .collect();
    let from = lines.len().saturating_sub(LAST_LINES);
    ExitRecord {
        code: i64::from(ended.exit_code),
        oom: ended.reason.as_deref() == Some("OOMKilled"),
        at: ended
            .finished_at
            .as_ref()
            .map_or(Timestamp::UNIX_EPOCH, |time| time.0),
        last_lines: lines[from..]
            .iter()
            .map(|line| (*line).to_owned())
            .collect(),
        hook: None,
    }
}

/// Of a container that its kubelet ended because a hook after its start failed: nothing but an event tells that.
fn failed_hook(cache: &Cache, pod: &Pod, began: Option<Timestamp>) -> Option<String> {
    let at = cache.failed_hook_at(pod)?;
    // Both are told in whole seconds.
    let is_of_it = began.is_none_or(|began| began.as_second() <= at.as_second());
    is_of_it.then(|| "a hook after its start failed".to_owned())
}

/// How the program last ended, and when it had begun.
fn last_exit(status: Option<&ContainerStatus>) -> Option<(ExitRecord, Option<Timestamp>)> {
    let status = status?;
    let of = |state: Option<&ContainerState>| state.and_then(|state| state.terminated.clone());
    let ended = of(status.state.as_ref()).or_else(|| of(status.last_state.as_ref()))?;
    let exit = exit_record(&ended);
    Some((exit, ended.started_at.map(|time| time.0)))
}

/// The kubelet tells of probes only when they fail, as events.
fn probe(
    cache: &Cache,
    pod: &Pod,
    container: &str,
    state: &InstanceState,
    now: Timestamp,
) -> Option<ProbeAnswer> {
    if *state == InstanceState::Ready {
        return Some(ProbeAnswer {
            kind: ProbeKind::Ready,
            ok: true,
            message: "ready".to_owned(),
            at: ready_at(pod).unwrap_or(now),
            in_a_row: 1,
        });
    }
    // `spec.containers{web}`
    let is_about =
        |path: Option<&str>| path.is_none_or(|path| path.ends_with(&format!("{{{container}}}")));
    let event = cache.warning(pod).filter(|event| {
        event.reason.as_deref() == Some("Unhealthy")
            && is_about(event.involved_object.field_path.as_deref())
    })?;
    let message = event.message.clone().unwrap_or_default();
    let kind = match message.split(' ').next() {
        Some("Startup") => ProbeKind::Startup,
        Some("Liveness") => ProbeKind::Live,
        _ => ProbeKind::Ready,
    };
    Some(ProbeAnswer {
        kind,
        ok: false,
        message,
        at: event.last_timestamp.as_ref().map_or(now, |time| time.0),
        in_a_row: event
            .count
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(1),
    })
}
