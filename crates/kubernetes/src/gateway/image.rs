//! The image of the gateway: Pluvio's own program and nothing else, as an archive that registries, engines and nodes import.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use pluvio_runtime::Program;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Nobody's user: the program needs no rights.
pub(super) const USER: i64 = 65532;

/// An image in an archive (an OCI image layout in a tar).
#[derive(Debug, Clone)]
pub struct Archived {
    pub path: PathBuf,
    /// Of its manifest, `sha256:…`: what a reference by digest names. The same for the same program.
    pub digest: String,
}

/// Writes the image of a program to `to`, called `reference`; `None`: of the one that runs. Takes about as much space again
/// while it is made.
///
/// # Errors
/// The program or its libraries cannot be read, or the archive cannot be written.
pub async fn archive(program: Option<&Path>, reference: &str, to: &Path) -> io::Result<Archived> {
    let program = match program {
        Some(path) => Program::at(path).await?,
        None => Program::own().await?,
    };
    let (reference, to) = (reference.to_owned(), to.to_owned());
    tokio::task::spawn_blocking(move || write(&program, &reference, &to))
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn write(program: &Program, reference: &str, to: &Path) -> io::Result<Archived> {
    let folder = to.parent().unwrap_or(Path::new("."));
    let packed = tempfile::NamedTempFile::new_in(folder)?;
    let layer = Hashed::new(BufWriter::new(packed.as_file()));
    let plain = Hashed::new(GzEncoder::new(layer, Compression::fast()));
    let plain = program.pack(&["etc", "proc", "sys", "dev"], plain)?;
    let (zipped, diff, _) = plain.end();
    let (mut file, layer, size) = zipped.finish()?.end();
    file.flush()?;
    drop(file);

    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "config": {
            "Entrypoint": [Program::IN_IMAGE],
            "Env": [format!("LD_LIBRARY_PATH={}", program.library_path())],
            "User": format!("{USER}:{USER}"),
            "WorkingDir": "/",
        },
        "rootfs": { "type": "layers", "diff_ids": [diff] },
    })
    .to_string();
    let manifest_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": manifest_type,
        "config": blob("application/vnd.oci.image.config.v1+json", config.as_bytes()),
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": layer,
            "size": size,
        }],
    })
    .to_string();
    let mut named = blob(manifest_type, manifest.as_bytes());
    // What containerd, and what everybody else reads.
    named["annotations"] = json!({
        "io.containerd.image.name": reference,
        "org.opencontainers.image.ref.name": reference,
    });
    let index = json!({ "schemaVersion": 2, "manifests": [named] }).to_string();

    let mut out = tar::Builder::new(BufWriter::new(File::create(to)?));
    add(&mut out, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    add(&mut out, "index.json", index.as_bytes())?;
    add(
        &mut out,
        &place(&digest(config.as_bytes())),
        config.as_bytes(),
    )?;
    add(
        &mut out,
        &place(&digest(manifest.as_bytes())),
        manifest.as_bytes(),
    )?;
    let mut head = header(size);
    out.append_data(
        &mut head,
        place(&layer),
        BufReader::new(packed.reopen()?).take(size),
    )?;
    out.into_inner()?
        .into_inner()
        .map_err(|error| error.into_error())?;
    Ok(Archived {
        path: to.to_owned(),
        digest: digest(manifest.as_bytes()),
    })
}

fn blob(media_type: &str, content: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(content), "size": content.len() })
}

fn digest(content: &[u8]) -> String {
    named(Sha256::digest(content).as_slice())
}

fn named(hash: &[u8]) -> String {
    use std::fmt::Write;
    hash.iter().fold("sha256:".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn place(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}

fn header(size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(size);
    header
}

fn add<W: Write>(to: &mut tar::Builder<W>, path: &str, content: &[u8]) -> io::Result<()> {
    to.append_data(&mut header(content.len() as u64), path, content)
}

/// Passes on what is written, and knows its digest.
struct Hashed<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
}

impl<W> Hashed<W> {
    fn new(inner: W) -> Hashed<W> {
        Hashed {
            inner,
            hash: Sha256::new(),
            bytes: 0,
        }
    }

    fn end(self) -> (W, String, u64) {
        (
            self.inner,
            named(self.hash.finalize().as_slice()),
            self.bytes,
        )
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        let taken = self.inner.write(content)?;
        self.hash.update(&content[..taken]);
        self.bytes += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_same_program_is_the_same_image_and_every_digest_is_true() {
        let folder = tempfile::tempdir().unwrap();
        let reference = "pluvio.invalid/pluvio/gateway:1";
        let program = Path::new("/bin/sh");
        let one = archive(Some(program), reference, &folder.path().join("one.tar")).await;
        let two = archive(Some(program), reference, &folder.path().join("two.tar")).await;
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(one.digest, two.digest);
        assert_eq!(
            std::fs::read(&one.path).unwrap(),
            std::fs::read(&two.path).unwrap()
        );
        let mut blobs = 0;
        let mut archive = tar::Archive::new(File::open(&one.path).unwrap());
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            match path.strip_prefix("blobs/sha256/") {
                Some(hash) => {
                    assert_eq!(digest(&content), format!("sha256:{hash}"));
                    blobs += 1;
                }
                None if path == "index.json" => {
                    let index: Value = serde_json::from_slice(&content).unwrap();
                    assert_eq!(index["manifests"][0]["digest"], one.digest);
                }
                None => assert_eq!(path, "oci-layout"),
            }
        }
        assert_eq!(blobs, 3);
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 2, "what it was made with is gone");
    }
}
