//! Each of `samples/` as it is on a real Kubernetes (BX-01): built here from its source, pulled from Pluvio's own registry, served by
//! Pluvio's own gateway there.

use std::time::Duration;

use pluvio_tests::http::Connection;
use pluvio_tests::place::{Front, Place};
use pluvio_tests::{app, wait};
use serde_json::Value;

/// The first builds make their base images from the distribution's packages.
const COLD: Duration = Duration::from_secs(420);

/// In a namespace that enforces `restricted`, as an ordinary team's may.
struct Scene {
    place: Place,
    front: Front,
}

impl Scene {
    /// The same two commands as on the engine, with the environment named.
    fn deploy(&self, kind: &str) -> Value {
        let folder = self.place.pluvio.scratch().join(kind);
        if !folder.exists() {
            app::sample(kind, &folder);
        }
        let here = |words: &[&str]| {
            let mut command = self.place.pluvio.command(words);
            command.current_dir(&folder);
            pluvio_tests::pluvio::finish(command, None, COLD)
        };
        if !folder.join("app.yaml").exists() {
            here(&["init", "--json"]).ok();
        }
        let environment = &self.place.environment;
        let words = ["deploy", "-e", environment, "--name", kind, "--json"];
        here(&[&words[..], &["--timeout", "7m"]].concat()).ok()
    }

    fn get(&self, kind: &str, path: &str) -> Result<String, String> {
        let host = self.front.host.replacen("samples", kind, 1);
        let mut connection = Connection::open(self.front.port, Duration::from_secs(10))?;
        let reply = connection.send(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))?;
        match reply.status {
            200 => Ok(reply.body),
            status => Err(format!("{status}: {}", reply.body)),
        }
    }

    /// Its pods, by their unique ids.
    fn pods(&self, kind: &str) -> Vec<String> {
        let all = self.place.cluster.objects("pods", &self.place.namespace);
        let of = all.iter().filter(|pod| {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            name.starts_with(&format!("{kind}--"))
        });
        let id = |pod: &Value| {
            pod["metadata"]["uid"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        of.map(id).collect()
    }
}

#[test]
fn bx01_every_sample_runs_on_a_cluster_unchanged() {
    let (place, front) = Place::behind_a_gateway("samples", &["--restricted", "main"]);
    let scene = Scene { place, front };
    for kind in ["node", "python", "go", "static", "dockerfile"] {
        let deployed = scene.deploy(kind);
        let url = deployed["urls"][0].as_str().unwrap_or_default();
        let host = scene.front.host.replacen("samples", kind, 1);
        assert!(url.contains(&host), "{kind}: {deployed}");
        wait::until_true(kind, Duration::from_secs(30), || {
            scene.get(kind, "/").is_ok()
        });
        scene
            .get(kind, "/healthz")
            .unwrap_or_else(|said| panic!("{kind}: {said}"));
        // Nothing changed: what serves goes on.
        let before = scene.pods(kind);
        let again = scene.deploy(kind);
        assert_eq!(
            again["operation"]["outcome"]["outcome"], "succeeded",
            "{kind}"
        );
        assert_eq!(scene.pods(kind), before, "{kind}");
        let delete = [
            "delete",
            "-a",
            kind,
            "-e",
            &scene.place.environment,
            "--yes",
            "--json",
        ];
        scene.place.pluvio.cli(&delete).ok();
    }
    scene.place.has_no_pods();
}
