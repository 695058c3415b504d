//! Inner names: each component with TCP ports has a virtual address on its application's network, which this node serves.
//!
//! The address is one of the machine's own (on the loopback interface, so that it does not depend on a bridge that an engine
//! makes and removes as it likes; the kernel answers for it on every interface). Instances find it in their `/etc/hosts`. The
//! gateway listens there and dials ready instances only, so inner traffic loses no request while instances are replaced
//! either, and is counted by who asks whom.
//!
//! Needs the right to give the machine addresses (CAP_NET_ADMIN) and iproute2's `ip`. Where one is missing, names lead to
//! instances by the engine's own resolver, ready or not.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use pluvio_model::id::ApplicationId;
use pluvio_model::name::Name;
use pluvio_model::route::{ApplicationKey, BackendId, BackendPart};
use pluvio_model::spec::PortProtocol;
use pluvio_proxy::{InnerClient, InnerClients, InnerListener, InnerProtocol, Network};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::{Mutex, Notify};

use crate::config::Pool;
use crate::traffic::Traffic;

/// How long the gateway has to cut the connections at an address that goes.
const CUT: Duration = Duration::from_millis(100);

/// What an application has inside: who is served where, and who is who.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Inside {
    pub(crate) served: Vec<Served>,
    /// Instances' addresses and their components.
    pub(crate) clients: BTreeMap<IpAddr, Name>,
    /// Its networks on which it may meet other applications.
    pub(crate) meets: Vec<Meeting>,
}

impl Inside {
    /// Each network that something is served on, once.
    pub(crate) fn networks(&self) -> Vec<Network> {
        let mut all: Vec<Network> = Vec::new();
        for network in self.served.iter().flat_map(|served| &served.networks) {
            if !all.contains(network) {
                all.push(*network);
            }
        }
        all
    }
}

/// A network of an application, and what is found there by name. There is none of the engine's that two applications are on:
/// whoever meets another is answered at its virtual addresses, which every network with a way out leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meeting {
    /// Whoever shares a network by one of these names finds and reaches what is on this one.
    pub(crate) known_as: Vec<String>,
    pub(crate) shared_as: Option<String>,
    /// Where those come from who are on it: its ranges, and the addresses that its members have elsewhere, since the way out of a
    /// container may lie on another of its networks.
    pub(crate) from: Vec<Network>,
    /// Names, and where they lead.
    pub(crate) hosts: Vec<(String, Ipv4Addr)>,
}

impl Meeting {
    /// Whether it finds what is known by one of these names.
    fn asks_for(&self, names: &[String]) -> bool {
        let shared = self.shared_as.as_ref();
        shared.is_some_and(|shared| names.contains(shared))
    }
}

/// A component at its virtual address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Served {
    pub(crate) component: Name,
    pub(crate) address: Ipv4Addr,
    /// The engine's networks that the address is for: whoever asks from elsewhere is turned away.
    pub(crate) networks: Vec<Network>,
    /// Who has a network of one of these names is answered as well.
    pub(crate) known_as: Vec<String>,
    /// Name, number, protocol; no UDP among them.
    pub(crate) ports: Vec<(Name, u16, PortProtocol)>,
}

/// The virtual addresses of all applications of a node.
#[derive(Debug)]
pub(crate) struct Inner {
    pool: Pool,
    traffic: Arc<Traffic>,
    state: Mutex<State>,
    /// Applications that have not yet said what they have.
    awaited: std::sync::Mutex<BTreeSet<ApplicationId>>,
}

#[derive(Debug, Default)]
struct State {
    applications: BTreeMap<ApplicationId, Inside>,
    /// Who is woken when those that it meets change.
    wakes: BTreeMap<ApplicationId, Arc<Notify>>,
    /// The applications that the node began with are known.
    swept: bool,
    /// On the loopback interface, as far as is known.
    held: BTreeSet<Ipv4Addr>,
    looked: bool,
    /// Why addresses cannot be had, once it was found out.
    unavailable: Option<String>,
    /// Some address could not be listened at: tried again with the next change or look.
    incomplete: bool,
}

