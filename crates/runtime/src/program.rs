//! Pluvio's own program as a root file system: nothing else has to be in an image that runs it, and nothing has to be pulled.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// A program with the libraries that the machine's loader starts it with.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    libraries: Vec<PathBuf>,
}

impl Program {
    /// Where an image has it.
    pub const IN_IMAGE: &str = "/pluvio";

    /// The program that runs, also when another one has taken its place on the disk.
    pub async fn own() -> io::Result<Program> {
        Program::at(Path::new("/proc/self/exe")).await
    }

    /// What tells the program that runs from another one in its place, without reading it.
    pub fn own_key() -> io::Result<String> {
        let about = std::fs::metadata("/proc/self/exe")?;
        let modified = about.modified()?;
        let modified = modified
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        let version = env!("CARGO_PKG_VERSION");
        Ok(format!("{version}-{}-{}", about.len(), modified.as_nanos()))
    }

    /// Its libraries are those that the loader names; none for a program that needs none.
    pub async fn at(path: &Path) -> io::Result<Program> {
        let asked = tokio::process::Command::new(path)
            .env_clear()
            .env("LD_TRACE_LOADED_OBJECTS", "1")
            // For a program without a loader, which would run.
            .arg("--version")
            .stdin(std::process::Stdio::null())
            .output()
            .await?;
        let text = String::from_utf8_lossy(&asked.stdout).into_owned();
        let libraries = text.lines().filter_map(|line| {
            let line = line.split_once("=>").map_or(line, |(_, path)| path).trim();
            let path = line.split_once(" (").map_or(line, |(path, _)| path);
            path.starts_with('/').then(|| PathBuf::from(path))
        });
        Ok(Program {
            path: path.to_owned(),
            libraries: libraries.collect(),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The value of `LD_LIBRARY_PATH` in the image.
    pub fn library_path(&self) -> String {
        let mut folders: Vec<String> = Vec::new();
        for folder in self.libraries.iter().filter_map(|library| library.parent()) {
            let folder = folder.to_string_lossy().into_owned();
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        folders.join(":")
    }

    /// Writes the root file system as a tar archive, with `folders` that are empty. The same program makes the same bytes.
    pub fn pack<W: Write>(&self, folders: &[&str], to: W) -> io::Result<W> {
        let mut archive = tar::Builder::new(to);
        let in_image = Path::new(Program::IN_IMAGE);
        let files = std::iter::once((self.path.as_path(), in_image)).chain(
            self.libraries
                .iter()
                .map(|one| (one.as_path(), one.as_path())),
        );
        for (from, to) in files {
            let file = std::fs::File::open(from)?;
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Regular);
            header.set_mode(0o755);
            let size = file.metadata()?.len();
            header.set_size(size);
            // A file that grows meanwhile would break the archive.
            archive.append_data(
                &mut header,
                to.strip_prefix("/").unwrap_or(to),
                file.take(size),
            )?;
        }
        for folder in folders {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(0o755);
            header.set_size(0);
            archive.append_data(&mut header, folder, io::empty())?;
        }
        archive.into_inner()
    }
}
