//! The one place where references are rendered: `${X}`, `${secrets.K}`, `${settings.K}`, `${db.url}`.
//!
//! A component's environment is put together first (what it uses exports, its groups, its own), then rendered in one pass;
//! what a reference yields is never read again. Secrets stay references in the result.

use std::collections::HashMap;

use indexmap::IndexMap;
use pluvio_model::facts::DecideFacts;
use pluvio_model::interpolate::{self, Otherwise, Piece};
use pluvio_model::name::{EnvName, Name};
use pluvio_model::problem::{
    Code, Problem, SECRET_MISSING, SETTING_MISSING, SPEC_CONFLICT, SPEC_INVALID, SPEC_TOO_LARGE,
    SPEC_UNKNOWN_REFERENCE,
};
use pluvio_model::spec::{AppSpec, BuildSpec, BuilderChoice, ComponentSpec, Use};
use pluvio_model::template::{Part, Rendered, SecretRef};

use super::ports::{self, Ports};

/// The longest value after rendering, in bytes: variables that repeat variables grow without bound.
const LONGEST: usize = 1 << 20;

/// A variable as it was written, and where.
#[derive(Debug, Clone)]
struct Variable {
    text: String,
    /// In whose environment its own references are read.
    context: Name,
    /// `the export of db`, for people.
    from: String,
    path: String,
    /// Its own component says it: what others bring of that name does not count.
    own: bool,
}

