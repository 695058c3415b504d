//! Components outside: their names are resolved, their addresses asked whether they are well, and those that are get requests.
//! Nothing of an instance depends on them, so a change takes effect at once and replaces nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;
use pluvio_model::image::ContentHash;
use pluvio_model::name::Name;
use pluvio_model::observed::{InstanceState, ObservedInstance, ProbeAnswer, ProbeKind};
use pluvio_model::release::{Check, DecidedExternal, DecidedProbe, DecidedProbes};
use pluvio_model::route::BackendState;
use pluvio_model::spec::{OutsideAddress, OutsideHost, PortProtocol};
use pluvio_model::stage::Power;
use pluvio_plan::rollout::Health;

use super::Application;
use super::desired::Desired;
use crate::collect::{Source, remark};
use crate::outside::{Guard, Known, Routes, Watched};
use crate::probes::{Prober, Target, Verdict};
use crate::traffic::endpoint;

/// A component outside, as it is followed.
#[derive(Debug, Default)]
pub(crate) struct Outside {
    names: BTreeMap<Box<str>, Watched>,
    /// By the name it is told by.
    hosts: BTreeMap<String, Host>,
    /// What leads nowhere: the name it is told by, and why.
    refused: BTreeMap<String, String>,
    /// Names that were not looked up yet.
    waits: bool,
    release: u64,
    hash: Option<ContentHash>,
}

/// One address that is asked.
#[derive(Debug)]
struct Host {
    ip: IpAddr,
    /// In place of the component's port.
    port: Option<u16>,
    check: DecidedProbe,
    prober: Prober,
    since: Timestamp,
}

impl Host {
    fn dial(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.ip, self.port.unwrap_or(port))
    }
}

/// The check of one address: its own port in place of the component's, the name it is known by as host.
fn check_of(external: &DecidedExternal, address: &OutsideAddress) -> DecidedProbe {
    let mut probe = external.check.clone();
    let is_its = |port: u16| external.ports.values().any(|own| own.port == port);
    match &mut probe.check {
        Check::Http { port, host, .. } => {
            if let Some(own) = address.port.filter(|_| is_its(*port)) {
                *port = own;
            }
            if let (None, OutsideHost::Name(name)) = (&host, &address.host) {
                *host = Some(name.to_string());
            }
        }
        Check::Tcp { port } => {
            if let Some(own) = address.port.filter(|_| is_its(*port)) {
                *port = own;
            }
        }
        // A component outside has neither an image nor a container.
        Check::Ports { .. } | Check::Command(_) => {}
    }
    probe
}

impl Application {
    /// What an address is told by: a name that an endpoint can have, no other application's.
    fn outside_name(&self, component: &Name, what: &str, port: Option<u16>) -> String {
        let id = self.id.to_string();
        let what = what.replace(':', "_");
        let port = port.map(|port| format!("-{port}")).unwrap_or_default();
        format!("{component}--{what}{port}--{}", &id[id.len() - 8..])
    }

    /// Follows what is outside as the stage says it.
    pub(super) fn attend_externals(&mut self, desired: &Desired) {
        let wish = desired.kept.wish();
        let wanted: Vec<DecidedExternal> = wish
            .map(|wish| wish.release.externals.values().cloned().collect())
            .unwrap_or_default();
        let release = wish.map_or(0, |wish| wish.release.number);
        let off = wish.is_some_and(|wish| wish.power == Power::Off);
        let gone: Vec<Name> = self
            .externals
            .keys()
            .filter(|name| !wanted.iter().any(|external| external.name == **name))
            .cloned()
            .collect();
        for name in gone {
            self.externals.remove(&name);
            // One that runs here now sets its endpoints itself.
            if !desired.components.contains_key(&name) {
                let nothing = BTreeMap::new();
                self.shared.traffic.set_component(self.id, &name, nothing);
            }
        }
        // Bridges may come later: read at each turn, and once for all.
        let routes = match wanted.is_empty() {
            true => Routes::default(),
            false => Routes::read(),
        };
        for external in wanted {
            let before = self.externals.remove(&external.name);
            let mut outside = before.filter(|_| !off).unwrap_or_default();
            outside.release = release;
            outside.hash = Some(ContentHash::of(&external));
            if !off {
                self.follow_outside(&external, &mut outside, &routes);
            }
            self.lead_outside(&external, &outside, off);
            self.externals.insert(external.name.clone(), outside);
        }
    }

