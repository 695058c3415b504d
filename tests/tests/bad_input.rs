//! Wrong files, missing things, taken names and ports (U3): each answered with a problem that says what failed, why and
//! what to do, and nothing half-made left.

use std::net::TcpListener;
use std::path::Path;

use pluvio_tests::{Engine, Pluvio, app, engines};

engines!(
    both: [u3_a_taken_port_is_named],
    docker: [u3_missing_things_are_named, u3_contradictions_are_refused_with_their_line],
    podman: [u3_wrong_files_are_refused_with_their_place, u3_taken_names_and_hosts_are_refused],
);

fn u3_wrong_files_are_refused_with_their_place(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("u3");
    let good = app::yaml(&name, "one", 1, "");

    let broken = good.replace("instances: 1", "instances: [1");
    let problem = pluvio.deploy(&broken).problem(1, "spec.syntax");
    assert!(
        problem["at"]["line"].as_u64().is_some_and(|line| line >= 5),
        "{problem:#}"
    );

    let unknown = good.replace("instances: 1", "instnaces: 1");
    let problem = pluvio.deploy(&unknown).problem(1, "spec.unknown-key");
    assert_eq!(
        (&problem["at"]["line"], &problem["at"]["column"]),
        (&5.into(), &1.into()),
        "{problem:#}"
    );
    assert!(
        problem.to_string().contains("`instances`")
            || problem["remedy"].as_str().unwrap().contains("instances"),
        "{problem:#}"
    );

    let invalid = good.replace("port: 8080", "port: 808080");
    let problem = pluvio.deploy(&invalid).problem(1, "spec.invalid");
    assert_eq!(problem["at"]["line"], 6, "{problem:#}");

    let dangling = good.replace("GREETING: one", "GREETING: \"${db.url}\"");
    pluvio
        .deploy(&dangling)
        .problem(1, "spec.unknown-reference");

    assert_eq!(
        pluvio.cli(&["apps", "--json"]).ok(),
        serde_json::json!([]),
        "nothing half-made"
    );
    assert_eq!(pluvio.made(), Vec::<String>::new());
    pluvio.end();
}

fn u3_missing_things_are_named(engine: Engine) {
    let mut pluvio = Pluvio::start(engine);
    let name = pluvio.name("u3m");
    pluvio
        .cli(&["deploy", "./no-such-folder", "--json"])
        .problem(1, "source.missing");

    let folder = pluvio.scratch().join("empty");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("notes.txt"), "nothing to run").unwrap();
    let empty = folder.display().to_string();
    pluvio
        .cli(&["deploy", &empty, "--json"])
        .problem(1, "source.unknown");
    let no_dockerfile = pluvio.cli(&[
        "deploy",
        &empty,
        "--dockerfile",
        "Dockerfile.prod",
        "--json",
    ]);
    assert_ne!(no_dockerfile.exit, 0);
    let code = no_dockerfile.json()["code"].as_str().unwrap().to_owned();
    assert!(
        ["build.dockerfile-missing", "source.unknown"].contains(&code.as_str()),
        "{no_dockerfile:?}"
    );
    assert_eq!(
        pluvio.cli(&["apps", "--json"]).ok(),
        serde_json::json!([]),
        "nothing half-made"
    );

    let spec = app::yaml(&name, "one", 1, "").replace(
        pluvio_tests::image::IMAGE,
        "localhost/pluvio-scenarios/none:1",
    );
    let answer = pluvio.deploy(&spec);
    let problem = answer.json();
    assert_eq!(answer.exit, 1, "{answer:?}");
    assert!(
        problem["code"].as_str().unwrap().starts_with("image."),
        "{problem:#}"
    );
    assert!(
        problem.to_string().contains("pluvio-scenarios/none"),
        "{problem:#}"
    );
    assert_eq!(pluvio.made(), Vec::<String>::new());

    // A build that fails shows its last lines.
    std::fs::write(
        folder.join("Dockerfile"),
        format!(
            "FROM {}\nRUN echo reading the list; no-such-program\n",
            pluvio_tests::image::IMAGE
        ),
    )
    .unwrap();
    let failed = pluvio.cli(&["deploy", &empty, "--name", &name, "--json"]);
    let problem = failed.problem(1, "build.failed");
    assert!(
        problem.to_string().contains("no-such-program"),
        "{problem:#}"
    );
    assert_eq!(pluvio.made(), Vec::<String>::new());

    // An engine that is not there, at start.
    pluvio.cli(&["down", "--node", "--json"]).ok();
    let absent = pluvio.scratch().join("no-engine.sock");
    let up = pluvio.up(&[("PLUVIO_ENGINE", &format!("unix://{}", absent.display()))]);
    let problem = up.problem(1, "engine.missing");
    assert!(
        problem.to_string().contains("no-engine.sock"),
        "{problem:#}"
    );
    pluvio.up(&[]).ok();
    pluvio.end();
}

