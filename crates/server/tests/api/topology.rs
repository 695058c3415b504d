//! Who talks to whom, and specifications as they are edited.

use http::{Method, header};
use pluvio_node::wire::{CallerMetrics, Metrics, RouteMetrics};
use serde_json::{Value, json};

use crate::scene::{HOME, Scene, deploy_text};

const SHOP: &str = "name: store
components:
  web:
    image: localhost/shop:1
    ports: { http: { port: 8080, protocol: http } }
    uses: [api, { component: db, as: DB }]
  api:
    image: localhost/shop:1
    ports: { http: { port: 8080, protocol: http } }
    routes: []
  db:
    image: localhost/shop:1
    ports: { sql: { port: 5432, protocol: tcp } }
  report:
    kind: cron
    schedule: \"0 3 * * *\"
    image: localhost/shop:1
    uses: [db]
";

fn counted(application: pluvio_model::id::ApplicationId, route: &str, rate: f64) -> RouteMetrics {
    RouteMetrics {
        application,
        route: route.to_owned(),
        requests: 100,
        server_errors: 1,
        client_errors: 2,
        received_bytes: 1000,
        sent_bytes: 2000,
        active: 3,
        requests_per_second: rate,
        server_errors_per_second: 0.5,
        client_errors_per_second: 0.25,
        received_per_second: 10.0,
        sent_per_second: 20.0,
        p50: Some(0.004),
        p95: Some(0.020),
        p99: Some(0.1),
    }
}

fn node<'a>(graph: &'a Value, id: &str) -> &'a Value {
    let nodes = graph["nodes"].as_array().unwrap();
    let found = nodes.iter().find(|node| node["id"] == id);
    found.unwrap_or_else(|| panic!("no node {id}: {graph:#}"))
}

