//! The verbs that change what an application shall be. Each is one transaction: revision, operation, job or release, target,
//! hosts, projections, event and audit row commit together.

use std::collections::{BTreeMap, BTreeSet};

use pluvio_model::id::{ApplicationId, ClusterId, Generation, OperationId};
use pluvio_model::name::EnvName;
use pluvio_model::operation::{Operation, OperationKind, Step};
use pluvio_model::problem::Problem;
use pluvio_model::release::Release;
use pluvio_model::revision::{Origin, Revision};
use pluvio_model::spec::AppSpec;
use pluvio_model::stage::{Power, SecretValue};

use crate::application::{Application, NewApplication};
use crate::job::{Lease, NewJob};
use crate::target::Target;
use crate::{Result, Store};

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
    /// Refuse with [`crate::StoreError::Conflict`] unless this is the newest revision (`If-Match`).
    pub if_revision: Option<u64>,
    /// New secret values that belong to the change (an imported `.env`).
    pub secrets: Vec<(EnvName, SecretValue)>,
    pub settings: Vec<(EnvName, String)>,
}

/// Everything a decision may read that the store knows; fetched inside the transaction.
#[derive(Debug, Clone)]
pub struct Deciding {
    pub application: Application,
    /// What is to be decided, under its final number.
    pub revision: Revision,
    /// The release that is the target now: becomes the new one's parent.
    pub parent: Option<Release>,
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
pub type Decide<'a> = dyn FnMut(&Deciding) -> std::result::Result<Release, Problem> + Send + 'a;

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
    /// `None` for a change of power and for a replay.
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
    /// The decision refused; the operation ended with this problem.
    Refused(Problem),
}

/// Where a failed release left its application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reverted {
    /// Back at a new generation of the last live release.
    To(Target),
    /// There is no earlier live release: the target stays, its release is marked failed.
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
        then: Then<'_>,
    ) -> Result<Asked> {
        todo!()
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
        change: impl FnMut(&AppSpec) -> std::result::Result<AppSpec, Problem> + Send,
        decide: impl FnMut(&Deciding) -> std::result::Result<Release, Problem> + Send,
    ) -> Result<Asked> {
        todo!()
    }

    /// Completes a build's job: decides, keeps the release and moves the target, unless a later deploy was asked. Patches
    /// made since the deploy was asked are applied on top first, as a revision of their own.
    ///
    /// `edit` may finish steps of the operation in the same transaction. Fails with [`crate::StoreError::Stale`] when the
    /// lease is lost: then nothing was written.
    pub async fn complete_build(
        &self,
        lease: &Lease,
        decide: impl FnMut(&Deciding) -> std::result::Result<Release, Problem> + Send,
        edit: impl FnMut(&mut Operation) + Send,
    ) -> Result<Completed> {
        todo!()
    }

    /// Fails a build's job and with it the operation; `cancelled` when somebody asked for the end.
    pub async fn fail_build(
        &self,
        lease: &Lease,
        problem: &Problem,
        cancelled: bool,
    ) -> Result<()> {
        todo!()
    }

    /// The target of this generation runs as decided: its release is live, the operations that led to it succeed.
    /// [`crate::StoreError::Stale`] when the target has moved on.
    pub async fn mark_live(
        &self,
        application: ApplicationId,
        cluster: ClusterId,
        generation: Generation,
        edit: impl FnMut(&mut Operation) + Send,
    ) -> Result<Target> {
        todo!()
    }

    /// The target of this generation will not run: its release is failed, its operations fail with `problem`, and the
    /// target moves to a new generation of the last live release.
    pub async fn mark_failed_and_revert(
        &self,
        application: ApplicationId,
        cluster: ClusterId,
        generation: Generation,
        problem: &Problem,
        edit: impl FnMut(&mut Operation) + Send,
    ) -> Result<Reverted> {
        todo!()
    }

    /// Like [`Store::mark_failed_and_revert`], for a rollout that somebody cancelled: the operations end as cancelled.
    pub async fn cancel_and_revert(
        &self,
        application: ApplicationId,
        cluster: ClusterId,
        generation: Generation,
        edit: impl FnMut(&mut Operation) + Send,
    ) -> Result<Reverted> {
        todo!()
    }

    /// Stops or starts: the same release at a new generation.
    pub async fn set_power(&self, ask: Ask, power: Power) -> Result<Asked> {
        todo!()
    }

    /// Marks the application as going: every target gets a new generation at which nothing is wished, queued jobs are
    /// cancelled, running operations are superseded.
    pub async fn begin_delete(&self, ask: Ask) -> Result<Asked> {
        todo!()
    }

    /// Removes what is left of the application once its clusters hold nothing of it: rows, secrets, hosts. Volumes stay,
    /// listed as released; operations and audit rows stay as history.
    pub async fn finish_delete(
        &self,
        application: ApplicationId,
        edit: impl FnMut(&mut Operation) + Send,
    ) -> Result<()> {
        todo!()
    }
}
