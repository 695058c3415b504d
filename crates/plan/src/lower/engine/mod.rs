//! A stage in the words of the Docker Engine API (1.41, which Docker and Podman speak).
//!
//! [`engine`] gives templates: everything of a container but what belongs to one instance of it. [`InstanceTemplate::create`]
//! puts that in (name, slot, address) and resolves secrets, and gives the body to post as it is.

mod api;
mod container;
mod hooks;
mod instance;
mod network;
mod refuse;

pub(crate) use refuse::unsupported;

pub use api::*;
pub use hooks::{HookExec, resolve_hook};
pub use instance::{
    ContainerCreate, ContainerTemplate, FileCreate, InstancePlace, InstanceTemplate, NetworkJoin,
    NetworkTemplate, Role, RunPlace, resolve_files, run_name,
};
pub use network::{NetworkPlan, Room};

use indexmap::IndexMap;
use pluvio_model::facts::Facts;
use pluvio_model::id::{ApplicationId, ClusterId, Generation, VolumeId};
use pluvio_model::image::ContentHash;
use pluvio_model::name::{Name, derived};
use pluvio_model::observed::RunKind;
use pluvio_model::problem::Problem;
use pluvio_model::quantity::Span;
use pluvio_model::release::{
    DecidedComponent, DecidedFile, DecidedPort, DecidedProbes, DecidedRollout, DecidedVolume,
    Release,
};
use pluvio_model::spec::{
    AbsolutePath, Kind, RestartPolicy, ScaleSpec, ScheduleIn, VolumeAccess, VolumeOptions,
    default_network,
};
use pluvio_model::stage::RunWish;
use serde_json::{Value, json};

/// What is whose: labels on every object that Pluvio makes on an engine.
pub mod label {
    /// The cluster's id: which installation made it. What lacks it is never touched.
    pub const INSTALLATION: &str = "io.pluvio.installation";
    /// The application's id.
    pub const APPLICATION: &str = "io.pluvio.application";
    /// The application's name, for people.
    pub const APPLICATION_NAME: &str = "io.pluvio.application-name";
    pub const COMPONENT: &str = "io.pluvio.component";
    /// The component's content hash, whole.
    pub const HASH: &str = "io.pluvio.hash";
    /// The number of the release it was made for. Later releases with the same content keep the container.
    pub const RELEASE: &str = "io.pluvio.release";
    /// The generation it was made in.
    pub const GENERATION: &str = "io.pluvio.generation";
    pub const SLOT: &str = "io.pluvio.slot";
    /// Of a container that runs to its end: what its run is called.
    pub const RUN: &str = "io.pluvio.run";
    /// `main`, `init`, `run` or `sidecar`.
    pub const ROLE: &str = "io.pluvio.role";
    /// The engine's names of the volumes that it has for itself, with commas between: while it is there, nothing else that
    /// has one of them is started.
    pub const EXCLUSIVE: &str = "io.pluvio.exclusive";
    /// On a sidecar: as the specification calls it.
    pub const CONTAINER: &str = "io.pluvio.container";
    /// On a sidecar: the name of its instance.
    pub const INSTANCE: &str = "io.pluvio.instance";
    /// On a network: its name in the application; `default` for the application's own.
    pub const NETWORK: &str = "io.pluvio.network";
    /// On a container that is made on several networks, or on a further one: the engine's name of the one that its address is of.
    pub const HOME: &str = "io.pluvio.home";
    /// On a volume: its name in the application.
    pub const VOLUME: &str = "io.pluvio.volume";
    pub const VOLUME_ID: &str = "io.pluvio.volume-id";
}

/// Everything of a stage, in the engine's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnginePlan {
    /// The application's own first, if a component is on it.
    pub networks: Vec<NetworkPlan>,
    pub volumes: Vec<VolumePlan>,
    /// The engine's names of volumes that must be there already: an engine makes an empty one of what is missing.
    pub volumes_of_others: Vec<String>,
    /// The components that the stage names.
    pub components: Vec<ComponentPlan>,
    /// The tasks that it names.
    pub tasks: Vec<TaskPlan>,
}

/// A program that runs to its end, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskPlan {
    pub component: Name,
    pub kind: RunKind,
    pub hash: ContentHash,
    pub instance: InstanceTemplate,
    /// In place of the component's own.
    pub command: Option<Vec<String>>,
    pub timeout: Option<Span>,
    pub grace: Span,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumePlan {
    /// The engine's name of it.
    pub name: String,
    /// Its name in the application.
    pub volume: Name,
    pub id: VolumeId,
    pub labels: IndexMap<String, String>,
    /// Of the engine's local driver: `type`, `device`, `o`; none for a folder of its own.
    pub options: IndexMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentPlan {
    pub name: Name,
    pub hash: ContentHash,
    pub instances: u32,
    /// What changes their number by itself.
    pub scale: Option<ScalePlan>,
    pub rollout: DecidedRollout,
    pub restart: RestartPolicy,
    pub probes: DecidedProbes,
    pub ports: IndexMap<Name, DecidedPort>,
    /// When it runs, for one that runs by a schedule; then it has no instances that stay.
    pub schedule: Option<ScheduleIn>,
    pub instance: InstanceTemplate,
    /// Its init steps work on an exclusive volume: nothing is made before the instance that has it is gone.
    pub made_alone: bool,
    /// Files that are written into running instances when they change.
    pub hot_files: IndexMap<AbsolutePath, DecidedFile>,
}

/// Bounds, and what an instance asks for, which its use is measured against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalePlan {
    pub spec: ScaleSpec,
    /// Thousandths of a core.
    pub cpu: Option<u32>,
    /// Bytes.
    pub memory: Option<u64>,
}

