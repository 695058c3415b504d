//! What a node does next with one component's instances: the engine-side rollout, as a pure step that is asked again and
//! again.
//!
//! The step sees everything afresh each time and keeps no state of its own, so a node that was killed goes on where it was.
//! Two promises hold in every history (the property tests below are their definition): ready instances never fall below
//! `wanted − unavailable` while the old ones are ready, and no more than `wanted + surge` run at once. With an exclusive
//! volume, two never run; of instances with names of their own, two of a name never run, and one that serves is replaced only
//! while all others do.

mod choice;
mod ordered;
mod restart;

pub use restart::{back_off, count_exit, start_again_at};

use choice::{Choice, Starts};
use jiff::Timestamp;
use pluvio_model::image::ContentHash;
use pluvio_model::observed::RolloutStep;
use pluvio_model::quantity::Span;
use pluvio_model::release::{DecidedRollout, Strategy};
use pluvio_model::spec::RestartPolicy;

/// Everything the step looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutInput {
    pub wish: ComponentWish,
    pub rollout: DecidedRollout,
    pub restart: RestartPolicy,
    /// Where only one may run: what is made works on its data already, so the one before must be gone.
    pub made_alone: bool,
    pub instances: Vec<InstanceSeen>,
    /// What was last set as the component's endpoints; `None` when the node does not know (its first look after a start).
    pub endpoints: Option<EndpointsWish>,
}

/// What the component shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComponentWish {
    Run {
        hash: ContentHash,
        instances: u32,
    },
    /// Gone for as long as its release task works on what only one may have; requests wait meanwhile.
    Paused,
    /// Stopped by a person: no instances, and 503 that says so.
    Stopped,
    /// No longer part of the release.
    Gone,
}

/// One instance as the node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceSeen {
    /// The container's name.
    pub name: String,
    /// Which of the component's slots it has; the end of its name. With [`Strategy::Ordered`] its ordinal.
    pub slot: u32,
    pub hash: ContentHash,
    pub state: SeenState,
    pub health: Health,
    pub place: Place,
    /// When it was told to drain ([`Action::BeginDrain`]); forgotten by [`Action::CancelDrain`].
    pub draining_since: Option<Timestamp>,
    /// Requests in flight to it, through every way in.
    pub in_flight: u64,
    /// A stop that was ordered and is under way, or has ended it.
    pub stop: Option<StopReason>,
    /// Ends in a row, as [`count_exit`] counts them; 0 for one that never ended by itself.
    pub exits: u32,
    pub last_exit: Option<LastExit>,
    /// The liveness probe failed as often as it may.
    pub live_failed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenState {
    /// Made, never started.
    Created,
    Running,
    Exited,
}

/// What the readiness probe (and before it, the startup probe) says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Not asked yet since the node started: nothing is concluded from it, it keeps what it has.
    Unknown,
    /// Never was ready.
    Starting,
    Ready,
    /// Was ready, is not now.
    NotReady,
}

/// Whether requests can come to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// No gateway will choose it.
    Out,
    /// The endpoints were changed, and not every gateway with a live lease has acknowledged it.
    Changing,
    /// Every gateway may choose it. (A component without ports counts as acknowledged at once.)
    In,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// [`Action::Stop`]
    Leaving,
    /// [`Action::KillUnhealthy`]: it is started again after its back-off.
    Unhealthy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastExit {
    pub at: Timestamp,
    pub code: i64,
}

impl LastExit {
    /// As it counts: who obeyed the stop signal with 0, yet was stopped because it failed, did not end well.
    #[must_use]
    pub fn counted(self, stop: Option<StopReason>) -> LastExit {
        let failed = stop == Some(StopReason::Unhealthy) && self.code == 0;
        LastExit {
            // 128 and the number of SIGTERM, as shells have it.
            code: if failed { 143 } else { self.code },
            ..self
        }
    }
}

/// What requests for the component meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointsWish {
    /// These instances, by name, sorted. None: 503 at once.
    Serving(Vec<String>),
    /// New requests wait for the next instance (exclusive volume).
    Holding,
    Stopped,
    Absent,
}

