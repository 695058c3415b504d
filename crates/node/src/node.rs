//! A node as its owner holds it: started over a data folder and an engine, used as a runtime, ended.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use pluvio_model::facts::{Facts, RuntimeKind};
use pluvio_model::id::ApplicationId;
use pluvio_model::image::ContentHash;
use pluvio_model::observed::Observed;
use pluvio_model::problem::{self, Problem};
use pluvio_model::stage::{Stage, Wish};
use pluvio_plan::lower::engine::label;
use pluvio_proxy::{AccessLog, Gateway, GatewayConfig, GatewayError};
use pluvio_runtime::driver::{Driver, DriverError, SeenContainer};
use pluvio_runtime::{Changes, Runtime, RuntimeError, Scope};
use pluvio_telemetry::events::EventStore;
use pluvio_telemetry::logs::LogStore;
use pluvio_telemetry::usage::UsageStore;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::addresses::Addresses;
use crate::apart;
use crate::application::{AllPublished, Application};
use crate::binding::BoundEngine;
use crate::clock::Clock;
use crate::config::{Config, Pool};
use crate::disk;
use crate::engine::Engine;
use crate::hands::Hands;
use crate::inner::Inner;
use crate::runs::RunBook;
use crate::server;
use crate::stages::StageStore;
use crate::traffic::Traffic;
use crate::usage::Meter;
use crate::wire::{Health, Metrics};

/// Between two readings of what instances use.
const USAGE: Duration = Duration::from_secs(5);
/// After a start, before addresses that nobody asked for are given back.
const SWEEP: Duration = Duration::from_secs(20);
/// Between two looks for logs that are too old.
const TRIM: Duration = Duration::from_secs(3600);

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error("the node's folder {} cannot be used", path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("another node runs on {}", path.display())]
    Running { path: PathBuf },
    #[error(transparent)]
    Gateway(#[from] GatewayError),
}

impl NodeError {
    /// What a user may read.
    pub fn to_problem(&self) -> Problem {
        match self {
            NodeError::Folder { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                problem::DISK_FULL.problem(
                    format!("{self}: {source}."),
                    "Free space on the disk of Pluvio's data folder, then start again.",
                )
            }
            NodeError::Folder { source, .. } => problem::CONFIG_INVALID.problem(
                format!("{self}: {source}."),
                "Check the folder's owner and permissions, or choose another with `--data`.",
            ),
            NodeError::Running { .. } => problem::CONFLICT.problem(
                format!("{self}."),
                "It goes on by itself; `pluvio status` shows what it does, `pluvio down` ends it.",
            ),
            NodeError::Gateway(error) => Problem::from(error),
        }
    }
}

/// What the parts of a node share.
pub(crate) struct Shared {
    pub(crate) engine: Arc<Engine>,
    pub(crate) traffic: Arc<Traffic>,
    pub(crate) addresses: Addresses,
    pub(crate) inner: Inner,
    /// The range of applications' networks.
    pub(crate) pool: Pool,
    pub(crate) logs: Arc<LogStore>,
    pub(crate) events: Arc<EventStore>,
    pub(crate) usage: UsageStore,
    pub(crate) hands: Hands,
    pub(crate) clock: Clock,
    /// Folder of what is remembered of applications.
    pub(crate) memos: PathBuf,
    stages: Mutex<StageStore>,
    /// Folder of the books of runs, and those that are open.
    books: PathBuf,
    open_books: Mutex<HashMap<ApplicationId, Arc<RunBook>>>,
    published: Mutex<AllPublished>,
    changes: watch::Sender<u64>,
    started_at: Timestamp,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn stages(&self) -> MutexGuard<'_, StageStore> {
        lock(&self.stages)
    }
    pub(crate) fn published(&self) -> MutexGuard<'_, AllPublished> {
        lock(&self.published)
    }
    /// The book of an application's runs.
    pub(crate) fn book(&self, application: ApplicationId) -> Arc<RunBook> {
        let mut open = lock(&self.open_books);
        let book = open.entry(application);
        book.or_insert_with(|| Arc::new(RunBook::open(&self.books, application)))
            .clone()
    }
    pub(crate) fn hint(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// An instance of an application, as the engine last showed it.
    pub(crate) fn instance(
        &self,
        application: ApplicationId,
        instance: &str,
    ) -> Result<SeenContainer, RuntimeError> {
        let part = self.engine.view().part(application);
        part.containers
            .iter()
            .find(|container| container.name == instance)
            .cloned()
            .ok_or_else(|| RuntimeError::NotFound {
                what: format!("the instance {instance}"),
            })
    }
}

