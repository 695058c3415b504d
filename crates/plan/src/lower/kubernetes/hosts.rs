//! What is written into a pod's `/etc/hosts`.

use std::net::IpAddr;

use indexmap::IndexMap;
use pluvio_model::release::Content;
use pluvio_model::spec::ContainerOptions;

use super::api::HostAlias;
use super::refuse::is_label;

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
