//! What an API server would refuse, though its schema allows it.

use std::collections::HashSet;

use super::*;

/// The template of the pods of `web`.
fn template(web: serde_json::Value) -> Result<serde_json::Value, Vec<Problem>> {
    let mut whole = json!({ "image": "registry.test/shop:1", "routes": [] });
    merge(&mut whole, &web);
    let objects = lower(&sample::shop(json!({ "web": whole })))?;
    conform(&objects);
    let is_workload = |one: &&Object| matches!(&*one.kind, "Deployment" | "StatefulSet");
    let workload = objects.iter().find(is_workload).unwrap();
    Ok(workload.body["spec"]["template"].clone())
}

fn pod(web: serde_json::Value) -> serde_json::Value {
    let template = template(web).unwrap_or_else(|problems| panic!("{problems:#?}"));
    template["spec"].clone()
}

fn refused(web: serde_json::Value, path: &str) {
    let problems = template(web.clone()).expect_err(path);
    let paths: Vec<String> = problems
        .into_iter()
        .map(|problem| problem.at.unwrap_or_default().path)
        .collect();
    assert_eq!(paths, [format!("components.web.{path}")], "{web}");
}

#[test]
fn labels_that_are_none_on_kubernetes_are_annotations() {
    let rule = "Host(`a.b`)";
    let own = "01936b2a-0000-7000-8000-0000aaaa0001";
    let long = "x".repeat(64);
    let template = template(json!({ "labels": {
        "tier": "front",
        "example.com/tier": "",
        "traefik.http.routers.x.rule": rule,
        "example.com/rule": rule,
        "two words": "front",
        (long.clone()): "front",
        "a/b/c": "front",
        "pluvio.io/application": "another",
        "pluvio.io/hash": "another",
        "network.pluvio.io/corporate": "true",
        "app.kubernetes.io/name": "another",
    } }))
    .unwrap();
    let labels = &template["metadata"]["labels"];
    assert_eq!(labels["tier"], "front");
    assert_eq!(labels["example.com/tier"], "");
    assert_eq!(labels["pluvio.io/application"], own);
    assert_eq!(labels["app.kubernetes.io/name"], "web");
    assert_eq!(labels.as_object().unwrap().len(), 7, "{labels:#}");
    let annotations = &template["metadata"]["annotations"];
    assert_eq!(annotations["traefik.http.routers.x.rule"], rule);
    assert_eq!(annotations["pluvio.io/hash"].as_str().unwrap().len(), 64);
    let others: serde_json::Value =
        serde_json::from_str(annotations["pluvio.io/labels"].as_str().unwrap()).unwrap();
    assert_eq!(
        others,
        json!({
            "example.com/rule": rule,
            "two words": "front",
            (long): "front",
            "a/b/c": "front",
            "pluvio.io/application": "another",
            "pluvio.io/hash": "another",
            "network.pluvio.io/corporate": "true",
            "app.kubernetes.io/name": "another",
        })
    );
    assert_eq!(annotations.as_object().unwrap().len(), 3);
}

#[test]
fn an_address_of_the_machine_is_left_out_where_nothing_asks_for_it() {
    let machine = |more: serde_json::Value| {
        let mut web = json!({ "extraHosts": {
            "Host.docker.internal": "host-gateway", "Legacy": "10.0.0.9", "old.test": "10.0.0.9",
        } });
        merge(&mut web, &more);
        web
    };
    let names = json!([{ "ip": "10.0.0.9", "hostnames": ["legacy", "old.test"] }]);
    assert_eq!(pod(machine(json!({})))["hostAliases"], names);
    let path = "extraHosts.Host.docker.internal";
    let url = "http://host.docker.internal:11434";
    let file = json!({ "content": format!("a: 1\n{}\n", "HOST.docker.internal.") });
    for asks in [
        json!({ "env": { "OLLAMA": url } }),
        json!({ "command": ["serve", url] }),
        json!({ "files": { "/etc/a": file } }),
        json!({ "files": { "/etc/shop/a": { "content": url, "hot": true } } }),
        json!({ "release": { "command": ["migrate", url] } }),
        json!({ "probes": { "live": { "command": ["ask", url] } } }),
    ] {
        refused(machine(asks), path);
    }
    refused(
        json!({ "extraHosts": { "db": "db.test" } }),
        "extraHosts.db",
    );
    refused(
        json!({ "extraHosts": { "my_db": "10.0.0.9" } }),
        "extraHosts.my_db",
    );
    let own = json!({ "extraHosts": { "here": "127.0.0.1" }, "options": { "hostname": "a.test" } });
    assert_eq!(
        pod(own)["hostAliases"],
        json!([{ "ip": "127.0.0.1", "hostnames": ["here", "a.test"] }])
    );
}

