//! Lines of pods, as the kubelets hand them out: of each container the present run, and the one before.
//!
//! Nothing is kept beside: what the nodes have let go of is gone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::io::AsyncBufReadExt;
use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;
use pluvio_model::name::Name;
use pluvio_plan::lower::kubernetes::key;
use pluvio_runtime::{BoxStream, LogLine, LogQuery, LogStream, Logs, Masks, RuntimeError};

use crate::KubernetesRuntime;
use crate::parts::{Part, parts};
use crate::runtime::Shared;

/// New runs of what is followed are looked for this often.
const NEW_RUNS: Duration = Duration::from_secs(1);
/// Containers that are read at once.
const AT_ONCE: usize = 8;

/// One container of one pod.
#[derive(Clone)]
struct Source {
    namespace: String,
    pod: String,
    container: String,
    component: Name,
    /// As [`LogLine::instance`] tells it.
    shown: String,
    /// The run that there is to read.
    run: Option<String>,
    ran_before: bool,
}

/// Of each container followed, by the name that it is shown by: which run is read, and up to when.
type Progress = BTreeMap<String, (Option<String>, Option<Timestamp>)>;

#[async_trait]
impl Logs for KubernetesRuntime {
    async fn logs(&self, query: LogQuery) -> Result<BoxStream<LogLine>, RuntimeError> {
        let shared = self.shared();
        let masks = shared.masks(query.application);
        let began = Timestamp::now();
        let sources = wanted(shared, &query);
        let read = stream::iter(sources).map(|source| {
            let (shared, query, masks) = (shared.clone(), query.clone(), masks.clone());
            async move {
                let (lines, last) = kept(&shared, &source, &query, &masks).await;
                (source, lines, last)
            }
        });
        let mut read = read.buffer_unordered(AT_ONCE);
        let (mut lines, mut progress) = (Vec::new(), Progress::new());
        while let Some((source, some, last)) = read.next().await {
            lines.extend(some);
            let up_to = match query.tail {
                Some(0) => last.or(Some(began)),
                _ => last,
            };
            progress.insert(source.shown, (None, up_to));
        }
        drop(read);
        lines.sort_by_key(|line| line.at);
        if let Some(tail) = query.tail {
            lines.drain(..lines.len().saturating_sub(tail));
        }
        let kept = stream::iter(lines);
        if !query.follow {
            return Ok(kept.boxed());
        }
        let follower = Follower {
            shared: shared.clone(),
            query: Arc::new(query),
            masks,
            progress,
        };
        Ok(kept.chain(follower.start()).boxed())
    }
}

/// Containers that the query means, those of runs of tasks included.
fn wanted(shared: &Arc<Shared>, query: &LogQuery) -> Vec<Source> {
    let held = shared
        .cache
        .held(|id| id == query.application)
        .remove(&query.application);
    let pods = held.unwrap_or_default().pods;
    pods.iter()
        .flat_map(|pod| {
            let all = parts(pod).into_iter();
            all.filter_map(|part| source(pod, &part))
                .collect::<Vec<_>>()
        })
        .filter(|source| query.is_about(&source.component, &source.shown))
        .collect()
}

fn source(pod: &Pod, part: &Part<'_>) -> Option<Source> {
    let name = pod.metadata.name.clone()?;
    Some(Source {
        namespace: pod.metadata.namespace.clone()?,
        container: part.name.to_owned(),
        component: component(pod)?,
        shown: part.shown(&name),
        run: part.run().map(str::to_owned),
        ran_before: part.ran_before(),
        pod: name,
    })
}

/// A pod's component; of a release task's, which carries no such label, by its Job's name.
pub(crate) fn component(pod: &Pod) -> Option<Name> {
    let labels = pod.metadata.labels.as_ref()?;
    let named = labels
        .get(key::COMPONENT)
        .or_else(|| labels.get("app.kubernetes.io/name"))?;
    named.parse().ok()
}

