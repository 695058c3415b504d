//! What a program that came to its end said last. The kubelet tells it of those that failed; of the others it is read from the
//! log, once for each pod.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use kube::{Api, Client};
use pluvio_model::observed::ObservedRun;

use crate::instances::LAST_LINES;

/// Beyond so many pods all are forgotten, and read anew when they are asked for.
const POD_LIMIT: usize = 2000;
/// Logs that are read at once.
const AT_ONCE: usize = 8;
/// A line has no end that anybody promises, and what is too much is cut off behind.
const BYTES: i64 = 256 * 1024;
const PATIENCE: Duration = Duration::from_secs(3);

/// By the pod's uid.
#[derive(Debug, Default)]
pub(crate) struct LastWords(Mutex<BTreeMap<String, Vec<String>>>);

impl LastWords {
    /// Adds them to runs that ended well. A log that cannot be read is tried again with the next question.
    pub(crate) async fn fill(&self, client: &Client, pods: &[Arc<Pod>], runs: &mut [ObservedRun]) {
        let pod_of = |run: &ObservedRun| {
            pods.iter()
                .find(|pod| pod.metadata.name.as_deref() == Some(&*run.instance))
                .cloned()
        };
        let unsaid = runs.iter_mut().filter_map(|run| {
            let pod = pod_of(run)?;
            let exit = run.exit.as_mut()?;
            let uid = pod.metadata.uid.clone()?;
            exit.last_lines.is_empty().then_some((exit, pod, uid))
        });
        let asked = futures::stream::iter(unsaid).for_each_concurrent(
            AT_ONCE,
            |(exit, pod, uid)| async move {
                let known = self.known().get(&uid).cloned();
                let lines = match known {
                    Some(lines) => lines,
                    None => match read(client, &pod).await {
                        Some(lines) => self.keep(uid, lines),
                        None => return,
                    },
                };
                exit.last_lines = lines;
            },
        );
        // A kubelet that does not answer keeps nobody from the rest.
        let _ = tokio::time::timeout(PATIENCE, asked).await;
    }

    fn keep(&self, uid: String, lines: Vec<String>) -> Vec<String> {
        let mut known = self.known();
        if known.len() >= POD_LIMIT {
            known.clear();
        }
        known.insert(uid, lines.clone());
        lines
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Vec<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(client: &Client, pod: &Pod) -> Option<Vec<String>> {
    let namespace = pod.metadata.namespace.as_deref()?;
    let params = LogParams {
        container: Some(pod.spec.as_ref()?.containers.first()?.name.clone()),
        tail_lines: i64::try_from(LAST_LINES).ok(),
        limit_bytes: Some(BYTES),
        ..LogParams::default()
    };
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let text = pods
        .logs(pod.metadata.name.as_deref()?, &params)
        .await
        .ok()?;
    Some(text.lines().map(str::to_owned).collect())
}
