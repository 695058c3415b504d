//! One application: a loop that looks, asks `plan::rollout` what to do, does it, and looks again.
//!
//! Level-triggered: it is woken by a new stage, by what the engine shows, by probes, by requests that ended and by time, and
//! each time it sees everything afresh. All it remembers is in [`memo::Memo`], on disk, and nothing in there is needed for
//! doing the right thing, only for telling how it went, how long to rest, and what need not be run again. So a node that is killed anywhere goes on.
//!
//! `desired` is what the stage asks for, `instances` what is there, `sidecars` what is beside them, `externals` what is outside, `actions`, `making`, `hooks` and `hot_files` what the loop does,
//! `scaling` how many there are, `networks` where they meet, `holders` what keeps it from starting something, `hosts` what they find by name, `runs` what comes to an end
//! and `running` how one of these is followed, `observe` what it tells.

mod actions;
mod desired;
mod externals;
mod holders;
mod hooks;
mod hosts;
mod hot_files;
mod inside;
mod instances;
mod making;
mod memo;
mod networks;
mod observe;
mod running;
mod runs;
mod scaling;
mod sidecars;
mod surroundings;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pluvio_model::id::ApplicationId;
use pluvio_model::name::Name;
use pluvio_model::observed::RolloutStep;
use pluvio_model::problem::Problem;
use pluvio_plan::rollout::{Action, EndpointsWish, RolloutInput, step};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::engine::Part;
use crate::node::Shared;
use crate::runs::RunBook;
use pluvio_runtime::Masks;

use actions::Finished;
use desired::Desired;
use instances::Instance;
use memo::Memo;
pub(crate) use observe::AllPublished;
pub(crate) use runs::asked_run;

/// Steps of one component in one look. Three do for every rollout: endpoints, drain, stop.
const MOST_STEPS: usize = 5;

/// Looked at again after this, even if nothing happens.
const IDLE: Duration = Duration::from_secs(300);

pub(crate) struct Application {
    id: ApplicationId,
    shared: Arc<Shared>,
    wake: Arc<Notify>,
    part: Part,
    /// The engine did not answer when it was last looked at.
    engine_away: bool,
    desired: Option<Desired>,
    masks: Masks,
    memo: Memo,
    instances: BTreeMap<String, Instance>,
    /// By the engine's name of the container.
    sidecars: BTreeMap<String, sidecars::Sidecar>,
    components: BTreeMap<Name, Component>,
    scaling: BTreeMap<Name, scaling::Scaling>,
    /// What is being done, by instance; nothing else is done to it meanwhile.
    busy: HashMap<String, actions::Doing>,
    jobs: JoinSet<Finished>,
    /// Ended instances whose last lines are still collected; they are told of, and started again, after it.
    speaking: HashSet<String>,
    last_words: JoinSet<String>,
    /// Programs that come to an end: which there are, who follows them, how they are told to end.
    book: Arc<RunBook>,
    programs: JoinSet<runs::RunDone>,
    attended: HashMap<String, CancellationToken>,
    /// Waits for instances to finish their requests.
    drains: JoinSet<()>,
    /// Instances that this node made to the end; one that it did not may lack files or networks.
    made: HashSet<String>,
    /// What is being made and works on exclusive volumes already, by instance or run.
    making: HashMap<String, holders::Claim>,
    /// What waits for an exclusive volume, and who has it.
    waiting: HashMap<String, String>,
    /// The same of the turn before, so that each wait is told of once.
    waited: HashMap<String, String>,
    /// What failed and is tried again later, by instance, network or volume.
    troubles: BTreeMap<String, Trouble>,
    ensured: surroundings::Ensured,
    /// What is not run here.
    externals: BTreeMap<Name, externals::Outside>,
    /// Where each component with TCP ports is reached from within, on each network by its name in the application.
    virtual_addresses: BTreeMap<(Name, Name), std::net::Ipv4Addr>,
    /// What other applications have on each network that is shared with them, by its name here.
    neighbours: BTreeMap<Name, Vec<(String, std::net::Ipv4Addr)>>,
    /// Whether every application of the machine has been seen.
    knows_all_names: bool,
    hosts_kept: hosts::Kept,
}

