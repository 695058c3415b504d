//! What stays open: events that go on where they ended, and an end with the permission.

use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use http::{Method, header};
use http_body_util::BodyExt;
use pluvio_api::client::{Address, Client};
use pluvio_model::permission::Role;
use pluvio_store::{AuditFilter, NewApplication, PageRequest};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;
use tower::ServiceExt;

use crate::scene::{HOME, Scene, token};

/// Ids and names of a stream's events, as far as they come at once.
async fn events(scene: &Scene, path: &str, last: Option<&str>) -> Vec<(Option<String>, String)> {
    let mut request = Scene::request(Method::GET, path, &scene.owner, None);
    if let Some(last) = last {
        request
            .headers_mut()
            .insert("last-event-id", last.parse().unwrap());
    }
    let answer = scene.send(request).await;
    assert_eq!(
        answer.headers[header::CONTENT_TYPE],
        "text/event-stream",
        "{answer:?}"
    );
    let field = |event: &str, name: &str| {
        event
            .lines()
            .find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
    };
    let all = answer.text.split("\n\n");
    all.filter_map(|event| Some((field(event, "id:"), field(event, "event:")?)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_after_the_last_event_that_was_seen() {
    let scene = Scene::new().await;
    let path = format!("{HOME}/events");
    let fresh = events(&scene, &path, None).await;
    assert_eq!(fresh[0].1, "hello");
    assert!(
        fresh.iter().all(|(_, name)| name != "operation"),
        "{fresh:?}"
    );
    assert!(
        fresh.iter().any(|(_, name)| name == "application"),
        "what is there now: {fresh:?}"
    );
    let old = events(&scene, &path, Some("0")).await;
    let first = old
        .iter()
        .find(|(_, name)| name == "operation")
        .expect("what was missed");
    let rest = events(&scene, &path, first.0.as_deref()).await;
    assert!(!rest.contains(first), "{rest:?}");
    let beyond = events(&scene, &path, Some("18446744073709551615")).await;
    assert_eq!(beyond[0].0, fresh[0].0, "of another database");
    let operation = format!("/api/v1/operations/{}/events", scene.operation.id);
    assert_eq!(events(&scene, &operation, None).await[0].1, "operation");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_application_is_told_of_however_many_there_are() {
    let scene = Scene::new().await;
    let place = scene.store.scope("main", "production").await.unwrap();
    for number in 0..230 {
        let new = NewApplication {
            scope: place.clone(),
            name: format!("app-{number}").parse().unwrap(),
            display_name: None,
        };
        scene.store.create_application(new, "test").await.unwrap();
    }
    let told = events(&scene, &format!("{HOME}/events"), None).await;
    let of = |name: &str| told.iter().filter(|(_, event)| event == name).count();
    assert_eq!((of("application"), of("application-gone")), (231, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stream_says_that_it_is_there() {
    let scene = Scene::new().await;
    let address = Address::Tcp(scene.listen().await.to_string());
    let client = Client::new(address, Some(scene.owner.clone()));
    let path = format!("{HOME}/events");
    let mut events = client.events(&path, None).await.unwrap();
    let beat = async {
        while let Some(event) = events.next().await {
            if event.unwrap().event == "heartbeat" {
                return;
            }
        }
        panic!("it ended");
    };
    tokio::time::timeout(Duration::from_secs(20), beat)
        .await
        .expect("a heartbeat every ten seconds");
}

/// Ends within ten seconds, and not before it should.
async fn ends(what: &str, end: impl Future<Output = ()>) {
    let start = Instant::now();
    tokio::time::timeout(Duration::from_secs(10), end)
        .await
        .unwrap_or_else(|_| panic!("{what} stays open"));
    assert!(
        start.elapsed() > Duration::from_millis(500),
        "{what} ended by itself"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_ends_what_it_opened() {
    let scene = Scene::new().await;
    let address = Address::Tcp(scene.listen().await.to_string());
    let owner = scene.store.home().owner;
    let (row, text) = token(&scene.store, owner, Role::Owner).await;
    let client = Client::new(address, Some(text));
    let exec = format!("{HOME}/applications/shop/instances/1/exec?tty=true");
    let mut terminal = client.websocket(&exec).await.unwrap();
    assert_eq!(
        terminal.next().await.unwrap().unwrap(),
        Message::Binary("$ ".into())
    );
    let mut silent = client.websocket(&exec).await.unwrap();
    let mut lines = client
        .lines::<Value>(&format!("{HOME}/applications/shop/logs?follow=true"))
        .await
        .unwrap();
    assert_eq!(lines.next().await.unwrap().unwrap()["text"], "hello");
    let mut events = client
        .events(&format!("{HOME}/events"), None)
        .await
        .unwrap();
    let operation = format!("/api/v1/operations/{}/events", scene.operation.id);
    let mut operation = client.events(&operation, None).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    terminal.send(Message::Binary("ls\n".into())).await.unwrap();
    scene
        .store
        .revoke_token(owner, row.id, "test")
        .await
        .unwrap();
    tokio::join!(
        ends("the terminal", async {
            let last = terminal.next().await.unwrap().unwrap();
            assert!(matches!(last, Message::Close(Some(frame)) if u16::from(frame.code) == 1008));
        }),
        ends("a terminal that nobody reads", async {
            while silent.send(Message::Ping("".into())).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }),
        ends("the log", async { while lines.next().await.is_some() {} }),
        ends("the environment's events", async {
            while events.next().await.is_some() {}
        }),
        ends("the operation's events", async {
            while operation.next().await.is_some() {}
        }),
    );
    let audit = scene
        .store
        .audit_records(&AuditFilter::default(), &PageRequest::default())
        .await
        .unwrap();
    let row = audit
        .items
        .iter()
        .find(|row| row.action == "instance:exec")
        .expect("who opened a terminal is told");
    assert!(
        row.object.contains("shop--web--1") && row.actor == "owner",
        "{row:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_session_ends_what_it_opened() {
    let scene = Scene::new().await;
    let opened = scene
        .store
        .open_session(
            scene.store.home().owner,
            Duration::from_secs(60),
            Duration::from_secs(60),
        )
        .await
        .unwrap();
    let mut request = Scene::request(Method::GET, &format!("{HOME}/events"), "", None);
    request.headers_mut().insert(
        header::COOKIE,
        format!("pluvio_session={}", opened.token).parse().unwrap(),
    );
    let mut body = scene
        .router
        .clone()
        .oneshot(request)
        .await
        .unwrap()
        .into_body();
    assert!(body.frame().await.is_some());
    tokio::time::sleep(Duration::from_secs(1)).await;
    scene.store.close_session(&opened.token).await.unwrap();
    ends("the events", async {
        while body.frame().await.is_some() {}
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_machine_itself_needs_no_token_and_a_wrong_one_is_wrong() {
    let scene = Scene::new().await;
    let _ = scene.listen().await;
    let session = |token: Option<&str>| {
        let client = Client::new(Address::Socket(scene.socket()), token.map(str::to_owned));
        async move { client.get::<Value>("/api/v1/session").await }
    };
    assert_eq!(session(None).await.unwrap()["user"]["name"], "owner");
    assert_eq!(
        session(Some("pluvio_wrong")).await.unwrap_err().code,
        "auth.invalid"
    );
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(scene.socket())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}
