//! Instances with names and volumes of their own (`kind: stateful`), and volumes that one instance at a time may have: never two
//! write to one, whatever is killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use pluvio_tests::{Engine, Pluvio, both_engines, image::IMAGE, load, wait};
use serde_json::Value;

both_engines!(
    each_instance_has_a_name_and_a_volume_of_its_own,
    an_update_that_never_becomes_ready_brings_the_old_one_back,
    whatever_is_killed_while_an_instance_is_replaced_two_never_write,
    a_component_with_another_name_waits_for_the_volume,
    a_release_task_works_on_the_volume_alone,
);

const SOON: Duration = Duration::from_secs(30);

/// `db` keeps data, `web` asks it. A program that does not hear its stop signal makes the middle of a replacement long.
fn spec(name: &str, kind: &str, greeting: &str, instances: u32, more: &str) -> String {
    format!(
        "apiVersion: pluvio/v1
name: {name}
components:
  web:
    image: {IMAGE}
    command: [/serve]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 200ms }} }}
    routes: [{{ host: {name}.localhost }}]
  db:
    kind: {kind}
    image: {IMAGE}
    command: [sh, -c, \"trap '' TERM; exec /serve\"]
    instances: {instances}
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 200ms }} }}
    rollout: {{ drain: 1s, grace: 1s, deadline: 20s }}
    routes: [{{ host: db-{name}.localhost }}]
    volumes:
      /data: {{ name: data }}
      /common: {{ name: common, access: shared }}
    env:
      GREETING: {greeting}
      OWNS: /data/owner
{more}"
    )
}

/// One container of `db`, as the engine lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    id: String,
    slot: String,
    hash: String,
    runs: bool,
}

fn look(engine: &Engine, installation: &str) -> Vec<Seen> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let containers = engine.containers(installation);
    let ours = containers.iter().filter(|container| {
        let component = &container["Labels"]["io.pluvio.component"];
        *component == "db" || *component == "store"
    });
    ours.map(|container| Seen {
        id: text(&container["Id"]),
        slot: text(&container["Labels"]["io.pluvio.slot"]),
        hash: text(&container["Labels"]["io.pluvio.hash"]),
        runs: container["State"] == "running",
    })
    .collect()
}

/// What was seen of `db` while something went on.
#[derive(Debug, Default, Clone)]
struct Watched {
    looks: u32,
    /// Most containers that ran at once of those that would have one volume.
    most_of_one: usize,
    /// The fewest that ran at once.
    fewest: usize,
    /// `+2` for each that was started, `-2` for each that ended or went.
    changes: Vec<String>,
}

/// Looks at the engine all the while, beside the test.
struct Watch {
    end: Arc<AtomicBool>,
    thread: JoinHandle<Watched>,
}

impl Watch {
    /// `each`: every slot has a volume of its own.
    fn begin(pluvio: &Pluvio, each: bool) -> Watch {
        let (engine, installation) = (pluvio.engine.clone(), pluvio.installation().to_owned());
        let end = Arc::new(AtomicBool::new(false));
        let ends = end.clone();
        let thread = std::thread::spawn(move || {
            let mut watched = Watched {
                fewest: usize::MAX,
                ..Watched::default()
            };
            let mut before: Option<Vec<Seen>> = None;
            while !ends.load(Ordering::Relaxed) {
                let mut now = look(&engine, &installation);
                now.retain(|seen| seen.runs);
                let of_one = |seen: &Seen| {
                    now.iter()
                        .filter(|other| !each || other.slot == seen.slot)
                        .count()
                };
                let most = now.iter().map(of_one).max().unwrap_or(0);
                watched.looks += 1;
                watched.most_of_one = watched.most_of_one.max(most);
                watched.fewest = watched.fewest.min(now.len());
                if let Some(before) = before {
                    let not_in =
                        |all: &[Seen], one: &Seen| all.iter().all(|seen| seen.id != one.id);
                    for gone in before.iter().filter(|seen| not_in(&now, seen)) {
                        watched.changes.push(format!("-{}", gone.slot));
                    }
                    for new in now.iter().filter(|seen| not_in(&before, seen)) {
                        watched.changes.push(format!("+{}", new.slot));
                    }
                }
                before = Some(now);
                std::thread::sleep(Duration::from_millis(15));
            }
            watched
        });
        Watch { end, thread }
    }

