//! The other end of the node's socket: what control holds.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use pluvio_model::facts::{Facts, ImageFacts};
use pluvio_model::id::ApplicationId;
use pluvio_model::name::Name;
use pluvio_model::observed::{InstanceEvent, Observed, ObservedRun};
use pluvio_model::stage::Stage;
use pluvio_runtime::{
    BoxStream, Changes, CopyState, CopyVolume, Duplex, Events, Exec, ExecOutput, ExecRequest,
    ExecSession, HandRequest, Images, KeptVolume, LogLine, LogQuery, Logs, Runs, Runtime,
    RuntimeError, Scope, UsageSample, UsageSource, Usages, Volumes,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};

use crate::wire::{ConnectRequest, Frame, Health, Metrics, WireError, escape};

/// How long a question may take to be answered. Streams are not limited by it once they have begun.
const ANSWER: Duration = Duration::from_secs(30);
/// The same where a container, and at the first time its image, is made for it.
const MAKING: Duration = Duration::from_secs(180);
/// The node sends a line at least every ten seconds; after three without, it is taken for gone.
const SILENCE: Duration = Duration::from_secs(30);
/// Between two attempts to hear of changes.
const RECONNECT: Duration = Duration::from_millis(250);
/// An answer of so many bytes is read off the threads that serve requests.
const LONG: usize = 64 << 10;

/// Speaks to a node over its socket; cheap to clone. Holds no connection but that for hints: each question opens one (a
/// local socket's takes microseconds), so a node that restarts is simply found again. What cannot be asked now fails with
/// [`RuntimeError::Unreachable`].
#[derive(Debug, Clone)]
pub struct Client {
    socket: Arc<PathBuf>,
    hints: Arc<std::sync::OnceLock<Hints>>,
}

#[derive(Debug)]
struct Hints {
    changes: watch::Receiver<u64>,
    listener: tokio::task::JoinHandle<()>,
}

impl Drop for Hints {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Client {
    /// Of the node that listens on `socket`; nothing is connected yet.
    pub fn new(socket: impl Into<PathBuf>) -> Client {
        Client {
            socket: Arc::new(socket.into()),
            hints: Arc::default(),
        }
    }

    /// How the node does: answers as soon as it listens, whatever the engine does.
    pub async fn health(&self) -> Result<Health, RuntimeError> {
        self.get("/health").await
    }

    /// What passed through the gateway.
    pub async fn metrics(&self) -> Result<Metrics, RuntimeError> {
        self.get("/metrics").await
    }

    /// With rates and percentiles over the last so many seconds, a minute to an hour.
    pub async fn metrics_over(&self, seconds: u64) -> Result<Metrics, RuntimeError> {
        self.get(&format!("/metrics?window={seconds}")).await
    }

    /// Lets the node take the engine that answers now for its own (`pluvio cluster rebind`).
    pub async fn rebind(&self) -> Result<Facts, RuntimeError> {
        self.ask(Method::POST, "/rebind").await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        upgrade: bool,
    ) -> Result<Response<Incoming>, RuntimeError> {
        self.send_within(ANSWER, method, path, body, upgrade).await
    }

    async fn send_within(
        &self,
        limit: Duration,
        method: Method,
        path: &str,
        body: Vec<u8>,
        upgrade: bool,
    ) -> Result<Response<Incoming>, RuntimeError> {
        let exchange = async {
            let stream = UnixStream::connect(&*self.socket)
                .await
                .map_err(|error| format!("{}: {error}", self.socket.display()))?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream))
                    .await
                    .map_err(|error| error.to_string())?;
            // Ends by itself when the answer has been read or dropped.
            tokio::spawn(connection.with_upgrades());
            let mut request = Request::builder()
                .method(method)
                .uri(path)
                .header("host", "node")
                .header("content-type", "application/json");
            if upgrade {
                request = request
                    .header("connection", "upgrade")
                    .header("upgrade", "pluvio");
            }
            let request = request
                .body(Full::new(Bytes::from(body)))
                .map_err(|error| error.to_string())?;
            sender
                .send_request(request)
                .await
                .map_err(|error| error.to_string())
        };
        let answer = tokio::time::timeout(limit, exchange)
            .await
            .map_err(|_| RuntimeError::Unreachable("it does not answer in time".to_owned()))?
            .map_err(RuntimeError::Unreachable)?;
        if answer.status().is_client_error() || answer.status().is_server_error() {
            let status = answer.status();
            let body = read(answer).await?;
            return Err(serde_json::from_slice::<WireError>(&body).map_or_else(
                |_| RuntimeError::Unreachable(format!("it answers {status}")),
                RuntimeError::from,
            ));
        }
        Ok(answer)
    }

    async fn get<T>(&self, path: &str) -> Result<T, RuntimeError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        self.ask(Method::GET, path).await
    }

    async fn ask<T>(&self, method: Method, path: &str) -> Result<T, RuntimeError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        self.tell(method, path, Vec::new()).await
    }

    async fn tell<T>(&self, method: Method, path: &str, body: Vec<u8>) -> Result<T, RuntimeError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let limit = if body.is_empty() { ANSWER } else { MAKING };
        let answer = self.send_within(limit, method, path, body, false).await?;
        let body = tokio::time::timeout(ANSWER, read(answer))
            .await
            .map_err(|_| RuntimeError::Unreachable("it does not answer in time".to_owned()))??;
        let read = if body.len() < LONG {
            serde_json::from_slice(&body)
        } else {
            // What a thousand applications do takes milliseconds to read: requests are not held up by it.
            let reading = tokio::task::spawn_blocking(move || serde_json::from_slice(&body));
            reading
                .await
                .unwrap_or_else(|error| Err(serde::de::Error::custom(error)))
        };
        read.map_err(|error| {
            RuntimeError::Unreachable(format!("its answer cannot be read: {error}"))
        })
    }

    async fn upgraded(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<TokioIo<hyper::upgrade::Upgraded>, RuntimeError> {
        let limit = match path {
            "/volumes/files" => MAKING,
            _ => ANSWER,
        };
        let answer = self.send_within(limit, Method::POST, path, json(body), true);
        let answer = answer.await?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(RuntimeError::Unreachable(format!(
                "it answers {} where it should switch protocols",
                answer.status()
            )));
        }
        let upgraded = hyper::upgrade::on(answer)
            .await
            .map_err(|error| RuntimeError::Unreachable(error.to_string()))?;
        Ok(TokioIo::new(upgraded))
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("wire types serialise")
}

