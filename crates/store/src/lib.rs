//! What was asked and decided, kept: the only SQL of Pluvio.
//!
//! A [`Store`] is a database (SQLite in the data folder, or PostgreSQL for several control processes) behind methods that are
//! each one transaction: a state change, the job it needs and the event that tells of it commit together or not at all. What
//! is *seen* (instances, health, logs, heartbeats of instances) never enters it. Beside it lie [`Blobs`] (uploads, build logs,
//! bills of materials) and the [`Seal`] under which secrets are kept.
//!
//! The crate depends on `pluvio-model` only. Decisions are not made here: verbs that need one ([`Store::ask_deploy`],
//! [`Store::patch`], [`Store::complete_build`]) take a synchronous, pure closure and call it inside the transaction with what
//! it may read ([`Deciding`]). A closure may be called again when a transaction is retried.
//!
//! Start reading at [`deploy`] (the verbs), then [`job`] (leases) and `transaction` (how a write runs).

pub mod account;
pub mod application;
pub mod audit;
mod blobs;
pub mod cluster;
pub mod credential;
pub mod deploy;
mod error;
pub mod event;
pub mod host;
pub mod job;
pub mod operation;
mod page;
pub mod release;
mod seal;
pub mod secret;
pub mod target;
pub mod volume;

pub use account::{Home, Membership, NewToken, Opened, Scope, Session, Token, User};
pub use application::{Application, ApplicationFilter, ApplicationState, NewApplication};
pub use audit::{AuditRecord, AuditVerdict, NewAudit};
pub use blobs::{BlobError, BlobInfo, BlobKey, BlobReader, BlobWriter, Blobs};
pub use cluster::Cluster;
pub use credential::{Credential, CredentialKind, CredentialSecret, NewCredential};
pub use deploy::{Ask, Asked, Completed, Deciding, Idempotency, Reverted, Then, Whose};
pub use error::StoreError;
pub use event::{EventFilter, Hint};
pub use job::{Job, JobState, Lease, LeasedJob, NewJob, Pulse};
pub use operation::OperationFilter;
pub use page::{Page, PageRequest};
pub use release::{ReleaseRow, ReleaseState, StoredRelease};
pub use seal::Seal;
pub use secret::SecretRow;
pub use target::Target;
pub use volume::VolumeRow;

use std::sync::Arc;

pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The database. Cheap to clone; all clones share the connections.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    home: Home,
}

impl Store {
    /// Opens the database at `url` (`sqlite:///path/pluvio.db` or `postgres://…`), makes it when it is new, brings it up to
    /// this version, and makes the default organization, team, environment and owner at first start. Data that a newer
    /// version wrote is refused ([`StoreError::NewerVersion`]).
    pub async fn open(url: &str, seal: Seal) -> Result<Store> {
        let _ = (url, seal);
        todo!()
    }

    /// What first start made: one of each.
    pub fn home(&self) -> &Home {
        &self.inner.home
    }

    /// Answers when the database does: for `/readyz`.
    pub async fn ping(&self) -> Result<()> {
        todo!()
    }

    /// Drops what has had its time: idempotency keys after 24 h, ended sessions, used links, finished jobs and events after
    /// seven days. Run it now and then.
    pub async fn prune(&self) -> Result<()> {
        todo!()
    }

    /// Waits for running transactions and closes the connections.
    pub async fn close(&self) {
        todo!()
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.write_str("Store")
    }
}
