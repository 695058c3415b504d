//! A runtime without an engine: instances are what they are told to be, at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use pluvio_model::facts::{Facts, Reach, RuntimeKind};
use pluvio_model::id::{ApplicationId, ClusterId};
use pluvio_model::name::{Name, derived};
use pluvio_model::observed::{
    ExitRecord, InstanceState, Observed, ObservedApplication, ObservedComponent, ObservedInstance,
    ObservedVolume, ProbeAnswer, ProbeKind, RolloutStep,
};
use pluvio_model::release::{DecidedComponent, Strategy};
use pluvio_model::stage::{RunWish, Stage, Wish};
use tokio::sync::watch;

use crate::{Changes, Runtime, RuntimeError, Scope};

/// How a component's new instances turn out. Those it had stay until the new ones are ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    Ready,
    /// Runs, and its readiness probe answers this.
    NeverReady(String),
    /// Ends with a code, having said these lines, again and again.
    Exits(i64, Vec<String>),
}

type Choose = dyn Fn(&DecidedComponent) -> Behaviour + Send + Sync;

/// A clone is the same runtime; [`restarted`](Self::restarted) is another over the same memory.
#[derive(Clone)]
pub struct MemoryRuntime {
    cluster: ClusterId,
    state: Arc<Mutex<State>>,
    changes: Arc<watch::Sender<u64>>,
}

impl std::fmt::Debug for MemoryRuntime {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.write_str("MemoryRuntime")
    }
}

struct State {
    stages: BTreeMap<ApplicationId, Stage>,
    seen: BTreeMap<ApplicationId, ObservedApplication>,
    choose: Box<Choose>,
    unreachable: bool,
}

impl MemoryRuntime {
    pub fn new(cluster: ClusterId) -> MemoryRuntime {
        MemoryRuntime {
            cluster,
            state: Arc::new(Mutex::new(State {
                stages: BTreeMap::new(),
                seen: BTreeMap::new(),
                choose: Box::new(|_| Behaviour::Ready),
                unreachable: false,
            })),
            changes: Arc::new(watch::Sender::new(1)),
        }
    }

