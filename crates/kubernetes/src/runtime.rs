//! The runtime itself: takes stages, says what is seen.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::{Api, Client};
use pluvio_model::cluster::NodeOverview;
use pluvio_model::facts::{Facts, Reach, RuntimeKind};
use pluvio_model::id::ApplicationId;
use pluvio_model::name::Name;
use pluvio_model::observed::Observed;
use pluvio_model::problem;
use pluvio_model::release::DecidedComponent;
use pluvio_model::stage::{RunWish, Stage, Wish};
use pluvio_plan::lower::kubernetes::{Dns, GatewayRef, Level, Options};
use pluvio_runtime::{Changes, Masks, Pulls, Runtime, RuntimeError, Scope};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::book::{Book, Shelf};
use crate::cache::{Cache, Touched};
use crate::connect::{Connection, unreachable};
use crate::failure::runtime_error;
use crate::last_words::LastWords;
use crate::meetings::Meetings;
use crate::observe;
use crate::overview;
use crate::pull;
use crate::resources::Resources;
use crate::usage::{self, Readings};
use crate::view::View;
use crate::worker::{self, Application};

/// What may differ from cluster to cluster.
#[derive(Clone)]
pub struct Config {
    /// Where Pluvio keeps what it must not forget.
    pub namespace: String,
    /// The Gateway that routes attach to; none: routes make no objects.
    pub gateway: Option<GatewayRef>,
    /// Whether Pluvio's own gateway runs in the cluster, and is told of routes.
    pub own_gateway: bool,
    /// The cluster's DNS domain.
    pub domain: String,
    /// For volumes that name no class.
    pub storage_class: Option<String>,
    /// Teams whose namespaces take only what `restricted` allows; `*` is every team.
    pub restricted: Vec<String>,
    /// With what images are pulled; `None`: with what the nodes have themselves.
    pub pulls: Option<Arc<dyn Pulls>>,
    /// The image of Pluvio's own program, which reaches into volumes, where it is not among what `pulls` tells of.
    pub program: Option<String>,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "Config({})", self.namespace)
    }
}

impl Config {
    pub(crate) fn is_restricted(&self, team: &Name) -> bool {
        let mut teams = self.restricted.iter();
        teams.any(|one| one == "*" || one == team.as_str())
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            namespace: "pluvio-system".to_owned(),
            gateway: None,
            own_gateway: true,
            domain: "cluster.local".to_owned(),
            storage_class: None,
            restricted: Vec::new(),
            pulls: None,
            program: None,
        }
    }
}

/// A Kubernetes cluster that runs applications.
pub struct KubernetesRuntime {
    shared: Arc<Shared>,
    applications: Arc<Mutex<BTreeMap<ApplicationId, Arc<Application>>>>,
    hint: watch::Receiver<u64>,
    view: View,
    tracker: TaskTracker,
    stop: CancellationToken,
}

/// What the loops of all applications share.
pub(crate) struct Shared {
    pub(crate) connection: Connection,
    pub(crate) client: Client,
    pub(crate) cache: Cache,
    pub(crate) resources: Resources,
    pub(crate) shelf: Shelf,
    pub(crate) config: Config,
    /// Who resolves names, as it was when the runtime began.
    dns: Option<Dns>,
    pub(crate) last_words: LastWords,
    /// Of each application its namespace, and what it needs of it.
    pub(crate) security: Mutex<BTreeMap<ApplicationId, (String, Level)>>,
    pub(crate) readings: Readings,
    masks: Mutex<BTreeMap<ApplicationId, Masks>>,
    pub(crate) meetings: Meetings,
    /// Held while namespaces are swept: two at once would take each other's marks for somebody's work.
    pub(crate) sweeping: tokio::sync::Mutex<()>,
    hint: Arc<watch::Sender<u64>>,
    tracker: TaskTracker,
}