    fn end(self) -> Watched {
        self.end.store(true, Ordering::Relaxed);
        let watched = self.thread.join().expect("the watch ends");
        println!("{watched:?}");
        assert!(watched.looks > 5, "hardly looked: {watched:?}");
        assert!(
            watched.most_of_one <= 1,
            "two had one volume at once: {watched:?}"
        );
        watched
    }
}

/// Runs a command in an instance, by its own name.
#[track_caller]
fn run_in(pluvio: &Pluvio, app: &str, instance: &str, command: &str) -> String {
    let answer = pluvio.cli(&[
        "exec",
        "-a",
        app,
        "--component",
        "db",
        "--instance",
        instance,
        "--",
        "sh",
        "-c",
        command,
    ]);
    assert_eq!(answer.exit, 0, "{instance}: {answer:?}");
    answer.stdout.trim().to_owned()
}

/// Each instance has the note that was written into its volume, and nobody met another in it.
#[track_caller]
fn notes_are_kept(pluvio: &Pluvio, app: &str, instances: u32) {
    for ordinal in 0..instances {
        let instance = format!("db-{ordinal}");
        assert_eq!(
            run_in(pluvio, app, &instance, "cat /data/note; ls /data"),
            format!("note of {instance}\nnote\nowner"),
            "what is in the volume of {instance}"
        );
    }
}

fn volumes(pluvio: &Pluvio) -> Vec<String> {
    let made = pluvio.made();
    let parts = made.iter().filter(|thing| thing.starts_with("volume "));
    parts
        .map(|name| name.split("--").nth(2).unwrap_or_default().to_owned())
        .collect()
}

fn each_instance_has_a_name_and_a_volume_of_its_own(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("names");
    let watch = Watch::begin(&pluvio, true);
    pluvio.deploy(&spec(&name, "stateful", "one", 3, "")).ok();
    assert_eq!(
        watch.end().changes,
        ["+0", "+1", "+2"],
        "one after the other"
    );

    // Names, to themselves and to each other.
    for ordinal in 0..3 {
        let own = format!("db-{ordinal}");
        assert_eq!(run_in(&pluvio, &name, &own, "hostname"), own);
        let order = format!(
            "echo note of {own} > /data/note; echo $PLUVIO_ORDINAL; echo {own} >> /common/all"
        );
        assert_eq!(run_in(&pluvio, &name, &own, &order), ordinal.to_string());
        for from in ["", "db-0:8080/ask?", "db-2:8080/ask?"] {
            let path = format!("/ask?{from}{own}:8080/env");
            let environment = pluvio.body(&name, &path);
            let told = format!("PLUVIO_ORDINAL={ordinal}\n");
            assert!(environment.contains(&told), "{path}: {environment}");
        }
    }
    assert_eq!(
        run_in(&pluvio, &name, "db-1", "cat /common/all"),
        "db-0\ndb-1\ndb-2"
    );
    assert_eq!(volumes(&pluvio), ["common", "data", "data-1", "data-2"]);
    let listed = pluvio.cli(&["volume", "list", "--json"]).ok().to_string();
    for volume in ["common", "data", "data-1", "data-2"] {
        assert!(listed.contains(&format!("\"{volume}\"")), "{listed}");
    }
    let shown = pluvio.cli(&["status", "-a", &name]).stdout;
    for instance in ["db-0", "db-1", "db-2"] {
        assert!(shown.contains(instance), "{shown}");
    }

    // A new content: the last first, one at a time, and requests go to the others.
    let watch = Watch::begin(&pluvio, true);
    let host = format!("db-{name}.localhost");
    let load = load::closed(pluvio.gateway_port(), &host, "/", 4);
    pluvio.deploy(&spec(&name, "stateful", "two", 3, "")).ok();
    let counted = load.end();
    assert_eq!(counted.failed, 0, "{counted:#?}");
    let watched = watch.end();
    assert_eq!(watched.changes, ["-2", "+2", "-1", "+1", "-0", "+0"]);
    assert_eq!(watched.fewest, 2, "one at a time");
    notes_are_kept(&pluvio, &name, 3);

    // Fewer: the last goes first, its data stays; more again: there it is.
    let watch = Watch::begin(&pluvio, true);
    pluvio.cli(&["scale", "db=1", "-a", &name, "--json"]).ok();
    assert_eq!(watch.end().changes, ["-2", "-1"]);
    assert_eq!(volumes(&pluvio), ["common", "data", "data-1", "data-2"]);
    let watch = Watch::begin(&pluvio, true);
    pluvio.cli(&["scale", "db=3", "-a", &name, "--json"]).ok();
    assert_eq!(watch.end().changes, ["+1", "+2"]);
    notes_are_kept(&pluvio, &name, 3);
    pluvio.until_serves(&name, "/ask?db-2:8080/", "two", SOON);
    pluvio.end();
}

