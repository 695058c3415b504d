//! Scenarios over real engines: the same for Docker and Podman. An engine that does not run here is skipped with a word.

mod scene;

use std::time::Duration;

use pluvio_model::observed::InstanceState;
use pluvio_model::stage::Power;
use scene::{Part, Scene, ready};

macro_rules! on_engines {
    ($($(#[$doc:meta])* $lane:literal $name:ident => $play:ident;)*) => {
        mod docker {$(
            $(#[$doc])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(scene) = super::Scene::open("docker", $lane).await {
                    super::$play(scene).await;
                }
            }
        )*}
        mod podman {$(
            $(#[$doc])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(scene) = super::Scene::open("podman", $lane + 100).await {
                    super::$play(scene).await;
                }
            }
        )*}
    };
}

on_engines! {
    1 first_light => first_light_scene;
}

/// From a stage to an answer through the gateway, to stopped, to nothing left.
async fn first_light_scene(mut scene: Scene) {
    let part = Part { instances: 2, ..Part::new("one") };
    let began = std::time::Instant::now();
    scene.deploy(&part).await;
    let seen = scene.settled().await;
    eprintln!("settled after {:?}", began.elapsed());
    assert_eq!(ready(&seen), 2);
    assert_eq!(scene.get("/").await, Ok((200, "one".to_owned())));
    scene.power(&part, Power::Off).await;
    scene.settled().await;
    assert_eq!(scene.get("/").await.unwrap().0, 503);
    assert!(scene.instances().await.is_empty());
    scene.power(&part, Power::On).await;
    let seen = scene.settled().await;
    assert!(seen.components["web"].instances.iter().all(|i| i.state == InstanceState::Ready));
    scene.delete().await;
    scene.settled().await;
    assert_eq!(scene.left().await, (vec![], vec![], vec![]));
    assert_eq!(scene.get("/").await.unwrap().0, 404);
    tokio::time::timeout(Duration::from_secs(10), scene.close()).await.unwrap();
}
