//! What happened to instances: the newest of each application, in a file of its own.
//!
//! A line for each time that something happened, and the file is folded when it has grown: the same thing again is one event
//! with a count. Nothing is held in memory. Writing is an append without a sync: losing the last events in a power cut is no
//! loss.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use pluvio_model::id::ApplicationId;
use pluvio_model::observed::InstanceEvent;

/// Events kept of an application.
const KEPT: usize = 200;
/// Lines from which a file is folded.
const LINES: usize = 1000;
/// The longest message, in bytes.
const MESSAGE: usize = 1024;

#[derive(Debug)]
pub struct EventStore {
    folder: PathBuf,
    /// Lines of the files that were written to since the start.
    lines: Mutex<HashMap<ApplicationId, usize>>,
}

impl EventStore {
    /// Over a folder, which is made if it is not there.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(folder: impl Into<PathBuf>) -> io::Result<EventStore> {
        let folder = folder.into();
        fs::create_dir_all(&folder)?;
        Ok(EventStore {
            folder,
            lines: Mutex::default(),
        })
    }

    /// Notes an event. One that cannot be kept is told of in the process's own log only: nobody waits for it.
    pub fn record(&self, application: ApplicationId, mut event: InstanceEvent) {
        if event.message.len() > MESSAGE {
            let end = event.message.floor_char_boundary(MESSAGE);
            event.message.truncate(end);
            event.message.push('…');
        }
        if let Err(error) = self.append(application, &event) {
            tracing::debug!(%error, %application, "an event is not kept");
        }
    }

    fn append(&self, application: ApplicationId, event: &InstanceEvent) -> io::Result<()> {
        let path = self.path(application);
        let mut all = self.lines();
        let lines = match all.get(&application) {
            Some(lines) => *lines,
            None => read(&path)?.len(),
        };
        let lines = if lines < LINES {
            let mut line = serde_json::to_vec(event)?;
            line.push(b'\n');
            let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
            file.write_all(&line)?;
            lines + 1
        } else {
            let mut events = read(&path)?;
            events.push(event.clone());
            let events = folded(events);
            write(&path, &events)?;
            events.len()
        };
        all.insert(application, lines);
        Ok(())
    }

    /// The newest first.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn of(&self, application: ApplicationId) -> io::Result<Vec<InstanceEvent>> {
        let _turn = self.lines();
        let mut events = folded(read(&self.path(application))?);
        events.reverse();
        Ok(events)
    }

    /// The application is gone.
    pub fn remove(&self, application: ApplicationId) {
        self.lines().remove(&application);
        let _ = fs::remove_file(self.path(application));
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, HashMap<ApplicationId, usize>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, application: ApplicationId) -> PathBuf {
        self.folder.join(format!("{application}.jsonl"))
    }
}

/// What stands in a file; a line that a kill cut off is left out.
fn read(path: &Path) -> io::Result<Vec<InstanceEvent>> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let lines = BufReader::new(file).lines();
    lines
        .filter_map(|line| match line {
            Ok(line) => serde_json::from_str(&line).ok().map(Ok),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
            Err(error) => Some(Err(error)),
        })
        .collect()
}

fn write(path: &Path, events: &[InstanceEvent]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut text = Vec::new();
    for event in events {
        serde_json::to_writer(&mut text, event)?;
        text.push(b'\n');
    }
    fs::write(&beside, text)?;
    fs::rename(beside, path)
}

/// The newest, oldest first, the same things counted together.
fn folded(lines: Vec<InstanceEvent>) -> Vec<InstanceEvent> {
    let mut events: Vec<InstanceEvent> = Vec::new();
    let mut places: HashMap<[String; 4], usize> = HashMap::new();
    for line in lines {
        let what = [
            line.instance.clone(),
            line.container.clone().unwrap_or_default(),
            line.reason.clone(),
            line.message.clone(),
        ];
        match places.get(&what).and_then(|at| events.get_mut(*at)) {
            Some(event) => {
                event.count = event.count.saturating_add(line.count);
                event.first = event.first.min(line.first);
                event.last = event.last.max(line.last);
            }
            None => {
                places.insert(what, events.len());
                events.push(line);
            }
        }
    }
    events.sort_by_key(|event| event.last);
    events.drain(..events.len().saturating_sub(KEPT));
    events
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn event(instance: &str, reason: &str, at: i64) -> InstanceEvent {
        let at = Timestamp::from_second(at).expect("a time");
        InstanceEvent {
            component: "web".parse().expect("a name"),
            instance: instance.to_owned(),
            container: None,
            is_warning: false,
            reason: reason.to_owned(),
            message: "so it was".to_owned(),
            count: 1,
            first: at,
            last: at,
        }
    }

    fn application() -> ApplicationId {
        ApplicationId(uuid::Uuid::now_v7())
    }

    #[test]
    fn the_same_thing_again_is_counted_also_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, other) = (application(), application());
        let store = EventStore::open(folder.path()).expect("a store");
        for at in [1, 5, 9] {
            store.record(one, event("a", "Started", at));
            store.record(one, event("a", "Exited", at + 1));
        }
        store.record(other, event("a", "Started", 3));
        // Cut off by a kill.
        let mut file = OpenOptions::new()
            .append(true)
            .open(folder.path().join(format!("{one}.jsonl")))
            .expect("its file");
        file.write_all(b"{\"compo\n").expect("written");
        let store = EventStore::open(folder.path()).expect("again");
        store.record(one, event("b", "Started", 20));
        let told: Vec<_> = store
            .of(one)
            .expect("read")
            .into_iter()
            .map(|event| {
                let seconds = (event.first.as_second(), event.last.as_second());
                (event.instance, event.reason, event.count, seconds)
            })
            .collect();
        let is = |instance: &str, reason: &str, count, seconds| {
            (instance.to_owned(), reason.to_owned(), count, seconds)
        };
        assert_eq!(
            told,
            [
                is("b", "Started", 1, (20, 20)),
                is("a", "Exited", 3, (2, 10)),
                is("a", "Started", 3, (1, 9)),
            ]
        );
        store.remove(one);
        assert!(store.of(one).expect("read").is_empty());
        assert_eq!(store.of(other).expect("read").len(), 1);
    }

    #[test]
    fn a_file_does_not_grow_beyond_what_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let one = application();
        let store = EventStore::open(folder.path()).expect("a store");
        for at in 0..3000 {
            let mut event = event(&format!("i{}", at / 2), "Started", at);
            event.message = "ä".repeat(at as usize);
            store.record(one, event);
        }
        let path = folder.path().join(format!("{one}.jsonl"));
        assert!(read(&path).expect("read").len() <= LINES);
        let told = store.of(one).expect("read");
        assert_eq!(told.len(), KEPT);
        assert_eq!(told[0].last.as_second(), 2999);
        assert!(told[0].message.len() <= MESSAGE + "…".len());
    }
}
