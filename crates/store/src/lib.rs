//! What was asked and decided, kept: the only SQL of Pluvio.
//!
//! A [`Store`] is a database (SQLite in the data folder, or PostgreSQL for several control processes) behind methods that are
//! each one transaction: a state change, the job it needs and the event that tells of it commit together or not at all. What
//! is *seen* (instances, health, logs, heartbeats of instances) never enters it. Beside it lie [`Blobs`] (uploads, build logs,
//! bills of materials) and the [`Seal`] under which secrets are kept.
//!
//! The crate depends on `pluvio-model` only. Decisions are not made here: verbs that need one ([`Store::ask_deploy`],
//! [`Store::patch`], [`Store::complete_build`]) take a synchronous, pure closure and call it inside the transaction with what
//! it may read ([`Deciding`]). A closure may be called again when a transaction is retried.
//!
//! Start reading at [`deploy`] (the verbs), then [`job`] (leases) and `transaction` (how a write runs).

pub mod account;
pub mod application;
pub mod audit;
pub mod backup;
mod blobs;
pub mod cluster;
pub mod credential;
pub mod deploy;
mod dialect;
mod edits;
mod environment;
mod error;
pub mod event;
pub mod host;
pub mod image;
pub mod job;
mod migrations;
pub mod operation;
mod page;
pub mod passkey;
pub mod release;
mod row;
mod seal;
pub mod secret;
mod signin_link;
pub mod target;
pub mod task;
mod transaction;
pub mod volume;

pub use account::{Home, Membership, NewToken, Opened, Scope, Session, Token, User};
pub use application::{Application, ApplicationFilter, ApplicationState, NewApplication};
pub use audit::{AuditFilter, AuditRecord, AuditVerdict, NewAudit};
pub use backup::{Firing, KeptFile, NewBackup};
pub use blobs::{BlobError, BlobInfo, BlobKey, BlobReader, BlobWriter, Blobs};
pub use cluster::{Cluster, NewCluster};
pub use credential::{Credential, CredentialKind, CredentialSecret, NewCredential};
pub use deploy::{
    Ask, Asked, Completed, Decide, Deciding, Decision, Idempotency, Objection, Reverted, Then,
    Whose,
};
pub use environment::Environment;
pub use error::StoreError;
pub use event::{EventFilter, Hint};
pub use image::{
    CollectRule, Collected, ManifestPut, ManifestRow, NewManifest, PullCredential, RepositoryRow,
    TagRow,
};
pub use job::{Job, JobState, Lease, LeasedJob, NewJob, Pulse};
pub use operation::OperationFilter;
pub use page::{LIMIT_MAX, Page, PageRequest};
pub use passkey::{NewPasskey, Passkey};
pub use release::{ReleaseRow, ReleaseState, StoredRelease};
pub use seal::Seal;
pub use secret::{SecretRow, generated};
pub use target::Target;
pub use task::{TaskRecord, TaskRecordOutcome};
pub use volume::{NewCopy, TakeVolume, VolumeBinding, VolumeRow};

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sqlx::any::{AnyArguments, AnyPoolOptions, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyPool};
use tokio::sync::watch;

use dialect::Dialect;
use row::Columns;
use transaction::transaction;

pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// How long another process's commit may go unnoticed: half of the promised 200 ms and a bit.
const LOOK: Duration = Duration::from_millis(120);

/// The database. Cheap to clone; all clones share the connections.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    dialect: Dialect,
    /// One connection on SQLite; several on PostgreSQL, where the lock is the database's.
    writer: AnyPool,
    readers: AnyPool,
    seal: Seal,
    home: std::sync::OnceLock<Home>,
    /// Counts commits that told of something; never read as a number, only seen to change.
    wake: watch::Sender<u64>,
    /// The newest event this process knows of.
    last_event: AtomicU64,
    /// Transactions of this process that were committed.
    commits: watch::Sender<u64>,
}

