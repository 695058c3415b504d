//! What others described (`imagePorts`): compose promises neither that a program listens nor that its data go with it.

use pluvio_model::facts::RuntimeKind;

use super::*;

/// A release of images that expose these ports and declare these volumes.
fn decide(
    components: Value,
    exposed: &[u16],
    volumes: &[&str],
    parent: Option<&Release>,
) -> Result<Release, Vec<Problem>> {
    let spec = sample::shop(components);
    let mut facts = sample::facts(&spec);
    for image in facts.images.values_mut() {
        image.facts.exposed = exposed.to_vec();
        image.facts.volumes = volumes.iter().map(|path| (*path).to_owned()).collect();
    }
    let revision = sample::revision(1, &spec, Origin::Deploy);
    crate::decide(&revision, parent, &facts, &mut sample::volume_ids())
}

fn foreign(more: Value) -> Value {
    let mut component = json!({ "image": "localhost/shop:1", "imagePorts": true, "routes": [] });
    component
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    component
}

/// How `web` shows that it is ready.
fn ready(components: Value, exposed: &[u16]) -> Value {
    let release = decide(components, exposed, &[], None).unwrap();
    let ready = &release.components["web"].content.main.probes.ready;
    serde_json::to_value(ready.as_ref().map(|probe| &probe.check)).unwrap()
}

#[test]
fn ports_are_needed_where_something_leads_to_them_and_no_promise_elsewhere() {
    let may = json!({ "ports": { "ports": [4369, 8080], "needed": false } });
    let needed = json!({ "tcp": { "port": 8080 } });
    let both = json!({ "ports": { "ports": [8080, 9090, 4369], "needed": true } });
    let exposed = [4369, 8080];
    assert_eq!(ready(json!({ "web": foreign(json!({})) }), &exposed), may);
    // Of what its own file says, too: a worker is often written by the anchor of the server.
    let declared =
        json!({ "ports": { "a": { "port": 4369, "protocol": "tcp" }, "http": { "port": 8080 } } });
    assert_eq!(ready(json!({ "web": foreign(declared.clone()) }), &[]), may);
    // A route, a port of the machine, another's text.
    let mut routed = declared.clone();
    routed["routes"] = json!([{ "path": "/" }]);
    assert_eq!(ready(json!({ "web": foreign(routed) }), &[]), needed);
    let mut published = declared.clone();
    published["publish"] = json!([{ "host": 80, "port": 8080 }]);
    assert_eq!(ready(json!({ "web": foreign(published) }), &[]), needed);
    let dialled = json!({
        "web": foreign(json!({})),
        "other": foreign(json!({ "env": { "URL": "http://web:8080/", "METRICS": "web:9090" } })),
    });
    assert_eq!(ready(dialled, &exposed), both);
    // What it is told to listen on is open, and no promise either.
    let told = json!({ "web": foreign(json!({ "env": { "PORT": "3000" } })) });
    assert_eq!(
        ready(told, &[]),
        json!({ "ports": { "ports": [3000], "needed": false } })
    );
    // app.yaml means what it says.
    assert_eq!(
        ready(json!({ "web": { "image": "localhost/shop:1" } }), &[8080]),
        needed
    );
}

#[test]
fn others_containers_are_told_no_port() {
    let port = |more: Value| {
        let mut component = foreign(json!({ "ports": { "http": { "port": 8069 } } }));
        let own = component.as_object_mut().unwrap();
        own.extend(more.as_object().unwrap().clone());
        let release = decide(json!({ "web": component }), &[], &[], None).unwrap();
        let env = &release.components["web"].content.main.env;
        env.get("PORT").map(|value| value.masked())
    };
    assert_eq!(port(json!({})), None);
    assert_eq!(
        port(json!({ "env": { "PORT": "1" } })).as_deref(),
        Some("1")
    );
    // app.yaml's are.
    assert_eq!(
        port(json!({ "imagePorts": false })).as_deref(),
        Some("8069")
    );
}

/// Where `web` has data, and in which volume.
fn data(release: &Release) -> Vec<String> {
    let mounts = &release.components["web"].content.main.mounts;
    mounts
        .iter()
        .map(|(target, mount)| format!("{target} {}", mount.volume.as_ref().unwrap()))
        .collect()
}

