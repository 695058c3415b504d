//! Deploys, scaling, stopping: what requests meet meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pluvio_model::observed::InstanceState;
use pluvio_model::release::Strategy;
use pluvio_model::stage::Power;

use crate::scene::{Kept, Part, Scene, get, probe, ready};

pub(crate) async fn from_a_stage_to_an_answer_to_nothing_left(mut scene: Scene) {
    let part = Part {
        instances: 2,
        ..Part::new("one")
    };
    let began = Instant::now();
    scene.deploy(&part).await;
    let seen = scene.settled().await;
    eprintln!("two instances settled after {:?}", began.elapsed());
    assert_eq!(ready(&seen), 2);
    assert_eq!(scene.get("/").await, Ok((200, "one".to_owned())));
    scene.power(&part, Power::Off).await;
    scene.settled().await;
    assert_eq!(scene.get("/").await.unwrap().0, 503);
    assert!(scene.instances().await.is_empty());
    scene.power(&part, Power::On).await;
    let seen = scene.settled().await;
    assert!(
        seen.components["web"]
            .instances
            .iter()
            .all(|i| i.state == InstanceState::Ready)
    );
    scene.delete().await;
    scene.settled().await;
    assert_eq!(scene.left().await, (vec![], vec![], vec![]));
    assert_eq!(scene.get("/").await.unwrap().0, 404);
    scene.close().await;
}

/// Clients that ask as fast as they are answered (closed loop, connections kept) and one that asks by the clock, whatever the
/// answers do (open loop).
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    failures: Arc<std::sync::Mutex<Vec<String>>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    pub(crate) fn begin(scene: &Scene) -> Load {
        let load = Load {
            stop: Arc::default(),
            asked: Arc::default(),
            failures: Arc::default(),
            tasks: Vec::new(),
        };
        let gateway = scene.gateway();
        let mut tasks = Vec::new();
        for client in 0..4 {
            let (stop, asked, failures) =
                (load.stop.clone(), load.asked.clone(), load.failures.clone());
            tasks.push(tokio::spawn(async move {
                let mut kept = Kept::connect(gateway).await.unwrap();
                while !stop.load(Ordering::Relaxed) {
                    let path = if client == 0 { "/slow/20" } else { "/" };
                    note(&asked, &failures, kept.get(path).await);
                    // Leaves the machine room to do what is tested.
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }));
        }
        let (stop, asked, failures) =
            (load.stop.clone(), load.asked.clone(), load.failures.clone());
        tasks.push(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(10));
            let mut asking = tokio::task::JoinSet::new();
            while !stop.load(Ordering::Relaxed) {
                ticks.tick().await;
                let (asked, failures) = (asked.clone(), failures.clone());
                asking.spawn(async move { note(&asked, &failures, get(gateway, "/").await) });
                while asking.try_join_next().is_some() {}
            }
            while asking.join_next().await.is_some() {}
        }));
        Load { tasks, ..load }
    }

    pub(crate) async fn end(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        let failures = self.failures.lock().unwrap().clone();
        (self.asked.load(Ordering::Relaxed), failures)
    }
}

fn note(
    asked: &AtomicU64,
    failures: &std::sync::Mutex<Vec<String>>,
    answer: Result<(u16, String), String>,
) {
    asked.fetch_add(1, Ordering::Relaxed);
    match answer {
        Ok((200, _)) => {}
        other => failures.lock().unwrap().push(format!("{other:?}")),
    }
}

/// D1 on the node: deploys, a rollback, scaling up and down.
pub(crate) async fn rolling_deploys_under_load_lose_no_request(mut scene: Scene) {
    scene
        .deploy(&Part {
            instances: 2,
            ..Part::new("one")
        })
        .await;
    scene.settled().await;
    let load = Load::begin(&scene);
    for (version, instances) in [("two", 2), ("three", 3), ("two", 1), ("four", 2)] {
        let late = vec![("LATE_MS".to_owned(), "100".to_owned())];
        scene
            .deploy(&Part {
                instances,
                env: late,
                ..Part::new(version)
            })
            .await;
        let seen = scene.settled().await;
        assert_eq!(ready(&seen), instances as usize);
        assert_eq!(scene.get("/").await, Ok((200, version.to_owned())));
    }
    let (asked, failures) = load.end().await;
    eprintln!("{asked} requests over four rollouts");
    assert!(
        failures.is_empty(),
        "{} of {asked}: {failures:?}",
        failures.len()
    );
    assert!(asked > 500, "{asked}");
    scene.close().await;
}

