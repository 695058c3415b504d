//! Which published ports speak HTTP: by their numbers, by images that are known, and by what the file says of them.

use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;
use pluvio_model::name::Name;
use pluvio_model::spec::{ComponentSpec, PortProtocol, PortSpec};

use super::super::item::Map;
use super::Convert;
use super::making::Making;
use super::whole::each_text;

/// Ports of well-known programs that do not speak plain HTTP (IANA's registry, and the images' own documents).
const NOT_HTTP: &[u16] = &[
    20, 21, 22, 23, 25, 53, 69, 88, 110, 111, 123, 135, 139, 143, 161, 389, 443, 445, 465, 502,
    514, 548, 554, 587, 601, 636, 853, 873, 943, 993, 995, 1025, 1080, 1194, 1389, 1414, 1433,
    1514, 1515, 1521, 1636, 1812, 1813, 1883, 1935, 2003, 2004, 2049, 2181, 2222, 2281, 2380, 2525,
    2888, 3128, 3306, 3310, 3389, 3478, 3690, 3888, 3890, 4190, 4222, 4317, 4369, 4443, 4822, 5044,
    5060, 5061, 5222, 5269, 5349, 5432, 5433, 5671, 5672, 5900, 5901, 6360, 6379, 6380, 6432, 6443,
    6514, 6650, 6667, 6697, 6881, 7233, 7443, 7687, 8118, 8125, 8333, 8443, 8554, 8883, 9042, 9092,
    9093, 9094, 9160, 9300, 9418, 9443, 9848, 9849, 9876, 9997, 10050, 10051, 10443, 10911, 11211,
    12201, 19092, 19132, 19530, 20880, 21115, 21116, 21117, 21118, 21119, 22000, 24224, 25565,
    25575, 26257, 26379, 27015, 27017, 27018, 27019, 28015, 29092, 29093, 33060, 39092, 50000,
    51413, 51820, 61613, 61616, 64738,
];

/// Images whose ports speak something else, by the last part of their name, and the ports at which they serve pages all the
/// same.
const IMAGES: &[(&str, &[u16])] = &[
    ("bind9", &[]),
    ("coturn", &[]),
    ("cp-kafka", &[8082, 8090]),
    ("cp-server", &[8082, 8090]),
    ("cp-zookeeper", &[8080]),
    ("eclipse-mosquitto", &[80, 8080, 9001, 9883]),
    ("ibmmq", &[]),
    ("kafka", &[8080, 8082, 8083]),
    ("kafka-native", &[8080, 8082, 8083]),
    ("minecraft-bedrock-server", &[]),
    ("minecraft-server", &[80, 4567, 8080, 8100, 8123]),
    ("mosquitto", &[80, 8080, 9001, 9883]),
    ("mq", &[]),
    ("nats", &[8222, 8080, 9222]),
    ("nats-streaming", &[8222]),
    ("openldap", &[]),
    ("openssh-server", &[]),
    ("pgbouncer", &[]),
    ("postfix", &[]),
    ("proftpd", &[]),
    ("pure-ftpd", &[]),
    ("redis-stack-server", &[]),
    ("rsyslog", &[]),
    ("rustdesk-server", &[]),
    ("samba", &[]),
    ("sftp", &[]),
    ("vsftpd", &[]),
    ("zookeeper", &[8080]),
];

/// What a text may dial over HTTP, or of which no one can tell: programs that serve HTTP are awaited over `tcp`, too.
const MAY_BE_HTTP: &[&str] = &[
    "tcp",
    "ws",
    "wss",
    "grpc",
    "grpcs",
    "h2c",
    "es",
    "elasticsearch",
    "opensearch",
    "clickhouse",
    "influxdb",
    "couchdb",
    "consul",
    "etcd",
    "solr",
    "s3",
    "exp",
    "dynamodb",
    "docker",
];

/// Whether a port is known not to speak HTTP.
pub(super) fn is_known(making: &Making, port: u16) -> bool {
    if NOT_HTTP.contains(&port) || port == 9000 && is_fpm(making) {
        return true;
    }
    let image = making.component.image.as_ref();
    let found = image.and_then(|image| {
        let name = image.short_name();
        IMAGES.iter().find(|(known, _)| *known == name)
    });
    found.is_some_and(|(_, pages)| !pages.contains(&port))
}

