//! A stage to play on: a real engine, an image with the test server, a node with its own data folder and gateway.
//!
//! Everything a scene makes is its own: another installation, another application id, a pool of addresses that no other
//! scene has. At its end nothing is left on the engine.

#![allow(unreachable_pub, reason = "a test binary has no outside")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use pluvio_engine::{DockerDriver, Engine};
use pluvio_model::id::{ApplicationId, ClusterId, Generation, VolumeId};
use pluvio_model::image::ContentHash;
use pluvio_model::name::Name;
use pluvio_model::observed::{
    InstanceState, ObservedApplication, ObservedComponent, ObservedInstance,
};
use pluvio_model::quantity::{Bytes, Span};
use pluvio_model::release::*;
use pluvio_model::route::{BackendId, BackendPart, Route, RouteLimits, WeightedBackend};
use pluvio_model::spec::{Kind, PortProtocol, RestartPolicy, VolumeAccess, VolumeKind};
use pluvio_model::stage::{Power, RunWish, Stage, Wish};
use pluvio_model::template::Rendered;
use pluvio_node::{Config, Node};
use pluvio_runtime::driver::Driver;
use pluvio_runtime::{Images, Runtime, Scope};

const SERVER: &str = include_str!("testserver.rs");

/// The image with the test server, named by what is in it.
pub fn image() -> String {
    let hash = ContentHash::of(&(SERVER, include_str!("../../../../../tests/image/root")));
    format!("localhost/pluvio-testserver:{}", hash.short())
}

/// Where an engine listens that tests may use, by name.
pub fn socket(engine: &str) -> PathBuf {
    let (variable, usual) = match engine {
        "docker" => ("PLUVIO_TEST_DOCKER", "/var/run/docker.sock"),
        _ => ("PLUVIO_TEST_PODMAN", "/run/podman/podman.sock"),
    };
    let socket = PathBuf::from(std::env::var(variable).unwrap_or_else(|_| usual.to_owned()));
    assert!(
        std::os::unix::net::UnixStream::connect(&socket).is_ok(),
        "no {engine} answers at {}: `scripts/engine start {engine}` starts one",
        socket.display()
    );
    socket
}

pub struct Scene {
    pub config: Config,
    pub driver: Arc<DockerDriver>,
    pub node: Option<Node>,
    pub application: ApplicationId,
    pub name: Name,
    image_id: String,
    generation: u64,
    _folder: tempfile::TempDir,
}

/// A component as a test wants it: see [`Scene::component`].
#[derive(Clone)]
pub struct Part {
    pub version: String,
    pub instances: u32,
    pub env: Vec<(String, String)>,
    pub probes: DecidedProbes,
    pub strategy: Strategy,
    pub memory: Option<u64>,
    pub hot: Vec<(String, String, Option<pluvio_model::spec::Reload>)>,
    pub volume: bool,
    pub restart: RestartPolicy,
    pub command: Option<Vec<String>>,
    pub image_id: Option<String>,
    pub hooks: DecidedHooks,
}

pub fn probe(path: &str, period_ms: u64) -> DecidedProbe {
    DecidedProbe {
        check: Check::Http {
            port: 8080,
            path: path.to_owned(),
            host: None,
            headers: IndexMap::new(),
            status: vec![(200, 399)],
        },
        period: Span(period_ms),
        timeout: Span(1000),
        delay: Span(0),
        failures: 2,
        successes: 1,
    }
}

impl Part {
    pub(crate) fn new(version: &str) -> Part {
        Part {
            version: version.to_owned(),
            instances: 1,
            env: Vec::new(),
            probes: DecidedProbes {
                ready: Some(probe("/healthz", 500)),
                ..DecidedProbes::default()
            },
            strategy: Strategy::Surge {
                surge: 1,
                unavailable: 0,
            },
            memory: None,
            hot: Vec::new(),
            volume: false,
            restart: RestartPolicy::Always,
            command: None,
            image_id: None,
            hooks: DecidedHooks::default(),
        }
    }
}

