//! Networks: which services share one, what they are called there, and what the file says of each.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use indexmap::{IndexMap, IndexSet};
use pluvio_model::name::Name;
use pluvio_model::spec::{NetworkSpec, default_network};

use super::super::item::{Field, Fields, Item, Map, Place, Taken};
use super::super::values;
use super::making::Making;
use super::whole::each_text;
use super::{Convert, cut};
use crate::validate::is_shared_name;

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

/// What the file says of a network beside its members.
#[derive(Default)]
struct Section {
    internal: bool,
    external: bool,
    /// What engines call it, where the file says so.
    called: Option<String>,
    /// What other files call it, if one may.
    shared: Option<String>,
}

impl Section {
    fn of(key: &str, item: &Item) -> Section {
        let flag = |item: &Item| item.as_scalar().and_then(values::boolean);
        let internal = item.get("internal").and_then(flag) == Some(true);
        let external = item.get("external");
        let old = external.and_then(|item| item.get("name")?.as_text());
        let called = old.or(item.get("name").and_then(Item::as_text));
        let external = external.is_some_and(|item| flag(item) != Some(false));
        let shared = called.or(external.then_some(key)).filter(|name| {
            let is_nobodys = external && ENGINES_OWN.contains(name);
            let is_proxys = values::is_of_a_proxy(key) || values::is_of_a_proxy(name);
            !internal && !is_proxys && !is_nobodys && is_shared_name(name)
        });
        Section {
            internal,
            external,
            called: called.map(str::to_owned),
            shared: shared.map(str::to_owned),
        }
    }

    /// `none` and `host` of every engine, where the file takes it from outside.
    fn engines_own(&self, key: &str) -> Option<&'static str> {
        let called = self.called.as_deref().unwrap_or(key);
        let own = ENGINES_OWN.into_iter().find(|own| *own == called);
        own.filter(|_| self.external)
    }

    fn spec(&self) -> NetworkSpec {
        NetworkSpec {
            internal: self.internal,
            shared: self.shared.clone(),
        }
    }
}

