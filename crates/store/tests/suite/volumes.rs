//! Volumes: who has them, how they end, how they are copied.

use std::time::Duration;

use jiff::Timestamp;
use pluvio_model::id::VolumeId;
use pluvio_model::operation::{OperationKind, Outcome};
use pluvio_model::problem::Problem;
use pluvio_model::spec::AppSpec;
use pluvio_store::*;

use crate::world::*;

const VOLUME: &str = "019a0000-0000-7000-8000-0000000000ab";

pub(crate) fn id() -> VolumeId {
    VOLUME.parse().unwrap()
}

pub(crate) fn mounting(application: &str) -> AppSpec {
    let mut spec = spec(application, "shop:1");
    let labels = &mut spec.components["web"].labels;
    labels.insert("volume".into(), VOLUME.into());
    spec
}

fn refusal<T: std::fmt::Debug>(result: Result<T>) -> Problem {
    match result {
        Err(StoreError::Refused(problem)) => *problem,
        other => panic!("{other:?}"),
    }
}

async fn deploys(world: &World, application: &Application, spec: &AppSpec) -> Result<Asked> {
    let ask = world.ask(application.id, OperationKind::Deploy);
    let then = Then::Decide(&mut decide);
    let origin = pluvio_model::revision::Origin::Deploy;
    world.store.ask_deploy(ask, spec, origin, then).await
}

pub(crate) async fn a_deleted_volume_can_be_had_back_until_its_end(world: World) {
    let store = &world.store;
    let shop = world.application("shop").await;
    world.deploy_live(shop.id, &mounting("shop")).await;
    store.note_volume(id(), "pluvio-data", None).await.unwrap();
    let soon = Timestamp::now() + Duration::from_secs(3600);
    let used = refusal(store.delete_volume(world.team(), id(), soon, "ann").await);
    assert!(used.cause.contains("in use by shop"), "{used}");

    // A release without it that does not run yet may still go back to the one with it.
    let asked = deploys(&world, &shop, &spec("shop", "shop:2"))
        .await
        .unwrap();
    refusal(store.delete_volume(world.team(), id(), soon, "ann").await);
    world.live(&asked.target.unwrap()).await;
    let kept = store.application_volumes(shop.id).await.unwrap();
    assert_eq!(kept.len(), 1, "detached, and still its");

    let row = store
        .delete_volume(world.team(), id(), soon, "ann")
        .await
        .unwrap();
    assert!(row.ends_at.is_some());
    assert_eq!(store.ended_volumes(Timestamp::now()).await.unwrap(), []);
    let leaving = refusal(deploys(&world, &shop, &mounting("shop")).await);
    assert!(
        leaving.remedy.contains("pluvio volume restore"),
        "{leaving}"
    );
    store
        .restore_volume(world.team(), id(), "ann")
        .await
        .unwrap();
    refusal(store.restore_volume(world.team(), id(), "ann").await);
    let asked = deploys(&world, &shop, &mounting("shop")).await.unwrap();
    world.live(&asked.target.unwrap()).await;
    world.deploy_live(shop.id, &spec("shop", "shop:3")).await;

    let now = Timestamp::now();
    store
        .delete_volume(world.team(), id(), now, "ann")
        .await
        .unwrap();
    assert_eq!(
        store.ended_volumes(Timestamp::now()).await.unwrap().len(),
        1
    );
    store
        .forget_volume(world.team(), id(), "pluvio")
        .await
        .unwrap();
    let action = Some("volume:delete".to_owned());
    let filter = AuditFilter {
        action,
        ..AuditFilter::default()
    };
    let page = PageRequest::default();
    let told = store.audit_records(&filter, &page).await.unwrap().items;
    let told: Vec<_> = told
        .iter()
        .map(|row| (row.actor.as_str(), row.result.split(' ').next().unwrap()))
        .collect();
    let want = [
        ("pluvio", "deleted"),
        ("ann", "ends"),
        ("ann", "taken"),
        ("ann", "ends"),
    ];
    assert_eq!(told, want);
}

