//! By which names pods find each other.

use super::super::names::shared_label;
use super::*;

fn names(spec: &AppSpec) -> Vec<String> {
    let all = super::super::inner_names(&decided(spec));
    all.iter()
        .map(|one| format!("{} {} {}", one.host, one.service, one.known_as.join(",")))
        .collect()
}

#[test]
fn aliases_lead_where_their_component_does() {
    let spec = sample::spec(json!({
        "name": "shop",
        "components": {
            "web": { "image": "registry.test/a:1", "aliases": ["Front", "shop.test", "db"] },
            "db": { "image": "registry.test/a:1", "kind": "stateful", "ports": { "sql": { "port": 5432 } },
                "networks": ["default", "back"], "networkAliases": { "back": ["store"] }, "aliases": ["sql"] },
        },
        "networks": { "back": { "shared": "corporate" } },
    }));
    assert_eq!(
        names(&spec),
        [
            "web shop--web shop_default",
            "db shop--db shop_default,corporate,shop_back",
            "db-0 shop--db--0 ",
            "front shop--web shop_default",
            "sql shop--db shop_default,corporate,shop_back",
            "store shop--db corporate,shop_back",
        ]
    );
}

#[test]
fn a_network_that_is_shared_is_a_label_by_which_others_are_let_in() {
    let spec = |shared: &str| {
        sample::spec(json!({
            "name": "shop",
            "components": {
                "web": { "image": "registry.test/a:1" },
                "db": { "image": "registry.test/a:1", "networks": ["back", "default"] },
            },
            "networks": { "back": { "shared": shared } },
        }))
    };
    let objects = lower(&spec("corporate")).unwrap();
    let body = |kind: &str, name: &str| {
        let mut all = objects.iter();
        let object = all.find(|object| object.kind == kind && object.name == name);
        object.map(|object| &object.body)
    };
    let label = "network.pluvio.io/corporate";
    let labels =
        |name: &str| &body("Deployment", name).unwrap()["spec"]["template"]["metadata"]["labels"];
    assert_eq!(labels("shop--db")[label], "true");
    assert_eq!(labels("shop--web")[label], json!(null));
    let policy = body("NetworkPolicy", "shop--db").unwrap();
    let from = &policy["spec"]["ingress"][0]["from"];
    assert_eq!(
        *from,
        json!([{ "podSelector": { "matchExpressions": [{ "key": label, "operator": "Exists" }] } }])
    );
    assert!(body("NetworkPolicy", "shop--web").is_none());
    // By the name that docker compose would give a network it is found without sharing it.
    let known = |name: &str| body("NetworkPolicy", name).unwrap().to_string();
    assert!(known("shop").contains(&shared_label("shop_default")));
    assert!(known("shop--db").contains(&shared_label("shop_back")));
    // What is no label is told by its hash, and stays one.
    let long = lower(&spec(&format!("a_{}", "b".repeat(100)))).unwrap();
    let text = json!(long.iter().map(|object| &object.body).collect::<Vec<_>>()).to_string();
    let at = text.find("network.pluvio.io/x-").expect("a label");
    let name = &text[at + "network.pluvio.io/".len()..];
    assert_eq!(name.find('"'), Some(18));
}

#[test]
fn a_name_that_no_cluster_leads_by_is_refused_where_something_asks_for_it() {
    let spec = |env: &str| {
        sample::spec(json!({
            "name": "shop",
            "components": {
                "web": { "image": "registry.test/a:1", "env": { "DB": env } },
                "my-db": { "image": "registry.test/a:1", "aliases": ["my_db"] },
            },
        }))
    };
    lower(&spec("postgres://my-db/x")).unwrap();
    lower(&spec("my_db2")).unwrap();
    let problems = lower(&spec("postgres://user@my_db:5432/x")).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(
        json!(problems[0])
            .to_string()
            .contains("components.my-db.aliases")
    );
    assert!(problems[0].remedy.contains("`my-db`"), "{problems:?}");
}
