//! Which images a decision needs, and which it takes.

use std::collections::{BTreeMap, BTreeSet};

use pluvio_model::facts::{DecideFacts, ImageAtHand, RuntimeKind};
use pluvio_model::image::ImageReference;
use pluvio_model::name::Name;
use pluvio_model::problem::{IMAGE_NOT_FOUND, Problem, SOURCE_MISSING};
use pluvio_model::release::{BuildRecord, DecidedContainer, DecidedPort, Release, numeric_user};
use pluvio_model::revision::Origin;
use pluvio_model::spec::{AppSpec, BuildSpec, ComponentSpec, Database, Kind};

use indexmap::IndexMap;

use super::inside::Seen;

/// Where a component's image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageNeed {
    /// Source that must be built.
    Build,
    /// A reference to resolve: look at hand, else pull.
    Pull(ImageReference),
    /// The image of a database: made here, or the official one of the configured registry.
    Database(Database),
    /// Unchanged since the parent: its image stays, nothing is fetched. `decide` takes it from the parent when
    /// `facts.images` does not name the component.
    Inherit { image_id: String },
}

/// What must be at hand before [`crate::decide`]: for each component that runs a container here.
///
/// A deploy builds its sources and resolves its references anew (a reference with a digest cannot have changed); any other
/// origin inherits what its specification did not change. `parent` is the target's specification and release.
pub fn images_needed(
    spec: &AppSpec,
    origin: &Origin,
    parent: Option<(&AppSpec, &Release)>,
) -> BTreeMap<Name, ImageNeed> {
    let mut known = BTreeMap::new();
    let runs = spec
        .components
        .iter()
        .filter(|(_, component)| has_container(component.kind));
    runs.filter_map(|(name, component)| {
        let inherited = parent.and_then(|(before, release)| {
            let same = is_made_alike(name, spec, before, &mut known);
            let pinned = component
                .image
                .as_ref()
                .is_some_and(|image| image.digest().is_some());
            if !same || (*origin == Origin::Deploy && !pinned) {
                return None;
            }
            let image_id = release.components.get(name)?.content.main.image_id.clone();
            Some(ImageNeed::Inherit { image_id })
        });
        let need = inherited.or_else(|| match (&component.source, &component.image) {
            (Some(_), _) => Some(ImageNeed::Build),
            (None, Some(image)) => Some(ImageNeed::Pull(image.clone())),
            (None, None) => component.database().map(ImageNeed::Database),
        });
        need.map(|need| (name.clone(), need))
    })
    .collect()
}

/// Whether what a component's image is made of is as it was before, the images of components that it is built from included.
/// `known`: what was found out of others; one that is still looked at is in a circle, which was refused.
fn is_made_alike<'s>(
    name: &'s Name,
    spec: &'s AppSpec,
    before: &AppSpec,
    known: &mut BTreeMap<&'s Name, bool>,
) -> bool {
    if let Some(known) = known.get(name) {
        return *known;
    }
    known.insert(name, false);
    let (Some(now), Some(then)) = (spec.components.get(name), before.components.get(name)) else {
        return false;
    };
    let alike = now.source == then.source
        && now.build == then.build
        && now.image == then.image
        && now.database == then.database
        && built_from(now).all(|other| is_made_alike(other, spec, before, known));
    known.insert(name, alike);
    alike
}

/// The components whose images this one is built from.
fn built_from(component: &ComponentSpec) -> impl Iterator<Item = &Name> {
    let build = component.build.iter();
    build.flat_map(BuildSpec::components).map(|(_, name)| name)
}

/// What [`images_needed`] answers in the order in which it is obtained: the images that one is built from before it.
pub fn images_in_order(spec: &AppSpec, needs: BTreeMap<Name, ImageNeed>) -> Vec<(Name, ImageNeed)> {
    let mut waiting: Vec<(Name, ImageNeed)> = needs.into_iter().collect();
    let mut ordered = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|(name, _)| {
            let component = spec.components.get(name).into_iter();
            let mut from = component.flat_map(built_from);
            from.all(|other| waiting.iter().all(|(name, _)| name != other))
        });
        // There is always one: a specification with a circle was refused.
        ordered.push(waiting.remove(ready.unwrap_or(0)));
    }
    ordered
}

