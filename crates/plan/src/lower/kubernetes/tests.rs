use expect_test::{ExpectFile, expect, expect_file};
use pluvio_model::facts::RuntimeKind;
use pluvio_model::release::Release;
use pluvio_model::revision::Origin;
use pluvio_model::spec::AppSpec;
use pluvio_model::stage::{Power, SecretValue};

use super::*;
use crate::sample;

mod accepted;
mod names;
mod pods;
mod security;

fn options() -> Options {
    Options {
        namespace: "crew-production".to_owned(),
        make_namespace: true,
        gateway: Some(GatewayRef {
            name: "pluvio".to_owned(),
            namespace: "pluvio-system".to_owned(),
        }),
        own_gateway: Some("pluvio-system".to_owned()),
        pull_secret: None,
        storage_class: None,
        cluster_domain: "cluster.local".to_owned(),
        dns: None,
        restricted: false,
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
        tasks: Vec::new(),
        power: Power::On,
        stopped: Vec::new(),
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
fn check(spec: &AppSpec, kinds: &[&str], want: ExpectFile) {
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
    check(&spec, &kinds, expect_file!["./expected/service.json"]);
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
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&deployment.body["metadata"]).unwrap());
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
                "placement": {
                    "nodeLabels": { "disk": "ssd" },
                    "spread": true,
                    "near": ["disk"],
                    "apart": ["db", "agent"],
                    "reserved": { "gpu": "a100", "batch": "" },
                },
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
    check(
        &everything(),
        &kinds,
        expect_file!["./expected/everything.json"],
    );
}

