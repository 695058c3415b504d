//! Health checks with every default put in.

use pluvio_model::problem::{Problem, SPEC_INVALID, SPEC_UNKNOWN_REFERENCE};
use pluvio_model::quantity::Span;
use pluvio_model::release::{Check, DecidedProbe, DecidedProbes};
use pluvio_model::spec::{PortRef, Probe, Probes};

use super::ports::{self, Ports};

const PERIOD: Span = Span::seconds(5);
const TIMEOUT: Span = Span::seconds(2);
const FAILURES: u32 = 3;
/// With the period, five minutes: programs that warm up slowly are what a startup probe is for.
const STARTUP_FAILURES: u32 = 60;

/// `path` is the container's, `components.web`. `open` is what a container without `ready` is checked by, if by anything.
pub(super) fn decide(
    path: &str,
    probes: Option<&Probes>,
    ports: &Ports,
    open: Option<Check>,
    problems: &mut Vec<Problem>,
) -> DecidedProbes {
    let asked = probes.cloned().unwrap_or_default();
    let mut one = |probe: Option<&Probe>, which: &str, failures: u32| {
        let path = format!("{path}.probes.{which}");
        let probe = probe?;
        match check(probe, ports, &path) {
            Ok(check) => Some(DecidedProbe {
                check,
                period: probe.period.unwrap_or(PERIOD).max(Span(100)),
                timeout: probe.timeout.unwrap_or(TIMEOUT).max(Span(100)),
                delay: probe.delay.unwrap_or_default(),
                failures: probe.failures.unwrap_or(failures).max(1),
                successes: probe.successes.unwrap_or(1).max(1),
            }),
            Err(problem) => {
                problems.push(problem);
                None
            }
        }
    };
    let startup = one(asked.startup.as_ref(), "startup", STARTUP_FAILURES);
    let live = one(asked.live.as_ref(), "live", FAILURES);
    let ready = match &asked.ready {
        Some(ready) => one(Some(ready), "ready", FAILURES),
        None => open.map(|check| DecidedProbe {
            check,
            period: PERIOD,
            timeout: TIMEOUT,
            delay: Span(0),
            failures: FAILURES,
            successes: 1,
        }),
    };
    DecidedProbes {
        startup,
        ready,
        live,
        unhealthy: asked.unhealthy.unwrap_or_default(),
    }
}

fn check(probe: &Probe, ports: &Ports, path: &str) -> Result<Check, Problem> {
    let resolve = |reference: &Option<PortRef>, default: Option<u16>, what: &str| match reference {
        Some(reference) => ports::number(ports, reference).ok_or_else(|| {
            let known: Vec<&str> = ports.keys().map(|name| name.as_str()).collect();
            let PortRef::Name(name) = reference else {
                unreachable!("a number is always one")
            };
            SPEC_UNKNOWN_REFERENCE
                .problem(
                    format!("The probe's port {name} is no port of this component."),
                    match known.is_empty() {
                        true => "Declare it under `ports`, or write its number.".to_owned(),
                        false => format!("Its ports are: {}.", known.join(", ")),
                    },
                )
                .path(format!("{path}.{what}.port"))
        }),
        None => default.ok_or_else(|| {
            SPEC_INVALID
                .problem(
                    format!("The {what} probe names no port, and the component has none."),
                    "Write `port:` in the probe, or declare `ports`.",
                )
                .path(format!("{path}.{what}"))
        }),
    };
    let first_tcp = ports::first_tcp(ports).map(|(_, port)| port.port);
    match (&probe.http, &probe.tcp, &probe.command) {
        (Some(http), None, None) => {
            let first_http = ports::first_http(ports).map(|(_, port)| port.port);
            if !http.path.starts_with('/') {
                return Err(SPEC_INVALID
                    .problem(
                        format!("{:?} is not a path.", http.path),
                        "Begin it with a slash: `/healthz`.",
                    )
                    .path(format!("{path}.http.path")));
            }
            Ok(Check::Http {
                port: resolve(&http.port, first_http.or(first_tcp), "http")?,
                path: http.path.clone(),
                host: http.host.clone(),
                headers: http.headers.clone(),
                status: match &http.status {
                    Some(codes) => codes.iter().map(|code| (*code, *code)).collect(),
                    None => vec![(200, 399)],
                },
            })
        }
        (None, Some(tcp), None) => Ok(Check::Tcp {
            port: resolve(&tcp.port, first_tcp, "tcp")?,
        }),
        (None, None, Some(command)) => Ok(Check::Command(command.words())),
        _ => Err(SPEC_INVALID
            .problem(
                "A probe is exactly one of `http`, `tcp` and `command`.",
                "Keep one of them; `http: { path: /healthz }` is the usual one.",
            )
            .path(path)),
    }
}
