//! One process's worth of Pluvio, but for the engine: store, control and node as they are, with time in the test's hand.
//!
//! Time stands still while control works and passes only in [`World::pass`], when control does nothing: what waits for
//! the database's thread is not taken for idle.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use pluvio_build::{BuildLimits, BuildSettings, Builder};
use pluvio_control::Control;
use pluvio_control::reconcile::Rounds;
use pluvio_model::id::ClusterId;
use pluvio_node::{Client, socket_in};
use pluvio_store::{Blobs, Scope, Seal, Store};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::engine::Engine;
use crate::socket;

static BEGAN: Mutex<Option<(Instant, Timestamp)>> = Mutex::new(None);

/// As late as it is in the world of this process.
fn now() -> Timestamp {
    let began = BEGAN.lock().unwrap();
    match *began {
        Some((began, at)) => at + began.elapsed(),
        None => Timestamp::now(),
    }
}

/// Holds the clock: the runtime does not skip to the next timer while a blocking task runs.
struct Held {
    go: std::sync::mpsc::Sender<()>,
    task: JoinHandle<()>,
}

impl Held {
    fn new() -> Held {
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let task = tokio::task::spawn_blocking(move || {
            let _ = gone.recv();
        });
        Held { go, task }
    }

    async fn end(self) {
        drop(self.go);
        let _ = self.task.await;
    }
}

pub(crate) struct World {
    pub(crate) engine: Engine,
    /// The environment that a team begins with, and one that copies go to.
    pub(crate) places: [Scope; 2],
    pub(crate) store: Store,
    pub(crate) control: Control,
    pub(crate) rounds: Rounds,
    builder: Builder,
    blobs: Blobs,
    data: PathBuf,
    node: Option<JoinHandle<()>>,
    held: Option<Held>,
    /// Control processes there were.
    processes: u32,
    _folder: tempfile::TempDir,
}

