//! What a gateway in the cluster serves, drawn anew whenever the cluster tells of a change. Kept in memory alone: a cluster that
//! does not answer changes nothing, and whoever starts while it does not answer waits for it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::{Lookup, Store, store};
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, ResourceExt};
use pluvio_model::problem::{self, Problem};
use pluvio_plan::lower::kubernetes::key;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::picture::{Names, Painter, Picture};
use crate::again::asking_again;
use crate::patience::Patience;
use crate::routes::{LABEL, Told};

/// Changes that come together make one picture.
const TOGETHER: Duration = Duration::from_millis(20);
/// How often names outside are looked up.
const LOOK_UP: Duration = Duration::from_secs(10);

/// Between two tries at most, however long the cluster has not answered: what is missed is where requests may go.
const SOON: Duration = Duration::from_millis(1600);
/// A watch says that it lives about once a minute. One that says nothing for longer is begun anew.
const SILENCE: Duration = Duration::from_secs(100);

/// How to reach the cluster.
#[derive(Debug)]
pub enum Source {
    /// By the service account of the pod that this process runs in.
    Pod,
    /// By a kubeconfig's file.
    Kubeconfig(std::path::PathBuf),
}

impl Source {
    /// Asks the cluster nothing yet.
    async fn client(&self) -> Result<Client, Problem> {
        let read = async || -> Result<kube::Config, String> {
            match self {
                Source::Pod => kube::Config::incluster().map_err(|error| error.to_string()),
                Source::Kubeconfig(path) => {
                    let read = Kubeconfig::read_from(path).map_err(|error| error.to_string())?;
                    kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
                        .await
                        .map_err(|error| error.to_string())
                }
            }
        };
        let client = match read().await {
            Ok(mut config) => {
                config.connect_timeout = Some(Duration::from_secs(5));
                config.read_timeout = Some(SILENCE);
                config.default_retry = false;
                let client = Client::try_from(config).map_err(|error| error.to_string());
                client.map(asking_again)
            }
            Err(error) => Err(error),
        };
        client.map_err(|error| {
            problem::CONFIG_INVALID.problem(
                format!("How to reach the cluster cannot be read: {error}."),
                "The gateway runs in a pod with a service account; elsewhere, name a kubeconfig with --kubeconfig.",
            )
        })
    }
}

/// The pictures as they come, `None` until everything was listed once. Ends its watches when it is dropped.
#[derive(Debug)]
pub struct Feed {
    pub pictures: watch::Receiver<Option<Arc<Picture>>>,
    _tasks: JoinSet<()>,
}

/// Watches the routes in Pluvio's `namespace`, and the endpoints of its applications everywhere.
///
/// # Errors
/// How to reach the cluster cannot be read. One that does not answer is waited for.
pub async fn follow(source: &Source, namespace: &str) -> Result<Feed, Problem> {
    let client = source.client().await?;
    let changed = Arc::new(Notify::new());
    let mut tasks = JoinSet::new();
    let routes = Api::<ConfigMap>::namespaced(client.clone(), namespace);
    let routes = keep(&mut tasks, &changed, routes, LABEL, |_| {});
    let slices = Api::<EndpointSlice>::all(client.clone());
    let selector = format!("{},{}", key::APPLICATION, key::COMPONENT);
    let slices = keep(&mut tasks, &changed, slices, &selector, slim);
    let (sender, pictures) = watch::channel(None);
    tasks.spawn(async move {
        let first = tokio::join!(routes.wait_until_ready(), slices.wait_until_ready());
        if first.0.is_ok() && first.1.is_ok() {
            draw(&routes, &slices, &changed, &sender).await;
        }
    });
    Ok(Feed {
        pictures,
        _tasks: tasks,
    })
}

async fn draw(
    routes: &Store<ConfigMap>,
    slices: &Store<EndpointSlice>,
    changed: &Notify,
    sender: &watch::Sender<Option<Arc<Picture>>>,
) {
    let mut painter = Painter::default();
    let mut texts = Texts::default();
    let mut names = Names::new();
    let mut looked_up = Instant::now();
    loop {
        let told = texts.read(&routes.state());
        let outside = hosts(&told);
        let is_new = outside.iter().any(|host| !names.contains_key(host));
        names.retain(|host, _| outside.contains(host));
        if is_new || (!outside.is_empty() && looked_up.elapsed() >= LOOK_UP) {
            looked_up = Instant::now();
            look_up(&outside, &mut names).await;
        }
        let (picture, again) = painter.draw(&told, &slices.state(), &names, Instant::now());
        sender.send_if_modified(|shown| {
            let is_other = shown.as_deref() != Some(&picture);
            if is_other {
                *shown = Some(Arc::new(picture));
            }
            is_other
        });
        let next_look = (!outside.is_empty()).then(|| looked_up + LOOK_UP);
        let again = [again, next_look].into_iter().flatten().min();
        tokio::select! {
            () = changed.notified() => tokio::time::sleep(TOGETHER).await,
            () = tokio::time::sleep_until(again.unwrap_or_else(Instant::now)), if again.is_some() => {}
        }
    }
}

/// Routes as they were read last, by their ConfigMap's name.
#[derive(Default)]
struct Texts {
    known: HashMap<String, (Option<String>, Option<Arc<Told>>)>,
}

