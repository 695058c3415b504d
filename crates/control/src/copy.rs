//! Copies and promotions: what runs in one environment, made or brought into another.

use std::collections::{BTreeMap, BTreeSet};

use pluvio_model::facts::ImageAtHand;
use pluvio_model::id::{ClusterId, VolumeId};
use pluvio_model::image::ContentHash;
use pluvio_model::name::{EnvName, Name};
use pluvio_model::operation::{OperationKind, StepName};
use pluvio_model::problem::{self, Problem};
use pluvio_model::release::Release;
use pluvio_model::revision::{Origin, Revision};
use pluvio_model::spec::AppSpec;
use pluvio_model::stage::{Power, RunWish, SecretValue};
use pluvio_model::template::SecretRef;
use pluvio_plan::copy::{self, Copy, Data, Original, Place, Row, SecretFrom, Wishes};
use pluvio_plan::promote::{Promotion, Side, beyond_images, promote};
use pluvio_store::{Application, Asked, Deciding, NewApplication, Scope, Then, Whose};

use crate::Control;
use crate::asks::{Asker, BUILD, BuildJob, ROLLOUT, waiting};
use crate::copying::{self, COPY, CopyJob, FillJob};
use crate::{pulls, tasks};

/// A copy that is asked for.
#[derive(Debug, Clone)]
pub struct CopyAsk {
    pub to: Scope,
    /// The original's name when absent.
    pub name: Option<Name>,
    pub wishes: Wishes,
    /// Values of secrets for the copy.
    pub secrets: Vec<(EnvName, SecretValue)>,
}

/// What a copy would be.
#[derive(Debug, Clone)]
pub struct CopyPlan {
    pub copy: Copy,
    pub rows: Vec<Row>,
    pub notes: Vec<String>,
    pub place: Place,
    /// Of the original.
    pub release: u64,
    images: BTreeMap<Name, ImageAtHand>,
    other_images: BTreeMap<String, ImageAtHand>,
    /// Volumes that are cloned: those of its own names, of the original's ids.
    volumes: Vec<(Name, VolumeId)>,
    /// Jobs that are not run in the copy: once in the application's life was the original's.
    ran: Vec<(Name, ContentHash)>,
}

/// What a promotion would do to the application where it comes.
#[derive(Debug, Clone)]
pub struct PromotePlan {
    pub from_release: u64,
    pub current: Release,
    pub next: Release,
    pub number: u64,
    promotion: Promotion,
    images: BTreeMap<Name, ImageAtHand>,
    other_images: BTreeMap<String, ImageAtHand>,
}

impl PromotePlan {
    /// What the application would become.
    pub fn spec(&self) -> &AppSpec {
        &self.promotion.spec
    }
}

impl Control {
    /// The table of what will differ, and everything that the copy is made of. Nothing is kept.
    pub async fn plan_copy(&self, from: &Application, ask: &CopyAsk) -> Result<CopyPlan, Problem> {
        let store = &self.inner.store;
        let (spec, release) = self.original(from).await?;
        let secrets: BTreeSet<EnvName> = store
            .secrets(from.id)
            .await?
            .into_iter()
            .map(|row| row.name)
            .collect();
        let at_rest = self.at_rest(from).await?;
        let rows = store.application_volumes(from.id).await?;
        let sizes = rows
            .iter()
            .filter_map(|row| Some((row.name.clone(), row.bytes?)))
            .collect();
        let original = Original {
            spec: &spec,
            release: &release,
            secrets: &secrets,
            at_rest: &at_rest,
            sizes: &sizes,
        };
        let place = Place {
            team: ask.to.team_name.clone(),
            environment: ask.to.environment_name.clone(),
            name: ask.name.clone().unwrap_or_else(|| from.name.clone()),
            domain: self.reach_at(ask.to.cluster).await?.domain,
        };
        if self.find(&ask.to, place.name.as_str()).await?.is_some() {
            return Err(problem::NAME_TAKEN.problem(
                format!(
                    "There is already an application named {:?} in {}.",
                    place.name, place.environment
                ),
                "Name the copy otherwise (`--as NAME`), or bring the release to the one that is there: `pluvio promote`.",
            ));
        }
        let mut wishes = ask.wishes.clone();
        wishes.given = ask.secrets.iter().map(|(name, _)| name.clone()).collect();
        let copy = copy::copy(&original, &wishes, &place)?;
        let images = self.pinned(&copy.images, release.number).await?;
        let other_images = self.pinned_others(&copy.other_images).await?;
        // One that was never made has nothing to be cloned.
        let made = rows.iter().filter(|row| row.handle.is_some());
        let volumes: Vec<(Name, VolumeId)> = made
            .filter(|row| copy.clones.contains(&row.name))
            .map(|row| (row.name.clone(), row.id))
            .collect();
        if !volumes.is_empty() {
            self.same_cluster(from, &ask.to).await?;
        }
        let ran = match wishes.data {
            Data::All => tasks::ran_once(self, from, &release).await?,
            _ => Vec::new(),
        };
        let mut plan = CopyPlan {
            volumes,
            ran,
            copy,
            rows: Vec::new(),
            notes: Vec::new(),
            place,
            release: release.number,
            images,
            other_images,
        };
        let decided = self.decide_copy(from, &ask.to, &release, &plan).await?;
        plan.rows = copy::table(&original, &plan.copy, &plan.place, &decided);
        plan.notes = copy::notes(&original, &plan.copy, &decided);
        Ok(plan)
    }

