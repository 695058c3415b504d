//! Uploads, build logs, bills of materials: things too large for rows.

use std::io::{ErrorKind, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use pluvio_model::problem::{self, Problem};
use sha2::{Digest, Sha256};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use crate::row::fresh;

/// Where uploads lie until they are whole. No key begins with a dot.
const UNFINISHED: &str = ".unfinished";

/// `/`-separated segments of `[a-z0-9._-]`, none empty or beginning with a dot: `uploads/3f…`, `logs/OPERATION`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobKey(Box<str>);

impl BlobKey {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl std::fmt::Display for BlobKey {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}
impl std::str::FromStr for BlobKey {
    type Err = BlobError;
    fn from_str(text: &str) -> Result<Self, BlobError> {
        let segment = |segment: &str| {
            !segment.is_empty()
                && segment.len() <= 128
                && !segment.starts_with('.')
                && segment
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
        };
        match text.len() <= 512 && text.split('/').all(segment) {
            true => Ok(BlobKey(text.into())),
            false => Err(BlobError::Key(text.to_owned())),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    #[error("there is no {0}")]
    NotFound(BlobKey),
    #[error("{0:?} is not a key")]
    Key(String),
    #[error("it is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("no space is left")]
    Full,
    /// The sender broke off; nothing was kept.
    #[error("the input broke off: {0}")]
    Input(#[source] std::io::Error),
    #[error("{what}: {source}")]
    Io {
        what: String,
        source: std::io::Error,
    },
}

impl From<BlobError> for Problem {
    fn from(error: BlobError) -> Problem {
        let cause = error.to_string();
        match error {
            BlobError::NotFound(_) => problem::NOT_FOUND.problem(
                "It is not kept (any more).",
                "Logs and uploads go with the application they belong to.",
            ),
            BlobError::Key(_) => {
                problem::REQUEST_INVALID.problem(cause, "Use a key that a list gave you.")
            }
            BlobError::TooLarge { limit } => problem::SPEC_TOO_LARGE.problem(
                format!("The upload is larger than {} MiB.", limit >> 20),
                "Leave out what the build does not need, with `.dockerignore` or `.gitignore`.",
            ),
            BlobError::Full => problem::DISK_FULL.problem(
                "The disk that holds Pluvio's data folder is full.",
                "Free some space in its file system, then try again; nothing half was kept.",
            ),
            BlobError::Input(_) => problem::REQUEST_INVALID
                .problem(cause, "Send it again; what had arrived was thrown away."),
            BlobError::Io { .. } => {
                problem::INTERNAL.problem(cause, "See the server's log and the data folder's disk.")
            }
        }
    }
}

/// What is there under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobInfo {
    pub key: BlobKey,
    pub bytes: u64,
    /// Known when it was just put.
    pub sha256: Option<String>,
}

/// A folder. (An object store is a later variant behind the same methods.)
#[derive(Debug, Clone)]
pub struct Blobs {
    root: Arc<Path>,
}

/// Reads a blob from some byte on.
#[derive(Debug)]
pub struct BlobReader {
    /// The whole blob's size when it was opened. A log that is still written grows beyond it.
    pub bytes: u64,
    pub file: File,
}

/// Appends to a blob that others may read meanwhile: a log.
#[derive(Debug)]
pub struct BlobWriter {
    file: File,
    bytes: u64,
    what: String,
}

impl BlobWriter {
    /// Appends and hands it to the operating system: readers see it.
    pub async fn append(&mut self, data: &[u8]) -> Result<(), BlobError> {
        let written = async {
            self.file.write_all(data).await?;
            self.file.flush().await
        };
        written.await.map_err(|error| trouble(&self.what, error))?;
        self.bytes += data.len() as u64;
        Ok(())
    }

    /// So many bytes are there.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes it last a power cut.
    pub async fn finish(self) -> Result<(), BlobError> {
        let synced = self.file.sync_all().await;
        synced.map_err(|error| trouble(&self.what, error))
    }
}

impl Blobs {
    /// Opens the folder, made (mode 0700) when it is new; removes what broken-off uploads left.
    pub async fn open(root: &Path) -> Result<Blobs, BlobError> {
        let blobs = Blobs { root: root.into() };
        let unfinished = root.join(UNFINISHED);
        let what = || root.display().to_string();
        match tokio::fs::remove_dir_all(&unfinished).await {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(trouble(what(), error));
            }
            _ => {}
        }
        let mut builder = tokio::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        let made = builder.create(&unfinished).await;
        made.map_err(|error| trouble(what(), error))?;
        Ok(blobs)
    }

    /// The same folder for another process beside the one that opened it: removes nothing.
    pub fn beside(root: &Path) -> Blobs {
        Blobs { root: root.into() }
    }

    /// Moves a file of the same file system under a key, in place of what was there. Lasts a power cut when its content does.
    pub async fn adopt(&self, file: &Path, key: &BlobKey) -> Result<(), BlobError> {
        let path = self.path(key);
        let moved = async {
            make_folder(&path).await?;
            tokio::fs::rename(file, &path).await?;
            // The rename itself must last, too.
            match path.parent() {
                Some(folder) => File::open(folder).await?.sync_all().await,
                None => Ok(()),
            }
        };
        moved.await.map_err(|error| at(key, error))
    }

    /// Makes the folder of a key and gives the key's file, for programs that write it by themselves.
    pub async fn prepare(&self, key: &BlobKey) -> Result<PathBuf, BlobError> {
        let path = self.path(key);
        make_folder(&path).await.map_err(|error| at(key, error))?;
        Ok(path)
    }

    /// The blobs in a folder and below that nobody has written to for so long.
    pub async fn idle(
        &self,
        folder: &str,
        age: std::time::Duration,
    ) -> Result<Vec<BlobInfo>, BlobError> {
        let mut idle = Vec::new();
        for found in self.list(folder).await? {
            let written = tokio::fs::metadata(self.path(&found.key)).await;
            // One that went meanwhile is nobody's concern; a clock that was set back makes nothing old.
            let written = written.and_then(|metadata| metadata.modified());
            if written.is_ok_and(|time| time.elapsed().unwrap_or_default() >= age) {
                idle.push(found);
            }
        }
        Ok(idle)
    }

    /// Keeps a stream under a key, whole or not at all, in place of what was there.
    pub async fn put<S>(&self, key: &BlobKey, data: S, limit: u64) -> Result<BlobInfo, BlobError>
    where
        S: Stream<Item = std::io::Result<Bytes>> + Send,
    {
        let arrived = self.receive(data, limit).await?;
        self.keep(arrived, key.clone()).await
    }

    /// Keeps a stream under `FOLDER/SHA256`.
    pub async fn put_by_content<S>(
        &self,
        folder: &str,
        data: S,
        limit: u64,
    ) -> Result<BlobInfo, BlobError>
    where
        S: Stream<Item = std::io::Result<Bytes>> + Send,
    {
        // Before anything is received: a folder that cannot be a key will not be one later.
        let _: BlobKey = folder.parse()?;
        let arrived = self.receive(data, limit).await?;
        let key = format!("{folder}/{}", arrived.sha256).parse()?;
        self.keep(arrived, key).await
    }

    pub async fn put_bytes(&self, key: &BlobKey, data: &[u8]) -> Result<BlobInfo, BlobError> {
        let whole = futures::stream::iter([Ok(Bytes::copy_from_slice(data))]);
        self.put(key, whole, data.len() as u64).await
    }

    /// Opens for reading from byte `from`.
    pub async fn get(&self, key: &BlobKey, from: u64) -> Result<BlobReader, BlobError> {
        let opened = async {
            let mut file = File::open(self.path(key)).await?;
            let metadata = file.metadata().await?;
            if metadata.is_dir() {
                return Err(ErrorKind::NotFound.into());
            }
            if from > 0 {
                file.seek(SeekFrom::Start(from)).await?;
            }
            Ok(BlobReader {
                bytes: metadata.len(),
                file,
            })
        };
        opened.await.map_err(|error| at(key, error))
    }

    /// All of it, when it is not larger than `limit` bytes.
    pub async fn read(&self, key: &BlobKey, limit: u64) -> Result<Vec<u8>, BlobError> {
        let reader = self.get(key, 0).await?;
        let mut data = Vec::new();
        let read = reader.file.take(limit + 1).read_to_end(&mut data).await;
        read.map_err(|error| at(key, error))?;
        if data.len() as u64 > limit {
            return Err(BlobError::TooLarge { limit });
        }
        Ok(data)
    }

    /// The last `bytes` bytes.
    pub async fn tail(&self, key: &BlobKey, bytes: u64) -> Result<Vec<u8>, BlobError> {
        let whole = self.info(key).await?.bytes;
        let reader = self.get(key, whole.saturating_sub(bytes)).await?;
        let mut data = Vec::new();
        let read = reader.file.take(bytes).read_to_end(&mut data).await;
        read.map_err(|error| at(key, error))?;
        Ok(data)
    }

    pub async fn info(&self, key: &BlobKey) -> Result<BlobInfo, BlobError> {
        let metadata = tokio::fs::metadata(self.path(key)).await;
        match metadata.map_err(|error| at(key, error))? {
            metadata if metadata.is_dir() => Err(BlobError::NotFound(key.clone())),
            metadata => Ok(BlobInfo {
                key: key.clone(),
                bytes: metadata.len(),
                sha256: None,
            }),
        }
    }

    /// Opens for appending, made when it is new.
    pub async fn append(&self, key: &BlobKey) -> Result<BlobWriter, BlobError> {
        let path = self.path(key);
        let opened = async {
            make_folder(&path).await?;
            let mut options = OpenOptions::new();
            let file = options.create(true).append(true).mode(0o600).open(&path);
            let file = file.await?;
            let bytes = file.metadata().await?.len();
            Ok((file, bytes))
        };
        let (file, bytes) = opened.await.map_err(|error| at(key, error))?;
        Ok(BlobWriter {
            file,
            bytes,
            what: key.to_string(),
        })
    }

    /// Every blob in a folder and below, by key. What has no key's name is not ours and is left out.
    pub async fn list(&self, folder: &str) -> Result<Vec<BlobInfo>, BlobError> {
        let _: BlobKey = folder.parse()?;
        let mut open = vec![folder.to_owned()];
        let mut found = Vec::new();
        while let Some(folder) = open.pop() {
            let walk = async {
                let mut entries = match tokio::fs::read_dir(self.root.join(&folder)).await {
                    Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                    other => other?,
                };
                while let Some(entry) = entries.next_entry().await? {
                    let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
                    let Ok(key) = name.parse() else { continue };
                    let metadata = entry.metadata().await?;
                    if metadata.is_dir() {
                        open.push(name);
                    } else {
                        found.push(BlobInfo {
                            key,
                            bytes: metadata.len(),
                            sha256: None,
                        });
                    }
                }
                Ok(())
            };
            walk.await.map_err(|error| trouble(&folder, error))?;
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    /// Nothing happens when it is not there.
    pub async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        match tokio::fs::remove_file(self.path(key)).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(at(key, error)),
            _ => Ok(()),
        }
    }

    /// The file of a key, for programs that want a path.
    pub fn path(&self, key: &BlobKey) -> PathBuf {
        self.root.join(key.as_str())
    }

    /// Writes a stream beside, hashing it; whatever goes wrong leaves nothing.
    async fn receive<S>(&self, data: S, limit: u64) -> Result<Arrived, BlobError>
    where
        S: Stream<Item = std::io::Result<Bytes>> + Send,
    {
        let beside = Beside(self.root.join(UNFINISHED).join(fresh().to_string()));
        let what = "an upload";
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600);
        let file = file.open(&beside.0).await;
        let mut file = file.map_err(|error| trouble(what, error))?;
        let (mut hash, mut bytes) = (Sha256::new(), 0u64);
        let mut data = std::pin::pin!(data);
        while let Some(chunk) = data.next().await {
            let chunk = chunk.map_err(BlobError::Input)?;
            bytes += chunk.len() as u64;
            if bytes > limit {
                return Err(BlobError::TooLarge { limit });
            }
            hash.update(&chunk);
            let written = file.write_all(&chunk).await;
            written.map_err(|error| trouble(what, error))?;
        }
        let synced = async {
            file.flush().await?;
            file.sync_all().await
        };
        synced.await.map_err(|error| trouble(what, error))?;
        Ok(Arrived {
            beside,
            bytes,
            sha256: hex::encode(hash.finalize()),
        })
    }

    async fn keep(&self, arrived: Arrived, key: BlobKey) -> Result<BlobInfo, BlobError> {
        self.adopt(&arrived.beside.0, &key).await?;
        Ok(BlobInfo {
            key,
            bytes: arrived.bytes,
            sha256: Some(arrived.sha256),
        })
    }
}

struct Arrived {
    beside: Beside,
    bytes: u64,
    sha256: String,
}

/// A file that goes when it is dropped, unless it was moved away before.
struct Beside(PathBuf);

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn make_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = tokio::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    match path.parent() {
        Some(folder) => builder.create(folder).await,
        None => Ok(()),
    }
}

fn at(key: &BlobKey, error: std::io::Error) -> BlobError {
    match error.kind() {
        ErrorKind::NotFound => BlobError::NotFound(key.clone()),
        _ => trouble(key, error),
    }
}

fn trouble(what: impl ToString, error: std::io::Error) -> BlobError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => BlobError::Full,
        _ => BlobError::Io {
            what: what.to_string(),
            source: error,
        },
    }
}
