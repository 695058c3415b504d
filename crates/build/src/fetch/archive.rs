//! Unpacking an archive that a stranger made: nothing lands outside the folder, and nothing grows without limit.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use pluvio_model::problem::{self, Problem};

/// What an archive may hold.
#[derive(Debug, Clone, Copy)]
pub struct ArchiveLimits {
    pub files: u64,
    /// Unpacked, in bytes.
    pub bytes: u64,
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        ArchiveLimits {
            files: 100_000,
            bytes: 4 << 30,
        }
    }
}

/// Unpacks a tar archive, plain or compressed with gzip, into a new folder. An archive of one folder gives that folder's
/// content. Answers how many files there are.
pub fn unpack(archive: &Path, into: &Path, limits: &ArchiveLimits) -> Result<u64, Problem> {
    let mut file = File::open(archive).map_err(|e| unreadable(&e.to_string()))?;
    let mut magic = [0; 4];
    let read = file
        .read(&mut magic)
        .map_err(|e| unreadable(&e.to_string()))?;
    file.rewind().map_err(|e| unreadable(&e.to_string()))?;
    if magic.starts_with(b"PK\x03\x04") {
        return Err(problem::SOURCE_ARCHIVE.problem(
            "It is a zip archive.",
            "Upload a .tar.gz (`tar -czf source.tar.gz .`), or the folder itself.",
        ));
    }
    fs::create_dir_all(into).map_err(|e| super::cannot_write(into, &e))?;
    let count = if read >= 2 && magic.starts_with(&[0x1f, 0x8b]) {
        entries(flate2::read::MultiGzDecoder::new(file), into, limits)
    } else {
        entries(file, into, limits)
    }?;
    if count == 0 {
        return Err(problem::SOURCE_ARCHIVE.problem(
            "It holds no file.",
            "Upload the folder that holds the application's source.",
        ));
    }
    lift_single_folder(into).map_err(|e| super::cannot_write(into, &e))?;
    Ok(count)
}

fn unreadable(why: &str) -> Problem {
    problem::SOURCE_ARCHIVE.problem(
        format!("It is no tar archive, or a damaged one: {why}"),
        "Upload a .tar or .tar.gz (`tar -czf source.tar.gz .`).",
    )
}

fn refused(path: &Path, why: &str) -> Problem {
    problem::SOURCE_ARCHIVE.problem(
        format!("{} {why}", path.display()),
        "Make the archive again from inside the source folder: `tar -czf source.tar.gz .`",
    )
}

fn entries(reader: impl Read, into: &Path, limits: &ArchiveLimits) -> Result<u64, Problem> {
    let mut archive = tar::Archive::new(reader);
    let (mut files, mut bytes) = (0_u64, 0_u64);
    let too_large = || {
        problem::SPEC_TOO_LARGE.problem(
            format!(
                "The archive holds more than {} files or {} MB.",
                limits.files,
                limits.bytes >> 20
            ),
            "Leave out what is not source (dependencies, build results, data).",
        )
    };
    for entry in archive.entries().map_err(|e| unreadable(&e.to_string()))? {
        let mut entry = entry.map_err(|e| unreadable(&e.to_string()))?;
        let named = entry
            .path()
            .map_err(|e| unreadable(&e.to_string()))?
            .into_owned();
        let kind = entry.header().entry_type();
        if kind.is_pax_global_extensions() {
            continue;
        }
        let Some(path) = inside(&named) else {
            return Err(refused(&named, "leads out of the archive."));
        };
        if path.as_os_str().is_empty() || path.components().any(|part| part.as_os_str() == ".git") {
            continue;
        }
        let target = into.join(&path);
        if leads_through_link(into, &path) {
            return Err(refused(&named, "lies behind a link of the archive."));
        }
        if kind.is_dir() {
            fs::create_dir_all(&target).map_err(|e| super::cannot_write(&target, &e))?;
            continue;
        }
        files += 1;
        bytes = bytes.saturating_add(entry.size());
        if files > limits.files || bytes > limits.bytes {
            return Err(too_large());
        }
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(|e| super::cannot_write(parent, &e))?;
        }
        // A later entry of the same name replaces the earlier one, as tar does.
        let _ = fs::remove_file(&target);
        let link = || -> Result<PathBuf, Problem> {
            entry
                .link_name()
                .ok()
                .flatten()
                .map(std::borrow::Cow::into_owned)
                .ok_or_else(|| refused(&named, "is a link to nowhere."))
        };
        if kind.is_symlink() {
            let to = link()?;
            let from = path.parent().unwrap_or(Path::new(""));
            if to.is_absolute() || inside(&from.join(&to)).is_none() {
                return Err(refused(
                    &named,
                    &format!("is a link out of the archive, to {}.", to.display()),
                ));
            }
            std::os::unix::fs::symlink(&to, &target)
                .map_err(|e| super::cannot_write(&target, &e))?;
        } else if kind.is_hard_link() {
            let to = link()?;
            let Some(to) = inside(&to).filter(|to| !leads_through_link(into, to)) else {
                return Err(refused(&named, "is a link out of the archive."));
            };
            let original = into.join(to);
            if !original.symlink_metadata().is_ok_and(|data| data.is_file()) {
                return Err(refused(
                    &named,
                    "is a link to a file that is not before it.",
                ));
            }
            fs::copy(&original, &target).map_err(|e| super::cannot_write(&target, &e))?;
        } else if kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse() {
            let mode = entry.header().mode().unwrap_or(0o644);
            let mut file =
                File::create_new(&target).map_err(|e| super::cannot_write(&target, &e))?;
            let left = limits.bytes - bytes + entry.size();
            let copied = io::copy(&mut (&mut entry).take(left + 1), &mut file)
                .map_err(|e| unreadable(&e.to_string()))?;
            if copied > left {
                return Err(too_large());
            }
            let mode = if mode & 0o111 != 0 { 0o755 } else { 0o644 };
            fs::set_permissions(&target, fs::Permissions::from_mode(mode))
                .map_err(|e| super::cannot_write(&target, &e))?;
        } else {
            return Err(refused(&named, "is a device or a pipe."));
        }
    }
    Ok(files)
}

