//! `env` of `app.json`.

use pluvio_model::interpolate::escape;
use pluvio_model::name::EnvName;
use pluvio_model::problem;
use pluvio_model::spec::{EnvValue, SecretSpec, SettingSpec};

use super::{Reader, place};
use crate::compose::item::Place;
use crate::yaml::{Node, Resolved, Value};

impl Reader<'_> {
    pub(super) fn variables(&mut self, node: &Node, at: Place) {
        if !matches!(node.value, Value::Map(_)) {
            let remedy = "Write { \"NAME\": \"value\" }.";
            self.told.invalid(at, "env", "`env` is not a map.", remedy);
            return;
        }
        for entry in node.entries() {
            let (at, path) = (place(entry.key_at), format!("env.{}", entry.key));
            match entry.key.parse::<EnvName>() {
                Ok(name) => self.one(name, &entry.value, at, &path),
                Err(_) => self.told.refused(
                    at,
                    &path,
                    format!("`{}` is not a name of a variable.", entry.key),
                    "Write letters, digits and _.",
                ),
            }
        }
    }

    fn one(&mut self, name: EnvName, node: &Node, at: Place, path: &str) {
        let text = |key: &str| node.get(key).and_then(Node::as_text).map(str::to_owned);
        let value = match &node.value {
            Value::Scalar { text, is } => (!matches!(is, Resolved::Null)).then(|| text.clone()),
            _ => text("value"),
        };
        let mut required = true;
        for entry in node.entries() {
            let (at, inner) = (place(entry.key_at), format!("{path}.{}", entry.key));
            match (entry.key.as_str(), &entry.value.value) {
                ("value" | "description" | "generator", _) => {}
                (
                    "required",
                    Value::Scalar {
                        is: Resolved::Bool(is),
                        ..
                    },
                ) => required = *is,
                ("required", Value::Scalar { text, .. }) if text == "true" => required = true,
                ("required", Value::Scalar { text, .. }) if text == "false" => required = false,
                ("required", _) => {
                    self.told.invalid(
                        at,
                        &inner,
                        "It is neither true nor false.",
                        "Write true or false.",
                    );
                }
                _ => {
                    let known = ["value", "description", "required", "generator"];
                    self.unknown(entry, &inner, &known);
                }
            }
        }
        let message = text("description").filter(|text| !text.trim().is_empty());
        let given = self
            .given
            .iter()
            .rev()
            .find(|(key, _)| *key == name.as_str());
        if let Some((_, value)) = given {
            self.setting(name, value.clone(), message);
            return;
        }
        match text("generator").as_deref() {
            Some("secret") => {
                self.told.adapted(
                    at,
                    path,
                    "It is made once, at the first deploy, and kept: 64 letters and digits.",
                );
                let spec = SecretSpec {
                    generate: true,
                    length: Some(64),
                    message,
                };
                self.env
                    .insert(name.clone(), EnvValue(format!("${{secrets.{name}}}")));
                self.import.spec.secrets.insert(name, spec);
                return;
            }
            Some(other) => self.told.refused(
                at,
                path,
                format!("There is no generator `{other}`."),
                "Write \"generator\": \"secret\", or a value.",
            ),
            None => {}
        }
        if let (Some(entry), true) = (node.entry("required"), value.is_some()) {
            self.told.ignored(
                place(entry.key_at),
                &format!("{path}.required"),
                "It has a value.",
            );
        }
        match value {
            Some(value) => self.setting(name, value, message),
            // heroku.yml gives it.
            None if self.env.contains_key(&name) => {}
            None if required => {
                let said = message.map_or_else(String::new, |said| {
                    format!(": {}", said.trim_end_matches('.'))
                });
                self.told.error(
                    problem::SETTING_MISSING,
                    at,
                    path,
                    format!("app.json asks for {name}, and nothing is given{said}."),
                    format!("Give it: `--env {name}=…`; or let it be absent: \"required\": false."),
                );
            }
            None => self.told.ignored(
                at,
                path,
                "It has no value and is not required: it is left out.",
            ),
        }
    }

    pub(super) fn setting(&mut self, name: EnvName, value: String, message: Option<String>) {
        // An empty default is a value, too.
        if value.is_empty() {
            self.env.insert(name, EnvValue(escape(&value)));
            return;
        }
        self.env
            .insert(name.clone(), EnvValue(format!("${{settings.{name}}}")));
        let spec = SettingSpec {
            default: Some(value),
            required: false,
            message,
        };
        self.import.spec.settings.insert(name, spec);
    }
}
