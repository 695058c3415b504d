//! Lines of applications: written once, kept, read by time and text, followed live.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{Stream, StreamExt};
use jiff::Timestamp;
use pluvio_model::id::ApplicationId;
use pluvio_model::name::Name;
use pluvio_runtime::{BoxStream, LogLine, LogQuery, LogStream};
use tokio::sync::{broadcast, mpsc};

use crate::segment::{Current, Handle, compress, encode, sealed, trim};

/// Lines that a follower may fall behind before some are left out (it is told how many; they are kept all the same).
const BEHIND: usize = 2048;

/// The logs of all applications of a node, below one folder: `APPLICATION/COMPONENT/`.
#[derive(Debug)]
pub struct LogStore {
    folder: PathBuf,
    /// Bytes on disk for each component.
    bytes: u64,
    age: Duration,
    components: Mutex<HashMap<(ApplicationId, Name), Held>>,
    live: Mutex<HashMap<ApplicationId, broadcast::Sender<Arc<Shown>>>>,
    /// Held while segments are compressed: one thread at a time.
    compressing: Arc<Mutex<()>>,
}

/// A line as followers get it.
#[derive(Debug)]
struct Shown {
    /// Counts the component's lines since the store was opened.
    number: u64,
    line: LogLine,
}

/// A component's open file; whoever appends or reads holds it for a moment.
type Held = Arc<Mutex<Component>>;

struct Component {
    current: Current,
    /// Lines taken since the store was opened.
    taken: u64,
    /// Lines that could not be written, told of when writing works again.
    lost: u64,
}

impl std::fmt::Debug for Component {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "Component(lost {})", self.lost)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LogStore {
    /// Keeps at most `bytes` on disk for each component, and nothing older than `age`.
    pub fn open(folder: impl Into<PathBuf>, bytes: u64, age: Duration) -> io::Result<LogStore> {
        let folder = folder.into();
        fs::create_dir_all(&folder)?;
        Ok(LogStore {
            folder,
            bytes,
            age,
            components: Mutex::default(),
            live: Mutex::default(),
            compressing: Arc::default(),
        })
    }

    fn component_folder(&self, application: ApplicationId, component: &Name) -> PathBuf {
        self.folder
            .join(application.to_string())
            .join(component.as_str())
    }

    fn component(&self, application: ApplicationId, name: &Name) -> io::Result<Held> {
        let mut components = lock(&self.components);
        let key = (application, name.clone());
        if let Some(known) = components.get(&key) {
            return Ok(known.clone());
        }
        let current = Current::open(&self.component_folder(application, name), name)?;
        let component = Arc::new(Mutex::new(Component {
            current,
            taken: 0,
            lost: 0,
        }));
        components.insert(key, component.clone());
        Ok(component)
    }

    /// Keeps lines of one component and shows them to whoever follows. Never fails for the caller: lines that the disk does
    /// not take are counted, and a line says so later.
    pub fn append(&self, application: ApplicationId, component: &Name, lines: Vec<LogLine>) {
        if lines.is_empty() {
            return;
        }
        let Ok(held) = self.component(application, component) else {
            tracing::warn!(%application, %component, "the folder for logs cannot be written");
            self.show(application, 0, lines);
            return;
        };
        // Shown under the lock: a follower that has read the file up to here sees each line once.
        let mut held = lock(&held);
        let mut bytes = Vec::with_capacity(lines.len() * 128);
        if held.lost > 0 {
            encode(&lost_line(component, held.lost, lines[0].at), &mut bytes);
        }
        lines.iter().for_each(|line| encode(line, &mut bytes));
        match held
            .current
            .append(&bytes, lines.iter().map(|line| line.at))
        {
            Ok(()) => held.lost = 0,
            Err(error) => {
                if held.lost == 0 {
                    tracing::warn!(%application, %component, %error, "log lines cannot be kept");
                }
                held.lost += lines.len() as u64;
            }
        }
        let before = held.taken;
        held.taken += lines.len() as u64;
        self.show(application, before, lines);
        if held.current.is_full() {
            match held.current.seal() {
                Ok(aside) => {
                    let folder = self.component_folder(application, component);
                    let (limit, age) = (self.bytes, self.age);
                    let compressing = self.compressing.clone();
                    // A few tens of milliseconds of work: not on a thread that serves.
                    std::thread::spawn(move || {
                        let _alone = lock(&compressing);
                        if let Err(error) = compress(&folder)
                            .and_then(|()| trim(&folder, limit, age, Timestamp::now()))
                        {
                            tracing::warn!(%error, path = %aside.display(), "a log segment stays as it is");
                        }
                    });
                }
                Err(error) => tracing::warn!(%error, "a log file cannot be set aside"),
            }
        }
    }

