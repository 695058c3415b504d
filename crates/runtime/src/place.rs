//! A runtime with all that is asked of it, and how one is come by.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use pluvio_model::cluster::{CheckReport, ClusterOverview, WorkloadOverview};
use pluvio_model::id::ClusterId;
use pluvio_model::name::Name;
use pluvio_model::objects::{ObjectKind, ObjectPage, ObjectSeen, ObjectsAsk};
use pluvio_model::place::PlaceSettings;
use pluvio_model::problem::Problem;
use pluvio_model::stage::SecretValue;
use tokio::sync::watch;

use crate::{Events, Exec, Logs, Runs, Runtime, UsageSource, Volumes};

/// Everything that is asked of where an application runs: of a node, or of a cluster.
pub trait Place: Runtime + Logs + Events + Exec + UsageSource + Runs + Volumes {}
impl<T: Runtime + Logs + Events + Exec + UsageSource + Runs + Volumes> Place for T {}

/// How a cluster is reached, and what its operator chose.
#[derive(Clone)]
pub struct Link {
    /// A kubeconfig's text; its current context is used. Never logged.
    pub kubeconfig: String,
    pub settings: PlaceSettings,
    /// With what its nodes pull images; `None`: with what they have themselves.
    pub pulls: Option<Arc<dyn Pulls>>,
}

/// Tells with what a cluster's nodes pull a team's images.
#[async_trait]
pub trait Pulls: Send + Sync {
    /// `None` of a team for which it is not known now.
    async fn pull(&self, team: &Name) -> Option<Pull>;
    /// The image of Pluvio's own program among a team's, for what runs there beside applications.
    ///
    /// # Errors
    /// None is published, or the registry has no room.
    async fn program(&self, team: &Name) -> Result<String, Problem>;
    /// The team for what belongs to no team.
    fn home(&self) -> Name;
}

/// A registry, and who pulls there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// `images.example.org:5000`
    pub registry: String,
    pub username: String,
    pub password: SecretValue,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "Link({:?})", self.settings)
    }
}

/// A credential as a person gives it.
#[derive(Clone)]
pub struct Given {
    /// A kubeconfig's text. Never logged.
    pub kubeconfig: String,
    /// The context in it; its current one when absent.
    pub context: Option<String>,
    pub settings: PlaceSettings,
    /// Names this Pluvio among those that may use the cluster.
    pub installation: String,
}

impl std::fmt::Debug for Given {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "Given({:?})", self.context)
    }
}

/// What is known of a cluster that was taken in.
#[derive(Clone)]
pub struct Admitted {
    /// What tells it from every other cluster.
    pub identity: ClusterId,
    /// Its API server's URL.
    pub address: String,
    /// The credential that is kept: an account's of Pluvio's own, or the given one where none could be made.
    pub kubeconfig: String,
    pub report: CheckReport,
    /// Nothing of this Pluvio's was there before: what was made may be taken away again.
    pub is_new: bool,
}

impl std::fmt::Debug for Admitted {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "Admitted({} at {})", self.identity, self.address)
    }
}

/// A data volume that stays on a cluster that was taken out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LeftVolume {
    pub namespace: String,
    pub name: String,
    /// `10Gi`
    pub size: String,
}

/// A cluster that answered. It looks after its applications until it is dropped.
#[derive(Clone)]
pub struct Linked {
    /// What tells it from every other cluster.
    pub identity: ClusterId,
    pub place: Arc<dyn Place>,
    pub overview: Arc<dyn Overview>,
    pub namespaces: Arc<dyn Namespaces>,
    /// What does not go as the settings ask, while applications go on: a gateway that cannot be brought there.
    pub trouble: watch::Receiver<Option<Problem>>,
}

/// What a cluster looks like: from what is kept of it at hand, and what is in it as it says when it is asked.
#[async_trait]
pub trait Overview: Send + Sync {
    async fn overview(&self) -> ClusterOverview;

    /// What of ours runs there, by namespace and name.
    fn workloads(&self) -> Vec<WorkloadOverview>;

    /// A part of the list of what is there of a kind, whoever made it; asked of the cluster.
    async fn objects(&self, ask: &ObjectsAsk) -> Result<ObjectPage, Problem>;

    /// One object whole; asked of the cluster.
    async fn object(
        &self,
        kind: ObjectKind,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<ObjectSeen, Problem>;
}

/// What environments have on a cluster beside their applications: a namespace each.
#[async_trait]
pub trait Namespaces: Send + Sync {
    /// Takes those away that were made for environments that are there no more and that hold nothing of anybody's; `kept` names
    /// those of the environments that there are. Answers the ones that stay. Idempotent, and harmless to an application that is
    /// deployed meanwhile.
    ///
    /// # Errors
    /// The cluster does not answer or refuses. What could be taken away is.
    async fn sweep(&self, kept: &BTreeSet<String>) -> Result<Vec<LeftNamespace>, Problem>;
}

/// A namespace that stays on a cluster after its environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftNamespace {
    pub name: String,
    /// What is in it, each as `PersistentVolumeClaim data`; nothing where it was changed while it was looked at.
    pub holds: Vec<String>,
}

impl std::fmt::Debug for Linked {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "Linked({})", self.identity)
    }
}

/// Requests of one method to one API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestCount {
    /// `10.0.0.5:6443`
    pub server: String,
    /// `GET`
    pub method: String,
    pub count: u64,
}

/// Comes by clusters. Control is given one at its start; tests give one of their own.
#[async_trait]
pub trait Connector: Send + Sync {
    /// What was asked of API servers since the process began.
    fn requests(&self) -> Vec<RequestCount>;
    /// Looks at a cluster step by step, and changes nothing there.
    async fn check(&self, given: &Given) -> CheckReport;
    /// Writes an image of Pluvio's own program into an archive; answers what tells it from others.
    async fn program(&self, to: &Path) -> Result<String, Problem>;
    /// Asks a cluster who it is, and changes nothing there.
    ///
    /// # Errors
    /// The credential cannot be used, or the cluster does not answer.
    async fn identify(&self, given: &Given) -> Result<ClusterId, Problem>;
    /// Takes a cluster in for the first time, or anew: looks at it, makes what Pluvio needs there, and answers the credential
    /// that is kept. Idempotent.
    ///
    /// # Errors
    /// The credential cannot be used, the cluster does not answer, or lacks what Pluvio cannot do without. Where nothing of this
    /// Pluvio's was there before, nothing is left.
    async fn admit(&self, given: &Given) -> Result<Admitted, Problem>;
    /// Makes a new credential of Pluvio's own account; the one before goes on until [`Connector::retire`].
    ///
    /// # Errors
    /// The credential was given by a person, or the cluster does not answer.
    async fn rotate(&self, link: &Link) -> Result<String, Problem>;
    /// Ends every credential of Pluvio's own account but this one. Idempotent.
    async fn retire(&self, link: &Link) -> Result<(), Problem>;
    /// # Errors
    /// The credential cannot be used, or the cluster does not answer.
    async fn connect(&self, link: &Link) -> Result<Linked, Problem>;
    /// Removes all that Pluvio made there but data volumes, which it names. Idempotent.
    ///
    /// # Errors
    /// As [`Connector::connect`]; what could be removed is removed.
    async fn leave(&self, link: &Link) -> Result<Vec<LeftVolume>, Problem>;
}
