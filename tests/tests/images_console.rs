//! Images of the registry in the console, by a real browser on a real server and registry. The story is `realImages` of
//! `console/tests/images.mjs`.

use std::path::Path;

use pluvio_tests::{Engine, Pluvio};

#[test]
fn images_are_listed_limited_deleted_and_collected_in_a_browser() {
    let pluvio = Pluvio::prepare(Engine::docker());
    // One of the ten ports that are this test's own.
    let listen = format!("127.0.0.1:{}", pluvio.port() + 8);
    let mut pluvio = pluvio.with("PLUVIO_IMAGES_LISTEN", &listen);
    pluvio.up(&[]).ok();
    let token = pluvio.cli(&["token", "create", "story", "--json"]).ok();
    let token = token["value"].as_str().expect("a token");
    pluvio.story(
        "real: images of the registry",
        &[("PLUVIO_TEST_TOKEN", Path::new(token))],
    );
}
