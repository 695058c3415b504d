//! Files that are fetched from addresses which people name: what may be asked, of whom, how much, how long.
//!
//! The server asks on behalf of somebody, so it must not reach for them what they cannot: names are resolved here, every
//! address is looked at before it is dialled, and the connection goes to that very address; redirects are followed by the
//! same rules. No proxy, no cookie, no credential, no compression.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use pluvio_model::problem::{self, Problem};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// From the question to the last byte.
const PATIENCE: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(8);
const REDIRECTS: usize = 5;

/// What was found there.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) url: String,
    /// The last part of the path, fit for a file's name.
    pub(crate) name: String,
    pub(crate) body: Vec<u8>,
    pub(crate) is_page: bool,
}

/// What is allowed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) bytes: u64,
    /// Addresses of this machine and of networks that the world does not reach.
    pub(crate) private: bool,
}

fn refused(cause: impl Into<String>, remedy: impl Into<String>) -> Problem {
    problem::SOURCE_FETCH.problem(cause, remedy)
}

/// Fetches a file.
pub(crate) async fn fetch(url: &str, limits: Limits) -> Result<Found, Problem> {
    match tokio::time::timeout(PATIENCE, follow(url, limits)).await {
        Ok(found) => found,
        Err(_) => Err(refused(
            format!(
                "{} did not send the file within {} seconds.",
                shown(url),
                PATIENCE.as_secs()
            ),
            "Try again later, or download it and choose the file.",
        )),
    }
}

async fn follow(url: &str, limits: Limits) -> Result<Found, Problem> {
    let mut target = Target::parse(url)?;
    for _ in 0..=REDIRECTS {
        let answer = target.ask(limits).await?;
        let status = answer.status();
        if status.is_redirection() {
            let to = answer.headers().get(header::LOCATION);
            let to = to.and_then(|to| to.to_str().ok()).unwrap_or_default();
            target = target.redirected(to)?;
            continue;
        }
        if status != StatusCode::OK {
            return Err(refused(
                format!("{} answers {status}.", target.shown()),
                match status.as_u16() {
                    401 | 403 => {
                        "It is not public. Download it and choose the file, or give a Git URL with a credential."
                    }
                    404 | 410 => "Look at the address: a file of that name is not there.",
                    _ => "Try again later, or download it and choose the file.",
                },
            ));
        }
        return target.read(answer, limits.bytes).await;
    }
    Err(refused(
        format!("{} leads on more than {REDIRECTS} times.", shown(url)),
        "Name the file's last address.",
    ))
}

