//! What a pod takes of a container's options.

use super::*;

#[test]
fn options_of_a_container_are_its_pods_where_pods_have_them() {
    let with = |kind: &str, options: serde_json::Value| {
        sample::shop(json!({ "web": {
            "kind": kind, "image": "registry.test/shop:1", "routes": [], "options": options,
        } }))
    };
    let asked = json!({ "hostname": "shop-1", "groups": ["44", "109"], "shmSize": "256Mi" });
    let objects = lower(&with("service", asked)).unwrap();
    conform(&objects);
    let workload = objects.iter().find(|one| one.kind == "Deployment").unwrap();
    let pod = &workload.body["spec"]["template"]["spec"];
    assert_eq!(pod["hostname"], "shop-1");
    assert_eq!(
        pod["securityContext"]["supplementalGroups"],
        json!([44, 109])
    );
    let memory = &pod["volumes"][0];
    assert_eq!(
        memory["emptyDir"],
        json!({ "medium": "Memory", "sizeLimit": "268435456" })
    );
    let mount = &pod["containers"][0]["volumeMounts"][0];
    assert_eq!(mount["mountPath"], "/dev/shm");
    assert_eq!(mount["name"], memory["name"]);
    for (kind, options, path) in [
        ("service", json!({ "hostname": "..." }), "hostname"),
        (
            "service",
            json!({ "dnsSearch": ["my_corp.example"] }),
            "dnsSearch",
        ),
        ("service", json!({ "dnsOptions": [":2"] }), "dnsOptions"),
        ("service", json!({ "groups": ["video"] }), "groups"),
        (
            "service",
            json!({ "ulimits": { "nofile": { "soft": 1024, "hard": 4096 } } }),
            "ulimits",
        ),
    ] {
        let want = format!("spec.unsupported components.web.options.{path}");
        assert_eq!(told(&with(kind, options)), [want]);
    }
}

#[test]
fn a_pod_is_told_what_it_cannot_call_itself() {
    let pod = |kind: &str, options: serde_json::Value, env: serde_json::Value| {
        let spec = sample::shop(json!({ "web": {
            "kind": kind, "image": "registry.test/shop:1", "routes": [], "options": options, "env": env,
        } }));
        let objects = lower(&spec).unwrap();
        conform(&objects);
        let is_workload = |one: &&Object| matches!(&*one.kind, "Deployment" | "StatefulSet");
        let workload = objects.iter().find(is_workload).unwrap();
        workload.body["spec"]["template"]["spec"].clone()
    };
    let told = |pod: &serde_json::Value| {
        let env = pod["containers"][0]["env"].as_array().cloned();
        let mut env = env.unwrap_or_default().into_iter();
        env.find(|one| one["name"] == "HOSTNAME")
            .map(|one| one["value"].as_str().unwrap_or_default().to_owned())
    };
    let full = json!({
        "hostname": "Mail.example.org", "dns": ["192.0.2.1", "192.0.2.2", "192.0.2.3"],
        "dnsSearch": ["Corp.example.", "."], "dnsOptions": ["ndots:2", "rotate"],
    });
    let one = pod("service", full.clone(), json!({}));
    assert_eq!(one["hostname"], "mail");
    assert_eq!(told(&one).as_deref(), Some("Mail.example.org"));
    assert_eq!(
        one["hostAliases"],
        json!([{ "ip": "127.0.0.1", "hostnames": ["mail.example.org"] }])
    );
    assert_eq!(
        one["dnsConfig"],
        json!({
            "nameservers": ["192.0.2.1", "192.0.2.2"],
            "searches": ["shop.crew-production.svc.cluster.local", "corp.example"],
            "options": [{ "name": "ndots", "value": "2" }, { "name": "rotate" }],
        })
    );
    let own = pod("service", full.clone(), json!({ "HOSTNAME": "other" }));
    assert_eq!(told(&own).as_deref(), Some("other"));
    let many = pod("stateful", full, json!({}));
    assert_eq!(many["hostname"], serde_json::Value::Null);
    assert_eq!(told(&many).as_deref(), Some("Mail.example.org"));
    let two = json!({ "hostname": "mail", "domainname": "example.org" });
    let two = pod("service", two, json!({}));
    assert_eq!((&two["hostname"], told(&two)), (&json!("mail"), None));
    assert_eq!(two["hostAliases"][0]["hostnames"][0], "mail.example.org");
}

#[test]
fn hooks_become_one_command_each_and_the_pause_comes_before_them() {
    let pod = |hooks: serde_json::Value, listens: bool| {
        let spec = sample::shop(json!({ "web": {
            "image": "registry.test/shop:1", "routes": [], "hooks": hooks,
        } }));
        let mut wish = wish(&spec);
        if !listens {
            let web = wish.release.components.get_mut("web").unwrap();
            web.content.ports.clear();
        }
        let objects = kubernetes(&wish, sample::application(), Generation(7), &options()).unwrap();
        conform(&objects);
        let workload = objects.iter().find(|one| one.kind == "Deployment").unwrap();
        workload.body["spec"]["template"]["spec"].clone()
    };
    let lifecycle = |pod: &serde_json::Value| pod["containers"][0]["lifecycle"].clone();
    let none = pod(json!({}), true);
    assert_eq!(
        lifecycle(&none),
        json!({ "preStop": { "sleep": { "seconds": 5 } } })
    );
    assert_eq!(none["terminationGracePeriodSeconds"], 45);
    let plain = json!({
        "postStart": [{ "command": ["warm", "--all"] }], "preStop": [{ "command": "echo $HOME" }],
    });
    let quiet = pod(plain.clone(), false);
    assert_eq!(
        lifecycle(&quiet),
        json!({
            "postStart": { "exec": { "command": ["warm", "--all"] } },
            "preStop": { "exec": { "command": ["/bin/sh", "-c", "echo $HOME"] } },
        })
    );
    // They have as long as the program.
    assert_eq!(quiet["terminationGracePeriodSeconds"], 55);
    assert_eq!(
        lifecycle(&pod(plain, true))["preStop"]["exec"]["command"][2],
        "sleep 5; /bin/sh -c 'echo $HOME'"
    );
    let joined = json!({ "postStart": [
        { "command": ["a b", "it's"], "workingDir": "/srv", "env": { "A": "1 2", "B": "c" } },
        { "command": ["second"] },
    ] });
    assert_eq!(
        lifecycle(&pod(joined, true))["postStart"]["exec"]["command"],
        json!([
            "/bin/sh",
            "-c",
            "(cd /srv && env 'A=1 2' B=c 'a b' 'it'\\''s') && second"
        ])
    );
}

#[test]
fn a_hook_has_the_user_and_the_rights_of_its_container() {
    let with = |hook: serde_json::Value, user: &str, privileged: bool| {
        sample::shop(json!({ "web": {
            "image": "registry.test/shop:1", "routes": [], "user": user,
            "host": { "privileged": privileged }, "hooks": { "postStart": [hook] },
        } }))
    };
    let hook = json!({
        "command": "a", "user": "0", "privileged": true, "timeout": "5s",
        "env": { "K": "${secrets.KEY}", "L": "plain" },
    });
    let at = "spec.unsupported components.web.hooks.postStart.0";
    assert_eq!(
        told(&with(hook, "1000", false)),
        [
            format!("{at}.user"),
            format!("{at}.privileged"),
            format!("{at}.timeout"),
            format!("{at}.env.K"),
        ]
    );
    let alike = json!({ "command": "a", "user": "0", "privileged": true });
    lower(&with(alike, "0", true)).unwrap();
}
