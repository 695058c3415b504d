//! What instances use, as the cluster's metrics API says, and Kubernetes' quantities.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use pluvio_model::id::ApplicationId;
use pluvio_plan::lower::kubernetes::key;
use pluvio_runtime::{RuntimeError, UsageSample, UsageSource, Usages};
use serde::Deserialize;

use crate::KubernetesRuntime;
use crate::failure::{is_not_found, runtime_error};

#[derive(Deserialize)]
struct List {
    items: Vec<PodUsage>,
}
#[derive(Deserialize)]
struct PodUsage {
    metadata: Metadata,
    timestamp: Timestamp,
    containers: Vec<ContainerUsage>,
}
#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}
#[derive(Deserialize)]
struct ContainerUsage {
    usage: BTreeMap<String, String>,
}

#[async_trait]
impl UsageSource for KubernetesRuntime {
    /// The last sample only: the metrics API keeps no history. Nothing where the cluster has no such API.
    async fn usage(
        &self,
        application: ApplicationId,
        _history: bool,
    ) -> Result<BTreeMap<String, Vec<UsageSample>>, RuntimeError> {
        let namespace = match self.application(application) {
            Some(application) => application.view().notes.namespace.clone(),
            None => return Ok(BTreeMap::new()),
        };
        let path = format!(
            "/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods?labelSelector={}%3D{application}",
            key::APPLICATION.replace('/', "%2F")
        );
        let pods = self.measured(path).await?;
        let samples = pods.into_iter().map(|pod| {
            let sample = pod.sample();
            (pod.metadata.name, vec![sample])
        });
        Ok(samples.collect())
    }

    async fn usage_of_all(&self) -> Result<Usages, RuntimeError> {
        let path = format!(
            "/apis/metrics.k8s.io/v1beta1/pods?labelSelector={}",
            key::APPLICATION.replace('/', "%2F")
        );
        let mut all = Usages::new();
        for pod in self.measured(path).await? {
            let application = pod.metadata.labels.get(key::APPLICATION);
            if let Some(application) = application.and_then(|id| id.parse().ok()) {
                let sample = pod.sample();
                let own: &mut BTreeMap<_, _> = all.entry(application).or_default();
                own.insert(pod.metadata.name, vec![sample]);
            }
        }
        Ok(all)
    }
}

impl KubernetesRuntime {
    /// Nothing where the cluster has no such API.
    async fn measured(&self, path: String) -> Result<Vec<PodUsage>, RuntimeError> {
        let request = http::Request::get(path)
            .body(Vec::new())
            .map_err(|error| RuntimeError::Unreachable(error.to_string()))?;
        match self.shared().client.request::<List>(request).await {
            Ok(list) => Ok(list.items),
            Err(error) if is_not_found(&error) => Ok(Vec::new()),
            Err(kube::Error::Api(status)) if status.code == 503 => Ok(Vec::new()),
            Err(error) => Err(runtime_error(error)),
        }
    }
}

impl PodUsage {
    fn sample(&self) -> UsageSample {
        let sum = |what: &str, read: fn(&str) -> Option<u64>| -> u64 {
            self.containers
                .iter()
                .filter_map(|one| read(one.usage.get(what)?))
                .sum()
        };
        UsageSample {
            at: self.timestamp,
            cpu_millis: u32::try_from(sum("cpu", millis)).unwrap_or(u32::MAX),
            memory_bytes: sum("memory", bytes),
        }
    }
}

/// Cores in thousandths: `2`, `250m`, `1500000n`, rounded up.
/// (Source: Kubernetes API conventions, "Quantity".)
pub(crate) fn millis(quantity: &str) -> Option<u64> {
    let (number, per_core) = match quantity.as_bytes().last()? {
        b'n' => (&quantity[..quantity.len() - 1], 1e9),
        b'u' => (&quantity[..quantity.len() - 1], 1e6),
        b'm' => (&quantity[..quantity.len() - 1], 1e3),
        _ => (quantity, 1.0),
    };
    let cores: f64 = number
        .parse::<f64>()
        .ok()
        .filter(|number| number.is_finite() && *number >= 0.0)?
        / per_core;
    Some((cores * 1e3).ceil() as u64)
}

/// `512Mi`, `1G`, `123456`, `1500m`.
pub(crate) fn bytes(quantity: &str) -> Option<u64> {
    const UNITS: [(&str, f64); 13] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("Ei", 1_152_921_504_606_846_976.0),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("E", 1e18),
        ("m", 1e-3),
    ];
    let unit = UNITS.iter().find(|(unit, _)| quantity.ends_with(unit));
    let (number, factor) = unit.map_or((quantity, 1.0), |(unit, factor)| {
        (&quantity[..quantity.len() - unit.len()], *factor)
    });
    let amount: f64 = number
        .parse::<f64>()
        .ok()
        .filter(|number| number.is_finite() && *number >= 0.0)?
        * factor;
    Some(amount.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_writes_them() {
        for (text, want) in [
            ("2", 2000),
            ("250m", 250),
            ("1500000n", 2),
            ("1500u", 2),
            ("0", 0),
            ("0.5", 500),
        ] {
            assert_eq!(millis(text), Some(want), "{text}");
        }
        for (text, want) in [
            ("512Mi", 536_870_912),
            ("1G", 1_000_000_000),
            ("123456", 123_456),
            ("1500m", 2),
            ("2Ki", 2048),
        ] {
            assert_eq!(bytes(text), Some(want), "{text}");
        }
        for text in ["", "m", "-1", "1X", "inf"] {
            assert_eq!(millis(text), None, "{text}");
        }
    }
}
