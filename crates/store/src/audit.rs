//! Who did what: rows written with the change they tell of, chained by keyed hashes in batches.

use jiff::Timestamp;
use pluvio_model::id::TeamId;

use sqlx::any::AnyRow;

use crate::row::{Columns, json};
use crate::transaction::{Tx, transaction};
use crate::{Page, PageRequest, Result, Store, StoreError};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT a.*, (SELECT t.name FROM teams t WHERE t.id = a.team) AS team_name FROM audit a ",
            $rest
        )
    };
}

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
    /// While there is such a team.
    pub team_name: Option<String>,
    pub actor: String,
    pub action: String,
    pub object: String,
    pub result: String,
    /// False until a sealer has chained it.
    pub sealed: bool,
}

/// Which records are wanted; `None` is any.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    pub team: Option<TeamId>,
    pub actor: Option<String>,
    /// `application:deploy`, or `application` for all that is done to applications.
    pub action: Option<String>,
    /// A part of what it was done to.
    pub object: Option<String>,
    pub result: Option<String>,
    /// Not older.
    pub since: Option<Timestamp>,
    /// Older.
    pub until: Option<Timestamp>,
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
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditRecord>> {
        let before: i64 = page.key()?.unwrap_or(i64::MAX);
        let query = sqlx::query(select!(
            "WHERE a.number < $1 AND ($2 IS NULL OR a.team = $2) AND ($3 IS NULL OR a.actor = $3) \
             AND ($4 IS NULL OR a.action = $4 OR a.action LIKE $5 ESCAPE '!') \
             AND ($6 IS NULL OR a.object LIKE $6 ESCAPE '!') AND ($7 IS NULL OR a.result = $7) \
             AND a.happened_at >= $8 AND a.happened_at < $9 ORDER BY a.number DESC LIMIT $10"
        ))
        .bind(before)
        .bind(filter.team.map(|id| id.to_string()))
        .bind(filter.actor.clone())
        .bind(filter.action.clone())
        .bind(
            filter
                .action
                .as_ref()
                .map(|a| format!("{}:%", literally(a))),
        )
        .bind(
            filter
                .object
                .as_ref()
                .map(|o| format!("%{}%", literally(o))),
        )
        .bind(filter.result.clone())
        .bind(filter.since.map_or(i64::MIN, Timestamp::as_millisecond))
        .bind(filter.until.map_or(i64::MAX, Timestamp::as_millisecond))
        .bind(page.rows());
        let rows = self.read_all(query).await?;
        let rows = rows.iter().map(read).collect::<Result<_>>()?;
        Ok(page.page(rows, |row: &AuditRecord| row.number))
    }

    /// Chains the rows written since the last call, if no other process is doing so; how many. A chain whose end was
    /// forged is not gone on with: that would make the forgery ours.
    pub async fn seal_audit(&self, owner: &str) -> Result<u64> {
        // Asked every second: where nothing is open, nothing is written.
        let open = sqlx::query("SELECT number FROM audit WHERE hash IS NULL LIMIT 1");
        if self.read_maybe(open).await?.is_none() {
            return Ok(0);
        }
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
            let mut end = End::load(&mut tx).await?.ok_or_else(|| StoreError::Corrupt {
                what: "the audit chain",
                why: "its end was altered; `pluvio audit verify` tells more".to_owned(),
            })?;
            let open = sqlx::query(select!("WHERE a.hash IS NULL ORDER BY a.number LIMIT $1"))
                .bind(BATCH);
            let open = tx.all(open).await?;
            for row in &open {
                let record = read(row)?;
                end = End { hash: link(&tx.seal, &end.hash, &record), number: record.number };
                let update = sqlx::query("UPDATE audit SET hash = $2 WHERE number = $1")
                    .bind(record.number as i64)
                    .bind(end.hash.clone());
                tx.run(update).await?;
            }
            if !open.is_empty() {
                end.save(&mut tx).await?;
            }
            Ok(open.len() as u64)
        })
    }

    /// Walks the chain from its beginning to the end that it has now. Writers go on meanwhile.
    pub async fn verify_audit(&self) -> Result<AuditVerdict> {
        let at_once = transaction!(self, tx => {
            let Some(end) = End::load(&mut tx).await? else {
                return Ok(None);
            };
            let beyond = sqlx::query(
                "SELECT count(*) AS many, count(hash) AS chained FROM audit WHERE number > $1",
            )
            .bind(end.number as i64);
            let beyond = tx.one("audit", beyond).await?;
            Ok(Some((end, beyond.count("many")?, beyond.count("chained")?)))
        })?;
        let Some((end, open, chained)) = at_once else {
            let newest = sqlx::query("SELECT COALESCE(max(number), 0) AS number FROM audit");
            let number = self.read_one("audit", newest).await?.count("number")?;
            return Ok(AuditVerdict::Broken { number });
        };
        // What claims to be chained after the end was not chained by us, or the end was set back.
        if chained > 0 {
            let number = end.number + 1;
            return Ok(AuditVerdict::Broken { number });
        }
        let (mut hash, mut number, mut sealed) = (String::new(), 0, 0);
        while number < end.number {
            let rows = sqlx::query(select!(
                "WHERE a.number > $1 AND a.number <= $2 ORDER BY a.number LIMIT $3"
            ))
            .bind(number as i64)
            .bind(end.number as i64)
            .bind(BATCH);
            let rows = self.read_all(rows).await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                let record = read(row)?;
                hash = link(&self.inner.seal, &hash, &record);
                // A row without a hash before the end was put there, or its hash was taken away.
                if row.maybe_text("hash")?.as_ref() != Some(&hash) {
                    return Ok(AuditVerdict::Broken {
                        number: record.number,
                    });
                }
                sealed += 1;
                number = record.number;
            }
        }
        if hash != end.hash {
            return Ok(AuditVerdict::Broken { number: end.number });
        }
        Ok(AuditVerdict::Intact { sealed, open })
    }
}

