//! Subnets of applications and addresses of instances.
//!
//! A network is made for what is decided, with room to grow (`plan::lower::engine::Room`); an application that outgrows it gets a
//! further one. Addresses are the node's choice and given explicitly, so that no restart of an engine swaps them. One that was an
//! instance's is not given to another for ten minutes: whoever still has it in a cache, a pool or a resolver must never reach
//! a stranger. Kept in `addresses.json`; what engines say of existing containers and networks is taken in again at each look.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::config::{Pool, Subnet};
use crate::disk::{self, Durability};

const QUARANTINE: SignedDuration = SignedDuration::from_mins(10);

#[derive(Debug)]
pub(crate) struct Addresses {
    path: PathBuf,
    pool: Pool,
    book: Mutex<Book>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Book {
    /// Network → subnet.
    subnets: BTreeMap<String, String>,
    /// Instance → where.
    instances: BTreeMap<String, Given>,
    /// Address → since when it is nobody's.
    quarantine: BTreeMap<Ipv4Addr, Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Given {
    network: String,
    address: Ipv4Addr,
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum NoAddress {
    #[error(
        "there is no free network of {hosts} addresses in the range {pool}: the rest is in use by applications, or overlaps with \
         networks that the machine has already"
    )]
    Subnets { pool: String, hosts: u32 },
    #[error("every address of the network {network} is in use")]
    Addresses { network: String },
}

impl Addresses {
    pub(crate) fn open(path: PathBuf, pool: Pool) -> io::Result<Addresses> {
        // A book that cannot be read is begun anew: what exists is taken in from the engine, and only the quarantine is lost.
        let book = disk::read_json(&path).unwrap_or_else(|error| {
            tracing::warn!(%error, path = %path.display(), "the book of addresses is begun anew");
            None
        });
        Ok(Addresses {
            path,
            pool,
            book: Mutex::new(book.unwrap_or_default()),
        })
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save(&self, book: &Book) {
        // The engine's objects hold the same; a write that fails costs the quarantine after a crash.
        if let Err(error) = disk::write_json(&self.path, book, Durability::Cached) {
            tracing::warn!(%error, "the book of addresses cannot be written");
        }
    }

    /// The subnet that a network has or shall have: one with the first of these numbers of addresses that is to be had. `taken`:
    /// ranges of the machine and of other networks.
    pub(crate) fn subnet(
        &self,
        network: &str,
        hosts: &[u32],
        taken: &[String],
    ) -> Result<String, NoAddress> {
        let mut book = self.book();
        if let Some(subnet) = book.subnets.get(network) {
            return Ok(subnet.clone());
        }
        let taken: Vec<Subnet> = taken
            .iter()
            .chain(book.subnets.values())
            .filter_map(|text| text.parse().ok())
            .collect();
        let free = |subnet: &Subnet| !taken.iter().any(|other| other.overlaps(*subnet));
        let free = hosts
            .iter()
            .find_map(|hosts| self.pool.subnets(*hosts).find(free))
            .ok_or_else(|| NoAddress::Subnets {
                pool: self.pool.to_string(),
                hosts: hosts.last().copied().unwrap_or_default(),
            })?;
        book.subnets.insert(network.to_owned(), free.to_string());
        self.save(&book);
        Ok(free.to_string())
    }

    /// The engine has this network with this subnet: that is what counts.
    pub(crate) fn seen_network(&self, network: &str, subnet: &str) {
        let mut book = self.book();
        if book
            .subnets
            .get(network)
            .is_none_or(|known| known != subnet)
        {
            book.subnets.insert(network.to_owned(), subnet.to_owned());
            self.save(&book);
        }
    }

    /// A subnet that could not be had (somebody took it meanwhile): another is chosen next time.
    pub(crate) fn forget_network(&self, network: &str) {
        let mut book = self.book();
        if book.subnets.remove(network).is_some() {
            self.save(&book);
        }
    }

    /// An address for a new instance: a fresh one if there is, else the one that was left the longest ago.
    pub(crate) fn give(
        &self,
        network: &str,
        instance: &str,
        in_use: &BTreeSet<Ipv4Addr>,
        now: Timestamp,
    ) -> Result<Ipv4Addr, NoAddress> {
        let full = || NoAddress::Addresses {
            network: network.to_owned(),
        };
        let mut book = self.book();
        if let Some(given) = book.instances.get(instance) {
            if given.network == network {
                return Ok(given.address);
            }
            let left = given.address;
            book.quarantine.insert(left, now);
        }
        let subnet: Subnet = book
            .subnets
            .get(network)
            .and_then(|subnet| subnet.parse().ok())
            .ok_or_else(full)?;
        // A clock that was set back must not keep addresses out of use for ever.
        book.quarantine
            .retain(|_, since| *since <= now && now.duration_since(*since) < QUARANTINE);
        let used: BTreeSet<Ipv4Addr> = book
            .instances
            .values()
            .filter(|given| given.network == network)
            .map(|given| given.address)
            .chain(in_use.iter().copied())
            .collect();
        let free = || subnet.hosts().filter(|address| !used.contains(address));
        let fresh = free().find(|address| !book.quarantine.contains_key(address));
        let address = fresh
            .or_else(|| free().min_by_key(|address| book.quarantine.get(address).copied()))
            .ok_or_else(full)?;
        let given = Given {
            network: network.to_owned(),
            address,
        };
        book.quarantine.remove(&address);
        book.instances.insert(instance.to_owned(), given);
        self.save(&book);
        Ok(address)
    }

    /// An instance that the engine has and the book does not (the book was lost).
    pub(crate) fn seen_instance(&self, network: &str, instance: &str, address: Ipv4Addr) {
        let mut book = self.book();
        let given = Given {
            network: network.to_owned(),
            address,
        };
        if book.instances.get(instance) != Some(&given) {
            book.instances.insert(instance.to_owned(), given);
            self.save(&book);
        }
    }

    /// The address that is booked under this name, if it is on this network.
    pub(crate) fn address_on(&self, name: &str, network: &str) -> Option<Ipv4Addr> {
        let book = self.book();
        let given = book.instances.get(name)?;
        (given.network == network).then_some(given.address)
    }

    /// The address that an instance has, on whichever network.
    pub(crate) fn address_of(&self, instance: &str) -> Option<Ipv4Addr> {
        Some(self.book().instances.get(instance)?.address)
    }

    /// The instance is removed: its addresses rest.
    pub(crate) fn take_back(&self, instance: &str, now: Timestamp) {
        let mut book = self.book();
        let joined = joined_name(instance, "");
        let all: Vec<String> = book
            .instances
            .range(instance.to_owned()..)
            .map(|(name, _)| name)
            .take_while(|name| name.starts_with(instance))
            .filter(|name| *name == instance || name.starts_with(&joined))
            .cloned()
            .collect();
        for name in &all {
            if let Some(given) = book.instances.remove(name) {
                book.quarantine.insert(given.address, now);
            }
        }
        if !all.is_empty() {
            self.save(&book);
        }
    }
}

/// What the address of an instance is booked under on a network that it joined while it ran.
pub(crate) fn joined_name(instance: &str, network: &str) -> String {
    format!("{instance}@{network}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(folder: &tempfile::TempDir) -> Addresses {
        let pool = "10.201.0.0/24".parse().unwrap();
        Addresses::open(folder.path().join("addresses.json"), pool).unwrap()
    }

    fn minute(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
    }

    #[test]
    fn networks_avoid_what_the_machine_has_and_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let book = book(&folder);
        let taken = ["10.201.0.0/28".to_owned(), "172.17.0.0/16".to_owned()];
        assert_eq!(
            book.subnet("shop", &[61], &taken).unwrap(),
            "10.201.0.64/26"
        );
        assert_eq!(
            book.subnet("shop", &[61], &taken).unwrap(),
            "10.201.0.64/26"
        );
        assert_eq!(
            book.subnet("blog", &[61], &taken).unwrap(),
            "10.201.0.128/26"
        );
        book.subnet("wiki", &[61], &taken).unwrap();
        assert!(matches!(
            book.subnet("mail", &[61], &taken),
            Err(NoAddress::Subnets { .. })
        ));
        book.forget_network("blog");
        assert_eq!(
            book.subnet("mail", &[61], &taken).unwrap(),
            "10.201.0.128/26"
        );
    }

