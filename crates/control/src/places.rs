//! Where applications run: the node of this machine, and clusters beside it.
//!
//! Each place has its own loop of reconciling, so that one that does not answer holds up nobody else. A cluster that was added by
//! another process, or is taken out, is noticed by hint and by timer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use pluvio_model::facts::{Facts, RuntimeKind};
use pluvio_model::id::ClusterId;
use pluvio_model::problem::{self, Problem};
use pluvio_runtime::{Connector, Link, Linked, Place};
use pluvio_store::Cluster;
use tokio_util::sync::CancellationToken;

use crate::{Control, namespaces, reconcile};

/// Between two looks at the list of clusters when nothing hints.
const LOOK: Duration = Duration::from_secs(10);
/// Between two questions whether a cluster still answers.
const BEAT: Duration = Duration::from_secs(5);
/// How long a cluster has to answer before it counts as away.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a decision waits for a cluster that is only just being connected to, and how long that takes before it is told of.
const CONNECTING: Duration = Duration::from_secs(20);
/// Between two tries to reach a cluster: the first, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// Where an application runs, for those who decide about it.
#[derive(Clone)]
pub(crate) struct Bound {
    pub(crate) cluster: Cluster,
    /// The runtime's own identity, against which it checks stages; a rebound row keeps its id.
    pub(crate) identity: ClusterId,
    pub(crate) place: Arc<dyn Place>,
}

/// Where applications answer: `APP.DOMAIN`, at a port as people type it.
pub(crate) struct Reach {
    pub(crate) domain: String,
    pub(crate) port: u16,
}

/// Whether a cluster answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Reached {
    /// It was not tried yet.
    NotYet,
    Yes,
    /// Since then it does not, for this reason.
    No {
        since: Timestamp,
        problem: Box<Problem>,
    },
}

/// Clusters that are looked after, by the id of their row.
#[derive(Default)]
pub(crate) struct Places {
    all: Mutex<BTreeMap<ClusterId, Entry>>,
    /// Grows whenever a volume's data are gone.
    freed: tokio::sync::watch::Sender<u64>,
}

struct Entry {
    cluster: Cluster,
    reached: Reached,
    linked: Option<Linked>,
    /// As they were when it last answered: what is asked while it is away is decided by them.
    facts: Option<Facts>,
    stop: CancellationToken,
}

impl std::fmt::Debug for Places {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.write_str("Places")
    }
}

impl Places {
    fn edit<T>(&self, cluster: ClusterId, edit: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        let mut all = self.all.lock().expect("no panic while held");
        all.get_mut(&cluster).map(edit)
    }

    /// A cluster that is connected; why not, of one that is not.
    pub(crate) fn linked(&self, cluster: ClusterId) -> Result<Linked, Problem> {
        let found = self.edit(cluster, |entry| match (&entry.linked, &entry.reached) {
            (Some(linked), _) => Ok(linked.clone()),
            (None, Reached::No { since, problem }) => Err(away(&entry.cluster, *since, problem)),
            (None, _) => Err(not_yet(&entry.cluster)),
        });
        found.unwrap_or_else(|| {
            Err(problem::CLUSTER_UNREACHABLE.problem(
                "The cluster of this environment is only just being looked for.",
                "Try again in a moment.",
            ))
        })
    }

    pub(crate) fn reached(&self, cluster: ClusterId) -> Reached {
        let reached = self.edit(cluster, |entry| entry.reached.clone());
        reached.unwrap_or(Reached::NotYet)
    }

    /// The clusters that answer now.
    pub(crate) fn that_answer(&self) -> Vec<ClusterId> {
        let all = self.all.lock().expect("no panic while held");
        let answers = all
            .iter()
            .filter(|(_, entry)| entry.reached == Reached::Yes && entry.linked.is_some());
        answers.map(|(id, _)| *id).collect()
    }

    pub(crate) fn facts(&self, cluster: ClusterId) -> Option<Facts> {
        self.edit(cluster, |entry| entry.facts.clone()).flatten()
    }

    fn answered(&self, cluster: ClusterId, facts: Facts) {
        self.edit(cluster, |entry| {
            entry.reached = Reached::Yes;
            entry.facts = Some(facts);
        });
    }

    fn is_away(&self, cluster: ClusterId, problem: &Problem) {
        let now = pluvio_model::clock::now();
        self.edit(cluster, |entry| {
            let since = match &entry.reached {
                Reached::No { since, .. } => *since,
                _ => {
                    tracing::warn!(cluster = %entry.cluster.name, cause = problem.cause, "a cluster does not answer");
                    now
                }
            };
            let problem = Box::new(problem.clone());
            entry.reached = Reached::No { since, problem };
        });
    }

    /// Tells that a volume's data, or an environment, are gone: what held them may be empty now.
    pub(crate) fn free(&self) {
        self.freed.send_modify(|count| *count += 1);
    }