fn an_update_that_never_becomes_ready_brings_the_old_one_back(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("back");
    pluvio.deploy(&spec(&name, "stateful", "one", 3, "")).ok();
    for ordinal in 0..3 {
        let own = format!("db-{ordinal}");
        run_in(
            &pluvio,
            &name,
            &own,
            &format!("echo note of {own} > /data/note"),
        );
    }
    let mut before = look(&pluvio.engine, pluvio.installation());
    before.sort_by(|a, b| a.slot.cmp(&b.slot));
    let watch = Watch::begin(&pluvio, true);
    let fails = spec(&name, "stateful", "two", 3, "      FAIL: probe\n");
    let failed = pluvio.deploy(&fails.replace("deadline: 20s", "deadline: 6s"));
    failed.problem(1, "release.not-ready");
    pluvio.until_status(&name, "as before", |status| {
        status["operation"].is_null() && status["status"] == "running"
    });
    let watched = watch.end();
    assert_eq!(watched.changes, ["-2", "+2", "-2", "+2"]);
    assert_eq!(watched.fewest, 2);
    let mut after = look(&pluvio.engine, pluvio.installation());
    after.sort_by(|a, b| a.slot.cmp(&b.slot));
    assert_eq!(after[..2], before[..2], "the others were not touched");
    assert_eq!((after.len(), &after[2].hash), (3, &before[2].hash));
    notes_are_kept(&pluvio, &name, 3);
    pluvio.end();
}

/// What the engine shows of an ordinal that is being replaced.
type Moment = fn(&[&Seen], &str) -> bool;

const MOMENTS: [(&str, Moment); 4] = [
    ("the new one is made", |all, old| {
        all.iter().any(|seen| seen.hash != old)
    }),
    ("the old one has ended", |all, old| {
        !all.iter().any(|seen| seen.hash == old && seen.runs)
    }),
    ("the old one is gone", |all, old| {
        !all.iter().any(|seen| seen.hash == old)
    }),
    ("the new one runs", |all, old| {
        all.iter().any(|seen| seen.hash != old && seen.runs)
    }),
];

