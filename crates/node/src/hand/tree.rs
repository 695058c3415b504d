//! A volume's files, reached from its root one step after the other: each step opens a name in a folder that is open already,
//! and refuses a link. What an application swaps under it meanwhile cannot lead anywhere else, for `..` is never walked.

use std::collections::HashSet;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use jiff::Timestamp;
use pluvio_model::files::{FileEntry, FileKind, Folder, Measured};
use pluvio_model::problem::{self, Problem};
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;
use rustix::path::Arg;

/// No path is longer, in steps: a folder that contains itself without end must end.
pub(super) const DEEPEST: usize = 200;
/// Of a folder with more entries only the first are looked at, by name.
const MANY: usize = 50_000;
/// Names of files that are not whole yet begin so.
pub(super) const PART: &str = ".pluvio-part-";

pub(super) struct Tree {
    root: OwnedFd,
}

pub(super) fn failed(what: &str, path: &str, error: &io::Error) -> Problem {
    let shown = if path.is_empty() {
        "the volume's root"
    } else {
        path
    };
    match error.kind() {
        io::ErrorKind::NotFound => problem::NOT_FOUND.problem(
            format!("{shown} is not in the volume."),
            "`pluvio volume files ls` shows what is.",
        ),
        io::ErrorKind::NotADirectory => problem::REFUSED.problem(
            format!("A part of {shown} is a file or a link, and no folder."),
            "Links are not followed: name the place itself.",
        ),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => problem::DISK_FULL.problem(
            format!("No space is left for {shown} on the engine's disk."),
            "Free space on the engine's disk, then try again.",
        ),
        io::ErrorKind::InvalidFilename => problem::REQUEST_INVALID.problem(
            format!("{shown} has a name that is too long for the file system."),
            "Choose a shorter name.",
        ),
        _ if Errno::from_io_error(error) == Some(Errno::LOOP) => is_link(shown, None),
        _ => problem::REFUSED.problem(
            format!("The file system refused to {what} {shown}: {error}."),
            "Read its words above.",
        ),
    }
}

pub(super) fn is_link(path: &str, target: Option<&str>) -> Problem {
    let to = target.map_or_else(String::new, |target| format!(" to {target}"));
    problem::REFUSED.problem(
        format!("{path} is a link{to}, and links are not followed."),
        "Name the place itself, if it is in this volume.",
    )
}

pub(super) fn is_special(path: &str) -> Problem {
    problem::REFUSED.problem(
        format!("{path} is a socket, pipe or device."),
        "Only files and folders have a content.",
    )
}

/// The steps of a path from the root. What could lead out is no path.
fn steps(path: &str) -> Result<Vec<&str>, Problem> {
    let steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty()).collect();
    let bad = |step: &&str| matches!(*step, "." | "..") || step.contains('\0');
    if steps.iter().any(bad) || steps.len() > DEEPEST {
        return Err(problem::REQUEST_INVALID.problem(
            format!("{path:?} is no path in a volume."),
            "Write it from the volume's root, as `uploads/2026/photo.jpg`, without `.` and `..`.",
        ));
    }
    Ok(steps)
}

fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

/// A name in an open folder.
pub(super) struct Place<'a> {
    pub(super) folder: OwnedFd,
    /// Empty for the root itself.
    pub(super) name: &'a str,
}

impl Tree {
    pub(super) fn open(root: &Path) -> Result<Tree, Problem> {
        let root = rustix::fs::open(root, folder_flags(), Mode::empty())
            .map_err(|error| failed("open", "", &error.into()))?;
        Ok(Tree { root })
    }

