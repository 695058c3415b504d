//! The application's networks: each is made with room for what is decided, and a further one stands beside it where it is outgrown.
//!
//! What is made from then on is on the further one, and what runs joins it as it is. So every two meet on one of them, and are found
//! there by name. Virtual addresses stay where they are: the machine has them, which every network leads to.
//! Networks that were outgrown stay until the application goes: their ranges hold virtual addresses that instances were told of.

use std::net::IpAddr;
use std::time::Duration;

use futures::StreamExt;
use indexmap::IndexMap;
use pluvio_model::facts::Reach;
use pluvio_model::problem::{self, Problem};
use pluvio_plan::lower::engine::{NetworkPlan, label};
use pluvio_proxy::Network;
use pluvio_runtime::driver::{DriverError, SeenContainer, SeenNetwork};
use tokio::time::Instant;

use super::Application;
use super::desired::Desired;
use crate::addresses::joined_name;
use crate::config::Subnet;

/// Containers that join a network at once.
const AT_ONCE: usize = 4;
/// How long a network that is merely short of addresses to rest is left so, where no larger one is to be had.
const CRAMPED: Duration = Duration::from_secs(60);

impl Application {
    /// The networks of the engine that stand for a decided one, by their number.
    fn row(&self, first: &NetworkPlan) -> Vec<(u32, &SeenNetwork)> {
        let networks = self.part.networks.iter();
        let mut row: Vec<_> = networks
            .filter_map(|network| Some((first.number_of(&network.name)?, network)))
            .collect();
        row.sort_by_key(|(number, _)| *number);
        row
    }

    /// The engine's name of the one that instances are made on.
    pub(super) fn newest(&self, first: &NetworkPlan) -> String {
        let row = self.row(first);
        row.last()
            .map_or(&first.name, |(_, network)| &network.name)
            .clone()
    }

    /// What instances are made on in place of networks that were outgrown.
    pub(super) fn stand_ins(&self, desired: &Desired) -> IndexMap<String, String> {
        let firsts = desired.networks.iter();
        firsts
            .map(|first| (first.name.clone(), self.newest(first)))
            .filter(|(first, newest)| first != newest)
            .collect()
    }

    /// The engine's networks that stand for a decided one, each with its range; the newest last.
    pub(super) fn ranges(&self, first: &NetworkPlan) -> Vec<(String, Network)> {
        let row = self.row(first).into_iter();
        row.filter_map(|(_, network)| {
            Some((network.name.clone(), network.subnet.as_ref()?.parse().ok()?))
        })
        .collect()
    }

    /// The network that is missing, and whether nothing can be started without it.
    fn missing(&self, first: &NetworkPlan) -> Option<(NetworkPlan, bool)> {
        let row = self.row(first);
        let newest = match (row.first(), row.last()) {
            (Some((1, _)), Some(newest)) => newest,
            _ => return Some((first.clone(), true)),
        };
        let range = newest.1.subnet.as_ref()?.parse::<Subnet>().ok()?;
        let has = range.hosts_count();
        (has < first.room.least()).then(|| (first.further(newest.0 + 1), has < first.room.in_use))
    }

    /// Makes the networks that are missing. Answers whether one was made, and whether all are there that have to be.
    pub(super) async fn make_networks(&mut self, desired: &Desired) -> (bool, bool) {
        let (mut made, mut ready) = (false, true);
        for first in &desired.networks {
            let Some((network, required)) = self.missing(first) else {
                continue;
            };
            let cramped = self.ensured.cramped.get(&network.name);
            if self.rests(&network.name)
                || (!required && cramped.is_some_and(|since| since.elapsed() < CRAMPED))
            {
                ready &= !required;
                continue;
            }
            match self.make_network(&network).await {
                Ok(()) => {
                    self.troubles.remove(&network.name);
                    self.ensured.cramped.remove(&network.name);
                    made = true;
                }
                Err(problem) if required => {
                    self.fail(&network.name, problem);
                    ready = false;
                }
                Err(problem) => {
                    tracing::warn!(application = %self.id, %problem, "its addresses rest for less than ten minutes");
                    let now = Instant::now();
                    self.ensured.cramped.insert(network.name, now);
                }
            }
        }
        (made, ready)
    }