    /// Makes the copy: refused before anything is written, or an application of its own and an operation.
    pub async fn copy(
        &self,
        by: Asker,
        from: &Application,
        ask: CopyAsk,
    ) -> Result<Asked, Problem> {
        let mut by = by;
        if by
            .if_revision
            .take()
            .is_some_and(|seen| Some(seen) != from.revision)
        {
            return Err(problem::PRECONDITION.problem(
                format!("{} was changed since it was looked at.", from.name),
                "Look at it again, then copy it.",
            ));
        }
        let plan = self.plan_copy(from, &ask).await?;
        let missing: Vec<&str> = plan
            .copy
            .secrets
            .iter()
            .filter(|(_, origin)| **origin == SecretFrom::Missing)
            .map(|(name, _)| name.as_str())
            .collect();
        if !missing.is_empty() {
            return Err(problem::SECRET_MISSING.problem(
                format!(
                    "These secrets of {} were set by hand, and the copy has no value for them: {}.",
                    from.name,
                    missing.join(", ")
                ),
                "Give their values (`--secrets FILE`, in .env form), or take those of the original along (`--copy-secrets`).",
            ));
        }
        let purpose = format!(
            "the copy {}/{}, asked by {}",
            plan.place.environment, plan.place.name, by.actor
        );
        let mut secrets = ask.secrets;
        secrets.extend(self.copied_secrets(from, &plan.copy, &purpose).await?);
        let settings = self.inner.store.settings(from.id).await?;
        let pinned =
            plan.copy.spec.components.iter().all(|(name, component)| {
                plan.images.contains_key(name) || !runs_an_image(component)
            });
        let with_data = !plan.volumes.is_empty() || !plan.copy.restores.is_empty();
        let mut steps = Vec::new();
        if !plan.volumes.is_empty() {
            steps.extend(waiting(&[StepName::Copy]));
        }
        if !pinned {
            steps.extend(waiting(&[StepName::Fetch, StepName::Build, StepName::Keep]));
        }
        steps.extend(waiting(&ROLLOUT));
        if !plan.copy.restores.is_empty() {
            let decided = steps.iter().position(|step| step.name == StepName::Decide);
            let at = decided.map_or(0, |at| at + 1);
            steps.splice(at..at, waiting(&[StepName::Restore]));
        }
        let whose = Whose::New(NewApplication {
            scope: ask.to.clone(),
            name: plan.place.name.clone(),
            display_name: plan.copy.spec.display_name.clone(),
        });
        let title = format!(
            "Copy {} r{} to {}/{}",
            from.name, plan.release, plan.place.environment, plan.place.name
        );
        let mut new = self
            .ask(by, whose, OperationKind::Copy, title, steps)
            .await?;
        new.secrets = secrets;
        new.settings = settings.into_iter().collect();
        let origin = Origin::Copy {
            application: from.name.clone(),
            environment: from.environment_name.clone(),
            release: plan.release,
        };
        let upload = self.last_upload(from).await;
        let store = &self.inner.store;
        let asked = if pinned && !with_data {
            let spec = plan.copy.spec.clone();
            let images_for = pulls::Whose {
                team: &ask.to.team_name,
                application: &plan.place.name,
                cluster: ask.to.cluster,
                spec: &spec,
            };
            let mut plan = plan.clone();
            plan.images = self.for_cluster(&images_for, plan.images).await?;
            plan.other_images = self
                .others_for_cluster(&images_for, plan.other_images)
                .await?;
            let surroundings = self.surroundings_of_copy(ask.to.cluster, &plan).await?;
            let mut decide = |seen: &Deciding| surroundings.decide(seen);
            let then = Then::Decide(&mut decide);
            store.ask_deploy(new, &plan.copy.spec, origin, then).await?
        } else {
            let job = BuildJob {
                upload: upload.clone(),
                pinned: plan.images,
                other_pinned: plan.other_images,
                fill: (!plan.copy.restores.is_empty()).then(|| FillJob {
                    from: from.id,
                    databases: plan.copy.restores.clone(),
                }),
                ..BuildJob::default()
            };
            let job = match with_data {
                false => copying::job(BUILD, &job),
                true => {
                    let job = CopyJob {
                        from: from.id,
                        at_rest: plan.copy.still.clone(),
                        volumes: plan.volumes,
                        ran: plan.ran,
                        build: job,
                    };
                    copying::job(COPY, &job)
                }
            };
            store
                .ask_deploy(new, &plan.copy.spec, origin, Then::Job(job))
                .await?
        };
        if let Some(upload) = upload {
            // What "deploy again" builds from. Without it, the folder is sent again.
            let note = crate::sources::upload_note(asked.application.id);
            let _ = self.inner.blobs.put_bytes(&note, upload.as_bytes()).await;
        }
        Ok(asked)
    }

