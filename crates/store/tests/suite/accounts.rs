//! Who may come in, and by what proof.

use std::time::Duration;

use pluvio_model::facts::RuntimeKind;
use pluvio_model::permission::Role;
use pluvio_model::problem::{self, Problem};
use pluvio_store::*;

use crate::world::*;

const HOUR: Duration = Duration::from_secs(3600);

pub(crate) async fn a_session_opens_ends_and_proves_who_asks(world: World) {
    let store = &world.store;
    let owner = store.home().owner;
    let opened = store.open_session(owner, HOUR, HOUR).await.unwrap();
    let found = store.session(&opened.token).await.unwrap().unwrap();
    assert_eq!(found.user.id, owner);
    assert_eq!(found.user.role_in(world.team()), Some(Role::Owner));
    assert_eq!(found.csrf, opened.session.csrf);
    assert_ne!(found.csrf, opened.token);
    assert!(store.session("guess").await.unwrap().is_none());

    store.close_session(&opened.token).await.unwrap();
    assert!(store.session(&opened.token).await.unwrap().is_none());
    let moment = Duration::from_millis(1);
    for (lifetime, idle) in [(moment, HOUR), (HOUR, moment)] {
        let short = store.open_session(owner, lifetime, idle).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(store.session(&short.token).await.unwrap().is_none());
    }
}

pub(crate) async fn a_password_is_checked_and_its_change_ends_other_sessions(world: World) {
    let store = &world.store;
    let owner = store.home().owner;
    assert!(store.check_password("owner", "").await.unwrap().is_none());
    let here = store.open_session(owner, HOUR, HOUR).await.unwrap();
    let elsewhere = store.open_session(owner, HOUR, HOUR).await.unwrap();
    let keep = Some(here.token.as_str());
    store
        .set_password(owner, Some("correct horse"), keep, "owner")
        .await
        .unwrap();
    assert!(store.session(&here.token).await.unwrap().is_some());
    assert!(store.session(&elsewhere.token).await.unwrap().is_none());

    assert_eq!(
        store
            .check_password("owner", "correct horse")
            .await
            .unwrap()
            .unwrap()
            .id,
        owner
    );
    assert!(
        store
            .check_password("owner", "wrong")
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        store
            .check_password("nobody", "correct horse")
            .await
            .unwrap()
            .is_none()
    );
    assert!(store.user(owner).await.unwrap().has_password);
    store
        .set_password(owner, None, None, "owner")
        .await
        .unwrap();
    assert!(
        store
            .check_password("owner", "correct horse")
            .await
            .unwrap()
            .is_none()
    );
}

pub(crate) async fn a_token_is_shown_once_and_stops_with_its_end(world: World) {
    let store = &world.store;
    let team = world.team();
    let ann = store
        .create_user(&name("ann"), Some("Ann"), &[(team, Role::Reader)], "owner")
        .await
        .unwrap();
    let twice = store.create_user(&name("ann"), None, &[], "owner").await;
    assert!(matches!(twice, Err(StoreError::NameTaken { .. })));
    let new = |expires_at| NewToken {
        name: "laptop".to_owned(),
        user: ann.id,
        role: Role::Reader,
        expires_at,
    };
    let (token, text) = store.create_token(new(None), "ann").await.unwrap();
    let (found, user) = store.bearer(&text).await.unwrap().unwrap();
    assert_eq!((found.id, user.id), (token.id, ann.id));
    assert!(
        store.tokens(ann.id).await.unwrap()[0]
            .last_used_at
            .is_some()
    );
    assert!(
        store
            .bearer(&text[..text.len() - 1])
            .await
            .unwrap()
            .is_none()
    );

    let past = jiff::Timestamp::now() - HOUR;
    let (_, ended) = store.create_token(new(Some(past)), "ann").await.unwrap();
    assert!(store.bearer(&ended).await.unwrap().is_none());
    let strange = store
        .revoke_token(store.home().owner, token.id, "owner")
        .await;
    assert!(matches!(strange, Err(StoreError::NotFound { .. })));
    store.revoke_token(ann.id, token.id, "ann").await.unwrap();
    assert!(store.bearer(&text).await.unwrap().is_none());
}

pub(crate) async fn a_signin_link_works_once_even_for_two_at_once(world: World) {
    let store = &world.store;
    let owner = store.home().owner;
    let link = store.make_signin_link(owner, HOUR).await.unwrap();
    let other = world.another_process().await;
    let (one, two) = tokio::join!(
        store.consume_signin_link(&link),
        other.consume_signin_link(&link)
    );
    assert_eq!([&one, &two].iter().filter(|used| used.is_ok()).count(), 1);
    let late = store.make_signin_link(owner, Duration::ZERO).await.unwrap();
    for link in [&link, &late, "guess"] {
        let refused = Problem::from(store.consume_signin_link(link).await.unwrap_err());
        assert!(refused.is(problem::AUTH_LINK));
    }
}

pub(crate) async fn another_engine_is_never_taken_for_the_one_we_know(world: World) {
    let store = &world.store;
    let (local, kind) = (name("local"), RuntimeKind::Memory);
    let same = store
        .bind_cluster(&local, kind, "engine-1", "elsewhere")
        .await
        .unwrap();
    assert_eq!(
        (same.id, same.address.as_str()),
        (world.cluster.id, "elsewhere")
    );
    let foreign = store.bind_cluster(&local, kind, "engine-2", "memory").await;
    assert!(Problem::from(foreign.unwrap_err()).is(problem::ENGINE_FOREIGN));
    let rebound = store
        .rebind_cluster(&local, kind, "engine-2", "memory", "owner")
        .await
        .unwrap();
    assert_eq!(rebound.id, world.cluster.id);
    assert_eq!(store.clusters().await.unwrap(), [rebound]);
}

pub(crate) async fn first_start_makes_one_of_each_and_only_once(world: World) {
    let scope = world.scope().await;
    let home = world.store.home();
    assert_eq!(
        (scope.team, scope.environment),
        (home.team, home.environment)
    );
    let (one, two) = tokio::join!(world.another_process(), world.another_process());
    for store in [one, two] {
        assert_eq!(store.home().owner, home.owner);
        store.ping().await.unwrap();
    }
    for table in [
        "organizations",
        "teams",
        "environments",
        "users",
        "memberships",
    ] {
        assert_eq!(
            world.number(&format!("SELECT count(*) FROM {table}")).await,
            1,
            "{table}"
        );
    }
    assert_eq!(world.store.environments(home.team).await.unwrap(), [scope]);
    assert!(matches!(
        world.store.scope("main", "staging").await,
        Err(StoreError::NotFound { .. })
    ));
}

pub(crate) async fn data_of_a_newer_version_or_another_key_is_refused(world: World) {
    let other = tempfile::tempdir().unwrap();
    let refused = Store::open(&world.url, seal(other.path())).await;
    assert!(matches!(
        refused,
        Err(StoreError::Corrupt {
            what: "the seal key",
            ..
        })
    ));

    world.sql("UPDATE schema_version SET version = 999").await;
    let refused = Store::open(&world.url, seal(world.folder.path()))
        .await
        .unwrap_err();
    assert!(matches!(
        refused,
        StoreError::NewerVersion { found: 999, .. }
    ));
    assert!(Problem::from(refused).is(problem::CONFIG_VERSION));

    let unknown = Store::open("mysql://localhost/pluvio", seal(other.path())).await;
    assert!(matches!(unknown, Err(StoreError::Invalid { .. })));
}
