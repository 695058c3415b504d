//! The distribution API. Names in paths may hold slashes, so a path is read from its end.

mod blobs;
mod manifests;
mod uploads;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pluvio_model::id::TeamId;

use crate::Registry;
use crate::authorize::{Action, Authorizer, Credential, Verdict};
use crate::failure::{Code, Failure};
use crate::name::{Digest, Reference, Repository};

pub(super) const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

#[derive(Clone)]
struct App {
    registry: Registry,
    authorizer: Arc<dyn Authorizer>,
}

/// Who was let in, and where.
struct Entry<'a> {
    registry: &'a Registry,
    authorizer: &'a dyn Authorizer,
    credential: Option<Credential>,
    team: TeamId,
    actor: String,
    repository: Repository,
}

impl Registry {
    /// What is served below `/v2/`.
    pub fn router(&self, authorizer: Arc<dyn Authorizer>) -> axum::Router {
        let app = App {
            registry: self.clone(),
            authorizer,
        };
        axum::Router::new().fallback(serve).with_state(app)
    }
}

/// What a path asks for, below a repository.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Blob(Digest),
    Uploads,
    Upload(String),
    Manifest(Reference),
    Tags,
    Referrers(Digest),
}

async fn serve(State(app): State<App>, request: Request) -> Response {
    let mut response = match answer(&app, request).await {
        Ok(response) => response,
        Err(failure) => failure.into_response(),
    };
    let version = HeaderValue::from_static("registry/2.0");
    response.headers_mut().insert(API_VERSION, version);
    let failed = response.status().is_server_error();
    app.registry.inner.metrics.answered(failed);
    response
}

async fn answer(app: &App, request: Request) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let credential = Credential::of(&parts.headers);
    let path = decode(parts.uri.path()).unwrap_or_default();
    let Some(rest) = path.strip_prefix("/v2/").or((path == "/v2").then_some("")) else {
        return Err(Failure {
            status: StatusCode::NOT_FOUND,
            ..Failure::of(
                Code::Unsupported,
                "this is a registry of images; it answers below /v2/",
            )
        });
    };
    if rest.is_empty() {
        if !app.authorizer.recognises(credential.as_ref()).await? {
            return Err(unauthorized());
        }
        return Ok(json(StatusCode::OK, "application/json", "{}".to_owned()));
    }
    let (repository, place) = place(rest)?;
    let action = match parts.method {
        Method::GET | Method::HEAD if !matches!(place, Place::Upload(_) | Place::Uploads) => {
            Action::Pull
        }
        Method::DELETE if !matches!(place, Place::Upload(_)) => Action::Delete,
        _ => Action::Push,
    };
    let verdict = app
        .authorizer
        .authorize(credential.as_ref(), action, &repository)
        .await?;
    let (team, actor) = match verdict {
        Verdict::Allowed { team, actor } => (team, actor),
        Verdict::Unauthorized => return Err(unauthorized()),
        Verdict::Denied => {
            return Err(Failure::of(
                Code::Denied,
                "the credential does not allow this here, or there is no such repository",
            ));
        }
    };
    let entry = Entry {
        registry: &app.registry,
        authorizer: app.authorizer.as_ref(),
        credential,
        team,
        actor,
        repository,
    };
    let query = Query::of(parts.uri.query().unwrap_or_default());
    let headers = &parts.headers;
    match (parts.method, place) {
        (Method::GET, Place::Blob(digest)) => entry.pull(&digest, headers, true).await,
        (Method::HEAD, Place::Blob(digest)) => entry.pull(&digest, headers, false).await,
        (Method::DELETE, Place::Blob(digest)) => entry.delete_blob(&digest).await,
        (Method::POST, Place::Uploads) => entry.begin(&query, body).await,
        (Method::PATCH, Place::Upload(id)) => entry.append(&id, headers, body).await,
        (Method::PUT, Place::Upload(id)) => entry.finish(&id, &query, headers, body).await,
        (Method::GET, Place::Upload(id)) => entry.upload_state(&id).await,
        (Method::DELETE, Place::Upload(id)) => entry.cancel(&id).await,
        (Method::GET, Place::Manifest(reference)) => entry.manifest(&reference, true).await,
        (Method::HEAD, Place::Manifest(reference)) => entry.manifest(&reference, false).await,
        (Method::PUT, Place::Manifest(reference)) => {
            entry.put_manifest(&reference, headers, body).await
        }
        (Method::DELETE, Place::Manifest(reference)) => entry.delete_manifest(&reference).await,
        (Method::GET, Place::Tags) => entry.tags(&query).await,
        (Method::GET, Place::Referrers(digest)) => entry.referrers(&digest, &query).await,
        (method, _) => Err(Failure::of(
            Code::Unsupported,
            format!("{method} is nothing that can be done here"),
        )),
    }
}

