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
        .audit_records(&of_team(&world), &PageRequest::default())
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
}

/// Whoever takes the newest rows away would have to make an end of the chain that is left, which needs the key.
pub(crate) async fn the_newest_rows_taken_away_are_missed(world: World) {
    let store = &world.store;
    for i in 0..4 {
        world.application(&format!("app-{i}")).await;
    }
    seal_all(store).await;
    let newest = world.number("SELECT max(number) FROM audit").await;
    world
        .sql(&format!("DELETE FROM audit WHERE number = {newest}"))
        .await;
    let broken = AuditVerdict::Broken { number: newest };
    assert_eq!(store.verify_audit().await.unwrap(), broken);

    // The end set back to what is left, with the hash that is there to be read.
    let hash = world
        .sql(&format!(
            "SELECT hash FROM audit WHERE number = {}",
            newest - 1
        ))
        .await;
    let end = serde_json::json!([hash[0], newest - 1, hash[0]]);
    world
        .sql(&format!(
            "UPDATE meta SET value = '{end}' WHERE key = 'audit-end'"
        ))
        .await;
    let verdict = store.verify_audit().await.unwrap();
    assert_eq!(verdict, AuditVerdict::Broken { number: newest - 1 });
    // And it is not made genuine by going on with it.
    world.application("later").await;
    assert!(store.seal_audit("sealer").await.is_err());
    assert!(matches!(
        store.verify_audit().await.unwrap(),
        AuditVerdict::Broken { .. }
    ));

    // Nor does it help to have no end, or none of anything.
    world.sql("DELETE FROM meta WHERE key = 'audit-end'").await;
    let verdict = store.verify_audit().await.unwrap();
    assert_eq!(verdict, AuditVerdict::Broken { number: 1 });
}

pub(crate) async fn records_are_found_by_who_what_where_and_when(world: World) {
    let store = &world.store;
    for name in ["shop", "blog"] {
        let app = world.application(name).await;
        world.deploy(app.id, &spec(name, "a:1")).await;
    }
    let rita = NewAudit {
        team: Some(world.stranger().await.team),
        actor: "rita".to_owned(),
        action: "instance:exec".to_owned(),
        object: "100% of shop_1".to_owned(),
        result: "opened".to_owned(),
    };
    store.audit(rita).await.unwrap();
    let count = async |filter: AuditFilter| {
        let page = PageRequest {
            limit: 200,
            after: None,
        };
        store
            .audit_records(&filter, &page)
            .await
            .unwrap()
            .items
            .len()
    };
    let any = AuditFilter::default;
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(count(of_team(&world)).await, 4, "no other team's");
    let actor = text("rita");
    assert_eq!(count(AuditFilter { actor, ..any() }).await, 1);
    let action = text("application:deploy");
    assert_eq!(count(AuditFilter { action, ..any() }).await, 2);
    let action = text("application");
    assert_eq!(count(AuditFilter { action, ..any() }).await, 4);
    for (object, found) in [
        ("shop", 3),
        ("application shop", 2),
        ("100%", 1),
        ("p_1", 1),
        ("p%1", 0),
    ] {
        let object = text(object);
        assert_eq!(count(AuditFilter { object, ..any() }).await, found);
    }
    let result = text("opened");
    assert_eq!(count(AuditFilter { result, ..any() }).await, 1);
    let all = count(any()).await;
    let since = Some(jiff::Timestamp::now() - jiff::SignedDuration::from_mins(1));
    assert_eq!(count(AuditFilter { since, ..any() }).await, all);
    assert_eq!(
        count(AuditFilter {
            until: since,
            ..any()
        })
        .await,
        0
    );

    let (mut seen, mut page) = (
        Vec::new(),
        PageRequest {
            limit: 2,
            after: None,
        },
    );
    loop {
        let rows = store.audit_records(&any(), &page).await.unwrap();
        seen.extend(rows.items.iter().map(|row| row.number));
        match rows.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    assert!(seen.is_sorted_by(|a, b| a > b), "{seen:?}");
    assert_eq!(seen.len(), all);
}

/// Two processes with many writers each, a sealer in both.
pub(crate) async fn many_writers_at_once_lose_no_record(world: World) {
    const EACH: usize = 25;
    let other = world.another_process().await;
    let before = world.number("SELECT count(*) FROM audit").await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..16 {
        let store = [&world.store, &other][writer % 2].clone();
        let team = Some(world.team());
        writers.spawn(async move {
            for number in 0..EACH {
                let row = NewAudit {
                    team,
                    actor: format!("writer-{writer}"),
                    action: "test:write".to_owned(),
                    object: format!("number {number}"),
                    result: "done".to_owned(),
                };
                store.audit(row).await.unwrap();
                if number % 10 == 0 {
                    store
                        .seal_audit(&format!("owner-{}", writer % 2))
                        .await
                        .unwrap();
                }
            }
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    let distinct = world
        .number("SELECT count(*) FROM (SELECT DISTINCT actor, object FROM audit WHERE action = 'test:write') t")
        .await;
    assert_eq!(distinct, 16 * EACH as u64);
    for owner in ["owner-0", "owner-1"] {
        while world.store.seal_audit(owner).await.unwrap() > 0 {}
    }
    let sealed = before + 16 * EACH as u64;
    let verdict = other.verify_audit().await.unwrap();
    assert_eq!(verdict, AuditVerdict::Intact { sealed, open: 0 });
}

fn of_team(world: &World) -> AuditFilter {
    AuditFilter {
        team: Some(world.team()),
        ..AuditFilter::default()
    }
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
