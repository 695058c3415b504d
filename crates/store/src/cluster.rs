//! Runtime targets, and the identity by which another engine is told from the one we know.

use jiff::Timestamp;
use pluvio_model::facts::RuntimeKind;
use pluvio_model::id::ClusterId;
use pluvio_model::name::Name;

use crate::{Result, Store};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    pub id: ClusterId,
    pub name: Name,
    pub kind: RuntimeKind,
    /// The identity the engine keeps, whatever form it has.
    pub identity: String,
    /// How it is reached: a socket, a URL.
    pub address: String,
    pub created_at: Timestamp,
}

impl Store {
    /// The cluster of this name, made when it is new. Fails with `engine.foreign` when the engine that answers now is not
    /// the one that was bound: an unknown engine is another cluster, never a silent fresh start.
    pub async fn bind_cluster(
        &self,
        name: &Name,
        kind: RuntimeKind,
        identity: &str,
        address: &str,
    ) -> Result<Cluster> {
        todo!()
    }
    /// Takes the engine that answers now in place of the one that was bound (`pluvio cluster rebind`).
    pub async fn rebind_cluster(
        &self,
        name: &Name,
        kind: RuntimeKind,
        identity: &str,
        address: &str,
        actor: &str,
    ) -> Result<Cluster> {
        todo!()
    }
    pub async fn clusters(&self) -> Result<Vec<Cluster>> {
        todo!()
    }
    pub async fn cluster(&self, id: ClusterId) -> Result<Cluster> {
        todo!()
    }
}
