//! Builds on real engines: every scenario runs on Docker and on Podman.

#[allow(dead_code, reason = "each file of tests uses its part")]
mod site;

use std::time::{Duration, Instant};

use indexmap::IndexMap;
use pluvio_build::plan::{
    Base, BaseName, BuildPlan, Builder as Recipe_, Cache, DockerfilePlan, Output, RunImage, Step,
    StepsPlan,
};
use pluvio_build::{BuildSource, Recipe};
use pluvio_model::problem;
use pluvio_model::spec::BuilderChoice;
use pluvio_model::stage::SecretValue;
use site::Site;

macro_rules! on_both {
    ($($scenario:ident)*) => {
        mod docker { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $scenario() { super::$scenario("docker").await })* }
        mod podman { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $scenario() { super::$scenario("podman").await })* }
    };
}

on_both! {
    steps_run_once_and_again_only_when_their_inputs_change
    deleted_files_and_results_of_other_keys_are_gone
    a_failing_step_shows_its_last_lines
    secrets_are_read_and_shown_to_nobody
    a_cancelled_build_ends_within_five_seconds
    a_cancelled_dockerfile_ends_within_five_seconds
    a_sweep_removes_what_a_crash_left
    a_sweep_leaves_what_a_living_process_is_at
    a_dockerfile_is_built_by_the_engine
    bad_dockerfiles_are_distinct_problems
    a_source_that_is_served_needs_no_container
}

fn step(name: &str, command: &str, inputs: &[&str]) -> Step {
    Step {
        name: name.to_owned(),
        command: command.to_owned(),
        inputs: inputs.iter().map(|glob| (*glob).to_owned()).collect(),
        after: Vec::new(),
        produces: Vec::new(),
        env: IndexMap::new(),
        caches: Vec::new(),
        network: false,
    }
}

/// Two steps as languages have them: dependencies by their list, then the program by all sources.
fn two_steps() -> StepsPlan {
    let mut dependencies = step(
        "dependencies",
        "mkdir -p deps && echo resolving; sed 's/^/dep /' list.txt > deps/all; date +%s%N > deps/made; chmod 600 deps/all",
        &["list.txt"],
    );
    dependencies.produces = vec!["/app/deps".to_owned()];
    dependencies.caches = vec![Cache {
        id: "test".to_owned(),
        path: "/app/deps/.cache/test".to_owned(),
    }];
    let mut build = step(
        "build",
        "mkdir -p /out/bin && cat *.txt deps/all > /out/bin/program && chmod +x /out/bin/program && ls > left-behind",
        &["**"],
    );
    build.after = vec!["dependencies".to_owned()];
    build.produces = vec!["/out/bin".to_owned()];
    StepsPlan {
        builder: Recipe_ {
            name: BuilderChoice::Static,
            version: 1,
        },
        root: ".".to_owned(),
        build_base: Some(Base::new(BaseName::Run, Some("13"))),
        steps: vec![dependencies, build],
        run_base: Base::new(BaseName::Run, Some("13")),
        outputs: vec![
            Output {
                from: "/app/deps".to_owned(),
                to: "/app/deps".to_owned(),
                exclude: vec![".cache".to_owned()],
                step: Some("dependencies".to_owned()),
            },
            Output {
                from: "/out/bin/program".to_owned(),
                to: "/app/program".to_owned(),
                exclude: Vec::new(),
                step: Some("build".to_owned()),
            },
        ],
        run: RunImage {
            command: vec!["/app/program".to_owned(), "--serve now".to_owned()],
            user: "10001:10001".to_owned(),
            working_dir: "/app".to_owned(),
            env: [(
                "GREETING".parse().unwrap(),
                "hello \"you\" $HOME".to_owned(),
            )]
            .into(),
            ports: vec![8080],
            stop_signal: Some("SIGINT".to_owned()),
        },
        secrets: Vec::new(),
    }
}

fn steps(plan: StepsPlan) -> Recipe {
    Recipe::Plan(Box::new(BuildPlan::Steps(plan)))
}

fn ran(built: &pluvio_build::BuiltImage) -> Vec<&str> {
    let ran = built.steps.iter().filter(|step| !step.cached);
    ran.map(|step| step.name.as_str()).collect()
}

