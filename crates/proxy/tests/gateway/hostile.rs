//! Requests that are smuggled, oversized, slow or malformed are refused with the right code, crash nothing and reach nobody (G3);
//! instances that misbehave harm their own requests only; nothing tells a client what is inside.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use hyper::Response;
use pluvio_model::route::{BackendState, Endpoint, Milliseconds};
use pluvio_proxy::{ClientLimits, GatewayConfig};
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use crate::support::*;

#[tokio::test]
async fn hosts_and_paths_that_nobody_publishes_are_not_found() {
    let origin = Origin::saying("hello").await;
    let gateway = gateway(GatewayConfig::default());
    gateway.set_routes(&table(vec![route("a.test", "/only", "shop/web/http")]));
    gateway.set_endpoints(&endpoints([("shop/web/http", serving(&[&origin]))]));
    for (host, path) in [
        ("b.test", "/only"),
        ("a.test", "/"),
        ("a.test.evil", "/only"),
    ] {
        let reply = get(&gateway, host, path).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (404, "gateway.no-route"),
            "{host}{path}"
        );
        assert_eq!(
            reply.header("content-type"),
            Some("application/problem+json")
        );
    }
    assert_eq!(get(&gateway, "a.test", "/only/x").await.text(), "hello");

    let mut browser = Wire::open(&gateway).await;
    browser
        .send("GET / HTTP/1.1\r\nhost: b.test\r\naccept: text/html,*/*;q=0.8\r\n\r\n")
        .await;
    let page = browser.reply().await.unwrap();
    assert!(page.text().starts_with("<!doctype html>") && page.text().contains("gateway.no-route"));
}

/// Every one of these is read differently by some server somewhere; the gateway passes none of them on.
#[tokio::test]
async fn ambiguous_requests_are_refused_and_reach_no_instance() {
    let reached = Arc::new(AtomicUsize::new(0));
    let counter = reached.clone();
    let origin = Origin::http(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        async { Response::new(text("reached")) }
    })
    .await;
    let gateway = gateway_to(&[&origin]);
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: a.test\r\n\r\n";
    let check = async |request: &str| {
        let mut wire = Wire::open(&gateway).await;
        wire.send(request).await;
        let reply = wire.reply().await;
        if let Some(reply) = reply {
            assert!((400..500).contains(&reply.status), "{request:?}: {reply:?}");
        }
        assert!(
            wire.closes_within(Duration::from_secs(5)).await,
            "{request:?} is kept"
        );
        assert_eq!(
            reached.load(Ordering::SeqCst),
            0,
            "{request:?} reached an instance"
        );
    };
    check(&format!("POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello{smuggled}")).await;
    check(&format!("POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n{smuggled}")).await;
    check(&format!(
        "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n{smuggled}"
    ))
    .await;
    check(&format!(
        "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: +5\r\n\r\nhello{smuggled}"
    ))
    .await;
    check(&format!(
        "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5 5\r\n\r\nhello{smuggled}"
    ))
    .await;
    check(&format!(
        "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length : 5\r\n\r\nhello{smuggled}"
    ))
    .await;
    check("GET / HTTP/1.1\r\nhost: a.test\r\nfolded: a\r\n b\r\n\r\n").await;
    check("GET / HTTP/1.1\r\nhost: a.test\r\nbad\x01name: a\r\n\r\n").await;
    check("GET / HTTP/1.1\r\nhost: a.test\r\nname: a\0b\r\n\r\n").await;
    check("GET /a b HTTP/1.1\r\nhost: a.test\r\n\r\n").await;
    check("GET / HTTP/3.7\r\nhost: a.test\r\n\r\n").await;
    check("\x16\x03\x01\x02\0\x01\0\x01\x01\x03\x03hello tls").await;
    until("each was counted", || gateway.metrics().malformed == 12).await;
}

