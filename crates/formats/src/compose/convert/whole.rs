//! What is decided once all services are known: who shares volumes, which ports are asked for, how people get in.

use std::collections::HashMap;

use pluvio_model::name::Name;
use pluvio_model::spec::{
    Kind, PortProtocol, PortSpec, PublishSpec, RestartPolicy, RouteSpec, VolumeAccess,
};

use super::super::item::{Item, Map, Value};
use super::Convert;
use super::addresses::Routed;
use super::followers::{volume_of, volumes_of};
use super::ports::Published;

impl Convert<'_> {
    /// A volume that more than one instance mounts is shared.
    pub(super) fn share_volumes(&mut self) {
        let mut users: HashMap<String, u32> = HashMap::new();
        for component in self.spec.components.values() {
            let count = match component.kind {
                Kind::Daemon => 2,
                _ => component.instances.unwrap_or(1).min(2),
            };
            let mut own: Vec<String> = volumes_of(component).collect();
            own.sort();
            own.dedup();
            for name in own {
                *users.entry(name).or_default() += count;
            }
        }
        for component in self.spec.components.values_mut() {
            let beside = component.sidecars.values_mut();
            let beside = beside.flat_map(|sidecar| sidecar.volumes.values_mut());
            for mount in component.volumes.values_mut().chain(beside) {
                if volume_of(mount).is_some_and(|volume| users.get(&volume) > Some(&1)) {
                    mount.access = VolumeAccess::Shared;
                }
            }
        }
    }

    /// Ports that other services name (`http://api:3000`), which nothing else says: a name leads to known ports only.
    pub(super) fn ports_asked_for(&mut self, services: &Map) {
        let mut found: Vec<(Name, u16)> = Vec::new();
        let hosts: HashMap<&str, &Name> = self
            .names
            .iter()
            .map(|(service, name)| (service.as_str(), name))
            .chain(self.names.values().map(|name| (name.as_str(), name)))
            .collect();
        let fields = services.values().filter_map(|field| field.item.as_map());
        // An image's tag (`redis:7`) is no port.
        for (_, field) in fields
            .flatten()
            .filter(|(key, _)| !matches!(key.as_str(), "image" | "build" | "ports" | "volumes"))
        {
            each_text(&field.item, &mut |text| {
                for (host, port) in host_ports(text) {
                    if let Some(name) = hosts.get(host) {
                        found.push(((*name).clone(), port));
                    }
                }
            });
        }
        for component in self.spec.components.values() {
            let beside = component.sidecars.values();
            let files = beside.flat_map(|beside| beside.files.values());
            for file in component.files.values().chain(files) {
                for (host, port) in host_ports(&file.content) {
                    if let Some(name) = hosts.get(host) {
                        found.push(((*name).clone(), port));
                    }
                }
            }
        }
        self.dialled
            .extend(found.iter().map(|(name, _)| name.clone()));
        for (name, port) in found {
            let Some(component) = self.spec.components.get_mut(&name) else {
                continue;
            };
            // Without any port its name leads to the instance itself, whatever it listens on: what others dial, in files too, is
            // opened when it is decided, so that it counts for readiness and on clusters.
            if component.ports.is_empty()
                || component.ports.values().any(|known| known.port == port)
            {
                continue;
            }
            let key: Name = format!("tcp-{port}").parse().expect("a name");
            component.ports.insert(
                key,
                PortSpec {
                    port,
                    protocol: PortProtocol::Tcp,
                },
            );
        }
    }

    /// Services that say nothing of `restart`, which compose starts once.
    ///
    /// Here what fails is started again. What opens a port is a server, started again however it ended; the rest may be a step
    /// that is done (a bucket made, data filled in) and would be done over and over: once it ended well it stays ended.
    pub(super) fn restart_unasked(&mut self) {
        for (name, component) in &mut self.spec.components {
            let image = component.image.as_ref();
            let serves = !component.ports.is_empty()
                || self.dialled.contains(name)
                || self.publishes_all.contains_key(name)
                || !component.publish.is_empty()
                || image.is_some_and(|image| Self::is_database(image.short_name()));
            if component.kind == Kind::Service && component.restart.is_none() && !serves {
                component.restart = Some(RestartPolicy::OnFailure);
            }
        }
    }

    /// Published ports become routes where they look like HTTP, and ports of the machine elsewhere. Which of the machine's lead
    /// nowhere any more is given back.
    pub(super) fn lead_to_components(&mut self) -> Routed {
        let mut routed = Routed::new();
        let published = std::mem::take(&mut self.published);
        let mut firsts: Vec<(&Name, &Published)> = Vec::new();
        for (name, ports) in &published {
            if let Some(first) = first_http(ports) {
                firsts.push((name, first));
            }
        }
        // The one that people mean by the application: by its name, else by the port it is published on.
        let rank = |name: &Name, port: &Published| {
            let by_name = [
                "web", "app", "frontend", "proxy", "nginx", "gateway", "traefik", "caddy", "server",
            ]
            .iter()
            .position(|known| name.as_str() == *known)
            .unwrap_or(20);
            let by_port = [Some(80), Some(8080), Some(3000), Some(8000)]
                .iter()
                .position(|known| port.host == *known)
                .unwrap_or(9);
            (by_name.min(by_port + 10), by_port)
        };
        let main = firsts
            .iter()
            .min_by_key(|(name, port)| rank(name, port))
            .map(|(name, _)| (*name).clone());
        let several = firsts.len() > 1;
        for (name, ports) in &published {
            let first = first_http(ports);
            let is_main = main.as_ref() == Some(name);
            let mut publish: Vec<PublishSpec> = Vec::new();
            for port in ports {
                let shown = port.shown();
                if first.is_some_and(|first| std::ptr::eq(first, port)) {
                    routed.extend(port.host.map(|host| (host, name.clone())));
                    let whose = if is_main {
                        "the application's address"
                    } else {
                        "an address of its own"
                    };
                    self.told.advised(
                        port.at,
                        &port.path,
                        format!("{shown} looks like HTTP: it is reached through the gateway, at {whose}, and redeploys lose no request."),
                        match port.host {
                            Some(host) => format!("For the machine's own port {host} write `publish: [{{ host: {host}, port: {} }}]`; redeploys then stop before they start.", port.target),
                            None => "Run `pluvio route` to see the address.".to_owned(),
                        },
                    );
                    continue;
                }
                if first.is_some() && matches!(port.target, 443 | 8443) && !port.udp {
                    routed.extend(port.host.map(|host| (host, name.clone())));
                    self.told.adapted(
                        port.at,
                        &port.path,
                        format!("{shown} is TLS of the program's own; the gateway speaks TLS for the application."),
                    );
                    continue;
                }
                let Some(host) = port.host else {
                    self.told.adapted(
                        port.at,
                        &port.path,
                        format!("{shown} is reached inside the application; no port of the machine is chosen for it."),
                    );
                    continue;
                };
                let address = port.address;
                if address.is_none() {
                    self.told.advised(
                        port.at,
                        &port.path,
                        format!("{shown}: port {host} of the machine, on loopback only."),
                        "Write the address before it, `0.0.0.0:…`, to open it to the network; that needs the permission for host access.",
                    );
                }
                publish.push(PublishSpec {
                    host,
                    port: pluvio_model::spec::PortRef::Number(port.target),
                    address,
                    protocol: if port.udp {
                        PortProtocol::Udp
                    } else {
                        PortProtocol::Tcp
                    },
                });
            }
            let Some(component) = self.spec.components.get_mut(name) else {
                continue;
            };
            component.publish = publish;
            component.routes = match (first, is_main && several) {
                (Some(_), true) => Some(vec![RouteSpec {
                    host: None,
                    path: Some("/".parse().expect("a path")),
                    exact: false,
                    port: None,
                }]),
                (Some(_), false) => None,
                (None, _) => component.routes.take().or(Some(Vec::new())),
            };
        }
        for (name, component) in &mut self.spec.components {
            if !published.contains_key(name)
                && component.routes.is_none()
                && matches!(
                    component.kind,
                    Kind::Service | Kind::Stateful | Kind::Daemon
                )
            {
                component.routes = Some(Vec::new());
            }
        }
        for (name, (at, path)) in &self.publishes_all {
            let component = self.spec.components.get_mut(name);
            let component = component.filter(|component| {
                let runs = matches!(
                    component.kind,
                    Kind::Service | Kind::Stateful | Kind::Daemon
                );
                runs && component.ports.is_empty() && !published.contains_key(name)
            });
            match component {
                Some(component) => {
                    component.image_ports = false;
                    component.routes = None;
                    self.told.adapted(
                        *at,
                        path,
                        "The ports that the image exposes are its own: the first that may speak HTTP is reached through the gateway, others inside the application.",
                    );
                }
                None => self.told.adapted(
                    *at,
                    path,
                    "Besides the ports that are named, those that the image exposes are reached inside the application.",
                ),
            }
        }
        routed
    }
}

