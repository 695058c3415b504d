mod database;
mod environment;
mod foreign;
mod hooks;
mod images;
mod outside;
mod routes;
mod volumes;

use expect_test::{Expect, expect};
use pluvio_model::facts::{DecideFacts, RuntimeKind};
use pluvio_model::problem::{self, Problem};
use pluvio_model::release::Release;
use pluvio_model::revision::Origin;
use pluvio_model::spec::AppSpec;
use serde_json::{Value, json};

use super::{ImageNeed, images_in_order, images_needed};
use crate::sample;

/// The decided value at a JSON pointer.
fn check(spec: &AppSpec, at: &str, want: Expect) {
    let release = sample::decide(1, spec, None).unwrap_or_else(|problems| panic!("{problems:#?}"));
    check_release(&release, at, want);
}

fn check_release(release: &Release, at: &str, want: Expect) {
    let json = serde_json::to_value(release).unwrap();
    let value = json.pointer(at).unwrap_or(&Value::Null);
    want.assert_eq(&format!(
        "{}\n",
        serde_json::to_string_pretty(value).unwrap()
    ));
}

fn told(problems: &[Problem]) -> String {
    let line = |problem: &Problem| {
        let at = problem
            .at
            .as_ref()
            .map(|at| at.path.clone())
            .unwrap_or_default();
        format!(
            "{} at {at}\n  {}\n  {}\n",
            problem.code, problem.cause, problem.remedy
        )
    };
    problems.iter().map(line).collect()
}

fn refused(spec: &AppSpec, want: Expect) {
    let problems = sample::decide(1, spec, None).expect_err("it was decided");
    want.assert_eq(&told(&problems));
}

/// The environment as a person reads it, one variable a line.
fn env(spec: &AppSpec, component: &str, want: Expect) {
    let release = sample::decide(1, spec, None).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let env = &release.components[component].content.main.env;
    let lines: Vec<String> = env
        .iter()
        .map(|(k, v)| format!("{k}={}", v.masked()))
        .collect();
    want.assert_eq(&format!("{}\n", lines.join("\n")));
}

