//! A real Kubernetes of one node, shared by the scenarios: `scripts/kubernetes` starts it where nobody has.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::engine::Engine;
use crate::image::IMAGE;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/kubernetes");

/// The cluster whose kubeconfig `PLUVIO_TEST_KUBERNETES` names, or the usual one.
#[derive(Debug)]
pub struct Cluster {
    pub kubeconfig: PathBuf,
    folder: PathBuf,
}

impl Cluster {
    /// Started if it does not run.
    #[track_caller]
    pub fn shared() -> Cluster {
        let kubeconfig = match std::env::var_os("PLUVIO_TEST_KUBERNETES") {
            Some(path) => PathBuf::from(path),
            None => {
                let output = Command::new(SCRIPT).arg("start").output();
                let output = output.expect("the script runs");
                let said = String::from_utf8_lossy(&output.stdout).into_owned();
                assert!(output.status.success(), "scripts/kubernetes: {output:?}");
                PathBuf::from(said.lines().last().expect("a path"))
            }
        };
        let folder = kubeconfig.parent().expect("a folder").to_owned();
        Cluster { kubeconfig, folder }
    }

    /// The scenarios' image, on the node under the name that it has on the engine.
    #[track_caller]
    pub fn load_image(&self, engine: &Engine) {
        let there = self.script(&["holds", IMAGE]);
        if there.0 {
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let archive = folder.path().join("image.tar");
        engine.save(IMAGE, &archive);
        let (done, said) = self.script(&["load", &archive.display().to_string()]);
        assert!(done, "the image was not loaded: {said}");
    }

    fn script(&self, words: &[&str]) -> (bool, String) {
        let mut command = Command::new(SCRIPT);
        command.arg(words[0]).arg("--dir").arg(&self.folder);
        let output = command.args(&words[1..]).output().expect("the script runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), said)
    }

    /// This machine's address as the cluster's pods and nodes see it, and the node's.
    #[track_caller]
    pub fn addresses(&self) -> (IpAddr, IpAddr) {
        let read = |name: &str| {
            let text = std::fs::read_to_string(self.folder.join(name)).expect("an address");
            text.trim().parse().expect("an address")
        };
        (read("machine"), read("address"))
    }

    /// Lets the node pull from a registry without TLS; containerd reads it at each pull.
    #[track_caller]
    pub fn trust(&self, registry: &str) {
        let folder = self.folder.join("registries").join(registry);
        std::fs::create_dir_all(&folder).expect("a folder");
        let text = format!(
            "server = \"http://{registry}\"\n[host.\"http://{registry}\"]\n  capabilities = [\"pull\", \"resolve\"]\n"
        );
        std::fs::write(folder.join("hosts.toml"), text).expect("a file");
    }

    /// Runs kubectl; its output, of a command that must succeed.
    #[track_caller]
    pub fn kubectl(&self, words: &[&str]) -> String {
        let output = self.try_kubectl(words);
        output.unwrap_or_else(|said| panic!("kubectl {words:?}: {said}"))
    }

    /// Its output, or what it complains of.
    pub fn try_kubectl(&self, words: &[&str]) -> Result<String, String> {
        let programs = std::fs::read_to_string(self.folder.join("programs")).expect("programs");
        let output = Command::new(PathBuf::from(programs.trim()).join("kubectl"))
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(words)
            .output()
            .expect("kubectl runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => Err(text(&output.stderr)),
        }
    }

    /// Objects of a kind in a namespace.
    #[track_caller]
    pub fn objects(&self, kind: &str, namespace: &str) -> Vec<Value> {
        let text = self.kubectl(&["get", kind, "-n", namespace, "-o", "json"]);
        let list: Value = serde_json::from_str(&text).expect("JSON");
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// Asks a service through the API server's proxy.
    pub fn get(&self, namespace: &str, service: &str, path: &str) -> Result<String, String> {
        let path = format!("/api/v1/namespaces/{namespace}/services/{service}/proxy{path}");
        self.try_kubectl(&["get", "--raw", &path])
    }

    /// A kubeconfig that leads through a door of the test's own.
    #[track_caller]
    pub fn behind(&self, door: &Door) -> String {
        let text = std::fs::read_to_string(&self.kubeconfig).expect("the kubeconfig");
        let server = server(&text);
        assert!(text.contains(&server), "{server}");
        text.replace(&server, &format!("127.0.0.1:{}", door.port))
    }

    /// Where the API server listens.
    #[track_caller]
    pub fn server(&self) -> SocketAddr {
        let text = std::fs::read_to_string(&self.kubeconfig).expect("the kubeconfig");
        server(&text).parse().expect("an address")
    }
}

fn server(kubeconfig: &str) -> String {
    let rest = kubeconfig.split("https://").nth(1).expect("a server");
    let end = rest.find(['"', '\n', ' ']).unwrap_or(rest.len());
    rest[..end].to_owned()
}

/// Passes connections on while it is open; shut, it ends those there are and takes no more.
#[derive(Debug)]
pub struct Door {
    pub port: u16,
    open: Arc<AtomicBool>,
}

impl Door {
    #[track_caller]
    pub fn to(server: SocketAddr) -> Door {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let open = Arc::new(AtomicBool::new(true));
        let door = Door {
            port,
            open: open.clone(),
        };
        std::thread::spawn(move || {
            for inner in listener.incoming().flatten() {
                // A reset at once, as of a machine without a server.
                if !open.load(Ordering::SeqCst) {
                    continue;
                }
                if let Ok(outer) = TcpStream::connect(server) {
                    pass(&inner, &outer, &open);
                    pass(&outer, &inner, &open);
                }
            }
        });
        door
    }

    pub fn shut(&self) {
        self.open.store(false, Ordering::SeqCst);
    }

    pub fn open(&self) {
        self.open.store(true, Ordering::SeqCst);
    }
}

fn pass(from: &TcpStream, to: &TcpStream, open: &Arc<AtomicBool>) {
    let (mut from, mut to) = (
        from.try_clone().expect("a socket"),
        to.try_clone().expect("a socket"),
    );
    let open = open.clone();
    // Wakes now and then to see whether the door was shut.
    let _ = from.set_read_timeout(Some(std::time::Duration::from_millis(100)));
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            if !open.load(Ordering::SeqCst) {
                break;
            }
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    if to.write_all(&buffer[..count]).is_err() {
                        break;
                    }
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) => {}
                Err(_) => break,
            }
        }
        let _ = from.shutdown(std::net::Shutdown::Both);
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
}
