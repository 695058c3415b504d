//! What a cluster looks like: its nodes, what of ours runs there, what it told lately. Made of what watches told; asks no server
//! but the metrics API, and that seldom.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Event, Node, Pod, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::runtime::reflector::{Lookup, Store};
use kube::{Resource, ResourceExt};
use pluvio_model::cluster::{
    Amounts, ClusterEvent, ClusterOverview, NodeAddress, NodeCondition, NodeOverview,
    NodeResources, NodeTaint, Unseen, WorkloadOverview,
};
use pluvio_plan::lower::kubernetes::key;

use crate::KubernetesRuntime;
use crate::cache::application;
use crate::usage::{bytes, millis};
use crate::view::{Measured, Requests, Seen, place};

const ZONE: &str = "topology.kubernetes.io/zone";
/// Events that are shown.
const MOST_EVENTS: usize = 200;
/// A message's bytes: some controllers quote whole files.
const LONGEST: usize = 1_024;

impl KubernetesRuntime {
    /// The cluster as it is now. However often it is asked for, the cluster is not.
    pub async fn overview(&self) -> ClusterOverview {
        let measured = self.view().measured().await;
        let version = self.shared().connection.version.trim_start_matches('v');
        let mut overview = {
            let seen = self.view().seen();
            of(&seen, &measured)
        };
        overview.version = version.to_owned();
        overview.workloads = self.workloads();
        overview
    }

    /// Of all applications of Pluvio, with where their pods are.
    pub(crate) fn workloads(&self) -> Vec<WorkloadOverview> {
        let cache = &self.shared().cache;
        let mut placed: HashMap<(String, String, String), BTreeMap<String, u32>> = HashMap::new();
        for pod in cache.pods.state() {
            let labels = pod.labels();
            let (Some(application), Some(component)) =
                (labels.get(key::APPLICATION), labels.get(key::COMPONENT))
            else {
                continue;
            };
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
            let has_ended = pod
                .status
                .as_ref()
                .and_then(|status| status.phase.as_deref())
                .is_some_and(|phase| matches!(phase, "Succeeded" | "Failed"));
            let Some(node) = node.filter(|_| !has_ended) else {
                continue;
            };
            let kind = owner(&pod).to_owned();
            let of = (application.clone(), component.clone(), kind);
            *placed.entry(of).or_default().entry(node).or_default() += 1;
        }
        let mut all = Vec::new();
        each(&cache.deployments, "Deployment", &mut all, |one| {
            let wanted = one.spec.as_ref().and_then(|spec| spec.replicas);
            let ready = one.status.as_ref().and_then(|status| status.ready_replicas);
            (wanted.unwrap_or(1), ready.unwrap_or_default())
        });
        each(&cache.stateful_sets, "StatefulSet", &mut all, |one| {
            let wanted = one.spec.as_ref().and_then(|spec| spec.replicas);
            let ready = one.status.as_ref().and_then(|status| status.ready_replicas);
            (wanted.unwrap_or(1), ready.unwrap_or_default())
        });
        each(&cache.daemon_sets, "DaemonSet", &mut all, |one| {
            let status = one.status.as_ref();
            status.map_or((0, 0), |status| {
                (status.desired_number_scheduled, status.number_ready)
            })
        });
        each(&cache.cron_jobs, "CronJob", &mut all, |one| {
            let active = one
                .status
                .as_ref()
                .and_then(|status| status.active.as_ref());
            let active = active.map_or(0, Vec::len) as i32;
            (active, active)
        });
        each(&cache.jobs, "Job", &mut all, |one| {
            let status = one.status.as_ref();
            let done = status.and_then(|status| status.completion_time.as_ref());
            let active = status.and_then(|status| status.active).unwrap_or_default();
            (i32::from(done.is_none()).max(active), active)
        });
        for one in &mut all {
            let component = one.component.clone().unwrap_or_default();
            let kind = if one.kind == "CronJob" {
                "Job"
            } else {
                &one.kind
            };
            let of = (one.application.to_string(), component, kind.to_owned());
            if let Some(nodes) = placed.get(&of) {
                one.nodes.clone_from(nodes);
            }
        }
        all.sort_by(|a, b| (&a.namespace, &a.name, &a.kind).cmp(&(&b.namespace, &b.name, &b.kind)));
        all
    }
}

/// The kind of workload that a pod belongs to.
fn owner(pod: &Pod) -> &str {
    let kind = pod
        .owner_references()
        .first()
        .map_or("", |owner| owner.kind.as_str());
    match kind {
        "ReplicaSet" => "Deployment",
        other => other,
    }
}

