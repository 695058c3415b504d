//! Dokploy's templates: a `template.toml` beside a compose file, or both pasted as one text.
//!
//! The compose file goes the way of every compose file, and the template is what lies around it: its variables and
//! `[config.env]` are the `.env`, random ones generated secrets; `[[config.domains]]` HTTP ports and routes;
//! `[[config.mounts]]` the files below `../files`.

mod around;
mod config;
mod expand;
mod finish;
mod tree;

use pluvio_model::name::Name;
use pluvio_model::spec::SecretSpec;

use crate::compose::interpolate::Made;
use crate::compose::item::{Place, Told};
use crate::compose::load::{Loader, Variables};
use crate::compose::{Import, Surroundings, of_template};
use crate::yaml::{Entry, Limits, Node, Position, Value};
use around::Around;
use config::Domain;

/// The file beside a compose file.
pub const FILE: &str = "template.toml";

/// A template: its compose file and what is said of it.
#[derive(Debug, Clone, Copy)]
pub struct Template<'t> {
    pub compose: &'t str,
    pub compose_file: &'t str,
    pub config: &'t str,
    pub config_file: &'t str,
}

/// Whether a text is the TOML of such a template.
pub fn is_template(text: &str) -> bool {
    text.lines().map(str::trim).any(|line| {
        line == "[variables]" || line.starts_with("[config") || line.starts_with("[[config.")
    })
}

/// The compose file and the TOML of a template that is handed around as one text: base64 of `{ compose, config }`.
pub fn pasted(text: &str) -> Option<(String, String)> {
    let text = text.trim();
    if text.len() < 16 || text.len() > 4 << 20 {
        return None;
    }
    let json: serde_json::Value = serde_json::from_slice(&base64(text)?).ok()?;
    let part = |key: &str| json.get(key).and_then(serde_json::Value::as_str);
    Some((part("compose")?.to_owned(), part("config")?.to_owned()))
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut held, mut bits) = (0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'\n' | b'\r' => continue,
            _ => return None,
        };
        held = held << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}

/// Stands for a generated host until the components are known.
fn stand_in(number: usize) -> String {
    format!("host-{number}-of-template.invalid")
}

/// In the second file, which is the template.
fn place(at: Position) -> Place {
    Place {
        file: 1,
        line: at.line,
        column: at.column,
    }
}

/// Reads a template. `given` are values for its variables and its environment.
pub fn read(
    template: Template,
    name: Option<&Name>,
    fallback: Option<&Name>,
    given: &[(String, String)],
    around: &dyn Surroundings,
) -> Import {
    let app = name
        .or(fallback)
        .cloned()
        .unwrap_or_else(|| "app".parse().expect("a name"));
    let mut import = Import::empty(app.clone());
    let mut told = Told {
        files: vec![
            template.compose_file.to_owned(),
            template.config_file.to_owned(),
        ],
        ..Told::default()
    };
    let root = match tree::read(template.config, template.config_file) {
        Ok((root, slips)) => {
            for slip in slips {
                told.adapted(place(slip.at), "", slip.message);
            }
            root
        }
        Err(problem) => {
            import.errors = vec![problem];
            return import;
        }
    };
    let Some(config) = config::config(&root, app.as_str(), given, &mut told) else {
        import.errors = told.errors;
        return import;
    };
    let files = Around::new(around, &config);
    let mut loader = Loader::new(&files);
    loader.told = told;
    loader.lenient = true;
    let limits = Limits {
        compose: true,
        ..Limits::default()
    };
    let text = template.compose;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut document = match loader.read_forgiving(text, &limits) {
        Ok(document) => document,
        Err(problems) => {
            import.errors = problems
                .into_iter()
                .map(|mut problem| {
                    problem.at.get_or_insert_default().file =
                        Some(template.compose_file.to_owned());
                    problem
                })
                .collect();
            return import;
        }
    };
    without_own_network(&mut document, &mut loader.told);
    for domain in &config.domains {
        reach(&mut document, domain, &mut loader.told);
    }
    let made = |asked: &str| -> Option<Made> {
        let (pieces, _) = config.env.get(asked)?;
        pieces.plain().is_none().then(|| Made {
            text: format!("${{{asked}}}"),
            template: pieces.template(),
            plain: false,
            setting: false,
        })
    };
    loader.dialect = Some(&made);
    let rule = |asked: &str| secret_spec(config.secrets.get(asked).copied());
    loader.secret_rule = Some(&rule);
    let mut variables = Variables::default();
    for (key, value) in [
        ("APP_NAME", app.as_str()),
        ("COMPOSE_PROJECT_NAME", app.as_str()),
    ] {
        variables.0.insert(key.to_owned(), value.to_owned());
    }
    for (key, (pieces, _)) in &config.env {
        if let Some(text) = pieces.plain() {
            variables.0.insert(key.clone(), text);
        }
    }
    for (key, value) in given {
        variables.0.insert(key.clone(), value.clone());
    }
    let mut import = match of_template(document, template.compose_file, app, &variables, loader) {
        Ok(import) => import,
        Err(errors) => return Import { errors, ..import },
    };
    finish::tell_unused(&config, template, &files, &mut import);
    finish::files_with_secrets(&config, &mut import);
    finish::routes(&config, &mut import);
    import.why = vec![format!(
        "{} beside {} makes it a template of Dokploy.",
        template.config_file, template.compose_file
    )];
    import
}