/// The text as a LIKE pattern that matches nothing else, with `!` as the escape.
fn literally(text: &str) -> String {
    text.replace('!', "!!")
        .replace('%', "!%")
        .replace('_', "!_")
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

/// The end of the chain: the hash and the number of its last row; empty and 0 before the first. Kept under a keyed hash, as
/// every row's hash would make an end too: whoever takes the newest rows away cannot make the end of what is left.
struct End {
    hash: String,
    number: u64,
}

impl End {
    /// `None` when it is not one that we wrote.
    async fn load(tx: &mut Tx) -> Result<Option<End>> {
        let row = tx
            .maybe(sqlx::query(
                "SELECT value FROM meta WHERE key = 'audit-end'",
            ))
            .await?;
        let Some(row) = row else {
            let (hash, number) = (String::new(), 0);
            return Ok(Some(End { hash, number }));
        };
        let Ok((hash, number, mac)) = row.json::<(String, u64, String)>("value") else {
            return Ok(None);
        };
        let end = End { hash, number };
        Ok((end.mac(&tx.seal) == mac).then_some(end))
    }

    async fn save(&self, tx: &mut Tx) -> Result<()> {
        let value = json(&(&self.hash, self.number, self.mac(&tx.seal)));
        let keep = sqlx::query(
            "INSERT INTO meta (key, value) VALUES ('audit-end', $1) \
             ON CONFLICT (key) DO UPDATE SET value = $1",
        )
        .bind(value);
        tx.run(keep).await?;
        Ok(())
    }

    fn mac(&self, seal: &crate::Seal) -> String {
        let text = format!("{} {}", self.number, self.hash);
        hex::encode(seal.mac("audit-end", text.as_bytes()))
    }
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
        team_name: row.maybe_text("team_name")?,
        actor: row.text("actor")?,
        action: row.text("action")?,
        object: row.text("object")?,
        result: row.text("result")?,
        sealed: row.maybe_text("hash")?.is_some(),
    })
}
