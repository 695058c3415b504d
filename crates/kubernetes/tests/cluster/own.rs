//! A cluster of a test's own, for what others would notice: its API server is killed, its nodes' images are many.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use pluvio_kubernetes::gateway;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/kubernetes");
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/image/web.rs");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/image/root");

/// A page, a tunnel; ended at once when it is told to.
pub(crate) const WEB: &str = "pluvio.invalid/web:1";
pub(crate) const GATEWAY: &str = "pluvio.invalid/gateway:1";

/// Stops with its value, but for one that somebody keeps to look into.
pub(crate) struct Cluster {
    folder: PathBuf,
}

impl Cluster {
    pub(crate) fn start() -> Cluster {
        Cluster::start_with(&[])
    }

    /// One whose network enforces NetworkPolicies.
    pub(crate) fn start_enforcing() -> Cluster {
        Cluster::start_with(&["--enforce"])
    }

    fn start_with(options: &[&str]) -> Cluster {
        let folder = PathBuf::from(format!("/var/tmp/pluvio-kubernetes-{}", std::process::id()));
        let cluster = Cluster { folder };
        cluster.script("start", options);
        cluster
    }

    pub(crate) fn kubeconfig(&self) -> String {
        std::fs::read_to_string(self.folder.join("admin.conf")).expect("a kubeconfig")
    }

    pub(crate) fn script(&self, verb: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(SCRIPT);
        command.arg(verb).arg("--dir").arg(&self.folder);
        said(command.args(arguments))
    }

    pub(crate) async fn client(&self) -> Client {
        let file = self.folder.join("admin.conf");
        let kubeconfig = Kubeconfig::read_from(&file).expect("a kubeconfig");
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        Client::try_from(config.expect("a configuration")).expect("a client")
    }

    /// Where node ports answer.
    pub(crate) fn address(&self) -> std::net::IpAddr {
        let text = std::fs::read_to_string(self.folder.join("address")).expect("an address");
        text.trim().parse().expect("an address")
    }

    /// Kills the API server, which is started anew after a second.
    pub(crate) fn kill_api_server(&self) {
        let advertised = self.address().to_string();
        let is_it = |id: &str| {
            let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            let words: Vec<_> = line.split(|byte| *byte == 0).collect();
            words[0].ends_with(b"kube-apiserver") && words.contains(&advertised.as_bytes())
        };
        let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
        let mut ids = processes.filter_map(|one| one.file_name().into_string().ok());
        let id = ids.find(|id| is_it(id)).expect("an API server");
        said(Command::new("kill").args(["-KILL", &id]));
    }

    /// Loads what the pods run.
    pub(crate) async fn load_images(&self) {
        self.load_web();
        // Without what only a debugger reads.
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("pluvio");
        said(Command::new("strip").arg("-o").arg(&program).arg(pluvio()));
        let archive = folder.path().join("gateway.tar");
        let made = gateway::archive(Some(&program), GATEWAY, &archive).await;
        let made = made.expect("the gateway's image is made");
        self.script("load", &[text(&made.path)]);
    }

    /// Loads the page alone.
    pub(crate) fn load_web(&self) {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("root");
        said(Command::new(ROOT).args([&root, &folder.path().join("scratch")]));
        let options = ["--edition", "2024", "-C", "opt-level=1", "-C"];
        let mut compile = Command::new("rustc");
        compile.args(options).arg("target-feature=+crt-static");
        said(compile.arg("-o").arg(root.join("serve")).arg(PROGRAM));
        let archive = folder.path().join("root.tar");
        let mut pack = Command::new("tar");
        pack.args(["--owner=0", "--group=0", "-cf"]).arg(&archive);
        said(pack.arg("-C").arg(&root).arg("."));
        // The first process of a container does not end by a signal that it has not asked for.
        let main = "trap 'kill $p; exit 0' TERM; /serve & p=$!; wait $p";
        self.script("import", &[WEB, text(&archive), "/bin/sh", "-c", main]);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("PLUVIO_KEEP").is_some() {
            eprintln!("the cluster in {} is kept", self.folder.display());
            return;
        }
        self.script("stop", &[]);
    }
}

/// The program that the gateway's image is made of.
pub(crate) fn pluvio() -> PathBuf {
    if let Some(path) = std::env::var_os("PLUVIO_BIN") {
        return path.into();
    }
    let mut path = std::env::current_exe().expect("a path");
    path.pop();
    path.pop();
    path.push("pluvio");
    assert!(
        path.exists(),
        "{}: build it first, cargo build -p pluvio",
        path.display()
    );
    path
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

/// The last line that a command says.
fn said(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("the command runs");
    let errors = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?}: {errors}");
    let out = String::from_utf8_lossy(&stdout);
    out.lines().last().unwrap_or_default().to_owned()
}

/// Waits for what comes to be, with what is said if it does not.
pub(crate) async fn until(what: &str, seconds: u64, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..seconds * 10 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what} did not come to be");
}
