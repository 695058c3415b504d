//! What leads to this application's components from within: their virtual addresses, and who is who.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use indexmap::IndexMap;
use pluvio_model::facts::{Reach, RuntimeKind};
use pluvio_model::name::Name;
use pluvio_model::spec::PortProtocol;
use pluvio_proxy::Network;

use super::Application;
use super::desired::Desired;
use crate::config::Subnet;
use crate::inner::{Inside, Served, keep_bridge_address};

impl Application {
    /// Gives each component its virtual address and has it served. Before any instance is made: it is told where the others are.
    pub(crate) async fn lead_inside(&mut self, desired: &Desired) {
        if !self.may_have_inner_addresses() {
            return;
        }
        let inside = match desired.kept.wish() {
            Some(_) if self.shared.inner.is_available().await => self.inside(desired),
            Some(_) => return,
            None => {
                for component in std::mem::take(&mut self.virtual_addresses).into_keys() {
                    self.take_back(&component);
                }
                Inside::default()
            }
        };
        if let Some(served) = inside.served.first() {
            for network in &served.networks {
                keep_bridge_address(*network).await;
            }
        }
        self.shared.inner.set(self.id, inside).await;
        // Found out just now: instances are not told of addresses that nobody serves.
        if !self.shared.inner.is_available().await {
            self.virtual_addresses.clear();
        }
    }

    fn may_have_inner_addresses(&self) -> bool {
        self.shared.engine.known_facts().is_some_and(|facts| {
            facts.reach == Reach::Bridge && facts.runtime != RuntimeKind::Memory
        })
    }

    fn inside(&mut self, desired: &Desired) -> Inside {
        let mut inside = Inside::default();
        let (Some(wish), Some(own)) = (desired.kept.wish(), desired.networks.first()) else {
            return inside;
        };
        let ranges = self.own_ranges(desired);
        let networks: Vec<Network> = ranges.iter().filter_map(|r| r.parse().ok()).collect();
        let ranges: Vec<Subnet> = ranges.iter().filter_map(|r| r.parse().ok()).collect();
        if networks.is_empty() {
            return inside;
        }
        let newest = self.newest(own);
        let now = self.shared.clock.now();
        let run = wish.release.components.iter();
        let run = run.map(|(name, component)| (name, &component.content.ports));
        let outside = wish.release.externals.iter();
        let outside = outside.map(|(name, external)| (name, &external.ports));
        for (name, ports) in run.chain(outside) {
            let ports: Vec<_> = ports
                .iter()
                .filter(|(_, port)| port.protocol != PortProtocol::Udp)
                .map(|(port, decided)| (port.clone(), decided.port, decided.protocol))
                .collect();
            if ports.is_empty() {
                continue;
            }
            let virtual_name = self.virtual_name(name);
            let given = match self.booked(&virtual_name, &ranges) {
                Some(address) => Ok(address),
                None => {
                    let in_use = self.addresses_in_use();
                    let addresses = &self.shared.addresses;
                    addresses.give(&newest, &virtual_name, &in_use, now)
                }
            };
            match given {
                Ok(address) => {
                    self.virtual_addresses.insert(name.clone(), address);
                    inside.served.push(Served {
                        component: name.clone(),
                        address,
                        networks: networks.clone(),
                        ports,
                    });
                }
                Err(error) => {
                    tracing::warn!(application = %self.id, component = %name, %error, "a component has no address of its own");
                }
            }
        }
        let gone: Vec<Name> = self
            .virtual_addresses
            .keys()
            .filter(|name| {
                !inside
                    .served
                    .iter()
                    .any(|served| served.component == **name)
            })
            .cloned()
            .collect();
        for name in gone {
            self.virtual_addresses.remove(&name);
            self.take_back(&name);
        }
        inside.clients = self.clients();
        inside
    }

    fn clients(&self) -> BTreeMap<IpAddr, Name> {
        self.instances
            .values()
            .flat_map(|instance| {
                let joined = instance.seen.networks.values().copied().flatten();
                let all = instance.seen.address.into_iter().chain(joined);
                all.map(|address| (address, instance.component.clone()))
            })
            .collect()
    }

    fn take_back(&self, component: &Name) {
        let now = self.shared.clock.now();
        self.shared
            .addresses
            .take_back(&self.virtual_name(component), now);
    }

    /// What a virtual address is booked under; no instance's name has a dot.
    fn virtual_name(&self, component: &Name) -> String {
        format!("inner.{}.{component}", self.id)
    }

    /// Addresses that containers of this application have, whoever gave them.
    pub(super) fn addresses_in_use(&self) -> BTreeSet<Ipv4Addr> {
        self.part
            .containers
            .iter()
            .flat_map(|container| {
                let joined = container.networks.values().copied().flatten();
                container.address.into_iter().chain(joined)
            })
            .filter_map(|address| match address {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            })
            .collect()
    }

    /// Names for an instance's `/etc/hosts`.
    pub(super) fn inner_hosts(&self, desired: &Desired) -> IndexMap<String, IpAddr> {
        let Some(wish) = desired.kept.wish() else {
            return IndexMap::new();
        };
        let mut hosts = IndexMap::new();
        let release = &wish.release;
        let outside = release.externals.values().filter_map(|external| {
            let served = self.virtual_addresses.contains_key(&external.name);
            match self.outside_directly(external)? {
                IpAddr::V4(address) if !served => Some((&external.name, address)),
                _ => None,
            }
        });
        let served = self.virtual_addresses.iter();
        let served = served.map(|(name, address)| (name, *address));
        for (name, address) in served.chain(outside) {
            let run = release.components.get(name);
            let aliases = run
                .map(|component| component.content.aliases.as_slice())
                .or_else(|| Some(release.externals.get(name)?.aliases.as_slice()))
                .unwrap_or_default();
            for host in aliases.iter().map(String::as_str).chain([name.as_str()]) {
                hosts.insert(host.to_owned(), IpAddr::V4(address));
            }
        }
        hosts
    }
}
