//! A cluster to play on, and hands that reach into it behind the runtime's back.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Method, Request, Response};
use kube::client::{Body, ClientBuilder};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use pluvio_kubernetes::Connection;
use pluvio_runtime::memory::Moment;
use pluvio_tests::faults::{self, Faults};
use tokio::sync::{OnceCell, watch};
use tower::{Layer, Service};

/// Where the cluster is; made by `scripts/kubernetes start`, which the tests call themselves if nobody has.
pub(crate) fn kubeconfig() -> String {
    let path = match std::env::var("PLUVIO_TEST_KUBERNETES") {
        Ok(path) => path,
        Err(_) => script(&["start"]).trim().to_owned(),
    };
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn script(arguments: &[&str]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/kubernetes");
    let mut command = Command::new(script);
    // The cluster whose kubeconfig is named, or the usual one.
    command.arg(arguments[0]);
    if let Some(folder) = std::env::var_os("PLUVIO_TEST_KUBERNETES")
        .and_then(|path| PathBuf::from(path).parent().map(PathBuf::from))
    {
        command.arg("--dir").arg(folder);
    }
    let output = command
        .args(&arguments[1..])
        .output()
        .expect("the script runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "scripts/kubernetes {arguments:?}: {errors}"
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .last()
        .unwrap_or_default()
        .to_owned()
}

/// A file of the cluster's folder, beside its kubeconfig.
fn note(name: &str) -> String {
    let path = std::env::var("PLUVIO_TEST_KUBERNETES").map(PathBuf::from);
    let path = path.unwrap_or_else(|_| script(&["status"]).into());
    let path = path.with_file_name(name);
    let text = std::fs::read_to_string(&path);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.trim().to_owned()
}

/// Of Kubernetes, as the cluster that runs was started with.
pub(crate) fn version() -> String {
    note("version")
}

/// What people type, with the cluster's own program.
pub(crate) fn kubectl(arguments: &[&str]) {
    let path = std::env::var("PLUVIO_TEST_KUBERNETES").map(PathBuf::from);
    let path = path.unwrap_or_else(|_| script(&["status"]).trim().into());
    let mut command = Command::new(format!("{}/kubectl", note("programs")));
    let output = command
        .arg("--kubeconfig")
        .arg(path)
        .args(arguments)
        .output();
    let output = output.expect("kubectl runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl {arguments:?}: {errors}");
}

/// The image that pods run: busybox, waiting to be stopped. Loaded once.
pub(crate) async fn image() -> &'static str {
    static LOADED: OnceCell<()> = OnceCell::const_new();
    LOADED
        .get_or_init(async || {
            let folder = tempfile::tempdir().expect("a folder");
            let root = folder.path().join("root");
            let layout = r#"
set -eu
mkdir -p "$1/bin" "$1/tmp" "$1/etc"
chmod 1777 "$1/tmp"
cp "$(command -v busybox)" "$1/bin/busybox"
for name in sh cat true sleep ls wget nslookup echo kill; do ln -s busybox "$1/bin/$name"; done
tar -C "$1" --owner 0 --group 0 -cf "$2" .
"#;
            let archive = folder.path().join("root.tar");
            let status = Command::new("sh")
                .args(["-c", layout, "sh"])
                .args([&root, &archive])
                .status();
            assert!(
                status.is_ok_and(|status| status.success()),
                "the image needs the package busybox-static"
            );
            let wait = "trap 'exit 0' TERM; echo started; while :; do sleep 1 & wait $!; done";
            script(&[
                "import",
                IMAGE,
                archive.to_str().expect("a path"),
                "/bin/sh",
                "-c",
                wait,
            ]);
        })
        .await;
    IMAGE
}

pub(crate) const IMAGE: &str = "pluvio.invalid/busybox:1";

/// Counts requests that change something, and can hold the one whose turn it is.
#[derive(Clone)]
pub(crate) struct Steps {
    count: Arc<AtomicU64>,
    hold: watch::Sender<Option<(u64, Moment)>>,
    held: watch::Sender<bool>,
}

impl Steps {
    pub(crate) fn new() -> Steps {
        Steps {
            count: Arc::default(),
            hold: watch::Sender::new(None),
            held: watch::Sender::new(false),
        }
    }

    pub(crate) fn hold_at(&self, step: u64, moment: Moment) {
        self.count.store(0, Ordering::SeqCst);
        self.held.send_replace(false);
        self.hold.send_replace(Some((step, moment)));
    }

    pub(crate) fn let_go(&self) {
        self.hold.send_replace(None);
        self.held.send_replace(false);
    }

    pub(crate) async fn held(&self) {
        let _ = self.held.subscribe().wait_for(|held| *held).await;
    }

    /// True, and forever for who awaits it, if this is the moment.
    async fn pass(&self, step: u64, now: Moment) {
        if *self.hold.borrow() == Some((step, now)) {
            self.held.send_replace(true);
            // Whoever waits here is killed: its requests are dropped with it.
            std::future::pending::<()>().await;
        }
    }
}

impl<S> Layer<S> for Steps {
    type Service = Held<S>;
    fn layer(&self, inner: S) -> Held<S> {
        Held {
            inner,
            steps: self.clone(),
        }
    }
}

#[derive(Clone)]
pub(crate) struct Held<S> {
    inner: S,
    steps: Steps,
}

impl<S, B> Service<Request<Body>> for Held<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Send,
    B: Send,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let is_change = request.method() != Method::GET;
        // A stage is handed over by whoever tests, who must not be held.
        let is_kept = request.uri().path().contains("/pluvio-");
        // Nothing is sent before it is awaited.
        let call = self.inner.call(request);
        let steps = self.steps.clone();
        Box::pin(async move {
            if !is_change || is_kept {
                return call.await;
            }
            let step = steps.count.fetch_add(1, Ordering::SeqCst) + 1;
            steps.pass(step, Moment::Before).await;
            let answer = call.await;
            steps.pass(step, Moment::After).await;
            answer
        })
    }
}

/// What stands between Pluvio and the cluster, where this run is one with faults; the tests' own hands reach past it.
fn faults() -> Option<&'static Faults> {
    static FAULTS: OnceLock<Option<Faults>> = OnceLock::new();
    let before = |seed| Faults::before(&kubeconfig(), seed, PERCENT);
    FAULTS
        .get_or_init(|| faults::asked_for().map(before))
        .as_ref()
}

/// Of a hundred requests that many fail.
pub(crate) const PERCENT: u32 = 15;

/// The kubeconfig that Pluvio is given.
pub(crate) fn given() -> String {
    faults().map_or_else(kubeconfig, Faults::kubeconfig)
}

/// Pluvio's own way to the cluster.
pub(crate) async fn connection() -> Connection {
    let client = client_of(&given(), &Steps::new()).await;
    Connection::over(client).await.expect("the cluster answers")
}

/// An administrator whose changes are counted.
pub(crate) async fn client(steps: &Steps) -> Client {
    client_of(&kubeconfig(), steps).await
}

/// Somebody whose changes are counted.
pub(crate) async fn client_of(kubeconfig: &str, steps: &Steps) -> Client {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).expect("a kubeconfig");
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .expect("a configuration");
    config.default_retry = false;
    ClientBuilder::try_from(config)
        .expect("a client")
        .with_layer(steps)
        .build()
}
