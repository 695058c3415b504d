//! Programs that come to an end: tasks that the stage names, what schedules fire, what a person asks for.

use jiff::Timestamp;
use pluvio_model::id::ApplicationId;
use pluvio_model::name::Name;
use pluvio_model::observed::{ObservedRun, RunKind, RunState};
use pluvio_model::quantity::Span;
use pluvio_model::release::{DecidedComponent, Release};
use pluvio_model::spec::ScheduleIn;
use pluvio_model::stage::{Power, RunWish};
use pluvio_plan::lower::engine::{
    InstancePlace, InstanceTemplate, RunPlace, TaskPlan, label, run_name,
};
use pluvio_plan::rollout::ComponentWish;
use pluvio_plan::schedule::{Schedule, is_worth_catching_up};
use pluvio_runtime::driver::DriverError;
use tokio_util::sync::CancellationToken;

use super::Application;
use super::desired::{Asked, Desired};
use super::running::{Later, Running};
use crate::collect::Source;
use crate::runs::Fired;

/// What a run is made of.
struct Recipe<'a> {
    instance: &'a InstanceTemplate,
    /// Has its secrets.
    wish: Option<&'a RunWish>,
    command: Option<Vec<String>>,
    timeout: Option<Span>,
    grace: Span,
}

/// What is known of a run that was taken up when it ends.
#[derive(Debug)]
pub(crate) struct RunDone {
    key: String,
    result: Result<(), Later>,
}

/// How a task's run is called: one for each release, so that a later one may try again what failed.
fn task_key(task: &TaskPlan, release: u64) -> String {
    let kind = match task.kind {
        RunKind::Job => "job",
        _ => "release",
    };
    format!("{kind}-{}-{}-r{release}", task.component, task.hash.short())
}

fn is_task(run: &ObservedRun) -> bool {
    matches!(run.kind, RunKind::Release | RunKind::Job)
}

/// Whether a run is one of a task, in whatever release.
fn is_of(task: &TaskPlan, run: &ObservedRun) -> bool {
    run.component == task.component && run.hash == task.hash && run.kind == task.kind
}

impl Application {
    /// Books what is due, takes up what is booked, ends what nobody wants. Answers when to look again.
    pub(crate) fn run_programs(&mut self, desired: &Desired, ready: bool) -> Option<Timestamp> {
        let again = self.book_runs(desired);
        let open = self.book.at_work();
        for run in &open {
            if !self.is_wanted(desired, run)
                && let Some(cancel) = self.attended.get(&run.key)
            {
                cancel.cancel();
            }
        }
        for (at, run) in open.iter().enumerate() {
            // Two releases' tasks of one component never work side by side: the older one's end wakes the loop.
            let waits = run.state == RunState::Waiting
                && is_task(run)
                && open[..at]
                    .iter()
                    .any(|older| is_task(older) && older.component == run.component);
            if !waits
                && !self.attended.contains_key(&run.key)
                && !self.rests(&run.key)
                && self.part.problem.is_none()
            {
                self.take_up(desired, run, ready);
            }
        }
        again
    }

    fn is_wanted(&self, desired: &Desired, run: &ObservedRun) -> bool {
        let Some(wish) = desired.kept.wish() else {
            return false;
        };
        match run.kind {
            RunKind::Release | RunKind::Job => {
                run.release == wish.release.number
                    && desired.tasks.iter().any(|task| is_of(task, run))
            }
            RunKind::Schedule | RunKind::Asked => {
                wish.is_on(&run.component) && wish.release.components.contains_key(&run.component)
            }
        }
    }

    /// What a component shall be now: while its release task works on a volume that only one may have, nothing of it runs.
    /// Not even once the task is done, until control goes on: the former content would meet data that are not its own any more.
    pub(super) fn asked(&self, desired: &Desired, component: &Name) -> Asked {
        let mut asked = desired.component(component);
        self.scaled(component, &mut asked);
        let release = desired.kept.wish().map_or(0, |wish| wish.release.number);
        let gives_way = |task: &TaskPlan| {
            let run = self.book.get(&task_key(task, release));
            let is_on = run.is_none_or(|run| {
                matches!(
                    run.state,
                    RunState::Waiting | RunState::Running | RunState::Succeeded
                )
            });
            task.kind == RunKind::Release && task.instance.runs_alone() && is_on
        };
        let mut tasks = desired.tasks.iter();
        if matches!(asked.wish, ComponentWish::Run { .. })
            && tasks.any(|task| task.component == *component && gives_way(task))
        {
            asked.wish = ComponentWish::Paused;
        }
        asked
    }

