//! A registry on a port of loopback, its store and files in a folder, and a client that says what it sends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use pluvio_model::permission::Role;
use pluvio_registry::{Registry, Settings, StoreAuthorizer};
use pluvio_store::{Blobs, NewToken, Seal, Store};
use sha2::Digest as _;
use tokio_util::sync::CancellationToken;

pub(crate) struct Scene {
    pub(crate) registry: Registry,
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    pub(crate) address: SocketAddr,
    /// May do everything in the team `main`.
    pub(crate) owner: String,
    pub(crate) reader: String,
    pub(crate) folder: tempfile::TempDir,
    stop: CancellationToken,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
    /// The specification's code of an error.
    pub(crate) fn code(&self) -> String {
        let error: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        error["errors"][0]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub(crate) fn settings() -> Settings {
    Settings {
        quota: None,
        grace: Duration::from_secs(3600),
        keep_tags: None,
    }
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes)))
}

impl Scene {
    pub(crate) async fn new() -> Scene {
        Scene::with(settings()).await
    }

    pub(crate) async fn with(settings: Settings) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let seal = Seal::open_or_create(&folder.path().join("seal.key")).unwrap();
        let url = Store::sqlite_url(&folder.path().join("pluvio.db"));
        let store = Store::open(&url, seal).await.unwrap();
        let blobs = Blobs::open(&folder.path().join("blobs")).await.unwrap();
        let registry = Registry::new(store.clone(), blobs.clone(), settings);
        let mut texts = Vec::new();
        for role in [Role::Owner, Role::Reader] {
            let new = NewToken {
                user: store.home().owner,
                name: format!("{role:?}"),
                role,
                expires_at: None,
            };
            texts.push(store.create_token(new, "test").await.unwrap().1);
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let router = registry.router(Arc::new(StoreAuthorizer::new(store.clone())));
        tokio::spawn(pluvio_registry::serve(listener, None, router, stop.clone()));
        Scene {
            registry,
            store,
            blobs,
            address,
            reader: texts.pop().unwrap(),
            owner: texts.pop().unwrap(),
            folder,
            stop,
        }
    }

    /// The same data, served by another process' registry.
    pub(crate) fn served_by(
        mut self,
        registry: Registry,
        listener: tokio::net::TcpListener,
    ) -> Scene {
        self.address = listener.local_addr().unwrap();
        let router = registry.router(Arc::new(StoreAuthorizer::new(self.store.clone())));
        tokio::spawn(pluvio_registry::serve(
            listener,
            None,
            router,
            self.stop.clone(),
        ));
        self.registry = registry;
        self
    }

    /// As the owner.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Answer {
        self.ask_as(Some(&self.owner), method, path, &[], body)
            .await
    }

    pub(crate) async fn ask_as(
        &self,
        token: Option<&str>,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = client
            .request(request.body(Full::new(body.into())).unwrap())
            .await
            .unwrap();
        let (parts, body) = answer.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    /// Pushes a content in one request.
    pub(crate) async fn push(&self, repository: &str, content: &[u8]) -> String {
        let digest = digest(content);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        let answer = self.ask(Method::POST, &path, content.to_vec()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        digest
    }

    /// Pushes an image of one layer under a tag or digest; its digest.
    pub(crate) async fn push_image(&self, repository: &str, tag: &str, layer: &[u8]) -> String {
        let config = self.push(repository, b"{}").await;
        let layer = (self.push(repository, layer).await, layer.len());
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2 },
            "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer.0, "size": layer.1 }]
        });
        self.push_manifest(repository, tag, &manifest).await
    }

    /// Pushes an image that can be run: one layer, not compressed, and what is started in it.
    pub(crate) async fn push_program(
        &self,
        repository: &str,
        tag: &str,
        layer: &[u8],
        command: &[&str],
    ) -> String {
        let config = serde_json::json!({
            "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            "os": "linux",
            "config": { "Cmd": command },
            "rootfs": { "type": "layers", "diff_ids": [digest(layer)] }
        });
        let config = config.to_string();
        let (config, size) = (self.push(repository, config.as_bytes()).await, config.len());
        let digest = self.push(repository, layer).await;
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": size },
            "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": layer.len() }]
        });
        self.push_manifest(repository, tag, &manifest).await
    }

    /// `tag` empty: by digest.
    pub(crate) async fn push_manifest(
        &self,
        repository: &str,
        tag: &str,
        manifest: &serde_json::Value,
    ) -> String {
        let text = manifest.to_string();
        let digest = digest(text.as_bytes());
        let reference = if tag.is_empty() { digest.as_str() } else { tag };
        let path = format!("/v2/{repository}/manifests/{reference}");
        let answer = self.ask(Method::PUT, &path, text).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        digest
    }

    /// Files that hold contents, or are left of pushes.
    pub(crate) async fn files(&self, folder: &str) -> usize {
        self.blobs.list(folder).await.unwrap().len()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
