//! One component's log on disk: a file that is written, and full ones set aside.
//!
//! `current.log` takes new records. Full, it becomes `NUMBER-FIRST-LAST.log` (times in microseconds) and then, compressed in the
//! background, `NUMBER-FIRST-LAST.zst`. A record is a line of JSON with one-letter keys. A line that a crash cut short is
//! skipped by readers; the next one begins on a fresh line.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use pluvio_model::name::Name;
use pluvio_runtime::{LogLine, LogStream};
use serde::{Deserialize, Serialize};

/// Bytes of records before a file is set aside.
const FULL: u64 = 4 << 20;
/// Longer lines are cut: one line is not a place for a dump.
const LONGEST: usize = 64 << 10;
/// zstd's default: a good ratio at a few hundred megabytes a second.
const LEVEL: i32 = 3;

#[derive(Serialize, Deserialize)]
struct Record<'a> {
    /// Nanoseconds since 1970, as engines give them: what was collected last is found again by it.
    t: i64,
    #[serde(borrow)]
    i: std::borrow::Cow<'a, str>,
    s: char,
    #[serde(borrow)]
    x: std::borrow::Cow<'a, str>,
}

pub(crate) fn encode(line: &LogLine, out: &mut Vec<u8>) {
    let mut cut = line.text.len().min(LONGEST);
    while !line.text.is_char_boundary(cut) {
        cut -= 1;
    }
    let record = Record {
        t: i64::try_from(line.at.as_nanosecond()).unwrap_or(i64::MAX),
        i: line.instance.as_str().into(),
        s: match line.stream {
            LogStream::Out => 'o',
            LogStream::Err => 'e',
            LogStream::Pluvio => 'p',
        },
        x: line.text[..cut].into(),
    };
    serde_json::to_writer(&mut *out, &record).expect("records serialise");
    out.push(b'\n');
}

/// `None` for what is no whole record.
fn decode(component: &Name, line: &[u8]) -> Option<LogLine> {
    let record: Record = serde_json::from_slice(line).ok()?;
    Some(LogLine {
        at: Timestamp::from_nanosecond(record.t.into()).ok()?,
        component: component.clone(),
        instance: record.i.into_owned(),
        stream: match record.s {
            'o' => LogStream::Out,
            'e' => LogStream::Err,
            _ => LogStream::Pluvio,
        },
        text: record.x.into_owned(),
    })
}

/// The file that is being written.
pub(crate) struct Current {
    folder: PathBuf,
    component: Name,
    file: File,
    length: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    number: u64,
}

impl Current {
    pub(crate) fn open(folder: &Path, component: &Name) -> io::Result<Current> {
        fs::create_dir_all(folder)?;
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .open(folder.join("current.log"))?;
        let length = file.metadata()?.len();
        let number = sealed(folder)?.last().map_or(0, |segment| segment.number) + 1;
        let mut current = Current {
            folder: folder.to_owned(),
            component: component.clone(),
            file: file.try_clone()?,
            length,
            first: None,
            last: None,
            number,
        };
        if length > 0 {
            file.seek(SeekFrom::End(-1))?;
            let mut end = [0];
            file.read_exact(&mut end)?;
            if end != *b"\n" {
                current.write(b"\n")?;
            }
            for line in current.handle()?.lines()? {
                current.note(line.at);
            }
        }
        Ok(current)
    }

    fn note(&mut self, at: Timestamp) {
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(bytes);
        // What a full disk took of it counts as well: readers look at whole lines only.
        self.length = self.file.metadata().map_or(self.length, |meta| meta.len());
        written
    }

    /// Writes records that belong to lines of these times.
    pub(crate) fn append(
        &mut self,
        bytes: &[u8],
        times: impl Iterator<Item = Timestamp>,
    ) -> io::Result<()> {
        let before = self.length;
        if let Err(error) = self.write(bytes) {
            // Half a batch would be collected again and be there twice.
            if self.file.set_len(before).is_ok() {
                self.length = before;
            }
            return Err(error);
        }
        times.for_each(|at| self.note(at));
        Ok(())
    }

    pub(crate) fn is_full(&self) -> bool {
        self.length >= FULL
    }

    /// Sets the file aside and begins a new one. Returns what is to be compressed.
    pub(crate) fn seal(&mut self) -> io::Result<PathBuf> {
        let (first, last) = (
            self.first.unwrap_or(Timestamp::UNIX_EPOCH),
            self.last.unwrap_or(Timestamp::UNIX_EPOCH),
        );
        let aside = self.folder.join(format!(
            "{:08}-{}-{}.log",
            self.number,
            first.as_microsecond(),
            // Rounded up, so that the last line is not taken for one before it.
            last.as_microsecond() + 1
        ));
        fs::rename(self.folder.join("current.log"), &aside)?;
        self.file = OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .open(self.folder.join("current.log"))?;
        self.length = 0;
        self.first = None;
        self.last = None;
        self.number += 1;
        Ok(aside)
    }

