//! Lists: by pages, in order, of one team.

use pluvio_model::operation::OperationKind;
use pluvio_store::*;

use crate::world::*;

pub(crate) async fn pages_of_applications_show_each_once_and_no_other_teams(world: World) {
    let store = &world.store;
    for i in 0..25 {
        // Made out of order, with dashes and digits that languages sort differently.
        world
            .application(&format!("{}-{}", ["a", "b", "ab"][i % 3], (i * 7) % 25))
            .await;
    }
    let new = NewApplication {
        scope: world.stranger().await,
        name: name("theirs"),
        display_name: None,
    };
    store.create_application(new, "stranger").await.unwrap();
    let mut filter = ApplicationFilter {
        team: world.team(),
        environment: None,
        state: None,
        contains: None,
    };
    let (mut names, mut page) = (
        Vec::new(),
        PageRequest {
            limit: 10,
            after: None,
        },
    );
    let mut pages = 0;
    loop {
        let got = store.applications(&filter, &page).await.unwrap();
        assert!(got.items.len() <= 10);
        names.extend(got.items.into_iter().map(|app| app.name.to_string()));
        pages += 1;
        page.after = got.next;
        if page.after.is_none() {
            break;
        }
    }
    let mut sorted = names.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!((names, pages, sorted.len()), (sorted.clone(), 3, 25));

    filter.contains = Some("AB-".to_owned());
    let found = store
        .applications(&filter, &PageRequest::default())
        .await
        .unwrap();
    assert_eq!(found.items.len(), 8);
    filter.contains = Some("%".to_owned());
    assert_eq!(
        store
            .applications(&filter, &PageRequest::default())
            .await
            .unwrap()
            .items
            .len(),
        25
    );
    filter.contains = None;
    let app = store
        .find_application(world.store.home().environment, "a-0")
        .await
        .unwrap();
    world.deploy_live(app.id, &spec("a-0", "a:1")).await;
    filter.state = Some(ApplicationState::Live);
    let live = store
        .applications(&filter, &PageRequest::default())
        .await
        .unwrap()
        .items;
    assert_eq!(live.iter().map(|app| app.id).collect::<Vec<_>>(), [app.id]);
    let counts = store.count_applications(world.team()).await.unwrap();
    assert_eq!(
        counts,
        [(ApplicationState::Empty, 24), (ApplicationState::Live, 1)]
    );

    store
        .set_display_name(app.id, Some("The first"), "tester")
        .await
        .unwrap();
    let shown = store.application(app.id).await.unwrap().display_name;
    assert_eq!(shown.as_deref(), Some("The first"));
    let strange = PageRequest {
        limit: 10,
        after: Some("zz".to_owned()),
    };
    let refused = store.applications(&filter, &strange).await;
    assert!(matches!(
        refused,
        Err(StoreError::Invalid { what: "after", .. })
    ));
    let taken = NewApplication {
        scope: world.scope().await,
        name: name("a-0"),
        display_name: None,
    };
    let taken = store.create_application(taken, "tester").await;
    assert!(matches!(taken, Err(StoreError::NameTaken { .. })));
}

pub(crate) async fn releases_and_operations_come_newest_first(world: World) {
    let store = &world.store;
    let app = world.application("shop").await;
    for i in 1..=5 {
        world
            .deploy_live(app.id, &spec("shop", &format!("shop:{i}")))
            .await;
    }
    let running = world.scale(app.id, 2).await;
    let two = PageRequest {
        limit: 2,
        after: None,
    };
    let first = store.releases(app.id, &two).await.unwrap();
    let numbers =
        |page: &Page<ReleaseRow>| page.items.iter().map(|row| row.number).collect::<Vec<_>>();
    assert_eq!(numbers(&first), [6, 5]);
    let next = PageRequest {
        limit: 2,
        after: first.next,
    };
    assert_eq!(
        numbers(&store.releases(app.id, &next).await.unwrap()),
        [4, 3]
    );

    let mut filter = OperationFilter {
        team: world.team(),
        environment: None,
        application: Some(app.id),
        running: false,
    };
    let all = store
        .operations(&filter, &PageRequest::default())
        .await
        .unwrap();
    assert_eq!(
        (all.items.len(), all.items[0].id),
        (6, running.operation.id)
    );
    filter.application = None;
    assert_eq!(
        store
            .operations(&filter, &PageRequest::default())
            .await
            .unwrap(),
        all
    );
    filter.running = true;
    let open = store
        .operations(&filter, &PageRequest::default())
        .await
        .unwrap();
    assert_eq!(open.items, std::slice::from_ref(&all.items[0]));
    filter.team = world.stranger().await.team;
    filter.running = false;
    assert!(
        store
            .operations(&filter, &PageRequest::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );

    let edited = store
        .update_operation(running.operation.id, |operation| {
            operation.title = "Grow".to_owned()
        })
        .await
        .unwrap();
    assert_eq!(edited.title, "Grow");
    let quiet = store.last_event().await.unwrap();
    store
        .update_operation(running.operation.id, |_| {})
        .await
        .unwrap();
    assert_eq!(
        store.last_event().await.unwrap(),
        quiet,
        "nothing changed, nothing told"
    );
}

pub(crate) async fn what_has_had_its_time_is_pruned(world: World) {
    let store = &world.store;
    let app = world.application("shop").await;
    let mut ask = world.ask(app.id, OperationKind::Deploy);
    ask.idempotency = Some(Idempotency {
        key: "k".to_owned(),
        fingerprint: "f".to_owned(),
    });
    let then = Then::Job(build_job());
    let origin = pluvio_model::revision::Origin::Deploy;
    store
        .ask_deploy(ask, &spec("shop", "shop:1"), origin, then)
        .await
        .unwrap();
    let lasting = std::time::Duration::from_secs(60);
    let build = store
        .lease_job("w", &["build"], lasting)
        .await
        .unwrap()
        .unwrap();
    store
        .complete_build(&build.lease, decide, |_| {})
        .await
        .unwrap();
    store
        .open_session(store.home().owner, lasting, lasting)
        .await
        .unwrap();
    let before = store.last_event().await.unwrap();

    store.prune(jiff::Timestamp::now()).await.unwrap();
    assert_eq!(store.first_event().await.unwrap(), 1);
    let month = jiff::SignedDuration::from_hours(24 * 30);
    store.prune(jiff::Timestamp::now() + month).await.unwrap();
    for table in ["jobs", "idempotency", "sessions"] {
        assert_eq!(
            world.number(&format!("SELECT count(*) FROM {table}")).await,
            0,
            "{table}"
        );
    }
    assert_eq!(store.first_event().await.unwrap(), before);
    world.application("next").await;
    assert_eq!(
        store.last_event().await.unwrap(),
        before + 1,
        "numbers go on"
    );
}
