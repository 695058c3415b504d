//! Manifests, tags, referrers.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::Response;
use pluvio_store::{ManifestPut, NewManifest};

use super::{DIGEST, Entry, Query, empty, json, set, text};
use crate::Registry;
use crate::contents::{self, WORK};
use crate::failure::{Code, Failure};
use crate::manifest::{LARGEST, Manifest, OCI_INDEX};
use crate::name::{Digest, Reference, Repository};

const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");
/// Tags of one answer where the client does not say how many.
const PAGE: usize = 1000;

impl Entry<'_> {
    pub(super) async fn manifest(
        &self,
        reference: &Reference,
        with_body: bool,
    ) -> Result<Response, Failure> {
        let inner = &self.registry.inner;
        let found = inner
            .store
            .image_manifest(self.repository.as_str(), reference.as_str())
            .await?;
        let found = found.ok_or_else(|| self.no_manifest(reference))?;
        let digest: Digest = found.digest.parse()?;
        let body = match with_body {
            true => Body::from(inner.blobs.read(&digest.key(), LARGEST as u64).await?),
            false => Body::empty(),
        };
        if with_body {
            inner.metrics.sent(found.bytes);
        }
        let mut response = Response::new(body);
        set(&mut response, header::CONTENT_TYPE, &found.media_type);
        set(
            &mut response,
            header::CONTENT_LENGTH,
            &found.bytes.to_string(),
        );
        set(&mut response, header::ETAG, &format!("\"{digest}\""));
        set(&mut response, DIGEST, digest.as_str());
        Ok(response)
    }

    fn no_manifest(&self, reference: &Reference) -> Failure {
        Failure::of(
            Code::ManifestUnknown,
            format!("{} has no {}", self.repository, reference.as_str()),
        )
    }

    pub(super) async fn put_manifest(
        &self,
        reference: &Reference,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Response, Failure> {
        let bytes = axum::body::to_bytes(body, LARGEST)
            .await
            .map_err(|error| Failure {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                ..Failure::of(
                    Code::ManifestInvalid,
                    format!("a manifest has at most {LARGEST} bytes, and arrives whole: {error}"),
                )
            })?;
        let digest = match reference {
            Reference::Digest(asked) => asked.alike(&bytes),
            Reference::Tag(_) => Digest::of_bytes(&bytes),
        };
        if let Reference::Digest(asked) = reference
            && *asked != digest
        {
            return Err(Failure::of(
                Code::DigestInvalid,
                format!("what arrived is {digest}"),
            ));
        }
        let manifest = Manifest::read(&bytes, text(headers, &header::CONTENT_TYPE))?;
        let subject = manifest.subject.clone();
        let tag = match reference {
            Reference::Tag(tag) => Some(tag.clone()),
            Reference::Digest(_) => None,
        };
        let put = self.registry.keep_manifest(
            self.team,
            &self.repository,
            (&digest, &bytes),
            manifest,
            tag,
            &self.actor,
        );
        put.await?;
        self.registry.inner.metrics.received(bytes.len() as u64);
        let mut response = empty(StatusCode::CREATED);
        let place = format!("/v2/{}/manifests/{digest}", self.repository);
        set(&mut response, header::LOCATION, &place);
        set(&mut response, DIGEST, digest.as_str());
        if let Some(subject) = subject {
            set(&mut response, SUBJECT, &subject);
        }
        Ok(response)
    }

    pub(super) async fn delete_manifest(&self, reference: &Reference) -> Result<Response, Failure> {
        let store = &self.registry.inner.store;
        let deleted = store.delete_image(self.repository.as_str(), reference.as_str(), &self.actor);
        match deleted.await? {
            true => Ok(empty(StatusCode::ACCEPTED)),
            false => Err(self.no_manifest(reference)),
        }
    }

    /// Tags in the order of their bytes, from after `last`, at most `n`; the `Link` header says where it goes on.
    pub(super) async fn tags(&self, query: &Query) -> Result<Response, Failure> {
        let store = &self.registry.inner.store;
        let tags = store.image_tags(self.repository.as_str()).await?;
        let tags = tags.ok_or_else(|| {
            Failure::of(
                Code::NameUnknown,
                format!("there is no repository {}", self.repository),
            )
        })?;
        let most = match query.get("n") {
            Some(most) => most.parse().map_err(|_| Failure {
                status: StatusCode::BAD_REQUEST,
                ..Failure::of(Code::Unsupported, "n is a number")
            })?,
            None => PAGE,
        };
        let last = query.get("last").unwrap_or_default();
        let after: Vec<&str> = tags
            .iter()
            .map(|tag| tag.name.as_str())
            .filter(|name| *name > last)
            .collect();
        let page = &after[..most.min(after.len())];
        let list = serde_json::json!({ "name": self.repository.as_str(), "tags": page });
        let mut response = json(StatusCode::OK, "application/json", list.to_string());
        if let Some(end) = page.last().filter(|_| page.len() < after.len()) {
            let next = format!(
                "</v2/{}/tags/list?n={most}&last={end}>; rel=\"next\"",
                self.repository
            );
            set(&mut response, header::LINK, &next);
        }
        Ok(response)
    }

    pub(super) async fn referrers(
        &self,
        subject: &Digest,
        query: &Query,
    ) -> Result<Response, Failure> {
        let store = &self.registry.inner.store;
        let found = store
            .image_referrers(self.repository.as_str(), subject.as_str())
            .await?;
        let wanted = query.get("artifactType").filter(|kind| !kind.is_empty());
        let fits = |kind: Option<&str>| wanted.is_none() || kind == wanted;
        let manifests: Vec<serde_json::Value> = found
            .iter()
            .filter(|row| fits(row.artifact_type.as_deref()))
            .map(|row| {
                let mut one = serde_json::json!({ "mediaType": row.media_type, "digest": row.digest, "size": row.bytes });
                if let Some(kind) = &row.artifact_type {
                    one["artifactType"] = kind.as_str().into();
                }
                if !row.annotations.is_empty() {
                    one["annotations"] = serde_json::json!(row.annotations);
                }
                one
            })
            .collect();
        let index = serde_json::json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests });
        let mut response = json(StatusCode::OK, OCI_INDEX, index.to_string());
        if wanted.is_some() {
            set(&mut response, FILTERS, "artifactType");
        }
        Ok(response)
    }
}

