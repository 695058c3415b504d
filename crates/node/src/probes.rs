//! Health checks, run by the node on every engine.
//!
//! While an instance starts it is asked often, whatever the period, so that a deploy need not wait for a period to pass; a
//! failure counts at most once a period, so that asking often makes nobody fail sooner. The startup probe comes first and
//! alone; then readiness and liveness, each by its own period.

mod check;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use pluvio_model::observed::{ProbeAnswer, ProbeKind};
use pluvio_model::release::{DecidedProbe, DecidedProbes};
use pluvio_model::spec::Unhealthy;
use pluvio_plan::rollout::Health;
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use check::{Target, dial};

/// The first pause between two checks of a starting instance; it grows to [`SLOWEST_START`].
const FASTEST_START: Duration = Duration::from_millis(15);
const SLOWEST_START: Duration = Duration::from_millis(250);

/// What the probes of one run of an instance say.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) health: Health,
    pub(crate) answer: Option<ProbeAnswer>,
    /// The liveness or startup probe failed as often as it may: it is to be restarted.
    pub(crate) live_failed: bool,
    /// The liveness probe fails, and nothing is to be restarted for it.
    pub(crate) live_fails: bool,
    /// What readiness alone says.
    ready: Health,
}

impl Verdict {
    fn new(before: Health) -> Verdict {
        Verdict {
            health: before,
            answer: None,
            live_failed: false,
            live_fails: false,
            ready: before,
        }
    }

    /// What wakes whoever acts on it.
    fn signs(&self) -> Signs {
        (self.health, self.live_failed, self.live_fails)
    }
}

type Signs = (Health, bool, bool);

