//! From what is asked to what is live, and everything that may come between.

use std::time::Duration;

use pluvio_model::event::EventBody;
use pluvio_model::operation::{OperationKind, Outcome};
use pluvio_model::revision::Origin;
use pluvio_model::spec::{AppSpec, EnvValue};
use pluvio_model::stage::Power;
use pluvio_store::*;

use crate::world::*;

const LEASE: Duration = Duration::from_secs(60);

pub(crate) async fn a_deploy_becomes_a_release_and_goes_live(world: World) {
    let store = &world.store;
    let app = world.application("shop").await;
    assert_eq!(app.state, ApplicationState::Empty);

    let asked = world.ask_build(app.id, &spec("shop", "shop:1")).await;
    assert_eq!(asked.revision.as_ref().unwrap().number, 1);
    assert_eq!(world.state(app.id).await, ApplicationState::Deploying);

    let leased = store
        .lease_job("worker", &["build"], LEASE)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(leased.job.operation, Some(asked.operation.id));
    assert_eq!(leased.job.revision, Some(1));
    let completed = store
        .complete_build(&leased.lease, decide, |_| {})
        .await
        .unwrap();
    let Completed::Promoted { release, target } = completed else {
        panic!("{completed:?}");
    };
    assert_eq!(
        (release.number, target.release, target.generation.0),
        (1, 1, 1)
    );
    assert_eq!(world.operation(&asked).await.release, Some(1));

    let target = world.live(&target).await;
    assert!(target.is_settled());
    // Told again, nothing happens.
    let last = store.last_event().await.unwrap();
    world.live(&target).await;
    assert_eq!(store.last_event().await.unwrap(), last);

    let app = store.application(app.id).await.unwrap();
    assert_eq!(app.state, ApplicationState::Live);
    assert_eq!((app.release, app.revision), (Some(1), Some(1)));
    assert_eq!(app.url.as_deref(), Some("http://shop.localhost:8080"));
    assert_eq!(
        world.operation(&asked).await.outcome,
        Some(Outcome::Succeeded)
    );
    let kept = store.release(app.id, 1).await.unwrap();
    assert_eq!(kept.release, *release);
    assert_eq!(kept.row.state, ReleaseState::Live);
    assert!(kept.row.duration_ms.is_some());
    assert_eq!(kept.row.image.as_deref(), Some("docker.io/library/shop:1"));

    let told: Vec<&str> = store
        .events_after(
            0,
            &EventFilter {
                application: Some(app.id),
                ..Default::default()
            },
            100,
        )
        .await
        .unwrap()
        .iter()
        .map(|event| match &event.body {
            EventBody::ApplicationCreated { .. } => "created",
            EventBody::OperationChanged { operation } if operation.is_over() => "over",
            EventBody::OperationChanged { .. } => "changed",
            EventBody::ReleaseDecided { .. } => "decided",
            EventBody::TargetMoved { .. } => "moved",
            EventBody::ReleaseLive { .. } => "live",
            EventBody::ApplicationDeleted { .. } => "deleted",
        })
        .collect();
    assert_eq!(
        told,
        [
            "created", "changed", "decided", "moved", "changed", "live", "over"
        ]
    );
}

pub(crate) async fn a_build_older_than_the_last_deploy_is_recorded_not_promoted(world: World) {
    let store = &world.store;
    let app = world.application("shop").await;
    let first = world.ask_build(app.id, &spec("shop", "shop:1")).await;
    let second = world.ask_build(app.id, &spec("shop", "shop:2")).await;
    let one = store
        .lease_job("worker", &["build"], LEASE)
        .await
        .unwrap()
        .unwrap();
    let two = store
        .lease_job("worker", &["build"], LEASE)
        .await
        .unwrap()
        .unwrap();

    let completed = store
        .complete_build(&two.lease, decide, |_| {})
        .await
        .unwrap();
    assert!(matches!(completed, Completed::Promoted { .. }));
    let late = store
        .complete_build(&one.lease, decide, |_| {})
        .await
        .unwrap();
    assert!(matches!(late, Completed::Superseded { by: Some(by) } if by == second.operation.id));

    assert_eq!(world.target(app.id).await.release, 2);
    assert_eq!(
        store.release(app.id, 1).await.unwrap().row.state,
        ReleaseState::Superseded
    );
    let by = Some(second.operation.id);
    assert_eq!(
        world.operation(&first).await.outcome,
        Some(Outcome::Superseded { by })
    );
    assert!(!world.operation(&second).await.is_over());
    assert_eq!(world.state(app.id).await, ApplicationState::Deploying);

    // A new target takes the place of a release that is still on its way.
    let third = world.deploy(app.id, &spec("shop", "shop:3")).await;
    let by = Some(third.operation.id);
    assert_eq!(
        world.operation(&second).await.outcome,
        Some(Outcome::Superseded { by })
    );
}

