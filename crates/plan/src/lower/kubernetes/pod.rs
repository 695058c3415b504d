//! A component's pods.

use indexmap::IndexMap;
use pluvio_model::name::{NAME_MAX, derived};
use pluvio_model::quantity::{Bytes, Span};
use pluvio_model::release::{
    Check, Content, DecidedComponent, DecidedContainer, DecidedPort, DecidedProbe, DecidedProbes,
};
use pluvio_model::spec::{
    ContainerOptions, Kind, PortProtocol, PortRef, PublishSpec, Unhealthy, VolumeKind,
};
use serde_json::json;

use super::super::ORDINAL;
use super::api::*;
use super::config::{self, env_key, file_key, hot_key};
use super::hosts::{dotted_names, host_aliases};
use super::{Lowering, hooks, key, labels, names, security, seed};

/// Time for gateways and nodes to learn that a pod leaves, before it is told to stop.
const PRE_STOP: u64 = 5;

const HOSTNAME: &str = "HOSTNAME";
const SHARED_MEMORY: &str = "/dev/shm";

/// Name servers that a pod adds: resolvers ask three at most (MaxDNSNameservers of Kubernetes' validation), of which the cluster's own is one.
const MOST_ASKED: usize = 2;

impl Lowering<'_> {
    pub(super) fn pods(&self, component: &DecidedComponent) -> PodTemplate {
        let content = &component.content;
        let mut volumes = Volumes::default();
        let name = component.name.as_str();
        let mut main = self.container(component, name, &content.main, &mut volumes);
        self.hot_mounts(component, &mut main, &mut volumes);
        main.ports = ports(content);
        let pause = (!content.ports.is_empty()).then_some(PRE_STOP);
        main.lifecycle = hooks::lifecycle(content, pause);
        let mut before = Vec::new();
        for (name, sidecar) in &content.sidecars {
            before.push(Container {
                restart_policy: Some("Always"),
                ..self.container(component, name.as_str(), sidecar, &mut volumes)
            });
        }
        for (name, init) in &content.init {
            before.push(self.container(component, name.as_str(), init, &mut volumes));
        }
        let steps = {
            let all = || before.iter().chain([&main]);
            let mounts = |name: &str| {
                let found = all().find(|one: &&Container| one.name == name)?;
                Some(&found.volume_mounts[..])
            };
            seed::steps(self.release, content, mounts, name)
        };
        before.splice(0..0, steps);
        let mut labels = self.metadata("", Some(component)).labels;
        for shared in names::shared_names(self.release, component) {
            labels.insert(names::shared_label(shared), "true".to_owned());
        }
        let hash = component.hash.to_string();
        let mut metadata = PodMetadata {
            labels,
            annotations: [(key::HASH.to_owned(), hash)].into(),
        };
        labels::add(&content.labels, &mut metadata);
        let dotted = dotted_names(self.release, component);
        if !dotted.is_empty() {
            let told = json!(dotted).to_string();
            metadata.annotations.insert(key::HOSTS.to_owned(), told);
        }
        let host = content.main.host.clone().unwrap_or_default();
        let options = content.main.options.clone().unwrap_or_default();
        let rollout = &component.rollout;
        let group = security::group_of_volumes(content);
        // Hooks have as long as the program itself, as on an engine.
        let for_hooks = match content.hooks.pre_stop.is_empty() {
            true => 0,
            false => seconds(rollout.grace),
        };
        let mut template = PodTemplate {
            metadata,
            spec: PodSpec {
                init_containers: before,
                containers: vec![main],
                volumes: volumes.0.into_values().collect(),
                // The pause, the rest of its requests, its hooks, then its own end.
                termination_grace_period_seconds: PRE_STOP
                    + seconds(rollout.drain)
                    + for_hooks
                    + seconds(rollout.grace),
                security_context: PodSecurity {
                    sysctls: named(&host.sysctls),
                    fs_group: group,
                    // A volume of many files is gone through once, not at each start.
                    fs_group_change_policy: group.map(|_| "OnRootMismatch"),
                    supplemental_groups: numbers(&options.groups),
                    ..PodSecurity::default()
                },
                image_pull_secrets: self
                    .options
                    .pull_secret
                    .iter()
                    .map(|name| SecretName { name: name.clone() })
                    .collect(),
                hostname: options
                    .hostname
                    .as_deref()
                    .filter(|_| component.kind != Kind::Stateful)
                    .and_then(names::pod_hostname),
                // Else it would ask whom its machine asks, who knows nothing of the cluster.
                dns_policy: host.network.then_some("ClusterFirstWithHostNet"),
                dns_config: Some(self.dns_config(&options)),
                host_aliases: host_aliases(content, &options),
                host_network: host.network,
                host_pid: host.pid,
                host_ipc: host.ipc,
                ..PodSpec::default()
            },
        };
        self.place(component, &mut template.spec);
        template
    }

    /// The cluster's own name server is asked first: without it nothing of the application would be found.
    fn dns_config(&self, options: &ContainerOptions) -> DnsConfig {
        let mut searches = vec![self.inner_domain()];
        searches.extend(names::searched(options));
        DnsConfig {
            nameservers: options.dns.iter().copied().take(MOST_ASKED).collect(),
            searches,
            options: options
                .dns_options
                .iter()
                .map(|option| {
                    let (name, value) = match option.split_once(':') {
                        Some((name, value)) => (name, Some(value.to_owned())),
                        None => (option.as_str(), None),
                    };
                    DnsOption {
                        name: name.to_owned(),
                        value,
                    }
                })
                .collect(),
        }
    }

    fn container(
        &self,
        component: &DecidedComponent,
        name: &str,
        container: &DecidedContainer,
        volumes: &mut Volumes,
    ) -> Container {
        let mut mounts = Vec::new();
        for (path, mount) in &container.mounts {
            let volume = match mount.kind {
                VolumeKind::Memory => volumes.memory(mount.size),
                VolumeKind::Host => {
                    let name = volumes.next("host");
                    let path = mount.host_path.as_ref().map(ToString::to_string);
                    volumes.add(Volume {
                        host_path: Some(json!({ "path": path.unwrap_or_default() })),
                        name,
                        ..Volume::default()
                    })
                }
                VolumeKind::Disk => {
                    let disk = mount.volume.as_ref().and_then(|name| {
                        self.release.volumes.get(name).map(|volume| (name, volume))
                    });
                    let Some((name, volume)) = disk else { continue };
                    if config::is_each_instances_own(component, volume) {
                        // The StatefulSet makes it from the claim template of that name.
                        name.to_string()
                    } else {
                        let claim = self.claim_name(name, volume);
                        volumes.add(Volume {
                            name: pod_volume("volume", name.as_str()),
                            persistent_volume_claim: Some(json!({ "claimName": claim })),
                            ..Volume::default()
                        })
                    }
                }
            };
            mounts.push(VolumeMount {
                name: volume,
                mount_path: path.to_string(),
                sub_path: None,
                read_only: mount.read_only,
            });
        }
        let shared_memory = container.options.as_ref().and_then(|of| of.shm_size);
        let is_mounted = mounts.iter().any(|mount| mount.mount_path == SHARED_MEMORY);
        if let Some(size) = shared_memory.filter(|_| !is_mounted) {
            mounts.push(VolumeMount {
                name: volumes.memory(Some(size)),
                mount_path: SHARED_MEMORY.to_owned(),
                sub_path: None,
                read_only: false,
            });
        }
        for (index, (path, file)) in container.files.iter().enumerate() {
            let key = file_key(name, index);
            let item = json!([{ "key": key, "path": "file", "mode": file.mode.0 }]);
            let volume = pod_volume("file", &format!("{name}-{index}"));
            volumes.add(if file.content.is_secret() {
                let secret = self.secret_name(component);
                Volume {
                    name: volume.clone(),
                    secret: Some(json!({ "secretName": secret, "items": item })),
                    ..Volume::default()
                }
            } else {
                Volume {
                    name: volume.clone(),
                    config_map: Some(json!({ "name": self.files_name(component), "items": item })),
                    ..Volume::default()
                }
            });
            mounts.push(VolumeMount {
                name: volume,
                mount_path: path.to_string(),
                sub_path: Some("file".to_owned()),
                read_only: true,
            });
        }
        let probes = asked(&container.probes);
        let (command, args) = program(container);
        Container {
            name: name.to_owned(),
            image: image(container),
            command,
            args,
            working_dir: container.working_dir.as_ref().map(ToString::to_string),
            env: self.env(component, name, container),
            resources: resources(container),
            startup_probe: container.probes.startup.as_ref().and_then(probe),
            readiness_probe: probes.ready.and_then(probe),
            liveness_probe: probes.live.and_then(probe),
            volume_mounts: mounts,
            tty: container.options.as_ref().is_some_and(|asked| asked.tty),
            stdin: container.options.as_ref().is_some_and(|asked| asked.stdin),
            security_context: security::of_container(container),
            ..Container::default()
        }
    }

    fn env(
        &self,
        component: &DecidedComponent,
        container: &str,
        of: &DecidedContainer,
    ) -> Vec<EnvVar> {
        let own = of.env.keys().any(|name| name.as_str() == ORDINAL);
        let asked = of.options.as_ref().and_then(|of| of.hostname.as_deref());
        let hostname = names::told_hostname(component, asked)
            .filter(|_| !of.env.keys().any(|name| name.as_str() == HOSTNAME))
            .map(|name| EnvVar {
                name: HOSTNAME.to_owned(),
                value: Some(escape(name)),
                ..EnvVar::default()
            });
        let ordinal = (component.kind == Kind::Stateful && !own).then(|| EnvVar {
            name: ORDINAL.to_owned(),
            value_from: Some(EnvSource::FieldRef(FieldRef {
                field_path: "metadata.labels['apps.kubernetes.io/pod-index']",
            })),
            ..EnvVar::default()
        });
        of.env
            .iter()
            .map(|(name, value)| {
                let mut variable = EnvVar {
                    name: name.to_string(),
                    ..EnvVar::default()
                };
                if value.is_secret() {
                    variable.value_from = Some(EnvSource::SecretKeyRef(KeyRef {
                        name: self.secret_name(component),
                        key: env_key(container, name.as_str()),
                    }));
                } else {
                    variable.value = Some(escape(&value.masked()));
                }
                variable
            })
            .chain(ordinal)
            .chain(hostname)
            .collect()
    }

    /// Hot files are mounted with their folders: a single mounted file would never change.
    fn hot_mounts(
        &self,
        component: &DecidedComponent,
        main: &mut Container,
        volumes: &mut Volumes,
    ) {
        let source = self.name_of(&component.name, "hot");
        let is_secret = config::hot_is_secret(&component.hot_files);
        let mut folders: IndexMap<&str, Vec<serde_json::Value>> = IndexMap::new();
        for (index, (path, file)) in component.hot_files.iter().enumerate() {
            let Some((folder, base)) = path.as_str().rsplit_once('/') else {
                continue;
            };
            let item = json!({ "key": hot_key(index), "path": base, "mode": file.mode.0 });
            folders.entry(folder).or_default().push(item);
        }
        for (index, (folder, items)) in folders.into_iter().enumerate() {
            let name = format!("hot-{index}");
            volumes.add(if is_secret {
                Volume {
                    name: name.clone(),
                    secret: Some(json!({ "secretName": source, "items": items })),
                    ..Volume::default()
                }
            } else {
                Volume {
                    name: name.clone(),
                    config_map: Some(json!({ "name": source, "items": items })),
                    ..Volume::default()
                }
            });
            main.volume_mounts.push(VolumeMount {
                name,
                mount_path: folder.to_owned(),
                sub_path: None,
                read_only: true,
            });
        }
    }
}

