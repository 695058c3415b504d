//! The class of a volume: it stays what it was once there is data, and may be corrected until then.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Api;
use kube::ResourceExt;
use kube::api::{DeleteParams, Preconditions};
use kube::runtime::reflector::ObjectRef;
use pluvio_model::problem;
use pluvio_plan::lower::kubernetes::Object;
use serde_json::{Value, json};

use super::Worker;
use crate::failure::{is_conflict, is_not_found};
use crate::obstacle;

impl Worker {
    /// A claim keeps the class it was made with, whatever the choice of classes is by now: the cluster would refuse another. One
    /// that has waited for its volume in vain has none, and is made anew.
    pub(super) async fn keep_class(&self, object: &mut Object) -> Result<(), kube::Error> {
        match object.kind.as_str() {
            "PersistentVolumeClaim" => {
                let mut reference = ObjectRef::<PersistentVolumeClaim>::new(&object.name);
                reference.namespace.clone_from(&object.namespace);
                let Some(claim) = self.shared.cache.claims.get(&reference) else {
                    return Ok(());
                };
                let wanted = object.body.pointer("/spec/storageClassName").cloned();
                if self.is_wrong(&claim, wanted.as_ref()) {
                    return self.let_go(&claim).await;
                }
                if let Some(class) = class(&claim) {
                    object.body["spec"]["storageClassName"] = json!(class);
                }
                Ok(())
            }
            // Its controller makes the claims, and makes them anew for pods that wait.
            "StatefulSet" => {
                let templates = object.body.pointer("/spec/volumeClaimTemplates");
                for template in templates.and_then(Value::as_array).into_iter().flatten() {
                    let name = template.pointer("/metadata/name").and_then(Value::as_str);
                    let prefix = format!("{}-{}-", name.unwrap_or_default(), object.name);
                    let wanted = template.pointer("/spec/storageClassName");
                    let ours = self.shared.cache.claims.state_filter(|claim| {
                        let named = claim.name_any();
                        let ordinal = named.strip_prefix(&prefix);
                        claim.metadata.namespace == object.namespace
                            && ordinal.is_some_and(|rest| rest.parse::<u32>().is_ok())
                    });
                    for claim in ours.iter().filter(|claim| self.is_wrong(claim, wanted)) {
                        self.let_go(claim).await?;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Another class is wanted than the one that made no volume. The default class is not named, and is never missing.
    fn is_wrong(&self, claim: &PersistentVolumeClaim, wanted: Option<&Value>) -> bool {
        let (Some(class), None) = (class(claim), claim.metadata.deletion_timestamp.as_ref()) else {
            return false;
        };
        let Some(problem) = obstacle::of_pending(&self.shared.cache, claim) else {
            return false;
        };
        match wanted.and_then(Value::as_str) {
            Some(wanted) => wanted != class,
            None => problem.is(problem::SPEC_UNKNOWN_REFERENCE),
        }
    }

    /// Only what was looked at: one that has got its volume since is another version.
    async fn let_go(&self, claim: &PersistentVolumeClaim) -> Result<(), kube::Error> {
        let name = claim.name_any();
        let space = claim.namespace().unwrap_or_default();
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: claim.uid(),
                resource_version: claim.resource_version(),
            }),
            ..DeleteParams::default()
        };
        let claims = Api::<PersistentVolumeClaim>::namespaced(self.client().clone(), &space);
        match claims.delete(&name, &params).await {
            Ok(_) => Ok(()),
            Err(error) if is_not_found(&error) || is_conflict(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn class(claim: &PersistentVolumeClaim) -> Option<&str> {
    claim.spec.as_ref()?.storage_class_name.as_deref()
}
