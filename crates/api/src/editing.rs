//! A specification as it is edited: as fields and as text, one value.

use std::collections::BTreeMap;

use pluvio_model::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::applications::ReportRow;

/// Exactly one of the two.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct SpecToRead {
    /// The text of an app.yaml.
    #[serde(default)]
    pub yaml: Option<String>,
    /// A specification as JSON.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub spec: Option<serde_json::Value>,
}

/// The same value in both forms, and what is wrong with it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SpecReading {
    /// Absent when it has not the shape of a specification.
    #[schema(value_type = Option<Object>)]
    pub spec: Option<serde_json::Value>,
    /// Tidy app.yaml text; the text as it came where it could not be read.
    pub yaml: String,
    /// With the line of a text, or the path of keys.
    pub problems: Vec<Problem>,
    pub report: Vec<ReportRow>,
}

/// Puts a whole specification in the place of the target's.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct SpecEdit {
    #[schema(value_type = Object)]
    pub spec: serde_json::Value,
    /// Values of secrets to set with it.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
}

masked!(SpecEdit {});
