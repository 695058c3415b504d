//! References, variables, files.

use expect_test::expect;
use serde_json::{Value, json};

use super::*;
use crate::sample;

#[test]
fn c5_references_are_rendered_in_one_place_and_secrets_stay_references() {
    let spec = sample::spec(json!({
        "name": "shop",
        "components": {
            "web": {
                "image": "localhost/shop:1",
                "uses": ["db", { "component": "cache", "as": "CACHE" }],
                "groups": ["common"],
                "env": {
                    "URL": "postgres://app:${secrets.KEY}@${db.host}:${db.port}/app",
                    "LEVEL": "${LOG_LEVEL:-info}",
                    "REGION": "${REGION_OF_TEAM}",
                    "PRICE": "5$$ or $HOME",
                    "ALL": "${SQL_HOST} ${CACHE_URL}",
                },
            },
            "db": {
                "image": "localhost/db:1",
                "ports": { "sql": { "port": 5432, "protocol": "tcp" } },
                "exports": { "SQL_HOST": "${db.host}", "SQL_PASSWORD": "${PASSWORD}" },
                "env": { "PASSWORD": "${secrets.KEY}" },
            },
            "cache": {
                "image": "localhost/cache:1",
                "ports": { "redis": { "port": 6379, "protocol": "tcp" } },
                "exports": { "URL": "${cache.url}" },
            },
        },
        "groups": { "common": { "env": { "REGION_OF_TEAM": "${settings.REGION}" } } },
        "settings": { "REGION": { "default": "eu" } },
    }));
    env(
        &spec,
        "web",
        expect![[r#"
        PORT=8080
        URL=postgres://app:${secrets.KEY}@db:5432/app
        LEVEL=info
        REGION=eu
        PRICE=5$ or $HOME
        ALL=db tcp://cache:6379
        REGION_OF_TEAM=eu
        SQL_HOST=db
        SQL_PASSWORD=${secrets.KEY}
        CACHE_URL=tcp://cache:6379
    "#]],
    );
    let release = sample::decide(1, &spec, None).unwrap();
    assert!(release.components["web"].content.main.env["URL"].is_secret());
    let secrets: Vec<String> = release
        .secrets()
        .iter()
        .map(|s| format!("{}@{}", s.name, s.version))
        .collect();
    assert_eq!(secrets, ["KEY@3"]);
    let after: Vec<&str> = release.components["web"]
        .after
        .iter()
        .map(|n| n.as_str())
        .collect();
    assert_eq!(after, ["db", "cache"]);
}

#[test]
fn c3_two_exports_of_one_name_are_a_conflict_until_the_component_decides() {
    let spec = |env: Value| {
        sample::shop(json!({
            "web": { "image": "localhost/shop:1", "uses": ["a", "b"], "env": env },
            "a": { "image": "localhost/a:1", "exports": { "HOST": "a" }, "routes": [] },
            "b": { "image": "localhost/b:1", "exports": { "HOST": "b" }, "routes": [] },
        }))
    };
    refused(
        &spec(json!({})),
        expect![[r#"
        spec.conflict at components.web.uses.1
          web gets HOST twice: from the export of a and from the export of b.
          Give one of them a prefix (`uses: [{ component: …, as: PREFIX }]`), or set HOST in the component's own `env`.
    "#]],
    );
    env(
        &spec(json!({ "HOST": "${b.HOST}" })),
        "web",
        expect![[r#"
        PORT=8080
        HOST=b
    "#]],
    );
}

#[test]
fn everything_that_has_no_value_is_named_at_once() {
    let spec = sample::spec(json!({
        "name": "shop",
        "components": { "web": {
            "image": "localhost/shop:1",
            "env": {
                "A": "${MISSING}",
                "B": "${OTHER:?say where the data is}",
                "C": "${secrets.TOKEN}",
                "D": "${settings.REGION}",
                "E": "${db.url}",
                "F": "${G}",
                "G": "${F}",
                "H": "${oops",
                "I": "${web.nothing}",
            },
        } },
        "settings": { "REGION": { "required": true, "message": "Where the data may be." } },
    }));
    refused(
        &spec,
        expect![[r#"
        setting.missing at components.web.env.A
          MISSING of web is not set, and has no default.
          Set it under `components.web.env`, or write ${MISSING:-default}; for a dollar that means nothing write $$.
        setting.missing at components.web.env.B
          OTHER of web is not set: say where the data is.
          Set it under `components.web.env`, or write ${OTHER:-default}; for a dollar that means nothing write $$.
        secret.missing at components.web.env.C
          The secret TOKEN has no value.
          Set it with `pluvio secret set TOKEN`, or let it be made: `secrets: { TOKEN: { generate: true } }`.
        setting.missing at components.web.env.D
          The setting REGION has no value and no default. Where the data may be.
          Give it one: `settings: { REGION: { default: … } }`.
        spec.unknown-reference at components.web.env.E
          web reads url of db, and there is no such component.
          The components are: web.
        spec.conflict at components.web.env.F
          Variables need each other in a circle: F of web → G of web → F of web.
          Write one of them out.
        spec.invalid at components.web.env.H
          ${oops is not a reference: its } is missing; close it, or write $$ for a dollar.
          Close it, or write $$ for a dollar.
        spec.unknown-reference at components.web.env.I
          web exports no nothing.
          It has: host, port, url. Declare more under `components.web.exports`.
    "#]],
    );
}

#[test]
fn variables_that_repeat_variables_are_bounded() {
    let mut env = json!({ "A0": "0123456789" });
    for n in 1..64 {
        let text = format!("${{A{0}}}${{A{0}}}", n - 1);
        env[format!("A{n}")] = text.into();
    }
    let spec = sample::shop(json!({ "web": { "image": "localhost/shop:1", "env": env } }));
    let problems = sample::decide(1, &spec, None).unwrap_err();
    assert!(
        problems
            .iter()
            .all(|problem| problem.code == "spec.too-large")
    );
}

#[test]
fn files_are_rendered_unless_raw() {
    let spec = sample::shop(json!({ "web": {
        "image": "localhost/shop:1",
        "env": { "NAME": "shop" },
        "files": {
            "/etc/a": { "content": "name = ${NAME}", "mode": "0600" },
            "/etc/b": { "content": "name = ${NAME}", "raw": true },
            "/etc/c": { "content": "${secrets.KEY}", "hot": true, "reload": { "signal": "HUP" } },
        },
    } }));
    check(
        &spec,
        "/components/web/content/main/files",
        expect![[r#"
        {
          "/etc/a": {
            "content": [
              {
                "text": "name = shop"
              }
            ],
            "mode": "0600"
          },
          "/etc/b": {
            "content": [
              {
                "text": "name = ${NAME}"
              }
            ],
            "mode": "0644"
          }
        }
    "#]],
    );
    check(
        &spec,
        "/components/web/hot_files",
        expect![[r#"
        {
          "/etc/c": {
            "content": [
              {
                "secret": {
                  "name": "KEY",
                  "version": 3
                }
              }
            ],
            "mode": "0644",
            "reload": {
              "signal": "HUP"
            }
          }
        }
    "#]],
    );
}

proptest::proptest! {
    #[test]
    fn any_text_is_rendered_or_refused(
        a in "[${}a-cA-C:.?\\-]{0,24}", b in "[${}a-cA-C:.?\\-]{0,24}", file in ".{0,40}",
    ) {
        let spec = sample::shop(json!({ "web": {
            "image": "localhost/shop:1",
            "env": { "A": a, "B": b },
            "files": { "/etc/f": { "content": file } },
        } }));
        if let Err(problems) = sample::decide(1, &spec, None) {
            // Each tells where it is and what to do.
            proptest::prop_assert!(problems.iter().all(|p| p.at.is_some() && !p.remedy.is_empty()));
        }
    }
}
