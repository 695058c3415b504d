//! What images of an engine became in the registry, so that each is taken over once.

use pluvio_model::id::TeamId;

use super::repository_for;
use crate::row::Columns;
use crate::transaction::transaction;
use crate::{Result, Store};

impl Store {
    /// The digest under which a repository serves an engine's image; `None` when it does not (any more).
    pub async fn published_image(
        &self,
        repository: &str,
        image_id: &str,
    ) -> Result<Option<String>> {
        let query = sqlx::query(
            "SELECT p.digest FROM image_published p JOIN image_repositories r ON r.id = p.repository \
             WHERE r.name = $1 AND p.image_id = $2",
        )
        .bind(repository.to_owned())
        .bind(image_id.to_owned());
        let row = self.read_maybe(query).await?;
        row.map(|row| row.text("digest")).transpose()
    }

    /// Notes what an engine's image became. Its manifest must be there.
    pub async fn put_published_image(
        &self,
        team: TeamId,
        repository: &str,
        image_id: &str,
        digest: &str,
    ) -> Result<()> {
        transaction!(self, tx => {
            let id = repository_for(&mut tx, team, repository).await?;
            let put = sqlx::query(
                "INSERT INTO image_published (repository, image_id, digest) VALUES ($1, $2, $3) \
                 ON CONFLICT (repository, image_id) DO UPDATE SET digest = $3",
            )
            .bind(id)
            .bind(image_id.to_owned())
            .bind(digest.to_owned());
            tx.run(put).await?;
            Ok(())
        })
    }

    /// The digests under which images of engines are served, with the ids they have there.
    pub async fn published_images(&self) -> Result<Vec<(String, String)>> {
        let query = sqlx::query("SELECT image_id, digest FROM image_published ORDER BY image_id");
        let rows = self.read_all(query).await?;
        let read = |row: &sqlx::any::AnyRow| Ok((row.text("image_id")?, row.text("digest")?));
        rows.iter().map(read).collect()
    }
}
