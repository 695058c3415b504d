//! Removing what nobody needs: rows by rule (the store's), then files that no row names, then what pushes left unfinished.

use std::collections::BTreeSet;
use std::time::Duration;

use pluvio_store::{CollectRule, Collected};

use crate::Registry;
use crate::contents::{CONTENTS, Gate};
use crate::failure::Failure;
use crate::import::LAYERS;
use crate::name::Digest;

/// How long an upload that nobody goes on with is kept.
const UNFINISHED: Duration = Duration::from_secs(3600);
/// Files that are looked at while pushes wait.
const BATCH: usize = 64;

/// What a collection removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    pub rows: Collected,
    /// Files, and their bytes.
    pub files: u64,
    pub bytes: u64,
    /// Uploads that nobody went on with.
    pub uploads: u64,
}

impl Registry {
    /// Collects by the rule of the settings. `keep`: digests of manifests that stay whatever the rule says.
    pub async fn collect(&self, keep: BTreeSet<String>) -> Result<Swept, Failure> {
        let settings = &self.inner.settings;
        let rule = CollectRule {
            grace: settings.grace,
            keep_tags: settings.keep_tags,
            keep,
        };
        let rows = self.inner.store.collect_images(&rule).await?;
        let (files, bytes) = self.sweep_files().await?;
        self.forget_layers().await?;
        let uploads = self.sweep_uploads(UNFINISHED).await?;
        Ok(Swept {
            rows,
            files,
            bytes,
            uploads,
        })
    }

    /// Files that no repository holds. A push that moves one into place waits meanwhile, and writes its row before the next look.
    async fn sweep_files(&self) -> Result<(u64, u64), Failure> {
        let inner = &self.inner;
        let (mut files, mut bytes) = (0, 0);
        for batch in inner.blobs.list(CONTENTS).await?.chunks(BATCH) {
            let _gate = Gate::alone(&inner.blobs).await?;
            let digest = |key| Digest::of_key(key).map(|digest| digest.as_str().to_owned());
            let digests: Vec<String> = batch
                .iter()
                .filter_map(|found| digest(&found.key))
                .collect();
            let held = inner.store.held_images(&digests).await?;
            for found in batch {
                if digest(&found.key).is_some_and(|digest| !held.contains(&digest)) {
                    inner.blobs.delete(&found.key).await?;
                    files += 1;
                    bytes += found.bytes;
                }
            }
        }
        Ok((files, bytes))
    }

    /// What plain layers became, of contents that went.
    async fn forget_layers(&self) -> Result<(), Failure> {
        let blobs = &self.inner.blobs;
        for known in blobs.list(LAYERS).await? {
            let text = blobs.read(&known.key, 256).await.unwrap_or_default();
            let digest = std::str::from_utf8(&text).ok();
            let digest = digest.and_then(|text| text.parse::<Digest>().ok());
            let there = match digest {
                Some(digest) => blobs.info(&digest.key()).await.is_ok(),
                None => false,
            };
            if !there {
                blobs.delete(&known.key).await?;
            }
        }
        Ok(())
    }
}
