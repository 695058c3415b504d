//! The same application on a real Kubernetes (BX-01, RB-01): a cluster is added, an environment placed on it, and everything that
//! is done to an application is done to it there.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use pluvio_tests::cluster::{Cluster, Door};
use pluvio_tests::faults::{self, Faults};
use pluvio_tests::place::{Place, SOON};
use pluvio_tests::{Engine, Pluvio, app, wait};
use serde_json::Value;

/// The application `hello` there, and what is asked of it.
struct Scene(Place);

impl Deref for Scene {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.0
    }
}

impl DerefMut for Scene {
    fn deref_mut(&mut self) -> &mut Place {
        &mut self.0
    }
}

impl Scene {
    fn start(cluster: Cluster, kubeconfig: &str, base: &str) -> Scene {
        Scene(Place::reached_by(cluster, kubeconfig, base, APP))
    }

    /// A command about the application.
    #[track_caller]
    fn on(&self, words: &[&str]) -> Value {
        let which = ["-a", APP, "-e", &self.environment, "--json"];
        self.pluvio.cli(&[words, &which].concat()).ok()
    }

    #[track_caller]
    fn says(&self, text: &str) {
        self.until(&format!("it says {text}"), || {
            self.get("web", "/").is_ok_and(|body| body.contains(text))
        });
    }

    /// Everything goes, in the order that a user would let it go.
    #[track_caller]
    fn end(&self) {
        self.0.end();
        let remove = ["cluster", "remove", "kube", "--yes", "--json"];
        self.pluvio.cli(&remove).problem(4, "refused");
        let words = ["environment", "delete", &self.environment, "--json"];
        self.pluvio.cli(&words).ok();
        self.pluvio.cli(&remove).ok();
        let listed = self.pluvio.cli(&["cluster", "list", "--json"]).ok();
        assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
        // Nothing of it stays, and who did it is known.
        for namespace in [&self.home, &self.namespace] {
            wait::until_true("the namespace goes", SOON, || {
                self.cluster
                    .try_kubectl(&["get", "namespace", namespace])
                    .is_err()
            });
        }
        let role = self.cluster.kubectl(&["get", "clusterroles", "-o", "name"]);
        assert!(!role.contains(&self.home), "{role}");
        let log = self.pluvio.cli(&["audit", "--all", "--json"]);
        for verb in ["added", "leaving", "removed"] {
            assert!(log.stdout.contains(verb), "{verb} is not in {log:?}");
        }
    }
}

const APP: &str = "hello";

/// The application; its program takes no notice of being told to end.
fn yaml(greeting: &str, instances: u32) -> String {
    app::yaml("hello", greeting, instances, "")
        .replace("drain: 5s", "drain: 1s, grace: 1s, deadline: 60s")
}

fn kubeconfig(cluster: &Cluster) -> String {
    std::fs::read_to_string(&cluster.kubeconfig).expect("the kubeconfig")
}

#[test]
fn bx01_an_application_runs_on_a_cluster_as_on_the_engine() {
    let cluster = Cluster::shared();
    let kubeconfig = kubeconfig(&cluster);
    let scene = Scene::start(cluster, &kubeconfig, "bx01");
    scene.deploy(&yaml("one", 2)).ok();
    scene.says("one");
    assert_eq!(scene.on(&["status"])["instances_ready"], 2);

    // Another application in the same environment.
    let second = yaml("second", 1).replace("name: hello", "name: neighbour");
    scene.deploy(&second).ok();
    let words = ["delete", "-a", "neighbour", "-e", &scene.environment];
    scene
        .pluvio
        .cli(&[&words[..], &["--yes", "--json"]].concat())
        .ok();

    // Configuration, scale, restart, rollback, power.
    scene.on(&["config", "set", "GREETING=two"]);
    scene.says("two");
    scene.on(&["scale", "web=3"]);
    assert_eq!(scene.on(&["status"])["instances_ready"], 3);
    scene.on(&["rollback"]);
    scene.on(&["rollback", "r1"]);
    scene.says("one");
    scene.on(&["stop"]);
    scene.has_no_pods();
    scene.on(&["start"]);
    scene.says("one");

    // What it says, and a command inside.
    let which = ["-a", APP, "-e", &scene.environment];
    let logs = [&["logs", "--tail", "50"][..], &which].concat();
    let logs = scene.pluvio.cli(&logs);
    assert!(!logs.stdout.is_empty(), "{logs:?}");
    let command = ["--", "cat", "/proc/1/cmdline"];
    let ran = [&["exec"][..], &which, &command].concat();
    let ran = scene.pluvio.cli(&ran);
    assert!(ran.stdout.contains("/serve"), "{ran:?}");

    // A release that never becomes ready leaves the old one serving.
    let broken = yaml("three", 2)
        .replace("  GREETING: three", "  GREETING: three\n  FAIL: probe")
        .replace("deadline: 60s", "deadline: 15s");
    let failed = scene.deploy(&broken);
    failed.problem(1, "release.not-ready");
    scene.says("one");
    scene.end();
}