impl Convert<'_> {
    /// `none` or `host`, where a service is on that network of the engine's and on no other.
    pub(super) fn engines_own_network(&mut self, fields: &Fields) -> Option<&'static str> {
        let all = fields.peek("networks")?.as_map()?;
        let (only, said) = all.first().filter(|_| all.len() == 1)?;
        if !said.item.is_null() {
            return None;
        }
        let section = Section::of(only, &self.networks.get(only)?.item);
        let own = section.engines_own(only)?;
        self.used.insert(("networks", only.clone()));
        Some(own)
    }

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
        if making.network.is_some() {
            return;
        }
        if let Some(name) = &making.joins {
            joined.networks = [(name.clone(), Vec::new())].into();
        }
        if joined.networks.is_empty() {
            joined.networks.insert("default".to_owned(), Vec::new());
        }
        self.joined.insert(making.name.clone(), joined);
    }

    /// A network that a service names by what engines call it: the file's of that name, else one that is taken for external.
    pub(super) fn outside_network(&mut self, name: &str, at: Place) -> String {
        let is_it = |(key, field): &(&String, &Field)| {
            let shared = Section::of(key, &field.item).shared;
            shared.as_deref().unwrap_or(key) == name
        };
        let declared = self.networks.iter().find(is_it);
        let key = declared.map_or(name, |(key, _)| key).to_owned();
        if !self.networks.contains_key(&key) {
            let external = Field {
                at,
                item: Item::scalar(at, "true"),
            };
            let item = Item::map(
                at,
                [("external".to_owned(), external)].into_iter().collect(),
            );
            self.networks.insert(key.clone(), Field { at, item });
        }
        self.used.insert(("networks", key.clone()));
        key
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
            if let Some(taken) = inner.take("ipv4_address") {
                self.fixed_address(&taken);
            }
            for key in [
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

    /// Names lead to components whatever their addresses, so a fixed one is missed only by what names it.
    fn fixed_address(&mut self, taken: &Taken) {
        let Some(text) = self.text(taken) else { return };
        let Ok(address) = text.parse::<Ipv4Addr>() else {
            self.told.invalid(
                taken.at,
                &taken.path,
                format!("`{text}` is no address of IPv4."),
                "Write one such as 172.20.0.5, or take it out.",
            );
            return;
        };
        if self.addresses.contains(&address) {
            self.told.refused(
                taken.at,
                &taken.path,
                "Addresses of instances are Pluvio's choice, so that two can run side by side, and the file names this one elsewhere.",
                "Write the component's name where the address stands.",
            );
        } else {
            self.told.adapted(
                taken.at,
                &taken.path,
                "Its address is Pluvio's choice, so that two instances can run side by side; nothing else in the file names this one.",
            );
        }
    }

    /// Ranges of a network, which are missed only by what names an address of them.
    fn ranges(&mut self, taken: &Taken) {
        let mut named = false;
        let mut all = Vec::new();
        each_text(taken.item, &mut |text| {
            all.push(text);
            if let Some(range) = range(text) {
                named |= self.addresses.iter().any(|address| range.contains(address));
            }
        });
        if named {
            self.told.refused(
                taken.at,
                &taken.path,
                "Addresses on an application's networks are Pluvio's choice, and the file names some of this range elsewhere.",
                "Write names where the addresses stand; they lead to components whatever their addresses.",
            );
        } else {
            self.told.adapted(
                taken.at,
                &taken.path,
                format!(
                    "Addresses on an application's networks are Pluvio's choice; nothing else in the file names one of these: {}.",
                    all.join(", ")
                ),
            );
        }
    }

    /// Once all services are known: where all are on the same networks, these are the application's own; else each is one.
    pub(super) fn share_networks(&mut self) {
        let sections = std::mem::take(&mut self.networks);
        let joined = std::mem::take(&mut self.joined);
        let mut all = joined.values().map(Joined::names);
        let first = all.next().unwrap_or_default();
        let described: IndexMap<&str, Section> = sections
            .iter()
            .map(|(key, field)| (key.as_str(), Section::of(key, &field.item)))
            .collect();
        let section = |name: &str| described.get(name);
        let shared = first
            .iter()
            .filter_map(|name| section(name)?.shared.clone());
        let shared: Vec<String> = shared.collect();
        // A network has one name beyond the application.
        let one = all.all(|names| names == first) && shared.len() < 2;
        let names = network_names(&described, &joined);
        if one {
            let internal = |name: &&str| section(name).is_some_and(|network| network.internal);
            let own = NetworkSpec {
                internal: !first.is_empty() && first.iter().all(internal),
                shared: shared.into_iter().next(),
            };
            if own != NetworkSpec::default() {
                self.spec.networks.insert(default_network(), own);
            }
        } else {
            for (network, name) in &names {
                let used = joined
                    .values()
                    .any(|one| one.networks.contains_key(network));
                let network = section(network).map(Section::spec).unwrap_or_default();
                if used && (network != NetworkSpec::default() || *name != default_network()) {
                    self.spec.networks.insert(name.clone(), network);
                }
            }
        }
        for (component, joined) in &joined {
            self.join(component, joined, one, &names);
        }
        for (name, field) in &sections {
            let on_it = joined.values().any(|one| one.networks.contains_key(name));
            let section = &described[name.as_str()];
            self.network_section(name, field, (one, on_it), &names[name], section);
        }
    }

    fn join(&mut self, name: &Name, joined: &Joined, one: bool, names: &IndexMap<String, Name>) {
        let Some(component) = self.spec.components.get_mut(name) else {
            return;
        };
        let own = joined.networks.len() == 1 && joined.networks.contains_key("default");
        if !one && !own {
            let all = joined.networks.keys().map(|key| names[key].clone());
            component.networks = all.collect::<IndexSet<Name>>().into_iter().collect();
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
            let own = self.spec.networks.get(&default_network());
            let message = match own.and_then(|own| own.shared.as_ref()) {
                Some(called) => format!(
                    "{} is the network of all services here, which other applications reach as `{called}`.",
                    all.join(", ")
                ),
                None => format!(
                    "{} is the application's own network here: all services share it.",
                    all.join(", ")
                ),
            };
            self.told.adapted(joined.at, &joined.path, message);
        }
    }

    fn network_section(
        &mut self,
        key: &str,
        field: &Field,
        (one, on_it): (bool, bool),
        name: &Name,
        section: &Section,
    ) {
        let (item, at) = (&field.item, field.at);
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
            let called = section.called.as_deref().unwrap_or(key);
            if !section.external {
                self.told
                    .ignored(external.at, &external.path, "It is so anyway.");
            } else if let Some(own) = section.engines_own(key) {
                if on_it {
                    self.told.refused(
                        external.at,
                        &external.path,
                        format!("`{own}` is the engine's own, and what is on it is on no other and has no other name there: compose itself ends with an error."),
                        "Put services on it alone, or take it out.",
                    );
                } else if used {
                    let message = match own {
                        "none" => "It is the engine's own: a service that is on it has no network.",
                        _ => {
                            "It is the engine's own: a service that is on it is on the machine's network."
                        }
                    };
                    self.told.adapted(external.at, &external.path, message);
                }
                fields.take("name");
            } else if values::is_of_a_proxy(key) || values::is_of_a_proxy(called) {
                self.told.adapted(
                    external.at,
                    &external.path,
                    "The network of a reverse proxy: here the gateway reaches the components that have routes. Services that name it share one of the application's own.",
                );
            } else if let Some(shared) = &section.shared {
                self.told.adapted(
                    external.at,
                    &external.path,
                    format!("What is on a network that others call `{shared}`, in other applications of the same environment, is reached by its name there, and reaches this. It needs not be made before, and goes with the last that names it."),
                );
            } else {
                self.told.refused(
                    external.at,
                    &external.path,
                    format!("`{called}` is somebody else's, and no name that a network can be shared by."),
                    "Give it a name of letters, digits, `_`, `.` and `-`.",
                );
            }
        }
        if let Some(taken) = fields.take("ipam") {
            self.ranges(&taken);
        }
        if let Some(ipv6) = fields.take("enable_ipv6") {
            if self.flag(&ipv6) == Some(true) {
                self.told.refused(
                    ipv6.at,
                    &ipv6.path,
                    "An application's network has IPv4 addresses.",
                    "Take it out; names lead to components whatever their addresses.",
                );
            } else {
                self.told.ignored(ipv6.at, &ipv6.path, "It is so anyway.");
            }
        }
        for (key, why) in [
            (
                "driver_opts",
                "An application's network has no options of a driver.",
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
                _ if !on_it => self.told.ignored(
                    driver.at,
                    &driver.path,
                    "No service is on it, so it is not made.",
                ),
                Some("none" | "null") => self.told.refused(
                    driver.at,
                    &driver.path,
                    "Engines make no network of this driver: compose itself ends with `plugin \"none\" not found`.",
                    "Take the network out, and write `network_mode: none` in each service that is to have no network.",
                ),
                Some("host") => self.told.refused(
                    driver.at,
                    &driver.path,
                    "Engines make no second network of this driver: compose itself ends with an error.",
                    "Take the network out, and write `network_mode: host` in each service that is to be on the machine's network.",
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
        if let Some(taken) = fields.take("name")
            && section.shared.is_none()
        {
            self.told.ignored(
                taken.at,
                &taken.path,
                "Pluvio names an application's networks itself.",
            );
        }
        for key in ["labels", "attachable"] {
            if let Some(taken) = fields.take(key) {
                self.told.ignored(
                    taken.at,
                    &taken.path,
                    "Pluvio labels an application's networks itself.",
                );
            }
        }
        fields.finish(&mut self.told, &[]);
        if !used {
            self.told.ignored(at, &path, "No service uses it.");
        } else if section.engines_own(key).is_some() && !on_it {
            // It is nothing of the application's.
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

/// What each network of the file is called here. Two keys that engines call by one name are one network.
fn network_names(
    described: &IndexMap<&str, Section>,
    joined: &IndexMap<Name, Joined>,
) -> IndexMap<String, Name> {
    let shared_as = |network: &str| described.get(network)?.shared.clone();
    let mut names: IndexMap<String, Name> = [("default".to_owned(), default_network())].into();
    let own = shared_as("default").map(|called| (called, default_network()));
    let mut shared: IndexMap<String, Name> = own.into_iter().collect();
    let used = joined.values().flat_map(|joined| joined.networks.keys());
    let used = used.map(String::as_str);
    for network in described.keys().copied().chain(used) {
        if names.contains_key(network) {
            continue;
        }
        let called = shared_as(network);
        if let Some(known) = called.as_ref().and_then(|called| shared.get(called)) {
            names.insert(network.to_owned(), known.clone());
            continue;
        }
        let plain = Name::suggest(network).unwrap_or_else(|| "network".parse().expect("a name"));
        let mut name = plain.clone();
        let mut count = 2;
        while names.values().any(|taken| *taken == name) {
            name = Name::suggest(&format!("{}-{count}", cut(plain.as_str(), 50)))
                .expect("letters and a number");
            count += 1;
        }
        shared.extend(called.map(|called| (called, name.clone())));
        names.insert(network.to_owned(), name);
    }
    names
}

/// Every address of IPv4 in the values of a file, but for what it says of networks.
pub(super) fn addresses_named(document: &Item) -> BTreeSet<Ipv4Addr> {
    let mut found = BTreeSet::new();
    let mut look = |text: &str| {
        let is_part = |c: char| c.is_ascii_digit() || c == '.';
        for word in text.split(|c| !is_part(c)) {
            found.extend(word.trim_matches('.').parse::<Ipv4Addr>());
        }
    };
    for (section, field) in document.as_map().into_iter().flatten() {
        if section == "networks" {
            continue;
        }
        for one in field.item.as_map().into_iter().flat_map(Map::values) {
            match one.item.as_map().filter(|_| section == "services") {
                Some(keys) => {
                    let keys = keys.iter().filter(|(key, _)| *key != "networks");
                    keys.for_each(|(_, field)| each_text(&field.item, &mut look));
                }
                None => each_text(&one.item, &mut look),
            }
        }
    }
    found
}

/// `172.20.0.0/16`
fn range(text: &str) -> Option<RangeInclusive<Ipv4Addr>> {
    let (address, length) = text.split_once('/')?;
    let (address, length) = (
        address.parse::<Ipv4Addr>().ok()?,
        length.parse::<u32>().ok()?,
    );
    let hosts = u32::MAX.checked_shr(length).unwrap_or(0);
    let first = address.to_bits() & !hosts;
    Some(Ipv4Addr::from_bits(first)..=Ipv4Addr::from_bits(first | hosts))
}

/// Networks that every engine has, and that are none.
const ENGINES_OWN: [&str; 2] = ["none", "host"];
