//! The gateway as its owner holds it: bound, fed with routes and endpoints, asked what is in flight, shut down.

use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use pluvio_model::{
    problem::{self, Problem},
    route::{ApplicationKey, BackendId, BackendState, Endpoints, InstanceKey, RouteId, RouteTable},
};
use tokio::sync::{Notify, watch};

use crate::{
    access_log::{Log, LogBuffer, Writer},
    backend::Backend,
    client::Command,
    config::{AccessLog, GatewayConfig},
    inner::{Door, InnerClient, InnerClients},
    metrics::{HOUR, MINUTE, Series},
    table::{Conflict, Lasting, Table},
    upstream::Upstream,
    worker::Worker,
};

/// Connections that wait to be accepted, for each listener. The kernel's own limit (`net.core.somaxconn`) may be lower.
const BACKLOG: i32 = 4096;

/// How long a gateway that ends waits for its clients' next request, to tell them with its answer.
const LINGER: Duration = Duration::from_secs(1);

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    #[error("{address} is in use by another program")]
    AddressInUse {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("this user may not listen on {address}")]
    AddressRefused {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("cannot write the access log {}", path.display())]
    AccessLog {
        path: std::path::PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot start a serving thread")]
    Thread(#[source] io::Error),
}

impl GatewayError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            GatewayError::AddressInUse { address, .. } => format!(
                "`ss -ltnp 'sport = :{}'` shows which; stop it, or give the gateway another address.",
                address.port()
            ),
            GatewayError::AddressRefused { .. } => {
                "Ports below 1024 need root or CAP_NET_BIND_SERVICE: grant it, or choose a higher port."
                    .to_owned()
            }
            GatewayError::Listen { address, .. } => {
                format!("Check that this machine has the address {}.", address.ip())
            }
            GatewayError::AccessLog { .. } => {
                "Check that the file can be written and that its disk has space.".to_owned()
            }
            GatewayError::Thread(_) => {
                "Check this user's limits on threads, open files and memory.".to_owned()
            }
        }
    }
}

impl From<&GatewayError> for Problem {
    fn from(error: &GatewayError) -> Problem {
        use std::error::Error;
        let code = match error {
            GatewayError::AddressInUse { .. } => problem::PORT_TAKEN,
            _ => problem::GATEWAY_FAILED,
        };
        let cause = match error.source() {
            Some(source) => format!("{error}: {source}."),
            None => format!("{error}."),
        };
        code.problem(cause, error.remedy())
    }
}

/// What became of a wait for an instance's last request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drain {
    /// Nothing is in flight to it, and nothing ever will be.
    Drained,
    /// The time was over with so many requests and tunnels still in flight.
    TimedOut { in_flight: u64 },
}

/// What a shutdown left unfinished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Connections that were cut when the grace was over.
    pub cut: usize,
}

/// What all workers and the owner share.
pub(crate) struct Shared {
    pub(crate) config: GatewayConfig,
    pub(crate) started: Instant,
    pub(crate) table: ArcSwap<Table>,
    pub(crate) unrouted: Series,
    pub(crate) clients: ArcSwap<InnerClients>,
    pub(crate) doors: watch::Sender<Arc<Vec<Arc<Door>>>>,
    registry: Mutex<Registry>,
    pub(crate) open: AtomicUsize,
    pub(crate) refused: AtomicU64,
    pub(crate) malformed: AtomicU64,
    closed: Notify,
    orders: watch::Sender<Command>,
    pub(crate) log: Arc<Log>,
}

/// What outlives a table: backends with their endpoints, and counters.
#[derive(Default)]
pub(crate) struct Registry {
    pub(crate) backends: HashMap<BackendId, Arc<Backend>>,
    pub(crate) routes: HashMap<(ApplicationKey, RouteId), Arc<Series>>,
    /// What instances asked at the front door, by whose route it was.
    pub(crate) callers: HashMap<(InnerClient, ApplicationKey), Arc<Series>>,
    /// Endpoints that were taken out and still have requests.
    retired: Vec<Arc<Upstream>>,
}

