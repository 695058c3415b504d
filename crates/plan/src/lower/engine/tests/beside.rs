//! What is beside a main container.

use expect_test::expect;
use pluvio_model::facts::{Facts, Reach, RuntimeKind};
use serde_json::{Value, json};

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

#[test]
fn a_component_may_be_on_the_machines_network_or_on_none() {
    let plan = plan(json!({
        "meter": { "image": "localhost/shop:1", "host": { "network": true }, "ports": { "http": { "port": 9100 } } },
        "quiet": { "image": "localhost/shop:1", "offline": true },
        "web": { "image": "localhost/shop:1", "patch": { "engine": { "HostConfig": { "UTSMode": "host" } } } },
    }));
    let created = |name: &str| {
        let component = plan
            .components
            .iter()
            .find(|one| one.name.as_str() == name)
            .unwrap();
        let mut all = component
            .instance
            .create(&InstancePlace::default(), &|_| None)
            .unwrap();
        (all.remove(0), component.ports.len())
    };
    for (name, mode, ports) in [("meter", "host", 1), ("quiet", "none", 0)] {
        let (container, declared) = created(name);
        let config = &container.body["HostConfig"];
        assert_eq!(config["NetworkMode"], json!(mode));
        assert_eq!(config["PortBindings"], Value::Null);
        assert_eq!(container.body["NetworkingConfig"], Value::Null);
        assert!(container.further_networks.is_empty());
        // What reaches it leads to the machine; what nothing reaches listens on nothing.
        assert_eq!(declared, ports);
    }
    // With the machine's name it can have none of its own.
    assert_eq!(created("web").0.body["Hostname"], Value::Null);
    // Virtual addresses of both `web` and `meter`, instances of `web` alone.
    let alone = super::plan(json!({ "web": { "image": "localhost/shop:1" } }));
    assert_eq!(
        plan.networks[0].room.in_use,
        alone.networks[0].room.in_use + 1
    );
}

#[test]
fn a_docker_without_root_has_no_way_to_the_machines_network() {
    let meter = json!({ "meter": { "image": "localhost/shop:1", "host": { "network": true } } });
    let without_root = |runtime| Facts {
        rootless: true,
        runtime,
        ..sample::runtime()
    };
    let problems = lower(
        sample::release(meter.clone()),
        &without_root(RuntimeKind::Docker),
    );
    let problems = problems.unwrap_err();
    let path = |one: &pluvio_model::problem::Problem| one.at.clone().map(|at| at.path);
    assert_eq!(
        path(&problems[0]).as_deref(),
        Some("components.meter.host.network")
    );
    assert!(lower(sample::release(meter), &without_root(RuntimeKind::Podman)).is_ok());
}

#[test]
fn hooks_are_commands_in_main() {
    let plan = plan(json!({ "web": {
        "image": "localhost/shop:1",
        "hooks": {
            "postStart": [
                { "command": "echo ready > /tmp/ready" },
                {
                    "command": ["warm", "--all"], "user": "1000:1000", "workingDir": "/srv",
                    "env": { "KEY": "${secrets.KEY}" }, "privileged": true, "timeout": "5s",
                },
            ],
            "preStop": [{ "command": ["drain"] }],
        },
    } }));
    check(
        &plan.manifests()["containers"][0]["hooks"],
        expect![[r#"
            {
              "postStart": [
                {
                  "body": {
                    "Cmd": [
                      "/bin/sh",
                      "-c",
                      "echo ready > /tmp/ready"
                    ]
                  }
                },
                {
                  "body": {
                    "Cmd": [
                      "warm",
                      "--all"
                    ],
                    "User": "1000:1000",
                    "WorkingDir": "/srv",
                    "Env": [
                      "KEY=${secrets.KEY}"
                    ],
                    "Privileged": true
                  },
                  "timeout": "5s"
                }
              ],
              "preStop": [
                {
                  "body": {
                    "Cmd": [
                      "drain"
                    ]
                  }
                }
              ]
            }
        "#]],
    );
    // Values are put in where they are run, and no run has any.
    let hooks = plan.components[0].instance.hooks();
    let with_key = resolve_hook(&hooks.post_start[1], &|_| Some("hunter2".to_owned())).unwrap();
    assert_eq!(with_key.env, ["KEY=hunter2"]);
    assert!(!format!("{with_key:?}").contains("hunter2"));
    let missing = resolve_hook(&hooks.post_start[1], &|_| None).unwrap_err();
    assert_eq!(missing.name.as_str(), "KEY");
}
