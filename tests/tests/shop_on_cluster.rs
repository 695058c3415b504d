//! `samples/shop` on a real Kubernetes (BX-01): built here, pulled from Pluvio's own registry, served by Pluvio's own gateway there.

use std::path::Path;
use std::time::Duration;

use pluvio_tests::http::Connection;
use pluvio_tests::place::{Front, Place};
use pluvio_tests::{Answer, app, load};
use serde_json::Value;

/// The first builds make their base images from the distribution's packages.
const COLD: Duration = Duration::from_secs(580);

/// The shop in an environment of a cluster whose namespaces enforce `restricted`, behind the cluster's gateway.
struct Scene {
    place: Place,
    front: Front,
}

impl Scene {
    fn start() -> Scene {
        // Nothing here needs more than an ordinary user, databases included.
        let (place, front) = Place::behind_a_gateway("shop", &["--restricted", "main"]);
        Scene { place, front }
    }

    fn deploy(&self, folder: &Path) -> Answer {
        let words = ["deploy", "-e", &self.place.environment, "--json"];
        let mut command = self.place.pluvio.command(&words);
        command.args(["--timeout", "9m"]).current_dir(folder);
        pluvio_tests::pluvio::finish(command, None, COLD)
    }

    fn on(&self, words: &[&str], input: &str) -> Answer {
        let which = ["-a", "shop", "-e", &self.place.environment];
        let words = [words, &which].concat();
        let answer = self.place.pluvio.cli_with_input(&words, input);
        assert_eq!(answer.exit, 0, "{words:?}: {answer:?}");
        answer
    }

    fn ask(&self, request: &str) -> Result<String, String> {
        let mut connection = Connection::open(self.front.port, Duration::from_secs(35))?;
        let reply = connection.send(request)?;
        match reply.status {
            200 | 303 => Ok(reply.body),
            status => Err(format!("{status}: {}", reply.body)),
        }
    }

    fn get(&self, path: &str) -> Result<String, String> {
        let host = &self.front.host;
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    }

    fn order(&self, item: &str) {
        let (host, body) = (&self.front.host, format!("item={item}"));
        let length = body.len();
        let form = "Content-Type: application/x-www-form-urlencoded";
        let request = format!(
            "POST /orders HTTP/1.1\r\nHost: {host}\r\n{form}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.ask(&request).expect("it is ordered");
    }

    fn until_packed(&self, many: usize) {
        self.place.until("the worker packs", || {
            let orders = self.get("/orders").unwrap_or_default();
            packed(&orders) == many
        });
    }
}

/// How many orders there are, when all of them are packed.
fn packed(orders: &str) -> usize {
    let orders: Value = serde_json::from_str(orders).unwrap_or_default();
    let orders = orders.as_array().cloned().unwrap_or_default();
    match orders.iter().all(|order| order["packed"] == true) {
        true => orders.len(),
        false => 0,
    }
}

#[test]
fn bx01_a_shop_runs_on_a_cluster_as_on_the_engine() {
    let scene = Scene::start();
    let folder = app::sample("shop", &scene.place.pluvio.scratch().join("shop"));
    scene.deploy(&folder).ok();
    scene.place.until("the gateway leads to the page", || {
        scene
            .get("/")
            .is_ok_and(|page| page.contains("nothing yet"))
    });
    scene.order("Umbrella");
    scene.until_packed(1);
    let (cluster, namespace) = (&scene.place.cluster, &scene.place.namespace);
    let enforced = "jsonpath={.metadata.labels.pod-security\\.kubernetes\\.io/enforce}";
    let words = ["get", "namespace", namespace, "-o", enforced];
    assert_eq!(cluster.kubectl(&words), "restricted");

    // A task by hand, and what it said.
    let report = scene.on(&["trigger", "report", "--json"], "").ok();
    let lines = report["exit"]["last_lines"].to_string();
    assert!(lines.contains("1 orders, 29.00 EUR"), "{report:#}");

    // The databases: a shell that reads to the end of its input, a user, a backup.
    let count = "select 'orders: ' || count(*) from orders";
    let said = scene.on(&["db", "shell", "db"], count).stdout;
    assert!(said.contains("orders: 1"), "{said}");
    scene.on(&["db", "user", "create", "db", "reporter", "--json"], "");
    let listed = scene.on(&["db", "list"], "").stdout;
    assert!(listed.contains("PostgreSQL 15"), "{listed}");
    scene.on(&["db", "backup", "db", "--json"], "");
    scene.order("Umbrella");
    scene.until_packed(2);

    // Another page, while people look.
    let load = load::closed(scene.front.port, &scene.front.host, "/", 4);
    let page = folder.join("web.js");
    let text = std::fs::read_to_string(&page).expect("the page");
    std::fs::write(&page, text.replace("<h1>Shop</h1>", "<h1>Sale</h1>")).expect("the page");
    scene.deploy(&folder).ok();
    let body = scene.get("/").expect("the page");
    assert!(body.contains("<h1>Sale</h1>"), "{body}");
    scene.on(&["rollback", "--json"], "");
    let counted = load.end();
    assert!(counted.served > 0);
    assert_eq!(counted.failed, 0, "{counted:#?}");
    let body = scene.get("/").expect("the page");
    assert!(body.contains("<h1>Shop</h1>"), "{body}");

    // A setting of the database, which is started anew for it.
    scene.on(&["db", "parameters", "db", "work_mem=5MB", "--json"], "");
    let said = scene.on(&["db", "shell", "db"], "show work_mem").stdout;
    assert!(said.contains("5MB"), "{said}");

    // With what is in its databases to the engine of this machine.
    let copy = scene.place.pluvio.name("back");
    let words = ["copy", "--to", "production", "--as", &copy, "--json"];
    scene.on(&[&words[..], &["--with-data", "all"]].concat(), "");
    let orders = scene.place.pluvio.body(&copy, "/orders");
    assert_eq!(packed(&orders), 2, "{orders}");

    scene.place.end();
    // Data stay until somebody lets them go.
    let claims = cluster.objects("persistentvolumeclaims", namespace);
    assert_eq!(claims.len(), 2, "{claims:#?}");
}

#[test]
fn a_mariadb_runs_on_a_cluster_as_on_the_engine() {
    let scene = Scene::start();
    let file = "apiVersion: pluvio/v1
name: shop
components:
  books: { kind: database, database: mariadb@10.11 }
";
    let file = scene.place.pluvio.write("books/app.yaml", file);
    let folder = Path::new(&file).parent().expect("a folder");
    scene.deploy(folder).ok();
    let ask = |sql: &str| scene.on(&["db", "shell", "books"], sql).stdout;
    ask("create table t (word varchar(20)); insert into t values ('kept')");
    let listed = scene.on(&["db", "list"], "").stdout;
    assert!(listed.contains("MariaDB 10.11"), "{listed}");
    scene.on(&["db", "user", "create", "books", "reporter", "--json"], "");
    scene.on(&["db", "backup", "books", "--json"], "");
    scene.on(&["restart", "--json"], "");
    let said = ask("select word from t");
    assert!(said.contains("kept"), "{said}");
    scene.on(&["delete", "--yes", "--json"], "");
}
