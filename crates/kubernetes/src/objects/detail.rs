//! One object whole, without what nobody shall read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Event, Pod};
use kube::Api;
use kube::api::ListParams;
use pluvio_model::cluster::ClusterEvent;
use pluvio_model::objects::{ContainerSeen, KeySize, ObjectKind, ObjectSeen, ObjectState};
use pluvio_model::problem::Problem;
use pluvio_plan::lower::kubernetes::key;
use serde_json::Value;

use super::{of_reading, words};
use crate::overview::event;
use crate::{KubernetesRuntime, MANAGER};

const MOST_EVENTS: u32 = 200;
/// What `kubectl apply` writes of an object into the object: all of it, also what a Secret holds.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

impl KubernetesRuntime {
    /// What the cluster told of an object, the newest first.
    pub(super) async fn events_of(
        &self,
        kind: ObjectKind,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Vec<ClusterEvent>, Problem> {
        let client = self.shared().client.clone();
        let api: Api<Event> = match namespace {
            Some(namespace) => Api::namespaced(client, namespace),
            None => Api::all(client),
        };
        let about = format!(
            "involvedObject.kind={},involvedObject.name={name}",
            kind.singular()
        );
        let params = ListParams::default().fields(&about).limit(MOST_EVENTS);
        let all = api.list(&params).await;
        let all = all.map_err(|error| of_reading(ObjectKind::Events, &error))?;
        let mut events: Vec<ClusterEvent> = all.items.iter().map(event).collect();
        events.sort_by_key(|event| std::cmp::Reverse(event.last));
        Ok(events)
    }
}

pub(super) fn seen(kind: ObjectKind, mut body: Value, events: Vec<ClusterEvent>) -> ObjectSeen {
    let containers = match kind {
        ObjectKind::Pods => containers(&body),
        _ => Vec::new(),
    };
    let keys = match kind {
        ObjectKind::Secrets | ObjectKind::ConfigMaps => take_values(&mut body),
        _ => Vec::new(),
    };
    if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        let notes = metadata.get_mut("annotations");
        if let Some(notes) = notes.and_then(Value::as_object_mut) {
            notes.remove(LAST_APPLIED);
            if notes.is_empty() {
                metadata.remove("annotations");
            }
        }
    }
    let text = |at: &str| body.pointer(at).and_then(Value::as_str).map(str::to_owned);
    let labels = &body["metadata"]["labels"];
    ObjectSeen {
        namespace: text("/metadata/namespace"),
        name: text("/metadata/name").unwrap_or_default(),
        is_ours: labels[key::APPLICATION].is_string()
            || labels["app.kubernetes.io/managed-by"] == MANAGER,
        containers,
        keys,
        events,
        body,
    }
}

/// Puts sizes in the place of values, and says of each key how large its value is.
fn take_values(body: &mut Value) -> Vec<KeySize> {
    let is_secret = body["kind"] == "Secret";
    let mut keys = Vec::new();
    for part in ["data", "binaryData", "stringData"] {
        let Some(values) = body.get_mut(part).and_then(Value::as_object_mut) else {
            continue;
        };
        let is_encoded = part == "binaryData" || is_secret && part == "data";
        for (key, value) in values {
            let text = value.as_str().unwrap_or_default();
            let bytes = match is_encoded {
                true => STANDARD
                    .decode(text)
                    .map_or(text.len(), |bytes| bytes.len()),
                false => text.len(),
            };
            *value = Value::String(format!("({bytes} bytes)"));
            keys.push(KeySize {
                key: key.clone(),
                bytes: bytes as u64,
            });
        }
    }
    keys
}