    #[must_use]
    pub fn restarted(&self) -> MemoryRuntime {
        MemoryRuntime {
            changes: Arc::new(watch::Sender::new(1)),
            ..self.clone()
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answering(&self) -> Result<MutexGuard<'_, State>, RuntimeError> {
        let state = self.state();
        if state.unreachable {
            return Err(RuntimeError::Unreachable("it is away".to_owned()));
        }
        Ok(state)
    }

    /// From now on components turn out as `choose` says; what is there is looked at again.
    pub fn behave(&self, choose: impl Fn(&DecidedComponent) -> Behaviour + Send + Sync + 'static) {
        let mut state = self.state();
        state.choose = Box::new(choose);
        let applications: Vec<ApplicationId> = state.stages.keys().copied().collect();
        for application in applications {
            state.work(application);
        }
        drop(state);
        self.hint();
    }

    pub fn set_unreachable(&self, unreachable: bool) {
        self.state().unreachable = unreachable;
        self.hint();
    }

    /// An instance disappears by somebody's hand, and is made again.
    pub fn lose(&self, application: ApplicationId, instance: &str) {
        let mut state = self.state();
        if let Some(seen) = state.seen.get_mut(&application) {
            for component in seen.components.values_mut() {
                component.instances.retain(|one| one.name != instance);
            }
        }
        state.work(application);
        drop(state);
        self.hint();
    }

    /// The stage that it works by.
    pub fn stage(&self, application: ApplicationId) -> Option<Stage> {
        self.state().stages.get(&application).cloned()
    }

    fn hint(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

impl State {
    /// Makes what is seen follow the stage.
    fn work(&mut self, application: ApplicationId) {
        let Some(stage) = self.stages.get(&application).cloned() else {
            return;
        };
        let before = self.seen.remove(&application).unwrap_or_default();
        let seen = match &stage.wish {
            Wish::Run(wish) => self.run(wish, before),
            Wish::Gone => ObservedApplication {
                settled: true,
                volumes: before.volumes,
                ..ObservedApplication::default()
            },
        };
        let seen = ObservedApplication {
            generation: stage.generation,
            ..seen
        };
        self.seen.insert(application, seen);
    }

    fn run(&self, wish: &RunWish, mut before: ObservedApplication) -> ObservedApplication {
        let mut seen = ObservedApplication {
            stage: wish.components.clone(),
            stopped: wish
                .release
                .components
                .keys()
                .filter(|name| !wish.is_on(name))
                .cloned()
                .collect(),
            volumes: std::mem::take(&mut before.volumes),
            ..ObservedApplication::default()
        };
        for (name, volume) in &wish.release.volumes {
            let handle = format!("memory-{}", volume.id);
            let volume = ObservedVolume {
                handle,
                bytes: None,
            };
            seen.volumes.entry(name.clone()).or_insert(volume);
        }
        for (name, decided) in &wish.release.components {
            let before = before.components.remove(name);
            let named = wish.components.contains(name);
            // A stop counts at once, whichever stage the component goes by.
            let component = match (named || !wish.is_on(name), before) {
                (true, before) => self.component(wish, decided, before),
                (false, Some(before)) => before,
                (false, None) => continue,
            };
            seen.components.insert(name.clone(), component);
        }
        seen.settled = seen.components.values().all(|component| component.settled);
        seen
    }

    fn component(
        &self,
        wish: &RunWish,
        decided: &DecidedComponent,
        before: Option<ObservedComponent>,
    ) -> ObservedComponent {
        let now = Timestamp::now();
        let same = before
            .as_ref()
            .filter(|before| before.wanted == decided.hash);
        let since = same.map_or(now, |before| before.since);
        let (new, old): (Vec<_>, Vec<_>) = before
            .map(|before| before.instances)
            .unwrap_or_default()
            .into_iter()
            .partition(|instance| instance.hash == decided.hash);
        let wanted = if wish.is_on(&decided.name) {
            decided.instances
        } else {
            0
        };
        let behaviour = (self.choose)(decided);
        let mut instances: Vec<ObservedInstance> = (0..wanted)
            .map(|slot| {
                let name = instance_name(&wish.release.application_name, decided, slot);
                let known = new.iter().find(|instance| instance.name == name);
                let ordinal = (decided.rollout.strategy == Strategy::Ordered).then_some(slot);
                made(known, (name, ordinal), wish, decided, &behaviour, now)
            })
            .collect();
        let up = behaviour == Behaviour::Ready || wanted == 0;
        if !up {
            instances.extend(old);
        }
        ObservedComponent {
            wanted: decided.hash.clone(),
            wanted_instances: wanted,
            since,
            instances,
            settled: up,
            step: if up {
                RolloutStep::Done
            } else {
                RolloutStep::Start
            },
            scaling: None,
        }
    }
}

fn instance_name(application: &Name, decided: &DecidedComponent, slot: u32) -> String {
    let end = format!("{}-{slot}", decided.hash.short());
    derived(&[application.as_str(), decided.name.as_str(), &end])
}

fn made(
    known: Option<&ObservedInstance>,
    (name, ordinal): (String, Option<u32>),
    wish: &RunWish,
    decided: &DecidedComponent,
    behaviour: &Behaviour,
    now: Timestamp,
) -> ObservedInstance {
    let fresh = ObservedInstance {
        name,
        ordinal,
        hash: decided.hash.clone(),
        release: wish.release.number,
        state: InstanceState::Ready,
        address: Some("127.0.0.1".to_owned()),
        started_at: Some(now),
        ready_at: None,
        restarts: 0,
        last_exit: None,
        probe: None,
        in_flight: 0,
        sidecars: Vec::new(),
    };
    let mut instance = known.cloned().unwrap_or(fresh);
    match behaviour {
        Behaviour::Ready => {
            instance.state = InstanceState::Ready;
            instance.ready_at.get_or_insert(now);
        }
        Behaviour::NeverReady(message) => {
            instance.state = InstanceState::Starting;
            instance.probe = Some(ProbeAnswer {
                kind: ProbeKind::Ready,
                ok: false,
                message: message.clone(),
                at: now,
                in_a_row: 3,
            });
        }
        Behaviour::Exits(code, lines) => {
            instance.state = InstanceState::BackOff { until: now };
            instance.restarts += 1;
            instance.last_exit = Some(ExitRecord {
                code: *code,
                oom: false,
                at: now,
                last_lines: lines.clone(),
                hook: None,
            });
        }
    }
    instance
}

#[async_trait]
impl Runtime for MemoryRuntime {
    async fn facts(&self) -> Result<Facts, RuntimeError> {
        drop(self.answering()?);
        Ok(Facts {
            cluster: self.cluster,
            runtime: RuntimeKind::Memory,
            version: "1".to_owned(),
            architecture: "amd64".to_owned(),
            reach: Reach::Bridge,
            rootless: false,
            cpu_millis: 2000,
            memory_bytes: 4 << 30,
        })
    }

    async fn apply(&self, stage: &Stage) -> Result<(), RuntimeError> {
        let mut state = self.answering()?;
        if let Some(held) = state.stages.get(&stage.application)
            && held.generation > stage.generation
        {
            return Err(RuntimeError::Stale {
                held: held.generation,
                offered: stage.generation,
            });
        }
        state.stages.insert(stage.application, stage.clone());
        state.work(stage.application);
        drop(state);
        self.hint();
        Ok(())
    }

    async fn observe(&self, scope: Scope) -> Result<Observed, RuntimeError> {
        let state = self.answering()?;
        let of_scope = state.seen.iter().filter(|(id, _)| match scope {
            Scope::All => true,
            Scope::Application(wanted) => **id == wanted,
        });
        Ok(Observed {
            at: Some(Timestamp::now()),
            applications: of_scope.map(|(id, seen)| (*id, seen.clone())).collect(),
        })
    }

    fn changes(&self) -> Changes {
        self.changes.subscribe()
    }
}
