//! What instances find by name: their `/etc/hosts`, given when they are made and kept while they run.
//!
//! Who is found changes without an instance of its own being replaced: a component comes, loses its ports, or another application
//! that shares a network is deployed. The engine keeps the file on the machine, outside the container's own file system, so what is
//! in the container cannot lead the writing elsewhere. Where it is not at hand, instances find the change when they are replaced.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use jiff::Timestamp;
use pluvio_model::id::Generation;
use pluvio_model::name::Name;
use pluvio_model::release::Release;
use pluvio_plan::lower::engine::InstanceTemplate;
use pluvio_runtime::driver::{ContainerState, SeenContainer};

use super::Application;
use super::desired::Desired;
use super::inside::addresses_of;
use crate::config::Pool;

/// The most that is read of a file: engines write lines, and programs may add some.
const LARGEST: u64 = 1 << 20;

/// What files were last made to say.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    basis: Option<Basis>,
    /// Instances whose file says it, and since when they run: with each start an engine writes the file anew.
    said: HashMap<String, Timestamp>,
}

/// All that names follow from.
#[derive(Debug)]
struct Basis {
    generation: Generation,
    addresses: BTreeMap<(Name, Name), Ipv4Addr>,
    neighbours: BTreeMap<Name, Vec<(String, Ipv4Addr)>>,
    /// Names that are nobody's are taken out as well.
    complete: bool,
}

/// Whose lines of a file are whose.
struct Owner<'o> {
    pool: Pool,
    /// The container's own addresses, which the engine wrote.
    own: BTreeSet<Ipv4Addr>,
    /// Names that the specification leads elsewhere itself.
    fixed: Vec<&'o str>,
    /// All names are known: one that is not wanted is nobody's.
    complete: bool,
}

impl Application {
    /// Names for the `/etc/hosts` of an instance: of those it shares a network with, by the first such; then of other
    /// applications on networks that are shared with them. `own`: its address on a network, by the engine's name in the template.
    pub(super) fn inner_hosts(
        &self,
        desired: &Desired,
        template: &InstanceTemplate,
        own: &dyn Fn(&str) -> Option<Ipv4Addr>,
    ) -> IndexMap<String, IpAddr> {
        let mut hosts = IndexMap::new();
        let Some(wish) = desired.kept.wish() else {
            return hosts;
        };
        let release = &wish.release;
        let joined = || {
            let all = template.networks();
            all.filter_map(|name| desired.networks.iter().find(|plan| plan.name == *name))
        };
        // A program that dials or listens at its own name means itself: at any port, before it is ready as well. Of several
        // instances the name is that of all.
        let component = template.component();
        let decided = release.components.get(component);
        let alone = decided.is_some_and(|it| it.most() <= 1);
        for plan in joined().filter(|_| alone) {
            let Some(address) = own(&plan.name) else {
                continue;
            };
            for (host, address) in named(release, &plan.network, component, address) {
                hosts.entry(host).or_insert(IpAddr::V4(address));
            }
        }
        for plan in joined() {
            let outside = release.externals.values().filter_map(|external| {
                let key = (external.name.clone(), plan.network.clone());
                let served = plan.internal || self.virtual_addresses.contains_key(&key);
                match self.outside_directly(external)? {
                    IpAddr::V4(address) if !served => Some((&external.name, address)),
                    _ => None,
                }
            });
            let outside =
                outside.flat_map(|(name, address)| named(release, &plan.network, name, address));
            for (host, address) in self
                .names_on(release, &plan.network)
                .into_iter()
                .chain(outside)
            {
                hosts.entry(host).or_insert(IpAddr::V4(address));
            }
        }
        for plan in joined() {
            let others = self.neighbours.get(&plan.network);
            for (host, address) in others.into_iter().flatten() {
                let host = hosts.entry(host.clone());
                host.or_insert(IpAddr::V4(*address));
            }
        }
        hosts
    }