    async fn make_network(&self, network: &NetworkPlan) -> Result<(), Problem> {
        let driver = &self.shared.engine.driver;
        let addresses = &self.shared.addresses;
        let taken = driver.taken_subnets().await;
        let taken = taken.map_err(|error| error.to_problem())?;
        let room = network.room;
        let sizes = [room.ample(), room.least(), room.in_use];
        let subnet = addresses.subnet(&network.name, &sizes, &taken);
        let subnet = subnet.map_err(|error| {
            problem::NETWORK_FULL.problem(
                format!("For the network {}: {error}.", network.name),
                "Give Pluvio a larger range with `network.pool` (networks that exist keep theirs), or delete applications that are not needed.",
            )
        })?;
        driver
            .ensure_network(network, &subnet)
            .await
            .map_err(|error| {
                if matches!(error, DriverError::Refused { .. }) {
                    // Somebody has that range since it was chosen: the next attempt takes another.
                    addresses.forget_network(&network.name);
                }
                error.to_problem()
            })
    }

    /// Puts what runs on the networks that were made since, so that it and what is made from now on find each other. Answers
    /// whether something joined one.
    pub(super) async fn join_networks(&mut self, desired: &Desired) -> bool {
        let mut joins: Vec<(String, String, Option<IpAddr>)> = Vec::new();
        for (first, newest) in self.stand_ins(desired) {
            let outside = self.outside_of(desired, &first, &newest);
            for container in outside {
                match self.joined_address(&newest, &container) {
                    Ok(address) => joins.push((container, newest.clone(), address)),
                    Err(problem) => self.fail(&joined_name(&container, &newest), problem),
                }
            }
        }
        let driver = self.driver();
        let mut joining = futures::stream::iter(joins)
            .map(|(container, network, address)| {
                let driver = driver.clone();
                async move {
                    let joined = driver.join_network(&container, &network, address).await;
                    (joined_name(&container, &network), joined)
                }
            })
            .buffer_unordered(AT_ONCE);
        let mut any = false;
        while let Some((name, joined)) = joining.next().await {
            match joined {
                Ok(()) => {
                    self.troubles.remove(&name);
                    any = true;
                }
                // It ended meanwhile.
                Err(DriverError::NotFound { .. }) => {}
                Err(error) => self.fail(&name, error.to_problem()),
            }
        }
        any
    }

    /// Containers on an outgrown network that are not yet on the one in its place.
    fn outside_of(&self, desired: &Desired, first: &str, newest: &str) -> Vec<String> {
        let first = desired.networks.iter().find(|plan| plan.name == first);
        let Some(first) = first else {
            return Vec::new();
        };
        // A sidecar has main's network; an init step is over soon.
        let has_its_own = |container: &&SeenContainer| {
            let role = container.labels.get(label::ROLE).map(String::as_str);
            matches!(role, None | Some("main" | "run"))
        };
        let is_outside = |container: &&SeenContainer| {
            let on = |name: &String| first.number_of(name).is_some();
            container.networks.keys().any(on) && !container.networks.contains_key(newest)
        };
        let containers = self.part.containers.iter();
        containers
            .filter(has_its_own)
            .filter(is_outside)
            .map(|container| container.name.clone())
            .filter(|name| !self.busy.contains_key(name))
            .filter(|name| !self.rests(&joined_name(name, newest)))
            .collect()
    }

    /// Where a container is on a network that it joins.
    fn joined_address(&self, newest: &str, container: &str) -> Result<Option<IpAddr>, Problem> {
        let facts = self.shared.engine.known_facts();
        if facts.is_none_or(|facts| facts.reach != Reach::Bridge) {
            return Ok(None);
        }
        self.address_of(newest, &joined_name(container, newest))
            .map(Some)
    }

    /// Takes in which addresses a container has on the application's networks.
    pub(super) fn keep_addresses(&self, container: &SeenContainer) {
        let Some(desired) = self.desired.as_ref() else {
            return;
        };
        // Where they are published on loopback, the engine chooses them.
        let Some(IpAddr::V4(home)) = container.address else {
            return;
        };
        if home.is_loopback() {
            return;
        }
        let on = container.networks.iter();
        let is_one = |network: &str| {
            let mut plans = desired.networks.iter();
            plans.any(|plan| plan.number_of(network).is_some())
        };
        let on = on.filter(|(network, _)| is_one(network));
        for (network, address) in on {
            let Some(IpAddr::V4(address)) = *address else {
                continue;
            };
            let booked = if address == home {
                container.name.clone()
            } else {
                joined_name(&container.name, network)
            };
            let addresses = &self.shared.addresses;
            addresses.seen_instance(network, &booked, address);
        }
    }
}
