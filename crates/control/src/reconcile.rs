//! The loop that keeps every application of a place what its target says. Level-triggered: it takes no input, looks at everything, and
//! is woken by hint (store, node) and by timer. What to do is [`pluvio_plan::next_step`]'s choice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pluvio_model::id::ApplicationId;
use pluvio_model::observed::{ObservedApplication, ObservedComponent};
use pluvio_model::operation::{ComponentProgress, Operation, OperationKind, StepName, StepState};
use pluvio_model::problem::Problem;
use pluvio_model::quantity::Span;
use pluvio_model::release::Release;
use pluvio_model::stage::{RunWish, Stage, Wish};
use pluvio_plan::next_step::{Input, Next, StepNote, Wait, next_step};
use pluvio_runtime::{Runtime, RuntimeError, Scope};
use pluvio_store::{StoreError, Target};

use crate::places::Bound;
use crate::{Control, crash, last_lines};

/// Between two looks when nothing hints and nothing is under way.
const IDLE: Duration = Duration::from_secs(20);
/// After an error, before the same application is looked at again.
const RETRY: Duration = Duration::from_secs(2);

/// Of this cluster, or of the engine once it was seen.
pub(crate) async fn run(control: Control, at: Option<Bound>) {
    let changes = || match &at {
        Some(bound) => bound.place.changes(),
        None => control.inner.node.changes(),
    };
    let mut store_hint = control.inner.store.hint();
    let mut hint = changes();
    let mut rounds = Rounds::default();
    loop {
        let looked = match &at {
            Some(bound) => rounds.look_at(&control, bound).await,
            None => rounds.look(&control).await,
        };
        let wake = match looked {
            Ok(wake) => wake,
            Err(problem) => {
                tracing::warn!(
                    cause = problem.cause,
                    "a round of reconciling was cut short"
                );
                Instant::now() + RETRY
            }
        };
        tokio::select! {
            () = tokio::time::sleep_until(wake.into()) => {}
            () = store_hint.changed() => {}
            changed = hint.changed() => if changed.is_err() {
                hint = changes();
                tokio::time::sleep(Duration::from_millis(200)).await;
            },
        }
        // Bursts of hints make one round.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What one look remembers for the next; nothing of it is needed for doing the right thing.
#[derive(Debug, Default)]
pub struct Rounds {
    releases: Releases,
    waits: BTreeMap<ApplicationId, Instant>,
}

impl Rounds {
    /// One look at every target on the engine; answers when to look again.
    pub async fn look(&mut self, control: &Control) -> Result<Instant, Problem> {
        match control.local() {
            Some(bound) => self.look_at(control, &bound?).await,
            None => Ok(Instant::now() + Duration::from_millis(300)),
        }
    }

    async fn look_at(&mut self, control: &Control, at: &Bound) -> Result<Instant, Problem> {
        round(control, at, &mut self.releases, &mut self.waits).await
    }
}

/// Decoded releases of applications under way: a rollout looks several times a second.
#[derive(Debug, Default)]
struct Releases {
    cached: BTreeMap<ApplicationId, (u64, Release)>,
}

impl Releases {
    async fn get(&mut self, control: &Control, target: &Target) -> Result<Release, Problem> {
        if let Some((number, release)) = self.cached.get(&target.application)
            && *number == target.release
        {
            return Ok(release.clone());
        }
        let release = control
            .inner
            .store
            .release(target.application, target.release)
            .await?
            .release;
        self.cached
            .insert(target.application, (target.release, release.clone()));
        Ok(release)
    }
}

/// One look at every target; answers when to look again.
async fn round(
    control: &Control,
    at: &Bound,
    releases: &mut Releases,
    waits: &mut BTreeMap<ApplicationId, Instant>,
) -> Result<Instant, Problem> {
    let targets = control.inner.store.targets(at.cluster.id).await?;
    if targets.is_empty() {
        return Ok(Instant::now() + IDLE);
    }
    let observed = at
        .place
        .observe(Scope::All)
        .await
        .map_err(RuntimeError::into_problem)?;
    let mut wake = Instant::now() + IDLE;
    for target in &targets {
        let seen = observed.applications.get(&target.application);
        let current = seen.is_some_and(|s| s.generation == target.generation);
        if target.is_settled() && current {
            releases.cached.remove(&target.application);
            waits.remove(&target.application);
            continue;
        }
        let again = match step(control, at, releases, target, seen).await {
            Ok(again) => again,
            Err(problem) => {
                tracing::warn!(application = %target.application, code = problem.code, cause = problem.cause, "an application could not be brought forward");
                RETRY
            }
        };
        wake = wake.min(Instant::now() + again);
    }
    Ok(wake)
}

async fn step(
    control: &Control,
    at: &Bound,
    releases: &mut Releases,
    target: &Target,
    seen: Option<&ObservedApplication>,
) -> Result<Duration, Problem> {
    if target.gone {
        return remove(control, at, target, seen).await;
    }
    let release = releases.get(control, target).await?;
    let running = control
        .inner
        .store
        .running_operations(target.application)
        .await?;
    let operation = running.iter().find(|o| Some(o.id) == target.operation);
    let evidence = last_lines::of_the_unwell(at, target, seen).await;
    let tasks = crate::tasks::known(control, target, &release, seen).await?;
    let input = Input {
        target: &release,
        generation: target.generation,
        power: target.power,
        stopped: &target.stopped,
        live: target.live_release,
        observed: seen,
        since: operation.map(|_| target.moved_at),
        cancel_requested: operation.is_some_and(|o| o.cancel_requested),
        tasks: &tasks,
        last_lines: &evidence,
        now: pluvio_model::clock::now(),
    };
    match next_step(&input) {
        Next::ApplyStage {
            components,
            tasks,
            stopped,
            power,
        } => {
            crash::point("apply");
            let wanted = release.secrets();
            let purpose = format!("r{} at generation {}", target.release, target.generation);
            let secrets = control
                .read_secrets(target.application, &wanted, &purpose)
                .await?;
            let wish = RunWish {
                release,
                components,
                tasks,
                power,
                stopped,
                secrets,
            };
            let stage = Stage {
                cluster: at.identity,
                application: target.application,
                generation: target.generation,
                wish: Wish::Run(Box::new(wish)),
            };
            match at.place.apply(&stage).await {
                // A newer decision is at work already; the next look finds it.
                Ok(()) | Err(RuntimeError::Stale { .. }) => {}
                Err(RuntimeError::Refused(problem)) => {
                    finish_failed(control, target, operation, &problem).await?;
                }
                Err(error) => return Err(error.into_problem()),
            }
            Ok(Duration::from_millis(100))
        }
        Next::Wait(wait) => {
            if let Some(operation) = operation {
                note(control, operation, &wait).await?;
            }
            Ok(wait
                .again_in
                .duration()
                .clamp(Duration::from_millis(50), IDLE))
        }
        Next::Live => {
            crash::point("live");
            let now = pluvio_model::clock::now();
            let (ready, wanted) = seen.into_iter().flat_map(|s| s.components.values()).fold(
                (0, 0),
                |(ready, wanted), c| {
                    let is = c.instances.iter().filter(|i| i.is_up()).count();
                    (ready + is, wanted + c.wanted_instances)
                },
            );
            let noun = if wanted == 1 { "instance" } else { "instances" };
            let edit = |operation: &mut Operation| {
                settle(operation, now);
                for component in seen.into_iter().flat_map(|s| &s.components) {
                    replaced(operation, component, release.number);
                }
                if let Some(step) = operation
                    .steps
                    .iter_mut()
                    .find(|s| s.name == StepName::Start && s.state == StepState::Done)
                {
                    step.note = format!("{ready} of {wanted} {noun} ready");
                }
                for step in operation
                    .steps
                    .iter_mut()
                    .filter(|s| matches!(s.name, StepName::Stop | StepName::Drain))
                {
                    // What was still going on when it was last looked at is over now.
                    step.note.clear();
                }
            };
            ignore_stale(
                control
                    .inner
                    .store
                    .mark_live(target.application, target.cluster, target.generation, edit)
                    .await,
            )?;
            note_volumes(control, &input).await;
            releases.cached.remove(&target.application);
            Ok(Duration::from_millis(50))
        }
        Next::Failed(problem) => {
            if target.failed {
                return Ok(IDLE);
            }
            note_handles(control, target.application, seen).await?;
            let problem =
                crate::tasks::with_what_stays(control, target, &release, *problem).await?;
            finish_failed(control, target, operation, &problem).await?;
            releases.cached.remove(&target.application);
            Ok(Duration::from_millis(50))
        }
        Next::Cancelled => {
            note_handles(control, target.application, seen).await?;
            ignore_stale(
                control
                    .inner
                    .store
                    .cancel_and_revert(
                        target.application,
                        target.cluster,
                        target.generation,
                        |_| {},
                    )
                    .await,
            )?;
            releases.cached.remove(&target.application);
            Ok(Duration::from_millis(50))
        }
    }
}

/// What was replaced so quickly that nobody saw it under way is among what the operation changed.
fn replaced(
    operation: &mut Operation,
    (name, seen): (&pluvio_model::name::Name, &ObservedComponent),
    release: u64,
) {
    let known = operation.components.iter().any(|c| c.component == *name);
    let new = seen
        .instances
        .iter()
        .filter(|i| i.release == release)
        .count();
    let power = matches!(operation.kind, OperationKind::Start | OperationKind::Stop);
    if new > 0 && !known && !power && operation.release == Some(release) {
        operation.components.push(ComponentProgress {
            component: name.clone(),
            state: StepState::Done,
            note: format!("{new} of {} ready", seen.wanted_instances),
        });
    }
}

/// Steps that the operation still shows as open are done when it is live.
fn settle(operation: &mut Operation, now: Timestamp) {
    for step in operation.steps.clone() {
        if matches!(step.state, StepState::Running | StepState::Waiting)
            && step.name >= StepName::Apply
        {
            let skipped = step.state == StepState::Waiting
                && matches!(
                    step.name,
                    StepName::Drain | StepName::Stop | StepName::Shift
                );
            if skipped {
                operation.step_mut(step.name).state = StepState::Skipped;
            } else {
                operation.finish(step.name, "", now);
            }
        }
    }
}

async fn finish_failed(
    control: &Control,
    target: &Target,
    operation: Option<&Operation>,
    problem: &Problem,
) -> Result<(), Problem> {
    if let Some(operation) = operation {
        let mut log = crate::OperationLog::open(&control.inner.blobs, operation.id).await;
        log.write(
            StepName::Start,
            "error",
            &format!("{}: {}", problem.title, problem.cause),
        )
        .await;
        for line in &problem.evidence {
            log.write(StepName::Start, "error", line).await;
        }
        log.finish().await;
    }
    ignore_stale(
        control
            .inner
            .store
            .mark_failed_and_revert(
                target.application,
                target.cluster,
                target.generation,
                problem,
                |operation| {
                    // What was brought up already goes back with the rest.
                    let up = operation
                        .components
                        .iter_mut()
                        .filter(|component| component.state == StepState::Done);
                    for component in up {
                        if let Some(live) = target.live_release.filter(|l| *l != target.release) {
                            component.note = format!("was ready; goes back to r{live}");
                        }
                    }
                },
            )
            .await,
    )?;
    Ok(())
}

/// The target moved on between the look and the write: the next look decides anew.
fn ignore_stale<T>(result: Result<T, StoreError>) -> Result<(), Problem> {
    match result {
        Ok(_) | Err(StoreError::Stale { .. } | StoreError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn note(control: &Control, known: &Operation, wait: &Wait) -> Result<(), Problem> {
    let now = pluvio_model::clock::now();
    let notes = &wait.steps;
    // Its words may count nodes or seconds; the log tells of it once.
    let what = |problem: &Problem| (problem.code.clone(), problem.at.clone());
    if let Some(hindrance) = &wait.hindrance
        && known.hindrance.as_deref().map(what) != Some(what(hindrance))
    {
        let text = format!("{} {}", hindrance.cause, hindrance.remedy);
        let mut log = crate::OperationLog::open(&control.inner.blobs, known.id).await;
        log.write(StepName::Start, "warning", &text).await;
        log.finish().await;
    }
    let edit = |operation: &mut Operation| {
        for component in &wait.components {
            operation.progress(component.clone());
        }
        operation.hindrance.clone_from(&wait.hindrance);
        for note in notes {
            let step = operation.step_mut(note.name);
            match note.state {
                StepState::Running => operation.begin(note.name, now),
                StepState::Done => operation.finish(note.name, note.note.clone(), now),
                other => step.state = other,
            }
            if !note.note.is_empty() {
                operation.step_mut(note.name).note.clone_from(&note.note);
            }
        }
    };
    // A quick step is over before it is looked at.
    for note in notes.iter().filter(|n| n.state != StepState::Waiting) {
        match note.name {
            StepName::Shift => crash::point("swap"),
            StepName::Drain => crash::point("drain"),
            StepName::Stop => crash::point("stop"),
            StepName::Start => crash::point("start"),
            _ => {}
        }
    }
    control.inner.store.update_operation(known.id, edit).await?;
    Ok(())
}

async fn note_volumes(control: &Control, input: &Input<'_>) {
    let Some(seen) = input.observed else { return };
    for (name, volume) in &input.target.volumes {
        if let Some(there) = seen.volumes.get(name)
            && let Err(error) = control
                .inner
                .store
                .note_volume(volume.id, &there.handle, there.bytes)
                .await
        {
            tracing::debug!(%error, "a volume was not noted");
        }
    }
}

/// Notes volumes of releases that never were live too: whoever deletes them by name later must find them.
async fn note_handles(
    control: &Control,
    application: ApplicationId,
    seen: Option<&ObservedApplication>,
) -> Result<(), Problem> {
    let Some(seen) = seen.filter(|seen| !seen.volumes.is_empty()) else {
        return Ok(());
    };
    let store = &control.inner.store;
    for row in store.application_volumes(application).await? {
        if let Some(there) = seen.volumes.get(&row.name)
            && row.handle.is_none()
        {
            store
                .note_volume(row.id, &there.handle, there.bytes)
                .await?;
        }
    }
    Ok(())
}

/// Takes the application off the node, its images out of the engine, its rows out of the database, in this order: killed
/// anywhere, the next look goes on.
async fn remove(
    control: &Control,
    at: &Bound,
    target: &Target,
    seen: Option<&ObservedApplication>,
) -> Result<Duration, Problem> {
    let running = control
        .inner
        .store
        .running_operations(target.application)
        .await?;
    let operation = running.iter().find(|o| Some(o.id) == target.operation);
    note_handles(control, target.application, seen).await?;
    // A node that has only just started has not looked yet: what it does not tell of is not gone.
    let gone = seen.is_some_and(|seen| {
        seen.generation >= target.generation && seen.settled && seen.components.is_empty()
    });
    if !gone {
        let stage = Stage {
            cluster: at.identity,
            application: target.application,
            generation: target.generation,
            wish: Wish::Gone,
        };
        match at.place.apply(&stage).await {
            Ok(()) | Err(RuntimeError::Stale { .. }) => {}
            Err(error) => return Err(error.into_problem()),
        }
        if let Some(operation) = operation {
            let left = seen.map_or(0, |s| {
                s.components
                    .values()
                    .map(|c| c.instances.len())
                    .sum::<usize>()
            });
            let text = if left > 0 {
                format!("{left} instances left")
            } else {
                String::new()
            };
            let step = StepNote {
                name: StepName::Stop,
                state: StepState::Running,
                note: text,
            };
            let wait = Wait {
                steps: vec![step],
                components: Vec::new(),
                hindrance: seen.and_then(|seen| seen.problem.clone()).map(Box::new),
                again_in: Span(150),
            };
            note(control, operation, &wait).await?;
        }
        return Ok(Duration::from_millis(150));
    }
    crash::point("remove");
    let application = control.inner.store.application(target.application).await?;
    control
        .inner
        .builder
        .forget(application.team, &application.name, None)
        .await?;
    let _ = control
        .inner
        .blobs
        .delete(&crate::sources::upload_note(target.application))
        .await;
    let now = pluvio_model::clock::now();
    control
        .inner
        .store
        .finish_delete(target.application, |operation| {
            operation.finish(StepName::Stop, "", now);
            operation.finish(StepName::Remove, "data volumes are kept", now);
        })
        .await?;
    Ok(Duration::from_millis(50))
}