/// An address without what may be secret in it.
fn shown(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

#[derive(Debug, Clone)]
struct Target {
    tls: bool,
    host: String,
    port: u16,
    /// Path and query.
    path: String,
}

impl Target {
    fn parse(url: &str) -> Result<Target, Problem> {
        let wrong = |why: &str| {
            refused(
                format!("`{}` {why}.", shown(url.trim())),
                "Write the whole address of a file: https://example.org/compose.yaml.",
            )
        };
        let url = url.trim().split('#').next().unwrap_or_default();
        let uri: Uri = url.parse().map_err(|_| wrong("is no address"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("does not begin with https:// or http://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("names no host"))?;
        if authority.as_str().contains('@') {
            return Err(refused(
                "The address holds a user name or a password.",
                "Leave it out. What is not public is fetched from Git with a credential, or sent as a file.",
            ));
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            return Err(wrong("names no host"));
        }
        Ok(Target {
            tls,
            host,
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            path: uri
                .path_and_query()
                .map_or_else(|| "/".to_owned(), |path| path.as_str().to_owned()),
        })
    }

    fn authority(&self) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority(), self.path)
    }

    fn shown(&self) -> String {
        shown(&self.url()).to_owned()
    }

    fn redirected(&self, to: &str) -> Result<Target, Problem> {
        let next = if to.contains("://") {
            Target::parse(to)?
        } else if let Some(rest) = to.strip_prefix("//") {
            Target::parse(&format!(
                "{}://{rest}",
                if self.tls { "https" } else { "http" }
            ))?
        } else {
            let folder = shown(&self.path)
                .rsplit_once('/')
                .map_or("", |(folder, _)| folder);
            let path = match to.starts_with('/') {
                true => to.to_owned(),
                false => format!("{folder}/{to}"),
            };
            Target {
                path: path.split('#').next().unwrap_or_default().to_owned(),
                ..self.clone()
            }
        };
        if self.tls && !next.tls {
            return Err(refused(
                format!("{} leads to an address without TLS.", self.shown()),
                "Name that address itself, if it is meant.",
            ));
        }
        Ok(next)
    }

    /// Where to connect. All of the name's addresses must be allowed: one that is not tells of a trick.
    async fn addresses(&self, limits: Limits) -> Result<Vec<SocketAddr>, Problem> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port))
            .await
            .map_err(|_| {
                refused(
                    format!("There is no host {}.", self.host),
                    "Look at the address. If it is right, this machine cannot reach the network's names.",
                )
            })?;
        let found: Vec<SocketAddr> = found.collect();
        if !limits.private && found.iter().any(|address| is_inner(address.ip())) {
            return Err(self.inner());
        }
        Ok(found)
    }

    /// Which address it is, is the inner network's own affair.
    fn inner(&self) -> Problem {
        refused(
            format!(
                "{} is an address of this machine or of a private network.",
                self.host
            ),
            "Download the file and choose it. Whoever runs Pluvio can allow such addresses: `sources.private-addresses` in pluvio.toml.",
        )
    }

    async fn ask(&self, limits: Limits) -> Result<Response<Incoming>, Problem> {
        let mut last = None;
        for address in self.addresses(limits).await? {
            match tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // This machine may have addresses that the world reaches, and much behind them that it does not.
                    let is_ours = |stream: &TcpStream| {
                        Some(stream.peer_addr().ok()?.ip() == stream.local_addr().ok()?.ip())
                    };
                    if !limits.private && is_ours(&stream).unwrap_or(true) {
                        return Err(self.inner());
                    }
                    return self.ask_over(stream).await;
                }
                Ok(Err(error)) => last = Some(error.to_string()),
                Err(_) => last = Some("no answer".to_owned()),
            }
        }
        Err(self.silent(last.unwrap_or_else(|| "it has no address".to_owned())))
    }

    fn silent(&self, why: impl std::fmt::Display) -> Problem {
        refused(
            format!("{} cannot be reached: {why}.", self.authority()),
            "Look at the address; try again later, or download it and choose the file.",
        )
    }

    async fn ask_over(&self, stream: TcpStream) -> Result<Response<Incoming>, Problem> {
        if !self.tls {
            return self.speak(stream).await;
        }
        let tls = pluvio_api::tls::connector(None)?;
        let name = pluvio_api::tls::name_of(&self.authority())?;
        let stream = tls.connect(name, stream).await.map_err(|error| {
            self.silent(pluvio_api::tls::disbelief(&error).unwrap_or_else(|| error.to_string()))
        })?;
        self.speak(stream).await
    }

    async fn speak<S>(&self, stream: S) -> Result<Response<Incoming>, Problem>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let request = Request::builder()
            .method(Method::GET)
            .uri(self.path.as_str())
            .header(header::HOST, self.authority())
            .header(
                header::USER_AGENT,
                concat!("pluvio/", env!("CARGO_PKG_VERSION")),
            )
            .header(header::ACCEPT, "*/*")
            .header(header::ACCEPT_ENCODING, "identity")
            .body(Empty::<Bytes>::new())
            .map_err(|e| self.silent(e))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| self.silent(e))?;
        tokio::spawn(connection);
        sender
            .send_request(request)
            .await
            .map_err(|e| self.silent(e))
    }

    async fn read(&self, answer: Response<Incoming>, most: u64) -> Result<Found, Problem> {
        let too_large = || {
            problem::SPEC_TOO_LARGE.problem(
                format!("{} is larger than {} MiB.", self.shown(), most >> 20),
                "Download it and send it as an archive.",
            )
        };
        let kind = answer.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let is_page = kind.starts_with("text/html");
        let length = answer.headers().get(header::CONTENT_LENGTH);
        let length: Option<u64> = length.and_then(|l| l.to_str().ok()?.parse().ok());
        if length.is_some_and(|length| length > most) {
            return Err(too_large());
        }
        let mut from = answer.into_body();
        let mut body = Vec::new();
        while let Some(frame) = from.frame().await {
            let frame = frame.map_err(|e| self.silent(e))?;
            if let Some(data) = frame.data_ref() {
                if (body.len() + data.len()) as u64 > most {
                    return Err(too_large());
                }
                body.extend_from_slice(data);
            }
        }
        Ok(Found {
            url: self.url(),
            name: self.name(),
            body,
            is_page,
        })
    }

    fn name(&self) -> String {
        let last = shown(&self.path).rsplit('/').next().unwrap_or_default();
        let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let name: String = last.chars().filter(|c| fit(*c)).take(100).collect();
        match name.trim_matches('.') {
            "" => "file".to_owned(),
            _ => name,
        }
    }
}

/// Of this machine, of networks that the world does not reach, or of no host at all (IANA's special-purpose registries).
fn is_inner(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_inner_v4(ip),
        IpAddr::V6(ip) => {
            let s = ip.segments();
            let embedded = |high: u16, low: u16| {
                let [a, b] = high.to_be_bytes();
                let [c, d] = low.to_be_bytes();
                is_inner_v4(Ipv4Addr::new(a, b, c, d))
            };
            let first = s[0];
            ip == Ipv6Addr::LOCALHOST
                || ip.is_unspecified()
                || ip.is_multicast()
                || (first & 0xfe00) == 0xfc00
                || (first & 0xffc0) == 0xfe80
                || (first & 0xffc0) == 0xfec0
                || (first == 0x2001 && s[1] == 0xdb8)
                // An IPv4 address in another dress: mapped, compatible, translated, 6to4.
                || (s[..5] == [0; 5] && s[5] == 0xffff && embedded(s[6], s[7]))
                || (s[..6] == [0; 6])
                || (s[..4] == [0; 4] && s[4] == 0xffff && s[5] == 0)
                || (first == 0x64 && s[1] == 0xff9b && (s[2] == 1 || embedded(s[6], s[7])))
                || (first == 0x2002 && embedded(s[1], s[2]))
        }
    }
}

