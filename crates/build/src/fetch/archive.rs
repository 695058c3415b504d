//! Unpacking an archive that a stranger made: nothing lands outside the folder, and nothing grows without limit.
//! Tar and zip say the same things differently; what may become of them is decided here, once for both.

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
    /// How many times its own size it may unpack to, if that is more than [`ArchiveLimits::always`]. Source packs to a
    /// fifth; what packs to a thousandth was made to fill a disk.
    pub ratio: u64,
    /// Bytes that are unpacked whatever the ratio.
    pub always: u64,
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        ArchiveLimits {
            files: 100_000,
            bytes: 4 << 30,
            ratio: 200,
            always: 64 << 20,
        }
    }
}

/// Whether a file begins as the archives do that [`unpack`] takes. For a file whose name says nothing of it.
pub fn is_archive(file: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(file).and_then(|file| file.take(512).read_to_end(&mut head));
    read.is_ok()
        && (is_zip(&head)
            || head.starts_with(&[0x1f, 0x8b])
            || head.get(257..262) == Some(b"ustar".as_slice()))
}

/// With entries, or of none.
fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}

/// Unpacks a zip archive or a tar archive, plain or compressed with gzip, into a new folder. An archive of one folder gives
/// that folder's content. Answers how many files there are.
pub fn unpack(archive: &Path, into: &Path, limits: &ArchiveLimits) -> Result<u64, Problem> {
    let mut file = File::open(archive).map_err(|e| unreadable(&e))?;
    let size = file.metadata().map_err(|e| unreadable(&e))?.len();
    let mut magic = Vec::new();
    (&mut file)
        .take(4)
        .read_to_end(&mut magic)
        .map_err(|e| unreadable(&e))?;
    file.rewind().map_err(|e| unreadable(&e))?;
    fs::create_dir_all(into).map_err(|e| super::cannot_write(into, &e))?;
    let mut room = Room {
        into,
        files: 0,
        bytes: 0,
        most_files: limits.files,
        most_bytes: limits
            .bytes
            .min(size.saturating_mul(limits.ratio).max(limits.always)),
    };
    if is_zip(&magic) {
        super::zipped::entries(file, &mut room)?;
    } else if magic.starts_with(&[0x1f, 0x8b]) {
        entries(flate2::read::MultiGzDecoder::new(file), &mut room)?;
    } else {
        entries(file, &mut room)?;
    }
    if room.files == 0 {
        return Err(problem::SOURCE_ARCHIVE.problem(
            "It holds no file.",
            "Upload the folder that holds the application's source.",
        ));
    }
    let files = room.files;
    lift_single_folder(into).map_err(|e| super::cannot_write(into, &e))?;
    // Where the one folder of an archive is all of it, what was beside it is outside.
    if let Some(link) = link_that_leads_out(into).map_err(|e| super::cannot_write(into, &e))? {
        return Err(refused(
            link.display(),
            "is a link that may lead out of the archive.",
        ));
    }
    Ok(files)
}

pub(super) fn unreadable(why: &dyn std::fmt::Display) -> Problem {
    problem::SOURCE_ARCHIVE.problem(
        format!("It is no tar or zip archive, or a damaged one: {why}"),
        "Upload a .tar.gz (`tar -czf source.tar.gz .`), a .tar or a .zip.",
    )
}

pub(super) fn refused(name: impl std::fmt::Display, why: &str) -> Problem {
    problem::SOURCE_ARCHIVE.problem(
        format!("{name} {why}"),
        "Make the archive again from inside the source folder: `tar -czf source.tar.gz .`",
    )
}

/// The folder that an archive is unpacked into, and what may still come.
pub(super) struct Room<'a> {
    into: &'a Path,
    files: u64,
    bytes: u64,
    most_files: u64,
    most_bytes: u64,
}

/// A name of the archive that may be made.
pub(super) struct Place {
    /// As the archive says it, for people.
    named: String,
    /// Below the folder.
    path: PathBuf,
    target: PathBuf,
}

