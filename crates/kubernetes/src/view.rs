//! The cluster itself as watches tell of it: nodes, what everybody's pods ask for, what happened lately.
//!
//! Only what is asked about is kept, a few words for each pod: a cluster's pods as they are would be most of the memory.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use pluvio_model::cluster::{ClusterEvent, NodeOverview, StorageClassFound};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cache::application;
use crate::failure::{is_not_found, told};
use crate::overview::{event, node, requests};
use crate::patience::{LONGEST, Patience};
use crate::survey::storage_class;
use crate::usage::{bytes, millis};

/// Events that are kept; the cluster itself forgets them after an hour.
const MOST_EVENTS: usize = 1_000;
/// How long what the metrics API said is good for: it measures every fifteen seconds at most.
const FRESH: Duration = Duration::from_secs(15);
const METRICS: Duration = Duration::from_secs(3);

/// Starts with the runtime, ends with it.
pub(crate) struct View {
    client: Client,
    seen: Arc<Mutex<Seen>>,
    measured: tokio::sync::Mutex<Option<(Instant, Measured)>>,
}

/// What the watches told.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) nodes: HashMap<u64, NodeOverview>,
    pub(crate) pods: HashMap<u64, SeenPod>,
    pub(crate) events: HashMap<u64, ClusterEvent>,
    pub(crate) storage_classes: HashMap<u64, StorageClassFound>,
    /// What is not told, or not any more: since when, and why.
    pub(crate) broken: BTreeMap<&'static str, (Timestamp, String)>,
}

/// A pod that has not ended.
pub(crate) struct SeenPod {
    /// The [`place`] of its node; absent until it has one.
    pub(crate) node: Option<u64>,
    pub(crate) requests: Requests,
    pub(crate) is_ours: bool,
}

/// Cores in thousandths and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Requests {
    pub(crate) cpu: u64,
    pub(crate) memory: u64,
    pub(crate) disk: u64,
}

/// What nodes use: thousandths of cores, and bytes.
#[derive(Clone)]
pub(crate) enum Measured {
    Nodes(Arc<BTreeMap<String, (u64, u64)>>),
    /// And why not.
    Not(String),
}

impl View {
    pub(crate) fn start(client: &Client, tracker: &TaskTracker, stop: &CancellationToken) -> View {
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let all = watcher::Config::default();
        // What has ended asks for nothing any more.
        let alive = all
            .clone()
            .fields("status.phase!=Succeeded,status.phase!=Failed");
        follow::<Node>(client, all.clone(), &seen, tracker, stop);
        follow::<Pod>(client, alive, &seen, tracker, stop);
        follow::<Event>(client, all.clone(), &seen, tracker, stop);
        follow::<StorageClass>(client, all, &seen, tracker, stop);
        View {
            client: client.clone(),
            seen,
            measured: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("no holder panics")
    }

    /// What nodes use, as the metrics API said lately. However many ask, it is asked once.
    pub(crate) async fn measured(&self) -> Measured {
        let mut last = self.measured.lock().await;
        if let Some((at, measured)) = &*last
            && at.elapsed() < FRESH
        {
            return measured.clone();
        }
        let measured = match tokio::time::timeout(METRICS, measure(&self.client)).await {
            Ok(Ok(nodes)) => Measured::Nodes(Arc::new(nodes)),
            Ok(Err(error)) if is_not_found(&error) => {
                Measured::Not("The cluster has no metrics API (metrics.k8s.io).".to_owned())
            }
            Ok(Err(error)) => Measured::Not(told(&error)),
            Err(_) => Measured::Not("The metrics API does not answer.".to_owned()),
        };
        *last = Some((Instant::now(), measured.clone()));
        measured
    }
}

#[derive(Deserialize)]
struct Listed {
    items: Vec<Item>,
}
#[derive(Deserialize)]
struct Item {
    metadata: Named,
    usage: BTreeMap<String, String>,
}
#[derive(Deserialize)]
struct Named {
    name: String,
}

async fn measure(client: &Client) -> Result<BTreeMap<String, (u64, u64)>, kube::Error> {
    let request = http::Request::get("/apis/metrics.k8s.io/v1beta1/nodes")
        .body(Vec::new())
        .map_err(kube::Error::HttpError)?;
    let listed: Listed = client.request(request).await?;
    let each = listed.items.into_iter().filter_map(|item| {
        let cpu = millis(item.usage.get("cpu")?)?;
        let memory = bytes(item.usage.get("memory")?)?;
        Some((item.metadata.name, (cpu, memory)))
    });
    Ok(each.collect())
}

/// A kind that the view follows: what of an object is kept.
trait Followed: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static {
    const WHAT: &'static str;
    type Kept: Send;