    /// Resolves, guards, asks.
    fn follow_outside(&self, external: &DecidedExternal, outside: &mut Outside, routes: &Routes) {
        let guard = Guard {
            pool: self.shared.pool,
            local: external.local,
            routes,
        };
        let mut names = std::mem::take(&mut outside.names);
        let mut hosts = std::mem::take(&mut outside.hosts);
        outside.waits = false;
        let mut refused = BTreeMap::new();
        for address in &external.addresses {
            let known = match &address.host {
                OutsideHost::Address(ip) => Known {
                    addresses: vec![*ip],
                    error: None,
                    asked: true,
                },
                OutsideHost::Name(name) => {
                    let watched = match names.remove(name) {
                        Some(watched) => watched,
                        None => match outside.names.remove(name) {
                            Some(twice) => twice,
                            None => Watched::start(name, self.wake.clone()),
                        },
                    };
                    let known = watched.known();
                    outside.names.insert(name.clone(), watched);
                    known
                }
            };
            outside.waits |= !known.asked;
            if let Some(error) = known.error.filter(|_| known.addresses.is_empty()) {
                let name = self.outside_name(&external.name, &address.to_string(), None);
                refused.insert(name, format!("{address} cannot be resolved: {error}"));
            }
            let check = check_of(external, address);
            for ip in known.addresses {
                let name = self.outside_name(&external.name, &ip.to_string(), address.port);
                if outside.hosts.contains_key(&name) {
                    continue;
                }
                if let Some(why) = guard.refusal(ip) {
                    refused.insert(name, format!("{ip} is not dialled: {why}"));
                    continue;
                }
                let host = hosts
                    .remove(&name)
                    .filter(|host| host.check == check)
                    .unwrap_or_else(|| self.ask_outside(&name, ip, address.port, &check));
                outside.hosts.insert(name, host);
            }
        }
        for (name, why) in &refused {
            if outside.refused.get(name) != Some(why) {
                self.say_of_outside(&external.name, name, why.clone());
            }
        }
        outside.refused = refused;
        let news: Vec<(String, Verdict)> = outside
            .hosts
            .iter_mut()
            .filter_map(|(name, host)| Some((name.clone(), host.prober.news()?)))
            .collect();
        for (name, verdict) in news {
            let message = verdict.answer.map(|answer| answer.message);
            let message = message.unwrap_or_default();
            let text = match verdict.health {
                Health::Ready => "well again, gets requests".to_owned(),
                _ => format!("not well, gets no requests: {message}"),
            };
            self.say_of_outside(&external.name, &name, text);
        }
    }

    fn ask_outside(&self, name: &str, ip: IpAddr, port: Option<u16>, check: &DecidedProbe) -> Host {
        let target = Target {
            application: self.id,
            instance: name.to_owned(),
            address: Some(ip),
            published: IndexMap::new(),
            driver: self.driver(),
        };
        let probes = DecidedProbes {
            ready: Some(check.clone()),
            ..DecidedProbes::default()
        };
        let now = pluvio_model::clock::now();
        Host {
            ip,
            port,
            check: check.clone(),
            prober: Prober::start(target, probes, now, Health::Starting, self.wake.clone()),
            since: now,
        }
    }

