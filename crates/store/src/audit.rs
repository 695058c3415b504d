//! Who did what: rows written with the change they tell of, chained by keyed hashes in batches.

use jiff::Timestamp;
use pluvio_model::id::TeamId;

use sqlx::any::AnyRow;

use crate::row::{Columns, json};
use crate::transaction::{Tx, transaction};
use crate::{Page, PageRequest, Result, Store};

/// Rows of one sealing, so that a long pause does not make a long transaction.
const BATCH: i64 = 500;
/// How long a sealer may hold the right without a word.
const SEALER_MS: i64 = 60_000;

/// A row to write where no other change is: a sign-in, a refusal, an exec.
#[derive(Debug, Clone)]
pub struct NewAudit {
    pub team: Option<TeamId>,
    /// As shown to people.
    pub actor: String,
    /// `application:deploy`
    pub action: String,
    /// `application shop`
    pub object: String,
    /// `done`, `refused`, `failed`
    pub result: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    pub number: u64,
    pub at: Timestamp,
    pub team: Option<TeamId>,
    pub actor: String,
    pub action: String,
    pub object: String,
    pub result: String,
    /// False until a sealer has chained it.
    pub sealed: bool,
}

/// What a check of the chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditVerdict {
    /// All chained rows are as they were written; so many of them, and so many newer ones not chained yet.
    Intact { sealed: u64, open: u64 },
    /// The first row that was changed, or after which one is missing.
    Broken { number: u64 },
}

impl Store {
    /// Writes a row of its own. Verbs of the store write theirs with the change.
    pub async fn audit(&self, row: NewAudit) -> Result<()> {
        transaction!(self, tx => {
            record(&mut tx, row.team, &row.actor, &row.action, &row.object, &row.result).await
        })
    }

    /// The newest first.
    pub async fn audit_records(
        &self,
        team: TeamId,
        page: &PageRequest,
    ) -> Result<Page<AuditRecord>> {
        let before: i64 = page.key()?.unwrap_or(i64::MAX);
        let query = sqlx::query(
            "SELECT * FROM audit WHERE team = $1 AND number < $2 ORDER BY number DESC LIMIT $3",
        )
        .bind(team.to_string())
        .bind(before)
        .bind(page.rows());
        let rows = self.read_all(query).await?;
        let rows = rows.iter().map(read).collect::<Result<_>>()?;
        Ok(page.page(rows, |row: &AuditRecord| row.number))
    }

    /// Chains the rows written since the last call, if no other process is doing so; how many.
    pub async fn seal_audit(&self, owner: &str) -> Result<u64> {
        transaction!(self, tx => {
            let take = sqlx::query(
                "INSERT INTO leases (name, owner, until) VALUES ('audit', $1, $2) \
                 ON CONFLICT (name) DO UPDATE SET owner = $1, until = $2 \
                 WHERE leases.owner = $1 OR leases.until < $3 OR leases.until > $2",
            )
            .bind(owner.to_owned())
            .bind(tx.now_ms() + SEALER_MS)
            .bind(tx.now_ms());
            if tx.run(take).await? == 0 {
                return Ok(0);
            }
            let mut head = head(&mut tx).await?;
            let open = sqlx::query("SELECT * FROM audit WHERE hash IS NULL ORDER BY number LIMIT $1")
                .bind(BATCH);
            let open = tx.all(open).await?;
            for row in &open {
                let record = read(row)?;
                head = (link(&tx.seal, &head.0, &record), record.number);
                let update = sqlx::query("UPDATE audit SET hash = $2 WHERE number = $1")
                    .bind(record.number as i64)
                    .bind(head.0.clone());
                tx.run(update).await?;
            }
            if !open.is_empty() {
                let keep = sqlx::query(
                    "INSERT INTO meta (key, value) VALUES ('audit', $1) \
                     ON CONFLICT (key) DO UPDATE SET value = $1",
                )
                .bind(json(&head));
                tx.run(keep).await?;
            }
            Ok(open.len() as u64)
        })
    }

    /// Walks the chain from its beginning.
    pub async fn verify_audit(&self) -> Result<AuditVerdict> {
        transaction!(self, tx => {
            let end = head(&mut tx).await?;
            let (mut hash, mut number) = (String::new(), 0);
            let mut sealed = 0;
            loop {
                let rows = sqlx::query("SELECT * FROM audit WHERE number > $1 ORDER BY number LIMIT $2")
                    .bind(number as i64)
                    .bind(BATCH);
                let rows = tx.all(rows).await?;
                if rows.is_empty() {
                    break;
                }
                for row in &rows {
                    let record = read(row)?;
                    if let Some(stored) = row.maybe_text("hash")? {
                        hash = link(&tx.seal, &hash, &record);
                        if stored != hash {
                            return Ok(AuditVerdict::Broken { number: record.number });
                        }
                        sealed += 1;
                    } else if record.number < end.1 {
                        // An open row before the end was put there, or its hash was taken away.
                        return Ok(AuditVerdict::Broken { number: record.number });
                    }
                    number = record.number;
                }
            }
            if hash != end.0 {
                return Ok(AuditVerdict::Broken { number: end.1 });
            }
            let open = tx
                .one("audit", sqlx::query("SELECT count(*) AS many FROM audit WHERE hash IS NULL"))
                .await?
                .count("many")?;
            Ok(AuditVerdict::Intact { sealed, open })
        })
    }
}

/// Writes a row in the transaction of the change it tells of.
pub(crate) async fn record(
    tx: &mut Tx,
    team: Option<TeamId>,
    actor: &str,
    action: &str,
    object: &str,
    result: &str,
) -> Result<()> {
    let insert = sqlx::query(
        "INSERT INTO audit (happened_at, team, actor, action, object, result) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(tx.now_ms())
    .bind(team.map(|id| id.to_string()))
    .bind(actor.to_owned())
    .bind(action.to_owned())
    .bind(object.to_owned())
    .bind(result.to_owned());
    tx.run(insert).await?;
    Ok(())
}

/// The end of the chain: its hash and the number of its row; empty and 0 before the first.
async fn head(tx: &mut Tx) -> Result<(String, u64)> {
    let row = tx
        .maybe(sqlx::query("SELECT value FROM meta WHERE key = 'audit'"))
        .await?;
    row.map_or(Ok((String::new(), 0)), |row| row.json("value"))
}

/// The hash of a row and of everything before it.
fn link(seal: &crate::Seal, before: &str, row: &AuditRecord) -> String {
    let team = row.team.map(|id| id.to_string());
    let at = row.at.as_millisecond();
    let text = json(&(
        before,
        row.number,
        at,
        team,
        &row.actor,
        &row.action,
        &row.object,
        &row.result,
    ));
    hex::encode(seal.mac("audit", text.as_bytes()))
}

fn read(row: &AnyRow) -> Result<AuditRecord> {
    Ok(AuditRecord {
        number: row.count("number")?,
        at: row.time("happened_at")?,
        team: row.maybe_parsed("team")?,
        actor: row.text("actor")?,
        action: row.text("action")?,
        object: row.text("object")?,
        result: row.text("result")?,
        sealed: row.maybe_text("hash")?.is_some(),
    })
}
