//! What the cluster holds of ours, kept up to date by one watch for each kind: reads ask no server.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{
    ConfigMap, Event, Node, PersistentVolumeClaim, Pod, Secret, Service,
};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::core::{ObjectMeta, PartialObjectMeta};
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::{Lookup, ObjectRef, Store, store};
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use pluvio_model::id::ApplicationId;
use pluvio_plan::lower::kubernetes::key;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::book::ObjectName;
use crate::patience::{LONGEST, Patience};

/// Copies of all objects that carry an application's id.
pub(crate) struct Cache {
    pub(crate) pods: Store<Pod>,
    pub(crate) deployments: Store<Deployment>,
    /// Not waited for, as `autoscalers`: only why pods are refused. The template's content is among its own annotations.
    pub(crate) replica_sets: Store<ReplicaSet>,
    pub(crate) stateful_sets: Store<StatefulSet>,
    pub(crate) daemon_sets: Store<DaemonSet>,
    pub(crate) jobs: Store<Job>,
    pub(crate) cron_jobs: Store<CronJob>,
    pub(crate) claims: Store<PersistentVolumeClaim>,
    /// Not waited for: an account may lack the permission, which is only for autoscaling.
    pub(crate) autoscalers: Store<HorizontalPodAutoscaler>,
    /// Only the versions of these are of interest.
    pub(crate) services: Store<PartialObjectMeta<Service>>,
    pub(crate) secrets: Store<PartialObjectMeta<Secret>>,
    pub(crate) config_maps: Store<PartialObjectMeta<ConfigMap>>,
    /// Nor are these two waited for: only whether somebody changed them.
    pub(crate) policies: Store<PartialObjectMeta<NetworkPolicy>>,
    /// Those that Kubernetes did not make itself.
    pub(crate) slices: Store<PartialObjectMeta<EndpointSlice>>,
    /// Only their taints, which the scheduler does not name. Not waited for.
    pub(crate) nodes: Store<Node>,
    /// Whether a class is there now, whatever an event said before. Not waited for.
    pub(crate) classes: Store<PartialObjectMeta<StorageClass>>,
    /// Warnings about pods; who is meant is told by name.
    pub(crate) warnings: Store<Event>,
    /// Of controllers whose pods are refused.
    pub(crate) refusals: Store<Event>,
    pub(crate) claim_warnings: Store<Event>,
}

/// Whose object changed.
pub(crate) type Touched = mpsc::UnboundedReceiver<ApplicationId>;

impl Cache {
    /// Starts the watches. They end with `stop`.
    pub(crate) fn start(
        client: &Client,
        tracker: &TaskTracker,
        stop: &CancellationToken,
        hint: &Arc<watch::Sender<u64>>,
    ) -> (Cache, Touched) {
        let (touched, receiver) = mpsc::unbounded_channel();
        let watches = Watches {
            client,
            tracker,
            stop,
            touched,
            hint,
        };
        let cache = Cache {
            pods: watches.whole(slim_pod),
            deployments: watches.whole(|_: &mut Deployment| {}),
            replica_sets: watches.whole(slim_replicas),
            stateful_sets: watches.whole(|_: &mut StatefulSet| {}),
            daemon_sets: watches.whole(|_: &mut DaemonSet| {}),
            jobs: watches.whole(|_: &mut Job| {}),
            cron_jobs: watches.whole(|_: &mut CronJob| {}),
            claims: watches.whole(|_: &mut PersistentVolumeClaim| {}),
            autoscalers: watches.whole(|_: &mut HorizontalPodAutoscaler| {}),
            services: watches.versions(),
            secrets: watches.versions(),
            config_maps: watches.versions(),
            policies: watches.versions(),
            slices: watches.versions_of(&format!(
                "{},endpointslice.kubernetes.io/managed-by!=endpointslice-controller.k8s.io",
                key::APPLICATION
            )),
            nodes: watches.nodes(),
            classes: watches.names(),
            warnings: watches.warnings("involvedObject.kind=Pod"),
            refusals: watches.warnings("reason=FailedCreate"),
            claim_warnings: watches.warnings("involvedObject.kind=PersistentVolumeClaim"),
        };
        (cache, receiver)
    }

