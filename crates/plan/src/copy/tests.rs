//! A copy differs in what its table says, and in nothing else; a promotion keeps what belongs to the place.

use pluvio_model::revision::Origin;
use serde_json::{Value, json};

use super::*;
use crate::promote::{Side, beyond_images, promote};
use crate::sample;

fn shop() -> AppSpec {
    sample::spec(json!({
        "name": "shop",
        "secrets": { "KEY": {}, "SIGNING": { "generate": true } },
        "groups": { "common": { "env": { "TZ": "UTC" } } },
        "components": {
            "web": {
                "image": "localhost/web:1", "instances": 3, "groups": ["common"], "uses": ["db"],
                "env": { "LEVEL": "info", "KEY": "${secrets.KEY}", "S": "${secrets.SIGNING}",
                    "SELF": "https://shop.example.org/" },
                "files": { "/etc/shop.toml": { "content": "a = 1" } },
                "volumes": { "/uploads": { "name": "uploads", "access": "shared", "size": "1Gi" } },
                "routes": [{ "host": "shop.example.org" }, { "host": "www.example.org" }, { "path": "/api" }],
                "release": { "command": ["migrate"] },
            },
            "admin": { "image": "localhost/admin:1", "routes": [{ "host": "admin.example.org", "path": "/x" }],
                "publish": [{ "host": 9000, "port": 8080 }] },
            "db": { "kind": "database", "database": "postgres@15" },
            "report": { "kind": "cron", "schedule": "0 3 * * *", "image": "localhost/report:1" },
        },
    }))
}

fn facts(spec: &AppSpec, environment: &str) -> pluvio_model::facts::DecideFacts {
    let mut facts = sample::facts(spec);
    facts.environment = environment.parse().unwrap();
    for secret in ["KEY", "SIGNING", "DB_PASSWORD"] {
        facts.secrets.insert(secret.parse().unwrap(), 1);
    }
    let db = pluvio_model::facts::ImageAtHand {
        reference: "localhost/postgres:15".parse().unwrap(),
        facts: pluvio_model::facts::ImageFacts {
            id: "sha256:postgres".to_owned(),
            ..Default::default()
        },
        built: None,
    };
    facts.images.insert("db".parse().unwrap(), db);
    facts
}

fn decide(spec: &AppSpec, environment: &str, number: u64, parent: Option<&Release>) -> Release {
    let revision = sample::revision(number, spec, Origin::Apply);
    let ids = &mut sample::volume_ids().skip(number as usize * 10);
    crate::decide(&revision, parent, &facts(spec, environment), ids)
        .unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn place() -> Place {
    Place {
        team: "crew".parse().unwrap(),
        environment: "staging".parse().unwrap(),
        name: "shop".parse().unwrap(),
        domain: "localhost".to_owned(),
    }
}

fn all_secrets() -> BTreeSet<EnvName> {
    let names = ["KEY", "SIGNING", "DB_PASSWORD"];
    names.map(|name| name.parse().unwrap()).into()
}

/// Paths at which two values differ.
fn differences(at: &str, a: &Value, b: &Value, out: &mut Vec<String>) {
    match (a, b) {
        _ if a == b => {}
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let path = if at.is_empty() {
                    key.clone()
                } else {
                    format!("{at}.{key}")
                };
                let of = |map: &serde_json::Map<String, Value>| {
                    map.get(key).cloned().unwrap_or_default()
                };
                differences(&path, &of(a), &of(b), out);
            }
        }
        _ => out.push(at.to_owned()),
    }
}

fn shown(rows: &[Row]) -> String {
    let line = |row: &Row| {
        format!(
            "{:?} {}: {} → {}\n",
            row.what, row.about, row.before, row.after
        )
    };
    rows.iter().map(line).collect()
}

