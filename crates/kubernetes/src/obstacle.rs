//! What keeps a component from coming up: a pod that is not started, a volume that is not made, pods that the cluster refuses.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{
    ContainerStateWaiting, ContainerStatus, PersistentVolumeClaim, Pod,
};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::ResourceExt;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::Store;
use pluvio_model::image::ContentHash;
use pluvio_model::name::Name;
use pluvio_model::problem::{self, Problem};
use pluvio_plan::lower::kubernetes::key;

use crate::cache::Cache;
use crate::failure::end;
use crate::parts::{Part, Role, parts};
use crate::survey::is_default;
use crate::{instances, refusal, scheduler};

/// A volume that a claim waits for in vain.
pub(crate) fn of_claim(cache: &Cache, claim: &PersistentVolumeClaim) -> Option<Problem> {
    let phase = claim.status.as_ref()?.phase.as_deref()?;
    let name = claim.name_any();
    if phase == "Lost" {
        return Some(problem::CLUSTER_STORAGE.problem(
            format!("The volume of {name} is gone from the cluster."),
            "Bring its PersistentVolume back, or delete the volume and restore a copy of its data.",
        ));
    }
    of_pending(cache, claim)
}

/// Why it has no volume yet; `None` also while nobody complains.
pub(crate) fn of_pending(cache: &Cache, claim: &PersistentVolumeClaim) -> Option<Problem> {
    if claim.status.as_ref()?.phase.as_deref()? != "Pending" {
        return None;
    }
    let name = claim.name_any();
    let event = Cache::newest(&cache.claim_warnings, claim.metadata.uid.as_deref()?)?;
    let said = event.message.as_deref().unwrap_or_default();
    let class = claim.spec.as_ref()?.storage_class_name.as_deref();
    if is_there_now(&cache.classes, class, said) {
        return None;
    }
    let missing = says_missing(said);
    Some(match (class, missing) {
        (Some(class), true) => problem::SPEC_UNKNOWN_REFERENCE.problem(
            format!("The cluster has no StorageClass {class}, which the volume {name} names, and no volume of that class waits."),
            "Name one that it has (`kubectl get storageclasses`) as the volume's `class` or when the cluster is added, then deploy again.",
        ),
        (None, _) if said.contains(NO_CLASS) => problem::CLUSTER_STORAGE.problem(
            format!("The volume {name} names no class, and the cluster has no default StorageClass."),
            "Name one as the volume's `class`, or mark one: `kubectl annotate storageclass NAME storageclass.kubernetes.io/is-default-class=true`.",
        ),
        _ => problem::CLUSTER_STORAGE.problem(
            format!("The cluster does not make the volume {name}: {}.", end(said)),
            "Correct what the storage driver says; it is tried again. `kubectl describe pvc` tells more.",
        ),
    })
}

/// The cluster's words of a claim without a class, where none is the default.
const NO_CLASS: &str = "no storage class is set";

fn says_missing(said: &str) -> bool {
    said.contains("storageclass.storage.k8s.io") && said.contains("not found")
}

/// Whether the class that an event misses has come since: the cluster keeps events for an hour, and says nothing when it begins to
/// make the volume.
fn is_there_now(
    classes: &Store<PartialObjectMeta<StorageClass>>,
    class: Option<&str>,
    said: &str,
) -> bool {
    let classes = classes.state();
    match class {
        Some(class) if says_missing(said) => classes.iter().any(|one| one.name_any() == class),
        // It was given the class that is the default by now.
        Some(_) => said.contains(NO_CLASS),
        None => said.contains(NO_CLASS) && classes.iter().any(|one| is_default(one.as_ref())),
    }
}

/// The ReplicaSet of that content, if it cannot make its pods.
pub(crate) fn failing_replicas(
    cache: &Cache,
    (namespace, deployment): (&str, &str),
    hash: &ContentHash,
) -> Option<String> {
    let is_it = |set: &ReplicaSet| {
        let owners = set.owner_references();
        let conditions = set
            .status
            .as_ref()
            .and_then(|status| status.conditions.as_ref());
        set.metadata.namespace.as_deref() == Some(namespace)
            && owners
                .iter()
                .any(|owner| owner.kind == "Deployment" && owner.name == deployment)
            && set.annotations().get(key::HASH).map(String::as_str) == Some(hash.as_str())
            && conditions
                .into_iter()
                .flatten()
                .any(|one| one.type_ == "ReplicaFailure" && one.status == "True")
    };
    let sets = cache.replica_sets.state_filter(is_it);
    sets.first()?.metadata.uid.clone()
}

/// Pods of a controller that the cluster refuses: an event of it says so, no older than `since`, by the cluster's clock.
pub(crate) fn of_controller(
    cache: &Cache,
    component: &Name,
    uid: &str,
    since: Timestamp,
) -> Option<Problem> {
    let event = Cache::newest(&cache.refusals, uid)?;
    let last = event
        .last_timestamp
        .as_ref()
        .or(event.first_timestamp.as_ref())?;
    // Both are told in whole seconds.
    if last.0.as_second() < since.as_second() {
        return None;
    }
    Some(of_pods(
        component,
        event.message.as_deref().unwrap_or_default(),
    ))
}

fn of_pods(component: &Name, message: &str) -> Problem {
    let what = format!("the pods of {component}");
    let other = || {
        problem::ENGINE_FAILED.problem(
            format!("The cluster does not make {what}: {}.", end(message)),
            "Correct what the message names. It is tried again.",
        )
    };
    refusal::admission(&what, message)
        .unwrap_or_else(other)
        .path(format!("components.{component}"))
}