impl Inner {
    pub(crate) fn new(pool: Pool, traffic: Arc<Traffic>) -> Inner {
        Inner {
            pool,
            traffic,
            state: Mutex::default(),
            awaited: std::sync::Mutex::default(),
        }
    }

    /// Whether virtual addresses can be had on this machine.
    pub(crate) async fn is_available(&self) -> bool {
        let mut state = self.state.lock().await;
        self.look(&mut state).await;
        state.unavailable.is_none()
    }

    /// What is found by name on other applications' networks that are known by this; of two that have one name, the older
    /// application's.
    pub(crate) async fn neighbours(
        &self,
        application: ApplicationId,
        shared: &String,
    ) -> Vec<(String, Ipv4Addr)> {
        let state = self.state.lock().await;
        let others = state.applications.iter();
        let others = others.filter(|(other, _)| **other != application);
        others
            .flat_map(|(_, inside)| &inside.meets)
            .filter(|meeting| meeting.known_as.contains(shared))
            .flat_map(|meeting| meeting.hosts.iter().cloned())
            .collect()
    }

    /// An application that will say what it has.
    pub(crate) fn expect(&self, application: ApplicationId) {
        self.awaited().insert(application);
    }

    fn awaited(&self) -> std::sync::MutexGuard<'_, BTreeSet<ApplicationId>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether all applications of the machine have said what they have, so that a name nobody has leads nowhere.
    pub(crate) async fn is_complete(&self) -> bool {
        self.state.lock().await.swept && self.awaited().is_empty()
    }

    /// Serves exactly this of an application from now on, and wakes those that it meets, or met, when that changes for them.
    pub(crate) async fn set(&self, application: ApplicationId, inside: Inside, wake: &Arc<Notify>) {
        let mut state = self.state.lock().await;
        self.look(&mut state).await;
        if self.awaited().remove(&application) && self.awaited().is_empty() {
            // Names that nobody has can be taken out now.
            state.wakes.values().for_each(|wake| wake.notify_one());
        }
        if inside == Inside::default() {
            state.wakes.remove(&application);
        } else {
            state.wakes.insert(application, wake.clone());
        }
        let before = state.applications.get(&application);
        if state.unavailable.is_some()
            || (before.unwrap_or(&Inside::default()) == &inside && !state.incomplete)
        {
            return;
        }
        let meets = inside.meets.clone();
        let before = if inside == Inside::default() {
            state.applications.remove(&application)
        } else {
            state.applications.insert(application, inside)
        };
        self.arrange(&mut state).await;
        let met = before.map(|before| before.meets).unwrap_or_default();
        if met != meets {
            let names = met.into_iter().chain(meets);
            let names: Vec<String> = names.flat_map(|meeting| meeting.known_as).collect();
            for (other, inside) in &state.applications {
                let meet = inside.meets.iter().any(|meeting| meeting.asks_for(&names));
                if let Some(wake) = state
                    .wakes
                    .get(other)
                    .filter(|_| meet && *other != application)
                {
                    wake.notify_one();
                }
            }
        }
    }

    async fn arrange(&self, state: &mut State) {
        let wanted: BTreeSet<Ipv4Addr> = state
            .applications
            .values()
            .flat_map(|inside| &inside.served)
            .map(|served| served.address)
            .collect();
        let missing: Vec<Ipv4Addr> = wanted.difference(&state.held).copied().collect();
        if !missing.is_empty() {
            let lines = missing
                .iter()
                .map(|a| format!("addr replace {a}/32 dev lo\n"));
            match ip_batch(&lines.collect::<String>()).await {
                Ok(()) => state.held.extend(missing),
                Err(why) => {
                    tracing::warn!(%why, "components have no addresses of their own; their names lead to instances directly");
                    state.unavailable = Some(why);
                    return;
                }
            }
        }
        let failed = self
            .traffic
            .set_inner(listeners(&state.applications), clients(&state.applications));
        state.incomplete = !failed.is_empty();
        for (address, error) in failed {
            tracing::warn!(%address, %error, "an inner address cannot be listened at");
        }
        let superfluous: Vec<Ipv4Addr> = state.held.difference(&wanted).copied().collect();
        if !superfluous.is_empty() {
            // Connections there are cut first: without the address nothing reaches their clients, not even that.
            tokio::time::sleep(CUT).await;
            let lines = superfluous
                .iter()
                .map(|a| format!("addr del {a}/32 dev lo\n"));
            // One that is gone already is as it shall be.
            if let Err(why) = ip_batch(&lines.collect::<String>()).await {
                tracing::debug!(%why, "an address was gone already");
            }
            state.held = wanted;
        }
    }

