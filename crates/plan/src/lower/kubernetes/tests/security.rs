//! Who reaches pods, and what pods may be.

use super::*;

#[test]
fn networks_become_policies_where_they_separate() {
    let component =
        |networks: &[&str]| json!({ "image": "registry.test/a:1", "networks": networks });
    let lowered = |components: serde_json::Value| {
        let spec = sample::spec(json!({
            "name": "shop",
            "components": components,
            "networks": { "front": {}, "back": { "internal": true } },
        }));
        let objects = lower(&spec);
        let policies = objects
            .unwrap()
            .into_iter()
            .filter(|object| object.kind == "NetworkPolicy");
        policies
            .map(|policy| (policy.name, policy.body["spec"].clone()))
            .collect::<Vec<_>>()
    };
    let from = |spec: &serde_json::Value, way: &str, who: &str| {
        spec[way][0][who][0]["podSelector"]["matchExpressions"][0]["values"].clone()
    };
    // Who shares one with everybody is reached as one without networks.
    let joined = lowered(json!({ "web": component(&["front"]), "api": component(&["front"]) }));
    assert_eq!(from(&joined[0].1, "ingress", "from"), json!(null));
    assert!(joined[0].1["ingress"][0]["from"][0]["podSelector"].is_object());
    let separated = lowered(json!({
        "web": component(&["front"]), "api": component(&["front", "back"]), "db": component(&["back"]),
    }));
    // What the application's policy allows is allowed, whatever the others say.
    let of_all = separated[0].1["ingress"].to_string();
    assert!(!of_all.contains("pluvio.io/application"), "{of_all}");
    let told: Vec<_> = separated[1..]
        .iter()
        .map(|(name, spec)| {
            json!([
                name,
                from(spec, "ingress", "from"),
                from(spec, "egress", "to")
            ])
        })
        .collect();
    assert_eq!(
        json!(told),
        json!([
            ["shop--web", ["web", "api"], null],
            ["shop--api", ["web", "api", "db"], null],
            ["shop--db", ["api", "db"], ["api", "db"]],
        ])
    );
    // Named twice, it has no way out either.
    let twice =
        lowered(json!({ "web": component(&["front"]), "db": component(&["back", "back"]) }));
    assert_eq!(from(&twice[2].1, "egress", "to"), json!(["db"]));
}

#[test]
fn without_a_way_out_names_are_asked_of_the_clusters_dns_alone() {
    let spec = sample::spec(json!({
        "name": "shop",
        "components": { "db": { "image": "registry.test/a:1", "networks": ["back"] } },
        "networks": { "back": { "internal": true } },
    }));
    let names = |dns: Option<Dns>| {
        let options = Options { dns, ..options() };
        let objects = kubernetes(&wish(&spec), sample::application(), Generation(7), &options);
        let objects = objects.unwrap();
        let mut policies = objects.iter().filter(|one| one.kind == "NetworkPolicy");
        let policy = policies.find(|policy| policy.name == "shop--db").unwrap();
        policy.body["spec"]["egress"][1].clone()
    };
    let both = |port: serde_json::Value| {
        ["UDP", "TCP"].map(|protocol| json!({ "protocol": protocol, "port": port }))
    };
    let anybody = json!({ "to": [{ "namespaceSelector": {} }], "ports": both(json!(53)) });
    assert_eq!(names(None), anybody);
    let dns = Dns {
        namespace: "kube-system".to_owned(),
        pods: [("k8s-app".to_owned(), "kube-dns".to_owned())].into(),
        addresses: ["10.96.0.10", "fd00::a"]
            .map(|one| one.parse().unwrap())
            .into(),
        ports: vec![DnsPort::Name("dns".to_owned())],
    };
    let namespace = json!({ "matchLabels": { "kubernetes.io/metadata.name": "kube-system" } });
    let labelled = |name: &str| {
        json!({
            "namespaceSelector": namespace,
            "podSelector": { "matchLabels": { "k8s-app": name } },
        })
    };
    let told = json!({
        "to": [
            labelled("kube-dns"),
            labelled("node-local-dns"),
            { "ipBlock": { "cidr": "10.96.0.10/32" } },
            { "ipBlock": { "cidr": "fd00::a/128" } },
        ],
        "ports": both(json!("dns")),
    });
    assert_eq!(names(Some(dns)), told);
}

