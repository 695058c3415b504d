//! HTTP/2 towards instances that speak it by prior knowledge (gRPC): one connection for each worker and endpoint, shared by all
//! its requests. Unlike HTTP/1.1 this is hyper's client; requests on it share a connection, so that it needs a task of its own.

use std::{io, net::SocketAddr, time::Duration};

use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, Version, header, request::Parts,
};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::{
    h1::{Forwarded, connection_options, is_dropped},
    near,
    outgoing::Outgoing,
};

/// Per stream and per connection, as browsers and proxies use: enough for a gigabit at 10 ms.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

#[derive(Clone)]
pub(crate) struct Session(http2::SendRequest<Outgoing>);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The request was not sent: it can be, elsewhere.
    #[error("the session was closed before the request was sent")]
    NotSent(Box<Request<Outgoing>>),
    #[error("the session failed")]
    Session(#[source] hyper::Error),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

impl Session {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Session> {
        let stream = near::connect(address).await?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a session with an instance ended");
            }
        });
        Ok(Session(sender))
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    pub(crate) async fn send(
        &mut self,
        request: Request<Outgoing>,
        within: Duration,
    ) -> Result<Response<Incoming>, Failure> {
        match tokio::time::timeout(within, self.0.try_send_request(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(mut error)) => Err(match error.take_message() {
                Some(request) => Failure::NotSent(Box::new(request)),
                None => Failure::Session(error.into_error()),
            }),
            Err(_) => Err(Failure::Timeout(within)),
        }
    }
}

/// The request as it is sent to the instance.
pub(crate) fn request(
    parts: &Parts,
    outgoing: Outgoing,
    forwarded: &Forwarded<'_>,
) -> Request<Outgoing> {
    let mut headers = HeaderMap::with_capacity(parts.headers.len() + 3);
    let named = connection_options(&parts.headers);
    for (name, value) in &parts.headers {
        let hop_by_hop = named.as_ref().is_some_and(|named| named.contains(name));
        if !hop_by_hop && !is_dropped(name, forwarded) {
            headers.append(name, value.clone());
        }
    }
    if let Some(length) = outgoing.length().filter(|length| *length > 0) {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    // gRPC servers refuse requests without it.
    if parts
        .headers
        .get(header::TE)
        .is_some_and(|te| te == "trailers")
    {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    let mut tell = |name: &'static str, own: &str| {
        let name = HeaderName::from_static(name);
        let said = parts.headers.get(&name).filter(|_| forwarded.trusted);
        let value = match (said, name.as_str()) {
            (Some(said), "x-forwarded-for") => {
                let said = String::from_utf8_lossy(said.as_bytes());
                HeaderValue::from_str(&format!("{said}, {own}")).ok()
            }
            (Some(said), _) => Some(said.clone()),
            (None, _) => HeaderValue::from_str(own).ok(),
        };
        if let Some(value) = value {
            headers.insert(name, value);
        }
    };
    if !forwarded.inner {
        tell("x-forwarded-for", &forwarded.client.to_string());
        tell("x-forwarded-proto", forwarded.scheme);
        tell("x-forwarded-host", forwarded.host);
    }

    let target = parts
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let mut request = Request::new(outgoing);
    *request.version_mut() = Version::HTTP_2;
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = http::Uri::builder()
        .scheme("http")
        .authority(forwarded.host)
        .path_and_query(target)
        .build()
        .unwrap_or_default();
    *request.headers_mut() = headers;
    request
}
