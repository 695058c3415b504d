//! Secrets are sealed, versioned, generated once, and forgotten.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use pluvio_model::name::EnvName;
use pluvio_model::permission::Role;
use pluvio_model::stage::SecretValue;
use pluvio_model::template::SecretRef;
use pluvio_store::*;

use crate::world::*;

fn key(name: &str, version: u32) -> SecretRef {
    SecretRef {
        name: name.parse().unwrap(),
        version,
    }
}

pub(crate) async fn no_secret_is_in_the_database_in_plain(world: World) {
    let store = &world.store;
    let team = world.team();
    let owner = store.home().owner;
    let app = world.application("shop").await;
    let secret = |text: &str| format!("{text}-b1946ac92492d234");
    let mut plain = vec![
        secret("value"),
        secret("imported"),
        secret("password"),
        secret("credential"),
    ];

    let mut ask = world.ask(app.id, pluvio_model::operation::OperationKind::Deploy);
    ask.secrets
        .push(("IMPORTED".parse().unwrap(), SecretValue(plain[1].clone())));
    let then = Then::Decide(&mut decide);
    let origin = pluvio_model::revision::Origin::Deploy;
    store
        .ask_deploy(ask, &spec("shop", "shop:1"), origin, then)
        .await
        .unwrap();
    let value = SecretValue(plain[0].clone());
    store
        .set_secret(app.id, &"KEY".parse().unwrap(), &value, "owner")
        .await
        .unwrap();
    store
        .set_password(owner, Some(&plain[2]), None, "owner")
        .await
        .unwrap();
    let new = NewCredential {
        team,
        name: name("ghcr"),
        kind: CredentialKind::Registry,
        host: "ghcr.io".to_owned(),
        username: Some("ann".to_owned()),
        secret: CredentialSecret(plain[3].clone()),
    };
    store.put_credential(new, "owner").await.unwrap();
    let token = NewToken {
        name: "ci".to_owned(),
        user: owner,
        role: Role::Owner,
        expires_at: None,
    };
    plain.push(store.create_token(token, "owner").await.unwrap().1);
    let hour = Duration::from_secs(3600);
    let opened = store.open_session(owner, hour, hour).await.unwrap();
    plain.extend([opened.token, opened.session.csrf]);
    plain.push(store.make_signin_link(owner, hour).await.unwrap());

    // All of it can be had by those who should.
    let (credential, secret) = store.credential(team, "ghcr").await.unwrap();
    assert_eq!(secret.0, plain[3]);
    let found = store
        .credential_for(team, CredentialKind::Registry, "ghcr.io")
        .await
        .unwrap();
    assert_eq!(found.unwrap().0, credential);
    let strange = world.stranger().await.team;
    assert!(store.credential(strange, "ghcr").await.is_err());
    let values = store
        .secret_values(app.id, &[key("KEY", 1), key("IMPORTED", 1)])
        .await
        .unwrap();
    assert_eq!(values["KEY@1"].0, plain[0]);
    assert_eq!(values["IMPORTED@1"].0, plain[1]);

    let everything = everything(&world).await;
    assert!(
        find(&everything, b"shop.localhost"),
        "the search finds what is there"
    );
    for plain in plain {
        let shown = &plain[..5];
        assert!(!find(&everything, plain.as_bytes()), "{shown}…");
        assert!(
            !find(&everything, hex::encode(&plain).as_bytes()),
            "{shown}… in hexadecimal"
        );
    }
}

/// Every byte that the database has: SQLite's files, or every row of every table as text.
async fn everything(world: &World) -> Vec<u8> {
    let mut all = Vec::new();
    if world.url.starts_with("sqlite") {
        for entry in std::fs::read_dir(world.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let mode = path.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}", path.display());
            if path.extension().is_none_or(|extension| extension != "key") {
                all.extend(std::fs::read(path).unwrap());
            }
        }
    } else {
        let tables = world
            .sql("SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'")
            .await;
        assert!(tables.len() > 20);
        for table in tables {
            for row in world.sql(&format!("SELECT t::text FROM {table} t")).await {
                all.extend(row.into_bytes());
            }
        }
    }
    all
}