/// Images of sidecars and init steps that must be at hand besides: those that the parent has not, and on a deploy all whose
/// reference can have come to mean another.
pub fn other_images_needed(
    spec: &AppSpec,
    origin: &Origin,
    parent: Option<&Release>,
) -> BTreeSet<ImageReference> {
    let named = spec
        .components
        .values()
        .filter(|component| has_container(component.kind))
        .flat_map(|component| component.sidecars.values().chain(component.init.values()))
        .filter_map(|container| container.image.as_ref());
    named
        .filter(|image| {
            let anew = *origin == Origin::Deploy && image.digest().is_none();
            anew || of_parent(image, parent).is_none()
        })
        .cloned()
        .collect()
}

/// Whether a component of this kind is a container of an image that its specification names.
pub(super) fn has_container(kind: Kind) -> bool {
    match kind {
        Kind::Service | Kind::Stateful | Kind::Job | Kind::Cron | Kind::Daemon | Kind::Database => {
            true
        }
        Kind::Vm | Kind::External => false,
    }
}

/// The image that a component shall run.
pub(super) struct Image {
    pub(super) reference: ImageReference,
    pub(super) id: String,
    pub(super) built: Option<BuildRecord>,
    pub(super) ports: ImagePorts,
    pub(super) program: Program,
    /// Whom it starts as, where that matters.
    pub(super) user: Option<String>,
    pub(super) inside: Seen,
    /// Paths at which it declares data; `None` where nothing was looked up.
    pub(super) volumes: Option<Vec<String>>,
}

/// What the image runs, where its container is not told.
pub(super) enum Program {
    Words {
        entrypoint: Vec<String>,
        command: Vec<String>,
    },
    /// Nothing was looked up: whether the parent's is a process 1 of its own.
    AsBefore { is_init: bool },
}

impl Program {
    fn of_before(before: &DecidedContainer) -> Program {
        let init = before.options.as_ref().and_then(|options| options.init);
        Program::AsBefore {
            is_init: init == Some(false),
        }
    }
}

/// What the image says of ports, for components that do not say it themselves.
pub(super) enum ImagePorts {
    Exposed(Vec<u16>),
    /// Nothing was looked up: as the parent has it.
    AsBefore(IndexMap<Name, DecidedPort>),
}

/// Of each part that a specification has, the path of those whose image the one before asked for in the same words.
pub fn images_inherited(before: &AppSpec, spec: &AppSpec) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (name, component) in &spec.components {
        let Some(old) = before.components.get(name) else {
            continue;
        };
        let path = format!("components.{name}");
        let parts = [
            ("sidecars", &component.sidecars, &old.sidecars),
            ("init", &component.init, &old.init),
        ];
        for (what, new, old) in parts {
            let same = new.iter().filter(|(each, container)| {
                let old = old.get(*each);
                container.image.is_some() && old.is_some_and(|old| old.image == container.image)
            });
            found.extend(same.map(|(each, _)| format!("{path}.{what}.{each}")));
        }
        if component.image.is_some() && component.image == old.image {
            found.insert(path);
        }
    }
    found
}

