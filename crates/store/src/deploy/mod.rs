//! The verbs that change what an application shall be. Each is one transaction: revision, operation, job or release, target,
//! hosts, projections, event and audit row commit together.

mod aside;
mod complete;
mod copying;
mod power;
mod remove;
mod settle;

use std::collections::{BTreeMap, BTreeSet};

use pluvio_model::event::EventBody;
use pluvio_model::id::{ApplicationId, ClusterId, OperationId};
use pluvio_model::name::{EnvName, Name};
use pluvio_model::operation::{Operation, OperationKind, Outcome, Step};
use pluvio_model::problem::{self, Problem};
use pluvio_model::release::Release;
use pluvio_model::revision::{Origin, Revision};
use pluvio_model::spec::AppSpec;
use pluvio_model::stage::{Power, SecretValue};

use crate::application::{self, Application, ApplicationState, NewApplication};
use crate::audit::record;
use crate::edits::Edits;
use crate::job::{self, Belongs, NewJob};
use crate::operation::{self, Place};
use crate::release::{self, NewRelease, NewRevision, ReleaseState};
use crate::row::{Columns, fresh};
use crate::target::{self, Move, Target};
use crate::transaction::{Tx, transaction};
use crate::volume::TakeVolume;
use crate::{Result, Store, StoreError, host, secret, volume};

/// The application that is meant: one that is there, or one to be made in the same transaction.
#[derive(Debug, Clone)]
pub enum Whose {
    Existing(ApplicationId),
    New(NewApplication),
}

/// A key that makes a repeated request the same request, for 24 hours.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// As sent; unique for its actor.
    pub key: String,
    /// A hash of the request: the same key for another request is a conflict.
    pub fingerprint: String,
}

/// What somebody asks for.
#[derive(Debug, Clone)]
pub struct Ask {
    pub application: Whose,
    pub cluster: ClusterId,
    pub kind: OperationKind,
    /// Who asks, as shown to people.
    pub actor: String,
    /// In a sentence: `Deploy storefront from main @ 4f1c9ae`.
    pub title: String,
    /// The steps that are known already, all waiting.
    pub steps: Vec<Step>,
    pub idempotency: Option<Idempotency>,
    /// Refuse with [`crate::StoreError::Precondition`] unless this is the newest revision (`If-Match`).
    pub if_revision: Option<u64>,
    /// May refuse a whole specification that would undo what others changed since the last one was applied.
    pub objection: Option<Objection>,
    /// New secret values that belong to the change (an imported `.env`).
    pub secrets: Vec<(EnvName, SecretValue)>,
    pub settings: Vec<(EnvName, String)>,
    /// Volumes that the change takes up.
    pub volumes: Vec<TakeVolume>,
}

/// Sees the specification that was applied last, the target's, and the one that is asked for. Pure.
pub type Objection = fn(&AppSpec, &AppSpec, &AppSpec) -> std::result::Result<(), Problem>;

/// Everything a decision may read that the store knows; fetched inside the transaction.
#[derive(Debug, Clone)]
pub struct Deciding {
    pub application: Application,
    /// What is to be decided, under its final number.
    pub revision: Revision,
    /// The release that is the target now: becomes the new one's parent.
    pub parent: Option<Release>,
    /// What that one was decided from.
    pub parent_spec: Option<AppSpec>,
    pub target: Option<Target>,
    /// The newest version of every secret that has a value (generated ones are made before).
    pub secrets: BTreeMap<EnvName, u32>,
    pub settings: BTreeMap<EnvName, String>,
    /// Hosts that other applications claim and whose first label is this application's name.
    pub hosts_of_others: BTreeSet<String>,
}

/// How a revision becomes a release: by a job first, or at once.
pub enum Then<'a> {
    Job(NewJob),
    Decide(&'a mut Decide<'a>),
}

/// `plan::decide` with everything else it needs already captured. Pure: it may run more than once.
pub type Decide<'a> = dyn FnMut(&Deciding) -> Decision + Send + 'a;