    #[test]
    fn an_address_rests_before_another_instance_has_it_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let none = BTreeSet::new();
        let first = {
            let book = book(&folder);
            book.subnet("shop", &[61], &[]).unwrap();
            let first = book.give("shop", "a", &none, minute(0)).unwrap();
            assert_eq!(book.give("shop", "a", &none, minute(0)), Ok(first));
            book.take_back("a", minute(1));
            first
        };
        let book = book(&folder);
        let second = book.give("shop", "b", &none, minute(2)).unwrap();
        assert_ne!(second, first);
        let third = book
            .give("shop", "c", &BTreeSet::from([second]), minute(12))
            .unwrap();
        assert_eq!(third, first);
    }

    #[test]
    fn a_network_is_as_large_as_can_be_had() {
        let folder = tempfile::tempdir().unwrap();
        let book = book(&folder);
        assert_eq!(book.subnet("blog", &[4], &[]).unwrap(), "10.201.0.0/26");
        let sizes = [300, 150, 90];
        assert_eq!(book.subnet("shop", &sizes, &[]).unwrap(), "10.201.0.128/25");
        assert_eq!(
            book.subnet("wiki", &sizes, &[]),
            Err(NoAddress::Subnets {
                pool: "10.201.0.0/24".to_owned(),
                hosts: 90
            })
        );
        assert_eq!(book.subnet("wiki", &[61], &[]).unwrap(), "10.201.0.64/26");
    }

    #[test]
    fn addresses_on_networks_that_were_joined_rest_with_the_instances_own() {
        let folder = tempfile::tempdir().unwrap();
        let book = book(&folder);
        let none = BTreeSet::new();
        book.subnet("shop", &[61], &[]).unwrap();
        book.subnet("shop--2", &[61], &[]).unwrap();
        let own = book.give("shop", "a", &none, minute(0)).unwrap();
        let joined = joined_name("a", "shop--2");
        let second = book.give("shop--2", &joined, &none, minute(0)).unwrap();
        let other = book.give("shop", "ab", &none, minute(0)).unwrap();
        book.take_back("a", minute(1));
        assert_eq!(book.address_of(&joined), None);
        assert_eq!(book.address_of("ab"), Some(other));
        let next = |network| book.give(network, network, &none, minute(2)).unwrap();
        assert_ne!(next("shop"), own);
        assert_ne!(next("shop--2"), second);
    }

    #[test]
    fn a_full_network_gives_what_was_left_the_longest_ago() {
        let folder = tempfile::tempdir().unwrap();
        let book = book(&folder);
        book.subnet("shop", &[61], &[]).unwrap();
        let none = BTreeSet::new();
        let given: Vec<_> = (0..61)
            .map(|n| book.give("shop", &n.to_string(), &none, minute(0)).unwrap())
            .collect();
        assert!(matches!(
            book.give("shop", "x", &none, minute(0)),
            Err(NoAddress::Addresses { .. })
        ));
        book.take_back("5", minute(2));
        book.take_back("9", minute(1));
        assert_eq!(book.give("shop", "x", &none, minute(3)), Ok(given[9]));
    }
}
