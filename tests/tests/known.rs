//! Two well-known applications run for real (BX-02, RB-14); `scripts/known-apps` runs all of them.

use pluvio_tests::{Engine, both_engines, known};

both_engines!(miniflux_with_postgresql, phpmyadmin_with_mariadb);

fn run(engine: &Engine, name: &str) {
    let found = known::ALL.iter().find(|known| known.name == name);
    known::run(engine, found.expect("an application of tests/known"));
}

fn miniflux_with_postgresql(engine: Engine) {
    run(&engine, "miniflux");
}

fn phpmyadmin_with_mariadb(engine: Engine) {
    run(&engine, "phpmyadmin");
}
