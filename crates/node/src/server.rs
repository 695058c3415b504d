//! The node's socket: what [`wire`](crate::wire) lists, answered.

use std::convert::Infallible;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame as BodyFrame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use pluvio_model::id::ApplicationId;
use pluvio_model::name::Name;
use pluvio_model::problem;
use pluvio_model::stage::Stage;
use pluvio_runtime::{
    CopyVolume, Events, Exec, ExecOutput, ExecRequest, ExecSession, HandRequest, Images, LogQuery,
    Logs, Runs, Runtime, RuntimeError, Scope, UsageSource, Volumes,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::task::JoinSet;

use crate::node::Node;
use crate::wire::{ConnectRequest, Frame, WireError, unescape};

/// A stage holds every configuration file of an application; nothing else that is sent is as large.
const LARGEST: usize = 64 << 20;
/// How often a stream without news says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(10);

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Listens, for the owner alone; takes the place of a socket that a killed node left.
pub(crate) fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Answers as long as it is polled; dropped, it ends every connection.
pub(crate) async fn serve(listener: UnixListener, node: Arc<Node>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let node = node.clone();
                    connections.spawn(async move {
                        let service = service_fn(move |request| {
                            let node = node.clone();
                            async move { Ok::<_, Infallible>(answer(node, request).await) }
                        });
                        // What goes wrong on a connection is the other end's to notice.
                        let _ = hyper::server::conn::http1::Builder::new()
                            .serve_connection(TokioIo::new(stream), service)
                            .with_upgrades()
                            .await;
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection from control cannot be taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn answer(node: Arc<Node>, request: Request<Incoming>) -> Response<Body> {
    route(node, request)
        .await
        .unwrap_or_else(|error| failure(error.into()))
}

fn failure(error: WireError) -> Response<Body> {
    let mut response = document(&error);
    *response.status_mut() =
        StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

fn respond(body: Body) -> Response<Body> {
    Response::new(body)
}

fn document(value: &impl Serialize) -> Response<Body> {
    let json = serde_json::to_vec(value).expect("wire types serialise");
    respond(Full::new(Bytes::from(json)).boxed_unsync())
}

fn empty() -> Response<Body> {
    let mut response = respond(Full::default().boxed_unsync());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Lines as they come, and an empty one when none comes.
fn lines(lines: impl Stream<Item = Bytes> + Send + 'static) -> Response<Body> {
    let beats = futures::stream::unfold(Box::pin(lines), |mut lines| async move {
        match tokio::time::timeout(HEARTBEAT, lines.next()).await {
            Ok(Some(line)) => Some((line, lines)),
            Ok(None) => None,
            Err(_) => Some((Bytes::from_static(b"\n"), lines)),
        }
    });
    let frames = beats.map(|line| Ok(BodyFrame::data(line)));
    respond(BodyExt::boxed_unsync(StreamBody::new(frames)))
}

async fn read<T: DeserializeOwned>(body: Incoming) -> Result<T, RuntimeError> {
    let invalid = |why: String| {
        RuntimeError::Refused(problem::REQUEST_INVALID.problem(
            format!("The node cannot read what it was sent: {why}."),
            "Control and node may be of different versions: `pluvio up` starts both anew.",
        ))
    };
    let bytes = Limited::new(body, LARGEST)
        .collect()
        .await
        .map_err(|error| invalid(error.to_string()))?
        .to_bytes();
    serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))
}

fn no_such_thing(what: &str) -> RuntimeError {
    RuntimeError::NotFound {
        what: what.to_owned(),
    }
}

/// The value of a parameter; empty if it has none.
fn parameter(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then(|| unescape(value))
    })
}

fn application(query: &str) -> Result<Option<ApplicationId>, RuntimeError> {
    parameter(query, "application")
        .map(|text| {
            text.parse()
                .map_err(|_| no_such_thing("an application of that id"))
        })
        .transpose()
}

fn component(query: &str) -> Result<Option<Name>, RuntimeError> {
    parameter(query, "component")
        .map(|text| {
            text.parse()
                .map_err(|_| no_such_thing("a component of that name"))
        })
        .transpose()
}

fn scope(query: &str) -> Result<Scope, RuntimeError> {
    Ok(application(query)?.map_or(Scope::All, Scope::Application))
}

async fn route(
    node: Arc<Node>,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, RuntimeError> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let one = |query: &str| {
        application(query)?.ok_or_else(|| no_such_thing("an application without an id"))
    };
    Ok(match (request.method(), segments.as_slice()) {
        (&Method::GET, ["health"]) => document(&node.health()),
        (&Method::GET, ["metrics"]) => {
            let window = parameter(&query, "window").and_then(|text| text.parse().ok());
            document(&node.metrics(Duration::from_secs(window.unwrap_or(60))))
        }
        (&Method::GET, ["facts"]) => document(&node.facts().await?),
        (&Method::POST, ["rebind"]) => document(&node.rebind().await?),
        (&Method::GET, ["observed"]) => document(&node.observe(scope(&query)?).await?),
        (&Method::GET, ["changes"]) => {
            let mut changes = node.changes();
            changes.mark_changed();
            lines(futures::stream::unfold(changes, |mut changes| async move {
                changes.changed().await.ok()?;
                let count = *changes.borrow_and_update();
                Some((Bytes::from(format!("{count}\n")), changes))
            }))
        }
        (&Method::PUT, ["stages", id]) => {
            let id = id.to_owned().to_owned();
            let stage: Stage = read(request.into_body()).await?;
            if stage.application.to_string() != id {
                return Err(no_such_thing(
                    "a stage of another application than the path's",
                ));
            }
            node.apply(&stage).await?;
            empty()
        }
        (&Method::POST, ["logs"]) => {
            let query: LogQuery = read(request.into_body()).await?;
            lines(node.logs(query).await?.map(|line| {
                let mut json = serde_json::to_vec(&line).expect("lines serialise");
                json.push(b'\n');
                Bytes::from(json)
            }))
        }
        (&Method::POST, ["exec"]) => {
            let upgrade = hyper::upgrade::on(&mut request);
            let asked: ExecRequest = read(request.into_body()).await?;
            let session = node.exec(asked).await?;
            tokio::spawn(async move {
                if let Ok(upgraded) = upgrade.await {
                    relay(session, TokioIo::new(upgraded)).await;
                }
            });
            switching()
        }
        (&Method::POST, ["connect"]) => {
            let upgrade = hyper::upgrade::on(&mut request);
            let asked: ConnectRequest = read(request.into_body()).await?;
            let mut inner = node
                .connect(asked.application, &asked.instance, asked.port)
                .await?;
            tokio::spawn(async move {
                if let Ok(upgraded) = upgrade.await {
                    let mut outer = TokioIo::new(upgraded);
                    let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
                }
            });
            switching()
        }
        (&Method::GET, ["usage"]) => {
            let history = parameter(&query, "history").is_some();
            match application(&query)? {
                Some(application) => document(&node.usage(application, history).await?),
                None => document(&node.usage_of_all().await?),
            }
        }
        (&Method::GET, ["events"]) => {
            let instance = parameter(&query, "instance");
            document(&node.events(one(&query)?, instance.as_deref()).await?)
        }
        (&Method::GET, ["images", reference]) => document(&node.image(&unescape(reference)).await?),
        (&Method::GET, ["runs"]) => {
            let component = component(&query)?;
            document(&node.runs(one(&query)?, component.as_ref()).await?)
        }
        (&Method::POST, ["runs"]) => {
            let component =
                component(&query)?.ok_or_else(|| no_such_thing("a run without a component"))?;
            document(&node.run_now(one(&query)?, &component).await?)
        }
        (&Method::GET, ["volumes"]) => document(&node.volumes(scope(&query)?).await?),
        (&Method::POST, ["volumes", "files"]) => {
            let upgrade = hyper::upgrade::on(&mut request);
            let asked: HandRequest = read(request.into_body()).await?;
            let session = node.reach(asked).await?;
            tokio::spawn(async move {
                if let Ok(upgraded) = upgrade.await {
                    relay(session, TokioIo::new(upgraded)).await;
                }
            });
            switching()
        }
        (&Method::POST, ["volumes", "copies"]) => {
            let copy: CopyVolume = read(request.into_body()).await?;
            document(&node.copy_volume(&copy).await?)
        }
        (&Method::DELETE, ["volumes", "copies", target]) => {
            let keep = parameter(&query, "keep").is_some();
            node.end_copy(&unescape(target), keep).await?;
            empty()
        }
        (&Method::DELETE, ["volumes", handle]) => {
            node.delete_volume(one(&query)?, &unescape(handle)).await?;
            empty()
        }
        _ => return Err(no_such_thing(&format!("{} {path}", request.method()))),
    })
}

fn switching() -> Response<Body> {
    let mut response = respond(Full::default().boxed_unsync());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert("connection", http::HeaderValue::from_static("upgrade"));
    headers.insert("upgrade", http::HeaderValue::from_static("pluvio"));
    response
}

/// Carries an exec session; ends with the command, or when the other end hangs up.
async fn relay(session: ExecSession, connection: TokioIo<hyper::upgrade::Upgraded>) {
    let ExecSession { mut output, input } = session;
    let (mut reader, mut writer) = tokio::io::split(connection);
    let write = async {
        while let Some(item) = output.next().await {
            let last = matches!(item, ExecOutput::Exit(_));
            if writer
                .write_all(&Frame::Output(item).encode())
                .await
                .is_err()
                || last
            {
                break;
            }
        }
        let _ = writer.shutdown().await;
    };
    let read = async {
        let mut buffer = BytesMut::with_capacity(8192);
        loop {
            match Frame::decode(&mut buffer) {
                Ok(Some(Frame::Input(item))) => {
                    if input.send(item).await.is_err() {
                        // The command takes no more, and still speaks.
                        std::future::pending::<()>().await;
                    }
                    continue;
                }
                Ok(None) => {}
                Ok(Some(Frame::Output(_))) | Err(_) => return,
            }
            if !matches!(reader.read_buf(&mut buffer).await, Ok(1..)) {
                return;
            }
        }
    };
    tokio::select! {
        () = write => {}
        () = read => {}
    }
}
