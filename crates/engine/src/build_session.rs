//! What BuildKit asks its client for while it builds: values of secrets, who pulls from a registry, and SSH agents.
//!
//! The client opens `POST /session`, and the roles turn around: over that connection the engine is the client of gRPC services,
//! most of one small message. Values go to the engine when a step asks for them and nowhere else: not into the
//! context, a build argument, a layer or the cache.
//! (Source: github.com/moby/buildkit, session/secrets/secrets.proto, session/auth/auth.proto.)

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioExecutor;

use crate::build_ssh::{self, Agents};
use crate::connection::{Engine, empty};
use crate::error::Failure;
use crate::image_build::fields;
use crate::pull::RegistryCredential;

const HEALTH: &str = "/grpc.health.v1.Health/Check";
const SECRET: &str = "/moby.buildkit.secrets.v1.Secrets/GetSecret";
const CREDENTIALS: &str = "/moby.filesync.v1.Auth/Credentials";

/// gRPC's own numbers.
pub(crate) const OK: u8 = 0;
const NOT_FOUND: u8 = 5;
pub(crate) const UNIMPLEMENTED: u8 = 12;
pub(crate) const UNAVAILABLE: u8 = 14;

/// A message is a name, or a piece of what an agent is asked; what is longer is not from BuildKit.
pub(crate) const LONGEST: usize = 64 * 1024;

/// What a build may ask for.
pub(crate) struct Answers {
    pub(crate) secrets: BTreeMap<String, String>,
    pub(crate) credentials: Vec<(String, RegistryCredential)>,
    pub(crate) ssh: Agents,
}

/// Open while it lives.
pub(crate) struct BuildSession {
    pub(crate) id: String,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for BuildSession {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Engine {
    pub(crate) async fn build_session(&self, answers: Answers) -> Result<BuildSession, Failure> {
        let id = uuid::Uuid::now_v7().simple().to_string();
        let session = |name: &'static str| HeaderName::from_static(name);
        let method = session("x-docker-expose-session-grpc-method");
        let headers = [
            (header::CONNECTION, "Upgrade"),
            (header::UPGRADE, "h2c"),
            (session("x-docker-expose-session-uuid"), id.as_str()),
            (session("x-docker-expose-session-name"), "pluvio"),
            (method.clone(), HEALTH),
            (method.clone(), SECRET),
            (method.clone(), CREDENTIALS),
            (method.clone(), build_ssh::CHECK),
            (method, build_ssh::FORWARD),
        ];
        let response = self
            .send(Method::POST, "/session", &headers, empty())
            .await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(Failure::Body(format!(
                "no session for the build: it answered {}",
                response.status()
            )));
        }
        let connection = hyper::upgrade::on(response)
            .await
            .map_err(|e| Failure::Connection(e.to_string()))?;
        let answers = Arc::new(answers);
        let service = hyper::service::service_fn(move |request| {
            let answers = answers.clone();
            async move { Ok::<_, Infallible>(answers.to(request).await) }
        });
        let task = tokio::spawn(async move {
            // The engine ends it when the build is done; a build that misses it says so itself.
            let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(connection, service)
                .await;
        });
        Ok(BuildSession { id, task })
    }
}

pub(crate) type Answer = UnsyncBoxBody<Bytes, Infallible>;

impl Answers {
    async fn to(&self, request: Request<Incoming>) -> Response<Answer> {
        let path = request.uri().path().to_owned();
        if path == build_ssh::FORWARD {
            let id = request.headers().get(build_ssh::ID);
            let id = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
            let id = id.to_owned();
            return build_ssh::forward(&self.ssh, &id, request.into_body()).await;
        }
        let body = http_body_util::Limited::new(request.into_body(), LONGEST);
        let (status, message) = match body.collect().await {
            Ok(body) => self.message(&path, &body.to_bytes()),
            Err(_) => (UNIMPLEMENTED, Vec::new()),
        };
        answered(status, &message)
    }

