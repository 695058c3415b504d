//! Claims as volumes: data that outlives the applications it was made for.

use async_trait::async_trait;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Api;
use kube::api::DeleteParams;
use pluvio_model::id::ApplicationId;
use pluvio_model::problem;
use pluvio_model::stage::Wish;
use pluvio_runtime::{KeptVolume, RuntimeError, Scope, Volumes};

use crate::KubernetesRuntime;
use crate::cache::application;
use crate::failure::{is_not_found, runtime_error};
use crate::observe;

#[async_trait]
impl Volumes for KubernetesRuntime {
    async fn volumes(&self, scope: Scope) -> Result<Vec<KeptVolume>, RuntimeError> {
        let mut all = Vec::new();
        for claim in self.shared().cache.claims.state() {
            let Some(of) = application(claim.as_ref()) else {
                continue;
            };
            if matches!(scope, Scope::Application(one) if one != of) {
                continue;
            }
            let Some((name, handle)) = observe::volume(&claim) else {
                continue;
            };
            let wanted = self
                .application(of)
                .is_some_and(|one| match &one.view().stage.wish {
                    Wish::Run(wish) => {
                        wish.release.volumes.contains_key(&name)
                            || !claim.metadata.annotations.iter().flatten().any(|(key, _)| {
                                key == pluvio_plan::lower::kubernetes::key::VOLUME_NAME
                            })
                    }
                    Wish::Gone => false,
                });
            all.push(KeptVolume {
                application: of,
                name,
                handle,
                wanted,
            });
        }
        all.sort_by(|a, b| (a.application, &a.handle).cmp(&(b.application, &b.handle)));
        Ok(all)
    }

    async fn delete_volume(&self, of: ApplicationId, handle: &str) -> Result<(), RuntimeError> {
        let claims = self.shared().cache.claims.state();
        let found = claims.iter().find(|claim| {
            application(claim.as_ref()) == Some(of)
                && claim.metadata.name.as_deref() == Some(handle)
        });
        let namespace = found.and_then(|claim| claim.metadata.namespace.clone());
        let Some(namespace) = namespace else {
            return Err(RuntimeError::NotFound {
                what: format!("the volume {handle}"),
            });
        };
        let users = self
            .shared()
            .cache
            .held(|id| id == of)
            .remove(&of)
            .unwrap_or_default();
        if users
            .pods
            .iter()
            .any(|pod| pod.metadata.deletion_timestamp.is_none())
            && self
                .volumes(Scope::Application(of))
                .await?
                .iter()
                .any(|one| one.handle == handle && one.wanted)
        {
            return Err(RuntimeError::Refused(problem::REFUSED.problem(
                format!("The volume {handle} is used by instances that run."),
                "Stop the application or take the volume out of it first.",
            )));
        }
        let api: Api<PersistentVolumeClaim> =
            Api::namespaced(self.shared().client.clone(), &namespace);
        match api.delete(handle, &DeleteParams::default()).await {
            Ok(_) => Ok(()),
            Err(error) if is_not_found(&error) => Ok(()),
            Err(error) => Err(runtime_error(error)),
        }
    }
}