pub fn docker(socket: &std::path::Path, words: &[&str]) -> String {
    let output = std::process::Command::new("docker")
        .env("DOCKER_HOST", format!("unix://{}", socket.display()))
        .env("DOCKER_BUILDKIT", "0")
        .args(words)
        .output()
        .expect("the docker command is there");
    assert!(
        output.status.success(),
        "docker {words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Lays out the root of the image, busybox and its names.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/image/root");

/// Makes the image with the test server.
fn make_image(socket: &std::path::Path) {
    if !docker(socket, &["images", "-q", &image()]).is_empty() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("testserver.rs");
    std::fs::write(&source, SERVER).unwrap();
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let compiled = std::process::Command::new(compiler)
        .args(["--edition=2024", "-O", "-Ctarget-feature=+crt-static", "-o"])
        .arg(folder.path().join("testserver"))
        .arg(&source)
        .status();
    assert!(
        compiled.is_ok_and(|status| status.success()),
        "the test server is compiled"
    );
    let laid_out = std::process::Command::new(ROOT)
        .arg(folder.path().join("root"))
        .status();
    assert!(
        laid_out.is_ok_and(|status| status.success()),
        "the image's root is laid out: it needs the package busybox-static"
    );
    std::fs::write(
        folder.path().join("Dockerfile"),
        "FROM scratch\nCOPY root /\nCOPY testserver /testserver\nCMD [\"/testserver\"]\n",
    )
    .unwrap();
    docker(
        socket,
        &[
            "build",
            "-q",
            "-t",
            &image(),
            folder.path().to_str().unwrap(),
        ],
    );
}

impl Scene {
    /// `lane`: 0 to 255, another for each test that runs beside; chooses the addresses.
    pub async fn open(engine: &str, lane: u8) -> Scene {
        Scene::open_at(&socket(engine), lane).await
    }

    pub async fn open_at(socket: &std::path::Path, lane: u8) -> Scene {
        static MADE: tokio::sync::Mutex<Vec<PathBuf>> = tokio::sync::Mutex::const_new(Vec::new());
        let mut made = MADE.lock().await;
        if !made.contains(&socket.to_owned()) {
            make_image(socket);
            made.push(socket.to_owned());
        }
        drop(made);
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::connect(socket).await.unwrap();
        let cluster = ClusterId(uuid::Uuid::now_v7());
        let driver = Arc::new(DockerDriver::new(engine, cluster));
        let mut config = Config::new(folder.path());
        config.listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
        config.pool = format!("10.202.{lane}.0/24").parse().unwrap();
        config.grace = Duration::from_secs(2);
        let node = Node::start(&config, driver.clone()).unwrap();
        let image_id = node
            .image(&image())
            .await
            .unwrap()
            .expect("the image was made")
            .id;
        // Later nodes of the scene listen where the first did.
        config.listen = node.addresses();
        Scene {
            config,
            driver,
            node: Some(node),
            application: ApplicationId(uuid::Uuid::now_v7()),
            name: "shop".parse().unwrap(),
            image_id,
            generation: 0,
            _folder: folder,
        }
    }

    /// On an engine that has no base image: the test server's image is carried over from one that has.
    pub(crate) fn carry_image(from: &std::path::Path, to: &std::path::Path) {
        make_image(from);
        let host = |socket: &std::path::Path| format!("unix://{}", socket.display());
        let mut save = std::process::Command::new("docker")
            .args(["-H", &host(from), "save", &image()])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let load = std::process::Command::new("docker")
            .args(["-H", &host(to), "load", "-q"])
            .stdin(save.stdout.take().unwrap())
            .output()
            .unwrap();
        assert!(save.wait().unwrap().success() && load.status.success());
    }

    pub(crate) fn node(&self) -> &Node {
        self.node.as_ref().expect("the node runs")
    }

    pub(crate) fn gateway(&self) -> SocketAddr {
        self.config.listen[0]
    }

    pub(crate) fn component(&self, part: &Part) -> DecidedComponent {
        let port: Name = "http".parse().unwrap();
        let mut env = IndexMap::new();
        env.insert("VERSION".parse().unwrap(), Rendered::text(&part.version));
        for (key, value) in &part.env {
            env.insert(key.parse().unwrap(), Rendered::text(value));
        }
        let mut mounts = IndexMap::new();
        if part.volume {
            mounts.insert(
                "/data".parse().unwrap(),
                DecidedMount {
                    kind: VolumeKind::Disk,
                    volume: Some("data".parse().unwrap()),
                    ..DecidedMount::default()
                },
            );
        }
        let content = Content {
            main: DecidedContainer {
                image: image().parse().unwrap(),
                image_id: part
                    .image_id
                    .clone()
                    .unwrap_or_else(|| self.image_id.clone()),
                entrypoint: None,
                command: part.command.clone(),
                working_dir: None,
                user: None,
                stop_signal: None,
                env,
                files: IndexMap::new(),
                mounts,
                cpu_request: None,
                cpu_limit: None,
                memory_request: None,
                memory_limit: part.memory.map(Bytes),
                pids_limit: 512,
                probes: part.probes.clone(),
                host: None,
                options: None,
                image_user: None,
                named_user: None,
            },
            sidecars: IndexMap::new(),
            init: IndexMap::new(),
            ports: [(
                port,
                DecidedPort {
                    port: 8080,
                    protocol: PortProtocol::Http,
                },
            )]
            .into(),
            publish: Vec::new(),
            networks: Vec::new(),
            aliases: Vec::new(),
            internal_networks: Vec::new(),
            offline: false,
            network_aliases: IndexMap::new(),
            extra_hosts: IndexMap::new(),
            labels: IndexMap::new(),
            node_labels: IndexMap::new(),
            placement: DecidedPlacement::default(),
            restart: part.restart,
            release_task: None,
            hooks: part.hooks.clone(),
            patch: None,
            restarts: 0,
        };
        let hot_files = part
            .hot
            .iter()
            .map(|(path, text, reload)| {
                let file = DecidedFile {
                    content: Rendered::text(text),
                    mode: "0644".parse().unwrap(),
                    reload: reload.clone(),
                };
                (path.parse().unwrap(), file)
            })
            .collect();
        DecidedComponent {
            name: "web".parse().unwrap(),
            kind: Kind::Service,
            hash: ContentHash::of(&content),
            content,
            instances: part.instances,
            scale: None,
            rollout: DecidedRollout {
                strategy: part.strategy,
                drain: Span::seconds(10),
                grace: Span::seconds(1),
                deadline: Span::seconds(60),
                retry: Span::default(),
            },
            hot_files,
            after: Vec::new(),
            database: None,
            backups: None,
            build: None,
            schedule: None,
            once: None,
        }
    }

    /// The next stage: this component, at `shop.localhost`.
    pub(crate) fn stage(&mut self, part: &Part) -> Stage {
        self.generation += 1;
        let component = self.component(part);
        let backend = BackendId::new(
            self.application.into(),
            BackendPart::from(&component.name),
            "http".parse().unwrap(),
        );
        let mut volumes = IndexMap::new();
        if part.volume {
            volumes.insert(
                "data".parse().unwrap(),
                DecidedVolume {
                    // The same in every release: a volume has a life of its own.
                    id: VolumeId(self.application.0),
                    access: VolumeAccess::Exclusive,
                    size: None,
                    class: None,
                    options: None,
                    handle: None,
                },
            );
        }
        Stage {
            cluster: self.driver.cluster(),
            application: self.application,
            generation: Generation(self.generation),
            wish: Wish::Run(Box::new(RunWish {
                components: vec![component.name.clone()],
                release: Release {
                    application: self.application,
                    application_name: self.name.clone(),
                    team: "team".parse().unwrap(),
                    environment: "production".parse().unwrap(),
                    number: self.generation,
                    parent: None,
                    components: [(component.name.clone(), component)].into(),
                    externals: Default::default(),
                    volumes,
                    networks: IndexMap::new(),
                    routes: vec![Route {
                        id: "web".parse().unwrap(),
                        hosts: vec!["shop.localhost".parse().unwrap()],
                        matches: Vec::new(),
                        backends: vec![WeightedBackend::only(backend)],
                        limits: RouteLimits::default(),
                        disabled: false,
                    }],
                    urls: Vec::new(),
                    objects: Vec::new(),
                },
                tasks: Vec::new(),
                power: Power::On,
                stopped: Vec::new(),
                secrets: Default::default(),
            })),
        }
    }

    pub async fn deploy(&mut self, part: &Part) {
        let stage = self.stage(part);
        self.node().apply(&stage).await.unwrap();
    }

    pub async fn power(&mut self, part: &Part, power: Power) {
        let mut stage = self.stage(part);
        if let Wish::Run(wish) = &mut stage.wish {
            wish.power = power;
        }
        self.node().apply(&stage).await.unwrap();
    }

    pub async fn delete(&mut self) {
        self.generation += 1;
        let stage = Stage {
            cluster: self.driver.cluster(),
            application: self.application,
            generation: Generation(self.generation),
            wish: Wish::Gone,
        };
        self.node().apply(&stage).await.unwrap();
    }

    /// Ends the node as a kill would and starts another over the same folder.
    pub async fn restart_node(&mut self) {
        self.kill_node().await;
        self.start_node();
    }

    pub async fn kill_node(&mut self) {
        self.node.take().expect("the node runs").kill().await;
    }

    pub(crate) fn start_node(&mut self) {
        self.node = Some(Node::start(&self.config, self.driver.clone()).unwrap());
    }

    pub async fn observed(&self) -> ObservedApplication {
        let mut all = self.node().observe(Scope::All).await.unwrap();
        all.applications
            .remove(&self.application)
            .unwrap_or_default()
    }

    pub async fn web(&self) -> Option<ObservedComponent> {
        self.observed().await.components.remove("web")
    }

    pub async fn instances(&self) -> Vec<ObservedInstance> {
        self.web()
            .await
            .map(|web| web.instances)
            .unwrap_or_default()
    }

    /// Waits until it holds, woken by the node's hints; fails with what is seen after a while.
    pub async fn until(
        &self,
        what: &str,
        holds: impl Fn(&ObservedApplication) -> bool,
    ) -> ObservedApplication {
        let mut changes = self.node().changes();
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            changes.borrow_and_update();
            let seen = self.observed().await;
            if holds(&seen) {
                return seen;
            }
            assert!(Instant::now() < deadline, "never {what}: {seen:#?}");
            let _ = tokio::time::timeout(Duration::from_millis(200), changes.changed()).await;
        }
    }

    /// Waits until what runs is what the last stage wants.
    pub async fn settled(&self) -> ObservedApplication {
        let generation = Generation(self.generation);
        self.until("settled", |seen| {
            seen.generation == generation && seen.settled
        })
        .await
    }

    /// One request through the gateway.
    pub async fn get(&self, path: &str) -> Result<(u16, String), String> {
        get(self.gateway(), path).await
    }

    /// What is left on the engine of this installation: containers, networks, volumes.
    pub async fn left(&self) -> (Vec<String>, Vec<String>, Vec<String>) {
        let containers = self.driver.containers().await.unwrap();
        let networks = self.driver.networks().await.unwrap();
        let volumes = self.driver.volumes().await.unwrap();
        (
            containers.into_iter().map(|c| c.name).collect(),
            networks.into_iter().map(|n| n.name).collect(),
            volumes.into_iter().map(|v| v.name).collect(),
        )
    }

    /// Deletes everything that the scene made.
    pub async fn close(mut self) {
        if let Some(node) = self.node.take() {
            node.kill().await;
        }
        clear(&self.driver).await;
    }
}

