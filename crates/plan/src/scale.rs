//! How many instances there shall be: between which bounds now, and what figures make of that.
//!
//! The rule is that of Kubernetes' HorizontalPodAutoscaler with its defaults, so that an application behaves alike on an engine
//! and on a cluster: kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale, "Algorithm details" and "Stabilization
//! window". On a cluster Kubernetes itself follows it; here it is followed where nobody else does.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use pluvio_model::spec::{ScaleSpec, ScheduleIn};
use pluvio_model::stage::RunWish;

use crate::schedule::Schedule;

/// How often figures are looked at: `--horizontal-pod-autoscaler-sync-period`.
pub const PERIOD: SignedDuration = SignedDuration::from_secs(15);
/// How long the highest recommendation counts before there are fewer: `scaleDown.stabilizationWindowSeconds`.
pub const WINDOW: SignedDuration = SignedDuration::from_secs(300);
/// In per cent, how far from its target a figure may be: `--horizontal-pod-autoscaler-tolerance`.
const TOLERANCE: f64 = 0.1;

/// Between how many instances there are from now until `next`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub min: u32,
    pub max: u32,
    /// When the clock says something else.
    pub next: Option<Timestamp>,
}

impl Bounds {
    fn hold(self, count: u32) -> u32 {
        count.clamp(self.min, self.max.max(self.min))
    }
}

/// What the time that came last says; before the first ever, what is written outside of the schedule.
pub fn bounds(scale: &ScaleSpec, now: Timestamp) -> Bounds {
    let mut last = None;
    let mut next: Option<Timestamp> = None;
    for time in &scale.schedule {
        // Checked long before; one that cannot be read changes nothing.
        let Ok(schedule) = Schedule::new(&ScheduleIn {
            cron: time.cron.clone(),
            time_zone: time.time_zone.clone(),
            overlap: false,
        }) else {
            continue;
        };
        next = next.into_iter().chain(schedule.next(now)).min();
        // Of two at the same time the later written one counts.
        if let Some(at) = schedule.last(now)
            && last.is_none_or(|(before, _)| before <= at)
        {
            last = Some((at, time));
        }
    }
    let of_time = last.map(|(_, time)| (time.min, time.max));
    let (min, max) = of_time.unwrap_or_default();
    let min = min.unwrap_or(scale.min);
    let max = match scale.is_measured() {
        true => max.or(scale.max).unwrap_or(min),
        false => min,
    };
    Bounds {
        min,
        max: max.max(min),
        next,
    }
}

/// The wish with the clock read: bounds are those of now, and a number that only the clock decides is plainly that number.
/// And when to read it again. `None`: nothing of it goes by the clock or by figures.
pub fn at(wish: &RunWish, now: Timestamp) -> Option<(RunWish, Option<Timestamp>)> {
    let all = wish.release.components.values();
    if all.filter(|one| one.scale.is_some()).count() == 0 {
        return None;
    }
    let mut wish = wish.clone();
    let mut next: Option<Timestamp> = None;
    for component in wish.release.components.values_mut() {
        let Some(scale) = &mut component.scale else {
            continue;
        };
        let now = bounds(scale, now);
        next = next.into_iter().chain(now.next).min();
        component.instances = now.min;
        (scale.min, scale.max) = (now.min, Some(now.max));
        if !scale.is_measured() {
            component.scale = None;
        }
    }
    Some((wish, next))
}

/// What instances use of one thing, against what they shall use on average.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figure {
    /// Of each instance that is measured.
    pub used: Vec<f64>,
    /// For one instance.
    pub target: f64,
}

impl Figure {
    /// How many instances it asks for, of `current`. Instances that are not measured yet count as using nothing where there
    /// would be more, and as using what they shall where there would be fewer: neither way they add to the change.
    fn wants(&self, current: u32) -> Option<u32> {
        let measured = self.used.len() as f64;
        let all = f64::from(current).max(measured);
        if self.used.is_empty() || self.target <= 0.0 {
            return None;
        }
        let sum: f64 = self.used.iter().sum();
        let ratio = sum / (measured * self.target);
        let cautious = match ratio > 1.0 {
            true => sum / (all * self.target),
            false => (sum + (all - measured) * self.target) / (all * self.target),
        };
        let turned = (ratio > 1.0) != (cautious > 1.0);
        if turned || (cautious - 1.0).abs() <= TOLERANCE {
            return Some(current);
        }
        // Not by the error of its last digit.
        Some((cautious * all - 1e-9).ceil().max(0.0) as u32)
    }
}

/// What was recommended lately.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Autoscaler {
    recommended: VecDeque<(Timestamp, u32)>,
}