async fn steps_run_once_and_again_only_when_their_inputs_change(name: &str) {
    let site = Site::new(name, "steps").await;
    site.write("list.txt", "a\nb\n");
    site.write("main.txt", "one\n");
    site.write("sub/deep/file", "x");
    let first = site.build("first", steps(two_steps())).await.unwrap();
    assert_eq!(ran(&first), ["dependencies", "build"]);
    assert!(
        first
            .reference
            .to_string()
            .starts_with("localhost/pluvio/tests/steps/web:")
    );
    let facts = &first.facts;
    assert_eq!(facts.command, ["/app/program", "--serve now"]);
    assert!(facts.entrypoint.is_empty());
    assert_eq!(facts.user.as_deref(), Some("10001:10001"));
    assert_eq!(facts.working_dir.as_deref(), Some("/app"));
    assert_eq!(facts.exposed, [8080]);
    assert_eq!(facts.env["GREETING"], "hello \"you\" $HOME");
    let program = "cat /app/program";
    assert_eq!(site.shell(&first, program).await, "a\nb\none\ndep a\ndep b");
    // Owned by root, readable by all, caches left out.
    let look = "stat -c '%a %u %g' /app/deps/all /app/program; ls -A /app/deps; id -u";
    assert_eq!(
        site.shell(&first, look).await,
        "644 0 0\n755 0 0\nall\nmade\n10001"
    );

    let again = site.build("unchanged", steps(two_steps())).await.unwrap();
    assert!(again.unchanged && again.steps.is_empty());
    assert_eq!(again.facts.id, first.facts.id);

    site.write("main.txt", "two\n");
    let changed = site
        .build("one line changed", steps(two_steps()))
        .await
        .unwrap();
    assert_eq!(ran(&changed), ["build"]);
    assert_eq!(
        site.shell(&changed, program).await,
        "a\nb\ntwo\ndep a\ndep b"
    );
    let made = "cat /app/deps/made";
    assert_eq!(
        site.shell(&changed, made).await,
        site.shell(&first, made).await
    );

    site.write("list.txt", "c\n");
    let all = site
        .build("dependencies changed", steps(two_steps()))
        .await
        .unwrap();
    assert_eq!(ran(&all), ["dependencies", "build"]);
    assert_eq!(site.shell(&all, program).await, "c\ntwo\ndep c");
    assert_eq!(site.left().await, [""; 0]);
    site.forget().await;
    let gone = site
        .engine
        .image_facts(&first.reference.to_string())
        .await
        .unwrap();
    assert!(gone.is_none());
}

async fn deleted_files_and_results_of_other_keys_are_gone(name: &str) {
    let site = Site::new(name, "deleted").await;
    site.write("list.txt", "a\n");
    site.write("main.txt", "main\n");
    site.write("zebra.txt", "zebra\n");
    site.write("odd name 'x' [1].txt", "odd\n");
    let first = site.build("first", steps(two_steps())).await.unwrap();
    let program = "cat /app/program";
    assert_eq!(
        site.shell(&first, program).await,
        "a\nmain\nodd\nzebra\ndep a"
    );
    site.remove("zebra.txt");
    site.remove("odd name 'x' [1].txt");
    let second = site
        .build("two files deleted", steps(two_steps()))
        .await
        .unwrap();
    assert_eq!(ran(&second), ["build"]);
    assert_eq!(site.shell(&second, program).await, "a\nmain\ndep a");
    // What the first build left in the workspace is no input of this one.
    let mut plan = two_steps();
    plan.steps[1].command = "mkdir -p /out/bin && ls -A > /out/bin/program".to_owned();
    let third = site.build("another command", steps(plan)).await.unwrap();
    assert_eq!(
        site.shell(&third, program).await,
        "deps\nlist.txt\nmain.txt"
    );
    site.forget().await;
}

