//! An application as a compose file, for `docker compose` elsewhere.
//!
//! What compose has a word for is said in its words; the whole specification goes along under `x-pluvio`, so that an
//! exported file that nobody changed comes back as it was. What compose cannot do has a row.

mod beside;
mod hooks;
mod mounts;
mod own;

use indexmap::IndexMap;
use pluvio_model::interpolate::{self, Otherwise, Piece};
use pluvio_model::name::{EnvName, Name};
use pluvio_model::spec::{
    AppSpec, BuildContext, Command, ComponentSpec, EnvValue, FileMode, Kind, PortProtocol, PortRef,
    RestartPolicy, SourceSpec, Use, default_network,
};
use serde_json::{Map, Value, json};

use crate::report::{Outcome, Row};
pub(crate) use own::{OWN, read_back};

/// The file's text, and what compose cannot do of it.
pub fn write(spec: &AppSpec) -> (String, Vec<Row>) {
    own::written(spec, false)
}

fn document(spec: &AppSpec, before: bool) -> (Map<String, Value>, Vec<Row>) {
    let mut writer = Writer {
        spec,
        before,
        rows: Vec::new(),
        configs: Map::new(),
        volumes: Map::new(),
    };
    let mut services = Map::new();
    for (name, component) in &spec.components {
        services.insert(name.to_string(), writer.component(name, component).into());
        for (beside, sidecar) in &component.sidecars {
            let mut called = format!("{name}-{beside}");
            // Another component may be called so.
            while services.contains_key(&called)
                || spec.components.keys().any(|other| other.as_str() == called)
            {
                called.push_str("-beside");
            }
            let service = writer.sidecar(name, component, beside, sidecar, &called);
            services.insert(called, service.into());
        }
    }
    if !spec.objects.is_empty() {
        writer.cannot("objects", "Kubernetes objects need a cluster.");
    }
    let mut document = Map::new();
    document.insert("name".into(), spec.name.to_string().into());
    document.insert("services".into(), services.into());
    let declared = spec.networks.iter().map(|(name, network)| {
        let mut body = Map::new();
        if network.internal {
            body.insert("internal".into(), true.into());
        }
        if let Some(shared) = &network.shared {
            body.insert("name".into(), shared.as_str().into());
        }
        (name.to_string(), body.into())
    });
    for (key, map) in [
        ("networks", declared.collect()),
        ("configs", writer.configs),
        ("volumes", writer.volumes),
    ] {
        if !map.is_empty() {
            document.insert(key.into(), map.into());
        }
    }
    (document, writer.rows)
}

/// None for one that is on the application's own and has no further names.
fn networks(component: &ComponentSpec) -> Option<Map<String, Value>> {
    let own = [default_network()];
    let joined = match &component.networks[..] {
        [] if component.aliases.is_empty() && component.network_aliases.is_empty() => return None,
        [] => &own[..],
        networks => networks,
    };
    let on = |name: &Name| {
        let there = component.network_aliases.get(name).into_iter().flatten();
        let aliases: Vec<&String> = component.aliases.iter().chain(there).collect();
        let body = if aliases.is_empty() {
            json!({})
        } else {
            json!({ "aliases": aliases })
        };
        (name.to_string(), body)
    };
    Some(joined.iter().map(on).collect())
}

struct Writer<'w> {
    spec: &'w AppSpec,
    /// See [`own::written`].
    before: bool,
    rows: Vec<Row>,
    configs: Map<String, Value>,
    volumes: Map<String, Value>,
}

/// Compose's own dollar.
fn escaped(text: &str) -> String {
    text.replace('$', "$$")
}

fn words(command: &Command) -> Value {
    command.words().iter().map(|word| escaped(word)).collect()
}

