//! Namespaces of environments that are there no more: each goes once nothing is in it but what Pluvio and the cluster put there.
//!
//! Nobody has to remember that one shall go. It is known by its label, and by being no environment's: whoever was killed, or did not
//! reach the cluster, finds it with the next look.
//!
//! Meanwhile somebody may deploy into a new environment of the same name. A stage is kept before anything of it is made, and the
//! first that its loop writes is the namespace, with [`STAYS`]. So the namespace is marked, then it is looked whether a stage names
//! it and what is in it, then it is deleted as it was marked. A stage that was kept before the look is seen by it; the loop of one
//! that came later has changed the mark, or finds the namespace leaving and makes it anew.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::{Api, Client, ResourceExt};
use pluvio_model::problem::Problem;
use pluvio_model::stage::{Stage, Wish};
use pluvio_plan::lower::kubernetes as lower;
use pluvio_runtime::{LeftNamespace, Namespaces};
use serde_json::json;

use super::{HOME, Removal, is_managed, managed};
use crate::book::{Notes, Shelf};
use crate::failure::{is_conflict, is_not_found, of_object};
use crate::resources::Resources;
use crate::{KubernetesRuntime, MANAGER, deletion};

/// Annotation of an environment's namespace: since when it is about to be deleted.
pub(crate) const LEAVING: &str = "pluvio.io/leaving";
/// What whoever makes something in it writes there first.
pub(crate) const STAYS: &str = "no";

#[async_trait]
impl Namespaces for KubernetesRuntime {
    async fn sweep(&self, kept: &BTreeSet<String>) -> Result<Vec<LeftNamespace>, Problem> {
        let shared = self.shared();
        let _alone = shared.sweeping.lock().await;
        let sweep = Sweep::new(&shared.client, &shared.config.namespace);
        let (mut left, mut failed) = (Vec::new(), None);
        for there in sweep.abandoned(kept).await? {
            let name = there.name_any();
            let known = self.known(&name);
            match sweep.end(&name, &known).await {
                Ok(Some(holds)) => left.push(LeftNamespace { name, holds }),
                Ok(None) => tracing::info!(name, "a deleted environment's namespace goes"),
                Err(problem) => failed = failed.or(Some(problem)),
            }
        }
        failed.map_or(Ok(left), Err)
    }
}

/// What the runtime knows of a namespace without asking.
#[derive(Debug, Default)]
struct Known {
    /// Applications that are gone: what has their ids is nobody's.
    gone: BTreeSet<String>,
    /// Whether an application of ours is in it, or was.
    is_named: bool,
    used_by: Vec<String>,
}

impl KubernetesRuntime {
    fn known(&self, namespace: &str) -> Known {
        let mut known = Known::default();
        for application in self.applications() {
            let view = application.view();
            known.is_named |= view.notes.namespace == namespace;
            known
                .used_by
                .extend(user(namespace, &view.stage, &view.notes));
            if matches!(view.stage.wish, Wish::Gone) {
                known.gone.insert(application.id.to_string());
            }
        }
        known
    }
}

/// Who uses a namespace by a stage, in the words of what it holds.
fn user(namespace: &str, stage: &Stage, notes: &Notes) -> Option<String> {
    match &stage.wish {
        Wish::Run(wish) => {
            let release = &wish.release;
            let own = lower::namespace(release.team.as_str(), release.environment.as_str());
            (own == namespace).then(|| format!("the application {}", release.application_name))
        }
        Wish::Gone => {
            let is_leaving = notes.namespace == namespace && !notes.is_gone;
            is_leaving.then(|| "an application that is being deleted".to_owned())
        }
    }
}

/// Whether somebody else made it, or says what it shall be: then it is not ours to end.
fn is_managed_by_others(there: &PartialObjectMeta<Namespace>) -> bool {
    let mut all = there.metadata.managed_fields.iter().flatten();
    all.any(|fields| {
        let manager = fields.manager.as_deref().unwrap_or_default();
        let is_status = fields.subresource.as_deref() == Some("status");
        manager != MANAGER && !is_status && !manager.starts_with("kube-")
    })
}

struct Sweep {
    removal: Removal,
    spaces: Api<Namespace>,
}

