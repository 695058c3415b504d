//! Volumes: data with a life of its own, that outlives releases and applications until it is named to be deleted.

use jiff::Timestamp;
use pluvio_model::id::{ApplicationId, ClusterId, TeamId, VolumeId};
use pluvio_model::name::Name;

use crate::{Page, PageRequest, Result, Store};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeRow {
    pub id: VolumeId,
    pub team: TeamId,
    pub cluster: ClusterId,
    /// `None` once the application is deleted.
    pub application: Option<ApplicationId>,
    /// Kept after the application is gone.
    pub application_name: Name,
    pub name: Name,
    /// The runtime's own name of it, once it is there.
    pub handle: Option<String>,
    pub bytes: Option<u64>,
    pub created_at: Timestamp,
    /// When its application was deleted.
    pub released_at: Option<Timestamp>,
}

impl Store {
    /// By id.
    pub async fn volumes(&self, team: TeamId, page: &PageRequest) -> Result<Page<VolumeRow>> {
        todo!()
    }
    pub async fn application_volumes(&self, application: ApplicationId) -> Result<Vec<VolumeRow>> {
        todo!()
    }
    pub async fn volume(&self, team: TeamId, id: VolumeId) -> Result<VolumeRow> {
        todo!()
    }
    /// Notes what the runtime calls the volume and how large it is. Writes nothing when that is known.
    pub async fn note_volume(&self, id: VolumeId, handle: &str, bytes: Option<u64>) -> Result<()> {
        todo!()
    }
    /// Forgets a released volume, after the runtime removed its data. One in use is refused.
    pub async fn forget_volume(&self, team: TeamId, id: VolumeId, actor: &str) -> Result<()> {
        todo!()
    }
}
