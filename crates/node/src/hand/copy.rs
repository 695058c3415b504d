//! A copy of a volume: owners, modes, times, links, holes and further attributes as they are.
//!
//! It begins by emptying what it writes to, so that one that was cut off begins anew. What it says, a line of JSON each, is its
//! container's log: whoever looks later knows how far it came.

use std::collections::HashMap;
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use pluvio_model::files::FileKind;
use pluvio_model::problem::{self, Problem};
use pluvio_runtime::{Copied, CopyLine};
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;

use super::tree;

/// Between two lines about the progress.
const OFTEN: Duration = Duration::from_millis(500);

fn say(said: &CopyLine) {
    let mut line = serde_json::to_vec(said).expect("what is said serialises");
    line.push(b'\n');
    let mut out = io::stdout().lock();
    // Whoever listened may be gone; the copy goes on.
    let _ = out.write_all(&line).and_then(|()| out.flush());
}

pub(super) fn run(from: &Path, to: &Path) -> ExitCode {
    match copy(from, to, &mut |said| say(&said)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            say(&CopyLine::Failed(problem));
            ExitCode::FAILURE
        }
    }
}

pub(super) fn copy(from: &Path, to: &Path, say: &mut dyn FnMut(CopyLine)) -> Result<(), Problem> {
    let tree = tree::Tree::open(from)?;
    let all = tree.measure()?;
    say(CopyLine::Begun(all));
    let open = |path: &Path| {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty())
    };
    let mut copying = Copying {
        so_far: Copied {
            of_bytes: all.bytes,
            of_files: all.files,
            ..Copied::default()
        },
        said: Instant::now(),
        say,
        linked: HashMap::new(),
        root: None,
    };
    let copied = (|| -> io::Result<()> {
        let (from, to) = (open(from)?, open(to)?);
        tree::empty(&to, 0)?;
        copying.root = Some(to.try_clone()?);
        copying.folder(&from, &to, b"", 0)?;
        let stat = rustix::fs::fstat(&from)?;
        attributes(&from, &to, &stat)?;
        // On the disk before anybody is told that it is whole.
        rustix::fs::syncfs(&to)?;
        Ok(())
    })();
    match copied {
        Ok(()) => {
            let done = copying.so_far;
            (copying.say)(CopyLine::Done(done));
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::StorageFull => Err(problem::DISK_FULL
            .problem(
                "No space is left for the copy on the engine's disk.",
                "Free space on the engine's disk, then copy again.",
            )),
        Err(error) => Err(problem::REFUSED.problem(
            format!("The copy could not be made: {error}."),
            "Read the file system's words above.",
        )),
    }
}

struct Copying<'a> {
    so_far: Copied,
    said: Instant,
    say: &'a mut dyn FnMut(CopyLine),
    /// Files with several names: where the first one was copied to.
    linked: HashMap<(u64, u64), Vec<u8>>,
    root: Option<OwnedFd>,
}

