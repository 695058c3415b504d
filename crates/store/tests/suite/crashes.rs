//! Whatever happens in the middle, what is there is whole.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pluvio_model::operation::OperationKind;
use pluvio_model::revision::Origin;
use pluvio_store::*;

use crate::world::*;

/// Polls a future at most so often, then drops it where it is; whether it came to its end.
async fn cut_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(move |context: &mut Context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

pub(crate) async fn a_verb_that_is_cut_anywhere_leaves_nothing_half(world: World) {
    let mut finished = 0;
    for polls in 1..200 {
        let name_ = format!("app-{polls}");
        let mut ask = world.ask(
            "019a0000-0000-7000-8000-00000000ffff".parse().unwrap(),
            OperationKind::Deploy,
        );
        ask.application = Whose::New(NewApplication {
            scope: world.scope().await,
            name: name(&name_),
            display_name: None,
        });
        let spec = spec(&name_, "a:1");
        // Half of them decide at once, half queue a build.
        let mut decide = decide;
        let then = match polls % 2 {
            0 => Then::Job(build_job()),
            _ => Then::Decide(&mut decide),
        };
        let verb = world.store.ask_deploy(ask, &spec, Origin::Deploy, then);
        if cut_after(polls, verb).await.is_some() {
            finished += 1;
            if finished > 6 {
                break;
            }
        }
    }
    assert!(finished > 0, "at some length the verb comes to its end");

    // What was begun is rolled back before the connection is used again; this waits for that.
    world.application("after").await;
    let whole = world
        .number(
            "SELECT count(*) FROM applications a WHERE a.name <> 'after' AND a.revision = 1 \
             AND EXISTS (SELECT 1 FROM revisions r WHERE r.application = a.id) \
             AND EXISTS (SELECT 1 FROM operations o WHERE o.application = a.id) \
             AND EXISTS (SELECT 1 FROM events e WHERE e.application = a.id) \
             AND EXISTS (SELECT 1 FROM audit u WHERE u.object = 'application ' || a.name) \
             AND (EXISTS (SELECT 1 FROM jobs j WHERE j.application = a.id) OR \
             (EXISTS (SELECT 1 FROM targets t WHERE t.application = a.id) AND \
             EXISTS (SELECT 1 FROM releases l WHERE l.application = a.id) AND \
             EXISTS (SELECT 1 FROM hosts h WHERE h.application = a.id)))",
        )
        .await;
    for table in [
        "applications WHERE name <> 'after'",
        "revisions",
        "operations",
    ] {
        let there = world.number(&format!("SELECT count(*) FROM {table}")).await;
        assert_eq!(there, whole, "{table}");
    }
    let either = world
        .number("SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM targets)")
        .await;
    assert_eq!(either, whole);
    // A verb that was cut right after its commit is whole too, so there may be one more than were seen to finish.
    assert!(whole >= finished);
}

pub(crate) async fn a_committed_deploy_is_there_after_a_restart(world: World) {
    let app = world.application("shop").await;
    let asked = world.ask_build(app.id, &spec("shop", "shop:1")).await;
    world.store.close().await;
    let gone = world.store.application(app.id).await;
    assert!(matches!(gone, Err(StoreError::Unavailable { .. })));

    let store = world.another_process().await;
    assert_eq!(
        store.operation(asked.operation.id).await.unwrap().0,
        asked.operation
    );
    let build = store
        .lease_job("w", &["build"], Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(build.unwrap().job.operation, Some(asked.operation.id));
}
