//! The entries of a zip archive, as [`Room`] takes them.
//!
//! Names are taken as their bytes: UTF-8, whatever the archive says of its encoding, or refused. Old archives of Windows
//! separate folders by backslashes.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use pluvio_model::problem::Problem;
use zip::ZipArchive;

use super::archive::{Room, refused, unreadable};

/// Begins each entry of the list at a zip archive's end.
const LISTED: &[u8] = b"PK\x01\x02";
/// The kind of a file in its Unix mode.
const KIND: u32 = 0o170_000;
const SYMLINK: u32 = 0o120_000;
const FILE: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;

pub(super) fn entries(mut file: File, room: &mut Room) -> Result<(), Problem> {
    // Reading the list takes memory for each entry, so they are counted first.
    if listed(&mut file).map_err(|e| unreadable(&e))? > room.most_files().saturating_mul(2) {
        return Err(room.too_large());
    }
    file.rewind().map_err(|e| unreadable(&e))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|e| unreadable(&e))?;
    for index in 0..archive.len() {
        let raw = archive.by_index_raw(index).map_err(|e| unreadable(&e))?;
        let shown = String::from_utf8_lossy(raw.name_raw()).into_owned();
        if raw.encrypted() {
            return Err(refused(&shown, "is encrypted."));
        }
        let Ok(name) = std::str::from_utf8(raw.name_raw()) else {
            return Err(refused(&shown, "is a name that is not UTF-8."));
        };
        if name.contains('\0') {
            return Err(refused(shown.escape_debug(), "holds a zero byte."));
        }
        let name = if name.contains('/') {
            name.to_owned()
        } else {
            name.replace('\\', "/")
        };
        let mode = raw.unix_mode();
        drop(raw);
        let Some(place) = room.place(Path::new(&name))? else {
            continue;
        };
        let kind = mode.map_or(0, |mode| mode & KIND);
        if name.ends_with('/') || kind == FOLDER {
            room.folder(&place)?;
            continue;
        }
        let mut entry = archive
            .by_index(index)
            .map_err(|e| refused(&shown, &format!("cannot be unpacked: {e}.")))?;
        match kind {
            0 | FILE => room.file(&place, mode.unwrap_or(0o644), &mut entry)?,
            SYMLINK => {
                let mut to = String::new();
                (&mut entry)
                    .take(4096)
                    .read_to_string(&mut to)
                    .map_err(|e| {
                        refused(&shown, &format!("is a link that cannot be read: {e}."))
                    })?;
                if to.is_empty() || to.contains('\0') {
                    return Err(refused(&shown, "is a link to nowhere."));
                }
                room.symlink(&place, Path::new(&to))?;
            }
            _ => return Err(refused(&shown, "is a device or a pipe.")),
        }
    }
    Ok(())
}