    fn book_runs(&mut self, desired: &Desired) -> Option<Timestamp> {
        let wish = desired.kept.wish()?;
        let release = wish.release.number;
        for task in &desired.tasks {
            self.book_task(task, release);
        }
        if wish.power == Power::Off {
            return None;
        }
        let mut again: Option<Timestamp> = None;
        for (name, wanted) in &desired.components {
            let Some(asked) = &wanted.plan.schedule else {
                continue;
            };
            if !wish.is_on(name) {
                continue;
            }
            let Ok(schedule) = Schedule::new(asked) else {
                continue;
            };
            let next = self.fire(name, asked, &schedule, |key| {
                ObservedRun::waiting(
                    key,
                    RunKind::Schedule,
                    release,
                    wanted.plan.instance.run_name(key),
                    name,
                    wanted.plan.hash.clone(),
                )
            });
            if let Some(next) = next {
                again = Some(again.map_or(next, |before| before.min(next)));
            }
        }
        again
    }

    /// One run of a content at a time, and none after one that ended well: a run that an earlier release began is this one's.
    fn book_task(&self, task: &TaskPlan, release: u64) {
        let runs = self.book.runs();
        let mut of_task = runs.iter().filter(|run| is_of(task, run));
        let well = of_task.clone().find(|run| run.state == RunState::Succeeded);
        let last = well.or_else(|| of_task.next_back());
        if let Some(last) = last {
            let open = !last.state.is_over();
            let is_ending = open
                && self
                    .attended
                    .get(&last.key)
                    .is_some_and(CancellationToken::is_cancelled);
            if is_ending {
                // Its end wakes the loop.
                return;
            }
            if open || last.state == RunState::Succeeded {
                if last.release != release {
                    self.note(&last.key, self.book.adopt(&last.key, release));
                }
                return;
            }
            if last.release == release && !last.was_cancelled() {
                return;
            }
        }
        let first = task_key(task, release);
        let is_free = |key: &String| runs.iter().all(|run| run.key != *key);
        let again = (2..).map(|count| format!("{first}-{count}"));
        let key = std::iter::once(first.clone()).chain(again).find(is_free);
        let key = key.unwrap_or(first);
        let run = ObservedRun::waiting(
            &key,
            task.kind,
            release,
            task.instance.run_name(&key),
            &task.component,
            task.hash.clone(),
        );
        self.note(&key, self.book.book(run));
    }

    /// Fires a schedule if it is due; answers when it fires next.
    fn fire(
        &self,
        component: &Name,
        asked: &ScheduleIn,
        schedule: &Schedule,
        run: impl FnOnce(&str) -> ObservedRun,
    ) -> Option<Timestamp> {
        let now = self.shared.clock.now();
        let written = format!(
            "{} {}",
            asked.cron,
            asked.time_zone.as_deref().unwrap_or("UTC")
        );
        let known = self
            .book
            .fired(component)
            .filter(|fired| fired.schedule == written);
        let fired = |at| Fired {
            schedule: written.clone(),
            at,
        };
        // A clock that was set back must not keep it from firing until it is there again.
        let Some(known) = known.filter(|known| known.at <= now) else {
            self.note(
                component.as_str(),
                self.book.fire(component, fired(now), None),
            );
            return schedule.next(now);
        };
        let Some(due) = schedule.due(known.at, now) else {
            return schedule.next(known.at);
        };
        let run = is_worth_catching_up(due, now).then(|| {
            let mut run = run(&format!("schedule-{component}-{}", due.as_second()));
            run.scheduled_at = Some(due);
            // One that waits is enough: while none can be started, more would only pile up behind it.
            let keeps_it = |other: &ObservedRun| !asked.overlap || other.state == RunState::Waiting;
            let busy = self.book.at_work().iter().any(|other| {
                other.component == *component
                    && matches!(other.kind, RunKind::Schedule | RunKind::Asked)
                    && keeps_it(other)
            });
            if busy {
                run.state = RunState::Skipped;
                run.ended_at = Some(now);
            }
            run
        });
        self.note(
            component.as_str(),
            self.book.fire(component, fired(due), run),
        );
        schedule.next(now)
    }

    fn note(&self, what: &str, written: std::io::Result<()>) {
        if let Err(error) = written {
            tracing::error!(%error, what, application = %self.id, "the book of runs cannot be written; nothing is run");
        }
    }

