//! The distribution specification's own suite, from its Go module.

use std::path::Path;
use std::process::Command;

use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_specifications_suite_passes() {
    let scene = Scene::new().await;
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/registry");
    let suite = scene.folder.path().join("conformance");
    let (address, token) = (scene.address.to_string(), scene.owner.clone());
    let ran = tokio::task::spawn_blocking(move || {
        let built = Command::new("go")
            .args(["build", "-o"])
            .arg(&suite)
            .arg("github.com/opencontainers/distribution-spec/conformance")
            .current_dir(&sources)
            .output()
            .expect("Go is there: `scripts/install --tests` brings it");
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
        let results = suite.with_extension("results");
        let ran = Command::new(&suite)
            .current_dir(suite.parent().unwrap())
            .env("OCI_RESULTS_DIR", &results)
            .env("OCI_REGISTRY", address)
            .env("OCI_TLS", "disabled")
            .env("OCI_REPO1", "main/conformance/one")
            .env("OCI_REPO2", "main/conformance/two")
            .env("OCI_USERNAME", "anybody")
            .env("OCI_PASSWORD", token)
            .env("OCI_API_BLOBS_UPLOAD_CANCEL", "true")
            .env("OCI_API_BLOBS_DIGEST_HEADER", "true")
            .env("OCI_API_MANIFESTS_DIGEST_HEADER", "true")
            .output()
            .unwrap();
        (
            ran.status.success(),
            String::from_utf8_lossy(&ran.stdout).into_owned()
                + &String::from_utf8_lossy(&ran.stderr),
        )
    });
    let (passed, told) = ran.await.unwrap();
    let at = told.len().saturating_sub(6000);
    assert!(passed, "{}", told.get(at..).unwrap_or(&told));
}
