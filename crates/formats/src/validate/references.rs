//! Names that refer to other parts of the application: `uses`, groups, networks, and the `${…}` in texts.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use pluvio_model::interpolate::{self, Otherwise, Piece, RESERVED};
use pluvio_model::name::{EnvName, Name};
use pluvio_model::problem::{self, Fix};
use pluvio_model::spec::{
    AbsolutePath, AppSpec, ComponentSpec, EnvValue, FileSpec, GroupSpec, Hooks, Kind, PortProtocol,
    Use, default_network,
};

use super::{Found, names};
use crate::suggest::nearest;

/// Exports every component that can be reached has, without declaring them.
const IMPLIED: [&str; 3] = ["host", "port", "url"];

/// What is wrong with the application whatever its components say.
pub(super) fn application(spec: &AppSpec, found: &mut Found) {
    for name in RESERVED {
        if spec.components.contains_key(name) {
            found.conflict(
                format!("components.{name}"),
                format!(
                    "`{name}` cannot be a component's name: `${{{name}.…}}` means something else."
                ),
                "Choose another name.",
            );
        }
    }
    cycle(spec, found);
    shared_networks(spec, found);
}

/// What a network can be called beyond its application, as engines have it: letters, digits, `_`, `.` and `-`, a letter or digit
/// first, 128 at most.
pub(crate) fn is_shared_name(name: &str) -> bool {
    let rest = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    name.len() <= 128
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(rest)
}

fn shared_networks(spec: &AppSpec, found: &mut Found) {
    let mut seen: Vec<&str> = Vec::new();
    for (name, network) in &spec.networks {
        let Some(shared) = network.shared.as_deref() else {
            continue;
        };
        let path = format!("networks.{name}.shared");
        if !is_shared_name(shared) {
            found.invalid(
                &path,
                format!("`{shared}` is no name that a network can be shared by."),
                "Write letters, digits, `_`, `.` and `-`, a letter or digit first.",
            );
        } else if seen.contains(&shared) {
            found.conflict(
                &path,
                format!("Another network of the application is shared as `{shared}` already."),
                "Put the components on that one, or choose another name.",
            );
        }
        if network.internal {
            found.conflict(
                &path,
                "A network without a way out leads to no other application.",
                "Take `internal` or `shared` out; components can be on one network of each kind.",
            );
        }
        seen.push(shared);
    }
}

pub(super) fn component(
    path: &str,
    spec: &AppSpec,
    name: &Name,
    component: &ComponentSpec,
    found: &mut Found,
) {
    uses(path, spec, name, component, found);
    for (index, group) in component.groups.iter().enumerate() {
        if !spec.groups.contains_key(group) {
            found.unknown(
                format!("{path}.groups[{index}]"),
                "group",
                group.as_str(),
                names(&spec.groups),
                "declare it under `groups` at the top of the file",
            );
        }
    }
    for (index, network) in component.networks.iter().enumerate() {
        if !spec.networks.contains_key(network) && *network != default_network() {
            found.unknown(
                format!("{path}.networks[{index}]"),
                "network",
                network.as_str(),
                names(&spec.networks),
                "declare it under `networks` at the top of the file",
            );
        }
    }
    super::build::references(path, spec, component, found);
    texts(path, spec, component, found);
}

