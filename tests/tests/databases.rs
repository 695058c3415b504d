//! Databases (BX-11): one line each in app.yaml, and what is in them outlives every change.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use pluvio_tests::engine::name_of;
use pluvio_tests::image::IMAGE;
use pluvio_tests::{Answer, Engine, Pluvio, both_engines, wait};

both_engines!(
    c3_an_application_uses_a_postgres_a_redis_and_a_mariadb,
    d3_a_database_keeps_its_data_over_redeploy_restart_kill_and_rollback,
);

/// The first database of its kind makes its image from the distribution's packages.
const COLD: Duration = Duration::from_secs(580);

fn yaml(name: &str, greeting: &str, databases: &str, uses: &str) -> String {
    format!(
        "apiVersion: pluvio/v1
name: {name}
components:
  web:
    image: {IMAGE}
    command: [/serve]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 200ms }} }}
    env: {{ GREETING: {greeting} }}
    uses: {uses}
{databases}"
    )
}

const POSTGRES: &str = "  db: { kind: database, database: postgres@15 }\n";

fn deploy(pluvio: &Pluvio, yaml: &str) -> Answer {
    let file = pluvio.write("app.yaml", yaml);
    pluvio.cli_within(&["deploy", &file, "--json", "--timeout", "9m"], COLD)
}

/// What the database's own shell says to this.
fn ask(pluvio: &Pluvio, app: &str, component: &str, text: &str) -> String {
    let answer = pluvio.cli_with_input(&["database", "shell", component, "-a", app], text);
    assert_eq!(answer.exit, 0, "{text}: {answer:?}");
    answer.stdout
}

fn url(pluvio: &Pluvio, app: &str, component: &str) -> String {
    let answer = pluvio
        .cli(&["database", "url", component, "-a", app, "--json"])
        .ok();
    answer["url"].as_str().unwrap().to_owned()
}

fn c3_an_application_uses_a_postgres_a_redis_and_a_mariadb(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("c3");
    let all = format!(
        "{POSTGRES}  cache: {{ kind: database, database: redis@7 }}\n  books: {{ kind: database, database: mariadb@10.11 }}\n"
    );
    deploy(&pluvio, &yaml(&name, "one", &all, "[db, cache, books]")).ok();

    let env = pluvio.body(&name, "/env");
    let mut passwords = Vec::new();
    for (component, key, inside) in [
        ("db", "POSTGRES_URL", "@db:5432/app"),
        ("cache", "REDIS_URL", "@cache:6379/0"),
        ("books", "MYSQL_URL", "@books:3306/app"),
    ] {
        let url = url(&pluvio, &name, component);
        assert!(url.ends_with(inside), "{component}: {url}");
        assert!(
            env.contains(&format!("{key}={url}")),
            "{key} reaches the program"
        );
        let password = url.split('@').next().unwrap().rsplit(':').next().unwrap();
        assert!(password.len() >= 32, "{url}");
        passwords.push((component, password.to_owned()));
    }

    ask(
        &pluvio,
        &name,
        "db",
        "CREATE TABLE t (i int); INSERT INTO t VALUES (42);\n",
    );
    assert!(ask(&pluvio, &name, "db", "SELECT i FROM t;\n").contains("42"));
    ask(
        &pluvio,
        &name,
        "books",
        "CREATE TABLE t (i int); INSERT INTO t VALUES (43);\n",
    );
    assert!(ask(&pluvio, &name, "books", "SELECT i FROM t;\n").contains("43"));
    ask(&pluvio, &name, "cache", "set t 44\n");
    assert!(ask(&pluvio, &name, "cache", "get t\n").contains("44"));

    // Out and in again: refused over data, unless they are to be replaced.
    for (component, change, look, want) in [
        ("db", "DELETE FROM t;\n", "SELECT i FROM t;\n", "42"),
        ("books", "DELETE FROM t;\n", "SELECT i FROM t;\n", "43"),
        ("cache", "set t other\n", "get t\n", "44"),
    ] {
        let file = pluvio.scratch().join(format!("{component}.dump"));
        let restore = |file: &Path, more: &[&str]| {
            let words = ["database", "restore", component, "-a", &name];
            let output = pluvio
                .command(&[&words, more].concat())
                .stdin(File::open(file).unwrap())
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            (output.status.success(), said)
        };
        let dumped = pluvio
            .command(&["database", "dump", component, "-a", &name])
            .stdin(Stdio::null())
            .stdout(File::create(&file).unwrap())
            .status();
        assert!(dumped.unwrap().success(), "{component}");
        ask(&pluvio, &name, component, change);
        let (restored, said) = restore(&file, &[]);
        assert!(
            !restored && said.contains("not empty"),
            "{component}: {said}"
        );
        let short = pluvio.scratch().join(format!("{component}.short"));
        std::fs::write(&short, &std::fs::read(&file).unwrap()[..100]).unwrap();
        let (restored, said) = restore(&short, &["--replace"]);
        assert!(
            !restored && said.contains("no whole dump"),
            "{component}: {said}"
        );
        let (restored, said) = restore(&file, &["--replace"]);
        assert!(restored, "{component}: {said}");
        assert!(
            ask(&pluvio, &name, component, look).contains(want),
            "{component}"
        );
    }

    for (component, password) in passwords {
        let processes = std::process::Command::new("ps")
            .args(["axww", "-o", "args"])
            .output()
            .unwrap();
        assert!(
            !String::from_utf8_lossy(&processes.stdout).contains(&password),
            "{component}"
        );
        for words in [
            &["status", "-a", &name, "--json"][..],
            &["export", "-a", &name],
            &["logs", "-a", &name, "--json"],
            &["releases", "show", "1", "-a", &name, "--json"],
            &["secret", "list", "-a", &name, "--json"],
        ] {
            let said = pluvio.cli(words);
            assert!(
                !said.stdout.contains(&password),
                "{words:?} shows the password of {component}"
            );
        }
        for container in pluvio.engine.containers(pluvio.installation()) {
            let called = name_of(&container);
            if !called.starts_with(&format!("{name}--web--")) {
                let inspected = pluvio.engine.inspect(&called).to_string();
                assert!(
                    !inspected.contains(&password),
                    "{called} shows the password of {component}"
                );
            }
        }
    }
    pluvio.end();
}

