use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};

use pluvio_model::files::Folder;
use pluvio_runtime::Copied;

use super::*;

/// A volume, and beside it what nobody may reach.
fn volume() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("volume");
    fs::create_dir_all(root.join("uploads/2026")).unwrap();
    fs::write(root.join("uploads/a.txt"), "first").unwrap();
    fs::write(folder.path().join("secret"), "of the machine").unwrap();
    (folder, root)
}

fn did(root: &Path, verb: HandVerb, input: &[u8]) -> Result<Vec<u8>, Problem> {
    let mut output = Vec::new();
    act(root, &verb, input, &mut output)?;
    Ok(output)
}

fn read(root: &Path, path: &str) -> Result<String, Problem> {
    let verb = HandVerb::Read {
        path: path.to_owned(),
        most: None,
    };
    let answer = String::from_utf8(did(root, verb, &[])?).unwrap();
    Ok(answer.split_once('\n').unwrap().1.to_owned())
}

fn write(root: &Path, path: &str, content: &str, replace: bool) -> Result<Vec<u8>, Problem> {
    let verb = HandVerb::Write {
        path: path.to_owned(),
        length: content.len() as u64,
        replace,
    };
    did(root, verb, content.as_bytes())
}

fn list(root: &Path, path: &str) -> Result<Folder, Problem> {
    let verb = HandVerb::List {
        path: path.to_owned(),
        limit: 100,
    };
    did(root, verb, &[]).map(|answer| serde_json::from_slice(&answer).unwrap())
}

#[test]
fn files_are_listed_read_written_and_removed() {
    let (_folder, root) = volume();
    assert_eq!(read(&root, "uploads/a.txt").unwrap(), "first");
    write(&root, "uploads/2026/b.txt", "second", false).unwrap();
    let again = write(&root, "uploads/2026/b.txt", "third", false).unwrap_err();
    assert_eq!(again.code, "refused");
    write(&root, "uploads/2026/b.txt", "third", true).unwrap();
    assert_eq!(read(&root, "/uploads//2026/b.txt").unwrap(), "third");
    let shown = list(&root, "uploads").unwrap();
    let names: Vec<_> = shown.entries.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(names, ["2026", "a.txt"], "folders first");
    assert_eq!(shown.entries[1].size, 5);
    let remove = |recursive| HandVerb::Remove {
        path: "uploads".to_owned(),
        recursive,
    };
    assert_eq!(did(&root, remove(false), &[]).unwrap_err().code, "refused");
    did(&root, remove(true), &[]).unwrap();
    assert_eq!(list(&root, "").unwrap().entries, []);
    assert_eq!(read(&root, "uploads/a.txt").unwrap_err().code, "not-found");
}

#[test]
fn what_is_cut_off_changes_nothing() {
    let (_folder, root) = volume();
    let verb = HandVerb::Write {
        path: "uploads/a.txt".to_owned(),
        length: 100,
        replace: true,
    };
    let problem = did(&root, verb, b"only so much").unwrap_err();
    assert!(
        problem.cause.contains("did not come to its end"),
        "{problem}"
    );
    assert_eq!(read(&root, "uploads/a.txt").unwrap(), "first");
    assert_eq!(
        list(&root, "uploads").unwrap().entries.len(),
        2,
        "no part is left"
    );
}

