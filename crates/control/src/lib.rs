//! The control plane: what was asked becomes what runs.
//!
//! Verbs ([`Control`]'s methods in `asks`) turn requests into one transaction of the store. Two kinds of work follow from it:
//! finite work is a leased job ([`worker`]: fetch, build, keep, decide), and what must stay true is a reconcile loop
//! ([`reconcile`]: stage, observe, next step). Both may be killed at any moment and go on where they were, in this process
//! or another; both are woken by hint and by timer.
//!
//! No SQL here (that is `store`), no HTTP (that is `server`), no engine (that is `node`, reached through its client, and
//! `build`). Decisions are `plan`'s; this crate fetches what they read and does what they say.
//!
//! Start with `asks`, then [`worker`], then [`reconcile`].

mod asks;
mod clusters;
mod copy;
pub mod copying;
pub mod crash;
mod database;
pub mod databases;
mod edit;
mod files;
mod images;
mod last_lines;
mod leases;
mod namespaces;
mod operate;
mod oplog;
mod places;
mod preview;
mod pulls;
mod reading;
pub mod reconcile;
pub mod sources;
mod tasks;
pub mod volumes;
pub mod worker;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use pluvio_build::Builder;
use pluvio_model::facts::Facts;
use pluvio_model::problem::{self, Problem};
use pluvio_node::Client;
use pluvio_runtime::{Connector, Runtime};
use pluvio_store::{AuditVerdict, Blobs, Cluster, Store};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use asks::{Asker, DeployAsk, PatchAsk, first};
pub use copy::{CopyAsk, CopyPlan, PromotePlan};
pub use databases::{Inside, RestoreAsk};
pub use edit::EditPreview;
pub use files::FileContent;
pub use namespaces::NamespaceStays;
pub use operate::{RedeployAsk, title};
pub use oplog::{Line as OperationLine, OperationLog, read_log};
pub use places::Reached;

/// What control is told once, at its start.
#[derive(Debug, Clone)]
pub struct Config {
    pub data: PathBuf,
    /// Applications answer at `APP.DOMAIN`.
    pub domain: String,
    /// The gateway's port as people type it.
    pub gateway_port: u16,
    /// Builds at once.
    pub builds: usize,
    /// Make the base images that most builds start from ahead of the first one.
    pub warm_bases: bool,
    /// How long a deleted volume can be had back.
    pub volume_grace: Duration,
    /// Names this process among those that share the database.
    pub owner: String,
}

/// The control plane of one process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Control {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    pub(crate) node: Client,
    pub(crate) builder: Builder,
    pub(crate) cluster: tokio::sync::watch::Sender<Option<Cluster>>,
    pub(crate) connector: OnceLock<Arc<dyn Connector>>,
    pub(crate) places: places::Places,
    pub(crate) readings: reading::Readings,
    pub(crate) measuring: volumes::Measuring,
    pub(crate) looks: databases::Looks,
    pub(crate) images: images::Images,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "Control({})", self.config.owner)
    }
}

