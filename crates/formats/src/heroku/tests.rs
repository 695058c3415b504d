mod manifest;

use std::fmt::Write;

use super::*;

fn shown(files: Files, given: &[(String, String)]) -> String {
    let import = read(files, None, Some(&"shop".parse().unwrap()), given);
    let mut out = crate::app::write(&import.spec);
    for row in &import.report {
        let place = format!(
            "{}:{}",
            row.file.as_deref().unwrap_or("-"),
            row.line.unwrap_or_default()
        );
        let _ = writeln!(
            out,
            "{} {place} {}: {}",
            row.outcome.as_str(),
            row.at,
            row.message
        );
    }
    for problem in &import.errors {
        let at = problem.at.clone().unwrap_or_default();
        let place = format!(
            "{}:{}",
            at.file.unwrap_or_default(),
            at.line.unwrap_or_default()
        );
        let _ = writeln!(
            out,
            "{} {place} {}: {}",
            problem.code, at.path, problem.cause
        );
    }
    out
}

#[test]
fn a_procfile_and_an_app_json_become_components() {
    let files = Files {
        procfile: Some(
            "# processes\nweb: bundle exec puma -p $PORT\nworker: bundle exec sidekiq\nclock: ruby clock.rb\nrelease: rake db:migrate && echo done\n",
        ),
        app_json: Some(
            r#"{
  "name": "Small Shop",
  "description": "A shop",
  "stack": "heroku-24",
  "env": {
    "RACK_ENV": "production",
    "SECRET_KEY_BASE": { "description": "signs cookies", "generator": "secret" },
    "PRICE": { "value": "$5", "required": false },
    "MAIL_URL": { "description": "where mail goes" },
    "OPTIONAL": { "required": false }
  },
  "formation": {
    "web": { "quantity": 2, "size": "standard-2x" },
    "worker": { "quantity": 1, "size": "giant" }
  },
  "addons": ["heroku-postgresql:mini", { "plan": "heroku-redis", "as": "CACHE", "options": { "version": "7" } }, "sendgrid"],
  "buildpacks": [{ "url": "heroku/ruby" }, { "url": "heroku/nodejs" }],
  "scripts": { "postdeploy": "rake db:seed" },
  "healthchecks": { "web": [{ "type": "readiness", "path": "/up", "attempts": 5, "timeout": 3 }] },
  "cron": [{ "command": "rake report", "schedule": "@daily", "concurrency_policy": "forbid" }],
  "environments": { "test": { "scripts": { "test": "rake" } } },
  "enviroment": {}
}"#,
        ),
        ..Files::default()
    };
    let given = [("MAIL_URL".to_owned(), "smtp://mail".to_owned())];
    expect_test::expect![[r#"
        apiVersion: pluvio/v1
        name: small-shop
        displayName: Small Shop
        components:
          postgres:
            kind: database
            database: postgres@17
          redis:
            kind: database
            database: redis@7
          web:
            source: { path: . }
            command: exec bundle exec puma -p $PORT
            instances: 2
            resources:
              memory: { limit: 1Gi }
            env:
              RACK_ENV: "${settings.RACK_ENV}"
              SECRET_KEY_BASE: "${secrets.SECRET_KEY_BASE}"
              PRICE: "${settings.PRICE}"
              MAIL_URL: "${settings.MAIL_URL}"
            uses:
              - { component: postgres, as: DATABASE }
              - { component: redis, as: CACHE }
            probes:
              ready:
                http: { path: /up }
                timeout: 3s
                failures: 5
            release: { command: rake db:migrate && echo done }
          worker:
            source: { path: . }
            command: [bundle, exec, sidekiq]
            instances: 1
            env:
              RACK_ENV: "${settings.RACK_ENV}"
              SECRET_KEY_BASE: "${secrets.SECRET_KEY_BASE}"
              PRICE: "${settings.PRICE}"
              MAIL_URL: "${settings.MAIL_URL}"
            uses:
              - { component: postgres, as: DATABASE }
              - { component: redis, as: CACHE }
            routes: []
          clock:
            source: { path: . }
            command: [ruby, clock.rb]
            instances: 0
            env:
              RACK_ENV: "${settings.RACK_ENV}"
              SECRET_KEY_BASE: "${secrets.SECRET_KEY_BASE}"
              PRICE: "${settings.PRICE}"
              MAIL_URL: "${settings.MAIL_URL}"
            uses:
              - { component: postgres, as: DATABASE }
              - { component: redis, as: CACHE }
            routes: []
          postdeploy:
            kind: job
            source: { path: . }
            once: true
            command: [rake, db:seed]
            env:
              RACK_ENV: "${settings.RACK_ENV}"
              SECRET_KEY_BASE: "${secrets.SECRET_KEY_BASE}"
              PRICE: "${settings.PRICE}"
              MAIL_URL: "${settings.MAIL_URL}"
            uses:
              - { component: postgres, as: DATABASE }
              - { component: redis, as: CACHE }
              - web
          cron-1:
            kind: cron
            source: { path: . }
            schedule: 0 0 * * *
            command: [rake, report]
            env:
              RACK_ENV: "${settings.RACK_ENV}"
              SECRET_KEY_BASE: "${secrets.SECRET_KEY_BASE}"
              PRICE: "${settings.PRICE}"
              MAIL_URL: "${settings.MAIL_URL}"
            uses:
              - { component: postgres, as: DATABASE }
              - { component: redis, as: CACHE }
        secrets:
          SECRET_KEY_BASE: { generate: true, length: 64, message: signs cookies }
        settings:
          RACK_ENV: { default: production }
          PRICE: { default: "$5" }
          MAIL_URL: { default: smtp://mail, message: where mail goes }
        adapted app.json:2 name: The application is called `small-shop`.
        ignored app.json:3 description: It is for people who look for the application.
        ignored app.json:4 stack: The image is built upon Debian, whatever stack Heroku would take.
        adapted app.json:7 env.SECRET_KEY_BASE: It is made once, at the first deploy, and kept: 64 letters and digits.
        ignored app.json:8 env.PRICE.required: It has a value.
        ignored app.json:10 env.OPTIONAL: It has no value and is not required: it is left out.
        adapted app.json:16 addons[0]: It becomes the database `postgres`, postgres@17, its address in DATABASE_URL; the plan `mini` says nothing here.
        adapted app.json:16 addons[1]: It becomes the database `redis`, redis@7, its address in CACHE_URL.
        refused app.json:16 addons[2]: The add-on `sendgrid` is a service of somebody else.
        refused app.json:17 buildpacks[0]: The buildpack `heroku/ruby` is not run.
        adapted app.json:17 buildpacks[1]: `heroku/nodejs` is not run: what the source is, is detected, and built by Pluvio.
        ignored app.json:21 environments.test: It changes what Heroku's pipelines make for tests and reviews only; `pluvio copy` makes a place beside this one.
        refused app.json:22 enviroment: There is no key `enviroment` here.
        adapted Procfile:5 release: It runs before the instances of each release start; where it fails, the release does.
        adapted app.json:18 scripts.postdeploy: It becomes the job `postdeploy`: after `web` is ready, once in the application's life. Where it fails the release does, and the next one runs it again.
        adapted app.json:13 formation.web.size: `standard-2x` is at most 1024 MiB of memory.
        refused app.json:14 formation.worker.size: There is no size `giant`.
        adapted Procfile:4 clock: As on Heroku it does not run until it is scaled.
        adapted app.json:20 cron[0]: It becomes the component `cron-1`.
    "#]].assert_eq(&shown(files, &given));
}

#[test]
fn what_is_required_and_what_is_wrong_is_told_with_its_place() {
    let files = Files {
        procfile: Some("web: a\nno command\nweb: b\n"),
        app_json: Some("{\n  \"env\": {\n    \"KEY\": { \"description\": \"from them\" }\n  }\n}"),
        ..Files::default()
    };
    let text = shown(files, &[]);
    assert!(text.contains("setting.missing app.json:3 env.KEY: app.json asks for KEY, and nothing is given: from them."), "{text}");
    assert!(text.contains("spec.invalid Procfile:2"), "{text}");
    assert!(
        text.contains("spec.invalid Procfile:3 web: The process `web` is there twice."),
        "{text}"
    );
    let broken = Files {
        procfile: None,
        app_json: Some("{\n  \"env\": {\n}"),
        ..Files::default()
    };
    assert!(
        shown(broken, &[]).contains("spec.syntax app.json:3"),
        "{}",
        shown(broken, &[])
    );
}

#[test]
fn removing_any_one_key_changes_the_specification_or_the_report() {
    let text = r#"{"name":"a","description":"d","keywords":["k"],"stack":"heroku-24","success_url":"/","env":{"A":{"description":"x","value":"1","required":false},"B":{"generator":"secret"}},"formation":{"web":{"quantity":2,"size":"basic"}},"addons":[{"plan":"heroku-postgresql","as":"D","options":{"version":"15"}}],"buildpacks":[{"url":"heroku/go"}],"scripts":{"postdeploy":"x","dokku":{"predeploy":"y","postdeploy":"z"}},"healthchecks":{"web":[{"type":"liveness","path":"/l","timeout":4,"wait":2,"attempts":3,"initialDelay":1}]},"cron":[{"command":"c","schedule":"@hourly","concurrency_policy":"forbid"}],"environments":{"test":{}}}"#;
    let whole: serde_json::Value = serde_json::from_str(text).unwrap();
    let outcome = |value: &serde_json::Value| {
        let text = serde_json::to_string(value).unwrap();
        let mut import = read(
            Files {
                procfile: None,
                app_json: Some(&text),
                ..Files::default()
            },
            None,
            None,
            &[],
        );
        for row in &mut import.report {
            row.line = None;
        }
        import
            .errors
            .iter_mut()
            .for_each(|problem| problem.at = None);
        (import.spec, import.report, import.errors)
    };
    let before = outcome(&whole);
    assert_eq!(before.2, []);
    fn paths(value: &serde_json::Value, at: String, out: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(map) => {
                for (key, value) in map {
                    out.push(format!("{at}/{key}"));
                    paths(value, format!("{at}/{key}"), out);
                }
            }
            serde_json::Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    paths(item, format!("{at}/{index}"), out);
                }
            }
            _ => {}
        }
    }
    let mut all = Vec::new();
    paths(&whole, String::new(), &mut all);
    assert!(all.len() > 40);
    for path in all {
        let mut less = whole.clone();
        let (parent, key) = path.rsplit_once('/').unwrap();
        less.pointer_mut(parent)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .remove(key);
        assert_ne!(outcome(&less), before, "{path} is dropped in silence");
    }
}