/// What the node has of a container, and the time of its last line, wanted or not.
async fn kept(
    shared: &Shared,
    source: &Source,
    query: &LogQuery,
    masks: &Masks,
) -> (VecDeque<LogLine>, Option<Timestamp>) {
    let (mut lines, mut last) = (VecDeque::new(), None);
    // What is looked for among the lines may be before the last so many.
    let is_whole = query.contains.is_none() && query.until.is_none();
    let tail = query.tail.filter(|_| is_whole);
    let runs = match source.ran_before {
        true => &[true, false][..],
        false => &[false],
    };
    for previous in runs {
        let params = LogParams {
            previous: *previous,
            tail_lines: tail.and_then(|tail| i64::try_from(tail).ok()),
            ..params(source, query.since)
        };
        let api: Api<Pod> = Api::namespaced(shared.client.clone(), &source.namespace);
        // A container that has not started has no log.
        let Ok(text) = api.log_stream(&source.pod, &params).await else {
            continue;
        };
        let mut text = text.lines();
        while let Some(Ok(line)) = text.next().await {
            let Some(line) = read(&line, source, masks) else {
                continue;
            };
            last = last.max(Some(line.at));
            if !query.takes(&line) {
                continue;
            }
            lines.push_back(line);
            if query.tail.is_some_and(|tail| lines.len() > tail) {
                lines.pop_front();
            }
        }
    }
    (lines, last)
}

fn params(source: &Source, since: Option<Timestamp>) -> LogParams {
    LogParams {
        container: Some(source.container.clone()),
        timestamps: true,
        since_time: since,
        ..LogParams::default()
    }
}

/// `2026-01-02T03:04:05.678901234Z text`
fn read(line: &str, source: &Source, masks: &Masks) -> Option<LogLine> {
    let (time, text) = line.split_once(' ').unwrap_or((line, ""));
    Some(LogLine {
        at: time.parse().ok()?,
        component: source.component.clone(),
        instance: source.shown.clone(),
        // The kubelet does not tell the two streams apart.
        stream: LogStream::Out,
        text: masks.mask(text.to_owned()),
    })
}

struct Follower {
    shared: Arc<Shared>,
    query: Arc<LogQuery>,
    masks: Masks,
    progress: Progress,
}

impl Follower {
    fn start(mut self) -> BoxStream<LogLine> {
        let (sender, receiver) = tokio::sync::mpsc::channel(256);
        tokio::spawn(async move {
            let mut tasks = tokio::task::JoinSet::new();
            loop {
                for source in wanted(&self.shared, &self.query) {
                    if let Some(up_to) = self.is_new(&source) {
                        let (shared, masks) = (self.shared.clone(), self.masks.clone());
                        let (query, sender) = (self.query.clone(), sender.clone());
                        tasks.spawn(one(shared, source, query, masks, up_to, sender));
                    }
                }
                tokio::select! {
                    () = sender.closed() => return,
                    () = tokio::time::sleep(NEW_RUNS) => {}
                    Some(Ok((shown, last, is_broken))) = tasks.join_next() => {
                        if let Some((run, up_to)) = self.progress.get_mut(&shown) {
                            *up_to = last.max(*up_to);
                            if is_broken {
                                *run = None;
                            }
                        }
                        // Not again at once, whatever the matter is.
                        tokio::time::sleep(NEW_RUNS).await;
                    }
                }
            }
        });
        stream::unfold(receiver, |mut receiver| async move {
            Some((receiver.recv().await?, receiver))
        })
        .boxed()
    }

    /// Up to when a run is read already, which nobody follows yet.
    fn is_new(&mut self, source: &Source) -> Option<Option<Timestamp>> {
        let run = source.run.as_ref()?;
        let (known, up_to) = self.progress.entry(source.shown.clone()).or_default();
        if known.as_ref() == Some(run) {
            return None;
        }
        *known = Some(run.clone());
        Some(*up_to)
    }
}

/// Follows one run to its end. Answers whose, up to when, and whether that was not its end.
async fn one(
    shared: Arc<Shared>,
    source: Source,
    query: Arc<LogQuery>,
    masks: Masks,
    up_to: Option<Timestamp>,
    to: tokio::sync::mpsc::Sender<LogLine>,
) -> (String, Option<Timestamp>, bool) {
    let mut last = up_to;
    let params = LogParams {
        follow: true,
        ..params(&source, up_to.or(query.since))
    };
    let api: Api<Pod> = Api::namespaced(shared.client.clone(), &source.namespace);
    let Ok(text) = api.log_stream(&source.pod, &params).await else {
        return (source.shown, last, true);
    };
    let mut text = text.lines();
    let mut is_broken = false;
    while let Some(line) = text.next().await {
        let Ok(line) = line else {
            is_broken = true;
            break;
        };
        let Some(line) = read(&line, &source, &masks) else {
            continue;
        };
        // The kubelet's `since` has whole seconds.
        if up_to.is_some_and(|up_to| line.at <= up_to) {
            continue;
        }
        last = Some(line.at);
        if query.takes(&line) && to.send(line).await.is_err() {
            break;
        }
    }
    (source.shown, last, is_broken)
}