fn each<K>(
    from: &Store<K>,
    kind: &str,
    into: &mut Vec<WorkloadOverview>,
    counts: fn(&K) -> (i32, i32),
) where
    K: Resource<DynamicType = ()> + Lookup<DynamicType = ()> + Clone + 'static,
{
    for one in from.state() {
        let Some(application) = application(one.as_ref()) else {
            continue;
        };
        // A schedule's runs are the schedule's.
        if one
            .owner_references()
            .iter()
            .any(|owner| owner.controller == Some(true))
        {
            continue;
        }
        let (wanted, ready) = counts(&one);
        let labels = one.labels();
        let name = labels.get("app.kubernetes.io/part-of").cloned();
        into.push(WorkloadOverview {
            namespace: ResourceExt::namespace(one.as_ref()).unwrap_or_default(),
            kind: kind.to_owned(),
            name: one.name_any(),
            application,
            application_name: name.unwrap_or_default(),
            component: labels.get(key::COMPONENT).cloned(),
            wanted: u32::try_from(wanted).unwrap_or_default(),
            ready: u32::try_from(ready).unwrap_or_default(),
            nodes: BTreeMap::new(),
        });
    }
}

/// Nodes with what their pods ask for, and events.
fn of(seen: &Seen, measured: &Measured) -> ClusterOverview {
    let mut overview = ClusterOverview::default();
    let mut nodes = seen.nodes.clone();
    for pod in seen.pods.values() {
        overview.pods += 1;
        let Some(node) = pod.node.and_then(|at| nodes.get_mut(&at)) else {
            continue;
        };
        node.pods += 1;
        node.instances += u32::from(pod.is_ours);
        let resources = &mut node.resources;
        resources.cpu.allocated += pod.requests.cpu;
        resources.memory.allocated += pod.requests.memory;
        resources.disk.allocated += pod.requests.disk;
    }
    if let Measured::Nodes(used) = measured {
        for (name, (cpu, memory)) in used.iter() {
            if let Some(node) = nodes.get_mut(&place(None, name)) {
                node.resources.cpu.used = Some(*cpu);
                node.resources.memory.used = Some(*memory);
            }
        }
    }
    let unseen = seen.broken.iter().map(|(what, (since, why))| Unseen {
        what: (*what).to_owned(),
        why: why.clone(),
        since: Some(*since),
    });
    overview.unseen = unseen.collect();
    if let Measured::Not(why) = measured {
        overview.unseen.push(Unseen {
            what: "metrics".to_owned(),
            why: why.clone(),
            since: None,
        });
    }
    overview.nodes = nodes.into_values().collect();
    overview.nodes.sort_by(|a, b| a.name.cmp(&b.name));
    for node in &overview.nodes {
        overview.ready_nodes += u32::from(node.is_ready);
        let sum = &mut overview.resources;
        add(&mut sum.cpu, &node.resources.cpu);
        add(&mut sum.memory, &node.resources.memory);
        add(&mut sum.disk, &node.resources.disk);
    }
    let mut events: Vec<&ClusterEvent> = seen.events.values().collect();
    events.sort_by_key(|event| std::cmp::Reverse((event.is_warning, event.last)));
    overview.events = events.into_iter().take(MOST_EVENTS).cloned().collect();
    overview.storage_classes = seen.storage_classes.values().cloned().collect();
    overview
        .storage_classes
        .sort_by(|one, other| one.name.cmp(&other.name));
    overview
}

fn add(to: &mut Amounts, one: &Amounts) {
    to.capacity += one.capacity;
    to.allocatable += one.allocatable;
    to.allocated += one.allocated;
    if let Some(used) = one.used {
        *to.used.get_or_insert_default() += used;
    }
}

type Quantities = BTreeMap<String, Quantity>;

fn amount(of: Option<&Quantities>, what: &str) -> u64 {
    let read = if what == "cpu" { millis } else { bytes };
    of.and_then(|all| read(&all.get(what)?.0))
        .unwrap_or_default()
}

fn amounts(capacity: Option<&Quantities>, allocatable: Option<&Quantities>, what: &str) -> Amounts {
    Amounts {
        capacity: amount(capacity, what),
        allocatable: amount(allocatable, what),
        ..Amounts::default()
    }
}

