//! From a folder of source to an answer, with two commands (U2): each of `samples/`.

use std::time::Duration;

use pluvio_tests::{Engine, Pluvio, app, engines};

engines!(
    both: [u2_node, u2_dockerfile],
    docker: [u2_go],
    podman: [u2_python, u2_static],
);

/// A first build makes its base image from the distribution's packages.
const COLD: Duration = Duration::from_secs(420);

fn sample(engine: Engine, kind: &str) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name(kind);
    let folder = app::sample(kind, &pluvio.scratch().join(&name));
    let here = |words: &[&str]| {
        let mut command = pluvio.command(words);
        command.current_dir(&folder);
        pluvio_tests::pluvio::finish(command, None, COLD)
    };
    if !folder.join("app.yaml").exists() {
        here(&["init", "--json"]).ok();
    }
    let deployed = here(&["deploy", "--name", &name, "--json"]).ok();
    assert_eq!(
        deployed["urls"][0],
        format!("http://{name}.localhost:{}", pluvio.gateway_port())
    );
    assert_eq!(pluvio.get(&name, "/").unwrap().status, 200);
    pluvio.body(&name, "/healthz");
    // Nothing changed: no step runs again, and what serves goes on.
    let again = here(&["deploy", "--name", &name, "--json"]).ok();
    assert_eq!(again["operation"]["outcome"]["outcome"], "succeeded");
    assert_eq!(pluvio.get(&name, "/").unwrap().status, 200);
    let images = format!("/{name}/");
    assert!(!pluvio.engine.images(&images).is_empty());
    let engine = pluvio.engine.clone();
    pluvio.end();
    assert_eq!(
        engine.images(&images),
        Vec::<String>::new(),
        "images are left"
    );
}

fn u2_node(engine: Engine) {
    sample(engine, "node");
}

fn u2_python(engine: Engine) {
    sample(engine, "python");
}

fn u2_go(engine: Engine) {
    sample(engine, "go");
}

fn u2_static(engine: Engine) {
    sample(engine, "static");
}

fn u2_dockerfile(engine: Engine) {
    sample(engine, "dockerfile");
}
