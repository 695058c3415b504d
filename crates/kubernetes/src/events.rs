//! What happened to pods: the cluster's own events about them, and what their state tells that no event does, such as how a
//! program ended. Asked of the API server when somebody looks: a cluster keeps them for an hour, and most are never read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Event, Pod};
use kube::Api;
use kube::api::ListParams;
use pluvio_model::id::ApplicationId;
use pluvio_model::name::Name;
use pluvio_model::observed::InstanceEvent;
use pluvio_runtime::{Events, RuntimeError};

use crate::KubernetesRuntime;
use crate::failure::runtime_error;
use crate::instances::{exit_record, ready_at};
use crate::logs::component;
use crate::overview;
use crate::parts::{Role, parts};

/// Events in one answer of the API server.
const PAGE: u32 = 500;
/// Answers that are read of a namespace: what is older in one as busy as that is left out.
const PAGES: usize = 6;
/// Events that are told.
const KEPT: usize = 200;

#[async_trait]
impl Events for KubernetesRuntime {
    async fn events(
        &self,
        application: ApplicationId,
        instance: Option<&str>,
    ) -> Result<Vec<InstanceEvent>, RuntimeError> {
        let shared = self.shared();
        let mut held = shared.cache.held(|one| one == application);
        let mut pods = held.remove(&application).unwrap_or_default().pods;
        pods.retain(|pod| instance.is_none_or(|name| pod.metadata.name.as_deref() == Some(name)));
        let namespaces: BTreeSet<&str> = pods
            .iter()
            .filter_map(|pod| pod.metadata.namespace.as_deref())
            .collect();
        let about = match pods.as_slice() {
            [pod] => pod.metadata.uid.as_deref(),
            _ => None,
        };
        let mut selector = "involvedObject.kind=Pod".to_owned();
        if let Some(uid) = about {
            selector.push_str(&format!(",involvedObject.uid={uid}"));
        }
        let mut events = Vec::new();
        for namespace in namespaces {
            let api = Api::<Event>::namespaced(shared.client.clone(), namespace);
            let read = of_namespace(&api, &selector).await.map_err(runtime_error)?;
            events.extend(read);
        }
        let mut told = told(&pods, &events);
        let masks = shared.masks(application);
        for event in &mut told {
            event.message = masks.mask(std::mem::take(&mut event.message));
        }
        Ok(told)
    }
}

async fn of_namespace(api: &Api<Event>, selector: &str) -> kube::Result<Vec<Event>> {
    let mut params = ListParams::default().fields(selector).limit(PAGE);
    let mut events = Vec::new();
    for _ in 0..PAGES {
        let page = api.list(&params).await?;
        events.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
    }
    Ok(events)
}

/// The newest first.
fn told(pods: &[Arc<Pod>], events: &[Event]) -> Vec<InstanceEvent> {
    let by_uid: BTreeMap<&str, &Pod> = pods
        .iter()
        .filter_map(|pod| Some((pod.metadata.uid.as_deref()?, &**pod)))
        .collect();
    let of_cluster = events.iter().filter_map(|event| {
        let pod = by_uid.get(event.involved_object.uid.as_deref()?)?;
        of_event(pod, event)
    });
    let of_state = pods.iter().flat_map(|pod| of_state(pod));
    let mut all: Vec<InstanceEvent> = of_cluster.chain(of_state).collect();
    all.sort_by_key(|event| std::cmp::Reverse(event.last));
    all.truncate(KEPT);
    all
}

fn of_event(pod: &Pod, event: &Event) -> Option<InstanceEvent> {
    let seen = overview::event(event);
    let path = event.involved_object.field_path.as_deref();
    let (component, instance) = whose(pod)?;
    Some(InstanceEvent {
        component,
        instance,
        container: path.and_then(container).filter(|name| !is_main(pod, name)),
        is_warning: seen.is_warning,
        reason: seen.reason,
        message: seen.message,
        count: seen.count,
        first: seen.first?,
        last: seen.last?,
    })
}

/// `spec.containers{web}`
fn container(path: &str) -> Option<String> {
    let (_, rest) = path.split_once('{')?;
    Some(rest.strip_suffix('}')?.to_owned())
}

fn is_main(pod: &Pod, container: &str) -> bool {
    let all = parts(pod);
    all.iter()
        .any(|part| part.role == Role::Main && part.name == container)
}

