//! Source at hand: from a folder, an uploaded archive, or Git, into a folder that a build may read.

mod archive;
mod git;
mod zipped;

use std::path::{Path, PathBuf};

use pluvio_model::problem::{self, Problem};
use pluvio_model::revision::SourceRecord;

use crate::builder::{BuildSource, Log};

pub use archive::{ArchiveLimits, is_archive, unpack};

/// Source in a folder.
#[derive(Debug)]
pub struct Fetched {
    /// What is built.
    pub folder: PathBuf,
    /// All that was fetched, of which `folder` may be a part.
    pub whole: PathBuf,
    pub record: SourceRecord,
    /// Whether ignore files say what belongs to it; not where a version control system already did.
    pub ignore_files: bool,
    /// In a few words: `main @ 4f1c9ae`, `upload`.
    pub note: String,
    /// Removes the folder when dropped; `None` where it is the user's own.
    _scratch: Option<tempfile::TempDir>,
}

impl Fetched {
    /// A folder that is there already, and is nobody's scratch.
    pub(crate) fn of_folder(folder: PathBuf, record: SourceRecord) -> Fetched {
        Fetched {
            note: folder.display().to_string(),
            whole: folder.clone(),
            folder,
            record,
            ignore_files: true,
            _scratch: None,
        }
    }
}

/// Fetches into a folder below `work`. Dropping the future ends what it started.
pub async fn fetch(source: &BuildSource, work: &Path, log: &Log) -> Result<Fetched, Problem> {
    match source {
        BuildSource::Folder(folder) => {
            if !folder.is_dir() {
                return Err(problem::SOURCE_MISSING.problem(
                    format!("{} is not a folder.", folder.display()),
                    "Name the folder that holds the application's source.",
                ));
            }
            Ok(Fetched::of_folder(folder.clone(), SourceRecord::default()))
        }
        BuildSource::Archive(file) => {
            let scratch = scratch(work)?;
            let (file, folder) = (file.clone(), scratch.path().join("source"));
            let unpacked = folder.clone();
            let count = tokio::task::spawn_blocking(move || {
                unpack(&file, &unpacked, &ArchiveLimits::default())
            })
            .await
            .map_err(|e| problem::INTERNAL.problem(e.to_string(), "Try again."))??;
            Ok(Fetched {
                whole: folder.clone(),
                folder,
                record: SourceRecord::default(),
                ignore_files: true,
                note: format!("{count} files uploaded"),
                _scratch: Some(scratch),
            })
        }
        BuildSource::Git {
            git,
            credential,
            hosts,
        } => {
            let scratch = scratch(work)?;
            let checkout =
                git::check_out(git, credential.as_ref(), hosts, scratch.path(), log).await?;
            Ok(Fetched {
                folder: checkout.folder,
                whole: checkout.whole,
                note: checkout.note,
                record: checkout.record,
                ignore_files: false,
                _scratch: Some(scratch),
            })
        }
    }
}

/// A folder of a source by its path from the root, links followed; `None` where there is none, or it leads out of the source.
pub fn sub_folder(root: &Path, path: &str) -> Option<PathBuf> {
    let folder = crate::source::inside(root, path.trim_matches('/')).ok()?;
    folder.is_dir().then_some(folder)
}

fn scratch(work: &Path) -> Result<tempfile::TempDir, Problem> {
    std::fs::create_dir_all(work)
        .and_then(|()| tempfile::Builder::new().prefix("build-").tempdir_in(work))
        .map_err(|e| cannot_write(work, &e))
}

pub(crate) fn cannot_write(path: &Path, error: &std::io::Error) -> Problem {
    let code = if error.kind() == std::io::ErrorKind::StorageFull {
        problem::DISK_FULL
    } else {
        problem::INTERNAL
    };
    code.problem(
        format!("{} cannot be written: {error}", path.display()),
        "Free space on the disk of the data folder, and check that Pluvio may write there.",
    )
}
