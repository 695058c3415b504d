//! What the specification's suite does not ask: permission, quota, collection, what is told to whom.

use std::collections::BTreeSet;
use std::time::Duration;

use hyper::{Method, StatusCode};
use pluvio_model::facts::RuntimeKind;
use pluvio_registry::Settings;
use serde_json::json;

use crate::scene::{Scene, digest, settings};

#[tokio::test]
async fn strangers_readers_and_clusters_get_what_is_theirs_and_learn_nothing_else() {
    let scene = Scene::new().await;
    scene.push_image("main/shop/web", "v1", b"layer").await;
    let team = scene.store.home().team;
    let cluster = scene
        .store
        .bind_cluster(
            &"local".parse().unwrap(),
            RuntimeKind::Docker,
            "one",
            "here",
        )
        .await
        .unwrap();
    let pulls = scene.store.pull_credential(team, cluster.id).await.unwrap();
    assert_eq!(
        scene.store.pull_credential(team, cluster.id).await.unwrap(),
        pulls,
        "made once"
    );

    let tag = "/v2/main/shop/web/manifests/v1";
    for (path, method) in [
        ("/v2/", Method::GET),
        (tag, Method::GET),
        ("/v2/main/shop/web/blobs/uploads/", Method::POST),
    ] {
        for token in [None, Some("wrong")] {
            let answer = scene.ask_as(token, method.clone(), path, &[], "").await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (StatusCode::UNAUTHORIZED, "UNAUTHORIZED"),
                "{path}"
            );
            assert!(answer.header("www-authenticate").starts_with("Basic "));
        }
    }
    for (token, path, method, status) in [
        (&scene.reader, tag, Method::GET, StatusCode::OK),
        (
            &scene.reader,
            "/v2/main/shop/web/blobs/uploads/",
            Method::POST,
            StatusCode::FORBIDDEN,
        ),
        (&scene.reader, tag, Method::DELETE, StatusCode::FORBIDDEN),
        (&pulls.password, "/v2/", Method::GET, StatusCode::OK),
        (&pulls.password, tag, Method::GET, StatusCode::OK),
        (&pulls.password, tag, Method::DELETE, StatusCode::FORBIDDEN),
        (
            &pulls.password,
            "/v2/main/shop/web/blobs/uploads/",
            Method::POST,
            StatusCode::FORBIDDEN,
        ),
    ] {
        let answer = scene
            .ask_as(Some(token), method.clone(), path, &[], "")
            .await;
        assert_eq!(answer.status, status, "{method} {path}");
    }
    // Of another team's repositories even whether they are there is not told.
    let one = scene
        .ask(Method::GET, "/v2/others/shop/web/manifests/v1", "")
        .await;
    let two = scene
        .ask(Method::GET, "/v2/others/nothing/manifests/v1", "")
        .await;
    assert_eq!(
        (one.status, one.text()),
        (StatusCode::FORBIDDEN, two.text())
    );

    // After a rotation both are taken, until the first has had its time.
    let next = scene
        .store
        .rotate_pull_credential(team, cluster.id, Duration::from_secs(60), "test")
        .await
        .unwrap();
    for password in [&pulls.password, &next.password] {
        assert_eq!(
            scene
                .ask_as(Some(password), Method::GET, tag, &[], "")
                .await
                .status,
            StatusCode::OK
        );
    }
    let last = scene
        .store
        .rotate_pull_credential(team, cluster.id, Duration::ZERO, "test")
        .await
        .unwrap();
    for (password, status) in [
        (&next.password, StatusCode::UNAUTHORIZED),
        (&last.password, StatusCode::OK),
    ] {
        assert_eq!(
            scene
                .ask_as(Some(password), Method::GET, tag, &[], "")
                .await
                .status,
            status
        );
    }
}

#[tokio::test]
async fn a_full_quota_refuses_with_a_message_that_names_it_and_leaves_nothing() {
    let scene = Scene::with(Settings {
        quota: Some(10_000),
        ..settings()
    })
    .await;
    scene.push("main/a", &[1; 6000]).await;
    // In another repository of the team the same content costs nothing more.
    scene.push("main/b", &[1; 6000]).await;
    let more = vec![2; 6000];
    let path = format!("/v2/main/a/blobs/uploads/?digest={}", digest(&more));
    let refused = scene.ask(Method::POST, &path, more.clone()).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::FORBIDDEN, "DENIED")
    );
    assert!(refused.text().contains("quota"), "{}", refused.text());
    assert_eq!(
        (
            scene.files("images/uploads").await,
            scene.files("images/contents").await
        ),
        (0, 1)
    );
    scene
        .store
        .set_image_quota(scene.store.home().team, Some(20_000), "test")
        .await
        .unwrap();
    scene.push("main/a", &more).await;
}