    /// Waits until each has been filled once.
    pub(crate) async fn filled(&self) {
        let _ = tokio::join!(
            self.pods.wait_until_ready(),
            self.deployments.wait_until_ready(),
            self.stateful_sets.wait_until_ready(),
            self.daemon_sets.wait_until_ready(),
            self.jobs.wait_until_ready(),
            self.cron_jobs.wait_until_ready(),
            self.claims.wait_until_ready(),
            self.services.wait_until_ready(),
            self.secrets.wait_until_ready(),
            self.config_maps.wait_until_ready(),
        );
    }
}

/// The objects of one application, taken from the cache at one moment.
#[derive(Default)]
pub(crate) struct Held {
    pub(crate) pods: Vec<Arc<Pod>>,
    pub(crate) jobs: Vec<Arc<Job>>,
    pub(crate) claims: Vec<Arc<PersistentVolumeClaim>>,
}

impl Cache {
    /// What several applications hold, in one pass over the cache.
    pub(crate) fn held(
        &self,
        wanted: impl Fn(ApplicationId) -> bool,
    ) -> BTreeMap<ApplicationId, Held> {
        let mut all: BTreeMap<ApplicationId, Held> = BTreeMap::new();
        fn sort<K: Resource + Lookup + Clone + 'static>(
            from: &Store<K>,
            wanted: &dyn Fn(ApplicationId) -> bool,
            all: &mut BTreeMap<ApplicationId, Held>,
            put: fn(&mut Held, Arc<K>),
        ) where
            <K as Lookup>::DynamicType: Eq + std::hash::Hash + Clone,
        {
            for object in from.state() {
                if let Some(application) = application(object.as_ref()).filter(|id| wanted(*id)) {
                    put(all.entry(application).or_default(), object);
                }
            }
        }
        sort(&self.pods, &wanted, &mut all, |held, pod| {
            held.pods.push(pod)
        });
        sort(&self.jobs, &wanted, &mut all, |held, job| {
            held.jobs.push(job)
        });
        sort(&self.claims, &wanted, &mut all, |held, claim| {
            held.claims.push(claim)
        });
        all
    }

    /// Why a pod does not come up, in the cluster's own words: the newest warning about it.
    pub(crate) fn warning(&self, pod: &Pod) -> Option<Arc<Event>> {
        Cache::newest(&self.warnings, pod.metadata.uid.as_deref()?)
    }

    /// When a hook after a start of one of the pod's containers last failed.
    pub(crate) fn failed_hook_at(&self, pod: &Pod) -> Option<Timestamp> {
        let uid = pod.metadata.uid.as_deref()?;
        let about = self.warnings.state_filter(|event| {
            event.involved_object.uid.as_deref() == Some(uid)
                && event.reason.as_deref() == Some("FailedPostStartHook")
        });
        let times = about.iter().filter_map(|event| {
            let at = event.last_timestamp.as_ref();
            Some(at.or(event.first_timestamp.as_ref())?.0)
        });
        times.max()
    }

    /// The keys of the taints that keep new pods away, of each node that has any. Not of cordoned ones: the scheduler tells those apart.
    pub(crate) fn taints(&self) -> Vec<Vec<String>> {
        let nodes = self.nodes.state();
        let specs = nodes.iter().filter_map(|node| node.spec.as_ref());
        let open = specs.filter(|spec| !spec.unschedulable.unwrap_or_default());
        let keys = open.map(|spec| {
            let taints = spec.taints.iter().flatten();
            let keep_away = taints.filter(|taint| taint.effect != "PreferNoSchedule");
            let keys = keep_away.map(|taint| taint.key.clone());
            keys.collect::<Vec<String>>()
        });
        keys.filter(|keys| !keys.is_empty()).collect()
    }

    pub(crate) fn newest(warnings: &Store<Event>, uid: &str) -> Option<Arc<Event>> {
        let about =
            warnings.state_filter(|event| event.involved_object.uid.as_deref() == Some(uid));
        about.into_iter().max_by_key(|event| {
            event
                .last_timestamp
                .as_ref()
                .or(event.first_timestamp.as_ref())
                .map(|time| time.0)
        })
    }
}

