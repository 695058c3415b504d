//! The gateway of a Kubernetes cluster as a process in a pod: joins what the cluster tells to the proxy. It keeps nothing on disk.
//!
//! `/ready` answers 200 from when the cluster's routes and endpoints are known to when the process is told to end; `/live` always.
//! Told to end, it first goes on for `--pause`, so that whoever sends requests learns of it, then stops to accept, and gives
//! what is under way `--drain`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pluvio_kubernetes::gateway::{Feed, Picture, Source, follow};
use pluvio_model::problem::{self, Problem};
use pluvio_proxy::{Conflict, Gateway, GatewayConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::cli::GatewayArgs;
use crate::roles::ended;

/// What a health check may take, and its head be.
const CHECK: Duration = Duration::from_secs(5);
const CHECK_BYTES: usize = 4096;
/// Checks at once; more are no checks.
const CHECKS: usize = 64;

pub(crate) async fn run(args: GatewayArgs) -> Result<(), Problem> {
    let source = match args.kubeconfig {
        Some(path) => Source::Kubeconfig(path),
        None => Source::Pod,
    };
    let gateway = Gateway::bind(&args.listen, GatewayConfig::default())
        .map_err(|error| Problem::from(&error))?;
    let is_ready = Arc::new(AtomicBool::new(false));
    let health = TcpListener::bind(args.health)
        .await
        .map_err(|error| taken(args.health, &error))?;
    let checks = tokio::spawn(answer_checks(health, is_ready.clone()));
    let mut feed = follow(&source, &args.namespace).await?;
    tracing::info!(
        namespace = args.namespace,
        "the gateway waits for the cluster"
    );
    let mut served = Served::new(gateway);
    tokio::select! {
        ended = served.follow(&mut feed, || is_ready.store(true, Ordering::Release)) => return Err(ended),
        () = ended() => {}
    }
    is_ready.store(false, Ordering::Release);
    tracing::info!("the gateway was told to end");
    // What the cluster tells counts until the last request.
    let pause = tokio::time::sleep(args.pause.duration());
    tokio::select! {
        ended = served.follow(&mut feed, || ()) => return Err(ended),
        () = pause => {}
    }
    let gateway = served.gateway.clone();
    let report = tokio::select! {
        ended = served.follow(&mut feed, || ()) => return Err(ended),
        report = gateway.shutdown(args.drain.duration()) => report,
    };
    tracing::info!(cut = report.cut, "the gateway ended");
    checks.abort();
    Ok(())
}

/// The gateway and what it was given last.
struct Served {
    gateway: Arc<Gateway>,
    shown: Option<Arc<Picture>>,
    conflicts: Vec<Conflict>,
}

impl Served {
    fn new(gateway: Gateway) -> Served {
        Served {
            gateway: Arc::new(gateway),
            shown: None,
            conflicts: Vec::new(),
        }
    }

    /// Shows every picture as it comes, and tells each time. Returns only when none comes any more.
    async fn follow(&mut self, feed: &mut Feed, shown: impl Fn()) -> Problem {
        loop {
            let picture = feed.pictures.borrow_and_update().clone();
            if let Some(picture) = picture {
                self.show(picture);
                shown();
            }
            if feed.pictures.changed().await.is_err() {
                return problem::INTERNAL.problem(
                    "What the cluster tells is not followed any more.",
                    "The pod starts anew by itself; its log says why.",
                );
            }
        }
    }

    fn show(&mut self, picture: Arc<Picture>) {
        let before = self.shown.as_deref();
        let applications = picture.routes.fragments().count();
        if before.is_none() {
            tracing::info!(applications, "the gateway serves");
        }
        if before.is_none_or(|before| before.routes != picture.routes) {
            let conflicts = self.gateway.set_routes(&picture.routes);
            for conflict in &conflicts {
                if !self.conflicts.contains(conflict) {
                    tracing::warn!(?conflict, "two routes claim the same host and path");
                }
            }
            self.conflicts = conflicts;
        }
        if before.is_none_or(|before| before.endpoints != picture.endpoints) {
            self.gateway.set_endpoints(&picture.endpoints);
        }
        self.shown = Some(picture);
    }
}

fn taken(address: SocketAddr, error: &std::io::Error) -> Problem {
    problem::PORT_TAKEN.problem(
        format!("{address} cannot be listened on: {error}."),
        "End what listens there, or choose another with --health.",
    )
}

async fn answer_checks(listener: TcpListener, is_ready: Arc<AtomicBool>) {
    let places = Arc::new(Semaphore::new(CHECKS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            // For want of files, which others may free.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let is_ready = is_ready.clone();
        tokio::spawn(async move {
            let _place = place;
            let _ = tokio::time::timeout(CHECK, answer_check(stream, &is_ready)).await;
        });
    }
}

/// One request, one answer: what checks speak, and no more.
async fn answer_check(mut stream: TcpStream, is_ready: &AtomicBool) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < CHECK_BYTES {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let text = String::from_utf8_lossy(&head);
    let (status, said) = match text.split(' ').nth(1) {
        Some("/live") => ("200 OK", "alive\n"),
        Some("/ready") if is_ready.load(Ordering::Acquire) => ("200 OK", "ready\n"),
        Some("/ready") => ("503 Service Unavailable", "not ready\n"),
        _ => ("404 Not Found", "/ready and /live are answered\n"),
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{said}",
        said.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
