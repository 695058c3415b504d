//! What a gateway is told once, at its start.

use std::{net::IpAddr, path::PathBuf, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// How a gateway runs. Everything but the address has a default that suits a single machine.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Threads that serve. Each has connections and pools of its own. Default: the machine's processors, four at most.
    pub workers: usize,
    pub limits: ClientLimits,
    pub access_log: AccessLog,
    /// Proxies in front whose `X-Forwarded-*` headers are believed. Default: none.
    pub trusted_proxies: Vec<Network>,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        GatewayConfig {
            workers: std::thread::available_parallelism().map_or(1, |n| n.get().min(4)),
            limits: ClientLimits::default(),
            access_log: AccessLog::Off,
            trusted_proxies: Vec::new(),
        }
    }
}

/// What a client may take before its request is known to belong to a route.
#[derive(Debug, Clone)]
pub struct ClientLimits {
    /// From a connection's (or, on a kept connection, a request's) first byte to the end of its head. Slower ones are cut.
    pub header_time: Duration,
    /// How long a connection may be kept without a request.
    pub idle: Duration,
    /// How long a client may leave an answer untaken.
    pub stalled: Duration,
    /// The largest head of a request in bytes, 8 KiB at least; larger ones are answered 431.
    pub header_bytes: usize,
    /// Connections open at once, over all workers. Further ones are closed at once.
    pub connections: usize,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
}

impl Default for ClientLimits {
    fn default() -> Self {
        ClientLimits {
            header_time: Duration::from_secs(15),
            idle: Duration::from_secs(75),
            stalled: Duration::from_secs(60),
            header_bytes: 64 * 1024,
            connections: 20_000,
            streams: 256,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLog {
    Off,
    /// One JSON document a line.
    File {
        path: PathBuf,
        /// Set aside as `PATH.1` when larger.
        rotate_bytes: u64,
        /// How many parts set aside are kept.
        keep: u32,
    },
}

impl AccessLog {
    /// A file of 64 MiB at most, and three before it.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        AccessLog::File {
            path: path.into(),
            rotate_bytes: 64 << 20,
            keep: 3,
        }
    }
}

/// A range of addresses: `10.0.0.0/8`, `fd00::/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a range of addresses such as 10.0.0.0/8")]
pub struct InvalidNetwork(String);

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let parse = || {
            let (address, bits) = match text.split_once('/') {
                Some((address, bits)) => (address, Some(bits.parse().ok()?)),
                None => (text, None),
            };
            let address: IpAddr = address.parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.unwrap_or(most);
            (bits <= most).then_some(Network { address, bits })
        };
        parse().ok_or_else(|| InvalidNetwork(text.to_owned()))
    }
}

impl TryFrom<String> for Network {
    type Error = InvalidNetwork;
    fn try_from(text: String) -> Result<Self, InvalidNetwork> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> String {
        format!("{}/{}", network.address, network.bits)
    }
}

impl Network {
    pub fn contains(&self, address: IpAddr) -> bool {
        let differ = match (self.address, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => u128::from(a.to_bits() ^ b.to_bits()) << 96,
            (IpAddr::V6(a), IpAddr::V6(b)) => a.to_bits() ^ b.to_bits(),
            _ => return false,
        };
        differ.leading_zeros() >= u32::from(self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_what_their_prefix_says() {
        let check = |network: &str, address: &str, inside: bool| {
            let network: Network = network.parse().unwrap();
            assert_eq!(
                network.contains(address.parse().unwrap()),
                inside,
                "{address}"
            );
        };
        check("10.0.0.0/8", "10.255.1.2", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("10.0.0.0/8", "::ffff:10.1.1.1", true);
        check("192.0.2.7", "192.0.2.7", true);
        check("192.0.2.7", "192.0.2.6", false);
        check("0.0.0.0/0", "8.8.8.8", true);
        check("0.0.0.0/0", "::1", false);
        check("fd00::/8", "fd12::1", true);
        for bad in ["", "10.0.0.0/33", "x/8", "10.0.0.0/-1"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
