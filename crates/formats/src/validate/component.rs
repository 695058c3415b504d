//! One component for itself: whether its kind and its parts fit together.

use pluvio_model::clock;
use pluvio_model::name::{Name, is_host_name};
use pluvio_model::spec::{
    ComponentSpec, ContainerOptions, Kind, PortProtocol, PortSpec, ScheduleSpec,
};

use super::{Found, build, container, cron, database, external, hooks, names, scale, volumes};

pub(super) fn check(path: &str, name: &Name, component: &ComponentSpec, found: &mut Found) {
    what_runs(path, component, found);
    fields_of_kind(path, component, found);
    if let Some(build) = &component.build {
        build::check(path, name, build, found);
    }
    if let Some(source) = &component.source {
        source_fields(path, source, found);
    }
    ports(path, component, found);
    routes(path, component, found);
    container::probes(
        &format!("{path}.probes"),
        component.probes.as_ref(),
        &component.ports,
        found,
    );
    if let Some(resources) = &component.resources {
        container::resources(&format!("{path}.resources"), resources, found);
    }
    container::files(path, &component.files, &component.volumes, found);
    volumes::of_container(path, &component.volumes, found);
    volumes::instances(path, component, found);
    rollout(path, component, found);
    scale::check(path, component, found);
    if let Some(signal) = &component.stop_signal {
        container::signal(&format!("{path}.stopSignal"), signal, found);
    }
    hooks::check(path, component, found);
    sidecars_and_init(path, component, found);
    network_names(path, name, component, found);
    offline(path, component, found);
}

pub(super) fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Service => "service",
        Kind::Stateful => "stateful",
        Kind::Job => "job",
        Kind::Cron => "cron",
        Kind::Daemon => "daemon",
        Kind::Database => "database",
        Kind::Vm => "vm",
        Kind::External => "external",
    }
}

/// Exactly one of what can be run: source, image, database, an address outside.
fn what_runs(path: &str, component: &ComponentSpec, found: &mut Found) {
    let kind = component.kind;
    let word = kind_word(kind);
    match kind {
        Kind::Database | Kind::External => {
            for (key, present) in [
                ("source", component.source.is_some()),
                ("image", component.image.is_some()),
            ] {
                if present {
                    found.conflict(
                        format!("{path}.{key}"),
                        format!("A component of kind {word} has no `{key}`."),
                        format!("Remove `{key}`, or make it `kind: service`."),
                    );
                }
            }
        }
        _ => match (&component.source, &component.image) {
            (Some(_), Some(_)) => found.conflict(
                path,
                "It has a `source` and an `image`, but it can run one of them only.",
                "Remove `image` to build the source, or `source` to run the image.",
            ),
            (None, None) => found.invalid(
                path,
                "It has neither a `source` nor an `image`, so there is nothing to run.",
                "Add `source: { path: . }` to build this folder, or `image: NAME:TAG`.",
            ),
            _ => {}
        },
    }
    if component.build.is_some() && component.source.is_none() {
        found.conflict(
            format!("{path}.build"),
            "It has `build` but no `source` to build.",
            "Add `source: { path: . }`, or remove `build`.",
        );
    }
}

