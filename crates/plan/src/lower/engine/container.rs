//! A decided container in the engine's words.

use indexmap::IndexMap;
use pluvio_model::facts::{Reach, RuntimeKind};
use pluvio_model::release::{
    Content, DecidedComponent, DecidedContainer, DecidedMount, DecidedPort, Strategy,
};
use pluvio_model::spec::{
    AbsolutePath, ContainerOptions, HostOptions, PortProtocol, PortRef, VolumeAccess, VolumeKind,
};

use super::api::*;
use super::instance::{ContainerTemplate, InstanceTemplate, Role};
use super::{NetworkTemplate, Owner};

impl Owner<'_> {
    pub(super) fn instance(&self, component: &DecidedComponent) -> InstanceTemplate {
        let content = &component.content;
        let mut main = self.container(component, &content.main, Role::Main);
        main.files.extend(component.hot_files.clone());
        self.ports(content, &mut main.body);
        main.patch = content
            .patch
            .as_ref()
            .and_then(|patch| patch.engine.clone());
        InstanceTemplate {
            application_name: self.release.application_name.clone(),
            component: component.name.clone(),
            application: self.application,
            installation: self.facts.cluster,
            release: self.release.number,
            generation: self.generation,
            hash: component.hash.clone(),
            init: content
                .init
                .iter()
                .map(|(name, init)| self.container(component, init, Role::Init(name.clone())))
                .collect(),
            main,
            sidecars: content
                .sidecars
                .iter()
                .map(|(name, sidecar)| {
                    self.container(component, sidecar, Role::Sidecar(name.clone()))
                })
                .collect(),
            hooks: content.hooks.clone(),
            ordered: component.rollout.strategy == Strategy::Ordered,
            exclusive: self.exclusive_volumes(component),
        }
    }

    /// The engine's names of the exclusive volumes that the component mounts, each with those of its ordinals.
    fn exclusive_volumes(&self, component: &DecidedComponent) -> IndexMap<String, Vec<String>> {
        let content = &component.content;
        let further = content.init.values().chain(content.sidecars.values());
        let mounts = std::iter::once(&content.main)
            .chain(further)
            .flat_map(|container| container.mounts.values())
            .filter(|mount| mount.kind == VolumeKind::Disk);
        let mut all = IndexMap::new();
        for name in mounts.filter_map(|mount| mount.volume.as_ref()) {
            let Some(first) = self.release.volumes.get(name) else {
                continue;
            };
            if first.access != VolumeAccess::Exclusive {
                continue;
            }
            let count = match component.rollout.strategy {
                Strategy::Ordered => component.most().max(1),
                Strategy::Surge { .. } | Strategy::StopThenStart => 1,
            };
            let each = (0..count)
                .filter_map(|ordinal| self.release.volume_of(component, name, ordinal))
                .map(|(name, volume)| self.volume_name(name, volume))
                .collect();
            all.insert(self.volume_name(name, first), each);
        }
        all
    }

    fn container(
        &self,
        component: &DecidedComponent,
        container: &DecidedContainer,
        role: Role,
    ) -> ContainerTemplate {
        let content = &component.content;
        let mut body = CreateBody {
            image: container.image_id.clone(),
            entrypoint: container.entrypoint.clone(),
            cmd: container.command.clone(),
            working_dir: container.working_dir.as_ref().map(ToString::to_string),
            user: container.user.clone(),
            stop_signal: container.stop_signal.clone(),
            labels: content.labels.clone(),
            host_config: HostConfig {
                memory: container.memory_limit.map(|bytes| bytes.0),
                memory_reservation: container.memory_request.map(|bytes| bytes.0),
                nano_cpus: container.cpu_limit.map(|cpu| u64::from(cpu.0) * 1_000_000),
                // The engine takes 2 at least.
                cpu_shares: container
                    .cpu_request
                    .map(|cpu| (u64::from(cpu.0) * 1024 / 1000).max(2)),
                pids_limit: i64::from(container.pids_limit),
                init: true,
                ..HostConfig::default()
            },
            ..CreateBody::default()
        };
        for (path, mount) in &container.mounts {
            let makes = component.is_by_others();
            self.mount(path.as_str(), mount, makes, &mut body.host_config);
        }
        if let Some(host) = &container.host {
            host_options(host, &mut body.host_config);
        }
        if let Some(asked) = &container.options {
            options(asked, &mut body);
        }
        let own_network = if content.is_on_host() {
            Some("host")
        } else if content.offline {
            Some("none")
        } else {
            None
        };
        body.host_config.network_mode = own_network.map(str::to_owned);
        let joined = if own_network.is_none() {
            content.joined()
        } else {
            Vec::new()
        };
        ContainerTemplate {
            role,
            body,
            env: container.env.clone(),
            files: container.files.clone(),
            hosts: content.extra_hosts.clone(),
            networks: joined
                .iter()
                .map(|network| NetworkTemplate {
                    name: self.network_name(network),
                    aliases: content.aliases_on(network).cloned().collect(),
                })
                .collect(),
            patch: None,
        }
    }

    /// `makes`: a folder of the machine that is not there is made, as compose's users expect; elsewhere it may be a disk that is
    /// missing.
    fn mount(&self, target: &str, mount: &DecidedMount, makes: bool, config: &mut HostConfig) {
        match mount.kind {
            VolumeKind::Memory => {
                let size = mount.size.map(|size| format!("size={}", size.0));
                // Podman alone would begin with what the image has there.
                let is_podman = self.facts.runtime == RuntimeKind::Podman;
                let empty = is_podman.then(|| "notmpcopyup".to_owned());
                let options = size.into_iter().chain(mount.memory_options()).chain(empty);
                let options: Vec<String> = options.collect();
                config.tmpfs.insert(target.to_owned(), options.join(","));
            }
            VolumeKind::Host if mount.host_volume.is_some() => {
                let source = mount.host_volume.as_ref().map(ToString::to_string);
                config.mounts.push(Mount {
                    r#type: "volume".to_owned(),
                    source: source.unwrap_or_default(),
                    target: target.to_owned(),
                    read_only: mount.read_only,
                });
            }
            VolumeKind::Host => {
                let source = mount.host_path.as_ref().map(AbsolutePath::as_str);
                let source = source.unwrap_or_default();
                // Of a bind, and of it alone, an engine makes the folder. It has no way to write a colon.
                if makes && !source.contains(':') && !target.contains(':') {
                    let mode = if mount.read_only { "ro" } else { "rw" };
                    config.binds.push(format!("{source}:{target}:{mode}"));
                } else {
                    config.mounts.push(Mount {
                        r#type: "bind".to_owned(),
                        source: source.to_owned(),
                        target: target.to_owned(),
                        read_only: mount.read_only,
                    });
                }
            }
            VolumeKind::Disk => {
                let volume = mount.volume.as_ref().and_then(|name| {
                    self.release
                        .volumes
                        .get(name)
                        .map(|volume| self.volume_name(name, volume))
                });
                let source = volume.unwrap_or_default();
                // Podman takes `nocopy` of a bind alone, which has no way to write a colon.
                if mount.no_copy && !target.contains(':') {
                    let mode = if mount.read_only { "ro" } else { "rw" };
                    config
                        .binds
                        .push(format!("{source}:{target}:{mode},nocopy"));
                    return;
                }
                config.mounts.push(Mount {
                    r#type: "volume".to_owned(),
                    source,
                    target: target.to_owned(),
                    read_only: mount.read_only,
                });
            }
        }
    }

    fn ports(&self, content: &Content, body: &mut CreateBody) {
        if content.is_on_host() {
            return;
        }
        let probed = content.sidecars.values().flat_map(probed_ports);
        for port in content.ports.values().cloned().chain(probed) {
            let key = key(port.port, port.protocol);
            if body.exposed_ports.contains_key(&key) {
                continue;
            }
            if self.facts.reach == Reach::PublishedLoopback && port.protocol != PortProtocol::Udp {
                bind(
                    &mut body.host_config.port_bindings,
                    &key,
                    "127.0.0.1".to_owned(),
                    String::new(),
                );
            }
            body.exposed_ports.insert(key, Empty {});
        }
        for publish in &content.publish {
            let inner = match &publish.port {
                PortRef::Number(number) => Some(*number),
                PortRef::Name(name) => content.ports.get(name).map(|port| port.port),
            };
            let Some(inner) = inner else { continue };
            let key = key(inner, publish.protocol);
            let address = publish
                .address
                .map_or_else(|| "127.0.0.1".to_owned(), |address| address.to_string());
            bind(
                &mut body.host_config.port_bindings,
                &key,
                address,
                publish.host.to_string(),
            );
            body.exposed_ports.insert(key, Empty {});
        }
    }
}

