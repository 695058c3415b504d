//! Databases (BX-11): backups that are kept, by hand and by the clock, and put back; users, parameters, figures.

use std::process::Stdio;
use std::time::Duration;

use pluvio_tests::{Answer, Engine, Pluvio, engines, wait};
use serde_json::Value;

engines!(
    both: [],
    docker: [d8_a_kept_backup_goes_into_its_own_database_and_into_a_new_one, d8_a_backup_is_made_by_the_clock_whatever_dies],
    podman: [bx11_a_database_has_users_parameters_and_figures],
);

/// The first database of its kind makes its image from the distribution's packages.
const COLD: Duration = Duration::from_secs(580);

fn deploy(pluvio: &Pluvio, name: &str, databases: &str) -> Answer {
    let yaml = format!("apiVersion: pluvio/v1\nname: {name}\ncomponents:\n{databases}");
    let file = pluvio.write("app.yaml", &yaml);
    pluvio.cli_within(&["deploy", &file, "--json", "--timeout", "9m"], COLD)
}

fn run(pluvio: &Pluvio, app: &str, words: &[&str]) -> Answer {
    let all = [&["database"], words, &["-a", app, "--json"]].concat();
    pluvio.cli(&all)
}

/// What the database's own shell says to this.
fn ask(pluvio: &Pluvio, app: &str, component: &str, text: &str) -> String {
    let answer = pluvio.cli_with_input(&["database", "shell", component, "-a", app], text);
    assert_eq!(answer.exit, 0, "{text}: {answer:?}");
    answer.stdout
}

fn newest(pluvio: &Pluvio, app: &str, component: &str) -> Value {
    run(pluvio, app, &["backups", component]).ok()[0].clone()
}

/// Where a backup's file lies.
fn file_of(pluvio: &Pluvio, backup: &Value) -> std::path::PathBuf {
    let id = backup["id"].as_str().unwrap();
    let find = |folder: std::path::PathBuf| folder.join("backups").join(id);
    let blobs = find(pluvio.data().join("blobs"));
    assert!(blobs.exists(), "{}", blobs.display());
    blobs
}

