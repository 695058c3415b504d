//! The OpenAPI document is generated from the handlers and committed: whoever changes the API sees it in the diff, and the
//! console's client is generated from the committed file. `UPDATE_EXPECT=1 cargo test -p pluvio-server --test openapi` rewrites it.

use std::path::Path;

#[test]
fn the_committed_document_is_that_of_the_handlers() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/openapi.json");
    let generated = pluvio_server::openapi();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&file, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == generated,
        "crates/api/openapi.json is not what the handlers say; run again with UPDATE_EXPECT=1 and commit it"
    );
}