impl Control {
    pub fn new(
        config: Config,
        store: Store,
        blobs: Blobs,
        node: Client,
        builder: Builder,
    ) -> Control {
        let inner = Inner {
            config,
            store,
            blobs,
            node,
            builder,
            cluster: tokio::sync::watch::Sender::new(None),
            connector: OnceLock::new(),
            places: places::Places::default(),
            readings: reading::Readings::default(),
            measuring: volumes::Measuring::default(),
            looks: databases::Looks::default(),
            images: images::Images::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        Control {
            inner: Arc::new(inner),
        }
    }

    /// Starts the loops: binding to the engine, connecting to clusters, workers, the reconcilers, housekeeping.
    pub fn start(&self, connector: Option<Arc<dyn Connector>>) {
        let spawn = |task: futures::future::BoxFuture<'static, ()>| {
            let stop = self.inner.stop.clone();
            self.inner.tasks.spawn(async move {
                tokio::select! { () = stop.cancelled() => {}, () = task => {} }
            });
        };
        spawn(Box::pin(bind(self.clone())));
        spawn(Box::pin(reconcile::run(self.clone(), None)));
        if let Some(connector) = connector {
            let _ = self.inner.connector.set(connector);
            spawn(Box::pin(places::run(self.clone())));
        }
        // Workers end by themselves, so that a build gives its job back in good order.
        let control = self.clone();
        self.inner.tasks.spawn(async move {
            // Before anything is built: a build that is taken up again must not lose its folder to the broom.
            if let Err(problem) = control.inner.builder.sweep().await {
                tracing::warn!(cause = problem.cause, "leftovers of builds were not swept");
            }
            let numbers = 0..control.builds() + worker::PULLERS;
            futures::future::join_all(numbers.map(|number| worker::run(control.clone(), number)))
                .await;
        });
        let control = self.clone();
        self.inner.tasks.spawn(async move {
            let numbers = 0..databases::worker::AT_ONCE;
            let all = numbers.map(|number| databases::worker::run(control.clone(), number));
            futures::future::join_all(all).await;
        });
        let control = self.clone();
        self.inner.tasks.spawn(copying::run(control));
        spawn(Box::pin(copying::clear_up(self.clone())));
        spawn(Box::pin(databases::clock::run(self.clone())));
        spawn(Box::pin(housekeeping(self.clone())));
        spawn(Box::pin(volumes::keep(self.clone())));
        spawn(Box::pin(seal_audit(self.clone())));
        if self.inner.config.warm_bases {
            spawn(Box::pin(warm_bases(self.clone())));
        }
        self.inner.tasks.close();
    }

    /// Stops the loops; running builds are given back to whoever comes next. Applications are not touched.
    pub async fn stop(&self) {
        self.inner.stop.cancel();
        let ended = async {
            self.inner.tasks.wait().await;
            self.inner.builder.leave().await;
        };
        let _ = tokio::time::timeout(Duration::from_secs(8), ended).await;
    }

    /// How many builds are at work at once.
    pub(crate) fn builds(&self) -> usize {
        self.inner.config.builds.max(1)
    }

    pub fn store(&self) -> &Store {
        &self.inner.store
    }
    /// Walks the audit chain, after what was just written was chained too.
    pub async fn verify_audit(&self) -> Result<AuditVerdict, Problem> {
        let store = &self.inner.store;
        // Where the chain's end was forged nothing is sealed, and the walk says so.
        while store
            .seal_audit(&self.inner.config.owner)
            .await
            .is_ok_and(|sealed| sealed > 0)
        {}
        Ok(store.verify_audit().await?)
    }

    pub fn blobs(&self) -> &Blobs {
        &self.inner.blobs
    }
    pub fn node(&self) -> &Client {
        &self.inner.node
    }
    pub fn builder(&self) -> &Builder {
        &self.inner.builder
    }
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// The cluster that applications run on, once the engine was seen; waits a little for it at start.
    pub async fn cluster(&self) -> Result<Cluster, Problem> {
        let mut seen = self.inner.cluster.subscribe();
        // Cloned inside: a borrowed value must not be held across the waits below.
        let wait = async {
            seen.wait_for(Option::is_some)
                .await
                .ok()
                .and_then(|cluster| cluster.clone())
        };
        match tokio::time::timeout(Duration::from_secs(5), wait).await {
            Ok(Some(cluster)) => Ok(cluster),
            _ => Err(match self.facts().await {
                Err(problem) => problem,
                Ok(facts) => self.bind_to(&facts).await.err().unwrap_or_else(|| {
                    problem::NODE_UNREACHABLE
                        .problem("The node has only just answered.", "Try again in a moment.")
                }),
            }),
        }
    }

    /// The cluster if it is known by now; for readers, who show what there is and wait for nothing.
    pub fn bound_cluster(&self) -> Option<Cluster> {
        self.inner.cluster.borrow().clone()
    }

    pub(crate) async fn facts(&self) -> Result<Facts, Problem> {
        self.inner
            .node
            .facts()
            .await
            .map_err(pluvio_runtime::RuntimeError::into_problem)
    }

