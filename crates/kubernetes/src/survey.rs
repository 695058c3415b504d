//! The part of a check that looks at what the cluster offers: storage, ways in, enforcement of policies, metrics, nodes.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Node, Service};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind, PartialObjectMeta};
use kube::{Api, Client, ResourceExt};
use pluvio_model::cluster::{
    CheckName, CheckStep, ClusterFindings, LoadBalancerGuess, PolicyEnforcement, StorageClassFound,
};

use crate::check::{Failure, Telling, passed, warning, within};

pub(crate) struct Seen {
    pub(crate) steps: Vec<CheckStep>,
    pub(crate) findings: ClusterFindings,
}

/// What is asked of the cluster, at once.
struct Asked {
    classes: Result<Vec<StorageClass>, Failure>,
    nodes: Result<Vec<Node>, Failure>,
    balanced: Result<Vec<Service>, Failure>,
    /// Daemons by name: networks run as such.
    daemons: Result<BTreeSet<String>, Failure>,
    groups: Result<BTreeSet<String>, Failure>,
    gateways: Result<Vec<String>, Failure>,
    metrics: Result<(), Failure>,
}

pub(crate) async fn survey(client: &Client) -> Seen {
    let asked = Box::pin(ask(client)).await;
    let mut findings = ClusterFindings::default();
    let steps = vec![
        storage(&asked, &mut findings),
        nodes(&asked, &mut findings),
        ingress(&asked, &mut findings),
        policies(&asked, &mut findings),
        metrics(&asked, &mut findings),
    ];
    Seen { steps, findings }
}

async fn ask(client: &Client) -> Asked {
    let all = ListParams::default();
    let some = ListParams::default().limit(500);
    let balanced = ListParams::default()
        .fields("spec.type=LoadBalancer")
        .limit(100);
    let classes = Api::<StorageClass>::all(client.clone());
    let nodes = Api::<Node>::all(client.clone());
    let services = Api::<Service>::all(client.clone());
    let daemons = Api::<PartialObjectMeta<DaemonSet>>::all(client.clone());
    let gateway = GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "Gateway");
    let gateway = ApiResource::from_gvk_with_plural(&gateway, "gateways");
    let gateways = Api::<DynamicObject>::all_with(client.clone(), &gateway);
    let measured = http::Request::get("/apis/metrics.k8s.io/v1beta1/nodes?limit=1")
        .body(Vec::new())
        .expect("a request");
    let (classes, nodes, balanced, daemons, groups, gateways, metrics) = tokio::join!(
        within(classes.list(&all)),
        within(nodes.list(&all)),
        within(services.list(&balanced)),
        within(daemons.list(&some)),
        within(client.list_api_groups()),
        within(gateways.list_metadata(&some)),
        within(client.request::<serde_json::Value>(measured)),
    );
    Asked {
        classes: classes.map(|list| list.items),
        nodes: nodes.map(|list| list.items),
        balanced: balanced.map(|list| list.items),
        daemons: daemons.map(|list| list.items.iter().map(ResourceExt::name_any).collect()),
        groups: groups.map(|list| list.groups.into_iter().map(|group| group.name).collect()),
        gateways: gateways.map(|list| {
            let name = |one: &PartialObjectMeta<DynamicObject>| {
                format!("{}/{}", one.namespace().unwrap_or_default(), one.name_any())
            };
            list.items.iter().map(name).collect()
        }),
        metrics: metrics.map(drop),
    }
}

/// Provisioners, and whether several nodes can write to one of their volumes. Kubernetes does not tell; their documents do.
/// (Source: kubernetes-csi.github.io, "Drivers", column "Supported Access Modes".)
const SHARED: [(&str, bool); 24] = [
    ("ebs.csi.aws.com", false),
    ("efs.csi.aws.com", true),
    ("fsx.csi.aws.com", true),
    ("pd.csi.storage.gke.io", false),
    ("filestore.csi.storage.gke.io", true),
    ("disk.csi.azure.com", false),
    ("file.csi.azure.com", true),
    ("cinder.csi.openstack.org", false),
    ("manila.csi.openstack.org", true),
    ("dobs.csi.digitalocean.com", false),
    ("csi.hetzner.cloud", false),
    ("linodebs.csi.linode.com", false),
    ("csi.vsphere.vmware.com", false),
    ("cephfs.csi.ceph.com", true),
    ("rbd.csi.ceph.com", false),
    ("driver.longhorn.io", true),
    ("nfs.csi.k8s.io", true),
    ("cluster.local/nfs-subdir-external-provisioner", true),
    ("smb.csi.k8s.io", true),
    ("rancher.io/local-path", false),
    ("openebs.io/local", false),
    ("topolvm.io", false),
    ("local.csi.openebs.io", false),
    ("kubernetes.io/no-provisioner", false),
];

