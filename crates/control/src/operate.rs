//! Operating what is there: stop and start, deploy again, roll back; of the whole application or of chosen components.

use std::collections::BTreeMap;

use pluvio_model::facts::ImageAtHand;
use pluvio_model::name::Name;
use pluvio_model::operation::{OperationKind, StepName};
use pluvio_model::problem::{self, Problem};
use pluvio_model::release::Release;
use pluvio_model::revision::{Origin, Revision, SourceRecord};
use pluvio_model::spec::AppSpec;
use pluvio_model::stage::Power;
use pluvio_plan::power::{Switched, switch};
use pluvio_plan::rollback::{PinnedImage, Rollback};
use pluvio_store::{Application, Asked, Deciding, Scope, Target, Then, Whose};

use crate::asks::{Asker, DeployAsk, ROLLOUT, waiting};
use crate::{Control, pulls};

/// What is deployed again.
#[derive(Debug, Clone, Default)]
pub struct RedeployAsk {
    pub upload: Option<String>,
    pub note: SourceRecord,
    pub pull: bool,
    /// Only these components are built or pulled anew; all when none is named.
    pub components: Vec<Name>,
}

impl Control {
    /// Stops or starts an application, or the components of it that are named. What others use stops after them and starts
    /// before them.
    pub async fn set_power(
        &self,
        by: Asker,
        application: &Application,
        power: Power,
        components: &[Name],
    ) -> Result<Asked, Problem> {
        let (kind, verb, steps) = match power {
            Power::On => (OperationKind::Start, "Start", vec![StepName::Start]),
            Power::Off => (OperationKind::Stop, "Stop", vec![StepName::Stop]),
        };
        let title = title(verb, application, components);
        let whose = Whose::Existing(application.id);
        let ask = self.ask(by, whose, kind, title, waiting(&steps)).await?;
        let decide = |release: &Release, target: &Target| {
            let now = Switched {
                power: target.power,
                stopped: target.stopped.clone(),
            };
            let next = switch(release, &now, power, components)?;
            Ok((next.power, next.stopped))
        };
        let asked = self.inner.store.switch(ask, decide).await;
        asked.map_err(Problem::from)
    }

    /// Deploys the target's specification again: builds its sources anew, resolves its image names anew.
    pub async fn redeploy(
        &self,
        by: Asker,
        scope: &Scope,
        application: &Application,
        again: RedeployAsk,
    ) -> Result<Asked, Problem> {
        let revision = self.target_revision(application).await?;
        if let Some(number) = application.release
            && !again.components.is_empty()
        {
            let release = self.inner.store.release(application.id, number).await?;
            pluvio_plan::power::known(&release.release, &again.components)?;
        }
        let job = self.last_upload(application).await;
        let deploy = DeployAsk {
            scope: scope.clone(),
            spec: revision.spec,
            upload: again.upload.or(job),
            source_note: again.note,
            pull: again.pull,
            secrets: Vec::new(),
            origin: Origin::Deploy,
            create_only: false,
            take_over: false,
            only: again.components,
        };
        self.deploy(by, deploy).await
    }

    /// Goes back to a release: its specification and images, today's instance counts. `may` is asked with today's specification
    /// and the one that is gone back to, for an old one can hold what was taken out since.
    pub async fn rollback(
        &self,
        by: Asker,
        application: &Application,
        to: Option<u64>,
        may: impl FnOnce(&AppSpec, &AppSpec) -> Result<(), Problem>,
    ) -> Result<Asked, Problem> {
        let (back, stored) = self.going_back(application, to).await?;
        let today = self.target_revision(application).await?.spec;
        may(&today, &back.spec)?;
        let number = stored.number;
        let images = self.pinned(&back.images, number).await?;
        let other_images = self.pinned_others(&back.other_images).await?;
        let images_for = pulls::Whose::of(application, &back.spec);
        let images = self.for_cluster(&images_for, images).await?;
        let other_images = self.others_for_cluster(&images_for, other_images).await?;
        let mut surroundings = self
            .surroundings(application.cluster, application.id, images)
            .await?;
        surroundings.other_images = other_images;
        let ask = self
            .ask(
                by,
                Whose::Existing(application.id),
                OperationKind::Rollback,
                format!("Roll {} back to r{number}", application.name),
                waiting(&ROLLOUT),
            )
            .await?;
        let mut decide = |seen: &Deciding| {
            let next = surroundings.decide(seen)?;
            pluvio_plan::rollback::refuse_lost_data(&stored, &next)?;
            Ok(next)
        };
        let origin = Origin::Rollback { to: number };
        let then = Then::Decide(&mut decide);
        let asked = self
            .inner
            .store
            .ask_deploy(ask, &back.spec, origin, then)
            .await;
        asked.map_err(Problem::from)
    }

