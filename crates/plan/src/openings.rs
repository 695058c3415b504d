//! Ports that a component dials and the other does not open: found before anything starts, with the offer to open them.
//!
//! A component that uses another reaches it through an address that answers on the ports the other declares. What names one
//! on another port, `http://api:9000` in a variable or a command, would fail at run time. Only names of used components
//! count: whatever else a text holds says nothing of who is dialled.
//!
//! Where a file of somebody else's was read (`imagePorts`), nothing was closed: containers on one network reach each other at
//! any port. There, what the others' texts and files dial is open, `redis:6380` as well as `REDIS_HOST=redis` beside `REDIS_PORT=6380`,
//! and so is what a program is told to listen on.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use indexmap::IndexMap;
use pluvio_model::name::{EnvName, Name};
use pluvio_model::problem::{Fix, Problem, SPEC_CONFLICT};
use pluvio_model::release::{DecidedComponent, DecidedPort, Release};
use pluvio_model::spec::{AppSpec, ComponentSpec, EnvValue, Kind, PortProtocol, PortSpec};

/// A port that somebody dials and nobody opens.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Opening<'a> {
    user: &'a Name,
    used: &'a Name,
    port: u16,
    path: String,
}

/// What the specification tells by itself: of components that declare their ports.
pub fn of_spec(spec: &AppSpec) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (user, component) in &spec.components {
        for used in component.uses.iter().map(|used| used.component()) {
            let Some(other) = spec.components.get(used) else {
                continue;
            };
            let own: IndexMap<Name, DecidedPort> = match other.database() {
                Some(_) => continue,
                None => other.ports.iter().map(decided).collect(),
            };
            if own.is_empty() || other.image_ports || !listens(other.kind) {
                continue;
            }
            let host = format!("${{{used}.host}}");
            let mut texts = texts_of(user, component, spec);
            for (key, value) in &other.exports {
                texts.push((format!("components.{used}.exports.{key}"), value.0.clone()));
            }
            let found = texts.into_iter().flat_map(|(path, text)| {
                let text = text.replace(&host, used.as_str());
                dialled(&text, used.as_str())
                    .into_iter()
                    .map(move |port| (path.clone(), port))
            });
            tell(user, used, &own, found, &mut problems);
        }
    }
    problems
}

/// What a decision tells, with the ports that images expose. What was so in `parent` already is not told again, nor anything of
/// an image that nobody looked at.
pub(crate) fn of_release(
    spec: &AppSpec,
    release: &Release,
    parent: Option<&Release>,
    is_looked_at: &dyn Fn(&Name) -> bool,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (user, component) in &release.components {
        for used in &component.after {
            let (Some(other), Some(asked)) =
                (release.components.get(used), spec.components.get(used))
            else {
                continue;
            };
            if !listens(other.kind) || asked.database().is_some() {
                continue;
            }
            if (asked.image_ports || asked.ports.is_empty()) && !is_looked_at(used) {
                continue;
            }
            let before = closed_before(parent, user, used);
            let found = rendered(user, component)
                .into_iter()
                .flat_map(|(path, text)| {
                    dialled(&text, used.as_str())
                        .into_iter()
                        .map(move |port| (path.clone(), port))
                });
            let found = found.filter(|(_, port)| !before.contains(port));
            tell(user, used, &other.content.ports, found, &mut problems);
        }
    }
    problems
}