/// PHP's process manager speaks FastCGI at 9000, where others serve pages.
fn is_fpm(making: &Making) -> bool {
    let image = making.component.image.as_ref().map(ToString::to_string);
    let of_image = image.is_some_and(|image| image.contains("fpm"));
    let name = making.name.as_str();
    of_image || name.contains("php") || name.contains("fpm")
}

/// What the texts say of services' ports.
#[derive(Default)]
struct Said {
    other: HashSet<(Name, u16)>,
    http: HashSet<(Name, u16)>,
}

impl Said {
    /// `variable`: the name of the variable that holds the text, and whose it is.
    fn read(
        &mut self,
        text: &str,
        own: Option<&Name>,
        variable: Option<&str>,
        hosts: &HashMap<String, Name>,
    ) {
        let variable = variable.map(str::to_ascii_uppercase).unwrap_or_default();
        let listens = variable.contains("LISTENER");
        let brokers = variable.contains("BOOTSTRAP") || variable.contains("BROKER");
        for address in addresses(text) {
            let everywhere = matches!(address.host, "" | "0.0.0.0");
            let component = match hosts.get(address.host) {
                Some(name) => Some(name),
                // Whatever address it tells others, it is its own.
                None if listens || everywhere && address.scheme.is_some() => own,
                None => None,
            };
            let Some(component) = component else {
                continue;
            };
            let entry = (component.clone(), address.port);
            match address.scheme.map(str::to_ascii_lowercase).as_deref() {
                Some(scheme) if scheme.contains("http") => {
                    self.http.insert(entry);
                }
                Some(scheme) if MAY_BE_HTTP.contains(&scheme) => {}
                Some(_) => {
                    self.other.insert(entry);
                }
                None if brokers => {
                    self.other.insert(entry);
                }
                None => {}
            }
        }
    }
}

impl Convert<'_> {
    /// Ports that were taken for HTTP, of which the file says something else: `PLAINTEXT://kafka:29092`.
    pub(super) fn other_protocols(&mut self, services: &Map) {
        let mut hosts: HashMap<String, Name> = HashMap::new();
        for (name, component) in &self.spec.components {
            let on_networks = component.network_aliases.values().flatten();
            for alias in component.aliases.iter().chain(on_networks) {
                hosts.entry(alias.clone()).or_insert_with(|| name.clone());
            }
        }
        for (service, name) in &self.names {
            hosts.insert(name.to_string(), name.clone());
            hosts.insert(service.clone(), name.clone());
        }
        let mut said = Said::default();
        for (service, field) in services {
            let own = self.names.get(service);
            for (key, field) in field.item.as_map().into_iter().flatten() {
                match (key.as_str(), field.item.as_map()) {
                    // An image's tag (`redis:7`) is no port, nor is what is mounted.
                    ("image" | "build" | "ports" | "volumes", _) => {}
                    ("environment", Some(variables)) => {
                        for (key, field) in variables {
                            if let Some(text) = field.item.as_text() {
                                said.read(text, own, Some(key), &hosts);
                            }
                        }
                    }
                    _ => each_text(&field.item, &mut |text| {
                        said.read(text, own, None, &hosts);
                    }),
                }
            }
        }
        // Files of variables are read by now.
        for (name, component) in &self.spec.components {
            for (key, value) in &component.env {
                said.read(&value.0, Some(name), Some(key.as_str()), &hosts);
            }
            let beside = component.sidecars.values();
            for (key, value) in beside.flat_map(|beside| &beside.env) {
                said.read(&value.0, Some(name), Some(key.as_str()), &hosts);
            }
        }
        for (name, ports) in &mut self.published {
            for port in ports.iter_mut().filter(|port| port.http && port.guessed) {
                let entry = (name.clone(), port.target);
                if !said.other.contains(&entry) || said.http.contains(&entry) {
                    continue;
                }
                port.http = false;
                if let Some(component) = self.spec.components.get_mut(name) {
                    no_http(component, port.target);
                }
            }
        }
    }
}

