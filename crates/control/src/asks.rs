//! What may be asked: each verb is one transaction of the store, and answers at once.

use std::collections::BTreeMap;

use pluvio_model::facts::{DecideFacts, Facts, ImageAtHand};
use pluvio_model::id::{ApplicationId, ClusterId, OperationId, VolumeId};
use pluvio_model::name::{EnvName, Name};
use pluvio_model::operation::{Operation, OperationKind, Step, StepName};
use pluvio_model::problem::{self, Problem};
use pluvio_model::release::Release;
use pluvio_model::revision::{Origin, SourceRecord};
use pluvio_model::spec::AppSpec;
use pluvio_model::stage::SecretValue;
use pluvio_plan::patch::Patch;
use pluvio_store::{
    Application, Ask, Asked, Deciding, Idempotency, NewApplication, NewJob, Scope, StoreError,
    TakeVolume, Then, Whose,
};
use serde::{Deserialize, Serialize};

use crate::Control;
use crate::copying::FillJob;
use crate::volumes::Held;

/// Who asks, and how the request is told from its repetition.
#[derive(Debug, Clone)]
pub struct Asker {
    pub actor: String,
    pub idempotency: Option<Idempotency>,
    /// Refuse unless this is the newest revision.
    pub if_revision: Option<u64>,
}

/// A whole specification to be built, decided and run.
#[derive(Debug, Clone)]
pub struct DeployAsk {
    pub scope: Scope,
    pub spec: AppSpec,
    /// The archive that `path` sources are built from.
    pub upload: Option<String>,
    pub source_note: SourceRecord,
    pub pull: bool,
    pub secrets: Vec<(EnvName, SecretValue)>,
    pub origin: Origin,
    pub create_only: bool,
    /// Undo what others changed since the last apply.
    pub take_over: bool,
    /// Build or pull only these components anew; all when none is named.
    pub only: Vec<Name>,
}

/// An imperative change.
#[derive(Debug, Clone)]
pub struct PatchAsk {
    pub kind: OperationKind,
    pub title: String,
    pub patches: Vec<Patch>,
    /// Of a restart: the components that are meant; all when none is named.
    pub components: Vec<Name>,
    /// New values of secrets; they are set with the change or not at all.
    pub secrets: Vec<(EnvName, SecretValue)>,
}

/// What a build job has to know besides the revision.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct BuildJob {
    pub(crate) upload: Option<String>,
    #[serde(default)]
    pub(crate) source_note: SourceRecord,
    #[serde(default)]
    pub(crate) pull: bool,
    /// Only these are built or pulled anew; all when none is named.
    #[serde(default)]
    pub(crate) only: Vec<Name>,
    /// Images that are there, whatever the specification says of where they come from: of a copy.
    #[serde(default)]
    pub(crate) pinned: BTreeMap<Name, ImageAtHand>,
    #[serde(default)]
    pub(crate) other_pinned: BTreeMap<String, ImageAtHand>,
    /// Databases of a copy that are filled before its other components start.
    #[serde(default)]
    pub(crate) fill: Option<FillJob>,
}

/// Jobs of [`crate::worker`]: something is built from source first, which may take minutes and a processor.
pub(crate) const BUILD: &str = "build";
/// The same without a source: images are looked up or pulled. It waits for nobody's build.
pub(crate) const PULL: &str = "pull";

/// Everything `decide` reads that does not come from the transaction.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) runtime: Facts,
    pub(crate) domain: String,
    pub(crate) gateway_port: u16,
    pub(crate) images: BTreeMap<Name, ImageAtHand>,
    /// Of sidecars and init steps, by reference.
    pub(crate) other_images: BTreeMap<String, ImageAtHand>,
    /// Volumes that the application had before, also those that today's release does not name.
    pub(crate) volumes: Held,
}

