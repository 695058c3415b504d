//! Clusters beside the engine: taken in, listed, taken out.

use std::sync::Arc;
use std::time::Duration;

use pluvio_model::cluster::{CheckReport, ClusterOverview, WorkloadOverview};
use pluvio_model::facts::{Facts, RuntimeKind};
use pluvio_model::id::ClusterId;
use pluvio_model::name::Name;
use pluvio_model::problem::{self, Problem};
use pluvio_runtime::{Admitted, Connector, Given, LeftVolume, Link, Overview, Pulls, RequestCount};
use pluvio_store::{Cluster, NewCluster, StoreError};

use crate::pulls::ClusterPulls;
use crate::{Control, Reached, crash};

/// How long whoever adds a cluster waits to see it connected.
const CONNECTED: Duration = Duration::from_secs(10);

impl Control {
    pub(crate) fn connector(&self) -> Result<Arc<dyn Connector>, Problem> {
        self.inner.connector.get().cloned().ok_or_else(|| {
            problem::CLUSTER_UNREACHABLE.problem(
                "This process connects to no cluster.",
                "Start Pluvio with `pluvio up`.",
            )
        })
    }

    /// What was asked of the clusters' API servers since this process began.
    pub fn cluster_requests(&self) -> Vec<RequestCount> {
        let connector = self.inner.connector.get();
        connector.map(|one| one.requests()).unwrap_or_default()
    }

