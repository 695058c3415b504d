//! Instances as they are: what the engine shows of them, what their probes say, how they ended.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pluvio_model::image::ContentHash;
use pluvio_model::name::Name;
use pluvio_model::observed::ExitRecord;
use pluvio_plan::lower::engine::label;
use pluvio_plan::rollout::{
    EndpointsWish, Health, InstanceSeen, Place, SeenState, StopReason, count_exit, start_again_at,
};
use pluvio_runtime::driver::{ContainerState, SeenContainer};
use tokio::time::Instant;

use super::Application;
use super::hooks::{Hook, PostStart};
use super::memo::InstanceMemo;
use super::sidecars::Expected;
use crate::collect::{Collector, Progress, Source, remark};
use crate::happened::{What, note};
use crate::probes::{Prober, Target};

/// How long the end of an instance waits for the rest of what it said.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// One instance of a component: its main container.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) component: Name,
    pub(crate) slot: u32,
    pub(crate) hash: ContentHash,
    pub(crate) release: u64,
    pub(crate) seen: SeenContainer,
    pub(crate) prober: Option<Prober>,
    /// Until the hooks after its start are done; it is not asked before.
    pub(crate) post_start: Option<PostStart>,
    /// The hooks before its stop, once its content was known.
    pub(crate) pre_stop: Option<Vec<Hook>>,
    collector: Option<(Instant, Collector)>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) draining_since: Option<Timestamp>,
    pub(crate) stop: Option<StopReason>,
    /// This node started it: it is not one that served before.
    pub(crate) started_here: bool,
    /// The sidecars of its content.
    pub(crate) expected: Vec<Expected>,
}

impl Instance {
    fn new(container: &SeenContainer) -> Option<Instance> {
        let label = |key: &str| container.labels.get(key).map(String::as_str);
        if label(label::ROLE).is_some_and(|role| role != "main") {
            return None;
        }
        Some(Instance {
            component: label(label::COMPONENT)?.parse().ok()?,
            slot: label(label::SLOT)?.parse().ok()?,
            hash: ContentHash::from_hex(label(label::HASH)?)?,
            release: label(label::RELEASE)
                .and_then(|r| r.parse().ok())
                .unwrap_or(0),
            seen: container.clone(),
            prober: None,
            post_start: None,
            pre_stop: None,
            collector: None,
            progress: Arc::default(),
            draining_since: None,
            stop: None,
            started_here: false,
            expected: Vec::new(),
        })
    }

    pub(crate) fn is_running(&self) -> bool {
        // Paused counts as running: its probes will tell.
        matches!(&self.seen.state, ContainerState::Running { .. })
            || matches!(&self.seen.state, ContainerState::Other(state) if state == "paused")
    }

    /// A hook after its start failed, so it is to be stopped.
    pub(crate) fn has_failed_hook(&self) -> bool {
        let hooks = self.post_start.as_ref();
        hooks.is_some_and(|hooks| hooks.failure().is_some())
    }

    fn state(&self) -> Option<SeenState> {
        match &self.seen.state {
            ContainerState::Created => Some(SeenState::Created),
            ContainerState::Running { .. } => Some(SeenState::Running),
            ContainerState::Exited { .. } => Some(SeenState::Exited),
            ContainerState::Other(state) => match state.as_str() {
                "paused" | "restarting" => Some(SeenState::Running),
                "dead" => Some(SeenState::Exited),
                // On its way out.
                _ => None,
            },
        }
    }

    pub(crate) fn health(&self, memo: Option<&InstanceMemo>) -> Health {
        match (&self.post_start, &self.prober) {
            (Some(hooks), _) if self.is_running() => hooks.before,
            (None, Some(prober)) if self.is_running() => prober.verdict().health,
            (None, None) if self.is_running() => Health::Unknown,
            _ if memo.is_some_and(|memo| memo.ready_at.is_some()) => Health::NotReady,
            _ => Health::Starting,
        }
    }
}

/// How long before an engine goes away its programs are told to end: systemd's and dockerd's own patience is shorter.
const WAY_DOWN: jiff::SignedDuration = jiff::SignedDuration::from_secs(30);

impl Application {
    pub(crate) fn source(&self, instance: &Instance) -> Source {
        Source {
            application: self.id,
            component: instance.component.clone(),
            instance: instance.seen.name.clone(),
            container: instance.seen.name.clone(),
            masks: self.masks.clone(),
        }
    }

    /// Says it among the lines of an instance, and notes it among its events.
    pub(crate) fn say(&self, name: &str, what: What, text: impl Into<String>) {
        let text = text.into();
        self.record(name, what, &*text);
        if let Some(instance) = self.instances.get(name) {
            remark(&self.shared.logs, &self.source(instance), text);
        }
    }

