//! Bringing single objects to what they shall be, with as few requests as that takes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec};
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::Status;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Client, ResourceExt};
use pluvio_model::id::ApplicationId;
use pluvio_plan::lower::kubernetes::{Object, key};
use sha2::{Digest, Sha256};

use crate::MANAGER;
use crate::book::ObjectName;
use crate::cache::{Cache, Seen, seen};
use crate::deletion;
use crate::failure::{FOREIGN, LEAVING, is_invalid, is_not_found, is_unchangeable};
use crate::resources::Resources;

/// When an object was last written with another content, by the cluster's clock, and which generation that made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wrote {
    pub(crate) generation: i64,
    pub(crate) at: Option<Timestamp>,
}

/// What was written of an object last, and what the cluster made of it.
#[derive(Debug, Clone)]
struct Written {
    body: [u8; 32],
    uid: String,
    version: String,
    wrote: Wrote,
    /// Only what the cluster said about itself then is known: a Service's address.
    answer: Option<String>,
    /// What an autoscaler was told, which has no generation to tell of changes.
    scaling: Option<[u8; 32]>,
}

/// Remembers what it wrote, so that what is right already costs no request.
#[derive(Default)]
pub(crate) struct Writer {
    written: BTreeMap<ObjectName, Written>,
}

pub(crate) fn name_of(object: &Object) -> ObjectName {
    ObjectName {
        api_version: object.api_version.clone(),
        kind: object.kind.clone(),
        namespace: object.namespace.clone(),
        name: object.name.clone(),
    }
}

impl Writer {
    /// Writes the object unless the cluster still has what was written last. `anew`: in any case.
    pub(crate) async fn bring(
        &mut self,
        client: &Client,
        resources: &Resources,
        cache: &Cache,
        object: &Object,
        anew: bool,
    ) -> Result<(), kube::Error> {
        let name = name_of(object);
        let body: [u8; 32] = Sha256::digest(object.body.to_string().as_bytes()).into();
        if let Some(written) = self.written.get(&name)
            && written.body == body
            && !anew
            && !has_drifted(cache, &name, written)
        {
            return Ok(());
        }
        let api = resources
            .api(
                client,
                &name.api_version,
                &name.kind,
                name.namespace.as_deref(),
            )
            .await?;
        // Also what was written before: somebody may have deleted it and made another.
        let known = self.written.get(&name).map(|written| written.uid.as_str());
        refuse_anothers(&api, cache, &name, object, known).await?;
        let params = PatchParams::apply(MANAGER).force();
        let applied = match api
            .patch(&name.name, &params, &Patch::Apply(&object.body))
            .await
        {
            Err(error) if is_unchangeable(&error) && can_be_replaced(&name.kind) => {
                // A field that cannot be changed: the object is made anew, and takes its pods over.
                tracing::info!(object = %name, "it is replaced: a field of it cannot be changed");
                let ours = application_of(&object.body);
                let orphan = DeleteParams::orphan();
                deletion::of_application(&api, &name.name, ours.as_ref(), orphan).await?;
                api.patch(&name.name, &params, &Patch::Apply(&object.body))
                    .await?
            }
            // A port of ours that somebody gave another number is one of theirs, whose name ours cannot have beside it.
            Err(error) if is_invalid(&error) && name.kind == "Service" => {
                let ports =
                    serde_json::json!({ "spec": { "ports": object.body["spec"]["ports"] } });
                let whole = PatchParams {
                    field_manager: Some(MANAGER.to_owned()),
                    ..PatchParams::default()
                };
                let ports = Patch::Merge(&ports);
                let replaced = api.patch(&name.name, &whole, &ports);
                replaced.await.map_err(|_| error)?;
                api.patch(&name.name, &params, &Patch::Apply(&object.body))
                    .await?
            }
            other => other?,
        };
        let is_autoscaler = name.kind == "HorizontalPodAutoscaler";
        self.written.insert(
            name,
            Written {
                body,
                uid: applied.uid().unwrap_or_default(),
                version: applied.resource_version().unwrap_or_default(),
                wrote: Wrote {
                    generation: applied.metadata.generation.unwrap_or_default(),
                    at: written_at(&applied),
                },
                answer: service_address(&applied),
                scaling: serde_json::from_value(applied.data["spec"].clone())
                    .ok()
                    .filter(|_| is_autoscaler)
                    .map(|spec| scaling(&spec)),
            },
        );
        Ok(())
    }

    /// Deletes what the application has by that name. True when nothing is left of it. What was noted before it was written may turn
    /// out to be somebody else's, which stays.
    pub(crate) async fn remove(
        &mut self,
        client: &Client,
        resources: &Resources,
        name: &ObjectName,
        application: ApplicationId,
    ) -> Result<bool, kube::Error> {
        self.written.remove(name);
        let api = match resources
            .api(
                client,
                &name.api_version,
                &name.kind,
                name.namespace.as_deref(),
            )
            .await
        {
            Ok(api) => api,
            // Its kind is not known to the cluster any more: nor are its objects.
            Err(error) if is_not_found(&error) => return Ok(true),
            Err(error) => return Err(error),
        };
        let (ours, params) = (application.to_string(), DeleteParams::background());
        deletion::of_application(&api, &name.name, Some(&ours), params).await
    }

    pub(crate) fn wrote(&self, name: &ObjectName) -> Option<Wrote> {
        self.written.get(name).map(|written| written.wrote)
    }

