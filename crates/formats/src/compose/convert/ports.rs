//! `ports` and `expose`.

use std::net::IpAddr;

use pluvio_model::name::Name;
use pluvio_model::spec::{Kind, PortProtocol, PortSpec};

use super::super::PUBLISH_ALL;
use super::super::item::{Fields, Item, Place, Taken, Value};
use super::making::{Making, OwnNetwork};
use super::{Convert, protocols};

/// One port that the file publishes.
#[derive(Debug, Clone)]
pub(super) struct Published {
    pub(super) target: u16,
    pub(super) host: Option<u16>,
    pub(super) address: Option<IpAddr>,
    pub(super) udp: bool,
    pub(super) http: bool,
    /// Nobody said that it is HTTP, nor that it is not.
    pub(super) guessed: bool,
    pub(super) at: Place,
    pub(super) path: String,
}

impl Published {
    pub(super) fn shown(&self) -> String {
        let protocol = if self.udp { "/udp" } else { "" };
        match self.host {
            Some(host) => {
                let address = match self.address {
                    Some(std::net::IpAddr::V6(address)) => format!("[{address}]:"),
                    Some(address) => format!("{address}:"),
                    None => String::new(),
                };
                format!("{address}{host}:{}{protocol}", self.target)
            }
            None => format!("{}{protocol}", self.target),
        }
    }
}

/// The most ports of one range.
const RANGE_MAX: u32 = 256;

struct Entry {
    target: (u16, u16),
    host: Option<(u16, u16)>,
    address: Option<IpAddr>,
    udp: bool,
    app_protocol: Option<String>,
    name: Option<String>,
}

