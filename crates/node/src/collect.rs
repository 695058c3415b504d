//! Following what an instance prints into the log store.
//!
//! A collector goes on where the store ends: by the time of the last line it has of the instance, and how many of that very
//! time. So neither a restart of the node nor one of the engine makes lines come twice or not at all.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use pluvio_model::id::ApplicationId;
use pluvio_model::name::Name;
use pluvio_runtime::driver::Driver;
use pluvio_runtime::{LogLine, LogStream};
use pluvio_telemetry::logs::LogStore;
use tokio::sync::watch;

use pluvio_runtime::Masks;

/// Lines that are shown with an exit.
const LAST: usize = 20;
/// Written together when they come together.
const BATCH: usize = 256;

/// Whose output.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) application: ApplicationId,
    pub(crate) component: Name,
    /// What its lines are told by: the instance's name; of a sidecar or an init step `INSTANCE/CONTAINER`.
    pub(crate) instance: String,
    /// The engine's name of the container.
    pub(crate) container: String,
    /// What it must not show.
    pub(crate) masks: Masks,
}

/// Where collecting an instance's output is; outlives single collectors.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Time of the last line, and how many lines of that time there were. `None` before the store was asked.
    cursor: Option<Option<(Timestamp, usize)>>,
    last: VecDeque<String>,
}

impl Progress {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last lines of a run that ended, oldest first; those of the next run are counted anew.
    pub(crate) fn take_last_lines(&self) -> Vec<String> {
        std::mem::take(&mut self.state().last).into()
    }
}

/// Collects until the container ends or the engine goes away; dropped, it stops at once.
#[derive(Debug)]
pub(crate) struct Collector {
    task: tokio::task::JoinHandle<()>,
    over: watch::Receiver<bool>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Collector {
    pub(crate) fn start(
        source: Source,
        progress: Arc<Progress>,
        driver: Arc<dyn Driver>,
        store: Arc<LogStore>,
        follow: bool,
    ) -> Collector {
        let (over, is_over) = watch::channel(false);
        let task = tokio::spawn(async move {
            if let Err(error) = collect(&source, &progress, &*driver, &store, follow).await {
                tracing::debug!(instance = source.instance, %error, "its log cannot be followed");
            }
            over.send_replace(true);
        });
        Collector {
            task,
            over: is_over,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// Waits for the end of the output, but not for long.
    pub(crate) async fn finish(&mut self, within: Duration) {
        let _ = tokio::time::timeout(within, self.over.wait_for(|over| *over)).await;
    }
}

async fn collect(
    source: &Source,
    progress: &Progress,
    driver: &dyn Driver,
    store: &Arc<LogStore>,
    follow: bool,
) -> Result<(), pluvio_runtime::driver::DriverError> {
    let known = progress.state().cursor;
    let cursor = match known {
        Some(cursor) => cursor,
        None => {
            let (store, from) = (store.clone(), source.clone());
            let asked = tokio::task::spawn_blocking(move || {
                let (of, component, name) = (from.application, &from.component, &from.instance);
                let cursor = store.cursor(of, component, name);
                // Without a line there is nothing to read the segments for again.
                let last = cursor.map(|_| store.last_lines(of, component, name, LAST));
                (cursor, last.unwrap_or_default())
            });
            let (cursor, last) = asked.await.unwrap_or_default();
            let mut state = progress.state();
            state.last = last.into();
            state.cursor = Some(cursor);
            cursor
        }
    };
    let mut known = cursor;
    let since = cursor.map(|(at, _)| at);
    let lines = driver.logs(&source.container, since, follow).await?;
    let mut batches = lines.ready_chunks(BATCH);
    while let Some(batch) = batches.next().await {
        let mut fresh = Vec::with_capacity(batch.len());
        for line in batch {
            match &mut known {
                Some((at, _)) if line.at < *at => continue,
                Some((at, left)) if line.at == *at && *left > 0 => {
                    *left -= 1;
                    continue;
                }
                // Past what is kept: from here on every line is new, whatever its time (clocks are set back).
                _ => known = None,
            }
            fresh.push(LogLine {
                at: line.at,
                component: source.component.clone(),
                instance: source.instance.clone(),
                stream: line.stream,
                text: source.masks.mask(line.text),
            });
        }
        if fresh.is_empty() {
            continue;
        }
        {
            let mut state = progress.state();
            for line in &fresh {
                let count = match state.cursor {
                    Some(Some((at, count))) if at == line.at => count + 1,
                    _ => 1,
                };
                state.cursor = Some(Some((line.at, count)));
                if state.last.len() == LAST {
                    state.last.pop_front();
                }
                state.last.push_back(line.text.clone());
            }
        }
        store.append(source.application, &source.component, fresh);
    }
    Ok(())
}

/// What the node itself says about an instance, among its lines.
pub(crate) fn remark(store: &LogStore, source: &Source, text: impl Into<String>) {
    let line = LogLine {
        at: pluvio_model::clock::now(),
        component: source.component.clone(),
        instance: source.instance.clone(),
        stream: LogStream::Pluvio,
        text: source.masks.mask(text.into()),
    };
    store.append(source.application, &source.component, vec![line]);
}