/// What belongs to one kind only, and what that kind cannot do without.
fn fields_of_kind(path: &str, component: &ComponentSpec, found: &mut Found) {
    let kind = component.kind;
    let word = kind_word(kind);
    match (&component.database, kind) {
        (Some(text), Kind::Database) => database::check(path, text, component, found),
        (None, Kind::Database) => found.invalid(
            path,
            "A database needs its engine and version.",
            "Add `database: ENGINE@VERSION`, such as `database: postgres@17`.",
        ),
        (Some(_), _) => found.conflict(
            format!("{path}.database"),
            format!("`database` belongs to `kind: database`; this is a {word}."),
            "Add `kind: database`, or remove `database`.",
        ),
        (None, _) => {}
    }
    external::check(path, component, found);
    for (key, present) in [
        ("parameters", !component.parameters.is_empty()),
        ("backups", component.backups.is_some()),
    ] {
        if present && kind != Kind::Database {
            found.conflict(
                format!("{path}.{key}"),
                format!("`{key}` belongs to `kind: database`; this is a {word}."),
                format!("Add `kind: database`, or remove `{key}`."),
            );
        }
    }
    match (&component.schedule, kind) {
        (None, Kind::Cron) => found.invalid(
            path,
            "A cron component needs the times it runs at.",
            "Add `schedule: \"0 3 * * *\"` (minute, hour, day, month, weekday).",
        ),
        (Some(schedule), Kind::Cron) => {
            let (text, zone, at) = match schedule {
                ScheduleSpec::Cron(text) => (text, None, format!("{path}.schedule")),
                ScheduleSpec::In(within) => (
                    &within.cron,
                    within.time_zone.as_ref(),
                    format!("{path}.schedule.cron"),
                ),
            };
            if let Err(why) = cron::check(text) {
                found.invalid(
                    at,
                    format!("`{text}` is not a schedule: {why}."),
                    "Write five fields: minute (0-59), hour (0-23), day (1-31), month (1-12), weekday (0-7).",
                );
            }
            if let Some(zone) = zone.filter(|zone| !clock::is_time_zone(zone)) {
                found.invalid(
                    format!("{path}.schedule.timeZone"),
                    format!("`{zone}` is not a time zone's name."),
                    "Write one as in the time zone database: Europe/Berlin, Asia/Shanghai, UTC.",
                );
            }
        }
        (Some(_), _) => found.conflict(
            format!("{path}.schedule"),
            format!("`schedule` belongs to `kind: cron`; this is a {word}."),
            "Add `kind: cron`, or remove `schedule`.",
        ),
        (None, _) => {}
    }
    if component.once && kind != Kind::Job {
        found.conflict(
            format!("{path}.once"),
            format!("`once` belongs to `kind: job`; this is a {word}."),
            "Add `kind: job`, or remove `once`.",
        );
    }
    let finite = matches!(kind, Kind::Job | Kind::Cron);
    for (key, present, why) in [
        ("routes", component.routes.is_some(), "nobody can call it"),
        (
            "release",
            component.release.is_some(),
            "it is a task itself",
        ),
        ("probes", component.probes.is_some(), "it ends by itself"),
        ("hooks", component.hooks.is_some(), "it ends by itself"),
    ] {
        if finite && present {
            found.conflict(
                format!("{path}.{key}"),
                format!("A {word} has no `{key}`: {why}."),
                format!("Remove `{key}`."),
            );
        }
    }
    if component.instances.is_some()
        && matches!(kind, Kind::Job | Kind::Cron | Kind::Daemon | Kind::External)
    {
        let why = match kind {
            Kind::Daemon => "runs once on every machine",
            Kind::External => "does not run here",
            _ => "runs once each time",
        };
        found.conflict(
            format!("{path}.instances"),
            format!("A component of kind {word} {why}, so it has no `instances`."),
            "Remove `instances`.",
        );
    }
}

fn source_fields(path: &str, source: &pluvio_model::spec::SourceSpec, found: &mut Found) {
    use pluvio_model::spec::SourceSpec;
    let check_folder = |found: &mut Found, key: &str, folder: &str| {
        if leaves_the_source(folder) {
            found.invalid(
                format!("{path}.source.{key}"),
                format!("`{folder}` is outside of the folder that is deployed."),
                "Write a path relative to it, without `..`; to deploy a folder above, put app.yaml there.",
            );
        }
    };
    match source {
        SourceSpec::Path(folder) => check_folder(found, "path", folder),
        SourceSpec::Git(git) => {
            let known = ["https://", "http://", "ssh://", "git://", "file://"]
                .iter()
                .any(|scheme| git.url.starts_with(scheme));
            let short = git
                .url
                .split_once(':')
                .is_some_and(|(host, rest)| !host.contains('/') && !rest.starts_with("//"));
            if !known && !short {
                found.invalid(
                    format!("{path}.source.git.url"),
                    format!("`{}` is not a Git address.", git.url),
                    "Write https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH.",
                );
            }
            if let Some(folder) = &git.path {
                check_folder(found, "git.path", folder);
            }
        }
        SourceSpec::Svn(svn) => {
            if let Some(folder) = &svn.path {
                check_folder(found, "svn.path", folder);
            }
        }
        SourceSpec::Upload(hash) => {
            if hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
                found.invalid(
                    format!("{path}.source.upload"),
                    "It is not the SHA-256 of an archive.",
                    "`pluvio deploy` uploads a folder and fills this in; write `source: { path: . }`.",
                );
            }
        }
    }
}

pub(super) fn leaves_the_source(path: &str) -> bool {
    path.starts_with('/') || path.split('/').any(|part| part == "..") || path.contains('\0')
}

