//! A component as a list of named facts, each a short text.

use indexmap::IndexMap;
use pluvio_model::image::ContentHash;
use pluvio_model::name::Name;
use pluvio_model::release::{
    Check, DecidedComponent, DecidedContainer, DecidedExternal, DecidedFile, DecidedHook,
    DecidedMount, DecidedProbe, Release, Strategy,
};
use pluvio_model::route::Route;
use pluvio_model::spec::{
    Command, Kind, PortProtocol, PortRef, Reload, ScaleSpec, VolumeAccess, VolumeKind,
    VolumeOptions,
};
use pluvio_model::template::Rendered;
use serde::Serialize;

/// Lower-case, as the specification writes it.
fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

pub(super) struct Fact {
    pub(super) text: String,
    /// Two facts are the same when this is.
    pub(super) exact: ContentHash,
    /// What tells two apart whose texts are the same.
    pub(super) detail: Option<String>,
    /// What it would be if nothing were said.
    pub(super) is_default: bool,
}

#[derive(Default)]
struct Facts(IndexMap<String, Fact>);

impl Facts {
    fn add(&mut self, what: impl Into<String>, text: impl Into<String>) {
        let text = text.into();
        let exact = ContentHash::of(&text);
        self.0.insert(
            what.into(),
            Fact {
                text,
                exact,
                detail: None,
                is_default: false,
            },
        );
    }

    fn add_default(&mut self, what: &str, text: impl Into<String>, is_default: bool) {
        self.add(what, text);
        if let Some(fact) = self.0.get_mut(what) {
            fact.is_default = is_default;
        }
    }

    fn add_some(&mut self, what: impl Into<String>, text: Option<impl ToString>) {
        if let Some(text) = text {
            self.add(what, text.to_string());
        }
    }

    fn add_exact(
        &mut self,
        what: String,
        text: String,
        exact: &impl Serialize,
        detail: Option<String>,
    ) {
        let fact = Fact {
            text,
            exact: ContentHash::of(exact),
            detail,
            is_default: false,
        };
        self.0.insert(what, fact);
    }
}