#[test]
fn pods_are_reached_by_their_own_by_the_gateway_and_by_what_is_published() {
    let spec = sample::shop(json!({
        "web": { "image": "registry.test/shop:1" },
        "db": { "image": "registry.test/db:1", "routes": [], "ports": { "sql": { "port": 5432, "protocol": "tcp" }, "figures": { "port": 9187, "protocol": "tcp" } }, "publish": [{ "host": 15432, "port": "sql", "address": "0.0.0.0" }, { "host": 9187, "port": "figures" }] },
    }));
    let kinds = ["NetworkPolicy"];
    check(&spec, &kinds, expect_file!["../expected/policies.json"]);
    // Who else serves routes is known to the cluster alone: what routes lead to is open to all.
    let other = Options {
        own_gateway: None,
        ..options()
    };
    let objects = kubernetes(&wish(&spec), sample::application(), Generation(7), &other).unwrap();
    let open: Vec<String> = objects
        .iter()
        .filter(|one| one.kind == kinds[0])
        .map(|one| format!("{} {}", one.name, one.body["spec"]["ingress"]))
        .collect();
    assert_eq!(open.len(), 3, "{open:#?}");
    assert!(!open[0].contains("namespaceSelector"), "{open:#?}");
    assert_eq!(
        open[1],
        r#"shop--web [{"ports":[{"protocol":"TCP","port":8080}]}]"#
    );
}

#[test]
fn a_namespace_enforces_baseline_unless_something_more_was_granted() {
    let level = |web: serde_json::Value| {
        let mut whole = json!({ "image": "registry.test/shop:1" });
        merge(&mut whole, &web);
        let objects = lower(&sample::shop(json!({ "web": whole }))).unwrap();
        let labels = objects[0].body["metadata"]["labels"].clone();
        assert_eq!(labels["pod-security.kubernetes.io/warn"], "restricted");
        assert_eq!(labels["pod-security.kubernetes.io/audit"], "restricted");
        let enforced = labels["pod-security.kubernetes.io/enforce"].as_str();
        enforced.unwrap().to_owned()
    };
    assert_eq!(level(json!({})), "baseline");
    assert_eq!(level(json!({ "user": "1000" })), "baseline");
    let allowed =
        json!({ "capabilities": ["CHOWN"], "sysctls": { "net.ipv4.tcp_syncookies": "1" } });
    assert_eq!(level(json!({ "host": allowed })), "baseline");
    let gaining = json!({ "security": ["no-new-privileges:false"] });
    assert_eq!(level(json!({ "host": gaining })), "baseline");
    for beyond in [
        json!({ "host": { "privileged": true } }),
        json!({ "host": { "capabilities": ["NET_ADMIN"] } }),
        json!({ "host": { "pid": true } }),
        json!({ "host": { "security": ["seccomp=unconfined"] } }),
        json!({ "host": { "security": ["apparmor:unconfined"] } }),
        json!({ "volumes": { "/logs": { "type": "host", "hostPath": "/var/log" } } }),
        json!({ "sidecars": { "log": { "image": "registry.test/log:1", "host": { "ipc": true } } } }),
        json!({ "patch": { "kubernetes": [{ "kind": "Deployment", "spec": {} }] } }),
    ] {
        assert_eq!(level(beyond.clone()), "privileged", "{beyond}");
    }
}

