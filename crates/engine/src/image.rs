//! Images at hand: inspect, list, import, load, tag, commit, remove.

use std::path::Path;
use std::pin::Pin;

use futures::StreamExt;
use http::{Method, header};
use http_body_util::{BodyExt, BodyStream};
use indexmap::IndexMap;
use pluvio_model::facts::ImageFacts;
use pluvio_runtime::driver::DriverError;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::AsyncRead;

use crate::connection::{Body, Engine, body_of_file, empty, escape, label_filter};
use crate::error::Failure;
use crate::stream::Documents;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedImage {
    /// `sha256:…`
    pub id: String,
    pub tags: Vec<String>,
    pub labels: IndexMap<String, String>,
    /// Seconds since the epoch.
    pub created: i64,
    pub size: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ImageAnswer {
    id: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    config: Option<ImageConfig>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct ImageConfig {
    #[serde(default)]
    entrypoint: Option<Vec<String>>,
    #[serde(default)]
    cmd: Option<Vec<String>>,
    #[serde(default)]
    exposed_ports: Option<IndexMap<String, Value>>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    working_dir: Option<String>,
    #[serde(default)]
    volumes: Option<IndexMap<String, Value>>,
    #[serde(default)]
    env: Option<Vec<String>>,
    #[serde(default)]
    labels: Option<IndexMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListAnswer {
    id: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    labels: Option<IndexMap<String, String>>,
    #[serde(default)]
    created: i64,
    #[serde(default)]
    size: u64,
}

fn image_id(id: String) -> String {
    if id.starts_with("sha256:") {
        id
    } else {
        format!("sha256:{id}")
    }
}

impl Engine {
    async fn inspect_image(&self, reference: &str) -> Result<Option<ImageAnswer>, DriverError> {
        match self
            .get(&format!("/images/{}/json", escape_path(reference)))
            .await
        {
            Ok(answer) => Ok(Some(answer)),
            Err(Failure::Answer { status: 404, .. }) => Ok(None),
            // Podman tries to resolve a short name, and fails in its own way.
            Err(Failure::Answer { message, .. }) if message.contains("image not known") => Ok(None),
            Err(failure) => Err(failure.attempting(&format!("inspect {reference}"), reference)),
        }
    }

    /// What is known of an image at hand, by name or id; `None` when it is not.
    pub async fn image_facts(&self, reference: &str) -> Result<Option<ImageFacts>, DriverError> {
        let Some(answer) = self.inspect_image(reference).await? else {
            return Ok(None);
        };
        let config = answer.config.unwrap_or_default();
        let mut exposed: Vec<u16> = config
            .exposed_ports
            .iter()
            .flatten()
            .filter_map(|(port, _)| port.trim_end_matches("/tcp").parse().ok())
            .collect();
        exposed.sort_unstable();
        let env = config.env.unwrap_or_default();
        let pair = |entry: &String| {
            let (name, value) = entry.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        };
        let stated = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(Some(ImageFacts {
            id: image_id(answer.id),
            entrypoint: config.entrypoint.unwrap_or_default(),
            command: config.cmd.unwrap_or_default(),
            exposed,
            user: stated(config.user),
            working_dir: stated(config.working_dir),
            volumes: config.volumes.unwrap_or_default().into_keys().collect(),
            env: env.iter().filter_map(pair).collect(),
            size: answer.size,
            inside: None,
        }))
    }

    pub async fn image_labels(
        &self,
        reference: &str,
    ) -> Result<Option<IndexMap<String, String>>, DriverError> {
        let answer = self.inspect_image(reference).await?;
        Ok(answer.map(|answer| answer.config.and_then(|c| c.labels).unwrap_or_default()))
    }

    /// Images with all these labels, tagged or not.
    pub async fn list_images(&self, labels: &[String]) -> Result<Vec<ListedImage>, DriverError> {
        let path = format!("/images/json?filters={}", label_filter(labels));
        let mut tries = 0;
        let answers: Vec<ListAnswer> = loop {
            match self.get(&path).await {
                // Podman 4 cannot list images while one is being removed.
                Err(Failure::Answer {
                    status: 500,
                    message,
                }) if tries < 20 && message.contains("image not known") => {
                    tries += 1;
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
                other => {
                    break other.map_err(|f| f.attempting("list images", "the list of images"))?;
                }
            }
        };
        let listed = answers.into_iter().map(|answer| ListedImage {
            id: image_id(answer.id),
            tags: answer
                .repo_tags
                .unwrap_or_default()
                .into_iter()
                .filter(|tag| !tag.contains("<none>"))
                .collect(),
            labels: answer.labels.unwrap_or_default(),
            created: answer.created,
            size: answer.size,
        });
        Ok(listed.collect())
    }

    /// Makes an image of a root file system (`docker import`): one layer, `changes` as lines of a Dockerfile. Gives its id.
    pub async fn import(
        &self,
        tar: &Path,
        reference: &str,
        changes: &[String],
    ) -> Result<String, DriverError> {
        let body = file(tar)
            .await
            .map_err(|f| f.attempting(&format!("import {reference}"), reference))?;
        self.import_body(body, reference, changes).await
    }

    /// The same, marked with a label; images of before with that label go, if nothing uses them.
    pub async fn import_only(
        &self,
        tar: &Path,
        reference: &str,
        label: &str,
    ) -> Result<(), DriverError> {
        let change = format!("LABEL {label}=1");
        self.import(tar, reference, &[change]).await?;
        self.forget_labelled(label, reference).await;
        Ok(())
    }

    /// Removes the images with a label but those of a name. What is in use stays, and goes another time.
    pub async fn forget_labelled(&self, label: &str, but: &str) {
        for image in self
            .list_images(&[label.to_owned()])
            .await
            .unwrap_or_default()
        {
            if !image.tags.iter().any(|tag| tag == but) {
                let _ = self.remove_image(&image.id).await;
            }
        }
    }

    /// The same from a stream.
    pub async fn import_body(
        &self,
        tar: Body,
        reference: &str,
        changes: &[String],
    ) -> Result<String, DriverError> {
        let attempt = format!("import {reference}");
        // The tag is part of `repo`: Podman 4.3 does not read `tag`.
        let mut path = format!("/images/create?fromSrc=-&repo={}", escape(reference));
        for change in changes {
            path.push_str(&format!("&changes={}", escape(change)));
        }
        self.upload(&path, tar)
            .await
            .map_err(|f| f.attempting(&attempt, reference))?;
        self.id_of(reference, &attempt).await
    }

    /// Loads images out of an archive of `docker save`; gives the names they have.
    pub async fn load(&self, tar: &Path) -> Result<Vec<String>, DriverError> {
        let attempt = format!("load {}", tar.display());
        let body = file(tar)
            .await
            .map_err(|f| f.attempting(&attempt, "the archive"))?;
        self.load_body(body).await
    }

    /// The same from a stream.
    pub async fn load_body(&self, tar: Body) -> Result<Vec<String>, DriverError> {
        let said = self
            .upload("/images/load?quiet=true", tar)
            .await
            .map_err(|f| f.attempting("load images", "the archive"))?;
        let names = said
            .lines()
            .filter_map(|line| {
                line.strip_prefix("Loaded image: ")
                    .or_else(|| line.strip_prefix("Loaded image ID: "))
                    .or_else(|| line.strip_prefix("Loaded image(s): "))
            })
            .flat_map(|names| names.split(','))
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty());
        Ok(names.collect())
    }

    pub async fn tag_image(&self, image: &str, reference: &str) -> Result<(), DriverError> {
        let (repo, tag) = match reference.rsplit_once(':') {
            Some((repo, tag)) if !tag.contains('/') => (repo, tag),
            _ => (reference, "latest"),
        };
        self.tell(
            Method::POST,
            &format!(
                "/images/{}/tag?repo={}&tag={}",
                escape_path(image),
                escape(repo),
                escape(tag)
            ),
        )
        .await
        .map(drop)
        .map_err(|f| f.attempting(&format!("tag {image} as {reference}"), image))
    }

    /// An image as an archive (`docker save`), as it comes from the engine.
    pub async fn export(
        &self,
        reference: &str,
    ) -> Result<Pin<Box<dyn AsyncRead + Send>>, DriverError> {
        let path = format!("/images/{}/get", escape_path(reference));
        let answer = self.send(Method::GET, &path, &[], empty()).await;
        let answer = answer.map_err(|f| f.attempting(&format!("export {reference}"), reference))?;
        let chunks = BodyStream::new(answer.into_body()).map(|frame| match frame {
            Ok(frame) => Ok(frame.into_data().unwrap_or_default()),
            Err(error) => Err(std::io::Error::other(error)),
        });
        Ok(Box::pin(tokio_util::io::StreamReader::new(chunks)))
    }

    /// Takes a name away, and the image with its last name. `Refused` while a container uses it.
    pub async fn remove_image(&self, reference: &str) -> Result<(), DriverError> {
        self.tell(
            Method::DELETE,
            &format!("/images/{}", escape_path(reference)),
        )
        .await
        .map(drop)
        .map_err(|f| f.attempting(&format!("remove image {reference}"), reference))
    }

    /// Makes an image of what was put into a container, with the container's configuration, under a name. `changes` are
    /// lines of a Dockerfile for what Podman does not take from the container; Docker does, and knows fewer of them.
    pub async fn commit(
        &self,
        container: &str,
        reference: &str,
        changes: &[String],
    ) -> Result<String, DriverError> {
        #[derive(Deserialize)]
        struct Committed {
            #[serde(alias = "Id", alias = "ID")]
            id: String,
        }
        let (repo, tag) = reference.rsplit_once(':').unwrap_or((reference, "latest"));
        let mut path = format!(
            "/commit?container={}&repo={}&tag={}&pause=false",
            escape(container),
            escape(repo),
            escape(tag)
        );
        if self.is_podman() {
            for change in changes {
                path.push_str(&format!("&changes={}", escape(change)));
            }
        }
        let committed: Committed = self
            .post(&path, &serde_json::json!({}))
            .await
            .map_err(|f| f.attempting(&format!("commit {container}"), container))?;
        Ok(image_id(committed.id))
    }

    async fn id_of(&self, reference: &str, attempt: &str) -> Result<String, DriverError> {
        match self.inspect_image(reference).await? {
            Some(answer) => Ok(image_id(answer.id)),
            None => Err(DriverError::Refused {
                attempt: attempt.to_owned(),
                message: "it said done, and has no such image".to_owned(),
            }),
        }
    }

    /// Posts an archive; gives the words of the answer, one a line. The stream's own errors are errors.
    async fn upload(&self, path: &str, body: Body) -> Result<String, Failure> {
        let headers = [(header::CONTENT_TYPE, "application/x-tar")];
        let response = self.send(Method::POST, path, &headers, body).await?;
        let mut chunks = BodyStream::new(response.into_body());
        let mut documents = Documents::default();
        let mut said = String::new();
        while let Some(frame) = chunks.next().await {
            let frame = frame.map_err(|e| Failure::Connection(e.to_string()))?;
            for document in documents.push(frame.data_ref().map_or(&[][..], |data| data)) {
                let text = |key: &str| document.get(key).and_then(Value::as_str);
                if let Some(error) = text("error") {
                    return Err(Failure::Answer {
                        status: 500,
                        message: error.to_owned(),
                    });
                }
                said.push_str(text("stream").or(text("status")).unwrap_or(""));
                said.push('\n');
            }
        }
        Ok(said)
    }
}

async fn file(path: &Path) -> Result<Body, Failure> {
    body_of_file(path)
        .await
        .map(|body| body.boxed())
        .map_err(|e| Failure::Body(format!("{}: {e}", path.display())))
}

/// An image's name in a path keeps its slashes and colons.
fn escape_path(reference: &str) -> String {
    escape(reference).replace("%2F", "/").replace("%3A", ":")
}
