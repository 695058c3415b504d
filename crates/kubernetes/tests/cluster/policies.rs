//! Who reaches whom where the cluster's network enforces NetworkPolicies, in a cluster of its own.

use std::net::SocketAddr;

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client};
use pluvio_kubernetes::check::check;
use pluvio_kubernetes::gateway::{Exposure, Installation, install, state};
use pluvio_kubernetes::{Config, Connection, Credential, KubernetesRuntime};
use pluvio_model::cluster::{CheckName, CheckState, PolicyEnforcement};
use serde_json::json;

use crate::own::{Cluster, GATEWAY, WEB, until};
use crate::shop::Shop;
use crate::traffic::get;

const HOME: &str = "pluvio-system";

struct Place<'a> {
    client: &'a Client,
    namespace: String,
}

impl Place<'_> {
    async fn pod(&self, component: &str) -> Pod {
        let pods = Api::<Pod>::namespaced(self.client.clone(), &self.namespace);
        let of = ListParams::default().labels(&format!("pluvio.io/component={component}"));
        let all = pods.list(&of).await.expect("pods");
        all.items.into_iter().next().expect("a pod")
    }

    async fn address(&self, component: &str) -> String {
        let pod = self.pod(component).await;
        pod.status.and_then(|all| all.pod_ip).expect("an address")
    }

    /// What a component's program answers that is told to ask somebody.
    async fn asks(&self, component: &str, whom: &str) -> Result<String, String> {
        let name = self.pod(component).await.metadata.name.expect("a name");
        let path = format!(
            "/api/v1/namespaces/{}/pods/{name}:8080/proxy/ask?{whom}/",
            self.namespace
        );
        let request = http::Request::get(path)
            .body(Vec::new())
            .expect("a request");
        let answer = self.client.request_text(request).await;
        answer.map_err(|error| error.to_string())
    }

    async fn reaches(&self, component: &str, whom: &str, greeting: &str) {
        let so = || async {
            let answer = self.asks(component, whom).await;
            answer.is_ok_and(|answer| answer.trim() == greeting)
        };
        until(&format!("a way from {component} to {whom}"), 20, so).await;
    }

    async fn does_not_reach(&self, component: &str, whom: &str) {
        let answer = self.asks(component, whom).await;
        let why = answer.expect_err(&format!("{component} reaches {whom}"));
        // Turned away or never answered; not unknown, and no fault of the one that asks.
        let refused = ["refused", "timed out"];
        assert!(refused.iter().any(|word| why.contains(word)), "{why}");
    }
}

