//! What Coolify's templates have beyond compose: values that are made for the application, and addresses that declare routes.
//!
//! | variable | becomes |
//! | --- | --- |
//! | `SERVICE_URL_ID[_PORT]`, `SERVICE_FQDN_ID[_PORT]` | a setting with the address of the component; alone in `environment`, a route to that port |
//! | `SERVICE_PASSWORD_ID`, `_USER_`, `_BASE64_` … | a generated secret |
//! | `SERVICE_NAME_ID` | the service's name |

use pluvio_model::name::{EnvName, Name};
use pluvio_model::spec::{AppSpec, Kind, SecretSpec};

use super::interpolate::Made;
use super::load::Dialect;

/// Whether a text is such a template.
pub(crate) fn is_template(text: &str) -> bool {
    // What each of its files begins with, whether it has such variables or not.
    let header = |key: &str| text.lines().take(12).any(|line| line.starts_with(key));
    let headed = header("# documentation:") && header("# slogan:");
    headed
        || [
            "SERVICE_URL_",
            "SERVICE_FQDN_",
            "SERVICE_PASSWORD_",
            "SERVICE_USER_",
            "SERVICE_BASE64_",
        ]
        .iter()
        .any(|magic| text.contains(magic))
}

/// The port of the header, `# port: 3000`.
pub(crate) fn header_port(text: &str) -> Option<u16> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix('#'))
        .find_map(|line| line.trim().strip_prefix("port:"))
        .and_then(|port| port.trim().parse().ok())
}

/// The longest known kind counts, since an id may hold underscores, too. With the length of what is made.
const KINDS: [(&str, u16); 22] = [
    ("PASSWORDWITHSYMBOLS_64", 64),
    ("PASSWORDWITHSYMBOLS", 32),
    ("PASSWORD_64", 64),
    ("PASSWORD", 32),
    ("LOWERCASEUSER", 16),
    ("USER", 16),
    ("REALBASE64_128", 128),
    ("REALBASE64_64", 64),
    ("REALBASE64_32", 32),
    ("REALBASE64", 32),
    ("BASE64_128", 128),
    ("BASE64_64", 64),
    ("BASE64_32", 32),
    ("BASE64", 32),
    ("HEX_128", 128),
    ("HEX_64", 64),
    ("HEX_32", 32),
    ("HEX", 32),
    ("JWT", 64),
    ("SUPABASEANON", 0),
    ("SUPABASESERVICE", 0),
    ("KEY", 32),
];

fn kind(name: &str) -> Option<(&'static str, u16)> {
    let rest = name.strip_prefix("SERVICE_")?;
    KINDS.into_iter().find(|(kind, _)| {
        rest.strip_prefix(kind)
            .is_some_and(|id| id.starts_with('_') || id.is_empty())
    })
}

/// What stands for a variable of the dialect.
pub(crate) fn made(name: &str) -> Option<Made> {
    let rest = name.strip_prefix("SERVICE_")?;
    for (start, scheme) in [("URL_", "http://"), ("FQDN_", "")] {
        if let Some(id) = rest.strip_prefix(start) {
            let (id, _) = port_of(id);
            return Some(Made {
                text: format!("{scheme}{}.localhost", slug(id)),
                template: String::new(),
                plain: true,
                setting: true,
            });
        }
    }
    if let Some(service) = rest.strip_prefix("NAME_") {
        let text = service.to_ascii_lowercase().replace('_', "-");
        return Some(Made {
            template: text.clone(),
            text,
            plain: true,
            setting: false,
        });
    }
    kind(name)?;
    Some(Made {
        text: format!("${{{name}}}"),
        template: format!("${{secrets.{name}}}"),
        plain: false,
        setting: false,
    })
}

/// `GRAFANA_3000` is the id GRAFANA and the port 3000.
fn port_of(id: &str) -> (&str, Option<u16>) {
    match id.rsplit_once('_') {
        Some((before, digits))
            if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) =>
        {
            (before, digits.parse().ok())
        }
        _ => (id, None),
    }
}

