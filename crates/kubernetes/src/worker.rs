//! The loop that brings one application to what its stage says, and keeps it there.

mod hosts;
mod names;
mod prune;
mod pulling;
mod scaling;
mod security;
mod storage;
mod stuck;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use pluvio_model::id::{ApplicationId, Generation};
use pluvio_model::image::ContentHash;
use pluvio_model::name::{Name, derived};
use pluvio_model::observed::RunKind;
use pluvio_model::problem::Problem;
use pluvio_model::spec::Kind;
use pluvio_model::stage::{RunWish, Stage, Wish};
use pluvio_plan::lower::kubernetes::{self as lower, Object, Options, key};
use serde_json::json;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::apply::{Writer, Wrote, name_of};
use crate::book::{Began, Book, ObjectName, RunOf};
use crate::cache::Held;
use crate::failure::{is_not_found, is_without_namespace, of_object, told};
use crate::instances;
use crate::observe::{self, View};
use crate::routes;
use crate::runtime::Shared;

/// Everything is written again this often, whatever a watch said: kinds without a watch heal by it.
const AGAIN: Duration = Duration::from_secs(300);
/// After something that may pass.
const RETRY: Duration = Duration::from_secs(2);
/// While something that was written is on its way; watches tell sooner.
const LOOK: Duration = Duration::from_secs(5);

/// Until an autoscaler that was just made gets what it scales.
const HANDING: Duration = Duration::from_millis(200);

/// One application, as its loop and those who look at it share it.
pub(crate) struct Application {
    pub(crate) id: ApplicationId,
    pub(crate) wake: Notify,
    view: Mutex<Arc<View>>,
    /// A stage that was accepted and kept, for the loop to take up.
    offered: Mutex<Option<Book>>,
}

impl Application {
    pub(crate) fn new(book: &Book) -> Application {
        Application {
            id: book.stage.application,
            wake: Notify::new(),
            view: Mutex::new(Arc::new(View {
                stage: book.stage.clone(),
                notes: book.notes.clone(),
                is_applied: false,
                is_pruned: false,
                written: BTreeMap::new(),
                problem: None,
            })),
            offered: Mutex::new(Some(book.clone())),
        }
    }

    pub(crate) fn view(&self) -> Arc<View> {
        self.view.lock().expect("no holder panics").clone()
    }

    pub(crate) fn offer(&self, book: Book) {
        let mut view = self.view.lock().expect("no holder panics");
        *view = Arc::new(View {
            stage: book.stage.clone(),
            notes: book.notes.clone(),
            is_applied: false,
            is_pruned: false,
            written: view.written.clone(),
            problem: None,
        });
        drop(view);
        *self.offered.lock().expect("no holder panics") = Some(book);
        self.wake.notify_one();
    }

    fn publish(&self, change: impl FnOnce(&mut View)) {
        let mut view = self.view.lock().expect("no holder panics");
        let mut next = View::clone(&view);
        change(&mut next);
        *view = Arc::new(next);
    }
}