/// What to do now. Each may be done again without harm; whatever fails is asked for again by the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make an instance of the wanted content in this slot.
    Create {
        slot: u32,
    },
    Start {
        name: String,
    },
    SetEndpoints(EndpointsWish),
    /// Left the endpoints: note the time, wait for its requests.
    BeginDrain {
        name: String,
    },
    /// It is wanted again.
    CancelDrain {
        name: String,
    },
    /// Stop signal, then kill after `grace`.
    Stop {
        name: String,
        grace: Span,
    },
    Remove {
        name: String,
    },
    /// Start an ended one again; its back-off is over.
    StartAgain {
        name: String,
    },
    /// Stop one whose liveness probe fails; it is started again afterwards.
    KillUnhealthy {
        name: String,
        grace: Span,
    },
}

/// What to do, and when to look again even if nothing happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub actions: Vec<Action>,
    /// A back-off or drain ends then.
    pub again_at: Option<Timestamp>,
    pub phase: RolloutStep,
    /// Exactly the wanted instances run, are ready and in the endpoints, and no others are there.
    pub settled: bool,
}

/// Ends in a row after which requests are no longer held for an instance that never was ready: the next one will hardly do better.
const HOLD_EXITS: u32 = 3;

/// The next actions. They are for this moment only: do them, look again, ask again.
pub fn step(input: &RolloutInput, now: Timestamp) -> Step {
    let choice = choice::choose(input);
    let endpoints = endpoints(input, &choice);
    let mut plan = Plan {
        input,
        now,
        start: choice.start.clone(),
        actions: Vec::new(),
        again_at: None,
    };
    if input.endpoints.as_ref() != Some(&endpoints) {
        plan.actions.push(Action::SetEndpoints(endpoints.clone()));
    }
    for instance in choice.keep() {
        plan.keep(instance);
    }
    for instance in &choice.leave {
        plan.leave(instance);
    }
    for slot in &choice.create {
        plan.actions.push(Action::Create { slot: *slot });
    }
    Step {
        actions: plan.actions,
        again_at: plan.again_at,
        phase: phase(input, &choice),
        settled: settled(input, &choice, &endpoints),
    }
}

struct Plan<'a> {
    input: &'a RolloutInput,
    now: Timestamp,
    /// Which programs may yet be started in this step.
    start: Starts<'a>,
    actions: Vec<Action>,
    again_at: Option<Timestamp>,
}

impl Plan<'_> {
    fn keep(&mut self, instance: &InstanceSeen) {
        let name = instance.name.clone();
        if instance.draining_since.is_some() && instance.stop.is_none() {
            self.actions
                .push(Action::CancelDrain { name: name.clone() });
        }
        match instance.state {
            SeenState::Created if self.start.take(&name) => {
                self.actions.push(Action::Start { name });
            }
            SeenState::Created => {}
            SeenState::Running if instance.live_failed && instance.stop.is_none() => {
                self.actions.push(Action::KillUnhealthy {
                    name,
                    grace: self.input.rollout.grace,
                });
            }
            SeenState::Running => {}
            SeenState::Exited => match restart::due(self.input.restart, instance, self.now) {
                restart::Due::Now if self.start.take(&name) => {
                    self.actions.push(Action::StartAgain { name });
                }
                restart::Due::Now => {}
                restart::Due::At(at) => self.look_at(at),
                restart::Due::Never => {}
            },
        }
    }

    /// Out of the endpoints first, then its requests end, then it does.
    fn leave(&mut self, instance: &InstanceSeen) {
        let name = instance.name.clone();
        if instance.state != SeenState::Running {
            self.actions.push(Action::Remove { name });
            return;
        }
        if instance.stop.is_some() || instance.place != Place::Out {
            return;
        }
        let drain = self.input.rollout.drain;
        let stop = Action::Stop {
            name: name.clone(),
            grace: self.input.rollout.grace,
        };
        match instance.draining_since {
            // It never had a request to finish.
            None if instance.health == Health::Starting && instance.in_flight == 0 => {
                self.actions.push(stop);
            }
            None => self.actions.push(Action::BeginDrain { name }),
            Some(_) if instance.in_flight == 0 => self.actions.push(stop),
            Some(since) => match deadline(since, drain, self.now) {
                Some(at) => self.look_at(at),
                None => self.actions.push(stop),
            },
        }
    }

    fn look_at(&mut self, at: Timestamp) {
        self.again_at = Some(self.again_at.map_or(at, |before| before.min(at)));
    }
}