#[test]
fn a_cluster_that_is_away_is_told_of_and_holds_up_nobody() {
    let cluster = Cluster::shared();
    let door = Door::to(cluster.server());
    let kubeconfig = cluster.behind(&door);
    let mut scene = Scene::start(cluster, &kubeconfig, "away");
    scene.deploy(&yaml("one", 1)).ok();
    door.shut();
    wait::until_true("it is told of", SOON, || {
        let listed = scene.pluvio.cli(&["cluster", "list", "--json"]).ok();
        let kube = &listed[1];
        let told = &kube["problem"]["remedy"];
        kube["state"] == "away" && kube["since"].is_string() && told.is_string()
    });
    let status = scene.on(&["status"]);
    assert_eq!(status["status"], "unknown", "{status:#}");
    let note = status["status_note"].as_str().unwrap();
    assert!(note.contains("does not answer since"), "{note}");

    // The engine goes on.
    let local = scene.pluvio.name("local");
    scene.pluvio.deploy(&app::yaml(&local, "here", 1, "")).ok();
    scene.pluvio.until_serves(&local, "/", "here", SOON);

    // What is asked meanwhile is done when it is back, also by a control that was started in between.
    scene.on(&["scale", "web=2", "--no-wait"]);
    scene.pluvio.kill("control");
    scene.pluvio.up(&[]).ok();
    door.open();
    wait::until_true("it is there again", SOON, || {
        scene.on(&["status"])["instances_ready"] == 2
    });
    scene.end();
}

#[test]
fn d9_a_copy_goes_from_the_engine_to_a_cluster_and_back() {
    let cluster = Cluster::shared();
    let kubeconfig = kubeconfig(&cluster);
    let scene = Scene::start(cluster, &kubeconfig, "d9");
    let pluvio = &scene.pluvio;
    let local = pluvio.name("here");
    let spec = yaml("one", 1).replace("name: hello", &format!("name: {local}"));
    pluvio.deploy(&spec).ok();
    let copy = [
        "copy",
        "-a",
        &local,
        "--to",
        &scene.environment,
        "--as",
        APP,
    ];
    pluvio.cli(&[&copy[..], &["--json"]].concat()).ok();
    scene.says("one");
    scene.on(&["config", "set", "GREETING=there"]);
    scene.says("there");
    let back = pluvio.name("back");
    scene.on(&["copy", "--to", "production", "--as", &back]);
    pluvio.until_serves(&back, "/", "there", SOON);
    // The first one is as it was.
    pluvio.until_serves(&local, "/", "one", SOON);
    scene.end();
}

#[test]
fn a_release_that_cannot_start_says_why_and_holds_up_no_later_one() {
    let cluster = Cluster::shared();
    let kubeconfig = kubeconfig(&cluster);
    let scene = Scene::start(cluster, &kubeconfig, "stuck");
    // What would be built here nobody could pull.
    let folder = scene.pluvio.write("site/index.html", "hello");
    let folder = std::path::Path::new(&folder).parent().unwrap();
    let words = ["deploy", folder.to_str().unwrap(), "-e", &scene.environment];
    let built = scene.pluvio.cli(&[&words[..], &["--json"]].concat());
    built.problem(1, "images.not-served");
    // A program that is not in the image.
    let missing = yaml("one", 1).replace("command: [/serve]", "command: [/nowhere]");
    let failed = scene.deploy(&missing);
    assert_eq!(failed.exit, 1, "{failed:?}");
    let problem = failed.json();
    assert!(
        problem["cause"].as_str().unwrap().contains("/nowhere"),
        "{problem}"
    );
    scene.deploy(&yaml("two", 1)).ok();
    scene.says("two");
    scene.end();
}