    fn recipe<'a>(&self, desired: &'a Desired, run: &ObservedRun) -> Option<Recipe<'a>> {
        match run.kind {
            RunKind::Release | RunKind::Job => {
                let task = desired.tasks.iter().find(|task| is_of(task, run))?;
                Some(Recipe {
                    instance: &task.instance,
                    wish: desired.kept.wish(),
                    command: task.command.clone(),
                    timeout: task.timeout,
                    grace: task.grace,
                })
            }
            RunKind::Schedule | RunKind::Asked => {
                let wanted = desired.components.get(&run.component)?;
                let plan = &wanted.plan;
                Some(Recipe {
                    instance: &plan.instance,
                    wish: desired.wish_of(wanted),
                    command: None,
                    timeout: None,
                    grace: plan.rollout.grace,
                })
            }
        }
    }

    fn take_up(&mut self, desired: &Desired, run: &ObservedRun, ready: bool) {
        let recipe = self
            .recipe(desired, run)
            .filter(|_| self.is_wanted(desired, run));
        let containers = match (&recipe, run.state) {
            (Some(_), RunState::Waiting) if !ready => return,
            (Some(recipe), RunState::Waiting) => {
                let place = InstancePlace {
                    run: Some(RunPlace {
                        key: run.key.clone(),
                        command: recipe.command.clone(),
                    }),
                    ..InstancePlace::default()
                };
                let made =
                    self.containers_of(desired, recipe.instance, recipe.wish, &run.instance, place);
                match made {
                    Ok(containers) => Some(containers),
                    Err(problem) => return self.fail(&run.key, problem),
                }
            }
            _ => None,
        };
        if let Some(containers) = &containers
            && !self.claim(desired, &run.key, containers.iter().map(|(made, _)| made))
        {
            return;
        }
        let cancel = CancellationToken::new();
        if recipe.is_none() {
            cancel.cancel();
        }
        let running = Running {
            key: run.key.clone(),
            containers,
            source: Source {
                application: self.id,
                component: run.component.clone(),
                instance: run.instance.clone(),
                container: run.instance.clone(),
                masks: self.masks.clone(),
            },
            timeout: recipe.as_ref().and_then(|recipe| recipe.timeout),
            grace: recipe.map_or(Span::seconds(10), |recipe| recipe.grace),
            engine: self.shared.engine.clone(),
            book: self.book.clone(),
            logs: self.shared.logs.clone(),
            events: self.shared.events.clone(),
            cancel: cancel.clone(),
        };
        self.attended.insert(run.key.clone(), cancel);
        let key = run.key.clone();
        self.programs.spawn(async move {
            RunDone {
                key,
                result: running.follow().await,
            }
        });
    }

    /// Takes in that a run is over, or is to be taken up again.
    pub(crate) fn program_ended(&mut self, done: Result<RunDone, tokio::task::JoinError>) {
        let Ok(RunDone { key, result }) = done else {
            tracing::error!(application = %self.id, "what followed a run broke off");
            self.attended.clear();
            self.making.clear();
            return;
        };
        self.attended.remove(&key);
        self.making.remove(&key);
        if let Some(run) = self.book.get(&key) {
            let now = self.shared.clock.now();
            self.shared.addresses.take_back(&run.instance, now);
            self.shared
                .addresses
                .take_back(&super::making::init_name(&run.instance), now);
        }
        match result {
            Ok(()) => {
                self.troubles.remove(&key);
            }
            Err(Later(problem)) => self.fail(&key, problem),
        }
    }

    /// Removes containers of runs that are over or that nobody booked.
    pub(crate) async fn tidy_runs(&mut self) -> bool {
        let driver = self.driver();
        let mut removed = false;
        for container in self.part.containers.clone().iter() {
            let Some(key) = container.labels.get(label::RUN) else {
                continue;
            };
            let open = self.book.get(key).is_some_and(|run| !run.state.is_over());
            if open || self.attended.contains_key(key) || self.rests(&container.name) {
                continue;
            }
            match driver.remove(&container.name).await {
                Ok(()) | Err(DriverError::NotFound { .. }) => removed = true,
                Err(error) => self.fail(&container.name, error.to_problem()),
            }
        }
        removed
    }

    /// What is told of runs: every task of the stage, each schedule's newest, those at work.
    pub(crate) fn observed_runs(&self, desired: &Desired) -> Vec<ObservedRun> {
        let all = self.book.runs();
        let release = desired.kept.wish().map_or(0, |wish| wish.release.number);
        let is_named = |run: &ObservedRun| {
            run.release == release && desired.tasks.iter().any(|task| is_of(task, run))
        };
        let is_newest = |run: &ObservedRun| {
            let of =
                |other: &&ObservedRun| other.component == run.component && other.kind == run.kind;
            all.iter()
                .rfind(of)
                .is_some_and(|newest| newest.key == run.key)
        };
        all.iter()
            .filter(|run| is_named(run) || !run.state.is_over() || is_newest(run))
            .cloned()
            .collect()
    }

    pub(crate) fn next_firings(
        &self,
        desired: &Desired,
    ) -> std::collections::BTreeMap<Name, Timestamp> {
        let on = |name: &Name| desired.kept.wish().is_some_and(|wish| wish.is_on(name));
        desired
            .components
            .iter()
            .filter(|(name, _)| on(name))
            .filter_map(|(name, wanted)| {
                let schedule = Schedule::new(wanted.plan.schedule.as_ref()?).ok()?;
                let from = self.book.fired(name)?.at;
                Some((name.clone(), schedule.next(from)?))
            })
            .collect()
    }
}

/// A run that a person asks for.
pub(crate) fn asked_run(
    application: ApplicationId,
    release: &Release,
    component: &DecidedComponent,
) -> ObservedRun {
    let name = &component.name;
    let key = format!("asked-{name}-{}", uuid::Uuid::now_v7().simple());
    let instance = run_name(application, &release.application_name, name, &key);
    let hash = component.hash.clone();
    ObservedRun::waiting(&key, RunKind::Asked, release.number, instance, name, hash)
}