impl Room<'_> {
    pub(super) fn most_files(&self) -> u64 {
        self.most_files
    }

    pub(super) fn too_large(&self) -> Problem {
        problem::SPEC_TOO_LARGE.problem(
            format!(
                "The archive holds more than {} files, or unpacks to more than {} MB.",
                self.most_files,
                self.most_bytes >> 20
            ),
            "Leave out what is not source (dependencies, build results, data).",
        )
    }

    /// Where an entry goes; `None` for what is left out.
    pub(super) fn place(&self, named: &Path) -> Result<Option<Place>, Problem> {
        let shown = named.display().to_string();
        let Some(path) = inside(named) else {
            return Err(refused(shown, "leads out of the archive."));
        };
        if path.as_os_str().is_empty() || path.components().any(|part| part.as_os_str() == ".git") {
            return Ok(None);
        }
        if leads_through_link(self.into, &path) {
            return Err(refused(shown, "lies behind a link of the archive."));
        }
        Ok(Some(Place {
            named: shown,
            target: self.into.join(&path),
            path,
        }))
    }

    pub(super) fn folder(&self, place: &Place) -> Result<(), Problem> {
        fs::create_dir_all(&place.target).map_err(|e| place.cannot_make(&e))
    }

    /// Counts one more, and clears its place: a later entry of the same name replaces the earlier one, as tar does.
    fn one_more(&mut self, place: &Place) -> Result<(), Problem> {
        self.files += 1;
        if self.files > self.most_files {
            return Err(self.too_large());
        }
        if let Some(parent) = place.target.parent() {
            fs::create_dir_all(parent).map_err(|e| place.cannot_make(&e))?;
        }
        let _ = fs::remove_file(&place.target);
        Ok(())
    }

    /// A file. What it says of its size is not believed: what comes is counted.
    pub(super) fn file(
        &mut self,
        place: &Place,
        mode: u32,
        content: &mut impl Read,
    ) -> Result<(), Problem> {
        self.one_more(place)?;
        let mut file = File::create_new(&place.target).map_err(|e| place.cannot_make(&e))?;
        let left = self.most_bytes - self.bytes;
        let mut content = Counted {
            content,
            failed: None,
        };
        let copied = io::copy(&mut (&mut content).take(left + 1), &mut file);
        if let Some(error) = content.failed {
            return Err(unreadable(&error));
        }
        let copied = copied.map_err(|e| super::cannot_write(&place.target, &e))?;
        if copied > left {
            return Err(self.too_large());
        }
        self.bytes += copied;
        let mode = if mode & 0o111 != 0 { 0o755 } else { 0o644 };
        fs::set_permissions(&place.target, fs::Permissions::from_mode(mode))
            .map_err(|e| super::cannot_write(&place.target, &e))
    }

    pub(super) fn symlink(&mut self, place: &Place, to: &Path) -> Result<(), Problem> {
        self.one_more(place)?;
        let from = place.path.parent().unwrap_or(Path::new(""));
        if to.is_absolute() || inside(&from.join(to)).is_none() {
            return Err(refused(
                &place.named,
                &format!("is a link out of the archive, to {}.", to.display()),
            ));
        }
        std::os::unix::fs::symlink(to, &place.target).map_err(|e| place.cannot_make(&e))
    }

    fn hard_link(&mut self, place: &Place, to: &Path) -> Result<(), Problem> {
        let Some(to) = inside(to).filter(|to| !leads_through_link(self.into, to)) else {
            return Err(refused(&place.named, "is a link out of the archive."));
        };
        let original = self.into.join(to);
        if !original.symlink_metadata().is_ok_and(|data| data.is_file()) {
            return Err(refused(
                &place.named,
                "is a link to a file that is not before it.",
            ));
        }
        let mut content = File::open(&original).map_err(|e| unreadable(&e))?;
        let mode = content
            .metadata()
            .map_or(0o644, |data| data.permissions().mode());
        if original == place.target {
            return Ok(());
        }
        self.file(place, mode, &mut content)
    }
}

impl Place {
    /// An archive may name a file and, below it, another: that is the archive's fault, not the disk's.
    fn cannot_make(&self, error: &io::Error) -> Problem {
        use io::ErrorKind::{AlreadyExists, InvalidFilename, IsADirectory, NotADirectory};
        match error.kind() {
            AlreadyExists | NotADirectory | IsADirectory => {
                refused(&self.named, "is a file and a folder at once.")
            }
            InvalidFilename => refused(&self.named, "is too long a name."),
            _ => super::cannot_write(&self.target, error),
        }
    }
}

/// Tells an archive that cannot be read from a disk that cannot be written.
struct Counted<'a, R> {
    content: &'a mut R,
    failed: Option<io::Error>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.content.read(buffer).map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted {
                self.failed = Some(error);
            }
            kind.into()
        })
    }
}

