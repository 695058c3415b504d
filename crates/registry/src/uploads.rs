//! Uploads under way. What has arrived is a file; how far its hash is, is in memory and made again from the file where it is not.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use pluvio_store::BlobKey;
use tokio::sync::OwnedMutexGuard;

use crate::Registry;
use crate::contents::{self, Progress, UPLOADS};
use crate::failure::{Code, Failure};
use crate::name::Repository;

type Session = Arc<tokio::sync::Mutex<Option<Progress>>>;

#[derive(Debug, Default)]
pub(crate) struct Uploads {
    open: Mutex<HashMap<BlobKey, Session>>,
}

/// One upload, held alone.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) key: BlobKey,
    pub(crate) path: PathBuf,
    progress: OwnedMutexGuard<Option<Progress>>,
}

impl Upload {
    pub(crate) fn progress(&self) -> &Progress {
        self.progress.as_ref().expect("an open upload has progress")
    }

    /// For the thread that writes.
    pub(crate) fn held(self) -> Writing {
        Writing(self.progress)
    }
}

/// An upload's progress while it is written to.
pub(crate) struct Writing(OwnedMutexGuard<Option<Progress>>);

impl std::ops::Deref for Writing {
    type Target = Progress;
    fn deref(&self) -> &Progress {
        self.0.as_ref().expect("an open upload has progress")
    }
}
impl std::ops::DerefMut for Writing {
    fn deref_mut(&mut self) -> &mut Progress {
        self.0.as_mut().expect("an open upload has progress")
    }
}

/// A segment that no repository's name has lies between the name and the upload.
fn key(repository: &Repository, id: &str) -> Result<BlobKey, Failure> {
    let known = uuid::Uuid::parse_str(id).ok();
    let key = known.and_then(|id| format!("{UPLOADS}/{repository}/_/{id}").parse().ok());
    key.ok_or_else(unknown)
}

fn unknown() -> Failure {
    Failure::of(
        Code::BlobUploadUnknown,
        "there is no such upload; one that nobody goes on with is thrown away after an hour",
    )
}

impl Registry {
    /// Begins an upload; its id.
    pub(crate) async fn begin_upload(&self, repository: &Repository) -> Result<String, Failure> {
        let id = uuid::Uuid::now_v7().to_string();
        let key = key(repository, &id)?;
        contents::begin(&self.inner.blobs, &key).await?;
        let session = Arc::new(tokio::sync::Mutex::new(Some(Progress::default())));
        self.sessions().insert(key, session);
        Ok(id)
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, HashMap<BlobKey, Session>> {
        self.inner
            .uploads
            .open
            .lock()
            .expect("nobody panics while holding it")
    }

    /// Holds an upload; whoever else wants it at the same time is refused.
    pub(crate) async fn open_upload(
        &self,
        repository: &Repository,
        id: &str,
    ) -> Result<Upload, Failure> {
        let key = key(repository, id)?;
        let path = self.inner.blobs.path(&key);
        if !tokio::fs::try_exists(&path).await.unwrap_or(false) {
            self.sessions().remove(&key);
            return Err(unknown());
        }
        let session = self.sessions().entry(key.clone()).or_default().clone();
        let mut progress = session.try_lock_owned().map_err(|_| {
            Failure::of(
                Code::BlobUploadInvalid,
                "another request is writing to this upload",
            )
        })?;
        if progress.is_none() {
            let file = path.clone();
            let read = tokio::task::spawn_blocking(move || Progress::of_file(&file));
            let read = read
                .await
                .map_err(|error| Failure::internal("an upload", error))?;
            *progress = Some(read.map_err(|error| contents::trouble("an upload", error))?);
        }
        Ok(Upload {
            key,
            path,
            progress,
        })
    }

    /// Throws an upload away.
    pub(crate) async fn drop_upload(&self, key: &BlobKey) -> Result<(), Failure> {
        self.sessions().remove(key);
        Ok(self.inner.blobs.delete(key).await?)
    }

    /// Throws away what nobody has written to for `age`.
    pub(crate) async fn sweep_uploads(&self, age: std::time::Duration) -> Result<u64, Failure> {
        let mut swept = 0;
        for folder in [UPLOADS, contents::WORK] {
            for left in self.inner.blobs.idle(folder, age).await? {
                self.drop_upload(&left.key).await?;
                swept += 1;
            }
        }
        Ok(swept)
    }
}
