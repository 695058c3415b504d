//! Live things of instances: logs, terminals, ports. Each ends soon after its caller may not have it any more.

use axum::body::Body;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::future::Shared;
use futures::{FutureExt, SinkExt, StreamExt};
use pluvio_api::applications::LogEntry;
use pluvio_model::id::TeamId;
use pluvio_model::name::Name;
use pluvio_model::permission::Permission;
use pluvio_model::problem::{self, Problem};
use pluvio_runtime::{
    ExecInput, ExecOutput, ExecRequest, LogLine, LogQuery, LogStream, RuntimeError, Scope,
};
use pluvio_store::{Application, NewAudit};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::App;
use crate::access::Caller;
use crate::refusal::{Path, Query, Refusal};

/// The largest WebSocket message that is taken: what the node takes of a terminal at once.
const MESSAGE: usize = 1 << 20;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(logs))
        .routes(routes!(exec))
        .routes(routes!(connect))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct LogsQuery {
    component: Option<String>,
    /// With its sidecars and init steps.
    instance: Option<String>,
    /// Only sidecars and init steps of this name; `main` for the main containers only.
    container: Option<String>,
    /// Only lines at or after (RFC 3339).
    since: Option<String>,
    until: Option<String>,
    /// Only lines that contain it.
    contains: Option<String>,
    /// Only the last so many; 1,000 when absent.
    #[param(minimum = 0, maximum = 20000)]
    tail: Option<u32>,
    /// Go on as lines come.
    #[serde(default)]
    follow: bool,
}

fn time(text: Option<&str>) -> Result<Option<jiff::Timestamp>, Refusal> {
    text.filter(|t| !t.is_empty())
        .map(|t| {
            t.parse().map_err(|_| {
                Refusal(problem::REQUEST_INVALID.problem(
                    format!("{t:?} is not a time."),
                    "Write 2026-01-31T12:00:00Z.",
                ))
            })
        })
        .transpose()
}

fn entry(line: LogLine) -> LogEntry {
    let stream = match line.stream {
        LogStream::Out => "out",
        LogStream::Err => "err",
        LogStream::Pluvio => "pluvio",
    };
    LogEntry {
        at: line.at,
        component: line.component.to_string(),
        container: line.container().map(str::to_owned),
        instance: line.of().unwrap_or(&line.instance).to_owned(),
        stream: stream.into(),
        text: line.text,
    }
}

/// Logs, live and kept: one JSON document a line, or server-sent events where they are accepted.
#[utoipa::path(get, path = "/applications/{application}/logs", tag = "logs", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), LogsQuery),
    responses((status = 200, content((String = "application/x-ndjson"), (String = "text/event-stream"))), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("log:read"))))]
async fn logs(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name)): Path<(String, String, String)>,
    Query(query): Query<LogsQuery>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (_, application) = caller
        .application(&app, &team, &environment, &name, Permission::LogRead)
        .await?;
    let component = match query.component.as_deref().filter(|c| !c.is_empty()) {
        Some(component) => Some(
            component
                .parse()
                .map_err(|_| crate::refusal::not_found("component"))?,
        ),
        None => None,
    };
    let tail = query.tail.unwrap_or(1000).min(20_000) as usize;
    let query = LogQuery {
        application: application.id,
        component,
        instance: query.instance.filter(|i| !i.is_empty()),
        container: query.container.filter(|c| !c.is_empty()),
        since: time(query.since.as_deref())?,
        until: time(query.until.as_deref())?,
        contains: query.contains.filter(|c| !c.is_empty()),
        tail: Some(tail),
        follow: query.follow,
    };
    let watch = caller.watch(&app, application.team, Permission::LogRead);
    let lines = app.control.place(application.cluster)?.logs(query).await?;
    let lines = lines.map(entry).take_until(Box::pin(watch));
    let events = headers
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.contains("text/event-stream"));
    if events {
        let events = lines.map(|line| {
            Ok::<_, std::convert::Infallible>(
                Event::default()
                    .event("line")
                    .data(serde_json::to_string(&line).expect("a line serialises")),
            )
        });
        return Ok(Sse::new(events)
            .keep_alive(KeepAlive::new().interval(std::time::Duration::from_secs(10)))
            .into_response());
    }
    let bytes = lines.map(|line| {
        let mut text = serde_json::to_vec(&line).expect("a line serialises");
        text.push(b'\n');
        Ok::<_, std::io::Error>(Bytes::from(text))
    });
    Ok((
        [(header::CONTENT_TYPE, "application/x-ndjson")],
        Body::from_stream(bytes),
    )
        .into_response())
}