#[test]
fn no_path_and_no_link_leads_out() {
    let (folder, root) = volume();
    symlink("../secret", root.join("file")).unwrap();
    symlink("..", root.join("up")).unwrap();
    symlink(folder.path(), root.join("uploads/absolute")).unwrap();
    symlink("uploads", root.join("inner")).unwrap();
    for path in [
        "../secret",
        "uploads/../../secret",
        "file",
        "up/secret",
        "uploads/absolute/secret",
        "inner/a.txt",
        "./uploads/a.txt",
    ] {
        let problem = read(&root, path).unwrap_err();
        assert!(
            matches!(problem.code.as_str(), "refused" | "request.invalid"),
            "{path}: {problem}"
        );
        let problem = write(&root, path, "changed", true).unwrap_err();
        assert!(
            matches!(problem.code.as_str(), "refused" | "request.invalid"),
            "{path}: {problem}"
        );
    }
    for path in ["up", "uploads/absolute", "..", "inner"] {
        assert!(list(&root, path).is_err(), "{path}");
    }
    let make = HandVerb::MakeFolder {
        path: "up/made".to_owned(),
    };
    assert!(did(&root, make, &[]).is_err());
    let secret = fs::read_to_string(folder.path().join("secret")).unwrap();
    assert_eq!(secret, "of the machine");
    // A link is shown with where it points, removed as itself, and archived as a link.
    let shown = list(&root, "").unwrap();
    let up = shown
        .entries
        .iter()
        .find(|entry| entry.name == "up")
        .unwrap();
    assert_eq!(
        (up.kind, up.target.as_deref()),
        (FileKind::Link, Some(".."))
    );
    let archive = HandVerb::Read {
        path: String::new(),
        most: None,
    };
    let answer = did(&root, archive, &[]).unwrap();
    let start = answer.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let mut archive = tar::Archive::new(&answer[start..]);
    let kinds: Vec<_> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (
                entry.path().unwrap().to_string_lossy().into_owned(),
                entry.header().entry_type(),
            )
        })
        .collect();
    assert!(kinds.contains(&("file".to_owned(), tar::EntryType::Symlink)));
    assert!(kinds.contains(&("uploads/a.txt".to_owned(), tar::EntryType::Regular)));
    for name in ["file", "up"] {
        let remove = HandVerb::Remove {
            path: name.to_owned(),
            recursive: true,
        };
        did(&root, remove, &[]).unwrap();
    }
    assert!(folder.path().join("secret").exists());
}

#[test]
fn a_pipe_is_shown_and_not_waited_for() {
    let (_folder, root) = volume();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, root.join("pipe"), kind, mode, 0).unwrap();
    assert_eq!(read(&root, "pipe").unwrap_err().code, "refused");
    assert_eq!(write(&root, "pipe", "x", true).unwrap_err().code, "refused");
}

#[test]
fn a_copy_is_like_its_source_and_begins_anew() {
    let (folder, root) = volume();
    let sparse = fs::File::create(root.join("sparse")).unwrap();
    sparse.write_at(b"begin", 0).unwrap();
    sparse.write_at(b"end", 64 << 20).unwrap();
    fs::set_permissions(root.join("uploads"), fs::Permissions::from_mode(0o2750)).unwrap();
    fs::set_permissions(
        root.join("uploads/a.txt"),
        fs::Permissions::from_mode(0o640),
    )
    .unwrap();
    fs::hard_link(root.join("uploads/a.txt"), root.join("again")).unwrap();
    symlink("/etc/passwd", root.join("link")).unwrap();
    let copy = folder.path().join("copy");
    fs::create_dir_all(copy.join("half")).unwrap();
    fs::write(copy.join("half/written"), "by one that was cut off").unwrap();
    let mut said = Vec::new();
    super::copy::copy(&root, &copy, &mut |line| said.push(line)).unwrap();
    let Some(pluvio_runtime::CopyLine::Done(Copied {
        files, left_out, ..
    })) = said.last()
    else {
        panic!("{said:?}");
    };
    assert_eq!((*files, *left_out), (3, 0));
    assert!(!copy.join("half").exists());
    assert_eq!(
        fs::read_link(copy.join("link")).unwrap(),
        Path::new("/etc/passwd")
    );
    let there = |path: &str| fs::symlink_metadata(copy.join(path)).unwrap();
    let here = |path: &str| fs::symlink_metadata(root.join(path)).unwrap();
    for path in ["uploads", "uploads/a.txt", "sparse", "again"] {
        assert_eq!(there(path).mode(), here(path).mode(), "{path}");
        assert_eq!(there(path).mtime_nsec(), here(path).mtime_nsec(), "{path}");
        assert_eq!(there(path).uid(), here(path).uid(), "{path}");
    }
    assert_eq!(there("again").ino(), there("uploads/a.txt").ino());
    assert_eq!(there("sparse").len(), here("sparse").len());
    assert!(there("sparse").blocks() < 1024, "its hole is a hole");
    assert_eq!(
        fs::read(copy.join("sparse")).unwrap(),
        fs::read(root.join("sparse")).unwrap()
    );
}
