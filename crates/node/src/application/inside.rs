//! What leads to this application's components from within: their virtual addresses, and who is who.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use pluvio_model::facts::{Reach, RuntimeKind};
use pluvio_model::name::Name;
use pluvio_model::release::Release;
use pluvio_model::spec::PortProtocol;
use pluvio_plan::lower::engine::{NetworkPlan, label};
use pluvio_proxy::Network;
use pluvio_runtime::driver::SeenContainer;

use super::Application;
use super::desired::Desired;
use crate::addresses::joined_name;
use crate::inner::{Inside, Meeting, Served, keep_bridge_address};

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
                for (component, _) in std::mem::take(&mut self.virtual_addresses).into_keys() {
                    self.take_back(&component);
                }
                Inside::default()
            }
        };
        for network in inside.networks() {
            keep_bridge_address(network).await;
        }
        let shared = self.shared.clone();
        shared.inner.set(self.id, inside, &self.wake).await;
        self.neighbours.clear();
        for plan in &desired.networks {
            if let Some(name) = &plan.shared_as {
                let found = shared.inner.neighbours(self.id, name).await;
                self.neighbours.insert(plan.network.clone(), found);
            }
        }
        self.knows_all_names = shared.inner.is_complete().await;
        // Found out just now: instances are not told of addresses that nobody serves.
        if !self.shared.inner.is_available().await {
            self.virtual_addresses.clear();
            self.neighbours.clear();
        }
    }

    fn may_have_inner_addresses(&self) -> bool {
        self.shared.engine.known_facts().is_some_and(|facts| {
            facts.reach == Reach::Bridge && facts.runtime != RuntimeKind::Memory
        })
    }

    fn inside(&mut self, desired: &Desired) -> Inside {
        let mut inside = Inside::default();
        let Some(wish) = desired.kept.wish() else {
            return inside;
        };
        let release = &wish.release;
        let mut given = BTreeMap::new();
        for plan in &desired.networks {
            let ranges = self.ranges(plan);
            let members = release.components.iter();
            let members = members
                .filter(|(_, component)| component.content.joined().contains(&plan.network))
                .map(|(name, component)| (name, &component.content.ports));
            let outside = release.externals.iter().filter(|_| !plan.internal);
            let outside = outside.map(|(name, external)| (name, &external.ports));
            for (name, ports) in members.chain(outside) {
                let ports: Vec<_> = ports
                    .iter()
                    .filter(|(_, port)| port.protocol != PortProtocol::Udp)
                    .map(|(port, decided)| (port.clone(), decided.port, decided.protocol))
                    .collect();
                if ports.is_empty() {
                    continue;
                }
                let addresses = self.virtual_on(name, &ranges);
                if let Some(newest) = addresses.last() {
                    given.insert((name.clone(), plan.network.clone()), *newest);
                }
                for address in addresses {
                    inside.served.push(Served {
                        component: name.clone(),
                        address,
                        networks: ranges.iter().map(|(_, range)| *range).collect(),
                        known_as: plan.known_as.clone(),
                        ports: ports.clone(),
                    });
                }
            }
        }
        let before = std::mem::replace(&mut self.virtual_addresses, given);
        for (name, network) in before.into_keys() {
            let mut now = self.virtual_addresses.keys();
            if now.any(|(served, on)| (served, on) == (&name, &network)) {
                continue;
            }
            let mut now = self.virtual_addresses.keys();
            if !now.any(|(served, _)| *served == name) {
                self.take_back(&name);
            }
        }
        inside.clients = self.clients();
        let known = |plan: &&NetworkPlan| !plan.known_as.is_empty();
        for plan in desired.networks.iter().filter(known) {
            let ranges = self.ranges(plan).into_iter().map(|(_, range)| range);
            let elsewhere = match &plan.shared_as {
                Some(_) => self.elsewhere(desired, release, &plan.network),
                None => Vec::new(),
            };
            inside.meets.push(Meeting {
                known_as: plan.known_as.clone(),
                shared_as: plan.shared_as.clone(),
                from: ranges.chain(elsewhere).collect(),
                hosts: self.names_on(release, &plan.network),
            });
        }
        inside
    }

    /// The addresses that those on a network have on others with a way out, also of containers that are about to start.
    fn elsewhere(&self, desired: &Desired, release: &Release, network: &Name) -> Vec<Network> {
        let addresses = &self.shared.addresses;
        let others = desired.networks.iter();
        let others = others.filter(|plan| plan.network != *network && !plan.internal);
        let others: Vec<String> = others
            .flat_map(|plan| self.ranges(plan))
            .map(|(name, _)| name)
            .collect();
        let is_on = |container: &&SeenContainer| {
            let component = container.labels.get(label::COMPONENT);
            let component = component.and_then(|name| release.components.get(name.as_str()));
            component.is_some_and(|component| component.content.joined().contains(network))
        };
        let members = self.part.containers.iter().filter(is_on);
        members
            .flat_map(|container| {
                others.iter().filter_map(|other| {
                    let joined = joined_name(&container.name, other);
                    let own = addresses.address_on(&container.name, other);
                    own.or_else(|| addresses.address_on(&joined, other))
                })
            })
            .filter_map(|address| format!("{address}/32").parse().ok())
            .collect()
    }

    /// The virtual addresses of a component on the networks of one row: those it has been given, and one
    /// on the newest, which comes last. Nobody but the row's members is answered there, so that none leads across networks.
    fn virtual_on(&self, component: &Name, row: &[(String, Network)]) -> Vec<Ipv4Addr> {
        let addresses = &self.shared.addresses;
        let own = self.virtual_name(component);
        let mut all: Vec<Ipv4Addr> = Vec::new();
        for (at, (network, _)) in row.iter().enumerate() {
            let joined = joined_name(&own, network);
            // The first that it got is booked under its plain name, on whichever network that was.
            let booked = [own.as_str(), joined.as_str()]
                .iter()
                .find_map(|name| addresses.address_on(name, network));
            if let Some(address) = booked {
                all.push(address);
                continue;
            }
            if at + 1 < row.len() {
                continue;
            }
            let name = match addresses.address_of(&own) {
                Some(_) => &joined,
                None => &own,
            };
            let (in_use, now) = (self.addresses_in_use(), self.shared.clock.now());
            match addresses.give(network, name, &in_use, now) {
                Ok(address) => all.push(address),
                Err(error) => {
                    tracing::warn!(application = %self.id, %component, %error, "a component has no address of its own");
                }
            }
        }
        all
    }

    fn clients(&self) -> BTreeMap<IpAddr, Name> {
        self.instances
            .values()
            .flat_map(|instance| {
                let joined = instance.seen.networks.values().copied().flatten();
                let all = instance.seen.address.into_iter().chain(joined);
                // On the machine's own network it cannot be told from what else runs there.
                let all = all.filter(|address| !address.is_loopback());
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
        let containers = self.part.containers.iter();
        containers.flat_map(addresses_of).collect()
    }
}

/// The addresses of IPv4 that a container has, on each of its networks.
pub(super) fn addresses_of(container: &SeenContainer) -> impl Iterator<Item = Ipv4Addr> {
    let joined = container.networks.values().copied().flatten();
    let all = container.address.into_iter().chain(joined);
    all.filter_map(|address| match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    })
}