    /// What has a virtual address on a network, by each of its names there.
    pub(super) fn names_on(&self, release: &Release, network: &Name) -> Vec<(String, Ipv4Addr)> {
        let served = self.virtual_addresses.iter();
        let served = served.filter(|((_, on), _)| on == network);
        served
            .flat_map(|((name, _), address)| named(release, network, name, *address))
            .collect()
    }

    /// Has instances that run find by name what has changed since they were made.
    pub(super) fn keep_hosts(&mut self, desired: &Desired) {
        let generation = desired.kept.stage.generation;
        let mut kept = std::mem::take(&mut self.hosts_kept);
        let is_same = kept.basis.as_ref().is_some_and(|basis| {
            basis.generation == generation
                && basis.complete == self.knows_all_names
                && basis.addresses == self.virtual_addresses
                && basis.neighbours == self.neighbours
        });
        if !is_same {
            kept.said.clear();
            kept.basis = Some(Basis {
                generation,
                addresses: self.virtual_addresses.clone(),
                neighbours: self.neighbours.clone(),
                complete: self.knows_all_names,
            });
        }
        kept.said
            .retain(|name, _| self.instances.contains_key(name));
        let stand_ins = self.stand_ins(desired);
        for (name, instance) in &self.instances {
            let Some((file, started_at)) = hosts_file(&instance.seen) else {
                continue;
            };
            if kept.said.get(name) == Some(&started_at) || !self.is_free(name) {
                continue;
            }
            let wanted = desired.components.get(&instance.component);
            let Some(wanted) = wanted.filter(|wanted| wanted.plan.hash == instance.hash) else {
                continue;
            };
            let release = desired.kept.wish().map(|wish| &wish.release);
            let content = release.and_then(|release| release.components.get(&instance.component));
            let fixed = content
                .into_iter()
                .flat_map(|it| it.content.extra_hosts.keys());
            let owner = Owner {
                pool: self.shared.pool,
                own: addresses_of(&instance.seen).collect(),
                fixed: fixed.map(String::as_str).collect(),
                complete: self.knows_all_names,
            };
            let own = |network: &str| {
                let network = stand_ins.get(network).map_or(network, String::as_str);
                match instance.seen.networks.get(network) {
                    Some(Some(IpAddr::V4(address))) => Some(*address),
                    _ => None,
                }
            };
            let mut hosts = self.inner_hosts(desired, &wanted.plan.instance, &own);
            // What is outside is told at the start; here only what is ours is kept.
            let pool = self.shared.pool;
            hosts.retain(|_, address| matches!(address, IpAddr::V4(one) if pool.contains(*one)));
            // It ended meanwhile, or the engine is elsewhere.
            if let Err(error) = rewrite(&file, &hosts, &owner) {
                tracing::debug!(%error, instance = name, "its names are those of its start");
            }
            kept.said.insert(name.clone(), started_at);
        }
        self.hosts_kept = kept;
    }
}

/// Every name of a component, or of what is outside, on one network.
fn named(
    release: &Release,
    network: &Name,
    name: &Name,
    address: Ipv4Addr,
) -> Vec<(String, Ipv4Addr)> {
    let run = release.components.get(name);
    let run = run.map(|component| component.content.aliases_on(network));
    let external = release.externals.get(name);
    let external = external.map(|external| external.aliases.iter());
    let aliases = run.into_iter().flatten();
    let aliases = aliases.chain(external.into_iter().flatten());
    let all = aliases.map(String::as_str).chain([name.as_str()]);
    all.map(|host| (host.to_owned(), address)).collect()
}

/// The file of a container that runs, and since when it does. An engine keeps it in a folder of the container's own; any other is
/// something that was mounted there.
fn hosts_file(seen: &SeenContainer) -> Option<(PathBuf, Timestamp)> {
    let ContainerState::Running { started_at } = seen.state else {
        return None;
    };
    let file = seen.hosts_file.clone()?;
    let of_it = file
        .components()
        .any(|part| part.as_os_str() == seen.id.as_str());
    (of_it && file.ends_with("hosts")).then_some((file, started_at))
}

