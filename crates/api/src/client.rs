//! The typed client: HTTP/1.1 over the control socket in the data folder, or over TCP with a token.
//!
//! One connection a request: a command makes a handful. What the server answers with a problem comes back as that problem;
//! a connection that cannot be made is `server.unreachable`.

use std::path::PathBuf;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use pluvio_model::problem::{self, Problem};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// The control socket; the server knows the caller by its peer uid.
    Socket(PathBuf),
    /// `host:port`, plain HTTP.
    Tcp(String),
    /// `host:port`, HTTP over TLS.
    Tls(String),
}

impl std::fmt::Display for Address {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Address::Socket(path) => write!(out, "{}", path.display()),
            Address::Tcp(address) => write!(out, "http://{address}"),
            Address::Tls(address) => write!(out, "https://{}", without_usual_port(address)),
        }
    }
}

fn without_usual_port(address: &str) -> &str {
    address.strip_suffix(":443").unwrap_or(address)
}

#[derive(Clone)]
pub struct Client {
    address: Address,
    token: Option<String>,
    /// For [`Address::Tls`]; `None`: as this system believes.
    tls: Option<TlsConnector>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "Client({})", self.address)
    }
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection whose kind no longer matters.
pub struct AnyIo(Box<dyn Io>);

impl std::fmt::Debug for AnyIo {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.write_str("AnyIo")
    }
}

impl AsyncRead for AnyIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}
impl AsyncWrite for AnyIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }
    fn poll_flush(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

type Body = BoxBody<Bytes, std::io::Error>;

/// A server-sent event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerEvent {
    pub id: Option<String>,
    pub event: String,
    pub data: String,
}

impl Client {
    pub fn new(address: Address, token: Option<String>) -> Client {
        Client {
            address,
            token,
            tls: None,
        }
    }