impl Writer<'_> {
    fn cannot(&mut self, at: impl Into<String>, message: &str) {
        let row = Row::new(Outcome::Refused, at, message);
        self.rows
            .push(row.remedy("Do it by hand where the file is used."));
    }

    /// Variables with what they refer to put in, which is the component's.
    fn environment(
        &mut self,
        path: &str,
        env: &IndexMap<EnvName, EnvValue>,
        component: &ComponentSpec,
    ) -> Map<String, Value> {
        env.iter()
            .map(|(key, value)| {
                let at = format!("{path}.env.{key}");
                let value = self.value(&value.0, component, &at, 0);
                (key.to_string(), value.into())
            })
            .collect()
    }

    /// References as compose has them.
    fn value(&mut self, text: &str, component: &ComponentSpec, at: &str, depth: usize) -> String {
        let Ok(pieces) = interpolate::parse(text) else {
            return escaped(text);
        };
        let mut out = String::new();
        for piece in &pieces {
            match piece {
                Piece::Text(text) => out.push_str(&escaped(text)),
                Piece::Secret(name) => out.push_str(&format!("${{{name}:?a secret}}")),
                Piece::Setting(name) => match self.spec.settings.get(name.as_str()) {
                    Some(setting) => match &setting.default {
                        Some(default) => {
                            out.push_str(&format!("${{{name}:-{}}}", escaped(default)));
                        }
                        None => out.push_str(&format!("${{{name}:?a setting}}")),
                    },
                    None => out.push_str(&format!("${{{name}:?a setting}}")),
                },
                Piece::Variable { name, otherwise } => {
                    match (component.env.get(name.as_str()), otherwise) {
                        (Some(other), _) if depth < 8 => {
                            let other = other.0.clone();
                            out.push_str(&self.value(&other, component, at, depth + 1));
                        }
                        (_, Otherwise::Default(inner)) => {
                            for piece in inner {
                                if let Piece::Text(text) = piece {
                                    out.push_str(&escaped(text));
                                }
                            }
                        }
                        _ => out.push_str(&format!("${{{name}:?a variable}}")),
                    }
                }
                Piece::Export { component, export } => {
                    let name = format!("{component}_{export}")
                        .replace('-', "_")
                        .to_uppercase();
                    self.cannot(
                        at,
                        "What another component exports is a variable that must be set.",
                    );
                    out.push_str(&format!("${{{name}:?an export of {component}}}"));
                }
            }
        }
        out
    }

    fn component(&mut self, name: &Name, component: &ComponentSpec) -> Map<String, Value> {
        let path = format!("components.{name}");
        self.service(&path, name.as_str(), component)
    }

    fn service(&mut self, path: &str, name: &str, component: &ComponentSpec) -> Map<String, Value> {
        let mut out = Map::new();
        self.what_runs(path, name, component, &mut out);
        if let Some(entrypoint) = &component.entrypoint {
            out.insert("entrypoint".into(), words(entrypoint));
        }
        if let Some(command) = &component.command {
            out.insert("command".into(), words(command));
        }
        for (key, value) in [
            (
                "working_dir",
                component.working_dir.as_ref().map(ToString::to_string),
            ),
            ("user", component.user.clone()),
            ("stop_signal", component.stop_signal.clone()),
        ] {
            if let Some(value) = value {
                out.insert(key.into(), escaped(&value).into());
            }
        }
        let env = self.environment(path, &component.env, component);
        if !env.is_empty() {
            out.insert("environment".into(), env.into());
        }
        self.files(name, component, path, &mut out);
        self.mounts(path, component, &mut out);
        let on_host = component.host.as_ref().is_some_and(|host| host.network);
        if !on_host {
            self.ports(component, &mut out);
        }
        let depends: Map<String, Value> = component
            .uses
            .iter()
            .map(Use::component)
            .map(|used| {
                let other = self.spec.components.get(used);
                let condition = match other {
                    Some(other) if other.kind == Kind::Job => "service_completed_successfully",
                    Some(other) if health(other).is_some() => "service_healthy",
                    _ => "service_started",
                };
                (used.to_string(), json!({ "condition": condition }))
            })
            .collect();
        if !depends.is_empty() {
            out.insert("depends_on".into(), depends.into());
        }
        if let Some(health) = health(component) {
            out.insert("healthcheck".into(), health);
        }
        let restart = match (component.kind, component.restart) {
            (Kind::Job | Kind::Cron, _) => "no",
            (_, Some(RestartPolicy::Never)) => "no",
            (_, Some(RestartPolicy::OnFailure)) => "on-failure",
            _ => "always",
        };
        out.insert("restart".into(), restart.into());
        if let Some(count) = component.instances {
            out.insert("scale".into(), count.into());
        }
        if let Some(resources) = &component.resources {
            if let Some(limit) = resources.cpu.as_ref().and_then(|cpu| cpu.limit) {
                out.insert("cpus".into(), (f64::from(limit.0) / 1000.0).into());
            }
            if let Some(limit) = resources.memory.as_ref().and_then(|memory| memory.limit) {
                out.insert("mem_limit".into(), limit.0.into());
            }
            if let Some(request) = resources.memory.as_ref().and_then(|memory| memory.request) {
                out.insert("mem_reservation".into(), request.0.into());
            }
            if let Some(pids) = resources.pids {
                out.insert("pids_limit".into(), pids.into());
            }
        }
        if !component.labels.is_empty() {
            let labels: IndexMap<&String, String> = component
                .labels
                .iter()
                .map(|(key, value)| (key, escaped(value)))
                .collect();
            out.insert("labels".into(), json!(labels));
        }
        if component.offline {
            out.insert("network_mode".into(), "none".into());
        }
        if let Some(networks) = networks(component).filter(|_| !on_host && !component.offline) {
            out.insert("networks".into(), networks.into());
        }
        if !component.extra_hosts.is_empty() {
            out.insert("extra_hosts".into(), json!(component.extra_hosts));
        }
        if let Some(grace) = component.rollout.as_ref().and_then(|rollout| rollout.grace) {
            out.insert(
                "stop_grace_period".into(),
                format!("{}ms", grace.millis()).into(),
            );
        }
        self.hooks(path, component, &mut out);
        self.reach(component, &mut out);
        for (key, there) in [
            ("init", !component.init.is_empty()),
            ("release", component.release.is_some()),
            ("groups", !component.groups.is_empty()),
            ("patch", component.patch.is_some()),
            ("placement", component.placement.is_some()),
        ] {
            if there {
                self.cannot(format!("{path}.{key}"), "Compose has nothing for it.");
            }
        }
        out
    }

    fn what_runs(
        &mut self,
        path: &str,
        name: &str,
        component: &ComponentSpec,
        out: &mut Map<String, Value>,
    ) {
        if let Some(image) = &component.image {
            out.insert("image".into(), image.to_string().into());
        }
        if let Some(source) = &component.source {
            let mut build = Map::new();
            let context = match source {
                SourceSpec::Path(path) => path.clone(),
                SourceSpec::Git(git) => format!(
                    "{}#{}:{}",
                    git.url,
                    git.reference.as_deref().unwrap_or_default(),
                    git.path.as_deref().unwrap_or_default()
                ),
                SourceSpec::Svn(_) | SourceSpec::Upload(_) => {
                    self.cannot(format!("{path}.source"), "Put the source beside the file.");
                    ".".to_owned()
                }
            };
            build.insert("context".into(), context.into());
            if let Some(asked) = &component.build {
                for (key, value) in [
                    ("dockerfile", &asked.dockerfile),
                    ("target", &asked.target),
                    ("dockerfile_inline", &asked.dockerfile_text),
                ] {
                    if let Some(value) = value {
                        build.insert(key.into(), escaped(value).into());
                    }
                }
                if !asked.args.is_empty() {
                    build.insert("args".into(), json!(asked.args));
                }
                if !asked.ssh.is_empty() {
                    // Compose asks an agent, or is given the file of a key.
                    let ids: Vec<&String> = asked.ssh.keys().collect();
                    build.insert("ssh".into(), json!(ids));
                }
                if !asked.contexts.is_empty() {
                    let contexts = asked.contexts.iter();
                    let contexts = contexts.map(|(name, context)| {
                        let context = match context {
                            BuildContext::Component(other) => format!("service:{other}"),
                            context => context.to_string(),
                        };
                        (name.clone(), escaped(&context).into())
                    });
                    build.insert(
                        "additional_contexts".into(),
                        contexts.collect::<Map<String, Value>>().into(),
                    );
                }
            }
            out.insert("build".into(), build.into());
        }
        let why = match component.kind {
            Kind::Database => "A database of Pluvio's is an image that compose has to be given.",
            Kind::Cron => "Compose runs nothing by the clock.",
            Kind::Vm | Kind::External => "Compose runs containers only.",
            Kind::Job if component.once => "Compose runs it with each `up`, not once in its life.",
            _ => return,
        };
        self.cannot(format!("{path}.kind"), why);
        if component.image.is_none() && component.source.is_none() {
            let image = component.database.as_deref().map_or_else(
                || "scratch".to_owned(),
                |database| database.replace('@', ":"),
            );
            out.insert("image".into(), image.into());
        }
        out.insert("profiles".into(), json!([name]));
    }

    fn files(
        &mut self,
        name: &str,
        component: &ComponentSpec,
        path: &str,
        out: &mut Map<String, Value>,
    ) {
        let mut mounted = Vec::new();
        for (index, (target, file)) in component.files.iter().enumerate() {
            let key = format!("{name}-{index}");
            let content = if file.raw {
                escaped(&file.content)
            } else {
                self.value(
                    &file.content,
                    component,
                    &format!("{path}.files.{target}"),
                    0,
                )
            };
            self.configs
                .insert(key.clone(), json!({ "content": content }));
            let mode = file.mode.unwrap_or(FileMode(0o644)).to_string();
            let mode = match self.before || mode.starts_with('0') {
                true => mode,
                false => format!("0{mode}"),
            };
            mounted.push(json!({ "source": key, "target": target, "mode": mode }));
        }
        if !mounted.is_empty() {
            out.insert("configs".into(), mounted.into());
        }
    }

    fn ports(&mut self, component: &ComponentSpec, out: &mut Map<String, Value>) {
        let mut ports: Vec<Value> = Vec::new();
        let routed = component
            .routes
            .as_ref()
            .is_none_or(|routes| !routes.is_empty());
        for port in component.ports.values() {
            let http = matches!(port.protocol, PortProtocol::Http | PortProtocol::Http2);
            if http && routed {
                // Which of the machine's ports is compose's choice: the gateway's address is not there.
                ports.push(format!("127.0.0.1::{}", port.port).into());
            }
        }
        for publish in &component.publish {
            let number = match &publish.port {
                PortRef::Number(number) => Some(*number),
                PortRef::Name(name) => component.ports.get(name.as_str()).map(|port| port.port),
            };
            let Some(number) = number else { continue };
            let address = match publish.address {
                None => "127.0.0.1".to_owned(),
                Some(std::net::IpAddr::V6(address)) => format!("[{address}]"),
                Some(address) => address.to_string(),
            };
            let protocol = match publish.protocol {
                PortProtocol::Udp => "/udp",
                _ => "",
            };
            ports.push(format!("{address}:{}:{number}{protocol}", publish.host).into());
        }
        if !ports.is_empty() {
            out.insert("ports".into(), ports.into());
        }
        let inside: Vec<Value> = component
            .ports
            .values()
            .map(|port| match port.protocol {
                PortProtocol::Udp => format!("{}/udp", port.port).into(),
                _ => port.port.to_string().into(),
            })
            .collect();
        if !inside.is_empty() {
            out.insert("expose".into(), inside.into());
        }
    }

    fn reach(&mut self, component: &ComponentSpec, out: &mut Map<String, Value>) {
        if let Some(host) = &component.host {
            for (key, on) in [("privileged", host.privileged)] {
                if on {
                    out.insert(key.into(), true.into());
                }
            }
            for (key, on) in [
                ("network_mode", host.network),
                ("pid", host.pid),
                ("ipc", host.ipc),
            ] {
                if on {
                    out.insert(key.into(), "host".into());
                }
            }
            for (key, list) in [
                ("cap_add", &host.capabilities),
                ("cap_drop", &host.drop_capabilities),
                ("devices", &host.devices),
                ("security_opt", &host.security),
            ] {
                if !list.is_empty() {
                    out.insert(key.into(), json!(list));
                }
            }
            if !host.sysctls.is_empty() {
                out.insert("sysctls".into(), json!(host.sysctls));
            }
        }
        let Some(options) = &component.options else {
            return;
        };
        for (key, on) in [
            ("tty", options.tty),
            ("stdin_open", options.stdin),
            ("read_only", options.read_only),
        ] {
            if on {
                out.insert(key.into(), true.into());
            }
        }
        for (key, text) in [
            ("hostname", &options.hostname),
            ("domainname", &options.domainname),
        ] {
            if let Some(text) = text {
                out.insert(key.into(), text.clone().into());
            }
        }
        for (key, list) in [
            ("dns_search", &options.dns_search),
            ("dns_opt", &options.dns_options),
            ("group_add", &options.groups),
        ] {
            if !list.is_empty() {
                out.insert(key.into(), json!(list));
            }
        }
        if !options.dns.is_empty() {
            out.insert("dns".into(), json!(options.dns));
        }
        if let Some(size) = options.shm_size {
            out.insert("shm_size".into(), size.0.into());
        }
        if !options.ulimits.is_empty() {
            out.insert("ulimits".into(), json!(options.ulimits));
        }
        out.insert("init".into(), options.init.unwrap_or(true).into());
    }
}

/// The readiness probe, where it is a command.
fn health(component: &ComponentSpec) -> Option<Value> {
    let ready = component.probes.as_ref()?.ready.as_ref()?;
    let command = ready.command.as_ref()?;
    let test: Vec<String> = match command {
        Command::Shell(line) => vec!["CMD-SHELL".to_owned(), escaped(line)],
        Command::Words(words) => std::iter::once("CMD".to_owned())
            .chain(words.iter().map(|word| escaped(word)))
            .collect(),
    };
    let mut out = Map::from_iter([("test".to_owned(), json!(test))]);
    for (key, span) in [("interval", ready.period), ("timeout", ready.timeout)] {
        if let Some(span) = span {
            out.insert(key.to_owned(), format!("{}ms", span.millis()).into());
        }
    }
    if let Some(failures) = ready.failures {
        out.insert("retries".to_owned(), failures.into());
    }
    Some(out.into())
}
