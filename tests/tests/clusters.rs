//! The same application on a real Kubernetes (BX-01, RB-01): a cluster is added, an environment placed on it, and everything that
//! is done to an application is done to it there.

use std::time::Duration;

use pluvio_tests::cluster::{Cluster, Door};
use pluvio_tests::{Engine, Pluvio, app, wait};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(90);

/// A Pluvio with the cluster added as `kube`, and an environment on it. What a failed test left on the cluster goes with it.
struct Scene {
    cluster: Cluster,
    pluvio: Pluvio,
    environment: String,
    /// A cluster's namespaces are named by team and environment.
    namespace: String,
}

impl Scene {
    fn start(cluster: Cluster, kubeconfig: &str, base: &str) -> Scene {
        let pluvio = Pluvio::start(Engine::docker());
        cluster.load_image(&pluvio.engine);
        let file = pluvio.write("kubeconfig", kubeconfig);
        let add = ["cluster", "add", "kube", "--kubeconfig", &file];
        let home = format!("pluvio-{}", std::process::id());
        let more = ["--gateway", "none", "--namespace", &home, "--json"];
        let added = pluvio.cli(&[&add[..], &more].concat());
        assert_eq!(added.ok()["state"], "connected", "{added:?}");
        // Of no other run of the same test either: a namespace takes a while to go.
        let environment = format!("{base}-{}", std::process::id());
        let make = ["environment", "create", &environment, "--cluster", "kube"];
        pluvio.cli(&[&make[..], &["--json"]].concat()).ok();
        Scene {
            namespace: format!("main--{environment}"),
            cluster,
            pluvio,
            environment,
        }
    }

    /// A command about the application.
    #[track_caller]
    fn on(&self, words: &[&str]) -> Value {
        let which = ["-a", APP, "-e", &self.environment, "--json"];
        self.pluvio.cli(&[words, &which].concat()).ok()
    }

    fn deploy(&self, yaml: &str) -> pluvio_tests::Answer {
        let file = self.pluvio.write("app.yaml", yaml);
        self.pluvio
            .cli(&["deploy", &file, "-e", &self.environment, "--json"])
    }

    #[track_caller]
    fn says(&self, text: &str) {
        wait::until_true(&format!("it says {text}"), SOON, || {
            let body = self.cluster.get(&self.namespace, "hello--web:8080", "/");
            body.is_ok_and(|body| body.contains(text))
        });
    }

    #[track_caller]
    fn has_no_pods(&self) {
        wait::until_true("the pods are gone", SOON, || {
            self.cluster.objects("pods", &self.namespace).is_empty()
        });
    }

    /// Everything goes, in the order that a user would let it go.
    #[track_caller]
    fn end(&self) {
        self.on(&["delete", "--yes"]);
        self.has_no_pods();
        let remove = ["cluster", "remove", "kube", "--yes", "--json"];
        self.pluvio.cli(&remove).problem(4, "refused");
        let words = ["environment", "delete", &self.environment, "--json"];
        self.pluvio.cli(&words).ok();
        self.pluvio.cli(&remove).ok();
        let listed = self.pluvio.cli(&["cluster", "list", "--json"]).ok();
        assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
        // Nothing of it stays, and who did it is known.
        let home = format!("pluvio-{}", std::process::id());
        for namespace in [&home, &self.namespace] {
            wait::until_true("the namespace goes", SOON, || {
                self.cluster
                    .try_kubectl(&["get", "namespace", namespace])
                    .is_err()
            });
        }
        let role = self.cluster.kubectl(&["get", "clusterroles", "-o", "name"]);
        assert!(!role.contains(&home), "{role}");
        let log = self.pluvio.cli(&["audit", "--all", "--json"]);
        for verb in ["added", "leaving", "removed"] {
            assert!(log.stdout.contains(verb), "{verb} is not in {log:?}");
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let home = format!("pluvio-{}", std::process::id());
        let words = ["delete", "namespace", &self.namespace, &home];
        let more = ["--ignore-not-found", "--wait=false"];
        let _ = self.cluster.try_kubectl(&[&words[..], &more].concat());
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
