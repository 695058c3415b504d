//! Which images are kept: mark by tags, indexes, subjects and what runs, then sweep what is older than the grace.
//!
//! It is safe beside pushes: whatever was pushed, mounted or asked for within the grace stays, and a manifest is only taken in one
//! transaction with the check that all it names is there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::audit::record;
use crate::row::Columns;
use crate::transaction::{Tx, transaction};
use crate::{Result, Store};

/// What is collected, and what never is.
#[derive(Debug, Clone, Default)]
pub struct CollectRule {
    /// What was pushed or asked for so recently stays.
    pub grace: Duration,
    /// The newest tags of each repository that stay; all when absent.
    pub keep_tags: Option<usize>,
    /// Digests of manifests that stay whatever the rule says: what releases refer to.
    pub keep: BTreeSet<String>,
}

/// What went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    pub tags: u64,
    pub manifests: u64,
    /// Contents that a repository held for nothing.
    pub contents: u64,
}

impl std::ops::AddAssign for Collected {
    fn add_assign(&mut self, other: Collected) {
        self.tags += other.tags;
        self.manifests += other.manifests;
        self.contents += other.contents;
    }
}

impl Store {
    /// Collects in every repository, each in a transaction of its own. Files go afterwards, see [`Store::held_images`].
    pub async fn collect_images(&self, rule: &CollectRule) -> Result<Collected> {
        let query = sqlx::query("SELECT id FROM image_repositories ORDER BY id");
        let mut all = Collected::default();
        for row in self.read_all(query).await? {
            let id = row.text("id")?;
            all += transaction!(self, tx => { collect(&mut tx, &id, rule).await })?;
        }
        Ok(all)
    }

    /// Which of these digests any repository holds.
    pub async fn held_images(&self, digests: &[String]) -> Result<BTreeSet<String>> {
        let mut held = BTreeSet::new();
        for digest in digests {
            let query = sqlx::query("SELECT digest FROM image_contents WHERE digest = $1 LIMIT 1")
                .bind(digest.clone());
            if self.read_maybe(query).await?.is_some() {
                held.insert(digest.clone());
            }
        }
        Ok(held)
    }
}

async fn collect(tx: &mut Tx, id: &str, rule: &CollectRule) -> Result<Collected> {
    let before = tx.now_ms().saturating_sub(rule.grace.as_millis() as i64);
    let mut collected = Collected::default();

    let published = sqlx::query("SELECT digest FROM image_published WHERE repository = $1");
    let rows = tx.all(published.bind(id.to_owned())).await?;
    let published: BTreeSet<String> = rows
        .iter()
        .map(|row| row.text("digest"))
        .collect::<Result<_>>()?;
    let tags = sqlx::query(
        "SELECT * FROM image_tags WHERE repository = $1 ORDER BY updated_at DESC, name",
    )
    .bind(id.to_owned());
    let mut marked: BTreeSet<String> = rule.keep.clone();
    let mut others = 0;
    for row in tx.all(tags).await? {
        let (name, digest) = (row.text("name")?, row.text("digest")?);
        // What Pluvio itself published stays while a release refers to it; what people pushed, while it is among the newest.
        let stays = match published.contains(&digest) {
            true => false,
            false => {
                others += 1;
                rule.keep_tags.is_none_or(|most| others <= most)
            }
        };
        if stays || rule.keep.contains(&digest) || row.number("updated_at")? >= before {
            marked.insert(digest);
            continue;
        }
        let delete = sqlx::query("DELETE FROM image_tags WHERE repository = $1 AND name = $2")
            .bind(id.to_owned())
            .bind(name);
        collected.tags += tx.run(delete).await?;
    }

    let manifests =
        sqlx::query("SELECT digest, subject, pushed_at FROM image_manifests WHERE repository = $1")
            .bind(id.to_owned());
    let mut subjects: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut there = BTreeSet::new();
    for row in tx.all(manifests).await? {
        let digest = row.text("digest")?;
        if row.number("pushed_at")? >= before {
            marked.insert(digest.clone());
        }
        if let Some(subject) = row.maybe_text("subject")? {
            subjects.entry(subject).or_default().push(digest.clone());
        }
        there.insert(digest);
    }
    let names = sqlx::query("SELECT manifest, digest FROM image_names WHERE repository = $1")
        .bind(id.to_owned());
    let mut parts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in tx.all(names).await? {
        parts
            .entry(row.text("manifest")?)
            .or_default()
            .push(row.text("digest")?);
    }
    // An index keeps its parts, a manifest what refers to it (signatures, bills of materials).
    let mut open: Vec<String> = marked.iter().cloned().collect();
    while let Some(digest) = open.pop() {
        let next = [parts.get(&digest), subjects.get(&digest)]
            .into_iter()
            .flatten()
            .flatten();
        for digest in next {
            if marked.insert(digest.clone()) {
                open.push(digest.clone());
            }
        }
    }
    for digest in there.difference(&marked) {
        let delete =
            sqlx::query("DELETE FROM image_manifests WHERE repository = $1 AND digest = $2")
                .bind(id.to_owned())
                .bind(digest.clone());
        collected.manifests += tx.run(delete).await?;
    }

    let unnamed = sqlx::query(
        "DELETE FROM image_contents WHERE repository = $1 AND seen_at < $2 \
         AND NOT EXISTS (SELECT 1 FROM image_names n WHERE n.repository = $1 AND n.digest = image_contents.digest) \
         AND NOT EXISTS (SELECT 1 FROM image_manifests m WHERE m.repository = $1 AND m.digest = image_contents.digest)",
    )
    .bind(id.to_owned())
    .bind(before);
    collected.contents = tx.run(unnamed).await?;
    let empty = sqlx::query(
        "DELETE FROM image_repositories WHERE id = $1 AND created_at < $2 \
         AND NOT EXISTS (SELECT 1 FROM image_contents c WHERE c.repository = $1)",
    )
    .bind(id.to_owned())
    .bind(before);
    tx.run(empty).await?;
    if collected != Collected::default() {
        let result = format!(
            "{} tags, {} manifests, {} contents",
            collected.tags, collected.manifests, collected.contents
        );
        record(
            tx,
            None,
            "pluvio",
            "image:manage",
            "images that nobody needs",
            &result,
        )
        .await?;
    }
    Ok(collected)
}