    /// Gives back what an earlier process held and nobody has asked for since.
    pub(crate) async fn sweep(&self) {
        let mut state = self.state.lock().await;
        self.look(&mut state).await;
        state.swept = true;
        // Names that nobody has can be taken out now.
        state.wakes.values().for_each(|wake| wake.notify_one());
        if state.unavailable.is_none() {
            self.arrange(&mut state).await;
        }
    }

    /// Finds what an earlier process left, so that it is removed unless somebody wants it.
    async fn look(&self, state: &mut State) {
        if std::mem::replace(&mut state.looked, true) {
            return;
        }
        let listed = Command::new("ip")
            .args(["-o", "-4", "addr", "show", "dev", "lo"])
            .stdin(Stdio::null())
            .output()
            .await;
        match listed {
            Ok(output) if output.status.success() => {
                let text = String::from_utf8_lossy(&output.stdout);
                state.held = addresses_in(&text)
                    .filter(|address| self.pool.contains(*address))
                    .collect();
            }
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                state.unavailable = Some(said.trim().to_owned());
            }
            Err(error) => state.unavailable = Some(format!("`ip` cannot be run: {error}")),
        }
        if let Some(why) = &state.unavailable {
            tracing::warn!(
                why,
                "components have no addresses of their own; their names lead to instances directly"
            );
        }
    }
}

/// Keeps the hardware address of a network's bridge as it is now.
///
/// A bridge whose address nobody has set takes that of one of its ports, and another's when that port goes (Podman's netavark sets
/// none, Docker does). Instances would go on sending to the old one for half a minute, until they ask again who has the
/// virtual address. Once set, the kernel leaves it alone (`NET_ADDR_SET`, 3, in Linux' `netdevice.h`).
pub(crate) async fn keep_bridge_address(network: Network) {
    let Some(bridge) = std::fs::read_to_string("/proc/net/route")
        .ok()
        .and_then(|routes| device_of(&routes, network))
    else {
        // Without an instance there is none.
        return;
    };
    let read = |what: &str| {
        let text = std::fs::read_to_string(format!("/sys/class/net/{bridge}/{what}"));
        text.map(|text| text.trim().to_owned()).unwrap_or_default()
    };
    let address = read("address");
    if read("addr_assign_type") == "3" || address.is_empty() {
        return;
    }
    let line = format!("link set dev {bridge} address {address}\n");
    if let Err(why) = ip_batch(&line).await {
        tracing::debug!(%why, bridge, "the bridge's address may change");
    }
}

/// The device that a network is reached by, in the kernel's table of routes: name, destination and the rest, in hexadecimal
/// digits of the machine's byte order.
fn device_of(routes: &str, network: Network) -> Option<String> {
    routes.lines().skip(1).find_map(|line| {
        let mut words = line.split_whitespace();
        let (device, destination) = (words.next()?, words.next()?);
        let destination = u32::from_str_radix(destination, 16).ok()?;
        let address = Ipv4Addr::from(destination.to_ne_bytes());
        // A default route is none of ours.
        (destination != 0 && network.contains(IpAddr::V4(address))).then(|| device.to_owned())
    })
}

