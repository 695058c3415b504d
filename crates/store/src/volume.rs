//! Volumes: data with a life of its own, that outlives releases and applications until it is named to be deleted.
//!
//! A volume is known by its id; what an application calls it is a *binding*. A binding outlives the mounts: a release that does
//! not name a volume keeps its data and its name, and a later one finds both again. It *uses* a volume while its target, or the
//! last release that ran, names it: only then is the volume bound, and cannot be deleted or be another's alone.

mod ask;
mod copy;

use jiff::Timestamp;
use pluvio_model::id::{ApplicationId, ClusterId, EnvironmentId, OperationId, TeamId, VolumeId};
use pluvio_model::name::Name;
use pluvio_model::problem::{self, Problem};
use pluvio_model::release::Release;
use pluvio_model::spec::VolumeAccess;

use sqlx::any::AnyRow;

use crate::application::{self, Application};
use crate::row::{Columns, word};
use crate::transaction::{Tx, transaction};
use crate::{Page, PageRequest, Result, Store, StoreError, release, target};

pub use ask::TakeVolume;
pub(crate) use ask::take;
pub use copy::NewCopy;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeRow {
    pub id: VolumeId,
    pub team: TeamId,
    /// `None` of a volume whose application was deleted before this was kept.
    pub environment: Option<EnvironmentId>,
    pub cluster: ClusterId,
    /// The one it was made for, or that took it over. `None` once that is deleted.
    pub application: Option<ApplicationId>,
    /// Kept after the application is gone.
    pub application_name: Name,
    pub name: Name,
    /// The runtime's own name of it, once it is there.
    pub handle: Option<String>,
    /// What it really takes, when it was last measured.
    pub bytes: Option<u64>,
    pub measured_at: Option<Timestamp>,
    /// As the last release that named it asked.
    pub access: Option<VolumeAccess>,
    pub size: Option<u64>,
    pub created_at: Timestamp,
    /// When its application was deleted.
    pub released_at: Option<Timestamp>,
    /// It was deleted by name: until then it can be had back.
    pub ends_at: Option<Timestamp>,
    /// The volume that its data are a copy of.
    pub copy_of: Option<VolumeId>,
    /// The operation that copies into it: it is not whole yet.
    pub filling: Option<OperationId>,
}

impl VolumeRow {
    /// Why it cannot be mounted now, if so.
    pub fn unusable(&self) -> Option<Problem> {
        if self.ends_at.is_some() {
            return Some(problem::REFUSED.problem(
                format!(
                    "The volume {} was deleted, and is kept only until its end.",
                    self.name
                ),
                format!(
                    "Have it back with `pluvio volume restore {}`, or use another name.",
                    self.name
                ),
            ));
        }
        self.filling?;
        Some(problem::REFUSED.problem(
            format!("The volume {} is still being copied.", self.name),
            "Wait for the copy to end: `pluvio operations` shows how far it is.",
        ))
    }
}

/// An application that has a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeBinding {
    pub volume: VolumeId,
    pub application: ApplicationId,
    pub application_name: Name,
    /// What it calls the volume.
    pub name: Name,
    /// Its target's release.
    pub release: Option<u64>,
}

impl Store {
    /// Of an environment, by id: the oldest first.
    pub async fn volumes(
        &self,
        team: TeamId,
        environment: EnvironmentId,
        page: &PageRequest,
    ) -> Result<Page<VolumeRow>> {
        let after: String = page.key()?.unwrap_or_default();
        let query = sqlx::query(
            "SELECT * FROM volumes WHERE team = $1 AND (environment = $2 OR environment IS NULL) AND id > $3 \
             ORDER BY id LIMIT $4",
        )
        .bind(team.to_string())
        .bind(environment.to_string())
        .bind(after)
        .bind(page.rows());
        let rows = self.read_all(query).await?;
        let rows = rows.iter().map(read).collect::<Result<_>>()?;
        Ok(page.page(rows, |row: &VolumeRow| row.id.to_string()))
    }

    /// Those that an application has a name for, by that name: the row's `name` is the application's.
    pub async fn application_volumes(&self, application: ApplicationId) -> Result<Vec<VolumeRow>> {
        let query = sqlx::query(
            "SELECT v.*, b.name AS bound_name FROM volume_bindings b JOIN volumes v ON v.id = b.volume \
             WHERE b.application = $1 ORDER BY b.name",
        )
        .bind(application.to_string());
        let rows = self.read_all(query).await?;
        rows.iter()
            .map(|row| {
                let mut volume = read(row)?;
                volume.name = row.parsed("bound_name")?;
                Ok(volume)
            })
            .collect()
    }

