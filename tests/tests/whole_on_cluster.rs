//! An application as one on a real Kubernetes: as on the engine (tests/whole.rs, tests/changes.rs, tests/copy.rs). What is
//! changed by hand there is put right.

use pluvio_tests::image::IMAGE;
use pluvio_tests::place::Place;
use pluvio_tests::{Answer, app};
use serde_json::Value;

/// One component; its program ends when it is told to. `more` is further YAML at its level.
fn component(own: &str, greeting: &str, uses: &str, more: &str) -> String {
    format!(
        "  {own}:
    image: {IMAGE}
    command: [sh, -c, \"trap 'exit 0' TERM; /serve & wait\"]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 1s }} }}
    rollout: {{ drain: 1s, grace: 1s, deadline: 60s }}
    env: {{ GREETING: {greeting} }}
    uses: [{uses}]
    routes: []
{more}"
    )
}

fn spec(name: &str, components: &[String]) -> String {
    let head = format!("apiVersion: pluvio/v1\nname: {name}\ncomponents:\n");
    head + &components.concat()
}

/// Of each component of an operation: how far it came.
fn progress(operation: &Value) -> Vec<(String, String)> {
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let all = operation["components"].as_array().into_iter().flatten();
    let mut all: Vec<_> = all
        .map(|row| (text(row, "component"), text(row, "state")))
        .collect();
    all.sort();
    all
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(one, other): &(&str, &str)| ((*one).to_owned(), (*other).to_owned());
    all.iter().map(own).collect()
}

fn apply(place: &Place, yaml: &str, more: &[&str]) -> Answer {
    let file = place.pluvio.write("applied.yaml", yaml);
    let words = ["apply", "-f", &file, "-e", &place.environment, "--json"];
    place.pluvio.cli(&[&words[..], more].concat())
}

#[test]
fn ac45_a_release_that_fails_half_way_goes_back_whole_on_a_cluster() {
    const APP: &str = "ac45";
    let mut place = Place::start(APP);
    let yaml = |greeting: &str, third: &str| {
        let task = format!("    release: {{ command: [sh, -c, \"echo {greeting}\"] }}\n");
        let broken = component("c", &format!("{greeting}{third}"), "b", "");
        let broken = match third {
            "" => broken,
            _ => broken.replace("deadline: 60s", "deadline: 8s"),
        };
        spec(
            APP,
            &[
                component("a", greeting, "", &task),
                component("b", greeting, "a", ""),
                broken,
                component("d", greeting, "c", ""),
            ],
        )
    };
    let says = |name: &str, greeting: &str| {
        place.until(&format!("{name} says {greeting}"), || {
            place
                .get(name, "/")
                .is_ok_and(|body| body.trim() == greeting)
        });
    };
    apply(&place, &yaml("one", ""), &[]).ok();
    let before = place.contents();
    let problem = apply(&place, &yaml("two", ", FAIL: probe"), &[]).problem(1, "release.not-ready");
    assert!(
        problem["cause"].as_str().unwrap().contains('c'),
        "{problem:#}"
    );
    // What ran once is named: going back does not undo it.
    let lines = problem["evidence"].to_string();
    let task = "Not undone: the release task of a ran to its end";
    assert!(lines.contains(task), "{problem:#}");
    let operation = place.ok(&["operations"])[0].clone();
    let told = [
        ("a", "done"),
        ("b", "done"),
        ("c", "failed"),
        ("d", "skipped"),
    ];
    assert_eq!(progress(&operation), pairs(&told), "{operation:#}");
    let notes = operation["components"].to_string();
    assert!(notes.contains("goes back to r1"), "{operation:#}");
    place.until("everything is back at r1", || {
        let status = place.ok(&["status"]);
        status["live_release"] == 1 && status["status"] == "running" && place.contents() == before
    });
    for name in ["a", "b", "c", "d"] {
        says(name, "one");
    }

    // What was done by hand since is shown before a file undoes it.
    place.ok(&["scale", "d=2"]);
    let third = spec(
        APP,
        &[
            component(
                "a",
                "one",
                "",
                "    release: { command: [sh, -c, \"echo one\"] }\n",
            ),
            component("b", "three", "a", ""),
            component("later", "three", "", ""),
            component("d", "one", "later", ""),
        ],
    );
    let problem = apply(&place, &third, &[]).problem(5, "conflict");
    let shown = problem["evidence"].to_string();
    assert!(
        shown.contains("components.d.instances: nothing → 2"),
        "{problem:#}"
    );
    assert!(!shown.contains("GREETING"), "the file's own: {problem:#}");
    says("b", "one");
    apply(&place, &third, &["--take-over"]).ok();
    says("b", "three");
    says("later", "three");
    apply(&place, &third, &[]).ok();

    // Every release is there as it was, with its number; what differs is told row by row.
    let releases = place.ok(&["releases"]);
    let releases = releases.as_array().unwrap();
    let numbers: Vec<_> = releases.iter().map(|r| r["number"].as_u64()).collect();
    let count = releases.len() as u64;
    assert_eq!(numbers, (1..=count).rev().map(Some).collect::<Vec<_>>());
    assert_eq!(releases[releases.len() - 2]["status"], "failed");
    let first = place.ok(&["releases", "show", "1"]).to_string();
    assert!(
        first.contains("GREETING: one") && !first.contains("later"),
        "{first}"
    );
    let differs = place.ok(&["releases", "diff", "1", &count.to_string()]);
    let differs = differs["components"].as_array().unwrap().clone();
    let names: Vec<_> = differs
        .iter()
        .map(|one| one["component"].as_str().unwrap())
        .collect();
    for name in ["b", "c", "later"] {
        assert!(names.contains(&name), "{name}: {differs:#?}");
    }
    assert!(!names.contains(&"a"), "{differs:#?}");
    let row = differs
        .iter()
        .find(|one| one["component"] == "b")
        .unwrap()
        .to_string();
    assert!(row.contains("one") && row.contains("three"), "{row}");

    // All of it goes back: what was taken away is there, what was added is not.
    place.ok(&["rollback", "1"]);
    says("b", "one");
    says("c", "one");
    assert!(place.component("later").is_null());
    assert_eq!(place.contents(), before);
    let deployments = place.cluster.objects("deployments", &place.namespace);
    assert_eq!(deployments.len(), 4, "{deployments:#?}");

    // In each form it can be written as.
    let exported = place.cli(&["export"]).stdout;
    apply(&place, &exported, &["--take-over"]).ok();
    assert_eq!(place.contents(), before);
    let compose = place.cli(&["export", "--to", "compose"]);
    assert!(compose.stdout.contains("services:"), "{compose:?}");
    let objects = place.cli(&["export", "--to", "kubernetes"]);
    assert_eq!(objects.exit, 0, "{objects:?}");
    for kind in ["kind: Deployment", "kind: Service", "kind: NetworkPolicy"] {
        assert!(objects.stdout.contains(kind), "{kind}: {objects:?}");
    }
    // They are for elsewhere, where they run by themselves.
    let (_, elsewhere) = place.another("elsewhere");
    let moved = objects.stdout.replace("main--production", &elsewhere);
    assert_ne!(moved, objects.stdout);
    let file = place.pluvio.write("objects.yaml", &moved);
    place
        .cluster
        .kubectl(&["apply", "--server-side", "-f", &file]);
    for name in ["a", "b", "c", "d"] {
        place.until("it runs elsewhere", || {
            let service = format!("{APP}--{name}:8080");
            let body = place.cluster.get(&elsewhere, &service, "/");
            body.is_ok_and(|body| body.trim() == "one")
        });
    }
    place.end();
}

#[test]
fn bx03_a_release_goes_from_the_engine_to_a_cluster_and_on_and_back() {
    const APP: &str = "bx03";
    let mut place = Place::start(APP);
    let (second, second_namespace) = place.another("second");
    let pluvio = &place.pluvio;
    let here = pluvio.name(APP);
    let far = &place.environment;
    let in_second = |words: &[&str]| {
        let which = ["-a", &here, "-e", &second, "--json"];
        pluvio.cli(&[words, &which].concat())
    };
    let in_far = |words: &[&str]| {
        let which = ["-a", &here, "-e", far, "--json"];
        pluvio.cli(&[words, &which].concat())
    };
    let service = format!("{here}--web:8080");
    let says = |namespace: &str, greeting: &str| {
        place.until(&format!("{namespace} says {greeting}"), || {
            let body = place.cluster.get(namespace, &service, "/");
            body.is_ok_and(|body| body.trim() == greeting)
        });
    };

    let yaml = app::yaml(&here, "one", 1, "").replace("drain: 5s", "drain: 1s, grace: 1s");
    pluvio.deploy(&yaml).ok();
    pluvio
        .cli(&["copy", "-a", &here, "--to", far, "--json"])
        .ok();
    in_far(&["copy", "--to", &second]).ok();
    in_far(&["scale", "web=2"]).ok();
    says(&place.namespace, "one");
    says(&second_namespace, "one");

    // What was tried on the engine, when its difference was agreed to.
    pluvio
        .cli(&["config", "set", "GREETING=two", "-a", &here, "--json"])
        .ok();
    let promote = ["promote", "-a", &here, "--to", far, "--json"];
    let preview = pluvio.cli(&[&promote[..], &["--dry-run"]].concat()).ok();
    assert!(preview.to_string().contains("GREETING"), "{preview:#}");
    let problem = pluvio.cli(&promote).problem(5, "conflict").to_string();
    assert!(problem.contains("env GREETING: one → two"), "{problem}");
    says(&place.namespace, "one");
    let done = pluvio.cli(&[&promote[..], &["--yes"]].concat()).ok();
    assert_eq!(done["kind"], "promote");
    says(&place.namespace, "two");
    // Counts belong to the place.
    assert_eq!(in_far(&["status"]).ok()["instances_ready"], 2);
    let release = in_far(&["releases"]).ok()[0]["origin"].clone();
    assert_eq!(
        (&release["kind"], &release["environment"]),
        (&"promote".into(), &"production".into())
    );

    // From one environment of the cluster to the next, and to the engine.
    in_far(&["config", "set", "GREETING=three"]).ok();
    in_far(&["promote", "--to", &second, "--yes"]).ok();
    says(&second_namespace, "three");
    assert_eq!(in_second(&["status"]).ok()["instances_ready"], 1);
    in_second(&["promote", "--to", "production", "--yes"]).ok();
    assert_eq!(pluvio.body(&here, "/").trim(), "three");
    in_second(&["rollback"]).ok();
    says(&second_namespace, "one");
    in_far(&["delete", "--yes"]).ok();
    in_second(&["delete", "--yes"]).ok();
    pluvio
        .cli(&["environment", "delete", &second, "--json"])
        .ok();
    place.has_no_pods();
}
