//! One instance of a component: its containers' templates, and what makes them whole.

use std::net::IpAddr;

use indexmap::IndexMap;
use pluvio_model::id::{ApplicationId, ClusterId, Generation};
use pluvio_model::image::ContentHash;
use pluvio_model::name::{EnvName, Name, derived, numbered};
use pluvio_model::release::{DecidedFile, DecidedHooks};
use pluvio_model::spec::AbsolutePath;
use pluvio_model::template::{Rendered, SecretRef};
use serde_json::{Value, json};

use super::super::ORDINAL;
use super::super::merge::merge;
use super::api::*;
use super::{hooks, label};

/// The containers of one instance, in the order they are made: each init step runs to its end before the next is made; then
/// main, then its sidecars, which join main's network and run while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceTemplate {
    pub(super) application_name: Name,
    pub(super) component: Name,
    pub(super) application: ApplicationId,
    pub(super) installation: ClusterId,
    pub(super) release: u64,
    pub(super) generation: Generation,
    pub(super) hash: ContentHash,
    pub(super) init: Vec<ContainerTemplate>,
    pub(super) main: ContainerTemplate,
    pub(super) sidecars: Vec<ContainerTemplate>,
    /// What is run in main besides its program.
    pub(super) hooks: DecidedHooks,
    /// Its instances have names of their own: the slot is the ordinal.
    pub(super) ordered: bool,
    /// Volumes that one instance at a time may have, by the engine's name in the template: that of each ordinal.
    pub(super) exclusive: IndexMap<String, Vec<String>>,
}

/// A container but for what belongs to one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerTemplate {
    pub(super) role: Role,
    /// Without `Env`, our labels and addresses: those are put in by [`InstanceTemplate::create`].
    pub(super) body: CreateBody,
    pub(super) env: IndexMap<EnvName, Rendered>,
    /// Hot ones included.
    pub(super) files: IndexMap<AbsolutePath, DecidedFile>,
    /// Names on the network besides what the node adds.
    pub(super) hosts: IndexMap<String, String>,
    /// The networks it joins: the first at creation, the rest before it starts.
    pub(super) networks: Vec<NetworkTemplate>,
    pub(super) patch: Option<Value>,
}

/// A network that a container joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkTemplate {
    /// The engine's name of it.
    pub(super) name: String,
    /// What main is called there besides the component's name.
    pub(super) aliases: Vec<String>,
}

/// What a container is in its instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    Init(Name),
    Main,
    /// Beside main, on its network.
    Sidecar(Name),
    /// The program of a run that comes to an end.
    Run,
}

impl Role {
    /// The value of [`label::ROLE`].
    pub fn as_str(&self) -> &'static str {
        match self {
            Role::Init(_) => "init",
            Role::Main => "main",
            Role::Sidecar(_) => "sidecar",
            Role::Run => "run",
        }
    }
}

/// What belongs to one instance only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstancePlace {
    pub slot: u32,
    /// Its address on each of its networks, by the engine's name in the template. The engine chooses where there is none.
    pub addresses: IndexMap<String, IpAddr>,
    /// Those of its init steps, which run one after the other before it.
    pub init_addresses: IndexMap<String, IpAddr>,
    /// Inner names and where they lead, besides the release's own `extraHosts`, which win.
    pub hosts: IndexMap<String, IpAddr>,
    /// What stands in for a network that was outgrown, by the engine's name of the latter.
    pub networks: IndexMap<String, String>,
    /// It is no instance that stays, but a run that comes to an end.
    pub run: Option<RunPlace>,
}

impl InstancePlace {
    fn network<'a>(&'a self, decided: &'a str) -> &'a str {
        self.networks.get(decided).map_or(decided, String::as_str)
    }

    /// An init step has ended before main starts, yet both may exist at once.
    fn address_on(&self, decided: &str, role: &Role) -> Option<IpAddr> {
        let addresses = match role {
            Role::Init(_) => &self.init_addresses,
            Role::Main | Role::Run | Role::Sidecar(_) => &self.addresses,
        };
        addresses.get(decided).copied()
    }
}

/// What belongs to one run only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunPlace {
    /// Names it in its application.
    pub key: String,
    /// In place of the component's own.
    pub command: Option<Vec<String>>,
}