pub(crate) async fn an_exclusive_volume_is_one_applications(world: World) {
    let store = &world.store;
    let shop = world.application("shop").await;
    let blog = world.application("blog").await;
    world.deploy_live(shop.id, &mounting("shop")).await;
    world.deploy_live(blog.id, &spec("blog", "blog:1")).await;
    store.note_volume(id(), "pluvio-data", None).await.unwrap();
    let take = async |name_: &str| {
        let mut ask = world.ask(blog.id, OperationKind::Configure);
        ask.volumes = vec![TakeVolume {
            volume: id(),
            name: name(name_),
        }];
        let what = "attach".to_owned();
        let origin = pluvio_model::revision::Origin::Patch { what };
        let change = |_: &AppSpec| Ok(mounting("blog"));
        store.patch(ask, origin, change, decide).await
    };
    let used = refusal(take("data").await);
    assert!(used.cause.contains("in use by shop"), "{used}");
    let bound = store.volume_bindings(&[id()]).await.unwrap();
    assert_eq!(bound.len(), 1, "what was refused leaves nothing");

    world.deploy_live(shop.id, &spec("shop", "shop:2")).await;
    let taken = take("data").await.unwrap();
    world.live(&taken.target.unwrap()).await;
    // The one that had it before may not have it too.
    let other = refusal(deploys(&world, &shop, &mounting("shop")).await);
    assert_eq!(other.code, "spec.conflict");
    assert!(other.cause.contains("blog"), "{other}");
    // Its maker goes; who has it keeps it.
    let asked = store
        .begin_delete(world.ask(shop.id, OperationKind::Delete))
        .await;
    asked.unwrap();
    store.finish_delete(shop.id, |_| {}).await.unwrap();
    let row = store.volume(world.team(), id()).await.unwrap();
    assert_eq!((row.application, row.released_at), (Some(blog.id), None));
    assert_eq!(row.application_name, name("blog"));
}

/// Neither side's team lends itself to the other: who may change an application of one finds no volume of another there.
pub(crate) async fn a_volume_of_another_team_is_neither_taken_nor_copied(world: World) {
    let store = &world.store;
    let shop = world.application("shop").await;
    world.deploy_live(shop.id, &mounting("shop")).await;
    world.deploy_live(shop.id, &spec("shop", "shop:2")).await;
    store.note_volume(id(), "pluvio-data", None).await.unwrap();
    let new = NewApplication {
        scope: world.stranger().await,
        name: name("theirs"),
        display_name: None,
    };
    let theirs = store.create_application(new, "stranger").await.unwrap();
    let mut ask = world.ask(theirs.id, OperationKind::Deploy);
    ask.volumes = vec![TakeVolume {
        volume: id(),
        name: name("data"),
    }];
    let job = NewJob {
        kind: "build".to_owned(),
        payload: serde_json::json!({}),
        run_after: None,
    };
    let origin = pluvio_model::revision::Origin::Deploy;
    let taken = store
        .ask_deploy(ask, &mounting("theirs"), origin, Then::Job(job))
        .await;
    assert!(matches!(
        taken,
        Err(StoreError::NotFound { what: "volume" })
    ));
    let copied = store.begin_copy(NewCopy {
        source: store.volume(world.team(), id()).await.unwrap(),
        application: theirs.id,
        cluster: world.cluster.id,
        name: name("data"),
        id: "019a0000-0000-7000-8000-000000000190".parse().unwrap(),
        handle: "pluvio-copy-90".to_owned(),
        within: None,
        actor: "stranger".to_owned(),
        title: "Copy data".to_owned(),
    });
    assert!(matches!(
        copied.await,
        Err(StoreError::NotFound { what: "volume" })
    ));
    assert_eq!(store.application_volumes(theirs.id).await.unwrap(), []);
    let bound = store.volume_bindings(&[id()]).await.unwrap();
    assert!(bound.iter().all(|one| one.application != theirs.id));
}

