//! One list of what runs on the engine and on clusters.

use http::Method;
use pluvio_model::place::PlaceSettings;
use pluvio_store::NewCluster;
use serde_json::{Value, json};

use crate::scene::{Answer, Scene, deploy_in, deploy_text};

const LIST: &str = "/api/v1/teams/main/workloads";
const STORE: &str = "name: store
components:
  web:
    image: localhost/shop:1
    instances: 2
    ports: { http: { port: 8080, protocol: http } }
  api:
    image: localhost/shop:1
    scale: { min: 1, max: 3, cpu: 70 }
  db:
    kind: stateful
    image: localhost/shop:1
  report:
    kind: cron
    schedule: \"0 3 * * *\"
    image: localhost/shop:1
";

async fn list(scene: &Scene, token: &str, query: &str) -> Answer {
    let path = format!("{LIST}{query}");
    scene.ask(Method::GET, &path, token, None).await
}

fn told(answer: &Answer) -> Vec<String> {
    let items = answer.json()["items"].as_array().unwrap().clone();
    let text = |row: &Value, field: &str| row[field].as_str().unwrap_or("-").to_owned();
    let mut all: Vec<String> = items
        .iter()
        .map(|row| {
            let of = [
                "environment",
                "cluster",
                "runtime",
                "namespace",
                "application",
                "component",
                "kind",
                "status",
            ];
            let words: Vec<String> = of.iter().map(|field| text(row, field)).collect();
            let (ready, wanted) = (&row["instances_ready"], &row["instances_wanted"]);
            let can = if row["can_scale"] == true {
                " can scale"
            } else {
                ""
            };
            format!("{} {ready}/{wanted}{can}", words.join(" "))
        })
        .collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engines_components_and_those_of_clusters_are_in_one_list() {
    let scene = Scene::new().await;
    let (store, control) = (&scene.store, &scene.control);
    deploy_text(store, control, "store", STORE).await;
    let name = "prod".parse().unwrap();
    let new = NewCluster {
        name: &name,
        identity: "01890000-0000-7000-8000-0000000000aa",
        address: "https://127.0.0.1:1",
        settings: &PlaceSettings::default(),
        kubeconfig: "none",
    };
    let cluster = store.put_cluster(&new, "test").await.unwrap();
    let staging = "staging".parse().unwrap();
    let team = store.home().team;
    store
        .create_environment(team, &staging, Some(cluster.id), "test")
        .await
        .unwrap();
    let scope = store.scope("main", "staging").await.unwrap();
    let text = "name: blog\nimage: localhost/shop:1\n";
    deploy_in(store, control, scope, "blog", text).await;

    let all = list(&scene, &scene.reader, "").await;
    assert_eq!(
        told(&all),
        [
            "production local memory - shop web service running 1/1 can scale",
            "production local memory - store api service deploying 0/1",
            "production local memory - store db stateful deploying 0/1 can scale",
            "production local memory - store report cron deploying 0/0",
            "production local memory - store web service deploying 0/2 can scale",
            "staging prod kubernetes main--staging blog web service deploying 0/1 can scale",
        ]
    );
    assert_eq!(all.json()["next"], json!(null));
    let staging = list(&scene, &scene.reader, "?environment=staging").await;
    assert_eq!(told(&staging).len(), 1, "{staging:?}");

    // By application, each with all its components.
    let (mut rows, mut after) = (Vec::new(), String::new());
    loop {
        let page = list(&scene, &scene.reader, &format!("?limit=1{after}")).await;
        let applications: std::collections::BTreeSet<String> = page.json()["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["application"].to_string())
            .collect();
        assert_eq!(applications.len(), 1, "{page:?}");
        rows.extend(told(&page));
        match page.json()["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    rows.sort();
    assert_eq!(rows, told(&all));

    let other = list(&scene, &scene.reader, "?environment=nowhere").await;
    assert_eq!(other.code(), "not-found");
    let stranger = list(&scene, &scene.stranger, "").await;
    assert_eq!(stranger.code(), "not-found");
}
