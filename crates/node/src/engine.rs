//! The engine as all applications see it: one list of everything for all of them, made again when something may have changed.
//!
//! Lists are asked for by whoever acted ([`Engine::refresh`]), by the engine's events, and by a slow timer, because events are
//! hints that may be lost. Any number of asks while a list is under way make one more list. While the engine does not answer,
//! the last view stays, with the reason beside it: gateway and probes go on by it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use pluvio_model::facts::Facts;
use pluvio_model::id::ApplicationId;
use pluvio_model::problem::Problem;
use pluvio_plan::lower::engine::label;
use pluvio_runtime::driver::{Driver, DriverError, SeenContainer, SeenNetwork, SeenVolume};
use tokio::sync::{Notify, watch};

/// Between two lists when nothing happens.
const IDLE: Duration = Duration::from_secs(60);
/// Between two attempts while the engine does not answer.
const RETRY: Duration = Duration::from_secs(1);
/// Events come in groups (die, stop, network disconnect …): one list for a group.
const GROUP: Duration = Duration::from_millis(15);

#[derive(Debug, Default)]
pub(crate) struct View {
    /// Lists asked for up to this number are answered by it.
    ticket: u64,
    /// False until the engine has answered once.
    pub(crate) known: bool,
    /// Why the engine does not answer now.
    pub(crate) problem: Option<Problem>,
    containers: HashMap<ApplicationId, Arc<Vec<SeenContainer>>>,
    networks: HashMap<ApplicationId, Arc<Vec<SeenNetwork>>>,
    volumes: HashMap<ApplicationId, Arc<Vec<SeenVolume>>>,
}

/// What one application sees; compared to know whether there is anything to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) known: bool,
    pub(crate) problem: Option<Problem>,
    pub(crate) containers: Arc<Vec<SeenContainer>>,
    pub(crate) networks: Arc<Vec<SeenNetwork>>,
    pub(crate) volumes: Arc<Vec<SeenVolume>>,
}

impl View {
    pub(crate) fn part(&self, application: ApplicationId) -> Part {
        Part {
            known: self.known,
            problem: self.problem.clone(),
            containers: self
                .containers
                .get(&application)
                .cloned()
                .unwrap_or_default(),
            networks: self.networks.get(&application).cloned().unwrap_or_default(),
            volumes: self.volumes.get(&application).cloned().unwrap_or_default(),
        }
    }

    pub(crate) fn containers(&self) -> impl Iterator<Item = &SeenContainer> {
        self.containers.values().flat_map(|all| all.iter())
    }

    pub(crate) fn by_application(&self) -> impl Iterator<Item = (ApplicationId, &[SeenContainer])> {
        self.containers
            .iter()
            .map(|(application, all)| (*application, &all[..]))
    }

    pub(crate) fn volumes(&self) -> impl Iterator<Item = (ApplicationId, &SeenVolume)> {
        self.volumes
            .iter()
            .flat_map(|(application, all)| all.iter().map(|volume| (*application, volume)))
    }
}

pub(crate) struct Engine {
    pub(crate) driver: Arc<dyn Driver>,
    views: watch::Sender<Arc<View>>,
    tickets: AtomicU64,
    asked: Notify,
    facts: Mutex<Option<Facts>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.write_str("Engine")
    }
}

impl Engine {
    pub(crate) fn new(driver: Arc<dyn Driver>) -> Engine {
        Engine {
            driver,
            views: watch::Sender::default(),
            tickets: AtomicU64::new(0),
            asked: Notify::new(),
            facts: Mutex::default(),
        }
    }

    pub(crate) fn view(&self) -> Arc<View> {
        self.views.borrow().clone()
    }

    pub(crate) fn views(&self) -> watch::Receiver<Arc<View>> {
        self.views.subscribe()
    }

    /// A view whose list was begun after this call.
    pub(crate) async fn refresh(&self) -> Arc<View> {
        let ticket = self.tickets.fetch_add(1, Ordering::AcqRel) + 1;
        let mut views = self.views.subscribe();
        self.asked.notify_one();
        let answered = views.wait_for(|view| view.ticket >= ticket).await;
        answered.map_or_else(|_| self.view(), |view| view.clone())
    }

