//! CPU and memory of each instance over the last hour.
//!
//! In memory a ring for each instance; on disk a line for each reading, in two files of an hour each, so that a node that
//! restarts has the hour still. Writing is an append without a sync: losing the last reading in a power cut is no loss.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use pluvio_runtime::UsageSample;
use serde::{Deserialize, Serialize};

/// Readings kept: one each ten seconds for an hour.
const KEPT: usize = 360;
/// Between two of them, a little less: readings are not taken to the millisecond.
const EACH: SignedDuration = SignedDuration::from_secs(9);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

#[derive(Debug)]
pub struct UsageStore {
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    rings: BTreeMap<String, VecDeque<UsageSample>>,
    file: Option<(File, Timestamp)>,
}

/// One reading of all instances: thousandths of a core, bytes.
#[derive(Serialize, Deserialize)]
struct Reading {
    at: Timestamp,
    use_: BTreeMap<String, (u32, u64)>,
}

impl UsageStore {
    /// With what is left of the last hour in `folder`.
    pub fn open(folder: impl Into<PathBuf>) -> UsageStore {
        let store = UsageStore {
            folder: folder.into(),
            state: Mutex::default(),
        };
        let oldest = Timestamp::now() - HOUR;
        for name in ["usage.1.log", "usage.log"] {
            let Ok(file) = File::open(store.folder.join(name)) else {
                continue;
            };
            for line in BufReader::new(file).lines().map_while(Result::ok) {
                if let Ok(reading) = serde_json::from_str::<Reading>(&line)
                    && reading.at >= oldest
                {
                    store.state().take(reading.at, &reading.use_);
                }
            }
        }
        store
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a reading of all running instances. Instances without a reading for an hour are forgotten.
    pub fn record(&self, at: Timestamp, readings: BTreeMap<String, (u32, u64)>) {
        let mut state = self.state();
        state.take(at, &readings);
        state.rings.retain(|_, ring| {
            ring.back()
                .is_some_and(|last| at.duration_since(last.at) < HOUR)
        });
        if readings.is_empty() {
            return;
        }
        if let Err(error) = self.write(&mut state, &Reading { at, use_: readings }) {
            tracing::debug!(%error, "a reading of usage is not kept on disk");
            state.file = None;
        }
    }

    fn write(&self, state: &mut State, reading: &Reading) -> std::io::Result<()> {
        let path = self.folder.join("usage.log");
        if let Some((_, since)) = &state.file
            && reading.at.duration_since(*since) >= HOUR
        {
            std::fs::rename(&path, self.folder.join("usage.1.log"))?;
            state.file = None;
        }
        if state.file.is_none() {
            let file = OpenOptions::new().create(true).append(true).open(&path)?;
            state.file = Some((file, reading.at));
        }
        let mut line = serde_json::to_vec(reading)?;
        line.push(b'\n');
        match &mut state.file {
            Some((file, _)) => file.write_all(&line),
            None => Ok(()),
        }
    }

    /// An instance's readings, oldest first: the last one, or those of the last hour.
    pub fn samples(&self, instance: &str, history: bool) -> Vec<UsageSample> {
        let state = self.state();
        let Some(ring) = state.rings.get(instance) else {
            return Vec::new();
        };
        let from = if history {
            0
        } else {
            ring.len().saturating_sub(1)
        };
        ring.iter().skip(from).copied().collect()
    }
}

impl State {
    fn take(&mut self, at: Timestamp, readings: &BTreeMap<String, (u32, u64)>) {
        for (instance, (cpu_millis, memory_bytes)) in readings {
            let ring = self.rings.entry(instance.clone()).or_default();
            let mut cpu_millis = *cpu_millis;
            // The last reading is as fresh as it can be; two that stand too close become one.
            let mut newest = ring.iter().rev();
            if let (Some(last), Some(before)) = (newest.next(), newest.next())
                && last.at.duration_since(before.at) < EACH
            {
                cpu_millis = last.cpu_millis.midpoint(cpu_millis);
                ring.pop_back();
            }
            if ring.len() == KEPT {
                ring.pop_front();
            }
            ring.push_back(UsageSample {
                at,
                cpu_millis,
                memory_bytes: *memory_bytes,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_that_come_more_often_are_fresh_and_fill_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let store = UsageStore::open(folder.path());
        let start = Timestamp::now();
        for n in 0..5 {
            store.record(
                start + SignedDuration::from_secs(5 * n),
                reading(n as u32 * 10),
            );
        }
        let samples = store.samples("shop--web", true);
        let told: Vec<_> = samples
            .iter()
            .map(|one| (one.at.duration_since(start).as_secs(), one.cpu_millis))
            .collect();
        assert_eq!(told, [(0, 0), (10, 15), (20, 35)]);
    }

    fn reading(cpu: u32) -> BTreeMap<String, (u32, u64)> {
        BTreeMap::from([("shop--web".to_owned(), (cpu, 1 << 20))])
    }

    #[test]
    fn the_hour_survives_a_restart_and_older_readings_do_not_stay() {
        let folder = tempfile::tempdir().unwrap();
        let start = Timestamp::now() - SignedDuration::from_mins(100);
        let store = UsageStore::open(folder.path());
        for n in 0..600 {
            store.record(start + SignedDuration::from_secs(10 * n), reading(n as u32));
        }
        let cpu = |store: &UsageStore, history| {
            let samples = store.samples("shop--web", history);
            (
                samples.len(),
                samples[0].cpu_millis,
                samples[samples.len() - 1].cpu_millis,
            )
        };
        assert_eq!(cpu(&store, true), (360, 240, 599));
        assert_eq!(cpu(&store, false), (1, 599, 599));
        let (length, _, last) = cpu(&UsageStore::open(folder.path()), true);
        assert!((355..=360).contains(&length) && last == 599, "{length}");
        store.record(start + SignedDuration::from_hours(4), BTreeMap::new());
        assert!(store.samples("shop--web", true).is_empty());
    }
}
