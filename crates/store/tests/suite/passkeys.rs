//! Passkeys: kept, named, used, removed.

use std::time::Duration;

use pluvio_model::id::UserId;
use pluvio_model::problem::{self, Problem};
use pluvio_store::{NewPasskey, StoreError};

use crate::world::{World, name};

const HOUR: Duration = Duration::from_secs(3600);

fn new(user: UserId, name: &str, credential: u8) -> NewPasskey {
    NewPasskey {
        user,
        name: name.to_owned(),
        credential: vec![credential; 32],
        public_key: vec![9; 33],
        state: vec![0; 7],
    }
}

pub(crate) async fn a_passkey_is_kept_named_used_and_removed(world: World) {
    let store = &world.store;
    let owner = store.home().owner;
    let laptop = store
        .add_passkey(new(owner, "Laptop", 1), "owner")
        .await
        .unwrap();
    let phone = store
        .add_passkey(new(owner, "手机", 2), "owner")
        .await
        .unwrap();
    assert_eq!(
        store.passkeys(owner).await.unwrap(),
        [laptop.clone(), phone.clone()]
    );
    assert_eq!(laptop.last_used_at, None);

    let found = store.passkey_by_credential(&[1; 32]).await.unwrap();
    assert_eq!(found, Some(laptop.clone()));
    assert_eq!(store.passkey_by_credential(&[3; 32]).await.unwrap(), None);

    store.use_passkey(&laptop, &[1; 7]).await.unwrap();
    let laptop = store
        .rename_passkey(owner, laptop.id, "Old laptop", "owner")
        .await
        .unwrap();
    assert_eq!(
        (laptop.name.as_str(), &laptop.state[..]),
        ("Old laptop", &[1; 7][..])
    );
    assert!(laptop.last_used_at.is_some());

    let here = store.open_session(owner, HOUR, HOUR).await.unwrap();
    let lost = store.open_session(owner, HOUR, HOUR).await.unwrap();
    store
        .remove_passkey(owner, laptop.id, Some(&here.token), "owner")
        .await
        .unwrap();
    assert!(store.session(&here.token).await.unwrap().is_some());
    assert!(
        store.session(&lost.token).await.unwrap().is_none(),
        "what the lost device opened has ended"
    );
    assert_eq!(store.passkeys(owner).await.unwrap(), [phone]);
    assert!(matches!(
        store.use_passkey(&laptop, &[2; 7]).await,
        Err(StoreError::Stale { .. })
    ));

    let told = world
        .sql("SELECT action || ' ' || object || ' ' || result FROM audit")
        .await;
    for row in [
        "passkey passkey Laptop added",
        "sign-in passkey Laptop used",
        "passkey passkey Old laptop renamed",
        "passkey passkey Old laptop removed",
    ] {
        assert!(told.iter().any(|one| one == row), "{row}: {told:?}");
    }
}

pub(crate) async fn of_two_uses_at_once_one_counts(world: World) {
    let store = &world.store;
    let owner = store.home().owner;
    let passkey = store
        .add_passkey(new(owner, "Key", 1), "owner")
        .await
        .unwrap();
    let other = world.another_process().await;
    let (one, two) = tokio::join!(
        store.use_passkey(&passkey, &[1; 7]),
        other.use_passkey(&passkey, &[1; 7])
    );
    assert_eq!([&one, &two].iter().filter(|used| used.is_ok()).count(), 1);
}

pub(crate) async fn a_passkey_belongs_to_one_person(world: World) {
    let store = &world.store;
    let owner = store.home().owner;
    let other = store
        .create_user(&name("rita"), None, &[], "test")
        .await
        .unwrap()
        .id;
    let passkey = store
        .add_passkey(new(owner, "Key", 1), "owner")
        .await
        .unwrap();
    assert!(
        store
            .add_passkey(new(other, "Key", 1), "rita")
            .await
            .is_err(),
        "one credential, one person"
    );
    let refused = [
        store
            .rename_passkey(other, passkey.id, "Mine", "rita")
            .await
            .map(drop),
        store.remove_passkey(other, passkey.id, None, "rita").await,
    ];
    for refused in refused {
        assert!(Problem::from(refused.unwrap_err()).is(problem::NOT_FOUND));
    }
    assert_eq!(store.passkeys(owner).await.unwrap(), [passkey]);
    assert!(store.passkeys(other).await.unwrap().is_empty());
}
