//! Environments, and components that are stopped by themselves.

use pluvio_model::operation::{OperationKind, Outcome, Step, StepName};
use pluvio_model::problem;
use pluvio_model::revision::Origin;
use pluvio_model::stage::{Power, SecretValue};
use pluvio_store::*;

use crate::volumes::{id, mounting};
use crate::world::*;

pub(crate) async fn an_environment_is_made_and_deleted_when_nothing_is_in_it(world: World) {
    let store = &world.store;
    let team = world.team();
    let made = store
        .create_environment(team, &name("staging"), None, "owner")
        .await
        .unwrap();
    let names = async || -> Vec<(String, u64)> {
        let all = store.environment_list(team).await.unwrap();
        all.iter()
            .map(|one| (one.name.to_string(), one.applications))
            .collect()
    };
    assert_eq!(
        names().await,
        [("production".to_owned(), 0), ("staging".to_owned(), 0)]
    );
    // Those that name no cluster are on the engine.
    let on_engine = store.cluster_environments(world.cluster.id).await.unwrap();
    let main = |environment: &str| (name("main"), name(environment));
    assert_eq!(on_engine, [main("production"), main("staging")]);
    let again = store
        .create_environment(team, &name("staging"), None, "owner")
        .await;
    assert!(
        matches!(again, Err(StoreError::NameTaken { .. })),
        "{again:?}"
    );

    // The same name in both: two applications with secrets and history of their own.
    let here = world.application("shop").await;
    let scope = store.scope("main", "staging").await.unwrap();
    assert_eq!(scope.environment, made.id);
    let new = NewApplication {
        scope: scope.clone(),
        name: name("shop"),
        display_name: None,
    };
    let mut ask = world.ask(here.id, OperationKind::Copy);
    ask.application = Whose::New(new);
    ask.secrets = vec![("KEY".parse().unwrap(), SecretValue("of staging".to_owned()))];
    let origin = Origin::Copy {
        application: name("shop"),
        environment: name("production"),
        release: 3,
    };
    let mut own_host = spec("shop", "shop:1");
    own_host.components[0].labels.insert(
        "host".to_owned(),
        "shop--staging--main.localhost".to_owned(),
    );
    let asked = store
        .ask_deploy(ask, &own_host, origin.clone(), Then::Decide(&mut decide))
        .await
        .unwrap();
    assert_eq!(asked.application.environment, made.id);
    assert!(store.secrets(here.id).await.unwrap().is_empty());
    let row = &store
        .releases(asked.application.id, &PageRequest::default())
        .await
        .unwrap()
        .items[0];
    assert_eq!(row.origin, origin);

    let inside = store.delete_environment(&scope, "owner").await;
    let Err(StoreError::Refused(problem)) = inside else {
        panic!("{inside:?}");
    };
    assert_eq!(problem.cause, "Applications are in staging: shop.");
    let first = store
        .delete_environment(&world.scope().await, "owner")
        .await;
    assert!(
        matches!(&first, Err(StoreError::Refused(p)) if p.is(problem::REFUSED)),
        "{first:?}"
    );

    let ask = world.ask(asked.application.id, OperationKind::Delete);
    store.begin_delete(ask).await.unwrap();
    store
        .finish_delete(asked.application.id, |_| {})
        .await
        .unwrap();
    store.delete_environment(&scope, "owner").await.unwrap();
    assert_eq!(names().await, [("production".to_owned(), 1)]);
    assert!(store.scope("main", "staging").await.is_err());
    // What happened there stays to be read.
    let (operation, _) = store.operation(asked.operation.id).await.unwrap();
    assert_eq!(operation.kind, OperationKind::Copy);
}