/// What a decision gives: a release under the revision's number, or why there is none.
pub type Decision = std::result::Result<Release, Problem>;

impl std::fmt::Debug for Then<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Then::Job(job) => out.debug_tuple("Job").field(job).finish(),
            Then::Decide(_) => out.write_str("Decide"),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Asked {
    pub application: Application,
    /// `None` for a change of power, a deletion and a replay.
    pub revision: Option<Revision>,
    pub operation: Operation,
    /// As it is after the change; `None` while nothing was decided.
    pub target: Option<Target>,
    /// The idempotency key was seen before: this is what it made then.
    pub replayed: bool,
}

/// What became of a finished build.
#[derive(Debug, Clone)]
pub enum Completed {
    /// The release is the target now.
    Promoted {
        release: Box<Release>,
        target: Target,
    },
    /// A later deploy was asked meanwhile: recorded, not promoted; the operation ended so.
    Superseded { by: Option<OperationId> },
    /// Somebody asked for the end before it was reached.
    Cancelled,
    /// The decision refused; the operation ended with this problem.
    Refused(Problem),
}

/// Where a failed release left its application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reverted {
    /// Back at a new generation of the last live release.
    To(Target),
    /// There is no earlier live release: the target stays, its release is marked failed. (When somebody cancelled, it is
    /// switched off at a new generation.)
    Nowhere(Target),
}

impl Store {
    /// Asks for a whole specification: a new revision, an operation, and a job or a release at once. An operation still
    /// running for an earlier release is superseded when the new release becomes the target.
    ///
    /// When `then` decides and refuses, nothing is written and the error is [`crate::StoreError::Refused`].
    pub async fn ask_deploy(
        &self,
        ask: Ask,
        spec: &AppSpec,
        origin: Origin,
        mut then: Then<'_>,
    ) -> Result<Asked> {
        let then = &mut then;
        transaction!(self, tx => {
            let mut begun = match start(&mut tx, &ask).await? {
                Start::Again(asked) => return Ok(*asked),
                Start::New(begun) => *begun,
            };
            if let Some(objection) = ask.objection {
                begun.hear(&mut tx, objection, spec).await?;
            }
            let revision = begun.revise(&mut tx, spec.clone(), origin.clone(), None).await?;
            match then {
                Then::Job(new) => {
                    operation::insert(&mut tx, &begun.place, &begun.operation).await?;
                    let belongs = Belongs {
                        application: begun.application.id,
                        operation: &begun.operation.id,
                        revision: revision.number,
                    };
                    job::insert(&mut tx, new, Some(belongs)).await?;
                    begun.application.state = ApplicationState::Deploying;
                    application::save(&mut tx, &mut begun.application).await?;
                }
                Then::Decide(decide) => {
                    begun.decide(&mut tx, &revision, Scale::Whole, &mut **decide).await?;
                }
            }
            Ok(begun.asked(Some(revision)))
        })
    }

    /// Changes the target's revision (or the newest revision while there is no target): two at once both survive.
    ///
    /// `change` gives the new specification; the difference is kept with the revision, so that a build asked before it
    /// completes with it on top. Without a target nothing is decided: the operation ends at once, and the build that is
    /// under way takes the change along.
    pub async fn patch(
        &self,
        ask: Ask,
        origin: Origin,
        mut change: impl FnMut(&AppSpec) -> std::result::Result<AppSpec, Problem> + Send,
        mut decide: impl FnMut(&Deciding) -> Decision + Send,
    ) -> Result<Asked> {
        let (change, decide) = (&mut change, &mut decide);
        transaction!(self, tx => {
            let mut begun = match start(&mut tx, &ask).await? {
                Start::Again(asked) => return Ok(*asked),
                Start::New(begun) => *begun,
            };
            let base = begun.target.as_ref().map(|target| target.release);
            let Some(base) = base.or(begun.application.revision) else {
                return Err(nothing_deployed(&begun.application));
            };
            let base = release::load_revision(&mut tx, begun.application.id, base).await?.spec;
            let spec = change(&base).map_err(refused)?;
            let edits = Edits::between(&base, &spec);
            let revision = begun.revise(&mut tx, spec, origin.clone(), Some(&edits)).await?;
            if begun.target.is_some() {
                begun.decide(&mut tx, &revision, Scale::Part, decide).await?;
            } else {
                begun.operation.end(Outcome::Succeeded, tx.now);
                operation::insert(&mut tx, &begun.place, &begun.operation).await?;
                application::save(&mut tx, &mut begun.application).await?;
            }
            Ok(begun.asked(Some(revision)))
        })
    }
}