pub(crate) async fn an_exclusive_volume_stops_then_starts_and_requests_are_held(mut scene: Scene) {
    let part = |version: &str| Part {
        strategy: Strategy::StopThenStart,
        volume: true,
        ..Part::new(version)
    };
    scene.deploy(&part("one")).await;
    scene.settled().await;
    let load = Load::begin(&scene);
    scene.deploy(&part("two")).await;
    let mut changes = pluvio_runtime::Runtime::changes(scene.node());
    // Never two at once: both would write the same data.
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        changes.borrow_and_update();
        let running: Vec<_> = scene
            .instances()
            .await
            .into_iter()
            .filter(is_running)
            .collect();
        assert!(running.len() <= 1, "{running:#?}");
        if scene.observed().await.settled && scene.get("/").await == Ok((200, "two".to_owned())) {
            break;
        }
        assert!(Instant::now() < deadline);
        let _ = tokio::time::timeout(Duration::from_millis(50), changes.changed()).await;
    }
    let (asked, failures) = load.end().await;
    assert!(
        failures.is_empty(),
        "{} of {asked}: {failures:?}",
        failures.len()
    );
    // Deleting keeps the volume and lists it; it goes when it is named.
    scene.delete().await;
    scene.settled().await;
    let (containers, networks, volumes) = scene.left().await;
    assert_eq!((containers, networks, volumes.len()), (vec![], vec![], 1));
    use pluvio_runtime::{Scope, Volumes};
    let kept = scene.node().volumes(Scope::All).await.unwrap();
    assert_eq!(
        (kept.len(), kept[0].name.as_str(), kept[0].wanted),
        (1, "data", false)
    );
    scene
        .node()
        .delete_volume(scene.application, &kept[0].handle)
        .await
        .unwrap();
    assert!(scene.left().await.2.is_empty());
    scene.close().await;
}

fn is_running(instance: &pluvio_model::observed::ObservedInstance) -> bool {
    matches!(
        instance.state,
        InstanceState::Ready
            | InstanceState::Starting
            | InstanceState::NotReady
            | InstanceState::Draining
            | InstanceState::Stopping
    )
}

/// D2 on the node: what control does about it is control's.
pub(crate) async fn a_release_that_never_becomes_ready_leaves_the_old_one_serving(
    mut scene: Scene,
) {
    scene.deploy(&Part::new("good")).await;
    scene.settled().await;
    let load = Load::begin(&scene);
    let mut sick = Part::new("sick");
    sick.probes.ready = Some(probe("/nowhere-to-be-found", 500));
    if let Some(ready) = &mut sick.probes.ready
        && let pluvio_model::release::Check::Http { status, .. } = &mut ready.check
    {
        // The test server answers 200 to everything: accept only what it never says.
        *status = vec![(204, 204)];
    }
    scene.deploy(&sick).await;
    let seen = scene
        .until("failing", |seen| {
            let web = &seen.components["web"];
            web.instances.len() == 2
                && web
                    .instances
                    .iter()
                    .any(|i| i.probe.as_ref().is_some_and(|p| !p.ok && p.in_a_row >= 2))
        })
        .await;
    let web = &seen.components["web"];
    let failing = web.instances.iter().find(|i| i.hash == web.wanted).unwrap();
    assert_eq!(failing.state, InstanceState::Starting);
    assert_eq!(
        failing.probe.as_ref().unwrap().message,
        "GET /nowhere-to-be-found on 8080: 200 OK: sick"
    );
    assert_eq!(scene.get("/").await, Ok((200, "good".to_owned())));
    // Back to the parent's content: the old instance never left.
    scene.deploy(&Part::new("good")).await;
    let seen = scene.settled().await;
    assert_eq!(seen.components["web"].instances.len(), 1);
    let (asked, failures) = load.end().await;
    assert!(
        failures.is_empty(),
        "{} of {asked}: {failures:?}",
        failures.len()
    );
    scene.close().await;
}

pub(crate) async fn a_node_killed_in_the_middle_goes_on(mut scene: Scene) {
    scene
        .deploy(&Part {
            instances: 2,
            ..Part::new("0")
        })
        .await;
    scene.settled().await;
    let before: BTreeSet<String> = addresses(&scene).await;
    for round in 1..=6 {
        scene
            .deploy(&Part {
                instances: 2,
                ..Part::new(&round.to_string())
            })
            .await;
        // A little later in each round: making, starting, probing, shifting, draining, stopping.
        tokio::time::sleep(Duration::from_millis(round * 130)).await;
        scene.restart_node().await;
        // Traffic flows before anything else is asked for: the instances that served go on. (An engine that is still at
        // what the killed node asked of it shows its containers only after that.)
        let began = Instant::now();
        while scene.get("/").await.map(|answer| answer.0) != Ok(200) {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "round {round}: {:?}",
                scene.get("/").await
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let seen = scene.settled().await;
        assert_eq!(seen.components["web"].instances.len(), 2);
        assert_eq!(scene.get("/").await, Ok((200, round.to_string())));
    }
    // Addresses that were given back rest.
    assert!(before.is_disjoint(&addresses(&scene).await));
    scene.delete().await;
    scene.settled().await;
    assert_eq!(scene.left().await, (vec![], vec![], vec![]));
    scene.close().await;
}

async fn addresses(scene: &Scene) -> BTreeSet<String> {
    scene
        .instances()
        .await
        .into_iter()
        .filter_map(|i| i.address)
        .collect()
}