    pub async fn volume(&self, team: TeamId, id: VolumeId) -> Result<VolumeRow> {
        let query = sqlx::query("SELECT * FROM volumes WHERE team = $1 AND id = $2")
            .bind(team.to_string())
            .bind(id.to_string());
        read(&self.read_one("volume", query).await?)
    }

    /// Which applications have these volumes, by application's name.
    pub async fn volume_bindings(&self, volumes: &[VolumeId]) -> Result<Vec<VolumeBinding>> {
        if volumes.is_empty() {
            return Ok(Vec::new());
        }
        let places: Vec<String> = (1..=volumes.len()).map(|n| format!("${n}")).collect();
        let text = format!(
            "SELECT b.*, a.name AS application_name, a.release AS release FROM volume_bindings b \
             JOIN applications a ON a.id = b.application WHERE b.volume IN ({}) ORDER BY a.name, b.name",
            places.join(", ")
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(text));
        for volume in volumes {
            query = query.bind(volume.to_string());
        }
        self.read_all(query).await?.iter().map(binding).collect()
    }

    /// Notes what the runtime calls the volume. Writes nothing when that is known.
    pub async fn note_volume(&self, id: VolumeId, handle: &str, bytes: Option<u64>) -> Result<()> {
        let known = sqlx::query("SELECT * FROM volumes WHERE id = $1").bind(id.to_string());
        let known = read(&self.read_one("volume", known).await?)?;
        let measured = bytes.is_some();
        let bytes = bytes.or(known.bytes);
        if known.handle.as_deref() == Some(handle) && !measured {
            return Ok(());
        }
        transaction!(self, tx => {
            let update = sqlx::query(
                "UPDATE volumes SET handle = $2, bytes = $3, measured_at = CASE WHEN $4 = 1 THEN $5 ELSE measured_at END \
                 WHERE id = $1",
            )
                .bind(id.to_string())
                .bind(handle.to_owned())
                .bind(bytes.map(|bytes| bytes as i64))
                .bind(i64::from(measured))
                .bind(tx.now_ms());
            tx.run(update).await?;
            Ok(())
        })
    }
}