    pub(crate) fn record(&self, name: &str, what: What, text: impl Into<String>) {
        if let Some(instance) = self.instances.get(name) {
            note(&self.shared.events, &self.source(instance), what, text);
        }
    }

    /// Takes in what the engine shows.
    pub(crate) fn absorb(&mut self) {
        let part = self.part.clone();
        if !part.known {
            return;
        }
        let was_away = std::mem::replace(&mut self.engine_away, part.problem.is_some());
        if self.engine_away && !was_away {
            self.forget_ends_on_the_way_down();
        }
        // First: whether an instance is ready depends on them.
        self.absorb_sidecars(&part);
        let gone: Vec<String> = self
            .instances
            .keys()
            .filter(|name| !part.containers.iter().any(|c| c.name == **name))
            .filter(|name| !self.busy.contains_key(*name))
            .cloned()
            .collect();
        for name in gone {
            if self
                .instances
                .get(&name)
                .is_some_and(|i| i.stop != Some(StopReason::Leaving))
            {
                let text = "its container was removed by somebody else";
                self.say(&name, What::Removed, text);
            }
            self.forget(&name);
        }
        for container in part.containers.iter() {
            let name = &container.name;
            let known = self.instances.get_mut(name);
            let watched = known.is_some() && !was_away;
            match known {
                Some(known) if known.seen.id == container.id => {
                    known.seen = container.clone();
                }
                _ => {
                    let Some(instance) = Instance::new(container) else {
                        continue;
                    };
                    self.instances.insert(name.clone(), instance);
                }
            }
            let memo = self.memo.instances.entry(name.clone()).or_default();
            if memo.container != container.id {
                let hot = std::mem::take(&mut memo.hot);
                let fresh = memo.container.is_empty();
                *memo = InstanceMemo {
                    container: container.id.clone(),
                    hot: if fresh { hot } else { Default::default() },
                    ..InstanceMemo::default()
                };
            }
            self.learn_expected(name);
            self.keep_addresses(container);
            match container.state.clone() {
                ContainerState::Running { started_at } => self.runs(name, started_at),
                ContainerState::Exited {
                    code,
                    oom,
                    finished_at,
                } => self.ended(name, (code, oom), finished_at, watched),
                ContainerState::Created | ContainerState::Other(_) => {}
            }
        }
        let known: Vec<String> = self.instances.keys().cloned().collect();
        let busy = &self.busy;
        self.memo
            .instances
            .retain(|name, _| known.contains(name) || busy.contains_key(name));
    }

    fn learn_expected(&mut self, name: &str) {
        let Some(instance) = self.instances.get(name) else {
            return;
        };
        let expected = self.expected(&instance.component, &instance.hash);
        let pre_stop = self.learn_pre_stop(instance);
        if let Some(instance) = self.instances.get_mut(name) {
            instance.expected = expected;
            instance.pre_stop = pre_stop.or(instance.pre_stop.take());
        }
    }

    /// The container is no more.
    pub(crate) fn forget(&mut self, name: &str) {
        self.instances.remove(name);
        self.memo.instances.remove(name);
        self.troubles.remove(name);
        self.made.remove(name);
        self.shared
            .addresses
            .take_back(name, self.shared.clock.now());
    }

    fn runs(&mut self, name: &str, started_at: Timestamp) {
        self.attend_post_start(name, started_at);
        let (Some(instance), Some(memo)) =
            (self.instances.get(name), self.memo.instances.get(name))
        else {
            return;
        };
        let new_run = memo.started_at != Some(started_at);
        if new_run || (instance.prober.is_none() && instance.post_start.is_none()) {
            // Known from before a restart of the node: it keeps what it has until a probe says otherwise.
            let before = if instance.started_here || (new_run && memo.started_at.is_some()) {
                Health::Starting
            } else {
                Health::Unknown
            };
            let content = self
                .desired
                .as_ref()
                .and_then(|desired| desired.kept.content(&instance.component, &instance.hash));
            let probes = content.map(|decided| decided.content.main.probes.clone());
            let target = Target {
                application: self.id,
                instance: name.to_owned(),
                address: instance.seen.address,
                published: instance.seen.published.clone(),
                driver: self.shared.engine.driver.clone(),
            };
            let wake = self.wake.clone();
            // Without its content (the stage is not readable) there is nothing to ask it: it keeps what it has.
            let (post_start, prober) = match self.due_after_start(instance, memo, started_at) {
                // It is told to end already.
                Some(_) if instance.stop.is_some() && !new_run => (None, None),
                Some(hooks) => {
                    let hooks = PostStart::start(hooks, started_at, before, wake);
                    (Some(hooks), None)
                }
                None => {
                    let ask = |probes| Prober::start(target, probes, started_at, before, wake);
                    (None, probes.map(ask))
                }
            };
            if new_run {
                if !instance.started_here {
                    self.record(name, What::Started, "started");
                }
                remark(&self.shared.logs, &self.source(instance), "started");
            }
            if let Some(instance) = self.instances.get_mut(name) {
                instance.prober = prober;
                instance.post_start = post_start;
                if new_run {
                    // Whatever was to end the run before has; this one may be what a killed node asked for.
                    instance.stop = None;
                }
            }
            if let Some(memo) = self.memo.instances.get_mut(name) {
                if new_run {
                    memo.ready_at = None;
                }
                memo.started_at = Some(started_at);
            }
        }
        let health = self
            .instances
            .get(name)
            .map(|instance| self.whole_health(instance, self.memo.instances.get(name)));
        if let Some(memo) = self.memo.instances.get_mut(name)
            && health == Some(Health::Ready)
            && memo.ready_at.is_none()
        {
            memo.ready_at = Some(pluvio_model::clock::now());
            self.say(name, What::Ready, "ready");
        }
        self.tell_of_failing_probe(name);
        self.follow_log(name);
    }