/// A node by itself, without what its pods ask for.
pub(crate) fn node(node: &Node) -> NodeOverview {
    let spec = node.spec.as_ref();
    let status = node.status.clone().unwrap_or_default();
    let info = status.node_info;
    let told = |of: fn(&k8s_openapi::api::core::v1::NodeSystemInfo) -> &String| {
        info.as_ref()
            .map(|info| of(info).clone())
            .unwrap_or_default()
    };
    let (capacity, allocatable) = (status.capacity.as_ref(), status.allocatable.as_ref());
    let both = |what| amounts(capacity, allocatable, what);
    let role = "node-role.kubernetes.io/";
    let roles = node
        .labels()
        .keys()
        .filter_map(|label| label.strip_prefix(role));
    let most_pods = bytes(
        &allocatable
            .and_then(|all| Some(all.get("pods")?.0.clone()))
            .unwrap_or_default(),
    );
    let conditions: Vec<NodeCondition> = status
        .conditions
        .unwrap_or_default()
        .into_iter()
        .map(|one| {
            // All but this one tell of trouble.
            let wanted = if one.type_ == "Ready" {
                "True"
            } else {
                "False"
            };
            NodeCondition {
                is_good: one.status == wanted,
                kind: one.type_,
                status: one.status,
                reason: one.reason.unwrap_or_default(),
                message: shortened(one.message.unwrap_or_default()),
                since: one.last_transition_time.map(|time| time.0),
            }
        })
        .collect();
    let taints = spec
        .and_then(|spec| spec.taints.clone())
        .unwrap_or_default();
    NodeOverview {
        name: node.name_any(),
        is_ready: conditions
            .iter()
            .any(|one| one.kind == "Ready" && one.is_good),
        is_cordoned: spec.and_then(|spec| spec.unschedulable).unwrap_or_default(),
        roles: roles.map(str::to_owned).collect(),
        addresses: status
            .addresses
            .unwrap_or_default()
            .into_iter()
            .map(|one| NodeAddress {
                kind: one.type_,
                address: one.address,
            })
            .collect(),
        kubelet: told(|info| &info.kubelet_version)
            .trim_start_matches('v')
            .to_owned(),
        container_runtime: told(|info| &info.container_runtime_version),
        system: told(|info| &info.os_image),
        architecture: told(|info| &info.architecture),
        zone: node.labels().get(ZONE).cloned(),
        resources: NodeResources {
            cpu: both("cpu"),
            memory: both("memory"),
            disk: both("ephemeral-storage"),
        },
        pods: 0,
        most_pods: most_pods
            .and_then(|most| u32::try_from(most).ok())
            .unwrap_or_default(),
        instances: 0,
        conditions,
        taints: taints
            .into_iter()
            .map(|one| NodeTaint {
                key: one.key,
                value: one.value.unwrap_or_default(),
                effect: one.effect,
            })
            .collect(),
        labels: node
            .labels()
            .iter()
            .filter(|(key, _)| is_own_label(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        since: node.metadata.creation_timestamp.as_ref().map(|time| time.0),
    }
}

/// Not one of those that kubelets and cloud controllers give every node, but for its zone.
fn is_own_label(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    let is_theirs = ["kubernetes.io", "k8s.io"]
        .iter()
        .any(|of| domain == *of || domain.ends_with(&format!(".{of}")));
    !is_theirs || key == ZONE
}

pub(crate) fn event(event: &Event) -> ClusterEvent {
    let about = &event.involved_object;
    let series = event.series.as_ref();
    let created = event
        .metadata
        .creation_timestamp
        .as_ref()
        .map(|time| time.0);
    let micro = |time: Option<&k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime>| {
        time.map(|time| time.0)
    };
    let first: Option<Timestamp> = event
        .first_timestamp
        .as_ref()
        .map(|time| time.0)
        .or_else(|| micro(event.event_time.as_ref()))
        .or(created);
    let last = micro(series.and_then(|series| series.last_observed_time.as_ref()))
        .or(event.last_timestamp.as_ref().map(|time| time.0))
        .or(first);
    let count = series
        .and_then(|series| series.count)
        .or(event.count)
        .unwrap_or(1);
    let source = event.source.clone().unwrap_or_default();
    let component = source
        .component
        .filter(|name| !name.is_empty())
        .or(event.reporting_component.clone());
    let source: Vec<String> = [component, source.host]
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect();
    ClusterEvent {
        is_warning: event.type_.as_deref() == Some("Warning"),
        reason: event.reason.clone().unwrap_or_default(),
        message: shortened(event.message.clone().unwrap_or_default()),
        kind: about.kind.clone().unwrap_or_default(),
        namespace: about
            .namespace
            .clone()
            .filter(|namespace| !namespace.is_empty()),
        name: about.name.clone().unwrap_or_default(),
        count: u32::try_from(count).unwrap_or(1),
        first,
        last,
        source: source.join(", "),
    }
}

fn shortened(mut text: String) -> String {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
    }
    text
}

/// What a pod asks its node for: its containers and sidecars together, or what its start takes where that is more, and what its
/// sandbox takes. (Source: Kubernetes, "Resource Management for Pods and Containers" and "Sidecar Containers".)
pub(crate) fn requests(spec: &PodSpec) -> Requests {
    let of = |what: &str| {
        let whole = spec
            .resources
            .as_ref()
            .and_then(|all| all.requests.as_ref());
        let overhead = amount(spec.overhead.as_ref(), what);
        if let Some(whole) = whole.filter(|whole| whole.contains_key(what)) {
            return amount(Some(whole), what) + overhead;
        }
        let asks = |container: &Container| asked(container.resources.as_ref(), what);
        let mut sidecars = 0;
        let mut start = 0;
        for container in spec.init_containers.iter().flatten() {
            if container.restart_policy.as_deref() == Some("Always") {
                sidecars += asks(container);
                start = start.max(sidecars);
            } else {
                start = start.max(sidecars + asks(container));
            }
        }
        let run = sidecars + spec.containers.iter().map(asks).sum::<u64>();
        run.max(start) + overhead
    };
    Requests {
        cpu: of("cpu"),
        memory: of("memory"),
        disk: of("ephemeral-storage"),
    }
}

fn asked(resources: Option<&ResourceRequirements>, what: &str) -> u64 {
    amount(resources.and_then(|all| all.requests.as_ref()), what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(cpu: &str, always: bool) -> serde_json::Value {
        let mut container = serde_json::json!({ "name": "c", "resources": { "requests": { "cpu": cpu, "memory": "1Ki" } } });
        if always {
            container["restartPolicy"] = "Always".into();
        }
        container
    }

    fn cpu(init: &[serde_json::Value], main: &[serde_json::Value]) -> u64 {
        let spec = serde_json::json!({ "initContainers": init, "containers": main });
        requests(&serde_json::from_value(spec).expect("a pod's specification")).cpu
    }

    #[test]
    fn a_pod_asks_for_the_most_that_it_takes_at_once() {
        let (small, large) = (container("100m", false), container("1", false));
        let sidecar = container("200m", true);
        assert_eq!(cpu(&[], &[small.clone(), small.clone()]), 200);
        assert_eq!(
            cpu(std::slice::from_ref(&large), std::slice::from_ref(&small)),
            1000
        );
        assert_eq!(
            cpu(std::slice::from_ref(&sidecar), std::slice::from_ref(&small)),
            300
        );
        // What starts after a sidecar starts beside it, what starts before does not.
        assert_eq!(
            cpu(
                &[sidecar.clone(), large.clone()],
                std::slice::from_ref(&small)
            ),
            1200
        );
        assert_eq!(cpu(&[large, sidecar], &[small]), 1000);
    }

    #[test]
    fn a_node_and_its_pods_make_one_picture() {
        let body = serde_json::json!({
            "metadata": { "name": "n", "labels": { "node-role.kubernetes.io/control-plane": "" } },
            "spec": { "taints": [{ "key": "k", "effect": "NoSchedule" }] },
            "status": {
                "capacity": { "cpu": "4", "memory": "8Gi", "pods": "110" },
                "allocatable": { "cpu": "3500m", "memory": "7Gi", "pods": "110" },
                "conditions": [
                    { "type": "Ready", "status": "True" }, { "type": "DiskPressure", "status": "True" },
                ],
            },
        });
        let body = node(&serde_json::from_value(body).expect("a node"));
        let mut seen = Seen::default();
        let at = place(None, "n");
        seen.nodes.insert(at, body);
        for (id, is_ours) in [(1, true), (2, false)] {
            let requests = Requests {
                cpu: 250,
                memory: 1024,
                disk: 0,
            };
            seen.pods.insert(
                id,
                crate::view::SeenPod {
                    node: Some(at),
                    requests,
                    is_ours,
                },
            );
        }
        let used = BTreeMap::from([("n".to_owned(), (77, 88))]);
        let overview = of(&seen, &Measured::Nodes(std::sync::Arc::new(used)));
        let one = &overview.nodes[0];
        assert_eq!((one.pods, one.instances, one.most_pods), (2, 1, 110));
        assert_eq!(one.roles, ["control-plane"]);
        assert!(one.is_ready && !one.conditions[1].is_good);
        let cpu = overview.resources.cpu;
        assert_eq!(
            (cpu.capacity, cpu.allocatable, cpu.allocated, cpu.used),
            (4000, 3500, 500, Some(77))
        );
        assert_eq!(overview.resources.memory.used, Some(88));
        let without = of(&seen, &Measured::Not("none".to_owned()));
        assert_eq!(without.resources.cpu.used, None);
        assert_eq!(without.unseen[0].what, "metrics");
    }
}
