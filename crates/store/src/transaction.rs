//! How a write runs: begun, tried, committed, told of; tried again when another writer was in the way.

use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use pluvio_model::event::EventBody;
use pluvio_model::id::{ApplicationId, OperationId, TeamId};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection};

use crate::dialect::{Dialect, Trouble};
use crate::row::json;
use crate::{Result, Seal, Store, StoreError};

/// How often a transaction that met another writer is tried.
const ATTEMPTS: u32 = 8;

/// A write transaction. Dropped without a commit, nothing of it remains.
pub(crate) struct Tx {
    transaction: sqlx::Transaction<'static, Any>,
    pub(crate) seal: Seal,
    /// One time for everything the transaction writes, in the whole milliseconds that rows hold: what a verb returns equals
    /// what is read later.
    pub(crate) now: Timestamp,
    /// The newest event it wrote.
    told: Option<u64>,
}

impl Tx {
    pub(crate) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.transaction
    }

    /// Runs a statement; how many rows it changed.
    pub(crate) async fn run(&mut self, query: Query<'_, Any, AnyArguments>) -> Result<u64> {
        Ok(query.execute(self.connection()).await?.rows_affected())
    }

    pub(crate) async fn one(
        &mut self,
        what: &'static str,
        query: Query<'_, Any, AnyArguments>,
    ) -> Result<AnyRow> {
        self.maybe(query)
            .await?
            .ok_or(StoreError::NotFound { what })
    }

    pub(crate) async fn maybe(
        &mut self,
        query: Query<'_, Any, AnyArguments>,
    ) -> Result<Option<AnyRow>> {
        Ok(query.fetch_optional(self.connection()).await?)
    }

    pub(crate) async fn all(&mut self, query: Query<'_, Any, AnyArguments>) -> Result<Vec<AnyRow>> {
        Ok(query.fetch_all(self.connection()).await?)
    }

    /// Milliseconds of [`Tx::now`].
    pub(crate) fn now_ms(&self) -> i64 {
        self.now.as_millisecond()
    }

    /// Writes the event that tells of the change.
    pub(crate) async fn tell(
        &mut self,
        team: TeamId,
        application: Option<ApplicationId>,
        operation: Option<OperationId>,
        body: &EventBody,
    ) -> Result<()> {
        use crate::row::Columns;
        let insert = sqlx::query(
            "INSERT INTO events (happened_at, team, application, operation, body) \
             VALUES ($1, $2, $3, $4, $5) RETURNING seq",
        )
        .bind(self.now_ms())
        .bind(team.to_string())
        .bind(application.map(|id| id.to_string()))
        .bind(operation.map(|id| id.to_string()))
        .bind(json(body));
        let row = self.one("event", insert).await?;
        self.told = Some(row.count("seq")?);
        Ok(())
    }
}

impl Store {
    pub(crate) async fn begin(&self) -> Result<Tx> {
        let dialect = self.inner.dialect;
        let mut transaction = self.inner.writer.begin_with(dialect.begin()).await?;
        if let Some(lock) = dialect.writer_lock() {
            sqlx::query(lock).execute(&mut *transaction).await?;
        }
        Ok(Tx {
            transaction,
            seal: self.inner.seal.clone(),
            now: whole_milliseconds(pluvio_model::clock::now()),
            told: None,
        })
    }

    /// Commits what went well and wakes those who wait; rolls back what did not. `None`: try again.
    pub(crate) async fn settle<T>(
        &self,
        begun: Result<(Tx, Result<T>)>,
        attempt: &mut u32,
    ) -> Option<Result<T>> {
        let result = match begun {
            Ok((tx, Ok(value))) => match tx.transaction.commit().await {
                Ok(()) => {
                    self.inner.commits.send_modify(|count| *count += 1);
                    if let Some(seq) = tx.told {
                        self.inner.last_event.fetch_max(seq, Ordering::Relaxed);
                        self.inner.wake.send_modify(|count| *count += 1);
                    }
                    Ok(value)
                }
                Err(error) => Err(StoreError::from(error)),
            },
            Ok((tx, Err(error))) => {
                // Rolling back now, rather than when the connection is next used, lets the next writer in.
                let _ = tx.transaction.rollback().await;
                Err(error)
            }
            Err(error) => Err(error),
        };
        match result {
            Err(error) if error.is_busy() && *attempt + 1 < ATTEMPTS => {
                *attempt += 1;
                tracing::debug!(attempt, %error, "transaction is tried again");
                tokio::time::sleep(pause(*attempt)).await;
                None
            }
            other => Some(other),
        }
    }
}

fn whole_milliseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}

/// Doubles from 5 ms, with as much again by chance, so that two writers do not meet for ever.
fn pause(attempt: u32) -> Duration {
    let base = 5u64 << attempt.min(6);
    let chance = getrandom::u64().unwrap_or_default() % (base + 1);
    Duration::from_millis(base + chance)
}

impl StoreError {
    /// Whether the same transaction may go through when tried again.
    pub(crate) fn is_busy(&self) -> bool {
        let StoreError::Unavailable { source } = self else {
            return false;
        };
        let error = source.downcast_ref::<sqlx::Error>();
        error.is_some_and(|error| Dialect::trouble(error) == Trouble::Busy)
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> StoreError {
        match Dialect::trouble(&error) {
            Trouble::Busy | Trouble::Unreachable => StoreError::Unavailable {
                source: Box::new(error),
            },
            Trouble::Full => StoreError::Full,
            Trouble::Damaged => StoreError::Corrupt {
                what: "the database",
                why: error.to_string(),
            },
            Trouble::Other => StoreError::Database(error),
        }
    }
}

/// `transaction!(store, tx => { … })`: runs the block, whose value is a `Result`, in a write transaction and commits when it
/// is `Ok`. The block may run several times, so it borrows what it uses; `?` ends the block, not the function.
///
/// A macro, because a closure that returns a future borrowing both its argument and its captures cannot yet be known to be
/// `Send` in general.
macro_rules! transaction {
    ($store:expr, $tx:ident => $body:block) => {{
        let store: &$crate::Store = $store;
        let mut attempt = 0;
        loop {
            let begun = match store.begin().await {
                Ok(begun) => {
                    #[allow(unused_mut)]
                    let mut $tx = begun;
                    let result: $crate::Result<_> = async { $body }.await;
                    Ok(($tx, result))
                }
                Err(error) => Err(error),
            };
            if let Some(result) = store.settle(begun, &mut attempt).await {
                break result;
            }
        }
    }};
}
pub(crate) use transaction;
