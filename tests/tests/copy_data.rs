//! A copy with its data (D9): volumes cloned and databases dumped and restored before the copy's components start, whatever
//! is killed meanwhile; what does not come to its end leaves nothing.

use std::time::Duration;

use pluvio_tests::{Engine, Pluvio, both_engines, image::IMAGE, wait};
use serde_json::Value;

both_engines!(
    d9_a_copy_takes_its_data_along_whatever_dies,
    d9_a_copy_with_data_that_is_given_up_leaves_nothing,
    d9_a_copy_takes_a_mariadb_along_at_work_and_stopped,
);

const SOON: Duration = Duration::from_secs(30);
/// The first database of its kind makes its image from the distribution's packages.
const COLD: Duration = Duration::from_secs(580);

fn deploy(pluvio: &Pluvio, name: &str, databases: &str) {
    let yaml = format!(
        "apiVersion: pluvio/v1
name: {name}
components:
  web:
    image: {IMAGE}
    command: [/serve]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 200ms }} }}
    rollout: {{ drain: 1s }}
    volumes: {{ /data: {{ name: data }} }}
    release: {{ command: [sh, -c, \"cat /data/note >> /data/seen; true\"] }}
{databases}"
    );
    let file = pluvio.write("app.yaml", &yaml);
    let words = ["deploy", &file, "--json", "--timeout", "9m"];
    pluvio.cli_within(&words, COLD).ok();
    let mut connection = pluvio_tests::http::Connection::open(pluvio.gateway_port(), SOON).unwrap();
    let request = format!(
        "PUT /file?/data/note HTTP/1.1\r\nHost: {name}.localhost\r\nContent-Length: 8\r\n\r\nprecious"
    );
    assert_eq!(connection.send(&request).unwrap().status, 200);
    pluvio
        .cli(&["environment", "create", "staging", "--json"])
        .ok();
}

/// What the database's own shell says to this.
fn ask(pluvio: &Pluvio, place: &[&str], component: &str, text: &str) -> String {
    let words = [&["database", "shell", component], place].concat();
    let answer = pluvio.cli_with_input(&words, text);
    assert_eq!(answer.exit, 0, "{text}: {answer:?}");
    answer.stdout
}

fn rows(preview: &Value, what: &str) -> Vec<(String, String)> {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let rows = preview["rows"].as_array().unwrap().iter();
    rows.filter(|row| row["what"] == what)
        .map(|row| (text(row, "about"), text(row, "after")))
        .collect()
}

fn step<'a>(operation: &'a Value, name: &str) -> &'a Value {
    let mut steps = operation["steps"].as_array().unwrap().iter();
    steps
        .find(|step| step["name"] == name)
        .unwrap_or_else(|| panic!("{operation:#}"))
}

fn operation(pluvio: &Pluvio, id: &str) -> Value {
    pluvio.cli(&["operation", "show", id, "--json"]).ok()
}

fn d9_a_copy_takes_its_data_along_whatever_dies(engine: Engine) {
    let mut pluvio = Pluvio::start(engine);
    let name = pluvio.name("d9d");
    deploy(
        &pluvio,
        &name,
        "  db: { kind: database, database: postgres@15 }\n  cache: { kind: database, database: redis@7 }\n",
    );
    let here = ["-a", &name];
    let there = ["-a", &name, "-e", "staging"];
    ask(
        &pluvio,
        &here,
        "db",
        "CREATE TABLE t (i int); INSERT INTO t VALUES (42);\n",
    );
    ask(&pluvio, &here, "cache", "set seen 42\n");

    let copy = |pluvio: &Pluvio, more: &[&str]| {
        let words = [&["copy", "-a", &name, "--to", "staging", "--json"], more].concat();
        pluvio.cli_within(&words, COLD)
    };
    let table = copy(&pluvio, &["--with-data", "all", "--dry-run"]).ok();
    assert!(
        rows(&table, "volume").contains(&("data".to_owned(), "cloned".to_owned())),
        "{table:#}"
    );
    assert_eq!(
        rows(&table, "database"),
        [
            ("db".to_owned(), "restored".to_owned()),
            ("cache".to_owned(), "restored".to_owned())
        ]
    );
    assert!(
        table["notes"]
            .to_string()
            .contains("each file as it is when it is read"),
        "{table:#}"
    );
    let table = copy(&pluvio, &["--with-data", "volumes", "--dry-run"]).ok();
    assert_eq!(rows(&table, "database")[0].1, "empty");
    copy(&pluvio, &["--with-data", "nothing-there"]).problem(3, "not-found");

    // Killed after the clone, before and between the databases: it goes on.
    pluvio.kill("control");
    pluvio
        .up(&[("PLUVIO_CRASH_AT", "copy-volume,copy-filled")])
        .ok();
    let id = copy(&pluvio, &["--with-data", "all", "--no-wait"]).ok()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for _ in 0..2 {
        wait::until_true("it was killed", COLD, || pluvio.pid("control").is_none());
        // It may be killed before it is up.
        let _ = pluvio.up(&[("PLUVIO_CRASH_AT", "copy-filled")]);
    }
    wait::until_true("it was killed again", COLD, || {
        pluvio.pid("control").is_none()
    });
    pluvio.up(&[]).ok();
    wait::until_true("the copy is made", COLD, || {
        !operation(&pluvio, &id)["outcome"].is_null()
    });
    let ended = operation(&pluvio, &id);
    assert_eq!(ended["outcome"]["outcome"], "succeeded", "{ended:#}");
    assert_eq!(step(&ended, "copy")["note"], "1 volume cloned");
    assert_eq!(step(&ended, "restore")["state"], "done");
    let host = format!("{name}--staging--main");
    pluvio.until_serves(&host, "/healthz", "ok", SOON);
    assert_eq!(pluvio.body(&host, "/file?/data/note"), "precious");
    // Its release task ran once, over the data that were there.
    assert_eq!(pluvio.body(&host, "/file?/data/seen"), "precious");
    assert!(ask(&pluvio, &there, "db", "SELECT i FROM t;\n").contains("42"));
    assert!(ask(&pluvio, &there, "cache", "get seen\n").contains("42"));
    // Each has its own from here on.
    ask(&pluvio, &there, "db", "DELETE FROM t;\n");
    assert!(ask(&pluvio, &here, "db", "SELECT i FROM t;\n").contains("42"));
    pluvio.end();
}

