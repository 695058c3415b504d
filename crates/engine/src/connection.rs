//! One engine behind one Unix socket: connecting, asking, reading answers.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use pluvio_model::facts::RuntimeKind;
use pluvio_runtime::driver::DriverError;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::error::Failure;

/// The API version whose words we speak: that of Debian's Docker and of Podman 4. Newer engines take it too, until they
/// raise their minimum above it; then theirs is used.
const SPOKEN: ApiVersion = ApiVersion(1, 41);
/// What an ordinary answer may take. Streams, stops and builds have none, or their own.
const PATIENCE: Duration = Duration::from_secs(90);

/// A request's body.
pub type Body = BoxBody<Bytes, std::io::Error>;

/// An engine that answered. Cheap to clone; each request has its own connection, so dropping the future of a request ends it.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    socket: PathBuf,
    api: ApiVersion,
    kind: RuntimeKind,
    version: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ApiVersion(u32, u32);

impl ApiVersion {
    fn parse(text: &str) -> Option<ApiVersion> {
        let (major, minor) = text.split_once('.')?;
        Some(ApiVersion(major.parse().ok()?, minor.parse().ok()?))
    }
}
impl fmt::Display for ApiVersion {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{}.{}", self.0, self.1)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(
            out,
            "Engine({:?} {} at {})",
            self.inner.kind,
            self.inner.version,
            self.inner.socket.display()
        )
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VersionAnswer {
    #[serde(default)]
    version: String,
    api_version: String,
    #[serde(default, rename = "MinAPIVersion")]
    min_api_version: String,
    #[serde(default)]
    components: Vec<VersionComponent>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VersionComponent {
    #[serde(default)]
    name: String,
}

impl Engine {
    /// Asks the socket who it is and settles on an API version.
    pub async fn connect(socket: &Path) -> Result<Engine, DriverError> {
        let attempt = "tell its version";
        let ask = async {
            let request = empty_request(Method::GET, "/version");
            let response = exchange(socket, request).await?;
            read_json::<VersionAnswer>(response).await
        };
        let answer = tokio::time::timeout(Duration::from_secs(10), ask)
            .await
            .unwrap_or_else(|_| Err(Failure::Connection("no answer within 10 s".to_owned())))
            .map_err(|failure| failure.attempting(attempt, "the engine"))?;
        let newest = ApiVersion::parse(&answer.api_version);
        let oldest = ApiVersion::parse(&answer.min_api_version);
        if newest.is_none_or(|newest| newest < SPOKEN) {
            return Err(DriverError::Refused {
                attempt: attempt.to_owned(),
                message: format!(
                    "it speaks API version {}, Pluvio needs {SPOKEN}: Docker 20.10 or Podman 4 or newer",
                    answer.api_version
                ),
            });
        }
        let podman = answer
            .components
            .iter()
            .any(|component| component.name.starts_with("Podman"));
        Ok(Engine {
            inner: Arc::new(Inner {
                socket: socket.to_owned(),
                // Podman tells its own 4.x numbers as minimum.
                api: match oldest {
                    Some(oldest) if !podman && oldest > SPOKEN => oldest,
                    _ => SPOKEN,
                },
                kind: if podman {
                    RuntimeKind::Podman
                } else {
                    RuntimeKind::Docker
                },
                version: answer.version,
            }),
        })
    }

    pub fn socket(&self) -> &Path {
        &self.inner.socket
    }
    pub fn kind(&self) -> RuntimeKind {
        self.inner.kind
    }
    pub fn is_podman(&self) -> bool {
        self.inner.kind == RuntimeKind::Podman
    }
    /// The engine's own version, `20.10.24`.
    pub fn version(&self) -> &str {
        &self.inner.version
    }

    fn path(&self, path_and_query: &str) -> String {
        format!("/v{}{path_and_query}", self.inner.api)
    }

    /// Sends and gives the answer when its head is there; an error status is an error.
    pub(crate) async fn send(
        &self,
        method: Method,
        path_and_query: &str,
        headers: &[(header::HeaderName, &str)],
        body: Body,
    ) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(self.path(path_and_query))
            .header(header::HOST, "engine");
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let request = request
            .body(body)
            .map_err(|e| Failure::Body(e.to_string()))?;
        exchange(&self.inner.socket, request).await
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        patiently(async {
            let response = self.send(Method::GET, path, &[], empty()).await?;
            read_json(response).await
        })
        .await
    }

    /// POSTs JSON and reads JSON; an empty answer reads as `null`.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<T, Failure> {
        patiently(async {
            let response = self
                .send(
                    Method::POST,
                    path,
                    &[(header::CONTENT_TYPE, "application/json")],
                    json_body(body),
                )
                .await?;
            read_json(response).await
        })
        .await
    }

    /// A request whose answer's body does not matter: some are no JSON.
    pub(crate) async fn post_and_forget(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<(), Failure> {
        patiently(async {
            let headers = [(header::CONTENT_TYPE, "application/json")];
            let response = self
                .send(Method::POST, path, &headers, json_body(body))
                .await?;
            let body = response.into_body().collect().await;
            body.map(drop)
                .map_err(|e| Failure::Connection(e.to_string()))
        })
        .await
    }

    /// An exchange whose answer's body does not matter.
    pub(crate) async fn tell(&self, method: Method, path: &str) -> Result<StatusCode, Failure> {
        self.tell_within(method, path, PATIENCE).await
    }

    pub(crate) async fn tell_within(
        &self,
        method: Method,
        path: &str,
        limit: Duration,
    ) -> Result<StatusCode, Failure> {
        within(limit, async {
            let response = self.send(method, path, &[], empty()).await?;
            let status = response.status();
            response
                .into_body()
                .collect()
                .await
                .map_err(|e| Failure::Connection(e.to_string()))?;
            Ok(status)
        })
        .await
    }
}

