//! Components of each kind on a real Kubernetes: as on the engine (tests/stateful.rs, tests/tasks.rs).

use std::time::Duration;

use pluvio_tests::image::IMAGE;
use pluvio_tests::place::Place;
use pluvio_tests::wait;
use serde_json::Value;

const APP: &str = "kinds";
/// Two firings, and what the second needs to begin.
const FIRINGS: Duration = Duration::from_secs(150);

fn spec(greeting: &str, more: &str) -> String {
    let server = format!(
        "    image: {IMAGE}
    command: [/serve]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 1s }} }}
    rollout: {{ drain: 1s, grace: 1s, deadline: 25s }}
"
    );
    let cron = |seconds: u32| {
        format!(
            "    kind: cron
    image: {IMAGE}
    env: {{ GREETING: night }}
    command: [sh, -c, \"echo report of $GREETING; sleep {seconds}; echo done\"]
"
        )
    };
    let (short, long) = (cron(0), cron(75));
    format!(
        "apiVersion: pluvio/v1
name: {APP}
components:
  each:
    kind: daemon
{server}    routes: [{{ path: / }}]
    env: {{ GREETING: everywhere }}
  seed:
    kind: job
    image: {IMAGE}
    command: [sh, -c, \"echo seeded by {greeting}\"]
  mail:
    kind: job
    image: {IMAGE}
    options: {{ hostname: Mail.example.org, shmSize: 32Mi, dns: [192.0.2.1], dnsSearch: [corp.example], dnsOptions: [\"attempts:1\"] }}
    host: {{ security: [\"no-new-privileges:true\"] }}
    command: [sh, -c, \"hostname; echo $HOSTNAME; grep mail.example.org /etc/hosts | tr '\\\\t' ' '; df -k /dev/shm | tail -n 1 | tr -s ' ' | cut -d ' ' -f 2; grep -c -e corp.example -e 192.0.2.1 -e attempts:1 /etc/resolv.conf; wget -qO- http://each:8080/\"]
    uses: [each]
  clerk:
    kind: job
    image: {IMAGE}
    user: clerk:archive
    volumes: {{ /srv/shelf: {{ name: shelf }} }}
    command: [sh, -c, \"id -u; id -g; echo filed by {greeting} >> /srv/shelf/book; cat /srv/shelf/book\"]
  first:
    kind: job
    once: true
    image: {IMAGE}
    uses: [db]
    command: [sh, -c, \"echo first after {greeting}\"]
  db:
    kind: stateful
    instances: 2
    uses: [seed]
{server}    volumes: {{ /data: {{ name: data }} }}
    env:
      GREETING: {greeting}
{more}  report:
{short}    schedule: \"0 0 1 1 *\"
  slow:
{long}    schedule: \"* * * * *\"
  many:
{long}    schedule: {{ cron: \"* * * * *\", overlap: true }}
"
    )
}

fn runs(place: &Place, component: &str, kind: &str) -> Vec<Value> {
    let all = place.ok(&["runs"]);
    let all = all.as_array().cloned().unwrap_or_default().into_iter();
    all.filter(|run| run["component"] == component && run["kind"] == kind)
        .collect()
}

/// Whether one began while another was at work.
fn overlap(runs: &[Value]) -> bool {
    let began = |run: &Value| run["started_at"].as_str().map(str::to_owned);
    let ended = |run: &Value| run["ended_at"].as_str().map(str::to_owned);
    let began: Vec<_> = runs
        .iter()
        .filter_map(|run| Some((began(run)?, run)))
        .collect();
    began.iter().any(|(at, one)| {
        let mut others = began.iter().filter(|(_, other)| other["key"] != one["key"]);
        others.any(|(before, other)| before <= at && ended(other).is_none_or(|end| *at < end))
    })
}

#[track_caller]
fn inside(place: &Place, instance: &str, command: &str) -> String {
    let words = ["exec", "--component", "db", "--instance", instance];
    let answer = place.cli(&[&words[..], &["--", "sh", "-c", command]].concat());
    assert_eq!(answer.exit, 0, "{instance}: {answer:?}");
    answer.stdout.trim().to_owned()
}

/// Of each instance of `db`, in their order: its pod's id and content.
fn pods(place: &Place) -> Vec<(String, String)> {
    let mut all: Vec<(String, String, String)> = place
        .cluster
        .objects("pods", &place.namespace)
        .iter()
        .filter(|pod| pod["metadata"]["labels"]["pluvio.io/component"] == "db")
        .map(|pod| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let metadata = &pod["metadata"];
            let hash = text(&metadata["annotations"]["pluvio.io/hash"]);
            (text(&metadata["name"]), text(&metadata["uid"]), hash)
        })
        .collect();
    all.sort();
    all.into_iter().map(|(_, uid, hash)| (uid, hash)).collect()
}

#[test]
fn components_of_each_kind_run_on_a_cluster_as_on_the_engine() {
    let place = Place::start(APP);
    place.deploy(&spec("one", "")).ok();

    // One on each node.
    let each = place.component("each");
    assert_eq!(
        each["instances"].as_array().map(Vec::len),
        Some(1),
        "{each:#}"
    );
    assert_eq!(place.get("each", "/").unwrap().trim(), "everywhere");

    // A program that comes to an end, before those that use it.
    let seeds = runs(&place, "seed", "job");
    assert_eq!(seeds.len(), 1, "{seeds:#?}");
    assert_eq!(seeds[0]["state"], "succeeded");
    assert_eq!(seeds[0]["exit"]["last_lines"][0], "seeded by one");

    // What its pod can be told of a container's options.
    let mail = runs(&place, "mail", "job");
    let told = &mail[0]["exit"]["last_lines"];
    assert_eq!(mail[0]["state"], "succeeded", "{mail:#?}");
    let want = [
        "mail",
        "Mail.example.org",
        "127.0.0.1 mail.example.org",
        "32768",
        "3",
        "everywhere",
    ];
    for (at, want) in want.iter().enumerate() {
        assert_eq!(told[at], *want, "{told}");
    }

    // A user and a group that only the image knows, and a volume that begins with what the image has, once.
    let clerks_last = |want: &[&str]| {
        let all = runs(&place, "clerk", "job");
        let last = all.iter().max_by_key(|run| run["started_at"].to_string());
        let told = last.map(|run| run["exit"]["last_lines"].clone());
        assert_eq!(told, Some(serde_json::json!(want)), "{all:#?}");
    };
    clerks_last(&["4321", "4400", "a book of the image", "filed by one"]);

    // Names and volumes of their own.
    for ordinal in 0..2 {
        let own = format!("db-{ordinal}");
        let order = format!("echo note of {own} > /data/note; echo $PLUVIO_ORDINAL");
        assert_eq!(inside(&place, &own, &order), ordinal.to_string());
        for from in ["db-0", "db-1"] {
            let told = inside(&place, from, &format!("wget -qO- http://{own}:8080/env"));
            let ordinal = format!("PLUVIO_ORDINAL={ordinal}");
            assert!(told.contains(&ordinal), "{own} from {from}: {told}");
        }
    }
    let keeps = |greeting: &str| {
        for own in ["db-0", "db-1"] {
            let note = inside(&place, own, "cat /data/note; echo $GREETING");
            assert_eq!(note, format!("note of {own}\n{greeting}"));
        }
    };
    let before = pods(&place);
    place.deploy(&spec("two", "")).ok();
    keeps("two");
    clerks_last(&[
        "4321",
        "4400",
        "a book of the image",
        "filed by one",
        "filed by two",
    ]);
    let seeds = runs(&place, "seed", "job");
    assert_eq!(seeds.len(), 2, "{seeds:#?}");
    let first = runs(&place, "first", "job");
    assert_eq!(first.len(), 1, "{first:#?}");
    assert_eq!(first[0]["exit"]["last_lines"][0], "first after one");
    let jobs = place.cluster.objects("jobs", &place.namespace);
    let of_first = |job: &&Value| job["metadata"]["labels"]["pluvio.io/component"] == "first";
    assert_eq!(jobs.iter().filter(of_first).count(), 1, "{jobs:#?}");
    let two = pods(&place);
    assert!(two.iter().all(|pod| !before.contains(pod)), "{two:?}");

    // An update that never becomes ready, in the middle of it, and back; the first was not touched.
    let failed = place.deploy(&spec("three", "      FAIL: probe\n"));
    failed.problem(1, "release.not-ready");
    place.until("it is as it was", || {
        let status = place.ok(&["status"]);
        status["operation"].is_null() && status["status"] == "running"
    });
    keeps("two");
    let back = pods(&place);
    assert_eq!(back[0], two[0]);
    assert_eq!(back[1].1, two[1].1);
    place.ok(&["rollback", "r1"]);
    keeps("one");
    place.ok(&["scale", "db=1"]);
    place.ok(&["scale", "db=2"]);
    keeps("one");

    // By hand.
    let asked = place.ok(&["trigger", "report"]);
    assert_eq!(asked["kind"], "asked");
    assert_eq!(asked["state"], "succeeded", "{asked:#}");
    assert_eq!(asked["exit"]["last_lines"][0], "report of night");
    place
        .cli(&["trigger", "db", "--json"])
        .problem(4, "refused");

    // By the clock: one that is at work still keeps the next from beginning, but where it may.
    wait::until_true("one begins beside another", FIRINGS, || {
        overlap(&runs(&place, "many", "schedule"))
    });
    place.until("the slow one is over", || {
        let all = runs(&place, "slow", "schedule");
        all.iter().any(|run| run["state"] == "succeeded")
    });
    let all = runs(&place, "slow", "schedule");
    assert!(!overlap(&all), "{all:#?}");
    let run = all.iter().find(|run| run["state"] == "succeeded").unwrap();
    assert!(run["scheduled_at"].is_string(), "{run:#}");
    assert_eq!(run["exit"]["last_lines"][1], "done", "{run:#}");
    let name = run["instance"].as_str().unwrap();
    let said = place.cli(&["logs", "--instance", name]).stdout;
    assert!(said.contains("report of night"), "{said}");
    place.end();
    // Data stay until somebody lets them go.
    let claims = place
        .cluster
        .objects("persistentvolumeclaims", &place.namespace);
    assert_eq!(claims.len(), 3, "{claims:#?}");
}