fn listeners(applications: &BTreeMap<ApplicationId, Inside>) -> Vec<InnerListener> {
    let mut met: BTreeMap<&str, Vec<(ApplicationId, &Meeting)>> = BTreeMap::new();
    for (application, inside) in applications {
        for meeting in &inside.meets {
            if let Some(shared) = &meeting.shared_as {
                met.entry(shared).or_default().push((*application, meeting));
            }
        }
    }
    let mut all = Vec::new();
    for (application, inside) in applications {
        for served in &inside.served {
            let mut networks = served.networks.clone();
            let others = served
                .known_as
                .iter()
                .filter_map(|name| met.get(name.as_str()));
            let others = others.flatten().filter(|(other, _)| other != application);
            for range in others.flat_map(|(_, meeting)| &meeting.from) {
                if !networks.contains(range) {
                    networks.push(*range);
                }
            }
            for (name, port, protocol) in &served.ports {
                all.push(InnerListener {
                    address: SocketAddr::from((served.address, *port)),
                    backend: BackendId::new(
                        ApplicationKey::from(*application),
                        BackendPart::from(&served.component),
                        BackendPart::from(name),
                    ),
                    protocol: match protocol {
                        PortProtocol::Http => InnerProtocol::Http1,
                        PortProtocol::Http2 => InnerProtocol::Http2,
                        PortProtocol::Tcp | PortProtocol::Udp => InnerProtocol::Tcp,
                    },
                    networks: networks.clone(),
                });
            }
        }
    }
    all
}

fn clients(applications: &BTreeMap<ApplicationId, Inside>) -> InnerClients {
    applications
        .iter()
        .flat_map(|(application, inside)| {
            inside.clients.iter().map(|(address, name)| {
                let client = InnerClient {
                    application: ApplicationKey::from(*application),
                    component: name.as_str().into(),
                };
                (*address, client)
            })
        })
        .collect()
}

/// `1: lo    inet 10.201.0.5/32 scope global lo …`
fn addresses_in(listed: &str) -> impl Iterator<Item = Ipv4Addr> {
    listed.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip_while(|word| *word != "inet");
        let address = words.nth(1)?.strip_suffix("/32")?;
        address.parse().ok()
    })
}

/// Runs lines of `ip`, all of them even if some fail.
async fn ip_batch(lines: &str) -> Result<(), String> {
    let run = async {
        let mut child = Command::new("ip")
            .args(["-force", "-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(lines.as_bytes()).await?;
        }
        child.wait_with_output().await
    };
    match run.await {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("`ip` cannot be run: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_networks_bridge_is_found_in_the_table_of_routes() {
        let row = |device: &str, address: [u8; 4]| {
            let hex = u32::from_ne_bytes(address);
            format!("{device}\t{hex:08X}\t00000000\t0001\t0\t0\t0\t00FFFFFF\n")
        };
        let routes = [
            "Iface\tDestination\tGateway\n".to_owned(),
            row("eth0", [0, 0, 0, 0]),
            row("podman3", [10, 201, 0, 64]),
            row("br-1", [10, 201, 0, 128]),
        ];
        let device = |network: &str| device_of(&routes.concat(), network.parse().unwrap());
        assert_eq!(device("10.201.0.128/26").as_deref(), Some("br-1"));
        assert_eq!(device("10.201.0.64/26").as_deref(), Some("podman3"));
        assert_eq!(device("10.201.1.0/26"), None);
    }

    #[test]
    fn own_addresses_are_found_among_the_machines() {
        let listed = "1: lo    inet 127.0.0.1/8 scope host lo\\ valid_lft forever\n\
                      1: lo    inet 10.201.0.5/32 scope global lo\\ valid_lft forever\n\
                      1: lo    inet 192.0.2.1/32 scope global lo\\ valid_lft forever\n";
        let pool: Pool = "10.201.0.0/16".parse().unwrap();
        let found: Vec<_> = addresses_in(listed)
            .filter(|address| pool.contains(*address))
            .collect();
        assert_eq!(found, [Ipv4Addr::new(10, 201, 0, 5)]);
    }
}