async fn clear(driver: &DockerDriver) {
    for container in driver.containers().await.unwrap_or_default() {
        let _ = driver.remove(&container.name).await;
    }
    for network in driver.networks().await.unwrap_or_default() {
        let _ = driver.remove_network(&network.name).await;
    }
    for volume in driver.volumes().await.unwrap_or_default() {
        let _ = driver.remove_volume(&volume.name).await;
    }
}

impl Drop for Scene {
    /// A test that fails leaves nothing behind either.
    fn drop(&mut self) {
        let driver = self.driver.clone();
        let node = self.node.take();
        let cleared = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            if let Ok(runtime) = runtime {
                runtime.block_on(async {
                    if let Some(node) = node {
                        node.kill().await;
                    }
                    clear(&driver).await;
                });
            }
        });
        let _ = cleared.join();
        give_back(&self.config.pool.to_string());
    }
}

/// Takes the addresses of a range, `10.202.7.0/24`, from the machine, which its components were reached at.
fn give_back(pool: &str) {
    let prefix = pool.strip_suffix("0/24").expect("a range of a lane");
    let listed = std::process::Command::new("ip")
        .args(["-o", "-4", "addr", "show", "dev", "lo"])
        .output();
    let listed = listed.map(|output| output.stdout).unwrap_or_default();
    let listed = String::from_utf8_lossy(&listed);
    for address in listed.split_whitespace() {
        if address.starts_with(prefix) {
            let _ = std::process::Command::new("ip")
                .args(["addr", "del", address, "dev", "lo"])
                .output();
        }
    }
}

