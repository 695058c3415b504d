//! The gateway's objects in the cluster: made, brought up to date, and taken away.

use std::collections::BTreeMap;

use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use pluvio_model::problem::Problem;
use serde_json::{Value, json};

use super::image::USER;
use crate::failure::{is_not_found, of_object};
use crate::remove::is_managed;
use crate::resources::Resources;
use crate::{MANAGER, deletion};

/// What the gateway is called in its namespace.
pub(super) const NAME: &str = "pluvio-gateway";
/// Ports of its pods, which need no rights.
const HTTP: u16 = 8080;
const HEALTH: u16 = 8081;
/// Until whoever sends requests has learnt that a pod leaves.
const PRE_STOP: u64 = 5;
/// Until health checks outside the cluster have seen it too.
const PAUSE: u64 = 5;
/// How long requests under way may take then.
const DRAIN: u64 = 60;

/// How requests reach the gateway from outside the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exposure {
    /// By an address that the cluster's provider gives.
    LoadBalancer {
        port: u16,
        /// Most providers are told by annotations what kind it shall be.
        annotations: BTreeMap<String, String>,
    },
    /// At every node, at a port of the cluster's choice if none is named.
    NodePort { port: u16, node_port: Option<u16> },
    /// At the nodes that it runs on; a pod with a port of its node is not `baseline`, so the namespace must allow it.
    HostPort { port: u16 },
}

/// What is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// Pluvio's own, where routes are kept.
    pub namespace: String,
    /// What the pods run: [`archive`](super::archive) makes it, whoever calls publishes it.
    pub image: String,
    /// A Secret in the namespace with which the image is pulled.
    pub pull_secret: Option<String>,
    pub exposure: Exposure,
    /// Two let one of them go at any time.
    pub replicas: u32,
}

impl Installation {
    pub const REPLICAS: u32 = 2;
}

/// Makes the gateway's objects, or brings them to what is asked for. Its pods come by themselves; a change replaces them one
/// after the other.
///
/// # Errors
/// The cluster refuses one of the objects, or does not answer. Doing it again goes on.
pub async fn install(client: &Client, wanted: &Installation) -> Result<(), Problem> {
    let resources = Resources::default();
    let params = PatchParams::apply(MANAGER).force();
    for object in objects(wanted) {
        let (api_version, kind, name) = names(&object);
        let apply = async {
            let api = resources
                .api(client, api_version, kind, namespace(&object))
                .await?;
            api.patch(name, &params, &Patch::Apply(&object)).await
        };
        apply
            .await
            .map_err(|error| of_object(&format!("{kind} {name}"), &error))?;
    }
    Ok(())
}

/// Takes away all that [`install`] makes. The namespace stays: it holds what is not the gateway's.
///
/// # Errors
/// The cluster refuses, or does not answer. Doing it again goes on.
pub async fn remove(client: &Client, namespace_of_ours: &str) -> Result<(), Problem> {
    let resources = Resources::default();
    // Which choices were made does not matter: the names are the same.
    let any = Installation {
        namespace: namespace_of_ours.to_owned(),
        image: String::new(),
        pull_secret: None,
        exposure: Exposure::HostPort { port: 80 },
        replicas: 0,
    };
    // Nobody asks it any more before it goes, and it may read until it has gone.
    for object in objects(&any).iter().rev() {
        let (api_version, kind, name) = names(object);
        if kind == "Namespace" {
            continue;
        }
        let delete = async {
            let api = resources
                .api(client, api_version, kind, namespace(object))
                .await?;
            // What somebody else calls so stays.
            let there = api.get_metadata_opt(name).await?;
            match there.filter(|there| is_managed(there.labels())) {
                Some(there) => deletion::seen(&api, &there, DeleteParams::background()).await,
                None => Ok(true),
            }
        };
        match delete.await {
            Ok(_) => {}
            Err(error) if is_not_found(&error) => {}
            Err(error) => return Err(of_object(&format!("{kind} {name}"), &error)),
        }
    }
    Ok(())
}

fn names(object: &Value) -> (&str, &str, &str) {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    (
        text("/apiVersion").unwrap_or_default(),
        text("/kind").unwrap_or_default(),
        text("/metadata/name").unwrap_or_default(),
    )
}

fn namespace(object: &Value) -> Option<&str> {
    object.pointer("/metadata/namespace")?.as_str()
}

fn labels() -> Value {
    json!({
        "app.kubernetes.io/name": NAME,
        "app.kubernetes.io/part-of": "pluvio",
        "app.kubernetes.io/managed-by": MANAGER,
    })
}

fn metadata(name: &str, namespace: Option<&str>) -> Value {
    let mut metadata = json!({ "name": name, "labels": labels() });
    if let Some(namespace) = namespace {
        metadata["namespace"] = json!(namespace);
    }
    metadata
}