impl Surroundings {
    pub(crate) fn decide(&self, seen: &Deciding) -> Result<Release, Problem> {
        let default_host = format!("{}.{}", seen.application.name, self.domain);
        let facts = DecideFacts {
            application: seen.application.id,
            team: seen.application.team_name.clone(),
            environment: seen.application.environment_name.clone(),
            runtime: self.runtime.clone(),
            images: self.images.clone(),
            other_images: self.other_images.clone(),
            inherited: seen
                .parent_spec
                .as_ref()
                .map(|before| pluvio_plan::images_inherited(before, &seen.revision.spec))
                .unwrap_or_default(),
            kept_volumes: self.volumes.ids.clone(),
            secrets: seen.secrets.clone(),
            settings: seen.settings.clone(),
            domain: self.domain.clone(),
            gateway_port: self.gateway_port,
            short_host_taken: seen.hosts_of_others.contains(&default_host),
        };
        let mut fresh = std::iter::repeat_with(|| VolumeId(uuid::Uuid::now_v7()));
        pluvio_plan::decide(&seen.revision, seen.parent.as_ref(), &facts, &mut fresh)
            .map_err(first)
            .and_then(|release| self.volumes.settle(release))
    }
}

/// One problem to answer with; the others are its evidence, so that none is lost.
pub fn first(problems: Vec<Problem>) -> Problem {
    let mut problems = problems.into_iter();
    let mut first = problems.next().unwrap_or_else(|| {
        problem::INTERNAL.problem("A decision failed without a reason.", "Please report it.")
    });
    for other in problems {
        let line = format!("{}: {}", other.title, other.cause);
        first.fixes.extend(other.fixes);
        first = first.evidence([line]);
    }
    first
}

/// What was taken when it was deployed stays taken, whatever is refused since: refused is what a change makes wrong.
pub(crate) fn no_worse(before: &AppSpec, after: &AppSpec) -> Result<(), Problem> {
    let known = pluvio_formats::validate(before);
    let mut problems = pluvio_formats::validate(after);
    problems.retain(|problem| !known.contains(problem));
    match problems.is_empty() {
        true => Ok(()),
        false => Err(first(problems)),
    }
}

pub(crate) fn waiting(names: &[StepName]) -> Vec<Step> {
    names.iter().map(|name| Step::waiting(*name)).collect()
}

pub(crate) const ROLLOUT: [StepName; 5] = [
    StepName::Decide,
    StepName::Start,
    StepName::Shift,
    StepName::Drain,
    StepName::Stop,
];

impl Control {
    pub(crate) async fn surroundings(
        &self,
        at: Option<ClusterId>,
        application: ApplicationId,
        images: BTreeMap<Name, ImageAtHand>,
    ) -> Result<Surroundings, Problem> {
        let rows = self.inner.store.application_volumes(application).await?;
        let reach = self.reach_at(at).await?;
        Ok(Surroundings {
            runtime: self.facts_at(at).await?,
            domain: reach.domain,
            gateway_port: reach.port,
            images,
            other_images: BTreeMap::new(),
            volumes: Held::new(rows),
        })
    }

    pub(crate) async fn ask(
        &self,
        by: Asker,
        application: Whose,
        kind: OperationKind,
        title: String,
        steps: Vec<Step>,
    ) -> Result<Ask, Problem> {
        let at = match &application {
            Whose::New(new) => new.scope.cluster,
            Whose::Existing(id) => self.inner.store.application(*id).await?.cluster,
        };
        let cluster = self.cluster_id_at(at).await?;
        Ok(Ask {
            application,
            cluster,
            kind,
            actor: by.actor,
            title,
            steps,
            idempotency: by.idempotency,
            if_revision: by.if_revision,
            objection: None,
            secrets: Vec::new(),
            settings: Vec::new(),
            volumes: Vec::new(),
        })
    }