impl Lasting for Registry {
    fn backend(&mut self, id: &BackendId) -> Arc<Backend> {
        if let Some(known) = self.backends.get(id) {
            return known.clone();
        }
        let backend = Arc::new(Backend::new(id.clone()));
        self.backends.insert(id.clone(), backend.clone());
        backend
    }

    fn series(&mut self, application: &ApplicationKey, route: &RouteId) -> Arc<Series> {
        self.routes
            .entry((application.clone(), route.clone()))
            .or_default()
            .clone()
    }
}

impl Registry {
    fn set(&mut self, id: &BackendId, state: &BackendState, workers: usize) {
        // A backend that nobody knows and that is absent is just that.
        if *state == BackendState::Absent && !self.backends.contains_key(id) {
            return;
        }
        let gone = self.backend(id).update(state, workers);
        self.retired.retain(|upstream| !upstream.is_drained());
        self.retired.extend(gone);
    }

    /// Forgets what no table and no endpoint refers to any more.
    fn prune(&mut self) {
        self.backends
            .retain(|_, backend| Arc::strong_count(backend) > 1 || !backend.is_absent());
        self.routes
            .retain(|_, series| Arc::strong_count(series) > 1);
        let routes = &self.routes;
        self.callers
            .retain(|(_, asked), _| routes.keys().any(|(application, _)| application == asked));
    }

    pub(crate) fn caller(&mut self, caller: &InnerClient, asked: &ApplicationKey) -> Arc<Series> {
        self.callers
            .entry((caller.clone(), asked.clone()))
            .or_default()
            .clone()
    }

    fn upstreams_of(&self, instance: &InstanceKey) -> Vec<Arc<Upstream>> {
        self.backends
            .values()
            .flat_map(|backend| backend.upstreams())
            .chain(self.retired.iter().cloned())
            .filter(|upstream| upstream.instance() == instance)
            .collect()
    }
}

impl Shared {
    pub(crate) fn order(&self) -> Command {
        *self.orders.borrow()
    }

    /// Counts a connection in; None if there are too many.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<Open> {
        let open = Open(self.clone());
        if self.open.fetch_add(1, Ordering::AcqRel) < self.config.limits.connections {
            Some(open)
        } else {
            self.refused.fetch_add(1, Ordering::Relaxed);
            None
        }
    }

    /// A connection ended with an error. Those of clients that sent what is no HTTP are counted; those of clients that just
    /// went away are not.
    pub(crate) fn note_broken(&self, error: &(dyn std::error::Error + 'static)) {
        let parse = error
            .downcast_ref::<hyper::Error>()
            .is_some_and(hyper::Error::is_parse);
        if parse {
            self.malformed.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(error, "a client sent what is no HTTP");
        }
    }

    pub(crate) fn sample(&self, now: Instant) {
        let registry = self.registry();
        for series in registry.routes.values().chain(registry.callers.values()) {
            series.sample(now, HOUR);
        }
        for backend in registry.backends.values() {
            backend.series.sample(now, MINUTE);
        }
        self.unrouted.sample(now, MINUTE);
    }

    pub(crate) fn registry(&self) -> std::sync::MutexGuard<'_, Registry> {
        lock(&self.registry)
    }

    /// Waits until no connection is open.
    async fn all_closed(&self) {
        loop {
            let closed = self.closed.notified();
            tokio::pin!(closed);
            // Registered before looking, so that a change in between is not missed.
            closed.as_mut().enable();
            if self.open.load(Ordering::Acquire) == 0 {
                return;
            }
            closed.await;
        }
    }
}

/// One open client connection.
pub(crate) struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.closed.notify_waiters();
        }
    }
}

/// A running gateway. Dropping it cuts every connection; [`shutdown`](Self::shutdown) ends it gently.
///
/// All methods may be called from any thread. Those that change routes or endpoints take effect for every request that is
/// not yet given to an endpoint, before they return.
pub struct Gateway {
    pub(crate) shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    threads: Arc<Mutex<Threads>>,
}

