//! `up`, `down`: control and node as two processes of this machine.

use std::path::Path;
use std::time::{Duration, Instant};

use pluvio_api::client::{Address, Client};
use pluvio_api::identity::{Session, SigninLink};
use pluvio_api::platform::ClusterDetail;
use pluvio_model::problem::{self, Problem};

use super::Done;
use crate::cli::UpArgs;
use crate::config::Config;
use crate::context::Context;
use crate::output::Tone;

pub(crate) async fn up(context: &Context, args: &UpArgs) -> Done {
    let data = &context.data;
    make_data(data)?;
    keep_settings(data, args)?;
    let config = Config::read(data, args)?;
    let started = Instant::now();
    if !alive(&data.join("node/node.pid"), "node") {
        if !alive(&data.join("control.pid"), "control") {
            check_ports(&config).await?;
        }
        let engine = pluvio_engine::find_engine(config.engine.value.as_deref()).await?;
        context.out.say(format!(
            "{} engine   {:?} {} at {}",
            context.out.paint(Tone::Good, "✓"),
            engine.kind(),
            engine.version(),
            engine.socket().display()
        ));
        spawn(data, "node", args)?;
    }
    let node = pluvio_node::Client::new(pluvio_node::socket_in(data));
    wait(data, "node", async || node.health().await.is_ok()).await?;
    context.out.say(format!(
        "{} node     gateway on {}",
        context.out.paint(Tone::Good, "✓"),
        config.gateway()
    ));
    if !alive(&data.join("control.pid"), "control") {
        spawn(data, "control", args)?;
    }
    let client = Client::new(Address::Socket(data.join("control.sock")), None);
    wait(data, "control", async || {
        client.get::<Session>("/api/v1/session").await.is_ok()
    })
    .await?;
    if args.rebind_engine {
        let _: ClusterDetail = client.post("/api/v1/cluster/rebind", &()).await?;
    }
    // Bound to the engine: a foreign one is told now, not at the first deploy.
    let deadline = Instant::now() + Duration::from_secs(15);
    let cluster = loop {
        let cluster: ClusterDetail = client.get("/api/v1/cluster").await?;
        if cluster.reachable || Instant::now() > deadline {
            break cluster;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    context.out.say(format!(
        "{} control  {} ({:.1} s)",
        context.out.paint(Tone::Good, "✓"),
        config.public_url(),
        started.elapsed().as_secs_f32()
    ));
    let session: Session = client.get("/api/v1/session").await?;
    let link: Option<SigninLink> = if session.password_unset && session.passkeys == 0 {
        Some(client.post("/api/v1/signin-links", &()).await?)
    } else {
        None
    };
    if context.out.json {
        context.out.document(&serde_json::json!({ "console": config.public_url(), "gateway": config.gateway_url(), "signin": link.as_ref().map(|l| &l.url), "engine": cluster.facts, "data": data }));
        return Ok(());
    }
    context
        .out
        .line(format!("Console       {}", config.public_url()));
    match &link {
        Some(link) => context.out.line(format!("Sign in once  {}", link.url)),
        None => context
            .out
            .line("Sign in       with your password or passkey, or by a link: pluvio signin-link"),
    }
    context
        .out
        .line(format!("Applications  {}", config.gateway_url()));
    if config.listen.value.is_loopback() && std::env::var_os("SSH_CONNECTION").is_some() {
        let (port, gateway) = (config.port.value, config.gateway_port.value);
        context.out.line(format!("From your own machine: ssh -L {port}:localhost:{port} -L {gateway}:localhost:{gateway} {}", host_for_ssh()));
    }
    Ok(())
}

fn host_for_ssh() -> String {
    // SSH_CONNECTION: client address, client port, server address, server port.
    std::env::var("SSH_CONNECTION")
        .ok()
        .and_then(|v| v.split(' ').nth(2).map(str::to_owned))
        .unwrap_or_else(|| "THIS-HOST".into())
}

fn make_data(data: &Path) -> Done {
    use std::os::unix::fs::DirBuilderExt;
    let failed = |e: std::io::Error| {
        problem::CONFIG_INVALID.problem(
            format!("The data folder {} cannot be made: {e}.", data.display()),
            "Name another with --data, or check its permissions.",
        )
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data.join("node"))
        .map_err(failed)?;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data.join("logs"))
        .map_err(failed)
}

/// What is said once on the command line stays: the next `up`, or a reboot, needs no flags.
fn keep_settings(data: &Path, args: &UpArgs) -> Done {
    let file = data.join("pluvio.toml");
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let mut table: toml::Table = toml::from_str(&text).map_err(|e| {
        problem::CONFIG_INVALID.problem(
            format!("{}: {}", file.display(), e.message()),
            "Correct the file.",
        )
    })?;
    let before = table.clone();
    let mut set = |key: &str, value: Option<toml::Value>| {
        if let Some(value) = value {
            table.insert(key.to_owned(), value);
        }
    };
    set("domain", args.domain.clone().map(Into::into));
    set("listen", args.listen.map(|l| l.to_string().into()));
    set("port", args.port.map(|p| i64::from(p).into()));
    set(
        "gateway-port",
        args.gateway_port.map(|p| i64::from(p).into()),
    );
    for (section, key, value) in [
        ("engine", "host", &args.engine),
        ("database", "url", &args.database),
    ] {
        if let Some(value) = value {
            let part = table
                .entry(section.to_owned())
                .or_insert_with(|| toml::Value::Table(toml::Table::new()));
            if let Some(part) = part.as_table_mut() {
                part.insert(key.to_owned(), value.clone().into());
            }
        }
    }
    if table == before {
        return Ok(());
    }
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    // A database's URL may hold a password.
    let written = std::fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&file)
        .and_then(|mut f| f.write_all(toml::to_string(&table).unwrap_or_default().as_bytes()));
    written.map_err(|e| {
        problem::CONFIG_INVALID.problem(
            format!("{} cannot be written: {e}.", file.display()),
            "Check the folder's permissions.",
        )
    })
}