#[test]
fn an_image_alone_is_a_whole_application() {
    let spec = sample::shop(json!({ "web": { "image": "localhost/shop:1" } }));
    check(
        &spec,
        "",
        expect![[r#"
        {
          "application": "01936b2a-0000-7000-8000-0000aaaa0001",
          "application_name": "shop",
          "team": "crew",
          "environment": "production",
          "number": 1,
          "parent": null,
          "components": {
            "web": {
              "name": "web",
              "kind": "service",
              "hash": "dc66252bb068dd242619398651c9a010d142d7e85ac24b9757a580d15af98c20",
              "content": {
                "main": {
                  "image": "localhost/shop:1",
                  "image_id": "sha256:shop",
                  "entrypoint": null,
                  "command": null,
                  "working_dir": null,
                  "user": null,
                  "stop_signal": null,
                  "env": {
                    "PORT": [
                      {
                        "text": "8080"
                      }
                    ]
                  },
                  "files": {},
                  "mounts": {},
                  "cpu_request": null,
                  "cpu_limit": null,
                  "memory_request": null,
                  "memory_limit": null,
                  "pids_limit": 4096,
                  "probes": {
                    "startup": null,
                    "ready": {
                      "check": {
                        "tcp": {
                          "port": 8080
                        }
                      },
                      "period": "5s",
                      "timeout": "2s",
                      "delay": "0s",
                      "failures": 3,
                      "successes": 1
                    },
                    "live": null
                  },
                  "host": null
                },
                "ports": {
                  "http": {
                    "port": 8080,
                    "protocol": "http"
                  }
                },
                "restart": "always",
                "restarts": 0
              },
              "instances": 1,
              "rollout": {
                "strategy": {
                  "surge": {
                    "surge": 1,
                    "unavailable": 0
                  }
                },
                "drain": "30s",
                "grace": "10s",
                "deadline": "2m"
              }
            }
          },
          "volumes": {},
          "networks": {},
          "routes": [
            {
              "id": "web-7cf9d588",
              "hosts": [
                "shop.localhost"
              ],
              "backends": [
                {
                  "backend": "01936b2a-0000-7000-8000-0000aaaa0001/web/http",
                  "weight": 1,
                  "protocol": "http1"
                }
              ],
              "limits": {
                "connect": 5000,
                "response": 60000,
                "idle": 300000
              }
            }
          ],
          "urls": [
            "http://shop.localhost:8080"
          ]
        }
    "#]],
    );
}

#[test]
fn exposed_ports_get_names_and_protocols() {
    let spec = sample::shop(json!({ "web": { "image": "localhost/shop:1" } }));
    let mut facts = sample::facts(&spec);
    let image = facts.images.values_mut().next().unwrap();
    image.facts.exposed = vec![5432, 8080, 9000];
    let revision = sample::revision(1, &spec, Origin::Deploy);
    let release = crate::decide(&revision, None, &facts, &mut sample::volume_ids()).unwrap();
    let ports = &release.components["web"].content.ports;
    let shown: Vec<String> = ports
        .iter()
        .map(|(name, port)| format!("{name} {} {:?}", port.port, port.protocol))
        .collect();
    assert_eq!(
        shown,
        ["tcp-5432 5432 Tcp", "http 8080 Http", "http-9000 9000 Http"]
    );
}

#[test]
fn probes_have_defaults_and_name_what_they_miss() {
    let probes = |probes: Value| {
        sample::shop(json!({ "web": {
            "image": "localhost/shop:1",
            "ports": { "admin": { "port": 9000, "protocol": "tcp" }, "http": { "port": 8080 } },
            "probes": probes,
        } }))
    };
    let at = "/components/web/content/main/probes";
    check(
        &probes(json!({})),
        at,
        expect![[r#"
        {
          "startup": null,
          "ready": {
            "check": {
              "tcp": {
                "port": 9000
              }
            },
            "period": "5s",
            "timeout": "2s",
            "delay": "0s",
            "failures": 3,
            "successes": 1
          },
          "live": null
        }
    "#]],
    );
    let asked = json!({
        "startup": { "command": "test -f /ready" },
        "ready": { "http": { "path": "/healthz" }, "period": "1s" },
        "live": { "tcp": { "port": "admin" }, "failures": 5 },
    });
    check(
        &probes(asked),
        at,
        expect![[r#"
        {
          "startup": {
            "check": {
              "command": [
                "/bin/sh",
                "-c",
                "test -f /ready"
              ]
            },
            "period": "5s",
            "timeout": "2s",
            "delay": "0s",
            "failures": 60,
            "successes": 1
          },
          "ready": {
            "check": {
              "http": {
                "port": 8080,
                "path": "/healthz",
                "host": null,
                "headers": {},
                "status": [
                  [
                    200,
                    399
                  ]
                ]
              }
            },
            "period": "1s",
            "timeout": "2s",
            "delay": "0s",
            "failures": 3,
            "successes": 1
          },
          "live": {
            "check": {
              "tcp": {
                "port": 9000
              }
            },
            "period": "5s",
            "timeout": "2s",
            "delay": "0s",
            "failures": 5,
            "successes": 1
          }
        }
    "#]],
    );
    refused(
        &probes(json!({ "ready": { "http": { "port": "web" } }, "live": { "period": "1s" } })),
        expect![[r#"
            spec.invalid at components.web.probes.live
              A probe is exactly one of `http`, `tcp` and `command`.
              Keep one of them; `http: { path: /healthz }` is the usual one.
            spec.unknown-reference at components.web.probes.ready.http.port
              The probe's port web is no port of this component.
              Its ports are: admin, http.
        "#]],
    );
}

#[test]
fn what_an_engine_cannot_do_is_refused_by_name_before_anything_runs() {
    let spec = sample::spec(json!({
        "name": "shop",
        "components": {
            "web": { "image": "localhost/shop:1", "host": { "network": true }, "publish": [{ "host": 80, "port": 80 }], "placement": { "clusters": ["a"] } },
            "db": { "kind": "vm" },
            "tick": { "kind": "cron", "image": "localhost/tick:1" },
            "pair": { "image": "localhost/p:1", "routes": [], "sidecars": { "log": { "image": "localhost/log:1", "host": { "network": true } } } },
        },
        "objects": [{ "kind": "ConfigMap" }],
    }));
    refused(
        &spec,
        expect![[r#"
            spec.unsupported at components.db.kind
              A virtual machine cannot be run by this version; db is one.
              Take it out, or run its program in a container.
            spec.unsupported at components.web.placement.clusters
              web asks for `placement.clusters`; an application runs on one cluster in this version.
              Take `clusters` out.
            spec.invalid at components.tick.schedule
              tick runs on a schedule, and has none.
              Write when it runs: `schedule: "0 3 * * *"`.
            spec.unsupported at objects
              Raw Kubernetes objects need a Kubernetes cluster; this is a container engine.
              Take `objects` out, or choose a Kubernetes cluster.
            spec.unsupported at components.web.publish.0
              On the machine's own network its ports are the machine's already.
              Take `publish` out.
            spec.unsupported at components.pair.sidecars.log.host.network
              It is on its instance's network, whichever that is.
              Write `host: { network: true }` for the component itself.
        "#]],
    );
}

#[test]
fn placements_that_cannot_be_meant_are_refused() {
    let spec = sample::shop(json!({
        "web": {
            "image": "localhost/shop:1",
            "placement": {
                "near": ["web", "nobody", "mail"],
                "apart": ["api"],
                "reserved": { "node.kubernetes.io/not-ready": "", "gpu": "", "": "" },
                "nodeLabels": { "example.test/disk": "ssd", "disk/": "x", "zone": "a b" },
            },
        },
        "api": { "image": "localhost/api:1", "placement": { "near": ["web"], "apart": ["web"] } },
        "mail": { "kind": "external", "external": { "addresses": ["10.0.0.9"] }, "ports": { "smtp": { "port": 25, "protocol": "tcp" } } },
    }));
    refused(
        &spec,
        expect![[r#"
            spec.invalid at components.web.placement.near.0
              web is placed by itself.
              To put its instances on different machines, write `spread: true`.
            spec.unknown-reference at components.web.placement.near.1
              web is placed by nobody, and there is no such component.
              Name a component of this application.
            spec.invalid at components.web.placement.near.2
              web is placed by mail, which runs elsewhere.
              Name a component that has instances.
            spec.invalid at components.web.placement.nodeLabels
              web names machines by "disk/": "x", which no cluster can have.
              Keys are like `disk` or `example.com/disk`; both parts and values have at most 63 letters, digits, `-`, `_` and `.`.
            spec.invalid at components.web.placement.nodeLabels
              web names machines by "zone": "a b", which no cluster can have.
              Keys are like `disk` or `example.com/disk`; both parts and values have at most 63 letters, digits, `-`, `_` and `.`.
            spec.invalid at components.web.placement.reserved
              web names machines by "": "", which no cluster can have.
              Keys are like `disk` or `example.com/disk`; both parts and values have at most 63 letters, digits, `-`, `_` and `.`.
            spec.invalid at components.web.placement.reserved.node.kubernetes.io/not-ready
              web would run on machines that the cluster takes out of use (node.kubernetes.io/not-ready).
              Name the key that the machines were reserved by.
            spec.conflict at components.api.placement.apart.0
              api is to be near web and apart from it.
              Take one of both out.
            spec.unsupported at components.web.placement.nodeLabels.example.test/disk
              An engine is one machine: there is nothing to choose among.
              Take `nodeLabels` out, or choose a Kubernetes cluster.
        "#]],
    );
}

#[test]
fn circles_and_unknown_names_are_refused() {
    let spec = sample::shop(json!({
        "web": { "image": "localhost/shop:1", "uses": ["api", "nobody"], "networks": ["inner"], "groups": ["common"] },
        "api": { "image": "localhost/api:1", "uses": ["web"] },
    }));
    refused(
        &spec,
        expect![[r#"
        spec.unknown-reference at components.web.uses.1
          web uses nobody, and there is no such component.
          The components are: web, api.
        spec.conflict at components.web.uses
          The components use each other in a circle: web → api → web.
          Take one of these out of `uses`; a reference such as ${web.url} in a variable needs no `uses`.
        spec.unknown-reference at components.web.networks.0
          web joins the network inner, and there is no such network.
          Declare it: `networks: { inner: {} }`.
        spec.unknown-reference at components.web.groups.0
          web takes the group common, and there is no such group.
          Declare it under `groups`.
    "#]],
    );
    refused(
        &sample::shop(json!({})),
        expect![[r#"
        source.missing at components
          shop has no components.
          Name at least one component with an `image` or a `source`.
    "#]],
    );
}

#[test]
fn only_what_makes_instances_different_changes_the_hash() {
    let with = |more: Value| {
        let mut web = json!({ "image": "localhost/shop:1" });
        web.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        sample::release(json!({ "web": web })).components["web"]
            .hash
            .clone()
    };
    let hot = |text: &str| json!({ "files": { "/etc/a": { "content": text, "hot": true } } });
    let cold = |text: &str| json!({ "files": { "/etc/a": { "content": text } } });
    let plain = with(json!({}));
    assert_eq!(
        plain,
        with(json!({ "instances": 3, "rollout": { "drain": "1s" } }))
    );
    assert_eq!(
        plain,
        with(json!({ "routes": [{ "host": "a.test" }], "displayName": "Shop" }))
    );
    assert_eq!(with(hot("one")), with(hot("two")));
    assert_ne!(with(cold("one")), with(cold("two")));
    assert_ne!(plain, with(json!({ "env": { "A": "1" } })));
    assert_ne!(
        plain,
        with(json!({ "resources": { "memory": { "limit": "64Mi" } } }))
    );
}

#[test]
fn a_restart_makes_new_content_and_later_releases_keep_it() {
    let spec = sample::shop(json!({ "web": { "image": "localhost/shop:1" } }));
    let decide = |number, origin, parent: Option<&Release>| {
        let revision = sample::revision(number, &spec, origin);
        crate::decide(
            &revision,
            parent,
            &sample::facts(&spec),
            &mut sample::volume_ids(),
        )
        .unwrap()
    };
    let hash = |release: &Release| release.components["web"].hash.clone();
    let first = decide(1, Origin::Deploy, None);
    let second = decide(
        2,
        Origin::Restart {
            components: Vec::new(),
        },
        Some(&first),
    );
    let third = decide(3, Origin::Apply, Some(&second));
    assert_ne!(hash(&first), hash(&second));
    assert_eq!(hash(&second), hash(&third));
}

#[test]
fn a_program_that_is_process_1_itself_gets_none_in_front_of_it() {
    let spec = sample::shop(json!({
        "web": { "image": "localhost/shop:1", "sidecars": { "log": { "image": "localhost/log:1" } } },
        "told": { "image": "localhost/shop:1", "options": { "init": true } },
        "other": { "image": "localhost/shop:1", "entrypoint": ["/serve"] },
        "plain": { "image": "localhost/plain:1" },
    }));
    let mut facts = sample::facts(&spec);
    for name in ["web", "told", "other"] {
        let image = facts.images.get_mut(name).unwrap();
        image.facts.entrypoint = vec!["/init".to_owned()];
    }
    let revision = sample::revision(1, &spec, Origin::Deploy);
    let release = crate::decide(&revision, None, &facts, &mut sample::volume_ids()).unwrap();
    let init = |release: &Release, name: &str| {
        let container = &release.components[name].content.main;
        container.options.as_ref().and_then(|options| options.init)
    };
    assert_eq!(init(&release, "web"), Some(false));
    assert_eq!(init(&release, "told"), Some(true));
    assert_eq!(init(&release, "other"), None);
    assert_eq!(init(&release, "plain"), None);
    // Where nothing is looked up it stays so.
    facts.images.clear();
    let again =
        crate::decide(&revision, Some(&release), &facts, &mut sample::volume_ids()).unwrap();
    assert_eq!(init(&again, "web"), Some(false));
    assert_eq!(again.components["web"].hash, release.components["web"].hash);
}
