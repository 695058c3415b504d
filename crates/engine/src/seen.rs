//! Containers as a node sees them: listed in one call, inspected only where that can tell more than before.
//!
//! A list tells how each container is, not when it began or by which process. So each is inspected, which with a hundred of them
//! is most of what a look costs, and nearly all of it for nothing. What runs is therefore remembered until the list shows it
//! otherwise, the engine tells an event of it, one of our own verbs concerns it, or half a minute has passed.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use pluvio_runtime::driver::{ContainerState, DriverError, SeenContainer};

use crate::connection::Engine;
use crate::container::ListedContainer;

/// After this it is inspected whatever was told.
const LONGEST: Duration = Duration::from_secs(30);
/// Containers that are inspected at once.
const AT_ONCE: usize = 8;

#[derive(Debug, Default)]
pub(crate) struct Remembered {
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    /// Grows with each [`Remembered::forget`].
    count: u64,
    /// By id.
    containers: HashMap<String, Entry>,
    /// By name or id: what was inspected before this count may be out of date.
    since: HashMap<String, u64>,
    /// The same of all of them.
    all_since: u64,
}

#[derive(Debug)]
struct Entry {
    container: SeenContainer,
    listed: String,
    /// The count when it began to be inspected.
    count: u64,
    at: Instant,
}

impl Remembered {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something happens to a container of this name or id.
    pub(crate) fn forget(&self, container: &str) {
        let mut book = self.book();
        book.count += 1;
        let count = book.count;
        book.since.insert(container.to_owned(), count);
    }

    /// Events may have been missed.
    pub(crate) fn forget_all(&self) {
        let mut book = self.book();
        book.count += 1;
        book.all_since = book.count;
        book.since.clear();
    }

    /// Every container with these labels. One that goes away meanwhile is left out.
    pub(crate) async fn containers(
        &self,
        engine: &Engine,
        labels: &[String],
    ) -> Result<Vec<SeenContainer>, DriverError> {
        // What happens from now on may not be in what is asked from now on.
        let count = self.book().count;
        let listed = engine.list_containers(labels).await?;
        let mut looked = futures::stream::iter(listed)
            .map(|listed| async move {
                match self.known(&listed) {
                    Some(known) => Ok((listed, known, false)),
                    None => {
                        let seen = engine.see(&listed.id).await;
                        seen.map(|seen| (listed, seen, true))
                    }
                }
            })
            .buffered(AT_ONCE);
        let mut seen = Vec::new();
        let mut fresh = Vec::new();
        while let Some(container) = looked.next().await {
            match container {
                Ok((listed, container, inspected)) => {
                    if inspected {
                        fresh.push((listed, container.clone()));
                    }
                    seen.push(container);
                }
                Err(DriverError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        drop(looked);
        self.remember(count, fresh, &seen);
        Ok(seen)
    }

    fn known(&self, listed: &ListedContainer) -> Option<SeenContainer> {
        let book = self.book();
        let entry = book.containers.get(&listed.id)?;
        let of = |key: &String| book.since.get(key).copied().unwrap_or_default();
        let since = of(&listed.id).max(of(&listed.name)).max(book.all_since);
        let holds =
            entry.count >= since && entry.listed == listed.told() && entry.at.elapsed() < LONGEST;
        holds.then(|| entry.container.clone())
    }

    fn remember(
        &self,
        count: u64,
        fresh: Vec<(ListedContainer, SeenContainer)>,
        all: &[SeenContainer],
    ) {
        let mut book = self.book();
        for (listed, container) in fresh {
            // How one that ended did is not always known at once.
            let runs = matches!(container.state, ContainerState::Running { .. });
            if runs && container.pid.is_some() {
                let entry = Entry {
                    listed: listed.told(),
                    container,
                    count,
                    at: Instant::now(),
                };
                book.containers.insert(listed.id, entry);
            }
        }
        let there: HashSet<&str> = all.iter().map(|one| one.id.as_str()).collect();
        book.containers.retain(|id, _| there.contains(id.as_str()));
        let names: HashSet<&str> = all.iter().map(|one| one.name.as_str()).collect();
        book.since.retain(|key, since| {
            there.contains(key.as_str()) || names.contains(key.as_str()) || *since > count
        });
    }
}
