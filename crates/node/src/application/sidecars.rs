//! Sidecars: containers beside an instance's main one, on its network. Each runs while main runs, and starts again alone when
//! it ends.
//!
//! A network is main's for as long as main runs once: when main starts again, what joined its network before has none any
//! more, on Docker as on Podman. So a sidecar that started before main did is stopped, and started into the new one.

mod missing;
mod told;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pluvio_model::image::ContentHash;
use pluvio_model::name::Name;
use pluvio_model::observed::ExitRecord;
use pluvio_model::quantity::Span;
use pluvio_model::spec::RestartPolicy;
use pluvio_plan::lower::engine::label;
use pluvio_plan::rollout::{Health, StopReason, count_exit, start_again_at};
use pluvio_runtime::driver::{ContainerState, Driver, DriverError, SeenContainer};
use tokio::time::Instant;

use super::Application;
use super::actions::Doing;
use super::desired::Desired;
use super::instances::Instance;
use super::making::remove;
use super::memo::InstanceMemo;
use crate::collect::{Collector, Progress, Source, remark};
use crate::engine::Part;
use crate::happened::{What, note};
use crate::probes::{Prober, Target};

/// How long the end of a sidecar waits for the rest of what it said.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How long a sidecar without a probe must have run before its instance serves: one that ends at once is none that runs.
const STEADY: SignedDuration = SignedDuration::from_secs(1);

/// A sidecar of an instance, as the engine shows it.
#[derive(Debug)]
pub(crate) struct Sidecar {
    /// The name of its instance, which is its main container's.
    pub(crate) instance: String,
    /// As the specification calls it.
    pub(crate) name: Name,
    component: Name,
    hash: ContentHash,
    seen: SeenContainer,
    prober: Option<Prober>,
    collector: Option<(Instant, Collector)>,
    progress: Arc<Progress>,
    /// A stop that was ordered and is under way, or has ended it. One that leaves with main's run starts again with the next.
    stop: Option<StopReason>,
}

/// A sidecar that an instance has by its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) name: Name,
    /// It says itself whether it is ready, for as long as it runs.
    has_probe: bool,
}

/// What a sidecar needs now.
enum Due {
    Nothing,
    Start,
    StartAt(Timestamp),
    Stop(StopReason),
    Remove,
}

impl Sidecar {
    fn new(container: &SeenContainer) -> Option<Sidecar> {
        let label = |key: &str| container.labels.get(key).map(String::as_str);
        if label(label::ROLE) != Some("sidecar") {
            return None;
        }
        Some(Sidecar {
            instance: label(label::INSTANCE)?.to_owned(),
            name: label(label::CONTAINER)?.parse().ok()?,
            component: label(label::COMPONENT)?.parse().ok()?,
            hash: ContentHash::from_hex(label(label::HASH)?)?,
            seen: container.clone(),
            prober: None,
            collector: None,
            progress: Arc::default(),
            stop: None,
        })
    }

    fn started_at(&self) -> Option<Timestamp> {
        match self.seen.state {
            ContainerState::Running { started_at } => Some(started_at),
            _ => None,
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.started_at().is_some()
    }

    /// What it is told by in logs, and what its probe's answers are published by.
    pub(crate) fn shown(&self) -> String {
        format!("{}/{}", self.instance, self.name)
    }

    /// In main's present network.
    fn is_with(&self, main: &Instance) -> bool {
        match (self.started_at(), &main.seen.state) {
            (Some(own), ContainerState::Running { started_at }) => own >= *started_at,
            _ => false,
        }
    }

    /// It ended with a run of main before the present one, or before that began: how often it did is nothing to wait for. What
    /// was ordered to leave is only known to the node that ordered it; when both began and ended, the engine tells any.
    fn is_of_a_run_before(&self, main: &Instance) -> bool {
        let ended_before = match (&self.seen.state, &main.seen.state) {
            (
                ContainerState::Exited { finished_at, .. },
                ContainerState::Running { started_at },
            ) => finished_at <= started_at,
            _ => false,
        };
        ended_before || self.stop == Some(StopReason::Leaving)
    }

    /// When it has run long enough to be taken for one that runs; `None` while it does not run.
    fn steady_at(&self) -> Option<Timestamp> {
        self.started_at()?.checked_add(STEADY).ok()
    }

    fn health(&self) -> Health {
        self.prober
            .as_ref()
            .map_or(Health::Unknown, |prober| prober.verdict().health)
    }
}

impl Application {
    fn sidecar_source(&self, container: &str) -> Option<Source> {
        let sidecar = self.sidecars.get(container)?;
        Some(Source {
            application: self.id,
            component: sidecar.component.clone(),
            instance: sidecar.shown(),
            container: container.to_owned(),
            masks: self.masks.clone(),
        })
    }

