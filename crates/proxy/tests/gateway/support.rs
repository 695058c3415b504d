//! Instances, a client that writes bytes as they are, and tables in one line.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use pluvio_model::{
    id::Generation,
    route::{
        BackendProtocol, BackendState, Endpoint, Endpoints, PathMatch, Route, RouteFragment,
        RouteLimits, RouteMatch, RouteTable, WeightedBackend,
    },
};
use pluvio_proxy::{Gateway, GatewayConfig};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

pub(crate) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

pub(crate) fn text(text: impl Into<Bytes>) -> Body {
    Full::new(text.into())
        .map_err(|never: Infallible| match never {})
        .boxed_unsync()
}

/// An instance: an HTTP server that ends when it is dropped.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    /// Connections it has accepted.
    pub(crate) connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Origin {
    /// Answers each request with what `handle` makes of it.
    pub(crate) async fn http<F, R>(handle: F) -> Origin
    where
        F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
        R: Future<Output = Response<Body>> + Send + 'static,
    {
        Origin::raw(move |stream| {
            let handle = handle.clone();
            async move {
                let service = service_fn(move |request| {
                    let answer = handle(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection_with_upgrades(TokioIo::new(stream), service)
                    .await;
            }
        })
        .await
    }

    /// Answers everything with one text.
    pub(crate) async fn saying(answer: &'static str) -> Origin {
        Origin::http(move |_| async move { Response::new(text(answer)) }).await
    }

    /// Does with each connection as `serve` says.
    pub(crate) async fn raw<F, R>(serve: F) -> Origin
    where
        F: Fn(TcpStream) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn({
            let connections = connections.clone();
            async move {
                let mut serving = tokio::task::JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    connections.fetch_add(1, Ordering::SeqCst);
                    stream.set_nodelay(true).unwrap();
                    serving.spawn(serve(stream));
                }
            }
        });
        Origin {
            address,
            connections,
            task,
        }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint {
            address: self.address,
            instance: format!("instance-{}", self.address.port()).parse().unwrap(),
        }
    }
}

/// Reads the head of a request from a raw connection; None at its end.
pub(crate) async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

/// Two workers unless a test says otherwise, on a free port.
pub(crate) fn gateway(config: GatewayConfig) -> Gateway {
    let config = GatewayConfig {
        workers: 2,
        ..config
    };
    Gateway::bind(&["127.0.0.1:0".parse().unwrap()], config).unwrap()
}

pub(crate) fn serving(origins: &[&Origin]) -> BackendState {
    BackendState::Serving {
        endpoints: origins.iter().map(|origin| origin.endpoint()).collect(),
    }
}

pub(crate) fn endpoints<const N: usize>(states: [(&str, BackendState); N]) -> Endpoints {
    states
        .into_iter()
        .map(|(backend, state)| (backend.parse().unwrap(), state))
        .collect()
}

pub(crate) fn route(host: &str, path: &str, backend: &str) -> Route {
    Route {
        id: format!("route-{}", backend.replace('/', "-"))
            .parse()
            .unwrap(),
        hosts: vec![host.parse().unwrap()],
        matches: vec![RouteMatch {
            path: PathMatch::Prefix(path.parse().unwrap()),
        }],
        backends: vec![WeightedBackend::only(backend.parse().unwrap())],
        limits: RouteLimits::default(),
        disabled: false,
    }
}

pub(crate) fn over_http2(mut route: Route) -> Route {
    route.backends[0].protocol = BackendProtocol::Http2;
    route
}

pub(crate) fn table(routes: Vec<Route>) -> RouteTable {
    let fragment = RouteFragment {
        application: "shop".parse().unwrap(),
        generation: Generation(1),
        routes,
    };
    [fragment].into_iter().collect()
}

/// A gateway with one route, `a.test/`, to these instances.
pub(crate) fn gateway_to(origins: &[&Origin]) -> Gateway {
    let gateway = gateway(GatewayConfig::default());
    gateway.set_routes(&table(vec![route("a.test", "/", "shop/web/http")]));
    gateway.set_endpoints(&endpoints([("shop/web/http", serving(origins))]));
    gateway
}

pub(crate) fn address(gateway: &Gateway) -> SocketAddr {
    gateway.addresses()[0]
}

/// An answer, as the client's side of a connection shows it.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The stable code of the gateway's own answers.
    pub(crate) fn code(&self) -> String {
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        problem["code"].as_str().unwrap().to_owned()
    }
}

/// A client's connection. Sends what it is given, byte for byte.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    pub(crate) async fn open(gateway: &Gateway) -> Wire {
        Wire::to(address(gateway)).await
    }

    pub(crate) async fn to(address: SocketAddr) -> Wire {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Wire {
            stream,
            read: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    pub(crate) async fn get(&mut self, host: &str, path: &str) -> Reply {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n"))
            .await;
        self.reply().await.expect("an answer")
    }

    /// The next answer; None if the connection ended instead.
    pub(crate) async fn reply(&mut self) -> Option<Reply> {
        tokio::time::timeout(Duration::from_secs(20), self.read_reply())
            .await
            .expect("an answer within 20 s")
    }

    async fn read_reply(&mut self) -> Option<Reply> {
        let end = loop {
            if let Some(at) = find(&self.read, b"\r\n\r\n") {
                break at + 4;
            }
            self.fill().await?;
        };
        let head = String::from_utf8(self.read.drain(..end).collect()).unwrap();
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut reply = Reply {
            status,
            head,
            body: Vec::new(),
        };
        if status < 200 || status == 204 || status == 304 {
            return Some(reply);
        }
        if reply.header("transfer-encoding") == Some("chunked") {
            loop {
                let at = loop {
                    if let Some(at) = find(&self.read, b"\r\n") {
                        break at;
                    }
                    self.fill().await?;
                };
                let line: Vec<u8> = self.read.drain(..at + 2).collect();
                let size = std::str::from_utf8(&line).unwrap().trim();
                let size = usize::from_str_radix(size, 16).unwrap();
                if size == 0 {
                    while !(self.read.starts_with(b"\r\n")
                        || find(&self.read, b"\r\n\r\n").is_some())
                    {
                        self.fill().await?;
                    }
                    let end = find(&self.read, b"\r\n\r\n").map_or(2, |at| at + 4);
                    let trailers: Vec<u8> = self.read.drain(..end).collect();
                    reply.head.push_str(std::str::from_utf8(&trailers).unwrap());
                    return Some(reply);
                }
                while self.read.len() < size + 2 {
                    self.fill().await?;
                }
                reply.body.extend(self.read.drain(..size));
                self.read.drain(..2);
            }
        }
        let length: usize = reply
            .header("content-length")
            .map_or(0, |length| length.parse().unwrap());
        while self.read.len() < length {
            self.fill().await?;
        }
        reply.body = self.read.drain(..length).collect();
        Some(reply)
    }

    /// Reads more; None at the end.
    pub(crate) async fn fill(&mut self) -> Option<()> {
        match self.stream.read_buf(&mut self.read).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(()),
        }
    }

    /// What was read and belongs to no answer.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.read)
    }

    /// True if the gateway closes the connection within this time, whatever it says before.
    pub(crate) async fn closes_within(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, async { while self.fill().await.is_some() {} })
            .await
            .is_ok()
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// One request on a connection of its own.
pub(crate) async fn get(gateway: &Gateway, host: &str, path: &str) -> Reply {
    Wire::open(gateway).await.get(host, path).await
}

/// Waits for a condition instead of a time.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
