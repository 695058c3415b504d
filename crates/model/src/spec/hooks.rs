//! Commands beside a component's program: after each of its starts, and before it is told to end.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AbsolutePath, Command, EnvValue};
use crate::name::EnvName;
use crate::quantity::Span;

/// Commands that are run in a component's own container besides its program, each list from the first to the last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Hooks {
    /// After each start of the program: the instance is not ready before they are done, and is started again when one fails.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post_start: Vec<Hook>,
    /// Before the program is told to end; one that fails is reported, and keeps nothing from ending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pre_stop: Vec<Hook>,
}

impl Hooks {
    /// Both lists by their keys.
    pub fn lists(&self) -> [(&'static str, &[Hook]); 2] {
        [("postStart", &self.post_start), ("preStop", &self.pre_stop)]
    }
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Hook {
    pub command: Command,
    /// User, or `user:group`, that it runs as; the program's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The program's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<AbsolutePath>,
    /// Variables besides the program's own.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub env: IndexMap<EnvName, EnvValue>,
    /// All rights of the machine's root (needs a permission).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub privileged: bool,
    /// How long it may take: after a start 60 s when absent, before a stop at most `rollout.grace` for all of them together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
}