#[test]
fn an_entrypoint_that_is_left_out_gives_way_to_the_command() {
    for none in [json!([]), json!([""])] {
        let web = json!({ "entrypoint": none, "command": ["sh", "-c", "echo $(date) $$"] });
        let container = pod(web)["containers"][0].clone();
        assert_eq!(
            container["command"],
            json!(["sh", "-c", "echo $$(date) $$$$"])
        );
        assert_eq!(container.get("args"), None);
        refused(json!({ "entrypoint": none }), "entrypoint");
        refused(json!({ "entrypoint": none, "command": [] }), "entrypoint");
    }
    let steps = json!({ "init": { "prepare": { "entrypoint": [] } } });
    refused(steps, "init.prepare.entrypoint");
}

#[test]
fn what_is_asked_of_a_program_reaches_it_as_it_is_written() {
    let probe = json!({ "command": ["sh", "-c", "test $$ = $(HOME)"] });
    let web = json!({ "env": { "HASH": "$2y$$$$10" }, "probes": { "live": probe } });
    let container = pod(web)["containers"][0].clone();
    let mut env = container["env"].as_array().unwrap().iter();
    let hash = env.find(|one| one["name"] == "HASH").unwrap();
    assert_eq!(hash["value"], "$$2y$$$$10");
    assert_eq!(
        container["livenessProbe"]["exec"]["command"][2],
        "test $$$$ = $$(HOME)"
    );
}

#[test]
fn a_program_that_ends_is_no_reason_to_refuse_a_service() {
    for restart in ["always", "on-failure", "never"] {
        let pod = pod(json!({ "restart": restart }));
        assert_eq!(pod.get("restartPolicy"), None, "{restart}");
    }
}

