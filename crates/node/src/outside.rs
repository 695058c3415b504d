//! Hosts outside: what their names mean now, and which addresses may be dialled for an application.
//!
//! The gateway dials them from the machine itself, so an address outside must not be a way into what only the machine reaches:
//! its own loopback, ports of this node and of control, engines' networks, what a cloud tells its machines at link-local
//! addresses, other applications. So every address is looked at after its name was resolved, each time it is; the gateway
//! dials what was looked at, never a name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::config::Pool;

/// Between two looks at a name. Resolvers keep what they were told as long as its owner wants.
const AGAIN: Duration = Duration::from_secs(10);
/// The same after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
/// How long a resolver may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Addresses of one name that are used.
const MOST: usize = 64;

/// What may be dialled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guard<'a> {
    /// Applications' networks.
    pub(crate) pool: Pool,
    /// The deployer may lead to the machine itself, and did.
    pub(crate) local: bool,
    pub(crate) routes: &'a Routes,
}

/// The kernel's tables of routes, as they were read.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    v4: String,
    v6: String,
}

impl Routes {
    pub(crate) fn read() -> Routes {
        let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
        Routes {
            v4: read("/proc/net/route"),
            v6: read("/proc/net/ipv6_route"),
        }
    }
}

impl Guard<'_> {
    /// Why an address is not dialled.
    pub(crate) fn refusal(self, address: IpAddr) -> Option<&'static str> {
        let address = embedded(address.to_canonical());
        if belongs_to_nobody(address) {
            return Some("it belongs to no host");
        }
        if matches!(address, IpAddr::V4(v4) if self.pool.contains(v4)) {
            return Some("it is in a network of applications, who reach each other by name");
        }
        if self.local {
            return None;
        }
        if address.is_loopback() || is_link_local(address) || is_the_machine(address) {
            return Some("it is this machine itself");
        }
        if tells_of_the_machine(address) {
            return Some("it is where a cloud tells its machines what only they shall know");
        }
        let device = match address {
            IpAddr::V4(v4) => device_to(&self.routes.v4, v4),
            IpAddr::V6(v6) => device_to_v6(&self.routes.v6, v6),
        };
        device
            .is_some_and(|device| is_of_an_engine(&device))
            .then_some("it is in a network of this machine's container engine")
    }
}

/// The IPv4 address that a translated one (RFC 6052, RFC 8215) or a tunnelled one (6to4, RFC 3056) leads to.
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let octets = v6.octets();
    let at = |from: usize| {
        let [a, b, c, d] = [0, 1, 2, 3].map(|next| octets[from + next]);
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0x64, 0xff9b, 1, ..] => at(12),
        [0x2002, ..] => at(2),
        _ => address,
    }
}

/// Where clouds answer their machines' questions besides link-local addresses, in the order: Amazon (IPv6), Google (IPv6),
/// Alibaba, Azure, Oracle. (Sources: their documents of instance metadata.)
fn tells_of_the_machine(address: IpAddr) -> bool {
    const V6: [Ipv6Addr; 2] = [
        Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
        Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    ];
    const V4: [Ipv4Addr; 3] = [
        Ipv4Addr::new(100, 100, 100, 200),
        Ipv4Addr::new(168, 63, 129, 16),
        Ipv4Addr::new(192, 0, 0, 192),
    ];
    match address {
        IpAddr::V4(v4) => V4.contains(&v4),
        IpAddr::V6(v6) => V6.contains(&v6),
    }
}

