//! A stage as a whole.

use super::*;

#[test]
fn a_rootless_engine_publishes_on_loopback() {
    let facts = Facts {
        rootless: true,
        reach: Reach::PublishedLoopback,
        ..sample::runtime()
    };
    let web = json!({ "web": { "image": "localhost/shop:1" } });
    let plan = lower(sample::release(web), &facts).unwrap();
    let manifests = plan.manifests();
    let bindings = manifests
        .pointer("/containers/0/body/HostConfig/PortBindings")
        .unwrap();
    assert_eq!(
        bindings,
        &json!({ "8080/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "" }] })
    );

    let asks = json!({ "web": {
        "image": "localhost/shop:1",
        "host": { "privileged": true },
        "publish": [{ "host": 80, "port": 8080 }],
    } });
    let problems = lower(sample::release(asks), &facts).unwrap_err();
    let paths: Vec<String> = problems
        .into_iter()
        .filter_map(|p| p.at)
        .map(|at| at.path)
        .collect();
    assert_eq!(
        paths,
        [
            "components.web.host.privileged",
            "components.web.publish.0.host"
        ]
    );
}

#[test]
fn only_the_components_of_the_stage_are_lowered() {
    let release = sample::release(json!({
        "web": { "image": "localhost/shop:1", "uses": ["db"] },
        "db": { "image": "localhost/db:1", "routes": [], "volumes": { "/data": {} } },
    }));
    let wish = RunWish {
        components: vec!["db".parse().unwrap()],
        release,
        tasks: Vec::new(),
        power: Power::On,
        stopped: Vec::new(),
        secrets: Default::default(),
    };
    let plan = engine(
        &wish,
        sample::application(),
        Generation(7),
        &sample::runtime(),
    )
    .unwrap();
    let names: Vec<&str> = plan.components.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["db"]);
    assert_eq!(plan.volumes.len(), 1);
}
