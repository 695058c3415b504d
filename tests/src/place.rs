//! An environment on the shared cluster, and one application in it.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use crate::cluster::{Cluster, Door};
use crate::{Answer, Engine, Pluvio, wait};

/// How long what a cluster does by itself may take.
pub const SOON: Duration = Duration::from_secs(90);

/// A Pluvio with the cluster added as `kube`. What a failed test left on the cluster goes with it.
#[derive(Debug)]
pub struct Place {
    pub cluster: Cluster,
    pub pluvio: Pluvio,
    pub environment: String,
    /// A cluster's namespaces are named by team and environment.
    pub namespace: String,
    /// The namespace of Pluvio's own.
    pub home: String,
    app: &'static str,
    /// Namespaces of further environments.
    others: Vec<String>,
}

/// Pluvio's own gateway in the cluster.
#[derive(Debug)]
pub struct Front {
    /// One of this machine's that leads to it.
    pub port: u16,
    /// The application's host.
    pub host: String,
}

impl Place {
    #[track_caller]
    pub fn start(app: &'static str) -> Place {
        Place::on(Cluster::shared(), app)
    }

    #[track_caller]
    pub fn on(cluster: Cluster, app: &'static str) -> Place {
        let pluvio = Pluvio::start(Engine::docker());
        Place::of(pluvio, cluster, None, app, app, &["--gateway", "none"])
    }

    /// On a cluster that is reached by a kubeconfig of the test's; `base` tells tests about the same application apart. There is
    /// no gateway.
    #[track_caller]
    pub fn reached_by(cluster: Cluster, kubeconfig: &str, base: &str, app: &'static str) -> Place {
        let pluvio = Pluvio::start(Engine::docker());
        let no_gateway = ["--gateway", "none"];
        Place::of(pluvio, cluster, Some(kubeconfig), base, app, &no_gateway)
    }

    /// With images from Pluvio's registry, so that what is made here runs there; and no gateway.
    #[track_caller]
    pub fn with_images(app: &'static str) -> Place {
        let (cluster, pluvio) = Place::with_a_registry();
        Place::of(pluvio, cluster, None, app, app, &["--gateway", "none"])
    }

    /// With images from Pluvio's registry, and Pluvio's own gateway in the cluster; `more` is said when the cluster is added.
    #[track_caller]
    pub fn behind_a_gateway(app: &'static str, more: &[&str]) -> (Place, Front) {
        const DOMAIN: &str = "kube.localhost";
        let (cluster, pluvio) = Place::with_a_registry();
        let port = pluvio.free_port(1);
        let said = port.to_string();
        let gateway = ["--gateway-port", &said, "--expose", "host-port"];
        let words = [&gateway[..], &["--domain", DOMAIN], more].concat();
        let place = Place::of(pluvio, cluster, None, app, app, &words);
        let (_, node) = place.cluster.addresses();
        let front = Front {
            host: format!("{app}--{}--main.{DOMAIN}", place.environment),
            port: Door::to(SocketAddr::new(node, port)).port,
        };
        (place, front)
    }

    /// The cluster, and a Pluvio whose registry its nodes believe.
    #[track_caller]
    fn with_a_registry() -> (Cluster, Pluvio) {
        let cluster = Cluster::shared();
        let (machine, _) = cluster.addresses();
        let pluvio = Pluvio::prepare(Engine::docker());
        let images = format!("{machine}:{}", pluvio.free_port(0));
        cluster.trust(&images);
        let mut pluvio = pluvio.with("PLUVIO_IMAGES_LISTEN", &images);
        pluvio.up(&[]).ok();
        (cluster, pluvio)
    }

