//! A cluster is looked at, added and seen from inside by a real browser on a real server and a real Kubernetes. The story is
//! `realCluster` of `console/tests/clusters.mjs`.

use pluvio_tests::cluster::Cluster;
use pluvio_tests::{Engine, Pluvio};

#[test]
fn a_cluster_is_looked_at_and_added_in_a_browser() {
    let cluster = Cluster::shared();
    let pluvio = Pluvio::start(Engine::docker());
    let kubeconfig = cluster.kubeconfig.as_path();
    let variables = [("PLUVIO_TEST_KUBERNETES", kubeconfig)];
    pluvio.story("real: a cluster", &variables);
}
