use std::time::Duration;

use pluvio_model::facts::ImageFacts;
use pluvio_model::id::{ApplicationId, ClusterId};
use pluvio_model::quantity::Span;
use pluvio_model::release::Check;
use pluvio_plan::lower::engine::{ContainerCreate, Role};
use pluvio_runtime::driver::Driver;
use pluvio_runtime::memory::MemoryDriver;

use super::*;

const NAME: &str = "shop--web--1";

async fn running() -> MemoryDriver {
    let engine = MemoryDriver::new(ClusterId(uuid::Uuid::nil()));
    let facts = ImageFacts {
        id: "image".to_owned(),
        ..ImageFacts::default()
    };
    engine.add_image("localhost/image:1", facts);
    let container = ContainerCreate {
        name: NAME.to_owned(),
        role: Role::Main,
        body: serde_json::json!({ "Image": "image" }),
        files: Vec::new(),
        further_networks: Vec::new(),
    };
    engine.create(&container, None).await.unwrap();
    engine.start(NAME).await.unwrap();
    engine
}

fn probe(period: u64, failures: u32) -> DecidedProbe {
    DecidedProbe {
        check: Check::Command(vec!["check".to_owned()]),
        period: Span::seconds(period),
        timeout: Span::seconds(1),
        delay: Span(0),
        failures,
        successes: 1,
    }
}

fn start(engine: &MemoryDriver, probes: DecidedProbes, before: Health) -> (Prober, Arc<Notify>) {
    let target = Target {
        application: ApplicationId(uuid::Uuid::nil()),
        instance: NAME.to_owned(),
        address: None,
        published: indexmap::IndexMap::new(),
        driver: Arc::new(engine.clone()),
    };
    let changed = Arc::new(Notify::new());
    let prober = Prober::start(target, probes, Timestamp::now(), before, changed.clone());
    (prober, changed)
}

/// How long until the verdict is so.
async fn until(prober: &Prober, changed: &Notify, holds: impl Fn(&Verdict) -> bool) -> Duration {
    let began = Instant::now();
    while !holds(&prober.verdict()) {
        let told = tokio::time::timeout(Duration::from_secs(600), changed.notified()).await;
        assert!(told.is_ok(), "{:?}", prober.verdict());
    }
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_starting_instance_is_ready_soon_after_it_is_whatever_the_period() {
    let engine = running().await;
    engine.set_healthy(NAME, false);
    let ready = Some(probe(30, 3));
    let (prober, changed) = start(
        &engine,
        DecidedProbes {
            ready,
            ..Default::default()
        },
        Health::Starting,
    );
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(prober.verdict().health, Health::Starting);
    engine.set_healthy(NAME, true);
    let took = until(&prober, &changed, |verdict| verdict.health == Health::Ready).await;
    assert!(took <= SLOWEST_START, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_was_ready_leaves_after_as_many_failures_as_it_may_and_comes_back() {
    let engine = running().await;
    let ready = Some(probe(5, 3));
    let (prober, changed) = start(
        &engine,
        DecidedProbes {
            ready,
            ..Default::default()
        },
        Health::Starting,
    );
    until(&prober, &changed, |verdict| verdict.health == Health::Ready).await;
    engine.set_healthy(NAME, false);
    let took = until(&prober, &changed, |verdict| {
        verdict.health == Health::NotReady
    })
    .await;
    assert_eq!(took.as_secs(), 15);
    let verdict = prober.verdict();
    assert_eq!(verdict.answer.unwrap().message, "check: exit code 1");
    engine.set_healthy(NAME, true);
    let took = until(&prober, &changed, |verdict| verdict.health == Health::Ready).await;
    assert_eq!(took.as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_startup_probe_that_is_asked_often_fails_no_sooner() {
    let engine = running().await;
    engine.set_healthy(NAME, false);
    let (startup, live) = (Some(probe(10, 6)), Some(probe(1, 1)));
    let probes = DecidedProbes {
        startup,
        live,
        ready: None,
    };
    let (prober, changed) = start(&engine, probes, Health::Starting);
    let took = until(&prober, &changed, |verdict| verdict.live_failed).await;
    // The first failure counts at once, five more follow in fifty seconds.
    assert!((45..=51).contains(&took.as_secs()), "{took:?}");
    assert_eq!(prober.verdict().answer.unwrap().kind, ProbeKind::Startup);
}

#[tokio::test(start_paused = true)]
async fn liveness_begins_when_the_startup_probe_has_passed() {
    let engine = running().await;
    let (startup, live) = (Some(probe(10, 6)), Some(probe(2, 2)));
    let probes = DecidedProbes {
        startup,
        live,
        ready: None,
    };
    let (prober, changed) = start(&engine, probes, Health::Starting);
    until(&prober, &changed, |verdict| verdict.health == Health::Ready).await;
    engine.set_healthy(NAME, false);
    let took = until(&prober, &changed, |verdict| verdict.live_failed).await;
    assert_eq!(took.as_secs(), 4);
}

#[tokio::test(start_paused = true)]
async fn one_that_served_before_a_restart_of_the_node_keeps_what_it_has_until_it_fails() {
    let engine = running().await;
    engine.set_healthy(NAME, false);
    let ready = Some(probe(5, 2));
    let (prober, changed) = start(
        &engine,
        DecidedProbes {
            ready,
            ..Default::default()
        },
        Health::Unknown,
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(prober.verdict().health, Health::Unknown);
    let took = until(&prober, &changed, |verdict| {
        verdict.health == Health::Starting
    })
    .await;
    assert!(took.as_secs() <= 5, "{took:?}");
}