    /// Binds to the engine that the node has now.
    pub async fn bind(&self) -> Result<Cluster, Problem> {
        self.bind_to(&self.facts().await?).await
    }

    async fn bind_to(&self, facts: &Facts) -> Result<Cluster, Problem> {
        let name = "local".parse().expect("a name");
        let cluster = self
            .inner
            .store
            .bind_cluster(&name, facts.runtime, &facts.cluster.to_string(), "local")
            .await
            .map_err(Problem::from)?;
        self.inner.cluster.send_replace(Some(cluster.clone()));
        Ok(cluster)
    }

    /// Takes the engine that answers now for the one of before: what ran on the other is decided to run here.
    pub async fn rebind(&self, actor: &str) -> Result<Cluster, Problem> {
        let facts = self
            .inner
            .node
            .rebind()
            .await
            .map_err(pluvio_runtime::RuntimeError::into_problem)?;
        let name = "local".parse().expect("a name");
        let cluster = self
            .inner
            .store
            .rebind_cluster(
                &name,
                facts.runtime,
                &facts.cluster.to_string(),
                "local",
                actor,
            )
            .await
            .map_err(Problem::from)?;
        self.inner.cluster.send_replace(Some(cluster.clone()));
        Ok(cluster)
    }
}

/// Finds the node and binds to its engine. Another engine than before is refused, again and again, until somebody decides.
async fn bind(control: Control) {
    let mut said = String::new();
    loop {
        match control.bind().await {
            Ok(cluster) => {
                tracing::info!(cluster = %cluster.id, "bound to the engine");
                return;
            }
            Err(problem) => {
                if problem.cause != said {
                    tracing::warn!(
                        code = problem.code,
                        cause = problem.cause,
                        "not bound to an engine yet"
                    );
                    said = problem.cause;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// What builds that were killed left behind, and what the database has no use for any more.
async fn housekeeping(control: Control) {
    let mut minutes = 0_u32;
    loop {
        if minutes.is_multiple_of(60)
            && let Err(error) = control.inner.store.prune(jiff::Timestamp::now()).await
        {
            tracing::warn!(%error, "the database was not pruned");
        }
        if minutes.is_multiple_of(60)
            && let Err(problem) = control.sweep_backups().await
        {
            tracing::warn!(
                cause = problem.cause,
                "backups that are nobody's were not removed"
            );
        }
        minutes = minutes.wrapping_add(1);
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}

/// Chains new audit records a second after they were written: until then, one that is taken away is not missed.
async fn seal_audit(control: Control) {
    let mut said = String::new();
    loop {
        let owner = &control.inner.config.owner;
        let outcome = control.inner.store.seal_audit(owner).await;
        let error = outcome
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        if !error.is_empty() && error != said {
            tracing::warn!(
                error,
                "audit records were not sealed; they are with the next batch"
            );
        }
        said = error;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Makes the bases of the common languages one after another, so that a first deploy does not wait for its own. A build that
/// wants one meanwhile shares the making. What cannot be had now is made, or told, when a build wants it.
async fn warm_bases(control: Control) {
    use pluvio_build::BaseOrigin;
    use pluvio_build::plan::{Base, BaseName};
    let quiet: pluvio_build::Log = Arc::new(|_| {});
    let team = control.inner.store.home().team;
    let registries = control.registry_credentials(team).await;
    let registries = registries.unwrap_or_default();
    for name in [
        BaseName::Node,
        BaseName::NodeBuild,
        BaseName::Static,
        BaseName::Python,
        BaseName::PythonBuild,
        BaseName::Run,
        BaseName::Go,
    ] {
        let base = Base::new(name, None);
        let there = control.inner.builder.base(&base, &registries, &quiet).await;
        match there {
            Ok(base) if base.origin != BaseOrigin::AtHand => {
                tracing::info!(base = base.reference, "fetched ahead of builds");
            }
            Ok(_) => {}
            Err(problem) => {
                tracing::info!(
                    base = name.as_str(),
                    cause = problem.cause,
                    "not made ahead"
                );
            }
        }
    }
}
