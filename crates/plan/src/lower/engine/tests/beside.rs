//! What is beside a main container.

use expect_test::expect;
use pluvio_model::facts::{Facts, Reach};
use serde_json::json;

use super::{check, lower, plan};
use crate::lower::engine::*;
use crate::sample;

#[test]
fn a_sidecar_joins_mains_network_and_has_none_of_its_own() {
    let plan = plan(json!({ "web": {
        "image": "localhost/shop:1",
        "extraHosts": { "legacy": "10.0.0.9" },
        "sidecars": { "log": {
            "image": "localhost/log:1",
            "command": ["ship"],
            "resources": { "memory": { "limit": "32Mi" } },
            "probes": { "ready": { "tcp": { "port": 9000 } } },
        } },
    } }));
    let instance = &plan.components[0].instance;
    let place = InstancePlace {
        slot: 1,
        addresses: [(
            "pluvio--shop--aaaa0001".to_owned(),
            "10.201.0.5".parse().unwrap(),
        )]
        .into(),
        ..InstancePlace::default()
    };
    let made = instance.create(&place, &|_| None).unwrap();
    let [main, sidecar] = &made[..] else {
        panic!("two containers")
    };
    assert_eq!(sidecar.role, Role::Sidecar("log".parse().unwrap()));
    assert_eq!(sidecar.name, format!("{}--sidecar--log", main.name));
    check(
        &sidecar.body,
        expect![[r#"
        {
          "Image": "sha256:log",
          "Cmd": [
            "ship"
          ],
          "Env": [],
          "Labels": {
            "io.pluvio.installation": "01936b2a-0000-7000-8000-0000cccc0001",
            "io.pluvio.application": "01936b2a-0000-7000-8000-0000aaaa0001",
            "io.pluvio.application-name": "shop",
            "io.pluvio.component": "web",
            "io.pluvio.hash": "13ec0d133003dcd98c079b867c967bda7d156eb8f26732abbbd4491cf5a60083",
            "io.pluvio.release": "1",
            "io.pluvio.generation": "7",
            "io.pluvio.slot": "1",
            "io.pluvio.role": "sidecar",
            "io.pluvio.container": "log",
            "io.pluvio.instance": "shop--web--97ed2d-1"
          },
          "Healthcheck": {
            "Test": [
              "NONE"
            ]
          },
          "HostConfig": {
            "NetworkMode": "container:shop--web--97ed2d-1",
            "Memory": 33554432,
            "PidsLimit": 4096,
            "Init": true,
            "LogConfig": {
              "Type": "json-file",
              "Config": {
                "max-size": "10m"
              }
            },
            "RestartPolicy": {
              "Name": "no"
            }
          }
        }
    "#]],
    );
    // A run that comes to an end has nothing beside it.
    let place = InstancePlace {
        run: Some(RunPlace {
            key: "asked".to_owned(),
            command: None,
        }),
        ..InstancePlace::default()
    };
    assert_eq!(instance.create(&place, &|_| None).unwrap().len(), 1);
    // Without a way to its address, what its probe asks is published as main's ports are.
    let facts = Facts {
        rootless: true,
        reach: Reach::PublishedLoopback,
        ..sample::runtime()
    };
    let web = json!({ "web": {
        "image": "localhost/shop:1",
        "sidecars": { "log": { "command": ["ship"], "probes": { "ready": { "tcp": { "port": 9000 } } } } },
    } });
    let manifests = lower(sample::release(web), &facts).unwrap().manifests();
    let bindings = &manifests["containers"][0]["body"]["HostConfig"]["PortBindings"];
    assert!(bindings["9000/tcp"].is_array(), "{bindings}");
}
