//! What is beside a main container and before it: sidecars and init steps.

use std::time::Duration;

use pluvio_tests::engine::name_of;
use pluvio_tests::{Engine, Pluvio, both_engines, image::IMAGE, load, wait};
use serde_json::Value;

both_engines!(
    sidecars_share_loopback_and_live_with_their_instance,
    a_sidecar_finds_its_network_again_when_main_starts_again,
    a_sidecar_that_ends_fails_the_release_with_its_last_lines,
    no_request_is_lost_while_instances_with_sidecars_are_replaced,
    init_steps_run_before_main_once_for_each_instance,
    an_init_step_that_fails_leaves_the_old_release_serving,
);

/// `web` with a server beside it on port 9000, which is ready when that answers, and a watcher that asks main for its page.
fn with_sidecars(name: &str, greeting: &str, page: &str) -> String {
    format!(
        "apiVersion: pluvio/v1
name: {name}
secrets: {{ WORD: {{ generate: true }} }}
components:
  web:
    image: {IMAGE}
    command: [/serve]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 200ms }} }}
    rollout: {{ drain: 1s, grace: 1s, deadline: 40s }}
    env: {{ GREETING: {greeting} }}
    sidecars:
      beside:
        image: {IMAGE}
        command: [httpd, -f, -p, \"9000\", -h, /www]
        files:
          /www/index.html: {{ content: \"{page} of ${{GREETING}}\" }}
          /www/word: {{ content: \"${{secrets.WORD}}\" }}
        resources: {{ memory: {{ limit: 32Mi }} }}
        probes: {{ ready: {{ http: {{ path: /index.html, port: 9000 }}, period: 200ms }} }}
      watch:
        command: [sh, -c, 'while true; do echo \"main says $(wget -qO- http://127.0.0.1:8080/)\"; sleep 0.2; done']
"
    )
}

/// The containers of an application, by role: their names and ids, sorted.
fn containers(pluvio: &Pluvio, role: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = pluvio
        .engine
        .containers(pluvio.installation())
        .iter()
        .filter(|container| container["Labels"]["io.pluvio.role"] == role)
        .map(|container| {
            let id = container["Id"].as_str().unwrap_or_default();
            (name_of(container), id.to_owned())
        })
        .collect();
    found.sort();
    found
}

fn sidecar(status: &Value, name: &str) -> Value {
    let all = status["components"][0]["instances"][0]["sidecars"].clone();
    let found = all.as_array().into_iter().flatten();
    let mut found = found.filter(|one| one["name"] == name);
    found.next().cloned().unwrap_or_default()
}

fn sidecars_share_loopback_and_live_with_their_instance(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("beside");
    pluvio.deploy(&with_sidecars(&name, "one", "page")).ok();
    // Main reaches the sidecar on loopback, and the other way round.
    let page = pluvio.body(&name, "/ask?127.0.0.1:9000/index.html");
    assert_eq!(page, "page of one");
    let word = pluvio.body(&name, "/ask?127.0.0.1:9000/word");
    assert!(word.len() >= 8, "{word}");
    let said = |container: &str| {
        let words = ["logs", "-a", &name, "--container", container, "--json"];
        pluvio.cli(&words).stdout
    };
    wait::until_true(
        "the watcher's lines are kept",
        Duration::from_secs(20),
        || said("watch").contains("main says one"),
    );
    assert!(said("watch").contains("\"container\":\"watch\""));
    let main = said("main");
    assert!(
        main.contains("greeting is one") && !main.contains("main says"),
        "{main}"
    );
    let instance = pluvio.status(&name)["components"][0]["instances"][0]["name"].clone();
    let instance = instance.as_str().expect("a name").to_owned();
    let all = pluvio
        .cli(&["logs", "-a", &name, "--instance", &instance])
        .stdout;
    assert!(
        all.contains("main says one") && all.contains("greeting is one"),
        "{all}"
    );
    // Into each of them.
    let inside = [
        "exec",
        "-a",
        &name,
        "--container",
        "beside",
        "--",
        "cat",
        "/www/index.html",
    ];
    assert_eq!(pluvio.cli(&inside).stdout, "page of one");
    let nobody = [
        "exec",
        "-a",
        &name,
        "--container",
        "nobody",
        "--json",
        "--",
        "true",
    ];
    let refused = pluvio.cli(&nobody);
    assert!(
        refused.stderr.contains("beside") || refused.stdout.contains("beside"),
        "{refused:?}"
    );
    // Both are told of, and what they take counts.
    let status = pluvio.status(&name);
    assert_eq!(
        sidecar(&status, "beside")["state"]["state"],
        "ready",
        "{status:#}"
    );
    assert_eq!(
        sidecar(&status, "watch")["state"]["state"],
        "ready",
        "{status:#}"
    );
    // One that is killed starts again alone.
    let mains = containers(&pluvio, "main");
    let watchers = containers(&pluvio, "sidecar");
    assert_eq!((mains.len(), watchers.len()), (1, 2));
    pluvio.engine.kill(&watchers[1].0);
    pluvio.until_status(&name, "the watcher was started again", |status| {
        sidecar(status, "watch")["restarts"] == 1
            && sidecar(status, "watch")["state"]["state"] == "ready"
    });
    assert_eq!(containers(&pluvio, "main"), mains);
    assert_eq!(
        pluvio.status(&name)["components"][0]["instances"][0]["restarts"],
        0
    );
    // One that is removed is made anew.
    pluvio.engine.request(
        "DELETE",
        &format!("/containers/{}?force=true", watchers[0].0),
        None,
    );
    wait::until_true(
        "the server beside is there again",
        Duration::from_secs(30),
        || {
            pluvio
                .get(&name, "/ask?127.0.0.1:9000/index.html")
                .is_ok_and(|reply| reply.status == 200)
        },
    );
    // What a sidecar is belongs to the content: another page, other instances.
    pluvio.deploy(&with_sidecars(&name, "one", "other")).ok();
    let page = pluvio.body(&name, "/ask?127.0.0.1:9000/index.html");
    assert_eq!(page, "other of one");
    let now = (
        containers(&pluvio, "main"),
        containers(&pluvio, "sidecar").len(),
    );
    assert_eq!((now.0.len(), now.1), (1, 2), "{now:?}");
    assert_ne!(now.0, mains);
    // Back to the first.
    pluvio.cli(&["rollback", "1", "-a", &name, "--json"]).ok();
    let page = pluvio.body(&name, "/ask?127.0.0.1:9000/index.html");
    assert_eq!(page, "page of one");
    pluvio.cli(&["stop", "-a", &name, "--json"]).ok();
    assert!(containers(&pluvio, "sidecar").is_empty());
    pluvio.end();
}

fn a_sidecar_finds_its_network_again_when_main_starts_again(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("again");
    pluvio.deploy(&with_sidecars(&name, "one", "page")).ok();
    let mains = containers(&pluvio, "main");
    for times in 1..=2 {
        pluvio.engine.kill(&mains[0].0);
        pluvio.until_status(&name, "main was started again", |status| {
            let instance = &status["components"][0]["instances"][0];
            instance["restarts"] == times && instance["state"]["state"] == "ready"
        });
        assert_eq!(
            pluvio.body(&name, "/ask?127.0.0.1:9000/index.html"),
            "page of one"
        );
    }
    // Also when it is done behind Pluvio's back, and while the node is away.
    pluvio.engine.request(
        "POST",
        &format!("/containers/{}/restart?t=1", mains[0].0),
        None,
    );
    wait::until_true(
        "the sidecar is in the new network",
        Duration::from_secs(30),
        || {
            pluvio
                .get(&name, "/ask?127.0.0.1:9000/index.html")
                .is_ok_and(|reply| reply.status == 200)
        },
    );
    assert_eq!(containers(&pluvio, "main"), mains);
    assert_eq!(containers(&pluvio, "sidecar").len(), 2);
    pluvio.end();
}

fn a_sidecar_that_ends_fails_the_release_with_its_last_lines(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("ends");
    pluvio.deploy(&with_sidecars(&name, "one", "page")).ok();
    let broken = with_sidecars(&name, "two", "page").replace(
        "command: [sh, -c, 'while true;",
        "command: [sh, -c, 'echo no place to write to; exit 4; while true;",
    );
    let problem = pluvio.deploy(&broken).problem(1, "release.exited");
    let told = problem.to_string();
    assert!(
        told.contains("sidecar watch") && told.contains("exit code 4"),
        "{told}"
    );
    assert!(told.contains("no place to write to"), "{told}");
    assert_eq!(pluvio.body(&name, "/").trim(), "one");
    pluvio.end();
}

fn no_request_is_lost_while_instances_with_sidecars_are_replaced(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("swap");
    pluvio.deploy(&with_sidecars(&name, "one", "page")).ok();
    let host = format!("{name}.localhost");
    let closed = load::closed(
        pluvio.gateway_port(),
        &host,
        "/ask?127.0.0.1:9000/index.html",
        4,
    );
    pluvio.deploy(&with_sidecars(&name, "two", "page")).ok();
    pluvio.cli(&["scale", "2", "-a", &name, "--json"]).ok();
    pluvio.cli(&["restart", "-a", &name, "--json"]).ok();
    let counted = closed.end();
    assert_eq!(counted.failed, 0, "{counted:#?}");
    assert!(counted.bodies.contains_key("page of two"), "{counted:#?}");
    pluvio.end();
}

/// `web` whose page is a file that its init steps made.
fn with_init(name: &str, first: &str, second: &str) -> String {
    format!(
        "apiVersion: pluvio/v1
name: {name}
components:
  web:
    image: {IMAGE}
    command: [/serve]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 200ms }} }}
    rollout: {{ drain: 1s, grace: 1s, deadline: 30s }}
    env: {{ GREETING: {name} }}
    volumes: {{ /shared: {{ name: shared, access: shared }} }}
    init:
      first:
        image: {IMAGE}
        command: [sh, -c, '{first}']
        files: {{ /etc/step: {{ content: step }} }}
        env: {{ OF: \"${{GREETING}}\" }}
        volumes: {{ /place: {{ name: shared, access: shared }} }}
      second:
        command: [sh, -c, '{second}']
        volumes: {{ /place: {{ name: shared, access: shared }} }}
"
    )
}

fn init_steps_run_before_main_once_for_each_instance(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("init");
    let first = "sleep 0.3; echo \"$(cat /etc/step) of $OF\" >> /place/ran; echo first was here";
    pluvio
        .deploy(&with_init(&name, first, "echo second >> /place/ran"))
        .ok();
    let ran = format!("step of {name}\nsecond\n");
    assert_eq!(pluvio.body(&name, "/file?/shared/ran"), ran);
    let logs = pluvio
        .cli(&["logs", "-a", &name, "--container", "first"])
        .stdout;
    assert!(logs.contains("first was here"), "{logs}");
    // A program that starts again is the same instance; another instance has its own.
    let main = containers(&pluvio, "main").remove(0).0;
    pluvio.engine.kill(&main);
    pluvio.until_status(&name, "main was started again", |status| {
        let instance = &status["components"][0]["instances"][0];
        instance["restarts"] == 1 && instance["state"]["state"] == "ready"
    });
    assert_eq!(pluvio.body(&name, "/file?/shared/ran"), ran);
    pluvio.cli(&["scale", "2", "-a", &name, "--json"]).ok();
    assert_eq!(pluvio.body(&name, "/file?/shared/ran"), ran.repeat(2));
    assert!(containers(&pluvio, "init").is_empty());
    pluvio.end();
}

fn an_init_step_that_fails_leaves_the_old_release_serving(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("initfails");
    pluvio.deploy(&with_init(&name, "true", "true")).ok();
    let broken = with_init(&name, "true", "echo no such table; exit 7");
    let problem = pluvio.deploy(&broken).problem(1, "release.exited");
    let told = problem.to_string();
    assert!(
        told.contains("init step second") && told.contains("exit code 7"),
        "{told}"
    );
    assert!(told.contains("no such table"), "{told}");
    assert_eq!(pluvio.body(&name, "/").trim(), name);
    wait::until_true("no step is left", Duration::from_secs(20), || {
        containers(&pluvio, "init").is_empty()
    });
    pluvio.end();
}