fn is_shared(provisioner: &str) -> Option<bool> {
    // Rook puts its namespace before the driver's name.
    let known = SHARED.iter().find(|(name, _)| {
        provisioner == *name
            || (name.ends_with(".ceph.com") && provisioner.ends_with(&format!(".{name}")))
    });
    known.map(|(_, shared)| *shared)
}

pub(crate) fn storage_class(class: &StorageClass) -> StorageClassFound {
    StorageClassFound {
        name: class.name_any(),
        provisioner: class.provisioner.clone(),
        is_default: is_default(class),
        can_expand: class.allow_volume_expansion.unwrap_or_default(),
        keeps: class.reclaim_policy.as_deref() == Some("Retain"),
        shared: is_shared(&class.provisioner),
        waits_for_pod: class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer"),
    }
}

/// Whether volumes that name no class are of this one.
pub(crate) fn is_default(class: &impl ResourceExt) -> bool {
    let says = class
        .annotations()
        .get("storageclass.kubernetes.io/is-default-class");
    says.is_some_and(|is| is == "true")
}

fn storage(asked: &Asked, findings: &mut ClusterFindings) -> CheckStep {
    let name = CheckName::StorageClasses;
    let classes = match &asked.classes {
        Ok(classes) => classes,
        Err(failure) => {
            return warning(name, format!("They cannot be read: {}.", failure.told()))
                .remedy("Allow this user `list storageclasses.storage.k8s.io`.");
        }
    };
    findings.storage_classes = classes.iter().map(storage_class).collect();
    let found = &findings.storage_classes;
    let mut step = match found.iter().find(|class| class.is_default) {
        _ if found.is_empty() => warning(name, "There is no storage class: volumes and databases cannot be made.")
            .remedy("Install a storage driver (CSI) that makes volumes, and a StorageClass for it. Volumes made by hand serve too, if their claims name no class."),
        None => warning(name, format!("{} storage classes, none of which is the default: each volume must name its class.", found.len()))
            .remedy("Choose one as the cluster's when it is added, or mark it: `kubectl annotate storageclass NAME storageclass.kubernetes.io/is-default-class=true`."),
        Some(default) => passed(name, format!("Volumes are made by {}, unless they name another class.", default.name)),
    };
    step.details = found.iter().map(of_class).collect();
    step
}

fn of_class(class: &StorageClassFound) -> String {
    let shared = match class.shared {
        Some(true) => "many nodes at once",
        Some(false) => "one node at a time",
        None => "one node at a time, more is not known",
    };
    let mut text = format!("{}: {}, {shared}", class.name, class.provisioner);
    if class.can_expand {
        text.push_str(", can grow");
    }
    if class.keeps {
        text.push_str(", kept after deletion");
    }
    text
}

fn nodes(asked: &Asked, findings: &mut ClusterFindings) -> CheckStep {
    let name = CheckName::Nodes;
    let nodes = match &asked.nodes {
        Ok(nodes) => nodes,
        Err(failure) => {
            return warning(name, format!("They cannot be read: {}.", failure.told()))
                .remedy("Allow this user `list nodes`.");
        }
    };
    let (mut architectures, mut systems) = (BTreeSet::new(), BTreeSet::new());
    for node in nodes {
        let Some(status) = &node.status else { continue };
        if let Some(info) = &status.node_info {
            architectures.insert(info.architecture.clone());
            systems.insert(info.operating_system.clone());
        }
        let is_ready = status.conditions.iter().flatten();
        let is_ready = is_ready
            .into_iter()
            .any(|one| one.type_ == "Ready" && one.status == "True");
        findings.ready_nodes += u32::from(is_ready);
        let addresses = status.addresses.as_deref().unwrap_or_default();
        let of = |kind: &str| addresses.iter().find(|one| one.type_ == kind);
        let address = of("ExternalIP").or_else(|| of("InternalIP"));
        findings
            .node_addresses
            .extend(address.map(|one| one.address.clone()));
    }
    findings.nodes = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
    findings.architectures = architectures.into_iter().collect();
    let found = format!(
        "{} of {} nodes are ready; {}.",
        findings.ready_nodes,
        findings.nodes,
        findings.architectures.join(" and ")
    );
    if findings.ready_nodes == 0 {
        return warning(name, "No node is ready: nothing can run until one is.")
            .remedy("`kubectl describe nodes` says why; a cluster that grows by itself makes some when something is deployed.");
    }
    if findings.architectures.len() > 1 {
        return warning(name, found)
            .remedy("Images must be there for each architecture, or components say by `nodes` where they run.");
    }
    if systems.iter().any(|system| system != "linux") {
        return warning(name, found)
            .remedy("Pluvio runs applications on Linux: taint the other nodes, so that nothing lands there.");
    }
    passed(name, found)
}