/// A component's place in its rollout, as of the last step.
#[derive(Debug)]
struct Component {
    /// What was last set as its endpoints; `None` when this node has not set any.
    endpoints: Option<EndpointsWish>,
    phase: RolloutStep,
    settled: bool,
}

#[derive(Debug)]
struct Trouble {
    problem: Problem,
    tries: u32,
    until: Instant,
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

fn takes_effect_at_once(action: &Action) -> bool {
    matches!(
        action,
        Action::SetEndpoints(_) | Action::BeginDrain { .. } | Action::CancelDrain { .. }
    )
}

impl Application {
    pub(crate) fn new(id: ApplicationId, shared: Arc<Shared>, wake: Arc<Notify>) -> Application {
        let memo = Memo::load(&shared.memos, id);
        let book = shared.book(id);
        Application {
            id,
            shared,
            wake,
            part: Part::default(),
            engine_away: false,
            desired: None,
            masks: Masks::default(),
            memo,
            instances: BTreeMap::new(),
            sidecars: BTreeMap::new(),
            components: BTreeMap::new(),
            scaling: BTreeMap::new(),
            busy: HashMap::new(),
            jobs: JoinSet::new(),
            speaking: HashSet::new(),
            last_words: JoinSet::new(),
            book,
            programs: JoinSet::new(),
            attended: HashMap::new(),
            drains: JoinSet::new(),
            made: HashSet::new(),
            making: HashMap::new(),
            waiting: HashMap::new(),
            waited: HashMap::new(),
            troubles: BTreeMap::new(),
            ensured: surroundings::Ensured::default(),
            externals: BTreeMap::new(),
            virtual_addresses: BTreeMap::new(),
            neighbours: BTreeMap::new(),
            knows_all_names: false,
            hosts_kept: hosts::Kept::default(),
        }
    }

    /// Never ends: an application that is gone has nothing to do and costs nothing.
    pub(crate) async fn run(mut self) {
        let mut views = self.shared.engine.views();
        loop {
            let again = self.converge().await;
            let pause = again
                .map_or(IDLE, |at| self.shared.clock.until(at))
                .min(self.troubles_end())
                .min(IDLE);
            let timer = tokio::time::sleep(pause);
            tokio::pin!(timer);
            loop {
                tokio::select! {
                    () = self.wake.notified() => break,
                    Some(_) = self.drains.join_next() => break,
                    Some(name) = self.last_words.join_next() => {
                        match name {
                            Ok(name) => self.has_spoken(&name),
                            // It is not known whose: none waits for it any longer.
                            Err(_) => self.speaking.clear(),
                        }
                        break;
                    }
                    Some(done) = self.jobs.join_next() => {
                        self.finish(done);
                        // Those that ended at the same time need no list of their own.
                        while let Some(done) = self.jobs.try_join_next() {
                            self.finish(done);
                        }
                        self.shared.engine.refresh().await;
                        break;
                    }
                    Some(done) = self.programs.join_next() => {
                        self.program_ended(done);
                        break;
                    }
                    changed = views.changed() => {
                        if changed.is_err() {
                            return;
                        }
                        let part = views.borrow_and_update().part(self.id);
                        // Who has a volume that it waits for may be another application's.
                        if part != self.part || !self.waiting.is_empty() {
                            break;
                        }
                    }
                    () = &mut timer => break,
                }
            }
        }
    }

    fn troubles_end(&self) -> Duration {
        let now = Instant::now();
        self.troubles
            .values()
            .map(|trouble| trouble.until.saturating_duration_since(now))
            // One that is over already waits for something else to happen.
            .filter(|left| !left.is_zero())
            .min()
            .unwrap_or(IDLE)
    }