/// Runs until `stop`.
pub(crate) async fn run(
    shared: Arc<Shared>,
    application: Arc<Application>,
    stop: CancellationToken,
) {
    let mut worker = Worker {
        shared,
        application,
        book: None,
        is_kept: true,
        writer: Writer::default(),
        is_pulling: false,
        hot: BTreeMap::new(),
        handed: BTreeSet::new(),
        turned_to: None,
        all_again: tokio::time::Instant::now() + AGAIN,
    };
    loop {
        let again = tokio::select! {
            () = stop.cancelled() => return,
            again = worker.round() => again,
        };
        worker.shared.hint();
        let Some(again) = again else {
            // The end: nothing is left to look after, unless a newer stage comes.
            tokio::select! {
                () = stop.cancelled() => return,
                () = worker.application.wake.notified() => continue,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(again) => {}
            () = worker.application.wake.notified() => {
                // A burst of changes makes one round.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

struct Worker {
    shared: Arc<Shared>,
    application: Arc<Application>,
    book: Option<Book>,
    /// Whether the cluster has the book's notes as they are here.
    is_kept: bool,
    writer: Writer,
    /// Whether the namespace has been given what images are pulled with.
    is_pulling: bool,
    /// What pods were last told of their hot files, by pod.
    hot: BTreeMap<String, String>,
    /// Workloads whose replicas an autoscaler has.
    handed: BTreeSet<ObjectName>,
    /// What it was last asked for.
    turned_to: Option<Generation>,
    all_again: tokio::time::Instant,
}

impl Worker {
    /// One look, and what follows from it. Answers when to look again if nothing wakes it before; `None`: never.
    async fn round(&mut self) -> Option<Duration> {
        let offered = self
            .application
            .offered
            .lock()
            .expect("no holder panics")
            .take();
        if let Some(book) = offered {
            self.book = Some(book);
            self.is_kept = true;
        }
        let result = match self.book.as_ref().map(|book| book.stage.wish.clone()) {
            None => return None,
            Some(Wish::Gone)
                if self.is_kept && self.book.as_ref().is_some_and(|book| book.notes.is_gone) =>
            {
                return None;
            }
            Some(Wish::Gone) => self.end().await,
            Some(Wish::Run(wish)) => self.bring(&wish).await,
        };
        match result {
            Ok(again) => Some(again),
            Err(problem) => {
                tracing::debug!(application = %self.application.id, code = problem.code, cause = problem.cause, "an application could not be brought forward");
                self.application
                    .publish(|view| view.problem = Some(*problem));
                Some(RETRY)
            }
        }
    }

    fn client(&self) -> &Client {
        &self.shared.client
    }

    fn book(&mut self) -> &mut Book {
        self.book.as_mut().expect("a round has one")
    }

    /// Keeps what the notes say. Another writer's book is taken instead, and the round is over.
    async fn keep(&mut self) -> Result<(), Box<Problem>> {
        let shared = self.shared.clone();
        // Until it is known to be: a later round finds nothing new to note, and keeps it nevertheless.
        self.is_kept = false;
        let book = self.book.as_mut().expect("a round has one");
        match shared.shelf.put(book).await {
            Ok(true) => {
                self.is_kept = true;
                Ok(())
            }
            Ok(false) => {
                let id = book.stage.application;
                let newer = shared
                    .shelf
                    .get(id)
                    .await
                    .map_err(|error| of_object("the kept stage", &error))?;
                if let Some(newer) = newer {
                    shared.take_up(&self.application, newer);
                }
                Err(Box::new(of_object("the kept stage", &conflict())))
            }
            Err(error) => Err(Box::new(of_object("the kept stage", &error))),
        }
    }

    async fn bring(&mut self, wish: &RunWish) -> Result<Duration, Box<Problem>> {
        let stage = self.book().stage.clone();
        let by_the_clock = scaling::by_the_clock(wish);
        let (wish, changes) = match &by_the_clock {
            Some((wish, changes)) => (wish, *changes),
            None => (wish, None),
        };
        let options = self.shared.options(wish);
        let mut objects = lower::kubernetes(wish, stage.application, stage.generation, &options)
            .map_err(first)?;
        // Tasks first: the stage names them before their components, and their Jobs have the same names later.
        let tasks = self.tasks(wish, &stage, &options)?;
        let mut wanted: Vec<Object> = Vec::new();
        objects.retain(|object| !prune::is_of_a_job(wish, object));
        for object in tasks.into_iter().chain(objects.drain(..)) {
            if !wanted.iter().any(|one| name_of(one) == name_of(&object)) {
                wanted.push(object);
            }
        }
        wanted.extend(routes::object(&self.shared.config, wish, &stage, &options));
        wanted.sort_by_key(|object| turn(&object.kind));
        self.note(wish, &wanted, &options).await?;
        let anew = tokio::time::Instant::now() >= self.all_again;
        if anew {
            self.all_again = tokio::time::Instant::now() + AGAIN;
        }
        let mut is_handing = false;
        let mut wants_pull = anew || !self.is_pulling;
        for object in &mut wanted {
            if turn(&object.kind) > 0 && std::mem::take(&mut wants_pull) {
                self.bring_pull(wish, &options).await?;
            }
            let named = format!("{} {}", object.kind, object.name);
            let kept = self.keep_class(object).await;
            kept.map_err(|error| of_object(&named, &error))?;
            self.secure(wish, object);
            let led = self.lead(object).await;
            led.map_err(|error| of_object(&named, &error))?;
            let handing = self.hand_replicas(wish, object).await;
            is_handing |= handing.map_err(|error| of_object(&named, &error))?;
            let writing = self.writer.bring(
                &self.shared.client,
                &self.shared.resources,
                &self.shared.cache,
                object,
                anew,
            );
            let written = writing.await;
            if written.as_ref().is_err_and(is_without_namespace) {
                // Somebody deleted it with all that was in it.
                self.all_again = tokio::time::Instant::now();
            }
            written.map_err(|error| of_object(&named, &error))?;
        }
        let waits = self.inner_names(wish, &options, anew).await?;
        let written = self.written(wish, &options);
        let notes = self.book().notes.clone();
        self.application.publish(|view| {
            view.notes = notes;
            view.written = written;
            view.is_applied = true;
            view.problem = None;
        });
        self.tell_hot(wish).await;
        let held = self.held();
        self.free_stuck(wish, &held).await;
        let is_pruned = self.prune(wish, &wanted, &held).await?;
        self.application.publish(|view| view.is_pruned = is_pruned);
        let settled = observe::application(
            &self.shared.cache,
            &self.application.view(),
            &held,
            Timestamp::now(),
        )
        .settled;
        let again = match (is_handing, settled) {
            (true, _) => HANDING,
            (false, true) => AGAIN,
            (false, false) => LOOK,
        };
        Ok(again
            .min(changes.unwrap_or(again))
            .min(waits.unwrap_or(again)))
    }

    fn held(&self) -> Held {
        let id = self.application.id;
        self.shared
            .cache
            .held(|one| one == id)
            .remove(&id)
            .unwrap_or_default()
    }

    /// The Jobs that the stage names.
    fn tasks(
        &mut self,
        wish: &RunWish,
        stage: &Stage,
        options: &Options,
    ) -> Result<Vec<Object>, Box<Problem>> {
        let mut objects = Vec::new();
        for task in &wish.tasks {
            let Some(component) = wish.release.components.get(&task.component) else {
                continue;
            };
            let (kind, made) = match component.kind {
                Kind::Job => {
                    let only = RunWish {
                        components: vec![task.component.clone()],
                        ..wish.clone()
                    };
                    let made =
                        lower::kubernetes(&only, stage.application, stage.generation, options)
                            .map_err(first)?;
                    (RunKind::Job, made)
                }
                _ => {
                    let made = lower::release_task(
                        wish,
                        &task.component,
                        stage.application,
                        stage.generation,
                        options,
                    );
                    (RunKind::Release, made.unwrap_or_default())
                }
            };
            let release = wish.release.number;
            for mut object in made {
                if object.kind == "Job" {
                    // A task whose end is unknown or bad is tried again by a later release: its Job has a name of its own.
                    object = self.again(object, task, release);
                    let run = RunOf {
                        component: task.component.clone(),
                        hash: task.hash.clone(),
                        kind,
                        release,
                    };
                    self.book()
                        .notes
                        .runs
                        .entry(object.name.clone())
                        .or_insert(run);
                }
                objects.push(object);
            }
        }
        Ok(objects)
    }

    /// The same task of another release is another run.
    fn again(
        &mut self,
        mut object: Object,
        task: &pluvio_model::stage::TaskWish,
        release: u64,
    ) -> Object {
        let of_another = |run: &RunOf| run.hash == task.hash && run.release != release;
        if self
            .book()
            .notes
            .runs
            .get(&object.name)
            .is_some_and(of_another)
        {
            object.name = derived(&[&object.name, &format!("r{release}")]);
            object.body["metadata"]["name"] = json!(object.name);
        }
        object
    }

    /// Writes down what is about to be made, before it is made: nothing is ever lost sight of.
    async fn note(
        &mut self,
        wish: &RunWish,
        wanted: &[Object],
        options: &Options,
    ) -> Result<(), Box<Problem>> {
        let now = Timestamp::now();
        let before = self.book().notes.clone();
        let notes = &mut self.book().notes;
        notes.namespace.clone_from(&options.namespace);
        for object in wanted {
            // The namespace is the environment's, and claims are data: neither goes with an application.
            if matches!(object.kind.as_str(), "Namespace" | "PersistentVolumeClaim") {
                continue;
            }
            notes.add(name_of(object), component_of(object).as_ref());
        }
        notes.add(slice_name(wish, options), None);
        for name in &wish.components {
            let Some(component) = wish.release.components.get(name) else {
                continue;
            };
            let known = notes
                .began
                .get(name)
                .is_some_and(|began| began.hash == component.hash);
            if !known {
                let hash = component.hash.clone();
                notes.began.insert(name.clone(), Began { hash, at: now });
            }
            let hash = component.hash.to_string();
            notes.releases.entry(hash).or_insert(wish.release.number);
        }
        notes
            .began
            .retain(|name, _| wish.release.components.contains_key(name));
        let is_new = *notes != before;
        if is_new || !self.is_kept {
            self.keep().await?;
        }
        Ok(())
    }

    fn written(&self, wish: &RunWish, options: &Options) -> BTreeMap<Name, Wrote> {
        let mut written = BTreeMap::new();
        for component in wish.release.components.values() {
            let kind = match component.kind {
                Kind::Service | Kind::Database => "Deployment",
                Kind::Stateful => "StatefulSet",
                Kind::Daemon => "DaemonSet",
                _ => continue,
            };
            let object = lower::component_object(&wish.release, &component.name);
            let name = ObjectName::new("apps/v1", kind, &options.namespace, object);
            if let Some(wrote) = self.writer.wrote(&name) {
                written.insert(component.name.clone(), wrote);
            }
        }
        written
    }

    /// A kubelet looks at what it mounted when it looks at the pod: a changed annotation makes it do so at once, instead of
    /// within a minute.
    async fn tell_hot(&mut self, wish: &RunWish) {
        let held = self.held();
        for pod in &held.pods {
            let Some(component) =
                instances::component(pod).and_then(|name| wish.release.components.get(&name))
            else {
                continue;
            };
            if component.hot_files.is_empty() || pod.metadata.deletion_timestamp.is_some() {
                continue;
            }
            let (Some(name), Some(namespace)) = (
                pod.metadata.name.as_deref(),
                pod.metadata.namespace.as_deref(),
            ) else {
                continue;
            };
            let content = ContentHash::of(&component.hot_files).to_string();
            match self.hot.get(name) {
                Some(told) if *told == content => continue,
                // A pod that was made after the change has it from the start.
                None => {
                    self.hot.insert(name.to_owned(), content);
                    continue;
                }
                Some(_) => {}
            }
            let pods: Api<k8s_openapi::api::core::v1::Pod> =
                Api::namespaced(self.client().clone(), namespace);
            let patch = json!({ "metadata": { "annotations": { "pluvio.io/hot": content } } });
            match pods
                .patch_metadata(name, &PatchParams::default(), &Patch::Merge(&patch))
                .await
            {
                Ok(_) => {
                    self.hot.insert(name.to_owned(), content);
                    self.shared.reload(component, namespace, name);
                }
                Err(error) if is_not_found(&error) => {}
                Err(error) => {
                    tracing::debug!(error = told(&error), "a pod was not told of its files")
                }
            }
        }
        let here: BTreeSet<&str> = held
            .pods
            .iter()
            .filter_map(|pod| pod.metadata.name.as_deref())
            .collect();
        self.hot.retain(|name, _| here.contains(name.as_str()));
    }

    /// Takes everything away but data.
    async fn end(&mut self) -> Result<Duration, Box<Problem>> {
        let all = self.book().notes.beyond(&BTreeSet::new());
        let (id, mut left) = (self.application.id, false);
        for made in all {
            let (shared, object) = (&self.shared, &made.object);
            let removing = self
                .writer
                .remove(&shared.client, &shared.resources, object, id);
            let gone = removing.await;
            if gone.map_err(|error| of_object(&made.object.to_string(), &error))? {
                // Not asked for again; what is kept of the notes is written when all is gone.
                self.book().notes.remove(&made.object);
            } else {
                left = true;
            }
        }
        self.writer.forget();
        self.no_more_level();
        let held = self.held();
        if left || !held.pods.is_empty() || !held.jobs.is_empty() {
            return Ok(Duration::from_millis(500));
        }
        self.end_pull().await?;
        let notes = &mut self.book().notes;
        notes.inventory.clear();
        notes.began.clear();
        notes.releases.clear();
        notes.runs.clear();
        notes.is_gone = true;
        self.keep().await?;
        let notes = self.book().notes.clone();
        self.application.publish(|view| {
            view.notes = notes;
            view.problem = None;
        });
        Ok(AGAIN)
    }
}

/// What is needed comes before what needs it; a volume that cannot be made stops everything after it.
fn turn(kind: &str) -> u8 {
    match kind {
        "Namespace" => 0,
        "PersistentVolumeClaim" | "Secret" | "ConfigMap" | "ServiceAccount" => 1,
        "Service" | "NetworkPolicy" => 2,
        scaling::AUTOSCALER => 4,
        _ => 3,
    }
}

fn component_of(object: &Object) -> Option<Name> {
    let labels = object.body.pointer("/metadata/labels")?;
    labels.get(key::COMPONENT)?.as_str()?.parse().ok()
}

fn slice_name(wish: &RunWish, options: &Options) -> ObjectName {
    let name = derived(&[wish.release.application_name.as_str(), "names"]);
    ObjectName::new(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        &options.namespace,
        name,
    )
}

pub(crate) fn first(problems: Vec<Problem>) -> Box<Problem> {
    Box::new(problems.into_iter().next().expect("a refusal has a reason"))
}

fn conflict() -> kube::Error {
    let status = kube::core::Status::failure("somebody else has written since", "Conflict");
    kube::Error::Api(status.with_code(409).boxed())
}