/// The port becomes plain TCP; the first that is left is called `http`.
fn no_http(component: &mut ComponentSpec, port: u16) {
    let is_http = |known: &PortSpec| known.protocol == PortProtocol::Http;
    let ports: &mut IndexMap<Name, PortSpec> = &mut component.ports;
    let found = ports
        .iter()
        .position(|(_, known)| known.port == port && is_http(known));
    let Some((name, _)) = found.and_then(|at| ports.shift_remove_index(at)) else {
        return;
    };
    let is_made = |name: &Name| name.as_str() == "http" || name.as_str().starts_with("http-");
    let name = match is_made(&name) {
        true => format!("tcp-{port}").parse().expect("a name"),
        false => name,
    };
    let protocol = PortProtocol::Tcp;
    ports.entry(name).or_insert(PortSpec { port, protocol });
    let first = ports
        .iter()
        .position(|(name, known)| is_http(known) && is_made(name));
    if !ports.contains_key("http")
        && let Some(at) = first
        && let Some((_, spec)) = ports.shift_remove_index(at)
    {
        ports.shift_insert(at, "http".parse().expect("a name"), spec);
    }
}

/// `PLAINTEXT://kafka:29092`, or without a scheme.
#[derive(Debug, PartialEq)]
struct Address<'t> {
    scheme: Option<&'t str>,
    /// Empty for all addresses of the machine, behind a scheme only.
    host: &'t str,
    port: u16,
}

/// How far back an address' scheme is looked for: behind it there may be a password, or other hosts.
const FAR: usize = 256;

fn addresses(text: &str) -> impl Iterator<Item = Address<'_>> {
    let in_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    text.match_indices(':').filter_map(move |(colon, _)| {
        let behind = &text.as_bytes()[colon + 1..];
        let digits = behind.iter().take(6).take_while(|b| b.is_ascii_digit());
        let digits = digits.count();
        if digits == 0 || behind.get(digits).is_some_and(|b| in_name(*b)) {
            return None;
        }
        let port: u16 = text[colon + 1..colon + 1 + digits].parse().ok()?;
        let before = &text.as_bytes()[..colon];
        let host = before.iter().rev().take(FAR).take_while(|b| in_name(**b));
        let start = colon - host.count();
        let scheme = scheme_before(&text[..start]);
        let host = &text[start..colon];
        let is_named = !host.is_empty() || scheme.is_some();
        (port > 0 && is_named).then_some(Address { scheme, host, port })
    })
}

/// The scheme that a text ends in, with what may stand between it and a host: a password, other hosts.
fn scheme_before(text: &str) -> Option<&str> {
    let far = text.len().saturating_sub(FAR);
    let from = (far..=text.len()).find(|at| text.is_char_boundary(*at))?;
    let near = &text[from..];
    let at = near.rfind("://")?;
    let between = &near[at + 3..];
    let apart = |c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | ';');
    if between.contains(apart) || !between.is_empty() && !between.ends_with(['@', ',']) {
        return None;
    }
    let in_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_');
    let scheme = &near[near[..at].trim_end_matches(in_scheme).len()..at];
    (!scheme.is_empty()).then_some(scheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_know_their_schemes() {
        for (text, want) in [
            (
                "PLAINTEXT://kafka:29092",
                vec![(Some("PLAINTEXT"), "kafka", 29092)],
            ),
            (
                "PLAINTEXT_HOST://0.0.0.0:9092,CONTROLLER://:29093",
                vec![
                    (Some("PLAINTEXT_HOST"), "0.0.0.0", 9092),
                    (Some("CONTROLLER"), "", 29093),
                ],
            ),
            ("kafka:1,b:2", vec![(None, "kafka", 1), (None, "b", 2)]),
            (
                "amqp://u:p,w@mq:5/v http://a:6/b?c=d:7",
                vec![
                    (Some("amqp"), "mq", 5),
                    (Some("http"), "a", 6),
                    (None, "d", 7),
                ],
            ),
            (
                "mongodb://a:1,b:2",
                vec![(Some("mongodb"), "a", 1), (Some("mongodb"), "b", 2)],
            ),
            ("a:1x :5 b:70000 c:", vec![]),
        ] {
            let found = addresses(text).map(|one| (one.scheme, one.host, one.port));
            assert_eq!(found.collect::<Vec<_>>(), want, "{text}");
        }
        let long = format!("ä{}://a:1", "ö".repeat(400));
        assert_eq!(addresses(&long).count(), 1);
    }
}
