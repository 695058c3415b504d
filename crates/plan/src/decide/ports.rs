//! Which ports a component listens on: as declared, else as its image exposes them.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use pluvio_model::name::Name;
use pluvio_model::problem::{Problem, SPEC_CONFLICT, SPEC_INVALID};
use pluvio_model::release::{Check, DecidedPort};
use pluvio_model::spec::{ComponentSpec, Kind, PortProtocol, PortRef};

use super::images::{Image, ImagePorts};

pub(super) type Ports = IndexMap<Name, DecidedPort>;

/// Registered TCP ports of well-known programs that do not speak plain HTTP (IANA's service name registry, and the images'
/// own documents). A wrong guess is corrected by declaring `ports`.
const NOT_HTTP: &[u16] = &[
    21, 22, 23, 25, 53, 88, 110, 143, 389, 443, 465, 587, 636, 993, 995, 1433, 1521, 1883, 2181,
    3306, 4222, 5432, 5671, 5672, 6379, 6380, 8443, 8883, 9042, 9092, 11211, 26257, 27017,
];

/// `opened`: besides those, where what others dial and what it is told to listen on is open.
pub(super) fn decide(
    name: &Name,
    component: &ComponentSpec,
    image: Option<&Image>,
    opened: &BTreeSet<u16>,
    problems: &mut Vec<Problem>,
) -> Ports {
    if component.ports.is_empty() {
        // What its image may expose is not for a program that comes to an end, or that nothing reaches.
        if matches!(component.kind, Kind::Job | Kind::Cron) || component.offline {
            return Ports::new();
        }
        return match image.map(|image| &image.ports) {
            _ if component.image_ports => {
                let mut ports = Ports::new();
                add_from_image(&mut ports, image, opened);
                ports
            }
            Some(ImagePorts::Exposed(exposed)) => from_image(exposed),
            Some(ImagePorts::AsBefore(ports)) => ports.clone(),
            None => Ports::new(),
        };
    }
    let mut ports = Ports::new();
    for (port_name, port) in &component.ports {
        let path = format!("components.{name}.ports.{port_name}");
        if port.port == 0 {
            problems.push(
                SPEC_INVALID
                    .problem(
                        format!("The port {port_name} of {name} is 0."),
                        "Write the number that the program listens on, 1 to 65535.",
                    )
                    .path(path),
            );
            continue;
        }
        let udp = port.protocol == PortProtocol::Udp;
        let twin = ports.iter().find(|(_, other): &(&Name, &DecidedPort)| {
            other.port == port.port && (other.protocol == PortProtocol::Udp) == udp
        });
        if let Some((twin, _)) = twin {
            problems.push(
                SPEC_CONFLICT
                    .problem(
                        format!(
                            "{twin} and {port_name} of {name} are both port {}.",
                            port.port
                        ),
                        "Keep one of them.",
                    )
                    .path(path),
            );
            continue;
        }
        let decided = DecidedPort {
            port: port.port,
            protocol: port.protocol,
        };
        ports.insert(port_name.clone(), decided);
    }
    if component.image_ports {
        add_from_image(&mut ports, image, opened);
    }
    ports
}

/// What else the image exposes and is opened: nobody said that it speaks HTTP.
fn add_from_image(ports: &mut Ports, image: Option<&Image>, opened: &BTreeSet<u16>) {
    let mut found: Vec<u16> = match image.map(|image| &image.ports) {
        Some(ImagePorts::Exposed(exposed)) => exposed.clone(),
        Some(ImagePorts::AsBefore(before)) => before
            .values()
            .filter(|port| port.protocol != PortProtocol::Udp)
            .map(|port| port.port)
            .collect(),
        None => Vec::new(),
    };
    found.extend(opened);
    for port in found.into_iter().filter(|port| *port != 0) {
        if ports.values().all(|known| known.port != port) {
            let name = format!("tcp-{port}");
            let decided = DecidedPort {
                port,
                protocol: PortProtocol::Tcp,
            };
            ports
                .entry(name.parse().expect("a slug by construction"))
                .or_insert(decided);
        }
    }
}

