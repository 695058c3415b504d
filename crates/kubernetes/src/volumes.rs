//! Volumes: claims that Pluvio made, also those whose application is gone.
//!
//! A claim of a volume's own is called after the volume's id, so its name tells it from every other one on the cluster. What a
//! StatefulSet made for its pods is called alike in every environment: there the namespace is part of the handle.

use std::collections::BTreeSet;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use pluvio_model::id::ApplicationId;
use pluvio_model::name::Name;
use pluvio_model::problem;
use pluvio_model::spec::Kind;
use pluvio_model::stage::Wish;
use pluvio_plan::lower::kubernetes::key;
use pluvio_runtime::{
    CopyState, CopyVolume, ExecSession, HandRequest, KeptVolume, RuntimeError, Scope, Volumes,
};

use crate::KubernetesRuntime;
use crate::cache::application;
use crate::failure::{is_not_found, runtime_error};
use crate::hands;

#[async_trait]
impl Volumes for KubernetesRuntime {
    async fn volumes(&self, scope: Scope) -> Result<Vec<KeptVolume>, RuntimeError> {
        let wanted = self.wanted();
        let claims = self.shared().cache.claims.state();
        let kept = claims.iter().filter_map(|claim| {
            // What the cluster is removing is nobody's any more.
            if claim.metadata.deletion_timestamp.is_some() {
                return None;
            }
            let application = application(claim.as_ref())?;
            if let Scope::Application(only) = scope
                && only != application
            {
                return None;
            }
            Some(KeptVolume {
                application,
                name: name(claim)?,
                handle: handle(claim),
                wanted: wanted.holds(application, claim),
            })
        });
        let mut kept: Vec<KeptVolume> = kept.collect();
        kept.sort_by(|a, b| a.handle.cmp(&b.handle));
        Ok(kept)
    }

    async fn delete_volume(
        &self,
        application: ApplicationId,
        handle: &str,
    ) -> Result<(), RuntimeError> {
        let claim = self.claim(handle).await?;
        if crate::cache::application(&claim) != Some(application) {
            return Err(missing(handle));
        }
        if self.wanted().holds(application, &claim) {
            return Err(RuntimeError::Refused(problem::REFUSED.problem(
                format!("The volume {handle} is in use by its application."),
                "Take it out of the application's `volumes` first, or delete the application.",
            )));
        }
        self.let_go(&claim).await?;
        let pods = self.users(&claim).await?;
        if let Some(pod) = pods.iter().find(|pod| !hands::is_hand(pod)) {
            return Err(RuntimeError::Refused(problem::REFUSED.problem(
                format!("The pod {} still uses the volume {handle}.", pod.name_any()),
                "Wait until it has ended, or end it, then delete the volume again.",
            )));
        }
        self.remove_claim(&claim).await
    }

    async fn reach(&self, request: HandRequest) -> Result<ExecSession, RuntimeError> {
        let claim = self.claim(&request.handle).await?;
        self.hand(&claim, &request.verb).await
    }

    async fn copy_volume(&self, copy: &CopyVolume) -> Result<CopyState, RuntimeError> {
        let source = self.claim(&copy.source).await?;
        self.copy(&source, copy).await
    }