/// In its place, for the container has the file itself, not its name. Nothing is written that is there already. What is in the
/// file is the container's to choose: it is read no further than a file of names goes.
fn rewrite(file: &Path, hosts: &IndexMap<String, IpAddr>, owner: &Owner<'_>) -> io::Result<()> {
    let mut open = OpenOptions::new().read(true).write(true).open(file)?;
    let mut before = String::new();
    (&open).take(LARGEST + 1).read_to_string(&mut before)?;
    if before.len() as u64 > LARGEST {
        return Err(io::Error::other("it is larger than a file of names"));
    }
    let after = owner.renewed(&before, hosts);
    if after == before {
        return Ok(());
    }
    open.seek(SeekFrom::Start(0))?;
    // Whoever reads meanwhile finds the old names or the new ones, and no half of an old one behind them.
    let rest = before.len().saturating_sub(after.len());
    open.write_all(format!("{after}{}", "\n".repeat(rest)).as_bytes())?;
    open.set_len(after.len() as u64)
}

impl Owner<'_> {
    /// The text of a file with these names in it. Lines that are not ours stay as they are; names of ours that nobody has are
    /// taken out if all names are known.
    fn renewed(&self, text: &str, hosts: &IndexMap<String, IpAddr>) -> String {
        let mut missing: BTreeMap<&str, IpAddr> = hosts
            .iter()
            .filter(|(name, _)| !self.fixed.contains(&name.as_str()))
            .map(|(name, address)| (name.as_str(), *address))
            .collect();
        let mut lines: Vec<String> = Vec::new();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let address = words.next().and_then(|word| word.parse::<Ipv4Addr>().ok());
            let ours =
                |address: &Ipv4Addr| self.pool.contains(*address) && !self.own.contains(address);
            let names: Vec<&str> = words.collect();
            let Some(address) = address.filter(ours) else {
                let own = address.filter(|address| self.own.contains(address));
                let leads_elsewhere = |name: &&str| {
                    let leads = own.and_then(|_| hosts.get(*name));
                    leads.is_some_and(|leads| Some(*leads) != own.map(IpAddr::V4))
                };
                let stay: Vec<&str> = names
                    .iter()
                    .copied()
                    .filter(|name| !leads_elsewhere(name))
                    .collect();
                if let Some(own) = own {
                    missing.retain(|name, leads| *leads != IpAddr::V4(own) || !stay.contains(name));
                }
                if stay.len() == names.len() {
                    lines.push(line.to_owned());
                } else if let (Some(own), false) = (own, stay.is_empty()) {
                    lines.push(format!("{own}\t{}", stay.join(" ")));
                }
                continue;
            };
            let stays = |name: &&&str| {
                let leads = hosts.get(**name);
                self.fixed.contains(*name)
                    || leads.map_or(!self.complete, |leads| *leads == IpAddr::V4(address))
            };
            let stay: Vec<&str> = names.iter().filter(stays).copied().collect();
            for name in &stay {
                missing.remove(name);
            }
            if stay.len() == names.len() {
                lines.push(line.to_owned());
            } else if !stay.is_empty() {
                lines.push(format!("{address}\t{}", stay.join(" ")));
            }
        }
        lines.extend(
            missing
                .iter()
                .map(|(name, address)| format!("{address}\t{name}")),
        );
        let mut text = lines.join("\n");
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(all: &[(&str, &str)]) -> IndexMap<String, IpAddr> {
        let all = all.iter();
        all.map(|(name, address)| ((*name).to_owned(), address.parse().unwrap()))
            .collect()
    }

    fn owner(complete: bool) -> Owner<'static> {
        Owner {
            complete,
            pool: "10.201.0.0/16".parse().unwrap(),
            own: BTreeSet::from([Ipv4Addr::new(10, 201, 0, 9)]),
            fixed: vec!["fixed"],
        }
    }

    const FILE: &str = "127.0.0.1\tlocalhost\n10.201.0.5\tdb\n10.201.0.6\told older\n10.201.0.7\tfixed\n\
                        # a note\n10.201.0.9\tweb-1 web\n192.0.2.1\tfar\n";

    #[test]
    fn names_come_and_go_and_what_is_not_ours_stays() {
        let now = hosts(&[
            ("db", "10.201.0.5"),
            ("old", "10.201.1.1"),
            ("fixed", "10.201.1.2"),
        ]);
        assert_eq!(
            owner(true).renewed(FILE, &now),
            "127.0.0.1\tlocalhost\n10.201.0.5\tdb\n10.201.0.7\tfixed\n# a note\n10.201.0.9\tweb-1 web\n\
             192.0.2.1\tfar\n10.201.1.1\told\n"
        );
        let now = owner(true).renewed(FILE, &now);
        let same = hosts(&[("db", "10.201.0.5"), ("old", "10.201.1.1")]);
        assert_eq!(owner(true).renewed(&now, &same), now);
    }

    #[test]
    fn its_own_names_lead_to_itself_and_are_written_once() {
        let own = hosts(&[
            ("web", "10.201.0.9"),
            ("front", "10.201.0.9"),
            ("db", "10.201.0.5"),
        ]);
        let before = "10.201.0.9\tweb-1 web\n10.201.0.5\tdb\n10.201.0.6\tfront\n";
        let after = "10.201.0.9\tweb-1 web\n10.201.0.5\tdb\n10.201.0.9\tfront\n";
        assert_eq!(owner(true).renewed(before, &own), after);
        assert_eq!(owner(true).renewed(after, &own), after);
        // Of several instances it is the name of all.
        let all = hosts(&[
            ("web", "10.201.0.7"),
            ("front", "10.201.0.7"),
            ("db", "10.201.0.5"),
        ]);
        assert_eq!(
            owner(true).renewed(after, &all),
            "10.201.0.9\tweb-1\n10.201.0.5\tdb\n10.201.0.7\tfront\n10.201.0.7\tweb\n"
        );
    }

    #[test]
    fn a_name_whose_owner_was_not_seen_yet_is_kept() {
        let now = hosts(&[("db", "10.201.0.5")]);
        assert_eq!(owner(false).renewed(FILE, &now), FILE);
    }

    #[test]
    fn a_file_is_written_in_its_place_and_only_where_the_engine_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hosts");
        std::fs::write(&file, FILE).unwrap();
        let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&path.metadata().unwrap());
        let before = inode(&file);
        rewrite(&file, &hosts(&[]), &owner(true)).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(
            text,
            "127.0.0.1\tlocalhost\n10.201.0.7\tfixed\n# a note\n10.201.0.9\tweb-1 web\n192.0.2.1\tfar\n"
        );
        assert_eq!(inode(&file), before);
        let seen = |file: &str, running: bool| {
            let started_at = Timestamp::UNIX_EPOCH;
            hosts_file(&SeenContainer {
                name: "web-0".to_owned(),
                id: "0a1b".to_owned(),
                labels: IndexMap::new(),
                state: match running {
                    true => ContainerState::Running { started_at },
                    false => ContainerState::Created,
                },
                address: None,
                networks: IndexMap::new(),
                published: IndexMap::new(),
                pid: None,
                hosts_file: Some(PathBuf::from(file)),
                created_at: started_at,
            })
        };
        assert!(seen("/engine/containers/0a1b/hosts", true).is_some());
        assert!(seen("/engine/containers/0a1b/hosts", false).is_none());
        assert!(seen("/etc/hosts", true).is_none());
        assert!(seen("/engine/containers/0a1b/passwd", true).is_none());
    }
}