/// What is waited for at the end.
struct Threads {
    workers: Vec<JoinHandle<()>>,
    writer: Option<Writer>,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// Listens on `addresses` (port 0: any free one) and starts to serve an empty table: every request is answered 404 until
    /// routes are set.
    pub fn bind(addresses: &[SocketAddr], config: GatewayConfig) -> Result<Gateway, GatewayError> {
        let listeners = addresses
            .iter()
            .map(|address| listen(*address))
            .collect::<Result<_, _>>()?;
        Gateway::serve(listeners, config)
    }

    /// Serves listeners that were bound elsewhere, by systemd for instance: their backlog holds new connections while a
    /// gateway is replaced by its successor.
    pub fn serve(
        listeners: Vec<TcpListener>,
        config: GatewayConfig,
    ) -> Result<Gateway, GatewayError> {
        let (log, writer) = Log::open(&config.access_log).map_err(|source| {
            let path = match &config.access_log {
                AccessLog::File { path, .. } => path.clone(),
                AccessLog::Off => Default::default(),
            };
            GatewayError::AccessLog { path, source }
        })?;
        let addresses = listeners
            .iter()
            .map(|listener| {
                listener.set_nonblocking(true)?;
                listener.local_addr()
            })
            .collect::<io::Result<_>>()
            .map_err(GatewayError::Thread)?;
        let workers = config.workers.max(1);
        let (orders, received) = watch::channel(Command::Go);
        let shared = Arc::new(Shared {
            config,
            started: Instant::now(),
            table: ArcSwap::default(),
            unrouted: Series::default(),
            clients: ArcSwap::default(),
            doors: watch::Sender::default(),
            registry: Mutex::default(),
            open: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            malformed: AtomicU64::new(0),
            closed: Notify::new(),
            orders,
            log: log.clone(),
        });
        // Made before the threads: if one of them cannot be started, dropping it ends the others.
        let gateway = Gateway {
            shared: shared.clone(),
            addresses,
            threads: Arc::new(Mutex::new(Threads {
                workers: Vec::with_capacity(workers),
                writer: Some(writer),
            })),
        };
        for index in 0..workers {
            let worker = Worker::new(index, shared.clone(), LogBuffer::new(log.clone()));
            let doors = shared.doors.subscribe();
            let thread = start_thread(worker, &listeners, received.clone(), doors);
            let thread = thread.map_err(GatewayError::Thread)?;
            lock(&gateway.threads).workers.push(thread);
        }
        Ok(gateway)
    }

