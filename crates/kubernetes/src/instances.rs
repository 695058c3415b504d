//! Pods as instances.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod};
use pluvio_model::image::ContentHash;
use pluvio_model::name::Name;
use pluvio_model::observed::{ExitRecord, InstanceState, ObservedInstance, ProbeAnswer, ProbeKind};
use pluvio_model::problem::{self, Problem};
use pluvio_plan::lower::kubernetes::key;

use crate::cache::Cache;

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
        restarts: status.map_or(0, |status| u32::try_from(status.restart_count).unwrap_or(0)),
        last_exit: last_exit(status).map(|(exit, _)| exit),
        probe: probe(cache, pod, &state, now),
        in_flight: 0,
        sidecars: Vec::new(),
        state,
    }
}

/// Pods of a StatefulSet are numbered.
fn ordinal(pod: &Pod) -> Option<u32> {
    let labels = pod.metadata.labels.as_ref()?;
    labels.get("apps.kubernetes.io/pod-index")?.parse().ok()
}

/// Of the component's own program: it is the first container.
pub(crate) fn main_status(pod: &Pod) -> Option<&ContainerStatus> {
    let name = pod.spec.as_ref()?.containers.first()?.name.as_str();
    let all = pod.status.as_ref()?.container_statuses.as_ref()?;
    all.iter().find(|status| status.name == name)
}

fn condition(pod: &Pod, kind: &str) -> Option<(bool, Option<Timestamp>)> {
    let all = pod.status.as_ref()?.conditions.as_ref()?;
    let found = all.iter().find(|condition| condition.type_ == kind)?;
    let at = found.last_transition_time.as_ref().map(|time| time.0);
    Some((found.status == "True", at))
}

fn ready_at(pod: &Pod) -> Option<Timestamp> {
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
            // It has been started up, and yet it is not ready: not yet, or not any more.
            Some(true) if was_ready(pod) => InstanceState::NotReady,
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
fn was_ready(pod: &Pod) -> bool {
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
    }
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
fn probe(cache: &Cache, pod: &Pod, state: &InstanceState, now: Timestamp) -> Option<ProbeAnswer> {
    if *state == InstanceState::Ready {
        return Some(ProbeAnswer {
            kind: ProbeKind::Ready,
            ok: true,
            message: "ready".to_owned(),
            at: ready_at(pod).unwrap_or(now),
            in_a_row: 1,
        });
    }
    let event = cache
        .warning(pod)
        .filter(|event| event.reason.as_deref() == Some("Unhealthy"))?;
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

/// What keeps a pod from being started, in plain words with a remedy; `None` if nothing does.
pub(crate) fn obstacle(cache: &Cache, component: &Name, pod: &Pod) -> Option<Problem> {
    let path = format!("components.{component}");
    let all = pod.status.as_ref()?;
    let containers = all
        .init_container_statuses
        .iter()
        .flatten()
        .chain(all.container_statuses.iter().flatten());
    for status in containers {
        let Some(waiting) = status
            .state
            .as_ref()
            .and_then(|state| state.waiting.as_ref())
        else {
            continue;
        };
        let message = waiting.message.clone().unwrap_or_default();
        let problem =
            match waiting.reason.as_deref() {
                Some(
                    "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" | "InvalidImageName",
                ) => image(status, &pulled(cache, pod, message)),
                Some(
                    "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError",
                ) if !is_passing(&message) => problem::SPEC_INVALID.problem(
                    format!("The cluster cannot make the container of {component}: {message}."),
                    "Change what the message names, then deploy again.",
                ),
                _ => continue,
            };
        return Some(problem.path(path));
    }
    if let Some(event) = cache.warning(pod)
        && matches!(
            event.reason.as_deref(),
            Some(
                "FailedCreatePodSandBox" | "FailedMount" | "FailedAttachVolume" | "FailedMapVolume"
            )
        )
        && all
            .container_statuses
            .iter()
            .flatten()
            .all(|status| !status.ready)
    {
        let message = event.message.clone().unwrap_or_default();
        return Some(
            problem::ENGINE_FAILED
                .problem(
                    format!(
                        "The cluster's node cannot start {component}: {}.",
                        message.trim_end_matches('.')
                    ),
                    "It is tried again. The node's own log tells more.",
                )
                .path(path),
        );
    }
    let conditions = all.conditions.as_ref()?;
    let scheduled = conditions
        .iter()
        .find(|one| one.type_ == "PodScheduled" && one.status == "False")?;
    let why = scheduled.message.clone().unwrap_or_default();
    Some(
        problem::CLUSTER_NO_ROOM
            .problem(
                format!("No node of the cluster takes {component}: {}.", why.trim_end_matches('.')),
                "Ask for less under `resources`, take node labels out, or give the cluster a node that fits.",
            )
            .path(path),
    )
}

/// Of a kubelet or a runtime that is slow: it tries again by itself, and what is asked for is not at fault. (Source: pkg/kubelet/util/manager
/// `failed to sync … cache`; containerd's `name … is reserved` while its first try still goes on.)
fn is_passing(message: &str) -> bool {
    [
        "failed to sync secret cache",
        "failed to sync configmap cache",
        "timed out waiting for the condition",
        "context deadline exceeded",
        "is reserved for",
    ]
    .iter()
    .any(|text| message.contains(text))
}

/// While the kubelet waits to try again it says only that; the event before says why.
fn pulled(cache: &Cache, pod: &Pod, message: String) -> String {
    let told = cache.warning(pod).and_then(|event| event.message.clone());
    told.filter(|told| told.contains("ailed to pull"))
        .unwrap_or(message)
}

fn image(status: &ContainerStatus, message: &str) -> Problem {
    let name = &status.image;
    let lower = message.to_lowercase();
    if lower.contains("unauthorized") || lower.contains("denied") || lower.contains("forbidden") {
        return problem::IMAGE_UNAUTHORIZED.problem(
            format!("The registry does not give the cluster {name}: {message}."),
            "Give Pluvio the registry's credential, then deploy again.",
        );
    }
    if lower.contains("not found")
        || lower.contains("manifest unknown")
        || lower.contains("invalid")
    {
        return problem::IMAGE_NOT_FOUND.problem(
            format!("The cluster finds no image {name}: {message}."),
            "Check its name and tag, and that the cluster's nodes reach the registry.",
        );
    }
    problem::IMAGE_REGISTRY.problem(
        format!("The cluster cannot pull {name}: {message}."),
        "Check that the cluster's nodes reach the registry. It is tried again.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_kubelet_is_no_fault_of_the_release() {
        for passing in [
            "failed to sync secret cache: timed out waiting for the condition",
            "rpc error: code = DeadlineExceeded desc = context deadline exceeded",
            "failed to reserve container name \"web_1\": name \"web_1\" is reserved for \"3f2a\"",
        ] {
            assert!(is_passing(passing), "{passing}");
        }
        for lasting in [
            "secret \"shop--web\" not found",
            "container has runAsNonRoot and image will run as root",
            "exec: \"/nowhere\": stat /nowhere: no such file or directory",
        ] {
            assert!(!is_passing(lasting), "{lasting}");
        }
    }
}