impl KubernetesRuntime {
    /// Goes on with what the cluster holds: every kept stage gets its loop.
    ///
    /// # Errors
    /// The cluster does not answer, or does not let Pluvio read what it keeps there.
    pub async fn start(
        connection: Connection,
        config: Config,
    ) -> Result<KubernetesRuntime, RuntimeError> {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let (sender, hint) = watch::channel(0);
        let sender = Arc::new(sender);
        let client = connection.client.clone();
        let shelf = Shelf::new(&client, &config.namespace);
        shelf.make_room().await.map_err(runtime_error)?;
        let books = shelf.all().await.map_err(runtime_error)?;
        let dns = crate::dns::find(&client).await;
        let view = View::start(&client, &tracker, &stop);
        let (cache, touched) = Cache::start(&client, &tracker, &stop, &sender);
        let shared = Arc::new(Shared {
            connection,
            client,
            cache,
            resources: Resources::default(),
            shelf,
            config,
            dns,
            last_words: LastWords::default(),
            security: Mutex::default(),
            masks: Mutex::default(),
            meetings: Meetings::new(),
            sweeping: tokio::sync::Mutex::default(),
            readings: Readings::default(),
            hint: sender,
            tracker: tracker.clone(),
        });
        let runtime = KubernetesRuntime {
            shared,
            applications: Arc::default(),
            hint,
            view,
            tracker,
            stop,
        };
        tokio::time::timeout(Duration::from_secs(60), runtime.shared.cache.filled())
            .await
            .map_err(|_| {
                RuntimeError::Unreachable(
                    "the cluster's objects could not be listed within a minute".to_owned(),
                )
            })?;
        // Whom one meets is known before the first looks.
        for book in &books {
            runtime.shared.learn(&book.stage);
        }
        for book in &books {
            runtime.look_after(book);
        }
        runtime.wake_those_touched(touched);
        let (shared, stop) = (runtime.shared.clone(), runtime.stop.clone());
        runtime.tracker.spawn(async move {
            usage::read(&shared.client, &shared.readings, &stop).await;
        });
        Ok(runtime)
    }

    /// Ends the loops and waits for them. The applications run on.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }

    fn look_after(&self, book: &Book) -> Arc<Application> {
        self.shared.learn(&book.stage);
        let application = Arc::new(Application::new(book));
        let mut all = self.applications.lock().expect("no holder panics");
        all.insert(application.id, application.clone());
        self.tracker.spawn(worker::run(
            self.shared.clone(),
            application.clone(),
            self.stop.clone(),
        ));
        application
    }

    fn wake_those_touched(&self, mut touched: Touched) {
        let (applications, stop) = (self.applications.clone(), self.stop.clone());
        self.tracker.spawn(async move {
            loop {
                let id = tokio::select! {
                    () = stop.cancelled() => return,
                    id = touched.recv() => id,
                };
                let Some(id) = id else { return };
                if let Some(application) = applications.lock().expect("no holder panics").get(&id) {
                    application.wake.notify_one();
                }
            }
        });
    }

    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn applications(&self) -> Vec<Arc<Application>> {
        let all = self.applications.lock().expect("no holder panics");
        all.values().cloned().collect()
    }

    pub(crate) fn application(&self, id: ApplicationId) -> Option<Arc<Application>> {
        self.applications
            .lock()
            .expect("no holder panics")
            .get(&id)
            .cloned()
    }
}

impl std::fmt::Debug for KubernetesRuntime {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(
            out,
            "KubernetesRuntime({})",
            self.shared.connection.identity
        )
    }
}

impl Drop for KubernetesRuntime {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Shared {
    /// What the application's instances were given since Pluvio looks after it here, and must not show.
    pub(crate) fn masks(&self, application: ApplicationId) -> Masks {
        let mut all = self.masks.lock().expect("no holder panics");
        all.entry(application).or_default().clone()
    }

    /// Gives an application's loop a newer stage. Its secrets are known before anything of it runs.
    pub(crate) fn take_up(&self, application: &Application, book: Book) {
        self.learn(&book.stage);
        application.offer(book);
        self.hint();
    }

    fn learn(&self, stage: &Stage) {
        self.meetings.learn(stage);
        match &stage.wish {
            Wish::Run(wish) => self.masks(stage.application).learn(wish),
            Wish::Gone => {}
        }
    }

    pub(crate) fn hint(&self) {
        self.hint.send_modify(|count| *count += 1);
    }

    pub(crate) fn options(&self, wish: &RunWish) -> Options {
        Options {
            gateway: self.config.gateway.clone(),
            own_gateway: self
                .config
                .own_gateway
                .then(|| self.config.namespace.clone()),
            cluster_domain: self.config.domain.clone(),
            dns: self.dns.clone(),
            restricted: self.config.is_restricted(&wish.release.team),
            storage_class: self.config.storage_class.clone(),
            pull_secret: self.config.pulls.is_some().then(|| pull::SECRET.to_owned()),
            masked: false,
            ..Options::for_reading(&wish.release)
        }
    }

