//! A passkey from the first link to its removal, by a real browser on a real server. The story is
//! `console/tests/passkeys.mjs`; Chromium plays the device that keeps the passkey.

use pluvio_tests::{Engine, Pluvio};

#[test]
fn a_passkey_is_added_used_and_removed_in_a_browser() {
    let pluvio = Pluvio::start(Engine::docker());
    pluvio.story("passkey", &[]);
}
