//! What a change or a rollback would do, decided without being kept.

use std::collections::BTreeMap;

use pluvio_model::problem::Problem;
use pluvio_model::release::Release;
use pluvio_model::revision::{Origin, Revision};
use pluvio_plan::patch::Patch;
use pluvio_store::{Application, Deciding};

use crate::Control;
use crate::asks::first;

impl Control {
    /// What a change would do: the target's release, the one it would become, and its number. Nothing is kept.
    pub async fn preview_patch(
        &self,
        application: &Application,
        patches: &[Patch],
    ) -> Result<(Option<Release>, Release, u64), Problem> {
        let store = &self.inner.store;
        let revision = self.target_revision(application).await?;
        let current = store
            .release(application.id, revision.number)
            .await
            .map_err(Problem::from)?
            .release;
        let before = revision.spec.clone();
        let mut spec = before.clone();
        for patch in patches {
            spec = patch.apply(&spec)?;
        }
        let problems = pluvio_formats::validate(&spec);
        if !problems.is_empty() {
            return Err(first(problems));
        }
        let number = application.revision.unwrap_or(revision.number) + 1;
        let secrets = store
            .secrets(application.id)
            .await
            .map_err(Problem::from)?
            .into_iter()
            .map(|s| (s.name, s.version))
            .collect();
        let seen = Deciding {
            application: application.clone(),
            revision: Revision {
                number,
                spec,
                origin: Origin::Patch {
                    what: String::new(),
                },
                ..revision
            },
            parent: Some(current.clone()),
            parent_spec: Some(before),
            target: None,
            secrets,
            settings: store
                .settings(application.id)
                .await
                .map_err(Problem::from)?,
            hosts_of_others: self.hosts_of_others(application).await?,
        };
        let next = self
            .surroundings(application.cluster, application.id, BTreeMap::new())
            .await?
            .decide(&seen)?;
        Ok((Some(current), next, number))
    }

    /// What a rollback to `number` would do.
    pub async fn preview_rollback(
        &self,
        application: &Application,
        number: u64,
    ) -> Result<(Option<Release>, Release, u64), Problem> {
        let (back, stored) = self.going_back(application, Some(number)).await?;
        let store = &self.inner.store;
        let revision = self.target_revision(application).await?;
        let current = store
            .release(application.id, revision.number)
            .await?
            .release;
        let secrets = store.secrets(application.id).await?;
        let next = application.revision.unwrap_or(revision.number) + 1;
        let before = revision.spec.clone();
        let seen = Deciding {
            application: application.clone(),
            revision: Revision {
                number: next,
                spec: back.spec,
                origin: Origin::Rollback { to: number },
                ..revision
            },
            parent: Some(current.clone()),
            parent_spec: Some(before),
            target: None,
            secrets: secrets.into_iter().map(|s| (s.name, s.version)).collect(),
            settings: store.settings(application.id).await?,
            hosts_of_others: self.hosts_of_others(application).await?,
        };
        let images = self.pinned(&back.images, number).await?;
        let mut surroundings = self
            .surroundings(application.cluster, application.id, images)
            .await?;
        surroundings.other_images = self.pinned_others(&back.other_images).await?;
        let decided = surroundings.decide(&seen)?;
        pluvio_plan::rollback::refuse_lost_data(&stored, &decided)?;
        Ok((Some(current), decided, next))
    }
}