fn first_http(ports: &[Published]) -> Option<&Published> {
    ports
        .iter()
        .find(|port| port.http && port.host.is_some())
        .or_else(|| ports.iter().find(|port| port.http))
}

pub(super) fn each_text<'i>(item: &'i Item, look: &mut impl FnMut(&'i str)) {
    match &item.value {
        Value::Scalar(scalar) => look(&scalar.text),
        Value::List(items) => items.iter().for_each(|item| each_text(item, look)),
        Value::Map(map) => {
            map.values().for_each(|field| each_text(&field.item, look));
        }
        _ => {}
    }
}

/// `name:123` wherever it stands in a text.
fn host_ports(text: &str) -> Vec<(&str, u16)> {
    let bytes = text.as_bytes();
    let is_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let mut found = Vec::new();
    for (colon, _) in text.match_indices(':') {
        let digits = text[colon + 1..]
            .bytes()
            .take(6)
            .take_while(u8::is_ascii_digit)
            .count();
        let after = bytes.get(colon + 1 + digits);
        if digits == 0 || digits > 5 || after.is_some_and(|b| is_host(*b)) {
            continue;
        }
        let start = text[..colon]
            .bytes()
            .rev()
            .take(64)
            .take_while(|b| is_host(*b))
            .count();
        if start == 0 {
            continue;
        }
        if let Ok(port) = text[colon + 1..colon + 1 + digits].parse::<u16>()
            && port > 0
        {
            found.push((&text[colon - start..colon], port));
        }
    }
    found
}