/// What a running deploy is hindered by, as soon as it is told.
#[track_caller]
fn hindrance(scene: &Scene, yaml: &str) -> (String, Value) {
    let file = scene.pluvio.write("app.yaml", yaml);
    let words = ["deploy", &file, "-e", &scene.environment];
    let asked = scene
        .pluvio
        .cli(&[&words[..], &["--no-wait", "--json"]].concat())
        .ok();
    let id = asked["id"].as_str().expect("an operation").to_owned();
    let mut told = Value::Null;
    // Three times what is promised, for machines that do more than this.
    wait::until_true(
        "it is told what hinders it",
        Duration::from_secs(30),
        || {
            let operation = scene.pluvio.cli(&["operation", "show", &id, "--json"]).ok();
            assert!(operation["outcome"].is_null(), "{operation:#}");
            told = operation["hindrance"].clone();
            told.is_object()
        },
    );
    for part in ["title", "cause", "remedy", "help"] {
        assert!(
            told[part].as_str().is_some_and(|text| !text.is_empty()),
            "{told}"
        );
    }
    (id, told)
}

#[test]
fn what_hinders_a_release_is_told_while_it_is_tried_again() {
    let cluster = Cluster::shared();
    let kubeconfig = kubeconfig(&cluster);
    let scene = Scene::start(cluster, &kubeconfig, "hindered");
    scene.deploy(&yaml("one", 1)).ok();
    let space = ["-n", &scene.namespace];
    let kubectl = |words: &[&str]| scene.cluster.kubectl(&[words, &space].concat());

    // No room beside the old instance, until the quota is raised.
    kubectl(&["create", "quota", "few", "--hard=pods=1"]);
    let (id, told) = hindrance(&scene, &yaml("two", 1));
    assert_eq!(told["code"], "cluster.quota", "{told}");
    scene.says("one");
    kubectl(&["delete", "quota", "few"]);
    scene.says("two");
    let log = scene.pluvio.cli(&["operation", "follow", &id]);
    assert!(format!("{log:?}").contains("The quota few"), "{log:?}");
    wait::until_true("it has ended well", SOON, || {
        let ended = scene.pluvio.cli(&["operation", "show", &id, "--json"]).ok();
        assert!(
            ended["outcome"].is_null() || ended["hindrance"].is_null(),
            "{ended:#}"
        );
        ended["outcome"]["outcome"] == "succeeded"
    });

    // A release task that the cluster does not take.
    let task = yaml("three", 1).replace("env:", "release: { command: [\"true\"] }\nenv:");
    kubectl(&["create", "quota", "few", "--hard=pods=1"]);
    let (id, told) = hindrance(&scene, &task);
    assert_eq!(told["code"], "cluster.quota", "{told}");
    kubectl(&["delete", "quota", "few"]);
    scene.says("three");
    wait::until_true("it has ended well", SOON, || {
        let ended = scene.pluvio.cli(&["operation", "show", &id, "--json"]).ok();
        ended["outcome"]["outcome"] == "succeeded"
    });

    // A program that ends again and again: told after the first end, given up after the third.
    let crashing = yaml("four", 1).replace(
        "command: [/serve]",
        "command: [sh, -c, \"echo no table; exit 3\"]",
    );
    let (id, told) = hindrance(&scene, &crashing);
    assert_eq!(told["code"], "release.exited", "{told}");
    assert!(told.to_string().contains("no table"), "{told}");
    wait::until_true("it has failed", SOON, || {
        let ended = scene.pluvio.cli(&["operation", "show", &id, "--json"]).ok();
        ended["outcome"]["problem"]["code"] == "release.exited"
    });
    scene.says("three");
    scene.end();
}

#[test]
fn a_wrong_kubeconfig_is_refused_and_nothing_is_kept() {
    let cluster = Cluster::shared();
    let pluvio = Pluvio::start(Engine::docker());
    let text = kubeconfig(&cluster);
    let add = |text: &str, more: &[&str]| {
        let file = pluvio.write("kubeconfig", text);
        let words = [
            &["cluster", "add", "kube", "--kubeconfig", &file, "--json"],
            more,
        ]
        .concat();
        pluvio.cli(&words)
    };
    add("no yaml: [", &[]).problem(2, "request.invalid");
    add(&text, &["--context", "another"]).problem(2, "request.invalid");
    let door = Door::to(cluster.server());
    door.shut();
    add(&cluster.behind(&door), &[]).problem(1, "cluster.unreachable");
    let program = "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\nclusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: a, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/true, interactiveMode: Never}}}]\n";
    add(program, &[]).problem(2, "request.invalid");
    let listed = pluvio.cli(&["cluster", "list", "--json"]).ok();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    let words = [
        "environment",
        "create",
        "lost",
        "--cluster",
        "kube",
        "--json",
    ];
    pluvio.cli(&words).problem(3, "not-found");
}