    /// The folder that holds the last step of the path.
    fn place<'a>(&self, path: &'a str) -> Result<Place<'a>, Problem> {
        let steps = steps(path)?;
        let mut folder = self.root_again()?;
        let (name, folders) = steps.split_last().map_or(("", &[][..]), |(n, f)| (*n, f));
        for step in folders {
            folder = open_folder(&folder, *step).map_err(|error| failed("open", path, &error))?;
        }
        Ok(Place { folder, name })
    }

    fn root_again(&self) -> Result<OwnedFd, Problem> {
        open_folder(&self.root, ".").map_err(|error| failed("open", "", &error))
    }

    fn folder(&self, path: &str) -> Result<OwnedFd, Problem> {
        let place = self.place(path)?;
        if place.name.is_empty() {
            return Ok(place.folder);
        }
        open_folder(&place.folder, place.name).map_err(|error| failed("open", path, &error))
    }

    /// What is at the path, and where.
    pub(super) fn find<'a>(&self, path: &'a str) -> Result<(FileEntry, Place<'a>), Problem> {
        let place = self.place(path)?;
        let named = if place.name.is_empty() {
            "."
        } else {
            place.name
        };
        let mut entry =
            entry(&place.folder, named).map_err(|error| failed("look at", path, &error))?;
        if place.name.is_empty() {
            entry.name = String::new();
        }
        Ok((entry, place))
    }

    pub(super) fn list(&self, path: &str, limit: usize) -> Result<Folder, Problem> {
        let folder = self.folder(path)?;
        let mut names = names(&folder).map_err(|error| failed("list", path, &error))?;
        let all = names.len();
        if all > MANY {
            names.sort_unstable();
            names.truncate(limit);
        }
        let skipped = all - names.len();
        let mut entries = Vec::new();
        // A name that is no text is not shown: nobody could ask for it.
        for name in names.iter().filter_map(|name| name.to_str().ok()) {
            match entry(&folder, name) {
                Ok(entry) => entries.push(entry),
                // It went away meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed("list", path, &error)),
            }
        }
        entries.sort_by(|a, b| {
            let file = |entry: &FileEntry| entry.kind != FileKind::Folder;
            (file(a), &a.name).cmp(&(file(b), &b.name))
        });
        let left_out = (skipped + entries.len().saturating_sub(limit)) as u64;
        entries.truncate(limit);
        Ok(Folder {
            path: steps(path)?.join("/"),
            entries,
            left_out,
        })
    }

    /// A regular file's content.
    pub(super) fn read(&self, path: &str, place: &Place<'_>) -> Result<File, Problem> {
        open_file(&place.folder, place.name)
            .map_err(|error| failed("read", path, &error))?
            .ok_or_else(|| is_special(path))
    }

    /// A tar archive of the folder: its files, folders and links, these as links.
    pub(super) fn archive(&self, path: &str, output: &mut impl Write) -> Result<(), Problem> {
        let folder = self.folder(path)?;
        let mut tar = tar::Builder::new(output);
        let told = |error: io::Error| failed("archive", path, &error);
        archive_folder(&mut tar, &folder, "", 0).map_err(told)?;
        tar.finish().map_err(told)
    }

    /// Takes the content into a file beside, then puts it in place: readers see the old one or the new one, whole.
    pub(super) fn write(
        &self,
        path: &str,
        length: u64,
        replace: bool,
        mut input: impl Read,
    ) -> Result<FileEntry, Problem> {
        let place = self.place(path)?;
        if place.name.is_empty() {
            return Err(problem::REQUEST_INVALID.problem(
                "The path names no file.",
                "Write which file is meant, as `uploads/photo.jpg`.",
            ));
        }
        let refuse = |what: &str, remedy: &str| {
            Err(problem::REFUSED.problem(format!("{path} {what}. Nothing was written."), remedy))
        };
        let before = entry_stat(&place.folder, place.name);
        match &before {
            Ok(stat) => match kind(stat) {
                FileKind::File if replace => {}
                FileKind::File => {
                    return refuse("is there already", "Replace it with `--replace`.");
                }
                FileKind::Folder => return refuse("is a folder", "Name the file in it."),
                FileKind::Link => return Err(is_link(path, None)),
                FileKind::Other => return Err(is_special(path)),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("look at", path, error)),
        }
        let told = |error: io::Error| failed("write", path, &error);
        // Whoever owned the file still does; a new one belongs to whom its folder belongs.
        let (owner, mode) = match &before {
            Ok(stat) => ((stat.st_uid, stat.st_gid), stat.st_mode & 0o7777),
            Err(_) => {
                let folder =
                    rustix::fs::fstat(&place.folder).map_err(|error| told(error.into()))?;
                ((folder.st_uid, folder.st_gid), 0o644)
            }
        };
        let part = format!("{PART}{}", std::process::id());
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let written = (|| {
            let file = rustix::fs::openat(&place.folder, &part, flags, Mode::from_raw_mode(0o600))?;
            let mut file = File::from(file);
            let came = io::copy(&mut (&mut input).take(length), &mut file)?;
            if came != length {
                return Ok(None);
            }
            own(&file, owner)?;
            rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
            file.sync_all()?;
            rustix::fs::renameat(&place.folder, &part, &place.folder, place.name)?;
            entry(&place.folder, place.name).map(Some)
        })();
        match written {
            Ok(Some(entry)) => Ok(entry),
            other => {
                let _ = rustix::fs::unlinkat(&place.folder, &part, AtFlags::empty());
                match other {
                    Err(error) => Err(told(error)),
                    _ => refuse(
                        "did not come to its end",
                        "Send it again; what was there is as it was.",
                    ),
                }
            }
        }
    }

    pub(super) fn make_folder(&self, path: &str) -> Result<FileEntry, Problem> {
        let place = self.place(path)?;
        let told = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => problem::REFUSED
                .problem(format!("{path} is there already."), "Choose another name."),
            _ => failed("make", path, &error),
        };
        (|| {
            rustix::fs::mkdirat(&place.folder, place.name, Mode::from_raw_mode(0o755))?;
            let parent = rustix::fs::fstat(&place.folder)?;
            let made = open_folder(&place.folder, place.name)?;
            own(&made, (parent.st_uid, parent.st_gid))?;
            entry(&place.folder, place.name)
        })()
        .map_err(told)
    }

    pub(super) fn remove(&self, path: &str, recursive: bool) -> Result<FileEntry, Problem> {
        let (entry, place) = self.find(path)?;
        if place.name.is_empty() {
            return Err(problem::REFUSED.problem(
                "The volume's root cannot be removed.",
                "`pluvio volume delete` deletes a volume.",
            ));
        }
        let told = |error: io::Error| match Errno::from_io_error(&error) {
            Some(Errno::NOTEMPTY) => problem::REFUSED.problem(
                format!("{path} is a folder that is not empty."),
                "Remove it with all that is in it: `--recursive`.",
            ),
            _ => failed("remove", path, &error),
        };
        if entry.kind == FileKind::Folder && recursive {
            remove_all(&place.folder, place.name, 0).map_err(told)?;
        } else {
            let flags = match entry.kind {
                FileKind::Folder => AtFlags::REMOVEDIR,
                _ => AtFlags::empty(),
            };
            rustix::fs::unlinkat(&place.folder, place.name, flags)
                .map_err(|error| told(error.into()))?;
        }
        Ok(entry)
    }

    pub(super) fn measure(&self) -> Result<Measured, Problem> {
        let mut measured = Measured::default();
        let root = self.root_again()?;
        measure(&root, &mut measured, &mut HashSet::new(), 0)
            .map_err(|error| failed("measure", "", &error))?;
        Ok(measured)
    }
}

