//! Commands beside a program, on real engines.

use std::time::Duration;

use pluvio_model::observed::ObservedApplication;
use pluvio_model::quantity::Span;
use pluvio_model::release::{DecidedHook, DecidedHooks};
use pluvio_model::template::Rendered;

use crate::scene::{Part, Scene, ready};

fn hook(line: &str) -> DecidedHook {
    DecidedHook {
        command: ["sh", "-c", line].map(str::to_owned).to_vec(),
        user: None,
        working_dir: None,
        env: Default::default(),
        privileged: false,
        timeout: None,
    }
}

fn after_start(hooks: Vec<DecidedHook>) -> DecidedHooks {
    DecidedHooks {
        post_start: hooks,
        pre_stop: Vec::new(),
    }
}

pub(crate) async fn an_instance_is_ready_when_its_hooks_are_done(mut scene: Scene) {
    let first = DecidedHook {
        working_dir: Some("/etc".parse().unwrap()),
        env: [("WORD".parse().unwrap(), Rendered::text("given"))].into(),
        ..hook("sleep 2; echo $(id -u) $PWD $WORD >> /tmp/hooked")
    };
    let part = Part {
        hooks: after_start(vec![first, hook("echo next >> /tmp/hooked")]),
        ..Part::new("one")
    };
    scene.deploy(&part).await;
    let seen = scene
        .until("at work", |seen| {
            let mut all = seen.components.values().flat_map(|web| &web.instances);
            all.any(|one| one.probe.as_ref().is_some_and(|probe| !probe.ok))
        })
        .await;
    let probe = seen.components["web"].instances[0].probe.clone().unwrap();
    assert!(probe.message.contains("after its start runs"), "{probe:?}");
    assert_eq!(ready(&seen), 0);
    scene.settled().await;
    let whole = Ok((200, "0 /etc given\nnext\n".to_owned()));
    assert_eq!(scene.get("/file/tmp/hooked").await, whole);
    // Another node knows that they are done.
    scene.restart_node().await;
    scene.until("ready again", |seen| ready(seen) == 1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(scene.get("/file/tmp/hooked").await, whole);
    scene.close().await;
}

pub(crate) async fn a_hook_that_takes_too_long_stops_its_instance(mut scene: Scene) {
    let slow = DecidedHook {
        timeout: Some(Span(500)),
        ..hook("echo begins; sleep 60")
    };
    scene
        .deploy(&Part {
            hooks: after_start(vec![slow]),
            ..Part::new("one")
        })
        .await;
    let exit = |seen: &ObservedApplication| {
        let mut all = seen.components.values().flat_map(|web| &web.instances);
        all.find_map(|one| one.last_exit.clone())
    };
    let seen = scene.until("stopped", |seen| exit(seen).is_some()).await;
    let exit = exit(&seen).unwrap();
    let hook = exit.hook.unwrap();
    assert!(hook.ends_with("did not end within 500ms"), "{hook}");
    assert_eq!(exit.last_lines, ["begins"]);
    assert_ne!(exit.code, 0);
    scene.deploy(&Part::new("two")).await;
    scene.settled().await;
    scene.close().await;
}