async fn patiently<T>(exchange: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    within(PATIENCE, exchange).await
}

async fn within<T>(
    limit: Duration,
    exchange: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::time::timeout(limit, exchange)
        .await
        .unwrap_or_else(|_| {
            Err(Failure::Connection(format!(
                "no answer within {} s",
                limit.as_secs()
            )))
        })
}

fn empty_request(method: Method, path: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "engine")
        .body(empty())
        .expect("a path of our own")
}

async fn exchange(socket: &Path, request: Request<Body>) -> Result<Response<Incoming>, Failure> {
    let broken = |e: hyper::Error| Failure::Connection(e.to_string());
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|e| Failure::Connection(format!("{}: {e}", socket.display())))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    tokio::spawn(async move {
        // Its errors reach whoever waits for the answer or reads the body.
        let _ = connection.with_upgrades().await;
    });
    let response = sender.send_request(request).await.map_err(broken)?;
    let status = response.status();
    if status.is_success()
        || status == StatusCode::NOT_MODIFIED
        || status == StatusCode::SWITCHING_PROTOCOLS
    {
        return Ok(response);
    }
    let body = response
        .into_body()
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    Err(Failure::Answer {
        status: status.as_u16(),
        message: error_message(&body),
    })
}

/// Docker answers `{"message": …}`, Podman adds `cause` and `response`.
pub(crate) fn error_message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct ErrorAnswer {
        message: String,
    }
    match serde_json::from_slice::<ErrorAnswer>(body) {
        Ok(answer) => answer.message,
        Err(_) => String::from_utf8_lossy(body).trim().to_owned(),
    }
}

async fn read_json<T: DeserializeOwned>(response: Response<Incoming>) -> Result<T, Failure> {
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(|e| Failure::Connection(e.to_string()))?
        .to_bytes();
    let json: &[u8] = if body.is_empty() { b"null" } else { &body };
    serde_json::from_slice(json).map_err(|e| Failure::Body(e.to_string()))
}

pub(crate) fn empty() -> Body {
    full(Bytes::new())
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed()
}

pub(crate) fn json_body(value: &serde_json::Value) -> Body {
    full(value.to_string())
}

/// A request's body from chunks that are made as they are sent.
pub fn body_of_reader(reader: impl tokio::io::AsyncRead + Send + Sync + Unpin + 'static) -> Body {
    let chunks = tokio_util::io::ReaderStream::with_capacity(reader, 256 * 1024);
    BodyExt::boxed(StreamBody::new(chunks.map(|chunk| chunk.map(Frame::data))))
}

pub async fn body_of_file(path: &Path) -> std::io::Result<Body> {
    Ok(body_of_reader(tokio::fs::File::open(path).await?))
}

/// Escapes one value of a query.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// `filters={"label":["a=b"]}` escaped; no filter at all for no labels, since Podman 4 refuses a filter of nothing.
pub(crate) fn label_filter(labels: &[String]) -> String {
    if labels.is_empty() {
        return escape("{}");
    }
    escape(&serde_json::json!({ "label": labels }).to_string())
}