    /// What bringing a release to its counterpart would do. Nothing is kept.
    pub async fn plan_promote(
        &self,
        from: &Application,
        to: &Application,
        images_only: bool,
    ) -> Result<PromotePlan, Problem> {
        if from.id == to.id {
            return Err(problem::REQUEST_INVALID.problem(
                format!("{} cannot be promoted to itself.", from.name),
                "Name another environment with --to.",
            ));
        }
        let (their_spec, their_release) = self.original(from).await?;
        let (our_spec, current) = self.original(to).await?;
        let promotion = promote(
            &Side {
                spec: &their_spec,
                release: &their_release,
            },
            &Side {
                spec: &our_spec,
                release: &current,
            },
            images_only,
        )?;
        let number = to.revision.unwrap_or(current.number) + 1;
        let mut plan = PromotePlan {
            from_release: their_release.number,
            next: current.clone(),
            number,
            images: self.pinned(&promotion.images, their_release.number).await?,
            other_images: self.pinned_others(&promotion.other_images).await?,
            promotion,
            current,
        };
        let store = &self.inner.store;
        let seen = Deciding {
            application: to.clone(),
            revision: Revision {
                application: to.id,
                number,
                spec: plan.promotion.spec.clone(),
                origin: promoted_from(from, plan.from_release),
                actor: String::new(),
                at: jiff::Timestamp::now(),
            },
            parent: Some(plan.current.clone()),
            parent_spec: Some(our_spec.clone()),
            target: None,
            secrets: self.with_generated(to, &plan.promotion.spec).await?,
            settings: store.settings(to.id).await?,
            hosts_of_others: self.hosts_of_others(to).await?,
        };
        let mut surroundings = self
            .surroundings(to.cluster, to.id, plan.images.clone())
            .await?;
        surroundings.other_images = plan.other_images.clone();
        plan.next = surroundings.decide(&seen)?;
        Ok(plan)
    }