async fn a_failing_step_shows_its_last_lines(name: &str) {
    let site = Site::new(name, "failing").await;
    site.write("list.txt", "a\n");
    let mut plan = two_steps();
    plan.steps[1].command = "echo works; echo 'no such module: left-pad' >&2; exit 4".to_owned();
    let problem = site.build("fails", steps(plan.clone())).await.unwrap_err();
    assert!(problem.is(problem::BUILD_FAILED), "{problem}");
    assert!(problem.cause.contains("exit code 4"), "{problem}");
    assert!(
        problem
            .evidence
            .contains(&"no such module: left-pad".to_owned())
    );
    assert_eq!(site.left().await, [""; 0]);
    // What was done before the failure is kept.
    let built = site.build("repaired", steps(two_steps())).await.unwrap();
    assert_eq!(ran(&built), ["build"]);
    let mut nothing = two_steps();
    nothing.steps[1].command = "true".to_owned();
    let problem = site
        .build("makes nothing", steps(nothing))
        .await
        .unwrap_err();
    assert!(
        problem.cause.contains("/out/bin/program is not there"),
        "{problem}"
    );
    site.forget().await;
}

async fn secrets_are_read_and_shown_to_nobody(name: &str) {
    let site = Site::new(name, "secrets").await;
    site.write("list.txt", "a\n");
    let mut plan = two_steps();
    plan.secrets = vec!["TOKEN".parse().unwrap()];
    plan.steps[1].command = "cat /run/secrets/TOKEN; wc -c < /run/secrets/TOKEN > length.txt; mkdir -p /out/bin; cp length.txt /out/bin/program".to_owned();
    let missing = site
        .build("without a value", steps(plan.clone()))
        .await
        .unwrap_err();
    assert!(missing.is(problem::SECRET_MISSING), "{missing}");
    let mut request = site.request(steps(plan));
    let value = SecretValue("s3cr3t-value".to_owned());
    request.secrets.insert("TOKEN".parse().unwrap(), value);
    let built = site.build_request("with it", request).await.unwrap();
    assert_eq!(
        site.shell(&built, "cat /app/program; ls /run/secrets 2>&1")
            .await
            .lines()
            .next(),
        Some("12")
    );
    let said = site.said();
    assert!(said.iter().all(|line| !line.contains("s3cr3t")), "{said:?}");
    assert!(said.iter().any(|line| line.contains("•••")), "{said:?}");
    site.forget().await;
}

/// Cancels when the log says a word, and returns how long the build took from then on.
async fn cancelled_at(site: &Site, recipe: Recipe, word: &str) -> Duration {
    let cancel = site.cancel.clone();
    let log = site.log();
    let at: std::sync::Arc<std::sync::Mutex<Option<Instant>>> = Default::default();
    let (seen, word) = (at.clone(), word.to_owned());
    let watching: pluvio_build::Log = std::sync::Arc::new(move |entry| {
        if let pluvio_build::LogEntry::Line { text, .. } = &entry
            && *text == word
        {
            seen.lock().unwrap().get_or_insert_with(Instant::now);
            cancel.cancel();
        }
        log(entry);
    });
    let problem = site
        .builder
        .build(site.request(recipe), watching)
        .await
        .unwrap_err();
    assert!(
        problem.is(problem::BUILD_CANCELLED),
        "{problem} {:?}",
        site.said()
    );
    let since = at.lock().unwrap().expect("it was cancelled by us");
    since.elapsed()
}

/// Whether a program with this in its command line runs on the machine.
fn runs(marker: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(marker)
    })
}

async fn a_cancelled_build_ends_within_five_seconds(name: &str) {
    let site = Site::new(name, "cancel").await;
    site.write("list.txt", "a\n");
    let marker = format!("1{}01", if name == "docker" { "3" } else { "4" });
    let mut plan = two_steps();
    plan.steps[0].network = true;
    plan.steps[0].command = format!("echo now; trap '' TERM; sleep {marker}");
    let took = cancelled_at(&site, steps(plan), "now").await;
    println!("{name}: cancelled in {:.2} s", took.as_secs_f64());
    assert!(took < Duration::from_secs(5));
    assert_eq!(site.left().await, [""; 0]);
    assert!(!runs(&format!("sleep\0{marker}")));
    site.forget().await;
}

