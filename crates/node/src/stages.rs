//! The stages that the node works by, kept on disk.
//!
//! A file for each application, `stages/APPLICATION.json`, mode 0600 because a stage holds secret values. It is on disk,
//! synced, before it is acted upon; an older generation never replaces a newer one, also that of an application that is gone
//! (its stage stays as a tombstone). A file that cannot be read is set aside, not deleted: its application's instances are
//! left as they are until control hands the stage over again.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::PathBuf;

use pluvio_model::id::ApplicationId;
use pluvio_model::image::ContentHash;
use pluvio_model::name::Name;
use pluvio_model::problem;
use pluvio_model::release::DecidedComponent;
use pluvio_model::stage::{RunWish, Stage, Wish};
use pluvio_runtime::RuntimeError;
use serde::{Deserialize, Serialize};

use crate::disk::{self, Durability};

/// What the node knows about how an application shall be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// The newest stage.
    pub(crate) stage: Stage,
    /// Older ones, newest first, by which components go on that the newest does not name yet.
    #[serde(default)]
    pub(crate) former: Vec<Stage>,
    /// Contents that instances may still have, besides those wanted: how to probe them, on which ports they listen.
    #[serde(default)]
    pub(crate) contents: Vec<DecidedComponent>,
}

fn run(stage: &Stage) -> Option<&RunWish> {
    match &stage.wish {
        Wish::Run(wish) => Some(wish),
        Wish::Gone => None,
    }
}

impl Kept {
    pub(crate) fn wish(&self) -> Option<&RunWish> {
        run(&self.stage)
    }

    /// Components and the stage that says how each shall be, in the order of the release.
    pub(crate) fn owners(&self) -> Vec<(&Name, &Stage, &RunWish)> {
        let Some(newest) = self.wish() else {
            return Vec::new();
        };
        let stages = || std::iter::once(&self.stage).chain(&self.former);
        newest
            .release
            .components
            .keys()
            .filter_map(|name| {
                stages()
                    .filter_map(|stage| Some((name, stage, run(stage)?)))
                    .find(|(_, _, wish)| wish.components.contains(name))
            })
            .collect()
    }

    /// A component's content by its hash, wanted or left over.
    pub(crate) fn content(
        &self,
        component: &Name,
        hash: &ContentHash,
    ) -> Option<&DecidedComponent> {
        let wanted = std::iter::once(&self.stage)
            .chain(&self.former)
            .filter_map(run)
            .filter_map(|wish| wish.release.components.get(component));
        wanted
            .chain(self.contents.iter().filter(|old| old.name == *component))
            .find(|decided| decided.hash == *hash)
    }

    /// Takes a newer stage. `present`: the contents that instances have now, or `None` when that is not known.
    fn followed_by(self, stage: Stage, present: Option<&BTreeSet<ContentHash>>) -> Kept {
        let before = self;
        let mut contents: Vec<DecidedComponent> = Vec::new();
        let known = std::iter::once(&before.stage)
            .chain(&before.former)
            .filter_map(run)
            .flat_map(|wish| wish.release.components.values())
            .chain(&before.contents);
        for decided in known {
            if contents.len() < 64
                && !contents
                    .iter()
                    .any(|c| c.name == decided.name && c.hash == decided.hash)
                && present.is_none_or(|present| present.contains(&decided.hash))
            {
                contents.push(decided.clone());
            }
        }
        let mut next = Kept {
            stage,
            former: Vec::new(),
            contents,
        };
        if next.wish().is_some() {
            next.former = std::iter::once(before.stage)
                .chain(before.former)
                .filter(|stage| run(stage).is_some())
                .collect();
            let owners: BTreeSet<_> = next
                .owners()
                .into_iter()
                .map(|(_, stage, _)| stage.generation)
                .collect();
            let newest = next.stage.generation;
            next.former
                .retain(|stage| stage.generation != newest && owners.contains(&stage.generation));
        }
        next
    }
}

/// The folder of stages, and what is in it.
#[derive(Debug)]
pub(crate) struct StageStore {
    folder: PathBuf,
    kept: HashMap<ApplicationId, Kept>,
}

impl StageStore {
    pub(crate) fn open(folder: PathBuf) -> io::Result<StageStore> {
        disk::private_folder(&folder)?;
        let mut kept = HashMap::new();
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match disk::read_json::<Kept>(&path) {
                Ok(Some(one)) => {
                    kept.insert(one.stage.application, one);
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(path = %path.display(), %error, "a stage cannot be read; it is set aside and its instances are left as they are");
                    std::fs::rename(&path, path.with_extension("unreadable"))?;
                }
            }
        }
        Ok(StageStore { folder, kept })
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Kept> {
        self.kept.values()
    }

    pub(crate) fn get(&self, application: ApplicationId) -> Option<&Kept> {
        self.kept.get(&application)
    }

    /// Keeps a stage, on disk before it returns. `Ok(false)`: it is the one that is kept already.
    pub(crate) fn put(
        &mut self,
        stage: &Stage,
        present: Option<&BTreeSet<ContentHash>>,
    ) -> Result<bool, RuntimeError> {
        let before = self.kept.get(&stage.application);
        if let Some(before) = before {
            if before.stage.generation > stage.generation {
                return Err(RuntimeError::Stale {
                    held: before.stage.generation,
                    offered: stage.generation,
                });
            }
            if before.stage == *stage {
                return Ok(false);
            }
        }
        let next = match before {
            Some(before) => before.clone().followed_by(stage.clone(), present),
            None => Kept {
                stage: stage.clone(),
                former: Vec::new(),
                contents: Vec::new(),
            },
        };
        let path = self.folder.join(format!("{}.json", stage.application));
        disk::write_json(&path, &next, Durability::Synced).map_err(|error| {
            RuntimeError::Refused(match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    problem::DISK_FULL.problem(
                        format!("{} cannot be written: {error}.", path.display()),
                        "Free space on the disk of Pluvio's data folder; what runs goes on as it is.",
                    )
                }
                _ => problem::INTERNAL.problem(
                    format!("{} cannot be written: {error}.", path.display()),
                    "Check the data folder's disk and permissions; what runs goes on as it is.",
                ),
            })
        })?;
        self.kept.insert(stage.application, next);
        Ok(true)
    }

    /// How many applications are not gone.
    pub(crate) fn running(&self) -> usize {
        self.kept
            .values()
            .filter(|kept| kept.wish().is_some())
            .count()
    }
}