fn entries(reader: impl Read, room: &mut Room) -> Result<(), Problem> {
    let mut archive = tar::Archive::new(reader);
    for entry in archive.entries().map_err(|e| unreadable(&e))? {
        let mut entry = entry.map_err(|e| unreadable(&e))?;
        let named = entry.path().map_err(|e| unreadable(&e))?.into_owned();
        let kind = entry.header().entry_type();
        if kind.is_pax_global_extensions() {
            continue;
        }
        let Some(place) = room.place(&named)? else {
            continue;
        };
        let link = || -> Result<PathBuf, Problem> {
            entry
                .link_name()
                .ok()
                .flatten()
                .map(std::borrow::Cow::into_owned)
                .ok_or_else(|| refused(named.display(), "is a link to nowhere."))
        };
        if kind.is_dir() {
            room.folder(&place)?;
        } else if kind.is_symlink() {
            let to = link()?;
            room.symlink(&place, &to)?;
        } else if kind.is_hard_link() {
            let to = link()?;
            room.hard_link(&place, &to)?;
        } else if kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse() {
            let mode = entry.header().mode().unwrap_or(0o644);
            room.file(&place, mode, &mut entry)?;
        } else {
            return Err(refused(named.display(), "is a device or a pipe."));
        }
    }
    Ok(())
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

/// The first link that is not plainly inside of the whole. Folders wait in a list: nesting costs no open files.
fn link_that_leads_out(root: &Path) -> io::Result<Option<PathBuf>> {
    let mut waiting = vec![PathBuf::new()];
    while let Some(inside) = waiting.pop() {
        for entry in fs::read_dir(root.join(&inside))? {
            let entry = entry?;
            let path = inside.join(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                waiting.push(path);
            } else if kind.is_symlink()
                && !stays_inside(root, &inside, &fs::read_link(entry.path())?)
            {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}

/// Whether a link in a folder leads nowhere out. Up leads to where the words say only from what is no link itself.
fn stays_inside(root: &Path, folder: &Path, to: &Path) -> bool {
    let mut here = folder.to_owned();
    let mut linked = false;
    for part in to.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if linked || !here.pop() => return false,
            Component::ParentDir => {}
            Component::Normal(name) => {
                here.push(name);
                let data = root.join(&here).symlink_metadata();
                linked |= data.is_ok_and(|data| data.file_type().is_symlink());
            }
            Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    true
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
    fn a_link_may_go_up_from_what_is_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let rows = [
            Row("releases/2/x", Regular, "x"),
            Row("now", Symlink, "releases/../releases/2"),
            Row("releases/same", Symlink, "./../now/x"),
        ];
        let file = archive(folder.path(), &rows);
        let into = folder.path().join("into");
        unpack(&file, &into, &ArchiveLimits::default()).unwrap();
        assert_eq!(fs::read_to_string(into.join("releases/same")).unwrap(), "x");
    }

    #[test]
    fn what_leads_out_is_refused_by_name() {
        for rows in [
            vec![Row("../evil", Regular, "x")],
            vec![Row("/etc/evil", Regular, "x")],
            vec![Row("a/../../evil", Regular, "x")],
            vec![Row("link", Symlink, "/etc/passwd")],
            vec![Row("a/link", Symlink, "../../etc")],
            vec![Row("up", Symlink, "."), Row("up/x", Regular, "x")],
            // Each is inside by its words; the second goes down by the first, and up out of the archive.
            vec![
                Row("a/b/c/top", Symlink, "../../../d"),
                Row("d/x", Regular, "x"),
                Row("out", Symlink, "a/b/c/top/../../.."),
            ],
            // What is beside the one folder is gone when its content is all there is.
            vec![
                Row("shop/x", Regular, "x"),
                Row("shop/up", Symlink, "../shop"),
            ],
            vec![Row("hard", Link, "/etc/passwd")],
            vec![Row("hard", Link, "not-there")],
            vec![Row("pipe", Fifo, "")],
            vec![Row("a", Regular, "x"), Row("a/b", Regular, "x")],
            vec![Row("a/b", Regular, "x"), Row("a", Regular, "x")],
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
                ..ArchiveLimits::default()
            },
            ArchiveLimits {
                bytes: 9,
                ..ArchiveLimits::default()
            },
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