fn uses(path: &str, spec: &AppSpec, name: &Name, component: &ComponentSpec, found: &mut Found) {
    let mut seen: BTreeSet<(&Name, Option<&EnvName>)> = BTreeSet::new();
    let mut injected: IndexMap<String, &Name> = IndexMap::new();
    for (index, used) in component.uses.iter().enumerate() {
        let path = format!("{path}.uses[{index}]");
        let leave_out = Fix::RemoveUse {
            component: name.to_string(),
            index,
        };
        let (target, prefix) = match used {
            Use::Component(target) => (target, None),
            Use::As(named) => (&named.component, named.prefix.as_ref()),
        };
        if target == name {
            found.conflict(
                path,
                "A component cannot wait for itself.",
                "Remove it; its own variables are there anyway.",
            );
            found.offer(leave_out);
            continue;
        }
        let Some(other) = spec.components.get(target) else {
            found.unknown(
                path,
                "component",
                target.as_str(),
                names(&spec.components).filter(|other| *other != name.as_str()),
                "declare it under `components`",
            );
            let others = names(&spec.components).filter(|other| *other != name.as_str());
            if let Some(near) = nearest(target.as_str(), others) {
                found.offer(Fix::ReplaceUse {
                    component: name.to_string(),
                    index,
                    uses: near.to_owned(),
                });
            }
            found.offer(leave_out);
            continue;
        };
        if !seen.insert((target, prefix)) {
            found.conflict(
                path,
                format!("`{target}` is used twice in the same way."),
                "Keep one, or give one of them a prefix with `as`.",
            );
            found.offer(leave_out);
            continue;
        }
        for export in exports(target, other) {
            let variable = match prefix {
                Some(prefix) => format!("{prefix}_{export}"),
                None => export.to_string(),
            };
            if let Some(owner) = injected.get(&variable).filter(|owner| **owner != target) {
                found.conflict(
                    path.clone(),
                    format!("`{owner}` and `{target}` both export `{variable}` to this component."),
                    "Give one of them a prefix: `uses: [{ component: …, as: PREFIX }]`.",
                );
                found.offer(Fix::PrefixUse {
                    component: name.to_string(),
                    index,
                    prefix: prefix_for(target, prefix),
                });
            } else {
                injected.insert(variable, target);
            }
        }
    }
}

/// A prefix that tells what a component exports from what others do: its own name, longer where that is taken.
fn prefix_for(target: &Name, taken: Option<&EnvName>) -> String {
    let own = target.as_str().to_ascii_uppercase().replace('-', "_");
    match taken {
        Some(taken) if taken.as_str() == own => format!("{own}_OWN"),
        _ => own,
    }
}

/// Components start in the order of `uses`, so it must have a beginning. The first circle found is reported.
fn cycle(spec: &AppSpec, found: &mut Found) {
    fn walk<'s>(
        spec: &'s AppSpec,
        name: &'s Name,
        trail: &mut Vec<&'s Name>,
        done: &mut BTreeSet<&'s Name>,
    ) -> bool {
        if let Some(start) = trail.iter().position(|earlier| *earlier == name) {
            trail.drain(..start);
            return true;
        }
        if done.contains(name) {
            return false;
        }
        trail.push(name);
        let used = spec.components.get(name).into_iter().flat_map(|c| &c.uses);
        for target in used.map(Use::component).filter(|target| *target != name) {
            if let Some((target, _)) = spec.components.get_key_value(target)
                && walk(spec, target, trail, done)
            {
                return true;
            }
        }
        trail.pop();
        done.insert(name);
        false
    }
    let mut done = BTreeSet::new();
    for name in spec.components.keys() {
        let mut trail = Vec::new();
        if walk(spec, name, &mut trail, &mut done) {
            let circle: Vec<&str> = trail
                .iter()
                .chain(trail.first())
                .map(|name| name.as_str())
                .collect();
            found.conflict(
                format!("components.{}.uses", trail[0]),
                format!("Each waits for the next: {}.", circle.join(" → ")),
                "Remove one of these `uses`; a component that is only called now and then need not be waited for.",
            );
            return;
        }
    }
}

/// The `${…}` of everything that is rendered in a component.
fn texts<'s>(path: &'s str, spec: &'s AppSpec, component: &'s ComponentSpec, found: &mut Found) {
    let scope = Scope {
        name: path.strip_prefix("components.").unwrap_or_default(),
        ..Scope::new(spec, component)
    };
    scope.env(&format!("{path}.env"), &component.env, found);
    scope.files(&format!("{path}.files"), &component.files, found);
    scope.env(&format!("{path}.exports"), &component.exports, found);
    for (list, containers) in [("sidecars", &component.sidecars), ("init", &component.init)] {
        for (name, container) in containers {
            // A container beside the main one has variables of its own. They are made of the component's, also of one of the
            // same name; its files are made of both.
            for (variable, value) in &container.env {
                let path = format!("{path}.{list}.{name}.env.{variable}");
                scope.text(&path, &value.0, None, found);
            }
            let mut scope = scope.clone();
            scope.own.extend(container.env.clone());
            scope.files(
                &format!("{path}.{list}.{name}.files"),
                &container.files,
                found,
            );
        }
    }
    for (which, list) in component.hooks.iter().flat_map(Hooks::lists) {
        for (index, hook) in list.iter().enumerate() {
            for (variable, value) in &hook.env {
                let path = format!("{path}.hooks.{which}[{index}].env.{variable}");
                scope.text(&path, &value.0, None, found);
            }
        }
    }
    for group in &component.groups {
        if let Some(GroupSpec { env, files }) = spec.groups.get(group) {
            scope.env(&format!("groups.{group}.env"), env, found);
            scope.files(&format!("groups.{group}.files"), files, found);
        }
    }
    own_circle(path, component, found);
}

