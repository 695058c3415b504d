//! Contents as files: where they lie, how one arrives, how one that nobody holds goes.
//!
//! A content is written beside and hashed on the way by a thread of its own, which takes pieces from a short queue: memory does not
//! grow with what is pushed. When whole it is moved to `images/contents/HH/HASH`, and only then a row says that a repository holds
//! it. Moving and writing that row holds [`Gate`] shared; removing a file that no row names holds it alone. So a push and a
//! collection never cross, in one process or several.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use pluvio_store::{BlobError, BlobKey, Blobs};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use crate::failure::{Code, Failure};
use crate::name::Digest;

pub(crate) const CONTENTS: &str = "images/contents";
pub(crate) const UPLOADS: &str = "images/uploads";
pub(crate) const WORK: &str = "images/work";
const LOCK: &str = "images/lock";

/// Pieces that may wait for the thread that writes.
const QUEUE: usize = 16;

/// How far an arriving content is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    pub(crate) hash: Sha256,
    pub(crate) bytes: u64,
}

impl Progress {
    /// Of a file that was begun before this process knew of it.
    pub(crate) fn of_file(path: &Path) -> std::io::Result<Progress> {
        let mut progress = Progress::default();
        let mut file = File::open(path)?;
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match std::io::Read::read(&mut file, &mut buffer)? {
                0 => return Ok(progress),
                read => progress.take(&buffer[..read]),
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
    }
}

/// Something that holds progress while a thread writes: a lock's guard, a box.
pub(crate) trait Held: std::ops::DerefMut<Target = Progress> + Send + 'static {}
impl<T: std::ops::DerefMut<Target = Progress> + Send + 'static> Held for T {}

/// Appends a stream to a file. What had arrived when it breaks off is in the file and in `progress`; both go on together.
/// `room`: the largest size the whole may reach.
pub(crate) async fn receive<S>(
    path: PathBuf,
    progress: impl Held,
    data: S,
    room: Option<u64>,
) -> Result<(), Failure>
where
    S: Stream<Item = Result<Bytes, BlobError>> + Send,
{
    let begun = progress.bytes;
    let (pieces, mut queue) = mpsc::channel::<Bytes>(QUEUE);
    let writing = tokio::task::spawn_blocking(move || {
        let mut progress = progress;
        let written = (|| {
            let mut file = File::options().append(true).open(&path)?;
            while let Some(piece) = queue.blocking_recv() {
                file.write_all(&piece)?;
                progress.take(&piece);
            }
            Ok(())
        })();
        // What was half written is cut off again: the hash does not know it.
        if written.is_err() {
            let _ = File::options()
                .write(true)
                .open(&path)
                .and_then(|file| file.set_len(progress.bytes));
        }
        written
    });
    let mut data = std::pin::pin!(data);
    let mut bytes = begun;
    let mut outcome = Ok(());
    while let Some(piece) = data.next().await {
        let piece = match piece {
            Ok(piece) => piece,
            Err(error) => {
                outcome = Err(Failure::from(error));
                break;
            }
        };
        bytes += piece.len() as u64;
        if room.is_some_and(|room| bytes > room) {
            outcome = Err(Failure::of(
                Code::Denied,
                "quota exceeded: the team's quota of images has no room for this; delete what is not needed, or have it raised \
                 with `pluvio images quota`",
            ));
            break;
        }
        if pieces.send(piece).await.is_err() {
            break;
        }
    }
    drop(pieces);
    let written = writing
        .await
        .map_err(|error| Failure::internal("writing", error))?;
    outcome?;
    written.map_err(|error| trouble("a content", error))
}

pub(crate) fn trouble(what: &str, error: std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            BlobError::Full.into()
        }
        _ => Failure::internal(what, error),
    }
}

/// A file that goes with this value.
#[derive(Debug)]
pub(crate) struct Beside(pub(crate) PathBuf);

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A folder that goes with this value.
#[derive(Debug)]
pub(crate) struct Folder(pub(crate) PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Pushes hold it together, a collection alone; a lock on a file, so that it holds between processes. Let go by dropping.
#[derive(Debug)]
pub(crate) struct Gate {
    _file: File,
}

impl Gate {
    pub(crate) async fn shared(blobs: &Blobs) -> Result<Gate, Failure> {
        Gate::take(blobs, File::lock_shared).await
    }

    pub(crate) async fn alone(blobs: &Blobs) -> Result<Gate, Failure> {
        Gate::take(blobs, File::lock).await
    }

    async fn take(
        blobs: &Blobs,
        lock: impl FnOnce(&File) -> std::io::Result<()> + Send + 'static,
    ) -> Result<Gate, Failure> {
        let key: BlobKey = LOCK.parse().expect("is a key");
        let path = blobs.prepare(&key).await?;
        let taken = tokio::task::spawn_blocking(move || {
            let file = File::options().create(true).append(true).open(path)?;
            lock(&file)?;
            Ok(Gate { _file: file })
        });
        let taken = taken
            .await
            .map_err(|error| Failure::internal("the gate", error))?;
        taken.map_err(|error| trouble("the gate", error))
    }
}

/// Makes an empty file of a key that is new.
pub(crate) async fn begin(blobs: &Blobs, key: &BlobKey) -> Result<PathBuf, Failure> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = blobs.prepare(key).await?;
    let made = path.clone();
    let made = tokio::task::spawn_blocking(move || {
        let mut options = File::options();
        options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(made)
            .map(drop)
    });
    let made = made
        .await
        .map_err(|error| Failure::internal("a new file", error))?;
    made.map_err(|error| trouble("a new file", error))?;
    Ok(path)
}

/// Makes what a file holds last a power cut.
pub(crate) async fn sync(path: &Path) -> Result<(), Failure> {
    let path = path.to_owned();
    let synced = tokio::task::spawn_blocking(move || File::open(path)?.sync_all());
    let synced = synced
        .await
        .map_err(|error| Failure::internal("a content", error))?;
    synced.map_err(|error| trouble("a content", error))
}

/// For the few who ask for it: what arrives is hashed by the other algorithm.
pub(crate) async fn sha512(path: &Path) -> Result<Digest, Failure> {
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        let mut hash = sha2::Sha512::new();
        let mut file = File::open(path)?;
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match std::io::Read::read(&mut file, &mut buffer)? {
                0 => return Ok(Digest::of_512(hash)),
                read => hash.update(&buffer[..read]),
            }
        }
    });
    let read = read
        .await
        .map_err(|error| Failure::internal("a content", error))?;
    read.map_err(|error| trouble("a content", error))
}