    /// For TLS: believes the authorities in `ca` (PEM) and no others; this system's without.
    pub fn believing(mut self, ca: Option<&str>) -> Result<Client, Problem> {
        self.tls = Some(crate::tls::connector(ca)?);
        Ok(self)
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    fn unreachable(&self, why: impl std::fmt::Display) -> Problem {
        problem::SERVER_UNREACHABLE.problem(
            format!("No answer from {}: {why}.", self.address),
            "Start Pluvio with `pluvio up`. Applications that run are not touched by this.",
        )
    }

    async fn open(&self) -> Result<AnyIo, Problem> {
        match &self.address {
            Address::Socket(path) => Ok(AnyIo(Box::new(
                tokio::net::UnixStream::connect(path)
                    .await
                    .map_err(|e| self.unreachable(e))?,
            ))),
            Address::Tcp(address) => Ok(AnyIo(Box::new(
                tokio::net::TcpStream::connect(address)
                    .await
                    .map_err(|e| self.unreachable(e))?,
            ))),
            Address::Tls(address) => {
                let name = crate::tls::name_of(address)?;
                let stream = tokio::net::TcpStream::connect(address)
                    .await
                    .map_err(|e| self.unreachable(e))?;
                let system;
                let tls = match &self.tls {
                    Some(tls) => tls,
                    None => {
                        system = crate::tls::connector(None)?;
                        &system
                    }
                };
                let stream = tls.connect(name, stream).await.map_err(|error| {
                    let Some(why) = crate::tls::disbelief(&error) else {
                        return self.unreachable(error);
                    };
                    problem::SERVER_UNREACHABLE.problem(
                        format!("No answer from {}: {why}.", self.address),
                        "Write the server's name as its certificate does. If its authority is one of your own, name its \
                         file: `pluvio login URL --ca FILE`.",
                    )
                })?;
                Ok(AnyIo(Box::new(stream)))
            }
        }
    }

    fn builder(&self, method: Method, path: &str) -> http::request::Builder {
        let host = match &self.address {
            Address::Socket(_) => "localhost",
            Address::Tcp(address) => address,
            Address::Tls(address) => without_usual_port(address),
        };
        let mut builder = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, host)
            .header(
                header::USER_AGENT,
                concat!("pluvio/", env!("CARGO_PKG_VERSION")),
            );
        if let Some(token) = &self.token {
            builder = builder.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        builder
    }

    async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, Problem> {
        let io = self.open().await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(io))
            .await
            .map_err(|e| self.unreachable(e))?;
        tokio::spawn(connection);
        let response = sender
            .send_request(request)
            .await
            .map_err(|e| self.unreachable(e))?;
        if response.status().is_success() || response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(response);
        }
        let status = response.status();
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|e| self.unreachable(e))?
            .to_bytes();
        Err(serde_json::from_slice(&body).unwrap_or_else(|_| {
            let text = String::from_utf8_lossy(&body);
            problem::INTERNAL.problem(
                format!("The server answered {status}: {}", text.trim()),
                "Look at the server's log.",
            )
        }))
    }

    /// Sends `body` as JSON if there is one, reads JSON (`null` for an empty answer).
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, Problem> {
        let request = self.builder(method, path);
        let request = match body {
            Some(body) => {
                let json = serde_json::to_vec(body).expect("wire types serialise");
                request
                    .header(header::CONTENT_TYPE, "application/json")
                    .body(full(json))
            }
            None => request.body(full(Vec::new())),
        }
        .expect("a valid request");
        let response = self.send(request).await?;
        let bytes = response
            .into_body()
            .collect()
            .await
            .map_err(|e| self.unreachable(e))?
            .to_bytes();
        let bytes = if bytes.is_empty() {
            Bytes::from_static(b"null")
        } else {
            bytes
        };
        serde_json::from_slice(&bytes).map_err(|e| {
            problem::INTERNAL.problem(
                format!("The server's answer cannot be read: {e}"),
                "Client and server may differ in version: `pluvio version` shows both.",
            )
        })
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Problem> {
        self.call(Method::GET, path, None::<&()>).await
    }

    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, Problem> {
        self.call(Method::POST, path, Some(body)).await
    }

    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Problem> {
        self.call(Method::DELETE, path, None::<&()>).await
    }

    /// Sends a stream of bytes, as uploads do.
    pub async fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        content_type: &str,
        body: impl Stream<Item = std::io::Result<Bytes>> + Send + Sync + 'static,
    ) -> Result<T, Problem> {
        let body = StreamBody::new(body.map(|chunk| chunk.map(Frame::data)));
        let request = self
            .builder(Method::POST, path)
            .header(header::CONTENT_TYPE, content_type)
            .body(BodyExt::boxed(body))
            .expect("a valid request");
        let response = self.send(request).await?;
        let bytes = response
            .into_body()
            .collect()
            .await
            .map_err(|e| self.unreachable(e))?
            .to_bytes();
        serde_json::from_slice(&bytes).map_err(|e| {
            problem::INTERNAL.problem(
                format!("The server's answer cannot be read: {e}"),
                "Client and server may differ in version.",
            )
        })
    }

    /// Sends so many bytes.
    pub async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        length: u64,
        body: impl Stream<Item = std::io::Result<Bytes>> + Send + Sync + 'static,
    ) -> Result<T, Problem> {
        let body = StreamBody::new(body.map(|chunk| chunk.map(Frame::data)));
        let request = self
            .builder(Method::PUT, path)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_LENGTH, length)
            .body(BodyExt::boxed(body))
            .expect("a valid request");
        let response = self.send(request).await?;
        let bytes = response
            .into_body()
            .collect()
            .await
            .map_err(|e| self.unreachable(e))?
            .to_bytes();
        serde_json::from_slice(&bytes).map_err(|e| {
            problem::INTERNAL.problem(
                format!("The server's answer cannot be read: {e}"),
                "Client and server may differ in version.",
            )
        })
    }

    /// The bytes of an answer as they come, and of which type they are.
    pub async fn download(
        &self,
        path: &str,
    ) -> Result<
        (
            String,
            impl Stream<Item = Result<Bytes, Problem>> + Send + Unpin + use<>,
        ),
        Problem,
    > {
        let request = self
            .builder(Method::GET, path)
            .body(full(Vec::new()))
            .expect("a valid request");
        let response = self.send(request).await?;
        let kind = response.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.to_owned();
        let client = self.clone();
        let content = response
            .into_body()
            .into_data_stream()
            .map(move |chunk| chunk.map_err(|error| client.unreachable(error)));
        Ok((kind, content))
    }

    /// Newline-separated JSON values, as they come.
    pub async fn lines<T: DeserializeOwned + Send + 'static>(
        &self,
        path: &str,
    ) -> Result<impl Stream<Item = Result<T, Problem>> + Send + Unpin + use<T>, Problem> {
        let request = self
            .builder(Method::GET, path)
            .header(header::ACCEPT, "application/x-ndjson")
            .body(full(Vec::new()))
            .expect("a valid request");
        let body = self.send(request).await?.into_body();
        Ok(Box::pin(text_lines(body).filter_map(|line| async move {
            match line {
                Ok(line) if line.trim().is_empty() => None,
                Ok(line) => Some(serde_json::from_str(&line).map_err(|e| {
                    problem::INTERNAL.problem(
                        format!("A line of the answer cannot be read: {e}"),
                        "Client and server may differ in version.",
                    )
                })),
                Err(problem) => Some(Err(problem)),
            }
        })))
    }

    /// Server-sent events, from after `last` on.
    pub async fn events(
        &self,
        path: &str,
        last: Option<&str>,
    ) -> Result<impl Stream<Item = Result<ServerEvent, Problem>> + Send + Unpin + use<>, Problem>
    {
        let mut request = self
            .builder(Method::GET, path)
            .header(header::ACCEPT, "text/event-stream");
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let body = self
            .send(request.body(full(Vec::new())).expect("a valid request"))
            .await?
            .into_body();
        let state = (
            Box::pin(text_lines(body)),
            ServerEvent {
                id: None,
                event: String::new(),
                data: String::new(),
            },
        );
        Ok(Box::pin(futures::stream::unfold(
            state,
            |(mut lines, mut event)| async move {
                while let Some(line) = lines.next().await {
                    let line = match line {
                        Ok(line) => line,
                        Err(problem) => return Some((Err(problem), (lines, event))),
                    };
                    if line.is_empty() {
                        if !event.event.is_empty() || !event.data.is_empty() {
                            let empty = ServerEvent {
                                id: None,
                                event: String::new(),
                                data: String::new(),
                            };
                            let whole = std::mem::replace(&mut event, empty);
                            return Some((Ok(whole), (lines, event)));
                        }
                    } else if let Some(id) = line.strip_prefix("id:") {
                        event.id = Some(id.trim().to_owned());
                    } else if let Some(name) = line.strip_prefix("event:") {
                        name.trim().clone_into(&mut event.event);
                    } else if let Some(data) = line.strip_prefix("data:") {
                        if !event.data.is_empty() {
                            event.data.push('\n');
                        }
                        event.data.push_str(data.strip_prefix(' ').unwrap_or(data));
                    }
                }
                None
            },
        )))
    }

    /// A WebSocket; a refusal comes back as the problem that the server answered with.
    pub async fn websocket(&self, path: &str) -> Result<WebSocketStream<AnyIo>, Problem> {
        let io = self.open().await?;
        let request = self
            .builder(Method::GET, &format!("ws://localhost{path}"))
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header(
                "Sec-WebSocket-Key",
                tokio_tungstenite::tungstenite::handshake::client::generate_key(),
            )
            .body(())
            .expect("a valid request");
        match tokio_tungstenite::client_async(request, io).await {
            Ok((socket, _)) => Ok(socket),
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => {
                let parsed = response
                    .body()
                    .as_deref()
                    .and_then(|body| serde_json::from_slice(body).ok());
                Err(parsed.unwrap_or_else(|| {
                    self.unreachable(format!("it answered {}", response.status()))
                }))
            }
            Err(error) => Err(self.unreachable(error)),
        }
    }
}

