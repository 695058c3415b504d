//! Pushing a layer or configuration: at once, in pieces, or taken over from another repository of the team.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use futures::TryStreamExt;
use pluvio_store::BlobError;

use super::{DIGEST, Entry, Query, empty, set, text};
use crate::authorize::{Action, Verdict};
use crate::contents;
use crate::failure::{Code, Failure};
use crate::name::{Digest, Repository};
use crate::uploads::Upload;

impl Entry<'_> {
    /// POST: an upload begins; or a content arrives whole; or one is taken over.
    pub(super) async fn begin(&self, query: &Query, body: Body) -> Result<Response, Failure> {
        if let Some(mount) = query.get("mount")
            && let Some(taken) = self.mount(&mount.parse()?, query.get("from")).await?
        {
            return Ok(taken);
        }
        let digest: Option<Digest> = match query.get("digest") {
            Some(digest) => Some(digest.parse()?),
            None => None,
        };
        let room = self.room(digest.as_ref()).await?;
        let id = self.registry.begin_upload(&self.repository).await?;
        let Some(digest) = digest else {
            let mut response = empty(StatusCode::ACCEPTED);
            self.locate(&mut response, &id, 0);
            return Ok(response);
        };
        let upload = self.registry.open_upload(&self.repository, &id).await?;
        let key = upload.key.clone();
        let pushed = match self.write(upload, body, room).await {
            Ok(()) => self.keep(&id, &digest).await,
            Err(failure) => Err(failure),
        };
        if pushed.is_err() {
            self.registry.drop_upload(&key).await?;
        }
        pushed
    }

    /// PATCH: the next piece.
    pub(super) async fn append(
        &self,
        id: &str,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Response, Failure> {
        let upload = self.registry.open_upload(&self.repository, id).await?;
        self.follows(&upload, headers)?;
        let room = self.room(None).await?;
        self.write(upload, body, room).await?;
        let upload = self.registry.open_upload(&self.repository, id).await?;
        let mut response = empty(StatusCode::ACCEPTED);
        self.locate(&mut response, id, upload.progress().bytes);
        Ok(response)
    }

    /// PUT: the last piece, or none, and what the whole must be.
    pub(super) async fn finish(
        &self,
        id: &str,
        query: &Query,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Response, Failure> {
        let upload = self.registry.open_upload(&self.repository, id).await?;
        let digest = query.get("digest").ok_or_else(|| {
            Failure::of(
                Code::DigestInvalid,
                "the last request of an upload names its digest: ?digest=sha256:…",
            )
        })?;
        let digest: Digest = digest.parse()?;
        self.follows(&upload, headers)?;
        let room = self.room(None).await?;
        self.write(upload, body, room).await?;
        self.keep(id, &digest).await
    }

    pub(super) async fn upload_state(&self, id: &str) -> Result<Response, Failure> {
        let upload = self.registry.open_upload(&self.repository, id).await?;
        let mut response = empty(StatusCode::NO_CONTENT);
        self.locate(&mut response, id, upload.progress().bytes);
        Ok(response)
    }

    pub(super) async fn cancel(&self, id: &str) -> Result<Response, Failure> {
        let upload = self.registry.open_upload(&self.repository, id).await?;
        self.registry.drop_upload(&upload.key).await?;
        Ok(empty(StatusCode::NO_CONTENT))
    }

    /// Takes a content over, where the caller may pull it. `None`: push it then.
    async fn mount(
        &self,
        digest: &Digest,
        from: Option<&str>,
    ) -> Result<Option<Response>, Failure> {
        let Some(from) = from.and_then(|from| from.parse::<Repository>().ok()) else {
            return Ok(None);
        };
        let credential = self.credential.as_ref();
        let may = self
            .authorizer
            .authorize(credential, Action::Pull, &from)
            .await?;
        if !matches!(may, Verdict::Allowed { team, .. } if team == self.team) {
            return Ok(None);
        }
        let store = &self.registry.inner.store;
        let repository = self.repository.as_str();
        let taken =
            store.mount_image_content(self.team, from.as_str(), repository, digest.as_str());
        Ok(taken.await?.map(|_| self.created(digest)))
    }

    /// How large an upload may become; refused at once where the quota is full. What the team holds elsewhere costs nothing more.
    async fn room(&self, digest: Option<&Digest>) -> Result<Option<u64>, Failure> {
        let inner = &self.registry.inner;
        if let Some(digest) = digest {
            let held = inner
                .store
                .image_content_in_team(self.team, digest.as_str());
            if held.await?.is_some() {
                return Ok(None);
            }
        }
        let room = inner
            .store
            .check_image_quota(self.team, 1, inner.settings.quota);
        Ok(room.await?)
    }

    async fn write(&self, upload: Upload, body: Body, room: Option<u64>) -> Result<(), Failure> {
        let path = upload.path.clone();
        let data = body.into_data_stream();
        let data = data.map_err(|error| BlobError::Input(std::io::Error::other(error)));
        contents::receive(path, upload.held(), data, room).await
    }

    /// Whether a piece begins where the one before ended.
    fn follows(&self, upload: &Upload, headers: &HeaderMap) -> Result<(), Failure> {
        let Some(range) = text(headers, &header::CONTENT_RANGE) else {
            return Ok(());
        };
        let range = range.strip_prefix("bytes ").unwrap_or(range);
        let begins = range
            .split_once('-')
            .and_then(|(begins, _)| begins.trim().parse::<u64>().ok());
        let bytes = upload.progress().bytes;
        if begins == Some(bytes) {
            return Ok(());
        }
        Err(Failure::of(
            Code::RangeInvalid,
            format!("{bytes} bytes are there; the next piece begins with byte {bytes}"),
        ))
    }

    /// The whole is there: when it is what it should be, it is kept. Otherwise it goes.
    async fn keep(&self, id: &str, digest: &Digest) -> Result<Response, Failure> {
        let registry = self.registry;
        let upload = registry.open_upload(&self.repository, id).await?;
        let progress = upload.progress().clone();
        let found = match digest.is_sha512() {
            true => contents::sha512(&upload.path).await?,
            false => Digest::of(progress.hash),
        };
        let kept = if found == *digest {
            let take = registry.take_in(
                self.team,
                &self.repository,
                &upload.path,
                digest,
                progress.bytes,
            );
            take.await
        } else {
            Err(
                Failure::of(Code::DigestInvalid, format!("what arrived is {found}")).detail(
                    serde_json::json!({ "expected": digest.as_str(), "found": found.as_str() }),
                ),
            )
        };
        registry.drop_upload(&upload.key).await?;
        kept?;
        registry.inner.metrics.received(progress.bytes);
        Ok(self.created(digest))
    }

    fn created(&self, digest: &Digest) -> Response {
        let mut response = empty(StatusCode::CREATED);
        let place = format!("/v2/{}/blobs/{digest}", self.repository);
        set(&mut response, header::LOCATION, &place);
        set(&mut response, DIGEST, digest.as_str());
        response
    }

    /// Where an upload goes on. The range's end is the last byte that is there; of none, `0-0` by convention.
    fn locate(&self, response: &mut Response, id: &str, bytes: u64) {
        let place = format!("/v2/{}/blobs/uploads/{id}", self.repository);
        set(response, header::LOCATION, &place);
        set(
            response,
            header::RANGE,
            &format!("0-{}", bytes.saturating_sub(1)),
        );
        set(
            response,
            axum::http::HeaderName::from_static("docker-upload-uuid"),
            id,
        );
    }
}
