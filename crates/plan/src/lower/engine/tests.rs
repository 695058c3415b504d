use expect_test::{Expect, expect};
use pluvio_model::facts::{Facts, Reach};
use pluvio_model::release::Release;
use pluvio_model::stage::Power;
use serde_json::{Value, json};

use super::*;
use crate::sample;

mod beside;
mod whole;

fn lower(release: Release, facts: &Facts) -> Result<EnginePlan, Vec<Problem>> {
    let wish = RunWish {
        components: release.components.keys().cloned().collect(),
        release,
        tasks: Vec::new(),
        power: Power::On,
        stopped: Vec::new(),
        secrets: Default::default(),
    };
    engine(&wish, sample::application(), Generation(7), facts)
}

fn plan(components: Value) -> EnginePlan {
    lower(sample::release(components), &sample::runtime()).unwrap()
}

fn check(value: &Value, want: Expect) {
    want.assert_eq(&format!(
        "{}\n",
        serde_json::to_string_pretty(value).unwrap()
    ));
}

#[test]
fn an_image_alone() {
    let plan = plan(json!({ "web": { "image": "localhost/shop:1" } }));
    check(
        &plan.manifests(),
        expect![[r#"
            {
              "networks": [
                {
                  "Name": "pluvio--shop--aaaa0001",
                  "Internal": false,
                  "Labels": {
                    "io.pluvio.installation": "01936b2a-0000-7000-8000-0000cccc0001",
                    "io.pluvio.application": "01936b2a-0000-7000-8000-0000aaaa0001",
                    "io.pluvio.application-name": "shop",
                    "io.pluvio.network": "default"
                  }
                }
              ],
              "volumes": [],
              "containers": [
                {
                  "name": "shop--web--9b2268-0",
                  "body": {
                    "Image": "sha256:shop",
                    "Hostname": "shop--web--9b2268-0",
                    "Env": [
                      "PORT=8080"
                    ],
                    "Labels": {
                      "io.pluvio.installation": "01936b2a-0000-7000-8000-0000cccc0001",
                      "io.pluvio.application": "01936b2a-0000-7000-8000-0000aaaa0001",
                      "io.pluvio.application-name": "shop",
                      "io.pluvio.component": "web",
                      "io.pluvio.hash": "dc66252bb068dd242619398651c9a010d142d7e85ac24b9757a580d15af98c20",
                      "io.pluvio.release": "1",
                      "io.pluvio.generation": "7",
                      "io.pluvio.slot": "0",
                      "io.pluvio.role": "main"
                    },
                    "ExposedPorts": {
                      "8080/tcp": {}
                    },
                    "Healthcheck": {
                      "Test": [
                        "NONE"
                      ]
                    },
                    "HostConfig": {
                      "NetworkMode": "pluvio--shop--aaaa0001",
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
                    },
                    "NetworkingConfig": {
                      "EndpointsConfig": {
                        "pluvio--shop--aaaa0001": {
                          "Aliases": [
                            "web"
                          ]
                        }
                      }
                    }
                  },
                  "files": []
                }
              ]
            }
        "#]],
    );
}

#[test]
fn everything_a_container_can_be_asked() {
    let spec = sample::spec(json!({
        "name": "shop",
        "components": { "web": {
            "image": "localhost/shop:1",
            "entrypoint": ["/entry"],
            "command": "serve --fast",
            "workingDir": "/srv",
            "user": "1000:1000",
            "stopSignal": "SIGQUIT",
            "resources": { "cpu": { "request": "100m", "limit": "1.5" }, "memory": { "request": "64Mi", "limit": "128Mi" }, "pids": 100 },
            "env": { "TOKEN": "a-${secrets.KEY}" },
            "files": { "/etc/a": { "content": "${secrets.KEY}", "mode": "0600" }, "/etc/b": { "content": "hot", "hot": true } },
            "volumes": {
                "/data": { "name": "data" },
                "/tmp": { "type": "memory", "size": "64Mi" },
                "/host": { "type": "host", "hostPath": "/srv/data", "readOnly": true },
            },
            "ports": { "http": { "port": 8080 }, "dns": { "port": 53, "protocol": "udp" } },
            "publish": [{ "host": 5353, "port": "dns", "protocol": "udp", "address": "0.0.0.0" }],
            "networks": ["back"],
            "extraHosts": { "legacy": "10.0.0.9" },
            "labels": { "tier": "front" },
            "host": { "capabilities": ["NET_ADMIN"], "devices": ["/dev/fuse", "/dev/a:/dev/b:r"] },
            "init": { "migrate": { "command": ["migrate"] } },
            "patch": { "engine": { "HostConfig": { "ShmSize": 1048576, "Init": null }, "Labels": null } },
        } },
        "networks": { "back": { "internal": true } },
    }));
    let release = sample::decide(4, &spec, None).unwrap();
    let plan = lower(release, &sample::runtime()).unwrap();
    check(
        &plan.manifests(),
        expect![[r#"
            {
              "networks": [
                {
                  "Name": "pluvio--shop--back--internal--aaaa0001",
                  "Internal": true,
                  "Labels": {
                    "io.pluvio.installation": "01936b2a-0000-7000-8000-0000cccc0001",
                    "io.pluvio.application": "01936b2a-0000-7000-8000-0000aaaa0001",
                    "io.pluvio.application-name": "shop",
                    "io.pluvio.network": "back"
                  }
                }
              ],
              "volumes": [
                {
                  "Name": "pluvio--shop--data--bbbb0000",
                  "Labels": {
                    "io.pluvio.installation": "01936b2a-0000-7000-8000-0000cccc0001",
                    "io.pluvio.application": "01936b2a-0000-7000-8000-0000aaaa0001",
                    "io.pluvio.application-name": "shop",
                    "io.pluvio.volume": "data",
                    "io.pluvio.volume-id": "01936b2a-0000-7000-8000-0000bbbb0000"
                  }
                }
              ],
              "containers": [
                {
                  "name": "shop--web--3c7585-0--init--migrate",
                  "body": {
                    "Image": "sha256:shop",
                    "Cmd": [
                      "migrate"
                    ],
                    "Hostname": "shop--web--3c7585-0--init--migrate",
                    "Env": [],
                    "Labels": {
                      "tier": "front",
                      "io.pluvio.installation": "01936b2a-0000-7000-8000-0000cccc0001",
                      "io.pluvio.application": "01936b2a-0000-7000-8000-0000aaaa0001",
                      "io.pluvio.application-name": "shop",
                      "io.pluvio.component": "web",
                      "io.pluvio.hash": "b69b8885b270fe2ce977133a68241d7b388ab6382eb146722043ba8005ca55ae",
                      "io.pluvio.release": "4",
                      "io.pluvio.generation": "7",
                      "io.pluvio.slot": "0",
                      "io.pluvio.role": "init"
                    },
                    "Healthcheck": {
                      "Test": [
                        "NONE"
                      ]
                    },
                    "HostConfig": {
                      "NetworkMode": "pluvio--shop--back--internal--aaaa0001",
                      "PidsLimit": 4096,
                      "Init": true,
                      "ExtraHosts": [
                        "legacy:10.0.0.9"
                      ],
                      "LogConfig": {
                        "Type": "json-file",
                        "Config": {
                          "max-size": "10m"
                        }
                      },
                      "RestartPolicy": {
                        "Name": "no"
                      }
                    },
                    "NetworkingConfig": {
                      "EndpointsConfig": {
                        "pluvio--shop--back--internal--aaaa0001": {}
                      }
                    }
                  },
                  "files": []
                },
                {
                  "name": "shop--web--3c7585-0",
                  "body": {
                    "Image": "sha256:shop",
                    "Entrypoint": [
                      "/entry"
                    ],
                    "Cmd": [
                      "/bin/sh",
                      "-c",
                      "serve --fast"
                    ],
                    "Hostname": "shop--web--3c7585-0",
                    "Env": [
                      "PORT=8080",
                      "TOKEN=a-${secrets.KEY}"
                    ],
                    "WorkingDir": "/srv",
                    "User": "1000:1000",
                    "StopSignal": "SIGQUIT",
                    "ExposedPorts": {
                      "8080/tcp": {},
                      "53/udp": {}
                    },
                    "Healthcheck": {
                      "Test": [
                        "NONE"
                      ]
                    },
                    "HostConfig": {
                      "NetworkMode": "pluvio--shop--back--internal--aaaa0001",
                      "Memory": 134217728,
                      "MemoryReservation": 67108864,
                      "NanoCpus": 1500000000,
                      "CpuShares": 102,
                      "PidsLimit": 100,
                      "Mounts": [
                        {
                          "Type": "volume",
                          "Source": "pluvio--shop--data--bbbb0000",
                          "Target": "/data",
                          "ReadOnly": false
                        },
                        {
                          "Type": "bind",
                          "Source": "/srv/data",
                          "Target": "/host",
                          "ReadOnly": true
                        }
                      ],
                      "Tmpfs": {
                        "/tmp": "size=67108864"
                      },
                      "ExtraHosts": [
                        "legacy:10.0.0.9"
                      ],
                      "CapAdd": [
                        "NET_ADMIN"
                      ],
                      "Devices": [
                        {
                          "PathOnHost": "/dev/fuse",
                          "PathInContainer": "/dev/fuse",
                          "CgroupPermissions": "rwm"
                        },
                        {
                          "PathOnHost": "/dev/a",
                          "PathInContainer": "/dev/b",
                          "CgroupPermissions": "r"
                        }
                      ],
                      "LogConfig": {
                        "Type": "json-file",
                        "Config": {
                          "max-size": "10m"
                        }
                      },
                      "RestartPolicy": {
                        "Name": "no"
                      },
                      "PortBindings": {
                        "53/udp": [
                          {
                            "HostIp": "0.0.0.0",
                            "HostPort": "5353"
                          }
                        ]
                      },
                      "ShmSize": 1048576
                    },
                    "NetworkingConfig": {
                      "EndpointsConfig": {
                        "pluvio--shop--back--internal--aaaa0001": {
                          "Aliases": [
                            "web"
                          ]
                        }
                      }
                    },
                    "Labels": {
                      "io.pluvio.installation": "01936b2a-0000-7000-8000-0000cccc0001",
                      "io.pluvio.application": "01936b2a-0000-7000-8000-0000aaaa0001",
                      "io.pluvio.application-name": "shop",
                      "io.pluvio.component": "web",
                      "io.pluvio.hash": "b69b8885b270fe2ce977133a68241d7b388ab6382eb146722043ba8005ca55ae",
                      "io.pluvio.release": "4",
                      "io.pluvio.generation": "7",
                      "io.pluvio.slot": "0",
                      "io.pluvio.role": "main",
                      "io.pluvio.exclusive": "pluvio--shop--data--bbbb0000"
                    }
                  },
                  "files": [
                    {
                      "path": "/etc/a",
                      "mode": "0600",
                      "content": "${secrets.KEY}"
                    },
                    {
                      "path": "/etc/b",
                      "mode": "0644",
                      "content": "hot"
                    }
                  ]
                }
              ]
            }
        "#]],
    );
}

#[test]
fn an_instance_gets_its_slot_address_names_and_secrets_last() {
    let plan = plan(json!({ "web": {
        "image": "localhost/shop:1", "env": { "TOKEN": "a-${secrets.KEY}" }, "extraHosts": { "db": "10.0.0.9" },
    } }));
    let place = InstancePlace {
        slot: 3,
        init_addresses: IndexMap::new(),
        networks: IndexMap::new(),
        run: None,
        addresses: [(plan.networks[0].name.clone(), "10.201.0.5".parse().unwrap())].into(),
        hosts: [
            ("api".to_owned(), "10.201.0.2".parse().unwrap()),
            ("db".to_owned(), "10.201.0.3".parse().unwrap()),
        ]
        .into(),
    };
    let instance = &plan.components[0].instance;
    let made = instance
        .create(&place, &|secret| Some(format!("v{}", secret.version)))
        .unwrap();
    let [main] = &made[..] else {
        panic!("one container")
    };
    assert_eq!(main.name, instance.name(3));
    assert_eq!(main.body["Env"], json!(["PORT=8080", "TOKEN=a-v3"]));
    assert_eq!(
        main.body["HostConfig"]["ExtraHosts"],
        json!(["api:10.201.0.2", "db:10.0.0.9"])
    );
    assert_eq!(main.body["Labels"][label::SLOT], json!("3"));
    let network = main.body["HostConfig"]["NetworkMode"].as_str().unwrap();
    let address = &main.body["NetworkingConfig"]["EndpointsConfig"][network]["IPAMConfig"];
    assert_eq!(address, &json!({ "IPv4Address": "10.201.0.5" }));
    assert_eq!(
        format!("{main:?}"),
        format!("ContainerCreate({})", main.name)
    );

    let missing = instance.create(&place, &|_| None).unwrap_err();
    assert_eq!(missing.name.as_str(), "KEY");
}

#[test]
fn an_instance_with_a_name_of_its_own_has_volumes_of_its_own() {
    let plan = plan(json!({ "db": {
        "kind": "stateful", "image": "localhost/db:1", "instances": 3, "routes": [],
        "volumes": { "/data": { "name": "data" }, "/common": { "name": "common", "access": "shared" } },
        "init": { "prepare": { "command": ["prepare"], "volumes": { "/data": { "name": "data" } } } },
    } }));
    let db = &plan.components[0];
    assert!(db.made_alone);
    let mut shown = Vec::new();
    for slot in [0, 2] {
        let place = InstancePlace {
            slot,
            ..InstancePlace::default()
        };
        for made in db.instance.create(&place, &|_| None).unwrap() {
            let network = &made.body["NetworkingConfig"]["EndpointsConfig"];
            shown.push(json!({
                "name": made.name,
                "Hostname": made.body["Hostname"],
                "Env": made.body["Env"],
                "Aliases": network["pluvio--shop--aaaa0001"]["Aliases"],
                "exclusive": made.body["Labels"][label::EXCLUSIVE],
                "Mounts": made.body["HostConfig"]["Mounts"].as_array().unwrap().iter().map(|mount| mount["Source"].clone()).collect::<Vec<_>>(),
            }));
        }
    }
    check(
        &json!(shown),
        expect![[r#"
            [
              {
                "name": "shop--db--2a36e4-0--init--prepare",
                "Hostname": "db-0",
                "Env": [
                  "PLUVIO_ORDINAL=0"
                ],
                "Aliases": null,
                "exclusive": "pluvio--shop--data--bbbb0000",
                "Mounts": [
                  "pluvio--shop--data--bbbb0000"
                ]
              },
              {
                "name": "shop--db--2a36e4-0",
                "Hostname": "db-0",
                "Env": [
                  "PORT=8080",
                  "PLUVIO_ORDINAL=0"
                ],
                "Aliases": [
                  "db",
                  "db-0"
                ],
                "exclusive": "pluvio--shop--data--bbbb0000",
                "Mounts": [
                  "pluvio--shop--data--bbbb0000",
                  "pluvio--shop--common--bbbb0001"
                ]
              },
              {
                "name": "shop--db--2a36e4-2--init--prepare",
                "Hostname": "db-2",
                "Env": [
                  "PLUVIO_ORDINAL=2"
                ],
                "Aliases": null,
                "exclusive": "pluvio--shop--data-2--bbbb0003",
                "Mounts": [
                  "pluvio--shop--data-2--bbbb0003"
                ]
              },
              {
                "name": "shop--db--2a36e4-2",
                "Hostname": "db-2",
                "Env": [
                  "PORT=8080",
                  "PLUVIO_ORDINAL=2"
                ],
                "Aliases": [
                  "db",
                  "db-2"
                ],
                "exclusive": "pluvio--shop--data-2--bbbb0003",
                "Mounts": [
                  "pluvio--shop--data-2--bbbb0003",
                  "pluvio--shop--common--bbbb0001"
                ]
              }
            ]
        "#]],
    );
    let containers = plan.manifests()["containers"].as_array().unwrap().len();
    assert_eq!(containers, 6, "a person sees what each is given");
}

#[test]
fn names_are_short_readable_and_never_shared() {
    let release = sample::release(json!({ "web": { "image": "localhost/shop:1" } }));
    let name = |application: &str| {
        let wish = RunWish {
            components: release.components.keys().cloned().collect(),
            release: release.clone(),
            tasks: Vec::new(),
            power: Power::On,
            stopped: Vec::new(),
            secrets: Default::default(),
        };
        let plan = engine(
            &wish,
            application.parse().unwrap(),
            Generation(1),
            &sample::runtime(),
        );
        let plan = plan.unwrap();
        (
            plan.networks[0].name.clone(),
            plan.components[0].instance.name(0),
        )
    };
    let one = name("01936b2a-0000-7000-8000-0000aaaa0001");
    let other = name("01936b2a-0000-7000-8000-0000aaaa0002");
    expect![[r#"
        ("pluvio--shop--aaaa0001", "shop--web--9b2268-0")
        ("pluvio--shop--aaaa0002", "shop--web--f76c79-0")
    "#]]
    .assert_eq(&format!("{one:?}\n{other:?}\n"));
}
