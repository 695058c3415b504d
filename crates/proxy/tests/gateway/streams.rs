//! Bodies of any size and answers without an end pass in both directions at once, and nobody's slowness fills the memory (G5).

use std::{
    future::Future,
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::{Response, body::Frame};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::*;

const MIB: usize = 1 << 20;

/// Sends every request's body back as it comes.
async fn echo() -> Origin {
    Origin::http(|request| async move {
        let body = request.into_body().map_err(std::io::Error::other);
        Response::new(body.boxed_unsync())
    })
    .await
}

fn pattern(at: usize) -> u8 {
    (at.wrapping_mul(2_654_435_761) >> 13) as u8
}

#[tokio::test]
async fn a_hundred_megabytes_pass_both_ways_at_once() {
    let origin = echo().await;
    let gateway = gateway_to(&[&origin]);
    let total = 100 * MIB;
    let wire = Wire::open(&gateway).await;
    let (mut reader, mut writer) = wire.stream.into_split();
    let sending = tokio::spawn(async move {
        let head = format!("POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: {total}\r\n\r\n");
        writer.write_all(head.as_bytes()).await.unwrap();
        let piece: Vec<u8> = (0..MIB).map(pattern).collect();
        for _ in 0..total / MIB {
            writer.write_all(&piece).await.unwrap();
        }
        writer
    });
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(reader.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(
        head.contains(&format!("content-length: {total}\r\n")),
        "{head}"
    );
    let piece: Vec<u8> = (0..MIB).map(pattern).collect();
    let mut received = vec![0; MIB];
    for _ in 0..total / MIB {
        reader.read_exact(&mut received).await.unwrap();
        assert!(received == piece);
    }
    sending.await.unwrap();
}

#[tokio::test]
async fn an_instance_that_does_not_read_slows_the_client_down() {
    let origin = Origin::raw(|mut stream| async move {
        read_head(&mut stream).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let gateway = gateway_to(&[&origin]);
    let mut wire = Wire::open(&gateway).await;
    wire.send("POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 1000000000\r\n\r\n")
        .await;
    let piece = vec![0; MIB];
    let mut taken = 0;
    while let Ok(written) =
        tokio::time::timeout(Duration::from_millis(500), wire.stream.write(&piece)).await
    {
        taken += written.unwrap();
        assert!(taken < 64 * MIB, "somebody stores it");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_slows_the_instance_down() {
    let sent = Arc::new(AtomicU64::new(0));
    let counter = sent.clone();
    let origin = Origin::raw(move |mut stream| {
        let counter = counter.clone();
        async move {
            read_head(&mut stream).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let piece = vec![0; MIB];
            while let Ok(written) = stream.write(&piece).await {
                counter.fetch_add(written as u64, Ordering::SeqCst);
            }
        }
    })
    .await;
    let gateway = gateway_to(&[&origin]);
    let mut wire = Wire::open(&gateway).await;
    wire.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").await;
    let mut before = u64::MAX;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = sent.load(Ordering::SeqCst);
        assert!(now < 64 * MIB as u64, "somebody stores it");
        if now == before && now > 0 {
            break;
        }
        before = now;
    }
}

#[tokio::test]
async fn events_arrive_as_they_are_sent() {
    let (events, waiting) =
        futures::channel::mpsc::unbounded::<Result<Frame<Bytes>, std::io::Error>>();
    let waiting = Arc::new(std::sync::Mutex::new(Some(waiting)));
    let origin = Origin::http(move |_| {
        let stream = waiting.lock().unwrap().take().unwrap();
        async move {
            let mut answer = Response::new(StreamBody::new(stream).boxed_unsync());
            answer
                .headers_mut()
                .insert("content-type", "text/event-stream".parse().unwrap());
            answer
        }
    })
    .await;
    let gateway = gateway_to(&[&origin]);
    let mut wire = Wire::open(&gateway).await;
    wire.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").await;
    let mut seen = String::new();
    for n in 0..5 {
        let event = format!("data: {n}\n\n");
        events
            .unbounded_send(Ok(Frame::data(event.clone().into())))
            .unwrap();
        // Each is here before the next is sent.
        while !seen.contains(&event) {
            wire.fill().await.unwrap();
            seen.push_str(&String::from_utf8(wire.rest()).unwrap());
        }
    }
    assert!(
        seen.to_lowercase()
            .contains("content-type: text/event-stream\r\n")
    );
}

#[tokio::test]
async fn an_answer_may_come_before_the_request_has_ended() {
    let origin = Origin::raw(|mut stream| async move {
        read_head(&mut stream).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
            .await
            .unwrap();
        // Closing with bytes unread would reset the connection and the answer with it.
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await;
    let gateway = gateway_to(&[&origin]);
    let mut wire = Wire::open(&gateway).await;
    wire.send("POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 1000000\r\n\r\npart")
        .await;
    let reply = wire.reply().await.unwrap();
    assert_eq!((reply.status, reply.text()), (413, "no"));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_never_shown_as_complete() {
    let origin = Origin::raw(|mut stream| async move {
        read_head(&mut stream).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
            .await
            .unwrap();
    })
    .await;
    let gateway = gateway_to(&[&origin]);
    let mut wire = Wire::open(&gateway).await;
    wire.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").await;
    let mut seen = Vec::new();
    while wire.fill().await.is_some() {
        seen.extend(wire.rest());
    }
    let seen = String::from_utf8(seen).unwrap();
    assert!(
        seen.contains("hello") && !seen.contains("\r\n0\r\n"),
        "{seen}"
    );
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_along() {
    let gone = Arc::new(AtomicU64::new(0));
    let counter = gone.clone();
    let origin = Origin::raw(move |mut stream| {
        let counter = counter.clone();
        async move {
            read_head(&mut stream).await.unwrap();
            // The end of the connection is how an instance learns of it.
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            counter.fetch_add(1, Ordering::SeqCst);
        }
    })
    .await;
    let gateway = gateway_to(&[&origin]);
    let instance = origin.endpoint().instance;
    let mut wire = Wire::open(&gateway).await;
    wire.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").await;
    until("it is in flight", || gateway.in_flight(&instance) == 1).await;
    drop(wire);
    until("the instance was told", || gone.load(Ordering::SeqCst) == 1).await;
    assert_eq!(gateway.in_flight(&instance), 0);
}

/// How a body's end is told.
#[derive(Debug, Clone, Copy)]
enum Framing {
    Length,
    Chunked,
    Close,
}

/// A message's bytes after its head, and the header that announces them.
fn framed(framing: Framing, pieces: &[usize]) -> (String, Vec<u8>, Vec<u8>) {
    let total = pieces.iter().sum();
    let body: Vec<u8> = (0..total).map(pattern).collect();
    match framing {
        Framing::Length => (format!("content-length: {total}\r\n"), body.clone(), body),
        Framing::Close => ("connection: close\r\n".to_owned(), body.clone(), body),
        Framing::Chunked => {
            let mut coded = Vec::new();
            let mut rest = &body[..];
            for size in pieces.iter().filter(|size| **size > 0) {
                coded.extend(format!("{size:X}\r\n").into_bytes());
                coded.extend(&rest[..*size]);
                coded.extend(b"\r\n");
                rest = &rest[*size..];
            }
            coded.extend(b"0\r\n\r\n");
            ("transfer-encoding: chunked\r\n".to_owned(), coded, body)
        }
    }
}

impl Wire {
    /// Sends a request in pieces while its answer is read: the instance may send back what it has not wholly read.
    async fn exchange(&mut self, request: &[u8], cuts: &[usize]) -> Reply {
        let copy = self.stream.as_fd().try_clone_to_owned().unwrap();
        let mut writer = tokio::net::TcpStream::from_std(std::net::TcpStream::from(copy)).unwrap();
        let (reply, ()) = tokio::join!(self.reply(), write_in_pieces(&mut writer, request, cuts));
        reply.unwrap()
    }
}

/// Writes in pieces that the other side sees apart.
async fn write_in_pieces(stream: &mut tokio::net::TcpStream, bytes: &[u8], cuts: &[usize]) {
    let mut rest = bytes;
    for cut in cuts {
        let (piece, tail) = rest.split_at((*cut).min(rest.len()));
        stream.write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
        rest = tail;
    }
    stream.write_all(rest).await.unwrap();
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    let size = prop_oneof![0usize..20, 4090usize..4100, Just(70_000), Just(140_000)];
    prop::collection::vec(size, 0..6)
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1usize..8, 1usize..400, 4000usize..9000], 0..12)
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn however_a_request_is_cut_and_framed_its_body_arrives_whole(
        chunked in any::<bool>(), pieces in sizes(), cuts in cuts(),
    ) {
        run(async {
            let origin = echo().await;
            let gateway = gateway_to(&[&origin]);
            let framing = if chunked { Framing::Chunked } else { Framing::Length };
            let (header, coded, body) = framed(framing, &pieces);
            let mut request = format!("POST / HTTP/1.1\r\nhost: a.test\r\n{header}\r\n").into_bytes();
            request.extend(coded);
            // Twice on one connection: the first ends exactly where it should.
            let mut wire = Wire::open(&gateway).await;
            for _ in 0..2 {
                let reply = wire.exchange(&request, &cuts).await;
                assert_eq!(reply.status, 200);
                assert!(reply.body == body);
            }
        });
    }

    #[test]
    fn however_an_answer_is_cut_and_framed_its_body_arrives_whole(
        framing in prop_oneof![Just(Framing::Length), Just(Framing::Chunked), Just(Framing::Close)],
        pieces in sizes(),
        cuts in cuts(),
    ) {
        run(async {
            let (header, coded, body) = framed(framing, &pieces);
            let mut answer = format!("HTTP/1.1 200 OK\r\n{header}\r\n").into_bytes();
            answer.extend(coded);
            let answer = Arc::new((answer, cuts));
            let origin = Origin::raw(move |mut stream| {
                let answer = answer.clone();
                async move {
                    while read_head(&mut stream).await.is_some() {
                        write_in_pieces(&mut stream, &answer.0, &answer.1).await;
                        if matches!(framing, Framing::Close) {
                            break;
                        }
                    }
                }
            })
            .await;
            let gateway = gateway_to(&[&origin]);
            let mut wire = Wire::open(&gateway).await;
            for _ in 0..3 {
                let reply = wire.get("a.test", "/").await;
                assert_eq!(reply.status, 200);
                assert!(reply.body == body);
            }
        });
    }
}
