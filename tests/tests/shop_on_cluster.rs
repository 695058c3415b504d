//! `samples/shop` on a real Kubernetes (BX-01): built here, pulled from Pluvio's own registry, served by Pluvio's own gateway there.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use pluvio_tests::cluster::{Cluster, Door};
use pluvio_tests::http::Connection;
use pluvio_tests::{Answer, Engine, Pluvio, app, load, wait};
use serde_json::Value;

/// The first builds make their base images from the distribution's packages.
const COLD: Duration = Duration::from_secs(580);
const SOON: Duration = Duration::from_secs(90);

/// The shop in an environment of a cluster whose namespaces enforce `restricted`, and a loopback port that leads to the cluster's gateway.
struct Scene {
    cluster: Cluster,
    pluvio: Pluvio,
    environment: String,
    host: String,
    home: String,
    door: Door,
}

impl Scene {
    fn start() -> Scene {
        let cluster = Cluster::shared();
        let (machine, node) = cluster.addresses();
        let pluvio = Pluvio::prepare(Engine::docker());
        let images = format!("{machine}:{}", pluvio.free_port(0));
        cluster.trust(&images);
        let mut pluvio = pluvio.with("PLUVIO_IMAGES_LISTEN", &images);
        pluvio.up(&[]).ok();
        let text = std::fs::read_to_string(&cluster.kubeconfig).expect("the kubeconfig");
        let file = pluvio.write("kubeconfig", &text);
        let port = pluvio.free_port(1);
        let home = format!("pluvio-shop-{}", std::process::id());
        let mut words = vec!["cluster", "add", "kube", "--kubeconfig", &file, "--json"];
        let (said, domain) = (port.to_string(), "kube.localhost");
        words.extend(["--gateway-port", &said, "--expose", "host-port"]);
        words.extend(["--domain", domain, "--namespace", &home]);
        // Nothing here needs more than an ordinary user, databases included.
        words.extend(["--restricted", "main"]);
        pluvio.cli(&words).ok();
        let environment = format!("shop-{}", std::process::id());
        let words = ["environment", "create", &environment, "--cluster", "kube"];
        pluvio.cli(&[&words[..], &["--json"]].concat()).ok();
        Scene {
            host: format!("shop--{environment}--main.{domain}"),
            door: Door::to(SocketAddr::new(node, port)),
            cluster,
            pluvio,
            environment,
            home,
        }
    }

    fn deploy(&self, folder: &Path) -> Answer {
        let words = ["deploy", "-e", &self.environment, "--json"];
        let mut command = self.pluvio.command(&words);
        command.args(["--timeout", "9m"]).current_dir(folder);
        pluvio_tests::pluvio::finish(command, None, COLD)
    }

    fn on(&self, words: &[&str], input: &str) -> Answer {
        let which = ["-a", "shop", "-e", &self.environment];
        let words = [words, &which].concat();
        let answer = self.pluvio.cli_with_input(&words, input);
        assert_eq!(answer.exit, 0, "{words:?}: {answer:?}");
        answer
    }

    fn ask(&self, request: &str) -> Result<String, String> {
        let mut connection = Connection::open(self.door.port, Duration::from_secs(35))?;
        let reply = connection.send(request)?;
        match reply.status {
            200 | 303 => Ok(reply.body),
            status => Err(format!("{status}: {}", reply.body)),
        }
    }

    fn get(&self, path: &str) -> Result<String, String> {
        let host = &self.host;
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    }

    fn order(&self, item: &str) {
        let (host, body) = (&self.host, format!("item={item}"));
        let length = body.len();
        let form = "Content-Type: application/x-www-form-urlencoded";
        let request = format!(
            "POST /orders HTTP/1.1\r\nHost: {host}\r\n{form}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.ask(&request).expect("it is ordered");
    }

    fn until_packed(&self, many: usize) {
        wait::until_true("the worker packs", SOON, || {
            let orders = self.get("/orders").unwrap_or_default();
            packed(&orders) == many
        });
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let namespace = format!("main--{}", self.environment);
        let words = ["delete", "namespace", &namespace, &self.home];
        let more = ["--ignore-not-found", "--wait=false"];
        let _ = self.cluster.try_kubectl(&[&words[..], &more].concat());
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
    let folder = app::sample("shop", &scene.pluvio.scratch().join("shop"));
    scene.deploy(&folder).ok();
    wait::until_true("the gateway leads to the page", SOON, || {
        scene
            .get("/")
            .is_ok_and(|page| page.contains("nothing yet"))
    });
    scene.order("Umbrella");
    scene.until_packed(1);
    let namespace = format!("main--{}", scene.environment);
    let enforced = "jsonpath={.metadata.labels.pod-security\\.kubernetes\\.io/enforce}";
    let words = ["get", "namespace", &namespace, "-o", enforced];
    assert_eq!(scene.cluster.kubectl(&words), "restricted");

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
    let load = load::closed(scene.door.port, &scene.host, "/", 4);
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
    let copy = scene.pluvio.name("back");
    let words = ["copy", "--to", "production", "--as", &copy, "--json"];
    scene.on(&[&words[..], &["--with-data", "all"]].concat(), "");
    let orders = scene.pluvio.body(&copy, "/orders");
    assert_eq!(packed(&orders), 2, "{orders}");

    scene.on(&["delete", "--yes", "--json"], "");
    wait::until_true("the pods are gone", SOON, || {
        scene.cluster.objects("pods", &namespace).is_empty()
    });
    // Data stay until somebody lets them go.
    let claims = scene.cluster.objects("persistentvolumeclaims", &namespace);
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
    let file = scene.pluvio.write("books/app.yaml", file);
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
