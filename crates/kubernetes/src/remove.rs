//! Leaving a cluster: everything that Pluvio made there goes, but data volumes, and nothing else.
//!
//! What is Pluvio's is told by the kept stages: the namespaces that they name, beside those that are marked as this Pluvio's, in those
//! the objects that carry one of their applications' ids and what images are pulled with, and what their inventories list. The stages
//! go last, with Pluvio's own namespace, so that whoever is killed in the middle finds them again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim, Pod};
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::{Api, Client, ResourceExt};
use pluvio_model::problem::{self, Problem};
use pluvio_plan::lower::kubernetes::key;
use pluvio_runtime::LeftVolume;
use serde_json::json;

use crate::book::{Book, Shelf};
use crate::connect::Connection;
use crate::failure::{is_conflict, is_expired, is_not_found, of_object};
use crate::hands::HAND;
use crate::resources::Resources;
use crate::{MANAGER, deletion, pull};

mod abandoned;
mod foreign;

pub(crate) use abandoned::{LEAVING, STAYS};

/// What applications are made of, in the order in which it goes: first who makes others.
const KINDS: [(&str, &str); 13] = [
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("batch/v1", "CronJob"),
    ("batch/v1", "Job"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
];
/// Label of an environment's namespace: the namespace of the Pluvio that made it.
pub(crate) const HOME: &str = "pluvio.io/home";
/// Label of a claim that stays, by Pluvio's namespace: who asks again after that has gone still learns of it.
const LEFT_BY: &str = "pluvio.io/left-by";
/// How long pods may take to end, and namespaces to go after that.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(500);

/// Removes all that Pluvio made on the cluster but data volumes, which it answers. A namespace that holds some stays, with nothing
/// else of Pluvio's in it; so does one that holds what somebody else put there. Asked again it goes on. Nobody may run
/// applications there meanwhile: end the runtime first.
///
/// # Errors
/// The cluster does not answer or refuses, or what was asked to go has not gone within two minutes. What could be removed is removed.
pub async fn remove(connection: &Connection, home: &str) -> Result<Vec<LeftVolume>, Problem> {
    let removal = Removal {
        client: connection.client.clone(),
        resources: Resources::default(),
        home: home.to_owned(),
    };
    let books = Shelf::new(&removal.client, home).all().await;
    let books = books.map_err(|error| of_object("the kept stages", &error))?;
    let ids: BTreeSet<String> = books
        .iter()
        .map(|book| book.stage.application.to_string())
        .collect();
    let namespaces = removal.namespaces(&books, &ids).await?;
    for namespace in &namespaces {
        removal.empty(namespace, &ids).await?;
    }
    removal.what_notes_name(&books).await?;
    removal.wait_for_pods(&namespaces, &ids).await?;
    let left = removal.volumes(&namespaces, &ids).await?;
    let mut going = Vec::new();
    for namespace in &namespaces {
        let holds_data = left.iter().any(|volume| volume.namespace == *namespace);
        let is_named = books.iter().any(|book| book.notes.namespace == *namespace);
        if !holds_data && removal.foreign(namespace, &ids, is_named).await?.is_empty() {
            removal.end_namespace(namespace).await?;
            going.push(namespace.clone());
        }
    }
    removal.wait_until_gone(&going).await?;
    removal.go_home().await?;
    Ok(left)
}

struct Removal {
    client: Client,
    resources: Resources,
    home: String,
}

impl Removal {
    /// Those that Pluvio made for environments.
    async fn namespaces(
        &self,
        books: &[Book],
        ids: &BTreeSet<String>,
    ) -> Result<BTreeSet<String>, Problem> {
        let named: BTreeSet<&str> = books
            .iter()
            .map(|book| book.notes.namespace.as_str())
            .collect();
        let ours = ListParams::default().labels(&managed());
        let all = Api::<Namespace>::all(self.client.clone());
        let all = all.list(&ours).await;
        let all = all.map_err(|error| of_object("the namespaces", &error))?;
        let ours = all.items.iter().filter(|one| {
            let application = one.labels().get(key::APPLICATION);
            named.contains(one.name_any().as_str())
                || one.labels().get(HOME) == Some(&self.home)
                || application.is_some_and(|id| ids.contains(id))
        });
        let ours = ours.map(ResourceExt::name_any);
        Ok(ours.filter(|name| *name != self.home).collect())
    }

    async fn list(
        &self,
        of_kind: (&str, &str),
        namespace: &str,
        selector: Option<&str>,
    ) -> Result<Vec<PartialObjectMeta<DynamicObject>>, Problem> {
        let listed = self.listed(of_kind, namespace, selector).await;
        listed.map_err(|error| of_object(&format!("what is there of {}", of_kind.1), &error))
    }

    async fn listed(
        &self,
        (api_version, kind): (&str, &str),
        namespace: &str,
        selector: Option<&str>,
    ) -> Result<Vec<PartialObjectMeta<DynamicObject>>, kube::Error> {
        let listed = async {
            let api = self
                .resources
                .api(&self.client, api_version, kind, Some(namespace))
                .await?;
            let mut params = ListParams::default().limit(500);
            params.label_selector = selector.map(str::to_owned);
            let mut all = Vec::new();
            loop {
                let page = match api.list_metadata(&params).await {
                    Err(error) if is_expired(&error) && params.continue_token.is_some() => {
                        all.clear();
                        params.continue_token = None;
                        continue;
                    }
                    page => page?,
                };
                all.extend(page.items);
                match page.metadata.continue_.filter(|token| !token.is_empty()) {
                    Some(token) => params.continue_token = Some(token),
                    None => return Ok(all),
                }
            }
        };
        match listed.await {
            // A kind that the cluster does not know has no objects.
            Err(error) if is_unknown(&error) => Ok(Vec::new()),
            listed => listed,
        }
    }

    async fn there(
        &self,
        (api_version, kind): (&str, &str),
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Option<PartialObjectMeta<DynamicObject>>, Problem> {
        let there = async {
            let resources = &self.resources;
            let api = resources
                .api(&self.client, api_version, kind, namespace)
                .await?;
            api.get_metadata_opt(name).await
        };
        match there.await {
            Ok(there) => Ok(there),
            Err(error) if is_unknown(&error) => Ok(None),
            Err(error) => Err(of_object(&format!("{kind} {name}"), &error)),
        }
    }

    /// Takes away what was seen to be ours, and nothing that has its name by now.
    async fn delete(
        &self,
        (api_version, kind): (&str, &str),
        there: &PartialObjectMeta<DynamicObject>,
    ) -> Result<(), Problem> {
        let delete = async {
            let namespace = there.namespace();
            let resources = &self.resources;
            let api = resources
                .api(&self.client, api_version, kind, namespace.as_deref())
                .await?;
            deletion::seen(&api, there, DeleteParams::background()).await
        };
        match delete.await {
            Ok(_) => Ok(()),
            Err(error) if is_unknown(&error) || is_conflict(&error) => Ok(()),
            Err(error) => {
                let name = there.name_any();
                Err(of_object(&format!("the end of {kind} {name}"), &error))
            }
        }
    }

    async fn end_namespace(&self, name: &str) -> Result<(), Problem> {
        let namespaces = ("v1", "Namespace");
        match self.there(namespaces, None, name).await? {
            Some(there) if is_managed(there.labels()) => self.delete(namespaces, &there).await,
            _ => Ok(()),
        }
    }

    /// Takes our applications' objects out of a namespace.
    async fn empty(&self, namespace: &str, ids: &BTreeSet<String>) -> Result<(), Problem> {
        for (api_version, kind) in KINDS {
            let all = self
                .list((api_version, kind), namespace, Some(key::APPLICATION))
                .await?;
            for object in all.iter().filter(|object| is_ours(object.labels(), ids)) {
                // What another object made goes with it.
                if object.metadata.deletion_timestamp.is_none()
                    && object.owner_references().is_empty()
                {
                    self.delete((api_version, kind), object).await?;
                }
            }
        }
        // What reaches into volumes is no application's.
        let jobs = ("batch/v1", "Job");
        for job in self.list(jobs, namespace, Some(HAND)).await? {
            self.delete(jobs, &job).await?;
        }
        // Nor is what images are pulled with.
        let ended = pull::end(&self.client, namespace, &self.home).await;
        ended.map_err(|error| of_object("the Secret with which images are pulled", &error))
    }

    /// Objects that people added to their applications may be of any kind, and anywhere.
    async fn what_notes_name(&self, books: &[Book]) -> Result<(), Problem> {
        let mut made = Vec::new();
        for book in books {
            let inventory = book.notes.inventory.values();
            made.extend(inventory.map(|made| (book.stage.application, &made.object)));
        }
        for (application, object) in made {
            let is_known = KINDS.contains(&(object.api_version.as_str(), object.kind.as_str()));
            let is_data = matches!(
                object.kind.as_str(),
                "PersistentVolumeClaim" | "PersistentVolume" | "Namespace"
            );
            // Those went by their labels; one without them was taken over by somebody else.
            if is_known || is_data {
                continue;
            }
            let of_kind = (object.api_version.as_str(), object.kind.as_str());
            let namespace = object.namespace.as_deref();
            let there = self.there(of_kind, namespace, &object.name).await?;
            // What was noted before it was written may turn out to be somebody else's.
            let ours = Some(application.to_string());
            if let Some(there) = there
                && there.labels().get(key::APPLICATION) == ours.as_ref()
            {
                self.delete(of_kind, &there).await?;
            }
        }
        Ok(())
    }

    async fn wait_for_pods(
        &self,
        namespaces: &BTreeSet<String>,
        ids: &BTreeSet<String>,
    ) -> Result<(), Problem> {
        let selector = ListParams::default().labels(key::APPLICATION);
        let gone = async {
            for namespace in namespaces {
                let pods =
                    Api::<PartialObjectMeta<Pod>>::namespaced(self.client.clone(), namespace);
                loop {
                    let all = pods.list(&selector).await;
                    let all = all.map_err(|error| of_object("the pods", &error))?;
                    if !all.items.iter().any(|pod| is_ours(pod.labels(), ids)) {
                        break;
                    }
                    tokio::time::sleep(LOOK).await;
                }
            }
            Ok(())
        };
        let late = || too_late("Pods have not ended yet");
        tokio::time::timeout(PATIENCE, gone)
            .await
            .map_err(|_| late())?
    }

    /// Data of our applications, which is marked, and whatever else environments' namespaces would take along.
    async fn volumes(
        &self,
        namespaces: &BTreeSet<String>,
        ids: &BTreeSet<String>,
    ) -> Result<Vec<LeftVolume>, Problem> {
        let all = Api::<PersistentVolumeClaim>::all(self.client.clone());
        let all = all.list(&ListParams::default()).await;
        let all = all.map_err(|error| of_object("the volumes", &error))?;
        let mark = Patch::Merge(json!({ "metadata": { "labels": { LEFT_BY: self.home } } }));
        let mut kept = Vec::new();
        for claim in &all.items {
            let (namespace, name) = (claim.namespace().unwrap_or_default(), claim.name_any());
            let is_marked = claim.labels().get(LEFT_BY) == Some(&self.home);
            let is_ours = is_ours(claim.labels(), ids);
            if !is_marked && !is_ours && !namespaces.contains(&namespace) {
                continue;
            }
            if is_ours && !is_marked {
                let claims =
                    Api::<PersistentVolumeClaim>::namespaced(self.client.clone(), &namespace);
                match claims
                    .patch_metadata(&name, &PatchParams::default(), &mark)
                    .await
                {
                    Ok(_) => {}
                    Err(error) if is_not_found(&error) => continue,
                    Err(error) => return Err(of_object(&format!("the volume {name}"), &error)),
                }
            }
            let size = size(claim);
            kept.push(LeftVolume {
                namespace,
                name,
                size,
            });
        }
        kept.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        Ok(kept)
    }

    async fn wait_until_gone(&self, namespaces: &[String]) -> Result<(), Problem> {
        let all = Api::<Namespace>::all(self.client.clone());
        let gone = async {
            for name in namespaces {
                loop {
                    match all.get_metadata_opt(name).await {
                        Ok(None) => break,
                        Ok(Some(_)) => tokio::time::sleep(LOOK).await,
                        // The account went with the namespace.
                        Err(kube::Error::Api(status)) if matches!(status.code, 401 | 403) => break,
                        Err(error) => return Err(of_object(&format!("the end of {name}"), &error)),
                    }
                }
            }
            Ok(())
        };
        tokio::time::timeout(PATIENCE, gone)
            .await
            .map_err(|_| too_late("A namespace has not gone yet"))?
    }

    /// Pluvio's own namespace, with the stages, the gateway and the account, whose wide roles go with it.
    async fn go_home(&self) -> Result<(), Problem> {
        let gateway = format!("{}-gateway", self.home);
        for kind in ["ClusterRoleBinding", "ClusterRole"] {
            let of_kind = ("rbac.authorization.k8s.io/v1", kind);
            let found = self.there(of_kind, None, &gateway).await?;
            if let Some(found) = found.filter(|found| is_managed(found.labels())) {
                self.delete(of_kind, &found).await?;
            }
        }
        let namespaces = Api::<Namespace>::all(self.client.clone());
        let home = namespaces.get_metadata_opt(&self.home).await;
        let home = home.map_err(|error| of_object("Pluvio's own namespace", &error))?;
        let Some(home) = home.filter(|home| is_managed(home.labels())) else {
            return Ok(());
        };
        if home.metadata.deletion_timestamp.is_none() {
            let mut foreign = self.foreign(&self.home, &BTreeSet::new(), true).await?;
            let claims = ("v1", "PersistentVolumeClaim");
            let claims = self.list(claims, &self.home, None).await?;
            foreign.extend(
                claims
                    .iter()
                    .map(|claim| format!("PersistentVolumeClaim {}", claim.name_any())),
            );
            if !foreign.is_empty() {
                return Err(problem::REFUSED.problem(
                    format!("Pluvio's own namespace {} holds what Pluvio did not make: {}. Everything else is removed.", self.home, foreign.join(", ")),
                    "Move that elsewhere or delete it, then remove the cluster again.",
                ));
            }
            self.end_namespace(&self.home).await?;
        }
        self.wait_until_gone(std::slice::from_ref(&self.home)).await
    }
}

fn managed() -> String {
    format!("app.kubernetes.io/managed-by={MANAGER}")
}

pub(crate) fn is_managed(labels: &BTreeMap<String, String>) -> bool {
    labels
        .get("app.kubernetes.io/managed-by")
        .is_some_and(|by| by == MANAGER)
}

fn is_ours(labels: &BTreeMap<String, String>, ids: &BTreeSet<String>) -> bool {
    labels
        .get(key::APPLICATION)
        .is_some_and(|id| ids.contains(id))
}

/// No such object, or no such kind.
fn is_unknown(error: &kube::Error) -> bool {
    is_not_found(error) || matches!(error, kube::Error::Discovery(_))
}

/// What it has, or what was asked for while it has nothing.
fn size(claim: &PersistentVolumeClaim) -> String {
    let has = claim
        .status
        .as_ref()
        .and_then(|status| status.capacity.as_ref()?.get("storage"));
    let asked = claim.spec.as_ref().and_then(|spec| {
        let requests = spec.resources.as_ref()?.requests.as_ref()?;
        requests.get("storage")
    });
    has.or(asked).map(|size| size.0.clone()).unwrap_or_default()
}

fn too_late(what: &str) -> Problem {
    problem::TIMED_OUT.problem(
        format!("{what}, after {} seconds.", PATIENCE.as_secs()),
        "Remove the cluster again: it goes on where it is. A node that does not answer keeps its pods; `kubectl get pods -A` shows them.",
    )
}