impl Convert<'_> {
    pub(super) fn ports(&mut self, fields: &mut Fields, making: &mut Making) {
        let published_at_all = !matches!(making.network, Some(OwnNetwork::Host | OwnNetwork::None));
        if !published_at_all {
            for key in ["ports", "expose"] {
                let Some(taken) = fields.take(key) else {
                    continue;
                };
                for item in taken.item.items() {
                    self.told.ignored(
                        item.at,
                        &taken.path,
                        "With this `network_mode` nothing is published: its ports are the machine's, or nobody's.",
                    );
                }
            }
        }
        if making.network == Some(OwnNetwork::None) {
            self.routed.clear();
            return;
        }
        let database = making
            .component
            .image
            .as_ref()
            .is_some_and(|image| Self::is_database(image.short_name()));
        if let Some(taken) = fields.take(PUBLISH_ALL) {
            if published_at_all && !database && self.flag(&taken) == Some(true) {
                let place = (taken.at, taken.path);
                self.publishes_all.insert(making.name.clone(), place);
            } else {
                self.told
                    .ignored(taken.at, &taken.path, "It publishes nothing here.");
            }
        }
        let mut published: Vec<Published> = Vec::new();
        if let Some(ports) = fields.take("ports").filter(|_| published_at_all) {
            if ports.item.as_map().is_some() {
                self.texts(&ports);
            }
            for item in ports.item.items() {
                let entry = match &item.value {
                    Value::Scalar(scalar) => self.short_port(&scalar.text.clone(), item.at, &ports),
                    Value::Map(_) => self.long_port(item, &ports),
                    _ => None,
                };
                if let Some(entry) = entry {
                    self.published(entry, item.at, &ports, database, making, &mut published);
                }
            }
        }
        if let Some(expose) = fields.take("expose").filter(|_| published_at_all) {
            for (at, text) in self.texts(&expose) {
                match self.range(&text) {
                    Some((from, to, udp)) if u32::from(to - from) < RANGE_MAX => {
                        for port in from..=to {
                            let protocol = if udp {
                                PortProtocol::Udp
                            } else {
                                PortProtocol::Tcp
                            };
                            add_port(making, port, protocol, None);
                        }
                    }
                    _ => self.told.invalid(
                        at,
                        &expose.path,
                        format!("`{text}` is not a port, or is a range of more than {RANGE_MAX}."),
                        "Write a number from 1 to 65535, with /udp behind it for UDP.",
                    ),
                }
            }
        }
        // What a template's variables say of this component.
        let routed = std::mem::take(&mut self.routed);
        for (_, port, at, path) in &routed {
            if published
                .iter()
                .any(|known| known.http && known.target == *port)
            {
                continue;
            }
            making
                .component
                .ports
                .retain(|_, known| known.port != *port);
            add_port(making, *port, PortProtocol::Http, None);
            published.insert(
                0,
                Published {
                    target: *port,
                    host: None,
                    address: None,
                    udp: false,
                    http: true,
                    guessed: false,
                    at: *at,
                    path: path.clone(),
                },
            );
        }
        // A port that nobody wrote down may speak anything: FastCGI at 9000, say. What runs beside another has no network.
        let beside = matches!(making.network, Some(OwnNetwork::Of(_)));
        let ends = matches!(making.component.kind, Kind::Job | Kind::Cron);
        making.component.image_ports = !making.component.ports.is_empty() || !(beside || ends);
        if published.is_empty() {
            return;
        }
        if matches!(making.component.kind, Kind::Job | Kind::Cron) {
            self.told.adapted(
                published[0].at,
                &published[0].path,
                "A job that comes to its end is not reached from outside: its ports are not published.",
            );
            return;
        }
        if making.component.instances.is_some_and(|count| count > 1) {
            let (kept, left): (Vec<Published>, Vec<Published>) = published
                .into_iter()
                .partition(|port| port.http || port.host.is_none());
            for port in left {
                self.told.refused(
                    port.at,
                    &port.path,
                    format!(
                        "{}: one port of the machine cannot lead to several instances.",
                        port.shown()
                    ),
                    "Set one instance, or let components reach it by its name.",
                );
            }
            published = kept;
        }
        self.published.insert(making.name.clone(), published);
    }

    fn published(
        &mut self,
        entry: Entry,
        at: Place,
        ports: &Taken,
        database: bool,
        making: &mut Making,
        published: &mut Vec<Published>,
    ) {
        let (from, to) = entry.target;
        let count = u32::from(to.saturating_sub(from)) + 1;
        if count > RANGE_MAX {
            self.told.refused(
                at,
                &ports.path,
                format!("A range of {count} ports; at most {RANGE_MAX} are published."),
                "Name the ports that are needed.",
            );
            return;
        }
        let hosts = entry
            .host
            .map(|(first, last)| (first, u32::from(last.saturating_sub(first)) + 1));
        if let Some((first, host_count)) = hosts
            && host_count != count
        {
            if count == 1 {
                // Compose takes the first free one of the range.
                self.told.adapted(
                    at,
                    &ports.path,
                    format!("Of the range of the machine's ports, {first} is taken."),
                );
            } else {
                self.told.invalid(
                    at,
                    &ports.path,
                    "The two ranges differ in length.",
                    "Write ranges of the same length.",
                );
                return;
            }
        }
        for offset in 0..count {
            let offset = u16::try_from(offset).unwrap_or(0);
            let target = from + offset;
            let http = match entry.app_protocol.as_deref() {
                Some("http" | "http2" | "h2c" | "ws" | "grpc" | "kubernetes.io/h2c") => true,
                Some(_) => false,
                None => !entry.udp && !database && !protocols::is_known(making, target),
            };
            let http = http && count == 1 && !entry.udp;
            let protocol = match (entry.udp, http, entry.app_protocol.as_deref()) {
                (true, ..) => PortProtocol::Udp,
                (_, true, Some("http2" | "h2c" | "grpc" | "kubernetes.io/h2c")) => {
                    PortProtocol::Http2
                }
                (_, true, _) => PortProtocol::Http,
                _ => PortProtocol::Tcp,
            };
            add_port(making, target, protocol, entry.name.as_deref());
            published.push(Published {
                target,
                host: hosts.map(|(first, _)| first.saturating_add(offset)),
                address: entry.address,
                udp: entry.udp,
                http,
                guessed: entry.app_protocol.is_none(),
                at,
                path: ports.path.clone(),
            });
        }
    }

    fn range(&self, text: &str) -> Option<(u16, u16, bool)> {
        let (ports, udp) = match text.trim().split_once('/') {
            None => (text.trim(), false),
            Some((ports, protocol)) if protocol.eq_ignore_ascii_case("tcp") => (ports, false),
            Some((ports, protocol)) if protocol.eq_ignore_ascii_case("udp") => (ports, true),
            Some(_) => return None,
        };
        let (from, to) = range(ports)?;
        Some((from, to, udp))
    }

    /// `[[ip:]host:]container[/protocol]`
    fn short_port(&mut self, text: &str, at: Place, ports: &Taken) -> Option<Entry> {
        let read = (|| {
            let (rest, protocol) = match text.trim().rsplit_once('/') {
                Some((rest, protocol)) => (rest, protocol),
                None => (text.trim(), "tcp"),
            };
            let udp = match protocol.to_ascii_lowercase().as_str() {
                "tcp" => false,
                "udp" => true,
                _ => return None,
            };
            let (before, target) = match rest.rsplit_once(':') {
                Some((before, target)) => (Some(before), target),
                None => (None, rest),
            };
            let (address, host) = match before {
                None => (None, None),
                Some(before) => match before.rsplit_once(':') {
                    Some((address, host)) if !before.starts_with('[') || address.ends_with(']') => {
                        (Some(address), Some(host))
                    }
                    _ => (None, Some(before)),
                },
            };
            let address = match address.map(|a| a.trim_matches(['[', ']'])) {
                None | Some("") => None,
                Some("localhost") => Some(IpAddr::from([127, 0, 0, 1])),
                Some(address) => Some(address.parse().ok()?),
            };
            let host = match host.map(str::trim) {
                None | Some("" | "0") => None,
                Some(host) => Some(range(host)?),
            };
            Some(Entry {
                target: range(target.trim())?,
                host,
                address,
                udp,
                app_protocol: None,
                name: None,
            })
        })();
        if read.is_none() {
            self.told.invalid(
                at,
                &ports.path,
                format!("`{text}` is not a published port."),
                "Write HOST:CONTAINER, such as \"8080:80\", with an address before it or /udp behind it where needed.",
            );
        }
        read
    }

    fn long_port(&mut self, item: &Item, ports: &Taken) -> Option<Entry> {
        let mut inner = Fields::new(ports.path.clone(), item);
        let what = "a port";
        let target = inner.take("target");
        let target = target.and_then(|taken| self.parsed(&taken, what, range));
        let host = inner
            .take("published")
            .and_then(|taken| self.parsed(&taken, what, range))
            .filter(|(from, _)| *from != 0);
        let address = inner
            .take("host_ip")
            .and_then(|taken| self.parsed(&taken, "an IP address", |text| text.parse().ok()));
        let protocol = inner.take("protocol");
        let udp = match protocol.as_ref().and_then(|taken| taken.item.as_text()) {
            None | Some("tcp" | "TCP" | "") => false,
            Some("udp" | "UDP") => true,
            Some(other) => {
                let other = other.to_owned();
                self.told.refused(
                    item.at,
                    &ports.path,
                    format!("The protocol {other} is not published."),
                    "Write tcp or udp.",
                );
                return None;
            }
        };
        if let Some(protocol) = protocol
            && !udp
        {
            self.told
                .ignored(protocol.at, &protocol.path, "It is TCP anyway.");
        }
        let app_protocol = inner
            .take("app_protocol")
            .and_then(|taken| self.text(&taken));
        let name = inner.take("name").and_then(|taken| self.text(&taken));
        if let (true, Some(word)) = (udp, &app_protocol) {
            self.told.ignored(
                item.at,
                &format!("{}.app_protocol", ports.path),
                format!("`{word}`: what is sent over UDP does not matter."),
            );
        }
        if let Some(mode) = inner.take("mode") {
            self.told.ignored(
                mode.at,
                &mode.path,
                "There is one machine, so both modes are the same.",
            );
        }
        inner.finish(
            &mut self.told,
            &[
                "target",
                "published",
                "host_ip",
                "protocol",
                "app_protocol",
                "mode",
                "name",
            ],
        );
        let Some(target) = target else {
            self.told.invalid(
                item.at,
                &ports.path,
                "It does not say which port of the container.",
                "Write `target: 80`.",
            );
            return None;
        };
        Some(Entry {
            target,
            host,
            address,
            udp,
            app_protocol,
            name,
        })
    }
}

