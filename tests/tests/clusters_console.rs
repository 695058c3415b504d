//! A cluster is looked at, added and seen from inside by a real browser on a real server and a real Kubernetes. The story is
//! `realCluster` of `console/tests/clusters.mjs`.

use std::path::Path;
use std::process::Command;

use pluvio_tests::cluster::Cluster;
use pluvio_tests::{Engine, Pluvio};

#[test]
fn a_cluster_is_looked_at_and_added_in_a_browser() {
    let cluster = Cluster::shared();
    let pluvio = Pluvio::start(Engine::docker());
    let link = pluvio.cli(&["signin-link", "--json"]).ok();
    let link = link["url"].as_str().expect("a link").to_owned();
    let (_, token) = link.split_once("token=").expect("a token");
    let console = Path::new(env!("CARGO_MANIFEST_DIR")).join("../console");
    let story = Command::new("node")
        .args(["tests/run.mjs", "real: a cluster"])
        .current_dir(console)
        .env("PLUVIO_URL", format!("http://localhost:{}", pluvio.port()))
        .env("PLUVIO_TOKEN", token)
        .env("PLUVIO_TEST_KUBERNETES", &cluster.kubeconfig)
        .output()
        .expect("Node.js");
    let said = [story.stdout, story.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(story.status.success(), "{said}");
    assert!(
        said.contains("2 passed, 0 failed"),
        "the story was told: {said}"
    );
}
