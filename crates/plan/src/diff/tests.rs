use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;
use crate::sample;

fn check(before: Value, after: Value, want: Expect) {
    let before = sample::release(before);
    let after = sample::decide(2, &sample::shop(after), Some(&before)).unwrap();
    show(&diff(&before, &after), want);
}

fn show(diffs: &[ComponentDiff], want: Expect) {
    let mut out = String::new();
    for diff in diffs {
        out += &format!("{} {:?}\n", diff.component, diff.change);
        for row in &diff.rows {
            let sign = match row.change {
                Change::Added => '+',
                Change::Changed => '~',
                Change::Removed => '-',
            };
            let values = [&row.before, &row.after]
                .map(|v| v.as_deref())
                .into_iter()
                .flatten();
            out += &format!(
                "  {sign} {}: {}\n",
                row.what,
                values.collect::<Vec<_>>().join(" → ")
            );
        }
    }
    want.assert_eq(&out);
}

#[test]
fn nothing_differs_from_itself() {
    let release = sample::release(json!({ "web": { "image": "localhost/shop:1" } }));
    assert_eq!(diff(&release, &release), []);
}

#[test]
fn every_kind_of_change_has_its_row() {
    check(
        json!({
            "web": {
                "image": "localhost/shop:1",
                "instances": 3,
                "env": { "LEVEL": "info", "OLD": "1", "TOKEN": "a-${secrets.KEY}" },
                "resources": { "memory": { "limit": "256Mi" } },
                "files": { "/etc/a": { "content": "one" } },
            },
            "gone": { "image": "localhost/gone:1", "routes": [], "env": { "A": "1" } },
        }),
        json!({
            "web": {
                "image": "localhost/shop:2",
                "instances": 4,
                "env": { "LEVEL": "debug", "NEW": "1", "TOKEN": "b-${secrets.KEY}" },
                "resources": { "memory": { "limit": "384Mi" } },
                "files": { "/etc/a": { "content": "one\ntwo" } },
                "probes": { "ready": { "http": { "path": "/healthz" } } },
                "command": ["node", "server.js"],
                "rollout": { "drain": "5s" },
                "routes": [{ "host": "shop.example.org", "path": "/shop" }],
            },
            "models": {
                "image": "localhost/models:1",
                "routes": [],
                "volumes": { "/models": { "name": "models", "access": "shared", "size": "6Gi" } },
            },
        }),
        expect![[r#"
            web Changed
              ~ image: localhost/shop:1 → localhost/shop:2
              ~ env LEVEL: info → debug
              - env OLD: 1
              ~ env TOKEN: a-${secrets.KEY} → b-${secrets.KEY}
              ~ file /etc/a: 1 line, 0644, 49e9fc → 2 lines, 0644, 119498
              ~ limits.memory: 256Mi → 384Mi
              ~ probe ready: TCP on 8080 every 5s → GET /healthz on 8080 every 5s
              ~ instances: 3 → 4
              - route shop.localhost/: port http
              ~ rollout.drain: 30s → 5s
              + command: node server.js
              + env NEW: 1
              + route shop.example.org/shop: port http
            models Added
              + image: localhost/models:1
              + env PORT: 8080
              + volume /models: models, shared, 6Gi
              + port http: 8080 http
            gone Removed
              - image: localhost/gone:1
              - env PORT: 8080
              - env A: 1
              - port http: 8080 http
        "#]],
    );
}

#[test]
fn p4_a_new_secret_version_and_a_moved_tag_are_seen_without_being_shown() {
    let spec = sample::shop(json!({ "web": {
        "image": "localhost/shop:1", "env": { "TOKEN": "${secrets.KEY}" },
    } }));
    let before = sample::decide(1, &spec, None).unwrap();
    let mut facts = sample::facts(&spec);
    facts.secrets.insert("KEY".parse().unwrap(), 4);
    facts
        .images
        .values_mut()
        .for_each(|image| image.facts.id = format!("sha256:{}", "9d41c7".repeat(10)));
    let revision = sample::revision(2, &spec, pluvio_model::revision::Origin::Deploy);
    let after = crate::decide(&revision, Some(&before), &facts, &mut sample::volume_ids()).unwrap();
    show(
        &diff(&before, &after),
        expect![[r#"
        web Changed
          ~ image: localhost/shop:1 (sha256:shop) → localhost/shop:1 (sha256:9d41c7)
          ~ env TOKEN: ${secrets.KEY} (version 3) → ${secrets.KEY} (version 4)
    "#]],
    );
}

#[test]
fn a_hook_has_a_row() {
    let web = |hooks: Value| json!({ "web": { "image": "localhost/shop:1", "hooks": hooks } });
    check(
        web(json!({ "postStart": [{ "command": "warm" }] })),
        web(json!({
            "postStart": [{
                "command": "warm", "user": "root", "privileged": true,
                "env": { "KEY": "${secrets.KEY}" },
            }],
            "preStop": [{
                "command": ["drain", "--all now"], "workingDir": "/srv", "timeout": "5s",
            }],
        })),
        expect![[r#"
            web Changed
              ~ hook postStart.0: warm → warm, as root, privileged, with KEY=${secrets.KEY}
              + hook preStop.0: drain "--all now", in /srv, within 5s
        "#]],
    );
}
