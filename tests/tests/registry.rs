//! A private registry: images are deployed from it, and base images come from it where it is configured.

use std::time::Duration;

use pluvio_tests::hosts::Registry;
use pluvio_tests::image::IMAGE;
use pluvio_tests::{Answer, Engine, Pluvio, both_engines};

both_engines!(
    an_image_of_a_private_registry_is_deployed_and_lives_without_it,
    a_base_image_comes_from_the_registry_and_from_here_when_it_is_gone,
    a_dockerfile_starts_from_a_private_image,
);

/// A first build may make its base image from the distribution's packages.
const COLD: Duration = Duration::from_secs(420);

fn store(pluvio: &Pluvio, registry: &Registry, password: &str) {
    let words = [
        "credential",
        "set",
        "images",
        "--kind",
        "registry",
        "--json",
    ];
    let host = registry.host();
    let more = ["--host", &host, "--username", Registry::USER];
    let answer = pluvio.cli_with_input(&[&words[..], &more].concat(), password);
    assert_eq!(answer.exit, 0, "{answer:?}");
}

fn an_image_of_a_private_registry_is_deployed_and_lives_without_it(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let mut registry = Registry::start();
    registry.push(&pluvio.engine, IMAGE, "team/web", "1");
    let name = pluvio.name("private");
    let deploy = |tag: &str, greeting: &str| -> Answer {
        let image = format!("{}/team/web:{tag}", registry.host());
        let file = pluvio.write(
            "app.yaml",
            &pluvio_tests::app::yaml(&name, greeting, 1, "").replace(IMAGE, &image),
        );
        pluvio.cli(&["deploy", &file, "--json"])
    };
    deploy("1", "one").problem(1, "image.unauthorized");
    store(&pluvio, &registry, "wrong");
    deploy("1", "one").problem(1, "image.unauthorized");
    store(&pluvio, &registry, Registry::PASSWORD);
    deploy("none", "one").problem(1, "image.not-found");
    let first = deploy("1", "one").ok();
    assert!(pluvio.body(&name, "/").contains("one"));
    deploy("1", "two").ok();
    assert!(pluvio.body(&name, "/").contains("two"));
    // From here on nothing needs the registry.
    registry.stop();
    pluvio.cli(&["scale", "web=3", "-a", &name, "--json"]).ok();
    assert_eq!(
        pluvio.status(&name)["components"][0]["instances"]
            .as_array()
            .map_or(0, Vec::len),
        3
    );
    pluvio
        .cli(&[
            "rollback",
            &format!("r{}", first["release"]),
            "-a",
            &name,
            "--json",
        ])
        .ok();
    pluvio.until_serves(&name, "/", "one", Duration::from_secs(20));
    registry.forget(&pluvio.engine, "team/web", "1");
    pluvio.end();
}

fn a_base_image_comes_from_the_registry_and_from_here_when_it_is_gone(engine: Engine) {
    let mut registry = Registry::start();
    let mut pluvio = Pluvio::prepare(engine);
    let name = pluvio.name("based");
    let source = |say: &str| {
        pluvio.write(".keep", "");
        pluvio.write(
            "based/main.py",
            &format!(
                "import http.server as h\nclass H(h.BaseHTTPRequestHandler):\n  def do_GET(s):\n    s.send_response(200)\n    s.end_headers()\n    s.wfile.write(b'{say}')\nh.HTTPServer(('0.0.0.0', 8000), H).serve_forever()\n"
            ),
        );
        pluvio.write("based/.python-version", "3.13\n");
        pluvio.scratch().join("based").display().to_string()
    };
    let folder = source("first");
    pluvio.up(&[]).ok();
    let deploy = |pluvio: &Pluvio| {
        let words = [
            "deploy", &folder, "--name", &name, "--port", "8000", "--json",
        ];
        pluvio.cli_within(&words, COLD).ok();
        let operation = pluvio.operation(&name);
        let steps = operation["steps"].as_array().cloned().unwrap_or_default();
        let base = steps
            .iter()
            .find(|step| step["name"] == "base")
            .expect("a base step");
        base["note"].as_str().unwrap_or_default().to_owned()
    };
    // Without a registry: the base of this machine, made now if it was not there.
    let note = deploy(&pluvio);
    assert!(
        note.contains("python:3.13") && !note.contains("127.0.0.1"),
        "{note}"
    );
    registry.push(
        &pluvio.engine,
        "localhost/pluvio/base-python:3.13",
        "python",
        "3.13-slim-trixie",
    );

    pluvio.cli(&["down", "--json"]).ok();
    pluvio.until_dead("control");
    pluvio = pluvio.with("PLUVIO_BUILD_REGISTRY", &registry.host());
    pluvio.up(&[]).ok();
    store(&pluvio, &registry, Registry::PASSWORD);
    let write = |say: &str| {
        let file = pluvio.scratch().join("based/main.py");
        let text = std::fs::read_to_string(&file).expect("the source");
        let (before, rest) = text.split_once("b'").expect("what it says");
        let (_, after) = rest.split_once('\'').expect("its end");
        std::fs::write(&file, format!("{before}b'{say}'{after}")).expect("a file");
    };
    write("second");
    let note = deploy(&pluvio);
    let pulled = format!("{}/python:3.13-slim-trixie, pulled", registry.host());
    assert!(note.contains(&pulled), "{note}");
    pluvio.until_serves(&name, "/", "second", Duration::from_secs(20));

    // The registry is gone, and the image that came from it too: the one that was made here serves.
    registry.stop();
    pluvio.cli(&["stop", "-a", &name, "--json"]).ok();
    registry.forget(&pluvio.engine, "python", "3.13-slim-trixie");
    write("third");
    let note = deploy(&pluvio);
    assert!(
        note.contains("python:3.13") && !note.contains("127.0.0.1"),
        "{note}"
    );
    let id = pluvio.operation(&name)["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let log = pluvio.operation_log(&id);
    assert!(log.contains("the one made here before is used"), "{log}");
    pluvio.end();
}

fn a_dockerfile_starts_from_a_private_image(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let registry = Registry::start();
    let name = pluvio.name("from");
    registry.push(&pluvio.engine, IMAGE, "team/base", "1");
    let text = format!(
        "FROM {}/team/base:1\nENV GREETING=from-private\nEXPOSE 8080\nCMD [\"/serve\"]\n",
        registry.host()
    );
    pluvio.write("from/Dockerfile", &text);
    let folder = pluvio.scratch().join("from").display().to_string();
    let deploy = || {
        pluvio.cli(&[
            "deploy", &folder, "--name", &name, "--port", "8080", "--json",
        ])
    };
    deploy().problem(1, "image.unauthorized");
    store(&pluvio, &registry, Registry::PASSWORD);
    deploy().ok();
    assert!(pluvio.body(&name, "/").contains("from-private"));
    registry.forget(&pluvio.engine, "team/base", "1");
    pluvio.end();
}
