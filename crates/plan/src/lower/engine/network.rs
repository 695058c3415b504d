//! Networks of an application, and for how many addresses each is to have room.

use indexmap::IndexMap;
use pluvio_model::name::Name;
use pluvio_model::release::{DecidedComponent, DecidedPort, Release, Strategy};
use pluvio_model::spec::{Kind, PortProtocol};

/// A network as it is decided. One that is outgrown is not made anew: a further one stands beside it, which instances made from
/// then on are on, and which those that run join ([`NetworkPlan::further`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkPlan {
    /// The engine's name of it.
    pub name: String,
    /// Its name in the application.
    pub network: Name,
    pub labels: IndexMap<String, String>,
    /// No way out.
    pub internal: bool,
    /// What it is known by beyond the application, within its environment: whoever shares a network by one of these names
    /// finds and reaches what is on it.
    pub known_as: Vec<String>,
    /// The one of these by which it is shared, and others are found on it.
    pub shared_as: Option<String>,
    pub room: Room,
}

/// How many addresses a network has to have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Room {
    /// In use at once at the height of a rollout of everything: instances, those that take their place, init steps, runs, and
    /// virtual addresses.
    pub in_use: u32,
    /// Those that rest after it.
    pub resting: u32,
}

impl Room {
    /// What a network has that is not outgrown.
    pub fn least(self) -> u32 {
        self.in_use + self.resting
    }

    /// What a new one is made for: half as much again, so that it is not outgrown by the next component.
    pub fn ample(self) -> u32 {
        self.least() + self.least() / 2
    }

    /// Of one network: its members, what outside has a name there, and what was decided for it.
    pub(super) fn of(release: &Release, network: &Name, leads_out: bool) -> Room {
        let mut room = Room::default();
        let members = release.components.values();
        for component in members.filter(|one| one.content.joined().contains(network)) {
            if !component.content.is_on_host() {
                room.add_instances(component);
            }
            room.in_use += u32::from(has_virtual_address(&component.content.ports));
        }
        if leads_out {
            for external in release.externals.values() {
                room.in_use += u32::from(has_virtual_address(&external.ports));
            }
        }
        room
    }

    fn add_instances(&mut self, component: &DecidedComponent) {
        let runs = component.content.release_task.is_some()
            || component.schedule.is_some()
            || component.kind == Kind::Job;
        let surge = match component.rollout.strategy {
            Strategy::Surge { surge, .. } => surge.min(component.most()),
            Strategy::StopThenStart | Strategy::Ordered => 0,
        };
        let made = component.most() + surge + u32::from(runs);
        // Each has an address of its own for what runs before it.
        let steps = if component.content.init.is_empty() {
            0
        } else {
            made
        };
        self.in_use += made + steps;
        self.resting += component.most() + u32::from(runs);
    }
}

/// Whether node serves a component by its name. UDP goes to instances directly.
fn has_virtual_address(ports: &IndexMap<Name, DecidedPort>) -> bool {
    ports
        .values()
        .any(|port| port.protocol != PortProtocol::Udp)
}

impl NetworkPlan {
    /// The network that stands beside those of numbers below `number`, from 2 on. Its name begins with the first one's, so that
    /// it sorts after it: Docker keeps the way out of a container on the network whose name sorts first.
    pub fn further(&self, number: u32) -> NetworkPlan {
        NetworkPlan {
            name: format!("{}--{number}", self.name),
            ..self.clone()
        }
    }

    /// Which of its row a network of the engine's is: 1 is this one itself.
    pub fn number_of(&self, name: &str) -> Option<u32> {
        if name == self.name {
            return Some(1);
        }
        let number = name.strip_prefix(&self.name)?.strip_prefix("--")?;
        number.parse().ok().filter(|number| *number > 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_networks_are_told_by_their_names() {
        let first = NetworkPlan {
            name: "pluvio--shop--0a1b2c3d".to_owned(),
            network: "default".parse().unwrap(),
            labels: IndexMap::new(),
            internal: false,
            known_as: Vec::new(),
            shared_as: None,
            room: Room::default(),
        };
        let third = first.further(3);
        assert_eq!(third.name, "pluvio--shop--0a1b2c3d--3");
        assert!(third.name > first.name);
        assert_eq!(first.number_of(&first.name), Some(1));
        assert_eq!(first.number_of(&third.name), Some(3));
        for other in [
            "pluvio--shop",
            "pluvio--shop--0a1b2c3d--",
            "pluvio--shop--0a1b2c3d--1",
            "pluvio--shop--0a1b2c3d--x",
        ] {
            assert_eq!(first.number_of(other), None, "{other}");
        }
    }
}