#[test]
fn files_of_others_are_not_taken_for_herokus() {
    assert!(!is_app_json(r#"{"expo":{"name":"a"},"scripts":{}}"#));
    assert!(!is_app_json(r#"{"name":"a","version":"1","scripts":{}}"#));
    assert!(is_app_json(r#"{"env":{}}"#));
    assert!(procfile::is_procfile("web: a\nworker: b\n"));
    assert!(!procfile::is_procfile("services:\n  web: a\n"));
}

#[test]
fn what_runs_after_the_first_deploy_is_a_job_that_runs_once() {
    let of = |scripts: &str, procfile: &'static str| {
        let app_json = format!(r#"{{"name": "shop", "scripts": {scripts}}}"#);
        let files = Files {
            procfile: Some(procfile),
            app_json: Some(&app_json),
            ..Files::default()
        };
        shown(files, &[])
    };
    // After what serves, with what it has; the name is free.
    expect_test::expect![[r#"
        apiVersion: pluvio/v1
        name: shop
        components:
          worker:
            source: { path: . }
            command: [work]
            instances: 0
            routes: []
          postdeploy:
            source: { path: . }
            command: [other]
            instances: 0
            routes: []
          web:
            source: { path: . }
            command: [serve]
          postdeploy-2:
            kind: job
            source: { path: . }
            once: true
            command: rake db:seed && echo done
            uses: [web]
        adapted app.json:1 scripts.postdeploy: It becomes the job `postdeploy-2`: after `web` is ready, once in the application's life. Where it fails the release does, and the next one runs it again.
        adapted Procfile:1 worker: As on Heroku it does not run until it is scaled.
        adapted Procfile:2 postdeploy: As on Heroku it does not run until it is scaled.
    "#]].assert_eq(&of(
        r#"{ "postdeploy": "rake db:seed && echo done" }"#,
        "worker: work\npostdeploy: other\nweb: serve\n",
    ));
    // Dokku's is another: it runs after each deploy.
    let dokku = of(r#"{ "dokku": { "postdeploy": "x" } }"#, "web: serve\n");
    assert!(
        dokku.contains(
            "refused app.json:1 scripts.dokku.postdeploy: Nothing is run after each deploy."
        ),
        "{dokku}"
    );
    let twice = of(
        r#"{ "dokku": { "predeploy": "x" } }"#,
        "web: serve\nrelease: migrate\n",
    );
    assert!(
        twice.contains("A task before each release is there already."),
        "{twice}"
    );
    let elsewhere = of(r#"{ "predeploy": "x" }"#, "web: serve\n");
    assert!(elsewhere.contains("`scripts.dokku`"), "{elsewhere}");
}

#[test]
fn the_shell_keeps_what_is_its_own() {
    use super::procfile::command_of;
    use pluvio_model::spec::Command;
    for (line, want) in [
        ("A=1 node x.js", "A=1 node x.js"),
        ("A=$B node x.js", "A=$B node x.js"),
        ("cd app/$X", "cd app/$X"),
        ("(node x.js)", "(node x.js)"),
        ("node $X", "exec node $X"),
        ("node --a=b $X", "exec node --a=b $X"),
    ] {
        assert_eq!(command_of(line), Command::Shell(want.to_owned()), "{line}");
    }
}

#[test]
fn words_for_true_and_false_are_taken_and_dokkus_databases_are_known() {
    let app_json = r#"{
        "env": { "A": { "required": "false" }, "B": { "required": "true", "value": "1" } },
        "addons": ["dokku-redis", "dokku-postgres"]
    }"#;
    let files = Files {
        app_json: Some(app_json),
        ..Files::default()
    };
    let import = read(files, None, None, &[]);
    assert_eq!(import.errors, []);
    let kept: Vec<_> = import.spec.components.keys().map(Name::as_str).collect();
    assert_eq!(kept, ["redis", "postgres", "web"]);
}
