//! Programs that come to an end: release tasks before the instances, jobs once for each content, schedules by the clock.

use std::time::Duration;

use pluvio_tests::{Engine, Pluvio, engines, image::IMAGE, wait};
use serde_json::Value;

engines!(
    both: [a_schedule_fires_and_what_it_runs_is_kept, d5_a_task_goes_on_when_control_and_node_are_killed],
    docker: [a_release_task_runs_before_the_instances_and_once, a_job_that_runs_once_is_not_run_again_whatever_it_becomes],
    podman: [a_release_task_that_fails_leaves_the_old_release_serving, a_job_runs_before_those_that_use_it_and_again_when_it_changes],
);

/// `web` with a volume in which its release task leaves a line for each time that it ran.
fn with_task(name: &str, greeting: &str, task: &str) -> String {
    format!(
        "apiVersion: pluvio/v1
name: {name}
components:
  web:
    image: {IMAGE}
    command: [/serve]
    ports: {{ http: {{ port: 8080, protocol: http }} }}
    probes: {{ ready: {{ http: {{ path: /healthz }}, period: 200ms }} }}
    rollout: {{ drain: 2s }}
    env: {{ GREETING: {greeting} }}
    volumes: {{ /shared: {{ name: shared, access: shared }} }}
    release: {{ command: [sh, -c, \"{task}\"] }}
"
    )
}

fn runs(pluvio: &Pluvio, name: &str) -> Vec<Value> {
    let runs = pluvio.cli(&["runs", "-a", name, "--json"]).ok();
    runs.as_array().expect("a list").clone()
}

fn a_release_task_runs_before_the_instances_and_once(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("task");
    let task = "echo $GREETING >> /shared/ran; echo migrated";
    pluvio.deploy(&with_task(&name, "one", task)).ok();
    assert_eq!(pluvio.body(&name, "/file?/shared/ran"), "one\n");
    let all = runs(&pluvio, &name);
    assert_eq!(all.len(), 1, "{all:#?}");
    assert_eq!(
        (&all[0]["kind"], &all[0]["state"]),
        (&"release".into(), &"succeeded".into())
    );
    // Its output is kept with the component's.
    let logs = pluvio.cli(&["logs", "-a", &name]);
    assert!(logs.stdout.contains("migrated"), "{logs:?}");
    // Neither a scaling nor the same again runs it.
    pluvio.cli(&["scale", "2", "-a", &name, "--json"]).ok();
    pluvio.cli(&["restart", "-a", &name, "--json"]).ok();
    pluvio.deploy(&with_task(&name, "one", task)).ok();
    assert_eq!(pluvio.body(&name, "/file?/shared/ran"), "one\n");
    pluvio.deploy(&with_task(&name, "two", task)).ok();
    assert_eq!(pluvio.body(&name, "/file?/shared/ran"), "one\ntwo\n");
    // Going back runs none.
    pluvio.cli(&["rollback", "1", "-a", &name, "--json"]).ok();
    assert_eq!(pluvio.body(&name, "/").trim(), "one");
    assert_eq!(pluvio.body(&name, "/file?/shared/ran"), "one\ntwo\n");
    pluvio.end();
}

fn a_release_task_that_fails_leaves_the_old_release_serving(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("taskf");
    pluvio.deploy(&with_task(&name, "one", "true")).ok();
    let answer = pluvio.deploy(&with_task(&name, "two", "echo no such column; exit 4"));
    let problem = answer.problem(1, "release.task");
    assert!(
        problem["cause"].as_str().unwrap().contains("exit code 4"),
        "{problem:#}"
    );
    assert!(
        problem.to_string().contains("no such column"),
        "{problem:#}"
    );
    assert_eq!(pluvio.body(&name, "/").trim(), "one");
    let operation = pluvio.operation(&name);
    assert_eq!(operation["outcome"]["problem"]["code"], "release.task");
    // What did not succeed is tried again by the next release, with nothing changed.
    pluvio
        .deploy(&with_task(&name, "two", "echo no such column; exit 4"))
        .problem(1, "release.task");
    let failed = runs(&pluvio, &name);
    let failed = failed.iter().filter(|run| run["state"] == "failed");
    assert_eq!(failed.count(), 2);
    pluvio.deploy(&with_task(&name, "three", "true")).ok();
    assert_eq!(pluvio.body(&name, "/").trim(), "three");
    pluvio.end();
}

fn a_job_runs_before_those_that_use_it_and_again_when_it_changes(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("job");
    let spec = |line: &str| {
        format!(
            "{}    uses: [seed]
  seed:
    kind: job
    image: {IMAGE}
    command: [sh, -c, \"sleep 1; echo {line} >> /shared/seeds\"]
    volumes: {{ /shared: {{ name: shared, access: shared }} }}
",
            with_task(&name, "one", "cat /shared/seeds > /shared/seen")
        )
    };
    pluvio.deploy(&spec("first")).ok();
    // The job was over before the release task of what uses it began.
    assert_eq!(pluvio.body(&name, "/file?/shared/seen"), "first\n");
    pluvio.cli(&["restart", "-a", &name, "--json"]).ok();
    pluvio.deploy(&spec("first")).ok();
    assert_eq!(pluvio.body(&name, "/file?/shared/seeds"), "first\n");
    pluvio.deploy(&spec("second")).ok();
    assert_eq!(pluvio.body(&name, "/file?/shared/seeds"), "first\nsecond\n");
    assert_eq!(pluvio.status(&name)["status"], "running");
    pluvio.end();
}

fn a_job_that_runs_once_is_not_run_again_whatever_it_becomes(engine: Engine) {
    let mut pluvio = Pluvio::start(engine);
    let name = pluvio.name("once");
    let spec = |line: &str, end: &str| {
        format!(
            "{}  first:
    kind: job
    once: true
    image: {IMAGE}
    command: [sh, -c, \"cat /shared/ran /shared/seeds; echo {line} >> /shared/seeds; {end}\"]
    volumes: {{ /shared: {{ name: shared, access: shared }} }}
    uses: [web]
",
            with_task(&name, "one", "echo up >> /shared/ran")
        )
    };
    // After what it uses; one that fails is no run, and the next release tries again.
    pluvio
        .deploy(&spec("zero", "exit 3"))
        .problem(1, "release.task");
    let file = pluvio.write(
        "app.yaml",
        &spec("one", "sleep 4; echo end >> /shared/seeds"),
    );
    pluvio.cli(&["deploy", &file, "--no-wait", "--json"]).ok();
    wait::until_true("the job is at work", Duration::from_secs(40), || {
        let all = runs(&pluvio, &name);
        all.iter()
            .any(|run| run["kind"] == "job" && run["state"] == "running")
    });
    pluvio.kill("node");
    pluvio.kill("control");
    pluvio.up(&[]).ok();
    wait::until_true("the operation succeeded", Duration::from_secs(40), || {
        pluvio.operation(&name)["outcome"]["outcome"] == "succeeded"
    });
    let seeds = || pluvio.body(&name, "/file?/shared/seeds");
    assert_eq!(seeds(), "zero\none\nend\n");
    // Neither another command nor a restart nor going back runs it, also when what the node knows of runs is lost.
    pluvio.deploy(&spec("two", "true")).ok();
    pluvio.cli(&["restart", "-a", &name, "--json"]).ok();
    pluvio.cli(&["rollback", "2", "-a", &name, "--json"]).ok();
    pluvio.deploy(&spec("three", "true")).ok();
    assert_eq!(seeds(), "zero\none\nend\n");
    assert_eq!(pluvio.status(&name)["status"], "running");
    // A copy with all data has what it made; one without begins anew.
    pluvio
        .cli(&["environment", "create", "staging", "--json"])
        .ok();
    let copy = |copied: &str, data: &str| {
        let words = ["copy", "-a", &name, "--to", "staging", "--as", copied];
        pluvio
            .cli(&[&words[..], &["--with-data", data, "--json"]].concat())
            .ok();
        pluvio.body(&format!("{copied}--staging--main"), "/file?/shared/seeds")
    };
    assert_eq!(copy(&pluvio.name("oncea"), "all"), "zero\none\nend\n");
    assert_eq!(copy(&pluvio.name("onceb"), "none"), "three\n");
    pluvio.end();
}

fn a_schedule_fires_and_what_it_runs_is_kept(engine: Engine) {
    let pluvio = Pluvio::start(engine);
    let name = pluvio.name("cron");
    let spec = format!(
        "{}  report:
    kind: cron
    schedule: \"* * * * *\"
    image: {IMAGE}
    command: [sh, -c, \"echo report of $GREETING; date >> /shared/reports\"]
    env: {{ GREETING: night }}
    volumes: {{ /shared: {{ name: shared, access: shared }} }}
",
        with_task(&name, "one", "true")
    );
    pluvio.deploy(&spec).ok();
    assert_eq!(pluvio.status(&name)["status"], "running");
    // By hand, at once.
    let asked = pluvio
        .cli(&["trigger", "report", "-a", &name, "--json"])
        .ok();
    assert_eq!(
        (&asked["kind"], &asked["state"]),
        (&"asked".into(), &"succeeded".into())
    );
    assert_eq!(asked["exit"]["last_lines"][0], "report of night");
    // And by the clock, also while control is away.
    pluvio.kill("control");
    let reports = || pluvio.body(&name, "/file?/shared/reports").lines().count();
    wait::until_true("the schedule fired", Duration::from_secs(90), || {
        reports() >= 2
    });
    let mut pluvio = pluvio;
    pluvio.up(&[]).ok();
    wait::until_true(
        "the run by schedule is over",
        Duration::from_secs(20),
        || {
            let all = runs(&pluvio, &name);
            let fired = all.iter().find(|run| run["kind"] == "schedule");
            fired.is_some_and(|run| run["state"] == "succeeded")
        },
    );
    let wrong = pluvio.cli(&["trigger", "web", "-a", &name, "--json"]);
    wrong.problem(4, "refused");
    let bad = spec.replace("* * * * *", "0 0 30 2 *");
    let problem = pluvio.deploy(&bad);
    assert!(problem.stdout.contains("never fires"), "{problem:?}");
    let engine = pluvio.engine.clone();
    let installation = pluvio.installation().to_owned();
    pluvio.cli(&["delete", "-a", &name, "--yes", "--json"]).ok();
    assert!(engine.containers(&installation).is_empty());
    pluvio.end();
}

fn d5_a_task_goes_on_when_control_and_node_are_killed(engine: Engine) {
    let mut pluvio = Pluvio::start(engine);
    let name = pluvio.name("taskk");
    let task = "echo begun >> /shared/ran; sleep 6; echo done >> /shared/ran";
    let file = pluvio.write("app.yaml", &with_task(&name, "one", task));
    pluvio.cli(&["deploy", &file, "--no-wait", "--json"]).ok();
    wait::until_true("the task is at work", Duration::from_secs(40), || {
        runs(&pluvio, &name)
            .iter()
            .any(|run| run["state"] == "running")
    });
    pluvio.kill("node");
    pluvio.kill("control");
    pluvio.up(&[]).ok();
    pluvio.until_serves(&name, "/", "one", Duration::from_secs(60));
    assert_eq!(pluvio.body(&name, "/file?/shared/ran"), "begun\ndone\n");
    wait::until_true("the operation succeeded", Duration::from_secs(20), || {
        pluvio.operation(&name)["outcome"]["outcome"] == "succeeded"
    });
    assert_eq!(runs(&pluvio, &name).len(), 1);
    pluvio.end();
}
