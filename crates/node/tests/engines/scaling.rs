//! Components that scale themselves.

use pluvio_model::spec::ScaleSpec;
use pluvio_model::stage::{Stage, Wish};
use pluvio_runtime::Runtime;
use serde_json::{Value, json};

use crate::scene::{Part, Scene, ready};

fn scaled(scene: &mut Scene, part: &Part, scale: Value) -> Stage {
    let scale: ScaleSpec = serde_json::from_value(scale).unwrap();
    let mut stage = scene.stage(part);
    if let Wish::Run(wish) = &mut stage.wish {
        for component in wish.release.components.values_mut() {
            component.instances = scale.min;
            component.scale = Some(scale.clone());
        }
    }
    stage
}

/// As many as the clock says, more while more is used, and by hand again.
pub(crate) async fn it_scales_itself_by_the_clock_and_by_what_it_uses(mut scene: Scene) {
    let part = Part {
        memory: Some(64 << 20),
        ..Part::new("one")
    };
    let by_clock = json!({ "min": 1, "schedule": [{ "cron": "* * * * *", "min": 2 }] });
    let stage = scaled(&mut scene, &part, by_clock);
    scene.node().apply(&stage).await.unwrap();
    scene
        .until("as many as the clock says", |seen| {
            seen.settled && ready(seen) == 2
        })
        .await;
    let web = scene.web().await.unwrap();
    let scaling = web.scaling.unwrap();
    assert_eq!((scaling.min, scaling.max), (2, 2));
    assert!(scaling.next.is_some());

    // Every program uses more than a hundredth of its memory.
    let by_memory = json!({ "min": 1, "max": 3, "memory": 1 });
    let stage = scaled(&mut scene, &part, by_memory);
    scene.node().apply(&stage).await.unwrap();
    scene
        .until("as many as there may be", |seen| {
            seen.settled && ready(seen) == 3
        })
        .await;
    let web = scene.web().await.unwrap();
    assert_eq!(web.wanted_instances, 3);
    let scaling = web.scaling.unwrap();
    assert_eq!((scaling.min, scaling.max), (1, 3));
    assert_eq!(scaling.by[0].target, "1 %");
    assert!(scaling.by[0].now.is_some(), "{scaling:?}");

    // A node that starts anew goes on with what it finds.
    scene.restart_node().await;
    scene
        .until("it is known again", |seen| seen.settled && ready(seen) == 3)
        .await;

    scene
        .deploy(&Part {
            instances: 1,
            ..part
        })
        .await;
    scene
        .until("by hand again", |seen| seen.settled && ready(seen) == 1)
        .await;
    assert!(scene.web().await.unwrap().scaling.is_none());
    scene.close().await;
}
