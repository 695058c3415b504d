//! Deleting leaves nothing but volumes and history.

use std::time::Duration;

use pluvio_model::id::VolumeId;
use pluvio_model::operation::{OperationKind, Outcome};
use pluvio_model::stage::SecretValue;
use pluvio_store::*;

use crate::world::*;

const VOLUME: &str = "019a0000-0000-7000-8000-0000000000aa";

pub(crate) async fn a_deleted_application_leaves_its_volumes_only(world: World) {
    let store = &world.store;
    let app = world.application("shop").await;
    let mut with_volume = spec("shop", "shop:1");
    with_volume.components["web"]
        .labels
        .insert("volume".into(), VOLUME.into());
    world.deploy_live(app.id, &with_volume).await;
    let value = SecretValue("hunter2".to_owned());
    store
        .set_secret(app.id, &"KEY".parse().unwrap(), &value, "tester")
        .await
        .unwrap();
    store
        .set_setting(app.id, &"COLOUR".parse().unwrap(), Some("red"), "tester")
        .await
        .unwrap();
    let volume: VolumeId = VOLUME.parse().unwrap();
    store
        .note_volume(volume, "pluvio-data", Some(4096))
        .await
        .unwrap();
    let in_use = store.forget_volume(world.team(), volume, "tester").await;
    assert!(matches!(in_use, Err(StoreError::Refused(_))));
    let unasked = store.finish_delete(app.id, |_| {}).await;
    assert!(matches!(unasked, Err(StoreError::Refused(_))));

    let asked = store
        .begin_delete(world.ask(app.id, OperationKind::Delete))
        .await
        .unwrap();
    let target = asked.target.clone().unwrap();
    assert!(target.gone);
    assert_eq!(target.generation.0, 2);
    assert_eq!(world.state(app.id).await, ApplicationState::Deleting);
    let again = store
        .begin_delete(world.ask(app.id, OperationKind::Delete))
        .await
        .unwrap();
    assert_eq!(
        (again.operation.id, again.replayed),
        (asked.operation.id, true)
    );
    // What comes while it goes is refused, and what was on its way no longer counts.
    let ask = world.ask(app.id, OperationKind::Scale);
    let late = store
        .patch(
            ask,
            pluvio_model::revision::Origin::Restart {
                components: Vec::new(),
            },
            |spec| Ok(spec.clone()),
            decide,
        )
        .await;
    assert!(matches!(late, Err(StoreError::Refused(_))));
    let late = store
        .mark_live(app.id, world.cluster.id, target.generation, |_| {})
        .await;
    assert!(matches!(late, Err(StoreError::Stale { .. })));

    store.finish_delete(app.id, |_| {}).await.unwrap();
    store.finish_delete(app.id, |_| {}).await.unwrap();
    for table in [
        "applications",
        "revisions",
        "releases",
        "targets",
        "hosts",
        "secrets",
        "settings",
        "jobs",
    ] {
        assert_eq!(
            world.number(&format!("SELECT count(*) FROM {table}")).await,
            0,
            "{table}"
        );
    }
    // Its history and its data are there.
    assert_eq!(
        world.operation(&asked).await.outcome,
        Some(Outcome::Succeeded)
    );
    let volumes = store
        .volumes(
            world.team(),
            store.home().environment,
            &PageRequest::default(),
        )
        .await
        .unwrap()
        .items;
    assert_eq!(volumes.len(), 1);
    assert_eq!(
        (volumes[0].application, volumes[0].bytes),
        (None, Some(4096))
    );
    assert!(volumes[0].released_at.is_some());

    // The name is free again, and the volume goes when it is named.
    world.application("shop").await;
    store
        .forget_volume(world.team(), volume, "tester")
        .await
        .unwrap();
    assert!(matches!(
        store.volume(world.team(), volume).await,
        Err(StoreError::NotFound { .. })
    ));
    let action = Some("volume:delete".to_owned());
    let filter = AuditFilter {
        action,
        ..AuditFilter::default()
    };
    let page = PageRequest::default();
    let told = store.audit_records(&filter, &page).await.unwrap().items;
    assert_eq!((told.len(), told[0].actor.as_str()), (1, "tester"));
}

pub(crate) async fn deleting_ends_what_was_under_way(world: World) {
    let store = &world.store;
    let app = world.application("shop").await;
    let building = world.ask_build(app.id, &spec("shop", "shop:1")).await;
    let lasting = Duration::from_secs(60);
    let build = store
        .lease_job("worker", &["build"], lasting)
        .await
        .unwrap()
        .unwrap();
    let queued = world.ask_build(app.id, &spec("shop", "shop:2")).await;
    let deleting = store
        .begin_delete(world.ask(app.id, OperationKind::Delete))
        .await
        .unwrap();
    let by = Some(deleting.operation.id);
    for ended in [&building, &queued] {
        assert_eq!(
            world.operation(ended).await.outcome,
            Some(Outcome::Superseded { by })
        );
    }
    assert!(
        store
            .lease_job("worker", &["build"], lasting)
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(
        store.heartbeat(&build.lease, lasting).await.unwrap(),
        Pulse::Cancel
    );
    let completed = store
        .complete_build(&build.lease, decide, |_| {})
        .await
        .unwrap();
    assert!(matches!(completed, Completed::Superseded { .. }));
    store.finish_delete(app.id, |_| {}).await.unwrap();
    assert!(matches!(
        store.application(app.id).await,
        Err(StoreError::NotFound { .. })
    ));
    assert_eq!(
        world.operation(&deleting).await.outcome,
        Some(Outcome::Succeeded)
    );
}
