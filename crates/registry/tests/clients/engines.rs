//! What real engines do: push, pull, and archives of theirs that become images here.

use std::path::PathBuf;
use std::process::{Command, Output};

use hyper::{Method, StatusCode};
use pluvio_engine::{Engine, RegistryCredential, body_of_reader, find_engine};
use pluvio_registry::Repository;

use crate::scene::{Scene, settings};

fn sockets() -> [PathBuf; 2] {
    let named = |name: &str, usual: &str| {
        std::env::var(name)
            .unwrap_or_else(|_| usual.to_owned())
            .into()
    };
    [
        named("PLUVIO_TEST_DOCKER", "/var/run/docker.sock"),
        named("PLUVIO_TEST_PODMAN", "/run/podman/podman.sock"),
    ]
}

async fn engine(socket: &std::path::Path) -> Engine {
    let found = find_engine(Some(&socket.display().to_string())).await;
    found.unwrap_or_else(|problem| {
        panic!(
            "{}: `scripts/engine start`: {}",
            socket.display(),
            problem.cause
        )
    })
}

/// An image of one layer with one file of `megabytes` that do not compress; its name.
async fn image(engine: &Engine, megabytes: usize) -> String {
    let mut data = vec![0_u8; megabytes << 20];
    let mut state = 0x2545_f491_4f6c_dd1d_u64 ^ u64::from(std::process::id());
    for piece in data.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        piece.copy_from_slice(&state.to_le_bytes()[..piece.len()]);
    }
    let mut header = tar::Header::new_gnu();
    header.set_size(data.len() as u64);
    header.set_mode(0o644);
    let mut archive = tar::Builder::new(Vec::new());
    archive
        .append_data(&mut header, "data", data.as_slice())
        .unwrap();
    let archive = std::io::Cursor::new(archive.into_inner().unwrap());
    let name = format!("localhost/pluvio-registry-test-{}:1", std::process::id());
    let changes = ["CMD [\"/data\"]".to_owned()];
    engine
        .import_body(body_of_reader(archive), &name, &changes)
        .await
        .unwrap();
    name
}