impl Registry {
    /// Keeps a manifest whose contents are there, and its tag.
    pub(crate) async fn keep_manifest(
        &self,
        team: pluvio_model::id::TeamId,
        repository: &Repository,
        (digest, bytes): (&Digest, &[u8]),
        manifest: Manifest,
        tag: Option<String>,
        actor: &str,
    ) -> Result<(), Failure> {
        let inner = &self.inner;
        let work = format!("{WORK}/{}", uuid::Uuid::now_v7());
        let work = work.parse().map_err(Failure::from)?;
        let file = contents::Beside(contents::begin(&inner.blobs, &work).await?);
        let written = tokio::fs::write(&file.0, bytes).await;
        written.map_err(|error| contents::trouble("a manifest", error))?;
        contents::sync(&file.0).await?;
        let new = NewManifest {
            digest: digest.as_str().to_owned(),
            media_type: manifest.media_type,
            bytes: bytes.len() as u64,
            subject: manifest.subject,
            artifact_type: manifest.artifact_type,
            annotations: manifest.annotations,
            needs: manifest.needs,
            may_need: manifest.may_need,
            tag,
        };
        let _gate = contents::Gate::shared(&inner.blobs).await?;
        inner.blobs.adopt(&file.0, &digest.key()).await?;
        let put = inner.store.put_image_manifest(
            team,
            repository.as_str(),
            &new,
            inner.settings.quota,
            actor,
        );
        match put.await? {
            ManifestPut::Kept => Ok(()),
            ManifestPut::Lacks(lacks) => Err(Failure::of(
                Code::ManifestBlobUnknown,
                format!("{repository} has not all that the manifest names; push that first"),
            )
            .detail(serde_json::json!({ "digests": lacks }))),
        }
    }
}
