//! What must hold of copies: one is whole or leaves nothing, and no volume ends that somebody may miss.

use std::collections::BTreeMap;

use pluvio_model::name::Name;
use pluvio_model::operation::{OperationKind, Outcome};
use pluvio_plan::copy::Data;
use pluvio_plan::lower::engine::label;
use pluvio_runtime::driver::Driver;
use pluvio_store::{Application, StoreError, VolumeRow};

use crate::asks::Wish;
use crate::checks::text;
use crate::history::{History, Wrong};

/// How the copy that made an application ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Whole,
    /// Before the components that use the data started.
    Undone,
    /// The data are on their way: what is half of one may go.
    UnderWay,
    /// What the data were for did not become ready.
    Failed,
}

impl History<'_> {
    /// What of copies is still to be done.
    pub(crate) async fn copies_under_way(&self) -> Result<Option<String>, Wrong> {
        let store = &self.world.store;
        let filling = store.filling_volumes().await.map_err(text)?;
        let now = pluvio_model::clock::now();
        let ended = store.ended_volumes(now).await.map_err(text)?;
        let undone = store.undone_copies().await.map_err(text)?;
        if filling.is_empty() && ended.is_empty() && undone.is_empty() {
            return Ok(None);
        }
        Ok(Some(format!(
            "filling {filling:?}, ended {ended:?}, undone {undone:?}"
        )))
    }

    pub(crate) async fn has_data_to_carry(&self) -> bool {
        let store = &self.world.store;
        for id in self.copies.keys() {
            let running = store.running_operations(*id).await.unwrap_or_default();
            if running.iter().any(|one| one.release.is_none()) {
                return true;
            }
        }
        !self.copies.is_empty() && !matches!(self.copies_under_way().await, Ok(None))
    }

    /// A volume ends by itself with a copy that came to nothing, and in no other case.
    pub(crate) async fn check_removed(&self) -> Result<(), Wrong> {
        let removed = self.world.engine.data(|data| data.removed.clone());
        if removed.is_empty() {
            return Ok(());
        }
        let ends = self.ends().await?;
        for (volume, application) in removed {
            let end = ends.get(&application);
            if !matches!(end, Some(End::Undone | End::UnderWay)) {
                return Err(format!(
                    "the volume {volume} is removed, and nobody asked for it: its copy is {end:?}"
                ));
            }
        }
        Ok(())
    }

    /// By the ids of the applications that copies made.
    async fn ends(&self) -> Result<BTreeMap<String, End>, Wrong> {
        let mut ends = BTreeMap::new();
        for operation in self.operations().await? {
            if operation.kind != OperationKind::Copy {
                continue;
            }
            let end = match (&operation.outcome, operation.release) {
                (Some(Outcome::Succeeded), _) => End::Whole,
                (Some(_), Some(_)) => End::Failed,
                (Some(_), None) => End::Undone,
                (None, None) => End::UnderWay,
                (None, Some(_)) => continue,
            };
            ends.insert(operation.application.to_string(), end);
        }
        Ok(ends)
    }

    pub(crate) async fn check_copies(&self) -> Result<(), Wrong> {
        let volumes = self.world.engine.volumes().await.map_err(text)?;
        let ends = self.ends().await?;
        for (copy, wanted) in &self.copies {
            let Some(end) = ends.get(&copy.to_string()) else {
                continue;
            };
            let application = match self.world.store.application(*copy).await {
                Ok(application) => Some(application),
                Err(StoreError::NotFound { .. }) => None,
                Err(error) => return Err(text(error)),
            };
            match (end, application) {
                (End::Undone, None) => {
                    let of = copy.to_string();
                    let left = volumes.iter().find(|v| v.labels[label::APPLICATION] == of);
                    if let Some(left) = left {
                        return Err(format!("{} is left of the copy {copy}", left.name));
                    }
                }
                // What was deployed into it since may have volumes of its own.
                (End::Whole, Some(application)) if application.revision == Some(1) => {
                    self.check_whole(&application, wanted).await?
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What a copy shall take along: those of the original's volumes that are there when it is asked for.
    pub(crate) async fn to_take(&self, wish: &Wish) -> Result<BTreeMap<Name, u64>, Wrong> {
        let Wish::Copy(to, ask) = wish else {
            return Ok(BTreeMap::new());
        };
        let store = &self.world.store;
        let Some(original) = self.apps[*to].original(&self.apps) else {
            return Ok(BTreeMap::new());
        };
        let environment = self.world.places[original.place].environment;
        let found = store.find_application(environment, &original.name).await;
        let Ok(found) = found else {
            return Ok(BTreeMap::new());
        };
        let Some(release) = found.release else {
            return Ok(BTreeMap::new());
        };
        let release = store
            .release(found.id, release)
            .await
            .map_err(text)?
            .release;
        let rows = store.application_volumes(found.id).await.map_err(text)?;
        let comes = |row: &&VolumeRow| match ask.wishes.data {
            Data::All => true,
            Data::Volumes => !row.name.as_str().starts_with("db"),
            Data::Empty | Data::Of(_) => false,
        };
        let rows = rows
            .iter()
            .filter(comes)
            .filter(|row| release.volumes.contains_key(&row.name));
        Ok(rows
            .filter_map(|row| Some((row.name.clone(), self.held(row)?)))
            .collect())
    }

    /// Which data a volume holds.
    fn held(&self, row: &VolumeRow) -> Option<u64> {
        let handle = row.handle.as_deref()?;
        let engine = &self.world.engine;
        engine.data(|data| data.of(handle).map(|held| held.of))
    }

    /// Every volume that should come along is there, and holds what the original's held.
    async fn check_whole(
        &self,
        copy: &Application,
        wanted: &BTreeMap<Name, u64>,
    ) -> Result<(), Wrong> {
        let rows = self.world.store.application_volumes(copy.id).await;
        let rows = rows.map_err(text)?;
        for (name, of) in wanted {
            let row = rows.iter().find(|row| row.name == *name);
            if row.and_then(|row| self.held(row)) != Some(*of) {
                return Err(format!(
                    "{name} of the copy has not what it should: {row:?}"
                ));
            }
        }
        Ok(())
    }
}