    fn kept(&self) -> Self::Kept;
    fn all(seen: &mut Seen) -> &mut HashMap<u64, Self::Kept>;
    /// After something came.
    fn trim(_: &mut HashMap<u64, Self::Kept>) {}
}

/// Where an object of that name is kept.
pub(crate) fn place(namespace: Option<&str>, name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (namespace, name).hash(&mut hasher);
    hasher.finish()
}

impl Followed for Node {
    const WHAT: &'static str = "nodes";
    type Kept = NodeOverview;

    fn kept(&self) -> NodeOverview {
        node(self)
    }
    fn all(seen: &mut Seen) -> &mut HashMap<u64, NodeOverview> {
        &mut seen.nodes
    }
}

impl Followed for Pod {
    const WHAT: &'static str = "pods";
    type Kept = SeenPod;

    fn kept(&self) -> SeenPod {
        let spec = self.spec.as_ref();
        let node = spec.and_then(|spec| spec.node_name.as_deref());
        SeenPod {
            node: node.map(|name| place(None, name)),
            requests: spec.map(requests).unwrap_or_default(),
            is_ours: application(self).is_some(),
        }
    }
    fn all(seen: &mut Seen) -> &mut HashMap<u64, SeenPod> {
        &mut seen.pods
    }
}

impl Followed for Event {
    const WHAT: &'static str = "events";
    type Kept = ClusterEvent;

    fn kept(&self) -> ClusterEvent {
        event(self)
    }
    fn all(seen: &mut Seen) -> &mut HashMap<u64, ClusterEvent> {
        &mut seen.events
    }
    /// A tenth at once: sorting is not for each event.
    fn trim(all: &mut HashMap<u64, ClusterEvent>) {
        if all.len() <= MOST_EVENTS {
            return;
        }
        let mut by_age: Vec<_> = all
            .iter()
            .map(|(at, event)| (event.is_warning, event.last, *at))
            .collect();
        by_age.sort_unstable();
        for (.., at) in &by_age[..all.len() - MOST_EVENTS * 9 / 10] {
            all.remove(at);
        }
    }
}

impl Followed for StorageClass {
    const WHAT: &'static str = "storage classes";
    type Kept = StorageClassFound;

    fn kept(&self) -> StorageClassFound {
        storage_class(self)
    }
    fn all(seen: &mut Seen) -> &mut HashMap<u64, StorageClassFound> {
        &mut seen.storage_classes
    }
}

fn follow<K: Followed>(
    client: &Client,
    config: watcher::Config,
    seen: &Arc<Mutex<Seen>>,
    tracker: &TaskTracker,
    stop: &CancellationToken,
) {
    let (seen, stop) = (seen.clone(), stop.clone());
    let stream = watcher(Api::<K>::all(client.clone()), config);
    let stream = stream.backoff(Patience::new(LONGEST));
    tracker.spawn(async move {
        let mut stream = std::pin::pin!(stream);
        // A list that is under way: what was known is shown until it is whole.
        let mut listed: HashMap<u64, K::Kept> = HashMap::new();
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => return,
                event = stream.next() => event,
            };
            let Some(event) = event else { return };
            let at = |object: &K| place(object.namespace().as_deref(), &object.name_any());
            let mut seen = seen.lock().expect("no holder panics");
            match event {
                Ok(watcher::Event::Init) => listed.clear(),
                Ok(watcher::Event::InitApply(object)) => {
                    drop(seen);
                    listed.insert(at(&object), object.kept());
                    K::trim(&mut listed);
                }
                Ok(watcher::Event::InitDone) => {
                    *K::all(&mut seen) = std::mem::take(&mut listed);
                    seen.broken.remove(K::WHAT);
                }
                Ok(watcher::Event::Apply(object)) => {
                    seen.broken.remove(K::WHAT);
                    let all = K::all(&mut seen);
                    all.insert(at(&object), object.kept());
                    K::trim(all);
                }
                Ok(watcher::Event::Delete(object)) => {
                    seen.broken.remove(K::WHAT);
                    K::all(&mut seen).remove(&at(&object));
                }
                Err(error) => {
                    let why = why(&error);
                    let since = Timestamp::now();
                    seen.broken.entry(K::WHAT).or_insert((since, why));
                }
            }
        }
    });
}

/// What a person can use of it.
fn why(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => told(error),
        watcher::Error::WatchError(status) => status.message.clone(),
        other => other.to_string(),
    }
}
