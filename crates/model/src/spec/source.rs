//! Where a component's code comes from and how it is built.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::build_context::BuildContext;
use super::container::Command;
use crate::name::{EnvName, Name};

/// Exactly one of `path`, `git`, `svn`, `upload`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SourceSpec {
    /// A folder, relative to the file; uploaded when deployed.
    Path(String),
    Git(GitSource),
    Svn(SvnSource),
    /// An uploaded archive, by the SHA-256 of its content.
    Upload(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GitSource {
    /// `https://…`, `ssh://…`, `git@host:path` or `file://…`.
    pub url: String,
    /// A branch, tag or commit; the remote's default branch when absent.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// A folder in the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The name of a stored credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

impl GitSource {
    /// `URL#REF:FOLDER`, as builds of Docker are given it; both are optional.
    pub fn of(address: &str) -> GitSource {
        let (url, rest) = address.split_once('#').unwrap_or((address, ""));
        let (reference, path) = rest.split_once(':').unwrap_or((rest, ""));
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        GitSource {
            url: url.to_owned(),
            reference: some(reference),
            path: some(path),
            credential: None,
        }
    }

    /// What the repository is called: `shop` of `https://git.example.org/team/shop.git`.
    pub fn short_name(&self) -> &str {
        let url = self.url.trim_end_matches('/').trim_end_matches(".git");
        url.rsplit(['/', ':']).next().unwrap_or(url)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SvnSource {
    /// The repository's address.
    pub url: String,
    /// A revision; the newest when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// A folder in the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The name of a stored credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// How source becomes an image. Everything absent is detected, and the plan says why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BuildSpec {
    /// What makes the image; found out when absent.
    #[serde(default)]
    pub builder: BuilderChoice,
    /// The language's version, `20`, `3.11`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Replaces the detected build command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// `static`: the folder that is served after the build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// `dockerfile`: its path in the source, `Dockerfile` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    /// `dockerfile`: its text, instead of a file in the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dockerfile_text: Option<String>,
    /// `dockerfile`: the stage to build; the last when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// `dockerfile`: build arguments.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub args: IndexMap<String, String>,
    /// Variables of the build only.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub env: IndexMap<EnvName, String>,
    /// Secrets the build may read as files under `/run/secrets`; never in the image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<EnvName>,
    /// `dockerfile`: keys for `RUN --mount=type=ssh`, by the mount's `id` (`default` where it names none): the secret that holds
    /// a private key without a passphrase. Steps sign in with it and cannot read it. Docker only.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub ssh: IndexMap<String, EnvName>,
    /// `dockerfile`: what it may name beside its own context in `FROM`, `COPY --from` and `RUN --mount`, by that name: a folder
    /// of the source, a Git repository, `docker-image://IMAGE` or `component:NAME`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub contexts: IndexMap<String, BuildContext>,
}

impl BuildSpec {
    /// Every secret that the build is given, each once.
    pub fn secret_names(&self) -> BTreeSet<&EnvName> {
        self.secrets.iter().chain(self.ssh.values()).collect()
    }

    /// The components whose images it is made from, by the contexts' names.
    pub fn components(&self) -> impl Iterator<Item = (&str, &Name)> {
        self.contexts
            .iter()
            .filter_map(|(context, from)| match from {
                BuildContext::Component(name) => Some((context.as_str(), name)),
                _ => None,
            })
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BuilderChoice {
    #[default]
    Auto,
    Dockerfile,
    Node,
    Python,
    Go,
    Static,
}
