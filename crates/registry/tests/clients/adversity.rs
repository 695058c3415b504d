//! Pushes that are cut off, that meet, that go on after a restart, that a collection runs beside.

use std::time::Duration;

use hyper::{Method, StatusCode};
use pluvio_registry::{Registry, Settings};
use tokio::io::AsyncWriteExt;

use crate::scene::{Scene, digest, settings};

/// Begins an upload; its path.
async fn begin(scene: &Scene, repository: &str) -> String {
    let begun = scene
        .ask(
            Method::POST,
            &format!("/v2/{repository}/blobs/uploads/"),
            "",
        )
        .await;
    assert_eq!(begun.status, StatusCode::ACCEPTED);
    begun.header("location").to_owned()
}

#[tokio::test]
async fn a_push_in_pieces_goes_on_where_it_was_also_in_another_process() {
    let scene = Scene::new().await;
    let whole: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    let upload = begin(&scene, "main/a").await;
    let first = scene
        .ask(Method::PATCH, &upload, whole[..250_000].to_vec())
        .await;
    assert_eq!(
        (first.status, first.header("range")),
        (StatusCode::ACCEPTED, "0-249999")
    );

    // What another process on the same data knows of it, it reads from the file.
    let other = Registry::new(scene.store.clone(), scene.blobs.clone(), settings());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let scene = scene.served_by(other, listener);
    let state = scene.ask(Method::GET, &upload, "").await;
    assert_eq!(
        (state.status, state.header("range")),
        (StatusCode::NO_CONTENT, "0-249999")
    );
    let twice = [
        ("content-range", "100-200"),
        ("content-type", "application/octet-stream"),
    ];
    let twice = scene
        .ask_as(
            Some(&scene.owner),
            Method::PATCH,
            &upload,
            &twice,
            vec![0; 101],
        )
        .await;
    assert_eq!(twice.status, StatusCode::RANGE_NOT_SATISFIABLE);
    let last = format!("{upload}?digest={}", digest(&whole));
    let kept = scene
        .ask(Method::PUT, &last, whole[250_000..].to_vec())
        .await;
    assert_eq!(kept.status, StatusCode::CREATED, "{}", kept.text());
    let back = scene.ask(Method::GET, kept.header("location"), "").await;
    assert_eq!(back.body, whole);
    let part = [("range", "bytes=100-199")];
    let part = scene
        .ask_as(
            Some(&scene.owner),
            Method::GET,
            kept.header("location"),
            &part,
            "",
        )
        .await;
    assert_eq!(
        (part.status, &part.body[..]),
        (StatusCode::PARTIAL_CONTENT, &whole[100..200])
    );
}

#[tokio::test]
async fn a_push_that_is_cut_off_is_never_an_image_and_is_swept() {
    let scene = Scene::new().await;
    let path = format!(
        "/v2/main/a/blobs/uploads/?digest={}",
        digest(&[7; 1_000_000])
    );
    let mut stream = tokio::net::TcpStream::connect(scene.address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: registry\r\nauthorization: Bearer {}\r\ncontent-length: 1000000\r\n\r\n",
        scene.owner
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[7; 300_000]).await.unwrap();
    while scene.files("images/uploads").await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(stream);
    // At once when the server still notices; else by the sweep, which takes what is an hour old.
    let upload = async {
        while scene.files("images/uploads").await > 0 {
            for left in scene.blobs.list("images/uploads").await.unwrap() {
                let old = std::time::SystemTime::now() - Duration::from_secs(2 * 3600);
                let file = std::fs::File::options()
                    .append(true)
                    .open(scene.blobs.path(&left.key));
                let _ = file.and_then(|file| file.set_modified(old));
            }
            scene.registry.collect(Default::default()).await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(10), upload)
        .await
        .unwrap();
    assert_eq!(scene.files("images/contents").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_content_may_be_pushed_by_many_at_once_while_collections_run() {
    let scene = Scene::with(Settings {
        grace: Duration::from_millis(300),
        ..settings()
    })
    .await;
    let collecting = scene.registry.clone();
    let collector = tokio::spawn(async move {
        loop {
            collecting.collect(Default::default()).await.unwrap();
        }
    });
    for round in 0..8_u8 {
        let repositories = ["main/a", "main/b", "main/c", "main/a"];
        let layer = vec![round; 50_000];
        let pushes = repositories.map(|repository| scene.push_image(repository, "v1", &layer));
        let digests = futures::future::join_all(pushes).await;
        for repository in repositories {
            let manifest = scene
                .ask(
                    Method::GET,
                    &format!("/v2/{repository}/manifests/{}", digests[0]),
                    "",
                )
                .await;
            assert_eq!(manifest.status, StatusCode::OK);
            let blob = scene
                .ask(
                    Method::GET,
                    &format!("/v2/{repository}/blobs/{}", digest(&layer)),
                    "",
                )
                .await;
            assert_eq!(
                (blob.status, blob.body.len()),
                (StatusCode::OK, layer.len())
            );
        }
    }
    collector.abort();
    let _ = collector.await;
    // Rounds before the last are nobody's any more.
    tokio::time::sleep(Duration::from_millis(320)).await;
    scene.registry.collect(Default::default()).await.unwrap();
    assert_eq!(scene.files("images/contents").await, 3);
}
