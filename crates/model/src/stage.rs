//! What a runtime is told: a release, which of its components now, and the generation that fences it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{ApplicationId, ClusterId, Generation};
use crate::image::ContentHash;
use crate::name::Name;
use crate::release::Release;
use crate::template::SecretRef;

/// One application on one runtime, as it shall be. Kept by the node on disk (mode 0600: it holds secret values), so that
/// applications run on without control.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    pub cluster: ClusterId,
    pub application: ApplicationId,
    pub generation: Generation,
    pub wish: Wish,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wish {
    Run(Box<RunWish>),
    /// The application is deleted: nothing of it shall remain but volumes that are kept.
    Gone,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunWish {
    pub release: Release,
    /// Which components now; others keep the instances they have. Components that the release does not have are removed.
    pub components: Vec<Name>,
    /// Programs that run to their end now, each once.
    #[serde(default)]
    pub tasks: Vec<TaskWish>,
    pub power: Power,
    /// Components that shall have no instances while others run: stopped by a person, or not started yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stopped: Vec<Name>,
    pub secrets: BTreeMap<String, SecretValue>,
}

/// A program of a component that runs to its end, once, in this release. The runtime keeps how it ended; whoever asks again
/// is told that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskWish {
    pub component: Name,
    /// Of what it does: [`DecidedTask::hash`](crate::release::DecidedTask::hash) or, for a job, its content's or
    /// [`DecidedComponent::once`](crate::release::DecidedComponent::once).
    pub hash: ContentHash,
}

impl RunWish {
    /// Whether a component shall have instances, fire by its schedule, be run.
    pub fn is_on(&self, component: &Name) -> bool {
        self.power == Power::On && !self.stopped.contains(component)
    }
    /// The key of a secret in [`RunWish::secrets`].
    pub fn key(secret: &SecretRef) -> String {
        format!("{}@{}", secret.name, secret.version)
    }
    pub fn secret(&self, secret: &SecretRef) -> Option<String> {
        self.secrets
            .get(&Self::key(secret))
            .map(|value| value.0.clone())
    }
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Power {
    On,
    /// Stopped by a person: no instances, routes answer 503 that says so.
    Off,
}

/// A secret's value on its way to a container. Never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretValue(pub String);

impl fmt::Debug for SecretValue {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("‹secret›")
    }
}
impl fmt::Debug for RunWish {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "RunWish(r{} {:?})", self.release.number, self.power)
    }
}
impl fmt::Debug for Wish {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Wish::Run(run) => run.fmt(out),
            Wish::Gone => out.write_str("Gone"),
        }
    }
}
impl fmt::Debug for Stage {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "Stage({} g{})", self.application, self.generation)
    }
}