fn find(all: &[u8], wanted: &[u8]) -> bool {
    all.windows(wanted.len()).any(|window| window == wanted)
}

pub(crate) async fn a_secret_has_versions_and_is_forgotten_when_nothing_names_it(world: World) {
    let store = &world.store;
    let app = world.application("shop").await;
    let name: EnvName = "KEY".parse().unwrap();
    let set = |value: &str| {
        let (value, name, id) = (SecretValue(value.to_owned()), name.clone(), app.id);
        async move { store.set_secret(id, &name, &value, "owner").await.unwrap() }
    };
    assert_eq!(set("one").await, 1);
    assert_eq!(set("two").await, 2);
    assert_eq!(store.secrets(app.id).await.unwrap()[0].version, 2);
    world.deploy_live(app.id, &spec("shop", "shop:1")).await;
    assert_eq!(set("three").await, 3);
    let live = store.release(app.id, 1).await.unwrap().release;
    assert_eq!(live.secrets(), [key("KEY", 2)]);

    store.delete_secret(app.id, &name, "owner").await.unwrap();
    assert!(store.secrets(app.id).await.unwrap().is_empty());
    // What runs still needs its version; the others are gone.
    assert!(store.secret_values(app.id, &[key("KEY", 2)]).await.is_ok());
    for gone in [1, 3] {
        let read = store.secret_values(app.id, &[key("KEY", gone)]).await;
        assert!(
            matches!(read, Err(StoreError::NotFound { .. })),
            "version {gone}"
        );
    }
    world.deploy_live(app.id, &spec("shop", "shop:2")).await;
    assert!(store.secret_values(app.id, &[key("KEY", 2)]).await.is_err());
    assert_eq!(set("again").await, 4, "a number is not given twice");
    let missing = store
        .delete_secret(app.id, &"NONE".parse().unwrap(), "owner")
        .await;
    assert!(matches!(missing, Err(StoreError::NotFound { .. })));
}

pub(crate) async fn generated_secrets_are_made_once(world: World) {
    let store = &world.store;
    let app = world.application("shop").await;
    let with_secrets: pluvio_model::spec::AppSpec = serde_json::from_value(serde_json::json!({
        "name": "shop", "components": { "web": { "image": "shop:1" } },
        "secrets": { "TOKEN": { "generate": true, "length": 40 }, "GIVEN": {} },
    }))
    .unwrap();
    world.deploy_live(app.id, &with_secrets).await;
    world.deploy_live(app.id, &with_secrets).await;
    let rows = store.secrets(app.id).await.unwrap();
    assert_eq!(rows.len(), 1, "only what shall be generated");
    assert_eq!((rows[0].version, rows[0].generated), (1, true));
    let values = store
        .secret_values(app.id, &[key("TOKEN", 1)])
        .await
        .unwrap();
    let value = &values["TOKEN@1"].0;
    assert!(
        value.len() == 40 && value.bytes().all(|b| b.is_ascii_alphanumeric()),
        "{value}"
    );
}

pub(crate) async fn a_secret_that_comes_with_a_deploy_again_keeps_its_version(world: World) {
    let store = &world.store;
    let app = world.application("shop").await;
    for (value, version) in [("one", 1), ("one", 1), ("two", 2), ("one", 3)] {
        let mut ask = world.ask(app.id, pluvio_model::operation::OperationKind::Deploy);
        ask.secrets
            .push(("TOKEN".parse().unwrap(), SecretValue(value.to_owned())));
        let then = Then::Decide(&mut decide);
        let origin = pluvio_model::revision::Origin::Deploy;
        store
            .ask_deploy(ask, &spec("shop", "shop:1"), origin, then)
            .await
            .unwrap();
        let rows = store.secrets(app.id).await.unwrap();
        assert_eq!(rows[0].version, version, "{value}");
    }
}