/// A running node. Dropping it ends everything it does at once, as a kill would: instances go on, and the next node over the
/// same folder takes them up. [`shutdown`](Node::shutdown) lets requests finish.
pub struct Node {
    pub(crate) shared: Arc<Shared>,
    applications: Mutex<HashMap<ApplicationId, Running>>,
    tasks: Vec<JoinHandle<()>>,
    grace: Duration,
    /// Held as long as the node lives: one node a folder.
    _lock: File,
}

struct Running {
    wake: Arc<Notify>,
    task: JoinHandle<()>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.write_str("Node")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        for running in lock(&self.applications).values() {
            running.task.abort();
        }
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Node {
    /// Starts over a data folder and any driver: gateway first, then every application that has a stage. Needs a running
    /// tokio runtime; does not wait for the engine.
    pub fn start(config: &Config, driver: Arc<dyn Driver>) -> Result<Node, NodeError> {
        let folder = config.folder();
        let usable = |path: PathBuf| move |source: io::Error| NodeError::Folder { path, source };
        disk::private_folder(&folder).map_err(usable(folder.clone()))?;
        let lock_path = folder.join("lock");
        let held = File::create(&lock_path).map_err(usable(lock_path.clone()))?;
        if held.try_lock().is_err() {
            return Err(NodeError::Running { path: folder });
        }
        let memos = folder.join("memos");
        disk::private_folder(&memos).map_err(usable(memos.clone()))?;
        let books = folder.join("runs");
        disk::private_folder(&books).map_err(usable(books.clone()))?;
        let logs_folder = folder.join("logs");
        let stages = StageStore::open(folder.join("stages")).map_err(usable(folder.clone()))?;
        let addresses = Addresses::open(folder.join("addresses.json"), config.pool)
            .map_err(usable(folder.clone()))?;
        let logs = LogStore::open(
            logs_folder.join("applications"),
            config.logs.bytes,
            config.logs.age,
        )
        .map_err(usable(logs_folder.clone()))?;
        let events = folder.join("events");
        let events = EventStore::open(events.clone()).map_err(usable(events))?;
        let gateway = Gateway::bind(
            &config.listen,
            GatewayConfig {
                access_log: AccessLog::file(logs_folder.join("access.log")),
                ..GatewayConfig::default()
            },
        )?;
        let traffic = Traffic::new(gateway);
        traffic.set_routes(
            stages
                .all()
                .filter_map(|kept| {
                    let routes = kept.wish()?.release.routes.clone();
                    Some((kept.stage.application, kept.stage.generation, routes))
                })
                .collect(),
        );
        let known: Vec<ApplicationId> = stages.all().map(|kept| kept.stage.application).collect();
        let shared = Arc::new(Shared {
            engine: Arc::new(Engine::new(driver)),
            inner: Inner::new(config.pool, traffic.clone()),
            pool: config.pool,
            traffic,
            addresses,
            logs: Arc::new(logs),
            events: Arc::new(events),
            usage: UsageStore::open(&folder),
            hands: Hands::new(folder.clone()),
            clock: Clock::start(),
            memos,
            stages: Mutex::new(stages),
            books,
            open_books: Mutex::default(),
            published: Mutex::default(),
            changes: watch::Sender::new(1),
            started_at: pluvio_model::clock::now(),
        });
        let tasks = vec![
            tokio::spawn(shared.engine.clone().watch()),
            tokio::spawn(measure(shared.clone())),
            tokio::spawn(trim_logs(shared.clone())),
            tokio::spawn(sweep_addresses(shared.clone())),
            tokio::spawn(apart::keep(shared.clone(), config.pool)),
        ];
        let node = Node {
            shared,
            applications: Mutex::default(),
            tasks,
            grace: config.grace,
            _lock: held,
        };
        for application in known {
            node.wake(application);
        }
        Ok(node)
    }

    /// Wakes an application's loop, or begins it.
    pub(crate) fn wake(&self, application: ApplicationId) {
        let mut applications = lock(&self.applications);
        if let Some(running) = applications.get(&application)
            && !running.task.is_finished()
        {
            running.wake.notify_one();
            return;
        }
        let wake = Arc::new(Notify::new());
        self.shared.inner.expect(application);
        let one = Application::new(application, self.shared.clone(), wake.clone());
        let task = tokio::spawn(one.run());
        applications.insert(application, Running { wake, task });
    }

    /// Where the gateway listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.shared.traffic.addresses()
    }

