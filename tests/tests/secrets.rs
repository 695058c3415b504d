//! Secrets are sealed in the database and masked wherever text goes (P4); every change is recorded with it (P3).

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use pluvio_tests::engine::name_of;
use pluvio_tests::{Engine, Pluvio, app, both_engines, wait};

both_engines!(
    p3_an_altered_audit_log_is_found,
    p4_a_secret_is_nowhere_but_in_its_own_containers,
);

fn p3_an_altered_audit_log_is_found(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("p3");
    pluvio.deploy(&app::yaml(&name, "one", 1, "")).ok();
    pluvio.cli(&["scale", "2", "-a", &name, "--json"]).ok();
    let rows = pluvio
        .cli(&[
            "audit",
            "--action",
            "application:operate",
            "-a",
            &name,
            "--json",
        ])
        .ok();
    assert_eq!(rows.as_array().map(Vec::len), Some(1), "{rows:#}");
    let sealed = pluvio.cli(&["audit", "verify", "--json"]).ok()["sealed"].clone();
    assert!(sealed.as_u64() >= Some(3), "{sealed}");

    let number = rows[0]["number"].as_u64().unwrap();
    let sql = |statement: String| {
        let database = pluvio.data().join("pluvio.db");
        let done = Command::new("sqlite3")
            .args(["-cmd", ".timeout 5000"])
            .arg(database)
            .arg(statement)
            .output()
            .expect("scripts/install --tests has sqlite3");
        assert!(done.status.success(), "{done:?}");
    };
    sql(format!(
        "UPDATE audit SET actor = 'somebody else' WHERE number = {number}"
    ));
    let broken = pluvio.cli(&["audit", "verify", "--json"]);
    let problem = broken.problem(1, "audit.broken");
    assert!(
        problem["cause"].to_string().contains(&number.to_string()),
        "{problem:#}"
    );
    sql(format!(
        "UPDATE audit SET actor = '{}' WHERE number = {number}",
        rows[0]["actor"].as_str().unwrap()
    ));
    pluvio.cli(&["audit", "verify", "--json"]).ok();
    sql("DELETE FROM audit WHERE number = (SELECT max(number) FROM audit)".to_owned());
    pluvio
        .cli(&["audit", "verify", "--json"])
        .problem(1, "audit.broken");
    pluvio.end();
}

/// Every file below a folder that contains a text.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(files_with(&path, text));
        } else if std::fs::read(&path).is_ok_and(|bytes| contains(&bytes, text)) {
            found.push(path.display().to_string());
        }
    }
    found
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}

fn p4_a_secret_is_nowhere_but_in_its_own_containers(engine: Engine) {
    const SECRET: &str = "Zx7-very-particular-value-Q9";
    const NEXT: &str = "Kw3-its-second-version-value-M4";
    const GREETING: &str = "\"said-${secrets.KEY}\"";
    let pluvio = Pluvio::start(engine);
    let (name, other) = (pluvio.name("p4"), pluvio.name("p4o"));
    pluvio.deploy(&app::yaml(&other, "other", 1, "")).ok();
    let with = |greeting: &str| {
        let more = "  KEY: \"${secrets.KEY}\"\nfiles: { /tmp/key: { content: \"key=${secrets.KEY}\" } }\nsecrets: { KEY: { generate: false } }\n";
        app::yaml(&name, greeting, 1, more)
    };
    // Refused for want of a value; the application is known from then on and can be given one.
    pluvio.deploy(&with(GREETING)).problem(1, "secret.missing");
    let set = pluvio.cli_with_input(&["secret", "set", "KEY", "-a", &name, "--json"], SECRET);
    assert_eq!(set.exit, 0, "{set:?}");
    let deployed = pluvio.deploy(&with(GREETING));
    deployed.ok();
    assert!(
        pluvio
            .body(&name, "/env")
            .contains(&format!("KEY={SECRET}")),
        "it reaches the program"
    );
    assert_eq!(
        pluvio.body(&name, "/file?/tmp/key"),
        format!("key={SECRET}")
    );
    // It prints it at its start, too: what is kept and shown of that is masked.
    wait::until_true("the line is kept", Duration::from_secs(10), || {
        let logs = pluvio.cli(&["logs", "-a", &name, "--json"]);
        logs.stdout.contains("greeting is said-•••")
    });
    pluvio
        .cli_with_input(&["secret", "set", "KEY", "-a", &name, "--json"], NEXT)
        .ok();
    pluvio.until_serves(&name, "/env", NEXT, Duration::from_secs(20));
    pluvio.deploy(&with("two")).ok();

    let releases = pluvio.cli(&["releases", "-a", &name, "--json"]).ok();
    let numbers: Vec<String> = releases
        .as_array()
        .unwrap()
        .iter()
        .map(|release| release["number"].to_string())
        .collect();
    assert_eq!(numbers.len(), 3, "{releases:#}");

    for secret in [SECRET, NEXT] {
        for words in [
            &["status", "-a", &name, "--json"][..],
            &["audit", "--all", "-n", "500", "--json"],
            &["config", "-a", &name, "--json"],
            &["secret", "list", "-a", &name, "--json"],
            &["export", "-a", &name],
            &["releases", "-a", &name, "--json"],
            &[
                "releases",
                "diff",
                &numbers[1],
                &numbers[0],
                "-a",
                &name,
                "--json",
            ],
            &["releases", "show", &numbers[0], "-a", &name, "--json"],
            &["operations", "-a", &name, "--json"],
            &["logs", "-a", &name, "--json"],
        ] {
            let answer = pluvio.cli(words);
            assert_eq!(answer.exit, 0, "{answer:?}");
            assert!(
                !answer.stdout.contains(secret) && !answer.stderr.contains(secret),
                "{words:?} shows the secret"
            );
        }
        // That it was read, for which release, is told.
        let read = pluvio
            .cli(&["audit", "--action", "secret:read", "-a", &name, "--json"])
            .ok();
        let told = read.to_string();
        assert!(
            ["KEY version 1 of", "KEY version 2 of", " for r"]
                .iter()
                .all(|part| told.contains(part)),
            "{read:#}"
        );
        let file = pluvio.write("diff.yaml", &with("three"));
        let diff = pluvio.cli(&["diff", "-f", &file, "--json"]);
        assert!(!diff.stdout.contains(secret), "{diff:?}");

        // The stage is the one exception: the node starts instances from it without control, and after a reboot.
        let (stages, others): (Vec<_>, Vec<_>) = files_with(pluvio.data(), secret)
            .into_iter()
            .partition(|file| file.contains("/node/stages/"));
        assert_eq!(
            others,
            Vec::<String>::new(),
            "files of the data folder that hold the secret"
        );
        for file in stages {
            let mode = std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{file} may be read by others");
        }

        let processes = Command::new("ps")
            .args(["axww", "-o", "args"])
            .output()
            .unwrap();
        assert!(
            !contains(&processes.stdout, secret),
            "the process list shows the secret"
        );

        for container in pluvio.engine.containers(pluvio.installation()) {
            let called = name_of(&container);
            if !called.starts_with(&format!("{name}--")) {
                let inspected = pluvio.engine.inspect(&called).to_string();
                assert!(!inspected.contains(secret), "{called} knows it");
            }
        }
    }
    pluvio.end();
}
