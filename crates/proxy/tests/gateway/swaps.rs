//! Changes under load: swaps, drains, holding, retries and the gateway's own end lose no request (D1, G1).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use hyper::Response;
use pluvio_model::route::{BackendState, Milliseconds, WeightedBackend};
use pluvio_proxy::{Drain, Gateway, GatewayConfig, GatewayError};
use tokio::{io::AsyncWriteExt, sync::Semaphore};

use crate::support::*;

/// An instance that, once it was stopped, counts requests that still reach it; and whose connections die with it.
struct Instance {
    origin: Origin,
    stopped: Arc<AtomicBool>,
    late: Arc<AtomicUsize>,
}

impl Instance {
    async fn start() -> Instance {
        let (stopped, late) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let (is_stopped, counter) = (stopped.clone(), late.clone());
        let origin = Origin::http(move |_| {
            let (stopped, late) = (is_stopped.clone(), counter.clone());
            async move {
                tokio::time::sleep(Duration::from_millis(2)).await;
                if stopped.load(Ordering::SeqCst) {
                    late.fetch_add(1, Ordering::SeqCst);
                }
                Response::new(text("hello"))
            }
        })
        .await;
        Instance {
            origin,
            stopped,
            late,
        }
    }
}

/// Clients that ask on until told to stop, and count what was not answered 200.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<u64>>,
}

impl Load {
    /// Closed loop: each client asks again when it was answered, on one kept connection or a new one each time.
    fn closed(gateway: &Arc<Gateway>, clients: usize) -> Load {
        let (stop, answered) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let tasks = (0..clients)
            .map(|n| {
                let (gateway, stop, answered) = (gateway.clone(), stop.clone(), answered.clone());
                tokio::spawn(async move {
                    let mut failed = 0;
                    let mut wire = Wire::open(&gateway).await;
                    while !stop.load(Ordering::SeqCst) {
                        if n % 4 == 0 {
                            wire = Wire::open(&gateway).await;
                        }
                        if n % 2 == 0 {
                            wire.send(
                                "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 4\r\n\r\nbody",
                            )
                            .await;
                        } else {
                            wire.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").await;
                        }
                        match wire.reply().await {
                            Some(reply) if reply.status == 200 => {
                                answered.fetch_add(1, Ordering::SeqCst);
                            }
                            _ => {
                                failed += 1;
                                wire = Wire::open(&gateway).await;
                            }
                        }
                    }
                    failed
                })
            })
            .collect();
        Load {
            stop,
            answered,
            tasks,
        }
    }

    /// Open loop: requests start at a fixed rate, whatever became of those before.
    fn open(gateway: &Arc<Gateway>, every: Duration) -> Load {
        let (stop, answered) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (gateway, ended, counter) = (gateway.clone(), stop.clone(), answered.clone());
        let task = tokio::spawn(async move {
            let mut started = tokio::task::JoinSet::new();
            let mut clock = tokio::time::interval(every);
            while !ended.load(Ordering::SeqCst) {
                clock.tick().await;
                let gateway = gateway.clone();
                started.spawn(async move { get(&gateway, "a.test", "/").await.status });
            }
            let mut failed = 0;
            while let Some(status) = started.join_next().await {
                if matches!(status, Ok(200)) {
                    counter.fetch_add(1, Ordering::SeqCst);
                } else {
                    failed += 1;
                }
            }
            failed
        });
        Load {
            stop,
            answered,
            tasks: vec![task],
        }
    }

    async fn end(self) -> (u64, u64) {
        self.stop.store(true, Ordering::SeqCst);
        let mut failed = 0;
        for task in self.tasks {
            failed += task.await.unwrap();
        }
        (self.answered.load(Ordering::SeqCst), failed)
    }
}