fn ports(path: &str, component: &ComponentSpec, found: &mut Found) {
    let mut taken: Vec<(u16, bool, &Name)> = Vec::new();
    for (name, port) in &component.ports {
        let udp = port.protocol == PortProtocol::Udp;
        if port.port == 0 {
            found.invalid(
                format!("{path}.ports.{name}.port"),
                "A program cannot be reached at port 0.",
                "Write the port it listens on.",
            );
        } else if let Some((.., other)) = taken
            .iter()
            .find(|(number, other_udp, _)| *number == port.port && *other_udp == udp)
        {
            found.conflict(
                format!("{path}.ports.{name}"),
                format!("`{name}` and `{other}` are the same port, {}.", port.port),
                "Keep one of them.",
            );
        } else {
            taken.push((port.port, udp, name));
        }
    }
    for (index, publish) in component.publish.iter().enumerate() {
        container::port_ref(
            &format!("{path}.publish[{index}].port"),
            &publish.port,
            &component.ports,
            found,
        );
        if publish.host == 0 {
            found.invalid(
                format!("{path}.publish[{index}].host"),
                "Port 0 of the machine means any, and then nobody knows which.",
                "Write the port it shall listen on.",
            );
        }
    }
}

pub(super) fn is_http(port: &PortSpec) -> bool {
    matches!(port.protocol, PortProtocol::Http | PortProtocol::Http2)
}

fn routes(path: &str, component: &ComponentSpec, found: &mut Found) {
    if matches!(component.kind, Kind::Job | Kind::Cron) {
        return; // said already
    }
    for (index, route) in component.routes.iter().flatten().enumerate() {
        let path = format!("{path}.routes[{index}]");
        match &route.port {
            Some(name) => match component.ports.get(name) {
                None => found.unknown(
                    format!("{path}.port"),
                    "port",
                    name.as_str(),
                    names(&component.ports),
                    "declare it under `ports`",
                ),
                Some(port) if !is_http(port) => found.conflict(
                    format!("{path}.port"),
                    format!("A route needs an HTTP port, and `{name}` is none."),
                    "Name a port with `protocol: http` or `http2`, or publish this one with `publish`.",
                ),
                Some(_) => {}
            },
            // What is built or pulled may tell its ports itself, but what is declared is all there is.
            None if !component.ports.is_empty() && !component.ports.values().any(is_http) => {
                found.conflict(
                    path.clone(),
                    "The component has no HTTP port that a route could lead to.",
                    "Declare one: `ports: { http: { port: 8080 } }`.",
                );
            }
            None => {}
        }
        if route.exact && route.path.is_none() {
            found.conflict(
                path,
                "`exact` needs a `path`.",
                "Add `path: /…`, or remove `exact`.",
            );
        }
    }
}

fn rollout(path: &str, component: &ComponentSpec, found: &mut Found) {
    if let Some(rollout) = &component.rollout
        && rollout.surge == Some(0)
        && rollout.unavailable.unwrap_or(0) == 0
    {
        found.conflict(
            format!("{path}.rollout"),
            "With `surge: 0` and `unavailable: 0` no instance could ever be replaced.",
            "Let one of them be 1.",
        );
    }
    if let Some(instances) = component.instances.filter(|count| *count > 10_000) {
        found.invalid(
            format!("{path}.instances"),
            format!("{instances} instances are more than any cluster takes."),
            "Choose at most 10000.",
        );
    }
}

fn sidecars_and_init(path: &str, component: &ComponentSpec, found: &mut Found) {
    for (list, containers) in [("sidecars", &component.sidecars), ("init", &component.init)] {
        for (name, inner) in containers {
            let path = format!("{path}.{list}.{name}");
            if inner.image.is_none() && inner.command.is_none() && inner.entrypoint.is_none() {
                found.invalid(
                    &path,
                    "It has neither an `image` nor a `command`: it would be the component once more.",
                    "Add `image: NAME:TAG`, or a `command` to run another program of the component's own image.",
                );
            }
            if list == "init" && inner.probes.is_some() {
                found.conflict(
                    format!("{path}.probes"),
                    "An init step ends before the component starts; it has no probes.",
                    "Remove `probes`, or make it a sidecar.",
                );
            }
            if list == "sidecars" && matches!(component.kind, Kind::Job | Kind::Cron) {
                found.conflict(
                    &path,
                    "It comes to an end, and a sidecar runs as long as its instance: which of them would end it?",
                    "Make it an `init` step, or a component of its own.",
                );
            }
            if name.as_str() == "main" {
                found.conflict(
                    &path,
                    "The component's own container is called `main`.",
                    "Give it another name.",
                );
            }
            if list == "init" && component.sidecars.contains_key(name) {
                found.conflict(
                    &path,
                    format!("A sidecar is called `{name}` too."),
                    "Give one of them another name.",
                );
            }
            container::probes(
                &format!("{path}.probes"),
                inner.probes.as_ref(),
                &component.ports,
                found,
            );
            if let Some(resources) = &inner.resources {
                container::resources(&format!("{path}.resources"), resources, found);
            }
            if let Some(signal) = &inner.stop_signal {
                container::signal(&format!("{path}.stopSignal"), signal, found);
            }
            if list == "sidecars"
                && let Some(options) = &inner.options
            {
                of_the_network(&format!("{path}.options"), options, found);
            }
            container::files(&path, &inner.files, &inner.volumes, found);
            volumes::of_container(&path, &inner.volumes, found);
        }
    }
}