/// The component's image: at hand, else its parent's.
pub(super) fn of_component(
    name: &Name,
    component: &ComponentSpec,
    parent: Option<&Release>,
    facts: &DecideFacts,
) -> Result<Image, Problem> {
    if let Some(image) = facts.images.get(name) {
        return Ok(at_hand(image, facts));
    }
    let before = parent.and_then(|release| release.components.get(name));
    let unchanged = before.filter(|before| match &component.image {
        Some(image) => {
            let path = format!("components.{name}");
            *image == before.content.main.image || facts.inherited.contains(&path)
        }
        None if component.kind == Kind::Database => before.database == component.database(),
        None => component.source.is_some() && before.build.is_some(),
    });
    match (unchanged, &component.image, &component.source) {
        (Some(before), ..) => Ok(Image {
            reference: before.content.main.image.clone(),
            id: before.content.main.image_id.clone(),
            built: before.build.clone(),
            ports: ImagePorts::AsBefore(before.content.ports.clone()),
            program: Program::of_before(&before.content.main),
            user: before.content.main.image_user.clone(),
            inside: Seen::of_before(&before.content.main),
            volumes: None,
        }),
        (None, None, None) if component.kind == Kind::Database => Err(IMAGE_NOT_FOUND
            .problem(
                format!("The image of the database {name} is not at hand."),
                "Deploy it, so that its image is made.",
            )
            .path(format!("components.{name}.database"))),
        (None, None, None) => Err(SOURCE_MISSING
            .problem(
                format!("The component {name} has neither `image` nor `source`."),
                "Name an image (`image: registry/name:tag`) or a source (`source: { path: . }`).",
            )
            .path(format!("components.{name}"))),
        (None, Some(image), _) => Err(IMAGE_NOT_FOUND
            .problem(
                format!("The image {image} of {name} is not at hand."),
                "Check its name; deploy again, so that it is pulled.",
            )
            .path(format!("components.{name}.image"))),
        (None, None, Some(_)) => Err(IMAGE_NOT_FOUND
            .problem(
                format!("{name} was not built yet."),
                "Deploy it, so that its source is built.",
            )
            .path(format!("components.{name}.source"))),
    }
}

/// The image of a sidecar or init step, which has a reference of its own or is the component's. `before`: the parent's of the same name.
pub(super) fn of_other(
    reference: &ImageReference,
    path: &str,
    parent: Option<&Release>,
    before: Option<&DecidedContainer>,
    facts: &DecideFacts,
) -> Result<Image, Problem> {
    if let Some(image) = facts.other_images.get(&reference.to_string()) {
        return Ok(at_hand(image, facts));
    }
    let before = before.filter(|_| facts.inherited.contains(path));
    match of_parent(reference, parent).or(before) {
        Some(container) => Ok(Image {
            reference: container.image.clone(),
            id: container.image_id.clone(),
            built: None,
            ports: ImagePorts::Exposed(Vec::new()),
            program: Program::of_before(container),
            user: container.image_user.clone(),
            inside: Seen::of_before(container),
            volumes: None,
        }),
        None => Err(IMAGE_NOT_FOUND
            .problem(
                format!("The image {reference} is not at hand."),
                "Check its name; deploy again, so that it is pulled.",
            )
            .path(format!("{path}.image"))),
    }
}

/// The container of the parent that runs beside or before a main one by this image.
fn of_parent<'a>(
    reference: &ImageReference,
    parent: Option<&'a Release>,
) -> Option<&'a DecidedContainer> {
    let components = parent
        .into_iter()
        .flat_map(|release| release.components.values());
    components
        .flat_map(|component| {
            let content = &component.content;
            content.sidecars.values().chain(content.init.values())
        })
        .find(|container| container.image == *reference)
}

fn at_hand(image: &ImageAtHand, facts: &DecideFacts) -> Image {
    let user = image.facts.user.clone();
    // An engine looks itself: there its releases stay as they are.
    let matters = facts.runtime.runtime == RuntimeKind::Kubernetes;
    let is_ordinary = |user: &String| numeric_user(user).is_some_and(|(user, _)| user != 0);
    Image {
        user: user.filter(|user| matters && is_ordinary(user)),
        inside: Seen::of(image, matters),
        reference: image.reference.clone(),
        id: image.facts.id.clone(),
        built: image.built.clone(),
        volumes: Some(image.facts.volumes.clone()),
        ports: ImagePorts::Exposed(image.facts.exposed.clone()),
        program: Program::Words {
            entrypoint: image.facts.entrypoint.clone(),
            command: image.facts.command.clone(),
        },
    }
}
