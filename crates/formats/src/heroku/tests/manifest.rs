//! `heroku.yml`, alone and beside the others.

use super::super::*;
use super::shown;

const WHOLE: &str = "\
setup:
  addons:
    - plan: heroku-postgresql:mini
      as: MAIN
      options: { version: 16 }
    - plan: sendgrid
  config:
    S3_BUCKET: my-example-bucket
    WORKERS: 2
build:
  docker:
    web: Dockerfile
    worker: ./worker/Dockerfile.worker
    tools: tools/Dockerfile
  config:
    RAILS_ENV: production
release:
  image: worker
  command:
    - ./migrate.sh
    - ./seed.sh
run:
  web: bundle exec puma -p $PORT
  worker:
    command: [python worker.py]
  asset-syncer:
    command: python sync.py
    image: tools
";

fn manifest(text: &str) -> Files<'_> {
    Files {
        manifest: Some(text),
        ..Files::default()
    }
}

#[test]
fn images_are_built_and_processes_run_them() {
    expect_test::expect![[r#"
        apiVersion: pluvio/v1
        name: shop
        components:
          postgres:
            kind: database
            database: postgres@16
          web:
            source: { path: . }
            build:
              builder: dockerfile
              args:
                RAILS_ENV: production
            command: exec bundle exec puma -p $PORT
            env:
              S3_BUCKET: "${settings.S3_BUCKET}"
              WORKERS: "${settings.WORKERS}"
            uses:
              - { component: postgres, as: MAIN }
          worker:
            source: { path: worker }
            build:
              builder: dockerfile
              dockerfile: Dockerfile.worker
              args:
                RAILS_ENV: production
            command: [python, worker.py]
            instances: 0
            env:
              S3_BUCKET: "${settings.S3_BUCKET}"
              WORKERS: "${settings.WORKERS}"
            uses:
              - { component: postgres, as: MAIN }
            release: { command: ./migrate.sh && ./seed.sh }
            routes: []
          asset-syncer:
            source: { path: tools }
            build:
              builder: dockerfile
              args:
                RAILS_ENV: production
            command: [python, sync.py]
            instances: 0
            env:
              S3_BUCKET: "${settings.S3_BUCKET}"
              WORKERS: "${settings.WORKERS}"
            uses:
              - { component: postgres, as: MAIN }
            routes: []
        settings:
          S3_BUCKET: { default: my-example-bucket }
          WORKERS: { default: "2" }
        adapted heroku.yml:3 setup.addons[0]: It becomes the database `postgres`, postgres@16, its address in MAIN_URL; the plan `mini` says nothing here.
        refused heroku.yml:6 setup.addons[1]: The add-on `sendgrid` is a service of somebody else.
        adapted heroku.yml:19 release.command: Its lines run one after the other; where one fails, those after it do not run.
        adapted heroku.yml:17 release: It runs before the instances of each release start; where it fails, the release does.
        adapted heroku.yml:24 worker: As on Heroku it does not run until it is scaled.
        adapted heroku.yml:26 asset-syncer: As on Heroku it does not run until it is scaled.
    "#]].assert_eq(&shown(manifest(WHOLE), &[]));
}

#[test]
fn without_a_run_section_images_run_what_their_dockerfiles_say() {
    let text = "build:\n  docker:\n    web: app/Dockerfile\n    worker: Dockerfile\n    release: Dockerfile.release\nrelease:\n  image: web\n  command: migrate\n";
    expect_test::expect![[r#"
        apiVersion: pluvio/v1
        name: shop
        components:
          web:
            source: { path: app }
            build: { builder: dockerfile }
            release:
              command: [migrate]
          worker:
            source: { path: . }
            build: { builder: dockerfile }
            instances: 0
            routes: []
        adapted heroku.yml:6 release: It runs before the instances of each release start; where it fails, the release does.
        adapted heroku.yml:4 worker: As on Heroku it does not run until it is scaled.
    "#]].assert_eq(&shown(manifest(text), &[]));
}

#[test]
fn beside_the_others_it_says_what_runs_and_they_say_the_rest() {
    let files = Files {
        procfile: Some("web: ruby server.rb\nclock: ruby clock.rb\n"),
        app_json: Some(
            r#"{
  "name": "shop",
  "env": { "A": "theirs", "B": { "required": true }, "C": { "description": "c" } },
  "addons": ["heroku-postgresql", "heroku-redis"],
  "formation": { "web": { "quantity": 2 }, "clock": { "quantity": 1 } },
  "scripts": { "postdeploy": "seed" },
  "cron": [{ "command": "report", "schedule": "@daily" }]
}"#,
        ),
        manifest: Some(
            "setup:\n  addons: [{ plan: heroku-postgresql }]\n  config: { A: ours, B: b }\nbuild:\n  docker: { web: web/Dockerfile }\nrun:\n  web: serve\n",
        ),
    };
    let given = [("C".to_owned(), "given".to_owned())];
    expect_test::expect![[r#"
        apiVersion: pluvio/v1
        name: shop
        components:
          postgres:
            kind: database
            database: postgres@17
          redis:
            kind: database
            database: redis@8.0
          web:
            source: { path: web }
            build: { builder: dockerfile }
            command: [serve]
            instances: 2
            env:
              B: "${settings.B}"
              A: "${settings.A}"
              C: "${settings.C}"
            uses:
              - { component: postgres, as: DATABASE }
              - { component: redis, as: REDIS }
          postdeploy:
            kind: job
            source: { path: web }
            build: { builder: dockerfile }
            once: true
            command: [seed]
            env:
              B: "${settings.B}"
              A: "${settings.A}"
              C: "${settings.C}"
            uses:
              - { component: postgres, as: DATABASE }
              - { component: redis, as: REDIS }
              - web
          cron-1:
            kind: cron
            source: { path: web }
            build: { builder: dockerfile }
            schedule: { cron: 0 0 * * *, overlap: true }
            command: [report]
            env:
              B: "${settings.B}"
              A: "${settings.A}"
              C: "${settings.C}"
            uses:
              - { component: postgres, as: DATABASE }
              - { component: redis, as: REDIS }
        settings:
          B: { default: b }
          A: { default: theirs }
          C: { default: given, message: c }
        ignored Procfile:1 web: heroku.yml says what runs, and counts instead of the Procfile.
        ignored Procfile:2 clock: heroku.yml says what runs, and counts instead of the Procfile.
        adapted heroku.yml:2 setup.addons[0]: It becomes the database `postgres`, postgres@17, its address in DATABASE_URL.
        ignored heroku.yml:3 setup.config.A: app.json gives it too, and counts.
        ignored app.json:4 addons[0]: heroku.yml has it, as DATABASE.
        adapted app.json:4 addons[1]: It becomes the database `redis`, redis@8.0, its address in REDIS_URL.
        adapted app.json:6 scripts.postdeploy: It becomes the job `postdeploy`: after `web` is ready, once in the application's life. Where it fails the release does, and the next one runs it again.
        refused app.json:5 formation.clock: There is no process `clock`.
        adapted app.json:7 cron[0]: It becomes the component `cron-1`.
    "#]].assert_eq(&shown(files, &given));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let text = "\
build:
  docker:
    web: ../Dockerfile
    worker: [a]
    clock: Dockerfile
  pack: {}
run:
  web: { command: [], imag: x }
  worker: { command: a, image: clok }
  other: b
  release: migrate
release: migrate
setup:
  addons: heroku-redis
  config: { '1 2': a, X: [b], Y: }
  stack: x
bild: {}
";
    expect_test::expect![[r#"
        apiVersion: pluvio/v1
        name: shop
        components:
          web:
            source: { path: . }
            build: { builder: dockerfile }
          worker:
            source: { path: . }
            build: { builder: dockerfile }
            command: [a]
            instances: 0
            routes: []
          other:
            source: { path: . }
            build: { builder: dockerfile }
            command: [b]
            instances: 0
            routes: []
          clock:
            source: { path: . }
            build: { builder: dockerfile }
            instances: 0
            routes: []
        refused heroku.yml:6 build.pack: There is no key `pack` here.
        refused heroku.yml:15 setup.config.1 2: `1 2` is not a name of a variable.
        ignored heroku.yml:15 setup.config.Y: It has no value and is left out.
        refused heroku.yml:16 setup.stack: There is no key `stack` here.
        refused heroku.yml:17 bild: There is no key `bild` here.
        ignored heroku.yml:8 run.web.command: It names no command and counts as absent.
        refused heroku.yml:8 run.web.imag: There is no key `imag` here.
        refused heroku.yml:11 run.release: What runs before each release is no process.
        adapted heroku.yml:9 worker: As on Heroku it does not run until it is scaled.
        adapted heroku.yml:10 other: As on Heroku it does not run until it is scaled.
        adapted heroku.yml:5 clock: As on Heroku it does not run until it is scaled.
        spec.invalid heroku.yml:3 build.docker.web: `../Dockerfile` is no file in the source.
        spec.invalid heroku.yml:4 build.docker.worker: It is not a text.
        spec.invalid heroku.yml:12 release: `release` is not a map.
        spec.invalid heroku.yml:14 setup.addons: `addons` is not a list.
        spec.invalid heroku.yml:15 setup.config.X: It is not a text.
        spec.invalid heroku.yml:8 run.web: No image is built for the process `web`.
        spec.invalid heroku.yml:9 run.worker.image: There is no image `clok` under `build.docker`.
        spec.invalid heroku.yml:9 run.worker: No image is built for the process `worker`.
        spec.invalid heroku.yml:10 run.other: No image is built for the process `other`.
    "#]]
    .assert_eq(&shown(manifest(text), &[]));
    let broken = shown(manifest("build:\n  docker: {\nrun: [\n"), &[]);
    assert!(broken.contains("heroku.yml:"), "{broken}");
}

#[test]
fn a_task_runs_in_the_image_of_a_process() {
    let text = "build:\n  docker: { web: Dockerfile, migrate: tools/Dockerfile, worker: w/Dockerfile }\nrelease:\n  image: migrate\n  command: x\nrun:\n  web: a\n  worker: { command: b, image: web }\n";
    let told = shown(manifest(text), &[]);
    // `migrate` is an image that nothing else names, so it is a process, too, until that is scaled.
    assert!(
        told.contains("  migrate:\n    source: { path: tools }"),
        "{told}"
    );
    assert!(told.contains("release:\n      command: [x]"), "{told}");
    let others = text.replace("run:\n", "run:\n  migrate: { command: c, image: web }\n");
    let told = shown(manifest(&others), &[]);
    assert!(
        told.contains("refused heroku.yml:4 release.image: No process runs the image `migrate`"),
        "{told}"
    );
}

#[test]
fn removing_any_one_key_changes_the_specification_or_the_report() {
    let outcome = |text: &str| {
        let mut import = read(manifest(text), None, None, &[]);
        for row in &mut import.report {
            row.line = None;
        }
        for problem in &mut import.errors {
            problem.at = None;
        }
        (import.spec, import.report, import.errors)
    };
    let node = crate::yaml::read(WHOLE, &Limits::default()).unwrap();
    let before = outcome(WHOLE);
    assert_eq!(before.2, []);
    let mut lines = Vec::new();
    keys(&node, &mut lines);
    assert!(lines.len() > 20, "{}", lines.len());
    for (at, key) in lines {
        let less = without(WHOLE, at, &key);
        assert_ne!(
            outcome(&less),
            before,
            "{key} is dropped in silence:\n{less}"
        );
    }
}

fn keys(node: &Node, found: &mut Vec<(crate::yaml::Position, String)>) {
    for entry in node.entries() {
        found.push((entry.key_at, entry.key.clone()));
        keys(&entry.value, found);
    }
    if let Value::List(items) = &node.value {
        for item in items {
            keys(item, found);
        }
    }
}

/// The text without a key and what is below it.
fn without(text: &str, at: crate::yaml::Position, key: &str) -> String {
    let (line, column) = (at.line as usize - 1, at.column as usize - 1);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut end = line + 1;
    while end < lines.len() && indent(&lines[end]) > column {
        end += 1;
    }
    let own = lines[line].clone();
    let inside = own[..column].contains('{');
    if inside {
        let rest = &own[column..];
        let stop = rest
            .find(',')
            .map_or(rest.find('}').unwrap(), |comma| comma + 1);
        lines[line] = format!("{}{}", &own[..column], &rest[stop..]);
    } else if own[..column].contains('-') {
        // The first key of an item: those after it stay.
        lines[line] = match lines.get(line + 1).filter(|next| indent(next) == column) {
            Some(next) => {
                let kept = format!("{}{}", &own[..column], next.trim_start());
                lines.remove(line + 1);
                kept
            }
            None => format!("{}{{}}", &own[..column]),
        };
    } else {
        lines.drain(line..end);
    }
    assert!(own[column..].starts_with(key), "{own}");
    lines.join("\n")
}

#[test]
fn an_image_may_be_said_by_its_parts() {
    let shop: Name = "shop".parse().unwrap();
    let text = "build:\n  docker:\n    web: { dockerfile: app/Dockerfile, target: prod }\n";
    let import = read(manifest(text), None, Some(&shop), &[]);
    assert_eq!(import.errors, []);
    let web = &import.spec.components["web"];
    assert_eq!(web.source, Some(SourceSpec::Path("app".to_owned())));
    let build = web.build.as_ref().unwrap();
    assert_eq!(
        (build.dockerfile.as_deref(), build.target.as_deref()),
        (None, Some("prod"))
    );
    for (parts, want) in [
        ("{ target: prod }", "It names no Dockerfile."),
        ("{ dockerfile: [a] }", "It is not a text."),
    ] {
        let text = format!("build:\n  docker:\n    web: {parts}\n");
        let import = read(manifest(&text), None, Some(&shop), &[]);
        let mut errors = import.errors.iter();
        assert!(errors.any(|error| error.cause == want), "{parts}");
    }
    let text = "build:\n  docker:\n    web: { dockerfile: Dockerfile, args: { A: b } }\n";
    let import = read(manifest(text), None, Some(&shop), &[]);
    assert!(
        import
            .report
            .iter()
            .any(|row| row.at == "build.docker.web.args")
    );
}
