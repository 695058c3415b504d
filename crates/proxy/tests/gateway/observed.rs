//! What passed is counted and written down.

use std::time::Duration;

use hyper::Response;
use pluvio_proxy::{AccessLog, GatewayConfig};

use crate::support::*;

#[tokio::test]
async fn routes_and_backends_are_counted() {
    let origin = Origin::http(|request| async move {
        let status = request.uri().path()[1..].parse().unwrap();
        let mut answer = Response::new(text("12345"));
        *answer.status_mut() = hyper::StatusCode::from_u16(status).unwrap();
        answer
    })
    .await;
    let gateway = gateway_to(&[&origin]);
    let mut wire = Wire::open(&gateway).await;
    for status in [200, 200, 200, 404, 500] {
        assert_eq!(
            wire.get("a.test", &format!("/{status}")).await.status,
            status
        );
    }
    wire.send("POST /201 HTTP/1.1\r\nhost: a.test\r\ncontent-length: 4\r\n\r\nbody")
        .await;
    wire.reply().await.unwrap();
    assert_eq!(wire.get("x.test", "/").await.status, 404);

    let metrics = gateway.metrics();
    assert_eq!(metrics.connections, 1);
    assert_eq!(metrics.unrouted.unwrap().totals.classes, [0, 0, 0, 0, 1, 0]);
    for traffic in [&metrics.routes[0].traffic, &metrics.backends[0].traffic] {
        assert_eq!(traffic.totals.classes, [0, 0, 4, 0, 1, 1]);
        assert_eq!((traffic.totals.sent, traffic.totals.received), (30, 4));
        assert_eq!(traffic.totals.active, 0);
        assert!(traffic.lately.requests_per_second > 0.0);
        assert!(traffic.lately.p95.unwrap() < Duration::from_secs(5));
        assert_eq!(traffic.totals.latency_buckets().last().unwrap().1, 6);
    }
    assert_eq!(metrics.backends[0].backend.to_string(), "shop/web/http");

    // Counters go on when the table is replaced, and end with their route.
    gateway.set_routes(&table(vec![route("a.test", "/", "shop/web/http")]));
    assert_eq!(gateway.metrics().routes[0].traffic.totals.requests(), 6);
    gateway.set_routes(&table(vec![]));
    assert!(gateway.metrics().routes.is_empty());
}

#[tokio::test]
async fn each_request_is_a_line_of_the_access_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let origin = Origin::saying("hello").await;
    let gateway = gateway(GatewayConfig {
        access_log: AccessLog::file(&path),
        ..GatewayConfig::default()
    });
    gateway.set_routes(&table(vec![route("a.test", "/", "shop/web/http")]));
    gateway.set_endpoints(&endpoints([("shop/web/http", serving(&[&origin]))]));
    let mut wire = Wire::open(&gateway).await;
    wire.send("GET /a?b=c HTTP/1.1\r\nhost: a.test\r\nuser-agent: \"quoted\\\" \u{e9}\r\n\r\n")
        .await;
    assert_eq!(wire.reply().await.unwrap().status, 200);
    wire.get("x.test", "/nowhere").await;
    drop(wire);
    gateway.shutdown(Duration::from_secs(5)).await;

    let log = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["method"], "GET");
    assert_eq!(lines[0]["host"], "a.test");
    // That there was a query is told; what it said is not.
    assert_eq!(
        (&lines[0]["path"], &lines[0]["query"]),
        (&"/a".into(), &true.into())
    );
    assert_eq!(lines[0]["status"], 200);
    assert_eq!(lines[0]["sent"], 5);
    assert_eq!(lines[0]["client"], "127.0.0.1");
    assert_eq!(lines[0]["application"], "shop");
    assert_eq!(lines[0]["route"], "route-shop-web-http");
    assert_eq!(lines[0]["instance"], origin.endpoint().instance.as_str());
    assert!(lines[0]["ms"].as_f64().unwrap() > 0.0);
    assert!(
        lines[0]["agent"]
            .as_str()
            .unwrap()
            .starts_with("\"quoted\\\" ")
    );
    assert_eq!(lines[1]["code"], "gateway.no-route");
    let time: jiff::Timestamp = lines[0]["time"].as_str().unwrap().parse().unwrap();
    assert!(jiff::Timestamp::now().duration_since(time).as_secs() < 60);
}
