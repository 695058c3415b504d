//! One run, from its container to how it ended. Runs beside the loop, and is taken up again by the next node after a kill.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pluvio_model::observed::{ExitRecord, RunState};
use pluvio_model::problem::{self, Problem};
use pluvio_model::quantity::Span;
use pluvio_plan::lower::engine::{ContainerCreate, Role};
use pluvio_runtime::driver::{ContainerState, DriverError};
use pluvio_telemetry::events::EventStore;
use pluvio_telemetry::logs::LogStore;
use tokio_util::sync::CancellationToken;

use super::making::{create_new, remove, run_init};
use crate::collect::{Collector, Progress, Source, remark};
use crate::engine::Engine;
use crate::runs::{End, RunBook};

/// How long the end of a run waits for the rest of what it said.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Between two looks at the engine, and two attempts to end a run: events may be lost, and calls refused.
const LOOK: Duration = Duration::from_secs(5);

/// All that a run needs to be brought to its end.
pub(crate) struct Running {
    pub(crate) key: String,
    /// Init steps, then the program's; `None` when it can only be followed, since what it was made of is not wanted any more.
    pub(crate) containers: Option<Vec<(ContainerCreate, Option<IpAddr>)>>,
    pub(crate) source: Source,
    pub(crate) timeout: Option<Span>,
    pub(crate) grace: Span,
    pub(crate) engine: Arc<Engine>,
    pub(crate) book: Arc<RunBook>,
    pub(crate) logs: Arc<LogStore>,
    pub(crate) events: Arc<EventStore>,
    /// Nobody wants it any more.
    pub(crate) cancel: CancellationToken,
}

/// Why a run did not come to an end here: it is tried again, or taken up by the next node.
#[derive(Debug)]
pub(crate) struct Later(pub(crate) Problem);

impl Running {
    pub(crate) async fn follow(self) -> Result<(), Later> {
        let name = self.source.instance.clone();
        let state = self.book.get(&self.key).map(|run| run.state);
        let end = match state {
            Some(RunState::Waiting) => match self.begin().await {
                Ok(()) => self.wait().await,
                Err(Begun::Not(problem)) if is_transient(&problem) => return Err(Later(*problem)),
                Err(Begun::Not(problem)) => failed(*problem),
                Err(Begun::Cancelled) => cancelled(),
            },
            Some(RunState::Running) => self.resume().await?,
            _ => return Ok(()),
        };
        self.say(match (&end.exit, end.state) {
            (_, RunState::Unknown) => "nobody knows how it ended".to_owned(),
            (Some(exit), _) => exit.in_words(),
            (None, _) => "it was not run".to_owned(),
        });
        self.write(self.book.end(&self.key, end, pluvio_model::clock::now()))?;
        match remove(&*self.engine.driver, &name).await {
            Ok(()) => {}
            // What is left is tidied up when the engine answers again.
            Err(problem) => tracing::warn!(%problem, name, "a run's container is left"),
        }
        self.engine.refresh().await;
        Ok(())
    }

    fn say(&self, text: impl Into<String>) {
        remark(&self.logs, &self.source, text);
    }

    fn write(&self, written: std::io::Result<()>) -> Result<(), Later> {
        written.map_err(|error| Later(cannot_write(&error)))
    }

    /// Makes its containers and starts the program, which is noted first: from then on it may have run.
    async fn begin(&self) -> Result<(), Begun> {
        let driver = &*self.engine.driver;
        let Some(containers) = &self.containers else {
            return Err(Begun::Cancelled);
        };
        for (container, address) in containers {
            if self.cancel.is_cancelled() {
                return Err(Begun::Cancelled);
            }
            match &container.role {
                Role::Init(_) => {
                    let (logs, events) = (&self.logs, &self.events);
                    run_init(
                        &self.engine,
                        container,
                        *address,
                        &self.source,
                        logs,
                        events,
                    )
                    .await?;
                }
                Role::Main | Role::Run | Role::Sidecar(_) => {
                    create_new(driver, container, *address).await?;
                }
            }
        }
        self.book
            .begin(&self.key, pluvio_model::clock::now())
            .map_err(|error| Begun::Not(Box::new(cannot_write(&error))))?;
        self.say("started");
        Ok(self.start().await?)
    }

    async fn start(&self) -> Result<(), Problem> {
        let started = self.engine.driver.start(&self.source.instance).await;
        started.map_err(|error| error.to_problem())
    }

    /// Takes up a run that a former node began.
    async fn resume(&self) -> Result<End, Later> {
        let view = self.engine.refresh().await;
        if let Some(problem) = &view.problem {
            return Err(Later(problem.clone()));
        }
        let seen = view
            .containers()
            .find(|container| container.name == self.source.instance);
        match seen.map(|seen| &seen.state) {
            Some(ContainerState::Created) if self.cancel.is_cancelled() => Ok(cancelled()),
            // Noted and not started: the node was killed in between.
            Some(ContainerState::Created) => match self.start().await {
                Ok(()) => Ok(self.wait().await),
                Err(problem) if is_transient(&problem) => Err(Later(problem)),
                Err(problem) => Ok(failed(problem)),
            },
            Some(_) => Ok(self.wait().await),
            None => Ok(unknown()),
        }
    }

