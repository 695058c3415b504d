//! The image that the scenarios run: a static busybox and one static program, `image/web.rs`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::engine::Engine;

/// On each engine under the same name, which also says what is in it.
pub const IMAGE: &str = "localhost/pluvio-scenarios/web:8";

/// Its program, started as `/serve`.
const SERVE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/image/web.rs");

/// Lays out the rest.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/image/root");

/// Imports the image unless the engine has it.
pub fn ensure(engine: &Engine) {
    let path = format!("/images/{IMAGE}/json");
    if engine.request("GET", &path, None).0 == 200 {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let archive = root(folder.path());
    // The tag is part of `repo`: Podman 4 does not read `tag`.
    let import = format!("/images/create?fromSrc=-&repo={IMAGE}");
    engine.request("POST", &import, Some(&archive));
    if engine.name == "podman" {
        remove_podmans_copy(&archive);
    }
    let (status, answer) = engine.request("GET", &path, None);
    assert_eq!(status, 200, "{IMAGE} was not imported: {answer}");
}

/// Podman 4 leaves a copy of what was imported in its temporary folder.
fn remove_podmans_copy(archive: &Path) {
    let content = std::fs::read(archive).expect("the archive");
    for entry in std::fs::read_dir("/var/tmp")
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("api_load.tar")
            && std::fs::read(entry.path()).is_ok_and(|copy| copy == content)
        {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// The image's file system as an archive.
fn root(folder: &Path) -> PathBuf {
    let archive = folder.join("root.tar");
    let root = folder.join("root");
    let script = r#"
set -eu
"$5" "$1" "$2"
rustc --edition 2024 -C opt-level=1 -C target-feature=+crt-static -o "$1/serve" "$4"
tar -C "$1" --owner 0 --group 0 -cf "$3" .
"#;
    std::fs::create_dir_all(&root).expect("a folder");
    let status = Command::new("sh")
        .args(["-c", script, "sh"])
        .args([&root, folder, &archive])
        .args([SERVE, ROOT])
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "the image cannot be made: it needs rustc and the packages busybox-static and libc6-dev"
    );
    archive
}