fn u3_taken_names_and_hosts_are_refused(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("u3t");
    pluvio
        .deploy(&app::yaml(
            &name,
            "one",
            1,
            &format!("routes: [{{ host: shop-{name}.localhost, path: / }}]\n"),
        ))
        .ok();
    let before = pluvio.made();

    let other = pluvio.name("u3u");
    let host = format!("shop-{name}.localhost");
    let problem = pluvio
        .deploy(&app::yaml(
            &other,
            "two",
            1,
            &format!("routes: [{{ host: {host}, path: / }}]\n"),
        ))
        .problem(5, "host.taken");
    assert!(
        problem["cause"].as_str().unwrap().contains(&host),
        "{problem:#}"
    );
    assert!(problem["at"]["line"].is_u64(), "{problem:#}");
    assert_eq!(pluvio.made(), before, "nothing half-made");
    let apps = pluvio.cli(&["apps", "--json"]).ok();
    assert_eq!(apps.as_array().map(Vec::len), Some(1), "{apps:#}");
    assert_eq!(pluvio.body(&format!("shop-{name}"), "/").trim(), "one");
    pluvio.end();
}

fn u3_a_taken_port_is_named(engine: Engine) {
    let mut pluvio = Pluvio::prepare(engine);
    for port in [pluvio.port(), pluvio.gateway_port()] {
        let squatter = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let problem = pluvio.up(&[]).problem(5, "port.taken");
        assert!(
            problem["cause"]
                .as_str()
                .unwrap()
                .contains(&port.to_string()),
            "{problem:#}"
        );
        for role in ["node", "control"] {
            assert_eq!(
                pluvio.pid(role),
                None,
                "{role} runs although port {port} is taken"
            );
        }
        drop(squatter);
    }
    assert!(!Path::new(&pluvio.data().join("pluvio.db")).exists());
    pluvio.up(&[]).ok();
    pluvio.end();
}

/// What only the server knows is named at its line of the file as well.
fn u3_contradictions_are_refused_with_their_line(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("u3c");
    let image = pluvio_tests::image::IMAGE;
    let web = format!("  web: {{ image: \"{image}\", command: [/serve], routes: [], ");
    let head = format!("apiVersion: pluvio/v1\nname: {name}\ncomponents:\n");
    for (more, line, code) in [
        (
            "uses: [api] }\n  api: { image: x:1, uses: [web], routes: [] }\n",
            4,
            "spec.conflict",
        ),
        ("uses: [dbb] }\n", 4, "spec.unknown-reference"),
        (
            "env: { KEY: \"${secrets.KEY}\" } }\nsecrets: { KEY: {} }\n",
            4,
            "secret.missing",
        ),
        (
            "volumes: { /a: { name: a } } }\n  two: { image: x:1, volumes: { /a: { name: a } } }\n",
            5,
            "spec.conflict",
        ),
        (
            "env: { A: b } }\n  night: { kind: cron, image: x:1, schedule: \"0 0 30 2 *\" }\n",
            5,
            "spec.invalid",
        ),
    ] {
        let answer = pluvio.deploy(&format!("{head}{web}{more}"));
        let problem = answer.problem(1, code);
        assert_eq!(problem["at"]["line"], line, "{more}: {problem:#}");
        assert!(
            !problem["remedy"].as_str().unwrap().is_empty(),
            "{problem:#}"
        );
    }
    assert_eq!(pluvio.made(), Vec::<String>::new());
    pluvio.end();
}