fn d9_a_copy_with_data_that_is_given_up_leaves_nothing(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("d9n");
    deploy(
        &pluvio,
        &name,
        "  cache: { kind: database, database: redis@7 }\n",
    );
    let large = pluvio.scratch().join("large");
    std::fs::write(
        &large,
        (0..96_u32 << 18)
            .flat_map(u32::to_le_bytes)
            .collect::<Vec<u8>>(),
    )
    .unwrap();
    let large = large.to_string_lossy().into_owned();
    pluvio
        .cli_within(&["volume", "files", "put", "data", &large, "--json"], COLD)
        .ok();
    let before = pluvio.made();
    let words = [
        "copy",
        "-a",
        &name,
        "--to",
        "staging",
        "--with-data",
        "all",
        "--no-wait",
        "--json",
    ];
    let id = pluvio.cli(&words).ok()["id"].as_str().unwrap().to_owned();
    pluvio.cli(&["operation", "cancel", &id, "--json"]).ok();
    wait::until_true("it is over", COLD, || {
        !operation(&pluvio, &id)["outcome"].is_null()
    });
    assert_eq!(operation(&pluvio, &id)["outcome"]["outcome"], "cancelled");
    let apps = || pluvio.cli(&["apps", "-e", "staging", "--json"]).ok();
    wait::until_true("nothing half-made", COLD, || {
        apps() == serde_json::json!([]) && pluvio.made() == before
    });
    pluvio.end();
}

/// At work it is dumped; stopped, its volume is cloned with the password that its data were made with.
fn d9_a_copy_takes_a_mariadb_along_at_work_and_stopped(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("d9m");
    deploy(
        &pluvio,
        &name,
        "  db: { kind: database, database: mariadb@10.11 }\n",
    );
    let here = ["-a", &name];
    // What a dump forgets easily: a trigger, a view, a routine, an event, characters of four bytes.
    ask(
        &pluvio,
        &here,
        "db",
        "CREATE TABLE t (i int, word varchar(20)) CHARACTER SET utf8mb4; INSERT INTO t VALUES (42, '🌧');
CREATE TABLE seen (i int); CREATE TRIGGER noted AFTER INSERT ON t FOR EACH ROW INSERT INTO seen VALUES (NEW.i);
CREATE VIEW all_of_it AS SELECT i, word FROM t; CREATE FUNCTION twice(n int) RETURNS int DETERMINISTIC RETURN n * 2;
CREATE EVENT tidy ON SCHEDULE EVERY 1 DAY DO DELETE FROM seen;\n",
    );
    let copy = |more: &[&str]| {
        let words = [&["copy", "-a", &name, "--to", "staging", "--json"], more].concat();
        pluvio.cli_within(&words, COLD)
    };
    let check = |copy: &str| {
        let there = ["-a", copy, "-e", "staging"];
        let said = ask(
            &pluvio,
            &there,
            "db",
            "INSERT INTO t VALUES (43, ''); SELECT twice(i), word FROM all_of_it ORDER BY i; SELECT i FROM seen;
SELECT event_name FROM information_schema.events;\n",
        );
        for part in ["84\t🌧", "86\t", "43", "tidy"] {
            assert!(said.contains(part), "{part} of {said}");
        }
    };
    let table = copy(&["--with-data", "db", "--dry-run"]).ok();
    assert_eq!(rows(&table, "database")[0].1, "restored", "{table:#}");
    copy(&["--with-data", "db"]).ok();
    check(&name);

    pluvio
        .cli_within(&["stop", "-a", &name, "db", "--json"], COLD)
        .ok();
    let second = format!("{name}-two");
    let table = copy(&["--as", &second, "--with-data", "all", "--dry-run"]).ok();
    assert_eq!(rows(&table, "database")[0].1, "cloned", "{table:#}");
    copy(&["--as", &second, "--with-data", "all"]).ok();
    check(&second);
    let host = format!("{second}--staging--main");
    assert_eq!(pluvio.body(&host, "/file?/data/note"), "precious");
    pluvio.end();
}
