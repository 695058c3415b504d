//! Images from registries.

use std::time::{Duration, Instant};

use base64::Engine as _;
use futures::StreamExt;
use http::{HeaderName, Method};
use http_body_util::BodyStream;
use indexmap::IndexMap;
use pluvio_model::facts::ImageFacts;
use pluvio_model::image::ImageReference;
use pluvio_model::problem::{self, Problem};

use crate::connection::{Engine, empty, escape};
use crate::error::Failure;
use crate::stream::Documents;

/// Who pulls. Shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct RegistryCredential {
    pub user: String,
    pub password: String,
}

impl std::fmt::Debug for RegistryCredential {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "RegistryCredential({})", self.user)
    }
}

impl RegistryCredential {
    /// The header `X-Registry-Auth`.
    fn header(&self, registry: &str) -> String {
        let server = if registry == "docker.io" {
            "https://index.docker.io/v1/"
        } else {
            registry
        };
        let auth = serde_json::json!({
            "username": self.user, "password": self.password, "serveraddress": server,
        });
        base64::engine::general_purpose::URL_SAFE.encode(auth.to_string())
    }

    /// The header `X-Registry-Config` of a build that pulls from these registries.
    pub(crate) fn build_header(all: &[(String, RegistryCredential)]) -> String {
        let rows = all.iter().map(|(registry, credential)| {
            let server = if registry == "docker.io" {
                "https://index.docker.io/v1/"
            } else {
                registry
            };
            let row = serde_json::json!({
                "username": credential.user, "password": credential.password,
            });
            (server.to_owned(), row)
        });
        let auth = serde_json::Value::Object(rows.collect());
        base64::engine::general_purpose::URL_SAFE.encode(auth.to_string())
    }
}

impl Engine {
    /// Pulls an image, with a line of progress each second at most. Problems: `image.not-found`, `image.unauthorized`,
    /// `image.registry`, `disk.full`.
    pub async fn pull(
        &self,
        image: &ImageReference,
        credential: Option<&RegistryCredential>,
        mut progress: impl FnMut(String) + Send,
    ) -> Result<ImageFacts, Problem> {
        let name = format!("{}/{}", image.registry(), image.repository());
        let version = image.digest().or(image.tag()).unwrap_or("latest");
        let path = if self.is_podman() {
            // Docker takes plain HTTP on loopback; Podman has to be told, which only its own API can.
            let host = image.registry().split(':').next().unwrap_or("");
            let secure = !(host.starts_with("127.") || host == "localhost");
            let join = if image.digest().is_some() { '@' } else { ':' };
            format!(
                "/libpod/images/pull?reference={}&tlsVerify={secure}",
                escape(&format!("{name}{join}{version}"))
            )
        } else {
            format!(
                "/images/create?fromImage={}&tag={}",
                escape(&name),
                escape(version)
            )
        };
        let header = credential.map(|credential| credential.header(image.registry()));
        let headers: Vec<(HeaderName, &str)> = header
            .iter()
            .map(|value| (HeaderName::from_static("x-registry-auth"), value.as_str()))
            .collect();
        let fail = |message: &str| pull_problem(image, credential.is_some(), message);
        let response = self
            .send(Method::POST, &path, &headers, empty())
            .await
            .map_err(|failure| match failure {
                Failure::Answer { message, .. } => fail(&message),
                other => other
                    .attempting(&format!("pull {image}"), &image.to_string())
                    .to_problem(),
            })?;
        let mut chunks = BodyStream::new(response.into_body());
        let mut documents = Documents::default();
        let mut layers = Layers::default();
        while let Some(frame) = chunks.next().await {
            let frame = frame.map_err(|e| fail(&e.to_string()))?;
            for document in documents.push(frame.data_ref().map_or(&[][..], |data| data)) {
                if let Some(error) = document.get("error").and_then(|e| e.as_str()) {
                    return Err(fail(error));
                }
                // Docker tells of each layer, Podman writes lines.
                let said = document.get("stream").and_then(|s| s.as_str());
                let said = said
                    .map(|line| line.trim().to_owned())
                    .filter(|s| !s.is_empty());
                if let Some(line) = said.or_else(|| layers.take(&document)) {
                    progress(line);
                }
            }
        }
        match self.image_facts(&image.to_string()).await {
            Ok(Some(facts)) => Ok(facts),
            Ok(None) => Err(fail("the engine pulled it, and does not have it")),
            Err(error) => Err(error.to_problem()),
        }
    }
}

