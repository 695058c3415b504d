//! A client's connection: what it is doing, for how long it may, and how it is told to end.
//!
//! Time limits are kept by looking at all connections a few times a second, not by a timer for each request. The connection
//! writes down what it is doing since when, in a clock of its worker that costs one load; [`Client::overdue`] decides.

use std::{
    error::Error,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use futures::task::AtomicWaker;
use pluvio_model::route::ApplicationKey;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::{
    config::ClientLimits,
    inner::InnerClient,
    metrics::Series,
    moving::{Moving, stands_in},
    table::CompiledRoute,
    worker::Worker,
};

/// How a connection came in by an inner address: which, and the way from there.
pub(crate) type Entry = (SocketAddr, Arc<CompiledRoute>);

/// One accepted connection, as everything but its own task sees it.
pub(crate) struct Client {
    pub(crate) worker: Arc<Worker>,
    peer: SocketAddr,
    /// `peer`'s address as text: each request's log line has it.
    shown: Box<str>,
    /// A proxy of ours, whose word about its own clients is taken.
    pub(crate) trusted: bool,
    /// It came in by an inner address: this is its way, and nothing else is looked up.
    pub(crate) edge: Option<Arc<CompiledRoute>>,
    /// The inner address that it came in by.
    pub(crate) entered: Option<SocketAddr>,
    /// An instance of ours that came in by the front door.
    caller: Option<Box<Caller>>,
    number: u64,
    /// What it does (lowest two bits) since when (worker's milliseconds).
    phase: AtomicU64,
    /// Requests whose answer has not ended.
    active: AtomicU32,
    /// Since when a write waits for the client; 0 if none does.
    blocked: AtomicU64,
    /// It speaks HTTP/2: bytes that arrive between requests need not be the head of one.
    multiplexed: AtomicBool,
    moving: Moving,
    command: AtomicU8,
    task: AtomicWaker,
}

struct Caller {
    who: InnerClient,
    /// The application it asked last: a kept connection seldom asks two.
    asked: Mutex<Option<(ApplicationKey, Arc<Series>)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A head is being received.
    Head,
    /// Kept, without a request.
    Idle,
    /// A request is being answered.
    Busy,
    /// It is a tunnel now.
    Tunnel,
}

/// What a connection is told from outside. Later ones include earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Command {
    Go,
    /// Answer, and say with each answer that the connection ends. For the client this is the gentlest way: it is never closed
    /// just as a request is sent.
    Finish,
    /// End as soon as nothing is in flight.
    Close,
    /// End now.
    Cut,
}

impl Command {
    fn from_number(number: u8) -> Self {
        match number {
            0 => Command::Go,
            1 => Command::Finish,
            2 => Command::Close,
            _ => Command::Cut,
        }
    }
}

impl Client {
    pub(crate) fn new(
        worker: Arc<Worker>,
        peer: SocketAddr,
        number: u64,
        entry: Option<Entry>,
    ) -> Self {
        let (entered, edge) = entry.unzip();
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let trusted = worker
            .shared
            .config
            .trusted_proxies
            .iter()
            .any(|network| network.contains(peer.ip()));
        let clients = worker.shared.clients.load();
        let caller = match &edge {
            None => clients.get(&peer.ip()).cloned(),
            Some(_) => None,
        };
        let now = worker.now();
        Client {
            worker,
            peer,
            shown: peer.ip().to_string().into(),
            trusted,
            edge,
            entered,
            caller: caller.map(|who| {
                Box::new(Caller {
                    who,
                    asked: Mutex::default(),
                })
            }),
            number,
            phase: AtomicU64::new(now << 2 | Phase::Head as u64),
            active: AtomicU32::new(0),
            blocked: AtomicU64::new(0),
            multiplexed: AtomicBool::new(false),
            moving: Moving::default(),
            command: AtomicU8::new(Command::Go as u8),
            task: AtomicWaker::new(),
        }
    }