    /// Takes a Kubernetes cluster in, or gives the one of that name another credential or other settings.
    pub async fn add_cluster(
        &self,
        name: &Name,
        given: &Given,
        actor: &str,
    ) -> Result<(Cluster, CheckReport), Problem> {
        match self.inner.store.cluster_named(name.as_str()).await {
            Ok(known) if known.kind != RuntimeKind::Kubernetes => {
                return Err(problem::NAME_TAKEN.problem(
                    format!("{name} is the engine of this machine."),
                    "Choose another name for the cluster.",
                ));
            }
            Ok(_) | Err(StoreError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let connector = self.connector()?;
        // Before an account is made there that may read every Secret, and would stay.
        let identity = connector.identify(given).await?.to_string();
        self.inner.store.may_put_cluster(name, &identity).await?;
        let admitted = connector.admit(given).await?;
        crash::point("cluster-admitted");
        let new = NewCluster {
            name,
            identity: &admitted.identity.to_string(),
            address: &admitted.address,
            settings: &given.settings,
            kubeconfig: &admitted.kubeconfig,
        };
        let cluster = match self.inner.store.put_cluster(&new, actor).await {
            Ok(cluster) => cluster,
            Err(error) => {
                if let Err(problem) = self.take_back(&admitted, given).await {
                    tracing::warn!(%name, code = problem.code, cause = problem.cause, "what was made on a cluster that is not kept stays there");
                }
                return Err(error.into());
            }
        };
        // With the credential that is kept now.
        self.inner.places.let_go(cluster.id);
        crate::places::refresh(self).await?;
        let connected = async {
            while self.reached(cluster.id) == Reached::NotYet {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let _ = tokio::time::timeout(CONNECTED, connected).await;
        Ok((cluster, admitted.report))
    }

    /// Takes away what was made on a cluster that could not be kept, unless it is kept by now, by whoever added it at the same time.
    async fn take_back(&self, admitted: &Admitted, given: &Given) -> Result<(), Problem> {
        let identity = admitted.identity.to_string();
        let all = self.inner.store.clusters().await?;
        if !admitted.is_new || all.iter().any(|one| one.identity == identity) {
            return Ok(());
        }
        let link = Link {
            kubeconfig: admitted.kubeconfig.clone(),
            settings: given.settings.clone(),
            pulls: None,
        };
        self.connector()?.leave(&link).await.map(drop)
    }

    /// Takes a cluster out: all that Pluvio made there but data volumes, which are answered, then its credential. With
    /// `abandon` nothing is asked of the cluster, which may be gone for good.
    pub async fn remove_cluster(
        &self,
        name: &str,
        abandon: bool,
        actor: &str,
    ) -> Result<Vec<LeftVolume>, Problem> {
        let store = &self.inner.store;
        let cluster = store.cluster_named(name).await?;
        if cluster.kind != RuntimeKind::Kubernetes {
            return Err(problem::REFUSED.problem(
                format!("{name} is the engine of this machine."),
                "It stays. `pluvio cluster rebind` takes another engine in its place.",
            ));
        }
        store.leave_cluster(cluster.id, actor).await?;
        self.inner.places.let_go(cluster.id);
        crash::point("cluster-leaving");
        let mut left = Vec::new();
        if !abandon {
            let link = self.link(&cluster).await?;
            left = self.connector()?.leave(&link).await?;
        }
        store.forget_cluster(cluster.id, actor).await?;
        Ok(left)
    }

    /// Makes a new credential for a cluster, keeps it, then ends the one before. Killed in between, both serve until it is done again.
    pub async fn rotate_cluster(&self, name: &str, actor: &str) -> Result<Cluster, Problem> {
        let cluster = self.inner.store.cluster_named(name).await?;
        if cluster.leaving {
            return Err(problem::REFUSED.problem(
                format!("The cluster {name} is being taken out."),
                "Add it again with `pluvio cluster add`.",
            ));
        }
        let connector = self.connector()?;
        let mut link = self.link(&cluster).await?;
        link.kubeconfig = connector.rotate(&link).await?;
        let new = NewCluster {
            name: &cluster.name,
            identity: &cluster.identity,
            address: &cluster.address,
            settings: &cluster.settings,
            kubeconfig: &link.kubeconfig,
        };
        let cluster = self.inner.store.put_cluster(&new, actor).await?;
        crash::point("cluster-rotated");
        self.inner.places.let_go(cluster.id);
        crate::places::refresh(self).await?;
        connector.retire(&link).await?;
        Ok(cluster)
    }

    /// Looks at a cluster step by step, and changes nothing.
    pub async fn check_cluster(&self, given: &Given) -> Result<CheckReport, Problem> {
        Ok(self.connector()?.check(given).await)
    }

    /// What a cluster looks like now.
    pub async fn cluster_overview(&self, cluster: &Cluster) -> Result<ClusterOverview, Problem> {
        Ok(self.look_into(cluster)?.overview().await)
    }

    /// What looks into a cluster.
    pub fn look_into(&self, cluster: &Cluster) -> Result<Arc<dyn Overview>, Problem> {
        if cluster.kind != RuntimeKind::Kubernetes {
            return Err(problem::REFUSED.problem(
                format!(
                    "{} is the engine of this machine, which has no nodes.",
                    cluster.name
                ),
                "`pluvio cluster` and `pluvio doctor` tell of it.",
            ));
        }
        Ok(self.inner.places.linked(cluster.id)?.overview)
    }

    /// What of ours runs on a cluster, as it was last told; nothing of one that does not answer.
    pub fn cluster_workloads(&self, cluster: ClusterId) -> Vec<WorkloadOverview> {
        let linked = self.inner.places.linked(cluster);
        linked.map_or_else(|_| Vec::new(), |linked| linked.overview.workloads())
    }

    /// How a cluster is reached, with what runs there beside applications.
    pub(crate) async fn link(&self, cluster: &Cluster) -> Result<Link, Problem> {
        let store = &self.inner.store;
        let home = store.team_name(store.home().team).await?;
        let pulls = self.images_host().map(|_| {
            let pulls = ClusterPulls {
                control: self.clone(),
                cluster: cluster.id,
                home,
            };
            Arc::new(pulls) as Arc<dyn Pulls>
        });
        Ok(Link {
            kubeconfig: store.cluster_credential(cluster.id).await?,
            settings: cluster.settings.clone(),
            pulls,
        })
    }

    /// What the runtime of a cluster could do and held when it last answered.
    pub async fn cluster_facts(&self, cluster: &Cluster) -> Option<Facts> {
        match cluster.kind {
            RuntimeKind::Kubernetes => self.inner.places.facts(cluster.id),
            _ => self.facts().await.ok(),
        }
    }

    /// What does not go as its settings ask on a cluster that is connected.
    pub fn cluster_trouble(&self, cluster: ClusterId) -> Option<Problem> {
        let linked = self.inner.places.linked(cluster).ok()?;
        linked.trouble.borrow().clone()
    }

    /// Whether a cluster answers, as it was last seen.
    pub fn reached(&self, cluster: ClusterId) -> Reached {
        self.inner.places.reached(cluster)
    }
}
