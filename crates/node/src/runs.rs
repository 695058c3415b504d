//! The book of an application's runs: programs that come to an end. `runs/APPLICATION.json`.
//!
//! Unlike what is remembered of instances, this decides: a run is written down before its container is made, and again before
//! it is started, each time to the disk. So a node that is killed anywhere knows afterwards whether a program may have run,
//! and none is run twice. One that was begun and left no container is over, and nobody knows how.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use pluvio_model::id::ApplicationId;
use pluvio_model::name::Name;
use pluvio_model::observed::{ObservedRun, RunKind, RunState};
use pluvio_model::problem::Problem;
use serde::{Deserialize, Serialize};

use crate::disk::{self, Durability};

/// Runs of a component that are kept when they are over, for each kind.
const KEPT: usize = 20;

#[derive(Debug)]
pub(crate) struct RunBook {
    path: PathBuf,
    pages: Mutex<Pages>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Pages {
    /// Oldest first.
    runs: Vec<ObservedRun>,
    /// When each schedule fired last, or was first wished.
    #[serde(default)]
    schedules: BTreeMap<Name, Fired>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fired {
    /// The schedule as it was then: another begins anew.
    pub(crate) schedule: String,
    pub(crate) at: Timestamp,
}

impl RunBook {
    /// A book that cannot be read is a reason to run nothing: it is set aside, and what it may have held is not repeated by
    /// itself, since control keeps the outcomes of tasks and schedules go on from now.
    pub(crate) fn open(folder: &Path, application: ApplicationId) -> RunBook {
        let path = folder.join(format!("{application}.json"));
        let pages = disk::read_json(&path).unwrap_or_else(|error| {
            tracing::error!(%error, path = %path.display(), "the book of runs cannot be read and is begun anew");
            let _ = std::fs::rename(&path, path.with_extension("unreadable"));
            None
        });
        RunBook {
            path,
            pages: Mutex::new(pages.unwrap_or_default()),
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the book, on disk before it returns; a change that cannot be written is not made.
    fn change<T>(&self, change: impl FnOnce(&mut Pages) -> T) -> io::Result<T> {
        let mut pages = self.pages();
        let mut next = pages.clone();
        let result = change(&mut next);
        next.trim();
        disk::write_json(&self.path, &next, Durability::Synced)?;
        *pages = next;
        Ok(result)
    }

    /// Writes a run down, unless one of its key is there.
    pub(crate) fn book(&self, run: ObservedRun) -> io::Result<()> {
        if self.pages().find(&run.key).is_some() {
            return Ok(());
        }
        self.change(|pages| pages.runs.push(run))
    }

    /// A later release wants the very same: what it came to, or will, counts for that one.
    pub(crate) fn adopt(&self, key: &str, release: u64) -> io::Result<()> {
        self.change(|pages| {
            if let Some(run) = pages.find_mut(key) {
                run.release = release;
            }
        })
    }

    /// Its program is about to be started.
    pub(crate) fn begin(&self, key: &str, at: Timestamp) -> io::Result<()> {
        self.change(|pages| {
            if let Some(run) = pages.find_mut(key) {
                run.state = RunState::Running;
                run.started_at = Some(at);
            }
        })
    }

    pub(crate) fn end(&self, key: &str, end: End, at: Timestamp) -> io::Result<()> {
        self.change(|pages| {
            if let Some(run) = pages.find_mut(key) {
                run.state = end.state;
                run.ended_at = Some(at);
                run.exit = end.exit;
                run.problem = end.problem;
            }
        })
    }

    pub(crate) fn get(&self, key: &str) -> Option<ObservedRun> {
        self.pages().find(key).cloned()
    }

    /// Oldest first.
    pub(crate) fn runs(&self) -> Vec<ObservedRun> {
        self.pages().runs.clone()
    }

    pub(crate) fn at_work(&self) -> Vec<ObservedRun> {
        let pages = self.pages();
        let open = pages.runs.iter().filter(|run| !run.state.is_over());
        open.cloned().collect()
    }

    pub(crate) fn fired(&self, component: &Name) -> Option<Fired> {
        self.pages().schedules.get(component).cloned()
    }

    /// Notes that a schedule fired, with the run that it makes: both or neither.
    pub(crate) fn fire(
        &self,
        component: &Name,
        fired: Fired,
        run: Option<ObservedRun>,
    ) -> io::Result<()> {
        self.change(|pages| {
            pages.schedules.insert(component.clone(), fired);
            if let Some(run) = run
                && pages.find(&run.key).is_none()
            {
                pages.runs.push(run);
            }
        })
    }

    /// The application is gone.
    pub(crate) fn burn(&self) {
        *self.pages() = Pages::default();
        let _ = std::fs::remove_file(&self.path);
    }
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) state: RunState,
    pub(crate) exit: Option<pluvio_model::observed::ExitRecord>,
    pub(crate) problem: Option<Problem>,
}

impl Pages {
    fn find(&self, key: &str) -> Option<&ObservedRun> {
        self.runs.iter().find(|run| run.key == key)
    }

    fn find_mut(&mut self, key: &str) -> Option<&mut ObservedRun> {
        self.runs.iter_mut().find(|run| run.key == key)
    }

    fn trim(&mut self) {
        let mut newer: BTreeMap<(Name, bool), usize> = BTreeMap::new();
        let kept: Vec<bool> = self
            .runs
            .iter()
            .rev()
            .map(|run| {
                let is_task = matches!(run.kind, RunKind::Release | RunKind::Job);
                let before = newer.entry((run.component.clone(), is_task)).or_default();
                *before += 1;
                !run.state.is_over() || *before <= KEPT
            })
            .collect();
        let mut kept = kept.into_iter().rev();
        self.runs.retain(|_| kept.next().unwrap_or(true));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pluvio_model::image::ContentHash;

    fn run(number: usize, state: RunState) -> ObservedRun {
        let (key, instance) = (
            format!("schedule-report-{number}"),
            format!("shop--report--run-{number}"),
        );
        let (report, hash) = ("report".parse().unwrap(), ContentHash::of(&"content"));
        ObservedRun {
            state,
            ..ObservedRun::waiting(&key, RunKind::Schedule, 1, instance, &report, hash)
        }
    }

    #[test]
    fn what_was_begun_is_known_after_a_kill_and_old_runs_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let application = ApplicationId(uuid::Uuid::from_u128(7));
        let book = RunBook::open(folder.path(), application);
        book.book(run(0, RunState::Waiting)).unwrap();
        book.begin("schedule-report-0", Timestamp::UNIX_EPOCH)
            .unwrap();
        for number in 1..40 {
            book.book(run(number, RunState::Succeeded)).unwrap();
        }
        // As a killed node's successor finds it.
        let book = RunBook::open(folder.path(), application);
        let runs = book.runs();
        assert_eq!(runs.len(), KEPT + 1);
        assert_eq!(runs[0].state, RunState::Running);
        assert_eq!(runs[1].key, "schedule-report-20");
        assert_eq!(book.at_work().len(), 1);
        book.burn();
        assert!(RunBook::open(folder.path(), application).runs().is_empty());
    }
}
