//! The files of a source with their content's hashes: what a build depends on, and what has to be sent.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One file as far as a build sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileMark {
    /// SHA-256 of the content, or of a link's target, cut to 32 hex digits.
    pub(crate) hash: String,
    pub(crate) kind: FileKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FileKind {
    Plain,
    Program,
    Link,
}

/// What a path in a folder leads to, links followed as far as they stay in the folder: nobody's source may have this machine's
/// files read.
pub(crate) fn inside(folder: &Path, path: &str) -> io::Result<PathBuf> {
    let place = folder.join(path).canonicalize()?;
    match place.starts_with(folder.canonicalize()?) {
        true => Ok(place),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it leads out of the source",
        )),
    }
}

/// The text of a file of a source; see [`inside`].
pub(crate) fn text_inside(folder: &Path, path: &str, limit: u64) -> io::Result<String> {
    let place = inside(folder, path)?;
    let data = place.metadata()?;
    if !data.is_file() || data.len() > limit {
        let why = "it is no file, or is too large";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    fs::read_to_string(place)
}

/// Paths relative to the root, with `/`, and what is at each.
pub(crate) type Manifest = BTreeMap<String, FileMark>;

/// Hashes the files of a folder that `paths` names; one that went away meanwhile is left out.
pub(crate) fn manifest<'p>(
    folder: &Path,
    paths: impl Iterator<Item = &'p str>,
) -> io::Result<Manifest> {
    let mut manifest = Manifest::new();
    let mut buffer = vec![0; 128 * 1024];
    for path in paths {
        let file = folder.join(path);
        let Ok(data) = file.symlink_metadata() else {
            continue;
        };
        let mut hash = Sha256::new();
        let kind = if data.file_type().is_symlink() {
            hash.update(fs::read_link(&file)?.as_os_str().as_bytes());
            FileKind::Link
        } else {
            let mut content = fs::File::open(&file)?;
            loop {
                match content.read(&mut buffer)? {
                    0 => break,
                    read => hash.update(&buffer[..read]),
                }
            }
            if data.permissions().mode() & 0o111 != 0 {
                FileKind::Program
            } else {
                FileKind::Plain
            }
        };
        let mut hash = hex::encode(hash.finalize());
        hash.truncate(32);
        manifest.insert(path.to_owned(), FileMark { hash, kind });
    }
    Ok(manifest)
}

/// SHA-256 over paths, kinds and contents.
pub(crate) fn tree_hash(manifest: &Manifest) -> String {
    let mut hash = Sha256::new();
    for (path, mark) in manifest {
        hash.update(format!("{path}\0{:?}\0{}\n", mark.kind, mark.hash));
    }
    hex::encode(hash.finalize())
}

/// Adds files of a folder to an archive, under `prefix`, owned by one user. Folders on the way are entries of their own,
/// so that they belong to that user, too.
pub(crate) fn append<'p, W: io::Write>(
    tar: &mut tar::Builder<W>,
    folder: &Path,
    paths: impl Iterator<Item = &'p str>,
    prefix: &str,
    owner: u64,
) -> io::Result<()> {
    let mut folders = std::collections::HashSet::new();
    for path in paths {
        let file = folder.join(path);
        let Ok(data) = file.symlink_metadata() else {
            continue;
        };
        let name = format!("{prefix}{path}");
        for (end, _) in name.match_indices('/') {
            let parent = &name[..end];
            if end > prefix.trim_end_matches('/').len() && folders.insert(parent.to_owned()) {
                tar.append_data(
                    &mut header(tar::EntryType::Directory, 0o755, owner),
                    parent,
                    io::empty(),
                )?;
            }
        }
        if data.file_type().is_symlink() {
            let mut header = header(tar::EntryType::Symlink, 0o777, owner);
            tar.append_link(&mut header, &name, fs::read_link(&file)?)?;
            continue;
        }
        let mode = if data.permissions().mode() & 0o111 != 0 {
            0o755
        } else {
            0o644
        };
        let mut header = header(tar::EntryType::Regular, mode, owner);
        let content = fs::File::open(&file)?;
        // A file that grows while it is read must not tear the archive.
        let size = content.metadata()?.len();
        header.set_size(size);
        if let Ok(modified) = data.modified()
            && let Ok(since) = modified.duration_since(std::time::UNIX_EPOCH)
        {
            header.set_mtime(since.as_secs());
        }
        tar.append_data(&mut header, &name, content.take(size))?;
    }
    Ok(())
}

pub(crate) fn header(kind: tar::EntryType, mode: u32, owner: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner);
    header.set_gid(owner);
    header.set_size(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_hash_sees_content_mode_and_name() {
        let folder = tempfile::tempdir().unwrap();
        let hash = || {
            let names: Vec<String> = fs::read_dir(folder.path())
                .unwrap()
                .map(|e| e.unwrap().file_name().into_string().unwrap())
                .collect();
            tree_hash(&manifest(folder.path(), names.iter().map(String::as_str)).unwrap())
        };
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a"), "x").unwrap();
        let first = hash();
        assert_eq!(first, hash());
        fs::set_permissions(at("a"), fs::Permissions::from_mode(0o755)).unwrap();
        let second = hash();
        fs::write(at("a"), "y").unwrap();
        let third = hash();
        fs::rename(at("a"), at("b")).unwrap();
        let all = [first, second, third, hash()];
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), 4);
    }
}
