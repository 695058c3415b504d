//! Into instances: `exec`, `port-forward`.

use std::io::IsTerminal;
use std::sync::Arc;

use futures::{SinkExt, StreamExt};
use pluvio_api::applications::ApplicationDetail;
use pluvio_model::observed::{InstanceState, ObservedInstance};
use pluvio_model::problem::{self, Problem};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;

use super::Done;
use crate::cli::ExecArgs;
use crate::context::{Context, escape};

/// What people call an instance: `db-1`, or its container's name where it has none of its own.
pub(crate) fn called(component: &str, instance: &ObservedInstance) -> String {
    match instance.ordinal {
        Some(ordinal) => format!("{component}-{ordinal}"),
        None => instance.name.clone(),
    }
}

/// The full name of an instance, of its own name: while one takes another's place, of the one that runs.
pub(crate) async fn named(context: &Context, asked: &str) -> Result<String, Problem> {
    // Names of containers have parts, those of instances have none.
    if asked.contains("--") {
        return Ok(asked.to_owned());
    }
    let app: ApplicationDetail = context.client()?.get(&context.app_path()?).await?;
    let mut found: Vec<_> = app
        .components
        .iter()
        .flat_map(|component| component.instances.iter().map(move |i| (component, i)))
        .filter(|(component, i)| called(&component.name, &i.instance) == asked)
        .map(|(_, i)| i)
        .collect();
    found.sort_by_key(|i| (i.instance.state != InstanceState::Ready, !i.current));
    let found = found.first().map(|i| i.instance.name.clone());
    Ok(found.unwrap_or_else(|| asked.to_owned()))
}

/// The instance meant: as named, else a ready one of the target's content.
pub(crate) async fn instance(
    context: &Context,
    component: Option<&str>,
    named: Option<&str>,
) -> Result<String, Problem> {
    if let Some(asked) = named {
        return self::named(context, asked).await;
    }
    let app: ApplicationDetail = context.client()?.get(&context.app_path()?).await?;
    let component = component.map(str::to_owned);
    let components = app
        .components
        .iter()
        .filter(|c| c.kind != "external")
        .filter(|c| component.as_ref().is_none_or(|name| c.name == *name));
    let mut instances: Vec<_> = components.flat_map(|c| &c.instances).collect();
    instances.sort_by_key(|i| (i.instance.state != InstanceState::Ready, !i.current));
    instances
        .first()
        .map(|i| i.instance.name.clone())
        .ok_or_else(|| {
            problem::NOT_FOUND.problem(
                format!("{} has no instance that runs.", app.summary.name),
                "`pluvio status` tells why; `pluvio start` starts a stopped application.",
            )
        })
}

/// Puts the terminal into raw mode for as long as it lives.
struct Raw(rustix::termios::Termios);

impl Raw {
    fn enter() -> Option<Raw> {
        let stdin = std::io::stdin();
        let before = rustix::termios::tcgetattr(&stdin).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Now, &raw).ok()?;
        Some(Raw(before))
    }
}
impl Drop for Raw {
    fn drop(&mut self) {
        let _ = rustix::termios::tcsetattr(
            std::io::stdin(),
            rustix::termios::OptionalActions::Now,
            &self.0,
        );
    }
}

fn terminal_size() -> Option<(u16, u16)> {
    rustix::termios::tcgetwinsize(std::io::stdout())
        .ok()
        .map(|s| (s.ws_col, s.ws_row))
        .filter(|(cols, rows)| *cols > 0 && *rows > 0)
}

/// Runs a command; ends with its exit code.
pub(crate) async fn exec(context: &Context, args: &ExecArgs) -> Done {
    let instance = instance(context, args.component.as_deref(), args.instance.as_deref()).await?;
    let tty = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let place = Place {
        instance: &instance,
        container: args.container.as_deref(),
    };
    let to = &mut std::io::stdout();
    let code = run_in(context, place, &args.command, tty, to).await?;
    std::process::exit(i32::try_from(code).unwrap_or(1));
}

/// Runs a command with this program's standard input; what it says goes to `to`. Gives its exit code.
pub(crate) async fn run(
    context: &Context,
    instance: &str,
    command: &[String],
    tty: bool,
    to: &mut (dyn std::io::Write + Send),
) -> Result<i64, Problem> {
    let place = Place {
        instance,
        container: None,
    };
    run_in(context, place, command, tty, to).await
}

/// Where a command runs.
struct Place<'a> {
    instance: &'a str,
    /// A sidecar; else the main container.
    container: Option<&'a str>,
}