    pub(crate) fn freed(&self) -> tokio::sync::watch::Receiver<u64> {
        self.freed.subscribe()
    }

    /// Ends the loops of one that is taken out, or whose credential changed; the next look begins anew.
    pub(crate) fn let_go(&self, cluster: ClusterId) {
        let mut all = self.all.lock().expect("no panic while held");
        if let Some(entry) = all.remove(&cluster) {
            entry.stop.cancel();
        }
    }
}

impl Control {
    /// Where applications of an environment run: on this cluster, or on the engine. For those who read or act now: a cluster
    /// that does not answer is told of, an engine's node tells it itself.
    pub fn place(&self, at: Option<ClusterId>) -> Result<Arc<dyn Place>, Problem> {
        let Some(id) = at else {
            return Ok(Arc::new(self.inner.node.clone()));
        };
        Ok(self.inner.places.linked(id)?.place)
    }

    /// The place of a volume, by the cluster that its row names.
    pub(crate) fn place_of(&self, cluster: ClusterId) -> Result<Arc<dyn Place>, Problem> {
        let local = self
            .bound_cluster()
            .is_some_and(|local| local.id == cluster);
        self.place((!local).then_some(cluster))
    }

    /// Where applications of an environment answer when a route names no host.
    pub(crate) async fn reach_at(&self, at: Option<ClusterId>) -> Result<Reach, Problem> {
        let config = &self.inner.config;
        let Some(id) = at else {
            return Ok(Reach {
                domain: config.domain.clone(),
                port: config.gateway_port,
            });
        };
        let settings = self.inner.store.cluster(id).await?.settings;
        let port = settings.port();
        Ok(Reach {
            domain: settings.domain.unwrap_or_else(|| config.domain.clone()),
            port,
        })
    }

    /// The row of the cluster where an environment is: this one, or the engine's. Waits a little for the engine at start.
    pub(crate) async fn cluster_at(&self, at: Option<ClusterId>) -> Result<Cluster, Problem> {
        match at {
            None => self.cluster().await,
            Some(id) => Ok(self.inner.store.cluster(id).await?),
        }
    }

    /// The id of that row.
    pub(crate) async fn cluster_id_at(&self, at: Option<ClusterId>) -> Result<ClusterId, Problem> {
        match at {
            None => Ok(self.cluster().await?.id),
            Some(id) => Ok(id),
        }
    }

    /// The id of that row, if it is known by now; for readers, who wait for nothing.
    pub fn cluster_id(&self, at: Option<ClusterId>) -> Option<ClusterId> {
        at.or_else(|| Some(self.bound_cluster()?.id))
    }

