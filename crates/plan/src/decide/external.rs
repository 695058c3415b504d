//! Components that are not run here: their addresses, and how each is asked whether it is well.

use pluvio_model::name::Name;
use pluvio_model::problem::{Problem, SPEC_CONFLICT, SPEC_INVALID, SPEC_UNSUPPORTED};
use pluvio_model::release::{Check, DecidedExternal};
use pluvio_model::spec::{ComponentSpec, PortProtocol, Probes};

use super::ports::{self, Ports};
use super::probes;

/// `None` when a problem was told.
pub(super) fn decide(
    name: &Name,
    component: &ComponentSpec,
    ports: &Ports,
    problems: &mut Vec<Problem>,
) -> Option<DecidedExternal> {
    let path = format!("components.{name}");
    let before = problems.len();
    let Some(external) = component
        .external
        .as_ref()
        .filter(|external| !external.addresses.is_empty())
    else {
        problems.push(
            SPEC_INVALID
                .problem(
                    format!("{name} is outside, and nothing says where."),
                    "Add `external: { addresses: [HOST] }`.",
                )
                .path(format!("{path}.external")),
        );
        return None;
    };
    if ports.is_empty() {
        problems.push(
            SPEC_INVALID
                .problem(
                    format!("{name} is outside and has no ports, so nobody could reach it."),
                    "Declare what it listens on: `ports: { db: { port: 5432, protocol: tcp } }`.",
                )
                .path(format!("{path}.ports")),
        );
        return None;
    }
    for (port, decided) in ports {
        if decided.protocol == PortProtocol::Udp {
            problems.push(
                SPEC_UNSUPPORTED
                    .problem(
                        format!("The port {port} of {name} is UDP, which is not passed on to addresses outside."),
                        "Take the port out; what uses it can be given the address itself in its `env`.",
                    )
                    .path(format!("{path}.ports.{port}")),
            );
        }
    }
    for (index, address) in external.addresses.iter().enumerate() {
        if address.port.is_some() && ports.len() > 1 {
            problems.push(
                SPEC_CONFLICT
                    .problem(
                        format!("{address} has a port of its own, and {name} has {} ports: which of them is meant?", ports.len()),
                        "Write the address without a port, or make it a component with one port.",
                    )
                    .path(format!("{path}.external.addresses.{index}")),
            );
        }
    }
    let probes = Probes {
        ready: external.check.clone(),
        ..Probes::default()
    };
    let open = ports::open(component, ports, None);
    let decided = probes::decide(&path, Some(&probes), ports, open, problems);
    let check = decided.ready?;
    if let Check::Command(_) = check.check {
        problems.push(
            SPEC_UNSUPPORTED
                .problem(
                    format!("{name} is outside: there is no container to run a command in."),
                    "Check with `http` or `tcp`.",
                )
                .path(format!("{path}.external.check.command")),
        );
    }
    (problems.len() == before).then(|| DecidedExternal {
        name: name.clone(),
        addresses: external.addresses.clone(),
        local: external.local,
        ports: ports.clone(),
        check,
        aliases: component.aliases.clone(),
    })
}
