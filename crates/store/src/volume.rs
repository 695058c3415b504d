//! Volumes: data with a life of its own, that outlives releases and applications until it is named to be deleted.

use jiff::Timestamp;
use pluvio_model::id::{ApplicationId, ClusterId, TeamId, VolumeId};
use pluvio_model::name::Name;
use pluvio_model::problem;
use pluvio_model::release::Release;

use sqlx::any::AnyRow;

use crate::application::Application;
use crate::audit::record;
use crate::row::Columns;
use crate::transaction::{Tx, transaction};
use crate::{Page, PageRequest, Result, Store, StoreError};

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
    /// By id: the oldest first.
    pub async fn volumes(&self, team: TeamId, page: &PageRequest) -> Result<Page<VolumeRow>> {
        let after: String = page.key()?.unwrap_or_default();
        let query =
            sqlx::query("SELECT * FROM volumes WHERE team = $1 AND id > $2 ORDER BY id LIMIT $3")
                .bind(team.to_string())
                .bind(after)
                .bind(page.rows());
        let rows = self.read_all(query).await?;
        let rows = rows.iter().map(read).collect::<Result<_>>()?;
        Ok(page.page(rows, |row: &VolumeRow| row.id.to_string()))
    }

    /// An application's, by name.
    pub async fn application_volumes(&self, application: ApplicationId) -> Result<Vec<VolumeRow>> {
        let query = sqlx::query("SELECT * FROM volumes WHERE application = $1 ORDER BY name, id")
            .bind(application.to_string());
        self.read_all(query).await?.iter().map(read).collect()
    }

    pub async fn volume(&self, team: TeamId, id: VolumeId) -> Result<VolumeRow> {
        let query = sqlx::query("SELECT * FROM volumes WHERE team = $1 AND id = $2")
            .bind(team.to_string())
            .bind(id.to_string());
        read(&self.read_one("volume", query).await?)
    }

    /// Notes what the runtime calls the volume and how large it is. Writes nothing when that is known.
    pub async fn note_volume(&self, id: VolumeId, handle: &str, bytes: Option<u64>) -> Result<()> {
        let known = sqlx::query("SELECT * FROM volumes WHERE id = $1").bind(id.to_string());
        let known = read(&self.read_one("volume", known).await?)?;
        let bytes = bytes.or(known.bytes);
        if known.handle.as_deref() == Some(handle) && known.bytes == bytes {
            return Ok(());
        }
        transaction!(self, tx => {
            let update = sqlx::query("UPDATE volumes SET handle = $2, bytes = $3 WHERE id = $1")
                .bind(id.to_string())
                .bind(handle.to_owned())
                .bind(bytes.map(|bytes| bytes as i64));
            tx.run(update).await?;
            Ok(())
        })
    }

    /// Forgets a released volume, after the runtime removed its data. One in use is refused.
    pub async fn forget_volume(&self, team: TeamId, id: VolumeId, actor: &str) -> Result<()> {
        transaction!(self, tx => {
            let query = sqlx::query("SELECT * FROM volumes WHERE team = $1 AND id = $2")
                .bind(team.to_string())
                .bind(id.to_string());
            let volume = read(&tx.one("volume", query).await?)?;
            if volume.application.is_some() {
                return Err(StoreError::Refused(Box::new(problem::REFUSED.problem(
                    format!(
                        "The volume {} belongs to the application {}.",
                        volume.name, volume.application_name
                    ),
                    "Delete the application first; its volumes are kept and can then be deleted by name.",
                ))));
            }
            tx.run(sqlx::query("DELETE FROM volumes WHERE id = $1").bind(id.to_string())).await?;
            let object = format!("volume {} of {}", volume.name, volume.application_name);
            record(&mut tx, Some(team), actor, "volume:delete", &object, "deleted").await
        })
    }
}

/// Lists the volumes that a release binds, those that are not listed yet.
pub(crate) async fn bind(
    tx: &mut Tx,
    application: &Application,
    cluster: ClusterId,
    release: &Release,
) -> Result<()> {
    for (name, volume) in &release.volumes {
        let insert = sqlx::query(
            "INSERT INTO volumes (id, team, cluster, application, application_name, name, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING",
        )
        .bind(volume.id.to_string())
        .bind(application.team.to_string())
        .bind(cluster.to_string())
        .bind(application.id.to_string())
        .bind(application.name.to_string())
        .bind(name.to_string())
        .bind(tx.now_ms());
        tx.run(insert).await?;
    }
    Ok(())
}

/// The application goes: its volumes stay, listed as released.
pub(crate) async fn release(tx: &mut Tx, application: ApplicationId) -> Result<()> {
    let release = sqlx::query(
        "UPDATE volumes SET application = NULL, released_at = $2 WHERE application = $1",
    )
    .bind(application.to_string())
    .bind(tx.now_ms());
    tx.run(release).await?;
    Ok(())
}

fn read(row: &AnyRow) -> Result<VolumeRow> {
    Ok(VolumeRow {
        id: row.parsed("id")?,
        team: row.parsed("team")?,
        cluster: row.parsed("cluster")?,
        application: row.maybe_parsed("application")?,
        application_name: row.parsed("application_name")?,
        name: row.parsed("name")?,
        handle: row.maybe_text("handle")?,
        bytes: row.maybe_count("bytes")?,
        created_at: row.time("created_at")?,
        released_at: row.maybe_time("released_at")?,
    })
}