impl Texts {
    /// Each text is read once. One that cannot be read changes nothing: a newer Pluvio may have written it.
    fn read(&mut self, all: &[Arc<ConfigMap>]) -> Vec<Arc<Told>> {
        let mut before = std::mem::take(&mut self.known);
        let mut told = Vec::new();
        for one in all {
            let (name, version) = (one.name_any(), one.metadata.resource_version.clone());
            let entry = match before.remove(&name) {
                Some(known) if known.0 == version => known,
                known => {
                    let read = Told::read(one).map(Arc::new);
                    if read.is_none() {
                        tracing::error!(name, "an application's routes cannot be read");
                    }
                    let former = known.and_then(|(_, former)| former);
                    (version, read.or(former))
                }
            };
            told.extend(entry.1.clone());
            self.known.insert(name, entry);
        }
        told
    }
}

fn hosts(told: &[Arc<Told>]) -> BTreeSet<String> {
    told.iter()
        .flat_map(|told| told.components.values())
        .filter_map(|component| Some(component.outside.as_ref()?.host.clone()))
        .collect()
}

/// What cannot be looked up stays what it was.
async fn look_up(hosts: &BTreeSet<String>, names: &mut Names) {
    let asked = hosts.iter().map(async |host| {
        let lookup = tokio::net::lookup_host((host.as_str(), 0));
        let found = tokio::time::timeout(Duration::from_secs(3), lookup).await;
        (host, found)
    });
    for (host, found) in futures::future::join_all(asked).await {
        match found {
            Ok(Ok(found)) => {
                let addresses = found.map(|one| one.ip().to_canonical()).filter(is_outside);
                names.insert(host.clone(), addresses.collect());
            }
            _ => {
                tracing::warn!(host, "a name outside cannot be looked up");
                names.entry(host.clone()).or_default();
            }
        }
    }
}

/// A name that somebody else answers for must not lead into the gateway's own pod.
fn is_outside(address: &IpAddr) -> bool {
    !address.is_loopback()
        && !address.is_unspecified()
        && !address.is_multicast()
        && match address {
            IpAddr::V4(address) => !address.is_link_local(),
            IpAddr::V6(address) => !address.is_unicast_link_local(),
        }
}

/// Copies of what the selector finds, kept up to date by a watch that begins anew by itself.
fn keep<K>(
    tasks: &mut JoinSet<()>,
    changed: &Arc<Notify>,
    api: Api<K>,
    selector: &str,
    slim: fn(&mut K),
) -> Store<K>
where
    K: kube::Resource<DynamicType = ()> + Lookup<DynamicType = ()> + Clone + Send + Sync + 'static,
    K: serde::de::DeserializeOwned + std::fmt::Debug,
{
    let (reader, writer) = store::<K>();
    let config = watcher::Config::default().labels(selector);
    let stream = watcher(api, config).modify(move |object| {
        object.managed_fields_mut().clear();
        object.annotations_mut().clear();
        slim(object);
    });
    let reflected = kube::runtime::reflector(writer, stream.backoff(Patience::new(SOON)));
    let changed = changed.clone();
    tasks.spawn(async move {
        let mut reflected = std::pin::pin!(reflected);
        let mut is_broken = false;
        while let Some(event) = reflected.next().await {
            match event {
                // A list that is under way shows when it is whole.
                Ok(watcher::Event::Init | watcher::Event::InitApply(_)) => {}
                Ok(_) => {
                    changed.notify_one();
                    if std::mem::take(&mut is_broken) {
                        tracing::info!(kind = %<K as Lookup>::kind(&()), "the cluster tells of changes again");
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut is_broken, true) {
                        tracing::warn!(kind = %<K as Lookup>::kind(&()), %error, "the cluster does not tell of changes; what is known goes on");
                    }
                }
            }
        }
    });
    reader
}

/// What nobody asks about would be most of the memory.
fn slim(slice: &mut EndpointSlice) {
    slice.metadata.owner_references = None;
    let wanted = "kubernetes.io/service-name";
    let labels = slice.metadata.labels.take().unwrap_or_default();
    let kept: BTreeMap<String, String> = labels
        .into_iter()
        .filter(|(label, _)| label == wanted)
        .collect();
    slice.metadata.labels = Some(kept);
    for endpoint in &mut slice.endpoints {
        endpoint.hints = None;
        endpoint.hostname = None;
        endpoint.node_name = None;
        endpoint.zone = None;
        endpoint.deprecated_topology = None;
        if let Some(target) = &mut endpoint.target_ref {
            let name = target.name.take();
            *target = k8s_openapi::api::core::v1::ObjectReference {
                name,
                ..Default::default()
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cannot_be_read_leaves_what_was_known() {
        let map = |version: &str, text: &str| {
            let map = json!({
                "metadata": { "name": "routes-a", "resourceVersion": version },
                "data": { "routes.json": text },
            });
            Arc::new(serde_json::from_value::<ConfigMap>(map).unwrap())
        };
        let good = json!({
            "fragment": { "application": "a", "generation": 3, "routes": [] },
            "namespace": "n",
            "components": {},
        });
        let mut texts = Texts::default();
        let mut generations = |all: &[Arc<ConfigMap>]| -> Vec<u64> {
            let told = texts.read(all);
            told.iter().map(|told| told.fragment.generation.0).collect()
        };
        assert_eq!(generations(&[map("1", "of another form")]), [0; 0]);
        assert_eq!(generations(&[map("2", &good.to_string())]), [3]);
        assert_eq!(generations(&[map("3", "of another form")]), [3]);
        assert_eq!(generations(&[]), [0; 0]);
    }
}