pub(crate) async fn patches_made_during_a_build_are_in_its_release(world: World) {
    let store = &world.store;
    let app = world.application("shop").await;
    world.deploy_live(app.id, &spec("shop", "shop:1")).await;
    world.ask_build(app.id, &spec("shop", "shop:2")).await;
    let build = store
        .lease_job("worker", &["build"], LEASE)
        .await
        .unwrap()
        .unwrap();
    let scaled = world.scale(app.id, 3).await;
    assert_eq!(
        scaled.revision.unwrap().spec.components["web"]
            .image
            .as_ref()
            .unwrap()
            .tag(),
        Some("1")
    );

    let completed = store
        .complete_build(&build.lease, decide, |_| {})
        .await
        .unwrap();
    let Completed::Promoted { release, target } = completed else {
        panic!("{completed:?}");
    };
    let web = &release.components["web"];
    assert_eq!(
        (web.instances, web.content.main.image.tag()),
        (3, Some("2"))
    );
    // 1 the deploy, 2 the build asked, 3 the patch, 4 both.
    assert_eq!((target.release, release.parent), (4, Some(3)));
    assert_eq!(
        store.revision(app.id, 4).await.unwrap().origin,
        Origin::Deploy
    );

    // Before anything was decided, a patch waits for the build.
    let app = world.application("later").await;
    world.ask_build(app.id, &spec("later", "later:1")).await;
    let patched = world.scale(app.id, 5).await;
    assert_eq!(patched.operation.outcome, Some(Outcome::Succeeded));
    assert!(patched.target.is_none());
    let build = store
        .lease_job("worker", &["build"], LEASE)
        .await
        .unwrap()
        .unwrap();
    let completed = store
        .complete_build(&build.lease, decide, |_| {})
        .await
        .unwrap();
    assert!(
        matches!(completed, Completed::Promoted { release, .. } if release.components["web"].instances == 5)
    );
}