fn d8_a_kept_backup_goes_into_its_own_database_and_into_a_new_one(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("d8");
    deploy(
        &pluvio,
        &name,
        "  db: { kind: database, database: postgres@15 }\n  books: { kind: database, database: mariadb@10.11 }\n  cache: { kind: database, database: redis@7 }\n",
    )
    .ok();
    let tables = "CREATE TABLE parent (i int PRIMARY KEY); CREATE TABLE child (i int, FOREIGN KEY (i) REFERENCES parent (i)); INSERT INTO parent VALUES (42); INSERT INTO child VALUES (42); CREATE VIEW seen AS SELECT i FROM child;\n";
    let trigger = "CREATE TRIGGER counted BEFORE INSERT ON child FOR EACH ROW SET NEW.i = NEW.i;\n";
    ask(&pluvio, &name, "db", tables);
    ask(&pluvio, &name, "books", &format!("{tables}{trigger}"));
    ask(&pluvio, &name, "cache", "set seen 42\n");

    for (component, spoil, look) in [
        (
            "db",
            "DELETE FROM child; CREATE TABLE later (i int);\n",
            "SELECT 'found ' || i FROM seen;\n",
        ),
        (
            "books",
            "DELETE FROM child; CREATE TABLE later (i int);\n",
            "SELECT CONCAT('found ', i) FROM seen;\n",
        ),
        ("cache", "set seen other\n", "get seen\n"),
    ] {
        let made = run(&pluvio, &name, &["backup", component]).ok();
        assert_eq!(made["outcome"]["outcome"], "succeeded", "{made:#}");
        let backup = newest(&pluvio, &name, component);
        assert_eq!(backup["state"], "kept", "{backup:#}");
        let id = backup["id"].as_str().unwrap().to_owned();
        let file = file_of(&pluvio, &backup);
        assert_eq!(
            std::fs::metadata(&file).unwrap().len(),
            backup["bytes"].as_u64().unwrap()
        );

        ask(&pluvio, &name, component, spoil);
        let refused = run(&pluvio, &name, &["restore", component, "--from", &id]);
        let problem = refused.problem(4, "refused");
        assert!(
            problem["cause"].as_str().unwrap().contains("not empty"),
            "{problem:#}"
        );

        // A file that was altered is refused before anything is touched.
        let good = std::fs::read(&file).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 0xff;
        std::fs::write(&file, &bad).unwrap();
        let words = ["restore", component, "--from", &id, "--confirm", component];
        let refused = run(&pluvio, &name, &words);
        let problem = refused.problem(4, "refused");
        assert!(
            problem["cause"]
                .as_str()
                .unwrap()
                .contains("Nothing was changed"),
            "{problem:#}"
        );
        assert!(
            !ask(&pluvio, &name, component, look).contains("42"),
            "{component}"
        );
        std::fs::write(&file, &good).unwrap();

        run(&pluvio, &name, &words).ok();
        assert!(
            ask(&pluvio, &name, component, look).contains("42"),
            "{component}"
        );
        assert!(!pluvio.status(&name)["status"].is_null());

        // What is downloaded is what is kept, and can be brought again.
        let downloaded = pluvio.scratch().join(format!("{component}.gz"));
        let written = pluvio
            .command(&["database", "download", component, &id, "-a", &name])
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&downloaded).unwrap())
            .status();
        assert!(written.unwrap().success());
        assert_eq!(std::fs::read(&downloaded).unwrap(), good);
        let bring = |file: &std::path::Path| {
            pluvio
                .command(&["database", "upload", component, "-a", &name, "--json"])
                .stdin(std::fs::File::open(file).unwrap())
                .output()
                .unwrap()
        };
        let brought = bring(&downloaded);
        assert!(brought.status.success(), "{brought:?}");
        let short = pluvio.scratch().join(format!("{component}.short"));
        std::fs::write(&short, &good[..good.len() - 20]).unwrap();
        let refused = bring(&short);
        assert!(!refused.status.success(), "{refused:?}");
        let brought: Value = serde_json::from_slice(&brought.stdout).unwrap();
        run(
            &pluvio,
            &name,
            &["forget", component, brought["id"].as_str().unwrap()],
        )
        .ok();
        assert_eq!(newest(&pluvio, &name, component)["id"], id.as_str());
    }
    let later = ask(&pluvio, &name, "books", "SHOW TRIGGERS; SHOW TABLES;\n");
    assert!(
        later.contains("counted") && !later.contains("later"),
        "{later}"
    );
    let left = ask(&pluvio, &name, "books", "SHOW DATABASES;\n");
    assert!(!left.contains("pluvio"), "{left}");

    // Into a new one, which is made; and a failed restore leaves the data.
    let words = ["restore", "books", "--from", "latest", "--into", "copy"];
    run(&pluvio, &name, &words).ok();
    let look = "SELECT CONCAT('found ', i) FROM seen;\n";
    assert!(ask(&pluvio, &name, "copy", look).contains("found 42"));
    let broken = "CREATE TABLE broken (i int);\nINSERT INTO nowhere VALUES (1);\n-- Dump completed on 2026-01-01\n";
    let brought = pluvio.cli_with_input(
        &["database", "upload", "books", "-a", &name, "--json"],
        broken,
    );
    let brought = brought.ok();
    let id = brought["id"].as_str().unwrap();
    let words = ["restore", "books", "--from", id, "--confirm", "books"];
    let refused = run(&pluvio, &name, &words).problem(4, "refused");
    assert!(
        refused["cause"]
            .as_str()
            .unwrap()
            .contains("what they were"),
        "{refused:#}"
    );
    assert!(ask(&pluvio, &name, "books", look).contains("found 42"));
    let other = run(
        &pluvio,
        &name,
        &["restore", "books", "--from", id, "--into", "db"],
    );
    assert!(
        other.problem(4, "refused")["cause"]
            .as_str()
            .unwrap()
            .contains("PostgreSQL")
    );
    assert_eq!(
        pluvio.status(&name)["status"],
        "running",
        "a failed restore is not the application's failure"
    );
    pluvio.end();
}

