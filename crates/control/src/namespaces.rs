//! Namespaces that deleted environments leave on clusters. Nothing is written down of them: what a cluster has beyond the
//! environments that there are is looked at again and again, and goes once nothing is in it.

use std::collections::BTreeSet;
use std::time::Duration;

use pluvio_model::id::ClusterId;
use pluvio_model::name::Name;
use pluvio_model::problem::Problem;
use pluvio_plan::lower::kubernetes::namespace;
use pluvio_runtime::LeftNamespace;
use pluvio_store::Scope;
use tokio::time::{Instant, timeout};

use crate::places::silent;
use crate::{Control, crash};

/// Between two looks: after what may let one go, and the longest.
const AGAIN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));
/// Until a cluster is asked again that did not answer.
const UNANSWERED: Duration = Duration::from_secs(15);
/// Bursts of hints make one look.
const PAUSE: Duration = Duration::from_secs(1);
/// How long whoever deletes an environment waits to be told what stays, and a look may take that nobody waits for.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(120));

/// What stays on a cluster of an environment that was deleted.
#[derive(Debug)]
pub struct NamespaceStays {
    pub cluster: Name,
    pub name: String,
    /// What is in it, in words; nothing while that is not known.
    pub holds: Vec<String>,
    /// Why it was not looked at; it is, once that is over.
    pub problem: Option<Problem>,
}

impl Control {
    /// Deletes an environment that no application is in. Answers what stays of it on its cluster for now.
    pub async fn delete_environment(
        &self,
        scope: &Scope,
        actor: &str,
    ) -> Result<Option<NamespaceStays>, Problem> {
        let store = &self.inner.store;
        let cluster = match scope.cluster {
            Some(id) => Some(store.cluster(id).await?),
            None => None,
        };
        store.delete_environment(scope, actor).await?;
        crash::point("environment-deleted");
        let Some(cluster) = cluster else {
            return Ok(None);
        };
        let name = namespace(scope.team_name.as_str(), scope.environment_name.as_str());
        let swept = timeout(PATIENCE.0, sweep(self, cluster.id)).await;
        let (holds, problem) = match swept.unwrap_or_else(|_| Err(silent())) {
            Ok(left) => match left.into_iter().find(|one| one.name == name) {
                Some(left) => (left.holds, None),
                None => return Ok(None),
            },
            Err(problem) => (Vec::new(), Some(problem)),
        };
        // What stays is looked at again; nobody else tells that an environment is gone.
        self.inner.places.free();
        Ok(Some(NamespaceStays {
            cluster: cluster.name,
            name,
            holds,
            problem,
        }))
    }
}

/// Looks after those of one cluster, as long as it is connected.
pub(crate) async fn run(control: Control, cluster: ClusterId) {
    let mut hint = control.inner.store.hint();
    let mut freed = control.inner.places.freed();
    let mut swept: Option<BTreeSet<String>> = None;
    let mut told: Vec<LeftNamespace> = Vec::new();
    let (mut pause, mut due) = (AGAIN.0, Instant::now());
    loop {
        let there = kept(&control, cluster).await.ok();
        let is_new = there != swept;
        if is_new || Instant::now() >= due {
            pause = if is_new { AGAIN.0 } else { pause };
            swept = there;
            let looked = timeout(PATIENCE.1, sweep(&control, cluster)).await;
            due = Instant::now() + AGAIN.1;
            match looked.unwrap_or_else(|_| Err(silent())) {
                Ok(left) => {
                    if left != told {
                        tracing::info!(
                            ?left,
                            "namespaces that stay on a cluster after their environments"
                        );
                    }
                    told = left;
                    if !told.is_empty() {
                        due = Instant::now() + pause;
                        pause = (pause * 2).min(AGAIN.1);
                    }
                }
                Err(problem) => {
                    tracing::debug!(
                        code = problem.code,
                        cause = problem.cause,
                        "a cluster's namespaces were not looked at"
                    );
                    // It may answer at any moment.
                    due = Instant::now() + UNANSWERED;
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep_until(due) => {}
            () = hint.changed() => {}
            _ = freed.changed() => {
                (pause, due) = (AGAIN.0, Instant::now());
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn sweep(control: &Control, cluster: ClusterId) -> Result<Vec<LeftNamespace>, Problem> {
    let linked = control.inner.places.linked(cluster)?;
    let kept = kept(control, cluster).await?;
    linked.namespaces.sweep(&kept).await
}

/// The namespaces of the environments that are on it.
async fn kept(control: &Control, cluster: ClusterId) -> Result<BTreeSet<String>, Problem> {
    let all = control.inner.store.cluster_environments(cluster).await?;
    let all = all.iter();
    let named = all.map(|(team, environment)| namespace(team.as_str(), environment.as_str()));
    Ok(named.collect())
}