fn belongs_to_nobody(address: IpAddr) -> bool {
    match address {
        // `0.0.0.0/8` is this host to Linux; what is above 240 is reserved or everybody.
        IpAddr::V4(v4) => {
            v4.octets()[0] == 0 || v4.is_multicast() || v4.is_broadcast() || v4.octets()[0] >= 240
        }
        // IPv4 within IPv6 as it was written long ago leads nowhere, or to what it hides.
        IpAddr::V6(v6) => {
            v6.is_unspecified()
                || v6.is_multicast()
                || (v6 != Ipv6Addr::LOCALHOST && v6.segments()[..6] == [0; 6])
        }
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// Whether the machine would speak to itself: then the kernel chooses that very address to speak from. Nothing is sent.
fn is_the_machine(address: IpAddr) -> bool {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let from = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    from.is_ok_and(|from| from.ip() == address)
}

/// The device that an address is reached by, in the kernel's table of routes: of those that fit, the narrowest.
fn device_to(routes: &str, address: Ipv4Addr) -> Option<String> {
    let rows = routes.lines().skip(1).filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |text: &str| {
            let number = u32::from_str_radix(text, 16).ok()?;
            Some(u32::from_be_bytes(number.to_ne_bytes()))
        };
        let (destination, mask) = (number(words.get(1)?)?, number(words.get(7)?)?);
        (u32::from(address) & mask == destination).then(|| (mask, (*words[0]).to_owned()))
    });
    rows.max_by_key(|(mask, _)| *mask).map(|(_, device)| device)
}

/// The same in the table of IPv6: destination and length of its prefix in hexadecimal, the device last.
fn device_to_v6(routes: &str, address: Ipv6Addr) -> Option<String> {
    let rows = routes.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let destination = u128::from_str_radix(words.first()?, 16).ok()?;
        let length = u32::from_str_radix(words.get(1)?, 16).ok()?.min(128);
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        (u128::from(address) & mask == destination & mask).then(|| {
            (
                length,
                (*words.last().expect("a line has words")).to_owned(),
            )
        })
    });
    rows.max_by_key(|(length, _)| *length)
        .map(|(_, device)| device)
}

/// Bridges as Docker, Podman and CNI call them.
fn is_of_an_engine(device: &str) -> bool {
    ["docker", "br-", "podman", "cni"]
        .iter()
        .any(|prefix| device.starts_with(prefix))
}

/// What is known of a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// As last resolved; a failure takes nothing away.
    pub(crate) addresses: Vec<IpAddr>,
    /// Why the last look failed, if it did.
    pub(crate) error: Option<String>,
    /// It was looked at.
    pub(crate) asked: bool,
}

/// Looks a name up again and again, until dropped.
#[derive(Debug)]
pub(crate) struct Watched {
    known: Arc<Mutex<Known>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watched {
    /// `changed` is told when it means something else.
    pub(crate) fn start(name: &str, changed: Arc<Notify>) -> Watched {
        let name = name.to_owned();
        Watched::by(
            move || {
                let name = name.clone();
                async move {
                    let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
                    Ok(found.map(|address: SocketAddr| address.ip()).collect())
                }
            },
            changed,
        )
    }

    fn by<F>(ask: impl Fn() -> F + Send + 'static, changed: Arc<Notify>) -> Watched
    where
        F: Future<Output = std::io::Result<Vec<IpAddr>>> + Send,
    {
        let known: Arc<Mutex<Known>> = Arc::default();
        let shared = known.clone();
        let task = tokio::spawn(async move {
            loop {
                let answer = match tokio::time::timeout(PATIENCE, ask()).await {
                    Ok(Ok(addresses)) if addresses.is_empty() => {
                        Err("it has no address".to_owned())
                    }
                    Ok(Ok(addresses)) => Ok(addresses),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(_) => Err("the resolver did not answer".to_owned()),
                };
                let failed = answer.is_err();
                let before;
                {
                    let mut known = shared.lock().unwrap_or_else(PoisonError::into_inner);
                    before = known.clone();
                    known.asked = true;
                    match answer {
                        Ok(mut addresses) => {
                            // Resolvers turn them round; the same ones are the same.
                            addresses.sort();
                            addresses.dedup();
                            addresses.truncate(MOST);
                            known.addresses = addresses;
                            known.error = None;
                        }
                        Err(why) => known.error = Some(why),
                    }
                    if *known != before {
                        changed.notify_one();
                    }
                }
                tokio::time::sleep(if failed { AFTER_FAILURE } else { AGAIN }).await;
            }
        });
        Watched { known, task }
    }

    pub(crate) fn known(&self) -> Known {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(local: bool) -> Guard<'static> {
        Guard {
            routes: Box::leak(Box::new(Routes::read())),
            pool: "10.201.0.0/16".parse().unwrap(),
            local,
        }
    }

    #[test]
    fn what_only_the_machine_reaches_is_not_dialled() {
        for address in [
            "127.0.0.1",
            "127.8.9.1",
            "169.254.169.254",
            "::1",
            "fe80::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::7f00:1",
            "2002:7f00:1::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert!(guard(false).refusal(address).is_some(), "{address}");
            assert_eq!(guard(true).refusal(address), None, "{address}");
        }
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "ff02::1",
            "::127.0.0.1",
            "10.201.3.4",
            "::ffff:10.201.3.4",
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert!(guard(true).refusal(address).is_some(), "{address}");
        }
        // Documentation's own: nobody here has them.
        for address in ["192.0.2.7", "2001:db8::7"] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(guard(false).refusal(address), None, "{address}");
        }
    }