    /// `kubeconfig`: one of the test's, instead of the cluster's own.
    #[track_caller]
    fn of(
        pluvio: Pluvio,
        cluster: Cluster,
        kubeconfig: Option<&str>,
        base: &str,
        app: &'static str,
        gateway: &[&str],
    ) -> Place {
        cluster.load_image(&pluvio.engine);
        let own = || std::fs::read_to_string(&cluster.kubeconfig).expect("the kubeconfig");
        let text = kubeconfig.map_or_else(own, str::to_owned);
        let file = pluvio.write("kubeconfig", &text);
        let home = format!("pluvio-{base}-{}", std::process::id());
        let add = ["cluster", "add", "kube", "--kubeconfig", &file, "--json"];
        let added = pluvio.cli(&[&add[..], &["--namespace", &home], gateway].concat());
        assert_eq!(added.ok()["state"], "connected", "{added:?}");
        // Of no other run of the same test either: a namespace takes a while to go.
        let environment = format!("{base}-{}", std::process::id());
        let make = ["environment", "create", &environment, "--cluster", "kube"];
        pluvio.cli(&[&make[..], &["--json"]].concat()).ok();
        Place {
            namespace: format!("main--{environment}"),
            cluster,
            pluvio,
            environment,
            home,
            app,
            others: Vec::new(),
        }
    }

    /// Makes a further environment there; answers with its name and its namespace.
    #[track_caller]
    pub fn another(&mut self, base: &str) -> (String, String) {
        let name = format!("{base}-{}", std::process::id());
        let make = ["environment", "create", &name, "--cluster", "kube"];
        self.pluvio.cli(&[&make[..], &["--json"]].concat()).ok();
        let namespace = format!("main--{name}");
        self.others.push(namespace.clone());
        (name, namespace)
    }

    pub fn deploy(&self, yaml: &str) -> Answer {
        let file = self.pluvio.write("app.yaml", yaml);
        let words = ["deploy", &file, "-e", &self.environment, "--json"];
        self.pluvio.cli(&words)
    }

    /// A command about the application, as people type it.
    pub fn cli(&self, words: &[&str]) -> Answer {
        let mut all = vec![words[0], "-a", self.app, "-e", &self.environment];
        all.extend(&words[1..]);
        self.pluvio.cli(&all)
    }

    /// What it answers in JSON, of a command that must succeed.
    #[track_caller]
    pub fn ok(&self, words: &[&str]) -> Value {
        let mut all = vec![words[0], "--json"];
        all.extend(&words[1..]);
        self.cli(&all).ok()
    }

    /// One of its components, of its status.
    #[track_caller]
    pub fn component(&self, name: &str) -> Value {
        let status = self.ok(&["status"]);
        let all = status["components"].as_array().cloned();
        let found = all.unwrap_or_default().into_iter();
        let mut found = found.filter(|one| one["name"] == name);
        found.next().unwrap_or_default()
    }

    /// Its components' instances, each with the component's name and its content, in order.
    #[track_caller]
    pub fn contents(&self) -> Vec<(String, String)> {
        let status = self.ok(&["status"]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut all = Vec::new();
        for component in status["components"].as_array().into_iter().flatten() {
            for instance in component["instances"].as_array().into_iter().flatten() {
                all.push((text(&component["name"]), text(&instance["hash"])));
            }
        }
        all.sort();
        all
    }

    #[track_caller]
    pub fn until(&self, what: &str, so: impl FnMut() -> bool) {
        wait::until_true(what, SOON, so);
    }

    /// Asks one of its services; 8080 is the scenarios' image's port.
    pub fn get(&self, component: &str, path: &str) -> Result<String, String> {
        let service = format!("{}--{component}:8080", self.app);
        self.cluster.get(&self.namespace, &service, path)
    }

    /// Deletes it; nothing but its volumes stays.
    #[track_caller]
    pub fn end(&self) {
        self.ok(&["delete", "--yes"]);
        self.has_no_pods();
    }

    #[track_caller]
    pub fn has_no_pods(&self) {
        self.until("the pods are gone", || {
            self.cluster.objects("pods", &self.namespace).is_empty()
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut words = vec!["delete", "namespace", &self.namespace, &self.home];
        words.extend(self.others.iter().map(String::as_str));
        words.extend(["--ignore-not-found", "--wait=false"]);
        let _ = self.cluster.try_kubectl(&words);
        let roles = format!("{0},{0}-gateway", self.home);
        for role in roles.split(',') {
            let words = ["delete", "clusterrole,clusterrolebinding", role];
            let _ = self
                .cluster
                .try_kubectl(&[&words[..], &["--ignore-not-found"]].concat());
        }
    }
}