    fn message(&self, path: &str, body: &[u8]) -> (u8, Vec<u8>) {
        // A byte for compression, four for the length.
        let request = body.get(5..).unwrap_or_default();
        let asked = || {
            let name = fields(request).into_iter().find(|(field, _)| *field == 1);
            String::from_utf8_lossy(name.map_or(&[], |(_, value)| value)).into_owned()
        };
        match path {
            // SERVING
            HEALTH => (OK, vec![1 << 3, 1]),
            SECRET => match self.secrets.get(&asked()) {
                Some(value) => (OK, field(1, value.as_bytes())),
                None => (NOT_FOUND, Vec::new()),
            },
            CREDENTIALS => {
                let host = match asked().as_str() {
                    "registry-1.docker.io" | "https://index.docker.io/v1/" => {
                        "docker.io".to_owned()
                    }
                    host => host.to_owned(),
                };
                let known = self.credentials.iter().find(|(known, _)| *known == host);
                let message = known.map_or_else(Vec::new, |(_, credential)| {
                    let user = field(1, credential.user.as_bytes());
                    [user, field(2, credential.password.as_bytes())].concat()
                });
                (OK, message)
            }
            build_ssh::CHECK => build_ssh::check(&self.ssh, &asked()),
            _ => (UNIMPLEMENTED, Vec::new()),
        }
    }
}

/// One message, or only how it ended.
pub(crate) fn answered(status: u8, message: &[u8]) -> Response<Answer> {
    let framed = if status == OK {
        frame(message)
    } else {
        Bytes::new()
    };
    let parts: [Result<_, Infallible>; 2] = [Ok(Frame::data(framed)), Ok(end(status))];
    answering(StreamBody::new(stream::iter(parts)).boxed_unsync())
}

pub(crate) fn answering(body: Answer) -> Response<Answer> {
    let mut response = Response::new(body);
    let kind = header::HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// The last of an answer.
pub(crate) fn end(status: u8) -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", u16::from(status).into());
    Frame::trailers(trailers)
}

pub(crate) fn frame(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut framed = vec![0];
    framed.extend(length.to_be_bytes());
    framed.extend(message);
    framed.into()
}

/// A field of bytes.
pub(crate) fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend(content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers() -> Answers {
        let credential = RegistryCredential {
            user: "ada".to_owned(),
            password: "pw".to_owned(),
        };
        Answers {
            secrets: BTreeMap::from([("TOKEN".to_owned(), "x".repeat(300))]),
            credentials: vec![("docker.io".to_owned(), credential)],
            ssh: Agents::from([("default".to_owned(), "/agent".into())]),
        }
    }

    fn ask(path: &str, name: &str) -> (u8, Vec<u8>) {
        answers().message(path, &frame(&field(1, name.as_bytes())))
    }

    #[test]
    fn a_secret_is_given_by_its_name_and_no_other() {
        let (status, message) = ask(SECRET, "TOKEN");
        assert_eq!(status, OK);
        assert_eq!(fields(&message), [(1, "x".repeat(300).as_bytes())]);
        assert_eq!(ask(SECRET, "OTHER").0, NOT_FOUND);
    }

    #[test]
    fn a_mount_has_an_agent_by_its_id() {
        assert_eq!(ask(build_ssh::CHECK, "default"), (OK, Vec::new()));
        assert_eq!(ask(build_ssh::CHECK, "other").0, UNIMPLEMENTED);
    }

    #[test]
    fn a_registry_is_told_who_pulls_and_other_services_do_not_exist() {
        let (_, message) = ask(CREDENTIALS, "registry-1.docker.io");
        assert_eq!(fields(&message), [(1, &b"ada"[..]), (2, b"pw")]);
        assert_eq!(ask(CREDENTIALS, "other.example"), (OK, Vec::new()));
        assert_eq!(
            ask("/moby.filesync.v1.Auth/FetchToken", "x").0,
            UNIMPLEMENTED
        );
    }
}
