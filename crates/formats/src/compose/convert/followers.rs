//! Services that share another's network (`network_mode: service:NAME`): what they become.
//!
//! Where compose lets one container join another's network namespace, an instance has containers beside its program: they share
//! its network, run where it runs, and are made anew with it. A service that can be such a container becomes one.

use std::collections::HashSet;

use indexmap::IndexMap;
use pluvio_model::name::Name;
use pluvio_model::spec::{
    ComponentSpec, ContainerSpec, Hooks, Kind, MountSpec, PortSpec, RestartPolicy, Use, VolumeKind,
};

use super::super::item::{Item, Map, Place};
use super::{Convert, cut};

/// A service that asks for the network of another one.
pub(super) struct Follower {
    pub(super) leader: Name,
    pub(super) at: Place,
    pub(super) path: String,
}

/// The service whose network is asked for: by its name, or by that of its container.
pub(super) fn leader<'s>(mode: &'s str, services: &'s Map) -> Option<&'s str> {
    let (kind, name) = mode.split_once(':')?;
    match kind {
        "service" => services.get_key_value(name).map(|(key, _)| key.as_str()),
        "container" => {
            let named =
                |item: &Item| item.get("container_name").and_then(Item::as_text) == Some(name);
            let found = services.iter().find(|(_, field)| named(&field.item));
            found.map(|(key, _)| key.as_str())
        }
        _ => None,
    }
}

impl Convert<'_> {
    /// Once all services are known.
    pub(super) fn join_leaders(&mut self) {
        let followers = std::mem::take(&mut self.followers);
        for (name, follower) in &followers {
            let Some(leader) = self.root_of(name, &followers) else {
                self.told.refused(
                    follower.at,
                    &follower.path,
                    format!(
                        "Its network is that of {}, whose network is its own in the end.",
                        follower.leader
                    ),
                    "Break the circle. It joins the application's network instead.",
                );
                continue;
            };
            let fits = match self.spec.components.contains_key(&leader) {
                true => self.fits(name, &leader),
                // A service that somebody else provides.
                false => Err(("that one is not run here.", "Give it a network of its own.")),
            };
            if let Err((why, remedy)) = fits {
                self.told.refused(
                    follower.at,
                    &follower.path,
                    format!("It would share the network of {leader}, but {why}"),
                    format!("{remedy} It joins the application's network instead, where {leader} is reached by its name rather than at 127.0.0.1."),
                );
                continue;
            }
            let Some(component) = self.spec.components.shift_remove(name) else {
                continue;
            };
            self.told.adapted(
                follower.at,
                &follower.path,
                format!("It runs beside {leader} in each of its instances, on their network: a change of one replaces both."),
            );
            self.lead_to_leader(name, &leader);
            self.put_beside(name, component, &leader, follower);
        }
    }

    /// Whom its leader follows in the end; nothing in a circle. One that stays a component of its own is followed itself.
    fn root_of(&self, name: &Name, followers: &IndexMap<Name, Follower>) -> Option<Name> {
        let mut leader = &followers.get(name)?.leader;
        let mut steps = 0;
        while let Some(next) = followers.get(leader)
            && self.fits(leader, &next.leader).is_ok()
        {
            steps += 1;
            if steps > followers.len() {
                return None;
            }
            leader = &next.leader;
        }
        Some(leader.clone())
    }

    /// What keeps a service from being a container beside its leader, and what to do about it.
    fn fits(&self, name: &Name, leader: &Name) -> Result<(), (&'static str, &'static str)> {
        if let Some(leader) = self.spec.components.get(leader)
            && matches!(leader.kind, Kind::Job | Kind::Cron)
        {
            return Err((
                "that one comes to an end.",
                "Let it follow a service that stays.",
            ));
        }
        let Some(component) = self.spec.components.get(name) else {
            return Ok(());
        };
        // What is built alike is another program of the component's own image.
        let built_alike = component.source.is_some()
            && (component.entrypoint.is_some() || component.command.is_some())
            && self.spec.components.get(leader).is_some_and(|leader| {
                (&leader.source, &leader.build) == (&component.source, &component.build)
            });
        if (component.source.is_some() || component.image.is_none()) && !built_alike {
            return Err((
                "it is built, and what runs beside a component is an image.",
                "Build it into an image, and name that.",
            ));
        }
        if component.kind == Kind::Job {
            return Err((
                "it runs to its end, and what runs beside a component stays.",
                "Let it reach the other by its name.",
            ));
        }
        Ok(())
    }

    /// Whoever awaits a follower awaits its leader.
    fn lead_to_leader(&mut self, name: &Name, leader: &Name) {
        for (other, component) in &mut self.spec.components {
            let Some(at) = component
                .uses
                .iter()
                .position(|used| used.component() == name)
            else {
                continue;
            };
            component.uses.remove(at);
            let known = component.uses.iter().any(|used| used.component() == leader);
            if other != leader && !known {
                component.uses.push(Use::Component(leader.clone()));
            }
        }
    }

    fn put_beside(
        &mut self,
        name: &Name,
        component: ComponentSpec,
        leader: &Name,
        from: &Follower,
    ) {
        let path = from
            .path
            .rsplit_once('.')
            .map_or("", |(path, _)| path)
            .to_owned();
        let mut lost: Vec<(&str, &str)> = Vec::new();
        if !component.extra_hosts.is_empty() {
            lost.push(("extra_hosts", "extra_hosts"));
        }
        if component.instances.is_some_and(|count| count != 1) {
            lost.push(("scale", "number of instances"));
        }
        if component.hooks.is_some() {
            lost.push(("", "commands after its start and before its stop"));
        }
        if component.patch.is_some() {
            lost.push(("", "options that only the engine knows"));
        }
        let mut options = component.options.clone();
        if let Some(options) = &mut options {
            for (key, there) in [
                ("hostname", options.hostname.take().is_some()),
                ("domainname", options.domainname.take().is_some()),
                ("dns", !std::mem::take(&mut options.dns).is_empty()),
                (
                    "dns_search",
                    !std::mem::take(&mut options.dns_search).is_empty(),
                ),
                (
                    "dns_opt",
                    !std::mem::take(&mut options.dns_options).is_empty(),
                ),
            ] {
                if there {
                    lost.push((key, key));
                }
            }
        }
        for (key, what) in lost {
            let at = if key.is_empty() {
                path.clone()
            } else {
                format!("{path}.{key}")
            };
            self.told.refused(
                from.at,
                &at,
                format!("On the network of {leader} it has no {what} of its own."),
                format!("Write it for {leader}."),
            );
        }
        if matches!(
            component.restart,
            Some(RestartPolicy::Never | RestartPolicy::OnFailure)
        ) {
            self.told.adapted(
                from.at,
                &format!("{path}.restart"),
                format!("Beside {leader} it is started again whenever it ends."),
            );
        }
        let reached = self.reached_from(&component.uses, leader);
        let published = self.published.shift_remove(name).unwrap_or_default();
        if !published.is_empty() {
            self.published
                .entry(leader.clone())
                .or_default()
                .extend(published);
        }
        let Some(host) = self.spec.components.get_mut(leader) else {
            return;
        };
        for used in component.uses {
            let target = used.component();
            let known = host.uses.iter().any(|own| own.component() == target);
            if target != leader && !known && !reached.contains(target) {
                host.uses.push(used);
            }
        }
        for (port_name, port) in component.ports {
            add_port(host, port_name, port);
        }
        for (key, value) in component.labels {
            host.labels.entry(key).or_insert(value);
        }
        if let Some(grace) = component.rollout.and_then(|rollout| rollout.grace) {
            let own = &mut host.rollout.get_or_insert_default().grace;
            if own.is_none_or(|own| own.millis() < grace.millis()) {
                *own = Some(grace);
            }
        }
        let mut called = name.clone();
        if called.as_str() == "main" || host.init.contains_key(&called) {
            called = format!("{}-2", cut(name.as_str(), 50))
                .parse()
                .unwrap_or(called);
        }
        host.sidecars.insert(
            called,
            ContainerSpec {
                image: component.image,
                entrypoint: component.entrypoint,
                command: component.command,
                env: component.env,
                files: component.files,
                volumes: component.volumes,
                resources: component.resources,
                user: component.user,
                working_dir: component.working_dir,
                stop_signal: component.stop_signal,
                probes: component.probes,
                host: component.host,
                options: options.filter(|options| *options != Default::default()),
            },
        );
    }

    /// Those of them that await the leader themselves: it cannot await them too.
    fn reached_from(&self, uses: &[Use], leader: &Name) -> HashSet<Name> {
        let mut back = HashSet::new();
        for used in uses {
            let mut seen = HashSet::new();
            let mut next = vec![used.component().clone()];
            while let Some(name) = next.pop() {
                if name == *leader {
                    back.insert(used.component().clone());
                    break;
                }
                if seen.insert(name.clone())
                    && let Some(component) = self.spec.components.get(&name)
                {
                    next.extend(component.uses.iter().map(|used| used.component().clone()));
                }
            }
        }
        back
    }
}