/// hyper reads these in the one way that the specification allows; what follows the request is then a request of its own.
#[tokio::test]
async fn a_length_beside_chunks_never_decides_where_a_request_ends() {
    let origin = Origin::http(|request| async move {
        use http_body_util::BodyExt;
        let path = request.uri().path().to_owned();
        let chunked = request.headers().contains_key("transfer-encoding");
        let length = request.headers().contains_key("content-length");
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Response::new(text(format!("{path} {chunked} {length} {}", body.len())))
    })
    .await;
    let gateway = gateway_to(&[&origin]);
    let mut wire = Wire::open(&gateway).await;
    wire.send("POST /first HTTP/1.1\r\nhost: a.test\r\ncontent-length: 60\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        .await;
    // Refused, or understood as chunked and passed on as nothing but chunked.
    match wire.reply().await {
        Some(reply) if reply.status == 200 => assert_eq!(reply.text(), "/first true false 3"),
        Some(reply) => assert_eq!(reply.status, 400),
        None => {}
    }
}

#[tokio::test]
async fn bad_chunks_break_the_request_off() {
    let origin = Origin::http(|request| async move {
        use http_body_util::BodyExt;
        let whole = request.into_body().collect().await.is_ok();
        Response::new(text(if whole { "whole" } else { "broken" }))
    })
    .await;
    let gateway = gateway_to(&[&origin]);
    for bad in [
        "zz\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "-3\r\nabc\r\n",
        "3;\n\r\nabc",
        "ffffffffffffffff1\r\n",
    ] {
        let mut wire = Wire::open(&gateway).await;
        wire.send(format!(
            "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n{bad}"
        ))
        .await;
        if let Some(reply) = wire.reply().await {
            assert_eq!(reply.status, 400, "{bad:?}");
        }
        assert!(wire.closes_within(Duration::from_secs(5)).await, "{bad:?}");
    }
    assert_eq!(get(&gateway, "a.test", "/").await.text(), "whole");
}

#[tokio::test]
async fn hosts_that_could_mean_two_things_are_refused() {
    let gateway = gateway(GatewayConfig::default());
    for head in [
        "host: a.test\r\nhost: b.test\r\n",
        "host: a.test@b.test\r\n",
        "host: a.test/b\r\n",
        "host: a.test:port\r\n",
        "",
    ] {
        let mut wire = Wire::open(&gateway).await;
        wire.send(format!("GET / HTTP/1.1\r\n{head}\r\n")).await;
        let reply = wire.reply().await.unwrap();
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (400, "gateway.bad-host"),
            "{head:?}"
        );
    }
    let mut wire = Wire::open(&gateway).await;
    wire.send("CONNECT a.test:443 HTTP/1.1\r\nhost: a.test:443\r\n\r\n")
        .await;
    assert_eq!(wire.reply().await.unwrap().status, 405);
}

#[tokio::test]
async fn large_heads_and_addresses_are_refused_with_their_own_codes() {
    let origin = Origin::saying("hello").await;
    let gateway = gateway(GatewayConfig {
        limits: ClientLimits {
            header_bytes: 16 * 1024,
            ..ClientLimits::default()
        },
        ..GatewayConfig::default()
    });
    gateway.set_routes(&table(vec![route("a.test", "/", "shop/web/http")]));
    gateway.set_endpoints(&endpoints([("shop/web/http", serving(&[&origin]))]));
    let check = async |head: String, status: u16| {
        let mut wire = Wire::open(&gateway).await;
        // The gateway may answer and close before all is sent.
        let _ = wire.stream.write_all(head.as_bytes()).await;
        assert_eq!(wire.reply().await.map(|reply| reply.status), Some(status));
    };
    let long = |n: usize| "x".repeat(n);
    check(
        format!(
            "GET / HTTP/1.1\r\nhost: a.test\r\nx: {}\r\n\r\n",
            long(8_000)
        ),
        200,
    )
    .await;
    check(
        format!("GET / HTTP/1.1\r\nhost: a.test\r\nx: {}", long(16_400)),
        431,
    )
    .await;
    let many: String = (0..200).map(|n| format!("x-{n}: 1\r\n")).collect();
    check(format!("GET / HTTP/1.1\r\nhost: a.test\r\n{many}\r\n"), 431).await;
}

#[tokio::test]
async fn clients_that_send_their_head_slowly_are_cut() {
    let gateway = gateway(GatewayConfig {
        limits: ClientLimits {
            header_time: Duration::from_millis(600),
            idle: Duration::from_secs(2),
            ..ClientLimits::default()
        },
        ..GatewayConfig::default()
    });
    // One that says nothing, and one that drips.
    let mut silent = Wire::open(&gateway).await;
    let mut dripping = Wire::open(&gateway).await;
    let began = Instant::now();
    assert!(silent.closes_within(Duration::from_secs(5)).await);
    dripping.send("GET / HTTP/1.1\r\n").await;
    let drip = async {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if dripping.stream.write_all(b"a: b\r\n").await.is_err() {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), drip)
        .await
        .expect("it is cut");
    assert!(began.elapsed() < Duration::from_secs(5));

    // A connection that had a request is kept for the idle time, and its next head is limited again.
    let mut kept = Wire::open(&gateway).await;
    assert_eq!(kept.get("x.test", "/").await.status, 404);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(kept.get("x.test", "/").await.status, 404);
    kept.send("GET / HT").await;
    assert!(kept.closes_within(Duration::from_millis(1700)).await);
    until("all are gone", || gateway.metrics().connections == 0).await;
}

