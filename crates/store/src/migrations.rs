//! Brings a database up to this version, in one transaction, or refuses one that is ahead.

use sqlx::AssertSqlSafe;

use crate::row::Columns;
use crate::transaction::{Tx, transaction};
use crate::{Result, Store, StoreError};

/// In order; the first makes version 1. A published one is never changed.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_first.sql"),
    include_str!("../migrations/0002_passkeys.sql"),
    include_str!("../migrations/0003_audit_head.sql"),
    include_str!("../migrations/0004_tasks.sql"),
    include_str!("../migrations/0005_volumes.sql"),
    include_str!("../migrations/0006_backups.sql"),
    include_str!("../migrations/0007_stopped.sql"),
    include_str!("../migrations/0008_clusters.sql"),
    include_str!("../migrations/0009_images.sql"),
];

/// Returns true when the database was new.
pub(crate) async fn migrate(store: &Store) -> Result<bool> {
    transaction!(store, tx => {
        let known = MIGRATIONS.len() as i64;
        let found = version(&mut tx).await?;
        if found > known {
            return Err(StoreError::NewerVersion { found, known });
        }
        for text in &MIGRATIONS[found as usize..] {
            let text = store.inner.dialect.migration(text);
            sqlx::raw_sql(AssertSqlSafe(text)).execute(tx.connection()).await?;
        }
        if found < known {
            tx.run(sqlx::query("UPDATE schema_version SET version = $1").bind(known)).await?;
        }
        Ok(found == 0)
    })
}

async fn version(tx: &mut Tx) -> Result<i64> {
    tx.run(sqlx::query(
        "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)",
    ))
    .await?;
    let row = tx
        .maybe(sqlx::query("SELECT version FROM schema_version"))
        .await?;
    match row {
        Some(row) => row.number("version"),
        None => {
            tx.run(sqlx::query(
                "INSERT INTO schema_version (version) VALUES (0)",
            ))
            .await?;
            Ok(0)
        }
    }
}
