//! Hands on the engine.

use pluvio_runtime::driver::{ContainerState, Driver};

use crate::scene::{Part, Scene, docker, image, ready};

pub(crate) async fn what_is_removed_or_stopped_by_hand_comes_back_and_strangers_are_left_alone(
    mut scene: Scene,
) {
    let stranger = format!("stranger-{}", &scene.application.to_string()[28..]);
    let socket = scene.driver.engine().socket().to_owned();
    docker(&socket, &["run", "-d", "--name", &stranger, &image()]);
    scene
        .deploy(&Part {
            instances: 2,
            ..Part::new("one")
        })
        .await;
    let seen = scene.settled().await;
    let [first, second] = seen.components["web"].instances.as_slice() else {
        panic!("{seen:#?}");
    };
    docker(&socket, &["rm", "-f", &first.name]);
    docker(&socket, &["kill", &second.name]);
    let (removed, killed) = (first.clone(), second.name.clone());
    let seen = scene
        .until("whole again", |seen| {
            seen.settled
                && ready(seen) == 2
                && seen.components["web"]
                    .instances
                    .iter()
                    .any(|i| i.name == killed && i.restarts == 1)
        })
        .await;
    let again = seen.components["web"]
        .instances
        .iter()
        .find(|i| i.name == removed.name)
        .unwrap();
    assert_ne!(again.address, removed.address, "its address rests");
    // The stranger runs on, and is none of what the driver shows.
    assert_eq!(
        docker(&socket, &["inspect", "-f", "{{.State.Running}}", &stranger]),
        "true"
    );
    let seen = scene.driver.containers().await.unwrap();
    assert!(
        seen.iter()
            .all(|c| c.name != stranger && matches!(c.state, ContainerState::Running { .. }))
    );
    scene.delete().await;
    scene.settled().await;
    assert_eq!(
        docker(&socket, &["inspect", "-f", "{{.State.Running}}", &stranger]),
        "true"
    );
    docker(&socket, &["rm", "-f", &stranger]);
    scene.close().await;
}
