//! What is asked of a volume: another application, an end, to be had back.

use jiff::Timestamp;
use pluvio_model::id::{TeamId, VolumeId};
use pluvio_model::name::Name;
use pluvio_model::problem;

use super::{VolumeRow, name_it, read, refused, uses};
use crate::application::Application;
use crate::audit::record;
use crate::row::Columns;
use crate::transaction::{Tx, transaction};
use crate::{Result, Store};

/// A volume that an application takes up with a change, or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakeVolume {
    pub volume: VolumeId,
    /// What the application calls it.
    pub name: Name,
}

impl Store {
    /// Marks a volume that nothing uses as deleted: its data end at `ends_at`, and until then it can be had back.
    pub async fn delete_volume(
        &self,
        team: TeamId,
        id: VolumeId,
        ends_at: Timestamp,
        actor: &str,
    ) -> Result<VolumeRow> {
        transaction!(self, tx => {
            let mut row = load(&mut tx, team, id).await?;
            unused(&mut tx, &row).await?;
            if row.filling.is_some() {
                return Err(refused(problem::REFUSED.problem(
                    format!("The volume {} is still being copied.", row.name),
                    "Cancel the copy instead: `pluvio operation cancel`.",
                )));
            }
            if row.ends_at.is_none_or(|before| before > ends_at) {
                let update = sqlx::query("UPDATE volumes SET ends_at = $2 WHERE id = $1")
                    .bind(id.to_string())
                    .bind(ends_at.as_millisecond());
                tx.run(update).await?;
                row.ends_at = Some(ends_at);
                let result = format!("ends at {ends_at}");
                record(&mut tx, Some(team), actor, "volume:delete", &object(&row), &result).await?;
            }
            Ok(row)
        })
    }

    /// Takes the deletion back, while its data are there.
    pub async fn restore_volume(
        &self,
        team: TeamId,
        id: VolumeId,
        actor: &str,
    ) -> Result<VolumeRow> {
        transaction!(self, tx => {
            let mut row = load(&mut tx, team, id).await?;
            if row.ends_at.is_none() {
                return Err(refused(problem::REFUSED.problem(
                    format!("The volume {} is not deleted.", row.name),
                    "Nothing needs to be done: it is kept.",
                )));
            }
            let update = sqlx::query("UPDATE volumes SET ends_at = NULL WHERE id = $1").bind(id.to_string());
            tx.run(update).await?;
            row.ends_at = None;
            record(&mut tx, Some(team), actor, "volume:delete", &object(&row), "taken back").await?;
            Ok(row)
        })
    }

    /// Deleted volumes whose time has come.
    pub async fn ended_volumes(&self, now: Timestamp) -> Result<Vec<VolumeRow>> {
        let query = sqlx::query("SELECT * FROM volumes WHERE ends_at <= $1 ORDER BY id")
            .bind(now.as_millisecond());
        self.read_all(query).await?.iter().map(read).collect()
    }

    /// Forgets a deleted volume, after the runtime removed its data. One in use is refused.
    pub async fn forget_volume(&self, team: TeamId, id: VolumeId, actor: &str) -> Result<()> {
        transaction!(self, tx => {
            let row = load(&mut tx, team, id).await?;
            unused(&mut tx, &row).await?;
            tx.run(sqlx::query("DELETE FROM volumes WHERE id = $1").bind(id.to_string())).await?;
            record(&mut tx, Some(team), actor, "volume:delete", &object(&row), "deleted").await
        })
    }
}

/// The application takes up a volume under a name: its own from now on, if it was nobody's.
pub(crate) async fn take(
    tx: &mut Tx,
    application: &Application,
    wanted: &TakeVolume,
) -> Result<()> {
    let row = load(tx, application.team, wanted.volume).await?;
    if row
        .environment
        .is_some_and(|environment| environment != application.environment)
    {
        return Err(refused(problem::REFUSED.problem(
            format!(
                "The volume {} belongs to another environment than {}.",
                row.name, application.name
            ),
            "Copy the application there instead, or clone the volume's files.",
        )));
    }
    if let Some(problem) = row.unusable() {
        return Err(refused(problem));
    }
    if row.handle.is_none() {
        return Err(refused(problem::REFUSED.problem(
            format!(
                "The volume {} was never made: no release that names it has run.",
                row.name
            ),
            "Deploy the application that names it first.",
        )));
    }
    let other = sqlx::query(
        "SELECT name FROM volume_bindings WHERE application = $1 AND volume = $2 AND name <> $3",
    )
    .bind(application.id.to_string())
    .bind(row.id.to_string())
    .bind(wanted.name.to_string());
    if let Some(other) = tx.maybe(other).await? {
        let name: String = other.text("name")?;
        return Err(refused(problem::NAME_TAKEN.problem(
            format!("{} calls this volume {name} already.", application.name),
            format!("Attach it under that name: `--name {name}`, or leave the name out."),
        )));
    }
    name_it(tx, application.id, &wanted.name, row.id).await?;
    if row.application.is_none() {
        let own = sqlx::query(
            "UPDATE volumes SET application = $2, application_name = $3, name = $4, environment = $5, released_at = NULL \
             WHERE id = $1",
        )
        .bind(row.id.to_string())
        .bind(application.id.to_string())
        .bind(application.name.to_string())
        .bind(wanted.name.to_string())
        .bind(application.environment.to_string());
        tx.run(own).await?;
    }
    Ok(())
}

async fn load(tx: &mut Tx, team: TeamId, id: VolumeId) -> Result<VolumeRow> {
    let query = sqlx::query("SELECT * FROM volumes WHERE team = $1 AND id = $2")
        .bind(team.to_string())
        .bind(id.to_string());
    read(&tx.one("volume", query).await?)
}

async fn unused(tx: &mut Tx, row: &VolumeRow) -> Result<()> {
    match uses(tx, row.id).await?.first() {
        None => Ok(()),
        Some(used) => Err(refused(problem::REFUSED.problem(
            format!("The volume {} is in use by {}.", row.name, used.application_name),
            "Detach it first (`pluvio volume detach`) and wait until that release runs, or delete the application: its volumes are kept and can then be deleted by name.",
        ))),
    }
}

fn object(row: &VolumeRow) -> String {
    format!("volume {} of {}", row.name, row.application_name)
}