impl Sweep {
    fn new(client: &Client, home: &str) -> Sweep {
        Sweep {
            removal: Removal {
                client: client.clone(),
                resources: Resources::default(),
                home: home.to_owned(),
            },
            spaces: Api::all(client.clone()),
        }
    }

    /// Those that this Pluvio made, of no environment that there is.
    async fn abandoned(
        &self,
        kept: &BTreeSet<String>,
    ) -> Result<Vec<PartialObjectMeta<Namespace>>, Problem> {
        let ours = format!("{},{HOME}={}", managed(), self.removal.home);
        let all = self
            .spaces
            .list_metadata(&ListParams::default().labels(&ours))
            .await
            .map_err(|error| of_object("the namespaces", &error))?;
        let all = all.items.into_iter();
        let abandoned = all.filter(|one| !kept.contains(&one.name_any()) && self.is_ours(one));
        Ok(abandoned.collect())
    }

    fn is_ours(&self, there: &PartialObjectMeta<Namespace>) -> bool {
        let home = &self.removal.home;
        is_managed(there.labels())
            && there.labels().get(HOME) == Some(home)
            && there.name_any() != *home
            && there.metadata.deletion_timestamp.is_none()
            && !is_managed_by_others(there)
    }

    /// What keeps it, nothing that can be told where it was changed meanwhile; `None` when it goes.
    async fn end(&self, name: &str, known: &Known) -> Result<Option<Vec<String>>, Problem> {
        // Without a mark on what stays for long.
        let holds = self.holds(name, known).await?;
        if !holds.is_empty() {
            return Ok(Some(holds));
        }
        let failed =
            |error: kube::Error| of_object(&format!("the end of the namespace {name}"), &error);
        let marked = match self.mark(name).await {
            Ok(marked) if self.is_ours(&marked) => marked,
            // Somebody else ended it, or took it over.
            Ok(_) => return Ok(None),
            Err(error) if is_not_found(&error) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let books = Shelf::new(&self.removal.client, &self.removal.home);
        let books = books.all().await;
        let books = books.map_err(|error| of_object("the kept stages", &error))?;
        let users = books.iter();
        let users = users.filter_map(|book| user(name, &book.stage, &book.notes));
        let mut holds: Vec<String> = users.collect();
        if holds.is_empty() {
            holds = self.holds(name, known).await?;
        }
        if !holds.is_empty() {
            return Ok(Some(holds));
        }
        match deletion::unchanged(&self.spaces, &marked, DeleteParams::background()).await {
            Ok(_) => Ok(None),
            Err(error) if is_conflict(&error) => Ok(Some(Vec::new())),
            Err(error) => Err(failed(error)),
        }
    }

    /// Who uses it; of one that nobody does, everything in it that is not the cluster's own, nor left over of applications that are
    /// gone.
    async fn holds(&self, namespace: &str, known: &Known) -> Result<Vec<String>, Problem> {
        if !known.used_by.is_empty() {
            return Ok(known.used_by.clone());
        }
        let of_kind = ("v1", "PersistentVolumeClaim");
        let claims = self.removal.list(of_kind, namespace, None).await?;
        let claims = claims.iter();
        let claims = claims.map(|claim| format!("{} {}", of_kind.1, claim.name_any()));
        let mut holds: Vec<String> = claims.collect();
        let foreign = self
            .removal
            .foreign(namespace, &known.gone, known.is_named)
            .await?;
        holds.extend(foreign);
        Ok(holds)
    }

    async fn mark(&self, name: &str) -> Result<PartialObjectMeta<Namespace>, kube::Error> {
        let since = Timestamp::now().to_string();
        let mark = json!({ "metadata": { "annotations": { LEAVING: since } } });
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let spaces = &self.spaces;
        spaces
            .patch_metadata(name, &params, &Patch::Merge(&mark))
            .await
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use http::{Method, Request, Response};
    use kube::client::Body;
    use serde_json::Value;

    use super::*;

    const NAME: &str = "crew--old";

    fn metadata(labels: &Value, version: &str) -> Value {
        json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
            "metadata": { "name": NAME, "uid": "one", "resourceVersion": version, "labels": labels },
        })
    }

    fn list(of: &str, items: Vec<Value>) -> Value {
        json!({ "apiVersion": "v1", "kind": of, "metadata": {}, "items": items })
    }