/// The ports at which others' texts name components that open what they are asked for, whether they use them or not.
pub(crate) fn dialled_by_others(spec: &AppSpec) -> BTreeMap<&Name, BTreeSet<u16>> {
    let mut ports = BTreeMap::new();
    let mut hosts: HashMap<&str, Vec<&Name>> = HashMap::new();
    for (used, component) in &spec.components {
        if component.image_ports && !component.offline && listens(component.kind) {
            let on_networks = component.network_aliases.values().flatten();
            let aliases = component.aliases.iter().chain(on_networks);
            for host in std::iter::once(used.as_str()).chain(aliases.map(String::as_str)) {
                hosts.entry(host).or_default().push(used);
            }
        }
    }
    if hosts.is_empty() {
        return ports;
    }
    for (user, component) in &spec.components {
        let own = texts_of(user, component, spec);
        let mut texts: Vec<String> = own.into_iter().map(|(_, text)| text).collect();
        for beside in component.sidecars.values().chain(component.init.values()) {
            texts.extend(beside.env.values().map(|value| value.0.clone()));
            let words = beside.entrypoint.iter().chain(&beside.command);
            texts.extend(words.flat_map(|command| command.words()));
        }
        // What a component exports is what others are given of it.
        let exports = component.exports.values().map(|value| (true, &*value.0));
        let texts = texts.iter().map(|text| (false, &**text)).chain(exports);
        // A proxy's file often is all that names whom it leads to.
        let texts = texts.chain(files_of(component).map(|text| (false, text)));
        let mut found: Vec<(bool, &str, u16)> = Vec::new();
        for (is_own, text) in texts {
            let known = addresses(text).filter(|(host, _)| hosts.contains_key(*host));
            found.extend(known.map(|(host, port)| (is_own, host, port)));
        }
        let beside = component.sidecars.values().chain(component.init.values());
        let pairs = beside.flat_map(|beside| named_apart(beside.env.iter(), spec));
        let pairs = pairs.chain(named_apart(env_of(component, spec), spec));
        found.extend(pairs.map(|(host, port)| (false, host, port)));
        for (is_own, host, port) in found {
            let named = hosts.get(host).into_iter().flatten();
            for used in named.filter(|used| (**used == user) == is_own) {
                ports
                    .entry(*used)
                    .or_insert_with(BTreeSet::new)
                    .insert(port);
            }
        }
    }
    ports
}

/// The files that a component and what runs beside it have.
fn files_of(component: &ComponentSpec) -> impl Iterator<Item = &str> {
    let beside = component.sidecars.values().chain(component.init.values());
    let files = beside.flat_map(|beside| beside.files.values());
    let files = component.files.values().chain(files);
    files.map(|file| file.content.as_str())
}

/// The ports that a component which opens what it is asked for is told to listen on itself: others may dial them by what is
/// written in their images.
///
/// They are no promise that it listens: a worker is often given the same variables as the server.
pub(crate) fn told_to_listen(component: &ComponentSpec, spec: &AppSpec) -> BTreeSet<u16> {
    let mut ports = BTreeSet::new();
    if !component.image_ports || component.offline || !listens(component.kind) {
        return ports;
    }
    let variable = env_of(component, spec).filter(|(key, _)| key.as_str() == "PORT");
    ports.extend(
        variable
            .last()
            .and_then(|(_, value)| number(settled(value, spec))),
    );
    let commands = component.entrypoint.iter().chain(&component.command);
    let lines: Vec<String> = commands.flat_map(|command| command.words()).collect();
    // A word may be a whole line for a shell.
    let mut words = lines.iter().flat_map(|line| line.split_whitespace());
    while let Some(word) = words.next() {
        let said = match word.strip_prefix("--port") {
            Some("") => words.next(),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        };
        ports.extend(said.and_then(number));
    }
    ports
}

/// Ends of names of variables that hold a host; one that another ends in stands before it.
const HOST_ENDS: [&str; 6] = ["HOST_NAME", "HOSTNAME", "HOST", "SERVER", "ADDRESS", "ADDR"];

/// The hosts and ports that variables name apart: `redis` and 6380 of `REDIS_HOST=redis` and `REDIS_PORT=6380`.
fn named_apart<'s>(
    env: impl Iterator<Item = (&'s EnvName, &'s EnvValue)>,
    spec: &'s AppSpec,
) -> Vec<(&'s str, u16)> {
    let mut ports: HashMap<String, u16> = HashMap::new();
    let mut hosts: Vec<(String, &str)> = Vec::new();
    for (key, value) in env {
        let key = key.as_str().to_ascii_uppercase();
        let value = settled(value, spec);
        if let Some(prefix) = key.strip_suffix("PORT") {
            ports.extend(number(value).map(|port| (prefix.to_owned(), port)));
        } else if let Some(prefix) = HOST_ENDS.iter().find_map(|end| key.strip_suffix(*end))
            // `PORT` alone is more often the port of whoever has it.
            && (!prefix.is_empty() || key == "HOST")
        {
            hosts.push((prefix.to_owned(), value));
        }
    }
    let paired = hosts
        .into_iter()
        .filter_map(|(prefix, host)| Some((host, *ports.get(&prefix)?)));
    paired.collect()
}

