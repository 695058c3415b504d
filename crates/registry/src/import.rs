//! An engine's archive of an image (`GET /images/NAME/get`) becomes an image that was pushed.
//!
//! Archives are of two kinds, and some are both: `manifest.json` with layers beside it (Docker, Podman), and an OCI layout (Docker
//! with containerd's store; Docker 25 and newer). Layers that are compressed stay as they are, plain ones are compressed without
//! time and name: the same image gives the same manifest, and so the same digest. Each is compressed once: which content a plain
//! layer became is kept beside.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::StreamExt;
use pluvio_model::id::TeamId;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Digest as _;
use tokio::io::AsyncRead;

use crate::Registry;
use crate::contents::{self, Folder, WORK};
use crate::failure::{Code, Failure};
use crate::layer::{self, Hashed};
use crate::manifest::{Manifest, OCI_MANIFEST};
use crate::name::{Digest, Reference, Repository};

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Which content a plain layer became: `images/layers/DIFF-ID`.
pub(crate) const LAYERS: &str = "images/layers";
/// The most files of an archive; an image has at most 127 layers.
const FILES: usize = 4096;
/// The largest text in an archive: manifests, configurations.
const TEXT: u64 = 8 << 20;

/// A file of the archive, on disk.
#[derive(Debug, Clone)]
struct Part {
    path: PathBuf,
    digest: Digest,
    bytes: u64,
}

/// The files of an archive by name; names that lead to others.
#[derive(Debug, Default)]
struct Parts {
    files: BTreeMap<String, Part>,
    links: BTreeMap<String, String>,
}

/// An image as the archive has it.
struct Image {
    /// As it stands in the archive, where it does.
    manifest: Option<Part>,
    config: Part,
    layers: Vec<Part>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    layers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    digest: String,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    architecture: String,
}

