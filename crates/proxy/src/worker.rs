//! A serving thread: its runtime, its clients, its idle connections, its part of the log.
//!
//! A request is received, forwarded and answered on the thread that accepted its connection, so that nothing on its way takes
//! a lock that another thread holds or wakes a task elsewhere.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::AbortHandle,
    time::MissedTickBehavior,
};

use crate::{
    access_log::LogBuffer,
    client::{Client, Command, Entry, Obedient, Serve, Watched},
    forward,
    gateway::Shared,
    h1::Connection,
    inner::Door,
    metrics::SAMPLE,
    upstream::Upstream,
};

/// How often time limits are looked at, and how exact they are.
const TICK: Duration = Duration::from_millis(250);
const LOG_FLUSH: u64 = 1000;
/// After this, accepting failed for want of something (files, memory) that others may free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) log: LogBuffer,
    clock: AtomicU64,
    clients: Mutex<HashMap<u64, Arc<Client>>>,
    numbers: AtomicU64,
    /// Endpoints that this worker keeps idle connections to.
    pooled: Mutex<Vec<Arc<Upstream>>>,
}

impl Worker {
    pub(crate) fn new(index: usize, shared: Arc<Shared>, log: LogBuffer) -> Arc<Self> {
        Arc::new(Worker {
            index,
            shared,
            log,
            clock: AtomicU64::new(0),
            clients: Mutex::default(),
            numbers: AtomicU64::new(0),
            pooled: Mutex::default(),
        })
    }

    /// Milliseconds since the gateway began, to a tick.
    pub(crate) fn now(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    /// Keeps a connection to an endpoint for the next request.
    pub(crate) fn pool(&self, upstream: &Arc<Upstream>, connection: Box<Connection>) {
        if upstream.keep_idle(self.index, connection, self.now()) {
            let mut pooled = lock(&self.pooled);
            if !pooled.iter().any(|known| Arc::ptr_eq(known, upstream)) {
                pooled.push(upstream.clone());
            }
        }
    }

    /// Serves until told to end, and then until its connections have ended or are cut.
    pub(crate) async fn run(
        self: Arc<Self>,
        listeners: Vec<std::net::TcpListener>,
        mut orders: watch::Receiver<Command>,
        mut doors: watch::Receiver<Arc<Vec<Arc<Door>>>>,
    ) -> io::Result<()> {
        let listeners: Vec<TcpListener> = listeners
            .into_iter()
            .map(TcpListener::from_std)
            .collect::<io::Result<_>>()?;
        let accepting: Vec<_> = listeners
            .into_iter()
            .map(|listener| tokio::spawn(self.clone().accept(listener, orders.clone())))
            .collect();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut duties = Duties::default();
        let mut attended: Vec<(Arc<Door>, AbortHandle)> = Vec::new();
        self.attend_all(&doors.borrow_and_update().clone(), &mut attended);
        loop {
            tokio::select! {
                Ok(()) = doors.changed() => {
                    let open = doors.borrow_and_update().clone();
                    self.attend_all(&open, &mut attended);
                }
                _ = tick.tick() => self.tick(&mut duties),
                changed = orders.changed() => {
                    // Nobody is left to give orders: the gateway was dropped.
                    let order = if changed.is_ok() { *orders.borrow_and_update() } else { Command::Cut };
                    if order == Command::Go {
                        continue;
                    }
                    for (_, attending) in attended.drain(..) {
                        attending.abort();
                    }
                    for client in self.clients() {
                        client.tell(order);
                    }
                    if order == Command::Cut {
                        break;
                    }
                }
            }
        }
        for task in accepting {
            task.abort();
        }
        // Tasks that were just told to end need a turn to do so, and their records to be logged.
        for _ in 0..100 {
            if lock(&self.clients).is_empty() {
                break;
            }
            tokio::task::yield_now().await;
        }
        self.log.flush();
        Ok(())
    }

    fn clients(&self) -> Vec<Arc<Client>> {
        lock(&self.clients).values().cloned().collect()
    }

    fn tick(&self, duties: &mut Duties) {
        let now = self.shared.started.elapsed().as_millis() as u64;
        self.clock.store(now, Ordering::Relaxed);
        let limits = &self.shared.config.limits;
        for client in lock(&self.clients).values() {
            if let Some(command) = client.overdue(now, limits) {
                client.tell(command);
            }
        }
        lock(&self.pooled).retain(|upstream| upstream.sweep_idle(self.index, now));
        if now >= duties.flush {
            duties.flush = now + LOG_FLUSH;
            self.log.flush();
        }
        if self.index == 0 && now >= duties.sample {
            duties.sample = now + SAMPLE.as_millis() as u64;
            self.shared.sample(Instant::now());
        }
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, mut orders: watch::Receiver<Command>) {
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => self.take(stream, peer, None),
                    // The client left before its turn.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept connections");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                changed = orders.changed() => {
                    if changed.is_err() || *orders.borrow_and_update() != Command::Go {
                        break;
                    }
                }
            }
        }
        // Clients whose connection the kernel has already answered are served, not reset.
        while let Ok(Ok((stream, peer))) =
            tokio::time::timeout(Duration::ZERO, listener.accept()).await
        {
            self.take(stream, peer, None);
        }
    }

    /// Attends exactly these doors.
    fn attend_all(
        self: &Arc<Self>,
        open: &[Arc<Door>],
        attended: &mut Vec<(Arc<Door>, AbortHandle)>,
    ) {
        attended.retain(|(door, attending)| {
            let stays = open.iter().any(|one| Arc::ptr_eq(one, door));
            if !stays {
                attending.abort();
            }
            stays
        });
        for door in open {
            if !attended.iter().any(|(known, _)| Arc::ptr_eq(known, door)) {
                let attending = tokio::spawn(self.clone().attend(door.clone()));
                attended.push((door.clone(), attending.abort_handle()));
            }
        }
        // The address is about to go: who is not told now would wait for an answer until it gives up.
        let doors = open.iter().map(|door| (door.told.address, door));
        let doors: HashMap<SocketAddr, &Arc<Door>> = doors.collect();
        for client in self.clients() {
            let Some(entered) = client.entered else {
                continue;
            };
            if doors
                .get(&entered)
                .is_none_or(|door| !door.admits(client.peer().ip()))
            {
                client.tell(Command::Cut);
            }
        }
    }

    /// Counts a connection in, if there is room for it.
    pub(crate) fn admit(
        self: &Arc<Self>,
        peer: SocketAddr,
        entry: Option<Entry>,
    ) -> Option<(Arc<Client>, Arc<Present>)> {
        let open = self.shared.admit()?;
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let client = Arc::new(Client::new(self.clone(), peer, number, entry));
        client.tell(self.shared.order());
        lock(&self.clients).insert(number, client.clone());
        let present = Arc::new(Present {
            client: client.clone(),
            _open: open,
        });
        Some((client, present))
    }

    pub(crate) fn take(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        entry: Option<Entry>,
    ) {
        let Some((client, present)) = self.admit(peer, entry) else {
            return;
        };
        let _ = stream.set_nodelay(true);
        tokio::spawn(async move {
            serve(stream, client, present).await;
        });
    }
}

