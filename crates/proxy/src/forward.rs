//! The way of one request: which route, which backend, which endpoint, there and back.

use std::{
    convert::Infallible,
    future::poll_fn,
    sync::{Arc, atomic::AtomicU64},
};

use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header, request::Parts,
};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use pluvio_model::route::BackendProtocol;
use tokio::time::timeout;

use crate::{
    backend::Backend,
    body::{ClientBody, Record},
    client::{Client, Command},
    h1::{Answer, AnswerBody, Connection, Exchange, Failure, Forwarded, Framing, write_head},
    h2::{self, Session},
    offers::Offers,
    outgoing::{BodyFault, Outgoing},
    refusal::Refusal,
    table::CompiledLimits,
    tunnel,
    upstream::Lease,
    worker::Present,
};

/// Answers a request, whatever happens.
pub(crate) async fn serve(
    client: Arc<Client>,
    present: Arc<Present>,
    request: Request<Incoming>,
) -> Result<Response<ClientBody>, Infallible> {
    let (parts, body) = request.into_parts();
    let mut record = Box::new(Record::begin(client, parts));
    let mut response = match forward(&mut record, body).await {
        Ok(Passage::Answer {
            answer,
            body,
            lease,
        }) => {
            record.answer(answer.status);
            let mut response = Response::new(ClientBody::answer(body, lease, record));
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            response
        }
        Ok(Passage::Session { answer, lease }) => {
            let (mut head, body) = answer.into_parts();
            record.answer(head.status);
            head.version = Version::HTTP_11;
            head.headers.remove(header::CONNECTION);
            Response::from_parts(head, ClientBody::session(body, lease, record))
        }
        Ok(Passage::Tunnel {
            answer,
            upgrade,
            connection,
            lease,
        }) => {
            record.answer(answer.status);
            let mut response = Response::new(ClientBody::tunnel());
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            let fields = response.headers_mut();
            fields.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            if let Some(protocol) = answer.upgrade {
                fields.insert(header::UPGRADE, protocol);
            }
            let (stream, read_ahead) = connection.into_parts();
            tokio::spawn(async move {
                tunnel::join(upgrade, stream, read_ahead, lease, record).await;
                drop(present);
            });
            return Ok(response);
        }
        Err(refusal) => {
            record.refusal = Some(refusal);
            record.answer(refusal.status());
            let answer = refusal.answer(&record.parts.method, &record.parts.headers);
            answer.map(|bytes| ClientBody::whole(bytes, record))
        }
    };
    // The gateway is about to end: the client is told with its answer, so that it never sends into a closing connection.
    if response.body().client_command() >= Command::Finish && response.version() != Version::HTTP_2
    {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// How a request got through to an instance.
enum Passage {
    Answer {
        answer: Answer,
        body: Box<AnswerBody>,
        lease: Lease,
    },
    Session {
        answer: Response<Incoming>,
        lease: Lease,
    },
    Tunnel {
        answer: Answer,
        upgrade: OnUpgrade,
        connection: Box<Connection>,
        lease: Lease,
    },
}

async fn forward(record: &mut Record, body: Incoming) -> Result<Passage, Refusal> {
    let client = record.client.clone();
    if record.parts.method == Method::CONNECT {
        return Err(Refusal::Method);
    }
    let upgrade = wanted_upgrade(&mut record.parts);
    let authority = authority(&record.parts)?;
    let host = host_of(authority).ok_or(Refusal::BadHost)?;
    let route = match &client.edge {
        Some(edge) => edge.clone(),
        None => client
            .worker
            .shared
            .table
            .load()
            .lookup(host, record.parts.uri.path())
            .cloned()
            .ok_or(Refusal::NoRoute)?,
    };
    route.series.begin();
    record.route = Some(route.clone());
    let limits = route.limits;

    let mut outgoing = Outgoing::new(body, limits.body_bytes);
    if !outgoing.is_empty() {
        if let (Some(limit), Some(length)) = (limits.body_bytes, outgoing.length())
            && length > limit
        {
            return Err(Refusal::BodyTooLarge);
        }
        let counter = Arc::new(AtomicU64::new(0));
        outgoing.count_into(counter.clone());
        record.received = Some(counter);
    }

    let choice = route.choose().ok_or(Refusal::NoEndpoint)?;
    let backend = &choice.backend;
    backend.series.begin();
    record.backend = Some(backend.clone());
    let forwarded = Forwarded {
        client: client.peer().ip(),
        trusted: client.trusted,
        inner: client.edge.is_some(),
        scheme: "http",
        host: authority,
    };
    let attempt = Attempt {
        client: &client,
        parts: &record.parts,
        backend,
        forwarded,
        limits,
        instance: &mut record.instance,
    };
    match choice.protocol {
        BackendProtocol::Http1 => attempt.over_http1(outgoing, upgrade).await,
        BackendProtocol::Http2 => attempt.over_http2(outgoing).await,
    }
}

/// A request that has found its backend.
struct Attempt<'a> {
    client: &'a Client,
    parts: &'a Parts,
    backend: &'a Backend,
    forwarded: Forwarded<'a>,
    limits: CompiledLimits,
    instance: &'a mut Option<pluvio_model::route::InstanceKey>,
}

impl Attempt<'_> {
    async fn over_http1(
        self,
        mut outgoing: Outgoing,
        mut upgrade: Option<(HeaderValue, OnUpgrade)>,
    ) -> Result<Passage, Refusal> {
        let framing = if outgoing.is_empty() {
            Framing::None
        } else {
            match outgoing.length() {
                Some(length) => Framing::Length(length),
                None => Framing::Chunked,
            }
        };
        let head_only = self.parts.method == Method::HEAD;
        let mut offers = Offers::default();
        let mut repeated = false;
        loop {
            let lease = offers.next(self.backend).await?;
            if self.instance.as_ref() != Some(lease.upstream().instance()) {
                *self.instance = Some(lease.upstream().instance().clone());
            }
            let worker = &self.client.worker;
            // A connection that has just proved unreliable is not followed by another that may be.
            let kept = (!repeated)
                .then(|| lease.upstream().take_idle(worker.index, worker.now()))
                .flatten();
            let reused = kept.is_some();
            let mut connection = match kept {
                Some(connection) => connection,
                None => {
                    let opening = Connection::open(lease.upstream().address());
                    match timeout(self.limits.connect, opening).await {
                        Ok(Ok(connection)) => connection,
                        failed => {
                            offers.failed(&lease, failed.ok().and_then(Result::err));
                            continue;
                        }
                    }
                }
            };
            let protocol = upgrade.as_ref().map(|(protocol, _)| protocol.as_bytes());
            connection.put_head(|out| {
                write_head(out, self.parts, framing, &self.forwarded, protocol);
            });
            let mut exchange = Exchange::new(
                connection,
                outgoing,
                framing,
                head_only,
                self.limits.response,
            );
            let failure = match poll_fn(|cx| exchange.poll_answer(cx)).await {
                Ok(answer) if answer.status == StatusCode::SWITCHING_PROTOCOLS => {
                    let Some((_, upgrade)) = upgrade.take() else {
                        return Err(Refusal::InvalidAnswer);
                    };
                    return Ok(Passage::Tunnel {
                        answer,
                        upgrade,
                        connection: exchange.into_connection(),
                        lease,
                    });
                }
                Ok(answer) => {
                    let body = Box::new(exchange.into_body(&answer, self.limits.idle));
                    return Ok(Passage::Answer {
                        answer,
                        body,
                        lease,
                    });
                }
                Err(failure) => failure,
            };
            tracing::debug!(
                error = %failure,
                address = %lease.upstream().address(),
                reused,
                "an instance gave no answer"
            );
            // The usual case: the instance closed a kept connection just as it was used again.
            let broken = matches!(failure, Failure::Connection(_) | Failure::Closed);
            if broken
                && reused
                && !repeated
                && let Some(again) = exchange.into_repeatable(self.parts.method.is_idempotent())
            {
                outgoing = again;
                repeated = true;
                continue;
            }
            return Err(refusal_of(&failure));
        }
    }

    async fn over_http2(self, outgoing: Outgoing) -> Result<Passage, Refusal> {
        let mut request = h2::request(self.parts, outgoing, &self.forwarded);
        let mut offers = Offers::default();
        let mut repeated = false;
        loop {
            let lease = offers.next(self.backend).await?;
            *self.instance = Some(lease.upstream().instance().clone());
            let index = self.client.worker.index;
            let mut session = match lease.upstream().session(index) {
                Some(session) => session,
                None => {
                    let opening = Session::open(lease.upstream().address());
                    match timeout(self.limits.connect, opening).await {
                        Ok(Ok(session)) => {
                            lease.upstream().keep_session(index, &session);
                            session
                        }
                        failed => {
                            offers.failed(&lease, failed.ok().and_then(Result::err));
                            continue;
                        }
                    }
                }
            };
            match session.send(request, self.limits.response).await {
                Ok(answer) => return Ok(Passage::Session { answer, lease }),
                Err(h2::Failure::NotSent(again)) if !repeated => {
                    request = *again;
                    repeated = true;
                }
                Err(failure) => {
                    tracing::debug!(
                        error = %failure,
                        address = %lease.upstream().address(),
                        "an instance gave no answer"
                    );
                    return Err(match failure {
                        h2::Failure::Timeout(_) => Refusal::AnswerTimeout,
                        h2::Failure::NotSent(_) | h2::Failure::Session(_) => Refusal::NoAnswer,
                    });
                }
            }
        }
    }
}