    /// Waits until the program has ended, and ends it when its time is over or nobody wants it any more.
    async fn wait(&self) -> End {
        let name = &self.source.instance;
        let progress: Arc<Progress> = Arc::default();
        let collect = |follow| {
            let (driver, store) = (self.engine.driver.clone(), self.logs.clone());
            Collector::start(self.source.clone(), progress.clone(), driver, store, follow)
        };
        let mut following = collect(true);
        let deadline = self.deadline();
        // Since when it is ended by us, and why.
        let mut why: Option<(Timestamp, Option<Problem>)> = None;
        // The engine took that it is to be ended.
        let mut stopped = false;
        let mut views = self.engine.views();
        let mut look = tokio::time::Instant::now() + LOOK;
        let (code, oom, at) = loop {
            let view = views.borrow_and_update().clone();
            let seen = view.containers().find(|container| container.name == *name);
            match seen.map(|seen| seen.state.clone()) {
                Some(ContainerState::Exited {
                    code,
                    oom,
                    finished_at,
                }) => {
                    // It had come to its end before: nobody takes that from it any more.
                    why.take_if(|(since, _)| ended_before(finished_at, *since));
                    break (code, oom && why.is_none(), finished_at);
                }
                // A list may be older than the start.
                None if view.problem.is_none() && view.known => {
                    let view = self.engine.refresh().await;
                    if view.problem.is_none()
                        && !view.containers().any(|container| container.name == *name)
                    {
                        return unknown();
                    }
                }
                _ => {}
            }
            if following.is_over() && seen.is_some() {
                // The engine went away, or its log ended a moment before the program did.
                tokio::time::sleep(Duration::from_millis(300)).await;
                following = collect(true);
            }
            tokio::select! {
                changed = views.changed() => if changed.is_err() { return unknown(); },
                () = until(deadline), if why.is_none() => {
                    let since = pluvio_model::clock::now();
                    why = Some((since, Some(self.out_of_time())));
                    stopped = self.stop().await;
                }
                () = self.cancel.cancelled(), if why.is_none() => {
                    let since = pluvio_model::clock::now();
                    why = Some((since, cancelled().problem));
                    stopped = self.stop().await;
                }
                () = tokio::time::sleep_until(look) => {
                    look = tokio::time::Instant::now() + LOOK;
                    if why.is_some() && !stopped {
                        stopped = self.stop().await;
                    } else {
                        self.engine.refresh().await;
                    }
                }
            }
        };
        following.finish(LAST_WORDS).await;
        collect(false).finish(LAST_WORDS).await;
        let exit = ExitRecord {
            code,
            oom,
            at,
            last_lines: progress.take_last_lines(),
            hook: None,
        };
        End {
            state: match (&why, code) {
                (None, 0) => RunState::Succeeded,
                _ => RunState::Failed,
            },
            exit: Some(exit),
            problem: why.and_then(|(_, problem)| problem),
        }
    }

    /// Whether the engine took it.
    async fn stop(&self) -> bool {
        let grace = self.grace.millis().div_ceil(1000);
        let stopped = self.engine.driver.stop(&self.source.instance, grace).await;
        let taken = match stopped {
            Ok(()) | Err(DriverError::NotFound { .. }) => true,
            Err(error) => {
                let name = &self.source.instance;
                tracing::warn!(%error, name, "a run cannot be ended: it is tried again");
                false
            }
        };
        self.engine.refresh().await;
        taken
    }

    fn deadline(&self) -> Option<Timestamp> {
        let began = self.book.get(&self.key)?.started_at?;
        let limit = i64::try_from(self.timeout?.millis()).ok()?;
        began.checked_add(SignedDuration::from_millis(limit)).ok()
    }

    fn out_of_time(&self) -> Problem {
        let limit = self.timeout.unwrap_or(Span::seconds(0));
        problem::RELEASE_TASK.problem(
            format!(
                "The program of {} ran for more than {limit} and was ended.",
                self.source.component
            ),
            "Find out what it waits for, or raise its `timeout`.",
        )
    }
}

/// Why a run was not begun.
enum Begun {
    Not(Box<Problem>),
    Cancelled,
}

impl From<Problem> for Begun {
    fn from(problem: Problem) -> Begun {
        Begun::Not(Box::new(problem))
    }
}

async fn until(deadline: Option<Timestamp>) {
    match deadline {
        Some(at) => {
            let left = at.duration_since(pluvio_model::clock::now());
            tokio::time::sleep(Duration::try_from(left).unwrap_or_default()).await;
        }
        None => std::future::pending().await,
    }
}

/// The epoch is the time of an engine that does not tell it.
fn ended_before(finished_at: Timestamp, since: Timestamp) -> bool {
    finished_at > Timestamp::UNIX_EPOCH && finished_at < since
}

fn is_transient(problem: &Problem) -> bool {
    problem.is(problem::ENGINE_MISSING) || problem.is(problem::DISK_FULL)
}

fn cannot_write(error: &std::io::Error) -> Problem {
    problem::DISK_FULL.problem(
        format!("The book of runs cannot be written: {error}."),
        "Free space on the disk of Pluvio's data folder; nothing is run without it.",
    )
}

fn failed(problem: Problem) -> End {
    End {
        state: RunState::Failed,
        exit: None,
        problem: Some(problem),
    }
}

fn cancelled() -> End {
    failed(problem::CANCELLED.problem(
        "It was ended: nobody wants it any more.",
        "Nothing needs to be done.",
    ))
}

fn unknown() -> End {
    End {
        state: RunState::Unknown,
        exit: None,
        problem: Some(problem::RELEASE_TASK.problem(
            "It was begun, and its container is gone: nobody knows how it ended.",
            "Look at what it should have done; deploy again, or start it by hand, if it is to run once more.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_the_engine_does_not_tell_is_not_before_anything() {
        let since = pluvio_model::clock::now();
        let moment = SignedDuration::from_millis(1);
        assert!(ended_before(since - moment, since));
        assert!(!ended_before(since, since));
        assert!(!ended_before(Timestamp::UNIX_EPOCH, since));
    }
}
