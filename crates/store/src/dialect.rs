//! Where the databases differ: everything else is one SQL.
//!
//! Writers are serialised on both: by `BEGIN IMMEDIATE` on SQLite, by one advisory lock on PostgreSQL. So a write
//! transaction reads what it read before until it commits, events are numbered in the order of commits, and a verb that
//! holds on one database holds on the other. What is written here is what people ask for, so throughput is not the limit.
//! Leases and heartbeats of jobs are single statements outside the lock.

use crate::StoreError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// What a failed statement means for whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Another writer was in the way: the same transaction may go through when tried again.
    Busy,
    Unreachable,
    Full,
    Damaged,
    Other,
}

impl Dialect {
    pub(crate) fn of(url: &str) -> Result<Dialect, StoreError> {
        match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => Ok(Dialect::Sqlite),
            Some("postgres" | "postgresql") => Ok(Dialect::Postgres),
            _ => Err(StoreError::Invalid {
                what: "database.url",
                why: "it begins with sqlite: or postgres:".to_owned(),
            }),
        }
    }

    /// Puts this database's words into a migration.
    pub(crate) fn migration(self, text: &str) -> String {
        let (bytes, serial, column) = match self {
            // AUTOINCREMENT: a number is never given twice, even after the newest row was deleted.
            Dialect::Sqlite => ("BLOB", "INTEGER PRIMARY KEY AUTOINCREMENT", " TEXT"),
            // Compared byte by byte as SQLite does, whatever the server's language: pages and prefixes rely on it.
            Dialect::Postgres => (
                "BYTEA",
                "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
                " TEXT COLLATE \"C\"",
            ),
        };
        text.replace(" TEXT", column)
            .replace("{bytes}", bytes)
            .replace("{serial}", serial)
    }

    pub(crate) fn begin(self) -> &'static str {
        match self {
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            Dialect::Postgres => "BEGIN",
        }
    }

    /// Run first in a write transaction: waits for the writer before. The number is any that is ours alone in a database.
    pub(crate) fn writer_lock(self) -> Option<&'static str> {
        match self {
            Dialect::Sqlite => None,
            Dialect::Postgres => Some("SELECT pg_advisory_xact_lock(7081)"),
        }
    }

    /// Run on each new connection.
    pub(crate) fn session(self, read_only: bool) -> &'static str {
        match (self, read_only) {
            // FULL: a deploy that was answered with 202 survives a power cut, which NORMAL does not promise in WAL mode.
            (Dialect::Sqlite, false) => {
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                 PRAGMA busy_timeout = 5000; PRAGMA cache_size = -2000;"
            }
            (Dialect::Sqlite, true) => {
                "PRAGMA query_only = ON; PRAGMA busy_timeout = 5000; PRAGMA cache_size = -1000;"
            }
            // A process that hangs in a transaction holds every other writer up: it loses it instead.
            (Dialect::Postgres, _) => {
                "SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '15s'; \
                 SET statement_timeout = '30s'; SET client_min_messages = warning;"
            }
        }
    }

    /// Selects the database's `file`, where it is one.
    pub(crate) fn file(self) -> Option<&'static str> {
        match self {
            Dialect::Sqlite => Some("SELECT file FROM pragma_database_list WHERE name = 'main'"),
            Dialect::Postgres => None,
        }
    }

    /// Takes the oldest open job of the kinds in `$1` (`,build,task,`) for the worker `$2` until `$3`; `$4` is now, `$5` the
    /// latest believable end of a lease (a clock that was turned back must not keep a dead worker's lease alive), `$6` the
    /// attempts after which a job is given up on.
    pub(crate) fn lease_job(self) -> &'static str {
        macro_rules! statement {
            ($lock:literal) => {
                concat!(
                    "UPDATE jobs SET state = 'leased', owner = $2, lease_until = $3, attempts = attempts + 1 WHERE id = (",
                    "SELECT id FROM jobs WHERE ended_at IS NULL AND $1 LIKE '%,' || kind || ',%' AND attempts < $6 AND (",
                    "(state = 'queued' AND run_after <= $4) OR ",
                    "(state = 'leased' AND (lease_until < $4 OR lease_until > $5))) ORDER BY id LIMIT 1",
                    $lock,
                    ") RETURNING id, kind, application, operation, revision, payload, state, attempts, created_at"
                )
            };
        }
        match self {
            Dialect::Sqlite => statement!(""),
            Dialect::Postgres => statement!(" FOR UPDATE SKIP LOCKED"),
        }
    }

    pub(crate) fn trouble(error: &sqlx::Error) -> Trouble {
        use sqlx::Error;
        match error {
            Error::Database(error) => match error.code().as_deref() {
                // PostgreSQL's codes have five characters: https://www.postgresql.org/docs/15/errcodes-appendix.html
                Some("40001" | "40P01" | "55P03") => Trouble::Busy,
                Some("53100") => Trouble::Full,
                Some("XX001" | "XX002") => Trouble::Damaged,
                Some(code) if code.len() == 5 => match &code[..2] {
                    "08" | "53" | "57" | "25" => Trouble::Unreachable,
                    _ => Trouble::Other,
                },
                // SQLite's are numbers whose low byte is the primary code: https://www.sqlite.org/rescode.html
                Some(code) => match code.parse::<u32>().map(|code| code & 0xff) {
                    Ok(5 | 6) => Trouble::Busy,
                    Ok(13) => Trouble::Full,
                    Ok(10 | 14) => Trouble::Unreachable,
                    Ok(11 | 26) => Trouble::Damaged,
                    _ => Trouble::Other,
                },
                None => Trouble::Other,
            },
            Error::Io(_)
            | Error::Tls(_)
            | Error::Protocol(_)
            | Error::PoolTimedOut
            | Error::PoolClosed
            | Error::WorkerCrashed => Trouble::Unreachable,
            _ => Trouble::Other,
        }
    }
}