/// The pod's volumes by name: what two containers mount is there once.
#[derive(Default)]
struct Volumes(IndexMap<String, Volume>);

impl Volumes {
    fn add(&mut self, volume: Volume) -> String {
        let name = volume.name.clone();
        self.0.insert(name.clone(), volume);
        name
    }

    fn memory(&mut self, size: Option<Bytes>) -> String {
        let empty = match size {
            Some(size) => json!({ "medium": "Memory", "sizeLimit": size.0.to_string() }),
            None => json!({ "medium": "Memory" }),
        };
        let name = self.next("memory");
        self.add(Volume {
            empty_dir: Some(empty),
            name,
            ..Volume::default()
        })
    }

    fn next(&self, what: &str) -> String {
        format!("{what}-{}", self.0.len())
    }
}

/// One label of a DNS name, whatever the names in it are.
fn pod_volume(kind: &str, of: &str) -> String {
    let name = format!("{kind}-{of}");
    if name.len() <= NAME_MAX {
        return name;
    }
    derived(&[&name])
}

/// What the nodes pull. An engine's image id is no digest that a registry knows, so only what the reference itself pins is pinned.
pub(super) fn image(container: &DecidedContainer) -> String {
    container.image.to_string()
}

/// Command and arguments. An ENTRYPOINT that is to be left out is so where a pod names a command of its own.
fn program(container: &DecidedContainer) -> (Vec<String>, Vec<String>) {
    let words = escaped(container.command.as_deref());
    match container.entrypoint.as_deref() {
        Some(entrypoint) if is_left_out(entrypoint) => (words, Vec::new()),
        entrypoint => (escaped(entrypoint), words),
    }
}

