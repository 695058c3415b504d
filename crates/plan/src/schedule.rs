//! When a schedule fires. Five fields of cron, in a time zone; daylight saving as Vixie cron has it: a time that a day skips
//! fires at the change, one that a day has twice fires once.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use pluvio_model::spec::ScheduleIn;

/// Why a schedule is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidSchedule {
    /// What is wrong with the five fields.
    Cron(String),
    TimeZone(String),
    /// Such as 30 February.
    Never,
}

/// A schedule that can fire.
#[derive(Debug, Clone)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
}

impl Schedule {
    pub fn new(schedule: &ScheduleIn) -> Result<Schedule, InvalidSchedule> {
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let cron = parser
            .parse(schedule.cron.trim())
            .map_err(|error| InvalidSchedule::Cron(error.to_string()))?;
        let zone = match schedule.time_zone.as_deref() {
            None => TimeZone::UTC,
            Some(name) => {
                TimeZone::get(name).map_err(|_| InvalidSchedule::TimeZone(name.to_owned()))?
            }
        };
        let schedule = Schedule { cron, zone };
        match schedule.next(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(schedule),
            None => Err(InvalidSchedule::Never),
        }
    }

    /// The first time after `after`, at the latest a few years on.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let from = after.to_zoned(self.zone.clone());
        let next = self.cron.find_next_occurrence(&from, false).ok()?;
        Some(next.timestamp())
    }

    /// Which firing is due: of all between `since` (when it last fired, or was first wished) and `now` the newest, so that a
    /// machine that was off catches up once. `None` while none is.
    pub fn due(&self, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let first = self.next(since)?;
        if first > now {
            return None;
        }
        Some(self.last(now).unwrap_or(first).max(first))
    }

    /// The newest time that is not after `now`.
    pub fn last(&self, now: Timestamp) -> Option<Timestamp> {
        let to = now
            .checked_add(SignedDuration::from_secs(1))
            .unwrap_or(now)
            .to_zoned(self.zone.clone());
        let newest = self.cron.find_previous_occurrence(&to, false).ok()?;
        Some(newest.timestamp()).filter(|at| *at <= now)
    }
}

/// How long a schedule may be missed and still be caught up with: longer ago, it waits for its next time.
pub fn is_worth_catching_up(due: Timestamp, now: Timestamp) -> bool {
    due.checked_add(24.hours()).is_ok_and(|end| now <= end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(cron: &str, zone: Option<&str>) -> Result<Schedule, InvalidSchedule> {
        Schedule::new(&ScheduleIn {
            cron: cron.to_owned(),
            time_zone: zone.map(str::to_owned),
            overlap: false,
        })
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_schedule_fires_by_the_clock_of_its_zone() {
        let check = |cron, zone, after, want: &str| {
            let next = schedule(cron, zone).unwrap().next(at(after)).unwrap();
            assert_eq!(next, at(want), "{cron} {zone:?} after {after}");
        };
        check(
            "0 3 * * *",
            None,
            "2026-01-01T03:00:00Z",
            "2026-01-02T03:00:00Z",
        );
        check(
            "*/15 * * * *",
            None,
            "2026-01-01T00:07:31Z",
            "2026-01-01T00:15:00Z",
        );
        check(
            "0 3 * * *",
            Some("Asia/Shanghai"),
            "2026-01-01T00:00:00Z",
            "2026-01-01T19:00:00Z",
        );
        check(
            "0 0 29 2 *",
            None,
            "2026-01-01T00:00:00Z",
            "2028-02-29T00:00:00Z",
        );
        // 02:30 is skipped on 29 March, and is there twice on 25 October.
        check(
            "30 2 * * *",
            Some("Europe/Berlin"),
            "2026-03-28T12:00:00Z",
            "2026-03-29T01:00:00Z",
        );
        check(
            "30 2 * * *",
            Some("Europe/Berlin"),
            "2026-10-24T12:00:00Z",
            "2026-10-25T00:30:00Z",
        );
        check(
            "30 2 * * *",
            Some("Europe/Berlin"),
            "2026-10-25T00:30:00Z",
            "2026-10-26T01:30:00Z",
        );
    }

    #[test]
    fn what_cannot_fire_is_no_schedule() {
        assert_eq!(
            schedule("0 0 30 2 *", None).unwrap_err(),
            InvalidSchedule::Never
        );
        assert!(matches!(
            schedule("61 * * * *", None).unwrap_err(),
            InvalidSchedule::Cron(_)
        ));
        assert!(matches!(
            schedule("* * * * * *", None).unwrap_err(),
            InvalidSchedule::Cron(_)
        ));
        let zone = schedule("0 3 * * *", Some("Europe/Berlim")).unwrap_err();
        assert_eq!(zone, InvalidSchedule::TimeZone("Europe/Berlim".to_owned()));
    }

    #[test]
    fn what_was_missed_is_caught_up_with_once() {
        let hourly = schedule("0 * * * *", None).unwrap();
        let since = at("2026-01-01T00:00:00Z");
        assert_eq!(hourly.due(since, at("2026-01-01T00:59:59Z")), None);
        assert_eq!(
            hourly.due(since, at("2026-01-01T01:00:00Z")),
            Some(at("2026-01-01T01:00:00Z"))
        );
        assert_eq!(
            hourly.due(since, at("2026-01-01T05:20:00Z")),
            Some(at("2026-01-01T05:00:00Z"))
        );
        assert!(is_worth_catching_up(
            at("2026-01-01T05:00:00Z"),
            at("2026-01-02T04:00:00Z")
        ));
        assert!(!is_worth_catching_up(
            at("2026-01-01T05:00:00Z"),
            at("2026-01-02T06:00:00Z")
        ));
    }
}
