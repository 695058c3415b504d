//! A node with its engine and gateway, as far as a rollout can tell: what the tests let it live through.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::*;

/// A second after the epoch of the simulation.
pub(super) fn at(seconds: f64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_millis((seconds * 1000.0) as i64)
}

/// A content, by a letter.
pub(super) fn content(letter: char) -> ContentHash {
    ContentHash::of(&letter)
}

/// How a content's program behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    /// Ready two seconds after its start.
    Good,
    NeverReady,
    /// Ends with code 1 a second after its start.
    Exits,
}

#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) input: RolloutInput,
    pub(super) programs: BTreeMap<char, Program>,
    /// When each running instance was started, and each ordered stop will have worked.
    started: BTreeMap<String, Timestamp>,
    stops: BTreeMap<String, Timestamp>,
    /// Starts that a node asked for before it was killed, and that the engine has not come to yet.
    late: Vec<String>,
    /// Gateways do not acknowledge while it is set.
    pub(super) deaf: bool,
    letters: BTreeMap<ContentHash, char>,
    pub(super) trace: Vec<String>,
}

impl World {
    pub(super) fn new(strategy: Strategy, instances: u32) -> World {
        let letters = ('A'..='C')
            .map(|letter| (content(letter), letter))
            .collect();
        World {
            now: at(0.0),
            input: RolloutInput {
                wish: ComponentWish::Run {
                    hash: content('A'),
                    instances,
                },
                rollout: DecidedRollout {
                    strategy,
                    drain: Span::seconds(30),
                    grace: Span::seconds(10),
                    deadline: Span::seconds(120),
                    retry: Span::default(),
                },
                restart: RestartPolicy::Always,
                made_alone: false,
                instances: Vec::new(),
                endpoints: None,
            },
            programs: ('A'..='C').map(|letter| (letter, Program::Good)).collect(),
            started: BTreeMap::new(),
            stops: BTreeMap::new(),
            late: Vec::new(),
            deaf: false,
            letters,
            trace: Vec::new(),
        }
    }

    pub(super) fn wanted(&self) -> u32 {
        match self.input.wish {
            ComponentWish::Run { instances, .. } => instances,
            _ => 0,
        }
    }

    pub(super) fn deploy(&mut self, letter: char) {
        let instances = self.wanted().max(1);
        self.input.wish = ComponentWish::Run {
            hash: content(letter),
            instances,
        };
    }

    pub(super) fn scale(&mut self, instances: u32) {
        if let ComponentWish::Run {
            instances: wanted, ..
        } = &mut self.input.wish
        {
            *wanted = instances;
        }
    }

    pub(super) fn running(&self) -> usize {
        let all = self.input.instances.iter();
        all.filter(|i| i.state == SeenState::Running).count()
    }

    /// The most that run of one name; of all, where instances have no names of their own.
    pub(super) fn beside_each_other(&self) -> usize {
        if self.input.rollout.strategy != Strategy::Ordered {
            return self.running();
        }
        let mut each: BTreeMap<u32, usize> = BTreeMap::new();
        for instance in &self.input.instances {
            *each.entry(instance.slot).or_default() +=
                usize::from(instance.state == SeenState::Running);
        }
        each.into_values().max().unwrap_or(0)
    }

    /// Instances that every gateway gives requests to and that answer them.
    pub(super) fn serving(&self) -> Vec<&InstanceSeen> {
        let all = self.input.instances.iter();
        all.filter(|i| i.is_serving()).collect()
    }

    pub(super) fn find(&mut self, name: &str) -> &mut InstanceSeen {
        let found = self.input.instances.iter_mut().find(|i| i.name == name);
        found.unwrap_or_else(|| panic!("an action names {name}, which is not there"))
    }