    /// Brings a release to its counterpart. More than other images must be confirmed.
    pub async fn promote(
        &self,
        by: Asker,
        from: &Application,
        to: &Application,
        images_only: bool,
        confirmed: bool,
    ) -> Result<Asked, Problem> {
        let plan = self.plan_promote(from, to, images_only).await?;
        let more = beyond_images(&pluvio_plan::diff::diff(&plan.current, &plan.next));
        if !more.is_empty() && !confirmed {
            return Err(problem::CONFLICT
                .problem(
                    format!(
                        "r{} of {} would change more than images in {}.",
                        plan.from_release, from.environment_name, to.environment_name
                    ),
                    "Read the lines; confirm them (`--yes`), or bring the images alone (`--images-only`).",
                )
                .evidence(more));
        }
        let spec = plan.spec().clone();
        let images_for = pulls::Whose::of(to, &spec);
        let images = self.for_cluster(&images_for, plan.images).await?;
        let other_images = self
            .others_for_cluster(&images_for, plan.other_images)
            .await?;
        let mut surroundings = self.surroundings(to.cluster, to.id, images).await?;
        surroundings.other_images = other_images;
        let mut by = by;
        // What was shown is what is done: who changed the application meanwhile is told.
        by.if_revision = by.if_revision.or(to.revision);
        let ask = self
            .ask(
                by,
                Whose::Existing(to.id),
                OperationKind::Promote,
                format!(
                    "Promote {} r{} from {}",
                    from.name, plan.from_release, from.environment_name
                ),
                waiting(&ROLLOUT),
            )
            .await?;
        let mut decide = |seen: &Deciding| surroundings.decide(seen);
        let origin = promoted_from(from, plan.from_release);
        let then = Then::Decide(&mut decide);
        let asked = self
            .inner
            .store
            .ask_deploy(ask, &plan.promotion.spec, origin, then)
            .await;
        asked.map_err(Problem::from)
    }

    /// The target's specification and release.
    async fn original(&self, of: &Application) -> Result<(AppSpec, Release), Problem> {
        let number = of.release.ok_or_else(|| {
            problem::RELEASE_GONE.problem(
                format!("{} in {} has no release yet.", of.name, of.environment_name),
                "Deploy it first.",
            )
        })?;
        let store = &self.inner.store;
        let spec = store.revision(of.id, number).await?.spec;
        Ok((spec, store.release(of.id, number).await?.release))
    }

    /// Decides the copy without keeping it: refusals come before anything is written, and hosts are those it will have.
    async fn decide_copy(
        &self,
        from: &Application,
        to: &Scope,
        original: &Release,
        plan: &CopyPlan,
    ) -> Result<Release, Problem> {
        let now = jiff::Timestamp::now();
        let application = Application {
            id: pluvio_model::id::ApplicationId(uuid::Uuid::now_v7()),
            team: to.team,
            team_name: to.team_name.clone(),
            environment: to.environment,
            environment_name: to.environment_name.clone(),
            cluster: to.cluster,
            name: plan.place.name.clone(),
            release: None,
            url: None,
            revision: None,
            ..from.clone()
        };
        let seen = Deciding {
            revision: Revision {
                application: application.id,
                number: 1,
                spec: plan.copy.spec.clone(),
                origin: Origin::Copy {
                    application: from.name.clone(),
                    environment: from.environment_name.clone(),
                    release: plan.release,
                },
                actor: String::new(),
                at: now,
            },
            parent: None,
            parent_spec: None,
            target: None,
            // Those that are missing are told by name, before.
            secrets: plan.copy.secrets.keys().map(|n| (n.clone(), 1)).collect(),
            settings: self.inner.store.settings(from.id).await?,
            hosts_of_others: self.hosts_of_others(&application).await?,
            application,
        };
        let mut surroundings = self.surroundings_of_copy(to.cluster, plan).await?;
        for (name, component) in &plan.copy.spec.components {
            // What is still to be built or pulled: it most likely listens where the original does.
            if let Some(before) = original.components.get(name)
                && !surroundings.images.contains_key(name)
                && runs_an_image(component)
            {
                let main = &before.content.main;
                let ports = before.content.ports.values().map(|port| port.port);
                let facts = pluvio_model::facts::ImageFacts {
                    id: main.image_id.clone(),
                    exposed: ports.collect(),
                    ..Default::default()
                };
                let reference = main.image.clone();
                let built = None;
                let image = ImageAtHand {
                    reference,
                    facts,
                    built,
                };
                surroundings.images.insert(name.clone(), image);
            }
        }
        surroundings.decide(&seen)
    }