    /// Says once that an instance that served no longer does, and why.
    fn tell_of_failing_probe(&mut self, name: &str) {
        let Some(instance) = self.instances.get_mut(name) else {
            return;
        };
        let Some(verdict) = instance.prober.as_mut().and_then(Prober::news) else {
            return;
        };
        let message = verdict
            .answer
            .map(|answer| answer.message)
            .unwrap_or_default();
        match verdict.health {
            _ if verdict.live_failed => self.say(
                name,
                What::Unhealthy,
                format!("it does not answer and is restarted: {message}"),
            ),
            Health::NotReady => {
                let text = format!("not ready, gets no requests: {message}");
                self.say(name, What::Unhealthy, text);
            }
            _ if verdict.live_fails => self.say(
                name,
                What::Unhealthy,
                format!("it does not answer, and goes on as it is: {message}"),
            ),
            Health::Ready => self.say(name, What::Ready, "ready again"),
            _ => {}
        }
    }

    fn follow_log(&mut self, name: &str) {
        let Some(instance) = self.instances.get(name) else {
            return;
        };
        let due = match &instance.collector {
            None => true,
            // It ended while its container runs: the engine went away. Not more than one attempt a second.
            Some((since, collector)) => {
                collector.is_over() && since.elapsed() > Duration::from_secs(1)
            }
        };
        if due {
            let collector = self.collector(instance, true);
            if let Some(instance) = self.instances.get_mut(name) {
                instance.collector = Some((Instant::now(), collector));
            }
        }
    }

    fn collector(&self, instance: &Instance, follow: bool) -> Collector {
        Collector::start(
            self.source(instance),
            instance.progress.clone(),
            self.shared.engine.driver.clone(),
            self.shared.logs.clone(),
            follow,
        )
    }

    /// An engine or a machine that goes down tells programs to end, and those that obey end with 0: that was not their work done.
    fn forget_ends_on_the_way_down(&mut self) {
        let now = self.shared.clock.now();
        for memo in self.memo.instances.values_mut() {
            let just_now = |since: Timestamp| now.duration_since(since) < WAY_DOWN;
            let ended_well = memo.last_exit.as_ref().is_some_and(|exit| exit.code == 0);
            if ended_well && memo.rests_since.is_some_and(just_now) {
                memo.last_exit = None;
            }
        }
    }

    /// Notes an end at once, so that requests go elsewhere; what it said at last is looked up beside. `watched`: node and engine
    /// were there when it came.
    fn ended(
        &mut self,
        name: &str,
        (code, oom): (i64, bool),
        finished_at: Timestamp,
        watched: bool,
    ) {
        let (Some(instance), Some(memo)) = (
            self.instances.get_mut(name),
            self.memo.instances.get_mut(name),
        ) else {
            return;
        };
        if memo.finished_at == Some(finished_at) {
            return;
        }
        instance.prober = None;
        let following = instance.collector.take();
        let stop = instance.stop;
        let hooks = instance.post_start.take();
        let failed = hooks.and_then(|hooks| hooks.failure());
        // One that ended before it was told to did so by itself.
        let failed = failed.filter(|_| stop == Some(StopReason::Unhealthy));
        // Where an engine only guesses from the exit code, an end that was ordered is none of memory.
        let oom = oom && stop.is_none();
        memo.finished_at = Some(finished_at);
        memo.rests_since = Some(self.shared.clock.now());
        memo.last_exit = Some(ExitRecord {
            // As it counts, also for a program that obeyed with 0.
            code: match (&failed, code) {
                (Some(_), 0) => 143,
                _ => code,
            },
            oom,
            at: finished_at,
            last_lines: failed
                .as_ref()
                .map(|failed| failed.last_lines.clone())
                .unwrap_or_default(),
            hook: failed.map(|failed| failed.text),
        });
        if stop != Some(StopReason::Leaving) {
            memo.exits = count_exit(memo.exits, memo.started_at, finished_at);
        }
        if !watched && code == 0 && memo.started_at.is_some() {
            memo.last_exit = None;
        }
        let Some(instance) = self.instances.get(name) else {
            return;
        };
        let (source, progress) = (self.source(instance), instance.progress.clone());
        let driver = self.shared.engine.driver.clone();
        let store = self.shared.logs.clone();
        self.speaking.insert(name.to_owned());
        self.last_words.spawn(async move {
            if let Some((_, mut following)) = following {
                following.finish(LAST_WORDS).await;
            }
            // One after the other: both go on where the store ends. This one is for an end that came before anybody looked.
            let name = source.instance.clone();
            let mut rest = Collector::start(source, progress, driver, store, false);
            rest.finish(LAST_WORDS).await;
            name
        });
    }

