//! What clients and instances speak passes through as it is.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::{Request, Response, body::Frame, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use pluvio_proxy::{GatewayConfig, Network};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use crate::support::*;

/// An instance that tells what it was sent.
async fn mirror() -> Origin {
    Origin::http(|request| async move {
        let (parts, body) = request.into_parts();
        let mut seen: Vec<String> = parts
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        seen.sort();
        let body = body.collect().await.unwrap();
        let trailers = body.trailers().cloned().unwrap_or_default();
        let sum = trailers
            .get("x-sum")
            .map(|sum| sum.to_str().unwrap().to_owned());
        let seen = format!(
            "{} {} {:?}\n{}\n\n{}{}",
            parts.method,
            parts.uri,
            parts.version,
            seen.join("\n"),
            String::from_utf8(body.to_bytes().to_vec()).unwrap(),
            sum.map(|sum| format!("|{sum}")).unwrap_or_default(),
        );
        Response::new(text(seen))
    })
    .await
}

#[tokio::test]
async fn requests_arrive_as_they_were_sent_with_the_client_told() {
    let origin = mirror().await;
    let gateway = gateway_to(&[&origin]);
    let mut wire = Wire::open(&gateway).await;
    wire.send(
        "POST /a/../b?c=%20d HTTP/1.1\r\nHost: a.test:8080\r\nX-Forwarded-For: 6.6.6.6\r\n\
         Connection: keep-alive, x-hop\r\nX-Hop: 1\r\nX-Kept: 2\r\nContent-Length: 5\r\n\r\nhello",
    )
    .await;
    let reply = wire.reply().await.unwrap();
    assert_eq!(
        reply.text(),
        "POST /a/../b?c=%20d HTTP/1.1\ncontent-length: 5\nhost: a.test:8080\nx-forwarded-for: 127.0.0.1\n\
         x-forwarded-host: a.test:8080\nx-forwarded-proto: http\nx-kept: 2\n\nhello"
    );
}

#[tokio::test]
async fn a_trusted_proxy_in_front_is_believed() {
    let origin = mirror().await;
    let gateway = gateway(GatewayConfig {
        trusted_proxies: vec!["127.0.0.0/8".parse::<Network>().unwrap()],
        ..GatewayConfig::default()
    });
    gateway.set_routes(&table(vec![route("a.test", "/", "shop/web/http")]));
    gateway.set_endpoints(&endpoints([("shop/web/http", serving(&[&origin]))]));
    let mut wire = Wire::open(&gateway).await;
    wire.send("GET / HTTP/1.1\r\nhost: a.test\r\nx-forwarded-for: 198.51.100.7\r\nx-forwarded-proto: https\r\n\r\n")
        .await;
    let reply = wire.reply().await.unwrap();
    assert!(
        reply
            .text()
            .contains("x-forwarded-for: 198.51.100.7, 127.0.0.1\n")
    );
    assert!(reply.text().contains("x-forwarded-proto: https\n"));
}