    /// Deploys a specification: makes the application if it is new, keeps the revision, queues the build.
    pub async fn deploy(&self, by: Asker, deploy: DeployAsk) -> Result<Asked, Problem> {
        let problems = pluvio_formats::validate(&deploy.spec);
        if !problems.is_empty() {
            return Err(first(problems));
        }
        // Named before anything is built; what images alone tell is found when they are there.
        let foreseen = pluvio_plan::foreseen(&deploy.spec);
        if !foreseen.is_empty() {
            return Err(first(foreseen));
        }
        for (name, component) in &deploy.spec.components {
            if matches!(
                &component.source,
                Some(pluvio_model::spec::SourceSpec::Path(_))
            ) && deploy.upload.is_none()
            {
                return Err(problem::SOURCE_MISSING.problem(format!("{name} is built from a folder, and no folder was sent."), "Deploy with `pluvio deploy FOLDER`, or name a Git repository as its source.").path(format!("components.{name}.source")));
            }
        }
        let builds = deploy.spec.components.values().any(|c| c.source.is_some());
        if builds && deploy.scope.cluster.is_some() {
            // Told before it is built, not when the nodes cannot pull it.
            self.images_served()?;
        }
        let existing = self.find(&deploy.scope, deploy.spec.name.as_str()).await?;
        let own = existing.as_ref().map(|application| application.id);
        // A repetition is told from a second application by its key, which the store looks at first.
        if let (Some(_), true, None) = (&existing, deploy.create_only, &by.idempotency) {
            return Err(problem::NAME_TAKEN.problem(
                format!(
                    "There is already an application named {:?} here.",
                    deploy.spec.name
                ),
                "Choose another name, or deploy to the one that exists.",
            ));
        }
        let whose = match existing {
            Some(application) if !deploy.create_only => Whose::Existing(application.id),
            _ => Whose::New(NewApplication {
                scope: deploy.scope.clone(),
                name: deploy.spec.name.clone(),
                display_name: deploy.spec.display_name.clone(),
            }),
        };
        self.hosts_are_free(&deploy, own).await?;
        let mut steps = if builds {
            waiting(&[StepName::Fetch, StepName::Build, StepName::Keep])
        } else {
            waiting(&[StepName::Pull])
        };
        steps.extend(waiting(&ROLLOUT));
        let title = match (&deploy.source_note.commit, &deploy.source_note.branch) {
            (Some(commit), Some(branch)) => format!(
                "Deploy {} from {branch} @ {}",
                deploy.spec.name,
                &commit[..commit.len().min(7)]
            ),
            _ => format!("Deploy {}", deploy.spec.name),
        };
        let mut ask = self
            .ask(by, whose, OperationKind::Deploy, title, steps)
            .await?;
        ask.secrets = deploy.secrets;
        if deploy.origin == Origin::Apply && !deploy.take_over {
            ask.objection = Some(pluvio_plan::undone::refuse);
        }
        let job = BuildJob {
            upload: deploy.upload,
            source_note: deploy.source_note,
            pull: deploy.pull,
            only: deploy.only,
            ..BuildJob::default()
        };
        let job = NewJob {
            kind: if builds { BUILD } else { PULL }.to_owned(),
            payload: serde_json::to_value(job).expect("a job serialises"),
            run_after: None,
        };
        self.inner
            .store
            .ask_deploy(ask, &deploy.spec, deploy.origin, Then::Job(job))
            .await
            .map_err(Problem::from)
    }

    /// Hosts that the specification names are asked for before anything is built or pulled; they are claimed with the decision.
    async fn hosts_are_free(
        &self,
        deploy: &DeployAsk,
        own: Option<ApplicationId>,
    ) -> Result<(), Problem> {
        let cluster = self.cluster_id_at(deploy.scope.cluster).await?;
        for (name, component) in &deploy.spec.components {
            for (number, route) in component.routes.iter().flatten().enumerate() {
                let Some(host) = &route.host else { continue };
                let (store, team) = (&self.inner.store, deploy.scope.team);
                let host = host.to_string();
                if store
                    .is_claimed(cluster, (&host, &route.path_match()), team, own)
                    .await?
                {
                    let taken = Problem::from(StoreError::HostTaken { host });
                    return Err(taken.path(format!("components.{name}.routes[{number}].host")));
                }
            }
        }
        Ok(())
    }

    /// The archive of the newest deploy that had one, as its revision's build recorded it.
    pub(crate) async fn last_upload(&self, application: &Application) -> Option<String> {
        let key = crate::sources::upload_note(application.id);
        let bytes = self.inner.blobs.read(&key, 256).await.ok()?;
        String::from_utf8(bytes).ok()
    }

