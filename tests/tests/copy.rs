//! From one environment to another (D9, BX-03): a copy that differs only in what its table says, a promotion that brings
//! the images and keeps what belongs to the place.

use std::time::Duration;

use pluvio_tests::{Engine, Pluvio, engines, image::IMAGE};
use serde_json::Value;

engines!(
    both: [],
    docker: [d9_a_copy_differs_only_in_what_the_table_says, c4_a_closed_port_is_named_and_opened_when_asked],
    podman: [bx03_a_release_is_promoted_to_its_counterpart, what_cannot_be_copied_leaves_nothing],
);

const SOON: Duration = Duration::from_secs(20);

fn shop(name: &str, greeting: &str) -> String {
    format!(
        "apiVersion: pluvio/v1
name: {name}
secrets: {{ KEY: {{}}, MADE: {{ generate: true }} }}
components:
  web:
    image: {IMAGE}
    command: [/serve]
    instances: 2
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 200ms }} }}
    rollout: {{ drain: 1s }}
    env: {{ GREETING: {greeting}, KEY: \"${{secrets.KEY}}\", MADE: \"${{secrets.MADE}}\" }}
    volumes: {{ /data: {{ name: data, access: shared }} }}
    uses: [api]
    routes: [{{ host: www-{name}.localhost, path: / }}]
    release: {{ command: [sh, -c, \"echo ran >> /data/ran\"] }}
  api:
    image: {IMAGE}
    command: [/serve]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 200ms }} }}
    rollout: {{ drain: 1s }}
    env: {{ GREETING: inner }}
    routes: []
"
    )
}

fn deploy(pluvio: &Pluvio, yaml: &str) -> Value {
    let file = pluvio.write("app.yaml", yaml);
    pluvio
        .cli(&["apply", "-f", &file, "--take-over", "--json"])
        .ok()
}

fn rows(preview: &Value, what: &str) -> Vec<(String, String, String)> {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let rows = preview["rows"].as_array().unwrap().iter();
    rows.filter(|row| row["what"] == what)
        .map(|row| (text(row, "about"), text(row, "before"), text(row, "after")))
        .collect()
}

fn line(of: &str, name: &str) -> String {
    of.lines()
        .find(|line| line.starts_with(&format!("{name}=")))
        .unwrap_or_default()
        .to_owned()
}