fn add_port(host: &mut ComponentSpec, name: Name, port: PortSpec) {
    let udp = |port: &PortSpec| port.protocol == pluvio_model::spec::PortProtocol::Udp;
    let known = |other: &PortSpec| other.port == port.port && udp(other) == udp(&port);
    if host.ports.values().any(known) {
        return;
    }
    let free = if host.ports.contains_key(&name) {
        format!("port-{}", port.port).parse().unwrap_or(name)
    } else {
        name
    };
    host.ports.insert(free, port);
}

/// What tells a volume from all others: its name, behind a slash where it is the engine's own.
pub(super) fn volume_of(mount: &MountSpec) -> Option<String> {
    match mount.kind {
        VolumeKind::Disk => mount.name.as_ref().map(ToString::to_string),
        VolumeKind::Host => mount.host_volume.as_ref().map(|name| format!("/{name}")),
        VolumeKind::Memory => None,
    }
}

/// The volumes of a component and of what runs beside it.
pub(super) fn volumes_of(component: &ComponentSpec) -> impl Iterator<Item = String> {
    let beside = component.sidecars.values().map(|sidecar| &sidecar.volumes);
    std::iter::once(&component.volumes)
        .chain(beside)
        .flat_map(|volumes| volumes.values())
        .filter_map(volume_of)
}

/// Texts with references in them, of a component and of what runs beside it.
pub(super) fn texts_of(component: &ComponentSpec) -> impl Iterator<Item = &str> {
    let beside = component.sidecars.values();
    let beside = beside.map(|sidecar| (&sidecar.env, &sidecar.files));
    let own = std::iter::once((&component.env, &component.files));
    let texts = own.chain(beside).flat_map(|(env, files)| {
        let files = files.values().filter(|file| !file.raw);
        let values = env.values().map(|value| value.0.as_str());
        values.chain(files.map(|file| file.content.as_str()))
    });
    let hooks = component.hooks.iter().flat_map(Hooks::lists);
    let hooks = hooks.flat_map(|(_, list)| list);
    texts.chain(hooks.flat_map(|hook| hook.env.values().map(|value| value.0.as_str())))
}