    /// Sweeps a cluster whose one namespace has those labels and maybe a claim, and that answers a deletion so. What stays, and
    /// which changes were asked for.
    async fn swept(
        labels: Value,
        claim: Option<&'static str>,
        deletion: u16,
    ) -> (Vec<LeftNamespace>, Vec<Value>) {
        let changes: Arc<Mutex<Vec<Value>>> = Arc::default();
        let told = changes.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (told, labels) = (told.clone(), labels.clone());
            async move {
                let (method, path) = (request.method().clone(), request.uri().path().to_owned());
                let body = request.into_body().collect_bytes().await.expect("a body");
                if method != Method::GET {
                    let asked = serde_json::from_slice(&body).expect("JSON");
                    told.lock().expect("nobody panics").push(asked);
                }
                let claims = claim.iter();
                let claims = claims.map(|name| json!({ "metadata": { "name": name } }));
                let failure = |code: u16, reason: &str| {
                    let status = json!({
                        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                        "message": reason, "reason": reason, "code": code,
                    });
                    (code, status)
                };
                let (code, answer) = match (method, &*path) {
                    (Method::DELETE, _) if deletion == 409 => failure(409, "Conflict"),
                    (Method::DELETE, _) => (
                        200,
                        json!({ "kind": "Status", "apiVersion": "v1", "status": "Success" }),
                    ),
                    (Method::PATCH, _) => (200, metadata(&labels, "2")),
                    (_, "/api/v1/namespaces") => {
                        let all = vec![metadata(&labels, "1")];
                        (200, list("PartialObjectMetadataList", all))
                    }
                    (_, path) if path.ends_with("/persistentvolumeclaims") => {
                        let all = claims.collect();
                        (200, list("PartialObjectMetadataList", all))
                    }
                    (_, "/api/v1/namespaces/pluvio-system/secrets") => {
                        (200, list("SecretList", Vec::new()))
                    }
                    _ => failure(404, "NotFound"),
                };
                let mut response = Response::new(Body::from(answer.to_string().into_bytes()));
                *response.status_mut() = code.try_into().expect("a status");
                Ok::<_, Infallible>(response)
            }
        });
        let sweep = Sweep::new(&Client::new(service, "default"), "pluvio-system");
        let (known, kept) = (Known::default(), BTreeSet::from(["crew--live".to_owned()]));
        let mut left = Vec::new();
        for there in sweep.abandoned(&kept).await.expect("an answer") {
            let name = there.name_any();
            if let Some(holds) = sweep.end(&name, &known).await.expect("an answer") {
                left.push(LeftNamespace { name, holds });
            }
        }
        let changes = changes.lock().expect("nobody panics").clone();
        (left, changes)
    }

    fn ours() -> Value {
        json!({ "app.kubernetes.io/managed-by": MANAGER, (HOME): "pluvio-system" })
    }

    #[tokio::test]
    async fn an_empty_one_is_marked_and_deleted_as_it_was_marked() {
        let (left, changes) = swept(ours(), None, 200).await;
        assert!(left.is_empty(), "{left:?}");
        let [mark, deletion] = &changes[..] else {
            panic!("{changes:?}");
        };
        assert!(mark["metadata"]["annotations"][LEAVING].is_string());
        assert_eq!(
            deletion["preconditions"],
            json!({ "uid": "one", "resourceVersion": "2" })
        );
    }

    #[tokio::test]
    async fn one_that_is_written_meanwhile_stays_until_the_next_look() {
        let (left, _) = swept(ours(), None, 409).await;
        let name = NAME.to_owned();
        let holds = Vec::new();
        assert_eq!(left, [LeftNamespace { name, holds }]);
    }

    #[tokio::test]
    async fn one_with_data_and_one_of_another_pluvio_are_not_touched() {
        let (left, changes) = swept(ours(), Some("data"), 200).await;
        assert_eq!(left[0].holds, ["PersistentVolumeClaim data"]);
        assert!(changes.is_empty(), "{changes:?}");
        let others = json!({ "app.kubernetes.io/managed-by": MANAGER, (HOME): "pluvio-two" });
        let (left, changes) = swept(others, None, 200).await;
        assert_eq!((left, changes.len()), (Vec::new(), 0));
    }
}
