//! Applications made in the console from what people already have, by a real browser on a real server. The stories are
//! `realCreate` and `realMend` of `console/tests/create.mjs`.

use std::path::Path;

use pluvio_tests::image::{self, IMAGE};
use pluvio_tests::{Engine, Pluvio};

/// Told to a Pluvio that fetches files from this machine: the story serves some.
fn tell(stories: &[&str]) -> Pluvio {
    let engine = Engine::docker();
    image::ensure(&engine);
    let mut pluvio = Pluvio::prepare(engine).with("PLUVIO_SOURCES_PRIVATE_ADDRESSES", "true");
    pluvio.up(&[]).ok();
    for story in stories {
        pluvio.story(story, &[("PLUVIO_TEST_IMAGE", Path::new(IMAGE))]);
    }
    pluvio
}

#[test]
fn what_people_have_is_pasted_chosen_and_fetched_in_a_browser() {
    let pluvio = tell(&[
        "real: files, lines and addresses",
        "real: a compose file becomes",
    ]);
    assert_eq!(pluvio.status("shelf")["status"], "running");
}

#[test]
fn c4_conflicts_between_components_are_mended_in_a_browser() {
    tell(&["real: conflicts between components"]);
}