/// Sorts the words of engines and registries that did not give an image.
pub fn pull_problem(image: &ImageReference, with_credential: bool, message: &str) -> Problem {
    let lower = message.to_ascii_lowercase();
    let says = |part: &str| lower.contains(part);
    let registry = image.registry();
    let denied = says("unauthorized")
        || says("authentication required")
        || says("no basic auth credentials")
        || says("incorrect username or password")
        || says("forbidden")
        || says("access to the resource is denied");
    if says("no space left on device") {
        return problem::DISK_FULL.problem(
            format!("{image} could not be unpacked: {message}"),
            "Free space on the engine's disk, then deploy again.",
        );
    }
    if image.is_local() {
        return problem::IMAGE_NOT_FOUND.problem(
            format!("{image} is not in the engine's store, and names under localhost/ are in no registry."),
            "Build or load it first (`docker load`, `podman load`), or name the registry it is in.",
        );
    }
    if denied && (with_credential || !says("repository does not exist")) {
        return problem::IMAGE_UNAUTHORIZED.problem(
            format!("{registry} does not let {image} be pulled: {message}"),
            if with_credential {
                "Check the stored credential's user and password, and that it may read this repository."
            } else {
                "Store a credential for this registry and name it where the image is named."
            },
        );
    }
    if says("not found")
        || says("manifest unknown")
        || says("name unknown")
        || says("does not exist")
        || says("no such image")
    {
        // A registry may say so of a private repository, too.
        if !says("no such host") && !says("dial tcp") {
            return problem::IMAGE_NOT_FOUND.problem(
                format!("{registry} has no {image}, or not for everyone: {message}"),
                "Check name and tag. For a private repository, store a credential for the registry.",
            );
        }
    }
    problem::IMAGE_REGISTRY.problem(
        format!("{image} could not be pulled: {message}"),
        format!(
            "Check that this machine reaches {registry}, or load the image into the engine by hand."
        ),
    )
}

/// Progress over all layers, from the engine's rows for each.
#[derive(Default)]
struct Layers {
    /// Bytes there and bytes in all.
    layers: IndexMap<String, (u64, u64)>,
    last: Option<Instant>,
}

impl Layers {
    fn take(&mut self, row: &serde_json::Value) -> Option<String> {
        let id = row.get("id")?.as_str()?;
        let status = row.get("status").and_then(|s| s.as_str()).unwrap_or("");
        let number = |key: &str| row.get("progressDetail")?.get(key)?.as_u64();
        let layer = self.layers.entry(id.to_owned()).or_default();
        match status {
            "Downloading" => *layer = (number("current")?, number("total").unwrap_or(layer.1)),
            "Download complete" | "Pull complete" | "Already exists" => layer.0 = layer.1,
            _ => return None,
        }
        let due = self
            .last
            .is_none_or(|last| last.elapsed() >= Duration::from_secs(1));
        if !due {
            return None;
        }
        self.last = Some(Instant::now());
        let (there, all) = self
            .layers
            .values()
            .fold((0, 0), |sum, layer| (sum.0 + layer.0, sum.1 + layer.1));
        let mega = |bytes: u64| bytes as f64 / 1e6;
        Some(format!("{:.1} of {:.1} MB", mega(there), mega(all)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(image: &str, with_credential: bool, message: &str, code: problem::Code) {
        let image = image.parse().unwrap();
        let problem = pull_problem(&image, with_credential, message);
        assert!(problem.is(code), "{message:?} became {}", problem.code);
    }

    #[test]
    fn registries_words_become_three_problems() {
        check(
            "nginx:nope",
            false,
            "manifest for nginx:nope not found: manifest unknown: manifest unknown",
            problem::IMAGE_NOT_FOUND,
        );
        let denied = "pull access denied for x/y, repository does not exist or may require 'docker login': denied: requested access to the resource is denied";
        check("x/y", false, denied, problem::IMAGE_NOT_FOUND);
        check("x/y", true, denied, problem::IMAGE_UNAUTHORIZED);
        check(
            "127.0.0.1:5000/a",
            false,
            "Head \"http://127.0.0.1:5000/v2/a/manifests/latest\": no basic auth credentials",
            problem::IMAGE_UNAUTHORIZED,
        );
        check(
            "ghcr.io/a/b",
            false,
            "initializing source docker://ghcr.io/a/b:latest: pinging container registry ghcr.io: Get \"https://ghcr.io/v2/\": dial tcp: lookup ghcr.io: no such host",
            problem::IMAGE_REGISTRY,
        );
        check(
            "localhost/a:1",
            false,
            "not found",
            problem::IMAGE_NOT_FOUND,
        );
        check(
            "a",
            false,
            "write /x: no space left on device",
            problem::DISK_FULL,
        );
    }
}