impl World {
    /// Needs a runtime of one thread whose clock is paused.
    pub(crate) async fn new() -> World {
        let hour = Timestamp::now().as_second() / 3600 * 3600;
        let hour = Timestamp::from_second(hour).unwrap();
        *BEGAN.lock().unwrap() = Some((Instant::now(), hour));
        pluvio_model::clock::set(now);
        let held = Some(Held::new());
        // Nothing here outlives the test: memory does, where there is some.
        let memory = PathBuf::from("/dev/shm");
        let folder = match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        }
        .unwrap();
        let data = folder.path().to_owned();
        let engine = Engine::new(ClusterId(uuid::Uuid::from_u128(1)));
        let socket = data.join("engine.sock");
        socket::listen(&socket);
        let settings = BuildSettings {
            owner: "test".to_owned(),
            work: data.join("work"),
            registry: None,
            limits: BuildLimits::of_machine(1 << 30),
        };
        let builder = Builder::new(
            pluvio_engine::Engine::connect(&socket).await.unwrap(),
            settings,
        );
        World::fill(&data).await;
        let store = World::open(&data).await;
        let blobs = Blobs::open(&data.join("blobs")).await.unwrap();
        let control = World::control(&data, 0, &store, &blobs, &builder);
        let team = store.home().team;
        let staging = "staging".parse().unwrap();
        let made = store.create_environment(team, &staging, None, "somebody");
        made.await.unwrap();
        let places = store.environments(team).await.unwrap();
        let places: [Scope; 2] = places.try_into().unwrap();
        let mut world = World {
            engine,
            places,
            store,
            control,
            rounds: Rounds::default(),
            builder,
            blobs,
            data,
            node: None,
            held,
            processes: 0,
            _folder: folder,
        };
        world.start_node().await;
        world.control.bind().await.unwrap();
        world
    }

    /// Gives a folder a database as it is after its first start: made once, for making it takes as long as several operations.
    async fn fill(data: &std::path::Path) {
        static FIRST: tokio::sync::OnceCell<Vec<(&str, Vec<u8>)>> =
            tokio::sync::OnceCell::const_new();
        let first = FIRST.get_or_init(|| async {
            let store = World::open(data).await;
            store.close().await;
            let files = ["pluvio.db", "seal.key"];
            files
                .map(|file| (file, std::fs::read(data.join(file)).unwrap()))
                .into()
        });
        for (file, content) in first.await {
            std::fs::write(data.join(file), content).unwrap();
        }
    }

    async fn open(data: &std::path::Path) -> Store {
        let seal = Seal::open_or_create(&data.join("seal.key")).unwrap();
        let url = Store::sqlite_url(&data.join("pluvio.db"));
        Store::open(&url, seal).await.unwrap()
    }

    fn control(
        data: &std::path::Path,
        number: u32,
        store: &Store,
        blobs: &Blobs,
        builder: &Builder,
    ) -> Control {
        let config = pluvio_control::Config {
            data: data.to_owned(),
            domain: "localhost".to_owned(),
            gateway_port: 8080,
            builds: 1,
            warm_bases: false,
            owner: format!("test-{number}"),
            volume_grace: Duration::ZERO,
        };
        let node = Client::new(socket_in(data));
        Control::new(config, store.clone(), blobs.clone(), node, builder.clone())
    }

    /// Who leases jobs now.
    pub(crate) fn owner(&self) -> String {
        format!("test-{}-0", self.processes)
    }

    /// Lets time pass, and everything that happens meanwhile. Control does nothing.
    pub(crate) async fn pass(&mut self, time: Duration) {
        if let Some(held) = self.held.take() {
            held.end().await;
        }
        tokio::time::sleep(time).await;
        self.held = Some(Held::new());
    }

    /// Control as a new process over the same database; `anew`: which is opened again.
    pub(crate) async fn restart_control(&mut self, anew: bool) {
        self.processes += 1;
        if anew {
            self.store.close().await;
            self.store = World::open(&self.data).await;
        }
        self.control = World::control(
            &self.data,
            self.processes,
            &self.store,
            &self.blobs,
            &self.builder,
        );
        self.rounds = Rounds::default();
        // A node that is away is found later.
        let _ = self.control.bind().await;
    }

    pub(crate) async fn start_node(&mut self) {
        if self.node.as_ref().is_some_and(|node| !node.is_finished()) {
            return;
        }
        let mut config = pluvio_node::Config::new(&self.data);
        config.listen = Vec::new();
        config.grace = Duration::ZERO;
        let client = Client::new(socket_in(&self.data));
        for _ in 0..200 {
            let driver = Arc::new(self.engine.clone());
            let config = config.clone();
            let node = tokio::spawn(async move {
                let _ = pluvio_node::run_over(config, driver, std::future::pending()).await;
            });
            while !node.is_finished() && client.health().await.is_err() {
                tokio::task::yield_now().await;
            }
            if !node.is_finished() {
                self.node = Some(node);
                let _ = self.control.bind().await;
                return;
            }
            // The one before still holds the folder.
            tokio::task::yield_now().await;
        }
        panic!("the node does not start");
    }

    /// As a kill would.
    pub(crate) async fn kill_node(&mut self) {
        if let Some(node) = self.node.take() {
            node.abort();
            let _ = node.await;
        }
    }

    pub(crate) async fn end(mut self) {
        self.kill_node().await;
        self.store.close().await;
        if let Some(held) = self.held.take() {
            held.end().await;
        }
    }
}

/// Drops a future after the `commits`-th transaction from now, as the end of its process would. `None`: it was cut.
pub(crate) async fn cut<F: Future>(store: &Store, commits: u64, future: F) -> Option<F::Output> {
    let counted = store.commits();
    let first = *counted.borrow();
    let mut begun = false;
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(move |context| {
        if std::mem::replace(&mut begun, true) && *counted.borrow() >= first + commits {
            return std::task::Poll::Ready(None);
        }
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// Awaits what waits for time and for the database too, while time goes on: as long as `most`, or to the end.
pub(crate) async fn flowing<F: Future>(
    store: &Store,
    most: Duration,
    future: F,
) -> Option<F::Output> {
    /// The database answers sooner, mostly.
    const TURN: Duration = Duration::from_micros(150);
    /// After so many turns of the runtime without a question to the database, whoever could go on without time has done so.
    const QUIET: u32 = 4;
    let mut future = std::pin::pin!(future);
    let clock = async {
        let began = Instant::now();
        while began.elapsed() < most {
            let turn = std::time::Instant::now();
            let mut quiet = 0;
            while quiet < QUIET && turn.elapsed() < TURN {
                tokio::task::yield_now().await;
                quiet = match store.connections_in_use() {
                    0 => quiet + 1,
                    _ => 0,
                };
            }
            tokio::time::advance(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        biased;
        done = &mut future => Some(done),
        () = clock => None,
    }
}
