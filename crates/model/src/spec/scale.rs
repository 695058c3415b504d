//! Instances by themselves: by what they use, by other figures, by the clock.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Between how many instances, and what decides. Without a figure to go by there are `min`, which the clock may change.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ScaleSpec {
    /// At least so many.
    pub min: u32,
    /// At most so many; needed where a figure decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// Per cent of the CPU that an instance asks for, on average over all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
    /// Per cent of the memory that an instance asks for, on average over all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u32>,
    /// Figures that a cluster's metrics APIs tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custom: Vec<CustomMetric>,
    /// Other bounds from a time on, until the next such time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedule: Vec<ScaleTime>,
}

impl ScaleSpec {
    /// Whether anything but the clock decides.
    pub fn is_measured(&self) -> bool {
        self.cpu.is_some() || self.memory.is_some() || !self.custom.is_empty()
    }

    /// The most instances that there ever are.
    pub fn most(&self) -> u32 {
        let by_time = self.schedule.iter().flat_map(|time| [time.min, time.max]);
        let all = by_time.flatten().chain(self.max).chain([self.min]);
        all.max().unwrap_or_default()
    }
}

/// A figure that is told for each pod, or for something outside the cluster.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CustomMetric {
    /// Its name in the metrics API: `http_requests_per_second`.
    pub metric: String,
    /// Whose figure it is.
    #[serde(default)]
    pub of: MetricOf,
    /// Only series with these labels.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = std::collections::BTreeMap<String, String>))]
    pub labels: IndexMap<String, String>,
    /// So much for each instance: `100`, `2500m`, `1k`.
    pub per_instance: String,
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MetricOf {
    /// The component's own instances (`custom.metrics.k8s.io`).
    #[default]
    Instances,
    /// Something else, such as a queue (`external.metrics.k8s.io`).
    External,
}

/// From this time on, until the next: other bounds. What it does not name is as above.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ScaleTime {
    /// Five fields: minute, hour, day of the month, month, day of the week.
    pub cron: String,
    /// IANA time zone; UTC when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
}
