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
        ..DecidedProbes::default()
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
        ..DecidedProbes::default()
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

#[tokio::test(start_paused = true)]
async fn what_follows_when_liveness_fails_is_chosen() {
    for (unhealthy, while_it_fails) in [
        (Unhealthy::Offline, Health::NotReady),
        (Unhealthy::Report, Health::Ready),
    ] {
        let engine = running().await;
        let probes = DecidedProbes {
            live: Some(probe(2, 2)),
            unhealthy,
            ..DecidedProbes::default()
        };
        let (mut prober, changed) = start(&engine, probes, Health::Starting);
        until(&prober, &changed, |verdict| verdict.health == Health::Ready).await;
        prober.news();
        engine.set_healthy(NAME, false);
        until(&prober, &changed, |verdict| verdict.live_fails).await;
        let told = prober.news().expect("it is told of");
        assert_eq!(told.health, while_it_fails);
        assert!(!told.live_failed, "nobody restarts it");
        assert_eq!(told.answer.unwrap().kind, ProbeKind::Live);
        assert_eq!(prober.news(), None, "once");
        engine.set_healthy(NAME, true);
        until(&prober, &changed, |verdict| !verdict.live_fails).await;
        assert_eq!(prober.news().expect("its recovery").health, Health::Ready);
    }
}

#[tokio::test]
async fn open_ports_are_readiness_and_where_none_is_needed_patience_is() {
    let engine = running().await;
    let open = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = |listener: &tokio::net::TcpListener| listener.local_addr().unwrap().port();
    let published = [(80, port(&open)), (81, port(&closed))]
        .into_iter()
        .collect();
    drop(closed);
    let target = Target {
        application: ApplicationId(uuid::Uuid::nil()),
        instance: NAME.to_owned(),
        address: None,
        published,
        driver: Arc::new(engine),
    };
    let ask = async |ports: &[u16], needed: bool, age: Duration| {
        let check = Check::Ports {
            ports: ports.to_vec(),
            needed,
        };
        target.ask(&check, Duration::from_secs(1), age).await
    };
    let (young, old) = (Duration::from_secs(1), Check::PATIENCE.duration());
    assert_eq!(
        ask(&[80], true, young).await,
        (true, "connect to 80: open".to_owned())
    );
    for (ports, needed, age, ok, said) in [
        (
            &[80, 81][..],
            true,
            young,
            false,
            "connect to 80, 81: connection refused",
        ),
        (&[80, 81], true, old, true, "connect to 80, 81: 80 open"),
        (&[81], true, old, false, "connect to 81: connection refused"),
        (
            &[81],
            false,
            young,
            false,
            "connect to 81: connection refused",
        ),
        (
            &[81],
            false,
            old,
            true,
            "connect to 81: it runs, and nobody listens",
        ),
    ] {
        assert_eq!(ask(ports, needed, age).await, (ok, said.to_owned()));
    }
}