async fn a_cancelled_dockerfile_ends_within_five_seconds(name: &str) {
    let site = Site::new(name, "cancel-dockerfile").await;
    let marker = format!("1{}02", if name == "docker" { "3" } else { "4" });
    let nonce = uuid::Uuid::now_v7();
    site.write(
        "Dockerfile",
        &format!("FROM localhost/pluvio/base-run:13\nRUN : {nonce}; echo now; sleep {marker}\n"),
    );
    let took = cancelled_at(&site, dockerfile("Dockerfile"), "now").await;
    println!(
        "{name}: Dockerfile cancelled in {:.2} s",
        took.as_secs_f64()
    );
    let deadline = Instant::now() + Duration::from_secs(5).saturating_sub(took);
    while runs(&format!("sleep\0{marker}")) {
        assert!(Instant::now() < deadline, "its RUN step lives on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    site.forget().await;
}

async fn a_sweep_removes_what_a_crash_left(name: &str) {
    let site = Site::new(name, "sweep").await;
    let base = Base::new(BaseName::Run, Some("13"));
    site.builder.base(&base, &[], &site.log()).await.unwrap();
    let prefix = site.builder.owner_prefix();
    let body = serde_json::json!({
        "Image": "localhost/pluvio/base-run:13", "Cmd": ["sleep", "600"], "HostConfig": { "NetworkMode": "none" },
    });
    let (ours, foreign) = (format!("{prefix}x-steps"), "pvtest-sweep-foreign");
    let _ = site.engine.remove_container(foreign).await;
    for name in [ours.as_str(), foreign] {
        site.engine.create_container(name, &body).await.unwrap();
        site.engine.start_container(name).await.unwrap();
    }
    let removed = site.builder.sweep().await.unwrap();
    assert_eq!(removed, [ours]);
    let all = site.engine.list_containers(&[]).await.unwrap();
    assert!(all.iter().any(|container| container.name == foreign));
    site.engine.remove_container(foreign).await.unwrap();
}

/// Two processes of one owner on one engine: each begins with a sweep, whatever the other is at.
async fn a_sweep_leaves_what_a_living_process_is_at(name: &str) {
    let site = Site::new(name, "two-processes").await;
    site.write("list.txt", "a\n");
    let mut plan = two_steps();
    plan.steps[1].command =
        "echo now; sleep 2; cat list.txt; mkdir -p /out/bin; cp list.txt /out/bin/program"
            .to_owned();
    let (begun, log) = (std::sync::Arc::new(tokio::sync::Notify::new()), site.log());
    let tell = begun.clone();
    let watching: pluvio_build::Log = std::sync::Arc::new(move |entry| {
        if matches!(&entry, pluvio_build::LogEntry::Line { text, .. } if text == "now") {
            tell.notify_one();
        }
        log(entry);
    });
    let build = site.builder.build(site.request(steps(plan)), watching);
    let other = async {
        begun.notified().await;
        let there = site.left().await;
        assert!(!there.is_empty(), "it runs in something");
        for other in [site.another_process(), site.process_elsewhere()] {
            assert_eq!(other.sweep().await.unwrap(), [""; 0]);
        }
        assert_eq!(site.left().await, there);
    };
    let (built, ()) = tokio::join!(build, other);
    built.unwrap();
    assert_eq!(site.left().await, [""; 0]);
    site.forget().await;
}

fn dockerfile(path: &str) -> Recipe {
    Recipe::Plan(Box::new(BuildPlan::Dockerfile(DockerfilePlan {
        root: ".".to_owned(),
        dockerfile: path.to_owned(),
        target: None,
        args: IndexMap::new(),
        secrets: Vec::new(),
        ssh: IndexMap::new(),
        contexts: IndexMap::new(),
    })))
}

async fn a_dockerfile_is_built_by_the_engine(name: &str) {
    let site = Site::new(name, "dockerfile").await;
    // The engine's builder keeps what it ran, beyond the image: only a line that is new is sure to run.
    let nonce = uuid::Uuid::now_v7();
    site.write("docker/Dockerfile.web", &format!("ARG BASE=run\nFROM localhost/pluvio/base-${{BASE}}:13 AS build\nARG WHAT=nothing\nCOPY text /text\nRUN : {nonce}; echo \"$WHAT\" >> /text && echo ran it\nFROM localhost/pluvio/base-run:13 AS web\nCOPY --from=build /text /text\nUSER 10001\nEXPOSE 9000\nCMD [\"cat\", \"/text\"]\nFROM web AS other\nUSER 0\n"));
    site.write("text", "first\n");
    site.write("ignored", "x");
    site.write(".dockerignore", "ignored\n");
    let mut plan = DockerfilePlan {
        root: ".".to_owned(),
        dockerfile: "docker/Dockerfile.web".to_owned(),
        target: Some("web".to_owned()),
        args: [("WHAT".to_owned(), "arg".to_owned())].into(),
        secrets: Vec::new(),
        ssh: IndexMap::new(),
        contexts: IndexMap::new(),
    };
    let recipe =
        |plan: &DockerfilePlan| Recipe::Plan(Box::new(BuildPlan::Dockerfile(plan.clone())));
    let built = site.build("first", recipe(&plan)).await.unwrap();
    assert_eq!(site.shell(&built, "cat /text").await, "first\narg");
    assert_eq!(built.facts.user.as_deref(), Some("10001"));
    assert_eq!(built.facts.exposed, [9000]);
    assert!(
        site.said().iter().any(|line| line == "ran it"),
        "{:?}",
        site.said()
    );
    assert!(built.sbom["components"].as_array().unwrap().len() > 20);
    let again = site.build("unchanged", recipe(&plan)).await.unwrap();
    assert!(again.unchanged);
    site.write("text", "second\n");
    let changed = site.build("one line changed", recipe(&plan)).await.unwrap();
    assert_eq!(site.shell(&changed, "cat /text").await, "second\narg");
    plan.target = Some("nope".to_owned());
    let problem = site
        .build("no such stage", recipe(&plan))
        .await
        .unwrap_err();
    assert!(
        problem.is(problem::BUILD_FAILED) && problem.cause.contains("nope"),
        "{problem}"
    );
    site.forget().await;
}

async fn bad_dockerfiles_are_distinct_problems(name: &str) {
    let site = Site::new(name, "bad-dockerfile").await;
    let missing = site
        .build("missing", dockerfile("Dockerfile"))
        .await
        .unwrap_err();
    assert!(missing.is(problem::BUILD_DOCKERFILE_MISSING), "{missing}");
    site.write(
        "Dockerfile",
        "FROM localhost/pluvio/base-run:13\nRUN echo before && echo broken >&2 && exit 3\n",
    );
    let failed = site
        .build("failing", dockerfile("Dockerfile"))
        .await
        .unwrap_err();
    assert!(failed.is(problem::BUILD_FAILED), "{failed}");
    assert!(failed.cause.contains("RUN echo before"), "{failed}");
    assert!(
        failed.evidence.contains(&"broken".to_owned()),
        "{:?}",
        failed.evidence
    );
    site.write("Dockerfile", "FROM 127.0.0.1:1/nobody/here:1\n");
    let base = site
        .build("no registry", dockerfile("Dockerfile"))
        .await
        .unwrap_err();
    assert!(base.is(problem::IMAGE_REGISTRY), "{base}");
    site.write("Dockerfile", "FORM x\n");
    let syntax = site
        .build("syntax", dockerfile("Dockerfile"))
        .await
        .unwrap_err();
    assert!(syntax.is(problem::BUILD_FAILED), "{syntax}");
}

async fn a_source_that_is_served_needs_no_container(name: &str) {
    let site = Site::new(name, "static").await;
    site.write("index.html", "<h1>hello</h1>");
    let recipe = || Recipe::Detect(Box::default());
    let built = site.build("first", recipe()).await.unwrap();
    let port = *built.facts.exposed.first().unwrap();
    assert_eq!(site.ask(&built, port, "/").await, "<h1>hello</h1>");
    site.write("index.html", "<h1>changed</h1>");
    let request = pluvio_build::BuildRequest {
        source: BuildSource::Folder(site.folder.path().to_owned()),
        ..site.request(recipe())
    };
    let built = site
        .build_request("one line changed", request)
        .await
        .unwrap();
    assert_eq!(site.ask(&built, port, "/").await, "<h1>changed</h1>");
    site.forget().await;
}
