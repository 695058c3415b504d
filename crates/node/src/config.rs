//! What a node is told once, at its start.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a node runs. Everything but the data folder has a default that suits a single machine.
#[derive(Debug, Clone)]
pub struct Config {
    /// Pluvio's data folder; the node keeps its own things in `node/` below it, and makes it if it is missing.
    pub data: PathBuf,
    /// Where the gateway listens. Port 0 takes any free port (tests).
    pub listen: Vec<SocketAddr>,
    /// Where application networks take their subnets from.
    pub pool: Pool,
    /// The engine's socket. `None`: the first of Docker's and Podman's usual ones that answers.
    pub engine: Option<PathBuf>,
    /// How much of the applications' logs is kept.
    pub logs: LogLimits,
    /// How long the gateway lets requests finish when the node is asked to end.
    pub grace: Duration,
}

/// How much of the applications' logs is kept, by size for each component and by age.
#[derive(Debug, Clone, Copy)]
pub struct LogLimits {
    /// Bytes on disk for each component.
    pub bytes: u64,
    pub age: Duration,
}

impl Default for LogLimits {
    fn default() -> Self {
        LogLimits {
            bytes: 64 << 20,
            age: Duration::from_secs(14 * 24 * 3600),
        }
    }
}

impl Config {
    pub fn new(data: impl Into<PathBuf>) -> Config {
        Config {
            data: data.into(),
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 8080))],
            pool: Pool::default(),
            engine: None,
            logs: LogLimits::default(),
            grace: Duration::from_secs(10),
        }
    }

    /// The node's own folder.
    pub fn folder(&self) -> PathBuf {
        self.data.join("node")
    }

    /// The socket that [`Client`](crate::Client) speaks to.
    pub fn socket(&self) -> PathBuf {
        socket_in(&self.data)
    }
}

/// The node's socket in a data folder.
pub fn socket_in(data: &Path) -> PathBuf {
    data.join("node").join("node.sock")
}

/// A range of IPv4 addresses that is cut into networks of applications: `10.201.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pool {
    base: Ipv4Addr,
    bits: u8,
}

/// The size of an application's network at least, as prefix length: 64 addresses.
const SMALLEST: u8 = 26;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a range for networks, such as 10.201.0.0/16 (a prefix from 8 to 26)")]
pub struct InvalidPool(String);

impl Default for Pool {
    fn default() -> Self {
        Pool {
            base: Ipv4Addr::new(10, 201, 0, 0),
            bits: 16,
        }
    }
}

impl FromStr for Pool {
    type Err = InvalidPool;
    fn from_str(text: &str) -> Result<Self, InvalidPool> {
        let parse = || {
            let (base, bits) = text.split_once('/')?;
            let bits: u8 = bits.parse().ok()?;
            let base: Ipv4Addr = base.parse().ok()?;
            let mask = u32::MAX.checked_shl(32 - u32::from(bits))?;
            ((8..=SMALLEST).contains(&bits)).then(|| Pool {
                base: Ipv4Addr::from(u32::from(base) & mask),
                bits,
            })
        };
        parse().ok_or_else(|| InvalidPool(text.to_owned()))
    }
}
impl TryFrom<String> for Pool {
    type Error = InvalidPool;
    fn try_from(text: String) -> Result<Self, InvalidPool> {
        text.parse()
    }
}
impl From<Pool> for String {
    fn from(pool: Pool) -> String {
        pool.to_string()
    }
}
impl std::fmt::Display for Pool {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "{}/{}", self.base, self.bits)
    }
}

impl Pool {
    pub(crate) fn contains(self, address: Ipv4Addr) -> bool {
        let mask = u32::MAX << (32 - u32::from(self.bits));
        u32::from(address) & mask == u32::from(self.base)
    }

    /// Its subnets with room for so many hosts, in order. None, where the pool itself has no room for them.
    pub(crate) fn subnets(self, hosts: u32) -> impl Iterator<Item = Subnet> {
        let fits = |bits: &u8| Subnet::room(*bits) >= hosts;
        let bits = (self.bits..=SMALLEST).rev().find(fits);
        bits.into_iter().flat_map(move |bits| {
            let step = 1_u32 << (32 - bits);
            let count = 1_u32 << (bits - self.bits);
            (0..count).map(move |index| Subnet {
                base: Ipv4Addr::from(u32::from(self.base) + index * step),
                bits,
            })
        })
    }
}

/// A range of IPv4 addresses, `10.201.3.64/26`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Subnet {
    base: Ipv4Addr,
    bits: u8,
}

impl FromStr for Subnet {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (base, bits) = text.split_once('/').unwrap_or((text, "32"));
        let bits: u8 = bits.parse().map_err(|_| ())?;
        let base: Ipv4Addr = base.parse().map_err(|_| ())?;
        if bits > 32 {
            return Err(());
        }
        let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
        Ok(Subnet {
            base: Ipv4Addr::from(u32::from(base) & mask),
            bits,
        })
    }
}
impl std::fmt::Display for Subnet {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "{}/{}", self.base, self.bits)
    }
}

impl Subnet {
    fn last(self) -> u32 {
        u32::from(self.base) | (u32::MAX.checked_shr(u32::from(self.bits)).unwrap_or(0))
    }
    pub(crate) fn overlaps(self, other: Subnet) -> bool {
        u32::from(self.base) <= other.last() && u32::from(other.base) <= self.last()
    }
    /// How many addresses one of this prefix length has to give.
    fn room(bits: u8) -> u32 {
        (u32::MAX >> bits) - 2
    }
    pub(crate) fn hosts_count(self) -> u32 {
        Subnet::room(self.bits)
    }
    /// Addresses that instances may be given: all but the network's, the gateway's (the first) and the broadcast.
    pub(crate) fn hosts(self) -> impl Iterator<Item = Ipv4Addr> {
        (u32::from(self.base) + 2..self.last()).map(Ipv4Addr::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_cut_into_subnets_that_do_not_overlap() {
        let pool: Pool = "10.201.7.9/24".parse().unwrap();
        let subnets: Vec<Subnet> = pool.subnets(61).collect();
        assert_eq!(
            subnets.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "10.201.7.0/26",
                "10.201.7.64/26",
                "10.201.7.128/26",
                "10.201.7.192/26"
            ]
        );
        assert!(!subnets[0].overlaps(subnets[1]));
        assert!(
            "10.201.0.0/16"
                .parse::<Subnet>()
                .unwrap()
                .overlaps(subnets[3])
        );
        assert!("0.0.0.0/0".parse::<Subnet>().unwrap().overlaps(subnets[3]));
        let hosts: Vec<_> = subnets[1].hosts().collect();
        assert_eq!(
            (hosts[0].to_string(), hosts.len()),
            ("10.201.7.66".to_owned(), 61)
        );
        assert_eq!(subnets[1].hosts_count(), 61);
        let larger: Vec<String> = pool.subnets(62).map(|s| s.to_string()).collect();
        assert_eq!(larger, ["10.201.7.0/25", "10.201.7.128/25"]);
        assert_eq!(pool.subnets(253).count(), 1);
        assert_eq!(pool.subnets(254).count(), 0);
        for bad in ["", "10.0.0.0", "10.0.0.0/27", "10.0.0.0/0", "x/16"] {
            assert!(bad.parse::<Pool>().is_err(), "{bad}");
        }
    }
}