/// How many entries the archive can list at most: each begins with the same four bytes. Archives within it, stored as they
/// are, count as well.
fn listed(file: &mut File) -> std::io::Result<u64> {
    let mut buffer = vec![0; 256 * 1024];
    let (mut kept, mut found) = (0, 0);
    loop {
        let read = file.read(&mut buffer[kept..])?;
        if read == 0 {
            return Ok(found);
        }
        let there = kept + read;
        found += buffer[..there]
            .windows(LISTED.len())
            .filter(|window| *window == LISTED)
            .count() as u64;
        // The last three bytes may begin one that ends in the next read.
        kept = there.min(LISTED.len() - 1);
        buffer.copy_within(there - kept..there, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use pluvio_model::problem;
    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    use super::super::archive::{ArchiveLimits, is_archive, unpack};
    use super::*;

    /// A name, a Unix mode with its kind, a content.
    type Row<'a> = (&'a str, u32, &'a [u8]);

    fn archive(folder: &Path, rows: &[Row]) -> PathBuf {
        let path = folder.join("a.zip");
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        for (name, mode, content) in rows {
            let options = SimpleFileOptions::default()
                .compression_method(CompressionMethod::Deflated)
                .unix_permissions(mode & 0o777);
            match mode & KIND {
                SYMLINK => zip
                    .add_symlink(*name, std::str::from_utf8(content).unwrap(), options)
                    .unwrap(),
                _ => {
                    zip.start_file(*name, options).unwrap();
                    zip.write_all(content).unwrap();
                }
            }
        }
        zip.finish().unwrap();
        path
    }

    /// Writes one name in place of another of the same length, as no library would.
    fn renamed(archive: &Path, from: &[u8], to: &[u8]) {
        assert_eq!(from.len(), to.len());
        let mut bytes = fs::read(archive).unwrap();
        for at in 0..bytes.len() - from.len() {
            if bytes[at..].starts_with(from) {
                bytes[at..at + to.len()].copy_from_slice(to);
            }
        }
        fs::write(archive, bytes).unwrap();
    }

    fn unpacked(file: &Path, into: &Path) -> Result<u64, Problem> {
        unpack(file, into, &ArchiveLimits::default())
    }

    #[test]
    fn files_their_modes_and_links_are_kept_and_a_single_folder_is_lifted() {
        let folder = tempfile::tempdir().unwrap();
        let rows: [Row; 5] = [
            ("shop-1/run.sh", 0o755, b"#!/bin/sh\n"),
            ("shop-1/web/ü.txt", 0o644, "grüße".as_bytes()),
            ("shop-1/again", SYMLINK | 0o777, b"run.sh"),
            ("shop-1/.git/config", 0o644, b"secret"),
            ("shop-1/./plain", 0o640, b""),
        ];
        let file = archive(folder.path(), &rows);
        assert!(is_archive(&file));
        let into = folder.path().join("into");
        assert_eq!(unpacked(&file, &into), Ok(4));
        let mode = |name: &str| into.join(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("run.sh"), mode("plain")), (0o755, 0o644));
        assert_eq!(
            fs::read(into.join("web/ü.txt")).unwrap(),
            "grüße".as_bytes()
        );
        assert_eq!(fs::read(into.join("again")).unwrap(), b"#!/bin/sh\n");
        assert!(!into.join(".git").exists());
    }

    #[test]
    fn what_leads_out_is_refused_by_name() {
        for rows in [
            [("a/../../evil", 0o644, &b"x"[..]), ("b", 0o644, b"")],
            [("link", SYMLINK, b"/etc/passwd"), ("b", 0o644, b"")],
            [("a/link", SYMLINK, b"../../etc"), ("b", 0o644, b"")],
            [("up", SYMLINK, b"."), ("up/x", 0o644, b"x")],
            [("a", 0o644, b"x"), ("a/b", 0o644, b"x")],
        ] {
            let folder = tempfile::tempdir().unwrap();
            let file = archive(folder.path(), &rows);
            let problem = unpacked(&file, &folder.path().join("into")).unwrap_err();
            assert!(problem.is(problem::SOURCE_ARCHIVE), "{problem}");
            assert!(!folder.path().join("evil").exists());
        }
        for (to, why) in [
            (&b"/etc/evil0"[..], "leads out"),
            (b"..\\..\\evil", "leads out"),
            (b"caf\xe9--caf\xe9", "not UTF-8"),
            (b"zero\0zero0", "zero byte"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let file = archive(folder.path(), &[("0123456789", 0o644, b"x")]);
            renamed(&file, b"0123456789", to);
            let problem = unpacked(&file, &folder.path().join("into")).unwrap_err();
            assert!(problem.is(problem::SOURCE_ARCHIVE), "{problem}");
            assert!(problem.cause.contains(why), "{problem}");
        }
    }

    #[test]
    fn bombs_are_refused_before_they_fill_a_disk() {
        let folder = tempfile::tempdir().unwrap();
        let zeros = vec![0; 8 << 20];
        let bomb = archive(folder.path(), &[("zeros", 0o644, &zeros)]);
        let small = ArchiveLimits {
            always: 1 << 20,
            ..ArchiveLimits::default()
        };
        let into = folder.path().join("into");
        let problem = unpack(&bomb, &into, &small).unwrap_err();
        assert!(problem.is(problem::SPEC_TOO_LARGE), "{problem}");
        let written = fs::metadata(into.join("zeros")).unwrap().len();
        assert!(written <= (1 << 20) + 8 * bomb.metadata().unwrap().len() * 200);

        let many: Vec<String> = (0..50).map(|number| number.to_string()).collect();
        let rows: Vec<Row> = many
            .iter()
            .map(|name| (name.as_str(), 0o644, &b""[..]))
            .collect();
        let file = archive(folder.path(), &rows);
        for files in [10, 40] {
            let limits = ArchiveLimits {
                files,
                ..ArchiveLimits::default()
            };
            let into = folder.path().join(format!("into-{files}"));
            let problem = unpack(&file, &into, &limits).unwrap_err();
            assert!(problem.is(problem::SPEC_TOO_LARGE), "{problem}");
        }
    }

    #[test]
    fn damage_is_told_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let text = "some text that is long enough to be packed, packed, packed";
        let file = archive(folder.path(), &[("a", 0o644, text.as_bytes())]);
        let whole = fs::read(&file).unwrap();
        let mut flipped = whole.clone();
        flipped[40] ^= 0xff;
        for bytes in [&whole[..whole.len() / 2], &flipped] {
            fs::write(&file, bytes).unwrap();
            let into = tempfile::tempdir().unwrap();
            let problem = unpacked(&file, &into.path().join("x")).unwrap_err();
            assert!(problem.is(problem::SOURCE_ARCHIVE), "{problem}");
        }
    }
}