/// A container to make, nothing left open. Holds secret values: never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct ContainerCreate {
    pub name: String,
    pub role: Role,
    /// The body of `POST /containers/create?name=…`, the user's `patch.engine` merged in.
    pub body: Value,
    /// Written before it starts.
    pub files: Vec<FileCreate>,
    /// Networks to join besides the one in the body, before it starts.
    pub further_networks: Vec<NetworkJoin>,
}

/// A network that a container joins before it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkJoin {
    /// The engine's name of it.
    pub name: String,
    pub address: Option<IpAddr>,
    pub aliases: Vec<String>,
}

/// A file to write into a container. Holds secret values: never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct FileCreate {
    pub path: AbsolutePath,
    /// Octal permission bits.
    pub mode: u16,
    pub content: String,
}

impl std::fmt::Debug for ContainerCreate {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "ContainerCreate({})", self.name)
    }
}
impl std::fmt::Debug for FileCreate {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "FileCreate({} {:04o})", self.path, self.mode)
    }
}

/// The name of a run's container: `shop--report--run-3f9c1d0a`.
pub fn run_name(
    application: ApplicationId,
    application_name: &Name,
    component: &Name,
    key: &str,
) -> String {
    let digits = ContentHash::of(&(application, key));
    derived(&[
        application_name.as_str(),
        component.as_str(),
        &format!("run-{}", &digits.as_str()[..8]),
    ])
}

impl InstanceTemplate {
    /// The instance's name, which is its main container's: `shop--web--3f9c1d-0`. The hex digits are of the application's id
    /// and the content, so that two applications of one name (in two environments) never meet.
    pub fn name(&self, slot: u32) -> String {
        let digits = ContentHash::of(&(self.application, &self.hash));
        derived(&[
            self.application_name.as_str(),
            self.component.as_str(),
            &format!("{}-{slot}", &digits.as_str()[..6]),
        ])
    }

    pub fn run_name(&self, key: &str) -> String {
        run_name(
            self.application,
            &self.application_name,
            &self.component,
            key,
        )
    }

    /// Whether a run of it has volumes that nothing else may have meanwhile.
    pub fn runs_alone(&self) -> bool {
        !self.ordered && !self.exclusive.is_empty()
    }

    pub fn component(&self) -> &Name {
        &self.component
    }

    /// The engine's names of the networks that its containers join, as they were decided.
    pub fn networks(&self) -> impl Iterator<Item = &String> {
        self.main.networks.iter().map(|network| &network.name)
    }

    pub fn has_init_steps(&self) -> bool {
        !self.init.is_empty()
    }

    pub fn hooks(&self) -> &DecidedHooks {
        &self.hooks
    }

    pub fn sidecars(&self) -> impl Iterator<Item = &Name> {
        self.sidecars
            .iter()
            .filter_map(|sidecar| match &sidecar.role {
                Role::Sidecar(name) => Some(name),
                _ => None,
            })
    }

    /// The containers of one instance, in the order they are made: init steps, main, sidecars. A run that comes to an end has
    /// no sidecars. `Err` names a secret without a value.
    pub fn create(
        &self,
        place: &InstancePlace,
        secret: &dyn Fn(&SecretRef) -> Option<String>,
    ) -> Result<Vec<ContainerCreate>, SecretRef> {
        self.init
            .iter()
            .chain([&self.main])
            .chain(self.sidecars.iter().filter(|_| place.run.is_none()))
            .map(|container| self.container(container, place, secret))
            .collect()
    }

