//! What one revision became: every choice made, nothing left to decide.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::id::{ApplicationId, VolumeId};
use crate::image::{ContentHash, ImageReference};
use crate::name::{EnvName, Name, numbered};
use crate::quantity::{Bytes, Cpu, Span};
use crate::revision::SourceRecord;
use crate::route::Route;
use crate::spec::{
    AbsolutePath, ContainerOptions, Database, EngineVolume, FileMode, HostOptions, Kind,
    OutsideAddress, PatchSpec, PortProtocol, PublishSpec, Reload, RestartPolicy, ScaleSpec,
    ScheduleIn, Unhealthy, VolumeAccess, VolumeKind, VolumeOptions, default_network,
    memory_options,
};
use crate::template::{Rendered, SecretRef};

/// An application's release. Immutable; its number is the revision's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    pub application: ApplicationId,
    pub application_name: Name,
    pub team: Name,
    pub environment: Name,
    pub number: u64,
    /// The release that was the target when this one was decided.
    pub parent: Option<u64>,
    pub components: IndexMap<Name, DecidedComponent>,
    /// Components that are not run here: what is outside. Nothing in them replaces an instance.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub externals: IndexMap<Name, DecidedExternal>,
    /// Named volumes, by their name in the application.
    pub volumes: IndexMap<Name, DecidedVolume>,
    pub networks: IndexMap<Name, DecidedNetwork>,
    /// The application's routes, ready for the gateway.
    pub routes: Vec<Route>,
    /// Where people find it, the best first: `http://shop.localhost:8080`.
    pub urls: Vec<String>,
    /// Raw Kubernetes objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<serde_json::Value>,
}

/// One component with every choice made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedComponent {
    pub name: Name,
    pub kind: Kind,
    /// Over [`Content`]: instances with the same hash need no replacement.
    pub hash: ContentHash,
    pub content: Content,
    pub instances: u32,
    /// What changes their number by itself, within bounds; `instances` is then where it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<ScaleSpec>,
    pub rollout: DecidedRollout,
    /// Hot files: content outside the hash, carried into running instances.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub hot_files: IndexMap<AbsolutePath, DecidedFile>,
    /// Components that must be ready before this one starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Name>,
    /// `kind: cron`: when it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleIn>,
    /// `kind: job` that runs once in the application's life: what names its run, instead of its content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub once: Option<ContentHash>,
    /// `kind: database`: what its data were made by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Database>,
    /// `kind: database`: when it is backed up, and what is kept of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backups: Option<DecidedBackups>,
    /// How its image was made; for history, not for running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<BuildRecord>,
}

/// A component outside, with every choice made: where it is, and how it is asked whether it is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedExternal {
    pub name: Name,
    /// Never none.
    pub addresses: Vec<OutsideAddress>,
    /// Its addresses may be the machine's own, which needs a permission.
    #[serde(default)]
    pub local: bool,
    pub ports: IndexMap<Name, DecidedPort>,
    pub check: DecidedProbe,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
}

/// All that makes one instance different from another: a change here replaces instances, any other does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    pub main: DecidedContainer,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub sidecars: IndexMap<Name, DecidedContainer>,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub init: IndexMap<Name, DecidedContainer>,
    pub ports: IndexMap<Name, DecidedPort>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<PublishSpec>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<Name>,
    /// Those of its networks that have no way out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub internal_networks: Vec<Name>,
    /// It is on no network at all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub offline: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub network_aliases: IndexMap<Name, Vec<String>>,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub extra_hosts: IndexMap<String, String>,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub labels: IndexMap<String, String>,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub node_labels: IndexMap<String, String>,
    #[serde(default, skip_serializing_if = "DecidedPlacement::is_any")]
    pub placement: DecidedPlacement,
    pub restart: RestartPolicy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_task: Option<DecidedTask>,
    #[serde(default, skip_serializing_if = "DecidedHooks::is_empty")]
    pub hooks: DecidedHooks,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<PatchSpec>,
    /// Grows with each restart asked for: the same content, new instances.
    #[serde(default)]
    pub restarts: u64,
}

