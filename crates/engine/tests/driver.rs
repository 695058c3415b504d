//! The driver on real engines: every scenario runs on Docker and on Podman.

mod engines;

use std::net::IpAddr;
use std::time::Duration;

use futures::StreamExt;
use indexmap::IndexMap;
use pluvio_engine::{DockerDriver, RegistryCredential};
use pluvio_model::facts::{Reach, RuntimeKind};
use pluvio_model::id::{ApplicationId, VolumeId};
use pluvio_model::problem;
use pluvio_plan::lower::engine::{
    ContainerCreate, FileCreate, NetworkPlan, Role, Room, VolumePlan, label,
};
use pluvio_runtime::driver::{
    ContainerState, Driver, DriverError, ExecAs, FileToWrite, SeenContainer,
};
use pluvio_runtime::{ExecInput, ExecOutput, ExecRequest, ExecSession, LogStream};
use serde_json::{Value, json};

/// Each scenario as two tests.
macro_rules! on_both {
    ($($scenario:ident)*) => {
        mod docker { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $scenario() { super::$scenario("docker").await })* }
        mod podman { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $scenario() { super::$scenario("podman").await })* }
    };
}

on_both! {
    an_engine_tells_what_it_is
    a_container_lives_and_leaves_its_exit_code
    names_are_taken_once_and_foreign_ones_are_not_touched
    output_comes_in_lines_with_their_time
    commands_run_with_input_terminal_and_exit_code
    a_command_whose_user_is_gone_is_hung_up
    files_get_their_folders_mode_and_owner
    networks_have_the_subnet_that_was_asked_for
    volumes_are_made_once
    published_ports_are_seen_and_taken_ones_named
    memory_kills_are_told
    hints_come_when_containers_change
    images_that_cannot_be_had_are_distinct_problems
    a_sidecar_shares_the_network_of_its_instance
}

/// Removes what a scenario made, also when it fails half-way: at its next start.
async fn fresh(engine: &str, scenario: &str) -> DockerDriver {
    let driver = engines::driver(engine, scenario).await;
    for container in driver.containers().await.unwrap() {
        let _ = driver.remove(&container.name).await;
    }
    for network in driver.networks().await.unwrap() {
        let _ = driver.remove_network(&network.name).await;
    }
    for volume in driver.volumes().await.unwrap() {
        let _ = driver.remove_volume(&volume.name).await;
    }
    driver
}

fn labels(driver: &DockerDriver) -> IndexMap<String, String> {
    [(label::INSTALLATION.to_owned(), driver.cluster().to_string())].into()
}

fn container(driver: &DockerDriver, name: &str, command: &[&str]) -> ContainerCreate {
    ContainerCreate {
        name: name.to_owned(),
        role: Role::Main,
        body: json!({
            "Image": engines::IMAGE, "Entrypoint": [], "Cmd": command, "Labels": labels(driver),
            "HostConfig": { "NetworkMode": "none", "Init": true },
        }),
        files: Vec::new(),
        further_networks: Vec::new(),
    }
}

async fn run(driver: &DockerDriver, container: &ContainerCreate) {
    driver.create(container, None).await.unwrap();
    driver.start(&container.name).await.unwrap();
}

async fn seen(driver: &DockerDriver, name: &str) -> SeenContainer {
    let all = driver.containers().await.unwrap();
    all.into_iter()
        .find(|c| c.name == name)
        .expect("it is listed")
}

