//! Finite work: leases build jobs, fetches, builds or pulls, keeps the image, decides. Killed anywhere, the job's lease runs
//! out and another worker (or this one, after its restart) begins it again; what was built is found by its key.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pluvio_build::{BuildRequest, ContextAtHand, LogEntry};
use pluvio_model::facts::{ImageAtHand, ImageFacts};
use pluvio_model::id::OperationId;
use pluvio_model::image::ImageReference;
use pluvio_model::name::Name;
use pluvio_model::operation::{Operation, StepName, StepState};
use pluvio_model::problem::{self, Problem};
use pluvio_model::release::Release;
use pluvio_model::revision::{Origin, Revision};
use pluvio_model::spec::{BuildContext, BuildSpec, ComponentSpec, SourceSpec};
use pluvio_plan::{ImageNeed, images_in_order, images_needed, other_images_needed};
use pluvio_store::{Application, Deciding, LeasedJob, StoreError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::asks::{BUILD, BuildJob, PULL};
use crate::leases::{self, LEASE};
use crate::pulls::Whose;
use crate::{Control, OperationLog, crash};

/// Workers beside those that build.
pub(crate) const PULLERS: usize = 2;

/// Takes one job after another until control stops; those beyond the builds at once take what is not built.
pub(crate) async fn run(control: Control, number: usize) {
    if number == 0
        && let Err(error) = control
            .inner
            .store
            .forfeit_leases(|owner| died_here(&control.inner.config.owner, owner))
            .await
    {
        tracing::warn!(%error, "leases of earlier processes run out by themselves");
    }
    let kinds: &[&str] = match number < control.builds() {
        true => &[BUILD],
        false => &[PULL],
    };
    leases::run(&control, number, kinds, work).await;
}

/// Takes the next job and works on it until it ends; whether there was one.
pub async fn take_one(control: &Control, owner: &str) -> Result<bool, StoreError> {
    match control
        .inner
        .store
        .lease_job(owner, &[BUILD, PULL], LEASE)
        .await?
    {
        Some(job) => work(control, job).await,
        None => return Ok(false),
    }
    Ok(true)
}

/// Whether a lease's owner, `HOST-PROCESS-NUMBER`, was a process of this host (`own` is `HOST-PROCESS`) that is no more. One
/// whose number another program has by now keeps its lease until it runs out.
fn died_here(own: &str, owner: &str) -> bool {
    let (Some((host, _)), Some((theirs, _))) = (own.rsplit_once('-'), owner.rsplit_once('-'))
    else {
        return false;
    };
    match theirs.rsplit_once('-') {
        Some((their_host, process)) if their_host == host && theirs != own => {
            // A process that nobody has collected yet has an empty command line.
            process.parse::<u32>().is_ok()
                && !std::fs::read(format!("/proc/{process}/cmdline"))
                    .is_ok_and(|command| !command.is_empty())
        }
        _ => false,
    }
}

/// Works on one job with its heart beating; ends it in every case but that of a lost lease.
async fn work(control: &Control, job: LeasedJob) {
    let cancel = CancellationToken::new();
    // What somebody asked for: `cancel` also follows from a lease that is lost, and from a control that stops.
    let cancelled = CancellationToken::new();
    let (store, lease) = (&control.inner.store, &job.lease);
    let stop = control.inner.stop.clone();
    let outcome = tokio::select! {
        outcome = build(control, &job, &cancel) => outcome,
        () = leases::beat(control, lease, &cancelled) => {
            // The lease went to another: what this one began, it stops.
            cancel.cancel();
            return;
        }
        () = async { cancelled.cancelled().await; cancel.cancel(); std::future::pending::<()>().await } => return,
        () = async { stop.cancelled().await; cancel.cancel(); std::future::pending::<()>().await } => return,
        () = async { stop.cancelled().await; tokio::time::sleep(Duration::from_secs(6)).await } => {
            let _ = store.release_job(lease, None).await;
            return;
        }
    };
    if stop.is_cancelled() {
        let _ = store.release_job(lease, None).await;
        return;
    }
    if let Err(problem) = outcome {
        let fail = store.fail_build(lease, &problem, cancelled.is_cancelled());
        if let Err(error) = fail.await {
            tracing::warn!(%error, "a failed build was not recorded; its lease runs out");
        }
    }
    if let Err(problem) = crate::copying::clear(control).await {
        tracing::warn!(
            cause = problem.cause,
            "what is left of a copy that failed was not removed"
        );
    }
}

async fn build(
    control: &Control,
    job: &LeasedJob,
    cancel: &CancellationToken,
) -> Result<(), Problem> {
    let store = &control.inner.store;
    let (Some(application), Some(operation)) = (job.job.application, job.job.operation) else {
        return Err(
            problem::INTERNAL.problem("A build belongs to no application.", "Please report it.")
        );
    };
    let payload: BuildJob = serde_json::from_value(job.job.payload.clone()).map_err(|e| {
        problem::INTERNAL.problem(
            format!("A build's payload cannot be read: {e}."),
            "Deploy again.",
        )
    })?;
    let application = store.application(application).await?;
    let operation = store.operation(operation).await?.0;
    let revision = revision_of(control, &application, &operation).await?;
    let parent = match application.release {
        Some(number) => Some((
            store.revision(application.id, number).await?.spec,
            store.release(application.id, number).await?.release,
        )),
        None => None,
    };
    // Decided again later, but before anything is pulled or made.
    if let Some((_, release)) = &parent {
        pluvio_plan::refuse_other_data(&revision.spec, release)?;
    }
    let (mut sayer, notes) = Sayer::open(control, &operation).await;
    if let Some((_, release)) = &parent {
        for text in pluvio_plan::preview::given_up(release, &revision.spec) {
            let _ = notes.send(Note::Build(LogEntry::line(text)));
        }
    }
    let mut images = BTreeMap::new();
    let of_parent = parent.as_ref().map(|(spec, release)| (spec, release));
    let mut needs = images_needed(&revision.spec, &revision.origin, of_parent);
    if !payload.only.is_empty() {
        // The others keep what they have, as after a change of settings.
        let settings = Origin::Patch {
            what: String::new(),
        };
        let kept = images_needed(&revision.spec, &settings, of_parent);
        needs.extend(
            kept.into_iter()
                .filter(|(name, _)| !payload.only.contains(name)),
        );
    }
    let mut other_images = BTreeMap::new();
    let others = other_images_needed(
        &revision.spec,
        &revision.origin,
        parent.as_ref().map(|(_, release)| release),
    );
    let mut found = Found::default();
    let outcome: Result<(), Problem> = async {
        for (name, need) in images_in_order(&revision.spec, needs) {
            if let Some(pinned) = payload.pinned.get(&name) {
                images.insert(name, pinned.clone());
                continue;
            }
            let component = &revision.spec.components[&name];
            if let Some(image) = obtain(
                control,
                &application,
                operation.id,
                &revision,
                parent.as_ref().map(|p| &p.1),
                &name,
                component,
                need,
                &payload,
                &images,
                &notes,
                cancel,
                &mut found,
            )
            .await?
            {
                images.insert(name, image);
            }
        }
        for reference in others {
            if payload.other_pinned.contains_key(&reference.to_string()) {
                continue;
            }
            let image = pull(control, &application, &reference, payload.pull, &notes).await?;
            other_images.insert(reference.to_string(), image);
        }
        Ok(())
    }
    .await;
    drop(notes);
    sayer.finish().await;
    outcome?;
    if let Some(upload) = &payload.upload {
        let _ = control
            .inner
            .blobs
            .put_bytes(
                &crate::sources::upload_note(application.id),
                upload.as_bytes(),
            )
            .await;
    }
    crash::point("decide");
    let whose = Whose::of(&application, &revision.spec);
    let images = control.for_cluster(&whose, images).await?;
    other_images.extend(payload.other_pinned.clone());
    let other_images = control.others_for_cluster(&whose, other_images).await?;
    let mut surroundings = control
        .surroundings(application.cluster, application.id, images)
        .await?;
    surroundings.other_images = other_images;
    let now = pluvio_model::clock::now();
    let edit = |operation: &mut Operation| {
        for step in operation.steps.clone() {
            let before = step.name < StepName::Decide;
            if before && matches!(step.state, StepState::Waiting) {
                operation.step_mut(step.name).state = StepState::Skipped;
            }
        }
        operation.finish(StepName::Decide, format!("r{}", revision.number), now);
    };
    let (first, then) = crate::copying::after_build(&payload);
    let decide = |seen: &Deciding| surroundings.decide(seen);
    match store
        .complete_first(&job.lease, &first, then, decide, edit)
        .await
    {
        Ok(_) => Ok(()),
        Err(StoreError::Stale { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The revision that the operation asked for.
async fn revision_of(
    control: &Control,
    application: &Application,
    operation: &Operation,
) -> Result<Revision, Problem> {
    let number = operation
        .release
        .or(application.revision)
        .ok_or_else(|| problem::INTERNAL.problem("A build has no revision.", "Deploy again."))?;
    Ok(control.inner.store.revision(application.id, number).await?)
}

/// What was looked up for one component and is not asked again for the next.
#[derive(Default)]
struct Found {
    pulled: BTreeMap<ImageReference, ImageAtHand>,
    facts: BTreeMap<String, Option<ImageFacts>>,
}

#[allow(
    clippy::too_many_arguments,
    reason = "all of it is what one image is made from"
)]
async fn obtain(
    control: &Control,
    application: &Application,
    operation: OperationId,
    revision: &Revision,
    parent: Option<&Release>,
    name: &Name,
    component: &ComponentSpec,
    need: ImageNeed,
    payload: &BuildJob,
    before: &BTreeMap<Name, ImageAtHand>,
    say: &mpsc::UnboundedSender<Note>,
    cancel: &CancellationToken,
    found: &mut Found,
) -> Result<Option<ImageAtHand>, Problem> {
    match need {
        ImageNeed::Inherit { image_id } => {
            let facts = match found.facts.get(&image_id) {
                Some(facts) => facts.clone(),
                None => pluvio_runtime::Images::image(&control.inner.node, &image_id)
                    .await
                    .map_err(pluvio_runtime::RuntimeError::into_problem)?,
            };
            found.facts.insert(image_id, facts.clone());
            let reference = parent
                .and_then(|p| p.components.get(name))
                .map(|c| c.content.main.image.clone());
            let built = parent
                .and_then(|p| p.components.get(name))
                .and_then(|c| c.build.clone());
            Ok(facts.zip(reference).map(|(facts, reference)| ImageAtHand {
                reference,
                facts,
                built,
            }))
        }
        ImageNeed::Pull(reference) => {
            let image = match found.pulled.get(&reference) {
                Some(image) => image.clone(),
                None => pull(control, application, &reference, payload.pull, say).await?,
            };
            found.pulled.insert(reference, image.clone());
            Ok(Some(image))
        }
        ImageNeed::Database(database) => Ok(Some(
            crate::database::image(control, application, &database, say).await?,
        )),
        ImageNeed::Build => {
            let source = component.source.as_ref().ok_or_else(|| {
                problem::SOURCE_MISSING.problem(
                    format!("{name} has neither source nor image."),
                    "Give it one of the two.",
                )
            })?;
            crash::point("fetch");
            let source = control
                .build_source(application.team, source, payload.upload.as_deref())
                .await?;
            let spec: BuildSpec = component.build.clone().unwrap_or_default();
            let contexts = contexts_at_hand(control, application, &spec, before).await?;
            let names = spec.secret_names();
            let mut secrets = BTreeMap::new();
            if !names.is_empty() {
                let rows = control.inner.store.secrets(application.id).await?;
                let mut references = Vec::new();
                for wanted in names {
                    let row = rows.iter().find(|r| r.name == *wanted).ok_or_else(|| {
                        problem::SECRET_MISSING.problem(
                            format!("The build secret {wanted} has no value."),
                            format!("Set it with `pluvio secret set {wanted}`."),
                        )
                    })?;
                    references.push(pluvio_model::template::SecretRef {
                        name: wanted.clone(),
                        version: row.version,
                    });
                }
                let purpose = format!("the build of {name} in operation {operation}");
                let mut values = control
                    .read_secrets(application.id, &references, &purpose)
                    .await?;
                secrets.extend(references.into_iter().filter_map(|reference| {
                    let value = values.remove(&pluvio_model::stage::RunWish::key(&reference))?;
                    Some((reference.name, value))
                }));
            }
            let say = say.clone();
            // Where there are several, each step says whose it is.
            let whose = (revision.spec.components.len() > 1).then(|| name.clone());
            let log: pluvio_build::Log = Arc::new(move |mut entry| {
                if let LogEntry::Step { name, state, note } = &mut entry {
                    match (&name, state) {
                        (StepName::Build, StepState::Running) => crash::point("build"),
                        (StepName::Keep, StepState::Running) => crash::point("keep"),
                        _ => {}
                    }
                    if let Some(whose) = &whose {
                        let separator = if note.is_empty() { "" } else { ": " };
                        *note = format!("{whose}{separator}{note}");
                    }
                }
                let _ = say.send(Note::Build(entry));
            });
            let request = BuildRequest {
                team: application.team,
                team_name: application.team_name.clone(),
                application: application.name.clone(),
                component: name.clone(),
                source,
                recipe: pluvio_build::Recipe::Detect(Box::new(component.clone())),
                secrets,
                contexts,
                registries: control.registry_credentials(application.team).await?,
                cancel: cancel.clone(),
            };
            let built = control.inner.builder.build(request, log).await?;
            let mut record = built.record;
            let note = &payload.source_note;
            let source = &mut record.source;
            source.commit = source.commit.take().or_else(|| note.commit.clone());
            source.message = source.message.take().or_else(|| note.message.clone());
            source.author = source.author.take().or_else(|| note.author.clone());
            source.branch = source.branch.take().or_else(|| note.branch.clone());
            record.log = Some(crate::oplog::key(operation).to_string());
            let sbom = serde_json::to_vec(&built.sbom).expect("JSON serialises");
            if let Ok(key) = format!("sbom/{}/{}-{name}", application.id, revision.number).parse()
                && control.inner.blobs.put_bytes(&key, &sbom).await.is_ok()
            {
                record.sbom = Some(key.to_string());
            }
            Ok(Some(ImageAtHand {
                reference: built.reference,
                facts: built.facts,
                built: Some(record),
            }))
        }
    }
}

/// What a build is made from and its own source does not hold. `before`: the images that were obtained before this one.
async fn contexts_at_hand(
    control: &Control,
    application: &Application,
    build: &BuildSpec,
    before: &BTreeMap<Name, ImageAtHand>,
) -> Result<BTreeMap<String, ContextAtHand>, Problem> {
    let mut contexts = BTreeMap::new();
    for (context, from) in &build.contexts {
        let at_hand = match from {
            BuildContext::Folder(_) | BuildContext::Image(_) => continue,
            BuildContext::Git(git) => {
                let git = SourceSpec::Git(git.clone());
                let source = control.build_source(application.team, &git, None);
                ContextAtHand::Source(source.await?)
            }
            BuildContext::Component(name) => {
                let image = before.get(name).ok_or_else(|| {
                    problem::IMAGE_NOT_FOUND.problem(
                        format!(
                            "The context {context} is what {name} runs, and that has no image."
                        ),
                        format!(
                            "Give {name} a source or an image, or write `docker-image://IMAGE`."
                        ),
                    )
                })?;
                ContextAtHand::Image {
                    reference: image.reference.to_string(),
                    id: image.facts.id.clone(),
                }
            }
        };
        contexts.insert(context.clone(), at_hand);
    }
    Ok(contexts)
}

/// An image by its name: at hand, else from its registry. `latest` and `--pull` always ask the registry, and fall back to
/// what is at hand when it cannot be reached.
async fn pull(
    control: &Control,
    application: &Application,
    reference: &ImageReference,
    always: bool,
    say: &mpsc::UnboundedSender<Note>,
) -> Result<ImageAtHand, Problem> {
    let step = |state, note: String| {
        let _ = say.send(Note::Build(LogEntry::Step {
            name: StepName::Pull,
            state,
            note,
        }));
    };
    let started = Instant::now();
    step(StepState::Running, reference.to_string());
    let engine = control.inner.builder.engine();
    let at_hand = engine
        .image_facts(&reference.to_string())
        .await
        .map_err(|e| e.to_problem())?;
    if let Some(facts) = &at_hand
        && (!always || reference.is_local())
    {
        step(StepState::Done, format!("{reference} is at hand"));
        return Ok(ImageAtHand {
            reference: reference.clone(),
            facts: facts.clone(),
            built: None,
        });
    }
    if reference.is_local() {
        return Err(problem::IMAGE_NOT_FOUND.problem(format!("{reference} is not in the engine's store, and images under localhost/ come from no registry."), "Build or load it on the machine first, or name the registry it is in."));
    }
    let credential = control
        .registry_credential(application.team, reference)
        .await?;
    let lines = say.clone();
    let progress = move |line: String| {
        let _ = lines.send(Note::Build(LogEntry::line(line)));
    };
    match engine.pull(reference, credential.as_ref(), progress).await {
        Ok(facts) => {
            step(
                StepState::Done,
                format!("{reference}, {:.1} s", started.elapsed().as_secs_f32()),
            );
            Ok(ImageAtHand {
                reference: reference.clone(),
                facts,
                built: None,
            })
        }
        Err(problem) => match at_hand {
            Some(facts) if problem.is(problem::IMAGE_REGISTRY) => {
                step(
                    StepState::Done,
                    format!("{reference} at hand; its registry does not answer"),
                );
                Ok(ImageAtHand {
                    reference: reference.clone(),
                    facts,
                    built: None,
                })
            }
            _ => Err(problem),
        },
    }
}

pub(crate) enum Note {
    Build(LogEntry),
}

/// Writes what a build says to the operation's log and steps, in order, without holding the build up.
struct Sayer {
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Sayer {
    async fn open(
        control: &Control,
        operation: &Operation,
    ) -> (Sayer, mpsc::UnboundedSender<Note>) {
        let (sender, mut notes) = mpsc::unbounded_channel::<Note>();
        let (store, id) = (control.inner.store.clone(), operation.id);
        let mut log = OperationLog::open(&control.inner.blobs, id).await;
        let task = tokio::spawn(async move {
            let mut step = StepName::Fetch;
            while let Some(Note::Build(entry)) = notes.recv().await {
                match entry {
                    LogEntry::Line { text, error } => {
                        log.write(step, if error { "error" } else { "info" }, &text)
                            .await
                    }
                    LogEntry::Step { name, state, note } => {
                        step = name;
                        let now = pluvio_model::clock::now();
                        let edit = |operation: &mut Operation| match state {
                            StepState::Running => {
                                operation.begin(name, now);
                                operation.step_mut(name).note.clone_from(&note);
                            }
                            StepState::Done => operation.finish(name, note.clone(), now),
                            other => {
                                let step = operation.step_mut(name);
                                step.state = other;
                                step.note.clone_from(&note);
                            }
                        };
                        if let Err(error) = store.update_operation(id, edit).await {
                            tracing::warn!(%error, "a build's step was not recorded");
                        }
                    }
                }
            }
            log.finish().await;
        });
        (Sayer { task: Some(task) }, sender)
    }

    async fn finish(&mut self) {
        if let Some(task) = self.task.take() {
            let _ = task.await;
        }
    }
}