    async fn surroundings_of_copy(
        &self,
        at: Option<ClusterId>,
        plan: &CopyPlan,
    ) -> Result<crate::asks::Surroundings, Problem> {
        let nobody = pluvio_model::id::ApplicationId(uuid::Uuid::nil());
        let mut surroundings = self.surroundings(at, nobody, plan.images.clone()).await?;
        surroundings.other_images = plan.other_images.clone();
        Ok(surroundings)
    }

    /// Components without instances: what they keep does not change.
    pub(crate) async fn at_rest(&self, of: &Application) -> Result<BTreeSet<Name>, Problem> {
        let store = &self.inner.store;
        let mut at_rest = BTreeSet::new();
        for target in store.application_targets(of.id).await? {
            if !target.is_settled() {
                continue;
            }
            at_rest.extend(target.stopped);
            if target.power == Power::Off {
                let release = store.release(of.id, target.release).await?.release;
                at_rest.extend(release.components.into_keys());
            }
        }
        Ok(at_rest)
    }

    /// Files are cloned where they lie.
    async fn same_cluster(&self, from: &Application, to: &Scope) -> Result<(), Problem> {
        let here = self.cluster_at(from.cluster).await?;
        let there = self.cluster_at(to.cluster).await?;
        if here.id == there.id {
            return Ok(());
        }
        Err(problem::REFUSED.problem(
            format!(
                "{} is on {}, and {} on {}: volumes are cloned within one cluster.",
                from.environment_name, here.name, to.environment_name, there.name
            ),
            "Take databases alone along (`--with-data DATABASE`): they are dumped and restored. Download the files of volumes and upload them there.",
        ))
    }

    /// The short host, when another application has it.
    pub(crate) async fn hosts_of_others(
        &self,
        of: &Application,
    ) -> Result<BTreeSet<String>, Problem> {
        let host = format!("{}.{}", of.name, self.reach_at(of.cluster).await?.domain);
        let cluster = self.cluster_id_at(of.cluster).await?;
        let store = &self.inner.store;
        let taken = store.host_taken(cluster, &host, Some(of.id)).await?;
        Ok(taken.then_some(host).into_iter().collect())
    }

    /// The newest versions, with those that would be made.
    async fn with_generated(
        &self,
        of: &Application,
        spec: &AppSpec,
    ) -> Result<BTreeMap<EnvName, u32>, Problem> {
        let rows = self.inner.store.secrets(of.id).await?;
        let mut known: BTreeMap<EnvName, u32> = rows
            .into_iter()
            .map(|row| (row.name, row.version))
            .collect();
        for (name, rule) in spec.all_secrets() {
            if rule.generate {
                known.entry(name).or_insert(1);
            }
        }
        Ok(known)
    }

    async fn copied_secrets(
        &self,
        from: &Application,
        copy: &Copy,
        purpose: &str,
    ) -> Result<Vec<(EnvName, SecretValue)>, Problem> {
        let rows = self.inner.store.secrets(from.id).await?;
        let wanted: Vec<SecretRef> = rows
            .into_iter()
            .filter(|row| copy.secrets.get(&row.name) == Some(&SecretFrom::Copied))
            .map(|row| SecretRef {
                name: row.name,
                version: row.version,
            })
            .collect();
        let mut values = self.read_secrets(from.id, &wanted, purpose).await?;
        Ok(wanted
            .into_iter()
            .filter_map(|secret| {
                let value = values.remove(&RunWish::key(&secret))?;
                Some((secret.name, value))
            })
            .collect())
    }
}

fn promoted_from(from: &Application, release: u64) -> Origin {
    Origin::Promote {
        application: from.name.clone(),
        environment: from.environment_name.clone(),
        release,
    }
}

fn runs_an_image(component: &pluvio_model::spec::ComponentSpec) -> bool {
    use pluvio_model::spec::Kind;
    !matches!(component.kind, Kind::External | Kind::Vm)
}