    fn say_of_sidecar(&self, container: &str, what: What, text: impl Into<String>) {
        if let Some(source) = self.sidecar_source(container) {
            let text = text.into();
            note(&self.shared.events, &source, what, &*text);
            remark(&self.shared.logs, &source, text);
        }
    }

    /// The engine's names of an instance's sidecars.
    pub(super) fn sidecars_of(&self, instance: &str) -> Vec<String> {
        self.sidecars
            .iter()
            .filter(|(_, sidecar)| sidecar.instance == instance)
            .map(|(container, _)| container.clone())
            .collect()
    }

    fn sidecar(&self, instance: &str, name: &Name) -> Option<&Sidecar> {
        self.sidecars
            .values()
            .find(|sidecar| sidecar.instance == instance && sidecar.name == *name)
    }

    /// What an instance has beside main, by its content.
    pub(super) fn expected(&self, component: &Name, hash: &ContentHash) -> Vec<Expected> {
        let content = self
            .desired
            .as_ref()
            .and_then(|desired| desired.kept.content(component, hash));
        let sidecars = content.into_iter().flat_map(|of| &of.content.sidecars);
        sidecars
            .map(|(name, sidecar)| Expected {
                name: name.clone(),
                has_probe: sidecar.probes.ready.is_some(),
            })
            .collect()
    }

    /// Main's health and its sidecars' together. A sidecar without a probe must run, and not for a moment only, before the
    /// instance serves for the first time; should it end later, requests go on. One with a probe is asked all the while.
    pub(super) fn whole_health(&self, instance: &Instance, memo: Option<&InstanceMemo>) -> Health {
        let own = instance.health(memo);
        if own != Health::Ready {
            return own;
        }
        let has_served = memo.is_some_and(|memo| memo.ready_at.is_some());
        let mut all = Health::Ready;
        for expected in &instance.expected {
            let sidecar = self
                .sidecar(&instance.seen.name, &expected.name)
                .filter(|sidecar| sidecar.is_with(instance));
            let is_steady = |sidecar: &Sidecar| {
                let now = self.shared.clock.now();
                expected.has_probe || has_served || sidecar.steady_at().is_some_and(|at| at <= now)
            };
            let health = match sidecar {
                Some(sidecar) if is_steady(sidecar) => sidecar.health(),
                Some(_) => Health::Starting,
                None if has_served && !expected.has_probe => Health::Ready,
                None => Health::NotReady,
            };
            match health {
                Health::Ready => {}
                Health::Unknown if all == Health::Ready => all = Health::Unknown,
                Health::Unknown => {}
                Health::Starting | Health::NotReady if has_served => return Health::NotReady,
                Health::Starting | Health::NotReady => return Health::Starting,
            }
        }
        all
    }

    /// Takes in what the engine shows of sidecars.
    pub(super) fn absorb_sidecars(&mut self, part: &Part) {
        let busy = &self.busy;
        self.sidecars.retain(|name, _| {
            busy.contains_key(name) || part.containers.iter().any(|c| c.name == *name)
        });
        for container in part.containers.iter() {
            let name = &container.name;
            match self.sidecars.get_mut(name) {
                Some(known) if known.seen.id == container.id => known.seen = container.clone(),
                _ => {
                    let Some(sidecar) = Sidecar::new(container) else {
                        continue;
                    };
                    self.sidecars.insert(name.clone(), sidecar);
                }
            }
            let memo = self.memo.sidecars.entry(name.clone()).or_default();
            if memo.container != container.id {
                *memo = InstanceMemo {
                    container: container.id.clone(),
                    ..InstanceMemo::default()
                };
            }
            match container.state.clone() {
                ContainerState::Running { started_at } => {
                    self.sidecar_runs(part, name, started_at);
                }
                ContainerState::Exited {
                    code,
                    oom,
                    finished_at,
                } => self.sidecar_ended(name, code, oom, finished_at),
                ContainerState::Created | ContainerState::Other(_) => {}
            }
        }
        let sidecars = &self.sidecars;
        self.memo
            .sidecars
            .retain(|name, _| sidecars.contains_key(name));
    }