async fn exited(driver: &DockerDriver, name: &str) -> (i64, bool) {
    for _ in 0..200 {
        if let ContainerState::Exited { code, oom, .. } = seen(driver, name).await.state {
            return (code, oom);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{name} did not end");
}

fn network_plan(driver: &DockerDriver, name: &str) -> NetworkPlan {
    NetworkPlan {
        network: "default".parse().unwrap(),
        name: name.to_owned(),
        labels: labels(driver),
        internal: false,
        known_as: Vec::new(),
        shared_as: None,
        room: Room::default(),
    }
}

/// A subnet that nobody uses: scenarios and engines run at the same time.
async fn free_subnet(driver: &DockerDriver, third: u8) -> (String, IpAddr) {
    let podman = u8::from(driver.engine().is_podman());
    let subnet = format!("10.249.{}.0/26", third * 2 + podman);
    assert!(!driver.taken_subnets().await.unwrap().contains(&subnet));
    let address = format!("10.249.{}.20", third * 2 + podman);
    (subnet, address.parse().unwrap())
}

async fn an_engine_tells_what_it_is(name: &str) {
    let driver = engines::driver(name, "facts").await;
    let facts = driver.facts().await.unwrap();
    let kind = match name {
        "docker" => RuntimeKind::Docker,
        _ => RuntimeKind::Podman,
    };
    assert_eq!(facts.runtime, kind);
    assert_eq!(facts.reach, Reach::Bridge);
    assert!(
        facts.cpu_millis >= 1000 && facts.memory_bytes > 1 << 28,
        "{facts:?}"
    );
    let again = engines::driver(name, "facts").await;
    assert_eq!(again.cluster(), driver.cluster());
    let other = engines::driver(name, "another installation").await;
    assert_ne!(other.cluster(), driver.cluster());
}

async fn a_container_lives_and_leaves_its_exit_code(name: &str) {
    let driver = fresh(name, "life").await;
    let (subnet, address) = free_subnet(&driver, 1).await;
    let network = network_plan(&driver, "pvtest-life");
    driver.ensure_network(&network, &subnet).await.unwrap();
    let mut web = container(
        &driver,
        "pvtest-life",
        &[
            "sh",
            "-c",
            "trap 'exit 7' TERM; echo up; while :; do sleep 0.1; done",
        ],
    );
    web.body["HostConfig"]["NetworkMode"] = json!("pvtest-life");
    driver.create(&web, Some(address)).await.unwrap();
    assert_eq!(
        seen(&driver, "pvtest-life").await.state,
        ContainerState::Created
    );
    driver.start("pvtest-life").await.unwrap();
    let running = seen(&driver, "pvtest-life").await;
    assert!(matches!(running.state, ContainerState::Running { .. }));
    assert_eq!(running.address, Some(address));
    assert!(
        running
            .pid
            .is_some_and(|pid| std::path::Path::new(&format!("/proc/{pid}")).exists())
    );
    // Started twice is fine; a signal it ignores does nothing.
    driver.start("pvtest-life").await.unwrap();
    driver.stop("pvtest-life", 10).await.unwrap();
    assert_eq!(exited(&driver, "pvtest-life").await, (7, false));
    driver.stop("pvtest-life", 10).await.unwrap();
    driver.remove("pvtest-life").await.unwrap();
    let gone = driver.remove("pvtest-life").await;
    assert!(
        matches!(gone, Err(DriverError::NotFound { .. })),
        "{gone:?}"
    );
    let gone = driver.start("pvtest-life").await;
    assert!(
        matches!(gone, Err(DriverError::NotFound { .. })),
        "{gone:?}"
    );
    driver.remove_network("pvtest-life").await.unwrap();
}

async fn names_are_taken_once_and_foreign_ones_are_not_touched(name: &str) {
    let driver = fresh(name, "names").await;
    let wanted = container(&driver, "pvtest-names", &["sleep", "60"]);
    driver.create(&wanted, None).await.unwrap();
    let twice = driver.create(&wanted, None).await;
    assert!(
        matches!(twice, Err(DriverError::AlreadyExists { .. })),
        "{twice:?}"
    );
    let other = fresh(name, "names of another").await;
    let taken = other
        .create(&container(&other, "pvtest-names", &["true"]), None)
        .await;
    assert!(
        matches!(taken, Err(DriverError::Refused { .. })),
        "{taken:?}"
    );
    let foreign = other.remove("pvtest-names").await;
    assert!(
        matches!(foreign, Err(DriverError::NotFound { .. })),
        "{foreign:?}"
    );
    assert!(other.containers().await.unwrap().is_empty());
    driver.remove("pvtest-names").await.unwrap();
    let mut imageless = container(&driver, "pvtest-names", &["true"]);
    imageless.body["Image"] = json!("localhost/pvtest/nothing:1");
    let missing = driver.create(&imageless, None).await.unwrap_err();
    assert!(missing.to_string().contains("nothing"), "{missing}");
}

async fn output_comes_in_lines_with_their_time(name: &str) {
    let driver = fresh(name, "logs").await;
    let before = jiff::Timestamp::now();
    let script = "echo one; echo two >&2; echo; sleep 1.2; echo three; exec dd if=/dev/zero bs=1 count=0 2>/dev/null";
    run(
        &driver,
        &container(&driver, "pvtest-logs", &["sh", "-c", script]),
    )
    .await;
    let follow = driver.logs("pvtest-logs", None, true).await.unwrap();
    let followed = tokio::time::timeout(Duration::from_secs(20), follow.collect::<Vec<_>>());
    let lines = followed.await.expect("the stream ends with the container");
    let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts.len(), 4, "{texts:?}");
    assert!(texts.contains(&"one") && texts.contains(&"") && texts[3] == "three");
    let two = lines.iter().find(|line| line.text == "two").unwrap();
    assert_eq!(two.stream, LogStream::Err);
    let second = |at: jiff::Timestamp| at.as_second();
    let now = jiff::Timestamp::now();
    assert!(
        lines
            .iter()
            .all(|line| second(line.at) >= second(before) && line.at <= now)
    );
    assert!(lines.is_sorted_by(|a, b| a.at < b.at), "{lines:?}");
    let since = lines[3].at;
    let later = driver
        .logs("pvtest-logs", Some(since), false)
        .await
        .unwrap();
    let later: Vec<String> = later.map(|line| line.text).collect().await;
    assert_eq!(later, ["three"]);
    driver.remove("pvtest-logs").await.unwrap();
}

fn request(container: &str, command: &[&str], tty: bool) -> ExecRequest {
    ExecRequest {
        application: ApplicationId(uuid::Uuid::nil()),
        instance: container.to_owned(),
        container: None,
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        tty,
        size: tty.then_some((91, 33)),
    }
}

async fn outcome(
    driver: &DockerDriver,
    request: ExecRequest,
    input: &str,
) -> (String, String, i64) {
    let session = driver.exec(&request).await.unwrap();
    if !input.is_empty() {
        let bytes = ExecInput::Bytes(input.to_owned().into());
        session.input.send(bytes).await.unwrap();
    }
    session.input.send(ExecInput::End).await.unwrap();
    ended(session).await
}

async fn ended(mut session: ExecSession) -> (String, String, i64) {
    let (mut out, mut err, mut code) = (Vec::new(), Vec::new(), None);
    while let Some(item) = session.output.next().await {
        match item {
            ExecOutput::Out(bytes) => out.extend(bytes),
            ExecOutput::Err(bytes) => err.extend(bytes),
            ExecOutput::Exit(ended) => code = Some(ended),
        }
    }
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        text(out),
        text(err),
        code.expect("the exit code comes last"),
    )
}

