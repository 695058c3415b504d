//! Server-sent events: an operation to its end, an environment for as long as somebody looks.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use pluvio_api::applications::OperationLogEntry;
use pluvio_control::read_log;
use pluvio_model::event::EventBody;
use pluvio_model::id::{ApplicationId, OperationId};
use pluvio_model::permission::Permission;
use pluvio_model::problem::Problem;
use pluvio_runtime::Changes;
use pluvio_store::{ApplicationFilter, EventFilter, PageRequest, Scope};
use serde::Deserialize;
use tokio::sync::mpsc;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::App;
use crate::access::Caller;
use crate::refusal::{Path, Query, Refusal};

/// Logs grow without a hint: look this often while an operation runs.
const LOG_LOOK: Duration = Duration::from_millis(250);
/// A stream that says nothing says so this often: whoever hears nothing knows that it is broken.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Events and applications read at once.
const BATCH: u32 = 200;

pub(super) fn operation_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(operation_events))
        .routes(routes!(operation_log))
}

pub(super) fn environment_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(environment_events))
}

fn stream(receiver: mpsc::Receiver<Event>) -> Response {
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    fn infallible(
        stream: impl Stream<Item = Event>,
    ) -> impl Stream<Item = Result<Event, Infallible>> {
        use futures::StreamExt;
        stream.map(Ok)
    }
    let mut response = Sse::new(infallible(stream))
        .keep_alive(
            // An event, not a comment: browsers do not tell a page of comments.
            KeepAlive::new()
                .interval(HEARTBEAT)
                .event(Event::default().event("heartbeat").data("{}")),
        )
        .into_response();
    // Proxies that collect answers would hold live things up.
    response
        .headers_mut()
        .insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn last_event_id(headers: &HeaderMap) -> Option<u64> {
    headers.get("last-event-id")?.to_str().ok()?.parse().ok()
}

fn json(event: &str, value: &impl serde::Serialize) -> Event {
    Event::default()
        .event(event)
        .data(serde_json::to_string(value).expect("wire types serialise"))
}

fn entry(at: u64, line: pluvio_control::OperationLine) -> OperationLogEntry {
    OperationLogEntry {
        seq: at,
        at: line.at,
        step: line.step,
        level: line.level,
        text: line.text,
    }
}

/// The operation as it goes, and its log (`Last-Event-ID`: the last log line seen). Ends with `end`.
#[utoipa::path(get, path = "/operations/{operation}/events", tag = "operations", params(("operation" = String, Path)),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = 401, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("operation:read"))))]
async fn operation_events(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (operation, scope) =
        super::operations::find(&app, &caller, &id, Permission::OperationRead).await?;
    let from = last_event_id(&headers).unwrap_or(0);
    let watch = caller.watch(&app, scope.team, Permission::OperationRead);
    let (sender, receiver) = mpsc::channel(64);
    let follow = follow_operation(app, operation.id, from, sender);
    tokio::spawn(async move {
        tokio::select! { _ = follow => {}, () = watch => {} }
    });
    Ok(stream(receiver))
}

async fn follow_operation(
    app: App,
    id: OperationId,
    mut at: u64,
    sender: mpsc::Sender<Event>,
) -> Option<()> {
    let store = app.control.store().clone();
    let mut hint = store.hint();
    let mut shown = None;
    loop {
        let operation = store.operation(id).await.ok()?.0;
        let over = operation.is_over();
        if shown.as_ref() != Some(&operation) {
            sender.send(json("operation", &operation)).await.ok()?;
            shown = Some(operation);
        }
        for (next, line) in read_log(app.control.blobs(), id, at)
            .await
            .unwrap_or_default()
        {
            at = next;
            let event = json("log", &entry(at, line)).id(at.to_string());
            sender.send(event).await.ok()?;
        }
        if over {
            sender
                .send(Event::default().event("end").data("{}"))
                .await
                .ok()?;
            return Some(());
        }
        tokio::select! {
            () = hint.changed() => {}
            () = tokio::time::sleep(LOG_LOOK) => {}
            () = sender.closed() => return None,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct After {
    /// The `seq` of the last line seen.
    #[serde(default)]
    after: u64,
}

/// The operation's log so far, one JSON document a line.
#[utoipa::path(get, path = "/operations/{operation}/log", tag = "operations", params(("operation" = String, Path), After),
    responses((status = 200, content_type = "application/x-ndjson", body = String), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("operation:read"))))]
async fn operation_log(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<After>,
) -> Result<Response, Refusal> {
    let (operation, _) =
        super::operations::find(&app, &caller, &id, Permission::OperationRead).await?;
    let mut text = String::new();
    for (at, line) in read_log(app.control.blobs(), operation.id, query.after)
        .await
        .unwrap_or_default()
    {
        text.push_str(&serde_json::to_string(&entry(at, line)).expect("a line serialises"));
        text.push('\n');
    }
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], text).into_response())
}