async fn read(answer: Response<Incoming>) -> Result<Bytes, RuntimeError> {
    let body = answer.into_body().collect().await;
    body.map(http_body_util::Collected::to_bytes)
        .map_err(|error| RuntimeError::Unreachable(error.to_string()))
}

fn scope_query(scope: Scope) -> String {
    match scope {
        Scope::All => String::new(),
        Scope::Application(application) => format!("?application={application}"),
    }
}

/// The lines of a body that is still being sent.
fn lines(body: Incoming) -> impl Stream<Item = Result<Bytes, RuntimeError>> + Send {
    futures::stream::unfold(
        (body.into_data_stream(), BytesMut::new(), false),
        |(mut body, mut rest, over)| async move {
            loop {
                if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    let line = rest.split_to(end + 1).freeze().slice(..end);
                    return Some((Ok(line), (body, rest, over)));
                }
                if over {
                    return None;
                }
                match body.next().await {
                    Some(Ok(bytes)) => rest.extend_from_slice(&bytes),
                    Some(Err(error)) => {
                        let error = RuntimeError::Unreachable(error.to_string());
                        return Some((Err(error), (body, BytesMut::new(), true)));
                    }
                    None => return None,
                }
            }
        },
    )
}

#[async_trait]
impl Runtime for Client {
    async fn facts(&self) -> Result<Facts, RuntimeError> {
        self.get("/facts").await
    }

    async fn apply(&self, stage: &Stage) -> Result<(), RuntimeError> {
        let path = format!("/stages/{}", stage.application);
        self.send(Method::PUT, &path, json(stage), false).await?;
        Ok(())
    }

    async fn observe(&self, scope: Scope) -> Result<Observed, RuntimeError> {
        self.get(&format!("/observed{}", scope_query(scope))).await
    }

    /// One connection for all that listen. It is opened again as long as the client lives; losing and finding the node are
    /// hints as well.
    fn changes(&self) -> Changes {
        let hints = self.hints.get_or_init(|| {
            let (sender, changes) = watch::channel(0);
            // Not a clone of `self`: the listener must not keep alive what ends it.
            let client = Client::new(&*self.socket);
            let listener = tokio::spawn(async move {
                loop {
                    client.listen(&sender).await;
                    sender.send_modify(|count| *count += 1);
                    tokio::time::sleep(RECONNECT).await;
                }
            });
            Hints { changes, listener }
        });
        hints.changes.clone()
    }
}

impl Client {
    /// Hears hints until the node goes silent.
    async fn listen(&self, hint: &watch::Sender<u64>) {
        let Ok(answer) = self.send(Method::GET, "/changes", Vec::new(), false).await else {
            return;
        };
        hint.send_modify(|count| *count += 1);
        let mut lines = Box::pin(lines(answer.into_body()));
        while let Ok(Some(Ok(line))) = tokio::time::timeout(SILENCE, lines.next()).await {
            if !line.is_empty() {
                hint.send_modify(|count| *count += 1);
            }
        }
    }
}

#[async_trait]
impl Logs for Client {
    async fn logs(&self, query: LogQuery) -> Result<BoxStream<LogLine>, RuntimeError> {
        let answer = self
            .send(Method::POST, "/logs", json(&query), false)
            .await?;
        let lines = lines(answer.into_body()).filter_map(|line| async move {
            // Empty lines keep the connection; what is no line of log is none of ours.
            serde_json::from_slice(&line.ok()?).ok()
        });
        Ok(Box::pin(lines))
    }
}

