//! Volumes as resources: taken from one component and given to another, copied, looked into, deleted and had back.

use std::time::Duration;

use pluvio_tests::{Engine, Pluvio, app, both_engines, wait};
use serde_json::Value;

both_engines!(
    d3_a_volume_goes_from_one_application_to_another,
    a_volume_is_shared_between_components,
    d10_a_deleted_volume_can_be_had_back_until_its_end,
    files_of_a_volume_are_read_and_written,
    a_copy_survives_kills_and_leaves_no_half,
);

const SOON: Duration = Duration::from_secs(30);
/// A copy of some size on a busy machine.
const LONG: Duration = Duration::from_secs(120);

fn put(pluvio: &Pluvio, app: &str, path: &str, text: &str) {
    let mut connection = pluvio_tests::http::Connection::open(pluvio.gateway_port(), SOON).unwrap();
    let request = format!(
        "PUT {path} HTTP/1.1\r\nHost: {app}.localhost\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    );
    let reply = connection.send(&request).unwrap();
    assert_eq!(reply.status, 200, "{reply:?}");
}

/// The volume of an application, as the list shows it.
fn volume(pluvio: &Pluvio, app: &str, name: &str) -> Option<Value> {
    let volumes = pluvio.cli(&["volume", "list", "--json"]).ok();
    let mut volumes = volumes.as_array().unwrap().iter();
    let found = volumes.find(|one| one["name"] == name && one["application"] == app);
    found.cloned()
}

fn state(pluvio: &Pluvio, app: &str, name: &str) -> String {
    let found = volume(pluvio, app, name).unwrap_or_else(|| panic!("{app} has no volume {name}"));
    found["state"].as_str().unwrap().to_owned()
}

fn d3_a_volume_goes_from_one_application_to_another(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let (shop, blog) = (pluvio.name("vshop"), pluvio.name("vblog"));
    let with_data = "volumes: { /data: { name: data } }\n";
    pluvio.deploy(&app::yaml(&shop, "one", 1, with_data)).ok();
    pluvio.deploy(&app::yaml(&blog, "two", 1, "")).ok();
    put(&pluvio, &shop, "/file?/data/note", "precious");
    let row = volume(&pluvio, &shop, "data").unwrap();
    assert_eq!(row["state"], "bound");
    assert_eq!(row["used_by"][0]["path"], "/data", "{row:#}");
    assert_eq!(row["access"], "exclusive");
    let attach = |words: &[&str]| {
        let words: Vec<&str> = [
            "volume", "attach", "data", "/kept", "--json", "--from", &shop,
        ]
        .iter()
        .chain(words)
        .copied()
        .collect();
        pluvio.cli(&words)
    };
    // What is exclusively another's is nobody else's, and is not deleted.
    let taken = attach(&["-a", &blog]).problem(1, "spec.conflict");
    assert!(
        taken["cause"].as_str().unwrap().contains(&shop),
        "{taken:#}"
    );
    pluvio
        .cli(&["volume", "delete", "data", "--confirm", "data", "--json"])
        .problem(4, "refused");

    pluvio
        .cli(&["volume", "detach", "data", "-a", &shop, "--json"])
        .ok();
    assert_eq!(pluvio.get(&shop, "/file?/data/note").unwrap().status, 404);
    assert_eq!(state(&pluvio, &shop, "data"), "kept");
    attach(&["-a", &blog]).ok();
    assert_eq!(pluvio.body(&blog, "/file?/kept/note"), "precious");
    let spec = pluvio.cli(&["export", "-a", &blog]).stdout;
    assert!(
        spec.contains("/kept") && spec.contains("data"),
        "app.yaml says so: {spec}"
    );
    // The release before it had the volume, which is another's now: nothing is started, nothing changed.
    pluvio
        .cli(&["rollback", "1", "-a", &shop, "--json"])
        .problem(1, "spec.conflict");
    // Its new application is changed, and keeps it; then it is let go, and the old release has it back, with its data.
    pluvio.cli(&["restart", "-a", &blog, "--json"]).ok();
    assert_eq!(pluvio.body(&blog, "/file?/kept/note"), "precious");
    pluvio
        .cli(&["volume", "detach", "data", "-a", &blog, "--json"])
        .ok();
    pluvio.cli(&["rollback", "1", "-a", &shop, "--json"]).ok();
    assert_eq!(pluvio.body(&shop, "/file?/data/note"), "precious");
    assert_eq!(
        pluvio
            .made()
            .iter()
            .filter(|made| made.starts_with("volume "))
            .count(),
        1
    );
    pluvio.end();
}

fn a_volume_is_shared_between_components(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("vshare");
    let image = pluvio_tests::image::IMAGE;
    let yaml = format!(
        "apiVersion: pluvio/v1
name: {name}
components:
  web:
    image: {image}
    command: [/serve]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    env: {{ GREETING: one }}
    routes: [{{ host: {name}.localhost }}]
    volumes: {{ /data: {{ name: web-data, size: 1Gi }} }}
  other:
    image: {image}
    command: [/serve]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    env: {{ GREETING: two }}
    routes: [{{ host: other-{name}.localhost }}]
"
    );
    pluvio.deploy(&yaml).ok();
    put(&pluvio, &name, "/file?/data/note", "ours");
    let attach = |access: &str| {
        pluvio.cli(&[
            "volume",
            "attach",
            "web-data",
            "/seen",
            "--component",
            "other",
            "--access",
            access,
            "-a",
            &name,
            "--json",
        ])
    };
    attach("exclusive").problem(1, "spec.conflict");
    attach("shared").ok();
    assert_eq!(
        pluvio.body(&format!("other-{name}"), "/file?/seen/note"),
        "ours"
    );
    assert_eq!(pluvio.body(&name, "/file?/data/note"), "ours");
    let row = volume(&pluvio, &name, "web-data").unwrap();
    assert_eq!(row["used_by"].as_array().unwrap().len(), 2, "{row:#}");
    assert_eq!(row["access"], "shared");

    // Another application of the environment shares it too, and keeps it when the one that it was made for goes.
    let other = pluvio.name("vother");
    pluvio.deploy(&app::yaml(&other, "three", 1, "")).ok();
    let words = [
        "volume", "attach", "web-data", "/ours", "--from", &name, "--access", "shared",
    ];
    let words: Vec<&str> = words.into_iter().chain(["-a", &other, "--json"]).collect();
    pluvio.cli(&words).ok();
    assert_eq!(pluvio.body(&other, "/file?/ours/note"), "ours");
    put(&pluvio, &name, "/file?/data/note", "of all");
    assert_eq!(pluvio.body(&other, "/file?/ours/note"), "of all");
    pluvio.cli(&["delete", "-a", &name, "--yes", "--json"]).ok();
    let row = volume(&pluvio, &other, "web-data").unwrap();
    assert_eq!(row["state"], "bound", "{row:#}");
    assert_eq!(pluvio.body(&other, "/file?/ours/note"), "of all");

    // A copy that is made for an application is what its specification finds under that name.
    let clone = [
        "volume", "clone", "web-data", "seed", "-a", &other, "--json",
    ];
    pluvio.cli(&clone).ok();
    let more = "volumes: { /seed: { name: seed }, /ours: { name: web-data, access: shared } }\n";
    pluvio.deploy(&app::yaml(&other, "four", 1, more)).ok();
    assert_eq!(pluvio.body(&other, "/file?/seed/note"), "of all");
    pluvio.end();
}

fn d10_a_deleted_volume_can_be_had_back_until_its_end(engine: Engine) {
    let mut pluvio = Pluvio::prepare(engine);
    pluvio.up(&[("PLUVIO_VOLUME_GRACE", "6s")]).ok();
    let name = pluvio.name("vend");
    let with_data = "volumes: { /data: { name: data } }\n";
    pluvio.deploy(&app::yaml(&name, "one", 1, with_data)).ok();
    put(&pluvio, &name, "/file?/data/note", "precious");
    pluvio.cli(&["delete", "-a", &name, "--yes", "--json"]).ok();
    assert_eq!(state(&pluvio, &name, "data"), "kept");
    let wrong = pluvio.cli(&["volume", "delete", "data", "--confirm", "date", "--json"]);
    wrong.problem(4, "refused");
    let delete = || {
        let deleted = pluvio.cli(&["volume", "delete", "data", "--confirm", "data", "--json"]);
        assert_eq!(deleted.ok()["state"], "leaving");
    };
    delete();
    pluvio.cli(&["volume", "restore", "data", "--json"]).ok();
    assert_eq!(state(&pluvio, &name, "data"), "kept");
    // An application of the same name takes it up again, when it is told to, with all that was in it.
    pluvio.deploy(&app::yaml(&name, "two", 1, "")).ok();
    pluvio
        .cli(&["volume", "attach", "data", "/data", "-a", &name, "--json"])
        .ok();
    assert_eq!(pluvio.body(&name, "/file?/data/note"), "precious");
    pluvio
        .cli(&["volume", "detach", "data", "-a", &name, "--json"])
        .ok();
    delete();
    wait::until_true("its data end", SOON, || {
        volume(&pluvio, &name, "data").is_none()
            && !pluvio.made().iter().any(|made| made.starts_with("volume "))
    });
    let audit = pluvio.cli(&["audit", "list", "--json"]).stdout;
    assert!(
        audit.contains("volume:delete") && audit.contains("deleted"),
        "{audit}"
    );
    // Nobody goes back to data that are gone.
    pluvio
        .cli(&["rollback", "2", "-a", &name, "--json"])
        .problem(4, "release.gone");
    pluvio.end();
}

fn files_of_a_volume_are_read_and_written(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("vfiles");
    let with_data = "volumes: { /data: { name: data } }\n";
    pluvio.deploy(&app::yaml(&name, "one", 1, with_data)).ok();
    put(&pluvio, &name, "/file?/data/note", "of the program");
    let file = pluvio.write("sent.txt", "of the user");
    let files = |words: &[&str]| {
        let words: Vec<&str> = ["volume", "files"].iter().chain(words).copied().collect();
        pluvio.cli(&words)
    };
    files(&["mkdir", "data", "in", "--json"]).ok();
    files(&["put", "data", &file, "in/", "--json"]).ok();
    files(&["put", "data", &file, "in/", "--json"]).problem(4, "refused");
    assert_eq!(pluvio.body(&name, "/file?/data/in/sent.txt"), "of the user");
    // With nothing running as well.
    pluvio.cli(&["stop", "-a", &name, "--json"]).ok();
    assert_eq!(
        files(&["get", "data", "note", "--to", "-"]).stdout,
        "of the program"
    );
    let listed = files(&["ls", "data", "--json"]).ok();
    let names: Vec<&str> = listed["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["name"].as_str().unwrap())
        .collect();
    assert!(names.starts_with(&["in", "note"]), "{names:?}");
    let tar = pluvio.scratch().join("in.tar");
    files(&[
        "get",
        "data",
        "in",
        "--to",
        &tar.to_string_lossy(),
        "--json",
    ])
    .ok();
    assert!(
        std::fs::read(&tar)
            .unwrap()
            .windows(11)
            .any(|part| part == b"of the user")
    );
    for outside in ["../etc/passwd", "in/../../pluvio", "."] {
        let refused = files(&["get", "data", outside, "--to", "-", "--json"]);
        refused.problem(2, "request.invalid");
    }
    files(&["rm", "data", "in", "--json"]).problem(4, "refused");
    files(&["rm", "data", "in", "--recursive", "--json"]).ok();
    files(&["get", "data", "in/sent.txt", "--to", "-", "--json"]).problem(3, "not-found");
    wait::until_true("its size is known", SOON, || {
        volume(&pluvio, &name, "data").is_some_and(|row| row["bytes"].as_u64().unwrap_or(0) > 0)
    });
    let audit = pluvio.cli(&["audit", "list", "--json"]).stdout;
    for action in ["volume-files:view", "volume-files:write"] {
        assert!(audit.contains(action), "{action}: {audit}");
    }
    assert!(audit.contains("/note in volume data"), "{audit}");
    pluvio.end();
}

fn a_copy_survives_kills_and_leaves_no_half(engine: Engine) {
    let mut pluvio = Pluvio::start(engine);
    let name = pluvio.name("vcopy");
    let with_data = "volumes: { /data: { name: data } }\n";
    pluvio.deploy(&app::yaml(&name, "one", 1, with_data)).ok();
    put(&pluvio, &name, "/file?/data/note", "precious");
    // Large enough that a copy of it is met while it is made.
    let large = pluvio.scratch().join("large");
    let block: Vec<u8> = (0..1_u32 << 20).flat_map(u32::to_le_bytes).collect();
    {
        use std::io::Write;
        let mut file = std::fs::File::create(&large).unwrap();
        for _ in 0..64 {
            file.write_all(&block).unwrap();
        }
    }
    let large = large.to_string_lossy().into_owned();
    let sent = pluvio.cli_within(&["volume", "files", "put", "data", &large, "--json"], LONG);
    let size = sent.ok()["size"].as_u64().unwrap();
    assert_eq!(size, 256 << 20);

    let clone = |new: &str| {
        let words = [
            "volume",
            "clone",
            "data",
            new,
            "-a",
            &name,
            "--no-wait",
            "--json",
        ];
        pluvio.cli(&words).ok()["id"].as_str().unwrap().to_owned()
    };
    let operation = clone("again");
    pluvio
        .cli(&["volume", "attach", "again", "/again", "-a", &name, "--json"])
        .problem(4, "refused");
    pluvio.kill("control");
    pluvio.kill("node");
    pluvio.up(&[]).ok();
    let outcome = |pluvio: &Pluvio, operation: &str| {
        let seen = pluvio.cli(&["operation", "show", operation, "--json"]).ok();
        seen["outcome"]["outcome"].as_str().map(str::to_owned)
    };
    wait::until_true("the copy is whole", LONG, || {
        outcome(&pluvio, &operation).as_deref() == Some("succeeded")
    });
    assert_eq!(state(&pluvio, &name, "again"), "kept");
    pluvio
        .cli(&["volume", "attach", "again", "/again", "-a", &name, "--json"])
        .ok();
    assert_eq!(pluvio.body(&name, "/file?/again/note"), "precious");
    let listed = pluvio
        .cli(&["volume", "files", "ls", "again", "--json"])
        .ok();
    let copied = listed["entries"].as_array().unwrap().iter();
    let copied = copied
        .clone()
        .find(|entry| entry["name"] == "large")
        .unwrap();
    assert_eq!(copied["size"].as_u64(), Some(size), "{listed:#}");

    // Given up on, nothing of it is left.
    let clone = |new: &str| {
        let words = [
            "volume",
            "clone",
            "data",
            new,
            "-a",
            &name,
            "--no-wait",
            "--json",
        ];
        pluvio.cli(&words).ok()["id"].as_str().unwrap().to_owned()
    };
    let operation = clone("third");
    pluvio
        .cli(&["operation", "cancel", &operation, "--json"])
        .ok();
    wait::until_true("the copy is given up or whole", LONG, || {
        outcome(&pluvio, &operation).is_some()
    });
    if outcome(&pluvio, &operation).as_deref() == Some("cancelled") {
        assert!(volume(&pluvio, &name, "third").is_none());
        let left = pluvio.made();
        let volumes = left.iter().filter(|made| made.starts_with("volume "));
        assert_eq!(volumes.count(), 2, "{left:?}");
    }
    pluvio.end();
}