/// Whether a change replaces the specification or alters a part of it: who changes a part does not undo others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scale {
    Whole,
    Part,
}

/// A verb under way: what it reads and writes besides its own matter. The operation is not inserted yet.
struct Begun {
    application: Application,
    target: Option<Target>,
    operation: Operation,
    place: Place,
    /// Of a copy whose databases are filled first: those that run until then, alone.
    first: Vec<Name>,
}

enum Start {
    /// The idempotency key was seen: what it made.
    Again(Box<Asked>),
    New(Box<Begun>),
}

/// What every verb begins with: the key, the application, its precondition, its secrets and settings, the audit row.
async fn start(tx: &mut Tx, ask: &Ask) -> Result<Start> {
    if let Some(id) = seen_before(tx, ask).await? {
        let (operation, at) = operation::load(tx, id).await?;
        let application = application::load(tx, operation.application).await?;
        return Ok(Start::Again(Box::new(Asked {
            target: target::load(tx, application.id, at.cluster).await?,
            application,
            revision: None,
            operation,
            replayed: true,
        })));
    }
    let application = match &ask.application {
        Whose::Existing(id) => application::load(tx, *id).await?,
        Whose::New(new) => application::create(tx, new, &ask.actor).await?,
    };
    if application.state == ApplicationState::Deleting {
        return Err(refused(problem::REFUSED.problem(
            format!("{} is being deleted.", application.name),
            "Wait until it is gone, then make it anew.",
        )));
    }
    // What is changed meanwhile would start over data that are not whole, or would be undone when they are.
    if !matches!(ask.kind, OperationKind::Delete | OperationKind::Backup)
        && let Some(copy) = operation::carrying_data(tx, application.id).await?
    {
        return Err(refused(operation::not_whole(&copy)));
    }
    if ask.if_revision.is_some() && ask.if_revision != application.revision {
        return Err(StoreError::Precondition {
            what: application.name.to_string(),
        });
    }
    for (name, value) in &ask.secrets {
        secret::bring(tx, &application, name, &value.0, &ask.actor).await?;
    }
    for (name, value) in &ask.settings {
        secret::put_setting(tx, application.id, name, value).await?;
    }
    for wanted in &ask.volumes {
        volume::take(tx, &application, wanted).await?;
    }
    let operation = Operation {
        id: OperationId(fresh()),
        application: application.id,
        application_name: application.name.to_string(),
        kind: ask.kind,
        actor: ask.actor.clone(),
        asked_at: tx.now,
        ended_at: None,
        release: None,
        steps: ask.steps.clone(),
        components: Vec::new(),
        hindrance: None,
        outcome: None,
        cancel_requested: false,
        title: ask.title.clone(),
    };
    if let Some(idempotency) = &ask.idempotency {
        let remember = sqlx::query(
            "INSERT INTO idempotency (actor, key, fingerprint, operation, created_at) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(ask.actor.clone())
        .bind(idempotency.key.clone())
        .bind(idempotency.fingerprint.clone())
        .bind(operation.id.to_string())
        .bind(tx.now_ms());
        tx.run(remember).await?;
    }
    let object = format!("application {}", application.name);
    record(
        tx,
        Some(application.team),
        &ask.actor,
        permission(ask.kind),
        &object,
        "asked",
    )
    .await?;
    Ok(Start::New(Box::new(Begun {
        target: target::load(tx, application.id, ask.cluster).await?,
        place: Place::of(&application, ask.cluster),
        application,
        operation,
        first: Vec::new(),
    })))
}

/// The operation that this key made in the last 24 hours.
async fn seen_before(tx: &mut Tx, ask: &Ask) -> Result<Option<OperationId>> {
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    let Some(idempotency) = &ask.idempotency else {
        return Ok(None);
    };
    let forget =
        sqlx::query("DELETE FROM idempotency WHERE actor = $1 AND key = $2 AND created_at < $3")
            .bind(ask.actor.clone())
            .bind(idempotency.key.clone())
            .bind(tx.now_ms() - DAY_MS);
    tx.run(forget).await?;
    let seen =
        sqlx::query("SELECT fingerprint, operation FROM idempotency WHERE actor = $1 AND key = $2")
            .bind(ask.actor.clone())
            .bind(idempotency.key.clone());
    let Some(row) = tx.maybe(seen).await? else {
        return Ok(None);
    };
    if row.text("fingerprint")? != idempotency.fingerprint {
        return Err(StoreError::KeyReused);
    }
    row.parsed("operation").map(Some)
}

impl Begun {
    /// Hears the objection, where something was applied and something runs.
    async fn hear(&self, tx: &mut Tx, objection: Objection, next: &AppSpec) -> Result<()> {
        let id = self.application.id;
        let applied = release::last_applied(tx, id).await?;
        let (Some(applied), Some(target)) = (applied, &self.target) else {
            return Ok(());
        };
        let current = release::load_revision(tx, id, target.release).await?;
        objection(&applied.spec, &current.spec, next).map_err(refused)
    }

    /// Keeps the specification as the next revision.
    async fn revise(
        &mut self,
        tx: &mut Tx,
        spec: AppSpec,
        origin: Origin,
        edits: Option<&Edits>,
    ) -> Result<Revision> {
        let revision = Revision {
            application: self.application.id,
            number: self.application.revision.unwrap_or(0) + 1,
            spec,
            origin,
            actor: self.operation.actor.clone(),
            at: tx.now,
        };
        let new = NewRevision {
            revision: &revision,
            operation: self.operation.id,
            edits,
        };
        release::insert_revision(tx, new).await?;
        self.application.revision = Some(revision.number);
        Ok(revision)
    }

    /// Decides at once, and makes the release the target. The operation is inserted.
    async fn decide(
        &mut self,
        tx: &mut Tx,
        revision: &Revision,
        scale: Scale,
        decide: &mut Decide<'_>,
    ) -> Result<()> {
        let deciding = deciding(
            tx,
            &self.application,
            &self.place,
            revision,
            self.target.as_ref(),
        )
        .await?;
        let release = decide(&deciding).map_err(refused)?;
        self.operation.release = Some(revision.number);
        operation::insert(tx, &self.place, &self.operation).await?;
        self.promote(tx, revision, &release, scale).await
    }

    /// Keeps the release and moves the target to it. What fails here fails before anything is written of it.
    async fn promote(
        &mut self,
        tx: &mut Tx,
        revision: &Revision,
        release: &Release,
        scale: Scale,
    ) -> Result<()> {
        if (release.application, release.number) != (revision.application, revision.number) {
            return Err(StoreError::Invalid {
                what: "the release",
                why: "it is not the revision's".to_owned(),
            });
        }
        let cluster = self.place.cluster;
        host::claim(tx, &self.application, cluster, release).await?;
        volume::bind(tx, &self.application, cluster, release).await?;
        let new = NewRelease {
            release,
            revision,
            state: ReleaseState::Decided,
            operation: self.operation.id,
            asked_at: self.operation.asked_at,
        };
        release::insert(tx, new).await?;
        let (id, team) = (self.application.id, self.application.team);
        let body = EventBody::ReleaseDecided {
            number: release.number,
        };
        tx.tell(team, Some(id), Some(self.operation.id), &body)
            .await?;
        if scale == Scale::Whole {
            self.supersede_earlier(tx).await?;
        }
        let mut power = self
            .target
            .as_ref()
            .map_or(Power::On, |target| target.power);
        let mut stopped: Vec<Name> = self
            .target
            .iter()
            .flat_map(|target| target.stopped.iter().cloned())
            .filter(|name| release.components.contains_key(name))
            .collect();
        if !stopped.is_empty() && stopped.len() == release.components.len() {
            // Those that ran are gone from the application: it is off.
            power = Power::Off;
            stopped.clear();
        }
        if !self.first.is_empty() {
            let rest = release.components.keys();
            stopped = rest
                .filter(|name| !self.first.contains(name))
                .cloned()
                .collect();
        }
        let to = Move {
            application: id,
            cluster,
            release: release.number,
            power,
            stopped,
            gone: false,
            // It does not end with these alone.
            operation: self.first.is_empty().then_some(self.operation.id),
        };
        self.target = Some(target::advance(tx, team, self.target.as_ref(), to).await?);
        self.application.release = Some(release.number);
        self.application.url = release.urls.first().cloned();
        self.application.state = match power {
            Power::On => ApplicationState::Deploying,
            Power::Off => ApplicationState::Stopped,
        };
        application::save(tx, &mut self.application).await
    }

    /// Operations whose release is on its way end: this one's takes its place. One that altered a part is in what follows
    /// it, and ends with that.
    async fn supersede_earlier(&self, tx: &mut Tx) -> Result<()> {
        for mut earlier in
            operation::rolling_out(tx, self.application.id, self.place.cluster).await?
        {
            if earlier.id != self.operation.id {
                let by = Some(self.operation.id);
                earlier.end(Outcome::Superseded { by }, tx.now);
                operation::save(tx, &self.place, &earlier).await?;
            }
        }
        Ok(())
    }

    fn asked(self, revision: Option<Revision>) -> Asked {
        Asked {
            application: self.application,
            revision,
            operation: self.operation,
            target: self.target,
            replayed: false,
        }
    }
}

/// Reads what a decision may read; makes the secrets that the revision wants generated.
async fn deciding(
    tx: &mut Tx,
    application: &Application,
    place: &Place,
    revision: &Revision,
    target: Option<&Target>,
) -> Result<Deciding> {
    secret::generate(tx, application, &revision.spec, &revision.actor).await?;
    let (parent, parent_spec) = match target {
        Some(target) => {
            let revision = release::load_revision(tx, application.id, target.release).await?;
            let release = release::load(tx, application.id, target.release).await?;
            (Some(release), Some(revision.spec))
        }
        None => (None, None),
    };
    Ok(Deciding {
        application: application.clone(),
        revision: revision.clone(),
        parent,
        parent_spec,
        target: target.cloned(),
        secrets: secret::newest(tx, application.id).await?,
        settings: secret::load_settings(tx, application.id).await?,
        hosts_of_others: host::of_others(tx, application, place.cluster).await?,
    })
}

fn refused(problem: Problem) -> StoreError {
    StoreError::Refused(Box::new(problem))
}

fn nothing_deployed(application: &Application) -> StoreError {
    refused(problem::REFUSED.problem(
        format!("Nothing was deployed to {} yet.", application.name),
        "Deploy something first: `pluvio deploy`.",
    ))
}

/// The permission under which an operation of this kind is asked, for the audit row.
fn permission(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Deploy
        | OperationKind::Apply
        | OperationKind::Rollback
        | OperationKind::Promote => "application:deploy",
        OperationKind::Copy => "application:create",
        OperationKind::Scale
        | OperationKind::Restart
        | OperationKind::Stop
        | OperationKind::Start => "application:operate",
        OperationKind::Configure => "application:configure",
        OperationKind::Delete => "application:delete",
        OperationKind::CopyVolume => "volume:copy",
        OperationKind::Backup | OperationKind::Restore => "database:manage",
    }
}
