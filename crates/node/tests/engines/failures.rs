//! Programs that end, hang, take too much; engines that refuse.

use std::time::Duration;

use pluvio_model::observed::InstanceState;
use pluvio_runtime::Events;

use crate::scene::{Part, Scene, probe, ready};

pub(crate) async fn a_program_that_ends_is_started_again_with_back_off_and_its_last_words_are_told(
    mut scene: Scene,
) {
    let env = vec![("EXIT".to_owned(), "3".to_owned())];
    scene
        .deploy(&Part {
            env,
            ..Part::new("one")
        })
        .await;
    let seen = scene
        .until("restarted twice", |seen| {
            seen.components
                .values()
                .flat_map(|web| &web.instances)
                .any(|i| i.restarts >= 2 && matches!(i.state, InstanceState::BackOff { .. }))
        })
        .await;
    let instance = &seen.components["web"].instances[0];
    let exit = instance.last_exit.as_ref().unwrap();
    assert_eq!((exit.code, exit.oom), (3, false));
    assert_eq!(exit.last_lines, ["begins", "ends with 3 as it was told"]);
    let InstanceState::BackOff { until } = instance.state else {
        unreachable!()
    };
    let rest = until.duration_since(jiff::Timestamp::now());
    assert!(
        rest.as_secs() >= 2,
        "the third rest is about four seconds, {rest} are left"
    );
    assert_eq!(scene.get("/").await.unwrap().0, 503);
    // A node that restarts does not begin counting anew.
    let before = instance.restarts;
    scene.restart_node().await;
    let seen = scene
        .until("looked at", |seen| {
            seen.components
                .get("web")
                .is_some_and(|web| !web.instances.is_empty())
        })
        .await;
    assert!(seen.components["web"].instances[0].restarts >= before);
    // What happened is told by the new node too, and the same thing once.
    let name = seen.components["web"].instances[0].name.clone();
    let node = scene.node.as_ref().unwrap();
    let events = node.events(scene.application, Some(&name)).await.unwrap();
    let of = |reason: &str| {
        let all: Vec<_> = events.iter().filter(|one| one.reason == reason).collect();
        assert_eq!(all.len(), 1, "{reason}: {events:#?}");
        all[0]
    };
    assert_eq!(of("Created").count, 1);
    let (started, ended) = (of("Started"), of("Error"));
    assert!(started.count > before && !started.is_warning, "{events:#?}");
    assert!(ended.count >= before && ended.is_warning, "{events:#?}");
    assert_eq!(ended.message, "ended with exit code 3");
    assert!(ended.first < ended.last);
    let others = node.events(scene.application, Some("another")).await;
    assert!(others.unwrap().is_empty());
    scene.close().await;
}

pub(crate) async fn an_instance_that_does_not_answer_is_restarted(mut scene: Scene) {
    let mut part = Part::new("one");
    part.probes.live = Some(probe("/healthz", 300));
    scene.deploy(&part).await;
    scene.settled().await;
    assert_eq!(scene.get("/sick").await.unwrap().0, 200);
    scene
        .until("restarted", |seen| {
            let web = &seen.components["web"];
            web.instances.len() == 1 && web.instances[0].restarts == 1 && ready(seen) == 1
        })
        .await;
    assert_eq!(scene.get("/").await, Ok((200, "one".to_owned())));
    scene.close().await;
}

pub(crate) async fn a_program_that_takes_too_much_memory_is_told_apart(mut scene: Scene) {
    scene
        .deploy(&Part {
            memory: Some(32 << 20),
            ..Part::new("one")
        })
        .await;
    scene.settled().await;
    let _ = scene.get("/eat/200").await;
    let seen = scene
        .until("killed", |seen| {
            seen.components["web"]
                .instances
                .iter()
                .any(|i| i.last_exit.is_some())
        })
        .await;
    let exit = seen.components["web"].instances[0]
        .last_exit
        .clone()
        .unwrap();
    assert!(exit.oom && exit.code == 137, "{exit:?}");
    let node = scene.node.as_ref().unwrap();
    let events = node.events(scene.application, None).await.unwrap();
    let is_told = |reason: &str| events.iter().any(|event| event.reason == reason);
    assert!(is_told("OOMKilled") && is_told("Ready"), "{events:#?}");
    scene.until("up again", |seen| ready(seen) == 1).await;
    scene.close().await;
}

pub(crate) async fn an_instance_that_is_not_ready_gets_no_requests_until_it_is(mut scene: Scene) {
    scene
        .deploy(&Part {
            instances: 2,
            ..Part::new("one")
        })
        .await;
    scene.settled().await;
    assert_eq!(scene.get("/sick").await.unwrap().0, 200);
    scene.until("one is out", |seen| ready(seen) == 1).await;
    for _ in 0..20 {
        assert_eq!(scene.get("/healthz").await, Ok((200, "one".to_owned())));
    }
    let sick = scene
        .instances()
        .await
        .into_iter()
        .find(|i| i.state == InstanceState::NotReady)
        .unwrap();
    assert_eq!(
        sick.probe.unwrap().message,
        "GET /healthz on 8080: 503 Service Unavailable: sick"
    );
    let address = format!("{}:8080", sick.address.unwrap()).parse().unwrap();
    assert_eq!(crate::scene::get(address, "/well").await.unwrap().0, 200);
    scene.until("both are in", |seen| ready(seen) == 2).await;
    scene.close().await;
}

pub(crate) async fn what_the_engine_refuses_is_a_problem_and_what_ran_goes_on(mut scene: Scene) {
    scene.deploy(&Part::new("good")).await;
    scene.settled().await;
    let image_id = Some(format!("sha256:{}", "0".repeat(64)));
    scene
        .deploy(&Part {
            image_id,
            ..Part::new("bad")
        })
        .await;
    let seen = scene.until("refused", |seen| seen.problem.is_some()).await;
    let problem = seen.problem.unwrap();
    assert!(
        problem.cause.to_lowercase().contains("image"),
        "{problem:?}"
    );
    assert_eq!(scene.get("/").await, Ok((200, "good".to_owned())));
    scene.deploy(&Part::new("good")).await;
    let seen = scene.settled().await;
    assert_eq!(seen.problem, None);
    tokio::time::timeout(Duration::from_secs(20), scene.close())
        .await
        .unwrap();
}