pub(crate) async fn some_components_are_stopped_and_stay_so(world: World) {
    let application = world.application("shop").await;
    let live = world
        .deploy_live(application.id, &spec("shop", "shop:1"))
        .await;
    assert!(live.stopped.is_empty());
    let switch = async |power, stopped: &[&str]| {
        let ask = world.ask(application.id, OperationKind::Stop);
        let stopped: Vec<_> = stopped.iter().map(|text| name(text)).collect();
        let asked = world
            .store
            .switch(ask, |_, _| Ok((power, stopped.clone())))
            .await;
        asked.unwrap()
    };
    // A second component is only a name to the store.
    let asked = switch(Power::On, &["worker"]).await;
    let target = asked.target.clone().unwrap();
    assert_eq!(target.stopped, [name("worker")]);
    assert!(target.generation > live.generation);
    let read = world.target(application.id).await;
    assert_eq!(read, target);
    world.live(&read).await;
    assert_eq!(world.state(application.id).await, ApplicationState::Live);
    // The same again ends at once.
    let again = switch(Power::On, &["worker"]).await;
    assert!(again.operation.is_over());
    assert_eq!(
        world.target(application.id).await.generation,
        target.generation
    );

    // A component that a new release does not have is forgotten; when all that is left is stopped, the application is off.
    let next = world.deploy(application.id, &spec("shop", "shop:2")).await;
    assert!(next.target.unwrap().stopped.is_empty());
    switch(Power::On, &["web"]).await;
    let off = world.deploy(application.id, &spec("shop", "shop:3")).await;
    let off = off.target.unwrap();
    assert_eq!((off.power, off.stopped.len()), (Power::Off, 0));

    let ask = world.ask(application.id, OperationKind::Stop);
    let refused = world
        .store
        .switch(ask, |_, _| {
            Err(problem::NOT_FOUND.problem("No wrker.", "Look."))
        })
        .await;
    assert!(
        matches!(refused, Err(StoreError::Refused(_))),
        "{refused:?}"
    );
}

/// What starts over a half of the data is of no use: a copy that has not all of them yet is deleted or waited for.
pub(crate) async fn nothing_changes_a_copy_before_its_data_are_whole(world: World) {
    let store = &world.store;
    let shop = world.application("shop").await;
    world.deploy_live(shop.id, &mounting("shop")).await;
    store.note_volume(id(), "pluvio-data", None).await.unwrap();
    let mut ask = world.ask(shop.id, OperationKind::Copy);
    ask.application = Whose::New(NewApplication {
        scope: world.scope().await,
        name: name("shop-two"),
        display_name: None,
    });
    ask.steps = vec![Step::waiting(StepName::Copy)];
    let origin = Origin::Copy {
        application: name("shop"),
        environment: name("production"),
        release: 1,
    };
    let two = spec("shop-two", "shop:1");
    let copying = Then::Job(build_job());
    let asked = store.ask_deploy(ask, &two, origin, copying).await.unwrap();
    let copy = asked.application.id;
    let deploy = async || {
        let ask = world.ask(copy, OperationKind::Deploy);
        let then = Then::Decide(&mut decide);
        store.ask_deploy(ask, &two, Origin::Deploy, then).await
    };
    let switch = async || {
        let ask = world.ask(copy, OperationKind::Stop);
        store.set_power(ask, Power::Off).await
    };
    let clone = async |within| {
        let new = NewCopy {
            source: store.volume(world.team(), id()).await.unwrap(),
            application: copy,
            cluster: world.cluster.id,
            name: name("data"),
            id: "019a0000-0000-7000-8000-000000000180".parse().unwrap(),
            handle: "pluvio-copy-80".to_owned(),
            within,
            actor: "ann".to_owned(),
            title: "Copy data".to_owned(),
        };
        (new.id, store.begin_copy(new).await)
    };
    let asked_by_hand = clone(None).await.1;
    let all = [
        deploy().await.map(|_| ()),
        switch().await.map(|_| ()),
        asked_by_hand.map(|_| ()),
    ];
    for refused in all {
        let Err(StoreError::Refused(problem)) = refused else {
            panic!("{refused:?}");
        };
        assert!(problem.cause.contains("a part of its data"), "{problem}");
        let cancel = format!("pluvio operation cancel {}", asked.operation.id);
        assert!(problem.remedy.contains(&cancel), "{problem}");
    }
    let (volume, begun) = clone(Some(asked.operation.id)).await;
    begun.unwrap();
    store
        .abandon_copy(volume, &Outcome::Cancelled)
        .await
        .unwrap();
    let deleted = world.ask(copy, OperationKind::Delete);
    store.begin_delete(deleted).await.unwrap();
}
