//! A pod of a real cluster runs an image that was pushed here, by the cluster's pull credential and by no other.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use pluvio_model::facts::RuntimeKind;
use pluvio_registry::Registry;

use crate::scene::{Scene, settings};

/// The cluster's folder; `scripts/kubernetes start` makes it, which the test calls itself if nobody has.
fn cluster() -> PathBuf {
    let kubeconfig = std::env::var("PLUVIO_TEST_KUBERNETES").unwrap_or_else(|_| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/kubernetes");
        let started = Command::new(script).arg("start").output().unwrap();
        let told = String::from_utf8_lossy(&started.stdout).into_owned();
        told.lines().last().unwrap_or_default().to_owned()
    });
    Path::new(&kubeconfig).parent().unwrap().to_owned()
}

struct Namespace<'a> {
    folder: &'a Path,
    name: String,
}

impl Namespace<'_> {
    fn kubectl(&self, arguments: &[&str], stdin: &str) -> Output {
        use std::io::Write;
        let programs = std::fs::read_to_string(self.folder.join("programs")).unwrap();
        let mut child = Command::new(Path::new(programs.trim()).join("kubectl"))
            .arg("--kubeconfig")
            .arg(self.folder.join("admin.conf"))
            .args(["--namespace", &self.name])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(stdin.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    }

    fn must(&self, arguments: &[&str], stdin: &str) -> String {
        let output = self.kubectl(arguments, stdin);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {arguments:?}: {told}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits until what is said of the pod holds one of these words.
    fn wait(&self, pod: &str, words: &[&str]) -> String {
        let say = "{.status.phase} {.status.containerStatuses[0].state.waiting.reason} \
                   {.status.containerStatuses[0].state.terminated.reason}";
        let begun = Instant::now();
        loop {
            let said = self.must(&["get", "pod", pod, "-o", &format!("jsonpath={say}")], "");
            if words.iter().any(|word| said.contains(word)) {
                return said;
            }
            assert!(begun.elapsed() < Duration::from_secs(90), "{pod}: {said}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        let _ = self.kubectl(&["delete", "namespace", &self.name, "--wait=false"], "");
    }
}

/// One layer with the static busybox.
fn layer() -> Vec<u8> {
    let busybox = std::fs::read("/bin/busybox").or_else(|_| std::fs::read("/usr/bin/busybox"));
    let busybox = busybox.expect("the package busybox-static");
    let mut header = tar::Header::new_gnu();
    header.set_size(busybox.len() as u64);
    header.set_mode(0o755);
    let mut archive = tar::Builder::new(Vec::new());
    archive
        .append_data(&mut header, "busybox", busybox.as_slice())
        .unwrap();
    archive.into_inner().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_pulls_by_the_clusters_credential_and_by_no_other() {
    let folder = cluster();
    let scene = Scene::new().await;
    let machine = std::fs::read_to_string(folder.join("machine")).unwrap();
    let listener = tokio::net::TcpListener::bind(format!("{}:0", machine.trim()))
        .await
        .unwrap();
    let registry = Registry::new(scene.store.clone(), scene.blobs.clone(), settings());
    let scene = scene.served_by(registry, listener);
    let host = scene.address.to_string();
    let image = scene
        .push_program("main/pods/busybox", "1", &layer(), &["/busybox", "true"])
        .await;
    let team = scene.store.home().team;
    let cluster = scene
        .store
        .bind_cluster(
            &"test".parse().unwrap(),
            RuntimeKind::Kubernetes,
            "one",
            "there",
        )
        .await
        .unwrap();
    let credential = scene.store.pull_credential(team, cluster.id).await.unwrap();

    // Plain HTTP, as the nodes are configured for it. Read at each pull.
    let hosts = folder.join("registries").join(&host);
    std::fs::create_dir_all(&hosts).unwrap();
    let text = format!(
        "server = \"http://{host}\"\n[host.\"http://{host}\"]\n  capabilities = [\"pull\", \"resolve\"]\n"
    );
    std::fs::write(hosts.join("hosts.toml"), text).unwrap();

    let outcome = tokio::task::spawn_blocking(move || {
        let name = format!("registry-{}", std::process::id());
        let space = Namespace {
            folder: &folder,
            name,
        };
        space.must(&["create", "namespace", &space.name], "");
        for (secret, password) in [
            ("right", credential.password.as_str()),
            ("wrong", "pull_wrong"),
        ] {
            let (server, password) = (
                format!("--docker-server={host}"),
                format!("--docker-password={password}"),
            );
            let user = format!("--docker-username={}", credential.username);
            space.must(
                &[
                    "create",
                    "secret",
                    "docker-registry",
                    secret,
                    &server,
                    &user,
                    &password,
                ],
                "",
            );
        }
        // The service account comes a moment after its namespace.
        let begun = Instant::now();
        while !space
            .kubectl(&["get", "serviceaccount", "default"], "")
            .status
            .success()
        {
            assert!(begun.elapsed() < Duration::from_secs(30));
            std::thread::sleep(Duration::from_millis(100));
        }
        for (pod, secret) in [("wrong", "wrong"), ("right", "right")] {
            let text = format!(
                "{{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{{\"name\":\"{pod}\"}},\"spec\":{{\"restartPolicy\":\"Never\",\
                 \"imagePullSecrets\":[{{\"name\":\"{secret}\"}}],\"containers\":[{{\"name\":\"main\",\"imagePullPolicy\":\"Always\",\
                 \"image\":\"{host}/main/pods/busybox@{image}\"}}]}}}}"
            );
            space.must(&["create", "-f", "-"], &text);
        }
        let right = space.wait(
            "right",
            &["Completed", "ErrImage", "ImagePullBackOff", "Error"],
        );
        let wrong = space.wait("wrong", &["Completed", "ErrImage", "ImagePullBackOff"]);
        (right, wrong, hosts)
    });
    let (right, wrong, hosts) = outcome.await.unwrap();
    let _ = std::fs::remove_dir_all(hosts);
    assert!(right.contains("Completed"), "{right}");
    assert!(wrong.contains("Image"), "{wrong}");
}