/// When a worker's next rounds are due.
#[derive(Default)]
struct Duties {
    flush: u64,
    sample: u64,
}

/// A connection's place among the open ones. A tunnel that outlives the HTTP connection it began as holds it too.
pub(crate) struct Present {
    client: Arc<Client>,
    _open: crate::gateway::Open,
}

impl Drop for Present {
    fn drop(&mut self) {
        lock(&self.client.worker.clients).remove(&self.client.number());
    }
}

pub(crate) async fn serve(stream: TcpStream, client: Arc<Client>, present: Arc<Present>) {
    let limits = &client.worker.shared.config.limits;
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .max_buf_size(limits.header_bytes)
        // Kept by the worker's tick, without a timer for each request.
        .header_read_timeout(None);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .keep_alive_interval(None);
    let service = service_fn({
        let client = client.clone();
        let present = present.clone();
        move |request| forward::serve(client.clone(), present.clone(), request)
    });
    let io = TokioIo::new(Watched::new(stream, client.clone()));
    let connection = builder
        .serve_connection_with_upgrades(io, service)
        .into_owned();
    Obedient {
        served: Box::pin(connection),
        client,
        closing: false,
    }
    .await;
}

impl<I, S, E, B> Serve for auto::UpgradeableConnection<'_, I, S, E>
where
    Self: Future<Output = Result<(), Box<dyn std::error::Error + Send + Sync>>>,
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    E: auto::HttpServerConnExec<S::Future, B>,
{
    fn finish(self: std::pin::Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
