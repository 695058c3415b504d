//! What runs now, as a place tells it: one look that lists, overviews and open tabs share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pluvio_control::Reached;
use pluvio_model::id::{ApplicationId, ClusterId};
use pluvio_model::observed::Observed;
use pluvio_node::wire::RouteMetrics;
use pluvio_runtime::{Changes, Scope, UsageSample};

use crate::App;

/// What a place tells of everything, in one go; empty when it does not answer.
#[derive(Debug, Default)]
pub(crate) struct Now {
    /// Why nothing is seen.
    pub(crate) silence: Option<String>,
    pub(crate) observed: Option<Observed>,
    metrics: Vec<RouteMetrics>,
    pub(crate) usage: BTreeMap<ApplicationId, BTreeMap<String, Vec<UsageSample>>>,
}

impl Now {
    pub(crate) async fn look(app: &App, at: Option<ClusterId>, scope: Scope) -> Now {
        if let Some(silence) = silence(app, at) {
            return Now {
                silence: Some(silence),
                ..Now::default()
            };
        }
        let Ok(place) = app.control.place(at) else {
            return Now::default();
        };
        let usage = async {
            match scope {
                Scope::All => place.usage_of_all().await,
                Scope::Application(id) => place
                    .usage(id, true)
                    .await
                    .map(|own| BTreeMap::from([(id, own)])),
            }
        };
        // Only the node of this machine counts requests.
        let metrics = async {
            match at {
                None => app.control.node().metrics().await.map(|m| m.routes),
                Some(_) => Ok(Vec::new()),
            }
        };
        let (observed, metrics, usage) = tokio::join!(place.observe(scope), metrics, usage);
        let silence = observed.is_err().then(|| match at {
            None => "the node does not answer".to_owned(),
            Some(_) => "the cluster does not answer".to_owned(),
        });
        Now {
            silence,
            observed: observed.ok(),
            metrics: metrics.unwrap_or_default(),
            usage: usage.unwrap_or_default(),
        }
    }

    /// Everything at once, from a moment ago where that will do: lists, overviews and open tabs share one look. A hint of
    /// the place makes it anew; without one, whoever comes late takes the last look and has the next one made meanwhile.
    pub(crate) async fn all(app: &App, at: Option<ClusterId>) -> Arc<Now> {
        let looked = app.looked.at(at);
        let hints = looked.hints(app, at);
        match looked.last(hints) {
            Some((age, now)) if age < FRESH => now,
            Some((age, now)) if age < STALE => {
                let app = app.clone();
                tokio::spawn(async move {
                    if let Ok(_turn) = looked.turn.try_lock() {
                        looked.keep(hints, Now::look(&app, at, Scope::All).await);
                    }
                });
                now
            }
            _ => {
                let _turn = looked.turn.lock().await;
                match looked.last(hints) {
                    Some((age, now)) if age < FRESH => now,
                    _ => looked.keep(hints, Now::look(app, at, Scope::All).await),
                }
            }
        }
    }

    pub(crate) fn metrics_of(&self, id: ApplicationId) -> Vec<RouteMetrics> {
        let own = self.metrics.iter().filter(|m| m.application == id);
        own.cloned().collect()
    }
}

/// What is said of a cluster that does not answer. What was last seen of it may be long over.
pub(crate) fn silence(app: &App, at: Option<ClusterId>) -> Option<String> {
    match app.control.reached(at?) {
        Reached::Yes => None,
        Reached::NotYet => Some("the cluster is only just being connected to".to_owned()),
        Reached::No { since, .. } => {
            let since = since.strftime("%F %T UTC");
            Some(format!("the cluster does not answer since {since}"))
        }
    }
}

/// The last look at each place; see [`Now::all`].
#[derive(Debug, Default)]
pub(crate) struct Looks {
    all: Mutex<BTreeMap<Option<ClusterId>, Arc<Looked>>>,
}

impl Looks {
    fn at(&self, at: Option<ClusterId>) -> Arc<Looked> {
        let mut all = self.all.lock().expect("not poisoned");
        all.entry(at).or_default().clone()
    }
}

#[derive(Debug, Default)]
struct Looked {
    hints: Mutex<Option<Changes>>,
    /// Held by whoever looks.
    turn: tokio::sync::Mutex<()>,
    last: Mutex<Option<Look>>,
}

#[derive(Debug)]
struct Look {
    at: Instant,
    /// How many hints there had been before it.
    hints: u64,
    now: Arc<Now>,
}

impl Looked {
    /// How many hints the place has given; a place that was connected to anew counts anew, which is another number.
    fn hints(&self, app: &App, at: Option<ClusterId>) -> u64 {
        let mut hints = self.hints.lock().expect("not poisoned");
        if hints
            .as_ref()
            .is_none_or(|kept| kept.has_changed().is_err())
        {
            *hints = app.control.place(at).ok().map(|place| place.changes());
        }
        hints.as_ref().map_or(0, |kept| *kept.borrow())
    }

    /// The last look and its age, unless the place has hinted at something new since.
    fn last(&self, hints: u64) -> Option<(Duration, Arc<Now>)> {
        let last = self.last.lock().expect("not poisoned");
        let last = last.as_ref().filter(|look| look.hints == hints)?;
        Some((last.at.elapsed(), last.now.clone()))
    }

    fn keep(&self, hints: u64, now: Now) -> Arc<Now> {
        let now = Arc::new(now);
        *self.last.lock().expect("not poisoned") = Some(Look {
            at: Instant::now(),
            hints,
            now: now.clone(),
        });
        now
    }
}

/// Rates and usage move all the time; they may be so old in a list.
const FRESH: Duration = Duration::from_secs(1);
/// The oldest look that is shown while a newer one is made.
const STALE: Duration = Duration::from_secs(5);