    #[test]
    fn networks_of_engines_are_told_by_their_bridges() {
        let row = |device: &str, address: [u8; 4], bits: u32| {
            let hex = u32::from_ne_bytes(address);
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0).to_be_bytes();
            let mask = u32::from_ne_bytes(mask);
            format!("{device}\t{hex:08X}\t00000000\t0001\t0\t0\t0\t{mask:08X}\n")
        };
        let routes = [
            "Iface\tDestination\tGateway\n".to_owned(),
            row("eth0", [0, 0, 0, 0], 0),
            row("docker0", [172, 17, 0, 0], 16),
            row("eth1", [172, 16, 0, 0], 12),
        ]
        .concat();
        let device = |address: &str| device_to(&routes, address.parse().unwrap());
        assert_eq!(device("172.17.0.2").as_deref(), Some("docker0"));
        assert_eq!(device("172.18.0.2").as_deref(), Some("eth1"));
        assert_eq!(device("192.0.2.1").as_deref(), Some("eth0"));
        let row = |device: &str, destination: &str, length: u32| {
            let address: Ipv6Addr = destination.parse().unwrap();
            let (address, next) = (u128::from(address), 0_u128);
            format!(
                "{address:032x} {length:02x} {next:032x} 00 {next:032x} 00000000 00000001 00000000 00000001 {device:>8}\n"
            )
        };
        let routes = [
            row("eth0", "::", 0),
            row("docker0", "fd00:1::", 64),
            row("eth1", "fd00::", 16),
        ]
        .concat();
        let device = |address: &str| device_to_v6(&routes, address.parse().unwrap());
        assert_eq!(device("fd00:1::2").as_deref(), Some("docker0"));
        assert_eq!(device("fd00:2::2").as_deref(), Some("eth1"));
        assert_eq!(device("2001:db8::1").as_deref(), Some("eth0"));
        assert!(is_of_an_engine("docker0") && is_of_an_engine("podman1"));
        assert!(!is_of_an_engine("eth0") && !is_of_an_engine("br0"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_keeps_its_addresses_while_its_resolver_fails() {
        type Answer = Result<Vec<&'static str>, ()>;
        let answers: Arc<Mutex<Vec<Answer>>> = Arc::new(Mutex::new(vec![
            Ok(vec!["192.0.2.2", "192.0.2.1"]),
            Err(()),
            Ok(vec!["192.0.2.3"]),
        ]));
        let asked = answers.clone();
        let changed = Arc::new(Notify::new());
        let watched = Watched::by(
            move || {
                let mut answers = asked.lock().unwrap();
                let next = match answers.len() {
                    0 => Err(()),
                    _ => answers.remove(0),
                };
                async move {
                    next.map(|texts| texts.iter().map(|text| text.parse().unwrap()).collect())
                        .map_err(|()| std::io::Error::other("no resolver"))
                }
            },
            changed.clone(),
        );
        let shown = |known: &Known| -> Vec<String> {
            known.addresses.iter().map(ToString::to_string).collect()
        };
        changed.notified().await;
        assert_eq!(shown(&watched.known()), ["192.0.2.1", "192.0.2.2"]);
        changed.notified().await;
        let failed = watched.known();
        assert_eq!(shown(&failed), ["192.0.2.1", "192.0.2.2"]);
        assert_eq!(failed.error.as_deref(), Some("no resolver"));
        changed.notified().await;
        assert_eq!(shown(&watched.known()), ["192.0.2.3"]);
        assert_eq!(watched.known().error, None);
    }
}
