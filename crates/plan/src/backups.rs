//! Which backups are kept, and whether a database is backed up at all.

use jiff::{SignedDuration, Timestamp};
use pluvio_model::database::{Backup, BackupReason, BackupState, Protection};
use pluvio_model::id::BackupId;
use pluvio_model::release::DecidedBackups;

/// So many failures are listed; older ones say nothing new.
const FAILURES: usize = 10;

/// What goes, of one database's backups in any order. Those made by hand or brought stay until somebody deletes them, and the
/// newest good one made by the clock stays whatever its age.
pub fn to_prune(all: &[Backup], kept: Option<&DecidedBackups>, now: Timestamp) -> Vec<BackupId> {
    let mut by_age: Vec<&Backup> = all.iter().collect();
    by_age.sort_by_key(|backup| std::cmp::Reverse((backup.begun_at, backup.id)));
    let failed = by_age
        .iter()
        .filter(|backup| backup.state == BackupState::Failed)
        .skip(FAILURES)
        .map(|backup| backup.id);
    let mut gone: Vec<BackupId> = failed.collect();
    let Some(kept) = kept else {
        return gone;
    };
    let good = by_age.iter().filter(|backup| {
        backup.state == BackupState::Kept && backup.reason == BackupReason::Schedule
    });
    for (place, backup) in good.enumerate().skip(1) {
        let too_many = kept.keep > 0 && place >= kept.keep as usize;
        let too_old = kept.keep_for.is_some_and(|span| {
            let span =
                SignedDuration::from_millis(i64::try_from(span.millis()).unwrap_or(i64::MAX));
            backup.begun_at.checked_add(span).is_ok_and(|end| end < now)
        });
        if too_many || too_old {
            gone.push(backup.id);
        }
    }
    gone
}

/// Whether the database is backed up, from what became of its backups. What was brought from elsewhere is none of its own.
pub fn protection(all: &[Backup], scheduled: bool) -> Protection {
    let own = || {
        all.iter()
            .filter(|backup| backup.reason != BackupReason::Upload)
    };
    let last = own()
        .filter(|backup| backup.state != BackupState::Running)
        .max_by_key(|backup| (backup.begun_at, backup.id));
    match last {
        Some(last) if last.state == BackupState::Failed => Protection::Failing,
        Some(_) if scheduled => Protection::Scheduled,
        Some(_) => Protection::ByHand,
        None if scheduled => Protection::Waiting,
        None => Protection::Never,
    }
}

/// The newest good one of the database's own.
pub fn last_good(all: &[Backup]) -> Option<&Backup> {
    all.iter()
        .filter(|backup| backup.state == BackupState::Kept && backup.reason != BackupReason::Upload)
        .max_by_key(|backup| (backup.begun_at, backup.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pluvio_model::quantity::Span;

    fn backup(number: u128, day: i64, reason: BackupReason, state: BackupState) -> Backup {
        Backup {
            id: format!("00000000-0000-0000-0000-{number:012x}")
                .parse()
                .unwrap(),
            component: "db".to_owned(),
            database: "postgres@17".to_owned(),
            reason,
            state,
            actor: "ada".to_owned(),
            operation: None,
            scheduled_at: None,
            begun_at: Timestamp::from_second(day * 86_400).unwrap(),
            ended_at: None,
            bytes: None,
            plain_bytes: None,
            sha256: None,
            verified_at: None,
            problem: None,
        }
    }

    fn numbers(ids: Vec<BackupId>) -> Vec<u128> {
        let mut numbers: Vec<u128> = ids.into_iter().map(|id| id.0.as_u128()).collect();
        numbers.sort_unstable();
        numbers
    }

    fn kept(keep: u32, days: Option<u64>) -> DecidedBackups {
        DecidedBackups {
            cron: "0 3 * * *".to_owned(),
            time_zone: None,
            keep,
            keep_for: days.map(|days| Span(days * 86_400_000)),
        }
    }

    use BackupReason::{Asked, Schedule, Upload};
    use BackupState::{Failed, Kept, Running};

    #[test]
    fn the_oldest_by_the_clock_go_and_the_last_good_one_never() {
        let now = Timestamp::from_second(100 * 86_400).unwrap();
        let all = vec![
            backup(1, 1, Schedule, Kept),
            backup(2, 2, Schedule, Kept),
            backup(3, 3, Schedule, Kept),
            backup(4, 2, Asked, Kept),
            backup(5, 1, Upload, Kept),
            backup(6, 4, Schedule, Failed),
            backup(7, 5, Schedule, Running),
        ];
        assert_eq!(numbers(to_prune(&all, Some(&kept(2, None)), now)), [1]);
        assert_eq!(numbers(to_prune(&all, Some(&kept(1, None)), now)), [1, 2]);
        // All of them are older: the newest good one stays.
        assert_eq!(
            numbers(to_prune(&all, Some(&kept(0, Some(10))), now)),
            [1, 2]
        );
        assert_eq!(numbers(to_prune(&all, None, now)), []);
    }

    #[test]
    fn what_is_said_of_a_database_is_what_became_of_its_last_backup() {
        let check = |all: &[Backup], scheduled, want| {
            assert_eq!(protection(all, scheduled), want);
        };
        check(&[], false, Protection::Never);
        check(&[], true, Protection::Waiting);
        check(&[backup(1, 1, Upload, Kept)], false, Protection::Never);
        let good = backup(1, 1, Asked, Kept);
        check(std::slice::from_ref(&good), false, Protection::ByHand);
        check(std::slice::from_ref(&good), true, Protection::Scheduled);
        let failed = backup(2, 2, Schedule, Failed);
        check(&[good.clone(), failed], true, Protection::Failing);
        let running = backup(2, 2, Schedule, Running);
        check(&[good, running], true, Protection::Scheduled);
    }
}