fn is_inner_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b))
        // Azure's own service for its machines (learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16).
        || ip == Ipv4Addr::new(168, 63, 129, 16)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const OPEN: Limits = Limits {
        bytes: 1024,
        private: true,
    };
    const CLOSED: Limits = Limits {
        private: false,
        ..OPEN
    };

    #[test]
    fn inner_addresses_are_known_in_every_dress() {
        for inner in [
            "127.0.0.1",
            "127.8.9.1",
            "10.0.0.1",
            "172.16.3.4",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.0.8",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "::ffff:0:1.1.1.1",
            "64:ff9b:1::101:101",
            "168.63.129.16",
        ] {
            assert!(is_inner(inner.parse().unwrap()), "{inner}");
        }
        for outer in [
            "1.1.1.1",
            "93.184.216.34",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
        ] {
            assert!(!is_inner(outer.parse().unwrap()), "{outer}");
        }
    }

    /// Answers each connection with the next text.
    async fn server(answers: Vec<String>) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut asked = [0; 2048];
                let _ = stream.read(&mut asked).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        address
    }

    fn ok(body: &str) -> String {
        format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    #[tokio::test]
    async fn a_file_is_fetched_through_redirects() {
        let address = server(vec![
            "HTTP/1.1 302 Found\r\nlocation: b/compose.yaml?x=1#y\r\ncontent-length: 0\r\n\r\n"
                .to_owned(),
            ok("services: {}"),
        ])
        .await;
        let found = fetch(&format!("http://{address}/a/first"), OPEN)
            .await
            .unwrap();
        assert_eq!(found.name, "compose.yaml");
        assert_eq!(found.body, b"services: {}");
        assert_eq!(found.url, format!("http://{address}/a/b/compose.yaml?x=1"));
    }

    #[tokio::test]
    async fn what_is_inside_is_not_reached_by_number_nor_by_name_nor_by_redirect() {
        let address = server(vec![ok("secret")]).await;
        for host in [
            "127.0.0.1",
            "localhost",
            "[::ffff:127.0.0.1]",
            "0",
            "2130706433",
        ] {
            let url = format!("http://{host}:{}/", address.port());
            let problem = fetch(&url, CLOSED).await.unwrap_err();
            assert_eq!(problem.code, "source.fetch", "{host}: {problem:?}");
            assert!(!problem.cause.contains("answers"), "{host}: {problem:?}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_too_large_is_left_whether_it_says_so_or_not() {
        let large = "x".repeat(4096);
        let address = server(vec![ok(&large), format!("HTTP/1.1 200 OK\r\n\r\n{large}")]).await;
        for _ in 0..2 {
            let problem = fetch(&format!("http://{address}/"), OPEN)
                .await
                .unwrap_err();
            assert_eq!(problem.code, "spec.too-large", "{problem:?}");
        }
    }

    #[tokio::test]
    async fn other_schemes_passwords_and_endless_redirects_are_refused() {
        let again = "HTTP/1.1 301 Moved\r\nlocation: /\r\ncontent-length: 0\r\n\r\n".to_owned();
        let file =
            "HTTP/1.1 301 Moved\r\nlocation: file:///etc/passwd\r\ncontent-length: 0\r\n\r\n";
        let endless = server(vec![again; REDIRECTS + 1]).await;
        let to_file = server(vec![file.to_owned()]).await;
        for (url, cause) in [
            ("file:///etc/passwd".to_owned(), "is no address"),
            ("gopher://x/".to_owned(), "does not begin with"),
            ("compose.yaml".to_owned(), "does not begin with"),
            (
                "http://me:pw@example.org/".to_owned(),
                "a user name or a password",
            ),
            (format!("http://{endless}/"), "leads on more than"),
            (format!("http://{to_file}/"), "is no address"),
        ] {
            let problem = fetch(&url, OPEN).await.unwrap_err();
            assert!(problem.cause.contains(cause), "{url}: {problem:?}");
            assert!(!problem.cause.contains("pw"), "{problem:?}");
        }
    }

    #[test]
    fn a_redirect_does_not_leave_tls() {
        let target = Target::parse("https://example.org/a").unwrap();
        assert!(target.redirected("http://example.org/a").is_err());
        let next = target.redirected("//other.example/b").unwrap();
        assert!(next.tls && next.host == "other.example");
    }
}