/// Ports that the probes of a sidecar ask: they are reached as main's are.
fn probed_ports(container: &DecidedContainer) -> impl Iterator<Item = DecidedPort> {
    let probes = container.probes.each();
    probes
        .flat_map(|(_, probe)| probe.check.ports())
        .map(|port| DecidedPort {
            port: *port,
            protocol: PortProtocol::Tcp,
        })
}

fn key(port: u16, protocol: PortProtocol) -> String {
    match protocol {
        PortProtocol::Udp => format!("{port}/udp"),
        PortProtocol::Http | PortProtocol::Http2 | PortProtocol::Tcp => format!("{port}/tcp"),
    }
}

fn bind(
    bindings: &mut IndexMap<String, Vec<PortBinding>>,
    key: &str,
    host_ip: String,
    host_port: String,
) {
    bindings
        .entry(key.to_owned())
        .or_default()
        .push(PortBinding { host_ip, host_port });
}

fn host_options(host: &HostOptions, config: &mut HostConfig) {
    config.privileged = host.privileged;
    config.pid_mode = host.pid.then(|| "host".to_owned());
    config.ipc_mode = host.ipc.then(|| "host".to_owned());
    config.cap_add.clone_from(&host.capabilities);
    config.cap_drop.clone_from(&host.drop_capabilities);
    config.security_opt.clone_from(&host.security);
    config.sysctls.clone_from(&host.sysctls);
    config.devices = host.devices.iter().map(|text| device(text)).collect();
}