pub fn ready(seen: &ObservedApplication) -> usize {
    seen.components
        .values()
        .flat_map(|component| &component.instances)
        .filter(|instance| instance.state == InstanceState::Ready)
        .count()
}

/// One request on a connection of its own.
pub async fn get(gateway: SocketAddr, path: &str) -> Result<(u16, String), String> {
    let mut kept = Kept::connect(gateway).await?;
    kept.get(path).await
}

/// A connection that is kept from request to request, and opened again only where the gateway said it would close it.
pub struct Kept {
    gateway: SocketAddr,
    sender: hyper::client::conn::http1::SendRequest<http_body_util::Empty<bytes::Bytes>>,
}

impl Kept {
    pub async fn connect(gateway: SocketAddr) -> Result<Kept, String> {
        let stream = tokio::net::TcpStream::connect(gateway)
            .await
            .map_err(|e| e.to_string())?;
        let (sender, connection) =
            hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream))
                .await
                .map_err(|e| e.to_string())?;
        tokio::spawn(connection);
        Ok(Kept { gateway, sender })
    }

    pub async fn get(&mut self, path: &str) -> Result<(u16, String), String> {
        use http_body_util::BodyExt;
        if self.sender.ready().await.is_err() {
            *self = Kept::connect(self.gateway).await?;
        }
        let request = http::Request::get(path)
            .header("host", "shop.localhost")
            .body(http_body_util::Empty::new())
            .unwrap();
        let answer = self
            .sender
            .send_request(request)
            .await
            .map_err(|e| e.to_string())?;
        let status = answer.status().as_u16();
        let body = answer
            .into_body()
            .collect()
            .await
            .map_err(|e| e.to_string())?;
        Ok((
            status,
            String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        ))
    }
}