fn d9_a_copy_differs_only_in_what_the_table_says(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("d9");
    // Set by hand, once the application is there.
    let keyless = shop(&name, "one").replace("KEY: \"${secrets.KEY}\", ", "");
    deploy(&pluvio, &keyless);
    pluvio
        .cli(&["secret", "set", "KEY", "by-hand", "-a", &name, "--json"])
        .ok();
    deploy(&pluvio, &shop(&name, "one"));
    let host = format!("www-{name}");
    let staging = format!("{name}--staging--main");

    pluvio
        .cli(&["copy", "-a", &name, "--to", "staging", "--json"])
        .problem(3, "not-found");
    pluvio
        .cli(&["environment", "create", "staging", "--json"])
        .ok();
    let table = |more: &[&str]| {
        let mut words = vec!["copy", "-a", &name, "--to", "staging", "--json"];
        words.extend(more);
        pluvio.cli(&words)
    };
    let preview = table(&["--dry-run", "--instances", "web=1"]).ok();
    assert_eq!(
        rows(&preview, "host"),
        [(
            "web".to_owned(),
            format!("{host}.localhost"),
            format!("{staging}.localhost")
        )]
    );
    assert_eq!(
        rows(&preview, "instances"),
        [("web".to_owned(), "2".to_owned(), "1".to_owned())]
    );
    assert_eq!(rows(&preview, "volume")[0].2, "empty");
    let secrets = rows(&preview, "secret");
    assert_eq!(
        secrets
            .iter()
            .map(|row| (row.0.as_str(), row.2.as_str()))
            .collect::<Vec<_>>(),
        [("KEY", "missing"), ("MADE", "new")]
    );
    // For people it is a table.
    let shown = pluvio.cli(&["copy", "-a", &name, "--to", "staging", "--dry-run"]);
    assert!(shown.stdout.contains("ORIGINAL"), "{shown:?}");

    // A secret that was set by hand is not taken along in silence, and nothing is made without it.
    let problem = table(&[]).problem(1, "secret.missing");
    assert!(
        problem["cause"].as_str().unwrap().contains("KEY"),
        "{problem:#}"
    );
    let staged = |words: &[&str]| {
        let mut all = vec!["-e", "staging", "--json"];
        all.extend(words);
        pluvio.cli(&all)
    };
    assert_eq!(staged(&["apps"]).ok(), serde_json::json!([]));

    let operation = table(&["--instances", "web=1", "--copy-secrets"]).ok();
    assert_eq!(operation["kind"], "copy");
    let steps = operation["steps"].as_array().unwrap();
    assert!(
        steps.iter().all(|step| step["name"] != "build"),
        "{operation:#}"
    );
    pluvio.until_serves(&staging, "/", "one", SOON);
    let (here, there) = (pluvio.body(&host, "/env"), pluvio.body(&staging, "/env"));
    assert_eq!(line(&here, "KEY"), line(&there, "KEY"));
    assert_ne!(line(&here, "MADE"), line(&there, "MADE"));
    assert_eq!(line(&there, "MADE").len(), line(&here, "MADE").len());
    // Data of its own, its release task ran over them.
    assert_eq!(pluvio.body(&staging, "/file?/data/ran"), "ran\n");
    let ask = |host: &str| pluvio.body(host, "/ask?api:8080/");
    assert_eq!(
        (ask(&host).trim(), ask(&staging).trim()),
        ("inner", "inner")
    );

    // Field by field: what runs is the same but for what the table said.
    let (here, there) = (pluvio.status(&name), staged(&["status", "-a", &name]).ok());
    for (one, other) in here["components"]
        .as_array()
        .unwrap()
        .iter()
        .zip(there["components"].as_array().unwrap())
    {
        for field in [
            "name",
            "kind",
            "image",
            "image_id",
            "ports",
            "files",
            "mounts",
            "probes",
            "strategy",
            "drain_ms",
            "resources",
        ] {
            assert_eq!(one[field], other[field], "{field} of {}", one["name"]);
        }
    }
    let value = |answer: Value| -> Value { answer };
    let (mut one, mut other) = (
        value(pluvio.cli(&["export", "-a", &name, "--json"]).ok()),
        value(staged(&["export", "-a", &name]).ok()),
    );
    for spec in [&mut one, &mut other] {
        let web = spec["components"]["web"].as_object_mut().unwrap();
        web.remove("routes");
        web.remove("instances");
    }
    assert_eq!(one, other);

    // It is one of its own: what is done to it leaves the original alone.
    staged(&["scale", "web=0", "-a", &name]).ok();
    assert_eq!(pluvio.body(&host, "/").trim(), "one");
    assert_eq!(pluvio.status(&name)["instances_wanted"], 3);
    let read = pluvio
        .cli(&["audit", "--action", "secret:read", "--json"])
        .ok();
    assert!(read.to_string().contains("the copy staging/"), "{read:#}");
    pluvio
        .cli(&["environment", "delete", "staging", "--json"])
        .problem(4, "refused");
    staged(&["delete", "-a", &name, "--yes"]).ok();
    pluvio
        .cli(&["environment", "delete", "staging", "--json"])
        .ok();
    assert_eq!(pluvio.body(&host, "/").trim(), "one");
    pluvio.end();
}

fn bx03_a_release_is_promoted_to_its_counterpart(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("bx3");
    let yaml = |greeting: &str, more: &str| {
        format!(
            "apiVersion: pluvio/v1
name: {name}
image: {IMAGE}
command: [/serve]
ports: {{ http: {{ port: 8080, protocol: http }} }}
probes: {{ ready: {{ http: {{ path: /healthz }}, period: 200ms }} }}
rollout: {{ drain: 1s }}
env: {{ GREETING: {greeting} }}
{more}"
        )
    };
    deploy(&pluvio, &yaml("one", ""));
    pluvio.cli(&["scale", "2", "-a", &name, "--json"]).ok();
    pluvio
        .cli(&["environment", "create", "staging", "--json"])
        .ok();
    pluvio
        .cli(&[
            "copy",
            "-a",
            &name,
            "--to",
            "staging",
            "--instances",
            "web=1",
            "--json",
        ])
        .ok();
    let staged = |words: &[&str]| {
        let mut all = vec!["-e", "staging", "-a", &name, "--json"];
        all.extend(words);
        pluvio.cli(&all)
    };
    // What is tried there …
    staged(&["config", "set", "GREETING=two"]).ok();
    let preview = staged(&["promote", "--to", "production", "--dry-run"]).ok();
    assert!(preview.to_string().contains("GREETING"), "{preview:#}");
    assert_eq!(pluvio.body(&name, "/").trim(), "one");
    // … is brought here when its difference was agreed to.
    let problem = staged(&["promote", "--to", "production"]).problem(5, "conflict");
    assert!(
        problem["evidence"]
            .to_string()
            .contains("env GREETING: one → two"),
        "{problem:#}"
    );
    let operation = staged(&["promote", "--to", "production", "--yes"]).ok();
    assert_eq!(operation["kind"], "promote");
    assert_eq!(pluvio.body(&name, "/").trim(), "two");
    let status = pluvio.status(&name);
    assert_eq!(
        status["instances_wanted"], 2,
        "the counts of the place stay"
    );
    let releases = pluvio.cli(&["releases", "-a", &name, "--json"]).ok();
    assert_eq!(releases[0]["origin"]["kind"], "promote");
    assert_eq!(releases[0]["origin"]["environment"], "staging");
    // With nothing to change it is a release all the same, and asks nothing.
    staged(&["promote", "--to", "production"]).ok();
    pluvio.cli(&["rollback", "2", "-a", &name, "--json"]).ok();
    assert_eq!(pluvio.body(&name, "/").trim(), "one");
    staged(&["promote", "--to", "nowhere"]).problem(3, "not-found");
    pluvio.end();
}

