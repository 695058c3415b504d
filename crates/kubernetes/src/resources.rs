//! Which path of the API an object has.

use std::collections::BTreeMap;
use std::sync::Mutex;

use kube::api::DynamicObject;
use kube::core::{ApiResource, GroupVersionKind};
use kube::discovery::{Scope, pinned_kind};
use kube::{Api, Client};

/// What every cluster has and Pluvio writes or looks for: kind, plural, whether it belongs to a namespace.
const KNOWN: [(&str, &str, &str, bool); 21] = [
    ("v1", "Namespace", "namespaces", false),
    ("v1", "Service", "services", true),
    ("v1", "Secret", "secrets", true),
    ("v1", "ConfigMap", "configmaps", true),
    (
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        true,
    ),
    ("v1", "ServiceAccount", "serviceaccounts", true),
    ("v1", "ResourceQuota", "resourcequotas", true),
    ("v1", "LimitRange", "limitranges", true),
    ("apps/v1", "Deployment", "deployments", true),
    ("apps/v1", "StatefulSet", "statefulsets", true),
    ("apps/v1", "DaemonSet", "daemonsets", true),
    ("batch/v1", "Job", "jobs", true),
    ("batch/v1", "CronJob", "cronjobs", true),
    (
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        true,
    ),
    (
        "discovery.k8s.io/v1",
        "EndpointSlice",
        "endpointslices",
        true,
    ),
    (
        "networking.k8s.io/v1",
        "NetworkPolicy",
        "networkpolicies",
        true,
    ),
    ("networking.k8s.io/v1", "Ingress", "ingresses", true),
    (
        "policy/v1",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        true,
    ),
    ("apps/v1", "ReplicaSet", "replicasets", true),
    ("rbac.authorization.k8s.io/v1", "Role", "roles", true),
    (
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        "rolebindings",
        true,
    ),
];

/// Remembers what it had to ask the cluster for.
#[derive(Default)]
pub(crate) struct Resources {
    asked: Mutex<BTreeMap<(String, String), (ApiResource, bool)>>,
}

impl Resources {
    /// The API of objects of that kind. Asks the cluster once for a kind that is not built in.
    pub(crate) async fn api(
        &self,
        client: &Client,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
    ) -> Result<Api<DynamicObject>, kube::Error> {
        let (resource, namespaced) = self.resource(client, api_version, kind).await?;
        Ok(match namespace.filter(|_| namespaced) {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        })
    }

    async fn resource(
        &self,
        client: &Client,
        api_version: &str,
        kind: &str,
    ) -> Result<(ApiResource, bool), kube::Error> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let gvk = GroupVersionKind::gvk(group, version, kind);
        let known = KNOWN
            .iter()
            .find(|(of, name, ..)| (*of, *name) == (api_version, kind));
        if let Some((_, _, plural, namespaced)) = known {
            return Ok((ApiResource::from_gvk_with_plural(&gvk, plural), *namespaced));
        }
        let key = (api_version.to_owned(), kind.to_owned());
        if let Some(found) = self.asked.lock().expect("no holder panics").get(&key) {
            return Ok(found.clone());
        }
        let (resource, capabilities) = pinned_kind(client, &gvk).await?;
        let found = (resource, capabilities.scope == Scope::Namespaced);
        self.asked
            .lock()
            .expect("no holder panics")
            .insert(key, found.clone());
        Ok(found)
    }
}
