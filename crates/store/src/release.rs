//! Revisions (asked) and releases (decided): immutable, numbered, kept.

use jiff::Timestamp;
use pluvio_model::id::{ApplicationId, OperationId};
use pluvio_model::release::Release;
use pluvio_model::revision::{Origin, Revision};
use serde::{Deserialize, Serialize};

use crate::{Page, PageRequest, Result, Store};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseState {
    /// The target, or on its way to be.
    Decided,
    Live,
    Failed,
    /// Never ran: a later deploy took its place.
    Superseded,
    /// Was live once.
    Retired,
}

/// A line of the release timeline, without the release's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReleaseRow {
    pub number: u64,
    pub parent: Option<u64>,
    pub state: ReleaseState,
    pub origin: Origin,
    pub actor: String,
    pub operation: OperationId,
    pub created_at: Timestamp,
    /// From the asking until it was live, in milliseconds.
    pub duration_ms: Option<u64>,
    /// Of the first component that was built here.
    pub commit: Option<String>,
    pub commit_message: Option<String>,
    pub author: Option<String>,
    /// Of the first component: as asked, and what runs.
    pub image: Option<String>,
    pub image_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRelease {
    pub row: ReleaseRow,
    pub release: Release,
}

impl Store {
    pub async fn revision(&self, application: ApplicationId, number: u64) -> Result<Revision> {
        todo!()
    }
    /// The newest revision asked for, whatever became of it.
    pub async fn last_revision(&self, application: ApplicationId) -> Result<Option<Revision>> {
        todo!()
    }
    pub async fn release(&self, application: ApplicationId, number: u64) -> Result<StoredRelease> {
        todo!()
    }
    /// The newest first.
    pub async fn releases(
        &self,
        application: ApplicationId,
        page: &PageRequest,
    ) -> Result<Page<ReleaseRow>> {
        todo!()
    }
}
