//! What build scenarios need: a builder on an engine, sources on disk, and a way to run what was built.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use pluvio_build::{
    BuildLimits, BuildRequest, BuildSettings, BuildSource, Builder, BuiltImage, Log, LogEntry,
    Recipe,
};
use pluvio_engine::Engine;
use pluvio_model::id::TeamId;
use pluvio_model::problem::Problem;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

pub(crate) struct Site {
    pub(crate) builder: Builder,
    pub(crate) engine: Engine,
    pub(crate) folder: tempfile::TempDir,
    scenario: String,
    log: Arc<Mutex<Vec<LogEntry>>>,
    pub(crate) cancel: CancellationToken,
}

impl Site {
    /// A builder of its own on `docker` or `podman`, nothing kept from earlier runs, an empty source folder.
    pub(crate) async fn new(engine: &str, scenario: &str) -> Site {
        let (variable, usual) = match engine {
            "docker" => ("PLUVIO_TEST_DOCKER", "/var/run/docker.sock"),
            _ => ("PLUVIO_TEST_PODMAN", "/run/podman/podman.sock"),
        };
        let socket = std::env::var(variable).unwrap_or_else(|_| usual.to_owned());
        let client = match Engine::connect(Path::new(&socket)).await {
            Ok(client) => client,
            Err(error) => {
                panic!("{socket}: {error}. Run `scripts/engine start {engine}`, or set {variable}.")
            }
        };
        let builder = Builder::new(client.clone(), settings(scenario));
        builder.sweep().await.unwrap();
        let site = Site {
            builder,
            engine: client,
            folder: tempfile::tempdir().unwrap(),
            scenario: scenario.to_owned(),
            log: Arc::default(),
            cancel: CancellationToken::new(),
        };
        site.forget().await;
        site
    }

    /// As another process with the same data folder has it.
    pub(crate) fn another_process(&self) -> Builder {
        Builder::new(self.engine.clone(), settings(&self.scenario))
    }

    /// As another process of the same installation has it, with a data folder of its own.
    pub(crate) fn process_elsewhere(&self) -> Builder {
        let work = self.folder.path().join("elsewhere");
        let settings = BuildSettings {
            work,
            ..settings(&self.scenario)
        };
        Builder::new(self.engine.clone(), settings)
    }