/// Asks one run of an instance until dropped.
#[derive(Debug)]
pub(crate) struct Prober {
    verdict: Arc<Mutex<Verdict>>,
    task: tokio::task::JoinHandle<()>,
    told: Signs,
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Prober {
    /// `before`: what is known of this run already. `changed` is told when the verdict is another.
    pub(crate) fn start(
        target: Target,
        probes: DecidedProbes,
        started_at: Timestamp,
        before: Health,
        changed: Arc<Notify>,
    ) -> Prober {
        let verdict = Arc::new(Mutex::new(Verdict::new(before)));
        let asking = Asking {
            target,
            verdict: verdict.clone(),
            changed,
            started_at,
            unhealthy: probes.unhealthy,
        };
        let task = tokio::spawn(async move { asking.run(&probes).await });
        Prober {
            verdict,
            task,
            told: (before, false, false),
        }
    }

    /// The verdict, if health or liveness is another than when it was last asked for here.
    pub(crate) fn news(&mut self) -> Option<Verdict> {
        let verdict = self.verdict();
        let before = std::mem::replace(&mut self.told, verdict.signs());
        let first = matches!(before.0, Health::Starting | Health::Unknown)
            && self.told == (Health::Ready, false, false);
        (before != self.told && !first).then_some(verdict)
    }

    /// For whoever observes: always the latest answer.
    pub(crate) fn shared(&self) -> Arc<Mutex<Verdict>> {
        self.verdict.clone()
    }

    pub(crate) fn verdict(&self) -> Verdict {
        self.verdict
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

struct Asking {
    target: Target,
    verdict: Arc<Mutex<Verdict>>,
    changed: Arc<Notify>,
    started_at: Timestamp,
    unhealthy: Unhealthy,
}

/// Answers of one kind in a row.
#[derive(Debug, Default)]
struct Row {
    ok: bool,
    length: u32,
    /// When the last failure was counted.
    counted: Option<Instant>,
}

impl Row {
    /// True if the answer counts.
    fn add(&mut self, ok: bool, period: Duration, now: Instant) -> bool {
        if ok != self.ok {
            self.length = 0;
            self.counted = None;
        }
        self.ok = ok;
        if !ok {
            // A little early is in time: timers are not exact.
            let early = period - period / 10;
            if self
                .counted
                .is_some_and(|last| now.duration_since(last) < early)
            {
                return false;
            }
            self.counted = Some(now);
        }
        self.length = self.length.saturating_add(1);
        true
    }
}

impl Asking {
    async fn run(&self, probes: &DecidedProbes) {
        if let Some(startup) = &probes.startup
            && !self.startup(startup).await
        {
            return;
        }
        tokio::join!(
            async {
                match &probes.ready {
                    Some(ready) => self.ready(ready).await,
                    None => self.set(|verdict| verdict.ready = Health::Ready),
                }
            },
            async {
                if let Some(live) = &probes.live {
                    self.live(live).await;
                }
            }
        );
    }

    fn set(&self, change: impl FnOnce(&mut Verdict)) {
        let mut verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        let before = verdict.signs();
        let ok = verdict.answer.as_ref().map(|answer| answer.ok);
        change(&mut verdict);
        let offline = verdict.live_fails && self.unhealthy == Unhealthy::Offline;
        verdict.health = match verdict.ready {
            Health::Ready if offline => Health::NotReady,
            ready => ready,
        };
        // An answer like the one before is looked up by whoever observes; it wakes nobody.
        if before != verdict.signs() || ok != verdict.answer.as_ref().map(|answer| answer.ok) {
            self.changed.notify_one();
        }
    }

    /// How long the program has run, whenever the node began to ask.
    fn age(&self) -> Duration {
        let run = pluvio_model::clock::now().duration_since(self.started_at);
        Duration::try_from(run).unwrap_or_default()
    }

    /// Waits for what is left of the delay.
    async fn delay(&self, probe: &DecidedProbe) {
        tokio::time::sleep(probe.delay.duration().saturating_sub(self.age())).await;
    }

    async fn ask(&self, kind: ProbeKind, probe: &DecidedProbe, row: &mut Row) -> Answered {
        let (ok, message) = self
            .target
            .ask(&probe.check, probe.timeout.duration(), self.age())
            .await;
        let counts = row.add(ok, probe.period.duration(), Instant::now());
        Answered {
            counts,
            answer: ProbeAnswer {
                kind,
                ok,
                message,
                at: pluvio_model::clock::now(),
                in_a_row: row.length,
            },
        }
    }

    /// True when it passed.
    async fn startup(&self, probe: &DecidedProbe) -> bool {
        self.delay(probe).await;
        let (mut row, mut pause) = (Row::default(), FASTEST_START);
        loop {
            let Answered { answer, counts } = self.ask(ProbeKind::Startup, probe, &mut row).await;
            let passed = answer.ok && row.length >= probe.successes;
            let failed = !answer.ok && counts && row.length >= probe.failures;
            self.set(|verdict| {
                verdict.answer = Some(answer);
                verdict.live_failed |= failed;
                if !passed && verdict.ready == Health::Unknown && row.length >= probe.failures {
                    verdict.ready = Health::Starting;
                }
            });
            if passed || failed {
                return passed;
            }
            tokio::time::sleep(pause.min(probe.period.duration())).await;
            pause = (pause * 2).min(SLOWEST_START);
        }
    }

    async fn ready(&self, probe: &DecidedProbe) {
        self.delay(probe).await;
        let (mut row, mut pause) = (Row::default(), FASTEST_START);
        loop {
            let Answered { answer, .. } = self.ask(ProbeKind::Ready, probe, &mut row).await;
            let mut starts = false;
            self.set(|verdict| {
                verdict.ready = match verdict.ready {
                    _ if answer.ok && row.length >= probe.successes => Health::Ready,
                    Health::Ready if !answer.ok && row.length >= probe.failures => Health::NotReady,
                    Health::Unknown if !answer.ok && row.length >= probe.failures => {
                        Health::Starting
                    }
                    health => health,
                };
                // A liveness probe that fails says more about the instance than this one.
                if !verdict.live_failed && !verdict.live_fails {
                    verdict.answer = Some(answer);
                }
                starts = matches!(verdict.ready, Health::Starting | Health::Unknown);
            });
            let period = probe.period.duration();
            if starts {
                tokio::time::sleep(pause.min(period)).await;
                pause = (pause * 2).min(SLOWEST_START);
            } else {
                tokio::time::sleep(period).await;
            }
        }
    }

    async fn live(&self, probe: &DecidedProbe) {
        self.delay(probe).await;
        let restarts = self.unhealthy == Unhealthy::Restart;
        let mut row = Row::default();
        loop {
            let Answered { answer, .. } = self.ask(ProbeKind::Live, probe, &mut row).await;
            let failed = !answer.ok && row.length >= probe.failures;
            let recovered = answer.ok && row.length >= probe.successes;
            self.set(|verdict| {
                // Readiness is what people look at while all is well.
                if !answer.ok || verdict.live_fails {
                    verdict.answer = Some(answer);
                }
                if failed && restarts {
                    verdict.live_failed = true;
                } else if failed || recovered {
                    verdict.live_fails = failed;
                }
            });
            if failed && restarts {
                return;
            }
            tokio::time::sleep(probe.period.duration()).await;
        }
    }
}

struct Answered {
    answer: ProbeAnswer,
    /// False for a failure in the same period as the one before.
    counts: bool,
}

#[cfg(test)]
mod tests;
