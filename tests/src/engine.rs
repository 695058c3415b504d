//! A container engine as these tests look at it: through its own API, never through Pluvio.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::image;

/// Docker or Podman, at its socket.
#[derive(Debug, Clone)]
pub struct Engine {
    pub name: &'static str,
    pub socket: PathBuf,
}

/// What carries this label was made by the installation it names.
pub const INSTALLATION: &str = "io.pluvio.installation";

impl Engine {
    /// Debian's Docker: `PLUVIO_TEST_DOCKER`, or its usual place.
    pub fn docker() -> Engine {
        Engine::named("docker", "PLUVIO_TEST_DOCKER", "/var/run/docker.sock")
    }

    /// Debian's Podman: `PLUVIO_TEST_PODMAN`, or its usual place.
    pub fn podman() -> Engine {
        Engine::named("podman", "PLUVIO_TEST_PODMAN", "/run/podman/podman.sock")
    }

    fn named(name: &'static str, variable: &str, usual: &str) -> Engine {
        let address = std::env::var(variable).unwrap_or_else(|_| usual.to_owned());
        let engine = Engine::at(name, Path::new(address.trim_start_matches("unix://")));
        assert!(
            engine.answers(),
            "{name} does not answer at {address}: run `scripts/engine start {name}`, or set {variable}"
        );
        image::ensure(&engine);
        engine
    }

    /// An engine at a socket of its own.
    pub fn at(name: &'static str, socket: &Path) -> Engine {
        Engine {
            name,
            socket: socket.to_owned(),
        }
    }

    pub fn address(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    pub fn answers(&self) -> bool {
        self.socket.exists() && self.request("GET", "/version", None).0 == 200
    }

    /// Asks the Docker API; answers with the status and the body (`Null` when it is not JSON). Status 0: no answer.
    pub fn request(&self, method: &str, path: &str, body: Option<&Path>) -> (u16, Value) {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-g", "--max-time", "60", "-w", "\n%{http_code}"])
            .args(["-X", method, "--unix-socket"])
            .arg(&self.socket)
            .stderr(Stdio::null());
        if let Some(body) = body {
            curl.arg("-T").arg(body);
        }
        let output = curl.arg(format!("http://engine{path}")).output();
        let output = output.expect("curl runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').unwrap_or(("", "0"));
        let value = serde_json::from_str(body).unwrap_or(Value::Null);
        (status.parse().unwrap_or(0), value)
    }

    /// Writes an image into an archive.
    #[track_caller]
    pub fn save(&self, image: &str, archive: &Path) {
        let status = Command::new("curl")
            .args(["-sSf", "-g", "--max-time", "60", "--unix-socket"])
            .arg(&self.socket)
            .arg("-o")
            .arg(archive)
            .arg(format!("http://engine/images/{image}/get"))
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "{image} was not saved"
        );
    }

    fn get(&self, path: &str) -> Value {
        let (mut status, mut value) = self.request("GET", path, None);
        // Podman 4 cannot list images while one is being removed.
        for _ in 0..20 {
            if status != 500 || !value.to_string().contains("image not known") {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
            (status, value) = self.request("GET", path, None);
        }
        assert_eq!(status, 200, "GET {path} at {}: {value}", self.name);
        value
    }

    /// Everything that an installation made and that is still there, each as `container NAME`, `network NAME`, `volume NAME`.
    pub fn made_by(&self, installation: &str) -> Vec<String> {
        let filter = labelled(installation);
        let mut found: Vec<String> = self
            .containers(installation)
            .iter()
            .map(|container| format!("container {}", name_of(container)))
            .collect();
        let networks = self.get(&format!("/networks?filters={filter}"));
        let volumes = self.get(&format!("/volumes?filters={filter}"));
        for network in networks.as_array().into_iter().flatten() {
            found.push(format!("network {}", text(&network["Name"])));
        }
        for volume in volumes["Volumes"].as_array().into_iter().flatten() {
            found.push(format!("volume {}", text(&volume["Name"])));
        }
        found.sort();
        found
    }

    /// An installation's containers, stopped ones included, as the engine lists them.
    pub fn containers(&self, installation: &str) -> Vec<Value> {
        let path = format!(
            "/containers/json?all=true&filters={}",
            labelled(installation)
        );
        self.get(&path).as_array().cloned().unwrap_or_default()
    }

    /// Containers of whoever labelled them so, `name=value`.
    pub fn labelled(&self, label: &str) -> Vec<Value> {
        let filter = format!("{{\"label\":[\"{label}\"]}}");
        let filter = filter.replace('{', "%7B").replace('}', "%7D");
        let filter = filter
            .replace('"', "%22")
            .replace('[', "%5B")
            .replace(']', "%5D");
        let path = format!("/containers/json?all=true&filters={filter}");
        self.get(&path).as_array().cloned().unwrap_or_default()
    }

    pub fn inspect(&self, container: &str) -> Value {
        self.get(&format!("/containers/{container}/json"))
    }

    /// Names of images that contain a text.
    pub fn images(&self, part: &str) -> Vec<String> {
        let list = self.get("/images/json");
        let images = list.as_array().cloned().unwrap_or_default();
        images
            .iter()
            .flat_map(|image| image["RepoTags"].as_array().cloned().unwrap_or_default())
            .map(|tag| text(&tag))
            .filter(|tag| tag.contains(part))
            .collect()
    }

    /// Stops a container by force, as a machine that loses its power does.
    pub fn kill(&self, container: &str) {
        self.request("POST", &format!("/containers/{container}/kill"), None);
    }

    /// Removes all that an installation left, for the end of a test that failed.
    pub fn sweep(&self, installation: &str) {
        for thing in self.made_by(installation) {
            let (kind, name) = thing.split_once(' ').expect("a kind and a name");
            let query = if kind == "container" {
                "?force=true&v=true"
            } else {
                ""
            };
            self.request("DELETE", &format!("/{kind}s/{name}{query}"), None);
        }
    }
}

/// A container's name as people write it.
pub fn name_of(container: &Value) -> String {
    text(&container["Names"][0])
        .trim_start_matches('/')
        .to_owned()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// `{"label":["io.pluvio.installation=…"]}`, escaped for an address.
fn labelled(installation: &str) -> String {
    format!("%7B%22label%22%3A%5B%22{INSTALLATION}%3D{installation}%22%5D%7D")
}
