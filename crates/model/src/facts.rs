//! What a runtime can do and holds: a value that is read before deciding.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::accounts::Accounts;
use crate::id::{ApplicationId, ClusterId, VolumeId};
use crate::image::ImageReference;
use crate::name::{EnvName, Name};

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeKind {
    Docker,
    Podman,
    Kubernetes,
    Memory,
}

/// How the gateway reaches instances.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// By the instance's own address on its network.
    Bridge,
    /// By ports published on loopback (rootless engines).
    PublishedLoopback,
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    pub cluster: ClusterId,
    pub runtime: RuntimeKind,
    /// The engine's version, for people.
    pub version: String,
    /// `amd64`, `arm64` …
    pub architecture: String,
    pub reach: Reach,
    pub rootless: bool,
    /// Cores of the machine or cluster, in thousandths.
    pub cpu_millis: u64,
    pub memory_bytes: u64,
}

/// What is known of an image at hand: the defaults a container takes from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// The engine's image id (`sha256:…`), or a digest once a registry is needed.
    pub id: String,
    #[serde(default)]
    pub entrypoint: Vec<String>,
    #[serde(default)]
    pub command: Vec<String>,
    /// `8080/tcp` → 8080; only TCP ports, in the image's order.
    #[serde(default)]
    pub exposed: Vec<u16>,
    #[serde(default)]
    pub user: Option<String>,
    #[serde(default)]
    pub working_dir: Option<String>,
    #[serde(default)]
    pub volumes: Vec<String>,
    #[serde(default)]
    pub env: IndexMap<String, String>,
    #[serde(default)]
    pub size: u64,
    /// What its own files tell; `None` where nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<Inside>,
}

/// What an image's own files tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    pub accounts: Accounts,
    /// Of the folders that were asked for, those in which it has something, if it can copy that by itself.
    pub filled: BTreeSet<String>,
}

/// Everything `decide` reads besides the revision and its parent. Fetched first; `decide` asks nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecideFacts {
    pub application: ApplicationId,
    pub team: Name,
    pub environment: Name,
    pub runtime: Facts,
    /// For each component that has an image or was built: what became of it.
    /// A component that is absent takes its parent's image, if it may (`pluvio_plan::images_needed`).
    pub images: BTreeMap<Name, ImageAtHand>,
    /// Images of sidecars and init steps, by the reference's text.
    #[serde(default)]
    pub other_images: BTreeMap<String, ImageAtHand>,
    /// Components whose image is asked for as it was for the parent, and sidecars and init steps by their paths
    /// (`components.web.sidecars.log`): the parent's image stays, whatever it is called where it is pulled from.
    #[serde(default)]
    pub inherited: BTreeSet<String>,
    /// Volumes of earlier releases that are kept, by name: bound again where a specification names them again.
    #[serde(default)]
    pub kept_volumes: BTreeMap<Name, VolumeId>,
    /// The newest version of each secret that has a value.
    pub secrets: BTreeMap<EnvName, u32>,
    pub settings: BTreeMap<EnvName, String>,
    /// The gateway's default domain: `localhost`.
    pub domain: String,
    /// The gateway's port, as users type it: 8080 (80 is left out of URLs).
    pub gateway_port: u16,
    /// True when `APP.DOMAIN` is claimed by another application: the longer default host is taken.
    pub short_host_taken: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageAtHand {
    /// The name to run it by.
    pub reference: ImageReference,
    pub facts: ImageFacts,
    /// How it was made, for images built here.
    #[serde(default)]
    pub built: Option<crate::release::BuildRecord>,
}

impl ImageAtHand {
    /// Whether it is known what the image says of itself. A plan fetches nothing: there an image is called by its name alone.
    pub fn is_looked_at(&self) -> bool {
        self.facts.id != self.reference.to_string()
    }
}