#[test]
fn everything_is_done_through_an_api_server_that_fails_and_nothing_is_left() {
    let cluster = Cluster::shared();
    let text = kubeconfig(&cluster);
    let faults = Faults::before(&text, faults::asked_for().unwrap_or(1), 15);
    let mut scene = Scene::start(cluster, &faults.kubeconfig(), "faults");
    scene.deploy(&yaml("one", 2)).ok();
    scene.says("one");
    scene.deploy(&yaml("two", 2)).ok();
    scene.says("two");
    scene.on(&["scale", "web=3"]);
    assert_eq!(scene.on(&["status"])["instances_ready"], 3);
    scene.on(&["rollback", "r1"]);
    scene.says("one");

    // Control is killed while it brings a release there.
    let file = scene.pluvio.write("app.yaml", &yaml("three", 2));
    let words = ["deploy", &file, "-e", &scene.environment, "--no-wait"];
    scene.pluvio.cli(&words);
    std::thread::sleep(Duration::from_millis(700));
    scene.pluvio.kill("control");
    scene.pluvio.up(&[]).ok();
    scene.says("three");
    // What a cluster can do is known to a control that has reached it once.
    wait::until_true("it is reached again", SOON, || {
        let listed = scene.pluvio.cli(&["cluster", "list", "--json"]).ok();
        listed[1]["state"] == "connected"
    });

    // An API server that takes connections and answers none, as one that is stopped.
    faults.hang();
    wait::until_true("it is told of", SOON, || {
        let listed = scene.pluvio.cli(&["cluster", "list", "--json"]).ok();
        listed[1]["state"] == "away" && listed[1]["since"].is_string()
    });
    let local = scene.pluvio.name("local");
    scene.pluvio.deploy(&app::yaml(&local, "here", 1, "")).ok();
    scene.on(&["config", "set", "GREETING=four", "--no-wait"]);
    faults.mend();
    scene.says("four");

    // As many releases as it takes until everything has gone wrong once.
    for number in 0..20 {
        if faults.counts().len() == faults::Fault::ALL.len() {
            break;
        }
        scene.on(&["config", "set", &format!("GREETING=more-{number}")]);
    }
    scene.end();
    eprintln!("{} requests, {:?}", faults.requests(), faults.counts());
    faults.assert_all_kinds();
}

#[test]
fn uninstalling_tells_of_a_cluster_that_is_away_and_removes_the_rest() {
    let cluster = Cluster::shared();
    let door = Door::to(cluster.server());
    let kubeconfig = cluster.behind(&door);
    let scene = Scene::start(cluster, &kubeconfig, "gone");
    scene.deploy(&yaml("one", 1)).ok();
    let local = scene.pluvio.name("local");
    scene.pluvio.deploy(&app::yaml(&local, "here", 1, "")).ok();
    door.shut();
    let words = ["uninstall", "--keep-bases", "--yes", "--json"];
    // Whoever does not want to wait ends it, and asks again.
    for signal in ["TERM", "INT"] {
        let child = scene.pluvio.spawn(&words);
        std::thread::sleep(Duration::from_secs(3));
        pluvio_tests::pluvio::signal(child.id(), signal);
        let begun = std::time::Instant::now();
        let ended = scene.pluvio.end_of(child);
        assert!(begun.elapsed() < Duration::from_secs(3), "{ended:?}");
        assert_ne!(ended.exit, 0, "{ended:?}");
    }
    let told = scene.pluvio.cli_within(&words, Duration::from_secs(120));
    let problem = told.problem(1, "cluster.unreachable").to_string();
    for word in ["kube", &scene.namespace] {
        assert!(problem.contains(word), "{word}: {problem}");
    }
    assert_eq!(scene.pluvio.made(), Vec::<String>::new());
    assert!(!scene.pluvio.data().exists(), "the data folder is left");
    // Nothing was done to the cluster.
    assert!(
        !scene
            .cluster
            .objects("deployments", &scene.namespace)
            .is_empty()
    );
}