#[tokio::test]
async fn more_connections_than_allowed_are_closed_at_once() {
    let gateway = gateway(GatewayConfig {
        limits: ClientLimits {
            connections: 2,
            ..ClientLimits::default()
        },
        ..GatewayConfig::default()
    });
    let mut first = Wire::open(&gateway).await;
    let mut second = Wire::open(&gateway).await;
    assert_eq!(first.get("x.test", "/").await.status, 404);
    assert_eq!(second.get("x.test", "/").await.status, 404);
    let mut third = Wire::open(&gateway).await;
    assert!(third.closes_within(Duration::from_secs(5)).await);
    assert_eq!(gateway.metrics().connections_refused, 1);
    drop(first);
    until("its place is free", || gateway.metrics().connections == 1).await;
    assert_eq!(get(&gateway, "x.test", "/").await.status, 404);
}

#[tokio::test]
async fn instances_that_misbehave_give_a_clear_code_and_no_address() {
    async fn origin(answer: &'static [u8]) -> Origin {
        Origin::raw(move |mut stream| async move {
            read_head(&mut stream).await.unwrap();
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        })
        .await
    }
    let gateway = gateway_to(&[]);
    let check = async |state: BackendState, status: u16, code: &str| {
        gateway.set_endpoints(&endpoints([("shop/web/http", state)]));
        let reply = get(&gateway, "a.test", "/").await;
        assert_eq!((reply.status, reply.code().as_str()), (status, code));
        assert!(!reply.text().contains("127.0.0.1") && !reply.text().contains("instance-"));
    };
    check(serving(&[&origin(b"").await]), 502, "gateway.no-answer").await;
    check(
        serving(&[&origin(b"HTTP/1.1 200 OK\r\ncontent-le").await]),
        502,
        "gateway.no-answer",
    )
    .await;
    check(
        serving(&[&origin(b"* OK IMAP4 ready\r\n").await]),
        502,
        "gateway.invalid-answer",
    )
    .await;
    let both =
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    check(
        serving(&[&origin(both).await]),
        502,
        "gateway.invalid-answer",
    )
    .await;
    check(
        serving(&[&origin(b"HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n").await]),
        502,
        "gateway.invalid-answer",
    )
    .await;
    let closed = origin(b"").await.endpoint();
    let closed = BackendState::Serving {
        endpoints: vec![closed],
    };
    check(closed, 502, "gateway.unreachable").await;
    check(serving(&[]), 503, "gateway.no-instance").await;
    check(BackendState::Absent, 503, "gateway.no-instance").await;
    check(BackendState::Stopped, 503, "gateway.stopped").await;
}

#[tokio::test]
async fn time_limits_of_a_route_hold() {
    let silent = Origin::raw(|mut stream| async move {
        read_head(&mut stream).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let gateway = gateway(GatewayConfig::default());
    let mut limited = route("a.test", "/", "shop/web/http");
    limited.limits.response = Milliseconds(300);
    limited.limits.body_bytes = Some(1000);
    gateway.set_routes(&table(vec![limited]));
    gateway.set_endpoints(&endpoints([("shop/web/http", serving(&[&silent]))]));
    let reply = get(&gateway, "a.test", "/").await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (504, "gateway.answer-timeout")
    );

    let mut stalled = Wire::open(&gateway).await;
    stalled
        .send("POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 10\r\n\r\nhalf")
        .await;
    let reply = stalled.reply().await.unwrap();
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (408, "gateway.body-stalled")
    );

    let mut large = Wire::open(&gateway).await;
    large
        .send("POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 1001\r\n\r\n")
        .await;
    assert_eq!(
        large.reply().await.unwrap().code(),
        "gateway.body-too-large"
    );
    let mut growing = Wire::open(&gateway).await;
    growing
        .send("POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n3e9\r\n")
        .await;
    growing.send(vec![b'x'; 1001]).await;
    growing.send("\r\n").await;
    assert_eq!(
        growing.reply().await.unwrap().code(),
        "gateway.body-too-large"
    );
}

