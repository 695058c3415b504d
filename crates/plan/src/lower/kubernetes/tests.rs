use expect_test::{Expect, expect};
use pluvio_model::facts::RuntimeKind;
use pluvio_model::release::Release;
use pluvio_model::revision::Origin;
use pluvio_model::spec::AppSpec;
use pluvio_model::stage::{Power, SecretValue};

use super::*;
use crate::sample;

fn options() -> Options {
    Options {
        namespace: "crew-production".to_owned(),
        make_namespace: true,
        gateway: Some(GatewayRef {
            name: "pluvio".to_owned(),
            namespace: "pluvio-system".to_owned(),
        }),
        cluster_domain: "cluster.local".to_owned(),
        masked: false,
    }
}

fn decided(spec: &AppSpec) -> Release {
    let mut facts = sample::facts(spec);
    facts.runtime.runtime = RuntimeKind::Kubernetes;
    let digest = format!("sha256:{}", "0".repeat(64));
    facts
        .images
        .values_mut()
        .for_each(|image| image.facts.id.clone_from(&digest));
    facts
        .other_images
        .values_mut()
        .for_each(|image| image.facts.id.clone_from(&digest));
    let revision = sample::revision(4, spec, Origin::Deploy);
    crate::decide(&revision, None, &facts, &mut sample::volume_ids())
        .unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn wish(spec: &AppSpec) -> RunWish {
    let release = decided(spec);
    RunWish {
        components: release.components.keys().cloned().collect(),
        release,
        power: Power::On,
        secrets: [("KEY@3".to_owned(), SecretValue("hunter2".to_owned()))].into(),
    }
}

fn lower(spec: &AppSpec) -> Result<Vec<Object>, Vec<Problem>> {
    kubernetes(
        &wish(spec),
        sample::application(),
        Generation(7),
        &options(),
    )
}

/// Every object keeps to the published schema; those of the named kinds are as expected.
fn check(spec: &AppSpec, kinds: &[&str], want: Expect) {
    let objects = lower(spec).unwrap_or_else(|problems| panic!("{problems:#?}"));
    conform(&objects);
    let mut out = String::new();
    for object in objects
        .iter()
        .filter(|object| kinds.contains(&object.kind.as_str()))
    {
        let mut body = object.body.clone();
        // The same everywhere, shown once below.
        body["metadata"]
            .as_object_mut()
            .unwrap()
            .shift_remove("labels");
        out += &format!("{}\n", serde_json::to_string_pretty(&body).unwrap());
    }
    want.assert_eq(&out);
}

fn conform(objects: &[Object]) {
    for object in objects {
        let misfits = schema::misfits(&object.body);
        assert!(misfits.is_empty(), "{object:?}: {misfits:#?}");
    }
}

fn told(spec: &AppSpec) -> Vec<String> {
    let problems = lower(spec).unwrap_err();
    problems
        .into_iter()
        .map(|p| format!("{} {}", p.code, p.at.unwrap_or_default().path))
        .collect()
}

#[test]
fn a_service_from_an_image() {
    let spec = sample::shop(json!({ "web": { "image": "registry.test/shop:1", "instances": 2 } }));
    let kinds = ["Namespace", "Deployment", "Service", "HTTPRoute"];
    check(&spec, &kinds, expect![[r#"
        {
          "apiVersion": "v1",
          "kind": "Namespace",
          "metadata": {
            "name": "crew-production"
          }
        }
        {
          "apiVersion": "v1",
          "kind": "Service",
          "metadata": {
            "name": "shop",
            "namespace": "crew-production"
          },
          "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": true
          }
        }
        {
          "apiVersion": "apps/v1",
          "kind": "Deployment",
          "metadata": {
            "name": "shop--web",
            "namespace": "crew-production",
            "annotations": {
              "pluvio.io/release": "4",
              "pluvio.io/generation": "7"
            }
          },
          "spec": {
            "replicas": 2,
            "selector": {
              "matchLabels": {
                "pluvio.io/application": "01936b2a-0000-7000-8000-0000aaaa0001",
                "pluvio.io/component": "web"
              }
            },
            "strategy": {
              "type": "RollingUpdate",
              "rollingUpdate": {
                "maxSurge": 1,
                "maxUnavailable": 0
              }
            },
            "progressDeadlineSeconds": 120,
            "template": {
              "metadata": {
                "labels": {
                  "pluvio.io/application": "01936b2a-0000-7000-8000-0000aaaa0001",
                  "pluvio.io/component": "web",
                  "app.kubernetes.io/managed-by": "pluvio",
                  "app.kubernetes.io/part-of": "shop",
                  "app.kubernetes.io/name": "web"
                },
                "annotations": {
                  "pluvio.io/hash": "abea9a0ef14d6a0ff9bb6e45ba6cbde852e6f6c9e0ee1db7a5238abd6e9be2f0"
                }
              },
              "spec": {
                "containers": [
                  {
                    "name": "web",
                    "image": "registry.test/shop@sha256:0000000000000000000000000000000000000000000000000000000000000000",
                    "env": [
                      {
                        "name": "PORT",
                        "value": "8080"
                      }
                    ],
                    "ports": [
                      {
                        "containerPort": 8080,
                        "protocol": "TCP"
                      }
                    ],
                    "resources": {},
                    "readinessProbe": {
                      "tcpSocket": {
                        "port": 8080
                      },
                      "initialDelaySeconds": 0,
                      "periodSeconds": 5,
                      "timeoutSeconds": 2,
                      "failureThreshold": 3,
                      "successThreshold": 1
                    },
                    "lifecycle": {
                      "preStop": {
                        "sleep": {
                          "seconds": 5
                        }
                      }
                    },
                    "securityContext": {
                      "allowPrivilegeEscalation": false,
                      "capabilities": {
                        "add": [
                          "CHOWN",
                          "DAC_OVERRIDE",
                          "FOWNER",
                          "FSETID",
                          "KILL",
                          "NET_BIND_SERVICE",
                          "SETGID",
                          "SETPCAP",
                          "SETUID"
                        ],
                        "drop": [
                          "ALL"
                        ]
                      }
                    }
                  }
                ],
                "terminationGracePeriodSeconds": 45,
                "automountServiceAccountToken": false,
                "enableServiceLinks": false,
                "securityContext": {
                  "seccompProfile": {
                    "type": "RuntimeDefault"
                  }
                },
                "dnsConfig": {
                  "searches": [
                    "shop.crew-production.svc.cluster.local"
                  ]
                }
              }
            }
          }
        }
        {
          "apiVersion": "v1",
          "kind": "Service",
          "metadata": {
            "name": "shop--web",
            "namespace": "crew-production"
          },
          "spec": {
            "selector": {
              "pluvio.io/application": "01936b2a-0000-7000-8000-0000aaaa0001",
              "pluvio.io/component": "web"
            },
            "ports": [
              {
                "name": "http",
                "port": 8080,
                "targetPort": 8080,
                "protocol": "TCP",
                "appProtocol": "http"
              }
            ]
          }
        }
        {
          "apiVersion": "gateway.networking.k8s.io/v1",
          "kind": "HTTPRoute",
          "metadata": {
            "name": "shop--web-7cf9d588",
            "namespace": "crew-production"
          },
          "spec": {
            "parentRefs": [
              {
                "name": "pluvio",
                "namespace": "pluvio-system"
              }
            ],
            "rules": [
              {
                "backendRefs": [
                  {
                    "name": "shop--web",
                    "port": 8080,
                    "weight": 1
                  }
                ],
                "timeouts": {
                  "backendRequest": "60000ms"
                }
              }
            ],
            "hostnames": [
              "shop.localhost"
            ]
          }
        }
    "#]]);
}

#[test]
fn everything_is_labelled_and_selectors_hold_ids_only() {
    let spec = sample::shop(
        json!({ "web": { "image": "registry.test/shop:1", "labels": { "tier": "front" } } }),
    );
    let objects = lower(&spec).unwrap();
    let deployment = objects
        .iter()
        .find(|object| object.kind == "Deployment")
        .unwrap();
    expect![[r#"
        {
          "name": "shop--web",
          "namespace": "crew-production",
          "labels": {
            "pluvio.io/application": "01936b2a-0000-7000-8000-0000aaaa0001",
            "pluvio.io/component": "web",
            "app.kubernetes.io/managed-by": "pluvio",
            "app.kubernetes.io/part-of": "shop",
            "app.kubernetes.io/name": "web"
          },
          "annotations": {
            "pluvio.io/release": "4",
            "pluvio.io/generation": "7"
          }
        }"#]].assert_eq(&serde_json::to_string_pretty(&deployment.body["metadata"]).unwrap());
    expect![[r#"
        {
          "matchLabels": {
            "pluvio.io/application": "01936b2a-0000-7000-8000-0000aaaa0001",
            "pluvio.io/component": "web"
          }
        }"#]]
        .assert_eq(&serde_json::to_string_pretty(&deployment.body["spec"]["selector"]).unwrap());
    let labels = &deployment.body["spec"]["template"]["metadata"]["labels"];
    assert_eq!(labels["tier"], "front");
}

fn everything() -> AppSpec {
    sample::spec(json!({
        "name": "shop",
        "components": {
            "web": {
                "image": "registry.test/shop:1",
                "entrypoint": ["/entry"],
                "command": ["serve", "$(date)"],
                "workingDir": "/srv",
                "user": "1000:1000",
                "resources": { "cpu": { "request": "100m", "limit": "1.5" }, "memory": { "limit": "128Mi" } },
                "env": { "TOKEN": "a-${secrets.KEY}", "SHELL_LIKE": "$(HOME)" },
                "files": {
                    "/etc/a": { "content": "plain", "mode": "0600" },
                    "/etc/b": { "content": "${secrets.KEY}" },
                    "/etc/shop/hot.toml": { "content": "hot", "hot": true },
                },
                "volumes": {
                    "/data": { "name": "data", "access": "shared", "size": "20Gi", "class": "fast" },
                    "/tmp": { "type": "memory", "size": "64Mi" },
                    "/host": { "type": "host", "hostPath": "/srv/data", "readOnly": true },
                },
                "ports": { "http": { "port": 8080 }, "grpc": { "port": 9090, "protocol": "http2" }, "dns": { "port": 53, "protocol": "udp" } },
                "probes": {
                    "startup": { "command": ["test", "-f", "/ready"] },
                    "ready": { "http": { "path": "/healthz", "host": "shop.test" }, "period": "500ms" },
                    "live": { "tcp": {} },
                },
                "routes": [
                    { "host": "shop.test", "path": "/shop" },
                    { "host": "*.shop.test", "path": "/rpc", "exact": true, "port": "grpc" },
                ],
                "extraHosts": { "legacy": "10.0.0.9" },
                "host": { "capabilities": ["NET_ADMIN"], "sysctls": { "net.ipv4.tcp_syncookies": "1" } },
                "placement": { "nodeLabels": { "disk": "ssd" } },
                "init": { "prepare": { "command": ["prepare"], "volumes": { "/data": { "name": "data", "access": "shared" } } } },
                "sidecars": { "log": { "image": "registry.test/log:1" } },
                "release": { "command": "migrate" },
                "patch": { "kubernetes": [{ "kind": "Deployment", "spec": { "minReadySeconds": 5 } }] },
            },
            "disk": { "image": "registry.test/disk:1", "routes": [], "volumes": { "/data": { "name": "own" } } },
            "db": { "kind": "stateful", "image": "registry.test/db:1", "instances": 3, "routes": [], "volumes": { "/db": { "name": "db" } } },
            "agent": { "kind": "daemon", "image": "registry.test/agent:1", "routes": [] },
            "load": { "kind": "job", "image": "registry.test/load:1", "routes": [], "restart": "never" },
            "tick": { "kind": "cron", "image": "registry.test/tick:1", "routes": [], "schedule": { "cron": "0 3 * * *", "timeZone": "Europe/Berlin" } },
        },
        "objects": [{ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "mine" }, "data": { "a": "b" } }],
    }))
}

#[test]
fn everything_a_pod_can_be_asked() {
    let kinds = ["Deployment", "Secret", "ConfigMap", "PersistentVolumeClaim"];
    check(&everything(), &kinds, expect![[r#"
        {
          "apiVersion": "v1",
          "kind": "Secret",
          "metadata": {
            "name": "shop--web--secret-7686d641",
            "namespace": "crew-production"
          },
          "type": "Opaque",
          "stringData": {
            "web.env.TOKEN": "a-hunter2",
            "web.file.1": "hunter2"
          },
          "immutable": true
        }
        {
          "apiVersion": "v1",
          "kind": "ConfigMap",
          "metadata": {
            "name": "shop--web--files-7686d641",
            "namespace": "crew-production"
          },
          "data": {
            "web.file.0": "plain"
          },
          "immutable": true
        }
        {
          "apiVersion": "v1",
          "kind": "ConfigMap",
          "metadata": {
            "name": "shop--web--hot",
            "namespace": "crew-production"
          },
          "data": {
            "hot.0": "hot"
          }
        }
        {
          "apiVersion": "v1",
          "kind": "PersistentVolumeClaim",
          "metadata": {
            "name": "shop--data--bbbb0000",
            "namespace": "crew-production",
            "annotations": {
              "pluvio.io/volume-id": "01936b2a-0000-7000-8000-0000bbbb0000"
            }
          },
          "spec": {
            "accessModes": [
              "ReadWriteMany"
            ],
            "resources": {
              "requests": {
                "storage": "20Gi"
              }
            },
            "storageClassName": "fast"
          }
        }
        {
          "apiVersion": "apps/v1",
          "kind": "Deployment",
          "metadata": {
            "name": "shop--web",
            "namespace": "crew-production",
            "annotations": {
              "pluvio.io/release": "4",
              "pluvio.io/generation": "7"
            }
          },
          "spec": {
            "replicas": 1,
            "selector": {
              "matchLabels": {
                "pluvio.io/application": "01936b2a-0000-7000-8000-0000aaaa0001",
                "pluvio.io/component": "web"
              }
            },
            "strategy": {
              "type": "RollingUpdate",
              "rollingUpdate": {
                "maxSurge": 1,
                "maxUnavailable": 0
              }
            },
            "progressDeadlineSeconds": 120,
            "template": {
              "metadata": {
                "labels": {
                  "pluvio.io/application": "01936b2a-0000-7000-8000-0000aaaa0001",
                  "pluvio.io/component": "web",
                  "app.kubernetes.io/managed-by": "pluvio",
                  "app.kubernetes.io/part-of": "shop",
                  "app.kubernetes.io/name": "web"
                },
                "annotations": {
                  "pluvio.io/hash": "7686d64170e16d527cee496f49e9ad789a0498667be76921d956de9646372d42"
                }
              },
              "spec": {
                "initContainers": [
                  {
                    "name": "log",
                    "image": "registry.test/log@sha256:0000000000000000000000000000000000000000000000000000000000000000",
                    "restartPolicy": "Always",
                    "resources": {},
                    "securityContext": {
                      "allowPrivilegeEscalation": false,
                      "capabilities": {
                        "add": [
                          "CHOWN",
                          "DAC_OVERRIDE",
                          "FOWNER",
                          "FSETID",
                          "KILL",
                          "NET_BIND_SERVICE",
                          "SETGID",
                          "SETPCAP",
                          "SETUID"
                        ],
                        "drop": [
                          "ALL"
                        ]
                      }
                    }
                  },
                  {
                    "name": "prepare",
                    "image": "registry.test/shop@sha256:0000000000000000000000000000000000000000000000000000000000000000",
                    "args": [
                      "prepare"
                    ],
                    "resources": {},
                    "volumeMounts": [
                      {
                        "name": "volume-data",
                        "mountPath": "/data"
                      }
                    ],
                    "securityContext": {
                      "allowPrivilegeEscalation": false,
                      "capabilities": {
                        "add": [
                          "CHOWN",
                          "DAC_OVERRIDE",
                          "FOWNER",
                          "FSETID",
                          "KILL",
                          "NET_BIND_SERVICE",
                          "SETGID",
                          "SETPCAP",
                          "SETUID"
                        ],
                        "drop": [
                          "ALL"
                        ]
                      }
                    }
                  }
                ],
                "containers": [
                  {
                    "name": "web",
                    "image": "registry.test/shop@sha256:0000000000000000000000000000000000000000000000000000000000000000",
                    "command": [
                      "/entry"
                    ],
                    "args": [
                      "serve",
                      "$$(date)"
                    ],
                    "workingDir": "/srv",
                    "env": [
                      {
                        "name": "PORT",
                        "value": "8080"
                      },
                      {
                        "name": "TOKEN",
                        "valueFrom": {
                          "secretKeyRef": {
                            "name": "shop--web--secret-7686d641",
                            "key": "web.env.TOKEN"
                          }
                        }
                      },
                      {
                        "name": "SHELL_LIKE",
                        "value": "$$(HOME)"
                      }
                    ],
                    "ports": [
                      {
                        "containerPort": 8080,
                        "protocol": "TCP"
                      },
                      {
                        "containerPort": 9090,
                        "protocol": "TCP"
                      },
                      {
                        "containerPort": 53,
                        "protocol": "UDP"
                      }
                    ],
                    "resources": {
                      "requests": {
                        "cpu": "100m"
                      },
                      "limits": {
                        "cpu": "1500m",
                        "memory": "134217728"
                      }
                    },
                    "startupProbe": {
                      "exec": {
                        "command": [
                          "test",
                          "-f",
                          "/ready"
                        ]
                      },
                      "initialDelaySeconds": 0,
                      "periodSeconds": 5,
                      "timeoutSeconds": 2,
                      "failureThreshold": 60,
                      "successThreshold": 1
                    },
                    "readinessProbe": {
                      "httpGet": {
                        "path": "/healthz",
                        "port": 8080,
                        "httpHeaders": [
                          {
                            "name": "Host",
                            "value": "shop.test"
                          }
                        ]
                      },
                      "initialDelaySeconds": 0,
                      "periodSeconds": 1,
                      "timeoutSeconds": 2,
                      "failureThreshold": 3,
                      "successThreshold": 1
                    },
                    "livenessProbe": {
                      "tcpSocket": {
                        "port": 8080
                      },
                      "initialDelaySeconds": 0,
                      "periodSeconds": 5,
                      "timeoutSeconds": 2,
                      "failureThreshold": 3,
                      "successThreshold": 1
                    },
                    "lifecycle": {
                      "preStop": {
                        "sleep": {
                          "seconds": 5
                        }
                      }
                    },
                    "volumeMounts": [
                      {
                        "name": "volume-data",
                        "mountPath": "/data"
                      },
                      {
                        "name": "memory-1",
                        "mountPath": "/tmp"
                      },
                      {
                        "name": "host-2",
                        "mountPath": "/host",
                        "readOnly": true
                      },
                      {
                        "name": "file-web-0",
                        "mountPath": "/etc/a",
                        "subPath": "file",
                        "readOnly": true
                      },
                      {
                        "name": "file-web-1",
                        "mountPath": "/etc/b",
                        "subPath": "file",
                        "readOnly": true
                      },
                      {
                        "name": "hot-0",
                        "mountPath": "/etc/shop",
                        "readOnly": true
                      }
                    ],
                    "securityContext": {
                      "allowPrivilegeEscalation": false,
                      "runAsNonRoot": true,
                      "runAsUser": 1000,
                      "runAsGroup": 1000,
                      "capabilities": {
                        "add": [
                          "NET_ADMIN"
                        ],
                        "drop": [
                          "ALL"
                        ]
                      }
                    }
                  }
                ],
                "volumes": [
                  {
                    "name": "volume-data",
                    "persistentVolumeClaim": {
                      "claimName": "shop--data--bbbb0000"
                    }
                  },
                  {
                    "name": "memory-1",
                    "emptyDir": {
                      "medium": "Memory",
                      "sizeLimit": "67108864"
                    }
                  },
                  {
                    "name": "host-2",
                    "hostPath": {
                      "path": "/srv/data"
                    }
                  },
                  {
                    "name": "file-web-0",
                    "configMap": {
                      "name": "shop--web--files-7686d641",
                      "items": [
                        {
                          "key": "web.file.0",
                          "path": "file",
                          "mode": 384
                        }
                      ]
                    }
                  },
                  {
                    "name": "file-web-1",
                    "secret": {
                      "secretName": "shop--web--secret-7686d641",
                      "items": [
                        {
                          "key": "web.file.1",
                          "path": "file",
                          "mode": 420
                        }
                      ]
                    }
                  },
                  {
                    "name": "hot-0",
                    "configMap": {
                      "name": "shop--web--hot",
                      "items": [
                        {
                          "key": "hot.0",
                          "path": "hot.toml",
                          "mode": 420
                        }
                      ]
                    }
                  }
                ],
                "terminationGracePeriodSeconds": 45,
                "automountServiceAccountToken": false,
                "enableServiceLinks": false,
                "securityContext": {
                  "seccompProfile": {
                    "type": "RuntimeDefault"
                  },
                  "sysctls": [
                    {
                      "name": "net.ipv4.tcp_syncookies",
                      "value": "1"
                    }
                  ]
                },
                "dnsConfig": {
                  "searches": [
                    "shop.crew-production.svc.cluster.local"
                  ]
                },
                "hostAliases": [
                  {
                    "ip": "10.0.0.9",
                    "hostnames": [
                      "legacy"
                    ]
                  }
                ],
                "nodeSelector": {
                  "disk": "ssd"
                }
              }
            },
            "minReadySeconds": 5
          }
        }
        {
          "apiVersion": "v1",
          "kind": "PersistentVolumeClaim",
          "metadata": {
            "name": "shop--own--bbbb0001",
            "namespace": "crew-production",
            "annotations": {
              "pluvio.io/volume-id": "01936b2a-0000-7000-8000-0000bbbb0001"
            }
          },
          "spec": {
            "accessModes": [
              "ReadWriteOnce"
            ],
            "resources": {
              "requests": {
                "storage": "10Gi"
              }
            }
          }
        }
        {
          "apiVersion": "apps/v1",
          "kind": "Deployment",
          "metadata": {
            "name": "shop--disk",
            "namespace": "crew-production",
            "annotations": {
              "pluvio.io/release": "4",
              "pluvio.io/generation": "7"
            }
          },
          "spec": {
            "replicas": 1,
            "selector": {
              "matchLabels": {
                "pluvio.io/application": "01936b2a-0000-7000-8000-0000aaaa0001",
                "pluvio.io/component": "disk"
              }
            },
            "strategy": {
              "type": "Recreate"
            },
            "progressDeadlineSeconds": 120,
            "template": {
              "metadata": {
                "labels": {
                  "pluvio.io/application": "01936b2a-0000-7000-8000-0000aaaa0001",
                  "pluvio.io/component": "disk",
                  "app.kubernetes.io/managed-by": "pluvio",
                  "app.kubernetes.io/part-of": "shop",
                  "app.kubernetes.io/name": "disk"
                },
                "annotations": {
                  "pluvio.io/hash": "d0c66a3daeefcaf1c9de85169ab7cf57561c520d041d2e45ce6303940529bfdf"
                }
              },
              "spec": {
                "containers": [
                  {
                    "name": "disk",
                    "image": "registry.test/disk@sha256:0000000000000000000000000000000000000000000000000000000000000000",
                    "env": [
                      {
                        "name": "PORT",
                        "value": "8080"
                      }
                    ],
                    "ports": [
                      {
                        "containerPort": 8080,
                        "protocol": "TCP"
                      }
                    ],
                    "resources": {},
                    "readinessProbe": {
                      "tcpSocket": {
                        "port": 8080
                      },
                      "initialDelaySeconds": 0,
                      "periodSeconds": 5,
                      "timeoutSeconds": 2,
                      "failureThreshold": 3,
                      "successThreshold": 1
                    },
                    "lifecycle": {
                      "preStop": {
                        "sleep": {
                          "seconds": 5
                        }
                      }
                    },
                    "volumeMounts": [
                      {
                        "name": "volume-own",
                        "mountPath": "/data"
                      }
                    ],
                    "securityContext": {
                      "allowPrivilegeEscalation": false,
                      "capabilities": {
                        "add": [
                          "CHOWN",
                          "DAC_OVERRIDE",
                          "FOWNER",
                          "FSETID",
                          "KILL",
                          "NET_BIND_SERVICE",
                          "SETGID",
                          "SETPCAP",
                          "SETUID"
                        ],
                        "drop": [
                          "ALL"
                        ]
                      }
                    }
                  }
                ],
                "volumes": [
                  {
                    "name": "volume-own",
                    "persistentVolumeClaim": {
                      "claimName": "shop--own--bbbb0001"
                    }
                  }
                ],
                "terminationGracePeriodSeconds": 45,
                "automountServiceAccountToken": false,
                "enableServiceLinks": false,
                "securityContext": {
                  "seccompProfile": {
                    "type": "RuntimeDefault"
                  }
                },
                "dnsConfig": {
                  "searches": [
                    "shop.crew-production.svc.cluster.local"
                  ]
                }
              }
            }
          }
        }
        {
          "apiVersion": "v1",
          "kind": "ConfigMap",
          "metadata": {
            "name": "mine",
            "namespace": "crew-production"
          },
          "data": {
            "a": "b"
          }
        }
    "#]]);
}

#[test]
fn every_kind_has_its_workload() {
    let objects = lower(&everything()).unwrap();
    let all: Vec<String> = objects.iter().map(|object| format!("{object:?}")).collect();
    expect![[r#"
        Namespace crew-production
        Service shop
        Secret shop--web--secret-7686d641
        ConfigMap shop--web--files-7686d641
        ConfigMap shop--web--hot
        PersistentVolumeClaim shop--data--bbbb0000
        Deployment shop--web
        Service shop--web
        PersistentVolumeClaim shop--own--bbbb0001
        Deployment shop--disk
        Service shop--disk
        StatefulSet shop--db
        Service shop--db--each
        Service shop--db
        DaemonSet shop--agent
        Service shop--agent
        Job shop--load--33e80bf6
        Service shop--load
        CronJob shop--tick
        Service shop--tick
        HTTPRoute shop--web-62c2f46b
        HTTPRoute shop--web-8d63bf78
        ConfigMap mine
    "#]].assert_eq(&format!("{}\n", all.join("\n")));
    let spec = |kind: &str| {
        let object = objects.iter().find(|object| object.kind == kind).unwrap();
        let mut spec = object.body["spec"].clone();
        // Pods are alike, and shown above.
        spec.as_object_mut().unwrap().shift_remove("template");
        if kind == "CronJob" {
            spec["jobTemplate"]["spec"]
                .as_object_mut()
                .unwrap()
                .shift_remove("template");
        }
        format!("{kind} {}\n", serde_json::to_string_pretty(&spec).unwrap())
    };
    let shown: String = ["StatefulSet", "DaemonSet", "Job", "CronJob"]
        .map(spec)
        .concat();
    expect![[r#"
        StatefulSet {
          "replicas": 3,
          "serviceName": "shop--db--each",
          "selector": {
            "matchLabels": {
              "pluvio.io/application": "01936b2a-0000-7000-8000-0000aaaa0001",
              "pluvio.io/component": "db"
            }
          },
          "podManagementPolicy": "Parallel",
          "updateStrategy": {
            "type": "RollingUpdate"
          },
          "volumeClaimTemplates": [
            {
              "metadata": {
                "name": "db",
                "labels": {
                  "pluvio.io/application": "01936b2a-0000-7000-8000-0000aaaa0001",
                  "pluvio.io/component": "db"
                }
              },
              "spec": {
                "accessModes": [
                  "ReadWriteOnce"
                ],
                "resources": {
                  "requests": {
                    "storage": "10Gi"
                  }
                }
              }
            }
          ]
        }
        DaemonSet {
          "selector": {
            "matchLabels": {
              "pluvio.io/application": "01936b2a-0000-7000-8000-0000aaaa0001",
              "pluvio.io/component": "agent"
            }
          },
          "updateStrategy": {
            "type": "RollingUpdate"
          }
        }
        Job {
          "backoffLimit": 0,
          "suspend": false
        }
        CronJob {
          "schedule": "0 3 * * *",
          "timeZone": "Europe/Berlin",
          "concurrencyPolicy": "Forbid",
          "suspend": false,
          "jobTemplate": {
            "spec": {
              "backoffLimit": 6
            }
          }
        }
    "#]].assert_eq(&shown);
}

#[test]
fn stopped_means_no_pods() {
    let wish = RunWish {
        power: Power::Off,
        ..wish(&everything())
    };
    let objects = kubernetes(&wish, sample::application(), Generation(8), &options()).unwrap();
    conform(&objects);
    for object in objects {
        let spec = &object.body["spec"];
        match object.kind.as_str() {
            "Deployment" | "StatefulSet" => assert_eq!(spec["replicas"], 0),
            "Job" | "CronJob" => assert_eq!(spec["suspend"], true),
            "DaemonSet" => assert!(spec["template"]["spec"]["nodeSelector"].is_object()),
            _ => {}
        }
    }
}

#[test]
fn a_release_task_is_a_job_of_its_content() {
    let wish = wish(&everything());
    let web = "web".parse().unwrap();
    let objects = release_task(
        &wish,
        &web,
        sample::application(),
        Generation(7),
        &options(),
    );
    let objects = objects.unwrap();
    conform(&objects);
    let job = objects.last().unwrap();
    let container = &job.body["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(job.kind, "Job");
    assert_eq!(container["command"], json!(["/bin/sh", "-c", "migrate"]));
    assert!(container.get("readinessProbe").is_none());
    let labels = &job.body["spec"]["template"]["metadata"]["labels"];
    assert!(
        labels.get(key::COMPONENT).is_none(),
        "the Service would send it requests"
    );
}

#[test]
fn secrets_are_only_in_secrets_and_never_in_what_people_read() {
    let wish = wish(&everything());
    let objects = kubernetes(&wish, sample::application(), Generation(7), &options()).unwrap();
    for object in &objects {
        let holds = object.body.to_string().contains("hunter2");
        assert_eq!(holds, object.kind == "Secret", "{object:?}");
    }
    let masked = Options {
        masked: true,
        ..options()
    };
    let objects = kubernetes(&wish, sample::application(), Generation(7), &masked).unwrap();
    assert!(
        objects
            .iter()
            .all(|object| !object.body.to_string().contains("hunter2"))
    );

    let empty = RunWish {
        secrets: Default::default(),
        ..wish
    };
    let problems =
        kubernetes(&empty, sample::application(), Generation(7), &options()).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].code, "secret.missing");
}

#[test]
fn what_kubernetes_cannot_do_is_refused_by_name() {
    let spec = sample::spec(json!({
        "name": "shop",
        "components": { "web": {
            "image": "registry.test/shop:1",
            "user": "app",
            "stopSignal": "SIGQUIT",
            "restart": "never",
            "networks": ["back"],
            "files": { "/etc/hot": { "content": "x", "hot": true } },
            "host": { "devices": ["/dev/fuse"] },
            "probes": { "ready": { "http": { "status": [204] } }, "live": { "tcp": {}, "successes": 2 } },
        } },
        "networks": { "back": {} },
        "objects": [{ "kind": "ConfigMap" }],
    }));
    expect![[r#"
        spec.unsupported components.web.restart
        spec.unsupported components.web.networks
        spec.unsupported components.web.files./etc/hot.hot
        spec.unsupported components.web.stopSignal
        spec.unsupported components.web.user
        spec.unsupported components.web.host.devices
        spec.unsupported components.web.probes.ready.http.status
        spec.unsupported components.web.probes.live.successes
        spec.invalid objects.0
    "#]].assert_eq(&format!("{}\n", told(&spec).join("\n")));
}
