//! An environment on the shared cluster, and one application in it.

use std::time::Duration;

use serde_json::Value;

use crate::cluster::Cluster;
use crate::{Answer, Engine, Pluvio, wait};

/// How long what a cluster does by itself may take.
pub const SOON: Duration = Duration::from_secs(90);

/// A Pluvio with the cluster added as `kube`, without a gateway there. What a failed test left on the cluster goes with it.
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
}

impl Place {
    #[track_caller]
    pub fn start(app: &'static str) -> Place {
        Place::on(Cluster::shared(), app)
    }

    #[track_caller]
    pub fn on(cluster: Cluster, app: &'static str) -> Place {
        let kubeconfig = std::fs::read_to_string(&cluster.kubeconfig).expect("the kubeconfig");
        Place::reached_by(cluster, &kubeconfig, app, app)
    }

    /// On a cluster that is reached by a kubeconfig of the test's; `base` tells tests about the same application apart.
    #[track_caller]
    pub fn reached_by(cluster: Cluster, kubeconfig: &str, base: &str, app: &'static str) -> Place {
        let pluvio = Pluvio::start(Engine::docker());
        cluster.load_image(&pluvio.engine);
        let file = pluvio.write("kubeconfig", kubeconfig);
        let home = format!("pluvio-{base}-{}", std::process::id());
        let mut add = vec!["cluster", "add", "kube", "--kubeconfig", &file, "--json"];
        add.extend(["--gateway", "none", "--namespace", &home]);
        let added = pluvio.cli(&add);
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
        }
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
        let words = ["delete", "namespace", &self.namespace, &self.home];
        let more = ["--ignore-not-found", "--wait=false"];
        let _ = self.cluster.try_kubectl(&[&words[..], &more].concat());
        let roles = format!("{0},{0}-gateway", self.home);
        for role in roles.split(',') {
            let words = ["delete", "clusterrole,clusterrolebinding", role];
            let _ = self
                .cluster
                .try_kubectl(&[&words[..], &["--ignore-not-found"]].concat());
        }
    }
}