/// In the order in which they are made.
fn objects(wanted: &Installation) -> Vec<Value> {
    let home = wanted.namespace.as_str();
    // Two installations may share a cluster, and what belongs to no namespace.
    let wide = format!("{home}-gateway");
    let here = || metadata(NAME, Some(home));
    let subjects = json!([{ "kind": "ServiceAccount", "name": NAME, "namespace": home }]);
    let rbac = "rbac.authorization.k8s.io/v1";
    let role_of = |kind: &str, name: &str| {
        json!({
            "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name,
        })
    };
    let reads = json!(["get", "list", "watch"]);
    vec![
        json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": home, "labels": { "app.kubernetes.io/managed-by": MANAGER } },
        }),
        json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": here(),
            // Its pods ask for it by name.
            "automountServiceAccountToken": false,
        }),
        json!({
            "apiVersion": rbac, "kind": "Role", "metadata": here(),
            "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "verbs": reads }],
        }),
        json!({
            "apiVersion": rbac, "kind": "RoleBinding", "metadata": here(),
            "roleRef": role_of("Role", NAME), "subjects": subjects,
        }),
        json!({
            "apiVersion": rbac, "kind": "ClusterRole", "metadata": metadata(&wide, None),
            "rules": [{
                "apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": reads,
            }],
        }),
        json!({
            "apiVersion": rbac, "kind": "ClusterRoleBinding", "metadata": metadata(&wide, None),
            "roleRef": role_of("ClusterRole", &wide), "subjects": subjects,
        }),
        json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": here(),
            "spec": {
                "maxUnavailable": 1,
                "selector": { "matchLabels": { "app.kubernetes.io/name": NAME } },
                // One that does not work anyway is no reason to keep a node.
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
            },
        }),
        deployment(wanted),
        service(wanted),
    ]
}

fn service(wanted: &Installation) -> Value {
    let mut http = json!({
        "name": "http", "port": 80, "targetPort": "http", "protocol": "TCP", "appProtocol": "http",
    });
    let mut spec = json!({ "type": "ClusterIP" });
    let mut metadata = metadata(NAME, Some(&wanted.namespace));
    match &wanted.exposure {
        Exposure::LoadBalancer { port, annotations } => {
            spec["type"] = json!("LoadBalancer");
            http["port"] = json!(port);
            if !annotations.is_empty() {
                metadata["annotations"] = json!(annotations);
            }
        }
        Exposure::NodePort { port, node_port } => {
            spec["type"] = json!("NodePort");
            http["port"] = json!(port);
            if let Some(node_port) = node_port {
                http["nodePort"] = json!(node_port);
            }
        }
        Exposure::HostPort { port } => http["port"] = json!(port),
    }
    spec["selector"] = json!({ "app.kubernetes.io/name": NAME });
    spec["ports"] = json!([http]);
    json!({ "apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec })
}

fn deployment(wanted: &Installation) -> Value {
    let mut http = json!({ "name": "http", "containerPort": HTTP, "protocol": "TCP" });
    // A further pod first, where ports of the node do not forbid that there are two on one.
    let (mut surge, mut unavailable) = (1, 0);
    if let Exposure::HostPort { port } = wanted.exposure {
        http["hostPort"] = json!(port);
        (surge, unavailable) = (0, 1);
    }
    let namespace = &wanted.namespace;
    let container = json!({
        "name": "gateway",
        "image": wanted.image,
        "args": [
            "gateway",
            "--namespace", namespace,
            "--listen", format!("0.0.0.0:{HTTP}"),
            "--health", format!("0.0.0.0:{HEALTH}"),
            "--pause", format!("{PAUSE}s"),
            "--drain", format!("{DRAIN}s"),
        ],
        "ports": [http, { "name": "health", "containerPort": HEALTH, "protocol": "TCP" }],
        "readinessProbe": {
            "httpGet": { "path": "/ready", "port": "health" },
            "periodSeconds": 2, "timeoutSeconds": 2, "failureThreshold": 1,
        },
        "livenessProbe": {
            "httpGet": { "path": "/live", "port": "health" },
            "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6,
        },
        "lifecycle": { "preStop": { "sleep": { "seconds": PRE_STOP } } },
        // Without a limit on CPU: a gateway that is slowed down slows down everything.
        "resources": {
            "requests": { "cpu": "50m", "memory": "48Mi" },
            "limits": { "memory": "512Mi" },
        },
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        },
    });
    let selector = json!({ "matchLabels": { "app.kubernetes.io/name": NAME } });
    let mut pod = json!({
        "serviceAccountName": NAME,
        "automountServiceAccountToken": true,
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": PRE_STOP + PAUSE + DRAIN + 5,
        "securityContext": {
            "runAsNonRoot": true, "runAsUser": USER, "runAsGroup": USER,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "topologySpreadConstraints": [{
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            // A cluster of one node has it too.
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": selector,
        }],
        "containers": [container],
    });
    if let Some(secret) = &wanted.pull_secret {
        pod["imagePullSecrets"] = json!([{ "name": secret }]);
    }
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(NAME, Some(namespace)),
        "spec": {
            "replicas": wanted.replicas,
            "selector": selector,
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": { "maxSurge": surge, "maxUnavailable": unavailable },
            },
            "template": { "metadata": { "labels": labels() }, "spec": pod },
        },
    })
}