/// What a text of one component may refer to.
#[derive(Clone)]
struct Scope<'s> {
    /// The component's own.
    name: &'s str,
    spec: &'s AppSpec,
    uses: &'s [Use],
    own: IndexMap<EnvName, EnvValue>,
    /// Variables from groups, exports and the runtime.
    injected: BTreeSet<String>,
    /// Whether something used exports variables that are not known before the decision.
    open: bool,
}

impl<'s> Scope<'s> {
    fn new(spec: &'s AppSpec, component: &'s ComponentSpec) -> Scope<'s> {
        let mut injected = BTreeSet::new();
        let mut open = false;
        for group in component
            .groups
            .iter()
            .filter_map(|name| spec.groups.get(name))
        {
            injected.extend(group.env.keys().map(ToString::to_string));
        }
        for used in &component.uses {
            let Some(other) = spec.components.get(used.component()) else {
                open = true; // reported as unknown; one cause, one problem
                continue;
            };
            open |= other.kind == Kind::Vm;
            let prefix = match used {
                Use::As(named) => named.prefix.as_ref(),
                Use::Component(_) => None,
            };
            injected.extend(
                exports(used.component(), other)
                    .iter()
                    .map(|export| match prefix {
                        Some(prefix) => format!("{prefix}_{export}"),
                        None => export.to_string(),
                    }),
            );
        }
        if component.ports.is_empty() || component.ports.values().any(super::component::is_http) {
            injected.insert("PORT".to_owned());
        }
        Scope {
            name: "",
            spec,
            uses: &component.uses,
            own: component.env.clone(),
            injected,
            open,
        }
    }

    fn env(&self, path: &str, env: &IndexMap<EnvName, EnvValue>, found: &mut Found) {
        for (name, value) in env {
            self.text(&format!("{path}.{name}"), &value.0, Some(name), found);
        }
    }

    fn files(&self, path: &str, files: &IndexMap<AbsolutePath, FileSpec>, found: &mut Found) {
        for (target, file) in files.iter().filter(|(_, file)| !file.raw) {
            self.text(
                &format!("{path}.{target}.content"),
                &file.content,
                None,
                found,
            );
        }
    }

    /// `own` is the variable that the text is the value of.
    fn text(&self, path: &str, text: &str, own: Option<&EnvName>, found: &mut Found) {
        let pieces = match interpolate::parse(text) {
            Ok(pieces) => pieces,
            Err(invalid) => {
                found.invalid(
                    path,
                    format!(
                        "{} is not a reference: {}.",
                        invalid.reference, invalid.rule
                    ),
                    invalid.advice(),
                );
                return;
            }
        };
        let mut said = BTreeSet::new();
        for piece in interpolate::references(&pieces) {
            if !said.insert(format!("{piece:?}")) {
                continue;
            }
            match piece {
                Piece::Text(_) => {}
                Piece::Secret(name) => {
                    if !self.spec.all_secrets().contains_key(name) {
                        unknown_secret(path, self.spec, name, found);
                    }
                }
                Piece::Setting(name) => {
                    if !self.spec.settings.contains_key(name) {
                        found.unknown(
                            path,
                            "setting",
                            name.as_str(),
                            self.spec.settings.keys().map(EnvName::as_str),
                            &format!("declare it: `settings: {{ {name}: {{ default: … }} }}`"),
                        );
                    }
                }
                Piece::Export { component, export } => self.export(path, component, export, found),
                Piece::Variable {
                    name,
                    otherwise: Otherwise::Refuse,
                } => self.variable(path, name, own, found),
                Piece::Variable { .. } => {}
            }
        }
    }

    fn export(&self, path: &str, component: &Name, export: &EnvName, found: &mut Found) {
        let Some(other) = self.spec.components.get(component) else {
            found.unknown(
                path,
                "component",
                component.as_str(),
                names(&self.spec.components),
                "declare it under `components`, or write $${ for the characters themselves",
            );
            return;
        };
        let known = component.as_str() == self.name
            || self.uses.iter().any(|used| used.component() == component);
        if !known {
            found.add(
                problem::SPEC_UNKNOWN_REFERENCE,
                path,
                format!("`${{{component}.{export}}}` is not known here: this component does not use `{component}`."),
                format!("Add `uses: [{component}]`; then it starts after it and may reach it."),
            );
            found.offer(Fix::AddUse {
                component: self.name.to_owned(),
                uses: component.to_string(),
            });
            return;
        }
        if let Some(database) = other.database() {
            let short = database.long_name(export.as_str()).is_some();
            let all = exports(component, other);
            if !short && !all.contains(export) {
                found.unknown(
                    path,
                    &format!("export of `{component}` called"),
                    export.as_str(),
                    all.iter()
                        .map(EnvName::as_str)
                        .chain(["url", "host", "port", "user", "password", "database"]),
                    &format!("declare it: `exports: {{ {export}: … }}` in `{component}`"),
                );
            }
            return;
        }
        let closed = !matches!(other.kind, Kind::Database | Kind::Vm);
        let implied = IMPLIED.contains(&export.as_str())
            && (other.ports.is_empty()
                || other
                    .ports
                    .values()
                    .any(|port| port.protocol != PortProtocol::Udp));
        if closed && !implied && !other.exports.contains_key(export) {
            let all = other.exports.keys().map(EnvName::as_str).chain(IMPLIED);
            found.unknown(
                path,
                &format!("export of `{component}` called"),
                export.as_str(),
                all,
                &format!("declare it: `exports: {{ {export}: … }}` in `{component}`"),
            );
        }
    }

    fn variable(&self, path: &str, name: &EnvName, own: Option<&EnvName>, found: &mut Found) {
        if own == Some(name) {
            found.conflict(
                path,
                format!("`{name}` refers to itself."),
                format!("Write the value, or `${{{name}:-default}}` under another name."),
            );
            return;
        }
        if self.open || self.own.contains_key(name) || self.injected.contains(name.as_str()) {
            return;
        }
        let known = || {
            self.own
                .keys()
                .map(EnvName::as_str)
                .chain(self.injected.iter().map(String::as_str))
        };
        let remedy = match nearest(name.as_str(), known()) {
            Some(near) => format!("Did you mean `${{{near}}}`?"),
            None => format!(
                "Set it under `env`, write `${{{name}:-default}}`, or `$${{{name}}}` for the characters themselves."
            ),
        };
        found.add(
            problem::SPEC_UNKNOWN_REFERENCE,
            path,
            format!("The variable `{name}` is not set in this component."),
            remedy,
        );
    }
}