    /// Where it listens, in the order of the addresses it was given.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    fn workers(&self) -> usize {
        self.shared.config.workers.max(1)
    }

    /// Puts a compiled form of `routes` in place of the routes before. Returns the claims that lost to others.
    pub fn set_routes(&self, routes: &RouteTable) -> Vec<Conflict> {
        let mut registry = self.shared.registry();
        let (table, conflicts) = Table::compile(routes, &mut *registry);
        self.shared.table.store(Arc::new(table));
        registry.prune();
        conflicts
    }

    /// Puts what is seen of every backend in place of what was seen before. A backend that is not named becomes absent.
    ///
    /// Endpoints that are no longer named get no further request from here on; those in flight go on. Use
    /// [`drained`](Self::drained) before their instances are stopped.
    pub fn set_endpoints(&self, endpoints: &Endpoints) {
        let workers = self.workers();
        let mut registry = self.shared.registry();
        let known: Vec<BackendId> = registry.backends.keys().cloned().collect();
        for id in known {
            registry.set(&id, endpoints.get(&id), workers);
        }
        for (id, state) in endpoints.iter() {
            if !registry.backends.contains_key(id) {
                registry.set(id, state, workers);
            }
        }
        registry.prune();
    }

    /// Replaces what is seen of one backend.
    pub fn set_backend(&self, id: &BackendId, state: &BackendState) {
        let workers = self.workers();
        self.shared.registry().set(id, state, workers);
    }

    /// Requests and tunnels that an instance has not finished, over all its ports.
    pub fn in_flight(&self, instance: &InstanceKey) -> u64 {
        let registry = self.shared.registry();
        let upstreams = registry.upstreams_of(instance);
        upstreams.iter().map(|upstream| upstream.in_flight()).sum()
    }

    /// The same of every instance that has any, in one pass over them.
    pub fn in_flight_of_all(&self) -> HashMap<InstanceKey, u64> {
        let registry = self.shared.registry();
        let current = registry.backends.values().flat_map(|b| b.upstreams());
        let mut all = HashMap::new();
        for upstream in current.chain(registry.retired.iter().cloned()) {
            let inside = upstream.in_flight();
            if inside > 0 {
                *all.entry(upstream.instance().clone()).or_default() += inside;
            }
        }
        all
    }

    /// Waits until an instance that was taken out of the endpoints has finished its last request, or `within` is over.
    ///
    /// An instance that is still among the endpoints never drains. One that this gateway never knew is drained.
    pub async fn drained(&self, instance: &InstanceKey, within: Duration) -> Drain {
        let all = async {
            loop {
                let upstreams = self.shared.registry().upstreams_of(instance);
                let Some(busy) = upstreams.into_iter().find(|u| !u.is_drained()) else {
                    return;
                };
                busy.drained().await;
            }
        };
        match tokio::time::timeout(within, all).await {
            Ok(()) => Drain::Drained,
            Err(_) => Drain::TimedOut {
                in_flight: self.in_flight(instance),
            },
        }
    }

    /// Ends the gateway: no further connection is accepted, clients are told that theirs ends, what is in flight may go on
    /// for `grace`, what is left then is cut. After that it does nothing more; its counters can still be read.
    pub async fn shutdown(&self, grace: Duration) -> ShutdownReport {
        let end = tokio::time::Instant::now() + grace;
        self.shared.orders.send_replace(Command::Finish);
        let linger = LINGER.min(grace / 4);
        let closed = self.shared.all_closed();
        if tokio::time::timeout(linger, closed).await.is_err() {
            self.shared.orders.send_replace(Command::Close);
            let _ = tokio::time::timeout_at(end, self.shared.all_closed()).await;
        }
        let cut = self.shared.open.load(Ordering::Acquire);
        let (shared, threads) = (self.shared.clone(), self.threads.clone());
        let ended = tokio::task::spawn_blocking(move || finish(&shared, &threads));
        let _ = ended.await;
        ShutdownReport { cut }
    }
}

/// Cuts what is left and waits for the threads.
fn finish(shared: &Shared, threads: &Mutex<Threads>) {
    shared.orders.send_replace(Command::Cut);
    let mut threads = lock(threads);
    for thread in threads.workers.drain(..) {
        let _ = thread.join();
    }
    // The workers have handed over their last lines.
    shared.log.close();
    if let Some(writer) = threads.writer.take() {
        writer.finish();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        finish(&self.shared, &self.threads);
    }
}

fn start_thread(
    worker: Arc<Worker>,
    listeners: &[TcpListener],
    orders: watch::Receiver<Command>,
    doors: watch::Receiver<Arc<Vec<Arc<Door>>>>,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // Each worker waits on every listener by itself; whichever is free takes a new connection.
    let listeners: Vec<TcpListener> = listeners
        .iter()
        .map(TcpListener::try_clone)
        .collect::<io::Result<_>>()?;
    std::thread::Builder::new()
        .name(format!("gateway-{}", worker.index))
        .spawn(move || {
            if let Err(error) = runtime.block_on(worker.run(listeners, orders, doors)) {
                tracing::error!(%error, "a serving thread ended");
            }
        })
}

/// Binds before anything else starts, so that a taken port is an error of the start.
fn listen(address: SocketAddr) -> Result<TcpListener, GatewayError> {
    let bind = || {
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
        // A successor may bind while connections of its predecessor are in TIME-WAIT. Another listener still may not.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(TcpListener::from(socket))
    };
    bind().map_err(|source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => GatewayError::AddressInUse { address, source },
        io::ErrorKind::PermissionDenied => GatewayError::AddressRefused { address, source },
        _ => GatewayError::Listen { address, source },
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