async fn check_ports(config: &Config) -> Done {
    for (what, flag, address) in [
        ("console", "--port", config.public()),
        ("gateway", "--gateway-port", config.gateway()),
        ("operations", "PLUVIO_OPERATIONS_PORT=", config.operations()),
    ] {
        if let Err(error) = tokio::net::TcpListener::bind(address).await {
            let whose = if error.kind() == std::io::ErrorKind::AddrInUse {
                format!("something else listens on {address}, where the {what} would")
            } else {
                format!("{address} cannot be listened on: {error}")
            };
            return Err(problem::PORT_TAKEN.problem(whose, format!("End it (`ss -ltnp 'sport = :{}'` shows it), or choose another port: pluvio up {flag} {}.", address.port(), address.port() + 1)));
        }
    }
    Ok(())
}

/// The pid in the file, if such a role runs under it.
fn pid(file: &Path, role: &str) -> Option<i32> {
    let pid: i32 = std::fs::read_to_string(file).ok()?.trim().parse().ok()?;
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let text = String::from_utf8_lossy(&command).into_owned();
    (text.contains("server") && text.contains(role)).then_some(pid)
}

fn alive(file: &Path, role: &str) -> bool {
    pid(file, role).is_some()
}

fn pid_file(data: &Path, role: &str) -> std::path::PathBuf {
    if role == "node" {
        data.join("node/node.pid")
    } else {
        data.join(format!("{role}.pid"))
    }
}

