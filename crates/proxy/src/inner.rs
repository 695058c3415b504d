//! The mesh posture: listeners that choose their backend by their own address instead of by host.
//!
//! A component's inner name leads to a virtual address that the machine has, and a gateway listens there for each of the
//! component's TCP ports. HTTP passes request by request, as through the front door, so that a client's kept connection
//! outlives the instances behind it; what the client says in its headers is passed on as it is. Other protocols pass as bytes,
//! each connection to one instance, which is not drained before it ends; so does what a client says at a port of HTTP that is
//! none ([`speech`]).
//!
//! Who may enter is told by the range that a listener names: an address of the machine is reached from every network that the
//! machine routes for, and applications must not reach each other's components.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::{Duration, Instant},
};

use pluvio_model::route::{ApplicationKey, BackendId, BackendProtocol, RouteId};
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};

use crate::{
    backend::Backend,
    client::{Client, Command},
    config::Network,
    gateway::{Gateway, Shared},
    metrics::{Passed, Series},
    near,
    offers::Offers,
    pass,
    speech::{self, Reached, Speech},
    table::{CompiledRoute, Lasting},
    worker::{Present, Worker, serve},
};

/// How long an instance may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Who connects from an address that nobody named.
const SOMEBODY: &str = "unknown";

/// A port of a component, at its virtual address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InnerListener {
    pub address: SocketAddr,
    pub backend: BackendId,
    pub protocol: InnerProtocol,
    /// Clients from elsewhere are closed without a word.
    pub networks: Vec<Network>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InnerProtocol {
    Http1,
    Http2,
    Tcp,
}

/// Whose instances have which address: what their traffic is counted under.
pub type InnerClients = HashMap<IpAddr, InnerClient>;

/// A component that asks others.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct InnerClient {
    pub application: ApplicationKey,
    pub component: Box<str>,
}

/// A listener that is open.
pub(crate) struct Door {
    pub(crate) told: InnerListener,
    pub(crate) listener: std::net::TcpListener,
    backend: Arc<Backend>,
    /// By the client's name.
    edges: Mutex<HashMap<Box<str>, Arc<CompiledRoute>>>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.told.fmt(f)
    }
}

impl Door {
    pub(crate) fn new(
        told: InnerListener,
        listener: std::net::TcpListener,
        backend: Arc<Backend>,
    ) -> Door {
        Door {
            told,
            listener,
            backend,
            edges: Mutex::default(),
        }
    }

    pub(crate) fn admits(&self, client: IpAddr) -> bool {
        let mut networks = self.told.networks.iter();
        networks.any(|network| network.contains(client))
    }

    /// The way from a client to this door's backend. `series` gives the counters of a way that is new.
    pub(crate) fn edge(
        &self,
        client: Option<&str>,
        series: impl FnOnce(&RouteId) -> Arc<Series>,
    ) -> Arc<CompiledRoute> {
        let client = client.unwrap_or(SOMEBODY);
        let mut edges = self.edges.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(edge) = edges.get(client) {
            return edge.clone();
        }
        let id = edge_id(client, &self.told.backend);
        let protocol = match self.told.protocol {
            InnerProtocol::Http2 => BackendProtocol::Http2,
            InnerProtocol::Http1 | InnerProtocol::Tcp => BackendProtocol::Http1,
        };
        let counted = series(&id);
        let edge = Arc::new(CompiledRoute::inner(
            self.told.backend.application().clone(),
            id,
            self.backend.clone(),
            protocol,
            counted,
        ));
        edges.insert(client.into(), edge.clone());
        edge
    }
}

/// What traffic between two components is counted under: `inner.web.api.http`. No component's name has a dot.
fn edge_id(client: &str, backend: &BackendId) -> RouteId {
    let text = format!(
        "{INNER}{client}.{}.{}",
        backend.component().as_str(),
        backend.port().as_str()
    );
    // A client's name is a component's, so this is only for one that is not.
    text.parse()
        .unwrap_or_else(|_| "inner.unknown.unknown.unknown".parse().expect("a route id"))
}

const INNER: &str = "inner.";

/// The client, component and port of an edge's id; `None` for that of a route.
pub fn edge_of(id: &RouteId) -> Option<(&str, &str, &str)> {
    edge_in(id.as_str())
}

/// The same of an id's text.
pub fn edge_in(id: &str) -> Option<(&str, &str, &str)> {
    let mut parts = id.strip_prefix(INNER)?.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(client), Some(component), Some(port), None) => Some((client, component, port)),
        _ => None,
    }
}

/// Opens a listener on a virtual address.
pub(crate) fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    near::unpaced(&socket);
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}