/// The names of what a component exports: as declared, and what a database does by itself.
fn exports(name: &Name, component: &ComponentSpec) -> Vec<EnvName> {
    let own = component.database().map(|database| database.exports(name));
    let mut all: Vec<EnvName> = component.exports.keys().cloned().collect();
    for key in own.into_iter().flat_map(IndexMap::into_keys) {
        if !all.contains(&key) {
            all.push(key);
        }
    }
    all
}

pub(super) fn unknown_secret(path: &str, spec: &AppSpec, name: &EnvName, found: &mut Found) {
    found.unknown(
        path,
        "secret",
        name.as_str(),
        spec.secrets.keys().map(EnvName::as_str),
        &format!("declare it: `secrets: {{ {name}: {{ generate: false }} }}`"),
    );
}

/// `A: ${B}`, `B: ${A}` has no value. Defaults count: one of them would be read.
fn own_circle(path: &str, component: &ComponentSpec, found: &mut Found) {
    let refers = |name: &EnvName| -> Vec<EnvName> {
        let Some(EnvValue(text)) = component.env.get(name) else {
            return Vec::new();
        };
        let pieces = interpolate::parse(text).unwrap_or_default();
        interpolate::references(&pieces)
            .into_iter()
            .filter_map(|piece| match piece {
                Piece::Variable { name: other, .. } if other != name => Some(other.clone()),
                _ => None,
            })
            .collect()
    };
    for start in component.env.keys() {
        let mut seen = BTreeSet::new();
        let mut waiting = refers(start);
        while let Some(next) = waiting.pop() {
            if next == *start {
                found.conflict(
                    format!("{path}.env.{start}"),
                    format!("`{start}` is made of variables that are made of `{start}`."),
                    "Write one of the values out.",
                );
                return;
            }
            if seen.insert(next.clone()) {
                waiting.extend(refers(&next));
            }
        }
    }
}