    pub(crate) async fn forget(&self) {
        let name = self.scenario.parse().unwrap();
        self.builder.forget(team(), &name, None).await.unwrap();
        self.builder.leave().await;
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn remove(&self, path: &str) {
        std::fs::remove_file(self.folder.path().join(path)).unwrap();
    }

    pub(crate) fn copy(&self, from: &Path) {
        let status = std::process::Command::new("cp")
            .args(["-a", &format!("{}/.", from.display())])
            .arg(self.folder.path())
            .status();
        assert!(status.unwrap().success());
    }

    pub(crate) fn request(&self, recipe: Recipe) -> BuildRequest {
        BuildRequest {
            team: team(),
            team_name: "tests".parse().unwrap(),
            application: self.scenario.parse().unwrap(),
            component: "web".parse().unwrap(),
            source: BuildSource::Folder(self.folder.path().to_owned()),
            recipe,
            secrets: Default::default(),
            contexts: Default::default(),
            registries: Vec::new(),
            cancel: self.cancel.clone(),
        }
    }

    pub(crate) fn log(&self) -> Log {
        let log = self.log.clone();
        Arc::new(move |entry| log.lock().unwrap().push(entry))
    }

    /// Builds, and prints how long it took.
    pub(crate) async fn build(&self, what: &str, recipe: Recipe) -> Result<BuiltImage, Problem> {
        self.build_request(what, self.request(recipe)).await
    }

    pub(crate) async fn build_request(
        &self,
        what: &str,
        request: BuildRequest,
    ) -> Result<BuiltImage, Problem> {
        let since = Instant::now();
        self.log.lock().unwrap().clear();
        let built = self.builder.build(request, self.log()).await;
        let steps = built.as_ref().map(|built| {
            let of = |step: &pluvio_build::RanStep| {
                format!("{}{}", step.name, if step.cached { " (kept)" } else { "" })
            };
            built.steps.iter().map(of).collect::<Vec<_>>().join(", ")
        });
        println!(
            "{:?} {} {what}: {:.2} s; {}",
            self.engine.kind(),
            self.scenario,
            since.elapsed().as_secs_f64(),
            steps.unwrap_or_else(|problem| problem.code.clone())
        );
        if let Err(problem) = &built {
            println!("{problem}\n{}\n{:#?}", problem.remedy, problem.evidence);
        }
        built
    }

    /// The lines of the last build's log.
    pub(crate) fn said(&self) -> Vec<String> {
        let log = self.log.lock().unwrap();
        let lines = log.iter().filter_map(|entry| match entry {
            LogEntry::Line { text, .. } => Some(text.clone()),
            LogEntry::Step { .. } => None,
        });
        lines.collect()
    }

    /// Runs the image with the machine's limits of an ordinary component, and asks it over HTTP until it answers.
    pub(crate) async fn ask(&self, built: &BuiltImage, port: u16, path: &str) -> String {
        let name = format!("pvtest-{}", self.scenario);
        let _ = self.engine.remove_container(&name).await;
        let network = format!("pvtest-{}", self.scenario);
        self.engine
            .ensure_network(&network, &IndexMap::new(), false, None)
            .await
            .unwrap();
        let body = json!({
            "Image": built.facts.id,
            "Env": [format!("PORT={port}")],
            "HostConfig": { "NetworkMode": network, "Init": true, "Memory": 256 << 20 },
        });
        self.engine.create_container(&name, &body).await.unwrap();
        self.engine.start_container(&name).await.unwrap();
        let address = self
            .engine
            .address(&name)
            .await
            .unwrap()
            .expect("it has an address");
        let mut answer = String::new();
        for _ in 0..150 {
            match get(&format!("{address}:{port}"), path).await {
                Ok(body) => {
                    answer = body;
                    break;
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        if answer.is_empty() {
            use futures::StreamExt;
            let log = self.engine.logs(&name, None, false).await.unwrap();
            let lines: Vec<String> = log.map(|line| line.text).collect().await;
            println!("no answer; its log: {lines:#?}");
        }
        self.engine.remove_container(&name).await.unwrap();
        self.engine.remove_network(&network).await.unwrap();
        answer
    }

    /// Runs a shell line in the image and gives what it writes.
    pub(crate) async fn shell(&self, built: &BuiltImage, line: &str) -> String {
        let name = format!("pvtest-{}-sh", self.scenario);
        let _ = self.engine.remove_container(&name).await;
        let body = json!({
            "Image": built.facts.id, "Entrypoint": ["/bin/sh", "-c", "sleep 60"], "Cmd": [],
            "HostConfig": { "NetworkMode": "none" },
        });
        self.engine.create_container(&name, &body).await.unwrap();
        self.engine.start_container(&name).await.unwrap();
        let command = pluvio_engine::ExecCommand {
            command: ["/bin/sh", "-c", line].map(str::to_owned).to_vec(),
            ..Default::default()
        };
        let mut out = Vec::new();
        let ran = self
            .engine
            .run_in_container(&name, &command, |line| out.push(line.text));
        ran.await.unwrap();
        self.engine.remove_container(&name).await.unwrap();
        out.join("\n")
    }

    /// Names of what this scenario's builds have on the engine now.
    pub(crate) async fn left(&self) -> Vec<String> {
        self.builder.settled().await;
        let containers = self.engine.list_containers(&[]).await.unwrap();
        let networks = self.engine.list_networks(&[]).await.unwrap();
        let names = containers
            .into_iter()
            .map(|c| c.name)
            .chain(networks.into_iter().map(|n| n.name));
        let prefix = self.builder.owner_prefix();
        // The network of the team's builds stays for the next one.
        names
            .filter(|name| name.starts_with(&prefix) && !name.contains("-team-"))
            .collect()
    }
}

fn settings(scenario: &str) -> BuildSettings {
    BuildSettings {
        owner: format!("test {scenario}"),
        // Kept between runs: the locks of base images must be shared.
        work: std::env::temp_dir()
            .join("pluvio-build-tests")
            .join(scenario),
        registry: None,
        limits: BuildLimits::of_machine(4 << 30),
    }
}

pub(crate) fn team() -> TeamId {
    TeamId(uuid::Uuid::from_u128(7))
}

async fn get(address: &str, path: &str) -> std::io::Result<String> {
    let exchange = async {
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        match answer.split_once("\r\n\r\n") {
            Some((head, body))
                if head.starts_with("HTTP/1.1 200") || head.starts_with("HTTP/1.0 200") =>
            {
                Ok(body.to_owned())
            }
            _ => Err(std::io::Error::other(answer)),
        }
    };
    tokio::time::timeout(Duration::from_secs(2), exchange)
        .await
        .map_err(|_| std::io::ErrorKind::TimedOut)?
}

/// The repository's sample of a name, if it is there.
pub(crate) fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../samples")
        .join(name)
}
