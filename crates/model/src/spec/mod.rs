//! What was asked: the full specification of an application, as text (`app.yaml`) and as JSON one and the same shape.
//!
//! Unknown keys are errors everywhere (`deny_unknown_fields`). The schema holds from its first version what later work
//! needs (sidecars, networks, raw objects, placement …), so that revisions stored today stay readable. What a runtime
//! cannot do is refused by name when it is lowered, never dropped.

mod backups;
mod build_context;
mod component;
mod container;
mod database;
mod engine_volume;
mod external;
mod hooks;
mod parameters;
mod paths;
mod scale;
mod source;
mod volume_options;

pub use backups::*;
pub use build_context::*;
pub use component::*;
pub use container::*;
pub use database::*;
pub use engine_volume::*;
pub use external::*;
pub use hooks::*;
pub use parameters::*;
pub use scale::*;
pub use source::*;
pub use volume_options::*;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::{EnvName, Name};

/// The version of the schema, `pluvio/v1`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApiVersion {
    #[default]
    #[serde(rename = "pluvio/v1")]
    V1,
}

/// An application: components that belong together, the unit of revision, rollback and copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AppSpec {
    #[serde(default)]
    pub api_version: ApiVersion,
    pub name: Name,
    /// A free name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(default)]
    pub components: IndexMap<Name, ComponentSpec>,
    /// Values that are sealed and referenced as `${secrets.NAME}`; a revision holds the reference only.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub secrets: IndexMap<EnvName, SecretSpec>,
    /// Values that whoever deploys may or must set, referenced as `${settings.NAME}`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub settings: IndexMap<EnvName, SettingSpec>,
    /// Variables and files shared by several components.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub groups: IndexMap<Name, GroupSpec>,
    /// Networks for components to be on in place of the application's own, which is called `default` and is there without being declared.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub networks: IndexMap<Name, NetworkSpec>,
    /// Raw Kubernetes objects, applied with the application; refused by name on an engine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<serde_json::Value>,
}

/// A secret's rule. Its value is set apart (`pluvio secret set`) or generated once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SecretSpec {
    /// Make a random value the first time the application is deployed, and keep it.
    #[serde(default)]
    pub generate: bool,
    /// Length of a generated value in characters, 8 to 256; 32 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u16>,
    /// What to tell whoever must set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SettingSpec {
    /// Its value while nobody sets another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// A deploy is refused while it has no value.
    #[serde(default)]
    pub required: bool,
    /// What to tell whoever sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct GroupSpec {
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub env: IndexMap<EnvName, EnvValue>,
    #[serde(
        default,
        deserialize_with = "paths::distinct",
        skip_serializing_if = "IndexMap::is_empty"
    )]
    pub files: IndexMap<AbsolutePath, FileSpec>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NetworkSpec {
    /// No way out of the network; routes still lead in.
    #[serde(default)]
    pub internal: bool,
    /// What it is called beyond the application: whatever is on a network of this name in the environment's other
    /// applications reaches, and is reached by, the components on this one, by their names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<String>,
}

/// What an application's own network is called.
pub fn default_network() -> Name {
    "default".parse().expect("a name")
}