#[tokio::test]
async fn what_is_not_what_it_says_is_not_kept() {
    let scene = Scene::new().await;
    let path = format!("/v2/main/a/blobs/uploads/?digest={}", digest(b"something"));
    let refused = scene.ask(Method::POST, &path, "something else").await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::BAD_REQUEST, "DIGEST_INVALID")
    );
    assert_eq!(
        (
            scene.files("images/uploads").await,
            scene.files("images/contents").await
        ),
        (0, 0)
    );
    let manifest = json!({ "schemaVersion": 2, "config": { "digest": digest(b"none"), "size": 4 }, "layers": [] });
    let refused = scene
        .ask(Method::PUT, "/v2/main/a/manifests/v1", manifest.to_string())
        .await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::NOT_FOUND, "MANIFEST_BLOB_UNKNOWN")
    );
    let none = scene.ask(Method::GET, "/v2/main/a/manifests/v1", "").await;
    assert_eq!(
        (none.status, none.code().as_str()),
        (StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN")
    );
}

#[tokio::test]
async fn a_layer_that_a_manifest_names_is_not_deleted_before_it() {
    let scene = Scene::new().await;
    let image = scene.push_image("main/a", "v1", b"layer").await;
    let layer = format!("/v2/main/a/blobs/{}", digest(b"layer"));
    assert_eq!(scene.ask(Method::DELETE, &layer, "").await.code(), "DENIED");
    let deleted = scene
        .ask(Method::DELETE, &format!("/v2/main/a/manifests/{image}"), "")
        .await;
    assert_eq!(deleted.status, StatusCode::ACCEPTED);
    assert_eq!(
        scene
            .ask(Method::GET, "/v2/main/a/manifests/v1", "")
            .await
            .status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        scene.ask(Method::DELETE, &layer, "").await.status,
        StatusCode::ACCEPTED
    );
}

#[tokio::test]
async fn a_collection_keeps_what_is_tagged_named_referred_to_or_running() {
    let scene = Scene::with(Settings {
        grace: Duration::ZERO,
        keep_tags: Some(2),
        ..settings()
    })
    .await;
    let kept = |digests: &[&String]| {
        digests
            .iter()
            .map(|digest| (*digest).clone())
            .collect::<BTreeSet<String>>()
    };
    let mut images = Vec::new();
    for number in 0..4_u8 {
        images.push(
            scene
                .push_image("main/a", &format!("v{number}"), &[number; 100])
                .await,
        );
        // Tags are told apart by the time of their push.
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let part = scene.push_image("main/a", "", b"part of an index").await;
    let index = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
        { "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": part, "size": 1 }
    ] });
    let index = scene.push_manifest("main/a", "index", &index).await;
    let signature = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": "test/signature",
        "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2 }, "layers": [],
        "subject": { "mediaType": "application/vnd.oci.image.index.v1+json", "digest": index, "size": 1 }
    });
    let signature = scene.push_manifest("main/a", "", &signature).await;
    let loose = scene.push_image("main/a", "", b"nobody's").await;
    scene.push("main/a", b"a layer without an image").await;
    tokio::time::sleep(Duration::from_millis(5)).await;

    // The newest two tags are `index` and `v3`; `v1` runs.
    let swept = scene.registry.collect(kept(&[&images[1]])).await.unwrap();
    assert_eq!((swept.rows.tags, swept.rows.manifests), (2, 3), "{swept:?}");
    let there = async |digest: &String| {
        let answer = scene
            .ask(Method::GET, &format!("/v2/main/a/manifests/{digest}"), "")
            .await;
        answer.status == StatusCode::OK
    };
    for (image, stays) in [
        (&images[0], false),
        (&images[1], true),
        (&images[2], false),
        (&images[3], true),
        (&part, true),
        (&index, true),
        (&signature, true),
        (&loose, false),
    ] {
        assert_eq!(there(image).await, stays, "{image}");
    }
    // Files: three images' layer, one configuration for all, three images', the index' and the signature's manifests.
    assert_eq!(scene.files("images/contents").await, 3 + 1 + 5);
    assert_eq!(
        scene.registry.collect(kept(&[&images[1]])).await.unwrap(),
        Default::default(),
        "a second time nothing is left"
    );
}
