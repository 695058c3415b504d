//! Listening: plain HTTP, or TLS with a certificate from files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

/// How long a client may take to agree on keys.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long requests may go on after the end was asked for.
const LEAVE: Duration = Duration::from_secs(5);

/// Certificate and key, read once; a process that is started anew reads renewed ones.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.write_str("Tls")
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{file}: {why}", file = file.display())]
pub struct TlsFailure {
    pub file: PathBuf,
    pub why: String,
}

impl Tls {
    /// PEM files: the certificate with its chain, and its key.
    pub fn read(certificate: &Path, key: &Path) -> Result<Tls, TlsFailure> {
        let at = |file: &Path, why: &dyn std::fmt::Display| TlsFailure {
            file: file.to_owned(),
            why: why.to_string(),
        };
        let chain = CertificateDer::pem_file_iter(certificate).map_err(|e| at(certificate, &e))?;
        let chain: Vec<CertificateDer> = chain
            .collect::<Result<_, _>>()
            .map_err(|e| at(certificate, &e))?;
        if chain.is_empty() {
            return Err(at(certificate, &"it holds no certificate"));
        }
        let private = PrivateKeyDer::from_pem_file(key).map_err(|e| at(key, &e))?;
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("ring has both versions")
                .with_no_client_auth()
                .with_single_cert(chain, private)
                .map_err(|e| at(key, &e))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Tls {
            acceptor: TlsAcceptor::from(Arc::new(config)),
        })
    }
}

/// Serves until `stop`, then lets requests finish for a moment.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    router: Router,
    stop: CancellationToken,
) {
    let ended = |stop: CancellationToken| async move { stop.cancelled().await };
    let serving = async {
        match tls {
            None => {
                axum::serve(listener, router)
                    .with_graceful_shutdown(ended(stop.clone()))
                    .await
            }
            Some(tls) => {
                let listener = TlsListener::over(listener, tls, stop.clone());
                axum::serve(listener, router)
                    .with_graceful_shutdown(ended(stop.clone()))
                    .await
            }
        }
    };
    tokio::select! {
        _ = serving => {}
        () = async { stop.cancelled().await; tokio::time::sleep(LEAVE).await } => {}
    }
}

/// Hands out connections that have agreed on keys; a slow client keeps nobody else waiting.
struct TlsListener {
    agreed: tokio::sync::mpsc::Receiver<(TlsStream<TcpStream>, std::net::SocketAddr)>,
    local: std::io::Result<std::net::SocketAddr>,
}

impl TlsListener {
    fn over(listener: TcpListener, tls: Tls, stop: CancellationToken) -> TlsListener {
        let local = listener.local_addr();
        let (send, agreed) = tokio::sync::mpsc::channel(64);
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = stop.cancelled() => return,
                };
                let Ok((stream, peer)) = accepted else {
                    // Out of file descriptors, most likely: some are given back in a moment.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                };
                let (send, acceptor) = (send.clone(), tls.acceptor.clone());
                tokio::spawn(async move {
                    if let Ok(Ok(stream)) =
                        tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await
                    {
                        let _ = send.send((stream, peer)).await;
                    }
                });
            }
        });
        TlsListener { agreed, local }
    }
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.agreed.recv().await {
            Some(accepted) => accepted,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        match &self.local {
            Ok(local) => Ok(*local),
            Err(error) => Err(std::io::Error::new(error.kind(), error.to_string())),
        }
    }
}