/// Clouds give addresses to Services by themselves; their nodes say which one they are of.
const CLOUDS: [(&str, &str); 10] = [
    ("aws://", "Amazon Web Services"),
    ("gce://", "Google Cloud"),
    ("azure://", "Azure"),
    ("digitalocean://", "DigitalOcean"),
    ("hcloud://", "Hetzner Cloud"),
    ("openstack://", "OpenStack"),
    ("linode://", "Linode"),
    ("vultr://", "Vultr"),
    ("scaleway://", "Scaleway"),
    ("oci://", "Oracle Cloud"),
];

fn load_balancer(asked: &Asked) -> LoadBalancerGuess {
    let has_address = |service: &&Service| {
        let ingress = service
            .status
            .as_ref()
            .and_then(|status| status.load_balancer.as_ref()?.ingress.as_ref());
        ingress.is_some_and(|ingress| !ingress.is_empty())
    };
    if let Some(service) = asked.balanced.iter().flatten().find(has_address) {
        let (namespace, name) = (service.namespace().unwrap_or_default(), service.name_any());
        let by = format!("whoever gave the Service {namespace}/{name} its address");
        return LoadBalancerGuess::Likely { by };
    }
    let likely = |by: &str| LoadBalancerGuess::Likely { by: by.to_owned() };
    if asked
        .groups
        .as_ref()
        .is_ok_and(|groups| groups.contains("metallb.io"))
    {
        return likely("MetalLB");
    }
    let nodes = asked.nodes.as_deref().unwrap_or_default();
    for node in nodes {
        let id = node
            .spec
            .as_ref()
            .and_then(|spec| spec.provider_id.as_deref())
            .unwrap_or_default();
        if let Some((_, cloud)) = CLOUDS.iter().find(|(prefix, _)| id.starts_with(prefix)) {
            return likely(cloud);
        }
    }
    if kubelets(nodes).any(|version| version.contains("+k3s")) {
        return likely("K3s' own load balancer");
    }
    LoadBalancerGuess::Unlikely
}

fn kubelets(nodes: &[Node]) -> impl Iterator<Item = &str> {
    nodes.iter().filter_map(|node| {
        let info = node.status.as_ref()?.node_info.as_ref()?;
        Some(info.kubelet_version.as_str())
    })
}

fn ingress(asked: &Asked, findings: &mut ClusterFindings) -> CheckStep {
    let name = CheckName::Ingress;
    let groups = asked.groups.as_ref();
    findings.gateway_api = groups.is_ok_and(|groups| groups.contains("gateway.networking.k8s.io"));
    findings.gateways = asked.gateways.as_deref().unwrap_or_default().to_vec();
    findings.load_balancer = load_balancer(asked);
    let mut details = Vec::new();
    match (findings.gateway_api, findings.gateways.as_slice()) {
        (false, _) => details.push(
            "The cluster has no Gateway API: Pluvio's own gateway serves the routes.".to_owned(),
        ),
        (true, []) => {
            details.push("The cluster knows the Gateway API and has no Gateway yet.".to_owned())
        }
        (true, gateways) => details.push(format!(
            "Gateways that routes can attach to: {}.",
            gateways.join(", ")
        )),
    }
    let shown: Vec<&str> = findings
        .node_addresses
        .iter()
        .take(5)
        .map(String::as_str)
        .collect();
    if !shown.is_empty() {
        let more = findings.node_addresses.len() - shown.len();
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        details.push(format!("Nodes: {}{more}.", shown.join(", ")));
    }
    let mut step = match &findings.load_balancer {
        LoadBalancerGuess::Likely { by } => passed(name, format!("Services of type LoadBalancer should get an address, from {by}.")),
        LoadBalancerGuess::Unlikely if !findings.node_addresses.is_empty() => warning(name, "Nothing tells of a load balancer: applications are reached at the nodes' own addresses.")
            .remedy("Point the domain at the nodes, or install a load balancer such as MetalLB."),
        LoadBalancerGuess::Unlikely => warning(name, "Neither a load balancer nor an address of a node was found.")
            .remedy("Install a load balancer such as MetalLB, or allow this user `list nodes`."),
    };
    step.details = details;
    step
}