/// Lowers a stage. What an engine cannot do is refused by name, with its path in the specification.
pub fn engine(
    wish: &RunWish,
    application: ApplicationId,
    generation: Generation,
    facts: &Facts,
) -> Result<EnginePlan, Vec<Problem>> {
    let release = &wish.release;
    let named: Vec<&DecidedComponent> = wish
        .components
        .iter()
        .filter_map(|name| release.components.get(name))
        .collect();
    let problems = unsupported(release, &named, facts);
    if !problems.is_empty() {
        return Err(problems);
    }
    let owner = Owner {
        application,
        release,
        generation,
        facts,
    };
    Ok(EnginePlan {
        networks: owner.networks(),
        volumes: owner.volumes(),
        volumes_of_others: volumes_of_others(
            named.iter().copied().chain(
                wish.tasks
                    .iter()
                    .filter_map(|task| release.components.get(&task.component)),
            ),
        ),
        components: named
            .into_iter()
            .map(|component| owner.component(component))
            .collect(),
        tasks: wish
            .tasks
            .iter()
            .filter_map(|task| {
                let component = release.components.get(&task.component)?;
                (component.task() == Some(&task.hash)).then(|| owner.task(component, &task.hash))
            })
            .collect(),
    })
}

fn volumes_of_others<'r>(components: impl Iterator<Item = &'r DecidedComponent>) -> Vec<String> {
    let mounts = components.flat_map(|component| component.content.mounts());
    let mut names: Vec<String> = mounts
        .filter_map(|(_, mount)| mount.host_volume.as_ref())
        .map(ToString::to_string)
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The name of the application's own network.
pub fn network_name(application_name: &Name, application: ApplicationId) -> String {
    derived(&["pluvio", application_name.as_str(), &tail(application.0)])
}

/// The name that a volume is made under. By its own id: data outlives releases, renames and the application itself.
pub fn volume_name(application_name: &Name, name: &Name, id: VolumeId) -> String {
    derived(&[
        "pluvio",
        application_name.as_str(),
        name.as_str(),
        &tail(id.0),
    ])
}

/// What every volume that is made for an application is labelled with.
pub fn volume_labels(
    installation: ClusterId,
    application: ApplicationId,
    application_name: &Name,
    name: &Name,
    id: VolumeId,
) -> IndexMap<String, String> {
    [
        (label::INSTALLATION, installation.to_string()),
        (label::APPLICATION, application.to_string()),
        (label::APPLICATION_NAME, application_name.to_string()),
        (label::VOLUME, name.to_string()),
        (label::VOLUME_ID, id.to_string()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

/// Eight digits that tell two things of one name apart. The end of a UUIDv7 is random; its beginning is the time.
fn tail(id: impl ToString) -> String {
    let text = id.to_string();
    text[text.len() - 8..].to_owned()
}

/// Whose things are lowered, and for what.
struct Owner<'a> {
    application: ApplicationId,
    release: &'a Release,
    generation: Generation,
    facts: &'a Facts,
}

impl Owner<'_> {
    fn labels(&self, more: &[(&str, String)]) -> IndexMap<String, String> {
        let own = [
            (label::INSTALLATION, self.facts.cluster.to_string()),
            (label::APPLICATION, self.application.to_string()),
            (
                label::APPLICATION_NAME,
                self.release.application_name.to_string(),
            ),
        ];
        own.iter()
            .chain(more)
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect()
    }

    /// Those that a component is on; the application's own if there is none.
    fn networks(&self) -> Vec<NetworkPlan> {
        let own = default_network();
        let mut joined: Vec<Name> = Vec::new();
        for component in self.release.components.values() {
            for network in component.content.joined() {
                if !joined.contains(&network) {
                    joined.push(network);
                }
            }
        }
        if joined.is_empty() {
            joined.push(own.clone());
        }
        joined.sort_by_key(|network| *network != own);
        joined.into_iter().map(|name| self.network(name)).collect()
    }

    fn network(&self, name: Name) -> NetworkPlan {
        let internal = self.is_internal(&name);
        NetworkPlan {
            name: self.network_name(&name),
            labels: self.labels(&[(label::NETWORK, name.to_string())]),
            internal,
            known_as: self.known_as(&name),
            shared_as: self.shared_as(&name),
            room: Room::of(self.release, &name, !internal),
            network: name,
        }
    }

    fn is_internal(&self, network: &Name) -> bool {
        let decided = self.release.networks.get(network);
        decided.is_some_and(|network| network.internal)
    }

    /// What a network is called in its environment, by a name that applications share.
    fn beyond(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.release.team, self.release.environment)
    }

    fn shared_as(&self, network: &Name) -> Option<String> {
        let shared = self.release.networks.get(network)?.shared_name()?;
        Some(self.beyond(shared))
    }

    /// What its environment knows a network by: the name that it shares, and the one that docker compose would give it, which other
    /// people's files name as external.
    fn known_as(&self, network: &Name) -> Vec<String> {
        if self.is_internal(network) {
            return Vec::new();
        }
        let compose = format!("{}_{network}", self.release.application_name);
        let mut names: Vec<String> = self.shared_as(network).into_iter().collect();
        names.push(self.beyond(&compose));
        names.dedup();
        names
    }

    /// One with a way out and one without are two networks: an engine does not change one that exists.
    fn network_name(&self, name: &Name) -> String {
        let (application, tail) = (&self.release.application_name, tail(self.application.0));
        let own = *name == default_network();
        match (own, self.is_internal(name)) {
            (true, false) => network_name(application, self.application),
            (false, false) => derived(&["pluvio", application.as_str(), name.as_str(), &tail]),
            (_, true) => derived(&[
                "pluvio",
                application.as_str(),
                name.as_str(),
                "internal",
                &tail,
            ]),
        }
    }

    fn volumes(&self) -> Vec<VolumePlan> {
        self.release
            .volumes
            .iter()
            .map(|(name, volume)| VolumePlan {
                name: self.volume_name(name, volume),
                volume: name.clone(),
                id: volume.id,
                labels: self.labels(&[
                    (label::VOLUME, name.to_string()),
                    (label::VOLUME_ID, volume.id.to_string()),
                ]),
                options: volume
                    .options
                    .as_ref()
                    .map(VolumeOptions::driver_options)
                    .unwrap_or_default(),
            })
            .collect()
    }

    fn volume_name(&self, name: &Name, volume: &DecidedVolume) -> String {
        volume
            .handle
            .clone()
            .unwrap_or_else(|| volume_name(&self.release.application_name, name, volume.id))
    }

    fn task(&self, component: &DecidedComponent, hash: &ContentHash) -> TaskPlan {
        let task = component
            .content
            .release_task
            .as_ref()
            .filter(|_| component.kind != Kind::Job);
        TaskPlan {
            component: component.name.clone(),
            kind: match task {
                Some(_) => RunKind::Release,
                None => RunKind::Job,
            },
            hash: hash.clone(),
            instance: self.instance(component),
            command: task.map(|task| task.command.clone()),
            timeout: task.map(|task| task.timeout),
            grace: component.rollout.grace,
        }
    }

    fn is_made_alone(&self, component: &DecidedComponent) -> bool {
        let steps = component.content.init.values();
        let mut volumes = steps
            .flat_map(|step| step.mounts.values())
            .filter_map(|mount| self.release.volumes.get(mount.volume.as_ref()?));
        volumes.any(|volume| volume.access == VolumeAccess::Exclusive)
    }

    fn component(&self, component: &DecidedComponent) -> ComponentPlan {
        let content = &component.content;
        ComponentPlan {
            name: component.name.clone(),
            hash: component.hash.clone(),
            instances: component.instances,
            scale: component
                .scale
                .as_ref()
                .map(|scale| scale_plan(component, scale)),
            rollout: component.rollout.clone(),
            restart: content.restart,
            probes: content.main.probes.clone(),
            ports: content.ports.clone(),
            schedule: component.schedule.clone(),
            instance: self.instance(component),
            made_alone: self.is_made_alone(component),
            hot_files: component.hot_files.clone(),
        }
    }
}

/// All of an instance's programs together ask for it, and together they are measured. What names a limit only asks for that.
fn scale_plan(component: &DecidedComponent, scale: &ScaleSpec) -> ScalePlan {
    let content = &component.content;
    let all = || std::iter::once(&content.main).chain(content.sidecars.values());
    let cpu = all().filter_map(|one| Some(one.cpu_request.or(one.cpu_limit)?.0));
    let memory = all().filter_map(|one| Some(one.memory_request.or(one.memory_limit)?.0));
    ScalePlan {
        spec: scale.clone(),
        cpu: Some(cpu.sum()).filter(|sum| *sum > 0),
        memory: Some(memory.sum()).filter(|sum| *sum > 0),
    }
}

impl EnginePlan {
    /// The objects as a person may read them: the bodies of the engine's API, each secret as its reference.
    pub fn manifests(&self) -> Value {
        let containers: Vec<Value> = self
            .components
            .iter()
            .flat_map(|component| component.instance.manifests(component.instances))
            .collect();
        json!({
            "networks": self.networks.iter().map(|n| json!({
                "Name": n.name, "Internal": n.internal, "Labels": n.labels,
            })).collect::<Vec<_>>(),
            "volumes": self.volumes.iter().map(|v| {
                let mut one = json!({ "Name": v.name, "Labels": v.labels });
                if !v.options.is_empty() {
                    one["DriverOpts"] = json!(v.options);
                }
                one
            }).collect::<Vec<_>>(),
            "containers": containers,
        })
    }
}

#[cfg(test)]
mod tests;