    /// What is in it up to now, readable whatever happens to it later.
    pub(crate) fn handle(&self) -> io::Result<Handle> {
        Ok(Handle {
            component: self.component.clone(),
            file: File::open(self.folder.join("current.log"))?,
            length: self.length,
            compressed: false,
            first: self.first,
            last: self.last,
        })
    }
}

/// A segment set aside.
pub(crate) struct Sealed {
    pub(crate) path: PathBuf,
    pub(crate) number: u64,
    first: Timestamp,
    pub(crate) last: Timestamp,
    pub(crate) bytes: u64,
}

/// In the order they were written.
pub(crate) fn sealed(folder: &Path) -> io::Result<Vec<Sealed>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some((stem, extension)) = name.to_str().and_then(|name| name.rsplit_once('.')) else {
            continue;
        };
        if !matches!(extension, "log" | "zst") {
            continue;
        }
        let mut parts = stem.splitn(3, '-');
        let mut number = || parts.next()?.parse::<i64>().ok();
        let (Some(number), Some(first), Some(last)) = (number(), number(), number()) else {
            continue;
        };
        let (Ok(first), Ok(last)) = (
            Timestamp::from_microsecond(first),
            Timestamp::from_microsecond(last),
        ) else {
            continue;
        };
        all.push(Sealed {
            path: entry.path(),
            number: number.unsigned_abs(),
            first,
            last,
            bytes: entry.metadata().map_or(0, |meta| meta.len()),
        });
    }
    // A crash between compressing and removing leaves both forms: the plain one goes first and wins.
    all.sort_by(|a, b| (a.number, &a.path).cmp(&(b.number, &b.path)));
    all.dedup_by_key(|segment| segment.number);
    Ok(all)
}

fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "zst")
}

impl Sealed {
    fn is_compressed(&self) -> bool {
        is_compressed(&self.path)
    }

    /// `None` when it has been removed or compressed meanwhile and cannot be found again.
    pub(crate) fn handle(&self, component: &Name) -> Option<Handle> {
        let open = |path: &Path| File::open(path).ok();
        let (file, path) = match open(&self.path) {
            Some(file) => (file, self.path.clone()),
            None => {
                let compressed = self.path.with_extension("zst");
                (open(&compressed)?, compressed)
            }
        };
        Some(Handle {
            component: component.clone(),
            length: u64::MAX,
            compressed: is_compressed(&path),
            file,
            first: Some(self.first),
            last: Some(self.last),
        })
    }
}

/// Compresses every segment set aside, the oldest first: also what a process that ended left. One that has been removed
/// meanwhile is nobody's loss.
pub(crate) fn compress(folder: &Path) -> io::Result<()> {
    for segment in sealed(folder)? {
        if !segment.is_compressed() {
            match compress_one(&segment.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
    }
    Ok(())
}

/// The plain file goes when the compressed one is whole on disk.
fn compress_one(plain: &Path) -> io::Result<()> {
    let mut lines = File::open(plain)?;
    let part = plain.with_extension("part");
    let mut encoder = zstd::Encoder::new(File::create(&part)?, LEVEL)?;
    io::copy(&mut lines, &mut encoder)?;
    encoder.finish()?.sync_all()?;
    fs::rename(&part, plain.with_extension("zst"))?;
    fs::remove_file(plain)
}

/// Removes the oldest segments beyond a size, and those older than an age. What waits to be compressed has no size yet: who
/// compresses it measures again.
pub(crate) fn trim(folder: &Path, bytes: u64, age: Duration, now: Timestamp) -> io::Result<()> {
    let oldest = now - jiff::SignedDuration::try_from(age).unwrap_or(jiff::SignedDuration::MAX);
    let mut room = bytes;
    for segment in sealed(folder)?.iter().rev() {
        let fits = match segment.is_compressed() {
            true => room.checked_sub(segment.bytes),
            false => Some(room),
        };
        if fits.is_none() || segment.last < oldest {
            fs::remove_file(&segment.path)?;
        }
        room = fits.unwrap_or(0);
    }
    Ok(())
}

/// An open segment: its lines as of when it was opened.
pub(crate) struct Handle {
    component: Name,
    file: File,
    length: u64,
    compressed: bool,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl Handle {
    /// Whether a line in it may be at or after `since` and at or before `until`.
    pub(crate) fn touches(&self, since: Option<Timestamp>, until: Option<Timestamp>) -> bool {
        let (Some(first), Some(last)) = (self.first, self.last) else {
            return false;
        };
        since.is_none_or(|since| last >= since) && until.is_none_or(|until| first <= until)
    }

    /// Its lines in the order of their times (those of several instances are written as they come).
    pub(crate) fn lines(self) -> io::Result<Vec<LogLine>> {
        let mut bytes = Vec::new();
        if self.compressed {
            zstd::Decoder::new(self.file)?.read_to_end(&mut bytes)?;
        } else {
            self.file.take(self.length).read_to_end(&mut bytes)?;
        }
        let mut lines: Vec<LogLine> = bytes
            .split(|byte| *byte == b'\n')
            .filter_map(|line| decode(&self.component, line))
            .collect();
        lines.sort_by_key(|line| line.at);
        Ok(lines)
    }
}
