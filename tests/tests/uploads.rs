//! Archives that people have, by the command line and by the API; and secrets of a Dockerfile's steps (B3).

use std::path::Path;
use std::process::Command;

use pluvio_tests::image::IMAGE;
use pluvio_tests::{Answer, Engine, Pluvio, engines};

engines!(
    both: [b3_a_dockerfiles_secret_is_in_no_image_history_or_log],
    docker: [archives_are_deployed_as_the_folders_they_hold],
    podman: [a_folder_of_an_archive_is_built_from_all_of_it],
);

fn run(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn source(pluvio: &Pluvio, folder: &str, greeting: &str) {
    let text = format!(
        "FROM {IMAGE}\nCOPY run.sh /run.sh\nENV GREETING={greeting}\nEXPOSE 8080\nCMD [\"/run.sh\"]\n"
    );
    pluvio.write(&format!("{folder}/Dockerfile"), &text);
    let script = pluvio.write(&format!("{folder}/run.sh"), "#!/bin/sh\nexec /serve\n");
    run(Command::new("chmod").args(["755", &script]));
}

/// As the console asks.
fn ask(pluvio: &Pluvio, path: &str, kind: &str, body: &str) -> serde_json::Value {
    let said = run(Command::new("curl")
        .args(["-sS", "-X", "POST", "--unix-socket"])
        .arg(pluvio.data().join("control.sock"))
        .args([
            "-H",
            &format!("Content-Type: {kind}"),
            "--data-binary",
            body,
        ])
        .arg(format!("http://localhost/api/v1{path}")));
    serde_json::from_str(&said).unwrap_or_else(|e| panic!("{path}: {e}: {said}"))
}

fn archives_are_deployed_as_the_folders_they_hold(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let at = |name: &str| pluvio.scratch().join(name).display().to_string();
    let zip = |folder: &str, file: &str| {
        run(Command::new("python3")
            .args(["-m", "zipfile", "-c", &at(file), folder])
            .current_dir(pluvio.scratch()));
    };
    // The program is started by itself, so its mode must come through.
    source(&pluvio, "shop", "zipped");
    zip("shop", "shop.zip");
    let name = pluvio.name("zip");
    let deploy = |file: &str| {
        let words = [
            "deploy",
            &at(file),
            "--name",
            &name,
            "--port",
            "8080",
            "--json",
        ];
        pluvio.cli(&words)
    };
    deploy("shop.zip").ok();
    assert!(pluvio.body(&name, "/").contains("zipped"));
    source(&pluvio, "shop", "tarred");
    run(Command::new("tar").args(["-czf", &at("shop.tar.gz"), "-C", &at("shop"), "."]));
    deploy("shop.tar.gz").ok();
    assert!(pluvio.body(&name, "/").contains("tarred"));

    // As the console does it: the archive as it is, a plan of it, a deploy.
    source(&pluvio, "shop", "uploaded");
    zip("shop", "shop.zip");
    let ask = |path: &str, kind: &str, body: &str| ask(&pluvio, path, kind, body);
    let json = "application/json";
    let sent = ask(
        "/uploads",
        "application/zip",
        &format!("@{}", at("shop.zip")),
    );
    let upload = &sent["upload"];
    let environment = "/teams/main/environments/production";
    let body = serde_json::json!({ "source": { "upload": upload }, "name": name });
    let plan = ask(&format!("{environment}/plan"), json, &body.to_string());
    let mut spec = plan["spec"].clone();
    assert!(spec.is_object(), "{plan}");
    spec["components"]["web"]["ports"] =
        serde_json::json!({ "http": { "port": 8080, "protocol": "http" } });
    let body = serde_json::json!({ "spec": spec, "upload": upload });
    let path = format!("{environment}/applications/{name}/deploy");
    let operation = ask(&path, json, &body.to_string());
    let id = operation["id"].as_str().unwrap_or_default();
    pluvio.cli(&["operation", "follow", id, "--json"]);
    assert!(pluvio.body(&name, "/").contains("uploaded"), "{operation}");

    // What leads out is refused before anything is sent.
    let script = "import zipfile; zipfile.ZipFile('evil.zip', 'w').writestr('../evil', 'x')";
    run(Command::new("python3")
        .args(["-c", script])
        .current_dir(pluvio.scratch()));
    let problem = deploy("evil.zip").problem(1, "source.archive");
    assert!(
        problem["cause"]
            .as_str()
            .unwrap_or_default()
            .contains("../evil"),
        "{problem}"
    );
    pluvio.end();
}

/// `docker/compose.yaml` in an archive, with what it builds from beside its folder: by the command line and as the console does it.
fn a_folder_of_an_archive_is_built_from_all_of_it(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("above");
    let at = |name: &str| pluvio.scratch().join(name).display().to_string();
    let web = format!(
        "FROM {IMAGE}\nCOPY greeting /greeting\nENV GREETING=web\nEXPOSE 8080\nCMD [\"/serve\"]\n"
    );
    pluvio.write("shop/docker/web.Dockerfile", &web);
    let compose = "services:\n  web:\n    build: { context: .., dockerfile: docker/web.Dockerfile }\n    ports: ['8080']\n  api: { build: ../api }\n";
    pluvio.write("shop/docker/compose.yaml", compose);
    let api = format!("FROM {IMAGE}\nEXPOSE 8080\nENV GREETING=api\nCMD [\"/serve\"]\n");
    pluvio.write("shop/api/Dockerfile", &api);
    pluvio.write("shop/greeting", "zipped\n");
    run(Command::new("python3")
        .args(["-m", "zipfile", "-c", &at("shop.zip"), "shop"])
        .current_dir(pluvio.scratch()));
    let words = [
        "deploy",
        &at("shop.zip"),
        "--path",
        "docker",
        "--name",
        &name,
        "--json",
    ];
    pluvio.cli(&words).ok();
    assert_eq!(pluvio.body(&name, "/file?/greeting"), "zipped\n");
    assert_eq!(pluvio.body(&name, "/ask?api:8080/"), "api\n");
    let plan = ["plan", &at("shop.zip"), "--path", "docker", "--json"];
    let source = |plan: &serde_json::Value, component: &str| {
        plan["spec"]["components"][component]["source"].clone()
    };
    let planned = pluvio.cli(&plan).ok();
    assert_eq!(source(&planned, "web")["path"], ".", "{planned:#}");
    assert_eq!(source(&planned, "api")["path"], "api", "{planned:#}");

    pluvio.write("shop/greeting", "uploaded\n");
    run(Command::new("tar").args(["-czf", &at("shop.tar.gz"), "-C", &at("shop"), "."]));
    let (json, environment) = ("application/json", "/teams/main/environments/production");
    let sent = ask(
        &pluvio,
        "/uploads",
        "application/gzip",
        &format!("@{}", at("shop.tar.gz")),
    );
    let upload = &sent["upload"];
    let plan = |path: &str| {
        let body =
            serde_json::json!({ "source": { "upload": upload }, "name": name, "path": path });
        ask(
            &pluvio,
            &format!("{environment}/plan"),
            json,
            &body.to_string(),
        )
    };
    for path in ["..", "../..", "docker/../..", "/etc", "none"] {
        assert_eq!(plan(path)["code"], "source.missing", "{path}");
    }
    let planned = plan("docker");
    assert_eq!(planned["errors"], serde_json::json!([]), "{planned:#}");
    assert_eq!(source(&planned, "web")["upload"], *upload, "{planned:#}");
    assert_eq!(source(&planned, "api")["path"], "api", "{planned:#}");
    assert_eq!(
        planned["texts"][0]["path"], "docker/compose.yaml",
        "{planned:#}"
    );
    let body = serde_json::json!({ "spec": planned["spec"], "upload": upload });
    let path = format!("{environment}/applications/{name}/deploy");
    let operation = ask(&pluvio, &path, json, &body.to_string());
    let id = operation["id"].as_str().unwrap_or_default();
    pluvio.cli(&["operation", "follow", id, "--json"]);
    assert_eq!(pluvio.body(&name, "/file?/greeting"), "uploaded\n");
    assert_eq!(pluvio.body(&name, "/ask?api:8080/"), "api\n");

    // Further up than the archive there is nothing.
    pluvio.write(
        "shop/docker/compose.yaml",
        "services: { web: { build: ../.. } }\n",
    );
    run(Command::new("tar").args(["-czf", &at("out.tar.gz"), "-C", &at("shop"), "."]));
    let out = [
        "deploy",
        &at("out.tar.gz"),
        "--path",
        "docker",
        "--name",
        &name,
        "--json",
    ];
    let problem = pluvio.cli(&out).problem(1, "spec.unsupported");
    let remedy = problem["remedy"].as_str().unwrap_or_default();
    assert!(remedy.contains("move the context into it"), "{problem}");
    pluvio.end();
}

fn b3_a_dockerfiles_secret_is_in_no_image_history_or_log(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("b3");
    // One of its own: another engine's build of the same test may be under way beside it.
    let secret = format!("Bq8-a-token-for-private-packages-{name}");
    let secret = secret.as_str();
    // What the engine's builder keeps of an earlier run of this test must not be found.
    let nonce = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    // It reads it, says it, and copies all of its context.
    let text = format!(
        "FROM {IMAGE}\nRUN : {nonce}\nCOPY . /context\nRUN --mount=type=secret,id=TOKEN cat /run/secrets/TOKEN && wc -c </run/secrets/TOKEN >/length\n\
         RUN ls -a /context /run >/listing; cat /run/secrets/TOKEN >>/listing 2>/dev/null; exit 0\n\
         ENV GREETING=built\nEXPOSE 8080\nCMD [\"/serve\"]\n"
    );
    pluvio.write("b3/Dockerfile", &text);
    pluvio.write(
        "b3/app.yaml",
        &format!(
            "apiVersion: pluvio/v1\nname: {name}\nsource: {{ path: . }}\nbuild: {{ builder: dockerfile, secrets: [TOKEN] }}\n\
             ports: {{ http: {{ port: 8080 }} }}\nsecrets: {{ TOKEN: {{ generate: false }} }}\n"
        ),
    );
    let folder = pluvio.scratch().join("b3").display().to_string();
    let deploy = || -> Answer { pluvio.cli(&["deploy", &folder, "--json"]) };
    deploy().problem(1, "secret.missing");
    let set = pluvio.cli_with_input(&["secret", "set", "TOKEN", "-a", &name, "--json"], secret);
    assert_eq!(set.exit, 0, "{set:?}");
    let answer = deploy();
    answer.ok();
    assert_eq!(
        pluvio.body(&name, "/file?/length").trim(),
        secret.len().to_string(),
        "the step read it"
    );
    let listing = pluvio.body(&name, "/file?/listing");
    assert!(
        listing.contains("Dockerfile") && !listing.contains("secret-"),
        "{listing}"
    );

    let id = pluvio.operation(&name)["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let log = pluvio.operation_log(&id);
    assert!(log.contains("•••"), "what it said is masked: {log}");
    for said in [&answer.stdout, &answer.stderr, &log] {
        assert!(!said.contains(secret), "{said}");
    }
    let images = pluvio.engine.images(&format!("/{name}/"));
    assert!(!images.is_empty());
    for image in images {
        let (_, history) = pluvio
            .engine
            .request("GET", &format!("/images/{image}/history"), None);
        assert!(
            history.is_array() && !history.to_string().contains(secret),
            "{history}"
        );
        let saved = pluvio.scratch().join("saved.tar");
        run(Command::new("curl")
            .args(["-sS", "-g", "-o"])
            .arg(&saved)
            .arg("--unix-socket")
            .arg(&pluvio.engine.socket)
            .arg(format!("http://engine/images/{image}/get")));
        let unpacked = pluvio.scratch().join("saved");
        std::fs::create_dir_all(&unpacked).unwrap();
        let script = r#"tar -xf "$1" -C "$2"; for layer in $(find "$2" -type f); do tar -tf "$layer" >/dev/null 2>&1 && { mkdir -p "$layer.d"; tar -xf "$layer" -C "$layer.d"; }; done; true"#;
        run(Command::new("sh")
            .args(["-c", script, "sh"])
            .args([&saved, &unpacked]));
        assert!(holds(&unpacked, "built"), "the search finds what is there");
        assert!(!holds(&unpacked, secret), "the image holds the secret");
    }
    // Where builders keep contexts while they build.
    for folder in ["/var/tmp", pluvio.data().join("work").to_str().unwrap()] {
        assert!(
            !holds(Path::new(folder), secret),
            "{folder} holds the secret"
        );
    }
    pluvio.end();
}

fn holds(folder: &Path, text: &str) -> bool {
    Command::new("grep")
        .args(["-rqsF", "--devices=skip", text])
        .arg(folder)
        .status()
        .is_ok_and(|status| status.success())
}