impl Autoscaler {
    /// How many instances there shall be, asked once in a [`PERIOD`]. The highest figure counts; where one is not known,
    /// nothing gets less.
    pub fn decide(
        &mut self,
        figures: &[Figure],
        current: u32,
        bounds: Bounds,
        now: Timestamp,
    ) -> u32 {
        let wants: Vec<Option<u32>> = figures.iter().map(|one| one.wants(current)).collect();
        let highest = wants.iter().flatten().max().copied().unwrap_or(current);
        let recommended = match wants.contains(&None) {
            true => highest.max(current),
            false => highest,
        };
        let recommended = bounds.hold(recommended);
        let since = now.checked_sub(WINDOW).unwrap_or(Timestamp::MIN);
        self.recommended.retain(|(at, _)| *at > since && *at <= now);
        if self.recommended.is_empty() {
            // What is there was right until now, as far as anybody knows.
            self.recommended.push_back((now, bounds.hold(current)));
        }
        self.recommended.push_back((now, recommended));
        let stable = match recommended < current {
            true => {
                let all = self.recommended.iter().map(|(_, count)| *count);
                all.max().unwrap_or(recommended).min(current)
            }
            // Twice as many, or four more, at a time.
            false => recommended.min((current * 2).max(current + 4)),
        };
        bounds.hold(stable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn scale(value: serde_json::Value) -> ScaleSpec {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn bounds_go_by_the_clock_of_their_zone_around_the_week() {
        let scale = scale(json!({
            "min": 2, "max": 10, "cpu": 70,
            "schedule": [
                { "cron": "0 8 * * 1-5", "timeZone": "Europe/Berlin", "min": 5, "max": 20 },
                { "cron": "0 20 * * 1-5", "timeZone": "Europe/Berlin", "min": 1 },
            ],
        }));
        let check = |when, min, max, next: &str| {
            let want = Bounds {
                min,
                max,
                next: Some(at(next)),
            };
            assert_eq!(bounds(&scale, at(when)), want, "{when}");
        };
        // A Monday in winter, the minute itself counts already.
        check("2026-01-05T06:59:59Z", 1, 10, "2026-01-05T07:00:00Z");
        check("2026-01-05T07:00:00Z", 5, 20, "2026-01-05T19:00:00Z");
        check("2026-01-05T19:00:00Z", 1, 10, "2026-01-06T07:00:00Z");
        // Friday evening lasts until Monday; in summer the zone is an hour earlier.
        check("2026-07-04T12:00:00Z", 1, 10, "2026-07-06T06:00:00Z");
    }

    #[test]
    fn without_a_figure_there_are_as_many_as_the_clock_says() {
        let scale = scale(
            json!({ "min": 2, "schedule": [{ "cron": "0 8 * * *", "min": 5 }, { "cron": "0 9 * * *" , "min": 3 }] }),
        );
        let of = |when| {
            let bounds = bounds(&scale, at(when));
            (bounds.min, bounds.max)
        };
        assert_eq!(of("2026-01-05T08:30:00Z"), (5, 5));
        assert_eq!(of("2026-01-05T09:00:00Z"), (3, 3));
        assert_eq!(scale.most(), 5);
    }

    const WIDE: Bounds = Bounds {
        min: 1,
        max: 100,
        next: None,
    };

    fn figure(used: &[f64]) -> Figure {
        Figure {
            used: used.to_vec(),
            target: 100.0,
        }
    }

    /// The examples of Kubernetes' page, and its rule for pods without figures.
    #[test]
    fn figures_ask_for_as_many_as_kubernetes_would() {
        let wants = |used: &[f64], current| figure(used).wants(current);
        assert_eq!(wants(&[200.0, 200.0], 2), Some(4));
        assert_eq!(wants(&[50.0, 50.0], 2), Some(1));
        assert_eq!(wants(&[109.0], 1), Some(1));
        assert_eq!(wants(&[91.0, 91.0], 2), Some(2));
        assert_eq!(wants(&[112.0], 1), Some(2));
        // One more is on its way already: it is counted with nothing.
        assert_eq!(wants(&[200.0, 200.0], 4), Some(4));
        assert_eq!(wants(&[200.0, 200.0, 200.0], 4), Some(6));
        // And with all that it may take, when there would be fewer.
        assert_eq!(wants(&[0.0, 0.0], 4), Some(2));
        assert_eq!(wants(&[], 3), None);
    }

    #[test]
    fn more_come_at_once_and_fewer_only_after_the_window() {
        let mut scaler = Autoscaler::default();
        let start = at("2026-01-05T07:00:00Z");
        let mut current = 2;
        let mut seen = Vec::new();
        for turn in 0..=22 {
            let now = start + PERIOD * turn;
            let load = if turn == 0 { 900.0 } else { 10.0 };
            let used = vec![load; current as usize];
            current = scaler.decide(&[figure(&used)], current, WIDE, now);
            seen.push(current);
        }
        // Four more at a time though eighteen were asked for; then the eighteen count for five minutes.
        assert_eq!(seen[0], 6);
        assert!(seen[1..20].iter().all(|count| *count == 6), "{seen:?}");
        assert_eq!(seen[20], 1, "{seen:?}");
    }

    #[test]
    fn the_highest_figure_counts_bounds_hold_and_what_is_unknown_takes_none_away() {
        let decide = |figures: &[Figure], current, bounds| {
            Autoscaler::default().decide(figures, current, bounds, at("2026-01-05T07:00:00Z"))
        };
        assert_eq!(
            decide(&[figure(&[10.0, 10.0]), figure(&[150.0, 150.0])], 2, WIDE),
            3
        );
        let narrow = Bounds {
            min: 2,
            max: 3,
            next: None,
        };
        assert_eq!(decide(&[figure(&[900.0, 900.0])], 2, narrow), 3);
        assert_eq!(decide(&[figure(&[100.0])], 1, narrow), 2);
        // Bounds that came down are no matter of the window.
        assert_eq!(decide(&[figure(&[100.0; 6])], 6, narrow), 3);
        let mut scaler = Autoscaler::default();
        let later = |turn| at("2026-01-05T07:00:00Z") + PERIOD * turn;
        for turn in 0..30 {
            let unknown = [figure(&[1.0, 1.0]), figure(&[])];
            assert_eq!(scaler.decide(&unknown, 2, WIDE, later(turn)), 2);
        }
    }
}
