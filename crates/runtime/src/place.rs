//! A runtime with all that is asked of it, and how one is come by.

use std::sync::Arc;

use async_trait::async_trait;
use pluvio_model::id::ClusterId;
use pluvio_model::place::PlaceSettings;
use pluvio_model::problem::Problem;

use crate::{Exec, Logs, Runs, Runtime, UsageSource, Volumes};

/// Everything that is asked of where an application runs: of a node, or of a cluster.
pub trait Place: Runtime + Logs + Exec + UsageSource + Runs + Volumes {}
impl<T: Runtime + Logs + Exec + UsageSource + Runs + Volumes> Place for T {}

/// How a cluster is reached, and what its operator chose.
#[derive(Clone)]
pub struct Link {
    /// A kubeconfig's text; its current context is used. Never logged.
    pub kubeconfig: String,
    pub settings: PlaceSettings,
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
}

impl std::fmt::Debug for Linked {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "Linked({})", self.identity)
    }
}

/// Comes by clusters. Control is given one at its start; tests give one of their own.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Takes a cluster in for the first time, or anew: looks at it, makes what Pluvio needs there, and answers the credential
    /// that is kept. Idempotent.
    ///
    /// # Errors
    /// The credential cannot be used, the cluster does not answer, or lacks what Pluvio cannot do without.
    async fn admit(&self, given: &Given) -> Result<Admitted, Problem>;
    /// # Errors
    /// The credential cannot be used, or the cluster does not answer.
    async fn connect(&self, link: &Link) -> Result<Linked, Problem>;
    /// Removes all that Pluvio made there but data volumes, which it names. Idempotent.
    ///
    /// # Errors
    /// As [`Connector::connect`]; what could be removed is removed.
    async fn leave(&self, link: &Link) -> Result<Vec<LeftVolume>, Problem>;
}
