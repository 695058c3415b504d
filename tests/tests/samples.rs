//! From a folder of source to an answer, with two commands (U2): each of `samples/`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use pluvio_tests::{Engine, Pluvio, both_engines};

both_engines!(u2_node, u2_python, u2_go, u2_static, u2_dockerfile);

/// A first build makes its base image from the distribution's packages.
const COLD: Duration = Duration::from_secs(420);

fn sample(engine: Engine, kind: &str) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name(kind);
    let folder = copy(kind, &pluvio.scratch().join(&name));
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

/// The sample without what was built in it.
fn copy(kind: &str, to: &Path) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../samples")
        .join(kind);
    let status = Command::new("cp").arg("-r").args([&from, to]).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "{}",
        from.display()
    );
    let _ = std::fs::remove_dir_all(to.join("node_modules"));
    to.to_owned()
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
