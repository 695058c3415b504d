//! Which files of a folder say what it is.

use pluvio_build::detect::SourceTree;
use pluvio_build::plan_source;
use pluvio_formats::report::Outcome;
use pluvio_model::name::Name;

fn shop() -> Name {
    "shop".parse().unwrap()
}

#[test]
fn ignore_files_hide_no_manifest_and_nothing_that_it_names() {
    for (file, rules) in [
        (".dockerignore", "docker-compose.yml\n"),
        (".dockerignore", "**/docker-compose*\n"),
        (".dockerignore", "*\n"),
        (".gitignore", "*.yml\n*.env\n"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write(file, rules);
        write("Dockerfile", "FROM scratch\n");
        write("web.env", "A=1\n");
        write(
            "docker-compose.yml",
            "services:\n  web: { build: ., env_file: web.env }\n  db: { image: 'redis:8' }\n",
        );
        let planned = plan_source::of_folder(folder.path(), Some(&shop())).unwrap();
        assert_eq!(planned.errors, [], "{rules}");
        assert_eq!(planned.detected.kind, "compose", "{rules}");
        assert_eq!(planned.spec.components.len(), 2, "{rules}");
        assert_eq!(planned.spec.components["web"].env["A"].0, "1", "{rules}");
    }
    for (name, text) in [
        ("app.yaml", "name: shop\ncomponents: { a: {}, b: {} }\n"),
        ("Procfile", "web: a\nworker: b\n"),
        (
            "heroku.yml",
            "build: { docker: { web: Dockerfile, b: Dockerfile } }\n",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".dockerignore"), "*\n").unwrap();
        std::fs::write(folder.path().join("Dockerfile"), "FROM scratch\n").unwrap();
        std::fs::write(folder.path().join(name), text).unwrap();
        let planned = plan_source::of_folder(folder.path(), Some(&shop())).unwrap();
        assert_ne!(planned.detected.kind, "dockerfile", "{name}");
    }
}

#[test]
fn compose_file_in_env_names_files_of_any_name() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(".env", "COMPOSE_FILE=teku.yml:besu.yml\n");
    write("teku.yml", "services: { teku: { image: 'teku:1' } }\n");
    write("besu.yml", "services: { besu: { image: 'besu:1' } }\n");
    let planned = plan_source::of_folder(folder.path(), Some(&shop())).unwrap();
    assert_eq!(planned.errors, []);
    assert_eq!(planned.detected.kind, "compose");
    assert_eq!(planned.spec.components.len(), 2);
    // An empty one says nothing, and one that leads nowhere is told.
    write(".env", "COMPOSE_FILE=none.yml\n");
    let planned = plan_source::of_folder(folder.path(), Some(&shop())).unwrap();
    assert!(planned.errors[0].cause.contains("none.yml"));
    write(".env", "COMPOSE_FILE=\n");
    write("Dockerfile", "FROM scratch\n");
    let planned = plan_source::of_folder(folder.path(), Some(&shop())).unwrap();
    assert_eq!(planned.detected.kind, "dockerfile");
}

#[test]
fn variables_that_are_no_utf_8_are_read_as_compose_reads_them_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write(".env", b"TAG=2\nNAME=M\xfcller\n");
    write("web.env", b"WHO=M\xfcller\n");
    write(
        "compose.yaml",
        b"services: { web: { image: 'nginx:$TAG', env_file: web.env } }\n",
    );
    let planned = plan_source::of_folder(folder.path(), Some(&shop())).unwrap();
    assert_eq!(planned.errors, []);
    let web = &planned.spec.components["web"];
    let image = web.image.as_ref().unwrap().to_string();
    assert!(image.ends_with("nginx:2"), "{image}");
    assert_eq!(web.env["WHO"].0, "M\u{fffd}ller");
    for file in [".env", "web.env"] {
        let begins = format!("{file} holds bytes");
        let mut rows = planned.report.iter();
        assert!(rows.any(|row| row.message.starts_with(&begins)), "{file}");
    }
}

#[test]
fn a_web_process_beside_a_dockerfile_is_told_its_port() {
    let web = "web: uvicorn app:app --port $PORT\n";
    let with_worker = format!("{web}worker: python w.py\n");
    for (procfile, kind) in [(web, "dockerfile"), (&*with_worker, "heroku")] {
        let tree =
            SourceTree::from_texts([("Dockerfile", "FROM python:3.13\n"), ("Procfile", procfile)]);
        let planned = plan_source::of_tree(&tree, Some(&shop()));
        assert_eq!(planned.errors, []);
        assert_eq!(planned.detected.kind, kind);
        let component = &planned.spec.components["web"];
        assert_eq!(component.ports["http"].port, 8080);
        assert!(component.command.is_some());
    }
    // One that says where it listens says what runs, too.
    let tree = SourceTree::from_texts([
        ("Dockerfile", "FROM python:3.13\nEXPOSE 8000\nCMD run\n"),
        ("Procfile", web),
    ]);
    let planned = plan_source::of_tree(&tree, Some(&shop()));
    assert_eq!(planned.detected.kind, "dockerfile");
    let mut rows = planned.report.iter();
    assert!(rows.any(|row| row.at == "Procfile.web" && row.outcome == Outcome::Ignored));
}