    /// What it asks of an application is counted here, if it is an instance of ours.
    pub(crate) fn asks(&self, application: &ApplicationKey) -> Option<Arc<Series>> {
        let caller = self.caller.as_ref()?;
        let mut asked = caller.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((last, series)) = asked.as_ref()
            && last == application
        {
            return Some(series.clone());
        }
        let shared = &self.worker.shared;
        let series = shared.registry().caller(&caller.who, application);
        *asked = Some((application.clone(), series.clone()));
        Some(series)
    }

    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(crate) fn shown_address(&self) -> &str {
        &self.shown
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    fn set(&self, phase: Phase) {
        let word = self.worker.now() << 2 | phase as u64;
        self.phase.store(word, Ordering::Relaxed);
    }

    fn phase(&self) -> (Phase, u64) {
        let word = self.phase.load(Ordering::Relaxed);
        let phase = match word & 3 {
            0 => Phase::Head,
            1 => Phase::Idle,
            2 => Phase::Busy,
            _ => Phase::Tunnel,
        };
        (phase, word >> 2)
    }

    /// A request's head is complete.
    pub(crate) fn begin(&self, version: http::Version) {
        if version == http::Version::HTTP_2 {
            self.multiplexed.store(true, Ordering::Relaxed);
        }
        self.active.fetch_add(1, Ordering::Relaxed);
        self.set(Phase::Busy);
    }

    /// A request's answer has ended.
    pub(crate) fn end(&self) {
        if self.active.fetch_sub(1, Ordering::Relaxed) == 1 && self.phase().0 == Phase::Busy {
            self.set(Phase::Idle);
        }
    }

    pub(crate) fn become_tunnel(&self) {
        self.set(Phase::Tunnel);
    }

    /// How large bodies are moved to it; `None` where they have to be framed.
    pub(crate) fn moving(&self) -> Option<&Moving> {
        (!self.multiplexed.load(Ordering::Relaxed)).then_some(&self.moving)
    }

    pub(crate) fn command(&self) -> Command {
        Command::from_number(self.command.load(Ordering::Acquire))
    }

    pub(crate) fn tell(&self, command: Command) {
        if self.command.fetch_max(command as u8, Ordering::AcqRel) < command as u8 {
            self.task.wake();
        }
    }

    /// Has the task that polls `cx` woken by the next command.
    pub(crate) fn listen(&self, cx: &Context<'_>) {
        self.task.register(cx.waker());
    }

    /// What is to be done about a connection that takes too long; None while it does not.
    pub(crate) fn overdue(&self, now: u64, limits: &ClientLimits) -> Option<Command> {
        let over = |since: u64, limit: std::time::Duration| {
            now.saturating_sub(since) > limit.as_millis() as u64
        };
        let (phase, since) = self.phase();
        let blocked = self.blocked.load(Ordering::Relaxed);
        if blocked != 0 && phase != Phase::Tunnel && over(blocked, limits.stalled) {
            return Some(Command::Cut);
        }
        match phase {
            Phase::Head if over(since, limits.header_time) => Some(Command::Cut),
            // A pool of an instance keeps its connections as long as it likes: an end of ours could cross a request of its.
            Phase::Idle if self.edge.is_some() => None,
            // One that does not end when asked to (HTTP/2, in the middle of a head) is not asked twice.
            Phase::Idle if over(since, limits.idle + limits.header_time) => Some(Command::Cut),
            Phase::Idle if over(since, limits.idle) => Some(Command::Close),
            _ => None,
        }
    }

    fn read_some(&self) {
        if self.phase().0 == Phase::Idle && !self.multiplexed.load(Ordering::Relaxed) {
            self.set(Phase::Head);
        }
    }

    fn wrote(&self, waits: bool) {
        if waits != (self.blocked.load(Ordering::Relaxed) != 0) {
            let since = if waits { self.worker.now().max(1) } else { 0 };
            self.blocked.store(since, Ordering::Relaxed);
        }
    }
}

/// A client's byte stream, watched.
pub(crate) struct Watched {
    stream: TcpStream,
    client: Arc<Client>,
}

impl Watched {
    pub(crate) fn new(stream: TcpStream, client: Arc<Client>) -> Self {
        Watched { stream, client }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.client.read_some();
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = if stands_in(bytes) {
            self.client.moving.poll_drain(cx, &self.stream, bytes)
        } else {
            Pin::new(&mut self.stream).poll_write(cx, bytes)
        };
        self.client.wrote(wrote.is_pending());
        wrote
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let real = parts.iter().take_while(|part| !stands_in(part)).count();
        let wrote = match parts.get(real) {
            Some(moved) if parts[..real].iter().all(|part| part.is_empty()) => {
                self.client.moving.poll_drain(cx, &self.stream, moved)
            }
            _ => Pin::new(&mut self.stream).poll_write_vectored(cx, &parts[..real]),
        };
        self.client.wrote(wrote.is_pending());
        wrote
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A protocol's server on one connection, which can be asked to end.
pub(crate) trait Serve: Future<Output = Result<(), Box<dyn Error + Send + Sync>>> {
    fn finish(self: Pin<&mut Self>);
}

/// Drives a connection to its end, obeying commands.
pub(crate) struct Obedient<S> {
    pub(crate) served: Pin<Box<S>>,
    pub(crate) client: Arc<Client>,
    pub(crate) closing: bool,
}

impl<S: Serve> Future for Obedient<S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.client.listen(cx);
        match this.client.command() {
            Command::Go | Command::Finish => {}
            Command::Close if !this.closing => {
                this.closing = true;
                this.served.as_mut().finish();
            }
            Command::Close => {}
            // Dropping the connection closes the socket.
            Command::Cut => return Poll::Ready(()),
        }
        let ended = ready!(this.served.as_mut().poll(cx));
        if let Err(error) = ended {
            this.client.worker.shared.note_broken(&*error);
        }
        Poll::Ready(())
    }
}
