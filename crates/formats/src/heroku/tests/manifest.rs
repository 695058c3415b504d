//! `heroku.yml`, alone and beside the others.

use super::super::*;
use super::shown;

const WHOLE: &str = "\
setup:
  addons:
    - plan: heroku-postgresql:mini
      as: DATABASE
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
    expect_test::expect![[r#""#]].assert_eq(&shown(manifest(WHOLE), &[]));
}

#[test]
fn without_a_run_section_images_run_what_their_dockerfiles_say() {
    let text = "build:\n  docker:\n    web: app/Dockerfile\n    worker: Dockerfile\n    release: Dockerfile.release\nrelease:\n  image: web\n  command: migrate\n";
    expect_test::expect![[r#""#]].assert_eq(&shown(manifest(text), &[]));
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
    expect_test::expect![[r#""#]].assert_eq(&shown(files, &given));
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
    expect_test::expect![[r#""#]].assert_eq(&shown(manifest(text), &[]));
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
    assert!(told.contains("release: { command: [x] }"), "{told}");
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