impl Cache {
    /// Whose an object is that is at hand; `None` also of kinds that are not watched.
    pub(crate) fn owner(&self, name: &ObjectName) -> Option<ApplicationId> {
        fn of<K>(from: &Store<K>, name: &ObjectName) -> Option<ApplicationId>
        where
            K: Resource<DynamicType = ()> + Lookup<DynamicType = ()> + Clone + 'static,
        {
            let mut reference = ObjectRef::<K>::new(&name.name);
            reference.namespace.clone_from(&name.namespace);
            application(from.get(&reference)?.as_ref())
        }
        match name.cached_kind() {
            "Deployment" => of(&self.deployments, name),
            "StatefulSet" => of(&self.stateful_sets, name),
            "DaemonSet" => of(&self.daemon_sets, name),
            "Job" => of(&self.jobs, name),
            "HorizontalPodAutoscaler" => of(&self.autoscalers, name),
            "CronJob" => of(&self.cron_jobs, name),
            "Service" => of(&self.services, name),
            "Secret" => of(&self.secrets, name),
            "ConfigMap" => of(&self.config_maps, name),
            "NetworkPolicy" => of(&self.policies, name),
            "EndpointSlice" => of(&self.slices, name),
            _ => None,
        }
    }
}

/// Whose it is.
pub(crate) fn application<K: Resource>(object: &K) -> Option<ApplicationId> {
    let labels = object.meta().labels.as_ref()?;
    labels.get(key::APPLICATION)?.parse().ok()
}

struct Watches<'a> {
    client: &'a Client,
    tracker: &'a TaskTracker,
    stop: &'a CancellationToken,
    touched: mpsc::UnboundedSender<ApplicationId>,
    hint: &'a Arc<watch::Sender<u64>>,
}

impl Watches<'_> {
    fn whole<K>(&self, slim: fn(&mut K)) -> Store<K>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    {
        let api = Api::<K>::all(self.client.clone());
        let config = watcher::Config::default().labels(key::APPLICATION);
        let stream = watcher(api, config).modify(move |object| {
            object.managed_fields_mut().clear();
            slim(object);
        });
        self.keep(stream)
    }

    fn versions<K>(&self) -> Store<PartialObjectMeta<K>>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    {
        self.versions_of(key::APPLICATION)
    }

    /// Of all there are, whoever made them.
    fn names<K>(&self) -> Store<PartialObjectMeta<K>>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    {
        self.metadata(watcher::Config::default())
    }

    fn versions_of<K>(&self, labels: &str) -> Store<PartialObjectMeta<K>>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    {
        self.metadata(watcher::Config::default().labels(labels))
    }

    fn metadata<K>(&self, config: watcher::Config) -> Store<PartialObjectMeta<K>>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    {
        let api = Api::<PartialObjectMeta<K>>::all(self.client.clone());
        let stream = watcher(api, config).modify(|object| object.managed_fields_mut().clear());
        self.keep(stream)
    }

    fn nodes(&self) -> Store<Node> {
        let api = Api::<Node>::all(self.client.clone());
        self.keep(watcher(api, watcher::Config::default()).modify(slim_node))
    }

    fn warnings(&self, which: &str) -> Store<Event> {
        let api = Api::<Event>::all(self.client.clone());
        let config = watcher::Config::default().fields(&format!("type=Warning,{which}"));
        self.keep(watcher(api, config).modify(|event| event.managed_fields_mut().clear()))
    }

    fn keep<K>(
        &self,
        stream: impl futures::Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static,
    ) -> Store<K>
    where
        K: Resource<DynamicType = ()> + Lookup<DynamicType = ()> + Clone + Send + Sync + 'static,
    {
        let (reader, writer) = store::<K>();
        let (touched, hint, stop) = (self.touched.clone(), self.hint.clone(), self.stop.clone());
        let reflected = kube::runtime::reflector(writer, stream.backoff(Patience::new(LONGEST)));
        let held = reader.clone();
        self.tracker.spawn(async move {
            let mut reflected = std::pin::pin!(reflected);
            let mut before = BTreeSet::new();
            loop {
                let event = tokio::select! {
                    () = stop.cancelled() => return,
                    event = reflected.next() => event,
                };
                match event {
                    Some(Ok(
                        watcher::Event::Apply(object)
                        | watcher::Event::Delete(object)
                        | watcher::Event::InitApply(object),
                    )) => {
                        if let Some(application) = application(&object) {
                            let _ = touched.send(application);
                        }
                        hint.send_modify(|count| *count += 1);
                    }
                    Some(Ok(watcher::Event::Init)) => before = whose(&held),
                    // What has gone while nobody watched is missing from a new list, and no event tells of it.
                    Some(Ok(watcher::Event::InitDone)) => {
                        before.append(&mut whose(&held));
                        for application in std::mem::take(&mut before) {
                            let _ = touched.send(application);
                        }
                        hint.send_modify(|count| *count += 1);
                    }
                    Some(Err(error)) => {
                        tracing::debug!(%error, "a watch was broken off; it begins again")
                    }
                    None => return,
                }
            }
        });
        reader
    }
}

