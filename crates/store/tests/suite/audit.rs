//! The audit chain: whoever alters a row without the seal key is found.

use pluvio_store::*;

use crate::world::*;

async fn seal_all(store: &Store) -> u64 {
    let mut sealed = 0;
    loop {
        match store.seal_audit("sealer").await.unwrap() {
            0 => return sealed,
            more => sealed += more,
        }
    }
}

pub(crate) async fn the_chain_shows_what_was_altered(world: World) {
    let store = &world.store;
    for i in 0..4 {
        let app = world.application(&format!("app-{i}")).await;
        world.deploy(app.id, &spec(app.name.as_str(), "a:1")).await;
    }
    let all = store
        .audit_records(world.team(), &PageRequest::default())
        .await
        .unwrap()
        .items;
    assert_eq!(
        (all.len(), all[0].action.as_str()),
        (8, "application:deploy")
    );
    assert!(all.iter().all(|row| row.actor == "tester" && !row.sealed));

    let sealed = seal_all(store).await;
    let AuditVerdict::Intact {
        sealed: chained,
        open: 0,
    } = store.verify_audit().await.unwrap()
    else {
        panic!("everything is chained");
    };
    assert_eq!(chained, sealed);
    world.application("one-more").await;
    let verdict = store.verify_audit().await.unwrap();
    assert_eq!(verdict, AuditVerdict::Intact { sealed, open: 1 });
    seal_all(store).await;

    let number = all[3].number;
    world
        .sql(&format!(
            "UPDATE audit SET actor = 'somebody else' WHERE number = {number}"
        ))
        .await;
    assert_eq!(
        store.verify_audit().await.unwrap(),
        AuditVerdict::Broken { number }
    );
    world
        .sql(&format!(
            "UPDATE audit SET actor = 'tester' WHERE number = {number}"
        ))
        .await;
    assert!(matches!(
        store.verify_audit().await.unwrap(),
        AuditVerdict::Intact { .. }
    ));
    world
        .sql(&format!("DELETE FROM audit WHERE number = {number}"))
        .await;
    let verdict = store.verify_audit().await.unwrap();
    assert_eq!(verdict, AuditVerdict::Broken { number: number + 1 });

    // The newest one taken away is missed as well.
    let newest = world.number("SELECT max(number) FROM audit").await;
    world
        .sql(&format!("DELETE FROM audit WHERE number = {newest}"))
        .await;
    assert!(matches!(
        store.verify_audit().await.unwrap(),
        AuditVerdict::Broken { .. }
    ));
}

pub(crate) async fn one_process_at_a_time_seals(world: World) {
    let other = world.another_process().await;
    world.application("shop").await;
    assert!(world.store.seal_audit("one").await.unwrap() > 0);
    world.application("blog").await;
    assert_eq!(other.seal_audit("two").await.unwrap(), 0, "one is at it");
    assert!(world.store.seal_audit("one").await.unwrap() > 0);
    world.application("wiki").await;
    world.sql("UPDATE leases SET until = 1").await;
    assert_eq!(other.seal_audit("two").await.unwrap(), 1, "one is dead");
    assert!(matches!(
        other.verify_audit().await.unwrap(),
        AuditVerdict::Intact { open: 0, .. }
    ));
}