    /// Requests go to addresses that are well.
    fn lead_outside(&self, external: &DecidedExternal, outside: &Outside, off: bool) {
        let well: Vec<(&String, &Host)> = outside
            .hosts
            .iter()
            .filter(|(_, host)| host.prober.verdict().health == Health::Ready)
            .collect();
        let unasked = |host: &Host| host.prober.verdict().answer.is_none();
        // The first answers are a moment away: who comes now waits for them.
        let begins = well.is_empty() && (outside.waits || outside.hosts.values().any(unasked));
        let ports = external
            .ports
            .iter()
            .filter(|(_, port)| port.protocol != PortProtocol::Udp)
            .map(|(name, port)| {
                let state = if off {
                    BackendState::Stopped
                } else if begins {
                    BackendState::holding()
                } else {
                    BackendState::Serving {
                        endpoints: well
                            .iter()
                            .filter_map(|(name, host)| endpoint(name, host.dial(port.port)))
                            .collect(),
                    }
                };
                (name.clone(), state)
            })
            .collect();
        self.shared
            .traffic
            .set_component(self.id, &external.name, ports);
    }

    fn say_of_outside(&self, component: &Name, name: &str, text: String) {
        let source = Source {
            application: self.id,
            component: component.clone(),
            instance: name.to_owned(),
            container: name.to_owned(),
            masks: self.masks.clone(),
        };
        remark(&self.shared.logs, &source, text);
    }

    /// Where a component outside is, for machines on which it can have no address of its own.
    pub(super) fn outside_directly(&self, external: &DecidedExternal) -> Option<IpAddr> {
        let outside = self.externals.get(&external.name)?;
        let same_port = |host: &&Host| host.port.is_none();
        outside.hosts.values().find(same_port).map(|host| host.ip)
    }

    /// What is told of components outside: each address as if it were an instance.
    pub(super) fn observed_externals(&self) -> BTreeMap<Name, Vec<ObservedInstance>> {
        let of = |outside: &Outside| {
            let hash = outside.hash.clone();
            let hash = hash.unwrap_or_else(|| ContentHash::of(&()));
            let told = |name: &String, address: Option<String>, state, since| ObservedInstance {
                name: name.clone(),
                ordinal: None,
                hash: hash.clone(),
                release: outside.release,
                state,
                address,
                started_at: since,
                ready_at: None,
                restarts: 0,
                last_exit: None,
                probe: None,
                in_flight: 0,
                sidecars: Vec::new(),
            };
            let asked = outside.hosts.iter().map(|(name, host)| {
                let state = match host.prober.verdict() {
                    Verdict {
                        health: Health::Ready,
                        ..
                    } => InstanceState::Ready,
                    Verdict { answer: None, .. } => InstanceState::Starting,
                    _ => InstanceState::NotReady,
                };
                let address = match host.port {
                    Some(port) => SocketAddr::new(host.ip, port).to_string(),
                    None => host.ip.to_string(),
                };
                told(name, Some(address), state, Some(host.since))
            });
            let refused = outside.refused.iter().map(|(name, why)| ObservedInstance {
                probe: Some(ProbeAnswer {
                    kind: ProbeKind::Ready,
                    ok: false,
                    message: why.clone(),
                    // Told of each time: the time is none that anything happened at.
                    at: Timestamp::UNIX_EPOCH,
                    in_a_row: 1,
                }),
                ..told(name, None, InstanceState::NotReady, None)
            });
            asked.chain(refused).collect::<Vec<_>>()
        };
        self.externals
            .iter()
            .map(|(name, outside)| (name.clone(), of(outside)))
            .collect()
    }

    pub(super) fn external_verdicts(
        &self,
    ) -> impl Iterator<Item = (String, Arc<std::sync::Mutex<Verdict>>)> {
        let hosts = self.externals.values().flat_map(|outside| &outside.hosts);
        hosts.map(|(name, host)| (name.clone(), host.prober.shared()))
    }

    /// True when everything outside was asked once: names looked up, addresses answered or did not.
    pub(super) fn knows_externals(&self, desired: &Desired) -> bool {
        let wanted: BTreeSet<&Name> = desired
            .kept
            .wish()
            .map(|wish| wish.release.externals.keys().collect())
            .unwrap_or_default();
        wanted.into_iter().all(|name| {
            self.externals.get(name).is_some_and(|outside| {
                let asked = |host: &Host| host.prober.verdict().answer.is_some();
                !outside.waits && outside.hosts.values().all(asked)
            })
        })
    }
}
