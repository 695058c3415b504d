//! Lines of pods, as the kubelets hand them out.

use async_trait::async_trait;
use futures::io::AsyncBufReadExt;
use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;
use pluvio_model::name::Name;
use pluvio_plan::lower::kubernetes::key;
use pluvio_runtime::{BoxStream, LogLine, LogQuery, LogStream, Logs, RuntimeError};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::KubernetesRuntime;
use crate::runtime::Shared;

/// New pods of a followed component are looked for this often.
const NEW_PODS: Duration = Duration::from_secs(1);

#[async_trait]
impl Logs for KubernetesRuntime {
    async fn logs(&self, query: LogQuery) -> Result<BoxStream<LogLine>, RuntimeError> {
        let pods = wanted(self.shared(), &query);
        let mut lines = Vec::new();
        for pod in &pods {
            lines.extend(kept(self.shared(), pod, &query).await);
        }
        lines.sort_by_key(|line| line.at);
        if let Some(tail) = query.tail {
            lines.drain(..lines.len().saturating_sub(tail));
        }
        let last = lines.last().map(|line| line.at);
        let kept = stream::iter(lines);
        if !query.follow {
            return Ok(kept.boxed());
        }
        Ok(kept
            .chain(follow(self.shared().clone(), query, last))
            .boxed())
    }
}

/// Pods that the query means, runs of tasks included.
fn wanted(shared: &Arc<Shared>, query: &LogQuery) -> Vec<Arc<Pod>> {
    let held = shared
        .cache
        .held(|id| id == query.application)
        .remove(&query.application);
    let mut pods = held.unwrap_or_default().pods;
    pods.retain(|pod| {
        let is_of = query.component.is_none() || component(pod) == query.component;
        let is_it = query.instance.is_none() || pod.metadata.name == query.instance;
        is_of && is_it
    });
    pods
}

/// A pod's component; of a release task's, which carries no such label, by its Job's name.
fn component(pod: &Pod) -> Option<Name> {
    let labels = pod.metadata.labels.as_ref()?;
    let named = labels
        .get(key::COMPONENT)
        .or_else(|| labels.get("app.kubernetes.io/name"))?;
    named.parse().ok()
}

async fn kept(shared: &Arc<Shared>, pod: &Pod, query: &LogQuery) -> Vec<LogLine> {
    let Some((api, name, params)) = asked(shared, pod, query) else {
        return Vec::new();
    };
    let params = LogParams {
        tail_lines: query.tail.and_then(|tail| i64::try_from(tail).ok()),
        ..params
    };
    let text = match api.logs(&name, &params).await {
        Ok(text) => text,
        // A container that has not started has no log.
        Err(_) => return Vec::new(),
    };
    text.lines()
        .filter_map(|line| read(line, pod, query))
        .collect()
}

fn asked(
    shared: &Arc<Shared>,
    pod: &Pod,
    query: &LogQuery,
) -> Option<(Api<Pod>, String, LogParams)> {
    let name = pod.metadata.name.clone()?;
    let namespace = pod.metadata.namespace.as_deref()?;
    let container = pod.spec.as_ref()?.containers.first()?.name.clone();
    let params = LogParams {
        container: Some(container),
        timestamps: true,
        since_time: query.since,
        ..LogParams::default()
    };
    Some((
        Api::namespaced(shared.client.clone(), namespace),
        name,
        params,
    ))
}

/// `2026-01-02T03:04:05.678901234Z text`
fn read(line: &str, pod: &Pod, query: &LogQuery) -> Option<LogLine> {
    let (time, text) = line.split_once(' ').unwrap_or((line, ""));
    let at: Timestamp = time.parse().ok()?;
    let is_asked = query.since.is_none_or(|since| at >= since)
        && query.until.is_none_or(|until| at <= until)
        && query
            .contains
            .as_ref()
            .is_none_or(|part| text.contains(part.as_str()));
    is_asked.then(|| LogLine {
        at,
        component: component(pod).unwrap_or_else(|| "unknown".parse().expect("a name")),
        instance: pod.metadata.name.clone().unwrap_or_default(),
        // The kubelet does not tell the two streams apart.
        stream: LogStream::Out,
        text: text.to_owned(),
    })
}

fn follow(shared: Arc<Shared>, query: LogQuery, last: Option<Timestamp>) -> BoxStream<LogLine> {
    let (sender, receiver) = tokio::sync::mpsc::channel(256);
    tokio::spawn(async move {
        let mut known = BTreeSet::new();
        let mut tasks = tokio::task::JoinSet::new();
        // What was there at first has been read up to the last line; of later pods every line is new.
        let mut from = last.or_else(|| Some(Timestamp::now()));
        loop {
            for pod in wanted(&shared, &query) {
                let name = pod.metadata.name.clone().unwrap_or_default();
                let runs = pod
                    .status
                    .as_ref()
                    .and_then(|status| status.phase.as_deref())
                    != Some("Pending");
                if runs && known.insert(name) {
                    tasks.spawn(one(
                        shared.clone(),
                        pod,
                        query.clone(),
                        from,
                        sender.clone(),
                    ));
                }
            }
            from = None;
            tokio::select! {
                () = sender.closed() => return,
                () = tokio::time::sleep(NEW_PODS) => {}
            }
        }
    });
    stream::unfold(receiver, |mut receiver| async move {
        Some((receiver.recv().await?, receiver))
    })
    .boxed()
}

async fn one(
    shared: Arc<Shared>,
    pod: Arc<Pod>,
    query: LogQuery,
    from: Option<Timestamp>,
    to: tokio::sync::mpsc::Sender<LogLine>,
) {
    let Some((api, name, params)) = asked(&shared, &pod, &query) else {
        return;
    };
    let params = LogParams {
        follow: true,
        since_time: from.or(query.since),
        ..params
    };
    let Ok(stream) = api.log_stream(&name, &params).await else {
        return;
    };
    let mut lines = stream.lines();
    while let Some(Ok(line)) = lines.next().await {
        let Some(line) = read(&line, &pod, &query) else {
            continue;
        };
        // The kubelet's `since` has whole seconds.
        if from.is_some_and(|from| line.at <= from) {
            continue;
        }
        if to.send(line).await.is_err() {
            return;
        }
    }
}
