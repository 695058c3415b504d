//! The node as control has it: over its socket.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use pluvio_node::Client;
use pluvio_runtime::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::scene::{Part, Scene, image};

pub(crate) async fn control_speaks_to_the_node_over_its_socket(mut scene: Scene) {
    // The binary's own way: a node that finds its engine, and nothing but the socket to speak to it.
    scene.kill_node().await;
    let mut config = scene.config.clone();
    config.engine = Some(scene.driver.engine().socket().to_owned());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(pluvio_node::run(config.clone(), async move {
        let _ = stopped.await;
    }));
    let client = Client::new(config.socket());
    assert!(matches!(
        Client::new("/nowhere.sock").facts().await,
        Err(RuntimeError::Unreachable(_))
    ));
    let mut changes = client.changes();
    changes.changed().await.unwrap();
    let facts = loop {
        if let Ok(facts) = client.facts().await {
            break facts;
        }
        changes.changed().await.unwrap();
    };
    let mut stage = scene.stage(&Part::new("one"));
    stage.cluster = facts.cluster;
    client.apply(&stage).await.unwrap();
    client.apply(&stage).await.unwrap();
    let scope = Scope::Application(scene.application);
    let instance = loop {
        let mut seen = client.observe(scope).await.unwrap();
        let seen = seen
            .applications
            .remove(&scene.application)
            .unwrap_or_default();
        if seen.settled {
            break seen.components["web"].instances[0].name.clone();
        }
        tokio::time::timeout(Duration::from_secs(30), changes.changed())
            .await
            .unwrap()
            .unwrap();
    };
    let mut older = stage.clone();
    older.generation.0 -= 1;
    assert!(matches!(
        client.apply(&older).await,
        Err(RuntimeError::Stale { .. })
    ));

    let request = |command: &str| ExecRequest {
        application: scene.application,
        instance: instance.clone(),
        container: None,
        command: vec!["sh".into(), "-c".into(), command.into()],
        tty: false,
        size: None,
    };
    let session = client
        .exec(request("cat; echo oops >&2; exit 7"))
        .await
        .unwrap();
    session
        .input
        .send(ExecInput::Bytes(Bytes::from_static(b"hello")))
        .await
        .unwrap();
    session.input.send(ExecInput::End).await.unwrap();
    let (mut out, mut err, mut code) = (Vec::new(), Vec::new(), None);
    let mut output = session.output;
    while let Some(item) = output.next().await {
        match item {
            ExecOutput::Out(bytes) => out.extend_from_slice(&bytes),
            ExecOutput::Err(bytes) => err.extend_from_slice(&bytes),
            ExecOutput::Exit(exit) => code = Some(exit),
        }
    }
    assert_eq!(
        (out.as_slice(), err.as_slice(), code),
        (&b"hello"[..], &b"oops\n"[..], Some(7))
    );

    let mut stream = client
        .connect(scene.application, &instance, 8080)
        .await
        .unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("one"), "{answer}");
    assert!(matches!(
        client.connect(scene.application, &instance, 9).await,
        Err(RuntimeError::Refused(_))
    ));
    assert!(matches!(
        client
            .exec(ExecRequest {
                instance: "nobody".into(),
                ..request("true")
            })
            .await,
        Err(RuntimeError::NotFound { .. })
    ));

    assert!(client.image(&image()).await.unwrap().is_some());
    assert!(
        client
            .image("localhost/not/there:1")
            .await
            .unwrap()
            .is_none()
    );
    assert!(client.volumes(Scope::All).await.unwrap().is_empty());
    let query = LogQuery {
        application: scene.application,
        component: None,
        instance: Some(instance.clone()),
        container: None,
        since: None,
        until: None,
        contains: Some("listens".to_owned()),
        tail: None,
        follow: true,
    };
    let mut lines = client.logs(query).await.unwrap();
    let line = tokio::time::timeout(Duration::from_secs(5), lines.next())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(line.text, "listens on 8080");
    assert_eq!(scene.get("/").await, Ok((200, "one".to_owned())));
    let metrics = client.metrics().await.unwrap();
    assert_eq!(
        (metrics.routes[0].route.as_str(), metrics.routes[0].requests),
        ("web", 1)
    );
    let health = client.health().await.unwrap();
    assert_eq!(
        (health.applications, health.engine, health.listen),
        (1, None, config.listen.clone())
    );
    let mut usage = client.usage(scene.application, true).await.unwrap();
    let began = std::time::Instant::now();
    while usage
        .get(&instance)
        .is_none_or(|samples| samples[0].memory_bytes == 0)
    {
        assert!(began.elapsed() < Duration::from_secs(15));
        tokio::time::sleep(Duration::from_millis(250)).await;
        usage = client.usage(scene.application, true).await.unwrap();
    }

    stage.generation.0 += 1;
    stage.wish = pluvio_model::stage::Wish::Gone;
    client.apply(&stage).await.unwrap();
    let gone = |seen: &pluvio_model::observed::ObservedApplication| {
        seen.settled && seen.generation == stage.generation
    };
    while !gone(&client.observe(scope).await.unwrap().applications[&scene.application]) {
        tokio::time::timeout(Duration::from_secs(30), changes.changed())
            .await
            .unwrap()
            .unwrap();
    }
    drop(lines);
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(10), running)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(matches!(
        client.health().await,
        Err(RuntimeError::Unreachable(_))
    ));
    scene.close().await;
}
