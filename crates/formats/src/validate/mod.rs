//! What the shape of a specification cannot say: names that refer to nothing, parts that contradict each other.
//!
//! [`validate()`] finds everything at once. Each problem has the path of keys where it is; [`crate::app::Reading::place`]
//! adds lines. What only a runtime knows (hosts that are taken, images that do not exist) is not asked here.

mod build;
mod component;
mod container;
mod cron;
mod database;
mod external;
mod hooks;
mod references;
mod scale;
mod volumes;

pub(crate) use references::is_shared_name;

use indexmap::IndexMap;
use pluvio_model::name::Name;
use pluvio_model::problem::{self, Code, Fix, Problem};
use pluvio_model::route::{HostPattern, RoutePath};
use pluvio_model::spec::AppSpec;

use crate::suggest::nearest;

/// Everything that is wrong with a specification, in its order.
pub fn validate(spec: &AppSpec) -> Vec<Problem> {
    let mut found = Found {
        problems: Vec::new(),
    };
    references::application(spec, &mut found);
    build::circle(spec, &mut found);
    for (name, component) in &spec.components {
        let path = format!("components.{name}");
        component::check(&path, name, component, &mut found);
        references::component(&path, spec, name, component, &mut found);
    }
    volumes::across_components(spec, &mut found);
    routes(spec, &mut found);
    publish(spec, &mut found);
    secrets_and_settings(spec, &mut found);
    found.problems
}

/// Gathers problems.
struct Found {
    problems: Vec<Problem>,
}

impl Found {
    fn add(
        &mut self,
        code: Code,
        path: impl Into<String>,
        cause: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.problems.push(code.problem(cause, remedy).path(path));
    }

    /// What mends the problem that was found last; several are a choice.
    fn offer(&mut self, fix: Fix) {
        if let Some(last) = self.problems.last_mut() {
            last.fixes.push(fix);
        }
    }

    fn invalid(
        &mut self,
        path: impl Into<String>,
        cause: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(problem::SPEC_INVALID, path, cause, remedy);
    }

    fn conflict(
        &mut self,
        path: impl Into<String>,
        cause: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(problem::SPEC_CONFLICT, path, cause, remedy);
    }

    /// A name that refers to nothing. `what` is the kind of thing in a word or two, `how` says how to make one.
    fn unknown<'n>(
        &mut self,
        path: impl Into<String>,
        what: &str,
        name: &str,
        there_are: impl IntoIterator<Item = &'n str>,
        how: &str,
    ) {
        let all: Vec<&str> = there_are.into_iter().collect();
        let remedy = match nearest(name, all.iter().copied()) {
            Some(near) => format!("Did you mean `{near}`? Otherwise {how}."),
            None if all.is_empty() => format!("{}.", capital(how)),
            None => format!("There is {}. Otherwise {how}.", all.join(", ")),
        };
        self.add(
            problem::SPEC_UNKNOWN_REFERENCE,
            path,
            format!("There is no {what} `{name}`."),
            remedy,
        );
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// One host and path leads to one component only.
fn routes(spec: &AppSpec, found: &mut Found) {
    type Key<'s> = (Option<&'s HostPattern>, String, bool);
    let mut taken: Vec<(Key, &Name)> = Vec::new();
    for (name, component) in &spec.components {
        for (index, route) in component.routes.iter().flatten().enumerate() {
            let path = route.path.as_ref().map_or("/", RoutePath::as_str);
            // A prefix matches with and without its last slash.
            let shown = if route.exact || path == "/" {
                path
            } else {
                path.trim_end_matches('/')
            };
            let key: Key = (route.host.as_ref(), shown.to_owned(), route.exact);
            match taken.iter().find(|(other, _)| *other == key) {
                Some((_, owner)) => {
                    let host = route
                        .host
                        .as_ref()
                        .map_or("the application's own host".to_owned(), |host| {
                            format!("`{host}`")
                        });
                    let owner = if *owner == name {
                        "another route of this component".to_owned()
                    } else {
                        format!("component `{owner}`")
                    };
                    found.conflict(
                        format!("components.{name}.routes[{index}]"),
                        format!("{host} with the path `{shown}` leads to {owner} already."),
                        "Give one of them another host or path, or remove it.",
                    );
                }
                None => taken.push((key, name)),
            }
        }
    }
}

/// A port of the machine is had once.
fn publish(spec: &AppSpec, found: &mut Found) {
    use pluvio_model::spec::PortProtocol;
    let mut taken: Vec<(u16, bool, Option<std::net::IpAddr>, &Name)> = Vec::new();
    for (name, component) in &spec.components {
        for (index, publish) in component.publish.iter().enumerate() {
            let path = format!("components.{name}.publish[{index}]");
            let udp = publish.protocol == PortProtocol::Udp;
            let any =
                |address: &Option<std::net::IpAddr>| address.is_some_and(|a| a.is_unspecified());
            let clash = taken.iter().find(|(host, other_udp, address, _)| {
                *host == publish.host
                    && *other_udp == udp
                    && (*address == publish.address || any(address) || any(&publish.address))
            });
            if let Some((.., owner)) = clash {
                found.conflict(
                    path,
                    format!(
                        "The machine's port {} is published by component `{owner}` already.",
                        publish.host
                    ),
                    "Choose another `host` port for one of them.",
                );
                continue;
            }
            taken.push((publish.host, udp, publish.address, name));
        }
    }
}

fn secrets_and_settings(spec: &AppSpec, found: &mut Found) {
    let secrets = spec.secrets.keys().map(|name| ("secrets", name));
    let settings = spec.settings.keys().map(|name| ("settings", name));
    for (section, name) in secrets.chain(settings) {
        if name.as_str().contains(':') {
            found.invalid(
                format!("{section}.{name}"),
                format!(
                    "`${{{section}.{name}}}` could not be written: a colon ends a reference's name."
                ),
                "Write it without the colon; a variable may have one.",
            );
        }
    }
    for (name, secret) in &spec.secrets {
        let path = format!("secrets.{name}");
        match secret.length {
            Some(length) if !(8..=256).contains(&length) => found.invalid(
                format!("{path}.length"),
                format!("A generated secret cannot have {length} characters."),
                "Choose 8 to 256.",
            ),
            Some(_) if !secret.generate => found.conflict(
                format!("{path}.length"),
                format!("`{name}` has a length but is not generated."),
                "Add `generate: true`, or remove `length`.",
            ),
            _ => {}
        }
    }
    for (name, setting) in &spec.settings {
        if setting.required && setting.default.is_some() {
            found.conflict(
                format!("settings.{name}"),
                format!("`{name}` is required and has a default, so nobody would ever be asked."),
                "Remove `required` or `default`.",
            );
        }
    }
}

/// The names of a map's keys.
fn names<V>(map: &IndexMap<Name, V>) -> impl Iterator<Item = &str> {
    map.keys().map(Name::as_str)
}

#[cfg(test)]
mod tests;
