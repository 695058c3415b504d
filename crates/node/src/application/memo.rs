//! What is remembered of an application across restarts of the node, `memos/APPLICATION.json`.
//!
//! Nothing here decides what runs: a memo that is lost costs counts, times, the length of a rest, and hooks that are run once more.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use pluvio_model::id::{ApplicationId, Generation};
use pluvio_model::image::ContentHash;
use pluvio_model::name::Name;
use pluvio_model::observed::ExitRecord;
use pluvio_plan::rollout::LastExit;
use serde::{Deserialize, Serialize};

use crate::disk::{self, Durability};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memo {
    pub(crate) components: BTreeMap<Name, ComponentMemo>,
    pub(crate) instances: BTreeMap<String, InstanceMemo>,
    /// By the engine's name of the container.
    #[serde(default)]
    pub(crate) sidecars: BTreeMap<String, InstanceMemo>,
    /// The newest that was worked towards.
    #[serde(default)]
    pub(crate) generation: Option<Generation>,
    /// What is on disk, so that a save without a change writes nothing.
    #[serde(skip)]
    saved: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ComponentMemo {
    pub(crate) wanted: Option<ContentHash>,
    /// When work towards it began.
    pub(crate) since: Timestamp,
    /// The instances that were given requests last: a node that starts goes on with them.
    #[serde(default)]
    pub(crate) serving: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct InstanceMemo {
    /// The engine's id of the container it is about.
    pub(crate) container: String,
    /// When the run began that was last seen.
    pub(crate) started_at: Option<Timestamp>,
    /// When the end came that was last noted, by the engine's clock.
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) ready_at: Option<Timestamp>,
    pub(crate) restarts: u32,
    pub(crate) exits: u32,
    pub(crate) last_exit: Option<ExitRecord>,
    /// The last end by this node's clock: what back-off counts from.
    pub(crate) rests_since: Option<Timestamp>,
    /// The run, by its beginning, whose hooks after the start are done.
    #[serde(default)]
    pub(crate) hooked: Option<Timestamp>,
    /// Hot files as they were last written into it.
    #[serde(default)]
    pub(crate) hot: BTreeMap<String, ContentHash>,
}

impl InstanceMemo {
    /// For the step. A time in the future (the clock was set back while the node was away) counts as now.
    pub(crate) fn last(&self, now: Timestamp) -> Option<LastExit> {
        let exit = self.last_exit.as_ref()?;
        Some(LastExit {
            at: self.rests_since.unwrap_or(exit.at).min(now),
            code: exit.code,
        })
    }
}

fn path(folder: &Path, application: ApplicationId) -> PathBuf {
    folder.join(format!("{application}.json"))
}

impl Memo {
    pub(crate) fn load(folder: &Path, application: ApplicationId) -> Memo {
        let path = path(folder, application);
        disk::read_json(&path)
            .unwrap_or_else(|error| {
                tracing::warn!(%error, path = %path.display(), "what was remembered of an application is lost");
                None
            })
            .unwrap_or_default()
    }

    pub(crate) fn work_towards(
        &mut self,
        name: &Name,
        wanted: Option<&ContentHash>,
        now: Timestamp,
    ) {
        let memo = self
            .components
            .entry(name.clone())
            .or_insert(ComponentMemo {
                wanted: wanted.cloned(),
                since: now,
                serving: Vec::new(),
            });
        if memo.wanted.as_ref() != wanted {
            memo.wanted = wanted.cloned();
            memo.since = now;
        }
    }

    /// What rests before it is started again rests no longer once something new is asked for: what it lacked may be there.
    pub(crate) fn turn_to(&mut self, generation: Generation) {
        let before = self.generation.replace(generation);
        if before.is_none_or(|before| before >= generation) {
            return;
        }
        for instance in self
            .instances
            .values_mut()
            .chain(self.sidecars.values_mut())
        {
            instance.exits = 0;
        }
    }

    pub(crate) fn save(&mut self, folder: &Path, application: ApplicationId) {
        let bytes = serde_json::to_vec(self).expect("memos serialise");
        if bytes == self.saved {
            return;
        }
        let path = path(folder, application);
        if self.components.is_empty() && self.instances.is_empty() {
            let _ = std::fs::remove_file(&path);
            self.saved = bytes;
            return;
        }
        match disk::write_json(&path, self, Durability::Cached) {
            Ok(()) => self.saved = bytes,
            Err(error) => tracing::debug!(%error, "a memo cannot be written"),
        }
    }
}
