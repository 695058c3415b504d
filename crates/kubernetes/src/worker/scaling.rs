//! Handing the number of replicas to an autoscaler, and taking it back.
//!
//! A field that its only manager leaves out of what it applies goes back to its default, one replica. So the number is written
//! by a second manager before the first leaves it out; an autoscaler that changes it takes it from that one
//! (kubernetes.io/docs/reference/using-api/server-side-apply, "Transferring ownership"). Taken back, it is simply applied again.

use jiff::Timestamp;
use kube::Client;
use kube::ResourceExt;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::runtime::reflector::ObjectRef;
use pluvio_model::spec::ScaleSpec;
use pluvio_model::stage::RunWish;
use pluvio_plan::lower::kubernetes::{Object, component_object};
use serde_json::{Value, json};

use super::Worker;
use crate::MANAGER;
use crate::apply::name_of;
use crate::book::ObjectName;
use crate::failure::is_not_found;

/// Holds the number until the autoscaler has changed it once.
const SECOND: &str = "pluvio-scale";

/// The kind of what scales, and whose replicas it has.
pub(crate) const AUTOSCALER: &str = "HorizontalPodAutoscaler";

impl Worker {
    /// Before a workload is written whose replicas are an autoscaler's: puts in what must still be said, or hands it over.
    /// True when that is not done with this turn.
    pub(super) async fn hand_replicas(
        &mut self,
        wish: &RunWish,
        object: &mut Object,
    ) -> Result<bool, kube::Error> {
        let Some(scale) = scaled_workload(wish, object) else {
            self.handed.remove(&name_of(object));
            return Ok(false);
        };
        let name = name_of(object);
        if !self.is_there(&name) {
            self.handed.remove(&name);
        }
        if self.handed.contains(&name) {
            return Ok(false);
        }
        let client = self.shared.client.clone();
        let namespace = name.namespace.as_deref();
        let resources = &self.shared.resources;
        let workloads = resources
            .api(&client, &name.api_version, &name.kind, namespace)
            .await?;
        let Some(there) = workloads.get_opt(&name.name).await? else {
            object.body["spec"]["replicas"] = json!(scale.min);
            return Ok(true);
        };
        let replicas = there.data.pointer("/spec/replicas").and_then(Value::as_u64);
        if !holds_replicas(&there) {
            self.handed.insert(name);
            return Ok(false);
        }
        if !has_autoscaler(&self.shared.resources, &client, &name).await? {
            let most = u64::from(scale.max.unwrap_or(scale.min));
            let kept = replicas.unwrap_or(1).clamp(scale.min.into(), most);
            object.body["spec"]["replicas"] = json!(kept);
            return Ok(true);
        }
        let body = json!({
            "apiVersion": name.api_version,
            "kind": name.kind,
            "metadata": {
                "name": name.name,
                "namespace": name.namespace,
                // Whoever has changed it since makes this a conflict, and it is looked at again.
                "resourceVersion": there.resource_version(),
            },
            "spec": { "replicas": replicas },
        });
        let params = PatchParams::apply(SECOND).force();
        workloads
            .patch(&name.name, &params, &Patch::Apply(&body))
            .await?;
        self.handed.insert(name);
        Ok(false)
    }

    fn is_there(&self, name: &ObjectName) -> bool {
        let cache = &self.shared.cache;
        let namespace = name.namespace.as_deref().unwrap_or_default();
        match name.kind.as_str() {
            "StatefulSet" => {
                let reference = ObjectRef::new(&name.name).within(namespace);
                cache.stateful_sets.get(&reference).is_some()
            }
            _ => {
                let reference = ObjectRef::new(&name.name).within(namespace);
                cache.deployments.get(&reference).is_some()
            }
        }
    }
}

/// The wish as of now, and in how long it is another.
pub(super) fn by_the_clock(wish: &RunWish) -> Option<(RunWish, Option<std::time::Duration>)> {
    let now = Timestamp::now();
    let (wish, next) = pluvio_plan::scale::at(wish, now)?;
    let left = next.map(|next| next.duration_since(now).try_into().unwrap_or_default());
    Some((wish, left))
}

/// The bounds of what an object is the workload of, if an autoscaler has its replicas.
fn scaled_workload<'w>(wish: &'w RunWish, object: &Object) -> Option<&'w ScaleSpec> {
    let may = matches!(object.kind.as_str(), "Deployment" | "StatefulSet");
    let says = object.body.pointer("/spec/replicas").is_some();
    if !may || says {
        return None;
    }
    let mut all = wish.release.components.values();
    let component = all.find(|one| component_object(&wish.release, &one.name) == object.name)?;
    component.scale.as_ref()
}

/// Whether we are among those who hold the number.
fn holds_replicas(object: &DynamicObject) -> bool {
    object.managed_fields().iter().any(|entry| {
        let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
        entry.manager.as_deref() == Some(MANAGER)
            && fields.is_some_and(|fields| fields.pointer("/f:spec/f:replicas").is_some())
    })
}

async fn has_autoscaler(
    resources: &crate::resources::Resources,
    client: &Client,
    workload: &ObjectName,
) -> Result<bool, kube::Error> {
    let namespace = workload.namespace.as_deref();
    let api = resources
        .api(client, "autoscaling/v2", AUTOSCALER, namespace)
        .await?;
    match api.get_metadata_opt(&workload.name).await {
        Ok(there) => Ok(there.is_some()),
        Err(error) if is_not_found(&error) => Ok(false),
        Err(error) => Err(error),
    }
}