/// Engines read one empty word so, too.
pub(super) fn is_left_out(entrypoint: &[String]) -> bool {
    entrypoint.iter().all(String::is_empty)
}

/// Those that are numbers; others were refused.
fn numbers(groups: &[String]) -> Vec<u32> {
    groups
        .iter()
        .filter_map(|group| group.parse().ok())
        .collect()
}

/// Kubernetes reads `$(NAME)` in commands, checks and values, and `$$` as `$`; ours are rendered already.
fn escape(text: &str) -> String {
    text.replace('$', "$$")
}

pub(super) fn escaped(words: Option<&[String]>) -> Vec<String> {
    words
        .unwrap_or_default()
        .iter()
        .map(|word| escape(word))
        .collect()
}

fn named(map: &IndexMap<String, String>) -> Vec<NameValue> {
    map.iter()
        .map(|(name, value)| NameValue {
            name: name.clone(),
            value: value.clone(),
        })
        .collect()
}

/// Each once; of the machine's own network they are its ports anyway.
fn ports(content: &Content) -> Vec<ContainerPort> {
    let mut all: IndexMap<(u16, &str), Option<&PublishSpec>> = IndexMap::new();
    for port in content.ports.values() {
        all.insert((port.port, protocol(port.protocol)), None);
    }
    for publish in content.publish.iter().filter(|_| !content.is_on_host()) {
        if let Some(port) = published_port(content, publish) {
            let published = all.entry((port.port, protocol(port.protocol)));
            published.or_default().get_or_insert(publish);
        }
    }
    all.into_iter()
        .map(|((container_port, protocol), published)| ContainerPort {
            container_port,
            protocol,
            host_port: published.map(|publish| publish.host),
            host_ip: published.map(|publish| {
                publish
                    .address
                    .map_or_else(|| "127.0.0.1".to_owned(), |a| a.to_string())
            }),
        })
        .collect()
}

