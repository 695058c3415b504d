//! What is refused, repeated or taken back before anything is decided.

use std::time::Duration;

use pluvio_model::operation::{OperationKind, Outcome};
use pluvio_model::problem::{self, Problem};
use pluvio_model::revision::Origin;
use pluvio_model::spec::AppSpec;
use pluvio_store::*;

use crate::world::*;

const LEASE: Duration = Duration::from_secs(60);

pub(crate) async fn a_refused_decision_leaves_nothing(world: World) {
    let store = &world.store;
    let mut ask = world.ask(uuid(), OperationKind::Deploy);
    ask.application = Whose::New(NewApplication {
        scope: world.scope().await,
        name: name("shop"),
        display_name: None,
    });
    let refused = store
        .ask_deploy(
            ask,
            &spec("shop", "refused:1"),
            Origin::Deploy,
            Then::Decide(&mut decide),
        )
        .await;
    let problem = Problem::from(refused.unwrap_err());
    assert!(problem.is(problem::IMAGE_NOT_FOUND));
    for table in [
        "applications",
        "revisions",
        "releases",
        "operations",
        "targets",
        "hosts",
        "events",
    ] {
        assert_eq!(
            world.number(&format!("SELECT count(*) FROM {table}")).await,
            0,
            "{table}"
        );
    }

    // A build's refusal ends the operation instead: the build happened.
    let app = world.application("shop").await;
    let asked = world.ask_build(app.id, &spec("shop", "refused:1")).await;
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
        matches!(completed, Completed::Refused(problem) if problem.is(problem::IMAGE_NOT_FOUND))
    );
    assert!(failed(&world.operation(&asked).await));
    assert_eq!(world.state(app.id).await, ApplicationState::Failed);
    assert!(
        store
            .target(app.id, world.cluster.id)
            .await
            .unwrap()
            .is_none()
    );

    // So does a patch's, which changes nothing.
    world.deploy_live(app.id, &spec("shop", "shop:1")).await;
    let change = |spec: &AppSpec| {
        let mut spec = spec.clone();
        spec.components["web"].image = Some("refused:2".parse().unwrap());
        Ok(spec)
    };
    let before = store.last_event().await.unwrap();
    let ask = world.ask(app.id, OperationKind::Configure);
    let what = "image".to_owned();
    assert!(
        store
            .patch(ask, Origin::Patch { what }, change, decide)
            .await
            .is_err()
    );
    assert_eq!(store.last_event().await.unwrap(), before);
}

pub(crate) async fn a_host_belongs_to_one_application(world: World) {
    let store = &world.store;
    let mut wanted = spec("shop", "shop:1");
    wanted.components["web"]
        .labels
        .insert("host".into(), "www.example.com".into());
    let shop = world.application("shop").await;
    world.deploy_live(shop.id, &wanted).await;
    assert!(
        store
            .host_taken(world.cluster.id, "WWW.example.com", None)
            .await
            .unwrap()
    );
    assert!(
        !store
            .host_taken(world.cluster.id, "www.example.com", Some(shop.id))
            .await
            .unwrap()
    );

    let thief = world.application("thief").await;
    let ask = world.ask(thief.id, OperationKind::Deploy);
    let taken = store
        .ask_deploy(ask, &wanted, Origin::Deploy, Then::Decide(&mut decide))
        .await
        .unwrap_err();
    assert!(matches!(&taken, StoreError::HostTaken { host } if host == "www.example.com"));
    let problem = Problem::from(taken);
    assert!(problem.is(problem::HOST_TAKEN));
    assert!(
        !format!("{problem:?}").contains("shop"),
        "the owner is not named"
    );
    assert!(store.last_revision(thief.id).await.unwrap().is_none());

    // Of a build it is the operation's end.
    let asked = world.ask_build(thief.id, &wanted).await;
    let build = store
        .lease_job("worker", &["build"], LEASE)
        .await
        .unwrap()
        .unwrap();
    let completed = store
        .complete_build(&build.lease, decide, |_| {})
        .await
        .unwrap();
    assert!(matches!(completed, Completed::Refused(problem) if problem.is(problem::HOST_TAKEN)));
    assert!(failed(&world.operation(&asked).await));

    // A host that a live release no longer has is free.
    world.deploy_live(shop.id, &spec("shop", "shop:2")).await;
    world.deploy_live(thief.id, &wanted).await;

    // Of another team not even another path is given; a default host that is taken shows in the decision.
    let scope = world.stranger().await;
    let new = NewApplication {
        scope,
        name: name("shop"),
        display_name: None,
    };
    let strange = store.create_application(new, "stranger").await.unwrap();
    let target = world.deploy_live(strange.id, &spec("shop", "shop:1")).await;
    let row = store.release(strange.id, target.release).await.unwrap();
    assert_eq!(
        row.release.urls,
        ["http://shop--production--main.localhost:8080"]
    );
}

