//! An autoscaler of Kubernetes' own, with a metrics API that tells what the test says.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client, ResourceExt};
use pluvio_kubernetes::{Config, Connection, KubernetesRuntime};
use pluvio_model::observed::{InstanceState, ObservedComponent};
use pluvio_model::problem::SCALE_UNMEASURED;
use pluvio_model::quantity::Cpu;
use pluvio_model::stage::{Stage, Wish};
use pluvio_runtime::conformance::Example;
use pluvio_runtime::{Runtime, Scope, UsageSample, UsageSource};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::own::{Cluster, WEB, until};

const NAMESPACE: &str = "team--production";
const WORKLOAD: &str = "example--web";

/// Serves `metrics.k8s.io`: every pod uses as many thousandths of a core as `load` says.
async fn metrics(address: IpAddr, client: Client, load: Arc<AtomicU32>) -> SocketAddr {
    let folder = tempfile::tempdir().expect("a folder");
    let (key, certificate) = (folder.path().join("key"), folder.path().join("crt"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args(["-subj", "/CN=metrics", "-days", "1", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output();
    assert!(
        made.is_ok_and(|made| made.status.success()),
        "openssl makes a certificate"
    );
    let chain = vec![CertificateDer::from_pem_file(&certificate).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(&key).expect("a key");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a server");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((address, 0)).await.expect("a port");
    let at = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, client, load) = (acceptor.clone(), client.clone(), load.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut head = vec![0; 16 * 1024];
                while let Ok(read) = stream.read(&mut head).await
                    && read > 0
                {
                    let request = String::from_utf8_lossy(&head[..read]).into_owned();
                    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                    let body = answer(&path, &client, &load).await.to_string();
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    if stream.write_all(answer.as_bytes()).await.is_err()
                        || stream.flush().await.is_err()
                    {
                        return;
                    }
                }
            });
        }
    });
    at
}

async fn answer(path: &str, client: &Client, load: &AtomicU32) -> Value {
    if !path.contains("/pods") {
        return json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "metrics.k8s.io/v1beta1",
            "resources": [{ "name": "pods", "singularName": "", "namespaced": true, "kind": "PodMetrics", "verbs": ["get", "list"] }],
        });
    }
    let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
    let all = pods.list(&ListParams::default()).await;
    let cpu = format!("{}m", load.load(Ordering::SeqCst));
    let items: Vec<Value> = all
        .into_iter()
        .flatten()
        .map(|pod| {
            json!({
                "metadata": { "name": pod.name_any(), "namespace": NAMESPACE, "labels": pod.labels() },
                "timestamp": jiff::Timestamp::now(),
                "window": "1s",
                "containers": [{ "name": "web", "usage": { "cpu": cpu, "memory": "10Mi" } }],
            })
        })
        .collect();
    json!({ "kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": items })
}

/// Makes the API server ask there.
async fn register(client: &Client, at: SocketAddr) {
    let make = async |group: &str, version: &str, kind: &str, namespaced: bool, body: Value| {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> = match namespaced {
            true => Api::namespaced_with(client.clone(), "default", &resource),
            false => Api::all_with(client.clone(), &resource),
        };
        let name = body["metadata"]["name"]
            .as_str()
            .expect("a name")
            .to_owned();
        let params = PatchParams::apply("test").force();
        api.patch(&name, &params, &Patch::Apply(&body))
            .await
            .expect("it is made");
    };
    make(
        "",
        "v1",
        "Service",
        true,
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": "metrics" },
            "spec": { "ports": [{ "name": "https", "port": 443, "targetPort": at.port() }] },
        }),
    )
    .await;
    make("discovery.k8s.io", "v1", "EndpointSlice", true, json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": { "name": "metrics", "labels": { "kubernetes.io/service-name": "metrics" } },
        "addressType": "IPv4",
        "endpoints": [{ "addresses": [at.ip()], "conditions": { "ready": true } }],
        "ports": [{ "name": "https", "port": at.port() }],
    }))
    .await;
    // Older API servers look for this one, and do not ask where there is none.
    make("", "v1", "Endpoints", true, json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": { "name": "metrics", "labels": { "endpointslice.kubernetes.io/skip-mirror": "true" } },
        "subsets": [{ "addresses": [{ "ip": at.ip() }], "ports": [{ "name": "https", "port": at.port() }] }],
    }))
    .await;
    make("apiregistration.k8s.io", "v1", "APIService", false, json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": { "name": "v1beta1.metrics.k8s.io" },
        "spec": {
            "group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
            "insecureSkipTLSVerify": true,
            "service": { "name": "metrics", "namespace": "default", "port": 443 },
        },
    }))
    .await;
}

