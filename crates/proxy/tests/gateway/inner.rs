//! Between components: a virtual address leads to whoever is ready, request by request or connection by connection.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use hyper::{Request, Response, body::Incoming};
use pluvio_model::route::{BackendState, Endpoint};
use pluvio_proxy::{
    ClientLimits, Drain, Gateway, GatewayConfig, InnerClient, InnerListener, InnerProtocol, edge_of,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::*;

/// A free address. Nobody else listens at one of 127.0.0.2 between this and its use.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.2:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

fn listener(address: SocketAddr, protocol: InnerProtocol) -> InnerListener {
    InnerListener {
        address,
        backend: "shop/api/http".parse().unwrap(),
        protocol,
        networks: vec!["127.0.0.0/8".parse().unwrap()],
    }
}

fn gateway_at(address: SocketAddr, protocol: InnerProtocol, origins: &[&Origin]) -> Gateway {
    let gateway = gateway(GatewayConfig::default());
    gateway.set_endpoints(&endpoints([("shop/api/http", serving(origins))]));
    assert!(
        gateway
            .set_inner(vec![listener(address, protocol)])
            .is_empty()
    );
    gateway
}

fn web() -> InnerClient {
    InnerClient {
        application: "shop".parse().unwrap(),
        component: "web".into(),
    }
}

/// Says what it was told about whom it answers.
async fn told(request: Request<Incoming>) -> Response<Body> {
    let header = |name: &str| {
        let value = request.headers().get(name);
        value.map_or("-", |v| v.to_str().unwrap()).to_owned()
    };
    let said = ["host", "x-forwarded-for", "x-forwarded-proto"].map(header);
    Response::new(text(said.join(" ")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inner_request_passes_as_it_is_and_is_counted_on_its_edge() {
    let origin = Origin::http(told).await;
    let address = free();
    let gateway = gateway_at(address, InnerProtocol::Http1, &[&origin]);
    let mut wire = Wire::to(address).await;
    // Any host will do: the address has decided.
    assert_eq!(wire.get("api:8080", "/").await.text(), "api:8080 - -");
    wire.send("GET / HTTP/1.1\r\nhost: api\r\nx-forwarded-for: 203.0.113.9\r\nx-forwarded-proto: https\r\n\r\n").await;
    let reply = wire.reply().await.unwrap();
    assert_eq!(reply.text(), "api 203.0.113.9 https");

    gateway.set_inner_clients([("127.0.0.1".parse().unwrap(), web())].into());
    let known = Wire::to(address).await.get("api", "/").await;
    assert_eq!(known.status, 200);
    let edges = || {
        let routes = gateway.metrics().routes;
        let edge = |route: &pluvio_proxy::RouteTraffic| {
            let (client, component, port) = edge_of(&route.route)?;
            let requests = route.traffic.totals.requests();
            Some(format!("{client} → {component}:{port} {requests}"))
        };
        routes.iter().filter_map(edge).collect::<Vec<_>>()
    };
    let want = ["unknown → api:http 2", "web → api:http 1"];
    until("both edges are counted", || edges() == want).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_connected_is_cut_when_the_address_goes_or_admits_him_no_more() {
    let origin = Origin::saying("still here").await;
    for protocol in [InnerProtocol::Http1, InnerProtocol::Tcp] {
        for goes in [true, false] {
            let address = free();
            let gateway = gateway(GatewayConfig::default());
            gateway.set_endpoints(&endpoints([("shop/api/http", serving(&[&origin]))]));
            assert!(
                gateway
                    .set_inner(vec![listener(address, protocol)])
                    .is_empty()
            );
            let mut wire = Wire::to(address).await;
            assert_eq!(wire.get("api", "/").await.text(), "still here");
            // One that stays as it is for this client cuts nobody.
            let mut wider = listener(address, protocol);
            wider.networks.push("10.9.0.0/26".parse().unwrap());
            assert!(gateway.set_inner(vec![wider]).is_empty());
            assert_eq!(wire.get("api", "/").await.text(), "still here");
            let mut narrower = listener(address, protocol);
            narrower.networks = vec!["10.9.0.0/26".parse().unwrap()];
            let left = if goes { vec![] } else { vec![narrower] };
            assert!(gateway.set_inner(left).is_empty());
            assert!(wire.closes_within(Duration::from_secs(5)).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_other_networks_are_turned_away() {
    let origin = Origin::saying("secret").await;
    for protocol in [InnerProtocol::Http1, InnerProtocol::Tcp] {
        let address = free();
        let gateway = gateway(GatewayConfig::default());
        gateway.set_endpoints(&endpoints([("shop/api/http", serving(&[&origin]))]));
        let mut closed = listener(address, protocol);
        closed.networks = vec!["10.9.0.0/26".parse().unwrap()];
        assert!(gateway.set_inner(vec![closed]).is_empty());
        let mut wire = Wire::to(address).await;
        let _ = wire
            .stream
            .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            .await;
        assert!(wire.closes_within(Duration::from_secs(5)).await);
        assert!(wire.rest().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_kept_inner_connections_outlive_the_instances_behind_them() {
    let address = free();
    let first = Origin::saying("0").await;
    let gateway = Arc::new(gateway_at(address, InnerProtocol::Http1, &[&first]));
    let stop = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (stop, served) = (stop.clone(), served.clone());
            tokio::spawn(async move {
                let mut wire = Wire::to(address).await;
                while !stop.load(Ordering::SeqCst) {
                    assert_eq!(wire.get("api", "/").await.status, 200);
                    served.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let mut old = first;
    for round in 1..=20 {
        until("the load goes on", || {
            served.load(Ordering::SeqCst) >= round * 20
        })
        .await;
        let next = Origin::saying("next").await;
        let id = "shop/api/http".parse().unwrap();
        gateway.set_backend(&id, &serving(&[&next]));
        let leaving = old.endpoint().instance;
        let drained = gateway.drained(&leaving, Duration::from_secs(5)).await;
        assert_eq!(drained, Drain::Drained);
        drop(std::mem::replace(&mut old, next));
    }
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
}

/// A pool of an instance may keep a connection for as long as it likes, and yet the head of each request has its time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_inner_connection_is_not_closed_and_its_next_head_is_limited() {
    let origin = Origin::saying("here").await;
    let address = free();
    let gateway = gateway(GatewayConfig {
        limits: ClientLimits {
            header_time: Duration::from_millis(500),
            idle: Duration::from_millis(500),
            ..ClientLimits::default()
        },
        ..GatewayConfig::default()
    });
    gateway.set_endpoints(&endpoints([("shop/api/http", serving(&[&origin]))]));
    let inner = listener(address, InnerProtocol::Http1);
    assert!(gateway.set_inner(vec![inner]).is_empty());
    let mut kept = Wire::to(address).await;
    assert_eq!(kept.get("api", "/").await.status, 200);
    // Longer than a visitor's connection would be kept, and then cut.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(kept.get("api", "/").await.status, 200);
    kept.send("GET / HT").await;
    assert!(kept.closes_within(Duration::from_secs(5)).await);
}

/// Sends back what it gets, with its name before it.
async fn echo(name: &'static str) -> Origin {
    Origin::raw(move |mut stream| async move {
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            let said = [name.as_bytes(), &buffer[..count]].concat();
            if stream.write_all(&said).await.is_err() {
                break;
            }
        }
    })
    .await
}

async fn say(stream: &mut TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut buffer = [0; 1024];
    let count = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut buffer))
        .await
        .expect("an answer")
        .unwrap();
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_a_connection_of_bytes_keeps_its_instance_which_drains_when_it_ends() {
    let (one, two) = (echo("1:").await, echo("2:").await);
    let address = free();
    let gateway = Arc::new(gateway_at(address, InnerProtocol::Tcp, &[&one]));
    let mut early = TcpStream::connect(address).await.unwrap();
    assert_eq!(say(&mut early, "a").await, "1:a");
    let id = "shop/api/http".parse().unwrap();
    gateway.set_backend(&id, &serving(&[&two]));
    let mut late = TcpStream::connect(address).await.unwrap();
    assert_eq!(say(&mut late, "b").await, "2:b");
    assert_eq!(say(&mut early, "c").await, "1:c");
    let leaving = one.endpoint().instance;
    let at_work = gateway.drained(&leaving, Duration::from_millis(50)).await;
    assert_eq!(at_work, Drain::TimedOut { in_flight: 1 });
    drop(early);
    let drained = gateway.drained(&leaving, Duration::from_secs(5)).await;
    assert_eq!(drained, Drain::Drained);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_http_passes_as_bytes_at_a_port_of_http() {
    let one = echo("1:").await;
    let address = free();
    let _gateway = Arc::new(gateway_at(address, InnerProtocol::Http1, &[&one]));
    // As Kafka's clients begin.
    let mut kafka = TcpStream::connect(address).await.unwrap();
    assert_eq!(say(&mut kafka, "\0\0\0\u{1}a").await, "1:\0\0\0\u{1}a");
    assert_eq!(say(&mut kafka, "b").await, "1:b");

    // A server that speaks first, as those of mail do.
    let greets = Origin::raw(|mut stream| async move {
        let _ = stream.write_all(b"220 here\r\n").await;
        let mut buffer = [0; 64];
        while let Ok(1..) = stream.read(&mut buffer).await {
            let _ = stream.write_all(b"250 well\r\n").await;
        }
    })
    .await;
    let address = free();
    let _gateway = Arc::new(gateway_at(address, InnerProtocol::Http1, &[&greets]));
    let mut mail = TcpStream::connect(address).await.unwrap();
    assert_eq!(say(&mut mail, "").await, "220 here\r\n");
    assert_eq!(say(&mut mail, "EHLO there\r\n").await, "250 well\r\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_of_an_open_connection_are_counted_as_they_pass() {
    let instance = echo("1:").await;
    let address = free();
    let gateway = gateway_at(address, InnerProtocol::Tcp, &[&instance]);
    gateway.set_inner_clients([("127.0.0.1".parse().unwrap(), web())].into());
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert_eq!(say(&mut stream, "abc").await, "1:abc");
    let counted = || {
        let metrics = gateway.metrics();
        let totals = &metrics.routes[0].traffic.totals;
        assert_eq!(
            edge_of(&metrics.routes[0].route),
            Some(("web", "api", "http"))
        );
        (
            totals.requests(),
            totals.active,
            totals.received,
            totals.sent,
        )
    };
    until("its bytes are counted", || counted() == (0, 1, 3, 5)).await;
    drop(stream);
    until("the end is counted", || counted() == (1, 0, 3, 5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_instance_asks_at_the_front_door_is_counted_under_its_name() {
    let origin = Origin::saying("hello").await;
    let gateway = gateway(GatewayConfig::default());
    gateway.set_routes(&table(vec![route("a.test", "/", "shop/web/http")]));
    gateway.set_endpoints(&endpoints([("shop/web/http", serving(&[&origin]))]));
    // Nobody's, at first.
    let mut early = Wire::to(gateway.addresses()[0]).await;
    assert_eq!(early.get("a.test", "/").await.status, 200);
    gateway.set_inner_clients([("127.0.0.1".parse().unwrap(), web())].into());
    let mut wire = Wire::to(gateway.addresses()[0]).await;
    for _ in 0..3 {
        assert_eq!(wire.get("a.test", "/").await.status, 200);
    }
    let asked = || {
        let callers = gateway.metrics().callers;
        let asked = callers.iter().map(|one| {
            let requests = one.traffic.totals.requests();
            (one.caller.clone(), one.application.to_string(), requests)
        });
        asked.collect::<Vec<_>>()
    };
    until("all three are counted", || {
        asked() == [(web(), "shop".to_owned(), 3)]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_held_while_the_only_instance_is_replaced() {
    let instance = echo("1:").await;
    let address = free();
    let gateway = Arc::new(gateway_at(address, InnerProtocol::Tcp, &[]));
    let id: pluvio_model::route::BackendId = "shop/api/http".parse().unwrap();
    gateway.set_backend(&id, &BackendState::holding());
    let waiting = tokio::spawn(async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        say(&mut stream, "x").await
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!waiting.is_finished());
    gateway.set_backend(&id, &serving(&[&instance]));
    assert_eq!(waiting.await.unwrap(), "1:x");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listeners_come_and_go_and_a_taken_address_is_told() {
    let origin = Origin::saying("hello").await;
    let (one, two) = (free(), free());
    let gateway = gateway_at(one, InnerProtocol::Http1, &[&origin]);
    let both = || {
        vec![
            listener(one, InnerProtocol::Http1),
            listener(two, InnerProtocol::Http1),
        ]
    };
    let taken = TcpListener::bind(two).unwrap();
    let failed = gateway.set_inner(both());
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].0, two);
    drop(taken);
    assert!(gateway.set_inner(both()).is_empty());
    assert_eq!(Wire::to(two).await.get("x", "/").await.text(), "hello");
    assert!(gateway.set_inner(Vec::new()).is_empty());
    let mut refused = false;
    for _ in 0..100 {
        refused = TcpStream::connect(one).await.is_err();
        if refused {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(refused, "it listens still");
}

/// Bytes that tell their place.
fn body(length: usize, seed: usize) -> Vec<u8> {
    (0..length)
        .map(|at| ((at * 31 + at / 251) ^ seed) as u8)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_pass_whole_both_ways_at_the_readers_pace() {
    const LENGTH: usize = 24 << 20;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let instance = listener.local_addr().unwrap();
    // Reads slowly at first; answers while it reads, and to the end after the client has said all.
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (mut read, mut write) = stream.into_split();
        let answer = tokio::spawn(async move {
            write.write_all(&body(LENGTH, 2)).await.unwrap();
            write
        });
        let (mut seen, mut buffer) = (Vec::new(), vec![0; 100_000]);
        loop {
            let count = read.read(&mut buffer).await.unwrap();
            if count == 0 {
                break;
            }
            seen.extend_from_slice(&buffer[..count]);
            if seen.len() < 1 << 20 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        let mut write = answer.await.unwrap();
        let whole = seen == body(LENGTH, 1);
        write
            .write_all(if whole { b"whole" } else { b"broken" })
            .await
            .unwrap();
    });
    let address = free();
    let gateway = gateway(GatewayConfig::default());
    let endpoint = Endpoint {
        instance: "api-0".parse().unwrap(),
        address: instance,
    };
    gateway.set_endpoints(&endpoints([(
        "shop/api/http",
        BackendState::Serving {
            endpoints: vec![endpoint],
        },
    )]));
    assert!(
        gateway
            .set_inner(vec![self::listener(address, InnerProtocol::Tcp)])
            .is_empty()
    );
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let asks = tokio::spawn(async move {
        write.write_all(&body(LENGTH, 1)).await.unwrap();
        write.shutdown().await.unwrap();
    });
    let mut said = Vec::new();
    read.read_to_end(&mut said).await.unwrap();
    asks.await.unwrap();
    assert_eq!(said.len(), LENGTH + 5);
    assert!(said[..LENGTH] == body(LENGTH, 2));
    assert_eq!(&said[LENGTH..], b"whole");
    let totals = || {
        let totals = gateway.metrics().routes[0].traffic.totals.clone();
        (
            totals.requests(),
            totals.received as usize,
            totals.sent as usize,
        )
    };
    until("every byte is counted", || {
        totals() == (1, LENGTH, LENGTH + 5)
    })
    .await;
}