/// The path without `.` and `..`, or `None` where it leaves the folder.
fn inside(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !clean.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(clean)
}

/// Whether a folder on the way to a path is a link: then the path may lead anywhere.
fn leads_through_link(root: &Path, path: &Path) -> bool {
    let mut here = root.to_owned();
    path.parent()
        .into_iter()
        .flat_map(Path::components)
        .any(|part| {
            here.push(part);
            here.symlink_metadata()
                .is_ok_and(|data| data.file_type().is_symlink())
        })
}

/// `shop-1.0/…` as its content: what people get from "download as archive".
fn lift_single_folder(into: &Path) -> io::Result<()> {
    let entries: Vec<_> = fs::read_dir(into)?.collect::<Result<_, _>>()?;
    let [only] = &entries[..] else { return Ok(()) };
    if !only.file_type()?.is_dir() {
        return Ok(());
    }
    let aside = into.with_extension("lifted");
    fs::rename(only.path(), &aside)?;
    fs::remove_dir(into)?;
    fs::rename(&aside, into)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Row<'a>(&'a str, tar::EntryType, &'a str);

    /// Writes entries as they are, also those that the tar crate refuses to make.
    fn archive(folder: &Path, rows: &[Row]) -> PathBuf {
        let path = folder.join("a.tar");
        let mut tar = tar::Builder::new(File::create(&path).unwrap());
        for Row(name, kind, content) in rows {
            let mut header = tar::Header::new_gnu();
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o755);
            if kind.is_file() {
                header.set_size(content.len() as u64);
            } else {
                header.set_size(0);
                header.as_gnu_mut().unwrap().linkname[..content.len()]
                    .copy_from_slice(content.as_bytes());
            }
            header.set_cksum();
            let body = if kind.is_file() {
                content.as_bytes()
            } else {
                b""
            };
            tar.append(&header, body).unwrap();
        }
        tar.finish().unwrap();
        path
    }

    use tar::EntryType::{Directory, Fifo, Link, Regular, Symlink};

    #[test]
    fn what_leads_out_is_refused_by_name() {
        for rows in [
            vec![Row("../evil", Regular, "x")],
            vec![Row("/etc/evil", Regular, "x")],
            vec![Row("a/../../evil", Regular, "x")],
            vec![Row("link", Symlink, "/etc/passwd")],
            vec![Row("a/link", Symlink, "../../etc")],
            vec![Row("up", Symlink, "."), Row("up/x", Regular, "x")],
            vec![Row("hard", Link, "/etc/passwd")],
            vec![Row("hard", Link, "not-there")],
            vec![Row("pipe", Fifo, "")],
        ] {
            let folder = tempfile::tempdir().unwrap();
            let file = archive(folder.path(), &rows);
            let into = folder.path().join("into");
            let problem = unpack(&file, &into, &ArchiveLimits::default()).unwrap_err();
            assert!(problem.is(problem::SOURCE_ARCHIVE), "{problem}");
            assert!(!folder.path().join("evil").exists());
        }
    }

    #[test]
    fn a_single_folder_is_lifted_and_modes_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let rows = [
            Row("shop-1/", Directory, ""),
            Row("shop-1/run.sh", Regular, "#!/bin/sh\n"),
            Row("shop-1/again", Symlink, "run.sh"),
            Row("shop-1/.git/config", Regular, "secret"),
        ];
        let file = archive(folder.path(), &rows);
        let into = folder.path().join("into");
        assert_eq!(unpack(&file, &into, &ArchiveLimits::default()), Ok(2));
        let mode = into.join("run.sh").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
        assert_eq!(fs::read(into.join("again")).unwrap(), b"#!/bin/sh\n");
        assert!(!into.join(".git").exists());
    }

    #[test]
    fn growth_is_limited_and_nonsense_named() {
        let folder = tempfile::tempdir().unwrap();
        let rows = [Row("a", Regular, "0123456789"), Row("b", Regular, "1")];
        let file = archive(folder.path(), &rows);
        for limits in [
            ArchiveLimits {
                files: 1,
                bytes: 99,
            },
            ArchiveLimits { files: 9, bytes: 9 },
        ] {
            let into = tempfile::tempdir().unwrap();
            let problem = unpack(&file, &into.path().join("x"), &limits).unwrap_err();
            assert!(problem.is(problem::SPEC_TOO_LARGE));
        }
        let text = folder.path().join("text");
        fs::write(&text, vec![b'x'; 2000]).unwrap();
        let problem = unpack(&text, &folder.path().join("y"), &ArchiveLimits::default());
        assert!(problem.unwrap_err().is(problem::SOURCE_ARCHIVE));
    }
}
