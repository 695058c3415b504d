//! An application that outgrows its network.

use std::collections::BTreeMap;

use pluvio_model::name::Name;
use pluvio_model::stage::{Stage, Wish};
use pluvio_runtime::Runtime;
use pluvio_runtime::driver::{Driver, SeenContainer};

use crate::rollout::Load;
use crate::scene::{Part, Scene, docker, ready, socket};

/// The scene's component, and as many like it beside.
fn with_more(scene: &mut Scene, part: &Part, more: usize) -> Stage {
    let mut stage = scene.stage(part);
    let other = scene.component(&Part {
        instances: 1,
        ..part.clone()
    });
    if let Wish::Run(wish) = &mut stage.wish {
        for number in 0..more {
            let name: Name = format!("more-{number}").parse().unwrap();
            let mut component = other.clone();
            component.name = name.clone();
            wish.release.components.insert(name.clone(), component);
            wish.components.push(name);
        }
    }
    stage
}

async fn of(scene: &Scene, component: &str) -> Vec<SeenContainer> {
    let all = scene.driver.containers().await.unwrap();
    let ours = |container: &SeenContainer| container.labels["io.pluvio.component"] == component;
    all.into_iter().filter(ours).collect()
}

/// D1: what runs goes on, on both networks; what is made is on the further one; each finds the other by name.
pub(crate) async fn an_application_that_outgrows_its_network_gets_more_room(mut scene: Scene) {
    let part = Part {
        instances: 2,
        ..Part::new("one")
    };
    scene.deploy(&part).await;
    scene.settled().await;
    let before = of(&scene, "web").await;
    let load = Load::begin(&scene);
    let stage = with_more(&mut scene, &part, 15);
    scene.node().apply(&stage).await.unwrap();
    let seen = scene.settled().await;
    assert_eq!(ready(&seen), 17);
    let (asked, failures) = load.end().await;
    assert!(failures.is_empty(), "of {asked}: {failures:?}");

    let networks = scene.driver.networks().await.unwrap();
    let subnets: BTreeMap<&str, &str> = networks
        .iter()
        .map(|n| (n.name.as_str(), n.subnet.as_deref().unwrap()))
        .collect();
    assert_eq!(subnets.len(), 2, "{subnets:?}");
    let further = subnets.keys().find(|name| name.ends_with("--2")).unwrap();
    assert!(subnets[further].ends_with("/25"), "{subnets:?}");
    let after = of(&scene, "web").await;
    let ids = |all: &[SeenContainer]| -> Vec<String> { all.iter().map(|c| c.id.clone()).collect() };
    assert_eq!(ids(&after), ids(&before), "nothing was replaced");
    for container in &after {
        assert_eq!(container.networks.len(), 2);
        let own = before.iter().find(|b| b.id == container.id).unwrap();
        assert_eq!(container.address, own.address);
    }
    let new = of(&scene, "more-7").await;
    assert_eq!(new[0].networks.keys().collect::<Vec<_>>(), [further]);

    let engine = if scene.driver.engine().is_podman() {
        socket("podman")
    } else {
        socket("docker")
    };
    let ask = |from: &str, to: &str| {
        let url = format!("http://{to}:8080/");
        docker(&engine, &["exec", from, "wget", "-q", "-O", "-", &url])
    };
    assert_eq!(
        ask(&before[0].name, "more-7"),
        "one",
        "by the engine's name of it"
    );
    assert_eq!(ask(&new[0].name, "web"), "one", "by its virtual address");
    assert_eq!(ask(&new[0].name, "more-3"), "one");
    assert_eq!(ask(&before[0].name, "web"), "one");

    // A node that lost its book sees the same again.
    scene.kill_node().await;
    std::fs::remove_file(scene.config.folder().join("addresses.json")).unwrap();
    scene.start_node();
    scene.settled().await;
    assert_eq!(ids(&of(&scene, "web").await), ids(&before));
    // New content of what ran before: made on the further network alone.
    let part = Part {
        version: "two".to_owned(),
        ..part
    };
    let load = Load::begin(&scene);
    let stage = with_more(&mut scene, &part, 1);
    scene.node().apply(&stage).await.unwrap();
    scene.settled().await;
    let (asked, failures) = load.end().await;
    assert!(failures.is_empty(), "of {asked}: {failures:?}");
    for container in of(&scene, "web").await {
        assert_eq!(container.networks.keys().collect::<Vec<_>>(), [further]);
        assert_eq!(ask(&container.name, "more-0"), "two");
    }
    scene.delete().await;
    scene.settled().await;
    assert_eq!(scene.left().await, (vec![], vec![], vec![]));
    scene.close().await;
}
