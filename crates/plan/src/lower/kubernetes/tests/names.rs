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
fn a_name_with_dots_is_told_to_the_pods_that_ask_for_it() {
    let spec = |web: serde_json::Value, ports: serde_json::Value| {
        let mut whole = json!({ "image": "registry.test/a:1" });
        merge(&mut whole, &web);
        sample::spec(json!({
            "name": "shop",
            "components": {
                "web": whole,
                "other": { "image": "registry.test/a:1" },
                "orderer": {
                    "image": "registry.test/a:1", "ports": ports,
                    "aliases": ["Orderer0.example.com", "orderer1.example.com"],
                },
            },
        }))
    };
    let port = json!({ "http": { "port": 7050, "protocol": "tcp" } });
    let told = |web: serde_json::Value| {
        let objects = lower(&spec(web, port.clone())).unwrap();
        conform(&objects);
        let of = |name: &str| {
            let mut all = objects.iter().filter(|one| one.kind == "Deployment");
            let workload = all.find(|one| one.name == name).unwrap();
            let template = &workload.body["spec"]["template"];
            template["metadata"]["annotations"]["pluvio.io/hosts"].clone()
        };
        assert_eq!(of("shop--other"), json!(null));
        of("shop--web")
    };
    let asks = json!({ "env": { "ORDERER": "grpcs://orderer0.EXAMPLE.com:7050" } });
    assert_eq!(
        told(asks.clone()),
        r#"{"orderer0.example.com":"shop--orderer"}"#
    );
    assert_eq!(
        told(json!({ "env": { "ORDERER": "example.com" } })),
        json!(null)
    );
    // Its own word comes first.
    let mut own = asks.clone();
    own["extraHosts"] = json!({ "orderer0.example.com": "10.0.0.9" });
    assert_eq!(told(own), json!(null));
    // Without a port there is no Service.
    let mut portless = wish(&spec(asks, port));
    let orderer = portless.release.components.get_mut("orderer").unwrap();
    orderer.content.ports.clear();
    let lowered = kubernetes(&portless, sample::application(), Generation(7), &options());
    let problems = lowered.unwrap_err();
    assert!(
        json!(problems)
            .to_string()
            .contains("components.orderer.aliases")
    );
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