#[test]
fn a_namespace_that_takes_only_restricted_pods_refuses_the_rest_by_name() {
    let options = Options {
        restricted: true,
        ..options()
    };
    let lowered = |web: serde_json::Value| {
        let mut whole = json!({ "image": "registry.test/shop:1" });
        merge(&mut whole, &web);
        let spec = sample::shop(json!({ "web": whole }));
        let application = sample::application();
        kubernetes(&wish(&spec), application, Generation(7), &options)
    };
    let objects = lowered(json!({ "user": "1000", "volumes": { "/data": { "name": "data" } } }));
    let objects = objects.unwrap();
    let enforced = "pod-security.kubernetes.io/enforce";
    assert_eq!(
        objects[0].body["metadata"]["labels"][enforced],
        "restricted"
    );
    let workload = objects.iter().find(|one| one.kind == "Deployment").unwrap();
    let pod = &workload.body["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["fsGroup"], 1000);
    let container = &pod["containers"][0]["securityContext"];
    assert_eq!(container["runAsNonRoot"], true);
    assert_eq!(container["capabilities"], json!({ "drop": ["ALL"] }));
    for (web, path) in [
        (json!({}), "components.web.user"),
        (json!({ "user": "0" }), "components.web.user"),
        (
            json!({ "user": "1000", "sidecars": { "log": { "image": "registry.test/log:1" } } }),
            "components.web.sidecars.log.user",
        ),
        (
            json!({ "user": "1000", "host": { "security": ["no-new-privileges:false"] } }),
            "components.web.host.security",
        ),
        (
            json!({ "user": "1000", "host": { "capabilities": ["CHOWN"] } }),
            "components.web.host.capabilities",
        ),
        (
            json!({ "user": "1000", "host": { "pid": true } }),
            "components.web",
        ),
    ] {
        let problems = lowered(web.clone()).unwrap_err();
        let told: Vec<_> = problems
            .iter()
            .map(|one| (one.code.as_str(), one.at.clone()))
            .collect();
        assert_eq!(problems.len(), 1, "{web}: {told:?}");
        assert_eq!(problems[0].code, "cluster.policy");
        let at = serde_json::to_string(&problems[0]).unwrap();
        assert!(at.contains(&format!("\"{path}\"")), "{web}: {at}");
    }
}

#[test]
fn an_image_that_names_an_ordinary_user_is_taken_at_its_word() {
    let spec = sample::shop(json!({ "web": { "image": "registry.test/shop:1" } }));
    let mut wish = wish(&spec);
    let web = wish.release.components.get_mut("web").unwrap();
    web.content.main.image_user = Some("10001:10001".to_owned());
    let options = Options {
        restricted: true,
        ..options()
    };
    let objects = kubernetes(&wish, sample::application(), Generation(7), &options).unwrap();
    let workload = objects.iter().find(|one| one.kind == "Deployment").unwrap();
    let container = &workload.body["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["securityContext"]["runAsNonRoot"], true);
    assert_eq!(container["securityContext"]["runAsUser"], json!(null));
}

#[test]
fn a_step_before_all_others_copies_what_a_volume_begins_with() {
    let spec = sample::shop(json!({ "web": {
        "image": "registry.test/shop:1", "user": "1000",
        "volumes": { "/srv/www": { "name": "www" }, "/srv/data": { "name": "data" } },
        "sidecars": { "log": { "command": ["tail"], "volumes": { "/srv/www": { "name": "www", "readOnly": true } } } },
    } }));
    let mut wish = wish(&spec);
    let content = &mut wish.release.components.get_mut("web").unwrap().content;
    let log = &mut content.sidecars["log"];
    for container in [&mut content.main, log] {
        container.mounts[0].seed = true;
    }
    let objects = kubernetes(&wish, sample::application(), Generation(7), &options()).unwrap();
    conform(&objects);
    let workload = objects.iter().find(|one| one.kind == "Deployment").unwrap();
    let pod = &workload.body["spec"]["template"]["spec"];
    let before = pod["initContainers"].as_array().unwrap();
    let names: Vec<_> = before.iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, [json!("pluvio-seed-0"), json!("log")]);
    let step = &before[0];
    assert_eq!(
        step["volumeMounts"][0]["name"],
        pod["containers"][0]["volumeMounts"][0]["name"]
    );
    assert_eq!(step["volumeMounts"][0]["readOnly"], json!(null));
    assert_eq!(step["command"][4], "/srv/www");
    assert_eq!(step["image"], "registry.test/shop:1");
    assert_eq!(step["securityContext"]["runAsUser"], 1000);
}

#[test]
fn a_user_by_name_runs_by_the_number_that_the_image_gives_it() {
    let spec = sample::shop(json!({ "web": {
        "image": "registry.test/shop:1", "user": "app", "volumes": { "/data": {} },
    } }));
    let mut wish = wish(&spec);
    let options = options();
    let lower = |wish: &RunWish| kubernetes(wish, sample::application(), Generation(7), &options);
    let problems = lower(&wish).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].cause.contains("the number of app"),
        "{problems:?}"
    );

    let pod = |wish: &RunWish| {
        let objects = lower(wish).unwrap();
        conform(&objects);
        let workload = objects.iter().find(|one| one.kind == "Deployment").unwrap();
        workload.body["spec"]["template"]["spec"].clone()
    };
    let web = wish.release.components.get_mut("web").unwrap();
    web.content.main.named_user = Some("1001:50".to_owned());
    let told = pod(&wish);
    let security = &told["containers"][0]["securityContext"];
    assert_eq!(security["runAsUser"], 1001);
    assert_eq!(security["runAsGroup"], 50);
    assert_eq!(security["runAsNonRoot"], true);
    assert_eq!(told["securityContext"]["fsGroup"], 50);

    // A plan has looked into no image.
    let web = wish.release.components.get_mut("web").unwrap();
    web.content.main.named_user = None;
    web.content.main.image_id = web.content.main.image.to_string();
    let planned = pod(&wish);
    assert_eq!(
        planned["containers"][0]["securityContext"]["runAsUser"],
        json!(null)
    );
}