    /// What the runtime there can do and holds; of a cluster that is away, what it could and held when it last answered.
    pub(crate) async fn facts_at(&self, at: Option<ClusterId>) -> Result<Facts, Problem> {
        let Some(id) = at else {
            return self.facts().await;
        };
        // At start it takes a moment until a cluster is connected.
        let connecting = async {
            while self.inner.places.reached(id) == Reached::NotYet {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let _ = tokio::time::timeout(CONNECTING, connecting).await;
        if let Some(facts) = self.inner.places.facts(id) {
            return Ok(facts);
        }
        let facts = self.place(at)?.facts().await;
        facts.map_err(pluvio_runtime::RuntimeError::into_problem)
    }

    /// The engine as a place, once it was seen.
    pub(crate) fn local(&self) -> Option<Result<Bound, Problem>> {
        let cluster = self.bound_cluster()?;
        let identity = cluster.identity.parse().map_err(|_| {
            problem::INTERNAL.problem(
                "The engine's identity cannot be read.",
                "Rebind it with `pluvio cluster rebind`.",
            )
        });
        Some(identity.map(|identity| Bound {
            cluster,
            identity,
            place: Arc::new(self.inner.node.clone()),
        }))
    }
}

fn away(cluster: &Cluster, since: Timestamp, problem: &Problem) -> Problem {
    let mut told = problem.clone();
    told.cause = format!(
        "{} does not answer since {}: {}",
        cluster.name,
        since.strftime("%F %T UTC"),
        problem.cause
    );
    told
}

fn not_yet(cluster: &Cluster) -> Problem {
    problem::CLUSTER_UNREACHABLE.problem(
        format!("{} is only just being connected to.", cluster.name),
        "Try again in a moment.",
    )
}

/// Looks after every cluster that there is, as long as control runs.
pub(crate) async fn run(control: Control) {
    let mut hint = control.inner.store.hint();
    loop {
        if let Err(problem) = refresh(&control).await {
            tracing::warn!(cause = problem.cause, "the clusters were not looked after");
        }
        let _ = tokio::time::timeout(LOOK, hint.changed()).await;
        // Bursts of hints make one look.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Looks at the list of clusters once: begins with those that are new, ends those that are gone.
pub(crate) async fn refresh(control: &Control) -> Result<(), Problem> {
    let connector = control.connector()?;
    let clusters = control.inner.store.clusters().await?;
    let wanted = clusters
        .into_iter()
        .filter(|cluster| cluster.kind == RuntimeKind::Kubernetes && !cluster.leaving);
    let wanted: BTreeMap<ClusterId, Cluster> =
        wanted.map(|cluster| (cluster.id, cluster)).collect();
    let mut all = control
        .inner
        .places
        .all
        .lock()
        .expect("no panic while held");
    // Whose settings changed begins anew.
    all.retain(|id, entry| {
        let stays = wanted
            .get(id)
            .is_some_and(|cluster| *cluster == entry.cluster);
        if !stays {
            entry.stop.cancel();
        }
        stays
    });
    for (id, cluster) in wanted {
        if all.contains_key(&id) {
            continue;
        }
        let stop = control.inner.stop.child_token();
        let entry = Entry {
            cluster: cluster.clone(),
            reached: Reached::NotYet,
            linked: None,
            facts: None,
            stop: stop.clone(),
        };
        all.insert(id, entry);
        let (control, connector) = (control.clone(), connector.clone());
        tokio::spawn(async move {
            let look_after = look_after(&control, &*connector, &cluster);
            tokio::select! { () = stop.cancelled() => {}, () = look_after => {} }
        });
    }
    Ok(())
}

/// Connects, and connects anew whenever the credential that is kept is not the one that was used.
async fn look_after(control: &Control, connector: &dyn Connector, cluster: &Cluster) {
    let mut pause = RETRY.0;
    loop {
        let link = match control.link(cluster).await {
            Ok(link) => link,
            Err(problem) if problem.is(problem::NOT_FOUND) => return,
            Err(problem) => {
                control.inner.places.is_away(cluster.id, &problem);
                tokio::time::sleep(RETRY.1).await;
                continue;
            }
        };
        let connecting = connect(control, connector, cluster, &link);
        tokio::pin!(connecting);
        // It goes on meanwhile, but is told of: a server may take connections and answer none.
        let connected = loop {
            match tokio::time::timeout(CONNECTING, &mut connecting).await {
                Ok(connected) => break connected,
                Err(_) => control.inner.places.is_away(cluster.id, &silent()),
            }
        };
        match connected {
            Ok(bound) => {
                pause = RETRY.0;
                tracing::info!(cluster = %cluster.name, "connected");
                tokio::select! {
                    () = reconcile::run(control.clone(), Some(bound.clone())) => {}
                    () = namespaces::run(control.clone(), cluster.id) => {}
                    () = watch(control, &bound, &link.kubeconfig) => {}
                }
                control
                    .inner
                    .places
                    .edit(cluster.id, |entry| entry.linked = None);
            }
            Err(problem) => {
                control.inner.places.is_away(cluster.id, &problem);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY.1);
            }
        }
    }
}

async fn connect(
    control: &Control,
    connector: &dyn Connector,
    cluster: &Cluster,
    link: &Link,
) -> Result<Bound, Problem> {
    let linked = connector.connect(link).await?;
    if linked.identity.to_string() != cluster.identity {
        return Err(problem::ENGINE_FOREIGN.problem(
            format!("Another cluster than the one that was added as {} answers.", cluster.name),
            "Check where the kubeconfig's address leads. A cluster that was made anew is added under a new name.",
        ));
    }
    let facts = linked.place.facts().await;
    let facts = facts.map_err(pluvio_runtime::RuntimeError::into_problem)?;
    let place = linked.place.clone();
    let identity = linked.identity;
    control.inner.places.answered(cluster.id, facts);
    control
        .inner
        .places
        .edit(cluster.id, |entry| entry.linked = Some(linked));
    Ok(Bound {
        cluster: cluster.clone(),
        identity,
        place,
    })
}

pub(crate) fn silent() -> Problem {
    problem::CLUSTER_UNREACHABLE.problem(
        "The cluster does not answer in time.",
        "Check that its API server runs and that this machine reaches it.",
    )
}

/// Asks again and again whether the cluster answers. Ends when another credential is kept than the one that does not.
async fn watch(control: &Control, bound: &Bound, credential: &str) {
    let id = bound.cluster.id;
    loop {
        tokio::time::sleep(BEAT).await;
        let problem = match tokio::time::timeout(PATIENCE, bound.place.facts()).await {
            Ok(Ok(facts)) => {
                control.inner.places.answered(id, facts);
                continue;
            }
            Ok(Err(error)) => error.into_problem(),
            Err(_) => silent(),
        };
        control.inner.places.is_away(id, &problem);
        let kept = control.inner.store.cluster_credential(id).await;
        if kept.is_ok_and(|kept| kept != credential) {
            return;
        }
    }
}