    fn container(
        &self,
        template: &ContainerTemplate,
        place: &InstancePlace,
        secret: &dyn Fn(&SecretRef) -> Option<String>,
    ) -> Result<ContainerCreate, SecretRef> {
        let instance = match &place.run {
            Some(run) => self.run_name(&run.key),
            None => self.name(place.slot),
        };
        let role = match (&template.role, &place.run) {
            (Role::Main, Some(_)) => Role::Run,
            (role, _) => role.clone(),
        };
        let name = match &role {
            Role::Main | Role::Run => instance.clone(),
            Role::Init(init) => derived(&[&instance, "init", init.as_str()]),
            Role::Sidecar(sidecar) => derived(&[&instance, "sidecar", sidecar.as_str()]),
        };
        let mut body = template.body.clone();
        if self.ordered && place.run.is_some() {
            // It is none of the instances, so it has no volume of its own.
            let mounts = &mut body.host_config.mounts;
            mounts.retain(|mount| !self.exclusive.contains_key(&mount.source));
        }
        let exclusive = self.take_own_volumes(&mut body, place.slot);
        let ordinal = self.ordinal(place);
        if let Role::Sidecar(_) = role {
            // Its host name, `/etc/hosts` and addresses are main's; engines refuse any of its own.
            body.host_config.network_mode = Some(format!("container:{instance}"));
        } else {
            // On the machine's network it has the machine's name, unless it asks for another.
            let on_host = body.host_config.network_mode.as_deref() == Some("host");
            if body.hostname.is_empty() && !on_host {
                body.hostname = match &ordinal {
                    Some(ordinal) => ordinal.to_string(),
                    None => name.clone(),
                };
            }
            self.place_on_network(template, place, &role, &mut body);
        }
        if let (Role::Run, Some(run)) = (&role, &place.run) {
            // Its ports, if it has some, are nobody's to come in by.
            body.host_config.port_bindings.clear();
            if let Some(command) = &run.command {
                body.cmd = Some(command.clone());
            }
        }
        for (key, value) in &template.env {
            let value = value.resolve(secret).map_err(Clone::clone)?;
            body.env.push(format!("{key}={value}"));
        }
        if ordinal.is_some() && !template.env.keys().any(|key| key.as_str() == ORDINAL) {
            body.env.push(format!("{ORDINAL}={}", place.slot));
        }
        let binds = std::mem::take(&mut body.host_config.binds);
        let mut body = serde_json::to_value(&body).expect("a body serialises");
        if let Some(patch) = &template.patch {
            merge(&mut body, patch);
        }
        if !binds.is_empty() {
            let all = &mut body["HostConfig"]["Binds"];
            let asked = all.as_array_mut().map(std::mem::take);
            let all_binds = binds.into_iter().map(Value::from);
            *all = asked
                .unwrap_or_default()
                .into_iter()
                .chain(all_binds)
                .collect();
        }
        if body["HostConfig"]["UTSMode"] == "host" {
            // It has the machine's name; engines refuse any of its own.
            body.as_object_mut()
                .map(|body| body.shift_remove("Hostname"));
        }
        // After the patch: a container without them would be nobody's, and stay for ever.
        self.mark(&mut body, place, &role);
        if !matches!(role, Role::Sidecar(_))
            && let Some(network) = template.networks.first()
            && (template.networks.len() > 1 || place.network(&network.name) != network.name)
        {
            body["Labels"][label::HOME] = place.network(&network.name).into();
        }
        if !exclusive.is_empty() {
            body["Labels"][label::EXCLUSIVE] = exclusive.join(",").into();
        }
        Ok(ContainerCreate {
            name,
            body,
            files: resolve_files(&template.files, secret)?,
            further_networks: match template.role {
                Role::Sidecar(_) => Vec::new(),
                _ => template
                    .networks
                    .iter()
                    .skip(1)
                    .map(|network| NetworkJoin {
                        name: place.network(&network.name).to_owned(),
                        address: place.address_on(&network.name, &role),
                        aliases: self.names_on(network, place, &role),
                    })
                    .collect(),
            },
            role,
        })
    }

    /// Its networks, its address and the names it knows.
    fn place_on_network(
        &self,
        template: &ContainerTemplate,
        place: &InstancePlace,
        role: &Role,
        body: &mut CreateBody,
    ) {
        for (host, address) in &place.hosts {
            if !template.hosts.contains_key(host) {
                body.host_config
                    .extra_hosts
                    .push(format!("{host}:{address}"));
            }
        }
        for (host, address) in &template.hosts {
            body.host_config
                .extra_hosts
                .push(format!("{host}:{address}"));
        }
        if let Some(first) = template.networks.first() {
            let network = place.network(&first.name).to_owned();
            body.host_config.network_mode = Some(network.clone());
            let address = place.address_on(&first.name, role);
            body.networking_config = Some(NetworkingConfig {
                endpoints_config: [(
                    network,
                    EndpointConfig {
                        ipam_config: address.map(|address| IpamConfig {
                            ipv4_address: address.to_string(),
                        }),
                        aliases: self.names_on(first, place, role),
                    },
                )]
                .into(),
            });
        }
    }