#[derive(Deserialize)]
struct Layout {
    #[serde(default)]
    manifests: Vec<Descriptor>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

fn unreadable(why: impl std::fmt::Display) -> Failure {
    Failure::of(
        Code::ManifestInvalid,
        format!("the image's archive cannot be read: {why}"),
    )
}

impl Registry {
    /// Makes a pushed image of an engine's archive, under a tag where one is given. The same image gives the same digest.
    pub async fn import(
        &self,
        team: TeamId,
        repository: &Repository,
        tag: Option<&str>,
        archive: impl AsyncRead + Send + Unpin + 'static,
        actor: &str,
    ) -> Result<Digest, Failure> {
        let tag = match tag.map(str::parse).transpose()? {
            Some(Reference::Tag(tag)) => Some(tag),
            Some(Reference::Digest(_)) => {
                return Err(Failure::of(Code::ManifestInvalid, "a digest is no tag"));
            }
            None => None,
        };
        let inner = &self.inner;
        let room = inner.store.check_image_quota(team, 1, inner.settings.quota);
        room.await?;
        let marker = format!("{WORK}/{}/begun", uuid::Uuid::now_v7());
        let begun = contents::begin(&inner.blobs, &marker.parse().map_err(Failure::from)?).await?;
        let work = Folder(begun.parent().map(Path::to_owned).unwrap_or_default());
        let folder = work.0.clone();
        let archive = Fetched::of(archive);
        let image = blocking(move || unpack(archive, &folder)?.image()).await?;
        let config: Config = serde_json::from_slice(&image.config.text()?).map_err(unreadable)?;
        if config.rootfs.diff_ids.len() != image.layers.len() {
            return Err(unreadable(
                "it has not as many layers as its configuration names",
            ));
        }
        let mut layers = Vec::new();
        let mut as_it_was = image.manifest.is_some();
        for (layer, diff_id) in image.layers.iter().zip(&config.rootfs.diff_ids) {
            let path = layer.path.clone();
            let kind = blocking(move || layer::media_type(&path).map_err(unreadable)).await?;
            let (kind, digest, bytes) = match kind {
                Some(kind) => {
                    self.hold(team, repository, layer, &layer.digest).await?;
                    (kind, layer.digest.clone(), layer.bytes)
                }
                None => {
                    as_it_was = false;
                    if layer.digest.as_str() != diff_id {
                        return Err(unreadable(format!("the layer {diff_id} is damaged")));
                    }
                    let (digest, bytes) = self.plain_layer(team, repository, layer).await?;
                    (layer::COMPRESSED, digest, bytes)
                }
            };
            layers.push(json!({ "mediaType": kind, "digest": digest.as_str(), "size": bytes }));
        }
        self.hold(team, repository, &image.config, &image.config.digest)
            .await?;
        let bytes = match image.manifest.filter(|_| as_it_was) {
            Some(manifest) => manifest.text()?,
            None => {
                let config = json!({ "mediaType": CONFIG, "digest": image.config.digest.as_str(), "size": image.config.bytes });
                let manifest = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers });
                manifest.to_string().into_bytes()
            }
        };
        let manifest = Manifest::read(&bytes, None)?;
        let digest = Digest::of_bytes(&bytes);
        self.keep_manifest(team, repository, (&digest, &bytes), manifest, tag, actor)
            .await?;
        Ok(digest)
    }

    /// Keeps a part as it is. Its file may serve once more in the same image, so a second name of it goes.
    async fn hold(
        &self,
        team: TeamId,
        repository: &Repository,
        part: &Part,
        digest: &Digest,
    ) -> Result<(), Failure> {
        let again = part.path.with_extension("kept");
        let (from, to) = (part.path.clone(), again.clone());
        blocking(move || match std::fs::hard_link(from, to) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(contents::trouble("a layer", error))
            }
            _ => Ok(()),
        })
        .await?;
        self.take_in(team, repository, &again, digest, part.bytes)
            .await
    }

    /// Keeps a plain layer compressed; one that was compressed before, and is still there, is taken as it is.
    async fn plain_layer(
        &self,
        team: TeamId,
        repository: &Repository,
        layer: &Part,
    ) -> Result<(Digest, u64), Failure> {
        let inner = &self.inner;
        let known = layer
            .digest
            .as_str()
            .replace("sha256:", &format!("{LAYERS}/"));
        let known = known.parse().map_err(Failure::from)?;
        if let Ok(text) = inner.blobs.read(&known, 256).await
            && let Some(digest) = std::str::from_utf8(&text)
                .ok()
                .and_then(|text| text.parse::<Digest>().ok())
        {
            let _gate = contents::Gate::shared(&inner.blobs).await?;
            if let Ok(there) = inner.blobs.info(&digest.key()).await {
                let put = inner.store.put_image_content(
                    team,
                    repository.as_str(),
                    digest.as_str(),
                    there.bytes,
                    inner.settings.quota,
                );
                put.await?;
                return Ok((digest, there.bytes));
            }
        }
        let (plain, packed) = (layer.path.clone(), layer.path.with_extension("packed"));
        let into = packed.clone();
        let compressed = blocking(move || {
            layer::compress(&plain, &into).map_err(|e| contents::trouble("a layer", e))
        });
        let (digest, bytes) = compressed.await?;
        self.take_in(team, repository, &packed, &digest, bytes)
            .await?;
        inner
            .blobs
            .put_bytes(&known, digest.as_str().as_bytes())
            .await?;
        Ok((digest, bytes))
    }
}

/// An archive as it arrives, for a thread that reads it; a few pieces ahead.
struct Fetched {
    queue: tokio::sync::mpsc::Receiver<std::io::Result<Bytes>>,
    piece: Bytes,
}

impl Fetched {
    fn of(archive: impl AsyncRead + Send + Unpin + 'static) -> Fetched {
        let (send, queue) = tokio::sync::mpsc::channel(4);
        tokio::spawn(async move {
            let mut pieces = tokio_util::io::ReaderStream::with_capacity(archive, 256 * 1024);
            while let Some(piece) = pieces.next().await {
                if send.send(piece).await.is_err() {
                    return;
                }
            }
        });
        Fetched {
            queue,
            piece: Bytes::new(),
        }
    }
}

impl Read for Fetched {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        while self.piece.is_empty() {
            match self.queue.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let bytes = into.len().min(self.piece.len());
        into[..bytes].copy_from_slice(&self.piece.split_to(bytes));
        Ok(bytes)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::internal("an import", error))?
}