impl Copying<'_> {
    fn tell(&mut self) {
        if self.said.elapsed() > OFTEN {
            self.said = Instant::now();
            (self.say)(CopyLine::Copied(self.so_far));
        }
    }

    fn folder(
        &mut self,
        from: &OwnedFd,
        to: &OwnedFd,
        path: &[u8],
        depth: usize,
    ) -> io::Result<()> {
        if depth > tree::DEEPEST {
            return Err(io::Error::other("its folders are too deep"));
        }
        for name in tree::names(from)? {
            let inner = [path, name.to_bytes()].join(&b'/');
            match self.entry(from, to, &name, &inner, depth) {
                Ok(()) => {}
                // It is being written while it is read: what went away is not there.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                    ) =>
                {
                    self.so_far.left_out += 1;
                }
                Err(error) => {
                    let kind = error.kind();
                    return Err(match kind {
                        io::ErrorKind::StorageFull => error,
                        _ => {
                            let shown = String::from_utf8_lossy(&inner[1..]);
                            io::Error::new(kind, format!("{shown}: {error}"))
                        }
                    });
                }
            }
            self.tell();
        }
        Ok(())
    }

    fn entry(
        &mut self,
        from: &OwnedFd,
        to: &OwnedFd,
        name: &CStr,
        path: &[u8],
        depth: usize,
    ) -> io::Result<()> {
        let stat = tree::entry_stat(from, name)?;
        match tree::kind(&stat) {
            FileKind::Folder => {
                let inner = tree::open_folder(from, name)?;
                rustix::fs::mkdirat(to, name, Mode::from_raw_mode(0o700))?;
                let made = tree::open_folder(to, name)?;
                self.folder(&inner, &made, path, depth + 1)?;
                attributes(&inner, &made, &stat)?;
            }
            FileKind::File => {
                let several = stat.st_nlink > 1;
                let key = (stat.st_dev, stat.st_ino);
                if let (true, Some(first), Some(root)) =
                    (several, self.linked.get(&key), &self.root)
                {
                    rustix::fs::linkat(root, &first[1..], to, name, AtFlags::empty())?;
                    return Ok(());
                }
                let Some(source) = tree::open_file(from, name)? else {
                    self.so_far.left_out += 1;
                    return Ok(());
                };
                self.file(source, to, name, &stat)?;
                self.so_far.files += 1;
                if several {
                    self.linked.insert(key, path.to_vec());
                }
            }
            FileKind::Link => {
                let target = rustix::fs::readlinkat(from, name, Vec::new())?;
                rustix::fs::symlinkat(&target, to, name)?;
                own_link(to, name, &stat)?;
                self.so_far.files += 1;
            }
            FileKind::Other if FileType::from_raw_mode(stat.st_mode) == FileType::Fifo => {
                rustix::fs::mknodat(
                    to,
                    name,
                    FileType::Fifo,
                    Mode::from_raw_mode(stat.st_mode),
                    0,
                )?;
                own_link(to, name, &stat)?;
                rustix::fs::chmodat(
                    to,
                    name,
                    Mode::from_raw_mode(stat.st_mode & 0o7777),
                    AtFlags::empty(),
                )?;
                self.so_far.files += 1;
            }
            FileKind::Other => self.so_far.left_out += 1,
        }
        Ok(())
    }

    fn file(&mut self, mut source: File, to: &OwnedFd, name: &CStr, stat: &Stat) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let target = rustix::fs::openat(to, name, flags, Mode::from_raw_mode(0o600))?;
        let mut target = File::from(target);
        let size = source.metadata()?.len();
        let mut buffer = vec![0; super::CHUNK];
        for (from, to) in tree::data(&mut source, size)? {
            source.seek(SeekFrom::Start(from))?;
            target.seek(SeekFrom::Start(from))?;
            let mut left = to - from;
            while left > 0 {
                let most = buffer
                    .len()
                    .min(usize::try_from(left).unwrap_or(usize::MAX));
                let read = source.read(&mut buffer[..most])?;
                if read == 0 {
                    // It was cut while it was read.
                    break;
                }
                target.write_all(&buffer[..read])?;
                left -= read as u64;
                self.so_far.bytes += read as u64;
                self.tell();
            }
        }
        target.set_len(size)?;
        attributes(&source, &target, stat)
    }
}

/// Owner, further attributes, mode and times, in the order in which one does not undo the other.
fn attributes(from: impl AsFd, to: impl AsFd, stat: &Stat) -> io::Result<()> {
    let owner = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    // Who may not give files away keeps them, without what would let others act as him.
    let given = allowed(rustix::fs::fchown(&to, Some(owner.0), Some(owner.1)))?;
    let kept = if given { 0o7777 } else { 0o1777 };
    further(&from, &to)?;
    // The folder of the volume itself may be somebody else's.
    allowed(rustix::fs::fchmod(
        &to,
        Mode::from_raw_mode(stat.st_mode & kept),
    ))?;
    allowed(rustix::fs::futimens(&to, &times(stat)))?;
    Ok(())
}

/// Whether it was done: only root, or whose it is, may do everything with a file.
fn allowed(result: rustix::io::Result<()>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(Errno::PERM) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn times(stat: &Stat) -> Timestamps {
    let time = |seconds: i64, nanoseconds: u64| Timespec {
        tv_sec: seconds,
        tv_nsec: i64::try_from(nanoseconds).unwrap_or_default(),
    };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}

fn own_link(folder: &OwnedFd, name: &CStr, stat: &Stat) -> io::Result<()> {
    let owner = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    allowed(rustix::fs::chownat(
        folder,
        name,
        Some(owner.0),
        Some(owner.1),
        AtFlags::SYMLINK_NOFOLLOW,
    ))?;
    rustix::fs::utimensat(folder, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

/// Access lists, capabilities and what programs note on files. Those of the machine's own security are not the volume's.
fn further(from: impl AsFd, to: impl AsFd) -> io::Result<()> {
    let mut list = vec![0_u8; 64 << 10];
    let length = match rustix::fs::flistxattr(&from, &mut list) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for name in list[..length].split(|byte| *byte == 0) {
        let Ok(name) = std::str::from_utf8(name) else {
            continue;
        };
        let ours = name.starts_with("user.")
            || name.starts_with("system.posix_acl_")
            || name == "security.capability";
        if !ours {
            continue;
        }
        let mut value = vec![0_u8; 64 << 10];
        let length = rustix::fs::fgetxattr(&from, name, &mut value)?;
        match rustix::fs::fsetxattr(&to, name, &value[..length], XattrFlags::empty()) {
            Ok(()) | Err(Errno::PERM | Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