/// The instance's full name: as given, or its unique end.
async fn find_instance(
    app: &App,
    application: &Application,
    named: &str,
) -> Result<String, Refusal> {
    let observed = app
        .control
        .place(application.cluster)?
        .observe(Scope::Application(application.id))
        .await?;
    let seen = observed.applications.get(&application.id);
    let names: Vec<String> = seen
        .into_iter()
        .flat_map(|o| o.components.values())
        .flat_map(|c| c.instances.iter().map(|i| i.name.clone()))
        .collect();
    let found: Vec<&String> = names
        .iter()
        .filter(|n| *n == named || n.ends_with(named))
        .collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(Refusal(problem::NOT_FOUND.problem(
            format!("{} has no instance {named:?} now.", application.name),
            format!("There are: {}.", names.join(", ")),
        ))),
        _ => names.iter().find(|n| *n == named).cloned().ok_or_else(|| {
            Refusal(problem::NOT_FOUND.problem(
                format!("{named:?} fits several instances."),
                format!("There are: {}.", names.join(", ")),
            ))
        }),
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ExecQuery {
    /// The words of the command, each as `command=`; a shell when absent.
    #[serde(default)]
    command: Option<String>,
    /// A sidecar; the main container when absent.
    container: Option<String>,
    #[serde(default)]
    tty: bool,
    #[param(minimum = 1, maximum = 1000)]
    cols: Option<u16>,
    #[param(minimum = 1, maximum = 1000)]
    rows: Option<u16>,
}

/// What `pluvio database url` runs: it shows a secret, and the audit log says so.
const DATABASE_URL: [&str; 2] = ["cat", "/run/pluvio/url"];

/// A command in an instance, over a WebSocket: binary frames are bytes; text frames `{"resize":[cols,rows]}` and `{"end":true}` from the client, `{"exit":code}` from the server.
#[utoipa::path(get, path = "/applications/{application}/instances/{instance}/exec", tag = "instances", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), ("instance" = String, Path), ExecQuery),
    responses((status = 101, description = "A WebSocket"), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 426, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("instance:exec"))))]
async fn exec(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name, named)): Path<(String, String, String, String)>,
    Query(query): Query<ExecQuery>,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    let application = enter(&app, &caller, [&team, &environment, &name]).await?;
    let upgrade = upgrade.map_err(|_| no_upgrade())?;
    let instance = find_instance(&app, &application, &named).await?;
    // The words travel as one JSON array, so that spaces and quotes survive.
    let command = match query.command.as_deref() {
        None | Some("") => vec![
            "/bin/sh".to_owned(),
            "-c".into(),
            "command -v bash >/dev/null && exec bash || exec sh".into(),
        ],
        Some(text) if text.starts_with('[') => serde_json::from_str(text).map_err(|e| {
            Refusal(problem::REQUEST_INVALID.problem(
                format!("`command` is not a JSON array of words: {e}."),
                "Send [\"ls\", \"-l\"], or one word.",
            ))
        })?,
        Some(word) => vec![word.to_owned()],
    };
    let container = match query.container.as_deref().filter(|c| !c.is_empty()) {
        Some(container) => Some(
            container
                .parse::<Name>()
                .map_err(|_| crate::refusal::not_found("container"))?,
        ),
        None => None,
    };
    let size = query.cols.zip(query.rows);
    if command.is_empty() || command.iter().any(|word| word.contains('\0')) {
        return Err(Refusal(problem::REQUEST_INVALID.problem(
            "`command` has no word, or one that no program can be given.",
            "Send [\"ls\", \"-l\"], or one word.",
        )));
    }
    let request = ExecRequest {
        application: application.id,
        instance: instance.clone(),
        container,
        command,
        tty: query.tty,
        size,
    };
    // Only the program's name: arguments may be secrets.
    let what = match &request.container {
        Some(container) => format!("{} in the container {container} of", request.command[0]),
        None => format!("{} in", request.command[0]),
    };
    if request.command == DATABASE_URL {
        let row = NewAudit {
            team: Some(application.team),
            actor: caller.actor(),
            action: "secret:read".to_owned(),
            object: format!(
                "the address with its password of the database in instance {instance} of application {}",
                application.name
            ),
            result: "read".to_owned(),
        };
        app.control.store().audit(row).await?;
    }
    let place = app.control.place(application.cluster)?;
    let open = place.exec(request);
    let session = audited(&app, &caller, (&application, &instance), &what, open).await?;
    let watch = caller.watch(&app, application.team, Permission::InstanceExec);
    let watch = Box::pin(watch).shared();
    Ok(upgrade
        .max_message_size(MESSAGE)
        .on_upgrade(move |socket| run_exec(socket, session, watch)))
}

