//! What programs say, and what is kept of it.

use std::time::{Duration, Instant};

use futures::StreamExt;
use pluvio_runtime::{LogQuery, LogStream, Logs};

use crate::scene::{Part, Scene};

fn query(scene: &Scene) -> LogQuery {
    LogQuery {
        application: scene.application,
        component: None,
        instance: None,
        container: None,
        since: None,
        until: None,
        contains: None,
        tail: None,
        follow: false,
    }
}

async fn said(scene: &Scene, contains: &str) -> Vec<String> {
    let query = LogQuery {
        contains: Some(contains.to_owned()),
        ..query(scene)
    };
    let lines = scene.node().logs(query).await.unwrap();
    lines
        .filter(|line| std::future::ready(line.stream != LogStream::Pluvio))
        .map(|line| line.text)
        .collect()
        .await
}

pub(crate) async fn lines_survive_the_instance_and_come_once_however_the_node_restarts(
    mut scene: Scene,
) {
    scene.deploy(&Part::new("one")).await;
    scene.settled().await;
    let follow = LogQuery {
        follow: true,
        contains: Some("line-".to_owned()),
        ..query(&scene)
    };
    let mut live = scene.node().logs(follow).await.unwrap();
    for n in 0..5 {
        scene.get(&format!("/say/line-{n}")).await.unwrap();
    }
    for n in 0..5 {
        let line = tokio::time::timeout(Duration::from_secs(5), live.next())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (line.text, line.stream),
            (format!("line-{n}"), LogStream::Out)
        );
    }
    drop(live);
    scene.kill_node().await;
    scene.start_node();
    scene.settled().await;
    for n in 5..8 {
        scene.get(&format!("/say/line-{n}")).await.unwrap();
    }
    let all: Vec<String> = (0..8).map(|n| format!("line-{n}")).collect();
    let began = Instant::now();
    while said(&scene, "line-").await != all {
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{:?}",
            said(&scene, "line-").await
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The old instance is replaced, and what it said is still there.
    scene.deploy(&Part::new("two")).await;
    scene.settled().await;
    assert_eq!(said(&scene, "line-").await, all);
    let remarks: Vec<String> = scene
        .node()
        .logs(query(&scene))
        .await
        .unwrap()
        .filter(|line| std::future::ready(line.stream == LogStream::Pluvio))
        .map(|line| line.text)
        .collect()
        .await;
    assert!(remarks.iter().any(|text| text == "started"), "{remarks:?}");
    assert!(remarks.iter().any(|text| text == "ready"), "{remarks:?}");
    scene.close().await;
}
