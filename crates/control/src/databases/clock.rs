//! Backups by the clock. Up to when a schedule was heard is in the database and is moved by compare-and-swap in the transaction
//! that begins the backup: each time fires once at most, whoever looks, and times that were missed are caught up with once.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use pluvio_model::database::BackupReason;
use pluvio_model::id::{ApplicationId, ClusterId};
use pluvio_model::name::Name;
use pluvio_model::problem::Problem;
use pluvio_model::release::DecidedBackups;
use pluvio_model::spec::ScheduleIn;
use pluvio_model::stage::Power;
use pluvio_plan::schedule::Schedule;
use pluvio_store::{Firing, NewBackup, StoreError, Target};

use crate::Control;

/// Without a hint, and without a time that is near.
const LOOK: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_millis(500);

/// A release's databases that are backed up by the clock: releases do not change.
type Known = HashMap<ApplicationId, (u64, Vec<(Name, String, DecidedBackups)>)>;

pub(crate) async fn run(control: Control) {
    let mut hint = control.inner.store.hint();
    let mut known: HashMap<ClusterId, Known> = HashMap::new();
    loop {
        let engine = control.inner.cluster.borrow().as_ref().map(|own| own.id);
        let mut wait = if engine.is_some() { LOOK } else { SOON };
        // A cluster that is away is caught up with once, as a machine that was off.
        let places: Vec<ClusterId> = engine
            .into_iter()
            .chain(control.inner.places.that_answer())
            .collect();
        known.retain(|place, _| places.contains(place));
        for place in places {
            let next = match look(&control, place, known.entry(place).or_default()).await {
                Ok(next) => next,
                Err(problem) => {
                    tracing::warn!(cause = problem.cause, "schedules of backups were not heard");
                    SOON * 10
                }
            };
            wait = wait.min(next);
        }
        tokio::select! {
            () = hint.changed() => {}
            () = tokio::time::sleep(wait) => {}
        }
        // Hints come in bursts.
        tokio::time::sleep(SOON).await;
    }
}

/// Fires what is due; how long to wait for the next.
async fn look(
    control: &Control,
    cluster: ClusterId,
    known: &mut Known,
) -> Result<Duration, Problem> {
    let store = &control.inner.store;
    let targets = store.targets(cluster).await?;
    known.retain(|id, _| targets.iter().any(|target| target.application == *id));
    let mut wait = LOOK;
    for target in targets {
        // One that is stopped is not backed up; when it is started again, it is caught up with.
        if target.gone || target.power == Power::Off {
            continue;
        }
        if known.get(&target.application).map(|(number, _)| *number) != Some(target.release) {
            let release = match store.release(target.application, target.release).await {
                Ok(stored) => stored.release,
                Err(StoreError::NotFound { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            let backed = release
                .components
                .into_iter()
                .filter_map(|(name, component)| {
                    Some((name, component.database?.to_string(), component.backups?))
                });
            known.insert(target.application, (target.release, backed.collect()));
        }
        for (name, database, backups) in &known[&target.application].1 {
            match one(control, &target, name, database, backups).await {
                Ok(Some(next)) => wait = wait.min(next),
                Ok(None) => {}
                Err(problem) => {
                    tracing::warn!(application = %target.application, component = %name, cause = problem.cause, "a backup was not begun");
                }
            }
        }
    }
    Ok(wait)
}

fn schedule(backups: &DecidedBackups) -> Option<Schedule> {
    Schedule::new(&ScheduleIn {
        cron: backups.cron.clone(),
        time_zone: backups.time_zone.clone(),
        overlap: false,
    })
    .ok()
}

async fn one(
    control: &Control,
    target: &Target,
    name: &Name,
    database: &str,
    backups: &DecidedBackups,
) -> Result<Option<Duration>, Problem> {
    let store = &control.inner.store;
    let Some(schedule) = schedule(backups) else {
        return Ok(None);
    };
    let zone = backups.time_zone.as_deref().unwrap_or("UTC");
    let written = format!("{} {zone}", backups.cron);
    let since = store
        .backup_clock(target.application, name, &written)
        .await?;
    let now = Timestamp::now();
    let Some(at) = schedule.due(since, now) else {
        let next = schedule.next(since);
        let next = next.and_then(|next| Duration::try_from(next.duration_since(now)).ok());
        return Ok(next);
    };
    let new = NewBackup::new(name.clone(), database.to_owned(), BackupReason::Schedule);
    let firing = Firing {
        component: name.clone(),
        since,
        at,
    };
    control.fire_backup(target.application, new, firing).await?;
    Ok(Some(SOON))
}

/// When a schedule comes next.
pub(crate) fn next(backups: &DecidedBackups, now: Timestamp) -> Option<Timestamp> {
    schedule(backups)?.next(now)
}
