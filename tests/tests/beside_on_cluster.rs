//! Sidecars and init steps on a real Kubernetes, and what their programs say: as on the engine (tests/beside.rs).

use pluvio_tests::image::IMAGE;
use pluvio_tests::place::Place;
use serde_json::Value;

const APP: &str = "beside";

/// `web` with a step before it and two programs beside it. `step`, `watch`: what they run.
fn spec(greeting: &str, step: &str, watch: &str) -> String {
    format!(
        "apiVersion: pluvio/v1
name: {APP}
secrets: {{ WORD: {{ generate: false }} }}
components:
  web:
    image: {IMAGE}
    command: [sh, -c, \"trap 'exit 3' TERM; /serve & wait\"]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 1s }} }}
    rollout: {{ drain: 1s, grace: 1s, deadline: 60s }}
    env: {{ GREETING: {greeting}, KEY: \"${{secrets.WORD}}\" }}
    init:
      first: {{ command: [sh, -c, '{step}'] }}
    sidecars:
      beside:
        command: [httpd, -f, -p, \"9000\", -h, /www]
        files: {{ /www/index.html: {{ content: \"page of ${{GREETING}}\" }} }}
        probes: {{ ready: {{ http: {{ path: /index.html, port: 9000 }}, period: 1s }} }}
      watch: {{ env: {{ KEY: \"${{KEY}}\" }}, command: [sh, -c, '{watch}'] }}
"
    )
}

const STEP: &str = "echo first was here";
const WATCH: &str = "echo the key is $KEY; while true; do echo \"main says $(wget -qO- http://127.0.0.1:8080/)\"; sleep 0.3; done";
const SECRET: &str = "a-word-nobody-guesses";

fn instance(place: &Place) -> Value {
    place.component("web")["instances"][0].clone()
}

fn sidecar(place: &Place, name: &str) -> Value {
    let instance = instance(place);
    let all = instance["sidecars"].as_array().cloned();
    let found = all.unwrap_or_default().into_iter();
    let mut found = found.filter(|one| one["name"] == name);
    found.next().unwrap_or_default()
}

#[test]
fn what_is_beside_a_program_runs_and_speaks_on_a_cluster_as_on_the_engine() {
    let place = Place::start(APP);
    let file = place.pluvio.write("app.yaml", &spec("one", STEP, WATCH));
    let words = ["deploy", &file, "-e", &place.environment, "--json"];
    place.pluvio.cli(&words).problem(1, "secret.missing");
    let set = ["secret", "set", "WORD", "-a", APP, "-e", &place.environment];
    let set = place.pluvio.cli_with_input(&set, SECRET);
    assert_eq!(set.exit, 0, "{set:?}");
    place.deploy(&spec("one", STEP, WATCH)).ok();
    for name in ["beside", "watch"] {
        assert_eq!(sidecar(&place, name)["state"]["state"], "ready");
    }

    // Into each of them.
    let inside = |words: &[&str]| place.cli(&[&["exec"], words].concat());
    let page = inside(&["--container", "beside", "--", "cat", "/www/index.html"]);
    assert_eq!(page.stdout, "page of one", "{page:?}");
    for main in [&["--container", "main"][..], &[]] {
        let environment = inside(&[main, &["--", "sh", "-c", "echo $GREETING"]].concat());
        assert_eq!(environment.stdout.trim(), "one", "{environment:?}");
    }
    let nobody = inside(&["--container", "nobody", "--", "true"]);
    assert!(
        nobody.stderr.contains("main, watch, beside")
            || nobody.stderr.contains("main, beside, watch"),
        "{nobody:?}"
    );
    let over = inside(&["--container", "first", "--", "true"]);
    assert!(over.stderr.contains("does not run"), "{over:?}");

    // What they say, all of them and each alone; what is secret is not shown.
    let said = |words: &[&str]| place.cli(&[&["logs"], words].concat()).stdout;
    place.until("the watcher speaks", || {
        said(&["--container", "watch"]).contains("main says one")
    });
    let all = said(&["--component", "web"]);
    for text in ["first was here", "greeting is one", "main says one"] {
        assert!(all.contains(text), "{text} is not in {all}");
    }
    assert!(all.contains("/first ") && all.contains("/watch "), "{all}");
    let main = said(&["--container", "main"]);
    assert!(
        main.contains("greeting is one") && !main.contains("main says"),
        "{main}"
    );
    assert_eq!(said(&["--container", "first"]).lines().count(), 1);
    let told = said(&["--container", "watch", "--tail", "20000"]);
    assert!(told.contains("the key is •••"), "{told}");
    assert!(!told.contains(SECRET));
    let found = said(&["--contains", "first was", "--tail", "1"]);
    assert!(found.contains("first was here"), "{found}");
    let name = instance(&place)["name"].as_str().unwrap().to_owned();
    assert!(said(&["--instance", &name]).contains("/watch "));

    // Followed, also into the next run of a program that ends; what the run before said is there too.
    let which = ["-a", APP, "-e", &place.environment];
    let follow = [
        "logs",
        "-f",
        "--container",
        "main",
        "--contains",
        "greeting",
    ];
    let followed = place.pluvio.spawn(&[&follow[..], &which].concat());
    inside(&["--", "sh", "-c", "kill -TERM 1"]);
    place.until("main was started again", || {
        let instance = instance(&place);
        instance["restarts"] == 1 && instance["state"]["state"] == "ready"
    });
    let main = said(&["--container", "main", "--contains", "greeting"]);
    assert_eq!(main.lines().count(), 2, "{main}");
    std::thread::sleep(std::time::Duration::from_secs(4));
    pluvio_tests::pluvio::signal(followed.id(), "TERM");
    let followed = followed.wait_with_output().expect("its output");
    let followed = String::from_utf8_lossy(&followed.stdout).into_owned();
    assert_eq!(followed.lines().count(), 2, "{followed}");
    assert_eq!(sidecar(&place, "watch")["restarts"], 0);

    // Steps and sidecars that fail fail the release, with what they said; the old one serves on.
    let broken = spec("two", "echo no such table; exit 7", WATCH);
    let told = place
        .deploy(&broken)
        .problem(1, "release.exited")
        .to_string();
    for text in ["init step first", "exit code 7", "no such table"] {
        assert!(told.contains(text), "{text} is not in {told}");
    }
    let broken = spec(
        "two",
        STEP,
        &format!("echo no place for $KEY; exit 4; {WATCH}"),
    );
    let told = place
        .deploy(&broken)
        .problem(1, "release.exited")
        .to_string();
    for text in ["sidecar watch", "exit code 4", "no place for •••"] {
        assert!(told.contains(text), "{text} is not in {told}");
    }
    assert_eq!(place.get("web", "/").unwrap().trim(), "one");
    place.end();
}