#[async_trait]
impl Exec for Client {
    async fn exec(&self, request: ExecRequest) -> Result<ExecSession, RuntimeError> {
        self.session("/exec", &request).await
    }

    async fn connect(
        &self,
        application: ApplicationId,
        instance: &str,
        port: u16,
    ) -> Result<Box<dyn Duplex>, RuntimeError> {
        let request = ConnectRequest {
            application,
            instance: instance.to_owned(),
            port,
        };
        Ok(Box::new(self.upgraded("/connect", &request).await?))
    }
}

impl Client {
    /// A connection that carries what a command is told and says.
    async fn session(
        &self,
        path: &str,
        request: &impl Serialize,
    ) -> Result<ExecSession, RuntimeError> {
        let upgraded = self.upgraded(path, request).await?;
        let (mut reader, mut writer) = tokio::io::split(upgraded);
        let (input, mut inputs) = mpsc::channel(16);
        let write = tokio::spawn(async move {
            while let Some(item) = inputs.recv().await {
                if writer
                    .write_all(&Frame::Input(item).encode())
                    .await
                    .is_err()
                {
                    return;
                }
            }
            // The session was dropped: hang up.
            let _ = writer.shutdown().await;
        });
        let (output, outputs) = mpsc::channel(16);
        tokio::spawn(async move {
            let mut buffer = BytesMut::with_capacity(8192);
            loop {
                match Frame::decode(&mut buffer) {
                    Ok(Some(Frame::Output(item))) => {
                        let last = matches!(item, ExecOutput::Exit(_));
                        if output.send(item).await.is_err() || last {
                            break;
                        }
                        continue;
                    }
                    Ok(None) => {}
                    Ok(Some(Frame::Input(_))) | Err(_) => break,
                }
                // Whoever dropped the session need not wait for the program's next word.
                tokio::select! {
                    read = reader.read_buf(&mut buffer) => {
                        if !matches!(read, Ok(1..)) {
                            break;
                        }
                    }
                    () = output.closed() => break,
                }
            }
            write.abort();
        });
        let output = tokio_stream::wrappers::ReceiverStream::new(outputs);
        Ok(ExecSession {
            output: Box::pin(output),
            input,
        })
    }
}

#[async_trait]
impl Events for Client {
    async fn events(
        &self,
        application: ApplicationId,
        instance: Option<&str>,
    ) -> Result<Vec<InstanceEvent>, RuntimeError> {
        let of = instance.map(|name| format!("&instance={}", escape(name)));
        let of = of.unwrap_or_default();
        self.get(&format!("/events?application={application}{of}"))
            .await
    }
}

#[async_trait]
impl UsageSource for Client {
    async fn usage(
        &self,
        application: ApplicationId,
        history: bool,
    ) -> Result<BTreeMap<String, Vec<UsageSample>>, RuntimeError> {
        let history = if history { "&history" } else { "" };
        self.get(&format!("/usage?application={application}{history}"))
            .await
    }

    async fn usage_of_all(&self) -> Result<Usages, RuntimeError> {
        self.get("/usage").await
    }
}

#[async_trait]
impl Images for Client {
    async fn image(&self, reference: &str) -> Result<Option<ImageFacts>, RuntimeError> {
        self.get(&format!("/images/{}", escape(reference))).await
    }
}

#[async_trait]
impl Runs for Client {
    async fn runs(
        &self,
        application: ApplicationId,
        component: Option<&Name>,
    ) -> Result<Vec<ObservedRun>, RuntimeError> {
        let of = component.map(|name| format!("&component={name}"));
        let path = format!("/runs?application={application}{}", of.unwrap_or_default());
        self.get(&path).await
    }

    async fn run_now(
        &self,
        application: ApplicationId,
        component: &Name,
    ) -> Result<String, RuntimeError> {
        let path = format!("/runs?application={application}&component={component}");
        self.ask(Method::POST, &path).await
    }
}

#[async_trait]
impl Volumes for Client {
    async fn volumes(&self, scope: Scope) -> Result<Vec<KeptVolume>, RuntimeError> {
        self.get(&format!("/volumes{}", scope_query(scope))).await
    }

    async fn delete_volume(
        &self,
        application: ApplicationId,
        handle: &str,
    ) -> Result<(), RuntimeError> {
        let path = format!("/volumes/{}?application={application}", escape(handle));
        self.send(Method::DELETE, &path, Vec::new(), false).await?;
        Ok(())
    }

    async fn reach(&self, request: HandRequest) -> Result<ExecSession, RuntimeError> {
        self.session("/volumes/files", &request).await
    }

    async fn copy_volume(&self, copy: &CopyVolume) -> Result<CopyState, RuntimeError> {
        self.tell(Method::POST, "/volumes/copies", json(copy)).await
    }

    async fn end_copy(&self, target: &str, keep: bool) -> Result<(), RuntimeError> {
        let keep = if keep { "?keep" } else { "" };
        let path = format!("/volumes/copies/{}{keep}", escape(target));
        self.send(Method::DELETE, &path, Vec::new(), false).await?;
        Ok(())
    }
}