    fn show(&self, application: ApplicationId, before: u64, lines: Vec<LogLine>) {
        let live = lock(&self.live);
        if let Some(sender) = live.get(&application).filter(|s| s.receiver_count() > 0) {
            for (number, line) in (before + 1..).zip(lines) {
                // Fails when nobody follows, which is no failure.
                let _ = sender.send(Arc::new(Shown { number, line }));
            }
        }
    }

    /// The time of the last line kept of an instance's own output, and how many it has of that time: where collecting goes
    /// on after a restart.
    pub fn cursor(
        &self,
        application: ApplicationId,
        component: &Name,
        instance: &str,
    ) -> Option<(Timestamp, usize)> {
        let mut found: Option<(Timestamp, usize)> = None;
        for handle in self
            .handles(application, component)
            .ok()?
            .0
            .into_iter()
            .rev()
        {
            for line in handle.lines().ok()? {
                if line.instance != instance || line.stream == LogStream::Pluvio {
                    continue;
                }
                match &mut found {
                    Some((at, count)) if *at == line.at => *count += 1,
                    Some((at, _)) if *at > line.at => {}
                    _ => found = Some((line.at, 1)),
                }
            }
            if found.is_some() {
                break;
            }
        }
        found
    }

    /// Removes what is too old; removes everything of applications whose last line is too old.
    pub fn trim(&self) -> io::Result<()> {
        let _alone = lock(&self.compressing);
        for application in fs::read_dir(&self.folder)? {
            let application = application?.path();
            if !application.is_dir() {
                continue;
            }
            for component in fs::read_dir(&application)? {
                let component = component?.path();
                compress(&component)?;
                trim(&component, self.bytes, self.age, Timestamp::now())?;
            }
        }
        Ok(())
    }