pub(crate) async fn patches_at_once_all_survive(world: World) {
    let app = world.application("shop").await;
    world.deploy_live(app.id, &spec("shop", "shop:1")).await;
    let stores = [world.store.clone(), world.another_process().await];
    let patches: Vec<_> = (0..16)
        .map(|i| {
            let (store, ask) = (
                stores[i % 2].clone(),
                world.ask(app.id, OperationKind::Configure),
            );
            tokio::spawn(async move {
                let change = |spec: &AppSpec| {
                    let mut spec = spec.clone();
                    let web = &mut spec.components["web"];
                    web.env
                        .insert(format!("K{i}").parse().unwrap(), EnvValue::from("set"));
                    Ok(spec)
                };
                let what = format!("K{i}");
                store
                    .patch(ask, Origin::Patch { what }, change, decide)
                    .await
                    .unwrap()
            })
        })
        .collect();
    for patch in patches {
        patch.await.unwrap();
    }
    let target = world.target(app.id).await;
    assert_eq!((target.release, target.generation.0), (17, 17));
    let last = world.store.revision(app.id, 17).await.unwrap();
    assert_eq!(last.spec.components["web"].env.len(), 16);
    // All of them are in the last one, and succeed with it.
    world.live(&target).await;
    assert!(
        world
            .store
            .running_operations(app.id)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(world.state(app.id).await, ApplicationState::Live);
}

pub(crate) async fn a_failed_release_goes_back_to_the_last_live_one(world: World) {
    let store = &world.store;
    let app = world.application("shop").await;
    world.deploy_live(app.id, &spec("shop", "shop:1")).await;
    let mut moved = spec("shop", "shop:2");
    moved.components["web"]
        .labels
        .insert("host".into(), "moved.localhost".into());
    let asked = world.deploy(app.id, &moved).await;
    // While it is on its way both of its hosts are its.
    assert_eq!(store.hosts(app.id).await.unwrap().len(), 2);

    let Reverted::To(target) = world.fail(asked.target.as_ref().unwrap()).await else {
        panic!("there is a live release");
    };
    assert_eq!((target.release, target.generation.0), (1, 3));
    let operation = world.operation(&asked).await;
    assert!(failed(&operation));
    assert_eq!(
        store.release(app.id, 2).await.unwrap().row.state,
        ReleaseState::Failed
    );
    assert_eq!(
        store.hosts(app.id).await.unwrap(),
        [("shop.localhost".to_owned(), "/".to_owned())]
    );

    // That the old one runs again does not hide that the last change failed.
    world.live(&target).await;
    let row = store.application(app.id).await.unwrap();
    assert_eq!(
        (row.state, row.release),
        (ApplicationState::Failed, Some(1))
    );

    // A later change is made to what runs, not to what failed.
    let scaled = world.scale(app.id, 2).await;
    assert_eq!(scaled.target.as_ref().unwrap().release, 3);
    let spec = scaled.revision.unwrap().spec;
    assert_eq!(
        spec.components["web"].image.as_ref().unwrap().tag(),
        Some("1")
    );
    world.live(&scaled.target.unwrap()).await;
    assert_eq!(world.state(app.id).await, ApplicationState::Live);
    assert_eq!(
        store.release(app.id, 1).await.unwrap().row.state,
        ReleaseState::Retired
    );
}

pub(crate) async fn a_first_release_that_fails_is_tried_again_by_a_start(world: World) {
    let app = world.application("shop").await;
    let asked = world.deploy(app.id, &spec("shop", "shop:1")).await;
    let target = asked.target.clone().unwrap();
    let Reverted::Nowhere(target) = world.fail(&target).await else {
        panic!("nothing was live before");
    };
    assert!(target.failed && target.is_settled());
    assert!(failed(&world.operation(&asked).await));
    assert_eq!(world.state(app.id).await, ApplicationState::Failed);

    let start = world.ask(app.id, OperationKind::Start);
    let started = world.store.set_power(start, Power::On).await.unwrap();
    let again = started.target.clone().unwrap();
    assert_eq!(
        (again.failed, again.generation),
        (false, target.generation.next())
    );
    world.live(&again).await;
    assert_eq!(
        world.operation(&started).await.outcome,
        Some(Outcome::Succeeded)
    );
    assert_eq!(world.state(app.id).await, ApplicationState::Live);
    let row = world.store.release(app.id, 1).await.unwrap().row;
    assert_eq!(row.state, ReleaseState::Live);
}

pub(crate) async fn a_cancelled_first_release_is_switched_off(world: World) {
    let app = world.application("shop").await;
    let asked = world.deploy(app.id, &spec("shop", "shop:1")).await;
    let target = asked.target.clone().unwrap();
    let operation = world
        .store
        .request_cancel(asked.operation.id, "tester")
        .await
        .unwrap();
    assert!(operation.cancel_requested && !operation.is_over());
    let reverted = world
        .store
        .cancel_and_revert(app.id, world.cluster.id, target.generation, |_| {})
        .await
        .unwrap();
    assert!(matches!(reverted, Reverted::Nowhere(target) if target.power == Power::Off));
    assert_eq!(
        world.operation(&asked).await.outcome,
        Some(Outcome::Cancelled)
    );
    assert_eq!(world.state(app.id).await, ApplicationState::Stopped);
}

pub(crate) async fn stopping_and_starting_keep_the_release(world: World) {
    let store = &world.store;
    let app = world.application("shop").await;
    let nothing = store
        .set_power(world.ask(app.id, OperationKind::Stop), Power::Off)
        .await;
    assert!(matches!(nothing, Err(StoreError::Refused(_))));
    world.deploy_live(app.id, &spec("shop", "shop:1")).await;

    let stopped = store
        .set_power(world.ask(app.id, OperationKind::Stop), Power::Off)
        .await
        .unwrap();
    let target = stopped.target.clone().unwrap();
    assert_eq!(
        (target.release, target.generation.0, target.power),
        (1, 2, Power::Off)
    );
    world.live(&target).await;
    assert_eq!(
        world.operation(&stopped).await.outcome,
        Some(Outcome::Succeeded)
    );
    assert_eq!(world.state(app.id).await, ApplicationState::Stopped);
    let again = store
        .set_power(world.ask(app.id, OperationKind::Stop), Power::Off)
        .await
        .unwrap();
    assert!(again.operation.is_over());
    assert_eq!(world.target(app.id).await.generation.0, 2);

    // A deploy does not start what a person stopped.
    let deployed = world.deploy(app.id, &spec("shop", "shop:2")).await;
    assert_eq!(deployed.target.as_ref().unwrap().power, Power::Off);
    let target = world.live(&deployed.target.unwrap()).await;
    assert_eq!(target.live_release, Some(1));
    assert_eq!(world.state(app.id).await, ApplicationState::Stopped);

    let started = store
        .set_power(world.ask(app.id, OperationKind::Start), Power::On)
        .await
        .unwrap();
    let target = world.live(&started.target.unwrap()).await;
    assert_eq!((target.release, target.live_release), (2, Some(2)));
    assert_eq!(world.state(app.id).await, ApplicationState::Live);
}

pub(crate) async fn a_stale_generation_changes_nothing(world: World) {
    let store = &world.store;
    let app = world.application("shop").await;
    let old = world
        .deploy(app.id, &spec("shop", "shop:1"))
        .await
        .target
        .unwrap();
    let new = world
        .deploy(app.id, &spec("shop", "shop:2"))
        .await
        .target
        .unwrap();
    let late = store
        .mark_live(app.id, world.cluster.id, old.generation, |_| {})
        .await;
    assert!(matches!(late, Err(StoreError::Stale { .. })));
    let late = store
        .mark_failed_and_revert(
            app.id,
            world.cluster.id,
            old.generation,
            &not_ready(),
            |_| {},
        )
        .await;
    assert!(matches!(late, Err(StoreError::Stale { .. })));
    assert_eq!(world.target(app.id).await, new);
}