    /// Nothing but main is found by name.
    fn names_on(
        &self,
        network: &NetworkTemplate,
        place: &InstancePlace,
        role: &Role,
    ) -> Vec<String> {
        if *role != Role::Main {
            return Vec::new();
        }
        std::iter::once(self.component.to_string())
            .chain(network.aliases.iter().cloned())
            .chain(self.ordinal(place).map(|own| own.to_string()))
            .collect()
    }

    /// What a single instance is called inside the application, if its component's have names of their own: `db-0`.
    fn ordinal(&self, place: &InstancePlace) -> Option<Name> {
        (self.ordered && place.run.is_none()).then(|| numbered(&self.component, place.slot))
    }

    /// Puts the volumes of one ordinal in place of the first's. Answers which it holds alone.
    fn take_own_volumes(&self, body: &mut CreateBody, slot: u32) -> Vec<String> {
        let mut held: Vec<String> = Vec::new();
        for mount in &mut body.host_config.mounts {
            let Some(each) = self.exclusive.get(&mount.source) else {
                continue;
            };
            if self.ordered {
                // One that is not wanted has none: an engine refuses it, rather than to give it another's.
                mount.source = each.get(slot as usize).cloned().unwrap_or_default();
            }
            if !held.contains(&mount.source) {
                held.push(mount.source.clone());
            }
        }
        held
    }

    fn mark(&self, body: &mut Value, place: &InstancePlace, role: &Role) {
        let ours = [
            (label::INSTALLATION, self.installation.to_string()),
            (label::APPLICATION, self.application.to_string()),
            (label::APPLICATION_NAME, self.application_name.to_string()),
            (label::COMPONENT, self.component.to_string()),
            (label::HASH, self.hash.to_string()),
            (label::RELEASE, self.release.to_string()),
            (label::GENERATION, self.generation.to_string()),
            (label::SLOT, place.slot.to_string()),
            (label::ROLE, role.as_str().to_owned()),
        ];
        if !body["Labels"].is_object() {
            body["Labels"] = json!({});
        }
        for (key, value) in ours {
            body["Labels"][key] = value.into();
        }
        if let Some(run) = &place.run {
            body["Labels"][label::RUN] = run.key.clone().into();
        }
        if let Role::Sidecar(name) = role {
            body["Labels"][label::CONTAINER] = name.as_str().into();
            body["Labels"][label::INSTANCE] = self.name(place.slot).into();
        }
    }

    /// The first instance; each, where they differ.
    pub(super) fn manifests(&self, instances: u32) -> Vec<Value> {
        let shown = |secret: &SecretRef| Some(format!("${{secrets.{}}}", secret.name));
        let slots = if self.ordered { instances.max(1) } else { 1 };
        (0..slots)
            .flat_map(|slot| {
                let place = InstancePlace {
                    slot,
                    ..InstancePlace::default()
                };
                self.create(&place, &shown).unwrap_or_default()
            })
            .map(|container| {
                let mut one = json!({
                    "name": container.name,
                    "body": container.body,
                    "files": container.files.iter().map(|file| json!({
                        "path": file.path,
                        "mode": format!("{:04o}", file.mode),
                        "content": file.content,
                    })).collect::<Vec<_>>(),
                });
                if container.role == Role::Main && !self.hooks.is_empty() {
                    one["hooks"] = hooks::manifests(&self.hooks, &shown);
                }
                one
            })
            .collect()
    }
}

/// Files with their secrets put in. `Err` names a secret without a value.
pub fn resolve_files(
    files: &IndexMap<AbsolutePath, DecidedFile>,
    secret: &dyn Fn(&SecretRef) -> Option<String>,
) -> Result<Vec<FileCreate>, SecretRef> {
    files
        .iter()
        .map(|(path, file)| {
            Ok(FileCreate {
                path: path.clone(),
                mode: file.mode.0,
                content: file.content.resolve(secret).map_err(Clone::clone)?,
            })
        })
        .collect()
}
