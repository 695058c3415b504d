//! One question to one instance: HTTP, TCP or a command.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use indexmap::IndexMap;
use pluvio_model::id::ApplicationId;
use pluvio_model::release::Check;
use pluvio_runtime::driver::Driver;
use pluvio_runtime::{ExecOutput, ExecRequest};
use tokio::net::TcpStream;

/// How much of an answer is shown.
const SHOWN: usize = 300;

/// Whom to ask.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) application: ApplicationId,
    pub(crate) instance: String,
    pub(crate) address: Option<IpAddr>,
    /// Container port → port on loopback, where instances are reached so.
    pub(crate) published: IndexMap<u16, u16>,
    pub(crate) driver: Arc<dyn Driver>,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "Target({})", self.instance)
    }
}

impl Target {
    /// Where a port of the container is dialled.
    pub(crate) fn dial(&self, port: u16) -> Option<SocketAddr> {
        dial(self.address, &self.published, port)
    }

    /// Whether it passed, and what to tell people.
    ///
    /// `age`: how long its program has run.
    pub(crate) async fn ask(
        &self,
        check: &Check,
        timeout: Duration,
        age: Duration,
    ) -> (bool, String) {
        let asked = match check {
            Check::Http { port, path, .. } => format!("GET {path} on {port}"),
            Check::Tcp { .. } | Check::Ports { .. } => format!("connect to {}", check.port_list()),
            Check::Command(words) => words.join(" "),
        };
        let answer = match check {
            Check::Http {
                port,
                path,
                host,
                headers,
                status,
            } => {
                let http = self.http(*port, path, host.as_deref(), headers, status);
                tokio::time::timeout(timeout, http).await
            }
            Check::Tcp { port } => tokio::time::timeout(timeout, self.tcp(*port)).await,
            Check::Ports { ports, needed } => {
                let waited = age >= Check::PATIENCE.duration();
                Ok(self.any_of(ports, timeout, waited, *needed).await)
            }
            Check::Command(words) => tokio::time::timeout(timeout, self.command(words)).await,
        };
        match answer {
            Ok(Ok(said)) => (true, format!("{asked}: {said}")),
            Ok(Err(said)) => (false, format!("{asked}: {said}")),
            Err(_) => (
                false,
                format!(
                    "{asked}: no answer within {}",
                    pluvio_model::quantity::Span(timeout.as_millis() as u64)
                ),
            ),
        }
    }

    async fn connect(&self, port: u16) -> Result<TcpStream, String> {
        let address = self.dial(port).ok_or("it has no address yet")?;
        TcpStream::connect(address)
            .await
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
                _ => error.to_string(),
            })
    }

    async fn tcp(&self, port: u16) -> Result<String, String> {
        self.connect(port).await?;
        Ok("open".to_owned())
    }

    /// `waited`: as long as they had to open all of them.
    async fn any_of(
        &self,
        ports: &[u16],
        timeout: Duration,
        waited: bool,
        needed: bool,
    ) -> Result<String, String> {
        let all = ports.iter().map(|port| async move {
            let dialled = tokio::time::timeout(timeout, self.tcp(*port)).await;
            let closed = match dialled {
                Ok(Ok(_)) => return (*port, None),
                Ok(Err(said)) => said,
                Err(_) => "no answer".to_owned(),
            };
            (*port, Some(closed))
        });
        let all = futures::future::join_all(all).await;
        let open = all.iter().filter(|(_, closed)| closed.is_none());
        let open: Vec<u16> = open.map(|(port, _)| *port).collect();
        match all.iter().find_map(|(_, closed)| closed.as_deref()) {
            None => Ok("open".to_owned()),
            Some(_) if waited && !open.is_empty() => {
                let open = Check::Ports {
                    ports: open,
                    needed,
                };
                Ok(format!("{} open", open.port_list()))
            }
            Some(_) if waited && !needed => Ok("it runs, and nobody listens".to_owned()),
            Some(said) => Err(said.to_owned()),
        }
    }

    async fn http(
        &self,
        port: u16,
        path: &str,
        host: Option<&str>,
        headers: &IndexMap<String, String>,
        status: &[(u16, u16)],
    ) -> Result<String, String> {
        let stream = self.connect(port).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
                .await
                .map_err(|error| error.to_string())?;
        let mut request = Request::get(path)
            .header("user-agent", "pluvio-probe")
            .header("connection", "close");
        let named = |name: &str| headers.keys().any(|key| key.eq_ignore_ascii_case(name));
        if !named("host") {
            request = request.header("host", host.unwrap_or("localhost"));
        }
        for (name, value) in headers {
            request = request.header(name.as_str(), value.as_str());
        }
        let request = request
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        let exchange = async {
            let answer = sender.send_request(request).await.map_err(|error| {
                // Hyper says what happened to it, not what the server did.
                if error.is_incomplete_message() || error.is_canceled() {
                    "the connection was closed without an answer".to_owned()
                } else {
                    format!("this is no HTTP answer ({error})")
                }
            })?;
            let code = answer.status();
            let accepted = status
                .iter()
                .any(|(from, to)| (*from..=*to).contains(&code.as_u16()));
            if accepted {
                return Ok(code.to_string());
            }
            let text = beginning(answer.into_body()).await;
            Err(if text.is_empty() {
                code.to_string()
            } else {
                format!("{code}: {text}")
            })
        };
        // The connection is driven here and ends with the question.
        let driven = async {
            let _ = connection.await;
            std::future::pending::<()>().await
        };
        tokio::select! {
            answer = exchange => answer,
            () = driven => unreachable!("never ends"),
        }
    }

    async fn command(&self, words: &[String]) -> Result<String, String> {
        let request = ExecRequest {
            application: self.application,
            instance: self.instance.clone(),
            container: None,
            command: words.to_vec(),
            tty: false,
            size: None,
        };
        let mut session = self
            .driver
            .exec(&request)
            .await
            .map_err(|error| error.to_string())?;
        let mut said = Vec::new();
        while let Some(output) = session.output.next().await {
            match output {
                ExecOutput::Out(bytes) | ExecOutput::Err(bytes) => {
                    let room = SHOWN.saturating_sub(said.len());
                    said.extend_from_slice(&bytes[..bytes.len().min(room)]);
                }
                ExecOutput::Exit(0) => return Ok("exit code 0".to_owned()),
                ExecOutput::Exit(code) => {
                    let said = String::from_utf8_lossy(&said);
                    return Err(match said.trim() {
                        "" => format!("exit code {code}"),
                        said => format!("exit code {code}: {said}"),
                    });
                }
            }
        }
        Err("it did not come to an end".to_owned())
    }
}

/// Where a port of a container is dialled: at its own address, or where it is published.
pub(crate) fn dial(
    address: Option<IpAddr>,
    published: &IndexMap<u16, u16>,
    port: u16,
) -> Option<SocketAddr> {
    match published.get(&port) {
        Some(published) if address.is_none_or(|a| a.is_loopback()) => {
            Some(SocketAddr::from(([127, 0, 0, 1], *published)))
        }
        _ => address.map(|address| SocketAddr::new(address, port)),
    }
}

async fn beginning(mut body: hyper::body::Incoming) -> String {
    let mut bytes = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Some(data) = frame.data_ref() {
            bytes.extend_from_slice(data);
        }
        if bytes.len() >= SHOWN {
            break;
        }
    }
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]).into_owned();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
