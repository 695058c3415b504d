//! What an image's own files tell of users' names and of what volumes begin with. It matters on clusters alone: engines look
//! themselves.

use std::collections::{BTreeMap, BTreeSet};

use pluvio_model::facts::{ImageAtHand, Inside};
use pluvio_model::name::Name;
use pluvio_model::release::{DecidedContainer, is_named_user};
use pluvio_model::spec::{AbsolutePath, AppSpec, ContainerSpec, MountSpec, VolumeKind};

/// What is known of an image's files.
pub(super) enum Seen {
    /// Somebody looked. `user`: whom it starts as.
    Inside {
        inside: Inside,
        user: Option<String>,
    },
    /// Nothing was looked up: what the parent's container was told, and what that meant.
    AsBefore {
        told: Option<String>,
        meant: Option<String>,
        filled: BTreeSet<AbsolutePath>,
    },
    Unknown,
}

impl Seen {
    pub(super) fn of(image: &ImageAtHand, matters: bool) -> Seen {
        match &image.facts.inside {
            Some(inside) if matters => Seen::Inside {
                inside: inside.clone(),
                user: image.facts.user.clone(),
            },
            _ => Seen::Unknown,
        }
    }

    pub(super) fn of_before(before: &DecidedContainer) -> Seen {
        let filled = before.mounts.iter().filter(|(_, mount)| mount.seed);
        Seen::AsBefore {
            told: before.user.clone(),
            meant: before.named_user.clone(),
            filled: filled.map(|(target, _)| target.clone()).collect(),
        }
    }

    /// `UID:GID` of a user by name, told by the specification or else by the image.
    pub(super) fn number_of(&self, told: Option<&String>) -> Option<String> {
        match self {
            Seen::Inside { inside, user } => {
                let user = told.or(user.as_ref());
                let numbers = inside
                    .accounts
                    .numbers(user.filter(|user| is_named_user(user))?);
                // An image of root's says no more than one that names nobody.
                numbers.filter(|numbers| told.is_some() || !numbers.starts_with("0:"))
            }
            Seen::AsBefore {
                told: before,
                meant,
                ..
            } if before.as_ref() == told => meant.clone(),
            Seen::AsBefore { .. } | Seen::Unknown => None,
        }
    }

    /// Whether a volume there shall begin with what the image has.
    pub(super) fn is_filled(&self, target: &AbsolutePath) -> bool {
        match self {
            Seen::Inside { inside, .. } => inside.filled.contains(target.as_str()),
            Seen::AsBefore { filled, .. } => filled.contains(target),
            Seen::Unknown => false,
        }
    }
}

/// What images must be looked into for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LookedFor {
    /// Users are told by name.
    pub users: bool,
    /// Places of volumes.
    pub paths: BTreeSet<String>,
}

/// What a specification asks of a component's image; `None`: of all images that sidecars and init steps have of their own.
pub fn asked_inside(spec: &AppSpec, component: Option<&Name>) -> LookedFor {
    let mut asked = LookedFor::default();
    let mut note = |user: &Option<String>,
                    volumes: &indexmap::IndexMap<AbsolutePath, MountSpec>| {
        asked.users |= user.as_deref().is_some_and(is_named_user);
        let disks = volumes
            .iter()
            .filter(|(_, mount)| mount.kind == VolumeKind::Disk);
        asked
            .paths
            .extend(disks.map(|(target, _)| target.to_string()));
    };
    for (name, of) in &spec.components {
        if component.is_some_and(|component| component != name) {
            continue;
        }
        if component.is_some() {
            note(&of.user, &of.volumes);
        }
        for other in of.sidecars.values().chain(of.init.values()) {
            if other.image.is_some() == component.is_none() {
                note(&other.user, &other.volumes);
            }
        }
    }
    asked
}

/// Users of a specification that are told by name, by the path of what runs as them.
pub fn named_users(spec: &AppSpec) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut note = |path: String, user: &Option<String>| {
        let named = user.as_ref().filter(|user| is_named_user(user));
        found.extend(named.map(|user| (path, user.clone())));
    };
    for (name, component) in &spec.components {
        let path = format!("components.{name}");
        let mut others = |what: &str, all: &indexmap::IndexMap<Name, ContainerSpec>| {
            for (each, container) in all {
                note(format!("{path}.{what}.{each}"), &container.user);
            }
        };
        others("sidecars", &component.sidecars);
        others("init", &component.init);
        note(path.clone(), &component.user);
    }
    found
}
