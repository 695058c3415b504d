//! Databases on a real Kubernetes (BX-11): backups by hand, put back into the same database and into a new one;
//! parameters. As on the engine (tests/databases_kept.rs).

use std::time::{Duration, Instant};

use pluvio_tests::place::Place;
use serde_json::Value;

const APP: &str = "kept";
/// The first database of its kind makes its image from the distribution's packages.
const COLD: Duration = Duration::from_secs(580);

fn database(place: &Place, words: &[&str]) -> Value {
    place.ok(&[&["database"], words].concat())
}

/// What the database's own shell says to this.
fn ask(place: &Place, component: &str, text: &str) -> String {
    let words = ["database", "shell", component, "-a", APP];
    let words = [&words[..], &["-e", &place.environment]].concat();
    let answer = place.pluvio.cli_with_input(&words, text);
    assert_eq!(answer.exit, 0, "{text}: {answer:?}");
    answer.stdout
}

/// The backups of a database that are whole.
fn kept(place: &Place, component: &str) -> Vec<Value> {
    let all = database(place, &["backups", component]);
    let all = all.as_array().cloned().unwrap_or_default().into_iter();
    all.filter(|one| one["state"] == "kept").collect()
}

#[test]
fn d8_backups_are_kept_and_put_back_on_a_cluster_as_on_the_engine() {
    let place = Place::with_images(APP);
    let yaml = format!(
        "apiVersion: pluvio/v1
name: {APP}
components:
  db: {{ kind: database, database: postgres@15 }}
  books: {{ kind: database, database: mariadb@10.11, parameters: {{ max_connections: 50 }} }}
  cache: {{ kind: database, database: redis@7 }}
"
    );
    let file = place.pluvio.write("app.yaml", &yaml);
    let words = ["deploy", &file, "-e", &place.environment, "--json"];
    let words = [&words[..], &["--timeout", "9m"]].concat();
    place.pluvio.cli_within(&words, COLD).ok();
    let tables = "CREATE TABLE t (i int PRIMARY KEY); INSERT INTO t VALUES (42);\n";
    let spoil = "DELETE FROM t; CREATE TABLE later (i int);\n";
    ask(&place, "db", tables);
    ask(&place, "books", tables);
    ask(&place, "cache", "set seen 42\n");
    for (component, spoil, look) in [
        ("db", spoil, "SELECT 'found ' || i FROM t;\n"),
        ("books", spoil, "SELECT CONCAT('found ', i) FROM t;\n"),
    ] {
        let made = database(&place, &["backup", component]);
        assert_eq!(made["outcome"]["outcome"], "succeeded", "{made:#}");
        let backup = kept(&place, component).remove(0);
        let id = backup["id"].as_str().unwrap();
        ask(&place, component, spoil);
        let restore = ["database", "restore", component, "--from", id, "--json"];
        let refused = place.cli(&restore).problem(4, "refused");
        let cause = refused["cause"].as_str().unwrap();
        assert!(cause.contains("not empty"), "{refused:#}");
        assert!(!ask(&place, component, look).contains("42"), "{component}");
        place
            .cli(&[&restore[..], &["--confirm", component]].concat())
            .ok();
        assert!(ask(&place, component, look).contains("42"), "{component}");
        // Into a new one, which is made.
        let copy = format!("{component}-copy");
        place.cli(&[&restore[..], &["--into", &copy]].concat()).ok();
        assert!(ask(&place, &copy, look).contains("found 42"), "{copy}");
    }
    let later = ask(&place, "books", "SHOW TABLES;\n");
    assert!(!later.contains("later"), "{later}");

    // Settings, from the file and by hand; the data are there after it.
    let shown = "SELECT @@max_connections, i FROM t;\n";
    assert!(ask(&place, "books", shown).contains("50\t42"));
    database(&place, &["parameters", "books", "max_connections=60"]);
    assert!(ask(&place, "books", shown).contains("60\t42"));
    let words = [
        "database",
        "parameters",
        "books",
        "max_conections=9",
        "--json",
    ];
    let problem = place.cli(&words).problem(1, "spec.invalid");
    assert!(
        problem["remedy"]
            .as_str()
            .unwrap()
            .contains("max_connections"),
        "{problem:#}"
    );

    // By the clock; nothing is replaced for it.
    let by_the_clock = yaml.replace(
        "redis@7",
        "redis@7, backups: { schedule: \"* * * * *\", keep: 2 }",
    );
    place.deploy(&by_the_clock).ok();
    let until = Instant::now() + Duration::from_secs(180);
    while kept(&place, "cache").is_empty() {
        assert!(
            Instant::now() < until,
            "{:#?}",
            database(&place, &["backups", "cache"])
        );
        std::thread::sleep(Duration::from_secs(1));
    }
    place.deploy(&yaml).ok();
    assert!(ask(&place, "cache", "get seen\n").contains("42"));

    // The newest by its word.
    let before = kept(&place, "cache").len();
    let made = database(&place, &["backup", "cache"]);
    assert_eq!(made["outcome"]["outcome"], "succeeded", "{made:#}");
    assert_eq!(kept(&place, "cache").len(), before + 1);
    ask(&place, "cache", "set seen other\n");
    let words = ["restore", "cache", "--from", "latest", "--confirm", "cache"];
    database(&place, &words);
    assert!(ask(&place, "cache", "get seen\n").contains("42"));
    place.end();
}
