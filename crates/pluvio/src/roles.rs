//! The roles of a process: control (API, console, decisions, builds), node (gateway, containers), registry (images for
//! clusters, where one is configured). In one process or apart; control and node speak over the node's socket either way.

mod images;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pluvio_control::Control;
use pluvio_model::problem::{self, Problem};
use pluvio_store::{Blobs, Seal, Store};
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// Which roles a process has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Roles {
    pub(crate) control: bool,
    pub(crate) node: bool,
    pub(crate) registry: bool,
}

/// Runs the named roles until the process is told to end.
pub(crate) async fn run(config: Config, roles: Roles) -> Result<(), Problem> {
    let stop = CancellationToken::new();
    let ending = stop.clone();
    tokio::spawn(async move {
        ended().await;
        ending.cancel();
    });
    let config = Arc::new(config);
    match roles {
        Roles {
            control: true,
            node: true,
            registry,
        } => {
            let (one, other) = tokio::join!(
                run_node(config.clone(), stop.clone()),
                run_control(config, registry, stop.clone())
            );
            one.and(other)
        }
        Roles {
            control: true,
            registry,
            ..
        } => run_control(config, registry, stop).await,
        Roles {
            node: true,
            registry,
            ..
        } => {
            let images = async {
                match registry && config.images.listen.value.is_some() {
                    true => images::run(config.clone(), stop.clone()).await,
                    false => Ok(()),
                }
            };
            let (one, other) = tokio::join!(run_node(config.clone(), stop.clone()), images);
            one.and(other)
        }
        Roles { registry: true, .. } => images::run(config, stop).await,
        _ => Err(problem::REQUEST_INVALID.problem(
            "No role was named.",
            "Use --roles control, node, registry or several.",
        )),
    }
}

/// Until the process is told to end.
pub(crate) async fn ended() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
}

async fn run_node(config: Arc<Config>, stop: CancellationToken) -> Result<(), Problem> {
    let mut node = pluvio_node::Config::new(&config.data);
    node.listen = vec![config.gateway()];
    node.engine = config
        .engine
        .value
        .as_ref()
        .map(|e| e.trim_start_matches("unix://").into());
    node.pool = config
        .pool
        .value
        .parse()
        .map_err(|e: pluvio_node::InvalidPool| {
            problem::CONFIG_INVALID.problem(e.to_string(), "Correct network.pool.")
        })?;
    pluvio_node::run(node, stop.cancelled_owned())
        .await
        .map_err(|e| e.to_problem())
}

/// A predecessor that was killed may take a moment to let go of its ports: the kernel closes them after it is seen dead.
async fn bind(
    config: &Config,
    socket: &Path,
) -> Result<pluvio_server::Listeners, (String, std::io::Error)> {
    const PATIENCE: Duration = Duration::from_secs(3);
    let since = Instant::now();
    loop {
        let (public, operations) = (config.public(), config.operations());
        match pluvio_server::Listeners::bind(public, socket, operations).await {
            Err((_, error))
                if error.kind() == std::io::ErrorKind::AddrInUse && since.elapsed() < PATIENCE =>
            {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            bound => return bound,
        }
    }
}

async fn run_control(
    config: Arc<Config>,
    serves_images: bool,
    stop: CancellationToken,
) -> Result<(), Problem> {
    let socket = config.data.join("control.sock");
    let listeners = bind(&config, &socket).await.map_err(|(address, error)| {
        problem::PORT_TAKEN.problem(format!("{address} cannot be listened on: {error}."), "End what listens there, or choose another with --port (console) or PLUVIO_OPERATIONS_PORT.")
    })?;
    let seal = Seal::open_or_create(&config.data.join("seal.key")).map_err(Problem::from)?;
    let store = Store::open(&config.database.value, seal)
        .await
        .map_err(Problem::from)?;
    let blobs = Blobs::open(&config.data.join("blobs")).await.map_err(|e| {
        problem::DISK_FULL.problem(
            format!("The blob folder cannot be opened: {e}."),
            "Check the data folder's permissions and space.",
        )
    })?;
    let registry = images::registry(&config, &store, &blobs);
    if let Some(registry) = registry.as_ref().filter(|_| serves_images) {
        images::start(&config, registry, &store, &stop).await?;
    }
    let node = pluvio_node::Client::new(pluvio_node::socket_in(&config.data));
    let builder = builder(&config, &stop).await?;
    let Some(builder) = builder else {
        return Ok(());
    };
    let settings = pluvio_control::Config {
        data: config.data.clone(),
        domain: config.domain.value.clone(),
        gateway_port: config.gateway_port.value,
        builds: config.builds.value,
        warm_bases: config.warm_bases.value,
        volume_grace: config.volume_grace.value.duration(),
        owner: format!("{}-{}", hostname(), std::process::id()),
    };
    let control = Control::new(settings, store, blobs, node, builder);
    control.start(Some(Arc::new(pluvio_kubernetes::Clusters)));
    if let (Some(registry), Some(url)) = (registry, config.images.address()) {
        control.serve_images(registry, &url);
    }
    let server = pluvio_server::Config {
        public_url: config.public_url(),
        gateway: config.gateway_url(),
        upload_limit: 512 << 20,
        fetch_private: config.fetch_private.value,
    };
    tracing::info!(listen = %config.public(), "control serves");
    pluvio_server::serve(
        listeners,
        pluvio_server::router(control.clone(), server),
        pluvio_server::operations_router(control.clone()),
        stop,
    )
    .await;
    control.stop().await;
    control.store().close().await;
    let _ = std::fs::remove_file(&socket);
    Ok(())
}

/// The builder speaks to the same engine as the node; it is waited for, so that control may start before its engine.
async fn builder(
    config: &Config,
    stop: &CancellationToken,
) -> Result<Option<pluvio_build::Builder>, Problem> {
    let mut said = false;
    loop {
        match pluvio_engine::find_engine(config.engine.value.as_deref()).await {
            Ok(engine) => {
                let memory = std::fs::read_to_string("/proc/meminfo")
                    .ok()
                    .and_then(|t| {
                        t.lines()
                            .next()
                            .and_then(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok())
                    })
                    .map_or(4 << 30, |kib| kib * 1024);
                let owner = installation(&config.data)?;
                let settings = pluvio_build::BuildSettings {
                    owner,
                    work: config.data.join("work"),
                    registry: config.registry.value.clone(),
                    limits: pluvio_build::BuildLimits::of_machine(memory),
                };
                return Ok(Some(pluvio_build::Builder::new(engine, settings)));
            }
            Err(problem) => {
                if !said {
                    tracing::warn!(cause = problem.cause, "waiting for an engine");
                    said = true;
                }
                tokio::select! {
                    () = stop.cancelled() => return Ok(None),
                    () = tokio::time::sleep(Duration::from_secs(1)) => {}
                }
            }
        }
    }
}

/// Names this data folder among those that share an engine; made once.
fn installation(data: &std::path::Path) -> Result<String, Problem> {
    let file = data.join("installation");
    if let Ok(text) = std::fs::read_to_string(&file)
        && !text.trim().is_empty()
    {
        return Ok(text.trim().to_owned());
    }
    let id = uuid::Uuid::now_v7().simple().to_string();
    std::fs::write(&file, &id).map_err(|e| {
        problem::DISK_FULL.problem(
            format!("{} cannot be written: {e}.", file.display()),
            "Check the data folder's permissions and space.",
        )
    })?;
    Ok(id)
}

fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|t| t.trim().to_owned())
        .unwrap_or_default()
}
