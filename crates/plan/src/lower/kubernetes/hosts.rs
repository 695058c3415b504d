//! What is written into a pod's `/etc/hosts`.

use std::net::IpAddr;

use indexmap::IndexMap;
use pluvio_model::release::{Content, DecidedComponent, Release};
use pluvio_model::spec::{ContainerOptions, OutsideHost};

use super::api::HostAlias;
use super::component_object;
use super::refuse::{is_label, words_of};

/// What engines put the address of their machine in for.
const MACHINE: &str = "host-gateway";

/// Each address once, as server-side apply wants it. The pod's own full name leads to itself, as Docker has it, though not to its
/// address on the network, which nobody knows before it runs.
pub(super) fn host_aliases(content: &Content, options: &ContainerOptions) -> Vec<HostAlias> {
    let asked = content.extra_hosts.iter();
    let asked =
        asked.filter_map(|(host, address)| Some((address.parse::<IpAddr>().ok()?, host.clone())));
    let own = match (&options.hostname, &options.domainname) {
        (Some(host), Some(domain)) if !host.contains('.') => Some(format!("{host}.{domain}")),
        (Some(host), _) if host.contains('.') => Some(host.clone()),
        _ => None,
    };
    let own = own.map(|name| (IpAddr::from([127, 0, 0, 1]), name));
    let mut names: IndexMap<IpAddr, Vec<String>> = IndexMap::new();
    for (ip, host) in asked.chain(own).filter(|(_, host)| is_name(host)) {
        let names = names.entry(ip).or_default();
        let host = host.to_ascii_lowercase();
        if !names.contains(&host) {
            names.push(host);
        }
    }
    let all = names.into_iter();
    all.map(|(ip, hostnames)| HostAlias { ip, hostnames })
        .collect()
}

/// `is_asked`: whether something of the application names a host. Where nothing does, a name for the machine was written just in
/// case, and is left out.
pub(super) fn unsupported(
    content: &Content,
    path: &str,
    is_asked: impl Fn(&str) -> bool,
    refuse: &mut impl FnMut(String, &str, &str),
) {
    for (host, address) in &content.extra_hosts {
        let path = format!("{path}.extraHosts.{host}");
        if address == MACHINE {
            if is_asked(host) {
                refuse(
                    path,
                    "Which machine a pod runs on, and its address, is known only when it runs.",
                    "Write the IP address of the machine that is meant.",
                );
            }
        } else if address.parse::<IpAddr>().is_err() {
            refuse(
                path,
                &format!("`{address}` is not an address."),
                "Write an IP address.",
            );
        } else if !is_name(host) {
            refuse(
                path,
                "A pod's `/etc/hosts` takes names of letters, digits and hyphens between dots.",
                "Write such a name, here and where it is asked for.",
            );
        }
    }
}

fn is_name(host: &str) -> bool {
    host.to_ascii_lowercase().split('.').all(is_label)
}

/// A name by which no cluster's DNS leads to a Service, but which `/etc/hosts` may have.
pub(super) fn is_dotted(alias: &str) -> bool {
    alias.contains('.') && is_name(alias)
}

/// Names with dots that a component's programs are told to ask, each with the Service that it leads to. Only who asks is told: all
/// others would be replaced whenever there is one more. A name of its own `extraHosts` leads where that says.
pub(super) fn dotted_names(
    release: &Release,
    component: &DecidedComponent,
) -> IndexMap<String, String> {
    let mut all = dotted(release);
    if !all.is_empty() {
        let words = words_of(component);
        let extra = &component.content.extra_hosts;
        all.retain(|host, _| {
            let mut own = extra.keys();
            words.contains(host) && !own.any(|one| one.eq_ignore_ascii_case(host))
        });
    }
    all
}

/// All of an application whose component has a Service with an address; of two that have one name, the first one's.
fn dotted(release: &Release) -> IndexMap<String, String> {
    let inside = release.components.values();
    let inside = inside.filter(|component| !component.content.ports.is_empty());
    let inside = inside.flat_map(|component| {
        let content = &component.content;
        let on_networks = content.network_aliases.values().flatten();
        let all = content.aliases.iter().chain(on_networks);
        all.map(move |alias| (alias, &component.name))
    });
    let outside = release.externals.values().filter(|external| {
        let mut addresses = external.addresses.iter();
        addresses.all(|address| matches!(address.host, OutsideHost::Address(_)))
    });
    let outside = outside.flat_map(|external| {
        let all = external.aliases.iter();
        all.map(move |alias| (alias, &external.name))
    });
    let mut names = IndexMap::new();
    for (alias, name) in inside.chain(outside).filter(|(alias, _)| is_dotted(alias)) {
        let service = || component_object(release, name);
        names
            .entry(alias.to_ascii_lowercase())
            .or_insert_with(service);
    }
    names
}
