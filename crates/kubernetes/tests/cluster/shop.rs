//! An application with a page, decided as control decides it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pluvio_model::facts::{DecideFacts, ImageAtHand, ImageFacts};
use pluvio_model::id::{ApplicationId, ClusterId, Generation, VolumeId};
use pluvio_model::release::Release;
use pluvio_model::revision::{Origin, Revision};
use pluvio_model::stage::{Power, RunWish, Stage, Wish};
use pluvio_runtime::{Runtime, Scope};
use serde_json::Value;

/// Varied by whoever tests; each stage is newer than the one before.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) cluster: ClusterId,
    pub(crate) application: ApplicationId,
    pub(crate) name: String,
    pub(crate) team: String,
    pub(crate) components: Value,
    pub(crate) networks: Value,
    pub(crate) power: Power,
    generation: u64,
    parent: Option<Release>,
}

impl Shop {
    pub(crate) fn new(cluster: ClusterId, components: Value) -> Shop {
        let application = uuid::Uuid::now_v7();
        Shop {
            cluster,
            application: ApplicationId(application),
            name: "shop".to_owned(),
            team: format!("t{}", &application.simple().to_string()[24..]),
            components,
            networks: serde_json::json!({}),
            power: Power::On,
            generation: 0,
            parent: None,
        }
    }

    /// Where its objects are.
    pub(crate) fn namespace(&self) -> String {
        format!("{}--production", self.team)
    }

    pub(crate) fn stage(&mut self) -> Stage {
        self.generation += 1;
        let release = self.decide();
        self.parent = Some(release.clone());
        let wish = RunWish {
            components: release.components.keys().cloned().collect(),
            tasks: Vec::new(),
            power: self.power,
            stopped: Vec::new(),
            secrets: BTreeMap::new(),
            release,
        };
        self.wrap(Wish::Run(Box::new(wish)))
    }

    pub(crate) fn gone(&mut self) -> Stage {
        self.generation += 1;
        self.wrap(Wish::Gone)
    }

    fn wrap(&self, wish: Wish) -> Stage {
        Stage {
            cluster: self.cluster,
            application: self.application,
            generation: Generation(self.generation),
            wish,
        }
    }

    fn decide(&self) -> Release {
        let spec = serde_json::json!({
            "name": self.name, "components": self.components, "networks": self.networks,
        });
        let spec: pluvio_model::spec::AppSpec =
            serde_json::from_value(spec).expect("a specification");
        let images = spec.components.iter().filter_map(|(name, component)| {
            let reference = component.image.clone()?;
            let facts = ImageFacts {
                id: reference.to_string(),
                exposed: vec![8080],
                ..ImageFacts::default()
            };
            let image = ImageAtHand {
                reference,
                facts,
                built: None,
            };
            Some((name.clone(), image))
        });
        let facts = DecideFacts {
            application: self.application,
            team: self.team.parse().expect("a name"),
            environment: "production".parse().expect("a name"),
            runtime: pluvio_model::facts::Facts {
                cluster: self.cluster,
                runtime: pluvio_model::facts::RuntimeKind::Kubernetes,
                version: "1.34.4".to_owned(),
                architecture: "amd64".to_owned(),
                reach: pluvio_model::facts::Reach::Bridge,
                rootless: false,
                cpu_millis: 2000,
                memory_bytes: 8 << 30,
            },
            images: images.collect(),
            other_images: BTreeMap::new(),
            inherited: Default::default(),
            kept_volumes: BTreeMap::new(),
            secrets: BTreeMap::new(),
            settings: BTreeMap::new(),
            domain: "localhost".to_owned(),
            gateway_port: 80,
            short_host_taken: false,
        };
        let revision = Revision {
            application: self.application,
            number: self.generation,
            spec,
            origin: Origin::Apply,
            actor: "ines".to_owned(),
            at: Timestamp::now(),
        };
        let mut ids = std::iter::repeat_with(|| VolumeId(uuid::Uuid::now_v7()));
        pluvio_plan::decide(&revision, self.parent.as_ref(), &facts, &mut ids)
            .unwrap_or_else(|problems| panic!("{problems:#?}"))
    }

    /// Hands the next stage over and waits until it is as it says.
    pub(crate) async fn bring(&mut self, runtime: &dyn Runtime) {
        let stage = self.stage();
        apply(runtime, &stage).await;
        self.settled(runtime).await;
    }

    pub(crate) async fn end(&mut self, runtime: &dyn Runtime) {
        let stage = self.gone();
        apply(runtime, &stage).await;
        self.settled(runtime).await;
    }

    pub(crate) async fn settled(&self, runtime: &dyn Runtime) {
        let mut seen = None;
        for _ in 0..1200 {
            let observed = runtime.observe(Scope::Application(self.application)).await;
            if let Ok(mut observed) = observed {
                seen = observed.applications.remove(&self.application);
            }
            let is_there = seen
                .as_ref()
                .is_some_and(|seen| seen.settled && seen.generation == Generation(self.generation));
            if is_there {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("the application did not settle: {seen:#?}");
    }
}

/// Again while the cluster does not answer.
async fn apply(runtime: &dyn Runtime, stage: &Stage) {
    for _ in 0..100 {
        match runtime.apply(stage).await {
            Ok(()) => return,
            Err(pluvio_runtime::RuntimeError::Unreachable(_)) => {
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
            Err(error) => panic!("the stage was not taken: {error:?}"),
        }
    }
    panic!("the cluster did not answer for too long");
}