pub(crate) async fn a_repeated_request_is_the_same_request(world: World) {
    let app = world.application("shop").await;
    let stores = [world.store.clone(), world.another_process().await];
    let keyed = |fingerprint: &str| {
        let mut ask = world.ask(app.id, OperationKind::Deploy);
        ask.idempotency = Some(Idempotency {
            key: "abc".to_owned(),
            fingerprint: fingerprint.to_owned(),
        });
        ask
    };
    let asking: Vec<_> = (0..8)
        .map(|i| {
            let (store, ask) = (stores[i % 2].clone(), keyed("same"));
            tokio::spawn(async move {
                let spec = spec("shop", "shop:1");
                store
                    .ask_deploy(ask, &spec, Origin::Deploy, Then::Job(build_job()))
                    .await
                    .unwrap()
            })
        })
        .collect();
    let mut made = Vec::new();
    for asked in asking {
        made.push(asked.await.unwrap());
    }
    assert!(
        made.iter()
            .all(|asked| asked.operation.id == made[0].operation.id)
    );
    assert_eq!(made.iter().filter(|asked| !asked.replayed).count(), 1);
    assert_eq!(world.number("SELECT count(*) FROM jobs").await, 1);

    let spec = spec("shop", "shop:2");
    let other = world
        .store
        .ask_deploy(
            keyed("other"),
            &spec,
            Origin::Deploy,
            Then::Job(build_job()),
        )
        .await;
    assert!(matches!(other, Err(StoreError::KeyReused)));

    // A day later the key is free again.
    let two_days = 2 * 24 * 3_600_000;
    world
        .sql(&format!(
            "UPDATE idempotency SET created_at = created_at - {two_days}"
        ))
        .await;
    let later = world
        .store
        .ask_deploy(
            keyed("other"),
            &spec,
            Origin::Deploy,
            Then::Job(build_job()),
        )
        .await
        .unwrap();
    assert!(!later.replayed);
}

pub(crate) async fn an_edit_of_what_was_changed_meanwhile_is_refused(world: World) {
    let app = world.application("shop").await;
    world.deploy_live(app.id, &spec("shop", "shop:1")).await;
    world.scale(app.id, 2).await;
    let mut ask = world.ask(app.id, OperationKind::Apply);
    ask.if_revision = Some(1);
    let spec = spec("shop", "shop:2");
    let then = Then::Job(build_job());
    let stale = world
        .store
        .ask_deploy(ask.clone(), &spec, Origin::Apply, then)
        .await;
    assert!(matches!(stale, Err(StoreError::Precondition { .. })));
    ask.if_revision = Some(2);
    let then = Then::Job(build_job());
    world
        .store
        .ask_deploy(ask, &spec, Origin::Apply, then)
        .await
        .unwrap();
}