async fn commands_run_with_input_terminal_and_exit_code(name: &str) {
    let driver = fresh(name, "exec").await;
    run(
        &driver,
        &container(&driver, "pvtest-exec", &["sleep", "300"]),
    )
    .await;
    let shell = request(
        "pvtest-exec",
        &["sh", "-c", "cat; echo bad >&2; exit 3"],
        false,
    );
    let seen = outcome(&driver, shell, "given\n").await;
    assert_eq!(seen, ("given\n".to_owned(), "bad\n".to_owned(), 3));
    let terminal = request(
        "pvtest-exec",
        &["sh", "-c", "sleep 0.3; stty size; echo $TERM"],
        true,
    );
    let (out, _, code) = outcome(&driver, terminal, "").await;
    assert_eq!((out.as_str(), code), ("33 91\r\nxterm-256color\r\n", 0));
    let own = ExecAs {
        user: Some("1000:1000".to_owned()),
        working_dir: Some("/etc".to_owned()),
        env: vec!["WORD=given".to_owned()],
        privileged: false,
        no_input: true,
    };
    let asked = ["sh", "-c", "cat; id -u; pwd; echo $WORD"];
    let asked = request("pvtest-exec", &asked, false);
    let (out, _, code) = ended(driver.exec_as(&asked, &own).await.unwrap()).await;
    assert_eq!((out.as_str(), code), ("1000\n/etc\ngiven\n", 0));
    let missing = driver
        .exec(&request("pvtest-nobody", &["true"], false))
        .await;
    assert!(matches!(missing, Err(DriverError::NotFound { .. })));
    driver.remove("pvtest-exec").await.unwrap();
}