/// Starts a role in a session of its own, its output in `logs/ROLE.log`.
fn spawn(data: &Path, role: &str, _args: &UpArgs) -> Done {
    let failed = |e: std::io::Error| {
        problem::INTERNAL.problem(
            format!("The {role} process cannot be started: {e}."),
            format!(
                "Look at {}.",
                data.join(format!("logs/{role}.log")).display()
            ),
        )
    };
    let path = data.join(format!("logs/{role}.log"));
    if std::fs::metadata(&path).is_ok_and(|m| m.len() > 16 << 20) {
        let _ = std::fs::rename(&path, data.join(format!("logs/{role}.log.1")));
    }
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(failed)?;
    let errors = log.try_clone().map_err(failed)?;
    let program = std::env::current_exe().map_err(failed)?;
    // Images are served beside control, where an address is configured for them.
    let roles = match role {
        "control" => "control,registry",
        role => role,
    };
    let child = std::process::Command::new("setsid")
        .arg(program)
        .args(["server", "--roles", roles, "--data"])
        .arg(data)
        .current_dir("/")
        // Two worker threads serve a small machine and keep memory low; more cores get more by configuration.
        .env(
            "TOKIO_WORKER_THREADS",
            std::env::var("TOKIO_WORKER_THREADS").unwrap_or_else(|_| "2".into()),
        )
        .env("MALLOC_ARENA_MAX", "2")
        .stdin(std::process::Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .map_err(failed)?;
    std::fs::write(pid_file(data, role), child.id().to_string()).map_err(failed)
}

/// Waits until a role answers; one that ended meanwhile is told with the end of its log.
async fn wait(data: &Path, role: &str, mut ready: impl AsyncFnMut() -> bool) -> Done {
    let deadline = Instant::now() + Duration::from_secs(30);
    // A process that is just being executed has no command line for a moment; one that ended keeps having none.
    let mut missed = 0;
    while Instant::now() < deadline && missed < 10 {
        if ready().await {
            return Ok(());
        }
        missed = if alive(&pid_file(data, role), role) {
            0
        } else {
            missed + 1
        };
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    if ready().await {
        return Ok(());
    }
    let log = std::fs::read_to_string(data.join(format!("logs/{role}.log"))).unwrap_or_default();
    let lines: Vec<String> = log.lines().rev().take(8).map(str::to_owned).collect();
    // A role that ends with a problem writes it as its last line.
    if let Some(problem) = lines
        .first()
        .and_then(|l| serde_json::from_str::<Problem>(l).ok())
    {
        return Err(problem);
    }
    Err(problem::SERVER_UNREACHABLE
        .problem(
            format!("The {role} process did not come up."),
            format!(
                "Its log is {}.",
                data.join(format!("logs/{role}.log")).display()
            ),
        )
        .evidence(lines.into_iter().rev()))
}

/// Ends a role's process; one that does not end by itself within ten seconds is killed.
pub(super) async fn end(data: &Path, role: &str) -> bool {
    let file = pid_file(data, role);
    let Some(running) = pid(&file, role).and_then(rustix::process::Pid::from_raw) else {
        return false;
    };
    let _ = rustix::process::kill_process(running, rustix::process::Signal::TERM);
    let deadline = Instant::now() + Duration::from_secs(10);
    while alive(&file, role) {
        if Instant::now() > deadline {
            let _ = rustix::process::kill_process(running, rustix::process::Signal::KILL);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let _ = std::fs::remove_file(file);
    true
}

pub(crate) async fn down(context: &Context, node: bool) -> Done {
    let control = end(&context.data, "control").await;
    let node = node && end(&context.data, "node").await;
    if context.out.json {
        context
            .out
            .document(&serde_json::json!({ "control_stopped": control, "node_stopped": node }));
        return Ok(());
    }
    context.out.line(match (control, node) {
        (true, true) => "Control and node are stopped; containers go on, nobody routes to them.",
        (true, false) => {
            "Control is stopped. Applications and gateway go on; `pluvio up` starts it again."
        }
        (false, true) => "The node is stopped; containers go on, nobody routes to them.",
        (false, false) => "Nothing of it was running.",
    });
    Ok(())
}
