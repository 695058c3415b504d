//! An application to decide on, for the tests of this crate.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pluvio_model::facts::{DecideFacts, Facts, ImageAtHand, ImageFacts, Reach, RuntimeKind};
use pluvio_model::id::{ApplicationId, VolumeId};
use pluvio_model::problem::Problem;
use pluvio_model::release::Release;
use pluvio_model::revision::{Origin, Revision};
use pluvio_model::spec::AppSpec;
use serde_json::{Value, json};

pub(crate) fn application() -> ApplicationId {
    "01936b2a-0000-7000-8000-0000aaaa0001"
        .parse()
        .expect("a UUID")
}

/// Ids of volumes: `…0000`, `…0001` and so on.
pub(crate) fn volume_ids() -> impl Iterator<Item = VolumeId> {
    (0u32..).map(|n| {
        let text = format!("01936b2a-0000-7000-8000-0000bbbb{n:04}");
        text.parse().expect("a UUID")
    })
}

pub(crate) fn runtime() -> Facts {
    Facts {
        cluster: "01936b2a-0000-7000-8000-0000cccc0001"
            .parse()
            .expect("a UUID"),
        runtime: RuntimeKind::Docker,
        version: "20.10.24".to_owned(),
        architecture: "amd64".to_owned(),
        reach: Reach::Bridge,
        rootless: false,
        cpu_millis: 2000,
        memory_bytes: 8 << 30,
    }
}

/// Every image is at hand and exposes 8080.
pub(crate) fn facts(spec: &AppSpec) -> DecideFacts {
    let at_hand = |reference: &pluvio_model::image::ImageReference| ImageAtHand {
        reference: reference.clone(),
        facts: ImageFacts {
            id: format!("sha256:{}", reference.short_name()),
            exposed: vec![8080],
            ..ImageFacts::default()
        },
        built: None,
    };
    let images = spec.components.iter().filter_map(|(name, component)| {
        component
            .image
            .as_ref()
            .map(|image| (name.clone(), at_hand(image)))
    });
    let others = spec.components.values().flat_map(|component| {
        component
            .sidecars
            .values()
            .chain(component.init.values())
            .filter_map(|c| c.image.as_ref())
    });
    DecideFacts {
        application: application(),
        team: "crew".parse().unwrap(),
        environment: "production".parse().unwrap(),
        runtime: runtime(),
        images: images.collect(),
        other_images: others
            .map(|image| (image.to_string(), at_hand(image)))
            .collect(),
        inherited: Default::default(),
        kept_volumes: BTreeMap::new(),
        secrets: [("KEY".parse().unwrap(), 3)].into(),
        settings: BTreeMap::new(),
        domain: "localhost".to_owned(),
        gateway_port: 8080,
        short_host_taken: false,
    }
}

pub(crate) fn spec(value: Value) -> AppSpec {
    serde_json::from_value(value).expect("a specification")
}

/// An application called `shop` of these components.
pub(crate) fn shop(components: Value) -> AppSpec {
    spec(json!({ "name": "shop", "components": components }))
}

pub(crate) fn revision(number: u64, spec: &AppSpec, origin: Origin) -> Revision {
    Revision {
        application: application(),
        number,
        spec: spec.clone(),
        origin,
        actor: "ines".to_owned(),
        at: Timestamp::UNIX_EPOCH,
    }
}

pub(crate) fn decide(
    number: u64,
    spec: &AppSpec,
    parent: Option<&Release>,
) -> Result<Release, Vec<Problem>> {
    let revision = revision(number, spec, Origin::Apply);
    crate::decide(&revision, parent, &facts(spec), &mut volume_ids())
}

/// The first release of `shop` with these components.
pub(crate) fn release(components: Value) -> Release {
    decide(1, &shop(components), None).unwrap_or_else(|problems| panic!("{problems:#?}"))
}
