//! A folder as an archive to send: what its ignore files do not leave out, in the order of names, without times and owners,
//! so that the same content is the same archive.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pluvio_build::detect::{Limits, SourceTree};
use pluvio_model::problem::{self, Problem};
use tempfile::NamedTempFile;

/// Packs into a temporary file, gzip at its quickest: the wire is usually loopback.
pub(crate) fn pack(folder: &Path) -> Result<NamedTempFile, Problem> {
    let limits = Limits {
        text_total: 0,
        ..Limits::default()
    };
    let tree = SourceTree::read(folder, &limits)?;
    if tree.is_empty() {
        return Err(problem::SOURCE_MISSING.problem(
            format!("{} holds no file that is not ignored.", folder.display()),
            "Name the folder with the source; look at its .gitignore and .pluvioignore.",
        ));
    }
    write(folder, &tree).map_err(|e| match e.kind() {
        std::io::ErrorKind::StorageFull => problem::DISK_FULL.problem(
            format!("The archive of {} does not fit: {e}.", folder.display()),
            "Free space in /tmp, or set TMPDIR.",
        ),
        _ => problem::SOURCE_ARCHIVE.problem(
            format!("{} cannot be packed: {e}.", folder.display()),
            "Check that its files can be read.",
        ),
    })
}

fn write(folder: &Path, tree: &SourceTree) -> std::io::Result<NamedTempFile> {
    let file = NamedTempFile::new()?;
    let packed =
        flate2::write::GzEncoder::new(std::io::BufWriter::new(file), flate2::Compression::fast());
    let mut archive = tar::Builder::new(packed);
    for path in tree.paths() {
        let place = folder.join(path);
        let Ok(data) = place.symlink_metadata() else {
            continue;
        };
        let mut header = tar::Header::new_gnu();
        header.set_mtime(0);
        if data.is_symlink() {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            header.set_mode(0o777);
            archive.append_link(&mut header, path, std::fs::read_link(&place)?)?;
            continue;
        }
        let content = std::fs::read(&place)?;
        header.set_size(content.len() as u64);
        header.set_mode(if data.permissions().mode() & 0o111 != 0 {
            0o755
        } else {
            0o644
        });
        archive.append_data(&mut header, path, content.as_slice())?;
    }
    let mut inner = archive.into_inner()?.finish()?;
    inner.flush()?;
    inner
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_folder_is_the_same_archive_and_ignored_files_stay_out() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.txt"), "a").unwrap();
        std::fs::write(folder.path().join(".gitignore"), "*.log\n").unwrap();
        std::fs::write(folder.path().join("b.log"), "b").unwrap();
        let bytes = || std::fs::read(pack(folder.path()).unwrap().path()).unwrap();
        let first = bytes();
        assert_eq!(first, bytes());
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(first.as_slice()));
        let names: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|e| e.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names, [".gitignore", "a.txt"]);
        // What is sent is planned there as it is here.
        std::fs::write(folder.path().join(".gitignore"), "*.log\ncompose.yaml\n").unwrap();
        let without = pack(folder.path()).unwrap();
        std::fs::write(folder.path().join("compose.yaml"), "services: {}\n").unwrap();
        let with = pack(folder.path()).unwrap();
        assert_ne!(
            std::fs::read(without.path()).unwrap(),
            std::fs::read(with.path()).unwrap()
        );
    }
}
