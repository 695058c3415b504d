//! What a real engine built is published for clusters: once, under the same digest, and kept while a release may refer to it.

use std::time::Duration;

use pluvio_build::{BuildLimits, BuildSettings, Builder};
use pluvio_control::{Config, Control};
use pluvio_engine::{body_of_reader, find_engine};
use pluvio_model::name::Name;
use pluvio_registry::{Registry, Settings};
use pluvio_store::{Blobs, Seal, Store};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_is_published_once_and_only_where_a_registry_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let socket =
        std::env::var("PLUVIO_TEST_DOCKER").unwrap_or_else(|_| "/var/run/docker.sock".to_owned());
    let engine = find_engine(Some(&socket)).await;
    let engine =
        engine.unwrap_or_else(|problem| panic!("`scripts/engine start docker`: {}", problem.cause));
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    let mut archive = tar::Builder::new(Vec::new());
    archive
        .append_data(&mut header, "file", &b"hello"[..])
        .unwrap();
    let archive = std::io::Cursor::new(archive.into_inner().unwrap());
    let local = format!("localhost/pluvio-publishing-{}:1", std::process::id());
    let id = engine
        .import_body(body_of_reader(archive), &local, &[])
        .await
        .unwrap();

    let settings = BuildSettings {
        owner: "publishing".to_owned(),
        work: data.join("work"),
        registry: None,
        limits: BuildLimits::of_machine(1 << 30),
    };
    let config = Config {
        data: data.to_owned(),
        domain: "localhost".to_owned(),
        gateway_port: 8080,
        builds: 1,
        warm_bases: false,
        volume_grace: Duration::from_secs(60),
        owner: "publishing".to_owned(),
    };
    let seal = Seal::open_or_create(&data.join("seal.key")).unwrap();
    let store = Store::open(&Store::sqlite_url(&data.join("pluvio.db")), seal)
        .await
        .unwrap();
    let blobs = Blobs::open(&data.join("blobs")).await.unwrap();
    let node = pluvio_node::Client::new(pluvio_node::socket_in(data));
    let control = Control::new(
        config,
        store.clone(),
        blobs.clone(),
        node,
        Builder::new(engine.clone(), settings),
    );
    let publish = async |component: &str| {
        control
            .publish(&name("main"), &name("shop"), &name(component), &id)
            .await
    };

    let refused = publish("web").await.unwrap_err();
    assert_eq!(refused.code, "images.not-served");

    let settings = Settings {
        quota: None,
        grace: Duration::ZERO,
        keep_tags: None,
    };
    let registry = Registry::new(store.clone(), blobs.clone(), settings);
    control.serve_images(registry, "https://images.example.org/");
    let reference = publish("web").await.unwrap();
    let (place, digest) = reference.split_once('@').unwrap();
    assert_eq!(place, "images.example.org/main/shop/web");
    assert!(digest.starts_with("sha256:"), "{reference}");

    // The engine is not asked again: it has it no more.
    engine.remove_image(&local).await.unwrap();
    assert_eq!(publish("web").await.unwrap(), reference);
    let gone = publish("worker").await.unwrap_err();
    assert_ne!(gone.code, "internal", "{gone:?}");

    // No release refers to it: it goes, and with it that it was published.
    tokio::time::sleep(Duration::from_millis(5)).await;
    let swept = control.collect_images().await.unwrap();
    assert_eq!(
        (swept.rows.tags, swept.rows.manifests, swept.files),
        (1, 1, 3),
        "{swept:?}"
    );
    assert!(publish("web").await.is_err());
    control.stop().await;
}