fn d3_a_database_keeps_its_data_over_redeploy_restart_kill_and_rollback(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("d3");
    deploy(&pluvio, &yaml(&name, "one", POSTGRES, "[db]")).ok();
    let first = url(&pluvio, &name, "db");
    ask(
        &pluvio,
        &name,
        "db",
        "CREATE TABLE t (i int); INSERT INTO t VALUES (42);\n",
    );
    let holds = |when: &str| {
        let look = || {
            let answer = pluvio.cli_with_input(
                &["database", "shell", "db", "-a", &name],
                "SELECT 'found ' || i FROM t;\n",
            );
            answer.stdout.contains("found 42")
        };
        wait::until_true(when, Duration::from_secs(60), look);
        assert_eq!(
            url(&pluvio, &name, "db"),
            first,
            "the password stays: {when}"
        );
    };

    let larger = POSTGRES.replace(" }", ", command: [-c, max_connections=40] }");
    deploy(&pluvio, &yaml(&name, "two", &larger, "[db]")).ok();
    holds("after a deploy");
    assert!(ask(&pluvio, &name, "db", "SHOW max_connections;\n").contains("40"));

    pluvio.cli(&["restart", "-a", &name, "--json"]).ok();
    holds("after a restart");

    let databases = || -> Vec<String> {
        let all = pluvio.engine.containers(pluvio.installation());
        let names = all.iter().map(name_of);
        names
            .filter(|called| called.starts_with(&format!("{name}--db--")))
            .collect()
    };
    pluvio.engine.kill(&databases()[0]);
    holds("after it was killed");

    let newer = POSTGRES.replace("@15", "@17");
    let refused = deploy(&pluvio, &yaml(&name, "three", &newer, "[db]"));
    assert!(refused.exit != 0, "{refused:?}");
    let said = format!("{}{}", refused.stdout, refused.stderr);
    assert!(said.contains("pluvio database dump db"), "{refused:?}");
    holds("after another version was refused");

    pluvio.cli(&["rollback", "1", "-a", &name, "--json"]).ok();
    holds("after a rollback");
    assert!(ask(&pluvio, &name, "db", "SHOW max_connections;\n").contains("100"));
    pluvio.end();
}