fn secret_spec(known: Option<Option<u16>>) -> SecretSpec {
    let length = known.unwrap_or(Some(32));
    SecretSpec {
        generate: length.is_some(),
        length,
        message: None,
    }
}

/// Dokploy's own network leads its proxy to the containers; the gateway does that here.
fn without_own_network(document: &mut Node, told: &mut Told) {
    const OWN: &str = "dokploy-network";
    const WHY: &str =
        "The network of Dokploy's proxy: here the gateway reaches the components that have routes.";
    let Value::Map(top) = &mut document.value else {
        return;
    };
    for entry in top.iter_mut() {
        match (entry.key.as_str(), &mut entry.value.value) {
            ("networks", Value::Map(networks)) => networks.retain(|network| {
                let own = network.key == OWN;
                if own {
                    let at = in_compose(network.key_at);
                    told.ignored(at, &format!("networks.{OWN}"), WHY);
                }
                !own
            }),
            ("services", Value::Map(services)) => {
                for service in services {
                    let name = service.key.clone();
                    let Value::Map(fields) = &mut service.value.value else {
                        continue;
                    };
                    for field in fields.iter_mut().filter(|field| field.key == "networks") {
                        let at = in_compose(field.key_at);
                        let mut tell = |own: bool| {
                            if own {
                                told.ignored(at, &format!("services.{name}.networks"), WHY);
                            }
                            !own
                        };
                        match &mut field.value.value {
                            Value::List(items) => {
                                items.retain(|item| tell(item.as_text() == Some(OWN)));
                            }
                            Value::Map(items) => items.retain(|item| tell(item.key == OWN)),
                            _ => {}
                        }
                    }
                    fields.retain(|field| {
                        let empty = matches!(&field.value.value, Value::List(items) if items.is_empty())
                            || matches!(&field.value.value, Value::Map(items) if items.is_empty());
                        !(field.key == "networks" && empty)
                    });
                }
            }
            _ => {}
        }
    }
    top.retain(|entry| {
        !(entry.key == "networks"
            && matches!(&entry.value.value, Value::Map(all) if all.is_empty()))
    });
}

fn in_compose(at: Position) -> Place {
    Place {
        file: 0,
        line: at.line,
        column: at.column,
    }
}

/// The port of a domain as compose has it.
fn reach(document: &mut Node, domain: &Domain, told: &mut Told) {
    let at = place(domain.at);
    let service = document.part_mut(&[
        crate::yaml::Step::Key("services".to_owned()),
        crate::yaml::Step::Key(domain.service.clone()),
    ]);
    let Some(Value::Map(fields)) = service.map(|service| &mut service.value) else {
        told.refused(
            at,
            "config.domains",
            format!(
                "There is no service `{}` that the domain could lead to.",
                domain.service
            ),
            "Name a service of the compose file.",
        );
        return;
    };
    told.adapted(
        at,
        "config.domains",
        format!(
            "Port {} of {} is reached through the gateway{}.",
            domain.port,
            domain.service,
            domain
                .path
                .as_ref()
                .map_or_else(String::new, |path| format!(", at {path}")),
        ),
    );
    let entry = |key: &str, text: String| Entry {
        key: key.to_owned(),
        key_at: Position::default(),
        value: Node::text(Position::default(), text),
    };
    let long = Node::map(
        Position::default(),
        vec![
            entry("target", domain.port.to_string()),
            entry("app_protocol", "http".to_owned()),
        ],
    );
    match fields
        .iter_mut()
        .find(|field| field.key == "ports")
        .map(|field| &mut field.value.value)
    {
        Some(Value::List(items)) if items.contains(&long) => {}
        Some(Value::List(items)) => items.insert(0, long),
        _ => {
            fields.retain(|field| field.key != "ports");
            fields.push(Entry {
                key: "ports".to_owned(),
                key_at: Position::default(),
                value: Node {
                    at: Position::default(),
                    value: Value::List(vec![long]),
                },
            });
        }
    }
}

#[cfg(test)]
mod tests;