pub(crate) async fn a_queued_build_is_cancelled_at_once_and_a_running_one_by_its_worker(
    world: World,
) {
    let store = &world.store;
    let app = world.application("shop").await;
    let queued = world.ask_build(app.id, &spec("shop", "shop:1")).await;
    let operation = store
        .request_cancel(queued.operation.id, "tester")
        .await
        .unwrap();
    assert_eq!(operation.outcome, Some(Outcome::Cancelled));
    assert!(
        store
            .lease_job("worker", &["build"], LEASE)
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(world.state(app.id).await, ApplicationState::Empty);

    let running = world.ask_build(app.id, &spec("shop", "shop:1")).await;
    let build = store
        .lease_job("worker", &["build"], LEASE)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        store.heartbeat(&build.lease, LEASE).await.unwrap(),
        Pulse::Go
    );
    let operation = store
        .request_cancel(running.operation.id, "tester")
        .await
        .unwrap();
    assert!(!operation.is_over());
    assert_eq!(
        store.heartbeat(&build.lease, LEASE).await.unwrap(),
        Pulse::Cancel
    );
    let problem = problem::BUILD_CANCELLED.problem("Asked to.", "Deploy again.");
    store
        .fail_build(&build.lease, &problem, true)
        .await
        .unwrap();
    assert_eq!(
        world.operation(&running).await.outcome,
        Some(Outcome::Cancelled)
    );

    // A worker that was done before it noticed does not deploy what nobody wants.
    world.ask_build(app.id, &spec("shop", "shop:1")).await;
    let build = store
        .lease_job("worker", &["build"], LEASE)
        .await
        .unwrap()
        .unwrap();
    store
        .request_cancel(build.job.operation.unwrap(), "tester")
        .await
        .unwrap();
    let completed = store
        .complete_build(&build.lease, decide, |_| {})
        .await
        .unwrap();
    assert!(matches!(completed, Completed::Cancelled));
    assert!(
        store
            .target(app.id, world.cluster.id)
            .await
            .unwrap()
            .is_none()
    );
}

fn uuid() -> pluvio_model::id::ApplicationId {
    "019a0000-0000-7000-8000-00000000ffff".parse().unwrap()
}

/// What was applied last, as far as it came into effect, is compared with what is the target now.
pub(crate) async fn an_apply_is_told_what_others_changed_since(world: World) {
    fn object(applied: &AppSpec, current: &AppSpec, _: &AppSpec) -> Result<(), Problem> {
        match applied == current {
            true => Ok(()),
            false => Err(problem::CONFLICT.problem("Others changed it.", "Look at it.")),
        }
    }
    let app = world.application("shop").await;
    let apply = async |image: &str| {
        let mut ask = world.ask(app.id, OperationKind::Deploy);
        ask.objection = Some(object);
        let then = Then::Decide(&mut decide);
        let spec = spec("shop", image);
        world
            .store
            .ask_deploy(ask, &spec, Origin::Apply, then)
            .await
    };
    // The first one meets nothing, not even what was deployed before.
    world.deploy_live(app.id, &spec("shop", "shop:0")).await;
    let first = apply("shop:1").await.unwrap();
    world.live(&first.target.unwrap()).await;
    let second = apply("shop:2").await.unwrap();
    world.live(&second.target.unwrap()).await;

    // One that failed is taken back, and is nobody's change.
    let broken = apply("shop:3").await.unwrap();
    world.fail(&broken.target.unwrap()).await;
    world.live(&world.target(app.id).await).await;
    let repaired = apply("shop:4").await.unwrap();
    world.live(&repaired.target.unwrap()).await;

    world.scale(app.id, 3).await;
    let before = world.store.application(app.id).await.unwrap().revision;
    let refused = apply("shop:5").await.unwrap_err();
    assert!(Problem::from(refused).is(problem::CONFLICT));
    let after = world.store.application(app.id).await.unwrap().revision;
    assert_eq!(after, before, "nothing was written");
}
