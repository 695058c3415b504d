//! Whom pods ask for names: the cluster's own DNS, which networks without a way out have to reach, and nothing beside it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use pluvio_plan::lower::kubernetes::{Dns, DnsPort};

/// The Service's names, by who sets clusters up: kubeadm, k3s and the clouds; OpenShift. Helm charts name it as they like, and keep the
/// label.
const NAMED: [(&str, &str); 2] = [
    ("kube-system", "kube-dns"),
    ("openshift-dns", "dns-default"),
];
const LABEL: &str = "k8s-app=kube-dns";
/// Where a cache on each node listens, by its documentation (kubernetes.io/docs/tasks/administer-cluster/nodelocaldns).
const NODE_LOCAL: &str = "169.254.20.10";

/// `None` where it cannot be told: any pod may be asked then.
pub(crate) async fn find(client: &Client) -> Option<Dns> {
    match service(client).await {
        Ok(Some(service)) => told(client, &service).await,
        Ok(None) => None,
        Err(error) => {
            tracing::debug!(%error, "who resolves names cannot be read");
            None
        }
    }
}

async fn service(client: &Client) -> Result<Option<Service>, kube::Error> {
    for (namespace, name) in NAMED {
        let services = Api::<Service>::namespaced(client.clone(), namespace);
        if let Some(service) = services.get_opt(name).await? {
            return Ok(Some(service));
        }
    }
    let all = Api::<Service>::all(client.clone());
    let labelled = all.list(&ListParams::default().labels(LABEL)).await?;
    Ok(labelled.items.into_iter().next())
}

async fn told(client: &Client, service: &Service) -> Option<Dns> {
    let spec = service.spec.as_ref()?;
    let mut addresses: BTreeSet<IpAddr> = BTreeSet::new();
    let own = spec.cluster_ips.iter().flatten();
    addresses.extend(own.filter_map(|address| address.parse::<IpAddr>().ok()));
    addresses.extend(NODE_LOCAL.parse::<IpAddr>());
    let pods = spec.selector.clone().unwrap_or_default();
    if pods.is_empty() {
        // It is no pod: only its addresses tell.
        let namespace = service.namespace().unwrap_or_default();
        let slices = Api::<EndpointSlice>::namespaced(client.clone(), &namespace);
        let of = format!("kubernetes.io/service-name={}", service.name_any());
        let slices = slices.list(&ListParams::default().labels(&of)).await.ok()?;
        let endpoints = slices.items.into_iter().flat_map(|slice| slice.endpoints);
        let all = endpoints.flat_map(|endpoint| endpoint.addresses);
        addresses.extend(all.filter_map(|address| address.parse::<IpAddr>().ok()));
    }
    // Where a pod listens may be another port than the Service's: policies are about pods.
    let behind = spec.ports.iter().flatten();
    let behind = behind.filter_map(|port| {
        Some(match port.target_port.as_ref()? {
            IntOrString::Int(number) => DnsPort::Number(u16::try_from(*number).ok()?),
            IntOrString::String(name) => DnsPort::Name(name.clone()),
        })
    });
    let mut ports: BTreeSet<DnsPort> = behind.collect();
    ports.insert(DnsPort::Number(53));
    Some(Dns {
        namespace: service.namespace()?,
        pods,
        addresses: addresses.into_iter().collect(),
        ports: ports.into_iter().collect(),
    })
}