#[test]
fn every_kind_has_its_workload() {
    let objects = lower(&everything()).unwrap();
    let all: Vec<String> = objects.iter().map(|object| format!("{object:?}")).collect();
    expect![[r#"
        Namespace crew-production
        Service shop
        NetworkPolicy shop
        Secret shop--web--secret-1b0ec3b4
        ConfigMap shop--web--files-1b0ec3b4
        ConfigMap shop--web--hot
        PersistentVolumeClaim pluvio--shop--data--bbbb0000
        Deployment shop--web
        Service shop--web
        PersistentVolumeClaim pluvio--shop--own--bbbb0001
        Deployment shop--disk
        Service shop--disk
        StatefulSet shop--db
        Service shop--db--each
        Service shop--db--0
        Service shop--db--1
        Service shop--db--2
        Service shop--db
        DaemonSet shop--agent
        Service shop--agent
        Job shop--load--7b4e128e
        CronJob shop--tick
        HTTPRoute shop--web-62c2f46b
        HTTPRoute shop--web-8d63bf78
        ConfigMap mine
    "#]]
    .assert_eq(&format!("{}\n", all.join("\n")));
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
          "podManagementPolicy": "OrderedReady",
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
          "startingDeadlineSeconds": 86400,
          "successfulJobsHistoryLimit": 10,
          "failedJobsHistoryLimit": 10,
          "jobTemplate": {
            "metadata": {
              "labels": {
                "pluvio.io/application": "01936b2a-0000-7000-8000-0000aaaa0001",
                "pluvio.io/component": "tick"
              }
            },
            "spec": {
              "backoffLimit": 6
            }
          }
        }
    "#]]
    .assert_eq(&shown);
}

#[test]
fn stopped_means_no_pods() {
    let wish = RunWish {
        tasks: Vec::new(),
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
fn p4_secrets_are_only_in_secrets_and_never_in_what_people_read() {
    let wish = wish(&everything());
    let objects = kubernetes(&wish, sample::application(), Generation(7), &options()).unwrap();
    for object in &objects {
        let holds = object.body.to_string().contains("hunter2");
        assert_eq!(holds, object.kind == "Secret", "{object:?}");
    }
    let masked = Options::for_reading(&wish.release);
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
            "files": { "/etc/hot": { "content": "x", "hot": true } },
            "host": { "devices": ["/dev/fuse"] },
            "probes": { "ready": { "http": { "status": [204] } }, "live": { "tcp": {}, "successes": 2 } },
        } },
        "objects": [{ "kind": "ConfigMap" }],
    }));
    expect![[r#"
        spec.unsupported components.web.files./etc/hot.hot
        spec.unsupported components.web.stopSignal
        spec.unsupported components.web.user
        spec.unsupported components.web.host.devices
        spec.unsupported components.web.probes.ready.http.status
        spec.unsupported components.web.probes.live.successes
        spec.invalid objects.0
    "#]]
    .assert_eq(&format!("{}\n", told(&spec).join("\n")));
}

#[test]
fn what_is_outside_is_a_service_that_leads_there() {
    let spec = sample::shop(json!({
        "web": { "image": "registry.test/shop:1" },
        "bank": {
            "kind": "external",
            "external": { "addresses": ["10.0.0.5", "10.0.0.6:81", "fd00::5"] },
            "ports": { "api": { "port": 80 } },
            "routes": [{ "host": "bank.test" }],
        },
        "mail": {
            "kind": "external",
            "external": { "addresses": ["mail.example"] },
            "ports": { "smtp": { "port": 25, "protocol": "tcp" } },
        },
    }));
    check(
        &spec,
        &["Service", "EndpointSlice", "HTTPRoute"],
        expect_file!["./expected/outside.json"],
    );
    let refused = sample::shop(json!({ "bank": {
        "kind": "external",
        "external": { "addresses": ["127.0.0.1", "bank.example:81"], "local": true },
        "ports": { "api": { "port": 80 } },
    } }));
    let problems = lower(&refused).unwrap_err();
    let paths: Vec<String> = problems
        .into_iter()
        .filter_map(|p| p.at)
        .map(|at| at.path)
        .collect();
    assert_eq!(
        paths,
        [
            "components.bank.external.addresses",
            "components.bank.external.addresses.0",
            "components.bank.external.addresses.1",
        ]
    );
}

#[test]
fn what_scales_itself_has_an_autoscaler_and_no_number_of_its_own() {
    let scale = json!({
        "min": 2, "max": 10, "cpu": 70, "memory": 80,
        "custom": [
            { "metric": "http_requests", "perInstance": "100" },
            { "metric": "queue_length", "of": "external", "labels": { "queue": "mail" }, "perInstance": "30" },
        ],
    });
    let resources = json!({ "cpu": { "request": "100m" }, "memory": { "limit": "64Mi" } });
    let spec = sample::shop(json!({
        "web": { "image": "registry.test/shop:1", "resources": resources, "scale": scale },
        "side": {
            "kind": "stateful", "image": "registry.test/shop:1", "routes": [], "resources": resources,
            "scale": { "min": 1, "max": 3, "cpu": 50 },
            "sidecars": { "log": { "image": "registry.test/log:1" } },
        },
        "clock": { "image": "registry.test/shop:1", "routes": [], "scale": { "min": 3, "schedule": [{ "cron": "0 8 * * *", "min": 5 }] } },
    }));
    let kinds = ["HorizontalPodAutoscaler"];
    check(&spec, &kinds, expect_file!["./expected/scale.json"]);
    let replicas = |objects: &[Object]| -> Vec<String> {
        let workloads = objects
            .iter()
            .filter(|one| one.kind == "Deployment" || one.kind == "StatefulSet");
        let told = workloads.map(|one| format!("{} {}", one.name, one.body["spec"]["replicas"]));
        told.collect()
    };
    assert_eq!(
        replicas(&lower(&spec).unwrap()),
        ["shop--web null", "shop--side null", "shop--clock 3"]
    );
    // Stopped, the number is ours again, and nothing scales.
    let mut off = wish(&spec);
    off.power = Power::Off;
    let objects = kubernetes(&off, sample::application(), Generation(7), &options()).unwrap();
    assert_eq!(
        replicas(&objects),
        ["shop--web 0", "shop--side 0", "shop--clock 0"]
    );
    assert!(objects.iter().all(|one| one.kind != kinds[0]));
    // By the clock: bounds of now, and a plain number where nothing is measured.
    let now = "2026-01-05T08:00:00Z".parse().unwrap();
    let (wish, next) = crate::scale::at(&wish(&spec), now).unwrap();
    assert_eq!(next, Some("2026-01-06T08:00:00Z".parse().unwrap()));
    let objects = kubernetes(&wish, sample::application(), Generation(7), &options()).unwrap();
    assert_eq!(replicas(&objects)[2], "shop--clock 5");
}
