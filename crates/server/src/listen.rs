//! Listening: TCP for browsers and tools, a socket in the data folder for the machine itself, loopback for operations.

use std::path::Path;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;

/// The other end of a connection.
#[derive(Debug, Clone)]
pub enum Peer {
    Tcp {
        address: std::net::SocketAddr,
    },
    /// On the machine itself, known by its uid.
    Socket {
        uid: u32,
    },
    /// The kernel did not say.
    Unknown,
}

impl Connected<IncomingStream<'_, TcpListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Peer::Tcp {
            address: *stream.remote_addr(),
        }
    }
}
impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        stream
            .io()
            .peer_cred()
            .map_or(Peer::Unknown, |credentials| Peer::Socket {
                uid: credentials.uid(),
            })
    }
}

/// Bound before anything else starts, so that a taken port is told at once.
#[derive(Debug)]
pub struct Listeners {
    pub public: TcpListener,
    pub socket: UnixListener,
    pub operations: TcpListener,
}

impl Listeners {
    /// Binds all three. A socket file that nobody listens on is replaced.
    pub async fn bind(
        public: std::net::SocketAddr,
        socket: &Path,
        operations: std::net::SocketAddr,
    ) -> Result<Listeners, (String, std::io::Error)> {
        let tcp = |address: std::net::SocketAddr| async move {
            TcpListener::bind(address)
                .await
                .map_err(|e| (address.to_string(), e))
        };
        let public = tcp(public).await?;
        let operations = tcp(operations).await?;
        let named = |e| (socket.display().to_string(), e);
        if socket.exists() && tokio::net::UnixStream::connect(socket).await.is_err() {
            std::fs::remove_file(socket).map_err(named)?;
        }
        let listener = UnixListener::bind(socket).map_err(named)?;
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600)).map_err(named)?;
        Ok(Listeners {
            public,
            socket: listener,
            operations,
        })
    }
}

/// Serves until `stop`, then lets requests finish for a little while.
pub async fn serve(
    listeners: Listeners,
    router: Router,
    operations: Router,
    stop: CancellationToken,
) {
    let ended = |stop: CancellationToken| async move { stop.cancelled().await };
    let public = axum::serve(
        listeners.public,
        router.clone().into_make_service_with_connect_info::<Peer>(),
    )
    .with_graceful_shutdown(ended(stop.clone()));
    let socket = axum::serve(
        listeners.socket,
        router.into_make_service_with_connect_info::<Peer>(),
    )
    .with_graceful_shutdown(ended(stop.clone()));
    let operations =
        axum::serve(listeners.operations, operations).with_graceful_shutdown(ended(stop.clone()));
    let all = futures::future::join3(
        public.into_future(),
        socket.into_future(),
        operations.into_future(),
    );
    tokio::select! {
        _ = all => {}
        // Streams that never end by themselves (events, terminals) do not hold the end up.
        () = async { stop.cancelled().await; tokio::time::sleep(std::time::Duration::from_secs(3)).await } => {}
    }
}
