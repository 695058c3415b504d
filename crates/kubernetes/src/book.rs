//! What a runtime must not forget, kept in the cluster: an application's stage, and the names of all that was made for it.
//!
//! One Secret for each application in Pluvio's own namespace. It is changed with the version that was read, so that of two who
//! write at once one is told. After an application's end it stays, without the stage, for its generation: an older stage that
//! comes late finds it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use pluvio_model::id::ApplicationId;
use pluvio_model::image::ContentHash;
use pluvio_model::name::Name;
use pluvio_model::observed::RunKind;
use pluvio_model::stage::Stage;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::MANAGER;
use crate::failure::{is_conflict, is_expired, is_not_found};

const KIND: &str = "pluvio.io/stage";
const KIND_LABEL: &str = "pluvio.io/kept";
/// A stage with more than this after compression is refused by the API server; better said before.
const MOST_BYTES: usize = 1_000_000;

/// An object by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ObjectName {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
}

impl ObjectName {
    pub(crate) fn new(api_version: &str, kind: &str, namespace: &str, name: String) -> ObjectName {
        ObjectName {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: Some(namespace.to_owned()),
            name,
        }
    }

    /// Its kind where it is one of those that caches hold: others may be called so, and an older version holds other fields.
    pub(crate) fn cached_kind(&self) -> &str {
        let version = match self.kind.as_str() {
            "Deployment" | "StatefulSet" | "DaemonSet" => "apps/v1",
            "Job" | "CronJob" => "batch/v1",
            "HorizontalPodAutoscaler" => "autoscaling/v2",
            "NetworkPolicy" => "networking.k8s.io/v1",
            "EndpointSlice" => "discovery.k8s.io/v1",
            _ => "v1",
        };
        match self.api_version == version {
            true => &self.kind,
            false => "",
        }
    }
}

impl std::fmt::Display for ObjectName {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "{} {}", self.kind, self.name)
    }
}

/// What is remembered of an application besides its stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notes {
    /// Where its objects are.
    pub(crate) namespace: String,
    /// Every object that was made or may have been, with the component it belongs to.
    pub(crate) inventory: BTreeMap<String, Made>,
    /// When the runtime began to work towards each component's content, and for which release.
    pub(crate) began: BTreeMap<Name, Began>,
    /// For which release each content was first wanted.
    pub(crate) releases: BTreeMap<String, u64>,
    /// What each Job of ours is a run of.
    pub(crate) runs: BTreeMap<String, RunOf>,
    /// The application's end has come: nothing is left of it.
    #[serde(default)]
    pub(crate) is_gone: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Made {
    pub(crate) object: ObjectName,
    pub(crate) component: Option<Name>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Began {
    pub(crate) hash: ContentHash,
    pub(crate) at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunOf {
    pub(crate) component: Name,
    pub(crate) hash: ContentHash,
    pub(crate) kind: RunKind,
    pub(crate) release: u64,
}

/// The kept stage, its notes, and the version they were read at.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    pub(crate) stage: Stage,
    pub(crate) notes: Notes,
    version: Option<String>,
}

impl Notes {
    /// Adds what is about to be made. True if something is new.
    pub(crate) fn add(&mut self, object: ObjectName, component: Option<&Name>) -> bool {
        let key = serde_json::to_string(&object).expect("names serialise");
        if self.inventory.contains_key(&key) {
            return false;
        }
        let component = component.cloned();
        self.inventory.insert(key, Made { object, component });
        true
    }

    pub(crate) fn remove(&mut self, object: &ObjectName) {
        let key = serde_json::to_string(object).expect("names serialise");
        self.inventory.remove(&key);
    }

    /// What was made and `wanted` does not name.
    pub(crate) fn beyond(&self, wanted: &BTreeSet<ObjectName>) -> Vec<Made> {
        let made = self.inventory.values();
        made.filter(|made| !wanted.contains(&made.object))
            .cloned()
            .collect()
    }
}

pub(crate) struct Shelf {
    secrets: Api<Secret>,
    namespaces: Api<Namespace>,
    namespace: String,
}

impl Shelf {
    pub(crate) fn new(client: &Client, namespace: &str) -> Shelf {
        Shelf {
            secrets: Api::namespaced(client.clone(), namespace),
            namespaces: Api::all(client.clone()),
            namespace: namespace.to_owned(),
        }
    }

    /// Makes Pluvio's own namespace.
    pub(crate) async fn make_room(&self) -> Result<(), kube::Error> {
        let body = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": { "name": self.namespace, "labels": { "app.kubernetes.io/managed-by": MANAGER } },
        });
        let params = PatchParams::apply(MANAGER).force();
        self.namespaces
            .patch(&self.namespace, &params, &Patch::Apply(&body))
            .await
            .map(drop)
    }

    pub(crate) async fn all(&self) -> Result<Vec<Book>, kube::Error> {
        let mut books = Vec::new();
        let mut params = ListParams::default().labels(KIND_LABEL).limit(100);
        loop {
            let page = match self.secrets.list(&params).await {
                Err(error) if is_expired(&error) && params.continue_token.is_some() => {
                    books.clear();
                    params.continue_token = None;
                    continue;
                }
                page => page?,
            };
            for secret in page.items {
                match read(&secret) {
                    Some(book) => books.push(book),
                    None => tracing::error!(
                        secret = secret.metadata.name,
                        "a kept stage cannot be read"
                    ),
                }
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => return Ok(books),
            }
        }
    }

    pub(crate) async fn get(
        &self,
        application: ApplicationId,
    ) -> Result<Option<Book>, kube::Error> {
        let found = self.secrets.get_opt(&name(application)).await?;
        Ok(found.as_ref().and_then(read))
    }

    /// Writes it. `Ok(false)`: somebody else has written since it was read.
    pub(crate) async fn put(&self, book: &mut Book) -> Result<bool, kube::Error> {
        let mut secret = write(book);
        let name = name(book.stage.application);
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        let written = match &book.version {
            Some(version) => {
                secret.metadata.resource_version = Some(version.clone());
                self.secrets.replace(&name, &params, &secret).await
            }
            None => self.secrets.create(&params, &secret).await,
        };
        match written {
            Ok(written) => {
                book.version = written.metadata.resource_version;
                Ok(true)
            }
            // Our own write, if its answer was lost and it was asked for again.
            Err(error) if is_conflict(&error) => match self.get(book.stage.application).await? {
                Some(there) if there.stage == book.stage && there.notes == book.notes => {
                    book.version = there.version;
                    Ok(true)
                }
                _ => Ok(false),
            },
            // It was removed by hand: what is known is put back.
            Err(error) if is_not_found(&error) && book.version.is_some() => {
                book.version = None;
                Box::pin(self.put(book)).await
            }
            Err(error) => Err(error),
        }
    }
}