#[tokio::test]
async fn an_answer_that_nobody_takes_or_that_stops_midway_is_cut() {
    let endless = Origin::raw(|mut stream| async move {
        read_head(&mut stream).await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[0; 65_536]).await.is_ok() {}
    })
    .await;
    let gateway = gateway(GatewayConfig {
        limits: ClientLimits {
            stalled: Duration::from_millis(500),
            ..ClientLimits::default()
        },
        ..GatewayConfig::default()
    });
    let mut limited = route("a.test", "/", "shop/web/http");
    limited.limits.idle = Milliseconds(300);
    gateway.set_routes(&table(vec![limited]));
    gateway.set_endpoints(&endpoints([("shop/web/http", serving(&[&endless]))]));
    let instance = endless.endpoint().instance;
    let mut lazy = Wire::open(&gateway).await;
    lazy.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").await;
    until("it is in flight", || gateway.in_flight(&instance) == 1).await;
    until("it is cut", || gateway.in_flight(&instance) == 0).await;

    let stopping = Origin::raw(|mut stream| async move {
        read_head(&mut stream).await.unwrap();
        let part = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
        stream.write_all(part).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    gateway.set_endpoints(&endpoints([("shop/web/http", serving(&[&stopping]))]));
    let mut waiting = Wire::open(&gateway).await;
    waiting.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").await;
    assert!(
        waiting.reply().await.is_none(),
        "half an answer is no answer"
    );
}

#[tokio::test]
async fn an_instance_that_accepts_nobody_is_a_timeout() {
    // A listener whose queue is full: the kernel leaves further connections unanswered.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) =
        std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200))
    {
        queued.push(stream);
    }
    let gateway = gateway(GatewayConfig::default());
    let mut limited = route("a.test", "/", "shop/web/http");
    limited.limits.connect = Milliseconds(200);
    gateway.set_routes(&table(vec![limited]));
    let endpoint = Endpoint {
        address,
        instance: "full".parse().unwrap(),
    };
    let state = BackendState::Serving {
        endpoints: vec![endpoint],
    };
    gateway.set_endpoints(&endpoints([("shop/web/http", state)]));
    let reply = get(&gateway, "a.test", "/").await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (504, "gateway.connect-timeout")
    );
}

#[tokio::test]
async fn a_cut_short_request_is_not_passed_on_as_complete() {
    let whole = Arc::new(AtomicUsize::new(0));
    let counter = whole.clone();
    let origin = Origin::http(move |request| {
        let counter = counter.clone();
        async move {
            use http_body_util::BodyExt;
            if request.into_body().collect().await.is_ok() {
                counter.fetch_add(1, Ordering::SeqCst);
            }
            Response::new(text(""))
        }
    })
    .await;
    let gateway = gateway_to(&[&origin]);
    let instance = origin.endpoint().instance;
    for framing in [
        "content-length: 10\r\n\r\nhalf",
        "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let mut wire = Wire::open(&gateway).await;
        wire.send(format!("POST / HTTP/1.1\r\nhost: a.test\r\n{framing}"))
            .await;
        until("it is in flight", || gateway.in_flight(&instance) == 1).await;
        drop(wire);
        until("it is over", || gateway.in_flight(&instance) == 0).await;
    }
    assert_eq!(whole.load(Ordering::SeqCst), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_sent_the_gateway_serves_the_next(
        pieces in prop::collection::vec(
            prop_oneof![
                Just(b"GET / HTTP/1.1\r\n".to_vec()),
                Just(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
                Just(b"host: a.test\r\n".to_vec()),
                Just(b"transfer-encoding: chunked\r\n".to_vec()),
                Just(b"content-length: 4\r\n".to_vec()),
                Just(b"\r\n".to_vec()),
                Just(b"5\r\nhello\r\n".to_vec()),
                prop::collection::vec(any::<u8>(), 0..40),
            ],
            0..10,
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let origin = Origin::saying("hello").await;
            let gateway = gateway_to(&[&origin]);
            let mut wire = Wire::open(&gateway).await;
            let _ = wire.stream.write_all(&pieces.concat()).await;
            let _ = wire.stream.shutdown().await;
            wire.closes_within(Duration::from_secs(5)).await;
            assert_eq!(get(&gateway, "a.test", "/").await.text(), "hello");
        });
    }
}