/// Everything that happens in an environment, for one tab: `operation` and `application` events (`Last-Event-ID`: the last one seen).
#[utoipa::path(get, path = "/events", tag = "applications", params(("team" = String, Path), ("environment" = String, Path)),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = 401, body = Problem), (status = 404, body = Problem)), extensions(("x-permission" = json!("application:read"))))]
async fn environment_events(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let scope = caller
        .enter(&app, &team, &environment, Permission::ApplicationRead)
        .await?;
    let newest = app.control.store().last_event().await?;
    // A number that was never given comes from another database: begin with now.
    let from = last_event_id(&headers).map_or(newest, |seq| seq.min(newest));
    let watch = caller.watch(&app, scope.team, Permission::ApplicationRead);
    let (sender, receiver) = mpsc::channel(64);
    let follow = follow_environment(app, scope, from, sender);
    tokio::spawn(async move {
        tokio::select! { _ = follow => {}, () = watch => {} }
    });
    Ok(stream(receiver))
}

async fn follow_environment(
    app: App,
    scope: Scope,
    mut seq: u64,
    sender: mpsc::Sender<Event>,
) -> Option<()> {
    let store = app.control.store().clone();
    let filter = EventFilter {
        team: Some(scope.team),
        ..EventFilter::default()
    };
    let all = ApplicationFilter {
        team: scope.team,
        environment: Some(scope.environment),
        state: None,
        contains: None,
    };
    let mut hint = store.hint();
    let mut changes = None;
    let mut shown: HashMap<ApplicationId, String> = HashMap::new();
    // Whoever connects has what it fetched; an event at once says that the stream is up.
    sender
        .send(
            Event::default()
                .event("hello")
                .id(seq.to_string())
                .data("{}"),
        )
        .await
        .ok()?;
    loop {
        loop {
            let events = store.events_after(seq, &filter, BATCH).await.ok()?;
            for event in &events {
                seq = event.seq;
                if let EventBody::OperationChanged { operation } = &event.body {
                    let event = json("operation", operation).id(seq.to_string());
                    sender.send(event).await.ok()?;
                }
            }
            if events.len() < BATCH as usize {
                break;
            }
        }
        let (mut there, mut after) = (HashSet::new(), None);
        loop {
            let page = PageRequest {
                limit: BATCH,
                after,
            };
            let page = store.applications(&all, &page).await.ok()?;
            for summary in super::applications::summaries(&app, &scope, &page.items)
                .await
                .ok()?
            {
                // Rates and usage move all the time; a change of state, release or readiness is what is pushed at once.
                let key = format!(
                    "{:?}{}{:?}{:?}{}{}",
                    summary.status,
                    summary.status_note,
                    summary.live_release,
                    summary.target_release,
                    summary.instances_ready,
                    summary.instances_wanted
                );
                there.insert(summary.id);
                if shown.get(&summary.id) != Some(&key) {
                    let id = summary.id;
                    sender.send(json("application", &summary)).await.ok()?;
                    shown.insert(id, key);
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let gone: Vec<ApplicationId> = shown
            .keys()
            .filter(|id| !there.contains(*id))
            .copied()
            .collect();
        for id in gone {
            shown.remove(&id);
            sender
                .send(json("application-gone", &serde_json::json!({ "id": id })))
                .await
                .ok()?;
        }
        tokio::select! {
            () = hint.changed() => {}
            () = changed(&app, &scope, &mut changes) => {}
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
            () = sender.closed() => return None,
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Returns when the environment's place hints; never while it is away.
async fn changed(app: &App, scope: &Scope, changes: &mut Option<Changes>) {
    if changes.is_none() {
        *changes = app
            .control
            .place(scope.cluster)
            .ok()
            .map(|place| place.changes());
    }
    let Some(receiver) = changes else {
        return std::future::pending().await;
    };
    if receiver.changed().await.is_err() {
        *changes = None;
        // Connected to anew, or soon; whoever waits here has a timer beside it.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}