fn d8_a_backup_is_made_by_the_clock_whatever_dies(engine: Engine) {
    let mut pluvio = Pluvio::start(engine);
    let name = pluvio.name("clock");
    deploy(
        &pluvio,
        &name,
        "  db: { kind: database, database: postgres@15, backups: { schedule: \"* * * * *\", keep: 2 } }\n",
    )
    .ok();
    ask(
        &pluvio,
        &name,
        "db",
        "CREATE TABLE t AS SELECT generate_series(1, 1000) AS i;\n",
    );
    let kept = |pluvio: &Pluvio| -> Vec<Value> {
        let all = run(pluvio, &name, &["backups", "db"]).ok();
        let all = all.as_array().unwrap().iter();
        all.filter(|one| one["state"] == "kept").cloned().collect()
    };
    wait::until_true("its time came", Duration::from_secs(90), || {
        !kept(&pluvio).is_empty()
    });
    let first = kept(&pluvio).remove(0);
    assert_eq!(first["reason"], "schedule");
    let told = run(&pluvio, &name, &["schedule", "db"]).ok();
    assert_eq!(told["protection"], "scheduled", "{told:#}");

    // Cut off in the middle of a dump and before it was read: nothing half is listed, and it is begun anew.
    run(&pluvio, &name, &["schedule", "db", "--off"]).ok();
    wait::until_true("none is at work", Duration::from_secs(60), || {
        let all = run(&pluvio, &name, &["backups", "db"]).ok();
        let mut all = all.as_array().unwrap().iter();
        all.all(|one| one["state"] != "running")
    });
    for step in ["backup-dump", "backup-verify"] {
        let before = kept(&pluvio).len();
        pluvio.cli(&["down", "--json"]).ok();
        pluvio.up(&[("PLUVIO_CRASH_AT", step)]).ok();
        let words = [
            "database",
            "backup",
            "db",
            "-a",
            &name,
            "--no-wait",
            "--json",
        ];
        let asked = pluvio.cli(&words).ok();
        pluvio.until_dead("control");
        pluvio.up(&[]).ok();
        let id = asked["id"].as_str().unwrap();
        let ended = pluvio.cli(&["operation", "follow", id, "--json"]).ok();
        assert_eq!(
            ended["outcome"]["outcome"], "succeeded",
            "{step}: {ended:#}"
        );
        assert_eq!(kept(&pluvio).len(), before + 1, "{step}");
    }
    let scheduled: Vec<Value> = kept(&pluvio)
        .into_iter()
        .filter(|one| one["reason"] == "schedule")
        .collect();
    let mut times: Vec<String> = scheduled
        .iter()
        .map(|one| one["scheduled_at"].to_string())
        .collect();
    times.sort();
    times.dedup();
    assert_eq!(times.len(), scheduled.len(), "each time fires once");
    for backup in kept(&pluvio) {
        file_of(&pluvio, &backup);
    }
    assert_eq!(
        run(&pluvio, &name, &["schedule", "db"]).ok()["protection"],
        "by-hand"
    );
    pluvio.end();
}

