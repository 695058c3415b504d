//! A passkey from the first link to its removal, by a real browser on a real server. The story is
//! `console/tests/passkeys.mjs`; Chromium plays the device that keeps the passkey.

use std::path::Path;
use std::process::Command;

use pluvio_tests::{Engine, Pluvio};

#[test]
fn a_passkey_is_added_used_and_removed_in_a_browser() {
    let pluvio = Pluvio::start(Engine::docker());
    let link = pluvio.cli(&["signin-link", "--json"]).ok();
    let link = link["url"].as_str().expect("a link").to_owned();
    let (_, token) = link.split_once("token=").expect("a token");
    let console = Path::new(env!("CARGO_MANIFEST_DIR")).join("../console");
    let story = Command::new("node")
        .args(["tests/run.mjs", "passkey"])
        .current_dir(console)
        .env("PLUVIO_URL", format!("http://localhost:{}", pluvio.port()))
        .env("PLUVIO_TOKEN", token)
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