    fn sidecar_runs(&mut self, part: &Part, container: &str, started_at: Timestamp) {
        let (Some(sidecar), Some(memo)) = (
            self.sidecars.get(container),
            self.memo.sidecars.get(container),
        ) else {
            return;
        };
        let new_run = memo.started_at != Some(started_at);
        if new_run || sidecar.prober.is_none() {
            let before = match new_run {
                true => Health::Starting,
                false => Health::Unknown,
            };
            let content = self
                .desired
                .as_ref()
                .and_then(|desired| desired.kept.content(&sidecar.component, &sidecar.hash));
            let probes = content
                .and_then(|of| of.content.sidecars.get(&sidecar.name))
                .map(|of| of.probes.clone());
            // It is reached where main is.
            let main = part.containers.iter().find(|c| c.name == sidecar.instance);
            let target = Target {
                application: self.id,
                instance: container.to_owned(),
                address: main.and_then(|main| main.address),
                published: main.map(|main| main.published.clone()).unwrap_or_default(),
                driver: self.shared.engine.driver.clone(),
            };
            let prober = probes
                .map(|probes| Prober::start(target, probes, started_at, before, self.wake.clone()));
            if new_run {
                self.say_of_sidecar(container, What::Started, "started");
            }
            if let Some(sidecar) = self.sidecars.get_mut(container) {
                sidecar.prober = prober;
                if new_run {
                    sidecar.stop = None;
                }
            }
            if let Some(memo) = self.memo.sidecars.get_mut(container) {
                memo.started_at = Some(started_at);
            }
        }
        self.follow_sidecar(container);
    }

    fn follow_sidecar(&mut self, container: &str) {
        let due = match self.sidecars.get(container).map(|one| &one.collector) {
            Some(None) => true,
            Some(Some((since, collector))) => {
                collector.is_over() && since.elapsed() > Duration::from_secs(1)
            }
            None => false,
        };
        if due {
            let collector = self.sidecar_collector(container, true);
            if let Some(sidecar) = self.sidecars.get_mut(container) {
                sidecar.collector = collector.map(|collector| (Instant::now(), collector));
            }
        }
    }

    pub(super) fn sidecar_collector(&self, container: &str, follow: bool) -> Option<Collector> {
        let progress = self.sidecars.get(container)?.progress.clone();
        let (driver, logs) = (self.shared.engine.driver.clone(), self.shared.logs.clone());
        let source = self.sidecar_source(container)?;
        Some(Collector::start(source, progress, driver, logs, follow))
    }

    fn sidecar_ended(&mut self, container: &str, code: i64, oom: bool, finished_at: Timestamp) {
        let (Some(sidecar), Some(memo)) = (
            self.sidecars.get_mut(container),
            self.memo.sidecars.get_mut(container),
        ) else {
            return;
        };
        if memo.finished_at == Some(finished_at) {
            return;
        }
        sidecar.prober = None;
        let following = sidecar.collector.take();
        memo.finished_at = Some(finished_at);
        if sidecar.stop != Some(StopReason::Leaving) {
            memo.rests_since = Some(self.shared.clock.now());
            memo.last_exit = Some(ExitRecord {
                code,
                oom: oom && sidecar.stop.is_none(),
                at: finished_at,
                last_lines: Vec::new(),
                hook: None,
            });
            memo.exits = count_exit(memo.exits, memo.started_at, finished_at);
        }
        let Some(rest) = self.sidecar_collector(container, false) else {
            return;
        };
        let name = container.to_owned();
        self.speaking.insert(name.clone());
        self.last_words.spawn(async move {
            if let Some((_, mut following)) = following {
                following.finish(LAST_WORDS).await;
            }
            let mut rest = rest;
            rest.finish(LAST_WORDS).await;
            name
        });
    }

    /// What a sidecar said at last is kept.
    pub(super) fn sidecar_has_spoken(&mut self, container: &str) {
        let (Some(sidecar), Some(memo)) = (
            self.sidecars.get(container),
            self.memo.sidecars.get_mut(container),
        ) else {
            return;
        };
        let lines = sidecar.progress.take_last_lines();
        if sidecar.stop == Some(StopReason::Leaving) {
            let text = "ended with its instance";
            return self.say_of_sidecar(container, What::Stopped, text);
        }
        let Some(exit) = &mut memo.last_exit else {
            return;
        };
        exit.last_lines = lines;
        let (what, how) = (What::ended(exit), exit.in_words());
        let (exits, last) = (memo.exits, memo.last(Timestamp::MAX));
        let rest = last
            .and_then(|last| start_again_at(RestartPolicy::Always, exits, last))
            .map(|at| self.shared.clock.until(at).as_secs_f64().round());
        let next = match rest {
            Some(rest) if rest > 0.0 => format!("; it starts again in {rest} s"),
            _ => "; it starts again".to_owned(),
        };
        if let Some(source) = self.sidecar_source(container) {
            note(&self.shared.events, &source, what, &*how);
            remark(&self.shared.logs, &source, format!("{how}{next}"));
        }
    }

