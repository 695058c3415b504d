//! Environments, and what goes from one to another: copies, promotions.

use std::collections::BTreeMap;

use pluvio_model::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::releases::ChangePreview;

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EnvironmentRequest {
    pub name: String,
    /// The cluster that its applications run on; the engine when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EnvironmentSummary {
    pub name: String,
    /// The one that the team began with; it stays.
    pub first: bool,
    pub applications: u64,
    /// The cluster that its applications run on; `local` is the engine.
    pub cluster: String,
    pub created_at: jiff::Timestamp,
}

/// An environment that was deleted, and what stays of it for now.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EnvironmentDeleted {
    pub deleted: String,
    /// Its namespace, where it was on a cluster and something is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<NamespaceLeft>,
}

/// A namespace that stays on a cluster after its environment, until nothing is in it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NamespaceLeft {
    pub cluster: String,
    pub name: String,
    /// What is in it, each as `PersistentVolumeClaim data`; nothing while that is not known.
    pub holds: Vec<String>,
    /// Why it was not looked at; it is, once that is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// What the machines behind an environment have, for choice. Empty for an engine, which is one machine.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct PlaceChoices {
    /// For volumes: names, the default one first.
    pub storage_classes: Vec<String>,
    /// Labels of nodes with the values that they have, for `placement.nodeLabels`.
    pub node_labels: BTreeMap<String, Vec<String>>,
    /// Taints of nodes with the values that they have, for `placement.reserved`.
    pub reserved: BTreeMap<String, Vec<String>>,
}

/// A copy of an application. What is absent is as in the original, under the rules of the table.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct CopyRequest {
    /// The environment where the copy is made.
    pub to: String,
    /// The copy's name; the original's when absent.
    #[serde(default)]
    pub name: Option<String>,
    /// By component.
    #[serde(default)]
    pub instances: BTreeMap<String, u32>,
    /// New hosts, by those that the original's routes say.
    #[serde(default)]
    pub hosts: BTreeMap<String, String>,
    /// Other images, by component.
    #[serde(default)]
    pub images: BTreeMap<String, String>,
    /// Branches, tags or commits of components that are built from Git.
    #[serde(default)]
    pub references: BTreeMap<String, String>,
    /// Values of secrets.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// Take the values of secrets along that were set by hand.
    #[serde(default)]
    pub copy_secrets: bool,
    /// What its volumes and databases begin with.
    #[serde(default)]
    pub data: CopyData,
    /// With `data` `none`: these volumes all the same, and databases by their component.
    #[serde(default)]
    pub data_of: Vec<String>,
}

/// The data that a copy begins with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CopyData {
    /// Empty volumes and databases.
    #[default]
    None,
    /// Volumes are cloned; databases begin empty.
    Volumes,
    /// Volumes are cloned; databases get a dump of the original's.
    All,
}

/// What a copy would be: everything in which it differs.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CopyPreview {
    pub environment: String,
    pub name: String,
    /// The original's release that is copied.
    pub release: u64,
    pub rows: Vec<CopyRow>,
    /// What comes along as it is and may not be what is wanted.
    pub notes: Vec<String>,
    /// Secrets that were set by hand and have no value for the copy yet.
    pub missing: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CopyRow {
    /// `name`, `host`, `instances`, `image`, `branch`, `machine-port`, `volume`, `database`, `secret`
    pub what: String,
    /// The component, the volume or the secret.
    pub about: String,
    /// The key of the specification that differs; empty where none does.
    pub path: String,
    pub before: String,
    pub after: String,
}

/// Brings the release that an application has here to its counterpart in another environment.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct PromoteRequest {
    /// The environment that it is brought to.
    pub to: String,
    /// The counterpart's name; the same when absent.
    #[serde(default)]
    pub name: Option<String>,
    /// Everything but the images stays as it is there.
    #[serde(default)]
    pub images_only: bool,
    /// Do it also where more than images changes.
    #[serde(default)]
    pub confirm: bool,
}

/// What a promotion would change where it comes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PromotePreview {
    pub environment: String,
    pub name: String,
    /// The release that is brought.
    pub from_release: u64,
    #[serde(flatten)]
    pub change: ChangePreview,
    /// What is more than other images, a line each: to be confirmed.
    pub beyond_images: Vec<String>,
}

masked!(CopyRequest {
    to,
    name,
    copy_secrets,
    data
});