/// The pod's port that a port of the machine leads to. A number can be one of TCP and one of UDP.
pub(super) fn published_port(content: &Content, publish: &PublishSpec) -> Option<DecidedPort> {
    let number = match &publish.port {
        PortRef::Name(name) => return content.ports.get(name).cloned(),
        PortRef::Number(number) => *number,
    };
    let named = || {
        content
            .ports
            .values()
            .filter(move |port| port.port == number)
    };
    let same = named().find(|port| protocol(port.protocol) == protocol(publish.protocol));
    let declared = same.or_else(|| named().next()).cloned();
    declared.or(Some(DecidedPort {
        port: number,
        protocol: publish.protocol,
    }))
}

pub(super) fn protocol(protocol: PortProtocol) -> &'static str {
    match protocol {
        PortProtocol::Udp => "UDP",
        PortProtocol::Http | PortProtocol::Http2 | PortProtocol::Tcp => "TCP",
    }
}

pub(super) fn resources(container: &DecidedContainer) -> Resources {
    let mut resources = Resources::default();
    let cpu = |millis: u32| format!("{millis}m");
    let mut set = |limit: bool, what, value: Option<String>| {
        let to = if limit {
            &mut resources.limits
        } else {
            &mut resources.requests
        };
        to.extend(value.map(|value| (what, value)));
    };
    set(false, "cpu", container.cpu_request.map(|c| cpu(c.0)));
    set(
        false,
        "memory",
        container.memory_request.map(|m| m.0.to_string()),
    );
    set(true, "cpu", container.cpu_limit.map(|c| cpu(c.0)));
    set(
        true,
        "memory",
        container.memory_limit.map(|m| m.0.to_string()),
    );
    resources
}