    /// Time goes on, and with it programs, requests, gateways.
    pub(super) fn pass(&mut self, seconds: f64) {
        self.now += SignedDuration::from_millis((seconds * 1000.0) as i64);
        let now = self.now;
        for name in std::mem::take(&mut self.late) {
            let found = self.input.instances.iter_mut().find(|i| i.name == name);
            // What was removed meanwhile cannot be started.
            if let Some(instance) = found.filter(|i| i.state != SeenState::Running) {
                instance.state = SeenState::Running;
                instance.stop = None;
                instance.live_failed = false;
                self.started.insert(name.clone(), now);
                self.stops.remove(&name);
            }
        }
        for instance in &mut self.input.instances {
            if instance.state != SeenState::Running {
                continue;
            }
            let program = self.programs[&self.letters[&instance.hash]];
            let started = self.started[&instance.name];
            if self
                .stops
                .get(&instance.name)
                .is_some_and(|end| *end <= now)
            {
                end(instance, now, 143, started);
            } else if program == Program::Exits && now >= started + SignedDuration::from_secs(1) {
                end(instance, now, 1, started);
            } else if program == Program::Good
                && matches!(
                    instance.health,
                    Health::Starting | Health::NotReady | Health::Unknown
                )
                && now >= started + SignedDuration::from_secs(2)
            {
                instance.health = Health::Ready;
            } else if instance.health == Health::Unknown {
                instance.health = Health::Starting;
            }
        }
        self.acknowledge();
    }

    fn acknowledge(&mut self) {
        if self.deaf {
            return;
        }
        let listed = match &self.input.endpoints {
            Some(EndpointsWish::Serving(names)) => names.clone(),
            Some(_) => Vec::new(),
            None => return,
        };
        for instance in &mut self.input.instances {
            let listed = listed.contains(&instance.name);
            instance.place = if listed { Place::In } else { Place::Out };
        }
    }

    pub(super) fn crash(&mut self, index: usize) {
        let now = self.now;
        if let Some(instance) = self.input.instances.get_mut(index)
            && instance.state == SeenState::Running
        {
            end(instance, now, 137, self.started[&instance.name]);
        }
    }

    /// The node is killed and started: what it only remembered is gone, what the engine and the disk hold is not.
    pub(super) fn restart_node(&mut self) {
        self.input.endpoints = None;
        for instance in &mut self.input.instances {
            instance.draining_since = None;
            instance.stop = None;
            instance.live_failed = false;
            instance.health = Health::Unknown;
        }
    }

    /// The node is killed while it acts: some of it was done, some was not, and what it asked to be started is started when
    /// the next node is there already.
    pub(super) fn die_at_work(&mut self, mut does: impl FnMut(usize) -> bool) {
        let step = step(&self.input, self.now);
        for (index, action) in step.actions.iter().enumerate() {
            match action {
                Action::Start { name } | Action::StartAgain { name } => {
                    self.late.push(name.clone())
                }
                action if does(index) => self.act(action),
                _ => {}
            }
        }
        self.restart_node();
    }

    /// One look and what follows from it. `does` says whether an action works this time.
    pub(super) fn turn(&mut self, mut does: impl FnMut(usize) -> bool) -> Step {
        let step = step(&self.input, self.now);
        let mut said = Vec::new();
        for (index, action) in step.actions.iter().enumerate() {
            if does(index) {
                said.push(self.show(action));
                self.act(action);
            }
        }
        if !said.is_empty() {
            let since = self.now.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64();
            self.trace.push(format!("{since:<5} {}", said.join(", ")));
        }
        step
    }