    /// What an ended instance said is kept: its end can be told of, and it may be started again.
    pub(crate) fn has_spoken(&mut self, name: &str) {
        self.speaking.remove(name);
        if self.sidecars.contains_key(name) {
            return self.sidecar_has_spoken(name);
        }
        let (Some(instance), Some(memo)) =
            (self.instances.get(name), self.memo.instances.get_mut(name))
        else {
            return;
        };
        let lines = instance.progress.take_last_lines();
        let Some(exit) = &mut memo.last_exit else {
            return;
        };
        if exit.hook.is_none() {
            exit.last_lines = lines;
        }
        let (what, how) = (What::ended(exit), exit.in_words());
        if instance.stop == Some(StopReason::Leaving) {
            self.say(name, What::Stopped, how);
            return;
        }
        let last = memo.last(Timestamp::MAX);
        let (exits, last) = (memo.exits, last.map(|last| last.counted(instance.stop)));
        let component = instance.component.clone();
        let restart = self
            .desired
            .as_ref()
            .map(|desired| desired.component(&component).restart);
        let rest = restart
            .zip(last)
            .and_then(|(restart, last)| start_again_at(restart, exits, last))
            .map(|at| self.shared.clock.until(at).as_secs_f64().round());
        let what_next = match rest {
            Some(rest) if rest > 0.0 => format!("; it starts again in {rest} s"),
            Some(_) => "; it starts again".to_owned(),
            None => String::new(),
        };
        self.record(name, what, &*how);
        if let Some(instance) = self.instances.get(name) {
            let text = format!("{how}{what_next}");
            remark(&self.shared.logs, &self.source(instance), text);
        }
    }

    /// Makes sure that what an instance said is kept before its container goes.
    pub(crate) fn rest_of_log(&self, name: &str) -> Option<Collector> {
        let instance = self.instances.get(name)?;
        Some(self.collector(instance, false))
    }

    /// A component's instances for the step.
    pub(crate) fn seen(
        &self,
        component: &Name,
        endpoints: Option<&EndpointsWish>,
    ) -> Vec<InstanceSeen> {
        let now = self.shared.clock.now();
        let served = self
            .memo
            .components
            .get(component)
            .map(|memo| memo.serving.as_slice())
            .unwrap_or_default();
        let instances = self
            .instances
            .values()
            .filter(|instance| instance.component == *component);
        instances
            .filter_map(|instance| {
                let name = instance.seen.name.clone();
                let memo = self.memo.instances.get(&name);
                let health = self.whole_health(instance, memo);
                let chosen = match endpoints {
                    Some(EndpointsWish::Serving(names)) => names.contains(&name),
                    Some(_) => false,
                    // The gateway is new, and those that served before go on.
                    None => health == Health::Unknown && served.contains(&name),
                };
                let verdict = instance.prober.as_ref().map(Prober::verdict);
                Some(InstanceSeen {
                    slot: instance.slot,
                    hash: instance.hash.clone(),
                    state: instance.state()?,
                    health,
                    // The one gateway takes a change before the call returns: nothing is ever on its way.
                    place: if chosen { Place::In } else { Place::Out },
                    draining_since: instance.draining_since,
                    in_flight: self.shared.traffic.in_flight(&name),
                    stop: instance.stop,
                    exits: memo.map_or(0, |memo| memo.exits),
                    last_exit: memo.and_then(|memo| memo.last(now)),
                    live_failed: verdict.is_some_and(|verdict| verdict.live_failed)
                        || instance.has_failed_hook(),
                    name,
                })
            })
            .collect()
    }
}