async fn run_in(
    context: &Context,
    place: Place<'_>,
    command: &[String],
    tty: bool,
    to: &mut (dyn std::io::Write + Send),
) -> Result<i64, Problem> {
    let mut path = format!(
        "{}/instances/{}/exec?tty={tty}",
        context.app_path()?,
        escape(place.instance)
    );
    if let Some(container) = place.container {
        path.push_str(&format!("&container={}", escape(container)));
    }
    if !command.is_empty() {
        path.push_str(&format!(
            "&command={}",
            escape(&serde_json::to_string(command).expect("words serialise"))
        ));
    }
    if let (true, Some((cols, rows))) = (tty, terminal_size()) {
        path.push_str(&format!("&cols={cols}&rows={rows}"));
    }
    let socket = context.client()?.websocket(&path).await?;
    let (mut out, mut incoming) = socket.split();
    let raw = if tty { Raw::enter() } else { None };
    let sending = tokio::spawn(async move {
        let Ok(stdin) = std::os::fd::AsFd::as_fd(&std::io::stdin()).try_clone_to_owned() else {
            return;
        };
        let mut stdin = tokio::fs::File::from_std(stdin.into());
        let mut resized =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::window_change()).ok();
        let mut buffer = vec![0; 4096];
        loop {
            let resize = async {
                match &mut resized {
                    Some(signal) => signal.recv().await,
                    None => std::future::pending().await,
                }
            };
            let message = tokio::select! {
                read = stdin.read(&mut buffer) => match read {
                    Ok(0) | Err(_) => {
                        let _ = out.send(Message::text("{\"end\":true}")).await;
                        std::future::pending::<()>().await;
                        return;
                    }
                    Ok(count) => Message::binary(buffer[..count].to_vec()),
                },
                _ = resize => match terminal_size() {
                    Some((cols, rows)) => Message::text(format!("{{\"resize\":[{cols},{rows}]}}")),
                    None => continue,
                },
            };
            if out.send(message).await.is_err() {
                return;
            }
        }
    });
    let mut code = None;
    while let Some(message) = incoming.next().await {
        match message {
            Ok(Message::Binary(bytes)) => {
                if let Err(e) = to.write_all(&bytes).and_then(|()| to.flush()) {
                    sending.abort();
                    return Err(problem::INTERNAL.problem(
                        format!("Standard output cannot be written: {e}."),
                        "Write it to a place with room.",
                    ));
                }
            }
            Ok(Message::Text(text)) => {
                code = serde_json::from_str::<serde_json::Value>(&text)
                    .ok()
                    .and_then(|v| v["exit"].as_i64());
            }
            Ok(Message::Close(_)) | Err(_) => break,
            _ => {}
        }
    }
    sending.abort();
    drop(raw);
    code.ok_or_else(|| {
        problem::SERVER_UNREACHABLE.problem(
            "The connection broke off before the command ended.",
            "The command may go on in the instance; look with `pluvio exec -- ps`.",
        )
    })
}

/// Listens on loopback and carries each connection to the instance.
pub(crate) async fn port_forward(context: &Context, ports: &str, named: Option<&str>) -> Done {
    let (local, remote) = ports.split_once(':').unwrap_or((ports, ports));
    let parse = |text: &str| {
        text.parse::<u16>().map_err(|_| {
            problem::REQUEST_INVALID.problem(
                format!("{text:?} is not a port."),
                "Write LOCAL:REMOTE, such as 5432:5432.",
            )
        })
    };
    let (local, remote) = (parse(local)?, parse(remote)?);
    let instance = instance(context, None, named).await?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", local))
        .await
        .map_err(|e| {
            problem::PORT_TAKEN.problem(
                format!("127.0.0.1:{local}: {e}."),
                "Choose another local port: `pluvio port-forward 15432:5432`.",
            )
        })?;
    let address = listener
        .local_addr()
        .map_err(|e| problem::INTERNAL.problem(e.to_string(), "Try again."))?;
    if context.out.json {
        context
            .out
            .row(&serde_json::json!({ "listen": address, "instance": instance, "port": remote }));
    } else {
        context.out.line(format!(
            "{address} reaches port {remote} of {instance}. Ctrl C ends it."
        ));
    }
    let client = Arc::new(context.client()?);
    let path = format!(
        "{}/instances/{}/connect?port={remote}",
        context.app_path()?,
        escape(&instance)
    );
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let (client, path, out) = (client.clone(), path.clone(), context.out);
        tokio::spawn(async move {
            match client.websocket(&path).await {
                Ok(socket) => carry(stream, socket).await,
                Err(problem) => out.problem(&problem),
            }
        });
    }
}

async fn carry(
    stream: tokio::net::TcpStream,
    socket: tokio_tungstenite::WebSocketStream<pluvio_api::client::AnyIo>,
) {
    let (mut read, mut write) = stream.into_split();
    let (mut out, mut incoming) = socket.split();
    let up = async move {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count) = read.read(&mut buffer).await {
            if count == 0
                || out
                    .send(Message::binary(buffer[..count].to_vec()))
                    .await
                    .is_err()
            {
                break;
            }
        }
        let _ = out.close().await;
    };
    let down = async move {
        while let Some(Ok(message)) = incoming.next().await {
            match message {
                Message::Binary(bytes) if write.write_all(&bytes).await.is_err() => break,
                Message::Close(_) => break,
                _ => {}
            }
        }
        let _ = write.shutdown().await;
    };
    tokio::join!(up, down);
}