    /// Looks once and does what is to be done. Returns when to look again.
    async fn converge(&mut self) -> Option<Timestamp> {
        self.part = self.shared.engine.view().part(self.id);
        self.renew_desired();
        self.absorb();
        let mut again = None;
        if self.part.known
            && let Some(desired) = self.desired.take()
        {
            // Whoever still waits says so again in this turn.
            self.waited = std::mem::take(&mut self.waiting);
            self.memo.turn_to(desired.kept.stage.generation);
            self.attend_externals(&desired);
            let ready = self.part.problem.is_none() && self.prepare(&desired).await;
            if ready || desired.is_gone() {
                self.lead_inside(&desired).await;
            }
            again = self.attend_scaling(&desired);
            again = earlier(again, self.step(&desired, ready));
            again = earlier(again, self.run_programs(&desired, ready));
            again = earlier(again, self.attend_sidecars(&desired, ready));
            self.forgive(&desired);
            if self.part.problem.is_none() {
                self.carry_hot_files(&desired);
                self.keep_hosts(&desired);
                self.tidy(&desired).await;
            }
            self.desired = Some(desired);
        }
        self.memo.save(&self.shared.memos, self.id);
        self.publish();
        again
    }

    /// One step of each component's rollout.
    fn step(&mut self, desired: &Desired, ready: bool) -> Option<Timestamp> {
        let now = self.shared.clock.now();
        let mut names: Vec<Name> = desired.components.keys().cloned().collect();
        for instance in self.instances.values() {
            if !names.contains(&instance.component) {
                names.push(instance.component.clone());
            }
        }
        self.components.retain(|name, _| names.contains(name));
        let mut again: Option<Timestamp> = None;
        for name in names {
            let asked = self.asked(desired, &name);
            self.memo.work_towards(&name, asked.hash(), now);
            // What takes effect at once (endpoints, drains) may let the next thing be done at once.
            for _ in 0..MOST_STEPS {
                // Not before what the last step noted: a drain that begins in the future looks like a clock set back.
                let now = self.shared.clock.now();
                let known = self.components.get(&name).and_then(|c| c.endpoints.clone());
                let input = RolloutInput {
                    wish: asked.wish.clone(),
                    rollout: asked.rollout.clone(),
                    restart: asked.restart,
                    made_alone: asked.made_alone,
                    instances: self.seen(&name, known.as_ref()),
                    endpoints: known.clone(),
                };
                let step = step(&input, now);
                let place = self.components.entry(name.clone()).or_insert(Component {
                    endpoints: known,
                    phase: step.phase,
                    settled: false,
                });
                place.phase = step.phase;
                place.settled = step.settled;
                if let Some(at) = step.again_at {
                    again = Some(again.map_or(at, |before| before.min(at)));
                }
                let at_once = step.actions.iter().any(takes_effect_at_once);
                for action in step.actions {
                    self.act(desired, &name, action, ready);
                }
                self.set_endpoints(desired, &name);
                if !at_once {
                    break;
                }
            }
        }
        again
    }

    /// Notes that something failed; it is tried again after a pause that grows.
    fn fail(&mut self, what: &str, problem: Problem) {
        let tries = self.troubles.get(what).map_or(0, |trouble| trouble.tries) + 1;
        let pause = Duration::from_millis(250 << tries.min(7)).min(Duration::from_secs(30));
        if tries == 1 {
            tracing::warn!(application = %self.id, what, %problem, "it failed and is tried again");
        }
        let trouble = Trouble {
            problem,
            tries,
            until: Instant::now() + pause,
        };
        self.troubles.insert(what.to_owned(), trouble);
    }

    /// Once everything is as it shall be, what failed on the way and is not there any more is over: a slot that could not be
    /// made and that another took the place of.
    fn forgive(&mut self, desired: &Desired) {
        if self.components.values().all(|component| component.settled) {
            let instances = &self.instances;
            self.troubles.retain(|what, _| {
                instances.contains_key(what)
                    || desired
                        .networks
                        .iter()
                        .any(|network| network.number_of(what).is_some())
                    || desired.volumes.iter().any(|volume| volume.name == *what)
                    || desired.volumes_of_others.contains(what)
                    || self
                        .part
                        .networks
                        .iter()
                        .any(|network| network.name == *what)
            });
        }
    }

    fn rests(&self, what: &str) -> bool {
        self.troubles
            .get(what)
            .is_some_and(|trouble| trouble.until > Instant::now())
    }
}