fn bx11_a_database_has_users_parameters_and_figures(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("users");
    deploy(
        &pluvio,
        &name,
        "  db: { kind: database, database: postgres@15, parameters: { max_connections: 40 } }\n  books: { kind: database, database: mariadb@10.11 }\n",
    )
    .ok();
    assert!(ask(&pluvio, &name, "db", "SHOW max_connections;\n").contains("40"));
    let set = ["parameters", "books", "max_connections=60"];
    run(&pluvio, &name, &set).ok();
    assert!(ask(&pluvio, &name, "books", "SELECT @@max_connections;\n").contains("60"));
    let refused = run(&pluvio, &name, &["parameters", "db", "fsync=off"]);
    refused.problem(1, "spec.conflict");
    let refused = run(&pluvio, &name, &["parameters", "db", "max_conections=9"]);
    let problem = refused.problem(1, "spec.invalid");
    assert!(
        problem["remedy"]
            .as_str()
            .unwrap()
            .contains("max_connections"),
        "{problem:#}"
    );

    let passwords = [("db", "psql -tA"), ("books", "mariadb")].map(|(component, _)| {
        ask(
            &pluvio,
            &name,
            component,
            "CREATE TABLE t (i int); INSERT INTO t VALUES (42);\n",
        );
        let made = run(&pluvio, &name, &["user", "create", component, "reports"]).ok();
        let password = made["password"].as_str().unwrap().to_owned();
        let inside = |statement: &str| {
            let program = match component {
                "db" => format!(
                    "PGPASSWORD={password} psql -tA -h 127.0.0.1 -U reports app -c '{statement}'"
                ),
                _ => format!(
                    "MYSQL_PWD={password} mariadb -h 127.0.0.1 -u reports app -e '{statement}'"
                ),
            };
            pluvio.cli(&[
                "exec",
                "-a",
                &name,
                "--component",
                component,
                "--",
                "/bin/sh",
                "-c",
                &program,
            ])
        };
        assert!(
            inside("SELECT i FROM t").stdout.contains("42"),
            "{component}"
        );
        assert_ne!(
            inside("INSERT INTO t VALUES (1)").exit,
            0,
            "{component}: it may only read"
        );
        run(
            &pluvio,
            &name,
            &[
                "user",
                "set",
                component,
                "reports",
                "--rights",
                "read-write",
            ],
        )
        .ok();
        assert_eq!(inside("INSERT INTO t VALUES (1)").exit, 0, "{component}");
        assert_ne!(
            inside("CREATE TABLE u (i int)").exit,
            0,
            "{component}: it may not make tables"
        );
        let users = run(&pluvio, &name, &["user", "list", component]).ok();
        let found = users
            .as_array()
            .unwrap()
            .iter()
            .find(|user| user["name"] == "reports");
        assert_eq!(found.unwrap()["rights"], "read-write", "{users:#}");

        // What was given is there after a restore, too.
        run(&pluvio, &name, &["backup", component]).ok();
        run(
            &pluvio,
            &name,
            &[
                "restore",
                component,
                "--from",
                "latest",
                "--confirm",
                component,
            ],
        )
        .ok();
        assert!(
            inside("SELECT i FROM t").stdout.contains("42"),
            "{component}: after a restore"
        );

        run(&pluvio, &name, &["user", "create", component, "reports"]).problem(5, "name.taken");
        for bad in ["root", "x'; DROP TABLE t; --", "App"] {
            assert_ne!(
                run(&pluvio, &name, &["user", "create", component, bad]).exit,
                0,
                "{bad}"
            );
        }
        assert_ne!(
            run(
                &pluvio,
                &name,
                &["user", "remove", component, "app", "--confirm", "app"]
            )
            .exit,
            0
        );
        run(
            &pluvio,
            &name,
            &[
                "user",
                "remove",
                component,
                "reports",
                "--confirm",
                "reports",
            ],
        )
        .ok();
        assert_ne!(inside("SELECT i FROM t").exit, 0, "{component}: it is gone");

        let figures = run(&pluvio, &name, &["figures", component]).ok();
        for key in [
            "size_bytes",
            "uptime_seconds",
            "connections_limit",
            "per_second",
            "version",
        ] {
            assert!(!figures[key].is_null(), "{component} {key}: {figures:#}");
        }
        assert_eq!(figures["objects"], 1, "{figures:#}");
        password
    });
    let audit = pluvio.cli(&["audit", "--all", "-n", "400", "--json"]);
    for what in ["user reports (read-only)", "user reports (read-write)"] {
        assert!(audit.stdout.contains(what), "{what} is recorded");
    }
    for password in passwords {
        assert!(!audit.stdout.contains(&password));
        assert!(
            !pluvio
                .cli(&["logs", "-a", &name, "--json"])
                .stdout
                .contains(&password)
        );
    }
    pluvio.end();
}