    /// Starts, stops and removes sidecars as their instances need it. Returns when to look again.
    pub(super) fn attend_sidecars(&mut self, desired: &Desired, ready: bool) -> Option<Timestamp> {
        let now = self.shared.clock.now();
        let mut again: Option<Timestamp> = None;
        for sidecar in self.sidecars.values() {
            again = super::earlier(again, sidecar.steady_at().filter(|at| *at > now));
        }
        let all: Vec<String> = self.sidecars.keys().cloned().collect();
        for container in all {
            if !self.is_free(&container) {
                continue;
            }
            match self.due(&container, now) {
                Due::Start if ready && self.sidecar_has_its_volumes(desired, &container) => {
                    self.start_sidecar(&container);
                }
                Due::Stop(why) => self.stop_sidecar(desired, &container, why),
                Due::StartAt(at) => again = super::earlier(again, Some(at)),
                Due::Remove => {
                    let driver = self.driver();
                    let name = container.clone();
                    self.begin(&container, Doing::Attend, async move {
                        remove(&*driver, &name).await
                    });
                }
                Due::Nothing | Due::Start => {}
            }
        }
        if ready {
            self.make_missing(desired);
        }
        again
    }

    fn sidecar_has_its_volumes(&mut self, desired: &Desired, container: &str) -> bool {
        let seen = self.sidecars.get(container).map(|one| one.seen.clone());
        seen.is_none_or(|seen| self.may_have_volumes(desired, &seen))
    }

    fn due(&self, container: &str, now: Timestamp) -> Due {
        let Some(sidecar) = self.sidecars.get(container) else {
            return Due::Nothing;
        };
        if self.busy.contains_key(&sidecar.instance) {
            return Due::Nothing;
        }
        let Some(main) = self.instances.get(&sidecar.instance) else {
            return Due::Remove;
        };
        if !main.is_running() {
            return match sidecar.is_running() {
                true => Due::Stop(StopReason::Leaving),
                false => Due::Nothing,
            };
        }
        if main.stop.is_some() {
            return Due::Nothing;
        }
        match &sidecar.seen.state {
            ContainerState::Created => Due::Start,
            ContainerState::Exited { .. } if sidecar.is_of_a_run_before(main) => Due::Start,
            ContainerState::Exited { .. } => {
                let memo = self.memo.sidecars.get(container);
                let at = memo.and_then(|memo| {
                    start_again_at(RestartPolicy::Always, memo.exits, memo.last(now)?)
                });
                match at {
                    Some(at) if at > now => Due::StartAt(at),
                    _ => Due::Start,
                }
            }
            ContainerState::Running { .. } if !sidecar.is_with(main) => {
                Due::Stop(StopReason::Leaving)
            }
            ContainerState::Running { .. } => {
                let verdict = sidecar.prober.as_ref().map(Prober::verdict);
                match verdict {
                    Some(verdict) if verdict.live_failed && sidecar.stop.is_none() => {
                        Due::Stop(StopReason::Unhealthy)
                    }
                    _ => Due::Nothing,
                }
            }
            ContainerState::Other(_) => Due::Nothing,
        }
    }

    fn start_sidecar(&mut self, container: &str) {
        let by_itself = self.sidecars.get(container).is_some_and(|sidecar| {
            let main = self.instances.get(&sidecar.instance);
            matches!(sidecar.seen.state, ContainerState::Exited { .. })
                && main.is_some_and(|main| !sidecar.is_of_a_run_before(main))
        });
        if let Some(memo) = self.memo.sidecars.get_mut(container)
            && by_itself
        {
            memo.restarts += 1;
        }
        let (driver, name) = (self.driver(), container.to_owned());
        self.begin(container, Doing::Attend, async move {
            driver
                .start(&name)
                .await
                .map_err(|error| error.to_problem())
        });
    }

    fn stop_sidecar(&mut self, desired: &Desired, container: &str, why: StopReason) {
        let Some(sidecar) = self.sidecars.get_mut(container) else {
            return;
        };
        sidecar.stop = Some(why);
        let grace = desired.component(&sidecar.component).rollout.grace;
        if why == StopReason::Unhealthy {
            let text = "it does not answer and is restarted";
            self.say_of_sidecar(container, What::Unhealthy, text);
        }
        let (driver, name) = (self.driver(), container.to_owned());
        self.begin(container, Doing::Attend, async move {
            stop_all(&*driver, &[name], grace).await
        });
    }

    /// The instance leaves, and its sidecars with it: their end is none to tell of.
    pub(super) fn sidecars_leave(&mut self, instance: &str) {
        for sidecar in self.sidecars.values_mut() {
            if sidecar.instance == instance {
                sidecar.stop = Some(StopReason::Leaving);
            }
        }
    }
}

/// Stops containers side by side; one that is gone is stopped.
pub(super) async fn stop_all(
    driver: &dyn Driver,
    containers: &[String],
    grace: Span,
) -> Result<(), pluvio_model::problem::Problem> {
    let seconds = grace.millis().div_ceil(1000);
    let stops = containers
        .iter()
        .map(|container| async move { driver.stop(container, seconds).await });
    for stopped in futures::future::join_all(stops).await {
        match stopped {
            Ok(()) | Err(DriverError::NotFound { .. }) => {}
            Err(error) => return Err(error.to_problem()),
        }
    }
    Ok(())
}
