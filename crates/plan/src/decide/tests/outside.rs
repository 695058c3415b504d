//! What is outside, and what is beside a component.

use expect_test::expect;
use pluvio_model::revision::Origin;
use serde_json::json;

use super::*;
use crate::decide::other_images_needed;
use crate::{diff, rollback};

/// Objects by key; `null` removes.
fn merge(target: &mut Value, changes: &Value) {
    for (key, change) in changes.as_object().into_iter().flatten() {
        match change {
            Value::Null => {
                target.as_object_mut().unwrap().shift_remove(key);
            }
            Value::Object(_) if key != "ports" => merge(&mut target[key], change),
            change => target[key] = change.clone(),
        }
    }
}

fn bank(more: Value) -> AppSpec {
    let mut bank = json!({
        "kind": "external",
        "external": { "addresses": ["10.0.0.5:81", "bank.example"] },
        "ports": { "api": { "port": 80 } },
        "exports": { "BANK": "${bank.url}" },
    });
    merge(&mut bank, &more);
    sample::shop(json!({
        "web": { "image": "localhost/shop:1", "uses": ["bank"] },
        "bank": bank,
    }))
}

#[test]
fn what_is_outside_is_no_component_that_runs() {
    let release = sample::decide(1, &bank(json!({})), None).unwrap();
    assert_eq!(
        release
            .components
            .keys()
            .map(|n| n.as_str())
            .collect::<Vec<_>>(),
        ["web"]
    );
    check_release(
        &release,
        "/externals/bank",
        expect![[r#"
        {
          "name": "bank",
          "addresses": [
            "10.0.0.5:81",
            "bank.example"
          ],
          "local": false,
          "ports": {
            "api": {
              "port": 80,
              "protocol": "http"
            }
          },
          "check": {
            "check": {
              "tcp": {
                "port": 80
              }
            },
            "period": "5s",
            "timeout": "2s",
            "delay": "0s",
            "failures": 3,
            "successes": 1
          }
        }
    "#]],
    );
    // Used like any other; nothing waits for it, and no visitor sees it unasked.
    assert_eq!(
        release.components["web"].after,
        Vec::<pluvio_model::name::Name>::new()
    );
    check_release(
        &release,
        "/components/web/content/main/env/BANK",
        expect![[r#"
            [
              {
                "text": "http://bank:80"
              }
            ]
        "#]],
    );
    assert_eq!(release.urls, ["http://shop.localhost:8080"]);
    let routed = sample::decide(1, &bank(json!({ "routes": [{ "path": "/" }] })), None).unwrap();
    assert_eq!(routed.routes.len(), 2);
}

#[test]
fn another_address_is_another_release_and_no_other_content() {
    let first = sample::decide(1, &bank(json!({})), None).unwrap();
    let spec = bank(json!({ "external": { "addresses": ["10.0.0.6"] } }));
    let second = sample::decide(2, &spec, Some(&first)).unwrap();
    assert_eq!(first.components["web"].hash, second.components["web"].hash);
    let rows = diff::diff(&first, &second);
    let shown: Vec<String> = rows
        .iter()
        .flat_map(|diff| &diff.rows)
        .map(|row| format!("{}: {:?} -> {:?}", row.what, row.before, row.after))
        .collect();
    assert_eq!(
        shown,
        [r#"addresses: Some("10.0.0.5:81, bank.example") -> Some("10.0.0.6")"#]
    );
    let back = rollback::rollback(
        &sample::revision(1, &bank(json!({})), Origin::Deploy),
        &first,
        &second,
    )
    .unwrap();
    assert_eq!(back.spec, {
        let mut spec = bank(json!({}));
        spec.components["web"].instances = Some(1);
        spec
    });
}

#[test]
fn what_is_outside_must_be_reached_somehow() {
    refused(
        &bank(json!({ "ports": null })),
        expect![[r#"
        spec.invalid at components.bank.ports
          bank is outside and has no ports, so nobody could reach it.
          Declare what it listens on: `ports: { db: { port: 5432, protocol: tcp } }`.
        spec.unknown-reference at components.bank.exports.BANK
          bank exports no url.
          It has: BANK, host. Declare more under `components.bank.exports`.
    "#]],
    );
    refused(
        &bank(json!({
            "external": { "check": { "command": ["look"] } },
            "ports": { "dns": { "port": 53, "protocol": "udp" } },
        })),
        expect![[r#"
            spec.unsupported at components.bank.ports.dns
              The port dns of bank is UDP, which is not passed on to addresses outside.
              Take the port out; what uses it can be given the address itself in its `env`.
            spec.unsupported at components.bank.external.check.command
              bank is outside: there is no container to run a command in.
              Check with `http` or `tcp`.
            spec.unknown-reference at components.bank.exports.BANK
              bank exports no url.
              It has: BANK, host. Declare more under `components.bank.exports`.
        "#]],
    );
    refused(
        &bank(json!({ "external": null })),
        expect![[r#"
        spec.invalid at components.bank.external
          bank is outside, and nothing says where.
          Add `external: { addresses: [HOST] }`.
    "#]],
    );
}

#[test]
fn images_beside_a_component_are_looked_up_on_a_deploy_and_kept_otherwise() {
    let spec = sample::shop(json!({ "web": {
        "image": "localhost/shop:1",
        "sidecars": { "log": { "image": "localhost/log:1" }, "own": { "command": ["own"] } },
        "init": { "wait": { "image": "localhost/wait:1" } },
    } }));
    let release = sample::decide(1, &spec, None).unwrap();
    let needed = |origin: &Origin, parent| -> Vec<String> {
        let needed = other_images_needed(&spec, origin, parent);
        needed.iter().map(ToString::to_string).collect()
    };
    let both = ["localhost/log:1", "localhost/wait:1"];
    assert_eq!(needed(&Origin::Deploy, Some(&release)), both);
    assert_eq!(
        needed(
            &Origin::Restart {
                components: Vec::new()
            },
            None
        ),
        both
    );
    assert!(
        needed(
            &Origin::Restart {
                components: Vec::new()
            },
            Some(&release)
        )
        .is_empty()
    );
    let content = &release.components["web"].content;
    assert_eq!(content.sidecars["own"].image_id, content.main.image_id);
}

#[test]
fn variables_beside_a_component_are_made_of_its_own() {
    let spec = sample::shop(json!({ "web": {
        "image": "localhost/shop:1",
        "env": { "A": "main", "B": "kept" },
        "sidecars": { "log": {
            "image": "localhost/log:1",
            "env": { "A": "${A} and more" },
            "files": { "/f": { "content": "${A}, ${B}" } },
            "probes": { "ready": { "tcp": { "port": "http" } } },
        } },
    } }));
    check(
        &spec,
        "/components/web/content/sidecars/log/env",
        expect![[r#"
            {
              "A": [
                {
                  "text": "main and more"
                }
              ]
            }
        "#]],
    );
    check(
        &spec,
        "/components/web/content/sidecars/log/files",
        expect![[r#"
            {
              "/f": {
                "content": [
                  {
                    "text": "main and more, kept"
                  }
                ],
                "mode": "0644"
              }
            }
        "#]],
    );
    check(
        &spec,
        "/components/web/content/sidecars/log/probes/ready/check",
        expect![[r#"
            {
              "tcp": {
                "port": 8080
              }
            }
        "#]],
    );
}