/// Whole seconds, rounded up: Kubernetes knows no smaller ones.
pub(super) fn seconds(span: Span) -> u64 {
    span.millis().div_ceil(1000)
}

/// Which of Kubernetes' two probes asks what.
struct Asked<'a> {
    ready: Option<&'a DecidedProbe>,
    live: Option<&'a DecidedProbe>,
}

/// Liveness that takes an instance off line is what Kubernetes calls readiness; beside a readiness that was asked for it is
/// refused ([`super::refuse`]).
fn asked(probes: &DecidedProbes) -> Asked<'_> {
    let (ready, live) = (probes.ready.as_ref(), probes.live.as_ref());
    match probes.unhealthy {
        Unhealthy::Restart => Asked { ready, live },
        Unhealthy::Offline => Asked {
            ready: live.or(ready),
            live: None,
        },
        Unhealthy::Report => Asked { ready, live: None },
    }
}

/// `None` where ports may be open and need not be: Kubernetes has no such probe, and a pod without one is ready when it runs.
fn probe(probe: &DecidedProbe) -> Option<Probe> {
    let mut out = Probe {
        initial_delay_seconds: seconds(probe.delay),
        period_seconds: seconds(probe.period).max(1),
        timeout_seconds: seconds(probe.timeout).max(1),
        failure_threshold: probe.failures,
        success_threshold: probe.successes,
        ..Probe::default()
    };
    match &probe.check {
        Check::Http {
            port,
            path,
            host,
            headers,
            ..
        } => {
            let mut http_headers = named(headers);
            http_headers.extend(host.as_ref().map(|host| NameValue {
                name: "Host".to_owned(),
                value: host.clone(),
            }));
            out.http_get = Some(HttpGet {
                path: path.clone(),
                port: *port,
                http_headers,
            });
        }
        Check::Tcp { port } => out.tcp_socket = Some(TcpSocket { port: *port }),
        Check::Ports { needed: false, .. } => return None,
        Check::Ports { ports, .. } => {
            out.tcp_socket = ports.first().map(|port| TcpSocket { port: *port });
        }
        Check::Command(command) => {
            out.exec = Some(Exec {
                command: escaped(Some(command)),
            });
        }
    }
    Some(out)
}