async fn replace_instances(gateway: &Arc<Gateway>, times: usize) {
    let mut current = Instance::start().await;
    gateway.set_endpoints(&endpoints([("shop/web/http", serving(&[&current.origin]))]));
    for _ in 0..times {
        tokio::time::sleep(Duration::from_millis(40)).await;
        let next = Instance::start().await;
        gateway.set_endpoints(&endpoints([("shop/web/http", serving(&[&next.origin]))]));
        let old = std::mem::replace(&mut current, next);
        let instance = old.origin.endpoint().instance;
        let drained = gateway.drained(&instance, Duration::from_secs(10)).await;
        assert_eq!(drained, Drain::Drained);
        // From here on the instance may be stopped: nothing reaches it, and its connections may break.
        old.stopped.store(true, Ordering::SeqCst);
        drop(old.origin);
        assert_eq!(old.late.load(Ordering::SeqCst), 0);
    }
    // The last one goes on until the load has ended.
    tokio::spawn(async move {
        std::future::pending::<()>().await;
        drop(current);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_replacing_instances_under_closed_load_loses_no_request() {
    let first = Instance::start().await;
    let gateway = Arc::new(gateway_to(&[&first.origin]));
    let load = Load::closed(&gateway, 16);
    replace_instances(&gateway, 20).await;
    until("enough was asked", || {
        load.answered.load(Ordering::SeqCst) > 2_000
    })
    .await;
    let (answered, failed) = load.end().await;
    assert_eq!(failed, 0, "of {answered}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_replacing_instances_under_open_load_loses_no_request() {
    let first = Instance::start().await;
    let gateway = Arc::new(gateway_to(&[&first.origin]));
    let load = Load::open(&gateway, Duration::from_millis(2));
    replace_instances(&gateway, 20).await;
    let (answered, failed) = load.end().await;
    assert!(answered > 200);
    assert_eq!(failed, 0, "of {answered}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_replacing_instances_that_speak_http2_loses_no_request() {
    let first = Instance::start().await;
    let gateway = Arc::new(gateway_to(&[&first.origin]));
    let routes = table(vec![over_http2(route("a.test", "/", "shop/web/http"))]);
    gateway.set_routes(&routes);
    let load = Load::closed(&gateway, 16);
    replace_instances(&gateway, 10).await;
    let (answered, failed) = load.end().await;
    assert!(answered > 200);
    assert_eq!(failed, 0, "of {answered}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_ten_thousand_routes_change_within_a_second_without_a_failed_request() {
    let origin = Origin::saying("hello").await;
    let gateway = Arc::new(gateway_to(&[&origin]));
    let many = |extra: Option<&str>| {
        let mut routes: Vec<_> = (0..10_000)
            .map(|n| {
                let mut route = route(&format!("app-{n}.test"), "/", "shop/other/http");
                route.id = format!("r{n}").parse().unwrap();
                route
            })
            .collect();
        routes.push(route("a.test", "/", "shop/web/http"));
        routes.extend(extra.map(|host| route(host, "/", "shop/web/http")));
        table(routes)
    };
    gateway.set_routes(&many(None));
    let load = Load::closed(&gateway, 8);
    for n in 0..5 {
        let host = format!("new-{n}.test");
        let table = many(Some(&host));
        assert_eq!(get(&gateway, &host, "/").await.status, 404);
        let began = Instant::now();
        gateway.set_routes(&table);
        assert_eq!(get(&gateway, &host, "/").await.status, 200);
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "{:?}",
            began.elapsed()
        );
    }
    let (answered, failed) = load.end().await;
    assert_eq!(failed, 0, "of {answered}");
}

#[tokio::test]
async fn an_instance_drains_when_its_last_request_has_ended_and_not_before() {
    let door = Arc::new(Semaphore::new(0));
    let opened = door.clone();
    let slow = Origin::http(move |_| {
        let door = opened.clone();
        async move {
            door.acquire().await.unwrap().forget();
            Response::new(text("slow"))
        }
    })
    .await;
    let fast = Origin::saying("fast").await;
    let gateway = gateway_to(&[&slow]);
    let instance = slow.endpoint().instance;
    let mut asking = Wire::open(&gateway).await;
    asking.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").await;
    until("it is in flight", || gateway.in_flight(&instance) == 1).await;

    gateway.set_endpoints(&endpoints([("shop/web/http", serving(&[&fast]))]));
    assert_eq!(get(&gateway, "a.test", "/").await.text(), "fast");
    assert_eq!(
        gateway.drained(&instance, Duration::from_millis(50)).await,
        Drain::TimedOut { in_flight: 1 }
    );
    door.add_permits(1);
    assert_eq!(asking.reply().await.unwrap().text(), "slow");
    assert_eq!(
        gateway.drained(&instance, Duration::from_secs(5)).await,
        Drain::Drained
    );
    // One that still serves does not drain, whatever it has in flight.
    let serving = fast.endpoint().instance;
    assert!(matches!(
        gateway.drained(&serving, Duration::from_millis(50)).await,
        Drain::TimedOut { in_flight: 0 }
    ));
}

#[tokio::test]
async fn requests_wait_while_a_component_with_an_exclusive_volume_is_replaced() {
    let gateway = Arc::new(gateway_to(&[]));
    gateway.set_backend(&"shop/web/http".parse().unwrap(), &BackendState::holding());
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let gateway = gateway.clone();
            tokio::spawn(async move { get(&gateway, "a.test", "/").await })
        })
        .collect();
    until("all wait", || gateway.metrics().connections == 20).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let origin = Origin::saying("after").await;
    gateway.set_backend(&"shop/web/http".parse().unwrap(), &serving(&[&origin]));
    for reply in waiting {
        assert_eq!(reply.await.unwrap().text(), "after");
    }

    let brief = BackendState::Holding {
        at_most: Milliseconds(100),
    };
    gateway.set_backend(&"shop/web/http".parse().unwrap(), &brief);
    let reply = get(&gateway, "a.test", "/").await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "gateway.held"));
    assert!(reply.header("retry-after").is_some());
}

/// Answers the first request of each connection and closes it on the second without an answer: what a server does whose idle
/// time ends just as the request is on its way.
async fn closes_when_reused(seen: Arc<AtomicUsize>) -> Origin {
    Origin::raw(move |mut stream| {
        let seen = seen.clone();
        async move {
            if read_head(&mut stream).await.is_some() {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
                stream.write_all(answer).await.unwrap();
            }
            if read_head(&mut stream).await.is_some() {
                seen.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_kept_connection_that_fails_is_replaced_where_that_is_safe() {
    let failed = Arc::new(AtomicUsize::new(0));
    let origin = closes_when_reused(failed.clone()).await;
    let gateway = gateway(GatewayConfig {
        ..GatewayConfig::default()
    });
    gateway.set_routes(&table(vec![route("a.test", "/", "shop/web/http")]));
    gateway.set_endpoints(&endpoints([("shop/web/http", serving(&[&origin]))]));
    // All on one client connection, hence one worker and its pool.
    let mut wire = Wire::open(&gateway).await;
    for _ in 0..6 {
        assert_eq!(wire.get("a.test", "/").await.text(), "hello");
    }
    assert_eq!(
        failed.load(Ordering::SeqCst),
        5,
        "each but the first met a connection that closed"
    );

    // A body that was taken from the client is sent again. The raw instance reads no bodies, so it meets the body's bytes as
    // the start of a head that never ends: that is the reused connection that fails.
    let mut wire = Wire::open(&gateway).await;
    assert_eq!(wire.get("a.test", "/").await.status, 200);
    wire.send("DELETE / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 4\r\n\r\nbody")
        .await;
    assert_eq!(wire.reply().await.unwrap().status, 200);

    // What may have had an effect is not repeated.
    let mut wire = Wire::open(&gateway).await;
    while wire.get("a.test", "/").await.status != 200 {}
    let before = failed.load(Ordering::SeqCst);
    let mut statuses = Vec::new();
    for _ in 0..2 {
        wire.send("POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 0\r\n\r\n")
            .await;
        statuses.push(wire.reply().await.unwrap().status);
    }
    assert!(statuses.contains(&502), "{statuses:?}");
    assert_eq!(failed.load(Ordering::SeqCst), before + 1);
}

#[tokio::test]
async fn an_instance_that_cannot_be_reached_is_passed_over() {
    let gone = Origin::saying("gone").await;
    let refusing = gone.endpoint();
    drop(gone);
    let alive = Origin::saying("alive").await;
    let gateway = gateway_to(&[]);
    let both = BackendState::Serving {
        endpoints: vec![refusing, alive.endpoint()],
    };
    gateway.set_endpoints(&endpoints([("shop/web/http", both)]));
    until("the port is closed", || {
        std::net::TcpStream::connect(gateway.addresses()[0]).is_ok()
    })
    .await;
    for _ in 0..20 {
        let mut wire = Wire::open(&gateway).await;
        wire.send("POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 4\r\n\r\nbody")
            .await;
        assert_eq!(wire.reply().await.unwrap().text(), "alive");
    }
}

#[tokio::test]
async fn weights_split_requests() {
    let (stable, canary) = (
        Origin::saying("stable").await,
        Origin::saying("canary").await,
    );
    let gateway = gateway(GatewayConfig::default());
    let mut split = route("a.test", "/", "shop/web/http");
    split.backends = vec![
        WeightedBackend {
            weight: 3,
            ..WeightedBackend::only("shop/web/http".parse().unwrap())
        },
        WeightedBackend {
            weight: 1,
            ..WeightedBackend::only("shop/canary/http".parse().unwrap())
        },
    ];
    gateway.set_routes(&table(vec![split]));
    gateway.set_endpoints(&endpoints([
        ("shop/web/http", serving(&[&stable])),
        ("shop/canary/http", serving(&[&canary])),
    ]));
    let mut wire = Wire::open(&gateway).await;
    let mut to_canary = 0;
    for _ in 0..200 {
        to_canary += usize::from(wire.get("a.test", "/").await.text() == "canary");
    }
    assert!((47..=53).contains(&to_canary), "{to_canary} of 200");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_ends_answers_what_it_has_accepted() {
    let origin = Origin::http(|_| async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        Response::new(text("late"))
    })
    .await;
    let gateway = gateway_to(&[&origin]);
    let instance = origin.endpoint().instance;
    let mut busy = Wire::open(&gateway).await;
    let mut idle = Wire::open(&gateway).await;
    let mut asking = Wire::open(&gateway).await;
    assert_eq!(idle.get("x.test", "/").await.status, 404);
    assert_eq!(asking.get("x.test", "/").await.status, 404);
    busy.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").await;
    until("it is in flight", || gateway.in_flight(&instance) == 1).await;
    let ending = tokio::spawn(async move { gateway.shutdown(Duration::from_secs(10)).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    // A kept connection is told with its next answer, not closed under the client's hands.
    let last = asking.get("x.test", "/").await;
    assert_eq!(
        (last.status, last.header("connection")),
        (404, Some("close"))
    );
    assert_eq!(busy.reply().await.unwrap().text(), "late");
    assert!(idle.closes_within(Duration::from_secs(5)).await);
    assert_eq!(ending.await.unwrap().cut, 0);
}

#[tokio::test]
async fn a_gateway_that_ends_cuts_what_outlasts_the_grace() {
    let origin = Origin::raw(|mut stream| async move {
        read_head(&mut stream).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let gateway = gateway_to(&[&origin]);
    let instance = origin.endpoint().instance;
    let mut stuck = Wire::open(&gateway).await;
    stuck.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").await;
    until("it is in flight", || gateway.in_flight(&instance) == 1).await;
    let began = Instant::now();
    assert_eq!(gateway.shutdown(Duration::from_millis(400)).await.cut, 1);
    assert!(began.elapsed() < Duration::from_secs(3));
    assert!(stuck.closes_within(Duration::from_secs(1)).await);
}

#[tokio::test]
async fn a_taken_address_is_an_error_of_the_start() {
    let first = gateway(GatewayConfig::default());
    let taken = Gateway::bind(first.addresses(), GatewayConfig::default());
    assert!(matches!(taken, Err(GatewayError::AddressInUse { .. })));
}