/// A component's variables: its groups', then its own, which win.
fn env_of<'s>(
    component: &'s ComponentSpec,
    spec: &'s AppSpec,
) -> impl Iterator<Item = (&'s EnvName, &'s EnvValue)> {
    let groups = component.groups.iter();
    let groups = groups.filter_map(move |group| spec.groups.get(group));
    groups.flat_map(|group| &group.env).chain(&component.env)
}

/// A value that is one setting and nothing else is what that setting is by default.
fn settled<'s>(value: &'s EnvValue, spec: &'s AppSpec) -> &'s str {
    let name = value.0.strip_prefix("${settings.");
    let setting = name
        .and_then(|name| name.strip_suffix('}'))
        .and_then(|name| spec.settings.get(name));
    setting
        .and_then(|setting| setting.default.as_deref())
        .unwrap_or(&value.0)
}

fn number(text: &str) -> Option<u16> {
    text.trim().parse::<u16>().ok().filter(|port| *port != 0)
}

/// The specification with the ports that the fixes offer open.
pub fn mend(spec: &AppSpec, fixes: &[Fix]) -> AppSpec {
    let mut spec = spec.clone();
    for fix in fixes {
        // What else is offered is chosen by people, in the console.
        let Fix::OpenPort {
            component,
            name,
            port,
            protocol,
        } = fix
        else {
            continue;
        };
        let found = spec
            .components
            .iter_mut()
            .find(|(key, _)| key.as_str() == component);
        if let (Some((_, component)), Ok(name)) = (found, name.parse::<Name>()) {
            let protocol = match protocol.as_str() {
                "http" => PortProtocol::Http,
                "http2" => PortProtocol::Http2,
                "udp" => PortProtocol::Udp,
                _ => PortProtocol::Tcp,
            };
            open(component, name, *port, protocol);
        }
    }
    spec
}

/// Declares a port, unless one of that number or name is there.
pub(crate) fn open(component: &mut ComponentSpec, name: Name, port: u16, protocol: PortProtocol) {
    let there = component.ports.values().any(|known| known.port == port);
    if !there {
        component
            .ports
            .entry(name)
            .or_insert(PortSpec { port, protocol });
    }
}

fn decided((name, port): (&Name, &PortSpec)) -> (Name, DecidedPort) {
    let decided = DecidedPort {
        port: port.port,
        protocol: port.protocol,
    };
    (name.clone(), decided)
}

/// Whether anything of this kind can be dialled by its name here.
fn listens(kind: Kind) -> bool {
    match kind {
        Kind::Service | Kind::Stateful | Kind::Daemon | Kind::Database => true,
        Kind::Job | Kind::Cron | Kind::Vm | Kind::External => false,
    }
}

/// The texts in which a component may say whom it dials, with their places.
fn texts_of(user: &Name, component: &ComponentSpec, spec: &AppSpec) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for (key, value) in &component.env {
        texts.push((format!("components.{user}.env.{key}"), value.0.clone()));
    }
    for group in &component.groups {
        for (key, value) in spec.groups.get(group).into_iter().flat_map(|g| &g.env) {
            texts.push((format!("groups.{group}.env.{key}"), value.0.clone()));
        }
    }
    for (what, command) in [
        ("entrypoint", &component.entrypoint),
        ("command", &component.command),
    ] {
        for word in command.iter().flat_map(|command| command.words()) {
            texts.push((format!("components.{user}.{what}"), word));
        }
    }
    texts
}

fn rendered(user: &Name, component: &DecidedComponent) -> Vec<(String, String)> {
    let main = &component.content.main;
    let env = main
        .env
        .iter()
        .map(|(key, value)| (format!("components.{user}.env.{key}"), value.masked()));
    let words = [("entrypoint", &main.entrypoint), ("command", &main.command)];
    let words = words.into_iter().flat_map(|(what, words)| {
        let path = format!("components.{user}.{what}");
        words
            .iter()
            .flatten()
            .map(move |word| (path.clone(), word.clone()))
    });
    env.chain(words).collect()
}