fn run(program: &str, arguments: &[&str], stdin: Option<&str>) -> Output {
    use std::io::Write;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; `scripts/install --tests` brings it"));
    child
        .stdin
        .take()
        .unwrap()
        .write_all(stdin.unwrap_or_default().as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

/// Signs in, pushes, forgets, pulls; with a wrong password and in another team it is refused.
async fn pushes_and_pulls(scene: &Scene, socket: PathBuf, program: &str) {
    let engine = engine(&socket).await;
    let local = image(&engine, 3).await;
    let remote = format!("{}/main/engines/{program}:v1", scene.address);
    let foreign = format!("{}/others/engines/{program}:v1", scene.address);
    let id = engine.image_facts(&local).await.unwrap().unwrap().id;
    engine.tag_image(&local, &remote).await.unwrap();
    engine.tag_image(&local, &foreign).await.unwrap();
    let (socket, config) = (
        format!("unix://{}", socket.display()),
        scene.folder.path().join(program),
    );
    std::fs::create_dir_all(&config).unwrap();
    let (address, token, program, again) = (
        scene.address.to_string(),
        scene.owner.clone(),
        program.to_owned(),
        remote.clone(),
    );
    let asked = tokio::task::spawn_blocking(move || {
        let config = config.display().to_string();
        let auth = format!("{config}/auth.json");
        let with = |verb: &[&'static str], rest: &[&str]| -> Vec<String> {
            let (first, after): (Vec<&str>, Vec<&str>) = match program.as_str() {
                "docker" => (vec!["--host", &socket, "--config", &config], vec![]),
                _ => (
                    vec!["--url", &socket],
                    vec!["--authfile", &auth, "--tls-verify=false"],
                ),
            };
            let all = first.iter().chain(verb).chain(&after).chain(rest);
            all.map(|word| (*word).to_owned()).collect()
        };
        let words = |all: &[String]| {
            all.iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join("\u{1}")
        };
        let ask = |all: Vec<String>, stdin: Option<&str>| {
            let text = words(&all);
            run(&program, &text.split('\u{1}').collect::<Vec<_>>(), stdin)
        };
        let login = with(
            &["login"],
            &["--username", "anybody", "--password-stdin", &address],
        );
        assert!(
            !ask(login.clone(), Some("wrong")).status.success(),
            "a wrong password signed in"
        );
        let nobody = ask(with(&["push"], &[&remote]), None);
        assert!(!nobody.status.success(), "nobody pushed");
        let signed = ask(login, Some(&token));
        assert!(
            signed.status.success(),
            "{}",
            String::from_utf8_lossy(&signed.stderr)
        );
        let pushed = ask(with(&["push"], &[&remote]), None);
        assert!(
            pushed.status.success(),
            "{}",
            String::from_utf8_lossy(&pushed.stderr)
        );
        let refused = ask(with(&["push"], &[&foreign]), None);
        assert!(!refused.status.success(), "pushed to another team");
        // Docker forgets an image with its last name; its content goes with it.
        for name in [&remote, &foreign] {
            let forgotten = ask(
                match program.as_str() {
                    "docker" => with(&["rmi"], &[name]),
                    _ => vec![
                        "--url".to_owned(),
                        socket.clone(),
                        "rmi".to_owned(),
                        name.to_string(),
                    ],
                },
                None,
            );
            assert!(
                forgotten.status.success(),
                "{}",
                String::from_utf8_lossy(&forgotten.stderr)
            );
        }
        let forgotten = ask(
            match program.as_str() {
                "docker" => with(&["rmi"], &[&local]),
                _ => vec![
                    "--url".to_owned(),
                    socket.clone(),
                    "rmi".to_owned(),
                    local.clone(),
                ],
            },
            None,
        );
        assert!(
            forgotten.status.success(),
            "{}",
            String::from_utf8_lossy(&forgotten.stderr)
        );
        let pulled = ask(with(&["pull"], &[&remote]), None);
        assert!(
            pulled.status.success(),
            "{}",
            String::from_utf8_lossy(&pulled.stderr)
        );
    });
    asked.await.unwrap();
    let back = engine
        .image_facts(&again)
        .await
        .unwrap()
        .expect("it was pulled");
    assert_eq!(back.id, id, "another image came back");
    engine.remove_image(&again).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn docker_signs_in_pushes_and_pulls() {
    let scene = Scene::new().await;
    let [docker, _] = sockets();
    pushes_and_pulls(&scene, docker, "docker").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn podman_signs_in_pushes_and_pulls() {
    let scene = Scene::new().await;
    let [_, podman] = sockets();
    pushes_and_pulls(&scene, podman, "podman").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engines_archive_becomes_the_same_image_each_time() {
    for socket in sockets() {
        let scene = Scene::with(settings()).await;
        let engine = engine(&socket).await;
        let name = image(&engine, 2).await;
        let id = engine.image_facts(&name).await.unwrap().unwrap().id;
        let team = scene.store.home().team;
        let mut digests = Vec::new();
        for repository in ["main/one/web", "main/one/web", "main/two/web"] {
            let repository: Repository = repository.parse().unwrap();
            let archive = engine.export(&id).await.unwrap();
            let import = scene
                .registry
                .import(team, &repository, Some("v1"), archive, "test");
            digests.push(import.await.unwrap());
        }
        assert!(
            digests.iter().all(|digest| *digest == digests[0]),
            "{digests:?}"
        );
        // One layer, one configuration, one manifest: nothing twice, nothing left of the work.
        assert_eq!(scene.files("images/contents").await, 3);
        assert_eq!(scene.files("images/work").await, 0);
        engine.remove_image(&name).await.unwrap();
        let pulled = format!("{}/main/two/web@{}", scene.address, digests[0]);
        let credential = RegistryCredential {
            user: "anybody".to_owned(),
            password: scene.owner.clone(),
        };
        if !engine.is_podman() {
            let reference = pulled.parse().unwrap();
            let facts = engine
                .pull(&reference, Some(&credential), |_| ())
                .await
                .unwrap();
            assert_eq!(facts.id, id, "the configuration is the engine's own");
            engine.remove_image(&pulled).await.unwrap();
        }
        let manifest = scene
            .ask(Method::GET, "/v2/main/two/web/manifests/v1", "")
            .await;
        assert_eq!(
            (manifest.status, manifest.header("docker-content-digest")),
            (StatusCode::OK, digests[0].as_str())
        );
    }
}