impl Book {
    pub(crate) fn new(stage: Stage) -> Book {
        Book {
            stage,
            notes: Notes::default(),
            version: None,
        }
    }

    pub(crate) fn fits(&self) -> bool {
        let secret = write(self);
        let sizes = secret
            .data
            .into_iter()
            .flatten()
            .map(|(_, value)| value.0.len());
        sizes.sum::<usize>() <= MOST_BYTES
    }
}

fn name(application: ApplicationId) -> String {
    format!("stage-{application}")
}

fn write(book: &Book) -> Secret {
    let packed = |value: &[u8]| {
        let mut to = GzEncoder::new(Vec::new(), Compression::default());
        to.write_all(value)
            .and_then(|()| to.finish())
            .expect("writing to memory does not fail")
    };
    let stage = packed(&serde_json::to_vec(&book.stage).expect("stages serialise"));
    let notes = packed(&serde_json::to_vec(&book.notes).expect("notes serialise"));
    Secret {
        metadata: kube::core::ObjectMeta {
            name: Some(name(book.stage.application)),
            labels: Some(
                [
                    (KIND_LABEL.to_owned(), "stage".to_owned()),
                    (
                        "app.kubernetes.io/managed-by".to_owned(),
                        MANAGER.to_owned(),
                    ),
                ]
                .into(),
            ),
            ..Default::default()
        },
        type_: Some(KIND.to_owned()),
        data: Some(
            [
                ("stage".to_owned(), ByteString(stage)),
                ("notes".to_owned(), ByteString(notes)),
            ]
            .into(),
        ),
        ..Secret::default()
    }
}

fn read(secret: &Secret) -> Option<Book> {
    let unpacked = |key: &str| {
        let mut text = Vec::new();
        GzDecoder::new(&secret.data.as_ref()?.get(key)?.0[..])
            .read_to_end(&mut text)
            .ok()?;
        Some(text)
    };
    Some(Book {
        stage: serde_json::from_slice(&unpacked("stage")?).ok()?,
        notes: serde_json::from_slice(&unpacked("notes")?).ok()?,
        version: secret.metadata.resource_version.clone(),
    })
}