/// `80` or `80-90`.
fn range(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
    (from <= to && (from > 0 || text == "0")).then_some((from, to))
}

/// The first HTTP port is `http`; others say their number.
fn add_port(making: &mut Making, port: u16, protocol: PortProtocol, name: Option<&str>) {
    let udp = protocol == PortProtocol::Udp;
    let ports = &mut making.component.ports;
    let known = ports
        .iter()
        .find(|(_, known)| known.port == port && (known.protocol == PortProtocol::Udp) == udp);
    if known.is_some() || port == 0 {
        return;
    }
    let http = matches!(protocol, PortProtocol::Http | PortProtocol::Http2);
    let key: Name = match name.and_then(Name::suggest) {
        Some(name) if !ports.contains_key(&name) => name,
        _ => match protocol {
            PortProtocol::Http | PortProtocol::Http2 if !ports.contains_key("http") => {
                "http".to_owned()
            }
            PortProtocol::Http | PortProtocol::Http2 => format!("http-{port}"),
            PortProtocol::Tcp => format!("tcp-{port}"),
            PortProtocol::Udp => format!("udp-{port}"),
        }
        .parse()
        .expect("a name"),
    };
    let spec = PortSpec { port, protocol };
    if http {
        // What is asked first when nothing else is said.
        let at = ports
            .values()
            .filter(|port| matches!(port.protocol, PortProtocol::Http | PortProtocol::Http2))
            .count();
        ports.shift_insert(at, key, spec);
    } else {
        ports.insert(key, spec);
    }
}