fn what_cannot_be_copied_leaves_nothing(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("cno");
    deploy(
        &pluvio,
        &shop(&name, "one").replace("KEY: \"${secrets.KEY}\", ", ""),
    );
    pluvio
        .cli(&["environment", "create", "staging", "--json"])
        .ok();
    let before = pluvio.made();
    let copy = |more: &[&str]| {
        let mut words = vec![
            "copy",
            "-a",
            &name,
            "--to",
            "staging",
            "--copy-secrets",
            "--json",
        ];
        words.extend(more);
        pluvio.cli(&words)
    };
    copy(&["--instances", "wev=1"]).problem(3, "not-found");
    copy(&["--host", "none.example.org=a.test"]).problem(3, "not-found");
    copy(&["--ref", "web=main"]).problem(2, "request.invalid");
    copy(&["--as", "No Name"]).problem(2, "request.invalid");
    // A host of somebody else, and an image that is not there: found before or after the start, nothing stays.
    let www = format!("www-{name}.localhost");
    let taken = copy(&["--host", &format!("{www}={www}"), "--as", "other"]);
    taken.problem(5, "host.taken");
    let absent = copy(&["--image", "web=localhost/pluvio-scenarios/none:1"]);
    assert_eq!(absent.exit, 1, "{absent:?}");
    let apps = || pluvio.cli(&["apps", "-e", "staging", "--json"]).ok();
    pluvio_tests::wait::until_true("nothing half-made", SOON, || {
        apps() == serde_json::json!([])
    });
    // What measured the volumes for the table leaves by itself.
    pluvio_tests::wait::until_true("nothing stays", SOON, || pluvio.made() == before);
    // The same name twice.
    deploy(
        &pluvio,
        &shop(&name, "one").replace("KEY: \"${secrets.KEY}\", ", ""),
    );
    pluvio
        .cli(&["copy", "-a", &name, "--to", "production", "--json"])
        .problem(5, "name.taken");
    let twin = format!("{name}-twin");
    copy(&["--as", &twin, "--to", "production"]);
    pluvio.end();
}

fn c4_a_closed_port_is_named_and_opened_when_asked(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("c4");
    let yaml = format!(
        "apiVersion: pluvio/v1
name: {name}
components:
  web:
    image: {IMAGE}
    command: [/serve]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    rollout: {{ drain: 1s }}
    env: {{ GREETING: one, API: \"http://api:8080/\" }}
    uses: [api]
  api:
    image: {IMAGE}
    command: [/serve]
    ports: {{ admin: {{ port: 9000, protocol: tcp }} }}
    probes: {{ ready: {{ tcp: {{ port: 8080 }}, period: 200ms }} }}
    rollout: {{ drain: 1s }}
    env: {{ GREETING: inner }}
    routes: []
"
    );
    let file = pluvio.write("app.yaml", &yaml);
    let problem = pluvio
        .cli(&["deploy", &file, "--json"])
        .problem(1, "spec.conflict");
    assert_eq!(
        problem["cause"],
        "web dials api at port 8080, which is not open: api opens 9000 alone."
    );
    let fixes = problem["fixes"].as_array().unwrap();
    assert_eq!(fixes.last().unwrap()["port"], 8080, "{problem:#}");
    assert_eq!(pluvio.cli(&["apps", "--json"]).ok(), serde_json::json!([]));
    pluvio
        .cli(&["apply", "-f", &file, "--open-ports", "--json"])
        .ok();
    assert_eq!(pluvio.body(&name, "/ask?api:8080/").trim(), "inner");
    let spec = pluvio.cli(&["export", "-a", &name, "--json"]).ok();
    assert_eq!(spec["components"]["api"]["ports"]["tcp-8080"]["port"], 8080);
    // The file still does not say it: the next apply is told of what it would undo, and asks again.
    pluvio.cli(&["plan", &file, "--json"]).json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .find(|error| error["code"] == "spec.conflict")
        .expect("the plan names it too");
    pluvio.end();
}
