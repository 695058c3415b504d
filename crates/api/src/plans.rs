//! Texts that a plan is made of, from whoever asks or from an address, and what deploying it needs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A text file of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TextFile {
    /// Relative to the source's folder: `compose.yaml`, `.env`, `db/init.sql`.
    pub path: String,
    pub text: String,
}

/// A permission that deploying a plan needs besides the one to deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NeededPermission {
    /// `host:access`
    pub permission: String,
    /// What asks for it: `components.web.host.privileged`.
    pub path: String,
    /// Whether the caller has it.
    pub held: bool,
}

/// Asks the server to fetch a file.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FetchRequest {
    /// `https://…` or `http://…`
    pub url: String,
}

/// What was fetched. A text comes back as it is; an archive is kept as an upload.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Fetched {
    /// Where it was in the end, redirects followed.
    pub url: String,
    /// The file's name.
    pub name: String,
    pub bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// For `{ "upload": … }` in a plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<String>,
}
