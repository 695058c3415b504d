//! What somebody else put into one of our namespaces, which stays for it.

use std::collections::BTreeSet;

use kube::ResourceExt;
use kube::api::DynamicObject;
use kube::core::PartialObjectMeta;
use pluvio_model::problem::Problem;

use super::{KINDS, Removal, is_managed, is_ours};
use crate::failure::of_object;
use crate::hands::HAND;
use crate::pull;

/// Kinds that Pluvio makes no application of.
const FURTHER: [(&str, &str); 9] = [
    ("networking.k8s.io/v1", "Ingress"),
    ("gateway.networking.k8s.io/v1", "Gateway"),
    ("policy/v1", "PodDisruptionBudget"),
    ("apps/v1", "ReplicaSet"),
    ("v1", "ResourceQuota"),
    ("v1", "LimitRange"),
    ("v1", "ServiceAccount"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
];
/// Those of them that Pluvio's own account may not list in an environment's namespace, or not one that was made before it needed to:
/// seen by whoever may more.
const SELDOM_SEEN: [&str; 5] = [
    "ResourceQuota",
    "LimitRange",
    "ServiceAccount",
    "Role",
    "RoleBinding",
];
/// What the cluster itself puts into each namespace, or a mesh into it; OpenShift does the most.
const MADE_BY_CLUSTER: [(&str, &str); 6] = [
    ("ConfigMap", "kube-root-ca.crt"),
    ("ConfigMap", "istio-ca-root-cert"),
    ("ConfigMap", "openshift-service-ca.crt"),
    ("ServiceAccount", "default"),
    ("ServiceAccount", "builder"),
    ("ServiceAccount", "deployer"),
];

impl Removal {
    /// Of the kinds that Pluvio can see. `is_named` says whether a kept stage, or Pluvio's settings, name the namespace: one that
    /// is known by its label alone may have been somebody else's for long, and what may not be looked at there counts as theirs.
    pub(super) async fn foreign(
        &self,
        namespace: &str,
        ids: &BTreeSet<String>,
        is_named: bool,
    ) -> Result<Vec<String>, Problem> {
        let mut foreign = Vec::new();
        for of_kind in KINDS {
            let all = self.list(of_kind, namespace, None).await?;
            foreign.extend(self.others(of_kind.1, namespace, ids, &all));
        }
        for of_kind in FURTHER {
            match self.listed(of_kind, namespace, None).await {
                Ok(all) => foreign.extend(self.others(of_kind.1, namespace, ids, &all)),
                Err(kube::Error::Api(status)) if status.code == 403 => {
                    if !is_named && !SELDOM_SEEN.contains(&of_kind.1) {
                        foreign.push(format!("{} that may not be listed", of_kind.1));
                    }
                }
                Err(error) => {
                    let what = format!("what is there of {}", of_kind.1);
                    return Err(of_object(&what, &error));
                }
            }
        }
        Ok(foreign)
    }

    fn others(
        &self,
        kind: &str,
        namespace: &str,
        ids: &BTreeSet<String>,
        all: &[PartialObjectMeta<DynamicObject>],
    ) -> Vec<String> {
        let is_foreign = |object: &&PartialObjectMeta<DynamicObject>| {
            let name = object.name_any();
            let is_clusters = MADE_BY_CLUSTER.contains(&(kind, &*name))
                || (kind == "RoleBinding" && name.starts_with("system:"));
            let is_home = namespace == self.home && is_managed(object.labels());
            let is_pull = kind == "Secret"
                && name == pull::SECRET
                && pull::is_of(object.labels(), &self.home);
            !is_clusters
                && !is_home
                && !is_pull
                && !is_ours(object.labels(), ids)
                && !object.labels().contains_key(HAND)
                && object.owner_references().is_empty()
                // Slices that nobody owns lead to what Services without a selector name.
                && kind != "EndpointSlice"
        };
        let foreign = all.iter().filter(is_foreign);
        foreign
            .map(|object| format!("{kind} {}", object.name_any()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::{Request, Response};
    use kube::Client;
    use kube::client::Body;
    use serde_json::{Value, json};

    use super::*;
    use crate::resources::Resources;

    /// What is foreign in a namespace that has this one object, or where objects of that kind may not be listed.
    async fn foreign(
        plural: &'static str,
        name: Option<&'static str>,
        is_named: bool,
    ) -> Vec<String> {
        let service = tower::service_fn(move |request: Request<Body>| async move {
            let failure = |code: u16, reason: &str| json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": reason, "reason": reason, "code": code });
            let is_asked = request.uri().path().ends_with(&format!("/{plural}"));
            let (code, answer): (u16, Value) = match name {
                Some(name) if is_asked => {
                    let item = json!({ "metadata": { "name": name, "namespace": "crew--old" } });
                    (
                        200,
                        json!({ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList", "metadata": {}, "items": [item] }),
                    )
                }
                None if is_asked => (403, failure(403, "Forbidden")),
                _ => (404, failure(404, "NotFound")),
            };
            let mut response = Response::new(Body::from(answer.to_string().into_bytes()));
            *response.status_mut() = code.try_into().expect("a status");
            Ok::<_, Infallible>(response)
        });
        let removal = Removal {
            client: Client::new(service, "default"),
            resources: Resources::default(),
            home: "pluvio-system".to_owned(),
        };
        let ids = BTreeSet::new();
        let found = removal.foreign("crew--old", &ids, is_named);
        found.await.expect("an answer")
    }

    #[tokio::test]
    async fn what_people_put_there_is_told_from_what_the_cluster_did() {
        for (plural, kind) in [
            ("ingresses", "Ingress"),
            ("poddisruptionbudgets", "PodDisruptionBudget"),
            ("networkpolicies", "NetworkPolicy"),
            ("configmaps", "ConfigMap"),
            ("resourcequotas", "ResourceQuota"),
            ("limitranges", "LimitRange"),
            ("serviceaccounts", "ServiceAccount"),
            ("roles", "Role"),
            ("rolebindings", "RoleBinding"),
        ] {
            let found = foreign(plural, Some("mine"), false).await;
            assert_eq!(found, [format!("{kind} mine")]);
        }
        for (plural, name) in [
            ("configmaps", "kube-root-ca.crt"),
            ("serviceaccounts", "default"),
            ("rolebindings", "system:image-pullers"),
        ] {
            let found = foreign(plural, Some(name), false).await;
            assert!(found.is_empty(), "{found:?}");
        }
    }

    #[tokio::test]
    async fn what_may_not_be_looked_at_keeps_a_namespace_that_only_its_label_names() {
        let found = foreign("ingresses", None, false).await;
        assert_eq!(found, ["Ingress that may not be listed"]);
        assert!(foreign("ingresses", None, true).await.is_empty());
        // The account never sees these, and would leave every empty namespace.
        assert!(foreign("roles", None, false).await.is_empty());
    }
}