fn scaling(scale: &ScaleSpec, facts: &mut Facts) {
    let bounds = |min: Option<u32>, max: Option<u32>| match (min, max) {
        (Some(min), Some(max)) => format!("{min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => String::new(),
    };
    let own = match scale.max {
        Some(max) => format!("{} to {max}", scale.min),
        None => scale.min.to_string(),
    };
    facts.add("instances", own);
    facts.add_some("scale by cpu", scale.cpu.map(|cpu| format!("{cpu} %")));
    let memory = scale.memory.map(|memory| format!("{memory} %"));
    facts.add_some("scale by memory", memory);
    for custom in &scale.custom {
        let text = format!("{} for each instance", custom.per_instance);
        facts.add_exact(format!("scale by {}", custom.metric), text, custom, None);
    }
    for time in &scale.schedule {
        let zone = time.time_zone.as_deref().unwrap_or("UTC");
        let what = format!("scale at {} {zone}", time.cron);
        facts.add(what, bounds(time.min, time.max));
    }
}

pub(super) fn of(release: &Release, component: &DecidedComponent) -> IndexMap<String, Fact> {
    let mut facts = Facts::default();
    let content = &component.content;
    facts.add_default(
        "kind",
        word(component.kind),
        component.kind == Kind::Service,
    );
    container(release, "", &content.main, &mut facts);
    if let Some(build) = &component.build {
        let short = |commit: &String| commit.chars().take(7).collect::<String>();
        facts.add_some("commit", build.source.commit.as_ref().map(short));
        facts.add("builder", build.builder.clone());
    }
    match &component.scale {
        Some(scale) => scaling(scale, &mut facts),
        None => facts.add_default(
            "instances",
            component.instances.to_string(),
            component.instances == 1,
        ),
    }
    for (name, port) in &content.ports {
        facts.add(
            format!("port {name}"),
            format!("{} {}", port.port, word(port.protocol)),
        );
    }
    for publish in &content.publish {
        let address = publish
            .address
            .map_or_else(|| "127.0.0.1".to_owned(), |a| a.to_string());
        let port = match &publish.port {
            PortRef::Number(number) => number.to_string(),
            PortRef::Name(name) => name.to_string(),
        };
        let protocol = if publish.protocol == PortProtocol::Udp {
            "/udp"
        } else {
            ""
        };
        let what = format!("publish {address}:{}{protocol}", publish.host);
        facts.add(what, format!("port {port}"));
    }
    for route in &release.routes {
        routes(&component.name, route, &mut facts);
    }
    for (path, of) in &component.hot_files {
        file(format!("hot file {path}"), of, &mut facts);
    }
    if !component.after.is_empty() {
        let names: Vec<&str> = component.after.iter().map(|name| name.as_str()).collect();
        facts.add("uses", names.join(", "));
    }
    if let Some(schedule) = &component.schedule {
        let zone = schedule.time_zone.as_deref().unwrap_or("UTC");
        facts.add("schedule", format!("{} {zone}", schedule.cron));
    }
    if component.once.is_some() {
        facts.add("runs", "once in the application's life");
    }
    if let Some(backups) = &component.backups {
        let zone = backups.time_zone.as_deref().unwrap_or("UTC");
        let mut text = format!("{} {zone}", backups.cron);
        if backups.keep > 0 {
            text.push_str(&format!(", {} kept", backups.keep));
        }
        if let Some(span) = backups.keep_for {
            text.push_str(&format!(", for {span}"));
        }
        facts.add("backups", text);
    }
    if let Some(task) = &content.release_task {
        facts.add_exact("release task".to_owned(), shell(&task.command), task, None);
    }
    for (place, of) in content.hooks.each() {
        let secrets = of.env.values().find_map(versions);
        facts.add_exact(format!("hook {place}"), hook(of), of, secrets);
    }
    for network in &content.networks {
        facts.add(format!("network {network}"), "joined");
    }
    for network in &content.internal_networks {
        facts.add(format!("way out of network {network}"), "none");
    }
    if content.offline {
        facts.add("network", "none");
    }
    for alias in &content.aliases {
        facts.add(format!("alias {alias}"), "set");
    }
    for (network, aliases) in &content.network_aliases {
        for alias in aliases {
            facts.add(format!("alias {alias} on network {network}"), "set");
        }
    }
    for (host, address) in &content.extra_hosts {
        facts.add(format!("extra host {host}"), address.clone());
    }
    for (key, value) in &content.labels {
        facts.add(format!("label {key}"), value.clone());
    }
    for (key, value) in &content.node_labels {
        facts.add(format!("placement {key}"), value.clone());
    }
    let placement = &content.placement;
    if placement.spread {
        facts.add("placement spread", "set");
    }
    for (wish, others) in [("near", &placement.near), ("apart", &placement.apart)] {
        for other in others {
            facts.add(format!("placement {wish} {other}"), "set");
        }
    }
    for (key, value) in &placement.reserved {
        facts.add(format!("placement reserved {key}"), value.clone());
    }
    facts.add_default(
        "restart policy",
        word(content.restart),
        word(content.restart) == "always",
    );
    rollout(component, &mut facts);
    for (name, sidecar) in &content.sidecars {
        container(release, &format!("sidecar {name}: "), sidecar, &mut facts);
    }
    for (name, init) in &content.init {
        container(release, &format!("init {name}: "), init, &mut facts);
    }
    if let Some(patch) = &content.patch {
        if let Some(engine) = &patch.engine {
            facts.add("patch.engine", engine.to_string());
        }
        for (index, object) in patch.kubernetes.iter().enumerate() {
            facts.add(format!("patch.kubernetes.{index}"), object.to_string());
        }
    }
    facts.add_default(
        "restarts asked for",
        content.restarts.to_string(),
        content.restarts == 0,
    );
    facts.0
}

/// The same of a component outside.
pub(super) fn of_external(release: &Release, external: &DecidedExternal) -> IndexMap<String, Fact> {
    let mut facts = Facts::default();
    facts.add("kind", word(Kind::External));
    let addresses: Vec<String> = external.addresses.iter().map(ToString::to_string).collect();
    facts.add("addresses", addresses.join(", "));
    if external.local {
        facts.add("local", "may be the machine's own");
    }
    for (name, port) in &external.ports {
        facts.add(
            format!("port {name}"),
            format!("{} {}", port.port, word(port.protocol)),
        );
    }
    for route in &release.routes {
        routes(&external.name, route, &mut facts);
    }
    for alias in &external.aliases {
        facts.add(format!("alias {alias}"), "set");
    }
    facts.add("check", probe_text(&external.check));
    facts.0
}

fn rollout(component: &DecidedComponent, facts: &mut Facts) {
    let rollout = &component.rollout;
    let (strategy, usual) = match rollout.strategy {
        Strategy::StopThenStart => ("stop, then start".to_owned(), false),
        Strategy::Ordered => ("one after the other".to_owned(), true),
        Strategy::Surge {
            surge,
            unavailable: 0,
        } => (format!("{surge} more at a time"), surge == 1),
        Strategy::Surge { surge, unavailable } => (
            format!("{surge} more, {unavailable} fewer at a time"),
            false,
        ),
    };
    facts.add_default("rollout", strategy, usual);
    for (what, span, usual) in [
        ("rollout.drain", rollout.drain, 30_000),
        ("rollout.grace", rollout.grace, 10_000),
        ("rollout.deadline", rollout.deadline, 120_000),
    ] {
        facts.add_default(what, span.to_string(), span.millis() == usual);
    }
}

fn container(release: &Release, prefix: &str, container: &DecidedContainer, facts: &mut Facts) {
    let at = |what: &str| format!("{prefix}{what}");
    let short = container
        .image_id
        .chars()
        .take("sha256:".len() + 6)
        .collect();
    facts.add_exact(
        at("image"),
        container.image.to_string(),
        &(&container.image, &container.image_id),
        Some(short),
    );
    facts.add_some(at("entrypoint"), container.entrypoint.as_deref().map(shell));
    facts.add_some(at("command"), container.command.as_deref().map(shell));
    facts.add_some(at("working directory"), container.working_dir.as_ref());
    facts.add_some(at("user"), container.user.as_ref());
    facts.add_some(at("stop signal"), container.stop_signal.as_ref());
    for (name, value) in &container.env {
        let what = format!("{prefix}env {name}");
        facts.add_exact(what, value.masked(), value, versions(value));
    }
    for (path, of) in &container.files {
        file(format!("{prefix}file {path}"), of, facts);
    }
    for (path, of) in &container.mounts {
        facts.add(format!("{prefix}volume {path}"), mount(release, of));
    }
    facts.add_some(at("requests.cpu"), container.cpu_request);
    facts.add_some(at("limits.cpu"), container.cpu_limit);
    facts.add_some(at("requests.memory"), container.memory_request);
    facts.add_some(at("limits.memory"), container.memory_limit);
    let pids = container.pids_limit;
    facts.add_default(&at("limits.pids"), pids.to_string(), pids == 4096);
    let probes = &container.probes;
    for (which, probe) in probes.each() {
        let implied = which == "ready" && probe.check.is_implied();
        facts.add_default(
            &format!("{prefix}probe {which}"),
            probe_text(probe),
            implied,
        );
    }
    if !probes.unhealthy.is_restart() {
        facts.add(at("probe unhealthy"), word(probes.unhealthy));
    }
    if let Some(host) = &container.host {
        facts.add(at("host"), word(host));
    }
    if let Some(options) = &container.options {
        facts.add(at("options"), word(options));
    }
}

/// `versions 3 and 4`: what changes when a secret gets a new value.
fn versions(value: &Rendered) -> Option<String> {
    let told: Vec<String> = value
        .secrets()
        .map(|secret| secret.version.to_string())
        .collect();
    match &told[..] {
        [] => None,
        [one] => Some(format!("version {one}")),
        many => Some(format!("versions {}", many.join(", "))),
    }
}

fn file(what: String, file: &DecidedFile, facts: &mut Facts) {
    let content = file.content.masked();
    let lines = match content.lines().count() {
        1 => "1 line".to_owned(),
        many => format!("{many} lines"),
    };
    let hash = ContentHash::of(&content);
    let reload = match &file.reload {
        Some(Reload::Signal(signal)) => format!(", then signal {signal}"),
        Some(Reload::Command(command)) => format!(", then {}", shell(&Command::words(command))),
        None => String::new(),
    };
    let text = format!("{lines}, {}, {}{reload}", file.mode, &hash.as_str()[..6]);
    facts.add_exact(what, text, file, versions(&file.content));
}

/// `./warm-up, as root, in /srv, with A=b`
fn hook(hook: &DecidedHook) -> String {
    let mut text = shell(&hook.command);
    if let Some(user) = &hook.user {
        text.push_str(&format!(", as {user}"));
    }
    if hook.privileged {
        text.push_str(", privileged");
    }
    if let Some(folder) = &hook.working_dir {
        text.push_str(&format!(", in {folder}"));
    }
    for (name, value) in &hook.env {
        text.push_str(&format!(", with {name}={}", value.masked()));
    }
    if let Some(timeout) = hook.timeout {
        text.push_str(&format!(", within {timeout}"));
    }
    text
}

fn mount(release: &Release, mount: &DecidedMount) -> String {
    let mut said = Vec::new();
    match mount.kind {
        VolumeKind::Memory => said.push("memory".to_owned()),
        VolumeKind::Host => {
            let path = mount.host_path.as_ref().map(ToString::to_string);
            said.push(match &mount.host_volume {
                Some(volume) => format!("the engine's volume {volume}"),
                None => format!("the machine's {}", path.unwrap_or_default()),
            });
        }
        VolumeKind::Disk => {
            let volume = mount
                .volume
                .as_ref()
                .and_then(|name| release.volumes.get(name));
            said.extend(mount.volume.as_ref().map(ToString::to_string));
            if let Some(volume) = volume {
                said.push(match volume.access {
                    VolumeAccess::Exclusive => "exclusive".to_owned(),
                    VolumeAccess::Shared => "shared".to_owned(),
                });
                said.extend(volume.size.map(|size| size.to_string()));
                said.extend(volume.class.clone());
                said.extend(volume.options.as_ref().map(VolumeOptions::shown));
            }
        }
    }
    said.extend(mount.size.map(|size| size.to_string()));
    said.extend(mount.memory_options());
    if mount.read_only {
        said.push("read only".to_owned());
    }
    said.join(", ")
}

fn routes(component: &Name, route: &Route, facts: &mut Facts) {
    for backend in &route.backends {
        if backend.backend.component().as_str() != component.as_str() {
            continue;
        }
        let paths: Vec<String> = match &route.matches[..] {
            [] => vec!["/".to_owned()],
            some => some.iter().map(|one| one.path.path().to_string()).collect(),
        };
        for host in &route.hosts {
            for path in &paths {
                let off = if route.disabled { ", switched off" } else { "" };
                let to = format!("port {}{off}", backend.backend.port());
                facts.add(format!("route {host}{path}"), to);
            }
        }
    }
}

fn probe_text(probe: &DecidedProbe) -> String {
    let mut text = format!("{} every {}", check_text(&probe.check), probe.period);
    if probe.failures != 3 {
        text.push_str(&format!(", {} failures", probe.failures));
    }
    if probe.timeout.millis() != 2000 {
        text.push_str(&format!(", within {}", probe.timeout));
    }
    if probe.delay.millis() != 0 {
        text.push_str(&format!(", after {}", probe.delay));
    }
    text
}

/// `GET /healthz on 8080`
pub(crate) fn check_text(check: &Check) -> String {
    match check {
        Check::Http { port, path, .. } => format!("GET {path} on {port}"),
        Check::Tcp { .. } | Check::Ports { .. } => format!("TCP on {}", check.port_list()),
        Check::Command(words) => shell(words),
    }
}

/// A command as a person writes it.
fn shell(words: &[String]) -> String {
    match words {
        [shell, flag, line] if shell == "/bin/sh" && flag == "-c" => line.clone(),
        words => {
            let quoted = words
                .iter()
                .map(|word| match word.is_empty() || word.contains(' ') {
                    true => format!("{word:?}"),
                    false => word.clone(),
                });
            quoted.collect::<Vec<_>>().join(" ")
        }
    }
}
