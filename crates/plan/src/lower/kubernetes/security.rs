//! Who reaches pods, and what pods may be: NetworkPolicies, what each container may, and the level of Pod Security that a namespace
//! enforces.

use std::collections::BTreeMap;
use std::net::IpAddr;

use indexmap::IndexMap;
use pluvio_model::name::{Name, derived};
use pluvio_model::release::{Content, DecidedComponent, DecidedContainer, Release, numeric_user};
use pluvio_model::route::Route;
use pluvio_model::spec::{HostOptions, VolumeKind, security_option};
use serde::Serialize;
use serde_json::{Value, json};

use super::api::{Capabilities, Profile, Security, Spec};
use super::names::{known_names, shared_label};
use super::pod::{protocol, published_port};
use super::{Lowering, component_object, key};

/// Capabilities that `baseline` lets be added (kubernetes.io/docs/concepts/security/pod-security-standards): what Docker gives each
/// container, but for NET_RAW.
const BASELINE: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Sysctls that `baseline` lets be set.
const SAFE_SYSCTLS: [&str; 9] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
];

/// Whether a release asks for more than `baseline` allows: each such thing needs a permission of whoever deploys it, but for
/// ports of the machine's loopback. An escape can say anything.
fn needs_privileged(release: &Release) -> bool {
    !release.objects.is_empty() || release.components.values().any(beyond_baseline)
}

pub(super) fn beyond_baseline(component: &DecidedComponent) -> bool {
    let content = &component.content;
    let patched = content.patch.as_ref();
    patched.is_some_and(|patch| !patch.kubernetes.is_empty())
        || !content.publish.is_empty()
        || std::iter::once(&content.main)
            .chain(content.sidecars.values())
            .chain(content.init.values())
            .any(container_beyond)
}

/// Kinds of rules that a container can be freed from, each with the word that engines have for it.
const CONFINED_BY: [(&str, &str); 3] = [
    ("seccomp", "unconfined"),
    ("apparmor", "unconfined"),
    ("label", "disable"),
];

/// Whether a container asks to be free of such rules.
fn is_unconfined(host: &HostOptions, rules: &str) -> bool {
    let mut freed = host.security.iter().map(|option| security_option(option));
    freed.any(|option| option.0 == rules && CONFINED_BY.contains(&option))
}

/// Whether its program may gain rights that it did not start with; `None` where nothing is said of it.
pub(super) fn may_gain(host: &HostOptions) -> Option<bool> {
    let options = host.security.iter().map(|option| security_option(option));
    let said = options.rev().find(|(key, _)| *key == "no-new-privileges");
    said.map(|(_, value)| value == "false")
}

/// As Kubernetes writes it. Engines take `cap_net_admin` too.
pub(super) fn capability(text: &str) -> String {
    let upper = text.to_ascii_uppercase();
    upper.strip_prefix("CAP_").unwrap_or(&upper).to_owned()
}

const UNCONFINED: Profile = Profile {
    r#type: "Unconfined",
};

