//! What instances use, as the cluster's metrics API says, and Kubernetes' quantities. That API keeps no history: an hour of it
//! is kept here, in memory.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::reflector::Store;
use kube::{Client, ResourceExt};
use pluvio_model::id::ApplicationId;
use pluvio_plan::lower::kubernetes::key;
use pluvio_runtime::{RuntimeError, UsageSample, UsageSource, Usages};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::KubernetesRuntime;
use crate::cache::application;
use crate::failure::{is_not_found, told};

/// As often as the usual metrics API has something new.
/// (Source: `--metric-resolution` of kubernetes-sigs/metrics-server.)
const EACH: Duration = Duration::from_secs(15);
/// Where nobody measures, it is looked again for somebody who does.
const NONE: Duration = Duration::from_secs(60);
/// The API server itself gives up on what measures after longer than anybody waits for this.
const ANSWER: Duration = Duration::from_secs(20);
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const APART: SignedDuration = SignedDuration::from_secs(30);
/// What was measured longer ago is no instance's use now.
const FRESH: SignedDuration = SignedDuration::from_mins(2);

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

/// What was read in the last hour.
#[derive(Debug, Default)]
pub(crate) struct Readings(Mutex<BTreeMap<ApplicationId, BTreeMap<String, Ring>>>);

#[derive(Debug, Default)]
struct Ring {
    samples: VecDeque<UsageSample>,
    /// When the last one was read, by the clock of this machine: the cluster's may go otherwise.
    read_at: Timestamp,
}

/// The names of the pods that there are.
type There = BTreeMap<ApplicationId, BTreeSet<String>>;

impl Readings {
    fn all(&self) -> MutexGuard<'_, BTreeMap<ApplicationId, BTreeMap<String, Ring>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, pods: Vec<PodUsage>, now: Timestamp) {
        let mut all = self.all();
        for pod in pods {
            let application = pod.metadata.labels.get(key::APPLICATION);
            let Some(application) = application.and_then(|id| id.parse().ok()) else {
                continue;
            };
            let sample = pod.sample();
            let of_application = all.entry(application).or_default();
            let ring = of_application.entry(pod.metadata.name).or_default();
            if keep(&mut ring.samples, sample) {
                ring.read_at = now;
            }
        }
        let is_old = |sample: &UsageSample| now.duration_since(sample.at) > HOUR;
        all.retain(|_, instances| {
            instances.retain(|_, ring| {
                while ring.samples.front().is_some_and(is_old) {
                    ring.samples.pop_front();
                }
                !ring.samples.is_empty()
            });
            !instances.is_empty()
        });
    }

    fn history(&self, there: &There) -> Usages {
        self.of_those(there, |ring| ring.samples.iter().copied().collect())
    }

    fn last(&self, there: &There, now: Timestamp) -> Usages {
        let is_fresh = |ring: &Ring| now.duration_since(ring.read_at) < FRESH;
        self.of_those(there, |ring| {
            let last = ring.samples.back().filter(|_| is_fresh(ring));
            last.copied().into_iter().collect()
        })
    }

    /// Only of pods that there are: what has been measured outlives them.
    fn of_those(&self, there: &There, told: impl Fn(&Ring) -> Vec<UsageSample>) -> Usages {
        let all = self.all();
        let each = there.iter().filter_map(|(application, pods)| {
            let instances = all.get(application)?;
            let told = pods.iter().filter_map(|name| {
                let samples = told(instances.get(name)?);
                (!samples.is_empty()).then(|| (name.clone(), samples))
            });
            Some((*application, told.collect()))
        });
        each.collect()
    }
}

fn there(pods: &Store<Pod>, wanted: impl Fn(ApplicationId) -> bool) -> There {
    let mut there = There::new();
    for pod in pods.state() {
        if let Some(application) = application(pod.as_ref()).filter(|id| wanted(*id)) {
            there.entry(application).or_default().insert(pod.name_any());
        }
    }
    there
}

/// The newest always; of older ones no more than one in each [`APART`]. `false` if it is not new.
fn keep(ring: &mut VecDeque<UsageSample>, sample: UsageSample) -> bool {
    let (last, before) = (ring.back(), ring.iter().rev().nth(1));
    if last.is_some_and(|last| last.at >= sample.at) {
        return false;
    }
    let is_near = last
        .zip(before)
        .is_some_and(|(last, before)| last.at.duration_since(before.at) < APART);
    if is_near {
        ring.pop_back();
    }
    ring.push_back(sample);
    true
}

/// Asks for the use of all pods of ours at once, until it is stopped.
pub(crate) async fn read(client: &Client, readings: &Readings, stop: &CancellationToken) {
    let path = format!(
        "/apis/metrics.k8s.io/v1beta1/pods?labelSelector={}",
        key::APPLICATION.replace('/', "%2F")
    );
    let one_after_another = async {
        loop {
            let pause = match tokio::time::timeout(ANSWER, measured(client, &path)).await {
                Ok(Ok(Some(pods))) => {
                    readings.take(pods, Timestamp::now());
                    EACH
                }
                Ok(Ok(None)) => NONE,
                Ok(Err(error)) => {
                    tracing::debug!(error = told(&error), "the use of pods could not be read");
                    NONE
                }
                Err(_) => {
                    tracing::debug!("the use of pods was not told in time");
                    NONE
                }
            };
            tokio::time::sleep(pause).await;
        }
    };
    stop.run_until_cancelled(one_after_another).await;
}