fn whatever_is_killed_while_an_instance_is_replaced_two_never_write(engine: Engine) {
    let mut pluvio = Pluvio::start(engine);
    let name = pluvio.name("killed");
    // What is killed takes its time to come back, and the release's time goes on meanwhile.
    let spec = |greeting: &str, kind: &str, instances: u32| {
        spec(&name, kind, greeting, instances, "").replace("deadline: 20s", "deadline: 30s")
    };
    for (kind, instances) in [("stateful", 2), ("service", 1)] {
        let each = kind == "stateful";
        pluvio.deploy(&spec("first", kind, instances)).ok();
        let (mut watch, mut number) = (Watch::begin(&pluvio, each), 0);
        for (moment, is_there) in MOMENTS {
            number += 1;
            let greeting = format!("number-{number}");
            let seen = look(&pluvio.engine, pluvio.installation());
            let last = seen.iter().map(|seen| seen.slot.clone()).max().unwrap();
            let old = seen[0].hash.clone();
            let file = pluvio.write("next.yaml", &spec(&greeting, kind, instances));
            let accepted = pluvio.cli(&["deploy", &file, "--no-wait", "--json"]).ok();
            wait::until_true(moment, SOON, || {
                let seen = look(&pluvio.engine, pluvio.installation());
                let of_last: Vec<&Seen> = seen
                    .iter()
                    .filter(|seen| !each || seen.slot == last)
                    .collect();
                is_there(&of_last, &old)
            });
            pluvio.kill("node");
            pluvio.kill("control");
            pluvio.up(&[]).ok();
            let id = accepted["id"].as_str().unwrap().to_owned();
            let ended = pluvio.cli(&["operation", "follow", &id, "--json"]).ok();
            assert_eq!(
                ended["outcome"]["outcome"], "succeeded",
                "{moment}: {ended:#}"
            );
            watch.end();
            let now = look(&pluvio.engine, pluvio.installation());
            assert_eq!(now.len(), instances as usize, "{moment}: {now:#?}");
            assert!(
                now.iter().all(|seen| seen.runs && seen.hash != old),
                "{moment}: {now:#?}"
            );
            let conflict = pluvio.get(&format!("db-{name}"), "/file?/data/owner.conflict");
            assert_eq!(
                conflict.unwrap().status,
                404,
                "{moment}: two had the volume"
            );
            watch = Watch::begin(&pluvio, each);
        }
        watch.end.store(true, Ordering::Relaxed);
    }
    pluvio.end();
}

fn a_component_with_another_name_waits_for_the_volume(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("renamed");
    let first = spec(&name, "service", "one", 1, "");
    pluvio.deploy(&first).ok();
    let note = [
        "exec",
        "-a",
        &name,
        "--component",
        "db",
        "--",
        "sh",
        "-c",
        "echo kept > /data/note",
    ];
    assert_eq!(pluvio.cli(&note).exit, 0);
    let watch = Watch::begin(&pluvio, false);
    pluvio.deploy(&first.replace("  db:\n", "  store:\n")).ok();
    watch.end();
    let host = format!("db-{name}");
    assert_eq!(pluvio.body(&host, "/file?/data/note").trim(), "kept");
    let conflict = pluvio.get(&host, "/file?/data/owner.conflict").unwrap();
    assert_eq!(conflict.status, 404, "two had the volume");
    pluvio.end();
}

fn a_release_task_works_on_the_volume_alone(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("task");
    let with = |greeting: &str, task: &str| {
        let more = format!("    release: {{ command: [sh, -c, \"{task}\"] }}\n");
        spec(&name, "service", greeting, 1, &more)
    };
    pluvio.deploy(&with("one", "echo one >> /data/note")).ok();
    let watch = Watch::begin(&pluvio, false);
    let host = format!("db-{name}.localhost");
    let load = load::closed(pluvio.gateway_port(), &host, "/", 4);
    pluvio
        .deploy(&with("two", "sleep 1; echo two >> /data/note"))
        .ok();
    let counted = load.end();
    assert_eq!(counted.failed, 0, "requests are held: {counted:#?}");
    // The old instance, the task, the new instance.
    assert_eq!(watch.end().changes, ["-0", "+0", "-0", "+0"]);

    // One that fails brings back what served.
    let watch = Watch::begin(&pluvio, false);
    pluvio
        .deploy(&with("three", "sleep 1; exit 4"))
        .problem(1, "release.task");
    pluvio.until_serves(&format!("db-{name}"), "/", "two", SOON);
    watch.end();
    let host = format!("db-{name}");
    assert_eq!(pluvio.body(&host, "/file?/data/note"), "one\ntwo\n");
    let conflict = pluvio.get(&host, "/file?/data/owner.conflict").unwrap();
    assert_eq!(conflict.status, 404, "two had the volume");
    pluvio.end();
}
