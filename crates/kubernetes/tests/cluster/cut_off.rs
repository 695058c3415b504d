//! The gateway as a process, between a cluster that comes and goes and instances that do not.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::config::Kubeconfig;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::own::{pluvio, until};
use crate::scene::{self, Steps};
use crate::traffic::get;

const APPLICATION: &str = "01936b2a-0000-7000-8000-0000aaaa0001";
const HOST: &str = "shop.test";

/// The way to the API server, which can be shut: then it refuses, and what was open is cut.
struct Way {
    address: SocketAddr,
    open: watch::Sender<bool>,
}

impl Way {
    async fn to(server: SocketAddr) -> Way {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let open = watch::Sender::new(false);
        let seen = open.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut is_open = seen.subscribe();
                if !*is_open.borrow_and_update() {
                    continue;
                }
                tokio::spawn(async move {
                    let Ok(mut server) = TcpStream::connect(server).await else {
                        return;
                    };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        _ = is_open.changed() => {}
                    }
                });
            }
        });
        Way { address, open }
    }
}

/// An instance that says who it is, at an address that the cluster takes as one of a pod.
async fn instance(address: IpAddr, says: &'static str) -> u16 {
    let listener = TcpListener::bind((address, 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = vec![0; 4096];
                while stream.read(&mut head).await.is_ok_and(|read| read > 0) {
                    let length = says.len();
                    let answer =
                        format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{says}");
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(kubeconfig: &Path, namespace: &str, listen: SocketAddr, health: SocketAddr) -> Process {
    let child = Command::new(pluvio())
        .args(["gateway", "--namespace", namespace, "--kubeconfig"])
        .arg(kubeconfig)
        .args([
            "--listen",
            &listen.to_string(),
            "--health",
            &health.to_string(),
        ])
        .args(["--pause", "4s", "--drain", "5s"])
        .spawn();
    Process(child.expect("the gateway starts"))
}

fn free() -> SocketAddr {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address")
}

/// A slice of the shop's Service with these ports of an address, ready or on the way out.
async fn slice(
    client: &Client,
    namespace: &str,
    name: &str,
    endpoint: (IpAddr, u16),
    conditions: Value,
) {
    let body = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": { "name": name, "namespace": namespace, "labels": {
            "kubernetes.io/service-name": "shop--web",
            "pluvio.io/application": APPLICATION, "pluvio.io/component": "web",
        } },
        "addressType": "IPv4",
        "ports": [{ "name": "http", "port": endpoint.1 }],
        "endpoints": [{ "addresses": [endpoint.0], "conditions": conditions }],
    });
    let slices = Api::<EndpointSlice>::namespaced(client.clone(), namespace);
    let params = PatchParams::apply("test").force();
    let written = slices.patch(name, &params, &Patch::Apply(&body)).await;
    written.expect("the slice is written");
}

async fn routes(client: &Client, namespace: &str) {
    let told = json!({
        "fragment": { "application": APPLICATION, "generation": 1, "routes": [{
            "id": "web", "hosts": [HOST],
            "backends": [{ "backend": format!("{APPLICATION}/web/http") }],
        }] },
        "namespace": namespace,
        "components": { "web": { "service": "shop--web", "ports": ["http"] } },
    });
    let body = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "routes", "namespace": namespace, "labels": { "pluvio.io/routes": "true" } },
        "data": { "routes.json": told.to_string() },
    });
    let maps = Api::<ConfigMap>::namespaced(client.clone(), namespace);
    let params = PatchParams::apply("test");
    let written = maps.patch("routes", &params, &Patch::Apply(&body)).await;
    written.expect("the routes are written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_goes_on_with_what_it_knows_while_the_cluster_does_not_answer() {
    let client = scene::client(&Steps::new()).await;
    let mut kubeconfig = Kubeconfig::from_yaml(&scene::kubeconfig()).expect("a kubeconfig");
    let server = kubeconfig.clusters[0].cluster.as_mut().expect("a cluster");
    let url: http::Uri = server
        .server
        .as_deref()
        .expect("a server")
        .parse()
        .expect("a URL");
    let api: SocketAddr = format!("{}:{}", url.host().unwrap(), url.port_u16().unwrap())
        .parse()
        .expect("an address");
    let way = Way::to(api).await;
    server.server = Some(format!("https://{}", way.address));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("kubeconfig");
    let text = serde_json::to_string(&kubeconfig).expect("it serialises");
    std::fs::write(&file, text).expect("it is written");

    let namespace = format!("pluvio-{}", &uuid::Uuid::now_v7().to_string()[24..]);
    let spaces = Api::<Namespace>::all(client.clone());
    let space = serde_json::from_value(json!({ "metadata": { "name": namespace } })).unwrap();
    spaces
        .create(&Default::default(), &space)
        .await
        .expect("a namespace");
    // This machine's own end of the way to the cluster.
    let probe = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    probe.connect(api).expect("a way");
    let here = probe.local_addr().expect("an address").ip();
    let (one, two) = (instance(here, "one").await, instance(here, "two").await);
    let ready = json!({ "ready": true });
    routes(&client, &namespace).await;
    slice(&client, &namespace, "one", (here, one), ready.clone()).await;

    let (listen, health) = (free(), free());
    let mut gateway = start(&file, &namespace, listen, health);
    let check = |path: &str| get(health, "check", path).map(|answer| answer.status);
    let page = || get(listen, HOST, "/").map(|answer| (answer.status, answer.body));
    let says = |text: &str| Ok((200, text.to_owned()));
    until("the process", 20, async || check("/live") == Ok(200)).await;
    assert_eq!(check("/ready"), Ok(503), "nothing was listed yet");
    assert_eq!(page().expect("an answer").0, 404);

    way.open.send_replace(true);
    until("readiness", 10, async || check("/ready") == Ok(200)).await;
    assert_eq!(page(), says("one"));

    way.open.send_replace(false);
    let leaving = json!({ "ready": true, "terminating": true });
    slice(&client, &namespace, "one", (here, one), leaving).await;
    slice(&client, &namespace, "two", (here, two), ready).await;
    let cut = Instant::now();
    while cut.elapsed() < Duration::from_secs(4) {
        assert_eq!((page(), check("/ready")), (says("one"), Ok(200)));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    way.open.send_replace(true);
    let back = Instant::now();
    until("the other instance", 5, async || page() == says("two")).await;
    println!("seen {:?} after the cluster answered again", back.elapsed());

    let id = gateway.0.id().to_string();
    let told = Command::new("kill").args(["-TERM", &id]).status();
    assert!(told.is_ok_and(|status| status.success()));
    until("the end of readiness", 1, async || {
        check("/ready") == Ok(503)
    })
    .await;
    let pause = Instant::now();
    while pause.elapsed() < Duration::from_millis(1200) {
        assert_eq!(page(), says("two"), "it serves on for the pause");
    }
    until("the end", 10, async || {
        gateway.0.try_wait().unwrap().is_some()
    })
    .await;
    let status = gateway.0.wait().expect("an end");
    assert!(status.success(), "{status}");
    let _ = spaces.delete(&namespace, &DeleteParams::default()).await;
}