fn whose(pod: &Pod) -> Option<(Name, String)> {
    Some((component(pod)?, pod.metadata.name.clone()?))
}

/// How its programs ended, and that it is ready.
fn of_state(pod: &Pod) -> Vec<InstanceEvent> {
    let Some((component, instance)) = whose(pod) else {
        return Vec::new();
    };
    let event = |container: Option<&str>, reason: &str, message: String, at: Timestamp| {
        let event = InstanceEvent {
            component: component.clone(),
            instance: instance.clone(),
            container: container.map(str::to_owned),
            is_warning: false,
            reason: reason.to_owned(),
            message,
            count: 1,
            first: at,
            last: at,
        };
        Some(event)
    };
    let ready = ready_at(pod).and_then(|at| event(None, "Ready", "ready".to_owned(), at));
    let all = parts(pod);
    let ends = all.iter().flat_map(|part| {
        let of = Some(part.name).filter(|_| part.role != Role::Main);
        let states = part
            .status
            .map(|status| [&status.state, &status.last_state]);
        let ended = states.into_iter().flatten().flatten();
        let ended = ended.filter_map(|state| state.terminated.as_ref());
        ended.filter_map(move |ended| {
            let (reason, message, is_warning) = end(ended);
            let at = ended.finished_at.as_ref()?.0;
            let event = event(of, &reason, message, at)?;
            Some(InstanceEvent {
                is_warning,
                ..event
            })
        })
    });
    ends.chain(ready).collect()
}

/// The kubelet's word for it, `OOMKilled`.
fn end(ended: &ContainerStateTerminated) -> (String, String, bool) {
    let exit = exit_record(ended);
    let default = if exit.code == 0 { "Completed" } else { "Error" };
    let reason = ended.reason.as_deref().unwrap_or(default);
    (reason.to_owned(), exit.in_words(), exit.code != 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod() -> Arc<Pod> {
        let ended = json!({
            "exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-01-01T00:00:05Z",
        });
        let pod = json!({
            "metadata": {
                "name": "shop--web-a", "namespace": "n", "uid": "u1",
                "labels": { "app.kubernetes.io/name": "web" },
            },
            "spec": {
                "initContainers": [{ "name": "wait" }],
                "containers": [{ "name": "web" }],
            },
            "status": {
                "conditions": [{ "type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:09Z" }],
                "initContainerStatuses": [{
                    "name": "wait", "image": "i", "imageID": "i", "ready": true, "restartCount": 0,
                    "state": { "terminated": { "exitCode": 0, "finishedAt": "2026-01-01T00:00:01Z" } },
                }],
                "containerStatuses": [{
                    "name": "web", "image": "i", "imageID": "i", "ready": true, "restartCount": 1,
                    "state": { "running": { "startedAt": "2026-01-01T00:00:07Z" } },
                    "lastState": { "terminated": ended },
                }],
            },
        });
        Arc::new(serde_json::from_value(pod).expect("a pod"))
    }

    fn event(uid: &str, path: &str, reason: &str, second: u8) -> Event {
        let event = json!({
            "metadata": {}, "type": "Warning", "reason": reason, "message": "why", "count": 4,
            "involvedObject": { "kind": "Pod", "uid": uid, "fieldPath": path },
            "firstTimestamp": "2026-01-01T00:00:02Z",
            "lastTimestamp": format!("2026-01-01T00:00:{second:02}Z"),
        });
        serde_json::from_value(event).expect("an event")
    }

    #[test]
    fn events_and_what_the_state_tells_come_together() {
        let events = [
            event("u1", "spec.containers{web}", "BackOff", 6),
            event("u1", "spec.initContainers{wait}", "Failed", 3),
            event("another", "spec.containers{web}", "BackOff", 8),
        ];
        let all = told(&[pod()], &events);
        let all: Vec<_> = all
            .iter()
            .map(|event| {
                let container = event.container.as_deref();
                (&*event.reason, container, event.count, event.is_warning)
            })
            .collect();
        assert_eq!(
            all,
            [
                ("Ready", None, 1, false),
                ("BackOff", None, 4, true),
                ("OOMKilled", None, 1, true),
                ("Failed", Some("wait"), 4, true),
                ("Completed", Some("wait"), 1, false),
            ]
        );
    }
}