/// Binds the volumes of a release that becomes a target, and lists those that are new. Refused where it would mount what is
/// going, not whole, or another application's alone: then nothing of the release is kept.
pub(crate) async fn bind(
    tx: &mut Tx,
    application: &Application,
    cluster: ClusterId,
    release: &Release,
) -> Result<()> {
    for (name, volume) in &release.volumes {
        let access = word(volume.access);
        let size = volume.size.map(|size| size.0 as i64);
        let known = sqlx::query("SELECT * FROM volumes WHERE id = $1").bind(volume.id.to_string());
        if let Some(row) = tx.maybe(known).await? {
            let row = read(&row)?;
            if let Some(problem) = row.unusable() {
                return Err(refused(problem));
            }
            alone(tx, application.id, &row, name, volume.access).await?;
            let update = sqlx::query("UPDATE volumes SET access = $2, size = $3 WHERE id = $1 AND (access IS NULL OR access <> $2 OR size IS NULL OR size <> $3)")
                .bind(volume.id.to_string())
                .bind(access)
                .bind(size);
            tx.run(update).await?;
        } else {
            let insert = sqlx::query(
                "INSERT INTO volumes (id, team, environment, cluster, application, application_name, name, access, size, \
                 created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            )
            .bind(volume.id.to_string())
            .bind(application.team.to_string())
            .bind(application.environment.to_string())
            .bind(cluster.to_string())
            .bind(application.id.to_string())
            .bind(application.name.to_string())
            .bind(name.to_string())
            .bind(access)
            .bind(size)
            .bind(tx.now_ms());
            tx.run(insert).await?;
        }
        name_it(tx, application.id, name, volume.id).await?;
    }
    Ok(())
}

/// The application calls the volume so from now on. A name that means another volume of its is not taken away from that.
async fn name_it(
    tx: &mut Tx,
    application: ApplicationId,
    name: &Name,
    volume: VolumeId,
) -> Result<()> {
    let known =
        sqlx::query("SELECT volume FROM volume_bindings WHERE application = $1 AND name = $2")
            .bind(application.to_string())
            .bind(name.to_string());
    match tx.maybe(known).await? {
        Some(row) if row.text("volume")? == volume.to_string() => Ok(()),
        Some(_) => Err(refused(problem::NAME_TAKEN.problem(
            format!(
                "The application has another volume that it calls {name}, with data of its own."
            ),
            "Choose another name for this one, or delete that volume first.",
        ))),
        None => {
            let insert = sqlx::query(
                "INSERT INTO volume_bindings (application, name, volume) VALUES ($1, $2, $3)",
            )
            .bind(application.to_string())
            .bind(name.to_string())
            .bind(volume.to_string());
            tx.run(insert).await?;
            Ok(())
        }
    }
}

/// Refuses two that write where one of them asked to be alone.
async fn alone(
    tx: &mut Tx,
    application: ApplicationId,
    row: &VolumeRow,
    name: &Name,
    access: VolumeAccess,
) -> Result<()> {
    for used in uses(tx, row.id).await? {
        if used.application == application {
            continue;
        }
        if access == VolumeAccess::Shared && used.access == VolumeAccess::Shared {
            continue;
        }
        return Err(refused(problem::SPEC_CONFLICT.problem(
            format!(
                "The volume {name} is in use by {}, and one of the two mounts it exclusively.",
                used.application_name
            ),
            format!(
                "Take it from {} first (`pluvio volume detach`) and wait until that release runs, or write `access: shared` in both.",
                used.application_name
            ),
        )));
    }
    Ok(())
}

/// An application whose target, or the last release that ran, names a volume.
struct Use {
    application: ApplicationId,
    application_name: Name,
    access: VolumeAccess,
}

async fn uses(tx: &mut Tx, volume: VolumeId) -> Result<Vec<Use>> {
    let query = sqlx::query("SELECT application FROM volume_bindings WHERE volume = $1")
        .bind(volume.to_string());
    let mut uses = Vec::new();
    for row in tx.all(query).await? {
        let id: ApplicationId = row.parsed("application")?;
        let mut numbers = Vec::new();
        for target in target::load_all(tx, id).await? {
            numbers.push(target.release);
            numbers.extend(target.live_release);
        }
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers {
            // A deletion of what was never released has a target without a release.
            let release = match release::load(tx, id, number).await {
                Err(StoreError::NotFound { .. }) => continue,
                other => other?,
            };
            if let Some(decided) = release
                .volumes
                .values()
                .find(|decided| decided.id == volume)
            {
                uses.push(Use {
                    application: id,
                    application_name: application::load(tx, id).await?.name,
                    access: decided.access,
                });
                break;
            }
        }
    }
    Ok(uses)
}

/// The application goes: its volumes stay, listed as released.
pub(crate) async fn release(tx: &mut Tx, application: ApplicationId) -> Result<()> {
    // Another application that has it too takes it over.
    let hand_over = sqlx::query(
        "UPDATE volumes SET \
         application = (SELECT MIN(b.application) FROM volume_bindings b WHERE b.volume = volumes.id AND b.application <> $1) \
         WHERE application = $1",
    )
    .bind(application.to_string());
    tx.run(hand_over).await?;
    let rename = sqlx::query(
        "UPDATE volumes SET application_name = (SELECT a.name FROM applications a WHERE a.id = volumes.application), \
         name = (SELECT MIN(b.name) FROM volume_bindings b WHERE b.volume = volumes.id AND b.application = volumes.application) \
         WHERE application IS NOT NULL AND application <> $1 \
         AND id IN (SELECT volume FROM volume_bindings WHERE application = $1)",
    )
    .bind(application.to_string());
    tx.run(rename).await?;
    let release = sqlx::query(
        "UPDATE volumes SET released_at = $2 WHERE application IS NULL AND released_at IS NULL \
         AND id IN (SELECT volume FROM volume_bindings WHERE application = $1)",
    )
    .bind(application.to_string())
    .bind(tx.now_ms());
    tx.run(release).await?;
    Ok(())
}

fn refused(problem: Problem) -> StoreError {
    StoreError::Refused(Box::new(problem))
}

fn read(row: &AnyRow) -> Result<VolumeRow> {
    Ok(VolumeRow {
        id: row.parsed("id")?,
        team: row.parsed("team")?,
        environment: row.maybe_parsed("environment")?,
        cluster: row.parsed("cluster")?,
        application: row.maybe_parsed("application")?,
        application_name: row.parsed("application_name")?,
        name: row.parsed("name")?,
        handle: row.maybe_text("handle")?,
        bytes: row.maybe_count("bytes")?,
        measured_at: row.maybe_time("measured_at")?,
        access: match row.maybe_text("access")? {
            Some(_) => Some(row.word("access")?),
            None => None,
        },
        size: row.maybe_count("size")?,
        created_at: row.time("created_at")?,
        released_at: row.maybe_time("released_at")?,
        ends_at: row.maybe_time("ends_at")?,
        copy_of: row.maybe_parsed("copy_of")?,
        filling: row.maybe_parsed("filling")?,
    })
}

fn binding(row: &AnyRow) -> Result<VolumeBinding> {
    Ok(VolumeBinding {
        volume: row.parsed("volume")?,
        application: row.parsed("application")?,
        application_name: row.parsed("application_name")?,
        name: row.parsed("name")?,
        release: row.maybe_count("release")?,
    })
}
