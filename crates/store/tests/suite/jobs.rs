//! Leases: shared by several processes, taken over from the dead, worth nothing to those who lost them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pluvio_model::operation::Outcome;
use pluvio_model::problem;
use pluvio_store::*;
use tokio::sync::Barrier;

use crate::world::*;

const LONG: Duration = Duration::from_secs(60);

pub(crate) async fn two_processes_share_the_work_and_do_each_job_once(world: World) {
    let mut wanted = Vec::new();
    for _ in 0..40 {
        wanted.push(world.store.queue_job(build_job()).await.unwrap().id);
    }
    let stores = [world.store.clone(), world.another_process().await];
    // Each holds its first job until all have one: what one has, no other is given.
    let all_at_work = Arc::new(Barrier::new(4));
    let workers: Vec<_> = (0..4)
        .map(|i| {
            let (store, all_at_work) = (stores[i % 2].clone(), all_at_work.clone());
            tokio::spawn(async move {
                let mut done = Vec::new();
                // A look that another worker was quicker for finds nothing, so a few in a row mean the end.
                let mut empty = 0;
                while empty < 5 {
                    let owner = format!("process {}", i % 2);
                    match store
                        .lease_job(&owner, &["task", "build"], LONG)
                        .await
                        .unwrap()
                    {
                        Some(leased) => {
                            if done.is_empty() {
                                all_at_work.wait().await;
                            }
                            store.complete_job(&leased.lease).await.unwrap();
                            done.push((leased.job.id, i % 2));
                        }
                        None => empty += 1,
                    }
                }
                done
            })
        })
        .collect();
    let (mut done, mut by_process) = (Vec::new(), BTreeMap::new());
    for worker in workers {
        for (job, process) in worker.await.unwrap() {
            done.push(job);
            *by_process.entry(process).or_insert(0) += 1;
        }
    }
    done.sort();
    assert_eq!(done, wanted, "each once");
    assert_eq!(by_process.len(), 2, "both worked: {by_process:?}");
    assert!(
        world
            .store
            .lease_job("w", &["import"], LONG)
            .await
            .unwrap()
            .is_none()
    );
}

pub(crate) async fn a_worker_killed_mid_lease_loses_nothing(world: World) {
    let app = world.application("shop").await;
    let asked = world.ask_build(app.id, &spec("shop", "shop:1")).await;
    let dead = world.another_process().await;
    let short = Duration::from_millis(150);
    let begun = dead
        .lease_job("dead", &["build"], short)
        .await
        .unwrap()
        .unwrap();
    dead.heartbeat(&begun.lease, short).await.unwrap();
    assert!(
        world
            .store
            .lease_job("alive", &["build"], LONG)
            .await
            .unwrap()
            .is_none()
    );

    // It falls silent; as soon as its lease has run out the other goes on.
    let since = Instant::now();
    let taken = loop {
        match world
            .store
            .lease_job("alive", &["build"], LONG)
            .await
            .unwrap()
        {
            Some(taken) => break taken,
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
        assert!(since.elapsed() < Duration::from_secs(20));
    };
    assert_eq!((taken.job.id, taken.lease.attempt), (begun.job.id, 2));

    // It was only slow: what it hands in counts for nothing.
    let late = dead.complete_build(&begun.lease, decide, |_| {}).await;
    assert!(matches!(late, Err(StoreError::Stale { .. })));
    assert!(matches!(
        dead.heartbeat(&begun.lease, LONG).await,
        Err(StoreError::Stale { .. })
    ));
    assert!(matches!(
        dead.fail_job(&begun.lease, &not_ready()).await,
        Err(StoreError::Stale { .. })
    ));
    assert!(
        world
            .store
            .target(app.id, world.cluster.id)
            .await
            .unwrap()
            .is_none()
    );

    let completed = world
        .store
        .complete_build(&taken.lease, decide, |_| {})
        .await
        .unwrap();
    assert!(matches!(completed, Completed::Promoted { .. }));
    assert!(!world.operation(&asked).await.is_over());
    let again = world
        .store
        .complete_build(&taken.lease, decide, |_| {})
        .await;
    assert!(
        matches!(again, Err(StoreError::Stale { .. })),
        "handed in once"
    );
}

pub(crate) async fn a_job_that_takes_its_workers_down_is_given_up(world: World) {
    let app = world.application("shop").await;
    let asked = world.ask_build(app.id, &spec("shop", "shop:1")).await;
    for attempt in 1..=5 {
        let leased = world
            .store
            .lease_job("w", &["build"], LONG)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(leased.lease.attempt, attempt);
        world.sql("UPDATE jobs SET lease_until = 1").await;
    }
    assert!(
        world
            .store
            .lease_job("w", &["build"], LONG)
            .await
            .unwrap()
            .is_none()
    );
    let operation = world.operation(&asked).await;
    assert!(
        matches!(operation.outcome, Some(Outcome::Failed { problem }) if problem.is(problem::INTERNAL))
    );
    assert_eq!(world.state(app.id).await, ApplicationState::Failed);
}

pub(crate) async fn a_clock_turned_back_does_not_keep_a_dead_lease(world: World) {
    world.store.queue_job(build_job()).await.unwrap();
    world
        .store
        .lease_job("dead", &["build"], LONG)
        .await
        .unwrap()
        .unwrap();
    // As if the lease had been written when the clock was an hour ahead.
    world
        .sql("UPDATE jobs SET lease_until = lease_until + 3600000")
        .await;
    assert!(
        world
            .store
            .lease_job("alive", &["build"], LONG)
            .await
            .unwrap()
            .is_some()
    );
}

pub(crate) async fn a_job_given_back_is_taken_again(world: World) {
    let store = &world.store;
    let mut hint = store.hint();
    store.queue_job(build_job()).await.unwrap();
    hint.changed().await;
    let leased = store
        .lease_job("w", &["build"], LONG)
        .await
        .unwrap()
        .unwrap();
    store.release_job(&leased.lease, None).await.unwrap();
    hint.changed().await;
    assert!(matches!(
        store.complete_job(&leased.lease).await,
        Err(StoreError::Stale { .. })
    ));
    let leased = store
        .lease_job("w", &["build"], LONG)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(leased.lease.attempt, 1, "giving back is no failure");
    let later = jiff::Timestamp::now() + Duration::from_secs(3600);
    store.release_job(&leased.lease, Some(later)).await.unwrap();
    assert!(
        store
            .lease_job("w", &["build"], LONG)
            .await
            .unwrap()
            .is_none()
    );
}