fn unauthorized() -> Failure {
    Failure::of(
        Code::Unauthorized,
        "sign in with any name, and an API token as the password (`pluvio token create NAME`)",
    )
}

fn place(path: &str) -> Result<(Repository, Place), Failure> {
    let unknown = || Failure {
        status: StatusCode::NOT_FOUND,
        ..Failure::of(
            Code::Unsupported,
            "there is nothing of that name in the distribution specification",
        )
    };
    if let Some(name) = path.strip_suffix("/tags/list") {
        return Ok((name.parse()?, Place::Tags));
    }
    if let Some(name) = path
        .strip_suffix("/blobs/uploads/")
        .or_else(|| path.strip_suffix("/blobs/uploads"))
    {
        return Ok((name.parse()?, Place::Uploads));
    }
    let (rest, last) = path.rsplit_once('/').ok_or_else(unknown)?;
    if let Some(name) = rest.strip_suffix("/blobs/uploads") {
        return Ok((name.parse()?, Place::Upload(last.to_owned())));
    }
    if let Some(name) = rest.strip_suffix("/blobs") {
        return Ok((name.parse()?, Place::Blob(last.parse()?)));
    }
    if let Some(name) = rest.strip_suffix("/manifests") {
        return Ok((name.parse()?, Place::Manifest(last.parse()?)));
    }
    if let Some(name) = rest.strip_suffix("/referrers") {
        return Ok((name.parse()?, Place::Referrers(last.parse()?)));
    }
    Err(unknown())
}

/// Percent signs of a path or query; `None` when what they say is no text.
fn decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            out.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

struct Query(Vec<(String, String)>);

impl Query {
    fn of(text: &str) -> Query {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, decode(&value.replace('+', " "))?))
        });
        Query(pairs.collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        let mut pairs = self.0.iter();
        pairs
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

fn json(status: StatusCode, kind: &str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    set(&mut response, header::CONTENT_TYPE, kind);
    response
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Values are ours, or were checked when they came in; one that does not fit is left out.
fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_from_their_end() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let (name, found) = place(&format!("main/blobs/uploads/blobs/{digest}")).unwrap();
        assert_eq!(
            (name.as_str(), found),
            ("main/blobs/uploads", Place::Blob(digest.parse().unwrap()))
        );
        let (name, found) = place("main/tags/list/tags/list").unwrap();
        assert_eq!((name.as_str(), found), ("main/tags/list", Place::Tags));
        let (_, found) = place("main/shop/manifests/v1").unwrap();
        assert_eq!(found, Place::Manifest(Reference::Tag("v1".to_owned())));
        for bad in [
            "main",
            "main/shop",
            "main/shop/blobs/sha256:12",
            "shop/manifests/v1",
            "main/../manifests/v1",
        ] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn percent_signs_are_read() {
        assert_eq!(decode("sha256%3Aab").as_deref(), Some("sha256:ab"));
        assert_eq!(decode("%zz"), None);
        assert_eq!(decode("%e"), None);
        let query = Query::of("digest=sha256%3Aab&n=3&last=&x");
        assert_eq!(
            (query.get("digest"), query.get("n"), query.get("last")),
            (Some("sha256:ab"), Some("3"), Some(""))
        );
    }
}
