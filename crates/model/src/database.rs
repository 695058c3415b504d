//! What is told of a database while it runs: its backups, its users, its figures.

use serde::{Deserialize, Serialize};

use crate::id::{BackupId, OperationId};
use crate::problem::Problem;

/// A dump that the platform keeps, or was to keep.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    pub id: BackupId,
    /// The database component that it is of.
    pub component: String,
    /// Engine and version that wrote it: `postgres@17`.
    pub database: String,
    pub reason: BackupReason,
    pub state: BackupState,
    pub actor: String,
    pub operation: Option<OperationId>,
    /// The time that its schedule named.
    pub scheduled_at: Option<jiff::Timestamp>,
    pub begun_at: jiff::Timestamp,
    pub ended_at: Option<jiff::Timestamp>,
    /// As kept, compressed.
    pub bytes: Option<u64>,
    /// As dumped.
    pub plain_bytes: Option<u64>,
    /// Of the file as kept, and as it is downloaded.
    pub sha256: Option<String>,
    /// When it was last read from its beginning to its end and found whole.
    pub verified_at: Option<jiff::Timestamp>,
    /// Why there is none.
    pub problem: Option<Problem>,
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackupReason {
    /// Somebody asked for it.
    Asked,
    /// Its schedule did.
    Schedule,
    /// Somebody brought it.
    Upload,
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackupState {
    Running,
    /// Whole, and read once after it was written.
    Kept,
    Failed,
}

/// Whether a database is backed up, in one word.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protection {
    /// No backup was ever made.
    Never,
    /// There is one, and nothing makes the next.
    ByHand,
    /// By its schedule, and the last one is good.
    Scheduled,
    /// A schedule is set, and its first time has not come.
    Waiting,
    /// The last one failed.
    Failing,
}

/// What a user of a database may do.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserRights {
    ReadOnly,
    ReadWrite,
    /// All that the application's own user may.
    Owner,
    /// Given by other means than the platform's.
    Other,
}

impl UserRights {
    pub const fn as_str(self) -> &'static str {
        match self {
            UserRights::ReadOnly => "read-only",
            UserRights::ReadWrite => "read-write",
            UserRights::Owner => "owner",
            UserRights::Other => "other",
        }
    }
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseUser {
    pub name: String,
    pub rights: UserRights,
    /// The application's own, which its secret is the password of: neither changed nor removed.
    pub own: bool,
}

/// How a database is, read from it when somebody asks.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DatabaseFigures {
    pub at: Option<jiff::Timestamp>,
    /// As the server names itself: `17.6`.
    pub version: Option<String>,
    pub uptime_seconds: Option<u64>,
    /// Of the data: on the disk (PostgreSQL, MariaDB), in memory (Redis).
    pub size_bytes: Option<u64>,
    /// Tables, or keys of Redis.
    pub objects: Option<u64>,
    pub connections: Option<u64>,
    pub connections_limit: Option<u64>,
    /// Transactions (PostgreSQL), statements (MariaDB) or commands (Redis) a second.
    pub per_second: Option<f64>,
    /// Of all reads, those that were answered from memory: 0 to 1.
    pub hit_ratio: Option<f64>,
    /// What takes longest: statements at work now, or of Redis the slow log.
    #[serde(default)]
    pub slowest: Vec<SlowStatement>,
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlowStatement {
    pub milliseconds: f64,
    pub user: String,
    /// Its beginning. Empty for those who may not read what is in the database.
    pub text: String,
}