/// Which machines of a cluster an instance would rather run on, beside the labels that they must have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DecidedPlacement {
    pub spread: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub near: Vec<Name>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub apart: Vec<Name>,
    /// Keys of taints that it tolerates, with their values; any value where it is empty.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub reserved: IndexMap<String, String>,
}

impl DecidedPlacement {
    pub fn is_any(&self) -> bool {
        *self == DecidedPlacement::default()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedTask {
    pub command: Vec<String>,
    pub timeout: Span,
    /// Names the run: the same hash runs once.
    pub hash: ContentHash,
}

/// Commands in the main container besides its program, each list from the first to the last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedHooks {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post_start: Vec<DecidedHook>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pre_stop: Vec<DecidedHook>,
}

impl DecidedHooks {
    pub fn is_empty(&self) -> bool {
        self.post_start.is_empty() && self.pre_stop.is_empty()
    }

    /// All of them with their places below `hooks`: `postStart.0`.
    pub fn each(&self) -> impl Iterator<Item = (String, &DecidedHook)> {
        let lists = [("postStart", &self.post_start), ("preStop", &self.pre_stop)];
        lists.into_iter().flat_map(|(which, list)| {
            let each = list.iter().enumerate();
            each.map(move |(index, hook)| (format!("{which}.{index}"), hook))
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedHook {
    pub command: Vec<String>,
    /// `None`, as for the folder: the program's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<AbsolutePath>,
    /// Besides the program's own.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub env: IndexMap<EnvName, Rendered>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub privileged: bool,
    /// As it was asked for: what counts without is the runtime's, which may have no such limit at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedContainer {
    /// As asked, for people.
    pub image: ImageReference,
    /// The engine's image id or a digest: what really runs.
    pub image_id: String,
    /// `None`: the image's own.
    pub entrypoint: Option<Vec<String>>,
    pub command: Option<Vec<String>>,
    pub working_dir: Option<AbsolutePath>,
    pub user: Option<String>,
    pub stop_signal: Option<String>,
    pub env: IndexMap<EnvName, Rendered>,
    pub files: IndexMap<AbsolutePath, DecidedFile>,
    pub mounts: IndexMap<AbsolutePath, DecidedMount>,
    pub cpu_request: Option<Cpu>,
    pub cpu_limit: Option<Cpu>,
    pub memory_request: Option<Bytes>,
    pub memory_limit: Option<Bytes>,
    pub pids_limit: u32,
    pub probes: DecidedProbes,
    pub host: Option<HostOptions>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<ContainerOptions>,
    /// Whom the image starts as where `user` does not say it: on a cluster, where it is told by number and not root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_user: Option<String>,
    /// Whom `user`, or the image where that says nothing, means by a name: `UID:GID`, as the image knows it. On a cluster alone,
    /// where users have numbers only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named_user: Option<String>,
}

impl DecidedContainer {
    /// The user, and the group where one is told, that it runs as, if that is known and not root.
    pub fn ordinary_user(&self) -> Option<(u32, Option<u32>)> {
        let told = self.numbered_user().or(self.image_user.as_deref());
        numeric_user(told?).filter(|(user, _)| *user != 0)
    }

    /// The user that it is told to run as, by number if that is known.
    pub fn numbered_user(&self) -> Option<&str> {
        self.named_user.as_deref().or(self.user.as_deref())
    }
}

/// Whether a user is told by a name, for itself or its group, that only its image knows.
pub fn is_named_user(user: &str) -> bool {
    numeric_user(user).is_none()
}

/// `1000` or `1000:1000`.
pub fn numeric_user(user: &str) -> Option<(u32, Option<u32>)> {
    match user.split_once(':') {
        Some((user, group)) => Some((user.parse().ok()?, Some(group.parse().ok()?))),
        None => Some((user.parse().ok()?, None)),
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedFile {
    pub content: Rendered,
    pub mode: FileMode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reload: Option<Reload>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedMount {
    pub kind: VolumeKind,
    /// For `disk`: the volume's name in the application.
    pub volume: Option<Name>,
    pub read_only: bool,
    pub size: Option<Bytes>,
    pub host_path: Option<AbsolutePath>,
    /// For `host`, in place of a path: a volume that the engine has already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_volume: Option<EngineVolume>,
    /// For `memory`, as the other three.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<FileMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<bool>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_copy: bool,
    /// Whether it begins with what the image has there: on a cluster, where somebody must copy it. Engines do by themselves.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub seed: bool,
}

impl DecidedMount {
    /// How its memory is mounted, as mount(8) has it: `mode=1770,uid=70,exec`.
    pub fn memory_options(&self) -> Vec<String> {
        memory_options(self.mode, self.uid, self.gid, self.exec)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedPort {
    pub port: u16,
    pub protocol: PortProtocol,
}

/// Every default put in. `ready` is `None` only for components without TCP ports: they are ready when they run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedProbes {
    pub startup: Option<DecidedProbe>,
    pub ready: Option<DecidedProbe>,
    pub live: Option<DecidedProbe>,
    #[serde(default, skip_serializing_if = "Unhealthy::is_restart")]
    pub unhealthy: Unhealthy,
}

impl DecidedProbes {
    /// Those that there are, by their keys in the specification.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, &DecidedProbe)> {
        let all = [
            ("startup", &self.startup),
            ("ready", &self.ready),
            ("live", &self.live),
        ];
        all.into_iter()
            .filter_map(|(which, probe)| Some((which, probe.as_ref()?)))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedProbe {
    pub check: Check,
    pub period: Span,
    pub timeout: Span,
    pub delay: Span,
    pub failures: u32,
    pub successes: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    Http {
        port: u16,
        path: String,
        host: Option<String>,
        headers: IndexMap<String, String>,
        status: Vec<(u16, u16)>,
    },
    Tcp {
        port: u16,
    },
    /// Ports of a program that others described, in words that ask for no readiness: all of them are open, or the program has
    /// run for [`Check::PATIENCE`] and one of them is, or, where `needed` is false, none.
    Ports {
        ports: Vec<u16>,
        needed: bool,
    },
    Command(Vec<String>),
}

impl Check {
    /// How long a program may take to open ports that it need not open.
    pub const PATIENCE: Span = Span::seconds(15);

    /// The ports that connections are made to.
    pub fn ports(&self) -> &[u16] {
        match self {
            Check::Http { port, .. } | Check::Tcp { port } => std::slice::from_ref(port),
            Check::Ports { ports, .. } => ports,
            Check::Command(_) => &[],
        }
    }

    /// `80, 443`
    pub fn port_list(&self) -> String {
        let ports: Vec<String> = self.ports().iter().map(u16::to_string).collect();
        ports.join(", ")
    }

    /// Whether nobody asked for it: the component's own ports are its readiness.
    pub fn is_implied(&self) -> bool {
        matches!(self, Check::Tcp { .. } | Check::Ports { .. })
    }
}

/// How instances are replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedRollout {
    pub strategy: Strategy,
    /// How long an old instance may finish its requests.
    pub drain: Span,
    /// How long a process may take to end after its stop signal.
    pub grace: Span,
    /// How long new instances may take to become ready.
    pub deadline: Span,
    /// How long a new instance that ends is started again before the release is given up; where nothing is said, until it has
    /// ended often enough.
    #[serde(default, skip_serializing_if = "Span::is_nothing")]
    pub retry: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// New instances first; old ones leave when they are ready.
    Surge { surge: u32, unavailable: u32 },
    /// An exclusive volume: the old instance stops, then the new one starts; requests are held.
    StopThenStart,
    /// Instances with names and volumes of their own: the last first, one at a time, each stops, then starts.
    Ordered,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedVolume {
    pub id: VolumeId,
    pub access: VolumeAccess,
    pub size: Option<Bytes>,
    pub class: Option<String>,
    /// What an engine mounts in place of a folder of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<VolumeOptions>,
    /// The runtime's own name of a volume that was made under another name, or for another application. `None`: its name
    /// follows from the application's, its own and its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedNetwork {
    pub internal: bool,
    /// What other applications of the environment call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<String>,
}

impl DecidedNetwork {
    /// What other applications find it by; one without a way out is nobody else's.
    pub fn shared_name(&self) -> Option<&str> {
        self.shared.as_deref().filter(|_| !self.internal)
    }
}

#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedBackups {
    pub cron: String,
    /// IANA time zone; UTC when absent.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// So many of those made by the clock are kept; 0: as many as there are.
    pub keep: u32,
    /// Those made by the clock go when they are older. The newest good one never goes.
    #[serde(default)]
    pub keep_for: Option<Span>,
}

/// How an image was made.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildRecord {
    pub source: SourceRecord,
    /// `node 22`, `Dockerfile` …
    pub builder: String,
    /// Seconds, in thousandths.
    pub duration_ms: u64,
    /// Names the log in the blob store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// Names the SBOM (CycloneDX JSON) in the blob store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sbom: Option<String>,
}

impl DecidedComponent {
    /// Somebody else's file describes it, by compose's habits.
    pub fn is_by_others(&self) -> bool {
        !self.rollout.retry.is_nothing()
    }

    /// The most instances that there ever are.
    pub fn most(&self) -> u32 {
        let most = self.scale.as_ref().map(ScaleSpec::most);
        most.unwrap_or_default().max(self.instances)
    }

    /// What must have run to its end before the component counts as brought up: a job's program, or the release task of
    /// another. The hash names the run: the same runs once.
    pub fn task(&self) -> Option<&ContentHash> {
        match self.kind {
            Kind::Job => Some(self.once.as_ref().unwrap_or(&self.hash)),
            _ => Some(&self.content.release_task.as_ref()?.hash),
        }
    }
}

impl Content {
    /// Its own container, and those beside and before it.
    pub fn containers(&self) -> impl Iterator<Item = &DecidedContainer> {
        std::iter::once(&self.main)
            .chain(self.sidecars.values())
            .chain(self.init.values())
    }

    /// What all of these mount, and where.
    pub fn mounts(&self) -> impl Iterator<Item = (&AbsolutePath, &DecidedMount)> {
        self.containers()
            .flat_map(|container| container.mounts.iter())
    }

    /// The networks that it is on: the application's own unless others are named. The first is where its address is.
    pub fn joined(&self) -> Vec<Name> {
        if self.offline {
            Vec::new()
        } else if self.networks.is_empty() {
            vec![default_network()]
        } else {
            let once = |at: &usize| !self.networks[..*at].contains(&self.networks[*at]);
            let joined = (0..self.networks.len()).filter(once);
            joined.map(|at| self.networks[at].clone()).collect()
        }
    }

    /// On the machine's own network. Its names are those of the networks it would be on; its address is the machine's.
    pub fn is_on_host(&self) -> bool {
        self.main.host.as_ref().is_some_and(|host| host.network)
    }

    /// What it is called on one of its networks, besides its own name.
    pub fn aliases_on(&self, network: &Name) -> impl Iterator<Item = &String> {
        let there = self.network_aliases.get(network).into_iter().flatten();
        self.aliases.iter().chain(there)
    }
}

impl Release {
    /// The volume that an instance of the component finds under a name: of an exclusive one, each instance of a stateful
    /// component has its own. The first has the one of that very name.
    pub fn volume_of(
        &self,
        component: &DecidedComponent,
        name: &Name,
        ordinal: u32,
    ) -> Option<(&Name, &DecidedVolume)> {
        let (name, volume) = self.volumes.get_key_value(name)?;
        let each = component.kind == Kind::Stateful && volume.access == VolumeAccess::Exclusive;
        if ordinal == 0 || !each {
            return Some((name, volume));
        }
        self.volumes.get_key_value(&numbered(name, ordinal))
    }

    /// Every secret version the release names, each once.
    pub fn secrets(&self) -> Vec<SecretRef> {
        let mut all: Vec<SecretRef> = Vec::new();
        for component in self.components.values() {
            let containers = std::iter::once(&component.content.main)
                .chain(component.content.sidecars.values())
                .chain(component.content.init.values());
            for container in containers {
                all.extend(container.env.values().flat_map(Rendered::secrets).cloned());
                all.extend(
                    container
                        .files
                        .values()
                        .flat_map(|f| f.content.secrets())
                        .cloned(),
                );
            }
            let hooks = component.content.hooks.each();
            let values = hooks.flat_map(|(_, hook)| hook.env.values());
            all.extend(values.flat_map(Rendered::secrets).cloned());
            all.extend(
                component
                    .hot_files
                    .values()
                    .flat_map(|f| f.content.secrets())
                    .cloned(),
            );
        }
        all.sort();
        all.dedup();
        all
    }
}