#[test]
fn d9_a_copy_differs_only_in_what_the_table_says() {
    let spec = shop();
    let release = decide(&spec, "production", 1, None);
    let secrets = all_secrets();
    let sizes = [("uploads".parse().unwrap(), 3 << 20)].into();
    let original = Original {
        spec: &spec,
        release: &release,
        secrets: &secrets,
        at_rest: &BTreeSet::new(),
        sizes: &sizes,
    };
    let wishes = Wishes {
        instances: [("web".parse().unwrap(), 1)].into(),
        copy_secrets: true,
        ..Wishes::default()
    };
    let copy = copy(&original, &wishes, &place()).unwrap();
    let decided = decide(&copy.spec, "staging", 1, None);
    let rows = table(&original, &copy, &place(), &decided);
    expect_test::expect![[r#"
        Name shop: production/shop → staging/shop
        Host web: shop.example.org, shop.localhost, www.example.org → shop--staging--crew.localhost
        Instances web: 3 → 1
        Host admin: admin.example.org → admin--shop--staging--crew.localhost
        MachinePort admin: 9000 → not published
        Volume uploads: 3.0 MiB → empty
        Volume db-postgres-15: data → empty
        Database db: data → empty
        Secret KEY: set → copied
        Secret SIGNING: set → new
        Secret DB_PASSWORD: set → new
    "#]]
    .assert_eq(&shown(&rows));
    assert_eq!(
        notes(&original, &copy, &decided),
        [
            "SELF of web names shop.example.org, which stays the original's: set it in the copy where that is wrong."
        ]
    );

    // The specifications, key by key.
    let value = |spec: &AppSpec| serde_json::to_value(spec).unwrap();
    let mut found = Vec::new();
    differences("", &value(&spec), &value(&copy.spec), &mut found);
    let told: BTreeSet<&str> = rows
        .iter()
        .map(|row| row.path.as_str())
        .filter(|path| !path.is_empty())
        .collect();
    assert_eq!(
        found.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        told
    );

    // The releases: the same but for hosts, counts, machine ports, and the names and ids of the place.
    let mut found = Vec::new();
    let value = |release: &Release| serde_json::to_value(release).unwrap();
    differences("", &value(&release), &value(&decided), &mut found);
    for path in &found {
        let told = matches!(
            path.as_str(),
            "environment"
                | "routes"
                | "urls"
                | "components.web.instances"
                | "components.admin.content.publish"
                // What follows from the port of the machine: it is in the hash, and two instances may run side by side.
                | "components.admin.hash"
                | "components.admin.rollout.strategy"
        ) || path.starts_with("components.admin.rollout.strategy")
            || path.starts_with("volumes.") && path.ends_with(".id");
        assert!(told, "{path} differs, and no row says so");
    }
    for (name, component) in &release.components {
        assert_eq!(copy.images[name].image_id, component.content.main.image_id);
    }
}

#[test]
fn other_hosts_images_and_branches_are_as_wished() {
    let mut spec = shop();
    spec.components["report"].image = None;
    let git = json!({ "git": { "url": "https://example.org/report.git", "ref": "main" } });
    spec.components["report"].source = serde_json::from_value(git).unwrap();
    let mut facts = facts(&spec, "production");
    let report = pluvio_model::facts::ImageAtHand {
        reference: "localhost/pluvio/report:1".parse().unwrap(),
        facts: Default::default(),
        built: Some(Default::default()),
    };
    facts.images.insert("report".parse().unwrap(), report);
    let revision = sample::revision(1, &spec, Origin::Apply);
    let release = crate::decide(&revision, None, &facts, &mut sample::volume_ids()).unwrap();
    let secrets = all_secrets();
    let sizes = [("uploads".parse().unwrap(), 3 << 20)].into();
    let original = Original {
        spec: &spec,
        release: &release,
        secrets: &secrets,
        at_rest: &BTreeSet::new(),
        sizes: &sizes,
    };
    let wishes = Wishes {
        hosts: [(
            "shop.example.org".to_owned(),
            "two.example.org".parse().unwrap(),
        )]
        .into(),
        images: [("web".parse().unwrap(), "localhost/web:2".parse().unwrap())].into(),
        references: [("report".parse().unwrap(), "develop".to_owned())].into(),
        data: Data::All,
        ..Wishes::default()
    };
    let made = copy(&original, &wishes, &place()).unwrap();
    assert!(!made.images.contains_key("web") && !made.images.contains_key("report"));
    assert_eq!(made.secrets["KEY"], SecretFrom::Missing);
    // A database at work is dumped, and has a password of its own; the server of cloned data knows that of before.
    assert_eq!(made.secrets["DB_PASSWORD"], SecretFrom::Generated);
    assert_eq!((made.clones.len(), made.restores.len()), (1, 1));
    let stopped = ["db".parse().unwrap()].into();
    let still = Original {
        at_rest: &stopped,
        ..original
    };
    let from_files = copy(&still, &wishes, &place()).unwrap();
    assert_eq!(from_files.secrets["DB_PASSWORD"], SecretFrom::Copied);
    assert_eq!((from_files.clones.len(), from_files.restores.len()), (2, 0));
    let volumes = Wishes {
        data: Data::Volumes,
        ..wishes.clone()
    };
    let volumes = copy(&still, &volumes, &place()).unwrap();
    assert_eq!((volumes.clones.len(), volumes.restores.len()), (1, 0));
    let told = notes(&original, &made, &release);
    assert!(told[0].starts_with("uploads is copied while web may write to it"));
    assert!(told[1].starts_with("db is dumped"));
    let rows = table(&original, &made, &place(), &release);
    let of = |what: What| rows.iter().find(|row| row.what == what).unwrap();
    assert_eq!(of(What::Image).after, "localhost/web:2");
    assert_eq!(
        (
            of(What::Branch).before.as_str(),
            of(What::Branch).after.as_str()
        ),
        ("main", "develop")
    );
    assert_eq!(of(What::Volume).after, "cloned");
    let host = made.spec.components["web"].routes.as_ref().unwrap()[0]
        .host
        .as_ref();
    assert_eq!(host.unwrap().to_string(), "two.example.org");

    for (wrong, cause) in [
        (
            Wishes {
                instances: [("wev".parse().unwrap(), 1)].into(),
                ..Wishes::default()
            },
            "shop has no component wev.",
        ),
        (
            Wishes {
                hosts: [("no.example.org".to_owned(), "a.test".parse().unwrap())].into(),
                ..Wishes::default()
            },
            "shop has no route for the host no.example.org.",
        ),
        (
            Wishes {
                data: Data::Of(["upload".parse().unwrap()].into()),
                ..Wishes::default()
            },
            "shop has no volume or database upload.",
        ),
        (
            Wishes {
                references: [("web".parse().unwrap(), "main".to_owned())].into(),
                ..Wishes::default()
            },
            "web is not built from a Git repository; it has no branch.",
        ),
    ] {
        assert_eq!(copy(&original, &wrong, &place()).unwrap_err().cause, cause);
    }
}

#[test]
fn bx03_a_promotion_brings_images_and_keeps_what_belongs_to_the_place() {
    let there = shop();
    let production = decide(&there, "production", 4, None);
    let mut here = there.clone();
    {
        let web = &mut here.components["web"];
        web.image = Some("localhost/web:2".parse().unwrap());
        web.instances = Some(1);
        web.routes = None;
    }
    here.components["admin"].publish.clear();
    here.components["admin"].routes = Some(Vec::new());
    let staging = decide(&here, "staging", 7, None);
    let from = Side {
        spec: &here,
        release: &staging,
    };
    let to = Side {
        spec: &there,
        release: &production,
    };

    let promoted = promote(&from, &to, false).unwrap();
    let web = &promoted.spec.components["web"];
    assert_eq!(web.image.as_ref().unwrap().to_string(), "localhost/web:2");
    assert_eq!(
        (web.instances, &web.routes),
        (Some(3), &there.components["web"].routes)
    );
    assert_eq!(promoted.spec.components["admin"], {
        let mut admin = there.components["admin"].clone();
        admin.instances = Some(1);
        admin
    });
    assert_eq!(
        promoted.images["web"].image_id,
        staging.components["web"].content.main.image_id
    );
    let next = decide(&promoted.spec, "production", 5, Some(&production));
    assert_eq!(next.routes, production.routes);
    assert_eq!(next.volumes, production.volumes);
    assert_eq!(
        beyond_images(&crate::diff::diff(&production, &next)),
        [""; 0],
        "images alone need no confirmation"
    );

    // Another variable is more than an image.
    here.components["web"]
        .env
        .insert("LEVEL".parse().unwrap(), "debug".into());
    let staging = decide(&here, "staging", 8, Some(&staging));
    let from = Side {
        spec: &here,
        release: &staging,
    };
    let more = promote(&from, &to, false).unwrap();
    let next = decide(&more.spec, "production", 5, Some(&production));
    assert_eq!(
        beyond_images(&crate::diff::diff(&production, &next)),
        ["web: env LEVEL: info → debug"]
    );
    let images = promote(&from, &to, true).unwrap();
    assert_eq!(
        images.spec.components["web"].env,
        there.components["web"].env
    );
    let image = &images.images["web"].image;
    assert_eq!(image.to_string(), "localhost/web:2");
}

#[test]
fn a_share_is_not_cloned_onto_itself() {
    let with = |component: Value| {
        let mut spec = shop();
        for (name, mount) in component.as_object().unwrap() {
            let mount = serde_json::from_value(mount.clone()).unwrap();
            let volumes = &mut spec.components[name.as_str()].volumes;
            volumes.clear();
            volumes.insert("/var/lib/postgresql/data".parse().unwrap(), mount);
        }
        spec
    };
    let share = json!({ "type": "nfs", "device": ":/media" });
    let of = |spec: &AppSpec| {
        let release = decide(spec, "production", 1, None);
        let original = Original {
            spec,
            release: &release,
            secrets: &BTreeSet::new(),
            at_rest: &BTreeSet::new(),
            sizes: &BTreeMap::new(),
        };
        let wishes = Wishes {
            data: Data::All,
            ..Wishes::default()
        };
        let made = copy(&original, &wishes, &place())?;
        let rows = table(&original, &made, &place(), &release);
        let after = rows
            .iter()
            .find(|row| row.what == What::Volume && row.about == "uploads")
            .map(|row| row.after.clone());
        Ok::<_, Problem>((after, notes(&original, &made, &release)))
    };
    let uploads = json!({ "name": "uploads", "access": "shared", "options": share });
    let (after, notes) = of(&with(json!({ "web": uploads }))).unwrap();
    assert_eq!(after.as_deref(), Some("the same share"));
    assert!(
        notes
            .iter()
            .any(|note| note.starts_with("uploads of the copy leads"))
    );
    let data = json!({ "name": "db-data", "options": share });
    let refused = of(&with(json!({ "db": data }))).unwrap_err();
    assert!(
        refused
            .cause
            .starts_with("The database db has its data on a share")
    );
}

#[test]
fn a_volume_of_the_machines_own_is_the_copys_as_well() {
    let of = |read_only: bool| {
        let mut spec = shop();
        let mount = json!({ "type": "host", "hostVolume": "shop_data", "access": "shared", "readOnly": read_only });
        let volumes = &mut spec.components["web"].volumes;
        volumes.insert(
            "/shared".parse().unwrap(),
            serde_json::from_value(mount).unwrap(),
        );
        let release = decide(&spec, "production", 1, None);
        let original = Original {
            spec: &spec,
            release: &release,
            secrets: &BTreeSet::new(),
            at_rest: &BTreeSet::new(),
            sizes: &BTreeMap::new(),
        };
        let made = copy(&original, &Wishes::default(), &place()).unwrap();
        let rows = table(&original, &made, &place(), &release);
        let row = "Volume shop_data: the machine's own → the same volume\n";
        assert!(shown(&rows).contains(row), "{rows:?}");
        let notes = notes(&original, &made, &release);
        notes
            .iter()
            .any(|note| note.starts_with("shop_data is the machine's own volume"))
    };
    assert!(of(false));
    assert!(!of(true));
}