pub(super) struct Environments<'a> {
    spec: &'a AppSpec,
    facts: &'a DecideFacts,
    ports: &'a IndexMap<Name, Ports>,
    of: IndexMap<Name, IndexMap<EnvName, Variable>>,
    rendered: HashMap<(Name, EnvName), Rendered>,
    /// What is being rendered right now, the outermost first.
    trail: Vec<(Name, EnvName)>,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Environments<'a> {
    pub(super) fn new(
        spec: &'a AppSpec,
        facts: &'a DecideFacts,
        ports: &'a IndexMap<Name, Ports>,
    ) -> Environments<'a> {
        let mut all = Environments {
            spec,
            facts,
            ports,
            of: IndexMap::new(),
            rendered: HashMap::new(),
            trail: Vec::new(),
            problems: Vec::new(),
        };
        for name in spec.components.keys() {
            let environment = all.assemble(name);
            all.of.insert(name.clone(), environment);
        }
        all
    }

    /// The component's whole environment.
    pub(super) fn render_all(&mut self, component: &Name) -> IndexMap<EnvName, Rendered> {
        let names: Vec<EnvName> = match self.of.get(component) {
            Some(variables) => variables.keys().cloned().collect(),
            None => Vec::new(),
        };
        names
            .into_iter()
            .map(|name| {
                let value = self.variable(component, &name).unwrap_or_default();
                (name, value)
            })
            .collect()
    }

    /// The same, where a component has these variables instead of its own of those names: for what is beside it.
    pub(super) fn with(
        &self,
        component: &Name,
        values: &IndexMap<EnvName, Rendered>,
    ) -> Environments<'a> {
        let mut beside = Environments {
            spec: self.spec,
            facts: self.facts,
            ports: self.ports,
            of: self.of.clone(),
            rendered: self.rendered.clone(),
            trail: Vec::new(),
            problems: Vec::new(),
        };
        for (name, value) in values {
            let key = (component.clone(), name.clone());
            beside.rendered.insert(key, value.clone());
        }
        beside
    }

    /// A text in which references are read in the component's environment. `path` is where the text stands.
    pub(super) fn render(&mut self, component: &Name, text: &str, path: &str) -> Rendered {
        match interpolate::parse(text) {
            Ok(pieces) => {
                let mut out = Rendered::default();
                self.pieces(component, &pieces, path, &mut out);
                out
            }
            Err(invalid) => {
                let cause = format!("{invalid}.");
                self.problems
                    .push(SPEC_INVALID.problem(cause, invalid.advice()).path(path));
                Rendered::default()
            }
        }
    }

    fn assemble(&mut self, name: &Name) -> IndexMap<EnvName, Variable> {
        let component = &self.spec.components[name];
        let mut environment: IndexMap<EnvName, Variable> = IndexMap::new();
        if is_told_its_port(component)
            && let Some((_, port)) = self.ports.get(name).and_then(ports::first_http)
        {
            let variable = Variable {
                text: port.port.to_string(),
                context: name.clone(),
                from: "the first HTTP port".to_owned(),
                path: format!("components.{name}.ports"),
                own: false,
            };
            environment.insert("PORT".parse().expect("a variable's name"), variable);
        }
        // Own variables first, in their order; what others bring follows.
        for (key, value) in &component.env {
            let variable = Variable {
                text: value.0.clone(),
                context: name.clone(),
                from: "its own".to_owned(),
                path: format!("components.{name}.env.{key}"),
                own: true,
            };
            environment.insert(key.clone(), variable);
        }
        for (index, group) in component.groups.iter().enumerate() {
            let path = format!("components.{name}.groups.{index}");
            let Some(found) = self.spec.groups.get(group) else {
                let known: Vec<&str> = self.spec.groups.keys().map(|name| name.as_str()).collect();
                let remedy = match known.is_empty() {
                    true => "Declare it under `groups`.".to_owned(),
                    false => format!("The groups are: {}.", known.join(", ")),
                };
                let cause = format!("{name} takes the group {group}, and there is no such group.");
                self.refuse(SPEC_UNKNOWN_REFERENCE, cause, remedy, &path);
                continue;
            };
            for (key, value) in &found.env {
                let variable = Variable {
                    text: value.0.clone(),
                    context: name.clone(),
                    from: format!("the group {group}"),
                    path: format!("groups.{group}.env.{key}"),
                    own: false,
                };
                self.bring(&mut environment, name, key.clone(), variable, &path);
            }
        }
        for (index, used) in component.uses.iter().enumerate() {
            let path = format!("components.{name}.uses.{index}");
            let Some(other) = self.spec.components.get(used.component()) else {
                continue; // told by `order`
            };
            let prefix = match used {
                Use::As(named) => named.prefix.as_ref(),
                Use::Component(_) => None,
            };
            for (key, value) in &other.exports {
                let brought = match prefix {
                    Some(prefix) => format!("{prefix}_{key}")
                        .parse()
                        .unwrap_or_else(|_| key.clone()),
                    None => key.clone(),
                };
                let variable = Variable {
                    text: value.0.clone(),
                    context: used.component().clone(),
                    from: format!("the export of {}", used.component()),
                    path: format!("components.{}.exports.{key}", used.component()),
                    own: false,
                };
                self.bring(&mut environment, name, brought, variable, &path);
            }
        }
        environment
    }

    /// Adds what someone else brings. Its own variable of that name wins; two others are a conflict.
    fn bring(
        &mut self,
        environment: &mut IndexMap<EnvName, Variable>,
        component: &Name,
        key: EnvName,
        variable: Variable,
        path: &str,
    ) {
        let injected_port = |held: &Variable| held.path.ends_with(".ports");
        match environment.get(&key) {
            Some(held) if held.own => {}
            Some(held) if !injected_port(held) => {
                let cause = format!(
                    "{component} gets {key} twice: from {} and from {}.",
                    held.from, variable.from
                );
                let remedy = format!(
                    "Give one of them a prefix (`uses: [{{ component: …, as: PREFIX }}]`), or set {key} in the component's own `env`."
                );
                self.refuse(SPEC_CONFLICT, cause, remedy, path);
            }
            _ => {
                environment.insert(key, variable);
            }
        }
    }

    fn refuse(
        &mut self,
        code: Code,
        cause: impl Into<String>,
        remedy: impl Into<String>,
        path: &str,
    ) {
        self.problems.push(code.problem(cause, remedy).path(path));
    }

    /// The value of a variable of a component; `None` if it has none of that name.
    fn variable(&mut self, component: &Name, name: &EnvName) -> Option<Rendered> {
        let key = (component.clone(), name.clone());
        if let Some(rendered) = self.rendered.get(&key) {
            return Some(rendered.clone());
        }
        let variable = self.of.get(component)?.get(name)?.clone();
        if let Some(at) = self.trail.iter().position(|outer| *outer == key) {
            let circle: Vec<String> = self.trail[at..]
                .iter()
                .chain([&key])
                .map(|(component, name)| format!("{name} of {component}"))
                .collect();
            let cause = format!(
                "Variables need each other in a circle: {}.",
                circle.join(" → ")
            );
            self.refuse(
                SPEC_CONFLICT,
                cause,
                "Write one of them out.",
                &variable.path,
            );
            return Some(Rendered::default());
        }
        self.trail.push(key.clone());
        let rendered = self.render(&variable.context, &variable.text, &variable.path);
        self.trail.pop();
        self.rendered.insert(key, rendered.clone());
        Some(rendered)
    }

    fn pieces(&mut self, component: &Name, pieces: &[Piece], path: &str, out: &mut Rendered) {
        for piece in pieces {
            let rendered = self.piece(component, piece, path);
            let length: usize = out.0.iter().chain(&rendered.0).map(length).sum();
            if length > LONGEST {
                let cause = "The value is longer than 1 MiB once its references are put in.";
                self.refuse(
                    SPEC_TOO_LARGE,
                    cause,
                    "Put it into a volume or the image.",
                    path,
                );
                return;
            }
            for part in rendered.0 {
                match (out.0.last_mut(), part) {
                    (Some(Part::Text(before)), Part::Text(text)) => before.push_str(&text),
                    (_, part) => out.0.push(part),
                }
            }
        }
    }

    fn piece(&mut self, component: &Name, piece: &Piece, path: &str) -> Rendered {
        match piece {
            Piece::Text(text) => Rendered::text(text.clone()),
            Piece::Secret(name) => self.secret(name, path),
            Piece::Setting(name) => self.setting(name, path),
            Piece::Export {
                component: other,
                export,
            } => self.export(component, other, export, path),
            Piece::Variable { name, otherwise } => {
                let value = self.variable(component, name);
                match (value, otherwise) {
                    (Some(value), Otherwise::Default(default)) if is_empty(&value) => {
                        self.default(component, default, path)
                    }
                    (Some(value), Otherwise::Message(message)) if is_empty(&value) => {
                        self.unset(component, name, Some(message), path)
                    }
                    (Some(value), _) => value,
                    (None, Otherwise::Default(default)) => self.default(component, default, path),
                    (None, Otherwise::Message(message)) => {
                        self.unset(component, name, Some(message), path)
                    }
                    (None, Otherwise::Refuse) => self.unset(component, name, None, path),
                }
            }
        }
    }

    fn default(&mut self, component: &Name, pieces: &[Piece], path: &str) -> Rendered {
        let mut out = Rendered::default();
        self.pieces(component, pieces, path, &mut out);
        out
    }

    fn unset(
        &mut self,
        component: &Name,
        name: &EnvName,
        message: Option<&String>,
        path: &str,
    ) -> Rendered {
        let cause = match message.filter(|message| !message.is_empty()) {
            Some(message) => format!("{name} of {component} is not set: {message}."),
            None => format!("{name} of {component} is not set, and has no default."),
        };
        let remedy = format!(
            "Set it under `components.{component}.env`, or write ${{{name}:-default}}; for a dollar that means nothing write $$."
        );
        self.refuse(SETTING_MISSING, cause, remedy, path);
        Rendered::default()
    }

    fn secret(&mut self, name: &EnvName, path: &str) -> Rendered {
        if let Some(version) = self.facts.secrets.get(name) {
            return Rendered(vec![Part::Secret(SecretRef {
                name: name.clone(),
                version: *version,
            })]);
        }
        let told = self
            .spec
            .secrets
            .get(name)
            .and_then(|secret| secret.message.as_deref());
        let told = told
            .map(|message| format!(" {message}"))
            .unwrap_or_default();
        let cause = format!("The secret {name} has no value.{told}");
        let remedy = format!(
            "Set it with `pluvio secret set {name}`, or let it be made: `secrets: {{ {name}: {{ generate: true }} }}`."
        );
        self.refuse(SECRET_MISSING, cause, remedy, path);
        Rendered::default()
    }

    fn setting(&mut self, name: &EnvName, path: &str) -> Rendered {
        let declared = self.spec.settings.get(name);
        let value = self.facts.settings.get(name);
        let value = value.or_else(|| declared.and_then(|setting| setting.default.as_ref()));
        match (value, declared) {
            (Some(value), _) => Rendered::text(value.clone()),
            (None, Some(setting)) => {
                let told = setting
                    .message
                    .as_ref()
                    .map(|m| format!(" {m}"))
                    .unwrap_or_default();
                let cause = format!("The setting {name} has no value and no default.{told}");
                let remedy = format!("Give it one: `settings: {{ {name}: {{ default: … }} }}`.");
                self.refuse(SETTING_MISSING, cause, remedy, path);
                Rendered::default()
            }
            (None, None) => {
                let cause = format!("There is no setting {name}.");
                let remedy = "Declare it under `settings`.";
                self.refuse(SPEC_UNKNOWN_REFERENCE, cause, remedy, path);
                Rendered::default()
            }
        }
    }

    /// A declared export, else one that every component has: `host`, `port`, `url`.
    fn export(&mut self, by: &Name, other: &Name, export: &EnvName, path: &str) -> Rendered {
        let Some(component) = self.spec.components.get(other) else {
            let names: Vec<&str> = self
                .spec
                .components
                .keys()
                .map(|name| name.as_str())
                .collect();
            let cause = format!("{by} reads {export} of {other}, and there is no such component.");
            let remedy = format!("The components are: {}.", names.join(", "));
            self.refuse(SPEC_UNKNOWN_REFERENCE, cause, remedy, path);
            return Rendered::default();
        };
        let long = component
            .database()
            .and_then(|database| database.long_name(export.as_str()));
        let export = long.as_ref().unwrap_or(export);
        if let Some(value) = component.exports.get(export) {
            // Exports share the trail with variables; the dot keeps their names apart.
            let key = (
                other.clone(),
                format!("exports.{export}")
                    .parse()
                    .unwrap_or(export.clone()),
            );
            if self.trail.contains(&key) {
                let cause = format!("The export {export} of {other} needs itself.");
                self.refuse(SPEC_CONFLICT, cause, "Write it out.", path);
                return Rendered::default();
            }
            self.trail.push(key);
            let path = format!("components.{other}.exports.{export}");
            let rendered = self.render(other, &value.0, &path);
            self.trail.pop();
            return rendered;
        }
        let port = self
            .ports
            .get(other)
            .and_then(ports::first_tcp)
            .map(|(_, port)| port);
        match (export.as_str(), port) {
            ("host", _) => Rendered::text(other.as_str()),
            ("port", Some(port)) => Rendered::text(port.port.to_string()),
            ("url", Some(port)) => {
                let scheme = if ports::is_http(port.protocol) {
                    "http"
                } else {
                    "tcp"
                };
                Rendered::text(format!("{scheme}://{other}:{}", port.port))
            }
            _ => {
                let mut known: Vec<&str> =
                    component.exports.keys().map(|key| key.as_str()).collect();
                known.push("host");
                if port.is_some() {
                    known.extend(["port", "url"]);
                }
                let cause = format!("{other} exports no {export}.");
                let remedy = format!(
                    "It has: {}. Declare more under `components.{other}.exports`.",
                    known.join(", ")
                );
                self.refuse(SPEC_UNKNOWN_REFERENCE, cause, remedy, path);
                Rendered::default()
            }
        }
    }
}

/// Somebody else's file (`imagePorts`) describes containers that no one gives `PORT`: to some, odoo for one, it means the port of
/// another. What is made from source without a Dockerfile is started by a builder of ours, and asks for it.
fn is_told_its_port(component: &ComponentSpec) -> bool {
    let is_ours = |build: &BuildSpec| build.builder != BuilderChoice::Dockerfile;
    let built = component.source.is_some() && component.build.as_ref().is_none_or(is_ours);
    !component.image_ports || built
}

fn is_empty(value: &Rendered) -> bool {
    value
        .0
        .iter()
        .all(|part| matches!(part, Part::Text(text) if text.is_empty()))
}

fn length(part: &Part) -> usize {
    match part {
        Part::Text(text) => text.len(),
        Part::Secret(_) => 1,
    }
}
