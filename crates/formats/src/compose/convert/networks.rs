//! Networks: which services share one, what they are called there, and what the file says of each.

use indexmap::{IndexMap, IndexSet};
use pluvio_model::name::Name;
use pluvio_model::spec::{NetworkSpec, default_network};

use super::super::item::{Fields, Item, Map, Place};
use super::super::values;
use super::making::Making;
use super::{Convert, cut};

/// The networks of a service by the file's names, and what it is called on each alone.
pub(super) struct Joined {
    at: Place,
    path: String,
    networks: IndexMap<String, Vec<String>>,
}

impl Joined {
    fn names(&self) -> IndexSet<&str> {
        self.networks.keys().map(String::as_str).collect()
    }
}

impl Convert<'_> {
    pub(super) fn networks_of(&mut self, fields: &mut Fields, making: &Making) {
        let mut joined = Joined {
            at: fields.at,
            path: String::new(),
            networks: IndexMap::new(),
        };
        if let Some(networks) = fields.take("networks") {
            joined.at = networks.at;
            joined.path.clone_from(&networks.path);
            if let Some(all) = networks.item.as_map() {
                self.each_network(all, &mut joined);
            } else {
                self.told.invalid(
                    networks.at,
                    &networks.path,
                    "It is neither a list nor a map.",
                    "Write the names of networks with dashes.",
                );
            }
        }
        if joined.networks.is_empty() {
            joined.networks.insert("default".to_owned(), Vec::new());
        }
        self.joined.insert(making.name.clone(), joined);
    }

    fn each_network(&mut self, all: &Map, joined: &mut Joined) {
        for (name, field) in all {
            if !self.networks.contains_key(name) && name != "default" {
                self.told.adapted(
                    field.at,
                    &joined.path,
                    format!("The network {name} is not declared; it is made all the same."),
                );
            }
            self.used.insert(("networks", name.clone()));
            let mut inner = Fields::new(format!("{}.{name}", joined.path), &field.item);
            let mut aliases = Vec::new();
            if let Some(taken) = inner.take("aliases") {
                for (at, alias) in self.texts(&taken) {
                    if self.is_host_name(&taken.path, at, &alias) {
                        aliases.push(alias);
                    }
                }
            }
            joined.networks.insert(name.clone(), aliases);
            for key in [
                "ipv4_address",
                "ipv6_address",
                "mac_address",
                "link_local_ips",
                "interface_name",
                "driver_opts",
            ] {
                if let Some(taken) = inner.take(key) {
                    self.told.refused(
                        taken.at,
                        &taken.path,
                        "Addresses of instances are Pluvio's choice, so that two can run side by side.",
                        "Reach it by its name.",
                    );
                }
            }
            for key in ["priority", "gw_priority"] {
                if let Some(taken) = inner.take(key) {
                    self.told.ignored(
                        taken.at,
                        &taken.path,
                        "The way out is the engine's choice among networks that have one.",
                    );
                }
            }
            inner.finish(&mut self.told, &[]);
        }
    }

    /// Once all services are known: where all are on the same networks, these are the application's own; else each is one.
    pub(super) fn share_networks(&mut self) {
        let sections = std::mem::take(&mut self.networks);
        let joined = std::mem::take(&mut self.joined);
        let mut all = joined.values().map(Joined::names);
        let first = all.next().unwrap_or_default();
        let one = all.all(|names| names == first);
        let internal = |name: &str| {
            let item = sections
                .get(name)
                .and_then(|field| field.item.get("internal"));
            item.and_then(Item::as_scalar).and_then(values::boolean) == Some(true)
        };
        let names = self.network_names(&sections, &joined);
        if one {
            if !first.is_empty() && first.iter().all(|name| internal(name)) {
                let own = NetworkSpec { internal: true };
                self.spec.networks.insert(default_network(), own);
            }
        } else {
            for (network, name) in &names {
                let used = joined
                    .values()
                    .any(|one| one.networks.contains_key(network));
                let internal = internal(network);
                if used && (internal || *name != default_network()) {
                    let network = NetworkSpec { internal };
                    self.spec.networks.insert(name.clone(), network);
                }
            }
        }
        for (component, joined) in &joined {
            self.join(component, joined, one, &names);
        }
        for (name, field) in &sections {
            self.network_section(name, &field.item, field.at, one, &names[name]);
        }
    }

    /// What each network of the file is called here.
    fn network_names(
        &self,
        sections: &Map,
        joined: &IndexMap<Name, Joined>,
    ) -> IndexMap<String, Name> {
        let mut names: IndexMap<String, Name> = [("default".to_owned(), default_network())].into();
        let used = joined.values().flat_map(|joined| joined.networks.keys());
        for network in sections.keys().chain(used) {
            if names.contains_key(network) {
                continue;
            }
            let plain =
                Name::suggest(network).unwrap_or_else(|| "network".parse().expect("a name"));
            let mut name = plain.clone();
            let mut count = 2;
            while names.values().any(|taken| *taken == name) {
                name = Name::suggest(&format!("{}-{count}", cut(plain.as_str(), 50)))
                    .expect("letters and a number");
                count += 1;
            }
            names.insert(network.clone(), name);
        }
        names
    }

    fn join(&mut self, name: &Name, joined: &Joined, one: bool, names: &IndexMap<String, Name>) {
        let Some(component) = self.spec.components.get_mut(name) else {
            return;
        };
        let own = joined.networks.len() == 1 && joined.networks.contains_key("default");
        if !one && !own {
            component.networks = joined
                .networks
                .keys()
                .map(|key| names[key].clone())
                .collect();
        }
        for (network, aliases) in &joined.networks {
            for alias in aliases {
                let known = component.aliases.contains(alias) || alias == name.as_str();
                if known {
                    continue;
                }
                if one || joined.networks.len() == 1 {
                    component.aliases.push(alias.clone());
                    continue;
                }
                let there = component.network_aliases.entry(names[network].clone());
                let there = there.or_default();
                if !there.contains(alias) {
                    there.push(alias.clone());
                }
            }
        }
        if one && !own {
            let all: Vec<&str> = joined.networks.keys().map(String::as_str).collect();
            self.told.adapted(
                joined.at,
                &joined.path,
                format!(
                    "{} is the application's own network here: all services share it.",
                    all.join(", ")
                ),
            );
        }
    }

    fn network_section(&mut self, key: &str, item: &Item, at: Place, one: bool, name: &Name) {
        let path = format!("networks.{key}");
        let mut fields = Fields::new(path.clone(), item);
        fields.at = at;
        let used = self.used.contains(&("networks", key.to_owned())) || key == "default";
        if let Some(internal) = fields.take("internal")
            && self.flag(&internal) != Some(true)
        {
            self.told
                .ignored(internal.at, &internal.path, "It is so anyway.");
        }
        if let Some(external) = fields.take("external") {
            self.told.refused(
                external.at,
                &external.path,
                "The network of somebody else is not joined: services that name it share one of the application's own.",
                "Reach what is there by a published port, or make both one application.",
            );
        }
        for (key, why) in [
            (
                "ipam",
                "Addresses on an application's networks are Pluvio's choice.",
            ),
            (
                "driver_opts",
                "An application's network has no options of a driver.",
            ),
            (
                "enable_ipv6",
                "An application's network has IPv4 addresses.",
            ),
            (
                "enable_ipv4",
                "An application's network has IPv4 addresses.",
            ),
        ] {
            if let Some(taken) = fields.take(key) {
                self.told.refused(
                    taken.at,
                    &taken.path,
                    why,
                    "Take it out; names lead to components whatever their addresses.",
                );
            }
        }
        if let Some(driver) = fields.take("driver") {
            match driver.item.as_text() {
                Some("bridge" | "default" | "overlay") => self.told.ignored(
                    driver.at,
                    &driver.path,
                    "An application's networks are bridges.",
                ),
                other => self.told.refused(
                    driver.at,
                    &driver.path,
                    format!(
                        "An application's network is a bridge, not `{}`.",
                        other.unwrap_or("?")
                    ),
                    "Publish the ports that must be reached from outside.",
                ),
            }
        }
        for key in ["name", "labels", "attachable"] {
            if let Some(taken) = fields.take(key) {
                self.told.ignored(
                    taken.at,
                    &taken.path,
                    "Pluvio names and labels an application's networks itself.",
                );
            }
        }
        fields.finish(&mut self.told, &[]);
        if !used {
            self.told.ignored(at, &path, "No service uses it.");
        } else if one {
            self.told.adapted(
                at,
                &path,
                "It becomes the application's own network, which all its components share.",
            );
        } else if name.as_str() != key {
            self.told
                .adapted(at, &path, format!("The network is called `{name}` here."));
        }
    }
}