    fn act(&mut self, action: &Action) {
        let now = self.now;
        match action {
            Action::Create { slot } => {
                let ComponentWish::Run { hash, .. } = self.input.wish.clone() else {
                    panic!("made an instance of nothing");
                };
                let ordered = self.input.rollout.strategy == Strategy::Ordered;
                let taken = |i: &InstanceSeen| i.slot == *slot && (!ordered || i.hash == hash);
                assert!(!self.input.instances.iter().any(taken), "slot taken");
                self.input.instances.push(InstanceSeen {
                    name: format!("{}{slot}", self.letters[&hash].to_lowercase()),
                    slot: *slot,
                    hash,
                    state: SeenState::Created,
                    health: Health::Starting,
                    place: Place::Out,
                    draining_since: None,
                    in_flight: 0,
                    stop: None,
                    exits: 0,
                    last_exit: None,
                    live_failed: false,
                });
            }
            Action::Start { name } => {
                self.started.insert(name.clone(), now);
                self.stops.remove(name);
                let instance = self.find(name);
                assert_eq!(instance.state, SeenState::Created);
                instance.state = SeenState::Running;
            }
            Action::StartAgain { name } => {
                self.started.insert(name.clone(), now);
                self.stops.remove(name);
                let instance = self.find(name);
                assert_eq!(instance.state, SeenState::Exited);
                instance.state = SeenState::Running;
                instance.stop = None;
                instance.draining_since = None;
                instance.live_failed = false;
                if matches!(instance.health, Health::Ready | Health::Unknown) {
                    instance.health = Health::NotReady;
                }
            }
            Action::SetEndpoints(endpoints) => {
                if let EndpointsWish::Serving(names) = endpoints {
                    for instance in &mut self.input.instances {
                        let listed = names.contains(&instance.name);
                        if listed != (instance.place == Place::In) {
                            instance.place = Place::Changing;
                        }
                    }
                } else {
                    for instance in &mut self.input.instances {
                        if instance.place == Place::In {
                            instance.place = Place::Changing;
                        }
                    }
                }
                self.input.endpoints = Some(endpoints.clone());
            }
            Action::BeginDrain { name } => self.find(name).draining_since = Some(now),
            Action::CancelDrain { name } => self.find(name).draining_since = None,
            Action::Stop { name, .. } => {
                self.stops
                    .insert(name.clone(), now + SignedDuration::from_secs(1));
                self.find(name).stop = Some(StopReason::Leaving);
            }
            Action::KillUnhealthy { name, .. } => {
                self.stops
                    .insert(name.clone(), now + SignedDuration::from_secs(1));
                self.find(name).stop = Some(StopReason::Unhealthy);
            }
            Action::Remove { name } => {
                assert_ne!(self.find(name).state, SeenState::Running);
                self.input.instances.retain(|i| i.name != *name);
            }
        }
    }

    fn show(&self, action: &Action) -> String {
        match action {
            Action::Create { slot } => match &self.input.wish {
                ComponentWish::Run { hash, .. } => {
                    format!("create {}{slot}", self.letters[hash].to_lowercase())
                }
                _ => "create nothing".to_owned(),
            },
            Action::Start { name } => format!("start {name}"),
            Action::SetEndpoints(EndpointsWish::Serving(names)) => {
                format!("endpoints [{}]", names.join(" "))
            }
            Action::SetEndpoints(wish) => format!("endpoints {wish:?}").to_lowercase(),
            Action::BeginDrain { name } => format!("drain {name}"),
            Action::CancelDrain { name } => format!("keep {name}"),
            Action::Stop { name, .. } => format!("stop {name}"),
            Action::Remove { name } => format!("remove {name}"),
            Action::StartAgain { name } => format!("start {name} again"),
            Action::KillUnhealthy { name, .. } => format!("kill {name}"),
        }
    }

    /// Lets everything go well until the component is settled; false if it is not within `seconds`.
    pub(super) fn settle(&mut self, seconds: f64) -> bool {
        let end = self.now + SignedDuration::from_millis((seconds * 1000.0) as i64);
        while self.now < end {
            if self.turn(|_| true).settled {
                return true;
            }
            self.pass(0.5);
        }
        false
    }
}

fn end(instance: &mut InstanceSeen, now: Timestamp, code: i64, started: Timestamp) {
    instance.state = SeenState::Exited;
    instance.place = match instance.place {
        Place::Out => Place::Out,
        _ => Place::Changing,
    };
    if matches!(instance.health, Health::Ready | Health::Unknown) {
        instance.health = Health::NotReady;
    }
    if instance.stop != Some(StopReason::Leaving) {
        instance.exits = count_exit(instance.exits, Some(started), now);
    }
    instance.last_exit = Some(LastExit { at: now, code });
    instance.in_flight = 0;
}
