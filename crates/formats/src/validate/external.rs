//! Components that are not run here: what they need, and what they cannot have.

use std::net::IpAddr;

use pluvio_model::spec::{
    ComponentSpec, ExternalSpec, Kind, OutsideAddress, OutsideHost, PortProtocol,
};

use super::{Found, container};

pub(super) fn check(path: &str, component: &ComponentSpec, found: &mut Found) {
    match (&component.external, component.kind) {
        (Some(external), Kind::External) => outside(path, component, external, found),
        (None, Kind::External) => found.invalid(
            path,
            "An external component needs its address.",
            "Add `external: { addresses: [HOST] }`.",
        ),
        (Some(_), other) => found.conflict(
            format!("{path}.external"),
            format!(
                "`external` belongs to `kind: external`; this is a {}.",
                super::component::kind_word(other)
            ),
            "Add `kind: external`, or remove `external`.",
        ),
        (None, _) => {}
    }
    if component.kind == Kind::External {
        nothing_that_runs(path, component, found);
    }
}

fn outside(path: &str, component: &ComponentSpec, external: &ExternalSpec, found: &mut Found) {
    if component.ports.is_empty() {
        found.invalid(
            path,
            "It has no `ports`, so nobody could reach it.",
            "Add what it listens on: `ports: { db: { port: 5432, protocol: tcp } }`.",
        );
    }
    for (name, port) in &component.ports {
        if port.protocol == PortProtocol::Udp {
            found.invalid(
                format!("{path}.ports.{name}.protocol"),
                "UDP is not passed on to addresses outside.",
                "Remove the port; give the address itself to what uses it, in its `env`.",
            );
        }
    }
    if external.addresses.is_empty() {
        found.invalid(
            format!("{path}.external.addresses"),
            "It names no address.",
            "Add one: `addresses: [db.example.org]`.",
        );
    }
    for (index, address) in external.addresses.iter().enumerate() {
        let path = format!("{path}.external.addresses[{index}]");
        if external.addresses[..index].contains(address) {
            found.conflict(&path, format!("`{address}` is there twice."), "Remove one.");
            continue;
        }
        if address.port.is_some() && component.ports.len() > 1 {
            found.conflict(
                &path,
                format!("`{address}` has a port of its own, and the component has several: which is meant?"),
                "Write the address without a port, or make a component for each port.",
            );
        }
        if let Some(why) = never(address) {
            found.invalid(
                &path,
                format!("`{address}` is {why}, and no host outside."),
                "Write the address of one host.",
            );
        } else if !external.local && is_own(address) {
            found.invalid(
                &path,
                format!("`{address}` is this machine itself, or a network of it alone."),
                "If that is meant, add `local: true` under `external`; it needs the permission host:access.",
            );
        }
    }
    if let Some(probe) = &external.check {
        let path = format!("{path}.external.check");
        container::one_probe(&path, probe, &component.ports, found);
        if probe.command.is_some() {
            found.conflict(
                format!("{path}.command"),
                "There is no container to run a command in.",
                "Check with `http` or `tcp`.",
            );
        }
    }
}

/// Addresses that belong to no host.
fn never(address: &OutsideAddress) -> Option<&'static str> {
    match address.host {
        OutsideHost::Address(ip) if ip.is_unspecified() => Some("the address of nobody"),
        OutsideHost::Address(ip) if ip.is_multicast() => Some("the address of a group"),
        OutsideHost::Address(IpAddr::V4(ip)) if ip.is_broadcast() => {
            Some("the address of everybody")
        }
        _ => None,
    }
}

fn is_own(address: &OutsideAddress) -> bool {
    match &address.host {
        OutsideHost::Address(ip) => match ip.to_canonical() {
            IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
        },
        OutsideHost::Name(name) => &**name == "localhost" || name.ends_with(".localhost"),
    }
}

/// Keys that say how something runs.
fn nothing_that_runs(path: &str, component: &ComponentSpec, found: &mut Found) {
    for (key, present) in [
        ("entrypoint", component.entrypoint.is_some()),
        ("command", component.command.is_some()),
        ("workingDir", component.working_dir.is_some()),
        ("user", component.user.is_some()),
        ("stopSignal", component.stop_signal.is_some()),
        ("resources", component.resources.is_some()),
        ("env", !component.env.is_empty()),
        ("files", !component.files.is_empty()),
        ("volumes", !component.volumes.is_empty()),
        ("groups", !component.groups.is_empty()),
        ("uses", !component.uses.is_empty()),
        ("release", component.release.is_some()),
        ("hooks", component.hooks.is_some()),
        ("rollout", component.rollout.is_some()),
        ("restart", component.restart.is_some()),
        ("publish", !component.publish.is_empty()),
        ("sidecars", !component.sidecars.is_empty()),
        ("init", !component.init.is_empty()),
        ("networks", !component.networks.is_empty()),
        ("offline", component.offline),
        ("networkAliases", !component.network_aliases.is_empty()),
        ("extraHosts", !component.extra_hosts.is_empty()),
        ("host", component.host.is_some()),
        ("placement", component.placement.is_some()),
        ("patch", component.patch.is_some()),
    ] {
        if present {
            found.conflict(
                format!("{path}.{key}"),
                format!("A component of kind external does not run here, so it has no `{key}`."),
                format!("Remove `{key}`."),
            );
        }
    }
    if component.probes.is_some() {
        found.conflict(
            format!("{path}.probes"),
            "A component of kind external is asked by its `check`.",
            "Move what `ready` says to `external: { check: … }`, and remove `probes`.",
        );
    }
}
