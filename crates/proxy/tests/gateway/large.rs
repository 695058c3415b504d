//! Large answers, which the kernel moves past the gateway: whole, in order, at the reader's pace, and never complete when they are not.

use std::time::Duration;

use pluvio_model::route::Milliseconds;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::*;

const MIB: usize = 1 << 20;
/// About the size from which answers are moved, and far from it.
const SIZES: [usize; 9] = [
    0,
    1,
    256 * 1024 - 1,
    256 * 1024,
    256 * 1024 + 1,
    MIB,
    3 * MIB + 7,
    5,
    9 * MIB + 1,
];

/// No two places within a few megabytes look alike.
fn body(length: usize) -> Vec<u8> {
    let words = (0..length.div_ceil(4) as u32).map(|at| at.wrapping_mul(2_654_435_761));
    let mut bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
    bytes.truncate(length);
    bytes
}

/// `/N` is answered with N bytes, sent in pieces that grow, with pauses; connections are kept.
async fn sized() -> Origin {
    Origin::raw(|mut stream| async move {
        while let Some(head) = read_head(&mut stream).await {
            let path = head.split(' ').nth(1).unwrap();
            let length: usize = path.trim_start_matches('/').parse().unwrap();
            let all = body(length);
            let told = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
            stream.write_all(told.as_bytes()).await.unwrap();
            let (mut rest, mut piece) = (&all[..], 777);
            while !rest.is_empty() {
                let (now, later) = rest.split_at(piece.min(rest.len()));
                if stream.write_all(now).await.is_err() {
                    return;
                }
                if piece < 100_000 {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                (rest, piece) = (later, piece * 3);
            }
        }
    })
    .await
}

#[tokio::test]
async fn answers_of_every_size_pass_whole_one_after_the_other() {
    let origin = sized().await;
    let gateway = gateway_to(&[&origin]);
    let mut wire = Wire::open(&gateway).await;
    for size in SIZES {
        let reply = wire.get("a.test", &format!("/{size}")).await;
        assert_eq!(reply.status, 200);
        assert!(reply.body == body(size), "{size}");
    }
    // Both were asked for before the first was read.
    let two = [4 * MIB + 3, 2 * MIB];
    for size in two {
        wire.send(format!("GET /{size} HTTP/1.1\r\nhost: a.test\r\n\r\n"))
            .await;
    }
    for size in two {
        let reply = wire.reply().await.unwrap();
        assert!(reply.body == body(size), "{size}");
    }
    assert_eq!(
        origin.connections.load(std::sync::atomic::Ordering::SeqCst),
        1,
        "its connection is used again"
    );
}

#[tokio::test]
async fn a_reader_that_pauses_is_waited_for() {
    let origin = sized().await;
    let gateway = gateway(pluvio_proxy::GatewayConfig::default());
    let mut slow = route("a.test", "/", "shop/web/http");
    slow.limits.idle = Milliseconds(300);
    gateway.set_routes(&table(vec![slow]));
    gateway.set_endpoints(&endpoints([("shop/web/http", serving(&[&origin]))]));
    let size = 40 * MIB;
    let mut wire = Wire::open(&gateway).await;
    wire.send(format!("GET /{size} HTTP/1.1\r\nhost: a.test\r\n\r\n"))
        .await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let reply = wire.reply().await.unwrap();
    assert!(reply.body == body(size));
}

#[tokio::test]
async fn an_answer_that_is_cut_within_is_not_shown_as_complete() {
    let origin = Origin::raw(|mut stream| async move {
        read_head(&mut stream).await.unwrap();
        let told = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 4 * MIB);
        stream.write_all(told.as_bytes()).await.unwrap();
        stream.write_all(&body(2 * MIB)).await.unwrap();
    })
    .await;
    let gateway = gateway_to(&[&origin]);
    let mut wire = Wire::open(&gateway).await;
    wire.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").await;
    let mut seen = Vec::new();
    let end = wire.stream.read_to_end(&mut seen).await;
    let at = seen
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap()
        + 4;
    let got = &seen[at..];
    assert!(got.len() < 4 * MIB, "{end:?}");
    assert!(got == &body(2 * MIB)[..got.len()]);
}

#[tokio::test]
async fn a_client_that_leaves_within_ends_it() {
    let origin = sized().await;
    let gateway = gateway_to(&[&origin]);
    let instance = origin.endpoint().instance;
    let mut wire = Wire::open(&gateway).await;
    wire.send(format!(
        "GET /{} HTTP/1.1\r\nhost: a.test\r\n\r\n",
        64 * MIB
    ))
    .await;
    let mut some = vec![0; MIB];
    wire.stream.read_exact(&mut some).await.unwrap();
    assert_eq!(gateway.in_flight(&instance), 1);
    drop(wire);
    until("nothing is in flight", || gateway.in_flight(&instance) == 0).await;
    // The next one is not shown what was left of it.
    let reply = get(&gateway, "a.test", "/1000000").await;
    assert!(reply.body == body(1_000_000));
}