    /// The revision of the target; the newest asked while there is no target.
    pub async fn target_revision(
        &self,
        application: &Application,
    ) -> Result<pluvio_model::revision::Revision, Problem> {
        let number = match application.release {
            Some(number) => Some(number),
            None => application.revision,
        };
        let none = || {
            problem::NOT_FOUND.problem(
                format!("Nothing was deployed to {} yet.", application.name),
                "Deploy it first.",
            )
        };
        self.inner
            .store
            .revision(application.id, number.ok_or_else(none)?)
            .await
            .map_err(Problem::from)
    }

    /// Changes the target's specification; nothing is built or pulled unless an image is changed.
    pub async fn patch(
        &self,
        by: Asker,
        application: &Application,
        patch: PatchAsk,
    ) -> Result<Asked, Problem> {
        self.patch_taking(by, application, patch, Vec::new()).await
    }

    /// The same, where the change takes volumes up.
    pub(crate) async fn patch_taking(
        &self,
        by: Asker,
        application: &Application,
        patch: PatchAsk,
        volumes: Vec<TakeVolume>,
    ) -> Result<Asked, Problem> {
        let needs_image = patch.patches.iter().any(Patch::changes_image);
        if needs_image {
            let revision = self.target_revision(application).await?;
            let mut spec = revision.spec;
            for one in &patch.patches {
                spec = one.apply(&spec)?;
            }
            let scope = self.scope_of(application);
            let deploy = DeployAsk {
                scope,
                spec,
                upload: self.last_upload(application).await,
                source_note: SourceRecord::default(),
                pull: false,
                secrets: patch.secrets,
                origin: Origin::Patch {
                    what: patch.title.clone(),
                },
                create_only: false,
                take_over: false,
                only: Vec::new(),
            };
            return self.deploy(by, deploy).await;
        }
        let mut surroundings = self
            .surroundings(application.cluster, application.id, BTreeMap::new())
            .await?;
        for taken in &volumes {
            let mut row = self
                .inner
                .store
                .volume(application.team, taken.volume)
                .await?;
            row.name.clone_from(&taken.name);
            surroundings.volumes.add(row);
        }
        let steps = waiting(&ROLLOUT);
        let mut ask = self
            .ask(
                by,
                Whose::Existing(application.id),
                patch.kind,
                patch.title.clone(),
                steps,
            )
            .await?;
        ask.secrets = patch.secrets;
        ask.volumes = volumes;
        let origin = match patch.kind {
            OperationKind::Restart => Origin::Restart {
                components: patch.components.clone(),
            },
            _ => Origin::Patch { what: patch.title },
        };
        let change = |before: &AppSpec| {
            let mut spec = before.clone();
            for one in &patch.patches {
                spec = one.apply(&spec)?;
            }
            no_worse(before, &spec)?;
            Ok(spec)
        };
        self.inner
            .store
            .patch(ask, origin, change, |seen| {
                if let Some(parent) = &seen.parent {
                    pluvio_plan::power::known(parent, &patch.components)?;
                }
                surroundings.decide(seen)
            })
            .await
            .map_err(Problem::from)
    }

    pub async fn delete(&self, by: Asker, application: &Application) -> Result<Asked, Problem> {
        let ask = self
            .ask(
                by,
                Whose::Existing(application.id),
                OperationKind::Delete,
                format!("Delete {}", application.name),
                waiting(&[StepName::Stop, StepName::Remove]),
            )
            .await?;
        self.inner
            .store
            .begin_delete(ask)
            .await
            .map_err(Problem::from)
    }

    pub async fn cancel(&self, operation: OperationId, actor: &str) -> Result<Operation, Problem> {
        self.inner
            .store
            .request_cancel(operation, actor)
            .await
            .map_err(Problem::from)
    }

    pub async fn find(&self, scope: &Scope, name: &str) -> Result<Option<Application>, Problem> {
        match self
            .inner
            .store
            .find_application(scope.environment, name)
            .await
        {
            Ok(application) => Ok(Some(application)),
            Err(pluvio_store::StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn scope_of(&self, application: &Application) -> Scope {
        Scope {
            team: application.team,
            team_name: application.team_name.clone(),
            environment: application.environment,
            environment_name: application.environment_name.clone(),
            cluster: application.cluster,
        }
    }
}
