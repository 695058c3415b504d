//! What components, sidecars and init steps have alike: probes, limits, files.

use indexmap::IndexMap;
use pluvio_model::interpolate::{self, Piece};
use pluvio_model::name::Name;
use pluvio_model::spec::{
    AbsolutePath, FileSpec, HttpProbe, MountSpec, PortRef, PortSpec, Probe, Probes, Reload,
    Resources,
};

use super::component::is_http;
use super::{Found, names};

pub(super) fn probes(
    path: &str,
    probes: Option<&Probes>,
    ports: &IndexMap<Name, PortSpec>,
    found: &mut Found,
) {
    let Some(probes) = probes else {
        return;
    };
    for (name, probe) in [
        ("startup", &probes.startup),
        ("ready", &probes.ready),
        ("live", &probes.live),
    ] {
        if let Some(probe) = probe {
            one_probe(&format!("{path}.{name}"), probe, ports, found);
        }
    }
    if probes.unhealthy.is_some() && probes.live.is_none() {
        found.invalid(
            format!("{path}.unhealthy"),
            "`unhealthy` says what follows when `live` fails, and there is no `live`.",
            "Add `live: { http: { path: /healthz } }`, or take `unhealthy` out.",
        );
    }
}

pub(super) fn one_probe(
    path: &str,
    probe: &Probe,
    ports: &IndexMap<Name, PortSpec>,
    found: &mut Found,
) {
    let checks: Vec<&str> = [
        ("http", probe.http.is_some()),
        ("tcp", probe.tcp.is_some()),
        ("command", probe.command.is_some()),
    ]
    .into_iter()
    .filter_map(|(name, present)| present.then_some(name))
    .collect();
    match checks.as_slice() {
        [_] => {}
        [] => found.invalid(
            path,
            "It says nothing to check.",
            "Add one of `http: { path: /healthz }`, `tcp: {}` and `command: […]`.",
        ),
        several => found.conflict(
            path,
            format!(
                "It has {} checks ({}); a probe is one.",
                several.len(),
                several.join(", ")
            ),
            "Keep one of them.",
        ),
    }
    if let Some(http) = &probe.http {
        if !http.path.starts_with('/') {
            found.invalid(
                format!("{path}.http.path"),
                format!("`{}` is not a path.", http.path),
                "Begin it with `/`.",
            );
        }
        asked_as_it_stands(&format!("{path}.http"), http, found);
        match &http.port {
            Some(port) => port_ref(&format!("{path}.http.port"), port, ports, found),
            None if !ports.is_empty() && !ports.values().any(is_http) => found.conflict(
                format!("{path}.http"),
                "The component has no HTTP port to ask.",
                "Add `port`, or declare an HTTP port under `ports`.",
            ),
            None => {}
        }
        for status in http.status.iter().flatten() {
            if !(100..=599).contains(status) {
                found.invalid(
                    format!("{path}.http.status"),
                    format!("{status} is not a status of HTTP."),
                    "Choose from 100 to 599.",
                );
            }
        }
    }
    if let Some(port) = probe.tcp.as_ref().and_then(|tcp| tcp.port.as_ref()) {
        port_ref(&format!("{path}.tcp.port"), port, ports, found);
    }
    for (key, value) in [("failures", probe.failures), ("successes", probe.successes)] {
        if value == Some(0) {
            found.invalid(
                format!("{path}.{key}"),
                format!("`{key}: 0` would mean an answer before any check."),
                "Choose 1 or more.",
            );
        }
    }
    for (key, value) in [("period", probe.period), ("timeout", probe.timeout)] {
        if value.is_some_and(|span| span.millis() == 0) {
            found.invalid(
                format!("{path}.{key}"),
                format!("`{key}` cannot be nothing."),
                "Choose a span such as 5s.",
            );
        }
    }
}

