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

#[test]
fn a_network_has_room_for_all_that_may_be_at_once_and_for_what_rests() {
    let room = |components: Value| plan(components).networks[0].room;
    // Itself, the one that takes its place, its virtual address; and one rests.
    let web = json!({ "image": "localhost/shop:1" });
    assert_eq!(
        room(json!({ "web": web })),
        Room {
            in_use: 3,
            resting: 1
        }
    );
    let fifty: serde_json::Map<String, Value> = (0..50)
        .map(|n| {
            let service = json!({
                "image": "localhost/shop:1", "instances": 2, "routes": [],
                "ports": { "http": { "port": 8080, "protocol": "http" } },
                "rollout": { "surge": 1 },
            });
            (format!("s{n}"), service)
        })
        .collect();
    let room = room(fifty.into());
    assert_eq!((room.in_use, room.resting), (200, 100));
    assert_eq!((room.least(), room.ample()), (300, 450));
}

#[test]
fn an_instance_is_made_on_what_stands_in_for_a_network_that_was_outgrown() {
    let plan = plan(json!({ "web": { "image": "localhost/shop:1" } }));
    let own = &plan.networks[0];
    let further = own.further(2).name;
    let place = InstancePlace {
        networks: [(own.name.clone(), further.clone())].into(),
        ..InstancePlace::default()
    };
    let made = plan.components[0].instance.create(&place, &|_| None);
    let body = &made.unwrap()[0].body;
    assert_eq!(body["HostConfig"]["NetworkMode"], json!(further));
    assert_eq!(
        body["NetworkingConfig"]["EndpointsConfig"][&further]["Aliases"],
        json!(["web"])
    );
    // Podman does not tell which network's address is its own.
    assert_eq!(body["Labels"][label::HOME], json!(further));
}

#[test]
fn a_volume_of_the_engine_is_mounted_by_its_name_and_must_be_there() {
    let web = json!({
        "image": "localhost/shop:1",
        "volumes": { "/data": { "type": "host", "hostVolume": "shop_data", "readOnly": true } },
    });
    let plan = plan(json!({ "web": web, "log": web }));
    assert!(plan.volumes.is_empty());
    assert_eq!(plan.volumes_of_others, ["shop_data"]);
    let made = plan.components[0]
        .instance
        .create(&InstancePlace::default(), &|_| None);
    assert_eq!(
        made.unwrap()[0].body["HostConfig"]["Mounts"],
        json!([{ "Type": "volume", "Source": "shop_data", "Target": "/data", "ReadOnly": true }])
    );
}

#[test]
fn a_share_is_made_a_volume_of_with_its_options() {
    let share = json!({ "type": "nfs", "device": ":/media", "o": "addr=10.0.0.2" });
    let plan = plan(json!({ "web": {
        "image": "localhost/shop:1",
        "volumes": { "/data": { "name": "media", "options": share } },
    } }));
    let manifests = plan.manifests();
    assert_eq!(manifests["volumes"][0]["DriverOpts"], share);
    let mounts = &manifests["containers"][0]["body"]["HostConfig"]["Mounts"];
    assert_eq!(mounts[0]["Source"], manifests["volumes"][0]["Name"]);
}