fn slug(id: &str) -> String {
    id.to_ascii_lowercase().replace(['_', '.'], "-")
}

/// Whether a variable's name declares a route, and to which port.
pub(crate) fn route(name: &str) -> Option<Option<u16>> {
    let rest = name.strip_prefix("SERVICE_")?;
    let id = rest
        .strip_prefix("URL_")
        .or_else(|| rest.strip_prefix("FQDN_"))?;
    Some(port_of(id).1)
}

/// How a secret of the dialect is made.
pub(crate) fn secret(name: &str) -> SecretSpec {
    let length = kind(name).map_or(32, |(_, length)| length);
    SecretSpec {
        generate: length > 0,
        length: (length > 0).then_some(length),
        message: None,
    }
}

/// Gives settings their addresses.
pub(crate) fn finish(spec: &mut AppSpec) {
    let addresses: Vec<(EnvName, String)> = spec
        .settings
        .keys()
        .filter_map(|name| {
            let rest = name.as_str().strip_prefix("SERVICE_")?;
            let (scheme, port, id) = match rest.strip_prefix("URL_") {
                Some(id) => ("http://", ":8080", id),
                None => ("", "", rest.strip_prefix("FQDN_")?),
            };
            let host = host(spec, port_of(id).0);
            Some((name.clone(), format!("{scheme}{host}{port}")))
        })
        .collect();
    for (name, address) in addresses {
        if let Some(setting) = spec.settings.get_mut(&name) {
            setting.default = Some(address);
            setting.message = Some("The address that people use.".to_owned());
        }
    }
}

/// The default host of the component that an id means, as the gateway gives it.
pub(crate) fn host(spec: &AppSpec, id: &str) -> String {
    let wanted = slug(id);
    let routed: Vec<&Name> = spec
        .components
        .iter()
        .filter(|(_, component)| {
            matches!(
                component.kind,
                Kind::Service | Kind::Stateful | Kind::Daemon
            ) && component
                .routes
                .as_ref()
                .is_none_or(|routes| !routes.is_empty())
        })
        .map(|(name, _)| name)
        .collect();
    let own = routed.iter().find(|name| name.as_str() == wanted);
    let main = routed.len() == 1
        || own.is_none_or(|name| spec.components[*name].routes.is_some() || name.as_str() == "web");
    match own {
        Some(name) if !main => format!("{name}--{}.localhost", spec.name),
        _ => format!("{}.localhost", spec.name),
    }
}

/// A command that holds made values: the container's shell puts them in from its environment, which they are given for.
pub(crate) fn in_shell(words: &[String], dialect: Dialect) -> Option<(Vec<String>, Vec<Made>)> {
    let mut found = Vec::new();
    for word in words {
        found.extend(made_in(word, dialect));
    }
    if found.is_empty() {
        return None;
    }
    let line: Vec<String> = words
        .iter()
        .map(|word| {
            let made = made_in(word, dialect);
            if made.is_empty() {
                return format!("'{}'", word.replace('\'', "'\\''"));
            }
            // Only the made ones are the shell's to put in.
            let mut quoted = word
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('`', "\\`")
                .replace('$', "\\$");
            for made in made {
                quoted = quoted.replace(&format!("\\{}", made.text), &made.text);
            }
            format!("\"{quoted}\"")
        })
        .collect();
    let words = vec![
        "sh".to_owned(),
        "-c".to_owned(),
        format!("exec {}", line.join(" ")),
    ];
    Some((words, found))
}

/// The made values in a text that was interpolated, each standing there as the variable that the container gets it as.
pub(crate) fn made_in(text: &str, dialect: Dialect) -> Vec<Made> {
    let Some(dialect) = dialect else {
        return Vec::new();
    };
    text.match_indices("${")
        .filter_map(|(at, _)| {
            let rest = &text[at + 2..];
            let name = &rest[..rest.find('}')?];
            dialect(name).filter(|made| !made.plain && made.text == format!("${{{name}}}"))
        })
        .collect()
}
