//! Measurements, by hand: `cargo test -p pluvio-node --test engines measure -- --ignored --nocapture`
//! What a node costs when nothing happens is measured on the binary that `PLUVIO_BIN` names.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pluvio_model::id::ApplicationId;
use pluvio_model::observed::ObservedApplication;
use pluvio_model::stage::Wish;
use pluvio_node::{Client, socket_in};
use pluvio_runtime::{Runtime, Scope};

use crate::scene::{Part, Scene, docker, image};

const APPLICATIONS: usize = 10;

struct Process(Child);
impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// CPU time in hundredths of a second.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute and needs PLUVIO_BIN"]
async fn idle_cost_of_ten_applications() {
    let engine = std::env::var("PLUVIO_TEST_ENGINE").unwrap_or_else(|_| "docker".to_owned());
    let mut scene = Scene::open(&engine, 60).await;
    scene.kill_node().await;
    let data = tempfile::tempdir().unwrap();
    let node = Command::new(std::env::var("PLUVIO_BIN").expect("PLUVIO_BIN names the binary"))
        .args(["server", "--roles", "node", "--data"])
        .arg(data.path())
        .arg("--engine")
        .arg(scene.driver.engine().socket())
        .args(["--gateway-port", "18123"])
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let node = Process(node);
    let pid = node.0.id();
    let client = Client::new(socket_in(data.path()));
    let facts = loop {
        if let Ok(facts) = client.facts().await {
            break facts;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let mut stages = Vec::new();
    for _ in 0..APPLICATIONS {
        scene.application = ApplicationId(uuid::Uuid::now_v7());
        let mut part = Part::new("one");
        if let Some(ready) = &mut part.probes.ready {
            ready.period = pluvio_model::quantity::Span::seconds(5);
        }
        let mut stage = scene.stage(&part);
        stage.cluster = facts.cluster;
        client.apply(&stage).await.unwrap();
        stages.push(stage);
    }
    let settled = async |client: &Client, generation: u64| {
        while client.observe(Scope::All).await.is_ok_and(|seen| {
            let done = |one: &ObservedApplication| one.settled && one.generation.0 >= generation;
            seen.applications.len() < APPLICATIONS || !seen.applications.values().all(done)
        }) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    settled(&client, 1).await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    let before = ticks(pid);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let used = ticks(pid) - before;
    let memory = client.health().await.unwrap().memory_bytes;
    eprintln!(
        "{APPLICATIONS} applications on {engine}, idle: {:.2} % of a core, {:.1} MB resident",
        used as f64 / 60.0,
        memory as f64 / 1e6
    );
    for mut stage in stages {
        stage.generation.0 += 100;
        stage.wish = Wish::Gone;
        client.apply(&stage).await.unwrap();
    }
    settled(&client, 100).await;
    drop(node);
    scene.close().await;
}

/// An image's way to the first answer, through the node and by `docker run`, in turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn time_to_the_first_answer() {
    let engine = std::env::var("PLUVIO_TEST_ENGINE").unwrap_or_else(|_| "docker".to_owned());
    let mut scene = Scene::open(&engine, 61).await;
    let socket = scene.driver.engine().socket().to_owned();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..5 {
        scene.application = ApplicationId(uuid::Uuid::now_v7());
        let began = Instant::now();
        scene.deploy(&Part::new("one")).await;
        while scene.get("/").await != Ok((200, "one".to_owned())) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        ours.push(began.elapsed());
        scene.settled().await;
        scene.delete().await;
        scene.settled().await;

        let name = format!("peer-{}-{round}", std::process::id());
        let began = Instant::now();
        docker(&socket, &["run", "-d", "--init", "--name", &name, &image()]);
        let address = docker(
            &socket,
            &["inspect", "-f", "{{.NetworkSettings.IPAddress}}", &name],
        );
        let address = format!("{address}:8080").parse().unwrap();
        while crate::scene::get(address, "/").await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        theirs.push(began.elapsed());
        docker(&socket, &["rm", "-f", &name]);
    }
    ours.sort();
    theirs.sort();
    eprintln!(
        "first 200 on {engine}: {:?} (with a network of its own), docker run: {:?}",
        ours[2], theirs[2]
    );
    scene.close().await;
}
