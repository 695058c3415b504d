//! What clusters pull: images that releases decide on, and Pluvio's own program.

use std::collections::BTreeMap;

use async_trait::async_trait;
use pluvio_model::facts::ImageAtHand;
use pluvio_model::id::ClusterId;
use pluvio_model::image::{ImageReference, InvalidImage};
use pluvio_model::name::Name;
use pluvio_model::problem::{self, Problem};
use pluvio_model::release::is_named_user;
use pluvio_model::spec::AppSpec;
use pluvio_model::stage::SecretValue;
use pluvio_plan::asked_inside;
use pluvio_runtime::{Pull, Pulls};
use pluvio_store::Application;

use crate::Control;

/// By what a cluster's nodes pull from the registry.
pub(crate) struct ClusterPulls {
    pub(crate) control: Control,
    pub(crate) cluster: ClusterId,
    /// The installation's first team.
    pub(crate) home: Name,
}

#[async_trait]
impl Pulls for ClusterPulls {
    async fn pull(&self, team: &Name) -> Option<Pull> {
        let registry = self.control.images_host()?.to_owned();
        let store = self.control.store();
        let team = store.team_named(team.as_str()).await.ok().flatten()?;
        let credential = store.pull_credential(team, self.cluster).await.ok()?;
        Some(Pull {
            registry,
            username: credential.username,
            password: SecretValue(credential.password),
        })
    }

    async fn program(&self, team: &Name) -> Result<String, Problem> {
        self.control.publish_program(team).await
    }

    fn home(&self) -> Name {
        self.home.clone()
    }
}

/// The application that images are for, which may not be there yet.
pub(crate) struct Whose<'a> {
    pub(crate) team: &'a Name,
    pub(crate) application: &'a Name,
    pub(crate) cluster: Option<ClusterId>,
    pub(crate) spec: &'a AppSpec,
}

impl<'a> Whose<'a> {
    pub(crate) fn of(application: &'a Application, spec: &'a AppSpec) -> Whose<'a> {
        Whose {
            team: &application.team_name,
            application: &application.name,
            cluster: application.cluster,
            spec,
        }
    }
}

impl Control {
    /// Images as a cluster names them: those that the engine made, or fetched from anywhere, are published to the registry of
    /// images and named there. Without one the nodes pull by the names that were asked for, and what was built here is refused.
    pub(crate) async fn for_cluster(
        &self,
        whose: &Whose<'_>,
        images: BTreeMap<Name, ImageAtHand>,
    ) -> Result<BTreeMap<Name, ImageAtHand>, Problem> {
        if whose.cluster.is_none() {
            return Ok(images);
        }
        let mut named = BTreeMap::new();
        for (component, image) in images {
            let image = self
                .named_for_cluster(whose, Some(&component), image)
                .await?;
            named.insert(component, image);
        }
        Ok(named)
    }

    /// The same for images of sidecars and init steps, which are told by their references.
    pub(crate) async fn others_for_cluster(
        &self,
        whose: &Whose<'_>,
        images: BTreeMap<String, ImageAtHand>,
    ) -> Result<BTreeMap<String, ImageAtHand>, Problem> {
        if whose.cluster.is_none() {
            return Ok(images);
        }
        let mut named = BTreeMap::new();
        for (reference, image) in images {
            let image = self.named_for_cluster(whose, None, image).await?;
            named.insert(reference, image);
        }
        Ok(named)
    }

    /// `component`: whose image it is; `None` of sidecars and init steps.
    async fn named_for_cluster(
        &self,
        whose: &Whose<'_>,
        component: Option<&Name>,
        mut image: ImageAtHand,
    ) -> Result<ImageAtHand, Problem> {
        let own = image.facts.user.as_deref();
        let asked = asked_inside(whose.spec, component);
        if asked.users || !asked.paths.is_empty() || own.is_some_and(is_named_user) {
            let inside = self.builder().inside(&image.facts.id, &asked.paths).await;
            image.facts.inside = inside?;
        }
        let Some(host) = self.images_host() else {
            // Nobody else has what was built here.
            if image.built.is_some() {
                self.images_served()?;
            }
            return Ok(image);
        };
        if image.reference.registry() == host && image.reference.digest().is_some() {
            return Ok(image);
        }
        let beside: Name = "beside".parse().expect("a name");
        let component = component.unwrap_or(&beside);
        let published = self.publish(whose.team, whose.application, component, &image.facts.id);
        let reference = published.await?.parse::<ImageReference>();
        let reference = reference.map_err(|error: InvalidImage| {
            problem::INTERNAL.problem(error.to_string(), "Please report it.")
        })?;
        Ok(ImageAtHand { reference, ..image })
    }
}
