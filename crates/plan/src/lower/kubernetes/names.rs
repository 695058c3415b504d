//! By which names components are found, in their own application and on networks that it shares with others.

use indexmap::IndexSet;
use pluvio_model::image::ContentHash;
use pluvio_model::name::Name;
use pluvio_model::release::{DecidedComponent, Release};
use pluvio_model::spec::{ContainerOptions, Kind};

use super::refuse::is_label;
use super::{component_object, instance_object, key, named_instances};

/// A name by which something is found inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InnerName {
    /// One label of a DNS name.
    pub host: String,
    /// The Service whose address it leads to.
    pub service: String,
    /// Whoever shares a network by one of these names finds it.
    pub known_as: Vec<String>,
}

/// Every name inside an application, each once: components and their aliases, instances with names of their own, what is outside.
/// All pods of a namespace are on one network, so an alias holds wherever it is asked for.
pub fn inner_names(release: &Release) -> Vec<InnerName> {
    let mut all: Vec<InnerName> = Vec::new();
    let mut add = |host: &str, service: &str, known_as: &[String]| {
        let host = host.to_ascii_lowercase();
        if let Some(known) = all.iter_mut().find(|one| one.host == host) {
            // Once more, on another network.
            if known.service == service {
                known.known_as.extend_from_slice(known_as);
            }
        } else if is_label(&host) {
            all.push(InnerName {
                host,
                service: service.to_owned(),
                known_as: known_as.to_vec(),
            });
        }
    };
    for (name, component) in &release.components {
        let known_as = known_names(release, component);
        add(name.as_str(), &component_object(release, name), &known_as);
        for ordinal in 0..named_instances(component) {
            let service = instance_object(release, name, ordinal);
            add(&format!("{name}-{ordinal}"), &service, &[]);
        }
    }
    for name in release.externals.keys() {
        add(name.as_str(), &component_object(release, name), &[]);
    }
    // Names of components come before what others are called besides.
    for (name, component) in &release.components {
        let service = component_object(release, name);
        for network in component.content.joined() {
            let known_as = known_as(release, &network);
            for alias in component.content.aliases_on(&network) {
                add(alias, &service, &known_as);
            }
        }
    }
    for (name, external) in &release.externals {
        let service = component_object(release, name);
        for alias in &external.aliases {
            add(alias, &service, &[]);
        }
    }
    all
}

/// What a pod calls itself where a container would call itself so: a pod's name for itself is one label. `None` for nothing that
/// could be one.
pub(super) fn pod_hostname(hostname: &str) -> Option<String> {
    let first = hostname.split('.').next().unwrap_or_default();
    let label: String = first
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(63)
        .collect();
    let label = label.trim_matches('-');
    is_label(label).then(|| label.to_owned())
}

/// Domains that a pod looks names up in besides. `.`, by which engines are told to take none over from the machine, is none.
pub(super) fn searched(options: &ContainerOptions) -> impl Iterator<Item = String> {
    let all = options.dns_search.iter();
    let all = all.map(|domain| domain.trim_end_matches('.').to_ascii_lowercase());
    all.filter(|domain| !domain.is_empty())
}

/// What the program is told as `HOSTNAME` where its pod cannot call itself so: pods of a stateful component have names of their own.
pub(super) fn told_hostname<'c>(
    component: &DecidedComponent,
    hostname: Option<&'c str>,
) -> Option<&'c str> {
    hostname.filter(|name| component.kind == Kind::Stateful || !is_label(name))
}

/// What the networks that a component is on are called by all that share them.
pub(super) fn shared_names<'r>(
    release: &'r Release,
    component: &'r DecidedComponent,
) -> impl Iterator<Item = &'r str> {
    let joined = component.content.joined().into_iter();
    joined.filter_map(|network| shared_name(release, &network))
}

fn shared_name<'r>(release: &'r Release, network: &Name) -> Option<&'r str> {
    release.networks.get(network)?.shared_name()
}

/// By which names the environment knows the networks that a component is on, each once.
pub(super) fn known_names(release: &Release, component: &DecidedComponent) -> Vec<String> {
    let joined = component.content.joined().into_iter();
    let all: IndexSet<String> = joined
        .flat_map(|network| known_as(release, &network))
        .collect();
    all.into_iter().collect()
}

/// What an environment knows a network by: the name that it shares, and the one that docker compose would give it, which other
/// people's files name as external. One without a way out is nobody else's.
fn known_as(release: &Release, network: &Name) -> Vec<String> {
    let decided = release.networks.get(network);
    if decided.is_some_and(|network| network.internal) {
        return Vec::new();
    }
    let compose = format!("{}_{network}", release.application_name);
    let shared = shared_name(release, network).map(str::to_owned);
    let shared = shared.filter(|shared| *shared != compose);
    shared.into_iter().chain([compose]).collect()
}

/// The label of pods on a network that applications share. Its name holds what a label's key can; one that is cut or altered for that
/// ends in a hash.
pub(super) fn shared_label(shared: &str) -> String {
    let plain = shared.len() <= 50 && is_label(shared);
    let name = match plain {
        true => shared.to_owned(),
        false => {
            let hash = ContentHash::of(&shared);
            format!("x-{}", &hash.as_str()[..16])
        }
    };
    format!("{}{name}", key::SHARED)
}
