//! One connection: a request, its way to the server, and what comes back of the answer. Each is closed after its answer, so that
//! nothing has to be told of where an answer ends.

use std::io::{Error, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::fate::{Fate, Fault};
use super::{Shared, State};

const MOST_HEAD: usize = 64 << 10;
/// How long a server asks to be left alone, in seconds.
const RETRY_AFTER: u64 = 1;

/// The server, and how it knows who asks.
#[derive(Clone)]
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    /// With the kubeconfig's certificate.
    known: TlsConnector,
    /// For requests with a token of their own.
    unknown: TlsConnector,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "Upstream({})", self.address)
    }
}

/// What stands behind a name in a kubeconfig of one cluster and one user, as `scripts/kubernetes` writes it.
pub(super) fn field<'a>(kubeconfig: &'a str, name: &str) -> &'a str {
    let at = kubeconfig
        .find(name)
        .unwrap_or_else(|| panic!("the kubeconfig has no {name}"));
    let rest = kubeconfig[at + name.len()..].trim_start_matches('"');
    let end = rest.find(['"', ',', '}', '\n', ' ']).unwrap_or(rest.len());
    &rest[..end]
}

impl Upstream {
    pub(super) fn of(kubeconfig: &str) -> Upstream {
        let pem = |name: &str| {
            let text = BASE64_STANDARD.decode(field(kubeconfig, name));
            text.unwrap_or_else(|error| panic!("{name}{error}"))
        };
        let certificates = |pem: &[u8]| -> Vec<CertificateDer> {
            let all = CertificateDer::pem_slice_iter(pem);
            all.map(|one| one.expect("a certificate").into_owned())
                .collect()
        };
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates(&pem("certificate-authority-data: ")));
        let config = || {
            let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
            let config = config
                .with_safe_default_protocol_versions()
                .expect("versions");
            config.with_root_certificates(roots.clone())
        };
        let chain = certificates(&pem("client-certificate-data: "));
        let key = PrivateKeyDer::from_pem_slice(&pem("client-key-data: ")).expect("a key");
        let known = config()
            .with_client_auth_cert(chain, key)
            .expect("a certificate with its key");
        let server = field(kubeconfig, "server: ").trim_start_matches("https://");
        Upstream {
            address: server.parse().expect("the server's address"),
            known: TlsConnector::from(Arc::new(known)),
            unknown: TlsConnector::from(Arc::new(config().with_no_client_auth())),
        }
    }

    async fn connect(&self, is_known: bool) -> Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let connector = if is_known { &self.known } else { &self.unknown };
        connector
            .connect(ServerName::from(self.address.ip()), stream)
            .await
    }
}

pub(super) async fn pass(shared: Arc<Shared>, client: TcpStream) {
    let mut state = shared.state.subscribe();
    let _ = client.set_nodelay(true);
    let mut client = client;
    if *state.borrow_and_update() == State::Open {
        let passed = tokio::select! {
            passed = serve(&shared, &mut client) => passed,
            _ = state.changed() => Err(Error::other("the way is shut")),
        };
        if passed.is_ok() {
            let _ = client.shutdown().await;
            return;
        }
    }
    if *state.borrow() == State::Hanging {
        // Kept open: nobody is told anything.
        let _ = state.wait_for(|state| *state != State::Hanging).await;
    }
    reset(&client);
}

/// What is sent next is a reset.
fn reset(client: &TcpStream) {
    let _ = client.set_zero_linger();
}

/// An error resets the connection.
async fn serve(shared: &Shared, client: &mut TcpStream) -> Result<()> {
    let Some((head, mut body)) = read_head(client).await? else {
        return Ok(());
    };
    shared
        .requests
        .fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    let head = String::from_utf8(head).map_err(Error::other)?;
    let request = Request::of(&head);
    while body.len() < request.length {
        if client.read_buf(&mut body).await? == 0 {
            return Err(Error::other("half a request"));
        }
    }
    let fate = shared.fates.lock().expect("no holder panics").next(
        request.method,
        request.url,
        request.opens,
    );
    if let Some(fault) = fate.fault {
        shared.count(fault, &format!("{} {}", request.method, request.url));
    }
    match fate.fault {
        Some(Fault::Conflict) => {
            return refuse(client, 409, "Conflict", "the object has been modified", "").await;
        }
        Some(Fault::Gone) => {
            return refuse(client, 410, "Expired", "too old resource version", "").await;
        }
        Some(Fault::TooMany) => {
            let after = format!("retry-after: {RETRY_AFTER}\r\n");
            return refuse(client, 429, "TooManyRequests", "too many requests", &after).await;
        }
        Some(Fault::Failed) => {
            return refuse_late(client).await;
        }
        Some(Fault::Unavailable) => {
            return refuse(client, 503, "ServiceUnavailable", "apiserver not ready", "").await;
        }
        Some(Fault::GoneEvent) => return gone(client).await,
        Some(Fault::ResetBefore) => return Err(Error::other("reset")),
        Some(Fault::Delay) => {
            tokio::time::sleep(Duration::from_millis(200 + fate.number % 1800)).await
        }
        _ => {}
    }
    let mut server = shared.upstream.connect(!request.has_token).await?;
    server.write_all(request.onward(&head).as_bytes()).await?;
    server.write_all(&body).await?;
    server.flush().await?;
    if request.opens {
        tokio::io::copy_bidirectional(client, &mut server).await?;
        return Ok(());
    }
    answer(client, &mut server, fate).await
}

