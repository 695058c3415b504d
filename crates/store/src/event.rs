//! The event log: what happened, in the order in which it was committed.

use pluvio_model::event::Event;
use pluvio_model::id::{ApplicationId, OperationId, TeamId};

use crate::row::Columns;
use crate::{Result, Store};

/// Which events are wanted; all of it must hold.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    pub team: Option<TeamId>,
    pub application: Option<ApplicationId>,
    pub operation: Option<OperationId>,
}

/// Wakes whoever waits for something new, in this process at once, from another within 200 ms. It carries no data: look.
#[derive(Debug, Clone)]
pub struct Hint {
    seen: tokio::sync::watch::Receiver<u64>,
}

impl Hint {
    /// Returns when something was committed since the last call (or since the hint was made). Wakes too early at times.
    pub async fn changed(&mut self) {
        if self.seen.changed().await.is_err() {
            // The store is closed: nothing will ever change again.
            std::future::pending::<()>().await;
        }
    }
}

macro_rules! select {
    ($key:literal) => {
        concat!(
            "SELECT seq, happened_at, application, operation, body FROM events WHERE ",
            $key,
            " = $1 AND seq > $2 AND ($3 IS NULL OR application = $3) AND ($4 IS NULL OR team = $4) ",
            "ORDER BY seq LIMIT $5"
        )
    };
}

impl Store {
    /// Events after `seq` in order, at most `limit` (up to 1,000).
    pub async fn events_after(
        &self,
        seq: u64,
        filter: &EventFilter,
        limit: u32,
    ) -> Result<Vec<Event>> {
        // The narrowest column leads, by its index; the others are compared.
        let (statement, key) = match filter {
            EventFilter {
                operation: Some(id),
                ..
            } => (select!("operation"), id.to_string()),
            EventFilter {
                application: Some(id),
                ..
            } => (select!("application"), id.to_string()),
            EventFilter { team: Some(id), .. } => (select!("team"), id.to_string()),
            _ => (select!("''"), String::new()),
        };
        let query = sqlx::query(statement)
            .bind(key)
            .bind(seq as i64)
            .bind(filter.application.map(|id| id.to_string()))
            .bind(filter.team.map(|id| id.to_string()))
            .bind(i64::from(limit.clamp(1, 1000)));
        let rows = self.read_all(query).await?;
        rows.iter()
            .map(|row| {
                Ok(Event {
                    seq: row.count("seq")?,
                    at: row.time("happened_at")?,
                    application: row.maybe_parsed("application")?,
                    operation: row.maybe_parsed("operation")?,
                    body: row.json("body")?,
                })
            })
            .collect()
    }

    /// The newest event's number; 0 when there is none.
    pub async fn last_event(&self) -> Result<u64> {
        let query = sqlx::query("SELECT COALESCE(max(seq), 0) AS seq FROM events");
        self.read_one("event", query).await?.count("seq")
    }

    /// The oldest number that is still kept, 0 when there is none: a reader that is behind it must begin anew.
    pub async fn first_event(&self) -> Result<u64> {
        let query = sqlx::query("SELECT COALESCE(min(seq), 0) AS seq FROM events");
        self.read_one("event", query).await?.count("seq")
    }

    /// Wakes whoever holds it when something was committed.
    pub fn hint(&self) -> Hint {
        Hint {
            seen: self.inner.wake.subscribe(),
        }
    }
}