impl Gateway {
    /// Listens at exactly these inner addresses from now on; the machine must have them. Connections at one that is no longer
    /// named, or from whom it does not admit any more, are cut. Returns those that cannot be listened at, which may be asked for again.
    pub fn set_inner(&self, listeners: Vec<InnerListener>) -> Vec<(SocketAddr, io::Error)> {
        let mut failed = Vec::new();
        let before = self.shared.doors.borrow().clone();
        // An address that now leads elsewhere is let go of before it is bound anew.
        let (mut doors, mut fresh) = (Vec::new(), Vec::new());
        for told in listeners {
            match before.iter().find(|door| door.told == told) {
                Some(door) => doors.push(door.clone()),
                None => fresh.push(told),
            }
        }
        if fresh.is_empty() && doors.len() == before.len() {
            return failed;
        }
        let moved = |door: &&Arc<Door>| fresh.iter().any(|told| told.address == door.told.address);
        let reused: Vec<Arc<Door>> = before.iter().filter(moved).cloned().collect();
        for told in fresh {
            // The very socket of before, so that nobody is refused in between.
            let kept = reused.iter().find(|door| door.told.address == told.address);
            let listener = match kept {
                Some(door) => door.listener.try_clone(),
                None => listen(told.address),
            };
            match listener {
                Ok(listener) => {
                    let backend = self.shared.registry().backend(&told.backend);
                    doors.push(Arc::new(Door::new(told, listener, backend)));
                }
                Err(error) => failed.push((told.address, error)),
            }
        }
        self.shared.doors.send_replace(Arc::new(doors));
        failed
    }

    /// Says which component is at which address, for all that connects from now on.
    pub fn set_inner_clients(&self, clients: InnerClients) {
        self.shared.clients.store(Arc::new(clients));
    }
}

impl Shared {
    /// The way of a client of this address through a door.
    pub(crate) fn edge(&self, door: &Door, client: std::net::IpAddr) -> Arc<CompiledRoute> {
        let clients = self.clients.load();
        let known = clients.get(&client.to_canonical());
        door.edge(known.map(|known| &*known.component), |id| {
            let application = door.told.backend.application();
            self.registry().series(application, id)
        })
    }
}

impl Worker {
    /// Takes connections at a door until it is closed (the task is aborted) or the gateway ends.
    pub(crate) async fn attend(self: Arc<Self>, door: Arc<Door>) {
        let listener = door.listener.try_clone().and_then(TcpListener::from_std);
        let listener = match listener {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, address = %door.told.address, "an inner address cannot be served");
                return;
            }
        };
        loop {
            match listener.accept().await {
                Ok((stream, peer)) if door.admits(peer.ip()) => {
                    self.enter(&door, stream, peer);
                }
                Ok((_, peer)) => {
                    tracing::debug!(%peer, address = %door.told.address, "a stranger was turned away")
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept inner connections");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn enter(self: &Arc<Self>, door: &Arc<Door>, stream: TcpStream, peer: SocketAddr) {
        let edge = self.shared.edge(door, peer.ip());
        let protocol = door.told.protocol;
        if protocol == InnerProtocol::Http2 {
            return self.take(stream, peer, Some((door.told.address, edge)));
        }
        let Some((client, present)) = self.admit(peer, Some((door.told.address, edge.clone())))
        else {
            return;
        };
        pass::prepare(&stream);
        tokio::spawn(async move {
            let mut reached = None;
            if protocol == InnerProtocol::Http1 {
                let speech = tokio::select! {
                    speech = speech::of(&stream, &edge) => speech,
                    // Who serves HTTP knows what is to be done.
                    () = told(&client, Command::Finish) => Speech::Http,
                };
                match speech {
                    Speech::Http => return serve(stream, client, present).await,
                    Speech::Bytes(instance) => reached = instance,
                }
            }
            client.become_tunnel();
            carry(&client, stream, &edge, reached).await;
            drop::<Arc<Present>>(present);
        });
    }
}

/// Carries one connection to an instance and back. Its bytes are counted as they pass: it may last for days.
async fn carry(client: &Arc<Client>, stream: TcpStream, edge: &CompiledRoute, reached: Reached) {
    let Some(choice) = edge.choose() else { return };
    let backend = &choice.backend;
    edge.series.begin();
    backend.series.begin();
    let began = Instant::now();
    let mut passed = Passed {
        status: 503,
        complete: true,
        received: 0,
        sent: 0,
        latency: Duration::ZERO,
    };
    let reached = match reached {
        Some(reached) => Some(reached),
        None => reach(backend).await,
    };
    if let Some((lease, instance)) = reached {
        passed.latency = began.elapsed();
        passed.status = 200;
        pass::prepare(&instance);
        let counted = [&edge.series, &backend.series];
        let passes = pass::both_ways(&stream, &instance, |received, sent| {
            counted
                .iter()
                .for_each(|series| series.pass(received, sent));
        });
        tokio::select! {
            _ = passes => {}
            // Nobody here knows the protocol: it cannot be finished, only cut.
            () = told(client, Command::Cut) => {}
        }
        drop(lease);
    }
    edge.series.end(passed);
    backend.series.end(passed);
}

/// A connection to a ready instance. Waits where the backend holds what comes.
pub(crate) async fn reach(backend: &Arc<Backend>) -> Option<(crate::upstream::Lease, TcpStream)> {
    let mut offers = Offers::default();
    loop {
        let lease = offers.next(backend).await.ok()?;
        let address = lease.upstream().address();
        match tokio::time::timeout(CONNECT, near::connect(address)).await {
            Ok(Ok(stream)) => return Some((lease, stream)),
            failed => offers.failed(&lease, failed.ok().and_then(Result::err)),
        }
    }
}

/// Until this or something graver is to be done about a client.
async fn told(client: &Arc<Client>, least: Command) {
    std::future::poll_fn(|cx| {
        client.listen(cx);
        match client.command() >= least {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
}