/// As restricted as the program allows: who says which user it is gets the `restricted` standard whole. Others may start as root,
/// and get what engines give them as far as `baseline` allows it: servers that change their user need the capabilities, `sudo` and
/// the like that rights can be gained.
pub(super) fn of_container(container: &DecidedContainer) -> Security {
    let host = container.host.clone().unwrap_or_default();
    let user = container.numbered_user().and_then(numeric_user);
    let may_be_root = container.ordinary_user().is_none();
    Security {
        privileged: host.privileged,
        // A privileged container may do everything anyway; Kubernetes refuses the contradiction.
        allow_privilege_escalation: (!host.privileged)
            .then(|| may_gain(&host).unwrap_or(may_be_root)),
        run_as_non_root: (!may_be_root).then_some(true),
        run_as_user: user.map(|(user, _)| user),
        run_as_group: user.and_then(|(_, group)| group),
        read_only_root_filesystem: container
            .options
            .as_ref()
            .is_some_and(|asked| asked.read_only),
        capabilities: (!host.privileged).then(|| capabilities(&host, may_be_root)),
        seccomp_profile: is_unconfined(&host, "seccomp").then_some(UNCONFINED),
        app_armor_profile: is_unconfined(&host, "apparmor").then_some(UNCONFINED),
        // The type of SELinux that container engines give what is not labelled.
        se_linux_options: is_unconfined(&host, "label").then_some(Profile { r#type: "spc_t" }),
    }
}

fn capabilities(host: &HostOptions, may_be_root: bool) -> Capabilities {
    let named = |all: &[String]| all.iter().map(|one| capability(one)).collect::<Vec<_>>();
    let (mut add, drop) = (named(&host.capabilities), named(&host.drop_capabilities));
    let holds = |all: &[String], name: &str| all.iter().any(|one| one == name);
    if holds(&drop, "ALL") {
        add.retain(|one| one != "ALL");
    } else if holds(&add, "ALL") {
        // Runtimes take away after they gave: all and none would be none.
        return Capabilities { add, drop };
    } else if may_be_root {
        let kept: Vec<&str> = BASELINE
            .into_iter()
            .filter(|name| !holds(&drop, name) && !holds(&add, name))
            .collect();
        add.extend(kept.into_iter().map(str::to_owned));
    }
    Capabilities {
        add,
        drop: vec!["ALL".to_owned()],
    }
}

/// The group that volumes are given to: an ordinary user could not write to what a storage driver makes for root.
pub(super) fn group_of_volumes(content: &Content) -> Option<u32> {
    let mut all = content.containers();
    let is_disk = |container: &DecidedContainer| {
        let mut mounts = container.mounts.values();
        mounts.any(|mount| mount.kind == VolumeKind::Disk)
    };
    let (user, group) = all
        .find(|container| is_disk(container))
        .and_then(DecidedContainer::ordinary_user)?;
    Some(group.unwrap_or(user)).filter(|group| *group != 0)
}

/// A security option that pods have a word for.
pub(super) fn is_known(option: &str) -> bool {
    let (key, value) = security_option(option);
    CONFINED_BY.contains(&(key, value))
        || (key == "no-new-privileges" && matches!(value, "true" | "false"))
}

fn container_beyond(container: &DecidedContainer) -> bool {
    let host = container.host.clone().unwrap_or_default();
    let mut mounts = container.mounts.values();
    let freed = |(rules, _): &(&str, &str)| is_unconfined(&host, rules);
    host.privileged
        || CONFINED_BY.iter().any(freed)
        || host.network
        || host.pid
        || host.ipc
        || host
            .capabilities
            .iter()
            .any(|one| !BASELINE.contains(&capability(one).as_str()))
        || host
            .sysctls
            .keys()
            .any(|one| !SAFE_SYSCTLS.contains(&one.as_str()))
        || mounts.any(|mount| mount.kind == VolumeKind::Host)
}

/// What a namespace enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Restricted,
    Baseline,
    Privileged,
}

impl Level {
    /// What a release needs, where nothing stricter was asked for.
    pub fn of(release: &Release, restricted: bool) -> Level {
        match needs_privileged(release) {
            _ if restricted => Level::Restricted,
            true => Level::Privileged,
            false => Level::Baseline,
        }
    }

    /// A namespace's labels: what it enforces, and what its pods are measured against without being refused.
    pub fn labels(self) -> IndexMap<String, String> {
        let enforced = match self {
            Level::Restricted => "restricted",
            Level::Baseline => "baseline",
            Level::Privileged => "privileged",
        };
        [
            ("enforce", enforced),
            ("warn", "restricted"),
            ("audit", "restricted"),
        ]
        .map(|(mode, level)| {
            (
                format!("pod-security.kubernetes.io/{mode}"),
                level.to_owned(),
            )
        })
        .into()
    }
}

/// Who resolves names in a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    pub namespace: String,
    /// Labels of its pods; none where it is no pod.
    pub pods: BTreeMap<String, String>,
    /// Of its Service, of a cache on each node, and of what is no pod.
    pub addresses: Vec<IpAddr>,
    /// Where its pods listen.
    pub ports: Vec<DnsPort>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum DnsPort {
    Number(u16),
    Name(String),
}

impl Dns {
    fn peers(&self) -> Vec<Value> {
        let namespace = json!({ "matchLabels": { "kubernetes.io/metadata.name": self.namespace } });
        let cache = json!({ "k8s-app": "node-local-dns" });
        let pods = [json!(self.pods), cache].into_iter();
        let pods = pods.filter(|labels| labels.as_object().is_some_and(|one| !one.is_empty()));
        let pods = pods.map(|labels| {
            json!({ "namespaceSelector": namespace, "podSelector": { "matchLabels": labels } })
        });
        let blocks = self.addresses.iter().map(|address| {
            let length = if address.is_ipv4() { 32 } else { 128 };
            json!({ "ipBlock": { "cidr": format!("{address}/{length}") } })
        });
        pods.chain(blocks).collect()
    }
}

impl Lowering<'_> {
    /// Pods are reached by those of their own application that they share a network with, by who serves routes, and from outside
    /// where a port of the machine leads to them; by nobody else. A node always reaches its own pods: probes need no rule.
    pub(super) fn network_policies(&mut self) {
        let release = self.release;
        let all = json!(self.selector(None));
        let separated = release.components.values().any(|one| self.is_apart(one));
        let mut rules = Vec::new();
        if !separated {
            rules.push(json!({ "from": [{ "podSelector": { "matchLabels": all } }] }));
        }
        if let Some(namespace) = &self.options.own_gateway {
            // Which port is nobody's secret: the gateway dials where routes lead.
            rules.push(json!({ "from": [{
                "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace } },
                "podSelector": { "matchLabels": { "app.kubernetes.io/name": "pluvio-gateway" } },
            }] }));
        }
        // Of another application, those who share a network by a name that one of this is known by.
        let known = release.components.values();
        let known: Vec<Vec<String>> = known.map(|one| known_names(release, one)).collect();
        let mut of_all = known.first().cloned().unwrap_or_default();
        of_all.retain(|name| known.iter().all(|names| names.contains(name)));
        rules.extend(of_all.iter().map(|name| sharers(name)));
        let name = release.application_name.as_str();
        self.policy(None, name, &all, rules, None);
        for (component, known) in release.components.values().zip(&known) {
            let mut rules = Vec::new();
            if separated {
                rules.push(json!({ "from": [self.peers(component)] }));
            }
            let of_it = known.iter().filter(|name| !of_all.contains(name));
            rules.extend(of_it.map(|name| sharers(name)));
            let mut ports = published(component);
            if self.options.own_gateway.is_none() {
                // Where the pods are that serve routes, only the cluster knows.
                ports.extend(routed(release, component));
            }
            ports.dedup();
            if !ports.is_empty() {
                rules.push(json!({ "ports": ports }));
            }
            let ways_out = kept_in(component).then(|| self.ways_out(component));
            if rules.is_empty() && ways_out.is_none() {
                continue;
            }
            let selector = json!(self.selector(Some(&component.name)));
            let name = component_object(release, &component.name);
            self.policy(Some(component), &name, &selector, rules, ways_out);
        }
    }

    /// Whether it shares no network with one of the others.
    fn is_apart(&self, component: &DecidedComponent) -> bool {
        let mut others = self.release.components.values();
        others.any(|other| !share(component, other))
    }

    /// Those of the application that are on a network of the component's.
    fn peers(&self, component: &DecidedComponent) -> Value {
        let all = self.release.components.values();
        let names: Vec<&Name> = all
            .filter(|other| share(component, other))
            .map(|other| &other.name)
            .collect();
        json!({ "podSelector": {
            "matchLabels": self.selector(None),
            "matchExpressions": [{ "key": key::COMPONENT, "operator": "In", "values": names }],
        } })
    }

    /// On networks without a way out: to its peers, and to where names are asked for.
    fn ways_out(&self, component: &DecidedComponent) -> Value {
        let dns = self.options.dns.as_ref();
        let usual = [DnsPort::Number(53)];
        let ports = dns.map_or(&usual[..], |dns| &dns.ports);
        let ports = ports.iter().flat_map(|port| {
            ["UDP", "TCP"].map(|protocol| json!({ "protocol": protocol, "port": port }))
        });
        let to = dns.map_or_else(|| vec![json!({ "namespaceSelector": {} })], Dns::peers);
        json!([
            { "to": [self.peers(component)] },
            { "to": to, "ports": ports.collect::<Vec<Value>>() },
        ])
    }

    fn policy(
        &mut self,
        component: Option<&DecidedComponent>,
        name: &str,
        pods: &Value,
        ingress: Vec<Value>,
        egress: Option<Value>,
    ) {
        let metadata = self.metadata(&derived(&[name]), component);
        let mut spec = json!({
            "podSelector": { "matchLabels": pods },
            "policyTypes": ["Ingress"],
            "ingress": ingress,
        });
        if let Some(egress) = egress {
            spec["policyTypes"] = json!(["Ingress", "Egress"]);
            spec["egress"] = egress;
        }
        let kind = "NetworkPolicy";
        self.add(
            "networking.k8s.io/v1",
            kind,
            metadata,
            &Spec { spec },
            component,
        );
    }
}