/// Networks by the daemons that they run, and whether they enforce NetworkPolicies.
const NETWORKS: [(&str, &str, bool); 14] = [
    ("calico-node", "Calico", true),
    ("canal", "Canal (Calico)", true),
    ("rke2-canal", "Canal (Calico)", true),
    ("cilium", "Cilium", true),
    ("anetd", "GKE Dataplane V2 (Cilium)", true),
    ("antrea-agent", "Antrea", true),
    ("weave-net", "Weave Net", true),
    ("kube-router", "kube-router", true),
    ("ovnkube-node", "OVN-Kubernetes", true),
    ("kube-ovn-cni", "Kube-OVN", true),
    ("azure-npm", "Azure Network Policy Manager", true),
    ("romana-agent", "Romana", true),
    ("kube-flannel-ds", "Flannel", false),
    ("kube-flannel", "Flannel", false),
];

fn enforcement(asked: &Asked) -> PolicyEnforcement {
    let none = BTreeSet::new();
    let daemons = asked.daemons.as_ref().unwrap_or(&none);
    let here = NETWORKS
        .iter()
        .filter(|(daemon, ..)| daemons.contains(*daemon));
    // Flannel beside Calico is Canal: whoever enforces counts.
    if let Some((_, network, _)) = here.clone().find(|(_, _, enforces)| *enforces) {
        return PolicyEnforcement::Enforced {
            by: (*network).to_owned(),
        };
    }
    let nodes = asked.nodes.as_deref().unwrap_or_default();
    if kubelets(nodes).any(|version| version.contains("+k3s")) {
        return PolicyEnforcement::Enforced {
            by: "K3s' own controller".to_owned(),
        };
    }
    let mut here = here;
    match here.next() {
        Some((_, network, _)) => PolicyEnforcement::NotEnforced {
            network: (*network).to_owned(),
        },
        None => PolicyEnforcement::Unknown,
    }
}

fn policies(asked: &Asked, findings: &mut ClusterFindings) -> CheckStep {
    let name = CheckName::NetworkPolicies;
    findings.network_policies = enforcement(asked);
    let remedy = "Install a network that enforces them, such as Calico or Cilium, if applications shall be kept apart. Until then every pod reaches every other.";
    match &findings.network_policies {
        PolicyEnforcement::Enforced { by } => passed(name, format!("They are enforced by {by}.")),
        PolicyEnforcement::NotEnforced { network } => warning(
            name,
            format!("{network} does not enforce them: they are kept, and have no effect."),
        )
        .remedy(remedy),
        PolicyEnforcement::Unknown => {
            let mut step = warning(name, "No network that is known to enforce them was found: whether they have an effect is not known.").remedy(remedy);
            if let Err(failure) = &asked.daemons {
                step = step.detail(format!(
                    "The cluster's daemons cannot be read: {}.",
                    failure.told()
                ));
            }
            step
        }
    }
}

fn metrics(asked: &Asked, findings: &mut ClusterFindings) -> CheckStep {
    let name = CheckName::Metrics;
    findings.metrics = asked.metrics.is_ok();
    let remedy = "Install metrics-server, if what applications use shall be seen and autoscaling shall work.";
    match &asked.metrics {
        Ok(()) => passed(name, "The cluster measures what nodes and pods use."),
        Err(failure) if failure.is(404) => {
            warning(name, "The cluster has no metrics API (metrics.k8s.io).").remedy(remedy)
        }
        Err(failure) if failure.is(403) => warning(name, "This user may not read what nodes use.")
            .remedy("Allow it `get, list nodes.metrics.k8s.io` and `pods.metrics.k8s.io`."),
        Err(failure) => warning(
            name,
            format!(
                "The metrics API is there and does not answer: {}.",
                failure.told()
            ),
        )
        .remedy("Look at the pods of metrics-server, mostly in kube-system."),
    }
}