    /// The address of a Service that was written.
    pub(crate) fn address(&self, name: &ObjectName) -> Option<&str> {
        self.written.get(name)?.answer.as_deref()
    }

    pub(crate) fn forget(&mut self) {
        self.written.clear();
    }
}

/// Before an object is written: one of that name may be there already, of an application that another Pluvio runs on this cluster, or
/// of nobody that is known here. It is not taken from them. `known`: the id of what was written by that name before.
async fn refuse_anothers(
    api: &Api<DynamicObject>,
    cache: &Cache,
    name: &ObjectName,
    object: &Object,
    known: Option<&str>,
) -> Result<(), kube::Error> {
    // A namespace is the environment's, whose applications share it. A claim is named after its volume's id, and may change
    // applications with it.
    if matches!(name.kind.as_str(), "Namespace" | "PersistentVolumeClaim") {
        return Ok(());
    }
    let Some(ours) = application_of(&object.body) else {
        return Ok(());
    };
    // After a start all of it is there and known to be ours.
    if cache
        .owner(name)
        .is_some_and(|owner| owner.to_string() == ours)
    {
        return Ok(());
    }
    let Some(there) = api.get_metadata_opt(&name.name).await? else {
        return Ok(());
    };
    let owner = there.labels().get(key::APPLICATION);
    // One that was written here is ours without its label too, which somebody took away.
    if owner == Some(&ours) || owner.is_none() && there.uid().as_deref() == known {
        return Ok(());
    }
    let message = format!(
        "{name} is there already and is not this application's{}",
        owner.map_or_else(String::new, |owner| format!(
            ": it belongs to the application {owner}"
        ))
    );
    let reason = match there.metadata.deletion_timestamp {
        Some(_) => LEAVING,
        None => "Foreign",
    };
    let status = Status::failure(&message, reason).with_code(FOREIGN);
    Err(kube::Error::Api(status.boxed()))
}

/// Whose an object is that is written.
fn application_of(body: &serde_json::Value) -> Option<String> {
    let labels = body.pointer("/metadata/labels")?;
    labels.get(key::APPLICATION)?.as_str().map(str::to_owned)
}

/// Pods outlive these without harm while another of the same name is made.
fn can_be_replaced(kind: &str) -> bool {
    matches!(kind, "StatefulSet" | "Deployment" | "DaemonSet" | "CronJob")
}

fn written_at(object: &DynamicObject) -> Option<Timestamp> {
    let fields = object.metadata.managed_fields.as_ref()?;
    let ours = fields
        .iter()
        .filter(|entry| entry.manager.as_deref() == Some(MANAGER));
    ours.filter_map(|entry| Some(entry.time.as_ref()?.0)).max()
}

fn service_address(object: &DynamicObject) -> Option<String> {
    let address = object.data.pointer("/spec/clusterIP")?.as_str()?;
    (address != "None" && !address.is_empty()).then(|| address.to_owned())
}

fn scaling(spec: &HorizontalPodAutoscalerSpec) -> [u8; 32] {
    Sha256::digest(serde_json::to_vec(spec).unwrap_or_default()).into()
}

/// Whether somebody else has changed it since. What a cache does not show yet has not: it lags behind, it does not lead.
fn has_drifted(cache: &Cache, name: &ObjectName, written: &Written) -> bool {
    let (text, namespace) = (name.name.as_str(), name.namespace.as_deref());
    // Another of the same name counts from one again.
    let is_another = |seen: &Seen| seen.uid != written.uid;
    let by_generation = |seen: Option<Seen>| {
        seen.is_none_or(|seen| is_another(&seen) || seen.generation > written.wrote.generation)
    };
    // Versions are compared as numbers only to tell a cache that lags from a change that came after.
    let by_version = |seen: Option<Seen>| {
        seen.is_none_or(|seen| {
            seen.version.parse::<u64>().ok() > written.version.parse::<u64>().ok()
        })
    };
    // An application may have objects of its own, of other groups' kinds and of older versions.
    match name.cached_kind() {
        "Deployment" => by_generation(seen(&cache.deployments, text, namespace)),
        "StatefulSet" => by_generation(seen(&cache.stateful_sets, text, namespace)),
        "DaemonSet" => by_generation(seen(&cache.daemon_sets, text, namespace)),
        "CronJob" => by_generation(seen(&cache.cron_jobs, text, namespace)),
        // A claim's and a Job's content is settled once.
        "PersistentVolumeClaim" => seen(&cache.claims, text, namespace).is_none(),
        "Job" => seen(&cache.jobs, text, namespace).is_none(),
        "HorizontalPodAutoscaler" => {
            let mut reference = ObjectRef::<HorizontalPodAutoscaler>::new(text);
            reference.namespace = namespace.map(str::to_owned);
            let there = cache.autoscalers.get(&reference);
            there.is_none_or(|there| there.spec.as_ref().map(scaling) != written.scaling)
        }
        "Service" => by_version(seen(&cache.services, text, namespace)),
        "Secret" => by_version(seen(&cache.secrets, text, namespace)),
        "ConfigMap" => by_version(seen(&cache.config_maps, text, namespace)),
        "NetworkPolicy" => by_version(seen(&cache.policies, text, namespace)),
        "EndpointSlice" => by_version(seen(&cache.slices, text, namespace)),
        _ => false,
    }
}