/// Ports that the parent had as closed as they are: what has run like that is not refused when something else changes.
fn closed_before(parent: Option<&Release>, user: &Name, used: &Name) -> Vec<u16> {
    let Some(parent) = parent else {
        return Vec::new();
    };
    let (Some(component), Some(other)) = (parent.components.get(user), parent.components.get(used))
    else {
        return Vec::new();
    };
    let ports = &other.content.ports;
    rendered(user, component)
        .into_iter()
        .flat_map(|(_, text)| dialled(&text, used.as_str()))
        .filter(|port| !ports.values().any(|open| open.port == *port))
        .collect()
}

fn tell(
    user: &Name,
    used: &Name,
    own: &IndexMap<Name, DecidedPort>,
    found: impl Iterator<Item = (String, u16)>,
    problems: &mut Vec<Problem>,
) {
    let mut told: Vec<u16> = Vec::new();
    for (path, port) in found {
        if told.contains(&port) || own.values().any(|open| open.port == port) {
            continue;
        }
        told.push(port);
        problems.push(problem(
            &Opening {
                user,
                used,
                port,
                path,
            },
            own,
        ));
    }
}

fn problem(opening: &Opening, own: &IndexMap<Name, DecidedPort>) -> Problem {
    let Opening {
        user, used, port, ..
    } = opening;
    let ports: Vec<String> = own.values().map(|open| open.port.to_string()).collect();
    let has = match ports.as_slice() {
        [] => format!("{used} opens no port"),
        [one] => format!("{used} opens {one} alone"),
        many => format!("{used} opens {}", many.join(", ")),
    };
    let name = format!("tcp-{port}");
    let mut problem = SPEC_CONFLICT
        .problem(
            format!("{user} dials {used} at port {port}, which is not open: {has}."),
            format!(
                "Open it: `--open-ports`, or `ports: {{ {name}: {{ port: {port}, protocol: tcp }} }}` in {used}. Else write a port that it has."
            ),
        )
        .path(opening.path.clone());
    // Declaring one port takes the place of what the image exposes: those that are open stay so.
    for (name, port) in own {
        problem = problem.fix(Fix::OpenPort {
            component: used.to_string(),
            name: name.to_string(),
            port: port.port,
            protocol: format!("{:?}", port.protocol).to_lowercase(),
        });
    }
    problem.fix(Fix::OpenPort {
        component: used.to_string(),
        name,
        port: *port,
        // Not `http`: that would publish it.
        protocol: "tcp".to_owned(),
    })
}

/// The ports at which a text names a host: `9000` of `http://api:9000/v1` for `api`.
fn dialled(text: &str, host: &str) -> Vec<u16> {
    let mut ports = Vec::new();
    for (_, port) in addresses(text).filter(|(named, _)| *named == host) {
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
    ports
}

/// The hosts that a text names with a port: `api` and 9000 of `http://api:9000/v1`.
fn addresses(text: &str) -> impl Iterator<Item = (&str, u16)> {
    let in_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.match_indices(':').filter_map(move |(at, _)| {
        let (before, digits) = (&text[..at], &text[at + 1..]);
        let end = digits.bytes().take_while(u8::is_ascii_digit).count();
        let mut behind = digits[end..].chars();
        if behind.next().is_some_and(|c| in_name(c) || c == ':') {
            return None;
        }
        let port = digits[..end]
            .parse::<u16>()
            .ok()
            .filter(|port| *port != 0)?;
        let host = &before[before.trim_end_matches(in_name).len()..];
        let before = before.strip_suffix(host)?;
        let begins = match before.chars().next_back() {
            // `registry/api:1` is an image, `//api:1` an address.
            Some('/') => before.ends_with("//"),
            Some(':') => false,
            _ => !host.is_empty(),
        };
        begins.then_some((host, port))
    })
}

#[cfg(test)]
mod tests;