    pub fn metrics(&self, window: Duration) -> Metrics {
        self.shared.traffic.metrics(window)
    }

    pub fn health(&self) -> Health {
        let view = self.shared.engine.view();
        Health {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started_at: self.shared.started_at,
            listen: self.addresses(),
            applications: self.shared.stages().running(),
            engine: view.problem.clone(),
            memory_bytes: resident_bytes(),
        }
    }

    /// Takes the engine that answers now for its own: a deliberate act, after which applications are made anew there.
    pub async fn rebind(&self) -> Result<Facts, RuntimeError> {
        self.shared.engine.rebind().await.map_err(refused)?;
        let applications: Vec<ApplicationId> = lock(&self.applications).keys().copied().collect();
        for application in applications {
            self.wake(application);
        }
        self.facts().await
    }

    /// Ends it: clients are told, requests under way may finish, instances go on.
    pub async fn shutdown(mut self) {
        self.end_tasks().await;
        self.shared.traffic.shutdown(self.grace).await;
    }

    /// Ends it at once, as a kill would; when this returns, nothing of it is at work any more.
    pub async fn kill(mut self) {
        self.end_tasks().await;
        self.shared.traffic.shutdown(Duration::ZERO).await;
    }

    async fn end_tasks(&mut self) {
        let mut ended: Vec<JoinHandle<()>> = std::mem::take(&mut self.tasks);
        ended.extend(
            lock(&self.applications)
                .drain()
                .map(|(_, running)| running.task),
        );
        for task in &ended {
            task.abort();
        }
        for task in ended {
            let _ = task.await;
        }
    }
}

/// Runs a node until `stop` is done: over the configured engine, with its socket for control.
pub async fn run(config: Config, stop: impl Future<Output = ()>) -> Result<(), NodeError> {
    let folder = config.folder();
    let usable = |path: PathBuf| move |source: io::Error| NodeError::Folder { path, source };
    disk::private_folder(&folder).map_err(usable(folder.clone()))?;
    let driver = BoundEngine::open(&folder, config.engine.clone()).map_err(usable(folder))?;
    run_over(config, Arc::new(driver), stop).await
}