impl Store {
    /// A hash of `data` under the seal's key, for what must be compared later and not be guessed from a stolen database.
    pub fn mac(&self, purpose: &str, data: &[u8]) -> [u8; 32] {
        self.inner.seal.mac(purpose, data)
    }

    /// Opens the database at `url` (`sqlite:///path/pluvio.db` or `postgres://…`), makes it when it is new, brings it up to
    /// this version, and makes the default organization, team, environment and owner at first start. Data that a newer
    /// version wrote is refused ([`StoreError::NewerVersion`]), and so is a seal key that is not the data's.
    pub async fn open(url: &str, seal: Seal) -> Result<Store> {
        sqlx::any::install_default_drivers();
        let dialect = Dialect::of(url)?;
        let (writers, readers) = match dialect {
            Dialect::Sqlite => (1, 3),
            Dialect::Postgres => (4, 6),
        };
        let writer = pool(dialect, url, writers, false).await?;
        let readers = pool(dialect, url, readers, true).await?;
        let file = match dialect.file() {
            Some(select) => Some(sqlx::query(select).fetch_one(&writer).await?.text("file")?),
            None => None,
        };
        if let Some(file) = &file {
            private(file)?;
        }
        let store = Store {
            inner: Arc::new(Inner {
                dialect,
                writer,
                readers,
                seal,
                home: std::sync::OnceLock::new(),
                wake: watch::Sender::new(0),
                last_event: AtomicU64::new(0),
                commits: watch::Sender::new(0),
            }),
        };
        migrations::migrate(&store).await?;
        let home = account::first_start(&store).await?;
        let _ = store.inner.home.set(home);
        let last = store.last_event().await?;
        store.inner.last_event.store(last, Ordering::Relaxed);
        tokio::spawn(look_for_commits(Arc::downgrade(&store.inner), file));
        Ok(store)
    }

    /// The URL of a SQLite database in a file.
    pub fn sqlite_url(file: &Path) -> String {
        let mut url = "sqlite://".to_owned();
        for byte in file.to_string_lossy().bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                    url.push(byte as char);
                }
                _ => url.push_str(&format!("%{byte:02X}")),
            }
        }
        url + "?mode=rwc"
    }

    /// What first start made: one of each.
    pub fn home(&self) -> &Home {
        let home = self.inner.home.get();
        home.expect("set before a store is handed out")
    }

    /// Answers when the database does: for `/readyz`.
    pub async fn ping(&self) -> Result<()> {
        self.read_maybe(sqlx::query("SELECT 1 AS one")).await?;
        Ok(())
    }

    /// Drops what has had its time: idempotency keys after 24 h, ended sessions, used links, finished jobs and events after
    /// seven days. Run it now and then.
    pub async fn prune(&self, now: Timestamp) -> Result<()> {
        let before = |hours: i64| {
            let time = now.checked_sub(SignedDuration::from_hours(hours));
            time.unwrap_or(Timestamp::MIN).as_millisecond()
        };
        transaction!(self, tx => {
            for (statement, limit) in [
                ("DELETE FROM idempotency WHERE created_at < $1", before(24)),
                ("DELETE FROM sessions WHERE expires_at < $1 OR seen_at + idle_ms < $1", before(0)),
                ("DELETE FROM signin_links WHERE expires_at < $1", before(24)),
                ("DELETE FROM jobs WHERE ended_at < $1", before(7 * 24)),
                // The newest stays, so that readers never see the numbers begin anew.
                (
                    "DELETE FROM events WHERE happened_at < $1 AND seq < (SELECT max(seq) FROM events)",
                    before(7 * 24),
                ),
            ] {
                tx.run(sqlx::query(statement).bind(limit)).await?;
            }
            Ok(())
        })
    }

    /// Counts transactions as they commit: fault scenarios end a process between two of them.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.inner.commits.subscribe()
    }

    /// Connections that somebody uses now: none while nothing is asked of the database.
    pub fn connections_in_use(&self) -> usize {
        [&self.inner.readers, &self.inner.writer]
            .into_iter()
            .map(|pool| (pool.size() as usize).saturating_sub(pool.num_idle()))
            .sum()
    }

    /// Waits for running transactions and closes the connections.
    pub async fn close(&self) {
        self.inner.readers.close().await;
        self.inner.writer.close().await;
    }

    pub(crate) async fn read_all(
        &self,
        query: Query<'_, Any, AnyArguments>,
    ) -> Result<Vec<AnyRow>> {
        Ok(query.fetch_all(&self.inner.readers).await?)
    }

    pub(crate) async fn read_maybe(
        &self,
        query: Query<'_, Any, AnyArguments>,
    ) -> Result<Option<AnyRow>> {
        Ok(query.fetch_optional(&self.inner.readers).await?)
    }

    pub(crate) async fn read_one(
        &self,
        what: &'static str,
        query: Query<'_, Any, AnyArguments>,
    ) -> Result<AnyRow> {
        let row = self.read_maybe(query).await?;
        row.ok_or(StoreError::NotFound { what })
    }
}