/// What keeps a pod from being started, in plain words with a remedy; `None` if nothing does.
pub(crate) fn of_pod(cache: &Cache, component: &Name, pod: &Pod) -> Option<Problem> {
    let path = format!("components.{component}");
    let all = pod.status.as_ref()?;
    for status in statuses(pod) {
        let problem = match unmade(status) {
            Some(Unmade::Image(message)) => image(status, &pulled(cache, pod, message)),
            Some(Unmade::Container(message)) => problem::SPEC_INVALID.problem(
                format!("The cluster cannot make the container of {component}: {message}."),
                "Change what the message names, then deploy again.",
            ),
            None => continue,
        };
        return Some(problem.path(path));
    }
    if let Some(problem) = of_steps(component, pod) {
        return Some(problem);
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
    let why = unscheduled(pod)?;
    Some(scheduler::no_room(component, why, &cache.taints()).path(path))
}

/// Why no node takes it, in the scheduler's words. What failed in the scheduler itself, such as a lost race, is tried again by it.
/// (Source: k8s.io/api/core/v1, `PodReasonSchedulerError`.)
fn unscheduled(pod: &Pod) -> Option<&str> {
    let mut conditions = pod.status.as_ref()?.conditions.iter().flatten();
    let refused = conditions.find(|one| one.type_ == "PodScheduled" && one.status == "False")?;
    let is_by_room = refused.reason.as_deref() != Some("SchedulerError");
    is_by_room.then(|| refused.message.as_deref().unwrap_or_default())
}

/// The kubelet would try a step that failed again and again.
fn of_steps(component: &Name, pod: &Pod) -> Option<Problem> {
    let steps = parts(pod);
    let has_failed = |part: &Part<'_>| {
        let status = part.status?;
        let is_now = status
            .state
            .as_ref()
            .and_then(|state| state.terminated.clone());
        let before = || status.last_state.as_ref()?.terminated.clone();
        is_now.or_else(before).filter(|ended| ended.exit_code != 0)
    };
    let mut steps = steps.iter().filter(|part| part.role == Role::Step);
    let (name, ended) = steps.find_map(|step| Some((step.name, has_failed(step)?)))?;
    let exit = instances::exit_record(&ended);
    let how = match exit.oom {
        true => "was killed for memory".to_owned(),
        false => format!("ended with exit code {}", exit.code),
    };
    Some(
        problem::RELEASE_EXITED
            .problem(
                format!(
                    "The init step {name} of {component} {how}, so its instance was not started."
                ),
                "Read its last lines; correct the step, then deploy again.",
            )
            .path(format!("components.{component}.init.{name}"))
            .evidence(exit.last_lines),
    )
}

/// Those of init steps first.
pub(crate) fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    let init = status.and_then(|status| status.init_container_statuses.as_ref());
    let main = status.and_then(|status| status.container_statuses.as_ref());
    init.into_iter().chain(main).flatten()
}

pub(crate) fn waiting(status: &ContainerStatus) -> Option<&ContainerStateWaiting> {
    status.state.as_ref()?.waiting.as_ref()
}

/// What a container is not made for, with the cluster's message.
pub(crate) enum Unmade {
    Image(String),
    Container(String),
}

/// `None` as well while a slow node is why.
pub(crate) fn unmade(status: &ContainerStatus) -> Option<Unmade> {
    let waiting = waiting(status)?;
    let message = waiting.message.clone().unwrap_or_default();
    match waiting.reason.as_deref()? {
        "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" | "InvalidImageName" => {
            Some(Unmade::Image(message))
        }
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
            (!is_passing(&message)).then_some(Unmade::Container(message))
        }
        _ => None,
    }
}

/// Of a kubelet or a runtime that is slow: it tries again by itself, and what is asked for is not at fault. (Source: pkg/kubelet/util/manager
/// `failed to sync … cache`; the node authorizer's `no relationship found` before it has learned of a pod or its claim
/// (plugin/pkg/auth/authorizer/node); containerd's `name … is reserved` while its first try still goes on.)
fn is_passing(message: &str) -> bool {
    [
        "failed to sync secret cache",
        "failed to sync configmap cache",
        "no relationship found between node",
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

    #[test]
    fn a_class_that_has_come_is_not_missing_any_more() {
        let (classes, mut writer) = kube::runtime::reflector::store();
        let mut came = |name: &str, default: &str| {
            let annotations =
                serde_json::json!({ "storageclass.kubernetes.io/is-default-class": default });
            let class = serde_json::json!({
                "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                "metadata": { "name": name, "annotations": annotations },
            });
            let class: PartialObjectMeta<StorageClass> =
                serde_json::from_value(class).expect("a class");
            writer.apply_watcher_event(&kube::runtime::watcher::Event::Apply(class));
        };
        let missing = "storageclass.storage.k8s.io \"fast\" not found";
        let none = "no persistent volumes available for this claim and no storage class is set";
        came("slow", "false");
        assert!(!is_there_now(&classes, Some("fast"), missing));
        assert!(!is_there_now(&classes, None, none));
        came("fast", "true");
        assert!(is_there_now(&classes, Some("fast"), missing));
        assert!(is_there_now(&classes, None, none));
        // What another event says is no older for that.
        let full = "failed to provision volume: no space left";
        assert!(!is_there_now(&classes, Some("fast"), full));
    }

    #[test]
    fn an_error_of_the_scheduler_is_no_lack_of_room() {
        let pod = |reason: &str| -> Pod {
            let condition = serde_json::json!({
                "type": "PodScheduled", "status": "False", "reason": reason, "message": "why",
            });
            let pod =
                serde_json::json!({ "metadata": {}, "status": { "conditions": [condition] } });
            serde_json::from_value(pod).expect("a pod")
        };
        assert_eq!(unscheduled(&pod("Unschedulable")), Some("why"));
        assert_eq!(unscheduled(&pod("SchedulerError")), None);
    }
}
