//! Parts of a machine that break: an engine of a test's own, a small disk, a database, a clock.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::engine::Engine;
use crate::image;

/// The repository's folder of scripts.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../scripts")
        .join(name)
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// An engine that a test may kill and start again, with all it holds in a folder.
#[derive(Debug)]
pub struct PrivateEngine {
    pub engine: Engine,
    folder: tempfile::TempDir,
}

impl PrivateEngine {
    pub fn start(name: &'static str) -> PrivateEngine {
        let folder = tempfile::Builder::new()
            .prefix("pluvio-e-")
            .tempdir_in("/var/tmp")
            .expect("a folder");
        let socket = folder.path().join(format!("{name}.sock"));
        let private = PrivateEngine {
            engine: Engine::at(name, &socket),
            folder,
        };
        private.up();
        image::ensure(&private.engine);
        private
    }

    /// Starts it, again after [`PrivateEngine::down`].
    pub fn up(&self) {
        self.script("start");
    }

    /// Ends the daemon; containers may go on.
    pub fn down(&self) {
        self.script("stop");
    }

    fn script(&self, verb: &str) {
        let mut command = Command::new(script("engine"));
        command
            .args([verb, self.engine.name, "--root"])
            .arg(self.folder.path());
        run(&mut command);
    }
}

impl Drop for PrivateEngine {
    fn drop(&mut self) {
        let mut command = Command::new(script("engine"));
        command
            .args(["stop", self.engine.name, "--root"])
            .arg(self.folder.path());
        let _ = command.stdin(Stdio::null()).stderr(Stdio::null()).status();
        // What is still mounted below would keep the folder from being removed.
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
        let below = self.folder.path().display().to_string();
        for mount in mounts
            .lines()
            .rev()
            .filter_map(|line| line.split(' ').nth(1))
        {
            if mount.starts_with(&below) {
                let _ = Command::new("umount")
                    .args(["-l", mount])
                    .stderr(Stdio::null())
                    .status();
            }
        }
    }
}

/// A disk of a few megabytes.
#[derive(Debug)]
pub struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    pub fn new(megabytes: u64) -> SmallDisk {
        let folder = tempfile::Builder::new()
            .prefix("pluvio-d-")
            .tempdir()
            .expect("a folder");
        let (image, mount) = (folder.path().join("image"), folder.path().join("disk"));
        std::fs::File::create(&image)
            .and_then(|file| file.set_len(megabytes << 20))
            .expect("an image");
        std::fs::create_dir(&mount).expect("a folder");
        run(Command::new("mkfs.ext4")
            .args(["-q", "-F", "-m", "0"])
            .arg(&image));
        run(Command::new("mount")
            .args(["-o", "loop"])
            .arg(&image)
            .arg(&mount));
        SmallDisk { folder }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// Takes all that is free.
    pub fn fill(&self) {
        let _ = Command::new("dd")
            .args([
                "if=/dev/zero",
                "bs=64k",
                &format!("of={}", self.path().join("filler").display()),
            ])
            .stderr(Stdio::null())
            .status();
    }

    pub fn free(&self) {
        std::fs::remove_file(self.path().join("filler")).expect("the filler");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// A database of a test's own on the server at `PLUVIO_TEST_POSTGRES`, or on the one `scripts/postgres` runs; removed at the end.
#[derive(Debug)]
pub struct Database {
    server: String,
    name: String,
}

impl Database {
    pub fn new() -> Database {
        let server = std::env::var("PLUVIO_TEST_POSTGRES").unwrap_or_else(|_| {
            let mut command = Command::new(script("postgres"));
            let text = run(command.arg("start"));
            text.lines().last().unwrap_or_default().to_owned()
        });
        let name = format!("scenario_{}", std::process::id());
        let database = Database { server, name };
        database.statement(&format!("CREATE DATABASE {}", database.name));
        database
    }

    pub fn url(&self) -> String {
        let (start, _) = self
            .server
            .rsplit_once('/')
            .expect("an address with a database");
        format!("{start}/{}", self.name)
    }

    fn statement(&self, sql: &str) {
        run(Command::new("psql").args(["-qX", "-v", "ON_ERROR_STOP=1", "-c", sql, &self.server]));
    }
}

impl Default for Database {
    fn default() -> Self {
        Database::new()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let _ = Command::new("psql")
            .args(["-qX", "-c", &sql, &self.server])
            .status();
    }
}

/// Variables that make a process believe in another time: `+3d`, `-2h`.
pub fn clock(offset: &str) -> Option<[(&'static str, String); 3]> {
    let library = ["x86_64", "aarch64"]
        .iter()
        .map(|machine| {
            PathBuf::from(format!(
                "/usr/lib/{machine}-linux-gnu/faketime/libfaketimeMT.so.1"
            ))
        })
        .find(|path| path.exists())?;
    Some([
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME", offset.to_owned()),
        // Waits and intervals go by the kernel's own clock, as when an operator sets the time.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ])
}