fn page(greeting: &str) -> serde_json::Value {
    json!({
        "image": WEB,
        "env": { "GREETING": greeting },
        "ports": { "http": { "port": 8080 } },
        "routes": [],
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_policies_are_enforced_only_what_is_declared_is_reached() {
    let cluster = Cluster::start_enforcing();
    cluster.load_images().await;
    let client = cluster.client().await;
    let report = check(&Credential {
        kubeconfig: cluster.kubeconfig(),
        context: None,
    })
    .await;
    let by = "kube-router".to_owned();
    let enforced = PolicyEnforcement::Enforced { by };
    assert_eq!(report.findings.network_policies, enforced);
    let step = report.step(CheckName::NetworkPolicies).expect("a step");
    assert_eq!(step.state, CheckState::Passed);

    let connection = Connection::over(client.clone()).await.expect("it answers");
    let identity = connection.identity;
    let runtime = KubernetesRuntime::start(connection, Config::default()).await;
    let runtime = runtime.expect("the runtime starts");
    let installation = Installation {
        namespace: HOME.to_owned(),
        image: GATEWAY.to_owned(),
        pull_secret: None,
        exposure: Exposure::NodePort {
            port: 80,
            node_port: Some(30080),
        },
        replicas: 1,
    };
    install(&client, &installation).await.expect("it installs");

    // Two applications of two environments; one has parts that are kept from each other, and one without a way out. A third is
    // beside the first, which knows its network by the name that docker compose would give it.
    let mut shop = Shop::new(identity, json!({}));
    let on = |greeting: &str, networks: &[&str]| {
        let mut page = page(greeting);
        page["networks"] = json!(networks);
        page
    };
    shop.components = json!({
        "web": on("web", &["front", "far"]),
        "api": on("api", &["front", "back"]),
        "db": on("db", &["back"]),
        "open": on("open", &["front"]),
    });
    shop.components["web"]["routes"] = json!([{}]);
    shop.components["open"]["publish"] =
        json!([{ "host": 18080, "port": "http", "address": "0.0.0.0" }]);
    shop.networks = json!({
        "front": {}, "back": { "internal": true }, "far": { "shared": "bank_default" },
    });
    let mut bank = Shop::new(identity, json!({ "vault": page("vault") }));
    bank.name = "bank".to_owned();
    bank.team.clone_from(&shop.team);
    // Open to all, and where a resolver would listen.
    let answer = r"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nname";
    let program = format!("head -n 3 >/dev/null; printf '{answer}'");
    let mut other = Shop::new(
        identity,
        json!({
            "stranger": page("stranger"),
            "resolver": {
                "image": WEB,
                "entrypoint": ["/bin/nc", "-ll", "-p", "53", "-e", "/bin/sh", "-c", program],
                "ports": { "names": { "port": 53, "protocol": "tcp" } },
                "publish": [{ "host": 10053, "port": "names", "address": "0.0.0.0" }],
                "routes": [],
            },
        }),
    );
    shop.bring(&runtime).await;
    other.bring(&runtime).await;
    bank.bring(&runtime).await;
    let client = &client;
    let ours = Place {
        client,
        namespace: shop.namespace(),
    };
    let theirs = Place {
        client,
        namespace: other.namespace(),
    };

    // What is declared, by name: the names are resolved where no way out is as well.
    ours.reaches("web", "api:8080", "api").await;
    ours.reaches("api", "db:8080", "db").await;
    ours.reaches("db", "api:8080", "api").await;
    ours.reaches("web", "vault:8080", "vault").await;
    let open = format!("{}:8080", ours.address("open").await);
    theirs.reaches("stranger", &open, "open").await;
    let whole = || async {
        let state = state(client, HOME).await;
        state.is_ok_and(|state| state.is_some_and(|state| state.is_whole()))
    };
    until("the gateway", 90, whole).await;
    let gateway = SocketAddr::new(cluster.address(), 30080);
    let through = || async {
        let answer = get(gateway, "shop.localhost", "/");
        answer.is_ok_and(|answer| answer.status == 200 && answer.body.trim() == "web")
    };
    until("the page through the gateway", 20, through).await;

    // What is not: of another environment, of another network of the same application, from one without a way out.
    for component in ["web", "api", "db"] {
        let address = ours.address(component).await;
        theirs
            .does_not_reach("stranger", &format!("{address}:8080"))
            .await;
    }
    let db = ours.address("db").await;
    ours.does_not_reach("web", &format!("{db}:8080")).await;
    // Nor of another application that was not asked for, nor by one that did not ask.
    let vault = ours.address("vault").await;
    ours.does_not_reach("api", &format!("{vault}:8080")).await;
    let web = ours.address("web").await;
    ours.does_not_reach("vault", &format!("{web}:8080")).await;
    let stranger = theirs.address("stranger").await;
    ours.does_not_reach("web", &format!("{stranger}:8080"))
        .await;
    ours.does_not_reach("db", &open).await;
    ours.does_not_reach("db", "10.96.0.1:443").await;
    // Not even where names are asked for: that way leads to the cluster's DNS, and to nobody else who listens there.
    let resolver = format!("{}:53", theirs.address("resolver").await);
    ours.reaches("web", &resolver, "name").await;
    ours.does_not_reach("db", &resolver).await;
    runtime.stop().await;
}
