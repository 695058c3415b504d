//! An engine of the test's own that is killed: applications serve on, and what died comes back where it was.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use pluvio_model::problem;
use pluvio_runtime::driver::Driver;

use crate::rollout::Load;
use crate::scene::{Part, Scene, ready, socket};

/// A second engine, with everything of it in one folder.
struct PrivateEngine {
    kind: &'static str,
    folder: tempfile::TempDir,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/engine")
}

impl PrivateEngine {
    fn start(kind: &'static str) -> PrivateEngine {
        let folder = tempfile::Builder::new().prefix("pe").tempdir().unwrap();
        let engine = PrivateEngine { kind, folder };
        engine.again();
        engine
    }

    fn script(&self, verb: &str) -> bool {
        let mut script = Command::new(script());
        let script = script
            .args([verb, self.kind, "--root"])
            .arg(self.folder.path());
        script
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
    }

    fn again(&self) {
        assert!(self.script("start"), "the engine starts");
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join(format!("{}.sock", self.kind))
    }

    fn kill(&self) {
        let pid =
            std::fs::read_to_string(self.folder.path().join(format!("{}.pid", self.kind))).unwrap();
        kill(pid.trim());
        // Where nobody reaps the dead at once, their pid files would keep the next ones from starting.
        for left in ["dockerd.pid", "docker-run/containerd/containerd.pid"] {
            let _ = std::fs::remove_file(self.folder.path().join(left));
        }
    }
}

fn kill(pid: &str) {
    assert!(
        Command::new("kill")
            .args(["-9", pid])
            .status()
            .unwrap()
            .success()
    );
}

impl Drop for PrivateEngine {
    fn drop(&mut self) {
        self.script("stop");
        // Docker keeps its folder mounted on itself.
        let folder = self.folder.path().join("docker");
        let _ = Command::new("umount")
            .arg(folder)
            .stderr(Stdio::null())
            .status();
    }
}

async fn survives(kind: &'static str, lane: u8) {
    let usual = socket(kind);
    let is_root = std::fs::metadata("/proc/self")
        .is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0);
    if !is_root {
        eprintln!("skipped: a second engine needs root");
        return;
    }
    let engine = PrivateEngine::start(kind);
    Scene::carry_image(&usual, &engine.socket());
    let mut scene = Scene::open_at(&engine.socket(), lane).await;
    scene
        .deploy(&Part {
            instances: 2,
            ..Part::new("one")
        })
        .await;
    let before = scene.settled().await;
    let places = |seen: &pluvio_model::observed::ObservedApplication| {
        let web = &seen.components["web"];
        web.instances
            .iter()
            .map(|i| (i.name.clone(), i.address.clone()))
            .collect::<Vec<_>>()
    };

    // Killed and away for a while: requests do not notice, and people are told.
    let load = Load::begin(&scene);
    engine.kill();
    let seen = scene
        .until("told that the engine is away", |seen| {
            seen.problem.is_some()
        })
        .await;
    assert!(seen.problem.unwrap().is(problem::ENGINE_MISSING));
    assert_eq!(ready(&scene.observed().await), 2);
    tokio::time::sleep(Duration::from_secs(2)).await;
    engine.again();
    let seen = scene.settled().await;
    assert_eq!(places(&seen), places(&before));
    scene
        .deploy(&Part {
            instances: 2,
            ..Part::new("two")
        })
        .await;
    let seen = scene.settled().await;
    let (asked, failures) = load.end().await;
    assert!(
        failures.is_empty(),
        "{} of {asked}: {failures:?}",
        failures.len()
    );

    // The machine "reboots": everything is killed, and only engine and node start again.
    scene.kill_node().await;
    for container in scene.driver.containers().await.unwrap() {
        if let Some(pid) = container.pid {
            kill(&pid.to_string());
        }
    }
    engine.kill();
    scene.start_node();
    engine.again();
    let up = scene
        .until("up after the reboot", |seen| {
            seen.settled && ready(seen) == 2 && seen.problem.is_none()
        })
        .await;
    assert_eq!(places(&up), places(&seen), "each is where it was");
    assert_eq!(scene.get("/").await, Ok((200, "two".to_owned())));
    scene.delete().await;
    scene.settled().await;
    assert_eq!(scene.left().await, (vec![], vec![], vec![]));
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn docker_killed_and_the_machine_rebooted() {
    survives("docker", 50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn podman_killed_and_the_machine_rebooted() {
    survives("podman", 51).await;
}