pub(crate) async fn a_name_means_one_volume_of_an_application(world: World) {
    let store = &world.store;
    let shop = world.application("shop").await;
    let blog = world.application("blog").await;
    world.deploy_live(shop.id, &mounting("shop")).await;
    store.note_volume(id(), "pluvio-data", None).await.unwrap();
    world.deploy_live(shop.id, &spec("shop", "shop:2")).await;
    let other = "019a0000-0000-7000-8000-0000000000ac";
    let mut of_blog = mounting("blog");
    let labels = &mut of_blog.components["web"].labels;
    labels.insert("volume".into(), other.into());
    world.deploy_live(blog.id, &of_blog).await;
    world.deploy_live(blog.id, &spec("blog", "blog:2")).await;
    let mut ask = world.ask(blog.id, OperationKind::Configure);
    ask.volumes = vec![TakeVolume {
        volume: id(),
        name: name("data"),
    }];
    let what = "attach".to_owned();
    let origin = pluvio_model::revision::Origin::Patch { what };
    let taken = store
        .patch(ask, origin, |_| Ok(mounting("blog")), decide)
        .await;
    assert_eq!(refusal(taken).code, "name.taken");
}

pub(crate) async fn a_copy_is_whole_or_nothing(world: World) {
    let store = &world.store;
    let shop = world.application("shop").await;
    world.deploy_live(shop.id, &mounting("shop")).await;
    store.note_volume(id(), "pluvio-data", None).await.unwrap();
    let copy = async |name_: &str, number: u32| {
        let new = NewCopy {
            source: store.volume(world.team(), id()).await.unwrap(),
            application: shop.id,
            cluster: world.cluster.id,
            name: name(name_),
            id: format!("019a0000-0000-7000-8000-0000000001{number:02}")
                .parse()
                .unwrap(),
            handle: format!("pluvio-copy-{number}"),
            within: None,
            actor: "ann".to_owned(),
            title: "Copy data".to_owned(),
        };
        (new.id, store.begin_copy(new).await)
    };
    let (first, begun) = copy("again", 1).await;
    let operation = begun.unwrap();
    let row = store.volume(world.team(), first).await.unwrap();
    assert_eq!(row.filling, Some(operation.id));
    assert!(row.unusable().is_some());
    let half = store.delete_volume(world.team(), first, Timestamp::now(), "ann");
    refusal(half.await);
    let (_, taken) = copy("again", 2).await;
    assert_eq!(refusal(taken).code, "name.taken");

    store.finish_copy(first, 4096, |_| {}).await.unwrap();
    store.finish_copy(first, 4096, |_| {}).await.unwrap();
    let row = store.volume(world.team(), first).await.unwrap();
    assert_eq!((row.filling, row.bytes), (None, Some(4096)));
    let ended = store.operation(operation.id).await.unwrap().0;
    assert_eq!(ended.outcome, Some(Outcome::Succeeded));

    let (second, begun) = copy("third", 3).await;
    let operation = begun.unwrap();
    let failed = Outcome::Failed {
        problem: Box::new(not_ready()),
    };
    store.abandon_copy(second, &failed).await.unwrap();
    store.abandon_copy(second, &failed).await.unwrap();
    let gone = store.volume(world.team(), second).await;
    assert!(matches!(gone, Err(StoreError::NotFound { .. })));
    let ended = store.operation(operation.id).await.unwrap().0;
    assert_eq!(ended.outcome, Some(failed));
    assert_eq!(store.filling_volumes().await.unwrap(), []);
    // Whole ones are not abandoned, and the name of the lost one is free.
    store
        .abandon_copy(first, &Outcome::Cancelled)
        .await
        .unwrap();
    store.volume(world.team(), first).await.unwrap();
    copy("third", 4).await.1.unwrap();
}
