//! Asking an API server again, where asking twice comes to the same as asking once. Servers that restart, balancers before them and
//! connections in between fail single requests; whoever asked does not notice.
//!
//! Everything that Pluvio writes names what it writes, so that a request whose answer was lost may be sent again: an apply makes
//! the same object, a deletion finds nothing, a creation finds its own. Commands in containers and tunnels are never begun twice.
//!
//! A server that asks for patience (429, or 503 with Retry-After) gets it from each request by itself: nothing else waits.

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use kube::core::Status;
use serde_json::json;
use tokio::time::Instant;
use tower::Service;

/// After failures. An answer that is slow to fail is not asked for twice: whoever waits is told.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(150),
    Duration::from_millis(400),
    Duration::from_millis(800),
];
const LONGEST: Duration = Duration::from_secs(4);
/// How often a server that says when to come again is asked, and the longest that it is waited for at once.
const MOST_WAITS: usize = 10;
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How much of a refusal is read.
const MOST_WORDS: usize = 64 << 10;

/// The same client, which asks again.
pub(crate) fn asking_again(client: Client) -> Client {
    let namespace = client.default_namespace().to_owned();
    let until = *client.valid_until();
    Client::new(Again { client }, namespace).with_valid_until(until)
}

#[derive(Clone)]
struct Again {
    client: Client,
}

impl Service<Request<Body>> for Again {
    type Response = Response<Body>;
    type Error = kube::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, kube::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), kube::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let client = self.client.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let kind = Kind::of(&parts);
            let answer = ask(&client, kind, &parts, body).await?;
            Ok(match kind {
                Kind::Watch if answer.status() == StatusCode::GONE => expired(),
                _ => answer,
            })
        })
    }
}

/// What may be done with a request's answer, and with the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Answered with one object, which is read to its end before it counts as an answer.
    Whole,
    /// A write of one version: once taken, the same again is refused.
    Versioned,
    /// Answered for as long as somebody listens.
    Watch,
    /// What a program says.
    Stream,
    /// Becomes another connection.
    Upgrade,
}

impl Kind {
    fn of(parts: &Parts) -> Kind {
        let query = parts.uri.query().unwrap_or_default();
        let path = parts.uri.path();
        if parts.headers.contains_key(UPGRADE) {
            Kind::Upgrade
        } else if query
            .split('&')
            .any(|one| matches!(one, "watch=true" | "watch=1"))
        {
            Kind::Watch
        } else if path.ends_with("/log") || path.contains("/proxy/") {
            Kind::Stream
        } else if parts.method == Method::PUT {
            Kind::Versioned
        } else {
            Kind::Whole
        }
    }
}

async fn ask(
    client: &Client,
    kind: Kind,
    parts: &Parts,
    body: Body,
) -> Result<Response<Body>, kube::Error> {
    let (begun, mut waited) = (Instant::now(), Duration::ZERO);
    let (mut failures, mut waits) = (PAUSES.into_iter(), 0);
    loop {
        // What is read as it is sent cannot be sent again.
        let Some(copy) = body.try_clone() else {
            return client.send(Request::from_parts(parts.clone(), body)).await;
        };
        let sent = client.send(Request::from_parts(parts.clone(), copy)).await;
        let answer = match sent {
            Ok(answer) => read(kind, answer).await,
            Err(error) => Err(error),
        };
        let next = match &answer {
            Ok(answer) => after(kind, answer),
            Err(_) if kind == Kind::Upgrade => Next::Take,
            Err(_) => Next::Again,
        };
        let pause = match next {
            Next::Take => return answer.map(Answer::into_response),
            Next::Wait(pause) => {
                waits += 1;
                (waits <= MOST_WAITS && pause <= LONGEST_WAIT).then_some(pause)
            }
            Next::Again => failures
                .next()
                .filter(|_| begun.elapsed() - waited < LONGEST),
        };
        let Some(pause) = pause else {
            return answer.map(Answer::into_response);
        };
        match &answer {
            Ok(answer) => {
                tracing::debug!(method = %parts.method, path = parts.uri.path(), status = answer.head.status.as_u16(), "asked again")
            }
            Err(error) => {
                tracing::debug!(method = %parts.method, path = parts.uri.path(), %error, "asked again")
            }
        }
        let before = Instant::now();
        tokio::time::sleep(pause).await;
        waited += before.elapsed();
    }
}

/// An answer whose body has been read, or flows on.
struct Answer {
    head: http::response::Parts,
    words: Option<Bytes>,
    rest: Body,
}

impl Answer {
    fn into_response(self) -> Response<Body> {
        let body = self.words.map_or(self.rest, Body::from);
        Response::from_parts(self.head, body)
    }

    /// The reason that a refusal names.
    fn reason(&self) -> Option<String> {
        let words = self
            .words
            .as_ref()
            .filter(|words| words.len() <= MOST_WORDS)?;
        serde_json::from_slice::<Status>(words)
            .ok()
            .map(|status| status.reason)
    }
}

async fn read(kind: Kind, answer: Response<Body>) -> Result<Answer, kube::Error> {
    let (mut head, body) = answer.into_parts();
    let is_whole = matches!(kind, Kind::Whole | Kind::Versioned);
    let is_refusal = head.status.is_client_error() || head.status.is_server_error();
    if !is_whole && !is_refusal {
        return Ok(Answer {
            head,
            words: None,
            rest: body,
        });
    }
    let words = body.collect_bytes().await?;
    head.headers.remove(TRANSFER_ENCODING);
    head.headers.insert(CONTENT_LENGTH, words.len().into());
    Ok(Answer {
        head,
        words: Some(words),
        rest: Body::empty(),
    })
}

enum Next {
    Take,
    Again,
    /// For as long as the server asks.
    Wait(Duration),
}

fn after(kind: Kind, answer: &Answer) -> Next {
    let status = answer.head.status;
    match status.as_u16() {
        429 | 503 => match retry_after(&answer.head.headers) {
            Some(pause) => Next::Wait(pause),
            None if status == StatusCode::TOO_MANY_REQUESTS => Next::Again,
            None if kind == Kind::Upgrade => Next::Take,
            None => Next::Again,
        },
        500 | 502 | 504 if kind != Kind::Upgrade => Next::Again,
        // Somebody else wrote at the same moment. What is there already, or is of another version, stays so.
        409 if kind == Kind::Whole && answer.reason().as_deref() == Some("Conflict") => Next::Again,
        _ => Next::Take,
    }
}

/// API servers say it in seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// A server may refuse to begin a watch where an old one ended. Said as an event, as it says so of a watch that runs, it makes the
/// watcher list anew; as a refusal it would be asked for the same again and again, and show what was there long ago.
fn expired() -> Response<Body> {
    let event = json!({ "type": "ERROR", "object": {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "too old resource version", "reason": "Expired", "code": 410,
    } });
    let mut answer = Response::new(Body::from(format!("{event}\n").into_bytes()));
    let json = http::HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, json);
    answer
}