    async fn end_copy(&self, target: &str, keep: bool) -> Result<(), RuntimeError> {
        self.end_copier(target).await?;
        if keep {
            return Ok(());
        }
        match self.claim(target).await {
            Ok(claim) => {
                self.let_go(&claim).await?;
                self.remove_claim(&claim).await
            }
            Err(RuntimeError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// What stages name.
struct Wanted {
    volumes: BTreeSet<String>,
    /// Those whose instances have volumes of their own.
    components: BTreeSet<(ApplicationId, String)>,
}

impl Wanted {
    fn holds(&self, application: ApplicationId, claim: &PersistentVolumeClaim) -> bool {
        match claim.annotations().get(key::VOLUME_ID) {
            Some(id) => self.volumes.contains(id),
            None => claim.labels().get(key::COMPONENT).is_some_and(|component| {
                self.components.contains(&(application, component.clone()))
            }),
        }
    }
}

impl KubernetesRuntime {
    fn wanted(&self) -> Wanted {
        let mut wanted = Wanted {
            volumes: BTreeSet::new(),
            components: BTreeSet::new(),
        };
        for application in self.applications() {
            let view = application.view();
            let Wish::Run(wish) = &view.stage.wish else {
                continue;
            };
            let release = &wish.release;
            let volumes = release.volumes.values().map(|volume| volume.id.to_string());
            wanted.volumes.extend(volumes);
            let stateful = release.components.values();
            let stateful = stateful.filter(|component| component.kind == Kind::Stateful);
            let stateful = stateful.map(|component| (application.id, component.name.to_string()));
            wanted.components.extend(stateful);
        }
        wanted
    }

    /// Asked of the cluster: a claim that was made a moment ago is in no cache yet.
    pub(crate) async fn claim(&self, handle: &str) -> Result<PersistentVolumeClaim, RuntimeError> {
        let client = self.shared().client.clone();
        let (claims, name) = match handle.split_once('/') {
            Some((namespace, name)) => (Api::namespaced(client, namespace), name),
            None => (Api::all(client), handle),
        };
        let of_that_name = ListParams::default()
            .labels(key::APPLICATION)
            .fields(&format!("metadata.name={name}"));
        let found = claims.list(&of_that_name).await.map_err(runtime_error)?;
        let mut found = found.items.into_iter().filter(|claim| {
            self::handle(claim) == handle && claim.metadata.deletion_timestamp.is_none()
        });
        match (found.next(), found.next()) {
            (Some(claim), None) => Ok(claim),
            _ => Err(missing(handle)),
        }
    }

    /// Pods that mount a claim and have not ended.
    pub(crate) async fn users(
        &self,
        claim: &PersistentVolumeClaim,
    ) -> Result<Vec<Pod>, RuntimeError> {
        let namespace = claim.namespace().unwrap_or_default();
        let pods = Api::<Pod>::namespaced(self.shared().client.clone(), &namespace);
        let alive = ListParams::default().fields("status.phase!=Succeeded,status.phase!=Failed");
        let mut pods = pods.list(&alive).await.map_err(runtime_error)?.items;
        let name = claim.name_any();
        pods.retain(|pod| {
            let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_ref());
            volumes.into_iter().flatten().any(|volume| {
                let of = volume.persistent_volume_claim.as_ref();
                of.is_some_and(|of| of.claim_name == name)
            })
        });
        Ok(pods)
    }

    async fn remove_claim(&self, claim: &PersistentVolumeClaim) -> Result<(), RuntimeError> {
        let namespace = claim.namespace().unwrap_or_default();
        let claims =
            Api::<PersistentVolumeClaim>::namespaced(self.shared().client.clone(), &namespace);
        let deleted = claims
            .delete(&claim.name_any(), &DeleteParams::default())
            .await;
        match deleted {
            Err(error) if !is_not_found(&error) => Err(runtime_error(error)),
            _ => Ok(()),
        }
    }
}

pub(crate) fn missing(handle: &str) -> RuntimeError {
    RuntimeError::NotFound {
        what: format!("the volume {handle}"),
    }
}

/// What a volume is called outside of its application.
pub(crate) fn handle(claim: &PersistentVolumeClaim) -> String {
    let name = claim.name_any();
    match claim.annotations().contains_key(key::VOLUME_ID) {
        true => name,
        false => format!("{}/{name}", claim.namespace().unwrap_or_default()),
    }
}

/// What a volume is called in its application: `data`, or `data-shop-db-0` for an instance's own.
pub(crate) fn name(claim: &PersistentVolumeClaim) -> Option<Name> {
    let named = claim.annotations().get(key::VOLUME_NAME);
    match named {
        Some(name) => name.parse().ok(),
        None => Name::suggest(&claim.name_any()),
    }
}
