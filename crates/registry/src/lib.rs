//! The image registry: OCI distribution (v1.1) over [`pluvio_store::Blobs`], so that clusters and people pull what is built here.
//!
//! Contents are files by digest; which repository holds which is in the store, and so is what a team may hold. A [`Registry`] is a
//! handle on both, and has three sides: [`Registry::router`] speaks HTTP, [`Registry::import`] makes a pushed image of an engine's
//! archive, [`Registry::collect`] removes what nobody needs. Any number of processes may have one on the same data; pulls need the
//! folder and the database, and nothing of the control plane.
//!
//! Repository names are `TEAM/…`: who may do what there is an [`Authorizer`]'s to say. Start with `http`, then `contents`.

mod authorize;
mod collect;
mod contents;
mod failure;
mod http;
mod import;
mod layer;
mod manifest;
mod metrics;
mod name;
mod serve;
mod uploads;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pluvio_model::id::TeamId;
use pluvio_store::{Blobs, Store};

pub use authorize::{Action, Authorizer, Credential, StoreAuthorizer, Verdict};
pub use collect::Swept;
pub use failure::{Code, Failure};
pub use metrics::Figures;
pub use name::{Digest, Reference, Repository};
pub use serve::{Tls, TlsFailure, serve};

/// What a registry is told once.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Bytes that a team may hold, where it has no quota of its own; as much as there is room when absent.
    pub quota: Option<u64>,
    /// What was pushed or asked for so recently is not collected.
    pub grace: Duration,
    /// The newest tags of each repository that are kept; all when absent.
    pub keep_tags: Option<usize>,
}

/// The registry of one data folder. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    blobs: Blobs,
    settings: Settings,
    uploads: uploads::Uploads,
    metrics: metrics::Metrics,
}

impl Registry {
    pub fn new(store: Store, blobs: Blobs, settings: Settings) -> Registry {
        Registry {
            inner: Arc::new(Inner {
                store,
                blobs,
                settings,
                uploads: uploads::Uploads::default(),
                metrics: metrics::Metrics::default(),
            }),
        }
    }

    /// Requests and bytes since this process began.
    pub fn figures(&self) -> Figures {
        self.inner.metrics.figures()
    }

    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Takes a whole file in as a repository's content: it is moved into place, then said to be there.
    async fn take_in(
        &self,
        team: TeamId,
        repository: &Repository,
        file: &Path,
        digest: &Digest,
        bytes: u64,
    ) -> Result<(), Failure> {
        let inner = &self.inner;
        let key = digest.key();
        // Outside of the gate: it may take a while, and only this file is concerned.
        if inner.blobs.info(&key).await.is_err() {
            contents::sync(file).await?;
        }
        let _gate = contents::Gate::shared(&inner.blobs).await?;
        match inner.blobs.info(&key).await {
            Ok(_) => drop(tokio::fs::remove_file(file).await),
            Err(_) => {
                contents::sync(file).await?;
                inner.blobs.adopt(file, &key).await?;
            }
        }
        let put = inner.store.put_image_content(
            team,
            repository.as_str(),
            digest.as_str(),
            bytes,
            inner.settings.quota,
        );
        Ok(put.await?)
    }
}