    /// Forgets an application's logs, for one that is deleted.
    pub fn remove(&self, application: ApplicationId) -> io::Result<()> {
        lock(&self.components).retain(|(of, _), _| *of != application);
        lock(&self.live).remove(&application);
        match fs::remove_dir_all(self.folder.join(application.to_string())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Components that have kept lines.
    fn components_of(&self, application: ApplicationId) -> Vec<Name> {
        let Ok(entries) = fs::read_dir(self.folder.join(application.to_string())) else {
            return Vec::new();
        };
        let mut names: Vec<Name> = entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        names.sort();
        names
    }

    /// Every segment of a component as of now, oldest first, and the number of the last line in them.
    fn handles(
        &self,
        application: ApplicationId,
        component: &Name,
    ) -> io::Result<(Vec<Handle>, u64)> {
        if !self.component_folder(application, component).is_dir() {
            return Ok((Vec::new(), 0));
        }
        let held = self.component(application, component)?;
        let held = lock(&held);
        let mut handles: Vec<Handle> = sealed(&self.component_folder(application, component))?
            .iter()
            .filter_map(|segment| segment.handle(component))
            .collect();
        handles.push(held.current.handle()?);
        Ok((handles, held.taken))
    }

    /// The last `count` lines of an instance's own output, oldest first.
    pub fn last_lines(
        &self,
        application: ApplicationId,
        component: &Name,
        instance: &str,
        count: usize,
    ) -> Vec<String> {
        let Ok((handles, _)) = self.handles(application, component) else {
            return Vec::new();
        };
        let wanted = |line: &LogLine| line.instance == instance && line.stream != LogStream::Pluvio;
        last(handles, count, &wanted)
            .into_iter()
            .map(|line| line.text)
            .collect()
    }

    /// Lines in the order of their times; with `follow` the stream goes on until dropped.
    pub fn read(self: &Arc<Self>, query: LogQuery) -> BoxStream<LogLine> {
        let live = query.follow.then(|| {
            lock(&self.live)
                .entry(query.application)
                .or_insert_with(|| broadcast::channel(BEHIND).0)
                .subscribe()
        });
        // Opened after subscribing: a line that comes meanwhile is in both, and is known by its number.
        let components = match &query.component {
            Some(component) => vec![component.clone()],
            None => self.components_of(query.application),
        };
        let (mut sources, mut opened) = (Vec::new(), BTreeMap::new());
        for component in components {
            if let Ok((mut handles, last)) = self.handles(query.application, &component) {
                handles.retain(|handle| handle.touches(query.since, query.until));
                sources.push(handles);
                opened.insert(component, last);
            }
        }
        let (kept, lines) = mpsc::channel(256);
        let asked = query.clone();
        tokio::task::spawn_blocking(move || send_kept(sources, &asked, &kept));
        let kept = tokio_stream::wrappers::ReceiverStream::new(lines);
        match live {
            Some(live) => Box::pin(kept.chain(follow(live, opened, query))),
            None => Box::pin(kept),
        }
    }
}

fn send_kept(sources: Vec<Vec<Handle>>, query: &LogQuery, to: &mpsc::Sender<LogLine>) {
    let wanted = |line: &LogLine| query.takes(line);
    if let Some(tail) = query.tail {
        let mut lines: Vec<LogLine> = sources
            .into_iter()
            .flat_map(|handles| last(handles, tail, &wanted))
            .collect();
        lines.sort_by_key(|line| line.at);
        let from = lines.len().saturating_sub(tail);
        for line in lines.drain(..).skip(from) {
            if to.blocking_send(line).is_err() {
                return;
            }
        }
        return;
    }
    let mut sources: Vec<Source> = sources.into_iter().map(Source::new).collect();
    loop {
        // The earliest of the sources' next lines. Components are few.
        let next = sources
            .iter_mut()
            .filter_map(|source| Some((source.peek()?.at, source)))
            .min_by_key(|(at, _)| *at);
        let Some(line) = next.and_then(|(_, source)| source.ready.pop_front()) else {
            return;
        };
        if wanted(&line) && to.blocking_send(line).is_err() {
            return;
        }
    }
}

fn lost_line(component: &Name, count: u64, at: Timestamp) -> LogLine {
    LogLine {
        at,
        component: component.clone(),
        instance: String::new(),
        stream: LogStream::Pluvio,
        text: format!("{count} lines before this one could not be kept: the disk took no more"),
    }
}

/// The last `count` lines that are wanted, reading no more segments than needed.
fn last(handles: Vec<Handle>, count: usize, wanted: &dyn Fn(&LogLine) -> bool) -> Vec<LogLine> {
    let mut found = VecDeque::new();
    for handle in handles.into_iter().rev() {
        let Ok(lines) = handle.lines() else { continue };
        for line in lines.into_iter().rev().filter(wanted) {
            if found.len() == count {
                return found.into();
            }
            found.push_front(line);
        }
    }
    found.into()
}

/// A component's lines, a segment in memory at a time.
struct Source {
    segments: VecDeque<Handle>,
    ready: VecDeque<LogLine>,
}

impl Source {
    fn new(handles: Vec<Handle>) -> Source {
        Source {
            segments: handles.into(),
            ready: VecDeque::new(),
        }
    }

    fn peek(&mut self) -> Option<&LogLine> {
        while self.ready.is_empty() {
            self.ready = self
                .segments
                .pop_front()?
                .lines()
                .unwrap_or_default()
                .into();
        }
        self.ready.front()
    }
}

/// What comes. Lines up to those `opened` are among the kept ones.
fn follow(
    live: broadcast::Receiver<Arc<Shown>>,
    opened: BTreeMap<Name, u64>,
    query: LogQuery,
) -> impl Stream<Item = LogLine> + Send {
    futures::stream::unfold(
        (live, opened, query),
        |(mut live, opened, query)| async move {
            loop {
                let line = match live.recv().await {
                    Ok(shown) => {
                        let kept = opened.get(&shown.line.component);
                        if kept.is_some_and(|last| shown.number <= *last)
                            || !query.takes(&shown.line)
                        {
                            continue;
                        }
                        shown.line.clone()
                    }
                    Err(broadcast::error::RecvError::Closed) => return None,
                    Err(broadcast::error::RecvError::Lagged(count)) => LogLine {
                        at: Timestamp::now(),
                        component: query
                            .component
                            .clone()
                            .unwrap_or_else(|| "log".parse().expect("a name")),
                        instance: String::new(),
                        stream: LogStream::Pluvio,
                        text: format!(
                            "{count} lines came too fast to be shown here; they are kept"
                        ),
                    },
                };
                return Some((line, (live, opened, query)));
            }
        },
    )
}

#[cfg(test)]
mod tests;