async fn pool(dialect: Dialect, url: &str, most: u32, read_only: bool) -> Result<AnyPool> {
    let session = dialect.session(read_only);
    let pool = AnyPoolOptions::new()
        .max_connections(most)
        .min_connections(if read_only { 0 } else { 1 })
        .acquire_timeout(Duration::from_secs(10))
        .idle_timeout(Duration::from_secs(60))
        // A file does not go away as a server does: asking first doubled the way to the thread that has it.
        .test_before_acquire(matches!(dialect, Dialect::Postgres))
        .after_connect(move |connection, _| {
            Box::pin(async move {
                sqlx::raw_sql(session).execute(connection).await?;
                Ok(())
            })
        })
        .connect(url)
        .await?;
    Ok(pool)
}

/// What people told Pluvio is for its own eyes, also where the folder is not: mode 0600 for SQLite's three files.
fn private(file: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    for file in [
        file.to_owned(),
        format!("{file}-wal"),
        format!("{file}-shm"),
    ] {
        let mode = std::fs::Permissions::from_mode(0o600);
        match std::fs::set_permissions(&file, mode) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::Unavailable {
                    source: Box::new(error),
                });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Wakes this process's waiters when another process has committed something. Ends with the store.
async fn look_for_commits(store: std::sync::Weak<Inner>, file: Option<String>) {
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut traces = Traces::of(file);
    loop {
        ticks.tick().await;
        let Some(inner) = store.upgrade() else { return };
        if inner.wake.receiver_count() == 0 || !traces.changed() {
            continue;
        }
        let store = Store { inner };
        // A database that does not answer is told of by whoever asks it for something.
        let Ok(last) = store.last_event().await else {
            continue;
        };
        if store.inner.last_event.fetch_max(last, Ordering::Relaxed) < last {
            store.inner.wake.send_modify(|count| *count += 1);
        }
    }
}

/// What writers of a SQLite database leave for others to see: asking the file system costs a fraction of asking the
/// database, and an idle process does little else. No file of the database is opened for it: closing it would take this process's
/// locks away (<https://sqlite.org/howtocorrupt.html>, 2.2).
struct Traces {
    log: Option<String>,
    seen: Option<(u64, std::time::SystemTime)>,
    quiet: u32,
}

impl Traces {
    fn of(file: Option<String>) -> Traces {
        Traces {
            log: file.map(|file| file + "-wal"),
            seen: None,
            quiet: 0,
        }
    }

    /// Whether there may be something new: the log has another size or time; or, as times are coarse, it is a second since
    /// the last yes. Of a database that is not a file nothing is known.
    fn changed(&mut self) -> bool {
        const A_SECOND: u32 = 8;
        let Some(log) = &self.log else { return true };
        let now = std::fs::metadata(log)
            .and_then(|log| Ok((log.len(), log.modified()?)))
            .ok();
        self.quiet += 1;
        if now.is_some() && now == self.seen && self.quiet < A_SECOND {
            return false;
        }
        (self.seen, self.quiet) = (now, 0);
        true
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.write_str("Store")
    }
}