    /// What is gone back to, and the release that it was: `to`, or the one that served before.
    pub(crate) async fn going_back(
        &self,
        application: &Application,
        to: Option<u64>,
    ) -> Result<(Rollback, Release), Problem> {
        let current = application.release.ok_or_else(|| {
            problem::RELEASE_GONE.problem(
                format!("{} has no release yet.", application.name),
                "Deploy it first.",
            )
        })?;
        let number = match to {
            Some(number) => number,
            None => self.release_before(application, current).await?,
        };
        let store = &self.inner.store;
        let current = store.release(application.id, current).await?.release;
        let stored = store.release(application.id, number).await.map_err(|_| {
            problem::NOT_FOUND.problem(
                format!("{} has no release r{number}.", application.name),
                "`pluvio releases` lists those there are.",
            )
        })?;
        let revision: Revision = store.revision(application.id, number).await?;
        let back = pluvio_plan::rollback::rollback(&revision, &stored.release, &current)?;
        Ok((back, stored.release))
    }

    /// Images that a release had, if the engine still has them.
    pub(crate) async fn pinned<'a>(
        &self,
        images: impl IntoIterator<Item = (&'a Name, &'a PinnedImage)>,
        release: u64,
    ) -> Result<BTreeMap<Name, ImageAtHand>, Problem> {
        let mut at_hand = BTreeMap::new();
        for (component, image) in images {
            if image.image_id.is_empty() {
                continue;
            }
            let Some(found) = self.image_at_hand(image).await? else {
                return Err(problem::RELEASE_GONE.problem(
                    format!(
                        "The image of {component} in r{release} ({}) is not kept any more.",
                        image.image
                    ),
                    format!("Deploy the commit of r{release} again; it is built anew."),
                ));
            };
            at_hand.insert(component.clone(), found);
        }
        Ok(at_hand)
    }

    /// Images of sidecars and init steps; one that is not there is told of by the decision.
    pub(crate) async fn pinned_others<'a>(
        &self,
        images: impl IntoIterator<Item = (&'a String, &'a PinnedImage)>,
    ) -> Result<BTreeMap<String, ImageAtHand>, Problem> {
        let mut at_hand = BTreeMap::new();
        for (reference, image) in images {
            if let Some(found) = self.image_at_hand(image).await? {
                at_hand.insert(reference.clone(), found);
            }
        }
        Ok(at_hand)
    }

    async fn image_at_hand(&self, image: &PinnedImage) -> Result<Option<ImageAtHand>, Problem> {
        let facts = pluvio_runtime::Images::image(&self.inner.node, &image.image_id)
            .await
            .map_err(pluvio_runtime::RuntimeError::into_problem)?;
        Ok(facts.map(|facts| ImageAtHand {
            reference: image.image.clone(),
            facts,
            built: image.built.clone(),
        }))
    }

    async fn release_before(
        &self,
        application: &Application,
        current: u64,
    ) -> Result<u64, Problem> {
        let page = pluvio_store::PageRequest {
            limit: 200,
            after: None,
        };
        let rows = self
            .inner
            .store
            .releases(application.id, &page)
            .await
            .map_err(Problem::from)?
            .items;
        let served = |row: &&pluvio_store::ReleaseRow| {
            row.number < current
                && matches!(
                    row.state,
                    pluvio_store::ReleaseState::Live | pluvio_store::ReleaseState::Retired
                )
        };
        rows.iter()
            .find(served)
            .map(|row| row.number)
            .ok_or_else(|| {
                problem::RELEASE_GONE.problem(
                    format!(
                        "No release of {} served before r{current}.",
                        application.name
                    ),
                    "Name the release to go back to; `pluvio releases` lists them.",
                )
            })
    }
}

/// `Stop shop`, `Stop web, worker of shop`
pub fn title(verb: &str, application: &Application, components: &[Name]) -> String {
    let names: Vec<&str> = components.iter().map(Name::as_str).collect();
    match names.is_empty() {
        true => format!("{verb} {}", application.name),
        false => format!("{verb} {} of {}", names.join(", "), application.name),
    }
}
