//! Which processes build here: so that what a dead one left is told from what a living one is at.
//!
//! Each process holds a lock on a file of its own in the work folder for as long as it lives; the kernel lets go of it
//! however the process ends. What a build makes on the engine is named after its work folder and its process, so that
//! processes of one installation with folders of their own, who see no locks of each other, sweep none of each other's.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

const FILE: &str = "process-";
/// Begins the name of a process's folder.
pub(crate) const FOLDER: &str = "build-";

/// This process among those that build here.
#[derive(Debug)]
pub(crate) struct Presence {
    /// Tells the work folder from others; made once.
    pub(crate) place: String,
    /// In the names of all that this process makes.
    pub(crate) token: String,
    work: PathBuf,
    /// `None` where the work folder cannot be written: then nothing can be built either.
    file: Option<File>,
}

impl Presence {
    pub(crate) fn announce(work: &Path) -> Presence {
        let token = random();
        let held = hold(work, &token).and_then(|file| Ok((file, place(work)?)));
        let (file, place) = held
            .inspect_err(|error| {
                tracing::warn!(%error, work = %work.display(), "the work folder cannot be written");
            })
            .map_or_else(|_| (None, random()), |(file, place)| (Some(file), place));
        Presence {
            place,
            token,
            work: work.to_owned(),
            file,
        }
    }

    /// Where this process unpacks sources.
    pub(crate) fn folder(&self) -> PathBuf {
        self.work.join(format!("{FOLDER}{}", self.token))
    }

    /// Whether the process of a token lives: this one does.
    pub(crate) fn lives(&self, token: &str) -> bool {
        token == self.token
            || File::open(self.work.join(format!("{FILE}{token}")))
                .is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive).is_err())
    }

    /// Of all processes that were here and did not say good-bye.
    pub(crate) fn tokens(&self) -> BTreeSet<String> {
        let entries = std::fs::read_dir(&self.work).into_iter().flatten();
        entries
            .flatten()
            .filter_map(|entry| Some(entry.file_name().to_str()?.strip_prefix(FILE)?.to_owned()))
            .collect()
    }

    pub(crate) fn forget(&self, token: &str) {
        let _ = std::fs::remove_file(self.work.join(format!("{FILE}{token}")));
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = std::fs::remove_dir(self.folder());
            self.forget(&self.token);
        }
    }
}

fn random() -> String {
    let id = uuid::Uuid::now_v7().simple().to_string();
    id[id.len() - 8..].to_owned()
}

/// Written beside and linked into place: whoever comes second uses what the first made.
fn place(work: &Path) -> std::io::Result<String> {
    let (file, beside) = (work.join("place"), work.join(format!("new-{}", random())));
    if !file.exists() {
        std::fs::write(&beside, random())?;
        let linked = std::fs::hard_link(&beside, &file);
        std::fs::remove_file(&beside)?;
        if let Err(error) = linked
            && error.kind() != std::io::ErrorKind::AlreadyExists
        {
            return Err(error);
        }
    }
    std::fs::read_to_string(file)
}

/// Locked before it has the name that others look at: they never see it unlocked while its process lives.
fn hold(work: &Path, token: &str) -> std::io::Result<File> {
    std::fs::create_dir_all(work)?;
    let beside = work.join(format!("new-{token}"));
    let file = File::create(&beside)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    std::fs::rename(&beside, work.join(format!("{FILE}{token}")))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_lives_until_it_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let one = Presence::announce(folder.path());
        let mut other = Presence::announce(folder.path());
        assert!(one.lives(&other.token) && other.lives(&one.token));
        assert!(one.lives(&other.token), "looking does not end it");
        assert!(!one.lives("00000000"), "nobody's");
        assert_eq!(one.tokens().len(), 2);
        let elsewhere = tempfile::tempdir().unwrap();
        let stranger = Presence::announce(elsewhere.path());
        assert!(one.place == other.place && one.place != stranger.place);

        // Killed: the lock is gone, the file is not.
        let token = other.token.clone();
        drop(other.file.take());
        drop(other);
        assert!(one.tokens().contains(&token) && !one.lives(&token));
        one.forget(&token);
        assert_eq!(one.tokens(), [one.token.clone()].into());
    }
}