/// Writes every file of the archive below `folder` under a number, hashing it.
fn unpack(archive: impl Read, folder: &Path) -> Result<Parts, Failure> {
    let mut archive = tar::Archive::new(archive);
    let mut parts = Parts::default();
    for (number, entry) in archive.entries().map_err(unreadable)?.enumerate() {
        if number >= FILES {
            return Err(unreadable(format!("it has more than {FILES} files")));
        }
        let mut entry = entry.map_err(unreadable)?;
        let name = clean(&entry.path().map_err(unreadable)?.to_string_lossy());
        match entry.header().entry_type() {
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                let path = folder.join(number.to_string());
                let mut to = Hashed {
                    to: File::create_new(&path)
                        .map_err(|error| contents::trouble("an import", error))?,
                    hash: sha2::Sha256::new(),
                    bytes: 0,
                };
                let copied = copy(&mut entry, &mut to);
                copied.map_err(|error| match error.kind() {
                    std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                        contents::trouble("an import", error)
                    }
                    _ => unreadable(error),
                })?;
                let part = Part {
                    path,
                    digest: Digest::of(to.hash),
                    bytes: to.bytes,
                };
                parts.files.insert(name, part);
            }
            tar::EntryType::Symlink | tar::EntryType::Link => {
                let target = entry.link_name().map_err(unreadable)?.unwrap_or_default();
                let target = target.to_string_lossy();
                let beside = match (entry.header().entry_type(), name.rsplit_once('/')) {
                    (tar::EntryType::Symlink, Some((folder, _))) => format!("{folder}/{target}"),
                    _ => target.into_owned(),
                };
                parts.links.insert(name, clean(&beside));
            }
            _ => {}
        }
    }
    Ok(parts)
}

/// In large pieces: layers are most of what passes here.
fn copy(from: &mut impl Read, to: &mut impl std::io::Write) -> std::io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            read => to.write_all(&buffer[..read])?,
        }
    }
}

/// A name without `.`, and with `..` followed: it is only looked up, never opened.
fn clean(name: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(kept.pop()),
            part => kept.push(part),
        }
    }
    kept.join("/")
}

impl Part {
    fn text(&self) -> Result<Vec<u8>, Failure> {
        if self.bytes > TEXT {
            return Err(unreadable(format!("a text in it has {} bytes", self.bytes)));
        }
        std::fs::read(&self.path).map_err(|error| contents::trouble("an import", error))
    }
}

impl Parts {
    fn get(&self, name: &str) -> Option<&Part> {
        let mut name = clean(name);
        for _ in 0..8 {
            match self.links.get(&name) {
                Some(target) => name.clone_from(target),
                None => break,
            }
        }
        self.files.get(&name)
    }

    fn blob(&self, digest: &str) -> Option<&Part> {
        self.get(&format!("blobs/{}", digest.replace(':', "/")))
    }

    fn image(&self) -> Result<Image, Failure> {
        if let Some(index) = self.get("index.json")
            && let Some(image) = self.of_layout(index, 0)?
        {
            return Ok(image);
        }
        let saved = self
            .get("manifest.json")
            .ok_or_else(|| unreadable("it has no manifest"))?;
        let saved: Vec<Saved> = serde_json::from_slice(&saved.text()?).map_err(unreadable)?;
        let saved = saved
            .first()
            .ok_or_else(|| unreadable("it holds no image"))?;
        let part = |name: &String| {
            self.get(name)
                .cloned()
                .ok_or_else(|| unreadable(format!("it has no {name}")))
        };
        Ok(Image {
            manifest: None,
            config: part(&saved.config)?,
            layers: saved.layers.iter().map(part).collect::<Result<_, _>>()?,
        })
    }

    /// The first image below an index that is whole in the archive: of other platforms there may be a manifest and no more.
    fn of_layout(&self, part: &Part, depth: u8) -> Result<Option<Image>, Failure> {
        let bytes = part.text()?;
        let value: Value = serde_json::from_slice(&bytes).map_err(unreadable)?;
        let layout: Layout = serde_json::from_value(value).map_err(unreadable)?;
        if let Some(config) = layout.config {
            let layers: Option<Vec<Part>> = layout
                .layers
                .iter()
                .map(|layer| self.blob(&layer.digest).cloned())
                .collect();
            return Ok(match (self.blob(&config.digest), layers) {
                (Some(config), Some(layers)) => Some(Image {
                    manifest: Some(part.clone()),
                    config: config.clone(),
                    layers,
                }),
                _ => None,
            });
        }
        // What was noted about the build stands beside the images as one of an unknown platform.
        let images = layout.manifests.iter().filter(|one| {
            one.platform
                .as_ref()
                .is_none_or(|platform| platform.architecture != "unknown")
        });
        for one in images {
            if depth < 4
                && let Some(part) = self.blob(&one.digest)
                && let Some(image) = self.of_layout(part, depth + 1)?
            {
                return Ok(Some(image));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_archives_lead_nowhere_else() {
        for (name, cleaned) in [
            ("./a/b", "a/b"),
            ("a/../../b", "b"),
            ("/etc/passwd", "etc/passwd"),
            ("a/./b//c", "a/b/c"),
        ] {
            assert_eq!(clean(name), cleaned);
        }
    }
}
