//! What was asked, numbered and kept.

use serde::{Deserialize, Serialize};

use crate::id::ApplicationId;
use crate::spec::AppSpec;

/// Where a revision came from.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Origin {
    Deploy,
    Apply,
    /// A patch to the target's revision: scale, environment, files, routes.
    Patch {
        what: String,
    },
    Rollback {
        to: u64,
    },
    Restart,
}

/// The application's full specification at one moment. Holds references to secrets, never values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    pub application: ApplicationId,
    /// From 1, without gaps in an application.
    pub number: u64,
    pub spec: AppSpec,
    pub origin: Origin,
    /// Who asked, as shown to people.
    pub actor: String,
    pub at: jiff::Timestamp,
}

/// What is known of the code that a component was built from.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// SHA-256 over the source tree's paths, modes and contents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
}