/// The application, for whoever may go into its instances. That a member of the team tried and may not is recorded too.
async fn enter(
    app: &App,
    caller: &Caller,
    [team, environment, name]: [&str; 3],
) -> Result<Application, Refusal> {
    let may = Permission::InstanceExec;
    let found = caller.application(app, team, environment, name, may).await;
    if let Err(Refusal(problem)) = &found
        && problem.is(problem::PERMISSION_DENIED)
        && let Ok(scope) = app.control.store().scope(team, environment).await
    {
        // Only a name that can be one: what was typed may be anything.
        let name = name.parse::<pluvio_model::name::Name>();
        let of = name.map_or_else(|_| "no name".to_owned(), |name| name.to_string());
        let object = format!("instances of application {of}");
        record(app, caller, scope.team, object, "refused").await?;
    }
    found.map(|(_, application)| application)
}

async fn record(
    app: &App,
    caller: &Caller,
    team: TeamId,
    object: String,
    result: &str,
) -> Result<(), Refusal> {
    let row = NewAudit {
        team: Some(team),
        actor: caller.actor(),
        action: Permission::InstanceExec.as_str().to_owned(),
        object,
        result: result.to_owned(),
    };
    Ok(app.control.store().audit(row).await?)
}

/// Opens what `what` says, and tells of it before: what cannot be told of does not happen. That it failed is told as well.
async fn audited<T>(
    app: &App,
    caller: &Caller,
    (application, instance): (&Application, &str),
    what: &str,
    open: impl Future<Output = Result<T, RuntimeError>>,
) -> Result<T, Refusal> {
    let object = format!(
        "{what} instance {instance} of application {}",
        application.name
    );
    record(app, caller, application.team, object.clone(), "opened").await?;
    match open.await {
        Ok(opened) => Ok(opened),
        Err(error) => {
            record(app, caller, application.team, object, "failed").await?;
            Err(error.into())
        }
    }
}

