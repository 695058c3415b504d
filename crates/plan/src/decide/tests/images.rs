//! Which images stay.

use pluvio_model::accounts::Accounts;
use pluvio_model::facts::Inside;

use super::*;

#[test]
fn an_unchanged_image_is_inherited_without_looking_it_up() {
    let spec = sample::shop(json!({ "web": { "image": "localhost/shop:1" } }));
    let first = sample::decide(1, &spec, None).unwrap();
    let mut facts = sample::facts(&spec);
    facts.images.clear();
    let revision = sample::revision(2, &spec, Origin::Apply);
    let second = crate::decide(&revision, Some(&first), &facts, &mut sample::volume_ids()).unwrap();
    assert_eq!(second.components["web"].hash, first.components["web"].hash);

    let changed = sample::shop(json!({ "web": { "image": "localhost/shop:2" } }));
    let revision = sample::revision(3, &changed, Origin::Apply);
    let problems =
        crate::decide(&revision, Some(&first), &facts, &mut sample::volume_ids()).unwrap_err();
    expect![[r#"
        image.not-found at components.web.image
          The image localhost/shop:2 of web is not at hand.
          Check its name; deploy again, so that it is pulled.
    "#]]
    .assert_eq(&told(&problems));
}

#[test]
fn what_pods_pull_by_another_name_is_inherited_by_the_name_that_was_asked_for() {
    let named = |web: &str, log: &str, instances: u32| {
        sample::shop(json!({ "web": {
            "image": web, "instances": instances, "sidecars": { "log": { "image": log } },
        } }))
    };
    let spec = named("localhost/shop:1", "localhost/log:1", 1);
    let mut facts = sample::facts(&spec);
    let all = facts
        .images
        .values_mut()
        .chain(facts.other_images.values_mut());
    for image in all {
        let digest = "a".repeat(64);
        let name = image.reference.short_name().to_owned();
        let published = format!("registry.test/crew/{name}@sha256:{digest}");
        image.reference = published.parse().unwrap();
    }
    let first = sample::revision(1, &spec, Origin::Deploy);
    let first = crate::decide(&first, None, &facts, &mut sample::volume_ids()).unwrap();
    facts.images.clear();
    facts.other_images.clear();
    let mut again = |next: &AppSpec| {
        facts.inherited = crate::images_inherited(&spec, next);
        let revision = sample::revision(2, next, Origin::Apply);
        crate::decide(&revision, Some(&first), &facts, &mut sample::volume_ids())
    };
    let scaled = again(&named("localhost/shop:1", "localhost/log:1", 2)).unwrap();
    assert_eq!(scaled.components["web"].hash, first.components["web"].hash);
    for (other, path) in [
        (
            named("localhost/shop:2", "localhost/log:1", 1),
            "components.web.image",
        ),
        (
            named("localhost/shop:1", "localhost/log:2", 1),
            "components.web.sidecars.log.image",
        ),
    ] {
        let problems = again(&other).unwrap_err();
        assert_eq!(problems[0].code, "image.not-found");
        assert_eq!(problems[0].at.as_ref().unwrap().path, path);
    }
}

#[test]
fn a_deploy_resolves_anew_and_a_patch_inherits() {
    let before = sample::shop(json!({
        "web": { "image": "localhost/shop:1" },
        "pinned": { "image": format!("localhost/p@sha256:{}", "a".repeat(64)), "routes": [] },
    }));
    let release = sample::decide(1, &before, None).unwrap();
    let mut after = before.clone();
    after
        .components
        .extend(sample::shop(json!({ "built": { "source": { "path": "." } } })).components);
    let needs = |origin| {
        let needs = images_needed(&after, &origin, Some((&before, &release)));
        let show = |need: &ImageNeed| match need {
            ImageNeed::Database(database) => format!("database {database}"),
            ImageNeed::Build => "build".to_owned(),
            ImageNeed::Pull(image) => format!("pull {image}"),
            ImageNeed::Inherit { image_id } => format!("inherit {image_id}"),
        };
        needs
            .iter()
            .map(|(name, need)| format!("{name}: {}", show(need)))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        needs(Origin::Deploy),
        [
            "built: build",
            "pinned: inherit sha256:p",
            "web: pull localhost/shop:1"
        ]
    );
    assert_eq!(
        needs(Origin::Apply),
        [
            "built: build",
            "pinned: inherit sha256:p",
            "web: inherit sha256:shop"
        ]
    );
}

#[test]
fn on_a_cluster_users_names_have_the_numbers_that_the_image_gives_them() {
    let with = |user: serde_json::Value| {
        sample::shop(json!({ "web": { "image": "localhost/shop:1", "user": user } }))
    };
    let facts = |spec: &AppSpec, own: Option<&str>| {
        let mut facts = sample::facts(spec);
        facts.runtime.runtime = RuntimeKind::Kubernetes;
        for image in facts.images.values_mut() {
            image.facts.user = own.map(str::to_owned);
            let passwd = "root:x:0:0::/:\napp:x:1001:1002::/:\nweb:x:7:8::/:\n";
            image.facts.inside = Some(Inside {
                accounts: Accounts::parse(passwd, "staff:x:50:\n"),
                filled: ["/srv/www".to_owned()].into(),
            });
        }
        facts
    };
    let decide = |spec: &AppSpec, parent: Option<&Release>, facts: &DecideFacts| {
        let revision = sample::revision(1, spec, Origin::Deploy);
        let release = crate::decide(&revision, parent, facts, &mut sample::volume_ids()).unwrap();
        let main = release.components["web"].content.main.clone();
        (release, main.named_user)
    };
    for (told, own, number) in [
        (json!("app"), None, Some("1001:1002")),
        (json!("app:staff"), Some("web"), Some("1001:50")),
        (json!(null), Some("web"), Some("7:8")),
        (json!("root"), None, Some("0:0")),
        (json!(null), Some("root"), None),
        (json!(null), None, None),
        (json!("1001:1002"), Some("web"), None),
        (json!("nobody"), None, None),
    ] {
        let spec = with(told.clone());
        let (_, named) = decide(&spec, None, &facts(&spec, own));
        assert_eq!(named.as_deref(), number, "{told} of {own:?}");
    }

    // Without a look at the image, whom the same words meant stays.
    let spec = with(json!("app"));
    let (first, _) = decide(&spec, None, &facts(&spec, None));
    let mut unseen = facts(&spec, None);
    unseen.images.clear();
    let (_, again) = decide(&spec, Some(&first), &unseen);
    assert_eq!(again.as_deref(), Some("1001:1002"));
    let (_, other) = decide(&with(json!("web")), Some(&first), &unseen);
    assert_eq!(other, None);

    // An engine looks itself.
    let mut engine = facts(&spec, None);
    engine.runtime.runtime = RuntimeKind::Docker;
    assert_eq!(decide(&spec, None, &engine).1, None);
}

#[test]
fn on_a_cluster_a_volume_begins_with_what_the_image_has_there() {
    let spec = sample::shop(json!({ "web": {
        "image": "localhost/shop:1",
        "volumes": { "/srv/www": { "name": "www" }, "/srv/empty": { "name": "empty" }, "/srv/www2": { "type": "memory" } },
    } }));
    let mut facts = sample::facts(&spec);
    facts.runtime.runtime = RuntimeKind::Kubernetes;
    let asked = crate::asked_inside(&spec, Some(&"web".parse().unwrap()));
    assert_eq!(asked.paths.len(), 2, "{asked:?}");
    assert_eq!(
        crate::asked_inside(&spec, None),
        crate::LookedFor::default()
    );
    for image in facts.images.values_mut() {
        image.facts.inside = Some(Inside {
            filled: ["/srv/www".to_owned(), "/srv/www2".to_owned()].into(),
            ..Inside::default()
        });
    }
    let mut ids = sample::volume_ids();
    let mut decide = |parent: Option<&Release>, facts: &DecideFacts| {
        let revision = sample::revision(1, &spec, Origin::Deploy);
        let release = crate::decide(&revision, parent, facts, &mut ids).unwrap();
        let mounts = &release.components["web"].content.main.mounts;
        let seeded: Vec<_> = mounts.iter().filter(|(_, mount)| mount.seed).collect();
        assert_eq!(seeded.len(), 1);
        assert_eq!(seeded[0].0.as_str(), "/srv/www");
        release
    };
    let first = decide(None, &facts);
    facts.images.clear();
    decide(Some(&first), &facts);
}

#[test]
fn what_others_are_built_from_is_made_before_them_and_they_anew_when_it_changed() {
    let spec = |argument: &str| {
        let from = |other: &str| json!({ "contexts": { "base": format!("component:{other}") } });
        let source = json!({ "path": "." });
        sample::shop(json!({
            "api": { "source": source, "build": from("middle"), "routes": [] },
            "middle": { "source": source, "build": from("base"), "routes": [] },
            "base": { "source": source, "build": { "args": { "A": argument } }, "routes": [] },
            "web": { "image": "localhost/shop:1" },
        }))
    };
    let (before, after) = (spec("1"), spec("2"));
    let mut facts = sample::facts(&before);
    let image = facts.images["web"].clone();
    for built in ["api", "middle", "base"] {
        facts.images.insert(built.parse().unwrap(), image.clone());
    }
    let revision = sample::revision(1, &before, Origin::Deploy);
    let release = crate::decide(&revision, None, &facts, &mut sample::volume_ids()).unwrap();
    let built = |spec: &AppSpec| {
        let needs = images_needed(spec, &Origin::Apply, Some((&before, &release)));
        let ordered = images_in_order(spec, needs).into_iter();
        let built = ordered.filter(|(_, need)| *need == ImageNeed::Build);
        built.map(|(name, _)| name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(built(&before), [""; 0]);
    assert_eq!(built(&after), ["base", "middle", "api"]);
}