#[tokio::test]
async fn connections_are_kept_on_both_sides_and_requests_may_be_pipelined() {
    let origin = Origin::saying("hello").await;
    let gateway = gateway_to(&[&origin]);
    let mut wire = Wire::open(&gateway).await;
    for _ in 0..50 {
        assert_eq!(wire.get("a.test", "/").await.text(), "hello");
    }
    wire.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n".repeat(10))
        .await;
    for _ in 0..10 {
        assert_eq!(wire.reply().await.unwrap().text(), "hello");
    }
    assert_eq!(origin.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn heads_empty_answers_and_old_clients_are_answered_in_kind() {
    let origin = Origin::http(|request| async move {
        let status = request.uri().path()[1..].parse().unwrap();
        let mut answer = Response::new(text(if status == 200 { "body" } else { "" }));
        *answer.status_mut() = hyper::StatusCode::from_u16(status).unwrap();
        answer
    })
    .await;
    let gateway = gateway_to(&[&origin]);
    let mut wire = Wire::open(&gateway).await;
    wire.send("HEAD /200 HTTP/1.1\r\nhost: a.test\r\n\r\n")
        .await;
    wire.send("GET /204 HTTP/1.1\r\nhost: a.test\r\n\r\n").await;
    let mut reader = Vec::new();
    while String::from_utf8_lossy(&reader).matches("\r\n\r\n").count() < 2 {
        wire.fill().await.unwrap();
        reader.extend(wire.rest());
    }
    let both = String::from_utf8(reader).unwrap().to_lowercase();
    assert!(
        both.starts_with("http/1.1 200 ok\r\n") && both.contains("content-length: 4\r\n"),
        "{both}"
    );
    assert!(
        both.contains("http/1.1 204 no content\r\n") && !both.contains("body"),
        "{both}"
    );

    let mut old = Wire::open(&gateway).await;
    old.send("GET /200 HTTP/1.0\r\nhost: a.test\r\n\r\n").await;
    let reply = old.reply().await.unwrap();
    assert_eq!((reply.status, reply.text()), (200, "body"));
    assert!(old.closes_within(std::time::Duration::from_secs(5)).await);
}

#[tokio::test]
async fn an_answer_without_a_length_ends_with_its_connection() {
    let origin = Origin::raw(|mut stream| async move {
        use tokio::io::AsyncWriteExt;
        read_head(&mut stream).await.unwrap();
        stream
            .write_all(b"HTTP/1.0 200 OK\r\n\r\nto the end")
            .await
            .unwrap();
    })
    .await;
    let gateway = gateway_to(&[&origin]);
    let mut wire = Wire::open(&gateway).await;
    for _ in 0..2 {
        assert_eq!(wire.get("a.test", "/").await.text(), "to the end");
    }
}

#[tokio::test]
async fn chunks_and_trailers_pass_both_ways() {
    let origin = mirror().await;
    let gateway = gateway_to(&[&origin]);
    let mut wire = Wire::open(&gateway).await;
    wire.send(
        "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
         5\r\nhello\r\n7\r\n, world\r\n0\r\nx-sum: 12\r\n\r\n",
    )
    .await;
    let reply = wire.reply().await.unwrap();
    assert!(
        reply.text().ends_with("\n\nhello, world|12"),
        "{}",
        reply.text()
    );

    let origin = Origin::http(|_| async {
        let mut trailers = hyper::HeaderMap::new();
        trailers.insert("x-sum", "3".parse().unwrap());
        let frames = [
            Ok(Frame::data(Bytes::from_static(b"abc"))),
            Ok(Frame::trailers(trailers)),
        ];
        let mut answer =
            Response::new(StreamBody::new(futures::stream::iter(frames)).boxed_unsync());
        answer
            .headers_mut()
            .insert("trailer", "x-sum".parse().unwrap());
        answer
    })
    .await;
    gateway.set_endpoints(&endpoints([("shop/web/http", serving(&[&origin]))]));
    wire.send("GET / HTTP/1.1\r\nhost: a.test\r\nte: trailers\r\n\r\n")
        .await;
    let reply = wire.reply().await.unwrap();
    assert_eq!((reply.text(), reply.header("x-sum")), ("abc", Some("3")));
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_for_its_body_is_asked() {
    let origin = mirror().await;
    let gateway = gateway_to(&[&origin]);
    let mut wire = Wire::open(&gateway).await;
    wire.send(
        "PUT / HTTP/1.1\r\nhost: a.test\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n",
    )
    .await;
    assert_eq!(wire.reply().await.unwrap().status, 100);
    wire.send("abc").await;
    let reply = wire.reply().await.unwrap();
    assert!(reply.text().ends_with("\n\nabc"));
    assert!(!reply.text().contains("expect"));
}

async fn http2_client(gateway: &pluvio_proxy::Gateway) -> http2::SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address(gateway)).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

#[tokio::test]
async fn http2_clients_share_a_connection_and_instances_see_http1() {
    let origin = mirror().await;
    let gateway = gateway_to(&[&origin]);
    let client = http2_client(&gateway).await;
    let requests = (0..100).map(|n| {
        let mut client = client.clone();
        async move {
            let request = Request::post(format!("http://a.test/{n}"))
                .header("cookie", "a=1")
                .header("cookie", "b=2")
                .body(Full::from("body"))
                .unwrap();
            let answer = client.send_request(request).await.unwrap();
            assert_eq!(answer.status(), 200);
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let seen = String::from_utf8(body.to_vec()).unwrap();
            assert!(seen.starts_with(&format!("POST /{n} HTTP/1.1\n")), "{seen}");
            assert!(
                seen.contains("cookie: a=1; b=2\n") && seen.contains("host: a.test\n"),
                "{seen}"
            );
            assert!(seen.ends_with("\n\nbody"), "{seen}");
        }
    });
    futures::future::join_all(requests).await;
}

#[tokio::test]
async fn grpc_like_streams_pass_to_instances_that_speak_http2() {
    let origin = Origin::http(|request| async move {
        assert_eq!(request.version(), hyper::Version::HTTP_2);
        assert_eq!(request.headers()["te"], "trailers");
        // Answers each message as it comes, then trailers: both directions are open at once.
        let messages = request.into_body().map_err(std::io::Error::other);
        let mut trailers = hyper::HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        let body = messages
            .into_data_stream()
            .map(|data| data.map(Frame::data));
        let end = futures::stream::iter([Ok(Frame::trailers(trailers))]);
        Response::new(StreamBody::new(body.chain(end)).boxed_unsync())
    })
    .await;
    let gateway = gateway(GatewayConfig::default());
    gateway.set_routes(&table(vec![over_http2(route(
        "a.test",
        "/",
        "shop/grpc/api",
    ))]));
    gateway.set_endpoints(&endpoints([("shop/grpc/api", serving(&[&origin]))]));

    let stream = TcpStream::connect(address(&gateway)).await.unwrap();
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let (mut messages, received) =
        futures::channel::mpsc::channel::<Result<Frame<Bytes>, std::io::Error>>(1);
    let request = Request::post("http://a.test/chat")
        .header("te", "trailers")
        .body(StreamBody::new(received))
        .unwrap();
    let mut answer = client.send_request(request).await.unwrap().into_body();
    for message in ["one", "two", "three"] {
        messages
            .send(Ok(Frame::data(message.into())))
            .await
            .unwrap();
        let echoed = answer.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(echoed, message);
    }
    drop(messages);
    let trailers = answer
        .frame()
        .await
        .unwrap()
        .unwrap()
        .into_trailers()
        .unwrap();
    assert_eq!(trailers["grpc-status"], "0");
}

/// Accepts a WebSocket and sends everything back.
async fn echo() -> Origin {
    Origin::raw(|stream| async move {
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() || socket.send(message).await.is_err() {
                break;
            }
        }
    })
    .await
}

#[tokio::test]
async fn websockets_pass_and_count_as_in_flight() {
    let origin = echo().await;
    let gateway = gateway_to(&[&origin]);
    let instance = origin.endpoint().instance;
    let mut request = format!("ws://{}/chat", address(&gateway))
        .into_client_request()
        .unwrap();
    request
        .headers_mut()
        .insert("host", "a.test".parse().unwrap());
    let stream = TcpStream::connect(address(&gateway)).await.unwrap();
    let (mut socket, answer) = tokio_tungstenite::client_async(request, stream)
        .await
        .unwrap();
    assert_eq!(answer.status(), 101);
    for size in [1usize, 1000, 100_000] {
        let message = Message::binary(vec![7u8; size]);
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    assert_eq!(gateway.in_flight(&instance), 1);
    socket.close(None).await.unwrap();
    drop(socket);
    until("the tunnel is gone", || gateway.in_flight(&instance) == 0).await;
}

#[tokio::test]
async fn an_upgrade_that_the_instance_declines_is_an_ordinary_answer() {
    let origin = Origin::saying("no socket here").await;
    let gateway = gateway_to(&[&origin]);
    let mut wire = Wire::open(&gateway).await;
    wire.send(
        "GET / HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    )
    .await;
    assert_eq!(wire.reply().await.unwrap().text(), "no socket here");
    assert_eq!(wire.get("a.test", "/").await.text(), "no socket here");
}