fn no_upgrade() -> Refusal {
    Refusal(Problem {
        status: 426,
        ..problem::REQUEST_INVALID
            .problem("This is a WebSocket.", "Connect with a WebSocket client.")
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Control {
    Resize((u16, u16)),
    End(#[allow(dead_code, reason = "the word is the message")] bool),
}

/// What the browser is told when its caller may not any more.
fn farewell() -> Message {
    Message::Close(Some(CloseFrame {
        code: close_code::POLICY,
        reason: "The session was closed, or the permission taken away.".into(),
    }))
}

async fn run_exec(
    socket: WebSocket,
    mut session: pluvio_runtime::ExecSession,
    watch: Shared<impl Future<Output = ()>>,
) {
    let (mut out, mut incoming) = socket.split();
    let input = session.input.clone();
    let reading = async move {
        while let Some(Ok(message)) = incoming.next().await {
            let item = match message {
                Message::Binary(bytes) => ExecInput::Bytes(bytes),
                Message::Text(text) => match serde_json::from_str(&text) {
                    Ok(Control::Resize((cols, rows))) => ExecInput::Resize(cols, rows),
                    Ok(Control::End(_)) => ExecInput::End,
                    Err(_) => continue,
                },
                Message::Close(_) => break,
                _ => continue,
            };
            if input.send(item).await.is_err() {
                break;
            }
        }
    };
    let ended = watch.clone();
    let writing = async move {
        loop {
            let item = tokio::select! {
                () = ended.clone() => {
                    let _ = out.send(farewell()).await;
                    return;
                }
                item = session.output.next() => item,
            };
            let message = match item {
                Some(ExecOutput::Out(bytes) | ExecOutput::Err(bytes)) => Message::Binary(bytes),
                Some(ExecOutput::Exit(code)) => {
                    let text = format!("{{\"exit\":{code}}}");
                    let _ = out.send(Message::Text(text.into())).await;
                    break;
                }
                None => break,
            };
            if out.send(message).await.is_err() {
                break;
            }
        }
        let _ = out.close().await;
    };
    tokio::select! { () = reading => {}, () = writing => {}, () = after(watch) => {} }
}

/// A client that reads nothing holds the farewell up, not the end.
async fn after(watch: Shared<impl Future<Output = ()>>) {
    watch.await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PortQuery {
    /// A port inside the instance.
    #[param(minimum = 1)]
    port: u16,
}

/// A TCP connection to a port of an instance, over a WebSocket of binary frames.
#[utoipa::path(get, path = "/applications/{application}/instances/{instance}/connect", tag = "instances", params(("team" = String, Path), ("environment" = String, Path), ("application" = String, Path), ("instance" = String, Path), PortQuery),
    responses((status = 101, description = "A WebSocket"), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem), (status = 426, body = Problem), (status = 502, body = Problem), (status = 503, body = Problem)), extensions(("x-permission" = json!("instance:exec"))))]
async fn connect(
    State(app): State<App>,
    caller: Caller,
    Path((team, environment, name, named)): Path<(String, String, String, String)>,
    Query(query): Query<PortQuery>,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    let application = enter(&app, &caller, [&team, &environment, &name]).await?;
    let upgrade = upgrade.map_err(|_| no_upgrade())?;
    let instance = find_instance(&app, &application, &named).await?;
    if query.port == 0 {
        return Err(Refusal(problem::REQUEST_INVALID.problem(
            "There is no port 0.",
            "Name a port that the program listens on.",
        )));
    }
    let what = format!("port {} of", query.port);
    let place = app.control.place(application.cluster)?;
    let open = place.connect(application.id, &instance, query.port);
    let stream = audited(&app, &caller, (&application, &instance), &what, open).await?;
    let watch = caller.watch(&app, application.team, Permission::InstanceExec);
    let watch = Box::pin(watch).shared();
    Ok(upgrade
        .max_message_size(MESSAGE)
        .on_upgrade(move |socket| run_connect(socket, stream, watch)))
}

async fn run_connect(
    socket: WebSocket,
    stream: Box<dyn pluvio_runtime::Duplex>,
    watch: Shared<impl Future<Output = ()>>,
) {
    let (mut out, mut incoming) = socket.split();
    let (mut read, mut write) = tokio::io::split(stream);
    let up = async move {
        while let Some(Ok(message)) = incoming.next().await {
            match message {
                Message::Binary(bytes) if write.write_all(&bytes).await.is_err() => break,
                Message::Close(_) => break,
                _ => {}
            }
        }
        let _ = write.shutdown().await;
    };
    let ended = watch.clone();
    let down = async move {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let count = tokio::select! {
                () = ended.clone() => {
                    let _ = out.send(farewell()).await;
                    return;
                }
                read = read.read(&mut buffer) => match read {
                    Ok(count @ 1..) => count,
                    _ => break,
                },
            };
            let bytes = Bytes::copy_from_slice(&buffer[..count]);
            if out.send(Message::Binary(bytes)).await.is_err() {
                break;
            }
        }
        let _ = out.close().await;
    };
    tokio::select! { () = up => {}, () = down => {}, () = after(watch) => {} }
}