/// The first HTTP port is `http`, others say their number: `http-9000`, `tcp-5432`.
fn from_image(exposed: &[u16]) -> Ports {
    let mut ports = Ports::new();
    for port in exposed.iter().filter(|port| **port != 0) {
        let (name, protocol) = if NOT_HTTP.contains(port) {
            (format!("tcp-{port}"), PortProtocol::Tcp)
        } else if ports
            .values()
            .all(|port: &DecidedPort| port.protocol != PortProtocol::Http)
        {
            ("http".to_owned(), PortProtocol::Http)
        } else {
            (format!("http-{port}"), PortProtocol::Http)
        };
        let name = name.parse().expect("a slug by construction");
        let decided = DecidedPort {
            port: *port,
            protocol,
        };
        ports.entry(name).or_insert(decided);
    }
    ports
}

pub(super) fn is_http(protocol: PortProtocol) -> bool {
    matches!(protocol, PortProtocol::Http | PortProtocol::Http2)
}

pub(super) fn first_http(ports: &Ports) -> Option<(&Name, &DecidedPort)> {
    ports.iter().find(|(_, port)| is_http(port.protocol))
}

/// The first port that a TCP connection can be made to.
pub(super) fn first_tcp(ports: &Ports) -> Option<(&Name, &DecidedPort)> {
    ports
        .iter()
        .find(|(_, port)| port.protocol != PortProtocol::Udp)
}

/// What tells that a program is ready whose ports are all that is known of it.
///
/// Where somebody else's file was read (`imagePorts`), ports that it or its image declares are no promise: compose starts a
/// worker from the image of a server, which listens on nothing. What is reached from outside is needed. What others dial comes
/// first, but one other port that is open is enough after a while: texts do not say whether they mean UDP.
pub(super) fn open(
    component: &ComponentSpec,
    ports: &Ports,
    dialled: Option<&BTreeSet<u16>>,
) -> Option<Check> {
    let (_, first) = first_tcp(ports)?;
    if !component.image_ports {
        return Some(Check::Tcp { port: first.port });
    }
    let routed: Vec<u16> = match &component.routes {
        Some(routes) => {
            let of = |port: &Option<Name>| match port {
                Some(port) => ports.get(port).map(|port| port.port),
                None => first_http(ports).map(|(_, port)| port.port),
            };
            routes.iter().filter_map(|route| of(&route.port)).collect()
        }
        None => first_http(ports)
            .map(|(_, port)| port.port)
            .into_iter()
            .collect(),
    };
    let published = component.publish.iter();
    let published = published.filter_map(|publish| number(ports, &publish.port));
    let reached: BTreeSet<u16> = routed.into_iter().chain(published).collect();
    let tcp = ports
        .values()
        .filter(|port| port.protocol != PortProtocol::Udp);
    let (needed, other): (Vec<u16>, Vec<u16>) = tcp
        .map(|port| port.port)
        .partition(|port| reached.contains(port));
    let is_dialled = |port: &u16| dialled.is_some_and(|dialled| dialled.contains(port));
    let (mut asked, rest): (Vec<u16>, Vec<u16>) = other.into_iter().partition(is_dialled);
    Some(match &needed[..] {
        [port] => Check::Tcp { port: *port },
        [] => {
            let needed = !asked.is_empty();
            asked.extend(rest);
            Check::Ports {
                ports: asked,
                needed,
            }
        }
        _ => Check::Ports {
            ports: needed,
            needed: true,
        },
    })
}

/// The number that a reference means; `None` for a name that no port has.
pub(super) fn number(ports: &Ports, reference: &PortRef) -> Option<u16> {
    match reference {
        PortRef::Number(number) => Some(*number),
        PortRef::Name(name) => ports.get(name).map(|port| port.port),
    }
}