fn options(asked: &ContainerOptions, body: &mut CreateBody) {
    body.tty = asked.tty;
    body.open_stdin = asked.stdin;
    body.hostname = asked.hostname.clone().unwrap_or_default();
    body.domainname.clone_from(&asked.domainname);
    let config = &mut body.host_config;
    config.init = asked.init.unwrap_or(true);
    config.readonly_rootfs = asked.read_only;
    config.dns = asked.dns.iter().map(ToString::to_string).collect();
    config.dns_search.clone_from(&asked.dns_search);
    config.dns_options.clone_from(&asked.dns_options);
    config.group_add.clone_from(&asked.groups);
    config.shm_size = asked.shm_size.map(|size| size.0);
    config.ulimits = asked
        .ulimits
        .iter()
        .map(|(name, limit)| EngineUlimit {
            name: name.clone(),
            soft: limit.soft,
            hard: limit.hard,
        })
        .collect();
}

/// `HOST[:CONTAINER[:PERMISSIONS]]`, as `docker run --device` writes it.
fn device(text: &str) -> Device {
    let mut parts = text.splitn(3, ':');
    let on_host = parts.next().unwrap_or_default();
    Device {
        path_on_host: on_host.to_owned(),
        path_in_container: parts.next().unwrap_or(on_host).to_owned(),
        cgroup_permissions: parts.next().unwrap_or("rwm").to_owned(),
    }
}