    /// Runs what a hot file's change asks for, once the pod can have the new content.
    pub(crate) fn reload(
        self: &Arc<Self>,
        component: &DecidedComponent,
        namespace: &str,
        pod: &str,
    ) {
        let reloads: Vec<_> = component
            .hot_files
            .iter()
            .filter_map(|(path, file)| Some((path.clone(), file.reload.clone()?)))
            .collect();
        if reloads.is_empty() {
            return;
        }
        let (shared, namespace, pod) = (self.clone(), namespace.to_owned(), pod.to_owned());
        let container = component.name.to_string();
        self.tracker.spawn(async move {
            crate::exec::reload(&shared.client, &namespace, &pod, &container, reloads).await;
        });
    }
}

async fn list_nodes(client: &Client) -> Result<Vec<NodeOverview>, RuntimeError> {
    let nodes = Api::<Node>::all(client.clone());
    let nodes = nodes.list(&ListParams::default()).await;
    let nodes = nodes.map_err(|error| RuntimeError::Refused(unreachable(&error)))?;
    Ok(nodes.items.iter().map(overview::node).collect())
}

#[async_trait]
impl Runtime for KubernetesRuntime {
    /// One small request tells that the cluster answers; what its nodes hold is known from the watches.
    async fn facts(&self) -> Result<Facts, RuntimeError> {
        let server = self.shared.client.apiserver_version().await;
        // Told with its remedy: a cluster is no node of this machine.
        let server = server.map_err(|error| RuntimeError::Refused(unreachable(&error)))?;
        let mut facts = Facts {
            cluster: self.shared.connection.identity,
            runtime: RuntimeKind::Kubernetes,
            version: server.git_version.trim_start_matches('v').to_owned(),
            architecture: server
                .platform
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .to_owned(),
            reach: Reach::Bridge,
            rootless: false,
            cpu_millis: 0,
            memory_bytes: 0,
        };
        let mut add = |node: &NodeOverview| {
            facts.architecture.clone_from(&node.architecture);
            facts.cpu_millis += node.resources.cpu.allocatable;
            facts.memory_bytes += node.resources.memory.allocatable;
        };
        let are_told = {
            let seen = self.view.seen();
            seen.nodes.values().for_each(&mut add);
            !seen.nodes.is_empty()
        };
        if !are_told {
            // Just connected.
            let nodes = list_nodes(&self.shared.client).await?;
            nodes.iter().for_each(&mut add);
        }
        Ok(facts)
    }

    async fn apply(&self, stage: &Stage) -> Result<(), RuntimeError> {
        if stage.cluster != self.shared.connection.identity {
            return Err(RuntimeError::Refused(problem::ENGINE_FOREIGN.problem(
                "The release was decided for another cluster than the one that answers.",
                "Check which cluster the kubeconfig leads to.",
            )));
        }
        loop {
            let held = self
                .shared
                .shelf
                .get(stage.application)
                .await
                .map_err(runtime_error)?;
            let mut book = match held {
                Some(book) if book.stage.generation > stage.generation => {
                    return Err(RuntimeError::Stale {
                        held: book.stage.generation,
                        offered: stage.generation,
                    });
                }
                Some(mut book) => {
                    if book.stage == *stage
                        && let Some(application) = self.application(stage.application)
                    {
                        // Kept, and not taken up: the answer to the first asking was lost.
                        if application.view().stage != *stage {
                            self.shared.take_up(&application, book);
                        }
                        return Ok(());
                    }
                    book.stage = stage.clone();
                    book.notes.is_gone = false;
                    book
                }
                None => Book::new(stage.clone()),
            };
            if !book.fits() {
                return Err(RuntimeError::Refused(problem::SPEC_TOO_LARGE.problem(
                    "The application with its files is larger than a cluster keeps in one object (1 MB after compression).",
                    "Put large files into an image or a volume.",
                )));
            }
            if self
                .shared
                .shelf
                .put(&mut book)
                .await
                .map_err(runtime_error)?
            {
                match self.application(stage.application) {
                    Some(application) => self.shared.take_up(&application, book),
                    None => {
                        drop(self.look_after(&book));
                        self.shared.hint();
                    }
                }
                return Ok(());
            }
            // Somebody wrote in between: what they wrote decides whether this one is still newer.
        }
    }

    async fn observe(&self, scope: Scope) -> Result<Observed, RuntimeError> {
        let now = Timestamp::now();
        let wanted = |id: ApplicationId| match scope {
            Scope::All => true,
            Scope::Application(one) => one == id,
        };
        let mut held = self.shared.cache.held(wanted);
        let all = self.applications.lock().expect("no holder panics").clone();
        let mut observed = Observed {
            at: Some(now),
            ..Observed::default()
        };
        for (id, application) in all.iter().filter(|(id, _)| wanted(**id)) {
            let held = held.remove(id).unwrap_or_default();
            let mut seen =
                observe::application(&self.shared.cache, &application.view(), &held, now);
            observe::mask(&mut seen, &self.shared.masks(*id));
            observed.applications.insert(*id, seen);
        }
        Ok(observed)
    }

    fn changes(&self) -> Changes {
        self.hint.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Not as a node of this machine, which is started by hand.
    #[tokio::test]
    async fn a_cluster_that_went_away_before_its_nodes_were_told_is_said_so() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", free.local_addr().unwrap());
        drop(free);
        let client = Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap();
        let away = list_nodes(&client).await.unwrap_err().into_problem();
        assert!(away.is(problem::CLUSTER_UNREACHABLE), "{away:?}");
    }
}