pub(super) fn open_folder(folder: impl AsFd, name: impl Arg) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(
        folder,
        name,
        folder_flags(),
        Mode::empty(),
    )?)
}

/// A regular file, without waiting for whoever is at the other end of a pipe. `None` if it is none.
pub(super) fn open_file(folder: impl AsFd, name: impl Arg + Copy) -> io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    // Looked at first: opening a device may do something.
    if kind(&entry_stat(&folder, name)?) != FileKind::File {
        return Ok(None);
    }
    let file = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&file)?;
    Ok((kind(&stat) == FileKind::File).then(|| File::from(file)))
}

pub(super) fn entry_stat(folder: impl AsFd, name: impl Arg) -> io::Result<Stat> {
    Ok(rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?)
}

pub(super) fn kind(stat: &Stat) -> FileKind {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Folder,
        FileType::Symlink => FileKind::Link,
        _ => FileKind::Other,
    }
}

/// Of a file that was just made: owned by nobody else than asked. Where that is not allowed, it stays whose it is.
fn own(file: impl AsFd, (user, group): (u32, u32)) -> io::Result<()> {
    let owner = (Some(Uid::from_raw(user)), Some(Gid::from_raw(group)));
    match rustix::fs::fchown(file, owner.0, owner.1) {
        Ok(()) | Err(Errno::PERM) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The names in a folder, without `.` and `..`.
pub(super) fn names(folder: impl AsFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for found in Dir::read_from(folder)? {
        let name = found?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name);
        }
    }
    Ok(names)
}

fn entry(folder: impl AsFd, name: &str) -> io::Result<FileEntry> {
    let stat = entry_stat(&folder, name)?;
    let kind = kind(&stat);
    let target = (kind == FileKind::Link)
        .then(|| link(&folder, name))
        .transpose()?;
    Ok(FileEntry {
        name: name.to_owned(),
        kind,
        size: if kind == FileKind::File {
            u64::try_from(stat.st_size).unwrap_or_default()
        } else {
            0
        },
        mode: format!("{:04o}", stat.st_mode & 0o7777),
        user: stat.st_uid,
        group: stat.st_gid,
        modified: Timestamp::from_second(stat.st_mtime).ok(),
        target,
    })
}