fn edge<'a>(graph: &'a Value, from: &str, to: &str) -> &'a Value {
    let edges = graph["edges"].as_array().unwrap();
    let found = edges
        .iter()
        .find(|edge| edge["from"] == from && edge["to"] == to);
    found.unwrap_or_else(|| panic!("no edge {from} → {to}: {graph:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_has_what_is_declared_and_what_was_counted() {
    let scene = Scene::new().await;
    let store = deploy_text(&scene.store, &scene.control, "store", SHOP)
        .await
        .application;
    scene.observe(store);
    let graph = scene
        .own(Method::GET, "/applications/store/topology", None)
        .await
        .json();
    assert_eq!(
        (
            node(&graph, "web")["kind"].clone(),
            node(&graph, "web")["status"].clone()
        ),
        (json!("service"), json!("running"))
    );
    assert_eq!(node(&graph, "report")["status"], "scheduled");
    assert_eq!(edge(&graph, "web", "api")["declared"], true);
    assert_eq!(edge(&graph, "web", "db")["prefix"], "DB");
    assert_eq!(edge(&graph, "web", "db")["traffic"], json!([]));
    assert_eq!(edge(&graph, "@gateway", "web")["declared"], true);
    assert_eq!(
        node(&graph, "@gateway")["hosts"],
        json!(["store.localhost"])
    );

    let route = scene.store.release(store, 1).await.unwrap().release.routes[0]
        .id
        .to_string();
    *scene.node.metrics.lock().unwrap() = Metrics {
        connections: 1,
        routes: vec![
            counted(store, &route, 9.0),
            counted(store, "inner.web.api.http", 7.0),
            counted(store, "inner.web.db.sql", 0.5),
            counted(store, "inner.unknown.api.http", 1.0),
            counted(store, "inner.web.gone.http", 1.0),
        ],
        callers: vec![CallerMetrics {
            caller: store,
            component: "api".parse().unwrap(),
            traffic: counted(scene.shop, "", 2.0),
        }],
    };
    let graph = scene
        .own(Method::GET, "/applications/store/topology?window=900", None)
        .await
        .json();
    assert_eq!(graph["window_seconds"], 900);
    let front = &edge(&graph, "@gateway", "web")["traffic"][0];
    assert_eq!(
        (
            front["requests_per_second"].as_f64(),
            front["route"].as_str()
        ),
        (Some(9.0), Some("store.localhost"))
    );
    let http = &edge(&graph, "web", "api")["traffic"][0];
    assert_eq!(http["p95_ms"].as_f64(), Some(20.0));
    assert_eq!(
        (
            http["port"].as_str(),
            http["protocol"].as_str(),
            http["errors_per_second"].as_f64()
        ),
        (Some("http"), Some("http"), Some(0.5))
    );
    // Nobody knows what passes in bytes: no answers, but how much of it.
    let tcp = &edge(&graph, "web", "db")["traffic"][0];
    assert_eq!(
        (
            tcp["protocol"].as_str(),
            tcp["p95_ms"].as_f64(),
            tcp["open"].as_u64(),
            tcp["sent_per_second"].as_f64()
        ),
        (Some("tcp"), None, Some(3), Some(20.0))
    );
    assert_eq!(edge(&graph, "@elsewhere", "api")["declared"], false);
    assert_eq!(
        edge(&graph, "api", "@app.shop")["traffic"][0]["requests_per_second"].as_f64(),
        Some(2.0)
    );
    assert!(!graph.to_string().contains("gone"));
    // What components ask of each other is not what the application is asked.
    let listed = scene
        .own(Method::GET, "/applications/store", None)
        .await
        .json();
    assert_eq!(listed["requests_per_second"].as_f64(), Some(9.0));

    let all = scene.own(Method::GET, "/topology", None).await.json();
    assert_eq!(node(&all, "store")["kind"], "application");
    assert_eq!(
        edge(&all, "store", "shop")["traffic"][0]["requests_per_second"].as_f64(),
        Some(2.0)
    );
    assert_eq!(
        edge(&all, "@gateway", "store")["traffic"][0]["requests_per_second"].as_f64(),
        Some(9.0)
    );
    let refused = scene.own(Method::GET, "/topology?window=5", None).await;
    assert_eq!(refused.code(), "request.invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_teams_graph_goes_across_its_environments() {
    let scene = Scene::new().await;
    let store = deploy_text(&scene.store, &scene.control, "store", SHOP)
        .await
        .application;
    let team = "/api/v1/teams/main";
    let ask = async |method: Method, path: String, body: Value| {
        let body = (!body.is_null()).then_some(&body);
        scene.ask(method, &path, &scene.owner, body).await
    };
    let made = ask(
        Method::POST,
        format!("{team}/environments"),
        json!({ "name": "staging" }),
    );
    assert_eq!(made.await.status, 201);
    // One of the same name in another environment, which the first asks at its host.
    let spec = json!({ "name": "store", "components": { "web": { "image": "localhost/shop:1" } } });
    let path = format!("{team}/environments/staging/applications/store");
    let asked = ask(
        Method::POST,
        format!("{path}/deploy"),
        json!({ "spec": spec }),
    )
    .await;
    assert_eq!(asked.status, 202, "{asked:?}");
    let other = ask(Method::GET, path, Value::Null).await.json()["id"].clone();
    *scene.node.metrics.lock().unwrap() = Metrics {
        connections: 1,
        routes: Vec::new(),
        callers: vec![CallerMetrics {
            caller: store,
            component: "api".parse().unwrap(),
            traffic: counted(serde_json::from_value(other).unwrap(), "", 3.0),
        }],
    };
    let graph = ask(
        Method::GET,
        format!("{team}/topology?window=300"),
        Value::Null,
    )
    .await
    .json();
    assert_eq!(graph["window_seconds"], 300);
    for environment in ["production", "staging"] {
        let shown = node(&graph, &format!("{environment}/store"));
        assert_eq!(
            (
                shown["name"].as_str(),
                shown["environment"].as_str(),
                shown["kind"].as_str()
            ),
            (Some("store"), Some(environment), Some("application"))
        );
    }
    let across = &edge(&graph, "production/store", "staging/store")["traffic"][0];
    assert_eq!(across["requests_per_second"].as_f64(), Some(3.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_specification_is_the_same_as_text_and_as_fields() {
    let scene = Scene::new().await;
    let read = async |body: Value| scene.own(Method::POST, "/spec/read", Some(&body)).await;
    let text = read(json!({ "yaml": SHOP })).await.json();
    assert_eq!(text["problems"], json!([]), "{text:#}");
    assert_eq!(text["spec"]["components"]["web"]["uses"][1]["as"], "DB");
    let back = read(json!({ "spec": text["spec"] })).await.json();
    assert_eq!(back, text);
    // A text that is wrong says where; one whose shape is right is a specification all the same.
    let wrong = read(json!({ "yaml": SHOP.replace("uses: [api,", "uses: [apo,") }))
        .await
        .json();
    assert_eq!(wrong["problems"][0]["at"]["line"], 6, "{wrong:#}");
    assert!(wrong["spec"].is_object());
    let shapeless = read(json!({ "yaml": "name: [" })).await.json();
    assert!(shapeless["spec"].is_null() && shapeless["problems"][0]["at"]["line"].is_number());
    assert_eq!(shapeless["yaml"], "name: [");
    assert_eq!(read(json!({})).await.code(), "request.invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_previewed_and_made_unless_somebody_was_faster() {
    let scene = Scene::new().await;
    deploy_text(&scene.store, &scene.control, "store", SHOP).await;
    let path = format!("{HOME}/applications/store/spec");
    let read = scene.ask(Method::GET, &path, &scene.owner, None).await;
    let (mut spec, tag) = (
        read.json()["spec"].clone(),
        read.headers[header::ETAG].clone(),
    );
    spec["components"]["api"]["uses"] = json!(["db"]);
    let body = json!({ "spec": spec });
    let seen = scene
        .own(
            Method::POST,
            "/applications/store/spec/preview",
            Some(&body),
        )
        .await
        .json();
    assert_eq!(seen["number"], 2);
    let rows = &seen["diff"][0];
    assert_eq!(
        (rows["component"].as_str(), rows["rows"][0]["what"].as_str()),
        (Some("api"), Some("uses")),
        "{seen:#}"
    );

    let patch = async |body: &Value| {
        let mut request = Scene::request(Method::PATCH, &path, &scene.owner, Some(body));
        request.headers_mut().insert(header::IF_MATCH, tag.clone());
        scene.send(request).await
    };
    let asked = patch(&body).await;
    assert_eq!(asked.status, 202, "{asked:?}");
    assert_eq!(asked.json()["title"], "api uses db");
    let now = scene
        .ask(Method::GET, &path, &scene.owner, None)
        .await
        .json();
    assert_eq!(now["spec"]["components"]["api"]["uses"], json!(["db"]));
    assert_eq!(patch(&body).await.status, 412);
    // The same again is no change.
    let same = scene
        .ask(Method::PATCH, &path, &scene.owner, Some(&body))
        .await;
    assert_eq!(same.code(), "request.invalid");

    // A component that is new is previewed before its image is there, and what cannot be is refused with its place.
    spec["components"]["cache"] = json!({ "kind": "database", "database": "redis@7" });
    let seen = scene
        .own(
            Method::POST,
            "/applications/store/spec/preview",
            Some(&json!({ "spec": spec })),
        )
        .await
        .json();
    assert!(
        seen["notes"].to_string().contains("built-first"),
        "{seen:#}"
    );
    spec["components"]["db"]["uses"] = json!(["web"]);
    let circle = scene
        .own(
            Method::POST,
            "/applications/store/spec/preview",
            Some(&json!({ "spec": spec })),
        )
        .await;
    assert_eq!(circle.status, 422, "{circle:?}");
    spec["name"] = json!("another");
    let renamed = scene
        .ask(
            Method::PATCH,
            &path,
            &scene.owner,
            Some(&json!({ "spec": spec })),
        )
        .await;
    assert_eq!(renamed.code(), "request.invalid");
}