fn refusal_of(failure: &Failure) -> Refusal {
    match failure {
        Failure::Connection(_) | Failure::Closed => Refusal::NoAnswer,
        Failure::Timeout(_) => Refusal::AnswerTimeout,
        Failure::Invalid(_) => Refusal::InvalidAnswer,
        Failure::Body(BodyFault::TooLarge) => Refusal::BodyTooLarge,
        Failure::Body(BodyFault::Stalled) => Refusal::BodyStalled,
        Failure::Body(BodyFault::Client(_)) => Refusal::BodyBroken,
    }
}

/// The protocol that the client wants its connection to change to. Only HTTP/1.1 has this, and `h2c` is not passed on: it
/// would let a client speak past the gateway to an instance (request smuggling).
fn wanted_upgrade(parts: &mut Parts) -> Option<(HeaderValue, OnUpgrade)> {
    let protocol = parts.headers.get(header::UPGRADE)?;
    let asked = parts.version == Version::HTTP_11
        && lists(&parts.headers, &header::CONNECTION, b"upgrade")
        && !protocol
            .as_bytes()
            .get(..3)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"h2c"));
    if !asked {
        return None;
    }
    let protocol = protocol.clone();
    Some((protocol, parts.extensions.remove::<OnUpgrade>()?))
}