/// `None` where the cluster has no such API.
async fn measured(client: &Client, path: &str) -> Result<Option<Vec<PodUsage>>, kube::Error> {
    let request = http::Request::get(path).body(Vec::new());
    let request = request.map_err(kube::Error::HttpError)?;
    match client.request::<List>(request).await {
        Ok(list) => Ok(Some(list.items)),
        Err(error) if is_not_found(&error) => Ok(None),
        Err(kube::Error::Api(status)) if status.code == 503 => Ok(None),
        Err(error) => Err(error),
    }
}

#[async_trait]
impl UsageSource for KubernetesRuntime {
    async fn usage(
        &self,
        application: ApplicationId,
        history: bool,
    ) -> Result<BTreeMap<String, Vec<UsageSample>>, RuntimeError> {
        let shared = self.shared();
        let there = there(&shared.cache.pods, |id| id == application);
        let mut all = match history {
            true => shared.readings.history(&there),
            false => shared.readings.last(&there, Timestamp::now()),
        };
        Ok(all.remove(&application).unwrap_or_default())
    }

    async fn usage_of_all(&self) -> Result<Usages, RuntimeError> {
        let shared = self.shared();
        let there = there(&shared.cache.pods, |_| true);
        Ok(shared.readings.last(&there, Timestamp::now()))
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
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use http::{Request, Response};
    use kube::client::Body;
    use kube::runtime::reflector::store;
    use kube::runtime::watcher::Event;

    use super::*;

    const APPLICATION: ApplicationId = ApplicationId(uuid::Uuid::from_u128(1));

    fn label() -> BTreeMap<String, String> {
        [(key::APPLICATION.to_owned(), APPLICATION.to_string())].into()
    }

    fn measured_at(name: &str, at: Timestamp) -> PodUsage {
        PodUsage {
            metadata: Metadata {
                name: name.to_owned(),
                labels: label(),
            },
            timestamp: at,
            containers: Vec::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_does_not_answer_is_asked_again_and_holds_up_no_stop() {
        let asked = Arc::new(AtomicU32::new(0));
        let count = asked.clone();
        let silent = tower::service_fn(move |_: Request<Body>| {
            count.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<Result<Response<Body>, Infallible>>()
        });
        let client = Client::new(silent, "default");
        let (readings, stop) = (Readings::default(), CancellationToken::new());
        let stopping = async {
            tokio::time::sleep(ANSWER + NONE + ANSWER / 2).await;
            assert_eq!(asked.load(Ordering::SeqCst), 2);
            stop.cancel();
            tokio::time::Instant::now()
        };
        let reading = read(&client, &readings, &stop);
        let (cancelled, ()) = tokio::join!(stopping, reading);
        assert!(cancelled.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn only_pods_that_there_are_use_anything() {
        let (reader, mut writer) = store::<Pod>();
        let pod = |name: &str| {
            let mut pod = Pod::default();
            pod.metadata.name = Some(name.to_owned());
            pod.metadata.labels = Some(label());
            pod
        };
        let readings = Readings::default();
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        // The cluster's clock goes well after.
        let at =
            |seconds| start - SignedDuration::from_mins(50) + SignedDuration::from_secs(seconds);
        let names = |all: Usages| -> Vec<String> {
            let each = all.into_values().flatten();
            each.map(|(name, _)| name).collect()
        };
        for name in ["old", "new"] {
            writer.apply_watcher_event(&Event::Apply(pod(name)));
        }
        let both = vec![measured_at("new", at(0)), measured_at("old", at(0))];
        readings.take(both, start);
        let all = there(&reader, |_| true);
        assert_eq!(names(readings.last(&all, start)), ["new", "old"]);
        assert!(there(&reader, |id| id != APPLICATION).is_empty());
        // Replaced a moment ago.
        writer.apply_watcher_event(&Event::Delete(pod("old")));
        let all = there(&reader, |_| true);
        assert_eq!(names(readings.last(&all, start)), ["new"]);
        assert_eq!(names(readings.history(&all)), ["new"]);
        // Nobody measures it any more, though the same is answered again.
        let later = start + FRESH;
        readings.take(vec![measured_at("new", at(0))], later);
        assert_eq!(names(readings.last(&all, later)), Vec::<String>::new());
        assert_eq!(names(readings.history(&all)), ["new"]);
    }

    #[test]
    fn an_hour_is_kept_of_what_is_there() {
        let readings = Readings::default();
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let pod = |at: Timestamp| measured_at("shop--web", at);
        let kept = || {
            let all = readings.all();
            Some(all.get(&APPLICATION)?.get("shop--web")?.samples.clone())
        };
        for turn in 0..480 {
            let now = start + SignedDuration::from_secs(15 * turn);
            // Asked more often than there is something new.
            readings.take(vec![pod(now)], now);
            readings.take(vec![pod(now)], now);
        }
        let ring = kept().unwrap();
        assert!((119..=122).contains(&ring.len()), "{}", ring.len());
        let end = start + SignedDuration::from_secs(15 * 479);
        assert_eq!(ring.back().unwrap().at, end);
        assert!(ring.iter().all(|one| end.duration_since(one.at) <= HOUR));
        readings.take(Vec::new(), end + SignedDuration::from_mins(61));
        assert_eq!(kept(), None);
    }

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
