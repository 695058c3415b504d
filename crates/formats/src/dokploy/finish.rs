//! What is known only once the components are: hosts, secrets in files, what nothing named.

use std::collections::HashSet;

use indexmap::IndexMap;
use pluvio_model::name::Name;
use pluvio_model::spec::{AppSpec, RouteSpec};

use super::around::{self, Around};
use super::config::Config;
use super::{Template, secret_spec, stand_in};
use crate::compose::item::Told;
use crate::compose::{Import, coolify};

/// Variables and files of the template that the compose file does not name.
pub(super) fn tell_unused(
    config: &Config,
    template: Template,
    files: &Around,
    import: &mut Import,
) {
    let words: HashSet<&str> = template
        .compose
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .collect();
    let whole = words.contains("env_file");
    let mut told = Told {
        files: vec![String::new(), template.config_file.to_owned()],
        ..Told::default()
    };
    for (key, (_, at)) in &config.env {
        if !whole && !words.contains(key.as_str()) {
            told.ignored(
                *at,
                &format!("config.env.{key}"),
                "The compose file does not name it.",
            );
        }
    }
    for (path, (_, at)) in &config.files {
        if !files.was_read(path) {
            told.ignored(*at, "config.mounts", format!("No service mounts {path}."));
        }
    }
    import.report.append(&mut told.rows);
}

/// Puts the secrets into files that hold them.
pub(super) fn files_with_secrets(config: &Config, import: &mut Import) {
    for component in import.spec.components.values_mut() {
        for file in component.files.values_mut().filter(|file| file.raw) {
            if let Some(template) = around::with_references(&file.content, &config.secrets) {
                file.content = template;
                file.raw = false;
            }
        }
        for file in component.files.values_mut().filter(|file| !file.raw) {
            for (name, length) in &config.secrets {
                let reference = format!("${{secrets.{name}}}");
                let Ok(key) = name.parse() else { continue };
                if file.content.contains(&reference) && !import.spec.secrets.contains_key(&key) {
                    import.spec.secrets.insert(key, secret_spec(Some(*length)));
                }
            }
        }
    }
}

/// Hosts and paths of the domains, now that the components are known.
pub(super) fn routes(config: &Config, import: &mut Import) {
    let spec = &mut import.spec;
    let component_of = |service: &str, spec: &AppSpec| -> Option<Name> {
        let plain = Name::suggest(service)?;
        spec.components.contains_key(&plain).then_some(plain)
    };
    let mut hosts: Vec<Option<String>> = vec![None; config.hosts];
    let number = |host: &str| (0..config.hosts).find(|number| host == stand_in(*number));
    let mut taken: HashSet<Name> = HashSet::new();
    let mut wanted: IndexMap<Name, Vec<RouteSpec>> = IndexMap::new();
    for domain in &config.domains {
        let Some(name) = component_of(&domain.service, spec) else {
            continue;
        };
        let component = &spec.components[&name];
        let Some(port) = component
            .ports
            .iter()
            .find(|(_, port)| port.port == domain.port)
        else {
            continue;
        };
        let is_first = component
            .ports
            .first()
            .is_some_and(|(first, _)| first == port.0);
        let generated = number(&domain.host);
        let first_of_component = taken.insert(name.clone());
        let host = match generated {
            Some(number) => match (&hosts[number], first_of_component) {
                (None, true) => {
                    hosts[number] = Some(coolify::host(spec, name.as_str()));
                    None
                }
                (None, false) => {
                    let host = format!("{name}-{}--{}.localhost", domain.port, spec.name);
                    hosts[number] = Some(host.clone());
                    Some(host)
                }
                (Some(known), _) => Some(known.clone()),
            },
            None => Some(domain.host.clone()),
        };
        let own_host = host
            .as_ref()
            .is_some_and(|host| *host == coolify::host(spec, name.as_str()));
        let pattern = host
            .filter(|_| !own_host)
            .and_then(|host| with_hosts(&host, &hosts).parse().ok());
        wanted.entry(name).or_default().push(RouteSpec {
            host: pattern,
            path: domain.path.as_ref().and_then(|path| path.parse().ok()),
            exact: false,
            port: (!is_first).then(|| port.0.clone()),
        });
    }
    for host in &mut hosts {
        host.get_or_insert_with(|| format!("{}.localhost", spec.name));
    }
    for (name, routes) in wanted {
        let plain = |route: &RouteSpec| {
            route.host.is_none() && route.path.is_none() && route.port.is_none()
        };
        // What the gateway does anyway is not said.
        if !(routes.len() == 1 && plain(&routes[0])) {
            let mut routes: Vec<RouteSpec> = routes;
            for route in &mut routes {
                if let Some(host) = &route.host {
                    route.host = with_hosts(&host.to_string(), &hosts).parse().ok();
                }
            }
            let mut known: Vec<RouteSpec> = Vec::new();
            for route in routes {
                if !known.contains(&route) {
                    known.push(route);
                }
            }
            spec.components[&name].routes = Some(known);
        }
    }
    put_hosts(import, &hosts);
}

fn with_hosts(text: &str, hosts: &[Option<String>]) -> String {
    let mut text = text.to_owned();
    for (number, host) in hosts.iter().enumerate() {
        if let Some(host) = host {
            text = text.replace(&stand_in(number), host);
        }
    }
    text
}

/// Puts the hosts wherever their stand-ins are.
fn put_hosts(import: &mut Import, hosts: &[Option<String>]) {
    let text = serde_json::to_string(&import.spec).expect("a specification is JSON");
    let mark = "-of-template.invalid";
    if text.contains(mark)
        && let Ok(spec) = serde_json::from_str(&with_hosts(&text, hosts))
    {
        import.spec = spec;
    }
    for row in &mut import.report {
        if row.message.contains(mark) {
            row.message = with_hosts(&row.message, hosts);
        }
    }
    for problem in &mut import.errors {
        if problem.cause.contains(mark) {
            problem.cause = with_hosts(&problem.cause, hosts);
        }
    }
}