struct Scene {
    runtime: KubernetesRuntime,
    client: Client,
    example: Example,
}

impl Scene {
    fn stage(&mut self, scale: Option<Value>) -> Stage {
        let mut stage = self.example.stage();
        if let Wish::Run(run) = &mut stage.wish {
            for component in run.release.components.values_mut() {
                component.content.main.cpu_request = Some(Cpu(100));
                component.hash = pluvio_model::image::ContentHash::of(&component.content);
                component.scale = scale
                    .as_ref()
                    .map(|scale| serde_json::from_value(scale.clone()).expect("a scale"));
            }
        }
        stage
    }

    async fn apply(&mut self, scale: Option<Value>) {
        let stage = self.stage(scale);
        self.runtime.apply(&stage).await.expect("it is taken");
    }

    async fn seen(&self) -> Option<(bool, ObservedComponent)> {
        let application = self.example.application;
        let scope = Scope::Application(application);
        let mut all = self.runtime.observe(scope).await.expect("it is seen");
        let one = all.applications.remove(&application)?;
        let current = one.generation.0 == self.example.generation;
        let web = one.components.into_values().next()?;
        Some((current && one.settled, web))
    }

    /// Waits until it holds, and answers the fewest replicas there were meanwhile.
    async fn until(&self, what: &str, holds: impl Fn(bool, &ObservedComponent) -> bool) -> i32 {
        let deployments = Api::<Deployment>::namespaced(self.client.clone(), NAMESPACE);
        let mut fewest = i32::MAX;
        let end = tokio::time::Instant::now() + Duration::from_secs(150);
        loop {
            let there = deployments.get_opt(WORKLOAD).await.expect("an answer");
            let replicas = there.and_then(|one| one.spec?.replicas);
            fewest = fewest.min(replicas.unwrap_or(i32::MAX));
            let seen = self.seen().await;
            if let Some((settled, web)) = &seen
                && holds(*settled, web)
            {
                return fewest;
            }
            assert!(tokio::time::Instant::now() < end, "{what}: {seen:#?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Who says how many replicas there are.
    async fn holders(&self) -> Vec<String> {
        let deployments = Api::<Deployment>::namespaced(self.client.clone(), NAMESPACE);
        let there = deployments.get(WORKLOAD).await.expect("the workload");
        let entries = there.managed_fields().iter().filter(|entry| {
            let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
            fields.is_some_and(|fields| fields.pointer("/f:spec/f:replicas").is_some())
        });
        entries.filter_map(|entry| entry.manager.clone()).collect()
    }
}

fn ready(web: &ObservedComponent) -> usize {
    let all = web.instances.iter();
    all.filter(|one| one.state == InstanceState::Ready).count()
}

/// An address of this machine that the cluster's network reaches.
fn towards(cluster: IpAddr) -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    socket.connect((cluster, 9)).expect("a way");
    socket.local_addr().expect("an address").ip()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_autoscaler_has_the_number_and_gives_it_back() {
    let cluster = Cluster::start();
    cluster.load_web();
    let client = cluster.client().await;
    let connection = Connection::over(client.clone()).await.expect("it answers");
    let example = Example {
        instances: 2,
        ..Example::new(connection.identity, (WEB.to_owned(), WEB.to_owned()))
    };
    let runtime = KubernetesRuntime::start(connection, Config::default()).await;
    let mut scene = Scene {
        runtime: runtime.expect("it starts"),
        client: client.clone(),
        example,
    };
    let autoscalers = Api::<HorizontalPodAutoscaler>::namespaced(client.clone(), NAMESPACE);
    let by_cpu = json!({ "min": 2, "max": 5, "cpu": 50 });

    // Without a metrics API it says so, and stays with as many as it began with.
    scene.apply(Some(by_cpu.clone())).await;
    scene
        .until("it begins with the fewest", |settled, web| {
            settled && web.wanted_instances == 2
        })
        .await;
    let unmeasured = |_: bool, web: &ObservedComponent| {
        let scaling = web.scaling.as_ref();
        let problem = scaling.and_then(|scaling| scaling.problem.as_ref());
        problem.is_some_and(|problem| problem.is(SCALE_UNMEASURED))
    };
    scene
        .until("it says that nothing is measured", unmeasured)
        .await;
    assert_eq!(scene.holders().await, ["pluvio-scale"]);

    // Busy: as many as there may be, and that is what is wanted and settled.
    let load = Arc::new(AtomicU32::new(100));
    let at = metrics(towards(cluster.address()), client.clone(), load.clone()).await;
    register(&client, at).await;
    let grown = |settled: bool, web: &ObservedComponent| {
        settled && web.wanted_instances == 5 && ready(web) == 5
    };
    let fewest = scene.until("it grows", grown).await;
    assert_eq!(fewest, 2);
    assert!(
        !scene
            .holders()
            .await
            .iter()
            .any(|one| one == "pluvio" || one == "pluvio-scale")
    );
    let by = |_: bool, web: &ObservedComponent| {
        let by = web.scaling.as_ref().and_then(|scaling| scaling.by.first());
        by.is_some_and(|by| {
            (by.metric.as_str(), by.now.as_deref(), by.target.as_str())
                == ("cpu", Some("100 %"), "50 %")
        })
    };
    scene.until("it tells by what", by).await;

    // What each uses is read as well, and kept.
    until("the use of each is known", 75, async || {
        let application = scene.example.application;
        let kept = scene.runtime.usage(application, true).await;
        let kept = kept.expect("an answer");
        let is_told = |one: &UsageSample| one.cpu_millis == 100 && one.memory_bytes == 10 << 20;
        kept.len() >= 5 && kept.values().all(|all| all.iter().all(is_told))
    })
    .await;
    let last = scene.runtime.usage_of_all().await.expect("an answer");
    let last = &last[&scene.example.application];
    assert!(last.values().all(|all| all.len() == 1), "{last:#?}");
    until("there is a history", 60, async || {
        let kept = scene.runtime.usage(scene.example.application, true).await;
        kept.expect("an answer").values().any(|all| all.len() > 1)
    })
    .await;

    // A deploy keeps the number, and so does a runtime that starts anew.
    load.store(50, Ordering::SeqCst);
    scene.runtime.stop().await;
    let connection = Connection::over(client.clone()).await.expect("it answers");
    let runtime = KubernetesRuntime::start(connection, Config::default()).await;
    scene.runtime = runtime.expect("it starts");
    scene.example.version = "two".to_owned();
    scene.apply(Some(by_cpu.clone())).await;
    assert_eq!(scene.until("the deploy ends", grown).await, 5);

    // Given back: as many as the release says, and nobody else says anything.
    scene.example.instances = 3;
    scene.apply(None).await;
    scene
        .until("the number is given back", |settled, web| {
            settled && web.wanted_instances == 3
        })
        .await;
    assert!(
        autoscalers
            .get_opt(WORKLOAD)
            .await
            .expect("an answer")
            .is_none()
    );
    assert!(scene.holders().await.iter().any(|one| one == "pluvio"));

    // And handed over again, without a moment at one.
    scene.apply(Some(by_cpu)).await;
    let again = |settled: bool, web: &ObservedComponent| {
        settled
            && web.wanted_instances == 3
            && web
                .scaling
                .as_ref()
                .is_some_and(|scaling| !scaling.by.is_empty())
    };
    assert_eq!(scene.until("the number is handed over", again).await, 3);
    assert!(
        autoscalers
            .get_opt(WORKLOAD)
            .await
            .expect("an answer")
            .is_some()
    );
    until("the number is not ours any more", 20, async || {
        !scene.holders().await.iter().any(|one| one == "pluvio")
    })
    .await;
    scene.runtime.stop().await;
}