fn lists(headers: &HeaderMap, name: &header::HeaderName, option: &[u8]) -> bool {
    headers.get_all(name).iter().any(|value| {
        value
            .as_bytes()
            .split(|b| *b == b',')
            .any(|listed| listed.trim_ascii().eq_ignore_ascii_case(option))
    })
}

/// The host and port that the request is for. One that is told twice could be understood differently by the gateway and the
/// instance, so it is refused.
fn authority(parts: &Parts) -> Result<&str, Refusal> {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let (host, further) = (hosts.next(), hosts.next());
    if further.is_some() {
        return Err(Refusal::BadHost);
    }
    if let Some(authority) = parts.uri.authority() {
        return Ok(authority.as_str());
    }
    match host {
        Some(host) => host.to_str().map_err(|_| Refusal::BadHost),
        None if parts.version == Version::HTTP_10 => Ok(""),
        None => Err(Refusal::BadHost),
    }
}

/// The host in `host`, `host:port`, `[v6]`, `[v6]:port`.
fn host_of(authority: &str) -> Option<&str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (inside, port) = rest.split_once(']')?;
            if !inside
                .bytes()
                .all(|b| b.is_ascii_hexdigit() || b":.".contains(&b))
            {
                return None;
            }
            (&authority[..inside.len() + 2], port)
        }
        None => {
            let end = authority.find(':').unwrap_or(authority.len());
            let (host, port) = authority.split_at(end);
            let valid = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
            if !host.bytes().all(valid) {
                return None;
            }
            (host, port)
        }
    };
    let port_is_valid = match port.strip_prefix(':') {
        Some(digits) => digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit()),
        None => port.is_empty(),
    };
    port_is_valid.then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_taken_out_of_what_names_them() {
        let check = |authority: &str, want: Option<&str>| {
            assert_eq!(host_of(authority), want, "{authority}");
        };
        check("a.test", Some("a.test"));
        check("a.test:80", Some("a.test"));
        check("[::1]", Some("[::1]"));
        check("[::1]:8080", Some("[::1]"));
        check("", Some(""));
        for bad in [
            "user@a.test",
            "a.test:x",
            "a.test:999999",
            "a b",
            "[::1",
            "[x]",
            "a/b",
            "a.test:80:80",
            "ä.test",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn a_host_told_twice_is_refused_and_a_full_address_in_the_request_line_decides() {
        let check = |request: http::request::Builder, want: Result<&str, Refusal>| {
            let (parts, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(authority(&parts), want);
        };
        check(Request::get("/").header("host", "a"), Ok("a"));
        check(Request::get("/"), Err(Refusal::BadHost));
        check(Request::get("/").version(Version::HTTP_10), Ok(""));
        check(
            Request::get("/").header("host", "a").header("host", "a"),
            Err(Refusal::BadHost),
        );
        check(Request::get("http://b:80/").header("host", "a"), Ok("b:80"));
    }
}
