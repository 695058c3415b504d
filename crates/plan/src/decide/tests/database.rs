use pluvio_model::facts::{DecideFacts, ImageAtHand, ImageFacts, RuntimeKind};
use pluvio_model::problem::Problem;
use pluvio_model::release::{Release, Strategy};
use pluvio_model::revision::Origin;
use pluvio_model::spec::{AppSpec, VolumeAccess};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::decide::images::{ImageNeed, images_needed};
use crate::sample;

fn facts(spec: &AppSpec) -> DecideFacts {
    let mut facts = sample::facts(spec);
    for (name, component) in &spec.components {
        if let Some(database) = component.database() {
            let text = format!(
                "localhost/pluvio/base-{}:{}",
                database.engine.as_str(),
                database.version()
            );
            facts.images.insert(
                name.clone(),
                ImageAtHand {
                    reference: text.parse().unwrap(),
                    facts: ImageFacts {
                        id: format!("sha256:{text}"),
                        ..ImageFacts::default()
                    },
                    built: None,
                },
            );
        }
    }
    let made = spec.all_secrets().into_keys().map(|name| (name, 1));
    facts.secrets.extend(made);
    facts
}

fn decide(spec: &AppSpec, parent: Option<&Release>) -> Result<Release, Vec<Problem>> {
    let number = parent.map_or(1, |parent| parent.number + 1);
    let revision = sample::revision(number, spec, Origin::Apply);
    crate::decide(&revision, parent, &facts(spec), &mut sample::volume_ids())
}

fn shop(database: &str, more: Value) -> AppSpec {
    let mut db = json!({ "kind": "database", "database": database });
    db.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    sample::shop(json!({
        "web": { "image": "localhost/shop:1", "uses": ["my-db"], "env": { "DATABASE_URL": "${my-db.url}" } },
        "my-db": db,
    }))
}

fn text(value: &pluvio_model::template::Rendered) -> String {
    value
        .resolve(|secret: &pluvio_model::template::SecretRef| {
            Some(format!("<{} {}>", secret.name, secret.version))
        })
        .unwrap()
}

#[test]
fn c3_a_database_tells_those_that_use_it_how_it_is_reached() {
    for (database, url, key) in [
        (
            "postgres@15",
            "postgres://app:<MY_DB_PASSWORD 1>@my-db:5432/app",
            "POSTGRES_URL",
        ),
        (
            "mariadb@10.11",
            "mysql://app:<MY_DB_PASSWORD 1>@my-db:3306/app",
            "MYSQL_URL",
        ),
        (
            "redis@7",
            "redis://default:<MY_DB_PASSWORD 1>@my-db:6379/0",
            "REDIS_URL",
        ),
    ] {
        let release = decide(&shop(database, json!({})), None).unwrap();
        let web = &release.components["web"];
        assert_eq!(text(&web.content.main.env["DATABASE_URL"]), url);
        assert_eq!(text(&web.content.main.env[key]), url);
        assert_eq!(web.after, ["my-db".parse().unwrap()]);
    }
}

#[test]
fn a_database_has_a_volume_of_its_own_and_never_two_writers() {
    let spec = shop(
        "postgres@15",
        json!({
            "env": { "POSTGRES_DB": "shop" },
            "command": ["-c", "max_connections=200"],
            "volumes": { "/var/lib/postgresql/data": { "size": "5Gi" } },
        }),
    );
    let release = decide(&spec, None).unwrap();
    let db = &release.components["my-db"];
    let volume = &release.volumes["my-db-postgres-15"];
    assert_eq!(volume.access, VolumeAccess::Exclusive);
    assert_eq!(volume.size.unwrap().to_string(), "5Gi");
    assert_eq!(db.rollout.strategy, Strategy::StopThenStart);
    assert_eq!(db.instances, 1);
    let main = &db.content.main;
    assert_eq!(
        main.command.as_deref().unwrap(),
        ["postgres", "-c", "max_connections=200"]
    );
    assert_eq!(main.stop_signal.as_deref(), Some("SIGINT"));
    assert_eq!(text(&main.env["POSTGRES_DB"]), "shop");
    // Its own environment holds the path of the password, which `docker inspect` may show.
    assert!(main.env.values().all(|value| value.secrets().count() == 0));
    assert!(
        text(&release.components["web"].content.main.env["POSTGRES_URL"])
            .ends_with("@my-db:5432/shop")
    );
}

