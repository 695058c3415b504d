//! A node that answers what it is told to, and an engine that only says who it is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use futures::StreamExt;
use hyper_util::rt::TokioIo;
use pluvio_model::facts::{Facts, ImageFacts, Reach, RuntimeKind};
use pluvio_model::observed::{InstanceEvent, Observed};
use pluvio_node::wire::{Frame, Metrics};
use pluvio_runtime::{ExecOutput, LogLine, LogStream, UsageSample};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

#[derive(Debug, Clone, Default)]
pub(crate) struct Node {
    pub(crate) observed: Arc<Mutex<Observed>>,
    pub(crate) metrics: Arc<Mutex<Metrics>>,
    /// Of the one application, when it is asked for alone.
    pub(crate) usage: Arc<Mutex<BTreeMap<String, Vec<UsageSample>>>>,
    /// How often everything was asked for.
    pub(crate) looks: Arc<Mutex<u32>>,
}

impl Node {
    pub(crate) fn listen(&self, socket: &Path) {
        std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
        let listener = UnixListener::bind(socket).unwrap();
        let router = Router::new()
            .route("/observed", get(observed))
            .route("/metrics", get(metrics))
            .route("/usage", get(usage))
            .route("/events", get(|| async { Json(events()) }))
            .route("/facts", get(|| async { Json(facts()) }))
            .route("/images/{reference}", get(|| async { Json(image()) }))
            .route("/rebind", post(|| async { Json(facts()) }))
            .route("/volumes", get(|| async { Json(serde_json::json!([])) }))
            .route("/changes", get(|| async { silence() }))
            .route("/stages/{id}", put(|| async { StatusCode::NO_CONTENT }))
            .route("/logs", post(|| async { logs() }))
            .route("/exec", post(exec))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
    }
}

/// Says that it is Docker, to whatever it is asked.
pub(crate) fn listen_as_engine(socket: &Path) {
    let listener = UnixListener::bind(socket).unwrap();
    let version = serde_json::json!({ "Version": "test", "ApiVersion": "1.41", "MinAPIVersion": "1.12", "Components": [] });
    let router = Router::new().fallback(move || async move { Json(version) });
    tokio::spawn(async move { axum::serve(listener, router).await });
}

fn facts() -> Facts {
    Facts {
        // The same each time: one engine.
        cluster: "01890000-0000-7000-8000-000000000001".parse().unwrap(),
        runtime: RuntimeKind::Memory,
        version: "test".to_owned(),
        architecture: "amd64".to_owned(),
        reach: Reach::Bridge,
        rootless: false,
        cpu_millis: 2000,
        memory_bytes: 4 << 30,
    }
}

fn image() -> ImageFacts {
    ImageFacts {
        id: format!("sha256:{}", "a".repeat(64)),
        ..ImageFacts::default()
    }
}

async fn observed(State(node): State<Node>) -> Json<Observed> {
    *node.looks.lock().unwrap() += 1;
    Json(node.observed.lock().unwrap().clone())
}

async fn usage(State(node): State<Node>, query: RawQuery) -> Json<serde_json::Value> {
    let of_one = query.0.is_some_and(|query| query.contains("application="));
    let all = node.usage.lock().unwrap();
    let empty = BTreeMap::new();
    let told = if of_one { &*all } else { &empty };
    Json(serde_json::to_value(told).unwrap())
}

async fn metrics(State(node): State<Node>) -> Json<Metrics> {
    Json(node.metrics.lock().unwrap().clone())
}

fn silence() -> Response {
    let never = futures::stream::pending::<std::io::Result<Bytes>>();
    Body::from_stream(never).into_response()
}

/// Of two components, the second a warning.
fn events() -> Vec<InstanceEvent> {
    let event = |component: &str, reason: &str| InstanceEvent {
        component: component.parse().unwrap(),
        instance: format!("shop--{component}--1"),
        container: None,
        is_warning: reason == "Error",
        reason: reason.to_owned(),
        message: "so it was".to_owned(),
        count: 1,
        first: jiff::Timestamp::UNIX_EPOCH,
        last: jiff::Timestamp::UNIX_EPOCH,
    };
    vec![event("web", "Started"), event("worker", "Error")]
}

/// One line, and then nothing for ever.
fn logs() -> Response {
    let line = LogLine {
        at: jiff::Timestamp::UNIX_EPOCH,
        component: "web".parse().unwrap(),
        instance: "shop--web--1".to_owned(),
        stream: LogStream::Out,
        text: "hello".to_owned(),
    };
    let mut json = serde_json::to_vec(&line).unwrap();
    json.push(b'\n');
    let first = futures::stream::once(async move { Ok::<_, std::io::Error>(Bytes::from(json)) });
    Body::from_stream(first.chain(futures::stream::pending())).into_response()
}

/// A program that prompts and waits.
async fn exec(mut request: Request) -> Response {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut io = TokioIo::new(upgrade.await.unwrap());
        let prompt = Frame::Output(ExecOutput::Out(Bytes::from_static(b"$ ")));
        io.write_all(&prompt.encode()).await.unwrap();
        let mut buffer = [0; 256];
        while matches!(io.read(&mut buffer).await, Ok(1..)) {}
    });
    let headers = [(header::CONNECTION, "upgrade"), (header::UPGRADE, "pluvio")];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}