#[test]
fn what_an_image_declares_as_data_has_a_volume_and_keeps_it() {
    let alone = json!({ "web": foreign(json!({})) });
    let paths = ["/data/", "/tmp", "/var/run/x", "/log", "/data"];
    let first = decide(alone.clone(), &[], &paths, None).unwrap();
    assert_eq!(data(&first), ["/data web-data", "/log web-log"]);
    // Its own mount wins, and a volume of that name elsewhere is another.
    let mounted = json!({ "web": foreign(json!({ "volumes": {
        "/data": { "name": "mine" }, "/elsewhere": { "name": "web-log" },
    } })) });
    let second = decide(mounted, &[], &paths, None).unwrap();
    assert_eq!(
        data(&second),
        ["/data mine", "/elsewhere web-log", "/log image-web-log"]
    );
    // What is there keeps its name when the other one is free again.
    let again = decide(alone.clone(), &[], &paths, Some(&second)).unwrap();
    assert_eq!(data(&again), ["/log image-web-log"]);
    // Without a look at the image, by what is there.
    let spec = sample::shop(alone);
    let mut facts = sample::facts(&spec);
    facts.images.clear();
    let revision = sample::revision(2, &spec, Origin::Apply);
    let again = crate::decide(&revision, Some(&first), &facts, &mut sample::volume_ids()).unwrap();
    assert_eq!(again.volumes, first.volumes);
    assert_eq!(again.components["web"].hash, first.components["web"].hash);
    // What runs without one has its data in its container, and is not replaced for it, nor for what others dial.
    let mut old = first.clone();
    let web = old.components.get_mut("web").unwrap();
    web.content.main.mounts.clear();
    web.hash = pluvio_model::image::ContentHash::of(&web.content);
    old.volumes.clear();
    let alone = json!({ "web": foreign(json!({})), "other": foreign(json!({ "env": { "AT": "web:8080" } })) });
    let kept = decide(alone, &[8080], &paths, Some(&old)).unwrap();
    assert!(
        kept.volumes
            .keys()
            .all(|name| name.as_str().starts_with("other"))
    );
    // Of an image of another version, the same volume.
    let next = json!({ "web": foreign(json!({ "image": "localhost/shop:2" })) });
    let next = decide(next, &[], &paths, Some(&first)).unwrap();
    assert_eq!(next.volumes, first.volumes);
}

#[test]
fn several_instances_share_no_data_that_only_their_image_speaks_of() {
    let several = || json!({ "web": foreign(json!({ "instances": 2 })) });
    let release = decide(several(), &[], &["/data"], None).unwrap();
    assert!(data(&release).is_empty());
    // One that has data is not scaled away from them.
    let one = decide(json!({ "web": foreign(json!({})) }), &[], &["/data"], None).unwrap();
    let problems = decide(several(), &[], &["/data"], Some(&one)).unwrap_err();
    expect![[r#"
        spec.conflict at components.web.instances
          web shall have 2 instances, but its volume at /data is exclusive: one instance at a time.
          Set `instances: 1`, write `access: shared` for the volume, or `kind: stateful` for a volume for each instance.
    "#]]
    .assert_eq(&told(&problems));
    // app.yaml says itself what is kept; what ends keeps nothing.
    for web in [
        json!({ "image": "localhost/shop:1" }),
        foreign(json!({ "kind": "job" })),
    ] {
        let release = decide(json!({ "web": web }), &[8080], &["/data"], None).unwrap();
        assert!(data(&release).is_empty());
    }
}

#[test]
fn on_a_cluster_a_port_that_is_no_promise_is_not_probed() {
    let spec = sample::shop(json!({
        "web": foreign(json!({})),
        "api": foreign(json!({ "env": { "PEER": "http://db:5432" } })),
        "db": foreign(json!({})),
    }));
    let mut facts = sample::facts(&spec);
    facts.runtime.runtime = RuntimeKind::Kubernetes;
    for image in facts.images.values_mut() {
        image.facts.volumes = vec!["/data".to_owned()];
    }
    let revision = sample::revision(1, &spec, Origin::Deploy);
    let release = crate::decide(&revision, None, &facts, &mut sample::volume_ids()).unwrap();
    let of = |name: &str| {
        release.components[name]
            .content
            .main
            .probes
            .ready
            .clone()
            .unwrap()
    };
    assert!(!matches!(
        of("web").check,
        pluvio_model::release::Check::Tcp { .. }
    ));
    assert_eq!(of("db").check.ports(), [5432, 8080]);
    // It finds itself by its name before a Service leads to it.
    let options = release.components["web"]
        .content
        .main
        .options
        .as_ref()
        .unwrap();
    assert_eq!(options.hostname.as_deref(), Some("web"));
    // Claims would begin empty.
    assert!(release.volumes.is_empty());
}
