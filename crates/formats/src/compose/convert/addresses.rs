//! Variables that hold the address at which compose publishes a page on the machine: that port is the gateway's business now.

use std::collections::HashMap;

use indexmap::IndexMap;
use pluvio_model::name::{EnvName, Name};
use pluvio_model::spec::EnvValue;

use super::super::item::{Map, Place};
use super::Convert;

/// A port of the machine that the file publishes, and the component whose route it became.
pub(super) type Routed = HashMap<u16, Name>;

impl Convert<'_> {
    /// `NEXTAUTH_URL: http://localhost:3000` leads nowhere once 3000 is a route: each is told of.
    pub(super) fn lost_addresses(&mut self, services: &Map, routed: &Routed) {
        if routed.is_empty() {
            return;
        }
        let mut found: Vec<(Place, String, String, Option<String>)> = Vec::new();
        for (service, field) in services {
            let of = |key: &str| field.item.as_map().and_then(|map| map.get(key));
            let path = format!("services.{service}");
            let environment = of("environment");
            let own = environment.and_then(|field| field.item.as_map());
            for (key, field) in own.into_iter().flatten() {
                let Some(scalar) = field.item.as_scalar() else {
                    continue;
                };
                let setting = scalar.template.as_deref().and_then(setting_of);
                let setting = setting.map(str::to_owned);
                let path = format!("{path}.environment.{key}");
                found.push((field.at, path, scalar.text.clone(), setting));
            }
            let Some(file) = of("env_file") else {
                continue;
            };
            let env = self.names.get(service).and_then(|name| self.env_of(name));
            for (key, EnvValue(value)) in env.into_iter().flatten() {
                if own.is_some_and(|own| own.contains_key(key.as_str())) {
                    continue;
                }
                let setting = setting_of(value).map(str::to_owned);
                let default = setting.as_deref().and_then(|name| {
                    let setting = self.loader_env.settings.all.get(name)?;
                    setting.default.clone()
                });
                let text = default.unwrap_or_else(|| value.clone());
                found.push((file.at, format!("{path}.env_file.{key}"), text, setting));
            }
        }
        for (at, path, text, setting) in found {
            let hit = local_ports(&text).find_map(|(address, port)| {
                let name = routed.get(&port)?;
                Some((address.to_owned(), port, name.clone()))
            });
            let Some((address, port, name)) = hit else {
                continue;
            };
            let change = match setting {
                Some(setting) => format!("Give {setting} the address"),
                None => "Write the address".to_owned(),
            };
            let inside = self.inside_address(&name);
            self.told.advised(
                at,
                &path,
                format!("It holds {address}, and the machine's port {port} leads nowhere now: {name} is reached by its route."),
                format!("{change} that `pluvio route` shows, where people's browsers open it. Components reach {name} at {inside}, `${{{name}.url}}` in app.yaml. Or keep the machine's port, as the row of `ports` says."),
            );
        }
    }

    /// The variables of a component, or of what became a container beside one.
    fn env_of(&self, name: &Name) -> Option<&IndexMap<EnvName, EnvValue>> {
        match self.spec.components.get(name) {
            Some(component) => Some(&component.env),
            None => {
                let mut all = self.spec.components.values();
                let beside = all.find_map(|component| component.sidecars.get(name))?;
                Some(&beside.env)
            }
        }
    }

    fn inside_address(&self, name: &Name) -> String {
        let component = self.spec.components.get(name);
        let port = component.and_then(|component| component.ports.get("http"));
        match port {
            Some(port) => format!("http://{name}:{}", port.port),
            None => format!("http://{name}"),
        }
    }
}

/// The setting that a value is, and nothing else.
fn setting_of(template: &str) -> Option<&str> {
    let name = template.strip_prefix("${settings.")?.strip_suffix('}')?;
    (!name.contains(['$', '{', '}'])).then_some(name)
}

/// The addresses of the machine itself that a text holds, and their ports.
fn local_ports(text: &str) -> impl Iterator<Item = (&str, u16)> {
    text.match_indices("http").filter_map(move |(start, _)| {
        let address = &text[start..];
        let (rest, usual) = match address.strip_prefix("https://") {
            Some(rest) => (rest, 443),
            None => (address.strip_prefix("http://")?, 80),
        };
        let rest = rest
            .strip_prefix("localhost")
            .or_else(|| rest.strip_prefix("127.0.0.1"))?;
        let (digits, behind) = match rest.strip_prefix(':') {
            Some(rest) => {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                rest.split_at(digits)
            }
            None => ("", rest),
        };
        let in_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if behind.starts_with(in_name) {
            return None;
        }
        let port = match digits {
            "" => usual,
            digits => digits.parse().ok()?,
        };
        let length = address.len() - behind.len();
        Some((&address[..length], port))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_machine_have_ports() {
        for (text, want) in [
            (
                "http://localhost:3000/x",
                vec![("http://localhost:3000", 3000)],
            ),
            (
                "a,https://127.0.0.1 http://localhost",
                vec![("https://127.0.0.1", 443), ("http://localhost", 80)],
            ),
            (
                "http://localhost.test:1 http://localhosts http://web:3",
                vec![],
            ),
            ("localhost:3000 https http://localhost:99999", vec![]),
        ] {
            assert_eq!(local_ports(text).collect::<Vec<_>>(), want, "{text}");
        }
    }
}
