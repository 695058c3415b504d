//! Uploads, build logs, bills of materials: things too large for rows.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;

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
        let _ = text;
        todo!()
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

/// Reads a blob from some byte on; ends where the blob ended when it was opened.
#[derive(Debug)]
pub struct BlobReader {
    pub bytes: u64,
    pub file: tokio::fs::File,
}

/// Appends to a blob that others may read meanwhile: a log.
#[derive(Debug)]
pub struct BlobWriter {}

impl BlobWriter {
    /// Appends and hands it to the operating system: readers see it.
    pub async fn append(&mut self, data: &[u8]) -> Result<(), BlobError> {
        todo!()
    }
    /// So many bytes are there.
    pub fn len(&self) -> u64 {
        todo!()
    }
    /// Makes it last.
    pub async fn finish(self) -> Result<(), BlobError> {
        todo!()
    }
}

impl Blobs {
    /// Opens the folder, made (mode 0700) when it is new; removes what broken-off uploads left.
    pub async fn open(root: &Path) -> Result<Blobs, BlobError> {
        todo!()
    }
    /// Keeps a stream under a key, whole or not at all, in place of what was there.
    pub async fn put<S>(&self, key: &BlobKey, data: S, limit: u64) -> Result<BlobInfo, BlobError>
    where
        S: Stream<Item = std::io::Result<Bytes>> + Send,
    {
        todo!()
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
        todo!()
    }
    pub async fn put_bytes(&self, key: &BlobKey, data: &[u8]) -> Result<BlobInfo, BlobError> {
        todo!()
    }
    /// Opens for reading from byte `from`.
    pub async fn get(&self, key: &BlobKey, from: u64) -> Result<BlobReader, BlobError> {
        todo!()
    }
    pub async fn read(&self, key: &BlobKey, limit: u64) -> Result<Vec<u8>, BlobError> {
        todo!()
    }
    /// The last `bytes` bytes.
    pub async fn tail(&self, key: &BlobKey, bytes: u64) -> Result<Vec<u8>, BlobError> {
        todo!()
    }
    pub async fn info(&self, key: &BlobKey) -> Result<BlobInfo, BlobError> {
        todo!()
    }
    pub async fn append(&self, key: &BlobKey) -> Result<BlobWriter, BlobError> {
        todo!()
    }
    /// Every blob in a folder and below, by key.
    pub async fn list(&self, folder: &str) -> Result<Vec<BlobInfo>, BlobError> {
        todo!()
    }
    /// Nothing happens when it is not there.
    pub async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        todo!()
    }
    /// The file of a key, for programs that want a path.
    pub fn path(&self, key: &BlobKey) -> std::path::PathBuf {
        self.root.join(key.as_str())
    }
}