#[test]
fn names_that_are_too_long_are_cut() {
    let name = "x".repeat(63);
    let variable = "X".repeat(256);
    let mut components = serde_json::Map::new();
    components.insert(
        name.clone(),
        json!({
            "image": "registry.test/shop:1",
            "routes": [],
            "env": { (variable.clone()): "${secrets.KEY}" },
            "files": { "/etc/a": { "content": "a" }, "/etc/b": { "content": "b" } },
            "volumes": { "/data": { "name": name } },
        }),
    );
    let objects = lower(&sample::shop(components.into())).unwrap();
    conform(&objects);
    let of_kind = |kind: &str| &objects.iter().find(|one| one.kind == kind).unwrap().body;
    let pod = &of_kind("Deployment")["spec"]["template"]["spec"];
    let names = |list: &serde_json::Value| {
        let all = list.as_array().unwrap().iter();
        all.map(|one| one["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let volumes = names(&pod["volumes"]);
    assert_eq!(volumes, names(&pod["containers"][0]["volumeMounts"]));
    assert!(volumes.iter().all(|name| name.len() <= 63), "{volumes:?}");
    assert_eq!(volumes.iter().collect::<HashSet<_>>().len(), 3);
    let env = pod["containers"][0]["env"].as_array().unwrap();
    let secret = env.iter().find(|one| one["name"] == variable.as_str());
    let key = secret.unwrap()["valueFrom"]["secretKeyRef"]["key"].as_str();
    assert!(key.unwrap().len() <= 253);
    assert_eq!(of_kind("Secret")["stringData"][key.unwrap()], "hunter2");
}

#[test]
fn ports_of_the_machine_lead_to_the_port_that_is_meant() {
    let dns = json!({
        "ports": { "tcp": { "port": 53, "protocol": "tcp" }, "udp": { "port": 53, "protocol": "udp" } },
        "publish": [
            { "host": 5353, "port": 53, "protocol": "udp", "address": "0.0.0.0" },
            { "host": 53, "port": 53, "protocol": "tcp", "address": "0.0.0.0" },
            { "host": 9000, "port": 9000, "protocol": "tcp" },
        ],
    });
    let port = |number: u16, protocol: &str, host: u16, address: &str| json!({ "containerPort": number, "protocol": protocol, "hostPort": host, "hostIP": address });
    assert_eq!(
        pod(dns.clone())["containers"][0]["ports"],
        json!([
            port(53, "TCP", 53, "0.0.0.0"),
            port(53, "UDP", 5353, "0.0.0.0"),
            port(9000, "TCP", 9000, "127.0.0.1"),
        ])
    );
    let mut whole = json!({ "image": "registry.test/shop:1", "routes": [] });
    merge(&mut whole, &dns);
    let objects = lower(&sample::shop(json!({ "web": whole }))).unwrap();
    let mut policies = objects.iter().filter(|one| one.kind == "NetworkPolicy");
    let policy = policies.find(|one| one.name == "shop--web").unwrap();
    assert_eq!(
        policy.body["spec"]["ingress"][0]["ports"],
        json!([{ "protocol": "UDP", "port": 53 }, { "protocol": "TCP", "port": 53 }])
    );
    let twice =
        json!({ "publish": [{ "host": 80, "port": 8080 }, { "host": 81, "port": "http" }] });
    refused(twice.clone(), "publish.1");
    // There they are the machine's own.
    let mut on_host = json!({ "host": { "network": true } });
    merge(&mut on_host, &twice);
    let pod = pod(on_host);
    assert_eq!(
        pod["containers"][0]["ports"],
        json!([{ "containerPort": 8080, "protocol": "TCP" }])
    );
    assert_eq!(pod["dnsPolicy"], "ClusterFirstWithHostNet");
}

#[test]
fn what_no_pod_can_have_is_refused_by_name() {
    let file = |content: &str| json!({ "content": content });
    let mode = json!({ "content": "a", "mode": "4755" });
    let mut hot = mode.clone();
    hot["hot"] = json!(true);
    for (web, path) in [
        (json!({ "files": { "/etc/a": mode } }), "files./etc/a.mode"),
        (
            json!({ "files": { "/etc/shop/a": hot } }),
            "files./etc/shop/a.mode",
        ),
        (
            json!({ "files": { "/etc/a": file("a") }, "volumes": { "/etc/a": { "name": "data" } } }),
            "files./etc/a",
        ),
        (
            json!({
                "files": { "/etc/shop/a": { "content": "a", "hot": true } },
                "volumes": { "/etc/shop": { "name": "data" } },
            }),
            "files./etc/shop/a.hot",
        ),
        (
            json!({ "files": { "/etc/a": file(&"a".repeat(700_000)), "/etc/b": file(&"b".repeat(700_000)) } }),
            "files",
        ),
        (json!({ "user": "3000000000" }), "user"),
        (json!({ "env": { "A:B": "c" } }), "env.A:B"),
        (
            json!({ "options": { "groups": ["3000000000"] } }),
            "options.groups",
        ),
        (
            json!({ "init": { "web": { "command": ["prepare"] } } }),
            "init.web",
        ),
        (
            json!({
                "sidecars": { "log": { "command": ["log"] } },
                "init": { "log": { "command": ["prepare"] } },
            }),
            "init.log",
        ),
    ] {
        refused(web, path);
    }
    let outside = sample::shop(json!({ "bank": {
        "kind": "external",
        "external": { "addresses": ["my_bank.example"] },
        "ports": { "api": { "port": 80 } },
    } }));
    assert_eq!(
        told(&outside),
        ["spec.unsupported components.bank.external.addresses.0"]
    );
}
