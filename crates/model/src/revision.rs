//! What was asked, numbered and kept.

use serde::{Deserialize, Serialize};

use crate::id::ApplicationId;
use crate::name::Name;
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
    /// New instances of the same content, of these components; of all when none is named.
    Restart {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        components: Vec<Name>,
    },
    /// A copy of another application's release.
    Copy {
        application: Name,
        environment: Name,
        release: u64,
    },
    /// Another environment's release, with the hosts, counts and secrets of this one.
    Promote {
        application: Name,
        environment: Name,
        release: u64,
    },
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