fn sharers(name: &str) -> Value {
    let on_it = json!({ "key": shared_label(name), "operator": "Exists" });
    json!({ "from": [{ "podSelector": { "matchExpressions": [on_it] } }] })
}

fn share(one: &DecidedComponent, other: &DecidedComponent) -> bool {
    let joined = one.content.joined();
    other
        .content
        .joined()
        .iter()
        .any(|name| joined.contains(name))
}

/// None of its networks has a way out.
fn kept_in(component: &DecidedComponent) -> bool {
    let internal = &component.content.internal_networks;
    let joined = component.content.joined();
    joined.iter().all(|network| internal.contains(network))
}

/// Its ports that a port of the machine leads to from elsewhere; a node always reaches its own pods.
fn published(component: &DecidedComponent) -> Vec<Value> {
    let content = &component.content;
    let published = content.publish.iter();
    // Loopback, where nothing is said.
    let outward = published.filter(|one| one.address.is_some_and(|to| !to.is_loopback()));
    let all = outward.filter_map(|publish| {
        let port = published_port(content, publish)?;
        Some(json!({ "protocol": protocol(port.protocol), "port": port.port }))
    });
    all.collect()
}

fn routed(release: &Release, component: &DecidedComponent) -> Vec<Value> {
    let routes = release.routes.iter().filter(|route| !route.disabled);
    let backends = routes.flat_map(|route: &Route| &route.backends);
    let all = backends.filter_map(|backend| {
        let key = &backend.backend;
        let own = key.component().as_str() == component.name.as_str();
        let port = component
            .content
            .ports
            .iter()
            .find(|(name, _)| name.as_str() == key.port().as_str());
        let (_, port) = port.filter(|_| own)?;
        Some(json!({ "protocol": "TCP", "port": port.port }))
    });
    all.collect()
}