/// A sidecar has its instance's network, and with it its names and name servers.
fn of_the_network(path: &str, options: &ContainerOptions, found: &mut Found) {
    for (key, present) in [
        ("hostname", options.hostname.is_some()),
        ("domainname", options.domainname.is_some()),
        ("dns", !options.dns.is_empty()),
        ("dnsSearch", !options.dns_search.is_empty()),
        ("dnsOptions", !options.dns_options.is_empty()),
    ] {
        if present {
            found.conflict(
                format!("{path}.{key}"),
                "A sidecar is on its instance's network, which has this already.",
                format!("Write `{key}` for the component itself."),
            );
        }
    }
}

/// What needs a network cannot be asked of a component without one.
fn offline(path: &str, component: &ComponentSpec, found: &mut Found) {
    if !component.offline {
        return;
    }
    for (key, present) in [
        ("ports", !component.ports.is_empty()),
        ("imagePorts", component.image_ports),
        ("routes", component.routes.iter().flatten().next().is_some()),
        ("publish", !component.publish.is_empty()),
        ("networks", !component.networks.is_empty()),
        ("networkAliases", !component.network_aliases.is_empty()),
        ("aliases", !component.aliases.is_empty()),
        (
            "host.network",
            component.host.as_ref().is_some_and(|host| host.network),
        ),
    ] {
        if present {
            found.conflict(
                format!("{path}.{key}"),
                format!("The component is `offline`: nothing reaches it, so it has no `{key}`."),
                format!("Remove `{key}`, or `offline`."),
            );
        }
    }
    let probes = component.probes.iter();
    let each = probes.flat_map(|all| {
        [
            ("startup", &all.startup),
            ("ready", &all.ready),
            ("live", &all.live),
        ]
    });
    for (which, probe) in each {
        if probe
            .as_ref()
            .is_some_and(|probe| probe.http.is_some() || probe.tcp.is_some())
        {
            found.conflict(
                format!("{path}.probes.{which}"),
                "The component is `offline`: it has no address that could be asked.",
                "Ask it by a `command`, or remove `offline`.",
            );
        }
    }
}

fn network_names(path: &str, name: &Name, component: &ComponentSpec, found: &mut Found) {
    let own = component.aliases.iter().enumerate();
    for (index, alias) in own {
        network_alias(format!("{path}.aliases[{index}]"), name, alias, found);
    }
    for (network, aliases) in &component.network_aliases {
        let at = format!("{path}.networkAliases.{network}");
        if !component.networks.contains(network) {
            found.conflict(
                at.clone(),
                format!("The component is not on the network {network}."),
                "Name the network in `networks`, or write the names into `aliases`.",
            );
        }
        for (index, alias) in aliases.iter().enumerate() {
            network_alias(format!("{at}[{index}]"), name, alias, found);
        }
    }
    for (host, address) in &component.extra_hosts {
        if address.parse::<std::net::IpAddr>().is_err() && address != "host-gateway" {
            found.invalid(
                format!("{path}.extraHosts.{host}"),
                format!("`{address}` is not an address."),
                "Write an IP address, or host-gateway for the machine itself.",
            );
        }
    }
}

fn network_alias(at: String, name: &Name, alias: &str, found: &mut Found) {
    if !is_host_name(alias) {
        found.invalid(
            at,
            format!("`{alias}` is not a host name."),
            "Write letters, digits, dashes and dots, such as `db` or `db.internal`.",
        );
    } else if alias == name.as_str() {
        found.conflict(
            at,
            "It is the component's own name, which it has anyway.",
            "Remove it.",
        );
    }
}