#[test]
fn security_options_of_engines_have_pods_words() {
    let security = |options: serde_json::Value| {
        let spec =
            json!({ "web": { "image": "registry.test/shop:1", "host": { "security": options } } });
        let objects = lower(&sample::shop(spec))?;
        conform(&objects);
        let workload = objects.iter().find(|one| one.kind == "Deployment").unwrap();
        let container = &workload.body["spec"]["template"]["spec"]["containers"][0];
        Ok::<_, Vec<Problem>>(container["securityContext"].clone())
    };
    let tight = security(json!(["no-new-privileges:true"])).unwrap();
    assert_eq!(tight["allowPrivilegeEscalation"], false);
    let loose = security(json!([
        "no-new-privileges=false",
        "seccomp:unconfined",
        "apparmor=unconfined",
        "label:disable",
    ]));
    let loose = loose.unwrap();
    assert_eq!(loose["allowPrivilegeEscalation"], true);
    assert_eq!(loose["seccompProfile"], json!({ "type": "Unconfined" }));
    assert_eq!(loose["appArmorProfile"], json!({ "type": "Unconfined" }));
    assert_eq!(loose["seLinuxOptions"], json!({ "type": "spc_t" }));
    for unknown in [
        "seccomp=profile.json",
        "systempaths=unconfined",
        "label=type:x",
    ] {
        let problems = security(json!([unknown])).unwrap_err();
        assert_eq!(
            problems[0].at.as_ref().map(|at| &*at.path),
            Some("components.web.host.security")
        );
    }
}

#[test]
fn who_may_start_as_root_gets_what_engines_give_as_far_as_baseline_allows() {
    let security = |web: serde_json::Value| {
        let mut whole = json!({ "image": "registry.test/shop:1" });
        merge(&mut whole, &web);
        let objects = lower(&sample::shop(json!({ "web": whole }))).unwrap();
        conform(&objects);
        let workload = objects.iter().find(|one| one.kind == "Deployment").unwrap();
        let container = &workload.body["spec"]["template"]["spec"]["containers"][0];
        container["securityContext"].clone()
    };
    let of_docker = [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ];
    for root in [
        json!({}),
        json!({ "user": "0" }),
        json!({ "user": "0:1000" }),
    ] {
        let root = security(root);
        assert_eq!(root["allowPrivilegeEscalation"], true);
        assert_eq!(
            root["capabilities"],
            json!({ "add": of_docker, "drop": ["ALL"] })
        );
    }
    let ordinary = security(json!({ "user": "1000" }));
    assert_eq!(ordinary["allowPrivilegeEscalation"], false);
    assert_eq!(ordinary["capabilities"], json!({ "drop": ["ALL"] }));
    let privileged = security(json!({ "host": { "privileged": true } }));
    assert_eq!(privileged, json!({ "privileged": true }));
    for (host, capabilities) in [
        (
            json!({ "capabilities": ["cap_net_admin"], "dropCapabilities": ["all"] }),
            json!({ "add": ["NET_ADMIN"], "drop": ["ALL"] }),
        ),
        (
            json!({ "capabilities": ["ALL"], "dropCapabilities": ["CAP_MKNOD"] }),
            json!({ "add": ["ALL"], "drop": ["MKNOD"] }),
        ),
        (
            json!({ "capabilities": ["ALL"], "dropCapabilities": ["ALL"] }),
            json!({ "drop": ["ALL"] }),
        ),
    ] {
        let found = security(json!({ "host": host }));
        assert_eq!(found["capabilities"], capabilities, "{host}");
    }
    let without = security(json!({ "host": { "dropCapabilities": ["CAP_CHOWN"] } }));
    assert_eq!(
        without["capabilities"]["add"],
        json!(
            of_docker
                .into_iter()
                .filter(|one| *one != "CHOWN")
                .collect::<Vec<_>>()
        )
    );
}

#[test]
fn a_cluster_has_no_volume_of_an_engine() {
    let volumes = json!({ "/data": { "type": "host", "hostVolume": "shop_data" } });
    let spec = sample::shop(json!({
        "web": { "image": "registry.test/shop:1", "volumes": volumes },
    }));
    let problems = lower(&spec).unwrap_err();
    let told = serde_json::to_string(&problems).unwrap();
    assert!(
        told.contains("components.web.volumes./data.hostVolume") && told.contains("shop_data"),
        "{told}"
    );
}

#[test]
fn a_cluster_mounts_no_share_by_options() {
    let share = json!({ "type": "nfs", "device": ":/media", "o": "addr=10.0.0.2" });
    let volumes = json!({ "/data": { "name": "media", "options": share } });
    let spec = sample::shop(json!({
        "web": { "image": "registry.test/shop:1", "volumes": volumes },
    }));
    let problems = lower(&spec).unwrap_err();
    let told = serde_json::to_string(&problems).unwrap();
    assert!(
        told.contains("components.web.volumes./data.options") && told.contains("PersistentVolume"),
        "{told}"
    );
}
