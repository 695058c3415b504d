use expect_test::expect;
use pluvio_model::facts::DecideFacts;
use pluvio_model::release::{Release, Strategy};
use pluvio_model::revision::Origin;
use serde_json::{Value, json};

use super::{check, refused, told};
use crate::sample;

#[test]
fn an_exclusive_volume_stops_then_starts_and_allows_one_instance() {
    let web = |more: Value| {
        let mut web = json!({ "image": "localhost/shop:1", "volumes": { "/data": {} } });
        web.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        sample::shop(json!({ "web": web }))
    };
    check(
        &web(json!({})),
        "/components/web/rollout/strategy",
        expect![[r#"
            "stop-then-start"
        "#]],
    );
    check(
        &web(json!({})),
        "/volumes",
        expect![[r#"
        {
          "web-data": {
            "id": "01936b2a-0000-7000-8000-0000bbbb0000",
            "access": "exclusive",
            "size": null,
            "class": null
          }
        }
    "#]],
    );
    refused(
        &web(json!({ "instances": 2 })),
        expect![[r#"
            spec.conflict at components.web.instances
              web shall have 2 instances, but its volume at /data is exclusive: one instance at a time.
              Set `instances: 1`, write `access: shared` for the volume, or `kind: stateful` for a volume for each instance.
        "#]],
    );
    let shared = json!({ "volumes": { "/data": { "access": "shared" } }, "instances": 2 });
    check(
        &web(shared),
        "/components/web/rollout/strategy",
        expect![[r#"
            {
              "surge": {
                "surge": 1,
                "unavailable": 0
              }
            }
        "#]],
    );
}

#[test]
fn instances_of_a_stateful_component_have_a_volume_each() {
    let db = |instances: u32| {
        sample::shop(json!({ "db": {
            "kind": "stateful", "image": "localhost/db:1", "instances": instances, "routes": [],
            "volumes": { "/data": { "name": "data", "size": "1Gi" }, "/common": { "name": "common", "access": "shared" } },
        } }))
    };
    let one = sample::decide(1, &db(1), None).unwrap();
    let names = |release: &Release| {
        release
            .volumes
            .keys()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&one), ["data", "common"]);
    assert_eq!(one.components["db"].rollout.strategy, Strategy::Ordered);

    // More instances: what was there stays the first's.
    let grown = |parent: &Release, facts: &DecideFacts, number| {
        let revision = sample::revision(number, &db(3), Origin::Apply);
        let fresh = &mut sample::volume_ids().skip(10);
        crate::decide(&revision, Some(parent), facts, fresh).unwrap()
    };
    let mut facts = sample::facts(&db(3));
    let three = grown(&one, &facts, 2);
    assert_eq!(names(&three), ["data", "common", "data-1", "data-2"]);
    assert_eq!(three.volumes["data"], one.volumes["data"]);
    assert_eq!(three.volumes["data-2"].size, one.volumes["data"].size);
    assert_eq!(three.components["db"].hash, one.components["db"].hash);
    let db_of = |release: &Release, volume: &str, ordinal| {
        let name = volume.parse().unwrap();
        let found = release.volume_of(&release.components["db"], &name, ordinal);
        found.map(|(name, _)| name.to_string())
    };
    assert_eq!(db_of(&three, "data", 0).as_deref(), Some("data"));
    assert_eq!(db_of(&three, "data", 2).as_deref(), Some("data-2"));
    assert_eq!(db_of(&three, "data", 3), None);
    assert_eq!(db_of(&three, "common", 2).as_deref(), Some("common"));

    // Fewer, and more again: the same data.
    let fewer = sample::decide(3, &db(1), Some(&three)).unwrap();
    assert_eq!(names(&fewer), ["data", "common"]);
    facts.kept_volumes = three
        .volumes
        .iter()
        .map(|(name, volume)| (name.clone(), volume.id))
        .collect();
    assert_eq!(grown(&fewer, &facts, 4).volumes, three.volumes);
}

#[test]
fn what_an_instance_is_called_is_its_own() {
    let spec = |more: Value| {
        let mut all = json!({ "db": {
            "kind": "stateful", "image": "localhost/db:1", "instances": 2, "routes": [], "volumes": { "/data": { "name": "data" } },
        } });
        all.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        sample::shop(all)
    };
    refused(
        &spec(json!({
            "db-1": { "image": "localhost/a:1", "routes": [] },
            "web": { "image": "localhost/b:1", "routes": [], "aliases": ["db-0"], "volumes": { "/a": { "name": "data-1" } } },
        })),
        expect![[r#"
            spec.conflict at components.web.aliases.0
              db-0 is the name of an instance of db, which is stateful, and of something else.
              Give the other one another name.
            spec.conflict at components.db-1
              db-1 is the name of an instance of db, which is stateful, and of something else.
              Give the other one another name.
            spec.conflict at components.web.volumes./a
              The volume data-1 is what the instance db-1 keeps its data in, and another mount names it too.
              Give the other volume another name.
        "#]],
    );
    // Names beyond those that there are are free.
    let free = spec(json!({ "db-2": { "image": "localhost/a:1", "routes": [] } }));
    sample::decide(1, &free, None).unwrap();
    refused(
        &sample::shop(json!({ "db": {
            "kind": "stateful", "image": "localhost/db:1", "instances": 2, "routes": [],
            "publish": [{ "host": 5432, "port": 8080 }],
        } })),
        expect![[r#"
            spec.conflict at components.db.instances
              db shall have 2 instances, but it takes the machine's port 5432: one instance at a time.
              Set `instances: 1`, or take `publish` and `host.network` out.
        "#]],
    );
}

#[test]
fn what_runs_beside_a_component_may_have_the_exclusive_volume_too() {
    check(
        &sample::shop(json!({ "web": { "image": "localhost/shop:1", "init": {
            "prepare": { "command": ["prepare"], "volumes": { "/data": { "name": "data" } } },
        } } })),
        "/components/web/rollout/strategy",
        expect![[r#"
            "stop-then-start"
        "#]],
    );
}

#[test]
fn a_volume_keeps_its_id_by_name_and_never_shrinks() {
    let with = |volumes: Value| {
        sample::shop(json!({ "web": { "image": "localhost/shop:1", "volumes": volumes } }))
    };
    let first = sample::decide(
        1,
        &with(json!({ "/a": { "name": "one", "size": "2Gi" } })),
        None,
    );
    let first = first.unwrap();
    let both = with(json!({ "/b": { "name": "two" }, "/a": { "name": "one" } }));
    let fresh = &mut sample::volume_ids().skip(1);
    let revision = sample::revision(2, &both, Origin::Apply);
    let second = crate::decide(&revision, Some(&first), &sample::facts(&both), fresh).unwrap();
    assert_eq!(second.volumes["one"].id, first.volumes["one"].id);
    assert_eq!(second.volumes["one"].size, first.volumes["one"].size);
    assert_ne!(second.volumes["two"].id, first.volumes["one"].id);
    let smaller = with(json!({ "/a": { "name": "one", "size": "1Gi" } }));
    let problems = sample::decide(3, &smaller, Some(&second)).unwrap_err();
    expect![[r#"
        spec.invalid at components.web.volumes./a.size
          The volume one has 2Gi; it cannot shrink to 1Gi.
          Write `size: 2Gi` or more.
    "#]]
    .assert_eq(&told(&problems));
}

#[test]
fn a_volume_that_comes_back_is_the_same_volume() {
    let spec = sample::shop(json!({ "web": {
        "image": "localhost/shop:1", "volumes": { "/a": { "name": "one" } },
    } }));
    let kept = sample::volume_ids().nth(7).unwrap();
    let mut facts = sample::facts(&spec);
    facts.kept_volumes.insert("one".parse().unwrap(), kept);
    let revision = sample::revision(3, &spec, Origin::Rollback { to: 1 });
    let release = crate::decide(&revision, None, &facts, &mut sample::volume_ids()).unwrap();
    assert_eq!(release.volumes["one"].id, kept);
}

#[test]
fn two_programs_at_once_do_not_write_to_a_volume_of_the_engine_unasked() {
    let web = |more: Value| {
        let mut mount = json!({ "type": "host", "hostVolume": "shop_data" });
        mount
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let web = json!({ "image": "localhost/shop:1", "volumes": { "/data": mount } });
        let release = sample::decide(1, &sample::shop(json!({ "web": web })), None).unwrap();
        assert!(release.volumes.is_empty());
        release.components["web"].rollout.strategy
    };
    assert_eq!(web(json!({})), Strategy::StopThenStart);
    for more in [json!({ "access": "shared" }), json!({ "readOnly": true })] {
        assert!(matches!(web(more), Strategy::Surge { .. }));
    }
}