async fn a_command_whose_user_is_gone_is_hung_up(name: &str) {
    let driver = fresh(name, "hang-up").await;
    run(
        &driver,
        &container(&driver, "pvtest-hangup", &["sleep", "300"]),
    )
    .await;
    let mut session = driver
        .exec(&request(
            "pvtest-hangup",
            &["sh", "-c", "echo here; sleep 299"],
            true,
        ))
        .await
        .unwrap();
    assert!(session.output.next().await.is_some());
    drop(session);
    let list = || request("pvtest-hangup", &["sh", "-c", "cat /proc/*/cmdline"], false);
    for _ in 0..100 {
        let (out, _, _) = outcome(&driver, list(), "").await;
        if !out.contains("echo here") {
            driver.remove("pvtest-hangup").await.unwrap();
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the command lives on");
}

async fn files_get_their_folders_mode_and_owner(name: &str) {
    let driver = fresh(name, "files").await;
    let mut app = container(&driver, "pvtest-files", &["sleep", "300"]);
    app.body["User"] = json!("app");
    app.files.push(FileCreate {
        path: "/etc/shop/deep/shop.toml".parse().unwrap(),
        mode: 0o600,
        content: "a = 1\n".to_owned(),
    });
    run(&driver, &app).await;
    let script =
        "cat /etc/shop/deep/shop.toml; stat -c '%a %u %g' /etc/shop/deep/shop.toml /etc/shop /tmp";
    let look = || request("pvtest-files", &["sh", "-c", script], false);
    let (out, _, _) = outcome(&driver, look(), "").await;
    let tmp = out.lines().last().unwrap().to_owned();
    assert_eq!(out, format!("a = 1\n600 1234 1235\n755 1234 1235\n{tmp}\n"));
    let files = [
        FileToWrite {
            path: "/etc/shop/deep/shop.toml".to_owned(),
            mode: 0o640,
            content: "a = 2\n".into(),
        },
        FileToWrite {
            path: "/tmp/x".to_owned(),
            mode: 0o644,
            content: "".into(),
        },
    ];
    driver.write_files("pvtest-files", &files).await.unwrap();
    let (out, _, _) = outcome(&driver, look(), "").await;
    // What was there before keeps its mode and owner.
    assert_eq!(out, format!("a = 2\n640 1234 1235\n755 1234 1235\n{tmp}\n"));
    driver.remove("pvtest-files").await.unwrap();
}

async fn networks_have_the_subnet_that_was_asked_for(name: &str) {
    let driver = fresh(name, "networks").await;
    let (subnet, _) = free_subnet(&driver, 2).await;
    let plan = network_plan(&driver, "pvtest-net");
    driver.ensure_network(&plan, &subnet).await.unwrap();
    driver.ensure_network(&plan, &subnet).await.unwrap();
    let networks = driver.networks().await.unwrap();
    assert_eq!(networks.len(), 1);
    assert_eq!(networks[0].subnet.as_deref(), Some(subnet.as_str()));
    assert!(driver.taken_subnets().await.unwrap().contains(&subnet));
    let again = driver
        .ensure_network(&network_plan(&driver, "pvtest-net-2"), &subnet)
        .await;
    assert!(
        matches!(again, Err(DriverError::AlreadyExists { .. })),
        "{again:?}"
    );
    driver.remove_network("pvtest-net").await.unwrap();
    let gone = driver.remove_network("pvtest-net").await;
    assert!(
        matches!(gone, Err(DriverError::NotFound { .. })),
        "{gone:?}"
    );
}

async fn volumes_are_made_once(name: &str) {
    let driver = fresh(name, "volumes").await;
    let plan = VolumePlan {
        name: "pvtest-volume".to_owned(),
        volume: "data".parse().unwrap(),
        id: VolumeId(uuid::Uuid::nil()),
        labels: labels(&driver),
        options: IndexMap::new(),
    };
    assert!(!driver.has_volume("pvtest-nobodys").await.unwrap());
    driver.ensure_volume(&plan).await.unwrap();
    driver.ensure_volume(&plan).await.unwrap();
    assert!(driver.has_volume("pvtest-volume").await.unwrap());
    let elsewhere = VolumePlan {
        options: [("type", "nfs"), ("device", ":/a"), ("o", "addr=192.0.2.1")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        ..plan.clone()
    };
    let other = driver.ensure_volume(&elsewhere).await;
    assert!(
        matches!(other, Err(DriverError::OtherOptions { plain: true, .. })),
        "{other:?}"
    );
    // Nothing is mounted before a program asks for it.
    let share = VolumePlan {
        name: "pvtest-share".to_owned(),
        ..elsewhere
    };
    driver.ensure_volume(&share).await.unwrap();
    driver.ensure_volume(&share).await.unwrap();
    driver.remove_volume("pvtest-share").await.unwrap();
    let mut user = container(
        &driver,
        "pvtest-volume",
        &["sh", "-c", "echo kept >/data/x"],
    );
    user.body["HostConfig"]["Mounts"] =
        json!([{ "Type": "volume", "Source": "pvtest-volume", "Target": "/data" }]);
    run(&driver, &user).await;
    assert_eq!(exited(&driver, "pvtest-volume").await.0, 0);
    let used = driver.remove_volume("pvtest-volume").await;
    assert!(matches!(used, Err(DriverError::Refused { .. })), "{used:?}");
    driver.remove("pvtest-volume").await.unwrap();
    assert_eq!(driver.volumes().await.unwrap().len(), 1);
    driver.remove_volume("pvtest-volume").await.unwrap();
    assert!(driver.volumes().await.unwrap().is_empty());
}

async fn published_ports_are_seen_and_taken_ones_named(name: &str) {
    let driver = fresh(name, "ports").await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let publish = |name: &str, port: &str| {
        let mut web = container(
            &driver,
            name,
            &[
                "sh",
                "-c",
                "echo hello >/tmp/index.html; exec httpd -f -p 8080 -h /tmp",
            ],
        );
        web.body["HostConfig"]["NetworkMode"] = json!("bridge");
        web.body["ExposedPorts"] = json!({ "8080/tcp": {} });
        web.body["HostConfig"]["PortBindings"] =
            json!({ "8080/tcp": [{ "HostIp": "127.0.0.1", "HostPort": port }] });
        web
    };
    driver
        .create(&publish("pvtest-port", &port.to_string()), None)
        .await
        .unwrap();
    let refused = driver.start("pvtest-port").await.unwrap_err();
    assert!(
        matches!(&refused, DriverError::PortTaken(p) if *p == port.to_string()),
        "{refused:?}"
    );
    assert!(refused.to_problem().is(problem::PORT_TAKEN));
    run(&driver, &publish("pvtest-port-2", "")).await;
    let published = seen(&driver, "pvtest-port-2").await.published;
    assert!(published.contains_key(&8080), "{published:?}");
    for name in ["pvtest-port", "pvtest-port-2"] {
        driver.remove(name).await.unwrap();
    }
}

async fn memory_kills_are_told(name: &str) {
    let driver = fresh(name, "memory").await;
    let mut greedy = container(&driver, "pvtest-oom", &["sh", "-c", "exec tail /dev/zero"]);
    greedy.body["HostConfig"]["Memory"] = json!(16 << 20);
    greedy.body["HostConfig"]["MemorySwap"] = json!(16 << 20);
    run(&driver, &greedy).await;
    assert_eq!(exited(&driver, "pvtest-oom").await, (137, true));
    driver.remove("pvtest-oom").await.unwrap();
}

async fn hints_come_when_containers_change(name: &str) {
    let driver = fresh(name, "hints").await;
    let mut hints = driver.events().await.unwrap();
    let quick = container(&driver, "pvtest-hints", &["true"]);
    let (hint, ()) = tokio::join!(
        tokio::time::timeout(Duration::from_secs(10), hints.next()),
        run(&driver, &quick)
    );
    assert_eq!(hint.expect("a hint comes"), Some(()));
    driver.remove("pvtest-hints").await.unwrap();
}

async fn images_that_cannot_be_had_are_distinct_problems(name: &str) {
    let engine = engines::engine(name).await;
    let facts = engine.image_facts(engines::IMAGE).await.unwrap().unwrap();
    assert!(
        facts.id.starts_with("sha256:") && facts.size > 100_000,
        "{facts:?}"
    );
    assert_eq!(
        engine.image_facts(&facts.id).await.unwrap().unwrap().id,
        facts.id
    );
    let absent = "localhost/pvtest/nothing:1".parse().unwrap();
    let problem = engine.pull(&absent, None, |_| {}).await.unwrap_err();
    assert!(problem.is(problem::IMAGE_NOT_FOUND), "{problem}");
    let unreachable = "127.0.0.1:1/a/b:1".parse().unwrap();
    let problem = engine.pull(&unreachable, None, |_| {}).await.unwrap_err();
    assert!(problem.is(problem::IMAGE_REGISTRY), "{problem}");
    let registry = registry::start().await;
    let image = |path: &str| {
        format!("127.0.0.1:{}/{path}", registry.port)
            .parse()
            .unwrap()
    };
    let pull = |path: &'static str, credential: Option<(&str, &str)>| {
        let credential = credential.map(|(user, password)| RegistryCredential {
            user: user.to_owned(),
            password: password.to_owned(),
        });
        let (engine, image) = (engine.clone(), image(path));
        async move {
            engine
                .pull(&image, credential.as_ref(), |_| {})
                .await
                .unwrap_err()
        }
    };
    for (credential, code) in [
        (None, problem::IMAGE_UNAUTHORIZED),
        (Some(("me", "wrong")), problem::IMAGE_UNAUTHORIZED),
        (Some(("me", "right")), problem::IMAGE_NOT_FOUND),
    ] {
        let problem = pull("private/app:1", credential).await;
        assert!(problem.is(code), "{credential:?}: {problem}");
    }
}

async fn a_sidecar_shares_the_network_of_its_instance(name: &str) {
    let driver = fresh(name, "sidecar").await;
    let (subnet, address) = free_subnet(&driver, 3).await;
    driver
        .ensure_network(&network_plan(&driver, "pvtest-side"), &subnet)
        .await
        .unwrap();
    let serve = "echo main >/tmp/index.html; exec httpd -f -p 8080 -h /tmp";
    let mut main = container(&driver, "pvtest-side", &["sh", "-c", serve]);
    main.body["HostConfig"]["NetworkMode"] = json!("pvtest-side");
    driver.create(&main, Some(address)).await.unwrap();
    driver.start("pvtest-side").await.unwrap();
    let ask = "for i in 1 2 3 4 5 6 7 8 9 10; do wget -qO- http://127.0.0.1:8080/ && exit 0; sleep 0.2; done; exit 1";
    let mut side = container(&driver, "pvtest-side-2", &["sh", "-c", ask]);
    side.body["HostConfig"]["NetworkMode"] = json!("container:pvtest-side");
    run(&driver, &side).await;
    assert_eq!(exited(&driver, "pvtest-side-2").await.0, 0);
    for name in ["pvtest-side-2", "pvtest-side"] {
        driver.remove(name).await.unwrap();
    }
    driver.remove_network("pvtest-side").await.unwrap();
}

/// A registry that asks for a password and holds nothing.
mod registry {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    pub(super) struct Registry {
        pub(super) port: u16,
    }

    pub(super) async fn start() -> Registry {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        match stream.read_u8().await {
                            // A TLS greeting: there is none here.
                            Ok(0x16) | Err(_) => return,
                            Ok(byte) => head.push(byte),
                        }
                    }
                    let answer = answer(&String::from_utf8_lossy(&head));
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Registry { port }
    }

    fn answer(head: &str) -> String {
        // me:right
        let known = head
            .to_ascii_lowercase()
            .contains("authorization: basic bwu6cmlnahq=");
        let (status, extra, body): (_, _, Value) = if !known {
            let code = json!({ "errors": [{ "code": "UNAUTHORIZED", "message": "authentication required" }] });
            (
                "401 Unauthorized",
                "WWW-Authenticate: Basic realm=\"test\"\r\n",
                code,
            )
        } else if head.contains(" /v2/ ") {
            ("200 OK", "", json!({}))
        } else {
            let code = json!({ "errors": [{ "code": "MANIFEST_UNKNOWN", "message": "manifest unknown" }] });
            ("404 Not Found", "", code)
        };
        let body = if head.starts_with("HEAD") {
            String::new()
        } else {
            body.to_string()
        };
        format!(
            "HTTP/1.1 {status}\r\nDocker-Distribution-Api-Version: registry/2.0\r\nContent-Type: application/json\r\n{extra}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    }
}
