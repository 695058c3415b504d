//! Commands beside a program.

use super::*;

#[test]
fn a_hook_has_its_references_put_in() {
    let hooks = json!({
        "postStart": [{
            "command": "warm", "user": "1000",
            "env": { "AT": "${db.host}-${LEVEL}", "KEY": "${secrets.KEY}" },
        }],
        "preStop": [{ "command": ["drain", "--fast"], "workingDir": "/srv", "timeout": "5s" }],
    });
    let spec = |hooks: Value| {
        sample::shop(json!({
            "db": { "image": "localhost/db:1" },
            "web": {
                "image": "localhost/shop:1", "uses": ["db"], "env": { "LEVEL": "2" }, "hooks": hooks,
            },
        }))
    };
    let whole = spec(hooks);
    check(
        &whole,
        "/components/web/content/hooks",
        expect![[r#"
        {
          "post_start": [
            {
              "command": [
                "/bin/sh",
                "-c",
                "warm"
              ],
              "user": "1000",
              "env": {
                "AT": [
                  {
                    "text": "db-2"
                  }
                ],
                "KEY": [
                  {
                    "secret": {
                      "name": "KEY",
                      "version": 3
                    }
                  }
                ]
              }
            }
          ],
          "pre_stop": [
            {
              "command": [
                "drain",
                "--fast"
              ],
              "working_dir": "/srv",
              "timeout": "5s"
            }
          ]
        }
    "#]],
    );
    let hash = |spec: &AppSpec| {
        let release = sample::decide(1, spec, None).unwrap();
        let secrets = release.secrets().len();
        (release.components["web"].hash.clone(), secrets)
    };
    // Its secrets go along, another hook makes other instances, and none is as if nothing were said.
    let (with, secrets) = hash(&whole);
    assert_eq!(secrets, 1);
    let (empty, secrets) = hash(&spec(json!({})));
    assert_eq!((&empty, secrets), (&hash(&spec(Value::Null)).0, 0));
    assert_ne!(with, empty);
    refused(
        &spec(json!({ "preStop": [{ "command": "a", "env": { "A": "${NOBODY}" } }] })),
        expect![[r#"
            setting.missing at components.web.hooks.preStop.0.env.A
              NOBODY of web is not set, and has no default.
              Set it under `components.web.env`, or write ${NOBODY:-default}; for a dollar that means nothing write $$.
        "#]],
    );
}