struct Request<'a> {
    method: &'a str,
    url: &'a str,
    length: usize,
    opens: bool,
    has_token: bool,
}

impl Request<'_> {
    fn of(head: &str) -> Request<'_> {
        let mut words = head.split(' ');
        let header = |name: &str| {
            let mut lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
            lines
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim())
        };
        assert!(
            header("transfer-encoding").is_none(),
            "a request in chunks: {head}"
        );
        Request {
            method: words.next().unwrap_or_default(),
            url: words.next().unwrap_or_default(),
            length: header("content-length").map_or(0, |text| text.parse().expect("a length")),
            opens: header("upgrade").is_some(),
            has_token: header("authorization").is_some(),
        }
    }

    /// The head as the server gets it: it closes the connection when it has answered.
    fn onward(&self, head: &str) -> String {
        if self.opens {
            return head.to_owned();
        }
        let lines = head.trim_end().split("\r\n");
        let kept = lines.filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
        let mut out: String = kept.flat_map(|line| [line, "\r\n"]).collect();
        out.push_str("connection: close\r\n\r\n");
        out
    }
}

/// A head with what came behind it; `None` if nobody asks anything.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
    let mut bytes = Vec::with_capacity(4096);
    loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(at + 4);
            return Ok(Some((bytes, rest)));
        }
        if bytes.len() > MOST_HEAD {
            return Err(Error::other("a head without end"));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return if bytes.is_empty() {
                Ok(None)
            } else {
                Err(Error::other("half a head"))
            };
        }
    }
}

/// As a server says it that its own store does not answer.
async fn refuse_late(client: &mut TcpStream) -> Result<()> {
    let words = "etcdserver: request timed out";
    refuse(client, 500, "InternalError", words, "").await
}

async fn refuse(
    client: &mut TcpStream,
    code: u16,
    reason: &str,
    message: &str,
    more: &str,
) -> Result<()> {
    let body = format!(
        r#"{{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Failure","message":"{message}","reason":"{reason}","code":{code}}}"#
    );
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {code} {reason}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{more}connection: close\r\n\r\n{body}"
    );
    client.write_all(text.as_bytes()).await
}

/// A watch that says at once that it cannot go on from there.
async fn gone(client: &mut TcpStream) -> Result<()> {
    let event = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version","reason":"Expired","code":410}}"#;
    let text = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{event}\n"
    );
    client.write_all(text.as_bytes()).await
}

/// Passes on what the server answers, as far as fate lets it.
async fn answer(
    client: &mut TcpStream,
    server: &mut TlsStream<TcpStream>,
    fate: Fate,
) -> Result<()> {
    let Some((head, rest)) = read_head(server).await? else {
        return Err(Error::other("no answer"));
    };
    let length = String::from_utf8_lossy(&head)
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok());
    match fate.fault {
        // Half of the time even the head is lost.
        Some(Fault::ResetAfter) if fate.number.is_multiple_of(2) => {
            return Err(Error::other("reset"));
        }
        Some(Fault::FailedAfter) => {
            return refuse_late(client).await;
        }
        _ => {}
    }
    client.write_all(&head).await?;
    let whole = length.unwrap_or(rest.len().max(2));
    let (most, time) = match fate.fault {
        Some(Fault::ResetAfter | Fault::Truncated) => (whole / 2, None),
        // A line that has begun, some seconds after the watch has.
        Some(Fault::WatchTruncated) => (
            usize::MAX,
            Some(Duration::from_millis(500 + fate.number % 5000)),
        ),
        _ => (usize::MAX, None),
    };
    let relayed = relay(client, server, rest, most);
    let done = match time {
        Some(time) => tokio::time::timeout(time, relayed).await.unwrap_or(Ok(())),
        None => relayed.await,
    };
    done?;
    match fate.fault {
        Some(Fault::ResetAfter) => Err(Error::other("reset")),
        Some(Fault::WatchTruncated) => {
            client
                .write_all(b"14\r\n{\"type\":\"MODIFIED\",\"\r\n0\r\n\r\n")
                .await
        }
        _ => Ok(()),
    }
}

async fn relay(
    client: &mut TcpStream,
    server: &mut TlsStream<TcpStream>,
    first: Vec<u8>,
    most: usize,
) -> Result<()> {
    let mut bytes = first;
    let mut sent = 0;
    loop {
        bytes.truncate(most - sent);
        client.write_all(&bytes).await?;
        sent += bytes.len();
        if sent == most {
            return Ok(());
        }
        bytes.clear();
        bytes.reserve(16 << 10);
        // Go's server ends TLS without a word now and then.
        match server.read_buf(&mut bytes).await {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
            read => drop(read?),
        }
    }
}