#[test]
fn on_a_cluster_it_is_an_ordinary_user() {
    let user = |kind: RuntimeKind, of_image: Option<&str>, more: Value| {
        let spec = shop("postgres@15", more);
        let mut facts = facts(&spec);
        facts.runtime.runtime = kind;
        let image = facts.images.get_mut("my-db").unwrap();
        image.facts.user = of_image.map(str::to_owned);
        let decide = |number, parent: Option<&Release>, facts: &DecideFacts| {
            let revision = sample::revision(number, &spec, Origin::Apply);
            crate::decide(&revision, parent, facts, &mut sample::volume_ids()).unwrap()
        };
        let first = decide(1, None, &facts);
        facts.images.clear();
        let second = decide(2, Some(&first), &facts);
        let [first, second] = [first, second].map(|one| one.components["my-db"].clone());
        assert_eq!(first.hash, second.hash);
        let main = first.content.main;
        (main.user.clone(), main.ordinary_user())
    };
    let ours = Some((999, Some(999)));
    let cluster = RuntimeKind::Kubernetes;
    let whole = Some("999:999".to_owned());
    assert_eq!(user(cluster, None, json!({})), (whole, ours));
    // Who is told by the image or the specification stays it.
    let of_image = user(cluster, Some("999:999"), json!({}));
    assert_eq!(of_image, (None, ours));
    let asked = user(cluster, None, json!({ "user": "70" }));
    assert_eq!(asked, (Some("70".to_owned()), Some((70, None))));
    let engine = user(RuntimeKind::Docker, None, json!({}));
    assert_eq!(engine, (None, None));
}

#[test]
fn its_image_is_its_engine_and_version() {
    let spec = shop("redis@7", json!({}));
    let need = &images_needed(&spec, &Origin::Deploy, None)["my-db"];
    assert_eq!(*need, ImageNeed::Database("redis@7".parse().unwrap()));
    let release = decide(&spec, None).unwrap();
    let before = Some((&spec, &release));
    let need = &images_needed(&spec, &Origin::Apply, before)["my-db"];
    assert!(matches!(need, ImageNeed::Inherit { .. }), "{need:?}");
}

#[test]
fn d3_another_major_version_over_its_data_is_refused_before_anything_starts() {
    let release = decide(&shop("postgres@15", json!({})), None).unwrap();
    for other in ["postgres@17", "mariadb@10.11"] {
        let spec = shop(other, json!({}));
        let problems = decide(&spec, Some(&release)).unwrap_err();
        assert_eq!(problems[0].code, "refused");
        assert!(
            problems[0].remedy.contains("pluvio database dump my-db"),
            "{problems:#?}"
        );
    }
    decide(&shop("postgres@15.4", json!({})), Some(&release)).unwrap();
    let renamed = shop("postgres@15", json!({ "env": { "POSTGRES_USER": "else" } }));
    let problems = decide(&renamed, Some(&release)).unwrap_err();
    assert!(problems[0].cause.contains("POSTGRES_USER"), "{problems:#?}");
}

proptest! {
    /// Whatever else changes, the data, the password and the single writer stay.
    #[test]
    fn data_outlive_every_change(
        engine in prop::sample::select(vec!["postgres@15", "redis@7", "mariadb@10.11"]),
        memories in prop::collection::vec(64u32..512, 1..5),
    ) {
        let mut parent: Option<Release> = None;
        for memory in memories {
            let spec = shop(engine, json!({ "resources": { "memory": { "limit": format!("{memory}Mi") } } }));
            let release = decide(&spec, parent.as_ref()).unwrap();
            prop_assert_eq!(release.components["my-db"].rollout.strategy, Strategy::StopThenStart);
            prop_assert_eq!(release.volumes.len(), 1);
            if let Some(parent) = &parent {
                prop_assert_eq!(&release.volumes, &parent.volumes);
                prop_assert_eq!(release.secrets(), parent.secrets());
            }
            parent = Some(release);
        }
    }
}