/// The same over any driver: tests of what speaks to a node need no engine.
pub async fn run_over(
    config: Config,
    driver: Arc<dyn Driver>,
    stop: impl Future<Output = ()>,
) -> Result<(), NodeError> {
    let usable = |path: PathBuf| move |source: io::Error| NodeError::Folder { path, source };
    let node = Arc::new(Node::start(&config, driver)?);
    let listener = server::bind(&config.socket()).map_err(usable(config.socket()))?;
    tracing::info!(listen = ?node.addresses(), socket = %config.socket().display(), "the node runs");
    tokio::select! {
        () = server::serve(listener, node.clone()) => {}
        () = stop => {}
    }
    let _ = std::fs::remove_file(config.socket());
    match Arc::try_unwrap(node) {
        Ok(node) => node.shutdown().await,
        // Somebody in the same process still holds it; it ends with them.
        Err(node) => drop(node),
    }
    Ok(())
}

async fn measure(shared: Arc<Shared>) {
    let mut meter = Meter::new();
    let mut ticks = tokio::time::interval(USAGE);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let view = shared.engine.view();
        let readings = meter.read(view.containers());
        shared.usage.record(pluvio_model::clock::now(), readings);
    }
}

/// Every application that runs has asked for its addresses by then.
async fn sweep_addresses(shared: Arc<Shared>) {
    tokio::time::sleep(SWEEP).await;
    let facts = shared.engine.known_facts();
    // An engine in memory has no network, and the machine's addresses are others'.
    if facts.is_none_or(|facts| facts.runtime != RuntimeKind::Memory) {
        shared.inner.sweep().await;
    }
}

async fn trim_logs(shared: Arc<Shared>) {
    loop {
        let logs = shared.logs.clone();
        let trimmed = tokio::task::spawn_blocking(move || logs.trim()).await;
        if let Ok(Err(error)) = trimmed {
            tracing::warn!(%error, "old logs cannot be removed");
        }
        tokio::time::sleep(TRIM).await;
    }
}

/// What this process holds in memory.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = status.lines().find_map(|line| {
        line.strip_prefix("VmRSS:")?
            .trim()
            .strip_suffix(" kB")?
            .parse::<u64>()
            .ok()
    });
    kilobytes.unwrap_or(0) * 1024
}

pub(crate) fn refused(error: DriverError) -> RuntimeError {
    match error {
        DriverError::NotFound { what } => RuntimeError::NotFound { what },
        error => RuntimeError::Refused(error.to_problem()),
    }
}

#[async_trait]
impl Runtime for Node {
    async fn facts(&self) -> Result<Facts, RuntimeError> {
        self.shared.engine.facts().await.map_err(refused)
    }

    async fn apply(&self, stage: &Stage) -> Result<(), RuntimeError> {
        if let Some(facts) = self.shared.engine.known_facts()
            && facts.cluster != stage.cluster
        {
            return Err(refused(DriverError::Foreign(format!(
                "the stage is for cluster {}, this is {}",
                stage.cluster, facts.cluster
            ))));
        }
        let view = self.shared.engine.view();
        let part = view.part(stage.application);
        let hashes = || {
            part.containers
                .iter()
                .filter_map(|container| ContentHash::from_hex(container.labels.get(label::HASH)?))
                .collect::<BTreeSet<_>>()
        };
        let present = (part.known && part.problem.is_none()).then(hashes);
        let taken = self.shared.stages().put(stage, present.as_ref())?;
        if taken && let Wish::Run(wish) = &stage.wish {
            let routes = wish.release.routes.clone();
            self.shared
                .traffic
                .set_routes(vec![(stage.application, stage.generation, routes)]);
        }
        self.wake(stage.application);
        Ok(())
    }

    async fn observe(&self, scope: Scope) -> Result<Observed, RuntimeError> {
        let in_flight = self.shared.traffic.in_flight_of_all();
        let published = self.shared.published();
        let applications = published
            .iter()
            .filter(|(id, _)| match scope {
                Scope::All => true,
                Scope::Application(wanted) => **id == wanted,
            })
            .map(|(id, one)| (*id, one.now(&in_flight)))
            .collect();
        Ok(Observed {
            at: Some(pluvio_model::clock::now()),
            applications,
        })
    }

    fn changes(&self) -> Changes {
        self.shared.changes.subscribe()
    }
}