/// When `span` after `since` is, if that is still to come. A clock that was set back past `since` ends the wait, so that it
/// never becomes longer than asked.
fn deadline(since: Timestamp, span: Span, now: Timestamp) -> Option<Timestamp> {
    let at = after(since, span);
    (since <= now && now < at).then_some(at)
}

fn after(since: Timestamp, span: Span) -> Timestamp {
    since
        .checked_add(jiff::SignedDuration::from_millis(
            i64::try_from(span.millis()).unwrap_or(i64::MAX),
        ))
        .unwrap_or(Timestamp::MAX)
}

/// Which instances requests go to.
fn endpoints(input: &RolloutInput, choice: &Choice) -> EndpointsWish {
    let ComponentWish::Run { instances, .. } = input.wish else {
        return match input.wish {
            ComponentWish::Stopped => EndpointsWish::Stopped,
            ComponentWish::Paused => EndpointsWish::Holding,
            _ => EndpointsWish::Absent,
        };
    };
    let mut names: Vec<String> = choice
        .keep()
        .filter(|instance| instance.serves())
        .map(|instance| instance.name.clone())
        .collect();
    names.sort();
    let replaced = stops_first(input) && instances > 0;
    if names.is_empty() && replaced {
        let old_runs = choice.leave.iter().any(|i| i.state == SeenState::Running);
        let new_may_come = choice
            .keep_new
            .iter()
            .all(|i| i.health != Health::NotReady && i.exits < HOLD_EXITS);
        if old_runs || new_may_come {
            return EndpointsWish::Holding;
        }
    }
    EndpointsWish::Serving(names)
}

impl InstanceSeen {
    /// Whether requests may go to it, were it wanted.
    fn serves(&self) -> bool {
        let ready = match self.health {
            Health::Ready => true,
            // The node was restarted: what served goes on serving until a probe says otherwise.
            Health::Unknown => self.place != Place::Out,
            Health::Starting | Health::NotReady => false,
        };
        self.state == SeenState::Running && ready && !self.live_failed && self.stop.is_none()
    }

    /// Whether every gateway may give it requests, and nothing is about to end that.
    fn is_serving(&self) -> bool {
        self.serves()
            && self.health == Health::Ready
            && self.place == Place::In
            && self.draining_since.is_none()
    }
}

/// Whether the old instance goes before the new one comes.
fn stops_first(input: &RolloutInput) -> bool {
    match input.rollout.strategy {
        Strategy::Surge { .. } => false,
        Strategy::StopThenStart | Strategy::Ordered => true,
    }
}

fn phase(input: &RolloutInput, choice: &Choice) -> RolloutStep {
    let new_is_up = choice.new_is_up(input.restart);
    let leaving = if new_is_up || stops_first(input) {
        if choice.leave.iter().any(|i| i.place != Place::Out) {
            Some(RolloutStep::Shift)
        } else if choice
            .leave
            .iter()
            .any(|i| i.state == SeenState::Running && i.stop.is_none())
        {
            Some(RolloutStep::Drain)
        } else if !choice.leave.is_empty() {
            Some(RolloutStep::Stop)
        } else {
            None
        }
    } else {
        None
    };
    match leaving {
        Some(step) => step,
        None if !new_is_up => RolloutStep::Start,
        None if !choice.keep_old.is_empty() => RolloutStep::Shift,
        None => RolloutStep::Done,
    }
}

fn settled(input: &RolloutInput, choice: &Choice, endpoints: &EndpointsWish) -> bool {
    choice.new_is_up(input.restart)
        && choice.keep_old.is_empty()
        && choice.leave.is_empty()
        && input.endpoints.as_ref() == Some(endpoints)
}

#[cfg(test)]
mod histories;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