fn full(bytes: Vec<u8>) -> Body {
    Full::new(Bytes::from(bytes))
        .map_err(|never| match never {})
        .boxed()
}

/// A body cut into lines, without their ends.
fn text_lines(body: Incoming) -> impl Stream<Item = Result<String, Problem>> + Send {
    futures::stream::unfold(
        (body, BytesMut::new(), false),
        |(mut body, mut rest, mut over)| async move {
            loop {
                if let Some(end) = rest.iter().position(|b| *b == b'\n') {
                    let line = rest.split_to(end + 1);
                    let line = String::from_utf8_lossy(&line[..end])
                        .trim_end_matches('\r')
                        .to_owned();
                    return Some((Ok(line), (body, rest, over)));
                }
                if over {
                    if rest.is_empty() {
                        return None;
                    }
                    let line = String::from_utf8_lossy(&rest.split()).into_owned();
                    return Some((Ok(line), (body, rest, over)));
                }
                match body.frame().await {
                    Some(Ok(frame)) => {
                        if let Ok(data) = frame.into_data() {
                            rest.extend_from_slice(&data);
                        }
                    }
                    Some(Err(error)) => {
                        over = true;
                        rest.clear();
                        let problem = problem::SERVER_UNREACHABLE.problem(
                            format!("The answer broke off: {error}."),
                            "Ask again: what was asked goes on.",
                        );
                        return Some((Err(problem), (body, rest, over)));
                    }
                    None => over = true,
                }
            }
        },
    )
}
