//! Two well-known applications run for real (BX-02, RB-14), one on each engine; `scripts/known-apps` runs all of them on either.

use pluvio_tests::{Engine, known};

fn run(engine: &Engine, name: &str) {
    let found = known::ALL.iter().find(|known| known.name == name);
    known::run(engine, found.expect("an application of tests/known"));
}

#[test]
fn miniflux_with_postgresql() {
    run(&Engine::podman(), "miniflux");
}

#[test]
fn phpmyadmin_with_mariadb() {
    run(&Engine::docker(), "phpmyadmin");
}