/// What a probe sends is part of the release, which people read: no reference in it is put in, least of all a secret's.
fn asked_as_it_stands(path: &str, http: &HttpProbe, found: &mut Found) {
    let headers = http.headers.iter();
    let headers = headers.map(|(name, value)| (format!("{path}.headers.{name}"), value));
    let all = std::iter::once((format!("{path}.path"), &http.path)).chain(headers);
    for (path, text) in all {
        let pieces = interpolate::parse(text).unwrap_or_default();
        let Some(reference) = interpolate::references(&pieces).into_iter().next() else {
            continue;
        };
        let (shown, remedy) = match reference {
            Piece::Secret(name) => (
                format!("${{secrets.{name}}}"),
                "Ask without it, or write `command: …`: a program in the container has the secret as a variable.",
            ),
            Piece::Setting(name) => (format!("${{settings.{name}}}"), VALUE_ITSELF),
            Piece::Export { component, export } => {
                (format!("${{{component}.{export}}}"), VALUE_ITSELF)
            }
            Piece::Variable { name, .. } => (format!("${{{name}}}"), VALUE_ITSELF),
            Piece::Text(_) => continue,
        };
        found.invalid(
            path,
            format!("`{shown}` would be sent as it stands: nothing is put into a probe's request."),
            remedy,
        );
    }
}

const VALUE_ITSELF: &str =
    "Write the value itself, or `command: …`, which has the container's variables.";

/// A port by name must be declared; a number may be any.
pub(super) fn port_ref(
    path: &str,
    port: &PortRef,
    ports: &IndexMap<Name, PortSpec>,
    found: &mut Found,
) {
    match port {
        PortRef::Name(name) if !ports.contains_key(name) => found.unknown(
            path,
            "port",
            name.as_str(),
            names(ports),
            "declare it under `ports`",
        ),
        PortRef::Number(0) => found.invalid(path, "0 is not a port.", "Choose from 1 to 65535."),
        _ => {}
    }
}

pub(super) fn resources(path: &str, resources: &Resources, found: &mut Found) {
    let mut more_than = |what: &str, request: Option<String>| {
        if let Some(request) = request {
            found.conflict(
                format!("{path}.{what}"),
                format!("It asks for {request}, which is more than its limit."),
                "Raise `limit`, or lower `request`.",
            );
        }
    };
    if let Some(cpu) = &resources.cpu {
        let above = cpu.request.zip(cpu.limit).filter(|(r, l)| r > l);
        more_than("cpu", above.map(|(request, _)| request.to_string()));
    }
    if let Some(memory) = &resources.memory {
        let above = memory.request.zip(memory.limit).filter(|(r, l)| r > l);
        more_than("memory", above.map(|(request, _)| request.to_string()));
        // Engines refuse less; a mistyped unit is the usual reason.
        const LEAST: u64 = 6 << 20;
        if let Some(limit) = memory.limit.filter(|limit| limit.0 < LEAST) {
            found.invalid(
                format!("{path}.memory.limit"),
                format!("No program runs in {limit} of memory."),
                "Write the unit: 512Mi, 1Gi. The least is 6Mi.",
            );
        }
    }
    if resources.pids == Some(0) {
        found.invalid(
            format!("{path}.pids"),
            "With no process at all nothing runs.",
            "Choose 1 or more, or remove it.",
        );
    }
}

pub(super) fn files(
    path: &str,
    files: &IndexMap<AbsolutePath, FileSpec>,
    volumes: &IndexMap<AbsolutePath, MountSpec>,
    found: &mut Found,
) {
    for (target, file) in files {
        let path = format!("{path}.files.{target}");
        if volumes.contains_key(target) {
            found.conflict(
                &path,
                "A volume is mounted at the same path.",
                "Give one of them another path.",
            );
        }
        match &file.reload {
            Some(_) if !file.hot => found.conflict(
                format!("{path}.reload"),
                "`reload` is for files that change while the program runs.",
                "Add `hot: true`, or remove `reload`.",
            ),
            Some(Reload::Signal(name)) => signal(&format!("{path}.reload.signal"), name, found),
            _ => {}
        }
    }
}

pub(super) fn signal(path: &str, name: &str, found: &mut Found) {
    const NAMES: [&str; 12] = [
        "HUP", "INT", "QUIT", "KILL", "USR1", "USR2", "TERM", "CONT", "STOP", "WINCH", "ABRT",
        "ALRM",
    ];
    let upper = name.to_ascii_uppercase();
    let short = upper.strip_prefix("SIG").unwrap_or(&upper);
    let number = short.parse::<u8>().is_ok_and(|n| (1..=64).contains(&n));
    if !number
        && !NAMES.contains(&short)
        && !short.starts_with("RTMIN")
        && !short.starts_with("RTMAX")
    {
        found.invalid(
            path,
            format!("`{name}` is not a signal."),
            "Write one such as TERM, INT, QUIT, HUP or USR1.",
        );
    }
}
