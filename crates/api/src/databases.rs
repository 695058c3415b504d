//! Databases: what there is, whether it is backed up, its users.

use std::collections::BTreeMap;

use pluvio_model::database::{Backup, Protection, UserRights};
use pluvio_model::release::DecidedBackups;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DatabaseSummary {
    pub component: String,
    /// postgres, mariadb, redis
    pub engine: String,
    /// As asked: `17`, `10.11`
    pub version: String,
    /// Whether an instance answers.
    pub ready: bool,
    pub instance: Option<String>,
    pub host: String,
    pub port: u16,
    pub user: String,
    pub database: String,
    pub parameters: Vec<DatabaseParameter>,
    /// The names that may be set.
    pub known_parameters: Vec<String>,
    /// When it is backed up by the clock.
    pub backups: Option<DecidedBackups>,
    pub protection: Protection,
    pub last_good: Option<Backup>,
    /// The last one, when that failed.
    pub last_failed: Option<Backup>,
    pub next_backup_at: Option<jiff::Timestamp>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DatabaseParameter {
    pub name: String,
    pub value: String,
    /// False where it follows from the memory it may take.
    pub asked: bool,
}

/// A database more for an application.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabaseRequest {
    pub component: String,
    /// `postgres@17`
    pub database: String,
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    #[serde(default)]
    pub backups: Option<BackupSchedule>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupSchedule {
    /// Five fields of cron.
    pub cron: String,
    /// IANA time zone; UTC when absent.
    #[serde(default)]
    pub time_zone: Option<String>,
    #[serde(default)]
    pub keep: Option<u32>,
    /// `30d`
    #[serde(default)]
    pub keep_for: Option<String>,
}

/// `null` removes a parameter.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ParametersRequest {
    pub parameters: BTreeMap<String, Option<String>>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RestoreRequest {
    /// The database it goes into: its own when absent; one that is not there is made.
    #[serde(default)]
    pub into: Option<String>,
    /// The name of the database whose data are replaced, to be sure.
    #[serde(default)]
    pub confirm: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserRequest {
    pub name: String,
    pub rights: UserRights,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RightsRequest {
    pub rights: UserRights,
}

/// A user that was made. Its password is told this once and kept nowhere.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct UserMade {
    pub name: String,
    pub rights: UserRights,
    pub password: String,
    /// The address with the password, inside the application.
    pub url: String,
}
masked!(UserMade { name, rights });

#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct DatabaseAddress {
    pub component: String,
    pub url: String,
}
masked!(DatabaseAddress { component });