    /// What the engine can do; remembered, since an engine does not change while it runs.
    pub(crate) async fn facts(&self) -> Result<Facts, DriverError> {
        if let Some(facts) = self.known_facts() {
            return Ok(facts);
        }
        let facts = self.driver.facts().await?;
        *self.facts.lock().unwrap_or_else(PoisonError::into_inner) = Some(facts.clone());
        Ok(facts)
    }

    pub(crate) fn known_facts(&self) -> Option<Facts> {
        self.facts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Takes the engine that answers now for its own.
    pub(crate) async fn rebind(&self) -> Result<(), DriverError> {
        self.driver.rebind().await?;
        *self.facts.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.refresh().await;
        Ok(())
    }

    /// Lists as long as the node lives.
    pub(crate) async fn watch(self: Arc<Self>) {
        let listening = self.clone();
        let listen = async move {
            loop {
                if let Ok(mut events) = listening.driver.events().await {
                    // Whatever happened while nobody listened is in the next list.
                    listening.asked.notify_one();
                    while events.next().await.is_some() {
                        listening.asked.notify_one();
                    }
                    // The engine went away: containers may have gone with it, its version may be another when it is back.
                    *listening
                        .facts
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner) = None;
                    listening.asked.notify_one();
                }
                tokio::time::sleep(RETRY).await;
            }
        };
        let list = async {
            loop {
                let ticket = self.tickets.load(Ordering::Acquire);
                let answered = self.list(ticket).await;
                let pause = if answered { IDLE } else { RETRY };
                let _ = tokio::time::timeout(pause, self.asked.notified()).await;
                if answered {
                    tokio::time::sleep(GROUP).await;
                } else {
                    // An engine that is away is not asked as often as somebody waits for it.
                    tokio::time::sleep(RETRY / 4).await;
                }
            }
        };
        tokio::join!(listen, list);
    }

    async fn list(&self, ticket: u64) -> bool {
        let answer = tokio::try_join!(
            self.driver.containers(),
            self.driver.networks(),
            self.driver.volumes(),
            self.facts(),
        );
        let (view, answered) = match answer {
            Ok((containers, networks, volumes, _)) => {
                let view = View {
                    ticket,
                    known: true,
                    problem: None,
                    containers: by_application(
                        containers,
                        |c| &c.labels,
                        |a, b| a.name.cmp(&b.name),
                    ),
                    networks: by_application(networks, |n| &n.labels, |a, b| a.name.cmp(&b.name)),
                    volumes: by_application(volumes, |v| &v.labels, |a, b| a.name.cmp(&b.name)),
                };
                (view, true)
            }
            Err(error) => {
                let before = self.view();
                if before.problem.is_none() {
                    tracing::warn!(%error, "the engine does not answer; applications and gateway go on");
                }
                let view = View {
                    ticket,
                    known: before.known,
                    problem: Some(error.to_problem()),
                    containers: before.containers.clone(),
                    networks: before.networks.clone(),
                    volumes: before.volumes.clone(),
                };
                (view, false)
            }
        };
        self.views.send_replace(Arc::new(view));
        answered
    }
}

fn by_application<T>(
    things: Vec<T>,
    labels: impl Fn(&T) -> &indexmap::IndexMap<String, String>,
    order: impl Fn(&T, &T) -> std::cmp::Ordering,
) -> HashMap<ApplicationId, Arc<Vec<T>>> {
    let mut all: HashMap<ApplicationId, Vec<T>> = HashMap::new();
    for thing in things {
        let application = labels(&thing)
            .get(label::APPLICATION)
            .and_then(|id| id.parse().ok());
        // Ours by the installation's label, yet of no application: not for this node to touch.
        if let Some(application) = application {
            all.entry(application).or_default().push(thing);
        }
    }
    all.into_iter()
        .map(|(application, mut things)| {
            things.sort_by(&order);
            (application, Arc::new(things))
        })
        .collect()
}
