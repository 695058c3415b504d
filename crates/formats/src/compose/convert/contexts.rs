//! `build.additional_contexts` and `build.ssh`: what a Dockerfile has beside its context and its secrets.

use indexmap::IndexMap;
use pluvio_model::name::EnvName;
use pluvio_model::problem;
use pluvio_model::spec::{BuildContext, GitSource, SecretSpec};

use super::super::Entry;
use super::super::item::{Place, Taken};
use super::super::rebase::join;
use super::Convert;
use super::build::repository;

/// The secret of a key that the file does not hold: compose takes it from the agent of whoever runs it.
const KEY: &str = "BUILD_SSH_KEY";

impl Convert<'_> {
    /// `fetched`: the source is a repository, so nothing beside the file is at hand.
    pub(super) fn contexts(
        &mut self,
        taken: &Taken,
        fetched: bool,
    ) -> IndexMap<String, BuildContext> {
        let mut contexts = IndexMap::new();
        for (name, field) in taken.item.as_map().into_iter().flatten() {
            let path = format!("{}.{name}", taken.path);
            let text = field.item.as_text().unwrap_or_default().trim();
            if let Some(context) = self.context(text, fetched, field.at, &path) {
                contexts.insert(name.clone(), context);
            }
        }
        contexts
    }

    fn context(
        &mut self,
        text: &str,
        fetched: bool,
        at: Place,
        path: &str,
    ) -> Option<BuildContext> {
        if let Some(service) = text.strip_prefix("service:") {
            let name = self.names.get(service).cloned();
            if name.is_none() {
                self.told.error(
                    problem::SPEC_UNKNOWN_REFERENCE,
                    at,
                    path,
                    format!("There is no service `{service}` to take files from."),
                    "Correct the name, or ask for the profile that it belongs to.",
                );
            }
            return name.map(BuildContext::Component);
        }
        if let Some(address) = repository(text) {
            return Some(BuildContext::Git(GitSource::of(&address)));
        }
        if text.starts_with("docker-image://") {
            let image = text.parse::<BuildContext>();
            if let Err(error) = &image {
                let error = format!("{error}.");
                let remedy = "Write an image behind `docker-image://`, such as alpine:3.20.";
                self.told.invalid(at, path, error, remedy);
            }
            return image.ok();
        }
        if text.is_empty() || text.starts_with("target:") || text.contains("://") {
            self.told.refused(
                at,
                path,
                "Files for a build come from folders, repositories, images and other services.",
                "Write a folder, the address of a Git repository, `docker-image://IMAGE` or `service:NAME`.",
            );
            return None;
        }
        if fetched {
            self.told.refused(
                at,
                path,
                "The source is a repository, and a folder beside the file is not in it.",
                "Name the folder by a Git address of its own, or build from a folder beside the file.",
            );
            return None;
        }
        let folder = join("", text);
        self.is_inside(&folder, at, path)
            .then_some(BuildContext::Folder(folder))
    }

    /// Keys by the ids of mounts: of a file beside the compose file sealed with the deploy, else to be set.
    pub(super) fn ssh(&mut self, taken: &Taken, service: &str) -> IndexMap<String, EnvName> {
        let mut keys = IndexMap::new();
        for (id, field) in taken.item.as_map().into_iter().flatten() {
            let path = format!("{}.{id}", taken.path);
            let file = field.item.as_text().unwrap_or_default().trim();
            if file.contains(',') {
                self.told.refused(
                    field.at,
                    &path,
                    "A mount signs in with one key.",
                    "Give each key an id of its own, and write `RUN --mount=type=ssh,id=ID`.",
                );
                continue;
            }
            let value = match file {
                "" => None,
                file => match self.around.entry(&join("", file)) {
                    Entry::Text(text) if is_private_key(&text) => Some(text),
                    _ => None,
                },
            };
            let mut name = match id.as_str() {
                "default" => KEY.to_owned(),
                id => format!("{KEY}_{}", as_variable(id)),
            };
            let known = self.secret_values.get(&name);
            if known.is_some_and(|known| value.as_ref().is_some_and(|value| value != known)) {
                name = format!("{name}_{}", as_variable(service));
            }
            let Ok(secret) = name.parse::<EnvName>() else {
                let why = "The id is too long.";
                let remedy = "Choose a shorter one.";
                self.told.invalid(field.at, &path, why, remedy);
                continue;
            };
            match (value, file) {
                (Some(value), _) => {
                    self.told.adapted(
                        field.at,
                        &path,
                        format!("The key is sealed as the secret {name} with the first deploy, and is no part of the specification."),
                    );
                    self.secret_values.insert(name, value);
                }
                (None, file) => {
                    let why = match file {
                        "" => "Where builds run, no agent of yours is at hand".to_owned(),
                        file => format!("{file} is no private key that could be read"),
                    };
                    self.told.advised(
                        field.at,
                        &path,
                        format!("{why}: the secret {name} holds the key, and must be set."),
                        format!("Set it to a private key without a passphrase: `pluvio secret set {name} < KEYFILE`."),
                    );
                }
            }
            let rule = SecretSpec {
                message: Some(
                    "A private key without a passphrase, which steps of a build sign in with"
                        .to_owned(),
                ),
                ..SecretSpec::default()
            };
            self.secret(&secret, rule);
            keys.insert(id.clone(), secret);
        }
        keys
    }
}

fn is_private_key(text: &str) -> bool {
    text.trim_start().starts_with("-----BEGIN ") && text.contains("PRIVATE KEY-----")
}

fn as_variable(text: &str) -> String {
    let letter = |c: char| match c.is_ascii_alphanumeric() {
        true => c.to_ascii_uppercase(),
        false => '_',
    };
    text.chars().map(letter).collect()
}