/// The applications that have something in a cache.
fn whose<K>(held: &Store<K>) -> BTreeSet<ApplicationId>
where
    K: Resource<DynamicType = ()> + Lookup<DynamicType = ()> + Clone + 'static,
{
    let all = held.state();
    all.iter()
        .filter_map(|object| application(object.as_ref()))
        .collect()
}

fn slim_replicas(set: &mut ReplicaSet) {
    let spec = set.spec.take();
    let hash = spec.and_then(|spec| spec.template?.metadata?.annotations?.remove(key::HASH));
    set.metadata.annotations = hash.map(|hash| [(key::HASH.to_owned(), hash)].into());
}

fn slim_node(node: &mut Node) {
    node.metadata = ObjectMeta {
        name: node.metadata.name.take(),
        ..ObjectMeta::default()
    };
    node.status = None;
}

/// What nobody asks about would be most of the memory.
fn slim_pod(pod: &mut Pod) {
    if let Some(spec) = &mut pod.spec {
        spec.volumes = None;
        spec.tolerations = None;
        spec.affinity = None;
        for container in spec
            .containers
            .iter_mut()
            .chain(spec.init_containers.iter_mut().flatten())
        {
            container.env = None;
            container.volume_mounts = None;
            container.security_context = None;
        }
    }
}

/// What tells an object that a cache holds from what it was before.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) uid: String,
    pub(crate) version: String,
    pub(crate) generation: i64,
}

pub(crate) fn seen<K>(from: &Store<K>, name: &str, namespace: Option<&str>) -> Option<Seen>
where
    K: Resource<DynamicType = ()> + Lookup<DynamicType = ()> + Clone + 'static,
{
    let mut reference = ObjectRef::<K>::new(name);
    reference.namespace = namespace.map(str::to_owned);
    let object = from.get(&reference)?;
    Some(Seen {
        uid: object.uid().unwrap_or_default().to_string(),
        version: object.resource_version().unwrap_or_default().to_string(),
        generation: object.meta().generation.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::{FutureExt, stream};
    use http::{Request, Response};
    use kube::client::Body;

    use super::*;

    /// A pod of an application.
    fn pod(application: ApplicationId) -> Pod {
        let mut pod = Pod::default();
        pod.metadata.name = Some("one".to_owned());
        let label = (key::APPLICATION.to_owned(), application.to_string());
        pod.metadata.labels = Some([label].into());
        pod
    }

    /// No event tells of what went between two lists.
    #[tokio::test]
    async fn applications_whose_objects_are_missing_from_a_new_list_are_looked_at_again() {
        let nobody = tower::service_fn(async |_: Request<Body>| {
            Ok::<_, Infallible>(Response::new(Body::empty()))
        });
        let (touched, mut receiver) = mpsc::unbounded_channel();
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let watches = Watches {
            client: &Client::new(nobody, "default"),
            tracker: &tracker,
            stop: &stop,
            touched,
            hint: &Arc::new(watch::Sender::new(0)),
        };
        let id = ApplicationId(uuid::Uuid::now_v7());
        let (next, after) = tokio::sync::oneshot::channel();
        let again = [watcher::Event::Init, watcher::Event::InitDone];
        let first = [
            watcher::Event::Init,
            watcher::Event::InitApply(pod(id)),
            watcher::Event::InitDone,
        ];
        let again = after.map(move |_| stream::iter(again)).flatten_stream();
        let all = stream::iter(first).chain(again).chain(stream::pending());
        let store = watches.keep(all.map(Ok));
        // As it is listed, and when the list is there.
        assert_eq!(receiver.recv().await, Some(id));
        assert_eq!(receiver.recv().await, Some(id));
        assert_eq!(store.state().len(), 1);
        next.send(()).expect("somebody waits");
        assert_eq!(receiver.recv().await, Some(id));
        assert!(store.state().is_empty());
        stop.cancel();
    }
}