fn containers(body: &Value) -> Vec<ContainerSeen> {
    let Ok(pod) = serde_json::from_value::<Pod>(body.clone()) else {
        return Vec::new();
    };
    let spec = pod.spec.unwrap_or_default();
    let status = pod.status.unwrap_or_default();
    let told = status
        .container_statuses
        .into_iter()
        .chain(status.init_container_statuses)
        .flatten()
        .collect::<Vec<_>>();
    let init = spec.init_containers.unwrap_or_default();
    let init = init.into_iter().map(|one| (one, true));
    let all = init.chain(spec.containers.into_iter().map(|one| (one, false)));
    all.map(|(container, is_init)| {
        let status = told.iter().find(|status| status.name == container.name);
        let (state, note) = status.map_or((ObjectState::Waiting, String::new()), state);
        ContainerSeen {
            name: container.name,
            image: container.image.unwrap_or_default(),
            is_init,
            is_ready: status.is_some_and(|status| status.ready),
            restarts: status.map_or(0, |status| u32::try_from(status.restart_count).unwrap_or(0)),
            state,
            note,
        }
    })
    .collect()
}

fn state(status: &ContainerStatus) -> (ObjectState, String) {
    let Some(ContainerState {
        running,
        terminated,
        waiting,
    }) = &status.state
    else {
        return (ObjectState::Waiting, String::new());
    };
    let plain = |reason: &str| {
        let found = words::reason(reason);
        found.map(|(state, what)| (state, what.to_owned()))
    };
    if let Some(ended) = terminated {
        let reason = ended.reason.as_deref().unwrap_or("Error");
        let (state, what) = plain(reason).unwrap_or((ObjectState::Failed, reason.to_owned()));
        return match ended.exit_code {
            0 => (state, what),
            code => (state, format!("{what} (exit code {code})")),
        };
    }
    if let Some(waiting) = waiting {
        let reason = waiting.reason.as_deref().unwrap_or("Pending");
        return plain(reason).unwrap_or((ObjectState::Waiting, reason.to_owned()));
    }
    match running.is_some() && status.ready {
        true => (ObjectState::Running, String::new()),
        false => (ObjectState::Degraded, "is not ready".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_secret_holds_is_nowhere() {
        let applied = r#"{"data":{"password":"aHVudGVyMg=="}}"#;
        let body = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {
                "name": "door", "namespace": "there", "managedFields": [{ "manager": "kubectl" }],
                "annotations": { LAST_APPLIED: applied },
            },
            "data": { "password": "aHVudGVyMg==", "empty": "" },
            "stringData": { "plain": "hunter2" },
        });
        let seen = seen(ObjectKind::Secrets, body, Vec::new());
        let text = seen.body.to_string();
        assert!(
            !text.contains("aHVudGVyMg") && !text.contains("hunter2"),
            "{text}"
        );
        assert!(
            !text.contains("managedFields") && !text.contains("annotations"),
            "{text}"
        );
        let sizes: Vec<(&str, u64)> = seen
            .keys
            .iter()
            .map(|one| (one.key.as_str(), one.bytes))
            .collect();
        assert_eq!(
            sizes.iter().map(|(_, bytes)| bytes).sum::<u64>(),
            14,
            "{sizes:?}"
        );
        assert_eq!(seen.body["data"]["password"], "(7 bytes)");
        assert_eq!((seen.name.as_str(), seen.is_ours), ("door", false));
    }

    #[test]
    fn containers_say_why_they_wait() {
        let body = json!({
            "kind": "Pod", "metadata": { "name": "web" },
            "spec": { "initContainers": [{ "name": "first", "image": "a" }], "containers": [{ "name": "main", "image": "b" }] },
            "status": {
                "initContainerStatuses": [{ "name": "first", "image": "a", "imageID": "", "ready": true, "restartCount": 0,
                    "state": { "terminated": { "exitCode": 0, "reason": "Completed" } } }],
                "containerStatuses": [{ "name": "main", "image": "b", "imageID": "", "ready": false, "restartCount": 4,
                    "state": { "waiting": { "reason": "CrashLoopBackOff" } } }],
            },
        });
        let seen = seen(ObjectKind::Pods, body, Vec::new());
        let told: Vec<String> = seen
            .containers
            .iter()
            .map(|one| format!("{} {:?} {} {}", one.name, one.state, one.restarts, one.note))
            .collect();
        assert_eq!(
            told,
            [
                "first Succeeded 0 ran to its end",
                "main Failed 4 its program ends again and again",
            ]
        );
    }
}
