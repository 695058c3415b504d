//! `backups`: dumps of a database by the clock.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ScheduleIn, ScheduleSpec};
use crate::quantity::Span;
use crate::release::DecidedBackups;

/// `backups: { schedule: "0 3 * * *", keep: 7 }`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BackupSpec {
    /// When: five fields of cron, or with a time zone.
    pub schedule: ScheduleSpec,
    /// How many of those made by the clock are kept; 7 when absent (as many as there are, where `keepFor` is said).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<u32>,
    /// How long those made by the clock are kept: `30d`. The newest good one is never let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_for: Option<Span>,
}

/// What is kept where nothing is said.
const KEEP: u32 = 7;

impl BackupSpec {
    pub fn schedule(&self) -> ScheduleIn {
        match &self.schedule {
            ScheduleSpec::In(schedule) => schedule.clone(),
            ScheduleSpec::Cron(cron) => ScheduleIn {
                cron: cron.clone(),
                time_zone: None,
                overlap: false,
            },
        }
    }

    /// With every default put in.
    pub fn decided(&self) -> DecidedBackups {
        let schedule = self.schedule();
        DecidedBackups {
            cron: schedule.cron,
            time_zone: schedule.time_zone,
            keep: match (self.keep, self.keep_for) {
                (Some(keep), _) => keep,
                (None, Some(_)) => 0,
                (None, None) => KEEP,
            },
            keep_for: self.keep_for,
        }
    }
}