pub(super) fn link(folder: impl AsFd, name: &str) -> io::Result<String> {
    let target = rustix::fs::readlinkat(folder, name, Vec::new())?;
    Ok(target.to_string_lossy().into_owned())
}

fn archive_folder(
    tar: &mut tar::Builder<&mut impl Write>,
    folder: &OwnedFd,
    path: &str,
    depth: usize,
) -> io::Result<()> {
    if depth > DEEPEST {
        return Err(io::Error::other("its folders are too deep"));
    }
    let mut names = names(folder)?;
    names.sort();
    for name in names.iter().filter_map(|name| name.to_str().ok()) {
        let inner = if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}/{name}")
        };
        match archive_entry(tar, folder, name, &inner, depth) {
            // It went away meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(())
}

fn archive_entry(
    tar: &mut tar::Builder<&mut impl Write>,
    folder: &OwnedFd,
    name: &str,
    path: &str,
    depth: usize,
) -> io::Result<()> {
    let stat = entry_stat(folder, name)?;
    let mut header = tar::Header::new_gnu();
    header.set_mode(stat.st_mode & 0o7777);
    header.set_uid(stat.st_uid.into());
    header.set_gid(stat.st_gid.into());
    header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or_default());
    header.set_size(0);
    match kind(&stat) {
        FileKind::File => {
            let Some(file) = open_file(folder, name)? else {
                return Ok(());
            };
            let size = file.metadata()?.len();
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(size);
            // Exactly what the header says, though the file may be written meanwhile.
            let content = file.chain(io::repeat(0)).take(size);
            tar.append_data(&mut header, path, content)
        }
        FileKind::Folder => {
            let inner = open_folder(folder, name)?;
            header.set_entry_type(tar::EntryType::Directory);
            tar.append_data(&mut header, path, io::empty())?;
            archive_folder(tar, &inner, path, depth + 1)
        }
        FileKind::Link => {
            header.set_entry_type(tar::EntryType::Symlink);
            tar.append_link(&mut header, path, link(folder, name)?)
        }
        FileKind::Other => Ok(()),
    }
}

fn remove_all(folder: impl AsFd, name: impl Arg + Copy, depth: usize) -> io::Result<()> {
    if depth > DEEPEST {
        return Err(io::Error::other("its folders are too deep"));
    }
    let stat = entry_stat(&folder, name)?;
    if kind(&stat) != FileKind::Folder {
        return Ok(rustix::fs::unlinkat(folder, name, AtFlags::empty())?);
    }
    let inner = open_folder(&folder, name)?;
    empty(&inner, depth + 1)?;
    Ok(rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR)?)
}

/// Removes all that is in a folder.
pub(super) fn empty(folder: &OwnedFd, depth: usize) -> io::Result<()> {
    for name in names(folder)? {
        remove_all(folder, name.as_c_str(), depth)?;
    }
    Ok(())
}

fn measure(
    folder: &OwnedFd,
    measured: &mut Measured,
    seen: &mut HashSet<(u64, u64)>,
    depth: usize,
) -> io::Result<()> {
    if depth > DEEPEST {
        return Ok(());
    }
    for name in names(folder)? {
        let stat = match entry_stat(folder, name.as_c_str()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        if stat.st_nlink > 1
            && kind(&stat) == FileKind::File
            && !seen.insert((stat.st_dev, stat.st_ino))
        {
            continue;
        }
        measured.bytes += u64::try_from(stat.st_blocks).unwrap_or_default() * 512;
        if kind(&stat) != FileKind::Folder {
            measured.files += 1;
            continue;
        }
        match open_folder(folder, name.as_c_str()) {
            Ok(inner) => measure(&inner, measured, seen, depth + 1)?,
            // It went away, or became something else.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Where a file's data are, between its holes: each from and to, in order.
pub(super) fn data(file: &mut File, size: u64) -> io::Result<Vec<(u64, u64)>> {
    use rustix::fs::SeekFrom;
    let mut parts = Vec::new();
    let mut at = 0;
    while at < size {
        let from = match rustix::fs::seek(&*file, SeekFrom::Data(at)) {
            Ok(from) => from,
            // Nothing but a hole is left.
            Err(Errno::NXIO) => break,
            // The file system knows no holes.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(vec![(0, size)]),
            Err(error) => return Err(error.into()),
        };
        let to = rustix::fs::seek(&*file, SeekFrom::Hole(from))
            .unwrap_or(size)
            .min(size);
        if to <= from {
            break;
        }
        parts.push((from, to));
        at = to;
    }
    file.rewind()?;
    Ok(parts)
}
