//! Components that scale themselves: how many instances there shall be, by the clock and by what instances use.
//!
//! Nothing of it is on disk. A node that starts anew goes on with as many as it finds, and what was recommended before its
//! start is forgotten: the window begins again, so nothing gets less too early.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pluvio_model::name::Name;
use pluvio_model::observed::{ObservedMetric, ObservedScaling};
use pluvio_plan::lower::engine::ScalePlan;
use pluvio_plan::rollout::{ComponentWish, Health};
use pluvio_plan::scale::{Autoscaler, Bounds, Figure, PERIOD, bounds};

use super::desired::{Asked, Desired};
use super::{Application, earlier};

/// What is known of one that scales itself.
#[derive(Debug)]
pub(super) struct Scaling {
    plan: ScalePlan,
    autoscaler: Autoscaler,
    count: u32,
    bounds: Bounds,
    /// When figures are looked at next.
    due: Timestamp,
    /// In per cent of what is asked for, as of the last look.
    used: BTreeMap<&'static str, Option<u32>>,
}

impl Application {
    /// Looks at clock and figures. Answers when to look again.
    pub(super) fn attend_scaling(&mut self, desired: &Desired) -> Option<Timestamp> {
        let now = self.shared.clock.now();
        let mut again = None;
        let mut known = std::mem::take(&mut self.scaling);
        for (name, wanted) in &desired.components {
            let Some(plan) = &wanted.plan.scale else {
                continue;
            };
            // Stopped, nothing is measured, and it begins anew.
            if !matches!(desired.component(name).wish, ComponentWish::Run { .. }) {
                continue;
            }
            let bounds = bounds(&plan.spec, now);
            let before = known.remove(name);
            let mut scaling = before.unwrap_or_else(|| Scaling {
                plan: plan.clone(),
                autoscaler: Autoscaler::default(),
                count: self.there(name).max(bounds.min),
                bounds,
                // What has just started is not measured yet.
                due: now.checked_add(PERIOD).unwrap_or(now),
                used: BTreeMap::new(),
            });
            scaling.plan.clone_from(plan);
            scaling.bounds = bounds;
            if !plan.spec.is_measured() {
                scaling.count = bounds.min;
            } else if scaling.due <= now {
                let (figures, used) = self.figures(name, plan);
                let scaler = &mut scaling.autoscaler;
                let count = scaler.decide(&figures, scaling.count, bounds, now);
                if count != scaling.count {
                    tracing::info!(application = %self.id, component = %name, from = scaling.count, to = count, "it is scaled by what it uses");
                }
                scaling.count = count;
                scaling.used = used;
                scaling.due = now.checked_add(PERIOD).unwrap_or(now);
            }
            // A clock that was set back makes nobody wait.
            scaling.due = scaling.due.min(now.checked_add(PERIOD).unwrap_or(now));
            scaling.count = scaling.count.clamp(bounds.min, bounds.max);
            let due = plan.spec.is_measured().then_some(scaling.due);
            again = earlier(earlier(again, due), bounds.next);
            self.scaling.insert(name.clone(), scaling);
        }
        again
    }

    /// As many as the scaling says.
    pub(super) fn scaled(&self, name: &Name, asked: &mut Asked) {
        if let (ComponentWish::Run { instances, .. }, Some(scaling)) =
            (&mut asked.wish, self.scaling.get(name))
        {
            *instances = scaling.count;
        }
    }

    fn there(&self, name: &Name) -> u32 {
        let own = self.instances.values().filter(|one| one.component == *name);
        let stay = own.filter(|one| one.stop.is_none() && one.draining_since.is_none());
        u32::try_from(stay.count()).unwrap_or(u32::MAX)
    }

    /// Of instances that are ready, what they used since figures were looked at last.
    fn figures(
        &self,
        name: &Name,
        plan: &ScalePlan,
    ) -> (Vec<Figure>, BTreeMap<&'static str, Option<u32>>) {
        let now = self.shared.clock.now();
        let since = now.checked_sub(PERIOD).unwrap_or(now);
        let (mut cpu, mut memory) = (Vec::new(), Vec::new());
        for (instance, known) in &self.instances {
            let leaves = known.stop.is_some() || known.draining_since.is_some();
            let memo = self.memo.instances.get(instance);
            if known.component != *name || leaves || self.whole_health(known, memo) != Health::Ready
            {
                continue;
            }
            let samples = self.shared.usage.samples(instance, true);
            // The first reading has no CPU figure.
            let samples = samples.get(1..).unwrap_or_default();
            let of_late: Vec<_> = samples.iter().filter(|one| one.at > since).collect();
            let Some(last) = of_late.last() else { continue };
            let sum: f64 = of_late.iter().map(|one| f64::from(one.cpu_millis)).sum();
            cpu.push(sum / of_late.len() as f64);
            memory.push(last.memory_bytes as f64);
        }
        let mut figures = Vec::new();
        let mut used = BTreeMap::new();
        for (what, percent, asks, measured) in [
            ("cpu", plan.spec.cpu, plan.cpu.map(f64::from), cpu),
            (
                "memory",
                plan.spec.memory,
                plan.memory.map(|bytes| bytes as f64),
                memory,
            ),
        ] {
            let (Some(percent), Some(asks)) = (percent, asks) else {
                continue;
            };
            let average = measured.iter().sum::<f64>() / measured.len() as f64;
            let share = (!measured.is_empty()).then(|| (average / asks * 100.0).round() as u32);
            used.insert(what, share);
            figures.push(Figure {
                used: measured,
                target: asks * f64::from(percent) / 100.0,
            });
        }
        (figures, used)
    }

    pub(super) fn observed_scaling(&self, name: &Name) -> Option<ObservedScaling> {
        let scaling = self.scaling.get(name)?;
        let spec = &scaling.plan.spec;
        let by = [("cpu", spec.cpu), ("memory", spec.memory)];
        let by = by.into_iter().filter_map(|(what, percent)| {
            let now = scaling.used.get(what).copied().flatten();
            Some(ObservedMetric {
                metric: what.to_owned(),
                now: now.map(|percent| format!("{percent} %")),
                target: format!("{} %", percent?),
            })
        });
        Some(ObservedScaling {
            min: scaling.bounds.min,
            max: scaling.bounds.max,
            by: by.collect(),
            next: scaling.bounds.next,
            problem: None,
        })
    }
}
